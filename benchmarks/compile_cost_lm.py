"""The LM of `compile_cost.py`: every request is counted, timed and kept, for shipworthy and its peers alike.

`Timed` stands before the engine, so that an answer is kept together with what it took, prefix included;
`Counted` stands before the journal, so that an answer from it counts and costs as when it was made.
`Decisions` is a client for DSPy's typed decisions over our LM: DSPy brings none for a local model.
"""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from shipworthy.errors import ShipworthyError
from shipworthy.examples import canonical_json, digest_of
from shipworthy.lms import LM, Generation, Journal, Prompt, Question, Recorded, Scores, Usage
from shipworthy.runtime import Contract, Demo, Field, label_text, opening_of, render_decide

ENDED = "\n"
"""Stands for the end of a label that another one begins with."""


class OutOfTime(BaseException):
    """The minutes are up. No `Exception`: optimizers take those for a wrong answer and go on."""


class Timed:
    """An LM whose `Usage.ms` is the whole time of a call, and that takes no call after the deadline.

    Args:
        deadline: on the clock of `time.monotonic`, seconds.
    """

    reads_logprobs = True

    def __init__(self, lm: LM, *, deadline: float = math.inf) -> None:
        self.lm = lm
        self.id, self.workers, self.context = lm.id, lm.workers, lm.context
        self._deadline = deadline

    def tokenize(self, text: str) -> list[int]:
        """As the LM itself."""
        return self.lm.tokenize(text)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As the LM itself; what is spent on no question of its own is the first one's."""
        begun = self._begin()
        first, *others = self.lm.score(prompt, questions)
        ms = (time.perf_counter() - begun) * 1e3 - sum(scores.usage.ms for scores in others)
        return [replace(first, usage=replace(first.usage, ms=ms)), *others]

    def generate(self, prompt: Prompt, **options: Any) -> Generation:
        """As the LM itself."""
        begun = self._begin()
        found = self.lm.generate(prompt, **options)
        return replace(found, usage=replace(found.usage, ms=(time.perf_counter() - begun) * 1e3))

    def close(self) -> None:
        """Close the LM."""
        self.lm.close()

    def _begin(self) -> float:
        if time.monotonic() > self._deadline:
            raise OutOfTime
        return time.perf_counter()


@dataclass(frozen=True)
class Cost:
    """What requests took.

    Attributes:
        calls: requests, failed ones and those answered from the journal included.
        ms: of the LM, when the call was made.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    ms: float = 0.0

    def plus(self, calls: int, usage: Usage) -> Cost:
        """With so many requests more."""
        return Cost(
            self.calls + calls,
            self.tokens_in + usage.tokens_in,
            self.tokens_out + usage.tokens_out,
            self.ms + usage.ms,
        )


class Counted(Recorded):
    """A recorded LM that tells requests from repeats. For one caller at a time.

    Attributes:
        all: every request; distinct: the first of its kind since this counter was made, which
            is what a client with a cache lets through.
        failed: requests that raised; lm_s: seconds spent in here, journal included.
        before: called with the count of distinct requests there will be, before each new one.
    """

    def __init__(
        self, lm: LM, journal: Journal, *, before: Callable[[int], None] = lambda count: None
    ) -> None:
        super().__init__(lm, journal)
        self.all = self.distinct = Cost()
        self.failed = 0
        self.lm_s = 0.0
        self.before = before
        self._seen: set[str] = set()

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As `Recorded.score`; each question is a request."""
        asked = [[question.opening, list(question.tokens)] for question in questions]
        keys = [digest_of([asdict(prompt), asked[: i + 1]]) for i in range(len(asked))]
        return self._do(keys, lambda: super(Counted, self).score(prompt, questions))

    def generate(self, prompt: Prompt, **options: Any) -> Generation:
        """As `Recorded.generate`."""
        key = digest_of([asdict(prompt), options])
        return self._do([key], lambda: super(Counted, self).generate(prompt, **options))

    def repeat(self, calls: int) -> None:
        """A client's own cache has answered."""
        self.all = self.all.plus(calls, Usage())

    def _do(self, keys: Sequence[str], ask: Callable[[], Any]) -> Any:
        new = [key for key in keys if key not in self._seen]
        if new:
            self.before(self.distinct.calls + len(new))
        self._seen.update(new)
        begun, before = time.perf_counter(), self.usage
        usage = Usage()
        try:
            found = ask()
            usage = _difference(self.usage, before)
        except ShipworthyError:
            self.failed += len(keys)
            raise
        finally:
            self.lm_s += time.perf_counter() - begun
            self.all = self.all.plus(len(keys), usage)
            self.distinct = self.distinct.plus(len(new), usage if new else Usage())
        return found


def _difference(after: Usage, before: Usage) -> Usage:
    return Usage(
        after.tokens_in - before.tokens_in,
        after.tokens_cached - before.tokens_cached,
        after.tokens_out - before.tokens_out,
        after.ms - before.ms,
    )


