"""Evaluation: every row counted once, nothing lost, nothing invented; interrupted or not."""

from __future__ import annotations

import itertools
import json
import math
import random
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import ExamplesError, LMError, OutputError, RowError, ScoringError, StorageError
from shipworthy.evidence.figures import selective, summary
from shipworthy.runtime import Answer, Outcome, StepTrace, ordered_map
from shipworthy.scoring import (
    EXACT,
    Evaluation,
    RowResult,
    evaluate,
    mean_interval,
    paired_rows,
    wilson,
)
from shipworthy.scoring.metrics import RowScore

Row = Mapping[str, Any]


def rows_of(n: int) -> list[dict[str, Any]]:
    return [{"text": f"row {i}", "desk": "bar" if i % 3 else "inn"} for i in range(n)]


def answer(row: Row) -> Answer:
    step = StepTrace("s", (), ("said bar",), {}, {}, {}, True, 2.0, 10, 1, 1)
    return Answer({"desk": "bar"}, {"desk": 0.75}, True, (step,))


def many(
    function: Callable[[Row], Answer] = answer, workers: int = 2, **options: Any
) -> Callable[[Iterable[Row]], Iterator[Outcome[Answer]]]:
    return lambda rows: ordered_map(function, rows, workers=workers, **options)


def run(rows: Iterable[Row], answer_many: Any = None, **options: Any) -> Evaluation:
    options = {"outputs": ["desk"], "metric": EXACT, **options}
    return evaluate(answer_many or many(), rows, **options)


@dataclass(frozen=True)
class Graded:
    """Scores a row by what a function makes of its answer and its inputs."""

    by: Callable[[Row, Row], float]
    name: str = "graded"
    version: int = 1

    def score(self, answer: Row, labels: Row, inputs: Row) -> RowScore:
        value = self.by(answer, inputs)
        return RowScore(value, dict.fromkeys(labels, value))

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "parameters": {}}


def number(inputs: Row) -> int:
    return int(inputs["text"].split()[1])


def fails_on_every_fourth(answer: Row, inputs: Row) -> float:
    if number(inputs) % 4 == 0:
        raise ZeroDivisionError("nothing to divide by")
    return 0.5


# What a score is the mean of


def test_the_score_is_the_share_of_rows_that_are_right() -> None:
    evaluation = run(rows_of(9))
    assert evaluation.right == [False, True, True] * 3
    assert (evaluation.score, evaluation.ci, evaluation.ci_method) == (6 / 9, wilson(6, 9), "wilson")
    assert evaluation.by_output() == {"desk": 6 / 9}
    assert evaluation.complete
    first = evaluation.results[0]
    assert (first.outputs, first.labels, first.confidences) == (
        {"desk": "bar"},
        {"desk": "inn"},
        {"desk": 0.75},
    )
    assert (first.tokens, first.tokens_in, first.tokens_out, first.lm_calls, first.ms) == (11, 10, 1, 1, 2.0)
    assert first.raw == ("said bar",)


def test_one_row_is_enough() -> None:
    assert run(rows_of(2)[1:]).score == 1.0


def test_no_rows_are_refused_with_what_to_do() -> None:
    with pytest.raises(ScoringError, match="no rows to evaluate") as caught:
        run([])
    assert "at least one" in caught.value.hint
    for outputs in ([], "desk"):
        with pytest.raises(ScoringError, match="no outputs"):
            run(rows_of(1), outputs=outputs)


def test_an_error_of_the_program_is_kept_and_counts_as_wrong() -> None:
    def work(row: Row) -> Answer:
        if number(row) == 1:
            raise OutputError("not JSON")
        return answer(row)

    evaluation = run(rows_of(3), many(work))
    assert (evaluation.score, evaluation.errors, evaluation.failures) == (1 / 3, 1, 0)
    failed = evaluation.results[1]
    assert (failed.outputs, failed.score, failed.by_output) == (None, 0.0, {"desk": 0.0})
    assert isinstance(failed.error, OutputError)


def test_where_every_row_is_an_error_the_score_is_zero() -> None:
    def work(row: Row) -> Answer:
        raise OutputError("no")

    evaluation = run(rows_of(5), many(work))
    assert (evaluation.score, evaluation.ci, evaluation.errors) == (0.0, wilson(0, 5), 5)
    assert "0.0 %" in evaluation._repr_html_()


