"""The authored data: what its cards promise of every row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent.parent / "data"
INPUTS = {"triage": "ticket", "extraction": "message", "answer": "question"}


def rows(name: str, split: str) -> list[dict[str, Any]]:
    text = (DATA / name / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", INPUTS)
def test_no_row_stands_twice_or_in_both_splits(name: str) -> None:
    texts = [row[INPUTS[name]].casefold().strip() for split in ("train", "test") for row in rows(name, split)]
    assert len(texts) == len(set(texts)) >= 150


@pytest.mark.parametrize("name", INPUTS)
def test_the_card_counts_the_rows_that_there_are(name: str) -> None:
    card = (DATA / name / "README.md").read_text(encoding="utf-8")
    for split in ("train", "test"):
        assert re.search(rf"`{split}\.jsonl`[^\n]*?\b{len(rows(name, split))}\b", card)


def test_every_extracted_text_stands_in_its_message() -> None:
    for row in rows("extraction", "train") + rows("extraction", "test"):
        assert set(row) == {"message", "order_number", "product", "quantity", "deliver_by", "total"}
        texts = [row[name] for name in ("order_number", "product", "deliver_by", "total")]
        assert all(text is None or text in row["message"] for text in texts), row
        assert row["quantity"] is None or isinstance(row["quantity"], int)


def test_every_quote_stands_in_its_section_of_the_handbook() -> None:
    handbook = (DATA / "answer" / "handbook.md").read_text(encoding="utf-8")
    parts = re.split(r"(?m)^#+ +(.+)$", handbook)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for row in rows("answer", "train") + rows("answer", "test"):
        if row["answer"] is None:
            assert row["quote"] is row["section"] is None
        else:
            assert row["quote"] in sections[row["section"]], row
