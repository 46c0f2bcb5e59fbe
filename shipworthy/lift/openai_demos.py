"""Few-shot turns as typed demos: a user's turn gives the inputs, the assistant's answer the outputs.

A turn is an example only where nothing is left to guess: the last user message, as a template, fits
its text in exactly one way, and the answer fits the outputs.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime import Demo, Field, plain_value
from .openai_turns import Turn
from .pieces import Piece, Slot
from .schemas import Normalised

FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Pair:
    """A user's turn and the assistant's answer; indices into the turns, `last` that of the answer."""

    first: int
    last: int
    user: Turn
    answer: Turn


def pairs_of(turns: Sequence[Any], end: int) -> list[Pair]:
    """The user's turns before `end` that an answer follows, calls of tools between them aside."""
    found = []
    for index, turn in enumerate(turns[:end]):
        if not isinstance(turn, Turn) or turn.role != "user":
            continue
        at = index + 1
        while at < end and (_is_tool(turns[at]) or (at + 1 < end and _is_tool(turns[at + 1]))):
            at += 1
        answer = turns[at] if at < end else None
        if isinstance(answer, Turn) and answer.role == "assistant":
            found.append(Pair(index, at, turn, answer))
    return found


def _is_tool(turn: Any) -> bool:
    return isinstance(turn, Turn) and turn.role == "tool"


class Demos:
    """Makes demos of pairs.

    Args:
        asked: the last user message as text and slots; None where it is no plain template.
        needed: inputs of the whole prompt.
        outputs: those stated; None where nothing states any.
        function: whose arguments are the answer, or empty.
        answer: name of the one output where none is stated.
    """

    def __init__(
        self,
        asked: Sequence[Piece] | None,
        needed: Sequence[str],
        outputs: Normalised | None,
        *,
        function: str = "",
        answer: str = "answer",
    ) -> None:
        self.asked = asked
        self.needed = needed
        self.outputs = outputs
        self.function = function
        self.answer = answer

    def of(self, pair: Pair, keys: Sequence[str] | None) -> Demo | str:
        """The demo, or why there is none; `keys`: of the answers where they are objects of one kind."""
        if self.asked is None:
            return "the last user message has conditions or loops, so its inputs cannot be found in this turn"
        found = values_in(self.asked, pair.user.text)
        if found is None:
            return "the last user message does not fit this turn in exactly one way"
        missing = [name for name in self.needed if name not in found]
        if missing:
            return f"it says no value of {', '.join(missing)}"
        answer = self._answer(pair.answer, keys)
        return answer if isinstance(answer, str) else Demo(inputs=found, outputs=answer)

    def keys(self, pairs: Sequence[Pair]) -> tuple[str, ...] | None:
        """The keys of all answers where each is a JSON object and all have the same; else None."""
        found = [_object_in(self._text(pair.answer)) for pair in pairs]
        kinds = {tuple(sorted(one)) for one in found if one}
        return tuple(found[0] or ()) if found and all(found) and len(kinds) == 1 else None

    def _text(self, answer: Turn) -> str:
        return answer.call[1] if answer.call and answer.call[0] == self.function else answer.text

    def _answer(self, answer: Turn, keys: Sequence[str] | None) -> dict[str, Any] | str:
        text = self._text(answer)
        if self.outputs is None:
            found = _object_in(text) if keys else None
            return found if found else {self.answer: text}
        return typed_answer(self.outputs, text)


def typed_answer(outputs: Normalised, text: str) -> dict[str, Any] | str:
    """The fields of an answer, typed, as JSON holds them; or why it does not fit."""
    fields = outputs.fields
    found = _object_in(text)
    if len(fields) == 1 and (found is None or fields[0].name not in outputs.named(found)):
        value = _json_in(text)
        return _typed(fields, {fields[0].name: text if value is None else value})
    if found is None:
        return "the answer is no JSON object"
    return _typed(fields, outputs.named(found))


def _typed(fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, Any] | str:
    further = [name for name in values if name not in {field.name for field in fields}]
    if further:
        return f"the answer has {further[0]!r}, which is no output"
    typed = {}
    for field in fields:
        try:
            value = field.parse(values[field.name]) if field.name in values else field.default()
        except KeyError:
            return f"the answer has no {field.name!r}"
        except ValueError as error:
            return f"the answer does not fit: {field.name}: {error}"
        typed[field.name] = plain_value(value)
    return typed


def values_in(pieces: Sequence[Piece], text: str) -> dict[str, str] | None:
    """The values with which a template renders to a text; None where there are none, or several ways.

    Looked for from the left and from the right: where both find the same there is one way only.
    """
    if any(isinstance(one, Slot) and isinstance(other, Slot) for one, other in itertools.pairwise(pieces)):
        return None
    left = _from_left(pieces, text)
    turned = [piece[::-1] if isinstance(piece, str) else piece for piece in reversed(pieces)]
    right = _from_left(turned, text[::-1])
    if left is None or right is None or left != [value[::-1] for value in reversed(right)]:
        return None
    found: dict[str, str] = {}
    names = [piece.name for piece in pieces if isinstance(piece, Slot)]
    for name, value in zip(names, left, strict=True):
        if found.setdefault(name, value) != value:
            return None
    return found


def _from_left(pieces: Sequence[Piece], text: str) -> list[str] | None:
    """Values of the slots, each as short as what stands after it allows."""
    values: list[str] = []
    at = 0
    waiting = False
    for index, piece in enumerate(pieces):
        if isinstance(piece, Slot):
            waiting = True
            continue
        last = index == len(pieces) - 1
        start = len(text) - len(piece) if last and waiting else text.find(piece, at) if waiting else at
        if start < at or not text.startswith(piece, start):
            return None
        if waiting:
            values.append(text[at:start])
        at, waiting = start + len(piece), False
    if waiting:
        values.append(text[at:])
        return values
    return values if at == len(text) else None


def _object_in(text: str) -> dict[str, Any] | None:
    value = _json_in(text)
    return value if isinstance(value, dict) else None


def _json_in(text: str) -> Any:
    fenced = FENCED.match(text)
    try:
        return json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
