"""Accuracy and speed of the default compile on public class sets, against simple baselines and the prompt.

    python benchmarks/accuracy.py FOLDER [--set NAME ...] [--free 50] [--run NAME] [--than NAME]

FOLDER holds `NAME.train.jsonl` and `NAME.test.jsonl`, each line `{"text", "intent"}`. Train
rows serve for everything; the test rows are scored once, at the end. A set that was
finished is not run again: its row results are kept in `benchmarks/results/accuracy/RUN/`,
and the table in `docs/benchmarks.md` is written from them, with the difference to an
earlier run on the same rows.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from class_sets import lifted
from report import write_section

import shipworthy as sw
from shipworthy.evidence import answer_freely
from shipworthy.evidence.baselines import tfidf_lr
from shipworthy.examples import load_table, rows_digest
from shipworthy.lift import read_prototype
from shipworthy.lms import Journal, Recorded, open_lm
from shipworthy.scoring import EXACT, evaluate, paired_difference, wilson

SETS = ("clinc150-10", "banking77-10", "clinc150-40", "banking77-77")
RESULTS = Path(__file__).parent / "results" / "accuracy"
RUN, THAN = "third", "first"
"""The run that the page shows, and the one before it: the default compile of version 0.1's first commits."""


def main() -> None:
    """Run the sets that are not finished, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", dest="sets", action="append", choices=SETS)
    parser.add_argument("--free", type=int, default=50, help="test rows on which the prompt runs freely")
    parser.add_argument("--run", default=RUN, help="name of this run")
    parser.add_argument("--than", default=THAN, help="name of the run to compare with")
    given = parser.parse_args()
    folder = RESULTS / given.run
    for name in given.sets or SETS:
        done = folder / f"{name}.json"
        if not done.exists():
            result = run(given.folder, name, given.free)
            folder.mkdir(parents=True, exist_ok=True)
            done.write_text(json.dumps(result, indent=1))
    results, before = (
        {path.stem: json.loads(path.read_text()) for path in (RESULTS / run).glob("*.json")}
        for run in (given.run, given.than)
    )
    for name, one in results.items():
        one["before"] = before.get(name, {}).get("ours")
        if name in before and before[name]["test_sha256"] != one["test_sha256"]:
            raise SystemExit(f"{name}: the two runs have other test rows")
    found = [results[name] for name in SETS if name in results]
    write_section("accuracy", f"python benchmarks/accuracy.py FOLDER --free {given.free}", report(found))


def run(folder: Path, name: str, free: int) -> dict[str, Any]:
    """Compile on the train rows, then score everything on the test rows."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        made = lifted(home, folder, name)
        begun = time.monotonic()
        compiled = sw.compile("intent", project=made.project)
        compile_s = time.monotonic() - begun
        print(
            f"{name}: compiled in {compile_s:.0f} s, {compiled.lm_calls} calls; {compiled.notes}", flush=True
        )
        rows = [dict(row) for row in load_table(made.project / "data/intent/test.jsonl").rows]
        train = [dict(row) for row in load_table(made.project / "data/intent/train.jsonl").rows]
        contract = compiled.program.contract
        lm = Recorded(open_lm("local"), Journal(home / "calls.jsonl"))
        program = sw.load_artifact(compiled.artifact, lm=lm if compiled.program.spec.lm else None)
        begun = time.monotonic()
        ours = evaluate(program.answer_many, rows, outputs=["intent"], metric=EXACT)
        print(f"{name}: {ours.score:.3f} in {time.monotonic() - begun:.0f} s", flush=True)
        theirs = evaluate(tfidf_lr(contract, train), rows, outputs=["intent"], metric=EXACT)
        step = max(1, len(rows) // free)
        sampled = rows[::step][:free]
        prototype = read_prototype(made.prompt)
        freely = evaluate(answer_freely(prototype, contract, lm), sampled, outputs=["intent"], metric=EXACT)
        print(f"{name}: TF-IDF {theirs.score:.3f}, the prompt {freely.score:.3f}", flush=True)
    ms = [result.ms for result in ours.results]
    ms_free = [result.ms for result in freely.results]
    return {
        "name": name,
        "test_sha256": rows_digest(rows),
        "ours": [int(right) for right in ours.right],
        "tfidf_lr": [int(right) for right in theirs.right],
        "prompt": [int(right) for right in freely.right],
        "ms": [round(value, 1) for value in np.percentile(ms, [50, 95])],
        "ms_prompt": [round(value, 1) for value in np.percentile(ms_free, [50, 95])],
        "compile_s": round(compile_s, 1),
        "lm_calls": compiled.lm_calls,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "notes": list(compiled.notes),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def report(results: list[dict[str, Any]]) -> str:
    """The table, and the sets together."""
    lines = [
        "| set | test rows | compiled | TF-IDF + LR | difference (95 %) | prompt, free "
        "| ms a call p50 / p95 | prompt's ms p50 | compile | LM calls | peak memory so far |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in results:
        paired = paired_difference(one["ours"], one["tfidf_lr"])
        free = one["prompt"]
        lines.append(
            f"| `{one['name']}` | {len(one['ours'])} | {share(one['ours'])} | {share(one['tfidf_lr'])} | "
            f"{100 * paired.mean:+.1f} ({100 * paired.ci[0]:+.1f} to {100 * paired.ci[1]:+.1f}) | "
            f"{100 * np.mean(free):.1f} % of {len(free)} | {one['ms'][0]:.0f} / {one['ms'][1]:.0f} | "
            f"{one['ms_prompt'][0]:.0f} | {one['compile_s']:.0f} s | {one['lm_calls']} "
            f"| {one['peak_mib']} MiB |"
        )
    mean, low, high = together(results, "tfidf_lr")
    lines += [
        "",
        f"All sets together, stratified by set and paired by row: {100 * mean:+.2f} points over TF-IDF + "
        f"logistic regression, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}.",
        "",
    ]
    if all(one["before"] for one in results):
        mean, low, high = together(results, "before")
        gains = (paired_difference(one["ours"], one["before"]) for one in results)
        each = ", ".join(f"{100 * gain.mean:+.1f}" for gain in gains)
        lines += [
            f"Over the run before this one: {100 * mean:+.2f} points, 95 % interval {100 * low:+.2f} to "
            f"{100 * high:+.2f} ({each}, set by set).",
            "",
        ]
    lines += [
        *(f"- `{one['name']}`: {'; '.join(told(one['notes']))}" for one in results),
    ]
    return "\n".join(lines)


def told(notes: list[str]) -> list[str]:
    """The notes of a compile that say how it decides."""
    return [note for note in notes if " wrong in " not in note]


def share(right: list[int]) -> str:
    """A score with its interval."""
    low, high = wilson(sum(right), len(right))
    return f"{100 * np.mean(right):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def together(results: list[dict[str, Any]], other: str) -> tuple[float, float, float]:
    """Mean paired difference over all rows, with the interval of a stratified mean (Cochran 1977, ch. 5)."""
    total = sum(len(one["ours"]) for one in results)
    mean = variance = 0.0
    for one in results:
        gaps = np.array(one["ours"], float) - np.array(one[other], float)
        weight = len(gaps) / total
        mean += weight * float(gaps.mean())
        variance += weight**2 * float(gaps.var(ddof=1)) / len(gaps)
    half = 1.96 * variance**0.5
    return mean, mean - half, mean + half


if __name__ == "__main__":
    sys.exit(main())
