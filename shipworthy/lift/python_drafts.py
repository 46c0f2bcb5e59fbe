"""Prompts that were found in Python, as steps: their inputs named, their answers linked."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .draft import Draft, Message, Prompt, StepDraft, Template, Tool, Unmapped, check_count
from .formatted import FormatSlot, FormatTemplate, schema_of_spec
from .jinja_template import JinjaTemplate
from .message_lists import MessagesTemplate
from .names import Names, field_name, problem_of_program, word_set
from .pieces import Piece
from .python_calls import Walk
from .python_messages import NO_SETTINGS, Answer, Site, Turn
from .python_models import Models
from .python_syntax import Module, dotted, keywords
from .python_text import UNKNOWN, Hole, Part, resolved, value_of
from .schemas import fields_of, normalised
from .slot_names import SlotNames, last_name

GENERIC = word_set(
    "r res resp response result results completion reply out output msg message answer ret x y data text "
    "content raw json parsed chain prompt template"
)


@dataclass
class _Chain:
    """A chain being made: its names, and which answer has which."""

    module: Module
    walk: Walk
    sites: Sequence[Site]
    steps: Sequence[str]
    place: Callable[[int], str]
    names: SlotNames
    answers: dict[int, dict[str, str]] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)

    def tell(self, what: str, line: int, why: str) -> None:
        part = Unmapped(what, self.place(line), why)
        if part not in self.unmapped:
            self.unmapped.append(part)


def step_names(units: Sequence[tuple[list[str], Sequence[Site]]]) -> None:
    """Name the sites of all units: after the function that asks once, else after the answer."""
    taken = Names()
    for names, sites in units:
        for site in sites:
            alone = sum(one.function == site.function for one in sites) == 1
            target = site.target.lower().strip("_")
            wanted = site.function if site.function and alone else target
            if not wanted or (wanted in GENERIC and site.function):
                wanted = site.function or target or "prompt"
            wanted = field_name(wanted.strip("_") or "prompt").lower()
            names.append(taken.take(f"{wanted}_prompt" if problem_of_program(wanted) else wanted))


def inputs_of(site: Site, walk: Walk) -> tuple[str, ...]:
    """Names of a prompt's inputs, by themselves."""
    chain = _Chain(walk.module, walk, [site], ["prompt"], str, SlotNames())
    try:
        messages = [_message(chain, site, turn) for turn in site.turns]
    except PrototypeError:  # Who chooses this one is told why; the others can still be chosen.
        return ()
    return tuple(dict.fromkeys(name for message in messages for name in message.template.inputs))


def chain_of(
    module: Module,
    walk: Walk,
    sites: Sequence[Site],
    names: Sequence[str],
    place: Callable[[int], str],
    unmapped: Sequence[Unmapped],
) -> Draft:
    """The steps of calls that belong together, in the order in which they run.

    Raises:
        PrototypeError: a schema is none, or there are over 200 calls.
    """
    check_count(len(sites), "calls", place(sites[0].line))
    chain = _Chain(module, walk, sites, names, place, SlotNames(), unmapped=list(unmapped))
    prompts = []
    reads: list[tuple[str, ...]] = []
    for site in sites:
        prompts.append(Prompt(tuple(_message(chain, site, turn) for turn in site.turns)))
        read = {id(answer.site) for answer in site.reads.values()}
        reads.append(tuple(name for name, own in zip(names, sites, strict=True) if id(own) in read))
    steps = []
    for site, name, prompt, read_ones in zip(sites, names, prompts, reads, strict=True):
        outputs, reasons = _outputs(chain, site)
        tools = _tools(chain, site)
        _tell_settings(chain, site)
        steps.append(
            StepDraft(name, (prompt,), outputs=outputs, reasons=reasons, tools=tools, reads=read_ones)
        )
    for line, test in walk.conditions.items():
        chain.tell(f"if {test}", line, "the text under this condition is taken as always there")
    chain.unmapped += chain.names.told(place(sites[0].line))
    used = {name for prompt in prompts for one in prompt.messages for name in one.template.inputs}
    defaults = {key: value for key, value in walk.defaults.items() if key in used}
    return Draft(tuple(steps), defaults=defaults, unmapped=tuple(chain.unmapped))


