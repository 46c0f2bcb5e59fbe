"""Race instructions against each other: a person's alternatives, and what an LM that can reflect proposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime import (
    Decide,
    PromptSpec,
    Read,
    StepSpec,
    opening_of,
    ordered_map,
    read_features,
    reading_mode,
    run_step,
)
from ...runtime import Heads as NoHeads
from ...scoring import Metric, metric_of
from ..draft import Context, Draft, Row
from ..heads import fit_readout, oof_folds
from ..race import Race, Scores, Standing, race, race_order
from .confirm import CONFIRM_AT_LEAST, confirmation, first_rows, race_entry
from .coverage import groups_of
from .evolve import evolve
from .propose import propose
from .readout import Readout, label_columns, reading_tokens
from .rollout import generating, score_of

C = 0.3
"""Inverse strength of the penalty of the small readouts that are raced; the final one chooses its own."""
SOURCES = ("mipro", "gepa")


@dataclass(frozen=True)
class Instructions:
    """Race the instruction at hand against alternatives, and take the winner over if it is confirmed.

    Decisions are raced by the Brier score (1950) of a readout that is cross-fitted on the
    rows read so far, one call a row; other outputs by the recipe's metric on what is
    generated. The winner must hold on rows that the race has not used; the first instruction
    stays where it does not.

    Attributes:
        texts: alternatives of your own.
        propose: how many each of `sources` adds at most, on the LM that `--reflect-lm` names;
            without such an LM, none: a small model cannot reflect.
        sources: of `mipro`, MIPROv2's proposer (Opsahl-Ong et al. 2024), which writes from a
            summary of the rows, and `gepa` (Agrawal et al. 2025), which rewrites what went
            wrong on rows: on 40 of them at most, at most five calls for each, and a third
            of what the budget leaves.
        confirm: share of the training rows kept out of the race for the confirmation.
        margin: difference in score that does not matter.
    """

    texts: tuple[str, ...] = ()
    propose: int = 6
    sources: tuple[str, ...] = SOURCES
    confirm: float = 0.2
    margin: float = 0.01

    def __post_init__(self) -> None:
        for name in ("texts", "sources"):
            if isinstance(getattr(self, name), str):  # whose letters would be taken for items
                raise InputError(f"{name} are several", hint=f'write {name}=("...",)', where="Instructions")
        object.__setattr__(self, "texts", tuple(self.texts))
        if not 0 < self.confirm < 1:
            raise InputError(f"a share lies between 0 and 1, not {self.confirm}", where="Instructions")
        if any(not isinstance(text, str) or not text.strip() for text in self.texts):
            raise InputError("an instruction is text, and not empty", where="Instructions")
        object.__setattr__(self, "sources", tuple(self.sources))
        if unknown := [name for name in self.sources if name not in SOURCES]:
            raise InputError(f"{unknown[0]!r} proposes no instructions", hint="mipro and gepa do")

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's instruction."""
        if draft.readouts or draft.students:
            raise InputError("instructions are raced before anything is fitted", hint="reorder the passes")
        rows = draft.fit_rows[: len(draft.fit_rows) - draft.n_dev]
        order = [rows[i] for i in race_order(groups_of(rows, draft.contract), seed=context.seed)]
        aside = max(CONFIRM_AT_LEAST, round(self.confirm * len(order)))
        if len(order) < 2 * aside:
            draft.notes.append(f"{len(order)} training rows are too few to race instructions")
            return
        confirming, racing = order[:aside], order[aside:]
        kept = calls_needed_after(self, draft, context)
        # Nobody who proposes sees the rows that the winner is confirmed on.
        proposed = self._proposed(draft, context, racing, kept + 2 * aside)
        texts = list(dict.fromkeys(text.strip() for text in (draft.instruction, *self.texts, *proposed)))
        if len(texts) == 1:
            draft.notes.append("no other instruction to race: write some, Instructions(texts=...)")
            return
        contenders = [contender(text, draft, context, racing) for text in texts]
        result = self._race(contenders, draft, context, len(racing), kept + 2 * aside)
        _settle(texts, contenders, result, confirming, draft, context, kept)

    def _proposed(self, draft: Draft, context: Context, rows: list[Row], kept: int) -> list[str]:
        if not self.propose or not self.sources:
            return []
        if context.reflect is None:
            draft.notes.append(
                "no instruction was proposed: --reflect-lm names an LM that can do it (a small one cannot)"
            )
            return []
        found = []
        if "mipro" in self.sources:
            found += propose(draft, context, context.reflect, self.propose, rows, kept=kept)
        if "gepa" in self.sources:
            found += evolve(draft, context, context.reflect, self.propose, rows, kept=kept)
        return found

    def _race(
        self, contenders: Sequence[_Reading | _Writing], draft: Draft, context: Context, n: int, kept: int
    ) -> Race:
        def show(standings: Callable[[], Sequence[Standing]]) -> None:
            now = [asdict(one) for one in standings()]
            context.progress.status(context.meter.words())
            context.progress.standings(now)
            context.progress.advance(sum(one["rows"] for one in now))

        if context.meter.room() is not None and not context.meter.spent().calls:
            contenders[0].begin()  # what tokens, US$ or minutes buy, the first call tells
        context.progress.start(f"racing {len(contenders)} instructions", len(contenders) * n)
        result = race(
            contenders,
            n,
            first=first_rows(draft.contract),
            margin=self.margin,
            room=lambda: context.meter.beyond(kept),
            on_round=show,
        )
        context.progress.finish()
        return result


