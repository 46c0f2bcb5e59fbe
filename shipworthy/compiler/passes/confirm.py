"""What a race between candidates is followed by: its winner must hold on rows that the race has not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from ...runtime import Contract
from ...scoring import paired_difference
from ..draft import Row
from ..race import FIRST, Race, Scores, Standing

CONFIRM_AT_LEAST = 10
"""Rows."""


class Confirmable(Protocol):
    """A contender that can be scored on rows of no race."""

    def on(self, rows: list[Row]) -> Scores:
        """Scores in [0, 1]; shape (rows,)."""
        ...


def first_rows(contract: Contract) -> int:
    """Rows from which a small readout can be fitted at all: nobody rests before."""
    return max(FIRST, 3 * max((len(own.choices or ()) for own in contract.decisions), default=0))


def confirmation(winner: Confirmable, first: Confirmable, rows: list[Row]) -> dict[str, Any]:
    """How much better the winner is than the first candidate on these rows, as JSON."""
    gaps = winner.on(rows) - first.on(rows)
    wins = paired_difference(gaps > 0, gaps < 0)
    return {
        "difference": float(gaps.mean()),
        "n": len(gaps),
        "better_on": wins.wins,
        "worse_on": wins.losses,
    }


def race_entry(
    what: str, result: Race, *, kept: int, confirmed: dict[str, Any] | None, texts: Sequence[str]
) -> dict[str, Any]:
    """A race as the draft keeps it, as JSON.

    Args:
        what: was raced; texts: the candidates'.
        kept: index of the candidate that is gone on with.
        confirmed: as `confirmation` gives it; None where the winner was held against no rows.
    """
    return {
        "what": what,
        "why": result.why,
        "rows": result.rows,
        "winner": result.winner,
        "kept": kept,
        "confirmed": confirmed,
        "texts": list(texts),
        "standings": [_plain(standing) for standing in result.standings],
        "history": [
            {"rows": one.rows, "standings": [_plain(standing) for standing in one.standings]}
            for one in result.history
        ],
    }


def _plain(standing: Standing) -> dict[str, Any]:
    """As JSON, where the mean of no rows is null and an interval a list."""
    mean = standing.mean if standing.rows else None
    return {**asdict(standing), "mean": mean, "interval": list(standing.interval)}
