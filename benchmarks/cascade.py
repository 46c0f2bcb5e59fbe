"""What a cascade saves and costs on public class sets: the default compile with it and without.

    python benchmarks/cascade.py FOLDER [--set NAME ...] [--margin 0.01 ...] [--no-simulation]

FOLDER holds `NAME.train.jsonl` and `NAME.test.jsonl`, each line `{"text", "intent"}`. Train rows serve for
everything; the test rows are scored once, at the end, by each program. Behind it stand the simulations of
`cascade_simulation.py`, which say whether the promise holds; the exit code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cascade_simulation
import numpy as np
from class_sets import lifted
from report import write_section
from targets import table, targets_table

import shipworthy as sw
from shipworthy.examples import load_table
from shipworthy.lms import Journal, Recorded, open_lm
from shipworthy.scoring import EXACT, Evaluation, evaluate, paired_difference, wilson

SETS = ("clinc150-10", "clinc150-40")
MARGINS = (0.01, 0.05)


@dataclass(frozen=True)
class Ran:
    """One program on the test rows.

    Attributes:
        margin: None without a cascade.
        note: what the compile says of the cascade.
    """

    name: str
    margin: float | None
    scored: Evaluation
    compile_s: float
    note: str


def main() -> int:
    """Run the sets, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", dest="sets", action="append", choices=SETS)
    parser.add_argument("--margin", dest="margins", action="append", type=float)
    parser.add_argument("--no-simulation", action="store_true")
    given = parser.parse_args()
    names, margins = given.sets or list(SETS), given.margins or list(MARGINS)
    ran = [one for name in names for one in run(given.folder, name, margins)]
    text, targets = report(ran), []
    if not given.no_simulation:
        simulated, targets = cascade_simulation.section(quick=False)
        text = "\n\n".join((text, targets_table(targets), simulated))
    options = [f" --set {name}" for name in given.sets or ()]
    options += [f" --margin {margin}" for margin in given.margins or ()]
    options += [" --no-simulation"] if given.no_simulation else []
    write_section("cascade", f"python benchmarks/cascade.py FOLDER{''.join(options)}", text)
    return int(not all(target.met for target in targets))


def run(folder: Path, name: str, margins: Sequence[float]) -> list[Ran]:
    """Compile without a cascade and with each margin, and score each on the test rows."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        made = lifted(home, folder, name)
        rows = [dict(row) for row in load_table(made.project / "data/intent/test.jsonl").rows]
        lm = Recorded(open_lm("local"), Journal(home / "calls.jsonl"))
        for margin in (None, *margins):
            passes = [sw.Demos(), sw.Readout(), sw.Student()]
            if margin is not None:
                passes.append(sw.Cascade(margin=margin))
            begun = time.monotonic()
            compiled = sw.compile("intent", project=made.project, recipe=sw.Recipe(passes=passes))
            compile_s = time.monotonic() - begun
            # A call that was made before counts with the time that it took then.
            program = sw.load_artifact(compiled.artifact, lm=lm if compiled.program.spec.lm else None)
            scored = evaluate(program.answer_many, rows, outputs=["intent"], metric=EXACT)
            notes = [note for note in compiled.notes if "cascade" in note]
            found.append(Ran(name, margin, scored, compile_s, "; ".join(notes)))
            print(f"{name}, margin {margin}: {scored.score:.3f}, {found[-1].note}", flush=True)
        lm.close()
    return found


def report(ran: Sequence[Ran]) -> str:
    """The table, and what each compile said of its cascade."""
    lines = []
    for one in ran:
        base = next(other for other in ran if other.name == one.name and other.margin is None)
        right = one.scored.right
        low, high = wilson(int(np.sum(right)), len(right))
        free = np.mean([not result.lm_calls for result in one.scored.results])
        ms = np.percentile([result.ms for result in one.scored.results], [50, 95])
        if one is base:
            difference, lost = "", ""
        else:
            paired = paired_difference(right, base.scored.right)
            low_gap, high_gap = (100 * bound for bound in paired.ci)
            difference = f"{100 * paired.mean:+.1f} ({low_gap:+.1f} to {high_gap:+.1f})"
            lost = f"{100 * paired.losses / paired.n:.1f} %"
        lines.append(
            (
                f"`{one.name}`",
                len(right),
                "without" if one.margin is None else f"margin {one.margin:.0%}",
                f"{100 * np.mean(right):.1f} % ({100 * low:.1f} to {100 * high:.1f})",
                difference,
                lost,
                f"{100 * free:.1f} %",
                f"{ms[0]:.1f} / {ms[1]:.1f}",
                f"{one.compile_s:.0f} s",
            )
        )
    heads = (
        "set",
        "test rows",
        "cascade",
        "accuracy",
        "difference to the program without (95 %)",
        "lost",
        "rows without an LM call",
        "ms a row p50 / p95",
        "compile, calls kept",
    )
    notes = [f"- `{one.name}`, margin {one.margin:.0%}: {one.note}" for one in ran if one.margin is not None]
    return "\n".join((table(heads, lines), "", *notes))


if __name__ == "__main__":
    sys.exit(main())
