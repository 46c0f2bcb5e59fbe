"""The cascade: where the student answers alone, what that may cost, and what is said where it cannot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

import shipworthy as sw
from shipworthy.compiler import Compiled, compile_program, source_of
from shipworthy.compiler.passes.cascade import most_losses, reliable_cut, settle_cascade
from shipworthy.compiler.settle import Alone, Choice
from shipworthy.errors import ArtifactError, InputError
from shipworthy.evidence import Opponent, certify
from shipworthy.examples import digest_of
from shipworthy.lms import Generation, Journal, Prompt, Recorded, Usage
from shipworthy.runtime import (
    DecisionHead,
    ReadoutHead,
    StudentHead,
    line_of,
    load_artifact,
    ordered_map,
    read_artifact,
)
from shipworthy.scoring import EXACT

Topic = Literal["weather", "food", "money"]
WORDS = {"weather": "rain cloud storm", "food": "egg bread soup", "money": "bill card loan"}


class Sort(dspy.Signature):
    """Say what the user's question is about."""

    text: str = dspy.InputField()
    topic: Topic = dspy.OutputField()
    urgent: bool = dspy.OutputField()


class Reply(dspy.Signature):
    """Say what the user's question is about, and answer it."""

    text: str = dspy.InputField()
    topic: Topic = dspy.OutputField()
    reply: str = dspy.OutputField()


class Knows:
    """A stand-in for a hosted LM that is always right: it knows the labels that a row was made with."""

    id = "stand-in/knows"
    workers = 2
    reads_logprobs = False
    context = 4000

    def __init__(self) -> None:
        self.asked: list[str] = []

    def tokenize(self, text: str) -> list[int]:
        raise AssertionError("a hosted LM does not tokenise")

    def score(self, prompt: Prompt, questions: Any) -> Any:
        raise AssertionError("a hosted LM does not score")

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        text = prompt.user.strip()
        self.asked.append(text)
        said = {**labels_of(text), "reply": "so it is"}
        wanted = {name: said[name] for name in schema["properties"]}
        return Generation(json.dumps(wanted), True, Usage(10, 0, 5, 1.0))

    def close(self) -> None:
        pass


def labels_of(text: str) -> dict[str, Any]:
    """By the words of a topic where there are any; else by the text's digest, which no student learns."""
    topic = next((label for label, words in WORDS.items() if set(words.split()) & set(text.split())), None)
    if topic is None:
        topic = sorted(WORDS)[int(digest_of(text), 16) % 3]
    return {"topic": topic, "urgent": topic == "money"}


def texts(n: int, *, easy: bool, start: int = 0) -> list[str]:
    rng = np.random.default_rng([n, easy, start])
    if easy:
        words = [WORDS[sorted(WORDS)[i % 3]].split() for i in range(n)]
        return [f"{rng.choice(own)} {rng.choice(own)} {start + i}" for i, own in enumerate(words)]
    letters = "fhjkqvwxyz"
    return ["".join(rng.choice(list(letters), 7)) + f" {start + i}" for i in range(n)]


def rows_of(some: list[str], *outputs: str) -> list[dict[str, Any]]:
    return [{"text": text} | {name: labels_of(text)[name] for name in outputs} for text in some]


TRAIN = rows_of(texts(110, easy=True) + texts(70, easy=False), "topic", "urgent")
FRESH = {easy: texts(40, easy=easy, start=1000) for easy in (True, False)}


def compiled(
    folder: Path,
    *passes: Any,
    train: list[dict[str, Any]] | None = None,
    dev: Sequence[dict[str, Any]] = (),
    signature: Any = Sort,
) -> tuple[Compiled, Knows]:
    knows = Knows()
    lm = Recorded(knows, Journal(folder / "calls.jsonl"))
    source = source_of(dspy.Predict(signature), name="sort", recipe=sw.Recipe(passes=passes))
    made = compile_program(source, train or TRAIN, dev=dev, lm=lm, lm_name="stand-in", out=folder / "out")
    return made, knows


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder = tmp_path_factory.mktemp("cascade")
    return compiled(folder, sw.Readout(), sw.Student(), sw.Cascade(margin=0.03))[0]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("plain"), sw.Readout(), sw.Student())[0]


# What it does


