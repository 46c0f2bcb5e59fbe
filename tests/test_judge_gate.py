"""What a gate asks, what a certificate answers, and that nothing unmeasured ever passes."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_page import full, nothing, paired

import shipworthy as sw
from shipworthy.compiler import gate_of
from shipworthy.errors import InputError
from shipworthy.evidence import judge, read_by_hand
from shipworthy.evidence.judge import under_stress
from shipworthy.scoring import gate_power, look_level

LIMITS = (
    *("latency_ms_p95", "usd_per_call", "coverage", "accuracy", "score_drop"),
    "flips",
    "attack_success",
)
POINTS = "+9.2 points (97.5 % interval +3.1 to +15.0) on 240 test rows"


def share(value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"n": 50, "rows": 50, "share": value, "ci": [low, high], **more}


def measured(**more: Any) -> dict[str, Any]:
    """A full certificate with everything that a gate can ask about."""
    by = {
        "case": {"drop": {"mean": 0.0, "ci": [-0.01, 0.02], "n": 50}},
        "typos": {"drop": {"mean": 0.04, "ci": [0.01, 0.09], "n": 48}},
        "emoji": {"drop": {"mean": None, "ci": None, "n": 0}},
    }
    texts = {"overall": {"flipped": share(0.06, 0.03, 0.11)}, "by": by, "why": None}
    attacked = {"overall": {"success": share(0.02, 0.0, 0.08)}, "by": {}, "why": None}
    rubric = {"score": 2.5, "sections": {"data": {"points": 4.0}, "monitoring": {"points": 2.5}}}
    return full() | {
        "difference_by_output": {"queue": paired(0.01, -0.01, 0.03), "urgent": paired(0.05, 0.01, 0.09)},
        "batteries": {
            "brittleness": {"texts": {"compiled": texts}},
            "attacks": {"contenders": {"compiled": attacked}},
        },
        "leaks": {"exact": 0, "near": 0},
        "rubric": rubric,
        **more,
    }


# The default gate


def test_a_better_program_passes() -> None:
    assert judge(full()) == (
        "pass",
        [f"better than the prototype: {POINTS}", "no simple baseline is significantly better"],
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict", "begins"),
    [
        (-0.09, -0.01, "fail", "worse than the prototype: "),
        (-0.01, 0.09, "inconclusive", "not shown to be better than the prototype: "),
        (0.0, 0.09, "inconclusive", "not shown to be better than the prototype: "),
        (0.001, 0.09, "pass", "better than the prototype: "),
    ],
)
def test_the_interval_of_the_difference_decides(low: float, high: float, verdict: str, begins: str) -> None:
    found, reasons = judge(full() | {"difference": paired(0.01, low, high)})
    assert found == verdict
    assert reasons[0].startswith(begins)
    assert ("test rows would show it 4 times in 5" in reasons[0]) == (verdict == "inconclusive")


def test_a_better_simple_baseline_fails_whatever_the_prototype_does() -> None:
    data = full()
    data["against"]["tfidf_lr"] = paired(-0.03, -0.06, -0.01)
    verdict, reasons = judge(data)
    assert verdict == "fail"
    assert reasons == [
        "the simple baseline tfidf_lr is significantly better: -3.0 points (97.5 % interval -6.0 to -1.0)",
        f"better than the prototype: {POINTS}",
    ]


def test_without_a_prototype_nothing_is_said_of_an_improvement() -> None:
    data = full() | {"difference": nothing()["difference"]}
    said = "there is no prototype to compare with, so nothing can be said of an improvement"
    assert judge(data) == ("inconclusive", [said])
    data["against"]["majority"] = paired(-0.03, -0.06, -0.01)
    assert judge(data)[0] == "fail"


def test_where_nothing_was_measured_the_certificate_says_why() -> None:
    assert judge(nothing()) == ("inconclusive", ["there are no test rows"])
    assert judge(nothing(), sw.Gate(prototype="any", latency_ms_p95=5))[0] == "inconclusive"


def test_a_certificate_read_back_from_json_is_judged_the_same() -> None:
    gate = sw.Gate(score_drop=0.1, rubric=2)
    assert judge(json.loads(json.dumps(measured())), gate) == judge(measured(), gate)


# Margins


@pytest.mark.parametrize(
    ("gate", "low", "high", "verdict", "begins"),
    [
        (sw.Gate(margin=0.02), 0.03, 0.1, "pass", "better than the prototype by more than 2 points: "),
        (
            sw.Gate(margin=0.02),
            0.01,
            0.1,
            "inconclusive",
            "not shown to be better than the prototype by more",
        ),
        (sw.Gate(margin=0.02), -0.01, 0.01, "fail", "not better than the prototype by 2 points: "),
        (sw.Gate(prototype="no worse", margin=0.02), -0.01, 0.1, "pass", "no worse than the prototype by 2"),
        (sw.Gate(prototype="no worse", margin=0.02), -0.03, 0.1, "inconclusive", "not shown to be within 2"),
        (
            sw.Gate(prototype="no worse", margin=0.02),
            -0.09,
            -0.03,
            "fail",
            "worse than the prototype by more",
        ),
    ],
)
def test_superiority_and_non_inferiority_have_a_margin(
    gate: sw.Gate, low: float, high: float, verdict: str, begins: str
) -> None:
    found, reasons = judge(full() | {"difference": paired(0.0, low, high)}, gate)
    assert found == verdict
    assert reasons[0].startswith(begins)


def test_a_gate_may_leave_the_prototype_out() -> None:
    data = full() | {"difference": nothing()["difference"]}
    assert judge(data, sw.Gate(prototype="any")) == ("pass", ["no simple baseline is significantly better"])


def test_single_outputs_have_conditions_of_their_own() -> None:
    asked = {"queue": {"prototype": "no worse", "margin": 0.02}, "urgent": {}}
    verdict, reasons = judge(measured(), sw.Gate(outputs=asked))
    assert verdict == "pass"
    assert reasons[2].startswith("'queue': no worse than the prototype by 2 points: ")
    assert reasons[3].startswith("'urgent': better than the prototype: ")
    assert judge(measured(), sw.Gate(outputs={"queue": {}}))[0] == "inconclusive"
    assert judge(measured(), sw.Gate(outputs={"queue": {"margin": 0.05}}))[0] == "fail"
    assert judge(measured(), sw.Gate(outputs={"queue": {"prototype": "any"}}))[0] == "pass"


# Limits


@pytest.mark.parametrize(
    ("gate", "verdict", "said"),
    [
        (
            sw.Gate(latency_ms_p95=2000),
            "pass",
            "95 % of answers took at most 1,803 ms; the gate allows 2,000 ms",
        ),
        (sw.Gate(latency_ms_p95=1000), "fail", "the gate allows 1,000 ms"),
        (sw.Gate(usd_per_call=0.0), "pass", "a call costs US$ 0; the gate allows US$ 0"),
        (sw.Gate(coverage=0.93), "pass", "answers 93.1 % of rows by itself; the gate asks for 93.0 %"),
        (sw.Gate(coverage=0.94), "fail", "the gate asks for 94.0 %"),
        (
            sw.Gate(accuracy=0.95),
            "pass",
            "95.1 % accuracy is guaranteed on answered rows (1154 rows, at the 95 %",
        ),
        (sw.Gate(accuracy=0.955), "inconclusive", "more test rows may show it"),
        (sw.Gate(accuracy=0.97), "fail", "the gate asks for 97.0 %, and 96.4 % were right"),
        (sw.Gate(accuracy=0.96), "inconclusive", "12,345 more test rows may show it"),
        (sw.Gate(score_drop=0.1), "pass", "(typos) is 4.0 % (95 % interval 1.0 % to 9.0 %) on 48 rows"),
        (sw.Gate(score_drop=0.05), "inconclusive", "the gate allows 5.0 %; more rows may show it"),
        (sw.Gate(score_drop=0.005), "fail", "the gate allows 0.5 %"),
        (sw.Gate(flips=0.11), "pass", "the share of answers that a change of text changes is 6.0 %"),
        (sw.Gate(flips=0.02), "fail", "the gate allows 2.0 %"),
        (sw.Gate(attack_success=0.08), "pass", "the success rate of attacks is 2.0 %"),
        (sw.Gate(attack_success=0.01), "inconclusive", "more rows may show it"),
        (sw.Gate(no_leak=True), "pass", "no test row is a training row, or nearly one (1240 test rows)"),
        (sw.Gate(rubric=2.5), "pass", "the readiness score is 2.5 of 7 (its lowest section is monitoring)"),
        (sw.Gate(rubric=3), "fail", "the gate asks for 3"),
    ],
)
def test_each_condition_is_judged_with_its_figures(gate: sw.Gate, verdict: str, said: str) -> None:
    found, reasons = judge(measured(), gate)
    assert (found, said in reasons[-1]) == (verdict, True), reasons


def test_a_leak_fails() -> None:
    data = measured(leaks={"exact": 2, "near": 1})
    verdict, reasons = judge(data, sw.Gate(no_leak=True))
    assert (verdict, reasons[-1]) == ("fail", "2 test rows are training rows too, and 1 are nearly so")
    assert judge(data)[0] == "pass"


def test_a_program_that_answers_nothing_guarantees_nothing() -> None:
    data = measured()
    data["selective"].update(coverage=0.0, accuracy=None, guaranteed=None, n=0, more_rows=None)
    verdict, reasons = judge(data, sw.Gate(accuracy=0.9))
    assert (verdict, reasons[-1][:19]) == ("fail", "no row is answered,")


@pytest.mark.parametrize(
    ("gate", "how"),
    [
        (sw.Gate(latency_ms_p95=1), "no test row was answered"),
        (sw.Gate(usd_per_call=1), "[tool.shipworthy.prices]"),
        (sw.Gate(coverage=0.1), "only such outputs can be handed over"),
        (sw.Gate(score_drop=1), "without --quick"),
        (sw.Gate(flips=1), "without --quick"),
        (sw.Gate(attack_success=1), "without --quick"),
        (sw.Gate(no_leak=True), "certify it in its project"),
        (sw.Gate(rubric=0), "certify it in its project"),
        (sw.Gate(outputs={"queue": {}}), "certify it against a prototype that gives this output"),
    ],
)
def test_what_was_not_measured_is_inconclusive_and_says_how_to_measure_it(gate: sw.Gate, how: str) -> None:
    data = full() | {"selective": None}
    data["compiled"].update(ms_p95=None, usd_per_call=None)
    verdict, reasons = judge(data, gate)
    assert verdict == "inconclusive"
    assert how in reasons[-1]


@given(st.dictionaries(st.sampled_from(LIMITS), st.floats(0, 1), min_size=1), st.booleans())
def test_more_conditions_never_make_a_verdict_better(asked: dict[str, float], leak: bool) -> None:
    order = ("fail", "inconclusive", "pass")
    whole = sw.Gate(no_leak=leak, **asked)
    verdict, reasons = judge(measured(), whole)
    for key in asked:
        less, fewer = judge(measured(), dataclasses.replace(whole, **{key: None}))
        assert order.index(less) >= order.index(verdict)
        assert len(fewer) < len(reasons)


# How it is stated


def test_the_default_gate_is_written_as_before() -> None:
    assert sw.Gate().as_json() == {"champion_mean": 0.0, "champion_lower": -0.1}
    assert sw.Recipe().as_json()["gate"] == sw.Gate().as_json()


def test_a_gate_is_read_back_as_it_was_written() -> None:
    gate = sw.Gate(
        prototype="no worse", margin=0.02, outputs={"queue": {"margin": 0.1}}, no_leak=True, rubric=2
    )
    assert sw.Gate.parse(json.loads(json.dumps(gate.as_json()))) == gate


def test_the_recipes_gate_wins_over_the_projects() -> None:
    settings = {"gate": {"latency_ms_p95": 200}}
    assert gate_of(sw.Gate(), settings) == sw.Gate(latency_ms_p95=200)
    assert gate_of(sw.Gate(rubric=1), settings) == sw.Gate(rubric=1)
    assert gate_of(sw.Gate(), {}) == sw.Gate()


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"latency": 3}, "'latency'"),
        ({"latency_ms_p95": "fast"}, "latency_ms_p95"),
        ({"latency_ms_p95": -1}, "latency_ms_p95"),
        ({"usd_per_call": float("nan")}, "usd_per_call"),
        ({"usd_per_call": float("inf")}, "usd_per_call"),
        ({"coverage": 93}, "coverage"),
        ({"accuracy": True}, "accuracy"),
        ({"margin": None}, "margin"),
        ({"rubric": 8}, "rubric"),
        ({"no_leak": 1}, "no_leak"),
        ({"prototype": "equal"}, "prototype"),
        ({"prototype": "no worse"}, "margin above 0"),
        ({"champion_mean": "0"}, "champion_mean"),
        ({"outputs": []}, "outputs"),
        ({"outputs": {"queue": 0.9}}, "outputs.queue"),
        ({"outputs": {"queue": {"least": 0.9}}}, "outputs.queue"),
        ({"outputs": {"queue": {"margin": "x"}}}, "outputs.queue.margin"),
        ({"outputs": {"queue": {"prototype": "no worse"}}}, "outputs.queue.margin above 0"),
        (["latency_ms_p95"], "a table of conditions"),
    ],
)
def test_a_bad_gate_names_the_key_and_where_it_stands(table: Any, key: str) -> None:
    with pytest.raises(InputError) as caught:
        gate_of(sw.Gate(), {"gate": table})
    assert key in caught.value.message
    assert caught.value.where == "pyproject.toml: [tool.shipworthy.gate]"


def test_the_tables_of_the_guide_are_read() -> None:
    guide = (Path(__file__).parent.parent / "docs" / "guide.md").read_text("utf-8")
    tables = [
        tomllib.loads(block) for block in re.findall(r"^```toml\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    ]
    settings = {key: value for table in tables for key, value in table["tool"]["shipworthy"].items()}
    gate = gate_of(sw.Gate(), settings)
    assert (gate.prototype, gate.margin, gate.outputs) == (
        "no worse",
        0.02,
        {"queue": {"prototype": "better"}},
    )
    assert judge(measured(), gate)[0] in ("pass", "fail", "inconclusive")
    assert read_by_hand(settings)["data-privacy"].by == "Ida"


def test_an_open_question_says_how_many_rows_would_close_it() -> None:
    found = {"mean": 0.1, "ci": [-0.05, 0.25], "ci_level": 0.975, "p": 0.1, "n": 40, "wins": 8, "losses": 4}
    _, reasons = judge(full() | {"difference": found, "look": 1})
    asked = int(re.search(r"difference, ([\d,]+) test rows", reasons[0])[1].replace(",", ""))  # type: ignore[index]
    assert gate_power(asked, 0.1, 0.3, level=look_level(2)) >= 0.8
    assert gate_power(asked - 1, 0.1, 0.3, level=look_level(2)) < 0.8


def test_no_number_of_rows_shows_what_is_not_there() -> None:
    found = {"mean": -0.01, "ci": [-0.2, 0.2], "ci_level": 0.975, "p": 0.6, "n": 40, "wins": 4, "losses": 5}
    _, reasons = judge(full() | {"difference": found})
    assert "4 times in 5" not in reasons[0]


@pytest.mark.parametrize(
    ("name", "difference", "said"),
    [
        ("attacks", {"mean": 0.38, "ci": [0.08, 0.57], "n": 20}, "attacks turn the program more often"),
        ("attacks", {"mean": -0.3, "ci": [-0.5, -0.1], "n": 20}, "attacks turn the program less often"),
        ("brittleness", {"overall": {"mean": 0.2, "ci": [0.1, 0.3], "n": 9}}, "costs the program more"),
        ("brittleness", {"overall": {"mean": 0.2, "ci": [-0.1, 0.3], "n": 9}}, None),
        ("attacks", {"mean": None, "ci": None, "n": 0}, None),
    ],
)
def test_what_stress_shows_is_said_whatever_the_gate(name: str, difference: Any, said: str | None) -> None:
    found = under_stress(full() | {"batteries": {name: {"difference": difference}}})
    assert (said in found[0]) if said else not found
