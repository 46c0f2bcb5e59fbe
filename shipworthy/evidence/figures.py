"""The certificate's figures, as JSON: scores, differences, selective prediction, rows and worst failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..examples import digest_of
from ..runtime import Contract, Program, plain_value
from ..scoring import (
    Evaluation,
    Metric,
    Paired,
    Promise,
    Row,
    RowResult,
    binomial_lower,
    columns_of,
    promises,
    rows_needed,
)

WORST = 12
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
"""Shares of rows to answer, stated before any row was seen."""
WRITERS = ("prototype", "constrained")


def summary(evaluation: Evaluation, lm: str) -> dict[str, Any]:
    """A contender's score, interval, latency, tokens and cost a call on the LM of this id.

    `without_lm` is the share of answered rows on which no LM was called. A local LM, and no
    LM at all, cost nothing; what a hosted one costs is not known here.
    """
    free = lm.startswith("local/") or not any(result.lm_calls for result in evaluation.results)
    # How long a row took that ended in an error is not known, and no zero.
    answered = [result for result in evaluation.results if result.error is None]
    ms = [result.ms for result in answered]
    return {
        "score": evaluation.score,
        "ci": list(evaluation.ci),
        "n": evaluation.scored,
        "ms_p50": float(np.percentile(ms, 50)) if ms else None,
        "ms_p95": float(np.percentile(ms, 95)) if ms else None,
        "tokens_per_call": float(np.mean([result.tokens for result in answered])) if answered else None,
        "usd_per_call": 0.0 if free else None,
        "without_lm": sum(not result.lm_calls for result in answered) / len(answered) if answered else None,
    }


def paired_json(paired: Paired | None, level: float) -> dict[str, Any]:
    """A difference; nulls where it was not measured."""
    if paired is None:
        return {"mean": None, "ci": None, "ci_level": level, "p": None, "n": 0}
    return {
        "mean": paired.mean,
        "ci": list(paired.ci),
        "ci_level": paired.ci_level,
        "p": paired.p,
        "n": paired.n,
        "wins": paired.wins,
        "losses": paired.losses,
    }


def selective(ours: Evaluation, target: float) -> dict[str, Any] | None:
    """What holds of the rows that the program answers; its thresholds were set without these rows."""
    scored = [result for result in ours.results if result.score is not None]
    if all(result.confidence is None for result in scored):
        return None
    answered = [result for result in scored if result.answered]
    n, right = len(answered), sum(result.right for result in answered)
    return {
        "coverage": n / len(scored),
        "accuracy": right / n if n else None,
        "guaranteed": binomial_lower(right, n, delta=0.05) if n else None,
        "level": 0.95,
        "n": n,
        "target": target,
        "more_rows": rows_needed(right, n, len(scored), target),
        "curve": _risk_coverage(scored),
        "promises": [
            {
                "asked": share,
                "coverage": one.coverage,
                "accuracy": one.accuracy if one.n else None,
                "guaranteed": one.guaranteed if one.n else None,
                "n": one.n,
            }
            for share, one in zip(COVERAGES, _promises(scored), strict=True)
        ],
    }


def rows_said(
    test: Sequence[Row],
    program: Program,
    contenders: Mapping[str, tuple[list[int], Evaluation]],
    metric: Metric,
) -> list[dict[str, Any]]:
    """Every test row with its labels and what else the metric reads, and what each contender said of it."""
    inputs = [field.name for field in program.contract.inputs]
    outputs = [field.name for field in program.contract.outputs]
    rows: list[dict[str, Any]] = [
        {
            "digest": row_digest(row, program.contract),
            "inputs": plain_value({name: row[name] for name in inputs}),
            "labels": plain_value({name: row[name] for name in outputs if name in row}),
            "said": {},
            **_beside(row, metric),
        }
        for row in test
    ]
    for name, (indices, evaluation) in contenders.items():
        for index, result in zip(indices, evaluation.results, strict=True):
            rows[index]["said"][name] = {
                "outputs": result.outputs,
                "right": None if result.score is None else result.right,
                "score": result.score,
                "by_output": dict(result.by_output),
                "confidence": result.confidence,
                "error": result.error.as_dict() if result.error else None,
                "raw": str(result.raw[0])[:400] if name in WRITERS and result.raw else None,
            }
    return rows


def row_digest(row: Row, contract: Contract) -> str:
    """What identifies a test row when looks at it are counted."""
    names = [field.name for field in (*contract.inputs, *contract.outputs)]
    return digest_of(plain_value({name: row[name] for name in names if name in row}))


def beside_digest(row: Row, metric: Any) -> str | None:
    """Of what a metric reads of a row beside inputs and labels; None where that is nothing."""
    beside: str | None = _beside(row, metric).get("beside_sha256")
    return beside


def worst(
    rows: Sequence[dict[str, Any]], contenders: Mapping[str, tuple[list[int], Evaluation]]
) -> list[dict[str, Any]]:
    """The failures that hurt most: wrong with the highest confidence, those the prototype got right first."""
    wrong = [row for row in rows if row["said"]["compiled"]["right"] is False]
    return sorted(
        wrong,
        key=lambda row: (
            not row["said"].get("prototype", {}).get("right", False),
            -(row["said"]["compiled"]["confidence"] or 0.0),
            row["digest"],
        ),
    )[:WORST]


def _beside(row: Row, metric: Any) -> dict[str, Any]:
    """What a metric reads of a row beside inputs and labels, and its digest, which no redaction touches."""
    names = [field.name for field in columns_of(metric)]
    if not names:
        return {}
    values = plain_value({name: row.get(name) for name in names})
    return {"beside": values, "beside_sha256": digest_of(values)}


def _promises(scored: Sequence[RowResult]) -> tuple[Promise, ...]:
    confidence = [result.confidence or 0.0 for result in scored]
    return promises(confidence, [result.right for result in scored], coverages=COVERAGES, delta=0.05)


def _risk_coverage(scored: Sequence[RowResult]) -> list[list[float]]:
    """Points (coverage, accuracy), the most confident rows first."""
    ranked = sorted(scored, key=lambda result: -(result.confidence or 0.0))
    right = np.cumsum([result.right for result in ranked])
    n = len(ranked)
    marks = sorted({max(1, round(n * share / 40)) for share in range(1, 41)})
    return [[k / n, float(right[k - 1]) / k] for k in marks]
