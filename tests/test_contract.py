"""Typed values: what a schema accepts, what it refuses, and the way there and back."""

from __future__ import annotations

import contextlib
import datetime
import json
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ContractError, OutputError, RowInputError
from shipworthy.runtime import Contract, Field, label_text, object_schema, plain_value, value_text
from shipworthy.runtime.contract import annotation_of, says_nothing

QUEUE = {"type": "string", "enum": ["billing", "new_order", "other"]}
ITEM = {
    "type": "object",
    "title": "Item",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["name"],
}
MAYBE = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
DATE = {"type": "string", "format": "date"}
WHEN = {"type": "string", "format": "date-time"}
INTEGERS = st.integers(-(2**63), 2**63)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def parse(schema: dict[str, Any], value: Any) -> Any:
    return Field("x", schema).parse(value)


def contract(*outputs: Field, inputs: tuple[Field, ...] = (Field("ticket", {"type": "string"}),)) -> Contract:
    return Contract(inputs, outputs or (Field("queue", QUEUE),))


# Field.parse


@pytest.mark.parametrize(
    ("schema", "value", "parsed"),
    [
        (QUEUE, "billing", "billing"),
        (QUEUE, "  new_order\n", "new_order"),
        (QUEUE, "new order", "new_order"),
        ({"const": "only"}, "only", "only"),
        ({"enum": [1, 2]}, 1, 1),
        ({"enum": [1, 2]}, "2", 2),
        ({"enum": ["1", "2"]}, 1, "1"),
        ({"enum": ["x", True]}, "yes", True),
        ({"type": "boolean"}, True, True),
        ({"type": "boolean"}, "yes", True),
        ({"type": "boolean"}, " TRUE ", True),
        ({"type": "boolean"}, 1, True),
        ({"type": "boolean"}, "No", False),
        ({"type": "boolean"}, "n", False),
        ({"type": "integer"}, 7, 7),
        ({"type": "integer"}, "7", 7),
        ({"type": "integer"}, 7.0, 7),
        ({"type": "integer", "minimum": 0, "maximum": 9}, "9", 9),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "number"}, 2, 2.0),
        ({"type": "number", "exclusiveMinimum": 0}, "1e-3", 0.001),
        ({"type": "string"}, " as it is ", " as it is "),
        ({"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^a"}, "abc", "abc"),
        (DATE, "2024-02-29", datetime.date(2024, 2, 29)),
        (WHEN, "2024-02-29T10:30:00Z", datetime.datetime(2024, 2, 29, 10, 30, tzinfo=datetime.UTC)),
        (MAYBE, None, None),
        (MAYBE, "null", None),
        (MAYBE, "5", 5),
        ({"type": "array", "items": {"type": "integer"}}, [1, "2"], [1, 2]),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"type": "array", "items": QUEUE}, ["billing", "other"], ["billing", "other"]),
        ({"type": "array"}, [1, "a", None], [1, "a", None]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "1"}, {"a": 1}),
        ({"type": "null"}, None, None),
        ({}, {"a": [1]}, {"a": [1]}),
    ],
)
def test_a_value_is_read_as_its_type(schema: dict[str, Any], value: Any, parsed: Any) -> None:
    found = parse(schema, value)
    assert found == parsed
    assert type(found) is type(parsed)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (QUEUE, "shipping", "'shipping' is none of 'billing', 'new order', 'other'"),
        (QUEUE, "", "is none of"),
        (QUEUE, None, "is none of"),
        (QUEUE, ["billing"], "is none of"),
        ({"enum": [1, 2]}, True, "is none of"),
        ({"enum": [0, 1]}, 0.5, "is none of"),
        ({"type": "boolean"}, "maybe", "none of 'yes', 'no'"),
        ({"type": "boolean"}, 2, "none of"),
        ({"type": "boolean"}, None, "none of"),
        ({"type": "integer"}, "seven", "valid integer"),
        ({"type": "integer"}, 7.5, "valid integer"),
        ({"type": "integer"}, None, "valid integer"),
        ({"type": "integer", "minimum": 0}, "-1", "greater than or equal to 0"),
        ({"type": "number", "exclusiveMaximum": 1}, 1, "less than 1"),
        ({"type": "number"}, "", "valid number"),
        ({"type": "number"}, "nan", "finite number"),
        ({"type": "number"}, float("inf"), "finite number"),
        ({"type": "number"}, "1e999", "finite number"),
        ({"type": "array", "items": {"type": "number"}}, ["inf"], "finite number"),
        ({"type": "string"}, 5, "valid string"),
        ({"type": "string"}, None, "valid string"),
        ({"type": "string"}, "\ud83d", "half of a surrogate pair"),
        ({"type": "array", "items": {"type": "string"}}, ["\ud83d"], "half of a surrogate pair"),
        ({"type": "object"}, {"a": {"b": "\ud83d"}}, "half of a surrogate pair"),
        ({}, {"a": float("nan")}, "finite number"),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, {"a": "nan"}, "finite number"),
        ({"type": "string", "pattern": "^a"}, "b", "pattern"),
        ({"type": "string", "maxLength": 2}, "abc", "at most 2"),
        (DATE, "29.02.2024", "valid date"),
        (DATE, "2023-02-29", "valid date"),
        (WHEN, "yesterday", "valid datetime"),
        (MAYBE, "five", "valid integer"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "x"], "1: "),
        ({"type": "array", "items": {"type": "integer"}}, "1, 2", "valid list"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "x"}, "valid integer"),
        (ITEM, {"count": 1}, "name: Field required"),
        (ITEM, {"name": "x", "count": 0}, "count: "),
        (ITEM, "not an object", "not 'not an object'"),
        ({"type": "null"}, "something", "None"),
    ],
)
def test_a_value_of_another_type_is_refused(schema: dict[str, Any], value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"\A.{1,400}\Z") as caught:
        parse(schema, value)
    assert message in str(caught.value)


