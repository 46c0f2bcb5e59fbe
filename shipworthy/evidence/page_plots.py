"""Geometry of the certificate's plots: x in per cent of the width, y in pixels: text keeps its size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .sheet import round_marks
from .words import SPACE, interval, milliseconds, percent, points

LANE = 13
"""Pixels between the marks of one row's contenders."""
LEFT, RIGHT = 2.0, 98.0
WORDS = 74.0
"""Where the figures beside percentiles begin."""
SIDES = ("compiled", "prototype")
NAMES = {"compiled": "compiled", "prototype": "prototype"}


def share_dots(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any] | None:
    """Rows of marks with intervals: of each, its name and by contender a share with `share`, `ci`.

    A contender's share may hold a `control`, another share, which is marked beside it.
    """

    def words(one: Mapping[str, Any]) -> str:
        return f"{percent(one['share'])}, interval {interval(one['ci'])}"

    return _dots(rows, "share", words, lambda tick: f"{100 * tick:.0f}", zero=False)


def point_dots(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any] | None:
    """The same of differences, with `mean`, `ci`; 0 is always on the scale."""

    def words(one: Mapping[str, Any]) -> str:
        low, high = one["ci"]
        return f"{points(one['mean'])} points, interval {points(low)} to {points(high)}"

    return _dots(rows, "mean", words, lambda tick: points(tick).removesuffix(".0"), zero=True)


def log_dots(
    rows: Sequence[tuple[str, Sequence[tuple[str, Mapping[str, Any]]]]], limit_ms: float
) -> dict[str, Any] | None:
    """Rows of percentiles in milliseconds on a log scale: of each its name, and percentiles by name."""
    found = [one for _, marks in rows for _, one in marks]
    seen = [value for one in found for value in (one["value"], *one["ci"]) if value is not None and value > 0]
    if not seen:
        return None
    seen.append(limit_ms)
    first, last = math.floor(math.log10(min(seen))), math.ceil(math.log10(max(seen)))
    last = max(last, first + 1)

    def x(ms: float) -> float:
        share = (math.log10(max(ms, 10**first)) - first) / (last - first)
        return round(LEFT + (WORDS - LEFT) * min(share, 1.0), 2)

    drawn, y = [], 14
    for name, marks in rows:
        lanes = [
            {
                "name": title,
                "x": x(one["value"]),
                # An interval without an upper bound runs to the edge.
                "low": x(one["value"] if one["ci"][0] is None else one["ci"][0]),
                "high": WORDS if one["ci"][1] is None else x(one["ci"][1]),
                "y": y + 15 + (LANE + 4) * lane,
                "words": f"{title} {milliseconds(one['value'])}{SPACE}ms",
            }
            for lane, (title, one) in enumerate(marks)
        ]
        drawn.append({"name": name, "y": y, "lanes": lanes})
        y += 15 + (LANE + 4) * max(1, len(lanes)) + 12
    ticks = [{"x": x(10**power), "text": _ms(10**power)} for power in range(first, last + 1)]
    return {"rows": drawn, "ticks": ticks, "limit": x(limit_ms), "foot": y - 14}


def halves(plot: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A plot of many rows as two on the same scale, to stand side by side; none of none."""
    if plot is None:
        return []
    rows = plot["rows"]
    middle = (len(rows) + 1) // 2
    if len(rows) < 2:
        return [plot]
    down = rows[middle]["y"] - rows[0]["y"]
    second = [
        {**row, "y": row["y"] - down, "lanes": [{**lane, "y": lane["y"] - down} for lane in row["lanes"]]}
        for row in rows[middle:]
    ]
    foots = (plot["foot"] - (rows[-1]["y"] - rows[middle - 1]["y"]), plot["foot"] - down)
    return [
        {**plot, "rows": own, "foot": foot} for own, foot in zip((rows[:middle], second), foots, strict=True)
    ]


def stack(parts: Iterable[tuple[str, float]], *, left: float = 0.0) -> list[dict[str, Any]]:
    """A bar's segments from left to right, of (kind, share); `left` is where the bar begins."""
    found, at = [], left
    for kind, share in parts:
        width = (100 - left) * share
        if share > 0:
            found.append({"kind": kind, "x": round(at, 3), "width": round(width, 3)})
        at += width
    return found


def _dots(
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    value: str,
    words: Callable[[Mapping[str, Any]], str],
    mark: Callable[[float], str],
    *,
    zero: bool,
) -> dict[str, Any] | None:
    sides = [
        (name, {side: own for side in SIDES if (own := by.get(side)) is not None and own["ci"] is not None})
        for name, by in rows
    ]
    sides = [(name, by) for name, by in sides if by]
    bounds = [bound for _, by in sides for one in by.values() for bound in one["ci"]]
    if not bounds:
        return None
    bounds += [0.0] if zero else []
    ticks = round_marks(min(bounds), max(bounds))

    def x(share: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (share - ticks[0]) / (ticks[-1] - ticks[0]), 2)

    drawn, y = [], 14
    for name, by in sides:
        lanes = [
            {
                "key": side,
                "x": x(one[value]),
                "low": x(one["ci"][0]),
                "high": x(one["ci"][1]),
                "control": None if (control := one.get("control")) is None else x(control),
                "y": y + 11 + LANE * lane,
                "words": f"{NAMES[side]} {words(one)}",
            }
            for lane, (side, one) in enumerate(by.items())
        ]
        drawn.append({"name": name, "y": y, "lanes": lanes})
        y += 11 + LANE * len(lanes) + 13
    return {
        "rows": drawn,
        "ticks": [{"x": x(tick), "text": mark(tick)} for tick in ticks],
        "zero": x(0.0) if zero else None,
        "foot": y - 16,
        "sides": [side for side in SIDES if any(side in by for _, by in sides)],
    }


def _ms(ms: float) -> str:
    return f"{ms / 1000:g}{SPACE}s" if ms >= 1000 else f"{ms:g}{SPACE}ms"
