"""The source of an exported program: a typed function of its inputs, and the class of its answers.

What an artifact or a certificate says is data. It enters the source as string literals and
docstrings only; names are checked; and what was written is parsed once more before it is given away.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ContractError, InputError
from ..runtime import Contract, Field
from .annotations import INDENT, Annotations, literal, quoted
from .names import TYPE_WORDS, class_name, problem_of_attribute
from .render_source import docstring

MODULES = frozenset(["shipworthy", "numpy", "pydantic", "click", "platformdirs", "safetensors", "xllamacpp"])
"""Packages that a program needs, which one of the same name would hide."""

KINDS: dict[Any, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool}
OWN = ("confidence", "answered")
WIDTH = 100


def package_name(name: str, *, option: str = "--package") -> str:
    """The name of the package for a program: its own, with `_` for `-`.

    Raises:
        InputError: Python or a package that the program needs has this name already.
    """
    package = unicodedata.normalize("NFKC", name).replace("-", "_")
    problem = ""
    if not package.isidentifier() or package.startswith("_"):
        problem = "is no name that Python can import"
    elif keyword.iskeyword(package):
        problem = "is a keyword of Python"
    elif package in sys.stdlib_module_names or hasattr(builtins, package):
        problem = "is a part of Python"
    elif package in MODULES or package in TYPE_WORDS:
        problem = "is a package that the program needs"
    if problem:
        raise InputError(f"{package!r} {problem}", hint=f"give the package another name with {option}")
    return package


def module_source(
    package: str, contract: Contract, *, version: str, root: str, summary: Sequence[str]
) -> str:
    """The text of `PACKAGE/__init__.py`.

    Args:
        package: as `package_name` gives it.
        version: what the program is called, such as `triage/3`.
        root: sha256 of the artifact's manifest.
        summary: what its certificate says, a line each.

    Raises:
        ContractError: its inputs or outputs cannot be written in Python.
    """
    answer = f"{class_name(package)}Answer"
    inputs = _python_names(contract.inputs, {package})
    outputs = _python_names(contract.outputs, {*OWN, *TYPE_WORDS, "Exported", "dataclass"})
    # No class or alias may have a name that stands for something else in the module or in a class body.
    taken = {package, answer, "Exported", "dataclass", *OWN, *inputs.values(), *outputs.values()}
    annotations = Annotations({*taken, *TYPE_WORDS, *(name for name in dir(builtins))})
    types = {
        field.name: annotations.of(plain_schema(field.schema), name)
        for names, fields in ((inputs, contract.inputs), (outputs, contract.outputs))
        for field, name in zip(fields, names.values(), strict=True)
    }
    body = [
        *_answer_class(answer, contract, outputs, types),
        "",
        "",
        *_function(package, answer, contract, inputs, outputs, types, summary),
    ]
    imports = {"Any", "Literal"} & annotations.imports
    first = ["import datetime"] if "datetime" in annotations.imports else []
    first += [f"from typing import {', '.join(sorted(imports))}"] if imports else []
    third = ["from pydantic import BaseModel"] if annotations.models else []
    third += [
        "from pydantic.dataclasses import dataclass",
        "from shipworthy.runtime.exported import Exported",
    ]
    blocks = [
        docstring(f"{version}: a program that shipworthy compiled, as a package.", indent=""),
        ["from __future__ import annotations"],
        *([first] if first else []),
        third,
        [f"__all__ = [{quoted(answer)}, {quoted(package)}]"],
        [
            "_PROGRAM = Exported(",
            f"{INDENT}__file__,",
            f"{INDENT}version={quoted(version)},",
            f"{INDENT}root={quoted(root)},",
            ")",
        ],
        *annotations.aliases.values(),
    ]
    text = "\n\n".join("\n".join(block) for block in blocks)
    text += "".join("\n\n\n" + "\n".join(lines) for lines in annotations.models.values())
    text += "\n\n\n" + "\n".join(body) + "\n"
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise ContractError(
            f"no Python can be written of this contract: {error}",
            hint="export the artifact as a folder, and rename what is odd in its contract",
        ) from error
    return text


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema reduced to what is written as a type: bounds are checked by the program itself.

    Objects whose fields Python cannot name are objects of any kind; a field that may be missing is null then.
    """
    if "enum" in schema or "const" in schema:
        values = list(schema.get("enum", [schema.get("const")]))
        floats = any(isinstance(value, float) for value in values)
        return {"type": "number"} if floats else {"enum": values}
    if "anyOf" in schema:
        return {"anyOf": [plain_schema(option) for option in schema["anyOf"]]}
    kind = schema.get("type")
    if kind == "array":
        return {"type": "array", "items": plain_schema(schema.get("items", {}))}
    if kind != "object":
        return {key: schema[key] for key in ("type", "format") if key in schema}
    properties = schema.get("properties")
    if not properties or any(problem_of_attribute(name) for name in properties):
        return {"type": "object"}
    fields = {}
    for name, own in properties.items():
        fields[name] = plain_schema(own)
        if name not in schema.get("required", ()) and own.get("default") is None:
            fields[name] = {"anyOf": [fields[name], {"type": "null"}], "default": None}
    return {"type": "object", "properties": fields}