def test_a_refusal_quotes_only_the_beginning_of_a_long_value() -> None:
    for schema in (QUEUE, {"type": "integer"}):
        with pytest.raises(ValueError, match="xxx") as caught:
            parse(schema, "x" * 10_000)
        assert len(str(caught.value)) < 300


def test_an_object_is_read_with_its_parts() -> None:
    found = parse(ITEM, '{"name": "cup", "count": "2"}')
    assert plain_value(found) == {"name": "cup", "count": 2}
    assert (found.name, found.count) == ("cup", 2)


# There and back


@given(
    st.sampled_from(
        [
            ({"type": "integer"}, INTEGERS),
            ({"type": "number"}, FLOATS),
            ({"type": "boolean"}, st.booleans()),
            ({"type": "string"}, TEXT),
            (QUEUE, st.sampled_from(QUEUE["enum"])),
            ({"enum": [1, 2.5, "x", True]}, st.sampled_from([1, 2.5, "x", True])),
            (DATE, st.dates()),
            (WHEN, st.datetimes() | st.datetimes(timezones=st.just(datetime.UTC))),
            (MAYBE, st.none() | INTEGERS),
            ({"type": "array", "items": DATE}, st.lists(st.dates(), max_size=3)),
            ({"type": "array", "items": {"type": "array", "items": MAYBE}}, st.lists(st.lists(INTEGERS))),
            ({"type": "object"}, st.dictionaries(TEXT, TEXT | INTEGERS, max_size=3)),
        ]
    ).flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1]))
)
def test_a_value_comes_back_from_json(pair: tuple[dict[str, Any], Any]) -> None:
    schema, value = pair
    text = json.dumps(plain_value(value))
    back = parse(schema, json.loads(text))
    assert back == value
    assert type(back) is type(value)
    assert plain_value(back) == plain_value(value)


@given(
    st.sampled_from(
        [
            ({"type": "integer"}, INTEGERS),
            ({"type": "number"}, FLOATS),
            ({"type": "boolean"}, st.booleans()),
            (QUEUE, st.sampled_from(QUEUE["enum"])),
            (DATE, st.dates(min_value=datetime.date(1000, 1, 1))),
            ({"type": "array", "items": {"type": "integer"}}, st.lists(INTEGERS)),
            ({"type": "object"}, st.dictionaries(TEXT, INTEGERS, max_size=3)),
        ]
    ).flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1]))
)
def test_a_value_comes_back_from_the_words_of_a_prompt(pair: tuple[dict[str, Any], Any]) -> None:
    schema, value = pair
    assert parse(schema, value_text(value)) == value


