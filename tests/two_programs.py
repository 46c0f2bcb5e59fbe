"""Small compiled programs with hand-made certificates, for tests that compare two of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipworthy.compiler import fit_student
from shipworthy.examples import digest_of
from shipworthy.registry import Side, read_evidence, read_side
from shipworthy.runtime import (
    Contract,
    Decide,
    DecisionHead,
    Demo,
    Field,
    Generate,
    Heads,
    HeadSpec,
    LMSpec,
    ProgramSpec,
    Read,
    ReadoutHead,
    StepSpec,
    render_decide,
    render_generate,
    write_artifact,
)

TEXTS = ["I was charged twice", "the parcel never came", "refund me", "where is my box?"]
TICKET = Field("ticket", {"type": "string"}, "what was written")
QUEUE = Field("queue", {"type": "string", "enum": ["billing", "shipping"]})
REPLY = Field("reply", {"type": "string"}, "one sentence")
CONTRACT = Contract((TICKET,), (QUEUE,))
WORDS = "Sort the ticket.\nBe quick."
PROVENANCE: dict[str, Any] = {
    "data": {"train": "a" * 64, "dev": None},
    "recipe": {"metric": "exact", "passes": [{"name": "Readout", "width": [256]}], "target": 0.9},
    "seed": 0,
    "journal": "j1",
    "versions": {"dspy": "3.4.1"},
}


def make(
    folder: Path,
    *,
    name: str = "triage",
    contract: Contract = CONTRACT,
    instruction: str = WORDS,
    demos: Sequence[tuple[str, str]] = (("hello", "billing"),),
    threshold: float = 0.5,
    tokens: Sequence[int] = (3, 5, 8),
    student: float = 10.0,
    lm: str = "local/0123",
    provenance: Mapping[str, Any] = PROVENANCE,
) -> Path:
    """An artifact: readout and student decide whatever is a decision, all else is generated."""
    tfidf, fitted = fit_student(TEXTS, np.array([0, 1, 0, 1]), 2, c=student)
    shown = tuple(
        Demo(
            inputs={field.name: text if field.name == "ticket" else None for field in contract.inputs},
            outputs={
                field.name: label if field.name == "queue" else "We are on it." for field in contract.outputs
            },
        )
        for text, label in demos
    )
    n = len(tokens)
    heads, specs = {}, {}
    for field in contract.decisions:
        classes = len(field.choices or ())
        ones = np.ones(n, np.float32)
        readout = ReadoutHead(
            ones * 0, ones, np.ones((classes, n), np.float32), np.zeros(classes, np.float32)
        )
        own = fitted if classes == 2 else None
        heads[field.name] = DecisionHead(readout, own, (0.75, 0.1), threshold)
        specs[field.name] = HeadSpec(
            choices=field.choices or (),
            mix=(0.75, 0.1),
            threshold=threshold,
            reads=(0,),
            student=own is not None,
        )
    decide = generate = None
    if specs:
        decide = Decide(
            prompt=render_decide(instruction, contract, shown),
            reads=(Read(mode="logprobs", opening="queue:", tokens=tuple(tokens)),),
            heads=specs,
            tfidf_words=tfidf.n_words,
        )
    if contract.values:
        prompt = render_generate(instruction, contract, shown, contract.values)
        generate = Generate(prompt=prompt, outputs=tuple(field.name for field in contract.values))
    step = StepSpec(
        instruction=instruction, **contract.as_json(), demos=shown, decide=decide, generate=generate
    )
    spec = ProgramSpec(
        name=name,
        contract=contract.as_json(),
        contract_sha256=contract.digest,
        steps={name: step},
        flow=(name,),
        lm=LMSpec(id=lm, name="local"),
    )
    write_artifact(folder, spec, {name: Heads(heads, tfidf)}, probes=[], provenance=provenance)
    return folder


def said(outputs: Mapping[str, Any] | None, labels: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What a program said of a row, scored by equality."""
    given = dict(outputs) if outputs is not None else None
    by_output = {name: float((given or {}).get(name) == label) for name, label in labels.items()}
    right = given is not None and all(by_output.values())
    error = None if given is not None else {"type": "OutputError", "message": "the answer is not JSON"}
    return {
        "outputs": given,
        "right": right,
        "score": float(right),
        "by_output": by_output,
        "confidence": 0.75,
        "error": error,
        "raw": None,
        **more,
    }


def row(
    contract: Contract, inputs: Mapping[str, Any], labels: Mapping[str, Any], outputs: Any, **more: Any
) -> dict[str, Any]:
    """A row of rows.jsonl."""
    digest = digest_of({**inputs, **labels})
    return {
        "digest": digest,
        "inputs": dict(inputs),
        "labels": dict(labels),
        "said": {"compiled": said(outputs, labels)},
        **more,
    }


def certify(folder: Path, digest: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    """A certificate of these rows, as a folder."""
    scores = [one["said"]["compiled"]["score"] for one in rows]
    score = sum(scores) / len(scores) if scores else 0.0
    data = {
        "name": "triage",
        "digest": digest,
        "verdict": "pass",
        "compiled": {
            "score": score,
            "ci": [max(0.0, score - 0.1), min(1.0, score + 0.1)],
            "n": len(rows),
            "ms_p50": 12.0,
            "ms_p95": 20.0,
            "tokens_per_call": 80.0,
            "usd_per_call": 0.0,
        },
        "metric": {"name": "exact", "version": 2},
        "quick": True,
        "look": 1,
        "made": "2026-03-02T10:04:00+00:00",
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.json").write_text(json.dumps(data))
    (folder / "rows.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows))
    return folder


def side(folder: Path, rows: Sequence[Mapping[str, Any]] | None = None, **made: Any) -> Side:
    """A side to compare: an artifact made anew, with a certificate of these rows if there are any."""
    import dataclasses

    about = made.pop("certificate", {})
    found = read_side(make(folder / "artifact", **made), label=folder.name)
    if rows is None:
        return found
    place = certify(folder / "certificate", found.digest, rows, **about)
    return dataclasses.replace(found, evidence=read_evidence(place, digest=found.digest))
