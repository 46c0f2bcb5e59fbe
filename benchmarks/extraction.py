"""Fields of a text, found word for word: the compiled program, the plain prompt, and a plain CRF.

    python benchmarks/extraction.py FOLDER [--free 146]

FOLDER holds `dstc8-buses.train.jsonl` and `.test.jsonl`, each line `{"text", "from_location",
"to_location", "leaving_date"}`. Train rows serve for everything; the test rows are scored once,
at the end. The CRF is sklearn-crfsuite on words, their case and two words to either side, with
its usual penalties. A field counts as found where its text is exactly the label.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from report import write_section

import shipworthy as sw
from shipworthy.compiler.tagging import Taught, allowed_tags
from shipworthy.evidence import answer_freely
from shipworthy.examples import load_table, rows_digest
from shipworthy.lift import read_prototype
from shipworthy.lms import Journal, Recorded, open_lm
from shipworthy.runtime import tags_for, words_of

FIELDS = ("from_location", "to_location", "leaving_date")
PROMPT = """You read what people say to a booking service for coaches, and note what they ask for.

Text: {text}

Answer with JSON with the keys from_location, to_location and leaving_date. Copy each value from the
text exactly as it is written there. Use null for what the text does not say.
"""
RESULT = Path(__file__).parent / "results" / "extraction.json"
DRAWS = 10_000

Row = Mapping[str, Any]
Counts = np.ndarray[Any, Any]
"""By row and field: found rightly, said in vain, missed; shape (N, 3, fields)."""


def main() -> None:
    """Compile, score everything on the test rows, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--free", type=int, default=146, help="test rows on which the prompt runs freely")
    given = parser.parse_args()
    result = run(given.folder, given.free)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1))
    command = f"python benchmarks/extraction.py FOLDER --free {given.free}"
    write_section("extraction", command, report(result))


