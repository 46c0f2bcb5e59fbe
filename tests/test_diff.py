"""What differs between two programs: told whole, and nothing where nothing does."""

from __future__ import annotations

import dataclasses
import html
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_project import Hotel, call, hotel
from two_programs import CONTRACT, PROVENANCE, QUEUE, REPLY, TICKET, certify, make, row, side

import shipworthy as sw
from shipworthy import errors
from shipworthy.examples import digest_of
from shipworthy.registry import Difference, Side, compare, read_evidence, read_side
from shipworthy.runtime import (
    Code,
    Contract,
    Extract,
    Field,
    FunctionSpec,
    ProgramSpec,
    SpanSpec,
    StepSpec,
    read_artifact,
    write_artifact,
)

__all__ = ["hotel"]

ROOM = Field("room", {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None})
LABELLED = [
    ("charged twice", "billing"),
    ("never came", "shipping"),
    ("refund", "billing"),
    ("box?", "shipping"),
]
CANARY = "sk-canary-51c0ffee51c0ffee"


def rows(*answers: Any, contract: Contract = CONTRACT, **more: Any) -> list[dict[str, Any]]:
    """The labelled rows, with these queues said of them."""
    return [
        row(contract, {"ticket": text}, {"queue": label}, None if queue is None else {"queue": queue}, **more)
        for (text, label), queue in zip(LABELLED, answers, strict=True)
    ]


RIGHT = ("billing", "shipping", "billing", "shipping")


def told(found: Difference, area: str) -> list[str]:
    return [change.what for change in found.changes if change.area == area]


# Programs --------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(
    demos=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["billing", "shipping"])), max_size=4),
    instruction=st.text("abc\n", max_size=8),
    threshold=st.sampled_from([0.0, 0.5, 0.625]),
    tokens=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    generates=st.booleans(),
)
def test_a_program_does_not_differ_from_itself(tmp_path_factory: Any, generates: bool, **made: Any) -> None:
    folder = tmp_path_factory.mktemp("same")
    contract = Contract((TICKET,), (QUEUE, REPLY)) if generates else CONTRACT
    sides = [side(folder / name, rows(*RIGHT), contract=contract, **made) for name in ("one", "two")]
    found = compare(*sides)
    assert (found.same, found.compatible, found.changes, found.notes) == (True, True, (), ())
    assert (found.rows["changed"], found.rows["shared"]) == (0, 4)
    assert found.scores["paired"]["mean"] == 0


@pytest.mark.parametrize(
    ("made", "area", "what"),
    [
        ({"instruction": "Sort it."}, "prompt", ["instruction changed"]),
        ({"demos": [("hello", "billing"), ("bye", "shipping")]}, "demos", ["demo added"]),
        ({"demos": []}, "demos", ["demo removed"]),
        ({"demos": [("hello", "shipping")]}, "demos", ["demo changed"]),
        ({"threshold": 0.625}, "program", ["threshold changed"]),
        ({"tokens": (3, 5, 9)}, "program", ["tokens read changed"]),
        ({"student": 0.1}, "program", ["student fitted anew"]),
        ({"lm": "local/4567"}, "program", ["LM changed"]),
        ({"provenance": {**PROVENANCE, "seed": 1}}, "origin", ["seed changed"]),
        ({"provenance": {**PROVENANCE, "data": {"train": "b" * 64}}}, "origin", ["training rows changed"]),
        ({"provenance": {**PROVENANCE, "versions": {"dspy": "3.5"}}}, "origin", ["version of dspy changed"]),
        ({"provenance": {**PROVENANCE, "journal": "j2"}}, "origin", []),
    ],
)  # fmt: skip
def test_each_change_is_told_once_and_breaks_no_caller(
    tmp_path: Path, made: Any, area: str, what: list[str]
) -> None:
    found = compare(side(tmp_path / "one"), side(tmp_path / "two", **made))
    assert [change.what for change in found.changes] == what
    assert told(found, area) == what
    assert found.compatible


