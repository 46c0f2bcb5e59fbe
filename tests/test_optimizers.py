"""DSPy's optimizers as passes: counted, stopped at the budget, and refused where they cannot be used."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest

import shipworthy as sw
from shipworthy.compiler import Budget, compile_program, source_of
from shipworthy.compiler.passes.tried import Book
from shipworthy.errors import InputError, LMError, SourceError
from shipworthy.lms import Generation, Journal, Prompt, Recorded, Usage, open_lm


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()


class Learns:
    """A stand-in for an LM: it names the right topic more often the more demos it is shown.

    With `down_after` it fails after so many calls; `slow` calls take a moment, so that threads overlap.
    """

    id = "stand-in/learns"
    reads_logprobs = False
    context = 8000

    def __init__(self, *, workers: int = 1, down_after: int | None = None, slow: bool = False) -> None:
        self.workers = workers
        self.calls = 0
        self._down_after, self._slow = down_after, slow
        self._lock = threading.Lock()

    def tokenize(self, text: str) -> list[int]:
        raise AssertionError("it does not tokenise")

    def score(self, *_: Any) -> Any:
        raise AssertionError("it does not score")

    def generate(self, prompt: Prompt, **_: Any) -> Generation:
        with self._lock:
            self.calls += 1
            if self._down_after is not None and self.calls > self._down_after:
                raise LMError("the LM is down")
        if self._slow:
            time.sleep(0.005)
        number = int(next(word for word in prompt.user.split() if word.isdigit()))
        knows = number % 10 < 3 + len(prompt.turns)
        topic = topic_of(prompt.user) if knows else "lost"
        return Generation(json.dumps({"topic": topic}), True, Usage(10, 0, 5, 1.0))

    def close(self) -> None:
        pass


def topic_of(text: str) -> str:
    return "lost" if "where" in text else "broken" if "crack" in text else "praise"


def rows(n: int = 30) -> list[dict[str, Any]]:
    texts = {"lost": "where is number {}", "broken": "number {} has a crack", "praise": "number {} is lovely"}
    return [{"text": texts[topic].format(i), "topic": topic} for i in range(n // 3) for topic in texts]


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.topic == prediction.topic)


def compiled(folder: Path, *passes: Any, lm: Any = None, reflect: Any = None, **more: Any) -> Any:
    source = source_of(dspy.Predict(Sort), name="sort", recipe=sw.Recipe(passes=passes, **more))
    journal = Journal(folder / "journal.jsonl")
    return compile_program(
        source,
        rows(),
        lm=Recorded(lm or Learns(), journal),
        lm_name="stand-in",
        out=folder / "out",
        reflect=Recorded(reflect, journal) if reflect else None,
    )


def search(**more: Any) -> Any:
    return dspy.BootstrapFewShotWithRandomSearch(
        metric=right, max_bootstrapped_demos=2, max_labeled_demos=4, num_candidate_programs=3, **more
    )


def test_an_optimizer_that_ends_within_the_budget_decides_itself(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.DSPyOptimizer(search()), sw.Readout())
    (report,) = made.races
    assert (report["what"], report["why"]) == ("optimizer", "ended")
    assert len(made.program.spec.steps["sort"].demos) == 4
    assert report["tried"][0]["rows"] == 30
    assert report["tried"][0]["score"] == max(one["score"] for one in report["tried"] if one["rows"] == 30)
    assert len(report["tried"]) <= 50


@pytest.mark.parametrize("threads", [1, 4])
def test_at_the_budget_it_is_stopped_and_the_best_program_so_far_is_taken(
    tmp_path: Path, threads: int
) -> None:
    lm = Learns(workers=threads, slow=threads > 1)
    optimizer = search(num_threads=threads)
    made = compiled(tmp_path, sw.DSPyOptimizer(optimizer), sw.Readout(), lm=lm, budget=Budget(calls=140))
    assert made.lm_calls <= 140
    assert not any("unread" in note for note in made.notes)  # the readout's rows were kept back
    (report,) = made.races
    assert report["why"] == "budget"
    assert len(made.program.spec.steps["sort"].demos) == 4
    assert any("the budget ended it" in note and "is taken" in note for note in made.notes)
    best = max((one for one in report["tried"] if one["rows"] == 30), key=lambda one: one["score"])
    assert best["demos"] == 4


def test_nothing_is_asked_once_the_pass_is_over(tmp_path: Path) -> None:
    lm = Learns(workers=4, slow=True)
    made = compiled(tmp_path, sw.DSPyOptimizer(search(num_threads=4)), lm=lm, budget=Budget(calls=100))
    asked = lm.calls
    assert made.lm_calls == 100
    time.sleep(0.1)
    assert lm.calls == asked


def test_before_a_program_was_scored_on_enough_rows_the_program_stays(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.DSPyOptimizer(search()), sw.Readout(), budget=Budget(calls=35))
    assert made.program.spec.steps["sort"].demos == ()
    assert any("stays as it was" in note for note in made.notes)


def test_a_budget_of_tokens_stops_it_too(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.DSPyOptimizer(search()), sw.Readout(), budget=Budget(tokens=1500))
    assert 1000 < made.tokens <= 1500
    assert any("the budget ended it" in note for note in made.notes)


def test_the_users_object_is_left_as_it_was_and_the_next_run_is_the_same(tmp_path: Path) -> None:
    optimizer = dspy.BootstrapFewShot(metric=right, max_bootstrapped_demos=2)
    before = dict(vars(optimizer))
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.add(compiled(tmp_path / name, sw.DSPyOptimizer(optimizer), sw.Readout()).digest)
    assert len(digests) == 1
    assert vars(optimizer) == before


def test_an_lm_that_is_down_is_an_error_and_running_again_goes_on(tmp_path: Path) -> None:
    with pytest.raises(LMError, match="is down"):
        compiled(tmp_path, sw.DSPyOptimizer(search()), sw.Readout(), lm=Learns(down_after=40))
    lm = Learns()
    again = compiled(tmp_path, sw.DSPyOptimizer(search()), sw.Readout(), lm=lm)
    (tmp_path / "plain").mkdir()
    other = Learns()
    plain = compiled(tmp_path / "plain", sw.DSPyOptimizer(search()), sw.Readout(), lm=other)
    assert again.digest == plain.digest
    assert lm.calls == other.calls - 40


def test_a_metric_that_fails_is_an_error_and_no_score_of_zero(tmp_path: Path) -> None:
    def wrong(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(example.colour == prediction.topic)

    with pytest.raises(SourceError, match=r"the metric of BootstrapFewShot failed: .*colour"):
        compiled(tmp_path, sw.DSPyOptimizer(dspy.BootstrapFewShot(metric=wrong)), sw.Readout())


def test_programs_scored_on_other_rows_are_compared_on_those_that_both_have() -> None:
    book = Book(["text"], ["topic"], rows=40)

    def scores(instruction: str, numbers: range, value: Any) -> None:
        for i in numbers:
            book.asked(instruction, [], {"text": str(i)})
            book.scored({"text": str(i)}, value(i))

    assert book.best() is None
    scores("few rows", range(5), lambda i: 1.0)
    assert book.best() is None
    scores("all rows", range(40), lambda i: i < 20)  # the first half is easy
    scores("easy half", range(20), lambda i: i != 3)  # a higher mean, and yet worse there
    best = book.best()
    assert best is not None
    assert best.instruction == "all rows"
    scores("hard half", range(20, 40), lambda i: i > 37)  # a lower mean, and yet better there
    best = book.best()
    assert best is not None
    assert best.instruction == "hard half"
    assert [one["rows"] for one in book.as_json()] == [40, 20, 20, 5]


class Custom:
    """An optimizer of somebody's own."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def compile(self, student: Any, *, trainset: Any) -> Any:
        return self.result(student)


