"""An evaluation as a table: plain records, a pandas frame, and what a notebook shows.

Records and frame have the same columns; names with a dot belong to one output, so that no
output's name can be taken for another column.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingExtraError
from .columns import Results

if TYPE_CHECKING:
    import pandas as pd

    from .results import Evaluation

BY_OUTPUT = (
    ("outputs", "output"),
    ("labels", "label"),
    ("confidences", "confidence"),
    ("by_output", "score"),
)
NUMBERS = ("ms", "usd")
AFTER = ("ms", "tokens", "tokens_in", "tokens_out", "lm_calls", "usd")


def records(results: Results) -> Iterator[dict[str, Any]]:
    """One plain dict a row, lazily; None where something is not known."""
    named = {kind: list(results.by_name(kind)) for kind, _ in BY_OUTPUT}
    for result in results:
        record: dict[str, Any] = {"index": result.index}
        for kind, prefix in BY_OUTPUT:
            values = getattr(result, kind) or {}
            record.update({f"{prefix}.{name}": values.get(name) for name in named[kind]})
        error, failure = result.error, result.failure
        record.update(
            confidence=result.confidence,
            answered=result.answered,
            score=result.score,
            error=type(error).__name__ if error is not None else None,
            error_message=error.message if error is not None else None,
            failure=failure.type if failure is not None else None,
            failure_message=failure.message if failure is not None else None,
        )
        # What a call cost that ended in an error is not known: it is no zero.
        record.update({name: getattr(result, name) if error is None else None for name in AFTER})
        yield record


def frame(results: Results) -> pd.DataFrame:
    """The same as a DataFrame, column by column; a number that is not known is NaN.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    pandas = pandas_module()
    n = len(results)
    columns: dict[str, Any] = {"index": results.counts("index")}
    for kind, prefix in BY_OUTPUT:
        for name, values in results.by_name(kind).items():
            if kind in ("confidences", "by_output"):
                known = np.array([math.nan if value is None else value for value in values], np.float64)
                columns[f"{prefix}.{name}"] = known
            else:
                # As objects: pandas would turn whole numbers beside a None into floats.
                columns[f"{prefix}.{name}"] = pandas.Series(values, dtype=object)
    columns["confidence"] = results.numbers("confidence")
    columns["answered"] = results.flags("answered")
    columns["score"] = results.numbers("score")
    for kept, name, of in (
        (results.errors, "error", lambda error: type(error).__name__),
        (results.errors, "error_message", lambda error: error.message),
        (results.failures, "failure", lambda failure: failure.type),
        (results.failures, "failure_message", lambda failure: failure.message),
    ):
        said: list[str | None] = [None] * n
        for place, one in kept.items():
            said[place] = of(one)
        columns[name] = pandas.Series(said, dtype=object)
    for name in AFTER:
        numbers = results.numbers(name) if name in NUMBERS else results.counts(name).astype(np.float64)
        numbers[list(results.errors)] = math.nan
        columns[name] = numbers
    return pandas.DataFrame(columns)


def evaluation_html(evaluation: Evaluation) -> str:
    """The figures of an evaluation as a small table."""
    results = evaluation.columns
    n = len(results)
    rows: list[tuple[str, str]] = []
    if evaluation.scored:
        rows.append(("score", share(evaluation.score)))
        rows.append((f"95 % interval ({evaluation.ci_method})", interval(evaluation.ci)))
    else:
        rows.append(("score", "no row could be scored"))
    rows += [
        ("metric", f"{evaluation.metric} {evaluation.version}" if evaluation.metric else "not named"),
        ("rows scored", f"{evaluation.scored:,} of {n:,}" + ("" if evaluation.complete else ", cancelled")),
        ("errors (score 0)", f"{evaluation.errors:,}"),
        ("failures of the metric (no score)", f"{evaluation.failures:,}"),
    ]
    ms = np.delete(results.numbers("ms"), list(results.errors))
    if ms.size:
        p50, p95 = np.percentile(ms, [50, 95])
        read, written = (int(results.counts(name).sum()) for name in ("tokens_in", "tokens_out"))
        rows += [
            ("ms p50 / p95", f"{p50:,.1f} / {p95:,.1f}"),
            ("tokens in / out", f"{read:,} / {written:,}"),
        ]
    return table_html(("", ""), rows)


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A table whose every cell is text, escaped."""
    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{html.escape(caption)}</caption>")
    if any(head):
        parts.append("<tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in head) + "</tr>")
    parts += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "".join([*parts, "</table>"])


def share(value: float) -> str:
    """A share as per cent."""
    return f"{100 * value:.1f} %"


def interval(bounds: tuple[float, float]) -> str:
    """An interval of a share, in per cent."""
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def pandas_module() -> Any:
    """pandas, or the error that says how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("compile", "pandas") from error
    return pandas
