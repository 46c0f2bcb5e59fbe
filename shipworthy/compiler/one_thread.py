"""Fits on one thread: the order of additions, and so the last bits, must not depend on the machine's load."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """A block in which numpy, scipy and scikit-learn compute on one thread."""
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return limited


@cache
def _libraries() -> Any:
    """Their native libraries, searched for once: that takes as long as a small fit."""
    import sklearn.linear_model  # noqa: F401  (the last of them to load)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
