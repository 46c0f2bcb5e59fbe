"""What a compile would spend on what, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..runtime import student_text
from .budget import Budget
from .draft import Row
from .passes import Demos, DSPyOptimizer, Instructions, Readout
from .source import Source

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
        usd: of `tokens` at the LM's price; None where there is no price.
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
    source: Source, train: Sequence[Row], dev: Sequence[Row], *, lm: str, usd_per_token: float | None
) -> Plan:
    """Reckon what the source's recipe would spend on these rows; no LM is opened.

    Args:
        usd_per_token: of what is read, US$; None where it is not known.
    """
    recipe = source.recipe
    demos = 0
    passes = []
    for one in recipe.passes:
        if isinstance(one, Demos):
            demos = one.at_most(source.contract)
            at_most, why = one.calls(source.contract, train)
            passes.append(Planned("Demos", at_most, why, at_most))
            continue
        passes.append(_planned(one, source, len(train) + len(dev) - demos, recipe.budget))
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


def _planned(one: Any, source: Source, rows: int, budget: Budget) -> Planned:
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
    if isinstance(one, Instructions):
        if not one.texts:
            return Planned(name, None, "depends on what --reflect-lm proposes; without one, nothing")
        most = (1 + len(one.texts)) * rows
        return Planned(name, most, f"at most: {1 + len(one.texts)} instructions race over {rows} rows", most)
    if isinstance(one, DSPyOptimizer):
        return Planned(name, None, "the optimizer decides itself, within the budget")
    return Planned(name, 0, "calls no LM")
