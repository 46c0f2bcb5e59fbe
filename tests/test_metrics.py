"""Metrics by output type, assertions and corpus figures: what counts as right, and what cannot be said."""

from __future__ import annotations

import datetime
import enum
import http.server
import json
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import jsonschema
import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ContractError, LMError, ScoringError
from shipworthy.examples import canonical_json
from shipworthy.runtime import Field
from shipworthy.scoring import metrics as m
from shipworthy.scoring.metrics import base, same_value
from shipworthy.scoring.metrics.structures import lcs_length

TEXTS = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
LISTS = st.lists(SCALARS, max_size=8)
SHORT = st.lists(st.sampled_from("abc"), max_size=8)
ANY_METRIC: list[Any] = [
    m.Exact(),
    m.Number(absolute=0.5, relative=0.01),
    m.Date(days=2),
    m.SetOf(how="jaccard"),
    m.ListOf(how="lcs"),
    m.ListOf(item=m.Number(absolute=1.0)),
    m.Object(fields={"a": m.Number(), "b": m.Text()}, how="mean", extra="ignored"),
    m.Text(articles=m.ENGLISH_ARTICLES),
    m.Span(unit="characters"),
    m.Contains(("a", "b"), how="any"),
    m.StartsWith("Dear", case=True),
    m.Matches(r"^\d+$", whole=True),
    m.Length(maximum=20, unit="words"),
    m.Equals("yes"),
    m.IsJson(),
    m.FitsSchema({"type": "object"}),
    m.All(m.IsJson(), m.not_(m.Contains("x"))),
    m.Any(m.Exact(), m.Span()),
    m.AllRight("exact", by={"a": m.Number()}),
    m.Weighted({"a": 1, "b": 2.5}, by={"a": m.Date()}),
]


class Colour(enum.Enum):
    RED = "red"


class Person(pydantic.BaseModel):
    name: str
    age: int | None = None


# Equality of values


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("yes", " yes\n", True),
        ("yes", "Yes", False),
        ("1", 1, False),
        (True, 1, False),
        (False, 0, False),
        (True, "true", False),
        (1, 1.0, True),
        (0.1 + 0.2, 0.3, True),
        (-0.0, 0.0, True),
        (float("nan"), float("nan"), False),
        (float("inf"), float("inf"), True),
        (float("inf"), 10**400, False),
        (10**400, 10**400, True),
        (10**400, 10**400 + 1, False),
        (1_000_000_000_000, 1_000_000_000_001, False),
        (None, None, True),
        (None, "", False),
        (None, 0, False),
        ([1, 2], [2, 1], False),
        ([1, 2], [1.0, 2.0], True),
        ([True], [1], False),
        ({"a": None}, {"a": None}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": " x"}, {"a": "x"}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({1, 2}, [2, 1, 1], True),
        ({1, 2}, 3, False),
        (datetime.date(2024, 2, 29), "2024-02-29", True),
        (Colour.RED, "red", True),
        (Person(name="Ada"), {"name": "Ada", "age": None}, True),
        (np.int64(3), 3, True),
        (np.float64(0.5), 0.5, True),
        (np.array([1, 2]), [1, 2], True),
        ("👩‍👩‍👧", "👩‍👩‍👧", True),
        ("שלום", "שלום", True),
    ],
)
def test_values_are_the_same_by_type_and_value(one: Any, other: Any, same: bool) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same
    assert m.Exact().compare(one, other) == float(same)


@given(VALUES)
def test_a_value_equals_itself(value: Any) -> None:
    assert same_value(value, json.loads(json.dumps(value)))
    assert m.SetOf(how="f1").compare([value], [value, value]) == 1.0
    assert m.ListOf(how="lcs").compare([value], [value]) == 1.0
    assert m.Object().compare({"k": value}, {"k": value}) == 1.0


@given(VALUES, VALUES)
def test_equality_is_symmetric_and_agrees_with_the_keys_of_sets(one: Any, other: Any) -> None:
    assert same_value(one, other) == same_value(other, one)
    if m.SetOf().compare([one], [other]) == 1.0:
        assert same_value(one, other)


# Numbers and dates


@pytest.mark.parametrize(
    ("answer", "label", "right"),
    [
        (0.4, 0.3, True),  # 0.4 - 0.3 > 0.1 in binary, not in decimal digits
        (0.41, 0.3, False),
        (105, 100, True),
        (106, 100, False),
        (-105, -100, True),
        (10**400, 10**400 + 10**398, True),
        (1.5, 10**400, False),
        (Decimal("0.4"), 0.3, True),
        (True, 1, False),
        ("0.3", 0.3, False),
        (float("nan"), 0.3, False),
        (float("inf"), 0.3, False),
        (None, 0.3, False),
        (None, None, True),
        (0.3, None, False),
        (-0.0, 0.0, True),
        (np.float32(0.5), 0.5, True),
    ],
)
def test_numbers_are_right_within_either_tolerance(answer: Any, label: Any, right: bool) -> None:
    assert m.Number(absolute=0.1, relative=0.05).compare(answer, label) == float(right)


@pytest.mark.parametrize("label", ["3", True, float("nan"), float("inf"), [3], {}])
def test_a_label_that_is_no_number_is_a_failure_not_a_zero(label: Any) -> None:
    with pytest.raises(ScoringError, match="no finite number"):
        m.Number().compare(3, label)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", True, None])
