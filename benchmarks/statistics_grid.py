"""The grid of truths on which paired comparisons are simulated, and draws from it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ACCURACIES = (0.5, 0.8, 0.95, 0.99)
DIFFERENCES = (0.0, 0.02, 0.05, 0.10)
CORRELATIONS = (0.0, 0.5, 0.9)
SIZES = (30, 50, 100, 300, 1000)
LOOKS = 5
LEVEL = 0.95
SEED = 20260


@dataclass(frozen=True)
class Cell:
    """A truth: both programs' accuracy and correlation, the rows, and the table's shares that follow."""

    accuracy: float
    difference: float
    correlation: float
    n: int
    shares: tuple[float, float, float, float]

    def __str__(self) -> str:
        return (
            f"accuracy {self.accuracy:g}, difference {self.difference:g}, "
            f"correlation {self.correlation:g}, n {self.n}"
        )

    def row(self) -> list[object]:
        """Its part of a table's line."""
        return [f"{self.accuracy:g}", f"{100 * self.difference:g}", f"{self.correlation:g}", self.n]


def cells() -> list[Cell]:
    """The grid without what cannot be: accuracies above 1, and shares below 0."""
    found = []
    grid = itertools.product(ACCURACIES, DIFFERENCES, CORRELATIONS, SIZES)
    for accuracy, difference, correlation, n in grid:
        first = round(accuracy + difference, 10)
        # A program that is always right correlates with nothing.
        if first > 1 or (first == 1 and correlation > 0):
            continue
        both = first * accuracy + correlation * math.sqrt(first * (1 - first) * accuracy * (1 - accuracy))
        shares = np.array([both, first - both, accuracy - both, 1 - first - accuracy + both])
        if shares.min() < -1e-12:
            continue
        shares = shares.clip(0) / shares.clip(0).sum()
        found.append(Cell(accuracy, difference, correlation, n, tuple(shares.tolist())))
    return found


def draw(cell: Cell, n: int, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Distinct tables, each one's share of the runs, and the table of each run."""
    return distinct(rng.multinomial(n, cell.shares, size=runs))


def distinct(drawn: NDArray[np.int64]) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Tables that occur, once: intervals are computed for these only."""
    base = int(drawn.sum(axis=1).max()) + 1
    keys = (drawn[:, 0] * base + drawn[:, 1]) * base + drawn[:, 2]
    _, at, back, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return drawn[at].astype(np.float64), counts / len(drawn), back
