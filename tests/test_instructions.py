"""Racing instructions: the better one is found and confirmed, and nothing is claimed where it is not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest

import shipworthy as sw
from shipworthy.compiler import Budget, compile_program, source_of
from shipworthy.errors import InputError
from shipworthy.lms import Generation, Journal, Prompt, Question, Recorded, Scores, Usage

GOOD = "Sort the message by what the sender needs. Think of the parcel first."
BAD = "Sort the message."
ALSO_BAD = "Sort the message, and be quick."


class Understands:
    """A stand-in for an LM: it reads the topic off a row, but only under the good instruction."""

    id = "stand-in/understands"
    workers = 2
    reads_logprobs = True
    context = 4000

    def __init__(self, *, always: bool = False) -> None:
        self._always = always

    def tokenize(self, text: str) -> list[int]:
        return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        seen = self._always or "parcel first" in prompt.system
        found = []
        for question in questions:
            noise = int(hashlib.sha256(f"{prompt.user}{question.opening}".encode()).hexdigest()[:6], 16)
            raw = np.array([((token ^ noise) % 97) / 97 for token in question.tokens])
            label = "lost" if "where" in prompt.user else "broken" if "crack" in prompt.user else "praise"
            if seen:
                raw += 3.0 * (np.array(question.tokens) == self.tokenize(f" {label}")[0])
            found.append(Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32), Usage(9, 5, 1, 1.0)))
        return found

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        good = self._always or "parcel first" in prompt.system
        words = prompt.user.split()
        return Generation(json.dumps({"last": words[-1] if good else words[0]}), True, Usage(9, 0, 5, 1.0))

    def close(self) -> None:
        pass


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()


class Last(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    last: str = dspy.OutputField()


def rows(n: int = 60) -> list[dict[str, Any]]:
    texts = {"lost": "where is number {}", "broken": "number {} has a crack", "praise": "number {} is lovely"}
    return [{"text": texts[topic].format(i), "topic": topic} for i in range(n // 3) for topic in texts]


def compiled(folder: Path, *passes: Any, signature: Any = Sort, always: bool = False, **more: Any) -> Any:
    train = more.pop("train", None) or rows()
    source = source_of(dspy.Predict(signature), name="sort", recipe=sw.Recipe(passes=passes, **more))
    lm = Recorded(Understands(always=always), Journal(folder / "journal.jsonl"))
    return compile_program(source, train, lm=lm, lm_name="stand-in", out=folder / "out")


def test_the_better_instruction_wins_and_is_confirmed_on_rows_that_it_had_not_used(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(texts=(ALSO_BAD, GOOD)), sw.Readout())
    (race,) = made.races
    assert race["texts"] == [BAD, ALSO_BAD, GOOD]
    assert (race["winner"], race["kept"]) == (2, 2)
    assert race["confirmed"]["difference"] > 0.2
    assert race["confirmed"]["n"] == 12
    assert made.program.spec.steps["sort"].instruction == GOOD
    assert any("is confirmed on 12 rows" in note for note in made.notes)
    assert made.program(text="where is number 99").topic == "lost"


def test_where_nothing_is_better_the_first_one_stays(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(texts=(ALSO_BAD, GOOD)), sw.Readout(), always=True)
    assert made.program.spec.steps["sort"].instruction in (BAD, ALSO_BAD, GOOD)
    assert made.races[0]["kept"] == 0 or made.races[0]["confirmed"]["difference"] >= 0


def test_a_bad_alternative_costs_few_rows(tmp_path: Path) -> None:
    source = {"texts": (GOOD,)}
    many = compiled(tmp_path, sw.Instructions(**source), sw.Readout(), train=rows(300))
    standings = many.races[0]["standings"]
    assert standings[0]["rows"] < standings[1]["rows"] or standings[0]["rows"] < 100


def test_generated_outputs_race_by_the_metric(tmp_path: Path) -> None:
    train = [{"text": f"{word} then {other}", "last": other} for word in "abcdef" for other in "uvwxyz"]
    made = compiled(tmp_path, sw.Instructions(texts=(GOOD,)), signature=Last, train=train)
    assert made.program.spec.steps["sort"].instruction == GOOD
    assert made.program(text="one two three").last == "three"


def test_without_alternatives_it_says_what_to_do(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(), sw.Readout())
    assert made.races == ()
    assert any("--reflect-lm" in note for note in made.notes)


def test_a_budget_keeps_back_what_the_readout_needs(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(texts=(ALSO_BAD, GOOD)), sw.Readout(), budget=Budget(calls=100))
    assert made.lm_calls <= 100
    assert made.races[0]["why"] in ("budget", "decided")
    assert made.program.spec.lm is not None


def test_what_happened_in_the_race_is_kept_as_json(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(texts=(ALSO_BAD, GOOD)), sw.Readout(), train=rows(150))
    (race,) = json.loads((made.artifact / "provenance.json").read_text())["races"]
    assert race == made.races[0]
    assert race["history"][-1]["rows"] == race["rows"]
    assert [one["name"] for one in race["history"][0]["standings"]] == [BAD, ALSO_BAD, GOOD[:60]]
    assert all(len(one["interval"]) == 2 for one in race["history"][0]["standings"])


def test_a_race_in_which_nothing_could_be_read_is_kept_too(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(texts=(GOOD,)), sw.Readout(), budget=Budget(calls=62))
    assert made.races[0]["standings"][1]["mean"] is None


def test_few_rows_are_not_raced(tmp_path: Path) -> None:
    made = compiled(tmp_path, sw.Instructions(texts=(GOOD,)), sw.Readout(), train=rows(15))
    assert any("too few to race" in note for note in made.notes)


@pytest.mark.parametrize("bad", [{"texts": ("",)}, {"confirm": 0.0}, {"confirm": 1.5}])
def test_bad_parameters_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        sw.Instructions(**bad)


def test_after_a_fit_it_is_too_late(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="before anything is fitted"):
        compiled(tmp_path, sw.Readout(), sw.Instructions(texts=(GOOD,)))


def test_the_same_inputs_give_the_same_program(tmp_path: Path) -> None:
    digests = {
        compiled(tmp_path / str(i), sw.Instructions(texts=(GOOD,)), sw.Readout()).digest for i in range(2)
    }
    assert len(digests) == 1


class Reflects(Understands):
    """A stand-in for an LM that can reflect: whatever DSPy asks for, it writes the good instruction."""

    id = "stand-in/reflects"
    reads_logprobs = False

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        asked = re.findall(
            r"\[\[ ## (\w+) ## \]\]", prompt.messages()[-1]["content"].rpartition("Respond")[2]
        )
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{GOOD}" for name in dict.fromkeys(asked))
        return Generation(text, True, Usage(50, 0, 20, 1.0))


def test_an_lm_that_can_reflect_proposes_and_its_calls_count(tmp_path: Path) -> None:
    source = source_of(
        dspy.Predict(Sort), name="sort", recipe=sw.Recipe(passes=[sw.Instructions(propose=2), sw.Readout()])
    )
    journal = Journal(tmp_path / "journal.jsonl")
    lm, reflect = Recorded(Understands(), journal), Recorded(Reflects(), journal)
    made = compile_program(source, rows(), lm=lm, lm_name="stand-in", reflect=reflect, out=tmp_path / "out")
    assert reflect.calls > 0
    assert made.lm_calls == lm.calls + reflect.calls
    assert GOOD in made.races[0]["texts"]
    assert made.program.spec.steps["sort"].instruction == GOOD


def test_a_row_with_a_secret_is_not_shown_to_it(tmp_path: Path) -> None:
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
    train = [*rows(), {"text": f"where is {token}", "topic": "lost"}]
    seen: list[str] = []

    class Listens(Reflects):
        def generate(self, prompt: Prompt, **more: Any) -> Generation:
            seen.append(json.dumps(prompt.messages()))
            return super().generate(prompt, **more)

    source = source_of(
        dspy.Predict(Sort), name="sort", recipe=sw.Recipe(passes=[sw.Instructions(propose=1), sw.Readout()])
    )
    journal = Journal(tmp_path / "journal.jsonl")
    lm, reflect = Recorded(Understands(), journal), Recorded(Listens(), journal)
    compile_program(source, train, lm=lm, lm_name="stand-in", reflect=reflect, out=tmp_path / "out")
    assert seen
    assert not any(token in text for text in seen)
