"""A small program of several steps, with a stand-in for an LM that understands it; tests share it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.lms import Generation, Journal, Prompt, Question, Recorded, Scores, Usage

TOOLS = '''
from __future__ import annotations

from pathlib import Path
from typing import TypedDict


class Sizes(TypedDict):
    """How long a text is."""

    words: int
    shouted: bool


def find_passages(text: str, most: int = 2) -> list[str]:
    """The first sentences of the handbook that share a word with the text."""
    book = Path(__file__).with_name("handbook.txt").read_text(encoding="utf-8")
    wanted = set(text.lower().split())
    return [line for line in book.splitlines() if wanted & set(line.lower().split())][:most]


def measure(text: str) -> Sizes:
    return {"words": len(text.split()), "shouted": text.isupper()}


def fails(text: str) -> str:
    if "boom" in text:
        raise ValueError("no such shelf")
    return text
'''
READ = sw.Readout(questions=False, c=(3.0,), shrinkage=(1.0,), width=(8,))
USUAL = (sw.Demos(), READ, sw.Student())
HANDBOOK = "A parcel takes three days\nA broken cup is replaced\nPraise goes to the kitchen\n"


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    kind: Literal["order", "complaint", "praise"] = dspy.OutputField()


class Confirm(dspy.Signature):
    """Name the order."""

    text: str = dspy.InputField()
    number: str = dspy.OutputField()


class Urgent(dspy.Signature):
    """Is it urgent?"""

    text: str = dspy.InputField()
    kind: str = dspy.InputField()
    urgent: bool = dspy.OutputField()


class Reply(dspy.Signature):
    """Answer the message."""

    text: str = dspy.InputField()
    passages: list[str] = dspy.InputField()
    number: str | None = dspy.InputField()
    reply: str = dspy.OutputField()


class Clerk:
    """A stand-in for an LM: it knows each task by its instruction, and reads the answer off the text."""

    id = "stand-in/clerk"
    workers = 4
    reads_logprobs = True
    context = 4000

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def tokenize(self, text: str) -> list[int]:
        return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        found = []
        for question in questions:
            self.asked.append(prompt)
            noise = int(hashlib.sha256(f"{prompt.user}{question.opening}".encode()).hexdigest()[:6], 16)
            raw = np.array([((token ^ noise) % 97) / 97 for token in question.tokens])
            raw += 3.0 * (np.array(question.tokens) == self.tokenize(f" {_said(prompt)}")[0])
            found.append(Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32), Usage(9, 5, 1, 1.0)))
        return found

    def generate(
        self, prompt: Prompt, *, max_tokens: int = 0, schema: Any = None, logprobs: bool = False
    ) -> Generation:
        self.asked.append(prompt)
        (name,) = schema["properties"]
        said: Any = _said(prompt)
        if schema["properties"][name].get("type") == "boolean":
            said = said == "yes"
        return Generation(json.dumps({name: said}), True, Usage(9, 0, 5, 1.0))

    def close(self) -> None:
        pass


def _said(prompt: Prompt) -> str:
    text = prompt.lead + prompt.user
    kind = "order" if "where" in text else "complaint" if "crack" in text else "praise"
    if prompt.system.startswith("Sort"):
        return kind
    if prompt.system.startswith("Is it urgent"):
        return "yes" if "kind: complaint" in text else "no"
    if prompt.system.startswith("Name"):
        found = re.search(r"\d+", text)
        return found[0] if found else "none"
    return f"about {text.split('number:')[-1].strip()}"


def rows(n: int = 60) -> list[dict[str, Any]]:
    texts = {
        "order": "where is parcel {}",
        "complaint": "cup {} has a crack",
        "praise": "lovely number {} thanks",
    }
    return [
        {
            "text": texts[kind].format(i),
            "kind": kind,
            "number": str(i) if kind == "order" else None,
            "urgent": kind == "complaint",
        }
        for i in range(n // 3)
        for kind in texts
    ]


def tools(folder: Path, text: str = TOOLS, name: str = "tools") -> Any:
    """The file of functions as a module, imported as a project's own would be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    (folder / "handbook.txt").write_text(HANDBOOK)
    spec = importlib.util.spec_from_file_location(f"made_{name}_{abs(hash(folder))}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def mail(folder: Path) -> Any:
    """The whole program: a decision, a conditional step, a function and a reply."""
    own = tools(folder)

    class Mail(sw.Steps):
        inputs = ("text",)
        outputs = ("kind", "number", "urgent", "reply")
        reply = sw.step(Reply)
        urgent = sw.step(Urgent)
        confirm = sw.step(Confirm, when={"kind": "order"})
        passages = sw.step(own.find_passages, files=["handbook.txt"])
        sort = sw.step(Sort)

    return Mail()


def compiled(
    folder: Path, program: Any, *passes: Any, lm: Any = None, journal: str = "calls", **more: Any
) -> Any:
    """Compiled on the stand-in."""
    train, dev = more.pop("train", None) or rows(), more.pop("dev", ())
    journal = more.pop("journal", "calls")
    others = sorted(folder.glob("*.jsonl"))
    model = Recorded(lm or Clerk(), Journal(folder / f"{journal}.jsonl", others=others))
    recipe = sw.Recipe(passes=passes, **more) if passes or more else None
    source = source_of(program, name="mail", recipe=recipe)
    return compile_program(source, train, dev=dev, lm=model, lm_name="stand-in", out=folder / "out")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The whole program, compiled once for all tests."""
    folder = tmp_path_factory.mktemp("mail")
    return compiled(folder, mail(folder / "source"), *USUAL)
