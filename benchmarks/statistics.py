"""Do the statistics keep what they promise? Simulations with known truths, against targets.

    python benchmarks/statistics.py [--quick]

Writes its tables into `docs/benchmarks.md` and exits with 1 if a target is missed. `--quick` draws a tenth
of the runs, allows for the noise of that, and writes nothing.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path


def main() -> int:
    """Run all sections, print targets against figures, and write the page."""
    import argparse
    import time

    import statistics_paired
    from report import write_section
    from targets import targets_table

    # Each section is a function of `quick` that returns markdown and its targets.
    sections = [statistics_paired.section]
    if importlib.util.find_spec("statistics_selection"):
        import statistics_selection

        sections.append(statistics_selection.section)

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs, nothing written")
    quick = parser.parse_args().quick
    begun = time.monotonic()
    results = [section(quick) for section in sections]
    targets = [target for _, found in results for target in found]
    texts = [targets_table(targets), *(text for text, _ in results)]
    if quick:
        print("\n\n".join(texts))
    else:
        write_section("statistics", "python benchmarks/statistics.py", "\n\n".join(texts))
    missed = [target for target in targets if not target.met]
    print(f"\n{len(targets) - len(missed)} of {len(targets)} targets met in {time.monotonic() - begun:.0f} s")
    for target in missed:
        print(f"missed: {target.what}: wanted {target.wanted}, found {target.found}")
    return 1 if missed else 0


def _hand_over() -> None:
    """Put Python's own `statistics` in this file's place.

    A script's folder comes first on its path, so that for every benchmark in it `import statistics`
    finds this file, where shipworthy and others mean the standard library's.
    """
    path = Path(sysconfig.get_path("stdlib")) / "statistics.py"
    spec = importlib.util.spec_from_file_location("statistics", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module at {path}")
    sys.modules["statistics"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    sys.exit(main())
elif __name__ == "statistics":
    _hand_over()
