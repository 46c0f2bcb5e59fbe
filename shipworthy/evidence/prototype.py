"""Run the prototype as it was meant: it writes freely, and any sensible way of saying the label counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ExamplesError, OutputError
from ..examples import digest_of, load_table
from ..lift import Prototype
from ..lms import LM, Prompt, Usage
from ..runtime import Answer, Contract, Field, StepTrace, label_text, ordered_map, plain_value
from ..scoring import Many

MAX_TOKENS = 64
"""What a prototype may write where all outputs are decisions or numbers; text gets eight times that."""
NUMBER = re.compile(
    r"(?<![\d.,])(?<!\d-)[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\d|[.,\-]\d)"
)
"""With commas between thousands or without. Dates, ranges and decimal commas are left: which one is meant?"""
DECORATION = r"[\s*_`#>\-\"']*"
NAMED = re.compile(rf"(?m)^{DECORATION}([^\W\d]\w*(?: \w+)?){DECORATION}[:=]\s*(.+?)\s*$")
"""A line that begins with a name of one word or two."""
EDGES = " \t*_`\"'.,"


def answer_freely(prototype: Prototype, contract: Contract, lm: LM) -> Many:
    """The prototype on an LM: rendered, generated freely, read generously; step by step if it has several."""

    def answer(row: Mapping[str, Any]) -> Answer:
        if len(prototype.draft.steps) > 1:
            return _in_steps(prototype, contract, lm, row)
        generation = lm.generate(prompt_of(prototype, row), max_tokens=max_tokens(contract))
        return answer_from_text(generation.text, contract, generation.usage)

    return lambda rows: ordered_map(answer, rows, workers=lm.workers)


def _in_steps(prototype: Prototype, contract: Contract, lm: LM, row: Mapping[str, Any]) -> Answer:
    """Each step is given what the earlier ones said; a router's step, whose label it is read to be."""
    values, traces = dict(row), list[StepTrace]()
    for step in prototype.draft.steps:
        if not _is_routed_to(step.name, prototype, values):
            continue
        outputs = step.outputs or (Field(step.name, {"type": "string"}),)
        own = Contract(contract.inputs, outputs)
        generation = lm.generate(prototype.prompt(step, values), max_tokens=max_tokens(own))
        said = answer_from_text(generation.text, own, generation.usage, name=step.name)
        values.update({step.name: generation.text, **said.outputs})
        traces += said.steps
    known = [field for field in contract.outputs if field.name in values]
    return Answer({field.name: values[field.name] for field in known}, {}, True, tuple(traces))


def _is_routed_to(name: str, prototype: Prototype, values: Mapping[str, Any]) -> bool:
    router = prototype.draft.router
    if router is None or name not in router.to.values():
        return True
    return router.to.get(str(values.get(router.output))) == name


def max_tokens(contract: Contract) -> int:
    """What who writes freely may write of an answer."""
    texts = [own for own in contract.outputs if own.choices is None and own.schema.get("type") == "string"]
    return 8 * MAX_TOKENS if texts else MAX_TOKENS


def prompt_of(prototype: Prototype, row: Mapping[str, Any]) -> Prompt:
    """The prototype's own words for a row, of its one step."""
    return prototype.prompt(prototype.draft.steps[0], row)


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


