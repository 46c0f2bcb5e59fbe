"""How long the certificate of this repository's own program takes, part by part, and how quick its page is.

    python benchmarks/certificate.py [PROJECT]

PROJECT is a folder in which `shipworthy compile triage` has run; by default a copy of this
repository is made and compiled first. The full certificate is made there without any call
known; the quick one follows, when all calls but those of its own sample are.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from demo import PARTS, ROOT
from report import write_section

NAME = "triage"
MAKE = [sys.executable, "-m", "shipworthy"]
TITLE = re.compile(r"^(.*?) \(\d+\)$")
PAINTS = 9
PAINT = """() => new Promise(done => new PerformanceObserver(seen => done(seen.getEntries().at(-1).startTime))
    .observe({type: 'paint', buffered: true}))"""


def main() -> None:
    """Measure, and write the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "project"
        home.mkdir()
        given = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
        for part in PARTS:
            source = (given or ROOT) / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, home / part)
        if given is None:
            certified(home, "compile", NAME)
        else:
            for part in ("compiled", "latest", "reports"):
                shutil.copytree(given / ".shipworthy" / part, home / ".shipworthy" / part)
        full, parts, document = certified(home, "certify", NAME)
        quick, _, _ = certified(home, "certify", NAME, "--quick")
        page = next((home / ".shipworthy" / "certificates" / NAME).glob("*/certificate.html"))
        certified(home, "certify", NAME)  # the page of the full one again, every call known
        size, paints = page.stat().st_size, first_paints(page)
    lines = [
        f"Full: {full / 60:.1f} min, no call known before. Quick, its calls known: {quick:.0f} s. "
        f"The page: {size / 1e6:.2f} MB; first paint in Chromium {statistics.median(paints):.0f} ms, "
        f"at most {max(paints):.0f} ms of {PAINTS}.",
        "",
        "| part | seconds |",
        "| --- | --- |",
        *(f"| {title} | {seconds:.0f} |" for title, seconds in parts.items()),
        "",
        f"Verdict: {document['verdict']}",
        "",
        *(f"- {reason}" for reason in document["reasons"]),
    ]
    write_section("certificate", "python benchmarks/certificate.py", "\n".join(lines))


def certified(home: Path, *command: str) -> tuple[float, dict[str, float], dict[str, Any]]:
    """Run a command; its seconds, the seconds of each of its parts, and its document."""
    begun = time.monotonic()
    parts: dict[str, float] = {}
    title, since = "opening program and LM", begun
    with subprocess.Popen(
        [*MAKE, *command, "--json"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        for line in running.stderr or ():
            found = TITLE.match(line.strip())
            if found:
                now = time.monotonic()
                parts[title] = parts.get(title, 0.0) + now - since
                title, since = found[1], now
        document = json.loads((running.stdout and running.stdout.read()) or "{}")
    parts[title] = parts.get(title, 0.0) + time.monotonic() - since
    if running.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed: {document}")
    return time.monotonic() - begun, parts, document


def first_paints(page: Path) -> list[float]:
    """Milliseconds to the first paint, each in a fresh context of headless Chromium."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(PAINTS):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            opened = context.new_page()
            opened.goto(page.as_uri())
            found.append(float(opened.evaluate(PAINT)))
            context.close()
        browser.close()
    return found


if __name__ == "__main__":
    main()
