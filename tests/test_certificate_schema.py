"""The published schema of certificate.json: what is written fits it, and what lacks a key does not."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from small_project import Hotel, hotel
from test_judge_gate import measured
from test_page import full, nasty, nothing, quick
from test_rubric import good

import shipworthy as sw
from shipworthy.evidence import questions, rubric

__all__ = ["hotel"]

TEXT = resources.files("shipworthy.evidence").joinpath("certificate.schema.json").read_text("utf-8")
SCHEMA: dict[str, Any] = json.loads(TEXT)
OPTIONAL = {
    *("batteries", "difference_by_output", "gate", "leaks", "questions", "rubric"),
    *("out_of_scope", "remarks"),
}


def faults(data: dict[str, Any]) -> list[str]:
    """What the schema says of data, as it is written and read back."""
    data = {**data, "digest": "ab12" * 16} if "digest" in data else data
    for one in (data.get("compiled"), data.get("prototype"), *data.get("baselines", {}).values()):
        if one is not None:
            one.setdefault("without_lm", None)
    found = Draft202012Validator(SCHEMA).iter_errors(json.loads(json.dumps(data)))
    return [f"{error.json_path}: {error.message}" for error in found]


def whole() -> dict[str, Any]:
    facts = good()
    scored = {"rubric": rubric(facts), "questions": questions(facts)}
    gate = sw.Gate(rubric=2, outputs={"queue": {"margin": 0.01}}).as_json()
    return measured() | scored | {"gate": gate}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("make", [full, quick, nothing, whole])
def test_certificates_fit_it(make: Any) -> None:
    assert faults(make()) == []


def test_keys_may_be_added() -> None:
    assert faults(full() | {"new": 1, "batteries": {"more": []}}) == []


def test_untrusted_text_fits_where_text_is() -> None:
    assert not [fault for fault in faults(nasty()) if ".worst" in fault or ".facts" in fault]


@pytest.mark.parametrize("key", sorted(set(SCHEMA["properties"]) - OPTIONAL))
def test_no_key_may_be_missing(key: str) -> None:
    data = full()
    del data[key]
    assert [fault for fault in faults(data) if key in fault]


@pytest.mark.parametrize("key", ["batteries", "gate", "leaks", "questions", "rubric"])
def test_what_was_not_measured_is_null(key: str) -> None:
    assert faults(full() | {key: None}) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "passed"),
        (("reasons",), []),
        (("look",), 0),
        (("compiled", "score"), 91.2),
        (("compiled", "ci"), [0.1]),
        (("difference", "ci"), [0.1, 0.2, 0.3]),
        (("rubric", "checks"), []),
        (("made",), 5),
    ],
)
def test_a_value_of_another_kind_is_refused(path: tuple[str, ...], value: Any) -> None:
    data = whole()
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert faults(data)


def test_every_key_says_what_it_is_or_points_to_what_does() -> None:
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) - OPTIONAL
    assert set(SCHEMA["properties"]) >= set(full())


@pytest.mark.slow
def test_a_certificate_as_it_is_written_fits_it(hotel: Hotel) -> None:
    folder = next((hotel.folder / ".shipworthy" / "certificates" / "hotel").iterdir())
    data = json.loads((folder / "certificate.json").read_text("utf-8"))
    assert list(Draft202012Validator(SCHEMA).iter_errors(data)) == []
    assert set(data) <= set(SCHEMA["properties"])
