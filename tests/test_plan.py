"""What `--plan` says would be spent, without an LM."""

from __future__ import annotations

from typing import Any, Literal

import dspy
import pytest

import shipworthy as sw
from shipworthy.compiler import Budget, plan_of, source_of


class Sort(dspy.Signature):
    """Say what it is about."""

    text: str = dspy.InputField()
    kind: Literal["a", "b", "c"] = dspy.OutputField()
    urgent: bool = dspy.OutputField()


ROWS: list[dict[str, Any]] = [{"text": f"row {n}", "kind": "abc"[n % 3], "urgent": False} for n in range(53)]


def planned(*passes: Any, reflects: bool = False, **more: Any) -> Any:
    source = source_of(dspy.Predict(Sort), name="sort", recipe=sw.Recipe(passes=passes, **more))
    return plan_of(source, ROWS, [], lm="local", usd_per_token=1e-6, reflects=reflects)


def test_each_pass_is_there_with_its_calls() -> None:
    plan = planned(sw.Demos(), sw.Readout(), sw.Student())
    assert [(one.name, one.calls) for one in plan.passes] == [("Demos", 0), ("Readout", 150), ("Student", 0)]
    assert plan.calls == 150
    assert plan.usd == pytest.approx(plan.tokens * 1e-6)


def test_fewer_questions_where_they_are_turned_off() -> None:
    assert planned(sw.Readout(questions=False)).calls == 53
    assert planned(sw.Demos(), sw.Readout(own_questions=False)).calls == 100


def test_a_budget_reads_fewer_rows_and_asks_fewer_questions() -> None:
    plan = planned(sw.Demos(), sw.Readout(), budget=Budget(calls=120))
    assert plan.passes[1].why == "50 rows, 2 questions each"
    assert plan.calls == 100
    plan = planned(sw.Demos(), sw.Readout(), budget=Budget(calls=20))
    assert plan.passes[1].why == "20 of 50 rows, 1 question each"


def test_more_demos_than_rows_are_as_many_as_there_are_rows() -> None:
    plan = planned(sw.Demos(by="coverage", n=9999), sw.Readout())
    assert plan.calls == 0
    assert plan.tokens == 0


def test_an_optimizer_that_decides_itself_has_no_figure_without_a_budget() -> None:
    passes = (sw.DSPyOptimizer(dspy.LabeledFewShot(k=2)), sw.Readout())
    plan = planned(*passes)
    assert plan.calls is None
    assert plan.tokens is None
    plan = planned(*passes, budget=Budget(calls=400))
    assert plan.calls == 400
    assert plan.passes[0].calls == 400 - 53
    assert "is stopped where 53 calls are left" in plan.passes[0].why


def test_what_proposes_instructions_is_told_apart() -> None:
    plan = planned(sw.Instructions(), sw.Readout())
    assert plan.passes[0].calls == 0
    plan = planned(sw.Instructions(), sw.Readout(), reflects=True)
    assert plan.passes[0].why == (
        "at most: 13 instructions race over 53 rows, 10 calls of MIPROv2's proposer, 200 of GEPA"
    )
    assert plan.passes[0].calls == 13 * 53 + 210
    small = planned(sw.Instructions(sources=("gepa",)), sw.Readout(), reflects=True, budget=Budget(calls=165))
    assert "30 of GEPA" in small.passes[0].why
    assert small.calls == 165


def test_it_is_json() -> None:
    assert planned(sw.Student()).as_json()["passes"] == [
        {"name": "Student", "calls": 0, "why": "calls no LM", "prompts": 0}
    ]
