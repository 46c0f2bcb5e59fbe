"""What the command line writes: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def print_error(details: Mapping[str, str], *, as_json: bool) -> None:
    """An error: as the JSON document, or in words on stderr."""
    if as_json:
        print_json({"error": dict(details)})
        return
    place = f"{details['where']}: " if details["where"] else ""
    click.secho(f"{details['type']}: {place}{details['message']}", fg="red", err=True)
    if details["hint"]:
        click.echo(f"  {details['hint']}", err=True)


def say(text: str) -> None:
    """News for a person, on stderr."""
    click.echo(text, err=True)


def percent(value: float | None) -> str:
    """A share as people read it."""
    return "" if value is None else f"{100 * value:.1f} %"


def table(headers: list[str], rows: list[list[str]]) -> str:
    """A plain table, the first column left and the others right aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([first, *others]).rstrip()

    return "\n".join([line(headers), "  ".join("-" * width for width in widths), *map(line, rows)])


def is_terminal() -> bool:
    """Whether stderr is a terminal that can be drawn on."""
    return sys.stderr.isatty()
