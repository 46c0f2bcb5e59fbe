"""Means and paired comparisons that may be looked at at any time: values, order, errors kept, bad input."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import ScoringError
from shipworthy.scoring import (
    AnytimeMean,
    betting_interval,
    empirical_bernstein_sequence,
    final_betting_interval,
    final_log_wealth,
    log_wealth,
    rows_to_reject,
)
from shipworthy.scoring.statistics.sequential import BETS

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=60)
TERNARY = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=80)
LEVELS = st.floats(0.5, 0.999)


def bernstein(values: list[float], alpha: float, c: float) -> list[tuple[float, float]]:
    """Theorem 2 of Waudby-Smith and Ramdas (2024), row by row as it is written there."""
    limits = []
    bets: list[float] = []
    errors: list[float] = []
    mean, squares = 0.5, 0.25
    for t, value in enumerate(values, start=1):
        variance = squares / t
        bet = min(math.sqrt(2 * math.log(2 / alpha) / (variance * t * math.log(1 + t))), c)
        bets.append(bet)
        errors.append(4 * (value - mean) ** 2 * (-math.log(1 - bet) - bet) / 4)
        mean = (0.5 + sum(values[:t])) / (t + 1)
        squares += (value - mean) ** 2
        middle = sum(b * v for b, v in zip(bets, values[:t], strict=True)) / sum(bets)
        half = (math.log(2 / alpha) + sum(errors)) / sum(bets)
        limits.append((max(0.0, middle - half), min(1.0, middle + half)))
    return limits


def wealth(values: list[float], mean: float) -> float:
    """The gambler's wealth as a plain average of products."""
    products = [math.prod(1 + bet * (value / mean - 1) for value in values) for bet in BETS]
    return sum(products) / len(products)


# Values


@given(SHARES, st.floats(0.01, 0.3), st.sampled_from([0.5, 0.75]))
def test_the_sequence_is_that_of_the_paper(values: list[float], alpha: float, c: float) -> None:
    lows, highs = empirical_bernstein_sequence(values, level=1 - alpha, truncation=c)
    expected = np.array(bernstein(values, alpha, c))
    assert lows == pytest.approx(expected[:, 0], abs=1e-9)
    assert highs == pytest.approx(expected[:, 1], abs=1e-9)


@given(SHARES, st.floats(0.05, 0.95))
def test_the_wealth_is_an_average_over_bets(values: list[float], mean: float) -> None:
    found = log_wealth(values, null=mean, low=0.0, high=1.0)
    assert found.shape == (len(values),)
    for n in (1, len(values)):
        assert found[n - 1] == pytest.approx(math.log(wealth(values[:n], mean)), abs=1e-9)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.7])
def test_a_wealth_is_expected_to_stay_1_where_the_hypothesis_holds(p: float) -> None:
    """Exactly, over all sequences of eight rows that are right with probability p."""
    rows = np.array(list(itertools.product([0.0, 1.0], repeat=8)))
    chance = np.prod(np.where(rows == 1, p, 1 - p), axis=1)
    expected = chance @ np.exp(log_wealth(rows, null=p, low=0.0, high=1.0))
    assert expected == pytest.approx(np.ones(8))


@given(SHARES, LEVELS)
@settings(max_examples=40, deadline=None)
def test_the_limits_are_the_means_whose_wealth_reached_its_bound(values: list[float], level: float) -> None:
    low, high = betting_interval(values, level=level)
    bound = math.log(2 / (1 - level))
    if low > 1e-6:
        assert log_wealth(values, null=low * (1 - 1e-9), low=0.0, high=1.0).max() >= bound - 1e-6
    if 1e-6 < high < 1 - 1e-6:
        rest = [1 - value for value in values]
        assert log_wealth(rest, null=(1 - high) * (1 - 1e-9), low=0.0, high=1.0).max() >= bound - 1e-6
    if 1e-6 < (low + high) / 2 < 1 - 1e-6:
        assert log_wealth(values, null=(low + high) / 2, low=0.0, high=1.0).max() < bound


def test_intervals_are_narrower_than_hoeffdings_where_rows_vary_little() -> None:
    """Hoeffding (1963) for one look at n rows, which may not be repeated and is still wider."""
    rows = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], p=[0.03, 0.9, 0.07], size=2000)
    low, high = betting_interval(rows, low=-1.0)
    lows, highs = empirical_bernstein_sequence(rows, low=-1.0)
    hoeffding = 2 * 2 * math.sqrt(math.log(2 / 0.05) / (2 * 2000))
    assert high - low < highs[-1] - lows[-1] < hoeffding / 2
    assert low < rows.mean() < high


