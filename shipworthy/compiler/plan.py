"""What a compile would spend on what, before anything is spent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..runtime import student_text
from .budget import Budget
from .draft import Row
from .parts import Part, learnt_from
from .passes import Demos, DSPyOptimizer, Instructions, Readout, Spans
from .passes.evolve import calls_at_most
from .passes.propose import CALLS_BESIDE
from .source import Source
from .stacking import Rows
from .taught import taught

CHARACTERS_A_TOKEN = 3.5
"""Of English text, about; tokens are an estimate for that reason."""
FRAME_TOKENS = 20
"""What the chat template and the names of inputs add to a call, about."""
QUESTION_TOKENS = 8
"""Of a further question behind a prompt that was read, about."""


@dataclass(frozen=True)
class Planned:
    """One pass of the recipe.

    Attributes:
        calls: to the LM; None where the pass decides itself, within the budget.
        prompts: of these calls, those that read a whole prompt; the others are further questions.
        why: what they are for.
    """

    name: str
    calls: int | None
    why: str
    prompts: int = 0


@dataclass(frozen=True)
class Plan:
    """What a compile would spend.

    Attributes:
        calls: at most, within the budget; None where a pass decides itself and nothing limits it.
        tokens: read and written, estimated from the rows' length; as `calls`.
        usd: of `tokens` at the LM's price, those of a reflecting LM too; None where there is no price.
    """

    name: str
    lm: str
    budget: str
    passes: tuple[Planned, ...]
    calls: int | None
    tokens: int | None
    usd: float | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "passes": [asdict(one) for one in self.passes]}


def plan_of(
    source: Source,
    train: Sequence[Row],
    dev: Sequence[Row],
    *,
    lm: str,
    usd_per_token: float | None,
    reflects: bool = False,
) -> Plan:
    """Reckon what the source's recipe would spend on these rows; no LM is opened.

    Args:
        usd_per_token: of what is read, US$; None where it is not known.
        reflects: whether an LM is named that proposes instructions.
    """
    if source.parts:
        return _plan_of_steps(source, train, dev, lm=lm, usd_per_token=usd_per_token, reflects=reflects)
    recipe = source.recipe
    given = taught(source.contract, train, dev)
    source, train, dev = replace(source, contract=given.contract), given.train, given.dev
    demos = 0
    passes = []
    for i, one in enumerate(recipe.passes):
        if isinstance(one, Demos):
            demos = min(one.at_most(source.contract), len(train))
            at_most, why = one.calls(source.contract, train)
            passes.append(Planned("Demos", at_most, why, at_most))
            continue
        rows = len(train) + len(dev) - demos
        kept = rows * sum(isinstance(other, Readout | Instructions) for other in recipe.passes[i + 1 :])
        passes.append(_planned(one, source, rows, recipe.budget, kept, reflects))
    counts = [planned.calls for planned in passes]
    known = None if None in counts else sum(count or 0 for count in counts)
    limit = recipe.budget.calls
    calls = limit if known is None else min(known, limit or known)
    texts = [student_text(source.contract, row) for row in train]
    row_tokens = sum(map(len, texts)) / max(1, len(texts)) / CHARACTERS_A_TOKEN + FRAME_TOKENS
    prefix = len(source.instruction) / CHARACTERS_A_TOKEN + demos * row_tokens
    prompts = min(calls or 0, sum(planned.prompts for planned in passes)) if known is not None else calls
    tokens = None
    if calls is not None and prompts is not None:
        tokens = round(prompts * (prefix + row_tokens) + (calls - prompts) * QUESTION_TOKENS)
    if tokens is not None and recipe.budget.tokens:
        tokens = min(tokens, recipe.budget.tokens)
    usd = None if tokens is None or usd_per_token is None else tokens * usd_per_token
    return Plan(source.name, lm, str(recipe.budget), tuple(passes), calls, tokens, usd)


def _plan_of_steps(source: Source, train: Sequence[Row], dev: Sequence[Row], **about: Any) -> Plan:
    """The plans of the steps that learn, put together, and the answers that they learn from."""
    rows = Rows([*train, *dev], (), source.recipe.labels)
    learning = [part.name for part in source.parts if rows.labelled(part)]
    answering = learnt_from(source.parts, learning)
    passes: list[Planned] = []
    plans: list[Plan] = []
    for part in source.parts:
        if part.name in learning:
            step = replace(
                source,
                contract=part.contract,
                instruction=part.instruction,
                recipe=source.recipe.for_step(part.name, list(part.writes)),
                parts=(),
            )
            split = [_rows_for(part, own, source.recipe.labels) for own in (train, dev)]
            plans.append(plan_of(step, *split, **about))
            passes += [replace(one, name=f"{part.name}: {one.name}") for one in plans[-1].passes]
        if part.name in answering and part.code is None and part.contract.values:
            n = len(train) + len(dev)
            passes.append(Planned(f"{part.name}: answers", n, "at most: later steps learn from them", n))
    answers = sum(one.calls or 0 for one in passes if one.name.endswith(": answers"))
    budget = source.recipe.budget
    calls = _sum([answers, *(plan.calls for plan in plans)], budget.calls)
    tokens = _sum([plan.tokens for plan in plans], budget.tokens)
    usd = _sum([plan.usd for plan in plans], None)
    whole = [None if one is None else int(one) for one in (calls, tokens)]
    return Plan(source.name, about["lm"], str(budget), tuple(passes), whole[0], whole[1], usd)


def _sum(each: Sequence[float | None], limit: float | None) -> float | None:
    known = [one for one in each if one is not None]
    total = sum(known) if len(known) == len(each) else None
    return limit if total is None else min(total, limit or total)


def _rows_for(part: Part, rows: Sequence[Row], derived: Collection[str]) -> list[Row]:
    """About what a step learns from: rows with its labels, and nothing for what other steps will give.

    Labels that functions will say are counted as there.
    """
    fields = (*part.contract.inputs, *part.contract.outputs)
    names = {own.name: part.names.get(own.name, own.name) for own in fields}
    labels = {names[own.name] for own in part.contract.decisions or part.contract.outputs} - set(derived)
    return [
        {own: row.get(value) for own, value in names.items()}
        for row in rows
        if all(row.get(name) is not None for name in labels)
    ]


def _planned(one: Any, source: Source, rows: int, budget: Budget, kept: int, reflects: bool) -> Planned:
    name = type(one).__name__
    if isinstance(one, Readout):
        questions = len(one.openings(source.contract)) if source.contract.decisions else 0
        if budget.calls:
            questions = min(questions, max(1, budget.calls // max(1, rows)))
        read = min(rows, budget.calls // max(1, questions)) if budget.calls else rows
        what = f"{read} of {rows} rows" if read < rows else f"{rows} rows"
        return Planned(
            name, read * questions, f"{what}, {questions} question{'s'[: questions > 1]} each", read
        )
    if isinstance(one, Spans):
        most = one.calls(source.contract, rows)
        why = f"at most: {rows} rows read, and two ways to ask race over {min(rows, one.rows)} rows"
        return Planned(name, most, why if most else "calls no LM", most)
    if isinstance(one, Instructions):
        return _planned_race(one, rows, budget, kept, reflects)
    if isinstance(one, DSPyOptimizer):
        if not budget.calls:
            stops = "is stopped at the budget" if budget else "is not stopped without a budget"
            return Planned(name, None, f"the optimizer decides itself, and {stops}")
        most = max(0, budget.calls - kept)
        why = f"at most: the optimizer decides itself, and is stopped where {kept} calls are left for later"
        return Planned(name, most, why, most)
    return Planned(name, 0, "calls no LM")


def _planned_race(one: Instructions, rows: int, budget: Budget, kept: int, reflects: bool) -> Planned:
    name = type(one).__name__
    sources = one.sources if reflects and one.propose else ()
    texts = 1 + len(one.texts) + one.propose * len(sources)
    if texts == 1:
        return Planned(
            name, 0, "nothing to race: no texts in the recipe, and no --reflect-lm to propose some"
        )
    aside = round(one.confirm * rows)
    proposer = one.propose + CALLS_BESIDE if "mipro" in sources else 0
    beyond = max(0, budget.calls - kept - 2 * aside - proposer) if budget.calls else None
    evolving = calls_at_most(rows - aside, beyond) if "gepa" in sources else 0
    parts = [f"{texts} instructions race over {rows} rows"]
    parts += [f"{proposer} calls of MIPROv2's proposer"] if proposer else []
    parts += [f"{evolving} of GEPA"] if "gepa" in sources else []
    most = texts * rows + proposer + evolving
    return Planned(name, most, f"at most: {', '.join(parts)}", most)
