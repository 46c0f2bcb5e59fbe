"""Every error has its place in the tree, and the tree is drawn as it is."""

from __future__ import annotations

import inspect
import json
import re

import pytest

from shipworthy import errors
from shipworthy.errors import MissingExtraError, RowInputError, ShipworthyError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__
}


def drawn() -> list[tuple[str, str | None, int | None]]:
    """(class, parent, exit code if one is drawn), from the docstring."""
    found: list[tuple[str, str | None, int | None]] = []
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]*)(\w+Error)\b.*?(?:exit (\d))?$", line)
        if match:
            depth = len(match[1]) // 4
            above[depth] = match[2]
            found.append((match[2], above.get(depth - 1), int(match[3]) if match[3] else None))
    return found


def test_the_tree_in_the_docstring_lists_exactly_the_classes_defined() -> None:
    listed = [name for name, _, _ in drawn()]
    assert sorted(listed) == sorted(CLASSES) == sorted(errors.__all__)


def test_each_class_hangs_where_the_tree_shows_it() -> None:
    for name, parent, _ in drawn():
        assert CLASSES[name].__bases__ == ((CLASSES[parent],) if parent else (Exception,))


def test_exit_codes_are_those_of_the_tree() -> None:
    shown = {name: code for name, _, code in drawn() if code is not None}
    assert shown == {"InputError": 2, "ConflictError": 1, "OutsideError": 3}
    for name, code in shown.items():
        below = [value for value in CLASSES.values() if issubclass(value, CLASSES[name])]
        assert {value.exit_code for value in below} == {code}
    assert RowInputError("x").exit_code == 1
    assert ShipworthyError("x").exit_code == 2


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "MissingExtraError"])
def test_each_error_reports_type_message_hint_and_place(name: str) -> None:
    error = CLASSES[name]("it broke", hint="mend it", where="a.csv:3")
    assert error.as_dict() == {"type": name, "message": "it broke", "hint": "mend it", "where": "a.csv:3"}
    assert str(error) == "a.csv:3: it broke (mend it)"
    assert str(CLASSES[name]("it broke")) == "it broke"


def test_a_missing_extra_says_what_to_install() -> None:
    assert MissingExtraError("compile", "dspy").hint == 'pip install "shipworthy[compile]"'
    assert "dspy" in str(MissingExtraError("compile", "dspy"))


def test_a_fault_of_ours_keeps_the_contract_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from shipworthy.cli import commands, run

    def fails(*_: object, **__: object) -> None:
        raise TypeError("no such thing")

    monkeypatch.setattr(commands.app, "main", fails)
    assert run(["compile", "triage", "--json"]) == 3
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert error["type"] == "InternalError"
    assert error["message"] == "TypeError: no such thing"
    assert "Traceback" in said.err
