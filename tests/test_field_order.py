"""The order of inputs in the prompt: what repeats comes first, and callers see the contract as it was."""

from __future__ import annotations

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
from shipworthy.compiler import Source, compile_program, source_of
from shipworthy.compiler.passes.field_order import LEAST, best_order, shared_characters
from shipworthy.errors import InputError
from shipworthy.lms import Generation, Journal, Prompt, Question, Recorded, Scores, Usage, open_lm
from shipworthy.runtime import Field, ordered_map, read_artifact

POLICIES = {
    "home": "Orders are delivered to the door within three days. Returns are free for thirty days. " * 4,
    "shop": "Orders wait in the shop for a week. Returns are taken at the counter, with the receipt. " * 4,
}
TEXTS = ("where is number {}", "number {} has a crack")


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    language: str = dspy.InputField()
    policy: str = dspy.InputField(desc="what the shop promises")
    topic: Literal["lost", "broken"] = dspy.OutputField()


class Reply(dspy.Signature):
    """Answer the message."""

    text: str = dspy.InputField()
    policy: str = dspy.InputField()
    reply: str = dspy.OutputField()


class First(dspy.Signature):
    """Sort the message."""

    policy: str = dspy.InputField()
    text: str = dspy.InputField()
    topic: Literal["lost", "broken"] = dspy.OutputField()


class One(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken"] = dspy.OutputField()


class Shared:
    """A stand-in for an engine that keeps the last prompt: it counts the words that it reads no more."""

    id = "stand-in/shared"
    workers = 1
    context = 100_000

    def __init__(self, *, scores: bool = True) -> None:
        self.reads_logprobs = scores
        self.prompts: list[list[str]] = []

    def tokenize(self, text: str) -> list[int]:
        return [hash(word) % 10_000 for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        usage = self._read(prompt)
        words = sum(map(ord, prompt.user))
        found = []
        for question in questions:
            raw = np.array([((token * 31 + words) % 97) / 97 for token in question.tokens])
            found.append(Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32), usage))
        return found

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        usage = self._read(prompt)
        said = {name: (own.get("enum") or ["so be it"])[0] for name, own in schema["properties"].items()}
        return Generation(json.dumps(said), True, usage)

    def close(self) -> None:
        pass

    def _read(self, prompt: Prompt) -> Usage:
        words = json.dumps(prompt.messages()).split()
        before = self.prompts[-1] if self.prompts else []
        pairs = zip(before, words, strict=False)
        cached = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        self.prompts.append(words)
        return Usage(len(words), cached, 1, 1.0)


