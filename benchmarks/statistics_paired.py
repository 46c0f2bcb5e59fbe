"""Paired comparisons by simulation: which interval decides the gate, and what it keeps.

Every cell of the grid is a true 2 x 2 table: accuracy of the second program, how much better the first
is, how their right and wrong correlate, and the number of rows. All candidates see the same draws.
Run by `statistics.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import statistics_resampling
from numpy.typing import NDArray
from statistics_candidates import CANDIDATES
from statistics_grid import (
    ACCURACIES,
    CORRELATIONS,
    DIFFERENCES,
    LEVEL,
    LOOKS,
    SEED,
    SIZES,
    Cell,
    cells,
    distinct,
    draw,
)
from statistics_planning import Worst, error_rate_text, exact_error_rates, planning
from targets import Target, folded, table

from shipworthy.scoring import look_level, mcnemar_midp

Floats = NDArray[np.float64]

RUNS = 10_000


@dataclass(frozen=True)
class Measured:
    """One interval in one cell; shares of runs, but for the width.

    Attributes:
        covers: the interval holds the truth.
        better: it lies above 0, so that the first passes superiority.
        not_worse: the mirrored one lies above -difference: one worse by just the margin passes.
        width: its mean.
        fresh, growing: passes at any of five looks; for equal programs only, else None.
    """

    covers: float
    better: float
    not_worse: float
    width: float
    fresh: float | None = None
    growing: float | None = None


def section(quick: bool) -> tuple[str, list[Target]]:
    """Markdown and targets of all that is simulated about paired comparisons."""
    runs = RUNS // 10 if quick else RUNS
    grid = cells()
    measured = {name: [] for name in CANDIDATES}
    first_look = {name: [] for name in CANDIDATES}
    by_look = [[] for _ in range(LOOKS)]
    midp = []
    for index, cell in enumerate(grid):
        rng = np.random.default_rng([SEED, index])
        tables, weights, _ = draw(cell, cell.n, runs, rng)
        p = mcnemar_midp(tables[:, 1], tables[:, 2])
        midp.append(float(weights @ (p < (1 - LEVEL) / 2)))
        for look, found in enumerate(by_look, start=1):
            level = look_level(look)
            rejects = float(weights @ (p < (1 - level) / 2))
            found.append((Measured(*measure("gate", cell, tables, weights, level)), rejects))
        looks = [list(paths(cell, runs, rng, growing)) for growing in (False, True) if not cell.difference]
        for name in CANDIDATES:
            any_look = [passes_any(name, path) for path in looks] or [None, None]
            measured[name].append(Measured(*measure(name, cell, tables, weights, LEVEL), *any_look))
            first_look[name].append(Measured(*measure(name, cell, tables, weights, look_level(1))))
    noise = 3 if quick else 0
    worst = exact_error_rates(40 if quick else 200)
    text = "\n\n".join(
        (
            introduction(len(grid), runs),
            summary(grid, measured, midp, LEVEL),
            f"The same at {100 * look_level(1):g} %, the level of a first look; reported, not bound:",
            summary(grid, first_look, None, look_level(1)),
            "The gate at the level of each look; reported, not bound:",
            looks_table(grid, by_look),
            error_rate_text(worst),
            planning(runs),
            statistics_resampling.text(quick),
            *by_cell(grid, measured, midp),
        )
    )
    return text, targets(grid, measured["gate"], midp, worst, runs, noise)


def measure(
    name: str, cell: Cell, tables: Floats, weights: Floats, level: float
) -> tuple[float, float, float, float]:
    """Shares of runs that cover, pass superiority and, mirrored, pass non-inferiority; and the mean width."""
    low, high = CANDIDATES[name](tables, level)
    true, ulp = cell.difference, 1e-9
    covers = (low <= true + ulp) & (high >= true - ulp)
    shares = (weights @ part for part in (covers, low > 0, high < true - ulp, high - low))
    return tuple(float(share) for share in shares)  # type: ignore[return-value]


def paths(
    cell: Cell, runs: int, rng: np.random.Generator, growing: bool
) -> Iterator[tuple[Floats, NDArray[np.intp]]]:
    """The tables at each look: of n fresh rows each, or of all rows so far, n more at each look."""
    rows = np.zeros((runs, 4), dtype=np.int64)
    for _ in range(LOOKS):
        fresh = rng.multinomial(cell.n, cell.shares, size=runs)
        rows = rows + fresh if growing else fresh
        tables, _, back = distinct(rows)
        yield tables, back


def passes_any(name: str, path: Sequence[tuple[Floats, NDArray[np.intp]]]) -> float:
    """Share of runs that pass superiority at one look or another, each at its spent level."""
    passed = np.zeros(len(path[0][1]), dtype=bool)
    for look, (tables, back) in enumerate(path, start=1):
        passed |= (CANDIDATES[name](tables, look_level(look))[0] > 0)[back]
    return float(passed.mean())


def targets(
    grid: Sequence[Cell],
    gate: Sequence[Measured],
    midp: Sequence[float],
    worst: Sequence[Worst],
    runs: int,
    noise: int,
) -> list[Target]:
    """What the gate's interval must keep. Coverage gets no allowance for noise, `--quick` aside."""
    covers = np.array([one.covers for one in gate])
    equal = [one for cell, one in zip(grid, gate, strict=True) if not cell.difference]
    worse = [one.not_worse for cell, one in zip(grid, gate, strict=True) if cell.difference]
    gains = [one.better - p for cell, one, p in zip(grid, gate, midp, strict=True) if cell.difference]
    floor = 0.93 - noise * math.sqrt(0.93 * 0.07 / runs)
    limit = 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)
    at_most = f"at most {limit:.2%} (2.5 % and 3 standard errors)"
    found = [
        Target("gate: mean coverage over the cells", "at least 94.5%", f"{covers.mean():.2%}",
               bool(covers.mean() >= 0.945)),
        Target("gate: coverage in the worst cell", f"at least {floor:.1%}",
               f"{covers.min():.2%} ({grid[int(covers.argmin())]})", bool(covers.min() >= floor)),
    ]  # fmt: skip
    for what, rates in (
        ("one look at 95 %", [one.better for one in equal]),
        ("five looks at fresh rows", [one.fresh or 0.0 for one in equal]),
        ("five looks at growing rows", [one.growing or 0.0 for one in equal]),
    ):
        found.append(
            Target(f"an equal program passes, worst cell, {what}", at_most, f"{max(rates):.2%}",
                   max(rates) <= limit)
        )  # fmt: skip
    exact = max(max(row.one, row.five) for row in worst)
    return [
        *found,
        Target("the same by exact sums, discordant shares to 50 %, one look and five", f"at most {limit:.2%}",
               f"{exact:.2%}", exact <= limit),
        Target("one worse by the margin passes non-inferiority, worst cell", "at most 5%",
               f"{max(worse):.2%}", max(worse) <= 0.05),
        Target("power less that of mid-P McNemar, lowest and highest cell", "within 5 points",
               f"{100 * min(gains):+.2f} and {100 * max(gains):+.2f} points",
               max(abs(gain) for gain in gains) <= 0.05),
    ]  # fmt: skip


