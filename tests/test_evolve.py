"""GEPA as a source of instructions: what it is shown, what it may spend, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest

import shipworthy as sw
from shipworthy.compiler import Budget, Price, compile_program, source_of
from shipworthy.errors import InputError, LMError
from shipworthy.lms import Generation, Journal, Prompt, Question, Recorded, Scores, Usage, open_lm

BAD = "Sort the message."
GOOD = "Sort the message by what the sender needs. Think of the parcel first."
GEPA = sw.Instructions(sources=("gepa",), propose=3)


class Understands:
    """A stand-in for an LM: it reads the topic off a row, but only under the good instruction."""

    id = "stand-in/understands"
    workers = 2
    reads_logprobs = True
    context = 4000

    def tokenize(self, text: str) -> list[int]:
        return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        found = []
        for question in questions:
            noise = int(hashlib.sha256(f"{prompt.user}{question.opening}".encode()).hexdigest()[:6], 16)
            raw = np.array([((token ^ noise) % 97) / 97 for token in question.tokens])
            if "parcel first" in prompt.system:
                raw += 3.0 * (np.array(question.tokens) == self.tokenize(f" {topic_of(prompt.user)}")[0])
            found.append(Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32), Usage(9, 5, 1, 1.0)))
        return found

    def generate(self, prompt: Prompt, **_: Any) -> Generation:
        topic = topic_of(prompt.user) if "parcel first" in prompt.system else "praise"
        return Generation(json.dumps({"topic": topic}), True, Usage(9, 0, 5, 1.0))

    def close(self) -> None:
        pass


class Reflects:
    """A stand-in for an LM that can reflect: it answers GEPA's prompt with what it is told to."""

    id = "stand-in/reflects"
    workers = 1
    reads_logprobs = False
    context = 32_000

    def __init__(self, *answers: str, fails: bool = False) -> None:
        self.answers = answers or (f"```\n{GOOD}\n```",)
        self.fails = fails
        self.seen: list[str] = []

    def tokenize(self, text: str) -> list[int]:
        raise AssertionError("a reflecting LM does not tokenise")

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        raise AssertionError("a reflecting LM does not score")

    def generate(self, prompt: Prompt, **_: Any) -> Generation:
        self.seen.append(prompt.user)
        if self.fails:
            raise LMError("the reflecting LM is down")
        answer = self.answers[(len(self.seen) - 1) % len(self.answers)]
        return Generation(answer, True, Usage(500, 0, 100, 1.0))

    def close(self) -> None:
        pass


def topic_of(text: str) -> str:
    return "lost" if "where" in text else "broken" if "crack" in text else "praise"


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()


