"""Promotion by evidence, and rollback: which version is champion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compiler import Gate, gate_of
from ..errors import ArtifactError, ConflictError, InputError, IntegrityError, RegistryError
from ..evidence import judge
from ..examples import redact
from ..lift import find_project, project_settings
from ..registry import (
    CHAMPION,
    Evidence,
    Facts,
    Head,
    Registry,
    begin_rollback,
    certificate_folder,
    facts_of,
    finish_rollback,
    parse_name,
    read_evidence,
    resolve,
    standing,
    tracking_uri,
    version_words,
)
from ..registry import promote as move
from ..runtime import Progress
from .against_champion import Comparing, program_of
from .notebook import default_progress


@dataclass(frozen=True)
class Promotion:
    """How a promotion or a rollback ended.

    Attributes:
        before: the champion's version until now, or None; to: the version that was to be it.
        verdict: of the gate, the comparison with the champion included; None where it was not asked.
        moved: whether `to` is the champion now, on this machine at least.
        pending: whether the registry has still to confirm it.
    """

    name: str
    before: int | None
    to: int
    verdict: str | None
    reasons: tuple[str, ...]
    moved: bool
    pending: bool = False

    def as_json(self) -> dict[str, Any]:
        """The keys of `promote --json` and `rollback --json`."""
        return {
            "name": self.name,
            "from": self.before,
            "to": self.to,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "moved": self.moved,
            "pending": self.pending,
        }


def promote(
    version: str,
    *,
    project: str | Path | None = None,
    force: str | None = None,
    expects: int | None = None,
    lm: str = "local",
    progress: Progress | None = None,
) -> Promotion:
    """Make a version the champion, if its evidence holds: the certificate's, and against the champion.

    Args:
        version: `NAME/V`, or `NAME@ALIAS`.
        force: the reason for which the gate is not asked; it is kept in the ledger.
        expects: the version that must be champion until then; 0 for none.
        lm: as which the LM is opened, for a champion that has to answer rows and does not say.

    Raises:
        NotFoundError: there is no such version, or it has no certificate.
        ConflictError: another was faster, or the champion is not the one that was expected.
        IntegrityError: version, certificate or ledger was altered.
        RegistryError, LMError: what is needed does not answer.
    """
    progress = progress or default_progress()
    home = Path(project) if project else find_project(Path.cwd())
    uri = tracking_uri(home)
    name, alias, number = parse_name(version)
    if force is not None and not force.strip():
        raise InputError("a promotion by force needs its reason", hint='--force "why the gate is not asked"')
    if number is None:
        if alias in (None, CHAMPION):
            raise InputError(
                f"{version} does not say which version",
                hint=f"name one, such as {name}/3",
            )
        number = resolve(version, uri=uri).version
    registry = Registry(uri)
    seen = standing(registry, name, say=progress.say).head
    if expects is not None and (seen.champion or 0) != expects:
        raise ConflictError(
            f"the champion of {name} is {version_words(seen.champion)}, not {version_words(expects or None)}",
            hint=f"look at `shipworthy history {name}`, then decide anew",
        )
    return promote_seen(registry, home, name, number, seen, force=force, lm=lm, progress=progress)


def promote_seen(
    registry: Registry,
    home: Path | None,
    name: str,
    number: int,
    seen: Head,
    *,
    force: str | None = None,
    lm: str = "local",
    progress: Progress,
) -> Promotion:
    """As `promote`, going by where the ledger was seen to stand."""
    facts = facts_of(registry.reader, name, number)
    before = seen.champion
    if before == number:
        same = (f"{facts.place} is the champion already",)
        return Promotion(name, before, number, facts.tags.get("shipworthy.verdict"), same, True)
    if force is not None:
        evidence = Evidence(facts.tags.get("shipworthy.verdict"), forced=force)
        reasons: list[str] = [f"by force: {redact(force)}"]
    else:
        evidence = _weigh(registry, home, facts, before, lm, progress)
        reasons = list(evidence.reasons)
        if evidence.verdict != "pass":
            return Promotion(name, before, number, evidence.verdict, tuple(reasons), False)
    move(registry, name, number, evidence, seen=seen)
    return Promotion(name, before, number, evidence.verdict, tuple(reasons), True)


def rollback(
    name: str,
    *,
    project: str | Path | None = None,
    to: int | None = None,
    reason: str | None = None,
    progress: Progress | None = None,
) -> Promotion:
    """Go back to the champion before, on this machine at once and in the registry if it can be reached.

    Args:
        to: another version than the champion before the present one.
        reason: kept in the ledger.

    Raises:
        NotFoundError: there is nothing to go back to.
        ArtifactError: the files of that version are damaged here.
        ConflictError: somebody else moved the champion at the same time.
    """
    progress = progress or default_progress()
    home = Path(project) if project else find_project(Path.cwd())
    uri = tracking_uri(home)
    name, alias, number = parse_name(name)
    if alias is not None or number is not None:
        raise InputError("a rollback takes the name of a program alone", hint=f"shipworthy rollback {name}")
    data = begin_rollback(uri, name, to, reason)
    progress.say(f"{name}/{data['to']} runs here from now on; telling the registry")
    reasons: tuple[str, ...] = ()
    try:
        finish_rollback(uri, name, say=progress.say)
        waits = False
    except RegistryError as error:
        waits = True
        reasons = (
            f"the registry has not confirmed it: {error.message}",
            "it holds on this machine, and is recorded, or refused, at the next contact with the registry",
        )
    return Promotion(name, data["from"], int(data["to"]), None, reasons, True, waits)


def _weigh(
    registry: Registry, home: Path | None, facts: Facts, champion: int | None, lm: str, progress: Progress
) -> Evidence:
    """The certificate judged by the gate as it is now, and the comparison with the champion."""
    folder = certificate_folder(registry, facts)
    program, artifact = program_of(registry, facts)
    try:
        evidence = read_evidence(folder, digest=program.digest)
    except ArtifactError as error:
        raise IntegrityError(error.message, hint=error.hint, where=facts.place) from error
    data = evidence.data
    recipe = json.loads((artifact / "provenance.json").read_bytes()).get("recipe", {})
    settings = project_settings(home) if home is not None else {}
    gate = gate_of(Gate.parse(recipe.get("gate", {}), where=f"{facts.place}: the recipe's gate"), settings)
    verdict, reasons = judge(data, gate)
    kept: dict[str, Any] = {
        "certificate_sha256": facts.tags["shipworthy.certificate_sha256"],
        "certificate_run": facts.tags["shipworthy.certificate_run"],
        "gate": gate.as_json(),
    }
    if verdict == "pass" and champion is not None:
        comparing = Comparing(registry, home, program, data, evidence.rows, recipe, lm, progress)
        ok, reason, comparison = comparing.with_champion(facts, champion, gate)
        reasons.append(reason)
        kept["comparison"] = comparison
        verdict = "pass" if ok else "inconclusive"
    return Evidence(verdict, reasons, kept)
