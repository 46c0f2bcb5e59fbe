"""Compiling: what decides, what is refused, and that the same inputs give the same program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest

import shipworthy as sw
from shipworthy.compiler import Budget, compile_program, source_of
from shipworthy.errors import ArtifactError, InputError, SourceError
from shipworthy.lms import Generation, Journal, Prompt, Recorded, Usage, open_lm
from shipworthy.runtime import load_artifact, read_artifact

Topic = Literal["weather", "food", "money"]

TEXTS = {
    "weather": [
        "will it rain in Leeds tomorrow",
        "how hot does it get today",
        "do I need an umbrella this afternoon",
        "is there snow on the hills yet",
        "when does the storm get here",
        "what is the wind like at the coast",
        "is it going to be sunny for the picnic",
        "how cold will the night be",
    ],
    "food": [
        "how long do I boil an egg",
        "what can I cook with leeks and cream",
        "is this soup still good after four days",
        "find me a recipe for lentil stew",
        "how much salt goes into bread dough",
        "where can I get a decent curry near here",
        "can you freeze cooked rice",
        "what do I do with too many courgettes",
    ],
    "money": [
        "what is left on my card",
        "send twenty pounds to Ines",
        "why was I charged twice by the gym",
        "when is my rent taken from the account",
        "freeze my credit card please",
        "how much did I spend on trains in May",
        "pay the electricity bill on Friday",
        "what is my overdraft limit",
    ],
}


class Sort(dspy.Signature):
    """Say what the user's question is about."""

    text: str = dspy.InputField()
    topic: Topic = dspy.OutputField()
    urgent: bool = dspy.OutputField()


def rows() -> list[dict[str, Any]]:
    return [
        {"text": text, "topic": topic, "urgent": topic == "money"}
        for topic, texts in TEXTS.items()
        for text in texts
    ]


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(open_lm("local"), Journal(tmp_path_factory.mktemp("calls") / "calls.jsonl"))


def compiled(
    lm: Recorded, out: Path, *passes: Any, train: list[dict[str, Any]] | None = None, **more: Any
) -> Any:
    recipe = sw.Recipe(passes=passes, **more)
    source = source_of(dspy.Predict(Sort), name="sort", recipe=recipe)
    return compile_program(source, train or rows(), lm=lm, lm_name="local", out=out)


@pytest.mark.slow
def test_a_compiled_program_decides_and_says_how_sure_it_is(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout())
    answer = made.program(text="will there be fog in the valley")
    assert answer.topic == "weather"
    assert answer.urgent is False
    assert 0 < answer.confidence["topic"] <= 1
    assert sum(answer.steps[0].probabilities["topic"].values()) == pytest.approx(1)
    assert made.dev["score"] > 0.7
    assert made.lm_calls >= len(rows()) - 3


@pytest.mark.slow
def test_the_same_inputs_give_the_same_digest_and_bytes(lm: Recorded, tmp_path: Path) -> None:
    first = compiled(lm, tmp_path / "a", sw.Demos(), sw.Readout(), sw.Student())
    again = compiled(lm, tmp_path / "b", sw.Demos(), sw.Readout(), sw.Student())
    assert first.digest == again.digest
    for name in ("program.json", "heads.safetensors", "manifest.json"):
        if (first.artifact / name).exists() and name != "manifest.json":
            assert (first.artifact / name).read_bytes() == (again.artifact / name).read_bytes()


@pytest.mark.slow
def test_a_class_without_training_rows_still_gets_a_score(lm: Recorded, tmp_path: Path) -> None:
    some = [row for row in rows() if row["topic"] != "money"]
    some.append({"text": "tell me now", "topic": "food", "urgent": True})
    made = compiled(
        lm, tmp_path, sw.Demos(), sw.Readout(), train=[*some, {**some[0], "text": "x", "urgent": True}]
    )
    shares = made.program(text="how much money is in my bank account").steps[0].probabilities["topic"]
    other = made.program(text="will it rain").steps[0].probabilities["topic"]
    assert shares["money"] > 0
    assert shares["money"] > other["money"]


@pytest.mark.slow
def test_where_the_student_is_as_good_no_lm_is_called(lm: Recorded, tmp_path: Path) -> None:
    plain = [
        {"text": f"{word} {i}", "topic": topic, "urgent": topic == "money"}
        for topic, word in (("weather", "rain rain"), ("food", "egg egg"), ("money", "bill bill"))
        for i in range(10)
    ]
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout(), sw.Student(), train=plain)
    assert made.program.spec.lm is None
    assert made.program(text="egg").steps[0].lm_calls == 0


@pytest.mark.slow
def test_a_dspy_optimizer_is_a_pass_and_its_demos_are_used(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.DSPyOptimizer(dspy.LabeledFewShot(k=4)), sw.Readout())
    spec, _, _, _ = read_artifact(made.artifact)
    assert len(spec.steps["sort"].demos) == 4
    assert len(spec.steps["sort"].decide.prompt.turns) == 4  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_module_with_saved_state_keeps_its_demos_and_instructions(lm: Recorded, tmp_path: Path) -> None:
    module = dspy.LabeledFewShot(k=3).compile(
        dspy.Predict(Sort), trainset=[dspy.Example(**row).with_inputs("text") for row in rows()]
    )
    module.signature = module.signature.with_instructions("Name the topic.")
    module.save(tmp_path / "state.json")
    fresh = dspy.Predict(Sort)
    fresh.load(tmp_path / "state.json")
    source = source_of(fresh, name="sort", recipe=sw.Recipe(passes=[sw.Readout(questions=False)]))
    assert source.instruction == "Name the topic."
    assert len(source.demos) == 3
    made = compile_program(source, rows(), lm=lm, lm_name="local", out=tmp_path / "out")
    assert made.program(text="what does a loaf cost").topic in ("weather", "food", "money")


