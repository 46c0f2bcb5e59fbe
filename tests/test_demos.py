"""Which rows become demos: by class, coverage or influence; and what they show where labels are missing."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shipworthy as sw
from shipworthy.compiler import Budget, compile_program, plan_of, source_of
from shipworthy.compiler.passes.coverage import cover
from shipworthy.compiler.passes.influence import balanced, influences
from shipworthy.errors import ExamplesError, InputError
from shipworthy.evidence import Opponent, certify
from shipworthy.examples import Table
from shipworthy.lift import load_labelled
from shipworthy.lms import Generation, Journal, Prompt, Question, Recorded, Scores, Usage
from shipworthy.scoring import metric_of
from shipworthy.ship.rows import prepare

INFLUENCE = sw.Demos(by="influence", draws=12, rows=15)
TOPICS = ("lost", "broken", "praise")
TEXTS = {"lost": "where is number {}", "broken": "number {} has a crack", "praise": "number {} is lovely"}


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()


class Summed(dspy.Signature):
    """Sort the message, and say it in short."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()
    summary: str = dspy.OutputField()


class Noted(dspy.Signature):
    """Say the last word, and a note."""

    text: str = dspy.InputField()
    last: str = dspy.OutputField()
    note: str = dspy.OutputField()


class Last(dspy.Signature):
    """Say the last word."""

    text: str = dspy.InputField()
    last: str = dspy.OutputField()


class Learns:
    """A stand-in for an LM: the more demos are marked as clear, the better it reads a row's topic."""

    id = "stand-in/learns"
    workers = 2
    reads_logprobs = True
    context = 4000

    def __init__(self, *, slope: float = 1.5) -> None:
        self._slope = slope
        self.asked: list[Prompt] = []

    def tokenize(self, text: str) -> list[int]:
        return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        self.asked.append(prompt)
        clear = self._slope * sum("clear" in user for user, _ in prompt.turns)
        found = []
        for question in questions:
            noise = int(hashlib.sha256(f"{prompt.user}{question.opening}".encode()).hexdigest()[:6], 16)
            raw = np.array([((token ^ noise) % 97) / 40 for token in question.tokens])
            raw += clear * (np.array(question.tokens) == self.tokenize(f" {topic_of(prompt.user)}")[0])
            found.append(Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32), Usage(9, 5, 1, 1.0)))
        return found

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        self.asked.append(prompt)
        words = prompt.user.split()
        learnt = not self._slope or any("clear" in user for user, _ in prompt.turns)
        told = {
            "topic": "praise" if "odd" in words else topic_of(prompt.user),
            "summary": " ".join(words[-2:]),
            "last": words[-1] if learnt and "odd" not in words else words[0],
            "note": f"of {len(words)} words",
        }
        said = {name: told[name] for name in schema["properties"]}
        return Generation(json.dumps(said), True, Usage(9, 0, 5, 1.0))

    def close(self) -> None:
        pass


def topic_of(text: str) -> str:
    return "lost" if "where" in text else "broken" if "crack" in text else "praise"


def rows(n: int = 150, *, clear: int = 7) -> list[dict[str, Any]]:
    """Every `clear`-th row of a topic is marked as clear."""
    found = []
    for i in range(n // 3):
        mark = " and clear" if i % clear == clear - 1 else ""
        found += [{"text": TEXTS[topic].format(i) + mark, "topic": topic} for topic in TOPICS]
    return found


def compiled(folder: Path, *passes: Any, signature: Any = Sort, **more: Any) -> Any:
    train, lm = more.pop("train", None) or rows(), more.pop("lm", None) or Learns()
    source = source_of(dspy.Predict(signature), name="sort", recipe=sw.Recipe(passes=passes, **more))
    recorded = Recorded(lm, Journal(folder / "journal.jsonl"))
    return compile_program(source, train, lm=recorded, lm_name="stand-in", out=folder / "out")


def shown(made: Any) -> list[dict[str, Any]]:
    """The demos of a program as rows."""
    return [{**demo.inputs, **demo.outputs} for demo in made.program.spec.steps["sort"].demos]


def test_by_class_the_most_typical_row_of_each_class_is_shown(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Demos(), train=rows(30))
    texts = [row["text"] for row in shown(made)]
    assert texts == ["number 1 is lovely", "number 0 has a crack", "where is number 1"]


ALIKE = st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=1, max_size=8).map(np.array)


@given(ALIKE, st.integers(1, 4))
def test_coverage_is_near_the_best_that_so_many_rows_can_give(alike: Any, n: int) -> None:
    def value(columns: Sequence[int]) -> float:
        return float(alike[:, list(columns)].max(axis=1).sum()) if columns else 0.0

    chosen = cover(alike, [""] * 6, n, {"": n})
    best = max(value(columns) for columns in itertools.combinations(range(6), n))
    assert len(set(chosen)) == len(chosen) <= n
    assert value(chosen) >= (1 - 1 / np.e) * best - 1e-9


