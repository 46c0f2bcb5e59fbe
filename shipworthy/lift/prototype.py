"""The prototype as it was found: read once, kept as it is, filled with a row's inputs.

It is what the compiled program must beat, so its text is never tidied.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import PrototypeError, RowInputError
from ..examples import digest_of
from ..lms import Prompt
from .draft import Draft, Message, StepDraft, Template, check_inputs, one_step
from .files import Files
from .mlflow_reader import read_registered
from .names import problem_of_program, program_name
from .pieces import Piece
from .plain_template import PlainTemplate, shown
from .readers import reader_for
from .text_reader import draft_of

Supply = Callable[[Mapping[str, Any]], Mapping[str, Any]]
REGISTERED = "prompts:/"
"""How the address of a prompt in MLflow's registry begins."""


@dataclass(frozen=True)
class Prototype:
    """A hand-written prompt, or several that follow each other.

    Attributes:
        name: of the program that is to replace it.
        format: of the reader that took it apart, such as "markdown".
        path: what was named, for messages and for the suffix of copies.
        draft: its prompts, and what it states of types.
        texts: of all files that were read, by their path within the prototype's folder.
        digest: sha256 (hex) of them.
        supply: gives values of a row for slots that are no column, such as the passages that the
            prompt is to be filled with; where None, a row must have them all.
    """

    name: str
    format: str
    path: str
    draft: Draft
    texts: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    supply: Supply | None = field(default=None, compare=False, repr=False)

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Names of the inputs, in order of first appearance; what one step gives another is none."""
        steps = {step.name: step for step in self.draft.steps}
        given: set[str] = set()
        for read in {read for step in self.draft.steps for read in step.reads}:
            given.update([field.name for field in steps[read].outputs] or [read])
        names = dict.fromkeys(name for step in self.draft.steps for name in step.shown)
        return tuple(name for name in names if name not in given)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Values of inputs that a row need not have; null for those that a template asks for first."""
        found: dict[str, Any] = {}
        for step in self.draft.steps:
            shown = {**step.shown, **{field.name: field.schema for field in step.inputs}}
            found |= {name: schema["default"] for name, schema in shown.items() if "default" in schema}
        return {**found, **self.draft.defaults}

    @property
    def template(self) -> PlainTemplate | None:
        """The text with slots that it is; None for one of several messages, steps or conditions."""
        first = self.draft.steps[0].prompts[0].messages
        plain = first[0].template
        single = len(self.draft.steps) == 1 and len(first) == 1 and first[0].role == "user"
        return plain if single and isinstance(plain, PlainTemplate) else None

    @property
    def text(self) -> str:
        """The words of the first step's prompt, as they stand in the file."""
        return "\n\n".join(message.template.text for message in self.draft.steps[0].prompts[0].messages)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Text and slots of the first step's prompt, in order."""
        messages = self.draft.steps[0].prompts[0].messages
        parts = [message.template.pieces() for message in messages]
        return tuple(itertools.chain.from_iterable((*part, "\n\n") for part in parts))[:-1]

    def with_text(self, text: str) -> Prototype:
        """The same with other words.

        Raises:
            ValueError: it is not one text with slots.
        """
        if self.template is None:
            raise ValueError("only a prompt of one text can be given another one")
        message = Message("user", replace(self.template, text=text))
        draft = one_step(self.draft.steps[0].name, [message])
        return replace(self, draft=draft, texts={}, digest=digest_of(text))

    def render(self, inputs: Mapping[str, Any]) -> str:
        """All that the LM is told at the first step for one row, as one text.

        Raises:
            RowInputError: as `prompt`.
        """
        asked = self.prompt(self.draft.steps[0], inputs)
        said = [asked.system, *(text for turn in asked.turns for text in turn), asked.lead + asked.user]
        return "\n\n".join(said[1:] if not asked.system else said)

    def prompt(self, step: StepDraft, values: Mapping[str, Any]) -> Prompt:
        """What the LM is asked at a step; values are data, whatever braces they hold.

        Raises:
            RowInputError: an input has no value, or the prompt has no slot and `values` is not
                exactly one value.
        """
        system: list[str] = []
        said: list[tuple[str, str]] = []
        prompt = step.prompts[0]
        given = {**self.defaults, **values}
        if self.supply is not None and any(slot not in given for slot in self.slots):
            given = {**self.supply(values), **given}
        for role, text in prompt.render(given):
            if role == "system":
                system.append(text)
            elif said and said[-1][0] == role:
                said[-1] = (role, f"{said[-1][1]}\n\n{text}")
            else:
                said.append((role, text))
        unseen = [read for read in step.reads if read not in step.shown and values.get(read)]
        if unseen and said:
            context = "\n\n".join(f"{read}:\n{shown(values[read])}" for read in unseen)
            said[-1] = (said[-1][0], f"{said[-1][1]}\n\n{context}")
        if not self.slots:
            said = [*said[:-1], ("user", f"{said[-1][1] if said else ''}\n\n{self._one(values)}")]
        if not said or said[-1][0] != "user":  # the LM goes on with what it is made to have said
            opening = said.pop()[1] if said else ""
            before = said.pop()[1] if said else ""
            said.append(("user", f"{before}\n\n{opening}".strip()))
        if said[0][0] == "assistant":
            said.insert(0, ("user", ""))
        user = said.pop()[1]
        turns = tuple((said[i][1], said[i + 1][1]) for i in range(0, len(said), 2))
        lead = _static(prompt.messages[-1].template, user, has_slots=bool(self.slots))
        return Prompt("\n\n".join(system), turns, lead, user[len(lead) :])

    def _one(self, values: Mapping[str, Any]) -> str:
        if len(values) != 1:
            raise RowInputError(
                f"the prompt has no slot, so it takes one input, not {len(values)}",
                hint="mark where each input goes, as in {message}",
                where=self.path,
            )
        return shown(next(iter(values.values())))


