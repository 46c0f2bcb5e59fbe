"""What a template may not do: read files, call Python, or make texts without end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import PrototypeError
from .jinja_dialects import Dialect
from .jinja_sandbox import MAX_ITEMS, MAX_OUTPUT, REFUSED_FILTERS, environment
from .names import word_set

if TYPE_CHECKING:
    from jinja2 import TemplateSyntaxError

METHODS = word_set(
    "capitalize casefold center count endswith expandtabs find format format_map index isalnum isalpha "
    "isdecimal isdigit isoformat islower isnumeric isspace istitle isupper join ljust lower lstrip partition "
    "removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines "
    "startswith strftime strip swapcase title upper zfill get items keys values cycle changed"
)
"""Of strings, mappings, lists, dates, and of `loop`."""
FUNCTIONS = word_set("caller dict loop namespace range")
FILES = {"Include": "include", "Import": "import", "FromImport": "from … import", "Extends": "extends"}
MAX_FACTOR = 10_000
MAX_TAGS = 5000


def check_size(text: str, where: str) -> None:
    """Refuse a template of more tags than a person would write: each costs time to read and to fill.

    Raises:
        PrototypeError: there are over 5,000.
    """
    if text.count("{{") + text.count("{%") > MAX_TAGS:
        raise PrototypeError(
            f"the template has over {MAX_TAGS:,} tags",
            hint="write what repeats as a loop over an input",
            where=where,
        )


def no_template(error: TemplateSyntaxError, where: str) -> PrototypeError:
    """What is said where a template does not parse."""
    return PrototypeError(
        f"the template does not parse: {error.message}",
        hint="correct the template",
        where=f"{where}:{error.lineno}",
    )


def check(tree: Any, dialect: Dialect, where: str) -> None:
    """Refuse what a prompt has no use for and a row could be hurt by.

    Raises:
        PrototypeError: says what, its line, and what to write instead.
    """
    from jinja2 import nodes

    macros = {macro.name for macro in tree.find_all(nodes.Macro)}
    known = environment(dialect)
    for node in tree.find_all(nodes.Node):
        problem = (
            _of_names(node, nodes)
            or _of_calls(node, nodes, macros)
            or _of_filters(node, nodes, known)
            or _of_numbers(node, nodes)
        )
        if problem:
            what, hint = problem
            raise PrototypeError(what, hint=hint, where=f"{where}:{node.lineno}")


Problem = tuple[str, str] | None


def _of_names(node: Any, nodes: Any) -> Problem:
    kind = type(node).__name__
    if kind in FILES:
        return f"the template reads another file ({FILES[kind]})", "copy that file's text into this one"
    name = ""
    if isinstance(node, nodes.Name):
        # `for _ in …` names what nobody reads.
        name = "" if node.name == "_" and node.ctx != "load" else node.name
    elif isinstance(node, nodes.NSRef | nodes.Getattr):
        name = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        name = str(node.arg.value)
    if name.startswith("_"):
        return f"{name!r} begins with an underscore, as Python's own attributes do", "rename it"
    if isinstance(node, nodes.Name) and name in ("self", "super"):
        return f"{name!r} means a block of another template", "write the block's text in its place"
    return None


def _of_calls(node: Any, nodes: Any, macros: set[str]) -> Problem:
    if not isinstance(node, nodes.Call):
        return None
    callee = node.node
    if isinstance(callee, nodes.Name) and callee.name in FUNCTIONS | macros:
        return None
    if isinstance(callee, nodes.Getattr) and callee.attr in METHODS:
        return None
    name = getattr(callee, "name", getattr(callee, "attr", "what is no name"))
    return (
        f"the template calls {name!r}, which is neither a macro of its own nor a method of text",
        "pass the result in as an input",
    )


def _of_filters(node: Any, nodes: Any, known: Any) -> Problem:
    if isinstance(node, nodes.Filter) and (node.name not in known.filters or node.name.startswith("_")):
        # The filter that a dialect's loops are given is no word of the template's author.
        if node.name == "_pairs":
            return None
        if node.name in REFUSED_FILTERS:
            return f"the filter {node.name!r} is not for prompts", "leave it out"
        return f"the filter {node.name!r} is unknown", "apply it to the values beforehand"
    if isinstance(node, nodes.Test) and node.name not in known.tests:
        return f"the test {node.name!r} is unknown", "pass its answer in as an input"
    return None


def _of_numbers(node: Any, nodes: Any) -> Problem:
    if isinstance(node, nodes.Pow):
        return "the template raises to a power", "pass the result in as an input"
    if isinstance(node, nodes.Mul):
        return _of_product(node, nodes)
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "range":
        for argument in node.args:
            inner = argument.node if isinstance(argument, nodes.Neg) else argument
            value = inner.value if isinstance(inner, nodes.Const) else 0
            if isinstance(value, int) and value > MAX_ITEMS:
                return f"a range up to {value:,}", f"at most {MAX_ITEMS:,} numbers"
    return None


def _of_product(node: Any, nodes: Any) -> Problem:
    sides = (node.left, node.right)
    values = [side.value for side in sides if isinstance(side, nodes.Const)]
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float)]
    if any(abs(number) > MAX_OUTPUT for number in numbers):
        return "the template multiplies by a very large number", "pass the result in as an input"
    lists = [side for side in sides if isinstance(side, nodes.List | nodes.Tuple)]
    if not texts and not lists:
        return None
    size = max([1, *map(len, texts)]) * max([0, *numbers])
    if numbers and size <= MAX_FACTOR:
        return None
    return "the template repeats a text by multiplying it", "write out the text that it makes"
