"""How the program came to a failure, step by step: what the certificate keeps, and what its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime import Program, StepTrace, plain_value
from .words import count, milliseconds, percent, shown

KEPT = 400
LIKELIEST = 4
BY = {"lm": "decided by the LM", "student": "decided by the student, without the LM"}


def with_steps(failures: Sequence[Mapping[str, Any]], program: Program) -> list[dict[str, Any]]:
    """Failures as `worst` gives them, with `steps` beside what the program said; JSON.

    The rows are asked once more, so the program's LM should be a recorded one, which has their
    answers. A step is `name`, `decided_by`, `outputs`, `confidence`, `probabilities` (of the
    likeliest classes by decision), `raw` (what came back of each call, cut), `ms`, `tokens` and
    `lm_calls`. Of a row that ends in an error no step is known: `steps` is empty.

    Raises:
        LMError: the LM fails.
    """
    outcomes = program.answer_many([row["inputs"] for row in failures])
    return [
        {**row, "said": {**row["said"], "compiled": {**row["said"]["compiled"], "steps": steps}}}
        for row, outcome in zip(failures, outcomes, strict=True)
        for steps in [[_kept(step) for step in outcome.value.steps] if outcome.value else []]
    ]


def steps_shown(said: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Steps as the page shows them; none where the certificate keeps none."""
    return [_shown(step) for step in (said or {}).get("steps") or ()]


def _kept(step: StepTrace) -> dict[str, Any]:
    kept: dict[str, Any] = plain_value(
        {
            "name": step.name,
            "decided_by": step.decided_by,
            "outputs": step.outputs,
            "confidence": step.confidence,
            "probabilities": {
                name: dict(sorted(shares.items(), key=lambda item: -item[1])[:LIKELIEST])
                for name, shares in step.probabilities.items()
            },
            "raw": [str(one)[:KEPT] for one in step.raw],
            "ms": step.ms,
            "tokens": step.tokens_in + step.tokens_out,
            "lm_calls": step.lm_calls,
        }
    )
    return kept


def _shown(step: Mapping[str, Any]) -> dict[str, Any]:
    calls = step["lm_calls"]
    facts = [BY[step["decided_by"]]] if step["decided_by"] in BY else []
    facts += [
        "no call to the LM" if not calls else f"{count(calls)} {'call' if calls == 1 else 'calls'} to the LM",
        f"{count(step['tokens'])} tokens",
        f"{milliseconds(step['ms'])}\u00a0ms",
    ]
    return {
        "name": step["name"],
        "facts": ", ".join(facts),
        "outputs": [
            {
                "name": name,
                "value": shown(value),
                "classes": [
                    (shown(label), percent(share), f"{100 * share:.2f}")
                    for label, share in step["probabilities"].get(name, {}).items()
                ],
            }
            for name, value in step["outputs"].items()
        ],
        # What came back of a decision are numbers, which the classes say already.
        "raw": [] if step["probabilities"] else [shown(one) for one in step["raw"]],
    }
