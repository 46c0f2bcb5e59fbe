"""How long it takes until shipworthy is there: imports, and a first answer in a fresh process.

    python benchmarks/startup.py [ARTIFACT]

Each command runs in fresh processes, in turn with the bare interpreter and with
`import numpy, pydantic`; figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from report import write_section

ROUNDS = 15


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artifact", nargs="?", help="of a program, to load and verify")
    given = parser.parse_args()
    cases = {
        "the bare interpreter": "pass",
        "import shipworthy": "import shipworthy",
        "import numpy, pydantic": "import numpy, pydantic",
        "the command line: shipworthy --help": "from shipworthy.cli import run; run(['--help'])",
    }
    if given.artifact:
        cases["load and verify an artifact"] = (
            f"import shipworthy; shipworthy.load_artifact({given.artifact!r})"
        )
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, code in cases.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
            taken[name].append((time.perf_counter() - begun) * 1e3)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    bare = medians["the bare interpreter"]
    peer = medians["import numpy, pydantic"]
    lines = [
        "| | ms | over the interpreter | against `import numpy, pydantic` |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {value:.0f} | {value - bare:.0f} | {value / peer:.2f} |"
        for name, value in medians.items()
    ]
    write_section("startup", "python benchmarks/startup.py ARTIFACT", "\n".join(lines))


if __name__ == "__main__":
    main()
