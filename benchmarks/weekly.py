"""A year of weekly certificates on the same test rows: how often does a program that is no better pass once?

    python benchmarks/weekly.py [--years 10000]

A simulation with known truth, named as such: test rows are drawn once, the prototype answers them once,
and each week another program, right as often as the prototype on rows like these, is compared with it on
these very rows, by the gate's own interval at the level of that look. The worlds differ in how much a
week's program shares with the week before and with the prototype. Any pass in 52 weeks is a mistake; the
levels of all looks together allow 2.5 %. The exit code is 1 if a world goes beyond it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from report import write_section
from targets import Target, table, targets_table

from shipworthy.scoring import gate_interval, look_level, wilson

WEEKS = 52
ALLOWED = 0.025
ROWS = (50, 110, 300)
ACCURACIES = (0.5, 0.8, 0.95)
CHUNK = 500

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """How programs of the year depend on each other.

    Attributes:
        anew: the share of rows on which a week's program decides anew; elsewhere it says what it said.
        alike: the share of rows on which every program says what the prototype says.
    """

    name: str
    anew: float
    alike: float


WORLDS = (
    World("another program each week", 1.0, 0.0),
    World("a tenth of the answers changes each week", 0.1, 0.0),
    World("as before, and nine in ten answers are the prototype's", 0.1, 0.9),
)


def main() -> int:
    """Simulate, and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--years", type=int, default=10_000, help="simulated years a world")
    given = parser.parse_args()
    limit = ALLOWED + 3 * math.sqrt(ALLOWED * (1 - ALLOWED) / given.years)
    lines, worst = [], 0.0
    for world, n, accuracy in itertools.product(WORLDS, ROWS, ACCURACIES):
        passed = failed = 0
        rng = np.random.default_rng([n, round(100 * accuracy), WORLDS.index(world)])
        for years in _chunks(given.years):
            won, lost = year(world, n, accuracy, years, rng)
            passed += int(won.sum())
            failed += int(lost.sum())
        share = passed / given.years
        low, high = wilson(passed, given.years)
        worst = max(worst, share)
        lines.append(
            (world.name, n, f"{accuracy:.0%}", f"{share:.2%}", f"{low:.2%} to {high:.2%}",
             f"{failed / given.years:.2%}")
        )  # fmt: skip
    target = Target(
        f"an equal program passes at least once in {WEEKS} weekly looks, worst of {len(lines)} worlds",
        f"at most {limit:.2%} (2.5 % and 3 standard errors)",
        f"{worst:.2%}",
        worst <= limit,
    )
    heads = ("world", "test rows", "both right on", "years with a pass", "95 % interval", "years with a fail")
    write_section(
        "weekly",
        "python benchmarks/weekly.py",
        f"{given.years:,} simulated years a world.\n\n{targets_table([target])}\n\n{table(heads, lines)}",
    )
    return 0 if target.met else 1


def year(world: World, n: int, accuracy: float, years: int, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Whether a year saw a pass, and whether a fail; shape (years,) each."""
    prototype = rng.random((years, n)) < accuracy
    shared = rng.random((years, n)) < world.alike
    program = rng.random((years, n)) < accuracy
    won = np.zeros(years, np.bool_)
    lost = np.zeros(years, np.bool_)
    for week in range(1, WEEKS + 1):
        changed = rng.random((years, n)) < world.anew
        program = np.where(changed, rng.random((years, n)) < accuracy, program)
        said = np.where(shared, prototype, program)
        wins, losses = ((one & ~other).sum(axis=1) for one, other in ((said, prototype), (prototype, said)))
        pairs, back = np.unique(np.stack([wins, losses]), axis=1, return_inverse=True)
        low, high = gate_interval(pairs[0], pairs[1], np.full(pairs.shape[1], n), level=look_level(week))
        won |= (np.asarray(low) > 0)[back.ravel()]
        lost |= (np.asarray(high) < 0)[back.ravel()]
    return won, lost


def _chunks(years: int) -> Iterator[int]:
    while years > 0:
        yield min(CHUNK, years)
        years -= CHUNK


if __name__ == "__main__":
    sys.exit(main())
