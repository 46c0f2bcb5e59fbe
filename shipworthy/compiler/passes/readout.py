"""Fit the readout: which tokens to read, in which calls, and a head for each decision."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import ExamplesError
from ...examples import digest_of
from ...lms import Recorded
from ...runtime import (
    READ_NOTES,
    Contract,
    Decide,
    Field,
    PromptSpec,
    Read,
    label_text,
    opening_of,
    ordered_map,
    plain_value,
    read_features,
    reading_mode,
    render_decide,
    student_text,
)
from ..draft import Candidate, Context, Draft, Row
from ..heads import Matrix, cross_fit, fit_mix, fit_readout, held_out_rows, oof_folds

TOPIC = "topic:"
WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Readout:
    """Read log-probabilities at the answer position, and fit a head on the training rows.

    The tokens read are the first ones of the labels and of the words that most training
    rows hold. The row's text is read once; behind it stand short questions: what comes
    after the name of the decision with the most classes, after `topic:` (where the LM
    names what the text is about, whatever the demos show), and after the name of each
    other decision. A decision reads the first question alone, or with `topic:`, or its
    own with `topic:`; the cheapest that held-out rows show to be no worse is kept. Where
    a hosted LM answers under an enum schema, the labels' log-probabilities along its answer
    are read, or, if it gives none, what it says.

    Attributes:
        width: tokens read at a question.
        c: inverse strengths of the L2 penalty to choose from.
        questions: whether more than the first question is tried at all.
        own_questions: whether decisions after the first are tried with a question of their own.
    """

    width: int = 256
    c: tuple[float, ...] = (0.03, 0.1, 0.3)
    questions: bool = True
    own_questions: bool = True

    def apply(self, draft: Draft, context: Context) -> None:
        """Read every row once, and fit candidates for each decision."""
        contract = draft.contract
        if not contract.decisions:
            return
        draft.prompt = render_decide(draft.instruction, contract, draft.demos)
        draft.reads = self._reads(draft, context.lm)
        draft.notes += [READ_NOTES[read.mode] for read in draft.reads if read.mode in READ_NOTES]
        _within_budget(draft, context)
        self.fit(draft, context)

    def fit(self, draft: Draft, context: Context) -> None:
        """Fit candidates for the draft's reads; calls made before are not repeated."""
        features = _features(draft, context)
        primary = max(draft.contract.decisions, key=lambda field: len(field.choices or ()))
        draft.readouts = {}
        for field in draft.contract.decisions:
            sets: list[tuple[int, ...]] = [(0,)]
            if len(draft.reads) > 1:
                sets.append((0, 1))
                own = opening_of(field)
                if field is not primary:
                    sets += [(i, 1) for i, read in enumerate(draft.reads) if i > 1 and read.opening == own]
            draft.readouts[field.name] = self.candidates(draft, field, sets, features, context)

    def refit(self, draft: Draft, sets: Mapping[str, tuple[int, ...]], context: Context) -> None:
        """Fit anew for the draft's reads: one candidate an output, from the reads in `sets`."""
        features = _features(draft, context)
        draft.readouts = {
            field.name: self.candidates(draft, field, [sets[field.name]], features, context)
            for field in draft.contract.decisions
            if sets[field.name]
        }

    def candidates(
        self,
        draft: Draft,
        field: Field,
        sets: Sequence[tuple[int, ...]],
        features: Sequence[Matrix],
        context: Context,
    ) -> list[Candidate]:
        """One for each set of reads, each with the penalty that serves held-out rows best."""
        found = []
        for reads in sets:
            stacked = np.hstack([features[i] for i in reads])
            tried = [self._candidate(draft, field, reads, stacked, c, context) for c in self.c]
            found.append(min(tried, key=lambda entry: entry[0])[1])
        return found

    def _reads(self, draft: Draft, lm: Recorded) -> list[Read]:
        decisions = sorted(draft.contract.decisions, key=lambda field: -len(field.choices or ()))
        mode = reading_mode(_needed(draft.prompt), draft.contract, lm, draft.fit_rows[0])
        if mode != "logprobs":
            return [Read(mode=mode)]
        tokens = _tokens(draft, lm, self.width)
        openings = [opening_of(decisions[0])]
        if self.questions:
            openings.append(TOPIC)
            openings += [opening_of(field) for field in decisions[1:] if self.own_questions]
        return [Read(mode="logprobs", opening=opening, tokens=tokens) for opening in openings]

    def _candidate(
        self,
        draft: Draft,
        field: Field,
        reads: tuple[int, ...],
        features: Matrix,
        c: float,
        context: Context,
    ) -> tuple[float, Candidate]:
        """The candidate, behind its log-loss on held-out rows."""
        choices = list(field.choices or ())
        labels = [row[field.name] for row in draft.fit_rows]
        classes = np.array([choices.index(label) for label in labels], np.intp)
        columns = _label_columns(draft.contract, field, draft.reads[reads[0]], context.lm)

        def fit(chosen: NDArray[np.intp]) -> Callable[[NDArray[np.intp]], Matrix]:
            head = fit_readout(features[chosen], classes[chosen], len(choices), columns, c=c)
            return lambda held: np.stack([head.log_probabilities(features[i]) for i in held])

        folds = oof_folds(labels, n_dev=draft.n_dev, seed=context.seed)
        held_out = cross_fit(fit, folds, (len(labels), len(choices)))
        head = fit_readout(features, classes, len(choices), columns, c=c)
        rows = held_out_rows(folds)
        mixed = fit_mix([held_out[rows]], classes[rows])[1]
        loss = -float(mixed[np.arange(len(rows)), classes[rows]].mean())
        return loss, Candidate(head, held_out, reads)


