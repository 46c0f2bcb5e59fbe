"""Whether callers stay compatible: against brute force on small schemas, and case by case."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shipworthy.registry import Change
from shipworthy.registry.compatibility import contract_changes, within
from shipworthy.runtime import Contract, Field

SCALARS: list[Any] = [
    None,
    True,
    False,
    -3,
    -2,
    -1.5,
    -1,
    -0.5,
    0,
    0.5,
    1,
    1.5,
    2,
    3,
    4,
    "",
    "a",
    "ab",
    "abc",
    "abcd",
]
LISTS = [[], *([one] for one in SCALARS), [1, "a"], [0, 1, 2]]
OBJECTS: list[Any] = [
    {},
    *({name: one} for name in ("p", "q", "r") for one in (None, True, 0, 2, "a", "abc")),
]
OBJECTS += [{"p": one, "q": other} for one in (0, "a", None) for other in (1, "ab", True)]
VALUES = [*SCALARS, *LISTS, *OBJECTS]

BOUND = st.sampled_from([-1, 0, 1, 2])


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these keywords, or none."""
    return st.fixed_dictionaries({}, optional=keys)


NUMBERS = st.builds(
    lambda kind, bounds: {"type": kind, **bounds},
    st.sampled_from(["integer", "number"]),
    some(minimum=BOUND, maximum=BOUND, exclusiveMinimum=BOUND, exclusiveMaximum=BOUND),
)
STRINGS = some(minLength=st.sampled_from([0, 1, 2]), maxLength=st.sampled_from([1, 2, 3])).map(
    lambda keys: {"type": "string", **keys}
)
LABELS = st.lists(
    st.sampled_from(["a", "ab", "abc", 1, 2, True]), min_size=1, max_size=3, unique_by=repr
).map(lambda labels: {"enum": labels})
PLAIN = st.one_of(NUMBERS, STRINGS, LABELS, st.sampled_from([{"type": "boolean"}, {"type": "null"}]))


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda properties, required, others: {
            "type": "object",
            "properties": properties,
            "required": required,
            **others,
        },
        st.dictionaries(st.sampled_from(["p", "q"]), inner, max_size=2),
        st.lists(st.sampled_from(["p", "q"]), max_size=2, unique=True),
        some(additionalProperties=st.one_of(st.booleans(), inner)),
    )


SCHEMAS = st.recursive(
    st.one_of(PLAIN, st.just({})),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        inner.map(lambda items: {"type": "array", "items": items}),
        objects(inner),
    ),
    max_leaves=4,
)


def fits(schema: Any, values: list[Any]) -> list[bool]:
    validator = Draft202012Validator(schema)
    return [validator.is_valid(value) for value in values]


@given(SCHEMAS, SCHEMAS)
def test_where_one_type_is_said_to_hold_another_no_value_speaks_against_it(narrow: Any, wide: Any) -> None:
    assert within(narrow, narrow)
    if within(narrow, wide):
        inside = zip(fits(narrow, VALUES), fits(wide, VALUES), strict=True)
        assert all(in_wide for in_narrow, in_wide in inside if in_narrow)


@given(PLAIN, PLAIN)
def test_of_plain_types_it_says_no_only_where_a_value_speaks_against_it(narrow: Any, wide: Any) -> None:
    in_narrow, in_wide = fits(narrow, SCALARS), fits(wide, SCALARS)
    # Of a range it does not count the values: that 1 to 2 is one of 1 and 2, it does not see.
    counted = "enum" in narrow or narrow.get("type") == wide.get("type")
    if counted and any(in_narrow) and not within(narrow, wide):
        assert any(ours and not theirs for ours, theirs in zip(in_narrow, in_wide, strict=True))


def fields(names: tuple[str, ...], *, defaults: bool) -> st.SearchStrategy[tuple[Field, ...]]:
    def with_default(schema: dict[str, Any], optional: bool) -> dict[str, Any]:
        return {**schema, "default": None} if optional and defaults else schema

    one = st.builds(with_default, PLAIN, st.booleans())
    return st.dictionaries(st.sampled_from(names), one, min_size=1, max_size=2).map(
        lambda made: tuple(Field(name, schema) for name, schema in made.items())
    )


CONTRACTS = st.builds(Contract, fields(("x", "y"), defaults=True), fields(("u", "v"), defaults=False))
MISSING = object()


def rows(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """All objects with these names, each with any value or none."""
    every = itertools.product([MISSING, *SCALARS], repeat=len(names))
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not MISSING}
        for values in every
    ]


@given(CONTRACTS, CONTRACTS)
def test_compatible_means_that_every_old_call_is_taken_and_every_new_answer_was_possible(
    old: Contract, new: Contract
) -> None:
    if any(change.breaking for change in contract_changes(old, new)):
        return
    sent = rows(("x", "y"))
    taken = Draft202012Validator(new.as_json()["inputs"])
    for row, valid in zip(sent, fits(old.as_json()["inputs"], sent), strict=True):
        if valid:
            assert taken.is_valid(row)
            new.read_inputs(row)  # and so says the runtime
    names = {field.name for field in old.outputs}
    said = rows(("u", "v"))
    possible = Draft202012Validator(old.as_json()["outputs"])
    for row, valid in zip(said, fits(new.as_json()["outputs"], said), strict=True):
        if valid:
            assert possible.is_valid({name: value for name, value in row.items() if name in names})