def introduction(count: int, runs: int) -> str:
    """What was simulated."""
    return (
        f"{count} cells of {runs:,} runs: accuracy of the second program {_list(ACCURACIES)}; the first "
        f"better by {_list(100 * one for one in DIFFERENCES)} points; correlation of right and wrong "
        f"{_list(CORRELATIONS)}; {_list(SIZES)} rows; cells that cannot exist are left out. Non-inferiority "
        "is read off the mirrored tables: the first is worse by the margin. Five looks are at the levels "
        "1 - 0.05 / (k (k + 1)); growing rows are n more at each look. The gate's interval is Tango's, "
        "stretched to 0 where mid-P McNemar does not reject 0."
    )


def summary(
    grid: Sequence[Cell], measured: dict[str, list[Measured]], midp: Sequence[float] | None, level: float
) -> str:
    """One line an interval, worst cells included."""
    lines = []
    base = np.mean([one.width for one in measured["gate"]])
    for name, all_cells in measured.items():
        covers = np.array([one.covers for one in all_cells])
        pairs = list(zip(grid, all_cells, strict=True))
        equal = [one for cell, one in pairs if not cell.difference]
        line = [
            name,
            f"{covers.mean():.2%}",
            f"{covers.min():.2%}",
            int((covers < level - 0.02).sum()),
            f"{max(one.better for one in equal):.2%}",
            f"{max(one.not_worse for cell, one in pairs if cell.difference):.2%}",
            f"{np.mean([one.width for one in all_cells]) / base:.3f}",
        ]
        if midp is not None:
            gains = [
                100 * (one.better - p) for (cell, one), p in zip(pairs, midp, strict=True) if cell.difference
            ]
            beyond = sum(abs(gain) > 5 for gain in gains)
            line += [
                f"{max(one.fresh or 0.0 for one in equal):.2%}",
                f"{max(one.growing or 0.0 for one in equal):.2%}",
                f"{min(gains):+.1f} to {max(gains):+.1f} ({beyond} beyond 5)",
            ]
        lines.append(line)
    heads = [
        f"interval at {100 * level:g} %", "mean coverage", "worst cell", f"cells below {100 * level - 2:g} %",
        "equal passes, worst", "worse by the margin passes, worst", "mean width, gate = 1",
    ]  # fmt: skip
    if midp is not None:
        heads += ["equal passes, 5 fresh looks", "5 growing looks", "power less mid-P's, points"]
    return table(heads, lines)


