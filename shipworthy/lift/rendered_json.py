"""Templates that are JSON only once they are rendered.

A template's tags may stand inside of strings (`"content": "{{ question }}"`), in place of a value
(`"content": {{ question | tojson }}`), or around the items of a list and the pairs of an object
(`{% for turn in history %} … {% endfor %}`). The text is read as JSON with those tags in it: strings
become templates, and what tags stand around in a list becomes a `Block`. Commas are not counted,
since loops and conditions make them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import PrototypeError
from .jinja_checks import check_size, no_template
from .strict_json import NO_CHARACTER, place_of

PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
BARE = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
DELIMITER = re.compile(r"\{[{%#]")
ENCODING = re.compile(r"\s*\|\s*(?:tojson|to_json|dump|json)\s*(?:\([^()]*\))?\s*\}\}$")
MIDDLES = ("else", "elif", "elseif")
ALONE = ("set", "do", "break", "continue")
FILES = ("include", "import", "from", "extends", "block")
MAX_DEPTH = 60


class Tag(str):
    """A statement that stands for itself, such as `{% set x = 1 %}`."""

    __slots__ = ()


class Expression(str):
    """An expression in place of a value: it renders to JSON."""

    __slots__ = ()

    @property
    def encodes(self) -> bool:
        """Whether it makes JSON of its value itself."""
        return ENCODING.search(self) is not None

    @property
    def plain(self) -> str:
        """The expression without its last filter where that makes JSON."""
        return ENCODING.sub(" }}", self)


@dataclass(frozen=True)
class Block:
    """Items of a list that tags stand around: each opening tag with what follows it, and the last tag."""

    branches: tuple[tuple[str, tuple[Any, ...]], ...]
    end: str

    @property
    def loops(self) -> bool:
        """Whether its items come once for each of something."""
        return re.match(r"\{%\s*for\b", self.branches[0][0]) is not None

    def leaves(self) -> Iterator[Any]:
        """All items, those of inner blocks too."""
        for _, items in self.branches:
            for item in items:
                yield from item.leaves() if isinstance(item, Block) else (item,)


def read_rendered(text: str, *, where: str) -> tuple[str, Any]:
    """Definitions that the whole template uses, such as macros, and the JSON with its templates.

    Raises:
        PrototypeError: it is no template, reads files, or is no JSON around its tags.
    """
    parser = _Parser(re.sub(r"\r\n?", "\n", text), where)
    before = parser.tags()
    value = parser.value(0)
    parser.tags()
    if parser.peek():
        raise parser.wrong("more follows where the JSON has ended")
    return "".join((*parser.definitions, *before)), value


@dataclass(frozen=True)
class _Chunk:
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, text: str, where: str) -> None:
        check_size(text, where)
        self.text = text
        self.where = where
        self.definitions: list[str] = []
        self.chunks = self._without_definitions(self._chunks())
        self.index = 0
        self.offset = 0

    # Reading JSON

    def value(self, depth: int) -> Any:
        """The next value."""
        sign = self.peek()
        if sign == "[":
            return self._items(depth)
        if sign == "{":
            return self._object(depth + 1)
        if sign == '"':
            return self._string()
        if sign == "value":
            return Expression(self._take())
        if sign == "block":
            return self._chosen(depth)
        bare = BARE.match(self.chunks[self.index].text, self.offset) if sign else None
        if bare is None:
            raise self.wrong("a JSON value is expected")
        self.offset = bare.end()
        return json.loads(bare[0])

    def tags(self) -> list[str]:
        """Statements that stand for themselves."""
        found = []
        while self.peek() == "block" and self._word() in ALONE:
            found.append(self._take())
        return found

    def peek(self) -> str:
        """The next sign of the JSON, `value` or `block` for a tag, or empty at the end."""
        while self.index < len(self.chunks):
            chunk = self.chunks[self.index]
            if chunk.kind not in ("text", "raw"):
                return chunk.kind
            while self.offset < len(chunk.text) and chunk.text[self.offset] in " \t\n\r":
                self.offset += 1
            if self.offset < len(chunk.text):
                return chunk.text[self.offset]
            self._next()
        return ""

    def wrong(self, message: str) -> PrototypeError:
        """The error at the present place."""
        last = self.chunks[min(self.index, len(self.chunks) - 1)] if self.chunks else None
        at = len(self.text) if last is None or self.index >= len(self.chunks) else last.at + self.offset
        return PrototypeError(
            f"the template is no JSON once rendered: {message}",
            hint="mend it there",
            where=place_of(self.text, at, where=self.where),
        )

    def _items(self, depth: int) -> list[Any]:
        self.offset += 1
        found = self._until(depth, "start")
        self.offset += 1
        return found

    def _until(self, depth: int, after: str) -> list[Any]:
        """Items up to the end of the list, or to a tag that goes on with or ends the block around them.

        `after`: what stands before: `start`, an `item`, a `comma`, or a `tag`, next to which a comma
        may be there or not.
        """
        found: list[Any] = []
        self._check_depth(depth)
        while True:
            sign = self.peek()
            if sign == "block" and self._goes_on():
                return found
            if sign == "]" and after != "comma":
                return found
            if sign == "block" and self._word() in ALONE:
                found.append(Tag(self._take()))
                after = "tag"
            elif sign == "block":
                block = self._block(lambda: self._until(depth + 1, "tag"))
                if any(items for _, items in block.branches):
                    found.append(block)
                after = "tag"
            elif sign == ",":
                after = self._comma(after)
            else:
                found.append(self._after(after, depth))
                after = "item"

    def _comma(self, after: str) -> str:
        if after in ("start", "comma"):
            raise self.wrong("a comma too many")
        self.offset += 1
        return "comma"

    def _after(self, after: str, depth: int) -> Any:
        if after == "item":
            raise self.wrong("a comma is expected")
        return self.value(depth + 1)

    def _block(self, inner: Callable[[], list[Any]]) -> Block:
        branches = [(self._take(), tuple(inner()))]
        while self.peek() == "block":
            word = self._word()
            tag = self._take()
            if word not in MIDDLES:
                return Block(tuple(branches), tag)
            branches.append((tag, tuple(inner())))
        raise self.wrong("a block is not closed")

    def _object(self, depth: int) -> dict[str, Any]:
        self.offset += 1
        found = self._pairs(depth, "start")
        if self.peek() != "}":
            raise self.wrong("a key or } is expected")
        self.offset += 1
        return found

    def _pairs(self, depth: int, after: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._check_depth(depth)
        while True:
            sign = self.peek()
            if sign == ",":
                after = self._comma(after)
                continue
            if sign == "block" and not self._goes_on():
                new = self._pairs_of(self._block(lambda: [self._pairs(depth + 1, "tag")]))
                after = "tag"
            elif sign == '"':
                new = self._pair(depth, after)
                after = "item"
            elif after == "comma" and sign == "}":
                raise self.wrong("a comma too many")
            else:
                return found
            for key in new:
                if key in found:
                    raise self.wrong(f"the key {key!r} stands twice in one object")
            found.update(new)

    def _pair(self, depth: int, after: str) -> dict[str, Any]:
        if after == "item":
            raise self.wrong("a comma is expected")
        key = self._string()
        if self.peek() != ":":
            raise self.wrong("a colon is expected")
        self.offset += 1
        return {key: self.value(depth)}

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self.wrong("nested too deeply")

    def _pairs_of(self, block: Block) -> dict[str, Any]:
        """What tags stand around in an object: for each key, a template of the same tags."""
        keys = dict.fromkeys(key for _, (pairs,) in block.branches for key in pairs)
        return {
            key: self._joined([(tag, pairs.get(key, "")) for tag, (pairs,) in block.branches], block.end)
            for key in keys
        }

    def _chosen(self, depth: int) -> str:
        """A value that a condition chooses, as one template."""
        block = self._block(lambda: [self.value(depth + 1)])
        return self._joined([(tag, value) for tag, (value,) in block.branches], block.end)

    def _joined(self, branches: list[tuple[str, Any]], end: str) -> str:
        texts = []
        for tag, value in branches:
            if isinstance(value, dict | list):
                raise self.wrong("a condition may choose texts and messages, and nothing larger")
            plain = value.plain if isinstance(value, Expression) else value
            texts.append(f"{tag}{plain if isinstance(plain, str) else json.dumps(plain)}")
        return "".join((*texts, end))

    def _string(self) -> str:
        self.offset += 1
        parts: list[str] = []
        static = ""
        while self.index < len(self.chunks):
            chunk = self.chunks[self.index]
            if chunk.kind not in ("text", "raw"):
                parts += [self._decoded(static), self._take()]
                static = ""
            elif self.offset >= len(chunk.text):
                self._next()
            elif chunk.text[self.offset] == '"':
                self.offset += 1
                return "".join((*parts, self._decoded(static)))
            else:
                found = PLAIN.match(chunk.text, self.offset) or ESCAPE.match(chunk.text, self.offset)
                if found is None:
                    raise self.wrong("a line break, or a sign that must be escaped, in a string")
                static += found[0]
                self.offset = found.end()
        raise self.wrong("a string is not closed")

    def _decoded(self, static: str) -> str:
        text: str = json.loads(f'"{static}"')
        if NO_CHARACTER.search(text):
            raise self.wrong("a string holds what is no character")
        return f"{{% raw %}}{text}{{% endraw %}}" if DELIMITER.search(text) else text

    # Tags

    def _word(self) -> str:
        return _word_of(self.chunks[self.index].text)

    def _goes_on(self) -> bool:
        return self._word() in MIDDLES or self._word().startswith("end")

    def _take(self) -> str:
        text = self.chunks[self.index].text
        self._next()
        return text

    def _next(self) -> None:
        self.index += 1
        self.offset = 0

    def _chunks(self) -> list[_Chunk]:
        """The text as Jinja's own lexer takes it apart; white space that tags take away is gone."""
        from jinja2 import Environment, TemplateSyntaxError

        found: list[_Chunk] = []
        at = 0
        tag: list[str] = []
        in_raw = False
        try:
            for line, kind, value in Environment(keep_trailing_newline=True).lex(self.text):
                at = max(self.text.find(value, at), at)
                if kind == "data":
                    found.append(_Chunk("raw" if in_raw else "text", value, at))
                elif kind in ("raw_begin", "raw_end"):
                    in_raw = kind == "raw_begin"
                elif kind in ("variable_begin", "block_begin"):
                    tag = ["{{" if kind == "variable_begin" else "{%"]
                    start = at
                elif kind in ("variable_end", "block_end"):
                    closing = "}}" if kind == "variable_end" else "%}"
                    whole = "".join((*tag, closing))
                    found.append(_Chunk("value" if closing == "}}" else "block", whole, start))
                    self._check(found[-1], line)
                elif not kind.startswith("comment"):
                    tag.append(value)
                at += len(value)
        except TemplateSyntaxError as error:
            raise no_template(error, self.where) from error
        return found

    def _check(self, chunk: _Chunk, line: int) -> None:
        if chunk.kind == "block" and _word_of(chunk.text) in FILES:
            raise PrototypeError(
                f"{chunk.text} reads another file",
                hint="write what it reads into this file",
                where=f"{self.where}:{line}",
            )

    def _without_definitions(self, chunks: list[_Chunk]) -> list[_Chunk]:
        """Macros and texts that are set are no part of the JSON; they go before each template."""
        found = []
        closing = ""
        for chunk in chunks:
            word = _word_of(chunk.text) if chunk.kind == "block" else ""
            if not closing and (word == "macro" or (word == "set" and "=" not in chunk.text)):
                closing = f"end{word}"
            if closing:
                self.definitions.append(chunk.text)
                closing = "" if word == closing else closing
            else:
                found.append(chunk)
        return found


def _word_of(tag: str) -> str:
    found = re.match(r"\{%\s*(\w+)", tag)
    return found[1] if found else ""
