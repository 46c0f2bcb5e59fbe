"""Compile: run the recipe's passes, choose what decides, and write the artifact."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, OutsideError
from ..examples import folder_lock, redact_value, rows_digest
from ..lms import Recorded
from ..runtime import LMSpec, Program, ProgramSpec, Progress, load_artifact, plain_value, write_artifact
from ..scoring import metric_named
from .budget import Meter, Price
from .draft import Context, Row
from .keeping import Keep
from .making import make_one
from .recipe import Recipe
from .report import summary_html
from .several import make_steps
from .source import Source, made_of

UNFINISHED = "new."


@dataclass(frozen=True)
class Compiled:
    """A compiled program and what it took.

    Attributes:
        artifact: its folder; digest: the program's sha256.
        lm_calls: requests to the LM, those answered from the store included.
        dev: score on held-out training rows (or the dev split), with interval, by output,
            and the calibration error; None where no output is a decision.
        notes: what the passes say.
        figures: what the report shows, as JSON; report: its page, once it is written.
        run: the MLflow run that keeps it, once it is logged.
        usd: what the calls cost, where the price is known.
        races: how the races between candidates ended, as JSON.
        kept: what was taken over from an earlier artifact, as `kept_from` in the provenance; None
            where there was none to take over from.
    """

    name: str
    artifact: Path
    digest: str
    lm: str
    lm_calls: int
    tokens: int
    seconds: float
    dev: dict[str, Any] | None
    notes: tuple[str, ...]
    program: Program
    recipe: Recipe
    seed: int
    figures: dict[str, Any]
    run: str | None = None
    usd: float | None = None
    races: tuple[dict[str, Any], ...] = ()
    report: Path | None = None
    kept: dict[str, Any] | None = None

    def _repr_html_(self) -> str:
        return summary_html(self.figures, self.report)


def compile_program(
    source: Source,
    train: Sequence[Row],
    *,
    lm: Recorded,
    lm_name: str,
    out: Path,
    dev: Sequence[Row] = (),
    seed: int = 0,
    provenance: dict[str, Any] | None = None,
    price: Price | None = None,
    reflect: Recorded | None = None,
    reflect_price: Price | None = None,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Compiled:
    """Compile a program on an LM.

    Args:
        source: the program and its recipe.
        train: typed rows with inputs and labels; dev: the same, to select on.
        lm: the LM, recorded; lm_name: how a user names it.
        out: the artifact is written to a folder named by its digest in here.
        seed: fixes every draw.
        provenance: what the caller knows of where things come from.
        price: of the LM, for a budget in US$.
        reflect: another LM, that proposes instructions; reflect_price: its price.
        keep: an earlier artifact of this source, recipe and rows: what holds on any LM is not found again.

    Raises:
        InputError: rows, recipe and program do not fit.
        LMError: the LM fails; what was asked is kept, and running again goes on.
        StorageError: the artifact cannot be written.
    """
    start = time.monotonic()
    progress = progress or Progress()
    recipe = source.recipe
    if seed < 0:
        raise InputError(f"a seed is 0 or more, not {seed}")
    if isinstance(recipe.metric, str):
        metric_named(recipe.metric, tuple(field.name for field in source.contract.outputs))
    also = [(reflect, reflect_price)] if reflect is not None else []
    meter = Meter(recipe.budget, lm, price=price, also=also)
    context = Context(
        lm=lm, seed=seed, meter=meter, recipe=recipe, progress=progress, reflect=reflect, keep=keep
    )
    rows, held = list(train), list(dev)
    whole = make_steps(source, rows, held, context) if source.parts else make_one(source, rows, held, context)
    if keep is not None:
        whole.notes.insert(0, f"compiled again, from {keep.digest[:16]} on {keep.lm or 'no LM'}")
    kept = {**keep.as_json(), "steps": whole.kept} if keep is not None else None
    made_from = made_of(source, train, dev)
    contract = source.contract.as_json()
    spec = ProgramSpec(
        name=source.name,
        contract=contract,
        contract_sha256=source.contract.digest,
        steps=whole.steps,
        flow=tuple(whole.steps),
        lm=LMSpec(id=lm.id, name=lm_name) if whole.uses_lm else None,
    )
    written = out / f"{UNFINISHED}{os.getpid()}.{threading.get_ident()}"  # another process may compile it too
    digest = write_artifact(
        written,
        spec,
        whole.heads,
        probes=whole.probes,
        code=whole.code,
        provenance={
            "recipe": redact_value(recipe.as_json()),
            "seed": seed,
            "data": {
                "train": rows_digest(plain_value(list(train))),
                "dev": rows_digest(plain_value(list(dev))) if dev else None,
            },
            "rows": {"train": len(train), "dev": len(dev)},
            "lm": lm.id,
            "journal": lm.journal.digest,
            "dev": whole.dev,
            "races": redact_value(whole.races),
            "versions": _versions(),
            "made_of": made_from,
            **({"kept_from": kept} if kept is not None else {}),
            **(provenance or {}),
        },
    )
    artifact = out / digest[:16]
    _move(written, artifact)
    spent = meter.spent()
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {"digest": digest, "lm": lm.id, "dev": whole.dev, "spent": spent.as_json(), "made": made}
    facts["made_of"] = made_from
    return Compiled(
        name=source.name,
        artifact=artifact,
        digest=digest,
        lm=lm.id,
        lm_calls=spent.calls,
        tokens=spent.tokens,
        seconds=time.monotonic() - start,
        dev=whole.dev,
        notes=tuple(whole.notes),
        usd=spent.usd,
        races=tuple(whole.races),
        figures=whole.figures(facts),
        program=load_artifact(artifact, lm=lm if whole.uses_lm else None, version=source.name),
        recipe=recipe,
        seed=seed,
        kept=kept,
    )


def git_commit(folder: Path) -> str | None:
    """The commit of the repository around a folder, or None."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _recipe_of(artifact: Path) -> Any:
    from ..runtime import check_manifest

    return json.loads(check_manifest(artifact)["provenance.json"])["recipe"]


def _move(written: Path, artifact: Path) -> None:
    """Give the artifact its name; the same digest by the same recipe again keeps the folder that is there.

    A recipe may change without the program: another gate, say, which the certificate asks the artifact for.
    """
    import shutil

    try:
        with folder_lock(artifact.parent):
            _sweep(artifact.parent)
            if artifact.exists():
                try:
                    kept = _recipe_of(artifact) == _recipe_of(written)
                except (InputError, ValueError, KeyError):
                    kept = False
                if kept:
                    shutil.rmtree(written)
                    return
                replaced = written.with_name(
                    f"{written.name}.replaced"
                )  # out of the way at once, not bit by bit
                artifact.rename(replaced)
                written.rename(artifact)
                shutil.rmtree(replaced)
                return
            written.rename(artifact)
    except OSError as error:
        raise OutsideError(f"cannot write the artifact: {error}", where=str(artifact)) from error


def _sweep(folder: Path) -> None:
    """Remove what killed compiles left unfinished, a day ago or longer."""
    import shutil

    for left in folder.glob(f"{UNFINISHED}*"):
        if time.time() - left.stat().st_mtime > 86_400:
            shutil.rmtree(left, ignore_errors=True)


def _versions() -> dict[str, str]:
    names = ("shipworthy", "dspy", "numpy", "scikit-learn", "scipy", "xllamacpp", "pydantic")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
