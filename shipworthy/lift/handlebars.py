"""Handlebars as Dotprompt writes it, taken apart: text, values, blocks and partials.

The grammar is that of Handlebars 4, `\\{{` for braces that are text included. Raw blocks,
decorators and blocks of partials are refused. Nothing is rendered here; see
`handlebars_to_jinja`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from ..errors import PrototypeError
from .handlebars_nodes import Block, Call, Comment, Expression, Literal, Node, Partial, Path, Show, Text
from .handlebars_space import trim
from .jinja_checks import check_size

MAX_DEPTH = 50


def parse_handlebars(text: str, *, where: str, first_line: int = 1) -> list[Node]:
    """The nodes of a template, white space trimmed as Handlebars trims it.

    Args:
        text: the template.
        where: its file, for messages.
        first_line: the line of the file on which the template begins.

    Raises:
        PrototypeError: a tag is not closed, opens what nothing closes, or is none that is read
            here; `where` says the line. Or there are over 5,000.
    """
    check_size(text, where)
    parser = _Parser(text, where, first_line)
    nodes, end = parser.program(0)
    if end is not None:
        parser.fail(end.line, f"{end.text} closes nothing that is open")
    trim(nodes)
    return nodes


@dataclass(frozen=True)
class _Tag:
    """A mustache tag: its sigil, what stands inside, and whether it trims before and after."""

    sigil: str
    inside: str
    text: str
    line: int
    trims: tuple[bool, bool]


QUOTED_OR_END = re.compile(
    r"""(?P<end>~?\}\})|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\[(?:\\.|[^\]\\])*\]|(?P<open>["'\[])""", re.S
)
BRACES = re.compile(r"\\{0,2}\{\{")
COMMENT = re.compile(r"\{\{~?!(?:--.*?--~?\}\}|.*?\}\})", re.S)
ELSE = re.compile(r"\s*else\b")
SIGILS = ("#>", "#*", "#", "/", "^", ">", "&", "*")


class _Parser:
    def __init__(self, text: str, where: str, first_line: int) -> None:
        self.text = text
        self.where = where
        self.first_line = first_line
        self.ends = [found.start() for found in re.finditer("\n", text)]
        self.tokens = list(self._tokens())
        self.at = 0

    def program(self, depth: int) -> tuple[list[Node], _Tag | None]:
        """Nodes up to a tag that ends them (`{{else}}`, `{{/name}}`), which is handed back."""
        nodes: list[Node] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if not isinstance(token, _Tag):
                nodes.append(token)
            elif token.sigil in ("/", "else"):
                return nodes, token
            else:
                nodes.append(self._node(token, depth))
        return nodes, None

    def fail(self, line: int, problem: str, hint: str = "correct the template") -> NoReturn:
        """Refuse the template, with the line."""
        raise PrototypeError(problem, hint=hint, where=f"{self.where}:{line}")

    def _node(self, tag: _Tag, depth: int) -> Node:
        if tag.sigil in ("#>", "#*", "*", "{{{{"):
            self.fail(tag.line, f"{tag.text} is not read", "write it without decorators and raw blocks")
        if tag.sigil in ("#", "^"):
            return self._block(tag, depth)
        call, names = self._call(tag)
        if names:
            self.fail(tag.line, f"{tag.text}: only a block names its parameters")
        if tag.sigil == ">":
            return Partial(call, tag.line, tag.trims)
        return Show(call, tag.line, tag.trims)

    def _block(self, tag: _Tag, depth: int) -> Block:
        if depth > MAX_DEPTH:
            self.fail(tag.line, f"blocks are nested more than {MAX_DEPTH} deep", "write fewer levels")
        call, names = self._call(tag)
        block = Block(call, tag.line, names, inverted=tag.sigil == "^", opened=tag.trims)
        block.body, end = self.program(depth + 1)
        if end is not None and end.sigil == "else":
            end = self._otherwise(block, end, depth)
        if end is None:
            self.fail(tag.line, f"{tag.text} is never closed", f"end it with {{{{/{_name_of(call)}}}}}")
        if _name_of(self._call(end)[0]) != _name_of(call):
            self.fail(end.line, f"{end.text} closes {tag.text} of line {tag.line}")
        block.closed = end.trims
        return block

    def _otherwise(self, block: Block, tag: _Tag, depth: int) -> _Tag | None:
        """What follows `{{else}}`, or `{{else if …}}`, a block of its own with the same end."""
        block.divided = tag.trims
        if not tag.inside:
            block.otherwise, end = self.program(depth + 1)
            if end is not None and end.sigil == "else":
                self.fail(end.line, f"{end.text} follows another {{{{else}}}}")
            return end
        call, names = self._call(tag)
        inner = Block(call, tag.line, names, opened=tag.trims)
        inner.body, end = self.program(depth + 1)
        if end is not None and end.sigil == "else":
            if depth > MAX_DEPTH:
                self.fail(tag.line, f"more than {MAX_DEPTH} branches", "write fewer")
            end = self._otherwise(inner, end, depth + 1)
        if end is not None:
            inner.closed = end.trims
        block.otherwise, block.chained = [inner], True
        return end

    def _call(self, tag: _Tag) -> tuple[Call, tuple[str, ...]]:
        return _Expressions(self, tag).whole()

    def _tokens(self) -> Iterator[_Tag | Text | Comment]:
        """Stretches of text, comments, and tags, in order."""
        at = 0
        while at < len(self.text):
            start = self.text.find("{{", at)
            if start < 0:
                yield self._words(self.text[at:], at)
                return
            before = self.text[at:start]
            if before.endswith("\\") and not before.endswith("\\\\"):
                yield self._words(before[:-1], at)
                end = self._end_of_escaped(start)
                yield self._words(self.text[start:end], start)
                at = end
                continue
            words = before[:-1] if before.endswith("\\\\") else before
            if words:
                yield self._words(words, at)
            token, at = self._tag(start)
            yield token

    def _end_of_escaped(self, start: int) -> int:
        """Escaped braces are text up to the next braces, or the backslashes before these."""
        found = BRACES.search(self.text, start + 2)
        return found.start() if found else len(self.text)

    def _words(self, words: str, at: int) -> Text:
        return Text(words, self._line(at))

    def _line(self, at: int) -> int:
        return self.first_line + bisect_right(self.ends, at - 1)

    def _tag(self, start: int) -> tuple[_Tag | Comment, int]:
        line = self._line(start)
        comment = COMMENT.match(self.text, start)
        if comment:
            trims = (self.text.startswith("{{~", start), comment[0].endswith("~}}"))
            return Comment(line, trims), comment.end()
        if self.text.startswith("{{{{", start):
            self.fail(line, "raw blocks in {{{{ are not read", "escape braces as \\{{")
        before = self.text.startswith("~", start + 2)
        inner = start + 2 + before
        triple = self.text.startswith("{", inner)
        if triple:
            inner += 1
        found = (found for found in QUOTED_OR_END.finditer(self.text, inner) if found.lastgroup)
        closed = next(found, None)
        braced = triple and closed is not None and self.text[closed.start() - 1] == "}"
        if (
            closed is None
            or closed["open"]
            or (triple and not braced and self.text[closed.end() : closed.end() + 1] != "}")
        ):
            shown = self.text[start : start + 40].split("\n")[0]
            self.fail(line, f"{shown!r} is never closed", "end it with as many braces; write \\{{ for braces")
        # `{{{x}}}` has its third brace at the end, `{{{x}~}}` before the tilde.
        end = closed.end() + (triple and not braced)
        sigil, inside = self._sigil(self.text[inner : closed.start() - braced], triple)
        trims = (before, closed[0].startswith("~"))
        shown = self.text[start:end].split("\n")[0][:80]
        return _Tag(sigil, inside.strip(), shown, line, trims), end

    @staticmethod
    def _sigil(inside: str, triple: bool) -> tuple[str, str]:
        """What kind of tag it is, and what stands inside."""
        sigil = "" if triple else next((one for one in SIGILS if inside.startswith(one)), "")
        inside = inside[len(sigil) :]
        otherwise = ELSE.match(inside) if not sigil and not triple else None
        if otherwise or (sigil == "^" and not inside.strip()):
            return "else", inside[otherwise.end() :] if otherwise else ""
        return sigil, inside


ID = r"[^\s!\"#%&'()*+,./;<=>@\[\\\]^`{|}~]+"
LEXEMES = re.compile(
    rf"""\s*(?:
      (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?=[\s)=]|$))
    | (?P<word>(?:true|false|null|undefined)(?=[\s)]|$))
    | (?P<bars>as\s+\|[^|]*\|)
    | (?P<key>(?:{ID}|\[[^\]]*\])\s*=)
    | (?P<path>@?(?:\.\.|\.|{ID}|\[(?:\\.|[^\]\\])*\])(?:[./](?:\.\.|\.|{ID}|\[(?:\\.|[^\]\\])*\]))*)
    | (?P<open>\()
    | (?P<shut>\))
    )""",
    re.X | re.S,
)
SEGMENT = re.compile(rf"\.\.|\.(?=[./]|$)|{ID}|\[(?:\\.|[^\]\\])*\]", re.S)
WORDS = {"true": True, "false": False, "null": None, "undefined": None}


class _Expressions:
    """What stands inside a tag: a name, what it is given, and the names of a block's parameters."""

    def __init__(self, parser: _Parser, tag: _Tag) -> None:
        self.parser = parser
        self.tag = tag
        self.lexemes = list(self._lexemes())
        self.at = 0

    def whole(self) -> tuple[Call, tuple[str, ...]]:
        names: tuple[str, ...] = ()
        if self.lexemes and self.lexemes[-1][0] == "bars":
            names = tuple(self.lexemes.pop()[1].split("|")[1].split())
        call = self._call(0)
        if self.at < len(self.lexemes):
            self._fail()
        return call, names

    def _lexemes(self) -> Iterator[tuple[str, str]]:
        at, inside = 0, self.tag.inside
        while at < len(inside):
            found = LEXEMES.match(inside, at)
            if found is None or found.end() == at:
                self._fail()
            yield found.lastgroup or "", found[0].strip()
            at = found.end()

    def _call(self, depth: int) -> Call:
        if depth > MAX_DEPTH or self.at >= len(self.lexemes):
            self._fail()
        callee = self._param(depth)
        if isinstance(callee, Call):
            self._fail()
        params: list[Expression] = []
        named: dict[str, Expression] = {}
        while self.at < len(self.lexemes) and self.lexemes[self.at][0] != "shut":
            kind, text = self.lexemes[self.at]
            if kind == "key":
                self.at += 1
                named[text[:-1].strip().strip("[]")] = self._param(depth)
            elif named:
                self._fail()
            else:
                params.append(self._param(depth))
        return Call(callee, tuple(params), named)

    def _param(self, depth: int) -> Expression:
        if self.at >= len(self.lexemes):
            self._fail()
        kind, text = self.lexemes[self.at]
        self.at += 1
        if kind == "text":
            return Literal(text[1:-1].replace(f"\\{text[0]}", text[0]))
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if kind == "word":
            return Literal(WORDS[text])
        if kind == "path":
            return self._path(text)
        if kind != "open":
            self._fail()
        call = self._call(depth + 1)
        if self.at >= len(self.lexemes) or self.lexemes[self.at][0] != "shut":
            self._fail()
        self.at += 1
        return call

    def _path(self, text: str) -> Path:
        data = text.startswith("@")
        segments = SEGMENT.findall(text.removeprefix("@"))
        up = 0
        parts: list[str] = []
        scoped = segments[0] in ("..", ".", "this")
        for segment in segments:
            if segment == ".." and not parts:
                up += 1
            elif segment in ("..", ".", "this") and parts:
                self._fail()
            elif segment not in (".", "this"):
                parts.append(re.sub(r"\\([\\\]])", r"\1", segment[1:-1]) if segment[0] == "[" else segment)
        return Path(tuple(parts), up, data, scoped)

    def _fail(self) -> NoReturn:
        self.parser.fail(self.tag.line, f"{self.tag.text} is no Handlebars that is understood")


def _name_of(call: Call) -> str:
    return ".".join(call.callee.parts) if isinstance(call.callee, Path) else str(call.callee.value)
