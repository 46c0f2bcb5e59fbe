"""Inputs that no label fits: how many a default compile hands over, and what that costs of the others.

    python benchmarks/out_of_scope.py FOLDER [--set NAME ...] [--outliers SHARE ...]

FOLDER holds `NAME.train.jsonl` and `NAME.test.jsonl`, each line `{"text", "intent"}`, and
`clinc150-oos.test.jsonl` with texts that none of the labels fits. Nothing is chosen by test rows or by
out-of-scope texts: a compile never sees one.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from class_sets import lifted
from report import write_section
from targets import table

import shipworthy as sw
from shipworthy.examples import load_table
from shipworthy.scoring import wilson

SETS = ("clinc150-10", "clinc150-40")
UNFIT = "clinc150-oos"
SHARES = (0.0, 0.02, 0.05, 0.1)


def main() -> None:
    """Compile each set once a share, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", dest="sets", action="append", choices=SETS)
    parser.add_argument("--outliers", type=float, action="append", metavar="SHARE")
    given = parser.parse_args()
    unfit = list(load_table(given.folder / f"{UNFIT}.test.jsonl").rows)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.sets or SETS:
            home = Path(folder) / name
            home.mkdir()
            project = lifted(home, given.folder, name).project
            test = list(load_table(given.folder / f"{name}.test.jsonl").rows)
            for share in given.outliers or SHARES:
                lines.append((name, f"{share:.0%}", *_measured(project, share, test, unfit)))
    heads = ("set", "`outliers`", "usual rows handed over", "of those answered right", "others handed over")
    options = "".join(f" --set {name}" for name in given.sets or ())
    options += "".join(f" --outliers {share}" for share in given.outliers or ())
    write_section("out_of_scope", f"python benchmarks/out_of_scope.py FOLDER{options}", table(heads, lines))


def _measured(
    project: Path, share: float, test: list[dict[str, object]], unfit: list[dict[str, object]]
) -> tuple[str, str, str]:
    recipe = dataclasses.replace(sw.Recipe(passes=[sw.Demos(), sw.Readout(), sw.Student()]), outliers=share)
    source = sw.compile("intent", project=project, recipe=recipe)
    program = sw.load(source.artifact)
    said = [outcome.unwrap() for outcome in program.answer_many(test)]
    kept = np.array([answer.answered for answer in said])
    right = np.array(
        [answer.outputs["intent"] == row["intent"] for answer, row in zip(said, test, strict=True)]
    )
    handed = sum(not outcome.unwrap().answered for outcome in program.answer_many(unfit))
    return (
        _share(int((~kept).sum()), len(test)),
        _share(int(right[kept].sum()), int(kept.sum())),
        _share(handed, len(unfit)),
    )


def _share(count: int, n: int) -> str:
    low, high = wilson(count, n)
    return f"{count / n:.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
