"""Programs of several steps, compiled: what each step learns from, and what the program is scored by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest
from mail_program import (
    READ,
    USUAL,
    Clerk,
    Confirm,
    Reply,
    Sort,
    Urgent,
    compiled,
    made,
    mail,
    rows,
    tools,
)

import shipworthy as sw
from shipworthy.compiler import Budget, plan_of, source_of
from shipworthy.errors import (
    InputError,
)
from shipworthy.evidence import Opponent, compile_page
from shipworthy.evidence.contest import run_contest
from shipworthy.lms import Journal, Recorded
from shipworthy.runtime import Progress
from shipworthy.scoring import EXACT, AllRight, Contains, Weighted, evaluate, metric_of
from shipworthy.ship.rows import given_rows

__all__ = ["made"]


def test_a_step_learns_where_rows_have_labels_and_is_asked_plainly_where_not(made: Any) -> None:
    spec = made.program.spec
    assert spec.steps["sort"].decide is not None
    assert spec.steps["urgent"].decide is not None
    assert len(spec.steps["confirm"].demos) == 3
    assert spec.steps["reply"].demos == ()
    assert any("reply: asked by its plain prompt, since no row has labels" in note for note in made.notes)
    learnt = {one["name"]: one["rows"] for one in made.figures["steps"]}
    assert learnt == {"passages": 0, "sort": 60, "urgent": 60, "confirm": 20, "reply": 0}


def test_the_same_rows_give_the_same_digest(made: Any, tmp_path: Path) -> None:
    assert compiled(tmp_path, mail(tmp_path / "source"), *USUAL).digest == made.digest


def test_a_later_step_learns_from_predictions_and_not_from_labels(tmp_path: Path) -> None:
    """A label that contradicts all that can be read is given by no head to a row that it has not seen."""
    train = [{**row, "kind": "praise"} if i in (0, 15, 30, 45) else row for i, row in enumerate(rows(90))]
    made = compiled(tmp_path, mail(tmp_path / "source"), READ, train=train)
    probe = next(one for one in made.program.probes if one.step == "urgent")
    assert train[0]["kind"] == "praise"
    assert probe.inputs == {"text": "where is parcel 0", "kind": "order"}


def test_a_row_that_brings_what_a_function_gives_keeps_it(tmp_path: Path) -> None:
    class Quote(dspy.Signature):
        """Name the number."""

        text: str = dspy.InputField()
        passages: list[str] = dspy.InputField()
        number: str = dspy.OutputField()

    class Quoting(sw.Steps):
        passages = sw.step(tools(tmp_path / "source").find_passages, files=["handbook.txt"])
        quote = sw.step(Quote)

    train = [{"text": f"lovely {i}", "number": str(i), "passages": [f"brought {i}"]} for i in range(6)]
    del train[0]["passages"]
    made = compiled(tmp_path, Quoting(), sw.Demos(without_classes=6), train=train)
    shown = [demo.inputs["passages"] for demo in made.program.spec.steps["quote"].demos]
    assert sorted(shown) == sorted([[], *([f"brought {i}"] for i in range(1, 6))])


def test_a_recipe_names_passes_by_step(tmp_path: Path) -> None:
    own = mail(tmp_path / "source")
    made = compiled(tmp_path, own, READ, steps={"sort": [sw.Student()], "confirm": []})
    spec = made.program.spec
    assert spec.steps["sort"].decide.reads == ()  # type: ignore[union-attr]
    assert spec.steps["urgent"].decide.reads  # type: ignore[union-attr]
    assert spec.steps["confirm"].demos == ()
    with pytest.raises(InputError, match="has none of that name") as caught:
        compiled(tmp_path, own, READ, steps={"sotr": [sw.Student()]})
    assert "sort" in caught.value.hint


def test_a_file_of_the_project_keeps_its_place_to_the_function(tmp_path: Path) -> None:
    reading = """
from pathlib import Path

def opening(text: str) -> str:
    book = Path(__file__).parent / "../data/book.txt"
    return book.read_text() + text
