"""How long `make demo` takes once everything is installed: the first time, and again.

    python benchmarks/demo.py

Runs `shipworthy ship triage` twice in a copy of this repository, with a cache folder that
holds the weights and nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import write_section

from shipworthy.lms import ensure_weights

ROOT = Path(__file__).parent.parent
PARTS = ("signatures", "programs", "optimizers", "data", "pyproject.toml")


def main() -> None:
    """Measure, and write the figures."""
    weights = ensure_weights(say=print)
    with tempfile.TemporaryDirectory() as scratch:
        home, cache = Path(scratch) / "project", Path(scratch) / "cache"
        home.mkdir()
        for part in PARTS:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, home / part)
        (cache / "weights").mkdir(parents=True)
        os.link(weights, cache / "weights" / weights.name)
        env = {**os.environ, "SHIPWORTHY_CACHE": str(cache)}
        command = [sys.executable, "-c", "from shipworthy.cli import main; main(['ship', 'triage'])"]
        taken, said = [], ""
        for _ in range(2):
            begun = time.monotonic()
            done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, check=False)
            taken.append(time.monotonic() - begun)
            said = said or done.stdout.partition("\ncertificate")[0]
    text = (
        f"The first run took {taken[0]:.0f} s, a second one {taken[1]:.0f} s. The first ended with:\n\n"
        f"```\n{said}\n```"
    )
    write_section("demo", "python benchmarks/demo.py", text)


if __name__ == "__main__":
    main()
