"""What promptfoo asserts of an answer: those that run exactly become checks, the others are told.

A value is a Nunjucks template over the test's variables, or a file. What needs a judge, a model
or the prototype's own code is not run, and neither is what would only resemble promptfoo's rule.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PrototypeError, RowInputError
from .draft import Check
from .jinja_template import JinjaTemplate
from .names import word_set
from .plain_template import shown
from .promptfoo_files import CODE, Suite, others
from .yaml12 import load_yaml

EXACT = word_set(
    "equals contains contains-all contains-any icontains icontains-all icontains-any starts-with ends-with "
    "regex is-json contains-json is-xml levenshtein word-count character-count latency cost"
)
"""Kinds that run exactly, each also with `not-` before it."""
MEASURED = word_set("latency cost")
SCHEMATA = word_set("is-json contains-json")
COUNTS = word_set("word-count character-count")
LISTS = word_set("contains-all contains-any icontains-all icontains-any")
LABELLED = word_set(
    "equals contains icontains starts-with ends-with levenshtein similar similar:cosine similar:dot "
    "similar:euclidean factuality model-graded-factuality bleu gleu meteor rouge-n f-score bertscore"
)
"""Kinds whose value is the answer that is wanted, where it is a variable and nothing else."""

JUDGE = "needs an LM judge"
OVERLAP = "counts shared words, which is no measure of an answer's quality"
WHY: Mapping[str, str] = {
    **dict.fromkeys(
        word_set(
            "llm-rubric g-eval factuality model-graded-factuality model-graded-closedqa answer-relevance "
            "context-faithfulness context-recall context-relevance conversation-relevance search-rubric "
            "agent-rubric research-rubric select-best pi trajectory:goal-success noise-sensitivity"
        ),
        JUDGE,
    ),
    **dict.fromkeys(word_set("javascript python ruby"), CODE),
    **dict.fromkeys(
        word_set("similar similar:cosine similar:dot similar:euclidean"), "needs an embedding model"
    ),
    **dict.fromkeys(word_set("bleu gleu meteor rouge-n f-score bertscore"), OVERLAP),
    **dict.fromkeys(
        word_set("perplexity perplexity-score"), "needs the log-probabilities of the LM's answer"
    ),
    **dict.fromkeys(word_set("classifier moderation guardrails is-refusal"), "needs a classifier"),
    **dict.fromkeys(
        word_set("is-html contains-html is-sql contains-sql contains-xml"),
        "promptfoo judges it by its own library's rules, which no part here has",
    ),
    "webhook": "asks a service",
    "human": "needs a person",
    "max-score": "compares the answers of several prompts",
}
ELSE = "needs more of a run than the answer's text"
SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
MARKS = ("{{", "{%", "{#")
SET = "assert-set"
MAX_SETS = 5
APART = ("select-", "max-score")
"""Kinds that promptfoo decides by all prompts' answers, and counts apart from a test's score."""
NO_SHARE = "it is no number from 0 to 1"
PARTLY = "some of its assertions cannot be run, so that it is held against the others' score"
MOST = 1e300
DRAFT = "http://json-schema.org/draft-07/schema#"


@dataclass(frozen=True)
class Asserted:
    """An assertion as it stands, and its place; `transformed` where code changes the answer before it."""

    value: Any
    where: str
    transformed: bool = False


def each(suite: Suite, asserted: Asserted, depth: int = 0) -> Iterator[Asserted]:
    """Single assertions, those within sets too."""
    if not is_typed(asserted):
        suite.tell("assert", asserted.where, "an assertion without a type")
    elif asserted.value["type"] != SET:
        yield asserted
    elif depth == MAX_SETS:
        suite.tell(SET, asserted.where, f"stands in more than {MAX_SETS} other sets")
    else:
        for one in _members(suite, asserted):
            yield from each(suite, one, depth + 1)


def is_typed(asserted: Asserted) -> bool:
    """Whether it says what kind of assertion it is."""
    return isinstance(asserted.value, Mapping) and isinstance(asserted.value.get("type"), str)


def is_filled(suite: Suite, asserted: Asserted) -> bool:
    """Whether its value, or one within the set that it is, depends on the test's variables."""
    values = [one.value.get("value") for one in each(suite, asserted)]
    parts = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return any(isinstance(part, str) and mark in part for part in parts for mark in MARKS)