@dataclass(frozen=True)
class Branch:
    """A place where labels part.

    Attributes:
        said: the label's text up to here; tokens: that may follow.
        labels: for each token, the indices of the labels that go on with it.
    """

    said: str
    tokens: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]


def branches(labels: Sequence[str], tokenize: Callable[[str], list[int]]) -> list[Branch]:
    """Every place where labels part, the first one first.

    The product of a label's shares at its branches is its probability under an LM that can
    write nothing but the labels: where no other is possible, a token has probability one.
    Where a beginning of a label is not made of whole tokens, its labels stay together.
    """
    written = [[*tokenize(f" {label}"), tokenize(ENDED)[-1]] for label in labels]
    found: list[Branch] = []
    open_: list[tuple[int, list[int]]] = [(0, list(range(len(labels))))]
    while open_:
        depth, group = open_.pop(0)
        below: dict[int, list[int]] = {}
        for i in group:
            below.setdefault(written[i][depth], []).append(i)
        if len(below) > 1:
            said = _text_of(f" {labels[group[0]]}", written[group[0]][:depth], tokenize)
            if said is None:
                continue
            found.append(Branch(said, tuple(below), tuple(tuple(own) for own in below.values())))
        open_ += [(depth + 1, own) for own in below.values() if len(own) > 1]
    return found


def _text_of(text: str, tokens: list[int], tokenize: Callable[[str], list[int]]) -> str | None:
    ends = range(len(text) + 1)
    return next((text[:end] for end in ends if tokenize(text[:end]) == tokens), None) if tokens else ""


class Decisions:
    """A client for DSPy's typed decisions: probabilities of the labels, from log-probabilities of our LM.

    The prompt is that of shipworthy's own decisions. Identical requests are answered from memory, as
    DSPy's own client does.

    Args:
        whole: read every branch of the labels; else their first tokens alone, where labels that
            begin alike share evenly.
    """

    supports_decision_requests = True
    cache = True

    def __init__(self, lm: Counted, *, whole: bool = True) -> None:
        self.lm = lm
        self.whole = whole
        self.callbacks: list[Any] = []
        self._answers: dict[str, Any] = {}
        self._branches: dict[tuple[str, ...], list[Branch]] = {}

    def __call__(self, state: dict[str, Any], questions: dict[str, Any]) -> dict[str, Any]:
        """Answers by name, each with `probabilities` by label and `confidence`."""
        key = canonical_json([state, questions])
        if key in self._answers:
            self.lm.repeat(self._answers[key][1])
        else:
            before = self.lm.all.calls
            answers = {name: self._answer(state, name, question) for name, question in questions.items()}
            self._answers[key] = (answers, self.lm.all.calls - before)
        return copy.deepcopy(self._answers[key][0])

    async def acall(self, state: dict[str, Any], questions: dict[str, Any]) -> dict[str, Any]:
        """As a call, on a thread."""
        return await asyncio.to_thread(self, state, questions)

    def copy(self, **_: Any) -> Decisions:
        """The same client: there is no temperature to set."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Decisions:
        return self

    def dump_state(self) -> dict[str, Any]:
        """What it asks."""
        return {"model": self.lm.id, "whole": self.whole}

    def prompt(self, state: dict[str, Any], name: str, question: dict[str, Any]) -> tuple[Prompt, Field]:
        """The prompt, and the decision as a field of a contract."""
        labels = list(question["criteria"])
        field = Field(name, {"enum": labels}, str(question["instructions"] or ""))
        inputs = tuple(Field(own, {"type": "string"}) for own in state["inputs"])
        contract = Contract(inputs, (field,))
        demos = [
            Demo(inputs={own.name: demo[own.name] for own in inputs}, outputs={name: demo[name]})
            for demo in state.get("demos", [])
            if name in demo and all(own.name in demo for own in inputs)
        ]
        return render_decide(state["instructions"], contract, demos).fill(state["inputs"]), field

    def _answer(self, state: dict[str, Any], name: str, question: dict[str, Any]) -> dict[str, Any]:
        if question["type"] != "choice":
            raise ValueError(f"this client answers choices, not {question['type']}")
        prompt, field = self.prompt(state, name, question)
        labels = [str(label) for label in field.choices or ()]
        parts = self._parts(tuple(label_text(label) for label in labels))
        asked = [Question(opening_of(field) + part.said, part.tokens) for part in parts]
        shares = np.ones(len(labels))
        for part, scores in zip(parts, self.lm.score(prompt, asked), strict=True):
            for share, own in zip(np.exp(scores.logprobs.astype(float)), part.labels, strict=True):
                shares[list(own)] *= share if self.whole else share / len(own)
        shares = np.clip(shares / shares.sum(), 0.0, 1.0)
        probabilities = dict(zip(labels, map(float, shares), strict=True))
        return {"probabilities": probabilities, "confidence": float(shares.max())}

    def _parts(self, labels: tuple[str, ...]) -> list[Branch]:
        if labels not in self._branches:
            found = branches(labels, self.lm.tokenize)
            self._branches[labels] = found if self.whole else found[:1]
        return self._branches[labels]
