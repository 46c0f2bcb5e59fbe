"""Prompts in a Python file or notebook, found by syntax; nothing of it is run.

What counts as a prompt:
- what a call sends to an LM: `messages=[…]`, a text or list given to a method such as
  `create`, `invoke` or `generate_content`, or to a function whose name says that it asks
  (`ask_llm`, `chat`); LangChain's templates; with words of its own, four without a slot;
- a text under a name that says so (`PROMPT`, `system_message`, `template`), of four words or
  more, where no such call has it already;
- any other named text of 15 words or more over several lines that has a slot and sets a task
  ("answer", "classify", "write").
Docstrings, log messages, SQL, markup, addresses and patterns are none, whatever their name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import PrototypeError
from .draft import Draft, Unmapped
from .files import Files
from .pieces import Slot
from .python_calls import Known, Walk, class_constants
from .python_drafts import chain_of, inputs_of, is_jinja, step_names
from .python_messages import Site, Turn, keyed
from .python_notebook import source_of
from .python_syntax import Module, docless, in_order, methods, parse_python
from .python_text import DOLLAR, Hole, Part, taken_apart, text_of
from .slots import split_slots as split_braces

FORMAT = "python"
SUFFIXES = (".py", ".ipynb")
CARRIES = (
    ("f-strings, format, %, +, join, replace, string.Template, dedent", "slots with their formats"),
    ("constants, functions that put a prompt together", "followed to their text"),
    ("messages of openai, anthropic, litellm and the like; LangChain's templates", "messages by role"),
    ("a call whose answer goes into a later prompt", "a step that the later one reads"),
    ("response_format, response_model with a class of the file or a JSON Schema", "typed outputs"),
    ("tools written out", "typed tools"),
    ("parameters with a default", "values of inputs where a row has none"),
)
OTHERS = re.compile(r"^[ \t]*(?:from|import)\s+crewai\b|\"\s*(?:from|import)\s+crewai\b", re.M)
NAMED = re.compile(r"prompt|template|instruction|system_?(?:message|text)?$|persona|few_?shot", re.I)
NO_NAME = re.compile(
    r"sql|html|css|url|regex|pattern|path|log|error|schema|(?:mail|page|file)_template", re.I
)
NO_TASK_NAME = re.compile(
    r"message|msg|help|usage|reason|detail|warning|doc|script|code|cmd|command|source", re.I
)
TASK = re.compile(
    r"\b(?:you are|your task|answer|classify|sort|summar|respond|reply|extract|translate|rewrite|write|return"
    r"|list|describe|decide|given)",
    re.I,
)
NO_PROMPT = re.compile(
    r"\s*(?:(?:SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|CREATE|ALTER|DROP|WITH)\s+\w+[\s\S]*\b(?:FROM|SET|VALUES|TABLE|AS|WHERE)\b"
    r"|<!?[a-zA-Z][^>]*>[\s\S]*</|https?://\S+\s*$|#!|\{\s*\"|(?:import|from|def|class)\s+\w+"
    r"|[\w\[\], |.]*[\[|][\w\[\], |.]*$)"
)
MIN_WORDS = 4
LONG = 15
FIRST_WORDS = 8


@dataclass(frozen=True)
class Found:
    """A prompt of a file.

    Attributes:
        name: by which it is chosen; so is its line.
        line: on which it is sent, or stands.
        words: its first words.
        inputs: names of its inputs.
        function: in which it is put together, or empty.
    """

    name: str
    line: int
    words: str
    inputs: tuple[str, ...]
    function: str = ""


@dataclass
class _Unit:
    """What runs together: a function with what it calls, or the file's own statements."""

    name: str
    sites: list[Site]
    walk: Walk
    names: list[str] = field(default_factory=list)


def recognises(files: Files) -> bool:
    """Whether this is Python that is no crew's or flow's."""
    if files.is_folder or files.path.suffix.lower() not in SUFFIXES:
        return False
    return not OTHERS.search(files.glance())


def prompts_in(files: Files) -> tuple[Found, ...]:
    """The prompts of a file, in the order of their lines.

    Raises:
        PrototypeError: the file does not parse.
    """
    found = [
        Found(name, site.line, _first_words(site), inputs_of(site, unit.walk), site.function)
        for unit in _units(_module(files)[0])
        for name, site in zip(unit.names, unit.sites, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: one.line))