def test_demos_in_another_order(tmp_path: Path) -> None:
    demos = [("one", "billing"), ("two", "shipping"), ("three", "billing")]
    found = compare(side(tmp_path / "a", demos=demos), side(tmp_path / "b", demos=demos[1:] + demos[:1]))
    (change,) = found.changes
    assert (change.what, change.before, change.after) == ("demos reordered", [0, 1, 2], [1, 2, 0])


def test_a_changed_text_is_told_line_by_line(tmp_path: Path) -> None:
    found = compare(
        side(tmp_path / "a"), side(tmp_path / "b", instruction="Sort the ticket.\nTake your time.")
    )
    (change,) = found.changes
    assert change.lines is not None
    assert [line for line in change.lines if line[0] in "+-"] == ["-Be quick.", "+Take your time."]
    assert (change.before, change.where) == ("Sort the ticket.\nBe quick.", "steps.triage.instruction")


def test_a_recipe_is_compared_pass_by_pass(tmp_path: Path) -> None:
    recipe = {
        "metric": "exact",
        "passes": [{"name": "Demos"}, {"name": "Readout", "width": [64]}],
        "target": 0.95,
    }
    found = compare(side(tmp_path / "a"), side(tmp_path / "b", provenance={**PROVENANCE, "recipe": recipe}))
    assert {change.where: (change.before, change.after) for change in found.changes} == {
        "recipe.passes.Readout.width": ([256], [64]),
        "recipe.passes.order": (["Readout"], ["Demos", "Readout"]),
        "recipe.passes.Demos": (None, {}),
        "recipe.target": (0.9, 0.95),
    }


def test_an_output_that_is_made_in_another_way(tmp_path: Path) -> None:
    first = read_side(make(tmp_path / "a"), label="a")
    step = first.spec.steps["triage"]
    assert step.decide is not None
    head = step.decide.heads["queue"].replace(student=False)
    decide = step.decide.replace(heads={"queue": head})
    steps = {"triage": step.replace(decide=decide)}
    spec = first.spec.replace(steps=steps, arrays_sha256=None)
    own = first.heads["triage"]
    heads = {
        "triage": dataclasses.replace(
            own, by_output={"queue": dataclasses.replace(own.by_output["queue"], student=None)}
        )
    }
    write_artifact(tmp_path / "b", spec, heads, probes=[], provenance=PROVENANCE)
    (change,) = compare(first, read_side(tmp_path / "b", label="b")).changes
    assert (change.what, change.where) == ("way to an output changed", "steps.triage.queue")
    assert (change.before, change.after) == (
        "decided by the readout and the student",
        "decided by the readout",
    )


def edited(folder: Path, made: Path, **parts: Any) -> Side:
    """An artifact with other parts of its step."""
    spec, heads, _, _ = read_artifact(made)
    steps = {"triage": spec.steps["triage"].replace(**parts)}
    write_artifact(folder, spec.replace(steps=steps), heads, probes=[], provenance=PROVENANCE)
    return read_side(folder)


