"""Run the prototype as it was meant: it writes freely, and any sensible way of saying the label counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ExamplesError, OutputError
from ..examples import digest_of, load_table
from ..lift import Prototype
from ..lms import LM, Prompt, Usage
from ..runtime import Answer, Contract, Field, Outcome, StepTrace, label_text, ordered_map, plain_value

MAX_TOKENS = 64
"""What a prototype may write where all outputs are decisions or numbers; text gets eight times that."""
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")
DECORATION = r"[\s*_`#>\-\"']*"

Many = Callable[[Iterable[Mapping[str, Any]]], Iterator[Outcome[Answer]]]


def answer_freely(prototype: Prototype, contract: Contract, lm: LM) -> Many:
    """The prototype on an LM: rendered, generated freely, and read generously."""
    texts = [own for own in contract.outputs if own.choices is None and own.schema.get("type") == "string"]
    max_tokens = 8 * MAX_TOKENS if texts else MAX_TOKENS

    def answer(row: Mapping[str, Any]) -> Answer:
        generation = lm.generate(prompt_of(prototype, row), max_tokens=max_tokens)
        return answer_from_text(generation.text, contract, generation.usage)

    return lambda rows: ordered_map(answer, rows, workers=lm.workers)


def prompt_of(prototype: Prototype, row: Mapping[str, Any]) -> Prompt:
    """The prototype's own words as one user message; what stands before the first slot is static."""
    text = prototype.render(row)
    lead = prototype.prefix if text.startswith(prototype.prefix) else ""
    return Prompt(lead=lead, user=text[len(lead) :])


def read_recorded(path: Path, contract: Contract) -> Many:
    """Recorded answers: JSON lines with the input columns and `answer`, joined by the inputs.

    Raises:
        ExamplesError: the file cannot be read, or a line lacks a column.
    """
    table = load_table(path)
    names = [field.name for field in contract.inputs]
    known: dict[str, str] = {}
    for index, row in enumerate(table.rows):
        for name in (*names, "answer"):
            if name not in row:
                raise ExamplesError(
                    f"a recorded answer lacks {name!r}",
                    hint=f"each line needs {', '.join(names)} and answer",
                    where=table.where(index, name),
                )
        known[_key(row, names)] = str(row["answer"])

    def answer(row: Mapping[str, Any]) -> Answer:
        key = _key(row, names)
        if key not in known:
            raise OutputError(
                "no answer of the prototype was recorded for this row", hint="record it, or leave the row out"
            )
        return answer_from_text(known[key], contract, Usage())

    return lambda rows: ordered_map(answer, rows, workers=1)


def answer_from_text(text: str, contract: Contract, usage: Usage) -> Answer:
    """What a free text says, as an answer; outputs that it does not say are left out."""
    outputs = read_answer(text, contract)
    step = StepTrace(
        name="prototype",
        prompts=(),
        raw=(text,),
        outputs=outputs,
        confidence={},
        probabilities={},
        answered=True,
        ms=usage.ms,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        lm_calls=1,
    )
    return Answer(outputs, {}, True, (step,))


def read_answer(text: str, contract: Contract) -> dict[str, Any]:
    """Every output that a free text says in some sensible way.

    In this order: a JSON object with the output's name as a key; a line `name: value`;
    for a decision the first label that is mentioned, the longest where several begin
    there; for a number the first number; for text, where it is the only output, all of it.
    """
    found: dict[str, Any] = {}
    data = _json_object(text)
    for field in contract.outputs:
        for said in _candidates(text, data, field, only=len(contract.outputs) == 1):
            try:
                found[field.name] = plain_value(field.parse(said))
                break
            except ValueError:
                continue
    return found


def _candidates(text: str, data: Mapping[str, Any], field: Field, *, only: bool) -> Iterator[Any]:
    """Ways in which the text may state the field, best first; values that do not parse are passed over."""
    name = _loose(field.name)
    for key, value in data.items():
        if _loose(key) == name:
            yield value
    pattern = re.escape(field.name).replace("_", r"[\s_\-]*")
    lines = re.findall(rf"(?im)^{DECORATION}{pattern}{DECORATION}[:=]\s*(.+?)\s*$", text)
    for line in lines:
        yield line.strip(" \t*_`\"'.,")
        yield from _mentions(line, field)
        yield from _numbers(line, field)
    yield from _mentions(text, field)
    yield from _numbers(text, field)
    if only and field.schema.get("type") == "string":
        yield text.strip()


def _mentions(text: str, field: Field) -> Iterator[Any]:
    places = []
    for choice in field.choices or ():
        for word in _ways_to_say(choice):
            pattern = re.escape(word).replace(r"\ ", r"[\s_\-]+")
            match = re.search(rf"(?i)(?<!\w){pattern}(?!\w)", text)
            if match:
                places.append((match.start(), -len(match.group()), choice))
    yield from [choice for _, _, choice in sorted(places, key=lambda place: place[:2])[:1]]


def _numbers(text: str, field: Field) -> Iterator[str]:
    if field.choices is None and field.schema.get("type") in ("integer", "number"):
        for match in NUMBER.findall(text):
            yield match.replace(",", "")


def _ways_to_say(choice: Any) -> tuple[str, ...]:
    if isinstance(choice, bool):
        return ("yes", "true") if choice else ("no", "false")
    return (re.sub(r"[\s_\-]+", " ", label_text(choice)),)


def _json_object(text: str) -> dict[str, Any]:
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text[match.start() :])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return {}


def _loose(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _key(row: Mapping[str, Any], names: list[str]) -> str:
    return digest_of([str(plain_value(row.get(name))).strip() for name in names])