def test_a_few_rows_say_nothing_and_many_equal_rows_nearly_everything() -> None:
    low, high = betting_interval([0.5])
    assert low < 0.01 < 0.99 < high
    low, high = betting_interval(np.full(2000, 0.5))
    assert 0.45 < low < 0.5 < high < 0.55
    assert betting_interval(np.ones(1000))[0] > 0.98
    assert betting_interval(np.ones(1000))[1] == 1.0


def test_rows_that_contradict_every_mean_give_the_whole_range() -> None:
    rows = np.concatenate([np.zeros(500), np.ones(500)])
    assert betting_interval(rows) == (0.0, 1.0)
    lows, highs = empirical_bernstein_sequence(rows, intersect=True)
    assert (lows[-1], highs[-1]) == (0.0, 1.0)


# What must hold for any rows


@given(TERNARY, LEVELS, LEVELS)
@settings(max_examples=40, deadline=None)
def test_intervals_lie_within_the_range_mirror_and_widen_with_the_level(
    rows: list[float], one: float, other: float
) -> None:
    narrow, wide = (betting_interval(rows, level=level, low=-1.0) for level in sorted((one, other)))
    assert -1 <= narrow[0] <= narrow[1] <= 1
    if narrow != (-1.0, 1.0):
        assert wide[0] <= narrow[0]
        assert wide[1] >= narrow[1]
    low, high = betting_interval([-row for row in rows], level=one, low=-1.0)
    assert betting_interval(rows, level=one, low=-1.0) == pytest.approx((-high, -low), abs=1e-9)


@given(TERNARY, st.randoms())
def test_wealth_does_not_depend_on_the_order_of_the_rows(rows: list[float], random: Any) -> None:
    mixed = rows[:]
    random.shuffle(mixed)
    assert log_wealth(mixed)[-1] == pytest.approx(log_wealth(rows)[-1], abs=1e-9)


@given(TERNARY, st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
def test_there_is_less_evidence_against_a_higher_mean(rows: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert np.all(log_wealth(rows, null=high) <= log_wealth(rows, null=low) + 1e-9)


@given(
    st.lists(TERNARY.filter(lambda rows: len(rows) > 4).map(lambda rows: rows[:5]), min_size=1, max_size=4)
)
@settings(deadline=None)
def test_streams_together_are_what_they_are_alone(streams: list[list[float]]) -> None:
    lows, highs = betting_interval(streams, low=-1.0)
    sequence = empirical_bernstein_sequence(np.array(streams), low=-1.0)
    for index, rows in enumerate(streams):
        assert (lows[index], highs[index]) == betting_interval(rows, low=-1.0)
        assert log_wealth(streams)[index] == pytest.approx(log_wealth(rows))
        assert sequence[0][index] == pytest.approx(empirical_bernstein_sequence(rows, low=-1.0)[0])


@given(TERNARY, st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_batches_do_not_matter(rows: list[float], size: int) -> None:
    whole, parts = AnytimeMean(), AnytimeMean()
    whole.update(rows)
    p = 1.0
    for start in range(0, len(rows), size):
        parts.update(rows[start : start + size])
        assert parts.p_value() <= p
        p = parts.p_value()
    assert parts.interval() == whole.interval() == betting_interval(rows, low=-1.0)
    assert parts.e_value() == whole.e_value() == pytest.approx(math.exp(log_wealth(rows)[-1]))
    assert (parts.n, parts.mean) == (len(rows), pytest.approx(sum(rows) / len(rows)))


# Decisions


def test_a_better_program_is_found_better_and_an_equal_one_is_not() -> None:
    rng = np.random.default_rng(1)
    better = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.75, 0.2], size=(50, 1000))
    after = rows_to_reject(better)
    assert np.all(after > 0)
    assert 30 < np.median(after) < 150
    race = AnytimeMean()
    race.update(better[0, : after[0] - 1])
    assert race.p_value() > 0.05
    race.update(better[0, after[0] - 1 : after[0]])
    assert race.p_value() <= 0.05
    assert race.interval(level=0.9)[0] >= 0
    assert rows_to_reject(np.zeros(1000)) == 0


def test_the_truth_is_left_at_any_time_in_no_more_than_alpha_of_the_streams() -> None:
    rows = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=(600, 1000))
    noise = 3 * math.sqrt(0.05 * 0.95 / 600)
    assert np.mean(rows_to_reject(rows, alpha=0.05) > 0) <= 0.05 + noise
    lows, highs = betting_interval(rows[:100], low=-1.0)
    assert np.mean((lows > 0) | (highs < 0)) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 100)
    sequence = empirical_bernstein_sequence(rows, low=-1.0)
    assert np.mean((sequence[0] > 0).any(axis=1) | (sequence[1] < 0).any(axis=1)) <= 0.05 + noise


