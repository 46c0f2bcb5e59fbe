"""Calls of an LM in Python source: which they are, what they say, and what the answer must be.

Known are litellm, the OpenAI and Anthropic clients, CrewAI's `LLM.call` and `Agent.kickoff`,
and LangChain's `invoke` on a chat model. A helper that passes its parameter on to such a
call is followed one level.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .draft import Role
from .names import word_set
from .python_syntax import Function, Module, Scope, attributes, calls_in, dotted, keywords, methods, nodes_in
from .python_text import Part, resolved, text_of, value_of

CREATES = (
    "completions.create",
    "completions.parse",
    "responses.create",
    "responses.parse",
    "messages.create",
)
ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "assistant": "assistant"}
MODELS = ("response_format", "response_model", "output_type", "text_format")
ASKING = word_set(
    "completion acompletion create parse generate_content call acall kickoff kickoff_async akickoff invoke "
    "ainvoke predict"
)
"""Last names of calls that may ask an LM."""
SAID = ("messages", "input", "prompt", "contents", "query")


@dataclass(frozen=True)
class Ask:
    """One call of an LM: what is said, by role, and the class that the answer is read into."""

    call: ast.Call
    messages: tuple[tuple[Role, tuple[Part, ...]], ...]
    model: str
    tools: tuple[Mapping[str, Any], ...]
    where: str
    scope: Scope
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A class within its file, with the texts and objects that its attributes are given."""

    module: Module
    owner: ast.ClassDef
    attributes: Scope

    def asks(self, call: ast.Call, scope: Scope) -> Iterator[Ask]:
        """The calls of an LM that one call stands for: itself, or that of the helper it calls."""
        if self.is_lm(call, scope):
            yield self._ask(call, call, scope)
            return
        helper = self._helper(call)
        if helper is None or not self._may_ask(helper):
            return
        names = [one.arg for one in helper.args.args if one.arg not in ("self", "cls")]
        given = dict(zip(names, call.args, strict=False)) | keywords(call)
        bound = {name: resolved(self.module, node, scope) for name, node in given.items()}
        for own, _, names_there in calls_in(helper.body, {**scope, **bound}):
            if self.is_lm(own, names_there):
                yield self._ask(call, own, names_there)

    def is_lm(self, call: ast.Call, scope: Scope) -> bool:
        """Whether a call asks an LM."""
        origin = self.module.origin(call.func)
        last = origin.rpartition(".")[2]
        if last in ("completion", "acompletion"):
            return origin.startswith("litellm") or origin == "completion"
        if origin.endswith(CREATES) or last == "generate_content":
            return True
        if not isinstance(call.func, ast.Attribute):
            return False
        maker = resolved(self.module, call.func.value, scope)
        made = self.module.origin(maker.func) if isinstance(maker, ast.Call) else ""
        name = dotted(call.func.value).lower()
        if last in ("call", "acall"):
            return made.rpartition(".")[2] == "LLM" or "llm" in name
        if last in ("kickoff", "kickoff_async", "akickoff"):
            return made.rpartition(".")[2] in ("Agent", "LiteAgent")
        if last in ("invoke", "ainvoke", "predict"):
            return made.rpartition(".")[2].startswith("Chat") or name.rpartition(".")[2] in (
                "llm",
                "model",
                "chat",
            )
        return False

    def _helper(self, call: ast.Call) -> Function | None:
        name = dotted(call.func)
        if name.startswith("self."):
            return self._methods.get(name.removeprefix("self."))
        return self.module.functions.get(name)

    @cached_property
    def _methods(self) -> Mapping[str, Function]:
        return methods(self.owner)

    @cached_property
    def _asking(self) -> dict[int, bool]:
        return {}

    def _may_ask(self, helper: Function) -> bool:
        """Whether a function calls anything that is named as calls of an LM are."""
        if id(helper) not in self._asking:
            calls = (node.func for node in nodes_in(helper) if isinstance(node, ast.Call))
            last = (self.module.origin(func).rpartition(".")[2] for func in calls)
            self._asking[id(helper)] = not ASKING.isdisjoint(last)
        return self._asking[id(helper)]

    def _ask(self, outer: ast.Call, call: ast.Call, scope: Scope) -> Ask:
        words = keywords(call)
        messages: list[tuple[Role, tuple[Part, ...]]] = []
        maker = (
            resolved(self.module, call.func.value, scope) if isinstance(call.func, ast.Attribute) else None
        )
        model = next((dotted(resolved(self.module, words[key], scope)) for key in MODELS if key in words), "")
        if isinstance(maker, ast.Call):
            own = keywords(maker)
            messages += self._agent(own, scope)
            model = model or next((dotted(own[key]) for key in MODELS if key in own), "")
        for key in ("system", "instructions", "system_instruction"):
            if key in words:
                messages += self._text("system", words[key], scope)
        said = [words[key] for key in SAID if key in words] or list(call.args)
        for node in said:
            found = list(self._said(node, scope))
            if found:
                messages += found
                break
        given = value_of(self.module, words["tools"], scope) if "tools" in words else []
        tools = tuple(one for one in given if isinstance(one, Mapping)) if isinstance(given, list) else ()
        settings = tuple(
            f"{key}={ast.unparse(node)}"
            for key, node in words.items()
            if key in ("model", "temperature", "max_tokens")
        )
        return Ask(outer, tuple(messages), model, tools, self.module.where(outer), dict(scope), settings)

    def _agent(self, own: Mapping[str, ast.expr], scope: Scope) -> list[tuple[Role, tuple[Part, ...]]]:
        """An agent's role, backstory and goal as a system message."""
        before = {"role": "You are ", "backstory": "\n", "goal": "\nYour personal goal is: "}
        parts: list[Part] = []
        for key, words in before.items():
            text = text_of(self.module, own[key], scope) if key in own else None
            if text:
                parts += [words, *text]
        return [("system", tuple(parts))] if parts else []

    def _said(self, node: ast.expr, scope: Scope) -> Iterator[tuple[Role, tuple[Part, ...]]]:
        found = resolved(self.module, node, scope)
        if isinstance(found, ast.BinOp) and isinstance(found.op, ast.Add):
            sides = [list(self._said(side, scope)) for side in (found.left, found.right)]
            listed = [
                isinstance(resolved(self.module, side, scope), ast.List) for side in (found.left, found.right)
            ]
            if any(listed):
                yield from [one for side in sides for one in side]
                return
        if not isinstance(found, ast.List | ast.Tuple):
            yield from self._text("user", node, scope)
            return
        for item in found.elts:
            yield from self._message(resolved(self.module, item, scope), scope)

    def _message(self, item: ast.expr, scope: Scope) -> Iterator[tuple[Role, tuple[Part, ...]]]:
        if isinstance(item, ast.Dict):
            pairs = {
                str(key.value): value
                for key, value in zip(item.keys, item.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            role = value_of(self.module, pairs["role"], scope) if "role" in pairs else "user"
            content = pairs.get("content") or pairs.get("text")
        elif isinstance(item, ast.Call) and (item.args or "content" in keywords(item)):
            kind = dotted(item.func).rpartition(".")[2].lower()
            role = {"systemmessage": "system", "aimessage": "assistant"}.get(kind, "user")
            content = keywords(item).get("content") or item.args[0]
        elif isinstance(item, ast.Tuple) and len(item.elts) == 2:
            role, content = value_of(self.module, item.elts[0], scope), item.elts[1]
        else:
            role, content = "user", item
        if content is None:
            return
        content = resolved(self.module, content, scope)
        if isinstance(content, ast.List):
            for part in content.elts:
                yield from self._message(part, scope)
            return
        yield from self._text(ROLES.get(str(role), "user"), content, scope)

    def _text(self, role: Role, node: ast.expr, scope: Scope) -> list[tuple[Role, tuple[Part, ...]]]:
        parts = text_of(self.module, ast.JoinedStr([ast.FormattedValue(node, -1)]), scope)
        return [(role, parts)] if parts else []


def source_of(module: Module, owner: ast.ClassDef) -> Source:
    """A class with what its body and its `__init__` give to `self`."""
    found = {name: node for name, node in attributes(owner).items() if not name.startswith("self.state")}
    return Source(module, owner, found)


def asks_in(source: Source, body: Sequence[ast.stmt]) -> list[Ask]:
    """The calls of an LM in a body, in order, each once."""
    calls = calls_in(body, dict(source.attributes))
    return [ask for call, _, scope in calls for ask in source.asks(call, scope)]


def said_nothing(ask: Ask) -> bool:
    """Whether no word of what is asked stands in the source."""
    return not any(isinstance(part, str) and part.strip() for _, parts in ask.messages for part in parts)
