"""What one call of Python sends to an LM: its messages, as parts of text.

Calls are known by what they are given (`messages=[…]`), by the names of the libraries' methods,
and by functions whose name says that they ask.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .draft import ROLES, Role
from .formatted import parse_format
from .names import word_set
from .python_syntax import Module, Scope, dotted, keywords
from .python_text import Hole, Part, resolved, text_of, value_of

MESSAGE_CLASS = re.compile(
    r"(System|Human|User|AI|Assistant|Chat)Message(?:PromptTemplate)?(\.from_template)?$"
)
LM_METHOD = word_set(
    "completion acompletion text_completion complete acomplete generate agenerate generate_content "
    "generate_content_async generate_text invoke ainvoke predict apredict chat achat"
)
BY_WORD = word_set("create acreate parse stream astream run")
LM_WORD = re.compile(
    r"(?:^|_)(?:ask|llm|gpt\d*|claude|gemini|chat|completion|(?:call|query|prompt|run)_model)(?:_|$)", re.I
)
ASKING = word_set(
    "messages prompt input contents instructions system system_prompt user_prompt system_instruction"
)
NO_SETTINGS = ASKING | word_set("tools functions response_format response_model text_format self")


@dataclass(frozen=True)
class Turn:
    """One message: its role and the parts of its text; `listed` where it is a list of messages."""

    role: Role
    parts: tuple[Part, ...]
    listed: bool = False


@dataclass
class Site:
    """One call of an LM, or one template of LangChain's.

    Attributes:
        turns: its messages.
        call: the call, for its place and its settings.
        line: on which its text stands.
        function: in which the prompt is put together, or empty.
        target: the name that is given to the answer, or empty.
        scope: names as they were.
        reads: the earlier answer that a hole is, by the hole's `id`.
    """

    turns: tuple[Turn, ...]
    call: ast.Call
    line: int
    function: str
    scope: Scope
    target: str = ""
    told: list[tuple[str, str]] = field(default_factory=list)
    reads: dict[int, Answer] = field(default_factory=dict)

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """Role and text of each message, holes by their source: equal where two calls send the same."""
        return tuple(
            (turn.role, "".join(one if isinstance(one, str) else f"{{{one.spelling}}}" for one in turn.parts))
            for turn in self.turns
        )

    @property
    def words(self) -> int:
        """How many words of its own it has."""
        texts = [part for turn in self.turns for part in turn.parts if isinstance(part, str)]
        return sum(len(re.findall(r"[^\W\d_]{2,}", text)) for text in texts)


@dataclass(frozen=True)
class Answer:
    """What an expression takes from an earlier call: the whole, or a field of it."""

    site: Site
    field: str = ""


@dataclass(frozen=True)
class Messages:
    """Reads the messages of calls in one module.

    Attributes:
        made: texts that calls of the module's own functions give, by `id` of the call.
        added: what was appended to a list, by the list's name.
    """

    module: Module
    made: Mapping[int, tuple[Part, ...]]
    added: Mapping[str, list[ast.expr]]

    def asked(self, call: ast.Call, scope: Scope, function: str, target: str) -> Site | None:
        """What a call sends, or None where it asks no LM."""
        words = keywords(call)
        last = call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)
        named = last in LM_METHOD or LM_WORD.search(last) is not None
        by_word = last in BY_WORD and "model" in words
        if not (is_template(call) or "messages" in words or named or by_word):
            return None
        site = Site((), call, call.lineno, function, dict(scope), target)
        if is_template(call):
            turns = self._template(call, last, scope, site)
        elif "messages" in words:
            turns = [*self._texts(words, scope, ("system",)), *self._listed(words["messages"], scope, site)]
        elif named:
            turns = [*self._by_word(words, scope, site), *self._first(call, scope, site)]
        else:
            turns = self._by_word(words, scope, site)
        site.turns = tuple(turn for turn in turns if turn.parts)
        lines = [
            part.node.lineno
            for turn in turns
            for part in turn.parts
            if isinstance(part, Hole) and hasattr(part.node, "lineno")
        ]
        site.line = min([call.lineno, *lines]) if lines and min(lines) > call.lineno else call.lineno
        return site if site.turns else None

    def _texts(self, words: Mapping[str, ast.expr], scope: Scope, keys: Sequence[str]) -> list[Turn]:
        found = []
        for key in keys:
            parts = self._parts(words[key], scope) if key in words else None
            if parts:
                role: Role = "user" if key in ("prompt", "input", "contents", "user_prompt") else "system"
                found.append(Turn(role, parts))
        return found

    def _by_word(self, words: Mapping[str, ast.expr], scope: Scope, site: Site) -> list[Turn]:
        """Texts and lists of messages that a call takes by name."""
        keys = ("system", "system_prompt", "system_instruction", "instructions")
        found = self._texts(words, scope, keys)
        for key in ("input", "contents", "prompt", "user_prompt"):
            if key in words:
                listed = self._listed(words[key], scope, site)
                found += listed or self._texts(words, scope, (key,))
        return found

    def _first(self, call: ast.Call, scope: Scope, site: Site) -> list[Turn]:
        """The text or the list of messages that a call takes first."""
        if not call.args:
            return []
        listed = self._listed(call.args[0], scope, site)
        parts = self._parts(call.args[0], scope)
        return listed or ([Turn("user", parts)] if parts else [])

    def _parts(self, node: ast.expr, scope: Scope) -> tuple[Part, ...] | None:
        found = text_of(self.module, node, scope, made=self.made)
        if found is None and isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return (Hole(resolved(self.module, node, scope), said=dotted(node)),)
        return found

    def _listed(self, node: ast.expr, scope: Scope, site: Site) -> list[Turn]:
        """The messages of a list; a list that only runs know is one turn."""
        name = dotted(node)
        own = resolved(self.module, node, scope)
        added = self.added.get(name, [])
        if isinstance(own, ast.BinOp) and isinstance(own.op, ast.Add):
            both = [*self._listed(own.left, scope, site), *self._listed(own.right, scope, site)]
            return [*both, *(turn for item in added for turn in self._message(item, scope, site))]
        if not isinstance(own, ast.List | ast.Tuple):
            is_list = bool(added) or (
                isinstance(own, ast.Name | ast.Attribute | ast.ListComp | ast.Call) and _like_turns(name)
            )
            first = [Turn("user", (Hole(own, said=name),), True)] if is_list else []
            return [*first, *(turn for item in added for turn in self._message(item, scope, site))]
        return [turn for item in [*own.elts, *added] for turn in self._message(item, scope, site)]

    def _message(self, node: ast.expr, scope: Scope, site: Site) -> list[Turn]:
        if isinstance(node, ast.Starred):
            inner = resolved(self.module, node.value, scope)
            if isinstance(inner, ast.List | ast.Tuple):
                return self._listed(inner, scope, site)
            return [Turn("user", (Hole(inner, said=dotted(node.value) or "history"),), True)]
        node = resolved(self.module, node, scope)
        role: ast.expr | None = None
        content: ast.expr | None = None
        if isinstance(node, ast.Dict):
            named = {
                key.value: own
                for key, own in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            role, content = named.get("role"), named.get("content", named.get("parts"))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            role, content = node.elts
        elif isinstance(node, ast.Call):
            match = MESSAGE_CLASS.search(dotted(node.func))
            if match is None:
                return []
            words = keywords(node)
            role = ast.Constant(match[1].lower())
            content = words.get("content", words.get("template", node.args[0] if node.args else None))
        if content is None:
            return []
        named_role = value_of(self.module, role, scope) if role is not None else "user"
        known = ROLES.get(str(named_role).lower())
        if known is None:
            site.told.append(
                (
                    f"role {ast.unparse(role) if role else ''}",
                    "no role of a prompt's; its text is put as the user's",
                )
            )
        parts = self._content(content, scope, site)
        return [Turn(known or "user", parts)] if parts else []

    def _content(self, node: ast.expr, scope: Scope, site: Site) -> tuple[Part, ...]:
        own = resolved(self.module, node, scope)
        if not isinstance(own, ast.List):
            return self._parts(node, scope) or (Hole(own, said=dotted(node)),)
        found: list[Part] = []
        for item in own.elts:
            words = value_keys(item)
            text = words.get("text", item)
            parts = text_of(self.module, text, scope, made=self.made)
            if parts is None:
                kind = words.get("type")
                site.told.append(
                    (
                        value_of(self.module, kind, scope) if kind else ast.unparse(item)[:40],
                        "a part that is no text",
                    )
                )
            else:
                found += [*(["\n"] if found else []), *parts]
        return tuple(found)

    def _template(self, call: ast.Call, last: str, scope: Scope, site: Site) -> list[Turn]:
        """LangChain's templates: format strings, whose keys are the inputs."""
        words = keywords(call)
        if last == "from_messages" and call.args:
            turns = self._listed(call.args[0], scope, site)
        else:
            text = words.get("template", call.args[0] if call.args else None)
            parts = text_of(self.module, text, scope, made=self.made) if text is not None else None
            turns = [Turn("user", parts)] if parts else []
        format = (
            value_of(self.module, words["template_format"], scope)
            if "template_format" in words
            else "f-string"
        )
        return [Turn(turn.role, tuple(keyed(turn.parts, str(format))), turn.listed) for turn in turns]


def keyed(parts: Sequence[Part], format: str = "f-string") -> Iterator[Part]:
    """The text of a format string as text and holes, each named by its key."""
    for part in parts:
        if isinstance(part, Hole) or format != "f-string":
            yield part
            continue
        for piece in parse_format(part).parts:
            if isinstance(piece, str):
                yield piece
            else:
                yield Hole(ast.Name(piece.key), piece.key, "", piece.spec, piece.conversion)


def value_keys(node: ast.expr) -> dict[str, ast.expr]:
    """The values of a dict that is written out, by key."""
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}


def is_template(call: ast.Call) -> bool:
    """Whether a call makes one of LangChain's templates."""
    last = call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)
    return last in ("from_messages", "from_template") or last.endswith("PromptTemplate")


def _like_turns(name: str) -> bool:
    return bool(re.search(r"messages|history|turns|conversation|chat", name, re.I))
