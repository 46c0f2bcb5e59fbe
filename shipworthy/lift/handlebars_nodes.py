"""What a Handlebars template consists of once it is taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Text:
    """Words as they stand; `original` is what they were before white space was trimmed."""

    text: str
    line: int
    original: str = ""
    trimmed_left: bool = False
    trimmed_right: bool = False

    def __post_init__(self) -> None:
        self.original = self.text


@dataclass(frozen=True)
class Path:
    """A value by its path: so many contexts up, then the parts; `data` for `@index` and kin.

    Attributes:
        parts: names; empty for the context itself.
        up: how many contexts up (`../`).
        data: it is written with `@`.
        scoped: it begins with `this`, `.` or `..`, so that it can name no helper.
    """

    parts: tuple[str, ...]
    up: int = 0
    data: bool = False
    scoped: bool = False


@dataclass(frozen=True)
class Literal:
    """A text, number, true, false or null."""

    value: Any


@dataclass(frozen=True)
class Call:
    """A path or helper with what it is given."""

    callee: Path | Literal
    params: tuple[Expression, ...] = ()
    named: Mapping[str, Expression] = field(default_factory=dict)


Expression = Path | Literal | Call


@dataclass
class Show:
    """A value, or a helper's text."""

    call: Call
    line: int
    trims: tuple[bool, bool] = (False, False)


@dataclass
class Comment:
    """Words that nobody renders."""

    line: int
    trims: tuple[bool, bool] = (False, False)


@dataclass
class Partial:
    """Another file's template in this place; `indent` goes before each of its lines."""

    call: Call
    line: int
    trims: tuple[bool, bool] = (False, False)
    indent: str = ""


@dataclass
class Block:
    """`{{#name …}} body {{else}} otherwise {{/name}}`.

    Attributes:
        otherwise: what follows `{{else}}`, or None where there is none.
        chained: `otherwise` is the block of an `{{else if …}}` and nothing else.
        inverted: it was opened by `{{^`.
        names: block parameters, as in `as |item index|`.
        opened: whether the opening tag trims outside, and inside.
        divided: likewise of `{{else}}`: before, and after.
        closed: likewise of the closing tag: inside, and outside.
    """

    call: Call
    line: int
    names: tuple[str, ...] = ()
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] | None = None
    chained: bool = False
    inverted: bool = False
    opened: tuple[bool, bool] = (False, False)
    divided: tuple[bool, bool] = (False, False)
    closed: tuple[bool, bool] = (False, False)


Node = Text | Show | Comment | Partial | Block


def simple_name(callee: Path | Literal) -> str:
    """What a helper would be called that is named so, or empty."""
    if isinstance(callee, Literal):
        return str(callee.value)
    return "" if callee.scoped or callee.data else ".".join(callee.parts)


def first_names(nodes: Iterable[Node]) -> set[str]:
    """The first name of each path of a template: no loop variable may be called so."""
    found: set[str] = set()
    pending: list[Node | Expression] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, Path):
            found.update(node.parts[:1])
        elif isinstance(node, Call):
            pending += [node.callee, *node.params, *node.named.values()]
        elif isinstance(node, Show | Partial):
            pending.append(node.call)
        elif isinstance(node, Block):
            pending += [node.call, *node.body, *(node.otherwise or ())]
    return found


def asks_for_key(block: Block) -> bool:
    """Whether a loop, or one inside it, uses the loop's `@key`, which a list has no use for."""
    pending: list[tuple[Node | Expression, int]] = [(node, 0) for node in block.body]
    while pending:
        node, loops = pending.pop()
        if isinstance(node, Path) and node.data and node.parts[:1] == ("key",) and node.up == loops:
            return True
        if isinstance(node, Call):
            pending += [(one, loops) for one in (node.callee, *node.params, *node.named.values())]
        elif isinstance(node, Show | Partial):
            pending.append((node.call, loops))
        elif isinstance(node, Block):
            inside = loops + (simple_name(node.call.callee) == "each")
            pending += [(node.call, loops), *((one, inside) for one in node.body)]
            pending += [(one, loops) for one in node.otherwise or ()]
    return False
