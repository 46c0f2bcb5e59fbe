"""Single statements of a prompt about its answer: `one of …`, `from 1 to 5`, `yes or no`, `the reply`.

Each is looked for in one sentence, and counts only beside words that ask for an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from .phrases import TEXTS, any_of, pairs, words
from .worded_headings import headed_lists, listed_under
from .worded_lists import block_after
from .worded_names import (
    ENDING,
    HOW,
    NOUN_OF_LABELS,
    Sentence,
    Stated,
    clean_name,
    judged,
    name_before,
    name_of_labels,
    quality,
    sentences,
)
from .worded_types import QUOTED, STARS, TEXT, Schema, are_labels, choice, labels_in, range_in, type_of

NEVER = re.compile(
    r"(?i)\b(?:do not|don['’]t|never|not|avoid|without|kein\w*|nicht|jamais|nunca)\b[^,.;]{0,30}$"
)
CONDITION = re.compile(r"(?i)\b(?:if|when|whenever|unless|wenn|falls|si|cuando)\b[^,]*$")
MUST = re.compile(
    r"(?i)\b(?:must|should|can|may|has to) be\b|\bis (?:either|one)\b|\bhow\b|\bmuss\b|\bdoit\b|\bdebe\b"
)
BE = re.compile(
    r"(?i)(?:\s*\b(?:must|should|can|may|has to|needs to|will|be|is|are|as|muss|sein|doit|être|debe|ser|"
    r"either|exactly|only)\b)+\s*$"
)
JUDGING = words("judge")
ANSWERING = words("answer")
CUE = re.compile(
    r"(?i)\b(?:scale|rat(?:e|ing)|scor(?:e|ing)|grade|rank|how|level|stars?|confidence|probability|priority|"
    r"urgency|severity|skala|bewert\w*|échelle|not(?:e|er|ez)|évalue\w*|escala|puntú\w*|calific\w*|valora\w*|"
    r"dringend\w*|number|integer|zahl|nombre|número|percentage)\b"
)
CLEARLY = re.compile(r"(?i)\b(?:scor|rat|grad|scale|confiden|priorit|urgen|sever)\w*\W*(?:of\W*)?\(?\s*\d")
SCALE = re.compile(
    r"(?i)(?:,?\s*(?:on|using|auf|sur|en)?\s*(?:an?|einer|une|una)?\s*(?:\w+ )?"
    r"(?:scale|skala|échelle|escala)\s*(?:of|from|von|de)?|[\s(:]+)$"
)
ONE_WORD = (
    r"(?:(?:with|using|in|mit|en|par|con)\s+)?(?:an?|one|a single|exactly one|einem?|un|una|un seul|une)\s+"
    r"(?:single )?(?:words?|labels?|wort|mot|palabra)(?:\s+only)?\s*[:,(–-]\s*"
)
LIST = re.compile(
    r"(?i)(?:\b(?:an?|eine|une|una)\s+)?"
    r"(?:comma[- ]separated\s+list|kommagetrennte\s+liste|liste\s+séparée\s+par\s+des\s+virgules|"
    r"lista\s+separada\s+por\s+comas|json (?:array|list)|(?:bulleted |numbered )?list)"
    rf"(?:\s+(?:of|von|de|der|with|mit|con)\s+(?:(?:{any_of('fillers')}|all)\s+)*(?P<what>[\w -]{{2,40}}))?"
)
REASON = re.compile(
    r"(?i)(?:yes|no|true|false|label|category|score|rating|\d|[\"'`])[\"'`]?\s*(?:,|;|and|–|-)?\s*"
    r"(?:then|and then|followed by|plus|and|with|along with)\s+(?:give\s+|write\s+)?(?:an?|one|your|the)\s+"
    r"(?:(?:short|brief|single|one|concise|one-sentence)\s+)*"
    r"(?P<what>sentence|reason|explanation|justification|rationale|why)\b"
)
ARTICLE = r"(?:an?|the|one|die|den|das|eine|une?|le|la|el|una)"
A_TEXT = rf"(?:an?|the|one|your)\s+(?:[\w-]+,?\s+){{0,4}}?(?:{'|'.join(sorted(TEXTS))})\b"
WRITE = re.compile(
    r"(?i)^\W*(?:please |now |then )?(?:write|draft|compose|generate|create|give|produce|provide)\s+"
    r"(?:me\s+)?"
    rf"{A_TEXT}(?:(?:,|,?\s+and)\s+{A_TEXT})*"
)
TEXT_NOUN = re.compile(rf"(?i)\b(?P<noun>{'|'.join(sorted(TEXTS))})\b(?=$|,|\s+and\b)")
TEXT_VERB = re.compile(
    r"(?i)^\W*(?:please |now )?(?P<verb>summari[sz]e|translate|paraphrase|rewrite)\b(?! +(?:and|then))"
)
NAMED_BY = {"summari": "summary", "transla": "translation", "paraphr": "paraphrase", "rewrite": "rewrite"}


def statements(text: str, inputs: frozenset[str]) -> list[Stated]:
    """All that single sentences state, in the prompt's order; of two with a name the first."""
    found: list[Stated] = []
    names: set[str] = set()
    for sentence in sentences(text):
        own: list[Stated] = []
        for stated in _of_sentence(sentence, text, inputs):
            taken = any(stated.at < other.end and other.at < stated.end for other in own)
            if not taken and stated.name not in names:
                own.append(stated)
                names |= {stated.name} - {""}
        found += own
    found += headed_lists(text, {stated.name for stated in found}, inputs)
    if not any(stated.asked for stated in found):
        found += _of_texts(text, inputs)
    return sorted(found, key=lambda stated: stated.at)


