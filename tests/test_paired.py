"""Paired comparisons against published tables, R and statsmodels, and what must hold for any table."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from shipworthy.errors import ScoringError
from shipworthy.scoring import (
    Interval,
    gate_interval,
    gate_p,
    mcnemar_exact,
    mcnemar_midp,
    newcombe_interval,
    non_inferiority,
    paired_counts,
    paired_difference,
    superiority,
    tango_interval,
)

Table = tuple[int, int, int, int]

LEVELS = st.floats(0.5, 0.9999)
TABLES = st.tuples(*[st.integers(0, 60)] * 4).filter(any)
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

# Bentur et al. (2009) and Cavo et al. (2012), the examples of Fagerland, Lydersen and Laake.
AIRWAYS, RESPONSE = (1, 1, 7, 12), (59, 6, 16, 80)


def rows_of(both: int, wins: int, losses: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both + wins) + [False] * (losses + neither)
    second = [True] * both + [False] * wins + [True] * losses + [False] * neither
    return first, second


def intervals(table: Table, level: float) -> list[Interval]:
    """All three of one table."""
    _, wins, losses, _ = table
    n = sum(table)
    return [
        gate_interval(wins, losses, n, level=level),
        tango_interval(wins, losses, n, level=level),
        newcombe_interval(*table, level=level),
        newcombe_interval(*table, level=level, corrected=False),
    ]


# Published values


def test_tangos_interval_of_published_tables() -> None:
    """Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33, 2850, table V; for the second the
    tests of their R package contingencytables 3.0.
    """
    assert tango_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert tango_interval(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_tangos_interval_is_that_of_propcis() -> None:
    """`scoreci.mp(25, 28, 618, 0.90)` of R's PropCIs 0.3 (second minus first, so wins are 28)."""
    assert tango_interval(28, 25, 618, level=0.90) == pytest.approx((-0.0148, 0.0247), abs=5e-5)


def test_newcombes_interval_of_published_tables() -> None:
    """As above; the second by contingencytables's square-and-add."""
    assert newcombe_interval(*AIRWAYS) == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert newcombe_interval(*RESPONSE) == pytest.approx((-0.1186, -0.0046), abs=5e-5)


def test_mcnemars_tests_of_published_tables() -> None:
    """Fagerland, Lydersen and Laake (2013), BMC Med. Res. Methodology 13, 91; contingencytables 3.0."""
    assert mcnemar_exact(1, 7, two_sided=True) == pytest.approx(0.070, abs=5e-4)
    assert mcnemar_midp(1, 7, two_sided=True) == pytest.approx(0.039, abs=5e-4)
    assert mcnemar_exact(6, 16, two_sided=True) == pytest.approx(0.052479, abs=5e-7)
    assert mcnemar_midp(6, 16, two_sided=True) == pytest.approx(0.034690, abs=5e-7)


# Other ways of computing the same


def newcombe(a: int, b: int, c: int, d: int, z: float) -> Interval:
    """Method 10, written out from the definition: limits are roots of the score equation."""

    def score_limits(x: int, n: int) -> Interval:
        roots = np.roots([n * n + n * z * z, -(2 * x * n + n * z * z), x * x]).real
        return float(roots.min()), float(roots.max())

    n = a + b + c + d
    p1, p2 = (a + b) / n, (a + c) / n
    (l1, u1), (l2, u2) = score_limits(a + b, n), score_limits(a + c, n)
    phi = 0.0
    if (a + b) and (c + d) and (a + c) and (b + d):
        top = a * d - b * c
        if top > 0:
            top = max(top - n / 2, 0)
        phi = top / math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return p1 - p2 - math.sqrt(max(below, 0)), p1 - p2 + math.sqrt(max(above, 0))


@given(TABLES, LEVELS)
def test_newcombes_interval_is_that_of_its_definition(table: Table, level: float) -> None:
    z = NormalDist().inv_cdf((1 + level) / 2)
    assert newcombe_interval(*table, level=level) == pytest.approx(newcombe(*table, z), abs=1e-7)


def test_the_reference_solves_the_score_equation() -> None:
    """The definition above, held to a root finder."""
    z = 1.959964
    low, high = newcombe(0, 7, 0, 13, z)

    def score(p: float) -> float:
        return abs(7 / 20 - p) - z * math.sqrt(p * (1 - p) / 20)

    l1, u1 = optimize.brentq(score, 1e-9, 0.35), optimize.brentq(score, 0.35, 1 - 1e-9)
    u2 = z * z / (20 + z * z)
    assert low == pytest.approx(0.35 - math.hypot(0.35 - l1, u2))
    assert high == pytest.approx(u1)


