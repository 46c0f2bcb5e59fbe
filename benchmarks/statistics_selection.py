"""Do thresholds, sequential comparisons and calibration figures keep what they promise? Simulations with
known truths, against targets.

    python benchmarks/statistics_selection.py [--quick]

prints its tables; `benchmarks/statistics.py` puts them into the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statistics_worlds import CALIBRATION, WORLDS, true_figures, truth_above
from targets import Target, folded, table, targets_table

from shipworthy.scoring import (
    betting_interval,
    binomial_lower,
    brier_score,
    calibration_error,
    empirical_bernstein_sequence,
    expected_calibration_error,
    log_wealth,
    rows_to_reject,
    sample_size,
    threshold_with_guarantee,
)

SEED = 20240611
DELTA = 0.05
ROWS = (30, 100, 300, 1000)
LONG = 10_000

Floats = NDArray[np.float64]


def section(quick: bool) -> tuple[str, list[Target]]:
    """Markdown and targets of thresholds, sequential comparisons and calibration figures."""
    texts, targets = [], []
    for part in (_thresholds, _any_time, _widths, _time_to_reject, _calibration):
        text, found = part(quick)
        texts.append(text)
        targets.extend(found)
    return "\n\n".join(texts), targets


# Thresholds


def _thresholds(quick: bool) -> tuple[str, list[Target]]:
    runs, compared = (1000, 200) if quick else (10_000, 1000)
    lines, worst, answered = [], 0.0, []
    for index, (world, target, n) in enumerate((w, t, n) for w in WORLDS for t in w.targets for n in ROWS):
        rng = np.random.default_rng([SEED, 1, index])
        truth = truth_above(world)
        found = {name: [0, 0.0, 0] for name in METHODS}
        for run in range(runs):
            confidence, right = world.draw(n, rng)
            for name, method in METHODS.items():
                if run >= compared and name != "fixed sequence":
                    continue
                cut = method(confidence, right, target)
                coverage, accuracy = truth(cut) if cut is not None else (0.0, 1.0)
                found[name][0] += accuracy < target - 1e-9
                found[name][1] += coverage
                found[name][2] += 1
        breaks = {name: broken / count for name, (broken, _, count) in found.items()}
        coverages = [total / count for _, total, count in found.values()]
        worst = max(worst, breaks["fixed sequence"])
        answered.append(coverages)
        cells = [
            f"{share:.1%} / {covered:.0%}" for share, covered in zip(breaks.values(), coverages, strict=True)
        ]
        lines.append((world.name, f"{target:.2%}", n, *cells))
    means = np.mean(answered, axis=0)
    noise = 3 * math.sqrt(DELTA * (1 - DELTA) / runs)
    targets = [
        Target(
            "the selective guarantee breaks in at most its delta, any cell",
            f"<= {DELTA:.0%} + 3 se = {DELTA + noise:.1%}",
            f"{worst:.1%}",
            worst <= DELTA + noise,
        ),
        Target(
            "it answers at least as many rows as Bonferroni or SGR, mean over cells",
            f">= {max(means[1:]):.1%}",
            f"{means[0]:.1%}",
            bool(means[0] >= max(means[1:])),
        ),
    ]
    note = (
        f"Thresholds at delta = {DELTA}: how often the true accuracy of what is answered is below the target "
        f"/ share of rows answered. {runs:,} runs a cell for the method in use, {compared:,} for the others. "
        f"Means over cells: " + ", ".join(f"{n} {m:.1%}" for n, m in zip(METHODS, means, strict=True)) + "."
    )
    return note + "\n\n" + folded(
        "by cell", table(("confidences", "target", "rows", *METHODS), lines)
    ), targets


def _in_use(confidence: Floats, right: NDArray[np.bool_], target: float) -> float | None:
    return threshold_with_guarantee(confidence, right, target=target, delta=DELTA)


def _bonferroni(confidence: Floats, right: NDArray[np.bool_], target: float) -> float | None:
    """Ten cuts by coverage, each at a tenth of delta."""
    ranked = -np.sort(-confidence)
    for share in range(10, 0, -1):
        cut = ranked[max(1, len(ranked) * share // 10) - 1]
        if _passes(confidence, right, cut, target, DELTA / 10):
            return float(cut)
    return None


def _sgr(confidence: Floats, right: NDArray[np.bool_], target: float) -> float | None:
    """Binary search at delta over its number of steps (Geifman and El-Yaniv 2017)."""
    ranked = -np.sort(-confidence)
    least, most, best = 1, len(ranked), None
    steps = max(1, math.ceil(math.log2(len(ranked))))
    for _ in range(steps):
        tried = (least + most + 1) // 2
        cut = ranked[tried - 1]
        if _passes(confidence, right, cut, target, DELTA / steps):
            best, least = float(cut), tried
        else:
            most = tried
    return best


METHODS = {"fixed sequence": _in_use, "Bonferroni": _bonferroni, "SGR": _sgr}


def _passes(confidence: Floats, right: NDArray[np.bool_], cut: float, target: float, delta: float) -> bool:
    chosen = confidence >= cut
    return bool(binomial_lower(int(right[chosen].sum()), int(chosen.sum()), delta=delta) >= target)


# Sequential comparisons


def _any_time(quick: bool) -> tuple[str, list[Target]]:
    streams = 200 if quick else 1000
    lines, worst = [], [0.0, 0.0, 0.0]
    for index, (name, mean, low, draw) in enumerate(_streams()):
        rng = np.random.default_rng([SEED, 2, index])
        left = np.zeros(3)
        for _ in range(streams // 50):
            rows = draw(50, rng)
            # A mean is outside the betting interval at some time exactly when the wealth against it on
            # either side reached 2/0.05; asking that is quicker than an interval after every row.
            up = log_wealth(rows, null=mean, low=low, high=1.0).max(axis=1)
            down = log_wealth(-rows, null=-mean, low=-1.0, high=-low).max(axis=1)
            lows, highs = empirical_bernstein_sequence(rows, low=low)
            left += (
                np.sum(np.maximum(up, down) >= math.log(2 / 0.05)),
                np.sum(((lows > mean) | (highs < mean)).any(axis=1)),
                np.sum(up >= math.log(1 / 0.05)),
            )
        shares = left / (streams // 50 * 50)
        worst = np.maximum(worst, shares)
        lines.append((name, *(f"{share:.1%}" for share in shares)))
    noise = 3 * math.sqrt(0.05 * 0.95 / streams)
    names = (
        "the betting interval leaves the mean",
        "the empirical-Bernstein sequence leaves the mean",
        "the one-sided test rejects a true hypothesis",
    )
    targets = [
        Target(
            f"{name} at any time in 10,000 rows",
            f"<= 5 % + 3 se = {0.05 + noise:.1%}",
            f"{share:.1%}",
            bool(share <= 0.05 + noise),
        )
        for name, share in zip(names, worst, strict=True)
    ]
    heads = ("rows", "betting interval", "empirical Bernstein", "one-sided test")
    note = (
        f"How often the truth is ever left at 95 %, {streams:,} streams of 10,000 rows (or of all there are):"
    )
    return note + "\n\n" + table(heads, lines), targets


def _streams() -> Iterator[tuple[str, float, float, Callable[[int, np.random.Generator], Floats]]]:
    """Name, true mean, lowest value and a draw of so many streams."""
    for p in (0.5, 0.05, 0.99):
        yield f"right or wrong, {p:.0%} right", p, 0.0, lambda k, rng, p=p: _binary(p, (k, LONG), rng)
    yield "uniform scores", 0.5, 0.0, lambda k, rng: rng.uniform(size=(k, LONG))
    for mean, discordant in ((0.0, 0.02), (0.0, 0.2), (0.05, 0.1)):
        yield (
            f"differences, {mean:.0%} with {discordant:.0%} discordant",
            mean,
            -1.0,
            lambda k, rng, m=mean, d=discordant: _paired(m, d, (k, LONG), rng),
        )
    for size in (200, 2000):
        fixed = np.repeat([-1.0, 0.0, 1.0], [size // 20, size - size // 10, size // 20])
        yield (
            f"differences, all of a set of {size}, 10 % discordant, without replacement",
            0.0,
            -1.0,
            lambda k, rng, rows=fixed: rng.permuted(np.tile(rows, (k, 1)), axis=1),
        )


def _widths(quick: bool) -> tuple[str, list[Target]]:
    lines = []
    for index, (name, _, low, draw) in enumerate(list(_streams())[:7]):
        rows = draw(4, np.random.default_rng([SEED, 3, index]))
        for n in (100, 1000) if quick else (100, 1000, LONG):
            seen = rows[:, :n]
            lows, highs = betting_interval(seen, low=low)
            bernstein = empirical_bernstein_sequence(seen, low=low)
            widths = (
                np.mean(highs - lows),
                np.mean(bernstein[1][:, -1] - bernstein[0][:, -1]),
                (1 - low) * math.sqrt(2 * math.log(40) / n),
                2 * 1.96 * np.mean(seen.std(axis=1)) / math.sqrt(n),
            )
            lines.append((name, n, *(f"{min(width, 1 - low):.4f}" for width in widths)))
    heads = ("rows", "n", "betting", "empirical Bernstein", "Hoeffding, one look", "normal, one look")
    return "Widths at 95 %, mean of 4 streams:\n\n" + folded("widths", table(heads, lines)), []


def _time_to_reject(quick: bool) -> tuple[str, list[Target]]:
    streams, rows = (100, 6000) if quick else (500, 10_000)
    lines = []
    for index, (mean, discordant) in enumerate(
        ((0.02, 0.06), (0.02, 0.2), (0.05, 0.1), (0.05, 0.3), (0.1, 0.15), (0.1, 0.4))
    ):
        rng = np.random.default_rng([SEED, 4, index])
        found = np.concatenate(
            [rows_to_reject(_paired(mean, discordant, (50, rows), rng)) for _ in range(streams // 50)]
        )
        after = np.where(found == 0, np.inf, found)
        shown = [
            f"{q:,.0f}" if np.isfinite(q) else f"> {rows:,}"
            for q in np.quantile(after, (0.5, 0.8), method="higher")
        ]
        fixed = sample_size(mean, discordant, power=0.8, level=0.9)
        lines.append((f"{mean:.0%}", f"{discordant:.0%}", *shown, f"{fixed:,}", f"{np.mean(found > 0):.1%}"))
    heads = ("difference", "discordant", "half by", "80 % by", "one look with 80 % power", "ever")
    note = f"Rows until a better program is seen to be better (one-sided 5 %, {streams} streams):"
    return note + "\n\n" + table(heads, lines), []


# Calibration


def _calibration(quick: bool) -> tuple[str, list[Target]]:
    runs = 200 if quick else 2000
    lines, covers = [], []
    for index, (world, n) in enumerate((w, n) for w in CALIBRATION for n in (10, *ROWS)):
        rng = np.random.default_rng([SEED, 5, index])
        error, brier = true_figures(world, min(10, n))
        found: list[tuple[Any, ...]] = []
        for _ in range(runs):
            confidence, right = world.draw(n, rng)
            ours, score = calibration_error(confidence, right), brier_score(confidence, right)
            measured = expected_calibration_error(confidence, right)
            found.append(
                (
                    ours.ci[0] - 1e-9 <= error <= ours.ci[1] + 1e-9,
                    score.ci[0] <= brier <= score.ci[1],
                    measured - error,
                    ours.value - error,
                    ours.ci[1] - ours.ci[0],
                    score.ci[1] - score.ci[0],
                )
            )
        means = np.mean(np.array(found, float), axis=0)
        covers.append(means[:2])
        lines.append(
            (
                world.name,
                n,
                f"{error:.3f}",
                f"{means[0]:.1%}",
                f"{means[4]:.3f}",
                f"{means[2]:+.3f}",
                f"{means[3]:+.3f}",
                f"{brier:.3f}",
                f"{means[1]:.1%}",
                f"{means[5]:.3f}",
            )
        )
    noise = 3 * math.sqrt(0.05 * 0.95 / runs)
    average, least = np.mean(covers, axis=0), np.min(covers, axis=0)
    bias = [np.mean([abs(float(line[column])) for line in lines]) for column in (5, 6)]
    targets = [
        Target(
            f"the {name} interval covers, mean of cells",
            ">= 94.5 %",
            f"{average[i]:.1%}",
            bool(average[i] >= 0.945),
        )
        for i, name in enumerate(("calibration error", "Brier score"))
    ]
    targets += [
        Target(
            f"the {name} interval covers, any cell",
            ">= 93 %" + (" - 3 se" if quick else ""),
            f"{least[i]:.1%}",
            bool(least[i] >= 0.93 - noise * quick),
        )
        for i, name in enumerate(("calibration error", "Brier score"))
    ]
    targets.append(
        Target(
            "the corrected calibration error is less biased, mean of cells",
            f"< {bias[0]:.3f}",
            f"{bias[1]:.3f}",
            bool(bias[1] < bias[0]),
        )
    )
    heads = (
        "confidences",
        "rows",
        "calibration error",
        "covered",
        "width",
        "bias as measured",
        "bias corrected",
        "Brier",
        "covered",
        "width",
    )
    return f"Intervals at 95 %, {runs:,} runs a cell:\n\n" + folded("by cell", table(heads, lines)), targets


def _binary(p: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    return (rng.uniform(size=shape) < p).astype(float)


def _paired(mean: float, discordant: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    u = rng.uniform(size=shape)
    return np.where(u < (discordant + mean) / 2, 1.0, np.where(u < discordant, -1.0, 0.0))


def main() -> int:
    """Print targets against figures, and the tables."""
    import argparse

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    text, targets = section(parser.parse_args().quick)
    print(targets_table(targets), text, sep="\n\n")
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    raise SystemExit(main())
