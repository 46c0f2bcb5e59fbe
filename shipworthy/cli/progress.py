"""Progress on stderr: a line that is drawn over on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

import click

from ..runtime import Progress
from .output import is_terminal

EVERY_S = 10.0
REDRAW_S = 0.2


class TerminalProgress(Progress):
    """Says what is happening, and from the pace so far how long it will take."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._drawn = is_terminal()
        self._task = ""
        self._total = 0
        self._begun = 0.0
        self._last = 0.0
        self._first = 0
        self._paced = 0.0

    def say(self, text: str) -> None:
        """A line of news."""
        if not self._quiet:
            self._clear()
            click.echo(text, err=True)

    def start(self, task: str, total: int) -> None:
        """A task begins."""
        self._task, self._total = task, total
        self._begun = self._last = time.monotonic()
        self._first = 0
        if not self._drawn:
            self.say(f"{task} ({total})")

    def advance(self, done: int) -> None:
        """So many pieces are done."""
        now = time.monotonic()
        if not self._first:
            self._first, self._paced = done, now
        if self._quiet or now - self._last < (REDRAW_S if self._drawn else EVERY_S):
            return
        self._last = now
        text = f"{self._task}: {done} of {self._total}"
        if done > self._first:  # the first piece pays for what is set up once, and says nothing of the pace
            pace = (now - self._paced) / (done - self._first)
            text += f", {_duration(pace * (self._total - done))} left"
        if self._drawn:
            click.echo(f"\r\033[K{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)

    def finish(self) -> None:
        """The task is done."""
        if self._drawn and not self._quiet:
            self._clear()
            click.echo(f"{self._task}: done in {_duration(time.monotonic() - self._begun)}", err=True)

    def _clear(self) -> None:
        if self._drawn:
            click.echo("\r\033[K", nl=False, err=True)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min {seconds % 60:02.0f} s" if seconds < 3600 else f"{seconds / 3600:.1f} h"
