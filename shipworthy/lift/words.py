"""The outputs that a prompt's own words state, each with its type and the words that say so.

Structure is looked for first: JSON that the prompt shows, fields or keys that it lists, lines
that the answer is to have. Else single statements count: `one of …`, `from 1 to 5`, `yes or no`.
Where the words are not clear nothing is stated. Phrases are data, in `phrases`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from ..runtime import Field
from .phrases import any_of, ordinals
from .skeletons import skeleton_in
from .slots import REACH, SKELETON_LEAD, python_name
from .statements import statements
from .worded_lists import fields_listed, keys_listed
from .worded_names import Stated, clean_name, name_by_end, name_by_verb, quoted
from .worded_types import NULL, TEXT, Schema, nullable, type_of

MAX_TEXT = 40_000
"""Of a longer prompt the beginning and the end are read: what is between is material."""

LINE = re.compile(r"[ \t]*[-*]*[ \t]*\**(?P<name>[^\W\d][\w -]{0,30}?)\**[ \t]*:\**[ \t]*(?P<about>.*)")
WRAPPED = re.compile(r"^[<\[({]+|[>\])}]+$")

SAY = (
    "use|write|put|return|give|say|set|answer with|verwende|schreibe?|setze|gib|nutze|"
    "utilise[rz]?|mets|mettez|renvoie[rz]?|usa|utiliza|pon|devuelve"
)
MISSING = re.compile(rf"(?im)(?:^|[.;!?]\s+|[-*]\s+)(?:please )?(?:{SAY})\b[^.\n]{{0,40}}?\bnull\b[^.\n]*")
"""A sentence about all fields at once: "Use null for what the text does not say"."""

Part = tuple[str, Schema, str, str]
"""Of one field: name, type, description, reason."""


def outputs_in_words(text: str, *, inputs: Iterable[str]) -> tuple[tuple[Field, str], ...]:
    """The outputs that a prompt states, in its order, each with the reason for its type.

    Args:
        text: all words of the prompt, its slots as it spells them.
        inputs: names that are inputs; none of them is an output.
    """
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]}\n{text[-MAX_TEXT // 2 :]}"
    names = frozenset(inputs)
    single = statements(text, names)
    parts = [part for part in _structure(text) if part[0] not in names]
    found = [_closer(part, single) for part in parts] if parts else _named_apart(text, single, names)
    if missing := MISSING.search(text):
        found = [_or_null(field, reason, quoted(missing[0].lstrip(" .;!?-*\n"))) for field, reason in found]
    # Names that differ in case only cannot be fields beside each other: the first is meant.
    taken = {name.casefold() for name in names}
    first = {one[0].name.casefold(): one for one in reversed(found)}
    return tuple(one for one in found if first[own := one[0].name.casefold()] is one and own not in taken)


def _or_null(field: Field, reason: str, said: str) -> tuple[Field, str]:
    """The field, null allowed, unless it is a decision."""
    schema = nullable(field.schema)
    if field.choices is not None or not field.schema or schema == field.schema:
        return field, reason
    return replace(field, schema=schema), f"{reason}; the prompt says {said}"


def _structure(text: str) -> list[Part]:
    """The fields of an answer that the prompt lays out."""
    skeleton, listed = skeleton_in(text), fields_listed(text)
    described = listed[0] if listed else {}
    if skeleton:
        return [
            (
                name,
                described[name][0] if name in described and _is_open(schema) else schema,
                described[name][1] if name in described else "",
                "the JSON that the prompt shows",
            )
            for name, schema in skeleton[0].items()
        ]
    if listed:
        return [
            (name, schema, about, f"the prompt lists it: {quoted(about)}" if about else "the prompt lists it")
            for name, (schema, about) in described.items()
        ]
    keys = keys_listed(text)
    if keys:
        return [(name, schema, "", f"the prompt says {quoted(keys[1])}") for name, schema in keys[0].items()]
    return _by_ordinals(text) or _by_layout(text)


def _closer(part: Part, single: Sequence[Stated]) -> tuple[Field, str]:
    """A field, typed by a statement about it where its place in the structure leaves its type open."""
    name, schema, about, reason = part
    stated = next(
        (own for own in single if own.name and (name == own.name or name.endswith(f"_{own.name}"))), None
    )
    if stated and _is_open(schema):
        closer = nullable(stated.schema) if "anyOf" in schema else stated.schema
        schema, reason = closer, f"the prompt says {quoted(stated.quote)}"
    return Field(name, schema, " ".join(about.split())), reason


def _named_apart(text: str, single: Sequence[Stated], inputs: frozenset[str]) -> list[tuple[Field, str]]:
    """Single statements as outputs; the label that ends the prompt names one that has no name."""
    fields: dict[str, tuple[Field, str]] = {}
    asked = [stated for stated in single if stated.asked]
    names = {stated.name for stated in asked}
    for stated in asked:
        name = stated.name
        if not name and sum(not other.name for other in asked) == 1:
            by_verb = name_by_verb(text, inputs) if "enum" in stated.schema else ""
            name = next((own for own in (name_by_end(text, inputs), by_verb) if own and own not in names), "")
        name = name or "answer"
        if name not in inputs and name not in fields:
            fields[name] = Field(name, stated.schema), f"the prompt says {quoted(stated.quote)}"
    return list(fields.values())


def _by_ordinals(text: str) -> list[Part]:
    """`First line: Yes or No. Second line: the reason.`"""
    lead = r"(?:(?:on|in|auf|sur|en) (?:the |a |der |la )?)?"
    found = [re.search(rf"(?i)(?<!\w){lead}(?:{ordinal})(?!\w)", text) for ordinal in ordinals()]
    marks = [mark for mark in found if mark]
    if len(marks) < 2 or found[0] is None or any(one.end() > other.start() for one, other in pairwise(marks)):
        return []
    parts: list[Part] = []
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        words_of = text[mark.end() : after.start() if after else len(text)].strip(" ,:-–=\n\t")
        words_of = re.split(r"(?<=[.!?])\s|\n", words_of)[0].strip(" .,;:-–")
        verbs = rf"(?:{any_of('answer')}|put|be|state)(?!\w)"
        words_of = re.sub(rf"(?i)^(?:(?:should|must|is|contains?|has|then)\s+)*(?:{verbs}\s+)?", "", words_of)
        schema = type_of(words_of) or TEXT
        name = clean_name(_head_noun(words_of, labelled="enum" in schema), frozenset()) or "answer"
        if not words_of or name in {part[0] for part in parts}:
            return []
        reason = f"the prompt says {quoted(f'{mark[0]}: {words_of}')}"
        parts.append((name, schema, words_of if schema == TEXT else "", reason))
    return parts


def _head_noun(words_of: str, *, labelled: bool) -> str:
    """`reason` of `the reason, in at most 25 words`; of labels, the noun before them."""
    words_of = re.sub(
        r"(?i)^(?:(?:the|a|an|your|one|its|short|brief|die|der|das|eine?|le|la|une?|el)\s+)+", "", words_of
    )
    if labelled:
        found = re.match(r"(?i)([^\W\d]\w*)\s*(?:\(|:|as\b)", words_of)
        return found[1] if found else ""
    return re.split(r"(?i)[,;:(]|\s+(?:in|of|for|from|as|why|that|with|at|behind|on|to)\b", words_of)[0]


def _by_layout(text: str) -> list[Part]:
    """Lines such as `Queue: <queue>` below words that ask for this format."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if not SKELETON_LEAD.search(line[-REACH:]):
            continue
        rest = lines[index + 1 :]
        while rest and (not rest[0].strip() or rest[0].strip().startswith("```")):
            rest = rest[1:]
        parts: list[Part] = []
        places = 0
        for own in rest:
            found = LINE.fullmatch(own)
            if found is None or (re.search(r"\{\{?[\w -]+\}", found["about"]) and not places):
                break
            about = found["about"].strip()
            inner = WRAPPED.sub("", about)
            places += inner != about or "/" in about or "|" in about
            name = python_name(found["name"].lower())
            reason = f"the layout of the answer: {quoted(own.strip())}"
            schema = type_of(inner, name=name) or TEXT
            tells = schema == TEXT and python_name(inner.lower()) != name
            parts.append((name, schema, inner if tells else "", reason))
        if parts and places and (len(parts) > 1 or places == 1):
            return parts
    return []


def _is_open(schema: Schema) -> bool:
    """Whether a type says no more than text."""
    return schema in (TEXT, {"anyOf": [TEXT, NULL]})