@given(ALIKE)
def test_coverage_with_one_row_a_class_is_at_least_half_as_good_as_the_best(alike: Any) -> None:
    groups = ["a", "a", "b", "b", "c", "c"]
    chosen = cover(alike, groups, 3, dict.fromkeys(groups, 2))
    assert sorted(groups[i] for i in chosen) == ["a", "b", "c"]
    best = max(
        float(alike[:, list(own)].max(axis=1).sum()) for own in itertools.product((0, 1), (2, 3), (4, 5))
    )
    assert float(alike[:, chosen].max(axis=1).sum()) >= best / 2 - 1e-9


def test_by_coverage_every_class_comes_first_and_then_what_is_not_covered_yet(tmp_path: Path) -> None:
    strange = [{"text": f"der Karton {i} kam nie an", "topic": "lost"} for i in range(20)]
    train = rows(60) + strange
    made = compiled(tmp_path / "a", sw.Demos(by="coverage"), train=train)
    assert sorted(row["topic"] for row in shown(made)) == sorted(TOPICS)
    more = compiled(tmp_path / "b", sw.Demos(by="coverage", n=4), train=train)
    lost = [row["text"] for row in shown(more) if row["topic"] == "lost"]
    assert len(lost) == 2
    assert any("Karton" in text for text in lost)
    assert not all("Karton" in text for text in lost)


def test_coverage_leaves_two_thirds_of_a_class_for_the_fit(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Demos(by="coverage", n=100), train=rows(36))
    for topic in TOPICS:
        assert sum(row["topic"] == topic for row in shown(made)) <= 4


def test_without_classes_coverage_shows_one_row_of_each_kind(tmp_path: Path) -> None:
    kinds = ("rain in {} is likely at noon", "a bill of {} pounds was paid", "boil {} eggs for lunch")
    train = [{"text": kind.format(i), "last": kind.split()[-1]} for i in range(12) for kind in kinds]
    made = compiled(tmp_path, sw.Demos(by="coverage"), signature=Last, train=train)
    assert sorted(row["last"] for row in shown(made)) == ["lunch", "noon", "paid"]


def test_coverage_of_more_rows_than_are_compared_still_shows_a_rare_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipworthy.compiler.passes.coverage.MOST", 30)
    train = [row for row in rows(150) if row["topic"] != "praise"] + rows(9)
    made = compiled(tmp_path, sw.Demos(by="coverage"), train=train)
    assert sorted(row["topic"] for row in shown(made)) == sorted(TOPICS)


def test_long_rows_give_no_demo_where_a_class_has_shorter_ones(tmp_path: Path) -> None:
    train = [{**row, "text": row["text"] + " indeed" * 30 * (i % 2)} for i, row in enumerate(rows(60))]
    made = compiled(tmp_path, sw.Demos(max_characters=60, by="coverage", n=6), train=train)
    assert all(len(row["text"]) <= 60 for row in shown(made))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(8, 30))
def test_each_candidate_is_shown_as_often_as_any_other_of_its_pool(sizes: list[int], draws: int) -> None:
    design = balanced(sizes, draws, seed=3)
    assert design.shape == (draws, len(sizes))
    for pool, size in enumerate(sizes):
        counts = np.bincount(design[:, pool], minlength=size)
        assert counts.max() - counts.min() <= 1


def test_influences_are_what_showing_a_row_adds() -> None:
    truth = [np.array([0.0, 0.1, 0.2, 0.0]), np.array([0.05, 0.0, 0.0, 0.3])]
    design = balanced([4, 4], 48, seed=0)
    scores = sum(own[design[:, pool]] for pool, own in enumerate(truth))
    noise = np.random.default_rng(1).normal(scale=0.02, size=48)
    for own, found in zip(truth, influences(design, np.asarray(scores) + noise, [4, 4]), strict=True):
        assert int(np.argmax(found)) == int(np.argmax(own))
        assert found == pytest.approx(own - own.mean(), abs=0.05)


def test_the_rows_that_help_most_are_found_and_confirmed(tmp_path: Path) -> None:
    plain = compiled(tmp_path / "a", sw.Demos())
    made = compiled(tmp_path / "b", INFLUENCE)
    assert not all("clear" in row["text"] for row in shown(plain))
    (race,) = made.races
    assert (race["what"], race["winner"], race["kept"]) == ("demos", 1, 1)
    assert race["confirmed"]["difference"] > 0
    assert sum("clear" in row["text"] for row in shown(made)) > sum(
        "clear" in row["text"] for row in shown(plain)
    )
    assert sorted(row["topic"] for row in shown(made)) == sorted(TOPICS)
    assert any("the best set is confirmed on" in note for note in made.notes)


