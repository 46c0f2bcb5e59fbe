"""Each stage of the pipeline as a function; the command line and notebooks come through here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler import (
    Budget,
    Compiled,
    Demos,
    FieldOrder,
    Instructions,
    Keep,
    Pass,
    Readout,
    Recipe,
    Spans,
    Student,
    compile_program,
    load_source,
    source_of,
)
from ..errors import ConflictError, ExamplesError, InputError, NameTakenError
from ..examples import atomic_write, load_table, rows_digest
from ..lift import (
    find_project,
    make_project,
    read_prototype,
    write_examples,
    write_source,
)
from ..lift import lift as infer
from ..registry import Registry, log_compile, register, standing, tracking_uri
from ..runtime import Contract, Progress, load_artifact, plain_value
from .certifying import certify
from .notebook import default_progress
from .own_rows import keeps_rows, own_rows
from .polishing import polished
from .promoting import Promotion, promote_seen
from .reports import write_report
from .results import Certified, Lift, Shipped
from .rows import given_rows, prepare, read_split, without_secrets
from .state import (
    home_of,
    is_prototype,
    need_examples,
    price_of,
    project_for,
    prototype_of,
    provenance_of,
    recorded,
    reflecting,
)

if TYPE_CHECKING:
    import dspy

LEVELS: dict[int, tuple[Pass, ...]] = {
    1: (Readout(questions=False), Spans(rows=0)),
    2: (FieldOrder(), Demos(), Readout(), Student(), Spans()),
    3: (FieldOrder(), Demos(), Instructions(), Readout(), Student(), Spans()),
}


def lift(
    prototype: str | Path,
    examples: str | Path | None = None,
    *,
    into: str | Path | None = None,
    name: str | None = None,
    format: str | None = None,
    prompt: str | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    test: str | Path | None = None,
    seed: int = 0,
    new_contract: bool = False,
    drop_contradictions: bool = False,
    polish: bool = False,
    lm: str = "local",
    progress: Progress | None = None,
) -> Lift:
    """Lift a prototype to a typed contract, and write it as source; see `shipworthy lift --help`.

    Args:
        prompt: name or line of the one to lift, where a Python file holds several.
        polish: have an LM describe what the prototype describes nowhere; lm: which one. Else none is asked.

    Raises:
        PrototypeError, ExamplesError: what was given cannot be used; nothing is written.
        OutsideError: the LM that is to polish fails; nothing is written.
        SourceError: files that a person has changed would be overwritten.
        StorageError: the disk.
    """
    progress = progress or default_progress()
    read = read_prototype(prototype, name=name, format=format, chosen=prompt)
    table = load_table(examples) if examples is not None else None
    lifted = infer(read, table, inputs=inputs, outputs=outputs)
    progress.say(lifted.describe())
    if table is not None:
        held = load_table(test) if test is not None else None
        splits, notes = prepare(
            lifted.contract,
            table,
            held,
            seed=seed,
            drop_contradictions=drop_contradictions,
            also=lifted.passed_on,
        )
    elif test is not None:
        raise ExamplesError("test rows without examples to learn from", hint="give EXAMPLES too")
    else:
        splits, notes = own_rows(lifted, seed=seed)
    lifted, warnings = without_secrets(lifted)
    notes += warnings
    project = project_for(Path(into) if into else None, lifted.name)
    kept = table is None and not new_contract and keeps_rows(lifted, splits, project)
    if kept and splits.train:
        notes.append(f"data/{lifted.name} keeps the rows that it has; --new-contract replaces them")
    for note in notes:
        progress.say(note)
    lifted, texts = polished(lifted, lm, progress) if polish else (lifted, None)
    files = write_source(lifted, project, overwrite=new_contract)
    files = make_project(project, lifted.name) + files
    if table is not None or (splits.train and not kept):
        source = table.source if table is not None else read.path
        files += write_examples(lifted, splits.train, splits.dev, splits.test, project, source=source)
    count = len(splits.train) + len(splits.dev) + len(splits.test)
    return Lift(lifted, project, tuple(files), count, tuple(notes), texts)


def compile(
    program: str | dspy.Module,
    *,
    project: str | Path | None = None,
    train: Sequence[Mapping[str, Any]] | str | Path | None = None,
    name: str | None = None,
    recipe: Recipe | None = None,
    lm: str = "local",
    level: int | None = None,
    budget: Budget | str | None = None,
    reflect_lm: str | None = None,
    seed: int = 0,
    fresh: bool = False,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Compiled:
    """Compile a project's program by name, or a `dspy.Module` that you already have.

    Args:
        program: a name in the project, or a module (its saved state loaded, if any).
        train: rows for a module: mappings, `dspy.Example`s, or a file; for a name the
            project's own rows are taken. Without any the program asks by its plain prompt.
        lm: `local`, `local:PATH.gguf`, or an id of a hosted LM.
        level: 1, 2 or 3 instead of the recipe's passes.
        budget: instead of the recipe's; also as text, such as `calls=500,minutes=10`.
        reflect_lm: an LM that can reflect, to propose instructions where the recipe races some.
        fresh: forget what was asked of the LM before.
        keep: an earlier artifact of the same source, recipe and rows, for another LM; see `recertify`.

    Raises:
        InputError: program, rows or recipe cannot be used.
        LMError: the LM fails; running again goes on where it stopped.
        RegistryError: MLflow, where each compile is a run, cannot be reached.
    """
    home = Path(project) if project else find_project(Path.cwd()) or Path.cwd()
    progress = progress or default_progress()
    dev: list[dict[str, Any]] = []
    if isinstance(program, str):
        source = load_source(home, program)
    elif train is None:
        raise ExamplesError("no training rows", hint="give train=rows, or a file of them")
    else:
        source = source_of(program, name=name or type(program).__name__.lower(), recipe=recipe)
    recipe = with_options(recipe or source.recipe, level, budget)
    reads: dict[str, Any] = {"also": source.labels, "metric": recipe.metric}
    if train is None or isinstance(program, str):
        rows = read_split(home, source.name, source.contract, "train", needed=False, **reads)
        dev = read_split(home, source.name, source.contract, "dev", needed=False, **reads)
    else:
        rows = given_rows(source.contract, train, **reads)
    state = home / ".shipworthy"
    identity = ["compile", recipe.as_json(), seed, *source.identity]
    identity += [rows_digest(plain_value(rows)), rows_digest(plain_value(dev))]
    identity += [reflect_lm, *([keep.digest] if keep is not None else [])]
    with (
        recorded(lm, state, identity, fresh=fresh, progress=progress) as model,
        reflecting(reflect_lm, model, progress) as reflect,
    ):
        compiled = compile_program(
            dataclasses.replace(source, recipe=recipe),
            rows,
            dev=dev,
            lm=model,
            lm_name=lm,
            out=state / "compiled" / source.name,
            seed=seed,
            provenance=provenance_of(home, source.name),
            price=price_of(home, lm),
            reflect=reflect,
            reflect_price=price_of(home, reflect_lm) if reflect_lm else None,
            keep=keep,
            progress=progress,
        )
    atomic_write(state / "latest" / source.name, compiled.artifact.name)
    compiled = write_report(compiled, state)
    run = log_compile(
        Registry(tracking_uri(home)),
        compiled,
        provenance_of(home, source.name)["files"],
        prototype_of(home, source.name, None),
    )
    # The LM that it was compiled on is closed by now: this one opens its own at the first call.
    program = load_artifact(compiled.artifact, version=source.name)
    return dataclasses.replace(compiled, run=run, program=program)


def ship(
    prototype: str | Path,
    examples: str | Path | None = None,
    *,
    project: str | Path | None = None,
    into: str | Path | None = None,
    name: str | None = None,
    lm: str = "local",
    full: bool = False,
    against: str | Path | None = None,
    prototype_answers: str | Path | None = None,
    test: str | Path | None = None,
    out_of_scope: str | Path | None = None,
    other_lms: Sequence[str] = (),
    new_contract: bool = False,
    seed: int = 0,
    fresh: bool = False,
    level: int | None = None,
    budget: Budget | str | None = None,
    reflect_lm: str | None = None,
    progress: Progress | None = None,
    **lifting: Any,
) -> Shipped:
    """Lift (where a path is given), compile, certify, register, and promote on `pass`.

    Raises:
        InputError: what was given cannot be used.
        NameTakenError: the name is registered with another contract.
        OutsideError: the LM, the registry or the disk fails.
    """
    budget = Budget.parse(budget) if isinstance(budget, str) else budget  # before anything is written
    progress = progress or default_progress()
    lifted: Lift | None = None
    if is_prototype(prototype):
        if examples is None:
            format, chosen = lifting.get("format"), lifting.get("prompt")
            found = read_prototype(prototype, name=name, format=format, chosen=chosen)
            folder = into or project
            if not found.draft.rows:
                need_examples(project_for(Path(folder) if folder else None, found.name), found.name)
        lifted = lift(
            prototype,
            examples,
            into=into or project,
            name=name,
            test=test,
            seed=seed,
            new_contract=new_contract,
            lm=lm,
            progress=progress,
            **lifting,
        )
        home, program = lifted.project, lifted.lifted.name
        need_examples(home, program)
    else:
        home, program = home_of(str(prototype), project), str(prototype)
    progress.say(f"project {home}")
    registry = Registry(tracking_uri(home))
    contract = load_source(home, program).contract
    if not new_contract:
        need_contract(registry, program, contract)
    compiled = compile(
        program,
        project=home,
        lm=lm,
        level=level,
        budget=budget,
        reflect_lm=reflect_lm,
        seed=seed,
        fresh=fresh,
        progress=progress,
    )
    certified = certify(
        compiled.artifact,
        project=home,
        against=against,
        prototype_answers=prototype_answers,
        test=None if lifted else test,
        out_of_scope=out_of_scope,
        lm=lm,
        other_lms=other_lms,
        quick=not full,
        progress=progress,
    )
    version, promotion = register_and_promote(
        registry, home, contract, compiled, certified, lm=lm, progress=progress
    )
    return Shipped(lifted, compiled, certified, program, version, promotion, home)


def need_contract(registry: Registry, program: str, contract: Contract) -> None:
    """Refuse a name that is registered with another contract.

    Raises:
        NameTakenError: it is.
    """
    newest = registry.reader.newest(program)
    taken = newest.tags.get("shipworthy.contract") if newest is not None else None
    if taken not in (None, contract.digest):
        raise NameTakenError(
            f"{program!r} is registered with another contract",
            hint="give another --name, or --new-contract if callers are meant to change",
        )


def register_and_promote(
    registry: Registry,
    home: Path,
    contract: Contract,
    compiled: Compiled,
    certified: Certified,
    *,
    lm: str,
    progress: Progress,
) -> tuple[int, Promotion]:
    """Make what was certified a version, and the champion if its evidence holds.

    Where somebody else moves the champion meanwhile, the version is held, and the reasons name who.

    Raises:
        RegistryError: MLflow fails.
    """
    progress.say("registering the version in MLflow")
    version = register(
        registry,
        compiled,
        contract,
        certificate=certified.page.parent,
        certificate_run=certified.run,
    )
    seen = standing(registry, compiled.name, say=progress.say).head
    try:
        done = promote_seen(registry, home, compiled.name, version, seen, lm=lm, progress=progress)
    except ConflictError as error:
        done = Promotion(
            compiled.name, seen.champion, version, certified.verdict, (error.message,), moved=False
        )
    return version, done


def with_options(recipe: Recipe, level: int | None, budget: Budget | str | None) -> Recipe:
    """The recipe with the passes of a level, and the budget, where they are given."""
    if level is not None:
        if level not in LEVELS:
            raise InputError(f"there is no level {level}", hint="use -O 1, 2 or 3")
        recipe = dataclasses.replace(recipe, passes=LEVELS[level], steps={})
    if budget:
        stated = Budget.parse(budget) if isinstance(budget, str) else budget
        recipe = dataclasses.replace(recipe, budget=stated)
    return recipe