@given(TABLES, st.floats(-0.95, 0.95))
def test_the_score_test_maximises_the_likelihood(table: Table, difference: float) -> None:
    """The closed form of the share of losses, against a numerical maximum of the multinomial likelihood."""
    _, wins, losses, _ = table
    n = sum(table)
    low, high = max(0.0, -difference), (1 - difference) / 2

    def unlikely(share: float) -> float:
        cells = ((wins, share + difference), (losses, share), (n - wins - losses, 1 - 2 * share - difference))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    share = optimize.minimize_scalar(
        unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = n * (2 * share + difference * (1 - difference))
    if variance > 1e-3 and -1 < difference < 0:
        p = NormalDist().cdf(-(wins - losses - n * difference) / math.sqrt(variance))
        assert gate_p(wins, losses, n, margin=-difference) == pytest.approx(p, abs=2e-5)


@given(TABLES, st.floats(0.6, 0.999))
def test_tangos_limits_are_where_the_score_test_turns(table: Table, level: float) -> None:
    _, wins, losses, _ = table
    n = sum(table)
    low, high = tango_interval(wins, losses, n, level=level)
    tail = (1 - level) / 2
    if -0.999 < low < -1e-6:
        assert gate_p(wins, losses, n, margin=-low) == pytest.approx(tail, rel=1e-6)
    if 1e-6 < high < 0.999:
        assert gate_p(losses, wins, n, margin=high) == pytest.approx(tail, rel=1e-6)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemars_exact_test_is_that_of_scipy_and_statsmodels(wins: int, losses: int) -> None:
    two_sided = mcnemar_exact(wins, losses, two_sided=True)
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
        assert mcnemar_exact(wins, losses) == pytest.approx(expected)
        assert two_sided == pytest.approx(mcnemar([[0, wins], [losses, 0]], exact=True).pvalue)
    else:
        assert mcnemar_exact(wins, losses) == two_sided == 1.0


@given(st.integers(0, 200), st.integers(0, 200))
def test_mid_p_takes_half_of_the_outcome_at_hand(wins: int, losses: int) -> None:
    n = wins + losses
    expected = stats.binom.sf(wins, n, 0.5) + stats.binom.pmf(wins, n, 0.5) / 2
    assert mcnemar_midp(wins, losses) == pytest.approx(expected)
    assert mcnemar_midp(wins, losses) + mcnemar_midp(losses, wins) == pytest.approx(1)
    assert mcnemar_midp(wins, losses) <= mcnemar_exact(wins, losses)


# What holds for any table


@given(TABLES, LEVELS)
def test_an_interval_holds_the_difference_and_stays_within_bounds(table: Table, level: float) -> None:
    mean = (table[1] - table[2]) / sum(table)
    for low, high in intervals(table, level):
        assert -1 <= low <= mean + 1e-12
        assert mean - 1e-12 <= high <= 1


@given(TABLES, LEVELS)
def test_swapping_the_programs_mirrors_an_interval(table: Table, level: float) -> None:
    both, wins, losses, neither = table
    swapped = (both, losses, wins, neither)
    for (low, high), mirrored in zip(intervals(table, level), intervals(swapped, level), strict=True):
        assert mirrored == pytest.approx((-high, -low), abs=1e-12)


@given(TABLES, LEVELS, LEVELS)
def test_an_interval_is_wider_at_a_higher_level(table: Table, one: float, other: float) -> None:
    lower, higher = sorted((one, other))
    for narrow, wide in zip(intervals(table, lower), intervals(table, higher), strict=True):
        assert wide[0] <= narrow[0] + 1e-9
        assert wide[1] >= narrow[1] - 1e-9


@given(TABLES, LEVELS, st.floats(0.001, 0.5))
def test_p_and_the_interval_never_disagree(table: Table, level: float, margin: float) -> None:
    _, wins, losses, _ = table
    n = sum(table)
    low, high = gate_interval(wins, losses, n, level=level)
    tail = (1 - level) / 2
    assert (low > 0) == (gate_p(wins, losses, n) < tail)
    assert (high < 0) == (gate_p(losses, wins, n) < tail)
    if abs(low + margin) > 1e-9:
        assert (low > -margin) == (gate_p(wins, losses, n, margin=margin) < tail)


@given(TABLES, LEVELS)
def test_the_gate_is_tangos_stretched_to_0_where_mid_p_sees_no_difference(table: Table, level: float) -> None:
    _, wins, losses, _ = table
    low, high = tango_interval(wins, losses, sum(table), level=level)
    better, worse = mcnemar_midp(wins, losses), mcnemar_midp(losses, wins)
    tail = (1 - level) / 2
    expected = (min(low, 0) if better >= tail else low, max(high, 0) if worse >= tail else high)
    if min(abs(better - tail), abs(worse - tail), abs(low), abs(high)) > 1e-9:
        assert gate_interval(wins, losses, sum(table), level=level) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [10, 100, 10_000])
