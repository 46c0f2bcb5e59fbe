"""The gate's error rates and power as exact sums, beside what is simulated, and Connor's sample sizes.
Run by `statistics.py` through `statistics_paired.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statistics_candidates import CANDIDATES
from statistics_grid import LEVEL, LOOKS, SEED, SIZES, distinct
from targets import table

from shipworthy.scoring import gate_power, look_level, sample_size

USUAL = 0.5  # the largest discordant share of equal programs whose errors are not negatively correlated


@dataclass(frozen=True)
class Worst:
    """The highest rates at which an equal program passes, over the discordant share: once, and in five looks.

    Attributes:
        one, five: over shares up to `USUAL`; any_one, any_five: over all shares.
    """

    n: int
    one: float
    five: float
    any_one: float
    any_five: float


def exact_error_rates(steps: int) -> list[Worst]:
    """The gate's true error rates by n: sums over all tables (`gate_power` at difference 0)."""
    found = []
    for n in SIZES:
        shares = np.append(np.geomspace(1 / n, USUAL, steps), np.linspace(USUAL, 1.0, steps)[1:])
        single = np.array([gate_power(n, 0.0, share, level=LEVEL) for share in shares])
        kept = np.ones(len(shares))
        for look in range(1, LOOKS + 1):
            kept *= [1 - gate_power(n, 0.0, share, level=look_level(look)) for share in shares]
        usual = shares <= USUAL
        worst = (single[usual].max(), 1 - kept[usual].min(), single.max(), 1 - kept.min())
        found.append(Worst(n, *(float(rate) for rate in worst)))
    return found


def error_rate_text(worst: Sequence[Worst]) -> str:
    """The gate's true error rates, without simulation."""
    rows = [
        (row.n, *(f"{rate:.2%}" for rate in (row.one, row.five, row.any_one, row.any_five))) for row in worst
    ]
    heads = (
        "n",
        "one look at 95 %",
        "five fresh looks",
        "one look, any share",
        "five fresh looks, any share",
    )
    return (
        "How often an equal program passes at the worst discordant share, by exact sums over all tables. "
        f"Equal programs disagree on up to {USUAL:.0%} of the rows, unless one tends to be right where the "
        "other is wrong; the last columns include even programs that disagree on every row, where the mid-P "
        "test is a little above its nominal rate.\n\n" + table(heads, rows)
    )


def planning(runs: int) -> str:
    """Connor's sample sizes for a power of 80 %, against the gate's exact and simulated power."""
    lines = []
    for index, (difference, discordant) in enumerate(
        ((0.02, 0.05), (0.05, 0.05), (0.05, 0.1), (0.05, 0.3), (0.1, 0.15), (0.1, 0.4), (0.2, 0.3))
    ):
        n = sample_size(difference, discordant)
        wins, losses = (discordant + difference) / 2, (discordant - difference) / 2
        shares = (1 - discordant, wins, losses, 0.0)
        drawn, weights, _ = distinct(
            np.random.default_rng([SEED, 1000 + index]).multinomial(n, shares, size=runs)
        )
        simulated = weights @ (CANDIDATES["gate"](drawn, LEVEL)[0] > 0)
        exact = gate_power(n, difference, discordant)
        lines.append((f"{100 * difference:g}", f"{discordant:.0%}", n, f"{exact:.1%}", f"{simulated:.1%}"))
    heads = ("difference, points", "discordant", "rows by Connor (1987)", "exact power", "simulated")
    return "Rows for a power of 80 % at 95 %:\n\n" + table(heads, lines)
