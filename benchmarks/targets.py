"""Targets of a benchmark against its figures, and markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What was wanted, what was found, and whether it was met; `what` and `wanted` in plain words."""

    what: str
    wanted: str
    found: str
    met: bool


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def targets_table(targets: Iterable[Target]) -> str:
    """One line a target."""
    return table(
        ("target", "wanted", "found", "met"),
        [(one.what, one.wanted, one.found, "yes" if one.met else "**no**") for one in targets],
    )


def folded(title: str, text: str) -> str:
    """A long table that opens on demand."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
