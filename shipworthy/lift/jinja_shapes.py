"""What a template shows of a value's type, gathered use by use."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .schemas import optional


@dataclass(eq=False)
class Shape:
    """What is known of a value: an input, a property of one, or an item of a list."""

    owner: Shape | None = None
    properties: dict[str, Shape] = field(default_factory=dict)
    contents: list[Shape] = field(default_factory=list)
    kinds: dict[str, None] = field(default_factory=dict)
    needed: bool = False

    def property(self, name: str) -> Shape:
        """The shape of a property, which makes this an object."""
        return self.properties.setdefault(name, Shape(self))

    def items(self) -> Shape:
        """The shape of an item, which makes this a list."""
        if not self.contents:
            self.contents.append(Shape())
        return self.contents[0]

    def sure(self) -> Shape:
        """The same, where it has a value whatever the row holds: to use it needs nothing."""
        return replace(self, owner=None, needed=True)

    def schema(self) -> dict[str, Any]:
        """A JSON Schema; `{}` where nothing is shown, or the template takes several types."""
        kinds = dict(self.kinds)
        if self.properties:
            kinds["object"] = None
        if self.contents:
            kinds["array"] = None
        if len(kinds) == 2 and "integer" in kinds and "number" in kinds:
            kinds.pop("integer")
        if len(kinds) != 1:
            return {}
        (kind,) = kinds
        if kind == "array":
            return {"type": "array", "items": self.contents[0].schema() if self.contents else {}}
        if kind != "object" or not self.properties:
            return {"type": kind, "additionalProperties": True} if kind == "object" else {"type": kind}
        found = {name: shape.stated() for name, shape in self.properties.items()}
        needed = [name for name, shape in self.properties.items() if shape.needed]
        return {"type": "object", "properties": found, "required": needed}

    def stated(self) -> dict[str, Any]:
        """The schema, null allowed where the value may be missing."""
        return self.schema() if self.needed else optional(self.schema())
