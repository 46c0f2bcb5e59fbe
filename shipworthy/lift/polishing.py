"""Descriptions and a docstring that an LM writes for what was lifted, where the prototype states none.

It is done when somebody asks for it, and adds words where there were none: the prompt's prose,
types, slots and names stay as they are. What the LM writes ends in source and in prompts, so
that each text is generated under a JSON Schema, looked at, and refused where it does not fit.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import RowError
from ..examples import holds_secret
from ..lms import LM, Prompt
from ..runtime import Contract, Field, Progress, label_text, ordered_map
from .describe import type_words
from .lifting import Lifted, LiftedStep

SHORTEST, LONGEST = 8, 90
"""Characters of a text."""
ROOM = 200
"""Characters that the LM may write: what it does not end within these is refused, not cut."""
PROSE = 2000
"""Characters of the prompt that the LM is shown."""
MAX_TOKENS = 96
WORD = re.compile(r"[^\W\d_]{4,}")
MARKS = frozenset("{}<>`\\")
"""What could be read as a slot, a tag or code where the text is shown."""

SEVERAL = re.compile(r"[.!?;:](\s|$)|^\W*\d+[.)]|\s\d+[.)]\s")
"""More than one sentence, or a list."""

SYSTEM = "You write documentation for a typed program. Answer in JSON with one short phrase."
HEAD = "The program's prompt:"
GIVEN = "The program is given `{name}`: {type}. Describe `{name}` in one short phrase."
ANSWERED = "The program answers with `{name}`: {type}. Describe `{name}` in one short phrase."
DOES = "What does the program do? Write one short sentence that begins with a verb."
EXAMPLE = "Read the note of a guest and say which room it is about, as a number, or 0 for none."
"""Of a prompt, for the worked examples, which keep a small LM to the form."""


@dataclass(frozen=True)
class Polished:
    """A text that was asked for.

    Attributes:
        what: such as `input ticket`, `output queue of sort`, or `program`.
        text: what was taken over; empty where it was refused.
        why: it was refused.
    """

    what: str
    text: str
    why: str = ""


def polish(
    lifted: Lifted, lm: LM, *, progress: Progress | None = None
) -> tuple[Lifted, tuple[Polished, ...]]:
    """Ask an LM for a description of each field without one, and for a line that says what the program does.

    A field that several steps share is asked for once. One call each; the same LM gives the same texts.

    Returns:
        What was lifted with the texts that fit, and all that were asked for.

    Raises:
        LMError: the LM fails; nothing is polished then.
    """
    progress = progress or Progress()
    wanted = _wanted(lifted)
    found: list[Polished] = []
    progress.start("polishing", len(wanted))
    try:
        for outcome in ordered_map(lambda one: one.ask(lm), wanted, workers=lm.workers, keep=()):
            found.append(outcome.unwrap())
            progress.advance(len(found))
    finally:
        progress.finish()
    texts = {one.name: said.text for one, said in zip(wanted, found, strict=True) if said.text}
    steps = tuple(replace(step, contract=_described(step.contract, texts)) for step in lifted.steps)
    about = texts.get("", "")
    return replace(lifted, steps=steps, about=f"{about}." if about else ""), tuple(found)


def _asked(prose: str, question: str) -> str:
    return f"{HEAD}\n\n{prose}\n\n{question}"


SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": SHORTEST, "maxLength": ROOM}},
    "required": ["text"],
    "additionalProperties": False,
}
TURNS = tuple(
    (_asked(EXAMPLE, question), json.dumps({"text": text}))
    for question, text in (
        (GIVEN.format(name="note", type="text"), "what the guest wrote"),
        (ANSWERED.format(name="room", type="integer"), "number of the room that the note is about, or 0"),
        (DOES, "Says which room a guest's note is about"),
    )
)


@dataclass(frozen=True)
class _Wanted:
    """A text to be asked for: what it is of, by name, or of the program where that is empty."""

    name: str
    what: str
    question: str
    prose: str
    labels: tuple[str, ...] = ()

    def ask(self, lm: LM) -> Polished:
        """What the LM says, if it fits."""
        prompt = Prompt(SYSTEM, TURNS, user=_asked(self.prose[:PROSE], self.question))
        try:
            generation = lm.generate(prompt, max_tokens=MAX_TOKENS, schema=dict(SCHEMA))
        except RowError as error:
            return Polished(self.what, "", error.message)
        said = _text_of(generation.text) if generation.finished else None
        why = "no text came back" if said is None else self.problem(said)
        return Polished(self.what, "" if why else (said or ""), why)

    def problem(self, text: str) -> str:
        """Why a text does not fit, or empty."""
        if not SHORTEST <= len(text) <= LONGEST:
            return f"it has {len(text)} characters, and {SHORTEST} to {LONGEST} are asked for"
        if any(not char.isprintable() for char in text):
            return "it is not one line of plain text"
        if SEVERAL.search(text):
            return "it is more than one sentence"
        said_words = text.casefold().split()
        if 3 * len(set(said_words)) < 2 * len(said_words):
            return "it says the same again and again"
        if MARKS & set(text) or HEAD.lower() in text.lower():
            return "it holds marks of slots, tags or code, or the question itself"
        if holds_secret({"text": text}):
            return "it holds what looks like a secret"
        own = self.name.replace("_", " ")
        said = _words(text)
        if said <= _words(own):
            return "it says no more than the name"
        known = _words(" ".join([self.prose, own, *self.labels]))
        if not _beginnings(said) & _beginnings(known):
            return "it mentions nothing of the prompt"
        return ""


def _wanted(lifted: Lifted) -> list[_Wanted]:
    found: dict[str, _Wanted] = {}
    several = len(lifted.steps) > 1
    for step in lifted.steps:
        sides = (("input", step.contract.inputs), ("output", step.contract.outputs))
        for side, field in ((side, field) for side, fields in sides for field in fields):
            if not field.description and field.name not in found:
                found[field.name] = _of_field(field, side, step, several)
    prose = "\n\n".join(step.instruction for step in lifted.steps)
    return [*found.values(), _Wanted("", "program", DOES, prose)]


def _of_field(field: Field, side: str, step: LiftedStep, several: bool) -> _Wanted:
    template = GIVEN if side == "input" else ANSWERED
    question = template.format(name=field.name, type=type_words(field.schema))
    what = f"{side} {field.name}{f' of {step.name}' if several else ''}"
    labels = tuple(label_text(choice) for choice in field.choices or ())
    return _Wanted(field.name, what, question, step.instruction, labels)


def _described(contract: Contract, texts: Mapping[str, str]) -> Contract:
    def described(fields: Iterable[Field]) -> tuple[Field, ...]:
        return tuple(
            field if field.description else replace(field, description=texts.get(field.name, ""))
            for field in fields
        )

    return replace(contract, inputs=described(contract.inputs), outputs=described(contract.outputs))


def _text_of(answer: str) -> str | None:
    """The text of the JSON object, without space around it and full stop; None where there is none."""
    try:
        value: Any = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    text = value.get("text") if isinstance(value, dict) else None
    return text.strip().removesuffix(".").rstrip() if isinstance(text, str) else None


def _words(text: str) -> set[str]:
    """Words of four letters or more; of writing that does not part its words, each pair of letters."""
    found = {word.casefold() for word in WORD.findall(text)}
    unparted = [word for word in found if any(unicodedata.category(char) == "Lo" for char in word)]
    return found | {word[i : i + 2] for word in unparted for i in range(len(word) - 1)}


def _beginnings(words: set[str]) -> set[str]:
    """The first five letters, which forms of a word share."""
    return {word[:5] for word in words}
