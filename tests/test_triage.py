"""The repository's own program: its data card holds, and its source is a program."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "triage"
NEAR = 0.5


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    lines = [
        line for split in ("train", "test") for line in (DATA / f"{split}.jsonl").read_text().splitlines()
    ]
    return [json.loads(line) for line in lines]


def test_there_are_enough_tickets_of_each_class(rows: list[dict[str, object]]) -> None:
    assert len(rows) >= 320
    for name in ("queue", "priority", "needs_human"):
        assert min(Counter(row[name] for row in rows).values()) >= 25


def test_no_two_tickets_are_nearly_the_same(rows: list[dict[str, object]]) -> None:
    words = [frozenset(re.findall(r"\w+", str(row["ticket"]).lower())) for row in rows]
    for left, right in combinations(words, 2):
        assert len(left & right) < NEAR * len(left | right)


def test_the_card_tells_the_counts(rows: list[dict[str, object]]) -> None:
    card = (DATA / "README.md").read_text()
    for queue, count in Counter(row["queue"] for row in rows).items():
        assert f"| `{queue}` | {count} |" in card
    for split in ("train", "test"):
        count = len((DATA / f"{split}.jsonl").read_text().splitlines())
        assert f"`{split}.jsonl` ({count} rows)" in card


def test_some_tickets_are_short_some_long_some_in_other_languages(rows: list[dict[str, object]]) -> None:
    lengths = sorted(len(str(row["ticket"]).split()) for row in rows)
    assert lengths[10] <= 8
    assert lengths[-10] >= 80
    assert any("ß" in str(row["ticket"]) or " ich " in str(row["ticket"]) for row in rows)


def test_the_source_is_a_program_with_a_recipe() -> None:
    from shipworthy.compiler import load_source

    source = load_source(ROOT, "triage")
    assert [field.name for field in source.contract.inputs] == ["ticket"]
    assert [field.name for field in source.contract.outputs] == ["queue", "priority", "needs_human"]
    assert [type(one).__name__ for one in source.recipe.passes] == ["Demos", "Readout", "Student"]
