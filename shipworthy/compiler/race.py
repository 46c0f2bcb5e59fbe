"""The race: candidates meet on growing random subsets of the rows, until one is known to be good enough.

Every candidate reads rows in the same order, which is random and keeps the classes in
proportion, so that two candidates are always compared on the same rows. Two rules decide
who reads on:

- **Dropped** for good is who is worse than the leader beyond doubt: an anytime-valid test of
  `scoring` rejects that it is no worse, on their paired differences, at `alpha` shared among
  all candidates. Looking after every round costs nothing.
- **Resting** is who is unlikely to be better by more than `margin`. Candidates and rows are
  fitted additively (score = candidate + row), so that luck with easy rows is taken out, and
  the leader's figure is shrunk towards the others' as far as their spread says (empirical
  Bayes, Efron and Morris 1975), since the best of many noisy figures is too good to be true.

The bar below which a candidate rests falls with its own rows, since it is held against it
after every round, and with those of the one that has read most: by the time that two read
thousands of rows, whoever was unlucky with its first few is called back for a few more.

So a candidate that is far behind costs a handful of rows although no test can reject it
that early. Who wins is confirmed elsewhere, on rows that the race has not used. How often
the race is wrong, and what it costs, was simulated with known truth: `benchmarks/race.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ScoringError
from ..scoring import final_betting_interval, final_log_wealth

Scores = NDArray[np.float64]

FIRST = 5
"""Rows that every candidate reads before anybody rests."""
GROWTH = 1.15
"""A candidate that reads on reads up to this times its rows."""
PATIENCE, COMMON_PATIENCE = 0.6, 0.4
"""How fast the bar falls with the candidate's own rows, and with those of the one that has read most."""
SCANT = 2.0
"""Rows that count for nothing: a mean of few right and wrong answers has heavier tails than a normal one."""
POOLED = 10.0
"""Rows that the spread of everybody's residuals counts for, beside a candidate's own."""
SWEEPS = 4
LEAST_SPREAD = 0.02
"""Standard deviation of the candidates' true scores, at the least."""
DIGITS = 4  # of the figures in a history
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


class _State:
    """What was read, and what follows from it; arrays of shape (K,) unless said otherwise."""

    def __init__(self, k: int, n_rows: int) -> None:
        self.matrix = np.zeros((k, n_rows))
        """Scores, 0 where not read; shape (K, N)."""
        self.counts = np.zeros(k, np.intp)
        self.total, self.squares, self.by_row = np.zeros(k), np.zeros(k), np.zeros(n_rows)
        """Sums of the scores by candidate, of their squares, and of the scores by row, shape (N,)."""
        self.editions = np.zeros(k, np.intp)
        """How often scores of rows that had been read before have changed."""
        self.tested = np.zeros(k, np.intp)
        """Rows read when it was last tested."""
        self.ability = np.zeros(k)
        self.chance = np.ones(k)
        self.dropped = np.zeros(k, bool)
        self.leader = 0
        self.pairs: dict[int, tuple[tuple[int, ...], float, tuple[float, float]]] = {}
        """By candidate: what was compared, the mean difference to the leader, its interval."""

    def take(self, i: int, scores: Scores) -> None:
        """A candidate's scores on more rows than before."""
        n, before = len(scores), self.counts[i]
        total = float(scores.sum())
        if not before:
            self.ability[i] = total / n
        elif not np.array_equal(self.matrix[i, :before], scores[:before]):
            self.editions[i] += 1
        self.by_row[:n] += scores - self.matrix[i, :n]
        self.matrix[i, :n] = scores
        self.counts[i], self.total[i], self.squares[i] = n, total, scores @ scores

    def differences(self, i: int) -> Scores:
        """To the leader, on the rows that both have read."""
        n = min(self.counts[i], self.counts[self.leader])
        return self.matrix[i, :n] - self.matrix[self.leader, :n]


