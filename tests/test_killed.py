"""A compile that is killed goes on where it stopped: same digest, no call made twice but those in flight."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.errors import LMError
from shipworthy.lms import Journal, Prompt, Question, Recorded, Scores, Usage

WORKERS = 3
KILLS = 20


class Logged:
    """A stand-in for an LM, so that calls can be counted from outside: it notes each one when it begins."""

    id = "stand-in/logged"
    workers = WORKERS
    reads_logprobs = True
    context = 4000

    def __init__(self, log: Path, *, fails_after: int | None = None) -> None:
        self._log = log
        self._left = fails_after

    def tokenize(self, text: str) -> list[int]:
        return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise LMError("the LM is down")
        with self._log.open("a") as log:
            log.write(json.dumps([prompt.user, [question.opening for question in questions]]) + "\n")
        time.sleep(0.004)
        words = set(prompt.user.split())
        return [Scores(self._scores(words, question), Usage(20, 10, 1, 4.0)) for question in questions]

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("nothing is generated here")

    def close(self) -> None:
        pass

    def _scores(self, words: set[str], question: Question) -> np.ndarray[Any, Any]:
        """Log-probabilities that depend on the row's words and the question, and on nothing else."""
        known = {token for word in words for token in self.tokenize(word)}
        raw = np.array([(2.0 if token in known else 0.0) + token % 7 / 7 for token in question.tokens])
        raw += len(question.opening) * 0.01
        return np.asarray(raw - np.log(np.exp(raw).sum()), np.float32)


class Sort(dspy.Signature):
    """Say what the sentence is about."""

    text: str = dspy.InputField()
    topic: Literal["rain", "bread", "trains"] = dspy.OutputField()


def rows() -> list[dict[str, Any]]:
    rng = random.Random(4)
    words = {
        "rain": "wet umbrella puddle cloud storm drizzle gutter boots",
        "bread": "oven flour crust yeast loaf butter slice toast",
        "trains": "platform ticket delay carriage rails driver station seat",
    }
    filler = ["the", "a", "with", "for", "before", "under", "today", "again", "never", "quite"]
    return [
        {"text": " ".join(rng.sample(own.split(), 2) + rng.sample(filler, 4) + [str(n)]), "topic": topic}
        for topic, own in words.items()
        for n in range(40)
    ]


def compiled(folder: Path, lm: Logged | None = None, **more: Any) -> Any:
    recipe = sw.Recipe(passes=[sw.Demos(), sw.Readout(), sw.Student()], **more)
    source = source_of(dspy.Predict(Sort), name="sort", recipe=recipe)
    recorded = Recorded(lm or Logged(folder / "calls.log"), Journal(folder / "journal.jsonl"))
    return compile_program(source, rows(), lm=recorded, lm_name="stand-in", out=folder / "out")


def calls(folder: Path) -> Counter[str]:
    return Counter((folder / "calls.log").read_text().splitlines())


def test_killed_twenty_times_at_random_points_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    plain, killed = tmp_path / "plain", tmp_path / "killed"
    plain.mkdir()
    killed.mkdir()
    begun = time.monotonic()
    expected = compiled(plain)
    seconds = time.monotonic() - begun
    rng = random.Random(os.getpid())
    kills = 0
    while kills < KILLS:
        child = os.fork()
        if child == 0:  # it must never come back into the tests
            try:
                compiled(killed)
                os._exit(0)
            except BaseException:
                os._exit(1)
        time.sleep(rng.uniform(0, seconds * 0.5))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        else:
            assert os.waitstatus_to_exitcode(status) == 0
            break
    found = compiled(killed)
    assert found.digest == expected.digest
    assert found.lm_calls == expected.lm_calls
    assert calls(killed).keys() == calls(plain).keys()
    repeated = sum(count - 1 for count in calls(killed).values())
    assert repeated <= kills * WORKERS


def test_an_lm_that_goes_down_stops_it_and_the_same_command_goes_on(tmp_path: Path) -> None:
    lm = Logged(tmp_path / "calls.log", fails_after=30)
    with pytest.raises(LMError, match="down"):
        compiled(tmp_path, lm)
    made = len(calls(tmp_path))
    assert made >= 25
    found = compiled(tmp_path)
    assert max(calls(tmp_path).values()) == 1
    plain = tmp_path / "plain"
    plain.mkdir()
    assert found.digest == compiled(plain).digest


def test_after_a_change_of_the_recipe_calls_that_are_the_same_are_not_made_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    before = compiled(first)
    recipe = sw.Recipe(passes=[sw.Demos(), sw.Readout(c=(0.5,)), sw.Student(c=3.0)])
    source = source_of(dspy.Predict(Sort), name="sort", recipe=recipe)
    journal = Journal(second / "journal.jsonl", others=[first / "journal.jsonl"])
    lm = Recorded(Logged(second / "calls.log"), journal)
    after = compile_program(source, rows(), lm=lm, lm_name="stand-in", out=second / "out")
    assert not (second / "calls.log").exists()
    assert journal.reused == before.lm_calls
    assert after.digest != before.digest
