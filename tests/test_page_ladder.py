"""The certificate's page shows the whole ladder of evidence, each figure with the rows behind it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from test_instructions import Understands, compiled, rows
from test_page import Reader, assert_sound, assert_within, full, quick, read, spoil
from whole_ladder import forms, whole

import shipworthy as sw
from shipworthy.evidence.page import render
from shipworthy.evidence.page_plots import halves, log_dots, point_dots, share_dots, stack
from shipworthy.evidence.page_steps import with_steps
from shipworthy.evidence.words import percent
from shipworthy.runtime import load_artifact

BATTERIES = ("brittleness", "attacks", "faults", "load")


def section(page: str, name: str) -> str:
    found = re.search(rf'<section aria-labelledby="{name}">.*?</section>', page, re.DOTALL)
    assert found is not None, name
    return Reader(found[0]).text


def unmeasured() -> dict[str, Any]:
    """The prototype's answers were recorded, so that it could not be changed, attacked or made to fail."""
    data = whole()
    why, found = "its answers were recorded", data["batteries"]
    nothing = {"overall": None, "by": None, "worst": [], "why": why}
    found["brittleness"]["texts"]["prototype"] = nothing
    found["brittleness"]["instructions"]["prototype"] = nothing
    found["brittleness"]["difference"] = {"overall": None, "by": None, "why": "one was not measured"}
    found["attacks"]["contenders"]["prototype"] = nothing | {"by_language": None}
    found["attacks"]["difference"].update(mean=None, ci=None, n=0)
    found["attacks"]["edges"]["contenders"]["prototype"] = None
    found["faults"]["prototype"] = None
    found["load"] |= {"levels": [], "capacity": None, "why": "there are no rows"}
    return data


def nasty() -> dict[str, Any]:
    data = whole()
    for one in data["batteries"]["faults"].values():  # a kind named "nan" is no number that slipped through
        one["by_kind"] = [entry for entry in one["by_kind"] if entry["kind"] != "nan"]
    spoilt: dict[str, Any] = spoil(data)
    return spoilt


@pytest.mark.parametrize("make", [whole, unmeasured, nasty])
def test_the_page_is_sound(make: Any) -> None:
    page = render(make())
    assert_sound(page)
    assert_within(Reader(page))
    assert "<script" not in page
    assert len(page.encode()) < 1_000_000


@pytest.mark.parametrize("missing", [*BATTERIES, "rubric", "questions"])
def test_what_was_not_measured_is_said_and_hides_nothing_else(missing: str) -> None:
    data = whole()
    if missing in BATTERIES:
        data["batteries"][missing] = None
        assert "Not measured in this certificate" in section(render(data), missing)
    else:
        data[missing] = None
    page = render(data)
    assert_sound(page)
    for name in {*BATTERIES} - {missing}:
        assert "Not measured in this certificate" not in section(page, name)


def test_a_certificate_without_the_ladder_says_so_once() -> None:
    page = render(quick())
    assert "the full one, made without --quick, runs them" in section(page, "unmeasured")
    assert "Brittleness, attacks, faults and load: this page says nothing about them." in Reader(page).text
    assert 'id="readiness"' not in page


def test_contents_lists_every_section_in_order_with_what_it_found() -> None:
    data = whole()
    page = render(data)
    sections = re.findall(r'<section aria-labelledby="([\w-]+)">', page)
    links = re.findall(r'<li><a href="#([\w-]+)">', page)
    assert links == sections
    nav = Reader(page[page.index("<nav") : page.index("</nav>") + 6]).text
    success = data["batteries"]["attacks"]["contenders"]["compiled"]["overall"]["success"]["share"]
    assert f"{percent(success)} of attacks succeed".replace("\u00a0", " ") in nav
    assert "0 of 99 rows struck turned into a wrong answer" in nav
    assert f"score {data['rubric']['score']:g} of 7" in nav


def test_brittleness_stands_side_by_side_with_its_sample() -> None:
    data = whole()
    found = data["batteries"]["brittleness"]
    text = section(render(data), "brittleness")
    assert "40 of 109 test rows, drawn with seed 0, in proportion to queue, were changed in 12 ways" in text
    for side in ("compiled", "prototype"):
        for name in found["changes"]:
            share = found["texts"][side]["by"][name]["flipped"]["share"]
            assert percent(share).replace("\u00a0", " ") in text
    assert "another quantisation" in text
    assert "Not measured, as no other LM and no other quantisation was given." in text
    assert "The changes that cost most" in text


def test_attacks_are_shown_by_form_and_language_with_their_controls() -> None:
    page = render(whole())
    text = section(page, "attacks")
    for name in forms():
        assert name.replace("_", " ") in text or name.startswith("delimiter_")
    assert "delimiter of the chat template, 1" in text
    assert "under harmless text 0.0 % move to the same label" in text
    assert "Chinese" in text
    assert 'class="control"' in page
    assert "10 OutputError of 10" in text


def test_what_a_fault_turned_wrong_stands_out() -> None:
    data = whole()
    page = render(data)
    ours, theirs = data["batteries"]["faults"]["compiled"], data["batteries"]["faults"]["prototype"]
    assert (ours["total"]["turned_wrong"], theirs["total"]["turned_wrong"]) == (0, 43)
    assert '<b class="alarm">43</b> turned into a wrong answer' in page
    assert "<b>0</b> turned into a wrong answer" in page
    text = section(page, "faults")
    assert "17 turned wrong" in text
    assert "40 of 40 rows, seed 0" in text
    assert "log-probabilities missing: not measured, as the program's calls to the LM cannot fail so." in text


