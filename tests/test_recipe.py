"""What a recipe refuses, and where a project's own files are wrong: said before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import shipworthy as sw
from shipworthy.compiler import load_source
from shipworthy.errors import InputError, SourceError


@pytest.mark.parametrize("one", [sw.Readout, "Readout", None])
def test_what_is_no_pass_is_refused(one: Any) -> None:
    with pytest.raises(InputError, match="is no pass") as caught:
        sw.Recipe(passes=[sw.Demos(), one])
    assert "sw.Readout()" in caught.value.hint


@pytest.mark.parametrize("kind", [sw.FieldOrder, sw.Demos, sw.Readout, sw.Student, sw.Cascade])
def test_a_pass_that_would_undo_itself_stands_once(kind: Any) -> None:
    with pytest.raises(InputError, match=f"one {kind.__name__} at most"):
        sw.Recipe(passes=[kind(), kind()])


def test_instructions_and_optimizers_may_follow_each_other() -> None:
    again = sw.Instructions(texts=("Sort it.",))
    assert len(sw.Recipe(passes=[again, again]).passes) == 2


@pytest.mark.parametrize(("name", "value"), [("budget", "calls=5"), ("budget", None), ("gate", 0.5)])
def test_budget_and_gate_are_objects(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"a {name} is no") as caught:
        sw.Recipe(**{name: value})
    assert "sw." in caught.value.hint


@pytest.mark.parametrize("name", ["texts", "sources"])
def test_one_text_is_not_taken_for_its_letters(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} are several"):
        sw.Instructions(**{name: "gepa"})


def test_a_syntax_error_is_placed_in_the_file_that_has_it(tmp_path: Path) -> None:
    for folder in ("programs", "optimizers"):
        (tmp_path / folder).mkdir()
    file = tmp_path / "programs" / "sort.py"
    file.write_text("import dspy\n\nsort = dspy.Predict(\n", encoding="utf-8")
    with pytest.raises(SourceError, match="SyntaxError") as caught:
        load_source(tmp_path, "sort")
    assert caught.value.where == f"{file}:3"
    assert "sort.py, line" not in caught.value.message