def wanted_variable(asserted: Asserted) -> str | None:
    """The variable that holds the answer wanted, where the assertion compares with just that."""
    value = asserted.value.get("value")
    if asserted.value["type"] not in LABELLED or not isinstance(value, str):
        return None
    found = SLOT.fullmatch(value.strip())
    return found[1] if found else None


def check_of(suite: Suite, asserted: Asserted, values: Mapping[str, Any], row: int | None) -> Check | None:
    """The check that an assertion is, filled with a test's variables; None, and told, where it is none.

    Raises:
        PrototypeError: a file that it names does not parse.
    """
    return _check(suite, asserted, values, row, 0)


def all_run(asserted: Iterable[Asserted], found: Iterable[Check | None]) -> bool:
    """Whether all assertions that count towards a score became checks."""
    return all(
        check is not None
        or not is_typed(one)
        or one.value["type"].startswith(APART)
        or _weight(one.value) == 0
        for one, check in zip(asserted, found, strict=True)
    )


def _check(
    suite: Suite, asserted: Asserted, values: Mapping[str, Any], row: int | None, depth: int
) -> Check | None:
    if not is_typed(asserted):
        return None
    if asserted.value["type"] == SET:
        return _set(suite, asserted, values, row, depth) if depth < MAX_SETS else None
    return _single(suite, asserted, values, row)


def _set(
    suite: Suite, asserted: Asserted, values: Mapping[str, Any], row: int | None, depth: int
) -> Check | None:
    """A set with those of its assertions that can be run."""
    value, members = asserted.value, _members(suite, asserted)
    for key in others(value, {"type", "assert", "threshold", "weight"}):
        suite.tell(f"{SET}.{key}", asserted.where, "a setting of promptfoo's own report")
    found = [_check(suite, one, values, row, depth + 1) for one in members]
    kept = tuple(check for check in found if check is not None)
    threshold = share(value.get("threshold"))
    if value.get("threshold") is not None and threshold is None:
        suite.tell(f"{SET}.threshold", asserted.where, NO_SHARE)
    if threshold is not None and not all_run(members, found):
        suite.tell(f"{SET}.threshold", asserted.where, PARTLY)
    return Check(SET, None, row, asserted.where, _weight(value), threshold, kept) if kept else None


def _members(suite: Suite, asserted: Asserted) -> list[Asserted]:
    listed = asserted.value.get("assert")
    return [
        Asserted(suite.resolved(one), f"{asserted.where}, assert {index}", asserted.transformed)
        for index, one in enumerate(listed if isinstance(listed, list) else [], 1)
    ]


def _single(suite: Suite, asserted: Asserted, values: Mapping[str, Any], row: int | None) -> Check | None:
    value = asserted.value
    kind = str(value["type"])
    base = kind.removeprefix("not-")

    why = "" if base in EXACT else JUDGE if base.startswith("promptfoo:redteam") else WHY.get(base, ELSE)
    if not why and (value.get("transform") or (asserted.transformed and base not in MEASURED)):
        why = "checks what code of the prototype makes of the answer, and that is never executed"
    wanted, threshold = None, number(value.get("threshold"))
    if not why:
        try:
            wanted = _wanted(suite, value.get("value"), values, base=base, where=asserted.where)
            why = _problem(base, wanted, threshold)
        except RowInputError as error:
            why = f"its value cannot be filled: {error.message}"
        except ValueError as error:
            why = str(error)
    if why:
        suite.tell(kind, asserted.where, why)
        return None
    for key in others(value, {"type", "value", "threshold", "weight", "transform"}):
        suite.tell(f"assert.{key}", asserted.where, "a setting of promptfoo's own report")
    plain = json.loads(json.dumps(wanted)) if isinstance(wanted, Mapping | list) else wanted
    return Check(kind, plain, row, asserted.where, _weight(value), threshold)


def _weight(value: Mapping[str, Any]) -> float:
    """Of an assertion; one that is no share of a score counts as usual."""
    weight = number(value.get("weight"))
    return weight if weight is not None and weight >= 0 else 1.0


