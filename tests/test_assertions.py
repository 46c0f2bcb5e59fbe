"""A prototype's own assertions hold of an answer as promptfoo says that they do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ScoringError
from shipworthy.scoring.assertions import KINDS, edit_distance, python_pattern, run_assertion

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}

HOLDS: list[tuple[str, Any, str]] = [
    ("equals", "Yes", "Yes"),
    ("equals", 4, "4"),
    ("equals", 4.0, "4"),
    ("equals", True, "true"),
    ("equals", {"a": [1, None]}, '{"a": [1.0, null]}'),
    ("equals", None, "null"),
    ("contains", "refund", "no refund due"),
    ("contains", 30, "within 30 days"),
    ("contains-all", ["a", 1], "a1"),
    ("contains-all", "one, two", "two one"),
    ("contains-all", '"one, two" , three', "three; one, two"),
    ("contains-all", '"say ""hi""", "back\\\\slash"', 'say "hi" back\\slash'),
    ("contains-any", ["x", "b"], "abc"),
    ("icontains", "YES", "yes, it is"),
    ("icontains", "ÉTÉ", "cet été"),
    ("icontains-all", ["A", "B"], "b a"),
    ("icontains-any", "X,B", "abc"),
    ("starts-with", "No", "No, it is late."),
    ("ends-with", "?", "Is it?"),
    ("regex", "^(No|Unfortunately)", "Unfortunately not"),
    ("regex", r"\d{3}", "call 112"),
    ("regex", r"(?<year>\d+)-\k<year>", "20-20"),
    ("is-json", None, "[1, 2]"),
    ("is-json", "", '"text"'),
    ("is-json", SCHEMA, '{"n": 3}'),
    ("is-json", '{"type": "array"}', "[]"),
    ("is-json", {"items": [{"type": "string"}], "type": "array"}, '["a", 1]'),
    ("is-json", True, "1"),
    ("contains-json", None, 'Here: {"a": {"b": 1}}.'),
    ("contains-json", SCHEMA, '{"m": 1} and then {"n": 2}'),
    ("is-xml", None, "<a><b x='1'/></a>"),
    ("levenshtein", "kitten", "sitting"),
    ("word-count", 3, " one two\nthree "),
    ("word-count", "3", "one two three"),
    ("word-count", {"min": 2, "max": 3}, "one two"),
    ("word-count", {"max": 3}, ""),
    ("word-count", {"min": 1}, "one two three"),
    ("character-count", 2, "😀é"),
]

FAILS: list[tuple[str, Any, str]] = [
    ("equals", "Yes", "yes"),
    ("equals", {"a": True}, '{"a": 1}'),
    ("equals", {"a": 1}, "no JSON"),
    ("equals", [1, 2], "[1]"),
    ("contains", "Refund", "no refund due"),
    ("contains-all", ["a", "z"], "abc"),
    ("contains-any", ["x", "y"], "abc"),
    ("contains-any", [], "abc"),
    ("icontains-all", "A, Z", "abc"),
    ("starts-with", "No", " No"),
    ("ends-with", "?", "Is it? "),
    ("regex", "day$", "a day\n"),
    ("regex", r"^\d$", "٣"),
    ("is-json", None, "```json\n{}\n```"),
    ("is-json", None, "NaN"),
    ("is-json", SCHEMA, '{"n": "3"}'),
    ("is-json", False, "1"),
    ("contains-json", None, "a list [1] and {broken"),
    ("contains-json", SCHEMA, '{"n": "a"}'),
    ("is-xml", None, "<a><b></a>"),
    ("is-xml", None, '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ("levenshtein", "a", "abcdefgh"),
    ("word-count", {"min": 2, "max": 3}, "one"),
    ("character-count", {"max": 1}, "ab"),
]


@pytest.mark.parametrize(("kind", "value", "text"), HOLDS)
def test_it_holds_and_its_opposite_does_not(kind: str, value: Any, text: str) -> None:
    assert run_assertion(kind, value, text) is True
    assert run_assertion(f"not-{kind}", value, text) is False


@pytest.mark.parametrize(("kind", "value", "text"), FAILS)
def test_it_fails_and_its_opposite_holds(kind: str, value: Any, text: str) -> None:
    assert run_assertion(kind, value, text) is False
    assert run_assertion(f"not-{kind}", value, text) is True


def test_every_kind_is_tried() -> None:
    assert {kind for kind, _, _ in HOLDS + FAILS} | {"latency", "cost"} == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "measured", "holds"),
    [
        ("latency", {"ms": 4000.0}, True),
        ("latency", {"ms": 4000.5}, False),
        ("not-latency", {"ms": 4000.5}, True),
        ("cost", {"usd": 0.01}, True),
        ("cost", {"usd": 4001.0}, False),
    ],
)
def test_time_and_cost_are_at_most_the_threshold(kind: str, measured: dict[str, float], holds: bool) -> None:
    assert run_assertion(kind, None, "any", threshold=4000, **measured) is holds


def test_the_threshold_of_levenshtein_is_the_edits_allowed() -> None:
    assert not run_assertion("levenshtein", "kitten", "sitting", threshold=2)
    assert run_assertion("levenshtein", "same", "same", threshold=0)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("bleu", "x", "no assertion 'bleu'"),
        ("not-a-kind", "x", "no assertion 'not-a-kind'"),
        ("contains", "", "needs a text"),
        ("contains", None, "needs a text"),
        ("icontains", None, "needs a text"),
        ("starts-with", True, "needs a text"),
        ("regex", "(", "cannot be read"),
        ("contains-all", ",", "no texts"),
        ("is-json", "{", "does not parse"),
        ("is-json", [1], "is an object"),
        ("is-xml", "a.b", "is not run"),
        ("word-count", "many", "needs a number"),
        ("word-count", {"min": 3, "max": 2}, "at least 3"),
        ("latency", None, "without a threshold"),
    ],
)
def test_what_cannot_be_run_is_refused(kind: str, value: Any, message: str) -> None:
    with pytest.raises(ScoringError, match=message):
        run_assertion(kind, value, "{}")


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ScoringError, match="not measured"):
        run_assertion("latency", None, "text", threshold=10)


def test_a_catastrophic_pattern_ends() -> None:
    with pytest.raises(TimeoutError):
        run_assertion("regex", r"^(a|aa)+$", "a" * 200 + "b")


def test_patterns_of_javascript_are_read_as_it_reads_them() -> None:
    assert python_pattern(r"^a\$[$\d]\d$") == r"^a\$[$0-9][0-9]\Z"


@given(st.text("abc", max_size=8), st.text("abc", max_size=8), st.integers(0, 9))
def test_the_edit_distance_is_the_textbook_one_up_to_its_bound(one: str, other: str, most: int) -> None:
    rows = [list(range(len(other) + 1))]
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right)))
        rows.append(row)
    assert edit_distance(one, other, most=most) == min(rows[-1][-1], most + 1)
