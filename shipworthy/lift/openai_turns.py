"""The turns of a chat as their file has them, and all of them rendered for one row.

A template of a whole file can make more messages than it has: a loop over earlier turns, a
condition around one. `RenderedTurns` renders all of it at once between marks and takes it apart,
so that what comes out are the messages of the rendered file, whatever the values hold.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import RowInputError
from ..runtime import plain_value
from .draft import Message, Role
from .jinja_dialects import Dialect
from .jinja_template import JinjaTemplate
from .rendered_json import Block, Expression, Tag

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
TEXT_PARTS = ("text", "input_text", "output_text")
LABELS = {"system": "System: ", "user": "User: ", "assistant": "Assistant: "}


@dataclass(frozen=True)
class Turn:
    """One message: its role, which may be a template, its text, and where it stands.

    Attributes:
        encoded: the text is an expression that renders to JSON.
        call: name and arguments of the function that an assistant's turn calls.
    """

    role: str
    text: str
    place: str
    encoded: bool = False
    call: tuple[str, str] | None = None


Item = Turn | Block | Tag | Expression


def text_of(content: Any) -> tuple[str, list[tuple[str, str]]]:
    """The text of a message's content, and the parts that are none: their place and type."""
    if isinstance(content, Expression):
        return content.plain, []
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    others: list[tuple[str, str]] = []
    for index, part in enumerate(content if isinstance(content, list) else [content]):
        if isinstance(part, Block):
            found = [(tag, text_of(list(items))) for tag, items in part.branches]
            texts.append("".join((*(f"{tag}{text}" for tag, (text, _) in found), part.end)))
            others += [other for _, (_, inner) in found for other in inner]
        elif isinstance(part, Tag):
            texts.append(part)
        elif isinstance(part, str):
            texts.append(part.plain if isinstance(part, Expression) else part)
        elif isinstance(part, Mapping) and part.get("type", "text") in TEXT_PARTS and "text" in part:
            texts.append(text_of(part["text"])[0])
        elif part is not None:
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            others.append((f"[{index}]", str(kind)))
    return "\n".join(texts), others


def one_template(block: Block) -> tuple[Role, str]:
    """The messages that tags stand around as one text of the same tags, each message with its speaker."""
    turns = [leaf for leaf in block.leaves() if isinstance(leaf, Turn)]
    roles = [turn.role for turn in turns]
    labelled = len(set(roles)) > 1 or any(role not in LABELS for role in roles)
    first = roles[0] if roles and roles[0] in LABELS else "user"
    return cast(Role, first), _told(block, labelled=labelled)


@functools.lru_cache(maxsize=64)
def parsed(text: str, where: str, dialect: Dialect) -> JinjaTemplate:
    """The template of a text; the same one where it is asked for again.

    Raises:
        PrototypeError: it does not parse, or does what no template may.
    """
    return JinjaTemplate(text, where=where, dialect=dialect)


@dataclass(frozen=True)
class SentTurns:
    """Messages that are the same for every row but for their slots."""

    messages: tuple[Message, ...]

    def render(self, values: Mapping[str, Any]) -> tuple[tuple[Role, str], ...]:
        """Role and text of each message of one row."""
        return tuple((message.role, message.template.render(values)) for message in self.messages)


@dataclass(frozen=True)
class RenderedTurns:
    """The messages of a template that is JSON only once rendered.

    `names`: by the template's name of an input, that under which a row has its value.
    """

    definitions: str
    items: Sequence[Item]
    where: str
    dialect: Dialect = "jinja2"

    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all inputs, as the template has them.

        Raises:
            PrototypeError: the template does not parse, or does what none may.
        """
        return tuple(self._template(_mark_outside_of({})).inputs)

    def render(self, values: Mapping[str, Any]) -> tuple[tuple[Role, str], ...]:
        """Role and text of each message of one row.

        Raises:
            RowInputError: a value is missing, the template cannot be filled with it, or what it
                makes are no messages.
        """
        mark = _mark_outside_of(values)
        given = {own: values[new] for own, new in self.names.items() if new in values}
        parts = self._template(mark).render({**values, **given}).split(mark)
        found: list[tuple[Role, str]] = []
        for kind, content in zip(parts[1::3], parts[2::3], strict=True):
            if kind == "list":
                found += self._messages(content)
            elif kind.startswith("json "):
                found.append((self._role(kind[5:]), text_of(self._json(content))[0]))
            else:
                found.append((self._role(kind[5:]), content))
        return tuple(found)

    def _template(self, mark: str) -> JinjaTemplate:
        return parsed(self.definitions + _marked(self.items, mark), self.where, self.dialect)

    def _messages(self, content: str) -> Iterable[tuple[Role, str]]:
        for one in self._json(f"[{content.strip().strip(',')}]"):
            for message in one if isinstance(one, list) else [one]:
                if not isinstance(message, Mapping):
                    raise self._wrong("a message is an object")
                yield self._role(str(message.get("role"))), text_of(message.get("content"))[0]

    def _role(self, role: str) -> Role:
        if role not in ROLES:
            raise self._wrong(f"{role!r} is no role that a prompt's message has")
        return ROLES[role]

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"a value is no JSON: {error}") from error

    def _wrong(self, message: str) -> RowInputError:
        return RowInputError(message, where=self.where)


def _marked(items: Iterable[Item], mark: str) -> str:
    texts = []
    for item in items:
        if isinstance(item, Turn):
            kind = "json" if item.encoded else "text"
            texts.append(f"{mark}{kind} {item.role}{mark}{item.text}{mark}")
        elif isinstance(item, Expression):
            texts.append(f"{mark}list{mark}{item}{mark}")
        elif isinstance(item, Block):
            inner = (f"{tag}{_marked(own, mark)}" for tag, own in item.branches)
            texts.append("".join((*inner, item.end)))
        else:
            texts.append(item)
    return "".join(texts)


def _told(item: Item, *, labelled: bool) -> str:
    if isinstance(item, Turn):
        label = LABELS.get(item.role, f"{item.role}: ") if labelled else ""
        text = Expression(item.text).plain if item.encoded else item.text
        return f"{label}{text}\n"
    if isinstance(item, Expression):
        return f"{item.plain}\n"
    if isinstance(item, Block):
        inner = (
            "".join((tag, *(_told(one, labelled=labelled) for one in own))) for tag, own in item.branches
        )
        return "".join((*inner, item.end))
    return item


def _mark_outside_of(values: Mapping[str, Any]) -> str:
    """A mark that no value holds."""
    try:
        held = json.dumps(plain_value(dict(values)), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise RowInputError(f"a value is no data: {error}") from error
    number = 0
    while f"\\u001e{number}\\u001f" in held:
        number += 1
    return f"\x1e{number}\x1f"
