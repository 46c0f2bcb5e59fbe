"""Lines of a text by offset, for a text in which many places are looked up."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate


class Lines:
    """A text's lines, found once."""

    def __init__(self, text: str) -> None:
        self._text = text

    def number(self, at: int) -> int:
        """The line that an offset lies in; the first is 1."""
        return bisect_right(self._starts, at)

    def start(self, at: int) -> int:
        """Where the line of an offset begins."""
        return self._starts[self.number(at) - 1]

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(len(line) + 1 for line in self._text.split("\n")[:-1])]
