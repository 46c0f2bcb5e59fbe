"""Plain text and Markdown: where an input goes, however the prompt spells the place.

People write `{name}`, `{{name}}`, `$name`, `[NAME]` and `<name>`, one kind in a prompt as a
rule. The whole text decides which: the first kind, in that order of trust, that has a place
outside of code. Places of the other kinds stay text and are told. A name that Python cannot
use is replaced by one that it can, and that is told too.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

from ..errors import PrototypeError
from .line_numbers import Lines
from .names import field_name, problem_of_field, word_set
from .pieces import Piece, Slot

NAME = r"[^\W\d][\w.-]*(?:[ \t]+[\w.-]+){0,4}"
MAX_LENGTH = 60
MAX_PLACES = 10_000
REACH = 300
"""How many characters around a place, on its line, say what it is."""

PARTNERED = re.compile(r"</([^\s<>]+)\s*>|\[/([^\s\[\]]+)\]")
HTML = word_set(
    "a area b base big blockquote br center code col dd del div dl dt em embed font h1 h2 h3 h4 h5 h6 head "
    "hr html i iframe img ins kbd li link mark meta ol p pre q s script small source span strong style sub "
    "sup table tbody td th thead tr track tt u ul var wbr"
)
SPECIAL_TOKENS = word_set(
    "bos cls done end endoftext eof eos eot inst mask n/a none null pad redacted sep start stop unk image"
)
SHELL = word_set("HOME IFS LANG OLDPWD OSTYPE PATH PWD SHELL TERM TMPDIR UID USER")
TYPES = word_set("array bool boolean date float int integer list null number object str string")
SCHEMA_WORDS = word_set("schema ref id defs anchor comment dynamicRef vocabulary")
MARKS = word_set(
    "caution debug error example examples important info note optional required sic tbd tip todo warning"
)
SECTIONS = MARKS | word_set(
    "background constraints context format goal guidelines input instruction instructions objective output "
    "persona role rules steps system task tone user assistant"
)
NO_ANGLE = HTML | SPECIAL_TOKENS | TYPES
NO_BRACKETS = MARKS | SPECIAL_TOKENS | TYPES
FILLERS = re.compile(r"(?i)^(?:(?:insert|paste|put|enter|add|your|the)\s+)+(?=\S)|\s+here$")
A_QUANTITY = re.compile(r"(?i)^(a|an|one|two|three|some|any|your answer|short|brief|the answer)\b")
TAG_TALK = re.compile(
    r"(?i)\b(tags?|elements?|markup|xml)\s+[`\"']?$"
    r"|\b(put|place|wrap|enclose|surround|write|give)\b[^.\n]*\b(in|inside|within|between|using|with)\s+[`\"']?$"
)
TAG_WORD = re.compile(r"(?i)[`\"']?\s*(xml\s+|html\s+)?(tags?|elements?|blocks?|markers?|tokens?)\b")
MASKING = re.compile(r"(?i)\b(replace|mask|redact|substitute|anonymi[sz]e)[sd]?\b[^.\n]*$")
SKELETON_LEAD = re.compile(
    r"(?i)\b(format|template|skeleton|layout|like this|looks? like|structured? as)\b[^\n]*:\W*$"
    r"|\b(answer|reply|respond|output|return|write)\b[^\n]*\b(exactly|as follows|these lines)\b[^\n]*:\W*$"
    r"|^\W*(output|answer|response|reply)\W*$"
)
SKELETON_BEFORE = re.compile(r"(?i)\b(format|like this|looks? like)\b[^.\n]*:")
QUOTED_VALUE = re.compile(r"[\"']\s*:\s*\[?\s*[\"']?$")
LATEX = re.compile(
    r"\\(N|p|P|u|x|begin|boxed|cite|d?frac|emph|end|fbox|label|math[a-z]+|ref|sqrt|section|text[a-z]*)\*?"
    r"(\[[^\]\n]*\])?(\{[^{}\n]*\})*$"
)


@dataclass(frozen=True)
class _Place:
    start: int
    end: int
    word: str
    """The name as the prompt has it."""

    in_code: bool


@dataclass(frozen=True)
class _Kind:
    """One way of spelling a place; `refuse` says of what matches that it is none."""

    title: str
    pattern: re.Pattern[str]
    refuse: Callable[[_Text, re.Match[str]], bool]


def split_slots(text: str) -> tuple[Piece, ...]:
    """The prompt as text and slots; joined by their spelling they are the prompt again.

    Raises:
        PrototypeError: it has over 10,000 places for inputs.
    """
    return _found_in(text).pieces


def told_slots(text: str) -> list[tuple[str, int, str]]:
    """What a reader of the prompt should know of its slots: a spelling, its line and why.

    Names that were changed, names that became one input, and what looks like a slot and is none.
    """
    return _found_in(text).told()


def python_name(word: str) -> str:
    """A name for a field, made of what a prompt calls it; `input` where nothing is left of it."""
    name = unicodedata.normalize("NFKC", word).strip()
    if problem_of_field(name):
        name = (FILLERS.sub("", FILLERS.sub("", name)) or name).lower()
    return field_name(name)


@lru_cache(maxsize=4)
def _found_in(text: str) -> _Slots:
    """Looked for once, though readers ask for a text's slots and for what is told of them."""
    return _Slots(text)


