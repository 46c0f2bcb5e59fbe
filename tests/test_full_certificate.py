"""The full certificate by one command: every battery on the real LM, interrupted and gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from registered import copy_project
from small_project import Hotel, call, hotel
from test_certificate_schema import faults

from shipworthy.errors import LMError
from shipworthy.evidence import batteries, contest

__all__ = ["hotel"]

pytestmark = pytest.mark.slow
SIZES = {"BRITTLE_ROWS": 1, "ATTACKED_ROWS": 1, "ATTACKS_A_ROW": 2, "FAULTY_ROWS": 2, "LOAD_S": 0.5}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batteries of a row or two: what is tested is that they come together."""
    for name, size in SIZES.items():
        monkeypatch.setattr(batteries, name, size)
    monkeypatch.setattr(contest, "FREE_ROWS", 2)


@pytest.fixture
def project(hotel: Hotel, tmp_path: Path) -> Path:
    folder = tmp_path / hotel.folder.name
    copy_project(hotel.folder, folder)
    return folder


def certificate_of(project: Path) -> dict[str, Any]:
    found = (project / ".shipworthy" / "certificates").glob("*/*/certificate.json")
    data: dict[str, Any] = json.loads(next(found).read_text(encoding="utf-8"))
    return data


def test_it_is_interrupted_goes_on_and_is_whole(
    small: None, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next((project / "programs").glob("*.py")).stem
    measure = batteries.load

    def down(*_: Any, **__: Any) -> dict[str, Any]:
        raise LMError("the LM is down")

    monkeypatch.setattr(batteries, "load", down)
    stopped = call("certify", name, "--other-lm", "local", "--json", cwd=project)
    assert stopped.code == 3
    assert stopped.document["error"]["type"] == "LMError"
    kept = list((project / ".shipworthy" / "batteries").glob("*/*.json"))
    assert len(kept) == 3  # brittleness, attacks and faults are done

    monkeypatch.setattr(batteries, "load", measure)
    for battery in ("brittleness", "attacks", "faults"):
        monkeypatch.setattr(batteries, battery, down)  # what is done is not done again
    done = call("certify", name, "--other-lm", "local", "--json", cwd=project)
    assert done.code in (0, 1), done.out
    assert "WARNING" not in done.err  # nothing of DSPy's own
    assert not list((project / ".shipworthy" / "batteries").glob("*/*.json"))

    data = certificate_of(project)
    assert faults(data) == []
    assert data["quick"] is False
    assert set(data["batteries"]) == {"brittleness", "attacks", "faults", "load"}
    assert [name for name, entry in data["baselines"].items() if entry is None] == ["crf"]  # nothing to find
    free = data["rows"]["free"]
    assert data["baselines"]["dspy_few_shot"]["n"] == free < data["rows"]["test"]
    assert data["prototype"]["n"] == data["compiled"]["n"] == data["rows"]["test"]
    worlds = data["batteries"]["brittleness"]["worlds"]  # the same LM by its name: nothing changes on it
    assert worlds["compiled"]["by"]["local"]["flipped"]["count"] == 0
    assert worlds["prototype"]["by"]["local"]["variants"] == 1
    tried = data["batteries"]["attacks"]["contenders"]
    assert tried["compiled"]["overall"]["attempts"] == tried["prototype"]["overall"]["attempts"] > 0
    assert data["batteries"]["load"]["levels"][-1]["offered"] > 0
    assert any(f"ran on {free} of" in reason for reason in data["reasons"])


def test_without_test_rows_it_is_inconclusive_and_says_what_would_be_enough(
    project: Path, tmp_path: Path
) -> None:
    name = next((project / "programs").glob("*.py")).stem
    for content in ("", "\n"):
        rows = tmp_path / "none.jsonl"
        rows.write_text(content, encoding="utf-8")
        done = call("certify", name, "--quick", "--test", rows, "--json", cwd=project)
        assert done.code == 1, done.out
        assert done.document["verdict"] == "inconclusive"
        assert "at least 50 labelled rows" in done.document["reasons"][0]


def test_rows_of_one_class_and_answers_of_other_rows_are_told(project: Path, tmp_path: Path) -> None:
    name = next((project / "programs").glob("*.py")).stem
    lines = (project / "data" / name / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = tmp_path / "one.jsonl"
    rows.write_text(f"{lines[0]}\n", encoding="utf-8")
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"message": "of another day", "answer": "desk"}\n', encoding="utf-8")
    done = call(
        "certify", name, "--quick", "--test", rows, "--prototype-answers", answers, "--json", cwd=project
    )
    assert done.code == 1, done.out
    assert done.document["verdict"] == "inconclusive"
    assert "all test rows have the same 'desk'" in " ".join(done.document["reasons"])
    assert "no recorded answer belongs to a test row" in " ".join(done.document["reasons"])
