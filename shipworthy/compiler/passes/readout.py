"""Fit the readout: which tokens to read, in which calls, and a head for each decision."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...examples import digest_of
from ...lms import Recorded
from ...runtime import (
    READ_NOTES,
    Contract,
    Decide,
    Field,
    PromptSpec,
    Read,
    ReadoutHead,
    label_text,
    opening_of,
    ordered_map,
    plain_value,
    read_features,
    reading_mode,
    student_text,
)
from ..draft import Candidate, Context, Draft, Row
from ..heads import cross_fit_head, fit_readout, oof_folds
from ..race import race_order
from .student import Student

TOPIC = "topic:"
WIDTH = 256
SAMPLE = 256
"""Training rows whose words are read."""
WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Readout:
    """Read log-probabilities at the answer position, and fit a head on the training rows.

    The tokens read are the first ones of the labels and of the words that most training
    rows hold. The row's text is read once; behind it stand short questions: what comes
    after `topic:` (where the LM names what the text is about, whatever the demos show),
    after the name of the decision with the most classes, and after the name of each other
    decision. A decision reads the first question, the first two, or its own with the
    first; the cheapest that held-out rows show to be no worse is kept. Where a hosted LM
    answers under an enum schema, the labels' log-probabilities along its answer are read,
    or, if it gives none, what it says.

    Attributes:
        width: how many of a question's tokens a head may look at, to choose from; as many as the
            widest are read, so that another width costs no call.
        c: inverse strengths of the L2 penalty to choose from.
        shrinkage: to choose from, of the scatter within classes that whitens the features; 1 leaves
            them as they are. See `fit_readout`.
        questions: whether more than the first question is tried at all.
        own_questions: whether decisions after the first are tried with a question of their own.
    """

    width: tuple[int, ...] = (WIDTH,)
    c: tuple[float, ...] = (0.05, 0.5)
    shrinkage: tuple[float, ...] = (0.6, 1.0)
    questions: bool = True
    own_questions: bool = True

    def apply(self, draft: Draft, context: Context) -> None:
        """Read the rows that the budget allows once, and fit candidates for each decision."""
        contract = draft.contract
        if not contract.decisions:
            return
        if draft.students:
            raise InputError("the readout must be fitted before the student", hint="reorder the passes")
        draft.prompt = draft.decide_prompt()
        draft.reads = self._reads(draft, context)
        draft.notes += [READ_NOTES[read.mode] for read in draft.reads if read.mode in READ_NOTES]
        short = _read(draft, context)
        if short:
            _without(draft, context, short)
        else:
            self.fit(draft, context)

    def fit(self, draft: Draft, context: Context) -> None:
        """Fit candidates for the draft's reads, from what was read."""
        primary = draft.contract.primary
        draft.readouts = {}
        for field in draft.contract.decisions:
            sets = [tuple(range(n + 1)) for n in range(min(2, len(draft.reads)))]
            if field is not primary:
                own = opening_of(field)
                sets += [(0, i) for i, read in enumerate(draft.reads) if i > 1 and read.opening == own]
            draft.readouts[field.name] = self.candidates(draft, field, sets, context)

    def refit(self, draft: Draft, sets: Mapping[str, tuple[int, ...]], context: Context) -> None:
        """Read anew for the draft's reads, and fit one candidate an output, from the reads in `sets`."""
        _read(draft, context)
        draft.readouts = {
            field.name: self.candidates(draft, field, [sets[field.name]], context)
            for field in draft.contract.decisions
            if sets[field.name]
        }

    def candidates(
        self,
        draft: Draft,
        field: Field,
        sets: Sequence[tuple[int, ...]],
        context: Context,
    ) -> list[Candidate]:
        """One for each set of reads, in their order, and each way to fit it."""
        ways = list(itertools.product(self._widths(draft), self.shrinkage, self.c))
        return [self._candidate(draft, field, reads, way, context) for reads in sets for way in ways]

    def _widths(self, draft: Draft) -> list[int]:
        n, widest = draft.features[0].shape[1], max(self.width)
        if draft.reads[0].mode != "logprobs":
            return [n]
        return list(dict.fromkeys(n if width == widest else min(width, n) for width in self.width))

    def openings(self, contract: Contract) -> list[str]:
        """How the questions begin that a row is asked, in order; a small budget leaves the last ones out."""
        own = [
            opening_of(field)
            for field in sorted(contract.decisions, key=lambda field: -len(field.choices or ()))
        ]
        if not self.questions:
            return own[:1]
        return list(dict.fromkeys([TOPIC, *(own if self.own_questions else own[:1])]))

    def _reads(self, draft: Draft, context: Context) -> list[Read]:
        lm = context.lm
        mode = reading_mode(_needed(draft.prompt), draft.contract, lm, draft.fit_rows[0])
        if mode != "logprobs":
            return [Read(mode=mode)]
        tokens = reading_tokens(draft, lm, width=max(self.width))
        openings = self.openings(draft.contract)
        room = context.meter.room()
        if room is not None:  # more rows are worth more than more questions
            openings = openings[: max(1, room // len(draft.fit_rows))]
        return [Read(mode="logprobs", opening=opening, tokens=tokens) for opening in openings]

    def _candidate(
        self,
        draft: Draft,
        field: Field,
        reads: tuple[int, ...],
        way: tuple[int, float, float],
        context: Context,
    ) -> Candidate:
        width, shrinkage, c = way
        features = np.hstack([draft.features[i] for i in reads])
        look = np.concatenate([np.arange(draft.features[i].shape[1]) < width for i in reads])
        choices = list(field.choices or ())
        labels = [row[field.name] for row in draft.fit_rows]
        classes = np.array([choices.index(label) for label in labels], np.intp)
        columns = label_columns(draft.contract, field, draft.reads[reads[0]], context.lm)
        narrow = [column if 0 <= column < width else -1 for column in columns]

        def head_of(chosen: NDArray[np.intp]) -> ReadoutHead:
            shown = features[np.ix_(chosen, look)]
            head = fit_readout(shown, classes[chosen], len(choices), narrow, c=c, shrinkage=shrinkage)
            return head if look.all() else _spread(head, look)

        folds = oof_folds(labels, n_dev=draft.n_dev, seed=context.seed)
        held_out = cross_fit_head(head_of, features, folds, (len(labels), len(choices)))
        return Candidate(head_of(np.arange(len(labels))), held_out, reads)


def _spread(head: ReadoutHead, look: NDArray[np.bool_]) -> ReadoutHead:
    """The head over all K tokens that are read; those that it does not look at weigh nothing."""
    mean, scale = np.zeros(len(look), np.float32), np.ones(len(look), np.float32)
    weights = np.zeros((len(head.bias), len(look)), np.float32)
    mean[look], scale[look], weights[:, look] = head.mean, head.scale, head.weights
    return ReadoutHead(mean, scale, weights, head.bias)


def _read(draft: Draft, context: Context) -> str:
    """Read the rows that the budget allows, in a random order that keeps the classes in proportion.

    Dev rows are read first. What is left stays unread, and the students learn from it.

    Returns:
        Why it is not enough to fit a readout, or nothing.
    """
    decide = Decide(prompt=_needed(draft.prompt), reads=tuple(draft.reads), heads={})
    rows, meter, each = draft.fit_rows, context.meter, max(1, len(draft.reads))
    n_train = len(rows) - draft.n_dev
    primary = draft.contract.primary
    order = race_order([row[primary.name] for row in rows[:n_train]], seed=context.seed)
    waiting = [*range(n_train, len(rows)), *order.tolist()]
    least = min(len(rows), draft.n_dev + 2 * len(primary.choices or ()))
    room = meter.room() if meter.budget.calls else None
    if room is not None and room < least * each:
        return f"calls={meter.spent().calls + least * each} would do"

    def ask(row: Row) -> list[NDArray[np.float32]]:
        return read_features(decide, draft.contract, context.lm, row)

    found: dict[int, list[NDArray[np.float32]]] = {}
    context.progress.start("reading the training rows", len(rows))
    while waiting and (n := meter.rows(len(waiting), each=each)):
        batch, waiting = waiting[:n], waiting[n:]
        outcomes = ordered_map(ask, [rows[i] for i in batch], workers=context.lm.workers)
        for i, outcome in zip(batch, outcomes, strict=True):
            found[i] = outcome.unwrap()
            context.progress.status(meter.words())
            context.progress.advance(len(found))
    context.progress.finish()
    if len(found) < least:
        return f"{len(found)} of at least {least} rows could be read"
    draft.unread += [rows[i] for i in sorted(waiting)]
    if waiting:
        draft.notes.append(f"{meter.limit()} leaves {len(waiting)} training rows unread by the LM")
    draft.features = [
        np.stack([found[i][read] for i in sorted(found)]).astype(np.float64)
        for read in range(len(draft.reads))
    ]
    return ""


def _without(draft: Draft, context: Context, short: str) -> None:
    """Go on without a readout where a student follows, since the best so far is always a program.

    Raises:
        InputError: no student follows.
    """
    what = f"the budget {context.meter.budget} is too small to fit the readout"
    if not any(isinstance(one, Student) for one in context.recipe.passes):
        raise InputError(what, hint=f"{short}; or let a student decide: add Student() to the recipe")
    draft.reads, draft.features = [], []
    draft.notes.append(f"{what} ({short}): the student alone decides")


def reading_tokens(draft: Draft, lm: Recorded, *, width: int = WIDTH) -> tuple[int, ...]:
    """First tokens of the labels, then of the words that most training rows hold.

    Of many rows a sample is looked at, drawn by the rows' own digests: so a row that comes, goes
    or changes mostly leaves the tokens alone, and with them what was read of the other rows.
    """
    found: dict[int, None] = {}
    for field in draft.contract.decisions:
        for choice in field.choices or ():
            found[first_token(lm, label_text(choice))] = None
    frequency: Counter[str] = Counter()
    sampled = sorted(draft.train, key=lambda row: digest_of(plain_value(row)))[:SAMPLE]
    for row in sampled:
        frequency.update(set(WORD.findall(student_text(draft.contract, row).lower())))
    for word, _ in sorted(frequency.items(), key=lambda entry: (-entry[1], entry[0])):
        if len(found) >= width:
            break
        found[first_token(lm, word)] = None
    return tuple(found)


def first_token(lm: Recorded, text: str) -> int:
    """The first token of a word behind a space."""
    return lm.tokenize(f" {text}")[0]


def _needed(prompt: PromptSpec | None) -> PromptSpec:
    if prompt is None:
        raise ValueError("the prompt is rendered first")
    return prompt


def label_columns(contract: Contract, field: Field, read: Read, lm: Recorded) -> Sequence[int]:
    """The column of each class's own label among a read's features, or -1."""
    choices = field.choices or ()
    if read.mode == "generated":
        return [-1] * len(choices)
    if read.mode == "alternatives":
        before = sum(len(own.choices or ()) for own in contract.decisions[: contract.decisions.index(field)])
        return [before + i for i in range(len(choices))]
    columns = {token: i for i, token in enumerate(read.tokens)}
    return [columns.get(first_token(lm, label_text(choice)), -1) for choice in choices]
