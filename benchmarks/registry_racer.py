"""One warm process of `benchmarks/registry.py`: told what to do line by line, answers in JSON.

see VERSION    read where the ledger stands, before the others move
go             promote that version by force, going by what was seen; with how long it took
who            whom a reader takes for champion
"""

from __future__ import annotations

import json
import sys
import time

from shipworthy.errors import ConflictError
from shipworthy.registry import Evidence, Registry, promote, resolve, standing


def main() -> None:
    """Answer until the input ends."""
    uri, name = sys.argv[1:]
    registry = Registry(uri)
    say(ready=True)
    seen, version = standing(registry, name).head, 0
    for line in sys.stdin:
        order, *rest = line.split()
        if order == "see":
            seen, version = standing(registry, name).head, int(rest[0])
            say(seen=seen.number)
        elif order == "go":
            begun = time.perf_counter()
            try:
                promote(registry, name, version, Evidence(None, forced="a benchmark"), seen=seen)
                won, error = True, ""
            except ConflictError as lost:
                won, error = False, str(lost)
            say(won=won, version=version, seconds=time.perf_counter() - begun, error=error)
        else:
            say(champion=resolve(f"{name}@champion", uri=uri).version)


def say(**found: object) -> None:
    """A line of JSON."""
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