@pytest.mark.slow
def test_a_compiled_program_composes_within_dspy(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout())

    class Twice(dspy.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.sort = made.program.as_dspy()

        def forward(self, text: str) -> Any:
            return dspy.Prediction(topics=[self.sort(text=text).topic, self.sort(text="rain").topic])

    assert Twice()(text="pay my bill").topics == [made.program(text="pay my bill").topic, "weather"]


@pytest.mark.slow
def test_a_budget_of_calls_is_kept(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout(), sw.Student(), budget=Budget(calls=12))
    assert made.lm_calls == 12
    assert "calls=12 leaves 9 training rows unread by the LM" in made.notes
    with pytest.raises(InputError, match="too small") as caught:
        compiled(lm, tmp_path, sw.Readout(), budget=Budget(calls=2))
    assert "calls=6 would do" in caught.value.hint


@pytest.mark.slow
def test_a_budget_too_small_for_the_lm_leaves_the_student(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout(), sw.Student(), budget=Budget(calls=2))
    assert made.lm_calls == 0
    assert made.program.spec.lm is None
    assert any("the student alone decides" in note for note in made.notes)


@pytest.mark.slow
def test_a_budget_of_tokens_is_kept_and_the_same_each_time(lm: Recorded, tmp_path: Path) -> None:
    budget = Budget(tokens=2500)
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout(), sw.Student(), budget=budget)
    assert 0 < made.tokens <= 2500 * 1.1
    assert any("tokens=2500 leaves" in note for note in made.notes)
    assert made.digest == compiled(lm, tmp_path, sw.Demos(), sw.Readout(), sw.Student(), budget=budget).digest


@pytest.mark.slow
def test_a_head_is_refused_on_another_lm(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout())
    with pytest.raises(ArtifactError, match="compiled on"):
        load_artifact(made.artifact, lm=Names())


class Names:
    """A stand-in for a hosted LM: it gives no log-probabilities, and names the label that a word hints at."""

    id = "stand-in/names"
    workers = 2
    reads_logprobs = False
    context = 4000

    def tokenize(self, text: str) -> list[int]:
        raise AssertionError("a hosted LM does not tokenise")

    def score(self, prompt: Prompt, questions: Any) -> Any:
        raise AssertionError("a hosted LM does not score")

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        assert schema is not None
        hints = {"rain": "weather", "hot": "weather", "egg": "food", "soup": "food", "card": "money"}
        topic = next((label for word, label in hints.items() if word in prompt.user), "money")
        return Generation(
            json.dumps({"topic": topic, "urgent": topic == "money"}), True, Usage(10, 0, 5, 1.0)
        )

    def close(self) -> None:
        pass


def test_without_log_probabilities_decisions_are_generated_and_calibrated(tmp_path: Path) -> None:
    lm = Recorded(Names(), Journal(tmp_path / "calls.jsonl"))
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout())
    assert any("no log-probabilities" in note for note in made.notes)
    answer = made.program(text="a hot soup")
    assert answer.topic in ("weather", "food", "money")
    assert np.isfinite(answer.confidence["topic"])


def test_a_forward_that_does_more_is_refused() -> None:
    class Shout(dspy.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.sort = dspy.Predict(Sort)

        def forward(self, text: str) -> Any:
            return self.sort(text=text.upper())

    with pytest.raises(SourceError, match="more than pass"):
        source_of(Shout(), name="shout")


def test_a_chain_of_thought_is_compiled_without_its_reasoning() -> None:
    source = source_of(dspy.ChainOfThought(Sort), name="sort")
    assert [field.name for field in source.contract.outputs] == ["topic", "urgent"]


@pytest.mark.slow
def test_demos_can_be_kept_short(lm: Recorded, tmp_path: Path) -> None:
    made = compiled(lm, tmp_path, sw.Demos(max_characters=28), sw.Readout(questions=False))
    spec, _, _, _ = read_artifact(made.artifact)
    lengths = {demo.outputs["topic"]: len(demo.inputs["text"]) for demo in spec.steps["sort"].demos}
    assert set(lengths) == {"weather", "food", "money"}
    assert max(lengths.values()) <= 28


@pytest.mark.slow
def test_a_secret_in_a_training_row_enters_no_file_of_the_artifact(lm: Recorded, tmp_path: Path) -> None:
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
    train = rows()
    train[0] = {**train[0], "text": f"{train[0]['text']} my token is {token}"}
    made = compiled(lm, tmp_path, sw.Demos(), sw.Readout(questions=False), sw.Student(), train=train)
    assert any("secret" in note for note in made.notes)
    kept = b"".join(path.read_bytes() for path in made.artifact.rglob("*") if path.is_file()).lower()
    assert token.lower().encode() not in kept
    assert token.lower()[4:16].encode() not in kept
