"""Compile: run the recipe's passes, choose what decides, and write the artifact."""

from __future__ import annotations

import datetime
import importlib.metadata
import itertools
import os
import platform
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, OutsideError
from ..examples import folder_lock, holds_secret, rows_digest
from ..lms import Recorded
from ..runtime import (
    Decide,
    Generate,
    Heads,
    HeadSpec,
    LMSpec,
    Probe,
    Program,
    ProgramSpec,
    Progress,
    StepSpec,
    Tfidf,
    load_artifact,
    plain_value,
    write_artifact,
)
from ..scoring import metric_named
from .budget import Meter, Price
from .draft import Context, Draft, Row
from .heads import held_out_rows, oof_folds
from .held_out import dev_scores, suspect_notes
from .passes import Cascade, CascadePlan, Readout
from .passes.rollout import MAX_TOKENS
from .recipe import Recipe
from .report import report_figures, summary_html
from .settle import Choice, choose, hand_over_outliers
from .source import Source, made_of

N_PROBES = 2
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
    context = Context(lm=lm, seed=seed, meter=meter, recipe=recipe, progress=progress, reflect=reflect)
    draft = Draft(
        name=source.name,
        contract=source.contract,
        instruction=source.instruction,
        train=list(train),
        dev=list(dev),
        module=source.module,
        demos=list(source.demos),
    )
    draft.notes += [
        f"no training row has a label for {field.name!r}: only a metric that needs none can score it"
        for field in draft.unlabelled
    ]
    for one in recipe.passes:
        one.apply(draft, context)
    choices = _settle(draft, context, recipe)
    choices, plan = _settle_cascade(draft, choices, context)
    step, heads = _step(draft, choices, plan)
    uses_lm = step.generate is not None or (step.decide is not None and bool(step.decide.reads))
    contract = source.contract.as_json()
    spec = ProgramSpec(
        name=source.name,
        contract=contract,
        contract_sha256=source.contract.digest,
        steps={source.name: step},
        flow=(source.name,),
        lm=LMSpec(id=lm.id, name=lm_name) if uses_lm else None,
    )
    scores = dev_scores(draft, choices, recipe)
    draft.notes += suspect_notes(draft, choices)
    written = out / f"{UNFINISHED}{os.getpid()}.{threading.get_ident()}"  # another process may compile it too
    digest = write_artifact(
        written,
        spec,
        {source.name: heads},
        probes=_probes(source.name, step, draft),
        provenance={
            "recipe": recipe.as_json(),
            "seed": seed,
            "data": {
                "train": rows_digest(plain_value(list(train))),
                "dev": rows_digest(plain_value(list(dev))) if dev else None,
            },
            "rows": {"train": len(train), "dev": len(dev)},
            "lm": lm.id,
            "journal": lm.journal.digest,
            "dev": scores,
            "races": draft.races,
            "versions": _versions(),
            **(provenance or {}),
        },
    )
    artifact = out / digest[:16]
    _move(written, artifact)
    spent = meter.spent()
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {"digest": digest, "lm": lm.id, "dev": scores, "spent": spent.as_json(), "made": made}
    facts["made_of"] = made_of(source, train, dev)
    return Compiled(
        name=source.name,
        artifact=artifact,
        digest=digest,
        lm=lm.id,
        lm_calls=spent.calls,
        tokens=spent.tokens,
        seconds=time.monotonic() - start,
        dev=scores,
        notes=tuple(draft.notes),
        usd=spent.usd,
        races=tuple(draft.races),
        figures=report_figures(draft, context, choices, plan, step, facts=facts),
        program=load_artifact(artifact, lm=lm if uses_lm else None, version=source.name),
        recipe=recipe,
        seed=seed,
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


def _settle(draft: Draft, context: Context, recipe: Recipe) -> dict[str, Choice]:
    if not draft.contract.decisions or not (draft.readouts or draft.students):
        return {}
    choices = _choose_all(draft, context, recipe)
    used = _used(choices)
    if used != list(range(len(used))) and _affords(context, len(used) * len(draft.fit_rows)):
        # Only what will be asked is fitted on: a question's rounding may depend on those before it.
        readout = next(one for one in recipe.passes if isinstance(one, Readout))
        draft.reads = [draft.reads[i] for i in used]
        sets = {name: tuple(used.index(i) for i in choice.reads) for name, choice in choices.items()}
        readout.refit(draft, sets, context)
        # What was chosen among is gone from the draft, so the scores of before are the honest ones.
        choices = {
            name: replace(
                choice,
                apart=choices[name].apart,
                weighings=(*choices[name].weighings, *choice.weighings),
            )
            for name, choice in _choose_all(draft, context, recipe).items()
        }
    draft.notes += [f"{name}: {choice.why}" for name, choice in choices.items()]
    return choices


def _settle_cascade(
    draft: Draft, choices: dict[str, Choice], context: Context
) -> tuple[dict[str, Choice], CascadePlan | None]:
    """The choices as the recipe's cascade makes them, if it has one; and what they promise."""
    plan, recipe = None, context.recipe
    wanted = [one for one in recipe.passes if isinstance(one, Cascade)]
    if wanted:
        plan, note = wanted[0].settle(draft, choices, context)
        draft.notes.append(note)
    if plan is not None:
        choices = plan.choices
        if generated := [field.name for field in draft.contract.values]:
            draft.notes.append(f"the LM is still called on every row, for {', '.join(generated)}")
    draft.notes += [
        f"{name}: no threshold can promise {recipe.target:.0%}, so every row counts as answered"
        for name, choice in choices.items()
        if not choice.promised
    ]
    return hand_over_outliers(choices, recipe.outliers), plan


def _used(choices: dict[str, Choice]) -> list[int]:
    return sorted({i for choice in choices.values() for i in choice.reads})


def _affords(context: Context, calls: int) -> bool:
    room = context.meter.room()
    return room is None or room >= calls


def _choose_all(draft: Draft, context: Context, recipe: Recipe) -> dict[str, Choice]:
    found = {}
    for field in draft.contract.decisions:
        labels = [row[field.name] for row in draft.fit_rows]
        rows = held_out_rows(oof_folds(labels, n_dev=draft.n_dev, seed=context.seed))
        found[field.name] = choose(draft, field, rows, target=recipe.target, seed=context.seed)
    return found


def _step(draft: Draft, choices: dict[str, Choice], plan: CascadePlan | None) -> tuple[StepSpec, Heads]:
    contract = draft.contract
    decided = bool(choices)
    generated = contract.values if decided else contract.outputs
    decide = None
    tfidf: Tfidf | None = None
    if decided:
        tfidf = draft.tfidf if any(choice.head.student for choice in choices.values()) else None
        decide = Decide(
            prompt=draft.prompt or draft.decide_prompt(),
            # Those before the last one used are asked too, since its rounding may depend on them.
            reads=tuple(draft.reads[: max(_used(choices), default=-1) + 1]),
            heads={name: _head_spec(draft, name, choice) for name, choice in choices.items()},
            tfidf_words=tfidf.n_words if tfidf else 0,
        )
        if plan is not None:
            decide = decide.with_cascade(plan.cut, plan.mix)
    generate = None
    if generated:
        generate = Generate(
            prompt=draft.generate_prompt(generated),
            outputs=tuple(field.name for field in generated),
            max_tokens=MAX_TOKENS,
        )
    sides = contract.as_json()
    step = StepSpec(
        instruction=draft.instruction,
        inputs=sides["inputs"],
        outputs=sides["outputs"],
        demos=tuple(draft.demos),
        decide=decide,
        generate=generate,
    )
    return step, Heads({name: choice.head for name, choice in choices.items()}, tfidf)


def _head_spec(draft: Draft, name: str, choice: Choice) -> HeadSpec:
    field = next(field for field in draft.contract.decisions if field.name == name)
    return HeadSpec(
        choices=tuple(field.choices or ()),
        reads=choice.reads,
        mix=choice.head.mix,
        threshold=choice.head.threshold,
        student=choice.head.student is not None,
    )


def _probes(name: str, step: StepSpec, draft: Draft) -> list[Probe]:
    """From the rows that were read; they are kept in the artifact, where a secret has no place."""
    reads = step.decide.reads if step.decide is not None else ()
    if not any(read.mode == "logprobs" for read in reads):
        return []
    rows = ((i, row) for i, row in enumerate(draft.fit_rows) if not holds_secret(row))
    return [
        Probe(
            step=name,
            read=read,
            inputs={field.name: row[field.name] for field in draft.contract.inputs},
            logprobs=tuple(round(float(value), 4) for value in draft.features[read][i]),
        )
        for i, row in itertools.islice(rows, N_PROBES)
        for read, spec in enumerate(reads)
        if spec.mode == "logprobs"
    ]


def _move(written: Path, artifact: Path) -> None:
    """Give the artifact its name; the same digest again keeps the folder that is there."""
    import shutil

    from ..runtime import check_manifest

    try:
        with folder_lock(artifact.parent):
            _sweep(artifact.parent)
            if artifact.exists():
                try:
                    check_manifest(artifact)
                    shutil.rmtree(written)
                    return
                except InputError:
                    shutil.rmtree(artifact)
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
