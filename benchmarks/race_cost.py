"""What the race itself costs, besides what candidates read: by rows, and as a share of a real compile.

`race.py` puts these figures beside its simulations. The candidates of the first part answer at once, through
`ordered_map` and with the standings asked for after each round, as a compile does; the compile of the second
part is that of this repository's own program on the embedded LM.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from targets import Target, table

from shipworthy.compiler.race import Contender, Race, Scores, race, race_order
from shipworthy.runtime import ordered_map

ROWS = (4_000, 8_000, 16_000, 32_000)
"""Read by all candidates together."""
WANTED_AT, WANTED_S, WANTED_SHARE = 16_000, 1.0, 0.02
CANDIDATES, WORKERS, REPEATS = 4, 2, 5
NOBODY_RESTS = 1e-12
CALLS = 1000
"""Of the compile, at most."""
ROOT = Path(__file__).parent.parent
TEXTS = (
    "Sort the ticket by what the customer needs done next.",
    "You run the support desk of a bicycle shop. Read the ticket and decide who must deal with it.",
    "Classify.",
)


@dataclass(frozen=True)
class Cost:
    """The cheapest repeat of a race that read so many rows: seconds of CPU, and seconds that passed."""

    rows: int
    cpu_s: float
    seconds: float


@dataclass(frozen=True)
class Share:
    """Of a compile: seconds in all, those of its race, and those that the race took beyond its candidates."""

    seconds: float
    race_s: float
    own_s: float
    rows: int
    calls: int


class Instant:
    """A candidate that answers at once; every row goes through `ordered_map` as a call would."""

    def __init__(self, name: str, scores: Scores) -> None:
        self.name = name
        self._scores = scores
        self._read: list[float] = []

    def scores(self, n: int) -> Scores:
        """On the first n rows."""
        new = range(len(self._read), n)
        self._read += [one.unwrap() for one in ordered_map(self._answer, new, workers=WORKERS)]
        return np.array(self._read)

    def _answer(self, row: int) -> float:
        return float(self._scores[row])


class Timed:
    """A candidate whose own time is added up."""

    def __init__(self, inner: Contender) -> None:
        self.name = inner.name
        self.seconds = 0.0
        self._inner = inner

    def scores(self, n: int) -> Scores:
        """Of the candidate within."""
        begun = time.perf_counter()
        found = self._inner.scores(n)
        self.seconds += time.perf_counter() - begun
        return found


def costs(*, graded: bool) -> list[Cost]:
    """Races of equal candidates, where nobody need rest, by rows."""
    return [min((_cost(rows, graded) for _ in range(REPEATS)), key=lambda one: one.cpu_s) for rows in ROWS]


def _cost(rows: int, graded: bool) -> Cost:
    rng = np.random.default_rng(0)
    n = rows // CANDIDATES
    drawn = rng.random((CANDIDATES, n))
    scores = drawn if graded else (drawn < 0.8).astype(float)
    begun, cpu = time.perf_counter(), time.process_time()
    order = race_order(["even" if i % 2 else "odd" for i in range(n)], seed=0)
    candidates = [Instant(f"c{i}", own[order]) for i, own in enumerate(scores)]
    found = race(candidates, n, delta=NOBODY_RESTS, on_round=lambda standings: standings())
    return Cost(found.rows, time.process_time() - cpu, time.perf_counter() - begun)


def share() -> Share:
    """Compile triage on the embedded LM with four instructions, and time its race."""
    sys.path.append(str(ROOT))
    import dspy

    import shipworthy as sw
    from shipworthy.compiler import compile_program, source_of
    from shipworthy.examples import load_table
    from shipworthy.lift import load_labelled
    from shipworthy.lms import Journal, Recorded, open_lm
    from signatures.triage import Triage

    spent: list[tuple[float, float, int]] = []

    def timed(contenders: Sequence[Contender], n: int, **more: Any) -> Race:
        inner = [Timed(one) for one in contenders]
        begun = time.perf_counter()
        found = race(inner, n, **more)
        total = time.perf_counter() - begun
        spent.append((total, total - sum(one.seconds for one in inner), found.rows))
        return found

    passes = [sw.Demos(max_characters=200), sw.Instructions(texts=TEXTS), sw.Readout(), sw.Student()]
    recipe = sw.Recipe(passes=passes, budget=sw.Budget(calls=CALLS))
    source = source_of(dspy.Predict(Triage), name="triage", recipe=recipe)
    rows = load_labelled(source.contract, load_table(ROOT / "data" / "triage" / "train.jsonl"))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("shipworthy.compiler.passes.instructions.race", timed),
    ):
        lm = Recorded(open_lm("local"), Journal(Path(folder) / "calls.jsonl"))
        made = compile_program(source, rows, lm=lm, lm_name="local", out=Path(folder) / "out")
        lm.close()
    (one,) = spent
    return Share(made.seconds, one[0], one[1], one[2], made.lm_calls)


def targets_of(by_kind: dict[str, list[Cost]], compiled: Share | None) -> list[Target]:
    """Seconds at the size that was wanted, growth, and the share of a compile where one was made."""
    targets = []
    for kind, found in by_kind.items():
        at = next(one for one in found if one.rows == WANTED_AT)
        seconds = f"{at.cpu_s:.2f} s of CPU, {at.seconds:.2f} s beside other work"
        what = f"race and `ordered_map` over {WANTED_AT:,} rows answered at once, {kind}"
        targets.append(Target(what, f"under {WANTED_S:g} s", seconds, at.cpu_s < WANTED_S))
        slope = statistics.linear_regression(
            [math.log(one.rows) for one in found], [math.log(one.cpu_s) for one in found]
        ).slope
        what = f"growth of these seconds with rows, {kind}"
        targets.append(Target(what, "at most linear", f"rows to the power {slope:.2f}", slope <= 1.05))
    if compiled is None:
        return targets
    own = compiled.own_s / compiled.seconds
    what = f"share of a compile that the race takes besides its candidates ({compiled.calls} calls)"
    targets.append(Target(what, "under 2 %", f"{own:.2%} of {compiled.seconds:.0f} s", own < WANTED_SHARE))
    return targets


def figures(by_kind: dict[str, list[Cost]]) -> str:
    """Seconds by rows."""
    return table(
        ("scores", "rows read by all", "seconds of CPU", "seconds passed", "microseconds of CPU a row"),
        [
            (
                kind,
                f"{one.rows:,}",
                f"{one.cpu_s:.3f}",
                f"{one.seconds:.3f}",
                f"{1e6 * one.cpu_s / one.rows:.0f}",
            )
            for kind, found in by_kind.items()
            for one in found
        ],
    )
