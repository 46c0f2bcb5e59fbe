"""The slot of an earlier conversation: a list of messages, put into a prompt as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .formatted import FormatTemplate
from .pieces import Piece, Slot
from .plain_template import shown

MESSAGES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
        "required": ["role", "content"],
    },
}


@dataclass(frozen=True)
class MessagesTemplate:
    """A list of messages as one text, a message a line: the slot of an earlier conversation."""

    name: str
    optional: bool = False

    @property
    def text(self) -> str:
        """The slot."""
        return f"{{{self.name}}}"

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """The slot's name, and that it is a list of messages."""
        return {self.name: {**MESSAGES, "default": []} if self.optional else MESSAGES}

    def pieces(self) -> tuple[Piece, ...]:
        """The slot alone."""
        return (Slot(self.name, self.text),)

    def render(self, values: Mapping[str, Any]) -> str:
        """The messages, each as `role: content`.

        Raises:
            RowInputError: there is no value, and the slot must have one.
        """
        value = values.get(self.name, [] if self.optional else None)
        if not isinstance(value, list):
            return FormatTemplate(self.text, self.pieces()).render(values)
        return "\n".join(
            f"{one['role']}: {one['content']}"
            if isinstance(one, Mapping) and {"role", "content"} <= one.keys()
            else shown(one)
            for one in value
        )
