"""Progress: an honest time to finish, how a race stands, and nothing where nobody listens."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from shipworthy.cli import progress as cli_progress
from shipworthy.cli.progress import TerminalProgress
from shipworthy.runtime import Pace, Progress
from shipworthy.runtime.progress import duration
from shipworthy.ship.notebook import NotebookProgress, default_progress


def standing(name: str, rows: int, mean: float, difference: float, state: str) -> dict[str, Any]:
    interval = (max(-1.0, difference - 0.3), min(1.0, difference + 0.3))
    figures = {"rows": rows, "mean": mean, "difference": difference, "interval": interval}
    return {"name": name, "state": state, **figures}


STANDINGS = [
    standing("short & <plain>", 30, 0.8, 0.0, "leads"),
    standing("long", 12, 0.4, -0.4, "rests"),
    standing("none", 0, float("nan"), 0.0, "dropped"),
]


def test_the_first_piece_says_nothing_of_the_pace() -> None:
    now = [0.0]
    pace = Pace(11, clock=lambda: now[0])
    now[0] = 60.0  # setting up
    assert pace.words(1) == "1 of 11"
    now[0] = 64.0
    assert pace.words(3) == "3 of 11, 16 s left"
    assert pace.taken() == "1 min 04 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (61, "1 min 01 s"),
        (109, "1 min 49 s"),
        (179.7, "3 min 00 s"),
        (185, "3 min 05 s"),
        (5400, "1.5 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def drive(progress: Progress) -> None:
    progress.say("hello")
    progress.start("racing", 100)
    progress.status("42 calls; 8 calls left (calls=50)")
    progress.standings(STANDINGS)
    progress.advance(1)
    progress.advance(42)
    progress.finish()


def test_a_terminal_is_drawn_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_progress, "is_terminal", lambda: True)
    monkeypatch.setattr(cli_progress, "REDRAW_S", 0.0)
    drive(TerminalProgress())
    out, err = capsys.readouterr()
    assert out == ""
    assert "42 of 100" in err
    assert "8 calls left" in err
    assert "short & <plain>" in err
    assert "\033[6F\033[J" in err  # the six lines drawn before
    assert err.rstrip().endswith("s")


def test_elsewhere_there_are_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_progress, "is_terminal", lambda: False)
    monkeypatch.setattr(cli_progress, "EVERY_S", 0.0)
    drive(TerminalProgress())
    err = capsys.readouterr().err
    assert "\033" not in err
    assert "'short & <plain>' leads; 0 runs, 1 rests, 1 dropped" in err


def test_a_notebook_shows_one_output_with_everything_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, what: Any) -> None:
            shown.append(what._repr_html_())

    def display(what: Any, display_id: bool) -> Handle:
        shown.append(what._repr_html_())
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(sys.modules["shipworthy.ship.notebook"], "REDRAW_S", 0.0)
    drive(NotebookProgress())
    assert any("42 of 100" in page and "8 calls left" in page for page in shown)
    assert any("short &amp; &lt;plain&gt;" in page for page in shown)
    assert not any("<plain>" in page for page in shown)


def test_who_names_none_gets_silence_outside_a_notebook() -> None:
    assert type(default_progress()) is Progress


def test_in_a_notebook_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert isinstance(default_progress(), NotebookProgress)
