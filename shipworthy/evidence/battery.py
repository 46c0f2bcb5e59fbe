"""What the batteries of changed rows share: which rows, which text, and figures that respect rows.

Several variants of one row are no independent rows. So a figure over several of them is the
mean of the rows' own means, and its interval is one over rows. Of a single change, which each
row meets once, that is the ordinary figure with the ordinary interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..examples import canonical_json, digest_of
from ..runtime import Contract, Field, label_text, plain_value
from ..scoring import PairedRows, Row, mean_interval
from .figures import paired_json, row_digest

LEVEL = 0.95
SHOWN_CHARACTERS = 1000

Floats = NDArray[np.float64]


def sample_rows(rows: Sequence[Row], contract: Contract, *, at_most: int, seed: int) -> list[int]:
    """Places of at most so many rows, in proportion to the labels of the decision with most classes.

    A larger sample holds every smaller one, so that asking for more repeats nothing.
    """
    strata: dict[str, list[tuple[str, int]]] = defaultdict(list)
    name = _stratum(contract)
    for place, row in enumerate(rows):
        key = canonical_json(plain_value(row.get(name))) if name else ""
        strata[key].append((digest_of([seed, row_digest(row, contract)]), place))
    ranked = [
        ((rank + 0.5) / len(members), digest, place)
        for members in strata.values()
        for rank, (digest, place) in enumerate(sorted(members))
    ]
    return sorted(place for _, _, place in sorted(ranked)[: max(0, at_most)])


def sampling(rows: Sequence[Row], chosen: Sequence[int], contract: Contract, at_most: int) -> dict[str, Any]:
    """How the sample was taken, as JSON."""
    return {
        "given": len(rows),
        "sampled": len(chosen),
        "at_most": at_most,
        "stratified_by": _stratum(contract),
    }


def carrier(rows: Sequence[Row], inputs: Iterable[Field]) -> str | None:
    """The input that a sender writes: of those that hold free text, the one whose values differ most.

    None where no input holds free text.
    """
    free = [
        field.name
        for field in inputs
        if field.choices is None and field.schema.get("type") == "string" and "format" not in field.schema
    ]
    texts = {name: {row[name] for row in rows if isinstance(row.get(name), str)} for name in free}
    found = [name for name in free if texts[name]]
    return max(found, key=lambda name: (len(texts[name]), sum(map(len, texts[name]))), default=None)


def label_words(outputs: Iterable[Field]) -> tuple[str, ...]:
    """The labels that are words, which added text must not hold."""
    choices = (choice for field in outputs for choice in field.choices or ())
    return tuple(label_text(choice) for choice in choices if isinstance(choice, str))


def copied_values(row: Row, outputs: Iterable[Field]) -> tuple[str, ...]:
    """Labels that are no decisions, as text: where they stand in an input they are to be found there."""
    values = (plain_value(row.get(field.name)) for field in outputs if field.choices is None)
    flat = (one for value in values for one in (value if isinstance(value, list) else [value]))
    return tuple(str(one) for one in flat if isinstance(one, str | int | float) and not isinstance(one, bool))


def row_share(hits: Iterable[tuple[int, bool]]) -> dict[str, Any]:
    """How often something happened: `hits` are (row, whether it did), several a row or one.

    `n` counts hits and misses, `rows` the rows, `share` is the mean of the rows' own shares, and
    `ci` its 95 % interval over rows: Wilson's where each row has all or nothing.
    """
    hits = list(hits)
    means = row_means((row, float(hit)) for row, hit in hits)
    return {
        "n": len(hits),
        "rows": len(means),
        "count": sum(hit for _, hit in hits),
        "share": float(np.mean(list(means.values()))) if means else None,
        "ci": list(mean_interval(np.array(list(means.values())), level=LEVEL)) if means else None,
    }


def row_means(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    """The mean of each row's values."""
    by_row: dict[int, list[float]] = defaultdict(list)
    for row, value in values:
        by_row[row].append(value)
    return {row: float(np.mean(found)) for row, found in sorted(by_row.items())}


def paired_means(first: Iterable[tuple[int, float]], second: Iterable[tuple[int, float]]) -> dict[str, Any]:
    """First minus second, both within [0, 1], on the rows that both have; several values a row are averaged.

    The interval is the gate's where all is 0 or 1, else that of the rows' differences.
    """
    ours, theirs = row_means(first), row_means(second)
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        return paired_json(None, LEVEL)
    pair = PairedRows(
        np.array(both, np.intp),
        np.array([ours[row] for row in both]),
        np.array([theirs[row] for row in both]),
        0,
    )
    return paired_json(pair.difference(level=LEVEL), LEVEL)


def gap_between(first: Iterable[tuple[int, float]], second: Iterable[tuple[int, float]]) -> dict[str, Any]:
    """First minus second where both are differences, within [-1, 1], on the rows that both have."""
    ours, theirs = row_means(first), row_means(second)
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        return {"mean": None, "ci": None, "n": 0}
    gaps = np.array([ours[row] - theirs[row] for row in both])
    low, high = mean_interval((gaps + 2) / 4, level=LEVEL)
    return {"mean": float(gaps.mean()), "ci": [4 * low - 2, 4 * high - 2], "n": len(both)}


def shown(text: str) -> str:
    """A text for an example on a page."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _stratum(contract: Contract) -> str | None:
    return contract.primary.name if contract.decisions else None