def read(files: Files, *, name: str, chosen: str | None = None) -> Draft:
    """One prompt of a file, or the chain of those that one function asks in turn.

    Args:
        files: the file.
        name: of the step, where it is one.
        chosen: name or line of a prompt, or the name of the function that asks several.

    Raises:
        PrototypeError: the file does not parse, has no prompt or none of that name or line; or has
            several that do not belong together, and none is chosen.
    """
    module, unmapped, place = _module(files)
    units = _units(module)
    if not units:
        raise PrototypeError(
            "no prompt was found",
            hint="give the text a name such as PROMPT, or lift it from a file of its own",
            where=str(files.path),
        )
    unit, sites = _chosen(units, chosen, str(files.path))
    names = (
        [name]
        if len(sites) == 1
        else [one for one, site in zip(unit.names, unit.sites, strict=True) if site in sites]
    )
    return chain_of(module, unit.walk, sites, names, place, unmapped)


def _module(files: Files) -> tuple[Module, list[Unmapped], Callable[[int], str]]:
    source = source_of(files)
    return parse_python(source.text, str(files.path)), source.unmapped, source.place


def _chosen(units: Sequence[_Unit], chosen: str | None, where: str) -> tuple[_Unit, list[Site]]:
    if chosen is None:
        if len(units) == 1 and (units[0].name or len(units[0].sites) == 1 or _linked(units[0])):
            return units[0], units[0].sites
        raise _choose(units, "the file has several prompts", where)
    for unit in units:
        for name, site in zip(unit.names, unit.sites, strict=True):
            if chosen in (name, str(site.line)):
                return unit, [site]
    for unit in units:
        own = [site for site in unit.sites if chosen in (unit.name, site.function)]
        if own:
            return unit, own
    raise _choose(units, f"no prompt {chosen!r} is in the file", where)


def _choose(units: Sequence[_Unit], message: str, where: str) -> PrototypeError:
    listed = [
        (site.line, f"{name} (line {site.line}): {_first_words(site)}")
        for unit in units
        for name, site in zip(unit.names, unit.sites, strict=True)
    ]
    shown = "; ".join(text for _, text in sorted(listed))
    return PrototypeError(
        f"{message}: {shown}",
        hint="choose one by its name or its line, or a function's name for all that it asks",
        where=where,
    )


def _linked(unit: _Unit) -> bool:
    """Whether each prompt but the first reads an earlier one's answer."""
    return all(site.reads for site in unit.sites[1:])


def _units(module: Module) -> list[_Unit]:
    """What asks an LM, each once, and texts that nothing in the file sends.

    Raises:
        PrototypeError: an expression is nested too deeply.
    """
    try:
        return _all_units(module)
    except RecursionError as error:
        raise PrototypeError(
            "an expression is nested too deeply",
            hint="lift the prompt from a file of its own",
            where=module.file,
        ) from error


def _all_units(module: Module) -> list[_Unit]:
    walks: list[tuple[str, Walk]] = []
    known = Known()
    whole = Walk(module, known)
    whole.run_module()
    walks.append(("", whole))
    for owner, function in _functions(module):
        walk = Walk(module, known)
        walk.run(function, owner=owner)
        walks.append((function.name, walk))
    called = {name for _, walk in walks for name in walk.called}
    used = {call for _, walk in walks for call in walk.used}
    units: list[_Unit] = []
    for name, walk in walks:
        sites = [site for site in walk.sites if _is_asked(site) and id(site.call) not in used]
        if name in called or not sites:
            continue
        functions = {site.function for site in sites}
        own = name or (functions.pop() if len(functions) == 1 else "")
        units.append(_Unit(own, sites, walk))
    sent = [_folded(_literal(turn.parts)) for unit in units for site in unit.sites for turn in site.turns]
    for site in _loose(module):
        text = _literal(site.turns[0].parts)
        if not any(_within(text, other) for other in sent):
            sent.append(_folded(text))
            units.append(_Unit(site.target, [site], Walk(module)))
    step_names([(unit.names, unit.sites) for unit in units])
    return units


def _is_asked(site: Site) -> bool:
    """Whether what a call sends has words enough to be a prompt."""
    has_slot = any(isinstance(part, Hole) for turn in site.turns for part in turn.parts)
    return site.words >= (1 if has_slot else MIN_WORDS)


