"""A share of rows or requests as the batteries state it."""

from __future__ import annotations

from typing import Any

from ..scoring import wilson


def share_json(count: int, n: int) -> dict[str, Any]:
    """`count` of `n`, the share and Wilson's 95 % interval; null of nothing."""
    if not n:
        return {"count": count, "n": 0, "share": None, "ci": None}
    return {"count": count, "n": n, "share": count / n, "ci": list(wilson(count, n))}
