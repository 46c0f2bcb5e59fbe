"""The figures of the batteries that others judge by, read in one place from a certificate's data.

Each gives None where the battery was left out, or did not measure that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """A share, its 95 % interval, the rows behind it, and the case that it is of, if it is of one."""

    value: float
    ci: tuple[float, float]
    n: int
    name: str = ""


def worst_drop(data: Data) -> Reading | None:
    """The change of text under which the compiled program's score may drop most, by its upper bound."""
    own = _of_compiled(data, "brittleness", "texts") or {}
    found = [_reading(one["drop"], "mean", name) for name, one in (own.get("by") or {}).items()]
    return max((one for one in found if one is not None), key=lambda one: one.ci[1], default=None)


def changed_answers(data: Data) -> Reading | None:
    """The share of the compiled program's answers that a change of text changes, over all changes."""
    own = _of_compiled(data, "brittleness", "texts") or {}
    return _reading((own.get("overall") or {}).get("flipped"), "share")


def attack_success(data: Data) -> Reading | None:
    """The share of attacks on the compiled program that succeed, over all of them."""
    own = _of_compiled(data, "attacks", "contenders") or {}
    return _reading((own.get("overall") or {}).get("success"), "share")


def edge_cases(data: Data) -> dict[str, dict[str, Any]] | None:
    """How very long and empty inputs end, by case: counts of rows, and of errors by type."""
    edges = ((data.get("batteries") or {}).get("attacks") or {}).get("edges") or {}
    own = (edges.get("contenders") or {}).get("compiled")
    return dict(own) if own else None


def wrong_by_fault(data: Data) -> tuple[int, int] | None:
    """Rows that a fault of the engine turned into a wrong answer, and how many met a fault."""
    found = (data.get("batteries") or {}).get("faults") or {}
    total = found.get("compiled", found).get("total")
    return (total["turned_wrong"], total["struck"]) if total else None


def load_at(data: Data, times: float) -> dict[str, Any] | None:
    """Under so many times the lightest load.

    Returns:
        `rate` (requests a second), shares of them that were `answered` in time, `shed` at once and
        `late`, and `ms_p95` of the accepted, which is None where none was.
    """
    levels = ((data.get("batteries") or {}).get("load") or {}).get("levels") or []
    lightest = min((one["factor"] for one in levels), default=None)
    for one in levels:
        if one["why"] is None and math.isclose(one["factor"], times * (lightest or 0.0), rel_tol=1e-6):
            p95 = one["ms"]["p95"]
            shares = {end: one[end]["share"] for end in ("answered", "shed", "late")}
            return {"rate": one["rate_per_s"], **shares, "ms_p95": p95["value"] if p95 else None}
    return None


def _of_compiled(data: Data, battery: str, part: str) -> Mapping[str, Any] | None:
    found = ((data.get("batteries") or {}).get(battery) or {}).get(part) or {}
    own: Mapping[str, Any] | None = found.get("compiled")
    return own


def _reading(found: Mapping[str, Any] | None, value: str, name: str = "") -> Reading | None:
    if found is None or found["ci"] is None:
        return None
    low, high = found["ci"]
    return Reading(found[value], (low, high), found.get("rows", found["n"]), name)
