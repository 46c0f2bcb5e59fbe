"""A promptfoo project's assertions become the metric of the lifted one, which owns them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_project import call

import shipworthy as sw
from shipworthy.compiler import load_source
from shipworthy.examples import load_table
from shipworthy.scoring import Checks, metric_of
from shipworthy.scoring.assertions import run_assertion

DESKS = {
    "kitchen": ["The soup was cold", "Two coffees, please", "The steak was too salty", "Is there oat milk?"],
    "repairs": ["The shower is cold", "The lamp flickers", "The window stays open", "The heating rattles"],
    "desk": ["May we leave later?", "I was charged twice", "I lost my key card", "Send the invoice, please"],
}
PROMPT = "Which desk of the hotel cares for this? Name it and say one friendly sentence.\n{{ message }}\n"
LONG = "nobody, in any of the hotels that this house has ever run, would say such a thing to a guest"


def suite(**more: Any) -> dict[str, Any]:
    """A configuration whose tests have no label, an assertion each, and two for all."""
    tests = [
        {"vars": {"message": message}, "assert": [{"type": "icontains", "value": desk, "weight": 2}]}
        for desk, messages in DESKS.items()
        for message in messages
    ]
    shared = [{"type": "not-contains", "value": LONG}, {"type": "not-icontains", "value": "as an AI"}]
    return {"prompts": [PROMPT], "defaultTest": {"assert": shared}, "tests": tests, **more}


def write(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "promptfooconfig.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def lifted(folder: Path, config: dict[str, Any], *more: str | Path, code: int = 0) -> Any:
    done = call(
        "lift",
        write(folder, config),
        *more,
        "--into",
        folder / "desk",
        "--name",
        "hotel",
        "--json",
        cwd=folder,
    )
    assert done.code == code, done.out + done.err
    return done


def rows_of(folder: Path, split: str) -> list[dict[str, Any]]:
    path = folder / "desk" / "data" / "hotel" / f"{split}.jsonl"
    return list(load_table(path, may_be_empty=True).rows)


def test_checks_of_all_rows_stand_in_the_recipe_and_a_rows_own_beside_it(tmp_path: Path) -> None:
    document = lifted(tmp_path, suite()).document
    assert document["examples"] == 12
    assert document["metrics"] == ["exact", "answer", "not-contains", "not-icontains", "icontains"]
    metric = load_source(tmp_path / "desk", "hotel").recipe.metric
    assert isinstance(metric, Checks)
    assert [dict(check) for check in metric.checks] == suite()["defaultTest"]["assert"]
    train, test = rows_of(tmp_path, "train"), rows_of(tmp_path, "test")
    assert (len(train), len(test)) == (9, 3)
    known = {case["vars"]["message"]: case["assert"] for case in suite()["tests"]}
    assert all(row == {"message": row["message"], "checks": known[row["message"]]} for row in train + test)


def test_the_recipe_scores_as_running_each_assertion_by_hand_does(tmp_path: Path) -> None:
    lifted(tmp_path, suite())
    source = load_source(tmp_path / "desk", "hotel")
    metric = metric_of(source.recipe.metric, source.contract.outputs)
    answers = ["The kitchen will see to it.", "As an AI, I name the desk.", f"Repairs: {LONG}", "No idea."]
    for row in rows_of(tmp_path, "train"):
        for answer in answers:
            checks = [*row["checks"], *suite()["defaultTest"]["assert"]]
            by_hand = all(run_assertion(check["type"], check["value"], answer) for check in checks)
            assert metric.score({"answer": answer}, row, {}).value == float(by_hand)


def test_what_is_written_is_formatted_as_a_formatter_leaves_it(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["desk"], "properties": {"desk": {"type": "string"}}}
    one = [{"type": "contains-all", "value": ['a "quoted" word', "it's", LONG]}]
    for number, config in enumerate(
        [
            suite(),
            suite(defaultTest={"threshold": 0.5}),
            suite(defaultTest={"assert": [{"type": "is-json", "value": schema}, *one], "threshold": 0.25}),
            suite(defaultTest={"assert": [{"type": "assert-set", "threshold": 0.5, "assert": one}]}),
        ]
    ):
        home = tmp_path / str(number)
        home.mkdir()
        lifted(home, config)
        for command in (["format", "--check", "--line-length", "100"], ["check", "--line-length", "100"]):
            arguments = [sys.executable, "-m", "ruff", *command, "optimizers"]
            done = subprocess.run(arguments, cwd=home / "desk", capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def test_thresholds_and_json_answers_are_stated(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["desk"], "properties": {"desk": {"type": "string"}}}
    config = suite(defaultTest={"assert": [{"type": "is-json", "value": schema}], "threshold": 0.25})
    config["tests"][0]["threshold"] = 0.75
    lifted(tmp_path, config)
    source = load_source(tmp_path / "desk", "hotel")
    assert [field.name for field in source.contract.outputs] == ["desk"]
    metric = source.recipe.metric
    assert isinstance(metric, Checks)
    assert (metric.threshold, metric.whole) == (0.25, True)
    own = {row["message"]: row["checks"] for row in (*rows_of(tmp_path, "train"), *rows_of(tmp_path, "test"))}
    assert own["The soup was cold"] == {"assert": config["tests"][0]["assert"], "threshold": 0.75}


def test_the_column_has_a_name_of_its_own(tmp_path: Path) -> None:
    config = suite(prompts=["Sort {{ message }} by {{ checks }}."])
    for case in config["tests"]:
        case["vars"]["checks"] = "desk"
    lifted(tmp_path, config)
    metric = load_source(tmp_path / "desk", "hotel").recipe.metric
    assert isinstance(metric, Checks)
    assert metric.column == "row_checks"
    assert all({"message", "checks", "row_checks"} == set(row) for row in rows_of(tmp_path, "train"))


def test_tests_that_nothing_runs_for_are_left_out_and_told(tmp_path: Path) -> None:
    config = suite(defaultTest={"assert": [{"type": "latency", "threshold": 900}]})
    for case in config["tests"][:4]:
        case["assert"] = [{"type": "llm-rubric", "value": "is kind"}]
    done = lifted(tmp_path, config)
    assert done.document["examples"] == 8
    assert "4 of the prototype's own examples have no assertion about the answer" in done.err
    for case in config["tests"]:
        case["assert"] = [{"type": "llm-rubric", "value": "is kind"}]
    (tmp_path / "other").mkdir()
    lifted(tmp_path / "other", config)
    assert load_source(tmp_path / "other" / "desk", "hotel").recipe.metric == "exact"


def test_labels_of_other_examples_count_beside_the_checks_of_all_rows(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    lines = [f'"{message}",{desk}' for desk, messages in DESKS.items() for message in messages]
    rows.write_text("\n".join(["message,desk", *lines, ""]))
    config = suite()
    config["defaultTest"]["assert"].append({"type": "latency", "threshold": 900})
    document = lifted(tmp_path, config, rows).document
    source = load_source(tmp_path / "desk", "hotel")
    metric = metric_of(source.recipe.metric, source.contract.outputs, [{"desk": "kitchen"}])
    assert metric.score({"desk": "kitchen"}, {"desk": "kitchen"}, {}).value == 1.0
    assert metric.score({"desk": "kitchen"}, {"desk": "repairs"}, {}).value == 0.0
    why = {part["what"]: part["why"] for part in document["unmapped"]}
    assert "add them to rows that they fit, in a column 'checks'" in why["assertions of single tests"]
    assert "latency_ms_p95" in why["latency and cost"]


def test_rows_that_the_project_has_are_kept_when_it_is_lifted_again(tmp_path: Path) -> None:
    lifted(tmp_path, suite())
    path = tmp_path / "desk" / "data" / "hotel" / "train.jsonl"
    edited = (
        path.read_text() + '{"message": "More towels", "checks": [{"type": "contains", "value": "desk"}]}\n'
    )
    path.write_text(edited)
    assert "keeps the rows that it has" in lifted(tmp_path, suite()).err
    assert path.read_text() == edited
    lifted(tmp_path, suite(), "--new-contract")
    assert path.read_text() != edited


def test_a_check_that_somebody_broke_is_named_with_its_line(tmp_path: Path) -> None:
    lifted(tmp_path, suite())
    path = tmp_path / "desk" / "data" / "hotel" / "train.jsonl"
    path.write_text('{"message": "a", "checks": [{"type": "javascript", "value": "1"}]}\n' + path.read_text())
    done = call("compile", "hotel", "--plan", "--json", cwd=tmp_path / "desk")
    assert done.code == 2
    assert "no assertion 'javascript'" in done.document["error"]["message"]
    assert done.document["error"]["where"].endswith("train.jsonl:1, column 'checks'")


def test_tests_of_which_none_can_be_run_are_not_shipped(tmp_path: Path) -> None:
    config = suite(defaultTest={"assert": [{"type": "llm-rubric", "value": "is kind"}]})
    for case in config["tests"]:
        case["assert"] = []
    arguments = ("--into", tmp_path / "desk", "--json")
    done = call("ship", write(tmp_path, config), *arguments, cwd=tmp_path)
    assert done.code == 2
    assert done.document["error"]["message"] == "there are no examples to compile and certify with"


@pytest.mark.slow
def test_a_promptfoo_project_is_shipped_by_its_own_assertions(tmp_path: Path) -> None:
    """Lifted, compiled and certified on the embedded LM, without a label; the scores are those by hand."""
    config = suite(prompts=[PROMPT, "Route this for a hotel: kitchen, repairs or desk?\n{{ message }}"])
    config["tests"] = config["tests"][::3]
    done = call(
        "ship",
        write(tmp_path, config),
        "--into",
        tmp_path / "desk",
        "--name",
        "hotel",
        "--json",
        cwd=tmp_path,
    )
    assert done.code in (0, 1), done.out + done.err
    document = done.document
    home = tmp_path / "desk"
    certificate = home / ".shipworthy" / "certificates" / "hotel"
    lines = next(certificate.glob("*/rows.jsonl")).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(rows_of(tmp_path, "test")) == 1
    for contender in ("compiled", "prototype", "constrained"):
        held = []
        for row in rows:
            answer = (row["said"][contender]["outputs"] or {}).get("answer")
            checks = [*row["beside"]["checks"], *config["defaultTest"]["assert"]]
            held.append(
                answer is not None
                and all(run_assertion(check["type"], check["value"], answer) for check in checks)
            )
            assert row["said"][contender]["right"] is held[-1]
        measured = document["baselines"] | {key: document[key] for key in ("compiled", "prototype")}
        assert measured[contender]["score"] == sum(held) / len(held)
    assert document["baselines"]["majority"] is None
    standing = sw.certify("hotel", project=home, quick=True)
    assert standing.certificate.data["compiled"]["score"] == document["compiled"]["score"]
    data = json.loads((standing.page.parent / "certificate.json").read_text())
    assert data["metric"] == {"name": "checks", "version": 1}
    page = standing.page.read_text(encoding="utf-8")
    if document["compiled"]["score"] < 1:
        assert "What must hold" in page

    from shipworthy.ship import standing as stands

    assert "stale" not in stands("hotel", project=home).verdict
    path = home / "data" / "hotel" / "test.jsonl"
    path.write_text(path.read_text().replace('"icontains"', '"not-icontains"'))
    changed = stands("hotel", project=home)
    assert changed.verdict == "stale"
    assert "test rows came, went or changed" in changed.reasons[0]
