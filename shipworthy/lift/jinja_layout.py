"""Conditions and loops as lines of a text, or within one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A condition or a loop: its heads, each with what depends on it; none for what says nothing."""

    parts: tuple[tuple[str, str], ...] = ()

    @property
    def flat(self) -> bool:
        """Whether it could stand within a line."""
        return not any("\n" in text for _, text in self.parts)


Item = str | Block


def in_line(parts: Iterable[tuple[str, str]]) -> str:
    """Branches within a line."""
    said = " ".join(f"{head} {' '.join(text.split())}".strip() for head, text in parts)
    return f"[{said}]" if said.startswith(("If ", "For ", "Otherwise")) else said


def laid_out(items: Sequence[Item]) -> str:
    """Text and blocks as one text."""
    page = _Page()
    eats_newline = False
    for index, item in enumerate(items):
        if isinstance(item, str):
            if eats_newline and item:
                item = re.sub(r"^[ \t]*\n", "", item)
                eats_newline = False
            page.add(item)
        elif not item.parts:
            if not page.has_words:
                page.line, eats_newline = [], True
        elif item.flat and (page.has_words or _follows_in_line(items, index + 1)):
            words = in_line(item.parts)
            touches = words.startswith("[") and page.end and not page.end[-1].isspace()
            page.add(f" {words}" if touches else words)
        else:
            _add_lines(page, item)
            eats_newline = True
    return page.text


class _Page:
    """A text that grows, in parts: those of whole lines, and those of the line that is being written."""

    def __init__(self) -> None:
        self.whole: list[str] = []
        self.line: list[str] = []

    @property
    def text(self) -> str:
        return "".join([*self.whole, *self.line])

    @property
    def end(self) -> str:
        """The last characters, or none; no part is empty."""
        return "".join([*self.whole[-2:], *self.line[-2:]])[-2:]

    @property
    def has_words(self) -> bool:
        """Whether the line that is being written is more than blanks."""
        return any(not part.isspace() for part in self.line)

    def add(self, text: str) -> None:
        """Text behind what is there."""
        before, newline, after = text.rpartition("\n")
        if newline:
            self.whole += [*self.line, f"{before}\n"]
            self.line = []
        if after:
            self.line.append(after)

    def strip(self) -> None:
        """No blanks at the end of the line."""
        while self.line:
            last = self.line.pop().rstrip(" \t")
            if last:
                self.line.append(last)
                return


def _follows_in_line(items: Sequence[Item], start: int) -> bool:
    """Whether words follow before the line ends."""
    for index in range(start, len(items)):
        item = items[index]
        if isinstance(item, Block):
            if not item.flat:
                return False
            continue
        before, newline, _ = item.partition("\n")
        if before.strip():
            return True
        if newline:
            return False
    return False


def _add_lines(page: _Page, block: Block) -> None:
    """A block on lines of its own."""
    gap = block.parts[0][1].startswith("\n\n") and page.end != "\n\n"
    page.strip()
    if page.line:
        page.add("\n")
    if gap and page.end:
        page.add("\n")
    for head, text in block.parts:
        body = textwrap.dedent(re.sub(r"^(?:[ \t]*\n)+", "", text)).rstrip()
        page.add(f"{head}\n{textwrap.indent(body, '  ')}\n" if head else f"{body}\n")
