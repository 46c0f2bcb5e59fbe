"""The commands, each a thin coat over a function of the pipeline."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .. import __version__
from ..errors import InputError
from .diff import diff
from .export import export
from .output import JSON, percent, print_json, say, table
from .recertify import recertify
from .registry import COMMANDS

Command = TypeVar("Command", bound=Callable[..., Any])

CONTENDERS = {
    "majority": "always the commonest label",
    "tfidf_lr": "TF-IDF + logistic regression",
    "constrained": "prompt, constrained to its labels",
    "dspy_few_shot": "plain DSPy few-shot",
    "embedding_lr": "LM embedding + logistic regression",
    "crf": "conditional random field over the words",
}


PATH = click.Path(path_type=Path)


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options at once, in the order in which help lists them."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


LM = click.option(
    "--lm", default="local", show_default=True, help="local, local:PATH.gguf, or a hosted LM's id."
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Fixes every draw."
)
LIFTING = options(
    click.option("--into", type=PATH, help="The project's folder; made a project if it is none."),
    click.option("--name", help="Of the program; by default the prototype's file name."),
    click.option("--format", "format", help="Of the prototype, if it is not recognised."),
    click.option("--prompt", help="Name or line of the prompt, where a Python file holds several."),
    click.option("--inputs", help="Columns that are inputs, with commas between them."),
    click.option("--outputs", help="Columns that are outputs, with commas between them."),
    click.option("--new-contract", is_flag=True, help="Replace the program of this name."),
    click.option("--drop-contradictions", is_flag=True, help="Leave out texts with several labels."),
    click.option("--polish", is_flag=True, help="Have the LM describe what the prototype does not."),
)
COMPILING = options(
    click.option("-O", "level", type=click.IntRange(1, 3), help="Level, instead of the recipe's passes."),
    LM,
    click.option(
        "--budget",
        default="",
        help="What may be spent: calls=500,tokens=2M,usd=2.50,minutes=10; whichever ends first.",
    ),
    click.option("--reflect-lm", help="An LM that can reflect, to propose instructions at -O 3."),
    SEED,
    click.option("--fresh", is_flag=True, help="Forget what was asked of the LM before."),
)
AGAINST = options(
    click.option("--against", type=PATH, help="Another prototype to compare with."),
    click.option("--prototype-answers", type=PATH, help="JSONL: the inputs and `answer`, its raw text."),
    click.option("--out-of-scope", type=PATH, help="Rows that no label fits, which should be handed over."),
    click.option("--test", type=PATH, help="Labelled rows to test on, instead of the project's own."),
    click.option(
        "--other-lm",
        "other_lms",
        multiple=True,
        help="An LM on which the full certificate asks program and prototype too; may be repeated.",
    ),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shipworthy")
def app() -> None:
    """Turn a prompt into a program that can be shipped, with the proof."""


@app.command()
@click.argument("prototype", type=PATH)
@click.argument("examples", type=PATH, required=False)
@LIFTING
@LM
@click.option("--test", type=PATH, help="Labelled rows for the test split.")
@SEED
@JSON
def lift(prototype: Path, examples: Path | None, as_json: bool, **given: Any) -> int:
    """Turn PROTOTYPE into typed source: a signature, a program and a recipe.

    EXAMPLES (CSV or JSONL with labels) decide the types; they are copied to data/NAME/
    and split once. No LM is asked, unless to --polish.
    """
    from ..ship import lift as run

    made = run(prototype, examples, progress=_progress(as_json), **_lists(given))
    if as_json:
        print_json(made.as_json())
        return 0
    for path in made.files:
        click.echo(str(path))
    say(f"next: cd {made.project} && shipworthy ship {made.lifted.name}")
    return 0


@app.command()
@click.argument("name")
@COMPILING
@click.option(
    "--plan", "only_plan", is_flag=True, help="Show what would be spent on what, and spend nothing."
)
@JSON
def compile(name: str, level: int | None, budget: str, only_plan: bool, as_json: bool, **given: Any) -> int:
    """Compile the program NAME from its source as it stands; registers nothing."""
    from ..ship import compile as run
    from ..ship import compile_json, home_of

    home = home_of(name)
    if only_plan:
        wanted = {"lm": given["lm"], "level": level, "budget": budget, "reflect_lm": given["reflect_lm"]}
        return _show_plan(name, home, wanted, as_json)
    compiled = run(
        name,
        project=home,
        level=level,
        budget=budget,
        progress=_progress(as_json),
        **given,
    )
    if as_json:
        print_json(compile_json(compiled))
        return 0
    for note in compiled.notes:
        say(f"  {note}")
    if compiled.dev:
        say(f"dev: {percent(compiled.dev['score'])} of {compiled.dev['n']} rows ({compiled.dev['how']})")
    say(f"{compiled.lm_calls} calls, {compiled.tokens:,} tokens, {compiled.seconds:.0f} s")
    say(f"report: {compiled.report}")
    click.echo(str(compiled.artifact))
    return 0


@app.command()
@click.argument("program")
@AGAINST
@LM
@click.option("--quick", is_flag=True, help="Leave out what takes long; the page says what.")
@JSON
def certify(program: str, as_json: bool, **given: Any) -> int:
    """Certify the latest compile of PROGRAM (a name), or an artifact, on its test rows."""
    from ..ship import certify as run

    certified = run(program, progress=_progress(as_json), **given)
    if as_json:
        print_json(certified.as_json())
    else:
        _show(certified.as_json())
    return 0 if certified.verdict == "pass" else 1


@app.command()
@click.argument("prototype")
@click.argument("examples", type=PATH, required=False)
@LIFTING
@COMPILING
@AGAINST
@click.option("--full", is_flag=True, help="The full certificate instead of the quick one.")
@JSON
def ship(
    prototype: str, examples: Path | None, level: int | None, budget: str, as_json: bool, **given: Any
) -> int:
    """Lift, compile, certify, register and, if the evidence holds, promote: all in one go.

    PROTOTYPE is a prompt's file, which is lifted with EXAMPLES, or the name of a program
    in this project, which is compiled from its source as it stands.
    """
    from ..ship import ship as run

    shipped = run(
        prototype,
        examples,
        level=level,
        budget=budget,
        progress=_progress(as_json),
        **_lists(given),
    )
    if as_json:
        print_json(shipped.as_json())
    else:
        for note in shipped.compiled.notes:
            say(f"  {note}")
        _show(shipped.as_json())
        click.echo(f"report of the compile: {shipped.compiled.report}")
        _show_next(shipped)
    return 0 if shipped.status == "shipped" else 1


@app.command()
@click.argument("program")
@click.argument("file", type=PATH, required=False)
@click.option("--trace", is_flag=True, help="Add each step: prompts, raw answers, timing.")
@click.option("--json", "as_json", is_flag=True, help="No effect: run always writes JSON lines.")
def run(program: str, file: Path | None, trace: bool, as_json: bool) -> int:
    """Answer rows: a JSON line out for every row of FILE (JSONL, CSV) or stdin.

    PROGRAM is NAME, NAME@ALIAS, NAME/VERSION or the folder of an artifact.
    """
    from ..serving import Tally, answer_rows, kind_of, read_rows
    from ..ship import load

    loaded = load(program, say=say)
    tally = Tally()
    try:
        source: Any = file.open("rb") if file is not None else sys.stdin.buffer
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from error
    with source:
        peek = getattr(source, "peek", None)
        kind = kind_of(file, peek(64) if peek else b"{")
        rows = read_rows(source, str(file or "stdin"), loaded.contract, kind=kind, say=say)
        for line in answer_rows(loaded, rows, tally, trace=trace):
            print_json(line)
            sys.stdout.flush()
    return tally.exit_code


@app.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script of a shell: `eval "$(shipworthy completion bash)"`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise InputError(f"no completion for {shell}")
    click.echo(kind(app, {}, "shipworthy", "_SHIPWORTHY_COMPLETE").source())
    return 0


def _progress(as_json: bool) -> Any:
    from .progress import TerminalProgress

    return TerminalProgress()


def _lists(given: dict[str, Any]) -> dict[str, Any]:
    """`--inputs a,b` as a list."""
    for key in ("inputs", "outputs"):
        if given.get(key) is not None:
            given[key] = [part.strip() for part in given[key].split(",") if part.strip()]
    return given


def _show_plan(name: str, home: Path, wanted: dict[str, Any], as_json: bool) -> int:
    from ..ship import plan

    found = plan(name, project=home, **wanted)
    if as_json:
        print_json(found.as_json())
        return 0
    rows = [[one.name, "?" if one.calls is None else f"{one.calls:,}", one.why] for one in found.passes]
    click.echo(table(["pass", "calls", ""], rows))
    usd = "" if found.usd is None else f", US$ {found.usd:.2f}"
    if found.calls is None:
        click.echo("a pass decides itself what it spends: set a --budget")
    else:
        click.echo(f"at most {found.calls:,} calls, about {found.tokens:,} tokens{usd}, on {found.lm}")
    return 0


def _show(data: dict[str, Any]) -> None:
    """The comparison as a table, the verdict and its reasons."""
    rows = []
    entries = [("the prototype", data["prototype"])]
    entries += [(CONTENDERS[name], found) for name, found in data["baselines"].items()]
    entries.append(("compiled", data["compiled"]))
    for title, found in entries:
        if found is None:
            continue
        low, high = found["ci"]
        ms = "" if found["ms_p50"] is None else f"{found['ms_p50']:,.0f}"
        tokens = "" if found["tokens_per_call"] is None else f"{found['tokens_per_call']:,.0f}"
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append([title, percent(found["score"]), interval, str(found["n"]), ms, tokens])
    if rows:
        click.echo(table(["", "score", "95 % interval", "rows", "ms p50", "tokens"], rows))
    click.echo(f"\nverdict: {data['verdict']}")
    for reason in data["reasons"]:
        click.echo(f"  - {reason}")
    click.echo(f"certificate: {data['certificate']}")


def _show_next(shipped: Any) -> None:
    name, version = shipped.name, shipped.version
    if shipped.status == "shipped":
        click.echo(f"shipped: {name}/{version} is the champion")
    else:
        click.echo(f"held: {name}/{version} is registered, and the champion stays as it is")
    field = shipped.compiled.program.contract.inputs[0].name
    there = "" if shipped.project == Path.cwd() else f"\n  cd {shipped.project}"
    which = name if shipped.status == "shipped" else f"{name}/{version}"
    click.echo(f"""
next{there}
  open the certificate in a browser
  echo '{{"{field}": "..."}}' | shipworthy run {which}
  python: import shipworthy as sw; sw.load("{which}")({field}="...")
  mlflow ui --backend-store-uri sqlite:///mlflow.db""")


for command in (diff, export, recertify, *COMMANDS):
    app.add_command(command)
