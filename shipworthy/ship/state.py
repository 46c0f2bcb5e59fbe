"""Where a project keeps what the pipeline needs: its root, artifacts, prototype, calls and lineage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..compiler import Price, git_commit
from ..errors import ExamplesError, InputError, NotFoundError
from ..evidence import Opponent, read_recorded
from ..examples import digest_of, storage_errors
from ..lift import REGISTERED, Prototype, find_project, project_settings, read_prototype
from ..lms import Journal, Recorded, open_lm
from ..registry import NAME
from ..runtime import Contract, Progress
from .rows import SPLITS, split_path


def home_of(name: str, project: str | Path | None = None) -> Path:
    """The project that has a program of this name."""
    if Path(name).suffix or "/" in name:
        raise NotFoundError("no such prototype", hint="check the path", where=name)
    home = Path(project) if project else find_project(Path.cwd())
    if home is None:
        raise NotFoundError(
            f"{name!r} is neither a file nor a program of a project here",
            hint="give the path of a prototype, or change into a project",
        )
    return home


def project_for(into: Path | None, name: str) -> Path:
    """The folder asked for, the project around us, or a new folder named after the program."""
    if into is not None:
        return into.absolute()
    return find_project(Path.cwd()) or Path.cwd() / name


def is_prototype(text: str | Path) -> bool:
    """Whether it is a path; a plain name is a program's, also where a folder is called so."""
    path = Path(text)
    if str(text).startswith(REGISTERED):
        return True
    return path.exists() and not (path.is_dir() and NAME.fullmatch(str(text)))


def need_examples(project: Path, name: str) -> None:
    """Refuse to ship a program without rows.

    Raises:
        ExamplesError: the project has none for it.
    """
    if not split_path(project, name, "train").is_file():
        raise ExamplesError(
            "there are no examples to compile and certify with",
            hint="give a CSV or JSONL file of labelled rows: shipworthy ship PROTOTYPE EXAMPLES",
        )


def artifact_of(home: Path, program: str | Path) -> Path:
    """The artifact named, or the latest compile of a name."""
    path = Path(program)
    if (path / "manifest.json").is_file():
        return path
    latest = home / ".shipworthy" / "latest" / str(program)
    if path.name != str(program) or not latest.is_file():
        raise NotFoundError(
            f"{str(program)!r} is no artifact, and was not compiled here",
            hint=f"shipworthy compile {path.name}",
            where=str(home),
        )
    return home / ".shipworthy" / "compiled" / str(program) / latest.read_text().strip()


def prototype_of(home: Path, name: str, against: str | Path | None) -> Prototype | None:
    """The prompt to compare with: the one given, or the copy beside the rows; None where there is none."""
    if against is not None:
        return read_prototype(against, name=name)
    folder = home / "data" / name
    found = sorted(folder.glob("prototype.*"))
    if found:
        return read_prototype(found[0], name=name)
    if not (folder / "prototype").is_dir():
        return None
    main = json.loads((folder / "origin.json").read_bytes()).get("prototype", "")
    inside = folder / "prototype" / Path(str(main)).name
    return read_prototype(inside if inside.is_file() else folder / "prototype", name=name)


PATIENCE = 120.0
"""Seconds that a hosted LM is waited for while a program is made: what was done by then is worth more."""


@contextmanager
def recorded(
    lm: str, state: Path, identity: Any, *, fresh: bool = False, progress: Progress | None = None
) -> Iterator[Recorded]:
    """An LM behind the journal of this work, closed at the end of the block.

    Args:
        identity: JSON that names the work: the same work on the same LM goes on in its own
            journal, other work gets another, and reuses the calls of all that there are.
        fresh: begin the journal anew, and reuse nothing.
    """
    say = (progress or Progress()).say
    opened = open_lm(lm, patience=PATIENCE, say=say)
    try:
        folder = state / "journals"
        path = folder / f"{digest_of([opened.id, identity])[:16]}.jsonl"
        with storage_errors(path):
            if fresh:
                path.unlink(missing_ok=True)
            others = [] if fresh else sorted(folder.glob("*.jsonl"))
        journal = Journal(path, others=others)
    except BaseException:
        opened.close()
        raise
    if journal.damaged:
        say(f"{journal.damaged} damaged records of {path} are passed over; their calls are made again")
    model = Recorded(opened, journal)
    try:
        yield model
    finally:
        model.close()


@contextmanager
def reflecting(
    lm: str | None, beside: Recorded, progress: Progress | None = None
) -> Iterator[Recorded | None]:
    """The LM that proposes instructions, behind the journal of the work; None where none is named."""
    if lm is None:
        yield None
        return
    opened = open_lm(lm, patience=PATIENCE, say=(progress or Progress()).say)
    try:
        yield Recorded(opened, beside.journal)
    finally:
        opened.close()


def price_of(home: Path, lm: str) -> Price | None:
    """What the project states that an LM costs; a local one costs nothing.

    Raises:
        InputError: the statement cannot be read.
    """
    if lm.partition(":")[0] == "local":
        return Price(0.0, 0.0)
    prices = project_settings(home).get("prices", {})
    stated = prices.get(lm) if isinstance(prices, dict) else prices
    if stated is None:
        return None
    try:
        return Price(**{key: float(value) for key, value in stated.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the price of {lm} cannot be read: {error}",
            hint="write { input = 0.15, output = 0.60, cached = 0.075 }: US$ for a million tokens",
            where=f"{home / 'pyproject.toml'}: [tool.shipworthy.prices]",
        ) from error


def provenance_of(home: Path, name: str) -> dict[str, Any]:
    """What the project knows of where a program comes from."""
    files = {split: split_path(home, name, split) for split in SPLITS}
    prototype = prototype_of(home, name, None)
    return {
        "prototype": prototype.digest if prototype else None,
        "files": {split: digest_of(path.read_bytes()) for split, path in files.items() if path.is_file()},
        "git_commit": git_commit(home),
    }


def opponent_of(
    prototype: Prototype | None, answers: str | Path | None, contract: Contract, lm: Recorded
) -> Opponent:
    """The prototype as the certificate compares with it: on this LM, or by its recorded answers."""
    if answers is not None:
        recorded = read_recorded(Path(answers), contract)
        digest = digest_of(["recorded", Path(answers).read_bytes().hex()])
        return Opponent(prototype, recorded, digest, "the LM of its recorded answers")
    digest = digest_of([prototype.digest if prototype else None, lm.id])
    return Opponent(prototype, None, digest, lm.id)


def lineage(
    provenance: Mapping[str, Any], artifact: Path, home: Path, prototype: Prototype | None, quick: bool
) -> dict[str, Any]:
    """Lineage, as the certificate's page shows it."""
    data, recipe = provenance.get("data", {}), provenance.get("recipe", {})
    passes = ", ".join(one["name"] for one in recipe.get("passes", []))
    for step, own in recipe.get("steps", {}).items():
        passes += f"; {step}: {', '.join(one['name'] for one in own)}"
    kept = provenance.get("kept_from")
    return {
        "LM of the program": provenance.get("lm"),
        **({"compiled again from": f"{kept['digest'][:16]} on {kept['lm'] or 'no LM'}"} if kept else {}),
        "recipe": passes,
        "seed": provenance.get("seed"),
        "prototype sha256": prototype.digest if prototype else None,
        "train rows sha256": data.get("train"),
        "git commit": provenance.get("git_commit"),
        "artifact": artifact.name,
        "versions": ", ".join(f"{name} {found}" for name, found in provenance.get("versions", {}).items()),
        "command": f"shipworthy certify {home.name and artifact.parent.name}{' --quick' if quick else ''}",
    }