def looks_table(grid: Sequence[Cell], by_look: Sequence[Sequence[tuple[Measured, float]]]) -> str:
    """Coverage, error and power of the gate at each look's level, in the worst cells."""
    lines = []
    for look, cells_then in enumerate(by_look, start=1):
        level = look_level(look)
        covers = np.array([one.covers for one, _ in cells_then])
        pairs = list(zip(grid, cells_then, strict=True))
        gains = [100 * (one.better - p) for cell, (one, p) in pairs if cell.difference]
        equal = max(one.better for cell, (one, _) in pairs if not cell.difference)
        worse = max(one.not_worse for cell, (one, _) in pairs if cell.difference)
        lines.append(
            (look, f"{level:.3%}", f"{covers.mean():.2%}", f"{covers.min():.2%}", f"{(1 - level) / 2:.3%}",
             f"{equal:.2%}", f"{worse:.2%}", f"{min(gains):+.1f} to {max(gains):+.1f}")
        )  # fmt: skip
    heads = (
        "look", "level", "mean coverage", "worst cell", "nominal one-sided error", "equal passes, worst",
        "worse by the margin passes, worst", "power less mid-P's, points",
    )  # fmt: skip
    return table(heads, lines)


def by_cell(
    grid: Sequence[Cell], measured: dict[str, list[Measured]], midp: Sequence[float]
) -> Iterator[str]:
    """All cells of all intervals."""
    place = ["accuracy", "difference", "correlation", "n"]
    names = list(measured)
    at = list(range(len(grid)))
    equal = [index for index in at if not grid[index].difference]
    apart = [index for index in at if grid[index].difference]
    yield folded(
        f"Coverage at 95 %, all {len(at)} cells",
        table(
            [*place, *names],
            [[*grid[i].row(), *(f"{100 * measured[name][i].covers:.1f}" for name in names)] for i in at],
        ),
    )
    yield folded(
        f"An equal program passes superiority, %, all {len(equal)} cells",
        table(
            [*place, *names, "gate, 5 fresh looks", "gate, 5 growing looks"],
            [
                [
                    *grid[i].row(),
                    *(f"{100 * measured[name][i].better:.2f}" for name in names),
                    f"{100 * (measured['gate'][i].fresh or 0.0):.2f}",
                    f"{100 * (measured['gate'][i].growing or 0.0):.2f}",
                ]
                for i in equal
            ],
        ),
    )
    yield folded(
        f"One worse by the margin passes non-inferiority, %, all {len(apart)} cells",
        table(
            [*place, *names],
            [
                [*grid[i].row(), *(f"{100 * measured[name][i].not_worse:.2f}" for name in names)]
                for i in apart
            ],
        ),
    )
    yield folded(
        f"Power of mid-P McNemar at one-sided 2.5 %, and each interval's less that, all {len(apart)} cells",
        table(
            [*place, "mid-P", *names],
            [
                [
                    *grid[i].row(),
                    f"{100 * midp[i]:.1f}",
                    *(f"{100 * (measured[name][i].better - midp[i]):+.1f}" for name in names),
                ]
                for i in apart
            ],
        ),
    )


def _list(values: Iterator[float] | Sequence[float]) -> str:
    return ", ".join(f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" for value in values)
