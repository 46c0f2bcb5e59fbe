"""The half of the gate that asks about the champion: on the same rows, is the new version no step back?"""

from __future__ import annotations

from ..compiler import Recipe
from ..evidence import Certificate
from ..runtime import Program
from ..scoring import metric_named, paired_difference


def hold_against(
    champion: Program, version: int, recipe: Recipe, certificate: Certificate
) -> tuple[bool, str]:
    """Whether the certified program holds against the champion, and the reason in words.

    The champion answers the certificate's rows; an output that it does not have, and a
    row that it cannot answer, count as wrong. The interval has the certificate's level.

    Raises:
        LMError: the LM fails.
    """
    rows = certificate.rows
    outputs = tuple(field.name for field in champion.contract.outputs)
    metric = metric_named(recipe.metric, outputs)
    theirs = []
    for outcome, row in zip(champion.answer_many([row["inputs"] for row in rows]), rows, strict=True):
        right = outcome.error is None and metric.right(outcome.unwrap().outputs, row["labels"])
        theirs.append(right)
    ours = [bool(row["said"]["compiled"]["right"]) for row in rows]
    look = int(certificate.data["look"])
    difference = paired_difference(ours, theirs, level=1 - 0.05 / (look * (look + 1)))
    ok = difference.mean >= recipe.gate.champion_mean and difference.ci[0] > recipe.gate.champion_lower
    low, high = (100 * bound for bound in difference.ci)
    return ok, (
        f"{'holds' if ok else 'does not hold'} against the champion, version {version}: "
        f"{100 * difference.mean:+.1f} points (interval {low:+.1f} to {high:+.1f})"
    )
