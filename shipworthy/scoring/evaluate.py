"""Score anything that answers rows, with every error and every failure kept.

Rows are read as they are needed, answered as many at once as the program's LM serves, and
scored in order. What is finished can be kept in a file, so that a run that was killed or
cancelled goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from ..errors import ExamplesError, OutsideError, ScoringError
from ..examples import digest_of
from ..runtime import Answer, Outcome, plain_value
from .checkpoint import Checkpoint
from .columns import Results, RowResult
from .metrics import Failure, Metric, RowScore, columns_of, labels_of, needs_labels
from .metrics.base import failure_of, score_of
from .results import Evaluation

__all__ = ["Evaluation", "RowResult", "evaluate"]

Row = Mapping[str, Any]
Many = Callable[[Iterable[Row]], Iterator[Outcome[Answer]]]
RAW_CHARACTERS = 400
RAW_CALLS = 8
"""Of what came back of each call so much is kept: enough to see what was said, and bounded."""
PLAIN = (str, int, bool, type(None), float)


class Flag(Protocol):
    """What `threading.Event` is."""

    def is_set(self) -> bool:
        """Whether to stop."""


def evaluate(
    answer_many: Many,
    rows: Iterable[Row],
    *,
    outputs: Sequence[str],
    metric: Metric,
    on_row: Callable[[int], None] = lambda _: None,
    inputs: Sequence[str] | None = None,
    cancelled: Flag | Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
    program: str | None = None,
    row_digest: Callable[[Row], str] | None = None,
    usd_of: Callable[[Answer], float | None] | None = None,
) -> Evaluation:
    """Answer and score rows; linear in their number, and rows are read only a little ahead.

    A row that the program cannot answer scores 0 and keeps its error. A row that the metric
    cannot score keeps its failure and is in no figure.

    Args:
        answer_many: gives an outcome for each row, in order.
        rows: typed rows with inputs and labels; any iterable.
        outputs: names of the labels.
        metric: says how good an answer is. Rows may lack labels where it needs none.
        on_row: told the number of rows done.
        inputs: columns that the metric sees as inputs; by default all that are no outputs.
        cancelled: an event, or a function that says whether to stop; asked between rows.
            The evaluation of what was scored so far is then returned, with `complete` False.
        checkpoint: a file of finished rows; the same call takes them from there. Rows that
            something outside failed on, such as an LM that was down, are tried again, and so is a
            metric that failed. A file of another program, metric or outputs is refused.
        program: digest of what answers, for the checkpoint; by default that of the `Program`
            whose method `answer_many` is.
        row_digest: names a row in the checkpoint; by default the digest of its columns.
        usd_of: what an answer cost, or None where it is unknown; by default a row that called no
            LM cost nothing, and any other is unknown.

    An interrupt (Ctrl-C) is obeyed at once and raised; the checkpoint keeps what was scored.

    Raises:
        ScoringError: there are no rows or outputs; `answer_many` gave another number of
            outcomes; the checkpoint is another evaluation's.
        ExamplesError: a row lacks a label, or is no mapping.
        LMError: the LM fails; a single row's error becomes that row's result.
        StorageError: the checkpoint cannot be written; the rows before are kept.
    """
    if not outputs or isinstance(outputs, str):
        raise ScoringError("there are no outputs to score", hint="give a list of columns that hold labels")
    columns = (tuple(outputs), None if inputs is None else tuple(inputs))
    work = _Work(rows, *columns, metric, usd_of, _asker(cancelled), on_row)
    with contextlib.ExitStack() as stack:
        if checkpoint is not None:
            about = _about(answer_many, program, work)
            work.kept = stack.enter_context(Checkpoint(Path(checkpoint), about))
            work.digest = row_digest or _row_digest
        outcomes = answer_many(work.unanswered())
        if hasattr(outcomes, "close"):
            stack.callback(outcomes.close)  # ends the workers, whatever ended the loop
        work.score(outcomes)
    if not work.cut and not work.results:
        raise ScoringError("there are no rows to evaluate", hint="give at least one labelled row")
    return Evaluation(work.results, not work.cut, metric.name, metric.version)


@dataclass(frozen=True)
class _Task:
    """A row that was read: with a known result, or handed out to be answered."""

    index: int
    labels: dict[str, Any]
    inputs: dict[str, Any]
    key: str
    known: RowResult | None


class _Work:
    """Rows on their way: read, handed out, answered, scored, in order."""

    def __init__(
        self,
        rows: Iterable[Row],
        outputs: tuple[str, ...],
        inputs: tuple[str, ...] | None,
        metric: Metric,
        usd_of: Callable[[Answer], float | None] | None,
        stop: Callable[[], bool],
        on_row: Callable[[int], None],
    ) -> None:
        self.outputs = outputs
        self.inputs = inputs
        self.metric = metric
        self.results = Results()
        self.cut = False
        self.kept: Checkpoint | None = None
        self.digest: Callable[[Row], str] | None = None
        self._rows = rows
        self._usd_of = usd_of
        self._stop = stop
        self._on_row = on_row
        self._tasks: deque[_Task] = deque()
        self._read_all = False
        self._fault: Exception | None = None

    def unanswered(self) -> Iterator[Row]:
        """The rows that `answer_many` has to answer.

        A fault of the rows ends them, and is raised when those before it are scored.
        """
        try:
            for index, row in enumerate(self._rows):
                if self._stop():
                    self.cut = True
                    return
                task = self._task(index, row)
                self._tasks.append(task)
                if task.known is None:
                    yield row
                elif len(self._tasks) == 1:
                    self._finish_known()  # rows that are finished from the start never pile up
            self._read_all = True
        except Exception as fault:  # the rows are anybody's iterator; answers under way are not thrown away
            self._fault = fault

    def score(self, outcomes: Iterable[Outcome[Answer]]) -> None:
        """Fill `results` in the rows' order, until the rows end or the caller says to stop."""
        for outcome in outcomes:
            self._finish_known()
            if not self._tasks:
                raise ScoringError("there are more outcomes than rows", hint="answer each row once")
            self._finish_answered(self._tasks.popleft(), outcome)
            if self._stop() and not self._ended():
                self.cut = True
                return
        self._finish_known()
        if self._fault is not None:
            raise self._fault
        if self._tasks and not self.cut:
            raise ScoringError(
                f"{len(self._tasks)} rows were not answered", hint="give an outcome for each row, in order"
            )

    def _ended(self) -> bool:
        """Whether there are no more rows, as far as that is known without reading one."""
        sized = isinstance(self._rows, Sized) and len(self._rows) == len(self.results)
        return not self._tasks and (self._read_all or sized)

    def _task(self, index: int, row: Row) -> _Task:
        where = f"row {index}"
        if not isinstance(row, Mapping):
            raise ExamplesError(
                f"a row is a mapping from column to value, not {type(row).__name__}",
                hint="give dicts",
                where=where,
            )
        missing = [name for name in self.outputs if name not in row]
        if missing and needs_labels(self.metric):
            raise ExamplesError(
                f"the row has no label {', '.join(map(repr, missing))}",
                hint=f"add the column; the row has {', '.join(map(str, row))}",
                where=where,
            )
        own = {*self.outputs, *(field.name for field in columns_of(self.metric))}
        names = self.inputs if self.inputs is not None else [name for name in row if name not in own]
        inputs = {name: _plain(row.get(name)) for name in names}
        labels = {name: _plain(value) for name, value in labels_of(self.metric, row, self.outputs).items()}
        if self.kept is None or self.digest is None:
            return _Task(index, labels, inputs, "", None)
        key = hashlib.sha256(self.digest(row).encode()).hexdigest()
        return _Task(index, labels, inputs, key, self.kept.take(key, index, labels))

    def _finish_known(self) -> None:
        """Take over results at the queue's head that need no answer; a metric that failed tries again."""
        while self._tasks and (known := self._tasks[0].known) is not None:
            task = self._tasks.popleft()
            if known.failure is not None and known.outputs is not None:
                took = {"ms": known.ms, "usd": known.usd}
                known = replace(known, **_scored(_score(self.metric, known.outputs, task, **took)))
            self._finish(known)

    def _finish_answered(self, task: _Task, outcome: Outcome[Answer]) -> None:
        if outcome.error is not None:
            wrong: dict[str, float | None] = dict.fromkeys(self.outputs, 0.0)
            result = RowResult(
                task.index, None, False, wrong, None, False, 0.0, 0, 0, outcome.error, labels=task.labels
            )
        else:
            answered = _answered(task, outcome.unwrap(), self._usd_of)
            try:
                took = {"ms": answered["ms"], "usd": answered["usd"]}
                score = _score(self.metric, answered["outputs"], task, **took)
            except OutsideError as error:
                # The judge is down, but the answer is paid for: it is kept, to be scored when it is up.
                self._keep(task, RowResult(**answered, **_scored(_failed(task, error))))
                raise
            result = RowResult(**answered, **_scored(score))
        self._keep(task, result)
        self._finish(result)

    def _keep(self, task: _Task, result: RowResult) -> None:
        if self.kept is not None:
            self.kept.put(task.key, result)

    def _finish(self, result: RowResult) -> None:
        self.results.append(result)
        self._on_row(len(self.results))


