"""Only where somebody asks for it an LM describes what was lifted, and only what fits is taken over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from every_format import FORMATS, write_prototype
from small_project import call, snapshot

from shipworthy.compiler import load_source
from shipworthy.errors import ContextLengthError, LMError
from shipworthy.lift import Lifted, lift, make_project, plain_prototype, polish, read_prototype, write_source
from shipworthy.lms import Generation, Prompt, Question, Scores
from shipworthy.ship import polishing

PROMPT = "Sort the ticket of a telephone company.\n\nTicket: {ticket}\nLine: {line}\n"
GOOD = {
    "`ticket`": "what the customer of the telephone company wrote",
    "`line`": "number of the customer's line",
    "`answer`": "where the ticket is sorted to",
    "What does": "Sorts the tickets of a telephone company.",
}


class Writes:
    """A stand-in for an LM: it says what was laid down for what it is asked, or raises it."""

    id = "stand-in/writes"
    workers = 2
    reads_logprobs = False
    context = 4000

    def __init__(self, said: dict[str, Any], *, raw: str | None = None, finished: bool = True) -> None:
        self.said, self.raw, self.finished = said, raw, finished
        self.asked: list[Prompt] = []

    def tokenize(self, text: str) -> list[int]:
        return [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        raise LMError("it gives no log-probabilities")

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        assert schema is not None
        self.asked.append(prompt)
        question = prompt.user.rpartition("\n\n")[2]
        said = next(text for key, text in self.said.items() if key in question)
        if isinstance(said, Exception):
            raise said
        return Generation(self.raw if self.raw is not None else json.dumps({"text": said}), self.finished)

    def close(self) -> None:
        pass


def sorting() -> Lifted:
    return lift(plain_prototype("sort", PROMPT))


def described(lifted: Lifted) -> dict[str, str]:
    step = lifted.steps[0]
    return {field.name: field.description for field in (*step.contract.inputs, *step.contract.outputs)}


def test_fields_get_descriptions_and_the_program_a_line(tmp_path: Path) -> None:
    plain = sorting()
    better, texts = polish(plain, Writes(GOOD))
    assert described(better) == {
        "ticket": GOOD["`ticket`"],
        "line": GOOD["`line`"],
        "answer": GOOD["`answer`"],
    }
    assert [one.what for one in texts] == ["input ticket", "input line", "output answer", "program"]
    assert better.about == GOOD["What does"]
    write_source(better, tmp_path)
    make_project(tmp_path, "sort")
    source = load_source(tmp_path, "sort")
    assert source.contract.outputs[0].description == GOOD["`answer`"]
    assert f'"""{GOOD["What does"]}"""' in (tmp_path / "programs" / "sort.py").read_text()
    assert source.instruction == plain.instruction


def test_prose_types_slots_and_names_stay_as_they_are(tmp_path: Path) -> None:
    said = dict.fromkeys(["Describe", "What does"], "the guest, the note and the menu of the balcony")
    for name in FORMATS:
        plain = lift(read_prototype(write_prototype(name, tmp_path), name=name))
        better, _ = polish(plain, Writes(said))
        for old, new in zip(plain.steps, better.steps, strict=True):
            assert (old.name, old.instruction, old.demos) == (new.name, new.instruction, new.demos)
            sides = [
                [(field.name, field.schema) for field in (*step.contract.inputs, *step.contract.outputs)]
                for step in (old, new)
            ]
            assert sides[0] == sides[1]
        assert better.prototype is plain.prototype


def test_what_the_prototype_describes_is_not_asked_for() -> None:
    plain = sorting()
    (step,) = plain.steps
    inputs = (replace(step.contract.inputs[0], description="as it came in"), step.contract.inputs[1])
    stated = replace(step, contract=replace(step.contract, inputs=inputs))
    lm = Writes(GOOD)
    better, texts = polish(replace(plain, steps=(stated,)), lm)
    assert described(better)["ticket"] == "as it came in"
    assert len(lm.asked) == len(texts) == 3


def test_a_field_that_steps_share_is_asked_for_once(tmp_path: Path) -> None:
    plain = lift(read_prototype(write_prototype("mail", tmp_path), name="mail"))
    lm = Writes(dict.fromkeys(["Describe", "What does"], "what is praised or blamed"))
    better, texts = polish(plain, lm)
    assert [one.what for one in texts if "note" in one.what] == ["input note of sort"]
    noted = [field for step in better.steps for field in step.contract.inputs if field.name == "note"]
    assert [field.description for field in noted] == ["what is praised or blamed"] * 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ticket " * 20, "characters, and 8 to 90 are asked for"),
        ("ticket", "characters, and 8 to 90 are asked for"),
        ("the ticket\nof a customer", "not one line"),
        ("the ticket\u2028of a customer", "not one line"),
        ("the \x1b[31mticket of a customer", "not one line"),
        ("The ticket came. It was read.", "more than one sentence"),
        ("1. ticket of the company", "more than one sentence"),
        ("the ticket: which one it is", "more than one sentence"),
        ("the ticket as in {ticket}", "marks of slots"),
        ("the <b>ticket</b> of a customer", "marks of slots"),
        ("ticket ticket ticket ticket", "again and again"),
        ("the ticket, with sk-ant-api03-abcdefghij0123456789abcdefghij", "secret"),
        ("something quite unlike anything", "mentions nothing"),
        ("a ticket", "says no more than the name"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, why: str) -> None:
    better, texts = polish(sorting(), Writes({**GOOD, "`ticket`": text}))
    refused = texts[0]
    assert (refused.what, refused.text) == ("input ticket", "")
    assert why in refused.why
    assert described(better)["ticket"] == ""
    assert described(better)["line"] == GOOD["`line`"]


@pytest.mark.parametrize(
    ("raw", "finished"),
    [("no JSON", True), ('{"text": 3}', True), ("[]", True), ('{"text": "the tick', False)],
)
def test_an_answer_that_is_no_text_is_refused(raw: str, finished: bool) -> None:
    better, texts = polish(sorting(), Writes(GOOD, raw=raw, finished=finished))
    assert {one.why for one in texts} == {"no text came back"}
    assert better == sorting()


def test_a_prompt_that_the_lm_cannot_read_leaves_its_fields_as_they_are() -> None:
    long = ContextLengthError("the row has 9,000 tokens, and the LM reads 4,000")
    _, texts = polish(sorting(), Writes({**GOOD, "`line`": long}))
    assert [one.why for one in texts if not one.text] == [long.message]


def test_texts_enter_the_source_as_text_alone(tmp_path: Path) -> None:
    said = 'the ticket """ + __import__("os").getcwd() + """ of'
    better, _ = polish(sorting(), Writes({**GOOD, "`ticket`": said, "What does": said}))
    write_source(better, tmp_path)
    make_project(tmp_path, "sort")
    assert load_source(tmp_path, "sort").contract.inputs[0].description == said


def test_languages_that_do_not_part_words_are_polished_too() -> None:
    plain = lift(plain_prototype("sort", "电话公司的工单分类。\n工单: {ticket}"))
    _, texts = polish(
        plain, Writes({**GOOD, "`ticket`": "客户写给电话公司的内容", "`answer`": "什么也没有说出来的话"})
    )
    assert [bool(one.text) for one in texts] == [True, False, False]


def polished(folder: Path, monkeypatch: pytest.MonkeyPatch, lm: Writes) -> Any:
    monkeypatch.setattr(polishing, "open_lm", lambda *_, **__: lm)
    (folder / "sort.md").write_text(PROMPT)
    return call("lift", "sort.md", "--into", folder / "desk", "--polish", "--json", cwd=folder)


def test_the_command_lists_what_was_polished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = polished(tmp_path, monkeypatch, Writes({**GOOD, "`line`": "?"}))
    assert done.code == 0, done.out + done.err
    assert done.document["polished"] == [
        {"what": "input ticket", "text": GOOD["`ticket`"]},
        {"what": "output answer", "text": GOOD["`answer`"]},
        {"what": "program", "text": GOOD["What does"].removesuffix(".")},
    ]
    assert "polished by local: 3 of 4 texts" in done.err
    assert f"input ticket: {GOOD['`ticket`']}" in done.err
    assert "input line: left as it was, since it has 1 characters" in done.err


def test_an_lm_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = polished(tmp_path, monkeypatch, Writes({**GOOD, "What does": LMError("the LM is down")}))
    assert done.code == 3
    assert done.document["error"]["type"] == "LMError"
    assert not (tmp_path / "desk").exists()
    monkeypatch.undo()
    call("lift", "sort.md", "--into", tmp_path / "desk", cwd=tmp_path)
    before = snapshot(tmp_path / "desk")
    for command in ("lift", "ship"):
        rows = tmp_path / "rows.csv"
        rows.write_text("ticket,line,queue\na,1,x\nb,2,y\nc,3,x\nd,4,y\n")
        done = call(
            command,
            "sort.md",
            rows,
            "--into",
            tmp_path / "desk",
            "--polish",
            "--lm",
            "local:/none.gguf",
            "--json",
            cwd=tmp_path,
        )
        assert done.code == 3
        assert done.document["error"]["type"] == "WeightsError"
        assert snapshot(tmp_path / "desk") == before


def test_without_polish_no_lm_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise AssertionError("an LM was opened")

    monkeypatch.setattr(polishing, "open_lm", none)
    monkeypatch.setattr("shipworthy.lms.embedded.Embedded.__init__", none)
    monkeypatch.setattr("shipworthy.lms.hosted.Hosted.__init__", none)
    for name in FORMATS:
        prototype = write_prototype(name, tmp_path)
        done = call("lift", prototype, "--into", tmp_path / "desk", "--name", name, "--json", cwd=tmp_path)
        assert done.code == 0, done.out + done.err
        assert done.document["polished"] is None


@pytest.mark.slow
def test_the_embedded_lm_polishes_and_says_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "sort.md").write_text(PROMPT)
    found = [
        call("lift", "sort.md", "--into", tmp_path / folder, "--polish", "--json", cwd=tmp_path)
        for folder in ("one", "two")
    ]
    assert [done.code for done in found] == [0, 0]
    first, second = (done.document["polished"] for done in found)
    assert first == second
    assert all(8 <= len(one["text"]) <= 90 and one["text"].isprintable() for one in first)
    source = load_source(tmp_path / "one", "sort")
    texts = {one["text"] for one in first}
    fields = [*source.contract.inputs, *source.contract.outputs]
    assert {field.description for field in fields} <= texts | {""}
    sources = [(tmp_path / folder / "signatures" / "sort.py").read_bytes() for folder in ("one", "two")]
    assert sources[0] == sources[1]
