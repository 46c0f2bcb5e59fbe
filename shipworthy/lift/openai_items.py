"""The messages of a request as turns, in whatever form they stand there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .openai_turns import ROLES, Item, Turn, text_of
from .rendered_json import Block, Expression, Tag

OF_MESSAGE = ("role", "content", "name", "tool_calls", "function_call", "tool_call_id", "type", "id")
EMPTY: tuple[Any, ...] = (None, [], {}, "")
EXAMPLES = {"example_user": "user", "example_assistant": "assistant"}
"""Names by which a system message says that it is a turn of an example."""


class Items:
    """Reads a request's messages.

    Attributes:
        told: what is not carried over: what, place within the request, and why.
    """

    def __init__(self, request: Mapping[str, Any], *, rendered: bool) -> None:
        """`rendered`: the request is a template, so that a role may be one."""
        self.request = request
        self.rendered = rendered
        self.told: list[tuple[str, str, str]] = []

    def all(self) -> list[Item]:
        """All messages in order; a turn of the role `tool` is told, and no part of the prompt."""
        found: list[Item] = []
        for key in ("instructions", "system"):
            if self.request.get(key) not in EMPTY:
                text = self._text(self.request[key], key)
                found.append(Turn("system", text, key))
        for key in ("messages", "input", "prompt"):
            own = self.request.get(key)
            if isinstance(own, list):
                found += self._items(own, key)
            elif isinstance(own, str):
                found.append(self._turn({"role": "user", "content": own}, key))
            elif own not in EMPTY:
                self._tell(key, key, "it is kept by the provider, and not in this file")
        return found

    def _items(self, own: Sequence[Any], place: str) -> list[Item]:
        found: list[Item] = []
        for index, item in enumerate(own):
            at = f"{place}[{index}]"
            if isinstance(item, Block):
                branches = tuple((tag, self._asked(items, at)) for tag, items in item.branches)
                found.append(Block(branches, item.end))
            elif isinstance(item, Tag):
                found.append(item)
            elif isinstance(item, Expression):
                self._tell(
                    item, at, "it stands for messages that are not in this file; it is one input, as text"
                )
                found.append(item)
            elif isinstance(item, Mapping):
                found.append(self._turn(item, at))
            elif isinstance(item, str):
                found.append(Turn("user", item, at))
            else:
                self._tell(f"a message that is {type(item).__name__}", at, "a message is an object")
        return found

    def _asked(self, own: Sequence[Any], place: str) -> tuple[Item, ...]:
        found = self._items(own, place)
        return tuple(item for item in found if not isinstance(item, Turn) or item.role != "tool")

    def _turn(self, message: Mapping[str, Any], place: str) -> Turn:
        kind = message.get("type", "message")
        if kind in ("function_call", "function_call_output", "reasoning") or "role" not in message:
            call = (
                (str(message.get("name")), str(message.get("arguments"))) if kind == "function_call" else None
            )
            if call is None:
                self._tell(f"{kind} of an earlier call", place, "recorded, no part of the prompt")
            return Turn("assistant" if call else "tool", "", place, call=call)
        role = self._role(message, place)
        content = message.get("content")
        encoded = isinstance(content, Expression) and content.encodes
        text = str(content) if encoded else self._text(content, f"{place}.content")
        for key in message:
            if key not in OF_MESSAGE and message[key] not in EMPTY:
                self._tell(str(key), f"{place}.{key}", "no part of a message that is known here")
        return Turn(role, text, place, encoded, self._call(message, place))

    def _role(self, message: Mapping[str, Any], place: str) -> str:
        said, name = str(message["role"]), message.get("name")
        if said == "system" and isinstance(name, str) and name in EXAMPLES:
            return EXAMPLES[name]
        if name not in EMPTY and said in ROLES:
            self._tell(f"name {name}", f"{place}.name", "a speaker's name is not carried over")
        if said in ROLES or (self.rendered and "{" in said):
            return ROLES.get(said, said)
        why = (
            "a recorded result of a tool, no part of the prompt"
            if said in ("tool", "function")
            else "no role that is known here, so the message is left out"
        )
        self._tell(f"role {said}", place, why)
        return "tool"

    def _call(self, message: Mapping[str, Any], place: str) -> tuple[str, str] | None:
        calls = message.get("tool_calls") or message.get("function_call")
        first = calls[0] if isinstance(calls, list) and calls else calls
        inner = first.get("function", first) if isinstance(first, Mapping) else None
        if not isinstance(inner, Mapping):
            return None
        if isinstance(calls, list) and len(calls) > 1:
            self._tell("tool_calls", f"{place}.tool_calls", "of several calls in one turn the first is read")
        arguments = inner.get("arguments", "")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return str(inner.get("name")), text

    def _text(self, content: Any, place: str) -> str:
        text, others = text_of(content)
        for at, kind in others:
            self._tell(kind, f"{place}{at}", "a message's text is read; images, audio and files are not")
        return text

    def _tell(self, what: str, place: str, why: str) -> None:
        self.told.append((what, place, why))