def rows(n: int = 48) -> list[dict[str, Any]]:
    """Two topics, two languages and two policies, in all combinations."""
    return [
        {
            "text": TEXTS[i % 2].format(i),
            "language": ("en", "de")[i // 2 % 2],
            "policy": list(POLICIES.values())[i // 4 % 2],
            "topic": ("lost", "broken")[i % 2],
        }
        for i in range(n)
    ]


def source(signature: Any, *passes: Any) -> Source:
    return source_of(dspy.Predict(signature), name="sort", recipe=sw.Recipe(passes=passes))


def compiled(
    folder: Path, *passes: Any, signature: Any = Sort, train: list[dict[str, Any]] | None = None, **lm: Any
) -> Any:
    model = Recorded(Shared(**lm), Journal(folder / "journal.jsonl"))
    own = source(signature, *passes)
    return compile_program(own, train or rows(), lm=model, lm_name="stand-in", out=folder / "out")


def users(made: Any) -> list[str]:
    """The user turns that a program sends for the first rows."""
    return [
        made.program(**{name: row[name] for name in ("text", "language", "policy")})
        .steps[0]
        .prompts[0]["messages"][-1]["content"]
        for row in rows(6)
    ]


def test_what_repeats_and_is_long_comes_first_and_what_differs_last(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.FieldOrder(), sw.Demos(), sw.Readout())
    for text in users(made):
        assert text.index("policy:") < text.index("language:") < text.index("text:")
    assert any("in the order policy, language, text" in note for note in made.notes)


def test_demos_stand_in_the_same_order(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.FieldOrder(), sw.Demos(), sw.Readout())
    turns = made.program.spec.steps["sort"].decide.prompt.turns
    assert len(turns) == 2
    for user, _ in turns:
        assert user.index("policy:") < user.index("language:") < user.index("text:")


def test_generated_outputs_are_asked_for_in_the_same_order(tmp_path: Path) -> None:
    train = [{"text": row["text"], "policy": row["policy"], "reply": "yes"} for row in rows()]
    made = compiled(tmp_path, sw.FieldOrder(), sw.Demos(), signature=Reply, train=train, scores=False)
    messages = made.program(text="a", policy="b").steps[0].prompts[0]["messages"]
    for message in messages:
        if message["role"] == "user":
            assert message["content"].index("policy:") < message["content"].index("text:")


def test_callers_see_the_contract_as_it_was(tmp_path: Path) -> None:
    plain = compiled(tmp_path / "a", sw.Demos(), sw.Readout(), sw.Student())
    ordered = compiled(tmp_path / "b", sw.FieldOrder(), sw.Demos(), sw.Readout(), sw.Student())
    assert ordered.program.spec.contract == plain.program.spec.contract
    assert ordered.program.spec.contract_sha256 == plain.program.spec.contract_sha256
    assert [own.name for own in ordered.program.contract.inputs] == ["text", "language", "policy"]
    assert ordered.program.spec.steps["sort"].inputs == plain.program.spec.steps["sort"].inputs


def test_calls_share_more_of_their_beginning(tmp_path: Path) -> None:
    def cached(folder: Path, *passes: Any) -> float:
        made = compiled(folder, *passes, sw.Readout(questions=False), scores=False)
        lm = Shared(scores=False)
        usages = []
        for row in sorted(rows(), key=lambda row: (row["policy"], row["language"])):
            prompt = made.program.spec.steps["sort"].decide.prompt.fill(row)
            usages.append(lm._read(prompt))
        return sum(usage.tokens_cached for usage in usages) / sum(usage.tokens_in for usage in usages)

    assert cached(tmp_path / "b", sw.FieldOrder()) > 0.9 > cached(tmp_path / "a") + 0.3


def test_a_program_of_one_input_stays_what_it_was(tmp_path: Path) -> None:
    train = [{"text": row["text"], "topic": row["topic"]} for row in rows()]
    passes = (sw.Demos(), sw.Readout(), sw.Student())
    plain = compiled(tmp_path / "a", *passes, signature=One, train=train)
    ordered = compiled(tmp_path / "b", sw.FieldOrder(), *passes, signature=One, train=train)
    assert ordered.digest == plain.digest
    assert ordered.notes == plain.notes


def test_where_nothing_repeats_the_contract_decides(tmp_path: Path) -> None:
    train = [{**row, "language": f"l{i}", "policy": f"policy {i}"} for i, row in enumerate(rows())]
    passes = (sw.Demos(), sw.Readout())
    plain = compiled(tmp_path / "a", *passes, train=train)
    ordered = compiled(tmp_path / "b", sw.FieldOrder(), *passes, train=train)
    assert ordered.digest == plain.digest


def test_after_the_readout_it_is_too_late(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="before the readout"):
        compiled(tmp_path, sw.Readout(), sw.FieldOrder())


def test_the_default_recipe_orders_inputs_where_there_are_several() -> None:
    def names(signature: Any) -> list[str]:
        return [type(one).__name__ for one in source_of(dspy.Predict(signature), name="x").recipe.passes]

    assert names(Sort) == ["FieldOrder", "Demos", "Readout", "Student"]
    assert names(One) == ["Demos", "Readout", "Student"]
    assert names(Reply) == ["FieldOrder", "Demos", "Spans"]


def test_long_values_that_repeat_belong_to_the_beginning_that_an_engine_keeps(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.FieldOrder(), sw.Demos(), sw.Readout())
    prompt = made.program.spec.steps["sort"].decide.prompt
    home = prompt.fill({"policy": POLICIES["home"], "language": "en", "text": "where"})
    assert home.lead == f"policy: {POLICIES['home'].strip()}\nlanguage:"
    assert home.user == " en\ntext: where"
    other = prompt.fill({"policy": "none", "language": "en", "text": "where"})
    assert other.lead == "policy:"
    assert other.user == " none\nlanguage: en\ntext: where"
    assert any("2 values of policy" in note for note in made.notes)


def test_they_are_kept_where_the_order_was_right_from_the_start_too(tmp_path: Path) -> None:
    train = [{"policy": row["policy"], "text": row["text"], "topic": row["topic"]} for row in rows()]
    made = compiled(tmp_path, sw.FieldOrder(), sw.Demos(), sw.Readout(), signature=First, train=train)
    slots = made.program.spec.steps["sort"].decide.prompt.slots
    assert [slot.input for slot in slots] == ["policy", "text"]
    assert [len(slot.repeated) for slot in slots] == [2, 0]


def test_what_repeats_is_read_back_from_the_artifact_and_says_nothing_of_the_value(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.FieldOrder(), sw.Readout())
    text = (made.artifact / "program.json").read_text()
    assert "Returns are" not in text
    spec, _, _, _ = read_artifact(made.artifact)
    assert spec == made.program.spec
    plain = compiled(tmp_path / "plain", sw.Readout())
    assert '"repeated"' in text
    assert '"repeated"' not in (plain.artifact / "program.json").read_text()


@pytest.mark.slow
def test_a_row_gives_the_same_bytes_whatever_values_were_asked_before(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.FieldOrder(), sw.Readout())
    prompt = made.program.spec.steps["sort"].decide.prompt
    asked = [prompt.fill(rows()[i]) for i in (0, 4, 1, 5)]
    question = [Question("topic:", (10, 20, 30, 40, 50))]

    def scores(order: Sequence[int], workers: int) -> dict[int, bytes]:
        lm = open_lm("local", workers=workers)
        try:
            done = ordered_map(lambda i: lm.score(asked[i], question)[0], order, workers=workers)
            found = [one.unwrap() for one in done]
        finally:
            lm.close()
        assert all(one.usage.tokens_cached > 64 for one in found[2:])
        return {i: one.logprobs.tobytes() for i, one in zip(order, found, strict=True)}

    forwards, backwards = scores(range(4), 1), scores(range(3, -1, -1), 2)
    assert forwards == backwards


VALUES = st.lists(st.tuples(*[st.sampled_from(["a", "bb", "c" * 30])] * 3), min_size=2, max_size=12)


@given(VALUES)
def test_shared_characters_are_those_of_two_rows_drawn_at_random(values: list[tuple[str, ...]]) -> None:
    fields = [Field(name, {"type": "string"}) for name in ("x", "y", "z")]
    some = [dict(zip(("x", "y", "z"), own, strict=True)) for own in values]
    expected = 0.0
    for left, right in itertools.permutations(range(len(some)), 2):
        for field in fields:
            if some[left][field.name] != some[right][field.name]:
                break
            expected += len(field.name) + 3 + len(some[left][field.name])
    pairs = len(some) * (len(some) - 1)
    assert shared_characters(fields, some) == pytest.approx(expected / pairs)


@given(st.lists(st.integers(0, 2), min_size=3, max_size=3), st.randoms(use_true_random=False))
def test_no_order_is_better_where_inputs_are_independent(kinds: list[int], random: Any) -> None:
    values = [[f"{i}{'x' * 4 * kind}" for i in range(1 + random.randrange(4))] for kind in kinds]
    names = ("x", "y", "z")
    some = [dict(zip(names, own, strict=True)) for own in itertools.product(*values)]
    fields = [Field(name, {"type": "string"}) for name in names]
    if len(some) < 2:
        return
    best = max(shared_characters(order, some) for order in itertools.permutations(fields))
    # Rows are drawn without replacement, which makes inputs a little dependent; and a token is nothing.
    assert shared_characters(best_order(fields, some), some) >= 0.9 * best - 2 * LEAST
