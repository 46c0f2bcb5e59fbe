"""Which of a few-shot prompt's examples' values are inputs, and which are the answer.

An example's variables need not have the names of the prompt's inputs: what stands behind
the same label (`Word:`) is the same thing, and what has no counterpart is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime import Demo, Field
from .draft import Template
from .infer import schema_of
from .names import Names, field_name
from .pieces import Piece, Slot

LABEL = re.compile(r"(?:^|\n)[ \t#*>_-]*([^\W\d_][^\n:：]{0,40}?)[ \t*_]*[:：][ \t*_]*\n?[ \t]*$")
MAX_LABEL_WORDS = 4


@dataclass(frozen=True)
class Roles:
    """By variable of an example: the input that it stands for, or the output's name."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def demo(self, example: Mapping[str, Any]) -> Demo:
        """An example as a demo; its values keep their types."""
        return Demo(
            inputs={name: example[key] for key, name in self.inputs.items()},
            outputs={name: example[key] for key, name in self.outputs.items()},
        )

    def fields(self, examples: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
        """The outputs; text shows no type, other values do."""
        found = []
        for key, name in self.outputs.items():
            schema = schema_of([example[key] for example in examples])
            found.append(Field(name, {} if schema == {"type": "string"} else schema))
        return tuple(found)


def roles_of(example: Template, around: Sequence[Template]) -> Roles:
    """Inputs and outputs among the variables of an example.

    Args:
        example: the template of one example.
        around: what stands about the examples, the part behind them first.
    """
    labelled = labels_of(example)
    wanted = [pair for template in around for pair in labels_of(template).items()]
    inputs: dict[str, str] = {}
    for same in (_same_label, _same_name):
        for key, label in labelled.items():
            for name, own in wanted:
                if key not in inputs and name not in inputs.values() and same(key, label, name, own):
                    inputs[key] = name
    left = [key for key in labelled if key not in inputs]
    free = [name for name in labels_of(around[0]) if name not in inputs.values()] if around else []
    for name in free if len(left) > 1 else ():
        if len(left) > 1:
            inputs[left.pop(0)] = name
    last = label_before_end(around[0].pieces()) if around else ""
    outputs: dict[str, str] = {}
    taken = Names(inputs.values())
    for key in left:
        label = labelled[key] or (last if key == left[-1] else "")
        if last and len(left) == 1:
            label = last
        outputs[key] = taken.take(field_name(label).lower() if label else key)
    return Roles(inputs, outputs)


def labels_of(template: Template) -> dict[str, str]:
    """The slots of a template in order, each with the label before it, or empty."""
    found: dict[str, str] = {}
    before = ""
    for piece in template.pieces():
        if isinstance(piece, Slot):
            found.setdefault(piece.name, _label(before))
            before = ""
        else:
            before = piece
    return found


def label_before_end(pieces: Sequence[Piece]) -> str:
    """The label that a prompt ends with, as in `Opposite:`, or empty."""
    last = pieces[-1] if pieces else ""
    return _label(last.rstrip()) if isinstance(last, str) else ""


def _label(before: str) -> str:
    match = LABEL.search(before)
    label = match[1].strip() if match else ""
    return label if 0 < len(label.split()) <= MAX_LABEL_WORDS else ""


def _same_label(key: str, label: str, name: str, own: str) -> bool:
    return bool(label) and label.casefold() == own.casefold()


def _same_name(key: str, label: str, name: str, own: str) -> bool:
    return key == name
