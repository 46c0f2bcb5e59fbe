"""Certify a compiled program: on its test rows, against its prototype, under its gate."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..compiler import Gate, gate_of
from ..evidence import Certificate, facts_of, markdown_of, page_of, read_by_hand, row_digest, with_readiness
from ..evidence import certify as make_certificate
from ..examples import atomic_folder, redact_value, rows_digest
from ..lift import find_project, project_settings
from ..registry import (
    CERTIFICATE,
    PAGE,
    ROWS,
    Registry,
    champion_facts,
    log_certificate,
    look_at,
    tracking_uri,
)
from ..runtime import Progress, load_artifact, plain_value
from ..scoring import Metric
from .metrics import certifying_metric, stated_metric
from .notebook import default_progress
from .results import Certified
from .rows import given_rows, read_split, unfit_rows
from .state import artifact_of, lineage, opponent_of, prototype_of, recorded


def certify(
    program: str | Path,
    *,
    project: str | Path | None = None,
    against: str | Path | None = None,
    prototype_answers: str | Path | None = None,
    test: str | Path | None = None,
    out_of_scope: str | Path | None = None,
    lm: str = "local",
    other_lms: Sequence[str] = (),
    quick: bool = False,
    metric: Metric | None = None,
    progress: Progress | None = None,
) -> Certified:
    """Certify the latest compile of a name, or an artifact, on test rows.

    Args:
        out_of_scope: a file of rows that no label fits, whose other columns than the inputs are
            ignored; by default the project's `data/NAME/out_of_scope.jsonl`, if there is one.
        other_lms: LMs on which the full certificate asks program and prototype too.
        metric: where the recipe has one that is not a name, and lies in no project: the same one.

    Raises:
        InputError: program, prototype or rows cannot be used.
        LMError: the LM fails.
        RegistryError: MLflow, where looks are counted, cannot be reached.
    """
    home = Path(project) if project else find_project(Path.cwd()) or Path.cwd()
    progress = progress or default_progress()
    artifact = artifact_of(home, program)
    loaded = load_artifact(artifact)
    name = loaded.name
    contract = loaded.contract
    provenance = json.loads((artifact / "provenance.json").read_bytes())
    recipe = provenance.get("recipe", {})
    stated = stated_metric(recipe.get("metric", "exact"), metric, home, loaded)
    reads: dict[str, Any] = {"also": loaded.computed, "metric": stated}
    if test:
        rows = given_rows(contract, test, needs_classes=False, may_be_empty=True, **reads)
    else:
        rows = read_split(home, name, contract, "test", **reads)
    unfit = unfit_rows(home, name, contract, out_of_scope)
    train = read_split(home, name, contract, "train", needed=False, **reads)
    train += read_split(home, name, contract, "dev", needed=False, **reads)
    prototype = prototype_of(home, name, against)
    settings = project_settings(home)
    gate = gate_of(Gate.parse(recipe.get("gate", {}), where=f"{artifact}: the recipe's gate"), settings)
    by_hand = read_by_hand(settings)
    lm_name = loaded.spec.lm.source if loaded.spec.lm else lm
    registry = Registry(tracking_uri(home))
    keep = home / ".shipworthy" / "batteries" / loaded.digest[:16]
    identity = ["certify", loaded.digest, rows_digest(plain_value(rows))]
    state = home / ".shipworthy"
    with ExitStack() as opened:
        model = opened.enter_context(recorded(lm_name, state, identity, progress=progress))
        others = {
            other: opened.enter_context(recorded(other, state, identity, progress=progress))
            for other in dict.fromkeys(other_lms if not quick else ())
        }
        compiled = load_artifact(artifact, lm=model if loaded.spec.lm else None, version=name)
        if prototype is not None:  # what the program looks up for itself, its opponent is given too
            prototype = dataclasses.replace(prototype, supply=compiled.prepared)
        opponent = opponent_of(prototype, prototype_answers, contract, model)
        digests = [row_digest(row, contract) for row in rows]
        look = look_at(registry, digests, program=compiled.digest, opponent=opponent.digest)
        certificate = make_certificate(
            compiled,
            opponent,
            train,
            rows,
            lm=model,
            metric=certifying_metric(stated, loaded, rows),
            look=look,
            quick=quick,
            target=float(recipe.get("target", 0.9)),
            unfit=unfit,
            others=others,
            gate=gate,
            keep=keep,
            facts=lineage(provenance, artifact, home, prototype, quick),
            progress=progress,
        )
        facts = facts_of(
            certificate,
            compiled,
            artifact=artifact,
            project=home,
            train=train,
            test=rows,
            report=home / ".shipworthy" / "reports" / name / compiled.digest[:16] / "report.json",
            registry=champion_facts(registry, name),
        )
        certificate = with_readiness(certificate, facts, by_hand, gate)
    folder = home / ".shipworthy" / "certificates" / name / compiled.digest[:16]
    _write(certificate, folder)
    run = log_certificate(registry, certificate, folder, program=compiled.digest, opponent=opponent.digest)
    shutil.rmtree(keep, ignore_errors=True)  # what was kept for an interrupted certificate has served
    return Certified(certificate, folder / PAGE, run)


def _write(certificate: Certificate, folder: Path) -> None:
    """The page, the data behind it, the summary for pull requests, and the rows with what was said."""
    data, rows = redact_value(certificate.data), redact_value(list(certificate.rows))
    certificate = dataclasses.replace(certificate, data=data, rows=tuple(rows))
    with atomic_folder(folder) as temporary:
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
        files = {
            PAGE: page_of(certificate),
            CERTIFICATE: text,
            "certificate.md": markdown_of(data, page=PAGE),
            ROWS: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        }
        for name, content in files.items():
            (temporary / name).write_text(content, encoding="utf-8")