def test_easy_rows_are_answered_without_a_call_and_the_others_by_the_lm(cascade: Compiled) -> None:
    knows = Knows()
    program = load_artifact(cascade.artifact, lm=knows)
    easy = [program(text=text) for text in FRESH[True]]
    calls_easy = len(knows.asked)
    hard = [program(text=text) for text in FRESH[False]]
    assert sum(answer.steps[0].lm_calls == 0 for answer in easy) >= 30
    assert calls_easy == sum(answer.steps[0].lm_calls for answer in easy)
    assert sum(answer.steps[0].lm_calls == 1 for answer in hard) >= 36
    for answer in (*easy, *hard):
        step = answer.steps[0]
        assert step.decided_by == ("lm" if step.lm_calls else "student")
        assert bool(step.prompts) is bool(step.lm_calls)
    right = [answer.outputs == labels_of(text) for text, answer in zip(FRESH[True], easy, strict=True)]
    right += [answer.outputs == labels_of(text) for text, answer in zip(FRESH[False], hard, strict=True)]
    assert np.mean(right) >= 0.95


def test_rows_that_go_to_the_lm_are_answered_as_without_a_cascade(cascade: Compiled, plain: Compiled) -> None:
    programs = [load_artifact(made.artifact, lm=Knows()) for made in (cascade, plain)]
    for text in (*FRESH[True], *FRESH[False]):
        with_it, without = (program(text=text) for program in programs)
        if with_it.steps[0].decided_by == "lm":
            assert with_it.confidence == without.confidence
            assert with_it.outputs == without.outputs


def test_confidence_of_a_row_without_a_call_is_the_students_own(cascade: Compiled) -> None:
    spec, heads, _, _ = read_artifact(cascade.artifact)
    decide = spec.steps["sort"].decide
    assert decide is not None
    assert decide.cascade is not None
    own = heads["sort"]
    text = next(
        text
        for text in FRESH[True]
        if load_artifact(cascade.artifact, lm=Knows())(text=text).steps[0].decided_by == "student"
    )
    answer = load_artifact(cascade.artifact, lm=Knows())(text=text)
    assert own.tfidf is not None
    for name, weight in decide.cascade.mix.items():
        shares = own.by_output[name].student_probabilities(own.tfidf.transform(text), weight)
        assert answer.confidence[name] == pytest.approx(float(shares.max()), abs=0)
        assert float(shares.max()) >= decide.cascade.cut
        assert sum(answer.steps[0].probabilities[name].values()) == pytest.approx(1)


def test_the_same_row_gives_the_same_answer_whatever_else_is_asked(cascade: Compiled) -> None:
    program = load_artifact(cascade.artifact, lm=Knows())
    some = FRESH[True] + FRESH[False]
    alone = [_said(program(text=text)) for text in some]
    mixed = ordered_map(lambda text: program(text=text), reversed(some), workers=4)
    assert [_said(outcome.unwrap()) for outcome in mixed] == alone[::-1]


def test_the_trace_of_a_line_says_which_stage_answered(cascade: Compiled) -> None:
    program = load_artifact(cascade.artifact, lm=Knows())
    stages = {
        line_of(outcome, version="sort", trace=True)["steps"][0]["decided_by"]
        for outcome in program.answer_many([{"text": text} for text in (*FRESH[True], *FRESH[False])])
    }
    assert stages == {"student", "lm"}


def test_the_notes_say_what_it_answers_and_what_it_may_lose(cascade: Compiled) -> None:
    note = next(note for note in cascade.notes if note.startswith("cascade:"))
    assert "without the LM" in note
    assert "3.00%" in note
    assert "0.95" in note


def test_generated_outputs_are_still_generated_and_only_the_decisions_call_is_saved(tmp_path: Path) -> None:
    train = [{**row, "reply": "so it is"} for row in rows_of([row["text"] for row in TRAIN], "topic")]
    passes = (sw.Readout(), sw.Student(), sw.Cascade(margin=0.03))
    made, _ = compiled(tmp_path, *passes, train=train, signature=Reply)
    assert "the LM is still called on every row, for reply" in made.notes
    program = load_artifact(made.artifact, lm=Knows())
    steps = [program(text=text).steps[0] for text in FRESH[True]]
    saved = [step for step in steps if step.decided_by == "student"]
    assert len(saved) >= 30
    assert {step.lm_calls for step in saved} == {1}
    assert {step.lm_calls for step in steps if step.decided_by == "lm"} <= {2}
    assert all(step.outputs["reply"] == "so it is" for step in steps)


