"""After a small change only what depends on it is asked anew; other answers come from earlier journals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dspy
from test_instructions import GOOD, Sort, Understands, rows

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.compiler.passes.readout import SAMPLE
from shipworthy.examples import digest_of
from shipworthy.lms import Journal, Recorded

QUESTIONS = 1
"""`topic:`, which is the decision's own name too."""


def made(folder: Path, name: str, train: Sequence[dict[str, Any]], instruction: str = GOOD) -> int:
    """Calls that a compile really makes, with all journals of the folder to draw on."""
    others = sorted(folder.glob("*.jsonl"))
    lm = Recorded(Understands(), Journal(folder / f"{name}.jsonl", others=others))
    recipe = sw.Recipe(passes=[sw.Demos(), sw.Readout(), sw.Student()])
    source = source_of(dspy.Predict(Sort.with_instructions(instruction)), name="sort", recipe=recipe)
    compile_program(source, train, lm=lm, lm_name="stand-in", out=folder / "out")
    return lm.made


def many() -> list[dict[str, Any]]:
    """More rows than the words are taken from, those first."""
    return sorted(rows(SAMPLE + 60), key=digest_of)


def test_a_changed_row_costs_its_own_calls_alone(tmp_path: Path) -> None:
    train = many()
    first = made(tmp_path, "first", train)
    longer = [{**train[-1], "text": f"{train[-1]['text']} zebra {i}"} for i in range(100)]
    train[-1] = max(longer, key=digest_of)  # not among those whose words are read
    assert first == QUESTIONS * (len(train) - 3)  # three are demos
    assert made(tmp_path, "second", train) == QUESTIONS


def test_new_rows_cost_their_own_calls_alone(tmp_path: Path) -> None:
    train = many()
    made(tmp_path, "first", train[:-6])
    assert made(tmp_path, "second", train) == 6 * QUESTIONS


def test_another_recipe_over_the_same_prompt_costs_nothing(tmp_path: Path) -> None:
    train = many()
    made(tmp_path, "first", train)
    others = sorted(tmp_path.glob("*.jsonl"))
    lm = Recorded(Understands(), Journal(tmp_path / "second.jsonl", others=others))
    recipe = sw.Recipe(passes=[sw.Demos(), sw.Readout(c=(3.0,)), sw.Student(c=1.0)], target=0.8)
    source = source_of(dspy.Predict(Sort.with_instructions(GOOD)), name="sort", recipe=recipe)
    compile_program(source, train, lm=lm, lm_name="stand-in", out=tmp_path / "out")
    assert lm.made == 0


def test_another_instruction_changes_the_prompt_of_every_row(tmp_path: Path) -> None:
    train = many()
    first = made(tmp_path, "first", train)
    assert made(tmp_path, "second", train, instruction=GOOD + " Take care.") == first
