"""What a prompt is made of: stretches of text, and slots that an input fills."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """A place that an input fills: the input's name, and how the prompt spells the place."""

    name: str
    spelling: str


Piece = str | Slot
