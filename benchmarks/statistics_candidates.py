"""Intervals of a paired difference that compete for the gate, over arrays of tables.

Each takes tables, shape (m, 4) with columns both, wins, losses and neither, and a two-sided level, and
gives the low and high ends, shape (m,) each.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from shipworthy.scoring import gate_interval, newcombe_interval, tango_interval

Floats = NDArray[np.float64]
Ends = tuple[Floats, Floats]


def gate(tables: Floats, level: float) -> Ends:
    """What the gate uses."""
    return gate_interval(tables[:, 1], tables[:, 2], tables.sum(axis=1), level=level)


def tango(tables: Floats, level: float) -> Ends:
    """Tango (1998), the score interval."""
    return tango_interval(tables[:, 1], tables[:, 2], tables.sum(axis=1), level=level)


def newcombe(tables: Floats, level: float) -> Ends:
    """Newcombe (1998), method 10."""
    return newcombe_interval(*tables.T, level=level)


def newcombe_plain(tables: Floats, level: float) -> Ends:
    """Newcombe (1998), without the continuity correction."""
    return newcombe_interval(*tables.T, level=level, corrected=False)


def bonett_price(tables: Floats, level: float) -> Ends:
    """Bonett and Price (2012), J. Educ. Behav. Stat. 37, 479: one added to wins and one to losses."""
    return _adjusted_wald(tables[:, 1] + 1, tables[:, 2] + 1, tables.sum(axis=1) + 2, level)


def agresti_min(tables: Floats, level: float) -> Ends:
    """Agresti and Min (2005), Statistics in Medicine 24, 729: one half added to each cell."""
    return _adjusted_wald(tables[:, 1] + 0.5, tables[:, 2] + 0.5, tables.sum(axis=1) + 2, level)


def _adjusted_wald(wins: Floats, losses: Floats, n: Floats, level: float) -> Ends:
    z = -NormalDist().inv_cdf((1 - level) / 2)
    mean = (wins - losses) / n
    half = z * np.sqrt(((wins + losses) / n - mean * mean) / n)
    return np.maximum(mean - half, -1), np.minimum(mean + half, 1)


CANDIDATES: dict[str, Callable[[Floats, float], Ends]] = {
    "gate": gate,
    "Tango": tango,
    "Newcombe 10": newcombe,
    "Newcombe, uncorrected": newcombe_plain,
    "Bonett-Price": bonett_price,
    "Agresti-Min": agresti_min,
}
