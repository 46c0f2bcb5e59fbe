"""What keeping saves when a program is compiled again on another LM, and whether it costs score.

    python benchmarks/recertify.py --lm local:OTHER.gguf PROJECT/NAME...

Each program is compiled on the embedded LM, if it was not yet, and then on the other one twice: keeping
what holds on any LM, and anew. Nothing is taken from journals. Both are scored on the test rows.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from report import write_section

import shipworthy as sw
from shipworthy.compiler import Compiled, Keep, load_source
from shipworthy.lms import Journal, Recorded, open_lm
from shipworthy.scoring import Evaluation, evaluate, metric_of, paired_rows
from shipworthy.ship.rows import read_split
from shipworthy.ship.state import artifact_of


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lm", required=True, help="the LM to go to")
    parser.add_argument("programs", nargs="+", type=Path)
    given = parser.parse_args()
    lines = [
        "| program | kept | calls, kept | anew | seconds, kept | anew | ratio | score, kept | anew "
        "| difference (95 %) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in given.programs:
        lines.append(_line(path.parent.absolute(), path.name, given.lm))
        print(lines[-1], flush=True)
    text = "\n".join(lines)
    command = f"python benchmarks/recertify.py --lm local:OTHER.gguf {' '.join(map(str, given.programs))}"
    write_section("recertify", command, text)


def _line(project: Path, name: str, lm: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "project"
        shutil.copytree(project, home, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts", "journals"))
        try:
            champion = sw.load_artifact(artifact_of(home, name))
        except sw.ShipworthyError:
            champion = sw.compile(name, project=home).program
        shutil.rmtree(home / ".shipworthy" / "journals", ignore_errors=True)
        kept = sw.compile(name, project=home, lm=lm, keep=Keep.of(champion), fresh=True)
        shutil.rmtree(home / ".shipworthy" / "journals")
        anew = sw.compile(name, project=home, lm=lm, fresh=True)
        scores = [_score(home, one, lm) for one in (kept, anew)]
    difference = paired_rows(scores[0], scores[1]).difference()
    low, high = (f"{100 * bound:+.1f}" for bound in difference.ci)
    cells = [
        f"`{name}`",
        "; ".join(_words(step) for step in (kept.kept or {})["steps"].values()) or "nothing",
        f"{kept.lm_calls:,}",
        f"{anew.lm_calls:,}",
        f"{kept.seconds:.0f}",
        f"{anew.seconds:.0f}",
        f"{kept.seconds / anew.seconds:.2f}",
        *(f"{100 * one.score:.1f} %" for one in scores),
        f"{100 * difference.mean:+.1f} ({low} to {high}), {difference.n} rows",
    ]
    return f"| {' | '.join(cells)} |"


def _words(step: dict[str, Any]) -> str:
    found = [f"{step['demos']} demos"] if step.get("demos") else []
    found += ["instruction"] if step.get("instruction") else []
    return ", ".join(found + ([f"spans by {step['spans']}"] if step.get("spans") else []))


def _score(home: Path, compiled: Compiled, lm: str) -> Evaluation:
    source = load_source(home, compiled.name)
    recipe, contract = source.recipe, source.contract
    rows = read_split(home, compiled.name, contract, "test", also=source.labels, metric=recipe.metric)
    model = Recorded(open_lm(lm), Journal(home / "scoring.jsonl"))
    try:
        program = sw.load_artifact(compiled.artifact, lm=model if compiled.program.spec.lm else None)
        metric = metric_of(recipe.metric, contract.outputs, rows)
        return evaluate(
            program.answer_many, rows, outputs=[own.name for own in contract.outputs], metric=metric
        )
    finally:
        model.close()


if __name__ == "__main__":
    main()
