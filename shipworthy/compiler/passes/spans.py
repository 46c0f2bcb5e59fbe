"""Find outputs that stand in the text: which ways there are, which is best, and how sure it may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, OutputError
from ...examples import holds_secret
from ...runtime import (
    Contract,
    Extract,
    Field,
    Generate,
    Heads,
    PromptSpec,
    SpanSpec,
    StepSpec,
    Tagger,
    may_be_null,
    may_stand_in_text,
    ordered_map,
    plain_value,
    run_step,
    student_text,
    typed,
    value_text,
    words_of,
)
from ...scoring import mean_interval, threshold_with_guarantee
from ..draft import Context, Draft, Folds, Row
from ..heads import held_out_rows, oof_folds
from ..race import Scores, Standing, race, race_order
from ..tagging import Taught, fit_tagger, stands_in
from .confirm import race_entry
from .rollout import MAX_TOKENS

SPANS = 0.5
"""Share of an output's labels that must stand in the text for it to be looked for there."""
LEAST = 5
"""Labels that must stand there."""
MARGIN = 0.02
CALIBRATE = 5
"""Right and wrong values that a confidence is fitted from, each at least."""

Values = dict[str, tuple[Any, float]]
"""By output: the value and its probability."""


@dataclass(frozen=True)
class SpanChoice:
    """How the outputs that stand in the text are found.

    Attributes:
        extract: as the step holds it; tagger: its arrays, if it has some.
        held_out: rows, and the values there by a way that had not seen the row.
    """

    extract: Extract
    tagger: Tagger | None
    held_out: list[tuple[Row, Values]]


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
            taken = _race(ways, draft, context, self.rows)
        names = ", ".join(own.name for own in fields)
        right = ", ".join(f"{name} {share:.0%}" for name, share in taken.shares().items())
        draft.notes.append(f"{names}: {taken.name} (right on {len(taken.known)} held-out rows: {right})")
        if taken.extract is not None:
            draft.spans, unsure = taken.choice(taken.extract, context.recipe.target)
            promise = f"no threshold can promise {context.recipe.target:.0%}, so every row counts as answered"
            draft.notes += [f"{name}: {promise}" for name in unsure]

    def _ways(self, draft: Draft, context: Context, fields: Sequence[Field]) -> list[_Way]:
        """The cheapest first."""
        rows = draft.fit_rows
        patterns = [_pattern(row, fields) for row in rows]
        folds = oof_folds(patterns, n_dev=draft.n_dev, seed=context.seed)
        held = held_out_rows(folds)
        order = held[race_order([patterns[i] for i in held], seed=context.seed)]
        taught = [_taught(row, draft, fields) for row in (*rows, *draft.demo_rows)]
        ways = [self._tagging("student", taught, folds, order, draft, context, fields)]
        if self.readout and context.lm.reads_logprobs and _affords(context, len(taught)):
            shown = _with_states(taught, context)
            ways.append(self._tagging("readout", shown, folds, order, draft, context, fields))
        found = [way for way in ways if way is not None]
        if self.rows or not found:
            found += _asking(draft, context, fields, order)
        return found

    def _tagging(
        self,
        by: Literal["student", "readout"],
        taught: Sequence[Taught],
        folds: Folds,
        order: NDArray[np.intp],
        draft: Draft,
        context: Context,
        fields: Sequence[Field],
    ) -> _Way | None:
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
        return _Way(
            words, draft, fields, order, found.__getitem__, _extract(by, fields, whole.longest), whole
        )


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


@dataclass
class _Way:
    """A way to find the outputs, as a contender of a race.

    Attributes:
        name: what it does, for notes and the race.
        order: indices of fit rows that it may be judged by, in the race's order.
        ask: the values of a row by its index.
        extract: as a step holds it; None where the outputs are generated.
        workers: rows asked at once; 0 where asking costs nothing.
    """

    name: str
    draft: Draft
    fields: Sequence[Field]
    order: NDArray[np.intp]
    ask: Callable[[int], Values]
    extract: Extract | None = None
    tagger: Tagger | None = None
    workers: int = 0
    known: dict[int, Values] = field(default_factory=dict)

    def scores(self, n: int) -> Scores:
        """The share of the outputs that are right, by row."""
        waiting = [i for i in self.order[:n].tolist() if i not in self.known]
        outcomes = ordered_map(self.ask, waiting, workers=max(1, self.workers))
        for i, outcome in zip(waiting, outcomes, strict=True):
            # A row that cannot be answered is a wrong one.
            self.known[i] = {} if outcome.error is not None else outcome.unwrap()
        return np.array([np.mean(self._right(i)) for i in self.order[:n].tolist()])

    def read_all(self) -> None:
        """Take in all rows, where that costs nothing."""
        if not self.workers:
            self.scores(len(self.order))

    def shares(self) -> dict[str, float]:
        """Of each output right on the rows that were read."""
        right = np.array([self._right(i) for i in self.known]).reshape(-1, len(self.fields))
        return (
            {own.name: float(right[:, k].mean()) for k, own in enumerate(self.fields)} if len(right) else {}
        )

    def choice(self, extract: Extract, target: float) -> tuple[SpanChoice, list[str]]:
        """With confidences and thresholds from the rows that were read, and outputs that none promises."""
        usable = [i for i in self.known if self.known[i]]
        spans, unsure = {}, []
        for k, own in enumerate(self.fields):
            sure = np.array([self.known[i][own.name][1] for i in usable])
            right = np.array([self._right(i)[k] for i in usable], bool)
            spans[own.name] = span = _calibrated(sure, right)
            confidence = np.array([span.confidence(one) for one in sure])
            threshold = threshold_with_guarantee(confidence, right, target=target) if len(sure) else None
            spans[own.name] = span.model_copy(update={"threshold": threshold or 0.0})
            unsure += [own.name] if threshold is None else []
        extract = extract.model_copy(update={"spans": spans})
        rows = self.draft.fit_rows
        return SpanChoice(extract, self.tagger, [(rows[i], self.known[i]) for i in usable]), unsure

    def _right(self, i: int) -> list[bool]:
        row, values = self.draft.fit_rows[i], self.known[i]
        return [
            own.name in values and plain_value(values[own.name][0]) == plain_value(row.get(own.name))
            for own in self.fields
        ]


