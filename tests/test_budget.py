"""Budgets: what `--budget` understands, and how much is left by whichever limit ends first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.compiler import Budget, Meter, Price
from shipworthy.errors import InputError
from shipworthy.lms import Usage


class Spender:
    """A stand-in for a recorded LM: it only counts."""

    id = "stand-in/spender"

    def __init__(self) -> None:
        self.calls = 0
        self.usage = Usage()
        self.now = 0.0

    def spend(self, calls: int, *, tokens_in: int = 0, tokens_out: int = 0, seconds: float = 0.0) -> None:
        self.calls += calls
        self.usage = Usage(self.usage.tokens_in + tokens_in, 0, self.usage.tokens_out + tokens_out)
        self.now += seconds

    def meter(self, budget: Budget, price: Price | None = None) -> Meter:
        return Meter(budget, self, price=price, clock=lambda: self.now)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("", Budget()),
        ("calls=500", Budget(calls=500)),
        ("calls=10k, minutes=2.5", Budget(calls=10_000, minutes=2.5)),
        ("tokens=2M,usd=0.5", Budget(tokens=2_000_000, usd=0.5)),
        ("tokens=1_000", Budget(tokens=1000)),
    ],
)
def test_what_is_understood(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text",
    [
        "calls", "calls=", "calls=many", "calls=0", "calls=-3", "calls=2.5", "calls=inf", "usd=nan",
        "hours=2", "calls=1,calls=2", "minutes=0", "500", "calls=k",
    ],
)  # fmt: skip
def test_what_is_not_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Budget.parse(text)
    assert "calls=500" in caught.value.hint


@pytest.mark.parametrize("bad", [{"calls": 2.5}, {"calls": True}, {"usd": float("inf")}, {"tokens": 0}])
def test_a_recipes_budget_is_checked_too(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Budget(**bad)


def test_without_limits_everything_is_affordable() -> None:
    meter = Spender().meter(Budget())
    assert meter.room() is None
    assert meter.rows(10**6, each=3) == 10**6
    assert not Budget()


def test_calls_are_counted_from_the_start_of_the_meter() -> None:
    lm = Spender()
    lm.spend(100)
    meter = lm.meter(Budget(calls=10))
    lm.spend(4)
    assert meter.room() == 6
    assert meter.rows(50, each=4) == 1
    lm.spend(6)
    assert meter.room() == 0
    assert meter.spent().calls == 10


def test_tokens_become_calls_by_what_a_call_took_so_far() -> None:
    lm = Spender()
    meter = lm.meter(Budget(tokens=1000))
    assert meter.room() == 8  # nothing is known yet
    lm.spend(8, tokens_in=150, tokens_out=10)
    assert meter.room() == 42
    assert meter.rows(100) == 37  # nine tenths, and then again
    assert meter.rows(30) == 30


def test_the_limit_that_ends_first_is_named() -> None:
    lm = Spender()
    meter = lm.meter(Budget(calls=100, minutes=1))
    lm.spend(10, seconds=30)
    assert meter.room() == 10
    assert meter.limit() == "minutes=1"
    lm.spend(1, seconds=60)
    assert meter.room() == 0


def test_dollars_need_a_price_that_the_project_states() -> None:
    lm = Spender()
    with pytest.raises(InputError, match="price") as caught:
        lm.meter(Budget(usd=1))
    assert "[tool.shipworthy.prices]" in caught.value.hint
    meter = lm.meter(Budget(usd=1), Price(input=10, output=30))
    lm.spend(1, tokens_in=10_000, tokens_out=1_000)
    assert meter.spent().usd == pytest.approx(0.13)
    assert meter.room() == 6


def test_cached_tokens_have_their_own_price() -> None:
    usage = Usage(tokens_in=1_000_000, tokens_cached=400_000, tokens_out=0)
    assert Price(input=1, output=0).usd(usage) == pytest.approx(1.0)
    assert Price(input=1, output=0, cached=0.1).usd(usage) == pytest.approx(0.64)


def test_a_local_lm_that_costs_nothing_never_ends_a_budget_in_dollars() -> None:
    lm = Spender()
    meter = lm.meter(Budget(usd=1), Price(0, 0))
    lm.spend(1000, tokens_in=10**6)
    assert meter.room() is None


@given(st.integers(1, 2000), st.integers(1, 4), st.integers(1, 5000), st.integers(1, 300))
def test_reading_in_the_steps_that_it_allows_never_spends_much_more(
    n: int, each: int, limit: int, cost: int
) -> None:
    lm = Spender()
    meter = lm.meter(Budget(tokens=limit))
    left = n
    while left and (step := meter.rows(left, each=each)):
        lm.spend(step * each, tokens_in=step * each * cost)
        left -= step
    assert lm.usage.tokens_in <= max(limit, 8 * cost)
