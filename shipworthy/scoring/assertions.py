"""Assertions that a prototype's own tests make about an answer, by the name that promptfoo gives them.

Semantics are those of promptfoo's page "Deterministic metrics"
(https://promptfoo.dev/docs/configuration/expected-outputs/deterministic/). Where it leaves a
thing open, its handlers decide: values that are no text are compared as JavaScript prints them,
and only objects in braces count as contained JSON. Each kind has its opposite, with `not-` before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.parsers import expat

from ..errors import ScoringError
from .metrics import FitsSchema, IsJson, Matches

MAX_DISTANCE = 5
"""The edit distance that `levenshtein` allows where no threshold is given."""
PATTERN_TIMEOUT_S = 1.0
DRAFT = "http://json-schema.org/draft-07/schema#"
NAMED_GROUP = re.compile(r"\\k<(\w+)>")
FIELD = re.compile(r'[\s,]*(?:"((?:[^"\\]|""|\\.|\\)*)"\s*(?=,|$)|([^,"][^,]*))', re.DOTALL)


def run_assertion(
    kind: str,
    value: Any,
    text: str,
    *,
    ms: float | None = None,
    usd: float | None = None,
    threshold: float | None = None,
) -> bool:
    """Whether an assertion holds of an answer.

    A regular expression is searched by the library `regex`, which stops after one second;
    `pattern` in a JSON Schema likewise. `patternProperties` have no such limit, and `format` in
    a schema is not checked. A schema that names no draft is read as draft-07.

    Args:
        kind: one of `KINDS`, or one with `not-` before it.
        value: what it compares with: text, a number, a list, a JSON Schema, or `{min, max}`.
        text: the answer, as the LM gave it.
        ms: milliseconds that it took, for `latency`.
        usd: what it cost, for `cost`.
        threshold: the most that `latency` (ms), `cost` (USD) and `levenshtein` (edits) allow.

    Raises:
        ScoringError: the kind is unknown, its value cannot be used, or a threshold or measure is missing.
        TimeoutError: a regular expression takes over a second.
        MissingExtraError: `regex` or `jsonschema` is not installed.
    """
    inverse = kind.startswith("not-")
    base = kind.removeprefix("not-")
    if base in MEASURES:
        holds = _within(base, {"latency": ms, "cost": usd}[base], threshold)
    elif base == "levenshtein":
        most = MAX_DISTANCE if threshold is None else threshold
        holds = edit_distance(text, _wanted(value, base), most=int(most)) <= most
    elif base in TESTS:
        holds = TESTS[base](value, text)
    else:
        raise ScoringError(f"no assertion {kind!r}", hint=f"known, each also with not-: {', '.join(KINDS)}")
    return holds is not inverse


def edit_distance(one: str, other: str, *, most: int) -> int:
    """Insertions, deletions and substitutions that turn one text into the other (Levenshtein 1966).

    Only what lies within `most` of the diagonal is computed (Ukkonen 1985); beyond it, `most + 1`.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before = {j: j for j in range(min(len(other), most) + 1)}
    for i, left in enumerate(one, 1):
        now: dict[int, int] = {}
        for j in range(max(0, i - most), min(len(other), i + most) + 1):
            far = most + 1
            changed = before.get(j - 1, far) + (j > 0 and left != other[j - 1])
            now[j] = min(changed if j else far, before.get(j, far) + 1, now.get(j - 1, far) + 1, far)
        before = now
        if min(now.values()) > most:
            return most + 1
    return before[len(other)]


def _equals(value: Any, text: str) -> bool:
    if value is None or isinstance(value, dict | list):
        try:
            return _same(value, json.loads(text))
        except (ValueError, RecursionError):
            return False
    return _printed(value) == text


def _all_in(value: Any, text: str) -> bool:
    return all(part in text for part in _parts(value))


def _any_in(value: Any, text: str) -> bool:
    return any(part in text for part in _parts(value))


def _lowered(test: Callable[[Any, str], bool]) -> Callable[[Any, str], bool]:
    def lowered(value: Any, text: str) -> bool:
        wanted = [_printed(part).lower() for part in value] if isinstance(value, list) else value
        return test(wanted.lower() if isinstance(wanted, str) else wanted, text.lower())

    return lowered


def _contains(value: Any, text: str) -> bool:
    return _wanted(value, "contains") in text


def _starts(value: Any, text: str) -> bool:
    return text.startswith(_wanted(value, "starts-with"))


def _ends(value: Any, text: str) -> bool:
    return text.endswith(_wanted(value, "ends-with"))


def _regex(value: Any, text: str) -> bool:
    pattern = Matches(python_pattern(_wanted(value, "regex")), timeout_s=PATTERN_TIMEOUT_S)
    return pattern.holds(text)


