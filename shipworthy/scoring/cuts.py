"""Ways to cut rows into groups: by a value, by length, by language, by script.

Every cut gives each row the number of its group, so that what follows is arithmetic on
arrays. All of it is deterministic and offline.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError
from ..runtime import plain_value, value_text

Kind = Literal["value", "missing", "others"]
TEXT_READ = 400
"""Characters of a text that its language and script are told by."""
SURE = 0.5
"""From this probability on a language is named. On 4,800 short English questions (Banking77 and
CLINC150) 0.3 % were then given another language, and 4 % left as unclear."""
UNCLEAR = "unclear"
SCRIPTS = {"CJK": "Han", "IDEOGRAPHIC": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana"}
WIDTHS = ("FULLWIDTH", "HALFWIDTH")


@dataclass(frozen=True)
class Cut:
    """Rows in groups.

    Attributes:
        codes: the group of each row; shape (n,).
        values: name of each group; kinds: whether it is a value, what is missing, or the rest.
    """

    codes: NDArray[np.intp]
    values: tuple[str, ...]
    kinds: tuple[Kind, ...]


def by_value(values: Iterable[Any], *, most: int, at_least: int) -> Cut:
    """Groups of equal values. Of more than `most`, the commonest are kept, the others are one group.

    What is None, NaN or blank is missing. Only values with `at_least` rows are kept then.
    """
    numbers: dict[Hashable, int] = {}
    names: list[str] = []
    codes = []
    for value in values:
        key = _key(value)
        code = numbers.get(key)
        if code is None:
            code = numbers[key] = len(names)
            names.append("" if key is None else _name(value))
        codes.append(code)
    found = np.array(codes, np.intp)
    counts = np.bincount(found, minlength=len(names))
    missing = numbers.get(None)
    ranked = sorted((c for c in range(len(names)) if c != missing), key=lambda c: (-counts[c], names[c]))
    kept, others = ranked, []
    if len(ranked) > most:
        kept = [code for code in ranked[:most] if counts[code] >= at_least]
        others = [code for code in ranked if code not in set(kept)]
    order = [*kept, *([] if missing is None else [missing])]
    to = np.full(len(names), len(order), np.intp)
    to[order] = np.arange(len(order))
    kinds: list[Kind] = ["value" for _ in kept]
    if missing is not None:
        kinds.append("missing")
    if others:
        return Cut(to[found], (*(names[c] for c in order), f"{len(others):,} others"), (*kinds, "others"))
    return Cut(to[found], tuple(names[code] for code in order), tuple(kinds))


def by_length(rows: Sequence[Mapping[str, Any]], inputs: Sequence[str], *, bins: int) -> Cut:
    """Groups of about equal size by the characters of all inputs together, named by their bounds."""
    lengths = np.array([sum(len(_text(row.get(name))) for name in inputs) for row in rows], np.intp)
    shares = np.arange(1, bins) / bins
    edges = np.unique(np.quantile(lengths, shares, method="inverted_cdf")).astype(np.intp)
    edges = np.append(edges[edges < lengths.max()], lengths.max())
    lows = [int(lengths.min()), *(int(edge) + 1 for edge in edges[:-1])]
    names = tuple(f"{low:,} to {high:,} characters" for low, high in zip(lows, edges.tolist(), strict=True))
    kinds: list[Kind] = ["value" for _ in names]
    return Cut(np.searchsorted(edges, lengths, side="left"), names, tuple(kinds))


def by_language(rows: Sequence[Mapping[str, Any]], inputs: Sequence[str]) -> Cut:
    """Groups by language, as ISO 639 codes of py3langid, or `unclear` where it is not sure.

    Raises:
        MissingExtraError: py3langid is not installed.
    """
    return by_value(map(_identifier(), _texts(rows, inputs)), most=len(rows), at_least=1)


def by_script(rows: Sequence[Mapping[str, Any]], inputs: Sequence[str]) -> Cut:
    """Groups by the script that most letters belong to, by the names that Unicode gives them."""
    return by_value(map(script_of, _texts(rows, inputs)), most=len(rows), at_least=1)


def tells_languages() -> bool:
    """Whether the library that tells languages is installed."""
    return importlib.util.find_spec("py3langid") is not None


def script_of(text: str) -> str:
    """`Latin`, `Cyrillic`, `Han` and so on; `unclear` without letters."""
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else UNCLEAR
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            counts[_script(character)] += count
    return min(counts, key=lambda name: (-counts[name], name)) if counts else UNCLEAR


@functools.lru_cache(maxsize=1)
def _identifier() -> Callable[[str], str]:
    """An identifier of our own: the library's shared one can be changed by anybody."""
    try:
        library = importlib.import_module("py3langid.langid")
    except ImportError as error:
        raise MissingExtraError("compile", "py3langid") from error
    identifier = library.LanguageIdentifier.from_model_file(library.MODEL_FILE, norm_probs=True)

    def language(text: str) -> str:
        if not any(map(str.isalpha, text)):
            return UNCLEAR
        code, probability = identifier.classify(text)
        return str(code) if probability >= SURE else UNCLEAR

    return language


@functools.lru_cache(maxsize=4096)
def _script(character: str) -> str:
    words = unicodedata.name(character, "UNKNOWN").replace("-", " ").split()
    first = words[1] if words[0] in WIDTHS and len(words) > 1 else words[0]
    return SCRIPTS.get(first, first.capitalize())


def _texts(rows: Sequence[Mapping[str, Any]], inputs: Sequence[str]) -> Iterable[str]:
    for row in rows:
        texts = [value for name in inputs if isinstance(value := row.get(name), str)]
        yield "\n".join(texts)[:TEXT_READ]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) else value_text(value)


def _key(value: Any) -> Hashable:
    """What makes two values the same group; True is no 1, and "1" is no 1. None for what is missing."""
    if isinstance(value, str):
        return ("text", value) if value and not value.isspace() else None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return ("bool", bool(value))
    if isinstance(value, int | float):
        return ("number", value)
    return ("other", _name(value))


def _name(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    plain = plain_value(value.item() if isinstance(value, np.generic) else value)
    return plain if isinstance(plain, str) else value_text(plain)
