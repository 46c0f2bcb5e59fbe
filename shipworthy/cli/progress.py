"""Progress on stderr: a few lines that are drawn over on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..runtime import STANDING_HEADERS, Pace, Progress, standing_cells
from .output import is_terminal, table

EVERY_S = 10.0
REDRAW_S = 0.2
SHOWN = 8


class TerminalProgress(Progress):
    """Says what is happening, what is spent, how a race stands, and how long it will take."""

    def __init__(self) -> None:
        self._drawn = is_terminal()
        self._lines = 0
        self._task = ""
        self._pace = Pace(0)
        self._status = ""
        self._standings: list[Mapping[str, Any]] = []
        self._last = 0.0

    def say(self, text: str) -> None:
        """A line of news."""
        self._clear()
        click.echo(text, err=True)

    def start(self, task: str, total: int) -> None:
        """A task begins."""
        self._task, self._pace, self._standings, self._status = task, Pace(total), [], ""
        self._last = time.monotonic()
        if not self._drawn:
            self.say(f"{task} ({total})")

    def advance(self, done: int) -> None:
        """So many pieces are done."""
        text = f"{self._task}: {self._pace.words(done)}"
        now = time.monotonic()
        if now - self._last < (REDRAW_S if self._drawn else EVERY_S):
            return
        self._last = now
        lines = [f"{text}; {self._status}" if self._status else text]
        if self._standings:
            lines += self._race() if self._drawn else [self._race_in_a_line()]
        self._draw(lines)

    def status(self, text: str) -> None:
        """What was spent and what is left."""
        self._status = text

    def standings(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """How a race stands."""
        self._standings = sorted(rows, key=lambda row: (row["state"] != "leads", -row["difference"]))

    def finish(self) -> None:
        """The task is done."""
        if self._drawn:
            self._clear()
            click.echo(f"{self._task}: done in {self._pace.taken()}", err=True)

    def _race(self) -> list[str]:
        shown = [standing_cells(row) for row in self._standings[:SHOWN]]
        more = len(self._standings) - len(shown)
        return [*table(STANDING_HEADERS, shown).splitlines(), *([f"and {more} more"] if more else [])]

    def _race_in_a_line(self) -> str:
        states = [str(row["state"]) for row in self._standings]
        counts = ", ".join(f"{states.count(state)} {state}" for state in ("runs", "rests", "dropped"))
        return f"  {self._standings[0]['name']!r} leads; {counts}"

    def _draw(self, lines: list[str]) -> None:
        self._clear()
        if not self._drawn:
            click.echo("\n".join(lines), err=True)
            return
        width = shutil.get_terminal_size().columns - 1
        click.echo("\n".join(line[:width] for line in lines), err=True)
        self._lines = len(lines)

    def _clear(self) -> None:
        if self._lines:
            click.echo(f"\033[{self._lines}F\033[J", nl=False, err=True, color=True)
            self._lines = 0
