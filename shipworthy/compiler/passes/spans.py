"""Find outputs that stand in the text: which ways there are, which is best, and how sure it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, OutputError
from ...examples import holds_secret
from ...runtime import (
    Contract,
    Field,
    Tagger,
    may_be_null,
    may_stand_in_text,
    ordered_map,
    student_text,
    typed,
    value_text,
    words_of,
)
from ..draft import Context, Draft, Folds, Row
from ..heads import held_out_rows, oof_folds
from ..race import race_order
from ..tagging import Taught, fit_tagger, stands_in
from .span_ways import By, Values, Way, asking, extract_by, race_ways

SPANS = 0.5
"""Share of an output's labels that must stand in the text for it to be looked for there."""
LEAST = 5
"""Labels that must stand there."""


@dataclass(frozen=True)
class Spans:
    """Find values word for word in the inputs' text, or null: names, dates, numbers, amounts.

    An output is looked for there if most of its labels stand there. Four ways race on
    held-out rows, the cheapest first:

    - the `student`, a conditional random field over the words, fitted on the training rows;
      it calls no LM;
    - the `readout`, the same field, which sees the LM's hidden state at each word besides:
      one call a row, that writes nothing;
    - `scoring`: the LM chooses among all spans of the text, and none, by their log-probability,
      with the demos before it;
    - `generating`: the LM writes the values as JSON under a grammar, as it does other outputs.

    A dearer way takes the place of a cheaper one where it is better beyond doubt. What is found
    by any but the last stands in the text for certain. Hosted LMs can only generate.

    Attributes:
        penalty: of the squared weights of words; state_penalty: of those of the LM's states.
        rows: held-out rows on which the ways that ask the LM by a prompt race at most; 0 races none.
        readout: whether the LM's states are tried at all.
    """

    penalty: float = 0.05
    state_penalty: float = 2.0
    rows: int = 40
    readout: bool = True

    def __post_init__(self) -> None:
        if not (self.penalty > 0 and self.state_penalty > 0) or self.rows < 0:
            raise InputError("penalties are above 0, and rows 0 or more", where="Spans")

    def calls(self, contract: Contract, rows: int) -> int:
        """Calls at most, with so many training rows."""
        outputs = sum(may_stand_in_text(own) for own in contract.values)
        if not outputs:
            return 0
        return (rows if self.readout else 0) + min(self.rows, rows) * (outputs + 1)

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's spans, where an output stands in the text."""
        fields = span_fields(draft)
        if not fields and any(may_stand_in_text(own) for own in draft.contract.values):
            draft.notes.append("no output stands in the text word for word: all values are generated")
        if not fields:
            return
        ways = self._ways(draft, context, fields)
        taken = ways[0]
        taken.read_all()
        if len(ways) > 1:
            taken = race_ways(ways, draft, context, self.rows)
        _take(taken, draft, context)

    def fit(self, by: By, draft: Draft, context: Context) -> bool:
        """Fit one way to this LM, without a race.

        Returns:
            False where there is no such way on this LM, these rows or this budget; nothing was done then.
        """
        fields = span_fields(draft)
        ways = self._ways(draft, context, fields, only=by) if fields else []
        if not ways:
            return False
        ways[0].read_all()
        if ways[0].workers:
            n, room = min(self.rows, len(ways[0].order)), context.meter.room()
            n = n if room is None else min(n, room // len(fields))
            if not n:
                return False
            ways[0].scores(n)
        _take(ways[0], draft, context)
        return True

    def _ways(
        self, draft: Draft, context: Context, fields: Sequence[Field], *, only: By | None = None
    ) -> list[Way]:
        """The cheapest first; or `only` that one, if there is such a way."""
        rows = draft.fit_rows
        patterns = [_pattern(row, fields) for row in rows]
        folds = oof_folds(patterns, n_dev=draft.n_dev, seed=context.seed)
        held = held_out_rows(folds)
        order = held[race_order([patterns[i] for i in held], seed=context.seed)]
        taught = [_taught(row, draft, fields) for row in (*rows, *draft.demo_rows)]
        ways = []
        if only in (None, "student"):
            ways.append(self._tagging("student", taught, folds, order, draft, context, fields))
        readout = only == "readout" or (only is None and self.readout)
        if readout and context.lm.reads_logprobs and _affords(context, len(taught)):
            shown = _with_states(taught, context)
            ways.append(self._tagging("readout", shown, folds, order, draft, context, fields))
        found = [way for way in ways if way is not None]
        if only == "scoring" or (only is None and (self.rows or not found)):
            found += asking(draft, context, fields, order)
        if only is None:
            return found
        return [way for way in found if way.extract is not None and way.extract.by == only]

    def _tagging(
        self,
        by: Literal["student", "readout"],
        taught: Sequence[Taught],
        folds: Folds,
        order: NDArray[np.intp],
        draft: Draft,
        context: Context,
        fields: Sequence[Field],
    ) -> Way | None:
        """A tagger, cross-fitted; it learns from demos too. None where the rows teach nothing."""
        demos = range(len(draft.fit_rows), len(taught))
        names = [own.name for own in fields]

        def fit(rows: Sequence[int]) -> Tagger | None:
            # What looks like a secret must not be learnt by heart.
            usable = [taught[i] for i in (*rows, *demos) if not holds_secret({"text": taught[i].text})]
            try:
                return fit_tagger(usable, names, penalty=self.penalty, state_penalty=self.state_penalty)
            except ValueError:
                return None

        context.progress.start(f"fitting the spans' {by}", len(folds) + 1)
        whole = fit(range(len(draft.fit_rows)))
        context.progress.advance(1)
        found: dict[int, Values] = {}
        for done, (fitted_on, held) in enumerate(folds, 2):
            tagger = fit(fitted_on.tolist())
            found |= {i: _by_tagger(tagger, taught[i], fields) for i in held.tolist()}
            context.progress.advance(done)
        context.progress.finish()
        if whole is None:
            return None
        words = "the student finds them" if by == "student" else "a readout of the LM's states finds them"
        return Way(
            words, draft, fields, order, found.__getitem__, extract_by(by, fields, whole.longest), whole
        )


def _take(taken: Way, draft: Draft, context: Context) -> None:
    """Make a way the draft's, and say how good it is."""
    names = ", ".join(own.name for own in taken.fields)
    right = ", ".join(f"{name} {share:.0%}" for name, share in taken.shares().items())
    draft.notes.append(f"{names}: {taken.name} (right on {len(taken.known)} held-out rows: {right})")
    if taken.extract is not None:
        draft.spans, unsure = taken.choice(taken.extract, context.recipe.target)
        promise = f"no threshold can promise {context.recipe.target:.0%}, so every row counts as answered"
        draft.notes += [f"{name}: {promise}" for name in unsure]


def span_fields(draft: Draft) -> list[Field]:
    """Outputs most of whose labels stand in the inputs' text."""
    found = []
    for own in draft.contract.values:
        if not may_stand_in_text(own):
            continue
        labelled = [row for row in draft.fit_rows if row.get(own.name) is not None]
        standing = sum(
            stands_in(student_text(draft.contract, row), value_text(row[own.name])) for row in labelled
        )
        if standing >= max(LEAST, SPANS * len(labelled)):
            found.append(own)
    return found


def _taught(row: Row, draft: Draft, fields: Sequence[Field]) -> Taught:
    values = {
        own.name: None if row[own.name] is None else value_text(row[own.name])
        for own in fields
        if own.name in row
    }
    return Taught(student_text(draft.contract, row), values)


def _with_states(taught: Sequence[Taught], context: Context) -> list[Taught]:
    """The rows with the LM's states of their words."""

    def read(row: Taught) -> Taught:
        ends = [end for _, end in words_of(row.text)]
        return replace(row, states=context.lm.states(row.text, ends).vectors if ends else None)

    found = []
    context.progress.start("reading the training rows' states", len(taught))
    for outcome in ordered_map(read, taught, workers=context.lm.workers):
        found.append(outcome.unwrap())
        context.progress.status(context.meter.words())
        context.progress.advance(len(found))
    context.progress.finish()
    return found


def _affords(context: Context, calls: int) -> bool:
    room = context.meter.room()
    return room is None or room >= calls


def _by_tagger(tagger: Tagger | None, row: Taught, fields: Sequence[Field]) -> Values:
    """What a tagger finds; nothing where it could not be fitted or a value must be there and is not."""
    if tagger is None:
        return {}
    names = [own.name for own in fields]
    optional = [may_be_null(own) for own in fields]
    found = tagger.find(row.text, names, may_be_none=optional, states=row.states)
    try:
        return {own.name: typed(own, value) for own, value in zip(fields, found, strict=True)}
    except OutputError:
        return {}


def _pattern(row: Row, fields: Sequence[Field]) -> str:
    """Which outputs have a value: rows are dealt out so that these are in proportion."""
    return "".join("." if row.get(own.name) is None else "x" for own in fields)
