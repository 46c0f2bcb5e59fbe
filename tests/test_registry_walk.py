"""The walk of docs/registry.md, each command as it stands there, on a real LM and a real MLflow."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from coarser import coarser
from registered import alias_of, copy_project
from small_project import Hotel, call, hotel

from shipworthy.lms import ensure_weights
from shipworthy.registry import history, resolve, tracking_uri

__all__ = ["hotel"]

PAGE = Path(__file__).parent.parent / "docs" / "registry.md"
FIRST = "shipworthy ship prompt.md rows.csv --name hotel"


def steps() -> list[tuple[str, str]]:
    """Commands and settings of the walk, in order."""
    text = PAGE.read_text(encoding="utf-8")
    walk = text[text.index("## A walk") : text.index("## What a version holds")]
    found = re.compile(r"```toml\n(.*?)```|^    (shipworthy [^\n]*)$", re.S | re.M).findall(walk)
    return [("settings", toml) if toml else ("command", command) for toml, command in found]


@pytest.mark.slow
def test_the_walk_of_the_registrys_page_goes_as_it_stands_there(hotel: Hotel, tmp_path: Path) -> None:
    (first, *rest) = steps()
    assert first == ("command", FIRST)  # which is how the hotel was shipped
    assert hotel.shipped.document["status"] == "shipped"
    project = tmp_path / "hotel"
    copy_project(hotel.folder, project)
    coarser(ensure_weights(), project / "smaller.gguf", bits=2)
    said = {}
    for kind, text in rest:
        if kind == "settings":
            settings = project / "pyproject.toml"
            settings.write_text(f"{settings.read_text()}\n{text}")
            continue
        command, _, exits = text.partition("#")
        expected = {int(code) for code in re.findall(r"\d", exits)} or {0}
        done = call(*shlex.split(command)[1:], cwd=project)
        assert done.code in expected, (command, done.out, done.err)
        said[command.strip()] = done.out
    uri = tracking_uri(project)
    entries = history(uri, "hotel").accepted
    kinds = [(entry.data["kind"], entry.data["from"], entry.to) for entry in entries]
    assert kinds[:5] == [
        ("promote", None, 1),
        ("promote", 1, 2),
        ("promote", 2, 1),
        ("rollback", 1, 2),
        ("rollback", 2, 1),
    ]
    assert [bool(entry.data["forced"]) for entry in entries[:5]] == [False, True, False, False, True]
    assert resolve("hotel", uri=uri).version == alias_of(uri, "hotel")
    assert "inconclusive" in said["shipworthy versions hotel"]
    assert "does not hold" not in said["shipworthy promote hotel/1"]
    assert "by force: shown at the fair" in said["shipworthy history hotel"]
    assert "nothing is wrong" in said["shipworthy doctor hotel"]