def calls_needed_after(one: Any, draft: Draft, context: Context) -> int:
    """What the budget must leave for later passes: a call a row for each that reads the rows."""
    passes = list(context.recipe.passes)
    later = passes[passes.index(one) + 1 :] if one in passes else passes
    return len(draft.fit_rows) * sum(isinstance(other, Readout | Instructions) for other in later)


@dataclass
class _Reading:
    """An instruction for decisions: its score on a row is that of a readout fitted without the row's fold."""

    name: str
    prompt: PromptSpec
    read: Read
    draft: Draft
    context: Context
    rows: list[Row]
    features: list[NDArray[np.float32]] = field(default_factory=list)

    def begin(self) -> None:
        """Read a row."""
        self._read_to(1)

    def scores(self, n: int) -> Scores:
        self._read_to(n)
        found = np.zeros(n)
        for own in self.draft.contract.decisions:
            classes = self._classes(own, self.rows[:n])
            folds = oof_folds([row[own.name] for row in self.rows[:n]], n_dev=0, seed=self.context.seed)
            for fitted_on, held in folds:
                found[held] += self._brier(own, classes, fitted_on, held, np.stack(self.features))
        return found / len(self.draft.contract.decisions)

    def on(self, rows: list[Row]) -> Scores:
        """Scores on other rows, by readouts fitted on all rows read in the race."""
        n = len(self.features)
        both = _Reading(self.name, self.prompt, self.read, self.draft, self.context, self.rows[:n] + rows)
        both.features = list(self.features)
        both._read_to(n + len(rows))
        stacked, found = np.stack(both.features), np.zeros(len(rows))
        held = np.arange(n, n + len(rows))
        for own in self.draft.contract.decisions:
            found += self._brier(own, self._classes(own, both.rows), np.arange(n), held, stacked)
        return found / len(self.draft.contract.decisions)

    def _read_to(self, n: int) -> None:
        decide = Decide(prompt=self.prompt, reads=(self.read,), heads={})
        contract, lm = self.draft.contract, self.context.lm

        def ask(row: Row) -> NDArray[np.float32]:
            return read_features(decide, contract, lm, row)[0]

        new = self.rows[len(self.features) : n]
        for outcome in ordered_map(ask, new, workers=lm.workers):
            self.features.append(outcome.unwrap())

    def _brier(
        self,
        own: Any,
        classes: NDArray[np.intp],
        fitted_on: NDArray[np.intp],
        held: NDArray[np.intp],
        features: NDArray[np.float32],
    ) -> Scores:
        size = len(own.choices or ())
        columns = label_columns(self.draft.contract, own, self.read, self.context.lm)
        head = fit_readout(features[fitted_on].astype(np.float64), classes[fitted_on], size, columns, c=C)
        shares = np.exp(np.stack([head.log_probabilities(features[i]) for i in held]))
        truth = np.eye(size)[classes[held]]
        return np.asarray(np.clip(1 - ((shares - truth) ** 2).sum(axis=1) / 2, 0.0, 1.0))

    @staticmethod
    def _classes(own: Any, rows: Sequence[Row]) -> NDArray[np.intp]:
        options = list(own.choices or ())
        return np.array([options.index(row[own.name]) for row in rows], np.intp)