def read_prototype(
    path: str | Path,
    *,
    name: str | None = None,
    format: str | None = None,
    chosen: str | None = None,
) -> Prototype:
    """Read a prototype from a file or folder, or from MLflow's registry.

    Args:
        path: the file or folder; or `prompts:/NAME/VERSION`.
        name: of the program; by default the file's stem, made a Python name.
        format: of a reader; by default the one that recognises the content.
        chosen: name or line of a prompt, where one Python file holds several.

    Raises:
        PrototypeError: a file is missing, empty, over 10 MB, not UTF-8 or of an unknown format,
            nested too deeply, it has over 1,000 inputs, or the name is none.
    """
    looked_at = Files(path)
    if name is not None and problem_of_program(name):
        raise PrototypeError(
            f"{name!r} cannot name a program: it {problem_of_program(name)}",
            hint="use letters, digits and underscores, such as triage",
        )
    if str(path).startswith(REGISTERED):
        return _registered(str(path), name)
    files = Files(path, chosen=chosen)
    try:
        reader = reader_for(looked_at, format)
        called = name or program_name(_stem(looked_at), str(path))
        draft = reader.read(files, name=called)
    except PrototypeError as error:
        error.where = error.where or str(path)
        raise
    except RecursionError as error:
        raise PrototypeError(
            "it is nested too deeply", hint="write it flatter, or lift a part of it", where=str(path)
        ) from error
    prototype = Prototype(called, reader.format, str(path), draft, dict(files.texts), files.digest)
    check_inputs(len(prototype.slots), str(path))
    return prototype


def _registered(uri: str, name: str | None) -> Prototype:
    """A prompt of MLflow's prompt registry."""
    called = name or program_name(re.split("[/@]", uri.removeprefix(REGISTERED))[0], uri)
    draft = read_registered(uri)
    text = "\n\n".join(message.template.text for message in draft.steps[0].prompts[0].messages)
    return Prototype(called, "mlflow", uri, draft, {f"{called}.txt": text}, digest_of(text))


def plain_prototype(name: str, text: str, *, format: str = "text") -> Prototype:
    """A prototype out of a text with slots that lies in no file.

    Raises:
        PrototypeError: the name is none.
    """
    path = f"{name}{'.md' if format == 'markdown' else '.txt'}"
    return Prototype(name, format, path, draft_of(text, name=name, place=path), {path: text}, digest_of(text))


def _stem(files: Files) -> str:
    return files.path.resolve().name if files.is_folder else files.path.stem


def _static(template: Template, user: str, *, has_slots: bool) -> str:
    """The beginning of the user's text that is the same for every row."""
    if not has_slots:
        lead = f"{template.text}\n\n"
    else:
        first = template.pieces()[:1]
        lead = first[0] if first and isinstance(first[0], str) and isinstance(template, PlainTemplate) else ""
    return lead if user.startswith(lead) else ""
