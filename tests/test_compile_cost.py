"""What `benchmarks/compile_cost.py` counts, and which program it takes for an optimizer's best so far."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shipworthy.errors import ContextLengthError
from shipworthy.lms import Generation, Journal, Prompt, Question, Scores, Usage

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))  # behind Python's own `statistics`

from compile_cost_lm import Counted, Decisions, OutOfTime, Timed, branches

LABELS = ("card", "card lost", "card found", "refund")


class Words:
    """An LM whose tokens are words; every continuation is likelier the lower its token."""

    id, workers, reads_logprobs, context = "words", 1, True, 100

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.calls = 0
        self.most = sys.maxsize

    def tokenize(self, text: str) -> list[int]:
        return [
            self.words.setdefault(word, len(self.words))
            for word in text.replace("\n", " \n ").split(" ")
            if word
        ]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        if self.calls >= self.most:
            raise OutOfTime
        self.calls += len(questions)
        found = []
        for question in questions:
            raw = -np.array(question.tokens, np.float32)
            found.append(Scores(raw - np.log(np.exp(raw).sum()), Usage(5, 0, 1, 1.0)))
        return found

    def generate(self, prompt: Prompt, **_: Any) -> Generation:
        self.calls += 1
        if prompt.user == "long":
            raise ContextLengthError("too long")
        return Generation("card", True, Usage(7, 0, 1, 1.0))

    def close(self) -> None:
        pass


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "calls.jsonl")


def test_labels_part_where_their_tokens_do() -> None:
    found = branches(LABELS, Words().tokenize)
    assert [branch.said for branch in found] == ["", " card"]
    assert sorted(sorted(own) for own in found[0].labels) == [[0, 1, 2], [3]]
    assert sorted(sorted(own) for own in found[1].labels) == [[0], [1], [2]]


def test_a_labels_probability_is_the_product_of_its_shares_and_all_sum_to_one(journal: Journal) -> None:
    lm = Counted(Words(), journal)
    client = Decisions(lm)
    state = {"instructions": "Classify.", "inputs": {"text": "gone"}}
    question = {"type": "choice", "instructions": "what", "criteria": dict.fromkeys(LABELS)}
    shares = client(state, {"intent": question})["intent"]["probabilities"]
    assert sum(shares.values()) == pytest.approx(1)
    first, second = branches(LABELS, lm.tokenize)
    at = {branch: np.exp(-np.array(branch.tokens, float)) for branch in (first, second)}
    of_card = at[first][[0 in own for own in first.labels]] / at[first].sum()
    lost = at[second][[1 in own for own in second.labels]] / at[second].sum()
    assert shares["card lost"] == pytest.approx(float((of_card * lost)[0]))
    assert lm.distinct.calls == 2
    client(state, {"intent": question})
    assert (lm.all.calls, lm.distinct.calls) == (4, 2)


def test_first_tokens_alone_are_one_request_and_labels_that_begin_alike_share_evenly(
    journal: Journal,
) -> None:
    lm = Counted(Words(), journal)
    question = {"type": "choice", "instructions": "what", "criteria": dict.fromkeys(LABELS)}
    state = {"instructions": "Classify.", "inputs": {"text": "gone"}}
    shares = Decisions(lm, whole=False)(state, {"intent": question})["intent"]["probabilities"]
    assert lm.all.calls == 1
    assert shares["card"] == shares["card lost"] == shares["card found"]
    assert sum(shares.values()) == pytest.approx(1)


def test_a_repeat_and_a_failure_are_requests_and_a_call_from_the_journal_is_one_at_its_old_cost(
    journal: Journal,
) -> None:
    engine = Words()
    lm = Counted(engine, journal)
    for _ in range(2):
        lm.generate(Prompt(user="a"), max_tokens=5)
    with pytest.raises(ContextLengthError):
        lm.generate(Prompt(user="long"), max_tokens=5)
    assert (lm.all.calls, lm.distinct.calls, lm.failed, engine.calls) == (3, 2, 1, 2)
    assert (lm.all.tokens_in, lm.distinct.tokens_in) == (14, 7)
    again = Counted(engine, journal)
    again.generate(Prompt(user="a"), max_tokens=5)
    assert (again.distinct.calls, again.distinct.tokens_in, engine.calls) == (1, 7, 2)
    assert again.distinct.ms == lm.distinct.ms > 0


def test_a_budget_is_told_before_the_request_that_would_pass_it(journal: Journal) -> None:
    told: list[int] = []
    lm = Counted(Words(), journal, before=told.append)
    lm.generate(Prompt(user="a"), max_tokens=5)
    lm.generate(Prompt(user="a"), max_tokens=5)
    lm.score(Prompt(user="b"), [Question("", (1, 2)), Question(" card", (1, 2))])
    assert told == [1, 3]


def test_after_the_deadline_the_journal_still_answers_and_the_lm_does_not(journal: Journal) -> None:
    engine = Words()
    Counted(Timed(engine), journal).generate(Prompt(user="a"), max_tokens=5)
    late = Counted(Timed(engine, deadline=time.monotonic() - 1), journal)
    late.generate(Prompt(user="a"), max_tokens=5)
    with pytest.raises(OutOfTime):
        late.generate(Prompt(user="b"), max_tokens=5)


def test_the_time_of_several_questions_adds_up_to_the_whole_call() -> None:
    found = Timed(Words()).score(Prompt(user="a"), [Question("", (1, 2)), Question(" card", (1, 2))])
    assert found[1].usage.ms == 1.0
    assert sum(scores.usage.ms for scores in found) < 1000


def test_the_best_so_far_is_the_best_of_the_programs_scored_on_every_row_they_need() -> None:
    dspy_side = pytest.importorskip("compile_cost_dspy", reason="needs dspy")
    book = dspy_side.Book(needed=2)

    def ask(name: str, row: int, right: bool | None) -> None:
        signature = SimpleNamespace(instructions=name)
        book.begin(SimpleNamespace(signature=signature, demos=[], fields={}), {"text": str(row)})
        if right is not None:
            book.score({"intent": "yes"}, {"intent": "yes" if right else "no"})

    assert book.best() is None
    ask("one", 1, True)
    ask("better but not scored on all", 1, True)
    ask("one", 2, None)  # its answer could not be read
    assert book.best() is None, "the last answer may still come"
    ask("two", 1, True)
    assert book.best()["instructions"] == "one"
    ask("two", 2, True)
    assert book.best()["instructions"] == "two"
    ask("as good as two", 1, True)
    ask("as good as two", 2, True)
    assert book.best()["instructions"] == "two", "the first of equals"


def test_json_results_hold_what_the_tables_need() -> None:
    """A stopped optimizer without a program counts as the student that is not compiled."""
    report = pytest.importorskip("compile_cost_report", reason="needs dspy")
    nothing = {"calls": 0, "tokens_in": 0, "tokens_out": 0, "ms": 0.0}
    run = {"program": "p", "all": nothing, "distinct": nothing, "failed": 0, "seconds": 0.0}
    rng = random.Random(0)
    right = [int(rng.random() < 0.9) for _ in range(100)]

    def unit(own: list[int], **cut: Any) -> dict[str, Any]:
        runs = {str(budget): cut.get(f"at_{budget}", run) for budget in (50, 100, 250, 500, 1000)}
        return {
            "runs": {**runs, "all": run},
            "programs": {"p": {"right": own}},
            "settings": "",
            "error": None,
        }

    found = report.Found(
        {
            ("shipworthy -O2", "readout"): unit(right),
            ("GEPA", "choice"): unit([0] * 100, at_50={"program": None}),
            ("student with demos", "choice"): unit([1] * 100),
        },
        missing=(),
    )
    assert found.right("GEPA", "choice", "50") == [1] * 100
    assert found.right("GEPA", "choice", "100") == [0] * 100
    assert "**no**" in report.goals([found])
    assert json.dumps(found.right("GEPA", "grammar", "50")) == "null"


def test_a_stopped_unit_goes_on_and_its_last_program_is_the_best_by_its_own_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = pytest.importorskip("compile_cost_units", reason="needs dspy")
    monkeypatch.setattr(units, "RESULTS", tmp_path)
    rows = tuple({"text": f"{LABELS[i % 4]} {i}", "intent": LABELS[i % 4]} for i in range(12))
    engine = Words()
    key = units.Key("invented", 0, "RandomSearch", "choice")

    def bench() -> Any:
        calls = Journal(tmp_path / "calls.jsonl")
        return units.Bench(rows, rows[:4], LABELS, Timed(engine), calls, tmp_path, lambda _: None)

    engine.most = 150
    with pytest.raises(OutOfTime):
        units.run_unit(key, bench())
    engine.most = sys.maxsize
    whole = bench()
    assert not units.is_done(key, whole)
    units.run_unit(key, whole)
    assert units.is_done(key, whole)
    found = key.read()
    last = found["runs"]["all"]
    assert found["runs"]["50"]["program"] in found["programs"]
    assert found["runs"]["1000"]["program"] == last["program"]
    assert last["distinct"]["calls"] <= last["all"]["calls"]
    assert len(found["programs"][last["program"]]["right"]) == 4
    engine.most = 0
    key.path.unlink()
    units.run_unit(key, bench())  # the journal has every call
    again = key.read()["runs"]["all"]
    assert again["distinct"] == last["distinct"], "with what it took when it was made"


def test_train_rows_are_cut_to_size_with_the_classes_in_proportion_and_the_test_rows_are_always_the_same(
    tmp_path: Path,
) -> None:
    bench = pytest.importorskip("compile_cost", reason="needs dspy")
    for split, n in (("train", 500), ("test", 700)):
        lines = [json.dumps({"text": f"{split} {i}", "intent": LABELS[i % 4], "note": "x"}) for i in range(n)]
        (tmp_path / f"invented.{split}.jsonl").write_text("\n".join(lines))
    first, second = (bench.rows_of(tmp_path, "invented", seed) for seed in (0, 1))
    assert [row["intent"] for row in first.train].count("card lost") == bench.N_TRAIN / 4
    assert set(first.train[0]) == {"text", "intent"}
    assert first.test == second.test
    assert first.train != second.train
    texts = [sorted(row["text"] for row in rows.train) for rows in (first, second)]
    assert texts[0] == texts[1], "the seed orders them, and draws no others"
