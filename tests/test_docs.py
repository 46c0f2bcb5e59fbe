"""The documentation says what is so: its code runs, and its links, commands and names are real."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shipworthy as sw
from shipworthy import scoring
from shipworthy.cli.commands import app
from shipworthy.examples import KINDS
from shipworthy.examples.checks import SEVERITIES

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
SCORING = ROOT / "docs" / "scoring.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


def test_the_blocks_of_the_scoring_page_run_in_order_and_print_what_stands_below_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = SCORING.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "scoring_page"}
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) == page.count("```python")
    for block in blocks:
        above = page[: block.start(1)].count("\n")  # so that a traceback names the page's own line
        code = compile("\n" * above + block[1], str(SCORING), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == (block[2] or ""), f"{SCORING.name}:{above + 1}"


def test_every_text_block_of_the_scoring_page_is_what_a_python_block_prints() -> None:
    page = SCORING.read_text(encoding="utf-8")
    assert sum(block[2] is not None for block in BLOCK.finditer(page)) == page.count("```text")


def test_the_recipe_of_the_guide_can_be_made() -> None:
    for block in BLOCK.finditer((ROOT / "docs" / "guide.md").read_text(encoding="utf-8")):
        names: dict[str, Any] = {}
        if "recipe =" in block[1]:
            exec(block[1], names)
            assert isinstance(names["recipe"], sw.Recipe)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_file_and_to_a_heading_of_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for line in commands(page.read_text(encoding="utf-8")):
        name, *words = line.split()
        if name.isupper():  # COMMAND stands for any
            continue
        assert name in app.commands, line
        known = {flag for option in app.commands[name].params for flag in option.opts} | {"--help"}
        given = {word.strip("[]").split("=")[0] for word in words if word.lstrip("[").startswith("-")}
        assert given <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_public_names_exist(page: Path) -> None:
    assert set(re.findall(r"\bsw\.([A-Za-z_]+)", page.read_text(encoding="utf-8"))) <= set(sw.__all__)


def test_what_the_tables_of_the_scoring_page_name_is_in_scoring_with_these_arguments() -> None:
    columns = {
        "output": 1,
        "compares with the label": 0,
        "asserts something of the answer alone": 0,
        "question": 1,
    }
    seen = set()
    for header, *rows in tables(SCORING.read_text(encoding="utf-8")):
        if header[0] not in columns:
            continue
        seen.add(header[0])
        for row in rows:
            for call in re.findall(r"`(\w+(?:\([^`]*\))?)`", row[columns[header[0]]]):
                name, _, arguments = call.partition("(")
                assert name in scoring.__all__, call
                keywords = set(re.findall(r"(\w+)=", arguments))
                assert keywords <= set(inspect.signature(getattr(scoring, name)).parameters), call
    assert seen == set(columns)


def test_the_table_of_findings_has_every_kind_with_its_severity_worst_first() -> None:
    (table,) = [rows for header, *rows in tables(SCORING.read_text(encoding="utf-8")) if header[0] == "kind"]
    assert [(row[0].strip("`"), row[1]) for row in table] == [(kind, SEVERITIES[kind]) for kind in KINDS]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: str) -> Iterator[str]:
    """What follows `shipworthy` in indented commands and in code within a line."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"^ {4}(.*)$|`([^`\n]+)`", prose, re.MULTILINE):
        if found := re.search(r"(?:^|\| |\()shipworthy ([A-Za-z].*)", "".join(line)):
            yield re.split(r" [>#|] |\)", found[1])[0]


def tables(page: str) -> Iterator[list[list[str]]]:
    """The tables of a page: the cells of the header, then of each row."""
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()]
        yield [[cell.strip("| ") for cell in line] for number, line in enumerate(lines) if number != 1]
