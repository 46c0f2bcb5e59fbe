"""Shared by all tests: no deadlines for properties, since the machine may be busy."""

import os

from hypothesis import settings

# The same examples of the same code, so that a run of the suite can be repeated; HYPOTHESIS_PROFILE=searching
# looks for new ones.
settings.register_profile("patient", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("searching", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))