def test_four_wins_without_a_loss_are_no_proof_and_five_are(n: int) -> None:
    assert tango_interval(4, 0, n)[0] > 0
    assert gate_interval(4, 0, n)[0] == 0
    assert gate_interval(5, 0, n)[0] > 0


@given(st.lists(TABLES, min_size=1, max_size=8), LEVELS)
def test_many_tables_at_once_give_what_each_gives(tables: list[Table], level: float) -> None:
    both, wins, losses, neither = (np.array(column) for column in zip(*tables, strict=True))
    n = both + wins + losses + neither
    stacked = [
        gate_interval(wins, losses, n, level=level),
        tango_interval(wins, losses, n, level=level),
        newcombe_interval(both, wins, losses, neither, level=level),
    ]
    for index, table in enumerate(tables):
        for (low, high), one in zip(stacked, intervals(table, level), strict=False):
            assert (low[index], high[index]) == pytest.approx(one, abs=1e-12)
    assert gate_p(wins, losses, n)[0] == gate_p(int(wins[0]), int(losses[0]), int(n[0]))


def test_ends_of_the_scale_are_exact() -> None:
    assert gate_interval(30, 0, 30)[1] == 1.0
    assert gate_interval(0, 30, 30)[0] == -1.0
    z = NormalDist().inv_cdf(0.975)
    limit = z * z / (30 + z * z)
    assert gate_interval(0, 0, 30) == pytest.approx((-limit, limit))


def test_huge_counts_neither_overflow_nor_lose_the_difference() -> None:
    n = 3_000_000_000
    low, high = newcombe_interval(n, n // 10, n // 20, n)
    assert low < (n // 10 - n // 20) / (2 * n + n // 10 + n // 20) < high
    assert high - low < 1e-4


# Rows of right and wrong


@given(TABLES, LEVELS)
def test_a_difference_is_counted_from_the_rows(table: Table, level: float) -> None:
    rows = rows_of(*table)
    found = paired_difference(*rows, level=level)
    _, wins, losses, _ = table
    assert paired_counts(*rows) == table
    assert (found.n, found.wins, found.losses, found.ci_level) == (sum(table), wins, losses, level)
    assert found.mean == pytest.approx((wins - losses) / sum(table))
    assert found.ci == gate_interval(wins, losses, sum(table), level=level)
    assert found.p == gate_p(wins, losses, sum(table))


@given(TABLES, st.randoms())
def test_the_order_of_the_rows_does_not_count(table: Table, random: Any) -> None:
    first, second = rows_of(*table)
    pairs = list(zip(first, second, strict=True))
    random.shuffle(pairs)
    assert paired_difference(*zip(*pairs, strict=True)) == paired_difference(first, second)


def test_a_program_against_itself_differs_by_nothing() -> None:
    found = paired_difference([True] * 30 + [False] * 10, [True] * 30 + [False] * 10)
    assert found.mean == 0
    assert found.ci[0] == -found.ci[1]
    assert found.p == 0.5


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, lambda rows: np.array(rows, np.uint8), lambda rows: np.array(rows, float)]
)
def test_right_and_wrong_come_in_many_kinds(kind: Any) -> None:
    rows = rows_of(*AIRWAYS)
    assert paired_difference(*map(kind, rows)) == paired_difference(*rows)


@given(TABLES, st.floats(0.01, 0.4))
def test_verdicts_follow_the_interval(table: Table, margin: float) -> None:
    rows = rows_of(*table)
    better, no_worse = superiority(*rows), non_inferiority(*rows, margin=margin)
    for found, edge in ((better, 0.0), (no_worse, -margin)):
        low, high = found.difference.ci
        expected = "pass" if low > edge else "fail" if high < edge else "inconclusive"
        assert found.verdict == expected
        assert found.margin == -edge
        if abs(low - edge) > 1e-9:
            assert (found.verdict == "pass") == (found.p < 0.025)
    assert better.p == better.difference.p
    if better.verdict == "pass":
        assert no_worse.verdict == "pass"


def test_a_margin_can_decide() -> None:
    rows = rows_of(180, 5, 7, 8)
    assert superiority(*rows).verdict == "inconclusive"
    assert non_inferiority(*rows, margin=0.05).verdict == "pass"
    assert non_inferiority(*rows, margin=0.01).verdict == "inconclusive"
    assert non_inferiority(*rows_of(100, 2, 60, 10), margin=0.05).verdict == "fail"


# Errors


