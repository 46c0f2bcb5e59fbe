"""The certificate's figures say only what is known."""

from __future__ import annotations

import pytest

from shipworthy.evidence.figures import summary
from shipworthy.scoring import Evaluation, RowResult


def evaluation(*, lm_calls: int) -> Evaluation:
    result = RowResult(0, {"desk": "bar"}, True, {"desk": True}, 0.9, True, 1.0, 10, lm_calls)
    return Evaluation((result, result))


@pytest.mark.parametrize(
    ("lm", "lm_calls", "usd"),
    [("local/abc;ctx=8192", 1, 0.0), ("hosted/openai/x", 1, None), ("hosted/openai/x", 0, 0.0)],
)
def test_only_a_call_of_a_hosted_lm_has_an_unknown_price(lm: str, lm_calls: int, usd: float | None) -> None:
    assert summary(evaluation(lm_calls=lm_calls), lm)["usd_per_call"] == usd
