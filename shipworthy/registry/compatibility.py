"""Whether callers of one contract stay compatible with another, field by field.

A caller sends what the old contract takes and reads what it gives, so for every change there is
one rule:

- Inputs are sent: each value that was valid must still be. An optional input may be added, a type
  may be widened (a label more, null as well, a looser bound), a required input may become
  optional. What is narrowed, removed, renamed, added as required or made required breaks callers.
- Outputs are read, and their values are sent as well: as labels of rows to test on, and as
  corrections. So an output may be added, but one that was there must keep exactly its values. A
  value more (a label, null) breaks callers that match all cases; a value less breaks those that
  wait for it, and refuses the rows labelled with it.
- Order, descriptions and default values break nobody: the calls that were valid stay valid. They
  are told all the same.

A schema is compared as a set of JSON values. `within` says yes only where it is sure; where it
cannot tell, as with two unlike patterns, a change counts as breaking.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..examples import canonical_json
from ..runtime import Contract, Field

Schema = Mapping[str, Any]
Side = Literal["inputs", "outputs"]
SINGULAR: dict[Side, str] = {"inputs": "input", "outputs": "output"}
PROGRAM = ("steps", "flow", "lm", "name", "program")
"""Roots of the paths in a program, beside its contract."""
SAYS_NOTHING = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "discriminator",
    "$comment",
    "propertyOrder",
}
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
LENGTHS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}
NAMING = {"type", "enum", "const"}
READ = {
    "string": {"type", "minLength", "maxLength"},
    "integer": {"type", *BOUNDS},
    "number": {"type", *BOUNDS},
    "array": {"type", "minItems", "maxItems", "items"},
    "object": {"type", "properties", "required", "additionalProperties"},
}
"""What is compared by its meaning; any other keyword must stand on both sides, or on the narrower alone."""


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        what: in two or three words, such as `output added` or `threshold changed`.
        where: a path, such as `outputs.queue` or `steps.triage.demos`.
        before, after: JSON; None on the side where there is nothing.
        breaking: whether a caller of the old one may fail with the new one.
        why: a remark, or empty.
        lines: of a text, how it changed, line by line as `diff -u` says it; else None.
    """

    what: str
    where: str
    before: Any
    after: Any
    breaking: bool = False
    why: str = ""
    lines: tuple[str, ...] | None = None

    @property
    def area(self) -> str:
        """`contract`, `prompt`, `demos`, `code`, `program` (what decides, and how) or `origin`."""
        root = self.where.partition(".")[0]
        if root in SINGULAR:
            return "contract"
        if root not in PROGRAM:
            return "origin"
        if self.what.startswith("demo"):
            return "demos"
        if self.what.startswith(("code", "function")):
            return "code"
        return "program" if self.lines is None else "prompt"

    def as_json(self) -> dict[str, Any]:
        """An entry of `changes`."""
        return {
            "area": self.area,
            "what": self.what,
            "where": self.where,
            "before": self.before,
            "after": self.after,
            "breaking": self.breaking,
            "why": self.why,
            "lines": None if self.lines is None else list(self.lines),
        }


def contract_changes(before: Contract, after: Contract) -> list[Change]:
    """What differs between two contracts, inputs first; `breaking` by the rules above."""
    return [
        *_side_changes("inputs", before.inputs, after.inputs),
        *_side_changes("outputs", before.outputs, after.outputs),
    ]


def within(narrow: Schema, wide: Schema) -> bool:
    """Whether every JSON value that fits `narrow` fits `wide`; False also where that cannot be told."""
    narrow, wide = _bare(narrow), _bare(wide)
    if not wide or canonical_json(narrow) == canonical_json(wide):
        return True
    values = _values(narrow)
    if values is not None:
        return all(_fits(value, wide) for value in values)
    if "anyOf" in narrow:
        return all(within(option, wide) for option in narrow["anyOf"])
    if "anyOf" in wide:
        return len(wide) == 1 and any(within(narrow, option) for option in wide["anyOf"])
    if not narrow or _values(wide) is not None:
        return False
    kind, other = narrow.get("type"), wide.get("type")
    if kind not in READ or (kind != other and (kind, other) != ("integer", "number")):
        return False
    if not _same_keywords(narrow, wide, READ[kind]) or _as_date(narrow) != _as_date(wide):
        return False
    if kind in ("integer", "number"):
        return _bounded(narrow, wide)
    if kind == "object":
        return _object_within(narrow, wide)
    if not _no_longer(narrow, wide, *LENGTHS[kind]):
        return False
    return kind == "string" or within(narrow.get("items", {}), wide.get("items", {}))


