"""A program in the making, and what the passes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..lms import Recorded
from ..runtime import (
    Contract,
    Demo,
    Field,
    Progress,
    PromptSpec,
    Read,
    ReadoutHead,
    StudentHead,
    Tfidf,
    render_decide,
    render_extract,
    render_generate,
    value_text,
)
from .budget import Meter
from .recipe import Recipe

if TYPE_CHECKING:
    import dspy

    from .keeping import Keep
    from .passes.span_ways import SpanChoice

Row = dict[str, Any]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True)
class Candidate:
    """A fitted head of one output, and what it says of rows that it was not fitted on.

    Attributes:
        head: fitted on all rows.
        held_out: log-probabilities by row and class, from fits without that row's fold; (N, C).
        reads: indices of the reads whose features it takes; empty for a student.
    """

    head: ReadoutHead | StudentHead
    held_out: NDArray[np.float64]
    reads: tuple[int, ...] = ()


@dataclass
class Draft:
    """What the passes work on.

    Attributes:
        train: rows to fit on, typed; dev: rows to select on, empty where train is cross-fitted.
        demos: worked examples of the prompt; their rows are left out of the readout's fit.
        order: names of the inputs as the prompt shows them; empty for the contract's order.
        repeated: digests of the values of the first of them that stand in many rows.
        prompt, reads: of the decisions, once a readout pass has set them.
        readouts, students: candidates by output; a readout has several, the cheapest first.
        tfidf: the students' vocabulary.
        spans: how outputs that stand in the text are found, once a pass has looked for them.
        unread: rows of `train` that the budget leaves no call for; the students learn from them.
        features: of `reads`, one matrix each over `fit_rows`; shape (N, K).
        notes: what passes have to say to the user.
        races: how races ended, as JSON, for the report.
        kept: what was taken over from an earlier compile, as JSON; see `Keep`.
    """

    name: str
    contract: Contract
    instruction: str
    train: list[Row]
    dev: list[Row]
    module: dspy.Module
    demos: list[Demo] = field(default_factory=list)
    order: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    prompt: PromptSpec | None = None
    reads: list[Read] = field(default_factory=list)
    readouts: dict[str, list[Candidate]] = field(default_factory=dict)
    students: dict[str, Candidate] = field(default_factory=dict)
    tfidf: Tfidf | None = None
    spans: SpanChoice | None = None
    unread: list[Row] = field(default_factory=list)
    features: list[NDArray[np.float64]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    races: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def unlabelled(self) -> list[Field]:
        """Generated outputs that no training row has a label for."""
        return [own for own in self.contract.values if not any(own.name in row for row in self.train)]

    @property
    def labelled(self) -> list[Row]:
        """Training rows with a label for every output that any has one for."""
        names = [own.name for own in self.contract.outputs if any(own.name in row for row in self.train)]
        return [row for row in self.train if all(name in row for name in names)]

    def decide_prompt(self, *, instruction: str | None = None) -> PromptSpec:
        """The prompt for decisions, with the inputs in the draft's order."""
        text = self.instruction if instruction is None else instruction
        return render_decide(text, self._shown, self.demos, repeated=self.repeated)

    def generate_prompt(
        self, outputs: Sequence[Field], *, instruction: str | None = None, demos: Sequence[Demo] | None = None
    ) -> PromptSpec:
        """The prompt for generated outputs, with the inputs in the draft's order."""
        text = self.instruction if instruction is None else instruction
        shown = self.demos if demos is None else demos
        return render_generate(text, self._shown, shown, outputs, repeated=self.repeated)

    def extract_prompt(self, outputs: Sequence[Field]) -> PromptSpec:
        """The prompt for values that stand in the text, with the inputs in the draft's order."""
        return render_extract(self.instruction, self._shown, self.demos, outputs, repeated=self.repeated)

    def demo_of(self, row: Row) -> Demo:
        """A row as a demo; an output that it has no label for is left out."""
        return Demo(
            inputs={own.name: row[own.name] for own in self.contract.inputs},
            outputs={own.name: row[own.name] for own in self.contract.outputs if own.name in row},
        )

    @property
    def demo_rows(self) -> list[Row]:
        """The demos as rows."""
        return [{**demo.inputs, **demo.outputs} for demo in self.demos]

    @property
    def fit_rows(self) -> list[Row]:
        """Train rows that are no demos and not left unread, and dev rows behind them."""
        shown = {self._key(demo.inputs) for demo in self.demos}
        unread = {id(row) for row in self.unread}
        kept = [row for row in self.train if id(row) not in unread]
        return [row for row in kept if not shown or self._key(row) not in shown] + self.dev

    @property
    def n_dev(self) -> int:
        """How many of `fit_rows`, at their end, are dev rows."""
        return len(self.dev)

    @property
    def _shown(self) -> Contract:
        """The contract with its inputs in the prompt's order."""
        by_name = {own.name: own for own in self.contract.inputs}
        return replace(self.contract, inputs=tuple(by_name[name] for name in self.order or by_name))

    def _key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(value_text(row[field.name]) for field in self.contract.inputs)


@dataclass(frozen=True)
class Context:
    """What passes may use: the LM, the seed, what is left of the budget, the recipe, and who listens.

    `reflect` is another LM, that proposes instructions, where the user names one. `keep` is an
    earlier compile of the same program, from which is taken over what holds on any LM.
    """

    lm: Recorded
    seed: int
    meter: Meter
    recipe: Recipe
    progress: Progress
    reflect: Recorded | None = None
    keep: Keep | None = None
