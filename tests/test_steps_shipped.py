"""A project's program of several steps on the embedded LM: compiled, certified, registered, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_project import MESSAGES, call

import shipworthy as sw

FILES = {
    "pyproject.toml": "[project]\nname = 'house'\nversion = '0'\n\n[tool.shipworthy]\n",
    "signatures/hotel.py": '''
"""Contracts of hotel."""

from typing import Literal

import dspy


class Route(dspy.Signature):
    """You route messages that guests send to a small hotel."""

    message: str = dspy.InputField()
    desk: Literal["kitchen", "repairs", "desk"] = dspy.OutputField()


class Room(dspy.Signature):
    """Name the thing in the room that needs repair, in one word."""

    message: str = dspy.InputField()
    thing: str = dspy.OutputField()
''',
    "programs/hours.py": '''
"""When each desk is there."""

HOURS = {"kitchen": "7 to 22", "repairs": "9 to 17", "desk": "all day"}


def opening(desk: str) -> str:
    """Opening hours."""
    return HOURS[desk]
''',
    "programs/hotel.py": '''
"""Program hotel: route a message, name what is broken, and say when somebody is there."""

import shipworthy as sw
from programs.hours import opening
from signatures.hotel import Room, Route


class Hotel(sw.Steps):
    inputs = ("message",)
    outputs = ("desk", "thing", "hours")

    route = sw.step(Route)
    room = sw.step(Room, when={"desk": "repairs"})
    hours = sw.step(opening)
''',
    "optimizers/hotel.py": '''
"""How hotel is compiled."""

import shipworthy as sw

recipe = sw.Recipe(
    passes=[sw.Demos(), sw.Readout(questions=False), sw.Student()],
    metric="desk",
    budget=sw.Budget(calls=200),
    steps={"room": [sw.Demos(without_classes=2)]},
)
''',
}
HOURS = {"kitchen": "7 to 22", "repairs": "9 to 17", "desk": "all day"}


def row(message: str, desk: str) -> dict[str, Any]:
    return {"message": message, "desk": desk, "hours": HOURS[desk]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, its programs not compiled yet."""
    folder = tmp_path_factory.mktemp("house")
    rows = {
        "train": [row(text, desk) for desk, texts in MESSAGES.items() for text in texts[:7]],
        "test": [row(text, desk) for desk, texts in MESSAGES.items() for text in texts[7:]],
    }
    files = FILES | {
        f"data/hotel/{name}.jsonl": "".join(json.dumps(one) + "\n" for one in own)
        for name, own in rows.items()
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"))
    return folder


@pytest.mark.slow
def test_it_is_shipped_and_run_by_name(project: Path) -> None:
    shipped = call("ship", "hotel", "--json", cwd=project)
    document = shipped.document
    assert shipped.code in (0, 1), shipped.err
    assert document["compile"]["dev"]["score"] > 0.5
    assert document["verdict"] == "inconclusive"  # there is no prototype to be better than
    assert document["compiled"]["score"] > 0.5

    (project / "new.jsonl").write_text(
        '{"message": "The tap in the bathroom drips all night"}\n{"message": "Two eggs, please"}\n{}\n'
    )
    lines = call("run", "hotel", "new.jsonl", "--trace", cwd=project).lines
    for line in lines[:2]:
        output = line["output"]
        assert output["hours"] == HOURS[output["desk"]]
        assert (output["thing"] is None) == (output["desk"] != "repairs")
        names = [step["name"] for step in line["steps"]]
        assert names == (["route", "room", "hours"] if output["desk"] == "repairs" else ["route", "hours"])
    assert lines[2]["error"]["type"] == "RowInputError"
    program = sw.load("hotel", project=project)
    assert program(message="Two eggs, please").outputs == lines[1]["output"]