@pytest.mark.parametrize(
    "margin",
    [0.0, 0, -0.05, 1.0, 5, math.nan, math.inf, None, "0.05", True, [0.05], np.array([0.05, 0.1]), 1j],
)
def test_a_margin_of_the_wrong_sign_or_kind_is_a_scoring_error(margin: Any) -> None:
    with pytest.raises(ScoringError, match="margin"):
        non_inferiority(*rows_of(10, 2, 1, 3), margin=margin)
    if not (isinstance(margin, int | float) and margin == 0):
        with pytest.raises(ScoringError, match="margin"):
            gate_p(2, 1, 16, margin=margin)


@pytest.mark.parametrize(
    "scores",
    [
        [], [2], [0.5], [-1], [math.nan], [math.inf], [None], ["yes"], [1j], [[True]], [[1], [1, 0]],
        True, None, "1", {1: 2}, {1}, (row for row in [True]), [np.datetime64("2026-01-01")],
        np.ma.masked_array([1], mask=[True]), np.array([True], dtype=object), np.zeros((1, 1)),
    ],
)  # fmt: skip
def test_scores_that_are_not_right_or_wrong_are_a_scoring_error(scores: Any) -> None:
    for compare in (paired_counts, paired_difference, superiority):
        with pytest.raises(ScoringError):
            compare(scores, [True])
        with pytest.raises(ScoringError):
            compare([True], scores)


def test_rows_that_do_not_pair_are_a_scoring_error_that_says_how_to() -> None:
    with pytest.raises(ScoringError, match="same length") as caught:
        paired_difference([True, False], [True])
    assert "same order" in caught.value.hint


def test_an_odd_score_is_named_by_its_row() -> None:
    with pytest.raises(ScoringError, match=r"row 2 has 0\.5") as caught:
        paired_difference([1, 0, 0.5], [1, 0, 0])
    assert caught.value.where == "first"


@pytest.mark.parametrize(
    "counts",
    [(-1, 0, 5), (3, 3, 5), (0, 0, 0), (1.5, 0, 5), (math.nan, 0, 5), (1, 0, math.inf), (True, 0, 5),
     (None, 0, 5), ("1", 0, 5), ([1, 2], [1, 2, 3], 9)],
)  # fmt: skip
def test_counts_that_are_no_table_are_a_scoring_error(counts: Any) -> None:
    for compute in (gate_interval, tango_interval, gate_p):
        with pytest.raises(ScoringError):
            compute(*counts)


def test_an_empty_or_negative_table_is_a_scoring_error() -> None:
    for table in ((0, 0, 0, 0), (1, -1, 0, 0)):
        with pytest.raises(ScoringError):
            newcombe_interval(*table)
    for test in (mcnemar_exact, mcnemar_midp):
        with pytest.raises(ScoringError):
            test(-1, 2)
        with pytest.raises(ScoringError):
            test(0.5, 2)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95, math.nan, True, None, "0.95"])
def test_a_level_outside_0_and_1_is_a_scoring_error(level: Any) -> None:
    rows = rows_of(3, 1, 1, 1)
    for compute in (paired_difference, superiority):
        with pytest.raises(ScoringError, match="level"):
            compute(*rows, level=level)
    with pytest.raises(ScoringError, match="level"):
        newcombe_interval(3, 1, 1, 1, level=level)
    with pytest.raises(ScoringError, match="level"):
        gate_interval(1, 1, 6, level=level)


# The promise, on a small scale; benchmarks/statistics.py has the whole grid


@pytest.mark.parametrize("shares", [(0.64, 0.16, 0.16, 0.04), (0.95, 0.02, 0.02, 0.01), (0.3, 0.2, 0.1, 0.4)])
@pytest.mark.parametrize("n", [50, 300])
def test_the_gates_interval_covers(shares: tuple[float, ...], n: int) -> None:
    drawn = np.random.default_rng(3).multinomial(n, shares, size=20_000)
    low, high = gate_interval(drawn[:, 1], drawn[:, 2], n)
    true = shares[1] - shares[2]
    assert np.mean((low <= true) & (true <= high)) >= 0.94
    if true == 0:
        assert np.mean(low > 0) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 20_000)


def test_the_candidates_of_the_benchmark_give_the_values_of_r() -> None:
    """Agresti-Min and Bonett-Price of `RESPONSE` in the tests of R's contingencytables 3.0."""
    code = (
        "import numpy as np, statistics_candidates as s\n"
        "table = np.array([[59.0, 6, 16, 80]])\n"
        "for interval in (s.agresti_min, s.bonett_price):\n"
        "    print(*(round(float(end[0]), 4) for end in interval(table, 0.95)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["-0.1182 -0.0045", "-0.1195 -0.0032"], done.stderr


def test_the_benchmarks_file_name_does_not_hide_pythons_own_module() -> None:
    code = "import statistics; print(statistics.median([1, 2, 4]), statistics.NormalDist().cdf(0))"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "0.5"], done.stderr
