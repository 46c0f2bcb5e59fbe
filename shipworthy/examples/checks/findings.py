"""What the checks of labelled rows hand back: findings, worst first, and a report that counts them.

A finding never holds a row's text: rows may be private, and a finding is printed, logged and kept.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal[
    "contradiction",
    "leak",
    "missing_class",
    "secret",
    "near_contradiction",
    "near_leak",
    "duplicate",
    "single_example",
    "unused_class",
    "empty_input",
    "near_duplicate",
    "label_error",
]
Severity = Literal["error", "warning", "note"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind of finding, worst first."""

SEVERITIES: Mapping[Kind, Severity] = {
    "contradiction": "error",
    "leak": "error",
    "missing_class": "error",
    "secret": "warning",
    "near_contradiction": "warning",
    "near_leak": "warning",
    "duplicate": "warning",
    "single_example": "warning",
    "unused_class": "warning",
    "empty_input": "warning",
    "near_duplicate": "note",
    "label_error": "note",
}
"""An error makes a later figure wrong, a warning may, a note is worth a look."""

TITLES: Mapping[Kind, str] = {
    "contradiction": "same inputs, different labels",
    "leak": "the same inputs in two splits",
    "missing_class": "a class that train does not have",
    "secret": "what looks like a secret: rows are sent to the LM and kept in artifacts",
    "near_contradiction": "nearly the same inputs, different labels",
    "near_leak": "nearly the same inputs in two splits, which makes scores too good",
    "duplicate": "the same row again",
    "single_example": "a class with one example",
    "unused_class": "a declared class without an example",
    "empty_input": "no input at all",
    "near_duplicate": "nearly the same row again",
    "label_error": "a label that is probably wrong",
}


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        kind: which fault; `KINDS` lists them.
        message: a sentence that says what to do. It never holds a secret.
        rows: indices of the rows that show it; train rows count first, then dev, then test.
        severity: `error`, `warning` or `note`.
        splits: for each of `rows` the split in which it is.
        columns: the columns that are meant.
        detail: figures by name, as plain JSON.
    """

    kind: Kind
    message: str
    rows: tuple[int, ...]
    severity: Severity = field(default="warning", kw_only=True)
    splits: tuple[str, ...] = field(default=(), kw_only=True)
    columns: tuple[str, ...] = field(default=(), kw_only=True)
    detail: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "rows": list(self.rows),
            "splits": list(self.splits),
            "columns": list(self.columns),
            "detail": dict(self.detail),
        }


@dataclass(frozen=True)
class Report:
    """The findings of one set of rows, worst first.

    Attributes:
        findings: sorted by kind (worst first), then, for suspected labels, by suspicion, else by rows.
        sizes: how many rows each split has.
        kinds: what was looked for, so that nothing found can be told from nothing sought.
    """

    findings: tuple[Finding, ...]
    sizes: Mapping[str, int]
    kinds: tuple[Kind, ...]

    def of(self, *kinds: Kind) -> tuple[Finding, ...]:
        """The findings of these kinds."""
        return tuple(finding for finding in self.findings if finding.kind in kinds)

    def counts(self) -> dict[Kind, int]:
        """How many findings of each kind that was looked for, worst kind first."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if kind in self.kinds}

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "rows": dict(self.sizes),
            "counts": dict(self.counts()),
            "findings": [finding.as_json() for finding in self.findings],
        }

    def lines(self, place: Callable[[int], str], *, shown: int = 3) -> list[str]:
        """One line for each kind that was found: how many, and where the first few are.

        Args:
            place: gives a row's place, such as `rows.csv:12`, by its index.
            shown: how many findings a line names.
        """
        texts = []
        for kind in self.counts():
            group = [finding for finding in self.findings if finding.kind == kind]
            if not group:
                continue
            named = "; ".join(_named(finding, place) for finding in group[:shown])
            more = f"; and {len(group) - shown} more" if len(group) > shown else ""
            texts.append(f"{SEVERITIES[kind]}: {TITLES[kind]} ({_count(group)}): {named}{more}")
        return texts

    def _repr_html_(self) -> str:
        sizes = ", ".join(f"{count:,} {name}" for name, count in self.sizes.items())
        if not self.findings:
            return f"<p>No faults found in the rows ({html.escape(sizes)}).</p>"
        cells = "".join(
            f"<tr><td>{f.severity}</td><td>{f.kind}</td><td>{html.escape(f.message)}</td>"
            f"<td>{html.escape(_few(f.rows))}</td></tr>"
            for f in self.findings[:TABLE_ROWS]
        )
        rest = len(self.findings) - TABLE_ROWS
        more = f"<p>and {rest:,} more</p>" if rest > 0 else ""
        return (
            f"<p>{len(self.findings):,} findings in the rows ({html.escape(sizes)})</p>"
            "<table><thead><tr><th>severity</th><th>kind</th><th>what</th><th>rows</th></tr></thead>"
            f"<tbody>{cells}</tbody></table>{more}"
        )


TABLE_ROWS = 100
"""A notebook shows so many findings; `findings` has them all."""

_NAMED_ROWS = 3


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst kind first; within a kind by suspicion where there is one, then by rows and columns."""
    rank = {kind: number for number, kind in enumerate(KINDS)}
    return tuple(
        sorted(
            findings, key=lambda f: (rank[f.kind], f.detail.get("margin", 0.0), f.rows, f.columns, f.message)
        )
    )


def _named(finding: Finding, place: Callable[[int], str]) -> str:
    places = " and ".join(place(index) for index in finding.rows[:_NAMED_ROWS])
    if len(finding.rows) > _NAMED_ROWS:
        places += f" and {len(finding.rows) - _NAMED_ROWS} more"
    if finding.kind == "secret":
        return f"{places}, column {finding.columns[0]!r} ({finding.detail['what']})"
    if finding.kind in ("missing_class", "single_example", "unused_class", "label_error"):
        return f"{finding.message} ({places})" if places else finding.message
    return places


def _count(group: Sequence[Finding]) -> str:
    """How many findings, and how many rows they are about where that is another number."""
    rows = {index for finding in group for index in finding.rows}
    if len(rows) <= len(group):
        return f"{len(group):,}"
    return f"{len(group):,} {'group' if len(group) == 1 else 'groups'}, {len(rows):,} rows"


def _few(rows: tuple[int, ...]) -> str:
    return ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