def _answered(task: _Task, answer: Answer, usd_of: Callable[[Answer], float | None] | None) -> dict[str, Any]:
    """All of a row's result but its score."""
    given = {name: _plain(value) for name, value in answer.outputs.items()}
    decided = [answer.confidence, *(step.confidence for step in answer.steps)]  # those within it too
    numbers = [value for own in decided for value in own.values() if value is not None]
    calls = sum(step.lm_calls for step in answer.steps)
    usd = usd_of(answer) if usd_of is not None else (None if calls else 0.0)
    raw = [raw for step in answer.steps for raw in step.raw[:RAW_CALLS]]
    return {
        "index": task.index,
        "outputs": given,
        "confidence": min(numbers) if numbers else None,
        "answered": answer.answered,
        "ms": answer.ms,
        "tokens": answer.tokens,
        "lm_calls": calls,
        "raw": tuple(str(one)[:RAW_CHARACTERS] for one in raw[:RAW_CALLS]),
        "labels": task.labels,
        "confidences": dict(answer.confidence),
        "tokens_in": sum(step.tokens_in for step in answer.steps),
        "tokens_out": sum(step.tokens_out for step in answer.steps),
        "usd": usd,
    }


def _score(
    metric: Metric, given: Mapping[str, Any], task: _Task, *, ms: float | None, usd: float | None
) -> RowScore:
    """The metric's score; whatever goes wrong in it is a failure, and not the program's fault.

    Raises:
        OutsideError: what the metric asks is down, which is no fault of the row.
    """
    try:
        score = score_of(metric, given, task.labels, task.inputs, ms=ms, usd=usd)
        _check(score)
    except OutsideError:
        raise
    except Exception as error:  # a metric is anybody's code
        return _failed(task, error)
    return score


