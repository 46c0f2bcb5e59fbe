"""One chat request as the draft of a step."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ..errors import PrototypeError
from ..runtime import Demo
from .draft import Draft, Message, Prompt, Role, StepDraft, Template, Turns, Unmapped
from .jinja_checks import check_size
from .jinja_dialects import Dialect
from .names import Names
from .openai_demos import Demos, Pair, pairs_of
from .openai_items import Items
from .openai_schema import ANSWER, Outputs, outputs_of, tools_of
from .openai_turns import (
    ROLES,
    Item,
    RenderedTurns,
    SentTurns,
    Turn,
    one_template,
    parsed,
)
from .pieces import Piece, Slot
from .plain_template import PlainTemplate
from .renamed_template import RenamedTemplate
from .rendered_json import Block, Expression, Tag
from .slot_names import SlotNames
from .slots import split_slots, told_slots

MEANT = (
    "messages",
    "input",
    "instructions",
    "system",
    "prompt",
    "tools",
    "functions",
    "response_format",
    "text",
)
ELSEWHERE = ("previous_response_id", "conversation")
SECRET = re.compile(r"(?i)key|token$|secret|authorization|password")
JINJA = re.compile(r"\{%|\{\{-?\s*[^\W\d]\w*\s*(?:\.\s*[^\W\d]|\||\[)[^{}]*\}\}")
A_SLOT = re.compile(r"\{\{?-?[ \t]*[^\W\d][\w .-]{0,60}-?\}")
OTHER_SLOT = re.compile(r"[$<\[]")
SINGLE = re.compile(r"\{(?<!\{\{)[^\W\d]\w*\}(?!\})")
DOUBLE = re.compile(r"\{\{-?\s*([^\W\d]\w*)\s*-?\}\}")
BETWEEN = "\n\0\n"
"""Stands between messages while all are looked at together; no message can hold it."""


class Chat:
    """A request, and what is told of it while it is read.

    Args:
        request: with its messages under `messages` or `input`.
        definitions: what stands before the JSON of a template; None where the file is plain JSON.
        where: the file, for places.
        dialect: of its templates.
    """

    def __init__(
        self, request: Mapping[str, Any], definitions: str | None, where: str, dialect: Dialect
    ) -> None:
        self.request = request
        self.definitions = definitions
        self.where = where
        self.dialect: Dialect = dialect
        self.told: list[Unmapped] = []
        self.names = SlotNames()
        items = Items(request, rendered=definitions is not None)
        self.items = items.all()
        for what, place, why in items.told:
            self._tell(what, place, why)
        texts = [item.text for item in self.items if isinstance(item, Turn)]
        self.jinja = definitions is not None or (
            any(JINJA.search(text) for text in texts) and not any(SINGLE.search(text) for text in texts)
        )
        if self.jinja:
            check_size("".join(texts), where)

    def draft(self, name: str) -> Draft:
        """The step.

        Raises:
            PrototypeError: there is no message that is asked, a schema or template is broken, or two
                tools have one name.
        """
        pairs, added = self._pairs()
        inputs = self._inputs_of(_without(self.items, pairs), added)
        outputs, told = outputs_of(self.request, where=self.where, taken=inputs)
        self.told += told
        tools, told = tools_of(self.request, where=self.where, answering=outputs.function)
        self.told += told
        demos, shown = self._demos(pairs, added, inputs, outputs)
        within = _turns_of(shown)
        asked = [item for item in self.items if id(item) in within or _says(item)]
        kept = _without(asked, shown)
        self._tell_calls(shown)
        messages = self._messages(kept, added)
        if not messages:
            raise PrototypeError("no message that is asked", hint="add a user's", where=self.where)
        stated = outputs.stated.fields if outputs.stated else ()
        prompt = Prompt(tuple(messages), sent=self._sent(asked, shown, messages, added))
        self.told += self.names.told(self.where)
        self._tell_settings()
        step = StepDraft(
            name,
            (prompt,),
            outputs=stated,
            reasons={field.name: outputs.reason for field in stated},
            demos=demos,
            tools=tools,
        )
        return Draft((step,), unmapped=tuple(dict.fromkeys(self.told)))

    # Inputs and demos

    def _pairs(self) -> tuple[list[Pair], str]:
        """Turns that may be examples, and the name of an input that is added where all users' turns are."""
        users = [i for i, item in enumerate(self.items) if isinstance(item, Turn) and item.role == "user"]
        last = self.items[-1] if self.items else None
        if isinstance(last, Turn) and last.role == "assistant" and not any(map(_has_slots, self.items)):
            pairs = pairs_of(self.items, len(self.items))
            asked = [turn for turn in _without(self.items, pairs) if isinstance(turn, Turn)]
            slots = any(isinstance(piece, Slot) for pieces in self._split(asked) for piece in pieces)
            if users and not slots and [pair.first for pair in pairs] == users:
                return pairs, "message"
        asks = self.items[users[-1]] if users else None
        if not isinstance(asks, Turn):
            return [], ""
        has_slots = not self.jinja and any(isinstance(piece, Slot) for piece in self._split([asks])[0])
        found = pairs_of(self.items, users[-1])
        return [pair for pair in found if not self._is_template(pair, asks if has_slots else None)], ""

    def _is_template(self, pair: Pair, asks: Turn | None) -> bool:
        """Whether a pair has slots, in braces or spelled as the user's last message spells its own."""
        turns = [pair.user, pair.answer]
        if any(map(_has_slots, turns)):
            return True
        if asks is None or not any(OTHER_SLOT.search(turn.text) for turn in turns):
            return False
        own = self._split([*turns, asks])[:2]
        return any(isinstance(piece, Slot) for pieces in own for piece in pieces)

    def _inputs_of(self, items: Sequence[Item], added: str) -> list[str]:
        templates = [message.template for message in self._messages(items, added, quiet=True)]
        return list(dict.fromkeys(name for template in templates for name in template.inputs))

    def _demos(
        self, pairs: list[Pair], added: str, inputs: list[str], outputs: Outputs
    ) -> tuple[tuple[Demo, ...], list[Pair]]:
        """Demos, and the pairs that they were made of; what stays a turn is told."""
        asked = (Slot(added, ""),) if added else self._asked(pairs)
        answer = Names(inputs).take(ANSWER)
        made = Demos(asked, inputs, outputs.stated, function=outputs.function, answer=answer)
        keys = made.keys(pairs)
        demos: list[Demo] = []
        shown: list[Pair] = []
        for pair in pairs:
            found = made.of(pair, keys)
            if isinstance(found, str):
                what = f"turns {pair.user.place} and {pair.answer.place}"
                self._tell(what, pair.user.place, f"they stay turns of the prompt, and are no demo: {found}")
            else:
                demos.append(found)
                shown.append(pair)
        return tuple(demos), shown

    def _asked(self, pairs: Sequence[Pair]) -> tuple[Piece, ...] | None:
        """The last user message as text and slots, or None where it is more than that."""
        left = _without(self.items, pairs)
        users = [item for item in left if isinstance(item, Turn) and item.role == "user"]
        if not users:
            return None
        if not self.jinja:
            turns = [item for item in left if isinstance(item, Turn) and item.role != "tool"]
            index = next(i for i, turn in enumerate(turns) if turn is users[-1])
            return self._split(turns)[index]
        text = users[-1].text
        if users[-1].encoded:
            text = Expression(text).plain
        names = list(DOUBLE.finditer(text))
        if len(re.findall(r"\{[{%#]", text)) != len(names):
            return None
        found: list[Piece] = []
        end = 0
        for match in names:
            found += [text[end : match.start()], Slot(self.names.name(match[1], wanted=match[1]), match[0])]
            end = match.end()
        return tuple(piece for piece in (*found, text[end:]) if piece != "")

    # Messages

    def _messages(self, items: Sequence[Item], added: str, *, quiet: bool = False) -> list[Message]:
        items = [
            item for item in items if not isinstance(item, Turn) or (item.role != "tool" and _says(item))
        ]
        found = self._jinja_messages(items) if self.jinja else self._plain_messages(items, quiet=quiet)
        if added:
            slot = Slot(added, f"{{{added}}}")
            found.append(Message("user", PlainTemplate(slot.spelling, lambda _: (slot,))))
            if not quiet:
                why = "the file ends before the message of a row: an input that follows its turns is added"
                self._tell(slot.spelling, self.where, why)
        return found

    def _plain_messages(self, items: Sequence[Item], *, quiet: bool) -> list[Message]:
        turns = [item for item in items if isinstance(item, Turn)]
        if not quiet:
            self._tell_slots(turns)
        return [
            Message(cast(Role, turn.role), PlainTemplate(turn.text, lambda _, own=pieces: own))  # type: ignore[misc]
            for turn, pieces in zip(turns, self._split(turns), strict=True)
        ]

    def _split(self, turns: Sequence[Turn]) -> list[tuple[Piece, ...]]:
        """Each text as text and slots: one way of spelling slots for all of them."""
        found: list[list[Piece]] = [[]]
        for piece in split_slots(BETWEEN.join(turn.text for turn in turns)):
            if isinstance(piece, Slot):
                found[-1].append(piece)
                continue
            first, *others = piece.split(BETWEEN)
            found[-1].append(first)
            found += [[other] for other in others]
        return [tuple(piece for piece in pieces if piece != "") for pieces in found[: len(turns)]]

    def _tell_slots(self, turns: Sequence[Turn]) -> None:
        starts = [1]
        for turn in turns:
            starts.append(starts[-1] + turn.text.count("\n") + BETWEEN.count("\n"))
        for spelling, line, why in told_slots(BETWEEN.join(turn.text for turn in turns)):
            self._tell(spelling, turns[bisect_right(starts, line, hi=len(turns)) - 1].place, why)

    def _jinja_messages(self, items: Sequence[Item]) -> list[Message]:
        found = []
        before = self.definitions or ""
        for item in items:
            if isinstance(item, Tag):
                before += item
                continue
            role, text, place = _asked_as(item)
            found.append(Message(role, self._template(f"{before}{text}", place)))
        return found

    def _template(self, text: str, place: str) -> Template:
        where = f"{self.where}: {place}" if place else self.where
        made = parsed(text, where, self.dialect)
        chosen = {own: self.names.name(own, wanted=own) for own in made.inputs}
        return RenamedTemplate(made, chosen) if any(own != new for own, new in chosen.items()) else made

    def _sent(
        self, items: Sequence[Item], shown: Sequence[Pair], messages: Sequence[Message], added: str
    ) -> Turns | None:
        """All messages as they are sent, where they are not those of the prompt."""
        if self.definitions is not None:
            return self._rendered(items)
        if not shown:
            return None
        own = iter(messages)
        within = _turns_of(shown)
        sent: list[Message] = []
        for item in items:
            if id(item) in within and isinstance(item, Turn):
                literal = PlainTemplate(item.text or (item.call or ("", ""))[1], lambda text: (text,))
                sent.append(Message(cast(Role, item.role), literal))
            else:
                sent.append(next(own))
        return SentTurns((*sent, *own) if added else tuple(sent))

    def _rendered(self, items: Sequence[Item]) -> Turns:
        turns = RenderedTurns(self.definitions or "", tuple(items), self.where, self.dialect)
        return replace(turns, names={own: self.names.name(own, wanted=own) for own in turns.inputs})

    # What is told

    def _tell(self, what: str, place: str, why: str) -> None:
        where = place if place.startswith(self.where) else f"{self.where}: {place}"
        self.told.append(Unmapped(str(what), where, why))

    def _tell_calls(self, shown: Sequence[Pair]) -> None:
        for item in _without(self.items, shown):
            if isinstance(item, Turn) and item.call:
                self._tell(f"call of {item.call[0]}", item.place, "a recorded call, no part of the prompt")

    def _tell_settings(self) -> None:
        settings = []
        for key, value in self.request.items():
            if key in ELSEWHERE:
                self._tell(key, key, "it is kept by the provider, and not in this file")
            elif key not in MEANT:
                settings.append((key, value))
            elif key in ("text", "response_format"):
                settings += _without_schema(key, value)
        if settings:
            keys = ", ".join(key for key, _ in settings)
            shown = "; ".join(_setting(key, value) for key, value in settings)
            self._tell(keys, keys, f"recorded, not carried over: {shown}")