def _asking(draft: Draft, context: Context, fields: Sequence[Field], order: NDArray[np.intp]) -> list[_Way]:
    """The ways that ask the LM."""
    rows, lm = draft.fit_rows, context.lm
    ways: list[tuple[str, Extract | None, Generate | None]] = []
    if lm.reads_logprobs:
        values = [
            value_text(row[own.name]) for row in rows for own in fields if row.get(own.name) is not None
        ]
        longest = max((len(words_of(value)) for value in values), default=1)
        extract = _extract("scoring", fields, longest, prompt=draft.extract_prompt(fields))
        ways.append(("the LM chooses among the spans of the text", extract, None))
    generate = Generate(
        prompt=draft.generate_prompt(fields),
        outputs=tuple(own.name for own in fields),
        max_tokens=MAX_TOKENS,
    )
    ways.append(("the LM generates them", None, generate))
    sides = Contract(draft.contract.inputs, tuple(fields)).as_json()
    found = []
    for words, extract_, generate_ in ways:
        step = StepSpec(
            instruction=draft.instruction,
            inputs=sides["inputs"],
            outputs=sides["outputs"],
            extract=extract_,
            generate=generate_,
        )

        def ask(i: int, step: StepSpec = step) -> Values:
            trace = run_step(draft.name, step, Heads({}, None), lm, rows[i])
            return {name: (value, trace.confidence[name] or 0.0) for name, value in trace.outputs.items()}

        found.append(_Way(words, draft, fields, order, ask, extract_, workers=lm.workers))
    return found


def _race(ways: Sequence[_Way], draft: Draft, context: Context, rows: int) -> _Way:
    """The cheapest way that no dearer one is better than beyond doubt."""
    n = min(rows, len(ways[0].order))
    each = max(1, len(ways[0].fields))

    def show(standings: Callable[[], Sequence[Standing]]) -> None:
        now = [asdict(one) for one in standings()]
        context.progress.status(context.meter.words())
        context.progress.standings(now)
        context.progress.advance(sum(one["rows"] for one in now))

    def room() -> int | None:
        left = context.meter.room()
        return None if left is None else left // each

    context.progress.start("racing ways to find spans", len(ways) * n)
    result = race(ways, n, margin=MARGIN, room=room, on_round=show)
    context.progress.finish()
    for way in ways:
        way.read_all()
    kept = 0
    for i in range(1, len(ways)):
        if _better(ways[i], ways[kept]):
            kept = i
    words = [way.name for way in ways]
    draft.races.append(race_entry("spans", result, kept=kept, confirmed=None, texts=words))
    return ways[kept]


def _better(dearer: _Way, cheaper: _Way) -> bool:
    """Whether it is, by the 95 % interval of the mean difference on the rows that both have read."""
    common = [i for i in dearer.known if i in cheaper.known]
    if len(common) < 2:
        return False
    gaps = np.array([np.mean(dearer._right(i)) - np.mean(cheaper._right(i)) for i in common])
    return mean_interval((1 + gaps) / 2)[0] > 0.5


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


def _calibrated(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> SpanSpec:
    """Platt's scaling (1999), where there are right and wrong values enough."""
    if min(right.sum(), (~right).sum()) < CALIBRATE:
        return SpanSpec(threshold=0.0)
    from sklearn.linear_model import LogisticRegression

    inside = np.clip(sure, 1e-6, 1 - 1e-6)
    model = LogisticRegression().fit(np.log(inside / (1 - inside))[:, None], right)
    slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        return SpanSpec(threshold=0.0)
    return SpanSpec(threshold=0.0, slope=round(slope, 4), shift=round(shift, 4))


def _extract(
    by: Literal["student", "readout", "scoring"],
    fields: Sequence[Field],
    longest: int,
    *,
    prompt: PromptSpec | None = None,
) -> Extract:
    names = tuple(own.name for own in fields)
    spans = {name: SpanSpec(threshold=0.0) for name in names}
    return Extract(by=by, outputs=names, spans=spans, longest=longest, prompt=prompt)


def _pattern(row: Row, fields: Sequence[Field]) -> str:
    """Which outputs have a value: rows are dealt out so that these are in proportion."""
    return "".join("." if row.get(own.name) is None else "x" for own in fields)