def is_jinja(text: str) -> bool:
    """Whether a text has tags of Jinja's."""
    return "{%" in text and "%}" in text


def _message(chain: _Chain, site: Site, turn: Turn) -> Message:
    if turn.listed:
        hole = turn.parts[0]
        name = _name_of(chain, site, hole) if isinstance(hole, Hole) else "history"
        chain.tell(name, site.line, "its messages are put in as text, one a line, as in 'user: …'")
        return Message(turn.role, MessagesTemplate(name))
    if len(turn.parts) == 1 and isinstance(turn.parts[0], str) and is_jinja(turn.parts[0]):
        return Message(turn.role, JinjaTemplate(turn.parts[0], where=chain.place(site.line)))
    pieces = tuple(_piece(chain, site, part) for part in turn.parts)
    text = "".join(one if isinstance(one, str) else one.spelling for one in pieces)
    template: Template = FormatTemplate(text, pieces)
    return Message(turn.role, template)


def _piece(chain: _Chain, site: Site, part: Part) -> Piece:
    if isinstance(part, str):
        return part
    spelled = part.said or part.name or part.spelling
    ending = f"!{part.conversion}" * bool(part.conversion) + f":{part.spec}" * bool(part.spec)
    spelling = f"{{{spelled}{ending}}}"
    spec = part.spec if _writes(part.spec) else ""
    if part.spec and not spec:
        chain.tell(spelling, site.line, "how the value is written is not kept")
    return FormatSlot(_name_of(chain, site, part), spelling, spec, part.conversion)


def _writes(spec: str) -> bool:
    """Whether a format specification is one of Python's own, within bounds."""
    if re.search(r"\d{4,}", spec):
        return False
    return bool(schema_of_spec(spec)) or bool(
        re.fullmatch(r"(?:.?[<>^=])?[-+ ]?[#0]*\d*,?(?:\.\d+)?s?", spec)
    )


def _name_of(chain: _Chain, site: Site, hole: Hole) -> str:
    """The input that a hole is: an earlier answer, or a value that the row gives."""
    answer = site.reads.get(id(hole))
    if answer is not None and any(answer.site is one for one in chain.sites):
        return _answer_name(chain, answer, hole)
    value = ast.unparse(hole.node)
    key = hole.name if hole.name != hole.said.rpartition(".")[2] else ""
    wanted = key or (hole.node.id if isinstance(hole.node, ast.Name) else last_name(hole.said))
    if not wanted:
        wanted = last_name(value)
        if wanted == value and not wanted.isidentifier():
            wanted = _inner_name(hole.node)
            chain.tell(value[:80], site.line, f"the input {wanted} takes what this expression gives")
    return chain.names.name(value, wanted=wanted)


def _answer_name(chain: _Chain, answer: Answer, hole: Hole) -> str:
    """The output of an earlier step, named by its field or by what the source calls it."""
    known = chain.answers.setdefault(id(answer.site), {})
    if answer.field not in known:
        step = chain.steps[[id(one) for one in chain.sites].index(id(answer.site))]
        said = last_name(hole.said) if hole.said.isidentifier() else answer.site.target
        wanted = answer.field or (said if said.lower() not in GENERIC else "")
        wanted = wanted or (answer.site.target if answer.site.target.lower() not in GENERIC else "")
        name = wanted or f"{step}_answer"
        known[answer.field] = chain.names.name(f"{step}: {answer.field or 'answer'}", wanted=name)
    return known[answer.field]


def _inner_name(node: ast.expr) -> str:
    """The first name within an expression that is no function."""
    called = {id(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)}
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute | ast.Name) and id(one) not in called and dotted(one):
            return last_name(dotted(one))
    return "value"


