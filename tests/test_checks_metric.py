"""A row is right if what its test asserts holds; weights, thresholds and sets count as in promptfoo."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ExamplesError, ScoringError
from shipworthy.examples import Table
from shipworthy.lift import load_labelled
from shipworthy.runtime import Answer, Contract, Field, Outcome, StepTrace
from shipworthy.scoring import Checks, Function, columns_of, evaluate, metric_of, needs_labels
from shipworthy.scoring.assertions import run_assertion

TEXT = {"type": "string"}
YES = {"type": "icontains", "value": "yes"}
REFUND = {"type": "contains", "value": "refund"}
SHORT = {"type": "word-count", "value": {"max": 3}}


def score(
    answer: str | Mapping[str, Any] | None, own: Any = None, *shared: Mapping[str, Any], **more: Any
) -> float | None:
    outputs = answer if isinstance(answer, Mapping) else {"answer": answer}
    return Checks(shared, **more).score(outputs, {"checks": own}, {}).value


def test_all_checks_must_hold_those_of_all_rows_and_the_rows_own() -> None:
    assert score("Yes, a refund.", [YES], REFUND) == 1.0
    assert score("Yes.", [YES], REFUND) == 0.0
    assert score("A refund.", [YES], REFUND) == 0.0
    assert score("A refund.", None, REFUND) == 1.0
    assert score("no", [{"type": "not-icontains", "value": "YES"}]) == 1.0


@pytest.mark.parametrize(
    ("weights", "threshold", "right"),
    [
        ((1, 1), 0.5, True),
        ((1, 1), 0.51, False),
        ((1, 3), 0.3, False),
        ((3, 1), 0.75, True),
        ((0, 1), 0.0, True),
        ((1, 0), 1.0, True),
    ],
)
def test_a_threshold_is_held_against_the_weighted_score(
    weights: tuple[float, float], threshold: float, right: bool
) -> None:
    checks = [{**YES, "weight": weights[0]}, {**REFUND, "weight": weights[1]}]
    assert score("yes", {"assert": checks, "threshold": threshold}) == float(right)
    assert score("yes", checks, threshold=threshold) == float(right)
    assert score("yes", [{"type": "assert-set", "assert": checks, "threshold": threshold}]) == float(right)


def test_a_rows_own_threshold_stands_above_that_of_all_rows() -> None:
    assert score("yes", {"assert": [YES, REFUND], "threshold": 0.9}, threshold=0.1) == 0.0
    assert score("yes", {"assert": [YES, REFUND]}, threshold=0.1) == 1.0


def test_a_check_of_weight_zero_fails_nobody() -> None:
    assert score("yes", [YES, {**REFUND, "weight": 0}]) == 1.0


def test_a_set_is_one_check_beside_the_others() -> None:
    either = {"type": "assert-set", "threshold": 0.5, "assert": [YES, REFUND], "weight": 2}
    assert score("yes", [either, SHORT]) == 1.0
    assert score("no", [either, SHORT]) == 0.0
    assert score("yes, and more than three words", {"assert": [either, SHORT], "threshold": 0.3}) == 1.0
    nested = {"type": "assert-set", "assert": [either, SHORT]}
    assert score("a refund", [nested]) == 1.0


def test_graded_a_row_that_fails_scores_what_its_checks_do() -> None:
    checks = [{**YES, "weight": 3}, REFUND]
    assert score("yes", checks, graded=True) == 0.75
    assert score("yes", {"assert": checks, "threshold": 0.7}, graded=True) == 1.0
    failing = [{**YES, "weight": 0.1}] * 3 + [{**REFUND, "weight": 1e-30}]
    assert score("yes", failing, graded=True) == math.nextafter(1.0, 0.0)


CHECK = st.builds(
    lambda kind, value, weight: {"type": kind, "value": value, "weight": weight},
    st.sampled_from(["contains", "not-contains", "icontains", "starts-with", "not-ends-with"]),
    st.sampled_from(["a", "B", "ab"]),
    st.sampled_from([0, 0.5, 1, 2]),
)


@given(checks=st.lists(CHECK, min_size=1, max_size=5), text=st.text("abB ", max_size=6))
def test_the_score_is_what_running_each_assertion_by_hand_gives(
    checks: list[dict[str, Any]], text: str
) -> None:
    held = [run_assertion(check["type"], check["value"], text) for check in checks]
    total = sum(check["weight"] for check in checks)
    mean = (
        sum(check["weight"] * one for check, one in zip(checks, held, strict=True)) / total if total else 0.0
    )
    passes = all(one or not check["weight"] for check, one in zip(checks, held, strict=True))
    assert score(text, checks) == float(passes)
    assert score(text, {"assert": checks, "threshold": 0.6}) == float(mean >= 0.6)
    graded = score(text, checks, graded=True)
    assert graded == 1.0 if passes else graded == pytest.approx(mean)


def test_the_answer_of_one_output_is_its_text_and_that_of_several_a_json_object() -> None:
    assert score({"n": 4.0}, [{"type": "equals", "value": 4}]) == 1.0
    assert score({"late": True}, [{"type": "equals", "value": "yes"}]) == 1.0
    assert score({"tags": ["a", "b"]}, [{"type": "equals", "value": ["a", "b"]}]) == 1.0
    both = {"topic": "bread", "mood": "glad"}
    assert score(both, [{"type": "equals", "value": '{"topic":"bread","mood":"glad"}'}]) == 1.0
    assert score({"topic": "bread"}, [{"type": "is-json"}]) == 0.0
    assert score({"topic": "bread"}, [{"type": "is-json"}], whole=True) == 1.0


def test_an_answer_of_which_a_part_is_missing_is_still_seen_as_an_object() -> None:
    fields = [Field("topic", TEXT), Field("mood", TEXT)]
    metric = metric_of(Checks(), fields)
    said = metric.score({"mood": "glad"}, {"checks": [{"type": "equals", "value": {"mood": "glad"}}]}, {})
    assert said.value == 1.0


def test_what_an_answer_leaves_open_is_no_null_unless_it_is_asked_for() -> None:
    schema = {
        "type": "object",
        "required": ["name", "due"],
        "properties": {
            "name": TEXT,
            "note": TEXT,
            "due": {"type": ["string", "null"]},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        },
    }
    answer = {"name": "Ona", "note": None, "due": None, "lines": [{"n": None}]}
    assert score(answer, [{"type": "is-json", "value": schema}]) == 1.0
    assert score({**answer, "name": None}, [{"type": "is-json", "value": schema}]) == 0.0
    equal = {"type": "equals", "value": {"name": "Ona", "due": None, "lines": [{}]}}
    assert score(answer, [equal]) == 1.0


def test_a_missing_answer_passes_no_check_nor_its_opposite() -> None:
    assert score(None, [YES]) == 0.0
    assert score(None, [{"type": "not-icontains", "value": "yes"}]) == 0.0
    assert score({}, [{"type": "not-icontains", "value": "yes"}]) == 0.0


def test_time_and_price_count_where_they_are_known() -> None:
    metric = Checks([{"type": "latency", "threshold": 100}, {"type": "cost", "threshold": 0.01}, YES])
    told = {"answer": "yes"}, {}, {}
    assert metric.score(*told).value == 1.0
    assert metric.measured(*told, ms=100.0, usd=0.0).value == 1.0
    assert metric.measured(*told, ms=101.0).value == 0.0
    assert metric.measured(*told, ms=9.0, usd=0.02).value == 0.0


def test_a_row_of_whose_answer_no_check_says_anything_has_no_score() -> None:
    for shared in ([], [{"type": "latency", "threshold": 100}]):
        found = Checks(shared).measured({"answer": "yes"}, {}, {}, ms=5.0)
        assert found.value is None
        assert found.failure is not None
        assert "no check looks at the row's answer" in found.failure.message


def test_a_pattern_that_takes_too_long_is_a_failure_of_that_row_alone() -> None:
    metric = Checks([{"type": "regex", "value": "^(a|aa)+$"}])
    found = metric.score({"answer": "a" * 60 + "b"}, {}, {})
    assert found.value is None
    assert found.failure is not None
    assert found.failure.type == "TimeoutError"
    assert metric.score({"answer": "aaa"}, {}, {}).value == 1.0


def test_labels_are_one_more_check_where_they_count() -> None:
    fields = [Field("desk", {"enum": ["bar", "roof"]}), Field("reply", {"type": "string", "minLength": 80})]
    long = "A long reply that nobody would write twice in the very same words, with a refund in it."
    metric = metric_of(Checks([REFUND], labels=True), fields, [{"desk": "bar", "reply": long}])
    answer = {"desk": "bar", "reply": "Take the refund."}
    assert metric.score(answer, {"desk": "bar", "reply": long}, {}).value == 1.0
    assert metric.score(answer, {"desk": "roof", "reply": long}, {}).value == 0.0
    assert metric.score({**answer, "reply": "No."}, {"desk": "bar"}, {}).value == 0.0
    assert metric.score(answer, {"desk": "bar"}, {}).by_output == {"desk": 1.0}
    alone = metric_of(Checks(labels=True), fields[:1], [{"desk": "bar"}])
    assert alone.score({"desk": "bar"}, {"desk": "bar"}, {}).value == 1.0


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("yes", "a check is a mapping with a type"),
        ({"value": "yes"}, "a check is a mapping with a type"),
        ({"type": "llm-rubric", "value": "kind"}, "no assertion 'llm-rubric'"),
        ({"type": "javascript", "value": "1"}, "no assertion 'javascript'"),
        ({"type": "contains"}, "'contains' cannot be run: contains needs a text"),
        ({"type": "regex", "value": "("}, "'regex' cannot be run"),
        ({"type": "is-json", "value": {"type": "no such type"}}, "'is-json' cannot be run"),
        ({"type": "latency"}, "without a threshold"),
        ({**YES, "weight": -1}, "weight of 'icontains' is -1"),
        ({**YES, "weight": "2"}, "weight of 'icontains' is a finite number"),
        ({**YES, "threshold": float("nan")}, "threshold of 'icontains' is a finite number"),
        ({**YES, "metric": "tone"}, "'icontains' has no 'metric'"),
        ({**YES, "assert": [YES]}, "'icontains' has no `assert`"),
        ({"type": "assert-set", "assert": []}, "a set without checks"),
        ({"type": "assert-set", "assert": [YES], "threshold": 2}, "a threshold is a share"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_recipe_and_in_a_row(check: Any, message: str) -> None:
    with pytest.raises(ScoringError, match=message):
        Checks([check])
    (column,) = columns_of(Checks())
    with pytest.raises(ValueError, match=message):
        column.parse([check])


def test_sets_in_sets_have_an_end() -> None:
    check: dict[str, Any] = dict(YES)
    for _ in range(20):
        check = {"type": "assert-set", "assert": [check]}
    with pytest.raises(ScoringError, match="sets stand in more than"):
        Checks([check])


def test_it_says_what_it_is() -> None:
    metric = Checks([YES], threshold=0.5, column="row_checks")
    plain = json.loads(json.dumps(metric.as_json()))
    assert plain == metric.as_json()
    assert plain["parameters"]["checks"] == [YES]
    assert plain != Checks([REFUND], threshold=0.5, column="row_checks").as_json()
    bound = metric_of(metric, [Field("answer", TEXT)])
    assert bound.as_json() == metric.as_json()


CONTRACT = Contract((Field("q", TEXT),), (Field("answer", {"enum": ["Yes", "No"]}), Field("why", TEXT)))


def read(*rows: Mapping[str, Any], metric: Any) -> list[dict[str, Any]]:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    table = Table(columns, tuple(map(dict, rows)), tuple(range(1, len(rows) + 1)), "rows.jsonl")
    labels = needs_labels(metric)
    return load_labelled(CONTRACT, table, needs_labels=labels, also=columns_of(metric))


def test_rows_bring_checks_in_place_of_labels() -> None:
    found = read({"q": "a", "checks": [YES]}, {"q": "b", "answer": "No"}, metric=Checks())
    assert found == [{"q": "a", "checks": [YES]}, {"q": "b", "answer": "No", "checks": None}]
    with pytest.raises(ExamplesError, match="no column 'answer'"):
        read({"q": "a", "checks": [YES]}, metric="exact")
    cell = read({"q": "a", "checks": json.dumps([YES])}, metric=Checks())
    assert cell == [{"q": "a", "checks": [YES]}]


def test_a_check_that_cannot_be_run_has_its_line() -> None:
    with pytest.raises(ExamplesError, match="no assertion 'smells'") as caught:
        read({"q": "a", "checks": [YES]}, {"q": "b", "checks": [{"type": "smells"}]}, metric=Checks())
    assert caught.value.where == "rows.jsonl:2, column 'checks'"


def says(text: str, *, ms: float = 5.0) -> Any:
    step = StepTrace("s", (), (), {"answer": text}, {}, {}, True, ms, 1, 1, 1)

    def many(rows: Iterable[Mapping[str, Any]]) -> Iterator[Outcome[Answer]]:
        for _ in rows:
            yield Outcome(Answer({"answer": text}, {"answer": None}, True, (step,)))

    return many


def test_an_evaluation_needs_no_labels_where_checks_say_what_is_right() -> None:
    rows = [{"q": "a", "checks": [YES]}, {"q": "b", "checks": [REFUND]}, {"q": "c", "answer": "x"}]
    found = evaluate(says("yes"), rows, outputs=["answer"], metric=Checks())
    assert [result.score for result in found.results] == [1.0, 0.0, None]
    assert found.results[0].labels == {"checks": [YES]}
    with pytest.raises(ExamplesError, match="no label 'answer'"):
        evaluate(says("yes"), rows, outputs=["answer"], metric=Function(lambda *_: True))


def test_an_evaluation_measures_time_and_price() -> None:
    rows = [{"q": "a"}]
    metric = Checks([YES, {"type": "latency", "threshold": 10}, {"type": "cost", "threshold": 0.5}])
    given: dict[str, Any] = {"outputs": ["answer"], "metric": metric}
    assert evaluate(says("yes"), rows, **given).score == 1.0
    assert evaluate(says("yes", ms=11.0), rows, **given).score == 0.0
    assert evaluate(says("yes"), rows, **given, usd_of=lambda _: 0.6).score == 0.0
