"""A full certificate's data: its batteries run here, on stand-ins that answer real tickets."""

from __future__ import annotations

import copy
import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from test_faults import messages, reads_loosely, understanding
from test_page import full
from test_rubric import good

from shipworthy.errors import OutputError
from shipworthy.evidence import questions, rubric
from shipworthy.evidence.attack_forms import attacks_with, delimiters_of
from shipworthy.evidence.attacks import attacks
from shipworthy.evidence.brittleness import brittleness
from shipworthy.evidence.faults import faults
from shipworthy.evidence.load import load
from shipworthy.evidence.rubric import ByHand, read_by_hand
from shipworthy.lift import plain_prototype
from shipworthy.lms import LM, Prompt
from shipworthy.runtime import Answer, Field, Outcome, ordered_map
from shipworthy.scoring import EXACT

WIDTH = 2**14
TRIAGE = Path(__file__).parent.parent / "data" / "triage"
INPUTS = (Field("ticket", {"type": "string"}),)
PROMPT = plain_prototype("triage", "Sort the ticket.\n\nTicket:\n{ticket}\n\nQueue:")
HANDS: dict[str, ByHand] = read_by_hand(
    {"rubric": {"model-inclusion": {"by": "Ida", "on": "2026-05-01", "note": "40 tickets by learners read"}}}
)


def whole() -> dict[str, Any]:
    """`Certificate.data` of a full certificate, as read back from JSON."""
    return copy.deepcopy(_whole())


@cache
def _whole() -> dict[str, Any]:
    data = full() | {"batteries": batteries()}
    facts = good()
    facts = type(facts)(**{**vars(facts), "certificate": data, "monitoring": None, "slices": None})
    data["rubric"], data["questions"] = rubric(facts, HANDS), questions(facts)
    found: dict[str, Any] = json.loads(json.dumps(data))
    return found


def batteries() -> dict[str, Any]:
    train, test = tickets("train"), tickets("test")
    outputs = (Field("queue", {"enum": sorted({row["queue"] for row in train})}),)
    contenders = {"compiled": _Learnt(train), "prototype": _Keywords()}
    words = {"inputs": INPUTS, "outputs": outputs}
    return {
        "brittleness": brittleness(
            contenders,
            test,
            **words,
            metric=EXACT,
            at_most=40,
            reworded={"list_order": _Keywords(2), "format_json": _Keywords(5), "reworded": _Keywords(0)},
            worlds={"compiled": {"another quantisation": _Learnt(train[::2])}},
        ),
        "attacks": attacks(
            contenders, test, **words, at_most=15, delimiters=delimiters_of(PROMPT), context_tokens=500
        ),
        "faults": {
            name: faults(many, messages(), lm=understanding(), outputs=["last"], metric=EXACT)
            for name, many in (("compiled", reads_strictly), ("prototype", reads_loosely))
        },
        "load": load(_slow, messages(), workers=2, seconds_each=0.5, deadline_s=0.2),
    }


def tickets(split: str) -> list[dict[str, Any]]:
    lines = (TRIAGE / f"{split}.jsonl").read_text("utf-8").splitlines()
    return [{key: row[key] for key in ("ticket", "queue")} for row in map(json.loads, lines)]


def forms() -> list[str]:
    return [form.name for form in attacks_with(delimiters_of(PROMPT))]


def reads_strictly(lm: LM) -> Any:
    """What a compiled program does: what does not fit its contract is an error."""

    def answer(row: Mapping[str, Any]) -> Answer:
        text = lm.generate(Prompt(user=str(row["text"]))).text
        try:
            value = json.loads(text)["last"]
        except (ValueError, TypeError, KeyError) as error:
            raise OutputError("no such output") from error
        if not isinstance(value, str):
            raise OutputError("no text")
        return Answer({"last": value}, {}, True)

    return lambda rows: ordered_map(answer, rows, workers=lm.workers)


class _Learnt:
    """Naive Bayes on letters in fours: real brittleness, and a confidence."""

    def __init__(self, train: list[dict[str, Any]]) -> None:
        self._queues = sorted({row["queue"] for row in train})
        self._counts = np.ones((len(self._queues), WIDTH))
        for row in train:
            np.add.at(self._counts[self._queues.index(row["queue"])], _fours(row["ticket"]), 1)
        self._logs = np.log(self._counts / self._counts.sum(axis=1, keepdims=True))

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Outcome[Answer]]:
        for row in rows:
            if len(row["ticket"]) > 2000:
                yield Outcome(error=OutputError("too long"))
                continue
            found = _fours(row["ticket"])
            raw = self._logs[:, found].sum(axis=1) / max(1.0, len(found) / 25)
            shares = np.exp(raw - raw.max()) / np.exp(raw - raw.max()).sum()
            best = int(shares.argmax())
            confidence = {"queue": float(shares[best])}
            yield Outcome(Answer({"queue": self._queues[best]}, confidence, bool(shares[best] > 0.45)))


class _Keywords:
    """What a weak prompt does: it knows some words by their spelling, and obeys whoever names a queue."""

    _KNOWN = (
        ("refund", "returns"),
        ("charged", "billing"),
        ("invoice", "billing"),
        ("password", "account"),
        ("log in", "account"),
        ("parcel", "delivery"),
        ("deliver", "delivery"),
        ("courier", "delivery"),
        ("brake", "repair"),
        ("battery", "repair"),
        ("broke", "repair"),
        ("return", "returns"),
        ("swap", "returns"),
        ("Paid", "billing"),
    )

    def __init__(self, skip: int = 0) -> None:
        self._known = self._KNOWN[skip:]

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Outcome[Answer]]:
        for row in rows:
            text = row["ticket"]
            named = [(text.rfind(queue), queue) for queue in self._queues() if queue in text]
            told = next((queue for word, queue in self._known if word in text), "sales")
            yield Outcome(Answer({"queue": max(named)[1] if named else told}, {}, True))

    @staticmethod
    def _queues() -> tuple[str, ...]:
        return ("account", "billing", "delivery", "other", "repair", "returns", "sales")


def _fours(text: str) -> list[int]:
    text = f" {text.lower()} "
    return [zlib.crc32(text[i : i + 4].encode("utf-8", "replace")) % WIDTH for i in range(len(text) - 3)]


def _slow(row: Mapping[str, Any]) -> str:
    time.sleep(0.004)
    return str(row["text"])
