"""Write a benchmark's figures into `docs/benchmarks.md`, between its own marks."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def write_section(name: str, command: str, text: str) -> None:
    """Replace the section's body; the page holds `<!-- NAME -->` and `<!-- /NAME -->`."""
    page = PAGE.read_text(encoding="utf-8")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    body = f"<!-- {name} -->\n`{command}`, {today}\n\n{text}\n<!-- /{name} -->"
    changed, count = re.subn(rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _: body, page, flags=re.S)
    if count != 1:
        raise SystemExit(f"{PAGE} has no section {name}")
    PAGE.write_text(changed, encoding="utf-8")
    print(text)