def _failed(task: _Task, error: Exception) -> RowScore:
    return RowScore(None, dict.fromkeys(task.labels), failure_of(error))


def _check(score: RowScore) -> None:
    """Refuse numbers that are no scores: NaN would vanish from the mean, 2 would raise it."""
    for name, value in (("", score.value), *score.by_output.items()):
        if value is not None and not 0 <= value <= 1:
            where = f" of {name!r}" if name else ""
            raise ScoringError(f"the score{where} is {value}", hint="a score lies within 0 and 1")
    if score.value is None and score.failure is None:
        raise ScoringError("the metric gave neither a score nor a failure", hint="return one of them")


def _scored(score: RowScore) -> dict[str, Any]:
    failure: Failure | None = score.failure
    return {
        "right": failure is None and score.value == 1.0,
        "score": None if failure is not None or score.value is None else float(score.value),
        "by_output": {
            name: None if value is None else float(value) for name, value in score.by_output.items()
        },
        "failure": failure,
    }


def _asker(cancelled: Flag | Callable[[], bool] | None) -> Callable[[], bool]:
    if cancelled is None:
        return lambda: False
    if hasattr(cancelled, "is_set"):
        return cast(Flag, cancelled).is_set
    return cancelled


def _about(answer_many: Many, program: str | None, work: _Work) -> dict[str, Any]:
    """What a checkpoint is of: everything that a row's result depends on, the row aside."""
    if program is None:
        program = getattr(getattr(answer_many, "__self__", None), "digest", None)
    if not isinstance(program, str) or not program:
        raise ScoringError(
            "a checkpoint needs to know which program answers", hint="give program=, its digest"
        )
    about = {"outputs": list(work.outputs), "inputs": None if work.inputs is None else list(work.inputs)}
    return {"program": program, "metric": work.metric.as_json(), **about}


def _row_digest(row: Row) -> str:
    try:
        return digest_of({str(name): _plain(value) for name, value in row.items()})
    except (ValueError, TypeError) as error:
        raise ExamplesError(
            f"the row has no digest: {error}", hint="clean the row, or name rows with row_digest="
        ) from error


def _plain(value: Any) -> Any:
    """A value as JSON holds it; what is so already, which is nearly everything, at no cost."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, list) and all(type(item) in PLAIN for item in value):
        return list(value)
    return plain_value(value)