def test_a_metric_that_fails_is_no_zero() -> None:
    evaluation = run(rows_of(8), metric=Graded(fails_on_every_fourth))
    assert (evaluation.score, evaluation.failures, evaluation.scored, evaluation.errors) == (0.5, 2, 6, 0)
    failed = evaluation.results[4]
    assert (failed.score, failed.right, failed.by_output) == (None, False, {"desk": None})
    assert failed.failure is not None
    assert failed.failure.type == "ZeroDivisionError"


def test_where_no_row_can_be_scored_there_is_no_score() -> None:
    evaluation = run(rows_of(1), metric=Graded(fails_on_every_fourth))
    assert evaluation.failures == 1
    with pytest.raises(ScoringError, match="none of 1 rows"):
        _ = evaluation.score
    assert "no row could be scored" in evaluation._repr_html_()
    assert evaluation.by_output() == {"desk": None}


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.5, None])
def test_a_number_that_is_no_score_is_a_failure_of_the_metric(value: Any) -> None:
    evaluation = run(rows_of(2), metric=Graded(lambda answer, inputs: value))
    assert evaluation.failures == 2


def test_a_judge_that_is_down_ends_the_evaluation() -> None:
    def down(answer: Row, inputs: Row) -> float:
        raise LMError("the judge is down")

    with pytest.raises(LMError, match="judge"):
        run(rows_of(2), metric=Graded(down))


def test_an_output_of_none_is_a_value_like_any_other() -> None:
    def work(row: Row) -> Answer:
        return Answer({"desk": None}, {"desk": None}, True)

    rows = [{"text": "a", "desk": None}, {"text": "b", "desk": "bar"}]
    evaluation = run(rows, many(work))
    assert evaluation.right == [True, False]
    assert evaluation.results[0].outputs == {"desk": None}
    assert evaluation.results[0].confidence is None
    assert evaluation.results[0].usd == 0.0


def test_a_row_without_its_label_is_refused_and_says_which() -> None:
    with pytest.raises(ExamplesError, match="'desk'") as caught:
        run([*rows_of(2), {"text": "row 2"}])
    assert caught.value.where == "row 2"


def test_a_row_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ExamplesError, match="mapping"):
        run(["row"])  # type: ignore[list-item]


@pytest.mark.parametrize("given", [2, 4])
def test_another_number_of_outcomes_than_rows_is_refused(given: int) -> None:
    def wrong(rows: Iterable[Row]) -> Iterator[Outcome[Answer]]:
        read = list(rows)
        return iter([Outcome(answer(read[0]))] * given)

    with pytest.raises(ScoringError, match=r"outcomes|not answered"):
        run(rows_of(3), wrong)


# Order, and how much is read ahead


def test_order_holds_under_random_delays() -> None:
    draw = random.Random(1)
    delays = [draw.random() / 500 for _ in range(60)]

    def work(row: Row) -> Answer:
        time.sleep(delays[number(row)])
        return Answer({"desk": row["text"]}, {"desk": 1.0}, True)

    evaluation = run(rows_of(60), many(work, workers=8))
    assert [result.outputs for result in evaluation.results] == [{"desk": f"row {i}"} for i in range(60)]
    assert [result.index for result in evaluation.results] == list(range(60))


def test_a_thousand_workers_may_be_asked_for() -> None:
    before = threading.active_count()
    most = 0

    def work(row: Row) -> Answer:
        nonlocal most
        most = max(most, threading.active_count() - before)
        return answer(row)

    assert run(rows_of(20), many(work, workers=1000)).score == 13 / 20
    assert most <= 20


def test_rows_are_read_only_a_little_ahead() -> None:
    read = 0

    def endless() -> Iterator[Row]:
        nonlocal read
        for i in itertools.count():
            read = i + 1
            yield {"text": f"row {i}", "desk": "bar"}

    done: list[int] = []

    def on_row(n: int) -> None:
        done.append(n)
        assert read <= n + 2 * 4 + 1

    evaluation = run(endless(), on_row=on_row, cancelled=lambda: len(done) >= 500)
    assert (len(evaluation.results), evaluation.complete) == (500, False)
    assert done == list(range(1, 501))


def test_rows_that_end_in_an_error_raise_it_when_those_before_are_scored(tmp_path: Path) -> None:
    def broken() -> Iterator[Row]:
        yield from rows_of(5)
        raise ValueError("the file ended badly")

    done: list[int] = []
    with pytest.raises(ValueError, match="ended badly"):
        run(broken(), on_row=done.append, checkpoint=tmp_path / "c.jsonl", program="p")
    assert done == [1, 2, 3, 4, 5]
    assert answered_again(rows_of(5), tmp_path / "c.jsonl") == []


