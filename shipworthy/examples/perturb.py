"""Changes of a text that keep its label: what a sender might as well have written.

A perturbation is a rule with a seed, no language model: the same text, row and seed give the
same variant on every machine, whatever else is perturbed. Rules of wording know English; on
other text they change nothing, and say so.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from . import phrases
from .digest import digest_of

TYPO_SHARE = 0.15
"""Of the words that may get a typo, so many do, and at least one."""
PADDING_CHARACTERS = 600
LABEL_PREFIX = 4
"""Words clash with a label's if they are equal, or one of so many letters begins the other."""
STOP_WORDS = frozenset(("and", "for", "from", "not", "that", "the", "with", "yes"))

PROTECTED = re.compile(
    r"""
      \S*\d\S*                                # numbers, dates, codes
    | \S*[@\\_]\S* | \S+://\S*                # e-mail addresses, handles, paths, URLs
    | \#\w\S* | \w\S*[./]\w\S*                # tags, domains, abbreviations
    | "[^"\n]{1,80}" | “[^”\n]{1,80}” | «[^»\n]{1,80}» | „[^“”\n]{1,80}[“”] | `[^`\n]{1,80}`
    | (?<!\w)'[^'\n]{1,80}'(?!\w) | (?<!\w)‘[^’\n]{1,80}’(?!\w)
    """,
    re.VERBOSE,
)
"""What no perturbation changes within: it may name the thing that the text is about."""
LETTERS = re.compile(r"[^\W\d_]+")
MARKS = re.compile(r"[.,;:!?]+(?=\s|$)")


@dataclass(frozen=True)
class Perturbation:
    """A named change of a text that keeps its label.

    Attributes:
        name: identifies it in figures, and its draws.
        sentence: what it does, for people.
    """

    name: str
    sentence: str
    _change: Callable[[_Draft], str] = field(repr=False)

    def apply(
        self, text: str, *, row: str, seed: int = 0, keep: Sequence[str] = (), avoid: Sequence[str] = ()
    ) -> str | None:
        """The changed text, or None where the rule changes nothing here.

        Args:
            text: of the row; empty and blank text is never changed.
            row: the row's digest. The draws follow from it, the perturbation's name and the seed.
            seed: another seed, other draws.
            keep: passages that must stand in the result as they stand in the text, such as the
                values that a program is to copy out of it.
            avoid: labels, whose words must not be written into the text.
        """
        if not text.strip():
            return None
        draws = random.Random(int(digest_of([self.name, row, seed])[:16], 16))
        changed = self._change(_Draft(text, tuple(keep), tuple(avoid), draws))
        lost = any(passage in text and passage not in changed for passage in keep)
        return None if lost or changed == text else changed


def harmless_text(characters: int, *, row: str, seed: int = 0, avoid: Sequence[str] = ()) -> str:
    """Small talk of at most so many characters, cut at a word; empty where each phrase holds a label's word.

    Args:
        characters: its length, which it misses by less than a word.
        row, seed: what the order of the sentences follows from.
        avoid: labels, whose words must not stand in it.
    """
    draft = _Draft("", (), tuple(avoid), random.Random(int(digest_of(["harmless", row, seed])[:16], 16)))
    return draft.talk(characters)


def clashes(text: str, labels: Iterable[str]) -> bool:
    """Whether a word of the text is, or begins, or is begun by, a word of a label."""
    wanted = _words_of(tuple(labels))
    return any(
        word == own
        or (min(len(word), len(own)) >= LABEL_PREFIX and (word.startswith(own) or own.startswith(word)))
        for word in _words(text)
        for own in wanted
    )


