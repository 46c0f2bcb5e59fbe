"""What an LM is asked with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """A chat prompt, static part first, so that a cache of the prefix serves every row.

    `system` and `turns` are the same for every row of a program, and `lead` is so for many of
    its rows; `user` is the row's own text. Both are data: control tokens spelled out in them
    stay text.

    Attributes:
        system: the instruction, or empty.
        turns: earlier (user, assistant) exchanges, the demos.
        lead: how the user turn begins, before the row's own text: the first input's name, and
            its value where that stands in many rows.
        user: the row's own text.
    """

    system: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    lead: str = ""
    user: str = ""

    def messages(self) -> list[dict[str, str]]:
        """As chat messages."""
        found = [{"role": "system", "content": self.system}] if self.system else []
        for user, assistant in self.turns:
            found += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        return [*found, {"role": "user", "content": self.lead + self.user}]