class _Slots:
    def __init__(self, text: str) -> None:
        self.text = text
        self.whole = _Text(text)
        self.kind, self.places = self._chosen()
        self.names = self._named()

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        found: list[Piece] = []
        slots: dict[str, Slot] = {}
        end = 0
        for place in self.places:
            if place.start > end:
                found.append(self.text[end : place.start])
            spelling = self.text[place.start : place.end]
            if spelling not in slots:
                slots[spelling] = Slot(self.names[place.word], spelling)
            found.append(slots[spelling])
            end = place.end
        if end < len(self.text):
            found.append(self.text[end:])
        return tuple(found)

    def told(self) -> list[tuple[str, int, str]]:
        """Each spelling once, at its first place."""
        found: dict[str, tuple[str, int, str]] = {}
        for start, end, why in sorted([*self._renamed(), *self._left(), *self._nearly()]):
            spelling = self.text[start:end]
            if spelling not in found:
                found[spelling] = (spelling, self.whole.lines.number(start), why)
        return list(found.values())

    def _places(self, kind: _Kind) -> Iterator[_Place]:
        for match in kind.pattern.finditer(self.text):
            word = next(group for group in match.groups() if group is not None).strip()
            in_code = self.whole.is_code(match.start()) and not self.whole.alone(match)
            strict = word.isidentifier() and kind in (BRACES, DOUBLE)
            if len(word) > MAX_LENGTH or (in_code and not strict) or kind.refuse(self.whole, match):
                continue
            yield _Place(match.start(), match.end(), word, in_code)

    def _chosen(self) -> tuple[_Kind, list[_Place]]:
        in_code = None
        for kind in KINDS:
            places = own = list(islice(self._places(kind), MAX_PLACES + 1))
            if len(places) > MAX_PLACES:
                raise PrototypeError(
                    f"there are over {MAX_PLACES:,} places in {kind.title}",
                    hint="write what repeats as one input, a text or a list",
                )
            if kind is BRACES:
                # A lone `${price}` is a slot in dollars, a lone `{{{item}}}` one in double braces.
                own = [
                    place for place in places if self.text[place.start - 1 : place.start] not in ("$", "{")
                ]
            if any(not place.in_code for place in own):
                return kind, places
            in_code = in_code or ((kind, places) if own else None)
        return in_code or (BRACES, [])

    def _named(self) -> dict[str, str]:
        """A Python name for each word; words that differ in case or signs only are one input."""
        names: dict[str, str] = {}
        twins: dict[str, str] = {}
        for written in dict.fromkeys(place.word for place in self.places):
            name = python_name(written.lower() if self.kind is BRACKETS else written)
            names[written] = twins.setdefault(name.casefold(), name)
        return names

    def _renamed(self) -> Iterator[tuple[int, int, str]]:
        seen: set[str] = set()
        first: dict[str, _Place] = {}
        for place in self.places:
            name = self.names[place.word]
            twin = first.setdefault(name, place)
            if place.word in seen:
                continue
            seen.add(place.word)
            if twin.word != place.word:
                spelling = self.text[twin.start : twin.end]
                yield place.start, place.end, f"renamed to {name}: {spelling} is the same input"
            elif name != place.word:
                yield place.start, place.end, f"renamed to {name}: {self._why(place.word)}"

    def _why(self, word: str) -> str:
        if self.kind is BRACKETS and word.lower() == self.names[word]:
            return "inputs are written in small letters"
        return f"{word!r} {problem_of_field(word) or 'cannot name an input'}"

    def _left(self) -> Iterator[tuple[int, int, str]]:
        """Places of other kinds than the one that the prompt uses."""
        taken = [(place.start, place.end) for place in self.places]
        for kind in KINDS if self.places else ():
            if kind is self.kind:
                continue
            why = f"beside slots in {self.kind.title}, {kind.title} stay text"
            left = [
                (place.start, place.end)
                for place in islice(self._places(kind), MAX_PLACES)
                if not place.in_code and not _covers(taken, place.start) and not _covers(taken, place.end - 1)
            ]
            taken = sorted([*(span for span in taken if not _covers(left, span[0])), *left])
            yield from ((start, end, why) for start, end in left)

    def _nearly(self) -> Iterator[tuple[int, int, str]]:
        """Places without a name, and names in brackets that are not in capitals."""
        for match in NUMBERED.finditer(self.text):
            if not self.whole.is_code(match.start()) and not self.whole.in_latex(match.start()):
                yield match.start(), match.end(), "no name, so it stays text; name it to make it an input"
        if self.places:
            return
        for match in SMALL_BRACKETS.finditer(self.text):
            if not self.whole.is_code(match.start()):
                why = "in small letters brackets stay text; to make it an input, write it in braces"
                yield match.start(), match.end(), why


