"""What several test files share: a small project, shipped once for all of them."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from registered import copy_project

PROMPT = """\
You route messages that guests send to a small hotel.

Choose one desk for each message:
- kitchen: food, drinks, breakfast, allergies
- repairs: something in the room is broken or does not work
- desk: keys, bills, bookings, arrival and departure

Message: {message}

Answer with the desk alone.
"""
MESSAGES = {
    "kitchen": [
        "Could we have two more coffees on the terrace?",
        "The soup was cold when it came to our table",
        "Is there a breakfast without nuts for my son?",
        "Please send a club sandwich to room 12",
        "We would like to eat at eight instead of seven",
        "Do you have oat milk for the morning?",
        "The steak I ordered was far too salty",
        "Can the chef make a cake for a birthday?",
        "A bottle of white wine, please, well chilled",
        "My daughter cannot eat eggs or gluten",
    ],
    "repairs": [
        "The shower only gives cold water",
        "The lamp beside the bed keeps flickering",
        "Our window does not close any more",
        "The heating in 7 rattles all night long",
        "The television shows nothing but snow",
        "There is a leak under the bathroom sink",
        "The lock of the balcony door is stuck",
        "The air conditioner drips on the carpet",
        "A socket next to the mirror has no power",
        "The toilet does not stop flushing",
    ],
    "desk": [
        "May we check out an hour later on Sunday?",
        "I was charged twice for the parking place",
        "I left my key card inside, the door fell shut",
        "Can I book the same room for next May?",
        "We arrive after midnight; is somebody there?",
        "Please send the invoice to my company",
        "I have to cancel the second night",
        "Is a deposit needed for the booking?",
        "Could you call us a taxi for six tomorrow?",
        "My name is spelled wrong on the bill",
    ],
}
CANARY = "sk-canary-51c0ffee51c0ffee"
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN")


@dataclass(frozen=True)
class Done:
    """How a command went."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output, which must be one JSON document and nothing else."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Hotel:
    """The project that was shipped, and what that said."""

    def __init__(self, folder: Path, shipped: Done) -> None:
        self.folder = folder
        self.prompt = folder.parent / "prompt.md"
        self.rows = folder.parent / "rows.csv"
        self.shipped = shipped
        self.artifact = Path(shipped.document["compile"]["artifact"])


def rows_text(messages: Mapping[str, list[str]] = MESSAGES) -> str:
    """The rows as CSV."""
    lines = [f'"{text}",{desk}' for desk, texts in messages.items() for text in texts]
    return "\n".join(["message,desk", *lines, ""])


def plain_environment() -> dict[str, str]:
    """The environment without what would lead MLflow elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}


def start(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from shipworthy.cli import main; main()", *map(str, arguments)],
        cwd=cwd,
        env={**plain_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        # A shell's background jobs ignore Ctrl-C, and so would what they start: a terminal's do not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str], timeout: float = 240) -> Done:
    """Wait for its end."""
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out, err)


def call(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> Done:
    """A command in this process, which saves it the imports."""
    from shipworthy.cli import run

    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)))
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(list(map(str, arguments)))
    finally:
        sys.stdin = before
    return Done(code, out.getvalue(), err.getvalue())


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def hotel(tmp_path_factory: pytest.TempPathFactory) -> Hotel:
    """A prompt and thirty rows, shipped outside any project by a process with keys in its environment.

    Shipped once in a run of the tests, whichever processes they are shared out to; each file of
    tests has a copy, so that it finds nothing that another one did to it.
    """
    base = tmp_path_factory.getbasetemp().resolve()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    kept = run / "shipped-hotel"
    with (run / "shipped-hotel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back also by a process that is killed
        if not (kept / "done.json").is_file():
            shutil.rmtree(kept, ignore_errors=True)
            _ship(kept)
    return _moved(kept, tmp_path_factory.mktemp("hotel").resolve())


def _ship(kept: Path) -> None:
    folder = kept / "hotel"
    folder.mkdir(parents=True)
    (folder / "prompt.md").write_text(PROMPT)
    (folder / "rows.csv").write_text(rows_text())
    keys = dict.fromkeys(KEYS, CANARY)
    arguments = ("ship", "prompt.md", "rows.csv", "--name", "hotel", "--json")
    done = finish(start(*arguments, cwd=folder, env=keys))
    (kept / "done.new").write_text(json.dumps(vars(done)))
    os.replace(kept / "done.new", kept / "done.json")


def _moved(kept: Path, folder: Path) -> Hotel:
    """The project in another place, with every path in it as if it had been shipped there."""
    old, new = str(kept / "hotel"), str(folder)
    folder.rmdir()
    copy_project(kept / "hotel", folder)
    done = json.loads((kept / "done.json").read_text().replace(old, new))
    return Hotel(folder / "hotel", Done(**done))
