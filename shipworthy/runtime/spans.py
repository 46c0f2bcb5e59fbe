"""Values that stand in the inputs' text: the spans to choose from, and what was chosen as a typed value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import OutputError
from ..lms import Blank
from .contract import Field, label_text
from .tagger import Found, words_of

ABSENT = "none"
"""What an LM says where the text has no value."""


def blanks(text: str, fields: Sequence[Field], longest: int) -> list[Blank]:
    """A line of the answer for each field, to be filled with a span of the text of so many words at most."""
    spans = spans_of(text, longest)
    return [
        Blank(
            f"{label_text(field.name)}:",
            tuple(dict.fromkeys([ABSENT, *spans] if may_be_null(field) else spans or [ABSENT])),
        )
        for field in fields
    ]


def spans_of(text: str, longest: int) -> list[str]:
    """All runs of up to so many words, each within one line and once."""
    words = words_of(text)
    found: dict[str, None] = {}
    for i, (begin, _) in enumerate(words):
        for _, end in words[i : i + longest]:
            span = text[begin:end]
            if "\n" in span:
                break
            found[span] = None
    return list(found)


def typed(field: Field, found: Found) -> tuple[Any, float]:
    """The value and its probability; text that is no value of the field's type is none, or else refused.

    Raises:
        OutputError: there must be a value, and there is none.
    """
    if found.text is not None:
        try:
            return field.parse(found.text), found.probability
        except ValueError:
            if not may_be_null(field):
                raise OutputError(
                    f"{field.name}: what the text says does not fit its type", where=found.text[:80]
                ) from None
            return None, 0.0
    if not may_be_null(field):
        raise OutputError(f"the text has nothing that {field.name} could be")
    return None, found.probability


def may_stand_in_text(field: Field) -> bool:
    """Whether its values are texts or numbers, which the inputs may hold as they are."""
    return field.choices is None and any(kind in ("string", "integer", "number") for kind in _types(field))


def may_be_null(field: Field) -> bool:
    """Whether null is a value of the field."""
    return any(kind in ("null", None) for kind in _types(field))


def _types(field: Field) -> list[Any]:
    options: Sequence[Mapping[str, Any]] = field.schema.get("anyOf", [field.schema])
    return [option.get("type") for option in options]
