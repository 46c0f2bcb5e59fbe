"""DSPy, where it is needed: imported late, and kept from asking the network on import."""

from __future__ import annotations

import os
from types import ModuleType

from ..errors import MissingExtraError


def import_dspy() -> ModuleType:
    """The package dspy with `dspy.lm15`; LiteLLM, should anything load it, fetches no price list.

    Raises:
        MissingExtraError: dspy is not installed.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import dspy
        import dspy.lm15
    except ModuleNotFoundError as error:
        if error.name != "dspy":
            raise
        raise MissingExtraError("compile", "dspy") from error
    module: ModuleType = dspy
    return module