def _asked_as(item: Item) -> tuple[Role, str, str]:
    """Role, template and place of what stands in a list of messages, as one message."""
    if isinstance(item, Block):
        role, text = one_template(item)
        places = [leaf.place for leaf in item.leaves() if isinstance(leaf, Turn)]
        return role, text, places[0] if places else ""
    if isinstance(item, Turn):
        text = Expression(item.text).plain if item.encoded else item.text
        return ROLES.get(item.role, "user"), text, item.place
    return "user", Expression(item).plain, ""


def _has_slots(item: Item) -> bool:
    """Whether an item has places in braces, or tags."""
    return not isinstance(item, Turn) or A_SLOT.search(item.text) is not None or "{%" in item.text


def _says(item: Item) -> bool:
    """Whether an item is a message that is asked; calls of tools and their results are none."""
    return not isinstance(item, Turn) or (item.role != "tool" and (item.call is None or bool(item.text)))


def _turns_of(pairs: Sequence[Pair]) -> frozenset[int]:
    """Which turns the pairs consist of, by identity."""
    return frozenset(id(turn) for pair in pairs for turn in (pair.user, pair.answer))


def _without(items: Sequence[Item], pairs: Sequence[Pair]) -> list[Item]:
    within = _turns_of(pairs)
    return [item for item in items if id(item) not in within]


def _without_schema(key: str, value: Any) -> list[tuple[str, Any]]:
    """What of the form of the answer is no schema."""
    form = value.get("format") if key == "text" and isinstance(value, Mapping) else value
    kind = form.get("type") if isinstance(form, Mapping) else form
    rest = (
        {k: v for k, v in value.items() if k != "format"}
        if key == "text" and isinstance(value, Mapping)
        else {}
    )
    found = [(f"text.{k}", v) for k, v in rest.items()]
    return found if kind in ("json_schema", "text", None) else [*found, (key, kind)]


def _setting(key: str, value: Any) -> str:
    if SECRET.search(key):
        return f"{key} (not shown)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"{key} {text[:60]}{'…' if len(text) > 60 else ''}"