def _answer_class(
    answer: str, contract: Contract, names: Mapping[str, str], types: Mapping[str, str]
) -> list[str]:
    about = [
        f"{names[field.name]}: {_line(field.description)}" for field in contract.outputs if field.description
    ]
    text = [
        "One answer.",
        "",
        "Attributes:",
        *(f"{INDENT}{line}" for line in about),
        f"{INDENT}confidence: of each output, from 0 to 1; None for what was generated or computed.",
        f"{INDENT}answered: whether the program is as sure as it must be to answer by itself.",
    ]
    return [
        "@dataclass(frozen=True, kw_only=True)",
        f"class {answer}:",
        *_doc(text),
        "",
        *(f"{INDENT}{names[field.name]}: {types[field.name]}" for field in contract.outputs),
        f"{INDENT}confidence: dict[str, float | None]",
        f"{INDENT}answered: bool",
    ]


def _function(
    package: str,
    answer: str,
    contract: Contract,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    types: Mapping[str, str],
    summary: Sequence[str],
) -> list[str]:
    parameters, given = [], []
    for field in sorted(contract.inputs, key=lambda field: "default" in field.schema):
        name, default = inputs[field.name], _default(field)
        annotation = types[field.name]
        item = f"{quoted(field.name)}: {name}"
        if default == "None":
            # Left out then, for the program's own default.
            item = f"**({{}} if {name} is None else {{{item}}})"
            annotation += "" if "None" in annotation.split(" | ") else " | None"
        parameters.append(f"{name}: {annotation}{f' = {default}' if default else ''}")
        given.append(item)
    about = [
        f"{inputs[field.name]}: {_line(field.description)}" for field in contract.inputs if field.description
    ]
    text = [
        f"Answers one row of {package}.",
        "",
        *(_line(line) for line in summary),
        *(["", "Args:", *(f"{INDENT}{line}" for line in about)] if about else []),
        "",
        "Raises:",
        f"{INDENT}shipworthy.ShipworthyError: the row cannot be answered, or the program not be loaded.",
    ]
    read = [f"{outputs[field.name]}=_values[{quoted(field.name)}]" for field in contract.outputs]
    inner = INDENT * 2
    return [
        f"def {package}(",
        f"{INDENT}*,",
        *(f"{INDENT}{line}," for line in parameters),
        f") -> {answer}:",
        *_doc(text),
        f"{INDENT}_values, _answer = _PROGRAM.answer(",
        f"{inner}{{",
        *(f"{inner}{INDENT}{line}," for line in given),
        f"{inner}}}",
        f"{INDENT})",
        f"{INDENT}return {answer}(",
        *(f"{inner}{line}," for line in read),
        f"{inner}confidence=_answer.confidence,",
        f"{inner}answered=_answer.answered,",
        f"{INDENT})",
    ]


def _default(field: Field) -> str:
    """An input's default as source; `None` for one that is no plain literal, empty where there is none."""
    if "default" not in field.schema:
        return ""
    value, kind = field.schema["default"], field.schema.get("type")
    plain = "enum" in field.schema or (kind in KINDS and "format" not in field.schema)
    fits = isinstance(value, KINDS.get(kind, str | int)) and isinstance(value, bool) == (kind == "boolean")
    return literal(value) if plain and fits else "None"


def _python_names(fields: Iterable[Field], taken: Iterable[str]) -> dict[str, str]:
    """Names that Python can have, by the fields' own: `class_` of `class`, `first_name` of `first name`."""
    found: dict[str, str] = {}
    used = {*taken}
    for field in fields:
        name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", field.name)).strip("_") or "value"
        name = name if name.isidentifier() else f"value_{name}"
        while keyword.iskeyword(name) or name in used:
            name += "_"
        used.add(name)
        found[field.name] = name
    return found


def _doc(lines: Sequence[str]) -> list[str]:
    return docstring("\n".join(lines))


def _line(text: str) -> str:
    """Text on one line, without what would end it."""
    words = " ".join(text.split())
    return words if len(words) <= 4 * WIDTH else f"{words[: 4 * WIDTH]}…"
