"""A template of text and slots, without conditions or loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import RowInputError
from ..runtime import value_text
from .pieces import Piece, Slot


@dataclass(frozen=True)
class PlainTemplate:
    """Text and slots, as `split` takes a text apart; joined by their spelling they are the text again."""

    text: str
    split: Callable[[str], tuple[Piece, ...]]
    inputs: Mapping[str, Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        names = dict.fromkeys(piece.name for piece in self.pieces() if isinstance(piece, Slot))
        object.__setattr__(self, "inputs", {name: {} for name in names})

    def pieces(self) -> tuple[Piece, ...]:
        """Text and slots in order."""
        return self.split(self.text)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text of one row; values are data, whatever braces they hold.

        Raises:
            RowInputError: a slot has no value.
        """
        check_values(self.inputs, values)
        return "".join(
            shown(values[piece.name]) if isinstance(piece, Slot) else piece for piece in self.pieces()
        )


def check_values(inputs: Iterable[str], values: Mapping[str, Any]) -> None:
    """Refuse a row without one of the inputs.

    Raises:
        RowInputError: names the input.
    """
    for name in inputs:
        if name not in values:
            raise RowInputError(f"{name!r} is missing", where=f"column {name!r}")


def shown(value: Any) -> str:
    """A value as a prompt shows it; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else value_text(value)
