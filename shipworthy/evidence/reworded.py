"""A prototype with its instructions changed in ways that a colleague would call the same prompt.

Rules, no language model: what stands in no order is put in another one, set phrases are
replaced, another output format is asked for, the inputs change places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..examples import PERTURBATIONS
from ..lift import Prototype
from ..runtime import Field
from .battery import label_words

BULLET = re.compile(r"^\s*[-*+•]\s+\S")
DEPENDS = re.compile(
    r"(?i)^\W*(?:also|and|or|but|then|next|finally|first|second|third|otherwise|if not|this|that|these|those|"
    r"it|they|however|so|therefore|here|for example|e\.g)\b|\b(?:above|following|as follows|before that)\b"
)
"""A sentence that leans on its neighbours, and keeps its place."""
SENTENCE = re.compile(r"""(?:(?<=[^\W\d]{2}[.!?])|(?<=[!?)"'][.!?]))(?P<space>[ ]+)(?=[A-ZÀ-ÞА-Я"'(*])""")
"""Where one sentence ends and another begins: not behind `1.` or `e.g.`"""
LED = re.compile(r"^\s*(?:\d+[.)]|[^\w\s]*\w+(?: \w+)?:\s)")
"""A numbered line, or one of an example such as `Note: it hums. Please come.`"""
PHRASES = (
    ("classify", "categorise"),
    ("categorize", "classify"),
    ("categorise", "classify"),
    ("sort it into", "assign it to"),
    ("read the", "look at the"),
    ("answer with", "reply with"),
    ("respond with", "reply with"),
    ("reply with", "answer with"),
    ("answer exactly", "reply exactly"),
    ("do not write anything else", "write nothing else"),
    ("and nothing else", "without anything else"),
    ("one of these", "one of the following"),
    ("one of the following", "one of these"),
    ("you are a", "you act as a"),
    ("you are the", "you act as the"),
    ("your task is to", "your job is to"),
    ("your job is to", "your task is to"),
    ("return only", "give only"),
    ("extract", "pull out"),
    ("determine", "work out"),
    ("make sure to", "be sure to"),
    ("always", "in every case"),
)
FORMAT = "The format of the answer, which goes before any other that is asked for: "


@dataclass(frozen=True)
class PrototypeVariant:
    """A prototype reworded: by what change, in a word and in a sentence."""

    name: str
    sentence: str
    prototype: Prototype


def reworded_prototypes(prototype: Prototype, outputs: Sequence[Field]) -> tuple[PrototypeVariant, ...]:
    """Variants of the prompt that ask for the same; those that change nothing are left out.

    Args:
        prototype: the prompt as it was found.
        outputs: whose names another format asks for, and whose labels no rule replaces.
    """
    if prototype.template is None:  # messages, conditions and steps have no order that could be another
        return ()
    labels = label_words(outputs)
    found = [
        PrototypeVariant(name, sentence, prototype.with_text(text))
        for name, sentence, text in (
            ("list_order", "the items of lists without numbers stand in reverse order", _lists(prototype)),
            (
                "sentence_order",
                "sentences of a paragraph that do not lean on each other stand in reverse order",
                _sentences(prototype),
            ),
            ("reworded", "set phrases and short forms are replaced", _phrases(prototype, labels)),
            *(
                (f"format_{name}", sentence, _with_format(prototype, asked))
                for name, sentence, asked in _formats([field.name for field in outputs])
            ),
            ("input_order", "the inputs stand in reverse order", _inputs_reversed(prototype)),
        )
        if text != prototype.text
    ]
    # What a rule made of the text must still have the same slots: a variant is the same prompt.
    return tuple(
        one
        for one in found
        if {*_slots_of(one.prototype)} == {*prototype.slots} and one.prototype.text.strip()
    )


def _lists(prototype: Prototype) -> str:
    """Runs of bullet lines reversed; what is numbered, nested, or leans on its neighbours stays."""
    lines = _head(prototype).split("\n")
    out: list[str] = []
    run: list[str] = []
    for line in [*lines, ""]:
        if BULLET.match(line):
            run.append(line)
            continue
        alike = len({re.split(r"\S", item)[0] for item in run}) == 1
        continued = line.strip() and line[0].isspace()
        leans = any(DEPENDS.search(item) for item in run)
        out += run if continued or leans or not alike else run[::-1]
        out.append(line)
        run = []
    return "\n".join(out[:-1]) + _tail(prototype)


def _sentences(prototype: Prototype) -> str:
    """The independent sentences of each paragraph reversed among their places."""
    parts = re.split(r"(\n)", _head(prototype))
    for at, line in enumerate(parts):
        if BULLET.match(line) or LED.match(line):
            continue
        pieces = SENTENCE.split(line)
        sentences, spaces = pieces[::2], pieces[1::2]
        # A sentence that ends in a colon leads to what follows, and the very first says what it all is.
        free = [
            i
            for i, sentence in enumerate(sentences)
            if not DEPENDS.search(sentence) and not sentence.rstrip().endswith(":") and (at or i)
        ]
        moved = dict(zip(free, [sentences[i] for i in reversed(free)], strict=True))
        ordered = [moved.get(i, sentence) for i, sentence in enumerate(sentences)]
        parts[at] = "".join(text + space for text, space in zip(ordered, [*spaces, ""], strict=True))
    return "".join(parts) + _tail(prototype)


def _phrases(prototype: Prototype, labels: Sequence[str]) -> str:
    """Set phrases replaced in the prompt's own text; slots and labels stay as they are."""
    rules = {old: new for old, new in PHRASES if not any(_within(old, new, label) for label in labels)}
    ways = "|".join(re.escape(old) for old in sorted(rules, key=lambda old: -len(old)))

    def put(match: re.Match[str]) -> str:
        new = rules[match[0].casefold()]
        return new[0].upper() + new[1:] if match[0][0].isupper() else new

    pattern = re.compile(rf"(?i)(?<!\w)(?:{ways})(?!\w)")
    by_rule = next(one for one in PERTURBATIONS if one.name == "reworded")

    def reword(text: str) -> str:
        text = pattern.sub(put, text) if ways else text
        return by_rule.apply(text, row="", avoid=labels) or text

    return _in_text(prototype, reword)


def _within(old: str, new: str, label: str) -> bool:
    words = {*re.findall(r"\w+", label.casefold())}
    return not words.isdisjoint(re.findall(r"\w+", f"{old} {new}".casefold()))


def _in_text(prototype: Prototype, change: Callable[[str], str]) -> str:
    """The prompt with its stretches of text changed and its slots as they are spelled."""
    return "".join(change(piece) if isinstance(piece, str) else piece.spelling for piece in prototype.pieces)


def _formats(names: Sequence[str]) -> list[tuple[str, str, str]]:
    keys = ", ".join(f'"{name}"' for name in names)
    listed = ", ".join(names)
    lines = (
        "the value alone" if len(names) == 1 else f"the values of {listed} alone, each on a line of its own"
    )
    said = "Answer: and the value" if len(names) == 1 else "Answer: " + ", ".join(f"{one}=…" for one in names)
    return [
        ("json", "the answer is asked for as a JSON object", f"a JSON object with the keys {keys}."),
        ("bare", "the answer is asked for bare, before anything else", f"the first line holds {lines}."),
        ("line", "the answer is asked for in a line that begins with Answer:", f"one line, {said}."),
    ]


def _with_format(prototype: Prototype, asked: str) -> str:
    """The prompt with another format asked for, before the paragraph that holds the first slot."""
    head, tail = _head(prototype), _tail(prototype)
    before, blank, lead = head.rpartition("\n\n")
    if not tail:
        return f"{head.rstrip()}\n\n{FORMAT}{asked}\n"
    return f"{before}{blank}{FORMAT}{asked}\n\n{lead}{tail}"


def _inputs_reversed(prototype: Prototype) -> str:
    """The slots in reverse order, each with the lines that lead to it; inline slots stay."""
    pieces = prototype.pieces
    at = [i for i, piece in enumerate(pieces) if not isinstance(piece, str)]
    if len(at) < 2 or len(at) != len(prototype.slots):
        return prototype.text
    before = pieces[at[0] - 1] if at[0] else ""
    start, gap, lead = str(before).rpartition("\n\n" if "\n\n" in str(before) else "\n")
    units, gaps = [], []
    for this, after in zip(at, [*at[1:], len(pieces)], strict=True):
        between = "".join(str(piece) for piece in pieces[this + 1 : after])
        rest, newlines, more = _cut(between)
        units.append(lead + pieces[this].spelling + rest)  # type: ignore[union-attr]  # `at` names slots
        gaps.append(newlines)
        if not newlines and after < len(pieces):
            return prototype.text
        lead = more
    joined = "".join(unit + space for unit, space in zip(reversed(units), gaps, strict=True))
    return f"{start}{gap}{joined}{lead}"


def _cut(text: str) -> tuple[str, str, str]:
    """The rest of the line, the line breaks, and what follows."""
    match = re.search(r"\s*\n\s*", text)
    return (text, "", "") if match is None else (text[: match.start()], match[0], text[match.end() :])


def _head(prototype: Prototype) -> str:
    """The text before the first slot; all of it where there is none."""
    if not prototype.slots:
        return prototype.text
    first = prototype.pieces[0]
    return first if isinstance(first, str) else ""


def _tail(prototype: Prototype) -> str:
    return prototype.text[len(_head(prototype)) :]


def _slots_of(prototype: Prototype) -> list[str]:
    return [piece.name for piece in prototype.pieces if not isinstance(piece, str)]