@given(CONTRACTS)
def test_a_contract_does_not_differ_from_itself(contract: Contract) -> None:
    assert contract_changes(contract, Contract.from_json(contract.as_json())) == []


TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
QUEUE: dict[str, Any] = {"type": "string", "enum": ["billing", "shipping"]}


def labels(*names: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(names)}


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def changes(old: dict[str, Any], new: dict[str, Any], *, of: str) -> list[Change]:
    other = (Field("other", TEXT),)

    def made(schemas: dict[str, Any]) -> Contract:
        mine = tuple(Field(name, schema) for name, schema in schemas.items())
        return Contract((*mine, *other), other_output) if of == "inputs" else Contract(other, mine)

    other_output = (Field("output", TEXT),)
    return contract_changes(made(old), made(new))


@pytest.mark.parametrize(
    ("old", "new", "what", "breaking"),
    [
        ({}, {"room": {**TEXT, "default": ""}}, "input added", False),
        ({}, {"room": TEXT}, "input added", True),
        ({"room": TEXT}, {}, "input removed", True),
        ({"room": QUEUE}, {"hall": QUEUE}, "input renamed", True),
        ({"room": WHOLE}, {"room": {"type": "number"}}, "input widened", False),
        ({"room": {"type": "number"}}, {"room": WHOLE}, "input narrowed", True),
        ({"room": QUEUE}, {"room": TEXT}, "input widened", False),
        ({"room": TEXT}, {"room": QUEUE}, "input narrowed", True),
        ({"room": QUEUE}, {"room": labels("billing", "shipping", "returns")}, "input widened", False),
        ({"room": QUEUE}, {"room": labels("billing")}, "input narrowed", True),
        ({"room": QUEUE}, {"room": labels("billing", "returns")}, "input changed", True),
        ({"room": QUEUE}, {"room": labels("shipping", "billing")}, "labels reordered", False),
        ({"room": TEXT}, {"room": or_null(TEXT)}, "input widened", False),
        ({"room": WHOLE}, {"room": TEXT}, "input changed", True),
        ({"room": TEXT}, {"room": {**TEXT, "default": ""}}, "input made optional", False),
        ({"room": {**TEXT, "default": ""}}, {"room": TEXT}, "input made required", True),
        ({"room": {**TEXT, "default": "a"}}, {"room": {**TEXT, "default": "b"}}, "default changed", False),
        ({"room": {**TEXT, "maxLength": 9}}, {"room": {**TEXT, "maxLength": 8}}, "input narrowed", True),
        ({"room": {**TEXT, "pattern": "a"}}, {"room": {**TEXT, "pattern": "b"}}, "input changed", True),
        ({"room": {**TEXT, "pattern": "a"}}, {"room": TEXT}, "input widened", False),
        ({"room": {**TEXT, "format": "date"}}, {"room": TEXT}, "input changed", True),
    ],
)
def test_changes_of_an_input(old: Any, new: Any, what: str, breaking: bool) -> None:
    (change,) = changes(old, new, of="inputs")
    assert (change.what, change.breaking, change.area) == (what, breaking, "contract")
    assert change.where.startswith("inputs.")


@pytest.mark.parametrize(
    ("new", "what", "breaking"),
    [
        ({"queue": QUEUE, "reply": TEXT}, "output added", False),
        ({"kept": TEXT, "topic": QUEUE}, "output renamed", True),
        ({"queue": labels("shipping", "billing")}, "labels reordered", False),
        ({"queue": labels("billing")}, "output narrowed", True),
        ({"queue": labels("billing", "shipping", "returns")}, "output widened", True),
        ({"queue": labels("billing", "returns")}, "output changed", True),
        ({"queue": or_null(QUEUE)}, "output widened", True),
        ({"queue": TEXT}, "output widened", True),
        ({"queue": WHOLE}, "output changed", True),
        ({"queue": {**QUEUE, "default": None}}, "output widened", True),
        ({"queue": {**QUEUE, "default": "billing"}}, "default changed", False),
    ],
)
def test_changes_of_an_output(new: Any, what: str, breaking: bool) -> None:
    old = {"queue": QUEUE, **({"kept": TEXT} if "kept" in new else {})}
    found = changes(old, new, of="outputs")
    assert [change.what for change in found if change.breaking] == ([what] if breaking else [])
    assert what in [change.what for change in found]
    assert all(change.where.startswith("outputs") for change in found)


def test_labels_that_went_and_came_are_named() -> None:
    (change,) = changes({"queue": QUEUE}, {"queue": labels("billing", "returns")}, of="outputs")
    assert change.why == "no longer: shipping; new: returns"


def test_a_removed_output_breaks_callers_and_an_order_does_not() -> None:
    both = {"queue": QUEUE, "reply": TEXT}
    (change,) = changes(both, {"queue": QUEUE}, of="outputs")
    assert (change.what, change.where, change.breaking, change.after) == (
        "output removed", "outputs.reply", True, None,
    )  # fmt: skip
    (change,) = changes(both, {"reply": TEXT, "queue": QUEUE}, of="outputs")
    assert (change.what, change.before, change.breaking) == ("outputs reordered", ["queue", "reply"], False)


def test_a_text_that_went_and_another_that_came_are_not_taken_for_one_renamed() -> None:
    found = changes({"a": QUEUE, "summary": TEXT}, {"a": QUEUE, "reply": TEXT}, of="outputs")
    assert [change.what for change in found] == ["output removed", "output added"]
