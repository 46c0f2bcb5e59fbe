"""What the pages of this room share: their templates, with autoescape on, and the scale of a plot."""

from __future__ import annotations

import math
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from . import words

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FILTERS = (
    words.percent,
    words.interval,
    words.at_least,
    words.points,
    words.count,
    words.milliseconds,
    words.rate,
    words.dollars,
    words.level,
    words.probability,
    words.shown,
)


def template(name: str) -> Template:
    """A template of this room by its file's name."""
    return _environment().get_template(name)


def round_marks(low: float, high: float) -> list[float]:
    """Round marks from below `low` to above `high`, none above 1, at most seven."""
    step = next((step for step in (0.02, 0.05, 0.1, 0.2) if (high - low) / step <= 5), 0.5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    if last * step > 1:
        first, last = min(first, round(1 / step) - 1), round(1 / step)
    return [round(mark * step, 4) for mark in range(first, last + 1)]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: resources.files(__package__).joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in FILTERS})
    return environment
