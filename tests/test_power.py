"""Planning and many comparisons: Connor's sample sizes, the gate's exact power, Holm, and levels by look."""

from __future__ import annotations

import contextlib
import math
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from shipworthy.errors import ScoringError
from shipworthy.scoring import (
    gate_interval,
    gate_power,
    holm,
    look_level,
    minimum_detectable,
    sample_size,
)

# Planning


def test_sample_sizes_are_those_of_the_formula() -> None:
    """Connor (1987) written out for a difference of 0.1 among 0.3 discordant: 234 rows."""
    z, z_power = stats.norm.ppf(0.975), stats.norm.ppf(0.8)
    expected = ((z * math.sqrt(0.3) + z_power * math.sqrt(0.3 - 0.01)) / 0.1) ** 2
    assert sample_size(0.1, 0.3) == math.ceil(expected) == 234


@settings(max_examples=50)
@given(st.floats(0.01, 0.3), st.floats(0, 0.7), st.floats(0.5, 0.95), st.floats(0.8, 0.999))
def test_the_smallest_difference_and_the_sample_size_are_inverse(
    difference: float, more: float, power: float, level: float
) -> None:
    discordant = difference + more
    n = sample_size(difference, discordant, power=power, level=level)
    found = minimum_detectable(n, discordant, power=power, level=level)
    assert found <= difference * (1 + 1e-9)
    if n > 2:
        with contextlib.suppress(ScoringError):  # one row fewer may show nothing at all
            assert minimum_detectable(n - 1, discordant, power=power, level=level) > difference * (1 - 1e-9)


@given(st.floats(0.02, 0.2), st.floats(0.01, 0.4))
def test_more_is_needed_for_less(difference: float, more: float) -> None:
    n = sample_size(difference, difference + more)
    assert sample_size(difference / 2, difference + more) > n
    assert sample_size(difference, difference + more, power=0.9) > n
    assert sample_size(difference, difference + more, level=0.99) > n
    assert sample_size(difference, difference + 2 * more) >= n


@pytest.mark.parametrize(
    ("n", "difference", "discordant"), [(60, 0.1, 0.2), (200, 0.05, 0.1), (500, 0.05, 0.4)]
)
def test_exact_power_is_what_a_simulation_finds(n: int, difference: float, discordant: float) -> None:
    shares = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    drawn = np.random.default_rng(2).multinomial(n, shares, size=40_000)
    passed = float(np.mean(gate_interval(drawn[:, 0], drawn[:, 1], n)[0] > 0))
    assert gate_power(n, difference, discordant) == pytest.approx(passed, abs=4 * 0.5 / 200)


@pytest.mark.parametrize(("difference", "discordant"), [(0.02, 0.1), (0.05, 0.1), (0.05, 0.3), (0.1, 0.4)])
def test_connors_rows_reach_the_power_asked_for(difference: float, discordant: float) -> None:
    """Here about 30 discordant rows or more; the formula's error is below two points of power."""
    exact = gate_power(sample_size(difference, discordant), difference, discordant)
    assert exact == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("n", [30, 100, 1000])
@pytest.mark.parametrize("discordant", [0.01, 0.05, 0.2, 0.5])
def test_an_equal_program_passes_as_rarely_as_promised(n: int, discordant: float) -> None:
    """Exactly, not by simulation; over five looks at fresh rows as well."""
    assert gate_power(n, 0.0, discordant) <= 0.0251
    kept = math.prod(1 - gate_power(n, 0.0, discordant, level=look_level(look)) for look in range(1, 6))
    assert 1 - kept <= 0.0251


def test_too_few_rows_show_nothing_and_the_error_says_how_many_are_needed() -> None:
    with pytest.raises(ScoringError, match="show no difference") as caught:
        minimum_detectable(20, 0.1)
    assert str(sample_size(0.1, 0.1)) in caught.value.hint


def test_two_programs_that_never_disagree_in_favour_of_one_have_power_of_a_sign_test() -> None:
    """All discordant rows are wins: five of them pass, so the power is P(at least 5)."""
    assert gate_power(50, 0.1, 0.1) == pytest.approx(stats.binom.sf(4, 50, 0.1))


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [((0, 0.1), {}), ((-0.1, 0.2), {}), ((0.2, 0.1), {}), ((0.1, 1.1), {}), ((math.nan, 0.1), {}),
     ((0.1, None), {}), (("0.1", 0.2), {}), ((0.1, 0.2), {"power": 0.3}), ((0.1, 0.2), {"power": 1}),
     ((0.1, 0.2), {"level": 95})],
)  # fmt: skip
def test_plans_that_make_no_sense_are_a_scoring_error(arguments: Any, settings: Any) -> None:
    with pytest.raises(ScoringError):
        sample_size(*arguments, **settings)


@pytest.mark.parametrize("n", [0, -1, 2.5, math.nan, None, [10, 20], True])
def test_numbers_of_rows_that_are_none_are_a_scoring_error(n: Any) -> None:
    with pytest.raises(ScoringError):
        minimum_detectable(n, 0.2)
    with pytest.raises(ScoringError):
        gate_power(n, 0.1, 0.2)


# Many comparisons, many looks


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    with mock.patch("gc.collect"):  # which statsmodels calls each time
        expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected, abs=1e-15)


def test_holm_by_hand() -> None:
    """Four p-values, from the smallest: times 4, 3, 2, 1, and never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("p_values", [[], [1.1], [-0.1], [math.nan], [None], 0.5, [[0.1]], ["a"]])
def test_p_values_that_are_none_are_a_scoring_error(p_values: Any) -> None:
    with pytest.raises(ScoringError):
        holm(p_values)


def test_levels_by_look_spend_the_error_once() -> None:
    assert look_level(1) == pytest.approx(0.975)
    assert look_level(2) == pytest.approx(1 - 0.05 / 6)
    spent = [1 - look_level(look) for look in range(1, 2001)]
    assert sum(spent) == pytest.approx(0.05 * (1 - 1 / 2001))
    assert look_level(np.int64(3), error=0.1) == pytest.approx(1 - 0.1 / 12)


@pytest.mark.parametrize("look", [0, -1, 1.0, 1.5, True, None, "1", math.nan])
def test_a_look_that_is_none_is_a_scoring_error(look: Any) -> None:
    with pytest.raises(ScoringError, match="look"):
        look_level(look)
    with pytest.raises(ScoringError, match="error"):
        look_level(1, error=1.0)
