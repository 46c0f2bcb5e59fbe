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
    out = ""
    eats_newline = False
    for index, item in enumerate(items):
        if isinstance(item, str):
            if eats_newline and item:
                item = re.sub(r"^[ \t]*\n", "", item)
                eats_newline = False
            out += item
            continue
        line = out[out.rfind("\n") + 1 :]
        if not item.parts:
            if not line.strip():
                out, eats_newline = out[: len(out) - len(line)], True
        elif item.flat and (line.strip() or _followsin_line(items[index + 1 :])):
            out = _spaced(out, in_line(item.parts))
        else:
            out = _with_lines(out, item)
            eats_newline = True
    return out


def _followsin_line(items: Sequence[Item]) -> bool:
    """Whether words follow before the line ends."""
    for item in items:
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


def _spaced(out: str, words: str) -> str:
    return f"{out} {words}" if out and not out[-1].isspace() and words.startswith("[") else out + words


def _with_lines(out: str, block: Block) -> str:
    """A block on lines of its own."""
    gap = "\n" if block.parts[0][1].startswith("\n\n") and not out.endswith("\n\n") else ""
    out = out.rstrip(" \t")
    lines = [f"{out}\n{gap}" if out and not out.endswith("\n") else f"{out}{gap}" if out else ""]
    for head, text in block.parts:
        body = textwrap.dedent(re.sub(r"^(?:[ \t]*\n)+", "", text)).rstrip()
        lines.append(f"{head}\n{textwrap.indent(body, '  ')}\n" if head else f"{body}\n")
    return "".join(lines)
