"""The text of the three files of a program: its signature, its module and its recipe.

They are laid out as a formatter with lines of 100 characters would leave them, so that
writing them needs none, and the first save in an editor changes nothing.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..runtime import Contract, Field, may_stand_in_text, plain_value
from .annotations import INDENT, WIDTH, Annotations, escaped, names_within, python_value, quoted
from .draft import Tool
from .lifting import Lifted, LiftedStep
from .names import class_name
from .render_checks import metric_lines

ORDER = {
    "Annotated": "typing",
    "Any": "typing",
    "Literal": "typing",
    "BaseModel": "pydantic",
    "Field": "pydantic",
}


def signature_source(lifted: Lifted) -> str:
    """The text of `signatures/NAME.py`: a class a step."""
    annotations, typed = _annotate(lifted)
    classes = []
    for step in lifted.steps:
        own = typed[step.name]
        sides = ((step.contract.inputs, "InputField"), (step.contract.outputs, "OutputField"))
        classes.append(
            [
                f"class {_class_of(lifted, step)}(dspy.Signature):",
                *docstring(step.instruction),
                "",
                *(_field_line(one, own[one.name], side) for fields, side in sides for one in fields),
            ]
        )
    aliases = [line for lines in annotations.aliases.values() for line in lines]
    return _file(
        _about(lifted.name, lifted.contract),
        _imports(annotations.imports, third_party=["import dspy"]),
        aliases,
        [*annotations.models.values(), *classes],
    )


def program_source(lifted: Lifted) -> str:
    """The text of `programs/NAME.py`: one predictor, or steps that are wired by name."""
    annotations, typed = _annotate(lifted)
    stated = {*annotations.models, *annotations.aliases}
    functions = [_tool(tool, annotations) for step in lifted.steps for tool in step.tools]
    models = [lines for name, lines in annotations.models.items() if name not in stated]
    aliases = [line for name, lines in annotations.aliases.items() if name not in stated for line in lines]
    own = [_class_of(lifted, step) for step in lifted.steps]
    if len(lifted.steps) == 1:
        step = lifted.steps[0]
        inputs = {field.name: typed[step.name][field.name] for field in step.contract.inputs}
        used = {word for text in inputs.values() for word in re.findall(r"\w+", text)}
        own += sorted(used & stated)
        third_party, body = ["import dspy"], _one_predictor(lifted, step, inputs)
        about = f"Program {lifted.name}: one step that answers the contract in `signatures/{lifted.name}.py`."
    else:
        used, third_party, body = set(), ["import shipworthy as sw"], _wired(lifted)
        about = f"Program {lifted.name}: {len(lifted.steps)} steps, wired by what they take and give."
    code = [*aliases, *(line for lines in (*models, *functions) for line in lines)]
    used |= {word for line in code for word in re.findall(r"\w+", line)}
    return _file(
        about,
        _imports(
            used & {"Annotated", "Any", "BaseModel", "Field", "Literal", "datetime"},
            third_party=third_party,
            own=_call(f"from signatures.{lifted.name} import ", sorted(own), "", brackets=True),
        ),
        aliases,
        [*models, *functions, body],
    )


def _one_predictor(lifted: Lifted, step: LiftedStep, inputs: Mapping[str, str]) -> list[str]:
    name, signature = lifted.name, _class_of(lifted, step)
    demos = [f"{INDENT * 2}self.{name}.demos = [", *_demos(step, INDENT * 3), f"{INDENT * 2}]"]
    return [
        f"class {_program_of(lifted)}(dspy.Module):",
        *docstring(lifted.about or "Answers the contract in one call."),
        "",
        f"{INDENT}def __init__(self) -> None:",
        f"{INDENT * 2}super().__init__()",
        f"{INDENT * 2}self.{name} = dspy.Predict({signature})",
        *(demos if step.demos else []),
        "",
        *_call(
            f"{INDENT}def forward(",
            ["self", *(f"{field}: {annotation}" for field, annotation in inputs.items())],
            ") -> dspy.Prediction:",
        ),
        *_call(f"{INDENT * 2}return self.{name}(", [f"{field}={field}" for field in inputs], ")"),
    ]


def _wired(lifted: Lifted) -> list[str]:
    router = lifted.prototype.draft.router
    lines = []
    for step in lifted.steps:
        labels = [label for label, to in router.to.items() if to == step.name] if router else []
        when = f", when={{{quoted(router.output)}: {_labels(labels)}}}" if router and labels else ""
        lines.append(f"{INDENT}{step.name} = sw.step({_class_of(lifted, step)}{when})")
    return [
        f"class {_program_of(lifted)}(sw.Steps):",
        *docstring(lifted.about or f"Answers the contract in {len(lifted.steps)} steps."),
        "",
        *lines,
    ]


def _labels(labels: Sequence[str]) -> str:
    return quoted(labels[0]) if len(labels) == 1 else f"[{', '.join(map(quoted, labels))}]"


def _demos(step: LiftedStep, indent: str) -> list[str]:
    """The prototype's worked examples, one argument a line where a line is too short for all."""
    found: list[str] = []
    for demo in step.demos:
        values = {**demo.inputs, **demo.outputs}
        parts = [f"{name}={python_value(plain_value(value))}" for name, value in values.items()]
        found += [*_call(f"{indent}dspy.Example(", parts, "),")]
    return found


