"""JSON Schemas as they are met become fields, and what no contract holds is told once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift.schemas import Normalised, fields_of, normalised, optional
from shipworthy.runtime import Contract, Field

NULL = {"type": "null"}
TOLD = "no type of Python's says this; check it in a metric"


def read(**properties: Any) -> Normalised:
    return fields_of({"type": "object", "properties": properties, "required": list(properties)}, where="f")


def schema_of(schema: Any) -> Any:
    return read(x=schema).fields[0].schema


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": ["string", "null"], "minLength": 2},
            {"anyOf": [{"type": "string", "minLength": 2}, NULL]},
        ),
        (
            {"type": ["string", "integer"], "minLength": 2, "minimum": 1},
            {"anyOf": [{"type": "string", "minLength": 2}, {"type": "integer", "minimum": 1}]},
        ),
        (
            {"minimum": 0, "anyOf": [{"type": "integer"}, NULL]},
            {"anyOf": [{"type": "integer", "minimum": 0}, NULL]},
        ),
        ({"type": "string", "nullable": True}, {"anyOf": [{"type": "string"}, NULL]}),
        ({"enum": ["a", "b", None]}, {"anyOf": [{"enum": ["a", "b"]}, NULL]}),
        ({"enum": ["a"], "nullable": True}, {"anyOf": [{"enum": ["a"]}, NULL]}),
        ({"enum": [1, True, 1]}, {"enum": [1, True]}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"enum": ["a", "b"]}),
        (
            {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            {"type": "integer", "exclusiveMinimum": 0},
        ),
        (
            {"type": "integer", "minimum": 0.5, "maximum": 9.0},
            {"type": "integer", "minimum": 1, "maximum": 9},
        ),
        (
            {"type": "string", "anyOf": [{"format": "date"}, {"minLength": 3}]},
            {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "minLength": 3}]},
        ),
        ({"items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}}),
    ],
)
def test_a_schema_becomes_what_a_contract_holds_and_nothing_is_told(schema: Any, expected: Any) -> None:
    found = read(x=schema)
    assert found.fields[0].schema == expected
    assert found.left_out == []


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": ["integer", "null"], "multipleOf": 5}, [("$.x: multipleOf", TOLD)]),
        ({"type": "string", "nullable": True, "contentEncoding": "b"}, [("$.x: contentEncoding", TOLD)]),
        (
            {"type": "string", "format": "email"},
            [("$.x: format", "email: it stays text; check it in a metric")],
        ),
        (
            {"type": "string", "pattern": "(?=a)b"},
            [("$.x: pattern", "this expression is not read; check it in a metric")],
        ),
        ({"type": "integer", "minimum": "0"}, [("$.x: minimum", "'0' is no number")]),
        ({"type": "integer", "default": "many"}, [("$.x: default", "'many' does not fit the type")]),
        (
            {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
            [("$.x[]", "a list whose places differ in type: each may be of any of these types")],
        ),
        (
            {"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            [("$.x: anyOf", "no type of Python's says which of them go together")],
        ),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}},
            [("$.x: additionalProperties", "properties that are not named are not held")],
        ),
        ({"type": "money"}, [("$.x", "a type 'money' is none of JSON Schema's")]),
    ],
)
def test_what_no_contract_holds_is_told_once_with_its_place(schema: Any, told: list[tuple[str, str]]) -> None:
    assert read(x=schema).left_out == told


def test_an_optional_property_that_allows_null_allows_it_once() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}, "b": {}, "c": NULL, "d": {"type": "integer"}},
    }
    assert [field.schema for field in fields_of(schema, where="f").fields] == [
        {"anyOf": [{"type": "string"}, NULL], "default": None},
        {"default": None},
        {"type": "null", "default": None},
        {"anyOf": [{"type": "integer"}, NULL], "default": None},
    ]
    assert optional({"type": "integer", "default": 3}) == {"anyOf": [{"type": "integer"}, NULL], "default": 3}


def test_a_schema_that_refers_to_itself_is_held_one_level_deep_and_told() -> None:
    node = {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string"},
            "replies": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        },
    }
    found = fields_of(
        {
            "type": "object",
            "required": ["thread"],
            "properties": {"thread": {"$ref": "#/$defs/node"}},
            "$defs": {"node": node},
        },
        where="f",
    )
    assert found.left_out == [
        (
            "$.thread.replies[]",
            "the schema refers to itself here (#/$defs/node); from here on any object is held",
        )
    ]
    found.fields[0].parse({"text": "a", "replies": [{"text": "b", "replies": []}]})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}},
            "refers to nothing but itself",
        ),
        ({"$ref": "#/$defs/b"}, "is not there"),
        ({"$ref": "other.json"}, "outside its file"),
        ({"enum": []}, "allows nothing"),
        ({"type": {"a": 1}}, "is not what JSON Schema has there"),
        ({"type": "object", "properties": []}, "is not what JSON Schema has there"),
        ({"items": 3}, "no JSON Schema"),
    ],
)
def test_a_schema_that_cannot_be_met_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(PrototypeError, match=message):
        normalised(schema, where="f")


def test_names_that_python_cannot_have_are_renamed_and_told() -> None:
    found = fields_of(
        {
            "type": "object",
            "required": ["first-name", "class", "Name", "name", "text", "box"],
            "properties": {
                "first-name": {"type": "string"},
                "class": {"type": "string"},
                "name": {"type": "string"},
                "Name": {"type": "string"},
                "text": {"type": "string"},
                "box": {
                    "type": "object",
                    "required": ["json", "fields"],
                    "properties": {"json": {"type": "string"}, "fields": {"type": "string"}},
                },
            },
        },
        where="f",
        taken=["text"],
    )
    names = ["first_name", "class_", "name", "Name_2", "text_2", "box"]
    assert [field.name for field in found.fields] == names
    assert set(found.fields[-1].schema["properties"]) == {"json_", "fields"}
    assert ("$.class", "renamed to class_: 'class' is a Python keyword") in found.left_out
    assert ("$.text", "renamed to text_2: 'text' names an input") in found.left_out
    assert len(found.left_out) == 5
    answer = {"first-name": "a", "class": "b", "box": {"json": "c", "fields": "d"}}
    assert found.named(answer) == {"first_name": "a", "class_": "b", "box": {"json_": "c", "fields": "d"}}


def test_words_of_the_parts_of_a_union_are_kept() -> None:
    found = read(x={"anyOf": [{"type": "string", "description": "As printed."}, NULL]})
    assert found.fields[0].description == "As printed."


# Schemas of the part that a contract holds, each with values that meet it.

NAMES = st.sampled_from(
    ["city", "Stadt", "первый", "class", "first-name", "json", "_x", "2nd", "a b", "über"]
)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@st.composite
def integers(draw: st.DrawFn) -> tuple[Any, st.SearchStrategy[Any]]:
    low, high = sorted((draw(st.integers(-50, 50)), draw(st.integers(-50, 50))))
    return {"type": "integer", "minimum": low, "maximum": high}, st.integers(low, high)


@st.composite
def texts(draw: st.DrawFn) -> tuple[Any, st.SearchStrategy[Any]]:
    least = draw(st.integers(0, 3))
    return {"type": "string", "minLength": least}, st.text("abc é🙂", min_size=least, max_size=6)


@st.composite
def enums(draw: st.DrawFn) -> tuple[Any, st.SearchStrategy[Any]]:
    values = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    null = draw(st.booleans())
    return {"enum": values + [None] * null}, st.sampled_from(values + [None] * null)


SIMPLE: st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]] = st.one_of(
    integers(),
    texts(),
    enums(),
    st.just(({"type": "boolean"}, st.booleans())),
    st.just(({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False))),
    st.just(({"type": ["integer", "null"], "minimum": 0}, st.none() | st.integers(0, 9))),
    st.just(({"type": "string", "nullable": True, "minLength": 1}, st.none() | st.just("a"))),
    st.just(({"type": "string", "format": "date"}, st.dates().map(str))),
    st.just(({"$ref": "#/$defs/shared"}, st.fixed_dictionaries({"on": st.booleans()}))),
)


@st.composite
def objects(draw: st.DrawFn, inner: Any) -> tuple[Any, st.SearchStrategy[Any]]:
    own = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=4))
    required = [name for name in own if draw(st.booleans())]
    values = st.fixed_dictionaries(
        {name: value for name, (_, value) in own.items() if name in required},
        optional={name: value for name, (_, value) in own.items() if name not in required},
    )
    properties = {name: schema for name, (schema, _) in own.items()}
    whole = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return (whole, values) if draw(st.booleans()) else ({"allOf": [whole]}, values)


def lists(inner: Any) -> st.SearchStrategy[Any]:
    return inner.map(lambda own: ({"type": "array", "items": own[0]}, st.lists(own[1], max_size=3)))


def unions(inner: Any) -> st.SearchStrategy[Any]:
    return st.tuples(inner, st.sampled_from(["anyOf", "oneOf"])).map(
        lambda own: ({own[1]: [own[0][0], NULL]}, st.none() | own[0][1])
    )


ANY = st.recursive(SIMPLE, lambda inner: objects(inner) | lists(inner) | unions(inner), max_leaves=6)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(objects(ANY), st.data())
def test_fields_accept_every_value_that_their_schema_allows(
    generated: tuple[Any, st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    schema, values = generated
    shared = {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}
    found = fields_of({**schema, "$defs": {"shared": shared}}, where="f")
    value = found.named(data.draw(values))
    assert value.keys() <= {field.name for field in found.fields}
    for field in found.fields:
        typed = field.parse(value[field.name]) if field.name in value else field.default()
        assert typed is None or field.name in value
    Contract((Field("input_of_it", {"type": "string"}),), found.fields)
    assert len(set(found.left_out)) == len(found.left_out)
