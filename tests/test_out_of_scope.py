"""Rows that no label fits: who hands them over, and which file they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipworthy.errors import ExamplesError, OutputError
from shipworthy.evidence.out_of_scope import out_of_scope
from shipworthy.runtime import Answer, Contract, Field, ordered_map
from shipworthy.ship.rows import unfit_rows

CONTRACT = Contract((Field("text", {"type": "string"}),), (Field("topic", {"enum": ["lost", "praise"]}),))
ROWS = [{"text": text} for text in ("what is a prime", "sing", "", "who won")]


def contender(answer: Callable[[Mapping[str, Any]], Answer]) -> Any:
    return lambda rows: ordered_map(answer, rows, workers=1)


def sure_of_short_texts(row: Mapping[str, Any]) -> Answer:
    return Answer({"topic": "lost"}, {"topic": 0.5}, answered=len(row["text"]) < 5)


def names_no_label(row: Mapping[str, Any]) -> Answer:
    if not row["text"]:
        raise OutputError("it said nothing")
    return Answer({} if "prime" in row["text"] else {"topic": "lost"}, {}, answered=True)


def test_a_row_is_handed_over_where_nobody_is_sure_or_no_label_is_named() -> None:
    seen: list[int] = []
    asked = {
        "compiled": (contender(sure_of_short_texts), ROWS),
        "prototype": (contender(names_no_label), ROWS),
    }
    found = out_of_scope(asked, ["topic"], on_row=seen.append)
    assert seen == list(range(1, 9))
    assert [found["compiled"][key] for key in ("n", "handed_over", "errors", "share")] == [4, 2, 0, 0.5]
    assert [found["prototype"][key] for key in ("n", "handed_over", "errors", "share")] == [4, 1, 1, 0.25]
    low, high = found["compiled"]["ci"]
    assert 0.1 < low < 0.5 < high < 0.9


def test_labels_of_such_rows_are_ignored_whatever_they_are(tmp_path: Path) -> None:
    lines = [{"text": "what is a prime", "topic": "out_of_scope", "more": 1}, {"text": "sing"}]
    path = tmp_path / "data" / "sort" / "out_of_scope.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    expected = [{"text": "what is a prime"}, {"text": "sing"}]
    assert unfit_rows(tmp_path, "sort", CONTRACT, None) == expected
    assert unfit_rows(tmp_path, "other", CONTRACT, None) == []
    assert unfit_rows(tmp_path, "other", CONTRACT, path) == expected


@pytest.mark.parametrize("text", ['{"words": 1}\n', "{broken\n"])
def test_a_file_without_the_inputs_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(ExamplesError):
        unfit_rows(tmp_path, "sort", CONTRACT, path)
