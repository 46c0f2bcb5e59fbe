"""What two certificates say of the same rows: scores side by side, and the answers that changed.

Two rows are the same where their digests are, or, where the contracts differ, where the inputs and
labels that both have are. What a metric reads beside them must be the same too. Scores are compared
only where one metric made both, on the same outputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArtifactError, ExamplesError
from ..evidence import paired_json
from ..examples import canonical_json, decode_text, parse_json_line
from ..scoring import EXACT, PairedRows
from .reading import CERTIFICATE, ROWS

HINT = "certify the version again: shipworthy certify"
LEVEL = 0.95
FIGURES = ("score", "ci", "n", "ms_p50", "ms_p95", "tokens_per_call", "usd_per_call")
TURNED = ("wrong", "right", "neither", "unscored")
"""What became of a row whose answer changed, in the order in which it is told: what got worse first."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """A certificate as its folder holds it: certificate.json, and the rows of rows.jsonl."""

    data: Mapping[str, Any]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shared:
    """What two programs have in common, as far as rows can be compared by it.

    Attributes:
        inputs, outputs: names that both contracts have.
        contract: whether the contracts have the same digest, so that digests of rows compare.
        every_output: whether neither has an output that the other lacks.
        metric: the name of the metric that both were certified by; None where there is none.
        why: why there is none.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    contract: bool
    every_output: bool
    metric: str | None
    why: str = ""


@dataclass(frozen=True)
class Answers:
    """What became of the rows.

    Attributes:
        paired: after minus before, on the rows scored on both sides; nulls where there are none.
        by_output: the same for each output that both have.
        why: why scores are not compared, or on what they are; empty where there is nothing to say.
        rows: counts, and `examples`, the rows whose answers changed; null where nothing is known.
    """

    paired: dict[str, Any]
    by_output: dict[str, Any]
    why: str
    rows: dict[str, Any]


def read_evidence(folder: Path, *, digest: str) -> Evidence:
    """The certificate and the rows in a folder.

    Args:
        digest: of the program that it must be about.

    Raises:
        ArtifactError: a file is missing, has another format, or is about another program.
    """
    path = folder / CERTIFICATE
    try:
        data = parse_json_line(_read(path), str(path))
        lines = _read(folder / ROWS).removesuffix("\n")
        rows = tuple(_rows(lines, folder / ROWS))
    except OSError as error:
        why = f"its certificate cannot be read: {error.strerror}"
        raise ArtifactError(why, hint=HINT, where=str(folder)) from error
    except ExamplesError as error:
        why = f"its certificate cannot be read: {error.message}"
        raise ArtifactError(why, hint=HINT, where=error.where) from error
    if data.get("digest") != digest:
        raise ArtifactError("its certificate is that of another program", hint=HINT, where=str(path))
    if not _is_certificate(data):
        raise ArtifactError("its certificate has another format", hint=HINT, where=str(path))
    for number, row in enumerate(rows, 1):
        if not _is_row(row):
            where = f"{folder / ROWS}, line {number}"
            raise ArtifactError("a row of its certificate has another format", hint=HINT, where=where)
    return Evidence(data, rows)


def figures_of(evidence: Evidence | None) -> dict[str, Any] | None:
    """A side's own score, speed and verdict; None without a certificate, nulls where nothing was measured."""
    if evidence is None:
        return None
    data = evidence.data
    compiled = data["compiled"] or {}
    about = {key: data.get(key) for key in ("verdict", "metric", "quick", "look", "made")}
    return {**{key: compiled.get(key) for key in FIGURES}, **about}


