"""Every format, from its file to source that imports, type-checks and reads well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from every_format import FORMATS, write_prototype

from shipworthy.errors import PrototypeError
from shipworthy.examples import Table
from shipworthy.lift import find_project, lift, make_project, plain_prototype, read_prototype, write_source
from shipworthy.lift.readers import READERS, formats_table

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All formats, lifted into one project."""
    folder = tmp_path_factory.mktemp("formats")
    home = folder / "desk"
    for name in FORMATS:
        lifted = lift(read_prototype(write_prototype(name, folder), name=name))
        write_source(lifted, home)
        make_project(home, name)
    assert find_project(home) == home
    return home


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_recognised_by_its_content(name: str, tmp_path: Path) -> None:
    assert read_prototype(write_prototype(name, tmp_path)).format == FORMATS[name][0]


def test_there_is_a_prototype_of_every_format() -> None:
    assert {reader.format for reader in READERS} == {format for format, _ in FORMATS.values()}


def test_what_is_stated_becomes_types(tmp_path: Path) -> None:
    found = {}
    for name in FORMATS:
        lifted = lift(read_prototype(write_prototype(name, tmp_path), name=name))
        found[name] = {field.name: field.schema for step in lifted.steps for field in step.contract.outputs}
    labels = ["order", "complaint", "other"]
    assert found["call"]["topic"]["enum"] == found["phone"]["topic"]["enum"] == labels
    assert found["essay"]["grade"]["enum"] == ["weak", "fair", "good"]
    assert found["essay"]["faults"] == {"type": "array", "items": {"type": "string"}}
    assert found["room"] == {"clean": {"type": "boolean"}}
    assert found["poem"]["mood"]["enum"] == ["glad", "sad"]
    assert found["poem"]["lines"] == {"type": "integer", "minimum": 1, "maximum": 40}
    assert found["mail"]["sort"]["enum"] == ["praise", "blame"]
    assert found["plural"] == {"plural": {"type": "string"}}


def test_steps_follow_each_other_by_what_they_give(tmp_path: Path) -> None:
    crew = lift(read_prototype(write_prototype("balcony", tmp_path), name="balcony"))
    assert [step.name for step in crew.steps] == ["choose", "praise"]
    assert crew.edges == (("choose", "praise"),)
    assert {field.name for field in crew.contract.inputs} == {"town", "side"}
    assert [field.name for field in crew.contract.outputs] == ["praise"]


def test_a_router_sends_each_label_to_its_step(tmp_path: Path) -> None:
    flow = lift(read_prototype(write_prototype("mail", tmp_path), name="mail"))
    router = flow.prototype.draft.router
    assert router is not None
    assert router.to == {"praise": "thank", "blame": "calm"}


def test_what_was_written_is_formatted_and_clean(project: Path) -> None:
    for command in (["format", "--check", "--line-length", "100"], ["check", "--line-length", "100"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "signatures", "programs", "optimizers"],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_what_was_written_type_checks(project: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--ignore-missing-imports",
            "--follow-imports",
            "silent",
            "signatures",
        ],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_lifting_again_changes_nothing_and_never_overwrites_a_person(project: Path, tmp_path: Path) -> None:
    lifted = lift(read_prototype(write_prototype("poem", tmp_path), name="poem"))
    before = {path: path.read_text() for path in project.glob("*/poem.py")}
    write_source(lifted, project)
    assert {path: path.read_text() for path in project.glob("*/poem.py")} == before


def test_a_missing_or_unknown_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError, match="cannot be read"):
        read_prototype(tmp_path / "none.json")
    other = tmp_path / "data.bin"
    other.write_text("words")
    with pytest.raises(PrototypeError, match=r"'\.bin' is not read"):
        read_prototype(other)
    with pytest.raises(PrototypeError, match="a folder like this one is not read"):
        read_prototype(tmp_path)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(PrototypeError, match="over 10 MB"):
        read_prototype(path)


def test_a_text_in_memory_is_a_prototype_too() -> None:
    prototype = plain_prototype("sort", "Sort {note}.")
    assert prototype.slots == ("note",)
    assert prototype.render({"note": "{slot}"}) == "Sort {slot}."


def test_the_table_of_formats_is_the_readers_own() -> None:
    page = (DOCS / "lifting.md").read_text(encoding="utf-8")
    assert formats_table() in page, f"put this into docs/lifting.md:\n{formats_table()}"


def test_an_optional_input_needs_no_column(tmp_path: Path) -> None:
    prototype = read_prototype(write_prototype("note", tmp_path), name="note")
    rows = tuple({"guest": {"name": name}, "reply": f"Dear {name}"} for name in ("Ada", "Bo", "Cleo", "Di"))
    table = Table(("guest", "reply"), rows, (1, 2, 3, 4), "rows.jsonl")
    contract = lift(prototype, table, outputs=["reply"]).contract
    assert [field.name for field in contract.inputs] == ["guest", "allergies"]
    assert contract.read_inputs(rows[0])["allergies"] is None
    assert "stands as it is" in prototype.render(rows[0])
    assert "Warn" in prototype.render({**rows[0], "allergies": ["nuts"]})