def answer_from_text(text: str, contract: Contract, usage: Usage, *, name: str = "prototype") -> Answer:
    """What a free text says, as an answer; outputs that it does not say are left out."""
    outputs = read_answer(text, contract)
    step = StepTrace(
        name=name,
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

    In this order: a JSON object with the output's name as a key; a line `name: value`, or
    the same within a line; for a decision the first label that is mentioned, the longest
    where several begin there; for a number the first number; for text, where it is the
    only output, all of it. What is said of one output by its name does not count for another.
    A prompt may have its own name for an output of text (`Sentence:` for `quote`): where all others
    were said, and one line is left that begins with a name, that is it. Where nothing at all was said by
    its name, and an output of text may be null, all of it is what that output says: a text that cannot be
    read is not the statement that there is no answer.
    """
    fields = contract.outputs
    data, prose = _json_apart(text, {_loose(field.name) for field in fields})
    found: dict[str, Any] = {}
    for field in fields:
        others = "|".join(_name_pattern(other) for other in fields if other is not field)
        for said in _candidates(prose, data, field, others):
            try:
                found[field.name] = plain_value(field.parse(said))
                break
            except ValueError:
                continue
    if not found and prose.strip():
        found = {field.name: prose.strip() for field in fields if _is_text(field) and _may_be_null(field)}
        return dict([*found.items()][:1])
    left = [field for field in fields if field.name not in found]
    if len(left) == 1 and found and _is_text(left[0]):
        named = [line for line in NAMED.findall(prose) if not _names_any(line[0], fields)]
        if len(named) == 1:
            found[left[0].name] = named[0][1].strip(EDGES)
    return found


def _may_be_null(field: Field) -> bool:
    return {"type": "null"} in field.schema.get("anyOf", [])


def _is_text(field: Field) -> bool:
    options = field.schema.get("anyOf", [field.schema])
    return field.choices is None and {"string"} == {one.get("type") for one in options} - {"null"}


def _names_any(text: str, fields: Sequence[Field]) -> bool:
    return any(re.search(rf"(?i)\b{_name_pattern(field)}\b", text) for field in fields)


def _candidates(prose: str, data: Mapping[str, Any], field: Field, others: str) -> Iterator[Any]:
    """Ways in which the text may state the field, best first; values that do not parse are passed over."""
    if (name := _loose(field.name)) in data:
        value = data[name]
        yield value
        if value is not None:
            yield from _within(value if isinstance(value, str) else json.dumps(value), field)
        return
    pattern = _name_pattern(field)
    for line in re.findall(rf"(?im)^{DECORATION}{pattern}{DECORATION}[:=]\s*(.+?)\s*$", prose):
        if not (others and re.match(rf"(?i)(?:{others}){DECORATION}[:=]", line)):
            yield line.strip(EDGES)
            yield from _within(line, field)
    for line in re.findall(rf"(?i)(?<!\w){pattern}{DECORATION}[:=](.+)", prose):
        yield from _within(line, field)
    rest = re.sub(rf"(?im)^{DECORATION}(?:{others}){DECORATION}[:=]\s*.*$", "", prose) if others else prose
    yield from _within(rest, field)
    if not others and field.schema.get("type") == "string":
        yield prose.strip()


def _within(text: str, field: Field) -> Iterator[Any]:
    """For a decision the first label that is mentioned; for a number, the numbers."""
    if field.choices is not None:
        places = [place for choice in field.choices for place in _places(text, choice)]
        yield from [choice for _, _, choice in sorted(places, key=lambda place: place[:2])[:1]]
    elif field.schema.get("type") in ("integer", "number"):
        yield from (match.replace(",", "") for match in NUMBER.findall(text))


def _places(text: str, choice: Any) -> Iterator[tuple[int, int, Any]]:
    """Where a label is first mentioned, as (start, minus its length, label)."""
    if isinstance(choice, int | float) and not isinstance(choice, bool):
        found = [match for match in NUMBER.finditer(text) if float(match[0].replace(",", "")) == choice]
    else:
        found = [match for word in _ways_to_say(choice) if (match := _mention(text, word))]
    yield from ((match.start(), -len(match[0]), choice) for match in found)


def _mention(text: str, word: str) -> re.Match[str] | None:
    before = r"(?<!\w)(?<!\d[.,])" if word[0].isdigit() else r"(?<!\w)"
    after = r"(?!\w)(?![.,]\d)" if word[-1].isdigit() else r"(?!\w)"
    pattern = re.escape(word).replace(r"\ ", r"[\s_\-]+")
    return re.search(f"(?i){before}{pattern}{after}", text)


def _ways_to_say(choice: Any) -> tuple[str, ...]:
    if isinstance(choice, bool):
        return ("yes", "true") if choice else ("no", "false")
    word = label_text(choice)
    return tuple(filter(None, [re.sub(r"[\s_\-]+", " ", word).strip() or word]))


def _json_apart(text: str, names: set[str]) -> tuple[dict[str, Any], str]:
    """The first JSON object that has one of the names as a key, by loose key, and the text without it."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            value, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        data = {_loose(key): own for key, own in reversed(value.items())}
        if names & data.keys():
            return data, f"{text[: match.start()]}\n{text[end:]}"
    return {}, text


def _name_pattern(field: Field) -> str:
    return re.escape(field.name).replace("_", r"[\s_\-]*")


def _loose(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _key(row: Mapping[str, Any], names: list[str]) -> str:
    return digest_of([str(plain_value(row.get(name))).strip() for name in names])
