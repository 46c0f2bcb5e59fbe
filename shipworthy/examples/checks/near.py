"""Find rows whose words are nearly the same, in time that grows with the rows and not with their pairs.

MinHash with banding proposes pairs and the exact Jaccard similarity decides, so that every
pair found is true; only how many are found is a matter of chance, and it is fixed by the words.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digest import canonical_json

NEAR = 0.8
"""Rows are nearly the same from this token Jaccard similarity on."""

BANDS, BAND_ROWS = 32, 5
"""At a similarity of s a pair is proposed with probability 1 - (1 - s^5)^32: 0.999997 at 0.8."""

SMALL_BUCKET = 64
"""In a bucket of up to so many rows, all pairs are compared; in a larger one, a fixed number for each row."""

_HEADS, _WINDOW = 8, 2

# Scripts that are written without spaces between words: each character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNSPACED += "\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’][^\W{_UNSPACED}]+)*")

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Link:
    """Two items that are nearly the same, and how nearly."""

    first: int
    second: int
    jaccard: float


@dataclass(frozen=True)
class TokenSets:
    """Sets of tokens, packed: set i is `flat[starts[i]:starts[i + 1]]`, without repeats.

    Attributes:
        flat: (tokens,) numbers of tokens.
        starts: (sets + 1,) where each set begins.
        hashes: (distinct tokens,) a 64-bit hash of each token, the same in every process.
    """

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]
    hashes: Words

    @classmethod
    def of(cls, token_lists: Iterable[Iterable[str]]) -> TokenSets:
        """Pack them; only the numbers stay in memory."""
        numbers: dict[str, int] = {}
        flat, starts = array("i"), array("q", [0])
        for tokens in token_lists:
            flat.extend(numbers.setdefault(token, len(numbers)) for token in dict.fromkeys(tokens))
            starts.append(len(flat))
        digests = b"".join(
            hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            for token in numbers
        )
        return cls(
            np.array(flat, np.int32),
            np.array(starts, np.int64),
            np.frombuffer(digests, "<u8").astype(np.uint64),
        )

    def members(self, index: int) -> frozenset[int]:
        """The numbers of one set's tokens."""
        return frozenset(self.flat[self.starts[index] : self.starts[index + 1]].tolist())


