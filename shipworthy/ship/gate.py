"""The half of the gate that asks about the champion: on the same rows, is the new version no step back?"""

from __future__ import annotations

from ..compiler import Gate
from ..evidence import Certificate
from ..runtime import Program
from ..scoring import evaluate, look_level, paired_rows


def hold_against(champion: Program, version: int, gate: Gate, certificate: Certificate) -> tuple[bool, str]:
    """Whether the certified program holds against the champion, and the reason in words.

    The champion answers the certificate's rows and is scored by its metric; an output that
    it does not have, and a row that it cannot answer, count as wrong. The interval has the
    certificate's level.

    Raises:
        LMError: the LM fails.
        ScoringError: the metric can score no row on both sides.
    """
    measured = certificate.measured
    if measured is None:
        return False, f"nothing was measured, so nothing can be compared with the champion, version {version}"
    rows = [{**row["inputs"], **row["labels"], **row.get("beside", {})} for row in certificate.rows]
    outputs = list(dict.fromkeys(name for row in certificate.rows for name in row["labels"]))
    theirs = evaluate(champion.answer_many, rows, outputs=outputs or measured.outputs, metric=measured.metric)
    level = look_level(int(certificate.data["look"]))
    difference = paired_rows(measured.compiled, theirs).difference(level=level)
    ok = difference.mean >= gate.champion_mean and difference.ci[0] > gate.champion_lower
    low, high = (100 * bound for bound in difference.ci)
    return ok, (
        f"{'holds' if ok else 'does not hold'} against the champion, version {version}: "
        f"{100 * difference.mean:+.1f} points (interval {low:+.1f} to {high:+.1f})"
    )
