"""YAML is read as version 1.2 means it, as data only, and says where things stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift.yaml12 import load_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Yes", "Yes"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-11-26", "2026-11-26"),
        ("-1.5e3", -1500.0),
        (".5", 0.5),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("!!float 12", 12.0),
        ("! 12", "12"),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_the_core_schema_says(text: str, value: Any) -> None:
    found = load_yaml(f"key: {text}", where="a.yaml")["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_their_text() -> None:
    assert load_yaml("1: a\nYes: b\nnull: c", where="a.yaml") == {"1": "a", "Yes": "b", "null": "c"}


@pytest.mark.parametrize("text", ["😀 שלום", "one\u2028two", "a\u0085b", "مرحبا {{name}}"])
def test_text_of_every_script_is_kept(text: str) -> None:
    assert load_yaml(f"key: |-\n  {text}\n", where="a.yaml") == {"key": text}


def test_a_file_without_a_document_is_none() -> None:
    assert load_yaml("# nothing\n", where="a.yaml") is None


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: [1,\nc: 2", "a.yaml:3:5", "no valid YAML"),
        ("a: x: y", "a.yaml:1:5", "mapping values"),
        ("a:\n\t- b", "a.yaml:2:1", "cannot start"),
        ("é: 1\nb: \x07", "a.yaml:2:4", "control characters"),
        ("a: 1\na: 2", "a.yaml:2:1", "'a' stands twice"),
        ("- a: {{order}}", "a.yaml:1:7", "no text"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1", "second document"),
        ("a: *nobody", "a.yaml:1:4", "no anchor"),
        ("a: &a [*a]", "a.yaml:1:8", "contains itself"),
        ("a: !!int yes", "a.yaml:1:4", "is no int"),
        ("<<: 1", "a.yaml:1:1", "no mapping"),
        ("a: " + "[" * 200, "a.yaml:1:104", "100 deep"),
    ],
)
def test_what_is_broken_is_refused_with_line_and_column(text: str, place: str, message: str) -> None:
    with pytest.raises(PrototypeError, match=message) as caught:
        load_yaml(text, where="a.yaml")
    assert caught.value.where == place
    assert caught.value.hint


@pytest.mark.parametrize(
    "node",
    [
        "!!python/object/apply:os.system [ls]",
        "!!python/name:os.system x",
        "!!python/object:a.B {c: d}",
        "!include other.yaml",
        "!!binary aGk=",
        "!!timestamp 2026-11-26",
        "!!set {a, b}",
        "!!seq {a: b}",
    ],
)
def test_tags_that_build_objects_are_refused(node: str) -> None:
    with pytest.raises(PrototypeError, match="would build an object") as caught:
        load_yaml(f"a: 1\nb: {node}", where="a.yaml")
    assert caught.value.where == "a.yaml:2:4"


def test_aliases_stand_for_their_anchor() -> None:
    text = "base: &base {a: 1, b: 2}\nmore:\n  <<: *base\n  b: 3\nsame: *base"
    assert load_yaml(text, where="a.yaml") == {
        "base": {"a": 1, "b": 2},
        "more": {"a": 1, "b": 3},
        "same": {"a": 1, "b": 2},
    }


def test_of_several_merged_mappings_the_first_wins() -> None:
    text = "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}"
    assert load_yaml(text, where="a.yaml")["c"] == {"x": 1, "y": 2}


def test_aliases_that_explode_are_refused_before_they_are_expanded() -> None:
    lines = ['a0: &a0 ["lol", "lol", "lol"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(PrototypeError, match="aliases expand"):
        load_yaml("\n".join(lines), where="a.yaml")


def test_every_key_path_has_its_line() -> None:
    document = read_yaml("# c\ntests:\n  - vars:\n      a: 1\n  - vars: {b: 2}\n", where="a.yaml")
    assert document.line("tests") == 2
    assert document.line("tests", 0) == 3
    assert document.line("tests", 0, "vars", "a") == 4
    assert document.at("tests", 1, "vars", "b") == "a.yaml:5"
    assert document.line("tests", 1, "vars", "missing") == 5
    assert document.line() == 2


def test_lines_count_from_where_the_text_begins_in_its_file() -> None:
    assert read_yaml("a: 1", where="a.prompt", first_line=4).line("a") == 4
    with pytest.raises(PrototypeError) as caught:
        read_yaml("a: [", where="a.prompt", first_line=4)
    assert caught.value.where.startswith("a.prompt:4:")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff\ufeff")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé {}:#<>-", max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    assert load_yaml(json.dumps(value, ensure_ascii=False, indent=1), where="a.yaml") == value