def test_the_certificate_says_how_many_rows_called_no_lm(cascade: Compiled) -> None:
    lm = Knows()
    test = rows_of(FRESH[True] + FRESH[False], "topic", "urgent")
    nobody = Opponent(None, None, "", "")
    found = certify(
        load_artifact(cascade.artifact, lm=lm),
        nobody,
        TRAIN,
        test,
        lm=Recorded(lm, Journal(cascade.artifact.parent / "more.jsonl")),
        metric=EXACT,
        look=1,
        quick=True,
        target=0.9,
    )
    share = found.data["compiled"]["without_lm"]
    assert 0.3 < share < 0.6
    assert found.data["baselines"]["tfidf_lr"]["without_lm"] == 1.0
    said = f"the cascade answered {round(share * 80)} of 80 test rows without a call to the LM"
    assert said in found.data["reasons"]


def test_with_a_dev_split_the_dev_rows_are_the_evidence(tmp_path: Path) -> None:
    dev = rows_of(texts(100, easy=True, start=500) + texts(20, easy=False, start=500), "topic", "urgent")
    passes = (sw.Readout(), sw.Student(), sw.Cascade(margin=0.03))
    made, _ = compiled(tmp_path, *passes, train=TRAIN[::2], dev=dev)
    assert any(note.startswith("cascade:") and "of 120;" in note for note in made.notes)


# What it is made of


def test_the_same_inputs_give_the_same_digest(cascade: Compiled, tmp_path: Path) -> None:
    again, _ = compiled(tmp_path, sw.Readout(), sw.Student(), sw.Cascade(margin=0.03))
    assert again.digest == cascade.digest


def test_a_program_without_cascade_has_the_bytes_that_it_always_had(plain: Compiled, tmp_path: Path) -> None:
    assert b"cascade" not in (plain.artifact / "program.json").read_bytes()
    left_out, _ = compiled(tmp_path, sw.Readout(), sw.Student(), sw.Cascade(margin=0.001))
    assert left_out.digest == plain.digest


def test_an_artifact_with_a_cascade_comes_back_as_it_was_written(cascade: Compiled) -> None:
    spec, _, _, digest = read_artifact(cascade.artifact)
    assert digest == cascade.digest
    decide = spec.steps["sort"].decide
    assert decide is not None
    assert decide.cascade is not None
    assert 0 < decide.cascade.cut < 1
    assert set(decide.cascade.mix) == {name for name, head in decide.heads.items() if head.reads}
    assert type(spec).from_json(json.loads(json.dumps(spec.as_json()))) == spec


@pytest.mark.parametrize(
    "change",
    [
        {"cut": 0},
        {"cut": 1.5},
        {"cut": None},
        {"mix": {}},
        {"mix": {"topic": 1.0, "urgent": 1.0, "other": 1.0}},
        {"floor": 0.5},
    ],
    ids=str,
)
def test_a_cascade_that_does_not_fit_is_refused(
    cascade: Compiled, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = _altered(cascade.artifact, tmp_path / "a", lambda decide: decide["cascade"].update(change))
    with pytest.raises(ArtifactError, match="not what this version knows") as caught:
        read_artifact(folder)
    assert caught.value.hint


def test_a_cascade_over_a_head_without_student_is_refused(cascade: Compiled, tmp_path: Path) -> None:
    def edit(decide: dict[str, Any]) -> None:
        for head in decide["heads"].values():
            head["student"] = False

    with pytest.raises(ArtifactError, match="no student"):
        read_artifact(_altered(cascade.artifact, tmp_path / "a", edit))


# What is refused, and where it leaves itself out


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, float("nan"), True, "0.01", None])
@pytest.mark.parametrize("name", ["margin", "delta"])
def test_a_margin_or_delta_that_is_no_share_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name) as caught:
        sw.Cascade(**{name: value})
    assert caught.value.hint


@pytest.mark.parametrize("passes", [(sw.Readout(), sw.Cascade()), (sw.Readout(), sw.Cascade(), sw.Student())])
def test_without_a_student_before_it_a_cascade_is_refused(tmp_path: Path, passes: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match="needs a student") as caught:
        compiled(tmp_path, *passes, train=TRAIN[::6])
    assert "sw.Student() before sw.Cascade()" in caught.value.hint


def test_two_cascades_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one Cascade"):
        compiled(tmp_path, sw.Readout(), sw.Student(), sw.Cascade(), sw.Cascade(), train=TRAIN[::6])