def test_rows_that_end_late_are_told() -> None:
    data = whole()
    data["batteries"]["faults"]["compiled"]["total"]["over_ms"] = 1500.0
    text = section(render(data), "faults")
    assert "The latest end was 1,500 ms past the deadline of 10 s; without faults 0 ms" in text


def test_load_is_told_by_level_with_what_was_turned_away() -> None:
    data = whole()
    heaviest = data["batteries"]["load"]["levels"][-1]
    text = section(render(data), "load")
    assert "2 workers" in text
    assert f"{percent(heaviest['shed']['share'])} of".replace("\u00a0", " ") in text
    assert "10 × capacity" in text
    assert "Longest queue" in text
    heaviest["why"] = "no request arrived: give more seconds"
    assert "no request arrived: give more seconds." in section(render(data), "load")


def test_readiness_shows_every_test_with_evidence_and_links_only_into_the_page() -> None:
    data = whole()
    page = render(data)
    text = section(page, "readiness")
    for one in data["rubric"]["checks"]:
        assert one["test"] in text
        assert one["status"] in text
    assert "40 tickets by learners read (Ida, 2026-05-01)" in text
    assert '<a href="#comparison">See comparison</a>' in page
    data["batteries"] = None
    data["rubric"]["checks"][0]["link"] = "certificate.json#/batteries/faults/total"
    data["rubric"]["checks"][1]["link"] = "javascript:alert(1)"
    page = render(data)
    assert_sound(page)
    assert "<code>javascript:alert(1)</code>" in page


def test_the_questions_of_production_stand_near_the_top() -> None:
    page = render(whole())
    text = section(page, "questions")
    assert page.index('id="questions"') < page.index('id="comparison"')
    for words in ("Is every answer traceable?", "Does it hold at 100 times the load?", "More on load"):
        assert words in text


def test_examples_of_changed_and_attacked_rows_are_masked() -> None:
    data = whole()
    for one in data["batteries"]["attacks"]["contenders"]["prototype"]["worst"]:
        one["after"] += " write to anna@example.com"
    for one in data["batteries"]["brittleness"]["texts"]["prototype"]["worst"]:
        one["after"]["ticket"] += " call +49 171 1234567"
    text = read(data).text
    assert "anna@" not in text
    assert "1234567" not in text
    assert "write to [e-mail]" in text


def test_gate_and_leaks_stand_in_the_lineage() -> None:
    text = section(render(full() | {"gate": {"rubric": 2}, "leaks": {"exact": 3, "near": 1}}), "lineage")
    assert '{"rubric": 2}' in text
    assert "Test rows that are training rows3, and 1 nearly so" in text


# Steps


def test_failures_carry_the_steps_that_led_to_them(tmp_path: Path) -> None:
    artifact = compiled(tmp_path, sw.Readout(), always=True).artifact
    program = load_artifact(artifact, lm=Understands(always=True))
    failure = {
        "digest": "ab" * 32,
        "inputs": {"text": rows()[0]["text"]},
        "labels": {"topic": "praise"},
        "said": {
            "compiled": {"outputs": {"topic": "lost"}, "right": False, "confidence": 0.9, "error": None}
        },
    }
    bad = {**failure, "inputs": {"text": 5}}
    kept, broken = with_steps([failure, bad], program)
    (step,) = kept["said"]["compiled"]["steps"]
    assert (step["decided_by"], step["outputs"]) == ("lm", {"topic": "lost"})
    assert max(step["probabilities"]["topic"], key=step["probabilities"]["topic"].get) == "lost"
    assert broken["said"]["compiled"]["steps"] == []
    assert "steps" not in failure["said"]["compiled"]
    text = section(render(full() | {"worst": [kept, broken]}), "worst")
    assert "How the program came to it, step by step" in text
    assert "decided by the LM, 1 call to the LM" in text


# Plots


def test_an_interval_without_a_bound_runs_to_the_edge() -> None:
    mark = {"value": 20.0, "ci": [12.0, None]}
    plot = log_dots([("light", [("p99", mark)])], 1000.0)
    assert plot is not None
    (lane,) = plot["rows"][0]["lanes"]
    assert lane["low"] < lane["x"] < lane["high"] == plot["limit"]
    assert [tick["text"] for tick in plot["ticks"]] == ["10\u00a0ms", "100\u00a0ms", "1\u00a0s"]
    assert log_dots([("light", [])], 1000.0) is None


def test_differences_always_show_zero() -> None:
    plot = point_dots([("a", {"compiled": {"mean": 0.31, "ci": [0.3, 0.32]}})])
    assert plot is not None
    assert 0 <= plot["zero"] < plot["rows"][0]["lanes"][0]["x"]
    assert point_dots([("a", {"compiled": {"mean": None, "ci": None}})]) is None


def test_a_long_plot_in_two_halves_keeps_every_row_on_the_same_scale() -> None:
    shares = [(f"row {i}", {"compiled": {"share": i / 9, "ci": [i / 10, 1.0]}}) for i in range(9)]
    plot = share_dots(shares)
    first, second = halves(plot)
    assert [row["name"] for row in (*first["rows"], *second["rows"])] == [name for name, _ in shares]
    assert first["ticks"] == second["ticks"]
    assert first["rows"][0]["y"] == second["rows"][0]["y"]
    assert second["foot"] < first["foot"] < plot["foot"] if plot else False
    assert halves(None) == []


def test_a_stacked_bar_fills_its_width_and_leaves_out_what_is_empty() -> None:
    parts = stack([("right", 0.5), ("error", 0.0), ("wrong", 0.5)], left=10)
    assert [part["kind"] for part in parts] == ["right", "wrong"]
    assert parts[-1]["x"] + parts[-1]["width"] == 100
