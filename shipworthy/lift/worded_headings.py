"""Labels that a prompt lists under a heading, as below `Queues:`, or behind it on its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import lru_cache

from .phrases import any_of, words
from .worded_lists import block_after
from .worded_names import ENDING, NOUN_OF_LABELS, Sentence, Stated, clean_name, sentences, singular
from .worded_types import choice, labels_in

HEADING = re.compile(
    r"(?im)^[ \t]*(?:#{1,6}[ \t]*)?\**"
    r"(?:(?:the|possible|available|allowed|valid|our|these|mögliche|verfügbare|les|las|los)[ \t]+)*"
    r"(?P<head>[^\W\d][\w -]{1,40}?)(?:[ \t]+(?:are|below|sind|sont|son))?\**[ \t]*:?\**[ \t]*:?[ \t]*$"
)
LISTED = re.compile(
    r"(?im)(?:^[ \t#*-]*|(?<=[.?!])[ \t]+)"
    r"(?P<head>[^\W\d][\w -]{2,40})\**[ \t]*:\**[ \t]+(?P<labels>[^\n]+)$"
)
GENERIC = re.compile(r"(?i)(?:options?|choices?|labels?|values?|levels?|answers?)")
ANSWERING = words("answer")
JUDGING = words("judge")
COMMAND = re.compile(rf"(?i)\W*(?:please )?{any_of('judge')}(?!\w)")


def headed_lists(text: str, known: Set[str], inputs: frozenset[str]) -> Iterator[Stated]:
    """What a list under a noun, or behind it, states where the prompt asks for this noun.

    Args:
        text: the prompt's words.
        known: names of outputs that are stated elsewhere.
        inputs: names of inputs, which are no outputs.
    """
    lists = [
        (heading, block_after(text, heading.end()), "")
        for heading, _ in _headings(text)
        if re.search(r":\W*$|#", heading[0])
    ]
    lists += [
        (line, labels_in(line["labels"]) or [], line[0].strip(" .?!\n")) for line in LISTED.finditer(text)
    ]
    taken = set(known)
    prompt = _Prompt(text)
    for match, labels, quote in lists:
        *before, noun = match["head"].split()
        generic = GENERIC.fullmatch(noun) is not None
        noun = before[-1] if generic and before else singular(noun)
        name = clean_name(noun, inputs)
        plural = generic or noun != match["head"].split()[-1]
        if len(labels) < 2 or name in taken or not (name or generic) or (quote and not plural):
            continue
        asked = prompt.asking_for(noun, match) or ("" if name else prompt.question(match))
        taken.add(name)
        schema = choice(labels, name=name)
        yield Stated(
            match.start(), match.end(), name, schema, quote or asked or match[0].strip(), bool(asked)
        )


def listed_under(text: str, noun: str) -> list[str]:
    """The labels of the list whose heading is this noun, or whose heading lists labels."""
    last = singular(noun.split()[-1].strip(".,:;*`")).lower() if noun.split() else ""
    for heading, own in _headings(text):
        if own == last or (not last and NOUN_OF_LABELS.fullmatch(heading["head"].split()[-1])):
            labels = block_after(text, heading.end())
            if len(labels) > 1:
                return labels
    return []


@lru_cache(maxsize=4)
def _headings(text: str) -> tuple[tuple[re.Match[str], str], ...]:
    """Lines that may be headings, each with its noun in small letters."""
    found = HEADING.finditer(text)
    return tuple((heading, singular(heading["head"].split()[-1]).lower()) for heading in found)


class _Prompt:
    """A prompt's sentences, asked again and again what they say outside of a list."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asking = [one for one in sentences(text) if _asks(one.text)]
        self.commands = [one for one in sentences(text) if COMMAND.match(one.text)]

    def asking_for(self, noun: str, listed: re.Match[str]) -> str:
        """The sentence that asks for a value of this noun, or empty."""
        word = re.compile(rf"(?i)(?<!\w){re.escape(noun)}(?!\w)")
        for sentence in self.asking:
            own = _outside(sentence, listed)
            if word.search(own) and _asks(own):
                return own
        start, end = listed.span()
        rest = self.text[max(0, start - 200) : start] + self.text[end:]
        ending = ENDING.search(rest[-200:])
        if ending and word.search(ending["label"]):
            return ending[0].strip()
        commands = self.commands if NOUN_OF_LABELS.fullmatch(noun) else []
        return next((own for one in commands if COMMAND.match(own := _outside(one, listed))), "")

    def question(self, listed: re.Match[str]) -> str:
        """The first sentence that asks for anything, for options without a noun."""
        said = (_outside(sentence, listed) for sentence in sentences(self.text))
        return next((own for own in said if JUDGING.search(own) or own.rstrip().endswith("?")), "")


def _asks(text: str) -> bool:
    return (ANSWERING.search(text) or JUDGING.search(text)) is not None


def _outside(sentence: Sentence, listed: re.Match[str]) -> str:
    """What a sentence says before a list; all of it where the list stands elsewhere."""
    if sentence.start >= listed.end() or sentence.start + len(sentence.text) <= listed.start():
        return sentence.text
    return sentence.text[: max(0, listed.start() - sentence.start)]
