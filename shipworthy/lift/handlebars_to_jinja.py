"""A Dotprompt body as messages whose text is a Jinja template.

Handlebars renders as JavaScript does, so the templates are of the Nunjucks dialect: one
implementation fills them all. Roles begin messages; partials stand in their place; what is no
text (pictures, earlier turns) is told. Lines of a partial are indented as its tag is, those of
values within it are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ..errors import PrototypeError
from .draft import Role
from .handlebars_nodes import (
    Block,
    Call,
    Expression,
    Literal,
    Node,
    Partial,
    Path,
    Show,
    Text,
    asks_for_key,
    first_names,
    simple_name,
)
from .handlebars_scope import (
    COUNTERS,
    Loop,
    LoopNames,
    Schema,
    Scope,
    Value,
    literal,
    quoted,
    singular,
)
from .jinja_writer import JinjaWriter
from .slot_names import SlotNames

ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "model": "assistant",
    "assistant": "assistant",
}
HELPERS = ("role", "history", "media", "section", "json", "lookup", "log", "ifEquals", "unlessEquals")
BLOCKS = ("if", "unless", "each", "with", "ifEquals", "unlessEquals")
MAX_PARTIALS = 100

PartialReader = Callable[[str, str], tuple[Sequence[Node], str]]
"""By the name of a partial and the place that asks for it: its nodes, and its file."""


@dataclass(frozen=True)
class Translation:
    """Messages as Jinja text, and what was read how.

    Attributes:
        messages: role and text, in order.
        told: spelling, place and reason of what is not carried over as it stands.
    """

    messages: list[tuple[Role, str]]
    told: list[tuple[str, str, str]]


def translate(
    nodes: Sequence[Node],
    *,
    names: SlotNames,
    schema: Schema,
    partial: PartialReader,
    where: str,
) -> Translation:
    """The messages of a template.

    Args:
        nodes: as `parse_handlebars` gives them.
        names: of the inputs; those of the template are added.
        schema: JSON Schema of the inputs as an object, or empty where none is stated.
        partial: reads a partial's file.
        where: the template's file, for messages.

    Raises:
        PrototypeError: a helper or role is unknown, a partial contains itself, or an expression has
            no meaning here; `where` says the line.
    """
    translator = _Translator(names, schema, partial, where, JinjaWriter(where))
    translator.loops.avoid(first_names(nodes) | set(schema.get("properties", {})))
    translator.emit(nodes, Scope(None))
    translator.out.message_ends("user")
    return Translation(translator.out.messages, translator.told)


@dataclass
class _Translator:
    names: SlotNames
    schema: Schema
    partial: PartialReader
    where: str
    out: JinjaWriter
    told: list[tuple[str, str, str]] = field(default_factory=list)
    depth: int = 0
    loops: LoopNames = field(default_factory=LoopNames)
    partials: list[str] = field(default_factory=list)
    read: int = 0

    def emit(self, nodes: Sequence[Node], scope: Scope) -> None:
        """Write out nodes, in the context of `scope`."""
        for node in nodes:
            if isinstance(node, Text):
                self.out.words(node.text)
            elif isinstance(node, Show):
                self._show(node, scope)
            elif isinstance(node, Partial):
                self._insert(node, scope)
            elif isinstance(node, Block):
                self.depth += 1
                self._block(node, scope)
                self.depth -= 1

    def fail(self, line: int, problem: str, hint: str) -> NoReturn:
        raise PrototypeError(problem, hint=hint, where=f"{self.where}:{line}")

    def tell(self, what: str, line: int, why: str) -> None:
        self.told.append((what, f"{self.where}:{line}", why))

    def _value(self, value: Value) -> None:
        """Show a value; nothing where it need not be there and is not."""
        self.out.value(f"{value.code} | default('')" if value.schema.get("optional") else value.code)

    # Values and helpers

    def _show(self, node: Show, scope: Scope) -> None:
        call = node.call
        name = simple_name(call.callee)
        if name in HELPERS and scope.block_name(name) is None:
            self._help(name, call, scope, node.line)
        elif call.params or call.named:
            hint = f"helpers that are read: {', '.join(HELPERS)}; pass the result in as an input"
            self.fail(node.line, f"{name!r} is no helper that Dotprompt has", hint)
        elif name in BLOCKS:
            self.fail(node.line, f"{name!r} is a block", f"write {{{{#{name} …}}}} … {{{{/{name}}}}}")
        else:
            self._value(self._found(call.callee, scope, node.line))

    def _help(self, name: str, call: Call, scope: Scope, line: int) -> None:
        if name == "role":
            self._begin(call, scope, line)
        elif name == "history":
            why = "earlier turns stand here; a program is asked once: make them an input if they matter"
            self.tell("{{history}}", line, why)
            if not self.depth:
                self.out.message_ends("assistant")
        elif name == "section":
            self.tell("{{section}}", line, "it marks a place for the caller's code; no words of the prompt")
        elif name == "log":
            self.tell("{{log}}", line, "it writes to the caller's log; no words of the prompt")
        elif name == "media":
            self._media(call, scope, line)
        elif name in ("json", "lookup"):
            self._value(self._called(call, scope, line))
        else:
            self.fail(line, f"{name!r} is a block", f"write {{{{#{name} a b}}}} … {{{{/{name}}}}}")

    def _begin(self, call: Call, scope: Scope, line: int) -> None:
        """A message of another role; within a condition or loop, which no message is, its name in words."""
        named = call.params[0] if call.params else Literal(None)
        role = named.value if isinstance(named, Literal) else None
        if role is not None and role not in ROLES:
            self.fail(line, f"{role!r} is no role", f"roles: {', '.join(ROLES)}")
        if role is not None and not self.depth:
            self.out.message_ends(ROLES[str(role)])
            return
        if role is None and not call.params:
            self.fail(line, "a role has no name", 'write {{role "user"}}')
        why = "within a condition or loop no message begins: its role stands in words"
        self.tell("{{role}}", line, why)
        if role is None:
            self._value(self._found(named, scope, line))
        else:
            self.out.words(str(role))
        self.out.words(": ")

    def _media(self, call: Call, scope: Scope, line: int) -> None:
        url = call.named.get("url")
        if url is None:
            self.fail(line, "a picture or file has no url", "write {{media url=…}}")
        self.tell("{{media}}", line, "a picture or file: only its address is put into the text")
        self._value(self._found(url, scope, line))

    def _found(self, expression: Expression, scope: Scope, line: int) -> Value:
        """The value of an expression."""
        if isinstance(expression, Call):
            return self._called(expression, scope, line)
        if isinstance(expression, Literal):
            return literal(expression.value)
        if expression.data:
            return self._data(expression, scope, line)
        scopes = list(scope.outwards())
        if expression.up >= len(scopes):
            self.fail(line, f"{'../' * expression.up} leads out of the template", "write fewer `../`")
        target = scopes[expression.up]
        first, rest = expression.parts[:1], expression.parts[1:]
        named = scope.block_name(first[0]) if first and not expression.scoped else None
        if first and named is None:
            named = target.given.get(first[0]) or self._of(target, first[0])
        elif named is None:
            named = target.value or self._everything(line)
        for part in rest:
            named = named.part(part)
        return named

    def _of(self, scope: Scope, name: str) -> Value:
        if scope.value is not None:
            return scope.value.part(name)
        own = dict(Value("", self.schema).part(name).schema)
        if own.pop("optional", False):
            own["nullable"] = True
        return Value(self._input(name), own)

    def _input(self, name: str, *, key: str = "") -> str:
        wanted = f"{name}_" if self.loops.means(name) else name
        return self.names.name(key or name, wanted=wanted)

    def _everything(self, line: int) -> Value:
        """All inputs as one value."""
        names = list(self.schema.get("properties", {}))
        if self.schema and not names and Value("", self.schema).kind not in ("", "object"):
            return Value(self._input("text"), self.schema)
        if not names:
            self.tell("{{this}}", line, "all inputs at once, and none is stated: they are one input")
            return Value(self._input("data", key="this"))
        pairs = ", ".join(f"{quoted(name)}: {self._input(name)}" for name in names)
        return Value(f"{{{pairs}}}", self.schema)

    def _data(self, path: Path, scope: Scope, line: int) -> Value:
        """A loop's counter, all inputs, or what the caller's code knows."""
        name, rest = path.parts[0], path.parts[1:]
        if name == "root":
            return self._found(Path(rest), Scope(None), line)
        if name in COUNTERS or name == "key":
            loops = [one.loop for one in scope.outwards() if one.loop is not None]
            if path.up >= len(loops):
                self.fail(line, f"@{name} stands outside of a loop", "write it within {{#each}}")
            return Value(loops[path.up].counter(name, named=path.up > 0))
        if not any(what == f"@{name}" for what, _, _ in self.told):
            self.tell(f"@{name}", line, "what the caller's code knows becomes an input")
        found = Value(self._input(name, key=f"@{name}"), {"optional": True})
        for part in rest:
            found = found.part(part)
        return found

    def _called(self, call: Call, scope: Scope, line: int) -> Value:
        """The value of a helper within an expression, or of one that gives a value."""
        name = simple_name(call.callee)
        if name == "lookup" and len(call.params) == 2:
            owner, key = call.params
            found = self._found(owner, scope, line)
            if isinstance(key, Literal):
                return found.part(str(key.value))
            return Value(f"{found.code}[{self._found(key, scope, line).code}]")
        if name == "json" and call.params:
            given = call.named.get("indent")
            indent = str(given.value) if isinstance(given, Literal) else ""
            spaces = f"({int(indent)})" if indent.isdecimal() and int(indent) else ""
            return Value(f"{self._found(call.params[0], scope, line).code} | dump{spaces}")
        return self.fail(
            line, f"{name!r} has no meaning within an expression", "pass the result in as an input"
        )

    # Blocks

    def _block(self, block: Block, scope: Scope) -> None:
        name = simple_name(block.call.callee)
        params = block.call.params
        if name == "role":
            self.tell("{{#role}}", block.line, "read as {{role}} with the words that it encloses")
            self.depth -= 1
            self._begin(block.call, scope, block.line)
            self.emit(block.body, scope)
            self.depth += 1
            return
        if not params and name not in BLOCKS:
            self._section(block, scope)
            return
        wanted = 2 if name in ("ifEquals", "unlessEquals") else 1
        if name not in BLOCKS:
            self.fail(
                block.line,
                f"{name!r} is no helper that Dotprompt has",
                f"blocks that are read: {', '.join(BLOCKS)}",
            )
        if len(params) != wanted:
            self.fail(
                block.line, f"{{{{#{name}}}}} is given {len(params)} values, not {wanted}", "correct it"
            )
        if block.inverted:
            self.fail(block.line, f"{{{{^{name} …}}}} is not read", "write {{#unless}}, or {{else}}")
        given = [self._found(param, scope, block.line) for param in params]
        if name == "each":
            self._each(block, given[0], scope)
        elif name == "with":
            named = dict(zip(block.names, given, strict=False))
            inner = Scope(given[0], scope, None, named)
            self._branches(given[0].code, block, inner, scope)
        elif name in ("if", "unless"):
            self._branches(self._truth(block.call, given[0], negate=name == "unless"), block, scope, scope)
        else:
            sign = "==" if name == "ifEquals" else "!="
            self._branches(f"{given[0].code} {sign} {given[1].code}", block, scope, scope)

    def _truth(self, call: Call, value: Value, *, negate: bool) -> str:
        zero = call.named.get("includeZero")
        code = value.code
        if isinstance(zero, Literal) and zero.value:
            code = f"({code} or ({code} is number and {code} is not boolean))"
        return f"not {code}" if negate else code

    def _branches(self, test: str, block: Block, inner: Scope, outer: Scope) -> None:
        begins = self.out.line_begins
        self.out.tag(f"if {test}")
        self.emit(block.body, inner)
        if block.otherwise is not None:
            self.out.line_begins = begins
            self.out.tag("else")
            self.emit(block.otherwise, outer)
        self.out.tag("endif")

    def _each(self, block: Block, values: Value, scope: Scope) -> None:
        mapping = values.kind == "object" or (values.kind != "array" and asks_for_key(block))
        item = self.loops.new(block.names[0] if block.names else singular(values.code))
        key = self.loops.new(f"{item}_key") if mapping else ""
        loop = Loop(item, key)
        one = values.item(item)
        # A loop inside has counters of its own, so one that has a name is kept under it.
        named = dict.fromkeys(block.names[:1], one)
        named |= {name: Value(loop.counter("key", named=True)) for name in block.names[1:2]}
        optional = values.schema.get("optional") or values.schema.get("nullable")
        source = f"{values.code} or []" if optional and not mapping else values.code
        if optional and mapping:
            self.out.tag(f"if {values.code}")
        self.out.tag(f"for {f'{key}, {item}' if mapping else item} in {source}")
        at = self.out.mark()
        self.emit(block.body, Scope(one, scope, loop, named))
        self.out.insert_tags(at, [f"set {name} = {code}" for name, code in loop.saved.items()])
        for end in ("endfor", "endif") if optional and mapping else ("endfor",):
            if block.otherwise is not None:
                self.out.tag("else")
                self.emit(block.otherwise, scope)
            self.out.tag(end)

    def _section(self, block: Block, scope: Scope) -> None:
        """`{{#name}}`: a condition, loop or context, as the value is; so its type must be known."""
        value = self._found(block.call.callee, scope, block.line)
        if block.inverted:
            otherwise = Block(block.call, block.line, body=block.body, otherwise=block.otherwise)
            self._branches(f"not {value.code}", otherwise, scope, scope)
        elif value.kind == "array":
            self._each(block, value, scope)
        elif value.kind == "object":
            self._branches(value.code, block, Scope(value, scope), scope)
        elif value.kind == "boolean":
            self._branches(value.code, block, scope, scope)
        else:
            name = simple_name(block.call.callee)
            hint = f"write {{{{#if {name}}}}}, {{{{#each {name}}}}} or {{{{#with {name}}}}}"
            self.fail(block.line, f"what {{{{#{name}}}}} does depends on the value, of unknown type", hint)

    # Partials

    def _insert(self, node: Partial, scope: Scope) -> None:
        call = node.call
        name = "/".join(call.callee.parts) if isinstance(call.callee, Path) else str(call.callee.value)
        if name in self.partials:
            chain = " > ".join([*self.partials, name])
            self.fail(node.line, f"a partial contains itself: {chain}", "write its text out")
        self.read += 1
        if self.read > MAX_PARTIALS:
            self.fail(node.line, f"more than {MAX_PARTIALS} partials are inserted", "write fewer")
        nodes, file = self.partial(name, f"{self.where}:{node.line}")
        given = {key: self._found(value, scope, node.line) for key, value in call.named.items()}
        inner = scope
        if call.params:
            inner = Scope(self._found(call.params[0], scope, node.line), scope, None)
        if given:
            inner = Scope(inner.value, inner.around, inner.loop, inner.named, {**inner.given, **given})
        self.loops.avoid(first_names(nodes))
        self.partials.append(name)
        before, self.where = self.where, file
        with self.out.indented(node.indent):
            self.emit(nodes, inner)
        self.where = before
        self.partials.pop()
