"""One answer as one JSON object: what `run` writes, and what the MLflow model returns."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from ..errors import ShipworthyError
from .answer import Answer
from .contract import plain_value
from .parallel import Outcome


def line_of(outcome: Outcome[Answer], *, version: str, trace: bool = False) -> dict[str, Any]:
    """The object for one row: its answer, or its error.

    Args:
        outcome: of the row.
        version: of the program that answered, such as `triage/3`.
        trace: whether to add the steps: prompts, raw answers, timing.
    """
    if outcome.error is not None:
        return error_line(outcome.error, version=version)
    answer = outcome.unwrap()
    line = {
        "output": plain_value(answer.outputs),
        "confidence": answer.confidence,
        "answered": answer.answered,
        "error": None,
        "version": version,
        "trace_id": uuid.uuid4().hex,
    }
    if trace:
        line["steps"] = [plain_value(asdict(step)) for step in answer.steps]
    return line


def error_line(error: ShipworthyError, *, version: str) -> dict[str, Any]:
    """The object for a row that could not be answered, or not even be read."""
    return {
        "output": None,
        "confidence": None,
        "answered": False,
        "error": error.as_dict(),
        "version": version,
        "trace_id": uuid.uuid4().hex,
    }
