"""Rows that no label fits: are they handed over to a person, or answered all the same?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import RowError
from ..scoring import Many, Row, wilson


def out_of_scope(
    contenders: Mapping[str, tuple[Many, Sequence[Row]]],
    decisions: Sequence[str],
    *,
    on_row: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """What each contender does with rows that it should not answer.

    A row is handed over where the program is not confident enough, or where what the
    prototype wrote says no value of some decision. A row that ends in an error is neither.

    Args:
        contenders: by name, with the rows that each is asked; decisions: names of outputs.
        on_row: told how many rows are done.

    Returns:
        By name: `n` rows, `handed_over` and `errors` (counts), `share` handed over with its 95 %
        interval `ci` (Wilson).
    """
    found = {}
    done = 0
    for name, (many, rows) in contenders.items():
        handed = errors = 0
        for outcome in many(rows):
            done += 1
            on_row(done)
            try:
                answer = outcome.unwrap()
            except RowError:
                errors += 1
                continue
            handed += not (answer.answered and all(output in answer.outputs for output in decisions))
        found[name] = {
            "n": len(rows),
            "handed_over": handed,
            "errors": errors,
            "share": handed / len(rows),
            "ci": list(wilson(handed, len(rows))),
        }
    return found
