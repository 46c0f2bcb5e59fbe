"""Swap the LM of a program: compiled again on another, certified, and promoted or held."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compiler import Budget, Keep, Source, load_source, made_of
from ..errors import ArtifactError, IntegrityError
from ..lms import open_lm
from ..registry import Registry, resolve, standing, tracking_uri
from ..runtime import Program, Progress, load_artifact
from .certifying import certify
from .current import changed_since, compiled_from
from .notebook import default_progress
from .pipeline import LEVELS, compile, need_contract, register_and_promote, with_options
from .results import Recertified, Shipped
from .rows import read_split
from .state import home_of, need_examples


def recertify(
    name: str,
    *,
    lm: str,
    project: str | Path | None = None,
    full: bool = False,
    anew: bool = False,
    budget: Budget | str | None = None,
    reflect_lm: str | None = None,
    seed: int = 0,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Recertified:
    """Compile a program again on another LM, certify it, register it, and promote it on `pass`.

    Where the champion was compiled from the source, recipe and rows as they stand, its demos, its
    instruction and its ways to find spans are kept; what looks into an LM is fitted anew. Its own
    LM is not asked for that. Where anything changed since, all of the recipe runs, and it is said
    what changed. Against the champion the gate is that of `ship`; where the champion's LM can be
    asked no more, its recorded answers are compared.

    Args:
        name: of a program in the project that has a version.
        lm: the new one: `local`, `local:PATH.gguf`, or an id of a hosted LM.
        full: make the full certificate, not the quick one.
        anew: keep nothing.
        budget, reflect_lm, seed, fresh: as for `compile`.

    Raises:
        InputError: program, rows or recipe cannot be used, or no version is registered.
        NameTakenError: the source has another contract than the versions have.
        OutsideError: the LM, the registry or the disk fails; running again goes on where it stopped.
    """
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    progress = progress or default_progress()
    home = home_of(name, project)
    source = load_source(home, name)
    need_examples(home, name)
    opened = open_lm(lm)  # before anything else: it may not be there
    wanted = opened.id
    opened.close()
    registry = Registry(tracking_uri(home))
    need_contract(registry, name, source.contract)
    before = _before(registry, name, progress)
    if (why := before.nothing_to_do(wanted, anew)) and before.version is not None:
        return Recertified(name, before.version, "shipped", None, None, why)
    keep, level, changed = to_keep(before, source, home)
    keep = None if anew else keep
    progress.say(_words(before, keep, changed, wanted))
    compiled = compile(
        name,
        project=home,
        lm=lm,
        level=level,
        budget=budget,
        reflect_lm=reflect_lm,
        seed=seed,
        fresh=fresh,
        keep=keep,
        progress=progress,
    )
    certified = certify(compiled.artifact, project=home, lm=lm, quick=not full, progress=progress)
    version, promotion = register_and_promote(
        registry, home, source.contract, compiled, certified, lm=lm, progress=progress
    )
    shipped = Shipped(None, compiled, certified, name, version, promotion, home)
    digest = before.program.digest if before.program is not None else None
    kept = compiled.kept or {"digest": digest, "lm": before.asks, "steps": {}}
    kept = {"version": before.version, **kept, "changed": changed}
    return Recertified(name, version, shipped.status, shipped, kept)


@dataclass(frozen=True)
class Before:
    """The version to start from: the champion, or else the newest.

    Attributes:
        version: None where there is no champion, and the newest cannot be read.
        champion: whether it is that.
        artifact, program: None where it cannot be read.
    """

    name: str
    version: int | None
    champion: bool
    artifact: Path | None
    program: Program | None

    @property
    def asks(self) -> str | None:
        """The id of its LM."""
        lm = self.program.spec.lm if self.program is not None else None
        return lm.id if lm is not None else None

    def nothing_to_do(self, wanted: str, anew: bool) -> str:
        """Why the champion may stay as it is on the LM that is wanted, or nothing."""
        which = f"the champion, {self.name}/{self.version}"
        if not self.champion or self.program is None:
            return ""
        if self.asks == wanted:
            return f"{which}, is compiled on {wanted}"
        return "" if self.asks or anew else f"{which}, asks no LM, so that there is none to swap"


def _before(registry: Registry, name: str, progress: Progress) -> Before:
    champion = standing(registry, name, say=progress.say).head.champion
    if champion is None:
        progress.say(f"{name} has no champion: the new version is compared with the prototype alone")
    which = name if champion is None else f"{name}/{champion}"
    try:
        found = resolve(which, uri=registry.uri)
        program = load_artifact(found.artifact, root=found.root)
    except (ArtifactError, IntegrityError) as error:
        progress.say(f"{which} cannot be read, so nothing of it is kept: {error}")
        return Before(name, champion, champion is not None, None, None)
    return Before(name, found.version, champion is not None, found.artifact, program)


def to_keep(before: Before, source: Source, home: Path) -> tuple[Keep | None, int | None, list[str]]:
    """What to keep from, the level that the version was compiled at, and what changed since."""
    if before.program is None or before.artifact is None:
        return None, None, ["the artifact, which cannot be read"]
    then = compiled_from(home, source.name, before.artifact, before.program.digest)
    if then is None:
        return None, None, ["what it was compiled from, which is not on record"]
    reads: dict[str, Any] = {"also": source.labels, "metric": source.recipe.metric}
    train, dev = (
        read_split(home, source.name, source.contract, split, needed=False, **reads)
        for split in ("train", "dev")
    )
    for level in (None, *LEVELS):
        recipe = with_options(source.recipe, level, None)
        now = made_of(dataclasses.replace(source, recipe=recipe), train, dev)
        if not changed_since(then, now):
            return Keep.of(before.program), level, []
    return None, None, changed_since(then, made_of(source, train, dev))


def _words(before: Before, keep: Keep | None, changed: list[str], wanted: str) -> str:
    which = f"{before.name}/{before.version}" if before.version is not None else before.name
    if keep is not None:
        return f"compiling {which} again on {wanted}; what holds on any LM is kept"
    if changed:
        said = f"changed since {which} was compiled: {', '.join(changed)}"
        return f"{said}; compiling on {wanted} from the source as it stands, by all of the recipe"
    return f"compiling anew on {wanted}, by all of the recipe"