def test_before_the_first_row_nothing_is_known() -> None:
    race = AnytimeMean()
    assert (race.n, race.interval(), race.e_value(), race.p_value()) == (0, (-1.0, 1.0), 1.0, 1.0)
    with pytest.raises(ScoringError, match="no rows"):
        _ = race.mean


def test_overwhelming_evidence_is_infinite_and_no_overflow() -> None:
    race = AnytimeMean()
    race.update(np.ones(5000))
    assert race.e_value() == math.inf
    assert race.p_value() == 0.0


# Bad input

BAD_ROWS = [
    [],
    [math.nan],
    [0.1, math.inf],
    [1 + 2j],
    ["a"],
    [None],
    [[0.1], [0.2, 0.3]],
    [[[0.1]]],
    [[]],
    0.5,
    "0.5",
    np.ma.array([0.1, 0.2], mask=[0, 1]),
    np.ma.array([[0.1, 0.2]], mask=[[0, 1]]),
    [0.1, 1.5],
    [-1.5],
]


@pytest.mark.parametrize("rows", BAD_ROWS, ids=repr)
def test_rows_that_are_no_numbers_within_the_range_are_an_error(rows: Any) -> None:
    with pytest.raises(ScoringError):
        betting_interval(rows, low=-1.0)
    with pytest.raises(ScoringError):
        log_wealth(rows)
    with pytest.raises(ScoringError):
        rows_to_reject(rows)
    with pytest.raises(ScoringError):
        empirical_bernstein_sequence(rows, low=-1.0)
    race = AnytimeMean()
    with pytest.raises(ScoringError):
        race.update(rows)
    assert race.n == 0


@given(st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(math.nan), st.text(max_size=3)))
def test_a_level_outside_0_and_1_is_an_error(level: Any) -> None:
    for call in (
        lambda: betting_interval([0.5], level=level),
        lambda: empirical_bernstein_sequence([0.5], level=level),
        lambda: empirical_bernstein_sequence([0.5], truncation=level),
        lambda: rows_to_reject([0.5], alpha=level),
        lambda: AnytimeMean().interval(level=level),
        lambda: log_wealth([0.5], null=level, low=0.0, high=1.0),
    ):
        with pytest.raises(ScoringError):
            call()


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 0.0), (0.0, 0.0), (math.nan, 1.0), (0.0, math.inf), ("a", 1.0)]
)
def test_a_range_that_is_none_is_an_error(low: Any, high: Any) -> None:
    with pytest.raises(ScoringError):
        betting_interval([0.5], low=low, high=high)
    with pytest.raises(ScoringError):
        AnytimeMean(low=low, high=high)


@given(TERNARY, st.floats(-0.9, 0.9))
def test_the_final_wealth_is_the_last_one_in_any_order(values: list[float], null: float) -> None:
    last = log_wealth(values, null=null)[-1]
    assert final_log_wealth(values, null=null) == pytest.approx(last, abs=1e-9)
    assert final_log_wealth(values[::-1], null=null) == pytest.approx(last, abs=1e-9)


@given(st.integers(0, 50), st.integers(200, 2000), st.floats(0.01, 0.5))
@settings(max_examples=30)
def test_sharing_many_values_out_only_lowers_the_wealth_and_little(seed: int, n: int, width: float) -> None:
    values = np.random.default_rng(seed).uniform(-width, width, n) + 0.1
    exact, found = log_wealth(values)[-1], final_log_wealth(values)
    assert found <= exact + 1e-9
    assert found >= exact - 0.02 * abs(exact) - 0.1


@given(TERNARY, LEVELS)
def test_the_final_interval_holds_the_one_of_all_looks(values: list[float], level: float) -> None:
    low, high = final_betting_interval(values, level=level, low=-1.0)
    inner = betting_interval(values, level=level, low=-1.0)
    if inner != (-1.0, 1.0):  # the whole range where the looks before contradict each other
        assert low <= inner[0] + 1e-9
        assert high >= inner[1] - 1e-9
    assert -1.0 <= low <= float(np.mean(values)) + 1e-9
    assert float(np.mean(values)) - 1e-9 <= high <= 1.0


def test_final_figures_refuse_what_the_others_refuse() -> None:
    with pytest.raises(ScoringError):
        final_log_wealth([0.5, 1.5])
    with pytest.raises(ScoringError):
        final_betting_interval([0.5], level=1.0)
    with pytest.raises(ScoringError):
        final_betting_interval([])
