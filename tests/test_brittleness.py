"""Brittleness is measured, not guessed: contenders whose weakness is known give the figures it implies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from shipworthy.errors import OutputError, RowError
from shipworthy.evidence.battery import carrier, copied_values, paired_means, row_share, sample_rows
from shipworthy.evidence.brittleness import brittleness
from shipworthy.evidence.reworded import reworded_prototypes
from shipworthy.examples import PERTURBATIONS
from shipworthy.lift import Prototype, plain_prototype
from shipworthy.runtime import Answer, Contract, Field, Outcome, Progress
from shipworthy.scoring import EXACT, Metric, evaluate

INPUTS = (Field("text", {"type": "string"}),)
OUTPUTS = (Field("desk", {"enum": ["lamp", "chair"]}),)
CONTRACT = Contract(INPUTS, OUTPUTS)
Many = Callable[[Iterable[Mapping[str, Any]]], Iterator[Outcome[Answer]]]
NAMES = [one.name for one in PERTURBATIONS]


def contender(say: Callable[[str], Any]) -> Many:
    def many(rows: Iterable[Mapping[str, Any]]) -> Iterator[Outcome[Answer]]:
        for row in rows:
            try:
                yield Outcome(Answer({"desk": say(row["text"])}, {"desk": 0.9}, True))
            except RowError as error:
                yield Outcome(error=error)

    return many


def by_one_word(text: str) -> str:
    """Sees `Lamp` only as it is spelled here."""
    return "lamp" if "Lamp" in text else "chair"


def steady(text: str) -> str:
    return "lamp" if "0" in text else "chair"


def rows(n: int = 24) -> list[dict[str, Any]]:
    """Half of them lamps, which hold a 0; nothing else says what they are but one word."""
    return [
        {"text": "My Lamp 0 hums. Please come", "desk": "lamp"}
        if i % 2
        else {"text": f"My Seat {i + 11:x} creaks. Please come".replace("0", "1"), "desk": "chair"}
        for i in range(n)
    ]


def measured(**more: Any) -> dict[str, Any]:
    contenders = more.pop("contenders", {"compiled": contender(steady), "prototype": contender(by_one_word)})
    given: dict[str, Any] = {"inputs": INPUTS, "outputs": OUTPUTS, "metric": EXACT, "at_most": 24}
    found = brittleness(contenders, more.pop("rows", rows()), **{**given, **more})
    assert json.loads(json.dumps(found)) == found
    return found


def distinct(n: int = 24) -> list[dict[str, Any]]:
    return [
        {
            "text": f"My Lamp 0 hums, in house {'abcdefghijkl'[i % 12]}{'xy'[i // 12]}. Please come",
            "desk": "lamp",
        }
        for i in range(n)
    ]


def test_who_looks_at_one_word_loses_exactly_the_rows_in_which_it_changes() -> None:
    found = measured()["texts"]["prototype"]["by"]
    lower = found["lower_case"]
    assert (lower["rows"], lower["scored"]) == (24, 24)
    assert (lower["before"], lower["after"]) == (1.0, 0.5)
    assert lower["drop"]["mean"] == 0.5
    assert lower["drop"]["ci"][0] > 0
    assert (lower["flipped"]["count"], lower["flipped"]["share"]) == (12, 0.5)
    for name in ("white_space", "double_punctuation", "context_before", "context_after", "emoji", "quoted"):
        assert found[name]["drop"]["mean"] == 0.0, name
        assert found[name]["flipped"]["count"] == 0


def test_who_is_steady_loses_nothing_and_the_difference_says_so() -> None:
    found = measured()
    ours = found["texts"]["compiled"]
    assert ours["overall"]["drop"]["mean"] == 0.0
    assert ours["overall"]["flipped"]["count"] == 0
    assert ours["worst"] == []
    gap = found["difference"]
    assert gap["by"]["lower_case"]["mean"] == -0.5
    assert gap["by"]["lower_case"]["ci"][1] < 0
    assert gap["by"]["quoted"]["mean"] == 0.0
    drops = found["texts"]["prototype"]["overall"]["drop"]
    assert gap["overall"]["mean"] == pytest.approx(-drops["mean"])


def test_variants_of_a_row_are_one_row_in_the_overall_interval() -> None:
    overall = measured(rows=distinct())["texts"]["prototype"]["overall"]
    assert overall["rows"] == overall["flipped"]["rows"] == overall["drop"]["n"] == 24
    assert overall["variants"] == overall["flipped"]["n"] > 200
    low, high = overall["flipped"]["ci"]
    assert low < overall["flipped"]["share"] < high
    one = row_share([(0, True)] * 50)
    assert one["rows"] == 1
    assert one["ci"][0] < 0.3


def test_a_change_that_each_row_meets_once_has_the_ordinary_intervals() -> None:
    from shipworthy.scoring import paired_difference, wilson

    first, second = [1, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0, 1]
    paired = paired_means(*([(i, float(one)) for i, one in enumerate(side)] for side in (first, second)))
    assert paired["ci"] == list(paired_difference(first, second).ci)
    assert row_share((i, bool(one)) for i, one in enumerate(first))["ci"] == list(wilson(5, 6))


def test_a_change_that_touches_no_row_says_so() -> None:
    plain = [{"text": "8 11 17", "desk": "chair"}, {"text": "8 12 18", "desk": "chair"}]
    typos = measured(rows=plain)["texts"]["compiled"]["by"]["typos"]
    assert (typos["rows"], typos["drop"]["mean"], typos["flipped"]["share"]) == (0, None, None)
    assert "none of the sampled rows" in typos["why"]


def test_an_error_is_a_flip_with_score_zero() -> None:
    def fails(text: str) -> str:
        if "Lamp" in text:
            return "lamp"
        raise OutputError("no lamp")

    lower = measured(rows=distinct(), contenders={"compiled": contender(fails)})["texts"]["compiled"]["by"][
        "lower_case"
    ]
    assert (lower["errors"], lower["after"], lower["flipped"]["share"]) == (24, 0.0, 1.0)


def test_the_worst_examples_show_row_texts_and_answers() -> None:
    worst = measured(rows=distinct())["texts"]["prototype"]["worst"]
    assert 1 <= len(worst) <= 3
    assert len({one["change"] for one in worst}) == len({one["digest"] for one in worst}) == len(worst)
    for one in worst:
        assert one["said_before"] == {"desk": "lamp"}
        assert one["said_after"] == {"desk": "chair"}
        assert "Lamp" in one["before"]["text"]
        assert "Lamp" not in one["after"]["text"]


def test_known_answers_are_not_asked_again() -> None:
    asked: list[str] = []

    def say(text: str) -> str:
        asked.append(text)
        return steady(text)

    data = distinct()
    known = evaluate(contender(steady), data, outputs=["desk"], metric=EXACT)
    measured(
        rows=data,
        contenders={"compiled": contender(say)},
        plain={"compiled": (list(range(24)), known)},
        at_most=9,
    )
    assert not {row["text"] for row in data} & set(asked)
    asked.clear()
    measured(rows=data, contenders={"compiled": contender(say)})
    assert {row["text"] for row in data} <= set(asked)


def test_the_same_rows_are_asked_the_same_whoever_else_is_measured() -> None:
    asked: dict[str, list[str]] = {"alone": [], "beside": []}

    def many(key: str) -> Many:
        def say(text: str) -> str:
            asked[key].append(text)
            return steady(text)

        return contender(say)

    measured(contenders={"compiled": many("alone")})
    measured(contenders={"prototype": contender(by_one_word), "compiled": many("beside")})
    assert asked["alone"] == asked["beside"]
    few = {row["text"] for row in asked_rows(6)}
    assert few <= {row["text"] for row in asked_rows(12)}


def asked_rows(at_most: int) -> list[dict[str, Any]]:
    data = distinct()
    return [data[place] for place in sample_rows(data, CONTRACT, at_most=at_most, seed=0)]


def test_a_sample_keeps_the_labels_in_proportion() -> None:
    data = [{"text": f"row {i}", "desk": "lamp" if i % 4 else "chair"} for i in range(80)]
    chosen = sample_rows(data, CONTRACT, at_most=20, seed=3)
    assert len(chosen) == 20
    assert sum(data[place]["desk"] == "chair" for place in chosen) == 5
    assert sample_rows(data, CONTRACT, at_most=500, seed=0) == list(range(80))
    assert sample_rows([], CONTRACT, at_most=5, seed=0) == []


def test_the_text_that_differs_most_is_the_one_that_changes() -> None:
    inputs = (
        Field("policy", {"type": "string"}),
        Field("text", {"type": "string"}),
        Field("n", {"type": "number"}),
    )
    data = [{"policy": "All goes.", "text": f"row {i}", "n": i, "desk": "lamp"} for i in range(4)]
    assert carrier(data, inputs) == "text"
    assert carrier(data, inputs[:1]) == "policy"
    assert carrier(data, inputs[2:]) is None
    found = brittleness(
        {"compiled": contender(steady)}, data, inputs=inputs[2:], outputs=OUTPUTS, metric=EXACT
    )
    assert found["texts"]["compiled"]["why"] == "no input holds free text"


def test_values_to_be_copied_are_kept() -> None:
    outputs = (Field("name", {"type": "string"}), Field("tags", {"type": "array"}), *OUTPUTS)
    row = {"name": "Ann Lee", "tags": ["Red", 7], "desk": "lamp"}
    assert copied_values(row, outputs) == ("Ann Lee", "Red", "7")


def test_who_cannot_be_measured_says_why() -> None:
    found = measured(contenders={"compiled": contender(steady), "prototype": "its answers were recorded"})
    assert found["texts"]["prototype"]["overall"] is None
    assert found["texts"]["prototype"]["why"] == "its answers were recorded"
    assert found["difference"]["overall"] is None
    assert found["instructions"]["prototype"]["why"] == "its answers were recorded"
    assert measured()["instructions"]["prototype"]["why"] == "no reworded prototype was given"
    assert "no free instruction" in found["instructions"]["compiled"]["why"]
    assert found["worlds"]["compiled"]["why"] == "no other LM and no other quantisation was given"


def test_reworded_prototypes_and_other_worlds_are_held_against_the_same_rows() -> None:
    found = measured(
        reworded={"same": contender(by_one_word), "worse": contender(lambda text: "chair")},
        worlds={"compiled": {"another LM": contender(by_one_word)}},
    )
    by = found["instructions"]["prototype"]["by"]
    assert by["same"]["flipped"]["count"] == 0
    assert (by["worse"]["drop"]["mean"], by["worse"]["flipped"]["share"]) == (0.5, 0.5)
    assert found["instructions"]["prototype"]["overall"]["drop"]["mean"] == 0.25
    assert found["worlds"]["compiled"]["by"]["another LM"]["drop"]["mean"] == 0.0
    assert found["worlds"]["prototype"]["overall"] is None


def test_a_metric_that_fails_leaves_the_row_out_of_scores_but_not_of_flips() -> None:
    from shipworthy.scoring import Function

    def picky(answer: str, label: str) -> float:
        raise ValueError("no")

    metric: Metric = Function(picky)
    found = measured(metric=metric)["texts"]["prototype"]["by"]["lower_case"]
    assert (found["scored"], found["drop"]["mean"]) == (0, None)
    assert found["flipped"]["share"] == 0.5
    assert found["why"] == "no row could be scored"


def test_progress_is_told_of_every_row() -> None:
    told: list[tuple[str, int]] = []

    class Told(Progress):
        def start(self, task: str, total: int) -> None:
            told.append((task, total))

        def advance(self, done: int) -> None:
            assert done <= told[-1][1]

    measured(progress=Told())
    assert [task for task, _ in told][:2] == ["compiled: rows as they are", "compiled: changed text"]


# The prototype's own instructions

PROMPT = plain_prototype(
    "triage",
    "You are a clerk. Read the note and answer with one desk. Be brief. Name the desk only.\n\n"
    "* lamp - lights\n* chair - seats\n\nPolicy: {policy}\n\nNote: {text}\nDesk:",
)


def variants(prototype: Prototype = PROMPT) -> dict[str, str]:
    return {one.name: one.prototype.text for one in reworded_prototypes(prototype, OUTPUTS)}


def test_a_prototype_is_reworded_in_every_way() -> None:
    found = variants()
    assert "* chair - seats\n* lamp - lights\n" in found["list_order"]
    assert "You are a clerk. Name the desk only. Be brief. Read the note" in found["sentence_order"]
    assert "You act as a clerk. Look at the note and reply with one desk." in found["reworded"]
    assert found["input_order"].endswith("Note: {text}\n\nPolicy: {policy}\nDesk:")
    assert 'a JSON object with the keys "desk".\n\nPolicy: {policy}' in found["format_json"]
    assert {"format_bare", "format_line"} <= found.keys()


def test_every_variant_renders_the_same_inputs() -> None:
    inputs = {"policy": "P-1 {text}", "text": "N-2 {policy}"}
    for one in reworded_prototypes(PROMPT, OUTPUTS):
        assert set(one.prototype.slots) == set(PROMPT.slots)
        assert "P-1 {text}" in one.prototype.render(inputs)
        assert "N-2 {policy}" in one.prototype.render(inputs)


def test_a_sentence_with_a_colon_within_may_move_and_an_example_may_not() -> None:
    text = (
        "Sort it.\n\nTell us how urgent it is: low or high. High means: now. Low means later.\n\nNote: {text}"
    )
    found = variants(PROMPT.with_text(text))
    assert (
        "Low means later. High means: now. Tell us how urgent it is: low or high." in found["sentence_order"]
    )


def test_what_cannot_be_changed_gives_no_variant() -> None:
    bare = PROMPT.with_text("Desk of {text}?")
    assert set(variants(bare)) == {"format_json", "format_bare", "format_line"}
    without = PROMPT.with_text("1. Read.\n2. Decide.")
    assert set(variants(without)) == {"format_json", "format_bare", "format_line"}
    inline = PROMPT.with_text("Compare {policy} and {text}.")
    assert "input_order" not in variants(inline)


@pytest.mark.parametrize(
    "text",
    [
        "Sort it.\n* lamp - lights\n  and what is in them\n* chair\n  of any kind\nNote: {text}",
        "Sort it.\n* lamps\n  * old\n  * new\n* chairs\nNote: {text}",
        "Sort it.\n- First read it\n- Then decide\nNote: {text}",
        "Sort it.\n\nNote: It hums. Please come.\nDesk: lamp\n\nNote: {text}",
        "Decide, e.g. The first. Also say why.\n\nNote: {text}",
    ],
)
def test_what_stands_in_an_order_keeps_it(text: str) -> None:
    assert not {"list_order", "sentence_order"} & set(variants(PROMPT.with_text(text)))


def test_labels_in_the_prompt_are_not_replaced() -> None:
    outputs = (Field("act", {"enum": ["extract", "classify"]}),)
    prompt = PROMPT.with_text("Please extract or classify: {text}")
    found = {one.name: one.prototype.text for one in reworded_prototypes(prompt, outputs)}
    assert "extract or classify" in found.get("reworded", prompt.text)
