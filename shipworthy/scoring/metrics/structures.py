"""Sets, lists and objects: scored by what they hold."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...errors import ScoringError
from .base import NO_INPUTS, Described, ValueMetric, check_graded, check_one_of, check_value_metric, plain
from .values import Exact, key_of

EXACT_VALUE = Exact()


@dataclass(frozen=True, kw_only=True)
class SetOf(Described):
    """A list or set whose order and repetitions do not count. Symmetric, 1 only where equal.

    `exact`: 1 or 0; `f1`: 2|A and B| / (|A| + |B|) (Dice 1945); `jaccard`: |A and B| / |A or B|
    (Jaccard 1901). Two empty sets are equal. Members are the same as `Exact` has it, but
    numbers without its tolerance of 1e-9. An answer that is no set or list scores 0.

    Args:
        how: `exact`, `f1` or `jaccard`.

    Raises:
        ScoringError: `how` is unknown.
    """

    how: str = "exact"
    name: ClassVar[str] = "set"

    def __post_init__(self) -> None:
        check_one_of(self.how, ("exact", "f1", "jaccard"), "how")

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """In [0, 1].

        Raises:
            ScoringError: the label is no list or set, or holds NaN.
        """
        pair = _lists(answer, label, sets=True)
        if isinstance(pair, float):
            return pair
        wanted = set(map(key_of, pair[1]))
        given = _answered_keys(pair[0])
        if given is None:
            return 0.0
        found = set(given)
        if found == wanted:
            return 1.0
        if self.how == "exact":
            return 0.0
        shared = len(found & wanted)
        if self.how == "jaccard":
            return shared / len(found | wanted)
        return 2 * shared / (len(found) + len(wanted))


@dataclass(frozen=True, kw_only=True)
class ListOf(Described):
    """A list whose order counts.

    `exact`: 1 if both are as long and each item scores 1 by `item`; else 0. `lcs`: the
    longest common subsequence's share of the longer list, computed on bits (Hyyrö 2004);
    symmetric, 1 only where equal; items are then the same as in `SetOf`, whatever `item`
    says. Two empty lists are equal. An answer that is no list scores 0.

    Args:
        how: `exact` or `lcs`.
        item: the metric of the items.

    Raises:
        ScoringError: `how` is unknown, or `item` scores no value.
    """

    how: str = "exact"
    item: ValueMetric = EXACT_VALUE
    name: ClassVar[str] = "list"

    def __post_init__(self) -> None:
        check_one_of(self.how, ("exact", "lcs"), "how")
        check_value_metric(self.item, "item")

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """In [0, 1].

        Raises:
            ScoringError: the label is no list.
        """
        pair = _lists(answer, label, sets=False)
        if isinstance(pair, float):
            return pair
        given, wanted = pair
        if self.how == "exact":
            return float(
                len(given) == len(wanted)
                and all(
                    self.item.compare(one, other, inputs=inputs) == 1.0
                    for one, other in zip(given, wanted, strict=True)
                )
            )
        keys = list(map(key_of, wanted))
        found = _answered_keys(given)
        if found is None:
            return 0.0
        longer = max(len(found), len(keys))
        return lcs_length(found, keys) / longer if longer else 1.0


@dataclass(frozen=True, kw_only=True)
class Object(Described):
    """An object, each key by its own metric.

    A key that is missing counts as null, and null equals null. Keys without a metric in
    `fields` are compared by `Exact`. What the answer has beyond the label and `fields` is
    wrong, unless `extra` says that it is ignored. An answer that is no object scores 0.

    Args:
        fields: a metric by key.
        how: `all`: 1 if every key scores 1, else 0. `mean`: the mean over the keys that
            are filled in the answer or the label, so that null on both sides earns
            nothing; 1 where none is filled.
        extra: `wrong` or `ignored`.

    Raises:
        ScoringError: `how` or `extra` is unknown, or a field's metric scores no value.
    """

    fields: Mapping[str, ValueMetric] = field(default_factory=dict)
    how: str = "all"
    extra: str = "wrong"
    name: ClassVar[str] = "object"

    def __post_init__(self) -> None:
        check_one_of(self.how, ("all", "mean"), "how")
        check_one_of(self.extra, ("wrong", "ignored"), "extra")
        object.__setattr__(self, "fields", dict(self.fields))
        for key, metric in self.fields.items():
            check_value_metric(metric, f"field {key!r}")

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """In [0, 1].

        Raises:
            ScoringError: the label is no object.
        """
        answer, label = plain(answer), plain(label)
        if label is None:
            return float(answer is None)
        if not isinstance(label, dict):
            raise ScoringError(f"the label is no object but {type(label).__name__}", hint="use Exact()")
        if not isinstance(answer, dict):
            return 0.0
        keys = dict.fromkeys([*self.fields, *label, *(answer if self.extra == "wrong" else ())])
        filled = [
            key
            for key in keys
            if answer.get(key) is not None or label.get(key) is not None or not self._needs_label(key)
        ]
        scores = [
            check_graded(
                self.fields.get(key, EXACT_VALUE).compare(answer.get(key), label.get(key), inputs=inputs)
            )
            for key in filled
        ]
        if self.how == "all":
            return float(all(score == 1.0 for score in scores))
        return math.fsum(scores) / len(scores) if scores else 1.0

    def _needs_label(self, key: str) -> bool:
        """Not where an assertion stands, which null on both sides does not meet."""
        return key not in self.fields or self.fields[key].needs_label


def lcs_length(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, in |one| steps on whole numbers of |other| bits.

    Source: Hyyrö (2004), Bit-parallel LCS-length computation revisited, AWOCA.
    """
    where: dict[Hashable, int] = {}
    for place, item in enumerate(other):
        where[item] = where.get(item, 0) | 1 << place
    everywhere = (1 << len(other)) - 1
    row = everywhere
    for item in one:
        hits = row & where.get(item, 0)
        row = ((row + hits) | (row - hits)) & everywhere
    return len(other) - row.bit_count()


def _lists(answer: Any, label: Any, *, sets: bool) -> tuple[list[Any], list[Any]] | float:
    """Both as lists, or the score that is plain where the answer is none; sets have no order."""
    answer, label = plain(answer), plain(label)
    kinds = (list, set, frozenset) if sets else list
    if label is None:
        return float(answer is None)
    if not isinstance(label, kinds):
        hint = "use SetOf()" if isinstance(label, set | frozenset) else "use Exact()"
        raise ScoringError(f"the label is no list but {type(label).__name__}", hint=hint)
    if not isinstance(answer, kinds):
        return 0.0
    return list(answer), list(label)


def _answered_keys(items: list[Any]) -> list[Hashable] | None:
    """The answer's items as keys; None where one is NaN, which is an answer's fault and wrong."""
    try:
        return list(map(key_of, items))
    except ScoringError:
        return None