def _of_sentence(sentence: Sentence, whole: str, inputs: frozenset[str]) -> Iterator[Stated]:
    asks = ANSWERING.search(sentence.text) or JUDGING.search(sentence.text)
    yield from _yes_or_no(sentence, inputs)
    if not (asks or MUST.search(sentence.text) or HOW.search(sentence.text)):
        return
    yield from _one_of(sentence, whole, inputs)
    if asks:
        yield from _classified_as(sentence, inputs)
        yield from _only_labels(sentence)
        yield from _behind_a_noun(sentence, inputs)
    yield from _reason(sentence)
    yield from _range(sentence, inputs)
    if asks:
        yield from _list(sentence, inputs)
        yield from _only_a_value(sentence, inputs)


def _one_of(sentence: Sentence, whole: str, inputs: frozenset[str]) -> Iterator[Stated]:
    """`one of the following queues: a, b or c`, with the labels there or in a list."""
    for found in re.finditer(rf"(?i)(?<!\w){any_of('one_of')}\s*(?P<rest>[^\n]*)", sentence.text):
        before = sentence.text[: found.start()]
        if NEVER.search(before):
            continue
        rest = re.sub(rf"(?i)^(?:(?:{any_of('fillers')})(?!\w)\s*)+", "", found["rest"])
        labels, noun = _labels_of(rest, whole, sentence.start + len(sentence.text))
        if labels and len(labels) > 1:
            named = name_of_labels(noun, inputs) or name_before(BE.sub("", before), inputs)
            yield _stated(sentence, found, named, choice(labels, name=named))


def _labels_of(rest: str, whole: str, end: int) -> tuple[list[str] | None, str]:
    """The labels that words behind `one of` state, and the noun before them."""
    head, colon, tail = rest.partition(":")
    labels = labels_in(tail if colon else rest)
    first = QUOTED.search(rest)
    noun = rest[: first.start()] if first and first.start() < len(head) else head
    if labels:
        return labels, noun if colon or first else ""
    brackets = re.search(r"\(([^()]*)\)", rest)
    labels = labels_in(brackets[1]) if brackets else None
    if labels is None and first and not colon:
        labels = labels_in(rest[first.start() :])
    if labels is None:
        below = [] if tail.strip() else block_after(whole, end)
        labels = below if colon and below else listed_under(whole, noun) or below
    return labels, noun