def _covers(spans: Sequence[tuple[int, int]], at: int) -> bool:
    """Whether one of the spans, which are in order and apart, holds an offset."""
    index = bisect_right(spans, (at + 1,)) - 1
    return index >= 0 and at < spans[index][1]


class _Text:
    """A prompt, and what is looked up in it again and again."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = Lines(text)
        self._has_commands = "\\" in text
        fences = re.finditer(r"(?ms)^[ \t]*(```|~~~)[^\n`]*\n(.*?)(?:^[ \t]*\1|\Z)", text)
        self._code = [match.span(2) for match in fences]

    @cached_property
    def partnered(self) -> frozenset[str]:
        """Names of tags that are closed somewhere; they enclose content."""
        return frozenset((found[1] or found[2]).lower() for found in PARTNERED.finditer(self.text))

    def is_code(self, at: int) -> bool:
        """Whether this offset lies in fenced code."""
        return _covers(self._code, at)

    def in_latex(self, at: int) -> bool:
        """Whether braces at this offset belong to a command of LaTeX's."""
        return self._has_commands and LATEX.search(self.before(at)) is not None

    def before(self, at: int) -> str:
        """What stands before a place on its line, as far back as a sentence goes."""
        reach = max(0, at - REACH)
        return self.text[max(self.text.rfind("\n", reach, at) + 1, reach) : at]

    def after(self, at: int) -> str:
        """What stands after a place on its line."""
        return self.text[at : at + REACH].split("\n", 1)[0]

    def alone(self, match: re.Match[str]) -> bool:
        """Whether the place is all that its line holds."""
        return not self.before(match.start()).strip() and not self.after(match.end()).strip()

    def line_above(self, at: int) -> str:
        """The end of the line above a place; empty where there is none."""
        return self.before(max(0, self.lines.start(at) - 1))

    def in_skeleton(self, at: int) -> bool:
        """Whether a place belongs to a layout that the answer is to have."""
        if SKELETON_BEFORE.search(self.before(at)):
            return True
        return self._leads[self.lines.number(at) - 1] > max(0, self.lines.start(at) - 4 * REACH)

    @cached_property
    def _leads(self) -> list[int]:
        """For each line, where the nearest line above it ends that leads to a layout, or 0.

        Below the one that leads may stand a blank line.
        """
        found = [0]
        end = above = 0
        for line in self.text.split("\n"):
            end += len(line) + 1
            lead = end if SKELETON_LEAD.search(line[-4 * REACH :]) else 0
            found.append((lead or found[-1]) if line.strip() else above)
            above = lead
        return found