def test_a_tolerance_is_a_finite_number_of_at_least_zero(wrong: Any) -> None:
    for make in (
        lambda: m.Number(absolute=wrong),
        lambda: m.Number(relative=wrong),
        lambda: m.Date(days=wrong),
    ):
        with pytest.raises(ScoringError):
            make()


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), st.floats(0, 1e6))
def test_a_number_equals_itself_at_any_tolerance(number: float, room: float) -> None:
    assert m.Number(absolute=room).compare(number, number) == 1.0
    assert m.Number(relative=room).compare(number, number) == 1.0


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_an_absolute_tolerance_is_symmetric(one: float, other: float, room: float) -> None:
    metric = m.Number(absolute=room)
    assert metric.compare(one, other) == metric.compare(other, one)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-31",
        " 2024-03-31 ",
        "20240331",
        "2024/3/31",
        "2024.03.31",
        "31.12.2024",
        "12/31/2024",
        "31-03-2024",
        "31 March 2024",
        "31st of March 2024",
        "31-Mar-2024",
        "March 31st, 2024",
        "mar. 31, 2024",
        "05/05/2024",
        "Sept 30, 2024",
    ],
)
def test_dates_are_read_in_forms_that_mean_one_day(text: str) -> None:
    iso = {"31.12.2024": "2024-12-31", "12/31/2024": "2024-12-31", "05/05/2024": "2024-05-05"}
    iso["Sept 30, 2024"] = "2024-09-30"
    assert m.Date().compare(text, iso.get(text, "2024-03-31")) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "03/04/2024",
        "3.4.2024",
        "03/04/24",
        "March 2024",
        "31 June 2024",
        "soon",
        "",
        "٢٠٢٤-٠٣-٣١",
        "12/2024/31",
    ],
)
def test_what_is_no_date_or_could_be_two_is_wrong_as_an_answer_and_a_failure_as_a_label(text: str) -> None:
    assert m.Date(days=400).compare(text, "2024-03-31") == 0.0
    with pytest.raises(ScoringError, match="no date"):
        m.Date().compare("2024-03-31", text)


@pytest.mark.parametrize(
    ("answer", "label", "days", "right"),
    [
        (datetime.date(2024, 3, 1), "2024-02-28", 2, True),
        (datetime.date(2024, 3, 1), "2024-02-28", 1, False),
        ("2024-02-28", datetime.date(2024, 3, 1), 2, True),
        ("2024-03-01T23:00", "2024-03-01", 0, True),
        ("2024-03-01", "2024-03-01T23:00", 0, False),
        ("2024-03-01", "2024-03-01T23:00", 1, True),
        ("2024-03-01T10:00Z", "2024-03-01T12:00+02:00", 0, True),
        ("2024-03-01T10:00", "2024-03-01T10:00+02:00", 0, True),
        ("2024-03-01T10:00", "2024-03-01T22:00", 0.5, True),
        ("2024-03-01T10:00", "2024-03-01T22:01", 0.5, False),
        ("9999-12-31", "0001-01-01", 3_652_058, True),
        (None, "2024-03-01", 0, False),
        (None, None, 0, True),
        (20240301, "2024-03-01", 0, False),
    ],
)
def test_dates_are_right_within_days(answer: Any, label: Any, days: float, right: bool) -> None:
    assert m.Date(days=days).compare(answer, label) == float(right)


@given(st.datetimes() | st.dates())
def test_a_date_equals_its_own_text(value: datetime.date) -> None:
    assert m.Date().compare(value, value.isoformat()) == 1.0
    assert m.Date().compare(value.isoformat(), value) == 1.0


# Sets, lists, objects


@pytest.mark.parametrize(
    ("answer", "label", "exact", "f1", "jaccard"),
    [
        (["a", "b", "b"], ["b", "a"], 1.0, 1.0, 1.0),
        (["a", "b"], ["b", "c"], 0.0, 0.5, 1 / 3),
        ([], [], 1.0, 1.0, 1.0),
        ([], ["a"], 0.0, 0.0, 0.0),
        (["a"], [], 0.0, 0.0, 0.0),
        ([1, True, "1"], ["1", True, 1.0], 1.0, 1.0, 1.0),
        ([[1, 2]], [[2, 1]], 0.0, 0.0, 0.0),
        ([float("nan")], ["a"], 0.0, 0.0, 0.0),
        ("a", ["a"], 0.0, 0.0, 0.0),
        (None, ["a"], 0.0, 0.0, 0.0),
        (None, None, 1.0, 1.0, 1.0),
        ({"a"}, {"a"}, 1.0, 1.0, 1.0),
        ([None], [None], 1.0, 1.0, 1.0),
    ],
)
def test_sets_score_by_what_they_share(
    answer: Any, label: Any, exact: float, f1: float, jaccard: float
) -> None:
    found = [m.SetOf(how=how).compare(answer, label) for how in ("exact", "f1", "jaccard")]
    assert found == pytest.approx([exact, f1, jaccard])


@given(LISTS, LISTS)
def test_set_scores_are_symmetric_in_bounds_and_one_only_where_equal(
    one: list[Any], other: list[Any]
) -> None:
    exact = m.SetOf().compare(one, other)
    for metric in (m.SetOf(how="f1"), m.SetOf(how="jaccard")):
        score = metric.compare(one, other)
        assert 0 <= score <= 1
        assert score == metric.compare(other, one)
        assert (score == 1.0) == (exact == 1.0)