def test_with_too_few_rows_it_leaves_itself_out_and_says_how_many_it_takes(tmp_path: Path) -> None:
    made, _ = compiled(tmp_path, sw.Readout(), sw.Student(), sw.Cascade(), train=TRAIN[::2])
    note = next(note for note in made.notes if "left out" in note)
    assert "90 held-out rows cannot show" in note
    assert "299 rows" in note
    margin = float(note.rsplit(" ", 1)[1])
    assert most_losses(90, margin, 0.05) == 0
    assert most_losses(90, margin - 1e-4, 0.05) is None


def test_a_student_that_is_reliable_nowhere_is_never_asked_alone(tmp_path: Path) -> None:
    train = rows_of(texts(120, easy=False), "topic", "urgent")
    made, _ = compiled(tmp_path, sw.Readout(), sw.Student(), sw.Cascade(margin=0.03), train=train)
    assert any("left out: the students are reliable on" in note for note in made.notes)


def test_where_no_lm_is_called_anyway_there_is_nothing_to_leave_out(tmp_path: Path) -> None:
    passes = (sw.Readout(), sw.Student(), sw.Cascade(margin=0.05))
    made, _ = compiled(tmp_path, *passes, train=rows_of(texts(90, easy=True), "topic", "urgent"))
    assert made.program.spec.lm is None
    assert "the cascade is left out: no decision reads the LM" in made.notes


# What it promises


@pytest.mark.parametrize(("margin", "rows"), [(0.01, 299), (0.05, 59)])
def test_without_a_loss_it_takes_as_many_rows_as_the_exact_binomial_says(margin: float, rows: int) -> None:
    assert most_losses(rows - 1, margin, 0.05) is None
    assert most_losses(rows, margin, 0.05) == 0


