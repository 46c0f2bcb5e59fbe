"""DSPy's side of `compile_cost.py`: the student, the four ways to run it, and the optimizers.

The student writes down which program answers which row, and the metric what came of it, so that at any
moment it is known which program an optimizer has found best by its own scores.
"""

from __future__ import annotations

import contextlib
import io
import logging
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from compile_cost_lm import Counted, Decisions

from shipworthy.examples import canonical_json, digest_of
from shipworthy.lms import import_dspy
from shipworthy.lms.dspy_engine import dspy_lm

dspy = import_dspy()
from dspy.experimental import ReAnchor  # noqa: E402 - after dspy, which import_dspy prepares

INSTRUCTION = "Classify what the user wants."
ABOUT = "what the user wants"
INPUT, OUTPUT = "text", "intent"
MODES = {
    "choice": "typed decisions (`Choice`) over our client",
    "grammar": "generation under our grammar (`RuntimeAdapter`)",
    "chat": "plain generation (`ChatAdapter`, which falls back to `JSONAdapter`)",
}
MAX_ERRORS = 1_000_000
"""An answer that cannot be parsed is a wrong answer: no optimizer is stopped by its number."""
ANSWER = 64
"""Tokens of a plain answer: three times what a right one has. The LM often rambles on to the limit."""
ROOM = {"choice": 64, "grammar": 600, "chat": ANSWER + 100}
"""Tokens kept free for the answer and the template."""
TURN = 10
"""Tokens that the chat template adds to a message, at most."""

State = dict[str, Any]
Row = Mapping[str, Any]


@dataclass
class Book:
    """Which program answered which rows, and how well.

    Attributes:
        needed: rows that the optimizer scores a program on before it takes it for the best.
    """

    needed: int
    states: dict[str, State] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    _open: tuple[str, str] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Book:
        return self

    def begin(self, predictor: Any, inputs: Row) -> None:
        """A program is asked; it has failed unless its answer is scored before the next one is asked."""
        self._settle(0.0)
        state = state_of(predictor)
        key = digest_of(state)
        self.states.setdefault(key, state)
        self._open = (key, canonical_json(dict(inputs)))

    def score(self, example: Any, prediction: Any, trace: Any = None) -> bool:
        """The metric of all optimizers: the right label."""
        right = bool(prediction.get(OUTPUT) == example[OUTPUT])
        self._settle(float(right))
        return right

    def best(self) -> State | None:
        """The first of the best programs among those scored on all rows needed, or None."""
        means = {
            key: statistics.fmean(rows.values())
            for key, rows in self.scores.items()
            if len(rows) >= self.needed
        }
        return self.states[max(means, key=lambda key: means[key])] if means else None

    def mean(self, state: State) -> float | None:
        """Of a program's scores, if it has all."""
        rows = self.scores.get(digest_of(state), {})
        return statistics.fmean(rows.values()) if len(rows) >= self.needed else None

    def _settle(self, score: float) -> None:
        if self._open is not None:
            key, row = self._open
            self.scores.setdefault(key, {}).setdefault(row, score)
            self._open = None


class Student(dspy.Module):  # type: ignore[misc,name-defined]
    """One predictor that classifies a text."""

    def __init__(self, labels: Sequence[str], book: Book | None = None) -> None:
        super().__init__()
        self.predict = dspy.Predict(signature_of(labels))
        self.book = book

    def forward(self, text: str) -> Any:
        """Classify."""
        if self.book is not None:
            self.book.begin(self.predict, {INPUT: text})
        return self.predict(text=text)


def signature_of(labels: Sequence[str]) -> Any:
    """The task, the same for all."""
    fields = {
        INPUT: (str, dspy.InputField()),
        OUTPUT: (Literal[tuple(labels)], dspy.OutputField(desc=ABOUT)),
    }
    return dspy.Signature(fields, INSTRUCTION)