def plain_lcs(one: list[str], other: list[str]) -> int:
    """The textbook recurrence."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, first in enumerate(one):
        for j, second in enumerate(other):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if first == second else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


@given(SHORT, SHORT)
def test_lists_score_by_their_longest_common_subsequence(one: list[str], other: list[str]) -> None:
    assert lcs_length(one, other) == plain_lcs(one, other)
    score = m.ListOf(how="lcs").compare(one, other)
    assert 0 <= score <= 1
    assert score == m.ListOf(how="lcs").compare(other, one)
    assert (score == 1.0) == (one == other) == (m.ListOf().compare(one, other) == 1.0)


def test_long_lists_are_compared_quickly() -> None:
    one, other = list(range(20_000)), list(range(10_000, 30_000))
    started = time.perf_counter()
    assert m.ListOf(how="lcs").compare(one, other) == 0.5
    assert time.perf_counter() - started < 5


def test_a_list_has_an_order_and_items_of_a_type() -> None:
    assert m.ListOf(item=m.Number(absolute=1)).compare([1, 2], [2, 3]) == 1.0
    assert m.ListOf().compare([1, 2], [2, 3]) == 0.0
    assert m.ListOf().compare([1], [1, 1]) == 0.0
    assert m.ListOf().compare({1}, [1]) == 0.0
    with pytest.raises(ScoringError, match="no list"):
        m.ListOf().compare([1], {1})


def test_an_object_is_scored_key_by_key() -> None:
    fields = {"total": m.Number(absolute=0.01), "due": m.Date(), "lines": m.ListOf(item=m.Object())}
    label = {"total": 10.0, "due": "2024-03-31", "lines": [{"what": "pen"}], "note": None}
    answer = {"total": 10.009, "due": "31 March 2024", "lines": [{"what": "pen", "tax": None}]}
    assert m.Object(fields=fields).compare(answer, label) == 1.0
    half = {**answer, "total": 11, "due": None}
    assert m.Object(fields=fields).compare(half, label) == 0.0
    assert m.Object(fields=fields, how="mean").compare(half, label) == pytest.approx(1 / 3)


def test_an_object_is_wrong_in_what_it_adds_unless_that_is_ignored() -> None:
    assert m.Object().compare({"a": 1, "b": 2}, {"a": 1}) == 0.0
    assert m.Object(how="mean").compare({"a": 1, "b": 2}, {"a": 1}) == 0.5
    assert m.Object(extra="ignored").compare({"a": 1, "b": 2}, {"a": 1}) == 1.0
    assert m.Object().compare({"a": 1, "b": None}, {"a": 1}) == 1.0
    assert m.Object(fields={"b": m.Exact()}, extra="ignored").compare({"a": 1, "b": 2}, {"a": 1}) == 0.0


def test_null_on_both_sides_of_an_object_is_right_and_earns_nothing() -> None:
    assert m.Object(how="mean").compare({"a": None, "b": 1}, {"a": None, "b": 2}) == 0.0
    assert m.Object(how="mean").compare({"a": {"b": None}}, {"a": {"b": None}}) == 1.0
    assert m.Object(how="mean").compare({}, {"a": None}) == 1.0
    assert m.Object().compare(Person(name="Ada"), {"name": "Ada"}) == 1.0
    assert m.Object(fields={"a": m.Contains("x")}).compare({}, {}) == 0.0


# Text and spans


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The  Café!", "the cafe\u0301", True),
        ("ﬁne", "FINE", True),
        ("Straße", "STRASSE", True),
        ("\u200fשלום\u200e", "שלום", True),
        ("co\u00adop", "coop", True),
        ("１２", "12", True),
        ("!!!", "???", False),
        ("!!!", "!!!", True),
        ("", "", True),
        ("", "!", False),
        ("🎉", "🎊", False),
        ("don't", "dont", True),
        ("an apple", "apple", False),
        ("می‌خواهم", "میخواهم", False),
    ],
)
def test_normalised_text_differs_only_in_what_counts(one: str, other: str, same: bool) -> None:
    assert m.Text().compare(one, other) == m.Text().compare(other, one) == float(same)


def test_case_punctuation_and_articles_count_as_told() -> None:
    assert m.Text(case=True).compare("Yes", "yes") == 0.0
    assert m.Text(punctuation=True).compare("yes!", "yes") == 0.0
    assert m.Text(articles=m.ENGLISH_ARTICLES).compare("The apple", "an Apple") == 1.0
    assert m.Text(articles=m.ENGLISH_ARTICLES).compare("the", "a") == 0.0
    assert m.Text(case=True, articles=m.ENGLISH_ARTICLES).compare("The apple", "apple") == 1.0


@pytest.mark.parametrize(
    ("answer", "label", "f1", "exact"),
    [
        ("the Denver Broncos", "Denver Broncos", 1.0, 1.0),
        ("Denver", "Denver Broncos", 2 / 3, 0.0),
        ("Broncos Denver", "Denver Broncos", 1.0, 0.0),
        ("a a b b", "b b c", 4 / 5, 0.0),  # "a" is an article, so b b against b b c
        ("Paris", "London", 0.0, 0.0),
        ("", "London", 0.0, 0.0),
        ("the", "a", 0.0, 0.0),
        ("the", "The", 1.0, 1.0),
        (7, "7", 0.0, 0.0),
    ],
)
def test_spans_share_words_as_squad_counts_them(answer: Any, label: str, f1: float, exact: float) -> None:
    """F1 worked out by hand from the definition in Rajpurkar et al. (2016)."""
    assert m.Span().compare(answer, label) == pytest.approx(f1)
    assert m.Span(how="exact").compare(answer, label) == exact


def test_spans_of_writing_without_spaces_share_characters() -> None:
    assert m.Span().compare("東京都", "東京") == 0.0
    assert m.Span(unit="characters").compare("東京都", "東京") == pytest.approx(0.8)


@given(TEXTS, TEXTS)
def test_text_scores_are_symmetric_in_bounds_and_one_for_the_same_text(one: str, other: str) -> None:
    for metric in (m.Text(), m.Text(articles=m.ENGLISH_ARTICLES), m.Span(), m.Span(unit="characters")):
        assert metric.compare(one, one) == 1.0
        assert 0 <= metric.compare(one, other) <= 1
        assert metric.compare(one, other) == metric.compare(other, one)


# Rows


def test_a_row_is_right_where_every_output_is() -> None:
    labels = {"queue": "billing", "human": True}
    score = m.EXACT.score({"queue": "billing ", "human": 1}, labels, {})
    assert score == m.RowScore(0.0, {"queue": 1.0, "human": 0.0})
    assert m.EXACT.score(labels, labels, {}).right
    assert m.EXACT.right({**labels, "more": 1}, labels)
    assert not m.EXACT.right({"queue": "billing"}, labels)


def test_one_output_can_be_named_and_the_others_are_still_scored() -> None:
    metric = m.metric_named("queue", ("queue", "human"))
    assert metric.score({"queue": "a"}, {"queue": "a", "human": True}, {}).by_output == {
        "queue": 1.0,
        "human": 0.0,
    }
    assert metric.right({"queue": "a"}, {"queue": "a", "human": True})
    assert m.metric_named("exact", ()) is m.EXACT
    with pytest.raises(ContractError, match="no metric"):
        m.metric_named("speed", ("queue",))


def test_what_cannot_be_scored_is_a_failure_and_no_zero() -> None:
    metric = m.AllRight(by={"total": m.Number()})
    score = metric.score({"total": 1, "who": "a"}, {"total": "one", "who": "a"}, {})
    assert score.value is None
    assert score.by_output == {"total": None, "who": 1.0}
    assert score.failure is not None
    assert score.failure.type == "ScoringError"
    assert "values.py:" in score.failure.traceback
    assert not score.right
    with pytest.raises(ScoringError, match="cannot be scored"):
        metric.right({"total": 1}, {"total": "one"})
    assert m.EXACT.score({"a": 1}, {}, {}).value is None
    assert m.AllRight("a", ("a",)).score({"a": 1}, {}, {}).value is None


def test_a_failure_of_an_output_that_does_not_count_does_not_count() -> None:
    metric = m.AllRight("who", ("who",), by={"total": m.Number()})
    score = metric.score({"total": 1, "who": "a"}, {"total": "one", "who": "a"}, {})
    assert (score.value, score.by_output["total"], score.failure) == (1.0, None, None)


def test_outputs_without_labels_are_scored_by_assertions() -> None:
    metric = m.AllRight("polite", by={"reply": m.All(m.Contains("thank"), m.Length(maximum=30))})
    assert metric.score({"queue": "a", "reply": "Thank you"}, {"queue": "a"}, {}).value == 1.0
    assert metric.score({"queue": "a"}, {"queue": "a"}, {}).value == 0.0


def test_a_weighted_row_is_right_only_where_every_output_is() -> None:
    metric = m.Weighted({"a": 3, "b": 1})
    assert metric.score({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 1}, {}).value == 0.75
    assert metric.score({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 1}, {}).right
    tiny = m.Weighted({"a": 1e18, "b": 1e-18})
    assert not tiny.score({"a": 1, "b": 2}, {"a": 1, "b": 3}, {}).right
    assert metric.score({"a": 1}, {"a": 1}, {}).value is None


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": -1}, {"a": float("nan")}, {"a": True}, {"a": "1"}])
def test_weights_are_finite_and_above_zero(weights: Any) -> None:
    with pytest.raises(ScoringError):
        m.Weighted(weights)


@pytest.mark.parametrize("bad", [m.Exact, "exact", None, 1, object()])
def test_what_scores_no_value_is_refused_before_any_row(bad: Any) -> None:
    for make in (
        lambda: m.AllRight(by={"a": bad}),
        lambda: m.Object(fields={"a": bad}),
        lambda: m.ListOf(item=bad),
        lambda: m.All(bad),
        lambda: m.not_(bad),
    ):
        with pytest.raises(ScoringError):
            make()


# Functions


@pytest.mark.parametrize("value", [True, False, 0, 1, 0.5, np.float64(0.25), np.bool_(True), np.int64(1)])
def test_a_function_gives_a_bool_or_a_number(value: Any) -> None:
    assert m.Function(lambda a, b, c: value, name="f").score({}, {}, {}).value == float(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "1",
        2,
        -0.1,
        float("nan"),
        float("inf"),
        1j,
        [1],
        np.array([1]),
        np.array(1.0),
        np.complex128(1),
        {},
    ],
)
def test_any_other_result_of_a_function_is_a_failure(value: Any) -> None:
    score = m.Function(lambda a, b, c: value, name="f").score({}, {}, {})
    assert score.value is None
    assert score.failure is not None
    assert score.failure.type == "ScoringError"


def test_what_a_function_raises_is_kept_without_secrets_and_short() -> None:
    def leaky(answer: Any, labels: Any, inputs: Any) -> float:
        raise ValueError(
            f"api_key={answer['key']} Bearer {answer['key']} https://me:{answer['key']}@host " + "x" * 9999
        )

    failure = m.Function(leaky).score({"key": "hunter2hunter2"}, {}, {}).failure
    assert failure is not None
    assert failure.type == "ValueError"
    assert "hunter2" not in failure.traceback + failure.message
    assert "test_metrics.py:" in failure.traceback
    assert "in leaky" in failure.traceback
    assert len(failure.traceback) <= 2000


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefgh1234",
        "hf_abcdefgh1234",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefgh1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_key_is_masked_wherever_it_stands(secret: str) -> None:
    failure = base.failure_of(KeyError(f"no header for {secret}!"))
    assert secret not in failure.traceback + failure.message
    assert "no header for" in failure.message


def test_a_failure_is_kept_of_an_exception_that_cannot_even_be_printed() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert base.failure_of(MuteError()).message == "(no message: RuntimeError)"


def test_deep_recursion_is_a_failure() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert m.EXACT.score({"a": deep}, {"a": deep}, {}).failure is not None


def test_an_lm_that_is_down_is_no_failure_of_a_row() -> None:
    def down(answer: Any, labels: Any, inputs: Any) -> float:
        raise LMError("down")

    with pytest.raises(LMError):
        m.Function(down).score({}, {}, {})


def test_a_function_sees_the_row_and_cannot_take_from_it() -> None:
    def greedy(answer: dict[str, Any], labels: dict[str, Any], inputs: dict[str, Any]) -> bool:
        return bool(answer.pop("a") == labels.pop("a") == inputs.pop("a"))

    row = {"a": 1}
    assert m.Function(greedy).score(row, row, row).right
    assert row == {"a": 1}


def test_a_function_has_a_name_a_version_and_the_digest_of_its_source() -> None:
    def close(answer: Any, labels: Any, inputs: Any) -> bool:
        return True

    data = m.Function(close, version=3).as_json()
    assert (data["name"], data["version"]) == ("close", 3)
    assert len(data["parameters"]["source_sha256"]) == 64
    assert m.Function(print).as_json()["parameters"]["source_sha256"] is None


async def later(answer: Any, labels: Any, inputs: Any) -> bool:
    return True


def bit_by_bit(answer: Any, labels: Any, inputs: Any) -> Iterator[bool]:
    yield True


@pytest.mark.parametrize("function", [later, bit_by_bit, None, 1, "f", bool])
def test_what_returns_no_score_is_no_function(function: Any) -> None:
    with pytest.raises(ScoringError):
        m.Function(function)
    with pytest.raises(ScoringError):
        m.Check(function)


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1"])
def test_a_version_is_a_whole_number_from_one(version: Any) -> None:
    with pytest.raises(ScoringError):
        m.Function(lambda a, b, c: True, version=version)


# Assertions


@pytest.mark.parametrize(
    ("assertion", "answer", "holds"),
    [
        (m.Contains(("Refund", "days")), "the REFUND takes 3 days", True),
        (m.Contains(("Refund", "weeks")), "the REFUND takes 3 days", False),
        (m.Contains(("Refund", "weeks"), how="any"), "the REFUND takes 3 days", True),
        (m.Contains("Refund", case=True), "the REFUND", False),
        (m.Contains("cafe\u0301"), "Café", True),
        (m.Contains("STRASSE"), "Hauptstraße 1", True),
        (m.Contains("a"), "", False),
        (m.Contains("12"), 3123, True),
        (m.StartsWith(("dear", "hello")), "  Hello, you", True),
        (m.StartsWith("dear"), "oh dear", False),
        (m.Matches(r"\b\d{4}\b"), "in 2024.", True),
        (m.Matches(r"\d{4}", whole=True), "in 2024.", False),
        (m.Matches(r"\d{4}", whole=True), " 2024\n", True),
        (m.Matches("yes", case=False), "YES", True),
        (m.Matches("yes"), "YES", False),
        (m.Length(maximum=5), "héllo", True),
        (m.Length(maximum=5), "he\u0301llo", True),
        (m.Length(minimum=1), "  ", False),
        (m.Length(minimum=2, maximum=3, unit="words"), "one two three", True),
        (m.Length(maximum=2, unit="words"), "one two three", False),
        (m.IsJson(), '{"a": [1, null]}', True),
        (m.IsJson(), "NaN", False),
        (m.IsJson(), "{'a': 1}", False),
        (m.IsJson(), "", False),
        (m.IsJson(), "1" * 5000, True),
        (m.IsJson(), "[" * 200_000, False),
        (m.IsJson(), {"a": 1}, True),
        (m.IsJson(), {"a": float("nan")}, False),
        (m.Equals("yes"), " yes", True),
        (m.Equals(1), True, False),
        (m.Check(lambda answer: answer.isupper()), "ABC", True),
        (m.Check(lambda answer: answer.isupper()), "abc", False),
    ],
)
def test_assertions_hold_of_an_answer_and_turned_around_they_do_not(
    assertion: Any, answer: Any, holds: bool
) -> None:
    assert assertion.compare(answer) == float(holds)
    assert m.not_(assertion).compare(answer) == float(not holds)
    assert m.not_(m.not_(assertion)).compare(answer) == float(holds)
    assert not assertion.needs_label


@pytest.mark.parametrize("metric", [one for one in ANY_METRIC if getattr(one, "needs_label", True) is False])
def test_a_missing_answer_meets_no_assertion_nor_its_opposite(metric: Any) -> None:
    assert metric.compare(None) == 0.0
    assert m.not_(metric).compare(None) == 0.0


@given(TEXTS, st.lists(st.sampled_from("abcx1{"), min_size=1, max_size=3))
def test_all_any_and_not_are_those_of_logic(answer: str, parts: list[str]) -> None:
    each = [m.Contains(part) for part in parts]
    negated = m.not_(m.All(*each)).compare(answer)
    assert negated == m.Any(*map(m.not_, each)).compare(answer)
    assert m.All(*each).compare(answer) == float(all(one.compare(answer) for one in each))


def test_metrics_with_and_without_labels_join() -> None:
    both = m.All(m.Span(), m.Contains("b"))
    assert both.needs_label
    assert not m.All(m.IsJson()).needs_label
    assert both.compare("b", "b c") == pytest.approx(2 / 3)
    assert m.Any(m.Exact(), m.Span()).compare("b", "b c") == pytest.approx(2 / 3)


def test_a_pattern_without_end_is_a_failure_in_time() -> None:
    metric = m.AllRight(by={"reply": m.Matches(r"^(a|aa)+$", timeout_s=0.1)})
    started = time.perf_counter()
    score = metric.score({"reply": "a" * 60 + "!"}, {}, {})
    assert time.perf_counter() - started < 5
    assert score.failure is not None
    assert score.failure.type == "TimeoutError"


@pytest.mark.parametrize(
    "make",
    [
        lambda: m.Contains(""),
        lambda: m.Contains(()),
        lambda: m.Contains(("a", " ")),
        lambda: m.Contains(("a", 1)),  # type: ignore[arg-type]
        lambda: m.Contains("a", how="some"),
        lambda: m.Contains("a", case="no"),  # type: ignore[arg-type]
        lambda: m.StartsWith(""),
        lambda: m.Matches("("),
        lambda: m.Matches("a", timeout_s=0),
        lambda: m.Matches("a", timeout_s=float("nan")),
        lambda: m.Length(),
        lambda: m.Length(minimum=-1),
        lambda: m.Length(minimum=3, maximum=2),
        lambda: m.Length(maximum=2.5),  # type: ignore[arg-type]
        lambda: m.Length(maximum=2, unit="lines"),
        lambda: m.Equals(float("nan")),
        lambda: m.All(),
        lambda: m.Any(),
        lambda: m.SetOf(how="dice"),
        lambda: m.ListOf(how="f1"),
        lambda: m.Object(how="some"),
        lambda: m.Object(extra="maybe"),
        lambda: m.Span(how="f2"),
        lambda: m.Span(unit="bytes"),
        lambda: m.Text(articles="the"),  # type: ignore[arg-type]
        lambda: m.Text(case=1),  # type: ignore[arg-type]
        lambda: m.FitsSchema({"type": "strange"}),
        lambda: m.FitsSchema({"$schema": "https://example.org/own"}),
        lambda: m.FitsSchema({"properties": {"a": {"pattern": "("}}}),
        lambda: m.FitsSchema({"const": float("nan")}),
        lambda: m.FitsSchema([]),  # type: ignore[arg-type]
    ],
)
def test_impossible_parameters_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ScoringError):
        make()


# JSON Schema

TREE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"code": {"type": "string", "pattern": "^[A-Z]+$"}},
    "type": "object",
    "properties": {"code": {"$ref": "#/$defs/code"}, "more": {"$ref": "#"}, "$ref": {"type": "integer"}},
    "required": ["code"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ('{"code": "AB"}', True),
        ({"code": "AB", "more": {"code": "C"}}, True),
        ({"code": "AB", "$ref": 1}, True),
        ({"code": "ab"}, False),
        ({"code": "AB", "more": {"code": "c"}}, False),
        ({"code": "AB", "other": 1}, False),
        ("not JSON", False),
        ("[" * 200_000, False),
    ],
)
def test_an_answer_fits_a_schema(answer: Any, fits: bool) -> None:
    assert m.FitsSchema(TREE).compare(answer) == float(fits)


def test_a_slow_pattern_of_a_schema_stops_also_behind_a_reference_to_the_root() -> None:
    slow = {**TREE, "$defs": {"code": {"type": "string", "pattern": r"^([Aa]|[Aa][Aa])+$"}}}
    score = m.AllRight(by={"a": m.FitsSchema(slow)}).score(
        {"a": {"code": "A", "more": {"code": "a" * 60 + "!"}}}, {}, {}
    )
    assert score.failure is not None
    assert score.failure.type == "TimeoutError"


def test_a_number_that_python_cannot_read_is_a_failure_of_the_reader() -> None:
    score = m.AllRight(by={"a": m.FitsSchema({"type": "integer"})}).score({"a": "1" * 5000}, {}, {})
    assert score.failure is not None
    assert score.failure.type == "OverflowError"


def test_nothing_is_fetched_for_a_schema() -> None:
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "integer"}')

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        remote = f"http://127.0.0.1:{server.server_port}/remote.json"
        for schema in (
            {"$ref": remote},
            {"properties": {"a": {"items": {"$ref": f"{remote}#/x"}}}},
            {"$id": remote, "properties": {"a": {"$ref": "other.json"}}},
            {"$defs": {"$ref": {"$ref": remote}}},
            {"$dynamicRef": remote},
            {"$schema": remote},
        ):
            with pytest.raises(ScoringError):
                m.FitsSchema(schema)
        # The library by itself would fetch: the server is there, and is not asked.
        with pytest.warns(DeprecationWarning, match="[Rr]emote"):
            jsonschema.validate(1, {"$ref": remote})
        assert asked == ["/remote.json"]
        # Where a reference hides from that check, scoring fails rather than fetch.
        hidden = m.FitsSchema({"properties": {"a": {"$ref": "#/const"}}, "const": {"a": 1, "$ref": remote}})
        m.AllRight(by={"a": hidden}).score({"a": {"a": 1, "$ref": remote}}, {}, {})
        server.shutdown()
        thread.join()
    assert asked == ["/remote.json"]


# Defaults


def field_of(schema: dict[str, Any]) -> Field:
    return Field("out", schema)


@pytest.mark.parametrize(
    ("schema", "metric"),
    [
        ({"enum": ["a", "b"]}, m.Exact()),
        ({"type": "boolean"}, m.Exact()),
        ({"const": "a"}, m.Exact()),
        ({"type": "integer"}, m.Exact()),
        ({"type": "number"}, m.Exact()),
        ({"type": "string", "format": "date"}, m.Date()),
        ({"type": "string", "format": "date-time"}, m.Date()),
        ({"type": "string", "pattern": "^[A-Z]{3}$"}, m.Exact()),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None}, m.Date()),
        ({"type": "array", "items": {"type": "string"}}, m.ListOf(item=m.Exact())),
        ({"type": "array", "items": {"type": "string", "format": "date"}}, m.ListOf(item=m.Date())),
        ({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True}, m.SetOf()),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, m.Exact()),
        ({}, m.Exact()),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, m.Exact()),
        (
            {
                "type": "object",
                "properties": {"on": {"type": "string", "format": "date"}, "n": {"type": "integer"}},
            },
            m.Object(fields={"on": m.Date(), "n": m.Exact()}),
        ),
    ],
)
def test_the_default_metric_follows_from_the_type(schema: dict[str, Any], metric: Any) -> None:
    assert m.metric_for(field_of(schema)) == metric


def test_short_labelled_text_is_scored_exactly() -> None:
    assert m.metric_for(field_of({"type": "string"}), labels=["Ada Lovelace", None]) == m.Exact()
    assert m.metric_for(field_of({"type": "string", "maxLength": 80}), labels=["a"]) == m.Exact()


@pytest.mark.parametrize(
    ("schema", "labels"),
    [
        ({"type": "string"}, []),
        ({"type": "string"}, [None]),
        ({"type": "string"}, ["word " * 30, "word " * 30, "short"]),
        ({"type": "string"}, ["長" * 200]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, []),
        ({"type": "string", "maxLength": 2000}, ["short"]),
        ({"type": "string", "minLength": 100}, ["short"]),
        ({"type": "string", "contentMediaType": "text/markdown"}, ["short"]),
        ({"type": "object", "properties": {"reply": {"type": "string", "maxLength": 2000}}}, []),
    ],
)
def test_free_text_has_no_default_metric_and_is_told_what_would_give_it_one(
    schema: dict[str, Any], labels: list[Any]
) -> None:
    with pytest.raises(ScoringError, match="cannot score") as caught:
        m.metric_for(field_of(schema), labels=labels)
    assert "assertions" in caught.value.hint
    assert "judge" in caught.value.hint


# Every metric as data


@pytest.mark.parametrize("metric", ANY_METRIC, ids=lambda metric: type(metric).__name__)
def test_every_metric_is_data_and_can_be_pasted(metric: Any) -> None:
    data = metric.as_json()
    assert set(data) == {"name", "version", "parameters"}
    assert json.loads(canonical_json(data)) == data
    names = {name: getattr(m, name) for name in m.__all__}
    again = eval(repr(metric), names)  # the test's own text
    assert again == metric
    assert again.as_json() == data


def test_parameters_tell_metrics_apart() -> None:
    texts = [canonical_json(metric.as_json()) for metric in ANY_METRIC]
    assert len(set(texts)) == len(texts)
    assert m.Number(absolute=1).as_json() != m.Number(absolute=2).as_json()


# Corpus figures

LABELS = st.sampled_from(["a", "b", "c"])
COLUMNS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30)


@given(COLUMNS)
def test_f1_is_that_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    """scikit-learn, `precision_recall_fscore_support` and `f1_score(average="macro")`."""
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    labels, answers = map(list, zip(*rows, strict=True))
    assert m.macro_f1(labels, answers).value == pytest.approx(
        f1_score(labels, answers, average="macro", zero_division=0)
    )
    found = m.per_class(labels, answers)
    expected = precision_recall_fscore_support(labels, answers, zero_division=0)
    ours = [[one.precision, one.recall, one.f1, one.support] for one in found]
    assert np.array(ours) == pytest.approx(np.array(expected).T)
    table = m.confusion(labels, answers)
    assert table.classes == tuple(sorted({*labels, *answers}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a single class
        expected = confusion_matrix(labels, answers, labels=list(table.classes))
    assert (table.counts[:, :-1] == expected).all()
    assert m.accuracy(labels, answers).value == pytest.approx(np.mean([one == two for one, two in rows]))


def test_no_answer_is_wrong_and_a_class_of_its_own_in_the_confusion() -> None:
    labels, answers = ["a", "a", "b", "b"], ["a", None, "b", None]
    table = m.confusion(labels, answers)
    assert table.counts.tolist() == [[1, 0, 1], [0, 1, 1]]
    assert table.unanswered.tolist() == [1, 1]
    assert m.accuracy(labels, answers).value == 0.5
    assert m.macro_f1(labels, answers).value == pytest.approx(2 / 3)
    assert [one.recall for one in m.per_class(labels, answers)] == [0.5, 0.5]
    assert m.accuracy(["a"], [None]).value == 0.0


def test_classes_are_told_apart_by_type() -> None:
    table = m.confusion([True, 1, "1", "true", 1.0], [1, True, 1, "true ", 1])
    assert table.classes == (True, 1, "1", "true")
    assert table.counts.tolist() == [[0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert m.accuracy(np.array(["a", "b"]), np.array(["a", "c"])).value == 0.5


def test_a_bootstrap_interval_is_that_of_rows_drawn_again() -> None:
    rng = np.random.default_rng(5)
    labels = rng.choice(["a", "b", "c"], 200, p=[0.6, 0.3, 0.1])
    answers = np.where(rng.random(200) < 0.7, labels, rng.choice(["a", "b", "c"], 200))
    found = m.macro_f1(labels, answers, resamples=4000)
    draws = []
    for _ in range(1500):
        picked = rng.integers(0, 200, 200)
        draws.append(m.macro_f1(labels[picked], answers[picked]).value)
    assert found.ci == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.015)
    assert found == m.macro_f1(labels, answers, resamples=4000)
    assert found != m.macro_f1(labels, answers, resamples=4000, seed=1)
    wide = m.macro_f1(labels, answers, resamples=4000, level=0.99).ci
    assert wide is not None
    assert found.ci is not None
    assert wide[0] < found.ci[0] < found.value < found.ci[1] < wide[1]


def test_the_interval_of_accuracy_covers_as_the_bootstrap_does() -> None:
    """A binomial's own quantiles, which the bootstrap of a share has exactly."""
    from scipy.stats import binom

    answers = ["a"] * 80 + ["b"] * 20
    figure = m.accuracy(["a"] * 100, answers, resamples=20_000)
    assert figure.ci == pytest.approx(binom.ppf([0.025, 0.975], 100, 0.8) / 100, abs=0.011)
    assert (figure.value, figure.n, figure.level) == (0.8, 100, 0.95)


