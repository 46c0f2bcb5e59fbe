"""Names of inputs, made of what a prototype calls the values that it puts into its text.

A prototype may call a value `self.state.mail`, `row["text"]`, `order id` or `class`; an
input needs a Python name that no other input has. Who asks twice for the same value gets
the same name, and what had to be spelled otherwise is told.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

from .draft import Unmapped
from .names import Names, field_name, problem_of_field


class SlotNames:
    """The names given so far, by what they stand for.

    Attributes:
        renamed: what is spelled otherwise than the prototype does, and why.
    """

    def __init__(self, *, taken: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        self._taken = Names(taken)
        self.renamed: dict[str, str] = {}

    def name(self, value: str, *, wanted: str | None = None) -> str:
        """The input's name for a value.

        Args:
            value: what tells it from other values: the key of a slot, or an expression.
            wanted: the name that it should have; by default the last name within `value`.
        """
        if value not in self._names:
            self._names[value] = self._new(value, last_name(value) if wanted is None else wanted)
        return self._names[value]

    def told(self, where: str) -> list[Unmapped]:
        """The renamed ones, for a draft's `unmapped`."""
        return [Unmapped(value, where, why) for value, why in self.renamed.items()]

    def _new(self, value: str, wanted: str) -> str:
        name, why = field_name(wanted), ""
        if name != wanted:
            why = _problem(wanted) or "it is no Python name"
        twin = self._taken.twin(name)
        if twin is not None:
            why = "that name is another value's" if twin == name else f"it differs from {twin} in case only"
        found = self._taken.take(name)
        if why:
            self.renamed[value] = f"renamed to {found}: {why}"
        return found


def last_name(value: str) -> str:
    """The last name of a chain such as `self.state.mail` or `row["text"]`; other text as it is."""
    chain = re.fullmatch(r"""\s*[^\W\d]\w*(?:\.\w+|\[\s*(?:"[^"\]]*"|'[^'\]]*'|[\w .-]*)\s*\])*\s*""", value)
    if not chain:
        return value.strip()
    names = re.findall(r"[^\W\d][\w -]*", value)
    return str(names[-1]).strip() if names else value.strip()


def _problem(name: str) -> str:
    if keyword.iskeyword(name):
        return "it is a Python keyword"
    problem = problem_of_field(name) if name.isidentifier() else ""
    return f"it {problem}" if problem else ""
