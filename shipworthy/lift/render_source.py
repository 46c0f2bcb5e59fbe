"""The text of the three files of a program: its signature, its module and its recipe.

They are laid out as a formatter with lines of 100 characters would leave them, so that
writing them needs none, and the first save in an editor changes nothing.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence

from ..runtime import Contract, Field
from .annotations import INDENT, WIDTH, Annotations, escaped, names_within, quoted
from .lifting import Lifted
from .names import class_name

ORDER = {
    "Annotated": "typing",
    "Any": "typing",
    "Literal": "typing",
    "BaseModel": "pydantic",
    "Field": "pydantic",
}


def signature_source(lifted: Lifted) -> str:
    """The text of `signatures/NAME.py`."""
    annotations, typed = _annotate(lifted)
    body = [
        f"class {_class_of(lifted)}(dspy.Signature):",
        *docstring(lifted.instruction),
        "",
        *(_field_line(field, typed[field.name], "InputField") for field in lifted.contract.inputs),
        *(_field_line(field, typed[field.name], "OutputField") for field in lifted.contract.outputs),
    ]
    aliases = [line for lines in annotations.aliases.values() for line in lines]
    return _file(
        _about(lifted.name, lifted.contract),
        _imports(annotations.imports, third_party=["import dspy"]),
        aliases,
        [*annotations.models.values(), body],
    )


def program_source(lifted: Lifted) -> str:
    """The text of `programs/NAME.py`."""
    name, signature = lifted.name, _class_of(lifted)
    annotations, typed = _annotate(lifted)
    inputs = [field.name for field in lifted.contract.inputs]
    used = {word for field in inputs for word in re.findall(r"\w+", typed[field])}
    own = sorted([signature, *(used & (annotations.models.keys() | annotations.aliases.keys()))])
    program = f"{signature}Program"
    body = [
        f"class {program}(dspy.Module):",
        f'{INDENT}"""Answers the contract in one call."""',
        "",
        f"{INDENT}def __init__(self) -> None:",
        f"{INDENT * 2}super().__init__()",
        f"{INDENT * 2}self.{name} = dspy.Predict({signature})",
        "",
        *_call(
            f"{INDENT}def forward(",
            ["self", *(f"{field}: {typed[field]}" for field in inputs)],
            ") -> dspy.Prediction:",
        ),
        *_call(f"{INDENT * 2}return self.{name}(", [f"{field}={field}" for field in inputs], ")"),
    ]
    return _file(
        f"Program {name}: one step that answers the contract in `signatures/{name}.py`.",
        _imports(
            used & {"Annotated", "Any", "Field", "Literal", "datetime"},
            third_party=["import dspy"],
            own=_call(f"from signatures.{name} import ", own, "", brackets=True),
        ),
        [],
        [body],
    )


def recipe_source(lifted: Lifted) -> str:
    """The text of `optimizers/NAME.py`."""
    decides = bool(lifted.contract.decisions)
    passes = ["sw.FieldOrder()"] if len(lifted.contract.inputs) > 1 else []
    passes += ["sw.Demos()", "sw.Readout()", "sw.Student()"] if decides else ["sw.Demos()"]
    line = f"{INDENT}passes=[{', '.join(passes)}],"
    body = ["recipe = sw.Recipe(", line, f'{INDENT}metric="exact",', ")"]
    about = f"How {lifted.name} is compiled, scored and gated."
    return "\n".join([*docstring(about, indent=""), "", "import shipworthy as sw", "", *body, ""])


def docstring(text: str, *, indent: str = INDENT) -> list[str]:
    """Lines of a docstring that `inspect.cleandoc` reads as exactly this text.

    The text must be free of tabs and of blanks at line ends, as `instruction_of` gives it.
    """
    inside = escaped(text, keep="\n").replace('"""', r"\"\"\"")
    lines = inside.split("\n")
    # A quote beside the opening or closing quotes, or an indented second line, needs lines of its own.
    plain = inspect.cleandoc(text) == text and not text.startswith('"')
    if len(lines) == 1 and plain and not text.endswith('"'):
        return [f'{indent}"""{inside}"""']
    opening = [f'{indent}"""{lines.pop(0)}' if plain and len(lines) > 1 else f'{indent}"""']
    return [*opening, *(f"{indent}{line}" if line else "" for line in lines), f'{indent}"""']


def _annotate(lifted: Lifted) -> tuple[Annotations, dict[str, str]]:
    """The annotation of every field, and what they need."""
    fields = [*lifted.contract.inputs, *lifted.contract.outputs]
    taken = {_class_of(lifted), f"{_class_of(lifted)}Program"}
    taken |= {field.name for field in fields}.union(*(names_within(field.schema) for field in fields))
    annotations = Annotations(taken)
    return annotations, {field.name: annotations.of(field.schema, field.name) for field in fields}


def _class_of(lifted: Lifted) -> str:
    return class_name(lifted.name)


def _field_line(field: Field, annotation: str, side: str) -> str:
    about = f"desc={quoted(field.description)}" if field.description else ""
    return f"{INDENT}{field.name}: {annotation} = dspy.{side}({about})"


def _about(name: str, contract: Contract) -> str:
    inputs = ", ".join(field.name for field in contract.inputs)
    outputs = ", ".join(field.name for field in contract.outputs)
    line = f"Contract of {name}: {inputs} in; {outputs} out."
    if len(line) + 6 <= WIDTH:
        return line
    lists = [textwrap.fill(f"{side}: {names}.", WIDTH) for side, names in (("In", inputs), ("Out", outputs))]
    return "\n\n".join([f"Contract of {name}.", *lists])


def _imports(
    names: Iterable[str], *, third_party: Sequence[str] = (), own: Sequence[str] = ()
) -> list[list[str]]:
    """Blocks of import lines: the standard library's, other packages', the project's."""
    by_module: dict[str, list[str]] = {"typing": [], "pydantic": []}
    for name in sorted(set(names) - {"datetime"}):
        by_module[ORDER[name]].append(name)
    lines = {
        module: [f"from {module} import {', '.join(found)}"] if found else []
        for module, found in by_module.items()
    }
    first = (["import datetime"] if "datetime" in names else []) + lines["typing"]
    return [block for block in (first, [*third_party, *lines["pydantic"]], list(own)) if block]


def _call(start: str, parts: Sequence[str], end: str, *, brackets: bool = False) -> list[str]:
    """A list of parts on one line, or a line each where that is too long."""
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) <= WIDTH:
        return [line]
    indent = re.match(r" *", start)
    inner = (indent[0] if indent else "") + INDENT
    opening, closing = ("(", ")") if brackets else ("", "")
    outer = inner.removesuffix(INDENT)
    return [f"{start}{opening}", *(f"{inner}{part}," for part in parts), f"{outer}{closing}{end}"]


def _file(
    about: str, imports: Sequence[Sequence[str]], aliases: Sequence[str], classes: Sequence[Sequence[str]]
) -> str:
    head = [*docstring(about, indent=""), *(line for block in imports for line in ("", *block))]
    if aliases:
        head += ["", *aliases]
    for lines in classes:
        head += ["", "", *lines]
    return "\n".join(head) + "\n"