def test_cascades_spans_and_decoding_are_told_by_their_settings(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain", contract=Contract((TICKET,), (QUEUE, REPLY)))
    spec, _, _, _ = read_artifact(plain)
    decide, generate = spec.steps["triage"].decide, spec.steps["triage"].generate
    assert decide is not None
    assert generate is not None

    def find(threshold: float) -> Extract:
        spans = {"reply": SpanSpec(threshold=threshold)}
        return Extract(by="scoring", outputs=("reply",), spans=spans, longest=8, prompt=generate.prompt)

    one, two = decide.with_cascade(0.75, {"queue": 1.0}), decide.with_cascade(0.875, {"queue": 1.0})
    longer = generate.replace(max_tokens=64)
    base = "steps.triage"
    for name, before, after, wanted in (
        (
            "cut",
            {"decide": one},
            {"decide": two},
            ("cut of the cascade changed", f"{base}.decide.cascade.cut"),
        ),
        ("cascade", {}, {"decide": two}, ("cascade added", f"{base}.decide.cascade")),
        ("tokens", {}, {"generate": longer}, ("longest answer changed", f"{base}.generate.max_tokens")),
        (
            "span",
            {"extract": find(0.5), "generate": None},
            {"extract": find(0.75), "generate": None},
            ("threshold changed", f"{base}.extract.spans.reply.threshold"),
        ),
        (
            "way",
            {},
            {"extract": find(0.5), "generate": None},
            ("way to an output changed", f"{base}.reply"),
        ),
    ):
        found = compare(
            edited(tmp_path / f"{name} a", plain, **before), edited(tmp_path / f"{name} b", plain, **after)
        )
        assert [(change.what, change.where) for change in found.changes] == [wanted]


def test_where_inputs_are_shown_in_another_order(tmp_path: Path) -> None:
    contract = Contract((TICKET, ROOM), (QUEUE,))
    plain = make(tmp_path / "plain", contract=contract)
    decide = read_artifact(plain)[0].steps["triage"].decide
    assert decide is not None
    prompt = decide.prompt.replace(slots=decide.prompt.slots[::-1])
    other = edited(tmp_path / "other", plain, decide=decide.replace(prompt=prompt))
    (change,) = compare(read_side(plain), other).changes
    assert (change.what, change.after) == ("order of inputs in the prompt changed", ["room", "ticket"])


def test_no_number_in_a_provenance_is_no_difference_and_no_fault(tmp_path: Path) -> None:
    odd = {**PROVENANCE, "recipe": {"target": float("nan"), "passes": "none", "steps": {"a": [1]}}}
    found = compare(side(tmp_path / "a", provenance=odd), side(tmp_path / "b", provenance=odd))
    assert found.changes == ()
    assert compare(side(tmp_path / "c", provenance={}), side(tmp_path / "d", provenance=odd)).as_json()


def with_function(folder: Path, source: str, *, name: str = "clean") -> Path:
    """An artifact of one step that is a function."""
    data = source.encode()
    contract = Contract((TICKET,), (Field("words", {"type": "integer"}),))
    function = FunctionSpec(name=name, module="own.py", files={"own.py": digest_of(data)})
    spec = ProgramSpec(
        name="count",
        contract=contract.as_json(),
        contract_sha256=contract.digest,
        steps={"words": StepSpec(instruction="", **contract.as_json(), function=function)},
        flow=("words",),
        lm=None,
    )
    code = {"words": Code(function, folder, {"own.py": data})}
    write_artifact(folder, spec, {}, probes=[], provenance={}, code=code)
    return folder


def test_code_of_functions_is_told_by_file_and_line(tmp_path: Path) -> None:
    one = with_function(tmp_path / "a", "def clean(ticket):\n    return 1\n")
    two = with_function(tmp_path / "b", "def clean(ticket):\n    return 2\n")
    (change,) = compare(read_side(one), read_side(two)).changes
    assert (change.what, change.where, change.area) == ("code changed", "steps.words.code.own.py", "code")
    assert change.lines is not None
    assert change.lines[-2:] == ("-    return 1", "+    return 2")


def test_programs_of_several_steps_are_compared_step_by_step(tmp_path: Path) -> None:
    def two_steps(folder: Path, instruction: str, second: str) -> Path:
        spec, heads, _, _ = read_artifact(make(folder / "one", instruction=instruction))
        steps = {
            "sort": spec.steps["triage"],
            second: spec.steps["triage"].replace(decide=None),
        }
        both = spec.replace(steps=steps, flow=tuple(steps), arrays_sha256=None)
        write_artifact(folder / "both", both, {"sort": heads["triage"]}, probes=[], provenance={})
        return folder / "both"

    one, two = two_steps(tmp_path / "a", "Sort.", "reply"), two_steps(tmp_path / "b", "Sort it.", "answer")
    found = compare(read_side(one), read_side(two))
    assert [(change.what, change.where) for change in found.changes] == [
        ("step removed", "steps.reply"),
        ("step added", "steps.answer"),
        ("instruction changed", "steps.sort.instruction"),
    ]


def test_programs_of_two_names_are_compared_and_that_is_said(tmp_path: Path) -> None:
    found = compare(side(tmp_path / "a"), side(tmp_path / "b", name="sorter"))
    assert "these are two programs: triage and sorter" in found.notes
    assert [change.what for change in found.changes] == ["step renamed", "program renamed"]
    assert found.compatible


# Rows ------------------------------------------------------------------------------------


def test_scores_and_answers_of_the_same_rows(tmp_path: Path) -> None:
    before = side(tmp_path / "a", rows("billing", "billing", "shipping", "shipping"))
    after = side(tmp_path / "b", rows("billing", "shipping", "other", None), threshold=0.6)
    found = compare(before, after)
    paired = found.scores["paired"]
    assert (paired["mean"], paired["n"], paired["wins"], paired["losses"]) == (0.0, 4, 1, 1)
    assert paired["ci"][0] < 0 < paired["ci"][1]
    assert found.scores["by_output"]["queue"]["n"] == 4
    assert [found.rows[key] for key in ("before", "after", "shared", "changed")] == [4, 4, 4, 3]
    turned = [found.rows[key] for key in ("turned_right", "turned_wrong", "neither", "unscored")]
    assert turned == [1, 1, 1, 0]
    examples = found.rows["examples"]
    assert [example["turned"] for example in examples] == ["wrong", "right", "neither"]
    assert examples[0]["after"]["error"]["message"] == "the answer is not JSON"
    assert examples[1]["inputs"] == {"ticket": "never came"}
    assert (examples[1]["before"]["outputs"], examples[1]["after"]["outputs"]) == (
        {"queue": "billing"},
        {"queue": "shipping"},
    )
    assert examples[1]["labels"] == {"queue": "shipping"}


def test_only_rows_that_stand_in_both_are_compared(tmp_path: Path) -> None:
    before = side(tmp_path / "a", rows(*RIGHT)[:3])
    after = side(tmp_path / "b", rows("shipping", "billing", "billing", "shipping")[2:])
    found = compare(before, after)
    assert (found.rows["shared"], found.scores["paired"]["n"], found.rows["changed"]) == (1, 1, 0)
    none = compare(before, side(tmp_path / "c", rows(*RIGHT)[3:]))
    assert none.scores["paired"]["mean"] is None
    assert none.scores["why"] == "no row stands in both certificates"


def test_graded_scores_are_compared_as_they_are(tmp_path: Path) -> None:
    def graded(score: float) -> list[dict[str, Any]]:
        found = rows("other", "other", "other", "other")
        for one in found:
            one["said"]["compiled"].update(score=score, right=False)
        return found

    found = compare(side(tmp_path / "a", graded(0.25)), side(tmp_path / "b", graded(0.75)))
    assert found.scores["paired"]["mean"] == 0.5
    assert {example["turned"] for example in found.rows["examples"]} == {"neither"}


def test_certificates_that_keep_no_scores_are_compared_by_right_and_wrong(tmp_path: Path) -> None:
    old = rows("billing", "billing", "billing", "shipping")
    for one in old:
        del one["said"]["compiled"]["score"], one["said"]["compiled"]["by_output"]
    found = compare(read := _with(tmp_path / "a", old), side(tmp_path / "b", rows(*RIGHT)))
    assert read.evidence is not None
    assert (found.scores["paired"]["mean"], found.scores["by_output"]) == (0.25, {})


def _with(folder: Path, given: list[dict[str, Any]]) -> Any:
    scored = [{**one, "said": {"compiled": {"score": 1.0, **one["said"]["compiled"]}}} for one in given]
    made = side(folder, scored)
    (folder / "certificate" / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in given))
    return dataclasses.replace(made, evidence=read_evidence(folder / "certificate", digest=made.digest))


