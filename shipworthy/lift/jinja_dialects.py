"""How Nunjucks and MiniJinja differ from Jinja: spelling, filters, and how values are printed.

Nunjucks is Jinja for JavaScript: its operators (`===`, `&&`, `!`) are respelled before parsing,
and what its templates ask of JavaScript (`list.length`, `text.toUpperCase()`) is said in Jinja's
way after it. MiniJinja is Jinja for Rust and differs in a few filters and in printing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from jinja2 import nodes

Dialect = Literal["jinja2", "nunjucks", "minijinja"]

TAG = re.compile(r"\{#.*?#\}|\{([%{]).*?[%}]\}", re.DOTALL)
RAW = re.compile(
    r"(\{%[-+]?\s*(?:raw|verbatim)\s*[-+]?%\})(.*?)(\{%[-+]?\s*end(?:raw|verbatim)\s*[-+]?%\})", re.DOTALL
)
PART = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|!==?|===|&&|\|\||!|[^\W\d]\w*|.", re.DOTALL)
SPELLINGS = {
    "===": "==",
    "!==": "!=",
    "&&": " and ",
    "||": " or ",
    "!": " not ",
    "null": "none",
    "undefined": "none",
}
TAGS = {
    "elseif": "elif",
    "asyncEach": "for",
    "asyncAll": "for",
    "endeach": "endfor",
    "endall": "endfor",
    "ifAsync": "if",
    "verbatim": "raw",
    "endverbatim": "endraw",
}
METHODS = {
    "endsWith": "endswith",
    "startsWith": "startswith",
    "toLowerCase": "lower",
    "toUpperCase": "upper",
    "trim": "strip",
}
SAFE_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})


def as_jinja(text: str, dialect: Dialect) -> str:
    """The template in Jinja's spelling; lines stay lines."""
    if dialect != "nunjucks":
        return text
    parts = []
    end = 0
    for raw in RAW.finditer(text):
        parts.append(TAG.sub(_respelled, text[end : raw.start()]))
        parts += [TAG.sub(_respelled, raw[1]), raw[2], TAG.sub(_respelled, raw[3])]
        end = raw.end()
    return "".join([*parts, TAG.sub(_respelled, text[end:])])


def adjusted(tree: nodes.Template, dialect: Dialect) -> nodes.Template:
    """The parsed template with what it asks of JavaScript said in Jinja's way."""
    if dialect != "nunjucks":
        return tree
    found: nodes.Template = _nunjucks_class()().visit(tree)
    return found


def filters_of(dialect: Dialect) -> dict[str, Callable[..., Any]]:
    """The filters that a dialect has beside Jinja's, or instead of them."""
    if dialect == "nunjucks":
        return {"dump": _dumped, "nl2br": lambda text: str(text).replace("\n", "<br />\n"), "_pairs": _pairs}
    if dialect == "minijinja":
        return {
            "bool": bool,
            "chain": lambda *lists: [value for values in lists for value in values],
            "lines": lambda text: text.splitlines(),
            "split": lambda text, by=None, limit=-1: text.split(by, limit),
            "tojson": _rust_json,
            "zip": lambda *lists: [list(values) for values in zip(*lists, strict=False)],
        }
    return {}


def tests_of(dialect: Dialect) -> dict[str, Callable[..., bool]]:
    """The tests that a dialect has beside Jinja's."""
    if dialect == "nunjucks":
        return {
            "falsy": lambda value: not value,
            "truthy": bool,
            "null": lambda value: value is None,
        }
    if dialect == "minijinja":
        return {
            "containing": lambda value, part: part in value,
            "endingwith": lambda value, part: value.endswith(part),
            "startingwith": lambda value, part: value.startswith(part),
        }
    return {}


def printed(value: Any, dialect: Dialect) -> Any:
    """A value as an output of the dialect shows it."""
    if dialect == "jinja2" or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if dialect == "minijinja":
        if value is None:
            return "none"
        listed = isinstance(value, list | Mapping)
        return json.dumps(value, ensure_ascii=False, default=str) if listed else value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ",".join(str(printed(own, dialect)) for own in value)
    return "[object Object]" if isinstance(value, Mapping) else value


def _respelled(tag: re.Match[str]) -> str:
    if not tag[1]:
        return tag[0]
    parts = [SPELLINGS.get(part[0], part[0]) for part in PART.finditer(tag[0])]
    if tag[1] == "%":
        first = next((i for i, part in enumerate(parts) if part.strip(" \t\r\n{%-+")), None)
        if first is not None:
            parts[first] = TAGS.get(parts[first], parts[first])
    return "".join(parts)


def _dumped(value: Any, spaces: int = 0) -> str:
    """As JavaScript's JSON.stringify."""
    if spaces:
        return json.dumps(value, ensure_ascii=False, indent=spaces, default=str)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _rust_json(value: Any, indent: int | bool | None = None) -> str:
    """Compact JSON, whose `<`, `>`, `&` and `'` are escaped."""
    return _dumped(value, 2 if indent is True else indent or 0).translate(SAFE_JSON)


def _pairs(values: Any) -> Any:
    return list(values.items()) if isinstance(values, Mapping) else values


@cache
def _nunjucks_class() -> Any:
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    def filtered(node: nodes.Expr, name: str, args: list[nodes.Expr]) -> nodes.Filter:
        return nodes.Filter(node, name, args, [], None, None, lineno=node.lineno)

    class Nunjucks(NodeTransformer):
        """Properties and methods of JavaScript's strings and lists, and loops over mappings."""

        def visit_Getattr(self, node: nodes.Getattr) -> nodes.Expr:  # noqa: N802
            self.generic_visit(node)
            return filtered(node.node, "length", []) if node.attr == "length" else node

        def visit_Call(self, node: nodes.Call) -> nodes.Expr:  # noqa: N802
            self.generic_visit(node)
            callee = node.node
            if not isinstance(callee, nodes.Getattr):
                return node
            if callee.attr == "join":
                return filtered(callee.node, "join", node.args or [nodes.Const(",", lineno=node.lineno)])
            if callee.attr == "includes" and len(node.args) == 1:
                return nodes.Compare(node.args[0], [nodes.Operand("in", callee.node)], lineno=node.lineno)
            callee.attr = METHODS.get(callee.attr, callee.attr)
            return node

        def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
            self.generic_visit(node)
            if isinstance(node.target, nodes.Tuple) and isinstance(
                node.iter, nodes.Name | nodes.Getattr | nodes.Getitem
            ):
                node.iter = filtered(node.iter, "_pairs", [])
            return node

    return Nunjucks
