"""The ways to find outputs that stand in the text, as contenders of a race; see `Spans`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
    ordered_map,
    plain_value,
    run_step,
    value_text,
    words_of,
)
from ...scoring import mean_interval, threshold_with_guarantee
from ..draft import Context, Draft, Row
from ..race import Scores, Standing, race
from .confirm import race_entry
from .rollout import MAX_TOKENS

MARGIN = 0.02
CALIBRATE = 5
"""Right and wrong values that a confidence is fitted from, each at least."""

By = Literal["student", "readout", "scoring"]
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


@dataclass
class Way:
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
            spans[own.name] = span.replace(threshold=threshold or 0.0)
            unsure += [own.name] if threshold is None else []
        extract = extract.replace(spans=spans)
        rows = self.draft.fit_rows
        return SpanChoice(extract, self.tagger, [(rows[i], self.known[i]) for i in usable]), unsure

    def _right(self, i: int) -> list[bool]:
        row, values = self.draft.fit_rows[i], self.known[i]
        return [
            own.name in values and plain_value(values[own.name][0]) == plain_value(row.get(own.name))
            for own in self.fields
        ]


def asking(draft: Draft, context: Context, fields: Sequence[Field], order: NDArray[np.intp]) -> list[Way]:
    """The ways that ask the LM."""
    rows, lm = draft.fit_rows, context.lm
    ways: list[tuple[str, Extract | None, Generate | None]] = []
    if lm.reads_logprobs:
        values = [
            value_text(row[own.name]) for row in rows for own in fields if row.get(own.name) is not None
        ]
        longest = max((len(words_of(value)) for value in values), default=1)
        extract = extract_by("scoring", fields, longest, prompt=draft.extract_prompt(fields))
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

        found.append(Way(words, draft, fields, order, ask, extract_, workers=lm.workers))
    return found


def race_ways(ways: Sequence[Way], draft: Draft, context: Context, rows: int) -> Way:
    """The cheapest way that no dearer one is better than beyond doubt.

    Without rows none races: those that had to read all rows anyhow are compared on these.
    """
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

    result = None
    if n:
        context.progress.start("racing ways to find spans", len(ways) * n)
        result = race(ways, n, margin=MARGIN, room=room, on_round=show)
        context.progress.finish()
    for way in ways:
        way.read_all()
    kept = 0
    for i in range(1, len(ways)):
        if _better(ways[i], ways[kept]):
            kept = i
    if result is not None:
        words = [way.name for way in ways]
        draft.races.append(race_entry("spans", result, kept=kept, confirmed=None, texts=words))
    return ways[kept]


def extract_by(
    by: By,
    fields: Sequence[Field],
    longest: int,
    *,
    prompt: PromptSpec | None = None,
) -> Extract:
    """How a step holds a way, before it is known how sure it may be."""
    names = tuple(own.name for own in fields)
    spans = {name: SpanSpec(threshold=0.0) for name in names}
    return Extract(by=by, outputs=names, spans=spans, longest=longest, prompt=prompt)


def _better(dearer: Way, cheaper: Way) -> bool:
    """Whether it is, by the 95 % interval of the mean difference on the rows that both have read."""
    common = [i for i in dearer.known if i in cheaper.known]
    if len(common) < 2:
        return False
    gaps = np.array([np.mean(dearer._right(i)) - np.mean(cheaper._right(i)) for i in common])
    return mean_interval((1 + gaps) / 2)[0] > 0.5


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
