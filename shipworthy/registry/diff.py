"""What differs between two compiled programs: contract, what is asked and decides, origin, scores, answers.

The comparison is pure: two sides in, a `Difference` out. Whoever has names resolves them first.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ArtifactError
from ..evidence import diff_page
from ..examples import redact_value
from ..runtime import (
    Code,
    Contract,
    Heads,
    ProgramSpec,
    check_manifest,
    read_artifact,
    read_code_of,
)
from .answers import Evidence, Shared, compare_answers, figures_of
from .changes import program_changes, provenance_changes
from .compatibility import Change, contract_changes

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Side:
    """One of the two programs.

    Attributes:
        label: `triage/2`, or of a folder the program's name and digest.
        version: in the registry; None for a folder.
        artifact: its folder.
        digest: sha256 of the program.
        evidence: its certificate, where there is one.
        notes: what is to be said of it, such as why there is none.
    """

    label: str
    version: int | None
    artifact: Path
    spec: ProgramSpec
    heads: Mapping[str, Heads]
    code: Mapping[str, Code]
    digest: str
    provenance: Mapping[str, Any]
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()

    @property
    def contract(self) -> Contract:
        """Of the program as a whole."""
        return Contract.from_json(self.spec.contract)

    def as_json(self) -> dict[str, Any]:
        """Which program this is."""
        return {
            "label": self.label,
            "name": self.spec.name,
            "version": self.version,
            "digest": self.digest,
            "artifact": str(self.artifact.absolute()),
            "lm": self.spec.lm.id if self.spec.lm else None,
        }


@dataclass(frozen=True)
class Difference:
    """How the second program differs from the first.

    Attributes:
        changes: contract first, then prompts and heads, LM, code, and where they come from.
        compatible: whether callers of the first can call the second: no change is breaking.
        scores: `before` and `after` (each side's own figures), `paired` (after minus before on the
            rows scored on both sides), `by_output`, `why`.
        rows: counts of shared and changed rows, and `examples`.
        notes: what is to be said besides.
    """

    before: Side
    after: Side
    changes: tuple[Change, ...]
    scores: Mapping[str, Any]
    rows: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())

    @property
    def compatible(self) -> bool:
        """Whether callers of the first program can call the second."""
        return not any(change.breaking for change in self.changes)

    @property
    def same(self) -> bool:
        """Whether both are one program, to the byte."""
        return self.before.digest == self.after.digest

    def as_json(self) -> dict[str, Any]:
        """The keys of `diff --json`, with what looks like a secret replaced."""
        found: dict[str, Any] = redact_value(
            {
                "before": self.before.as_json(),
                "after": self.after.as_json(),
                "same": self.same,
                "compatible": self.compatible,
                "changes": [change.as_json() for change in self.changes],
                "scores": dict(self.scores),
                "rows": dict(self.rows),
                "notes": list(self.notes),
            }
        )
        return found

    def page(self) -> str:
        """All of it as one self-contained HTML page, personal data masked."""
        return diff_page(self.as_json())

    def __repr__(self) -> str:
        callers = "compatible" if self.compatible else "not compatible"
        sides = f"{self.before.label} and {self.after.label}"
        return f"<Difference of {sides}: {len(self.changes)} changes, {callers}>"

    def _repr_html_(self) -> str:
        page = html.escape(self.page(), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:720px;border:0"></iframe>'


def read_side(
    folder: Path,
    *,
    label: str = "",
    version: int | None = None,
    digest: str | None = None,
) -> Side:
    """A side from an artifact's folder, every file verified; without its certificate.

    Args:
        label: what it is called; by default name and digest.
        digest: that the program must have.

    Raises:
        ArtifactError: it is damaged, or another program.
    """
    spec, heads, _, found = read_artifact(folder)
    if digest not in (None, found):
        raise ArtifactError(
            "the artifact is not the one that was registered",
            hint="restore it, or ship the program again",
            where=str(folder),
        )
    text = check_manifest(folder).get(PROVENANCE, b"{}")
    try:
        provenance = json.loads(text, parse_constant=str)  # NaN is no JSON, and equal to nothing
    except (ValueError, RecursionError) as error:
        where = str(folder / PROVENANCE)
        raise ArtifactError("not JSON", hint="restore it, or compile again", where=where) from error
    provenance = provenance if isinstance(provenance, dict) else {}
    label = label or f"{spec.name} {found[:12]}"
    return Side(label, version, folder, spec, heads, read_code_of(folder, spec), found, provenance)


def compare(before: Side, after: Side) -> Difference:
    """Compare two programs, of one name or of two."""
    contracts = before.contract, after.contract
    changes = contract_changes(*contracts)
    changes += program_changes(
        (before.spec, before.heads, before.code), (after.spec, after.heads, after.code)
    )
    if not changes and before.digest != after.digest:
        changes.append(Change("program written otherwise", "program.json", before.digest, after.digest))
    changes += provenance_changes(before.provenance, after.provenance)
    answers = compare_answers(before.evidence, after.evidence, _shared(before, after))
    scores = {
        "before": figures_of(before.evidence),
        "after": figures_of(after.evidence),
        "paired": answers.paired,
        "by_output": answers.by_output,
        "why": answers.why,
    }
    return Difference(
        before, after, tuple(changes), scores, answers.rows, _notes(before, after, answers.rows)
    )


def _shared(before: Side, after: Side) -> Shared:
    old, new = before.contract, after.contract
    inputs, outputs = ({item.name for item in fields} for fields in (new.inputs, new.outputs))
    both = tuple(item.name for item in old.outputs if item.name in outputs)
    metric, why = _metric(before, after)
    return Shared(
        inputs=tuple(item.name for item in old.inputs if item.name in inputs),
        outputs=both,
        contract=old.digest == new.digest,
        every_output=len(both) == len(old.outputs) == len(new.outputs),
        metric=metric,
        why=why,
    )


def _metric(before: Side, after: Side) -> tuple[str | None, str]:
    """The metric by which both were certified: one name, version and parameters; else None, and why."""
    stated = []
    for side in (before, after):
        metric = side.evidence.data.get("metric") if side.evidence else None
        if metric is None:
            return None, f"the certificate of {side.label} measured nothing"
        stated.append((metric, (side.provenance.get("recipe") or {}).get("metric")))
    if stated[0] != stated[1]:
        names = " and ".join(f"{metric['name']} (version {metric['version']})" for metric, _ in stated)
        return None, f"the certificates were made by different metrics: {names}"
    return str(stated[0][0]["name"]), ""


def _notes(before: Side, after: Side, rows: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if before.spec.name != after.spec.name:
        notes.append(f"these are two programs: {before.spec.name} and {after.spec.name}")
    notes += dict.fromkeys([*before.notes, *after.notes])
    if rows["other_labels"]:
        notes.append(
            f"{rows['other_labels']} rows have other labels, or other checks, in the two certificates: "
            "they are not compared"
        )
    return tuple(notes)