@given(st.text())
def test_any_text_is_read_or_refused_for_every_type(text: str) -> None:
    for schema in (QUEUE, {"type": "boolean"}, {"type": "integer"}, {"type": "number"}, DATE, MAYBE, ITEM):
        try:
            plain = plain_value(parse(schema, text))
        except ValueError:
            continue
        json.dumps(plain, allow_nan=False)


def test_labels_and_values_are_said_as_a_person_says_them() -> None:
    assert [label_text(value) for value in (True, False, "new_order", 3)] == ["yes", "no", "new order", "3"]
    assert value_text(" a_b ") == "a_b"
    assert value_text(datetime.date(2024, 1, 2)) == "2024-01-02"
    assert value_text(["é", None]) == '["é", null]'


# annotation_of


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        float,
        bool,
        str,
        datetime.date,
        datetime.datetime,
        Any,
        Literal["a", "b"],
        Literal["a", 1, True],
        Literal["only"],
        int | None,
        str | int | None,
        list[int],
        list[list[str]],
        list[Literal["a", "b"]],
        dict[str, Any],
        dict[str, int],
        dict[str, list[float]],
    ],
)
def test_a_type_comes_back_from_the_schema_that_pydantic_writes(annotation: Any) -> None:
    assert annotation_of(pydantic.TypeAdapter(annotation).json_schema()) == annotation