def _wanted(suite: Suite, value: Any, values: Mapping[str, Any], *, base: str, where: str) -> Any:
    """The value that an assertion compares with, read from its file, or filled.

    Raises:
        ValueError: its file is code, or cannot be had.
        RowInputError: a variable is missing.
    """
    if isinstance(value, list):
        return [_wanted(suite, part, values, base="", where=where) for part in value]
    if not isinstance(value, str):
        return value
    if value.startswith(("file://", "package:")):
        names = suite.names(value, what=base, where=where)
        if len(names) != 1 or (text := suite.text(names[0], what=base, where=where)) is None:
            raise ValueError(f"its value is {value}, which cannot be used")
        structured = names[0].lower().endswith((".json", ".yaml", ".yml"))
        wanted = suite.parsed(names[0]).value if structured else text.strip()
    else:
        wanted = _filled(value, values)
    if base in SCHEMATA and isinstance(wanted, str):
        return load_yaml(wanted, where=where)
    return wanted


def _problem(base: str, wanted: Any, threshold: float | None) -> str:
    """Why an assertion cannot be run, or empty."""
    try:
        json.dumps(wanted, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return "its value is nothing that JSON can hold"
    if base in MEASURED:
        return "" if threshold is not None else "it has no threshold"
    if base in SCHEMATA:
        return _problem_of_schema(wanted)
    if base == "is-xml":
        return "" if not wanted else "which elements it must have is checked by promptfoo's own rules"
    if base in COUNTS:
        return "" if _is_count(wanted) else "its value is no number, and no least and most"
    if base in LISTS and isinstance(wanted, list):
        return ""
    if base != "equals" and not _is_sought(wanted):
        return "it has no value to look for"
    return _problem_of_pattern(str(wanted)) if base == "regex" else ""


def _is_sought(value: Any) -> bool:
    """Whether it is a text or a number that an answer can hold."""
    if isinstance(value, str):
        return bool(value.strip(" ,"))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    if isinstance(value, Mapping):
        ends = [value[key] for key in ("min", "max") if key in value]
        return bool(ends) and all(number(end) is not None for end in ends) and ends == sorted(ends)
    return number(value) is not None or (isinstance(value, str) and value.strip().isdecimal())


def _problem_of_schema(schema: Any) -> str:
    if schema is None or isinstance(schema, bool):
        return ""
    if not isinstance(schema, Mapping):
        return "its value is no JSON Schema"
    from jsonschema import SchemaError, validators  # type: ignore[import-untyped]

    draft = schema.get("$schema", DRAFT)
    known = validators.validator_for({"$schema": str(draft)}, default=None)
    if known is None:
        return f"its draft of JSON Schema is not known: {draft}"
    try:
        known.check_schema(schema)
    except SchemaError as error:
        return f"its value is no JSON Schema: {error.message[:100]}"
    return ""


def _problem_of_pattern(pattern: str) -> str:
    import regex  # type: ignore[import-untyped]

    try:
        regex.compile(re.sub(r"\\k<(\w+)>", r"(?P=\1)", pattern))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        return f"the pattern cannot be read: {error}"
    return ""


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > MOST:
        return None
    return float(value) if math.isfinite(value) else None


def share(value: Any) -> float | None:
    """A share of a score, from 0 to 1, or None."""
    found = number(value)
    return found if found is not None and 0 <= found <= 1 else None


def _filled(text: str, values: Mapping[str, Any]) -> str:
    """A value with variables put in; where it has nothing but plain slots, without a template's cost."""
    if not any(mark in text for mark in MARKS):
        return text
    rest = SLOT.sub("", text)
    known = all(slot[1] in values for slot in SLOT.finditer(text))
    if known and not any(mark in rest for mark in MARKS):
        return SLOT.sub(lambda slot: shown(values[slot[1]]), text)
    return _template(text).render(values)


@functools.lru_cache(maxsize=256)
def _template(text: str) -> JinjaTemplate:
    try:
        return JinjaTemplate(text, where="its value", dialect="nunjucks")
    except PrototypeError as error:
        raise ValueError(f"its value cannot be filled: {error.message}") from error
