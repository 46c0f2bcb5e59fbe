"""What the bootstraps cover, beside the gate's interval: on few cells, with fewer runs, bound by no target.
Run by `statistics.py` through `statistics_paired.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from targets import table

from shipworthy.scoring import clustered_bootstrap, paired_bootstrap, paired_difference

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator], tuple[Floats, Floats]]

RUNS = 1000
RESAMPLES = 1000
SEED = 20261
CLUSTER = 5


def text(quick: bool) -> str:
    """Two tables: rows that are independent, and rows in clusters."""
    runs = RUNS // 10 if quick else RUNS
    lines = [
        [what, n, f"{gap:g}", *(f"{share:.1%}" for share in coverage(draw, gap, runs, binary))]
        for what, n, gap, draw, binary in _settings()
    ]
    clustered = [(k, *(f"{share:.1%}" for share in clustered_coverage(k, runs))) for k in (10, 30, 100)]
    return (
        f"Coverage of 95 % bootstrap intervals, {runs:,} runs of {RESAMPLES:,} resamples; reported, not "
        "bound. On right and wrong the gate's interval saw the same draws.\n\n"
        + table(("scores", "rows", "difference", "percentile", "BCa", "gate"), lines)
        + f"\n\nGraded scores in clusters of {CLUSTER} rows that share half of their variance:\n\n"
        + table(("clusters", "rows resampled, BCa", "clusters resampled, percentile", "and BCa"), clustered)
    ).replace("nan%", "-")


def coverage(draw: Draw, gap: float, runs: int, binary: bool) -> tuple[float, float, float]:
    """Shares of runs in which percentile, BCa and the gate's interval hold the truth."""
    rng = np.random.default_rng([SEED, round(1000 * gap)])
    held = np.zeros((runs, 3))
    for run in range(runs):
        first, second = draw(rng)
        cis = [
            paired_bootstrap(first, second, method="percentile", resamples=RESAMPLES, seed=run).ci,
            paired_bootstrap(first, second, resamples=RESAMPLES, seed=run).ci,
        ]
        if binary:
            cis.append(paired_difference(first, second).ci)
        held[run, : len(cis)] = [low - 1e-9 <= gap <= high + 1e-9 for low, high in cis]
    shares = held.mean(axis=0)
    return float(shares[0]), float(shares[1]), float(shares[2]) if binary else float("nan")


def clustered_coverage(count: int, runs: int) -> tuple[float, float, float]:
    """The same for rows in clusters: rows drawn as if independent, then clusters."""
    rng = np.random.default_rng([SEED, 7, count])
    names = np.repeat(np.arange(count), CLUSTER)
    held = np.zeros((runs, 3))
    for run in range(runs):
        shared = np.repeat(rng.normal(0, 0.1, count), CLUSTER)
        # Within [0, 1] but for one row in 10,000; the mean difference is 0.05 by symmetry.
        noise = np.clip(shared + rng.normal(0, 0.1, names.size), -0.45, 0.45)
        second = np.full(names.size, 0.475)
        first = 0.525 + noise
        rows = paired_bootstrap(first, second, resamples=RESAMPLES, seed=run)
        plain = clustered_bootstrap(first, second, names, method="percentile", resamples=RESAMPLES, seed=run)
        bca = clustered_bootstrap(first, second, names, resamples=RESAMPLES, seed=run)
        held[run] = [low <= 0.05 <= high for low, high in (rows.ci, plain.ci, bca.ci)]
    return tuple(held.mean(axis=0).tolist())


def _settings() -> list[tuple[str, int, float, Draw, bool]]:
    found: list[tuple[str, int, float, Draw, bool]] = []
    cells = ((0.8, 0.05, 30), (0.8, 0.05, 100), (0.8, 0.05, 300), (0.95, 0.02, 50), (0.95, 0.02, 300))
    for accuracy, gap, n in cells:
        found.append(
            (f"right or wrong, second {accuracy:g}, independent", n, gap, _binary(accuracy, gap, n), True)
        )
    for n in (30, 100):
        found.append(("graded, skewed", n, 0.1, _graded(n), False))
    return found


def _binary(accuracy: float, gap: float, n: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Floats, Floats]:
        first, second = rng.random(n) < accuracy + gap, rng.random(n) < accuracy
        return first.astype(float), second.astype(float)

    return draw


def _graded(n: int) -> Draw:
    """Beta scores with means 0.9 and 0.8, so that the differences are skewed."""

    def draw(rng: np.random.Generator) -> tuple[Floats, Floats]:
        return rng.beta(4.5, 0.5, n), rng.beta(1.6, 0.4, n)

    return draw