# Stopping early


@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_cancelled_evaluation_is_marked_as_partial(after: int) -> None:
    stop = threading.Event()
    if not after:
        stop.set()
    evaluation = run(rows_of(20), on_row=lambda n: stop.set() if n == after else None, cancelled=stop)
    assert (len(evaluation.results), evaluation.complete) == (after, False)
    assert "incomplete" in repr(evaluation)
    assert "cancelled" in evaluation._repr_html_()


@pytest.mark.parametrize("rows", [rows_of(5), "generator"])
def test_a_stop_after_the_last_row_changes_nothing(rows: Any) -> None:
    done: list[int] = []
    source = iter(rows_of(5)) if rows == "generator" else rows
    assert run(source, on_row=done.append, cancelled=lambda: len(done) == 5).complete


def test_a_partial_evaluation_is_not_compared_unless_asked() -> None:
    whole = run(rows_of(6))
    done: list[int] = []
    part = run(rows_of(6), on_row=done.append, cancelled=lambda: len(done) >= 4)
    with pytest.raises(ScoringError, match="cancelled"):
        paired_rows(whole, part)
    pairs = paired_rows(part, whole, partial=True)
    assert pairs.rows.tolist() == [0, 1, 2, 3]
    assert paired_rows(whole, part, partial=True).second.tolist() == pairs.first.tolist()


def test_an_interrupt_leaves_what_is_finished_in_the_checkpoint(tmp_path: Path) -> None:
    def interrupt(n: int) -> None:
        if n == 7:
            raise KeyboardInterrupt

    path = tmp_path / "c.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(rows_of(20), on_row=interrupt, checkpoint=path, program="p")
    assert answered_again(rows_of(20), path) == list(range(7, 20))


# Going on where it stopped


def answered_again(rows: Iterable[Row], path: Path, **options: Any) -> list[int]:
    """Which rows a call with this checkpoint has answered anew."""
    found: list[int] = []

    def work(row: Row) -> Answer:
        found.append(number(row))
        return answer(row)

    run(rows, many(work, workers=1), checkpoint=path, program="p", **options)
    return found


def uneven(row: Row) -> Answer:
    """Answers of all kinds, and errors, each the same whenever its row comes again."""
    i = number(row)
    if i % 7 == 3:
        raise OutputError("not JSON", hint="ask again", where=f"row {i}")
    step = StepTrace("s", (), (f"said {i}", [[1, -0.5]]), {}, {}, {}, True, i / 3, 10, i, i % 2)
    confidence = {"desk": None if i % 5 == 0 else 1 / (i + 1)}
    return Answer({"desk": "bar" if i % 3 else ["ä", {"b": 1}]}, confidence, bool(i % 2), (step,))


@given(data=st.data())
@settings(max_examples=150)
def test_interrupted_and_resumed_is_the_same_as_uninterrupted(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=25).map(texts), label="rows")
    workers = data.draw(st.integers(1, 3), label="workers")
    metric = data.draw(st.sampled_from([EXACT, Graded(fails_on_every_fourth)]), label="metric")
    whole = run(rows, many(uneven, workers=workers), metric=metric)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.jsonl"

        def go(stop_at: int) -> Evaluation:
            done: list[int] = []
            return run(
                rows,
                many(uneven, workers=workers),
                metric=metric,
                checkpoint=path,
                program="p",
                on_row=done.append,
                cancelled=lambda: len(done) >= stop_at,
            )

        go(data.draw(st.integers(0, len(rows)), label="cancelled after"))
        data_there = path.read_bytes()
        path.write_bytes(data_there[: data.draw(st.integers(0, len(data_there)), label="cut to bytes")])
        go(data.draw(st.integers(0, len(rows)), label="cancelled again after"))
        resumed = go(len(rows) + 1)
        assert resumed == whole
        assert resumed.complete
        assert go(len(rows) + 1) == whole


def texts(numbers: list[int]) -> list[dict[str, Any]]:
    return [{"text": f"row {i}", "desk": "bar" if i % 2 else "inn"} for i in numbers]


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from test_evaluate import answer, many, rows_of, run

def work(row):
    time.sleep(0.005)
    return answer(row)

def on_row(n):
    if n == 40:
        print(n, flush=True)

