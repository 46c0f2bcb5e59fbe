"""Instructions that GEPA evolves: an LM reads what went wrong on training rows, and rewrites the instruction.

GEPA (Agrawal et al. 2025) keeps the instructions that are best on some row, tries one of
them on three rows, shows the reflecting LM answers and feedback, and keeps what comes back
if it does better on the same rows. It runs here as the package `gepa` has it, over an
adapter of ours: rollouts go through the executor and the journal, its spending is capped,
and what an LM raises ends it. Which instruction is taken, the race decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import RowError, ShipworthyError
from ...examples import holds_secret
from ...lms import Prompt, Recorded
from ...runtime import Heads, Outcome, ordered_map, plain_value, run_step, value_text
from ...scoring import metric_of
from ..draft import Context, Draft, Row
from ..gate import Interrupted
from .rollout import generating, score_of

ROWS = 40
"""Training rows that GEPA works on: half to reflect on, half to score on."""
CALLS_A_ROW = 5
"""Calls that it makes at most for each of its rows, rollouts and reflections together."""
SHARE = 1 / 3
"""Of what the budget leaves beyond what is kept back for others, so much at most."""
BATCH = 3
"""Rows that the reflecting LM is shown at once; GEPA's own default."""
PATIENCE = 3
"""Reflections in a row that give no instruction, before it ends."""
MAX_TOKENS = 2048
"""Of a reflection."""
SHOWN = 600
"""Characters of a value that the reflecting LM is shown."""
INSTRUCTION = "instruction"


def evolve(
    draft: Draft, context: Context, reflect: Recorded, n: int, rows: Sequence[Row], *, kept: int
) -> list[str]:
    """Up to n instructions, the best by GEPA's own scores first; what happened becomes a note.

    The same rows, seed and answers of the LMs give the same instructions.

    Args:
        rows: to work on; of these the last `ROWS` without what looks like a secret, or fewer
            where the budget of calls is small.
        kept: calls that the budget must leave for what comes later.

    Raises:
        LMError: an LM fails.
        ScoringError: the metric fails on a row.
    """
    from gepa import optimize

    usable = [row for row in rows if not holds_secret(row)][-_rows_for(context, kept) :]
    if len(usable) < 2 * BATCH:
        draft.notes.append(f"GEPA: {len(usable)} rows are too few to reflect on")
        return []
    run = _Run(draft, context, reflect, usable, kept)
    context.progress.start(f"GEPA evolves instructions with {reflect.id}", run.most)
    try:
        optimize(
            seed_candidate={INSTRUCTION: draft.instruction},
            trainset=run.reflected,
            valset=run.scored,
            adapter=run,
            reflection_minibatch_size=BATCH,
            max_metric_calls=run.most,
            stop_callbacks=[run.is_perfect],
            callbacks=[run],
            logger=run,
            track_best_outputs=False,
            seed=context.seed,
        )
    except Interrupted as stopped:
        if stopped.error is not None:
            raise stopped.error from stopped
    context.progress.finish()
    found = run.found()[:n]
    draft.notes.append(f"GEPA: {run.words(len(found))}")
    return found


def calls_at_most(rows: int, beyond: int | None) -> int:
    """What GEPA spends at most on so many rows; `beyond` is what the budget leaves it and the race."""
    most = CALLS_A_ROW * min(rows, ROWS)
    return most if beyond is None else min(most, int(SHARE * beyond))


