"""Simple baselines: what they learn from, and that each is given its best chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest
from test_instructions import Understands

from shipworthy.compiler import fit_linear
from shipworthy.errors import LMError
from shipworthy.evidence.baselines import embedding_lr
from shipworthy.lms import Embedding, Journal, Recorded, Usage
from shipworthy.runtime import Progress
from shipworthy.runtime.dspy_bridge import contract_of

TOPICS = ("lost", "broken", "praise")


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()


class Embeds(Understands):
    """A stand-in for an LM whose embeddings hold the topic, and some noise."""

    def embed(self, text: str) -> Embedding:
        vector = np.random.default_rng(len(text)).normal(0, 0.2, 8)
        vector[TOPICS.index(text.split()[-1])] += 1
        return Embedding((vector / np.linalg.norm(vector)).astype(np.float32), Usage(tokens_in=3, ms=2.0))


def rows(n: int) -> list[dict[str, Any]]:
    return [{"text": f"{'so ' * i}{topic}", "topic": topic} for i in range(n) for topic in TOPICS]


def test_embeddings_with_logistic_regression_learn_what_the_vectors_hold(tmp_path: Path) -> None:
    lm = Recorded(Embeds(), Journal(tmp_path / "journal.jsonl"))
    answer = embedding_lr(contract_of(Sort), rows(8), lm, progress=Progress())
    found = [outcome.unwrap() for outcome in answer(rows(12)[24:])]
    assert [one.outputs["topic"] for one in found] == [*TOPICS] * 4
    assert all(one.steps[0].tokens_in == 3 for one in found)
    assert lm.made == 36
    list(answer(rows(12)))
    assert lm.made == 36


def test_an_lm_without_embeddings_says_so(tmp_path: Path) -> None:
    lm = Recorded(Understands(), Journal(tmp_path / "journal.jsonl"))
    assert not lm.embeds
    with pytest.raises(LMError, match="gives no embeddings"):
        lm.embed("lost")


def test_the_penalty_is_the_one_that_held_out_rows_speak_for() -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 3
    noisy = np.eye(3)[classes] + rng.normal(0, 3, (60, 3))
    strong, weak = (
        float(np.abs(fit_linear(noisy, classes, 3, cs=cs).weights).sum()) for cs in ((1e-3,), (1e3,))
    )
    chosen = float(np.abs(fit_linear(noisy, classes, 3, cs=(1e-3, 1e3)).weights).sum())
    assert chosen == pytest.approx(strong) != pytest.approx(weak)


def test_one_row_is_enough_to_fit_on() -> None:
    head = fit_linear(np.ones((1, 4)), np.array([1]), 3, cs=(0.1, 1.0))
    assert np.isfinite(head.log_probabilities(np.ones(4))).all()
