"""Everyone who answers the test rows: the program, the prototype, and the simple things beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import RowError
from ..examples import split_rows
from ..lift import Prototype
from ..lms import Recorded
from ..runtime import Program, Progress
from ..scoring import Evaluation, Many, Metric, Row, evaluate
from . import baselines
from .prototype import answer_freely

FREE_ROWS = 50
"""What generates freely runs on at most so many rows; the prototype only in the quick certificate."""

Scored = tuple[list[int], Evaluation]
"""Indices of test rows, and what was scored there."""


@dataclass(frozen=True)
class Opponent:
    """The prototype as it is compared with.

    Attributes:
        prototype: the prompt, or None where there is none.
        recorded: its recorded answers, or None where it runs on the LM at hand.
        digest: names prototype and LM, or prototype and recorded answers.
        lm: the LM that it runs on, for the page.
    """

    prototype: Prototype | None
    recorded: Many | None
    digest: str
    lm: str


@dataclass(frozen=True)
class Contest:
    """Who answered the test rows, and how well.

    Attributes:
        ours: the compiled program, on all rows.
        baselines: by name; prototype: None where it could not be measured.
        sample: the rows on which what generates freely was run, the prototype aside in a full certificate.
        asks: `compiled`, and `prototype` where it runs on the LM at hand: who can be asked more.
    """

    ours: Evaluation
    baselines: dict[str, Scored]
    prototype: Scored | None
    sample: list[int]
    asks: dict[str, Many]

    @property
    def scored(self) -> dict[str, Scored]:
        """All of them by name, the program first and the prototype last."""
        found = {"compiled": (list(range(len(self.ours.results))), self.ours), **self.baselines}
        return found if self.prototype is None else {**found, "prototype": self.prototype}


def run_contest(
    program: Program,
    opponent: Opponent,
    train: Sequence[Row],
    test: Sequence[Row],
    *,
    lm: Recorded,
    metric: Metric,
    quick: bool,
    progress: Progress,
) -> Contest:
    """Let everyone answer, and score them.

    Raises:
        LMError: the LM fails.
    """
    contract = baselines.labelled(program.contract, test)
    train = baselines.teaching(program.contract, train)
    outputs = [field.name for field in contract.outputs]
    everything = list(range(len(test)))
    sample = stratified(test, program, FREE_ROWS)
    free = lm.id.startswith("local/")

    def score(title: str, many: Many, rows: list[int]) -> Scored:
        progress.start(title, len(rows))
        try:
            asked = [test[i] for i in rows]
            scored = evaluate(
                many,
                asked,
                outputs=outputs,
                metric=metric,
                on_row=progress.advance,
                usd_of=(lambda _: 0.0) if free else None,
            )
            return rows, scored
        finally:
            progress.finish()

    _, ours = score("scoring the compiled program", program.answer_many, everything)
    found = {}
    if train:
        for name, many in (
            ("majority", baselines.majority(program.contract, train)),
            ("tfidf_lr", baselines.tfidf_lr(program.contract, train)),
        ):
            found[name] = score(f"scoring {name}", many, everything)
        if standing := _standing(program):
            many = baselines.crf(program.contract, train, standing)
            found["crf"] = score("scoring a conditional random field", many, everything)
    if opponent.prototype is not None:
        many = baselines.constrained(opponent.prototype, contract, lm)
        found["constrained"] = score("scoring the prompt, constrained to its labels", many, sample)
    if not quick and len(program.spec.flow) == 1:  # several steps are no one prompt with demos
        step = program.spec.steps[program.spec.flow[0]]
        many = baselines.dspy_few_shot(contract, step.instruction, train, lm)
        found["dspy_few_shot"] = score("scoring plain DSPy few-shot", many, sample)
    if not quick and train and lm.embeds and program.contract.decisions:
        many = baselines.embedding_lr(program.contract, train, lm, progress=progress)
        found["embedding_lr"] = score("scoring embeddings with logistic regression", many, everything)

    asks: dict[str, Many] = {"compiled": program.answer_many}
    prototype: Scored | None = None
    if opponent.recorded is not None:
        if rows := _with_answers(opponent.recorded, test):
            prototype = score("reading the prototype's recorded answers", opponent.recorded, rows)
    elif opponent.prototype is not None:
        asks["prototype"] = answer_freely(opponent.prototype, program.contract, lm)
        rows = sample if quick else everything
        prototype = score("running the prototype as it is", asks["prototype"], rows)
    return Contest(ours, found, prototype, sample, asks)


def _standing(program: Program) -> list[str]:
    """Outputs of the whole program that are found in the text word for word."""
    if len(program.spec.flow) > 1:
        return []
    step = program.spec.steps[program.spec.flow[0]]
    return list(step.extract.outputs) if step.extract is not None else []


def stratified(rows: Sequence[Row], program: Program, most: int) -> list[int]:
    """Indices of at most so many rows, in proportion to the decisions' labels."""
    if len(rows) <= most:
        return list(range(len(rows)))
    numbered = [{**row, "#": i} for i, row in enumerate(rows)]
    strata = [field.name for field in program.contract.decisions]
    chosen = split_rows(numbered, inputs=["#"], strata=strata, test_share=most / len(rows)).test
    return sorted(row["#"] for row in chosen)[:most]


def _with_answers(recorded: Many, test: Sequence[Row]) -> list[int]:
    """Rows for which an answer was recorded."""
    found = []
    for index, outcome in enumerate(recorded(test)):
        try:
            outcome.unwrap()
        except RowError:
            continue
        found.append(index)
    return found
