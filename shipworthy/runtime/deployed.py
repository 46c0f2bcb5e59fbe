"""What the MLflow model of a version calls: load the artifact and its weights, answer rows.

`registry/pyfunc_model.py` was copied into each version when it was registered, and calls these
two functions ever after: what they take and give stays as it is. MLflow itself is not imported.
"""

from __future__ import annotations

import json
import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import RegistryError
from ..lms import keep_weights, known_weights, weights_of
from .lines import line_of
from .program import Program, load_artifact

log = logging.getLogger(__name__)


def load_deployed(
    folder: str | Path, config: Mapping[str, Any], *, download: Callable[[str, str], str]
) -> Program:
    """Verify an artifact against its root hash and load it; fetch its LM's weights if they are not here.

    Args:
        config: `version`, `root` (sha256 of the manifest) and `weights` (their address in the
            store), as they were logged with the version.
        download: fetches from an address of the store into a folder, and gives the path.

    Raises:
        ArtifactError: the artifact is not the one that was registered.
        WeightsError: the store holds other weights than the artifact names.
        StorageError: the cache folder cannot be written.
    """
    program = load_artifact(folder, version=str(config.get("version", "")), root=config.get("root"))
    sha256 = weights_of(program.spec.lm.id) if program.spec.lm is not None else None
    address = config.get("weights")
    if sha256 is not None and address and known_weights(sha256) is None:
        try:
            # A folder of its own each time: what lies in the first may be another's.
            keep_weights(sha256, lambda place: Path(download(str(address), tempfile.mkdtemp(dir=place))))
        except RegistryError as error:  # they may still be had from where they first came from
            log.warning("the weights cannot be fetched from the store: %s", error)
    return program


def answers(program: Program, model_input: Any, params: Mapping[str, Any] | None = None) -> list[Any]:
    """The objects of `shipworthy run`, in the order of the rows; with `params={"json": True}` as text.

    Args:
        model_input: a DataFrame, or a list of mappings.
    """
    given = model_input.to_dict("records") if hasattr(model_input, "to_dict") else model_input
    rows = [_plain(row) for row in given]
    lines = [line_of(outcome, version=program.version) for outcome in program.answer_many(rows)]
    if params and params.get("json"):
        return [json.dumps(line, ensure_ascii=False, allow_nan=False) for line in lines]
    return lines


def _plain(value: Any) -> Any:
    """A cell as JSON has it: an array is a list, and what is missing is null."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
