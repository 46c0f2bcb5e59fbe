"""The race: candidates meet on growing random subsets of the rows, until one is known to be good enough.

Every candidate reads rows in the same order, which is random and keeps the classes in
proportion, so that two candidates are always compared on the same rows. Two rules decide
who reads on:

- **Dropped** for good is who is worse than the leader beyond doubt: the anytime-valid test
  of `scoring` rejects that it is no worse, on their paired differences, at `alpha` shared
  among all candidates. Looking after every round costs nothing.
- **Resting** is who is unlikely to be better by more than `margin`. Candidates and rows are
  fitted additively (score = candidate + row), so that luck with easy rows is taken out, and
  the leader's figure is shrunk towards the others' as far as their spread says (empirical
  Bayes, Efron and Morris 1975), since the best of many noisy figures is too good to be true.

So a candidate that is far behind costs a handful of rows although no test can reject it
that early, and it comes back should the leader fall. Who wins is confirmed elsewhere, on
rows that the race has not used. How often the race is wrong, and what it costs, was
simulated with known truth: `benchmarks/race.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ScoringError
from ..scoring import betting_interval, log_wealth

Scores = NDArray[np.float64]

FIRST = 5
"""Rows that every candidate reads before anybody rests."""
GROWTH = 1.15
"""A candidate that reads on reads up to this times its rows."""
PATIENCE = 0.85
"""The more rows a candidate has read, the less likely to win it must be to rest: the bar is delta times
(FIRST / rows) to this power, since it is held against the bar after every round."""
HOPELESS = 0.002
LEAST_SPREAD = 0.02
"""Standard deviation of the candidates' true scores, at the least."""
ROUNDS_KEPT = 60
STANDINGS_KEPT = 3000
"""In a history, at most: as many rounds as this allows for the number of candidates."""


class Contender(Protocol):
    """A candidate of a race."""

    name: str

    def scores(self, n: int) -> Scores:
        """Scores in [0, 1] on the first n rows of the race's order; shape (n,).

        It is asked with growing n. Scores of earlier rows may change where the candidate
        learns from those that it has read.
        """
        ...


@dataclass(frozen=True)
class Standing:
    """A candidate during or after the race.

    Attributes:
        rows: that it has read; mean: of its scores on them.
        difference: to the leader on the rows that both read; interval: of it, anytime-valid.
        chance: that it is better than the leader by more than the margin.
        state: `leads`, `runs`, `rests` or `dropped`.
    """

    name: str
    rows: int
    mean: float
    difference: float
    interval: tuple[float, float]
    chance: float
    state: str


@dataclass(frozen=True)
class Round:
    """How a race stood after a round.

    Attributes:
        rows: read by all together until then.
        standings: of all candidates, in their order; figures rounded to four digits.
    """

    rows: int
    standings: tuple[Standing, ...]


@dataclass(frozen=True)
class Race:
    """How a race ended.

    Attributes:
        winner: index of the candidate that leads.
        standings: of all candidates, in their order.
        rows: read by all together.
        why: what ended it: `decided`, `rows` (all were read) or `budget`.
        history: the rounds, in order, the last one being how it ended; where there were more than 60
            (fewer with more than 50 candidates), every second, every fourth and so on.
    """

    winner: int
    standings: tuple[Standing, ...]
    rows: int
    why: str
    history: tuple[Round, ...] = ()


@dataclass
class _State:
    scores: list[Scores]
    dropped: NDArray[np.bool_]
    chance: NDArray[np.float64]
    difference: NDArray[np.float64]
    leader: int = 0
    counts: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    intervals: dict[int, tuple[Scores, tuple[float, float]]] = field(default_factory=dict)
    """By candidate: the differences that it was computed from, and the interval."""