def _classified_as(sentence: Sentence, inputs: frozenset[str]) -> Iterator[Stated]:
    """`classify the sentiment as positive, negative or neutral`."""
    found = re.search(
        rf"(?i)(?<!\w){any_of('judge')}(?!\w)(?P<what>[^\n:]*?)\s"
        r"(?:as|into|als|in|comme|como|en|(?P<is>is|are))\s+(?:either\s+|being\s+)?(?P<labels>[^\n]+)",
        sentence.text,
    )
    if (
        found is None
        or words("one_of").search(found["labels"])
        or NEVER.search(sentence.text[: found.start()])
    ):
        return
    labels = labels_in(found["labels"])
    spelled = not found["is"] or (labels and all(label.isupper() for label in labels))
    if labels and spelled and are_labels(found["labels"], labels):
        name = "" if found["is"] else name_before(found["what"], inputs)
        yield _stated(sentence, found, name, choice(labels, name=name))


def _only_labels(sentence: Sentence) -> Iterator[Stated]:
    """`answer only with A or B`, `reply with one word: a, b or c`."""
    only = any_of("only")
    found = re.search(
        rf"(?i)(?<!\w){any_of('answer')}(?!\w)\s*(?:{ONE_WORD}|"
        rf"(?:[\w,]+\s+){{0,3}}?{only}\s+(?:(?:with|mit|par|con|in)\s+)?|"
        rf"(?:with|mit|par|con)\s+(?:{only}\s+|(?=[\"'`“«„])|(?-i:(?=[A-Z]{{2,}})))|(?=[\"`“«„]))(?P<labels>[^\n]+)",
        sentence.text,
    )
    if found is None:
        return
    before = sentence.text[: found.start()]
    labels = labels_in(found["labels"])
    if (
        labels
        and are_labels(found["labels"], labels)
        and not (NEVER.search(before) or CONDITION.search(before))
    ):
        yield _stated(sentence, found, "", choice(labels))


def _behind_a_noun(sentence: Sentence, inputs: frozenset[str]) -> Iterator[Stated]:
    """`the priority (low, medium or high)`, `how urgent it is: low, normal or high`."""
    if not ("(" in sentence.text or ":" in sentence.text):
        return
    for found in re.finditer(
        r"(?P<before>[^:(\n]*)(?:\((?P<inside>[^()\n]*)\)|:\s*(?P<after>[^\n]+))", sentence.text
    ):
        part = found["inside"] or found["after"] or ""
        labels = labels_in(part)
        near = re.split(r"(?i)\s(?=(?:an?|the|its)\s)", f" {found['before']}")[-1]
        name = quality(found["before"]) or name_before(near, inputs)
        usual = found["inside"] and NOUN_OF_LABELS.fullmatch(name.split("_")[-1])
        if labels and name and (usual or are_labels(part, labels)):
            schema = choice(labels, name=name)
            at = sentence.start + found.end("before") - 1
            yield Stated(at, sentence.start + found.end(), name, schema, found[0].strip())


@cache
def _pairs() -> tuple[re.Pattern[str], ...]:
    quote = r"[\"'`“”„«»*]*"
    return tuple(
        re.compile(
            rf"(?i)(?<!\w){quote}(?P<one>{first}){quote}\s*(?:(?:or|oder|ou|o)\s+(?:with )?|/|\||,\s*or )"
            rf"{quote}(?P<two>{second}){quote}(?!\w)(?!\s*(?:,?\s*or\b|[/|])\s*[\"'`]?\w)"
        )
        for first, second in (*pairs("yes_no"), *pairs("true_false"))
    )


def _yes_or_no(sentence: Sentence, inputs: frozenset[str]) -> Iterator[Stated]:
    for pair in _pairs():
        found = pair.search(sentence.text)
        if found is None:
            continue
        before = sentence.text[: found.start()]
        alone = not before.strip(" -*>#(") and not re.search(r"\w", sentence.text[found.end() :])
        asks = ANSWERING.search(before) or JUDGING.search(before)
        if NEVER.search(before) or (CONDITION.search(before) and not asks):
            continue
        if alone or asks or re.search(r"[?:(]\s*$", before):
            field = re.search(r"([^\W\d]\w*_\w+)\W*$", before)
            name = clean_name(field[1], inputs) if field else ""
            one, two = found["one"], found["two"]
            # A capital that only starts the sentence is meant for both.
            two = two.capitalize() if one.istitle() and two.islower() else two
            yield _stated(sentence, found, name, choice([one, two], name=name))
            return