def compare_answers(before: Evidence | None, after: Evidence | None, shared: Shared) -> Answers:
    """Put the rows of two certificates side by side; what cannot be compared is said in `why`."""
    if before is None or after is None:
        missing = "without both certificates no scores are compared"
        return Answers(paired_json(None, LEVEL), {}, missing, _counts(None, None, (before, after), 0))
    pairs, relabelled = _pairs(before.rows, after.rows, shared)
    said = [(one["said"]["compiled"], other["said"]["compiled"]) for one, other in pairs]
    score, why = _scorer([one for pair in said for one in pair], shared)
    paired = None
    by_output = {} if shared.metric is None else _by_output(said, shared)
    if score is not None:
        paired = _difference([(score(one), score(other)) for one, other in said])
        why = why if paired["n"] else "no row was scored on both sides"
    if not pairs:
        why = "no row stands in both certificates"
    changed = [found for one, other in pairs if (found := _example(one, other, shared, score)) is not None]
    changed.sort(key=lambda example: TURNED.index(example["turned"]))
    counts = _counts(len(pairs), changed, (before, after), relabelled)
    return Answers(paired or paired_json(None, LEVEL), by_output, why, counts)


def _read(path: Path) -> str:
    return decode_text(path.read_bytes(), str(path), ExamplesError)


def _rows(lines: str, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines.split("\n") if lines else (), 1):
        yield parse_json_line(line, f"{path}, line {number}")


def _is_certificate(data: Mapping[str, Any]) -> bool:
    compiled, metric = data.get("compiled"), data.get("metric")
    if not isinstance(data.get("verdict"), str):
        return False
    if metric is not None and not (isinstance(metric, dict) and {"name", "version"} <= metric.keys()):
        return False
    if compiled is None:
        return "compiled" in data
    return (
        isinstance(compiled, dict)
        and _is_number(compiled.get("score"))
        and isinstance(compiled.get("ci"), list)
        and len(compiled["ci"]) == 2
        and all(map(_is_number, compiled["ci"]))
        and _is_number(compiled.get("n"))
    )