"""
    house = tmp_path / "house"
    (house / "data").mkdir(parents=True)
    (house / "pyproject.toml").touch()
    (house / "data" / "book.txt").write_text("Dear guest, ")
    own = tools(house / "programs", reading)

    class Letter(sw.Steps):
        opening = sw.step(own.opening, files=["../data/book.txt"])

    made = compiled(
        tmp_path, Letter(), sw.Student(), train=[{"text": "hello", "opening": "Dear guest, hello"}]
    )
    (house / "data" / "book.txt").write_text("changed ")
    assert sw.load_artifact(made.artifact)(text="hello").opening == "Dear guest, hello"
    spec = made.program.spec.steps["opening"].function
    assert spec is not None
    assert sorted(spec.files) == ["data/book.txt", "programs/tools.py"]


def about(text: str) -> str:
    """What a row without labels is about; it stands for a rule that says what a step should have said."""
    return "order" if "where" in text else "complaint" if "crack" in text else "praise"


def unlabelled() -> list[dict[str, Any]]:
    return [{"text": row["text"], "urgent": row["urgent"]} for row in rows()]


class Answering(dspy.Signature):
    """Answer the message."""

    text: str = dspy.InputField()
    kind: str = dspy.InputField()
    reply: str = dspy.OutputField()


class Sorted(sw.Steps):
    inputs = ("text",)
    outputs = ("urgent",)
    sort = sw.step(Sort)
    urgent = sw.step(Urgent)


def test_a_recipe_says_what_an_inner_step_should_have_said(tmp_path: Path) -> None:
    made = compiled(tmp_path, Sorted(), *USUAL, train=unlabelled(), labels={"kind": about})
    assert made.program.spec.steps["sort"].decide is not None
    again = compiled(tmp_path, Sorted(), *USUAL, train=rows())  # with the same labels as a column
    assert again.program.spec.steps == made.program.spec.steps
    without = compiled(tmp_path, Sorted(), *USUAL, train=unlabelled())
    assert without.program.spec.steps["sort"].decide is None


def test_labels_may_come_from_what_steps_before_give(tmp_path: Path) -> None:
    class Look(dspy.Signature):
        """Sort the message."""

        text: str = dspy.InputField()
        passages: list[str] = dspy.InputField()
        kind: Literal["order", "complaint", "praise"] = dspy.OutputField()

    class Found(sw.Steps):
        outputs = ("urgent",)
        passages = sw.step(tools(tmp_path / "source").find_passages, files=["handbook.txt"])
        sort = sw.step(Look)
        urgent = sw.step(Urgent)

    def kind(passages: list[str], urgent: bool) -> str | None:
        return "complaint" if urgent else "praise" if passages else "order"

    made = compiled(tmp_path, Found(), *USUAL, train=unlabelled(), labels={"kind": kind})
    for demo in made.program.spec.steps["sort"].demos:
        assert demo.outputs["kind"] == kind(demo.inputs["passages"], "crack" in demo.inputs["text"])


def test_what_a_function_should_have_given_takes_its_place_while_later_steps_learn(tmp_path: Path) -> None:
    class Quote(dspy.Signature):
        """Name the number."""

        passages: list[str] = dspy.InputField()
        number: str = dspy.OutputField()

    class Quoting(sw.Steps):
        passages = sw.step(tools(tmp_path / "source").find_passages, files=["handbook.txt"])
        quote = sw.step(Quote)

    train = [{"text": f"lovely {i}", "number": str(i)} for i in range(6)]
    labels = {"passages": lambda number: [f"page {number}"]}
    made = compiled(tmp_path, Quoting(), sw.Demos(without_classes=6), train=train, labels=labels)
    shown = [demo.inputs["passages"] for demo in made.program.spec.steps["quote"].demos]
    assert sorted(shown) == [[f"page {i}"] for i in range(6)]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"kin": about}, "'kin', which no step writes"),
        ({"kind": lambda nothing: nothing}, "asks for nothing"),
        ({"kind": lambda text: "poem"}, "is none of"),
        ({"kind": lambda text: 1 / 0}, "ZeroDivisionError"),
    ],
)
def test_labels_that_cannot_be_made_are_an_error(tmp_path: Path, labels: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compiled(tmp_path, Sorted(), sw.Student(), train=unlabelled(), labels=labels)


def test_labels_come_from_functions() -> None:
    with pytest.raises(InputError, match="comes from a function"):
        sw.Recipe(labels={"kind": "about"})  # type: ignore[dict-item]


def calls(folder: Path, journal: str, program: Any) -> list[str]:
    """The instructions of the calls that a compile really makes."""
    lm = Clerk()
    compiled(folder, program, sw.Demos(), READ, lm=lm, journal=journal)
    return sorted({prompt.system.partition("\n")[0] for prompt in lm.asked})


def test_only_steps_whose_source_or_inputs_changed_are_asked_again(tmp_path: Path) -> None:
    own = mail(tmp_path / "source")
    assert calls(tmp_path, "first", own) == ["Is it urgent?", "Sort the message."]
    assert calls(tmp_path, "second", own) == []
    own.urgent.signature = own.urgent.signature.with_instructions("Is it urgent, or can it wait?")
    assert calls(tmp_path, "third", own) == ["Is it urgent, or can it wait?"]
    own.sort.signature = own.sort.signature.with_instructions("Sort the message well.")
    assert calls(tmp_path, "fourth", own) == ["Sort the message well."]  # its answers are the same


def test_the_metric_scores_the_programs_outputs_on_held_out_rows(tmp_path: Path) -> None:
    own = mail(tmp_path / "source")
    made = compiled(tmp_path, own, *USUAL, metric="urgent")
    assert made.dev["score"] == 1.0
    assert made.dev["n"] >= 50
    assert "step by step" in made.dev["how"]
    assert (
        compiled(tmp_path, own, sw.Student()).dev is None
    )  # `number` counts too, and nobody was asked for it


def test_a_loaded_program_is_a_step_as_it_was_compiled(made: Any, tmp_path: Path) -> None:
    class Outer(sw.Steps):
        outputs = ("urgent", "number", "reply")
        old = sw.step(made.program)

    whole = compiled(tmp_path, Outer(), *USUAL)
    assert set(whole.program.spec.flow) == {f"old.{name}" for name in made.program.spec.flow}
    for text in ("where is parcel 5", "cup 3 has a crack", "lovely"):
        inner, outer = made.program(text=text), whole.program(text=text)
        assert outer.outputs == {name: inner.outputs[name] for name in ("urgent", "number", "reply")}
        assert outer.confidence["urgent"] == inner.confidence["urgent"]


def test_a_loaded_program_of_another_lm_is_refused(made: Any, tmp_path: Path) -> None:
    class Outer(sw.Steps):
        old = sw.step(made.program)

    other = Clerk()
    other.id = "stand-in/other"
    with pytest.raises(InputError, match="compiled on stand-in/clerk"):
        compiled(tmp_path, Outer(), lm=other)


def test_a_program_within_a_program_runs_with_its_own_values(tmp_path: Path) -> None:
    class Inner(sw.Steps):
        outputs = ("reply",)
        sort = sw.step(Sort)
        passages = sw.step(tools(tmp_path / "source").find_passages, files=["handbook.txt"])
        number = sw.step(Confirm, when={"kind": "order"})
        reply = sw.step(Reply)

    class Outer(sw.Steps):
        outputs = ("kind", "urgent", "reply")
        sort = sw.step(Sort)
        urgent = sw.step(Urgent)
        answer = sw.step(Inner, when={"kind": ["order", "praise"]})

    program = compiled(tmp_path, Outer(), *USUAL).program
    assert program(text="where is 8").outputs == {"kind": "order", "urgent": False, "reply": "about 8"}
    complaint = program(text="cup 1 has a crack")
    assert complaint.reply is None
    assert [step.name for step in complaint.steps] == ["sort", "urgent"]


def test_a_budget_is_shared_among_the_steps(tmp_path: Path) -> None:
    made = compiled(tmp_path, mail(tmp_path / "source"), *USUAL, budget=Budget(calls=60))
    assert made.lm_calls <= 60
    assert {"sort", "urgent"} <= {
        name for name, step in made.program.spec.steps.items() if step.decide is not None
    }


def test_the_plan_adds_the_steps_up(tmp_path: Path) -> None:
    source = source_of(mail(tmp_path), name="mail", recipe=sw.Recipe(passes=USUAL))
    plan = plan_of(source, rows(), [], lm="stand-in", usd_per_token=1e-6)
    assert [one.name for one in plan.passes][:3] == ["sort: Demos", "sort: Readout", "sort: Student"]
    assert plan.calls == sum(one.calls or 0 for one in plan.passes)
    assert plan.usd is not None


def test_plain_few_shot_is_no_opponent_of_several_steps(made: Any, tmp_path: Path) -> None:
    lm = Recorded(Clerk(), Journal(tmp_path / "calls.jsonl"))
    test = [{key: value for key, value in row.items() if key != "number"} for row in rows(12)]
    contest = run_contest(
        made.program.on(lm),
        Opponent(None, None, "none", lm.id),
        [],
        test,
        lm=lm,
        metric=metric_of("urgent", made.program.contract.outputs, test),
        quick=False,
        progress=Progress(),
    )
    assert "dspy_few_shot" not in contest.baselines
    assert contest.ours.score == 1.0


def test_the_report_lists_the_steps(made: Any) -> None:
    page = compile_page(made.figures)
    assert "confirm (generated, from 20 rows, where kind is order)" in page
    assert "passages (a function)" in page
    assert [one["name"] for one in made.figures["decisions"]] == ["kind", "urgent"]


def test_a_program_of_one_predictor_says_nothing_of_steps(tmp_path: Path) -> None:
    made = compiled(tmp_path, dspy.Predict(Sort), sw.Student())
    (step,) = json.loads((made.artifact / "program.json").read_text())["steps"].values()
    assert not {"function", "when", "names"} & step.keys()
    assert not (made.artifact / "code").exists()


def test_rows_may_have_or_lack_what_passes_between_the_steps(tmp_path: Path) -> None:
    source = source_of(mail(tmp_path), name="mail")
    assert [own.name for own in source.labels] == ["passages"]
    given = [
        {"text": f"a {i}", "kind": kind, "urgent": i % 2 == 0}
        for i, kind in enumerate(["order", "praise"] * 4)
    ]
    assert "passages" not in given_rows(source.contract, given, also=source.labels)[0]
    more = [{**row, "number": None, "passages": '["p"]', "else": 1} for row in given]
    assert given_rows(source.contract, more, also=source.labels)[0]["passages"] == ["p"]


def test_an_output_that_a_function_computes_needs_no_labels(tmp_path: Path) -> None:
    class Sized(sw.Steps):
        outputs = ("kind", "words")
        sort = sw.step(Sort)
        size = sw.step(tools(tmp_path / "source").measure)

    source = source_of(Sized(), name="sized")
    given = [{"text": row["text"], "kind": row["kind"]} for row in rows(12)]
    train = given_rows(source.contract, given, also=source.labels)
    program = compiled(tmp_path, Sized(), sw.Student(), train=train).program
    assert program(text="WHERE IS IT").outputs["words"] == 3
    assert [own.name for own in program.computed] == ["words"]


def test_a_step_is_scored_by_what_the_metric_says_of_its_own_outputs() -> None:
    weighted = Weighted({"urgent": 2, "kind": 1}, by={"reply": Contains("thanks")})
    recipe = sw.Recipe(metric=weighted)
    assert recipe.for_step("sort", ["kind"]).metric == Weighted({"kind": 1})
    assert recipe.for_step("confirm", ["number"]).metric == "exact"
    every = sw.Recipe(metric=AllRight(by={"reply": Contains("thanks")}))
    assert every.for_step("reply", ["reply"]).metric == AllRight(by={"reply": Contains("thanks")})
    assert sw.Recipe(metric="kind").for_step("sort", ["kind"]).metric == "kind"
    assert sw.Recipe(metric="kind").for_step("urgent", ["urgent"]).metric == "exact"


def test_what_is_wrong_with_one_steps_passes_names_the_step(tmp_path: Path) -> None:
    own = mail(tmp_path / "source")
    with pytest.raises(InputError, match="reorder the passes") as caught:
        compiled(tmp_path, own, sw.Student(), steps={"urgent": [sw.Student(), READ]})
    assert caught.value.where == "step 'urgent'"


def test_dev_rows_select_for_the_last_steps_and_are_folded_in_where_others_learn(tmp_path: Path) -> None:
    own, many = mail(tmp_path / "source"), rows(90)
    made = compiled(tmp_path, own, sw.Student(), train=many[:60], dev=many[60:], metric="urgent")
    assert made.dev["how"].startswith("dev split")
    assert made.dev["n"] == 30
    orders = [row for row in many if row["kind"] == "order"]
    rest = [row for row in many if row["kind"] != "order"]
    # No training row has a label for `confirm`: it learns from the dev rows, rather than from nothing.
    folded = compiled(tmp_path, own, sw.Demos(), sw.Student(), train=rest, dev=orders)
    assert folded.program.spec.steps["confirm"].demos


def test_what_functions_compute_of_the_inputs_alone_can_be_asked_for_without_an_lm(made: Any) -> None:
    expected = ["A parcel takes three days", "A broken cup is replaced"]
    assert made.program.prepared({"text": "a broken cup"}) == {"passages": expected}


class Inside(sw.Steps):
    """It decides, and says what it decided nowhere but in its reply."""

    outputs = ("reply",)
    sort = sw.step(Sort)
    reply = sw.step(Answering)


def test_the_confidence_of_a_row_is_that_of_the_least_sure_decision_on_the_way(
    made: Any, tmp_path: Path
) -> None:
    program = compiled(tmp_path, Inside(), *USUAL).program
    test = [{"text": row["text"], "reply": "x"} for row in rows(6)]
    found = evaluate(program.answer_many, test, outputs=["reply"], metric=EXACT)
    for row, result in zip(test, found.results, strict=True):
        answer = program.answer(row)
        assert answer.confidence == {"reply": None}
        assert result.confidence == answer.steps[0].confidence["kind"]