def _side_changes(side: Side, before: Sequence[Field], after: Sequence[Field]) -> Iterator[Change]:
    one = SINGULAR[side]
    old, new = ({field.name: field for field in fields} for fields in (before, after))
    gone = [field for field in before if field.name not in new]
    come = [field for field in after if field.name not in old]
    renamed = _renamed(gone, come)
    for field in gone:
        shown = _shown(field)
        if field.name in renamed:
            other = renamed[field.name]
            where = f"{side}.{field.name}"
            yield Change(f"{one} renamed", where, field.name, other.name, True, f"it is {other.name} now")
        else:
            yield Change(f"{one} removed", f"{side}.{field.name}", shown, None, True)
    for field in come:
        if field.name in {other.name for other in renamed.values()}:
            continue
        breaking = side == "inputs" and "default" not in field.schema
        why = "callers do not give it, and it must be given" if breaking else ""
        yield Change(f"{one} added", f"{side}.{field.name}", None, _shown(field), breaking, why)
    for name in (name for name in old if name in new):
        where = f"{side}.{name}"
        changes = _input_changes if side == "inputs" else _output_changes
        yield from changes(where, old[name], new[name])
        if old[name].description != new[name].description:
            yield Change("description changed", where, old[name].description, new[name].description)
    kept = [name for name in old if name in new]
    now = [name for name in new if name in old]
    if kept != now:
        yield Change(f"{side} reordered", side, kept, now)


def _renamed(gone: Sequence[Field], come: Sequence[Field]) -> dict[str, Field]:
    """Fields that went and came in all else alike, where there is one candidate only."""
    found = {}
    for field in gone:
        same = [other for other in come if _alike(field, other)]
        if len(same) == 1 and sum(_alike(other, same[0]) for other in gone) == 1:
            found[field.name] = same[0]
    return found


def _alike(one: Field, other: Field) -> bool:
    if canonical_json(one.schema) != canonical_json(other.schema):
        return False
    return one.description == other.description and bool(one.description or "enum" in one.schema)


def _input_changes(where: str, old: Field, new: Field) -> Iterator[Change]:
    wider, narrower = within(old.schema, new.schema), within(new.schema, old.schema)
    yield from _type_change("input", where, old, new, wider, narrower, breaking=not wider)
    if ("default" in old.schema) and ("default" not in new.schema):
        why = "callers may leave it out, and it must be given"
        yield Change("input made required", where, old.schema["default"], None, True, why)
    elif ("default" not in old.schema) and ("default" in new.schema):
        yield Change("input made optional", where, None, new.schema["default"])
    elif _unlike(old.schema.get("default"), new.schema.get("default")):
        why = "callers that leave it out say something else by it"
        yield Change("default changed", where, old.schema["default"], new.schema["default"], False, why)


def _output_changes(where: str, old: Field, new: Field) -> Iterator[Change]:
    was, now = _given(old), _given(new)
    wider, narrower = within(was, now), within(now, was)
    yield from _type_change("output", where, old, new, wider, narrower, breaking=not (wider and narrower))
    if _unlike(old.schema.get("default"), new.schema.get("default")):
        yield Change("default changed", where, old.schema.get("default"), new.schema.get("default"))


def _type_change(
    one: str, where: str, old: Field, new: Field, wider: bool, narrower: bool, *, breaking: bool
) -> Iterator[Change]:
    was, now = _bare(old.schema), _bare(new.schema)
    same = canonical_json(was) == canonical_json(now)
    if same and not breaking:
        return
    gone, come = _labels(was), _labels(now)
    if wider and narrower:
        reordered = gone is not None and come is not None and gone != come
        what = "labels reordered" if reordered else f"{one} written otherwise"
        yield Change(what, where, dict(was), dict(now))
        return
    what = f"{one} widened" if wider else f"{one} narrowed" if narrower else f"{one} changed"
    why = _label_words(gone, come) if gone is not None and come is not None else ""
    if same:  # the types are the same, what stands for a missing answer is not
        why = "what it says where there is no answer changed"
    yield Change(what, where, dict(was), dict(now), breaking, why)


def _label_words(old: Sequence[Any], new: Sequence[Any]) -> str:
    """Which labels went and came."""
    gone = [label for label in old if not any(_same(label, other) for other in new)]
    come = [label for label in new if not any(_same(label, other) for other in old)]
    parts = [("no longer", gone), ("new", come)]
    return "; ".join(f"{word}: {', '.join(map(str, labels))}" for word, labels in parts if labels)


def _labels(schema: Schema) -> tuple[Any, ...] | None:
    """The labels of a decision, null among them where it may be null; None for any other type."""
    if "anyOf" in schema:
        options = [_labels(option) for option in schema["anyOf"]]
        if any(option is None for option in options):
            return None
        return tuple(label for option in options for label in option or ())
    return _values(schema)