def changed(student: Any) -> Any:
    student.signature = student.signature.append("mood", dspy.OutputField(), type_=str)
    return student


def broken(student: Any) -> Any:
    raise RuntimeError("no luck today")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (broken, "Custom failed: RuntimeError: no luck today"),
        (lambda _: None, "gives back NoneType, no dspy.Module"),
        (lambda _: dspy.Module(), "gives back Module, 0 predictors"),
        (changed, "changes the signature's fields: mood"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, result: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        compiled(tmp_path, sw.DSPyOptimizer(Custom(result)), sw.Readout())
    assert caught.value.hint
    assert "Custom" in caught.value.where


def test_an_optimizer_that_catches_everything_is_stopped_all_the_same(tmp_path: Path) -> None:
    def stubborn(student: Any) -> Any:
        for i in range(500):
            try:
                student(text=f"where is number {i}")
            except BaseException:
                continue
        return student

    made = compiled(tmp_path, sw.DSPyOptimizer(Custom(stubborn)), sw.Readout(), budget=Budget(calls=100))
    assert made.lm_calls == 100
    assert any("stays as it was" in note for note in made.notes)


@pytest.mark.parametrize("bad", [dspy.LabeledFewShot, None, "LabeledFewShot"])
def test_what_is_no_optimizer_is_refused(bad: Any) -> None:
    with pytest.raises(InputError, match="is no optimizer"):
        sw.DSPyOptimizer(bad)


def test_a_function_of_nothing_makes_it_where_the_default_lm_is_ours(tmp_path: Path) -> None:
    seen = []

    def make() -> Any:
        seen.append(dspy.settings.lm.model)
        return dspy.LabeledFewShot(k=2)

    made = compiled(tmp_path, sw.DSPyOptimizer(make), sw.Readout())
    assert seen == ["local/stand-in/learns"]
    assert len(made.program.spec.steps["sort"].demos) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: 1 / 0, "the function fails: ZeroDivisionError"), (lambda: "me", "the function returns 'me'")],
)
def test_a_function_that_makes_none_is_refused(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        compiled(tmp_path, sw.DSPyOptimizer(make), sw.Readout())


class Reflects:
    """A stand-in for an LM that can reflect: it writes one instruction, in JSON or in a block, as asked."""

    id = "stand-in/reflects"
    workers = 1
    reads_logprobs = False
    context = 32_000

    def generate(self, prompt: Prompt, *, schema: Any = None, **_: Any) -> Generation:
        text = "Sort the message with care."
        if schema is not None:
            text = json.dumps(dict.fromkeys(schema["properties"], text))
        return Generation(text, True, Usage(100, 0, 20, 1.0))

    def tokenize(self, text: str) -> list[int]:
        raise AssertionError("it does not tokenise")

    def score(self, *_: Any) -> Any:
        raise AssertionError("it does not score")

    def close(self) -> None:
        pass


def with_feedback(
    gold: Any, pred: Any, trace: Any = None, pred_name: str | None = None, pred_trace: Any = None
) -> Any:
    return dspy.Prediction(score=float(gold.topic == pred.topic), feedback=f"right is {gold.topic}")


def test_one_that_reflects_gets_the_lm_named_for_it_and_its_calls_count(tmp_path: Path) -> None:
    made_by = sw.DSPyOptimizer(
        lambda lm: dspy.GEPA(metric=with_feedback, max_metric_calls=150, reflection_lm=lm, num_threads=1)
    )
    with pytest.raises(InputError, match="LM that can reflect"):
        compiled(tmp_path, made_by, sw.Readout())
    journal = Journal(tmp_path / "counted.jsonl")
    lm, reflect = Recorded(Learns(), journal), Recorded(Reflects(), journal)
    source = source_of(dspy.Predict(Sort), name="sort", recipe=sw.Recipe(passes=[made_by, sw.Readout()]))
    made = compile_program(source, rows(), lm=lm, lm_name="x", reflect=reflect, out=tmp_path / "out")
    assert reflect.calls > 0
    assert made.lm_calls == lm.calls + reflect.calls
    texts = {one["instruction"] for one in made.races[0]["tried"]}
    assert texts == {"Sort the message.", "Sort the message with care."}


@pytest.mark.slow
def test_a_search_over_the_embedded_lm_is_stopped_at_its_budget(tmp_path: Path) -> None:
    lm = Recorded(open_lm("local"), Journal(tmp_path / "journal.jsonl"))
    optimizer = dspy.BootstrapFewShotWithRandomSearch(metric=right, num_candidate_programs=2, num_threads=2)
    recipe = sw.Recipe(passes=[sw.DSPyOptimizer(optimizer, rows=10)], budget=Budget(calls=15))
    source = source_of(dspy.Predict(Sort), name="sort", recipe=recipe)
    made = compile_program(source, rows(30), lm=lm, lm_name="local", out=tmp_path / "out")
    lm.close()
    assert made.lm_calls == 15
    assert made.races[0]["tried"][0]["rows"] == 10
