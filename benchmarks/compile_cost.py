"""What compiling costs and what it gives: shipworthy -O2 beside DSPy's optimizers, same LM, same rows.

    python benchmarks/compile_cost.py FOLDER [--all] [--only PEER] [--budget-minutes M] [--in-pieces]

FOLDER holds `NAME.train.jsonl` and `NAME.test.jsonl`, each line `{"text", "intent"}`. A unit is one
compiler in one mode on one set with one seed. Its results are kept in `benchmarks/results/compile_cost/`
row by row, and its calls in a journal under `.shipworthy/compile_cost/`, so that it can be stopped at any
time: the same command goes on, without a call made twice. The table in `docs/benchmarks.md` is written
from what is there, and says what is not. MIPROv2 needs the package `optuna`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compile_cost_report
from compile_cost_dspy import INPUT, MODES, OUTPUT
from compile_cost_lm import OutOfTime, Timed
from compile_cost_units import Bench, Key, is_done, run_unit
from report import write_section

from shipworthy.examples import load_table
from shipworthy.lms import Journal, open_lm

SETS = ("clinc150-10", "banking77-10", "clinc150-40")
SEEDS = (0, 1, 2)
STATE = Path(__file__).parent.parent / ".shipworthy" / "compile_cost"
N_TRAIN, N_TEST = 200, 300
ORDER = (
    ("shipworthy -O2", "readout"),
    ("ReAnchor", "choice"),
    ("ReAnchor on LabeledFewShot", "choice"),
    ("LabeledFewShot", "choice"),
    ("student with demos", "choice"),
    ("RandomSearch", "choice"),
    ("GEPA", "choice"),
    ("MIPROv2", "choice"),
    ("LabeledFewShot", "grammar"),
    ("student with demos", "grammar"),
    ("LabeledFewShot", "chat"),
    ("RandomSearch", "grammar"),
    ("MIPROv2", "grammar"),
    ("GEPA", "grammar"),
    ("ReAnchor", "grammar"),
    ("student with demos", "chat"),
    ("RandomSearch", "chat"),
    ("MIPROv2", "chat"),
    ("GEPA", "chat"),
)
"""What is cheap and what the goals hang on comes first."""


def main() -> int:
    """Run the units that are not finished, as far as the time goes, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help=f"sets {', '.join(SETS)}, seeds 0 to 2")
    parser.add_argument("--set", dest="sets", action="append", choices=SETS)
    parser.add_argument("--only", action="append", metavar="PEER", choices=sorted({one for one, _ in ORDER}))
    parser.add_argument("--mode", action="append", choices=("readout", *MODES))
    parser.add_argument("--budget-minutes", type=float, default=float("inf"))
    parser.add_argument("--in-pieces", action="store_true", help="begin units that will not be finished too")
    parser.add_argument("--tables", action="store_true", help="run nothing, write the tables")
    given = parser.parse_args()
    sets = given.sets or (SETS if given.all else SETS[:1])
    keys = [
        Key(name, seed, peer, mode)
        for name in sets
        for seed in (SEEDS if given.all else SEEDS[:1])
        for peer, mode in ORDER
        if (not given.only or peer in given.only) and (not given.mode or mode in given.mode)
    ]
    if not given.tables:
        work_through(keys, given.folder, time.monotonic() + 60 * given.budget_minutes, given.in_pieces)
    shown = [
        Key(name, seed, peer, mode)
        for name, seed in sorted({(key.set, key.seed) for key in [*keys, *compile_cost_report.present()]})
        for peer, mode in ORDER
    ]
    write_section(
        "compile_cost", "python benchmarks/compile_cost.py FOLDER", compile_cost_report.report(shown)
    )
    return 0


def work_through(keys: Sequence[Key], folder: Path, deadline: float, in_pieces: bool) -> None:
    """Each unit in turn, until the deadline."""
    lm = Timed(open_lm("local", workers=1), deadline=deadline)
    benches: dict[tuple[str, int], Bench] = {}
    try:
        for key in keys:
            if (key.set, key.seed) not in benches:
                rows = rows_of(folder, key.set, key.seed)
                journal = Journal(STATE / f"{key.set}.jsonl")
                benches[key.set, key.seed] = Bench(
                    rows.train, rows.test, rows.labels, lm, journal, STATE, say
                )
        left = [key for key in keys if not is_done(key, benches[key.set, key.seed])]
        for i, key in enumerate(left):
            needed = [_seconds(other, benches) for other in left[i:]]
            say(
                f"{key}: about {minutes(needed[0])}; all {len(needed)} units that are left: "
                f"{minutes(sum(needed))}"
            )
            if not in_pieces and time.monotonic() + needed[0] > deadline:
                say(f"{key}: will not fit into the minutes that are left")
                continue
            run_unit(key, benches[key.set, key.seed])
    except OutOfTime:
        say("the minutes are up; the same command goes on from here")
    finally:
        for bench in benches.values():
            bench.journal.close()
        lm.close()


def _seconds(key: Key, benches: Mapping[tuple[str, int], Bench]) -> float:
    bench = benches[key.set, key.seed]
    return key.seconds_left(len(bench.train), len(bench.test))


@dataclass(frozen=True)
class Rows:
    """A set, cut to size."""

    train: tuple[dict[str, Any], ...]
    test: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]


def rows_of(folder: Path, name: str, seed: int) -> Rows:
    """Train rows in an order of the seed, at most N_TRAIN, the classes in turn; test rows always the same."""
    train = [dict(row) for row in load_table(folder / f"{name}.train.jsonl").rows]
    test = [dict(row) for row in load_table(folder / f"{name}.test.jsonl").rows]
    labels = tuple(sorted({row[OUTPUT] for row in train}))
    if len(train) > N_TRAIN:
        random.Random(0).shuffle(train)
        rank = dict.fromkeys(labels, 0)
        turns = []
        for row in train:
            turns.append((rank[row[OUTPUT]], len(turns)))
            rank[row[OUTPUT]] += 1
        train = [train[i] for _, i in sorted(turns)[:N_TRAIN]]
    random.Random(seed).shuffle(train)
    if len(test) > N_TEST:
        test = random.Random(0).sample(test, N_TEST)
    wanted = (INPUT, OUTPUT)
    cut = [tuple({name: row[name] for name in wanted} for row in part) for part in (train, test)]
    return Rows(cut[0], cut[1], labels)


def say(text: str) -> None:
    """Progress; the optimizers' own output is thrown away, and must not take this with it."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.__stderr__, flush=True)


def minutes(seconds: float) -> str:
    """In words."""
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{max(1, round(seconds / 60))} min"


if __name__ == "__main__":
    sys.exit(main())