def _given(field: Field) -> Schema:
    """The values that an output may have: those of its type, and its default where no answer is given."""
    if "default" not in field.schema:
        return field.schema
    default = field.schema["default"]
    return {"anyOf": [_bare(field.schema), {"type": "null"} if default is None else {"const": default}]}


def _shown(field: Field) -> dict[str, Any]:
    return {**field.schema, **({"description": field.description} if field.description else {})}


def _bare(schema: Schema) -> Schema:
    """Without what decides about no value."""
    return {key: value for key, value in schema.items() if key not in SAYS_NOTHING}


def _values(schema: Schema) -> tuple[Any, ...] | None:
    """All values of a schema that names them, or None."""
    if "enum" in schema:
        return tuple(schema["enum"])
    if "const" in schema:
        return (schema["const"],)
    named: dict[Any, tuple[Any, ...]] = {"boolean": (True, False), "null": (None,)}
    kind = schema.get("type")
    return named.get(kind) if isinstance(kind, str) else None


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a scalar, or null, is valid."""
    schema = _bare(schema)
    if not schema:
        return True
    values = _values(schema)
    if values is not None:
        return schema.keys() <= NAMING and any(_same(value, other) for other in values)
    if "anyOf" in schema:
        return len(schema) == 1 and any(_fits(value, option) for option in schema["anyOf"])
    kind = schema.get("type")
    if isinstance(value, str):
        return kind == "string" and _text_fits(value, schema)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind not in ("integer", "number") or not schema.keys() <= READ[kind]:
        return False
    if kind == "integer" and value != math.floor(value):
        return False
    return _bounded({"type": "number", "minimum": value, "maximum": value}, schema)


def _text_fits(value: str, schema: Schema) -> bool:
    if not schema.keys() <= {*READ["string"], "pattern"}:
        return False
    try:
        matches = "pattern" not in schema or re.search(schema["pattern"], value) is not None
    except re.error:
        return False
    return matches and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _unlike(one: Any, other: Any) -> bool:
    return canonical_json(one) != canonical_json(other)


def _as_date(schema: Schema) -> str | None:
    """The format of what is a date in Python, and no text there."""
    return schema["format"] if schema.get("format") in ("date", "date-time") else None


def _same_keywords(narrow: Schema, wide: Schema, read: set[str]) -> bool:
    """Whether each keyword of the wider one that is not read here stands in the narrower one too."""
    unread = {key: value for key, value in wide.items() if key not in read}
    return all(key in narrow and not _unlike(narrow[key], value) for key, value in unread.items())


def _no_longer(narrow: Schema, wide: Schema, least: str, most: str) -> bool:
    if narrow.get(least, 0) < wide.get(least, 0):
        return False
    return bool(narrow.get(most, math.inf) <= wide.get(most, math.inf))


def _bounded(narrow: Schema, wide: Schema) -> bool:
    """Whether the range of one lies within that of the other."""
    for sign, closed, open in ((1, "minimum", "exclusiveMinimum"), (-1, "maximum", "exclusiveMaximum")):
        (ours, ours_open), (theirs, theirs_open) = (
            _bound(schema, sign, closed, open) for schema in (narrow, wide)
        )
        if ours < theirs or (ours == theirs and theirs_open and not ours_open):
            return False
    return True


def _bound(schema: Schema, sign: int, closed: str, open: str) -> tuple[float, bool]:
    """The tighter bound, as one from below, and whether it is itself left out."""
    bounds = [(-math.inf, False)]
    if closed in schema:
        bounds.append((sign * schema[closed], False))
    if open in schema:
        bounds.append((sign * schema[open], True))
    bound, left_out = max(bounds)
    if schema.get("type") == "integer" and math.isfinite(bound):
        whole = math.floor(bound) + 1 if left_out else math.ceil(bound)
        return whole, False
    return bound, left_out


def _object_within(narrow: Schema, wide: Schema) -> bool:
    ours, theirs = narrow.get("properties", {}), wide.get("properties", {})
    more, allowed = _others(narrow), _others(wide)
    required = set(wide.get("required", ()))
    if not required <= set(narrow.get("required", ())):
        return False
    for name, schema in theirs.items():
        own = ours.get(name, more)
        if own is not None and not within(own, schema):
            return False
    beyond = [schema for name, schema in ours.items() if name not in theirs]
    beyond += [] if more is None else [more]
    return not beyond or (allowed is not None and all(within(schema, allowed) for schema in beyond))


def _others(schema: Schema) -> Schema | None:
    """What properties beside the named ones may be; None where there may be none."""
    allowed = schema.get("additionalProperties", True)
    if isinstance(allowed, Mapping):
        return allowed
    return {} if allowed else None
