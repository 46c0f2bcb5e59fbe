"""An LM's weights in the tracking store: once, found again by their sha256, whatever the version.

They are the artifact of a run of its own. A version names its address, and the artifact names
the sha256, so that nothing which the store says of them is taken on trust.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import WeightsError
from ..examples import folder_lock, storage_errors
from ..lms import cache_folder, known_weights, weights_of
from .store import Registry

EXPERIMENT = ".weights"
WEIGHTS_TAG = "shipworthy.weights_sha256"
FILE_TAG = "shipworthy.weights_file"


def stored_weights(registry: Registry, lm: str) -> str | None:
    """The address of an LM's weights in the store, where they are put if they are not there yet.

    Of several processes at once on this machine one copies; on several machines each may, and
    all copies are the same.

    Args:
        lm: id of the LM.

    Returns:
        `runs:/RUN/FILE`, or None for an LM without local weights.

    Raises:
        WeightsError: they are not on this machine.
        RegistryError: MLflow fails.
        StorageError: the cache folder cannot be written.
    """
    sha256 = weights_of(lm)
    if sha256 is None:
        return None
    found = _found(registry, sha256)
    if found is not None:
        return found
    path = known_weights(sha256)
    if path is None:
        raise WeightsError(
            f"no weights with sha256 {sha256[:12]}… are known on this machine",
            hint="name them once with --lm local:PATH.gguf",
        )
    place = cache_folder() / "weights"
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    with folder_lock(place):
        found = _found(registry, sha256)
        return found if found is not None else _put(registry, sha256, path)


def _found(registry: Registry, sha256: str) -> str | None:
    """Of the first run that put them there and ended well."""
    query = f"tags.`{WEIGHTS_TAG}` = '{sha256}' and attributes.status = 'FINISHED'"
    with registry.errors():
        experiment = registry.client.get_experiment_by_name(_TITLE)
        if experiment is None:
            return None
        ids = [experiment.experiment_id]
        runs = registry.client.search_runs(ids, query, max_results=1, order_by=["start_time ASC"])
    return f"runs:/{runs[0].info.run_id}/{runs[0].data.tags[FILE_TAG]}" if runs else None


def _put(registry: Registry, sha256: str, path: Path) -> str:
    tags = {"shipworthy.kind": "weights", WEIGHTS_TAG: sha256, FILE_TAG: path.name}
    with registry.run(EXPERIMENT, f"weights {sha256[:8]}", tags) as run:
        registry.client.log_artifact(run, str(path))
    return f"runs:/{run}/{path.name}"


_TITLE = f"shipworthy/{EXPERIMENT}"