NUMBERED = re.compile(r"\{(?<![\w\\{$^}]\{)\d?\}(?!\})")
SMALL_BRACKETS = re.compile(
    r"\[(?<![\w!\[\]\\/]\[)((?:insert|paste|your|put|enter) [a-z' -]{2,40})\](?![(\[:\]\w])"
)


def _not_braces(whole: _Text, match: re.Match[str]) -> bool:
    word = match[1] or match[2]
    if whole.in_latex(match.start()):
        return True
    if word.isidentifier():
        return False
    return "__" in word or A_QUANTITY.match(word) is not None or not _words_of_a_name(word)


def _not_double(whole: _Text, match: re.Match[str]) -> bool:
    word = match[1].strip()
    return not word.isidentifier() and ("__" in word or not _words_of_a_name(word))


def _not_dollar(whole: _Text, match: re.Match[str]) -> bool:
    word = match[1] or match[2]
    if word in SHELL or word in SCHEMA_WORDS:
        return True
    # A dollar that closes directly after a sign, as in $x + y$, is a formula's.
    formula = re.match(r"[^$\n]*\S\$(?![\w{(])", whole.text[match.end() - 1 : match.end() + REACH])
    return match[1] is None and formula is not None


def _not_brackets(whole: _Text, match: re.Match[str]) -> bool:
    word = re.sub(r"\W*\d+$", "", match[1].lower())
    if word in NO_BRACKETS or len(word) < 2 or match[1].lower() in whole.partnered:
        return True
    before = whole.before(match.start())
    if QUOTED_VALUE.search(before) or MASKING.search(before):
        return True
    return _is_section(whole, match) or whole.in_skeleton(match.start())


def _not_angle(whole: _Text, match: re.Match[str]) -> bool:
    word = match[1].lower()
    if word in NO_ANGLE or len(word) < 2 or word in whole.partnered:
        return True
    before = whole.before(match.start())
    if not _words_of_a_name(word) or A_QUANTITY.match(word) or QUOTED_VALUE.search(before):
        return True
    if TAG_TALK.search(before) or TAG_WORD.match(whole.after(match.end())):
        return True
    return whole.in_skeleton(match.start())


def _words_of_a_name(word: str) -> bool:
    """Whether words can be a name, not a sentence or a choice."""
    words = re.split(r"[\s.-]+", word.lower())
    return len(words) <= 4 and "" not in words and not {"or", "is", "are", "if", "not"} & set(words)


def _is_section(whole: _Text, match: re.Match[str]) -> bool:
    """Whether a line in brackets is the heading of what follows it."""
    if not whole.alone(match) or match[1].lower() not in SECTIONS:
        return False
    above = whole.line_above(match.start())
    end = whole.text.find("\n", match.end())
    below = whole.after(end + 1) if end >= 0 else ""
    return not above.strip() and bool(below.strip()) and "[" not in below


BRACES = _Kind(
    "single braces",
    re.compile(rf"\{{(?:(?<!\{{\{{)({NAME})\}}|(?<=\{{\{{\{{)({NAME})\}}(?=\}}\}}))"),
    _not_braces,
)
DOUBLE = _Kind(
    "double braces", re.compile(rf"\{{(?<!\{{\{{)\{{\{{?[ \t]*({NAME})[ \t]*\}}?\}}\}}"), _not_double
)
DOLLAR = _Kind(
    "dollar signs",
    re.compile(r"\$(?<![\w$\\]\$)(?:\{([^\W\d][\w.-]*)\}|([^\W\d]\w*+))(?!\()"),
    _not_dollar,
)
BRACKETS = _Kind(
    "brackets",
    re.compile(r"\[(?<![\w!\[\]\\/^]\[)([A-Z][A-Z0-9]*(?:[ _'/-][A-Z0-9]+){0,5})\](?![(\[:\]\w])"),
    _not_brackets,
)
ANGLE = _Kind(
    "angle brackets", re.compile(r"<(?<![\w<\\]<)([^\W\d][\w-]*(?:[ \t]+[\w-]+){0,3})>(?!>)"), _not_angle
)
KINDS: Sequence[_Kind] = (BRACES, DOUBLE, DOLLAR, BRACKETS, ANGLE)