def state_of(predictor: Any) -> State:
    """What an optimizer may change, as JSON."""
    return {
        "instructions": predictor.signature.instructions,
        "demos": [{name: demo[name] for name in (INPUT, OUTPUT) if name in demo} for demo in predictor.demos],
        "fields": predictor.fields,
    }


def program_of(state: State, labels: Sequence[str], book: Book | None = None) -> Student:
    """The program with this state."""
    student = Student(labels, book)
    predictor = student.predict
    predictor.signature = predictor.signature.with_instructions(state["instructions"])
    predictor.demos = examples_of(state["demos"])
    predictor.fields = dict(state["fields"])
    return student


def examples_of(rows: Sequence[Row]) -> list[Any]:
    """Rows as DSPy takes them."""
    return [dspy.Example(**row).with_inputs(INPUT) for row in rows]


def client_of(mode: str, lm: Counted, *, whole: bool) -> tuple[Any, Any]:
    """The LM and the adapter that a mode runs with."""
    if mode == "choice":
        return Decisions(lm, whole=whole), None
    if mode == "grammar":
        from shipworthy.runtime.dspy_bridge import RuntimeAdapter

        return dspy_lm(lm), RuntimeAdapter(lm)
    plain = dspy_lm(lm).copy(max_tokens=ANSWER)
    return plain, dspy.ChatAdapter()


def answers(
    state: State, rows: Sequence[Row], labels: Sequence[str], mode: str, lm: Counted, *, whole: bool
) -> Iterator[int]:
    """1 for each row that the program gets right, else 0; what cannot be parsed is wrong."""
    program = program_of(state, labels)
    client, adapter = client_of(mode, lm, whole=whole)
    for row in rows:
        with dspy.context(lm=client, adapter=adapter), quietly():
            try:
                right = program(text=row[INPUT])[OUTPUT] == row[OUTPUT]
            except Exception:  # DSPy raises many kinds for answers that it cannot read
                right = False
        yield int(right)


def with_demos(rows: Sequence[Row], labels: Sequence[str], mode: str, lm: Counted, longest: str) -> list[Row]:
    """As many labelled rows, from the first, as demos that fit into the context before the longest text."""
    spans = [0, len(rows)]
    while spans[0] < spans[1]:
        k = (spans[0] + spans[1] + 1) // 2
        if _tokens(rows[:k], labels, mode, lm, longest) <= lm.context - ROOM[mode]:
            spans[0] = k
        else:
            spans[1] = k - 1
    return list(rows[: spans[0]])


def _tokens(demos: Sequence[Row], labels: Sequence[str], mode: str, lm: Counted, text: str) -> int:
    signature = signature_of(labels)
    if mode == "choice":
        question = {"type": "choice", "instructions": ABOUT, "criteria": dict.fromkeys(labels)}
        state = {"instructions": INSTRUCTION, "inputs": {INPUT: text}, "demos": [dict(row) for row in demos]}
        messages = Decisions(lm).prompt(state, OUTPUT, question)[0].messages()
    else:
        messages = client_of(mode, lm, whole=True)[1].format(signature, examples_of(demos), {INPUT: text})
    return sum(len(lm.tokenize(message["content"])) + TURN for message in messages)


@dataclass(frozen=True)
class Work:
    """What an optimizer is given."""

    train: tuple[Row, ...]
    labels: tuple[str, ...]
    mode: str
    seed: int
    lm: Counted
    whole: bool
    book: Book

    def student(self) -> Student:
        """A fresh one, whose answers are written down."""
        return Student(self.labels, self.book)


@dataclass(frozen=True)
class Peer:
    """An optimizer.

    Attributes:
        modes: that it is run in; settings: in words.
        compile: makes the program; needed: rows that it scores a program on, of n train rows.
        requests: about how many it makes, of n train rows.
    """

    name: str
    modes: tuple[str, ...]
    settings: str
    compile: Callable[[Work], Any]
    needed: Callable[[int], int]
    requests: Callable[[int], int]


