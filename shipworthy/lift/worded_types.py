"""The type that a few words state: `number (euros)`, `YYYY-MM-DD or null`, `list of {a, b}`.

What the words leave open is None, so that its reader may look elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .infer import BOOL_NAMES
from .phrases import any_of, pairs, words
from .slots import python_name

Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string"}
MAX_LABELS = 200
MAX_LABEL_LENGTH = 60

QUOTED = re.compile(
    r"\"([^\"\n]{1,60})\"|“([^”\n]{1,60})”|«\s*([^»\n]{1,60}?)\s*»|„([^“\n]{1,60})“|"
    r"`([^`\n]{1,60})`|(?<!\w)'([^'\n]{1,60})'(?!\w)"
)
MEANING = re.compile(r"\s*\([^()]*\)")
LABEL = re.compile(r"[^\W_][\w&+'’./%-]*(?:[ ]+(?:&|[\w+'’./%-]+)){0,3}")
ENDS = re.compile(
    r"(?i)\s+(?:based on|depending|according|for|in|that|which|with|by|if|when|where|because|followed|then|"
    r"on|from|do|"
    r"wenn|falls|basierend|selon|según|si|without|nothing|no other|only|as|at|to|of|per)\b.*$"
)
NOTHING = words("nothing")
EITHER = any_of("either")
NUMERAL = r"[-+]?\d+(?:[.,]\d+)?"
RANGE = re.compile(
    rf"(?i)(?<![\w.,/-])(?P<lead>{any_of('scale')}\s*(?:the )?)?(?P<low>{NUMERAL})"
    r"(?P<about>\s*(?:\([^()\n]{1,60}\)|=\s*[\w ]{1,30}?))?"
    rf"\s*(?P<until>[-–—]|\.\.\.?|…|(?<=[\s)]){any_of('until')}(?=\s))\s*(?P<high>{NUMERAL})"
    r"(?![\w/-]|[.,]\d)(?:\s*\([^()\n]{1,60}\))?"
)
LENGTH = re.compile(rf"(?i)[\s-]*(?:\w+\s+)?{any_of('lengths')}(?!\w)")
STARS = re.compile(rf"(?i)[\s-]*{any_of('stars')}(?!\w)")
FRACTION = re.compile(
    r"(?i)\b(decimals?|floats?|number|probabilit\w*|confiden\w*|fraction|similarity|score|likelihood)\b"
)
ENTITIES = re.compile(
    rf"(?i)(?<!\w)(?:{any_of('list_of')}|\[\s*|(?:array|list)s?\s*\(?)"
    r"\s*(?:objects?\s*)?(?:with|of|like|:)?\s*(?:keys\s*)?\{(?P<inside>[^{}]*)\}"
)
AMOUNT = re.compile(
    r"(?i)^(?:a |an |the )?(?:(?:total|unit|net|gross|monetary) )?"
    r"(?:amount|price|percent(?:age)?|monetary value|money)\b"
)
ARTICLES = r"(?i)\W*(?:(?:as|of|in) )?(?:an? |the |une? |un |eine? |die )?"
AS_INTEGER = re.compile(r"(?i)[(,] ?(?:integer|int)\b|\bas an? (?:integer|int)\b")
AS_NUMBER = re.compile(r"(?i)[(,] ?(?:number|float|decimal)\b|\bas an? (?:number|float|decimal)\b")
NULL = {"type": "null"}


def type_of(description: str, *, name: str = "") -> Schema | None:
    """The schema that a description states, or None; null is allowed where the words allow it."""
    optional = NOTHING.search(description) is not None or bool(re.search(r"(?i)[|/]\s*null\b", description))
    plain = re.sub(r"(?i)\s*[|/]\s*null\b|\bnull\s*[|/]\s*", "", NOTHING.sub(" ", description)).strip(" ,;:.")
    schema = _plain_type(plain, name)
    if optional:
        return nullable(schema or TEXT)
    return schema


def nullable(schema: Schema) -> Schema:
    """The schema, null allowed."""
    options = list(schema["anyOf"]) if "anyOf" in schema else [schema]
    return {"anyOf": options if NULL in options else [*options, NULL]}


def choice(labels: Sequence[str], *, name: str = "") -> Schema:
    """A decision between labels: a boolean where they are true and false, or the name asks for yes or no."""
    folded = {label.casefold() for label in labels}
    if len(labels) == 2 and any(folded == set(pair) for pair in pairs("true_false")):
        return {"type": "boolean"}
    if len(labels) == 2 and name.startswith(BOOL_NAMES) and folded in ({"yes", "no"}, {"y", "n"}):
        return {"type": "boolean"}
    return {"enum": list(labels), "type": "string"}


def labels_in(text: str) -> list[str] | None:
    """The labels of an enumeration such as `a, b or c`, `"a" | "b"` or `[A, B]`; None if it is none."""
    text = re.sub(r"\*\*|__", "", text).strip().strip(".:;!? \t")
    inner = re.fullmatch(r"[\[({<]\s*(.*?)\s*[\])}>]", text, re.S)
    text = inner[1] if inner else text
    quoted = [next(part for part in found.groups() if part) for found in QUOTED.finditer(text)]
    if len(quoted) > 1:
        rest = MEANING.sub("", QUOTED.sub(" ", text))
        rest = re.sub(
            rf"(?i)(?<!\w)(?:{EITHER}|either|only|just|exactly)(?!\w)", " ", ENDS.sub("", f" {rest}")
        )
        return _checked(quoted) if not re.search(r"\w\w", rest) else None
    return _checked(_split(MEANING.sub("", text)))


def object_of(inside: str) -> Schema | None:
    """The object that `description, quantity (integer), amount (number)` states."""
    properties: dict[str, Schema] = {}
    for part in re.split(r"[,;\n](?![^()]*\))", inside):
        found = re.fullmatch(r"\s*[\"'`]?([^\W\d][\w -]{0,40}?)[\"'`]?\s*(?:\((.*)\)|[:=]\s*(.+))?\s*", part)
        if found is None:
            return None
        own = python_name(found[1])
        properties[own] = type_of(found[2] or found[3] or "", name=own) or TEXT
    return {"type": "object", "properties": properties, "required": list(properties)} if properties else None


def objects_of(properties: Mapping[str, Schema]) -> Schema:
    """A list of objects with these properties."""
    item = {"type": "object", "properties": dict(properties), "required": list(properties)}
    return {"type": "array", "items": item}


def are_labels(text: str, labels: Sequence[str]) -> bool:
    """Whether an enumeration is one of labels, not of parts of the answer."""
    if QUOTED.search(text) or re.search(r"\w\s*[|/]\s*\w", text):
        return True
    joined = re.search(r"(?i)(?<!\w)(?:or|oder|ou|o|u)(?!\w)", text) is not None
    capitals = all(label.isupper() for label in labels)
    return (joined or capitals) and all(len(label.split()) <= 3 for label in labels)


def range_in(text: str, *, clear: bool = False, name: str = "") -> tuple[Schema, re.Match[str]] | None:
    """A range of numbers and where it stands; with `clear`, also where no word leads to it."""
    for found in RANGE.finditer(text):
        after = text[found.end() :]
        stars = STARS.match(after)
        if not stars and LENGTH.match(after):
            continue
        if not (found["lead"] or stars or clear):
            continue
        low, high = (float(found[end].replace(",", ".")) for end in ("low", "high"))
        if low >= high or (found["until"] in "-–—" and found["high"].startswith("0") and high > 1):
            continue
        return _range(found, low, high, f"{text} {name.replace('_', ' ')}"), found
    return None


def _range(found: re.Match[str], low: float, high: float, text: str) -> Schema:
    whole = not re.search(r"[.,]", found["low"] + found["high"])
    if (
        whole
        and (low, high) == (0, 1)
        and FRACTION.search(text)
        and not re.search(r"(?i)\binteger|\bbinary", text)
    ):
        whole = False
    if whole:
        return {"type": "integer", "minimum": int(low), "maximum": int(high)}
    return {"type": "number", "minimum": low, "maximum": high}


def _plain_type(text: str, name: str) -> Schema | None:
    if not text:
        return None
    many = ENTITIES.search(text)
    if many:
        item = object_of(many["inside"])
        return {"type": "array", "items": item} if item else None
    head = text[:90]
    if words("listed").search(head) and not re.search(
        r"(?i)from (?:the|this) list|in the list|\blisted\b", head
    ):
        return _list(head)
    if re.fullmatch(r"\{[^{}]*\}", text):
        return object_of(text[1:-1])
    chosen = _choice_in(text, name)
    if chosen:
        return chosen
    bare = re.match(rf"(?i)\W*(?:{any_of('integer')}|{any_of('number')}|score|rating)?\W*\d", text)
    ranged = range_in(text, clear=bare is not None, name=name)
    if ranged:
        return ranged[0]
    return _scalar(text)


def _scalar(text: str) -> Schema | None:
    if words("moment").search(text[:60]):
        return {"type": "string", "format": "date-time"}
    if words("date").search(text):
        return {"type": "string", "format": "date"}
    head = re.split(r"[;.–—]", text)[0][:60]
    if words("boolean").search(head):
        return {"type": "boolean"}
    if re.match(rf"{ARTICLES}{any_of('integer')}(?!\w)", head) or AS_INTEGER.search(head):
        return {"type": "integer"}
    kind = r"(?:decimal |positive |real |single |plain )?"
    if re.match(rf"{ARTICLES}{kind}{any_of('number')}(?!\w)(?! of\b)", head) or (
        AMOUNT.match(head) or AS_NUMBER.search(head)
    ):
        return {"type": "number"}
    if re.match(r"(?i)\W*(?:the |a )?date\W*$", head):
        return {"type": "string", "format": "date"}
    return TEXT if re.fullmatch(rf"{ARTICLES}{any_of('text')}\W*", head) else None


def _list(text: str) -> Schema:
    found = re.search(rf"(?i){any_of('list_of')}\s+(.*)", text)
    return {"type": "array", "items": (_scalar(found[1]) if found else None) or TEXT}


def _choice_in(text: str, name: str) -> Schema | None:
    """A decision that a field's description states."""
    found = re.search(
        rf"(?i)(?<!\w)(?:{any_of('one_of')})\s*(?:{any_of('fillers')}\s+)*[:=]?\s*(.*)", text, re.S
    )
    for part in (found[1] if found else None, text):
        labels = labels_in(part.split("\n")[0]) if part else None
        if labels and (part is not text or _plainly_labels(text, labels)):
            return choice(labels, name=name)
    for inside in re.findall(r"\(([^()]*)\)", text):
        labels = labels_in(inside)
        if labels and _plainly_labels(inside, labels):
            return choice(labels, name=name)
    either = re.search(
        r"(?i)(?:^|[:,–-]\s*|\beither\s+)((?:[\w\"'`-]+, )*[\w\"'`-]+,? or [\w\"'`-]+)\W*$", text
    )
    labels = labels_in(either[1]) if either else None
    return choice(labels, name=name) if labels else None