def test_a_row_that_the_metric_could_not_score_is_no_loss(tmp_path: Path) -> None:
    after = rows("shipping", *RIGHT[1:])
    after[0]["said"]["compiled"].update(score=None, right=None)
    made = side(tmp_path / "b", rows(*RIGHT))
    place = tmp_path / "b" / "certificate"
    (place / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in after))
    made = dataclasses.replace(made, evidence=read_evidence(place, digest=made.digest))
    found = compare(side(tmp_path / "a", rows(*RIGHT)), made)
    assert (found.scores["paired"]["n"], found.rows["unscored"], found.rows["turned_wrong"]) == (3, 1, 0)


def test_an_added_output_leaves_the_others_comparable(tmp_path: Path) -> None:
    contract = Contract((TICKET, ROOM), (QUEUE, REPLY))
    new = [
        row(contract, {"ticket": text, "room": None}, {"queue": label}, {"queue": label, "reply": "So."})
        for text, label in LABELLED
    ]
    found = compare(
        side(tmp_path / "a", rows("billing", "billing", *RIGHT[2:])),
        side(tmp_path / "b", new, contract=contract),
    )
    assert found.compatible
    assert told(found, "contract") == ["input added", "output added"]
    assert (found.rows["shared"], found.rows["turned_right"]) == (4, 1)
    assert (found.scores["paired"]["mean"], found.scores["why"]) == (0.25, "scored on what both have: queue")


