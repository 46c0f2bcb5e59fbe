"""A lifted crew, from its folder to an answer of the embedded LM; and one answer of every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from every_format import FORMATS, write_prototype
from small_project import call

pytestmark = pytest.mark.slow


def lifted(name: str, folder: Path) -> Path:
    """The project that a prototype was lifted into."""
    home = folder / "desk"
    prototype = write_prototype(name, folder)
    done = call("lift", prototype, "--into", home, "--name", name, "--json", cwd=folder)
    assert done.code == 0, done.out
    assert done.document["format"] == FORMATS[name][0]
    return home


def answered(name: str, home: Path, row: dict[str, Any]) -> dict[str, Any]:
    """What the compiled program says of a row."""
    compiled = call("compile", name, "--json", cwd=home)
    assert compiled.code == 0, compiled.out
    artifact = compiled.document["artifact"]
    done = call("run", artifact, "--trace", cwd=home, stdin=json.dumps(row).encode())
    assert done.code == 0, done.out + done.err
    (line,) = done.lines
    return line


def test_a_crew_becomes_a_program_that_answers(tmp_path: Path) -> None:
    home = lifted("balcony", tmp_path)
    line = answered("balcony", home, {"town": "Bergen", "side": "north"})
    assert [step["name"] for step in line["steps"]] == ["choose", "praise"]
    assert line["output"]["praise"]
    asked = json.dumps(line["steps"][1]["prompts"])
    assert line["steps"][0]["outputs"]["choose"][:20] in json.loads(asked)[0]["messages"][-1]["content"]


def test_a_flow_runs_the_step_that_its_router_chose(tmp_path: Path) -> None:
    home = lifted("mail", tmp_path)
    line = answered("mail", home, {"note": "The soup was cold and nobody came."})
    kind = line["output"]["sort"]
    chosen = {"praise": "thank", "blame": "calm"}[kind]
    assert [step["name"] for step in line["steps"]] == ["sort", chosen]
    assert line["output"][chosen]
    assert line["output"][{"thank": "calm", "calm": "thank"}[chosen]] is None


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("call", {"call": "Two rolls, please."}),
        ("essay", {"essay": "The sea is big."}),
        ("room", {"remark": "Dust on the table."}),
        ("poem", {"poem": "Rain on the roof."}),
    ],
)
def test_decisions_come_out_typed_before_any_row_is_labelled(
    name: str, row: dict[str, Any], tmp_path: Path
) -> None:
    home = lifted(name, tmp_path)
    line = answered(name, home, row)
    assert all(value is not None for value in line["output"].values())
