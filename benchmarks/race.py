"""Does the race find a good candidate, and what does it read? Simulated, with accuracies that are known.

    python benchmarks/race.py [--races 2000] [--minutes M] [--runs FILE]

No language model runs here. A row has a difficulty that is the same for all candidates, a candidate adds
noise of its own, both Gaussian, and it is right where their sum lies below the quantile of its accuracy:
so two candidates are right on the same rows more often than by chance. Each race draws its rows anew.
Races that are finished are kept in FILE, so that a run that was stopped goes on; those of another version
of the race do not count. What the race itself costs is measured with candidates that answer at once.
Writes its tables into `docs/benchmarks.md`, and exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import race_cost
from numpy.typing import NDArray
from report import write_section
from targets import Target, table, targets_table

from shipworthy.compiler.race import race
from shipworthy.scoring import clopper_pearson

if TYPE_CHECKING:
    from shipworthy.compiler.race import Scores

CANDIDATES, ROWS, BEST = 100, 5000, 0.80
CORRELATION = 0.5
"""Of two candidates' latent scores on a row."""
BEHIND = 0.02
"""A winner worse than the best by more than this is a wrong one."""
PROCESSES = 2
STATE = Path(__file__).parent.parent / ".shipworthy" / "race.jsonl"
CHUNK = 5
"""Races a task, so that progress is seen."""


@dataclass(frozen=True)
class World:
    """How far the candidates are behind the best, which stands in a random place.

    Attributes:
        about: in words; gaps: draws K - 1 distances to the best.
        planted: distances that some candidates have in every race.
    """

    name: str
    about: str
    gaps: Callable[[np.random.Generator, int], NDArray[np.float64]]
    planted: tuple[float, ...] = ()


def _uniform(most: float, rng: np.random.Generator, k: int) -> NDArray[np.float64]:
    return rng.uniform(0, most, k)


def _same(gap: float, rng: np.random.Generator, k: int) -> NDArray[np.float64]:
    return np.full(k, gap)


WORLDS = (
    World(
        "spread",
        "others 0 to 20 points worse, one 10 and one 30 points worse",
        partial(_uniform, 0.20),
        (0.10, 0.30),
    ),
    World("close", "others 0 to 6 points worse", partial(_uniform, 0.06)),
    World("one best, by 3", "all others 3 points worse", partial(_same, 0.03)),
    World("one best, by 5", "all others 5 points worse", partial(_same, 0.05)),
    World("one best, by 10", "all others 10 points worse", partial(_same, 0.10)),
)


@dataclass(frozen=True)
class Run:
    """One race: how far its winner is behind the best, rows read by all, and by each that was planted."""

    behind: float
    rows: int
    why: str
    planted: tuple[int, ...]


class Simulated:
    """A candidate whose right and wrong answers are known beforehand; shape (n,)."""

    def __init__(self, name: str, right: Scores) -> None:
        self.name = name
        self._right = right

    def scores(self, n: int) -> Scores:
        """On the first n rows."""
        return self._right[:n]


def main() -> int:
    """Simulate all worlds, and write targets against figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--races", type=int, default=2000, help="in each world")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end after these, with fewer races")
    parser.add_argument(
        "--runs", type=Path, default=STATE, metavar="FILE", help="where what is finished is kept"
    )
    parser.add_argument("--no-compile", action="store_true", help="leave the share of a real compile out")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    given = parser.parse_args()
    found = simulate(given.races, given.processes, time.monotonic() + 60 * given.minutes, given.runs)
    costs = {"right or wrong": race_cost.costs(graded=False), "graded": race_cost.costs(graded=True)}
    compiled = None if given.no_compile else _share(given.runs)
    targets = targets_of(found) + race_cost.targets_of(costs, compiled)
    text = "\n\n".join((ABOUT, targets_table(targets), figures(found), race_cost.figures(costs)))
    if given.dry:
        print(text)
    else:
        races = min(map(len, found.values()))
        without = " --no-compile" if given.no_compile else ""
        write_section("race", f"python benchmarks/race.py --races {races}{without}", text)
    return 0 if all(target.met for target in targets) else 1


def simulate(races: int, processes: int, deadline: float, path: Path) -> dict[str, list[Run]]:
    """So many races in each world, the worlds in turn; any number of processes gives the same figures."""
    tasks = [
        (index, range(start, min(races, start + CHUNK)))
        for start in range(0, races, CHUNK)
        for index in range(len(WORLDS))
    ]
    version, known = _version(), _known(path)
    left = [task for task in tasks if _key(version, *task) not in known]
    begun = told = time.monotonic()
    context = multiprocessing.get_context("spawn")  # numpy's threads do not survive a fork
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file, context.Pool(max(1, min(processes, PROCESSES))) as pool:
        for done, (task, runs) in enumerate(pool.imap(_runs, left), 1):
            known[_key(version, *task)] = runs
            record = {"key": _key(version, *task), "runs": [asdict(one) for one in runs]}
            file.write(json.dumps(record) + "\n")
            file.flush()
            if time.monotonic() > deadline and task[0] == len(WORLDS) - 1:
                pool.terminate()
                break
            if time.monotonic() - told > 30:
                told = time.monotonic()
                to_go = (told - begun) / done * (len(left) - done) / 60
                print(
                    f"{done} of {len(left)} tasks, about {to_go:.0f} min to go", file=sys.stderr, flush=True
                )
    found: dict[str, list[Run]] = {world.name: [] for world in WORLDS}
    for index, seeds in tasks:
        found[WORLDS[index].name] += known.get(_key(version, index, seeds), [])
    return found


def _share(path: Path) -> race_cost.Share:
    """Of a compile, measured once for a version of the race."""
    key = f"{_version()} compile"
    for one in _records(path):
        if one["key"] == key:
            return race_cost.Share(**one["share"])
    share = race_cost.share()
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, "share": asdict(share)}) + "\n")
    return share


def _records(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _known(path: Path) -> dict[str, list[Run]]:
    """Races that are finished, by key."""
    return {
        one["key"]: [Run(**{**run, "planted": tuple(run["planted"])}) for run in one["runs"]]
        for one in _records(path)
        if "runs" in one
    }


def _key(version: str, index: int, seeds: range) -> str:
    return f"{version} {WORLDS[index].name} {seeds.start} {seeds.stop}"


def _version() -> str:
    """Of the race's source."""
    source = sys.modules["shipworthy.compiler.race"].__file__
    return hashlib.sha256(Path(str(source)).read_bytes()).hexdigest()[:12]