@dataclass
class _Draft:
    """A text under change: what is protected in it, and the draws."""

    text: str
    keep: tuple[str, ...]
    avoid: tuple[str, ...]
    draws: random.Random

    def sub(self, pattern: re.Pattern[str], put: Callable[[re.Match[str]], str]) -> str:
        """Replace what matches outside the protected passages."""
        spans = self._protected()
        return pattern.sub(lambda match: match[0] if _overlaps(match, spans) else put(match), self.text)

    def free(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """What matches outside the protected passages."""
        spans = self._protected()
        return [match for match in pattern.finditer(self.text) if not _overlaps(match, spans)]

    def chance(self, share: float) -> bool:
        return self.draws.random() < share

    def pick(self, values: Sequence[str]) -> str:
        """One that has no word of a label, or an empty text. Uses the one draw that no Python changes."""
        values = _without(tuple(values), self.avoid)
        return values[int(self.draws.random() * len(values))] if values else ""

    def talk(self, characters: int) -> str:
        sentences = list(_without(phrases.CHIT_CHAT, self.avoid))
        sentences.sort(key=lambda _: self.draws.random())
        if not sentences:
            return ""
        once = " ".join(sentences)
        text = " ".join([once] * (characters // len(once) + 1))
        return text if len(text) <= characters else text[: characters + 1].rpartition(" ")[0]

    def _protected(self) -> list[tuple[int, int]]:
        kept = [re.escape(passage) for passage in self.keep if passage]
        patterns = [PROTECTED, *([re.compile("|".join(kept))] if kept else [])]
        return sorted(match.span() for pattern in patterns for match in pattern.finditer(self.text))


def _overlaps(match: re.Match[str], spans: list[tuple[int, int]]) -> bool:
    return any(start < match.end() and match.start() < end for start, end in spans)


@lru_cache(maxsize=256)
def _without(values: tuple[str, ...], labels: tuple[str, ...]) -> tuple[str, ...]:
    """Those that hold no word of a label; the same few are asked for once a row."""
    return tuple(value for value in values if not clashes(value, labels))


@lru_cache(maxsize=256)
def _words_of(labels: tuple[str, ...]) -> frozenset[str]:
    words = {word for label in labels for word in _words(label) if len(word) > 2 or not word.isascii()}
    return frozenset(words - STOP_WORDS)


def _words(text: str) -> list[str]:
    return [match[0].casefold() for match in LETTERS.finditer(text)]


def _typos(draft: _Draft) -> str:
    # Letters without case (Chinese, Arabic) are left: there one letter can be the word.
    words = [match for match in draft.free(LETTERS) if _may_have_typo(match[0])]
    order = sorted(words, key=lambda _: draft.draws.random())
    text = draft.text
    for match in sorted(order[: max(1, round(TYPO_SHARE * len(words)))], key=lambda one: -one.start()):
        text = text[: match.start()] + _typo(match[0], draft.draws) + text[match.end() :]
    return text


def _may_have_typo(word: str) -> bool:
    cased = all(letter.lower() != letter.upper() for letter in word)
    return cased and len(word) >= 4 and (word[1:].islower() or word.islower())


def _typo(word: str, draws: random.Random) -> str:
    """One slip behind the first letter, which a reader goes by."""
    at = 1 + int(draws.random() * (len(word) - 2))
    slip = int(draws.random() * 4)
    near = NEIGHBOURS.get(word[at], "")
    if slip == 0 and near:
        return word[:at] + near[int(draws.random() * len(near))] + word[at + 1 :]
    if slip == 1 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if slip == 2:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def _neighbours() -> dict[str, str]:
    """The keys beside each key of an English keyboard, in its row and in the rows above and below."""
    found: dict[str, str] = {}
    keys = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for row, letters in enumerate(keys):
        for at, letter in enumerate(letters):
            beside = [letters[i] for i in (at - 1, at + 1) if 0 <= i < len(letters)]
            above = keys[row - 1][at : at + 2] if row else ""
            below = keys[row + 1][max(0, at - 1) : at + 1] if row + 1 < len(keys) else ""
            found[letter] = "".join(beside) + above + below
    return found


NEIGHBOURS = _neighbours()


def _white_space(draft: _Draft) -> str:
    def put(match: re.Match[str]) -> str:
        draw = draft.draws.random()
        return "  " if draw < 0.25 else "\n" if draw < 0.35 else match[0]

    return draft.sub(re.compile(r"(?<=\S) (?=\S)"), put) + "  \n"


def _reworded(draft: _Draft) -> str:
    def put(match: re.Match[str]) -> str:
        said = match[0].replace("’", "'")
        new = rules[said.casefold()]
        if clashes(f"{said} {new}", draft.avoid):
            return match[0]
        return new[0].upper() + new[1:] if said[0].isupper() else new

    rules, pattern = _rewordings()
    return draft.sub(pattern, put)


@cache
def _rewordings() -> tuple[dict[str, str], re.Pattern[str]]:
    rules = {found.casefold(): new for found, new in (*phrases.SAME, *phrases.POLITE)}
    ways = [re.escape(found) for found, _ in sorted(phrases.SAME, key=lambda pair: -len(pair[0]))]
    ways += [re.escape(found) + phrases.WORD_NEXT for found, _ in phrases.POLITE]
    for pairs, ending in ((phrases.SHORT_FORMS, phrases.PRONOUN_NEXT), (phrases.PRONOUN_FORMS, "")):
        for short, long in pairs:
            rules |= {short.casefold(): long, long.casefold(): short}
            ways.insert(0, re.escape(short).replace("'", "['’]") + ending)
            ways.insert(0, re.escape(long) + (ending or phrases.WORD_NEXT))
    return rules, re.compile(rf"(?i)(?<!\w)(?<!['’])(?:{'|'.join(ways)})(?!\w)(?!['’])")


def _before(draft: _Draft) -> str:
    opening = draft.pick((*phrases.GREETINGS, *phrases.FORWARDED))
    return "\n".join(filter(None, (opening, draft.pick(phrases.CHIT_CHAT), draft.text)))


def _after(draft: _Draft) -> str:
    said = draft.pick(phrases.CHIT_CHAT)
    closing = draft.pick((*phrases.SIGNATURES, *phrases.DISCLAIMERS))
    return "\n\n".join(filter(None, (draft.text, said, closing)))


def _padded(draft: _Draft) -> str:
    padding, stop, _ = draft.talk(PADDING_CHARACTERS).rpartition(".")
    return f"{draft.text}\n\n{padding}{stop}" if padding else draft.text


def _emoji(draft: _Draft) -> str:
    def put(match: re.Match[str]) -> str:
        return f"{match[0]} {draft.pick(phrases.EMOJI)}" if draft.chance(0.5) else match[0]

    return f"{draft.sub(re.compile(r'[.!?](?=[ ])'), put)} {draft.pick(phrases.EMOJI)}"


def _quoted(draft: _Draft) -> str:
    lines = "\n".join(f"> {line}" for line in draft.text.splitlines())
    return "\n\n".join(filter(None, (draft.pick(phrases.QUOTE_INTRODUCTIONS), lines)))


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation(
        "typos",
        f"{TYPO_SHARE:.0%} of the words of four letters or more get a typo: a neighbouring key, "
        "or a letter swapped, dropped or doubled",
        _typos,
    ),
    Perturbation("lower_case", "everything in lower case", lambda d: d.sub(LETTERS, lambda m: m[0].lower())),
    Perturbation("upper_case", "everything in capitals", lambda d: d.sub(LETTERS, lambda m: m[0].upper())),
    Perturbation("white_space", "spaces doubled or made line breaks, and some at the end", _white_space),
    Perturbation(
        "no_punctuation", "marks at the end of words left out", lambda d: d.sub(MARKS, lambda m: "")
    ),
    Perturbation(
        "double_punctuation",
        "marks at the end of words written twice",
        lambda d: d.sub(MARKS, lambda m: m[0] * 2),
    ),
    Perturbation(
        "reworded",
        "short forms, polite forms and set phrases replaced by others of the same meaning",
        _reworded,
    ),
    Perturbation("context_before", "a greeting or a forwarded header, and small talk, in front", _before),
    Perturbation("context_after", "small talk, and a signature or a disclaimer, behind", _after),
    Perturbation("padding", f"up to {PADDING_CHARACTERS} characters of small talk behind", _padded),
    Perturbation("emoji", "emoji without a mood behind sentences", _emoji),
    Perturbation("quoted", "the whole as a quoted message, `>` before each line", _quoted),
)
"""All of them, in the order in which figures are shown."""
