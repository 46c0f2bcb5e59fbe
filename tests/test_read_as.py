"""Data is read as strictly as it is written: by type, and closed to unknown keys."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.examples import canonical_json
from shipworthy.runtime.data import read_as
from shipworthy.runtime.spec import (
    CascadeSpec,
    Demo,
    Extract,
    HeadSpec,
    LMSpec,
    Read,
    Slot,
    SpanSpec,
    StepSpec,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.text() | st.booleans() | st.integers() | FLOATS
HEADS = st.builds(
    HeadSpec,
    choices=st.lists(SCALARS).map(tuple),
    reads=st.lists(st.integers()).map(tuple),
    mix=st.tuples(FLOATS, FLOATS),
    threshold=FLOATS,
    student=st.booleans(),
)


@given(HEADS)
def test_data_comes_back_as_it_was_written_type_by_type(head: HeadSpec) -> None:
    again = HeadSpec.from_json(json.loads(canonical_json(head.as_json())))
    assert again == head
    assert hash(again) == hash(head)
    assert [type(one) for one in again.choices] == [type(one) for one in head.choices]
    assert canonical_json(again.as_json()) == canonical_json(head.as_json())


def test_lists_become_tuples_and_integers_floats() -> None:
    head = HeadSpec.from_json(
        {
            "choices": ["a", True],
            "reads": [0],
            "mix": [1, np.float32(0.5)],
            "threshold": 0,
            "student": True,
        }
    )
    assert head.choices == ("a", True)
    assert head.mix == (1.0, 0.5)
    assert [type(one) for one in (*head.mix, head.threshold)] == [float] * 3


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, 1),
        (str, None),
        (int, True),
        (int, "1"),
        (int, 1.0),
        (float, "1"),
        (float, True),
        (bool, 1),
        (bool, "true"),
        (tuple[int, ...], "12"),
        (tuple[int, ...], {"a": 1}),
        (tuple[str, str], ["a"]),
        (dict[str, int], [["a", 1]]),
        (dict[str, int], {1: 1}),
        (str | None, 0),
        (LMSpec | None, []),
        (LMSpec, SpanSpec(threshold=0.0)),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^here"):
        read_as(kind, value, "here")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"mode": "logprobs", "tokens": [1, "2"]}, "tokens.1: int is expected, not '2'"),
        ({"mode": "guessed"}, "mode: "),
        ({"mode": "logprobs", "later": 1}, "later: unknown"),
        ({}, "mode: missing"),
        ([], "Read: an object is expected"),
    ],
)
def test_what_is_refused_is_named_with_its_place(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        Read.from_json(data)


def test_a_place_leads_through_what_holds_it() -> None:
    step = {"instruction": "", "inputs": {}, "outputs": {}}
    slots = [{"before": "", "input": "a", "later": 1}]
    with pytest.raises(ValueError, match=r"^demos\.0\.outputs: missing"):
        StepSpec.from_json({**step, "demos": [{"inputs": {}}]})
    with pytest.raises(ValueError, match=r"^generate\.prompt\.slots\.0\.later: unknown"):
        StepSpec.from_json({**step, "generate": {"prompt": {"system": "", "slots": slots}, "outputs": []}})
    with pytest.raises(ValueError, match=r"^extract: each output has a span"):
        StepSpec.from_json(
            {**step, "extract": {"by": "student", "outputs": ["a"], "spans": {}, "longest": 1}}
        )


@pytest.mark.parametrize("cut", [0, -0.1, 1.5, float("nan")])
def test_a_cut_is_a_probability(cut: float) -> None:
    with pytest.raises(ValueError, match="cut"):
        CascadeSpec(cut=cut, mix={})


def test_a_span_has_a_word() -> None:
    with pytest.raises(ValueError, match="word"):
        Extract(by="student", outputs=(), spans={}, longest=0)


def test_what_is_made_in_code_is_read_as_strictly() -> None:
    with pytest.raises(ValueError, match=r"^id: str is expected"):
        LMSpec(id=1, name="a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^later: unknown"):
        LMSpec(id="a", name="a", later=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"^name: str is expected"):
        LMSpec(id="a", name="a").replace(name=None)


def test_keys_that_say_nothing_are_not_written() -> None:
    assert Slot(before="", input="a").as_json() == {"before": "", "input": "a"}
    assert Slot(before="", input="a", repeated=("b",)).as_json()["repeated"] == ["b"]
    assert StepSpec(instruction="", inputs={}, outputs={}).as_json() == {
        "instruction": "",
        "inputs": {},
        "outputs": {},
        "demos": [],
        "decide": None,
        "generate": None,
    }


def test_data_is_frozen_and_shares_nothing_with_its_defaults() -> None:
    step = StepSpec(instruction="", inputs={}, outputs={})
    with pytest.raises(AttributeError):
        step.instruction = "other"  # type: ignore[misc]
    step.names["a"] = "b"
    assert StepSpec(instruction="", inputs={}, outputs={}).names == {}
    assert copy.deepcopy(step) == step


def test_data_of_another_class_is_not_equal() -> None:
    assert Demo(inputs={}, outputs={}) == Demo(inputs={}, outputs={})
    assert SpanSpec(threshold=0.0) != SpanSpec(threshold=0.5)
    assert LMSpec(id="a", name="b") != Demo(inputs={}, outputs={})
    assert repr(LMSpec(id="a", name="b")) == "LMSpec(id='a', name='b')"
