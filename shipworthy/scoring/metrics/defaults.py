"""The metric of an output where nobody named one: from its type, and for text from its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ScoringError
from ...runtime import Field
from .base import Metric, ValueMetric
from .dates import Date
from .rows import metric_named
from .structures import ListOf, Object, SetOf
from .values import Exact

LONG_CHARACTERS = 200
LONG_WORDS = 20
LONG_TEXT = 100
"""Characters; for writing that does not part its words."""


def metric_for(field: Field, *, labels: Sequence[Any] = ()) -> ValueMetric:
    """The default metric of an output.

    Decisions, numbers, identifiers and whatever has no better one: `Exact`. Dates: `Date`,
    without tolerance. Lists: `ListOf` their items' metric, in order; `SetOf` where the
    schema says `uniqueItems`. Objects: `Object`, each key by its own metric. Optional: as
    without null, since null equals null.

    Text: `Exact`, if there are labels and they are short. A right answer to a question
    with a short one is mostly the label's own words; of free text it hardly ever is, so
    that equality would call good text wrong and any overlap of words would measure the
    wrong thing. Text is free where

    - its schema says so: `contentMediaType` is given, `minLength` is above 60, or
      `maxLength` above 200; or
    - more than half of the labels are longer than 20 words or 100 characters; or
    - there is no label to compare with.

    It then has no default metric. Text within lists and objects is judged by its schema
    alone.

    Args:
        field: the output's name and JSON Schema.
        labels: those of the rows to be scored; empty ones (None) are not counted.

    Raises:
        ScoringError: nothing can be said of this output without an assertion, a judge, or
            a metric chosen by a person.
    """
    schema = _without_null(field.schema)
    if field.choices is None and _is_text(schema):
        given = [label for label in labels if label is not None]
        if not given:
            _cannot_score(field.name, "it is text, and there is no label to compare it with")
        if sum(map(_is_long, given)) * 2 > len(given):
            _cannot_score(field.name, "its labels are long texts, which a right answer need not repeat")
    return _of_schema(schema, field.name)


def metric_of(
    metric: str | Metric, fields: Sequence[Field], rows: Sequence[Mapping[str, Any]] = ()
) -> Metric:
    """The row metric that a recipe means.

    Args:
        metric: `exact` (every output right that any row has a label for), the name of one
            output (that one right), or a metric, which is taken as it is, or as it binds itself to
            outputs and rows.
        fields: the program's outputs; each that counts is scored by its `metric_for`.
        rows: with labels, for outputs that are text.

    Raises:
        ContractError: there is no such metric.
        ScoringError: an output that counts cannot be scored by default.
    """
    if not isinstance(metric, str):
        bind = getattr(metric, "bound_to", None)
        bound: Metric = bind(fields, rows) if callable(bind) else metric
        return bound
    named = metric_named(metric, tuple(field.name for field in fields))
    labelled = [field.name for field in fields if any(field.name in row for row in rows)]
    counted = named.outputs or tuple(labelled or (field.name for field in fields))
    by = {
        field.name: metric_for(field, labels=[row.get(field.name) for row in rows])
        for field in fields
        if field.name in counted
    }
    return replace(named, by=by)


def _of_schema(schema: Mapping[str, Any], where: str) -> ValueMetric:
    schema = _without_null(schema)
    kind = schema.get("type")
    if "enum" in schema or "const" in schema:
        return Exact()
    if kind == "string" and schema.get("format") in ("date", "date-time"):
        return Date()
    if kind == "string" and _says_free(schema):
        _cannot_score(where, "its schema says that it is long or free text")
    if kind == "array":
        item = _of_schema(schema.get("items", {}), f"{where}[]")
        return SetOf() if schema.get("uniqueItems") is True else ListOf(item=item)
    if kind == "object" and schema.get("properties"):
        properties = schema["properties"]
        return Object(fields={key: _of_schema(own, f"{where}.{key}") for key, own in properties.items()})
    return Exact()


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one option of `anyOf` that is not null, if there is one only."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else schema


def _is_text(schema: Mapping[str, Any]) -> bool:
    """Whether any text may stand there; a pattern or a format makes it an identifier or a date."""
    plain = schema.get("type") == "string" and not {"enum", "const", "pattern", "format"} & set(schema)
    return plain and schema.get("minLength", 0) <= schema.get("maxLength", LONG_CHARACTERS + 1)


def _says_free(schema: Mapping[str, Any]) -> bool:
    if "pattern" in schema or "format" in schema:
        return False
    if "contentMediaType" in schema:
        return True
    return bool(schema.get("minLength", 0) > 60 or schema.get("maxLength", 0) > LONG_CHARACTERS)


def _is_long(label: Any) -> bool:
    return len(str(label)) > LONG_TEXT or len(str(label).split()) > LONG_WORDS


def _cannot_score(where: str, why: str) -> None:
    raise ScoringError(
        f"cannot score {where!r}: {why}",
        hint=(
            "give assertions (Contains, Matches, Length, FitsSchema, ...), a judge validated against "
            "people's labels, or say that the label's words are what counts: Exact(), Text() or Span()"
        ),
        where=f"output {where!r}",
    )