def test_classes_have_intervals_too() -> None:
    rows = [("a", "a")] * 30 + [("a", "b")] * 10 + [("b", "b")] * 20 + [("c", "a")]
    for one in m.per_class(*zip(*rows, strict=True), resamples=500):
        assert one.ci is not None
        assert one.ci[0] <= one.f1 <= one.ci[1]


def test_a_hundred_thousand_rows_take_no_time() -> None:
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(0, 77, (2, 100_000))
    started = time.perf_counter()
    m.macro_f1(labels, answers, resamples=1000)
    assert time.perf_counter() - started < 5


def test_costs_are_a_mapping_or_an_array() -> None:
    by_name = m.Costs({"ham": {"ham": 0, "spam": 10}, "spam": {"spam": 0, "ham": 1}})
    by_array = m.Costs([[0, 10], [1, 0]], ("ham", "spam"))
    labels, answers = ["ham", "ham", "spam", "spam"], ["ham", "spam", "ham", "spam"]
    for costs in (by_name, by_array):
        figure = m.mean_cost(labels, answers, costs, resamples=1000)
        assert figure.value == 2.75
        assert figure.ci is not None
        assert figure.ci[0] < 2.75 < figure.ci[1]
    with pytest.raises(ScoringError, match="no answer"):
        m.mean_cost(labels, ["ham", "spam", "ham", None], by_name)
    costs = m.Costs([[0, 10], [1, 0]], ("ham", "spam"), unanswered=3)
    assert m.mean_cost(labels, ["ham", "spam", "ham", None], costs).value == 3.5
    with pytest.raises(ScoringError, match="no cost is known"):
        m.mean_cost(["eggs"], ["ham"], by_name)