def _runs(task: tuple[int, range]) -> tuple[tuple[int, range], list[Run]]:
    index, seeds = task
    # The history decides nothing, and would take a good part of the time.
    with (
        mock.patch("shipworthy.compiler.race.final_betting_interval", _no_interval),
        mock.patch("shipworthy.compiler.race.ROUNDS_KEPT", 2),
    ):
        return task, [run(WORLDS[index], np.random.default_rng([index, seed])) for seed in seeds]


def _no_interval(*_: object, **__: object) -> tuple[float, float]:
    return -1.0, 1.0


def run(world: World, rng: np.random.Generator) -> Run:
    """One race."""
    gaps = np.concatenate([[0.0], world.planted, world.gaps(rng, CANDIDATES - 1 - len(world.planted))])
    places = rng.permutation(CANDIDATES)  # places[i] is where the i-th gap stands
    truth = np.empty(CANDIDATES)
    truth[places] = BEST - gaps
    right = answers(truth, rng)
    result = race([Simulated(f"c{i}", own) for i, own in enumerate(right)], ROWS)
    return Run(
        behind=float(BEST - truth[result.winner]),
        rows=result.rows,
        why=result.why,
        planted=tuple(result.standings[places[1 + i]].rows for i in range(len(world.planted))),
    )


def answers(truth: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Right (1) or wrong (0) by candidate and row; shape (K, ROWS).

    The one-factor Gaussian copula (Vasicek 1987): latent score = sqrt(r) row + sqrt(1 - r) own noise.
    """
    from scipy.special import ndtri

    row = rng.standard_normal(ROWS, dtype=np.float32)
    latent = rng.standard_normal((len(truth), ROWS), dtype=np.float32)
    latent *= np.float32(np.sqrt(1 - CORRELATION))
    latent += np.float32(np.sqrt(CORRELATION)) * row
    return (latent < ndtri(truth)[:, None]).astype(np.float64)


ABOUT = (
    f"Simulated, no language model: {CANDIDATES} candidates, {ROWS:,} rows, the best one {BEST:.2f} right; "
    f"right and wrong correlated through the rows' difficulty (Gaussian, latent correlation {CORRELATION}); "
    "the candidates stand in a random order, and the race has its default margin, delta and alpha."
)


def targets_of(found: dict[str, list[Run]]) -> list[Target]:
    """Rows that the planted candidates may read, and how often a race may be wrong."""
    targets = []
    for which, (gap, most) in enumerate(((0.10, 120), (0.30, 12))):
        rows = np.array([one.planted[which] for one in found["spread"]], float)
        said = f"{rows.mean():.1f} (standard error {_error(rows):.1f})"
        what = f"spread: rows read by a candidate {100 * gap:.0f} points worse, mean"
        targets.append(Target(what, f"at most {most}", said, bool(rows.mean() <= most)))
    for world in WORLDS:
        wrong = [one.behind > BEHIND + 1e-9 for one in found[world.name]]
        low, high = clopper_pearson(sum(wrong), len(wrong))
        share = sum(wrong) / len(wrong)
        said = f"{share:.2%} of {len(wrong):,} (95 %: {low:.2%} to {high:.2%})"
        what = f"{world.name}: winner more than {100 * BEHIND:.0f} points worse than the best"
        targets.append(Target(what, "at most 5 % of races", said, share <= 0.05))
    return targets


def figures(found: dict[str, list[Run]]) -> str:
    """A line a world: what was read, what won, what ended it."""
    lines = []
    for world in WORLDS:
        runs = found[world.name]
        rows = np.array([one.rows for one in runs], float)
        behind = np.array([one.behind for one in runs])
        ends = [one.why for one in runs]
        lines.append(
            (
                world.name,
                world.about,
                f"{rows.mean():,.0f}",
                f"{np.percentile(rows, 95):,.0f}",
                f"{rows.mean() / (CANDIDATES * ROWS):.2%}",
                f"{100 * behind.mean():.2f}",
                f"{100 * np.mean(behind < 1e-9):.0f} %",
                f"{100 * np.mean([end == 'rows' for end in ends]):.0f} %",
            )
        )
    heads = (
        "world",
        "candidates",
        "rows read by all, mean",
        "p95",
        "of reading all",
        "winner behind the best, points, mean",
        "the best won",
        "ended with all rows read",
    )
    return table(heads, lines)


def _error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


if __name__ == "__main__":
    sys.exit(main())
