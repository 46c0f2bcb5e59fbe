"""The likeliest of some token paths, without scoring them all."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from .base import Scores, Usage

Path = tuple[int, ...]


def likeliest(paths: Sequence[Path], ask: Callable[[Path, Path], Scores]) -> tuple[Path, float, Usage]:
    """By uniform-cost search (Dijkstra 1959) through the tree of the paths.

    Since a log-probability is never above 0, a path that is at its end when its turn comes cannot be
    beaten by any other: what lies behind less likely beginnings is never asked about.

    Args:
        paths: distinct, none the beginning of another.
        ask: the log-probabilities of the tokens in its second argument behind those in its first.

    Returns:
        The path, its log-probability, and what was spent.

    Raises:
        ValueError: there are no paths.
    """
    if not paths:
        raise ValueError("nothing to choose from")
    usage = Usage()
    waiting: list[tuple[float, Path, Sequence[Path]]] = [(0.0, (), paths)]
    while True:
        cost, begun, through = heapq.heappop(waiting)
        if len(through) == 1:
            return through[0], -cost, usage
        branches: dict[int, list[Path]] = {}
        for path in through:
            branches.setdefault(path[len(begun)], []).append(path)
        if len(branches) == 1:
            (token,) = branches
            heapq.heappush(waiting, (cost, (*begun, token), through))
            continue
        scores = ask(begun, tuple(branches))
        usage += scores.usage
        for (token, own), logprob in zip(branches.items(), scores.logprobs.tolist(), strict=True):
            heapq.heappush(waiting, (cost - logprob, (*begun, token), own))