def run(folder: Path, free: int) -> dict[str, Any]:
    """Everything on the test rows."""
    train, test = (folder / f"dstc8-buses.{split}.jsonl" for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        prompt = home / "buses.md"
        prompt.write_text(PROMPT, encoding="utf-8")
        project = sw.lift(prompt, train, into=home / "project", test=test).project
        begun = time.monotonic()
        compiled = sw.compile("buses", project=project)
        compile_s = time.monotonic() - begun
        print(f"compiled in {compile_s:.0f} s, {compiled.lm_calls} calls; {compiled.notes}", flush=True)
        rows = [dict(row) for row in load_table(test).rows]
        lm = Recorded(open_lm("local"), Journal(home / "calls.jsonl"))
        program = sw.load_artifact(compiled.artifact, lm=lm if compiled.program.spec.lm else None)
        ours, ms = answers(program.answer_many(rows))
        print("compiled", f1(counts(ours, rows)), flush=True)
        theirs = by_crf([dict(row) for row in load_table(train).rows], rows)
        print("CRF", f1(counts(theirs, rows)), flush=True)
        prototype = read_prototype(prompt)
        said, ms_prompt = answers(answer_freely(prototype, program.contract, lm)(rows[:free]))
        print("prompt", f1(counts(said, rows[:free])), flush=True)
    return {
        "test_sha256": rows_digest(rows),
        "counts": {
            "compiled": counts(ours, rows).tolist(),
            "crf": counts(theirs, rows).tolist(),
            "prompt": counts(said, rows[:free]).tolist(),
        },
        "outside": sum(
            value is not None and str(value) not in row["text"]
            for answer, row in zip(ours, rows, strict=True)
            for value in answer.values()
        ),
        "ms": [round(value, 1) for value in np.percentile(ms, [50, 95])],
        "ms_prompt": [round(value, 1) for value in np.percentile(ms_prompt, [50, 95])],
        "compile_s": round(compile_s, 1),
        "lm_calls": compiled.lm_calls,
        "notes": list(compiled.notes),
    }


def answers(outcomes: Any) -> tuple[list[dict[str, Any]], list[float]]:
    """Outputs by row, none where it could not be answered, and milliseconds."""
    found, ms = [], []
    for outcome in outcomes:
        answer = None if outcome.error is not None else outcome.unwrap()
        found.append({name: None if answer is None else answer.outputs.get(name) for name in FIELDS})
        ms += [] if answer is None else [answer.ms]
    return found, ms or [0.0]


def by_crf(train: Sequence[Row], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The plain CRF's answers: a field's first span."""
    import sklearn_crfsuite

    tags = tags_for(FIELDS)
    taught = []
    for row in train:
        values = Taught(row["text"], {name: row[name] for name in FIELDS})
        allowed = allowed_tags(values, words_of(row["text"]), tags)
        taught.append([tags[int(own.argmax())] for own in allowed])
    crf = sklearn_crfsuite.CRF(c1=0.1, c2=0.1, max_iterations=100, all_possible_transitions=True)
    crf.fit([plain_features(row["text"]) for row in train], taught)
    found = []
    for row, said in zip(rows, crf.predict([plain_features(row["text"]) for row in rows]), strict=True):
        words = words_of(row["text"])
        answer: dict[str, Any] = dict.fromkeys(FIELDS)
        for name in FIELDS:
            if f"B-{name}" in said:
                first = last = list(said).index(f"B-{name}")
                while last + 1 < len(said) and said[last + 1] == f"I-{name}":
                    last += 1
                answer[name] = row["text"][words[first][0] : words[last][1]]
        found.append(answer)
    return found


def plain_features(text: str) -> list[dict[str, Any]]:
    """Words, case, two words to either side."""
    words = [text[begin:end] for begin, end in words_of(text)]
    found = []
    for i in range(len(words)):
        features: dict[str, Any] = {"bias": 1.0}
        for d in range(-2, 3):
            word = words[i + d] if 0 <= i + d < len(words) else "<>"
            features |= {
                f"{d}:word": word.lower(),
                f"{d}:title": word.istitle(),
                f"{d}:upper": word.isupper(),
            }
            features[f"{d}:digit"] = word.isdigit()
        found.append(features)
    return found


def counts(said: Sequence[Row], rows: Sequence[Row]) -> Counts:
    """See `Counts`."""
    found = np.zeros((len(rows), 3, len(FIELDS)), int)
    for i, (answer, row) in enumerate(zip(said, rows, strict=True)):
        for k, name in enumerate(FIELDS):
            right = answer[name] is not None and answer[name] == row[name]
            found[i, :, k] = (
                right,
                answer[name] is not None and not right,
                row[name] is not None and not right,
            )
    return found


def f1(found: Counts) -> float:
    """Over all fields together, in points."""
    right, vain, missed = found.sum(axis=(0, 2))
    return float(200 * right / max(1, 2 * right + vain + missed))


def interval(one: Counts, other: Counts | None = None) -> tuple[float, float]:
    """95 % of F1, or of the difference of two on the same rows: percentiles of a bootstrap over rows."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(one), size=(DRAWS, len(one)))
    values = [f1(one[rows]) - (f1(other[rows]) if other is not None else 0.0) for rows in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def report(result: Mapping[str, Any]) -> str:
    """The table, and the differences."""
    found = {name: np.array(own) for name, own in result["counts"].items()}
    names = {"compiled": "compiled", "crf": "CRF (sklearn-crfsuite)", "prompt": "plain prompt, same LM"}
    lines = [
        "| | test rows | field F1 (95 %) | precision | recall | "
        + " | ".join(f"`{own}`" for own in FIELDS)
        + " |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, words in names.items():
        own = found[name]
        right, vain, missed = own.sum(axis=(0, 2))
        low, high = interval(own)
        precision, recall = 100 * right / max(1, right + vain), 100 * right / max(1, right + missed)
        each = " | ".join(f"{f1(own[:, :, k : k + 1]):.1f}" for k in range(len(FIELDS)))
        lines.append(
            f"| {words} | {len(own)} | {f1(own):.1f} ({low:.1f} to {high:.1f}) "
            f"| {precision:.1f} | {recall:.1f} | {each} |"
        )
    lines.append("")
    for name in ("crf", "prompt"):
        n = len(found[name])
        low, high = interval(found["compiled"][:n], found[name])
        mean = f1(found["compiled"][:n]) - f1(found[name])
        lines.append(
            f"- Compiled minus {names[name]}, paired by row: {mean:+.1f} points ({low:+.1f} to {high:+.1f})."
        )
    lines += [
        f"- {result['outside']} of the compiled program's values do not stand in the text.",
        f"- {result['ms'][0]:.0f} ms a row (p95 {result['ms'][1]:.0f}), the prompt "
        f"{result['ms_prompt'][0]:.0f} ms "
        f"(p95 {result['ms_prompt'][1]:.0f}); compiled in {result['compile_s']:.0f} s with "
        f"{result['lm_calls']} calls.",
        f"- What the compile says: {' · '.join(result['notes'])}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