@dataclass
class _Writing:
    """An instruction for generated outputs: its score on a row is the metric of what it generates."""

    name: str
    step: StepSpec
    metric: Metric
    draft: Draft
    context: Context
    rows: list[Row]
    found: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """Write for a row."""
        self.scores(1)

    def scores(self, n: int) -> Scores:
        self.found += self._scored(self.rows[len(self.found) : n])
        return np.array(self.found[:n])

    def on(self, rows: list[Row]) -> Scores:
        """Scores on other rows."""
        return np.array(self._scored(rows))

    def _scored(self, rows: list[Row]) -> list[float]:
        def ask(row: Row) -> Mapping[str, Any]:
            return run_step(self.draft.name, self.step, NoHeads({}, None), self.context.lm, row).outputs

        scores = []
        for row, outcome in zip(rows, ordered_map(ask, rows, workers=self.context.lm.workers), strict=True):
            if outcome.error is not None:  # an answer that cannot be used is a wrong one
                scores.append(0.0)
                continue
            scores.append(float(score_of(self.metric, outcome.unwrap(), row).value or 0.0))
        return scores


def contender(text: str, draft: Draft, context: Context, rows: list[Row]) -> _Reading | _Writing:
    """An instruction with the draft's demos, as a candidate of a race over these rows."""
    contract = draft.contract
    name = " ".join(text.split())[:60]
    if contract.decisions:
        prompt = draft.decide_prompt(instruction=text)
        primary = contract.primary
        mode = reading_mode(prompt, contract, context.lm, rows[0])
        tokens = reading_tokens(draft, context.lm) if mode == "logprobs" else ()
        read = Read(mode=mode, opening=opening_of(primary) if tokens else "", tokens=tokens)
        return _Reading(name, prompt, read, draft, context, rows)
    step = generating(draft, text, contract.outputs)
    metric = metric_of(context.recipe.metric, contract.outputs, rows)
    return _Writing(name, step, metric, draft, context, rows)


def _settle(
    texts: Sequence[str],
    contenders: Sequence[_Reading | _Writing],
    result: Race,
    confirming: list[Row],
    draft: Draft,
    context: Context,
    kept_back: int,
) -> None:
    """Take the winner over if it holds on rows that the race has not used; keep what happened."""
    winner, kept = result.winner, 0
    confirmed: dict[str, Any] | None = None
    room = context.meter.room()
    affordable = room is None or room >= 2 * len(confirming) + kept_back
    if winner and affordable:
        confirmed = confirmation(contenders[winner], contenders[0], confirming)
        kept = winner if confirmed["difference"] >= 0 else 0
    draft.races.append(race_entry("instructions", result, kept=kept, confirmed=confirmed, texts=texts))
    draft.instruction = texts[kept]
    ended = {"decided": "decided", "rows": "all rows were read", "budget": "the budget was spent"}[result.why]
    note = f"{len(texts)} instructions raced over {result.rows} rows ({ended})"
    if not winner:
        note += ": the first one stays"
    elif confirmed is None:
        note += ": the budget leaves no rows to confirm the winner on, so the first one stays"
    else:
        verb = "is confirmed" if kept else "is not confirmed, and the first one stays"
        note += (
            f": number {winner + 1} wins, and {verb} on {confirmed['n']} rows that the race had not used "
            f"({100 * confirmed['difference']:+.1f} points)"
        )
    draft.notes.append(note)
