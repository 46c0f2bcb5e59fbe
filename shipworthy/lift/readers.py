"""How each format of prototype is taken apart: into text and slots, in order.

A reader is one function and the suffixes that it answers to; everything else (filling,
the static prefix, the instruction) works on the pieces that it gives. A further format
is one more file and one more line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import PrototypeError
from .braces import split_braces
from .pieces import Piece


@dataclass(frozen=True)
class Reader:
    """One format: its name, its suffixes, and the function that takes a text apart."""

    format: str
    suffixes: tuple[str, ...]
    pieces: Callable[[str], tuple[Piece, ...]]


READERS = (
    Reader("text", (".txt", ".text", ""), split_braces),
    Reader("markdown", (".md", ".markdown"), split_braces),
)


def reader_for(path: Path, format: str | None) -> Reader:
    """The reader of a format, or of a file's suffix where none is named.

    Raises:
        PrototypeError: there is none.
    """
    for reader in READERS:
        if reader.format == format or (format is None and path.suffix.lower() in reader.suffixes):
            return reader
    known = ", ".join(reader.format for reader in READERS)
    suffixes = ", ".join(suffix for reader in READERS for suffix in reader.suffixes if suffix)
    what = f"format {format!r}" if format is not None else f"a prototype that ends in {path.suffix!r}"
    raise PrototypeError(
        f"{what} is not read", hint=f"formats: {known}; suffixes: {suffixes}", where=str(path)
    )


def reader_named(format: str) -> Reader:
    """The reader of a format.

    Raises:
        PrototypeError: there is none.
    """
    return reader_for(Path(), format)
