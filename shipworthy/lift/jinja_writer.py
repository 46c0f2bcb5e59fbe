"""Messages written as Jinja templates, word by word, so that every word stays a word.

What reads as a tag of Jinja in somebody's words is marked as text; within a partial, each line
is indented as the partial's tag is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import PrototypeError
from .draft import Role
from .mustache import raw

MAX_TEXT = 10_000_000


@dataclass
class JinjaWriter:
    """What is written so far.

    Attributes:
        where: the prompt's file, for messages.
        messages: those that have ended: role and text.
        role: of the message that is being written.
        line_begins: whether the next words are the first of a line of a partial.
    """

    where: str
    messages: list[tuple[Role, str]] = field(default_factory=list)
    role: Role = "user"
    line_begins: bool = False
    _parts: list[tuple[bool, str]] = field(default_factory=list)
    _indent: str = ""
    _size: int = 0

    def words(self, text: str) -> None:
        """Text as it stands.

        Raises:
            PrototypeError: the prompt is over 10 MB by now.
        """
        if self._indent and text:
            before = self._indent if self.line_begins else ""
            self.line_begins = text.endswith("\n")
            text = before + re.sub(r"\n(?=.)", f"\n{self._indent}", text, flags=re.S)
        self._size += len(text)
        if self._size > MAX_TEXT:
            raise PrototypeError(
                "with its partials the prompt is over 10 MB", hint="insert fewer partials", where=self.where
            )
        self._parts.append((False, text))

    def tag(self, code: str) -> None:
        """A `{% … %}` by what stands in it."""
        self._parts.append((True, f"{{% {code} %}}"))

    def value(self, code: str) -> None:
        """A `{{ … }}` by what stands in it."""
        if self._indent and self.line_begins:
            self.line_begins = False
            self._parts.append((False, self._indent))
        self._parts.append((True, f"{{{{ {code} }}}}"))

    def mark(self) -> int:
        """The place that is reached, for `insert_tags`."""
        return len(self._parts)

    def insert_tags(self, at: int, codes: list[str]) -> None:
        """Tags at a place that was marked."""
        self._parts[at:at] = [(True, f"{{% {code} %}}") for code in codes]

    def message_ends(self, following: Role) -> None:
        """What was written is a message, unless it is blank; what follows has another role."""
        text = self._text()
        if text.strip():
            self.messages.append((self.role, text))
        self._parts = []
        self.role = following

    @contextmanager
    def indented(self, indent: str) -> Iterator[None]:
        """What is written within is indented, each line of it."""
        self.words(indent)
        before, self._indent, self.line_begins = self._indent, self._indent + indent, False
        yield
        self._indent = before

    def _text(self) -> str:
        """Neighbouring words are one stretch, so that a tag in two halves is seen."""
        found: list[str] = []
        words: list[str] = []
        for is_tag, text in self._parts:
            if is_tag:
                found += [raw("".join(words)), text]
                words = []
            else:
                words.append(text)
        return "".join([*found, raw("".join(words))])