def rows(n: int = 90) -> list[dict[str, Any]]:
    texts = {"lost": "where is number {}", "broken": "number {} has a crack", "praise": "number {} is lovely"}
    return [{"text": texts[topic].format(i), "topic": topic} for i in range(n // 3) for topic in texts]


def compiled(
    folder: Path, reflect: Any, *passes: Any, train: list[dict[str, Any]] | None = None, **more: Any
) -> Any:
    prices = {name: more.pop(name) for name in ("price", "reflect_price") if name in more}
    seed = more.pop("seed", 0)
    recipe = sw.Recipe(passes=passes or (GEPA, sw.Readout()), **more)
    source = source_of(dspy.Predict(Sort), name="sort", recipe=recipe)
    journal = Journal(folder / "journal.jsonl")
    lm, other = Recorded(Understands(), journal), Recorded(reflect, journal) if reflect else None
    return compile_program(
        source,
        train or rows(),
        lm=lm,
        lm_name="stand-in",
        out=folder / "out",
        seed=seed,
        reflect=other,
        **prices,
    )


def note_of(made: Any, name: str = "GEPA") -> str:
    return next(note for note in made.notes if note.startswith(name))


def test_what_it_found_enters_the_race_and_the_race_decides(tmp_path: Path) -> None:
    reflect = Reflects()
    made = compiled(tmp_path, reflect)
    (race,) = made.races
    assert race["texts"] == [BAD, GOOD]
    assert race["kept"] == 1
    assert made.program.spec.steps["sort"].instruction == GOOD
    assert "by its own score 100 % at best" in note_of(made)


def test_the_reflecting_lm_is_shown_answers_labels_and_what_was_wrong(tmp_path: Path) -> None:
    reflect = Reflects()
    compiled(tmp_path, reflect)
    shown = reflect.seen[0]
    assert BAD in shown
    assert "topic is wrong: the answer says praise, right is" in shown
    assert shown.count("## Feedback") == 3


def test_rows_with_a_secret_and_rows_of_the_confirmation_are_not_shown(tmp_path: Path) -> None:
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
    train = [*rows(), *({"text": f"where is {token}{i}", "topic": "lost"} for i in range(9))]
    reflect = Reflects("```\nSort it.\n```", "```\nSort it well.\n```")
    made = compiled(tmp_path, reflect, train=train)
    assert reflect.seen
    assert not any(token in text for text in reflect.seen)
    shown = {row["text"] for row in train for text in reflect.seen if f"{row['text']}\n" in text}
    assert len(shown) <= 20
    assert made.program.spec.steps["sort"].instruction == BAD


@pytest.mark.parametrize("answers", [("",), ("```\n```",), (f"```\n{BAD}\n```",)])
def test_a_reflecting_lm_that_writes_nothing_is_not_asked_for_ever(
    tmp_path: Path, answers: tuple[str, ...]
) -> None:
    reflect = Reflects(*answers)
    made = compiled(tmp_path, reflect, sw.Instructions(texts=(GOOD,), sources=("gepa",)), sw.Readout())
    assert len(reflect.seen) == 3
    assert "wrote no usable instruction 3 times in a row" in note_of(made)
    assert made.program.spec.steps["sort"].instruction == GOOD  # the race went on without it


def test_nonsense_does_not_get_past_its_own_score(tmp_path: Path) -> None:
    made = compiled(tmp_path, Reflects("Bananas.", "More bananas.", "Most bananas."))
    assert made.program.spec.steps["sort"].instruction == BAD
    assert note_of(made).startswith("GEPA: 0 instructions")


def test_a_reflecting_lm_that_is_down_is_an_error_and_running_again_goes_on(tmp_path: Path) -> None:
    with pytest.raises(LMError, match="is down"):
        compiled(tmp_path, Reflects(fails=True))
    kept = Journal(tmp_path / "journal.jsonl")
    assert len(kept) > 20
    kept.close()
    again = compiled(tmp_path, Reflects())
    (tmp_path / "plain").mkdir()
    assert again.digest == compiled(tmp_path / "plain", Reflects()).digest


def test_without_a_reflecting_lm_it_does_not_run_and_says_so(tmp_path: Path) -> None:
    made = compiled(tmp_path, None, sw.Instructions(texts=(GOOD,)), sw.Readout())
    assert any("--reflect-lm" in note for note in made.notes)
    assert made.races[0]["texts"] == [BAD, GOOD]


def test_it_spends_at_most_five_calls_a_row_of_its_own(tmp_path: Path) -> None:
    reflect = Reflects(*(f"```\nSort it, attempt {i}.\n```" for i in range(500)))
    made = compiled(tmp_path, reflect)
    rest = compiled(tmp_path, None, sw.Readout())
    assert made.lm_calls - rest.lm_calls <= 200
    assert 20 <= len(reflect.seen) <= 70


@pytest.mark.parametrize("calls", [100, 150, 200, 300, 400])
def test_a_budget_of_calls_is_kept_and_leaves_what_the_readout_needs(tmp_path: Path, calls: int) -> None:
    reflect = Reflects(*(f"```\nSort it, attempt {i}.\n```" for i in range(500)))
    made = compiled(tmp_path, reflect, budget=Budget(calls=calls))
    assert made.lm_calls <= calls
    assert not any("unread" in note for note in made.notes)
    assert "the budget" in note_of(made)


def test_a_small_budget_makes_it_work_on_fewer_rows(tmp_path: Path) -> None:
    made = compiled(tmp_path, Reflects(), budget=Budget(calls=200))  # 74 beyond readout and confirmation
    assert "on 8 rows" in note_of(made)
    assert made.races[0]["texts"] == [BAD, GOOD]


def test_tokens_and_us_dollars_of_both_lms_count(tmp_path: Path) -> None:
    reflect = Reflects(*(f"```\nSort it, attempt {i}.\n```" for i in range(500)))
    made = compiled(tmp_path, reflect, budget=Budget(tokens=8_000))
    assert 600 <= made.tokens <= 8_000 * 1.1
    assert "the budget ended it" in note_of(made)
    (tmp_path / "usd").mkdir()
    dear = Reflects(*reflect.answers)
    made = compiled(
        tmp_path / "usd",
        dear,
        budget=Budget(usd=0.05),
        price=Price(0.0, 0.0),
        reflect_price=Price(10.0, 30.0),
    )
    assert made.usd == pytest.approx(len(dear.seen) * (500 * 10 + 100 * 30) / 1e6)
    assert 0 < made.usd <= 0.05


def test_a_budget_of_tokens_without_a_reflecting_lm_still_races(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, None, sw.Instructions(texts=(GOOD,)), sw.Readout(), budget=Budget(tokens=20_000)
    )
    assert made.races[0]["kept"] == 1


def test_the_same_answers_and_seed_give_the_same_program_in_any_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, 'tests')\n"
        "from test_evolve import Reflects, compiled\n"
        "answers = [f'```\\nSort it, attempt {i}. Think of the parcel {w}.\\n```' for i in range(99)"
        " for w in ('last', 'first')]\n"
        "made = compiled(Path(sys.argv[1]), Reflects(*answers), seed=3)\n"
        "print(made.digest, made.lm_calls, made.races[0]['texts'])\n"
    )
    found = set()
    for hashing in ("1", "2"):
        folder = tmp_path / hashing
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
            env={**os.environ, "PYTHONHASHSEED": hashing},
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_killed_at_random_points_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    answers = [f"```\nSort it, attempt {i}.\n```" for i in range(20)]

    class Slow(Reflects):
        def generate(self, prompt: Prompt, **_: Any) -> Generation:
            # By the prompt and not by the count, which starts anew in each process.
            number = int(hashlib.sha256(prompt.user.encode()).hexdigest()[:6], 16)
            time.sleep(0.01)
            return Generation(answers[number % len(answers)], True, Usage(500, 0, 100, 1.0))

    plain, killed = tmp_path / "plain", tmp_path / "killed"
    plain.mkdir()
    killed.mkdir()
    begun = time.monotonic()
    expected = compiled(plain, Slow())
    seconds = time.monotonic() - begun
    rng = random.Random(os.getpid())
    for _ in range(8):
        child = os.fork()
        if child == 0:  # it must never come back into the tests
            try:
                compiled(killed, Slow())
                os._exit(0)
            except BaseException:
                os._exit(1)
        time.sleep(rng.uniform(0, seconds * 0.6))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    found = compiled(killed, Slow())
    assert found.digest == expected.digest
    assert found.lm_calls == expected.lm_calls
    assert found.races == expected.races


