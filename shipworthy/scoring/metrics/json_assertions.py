"""Assertions about JSON: that text is JSON, and that a value fits a JSON Schema, without any network."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...errors import MissingExtraError, ScoringError
from ...examples import canonical_json
from .assertions import Assertion, compiled
from .base import plain

MAX_DIGITS = 4000
"""Python reads no whole number of many more digits from text."""
DATA = ("const", "enum", "default", "examples")
"""Keywords of a schema whose values are data, so that no `$ref` in them refers to anything."""
NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
"""Keywords whose values are schemas by a name, which may be `$ref` or `pattern` itself."""
DRAFT = "https://json-schema.org/draft/2020-12/schema"
PATTERN_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class IsJson(Assertion):
    """The answer is JSON (RFC 8259): text that reads as such, or a value that is no text.

    NaN and Infinity are not JSON; nor is what is nested too deeply for any reader.
    """

    name: ClassVar[str] = "is_json"

    def holds(self, answer: Any) -> bool:
        """Whether it holds."""
        try:
            if isinstance(answer, str):
                json.loads(answer, parse_constant=_refuse, parse_int=str)
            else:
                canonical_json(plain(answer))
        except (ValueError, TypeError, RecursionError):
            return False
        return True


@dataclass(frozen=True)
class FitsSchema(Assertion):
    """The answer fits a JSON Schema; text is read as JSON first.

    The draft is the one that `$schema` names, or 2020-12. Nothing is fetched: a `$ref`
    must point within the schema, or to a draft's own. `format` is not checked, as JSON
    Schema has it unless one opts in. A subschema may have an `$id`, but references to it
    are looked up from the root. A `pattern` that takes longer than a second is a
    failure on that row; those of `patternProperties` have no such limit.

    Args:
        schema: a JSON object.

    Raises:
        ScoringError: it is no valid schema, or refers to another document.
        MissingExtraError: `jsonschema` is not installed.
    """

    schema: Mapping[str, Any]
    _text: str = field(init=False, repr=False, compare=False, default="")
    name: ClassVar[str] = "fits_schema"

    def __post_init__(self) -> None:
        if not isinstance(self.schema, Mapping):
            raise ScoringError(f"a schema is an object, not {type(self.schema).__name__}")
        try:
            text = canonical_json(plain(self.schema))
        except (ValueError, TypeError, RecursionError) as error:
            raise ScoringError(f"the schema is not JSON: {error}") from error
        object.__setattr__(self, "schema", json.loads(text))
        object.__setattr__(self, "_text", text)
        _validator(text)

    def __hash__(self) -> int:
        return hash(self._text)

    def holds(self, answer: Any) -> bool:
        """Whether it holds."""
        value = plain(answer)
        if isinstance(answer, str):
            try:
                value = json.loads(answer, parse_constant=_refuse, parse_int=_int)
            except (ValueError, RecursionError):
                return False
        return bool(_validator(self._text).is_valid(value))


@functools.lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    """A validator of a schema, which resolves references in a registry that cannot fetch."""
    try:
        from jsonschema import SchemaError, ValidationError, validators  # type: ignore[import-untyped]
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import DRAFT202012, specification_with
    except ImportError as error:
        raise MissingExtraError("compile", "jsonschema") from error

    schema = json.loads(text)
    dialect = schema.get("$schema", DRAFT)
    known = validators.validator_for({"$schema": dialect}, default=None)
    if known is None:
        raise ScoringError(f"$schema is {dialect!r}, which is not known", hint=f"use {DRAFT}")
    try:
        known.check_schema(schema)
    except SchemaError as error:
        raise ScoringError(
            f"no valid JSON Schema: {error.message[:300]}", where="/".join(map(str, error.absolute_path))
        ) from error
    resolver = REGISTRY.resolver_with_root(
        specification_with(dialect, default=DRAFT202012).create_resource(schema)
    )
    for place in _values_of(schema, ("$ref", "$dynamicRef")):
        try:
            resolver.lookup(place)
        except Unresolvable as error:
            raise ScoringError(
                f"$ref {place!r} leads nowhere within the schema",
                hint="nothing is fetched; put what it means under $defs",
            ) from error
    for wanted in _values_of(schema, ("pattern",)):
        compiled(wanted, True)

    def pattern(validator: Any, wanted: str, value: Any, within: Any) -> Iterator[Any]:
        """The keyword `pattern`, with a time limit, which the library's own does not have."""
        if not validator.is_type(value, "string"):
            return
        if compiled(wanted, True).search(value, timeout=PATTERN_TIMEOUT_S) is None:
            yield ValidationError(f"does not match {wanted!r}")

    # Where a reference leads back to the root, `$schema` would bring the library's own keyword back.
    root = {key: item for key, item in schema.items() if key != "$schema"}
    return validators.extend(known, {"pattern": pattern})(root, registry=REGISTRY)


def _values_of(schema: Any, keywords: tuple[str, ...]) -> Iterator[str]:
    """What keywords say, wherever they stand; property names and data are no keywords."""
    if isinstance(schema, list):
        for item in schema:
            yield from _values_of(item, keywords)
    if not isinstance(schema, dict):
        return
    for key, item in schema.items():
        if key in keywords and isinstance(item, str):
            yield item
        elif key in NAMED and isinstance(item, dict):
            for own in item.values():
                yield from _values_of(own, keywords)
        elif key not in DATA:
            yield from _values_of(item, keywords)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _int(digits: str) -> int:
    """A whole number; one that Python cannot read is no fault of the answer's."""
    if len(digits) > MAX_DIGITS:
        raise OverflowError(f"a whole number of {len(digits)} digits is not read")
    return int(digits)
