"""How long work reports how far it is; silent unless somebody listens."""

from __future__ import annotations


class Progress:
    """Told what happens. This one says nothing; the command line and notebooks have others."""

    def say(self, text: str) -> None:
        """A line of news."""

    def start(self, task: str, total: int) -> None:
        """A task of `total` equal pieces begins."""

    def advance(self, done: int) -> None:
        """So many pieces of the task are done."""

    def finish(self) -> None:
        """The task is done."""
