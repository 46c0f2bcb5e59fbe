"""`shipworthy recertify`: a program on another LM, and whether it may take the champion's place."""

from __future__ import annotations

from typing import Any

import click

from .output import JSON, print_json, say


@click.command()
@click.argument("name")
@click.option("--lm", required=True, help="The new one: local, local:PATH.gguf, or a hosted LM's id.")
@click.option("--anew", is_flag=True, help="Keep nothing of the champion: run all of the recipe.")
@click.option("--full", is_flag=True, help="The full certificate instead of the quick one.")
@click.option("--budget", default="", help="What compiling may spend, as for compile.")
@click.option("--reflect-lm", help="An LM that can reflect, where instructions are raced anew.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Fixes every draw.")
@click.option("--fresh", is_flag=True, help="Forget what was asked of the LM before.")
@JSON
def recertify(name: str, as_json: bool, **given: Any) -> int:
    """Compile NAME again on another LM, certify it, and promote it or hold it.

    For when a model is retired. Of the champion is kept what holds on any LM: its demos, its
    instruction, its ways to find spans. If source, recipe or rows changed since it was compiled,
    nothing is. Its own LM need not answer any more: what it said is on record.
    """
    from ..ship import recertify as run
    from .commands import _progress, _show, _show_next

    done = run(name, progress=_progress(as_json), **given)
    if as_json:
        print_json(done.as_json())
    elif done.shipped is None:
        click.echo(f"nothing to do: {done.why}")
    else:
        for note in done.shipped.compiled.notes:
            say(f"  {note}")
        _show(done.shipped.as_json())
        click.echo(f"report of the compile: {done.shipped.compiled.report}")
        _show_next(done.shipped)
    return 0 if done.status == "shipped" else 1