def tokens_of(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """The words of a row's columns, each marked by its column; a repeated word stands twice.

    A word is a run of letters, digits and underscores, inner apostrophes included, after
    NFKC and case folding; in scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer,
    Burmese) it is one character. Numbers and truth values are read as text, lists and
    objects as their JSON, None and a missing column as no word.
    """
    tokens = []
    for position, column in enumerate(columns):
        text = text_of(row.get(column))
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
        tokens += [f"{position}\0{word}" for word in _WORD.findall(text.casefold())]
    return tokens


def text_of(value: Any) -> str:
    """A value as text: text as it is, None as nothing, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else canonical_json(value)


def jaccard(first: Iterable[Hashable], second: Iterable[Hashable]) -> float:
    """Share of the distinct members of either that are in both (Jaccard 1901); 0 for two empty sets."""
    one, other = frozenset(first), frozenset(second)
    either = len(one | other)
    return len(one & other) / either if either else 0.0


def near_links(
    sets: TokenSets,
    texts: Sequence[int],
    marks: Sequence[int],
    relations: Callable[[int, int], Sequence[str]],
) -> dict[str, list[Link]]:
    """Link sets of a token Jaccard of `NEAR` or more, under each relation that a pair can have.

    Under each relation the links are a spanning forest: as few as keep the groups
    together. A pair that says nothing new is not compared, which keeps many alike rows cheap.

    MinHash is Broder's (1997), banding Gionis, Indyk and Motwani's (1999). Where more than
    `SMALL_BUCKET` sets share a bucket, each is compared with the first sets of each
    mark and its neighbours alone, so that time stays linear; groups of rows that are all alike
    are still found whole, others of that size may lose members.

    Args:
        sets: what is compared; empty sets are like nothing.
        texts: for each set a number; sets of the same number are not compared, since they are the same.
        marks: for each set a number, which says how it stands to others.
        relations: names the relations of two marks; a pair without any is not compared.

    Returns:
        Links by relation, in a stable order; `first` < `second`.
    """
    forests: dict[str, _Forest] = {}
    named: dict[tuple[int, int], list[tuple[str, _Forest]]] = {}
    links: dict[str, list[Link]] = {}
    for bucket in _buckets(sets):
        members: dict[int, frozenset[int]] = {}
        for i, j in _comparisons(bucket, marks):
            if texts[i] == texts[j]:
                continue
            pair = marks[i], marks[j]
            if pair not in named:
                named[pair] = [(name, forests.setdefault(name, _Forest())) for name in relations(*pair)]
            news = [(name, forest) for name, forest in named[pair] if forest.apart(i, j)]
            if not news:
                continue
            for index in (i, j):
                if index not in members:
                    members[index] = sets.members(index)
            similarity = _near_or_none(members[i], members[j])
            if similarity is None:
                continue
            for name, forest in news:
                forest.join(i, j)
                links.setdefault(name, []).append(Link(min(i, j), max(i, j), similarity))
    return {name: sorted(links[name], key=lambda link: (link.first, link.second)) for name in sorted(links)}


def groups_of(links: Sequence[Link]) -> list[tuple[tuple[int, ...], tuple[Link, ...]]]:
    """The connected components of links: members in order, and the links between them."""
    forest = _Forest()
    for link in links:
        forest.join(link.first, link.second)
    found: dict[int, tuple[set[int], list[Link]]] = {}
    for link in links:
        members, own = found.setdefault(forest.root(link.first), (set(), []))
        members.update((link.first, link.second))
        own.append(link)
    return sorted((tuple(sorted(members)), tuple(own)) for members, own in found.values())


class _Forest:
    """Disjoint sets with path halving; the smallest member is the root."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def root(self, item: int) -> int:
        parents = self._parents
        while (parent := parents.get(item, item)) != item:
            above = parents.get(parent, parent)
            parents[item] = above
            item = above
        return item

    def apart(self, one: int, other: int) -> bool:
        # Most often the two have one parent, which is seen without a climb.
        above, other_above = self._parents.get(one, one), self._parents.get(other, other)
        return above != other_above and self.root(one) != self.root(other)

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        self._parents[max(one, other)] = min(one, other)


def _near_or_none(one: frozenset[int], other: frozenset[int]) -> float | None:
    """The exact similarity if it is `NEAR` or more; sizes that rule it out cost nothing."""
    small, large = sorted((len(one), len(other)))
    if small < NEAR * large:
        return None
    common = len(one & other)
    similarity = common / (small + large - common)
    return similarity if similarity >= NEAR else None


def _buckets(sets: TokenSets) -> Iterator[list[int]]:
    """Groups of two or more sets that agree in a band, band by band, members in order."""
    filled = np.flatnonzero(np.diff(sets.starts))
    if len(filled) < 2:
        return
    starts = sets.starts[filled]
    for band in range(BANDS):
        keys = np.zeros(len(filled), np.uint64)
        for row in range(BAND_ROWS):
            # One pseudo-random order of all tokens; the first token of each set under it is its MinHash.
            order = _mix(sets.hashes + np.uint64(((band * BAND_ROWS + row + 1) * _GOLDEN) & _MASK))
            keys = _mix(keys ^ np.minimum.reduceat(order[sets.flat], starts))
        by_key = np.argsort(keys, kind="stable")
        edges = np.flatnonzero(np.diff(keys[by_key])) + 1
        begins, ends = np.r_[0, edges], np.r_[edges, len(by_key)]
        shared = ends - begins > 1
        for begin, end in zip(begins[shared].tolist(), ends[shared].tolist(), strict=True):
            yield filled[by_key[begin:end]].tolist()


_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def _mix(values: Words) -> Words:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): a bijection that scatters 64-bit numbers."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _comparisons(bucket: list[int], marks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The pairs of a bucket to compare: all of them, or in a large bucket a few for each member."""
    if len(bucket) <= SMALL_BUCKET:
        for position, one in enumerate(bucket):
            for other in bucket[position + 1 :]:
                yield one, other
        return
    by_mark: dict[int, list[int]] = {}
    for item in bucket:
        by_mark.setdefault(marks[item], []).append(item)
    # Heads come from marks spread over all there are, so that both sides of a relation are among them.
    groups = list(by_mark.values())
    spread = groups[:: -(-len(groups) // _HEADS)]
    rounds = -(-_HEADS // len(spread))
    heads = [items[n] for n in range(rounds) for items in spread if n < len(items)][:_HEADS]
    for items in by_mark.values():
        for position, one in enumerate(items):
            for other in items[max(0, position - _WINDOW) : position]:
                yield one, other
            for head in heads:
                if head != one:
                    yield one, head