def _outputs(chain: _Chain, site: Site) -> tuple[tuple[Field, ...], dict[str, str]]:
    """What a call states of its answer, and the names under which later steps read it."""
    where = chain.place(site.call.lineno)
    words = keywords(site.call)
    schema: Any = None
    for key in ("response_format", "response_model", "text_format", "output_type"):
        if key in words:
            schema = _schema(chain, site, words[key], key)
    bound = _structured(chain, site)
    schema = bound if bound is not None else schema
    found: list[Field] = []
    if schema:
        normal = fields_of(schema, where=where)
        found += normal.fields
        for place, why in normal.left_out:
            chain.tell(place, site.call.lineno, why)
    reasons = dict.fromkeys((one.name for one in found), f"stated in {where}")
    for key, name in chain.answers.get(id(site), {}).items():
        if name not in reasons and not (found and not key):
            found.append(Field(name, {}))
            reasons[name] = "a later prompt is given it"
    return tuple(found), reasons


def _schema(chain: _Chain, site: Site, node: ast.expr, key: str) -> Any:
    own = resolved(chain.module, node, site.scope)
    if isinstance(own, ast.Name | ast.Attribute):
        models = Models([chain.module])
        if models.has(dotted(own)):
            found = models.schema(dotted(own))
            for place, why in models.left_out:
                chain.tell(place, site.call.lineno, why)
            return found
    value = value_of(chain.module, own, site.scope)
    if isinstance(value, dict):
        inner = value.get("json_schema", value)
        inner = inner.get("schema", inner) if isinstance(inner, dict) else inner
        if isinstance(inner, dict) and "properties" in inner:
            return inner
        if value.get("type") in ("json_object", "text"):
            return None
    chain.tell(
        f"{key}={ast.unparse(node)[:60]}", site.call.lineno, "its fields stand in none of the file's classes"
    )
    return None


def _structured(chain: _Chain, site: Site) -> Any:
    """`llm.with_structured_output(Model).invoke(...)`."""
    node = site.call.func.value if isinstance(site.call.func, ast.Attribute) else None
    own = resolved(chain.module, node, site.scope) if node is not None else None
    while isinstance(own, ast.BinOp):
        parts = [resolved(chain.module, one, site.scope) for one in (own.right, own.left)]
        bound = [one for one in parts if isinstance(one, ast.BinOp) or _binds(one)]
        own = bound[0] if bound else None
    if isinstance(own, ast.Call) and _binds(own) and own.args:
        return _schema(chain, site, own.args[0], "with_structured_output")
    return None


def _binds(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func).endswith("with_structured_output")


def _tools(chain: _Chain, site: Site) -> tuple[Tool, ...]:
    words = keywords(site.call)
    found = []
    for key in ("tools", "functions"):
        if key not in words:
            continue
        value = value_of(chain.module, words[key], site.scope)
        for one in value if isinstance(value, list) else ():
            inner = one.get("function", one) if isinstance(one, dict) else {}
            if isinstance(inner.get("name"), str):
                parameters = inner.get("parameters", inner.get("input_schema", {}))
                schema, left_out = normalised(parameters, where=chain.place(site.call.lineno))
                for place, why in left_out:
                    chain.tell(place, site.call.lineno, why)
                found.append(Tool(inner["name"], str(inner.get("description", "")), schema))
        if value is UNKNOWN or not found:
            chain.tell(
                f"{key}={ast.unparse(words[key])[:60]}", site.call.lineno, "known only when the program runs"
            )
    return tuple(found)


def _tell_settings(chain: _Chain, site: Site) -> None:
    for what, why in site.told:
        chain.tell(what, site.line, why)
    settings = [
        f"{word.arg}={ast.unparse(word.value)[:40]}"
        for word in site.call.keywords
        if word.arg
        and word.arg not in NO_SETTINGS
        and word.arg not in ("template", "template_format", "input_variables")
    ]
    if settings:
        chain.tell(
            ", ".join(settings), site.call.lineno, "the LM and its settings are chosen when it is compiled"
        )