def test_generated_outputs_evolve_by_the_metric(tmp_path: Path) -> None:
    class Last(dspy.Signature):
        """Sort the message."""

        text: str = dspy.InputField()
        last: str = dspy.OutputField()

    class Writes(Understands):
        def generate(self, prompt: Prompt, **_: Any) -> Generation:
            words = prompt.user.split()
            chosen = words[-1] if "parcel first" in prompt.system else words[0]
            return Generation(json.dumps({"last": chosen}), True, Usage(9, 0, 5, 1.0))

    train = [{"text": f"{word} then {other}", "last": other} for word in "abcdefgh" for other in "uvwxyz"]
    source = source_of(dspy.Predict(Last), name="sort", recipe=sw.Recipe(passes=[GEPA]))
    journal = Journal(tmp_path / "journal.jsonl")
    made = compile_program(
        source,
        train,
        lm=Recorded(Writes(), journal),
        lm_name="stand-in",
        out=tmp_path / "out",
        reflect=Recorded(Reflects(), journal),
    )
    assert made.program(text="one two three").last == "three"


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(InputError, match="proposes no instructions"):
        sw.Instructions(sources=("copro",))


@pytest.mark.slow
def test_rollouts_run_on_the_embedded_lm(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    lm = Recorded(open_lm("local"), journal)
    reflect = Reflects("```\nSay what the sender is writing about.\n```")
    recipe = sw.Recipe(passes=[GEPA], budget=Budget(calls=66))
    source = source_of(dspy.Predict(Sort), name="sort", recipe=recipe)
    other = Recorded(reflect, journal)
    out = tmp_path / "out"
    made = compile_program(source, rows(30), lm=lm, lm_name="local", out=out, reflect=other)
    lm.close()
    assert 0 < made.lm_calls <= 66
    assert "rollouts on" in note_of(made)
    assert "right is" in reflect.seen[0] or "could not be used" in reflect.seen[0]