@pytest.mark.parametrize(
    ("matrix", "classes"),
    [
        ({}, ()),
        ({"a": {"a": 0}, "b": {"b": 0}}, ()),
        ({"a": {"a": 0, "b": 1}}, ()),
        ({"a": 0}, ()),
        ({"a": {"a": float("nan")}}, ()),
        ({"a": {"a": "0"}}, ()),
        ({"a": {"a": True}}, ()),
        ({"a": {"a": 0}}, ("a",)),
        ([[0, 1]], ("a", "b")),
        ([[0, 1], [1]], ("a", "b")),
        ([[0, 1], [1, 0]], ("a",)),
        ([[0, 1], [1, 0]], ("a", "a")),
        ([[0, math.inf], [1, 0]], ("a", "b")),
        ([[0, 1j], [1, 0]], ("a", "b")),
        ([[[0]]], ("a",)),
    ],
)
def test_costs_are_square_complete_and_finite(matrix: Any, classes: tuple[str, ...]) -> None:
    with pytest.raises(ScoringError):
        m.Costs(matrix, classes)


@pytest.mark.parametrize(
    ("labels", "answers"),
    [
        ([], []),
        (["a"], []),
        ([None], ["a"]),
        ([float("nan")], ["a"]),
        (["a"], [float("nan")]),
        ([["a"]], ["a"]),
        (["a"], [{"a": 1}]),
        (["a"], [1j]),
        ("ab", ["a", "b"]),
        ([["a", "b"]], [["a", "b"]]),
        (1, ["a"]),
    ],
)
def test_columns_of_anything_but_classes_are_refused(labels: Any, answers: Any) -> None:
    for figure in (m.accuracy, m.macro_f1, m.per_class, m.confusion):
        with pytest.raises(ScoringError):
            figure(labels, answers)


@pytest.mark.parametrize(
    "options",
    [
        {"resamples": -1},
        {"resamples": 5},
        {"resamples": 1.5},
        {"resamples": True},
        {"resamples": 200, "level": 0},
        {"resamples": 200, "level": 1.0},
        {"resamples": 200, "level": float("nan")},
        {"resamples": 200, "seed": -1},
        {"resamples": 200, "seed": None},
    ],
)
def test_impossible_intervals_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ScoringError):
        m.accuracy(["a", "b"], ["a", "b"], **options)


def test_one_row_has_no_interval() -> None:
    assert m.accuracy(["a"], ["a"]).value == 1.0
    with pytest.raises(ScoringError, match="no interval"):
        m.accuracy(["a"], ["a"], resamples=100)
