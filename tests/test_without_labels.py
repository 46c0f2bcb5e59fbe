"""Rows may lack labels where checks say what is right: what can be learnt of them is, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest
from test_full_certificate import SIZES
from test_instructions import Last, Sort, Understands, compiled, rows

import shipworthy as sw
from shipworthy.compiler.taught import taught
from shipworthy.errors import ScoringError
from shipworthy.evidence import Opponent, batteries, certify, page_of
from shipworthy.lift import plain_prototype
from shipworthy.lms import Generation, Journal, Prompt, Recorded, Usage
from shipworthy.runtime import Contract, Field
from shipworthy.scoring import Checks

TOPICS = {"enum": ["lost", "broken", "praise"]}
CONTRACT = Contract(
    (Field("text", {"type": "string"}),), (Field("topic", TOPICS), Field("late", {"type": "boolean"}))
)


def equals(value: Any) -> list[dict[str, Any]]:
    return [{"type": "equals", "value": value}]


def without_labels(n: int = 60) -> list[dict[str, Any]]:
    """Rows whose right answer is the last word, which only their checks say."""
    return [{"text": row["text"], "checks": equals(row["text"].split()[-1])} for row in rows(n)]


class Both(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()
    tone: Literal["mild", "harsh"] = dspy.OutputField()


class Mild(Understands):
    """Says that every tone is mild."""

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        names = schema["properties"] if schema else {}
        said = {name: "mild" if name == "tone" else "lost" for name in names}
        return Generation(json.dumps(said), True, Usage(9, 0, 5, 1.0))


def test_where_each_row_has_all_labels_nothing_changes() -> None:
    train = [{"text": "a", "topic": "lost", "late": True}, {"text": "b", "topic": "broken", "late": True}]
    found = taught(CONTRACT, train, [])
    assert found.contract is CONTRACT
    assert found.train == train
    assert not found.notes


def test_a_decision_with_labels_of_one_class_is_generated() -> None:
    train = [{"text": "a", "topic": "lost", "late": True}, {"text": "b", "topic": "broken"}, {"text": "c"}]
    found = taught(CONTRACT, train, [{"text": "d"}])
    assert [field.name for field in found.contract.decisions] == ["topic"]
    assert [field.name for field in found.contract.values] == ["late"]
    assert found.contract.digest == CONTRACT.digest
    assert [row["text"] for row in found.train] == ["a", "b"]
    assert found.dev == []
    assert found.notes == (
        "1 of 3 training rows have labels for 'late', too few to learn from: it is generated",
        "2 rows without a label for 'topic' teach nothing",
    )


def test_rows_without_a_label_leave_the_heads_as_they_are(tmp_path: Path) -> None:
    passes = (sw.Demos(), sw.Readout())
    metric = Checks(labels=True)
    plain = compiled(tmp_path / "one", *passes, always=True, metric=metric)
    more = [*rows(), {"text": "number 9 is lost", "checks": equals("lost")}]
    mixed = compiled(tmp_path / "two", *passes, always=True, metric=metric, train=more)
    assert mixed.digest == plain.digest
    assert "1 rows without a label for 'topic' teach nothing" in mixed.notes


def test_a_decision_without_labels_is_generated(tmp_path: Path) -> None:
    train = [{"text": row["text"], "checks": equals(row["topic"])} for row in rows(12)]
    passes = (sw.FieldOrder(), sw.Demos(), sw.Readout(), sw.Student(), sw.Cascade())
    made = compiled(tmp_path, *passes, train=train, metric=Checks())
    step = made.program.spec.steps["sort"]
    assert step.decide is None
    assert step.generate.outputs == ("topic",)
    assert made.dev is None


def test_one_decision_is_learnt_and_another_generated(tmp_path: Path) -> None:
    from shipworthy.compiler import compile_program, source_of

    recipe = sw.Recipe(passes=[sw.Readout(), sw.Student()], metric=Checks())
    source = source_of(dspy.Predict(Both), name="sort", recipe=recipe)
    train = [{**row, "checks": [{"type": "contains", "value": "mild"}]} for row in rows()]
    lm = Recorded(Mild(always=True), Journal(tmp_path / "journal.jsonl"))
    made = compile_program(source, train, lm=lm, lm_name="stand-in", out=tmp_path / "out")
    step = made.program.spec.steps["sort"]
    assert list(step.decide.heads) == ["topic"]
    assert step.generate.outputs == ("tone",)
    assert [field.name for field in step.contract.decisions] == ["topic"]
    answer = made.program(text="where is number 7")
    assert (answer.topic, answer.tone) == ("lost", "mild")
    assert answer.confidence["tone"] is None


def test_demos_show_what_passes_the_checks(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, sw.Demos(), signature=Last, train=without_labels(), metric=Checks(), always=True
    )
    demos = made.program.spec.steps["sort"].demos
    assert len(demos) == 3
    assert all(demo.outputs["last"] == demo.inputs["text"].split()[-1] for demo in demos)
    assert all(set(demo.outputs) == {"last"} for demo in demos)
    wrong = compiled(tmp_path / "wrong", sw.Demos(), signature=Last, train=without_labels(), metric=Checks())
    assert not wrong.program.spec.steps["sort"].demos


def test_labelled_rows_are_shown_before_rows_without_a_label(tmp_path: Path) -> None:
    labelled = [{**row, "last": row["text"].split()[-1]} for row in without_labels(12)[:4]]
    train = [*labelled, *without_labels(60)[12:]]
    made = compiled(tmp_path, sw.Demos(), signature=Last, train=train, metric=Checks())
    shown = [demo.inputs["text"] for demo in made.program.spec.steps["sort"].demos]
    assert len(shown) == 3
    assert set(shown) <= {row["text"] for row in labelled}


def test_instructions_race_by_checks_alone(tmp_path: Path) -> None:
    texts = ("Look at the parcel first, then sort.", "Sort it, please.")
    made = compiled(
        tmp_path, sw.Instructions(texts=texts), signature=Last, train=without_labels(), metric=Checks()
    )
    assert made.program.spec.steps["sort"].instruction == texts[0]


def test_rows_that_say_nothing_of_an_answer_are_refused_where_they_are_needed(tmp_path: Path) -> None:
    train = [{"text": row["text"], "checks": None} for row in rows()]
    with pytest.raises(ScoringError, match="no check looks at the row's answer"):
        compiled(
            tmp_path, sw.Instructions(texts=("Sort well.",)), signature=Last, train=train, metric=Checks()
        )


@pytest.mark.parametrize("signature", [Last, Sort])
@pytest.mark.parametrize("quick", [True, False])
def test_a_certificate_needs_no_label(
    tmp_path: Path, signature: Any, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in SIZES.items():
        monkeypatch.setattr(batteries, name, size)
    train = without_labels(12)
    if signature is Sort:
        train = [{"text": row["text"], "checks": equals(row["topic"])} for row in rows(12)]
    metric = Checks([{"type": "not-contains", "value": "sorry"}])
    made = compiled(tmp_path, sw.Demos(), signature=signature, train=train, metric=metric, always=True)
    lm = Recorded(Understands(always=True), Journal(tmp_path / "again.jsonl"))
    prototype = plain_prototype("sort", "Look at the parcel first.\n{text}")
    certificate = certify(
        made.program.on(lm),
        Opponent(prototype, None, "digest", lm.id),
        train,
        train,
        lm=lm,
        metric=metric.bound_to(made.program.contract.outputs, train),
        look=1,
        quick=quick,
        target=0.9,
    )
    data = certificate.data
    assert data["compiled"]["n"] == 12
    assert data["baselines"]["majority"] is None
    assert data["baselines"]["tfidf_lr"] is None
    assert data["baselines"]["constrained"]["n"] == 12
    if signature is Last:
        assert data["compiled"]["score"] == 1.0
    assert certificate.rows[0]["beside"] == {"checks": train[0]["checks"]}
    assert certificate.rows[0]["labels"] == {}
    assert "no test row has a label" in " ".join(data["reasons"])
    assert page_of(certificate)


def test_a_row_that_is_wrong_by_its_time_alone_is_told(tmp_path: Path) -> None:
    train = without_labels(12)
    metric = Checks([{"type": "latency", "threshold": 0}])
    made = compiled(tmp_path, sw.Demos(), signature=Last, train=train, metric=metric, always=True)
    lm = Recorded(Understands(always=True), Journal(tmp_path / "again.jsonl"))
    certificate = certify(
        made.program.on(lm),
        Opponent(None, None, "digest", lm.id),
        train,
        train,
        lm=lm,
        metric=metric.bound_to(made.program.contract.outputs, train),
        look=1,
        quick=True,
        target=0.9,
    )
    assert certificate.data["compiled"]["score"] == 0.0
    assert (
        "12 of 12 rows of compiled count as wrong by their time or price alone" in certificate.data["reasons"]
    )
