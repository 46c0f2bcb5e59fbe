"""`shipworthy export`: a version to carry elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from .output import JSON, print_json, say


@click.command()
@click.argument("program")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--wheel", is_flag=True, help="A wheel in the folder OUT; implied where OUT ends in .whl.")
@click.option("--package", help="Name of the package in the wheel; by default the program's.")
@click.option("--force", is_flag=True, help="Replace an export that is there already.")
@JSON
def export(program: str, out: Path, wheel: bool, package: str | None, force: bool, as_json: bool) -> int:
    """Write a version as the folder OUT, or as a wheel to install and import.

    PROGRAM is NAME, NAME@ALIAS, NAME/VERSION or the folder of an artifact. The folder is what
    `run` takes, with the page of the certificate in it. The wheel has a package named after the
    program: `from triage import triage; triage(ticket="...").queue`, typed, verified when it is
    loaded; it needs the lean half of shipworthy alone.
    """
    from ..ship import export as write

    path = write(program, out, wheel=wheel, package=package, force=force, say=say)
    if as_json:
        print_json({"path": str(path)})
    else:
        click.echo(str(path))
    return 0
