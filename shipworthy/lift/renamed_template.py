"""A template whose slots have names that no field can have, under names that fields can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .draft import Template
from .pieces import Piece, Slot
from .slot_names import SlotNames


def renamed(template: Template, names: SlotNames) -> Template:
    """The template with an input's name for each of its values; itself where all have such names already."""
    own = {name: names.name(name, wanted=name) for name in template.inputs}
    return RenamedTemplate(template, own) if any(old != new for old, new in own.items()) else template


@dataclass(frozen=True)
class RenamedTemplate:
    """Another template, its inputs renamed.

    Attributes:
        template: as its format reads it.
        names: by the template's name of an input, the input's own; others keep theirs.
        text: as the file has it.
        inputs: as of `Template`, under the new names.
    """

    template: Template
    names: Mapping[str, str]
    text: str = field(init=False)
    inputs: Mapping[str, Mapping[str, Any]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.template.text)
        renamed = {self.names.get(name, name): schema for name, schema in self.template.inputs.items()}
        object.__setattr__(self, "inputs", renamed)

    def pieces(self) -> tuple[Piece, ...]:
        """Words and slots in order."""
        return tuple(
            Slot(self.names.get(piece.name, piece.name), piece.spelling) if isinstance(piece, Slot) else piece
            for piece in self.template.pieces()
        )

    def render(self, values: Mapping[str, Any]) -> str:
        """The text of one row.

        Raises:
            RowInputError: as of the template.
        """
        own = {new: old for old, new in self.names.items()}
        return self.template.render({own.get(name, name): value for name, value in values.items()})
