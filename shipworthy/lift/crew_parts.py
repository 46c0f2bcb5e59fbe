"""A crew as its files state it, whatever the files: agents and tasks by name, with plain values.

A value is what JSON can hold; what only code can say is `{"python": name}`, as in CrewAI's
own JSON projects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .draft import Unmapped
from .python_syntax import Module


@dataclass
class Entry:
    """An agent or a task: its values by key, and where each of them stands."""

    name: str
    where: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """The place of a key."""
        return self.places.get(key, self.where)

    def over(self, base: Entry) -> Entry:
        """This entry with what `base` says besides; what is null here, `base` may say."""
        own = {
            key: value for key, value in self.values.items() if value is not None or key not in base.values
        }
        places = {**base.places, **{key: self.place(key) for key in own}}
        return Entry(self.name, self.where, {**base.values, **own}, places)


@dataclass
class Crew:
    """A crew.

    Attributes:
        tasks: in the order in which they run.
        settings: of the crew as a whole.
        defaults: values that an input has when none is given.
        samples: values of inputs that a script tries the crew with, by the place where it does.
        modules: the Python files that were read.
    """

    agents: Mapping[str, Entry]
    tasks: Sequence[Entry]
    settings: Entry
    defaults: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    modules: Sequence[Module] = ()
    unmapped: list[Unmapped] = field(default_factory=list)


def python_name_of(value: Any) -> str:
    """The name in `{"python": name}`, or empty."""
    named = isinstance(value, Mapping) and isinstance(value.get("python"), str)
    return str(value["python"]) if named else ""
