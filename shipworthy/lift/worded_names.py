"""Names for outputs, from the nouns that stand beside the words that type them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .phrases import LABEL_NOUNS, QUALITIES, UNNAMED, any_of, words
from .slots import python_name
from .worded_types import Schema

MAX_QUOTE = 90
MAX_SENTENCE = 3000
"""Characters; what runs on for longer is no instruction."""

DETERMINERS = (
    "the|a|an|its|his|her|their|your|this|that|each|every|overall|le|la|les|l'|une?|der|die|das|den|dem|"
    "ein|eine|einen|el|los|las|una|un"
)
NOUN = re.compile(
    rf"(?i)(?<!\w)(?P<det>{DETERMINERS})\s+"
    rf"(?P<noun>(?:(?!(?:{DETERMINERS})\b)[\w-]+[ ]){{0,2}}(?!(?:{DETERMINERS})\b)[^\W\d][\w-]*)"
    r"(?:['’]s\s+(?P<own>[\w-]+))?(?:\s+(?:of|for|in|into|to|des?|du|del|von)\s+[^,:;]*)?\W*$"
)
HOW = re.compile(rf"(?i)\b(?:how|wie|qué tan|cuán)\s+(?P<quality>{'|'.join(QUALITIES)})\b")
ADJECTIVES = re.compile(
    r"(?i)^(?:(?:overall|final|correct|appropriate|best|single|main|primary|right|most|numeric|integer|likely)\s+)+"
)
NOUN_OF_LABELS = re.compile(rf"(?i)(?:{'|'.join(LABEL_NOUNS)})")
JUDGED = {
    "rat": "rating", "scor": "score", "grad": "grade", "rank": "rank", "bewert": "bewertung", "not": "note",
    "éval": "évaluation", "puntú": "puntuación", "calif": "calificación", "valor": "valoración",
}  # fmt: skip
"""What a verb gives to what it judges, by the verb's stem."""

JUDGES = re.compile(rf"(?i)(?<!\w)({'|'.join(JUDGED)})\w*")
ABSTRACT = re.compile(
    r"(?i)(?:ity|ness|ency|ancy|ance|ence|cy|ment|ty|ion|risk|level|score|rating|tone|grade|note|"
    r"heit|keit|ung|té|dad|ía)$"
)
TAIL = re.compile(
    r"(?i)\s+(?:below|above|listed|in|from|for|that|which|and|given|only|zu|ein|al)\b|[,.(\[\"'`]"
)
ENDING = re.compile(
    r"(?:^|\n)[ \t]*[*#_`]*(?P<label>[^\W\d][\w' -]{0,30}?)(?:[ \t]*\((?P<about>[^()\n]{1,80})\))?"
    r"[*_`]*:[*_`]*\s*$"
)
PLURALS = {
    "égories": "égorie",
    "ies": "y",
    "sses": "ss",
    "statuses": "status",
    "gorien": "gorie",
    "ungen": "ung",
}


@dataclass(frozen=True)
class Sentence:
    """A sentence, or a line, and its offset in the prompt."""

    text: str
    start: int


@dataclass(frozen=True)
class Stated:
    """One output: where its words stand, its name or "", its type, and the words."""

    at: int
    end: int
    name: str
    schema: Schema
    quote: str
    asked: bool = True
    """Whether the prompt asks for it; else it only says what values this name has."""


@lru_cache(maxsize=4)
def sentences(text: str) -> tuple[Sentence, ...]:
    """The sentences of a text; none goes over the end of a line."""
    parts = []
    for found in re.finditer(r"[^\n]+", text):
        start = found.start()
        for part in re.split(r"(?<=[.!?])\s+(?=[^\W\da-z_]|[\"'(*{<\[$])", found[0]):
            at = text.index(part, start)
            start = at + len(part)
            if part.strip():
                parts.append(Sentence(part[:MAX_SENTENCE], at))
    return tuple(parts)