def test_where_no_row_helps_more_the_demos_by_class_stay(tmp_path: Path) -> None:
    plain = compiled(tmp_path / "a", sw.Demos(), lm=Learns(slope=0))
    made = compiled(tmp_path / "b", INFLUENCE, lm=Learns(slope=0))
    assert shown(made) == shown(plain) or made.races[0]["confirmed"]["difference"] >= 0
    assert any(note.startswith("the influence of") for note in made.notes)


def test_rows_that_judge_the_demos_are_never_among_them(tmp_path: Path) -> None:
    lm = Learns()
    made = compiled(tmp_path, INFLUENCE, lm=lm, train=rows())
    texts = {demo.user.strip() for demo in lm.asked}
    candidates = {user.removeprefix("text: ") for prompt in lm.asked for user, _ in prompt.turns}
    assert made.races
    assert texts
    assert not texts & candidates


def test_influence_on_generated_outputs_goes_by_the_metric(tmp_path: Path) -> None:
    marked = {
        f"{one}{other}": (i + j) % 4 == 0
        for i, one in enumerate("abcdefgh")
        for j, other in enumerate("stuvwxyz")
    }
    train = [
        {"text": f"{word} then{' clear' * clear} {word}x", "last": f"{word}x"}
        for word, clear in marked.items()
    ]
    demos = sw.Demos(without_classes=1, by="influence", draws=8, rows=10)
    made = compiled(tmp_path / "a", demos, signature=Last, train=train)
    plain = compiled(tmp_path / "b", sw.Demos(without_classes=1), signature=Last, train=train)
    assert ["clear" in row["text"] for row in shown(plain)] == [False]
    assert ["clear" in row["text"] for row in shown(made)] == [True]
    assert made.races[0]["confirmed"]["difference"] == 1.0
    assert made.program(text="one two three").last == "three"


def test_influence_goes_on_where_it_was_stopped_and_ends_the_same(tmp_path: Path) -> None:
    class Stops(Learns):
        left = 150

        def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            return super().score(prompt, questions)

    whole = compiled(tmp_path / "a", INFLUENCE)
    with pytest.raises(KeyboardInterrupt):
        compiled(tmp_path / "b", INFLUENCE, lm=Stops())
    lm = Learns()
    again = compiled(tmp_path / "b", INFLUENCE, lm=lm)
    assert again.digest == whole.digest
    assert len(lm.asked) < whole.lm_calls - 140


def test_influence_keeps_back_what_the_readout_needs(tmp_path: Path) -> None:
    for calls in (150, 700):
        made = compiled(
            tmp_path / str(calls),
            INFLUENCE,
            sw.Readout(questions=False, c=(0.3,)),
            budget=Budget(calls=calls),
        )
        assert made.lm_calls <= calls
        assert made.program.spec.lm is not None
        assert not any("unread" in note for note in made.notes)
    few = compiled(tmp_path / "few", INFLUENCE, budget=Budget(calls=150))
    assert any("too few calls to measure the influence" in note for note in few.notes)


def test_a_budget_in_tokens_measures_influence_too(tmp_path: Path) -> None:
    made = compiled(tmp_path, INFLUENCE, budget=Budget(tokens=40_000))
    assert any(note.startswith("the influence of") for note in made.notes)


def test_few_rows_have_no_influence(tmp_path: Path) -> None:
    made = compiled(tmp_path, INFLUENCE, train=rows(45))
    assert any("too few to measure" in note for note in made.notes)
    assert made.races == ()


def test_the_plan_says_what_influence_and_missing_labels_may_take(tmp_path: Path) -> None:
    def planned(one: Any, signature: Any = Sort) -> Any:
        source = source_of(dspy.Predict(signature), name="sort", recipe=sw.Recipe(passes=[one]))
        return plan_of(source, rows(), [], lm="local", usd_per_token=None).passes[0]

    influence = planned(INFLUENCE)
    assert "12 sets of demos on 15 rows" in influence.why
    made = compiled(tmp_path / "a", INFLUENCE)
    assert 12 * 15 < made.lm_calls <= influence.calls
    missing = planned(sw.Demos(attempts=2), Summed)
    assert (missing.calls, missing.why) == (6, "at most: 2 attempts a demo to have summary written")
    assert planned(sw.Demos()).calls == 0


@pytest.mark.parametrize(
    "bad",
    [{"by": "luck"}, {"n": 3}, {"by": "coverage", "n": 0}, {"by": "influence", "draws": 3}, {"attempts": 0}],
)
def test_parameters_without_meaning_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        sw.Demos(**bad)