def _functions(
    module: Module,
) -> Iterator[tuple[ast.ClassDef | None, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for function in module.functions.values():
        yield None, function
    for owner in module.classes.values():
        for function in methods(owner).values():
            yield owner, function


def _loose(module: Module) -> Iterator[Site]:
    """Named texts that look like prompts, of the module, of its classes and of its functions."""
    bodies: list[tuple[ast.ClassDef | None, str, Sequence[ast.stmt]]] = [(None, "", module.tree.body)]
    bodies += [(owner, "", docless(owner.body)) for owner in module.classes.values()]
    bodies += [(owner, function.name, docless(function.body)) for owner, function in _functions(module)]
    for owner, function, body in bodies:
        for statement, scope in in_order(body, class_constants(owner) if function else {}):
            for name, value in _assigned(statement):
                parts = text_of(module, value, scope)
                if parts is None and isinstance(value, ast.Call) and value.args and _is_template(value):
                    parts = _dollars(text_of(module, value.args[0], scope))
                if parts is not None and _is_prompt(name, parts):
                    call = ast.copy_location(ast.Call(value, [], []), statement)
                    yield Site((Turn("user", _slots(parts)),), call, statement.lineno, function, scope, name)


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name | ast.Attribute):
                yield target.id if isinstance(target, ast.Name) else target.attr, statement.value
        if isinstance(statement.value, ast.Dict) and isinstance(statement.targets[0], ast.Name):
            head = statement.targets[0].id
            for key, value in zip(statement.value.keys, statement.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield f"{head}_{key.value}", value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        yield statement.target.id, statement.value


def _is_template(value: ast.Call) -> bool:
    return ast.unparse(value.func) in ("Template", "string.Template")


def _dollars(parts: tuple[Part, ...] | None) -> tuple[Part, ...] | None:
    """The text of a `string.Template`, its names as holes."""
    if parts is None:
        return None
    found: list[Part] = []
    for part in taken_apart(parts, DOLLAR):
        key = part["name"] or part["braced"] if isinstance(part, re.Match) else ""
        found.append((Hole(ast.Name(key), key) if key else "$") if isinstance(part, re.Match) else part)
    return tuple(found)


def _slots(parts: Sequence[Part]) -> tuple[Part, ...]:
    """A text that is filled elsewhere: names in braces are its slots."""
    if any(isinstance(part, Hole) for part in parts):
        return tuple(parts)
    text = "".join(part for part in parts if isinstance(part, str))
    if is_jinja(text):
        return (text,)
    pieces = split_braces(text)
    doubled = any(isinstance(piece, Slot) and piece.spelling.startswith("{{") for piece in pieces)
    if doubled:
        return tuple(Hole(ast.Name(one.name), one.name) if isinstance(one, Slot) else one for one in pieces)
    return tuple(keyed(parts)) if any(isinstance(piece, Slot) for piece in pieces) else tuple(parts)


def _is_prompt(name: str, parts: Sequence[Part]) -> bool:
    text = _literal(parts)
    words = len(re.findall(r"[^\W\d_]{2,}", text))
    if NO_NAME.search(name) or NO_PROMPT.match(text) or words < MIN_WORDS:
        return False
    if NAMED.search(name):
        return True
    has_slot = any(isinstance(part, Hole) for part in _slots(parts))
    if NO_TASK_NAME.search(name) or not TASK.search(text):
        return False
    return has_slot and words >= LONG and "\n" in text.strip()


def _literal(parts: Sequence[Part]) -> str:
    return "\0".join(part for part in parts if isinstance(part, str))


def _within(text: str, sent: str) -> bool:
    """Whether a text, slots aside, is part of what is sent, of folded blanks."""
    pieces = [_folded(piece) for piece in re.split(r"\0|\{+[^{}\n]*\}+|\$\w+", text)]
    at = 0
    for piece in pieces:
        found = sent.find(piece, at)  # most often they stand there in this order
        if found < 0 and piece not in sent:
            return False
        at = max(found, 0)
    return any(pieces)


def _folded(text: str) -> str:
    return " ".join(text.split())


def _first_words(site: Site) -> str:
    """How the last message with words begins."""
    texts = [_literal(turn.parts).replace("\0", "…") for turn in site.turns]
    told = [text for text in texts if re.search(r"[^\W\d_]{2,}", text)]
    words = (told[-1] if told else "").split()
    return " ".join(words[:FIRST_WORDS]) + (" …" if len(words) > FIRST_WORDS else "")