def _rows_for(context: Context, kept: int) -> int:
    """So few rows that scoring the first instruction leaves most of the calls for others."""
    beyond = context.meter.beyond(kept) if context.meter.budget.calls else None
    return ROWS if beyond is None else min(ROWS, max(2 * BATCH, int(SHARE * beyond) // 3))


@dataclass(frozen=True)
class _Rollout:
    inputs: Mapping[str, str]
    answer: Mapping[str, str] | str
    score: float
    feedback: str


class _Run:
    """GEPA's adapter, callback and logger in one; the rows are told apart by their number.

    Attributes:
        reflected, scored: numbers of the rows to reflect on, and of those to score on.
        most: calls at most.
    """

    def __init__(
        self, draft: Draft, context: Context, reflect: Recorded, rows: Sequence[Row], kept: int
    ) -> None:
        contract = draft.contract
        self._draft, self._context, self._reflect = draft, context, reflect
        self._rows = rows
        self._kept = kept
        self._begun = context.meter.spent().calls
        # With decisions the race is about these alone, so GEPA is too.
        self._outputs = contract.decisions or contract.outputs
        whole = len(self._outputs) == len(contract.outputs)
        self._metric = metric_of(context.recipe.metric if whole else "exact", self._outputs, rows)
        self.reflected = list(range(0, len(rows), 2))
        self.scored = list(range(1, len(rows), 2))
        self.most = calls_at_most(len(rows), None)
        self._known: dict[tuple[str, int], _Rollout] = {}
        self._pool: dict[str, float] = {}
        self._unscored: list[str] = []
        self._reflections = self._fruitless = 0
        self._ended = ""

    def found(self) -> list[str]:
        """Its instructions, the best first; behind them one that was being scored when it ended."""
        ranked = sorted(self._pool, key=lambda text: -self._pool[text])
        return [text for text in [*ranked, *self._unscored] if text != self._draft.instruction]

    def words(self, found: int) -> str:
        """What it did, and why it ended before its time."""
        if not self._pool:
            return "the budget leaves it too few calls"
        text = (
            f"{found} instructions from {len(self._known)} rollouts on {len(self._rows)} rows "
            f"and {self._reflections} reflections"
        )
        first, best = self._pool[self._draft.instruction], max(self._pool.values())
        text += f", by its own score {100 * best:.0f} % at best, the first one {100 * first:.0f} %"
        return f"{text}; {self._ended}" if self._ended else text

    def is_perfect(self, state: Any) -> bool:
        """Nothing is left to improve on the rows that it scores on."""
        return bool(max(state.program_full_scores_val_set) >= 1.0)

    def log(self, message: str) -> None:
        """What GEPA tells is told by the note."""

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """An instruction has its score."""
        text = event["candidate"][INSTRUCTION]
        self._pool[text] = float(event["average_score"])
        self._unscored = []

    def evaluate(self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """Roll out on rows; a row that was rolled out under the same instruction is not asked again."""
        from gepa import EvaluationBatch

        text = candidate[INSTRUCTION]
        if set(batch) <= set(self.scored):
            self._unscored = [text]
        self._roll(text, [i for i in dict.fromkeys(batch) if (text, i) not in self._known])
        found = [self._known[text, i] for i in batch]
        return EvaluationBatch(
            outputs=[one.answer for one in found], scores=[one.score for one in found], trajectories=found
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """What the reflecting LM is shown."""
        shown = [
            {"Inputs": dict(one.inputs), "Generated Outputs": one.answer, "Feedback": one.feedback}
            for one in eval_batch.trajectories
        ]
        return {INSTRUCTION: shown}

    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """A new instruction of the reflecting LM, under GEPA's own prompt; empty if it wrote none."""
        from gepa.strategies.instruction_proposal import InstructionProposalSignature

        if self._left() < 1:
            self._end("the budget ended it")
        prompt = InstructionProposalSignature.prompt_renderer(
            {
                "current_instruction_doc": candidate[INSTRUCTION],
                "dataset_with_feedback": reflective_dataset[INSTRUCTION],
                "prompt_template": None,
            }
        )
        self._reflections += 1
        text = self._reflected(str(prompt))
        if text and text not in (candidate[INSTRUCTION], self._draft.instruction):
            self._fruitless = 0
            return {INSTRUCTION: text}
        self._fruitless += 1
        if self._fruitless == PATIENCE:
            self._end(f"{self._reflect.id} wrote no usable instruction {PATIENCE} times in a row")
        return {}

    def _reflected(self, prompt: str) -> str:
        from gepa.strategies.instruction_proposal import InstructionProposalSignature

        try:
            answer = self._reflect.generate(Prompt(user=prompt), max_tokens=MAX_TOKENS)
        except RowError:  # the rows are longer than it can read
            return ""
        except ShipworthyError as error:
            raise Interrupted(error) from error
        if not answer.finished:
            return ""
        return str(
            InstructionProposalSignature.output_extractor(answer.text.strip())["new_instruction"]
        ).strip()

    def _roll(self, text: str, new: list[int]) -> None:
        context, draft = self._context, self._draft
        step = generating(draft, text, self._outputs)

        def ask(i: int) -> Mapping[str, Any]:
            return run_step(draft.name, step, Heads({}, None), context.lm, self._rows[i]).outputs

        while new:
            left = self._left()
            if not left or (left < len(new) and context.meter.spent().calls):
                self._end("the budget ended it")
            part, new = new[:left], new[left:]  # before the first call, the few that tell what a call takes
            for i, outcome in zip(part, ordered_map(ask, part, workers=context.lm.workers), strict=True):
                self._known[text, i] = self._rollout(self._rows[i], outcome)
        context.progress.status(context.meter.words())
        context.progress.advance(min(self.most, context.meter.spent().calls - self._begun))

    def _rollout(self, row: Row, outcome: Outcome[Mapping[str, Any]]) -> _Rollout:
        inputs = {own.name: _shown(row[own.name]) for own in self._draft.contract.inputs}
        labels = {own.name: _shown(row[own.name]) for own in self._outputs if own.name in row}
        if outcome.error is not None:  # an answer that cannot be used is a wrong one
            right = "; ".join(f"{name} is {label}" for name, label in labels.items())
            feedback = f"The answer could not be used: {outcome.error.message}."
            if right:
                feedback += f" Right would be: {right}."
            return _Rollout(inputs, "(no usable answer)", 0.0, feedback)
        answer = outcome.unwrap()
        score = score_of(self._metric, answer, row)
        said = {name: _shown(value) for name, value in answer.items()}
        lines = [_judged(name, said[name], labels[name], score.by_output.get(name)) for name in labels]
        value = float(score.value or 0.0)
        return _Rollout(inputs, said, value, "\n".join([*lines, f"The score is {value:.2f} of 1."]))

    def _left(self) -> int:
        spent = self._context.meter.spent().calls - self._begun
        beyond = self._context.meter.beyond(self._kept)
        most = self.most if beyond is None else min(self.most, int(SHARE * (spent + beyond)))
        return max(0, most - spent)

    def _end(self, why: str) -> None:
        self._ended = why
        raise Interrupted


def _judged(name: str, said: str, label: str, score: float | None) -> str:
    if score == 1.0:
        return f"{name} is right."
    if score is None:
        return f"{name}: the label is {label}."
    return (
        f"{name} is wrong: the answer says {said}, right is {label}."
        if score == 0.0
        else (f"{name} scores {score:.2f} of 1: the answer says {said}, the label is {label}.")
    )


def _shown(value: Any) -> str:
    text = value_text(plain_value(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
