"""Made-up programs whose accuracy at every confidence is known, for `statistics_selection.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Confidences as a function of their rank in (0, 1), and the accuracy at each confidence."""

    name: str
    confidence: Callable[[Floats], Floats]
    accuracy: Callable[[Floats], Floats]
    targets: tuple[float, ...] = ()

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """Confidences of n rows, and whether each is right."""
        confidence = self.confidence(rng.uniform(size=n))
        return confidence, rng.uniform(size=n) < self.accuracy(confidence)


WORLDS = (
    World("calibrated, 0.5 to 1", lambda u: 0.5 + 0.5 * u, lambda c: c, (0.8, 0.9)),
    World("calibrated, mostly high", lambda u: 1 - 0.3 * (1 - u) ** 2, lambda c: c, (0.95, 0.98)),
    World(
        "overconfident",
        lambda u: 1 - 0.5 * (1 - u) ** 3,
        lambda c: 0.6 + 0.39 * np.clip(2 * c - 1, 0, 1) ** 3,
        (0.9, 0.95),
    ),
    World("says nothing, 97 % right", lambda u: u, lambda c: np.full_like(c, 0.97), (0.95, 0.9701)),
    World("five values", lambda u: np.floor(5 * u) / 5, lambda c: 0.8 + 0.24 * c, (0.9, 0.93)),
    World(
        "two values",
        lambda u: np.where(u < 0.4, 0.6, 0.9),
        lambda c: np.where(c < 0.7, 0.7, 0.95),
        (0.85, 0.951),
    ),
    World(
        "one value, 90 % right", lambda u: np.full_like(u, 0.8), lambda c: np.full_like(c, 0.9), (0.89, 0.901)
    ),
    World("upside down", lambda u: u, lambda c: 0.99 - 0.2 * c, (0.88, 0.8)),
    World("best in the middle", lambda u: u, lambda c: 0.98 - 0.8 * (c - 0.6) ** 2, (0.93, 0.95)),
)

CALIBRATION = (
    World("perfect, 0.5 to 1", lambda u: 0.5 + 0.5 * u, lambda c: c),
    World("perfect, mostly high", lambda u: 1 - 0.5 * (1 - u) ** 3, lambda c: c),
    World("perfect, above 0.98", lambda u: 0.98 + 0.02 * u, lambda c: c),
    World("4 points too high", lambda u: 0.5 + 0.5 * u, lambda c: c - 0.04),
    WORLDS[2],
    World("crosses over", lambda u: u, lambda c: 0.15 + 0.7 * c),
    World("one bin half off", lambda u: u, lambda c: np.where(c > 0.9, c - 0.5, c)),
    World("above 0.99, 97 % right", lambda u: 0.99 + 0.01 * u, lambda c: c - 0.03),
)


def truth_above(world: World) -> Callable[[float], tuple[float, float]]:
    """Coverage and accuracy of what is at or above a threshold, from a fine grid of ranks."""
    confidence = np.sort(world.confidence((np.arange(200_000) + 0.5) / 200_000))
    above = np.cumsum(world.accuracy(confidence)[::-1])[::-1]

    def truth(cut: float) -> tuple[float, float]:
        # A cut above the grid's last point answers as good as nothing, at the accuracy of the top.
        first = min(int(np.searchsorted(confidence, cut)), len(confidence) - 1)
        count = len(confidence) - first
        return count / len(confidence), float(above[first]) / count

    return truth


def true_figures(world: World, bins: int) -> tuple[float, float]:
    """Calibration error over bins of equal size, and Brier score."""
    confidence = np.sort(world.confidence((np.arange(200_000) + 0.5) / 200_000))
    accuracy = world.accuracy(confidence)
    gaps = [abs(float(part.mean())) for part in np.array_split(accuracy - confidence, bins)]
    brier = np.mean(accuracy * (1 - confidence) ** 2 + (1 - accuracy) * confidence**2)
    return float(np.mean(gaps)), float(brier)
