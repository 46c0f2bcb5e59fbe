"""Content digests: the same content gives the same digest, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and shortest-round-trip floats; NaN is refused.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value is not JSON.
    """
    return _encode(value)


def digest_of(value: Any) -> str:
    """sha256 (hex) of a JSON value's canonical form, of text, or of bytes."""
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, str):
        data = value.encode()
    else:
        data = canonical_json(value).encode()
    return hashlib.sha256(data).hexdigest()


def rows_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Digest of a set of rows; their order does not count, repeated rows do."""
    return digest_of(sorted(digest_of(dict(row)) for row in rows))