def clean_name(noun: str, inputs: frozenset[str]) -> str:
    """A noun as the name of an output; empty where it names none, or an input."""
    noun = ADJECTIVES.sub("", noun.strip(" *_`\"'.,:;()[]<>"))
    noun = re.sub(r"(?i)\s+(?:name|label)s?$", "", noun)
    if not noun or len(noun.split()) > 3 or not re.search(r"[^\W\d_]", noun):
        return ""
    name = python_name(noun.lower() if " " in noun or noun[:1].isupper() else noun)
    return "" if name in UNNAMED or name in _words_for(inputs) or name == "input" else name


@lru_cache(maxsize=4)
def _words_for(inputs: frozenset[str]) -> frozenset[str]:
    """What inputs are called: their names, and the last words of these."""
    return frozenset(part for one in inputs for part in (one.lower(), one.lower().split("_")[-1]))


def name_before(before: str, inputs: frozenset[str]) -> str:
    """The noun that the words before a type end in, or empty."""
    found = NOUN.search(before)
    if found:
        if found["own"]:
            return clean_name(found["own"], inputs)
        judged = re.search(rf"{JUDGES.pattern}\s+$", before[: found.start()])
        if found["det"].lower() in ("this", "that", "each", "every") or (
            judged and not ABSTRACT.search(found["noun"])
        ):
            return ""
        return clean_name(found["noun"], inputs)
    last = re.search(r"([^\W\d][\w-]*)\W*$", before)
    if last is None or words("judge").fullmatch(last[1]) or words("answer").fullmatch(last[1]):
        return ""
    lead = before[: last.start()]
    alone = re.fullmatch(rf"(?i)\W*(?:.*(?<!\w)(?:{any_of('judge')}|{any_of('answer')}|and|also))?\W*", lead)
    small = last[1].lower() in ("be", "is", "as", "it", "with", "from", "of", "out", "only", "to", "by")
    return clean_name(last[1], inputs) if alone and not small else ""


def name_of_labels(noun: str, inputs: frozenset[str]) -> str:
    """`category` of `categories below`."""
    noun = re.sub(rf"(?i)(?:\s+{any_of('fillers')})+\s*$", "", noun)
    parts = TAIL.split(f"{noun} ")[0].split()
    if not 0 < len(parts) <= 3:
        return ""
    return clean_name(" ".join([*parts[:-1], singular(parts[-1])]), inputs)


def quality(text: str) -> str:
    """`urgency` of `how urgent it is`."""
    found = HOW.search(text)
    return QUALITIES[found["quality"].lower()] if found else ""


def judged(before: str) -> str:
    """`rating` of `Rate the joke`."""
    found = JUDGES.findall(before)
    return JUDGED[found[-1].lower()] if found else ""


def name_by_verb(text: str, inputs: frozenset[str]) -> str:
    """What a sentence such as `Label the language.` asks for, where labels of it are usual."""
    verb = rf"(?:{any_of('judge')}|{any_of('answer')}(?:\s+(?:with|{any_of('only')}))*)"
    asks = re.compile(rf"(?i)\W*(?:please )?{verb}\s+(?:the|its)\s+(?P<noun>[^\W\d]+)\b(?!['’])")
    for sentence in sentences(text):
        found = asks.match(sentence.text)
        if found and NOUN_OF_LABELS.fullmatch(found["noun"]):
            return clean_name(found["noun"], inputs)
    return ""


def name_by_end(text: str, inputs: frozenset[str]) -> str:
    """What the label that ends a prompt names, as in `Category:`."""
    found = ENDING.search(text[-200:])
    return clean_name(found["label"], inputs) if found else ""


def singular(noun: str) -> str:
    """`category` of `categories`; what is no plural stays."""
    for ending, single in PLURALS.items():
        if noun.lower().endswith(ending):
            return noun[: -len(ending)] + single
    if noun.lower().endswith("classes"):
        return noun[:-2]
    return noun[:-1] if re.search(r"(?i)[^s'ui]s$", noun) else noun


def quoted(text: str) -> str:
    """Words of a prompt as a reason shows them."""
    text = " ".join(text.split()).strip(" ,;:")
    return f'"{text if len(text) <= MAX_QUOTE else text[: MAX_QUOTE - 1] + "…"}"'
