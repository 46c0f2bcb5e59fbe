"""Whether a program stands: compiled from its source as it is now, certified on its rows, and good enough."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compiler import Gate, Source, gate_of, load_source, made_of
from ..errors import ArtifactError, NotFoundError
from ..evidence import beside_digest, judge, row_digest
from ..lift import find_project, project_settings
from ..registry import CERTIFICATE, PAGE, ROWS
from ..runtime import load_artifact
from .rows import read_split
from .state import artifact_of, prototype_of

CHANGED = {
    "source": "signature, program or their texts",
    "recipe": "the recipe",
    "train": "the training rows",
    "dev": "the dev rows",
}


@dataclass(frozen=True)
class Standing:
    """How a program stands.

    Attributes:
        verdict: `missing`, `stale`, or what the gate says of the certificate.
        reasons: all of them, each with what to do.
        data: the certificate's, as it was read; None where there is none.
        page: the certificate's page, whether or not it is there.
    """

    verdict: str
    reasons: tuple[str, ...]
    data: dict[str, Any] | None
    page: Path | None

    @property
    def holds(self) -> bool:
        """Whether the certificate is there, of the program as it is, and passes."""
        return self.verdict == "pass"


def standing(name: str, *, project: str | Path | None = None, gate: Gate | None = None) -> Standing:
    """How a project's program stands now. Asks no LM, and not MLflow.

    Args:
        gate: instead of the recipe's, or else the project's.

    Raises:
        InputError: the project, its source, its rows or its gate cannot be read.
    """
    home = Path(project) if project else find_project(Path.cwd()) or Path.cwd()
    source = load_source(home, name)
    try:
        artifact = artifact_of(home, name)
        digest = load_artifact(artifact).digest
    except (NotFoundError, ArtifactError) as error:
        return Standing("missing", (f"{error.message}: {error.hint}",), None, None)
    folder = home / ".shipworthy" / "certificates" / name / digest[:16]
    page = folder / PAGE
    data = _read(folder / CERTIFICATE)
    changed = list(_changes(home, source, artifact, digest))
    if data is None:
        why = f"the compile {digest[:16]} of {name} has no certificate: shipworthy certify {name}"
        return Standing("missing", (*changed, why), None, page)
    changed += _certified_otherwise(home, source, folder, data)
    if changed:
        return Standing("stale", tuple(changed), data, page)
    verdict, reasons = judge(data, gate or gate_of(source.recipe.gate, project_settings(home)))
    return Standing(verdict, tuple(reasons), data, page)


def _changes(home: Path, source: Source, artifact: Path, digest: str) -> Iterator[str]:
    """What the newest compile rests on that is another now."""
    again = f"shipworthy compile {source.name}"
    then = compiled_from(home, source.name, artifact, digest)
    if then is None:
        yield f"what {source.name} was compiled from is not on record: {again}"
        return
    reads: dict[str, Any] = {"also": source.labels, "metric": source.recipe.metric}
    train = read_split(home, source.name, source.contract, "train", **reads)
    dev = read_split(home, source.name, source.contract, "dev", needed=False, **reads)
    for what in changed_since(then, made_of(source, train, dev)):
        yield f"{what} changed since {source.name} was compiled, or it was compiled by another: {again}"


def compiled_from(home: Path, name: str, artifact: Path, digest: str) -> dict[str, str] | None:
    """`made_of` of a compile, by its report, or else by its artifact; None where it is not on record."""
    report = home / ".shipworthy" / "reports" / name / digest[:16] / "report.json"
    for path in (report, artifact / "provenance.json"):
        found = (_read(path) or {}).get("made_of")
        if isinstance(found, dict):
            return found
    return None


def changed_since(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two `made_of`, in words."""
    return [what for key, what in CHANGED.items() if then.get(key) != now[key]]


def _certified_otherwise(home: Path, source: Source, folder: Path, data: dict[str, Any]) -> Iterator[str]:
    """What the certificate rests on that is another now."""
    again = f"shipworthy certify {source.name}"
    contract, metric = source.contract, source.recipe.metric
    rows = read_split(home, source.name, contract, "test", needed=False, also=source.labels, metric=metric)
    now = Counter((row_digest(row, contract), beside_digest(row, metric)) for row in rows)
    try:
        lines = (folder / ROWS).read_bytes().splitlines()  # of bytes: text may hold other ends of lines
        then = Counter((row["digest"], row.get("beside_sha256")) for row in map(json.loads, lines))
    except (OSError, ValueError, KeyError, TypeError):
        yield f"the rows of the certificate cannot be read: {again}"
        return
    if now != then:
        changed = (now - then).total() + (then - now).total()
        yield f"{changed} test rows came, went or changed since {source.name} was certified: {again}"
    prototype = prototype_of(home, source.name, None)
    compared = data["facts"].get("prototype sha256")
    if prototype is not None and prototype.digest != compared:
        yield f"the prototype is not the one that {source.name} was compared with: {again}"


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where the file is missing or no such thing."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
