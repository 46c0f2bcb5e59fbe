"""The prompt as it was found: read once, kept as it is, filled with a row's inputs.

It is what the compiled program must beat, so its text is never tidied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PrototypeError, RowInputError
from ..examples import decode_text, digest_of
from ..runtime import value_text
from .names import problem_of_program, program_name
from .pieces import Piece, Slot
from .readers import reader_for, reader_named

MAX_BYTES = 10_000_000


@dataclass(frozen=True)
class Prototype:
    """A hand-written prompt.

    Attributes:
        name: of the program that is to replace it.
        format: "text" or "markdown".
        text: the prompt as it stands in the file.
        path: the file, for messages and for the suffix of copies.
        slots: names of the inputs, in order of first appearance.
    """

    name: str
    format: str
    text: str
    path: str
    slots: tuple[str, ...]

    @property
    def digest(self) -> str:
        """sha256 (hex) of the text."""
        return digest_of(self.text)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Text and slots in order."""
        return reader_named(self.format).pieces(self.text)

    @property
    def prefix(self) -> str:
        """The part that is the same for every row: the text before the first slot."""
        if not self.slots:
            return f"{self.text}\n\n"
        first = self.pieces[0]
        return first if isinstance(first, str) else ""

    def render(self, inputs: Mapping[str, Any]) -> str:
        """The prompt of one row; values are data, whatever braces they hold.

        Raises:
            RowInputError: a slot has no value, or the prompt has no slot and `inputs`
                is not exactly one value.
        """
        if not self.slots:
            if len(inputs) != 1:
                raise RowInputError(
                    f"the prompt has no slot, so it takes one input, not {len(inputs)}",
                    hint="mark where each input goes, as in {message}",
                    where=self.path,
                )
            return self.prefix + _shown(next(iter(inputs.values())))
        missing = [name for name in self.slots if name not in inputs]
        if missing:
            raise RowInputError(f"{missing[0]!r} is missing", where=f"column {missing[0]!r}")
        return "".join(
            _shown(inputs[piece.name]) if isinstance(piece, Slot) else piece for piece in self.pieces
        )


def read_prototype(
    path: str | Path,
    *,
    name: str | None = None,
    format: str | None = None,
) -> Prototype:
    """Read a prompt from a file.

    Args:
        path: the file.
        name: of the program; by default the file's stem, made a Python name.
        format: "text" or "markdown"; by default what the suffix says.

    Raises:
        PrototypeError: the file is missing, a folder, empty, over 10 MB, not UTF-8 or of
            an unknown format, or the name is none.
    """
    path = Path(path)
    if name is not None and problem_of_program(name):
        raise PrototypeError(
            f"{name!r} cannot name a program: it {problem_of_program(name)}",
            hint="use letters, digits and underscores, such as triage",
        )
    data = _read_bytes(path)
    reader = reader_for(path, format)
    text = _decode(data, path)
    slots = dict.fromkeys(piece.name for piece in reader.pieces(text) if isinstance(piece, Slot))
    return Prototype(
        name=name or program_name(path.stem, str(path)),
        format=reader.format,
        text=text,
        path=str(path),
        slots=tuple(slots),
    )


def _read_bytes(path: Path) -> bytes:
    where = str(path)
    try:
        if path.is_dir():
            raise PrototypeError("this is a folder", hint="name the prompt's file", where=where)
        if path.exists() and not path.is_file():
            raise PrototypeError("this is not a regular file", hint="name the prompt's file", where=where)
        if path.stat().st_size > MAX_BYTES:
            raise PrototypeError(
                "the file is over 10 MB", hint="a prompt is text for one LM call", where=where
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PrototypeError(f"cannot be read: {reason}", hint="check the path", where=where) from error


def _decode(data: bytes, path: Path) -> str:
    text = decode_text(data, str(path), PrototypeError)
    if not text.strip():
        raise PrototypeError("the file is empty", hint="write the prompt into it", where=str(path))
    return text


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else value_text(value)
