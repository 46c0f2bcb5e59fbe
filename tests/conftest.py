"""Shared by all tests: no deadlines for properties, since the machine may be busy; and the slow first."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import settings

# The same examples of the same code, so that a run of the suite can be repeated; HYPOTHESIS_PROFILE=searching
# looks for new ones.
settings.register_profile("patient", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("searching", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))

# Containers often forbid Python to keep what it compiled. Here dozens of processes start one after the
# other, and each would compile this package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that at the end there is only small work to share out."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)