def python_pattern(pattern: str) -> str:
    """A regular expression of JavaScript as Python's: the same letters, the same ends.

    In JavaScript `$` is the very end, not the place before a last line break, and `\\d` and `\\w`
    are ASCII.
    """
    found, in_class, at = [], False, 0
    while at < len(pattern):
        part = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(part)
        group = NAMED_GROUP.match(pattern, at - len(part))
        if group:
            at = group.end()
            found.append(f"(?P={group[1]})")
        elif part in ("\\d", "\\w"):
            letters = "0-9" if part == "\\d" else "A-Za-z0-9_"
            found.append(letters if in_class else f"[{letters}]")
        elif part == "$" and not in_class:
            found.append(r"\Z")
        else:
            in_class = part == "[" or (in_class and part != "]")
            found.append(part)
    return "".join(found)


def _is_json(value: Any, text: str) -> bool:
    return IsJson().holds(text) and _fits(value, text)


def _contains_json(value: Any, text: str) -> bool:
    return any(_fits(value, found) for found in _objects(text))


def _fits(value: Any, text: str) -> bool:
    if value is None or value == "":
        return True
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ScoringError(f"the JSON Schema does not parse: {error}") from error
    if isinstance(value, bool):
        return value
    if not isinstance(value, Mapping):
        raise ScoringError(f"a JSON Schema is an object, not {value!r}")
    return FitsSchema({"$schema": DRAFT, **value}).holds(text)


def _objects(text: str) -> Iterator[str]:
    """The JSON objects within a text, the outermost only."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield text[at:end]
        at = text.find("{", end)


def _is_xml(value: Any, text: str) -> bool:
    if value:
        raise ScoringError("is-xml with elements is not run", hint="leave its value out")
    internal: list[bool] = []
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = lambda *found: internal.append(bool(found[3]))
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return not any(internal)


def _words(value: Any, text: str) -> bool:
    return _counts(value, len(text.split()), "word-count")


def _characters(value: Any, text: str) -> bool:
    return _counts(value, len(text), "character-count")


def _counts(value: Any, count: int, kind: str) -> bool:
    if isinstance(value, Mapping) and value.keys() & {"min", "max"}:
        least, most = _number(value.get("min", 0), kind), _number(value.get("max", count), kind)
        if "max" in value and least > most:
            raise ScoringError(f"{kind} of at least {least} and at most {most}", hint="swap them")
        return least <= count <= most
    return count == _number(value, kind)


def _within(kind: str, measured: float | None, threshold: float | None) -> bool:
    if threshold is None:
        raise ScoringError(f"{kind} without a threshold", hint="give the most that it may be")
    if measured is None:
        raise ScoringError(f"{kind} of an answer that was not measured", hint=f"give {MEASURES[kind]}")
    return measured <= threshold


def _wanted(value: Any, kind: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise ScoringError(f"{kind} needs a text, not {value!r}", hint="give what to look for")
    return _printed(value)


def _parts(value: Any) -> list[str]:
    """A list as texts; a text is parted at its commas, quotes holding one together."""
    if isinstance(value, list):
        return [_printed(part) for part in value]
    found = [
        re.sub(r'\\(["\\])|""', lambda pair: pair[1] or '"', field[1])
        if field[1] is not None
        else field[2].strip()
        for field in FIELD.finditer(_wanted(value, "a list of texts"))
    ]
    if not found:
        raise ScoringError(f"no texts in {value!r}", hint="give a list")
    return found


def _unquoted(text: str) -> str:
    return re.sub(r'\\(["\\])|""', lambda pair: pair[1] or '"', text)


def _number(value: Any, kind: str) -> float:
    try:
        return float(value) if not isinstance(value, bool) else float("")
    except (TypeError, ValueError) as error:
        raise ScoringError(f"{kind} needs a number, not {value!r}") from error


def _printed(value: Any) -> str:
    """A value as JavaScript's `String` prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _same(one: Any, other: Any) -> bool:
    """Deep equality of JSON, where 1 is 1.0 and true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


MEASURES: Mapping[str, str] = {"latency": "ms", "cost": "usd"}
TESTS: Mapping[str, Callable[[Any, str], bool]] = {
    "equals": _equals,
    "contains": _contains,
    "contains-all": _all_in,
    "contains-any": _any_in,
    "icontains": _lowered(_contains),
    "icontains-all": _lowered(_all_in),
    "icontains-any": _lowered(_any_in),
    "starts-with": _starts,
    "ends-with": _ends,
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "is-xml": _is_xml,
    "word-count": _words,
    "character-count": _characters,
}
KINDS = (*TESTS, "levenshtein", *MEASURES)
"""All that run, without `not-`."""