def optimize(peer: Peer, work: Work) -> State:
    """Run it to its end; what it prints is thrown away.

    Raises:
        Exception: whatever the optimizer raises.
    """
    client, adapter = client_of(work.mode, work.lm, whole=work.whole)
    settings = {"lm": client, "adapter": adapter, "num_threads": 1, "max_errors": MAX_ERRORS}
    random.seed(work.seed)  # some draw from the module's own generator
    with dspy.context(**settings), quietly():
        return state_of(peer.compile(work).predictors()[0])


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Nothing that DSPy prints or logs."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _labeled(work: Work) -> Any:
    return dspy.LabeledFewShot(k=16).compile(work.student(), trainset=examples_of(work.train))


def _random_search(work: Work) -> Any:
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=work.book.score, num_threads=1, max_errors=MAX_ERRORS
    )
    return optimizer.compile(work.student(), trainset=examples_of(work.train))


def _mipro(work: Work) -> Any:
    writer = dspy_lm(work.lm)
    optimizer = dspy.MIPROv2(
        metric=work.book.score,
        prompt_model=writer,
        auto="light",
        num_threads=1,
        max_errors=MAX_ERRORS,
        seed=9 + work.seed,
    )
    return optimizer.compile(work.student(), trainset=examples_of(work.train))


def _gepa(work: Work) -> Any:
    def metric(
        gold: Any, pred: Any, trace: Any = None, pred_name: str | None = None, pred_trace: Any = None
    ) -> Any:
        right = work.book.score(gold, pred)
        said = "Right." if right else f"Wrong: the right {OUTPUT} is {gold[OUTPUT]}, not {pred.get(OUTPUT)}."
        return dspy.Prediction(score=float(right), feedback=said)

    optimizer = dspy.GEPA(
        metric=metric, auto="light", num_threads=1, reflection_lm=dspy_lm(work.lm), seed=work.seed
    )
    return optimizer.compile(work.student(), trainset=examples_of(work.train))


def _reanchor(work: Work) -> Any:
    optimizer = ReAnchor(work.book.score, num_threads=1, require_cache=False)
    return optimizer.compile(work.student(), trainset=examples_of(work.train))


def _reanchor_on_demos(work: Work) -> Any:
    student = dspy.LabeledFewShot(k=16).compile(work.student(), trainset=examples_of(work.train))
    shown = [demo[INPUT] for demo in student.predict.demos]
    rest = [row for row in work.train if row[INPUT] not in shown]
    optimizer = ReAnchor(work.book.score, num_threads=1, require_cache=False)
    return optimizer.compile(student, trainset=examples_of(rest))


def _all(n: int) -> int:
    return n


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "ReAnchor",
            ("choice", "grammar"),
            "all rows, the student without demos",
            _reanchor,
            _all,
            _all,
        ),
        Peer(
            "ReAnchor on LabeledFewShot",
            ("choice",),
            "the student with LabeledFewShot's 16 demos, fitted on the rows that are no demos",
            _reanchor_on_demos,
            lambda n: n - min(16, n - 1),
            lambda n: n - min(16, n - 1),
        ),
        Peer("LabeledFewShot", tuple(MODES), "k=16, its default", _labeled, _all, lambda n: 0),
        Peer(
            "RandomSearch",
            tuple(MODES),
            "`BootstrapFewShotWithRandomSearch`, 16 candidates, its defaults; validated on the train rows, "
            "its default",
            _random_search,
            _all,
            lambda n: 19 * n + 100,
        ),
        Peer(
            "MIPROv2",
            tuple(MODES),
            "auto light; its own split of the train rows; instructions written by the same small LM",
            _mipro,
            lambda n: max(1, int(n * 0.8)),
            lambda n: 350 + 4 * n,
        ),
        Peer(
            "GEPA",
            tuple(MODES),
            "auto light; reflection by the same small LM",
            _gepa,
            _all,
            lambda n: 400 + 5 * n,
        ),
    )
}
