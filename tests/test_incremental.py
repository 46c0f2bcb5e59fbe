"""After a small change only what depends on it is asked anew; other answers come from earlier journals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import numpy as np
import pytest
from test_instructions import GOOD, Sort, Understands, rows

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.compiler.passes.readout import SAMPLE
from shipworthy.examples import digest_of
from shipworthy.lms import Journal, Prompt, Question, Recorded, Scores
from shipworthy.runtime import read_artifact

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


class Babbles(Understands):
    """What it says of tokens that are no label's differs wildly from row to row."""

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        rng = np.random.default_rng(int(digest_of(prompt.user)[:8], 16))
        found = []
        for scores in super().score(prompt, questions):
            noise = 9 * rng.normal(size=len(scores.logprobs))
            noise[:3] = 0
            found.append(replace(scores, logprobs=(scores.logprobs + noise).astype(np.float32)))
        return found


@pytest.mark.parametrize(("width", "looks_at"), [((8,), set(range(8))), ((3, 8), {0, 1, 2})])
def test_a_narrower_width_is_taken_where_other_tokens_only_add_noise(
    tmp_path: Path, width: tuple[int, ...], looks_at: set[int]
) -> None:
    lm = Recorded(Babbles(), Journal(tmp_path / "journal.jsonl"))
    recipe = sw.Recipe(passes=[sw.Readout(width=width)])
    source = source_of(dspy.Predict(Sort.with_instructions(GOOD)), name="sort", recipe=recipe)
    made = compile_program(source, rows(), lm=lm, lm_name="stand-in", out=tmp_path / "out")
    _, heads, _, _ = read_artifact(made.artifact)
    head = heads["sort"].by_output["topic"].readout
    assert head is not None
    assert head.weights.shape == (3, max(width))
    assert set(np.flatnonzero(np.abs(head.weights).max(axis=0)).tolist()) == looks_at
    assert lm.made == QUESTIONS * 60
    assert made.program(text="where is number 99").topic == "lost"
