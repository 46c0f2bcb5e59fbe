"""What a recipe's metric does to a compile: one that fails or says nothing stops it, and is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dspy
import pytest
from test_instructions import GOOD, Sort, Understands, rows

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.errors import ScoringError
from shipworthy.lms import Journal, Recorded
from shipworthy.scoring import Function, Metric


def compiled(folder: Path, metric: Metric) -> Any:
    recipe = sw.Recipe(passes=[sw.Readout(), sw.Student()], metric=metric)
    train = [*rows(), *({"text": f"nothing {n}", "topic": "praise"} for n in range(4))]
    train += [{"text": f"nothing {n}", "topic": "lost"} for n in range(10, 14)]  # nobody can tell these
    source = source_of(dspy.Predict(Sort.with_instructions(GOOD)), name="sort", recipe=recipe)
    lm = Recorded(Understands(), Journal(folder / "journal.jsonl"))
    return compile_program(source, train, lm=lm, lm_name="stand-in", out=folder / "out")


def test_a_metric_of_ones_own_is_what_dev_reports(tmp_path: Path) -> None:
    def lenient(answer: dict[str, Any], labels: dict[str, Any], inputs: dict[str, Any]) -> float:
        return 1.0 if answer["topic"] == labels["topic"] else 0.5

    made = compiled(tmp_path, Function(lenient))
    assert 0.5 < made.dev["score"] < 1
    assert made.dev["score"] > made.dev["by_output"]["topic"]


def test_a_metric_that_says_the_same_of_every_row_is_refused(tmp_path: Path) -> None:
    def constant(answer: Any, labels: Any, inputs: Any) -> float:
        return 0.5

    with pytest.raises(ScoringError, match="nothing can be learnt"):
        compiled(tmp_path, Function(constant))


def test_a_metric_that_fails_on_many_rows_stops_it_and_names_the_first(tmp_path: Path) -> None:
    def broken(answer: Any, labels: Any, inputs: Any) -> float:
        return 1.0 / len(labels["missing"])

    with pytest.raises(ScoringError, match="KeyError") as caught:
        compiled(tmp_path, Function(broken))
    assert "where is number" in caught.value.where or "number" in caught.value.where
    assert not list((tmp_path / "out").glob("*"))


def test_one_that_fails_on_a_few_leaves_them_out_and_says_so(tmp_path: Path) -> None:
    def picky(answer: Any, labels: Any, inputs: Any) -> bool:
        if inputs["text"] == "nothing 1":
            raise ValueError("I do not like this row")
        return bool(answer["topic"] == labels["topic"])

    made = compiled(tmp_path, Function(picky))
    assert made.dev["n"] == 67
    assert any("fails on 1 of 68 rows" in note and "I do not like" in note for note in made.notes)


def test_nonsense_is_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="outside"):
        compiled(tmp_path, Function(lambda answer, labels, inputs: 7.0, name="seven"))