class _History:
    """Rounds as they come; every second one is let go whenever there are too many."""

    def __init__(self, candidates: int) -> None:
        self.rounds: list[Round] = []
        self._most = max(2, min(ROUNDS_KEPT, STANDINGS_KEPT // candidates))
        self._every = 1
        self._seen = 0

    def add(self, rows: int, standings: Callable[[int], Sequence[Standing]]) -> None:
        if self._seen % self._every == 0:
            self.rounds.append(Round(rows, tuple(standings(DIGITS))))
        self._seen += 1
        if len(self.rounds) == self._most:
            self.rounds = self.rounds[::2]
            self._every *= 2


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
    state = _State(k, n_rows)
    history = _History(k)

    def standings(digits: int | None = None) -> list[Standing]:
        return _standings(contenders, state, delta, digits)

    why = _read(contenders, state, dict.fromkeys(range(k), min(first, n_rows)), room)
    while why is None:
        _look(state, margin, alpha)
        history.add(int(state.counts.sum()), standings)
        on_round(standings)
        wanted = _wanted(state, n_rows, delta)
        if wanted is None:
            why = "decided"
        elif not wanted:
            why = "rows"
        else:
            why = _read(contenders, state, wanted, room)
    _look(state, margin, alpha)
    rows = int(state.counts.sum())
    rounds = [one for one in history.rounds if one.rows < rows] + [Round(rows, tuple(standings(DIGITS)))]
    return Race(state.leader, tuple(standings()), rows, why, tuple(rounds))


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
        if scores.shape != (n,) or not (scores.min() >= 0 and scores.max() <= 1):
            raise ScoringError(
                f"the scores of {contenders[i].name!r} are no {n} numbers within [0, 1]",
                hint="check the metric",
            )
        state.take(i, scores)
    return None


def _look(state: _State, margin: float, alpha: float) -> None:
    """Choose the leader, and compare everybody with it."""
    alive = ~state.dropped & (state.counts > 0)
    if not alive.any():
        return
    noise = _fit(state)
    centre, spread = _spread(state.ability[alive], noise[alive])
    kept = spread / (spread + noise)
    shrunk = np.where(alive, centre + kept * (state.ability - centre), -np.inf)
    state.leader = leader = int(np.argmax(shrunk))
    ahead = (shrunk[leader] + margin - state.ability) / np.sqrt(noise + kept[leader] * noise[leader])
    state.chance = _tail(ahead * np.sqrt(state.counts / (state.counts + SCANT)))
    state.chance[leader] = 0.0
    # No test at this level rejects where a normal approximation does not.
    level = alpha / max(1, len(alive) - 1)
    alive[leader] = False
    for i in map(int, np.flatnonzero(alive & (state.chance < level) & (state.tested < state.counts))):
        state.tested[i] = state.counts[i]
        state.dropped[i] = final_log_wealth(-state.differences(i)) >= -np.log(level)
    state.chance[state.dropped] = 0.0


def _fit(state: _State) -> Scores:
    """Set each candidate's ability, its mean with the rows' difficulty taken out; and give its variance.

    Additive model score = candidate + row (Tukey 1949), by alternating least squares: so
    candidates that have read other numbers of rows can be compared. Everybody has read a
    beginning of the rows, so sums by row and by candidate suffice. The residuals' variance is
    the candidate's own, shrunk towards that of all.
    """
    counts = state.counts
    longest = int(counts.max())
    n = np.maximum(counts, 1)
    by_row = state.by_row[:longest]
    readers = _readers(counts, np.ones(len(counts)), longest)
    row = by_row
    for _ in range(SWEEPS):
        row = (by_row - _readers(counts, state.ability, longest)) / readers
        state.ability = (state.total - _until(counts, row)) / n
    crossed = np.array([own[:m] @ row[:m] for own, m in zip(state.matrix, counts.tolist(), strict=True)])
    rest = state.squares - 2 * crossed + _until(counts, row**2) - n * state.ability**2
    rest = np.maximum(rest, 0.0)
    free = _until(counts, 1 - 1 / readers)  # of the m residuals of a row, m - 1 are
    # One made-up row of half a point keeps a few equal rows from looking certain.
    usual = (rest.sum() + 0.25) / (free.sum() + 1)
    return np.asarray((rest + POOLED * usual) / (free + POOLED) / n)


def _readers(counts: NDArray[np.intp], values: Scores, n: int) -> Scores:
    """Sum of the values of those that have read each of the first n rows; shape (n,)."""
    ends = np.bincount(counts, weights=values, minlength=n + 1)
    return np.asarray(np.cumsum(ends[:0:-1])[::-1], np.float64)


def _until(counts: NDArray[np.intp], rows: Scores) -> Scores:
    """Sum over the rows that each candidate has read; shape (K,)."""
    return np.concatenate([[0.0], np.cumsum(rows)])[counts]


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
    own = np.minimum(1.0, FIRST / np.maximum(state.counts, 1)) ** PATIENCE
    common = min(1.0, FIRST / max(1, int(state.counts.max()))) ** COMMON_PATIENCE
    runs = np.flatnonzero(state.chance > delta * own * common)
    return [int(i) for i in runs[np.argsort(-state.chance[runs], kind="stable")]]


def _standings(
    contenders: Sequence[Contender], state: _State, delta: float, digits: int | None
) -> list[Standing]:
    """Of all candidates, rounded to so many digits."""
    runs = set(_runs(state, delta))
    chances = state.chance.tolist()
    found = []
    for i, (contender, n, total) in enumerate(
        zip(contenders, state.counts.tolist(), state.total.tolist(), strict=True)
    ):
        mean, chance = total / n if n else float("nan"), chances[i]
        difference, interval = _pair(state, i)
        if digits is not None:
            mean, difference, chance = round(mean, digits), round(difference, digits), round(chance, digits)
            interval = round(interval[0], digits), round(interval[1], digits)
        what = "leads" if i == state.leader else "dropped" if state.dropped[i] else "rests"
        what = "runs" if what == "rests" and i in runs else what
        found.append(Standing(contender.name, n, mean, difference, interval, chance, what))
    return found


def _pair(state: _State, i: int) -> tuple[float, tuple[float, float]]:
    """The mean difference to the leader with its interval, computed anew only where something changed."""
    leader = state.leader
    n = min(state.counts[i], state.counts[leader])
    if not n or i == leader:
        return 0.0, (0.0, 0.0) if n else (-1.0, 1.0)
    compared = leader, int(n), int(state.editions[i]), int(state.editions[leader])
    known = state.pairs.get(i)
    if known is None or known[0] != compared:
        differences = state.differences(i)
        interval = final_betting_interval(differences, low=-1.0)
        known = state.pairs[i] = compared, float(differences.mean()), interval
    return known[1:]


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