def test_where_a_metric_looks_at_all_outputs_those_that_both_have_are_compared_one_by_one(
    tmp_path: Path,
) -> None:
    contract = Contract((TICKET,), (QUEUE, REPLY))
    about = {"certificate": {"metric": {"name": "all", "version": 1}}}
    before = side(tmp_path / "a", rows("billing", "billing", *RIGHT[2:]), **about)
    found = compare(before, side(tmp_path / "b", rows(*RIGHT), contract=contract, **about))
    assert found.scores["paired"]["mean"] is None
    assert "the metric all looks at all of them" in found.scores["why"]
    assert found.scores["by_output"]["queue"]["mean"] == 0.25


def test_rows_with_other_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    new = rows(*RIGHT)
    new[0] = row(CONTRACT, {"ticket": "charged twice"}, {"queue": "shipping"}, {"queue": "shipping"})
    found = compare(side(tmp_path / "a", rows(*RIGHT)), side(tmp_path / "b", new))
    assert (found.rows["shared"], found.rows["other_labels"]) == (3, 1)
    assert "1 rows have other labels" in found.notes[0]


def test_rows_with_other_checks_are_not_the_same(tmp_path: Path) -> None:
    sides = [side(tmp_path / sha, rows(*RIGHT, beside_sha256=sha)) for sha in ("x", "y")]
    assert compare(*sides).rows["shared"] == 0


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ({"metric": {"name": "partial", "version": 1}}, "exact (version 2) and partial (version 1)"),
        ({"metric": {"name": "exact", "version": 3}}, "made by different metrics"),
        ({"metric": None, "compiled": None}, "the certificate of b measured nothing"),
    ],
)  # fmt: skip
def test_scores_of_two_metrics_are_not_compared_but_answers_are(
    tmp_path: Path, certificate: Any, why: str
) -> None:
    one = side(tmp_path / "a", rows(*RIGHT))
    two = side(tmp_path / "b", rows("shipping", *RIGHT[1:]), certificate=certificate)
    found = compare(one, two)
    assert found.scores["paired"]["mean"] is None
    assert why in found.scores["why"]
    assert (found.rows["changed"], found.rows["unscored"]) == (1, 1)


def test_a_metric_with_other_parameters_is_another(tmp_path: Path) -> None:
    def by(days: int) -> dict[str, Any]:
        return {**PROVENANCE, "recipe": {**PROVENANCE["recipe"], "metric": {"name": "date", "days": days}}}

    sides = [side(tmp_path / str(days), rows(*RIGHT), provenance=by(days)) for days in (1, 2)]
    assert "different metrics" in compare(*sides).scores["why"]


def test_without_a_certificate_the_programs_are_compared_all_the_same(tmp_path: Path) -> None:
    found = compare(side(tmp_path / "a", rows(*RIGHT)), side(tmp_path / "b", threshold=0.6))
    assert told(found, "program") == ["threshold changed"]
    assert found.rows["before"] == 4
    assert [found.rows[key] for key in ("after", "shared", "changed", "turned_right")] == [None] * 4
    assert found.scores["why"] == "without both certificates no scores are compared"


