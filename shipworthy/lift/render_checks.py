"""The metric of a lifted recipe: `exact`, or the prototype's own assertions as `sw.Checks`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .annotations import INDENT, WIDTH, python_value, quoted
from .checks import COLUMNS, Checking


def metric_lines(checking: Checking | None, indent: str) -> list[str]:
    """The argument `metric=...` of a recipe, as a formatter with lines of 100 characters leaves it."""
    if checking is None:
        return [f'{indent}metric="exact",']
    options = []
    if checking.column != COLUMNS[0]:
        options.append(f"column={quoted(checking.column)}")
    if checking.threshold is not None:
        options.append(f"threshold={python_value(checking.threshold)}")
    options += [f"{name}=True" for name in ("whole", "labels") if getattr(checking, name)]
    shared = [check.as_json() for check in checking.shared]
    inside = ", ".join([*([python_value(shared)] if shared else []), *options])
    line = f"{indent}metric=sw.Checks({inside}),"
    if len(line) <= WIDTH:
        return [line]
    inner = indent + INDENT
    lines = laid_out(shared, inner, after=",") if shared else []
    return [
        f"{indent}metric=sw.Checks(",
        *lines,
        *(f"{inner}{option}," for option in options),
        f"{indent}),",
    ]


def laid_out(value: Any, indent: str, *, before: str = "", after: str = "") -> list[str]:
    """A JSON value as a Python literal, on one line or an item a line where that is too long."""
    line = f"{indent}{before}{python_value(value)}{after}"
    if len(line) <= WIDTH or not value or not isinstance(value, Mapping | list | tuple):
        return [line]
    inner = indent + INDENT
    if isinstance(value, Mapping):
        items = [
            laid_out(own, inner, before=f"{quoted(str(key))}: ", after=",") for key, own in value.items()
        ]
    else:
        items = [laid_out(own, inner, after=",") for own in value]
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    return [f"{indent}{before}{opening}", *(one for own in items for one in own), f"{indent}{closing}{after}"]
