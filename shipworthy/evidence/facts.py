"""The facts that the readiness rubric and the questions of production rest on, gathered once.

What is measured here asks the LM about a few test rows at most, all of them rows that the
certificate has asked about before, so that a recorded LM answers from its journal. What
only a higher room can know (the registry, monitoring) is passed in as data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, RowError, ScoringError
from ..examples import Kind, examine_rows, holds_secret
from ..runtime import Contract, Program, StepTrace, read_artifact
from ..scoring import Row, slices
from .folder import Folder, look_at_folder
from .words import mask

if TYPE_CHECKING:
    from .certificate import Certificate

UNCLEAR = "unclear"
"""What `slices` calls rows whose language it cannot tell."""
TRACED = 5
"""So many test rows are answered once more, to see whether each step can be followed."""
KINDS: tuple[Kind, ...] = ("contradiction", "leak", "near_leak", "secret")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What is known; None where it is not.

    Attributes:
        name: the program's.
        certificate: `Certificate.data`.
        folder: what the project's folder shows.
        artifact: `digest` of the artifact as it reads and verifies now, or `error` that says why it
            does not; `probes`, its rows with log-probabilities expected; `lm`, the LM's id or None;
            `inputs`, how many; `untyped`, outputs that any text fits.
        provenance: the artifact's.
        report: the compile's `report.json`.
        rows: `checks`, findings by kind; `train`, `test`, how many; `personal`, rows that hold what
            looks like personal data; `secret_prompt`, whether the instruction holds a secret.
        refusals: `tried` wrong rows, and how many of them ended in a typed error (`typed`).
        traced: `rows` answered, and those of them with every step on record (`complete`).
        confidences: `rows` answered, and those of them whose confidence is a number in [0, 1] (`sound`).
        slices: `compared`, how many; `weak`, those significantly worse; `languages`, how many of the
            slices compared are languages; `largest`, the difference of the worst, in score.
        recompiles: whether compiling again gave the same digest.
        registry: `champion` (version or None), `champion_verdict`, `rollback` (`version`, `reloads`).
        monitoring: `labelled` (`score`, `ci`, `n`, `days_old` of production rows with labels), `canary`
            (`requests`, `version`), `drift` (`watched`: whether inputs are compared and an alarm is set),
            `staleness` (`days`, `mean`, `ci`: score of a program that old minus that of a new one).
        previous: the data of the certificate before this one, of another compile.
    """

    name: str
    certificate: Json
    folder: Folder = field(default_factory=Folder)
    artifact: Json = field(default_factory=dict)
    provenance: Json = field(default_factory=dict)
    report: Json | None = None
    rows: Json | None = None
    refusals: Json | None = None
    traced: Json | None = None
    confidences: Json | None = None
    slices: Json | None = None
    recompiles: bool | None = None
    registry: Json | None = None
    monitoring: Json | None = None
    previous: Json | None = None


def facts_of(
    certificate: Certificate,
    program: Program,
    *,
    artifact: Path,
    project: Path,
    train: Sequence[Row],
    test: Sequence[Row],
    report: Path | None = None,
    recompiles: bool | None = None,
    registry: Json | None = None,
    monitoring: Json | None = None,
    previous: Json | None = None,
) -> Facts:
    """Gather the facts of a certified program.

    Args:
        program: as it was certified; its LM is asked about `TRACED` test rows at most.
        artifact: its folder, which is read and verified anew.
        train, test: the rows that it was compiled and certified on.
        report: the compile's `report.json`, which may be missing.
        recompiles, registry, monitoring, previous: as in `Facts`.

    Raises:
        LMError: the LM fails.
    """
    try:
        spec, _, probes, digest = read_artifact(artifact)
        provenance = json.loads((artifact / "provenance.json").read_bytes())
        read: dict[str, Any] = {
            "digest": digest,
            "error": None,
            "probes": len(probes),
            "lm": spec.lm.id if spec.lm else None,
            "inputs": len(program.contract.inputs),
            "untyped": [
                one.name
                for one in program.contract.outputs
                if set(one.schema) <= {"type", "title"} and one.schema.get("type") == "string"
            ],
        }
    except (ArtifactError, OSError, ValueError) as error:
        read, provenance = {"digest": None, "error": str(error)}, {}
    return Facts(
        name=program.name,
        certificate=certificate.data,
        folder=look_at_folder(project, program.name),
        artifact=read,
        provenance=provenance,
        report=_json(report),
        rows=row_facts(program, train, test),
        refusals=refusals(program, test),
        traced=traced(program, test),
        confidences=_confidences(certificate),
        slices=_slices(certificate, program, test),
        recompiles=recompiles,
        registry=registry,
        monitoring=monitoring,
        previous=previous,
    )


