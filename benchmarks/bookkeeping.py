"""What a compile spends on planning and bookkeeping: journal, budget, digests, the order of the rows.

    python benchmarks/bookkeeping.py FOLDER [--set clinc150-10]

First the road that every row of a compile takes (budget, journal, threads, results in order) over an
LM that answers at once, a stand-in, at growing numbers of rows. Then a compile on the embedded LM, one
caller at a time, where the time outside the LM and outside the fits is taken by a clock around each of
these parts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from compile_cost import rows_of
from compile_cost_dspy import OUTPUT, Student
from report import write_section

from shipworthy.compiler import Budget, Meter, compile_program, plan_of, source_of
from shipworthy.lms import Generation, Journal, Prompt, Question, Recorded, Scores, Usage, open_lm
from shipworthy.runtime import ordered_map

SIZES = (2_000, 4_000, 8_000, 16_000, 32_000)
ROUNDS = 3
WORKERS = 4
TOKENS = tuple(range(256))


class AtOnce:
    """A stand-in for an LM that answers at once, and always the same."""

    id = "stand-in/at-once"
    workers = WORKERS
    reads_logprobs = True
    context = 4096
    _scores = Scores(np.full(len(TOKENS), -5.545, np.float32), Usage(9, 5, 1, 0.0))

    def tokenize(self, text: str) -> list[int]:
        """A token a word."""
        return [len(word) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """At once."""
        return [self._scores] * len(questions)

    def generate(self, prompt: Prompt, **_: Any) -> Generation:
        """At once."""
        return Generation("", True, Usage(9, 5, 1, 0.0))

    def close(self) -> None:
        """Nothing is open."""


def main() -> int:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", default="clinc150-10")
    given = parser.parse_args()
    taken = {rows: min(road(rows) for _ in range(ROUNDS)) for rows in SIZES}
    again = {rows: min(road(rows, kept=True) for _ in range(ROUNDS)) for rows in SIZES}
    bare = {rows: min(road(rows, journal=False) for _ in range(ROUNDS)) for rows in SIZES}
    shares, whole = compiled(given.folder, given.set)
    write_section(
        "bookkeeping",
        f"python benchmarks/bookkeeping.py FOLDER --set {given.set}",
        report(bare, taken, again, shares, whole, given.set),
    )
    return 0


def road(rows: int, *, kept: bool = False, journal: bool = True) -> float:
    """Seconds for so many rows that cost nothing themselves.

    Args:
        kept: all answers are in the journal already.
        journal: whether there is one; without, the LM is asked directly.
    """
    prompts = [Prompt("Sort.", (), f"row {i}", "") for i in range(rows)]
    question = Question("topic:", TOKENS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        if kept:
            _walk(Recorded(AtOnce(), Journal(path)), prompts, question)
        begun = time.perf_counter()
        _walk(Recorded(AtOnce(), Journal(path)), prompts, question, journal=journal)
        return time.perf_counter() - begun


def _walk(lm: Recorded, prompts: Sequence[Prompt], question: Question, *, journal: bool = True) -> None:
    asked = lm if journal else lm.lm
    meter = Meter(Budget(calls=10 * len(prompts)), lm)
    waiting = list(prompts)
    while waiting and (n := meter.rows(len(waiting))):
        batch, waiting = waiting[:n], waiting[n:]
        for outcome in ordered_map(lambda prompt: asked.score(prompt, [question]), batch, workers=WORKERS):
            outcome.unwrap()
            meter.words()
    lm.close()


def compiled(folder: Path, name: str) -> tuple[dict[str, float], float]:
    """Seconds by part in a compile on the embedded LM, and of the whole of it."""
    rows = rows_of(folder, name, 0)
    clock: dict[str, float] = dict.fromkeys(("plan", "calls", "journal", "budget"), 0.0)
    lm_s = 0.0

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                clock[part] += time.perf_counter() - begun

        return call

    source = source_of(Student(rows.labels), name="intent")
    train = [dict(row) for row in rows.train]
    with tempfile.TemporaryDirectory() as scratch:
        inner = open_lm("local", workers=1)
        asked = inner.score

        def score(prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
            nonlocal lm_s
            begun = time.perf_counter()
            found = asked(prompt, questions)
            lm_s += time.perf_counter() - begun
            return found

        inner.score = score  # type: ignore[method-assign]
        journal = Journal(Path(scratch) / "journal.jsonl")
        journal.get = timed("journal", journal.get)  # type: ignore[method-assign]
        journal.put = timed("journal", journal.put)  # type: ignore[method-assign]
        lm = Recorded(inner, journal)
        lm.score = timed("calls", lm.score)  # type: ignore[method-assign]
        for method in ("room", "rows", "words"):
            setattr(Meter, method, timed("budget", getattr(Meter, method)))
        begun = time.perf_counter()
        timed("plan", plan_of)(source, train, [], lm="local", usd_per_token=None)
        compile_program(source, train, lm=lm, lm_name="local", out=Path(scratch) / "out")
        whole = time.perf_counter() - begun
        lm.close()
    clock["calls"] -= lm_s + clock["journal"]
    clock["the LM"] = lm_s
    return clock, whole


def report(
    bare: dict[int, float],
    taken: dict[int, float],
    again: dict[int, float],
    shares: dict[str, float],
    whole: float,
    name: str,
) -> str:
    """The tables."""
    sizes = np.log(list(taken))
    slope = float(np.polyfit(sizes, np.log(list(taken.values())), 1)[0])
    lines = [
        "| rows that cost nothing | seconds, no journal | each call written to it | all answered from it |",
        "| --- | --- | --- | --- |",
        *(f"| {rows:,} | {bare[rows]:.2f} | {taken[rows]:.2f} | {again[rows]:.2f} |" for rows in taken),
        "",
        f"With the journal, time grows with rows to the power {slope:.2f}.",
        "",
        f"Of a compile of `{name}` ({OUTPUT}, {whole:.1f} s, one caller at a time):",
        "",
        "| part | seconds | share |",
        "| --- | --- | --- |",
    ]
    names = {
        "plan": "the plan",
        "calls": "digests and counts of calls",
        "journal": "the journal",
        "budget": "the budget",
        "the LM": "the LM",
    }
    lines += [f"| {names[part]} | {value:.3f} | {value / whole:.2%} |" for part, value in shares.items()]
    own = sum(value for part, value in shares.items() if part != "the LM")
    rest = whole - own - shares["the LM"]
    lines += [
        f"| fits, choices, writing | {rest:.3f} | {rest / whole:.2%} |",
        "",
        f"Planning and bookkeeping together: {own / whole:.2%} (goal: under 2 %).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