def _is_row(row: Row) -> bool:
    said = row.get("said")
    own = said.get("compiled") if isinstance(said, dict) else None
    return (
        isinstance(row.get("digest"), str)
        and isinstance(row.get("inputs"), dict)
        and isinstance(row.get("labels"), dict)
        and isinstance(own, dict)
        and isinstance(own.get("right"), bool | None)
        and isinstance(own.get("outputs", 0), dict | None)
        and isinstance(own.get("error", 0), dict | None)
        and isinstance(own.get("by_output", {}), dict)
        and all(value is None or _is_share(value) for value in own.get("by_output", {}).values())
        and all(own.get(key) is None or _is_share(own[key]) for key in ("score", "confidence"))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _pairs(before: Sequence[Row], after: Sequence[Row], shared: Shared) -> tuple[list[tuple[Row, Row]], int]:
    """Rows that are the same, in order where one stands twice; and how many have other labels."""
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in reversed(after):
        waiting[_key(row, shared)].append(row)
    pairs, alone = [], []
    for row in before:
        same = waiting[_key(row, shared)]
        if same:
            pairs.append((row, same.pop()))
        else:
            alone.append(row)
    left = {_inputs_key(row, shared) for rows in waiting.values() for row in rows}
    return pairs, sum(_inputs_key(row, shared) in left for row in alone)


def _key(row: Row, shared: Shared) -> str:
    beside = str(row.get("beside_sha256"))
    if shared.contract:
        return f"{row['digest']} {beside}"
    labels = {name: row["labels"][name] for name in shared.outputs if name in row["labels"]}
    return f"{_inputs_key(row, shared)} {canonical_json(labels)} {beside}"


def _inputs_key(row: Row, shared: Shared) -> str:
    return canonical_json({name: row["inputs"].get(name) for name in shared.inputs})


Scorer = Callable[[Row], float | None]


def _scorer(said: Sequence[Row], shared: Shared) -> tuple[Scorer | None, str]:
    """How a row is scored on both sides alike, or None; and what is to be said of it."""
    if shared.metric is None:
        return None, shared.why
    if not shared.outputs:
        return None, "the programs have no output in common"
    if shared.every_output:
        if all("score" in one for one in said):
            return (lambda one: one["score"]), ""
        return _right, ""
    if shared.metric != EXACT.name:
        return None, f"the programs have other outputs, and the metric {shared.metric} looks at all of them"
    if not all("by_output" in one for one in said):
        return None, "the programs have other outputs, and a certificate keeps no scores by output"
    return _right_on(shared.outputs), f"scored on what both have: {', '.join(shared.outputs)}"


def _right(said: Row) -> float | None:
    return None if said["right"] is None else float(said["right"])


def _right_on(outputs: Sequence[str]) -> Scorer:
    """Whether each of these outputs is right; one without a label is passed over."""

    def score(said: Row) -> float | None:
        if said["error"] is not None:
            return 0.0
        known = [value for name in outputs if (value := said["by_output"].get(name)) is not None]
        return float(min(known)) if known else None

    return score


def _difference(scores: Sequence[tuple[float | None, float | None]]) -> dict[str, Any]:
    """After minus before, on the rows that have both."""
    both = [(one, other) for one, other in scores if one is not None and other is not None]
    if not both:
        return paired_json(None, LEVEL)
    first, second = np.array(both, np.float64).T
    rows = PairedRows(np.arange(len(both)), second, first, left_out=len(scores) - len(both))
    return paired_json(rows.difference(level=LEVEL), LEVEL)


def _by_output(said: Sequence[tuple[Row, Row]], shared: Shared) -> dict[str, Any]:
    kept = [pair for pair in said if all("by_output" in one for one in pair)]
    found = {}
    for name in shared.outputs:
        difference = _difference([(a["by_output"].get(name), b["by_output"].get(name)) for a, b in kept])
        if difference["n"]:
            found[name] = difference
    return found


def _example(before: Row, after: Row, shared: Shared, score: Scorer | None) -> dict[str, Any] | None:
    """A row whose answer changed, or None: by an output that both have, an error, or what it is worth."""
    sides = before["said"]["compiled"], after["said"]["compiled"]
    scores = (None, None) if score is None else (score(sides[0]), score(sides[1]))
    outputs = [side["outputs"] for side in sides]
    if None in outputs:
        differs = [] if outputs[0] == outputs[1] else list(shared.outputs)
    else:
        differs = [name for name in shared.outputs if _unlike(outputs[0].get(name), outputs[1].get(name))]
    if not differs and scores[0] == scores[1]:
        return None
    return {
        "digest": after["digest"],
        "inputs": {**before["inputs"], **after["inputs"]},
        "labels": {**before["labels"], **after["labels"]},
        "before": _told(sides[0], scores[0]),
        "after": _told(sides[1], scores[1]),
        "differs": differs,
        "turned": _turned(*scores),
    }


def _told(said: Row, score: float | None) -> dict[str, Any]:
    return {
        "outputs": said["outputs"],
        "right": None if score is None else score == 1.0,
        "score": score,
        "confidence": said.get("confidence"),
        "error": said["error"],
    }


def _turned(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "unscored"
    if (before == 1.0) == (after == 1.0):
        return "neither"
    return "right" if after == 1.0 else "wrong"


def _unlike(one: Any, other: Any) -> bool:
    return canonical_json(one) != canonical_json(other)


def _counts(
    shared: int | None,
    changed: list[dict[str, Any]] | None,
    sides: tuple[Evidence | None, Evidence | None],
    relabelled: int,
) -> dict[str, Any]:
    turned = None if changed is None else [example["turned"] for example in changed]
    return {
        "before": None if sides[0] is None else len(sides[0].rows),
        "after": None if sides[1] is None else len(sides[1].rows),
        "shared": shared,
        "other_labels": None if shared is None else relabelled,
        "changed": None if changed is None else len(changed),
        **{f"turned_{word}": None if turned is None else turned.count(word) for word in TURNED[:2]},
        **{word: None if turned is None else turned.count(word) for word in TURNED[2:]},
        "examples": changed or [],
    }
