"""The reference program of several steps: it finds, chooses, answers and checks; and its metric."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from small_project import call

import shipworthy as sw
from shipworthy.compiler import Source, load_source
from shipworthy.errors import RowInputError
from shipworthy.lift import read_prototype
from shipworthy.runtime import packages_of

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "answer"
QUOTE = "Cartons can be left in Kendal; Norwich has no room for them."


def rows(split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def source() -> Source:
    return load_source(ROOT, "answer")


@pytest.fixture(scope="module")
def handbook() -> Iterator[ModuleType]:
    """The file of functions, as it stands in the project."""
    sys.path.insert(0, str(ROOT))
    before = set(sys.modules)
    try:
        yield importlib.import_module("programs.handbook")
    finally:
        sys.path.remove(str(ROOT))
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "programs":
                del sys.modules[name]


def test_a_question_becomes_an_answer_and_a_quote_or_neither(source: Source) -> None:
    contract = source.contract
    assert [field.name for field in contract.inputs] == ["question"]
    assert {field.name: field.parse(None) for field in contract.outputs} == {"answer": None, "quote": None}
    assert [part.name for part in source.parts] == [
        "found",
        "choose",
        "sentence",
        "decide",
        "reply",
        "checked",
    ]


def test_the_handbook_and_what_the_functions_import_are_part_of_the_program(source: Source) -> None:
    code = {part.name: part.code for part in source.parts if part.code is not None}
    for name in ("found", "checked"):
        assert code[name].contents["data/answer/handbook.md"] == (DATA / "handbook.md").read_bytes()
    assert packages_of(code["found"]) == {"bm25s", "numpy"}


def test_passages_are_sentences_of_the_handbook_the_likeliest_first(handbook: ModuleType) -> None:
    found = handbook.find_passages("Can the cartons be left in Norwich?")
    assert found["passages"][0] == QUOTE
    assert len(set(found["passages"])) == handbook.PASSAGES
    assert found["listed"].splitlines()[0] == f"1. {QUOTE}"
    text = (DATA / "handbook.md").read_text(encoding="utf-8")
    assert all(passage in text for passage in found["passages"])


@pytest.mark.parametrize("question", ["", "?!", "who is it", "xyzzy", "Où est-ce ?", "自転車"])
def test_any_question_finds_as_many_passages(handbook: ModuleType, question: str) -> None:
    assert len(handbook.find_passages(question)["passages"]) == handbook.PASSAGES


def test_every_quote_is_one_of_the_sentences_that_can_be_found(handbook: ModuleType) -> None:
    sentences = set(handbook._index().texts)
    assert {row["quote"] for row in rows("train") if row["quote"]} <= sentences


def test_the_sentence_is_among_the_passages_as_often_as_the_guide_says(handbook: ModuleType) -> None:
    asked = [row for row in rows("train") if row["quote"]]
    places = [handbook.find_passages(row["question"])["passages"] for row in asked]
    hits = [row["quote"] in own for row, own in zip(asked, places, strict=True)]
    first = [row["quote"] == own[0] for row, own in zip(asked, places, strict=True)]
    said = (
        f"{sum(hits)} of {len(hits)} training questions among the five passages, "
        f"for {sum(first)} as the first"
    )
    assert said in " ".join((ROOT / "docs" / "guide.md").read_text(encoding="utf-8").split())


def test_the_prompt_that_it_replaces_is_given_the_same_passages(handbook: ModuleType) -> None:
    prototype = read_prototype(DATA / "prototype.j2", name="answer")
    row = {"question": "Can the cartons be left in Norwich?"}
    with pytest.raises(RowInputError, match="'passages' is missing"):
        prototype.render(row)
    supplied = dataclasses.replace(prototype, supply=lambda given: handbook.find_passages(**given))
    assert f"[1] {QUOTE}\n" in supplied.render(row)
    assert "[1] brought" in supplied.render({**row, "passages": ["brought"]})  # a row's own come first


def test_a_number_takes_its_passage_and_none_takes_none(handbook: ModuleType) -> None:
    assert handbook.take("2", ["a", "b"]) == "b"
    assert handbook.take("none", ["a", "b"]) is None
    assert handbook.take("3", ["a", "b"]) is None


@pytest.mark.parametrize(
    "quote",
    [
        QUOTE.replace("Kendal", "Norwich"),
        QUOTE.lower(),
        QUOTE[:-1],  # a part of a word: the full stop belongs to it
        "",
        None,
    ],
)
def test_an_answer_whose_quote_is_not_in_the_handbook_is_withdrawn(
    handbook: ModuleType, quote: str | None
) -> None:
    assert handbook.check_quote(quote, None, "Only in Kendal") == {"answer": None, "quote": None}


def test_a_quote_word_for_word_stays_with_the_reply_or_with_yes_or_no(handbook: ModuleType) -> None:
    kept = {"answer": "Only in Kendal", "quote": QUOTE}
    assert handbook.check_quote(QUOTE, "neither", "Only in Kendal") == kept
    assert handbook.check_quote(QUOTE.replace(" ", "\n ", 2), "neither", "Only in Kendal") == kept
    assert handbook.check_quote(QUOTE, "no", None) == {"answer": "No", "quote": QUOTE}
    assert handbook.check_quote(QUOTE, None, None) == {"answer": None, "quote": None}


@pytest.mark.parametrize(
    ("label", "answer", "right"),
    [
        ("£35", "£35 for the estimate", True),
        ("£35", "£28", False),
        ("£35", "£35, or £28 in the shop", False),
        ("Up to £1,000", "1000 pounds", True),
        ("7.9 % a year", "7.9 %", True),
        ("After 300 km or 3 months", "after 300 km", False),
        ("No, not above £500", "No", True),
        ("No, not above £500", "no, only up to £500", True),
        ("No, not above £500", "No, up to £400", False),
        ("No, not above £500", "Yes, up to £500", False),
        ("No, only to the kerb", "Only to the kerb", False),
        ("No, only to the kerb", "Nobody knows", False),
        ("The leasing company", "the leasing company pays", True),
        ("The leasing company", "the customer", False),
        ("No, only to the kerb", "No" + " no" * 15, False),
        ("£35", None, False),
        ("£35", "Not in the handbook.", False),
    ],
)
def test_an_answer_is_right_by_yes_or_no_by_figures_or_by_words(
    source: Source, label: str, answer: str | None, right: bool
) -> None:
    metric: Any = source.recipe.metric
    labels = {"answer": label, "quote": QUOTE}
    assert metric.score({"answer": answer, "quote": QUOTE}, labels, {}).value == right


@pytest.mark.parametrize(
    ("quote", "right"), [(QUOTE, True), (QUOTE[:-1], True), ("Another sentence.", False), (None, False)]
)
def test_no_answer_is_right_without_its_sentence(source: Source, quote: str | None, right: bool) -> None:
    metric: Any = source.recipe.metric
    labels = {"answer": "No, only in Kendal", "quote": QUOTE}
    assert metric.score({"answer": "No", "quote": quote}, labels, {}).value == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ({"answer": None, "quote": None}, True),
        ({}, True),
        ({"answer": "not in the handbook", "quote": "Not in the handbook"}, True),
        ({"answer": "No", "quote": None}, False),
        ({"answer": None, "quote": QUOTE}, False),
    ],
)
def test_where_the_handbook_does_not_say_both_must_be_missing(
    source: Source, answer: dict[str, Any], right: bool
) -> None:
    metric: Any = source.recipe.metric
    assert metric.score(answer, {"answer": None, "quote": None}, {}).value == right


def test_every_label_is_right_by_the_metric(source: Source) -> None:
    metric: Any = source.recipe.metric
    assert all(metric.score(row, row, {}).right for row in rows("train"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's project, with few rows."""
    folder = tmp_path_factory.mktemp("answer")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("signatures", "programs", "optimizers", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for split, n in (("train", 12), ("test", 4)):
        path = folder / "data" / "answer" / f"{split}.jsonl"
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:n]))
    return folder


@pytest.mark.slow
def test_it_is_compiled_and_run_where_the_project_is_gone(project: Path) -> None:
    compiled = call("compile", "answer", "--budget", "calls=12", "--json", cwd=project)
    assert compiled.code == 0, compiled.err
    shutil.rmtree(project / "data")  # the artifact holds what it needs
    program = sw.load_artifact(compiled.document["artifact"])
    assert program.spec.steps["choose"].decide is not None
    demos = program.spec.steps["reply"].demos
    quotes = {row["quote"] for row in rows("train")}
    assert demos
    assert all(demo.inputs["sentence"] in quotes for demo in demos)  # the right one, whatever was found

    answer = program(question="Can the cartons be left in Norwich?")
    assert answer.steps[0].outputs["passages"][0] == QUOTE
    assert (answer.outputs["answer"] is None) == (answer.outputs["quote"] is None)

    given = program.prepared({"question": "Can the cartons be left in Norwich?"})
    assert given == answer.steps[0].outputs
