"""A provider's connection that waits no longer than the row's deadline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .deadlines import check_deadline, time_left

CONNECT_S = 10.0
"""Seconds to wait for a connection: lm15's own default."""
LEAST_S = 0.001


class ToDeadline:
    """An lm15 transport behind which every wait ends with the deadline, if there is one.

    A wait for the next bytes lasts at most what was left of it when the request was sent, and
    the connection is closed then. A reply that trickles on is given up at the first bytes
    past the deadline.

    Args:
        inner: the transport.
        read_s: seconds that it waits for the next bytes where there is no deadline.
    """

    def __init__(self, inner: Any, read_s: float) -> None:
        self._inner = inner
        self._read_s = read_s

    def stream(self, request: Any) -> Any:
        """Send a request; as the transport itself."""
        left = time_left()
        if left is None:
            return self._inner.stream(request)
        check_deadline()
        request.connect_timeout = min(CONNECT_S, max(left, LEAST_S))
        request.read_timeout = request.write_timeout = min(self._read_s, max(left, LEAST_S))
        reply = self._inner.stream(request)
        return type(reply)(
            status=reply.status,
            reason=reply.reason,
            headers=reply.headers,
            http_version=reply.http_version,
            chunks=_in_time(reply),
            release=lambda _: reply.close(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _in_time(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        check_deadline()
        yield chunk
