"""A public class set as a project: its labels in a plain prompt, lifted with its train and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import shipworthy as sw
from shipworthy.examples import load_table

PROMPT = """Classify what the user wants.

Answer with exactly one of: {labels}

Text: {{text}}
Intent:"""


@dataclass(frozen=True)
class Lifted:
    """The prompt's file, and the project that it was lifted into as `intent`."""

    prompt: Path
    project: Path


def lifted(home: Path, folder: Path, name: str) -> Lifted:
    """Lift the set NAME of FOLDER into a project under `home`."""
    train, test = (folder / f"{name}.{split}.jsonl" for split in ("train", "test"))
    labels = sorted({str(row["intent"]) for row in load_table(train).rows})
    prompt = home / "intent.md"
    prompt.write_text(PROMPT.format(labels=", ".join(labels)), encoding="utf-8")
    return Lifted(prompt, sw.lift(prompt, train, into=home / "project", test=test).project)
