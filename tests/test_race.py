"""The race: who is dropped, who rests, what it reads, and that it stops where it should."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.compiler.race import FIRST, Race, Scores, race, race_order
from shipworthy.errors import ScoringError


class Known:
    """A candidate whose scores are known beforehand; it counts the rows that it reads."""

    def __init__(self, name: str, scores: Scores) -> None:
        self.name = name
        self._scores = scores
        self.read = 0

    def scores(self, n: int) -> Scores:
        assert n >= self.read, "rows are read once, in order"
        self.read = n
        return self._scores[:n]


def field_of(shares: list[float], n: int, *, seed: int = 0) -> list[Known]:
    """Candidates with these accuracies; hard rows are hard for all."""
    rng = np.random.default_rng(seed)
    hard = rng.random(n)
    noise = rng.random((len(shares), n))
    return [
        Known(f"c{i}", ((hard + noise[i]) / 2 < _quantile(share)).astype(float))
        for i, share in enumerate(shares)
    ]


def _quantile(share: float) -> float:
    """Where the mean of two uniform numbers lies below with this probability."""
    return float(np.sqrt(share / 2) if share < 0.5 else 1 - np.sqrt((1 - share) / 2))


def state_of(result: Race, i: int) -> str:
    return result.standings[i].state


def test_a_clear_winner_is_found_and_the_hopeless_cost_little() -> None:
    candidates = field_of([0.9, 0.3, 0.3, 0.85], 3000)
    result = race(candidates, 3000)
    assert result.winner == 0
    assert candidates[1].read < 60
    assert result.rows == sum(candidate.read for candidate in candidates)
    assert state_of(result, 0) == "leads"


def test_who_is_far_behind_is_dropped_once_there_is_proof() -> None:
    rows = np.tile([1.0, 0.0], 500)
    candidates = [Known("good", np.ones(1000)), Known("close", np.r_[0.0, np.ones(999)]), Known("bad", rows)]
    result = race(candidates, 1000)
    assert result.winner == 0
    assert state_of(result, 2) in ("dropped", "rests")
    assert candidates[2].read < 100


def test_equal_candidates_end_on_the_first_and_not_on_a_claim() -> None:
    same = np.tile([1.0, 0.0, 1.0], 200)
    result = race([Known("a", same), Known("b", same.copy())], 600)
    assert result.winner == 0
    assert result.standings[1].difference == 0
    low, high = result.standings[1].interval
    assert low < 0 < high


def test_one_candidate_wins_at_once() -> None:
    result = race([Known("only", np.ones(50))], 50)
    assert (result.winner, result.rows, result.why) == (0, FIRST, "decided")


def test_the_budget_ends_it_and_the_best_so_far_is_there() -> None:
    candidates = field_of([0.6, 0.8], 1000)
    left = 40

    def room() -> int:
        return left - sum(candidate.read for candidate in candidates)

    result = race(candidates, 1000, room=room)
    assert result.why == "budget"
    assert result.rows <= 40


def test_a_budget_below_the_first_rows_reads_what_it_can() -> None:
    result = race(field_of([0.6, 0.8], 100), 100, room=lambda: 3)
    assert (result.winner, result.rows, result.why) == (0, 0, "budget")


def test_one_that_was_unlucky_at_first_is_called_back_while_others_read_on() -> None:
    scores = field_of([0.80] * 8 + [0.90], 4000, seed=3)
    unlucky = Known("unlucky", np.r_[np.zeros(3), np.ones(5), scores[-1].scores(4000)[8:]])
    result = race([*scores[:-1], unlucky], 4000)
    rested = [one.standings[-1].state for one in result.history]
    assert "rests" in rested
    assert result.winner == 8


def test_candidates_that_learn_may_change_their_scores_of_earlier_rows() -> None:
    class Learns(Known):
        def scores(self, n: int) -> Scores:
            return np.minimum(super().scores(n), n / 300)

    base = field_of([0.7, 0.85], 300, seed=2)
    learner = Learns("learner", base[1].scores(300))
    result = race([base[0], learner], 300)
    read = min(one.rows for one in result.standings)
    against = result.standings[1 - result.winner]
    scores = [base[0].scores(300)[:read], learner.scores(300)[:read]]
    if result.standings[1].rows == 300:
        gap = float((scores[1 - result.winner] - scores[result.winner]).mean())
        assert against.difference == pytest.approx(gap)


def test_all_rows_read_ends_it() -> None:
    result = race(field_of([0.7, 0.7], 12), 12)
    assert result.why in ("rows", "decided")
    assert all(standing.rows <= 12 for standing in result.standings)


def test_it_tells_the_standings_after_each_round() -> None:
    seen: list[list[int]] = []
    race(
        field_of([0.7, 0.75], 500),
        500,
        on_round=lambda standings: seen.append([standing.rows for standing in standings()]),
    )
    assert len(seen) > 2
    assert (np.diff(np.array(seen), axis=0) >= 0).all()


def test_the_history_tells_how_it_came_to_that() -> None:
    result = race(field_of([0.7, 0.8, 0.4], 500), 500)
    rows = [one.rows for one in result.history]
    assert rows[0] == 3 * FIRST
    assert rows[-1] == result.rows
    assert rows == sorted(set(rows))
    for one in result.history:
        assert sum(standing.rows for standing in one.standings) == one.rows
    last = result.history[-1].standings
    assert [standing.state for standing in last] == [standing.state for standing in result.standings]
    widths = [high - low for low, high in (one.standings[2].interval for one in result.history)]
    assert widths[-1] < widths[0]


def test_the_history_of_a_long_race_is_bounded_and_json() -> None:
    result = race(field_of([0.7] * 4, 3000), 3000, margin=0.001, delta=0.2, first=1)
    assert 10 < len(result.history) <= 61
    crowd = race(field_of([0.7] * 200, 200), 200)
    assert len(crowd.history) * 200 < 3500
    document = json.loads(json.dumps(dataclasses.asdict(result), allow_nan=False))
    assert document["history"][-1]["rows"] == result.rows
    assert {"name", "rows", "mean", "difference", "interval", "state"} <= set(
        document["history"][0]["standings"][0]
    )


def test_graded_scores_race_too() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(800) * 0.6
    result = race([Known("low", base), Known("high", base + 0.2)], 800)
    assert result.winner == 1


@pytest.mark.parametrize("bad", [np.array([0.5, np.nan]), np.array([0.5, 1.2]), np.ones(3), np.ones((2, 1))])
def test_scores_that_are_none_are_refused_by_name(bad: Scores) -> None:
    class Bad:
        name = "odd one"

        def scores(self, n: int) -> Scores:
            return bad

    with pytest.raises(ScoringError, match="odd one"):
        race([Bad()], 2)


def test_no_candidates_or_rows_are_refused() -> None:
    with pytest.raises(ScoringError):
        race([], 10)
    with pytest.raises(ScoringError):
        race([Known("a", np.ones(1))], 0)


def test_it_rarely_picks_one_that_is_clearly_worse() -> None:
    wrong = sum(race(field_of([0.80] + [0.70] * 9, 2000, seed=seed), 2000).winner != 0 for seed in range(60))
    assert wrong <= 6  # 5 % of 60 and three standard errors: it is a bound on luck, not on speed


@given(st.lists(st.sampled_from("aabc"), min_size=1, max_size=80), st.integers(0, 5))
@settings(max_examples=60)
def test_every_beginning_of_the_order_holds_the_strata_in_proportion(strata: list[str], seed: int) -> None:
    order = race_order(strata, seed=seed)
    assert sorted(order.tolist()) == list(range(len(strata)))
    total = Counter(strata)
    for n in range(1, len(strata) + 1):
        counts = Counter(strata[i] for i in order[:n])
        for label, count in total.items():
            assert abs(counts[label] - n * count / len(strata)) <= len(total) + 1


def test_the_order_depends_on_the_seed_alone() -> None:
    strata = ["a", "b"] * 20
    assert race_order(strata, seed=1).tolist() == race_order(strata, seed=1).tolist()
    assert race_order(strata, seed=1).tolist() != race_order(strata, seed=2).tolist()
