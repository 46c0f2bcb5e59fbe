"""What a compile would spend, as the command line and notebooks ask for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ..compiler import Budget, Plan, load_source, plan_of
from ..lift import find_project
from .pipeline import with_options
from .rows import read_split
from .state import price_of


def plan(
    program: str,
    *,
    project: str | Path | None = None,
    lm: str = "local",
    level: int | None = None,
    budget: Budget | str | None = None,
    reflect_lm: str | None = None,
) -> Plan:
    """What compiling a program of the project would spend on which pass; asks no LM.

    Raises:
        InputError: program, rows or recipe cannot be used.
    """
    home = Path(project) if project else find_project(Path.cwd()) or Path.cwd()
    source = load_source(home, program)
    source = dataclasses.replace(source, recipe=with_options(source.recipe, level, budget))
    reads: dict[str, Any] = {"also": source.labels, "metric": source.recipe.metric}
    train = read_split(home, source.name, source.contract, "train", **reads)
    dev = read_split(home, source.name, source.contract, "dev", needed=False, **reads)
    price = price_of(home, lm)
    per_token = price.input / 1e6 if price else None
    return plan_of(source, train, dev, lm=lm, usd_per_token=per_token, reflects=reflect_lm is not None)