def test_an_output_without_labels_is_written_by_the_program_on_rows_that_it_else_gets_right(
    tmp_path: Path,
) -> None:
    made = compiled(tmp_path, sw.Demos(), sw.Readout(), signature=Summed, lm=Learns(slope=0))
    assert sorted(row["topic"] for row in shown(made)) == sorted(TOPICS)
    for row in shown(made):
        assert row["summary"] == " ".join(row["text"].split()[-2:])
    step = made.program.spec.steps["sort"]
    assert len(step.generate.prompt.turns) == 3
    assert len(step.decide.prompt.turns) == 3
    assert made.program(text="where is number 900").summary == "number 900"
    assert any("no training row has a label for 'summary'" in note for note in made.notes)


def test_what_was_written_beside_a_wrong_answer_is_not_shown(tmp_path: Path) -> None:
    odd = [{**row, "text": f"odd {row['text']}"} if row["topic"] == "lost" else row for row in rows()]
    made = compiled(
        tmp_path, sw.Demos(attempts=2), sw.Readout(), signature=Summed, train=odd, lm=Learns(slope=0)
    )
    by_topic = {row["topic"]: row for row in shown(made)}
    assert "summary" not in by_topic["lost"]
    assert {"summary" in by_topic[topic] for topic in ("broken", "praise")} == {True}
    step = made.program.spec.steps["sort"]
    assert len(step.decide.prompt.turns) == 3
    assert len(step.generate.prompt.turns) == 2
    assert any("2 of 3 demos show summary" in note and "(4 calls)" in note for note in made.notes)


def test_the_next_most_similar_row_stands_in_for_one_that_the_program_gets_wrong(tmp_path: Path) -> None:
    train = rows()
    first = {row["topic"]: row["text"] for row in shown(compiled(tmp_path / "a", sw.Demos()))}
    train = [{**row, "text": f"{row['text']} odd"} if row["text"] == first["lost"] else row for row in train]
    made = compiled(
        tmp_path / "b",
        sw.Demos(by="coverage"),
        sw.Readout(),
        signature=Summed,
        train=train,
        lm=Learns(slope=0),
    )
    assert all("summary" in row for row in shown(made))


def test_without_decisions_a_demo_without_a_value_is_none(tmp_path: Path) -> None:
    train = [{"text": f"{'odd ' * (i % 2)}word {i}", "last": str(i)} for i in range(30)]
    made = compiled(tmp_path, sw.Demos(attempts=1), signature=Noted, train=train, lm=Learns(slope=0))
    assert all(row["note"] == "of 2 words" for row in shown(made))
    assert len(shown(made)) < 4


def test_rows_with_a_secret_are_not_run_for_demos(tmp_path: Path) -> None:
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
    train = [*rows(30), *[{"text": f"where is {token}", "topic": "lost"} for _ in range(9)]]
    lm = Learns(slope=0)
    compiled(tmp_path, sw.Demos(by="coverage", n=8), signature=Summed, train=train, lm=lm)
    assert lm.asked
    assert not any(token in prompt.user for prompt in lm.asked)


def table(*columns: str) -> Table:
    found = tuple({name: row.get(name, "?") for name in columns} for row in rows(12))
    return Table(columns, found, tuple(range(2, 14)), "rows.csv")


def test_a_generated_output_may_have_no_column_and_a_decision_may_not() -> None:
    contract = source_of(dspy.Predict(Summed), name="sort").contract
    assert all("summary" not in row for row in load_labelled(contract, table("text", "topic")))
    with pytest.raises(ExamplesError, match="no column 'topic'"):
        load_labelled(contract, table("text", "summary"))
    with pytest.raises(ExamplesError, match="no column 'last', 'note'"):
        load_labelled(source_of(dspy.Predict(Noted), name="note").contract, table("text"))


def test_rows_without_that_column_are_checked_and_split_as_others_are() -> None:
    contract = source_of(dspy.Predict(Summed), name="sort").contract
    splits, _ = prepare(contract, table("text", "topic"), None, seed=0, drop_contradictions=False)
    assert len(splits.train) + len(splits.dev) + len(splits.test) == 12
    assert all(set(row) == {"text", "topic"} for row in splits.train)


def test_it_is_not_scored_and_the_certificate_says_so(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Demos(), signature=Summed, lm=Learns(slope=4))
    test = [{"text": TEXTS[topic].format(i), "topic": topic} for i in range(500, 510) for topic in TOPICS]
    lm = Recorded(Learns(slope=4), Journal(tmp_path / "certify.jsonl"))
    certificate = certify(
        made.program,
        Opponent(None, None, "none", "none"),
        rows(),
        test,
        lm=lm,
        metric=metric_of("exact", made.program.contract.outputs, test),
        look=1,
        quick=True,
        target=0.9,
    )
    assert certificate.data["compiled"]["n"] == 30
    assert set(certificate.data["by_output"]) == {"topic"}
    assert certificate.data["baselines"]["tfidf_lr"]["score"] > 0.9
    assert any("no test row has a label for 'summary'" in reason for reason in certificate.data["reasons"])
