"""What comes out of a step, by the JSON Schema of its whole answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..runtime import Field
from .names import Names
from .schemas import Normalised, fields_of, normalised

ANSWER = "answer"


def answer_of(schema: Mapping[str, Any], *, where: str, taken: Collection[str]) -> Normalised:
    """The fields of an answer: an object's properties, or one field `answer` of any other type.

    Args:
        schema: of the whole answer.
        where: its place, for messages.
        taken: names that no field may have, those of inputs.

    Raises:
        PrototypeError: as `schemas.fields_of`.
    """
    whole, left_out = normalised(schema, where=where)
    if whole.get("type") == "object" and whole.get("properties"):
        return fields_of(schema, where=where, taken=taken)
    stated = {key: value for key, value in whole.items() if key != "description"}
    about = " ".join(str(whole.get("description", "")).split())
    return Normalised((Field(Names(taken).take(ANSWER), stated, about),), left_out)


def names_before(read: Normalised) -> dict[str, str]:
    """By the name of a field, what the schema calls it."""
    own = {new: old for (place, old), new in read.renamed.items() if place == "$"}
    return {one.name: own.get(one.name, one.name) for one in read.fields}
