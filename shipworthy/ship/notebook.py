"""Progress in a notebook: one output that is drawn anew, with how a race stands."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime import STANDING_HEADERS, Pace, Progress, standing_cells

REDRAW_S = 0.5
SHOWN_NEWS = 12


def default_progress() -> Progress:
    """For whoever named none: drawn in a notebook, silent elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return NotebookProgress() if type(shell).__name__ == "ZMQInteractiveShell" else Progress()


class NotebookProgress(Progress):
    """News, the task with its time to finish, what is spent, and how a race stands, as one HTML output."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._news: list[str] = []
        self._task = ""
        self._pace = Pace(0)
        self._done = 0
        self._status = ""
        self._standings: list[Mapping[str, Any]] = []
        self._last = 0.0

    def say(self, text: str) -> None:
        """A line of news."""
        self._news.append(text)
        self._show(at_once=True)

    def start(self, task: str, total: int) -> None:
        """A task begins."""
        self._task, self._pace, self._done, self._standings, self._status = task, Pace(total), 0, [], ""
        self._show(at_once=True)

    def advance(self, done: int) -> None:
        """So many pieces are done."""
        self._done = done
        self._show()

    def status(self, text: str) -> None:
        """What was spent and what is left."""
        self._status = text

    def standings(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """How a race stands."""
        self._standings = sorted(rows, key=lambda row: (row["state"] != "leads", -row["difference"]))

    def finish(self) -> None:
        """The task is done."""
        self._news.append(f"{self._task}: done in {self._pace.taken()}")
        self._task = ""
        self._show(at_once=True)

    def _repr_html_(self) -> str:
        lines = [html.escape(text) for text in self._news[-SHOWN_NEWS:]]
        if self._task:
            share = self._done / max(1, self._pace.total)
            words = html.escape(f"{self._task}: {self._pace.words(self._done)}")
            status = f"<br><small>{html.escape(self._status)}</small>" if self._status else ""
            lines.append(
                f'<progress value="{share:.3f}" style="width:16em;vertical-align:middle"></progress> '
                f"{words}{status}"
            )
        return "<div>" + "<br>".join(lines) + "</div>" + self._race()

    def _race(self) -> str:
        if not self._standings:
            return ""
        head = "".join(f"<th>{html.escape(text)}</th>" for text in STANDING_HEADERS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in standing_cells(row)) + "</tr>"
            for row in self._standings
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _show(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._last < REDRAW_S:
            return
        self._last = now
        from IPython.display import display

        if self._handle is None:
            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)