def row_facts(program: Program, train: Sequence[Row], test: Sequence[Row]) -> dict[str, Any] | None:
    """Faults and personal data in the rows, and a secret in the prompt; None where there are no rows."""
    if not train or not test:
        return None
    contract = program.contract
    inputs = [one.name for one in contract.inputs]
    names = [one.name for one in contract.outputs]
    outputs = [name for name in names if any(name in row for row in train)]
    decisions = [one.name for one in contract.decisions if one.name in outputs]
    report = examine_rows(train, test, inputs=inputs, outputs=outputs, decisions=decisions, kinds=KINDS)
    # A leak names the training row too; what counts is how many test rows are concerned.
    found = {
        kind: len(
            {
                index
                for one in report.of(kind)
                for index in one.rows
                if kind not in ("leak", "near_leak") or index >= len(train)
            }
        )
        for kind in KINDS
    }
    texts = (" ".join(str(row.get(name, "")) for name in inputs) for row in (*train, *test))
    return {
        "train": len(train),
        "test": len(test),
        "checks": found,
        "personal": sum(mask(text) != text for text in texts),
        "secret_prompt": any(holds_secret({"": step.instruction}) for step in program.spec.steps.values()),
    }


def refusals(program: Program, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Rows that break the contract, one input at a time: missing, and of a type that fits none.

    No LM is asked: a row is read under the contract before anything else. None without rows.
    """
    if not rows:
        return None
    names = [one.name for one in program.contract.inputs if "default" not in one.schema]
    wrong = [{key: value for key, value in rows[0].items() if key != name} for name in names]
    wrong += [{**rows[0], name: _other_kind(program.contract, name)} for name in names]
    typed = 0
    for row in wrong:
        try:
            program.contract.read_inputs(row)
        except RowError:
            typed += 1
    return {"tried": len(wrong), "typed": typed}


def traced(program: Program, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Whether an answer can be followed step by step: what was sent, what came back, what decided."""
    if not rows:
        return None
    known = complete = 0
    always = {name for name, step in program.spec.steps.items() if not step.when}
    for outcome in program.answer_many(rows[:TRACED]):
        if outcome.value is None:
            continue
        known += 1
        steps = outcome.value.steps
        complete += always <= {step.name for step in steps} and all(map(_on_record, steps))
    return {"rows": known, "complete": complete} if known else None


def _on_record(step: StepTrace) -> bool:
    decided = all(name in step.probabilities for name, sure in step.confidence.items() if sure is not None)
    return len(step.prompts) == len(step.raw) >= bool(step.lm_calls) and bool(step.outputs) and decided


def _other_kind(contract: Contract, name: str) -> Any:
    kind = next(one.schema.get("type") for one in contract.inputs if one.name == name)
    return 1 if kind in ("object", "array") else {"of": ["another", "kind"]}


def _confidences(certificate: Certificate) -> dict[str, Any] | None:
    if certificate.measured is None:
        return None
    known = [one.confidence for one in certificate.measured.compiled.results if one.confidence is not None]
    sound = sum(math.isfinite(one) and 0 <= one <= 1 for one in known)
    return {"rows": len(known), "sound": sound} if known else None


def _slices(certificate: Certificate, program: Program, test: Sequence[Row]) -> dict[str, Any] | None:
    if certificate.measured is None:
        return None
    labels = [one.name for one in program.contract.decisions if all(one.name in row for row in test)]
    inputs = [one.name for one in program.contract.inputs]
    try:
        found = slices(certificate.measured.compiled, test, outputs=labels, inputs=inputs)
    except ScoringError:  # no row could be scored, so there is nothing to cut
        return None
    weak = found.significant()
    return {
        "compared": len(found.compared),
        "weak": [f"{one.by} = {one.value}" for one in weak],
        "languages": sum(
            one.by in ("language", "script") and one.kind == "value" and one.value != UNCLEAR
            for one in found.compared
        ),
        "largest": min(
            (one.difference for one in found.compared if one.difference is not None), default=None
        ),
    }


def _json(path: Path | None) -> dict[str, Any] | None:
    if path is None or not path.is_file():
        return None
    found = json.loads(path.read_bytes())
    return found if isinstance(found, dict) else None