def _reason(sentence: Sentence) -> Iterator[Stated]:
    """`answer yes or no, then one sentence`."""
    found = REASON.search(sentence.text)
    if found and not NEVER.search(sentence.text[: found.start()]):
        word = found["what"].lower()
        name = "reason" if word in ("sentence", "why") else word
        start, end = sentence.start + found.start("what"), sentence.start + found.end()
        yield Stated(start, end, name, TEXT, found[0])


def _range(sentence: Sentence, inputs: frozenset[str]) -> Iterator[Stated]:
    text = sentence.text
    if not CUE.search(text):
        return
    found = range_in(text, clear=CLEARLY.search(text) is not None)
    if found:
        schema, match = found
        before = SCALE.sub("", text[: match.start()])
        stars = "stars" if STARS.match(text[match.end() :]) else ""
        name = quality(text) or stars or name_before(before, inputs) or judged(before)
        yield _stated(sentence, match, name, schema)


def _list(sentence: Sentence, inputs: frozenset[str]) -> Iterator[Stated]:
    """`return a comma-separated list of keywords`."""
    text = sentence.text
    found = LIST.search(text)
    if found is None or not ANSWERING.search(text[: found.start()]):
        return
    if re.search(r"(?i)\b(?:from|in|of|the|this) $", text[: found.start()]):
        return
    what = re.split(r"(?i)\s+(?:in|from|that|which|mentioned|found|and|as|with|for)\b", found["what"] or "")[
        0
    ]
    yield _stated(sentence, found, clean_name(what, inputs), {"type": "array", "items": TEXT})


def _only_a_value(sentence: Sentence, inputs: frozenset[str]) -> Iterator[Stated]:
    """`return only the number of people`, `answer with a date in ISO format`."""
    only = any_of("only")
    found = re.search(
        rf"(?i)(?<!\w){any_of('answer')}\s+(?:{only}\s+)?(?:(?:with|as|mit|par|con)\s+)?(?:{only}\s+)?"
        rf"(?P<what>{ARTICLE}\s+[^,.;\n]*)",
        sentence.text,
    )
    if found is None:
        return
    valued = re.search(
        r"(?i)\b(?:with|as|mit|con)\s+(?:an?|the|der)\s+(?:single )?(?:number|integer|date|iso|zahl)",
        found[0],
    )
    if not (words("only").search(found[0]) or valued):
        return
    plain = re.sub(rf"(?i)^{ARTICLE}\s+(?:single\s+)?", "", found["what"])
    schema = type_of(plain)
    if schema is None or not (schema.get("type") in ("integer", "number", "boolean") or "format" in schema):
        return
    counted = re.match(r"(?i)(?:number|count) of (?P<what>[\w -]+)", plain)
    noun = re.split(r"(?i)\s+(?:in|as|of|from)\b", plain)[0]
    if counted:
        noun = re.split(r"(?i)\s+(?:in|that|which|from|mentioned|as)\b", counted["what"])[0] + " count"
    yield _stated(sentence, found, clean_name(noun, inputs), schema)


def _of_texts(text: str, inputs: frozenset[str]) -> Iterator[Stated]:
    """What the prompt's last label, or its first verb, names and nothing else types."""
    ending = ENDING.search(text)
    name = clean_name(ending["label"], inputs) if ending else ""
    if ending and name and len(name.split("_")) <= 2:
        schema = type_of(ending["about"] or "", name=name) or TEXT
        yield Stated(ending.start(), ending.end(), name, schema, ending[0].strip())
        return
    for sentence in sentences(text):
        found, verb = WRITE.match(sentence.text), TEXT_VERB.match(sentence.text)
        nouns = [match["noun"].lower() for match in TEXT_NOUN.finditer(found[0])] if found else []
        for name in nouns or ([NAMED_BY[verb["verb"].lower()[:7]]] if verb else []):
            if name not in inputs:
                yield _stated(sentence, found or verb, name, TEXT)
        if found or verb:
            return


def _stated(sentence: Sentence, found: re.Match[str] | None, name: str, schema: Schema) -> Stated:
    start, end = found.span() if found else (0, len(sentence.text))
    return Stated(
        sentence.start + start, sentence.start + end, name, schema, sentence.text[start:end].strip()
    )
