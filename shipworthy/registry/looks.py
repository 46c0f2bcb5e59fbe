"""Looks at test rows, counted: each certificate, and each comparison with a champion, is one.

They are runs in MLflow. What was read of them is noted beside the registry, so that a
thousand old looks are not read again for each new one; the notes may be deleted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..examples import atomic_write, digest_of
from .reading import DIGEST_TAG
from .store import Registry, paged

LOOK_TAG = "shipworthy.look"
OPPONENT_TAG = "shipworthy.opponent"
ROWS_TAG = "shipworthy.rows"
LOOKED_AT = "looked_at.json"
PAGE = 200


@dataclass(frozen=True)
class Look:
    """One look: which program met which opponent, on which set of rows, and its number."""

    program: str
    opponent: str
    rows: str
    number: int


def look_at(registry: Registry, rows: Sequence[str], *, program: str, opponent: str) -> int:
    """The number of the look that is about to be taken at these test rows.

    One more than the most earlier looks at any one of them; the same program, opponent
    and rows again is the look that it was.

    Args:
        rows: their digests.
        program, opponent: digests.

    Raises:
        RegistryError: the runs cannot be read.
    """
    looks, sets = _known(registry)
    numbers: dict[tuple[str, str, str], int] = {}
    for look in looks.values():
        numbers.setdefault((look.program, look.opponent, look.rows), look.number)
    this = (program, opponent, rows_tag(rows))
    if this in numbers:
        return numbers[this]
    counts = dict.fromkeys(rows, 0)
    for _, _, looked_at in numbers:
        for row in sets[looked_at]:
            if row in counts:
                counts[row] += 1
    return 1 + max(counts.values(), default=0)


def rows_tag(rows: Sequence[str]) -> str:
    """What names a set of rows: the digest of their digests, in any order."""
    return digest_of(sorted(rows))


def look_tags(rows: Sequence[str], *, program: str, opponent: str, number: int) -> dict[str, str]:
    """Tags of a run that is a look."""
    return {
        DIGEST_TAG: program,
        OPPONENT_TAG: opponent,
        LOOK_TAG: str(number),
        ROWS_TAG: rows_tag(rows),
    }


def log_rows(registry: Registry, run: str, rows: Sequence[str]) -> None:
    """Keep with a run which rows it looked at."""
    registry.client.log_text(run, json.dumps({"rows": list(rows)}), LOOKED_AT)


def _known(registry: Registry) -> tuple[dict[str, Look], dict[str, list[str]]]:
    """All looks by their runs, and the rows of each set: those noted, and those that came since."""
    path = registry.place / "looks.json"
    looks, sets = _noted(path)
    fresh = {}
    for run in _newest_first(registry, looks):
        tags = run.data.tags
        look = Look(tags[DIGEST_TAG], tags[OPPONENT_TAG], tags[ROWS_TAG], int(tags[LOOK_TAG]))
        fresh[run.info.run_id] = look
        if look.rows not in sets:
            with registry.errors():
                text = registry.mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{LOOKED_AT}")
            sets[look.rows] = [str(row) for row in json.loads(text)["rows"]]
    if fresh:
        looks.update(fresh)
        data = {
            "looks": {run: [one.program, one.opponent, one.rows, one.number] for run, one in looks.items()},
            "sets": sets,
        }
        with contextlib.suppress(StorageError):  # a note only: without it the runs are read again
            atomic_write(path, json.dumps(data))
    return looks, sets


def _newest_first(registry: Registry, known: dict[str, Look]) -> Iterator[Any]:
    """Runs that are looks and not yet known; a page on which all are known is the last."""
    with registry.errors(), registry.pointed():
        experiments = [one.experiment_id for one in registry.client.search_experiments()]
        query = f"tags.`{LOOK_TAG}` LIKE '%' AND attributes.status = 'FINISHED'"
        for page in paged(
            lambda token: registry.client.search_runs(
                experiments, query, max_results=PAGE, order_by=["start_time DESC"], page_token=token
            )
        ):
            fresh = [run for run in page if run.info.run_id not in known]
            yield from fresh
            if not fresh:
                return


def _noted(path: Path) -> tuple[dict[str, Look], dict[str, list[str]]]:
    try:
        data = json.loads(path.read_bytes())
        looks = {
            run: Look(str(program), str(opponent), str(rows), int(number))
            for run, (program, opponent, rows, number) in data["looks"].items()
        }
        sets = {key: list(map(str, rows)) for key, rows in data["sets"].items()}
        if all(rows_tag(rows) == key for key, rows in sets.items()) and all(
            look.rows in sets for look in looks.values()
        ):
            return looks, sets
        return {}, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}, {}  # missing or damaged: everything is read again
