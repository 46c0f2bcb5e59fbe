"""Versions: what is registered of a program, read back as it was, and removed when nobody needs it."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import IntegrityError, NotFoundError
from ..examples import atomic_folder, digest_of, redact
from ..runtime import Contract, root_of
from .local import change_notes, local_path
from .packaging import model_arguments
from .reading import CERTIFICATE, DIGEST_TAG, FOLDER_TAG, PAGE, ROOT_TAG, ROWS, Facts, sealed
from .resolving import facts_of
from .store import PROCESS, Registry, this_process
from .stored_weights import stored_weights

if TYPE_CHECKING:
    from ..compiler import Compiled

CERTIFICATE_TAG = "shipworthy.certificate_sha256"
ROWS_TAG = "shipworthy.rows_sha256"
PAGE_TAG = "shipworthy.page_sha256"
PARTS = {CERTIFICATE: CERTIFICATE_TAG, ROWS: ROWS_TAG, PAGE: PAGE_TAG}
CERTIFICATE_RUN_TAG = "shipworthy.certificate_run"
MODEL_ID = re.compile("m-[0-9a-f]{32}")
"""What MLflow calls a logged model."""


def register(
    registry: Registry, compiled: Compiled, contract: Contract, *, certificate: Path, certificate_run: str
) -> int:
    """Make a certified artifact a version of the registered model; gives its number.

    Args:
        certificate: the folder of its certificate, kept in `certificate_run`.

    Raises:
        RegistryError: MLflow fails; `shipworthy doctor --repair` clears what was left half-way.
    """
    name = compiled.name
    data = json.loads((certificate / CERTIFICATE).read_bytes())
    root = root_of(compiled.artifact)
    tags = {
        DIGEST_TAG: compiled.digest,
        ROOT_TAG: root,
        FOLDER_TAG: f"artifacts/{compiled.artifact.name}",
        "shipworthy.contract": contract.digest,
        CERTIFICATE_RUN_TAG: certificate_run,
        **{tag: digest_of((certificate / file).read_bytes()) for file, tag in PARTS.items()},
        **_searchable(compiled, data),
    }
    mlflow, lm = registry.mlflow, compiled.program.spec.lm
    weights = stored_weights(registry, lm.id) if lm is not None else None
    if weights:
        tags["shipworthy.weights"] = weights
    given = model_arguments(
        name, compiled.artifact, compiled.program, certificate=certificate, weights=weights
    )
    with registry.errors(), registry.pointed(), given as arguments:
        # MLflow asks for type hints and an input example; the contract is in the artifact.
        with mlflow.start_run(run_id=compiled.run), warnings.catch_warnings(record=True):
            marks = {ROOT_TAG: root, PROCESS: this_process()}
            info = mlflow.pyfunc.log_model(**arguments, tags=marks)
        registry.make_model(name)
        made = registry.client.create_model_version(
            name, info.model_uri, run_id=compiled.run, tags=sealed(tags), model_id=info.model_id
        )
    version = int(made.version)
    facts = facts_of(registry.reader, name, version)
    folder = facts.folder
    if folder is not None:
        change_notes(
            registry.place, name, lambda now: now.with_version(version, folder, compiled.digest, root)
        )
    return version


def certificate_folder(registry: Registry, facts: Facts) -> Path:
    """The certificate of a version on this machine, verified: certificate.json, its page, and rows.jsonl.

    Raises:
        NotFoundError: the version has none.
        IntegrityError: it is gone, or not the one that was registered.
    """
    run, sha256 = facts.tags.get(CERTIFICATE_RUN_TAG), facts.tags.get(CERTIFICATE_TAG)
    if not run or not sha256:
        raise NotFoundError(
            f"{facts.place} has no certificate",
            hint=f"shipworthy ship {facts.name} makes one",
            where=facts.place,
        )
    folder = registry.place / "certificates" / sha256
    if not _is_that_of(facts, folder):
        with tempfile.TemporaryDirectory() as temporary, registry.errors():
            try:
                found = registry.client.download_artifacts(run, "certificate", temporary)
            except (registry.mlflow.exceptions.MlflowException, OSError) as error:
                raise IntegrityError(
                    f"the certificate of {facts.place} is gone: {str(error).splitlines()[0][:200]}",
                    hint=f"restore run {run} in MLflow, or ship {facts.name} again",
                    where=facts.place,
                ) from error
            if not _is_that_of(facts, Path(found)):
                raise IntegrityError(
                    f"the certificate of {facts.place} was altered after it was registered",
                    hint=f"restore the files of run {run}, or ship {facts.name} again",
                    where=facts.place,
                )
            with atomic_folder(folder) as target:
                for file in PARTS:  # what else lies there was not verified
                    shutil.copyfile(Path(found) / file, target / file)
    return folder


def delete_version(registry: Registry, facts: Facts) -> None:
    """Remove a version, its logged model and that one's files.

    Raises:
        RegistryError: MLflow fails; what is left is found by `shipworthy doctor`.
    """
    with registry.pointed(), registry.errors(missing=True):
        found = registry.client.get_model_version(facts.name, str(facts.version))
        registry.client.delete_model_version(facts.name, str(facts.version))
        if model_of(found):
            delete_model(registry, model_of(found))
    change_notes(registry.place, facts.name, lambda now: now.without_versions([facts.version]))


def model_of(version: Any) -> str:
    """The id of the logged model that an MLflow version stands for; MLflow keeps it in the source alone."""
    return str(version.source or "").removeprefix("models:/").partition("/")[0]


def delete_model(registry: Registry, model_id: str) -> None:
    """Remove a logged model, and its files where they lie on this machine."""
    location = registry.client.get_logged_model(model_id).artifact_location
    registry.client.delete_logged_model(model_id)
    folder = local_path(location)
    ours = MODEL_ID.fullmatch(model_id) is not None  # else an edited database could name any folder
    if folder is not None and registry.folder is not None:  # a copied project names the first one's files
        ours = ours and folder.is_relative_to(registry.folder)
    if ours and folder is not None and folder.name == "artifacts" and folder.parent.name == model_id:
        shutil.rmtree(folder.parent, ignore_errors=True)


def _is_that_of(facts: Facts, folder: Path) -> bool:
    try:
        found = {tag: digest_of((folder / file).read_bytes()) for file, tag in PARTS.items()}
    except OSError:
        return False
    return all(facts.tags.get(tag) == sha256 for tag, sha256 in found.items())


def _searchable(compiled: Compiled, certificate: Mapping[str, Any]) -> dict[str, str]:
    """Facts that people search versions by, as text."""
    found: dict[str, Any] = {
        "verdict": certificate["verdict"],
        "quick": certificate["quick"],
        "look": certificate["look"],
        "metric": (certificate["metric"] or {}).get("name"),
        "difference": certificate["difference"]["mean"],
        "lm": compiled.program.spec.lm.id if compiled.program.spec.lm else None,
        "lm_name": compiled.program.spec.lm.name if compiled.program.spec.lm else None,
        "seed": compiled.seed,
        "compile_run": compiled.run,
    }
    ours = certificate["compiled"]
    if ours:
        found.update(
            score=ours["score"],
            score_low=ours["ci"][0],
            score_high=ours["ci"][1],
            rows=ours["n"],
            ms_p50=ours["ms_p50"],
            tokens_per_call=ours["tokens_per_call"],
            usd_per_call=ours["usd_per_call"],
        )
    return {
        f"shipworthy.{key}": json.dumps(value) if not isinstance(value, str) else redact(value)
        for key, value in found.items()
        if value is not None
    }