@given(st.integers(1, 2000), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_the_losses_allowed_are_the_most_whose_chance_is_at_most_delta(
    n: int, margin: float, delta: float
) -> None:
    allowed = most_losses(n, margin, delta)
    near = 1e-9
    assert binom.cdf(-1 if allowed is None else allowed, n, margin) <= delta + near
    assert binom.cdf(0 if allowed is None else allowed + 1, n, margin) > delta - near


EVIDENCE = st.lists(
    st.tuples(st.integers(1, 20).map(lambda i: i / 20), st.booleans()), min_size=1, max_size=200
)


@given(EVIDENCE, st.sampled_from([0.05, 0.1, 0.3]))
def test_a_cut_lets_through_the_losses_allowed_and_is_the_lowest_that_does(
    evidence: list[tuple[float, bool]], margin: float
) -> None:
    confidence, lost = (np.array(column) for column in zip(*evidence, strict=True))
    allowed = most_losses(len(evidence), margin, 0.05)
    found = reliable_cut(confidence, lost, margin=margin, delta=0.05)
    if allowed is None:
        assert found is None
        return
    kept = [cut for cut in np.unique(confidence) if lost[confidence >= cut].sum() <= allowed]
    if found is None:
        assert not kept
    else:
        assert (confidence >= found.cut).sum() == (confidence >= min(kept)).sum()
        assert found.counted <= found.cut


@pytest.mark.parametrize(
    "shape", [lambda c: 0.3 * (1 - c), lambda c: np.full_like(c, 0.06), lambda c: 0.12 * c, lambda c: c < 0.3]
)
def test_the_share_lost_is_above_the_margin_no_more_often_than_delta(shape: Any) -> None:
    grid = (np.arange(100_000) + 0.5) / 100_000
    beyond = np.cumsum(shape(grid)[::-1])[::-1] / grid.size  # the share lost with a cut at each confidence
    rng = np.random.default_rng(7)
    runs, broken = 2000, 0
    for _ in range(runs):
        confidence = rng.random(200)
        lost = rng.random(200) < shape(confidence)
        found = reliable_cut(confidence, lost, margin=0.05, delta=0.1)
        if found is not None:
            broken += bool(beyond[min(int(found.cut * grid.size), grid.size - 1)] > 0.05)
    assert broken <= binom.ppf(0.9999, runs, 0.1)


def test_a_row_counts_as_lost_by_any_decision_that_the_program_has_right() -> None:
    first = _choice(program=[1, 1, 0, 1], alone=[1, 0, 0, 1], sure=[0.9, 0.8, 0.7, 0.6])
    other = _choice(program=[0, 1, 1, 1], alone=[0, 1, 0, 1], sure=[0.95, 0.9, 0.9, 0.99])
    plan, note = settle_cascade(sw.Cascade(margin=0.5, delta=0.5), {"a": first, "b": other}, target=0.5)
    # Of four rows, one may be lost; rows 1 and 2 are, by one decision each, so row 2 ends the way down.
    assert plan is not None
    assert 0.7 < plan.cut < 0.8
    assert plan.share == 0.5
    assert "lose 1 of 4" in note


def test_a_decision_that_reads_no_lm_has_no_say_and_loses_nothing() -> None:
    asks = _choice(program=[1] * 100, alone=[1] * 100, sure=[0.9] * 100)
    students = replace(_choice(program=[1] * 100, alone=[0] * 100, sure=[0.4] * 100), reads=())
    plan, _ = settle_cascade(sw.Cascade(margin=0.05), {"a": asks, "b": students}, target=0.5)
    assert plan is not None
    assert set(plan.mix) == {"a"}
    assert plan.share == 1.0
    assert plan.choices["b"] is students


def test_the_thresholds_are_those_of_the_cascade_and_count_the_loss_that_ended_it() -> None:
    n = 100
    sure = np.linspace(0.99, 0.6, n).tolist()
    alone = [1] * 60 + [0] + [1] * 39
    choice = _choice(program=[1] * n, alone=alone, sure=sure)
    plan, _ = settle_cascade(sw.Cascade(margin=0.04, delta=0.05), {"a": choice}, target=0.9)
    assert plan is not None
    assert plan.share == 0.6
    mixed = plan.choices["a"].held_out
    assert np.allclose(np.exp(mixed.max(axis=1))[:61], sure[:61])
    assert (mixed.argmax(axis=1) == choice.classes).sum() == n - 1
    assert np.array_equal(mixed[61:], choice.held_out[61:])


def test_a_student_that_has_no_part_in_the_mix_is_kept_for_the_cascade() -> None:
    choice = _choice(program=[1] * 100, alone=[1] * 100, sure=[0.9] * 100)
    without = replace(choice, head=replace(choice.head, student=None, mix=(1.0, 0.0)))
    plan, _ = settle_cascade(sw.Cascade(margin=0.04), {"a": without}, target=0.9)
    assert plan is not None
    head, logprobs = plan.choices["a"].head, np.array([-1.0])
    row = (np.array([0]), np.array([1.0]))
    assert head.student is not None
    assert np.array_equal(head.probabilities(logprobs, row), without.head.probabilities(logprobs, None))


def test_a_share_too_small_to_matter_is_left_to_the_lm() -> None:
    n = 100
    choice = _choice(program=[1] * n, alone=[1, 1, *[0] * 98], sure=np.linspace(0.99, 0.6, n).tolist())
    plan, note = settle_cascade(sw.Cascade(margin=0.04), {"a": choice}, target=0.9)
    assert plan is None
    assert "reliable on 2.0% of held-out rows only" in note


def _said(answer: Any) -> dict[str, Any]:
    step = asdict(answer.steps[0])
    return {name: step[name] for name in step if name != "ms"}


def _altered(artifact: Path, folder: Path, edit: Any) -> Path:
    """A copy of the artifact with its decisions edited, and signed as whole."""
    import hashlib
    import shutil

    shutil.copytree(artifact, folder)
    program = json.loads((folder / "program.json").read_bytes())
    edit(program["steps"]["sort"]["decide"])
    (folder / "program.json").write_text(json.dumps(program))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    digest = hashlib.sha256((folder / "program.json").read_bytes()).hexdigest()
    manifest["files"]["program.json"] = digest
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _choice(*, program: list[int], alone: list[int], sure: list[float]) -> Choice:
    """A decision between two classes, always 0 by right; 1 stands for a row that is right."""
    head = StudentHead(np.zeros((2, 1), np.float32), np.zeros(2, np.float32))
    one = np.ones(1, np.float32)
    readout = ReadoutHead(one, one, np.zeros((2, 1), np.float32), np.zeros(2, np.float32))
    return Choice(
        head=DecisionHead(readout, head, (1.0, 1.0)),
        reads=(0,),
        held_out=_log_probabilities(program, [0.97] * len(program)),
        apart=_log_probabilities(program, [0.97] * len(program)),
        classes=np.zeros(len(program), np.intp),
        why="",
        promised=True,
        alone=Alone(head, 1.0, _log_probabilities(alone, sure)),
    )


def _log_probabilities(right: list[int], sure: list[float]) -> NDArray[np.float64]:
    best, rest = np.array(sure), 1 - np.array(sure)
    flags = np.array(right, bool)
    return np.log(np.column_stack([np.where(flags, best, rest), np.where(flags, rest, best)]))