def test_limits_and_defaults_of_an_object_come_back() -> None:
    class Person(pydantic.BaseModel):
        name: str = pydantic.Field(min_length=1, max_length=9, pattern="^[a-z]+$")
        age: int = pydantic.Field(7, ge=0, lt=150)
        nick: str | None = None

    schema = Person.model_json_schema()
    again = annotation_of(schema)
    assert again.model_json_schema() == schema
    assert again(name="ann").model_dump() == {"name": "ann", "age": 7, "nick": None}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "tuple"},
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "set"}},
        {"type": "object", "properties": {"a": {"type": "file"}}},
        {"anyOf": [{"type": "string"}, {"type": "bytes"}]},
        {"$ref": "#/$defs/Item"},
        {"type": "array", "items": {"$ref": "#/$defs/Item"}},
        {"allOf": [{"type": "string"}]},
        {"oneOf": [{"type": "string"}]},
        {"not": {"type": "string"}},
    ],
)
def test_a_schema_that_says_something_else_is_a_contract_error(schema: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        annotation_of(schema)
    with pytest.raises(ContractError):
        parse(schema, "x")


@pytest.mark.parametrize("pattern", ["(?=lookahead)", "("])
def test_a_pattern_that_cannot_be_matched_is_a_contract_error(pattern: str) -> None:
    with pytest.raises(ContractError, match=r"look-around|regex parse error|unclosed"):
        parse({"type": "string", "pattern": pattern}, "x")


# Contracts


def test_names_stand_once_and_both_sides_are_needed() -> None:
    text = Field("a", {"type": "string"})
    with pytest.raises(ContractError, match="names stand twice: a"):
        Contract((text,), (text,))
    for inputs, outputs in (((), (text,)), ((text,), ())):
        with pytest.raises(ContractError, match="at least one"):
            Contract(inputs, outputs)


def test_decisions_are_the_outputs_with_choices() -> None:
    fields = [
        Field("queue", QUEUE),
        Field("urgent", {"type": "boolean"}),
        Field("kind", {"const": "x"}),
        Field("total", {"type": "number"}),
        Field("why", {"type": "string"}),
    ]
    own = contract(*fields)
    assert [field.name for field in own.decisions] == ["queue", "urgent", "kind"]
    assert [field.name for field in own.values] == ["total", "why"]
    assert fields[0].choices == ("billing", "new_order", "other")
    assert fields[1].choices == (True, False)


def test_a_contract_comes_back_from_json_with_its_order_and_descriptions() -> None:
    own = contract(
        Field("zeta", QUEUE, "which queue"),
        Field("alpha", {"type": "integer", "default": 3}),
        inputs=(Field("ticket", {"type": "string"}, "what was written"), Field("age", MAYBE)),
    )
    again = Contract.from_json(json.loads(json.dumps(own.as_json(), sort_keys=True)))
    assert again == own
    assert again.digest == own.digest
    assert own.as_json()["outputs"]["required"] == ["zeta"]


def test_another_description_label_or_order_is_another_contract() -> None:
    fields = (Field("a", QUEUE, "one"), Field("b", {"type": "string"}))
    digests = {
        contract(*fields).digest,
        contract(*reversed(fields)).digest,
        contract(Field("a", QUEUE, "two"), fields[1]).digest,
        contract(Field("a", {"enum": ["billing"]}, "one"), fields[1]).digest,
    }
    assert len(digests) == 4


def test_rows_are_read_by_name_and_other_columns_are_ignored() -> None:
    own = contract(inputs=(Field("ticket", {"type": "string"}), Field("age", {"type": "integer"})))
    row = {"age": "3", "ticket": "hi", "id": 9, "queue": "new order"}
    assert own.read_inputs(row) == {"ticket": "hi", "age": 3}
    assert own.read_outputs(row) == {"queue": "new_order"}


@pytest.mark.parametrize(
    ("row", "message"),
    [({}, "'age' is missing"), ({"age": "old"}, "valid integer"), ({"age": None}, "valid integer")],
)
def test_a_missing_or_wrong_input_names_its_column(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowInputError, match=message) as caught:
        contract(inputs=(Field("age", {"type": "integer"}),)).read_inputs(row)
    assert caught.value.where == "column 'age'"


def test_an_input_that_is_left_out_takes_its_default_with_its_type() -> None:
    inputs = (
        Field("day", {**DATE, "default": "2024-01-02"}),
        Field("limit", {"type": "integer", "default": None}),
        Field("queue_before", {**QUEUE, "default": "other"}),
    )
    own = contract(inputs=inputs)
    assert own.read_inputs({}) == {"day": datetime.date(2024, 1, 2), "limit": None, "queue_before": "other"}
    assert own.read_inputs({"limit": 4})["limit"] == 4
    assert object_schema(inputs)["required"] == []


# parse_generated

GENERATED = (Field("total", {"type": "number"}), Field("items", {"type": "array", "items": ITEM}))


def test_a_generated_object_is_read() -> None:
    found = contract(*GENERATED).parse_generated(
        ' {"items": [{"name": "cup"}], "total": 2, "aside": 1}\n', GENERATED
    )
    assert plain_value(found) == {"total": 2.0, "items": [{"name": "cup", "count": None}]}
    assert list(found) == ["total", "items"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ('{"total": 2, "items": [', "not JSON"),
        ("Sure! {}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"total": 2}', "has no 'items'"),
        ('{"total": "much", "items": []}', "total: "),
        ('{"total": NaN, "items": []}', "total: "),
        ('{"total": 1, "items": [{"count": 1}]}', "items: 0.name"),
    ],
)
def test_a_generated_text_that_does_not_fit_is_an_output_error(text: str, message: str) -> None:
    with pytest.raises(OutputError) as caught:
        contract(*GENERATED).parse_generated(text, GENERATED)
    assert message in caught.value.message
    assert caught.value.where == text[:200]


def test_an_output_that_need_not_be_generated_takes_its_default() -> None:
    fields = (Field("total", {"type": "number"}), Field("note", {"type": "string", "default": "none"}))
    assert object_schema(fields)["required"] == ["total"]
    assert contract(*fields).parse_generated('{"total": 1}', fields) == {"total": 1.0, "note": "none"}


@given(st.text())
def test_any_text_is_an_answer_or_an_output_error(text: str) -> None:
    with contextlib.suppress(OutputError):
        assert list(contract(*GENERATED).parse_generated(text, GENERATED)) == ["total", "items"]


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b\u200c\u2060", "\ufeff", "\x00\x01"])
def test_a_row_without_a_visible_character_says_nothing(text: str) -> None:
    contract = Contract((Field("ticket", {"type": "string"}),), (Field("queue", {"enum": ["a", "b"]}),))
    assert says_nothing(contract, {"ticket": text})
    assert not says_nothing(contract, {"ticket": f"{text}?"})


def test_a_number_says_something() -> None:
    fields = (Field("note", {"type": "string"}), Field("amount", {"type": "number"}))
    contract = Contract(fields, (Field("queue", {"enum": ["a", "b"]}),))
    assert not says_nothing(contract, {"note": "", "amount": 0})