def test_a_line_separator_within_a_text_ends_no_row(tmp_path: Path) -> None:
    one = [row(CONTRACT, {"ticket": "a\u2028b\x85c"}, {"queue": "billing"}, {"queue": "billing"})]
    made = side(tmp_path / "a", one)
    assert made.evidence is not None
    assert made.evidence.rows[0]["inputs"]["ticket"] == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.jsonl", "{\n", "not a JSON object"),
        ("rows.jsonl", "[]\n", "a JSON object is expected"),
        ("rows.jsonl", '{"digest": "x"}\n', "a row of its certificate has another format"),
        ("rows.jsonl", json.dumps({**rows(*RIGHT)[0], "said": {"compiled": {"score": 7}}}), "another format"),
        ("rows.jsonl", b"\xff\n", "not UTF-8"),
        ("rows.jsonl", None, "cannot be read"),
        ("certificate.json", "{", "not a JSON object"),
        ("certificate.json", None, "cannot be read"),
        ("certificate.json", {"verdict": "pass"}, "another format"),
        ("certificate.json", {"verdict": "pass", "compiled": {"score": "high"}}, "another format"),
        ("certificate.json", {"digest": "0" * 64}, "that of another program"),
    ],
)  # fmt: skip
def test_evidence_of_another_format_is_refused_with_its_place(
    tmp_path: Path, name: str, text: Any, message: str
) -> None:
    folder = certify(tmp_path / "certificate", "d" * 64, rows(*RIGHT))
    path = folder / name
    if text is None:
        path.unlink()
    elif isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text if isinstance(text, str) else json.dumps({"digest": "d" * 64, **text}))
    with pytest.raises(errors.ArtifactError, match=message) as caught:
        read_evidence(folder, digest="d" * 64)
    assert str(folder) in caught.value.where
    assert caught.value.hint


# What is shown ---------------------------------------------------------------------------

NASTY = "</pre><script>alert('x')</script> {{ 7*7 }} mail me@example.org \x1b[31mred"


@pytest.fixture
def nasty(tmp_path: Path) -> Difference:
    one = [row(CONTRACT, {"ticket": NASTY}, {"queue": "billing"}, {"queue": "billing"})]
    two = [row(CONTRACT, {"ticket": NASTY}, {"queue": "billing"}, {"queue": "<b>"})]
    return compare(
        side(tmp_path / "a", one, instruction=f"Sort.\nThe key is {CANARY}."),
        side(tmp_path / "b", two, instruction=NASTY, demos=[(NASTY, "billing")]),
    )


def test_the_page_has_no_script_and_nothing_of_the_rows_becomes_markup(nasty: Difference) -> None:
    page = nasty.page()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert html.escape("<script>") in page
    assert "me@example.org" not in page
    assert "7*7" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    shown = nasty._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "<script" not in shown


def test_secrets_are_shown_nowhere(nasty: Difference) -> None:
    assert CANARY not in json.dumps(nasty.as_json()) + nasty.page()


@pytest.mark.parametrize("kind", ["whole", "no certificates", "same"])
def test_every_page_can_be_made(tmp_path: Path, kind: str) -> None:
    given = {"whole": rows(*RIGHT), "no certificates": None, "same": rows(*RIGHT)}[kind]
    made = {} if kind == "same" else {"contract": Contract((TICKET,), (REPLY,)), "threshold": 0.6}
    page = compare(side(tmp_path / "a", given), side(tmp_path / "b", given, **made)).page()
    wanted = {
        "whole": "Callers are not compatible",
        "no certificates": "no certificate",
        "same": "The same program",
    }
    assert wanted[kind] in page
    assert ">None<" not in page


# The command -----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two compiles of a program and the certificates of both."""
    (tmp_path / "pyproject.toml").write_text("[tool.shipworthy]\n")
    for name, answers, made in (
        ("one", RIGHT, {}),
        (
            "two",
            ("shipping", *RIGHT[1:]),
            {"contract": Contract((TICKET,), (REPLY, QUEUE)), "threshold": 0.6},
        ),
    ):
        found = read_side(make(tmp_path / name, **made))
        certify(
            tmp_path / ".shipworthy/certificates/triage" / found.digest[:16], found.digest, rows(*answers)
        )
    return tmp_path