class _History:
    """Rounds as they come; every second one is let go whenever there are too many."""

    def __init__(self, candidates: int) -> None:
        self.rounds: list[Round] = []
        self._most = max(2, min(ROUNDS_KEPT, STANDINGS_KEPT // candidates))
        self._every = 1
        self._seen = 0

    def add(self, rows: int, standings: Callable[[], Sequence[Standing]]) -> None:
        if self._seen % self._every == 0:
            self.rounds.append(_round(rows, standings()))
        self._seen += 1
        if len(self.rounds) == self._most:
            self.rounds = self.rounds[::2]
            self._every *= 2

    def ended(self, rows: int, standings: Sequence[Standing]) -> tuple[Round, ...]:
        before = [one for one in self.rounds if one.rows < rows]
        return (*before, _round(rows, standings))


def race(
    contenders: Sequence[Contender],
    n_rows: int,
    *,
    margin: float = 0.02,
    delta: float = 0.05,
    alpha: float = 0.05,
    first: int = FIRST,
    room: Callable[[], int | None] = lambda: None,
    on_round: Callable[[Callable[[], Sequence[Standing]]], Any] = lambda _: None,
) -> Race:
    """Find a candidate that is unlikely to be worse than the best by more than a margin.

    Args:
        contenders: at least one; the first is the baseline, which leads while all are equal.
        n_rows: rows in the race's order.
        margin: difference in score that does not matter.
        delta: a candidate rests at first where its chance to be better by the margin is below this.
        alpha: chance that a candidate is dropped wrongly, at any time.
        first: rows that every candidate reads before anybody rests.
        room: how many more rows may be read by all together; None is no limit.
        on_round: called after each round with a function that gives the standings.

    Raises:
        ScoringError: there are no candidates or rows, or a score lies outside [0, 1].
    """
    if not contenders or n_rows < 1:
        raise ScoringError("a race needs candidates and rows", hint="give more rows, or skip the race")
    k = len(contenders)
    state = _State(
        scores=[np.zeros(0)] * k,
        dropped=np.zeros(k, bool),
        chance=np.ones(k),
        difference=np.zeros(k),
        counts=np.zeros(k, np.intp),
    )
    history = _History(k)
    why = _read(contenders, state, dict.fromkeys(range(k), min(first, n_rows)), room)
    while why is None:
        _look(state, margin, alpha)
        history.add(int(state.counts.sum()), lambda: _standings(contenders, state, delta))
        on_round(lambda: _standings(contenders, state, delta))
        wanted = _wanted(state, n_rows, delta)
        if wanted is None:
            why = "decided"
        elif not wanted:
            why = "rows"
        else:
            why = _read(contenders, state, wanted, room)
    _look(state, margin, alpha)
    rows, standings = int(state.counts.sum()), tuple(_standings(contenders, state, delta))
    return Race(state.leader, standings, rows, why, history.ended(rows, standings))


def race_order(strata: Sequence[Any], *, seed: int) -> NDArray[np.intp]:
    """A random order of rows in which every beginning holds the strata about in proportion; shape (n,)."""
    rng = np.random.default_rng(seed)
    labels = [str(stratum) for stratum in strata]
    place = np.empty(len(labels))
    for label in sorted(set(labels)):
        own = np.array([i for i, other in enumerate(labels) if other == label])
        # The j-th of m rows of a stratum stands somewhere in the j-th of m equal parts of the order.
        place[rng.permutation(own)] = (np.arange(len(own)) + rng.random(len(own))) / len(own)
    return np.argsort(place, kind="stable")


def _read(
    contenders: Sequence[Contender],
    state: _State,
    wanted: dict[int, int],
    room: Callable[[], int | None],
) -> str | None:
    """Let candidates read up to so many rows each, the first named first; `budget` where it ends."""
    for i, n in wanted.items():
        left = room()
        if left is not None and left < n - state.counts[i]:
            return "budget"
        scores = np.asarray(contenders[i].scores(n), np.float64)
        if scores.shape != (n,) or not ((scores >= 0) & (scores <= 1)).all():
            raise ScoringError(
                f"the scores of {contenders[i].name!r} are no {n} numbers within [0, 1]",
                hint="check the metric",
            )
        state.scores[i] = scores
        state.counts[i] = n
    return None


def _look(state: _State, margin: float, alpha: float) -> None:
    """Choose the leader, and compare everybody with it."""
    alive = ~state.dropped & (state.counts > 0)
    if not alive.any():
        return
    ability, noise = _abilities(state.scores, state.counts)
    centre, spread = _spread(ability[alive], noise[alive])
    shrunk = np.where(alive, centre + spread / (spread + noise) * (ability - centre), -np.inf)
    state.leader = int(np.argmax(shrunk))
    behind = shrunk[state.leader] - ability
    state.chance = _tail((margin + behind) / np.sqrt(noise + noise[state.leader]))
    state.chance[state.leader] = 1.0
    limit = np.log(max(1, len(alive) - 1) / alpha)
    for i in map(int, np.flatnonzero(alive)):
        differences = _paired(state, i)
        state.difference[i] = differences.mean()
        if state.chance[i] < HOPELESS:  # else the test, which is dearer, would not reject yet
            state.dropped[i] = log_wealth(-differences).max() >= limit
    state.chance[state.dropped] = 0.0
    state.chance[state.leader] = 0.0


def _paired(state: _State, i: int) -> Scores:
    """Differences to the leader on the rows that both have read."""
    leader = state.scores[state.leader]
    n = min(len(leader), len(state.scores[i]))
    return state.scores[i][:n] - leader[:n]


def _abilities(scores: Sequence[Scores], counts: NDArray[np.intp]) -> tuple[Scores, Scores]:
    """Each candidate's mean with the rows' difficulty taken out, and its variance; shape (K,) each.

    Additive model score = candidate + row (Tukey 1949), by alternating least squares: so
    candidates that have read other numbers of rows can be compared.
    """
    longest = int(counts.max())
    matrix = np.zeros((len(scores), longest))
    for i, own in enumerate(scores):
        matrix[i, : len(own)] = own
    read = np.arange(longest) < counts[:, None]
    readers = np.maximum(read.sum(axis=0), 1)
    n = np.maximum(counts, 1)
    ability = matrix.sum(axis=1) / n
    row = np.zeros(longest)
    for _ in range(4):
        row = ((matrix - ability[:, None]) * read).sum(axis=0) / readers
        ability = ((matrix - row) * read).sum(axis=1) / n
    # Of m residuals of a row only m - 1 are free; and one made-up row of half a point keeps a few equal
    # rows from looking certain.
    free = np.maximum(readers, 2) / np.maximum(readers - 1, 1)
    rest = (matrix - row - ability[:, None]) * read
    noise = ((rest**2 * free).sum(axis=1) + 0.25) / n**2
    return ability, noise


def _wanted(state: _State, n_rows: int, delta: float) -> dict[int, int] | None:
    """Who reads on, and up to how many rows; None where nobody need, empty where nobody can."""
    runs = _runs(state, delta)
    if not runs:
        return None
    wanted = {}
    for i in runs:
        n = min(n_rows, max(int(np.ceil(state.counts[i] * GROWTH)), int(state.counts[i]) + 1))
        if n > state.counts[i]:
            wanted[i] = n
    furthest = max(wanted.values(), default=0)
    if furthest > state.counts[state.leader]:
        wanted = {state.leader: furthest, **wanted}
    return wanted


def _runs(state: _State, delta: float) -> list[int]:
    """Rivals that may well be better, the likeliest first."""
    bar = delta * np.minimum(1.0, FIRST / np.maximum(state.counts, 1)) ** PATIENCE
    return [int(i) for i in np.argsort(-state.chance, kind="stable") if state.chance[i] > bar[i]]


def _standings(contenders: Sequence[Contender], state: _State, delta: float) -> list[Standing]:
    runs = set(_runs(state, delta))
    found = []
    for i, contender in enumerate(contenders):
        what = "leads" if i == state.leader else "dropped" if state.dropped[i] else "rests"
        found.append(
            Standing(
                name=contender.name,
                rows=int(state.counts[i]),
                mean=float(state.scores[i].mean()) if state.counts[i] else float("nan"),
                difference=float(state.difference[i]),
                interval=_interval(state, i),
                chance=float(state.chance[i]),
                state="runs" if what == "rests" and i in runs else what,
            )
        )
    return found


def _interval(state: _State, i: int) -> tuple[float, float]:
    """Of the mean difference to the leader; computed anew only where the differences are other ones."""
    differences = _paired(state, i)
    if not len(differences):
        return -1.0, 1.0
    known = state.intervals.get(i)
    if known is None or not np.array_equal(known[0], differences):
        known = differences, betting_interval(differences, low=-1.0)
        state.intervals[i] = known
    return known[1]


def _round(rows: int, standings: Sequence[Standing]) -> Round:
    return Round(
        rows,
        tuple(
            replace(
                one,
                mean=round(one.mean, 4),
                difference=round(one.difference, 4),
                interval=(round(one.interval[0], 4), round(one.interval[1], 4)),
                chance=round(one.chance, 4),
            )
            for one in standings
        ),
    )


def _spread(means: Scores, noise: Scores) -> tuple[float, float]:
    """Mean and variance of the true scores, as far as the observed ones show them through the noise."""
    if len(means) < 2:
        return float(means.mean()) if len(means) else 0.0, LEAST_SPREAD**2
    weight = 1 / (noise + LEAST_SPREAD**2)
    centre = float((weight * means).sum() / weight.sum())
    beyond = float((weight * ((means - centre) ** 2 - noise)).sum() / weight.sum())
    return centre, max(beyond, LEAST_SPREAD**2)


def _tail(z: Scores) -> Scores:
    """P(Z > z) of a standard normal Z."""
    from scipy.special import ndtr

    return np.asarray(ndtr(-z), np.float64)
