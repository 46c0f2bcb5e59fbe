"""Faults in labelled rows that would make every later number wrong.

`check_rows` gives the faults that need no judgement, and any others that are asked for;
`examine_rows` looks for all of them and gives a report. Both read the rows and change nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from ...errors import ExamplesError
from ..digest import digest_of
from .findings import KINDS, SEVERITIES, Finding, Kind, Report, sort_findings
from .labels import class_faults, label_faults
from .near import TokenSets, groups_of, near_links, tokens_of
from .secrets import find_secrets, redact, texts_in

Row = Mapping[str, Any]

PLAIN_KINDS: tuple[Kind, ...] = ("contradiction", "duplicate", "leak", "single_example")
"""What `check_rows` looks for unless told otherwise."""

QUICK_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "label_error")
"""All kinds but the one that needs a model to be fitted."""

_NEAR_KINDS: tuple[Kind, ...] = ("near_contradiction", "near_leak", "near_duplicate")


def check_rows(
    train: Iterable[Row],
    test: Iterable[Row],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    decisions: Sequence[str],
    dev: Iterable[Row] = (),
    classes: Mapping[str, Sequence[Any]] | None = None,
    kinds: Sequence[Kind] = PLAIN_KINDS,
    probabilities: Mapping[str, ArrayLike] | None = None,
) -> list[Finding]:
    """The findings of `examine_rows`, which explains the arguments; by default of `PLAIN_KINDS` alone."""
    report = examine_rows(
        train,
        test,
        inputs=inputs,
        outputs=outputs,
        decisions=decisions,
        dev=dev,
        classes=classes,
        kinds=kinds,
        probabilities=probabilities,
    )
    return list(report.findings)


def examine_rows(
    train: Iterable[Row],
    test: Iterable[Row] = (),
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    decisions: Sequence[str],
    dev: Iterable[Row] = (),
    classes: Mapping[str, Sequence[Any]] | None = None,
    kinds: Sequence[Kind] | None = None,
    probabilities: Mapping[str, ArrayLike] | None = None,
) -> Report:
    """Look for everything in the rows that would make later numbers wrong.

    Indices of rows count train first, then dev, then test. Rows are the same if all their
    inputs are, a missing one and None counting as equal, and nearly the same if the token
    Jaccard similarity of their words is 0.8 or more (`tokens_of` says what a word is). Exact
    contradictions regard all outputs, near ones the decisions alone. A split may be empty:
    without train rows, nothing is said about what train lacks.

    Args:
        train: rows to fit on.
        test: rows for the certificate.
        inputs: columns that are the program's inputs, at least one.
        outputs: columns that are labels.
        decisions: those of them that are classes.
        dev: rows to choose and calibrate on.
        classes: for a decision, the classes that its type declares.
        kinds: what to look for; by default everything but `label_error`, which is looked for if
            named or if `probabilities` are given.
        probabilities: for a decision an (N, C) array of held-out class probabilities: N rows
            in the order of the indices, C classes as `classes` gives them, or else the values
            that occur, as text and sorted. Decisions that it leaves out are not looked at. Without it,
            a model is fitted in five folds, which takes seconds for a thousand rows and many minutes for
            a hundred thousand.

    Raises:
        ExamplesError: a row is no mapping, a named column is in no row, a value is not JSON or holds
            half of a surrogate pair, or a kind is unknown.
        ScoringError: the probabilities do not fit the rows.
        MissingExtraError: label errors are looked for without probabilities or scikit-learn.
    """
    wanted = tuple(kinds) if kinds is not None else QUICK_KINDS
    if kinds is None and probabilities is not None:
        wanted = KINDS
    for kind in wanted:
        if kind not in KINDS:
            raise ExamplesError(f"no such kind of finding: {kind!r}", hint=f"kinds: {', '.join(KINDS)}")
    rows = _rows(train, dev, test, inputs, outputs, decisions)
    findings = list(_exact(rows))
    if any(kind in wanted for kind in _NEAR_KINDS):
        findings += _near(rows)
    if "empty_input" in wanted:
        findings += _empty(rows)
    if "secret" in wanted:
        findings += _secrets(rows)
    findings += class_faults(rows.rows, rows.splits, decisions, classes or {})
    if "label_error" in wanted:
        findings += label_faults(rows.rows, rows.splits, inputs, decisions, classes or {}, probabilities)
    kept = [finding for finding in findings if finding.kind in wanted]
    sizes = {name: rows.splits.count(name) for name in ("train", "dev", "test")}
    return Report(sort_findings(kept), sizes, tuple(kind for kind in KINDS if kind in wanted))


@dataclass(frozen=True)
class _Rows:
    """All rows in the order of their indices, with what the checks compare, digested once."""

    rows: tuple[Row, ...]
    splits: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    decisions: tuple[str, ...]
    input_digests: tuple[str, ...]
    output_digests: tuple[str, ...]
    decision_digests: tuple[str, ...]

    def finding(
        self, kind: Kind, message: str, rows: Sequence[int], columns: Sequence[str], **detail: Any
    ) -> Finding:
        return Finding(
            kind,
            message,
            tuple(rows),
            severity=SEVERITIES[kind],
            splits=tuple(self.splits[index] for index in rows),
            columns=tuple(columns),
            detail=detail,
        )

    def named(self, rows: Iterable[int]) -> str:
        """The splits of rows in words, such as `train and test`."""
        return " and ".join(dict.fromkeys(self.splits[index] for index in rows))


def _rows(
    train: Iterable[Row],
    dev: Iterable[Row],
    test: Iterable[Row],
    inputs: Sequence[str],
    outputs: Sequence[str],
    decisions: Sequence[str],
) -> _Rows:
    rows: list[Row] = []
    splits: list[str] = []
    digests: tuple[list[str], list[str], list[str]] = ([], [], [])
    names = (_names(inputs, "inputs"), _names(outputs, "outputs"), _names(decisions, "decisions"))
    if not names[0]:
        raise ExamplesError("no input columns", hint="name at least one column in `inputs`")
    for split, given in (("train", train), ("dev", dev), ("test", test)):
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            raise ExamplesError(
                f"{type(given).__name__} where rows are expected", hint="give a list of mappings", where=split
            )
        for index, row in enumerate(given):
            where = f"{split}[{index}]"
            if not isinstance(row, Mapping):
                raise ExamplesError(
                    f"a row is a mapping from column to value, not {type(row).__name__}",
                    hint='give rows such as {"text": ..., "label": ...}',
                    where=where,
                )
            for columns, found in zip(names, digests, strict=True):
                found.append(_digest(row, columns, where))
            rows.append(row)
            splits.append(split)
    for column in dict.fromkeys(column for columns in names for column in columns):
        if rows and not any(column in row for row in rows):
            there = sorted({str(name) for row in rows[:100] for name in row})
            raise ExamplesError(
                f"no row has a column {column!r}", hint=f"columns: {', '.join(there) or 'none'}"
            )
    inputs_, outputs_, decisions_ = (tuple(found) for found in digests)
    return _Rows(tuple(rows), tuple(splits), *names, inputs_, outputs_, decisions_)


def _names(columns: Sequence[str], role: str) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise ExamplesError(f"{role} is one text", hint=f"give a list: {role}=[{columns!r}]")
    return tuple(columns)


def _digest(row: Row, columns: Sequence[str], where: str) -> str:
    try:
        return digest_of([row.get(column) for column in columns])
    except (TypeError, ValueError, RecursionError) as error:
        for column in columns:
            try:
                digest_of([row.get(column)])
            except (TypeError, ValueError, RecursionError):
                where = f"{where}, column {column!r}"
                break
        if isinstance(error, UnicodeEncodeError):
            message, hint = "half of a surrogate pair, which is no character", "remove it"
        else:
            message, hint = "a value that is not JSON", "use text, numbers, lists and objects"
        raise ExamplesError(message, hint=hint, where=where) from error


def _exact(rows: _Rows) -> Iterable[Finding]:
    by_input: dict[str, list[int]] = defaultdict(list)
    for index, digest in enumerate(rows.input_digests):
        by_input[digest].append(index)
    for group in by_input.values():
        if len(group) == 1:
            continue
        count = len(group)
        columns = (*rows.inputs, *rows.outputs)
        in_splits = rows.named(group)
        if len({rows.output_digests[index] for index in group}) > 1:
            message = f"{count} rows have the same inputs, different labels: correct them, or leave all out"
            yield rows.finding("contradiction", message, group, columns)
        elif len({rows.splits[index] for index in group}) == 1:
            message = (
                f"the same row stands {count} times in {in_splits}: keep one, or it counts {count} times"
            )
            yield rows.finding("duplicate", message, group, columns)
        if len({rows.splits[index] for index in group}) > 1:
            message = f"the same inputs are in {in_splits}: keep them in one split, or the score is too good"
            yield rows.finding("leak", message, group, rows.inputs)


_NEAR_MESSAGES: Mapping[Kind, str] = {
    "near_contradiction": "{n} rows of {splits} have nearly the same inputs and different labels: check them",
    "near_leak": "{n} rows of {splits} have nearly the same inputs: one split should hold them all",
    "near_duplicate": "{n} rows of {splits} are nearly the same: they count as {n} independent ones",
}


def _near(rows: _Rows) -> Iterable[Finding]:
    # Rows that are alike in all that matters here are compared once; `_exact` has reported them.
    alike: dict[tuple[str, str, str], list[int]] = {}
    for index, key in enumerate(zip(rows.input_digests, rows.splits, rows.decision_digests, strict=True)):
        alike.setdefault(key, []).append(index)
    items = [group[0] for group in alike.values()]
    twins = dict(zip(items, alike.values(), strict=True))
    sets = TokenSets.of(tokens_of(rows.rows[index], rows.inputs) for index in items)
    texts = _numbered(rows.input_digests[index] for index in items)
    sides = [(rows.decision_digests[index], rows.splits[index]) for index in items]
    marks = _numbered(sides)
    side_of = dict(zip(marks, sides, strict=True))

    def relations(one: int, other: int) -> tuple[Kind, ...]:
        (label, split), (other_label, other_split) = side_of[one], side_of[other]
        return _RELATIONS[label != other_label, split != other_split]

    by_kind = near_links(sets, texts, marks, relations)
    for kind in _NEAR_KINDS:
        for members, links in groups_of(by_kind.get(kind, [])):
            group = sorted(index for i in members for index in twins[items[i]])
            pairs = [
                [items[link.first], items[link.second], round(link.jaccard, 4)] for link in links[:_PAIRS]
            ]
            message = _NEAR_MESSAGES[kind].format(n=len(group), splits=rows.named(group))
            columns = (*rows.inputs, *rows.decisions) if kind == "near_contradiction" else rows.inputs
            lowest = round(min(link.jaccard for link in links), 4)
            yield rows.finding(kind, message, group, columns, pairs=pairs, lowest_jaccard=lowest)


def _numbered(values: Iterable[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


_PAIRS = 100
"""A finding names so many of the pairs that link it."""

_RELATIONS: Mapping[tuple[bool, bool], tuple[Kind, ...]] = {
    (False, False): ("near_duplicate",),
    (False, True): ("near_leak",),
    (True, False): ("near_contradiction",),
    (True, True): ("near_contradiction", "near_leak"),
}
"""The kinds that a near pair shows: by whether the labels differ, and whether the splits do."""


def _empty(rows: _Rows) -> Iterable[Finding]:
    for index, row in enumerate(rows.rows):
        values = [row.get(column) for column in rows.inputs]
        if all(value is None or value in ("", [], {}) or str(value).isspace() for value in values):
            message = f"a {rows.splits[index]} row has no input at all: fill it in or leave it out"
            yield rows.finding("empty_input", message, [index], rows.inputs)


def _secrets(rows: _Rows) -> Iterable[Finding]:
    for index, row in enumerate(rows.rows):
        for column, value in row.items():
            name = redact(str(column))
            counts: Counter[str] = Counter()
            hints: dict[str, str] = {}
            for text in texts_in(value):
                for secret in find_secrets(text):
                    counts[secret.what] += 1
                    hints.setdefault(secret.what, secret.hint)
            for what, count in sorted(counts.items()):
                place = f"column {name!r} of a {rows.splits[index]} row"
                message = f"{place} holds what looks like a secret ({what}): take it out and have it revoked"
                yield rows.finding(
                    "secret", message, [index], [name], what=what, count=count, hint=f"{hints[what]}…"
                )
