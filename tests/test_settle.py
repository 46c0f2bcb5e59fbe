"""What decides an output is chosen on held-out rows, and scored on rows that the choice has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from shipworthy.compiler.draft import Candidate, Draft
from shipworthy.compiler.settle import Choice, choose, hand_over_outliers
from shipworthy.runtime import Contract, Field, ReadoutHead, StudentHead

ANSWER = Field("answer", {"enum": ["no", "yes"]})
CONTRACT = Contract((Field("text", {"type": "string"}),), (ANSWER,))
ROWS = np.arange(100)
NOBODYS = ReadoutHead(
    np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros((2, 1), np.float32), np.zeros(2)
)


def says(probability_of_yes: Any) -> np.ndarray:
    shares = np.clip(np.asarray(probability_of_yes, float), 0.01, 0.99)
    return np.log(np.stack([1 - shares, shares], axis=1))


def chosen(held_out: list[np.ndarray], student: np.ndarray | None = None) -> Choice:
    rows = [{"text": f"row {i}", "answer": ("no", "yes")[i % 2]} for i in ROWS]
    draft = Draft("sort", CONTRACT, "Sort.", rows, [], module=None)  # type: ignore[arg-type]
    draft.readouts = {"answer": [Candidate(NOBODYS, one, (0,)) for one in held_out]}
    if student is not None:
        draft.students["answer"] = Candidate(StudentHead(np.zeros((2, 1)), np.zeros(2)), student)
    return choose(draft, ANSWER, ROWS, target=0.9)


def accuracy(log_probabilities: np.ndarray, choice: Choice) -> float:
    return float((log_probabilities.argmax(axis=1) == choice.classes).mean())


def test_the_best_of_many_guessers_is_not_scored_by_the_rows_that_it_was_chosen_on() -> None:
    flattering, honest = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        choice = chosen([says(rng.uniform(0.2, 0.8, 100)) for _ in range(10)])
        flattering.append(accuracy(choice.held_out, choice))
        honest.append(accuracy(choice.apart, choice))
    assert np.mean(flattering) > 0.55
    assert abs(np.mean(honest) - 0.5) < 3 * 0.5 / np.sqrt(600)


def test_one_candidate_scores_the_same_either_way() -> None:
    truth = np.arange(100) % 2
    choice = chosen([says(np.where(np.arange(100) < 90, truth, 1 - truth))])
    assert accuracy(choice.apart, choice) == accuracy(choice.held_out, choice) == 0.9


def test_guessers_get_no_threshold_however_many_they_are() -> None:
    rng = np.random.default_rng(0)
    assert not chosen([says(rng.uniform(0, 1, 100)) for _ in range(20)]).promised


def test_a_student_that_is_as_good_decides_alone() -> None:
    truth = np.arange(100) % 2
    choice = chosen([says(truth)], student=says(truth))
    assert choice.reads == ()
    assert choice.head.readout is None
    assert choice.why.startswith("the student alone is as good")


def test_rows_that_a_program_is_less_sure_of_than_of_nearly_all_others_are_handed_over() -> None:
    truth = np.arange(100) % 2
    sure = 0.8 + 0.19 * ROWS / 100
    choice = chosen([says(np.where(truth, sure, 1 - sure))])
    assert choice.head.threshold < 0.8
    handed = hand_over_outliers({"answer": choice}, 0.05)["answer"]
    confidence = np.exp(choice.apart.max(axis=1))
    assert (confidence < handed.head.threshold).sum() == 4
    assert hand_over_outliers({"answer": choice}, 0.0)["answer"].head.threshold == choice.head.threshold


def test_the_share_handed_over_is_shared_among_the_decisions() -> None:
    truth = np.arange(100) % 2
    choice = chosen([says(np.where(truth, 0.8 + 0.19 * ROWS / 100, 0.2 - 0.19 * ROWS / 100))])
    both = hand_over_outliers({"answer": choice, "other": choice}, 0.10)
    alone = hand_over_outliers({"answer": choice}, 0.05)
    assert both["other"].head.threshold == alone["answer"].head.threshold


def test_where_nothing_can_be_promised_every_row_still_counts_as_answered() -> None:
    choice = chosen([says(np.random.default_rng(0).uniform(0, 1, 100))])
    assert hand_over_outliers({"answer": choice}, 0.05)["answer"].head.threshold == 0.0


def test_a_student_that_says_nothing_still_makes_a_head_that_decides() -> None:
    truth = np.arange(100) % 2
    choice = chosen([], student=says(1 - truth))  # worse than nothing, so that its weight is 0
    assert choice.head.mix == (0.0, 0.0)
    words = (np.array([0], np.intp), np.array([1.0]))
    assert choice.head.probabilities(None, words).tolist() == [0.5, 0.5]