def _plainly_labels(text: str, labels: Sequence[str]) -> bool:
    """Whether an enumeration can only be one of labels: quoted, with bars, or of single words."""
    if QUOTED.search(text) or "|" in text:
        return True
    single = all(len(label.split()) == 1 for label in labels)
    joined = re.search(r"(?i)(?<!\w)(?:or|oder|ou|o)(?!\w)|/", text) is not None
    return single and joined and not re.search(r"(?i)\be\.?g\b|such as|like|etc", text)


def _split(text: str) -> list[str]:
    text = re.sub(r"(?i)^(?:either|only|just|exactly|entweder|soit)\s+", "", text.strip())
    text = re.sub(r"(?i)\bn/a\b", "N\x01A", text)
    parts = (
        re.split(r"\s*(?:[,;|]|(?<=\w)/(?=\w)|\s/\s|\n)\s*", text) if re.search(r"[,;|/\n]", text) else [text]
    )
    last = ENDS.sub("", f" {parts.pop()}").strip()
    if parts:
        last = re.sub(rf"(?i)^{EITHER}\s+", "", last)
    # "a, b and c" has three labels, "billing or terms and conditions" two.
    pair = re.fullmatch(rf"(?i)(\S+)\s+{any_of('also')}\s+(\S+)", last) if parts else None
    parts += list(pair.groups()) if pair else re.split(r"(?i)\s+(?:or|oder|ou|o)\s+", last)
    return [part.replace("\x01", "/").strip(" \t.:\"'`*") for part in parts if part.strip()]


def _checked(labels: Sequence[str]) -> list[str] | None:
    labels = list(dict.fromkeys(label.strip() for label in labels))
    if not 2 <= len(labels) <= MAX_LABELS:
        return None
    good = all(len(label) <= MAX_LABEL_LENGTH and LABEL.fullmatch(label) for label in labels)
    return labels if good else None