def _tool(tool: Tool, annotations: Annotations) -> list[str]:
    """A function of the tool's name and types, to be connected by whoever owns the program."""
    required = tool.parameters.get("required", ())
    fields = tool.parameters.get("properties", {})
    ordered = sorted(fields, key=lambda name: name not in required)
    parts = []
    for name in ordered:
        annotation = annotations.of(fields[name], f"{tool.name}_{name}")
        parts.append(f"{name}: {annotation}{'' if name in required else ' = None'}")
    says = f"connect {tool.name} to your system, and make it a step of the program"
    return [
        *_call(f"def {tool.name}(", parts, ") -> Any:"),
        *docstring(tool.description or f"What the prototype called {tool.name}."),
        *_call(f"{INDENT}raise NotImplementedError(", [quoted(says)], ")", comma=False),
    ]


def recipe_source(lifted: Lifted) -> str:
    """The text of `optimizers/NAME.py`."""
    decides = any(step.contract.decisions for step in lifted.steps)
    passes = ["sw.FieldOrder()"] if any(len(step.contract.inputs) > 1 for step in lifted.steps) else []
    others = list(dict.fromkeys(text for step in lifted.steps for text in step.others))
    passes += ["sw.Demos()"]
    passes += ["sw.Instructions(texts=OTHERS)"] if others and len(lifted.steps) == 1 else []
    passes += ["sw.Readout()", "sw.Student()"] if decides else []
    values = [own for step in lifted.steps for own in step.contract.values]
    passes += ["sw.Spans()"] if any(may_stand_in_text(own) for own in values) else []
    lines = _call(f"{INDENT}passes=[", passes, "],")
    body = ["recipe = sw.Recipe(", *lines, *metric_lines(lifted.checking, INDENT), ")"]
    if others and len(lifted.steps) == 1:
        one_line = f"OTHERS = ({quoted(others[0])},)"
        short = len(others) == 1 and "\n" not in others[0] and len(one_line) <= WIDTH
        lines = [line for text in others for line in _text_lines(text)]
        body = [
            *([one_line] if short else ["OTHERS = (", *lines, ")"]),
            '"""The prototype\'s other prompts: they race against the first."""',
            "",
            *body,
        ]
    about = f"How {lifted.name} is compiled, scored and gated."
    return "\n".join([*docstring(about, indent=""), "", "import shipworthy as sw", "", *body, ""])


def _text_lines(text: str) -> list[str]:
    """A long text as adjacent literals, a line each, in brackets of their own."""
    lines = text.split("\n")
    if len(lines) == 1:
        return [f"{INDENT}{quoted(text)},"]
    parts = [f"{INDENT * 2}{quoted(line + chr(10))}" for line in lines[:-1]]
    return [f"{INDENT}(", *parts, f"{INDENT * 2}{quoted(lines[-1])}", f"{INDENT}),"]


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


def _annotate(lifted: Lifted) -> tuple[Annotations, dict[str, dict[str, str]]]:
    """The annotation of every field by step, and what they need."""
    taken = {_program_of(lifted), *(_class_of(lifted, step) for step in lifted.steps)}
    taken |= {tool.name for step in lifted.steps for tool in step.tools}
    sides = {step.name: (*step.contract.inputs, *step.contract.outputs) for step in lifted.steps}
    for field in (field for fields in sides.values() for field in fields):
        taken |= {field.name, *names_within(field.schema)}
    annotations = Annotations(taken)
    known: dict[str, tuple[Any, str]] = {}
    typed: dict[str, dict[str, str]] = {}
    for name, fields in sides.items():
        typed[name] = {}
        for field in fields:
            if known.get(field.name, (None, ""))[0] != field.schema:
                known[field.name] = (field.schema, annotations.of(field.schema, field.name))
            typed[name][field.name] = known[field.name][1]
    return annotations, typed


def _class_of(lifted: Lifted, step: LiftedStep) -> str:
    return class_name(lifted.name if len(lifted.steps) == 1 else step.name)


def _program_of(lifted: Lifted) -> str:
    return f"{class_name(lifted.name)}Program"


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


def _call(
    start: str, parts: Sequence[str], end: str, *, brackets: bool = False, comma: bool = True
) -> list[str]:
    """A list of parts on one line, or a line each where that is too long; `comma` behind the last one too."""
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) <= WIDTH:
        return [line]
    indent = re.match(r" *", start)
    inner = (indent[0] if indent else "") + INDENT
    opening, closing = ("(", ")") if brackets else ("", "")
    outer = inner.removesuffix(INDENT)
    last = "," if comma else ""
    rows = [f"{inner}{part}," for part in parts[:-1]] + [f"{inner}{part}{last}" for part in parts[-1:]]
    return [f"{start}{opening}", *rows, f"{outer}{closing}{end}"]


def _file(
    about: str, imports: Sequence[Sequence[str]], aliases: Sequence[str], classes: Sequence[Sequence[str]]
) -> str:
    head = [*docstring(about, indent=""), *(line for block in imports for line in ("", *block))]
    if aliases:
        head += ["", *aliases]
    for lines in classes:
        head += ["", "", *lines]
    return "\n".join(head) + "\n"