run(rows_of(100000), many(work), checkpoint={path!r}, program="p", on_row=on_row)
"""


def test_after_kill_9_only_rows_that_were_in_flight_are_repeated(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    code = KILLED.format(tests=str(Path(__file__).parent), path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "40"
        process.send_signal(signal.SIGKILL)
    kept = path.read_bytes().count(b"\n") - 1
    assert kept >= 40
    assert answered_again(rows_of(kept + 5), path) == list(range(kept, kept + 5))


def test_a_damaged_line_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    answered_again(rows_of(5), path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"score":1.0', b'"score":0.0')
    path.write_bytes(b"".join(lines))
    assert answered_again(rows_of(5), path) == [2]


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    answered_again(rows_of(5), path)
    path.write_bytes(path.read_bytes()[:-20])
    assert answered_again(rows_of(5), path) == [4]
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert answered_again(rows_of(5), path) == []


def test_a_row_that_changed_is_answered_again_and_one_that_moved_is_not(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    rows = rows_of(5)
    answered_again(rows, path)
    rows[3] = {**rows[3], "desk": "bar"}
    assert answered_again(rows[::-1], path) == [3]


def test_equal_rows_are_each_answered(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    assert answered_again(texts([1, 1]), path) == [1, 1]
    assert answered_again(texts([1, 1, 1]), path) == [1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"program": "another"}, "program"),
        ({"metric": Graded(lambda answer, inputs: 1.0)}, "metric"),
        ({"outputs": ["text"]}, "outputs"),
        ({"inputs": ["text"]}, "inputs"),
    ],
)
def test_a_checkpoint_of_another_evaluation_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "c.jsonl"
    run(rows_of(3), checkpoint=path, program="p")
    before = path.read_bytes()
    with pytest.raises(ScoringError, match=f"another evaluation: {said} differ"):
        run(rows_of(3), **{"checkpoint": path, "program": "p", **change})
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["text,desk\nhello,bar\n", "hello", '{"a": 1}\n'])
def test_a_file_that_is_no_checkpoint_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(ScoringError, match="no checkpoint"):
        run(rows_of(3), checkpoint=path, program="p")
    assert path.read_text() == text


def test_a_checkpoint_needs_to_know_the_program(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="which program"):
        run(rows_of(3), checkpoint=tmp_path / "c.jsonl")


def test_a_programs_own_digest_is_used(tmp_path: Path) -> None:
    class Fake:
        digest = "abc"

        def answer_many(self, rows: Iterable[Row]) -> Iterator[Outcome[Answer]]:
            return ordered_map(answer, rows, workers=1)

    run(rows_of(3), Fake().answer_many, checkpoint=tmp_path / "c.jsonl")
    assert answered_again(rows_of(3), tmp_path / "d.jsonl") == [0, 1, 2]
    with pytest.raises(ScoringError, match="program differ"):
        answered_again(rows_of(3), tmp_path / "c.jsonl")


def test_rows_can_be_named_by_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    rows = [{**row, "odd": math.nan} for row in rows_of(3)]
    with pytest.raises(ExamplesError, match="no digest"):
        run(rows, checkpoint=path, program="p")
    assert answered_again(rows, path, row_digest=lambda row: row["text"]) == [0, 1, 2]
    assert answered_again(rows, path, row_digest=lambda row: row["text"]) == []


def test_only_its_owner_reads_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.jsonl"
    run(rows_of(1), checkpoint=path, program="p")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_evaluations_do_not_write_one_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    def again(n: int) -> None:
        with pytest.raises(StorageError, match="another evaluation is writing"):
            run(rows_of(3), checkpoint=path, program="p")

    run(rows_of(3), checkpoint=path, program="p", on_row=again)


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, old[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            run(rows_of(50), checkpoint=path, program="p")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    lines = path.read_text().splitlines()
    kept = len([json.loads(line) for line in lines]) - 1
    assert kept > 2
    assert answered_again(rows_of(50), path) == list(range(kept, 50))


def test_what_something_outside_failed_on_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    def down(row: Row) -> Answer:
        if number(row) == 1:
            raise LMError("down")
        return answer(row)

    first = run(rows_of(3), many(down, keep=(RowError, LMError)), checkpoint=path, program="p")
    assert first.errors == 1
    assert answered_again(rows_of(3), path) == [1]


def test_a_metric_that_failed_tries_again_without_another_answer(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    run(rows_of(8), metric=Graded(fails_on_every_fourth), checkpoint=path, program="p")

    def never(row: Row) -> Answer:
        raise AssertionError("answered again")

    better = Graded(lambda answer, inputs: 0.25)
    evaluation = run(rows_of(8), many(never), metric=better, checkpoint=path, program="p")
    assert (evaluation.failures, evaluation.scores.tolist()) == (0, [0.25, 0.5, 0.5, 0.5] * 2)


def test_an_answer_is_kept_where_the_judge_was_down(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    def down(answer: Row, inputs: Row) -> float:
        if number(inputs) == 2:
            raise LMError("the judge is down")
        return 0.5

    with pytest.raises(LMError):
        run(rows_of(3), metric=Graded(down), checkpoint=path, program="p")
    again = Graded(lambda answer, inputs: 0.5)
    assert answered_again(rows_of(3), path, metric=again) == []


# Comparing two


def test_pairs_leave_out_what_either_side_could_not_score() -> None:
    first = run(rows_of(8), metric=Graded(fails_on_every_fourth))
    second = run(rows_of(8), metric=Graded(lambda answer, inputs: number(inputs) / 8))
    pairs = paired_rows(first, second)
    assert pairs.rows.tolist() == [1, 2, 3, 5, 6, 7]
    assert pairs.second.tolist() == [i / 8 for i in (1, 2, 3, 5, 6, 7)]
    assert (pairs.left_out, pairs.binary) == (2, False)


def test_some_rows_are_paired_by_their_places() -> None:
    rows = rows_of(10)
    pairs = paired_rows(run(rows), run([rows[i] for i in (3, 4, 9)]), at=[3, 4, 9])
    assert pairs.rows.tolist() == [3, 4, 9]
    assert pairs.first.tolist() == pairs.second.tolist() == [0.0, 1.0, 0.0]


def test_other_rows_are_no_pairs() -> None:
    with pytest.raises(ScoringError, match="other labels"):
        paired_rows(run(rows_of(3)), run(rows_of(3)[::-1][1:] + rows_of(1)))
    with pytest.raises(ScoringError, match="no pairs"):
        paired_rows(run(rows_of(3)), run(rows_of(4)))
    with pytest.raises(ScoringError, match="do not stand"):
        paired_rows(run(rows_of(3)), run(rows_of(1)), at=[3])


def test_scores_of_two_metrics_are_not_compared() -> None:
    metric = Graded(lambda answer, inputs: 1.0)
    old, new = (run(rows_of(3), metric=one) for one in (metric, replace(metric, version=2)))
    with pytest.raises(ScoringError, match="same metric"):
        paired_rows(old, new)


def test_the_certificate_counts_neither_failures_of_the_metric_nor_the_time_of_errors() -> None:
    def work(row: Row) -> Answer:
        if number(row) == 1:
            raise OutputError("not JSON")
        return answer(row)

    evaluation = run(rows_of(8), many(work), metric=Graded(fails_on_every_fourth))
    figures = summary(evaluation, "local/x")
    assert (figures["n"], figures["score"]) == (6, 2.5 / 6)
    assert (figures["ms_p50"], figures["tokens_per_call"]) == (2.0, 11.0)
    answered = selective(evaluation, 0.9)
    assert answered is not None
    assert (answered["n"], answered["coverage"]) == (5, 5 / 6)


def test_where_every_row_is_an_error_no_time_is_known() -> None:
    def work(row: Row) -> Answer:
        raise OutputError("no")

    figures = summary(run(rows_of(3), many(work)), "hosted/x")
    assert figures["ms_p50"] is figures["ms_p95"] is figures["tokens_per_call"] is None


# The interval of a mean


def test_graded_scores_have_another_interval_and_say_so() -> None:
    evaluation = run(rows_of(40), metric=Graded(lambda answer, inputs: number(inputs) % 5 / 8))
    assert evaluation.ci_method == "betting"
    low, high = evaluation.ci
    assert 0 <= low < evaluation.score < high <= 1


def test_the_betting_interval_holds_the_mean_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    for a, b in ((2.0, 5.0), (0.2, 0.05)):
        held = 0
        for _ in range(150):
            low, high = mean_interval(np.clip(draw.beta(a, b, size=30), 0, 0.999))
            held += low <= a / (a + b) <= high
        assert held >= 0.95 * 150


def test_rows_sorted_by_their_score_do_not_mislead_the_betting_interval() -> None:
    scores = np.repeat([0.05, 0.95], 200)
    low, high = mean_interval(scores)
    assert low < 0.5 < high


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.5, 0.99))
def test_an_interval_holds_its_own_mean_and_widens_with_its_level(scores: list[float], level: float) -> None:
    values = np.array(scores)
    low, high = mean_interval(values, level=level)
    assert 0 <= low <= values.mean() + 1e-9
    assert values.mean() - 1e-9 <= high <= 1
    wide = mean_interval(values, level=(1 + level) / 2)
    assert wide[0] <= low + 1e-9
    assert wide[1] >= high - 1e-9


def test_little_spread_makes_a_narrower_interval_than_hoeffding_and_never_a_point() -> None:
    n = 400
    low, high = mean_interval(np.random.default_rng(0).uniform(0.75, 0.85, n))
    assert 0 < high - low < 0.5 * 2 * math.sqrt(math.log(2 / 0.05) / (2 * n))
    low, high = mean_interval(np.full(20, 0.8))
    assert low < 0.8 < high


@pytest.mark.parametrize("scores", [[], [math.nan], [1.2], [-0.1]])
def test_an_interval_of_what_is_no_score_is_refused(scores: list[float]) -> None:
    with pytest.raises(ScoringError):
        mean_interval(np.array(scores))
    with pytest.raises(ScoringError):
        mean_interval(np.array([0.5]), level=1.0)


# As a table


def test_the_frame_and_the_records_say_the_same() -> None:
    evaluation = run(texts(list(range(12))), many(uneven), metric=Graded(fails_on_every_fourth))
    frame = evaluation.frame()
    records = list(evaluation.records())
    assert list(frame.columns) == list(records[0])
    assert len(frame) == len(records) == 12
    for name in frame.columns:
        for ours, theirs in zip(frame[name].tolist(), (record[name] for record in records), strict=True):
            assert ours == theirs or (theirs is None and (ours is None or math.isnan(ours)))


def test_the_frame_has_a_row_for_each_example() -> None:
    frame = run(texts([1, 2, 3, 4]), many(uneven), metric=Graded(fails_on_every_fourth)).frame()
    assert frame["index"].tolist() == [0, 1, 2, 3]
    assert frame["label.desk"].tolist() == ["bar", "inn", "bar", "inn"]
    assert frame["error"].tolist() == [None, None, "OutputError", None]
    assert frame["failure"].tolist() == [None, None, None, "ZeroDivisionError"]
    assert frame["score"].isna().tolist() == [False, False, False, True]
    assert frame["usd"].isna().tolist() == [True, False, True, False]
    assert frame["tokens_in"].fillna(-1).tolist() == [10, 10, -1, 10]
    assert set(frame.columns) >= {"confidence", "answered", "score.desk", "confidence.desk", "ms", "lm_calls"}


def test_what_an_answer_cost_can_be_told() -> None:
    frame = run(rows_of(2), usd_of=lambda answer: answer.tokens * 1e-6).frame()
    assert frame["usd"].tolist() == [11e-6, 11e-6]


def test_a_notebook_shows_figures_and_escapes_them() -> None:
    shown = replace(run(rows_of(6)), metric="<script>")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "66.7 %" in shown
    assert "6 of 6" in shown


def test_results_are_a_sequence_of_rows() -> None:
    results = run(rows_of(5)).results
    assert results[-1] == results[4]
    assert [result.index for result in results[1:3]] == [1, 2]
    with pytest.raises(IndexError):
        _ = results[5]
    by_hand = [RowResult(0, {"a": 1}, True, {"a": 1.0}, 0.5, True, 1.0, 3, 1)] * 2
    assert Evaluation(by_hand).results == by_hand
    assert Evaluation(by_hand).score == 1.0
    assert Evaluation(by_hand) != Evaluation(by_hand[:1])


def test_an_evaluation_of_nothing_says_so() -> None:
    with pytest.raises(ScoringError, match="no row has been scored"):
        _ = Evaluation(()).score


def test_long_answers_are_cut_so_that_memory_stays_bounded() -> None:
    def work(row: Row) -> Answer:
        step = StepTrace("s", (), ("x" * 100_000,) * 100, {}, {}, {}, True, 1.0, 1, 1, 1)
        return Answer({"desk": "bar"}, {"desk": 1.0}, True, (step,))

    (result,) = run(rows_of(1), many(work)).results
    assert sum(map(len, result.raw)) <= 10_000


def test_threads_end_with_the_evaluation() -> None:
    before = set(threading.enumerate())
    run(itertools.cycle(rows_of(3)), cancelled=iter([False] * 20 + [True] * 1000).__next__)
    until = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.005)
    assert not set(threading.enumerate()) - before
