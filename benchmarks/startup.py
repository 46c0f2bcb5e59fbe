"""How long it takes until shipworthy is there: imports, and a program ready to run in a fresh process.

    python benchmarks/startup.py [ARTIFACT] [--champion PROJECT NAME]

Each command runs in fresh processes, in turn with the bare interpreter and with
`import numpy, pydantic`; figures are medians. Ratios are of CPU time, which other work on the
machine changes least. Bytecode is there from the second run on, as it is of installed packages.
A case that loads mlflow, dspy, scikit-learn, scipy or pandas ends the benchmark.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from report import write_section

ROUNDS = 31
HEAVY = ("mlflow", "dspy", "sklearn", "scipy", "pandas")
INTERPRETER = "the bare interpreter"
PEER = "import numpy, pydantic"


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artifact", nargs="?", help="of a program, to load and verify")
    parser.add_argument(
        "--champion",
        nargs=2,
        metavar=("PROJECT", "NAME"),
        help="a project's folder and a program registered there",
    )
    given = parser.parse_args()
    cases = {
        INTERPRETER: "pass",
        "import shipworthy": "import shipworthy",
        PEER: "import numpy, pydantic",
        "the command line: shipworthy --help": "from shipworthy.cli import run; run(['--help'])",
    }
    if given.artifact:
        cases["load and verify an artifact"] = (
            f"import shipworthy; shipworthy.load_artifact({given.artifact!r})"
        )
    if given.champion:
        project, name = given.champion
        cases["resolve, read and verify a champion"] = (
            f"import shipworthy; shipworthy.load({name!r}, project={project!r})"
        )
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        for name, code in cases.items():
            check_light(name, code, environment)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, code in cases.items():
                taken[name].append(run(code, environment))
    wall, cpu = (
        {name: statistics.median(pair[i] for pair in pairs) for name, pairs in taken.items()} for i in (0, 1)
    )
    lines = [
        f"| | ms | CPU ms | over the interpreter | against `{PEER}` |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {wall[name]:.0f} | {cpu[name]:.0f} | {cpu[name] - cpu[INTERPRETER]:.0f} "
        f"| {cpu[name] / cpu[PEER]:.2f} |"
        for name in cases
    ]
    write_section(
        "startup", "python benchmarks/startup.py ARTIFACT --champion PROJECT NAME", "\n".join(lines)
    )


def check_light(name: str, code: str, environment: dict[str, str]) -> None:
    """Refuse a case that loads what only making a program needs; its bytecode is there afterwards."""
    tail = f"import sys; print(*(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    command = [sys.executable, "-c", f"{code}\n{tail}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    if loaded := said.stderr.splitlines()[-1].split():
        raise SystemExit(f"{name}: loads {', '.join(sorted(loaded))}")


def run(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds that a fresh process takes: by the clock, and of CPU."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1e3, used * 1e3


if __name__ == "__main__":
    main()