def test_the_command_on_two_folders(project: Path) -> None:
    done = call("diff", "one", "two", "--json", "--html", "page.html", cwd=project)
    assert (done.code, done.err) == (0, "")
    assert set(done.document) == {
        "before",
        "after",
        "same",
        "compatible",
        "changes",
        "scores",
        "rows",
        "notes",
    }
    assert set(done.document["changes"][0]) >= {"what", "where", "before", "after", "breaking"}
    assert done.document["compatible"] is True
    assert done.document["before"]["artifact"] == str(project / "one")
    assert done.document["scores"]["paired"]["mean"] == -0.25
    assert "Callers stay compatible" in (project / "page.html").read_text()
    back = call("diff", "two", "one", "--exit-code", cwd=project)
    assert back.code == 1
    assert "callers stay compatible: no" in back.out
    assert "! output removed: outputs.reply" in back.out
    assert "1 turned right" in back.out
    assert call("diff", "two", "one", cwd=project).code == 0
    assert call("diff", "one", "two", "--exit-code", cwd=project).code == 0


def test_the_terminal_shows_as_many_answers_as_asked_and_no_escapes(project: Path) -> None:
    found = read_side(project / "two")
    place = project / ".shipworthy/certificates/triage" / found.digest[:16]
    certify(place, found.digest, rows(*["\x1b[31mred"] * 4))
    done = call("diff", "one", "two", "--limit", "2", cwd=project)
    assert done.out.count("turned wrong: ") == 2
    assert "… 2 more" in done.out
    assert "\x1b" not in done.out


def test_in_python(project: Path) -> None:
    found = sw.diff(project / "one", project / "two", project=project)
    assert found.compatible
    assert found.as_json()["rows"]["changed"] == 1
    assert found._repr_html_().startswith("<iframe")
    assert "compatible" in repr(found)


def test_bad_input_has_a_typed_error_and_its_exit_code(project: Path) -> None:
    for names, kind in (
        (("one", "nothing"), "NotFoundError"),
        (("one", "triage/7"), "NotFoundError"),
        (("one", "triage@old"), "NotFoundError"),
        (("one", "no such"), "NotFoundError"),
    ):
        done = call("diff", *names, "--json", cwd=project)
        assert (done.code, done.document["error"]["type"]) == (2, kind)
        assert done.document["error"]["hint"]
    done = call("diff", "one", "two", "--html", "pyproject.toml/page.html", "--json", cwd=project)
    assert (done.code, done.document["error"]["type"]) == (3, "StorageError")
    path = project / "two" / "program.json"
    path.write_bytes(path.read_bytes().replace(b"quick", b"brisk"))
    done = call("diff", "one", "two", "--json", cwd=project)
    assert (done.code, done.document["error"]["type"]) == (2, "ArtifactError")
    assert done.document["error"]["where"] == str(Path("two") / "program.json")


def test_a_certificate_that_cannot_be_used_is_said_and_the_rest_is_compared(project: Path) -> None:
    (path,) = (project / ".shipworthy/certificates/triage").glob(
        f"{read_side(project / 'two').digest[:16]}/rows.jsonl"
    )
    path.write_text("broken\n")
    done = call("diff", "one", "two", "--json", cwd=project)
    assert done.code == 0
    assert "rows.jsonl, line 1" in done.document["notes"][0]
    assert done.document["scores"]["paired"]["mean"] is None
    assert done.document["changes"]


@pytest.mark.slow
def test_a_shipped_version_is_compared_with_what_it_was_made_of_and_with_another(
    hotel: Hotel, tmp_path: Path
) -> None:
    done = call("diff", "hotel/1", hotel.artifact, "--json", cwd=hotel.folder)
    assert done.code == 0
    found = done.document
    assert (found["same"], found["compatible"], found["changes"], found["notes"]) == (True, True, [], [])
    place = hotel.folder / ".shipworthy/certificates/hotel" / hotel.artifact.name
    n = len((place / "rows.jsonl").read_text().splitlines())
    assert (found["rows"]["shared"], found["scores"]["paired"]["n"], found["rows"]["changed"]) == (n, n, 0)
    other = make(tmp_path / "other")
    done = call("diff", "hotel", other, "--exit-code", "--html", tmp_path / "page.html", cwd=hotel.folder)
    assert done.code == 1
    assert "these are two programs: hotel and triage" in done.out
    assert "! input removed: inputs.message" in done.out
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    missing = call("diff", "hotel/1", "hotel/99", "--json", cwd=hotel.folder)
    assert (missing.code, missing.document["error"]["type"]) == (2, "NotFoundError")
