"""What evaluating costs besides the program: rows, seconds and memory, beside DSPy's own evaluation.

    python benchmarks/evaluation.py

The program answers at once and always the same, so that what is left is the evaluation
itself. Each figure is the fastest of three fresh processes (one from 50,000 rows on), ours and
DSPy's in turn, since other work on the machine only ever adds; imports are in the memory and
not in the seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from report import write_section

OURS = (10_000, 20_000, 50_000, 100_000)
THEIRS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
TITLES = {
    "ours": "shipworthy",
    "checkpoint": "shipworthy, with a checkpoint",
    "resumed": "shipworthy, all rows from the checkpoint",
    "dspy": "DSPy `Evaluate`",
    "executor": "DSPy `ParallelExecutor` alone",
}
WORKERS = 4
ROUNDS = 3
ONCE_FROM = 50_000
"""From so many rows on each is measured once: they take long enough to be told from noise."""
PATIENCE_S = 60


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--one", nargs=2, metavar=("KIND", "ROWS"), help="one measurement, as JSON")
    parser.add_argument("--at", type=Path, metavar="FILE", help="where its checkpoint is written")
    given = parser.parse_args()
    if given.one:
        json.dump(measured(given.one[0], int(given.one[1]), given.at), sys.stdout)
        return
    sizes = {
        "ours": sorted({*OURS, *THEIRS}),
        "checkpoint": list(OURS),
        "resumed": list(OURS),
        "dspy": list(THEIRS),
        "executor": list(THEIRS),
    }
    found: dict[str, dict[int, dict[str, float]]] = {kind: {} for kind in sizes}
    for rows in sizes["ours"]:
        taken: dict[str, list[dict[str, float]]] = {}
        for _ in range(ROUNDS if rows < ONCE_FROM else 1):
            for kind in sizes:
                if rows not in sizes[kind]:
                    continue
                one = in_process(kind, rows)
                if one is None:
                    sizes[kind] = [size for size in sizes[kind] if size < rows]
                    taken.pop(kind, None)
                else:
                    taken.setdefault(kind, []).append(one)
        for kind, runs in taken.items():
            found[kind][rows] = {name: min(run[name] for run in runs) for name in ("seconds", "peak_mib")}
            print(f"{kind} {rows}: {found[kind][rows]}", file=sys.stderr, flush=True)
    write_section("evaluation", "python benchmarks/evaluation.py", report(found))


def in_process(kind: str, rows: int) -> dict[str, float] | None:
    """One measurement in a process of its own, or None where it takes longer than a minute."""
    command = [sys.executable, __file__, "--one", kind, str(rows)]
    try:
        run = subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return None
    figures: dict[str, float] = json.loads(run.stdout)
    return figures


def measured(kind: str, rows: int, at: Path | None) -> dict[str, float]:
    """Seconds of one evaluation, and the process's peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = at or Path(folder) / "rows.jsonl"
        if kind in ("dspy", "executor"):
            run = dspy_run(kind, rows)
        elif kind == "ours":
            run = our_run(rows)
        else:
            run = our_run(rows, checkpoint=path, program="benchmark")
        if kind == "resumed":  # written by another process, whose memory is not counted here
            fill = [sys.executable, __file__, "--one", "checkpoint", str(rows), "--at", str(path)]
            subprocess.run(fill, check=True, stdout=subprocess.DEVNULL)
        begun = time.perf_counter()
        run()
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def our_run(rows: int, **options: Any) -> Callable[[], None]:
    """Rows from a generator, answered on threads, scored by the default metric."""
    from shipworthy.runtime import Answer, StepTrace, ordered_map
    from shipworthy.scoring import EXACT, evaluate

    step = StepTrace("step", (), ("bar",), {"desk": "bar"}, {}, {}, True, 1.0, 10, 1, 1)
    answer = Answer({"desk": "bar"}, {"desk": 0.9}, True, (step,))

    def source() -> Iterator[dict[str, str]]:
        for i in range(rows):
            yield {"text": f"Where is parcel {i}?", "desk": "bar" if i % 3 else "inn"}

    def run() -> None:
        many = lambda read: ordered_map(lambda row: answer, read, workers=WORKERS)  # noqa: E731
        found = evaluate(many, source(), outputs=["desk"], metric=EXACT, **options)
        if len(found.results) != rows or abs(found.score - 2 / 3) > 1 / rows:
            raise SystemExit(f"the score is wrong: {found}")

    return run


def dspy_run(kind: str, rows: int) -> Callable[[], Any]:
    """The same rows through DSPy's evaluation, or through its executor alone."""
    import dspy
    from dspy.utils.parallelizer import ParallelExecutor

    class Constant(dspy.Module):
        def forward(self, text: str) -> dspy.Prediction:
            return dspy.Prediction(desk="bar")

    examples = [
        dspy.Example(text=f"Where is parcel {i}?", desk="bar" if i % 3 else "inn").with_inputs("text")
        for i in range(rows)
    ]
    if kind == "executor":
        executor = ParallelExecutor(num_threads=WORKERS, disable_progress_bar=True)
        return lambda: executor.execute(lambda example: example.desk == "bar", examples)
    evaluation = dspy.Evaluate(
        devset=examples,
        metric=lambda example, prediction, trace=None: example.desk == prediction.desk,
        num_threads=WORKERS,
        display_progress=False,
    )
    return lambda: evaluation(Constant())


def report(found: dict[str, dict[int, dict[str, float]]]) -> str:
    """The table, the growth of each, and the ratio at the largest size that both can do."""
    lines = ["| | rows | seconds | rows a second | peak memory |", "| --- | --- | --- | --- | --- |"]
    for kind, by_size in found.items():
        lines += [
            f"| {TITLES[kind]} | {rows:,} | {one['seconds']:.2f} | {rows / one['seconds']:,.0f} "
            f"| {one['peak_mib']:.0f} MiB |"
            for rows, one in by_size.items()
        ]
    lines.append("")
    for kind, by_size in found.items():
        if len(by_size) > 1:
            lines.append(f"- {TITLES[kind]}: time grows as rows to the power {exponent(by_size):.2f}")
    for kind in ("dspy", "executor"):
        for rows in sorted(set(THEIRS) - set(found[kind])):
            lines.append(f"- {TITLES[kind]} was stopped at {rows:,} rows, after {PATIENCE_S} s")
        if found[kind]:
            most = max(found[kind])
            ratio = found[kind][most]["seconds"] / found["ours"][most]["seconds"]
            lines.append(f"- at {most:,} rows {TITLES[kind]} takes {ratio:.0f} times as long as shipworthy")
    return "\n".join(lines)


def exponent(by_size: dict[int, dict[str, float]]) -> float:
    """Slope of log seconds over log rows, by least squares."""
    x = [math.log(rows) for rows in by_size]
    y = [math.log(one["seconds"]) for one in by_size.values()]
    return statistics.linear_regression(x, y).slope


if __name__ == "__main__":
    main()