def _within_budget(draft: Draft, context: Context) -> None:
    """Leave train rows unread, a seeded sample of them, where the budget has no call for them."""
    if context.budget.calls is None:
        return
    n = len(draft.fit_rows)
    each = max(1, len(draft.reads))
    room = (context.budget.calls - context.lm.calls) // each
    least = draft.n_dev + 2 * max(len(field.choices or ()) for field in draft.contract.decisions)
    if room < min(n, least):
        raise ExamplesError(
            f"{context.budget.calls} calls are too few to fit the readout",
            hint=f"at least {min(n, least) * each + context.lm.calls} are needed",
        )
    if room < n:
        order = sorted(
            draft.fit_rows[: n - draft.n_dev], key=lambda row: digest_of([context.seed, plain_value(row)])
        )
        draft.unread = order[room - draft.n_dev :]
        draft.notes.append(f"the budget leaves {len(draft.unread)} training rows unread by the LM")


def _features(draft: Draft, context: Context) -> list[Matrix]:
    """For each read a matrix over the fit rows; shape (N, K)."""
    decide = Decide(prompt=_needed(draft.prompt), reads=tuple(draft.reads), heads={})
    rows = draft.fit_rows

    def ask(row: Row) -> list[NDArray[np.float32]]:
        return read_features(decide, draft.contract, context.lm, row)

    context.progress.start("reading the training rows", len(rows))
    found: list[list[NDArray[np.float32]]] = []
    for outcome in ordered_map(ask, rows, workers=context.lm.workers):
        found.append(outcome.unwrap())
        context.progress.advance(len(found))
    context.progress.finish()
    return [np.stack(column).astype(np.float64) for column in zip(*found, strict=True)]


def _tokens(draft: Draft, lm: Recorded, width: int) -> tuple[int, ...]:
    """First tokens of the labels, then of the words that most training rows hold."""
    found: dict[int, None] = {}
    for field in draft.contract.decisions:
        for choice in field.choices or ():
            found[first_token(lm, label_text(choice))] = None
    frequency: Counter[str] = Counter()
    for row in draft.train:
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


def _label_columns(contract: Contract, field: Field, read: Read, lm: Recorded) -> Sequence[int]:
    """The column of each class's own label among a read's features, or -1."""
    choices = field.choices or ()
    if read.mode == "generated":
        return [-1] * len(choices)
    if read.mode == "alternatives":
        before = sum(len(own.choices or ()) for own in contract.decisions[: contract.decisions.index(field)])
        return [before + i for i in range(len(choices))]
    columns = {token: i for i, token in enumerate(read.tokens)}
    return [columns.get(first_token(lm, label_text(choice)), -1) for choice in choices]
