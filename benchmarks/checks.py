"""What the checks of labelled rows find of planted faults, what they accuse falsely, and how long they take.

    python benchmarks/checks.py FOLDER [--seeds 5]

FOLDER holds `clinc150-40.train.jsonl` and `clinc150-40.test.jsonl`. Faults are planted by a seed
that the checks do not see; which rows are alike is decided here by comparing all pairs, with
a tokenisation written apart from the one that is measured.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from planted_secrets import harmless, secret, unknown_secret
from report import write_section

from shipworthy.examples import Report, examine_rows, find_secrets

Row = dict[str, Any]
COLUMNS: dict[str, Any] = {"inputs": ["text"], "outputs": ["intent"], "decisions": ["intent"]}
EACH = 100
FAULTS = {
    "exact duplicates": ("duplicate",),
    "near duplicates": ("near_duplicate",),
    "contradictions, exact": ("contradiction",),
    "contradictions, near": ("near_contradiction",),
    "leaks, exact": ("leak",),
    "leaks, near": ("near_leak",),
    "secrets": ("secret",),
}


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    speed = [timed(name, texts) for name, texts in large_sets()]
    rows = {
        split: [
            json.loads(line)
            for line in (given.folder / f"clinc150-40.{split}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for split in ("train", "test")
    }
    runs = [one_seed(rows, seed) for seed in range(given.seeds)]
    labels = [flipped(rows, seed) for seed in range(given.seeds)]
    n_train, n_test = len(rows["train"]), len(rows["test"])
    lines = [
        f"{n_train} train and {n_test} test rows; {EACH} faults of each kind (contradictions and leaks: "
        f"{EACH // 2} exact, {EACH // 2} near); {given.seeds} planting seeds, mean and worst.",
        "",
        "| fault | planted found | worst | all true rows, worst | false alarms | worst |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in FAULTS:
        found, every, alarms = ([run[name][k] for run in runs] for k in range(3))
        lines.append(
            f"| {name} | {statistics.mean(found):.1%} | {min(found):.1%} | {min(every):.1%} "
            f"| {statistics.mean(alarms):.2%} | {max(alarms):.2%} |"
        )
    decoys, unknown = ([run[name][0] for run in runs] for name in ("decoys", "unknown"))
    precision, recall = ([each[k] for each in labels] for k in range(2))
    taken = statistics.mean(each[2] for each in labels)
    lines += [
        "",
        "All true rows: those that comparing all pairs shows to be of the kind, planted or natural. False "
        "alarms: share flagged of the rows that were not planted, were no source of a planted one, and are "
        "of no kind by nature. The secrets have formats that the checks know, since both were written "
        f"from the same descriptions; of {EACH} that the checks do not name, "
        f"{statistics.mean(unknown):.1%} (worst {min(unknown):.1%}) were found. "
        f"Of {EACH} harmless rows with long numbers, checksums, addresses and words such as `password`, "
        f"{statistics.mean(decoys):.1%} (worst {max(decoys):.1%}) were taken for secrets.",
        "",
        f"Suspected labels, {EACH} of {n_train + n_test} labels exchanged, judged by TF-IDF and logistic "
        f"regression in five folds: precision {statistics.mean(precision):.1%} (worst {min(precision):.1%}), "
        f"recall {statistics.mean(recall):.1%} (worst {min(recall):.1%}), {taken:.0f} s. Labels that are "
        "wrong in the set itself count as false alarms.",
        "",
        "| 100,000 rows | seconds | memory over that of the rows |",
        "| --- | --- | --- |",
        *speed,
    ]
    write_section("checks", f"python benchmarks/checks.py FOLDER --seeds {given.seeds}", "\n".join(lines))


# Planting


def one_seed(rows: dict[str, list[Row]], seed: int) -> dict[str, tuple[float, ...]]:
    """For each fault: share of planted rows found, share of all true rows found, share of false alarms."""
    splits, marks, sources = plant(rows, random.Random(f"planting {seed}"))
    everything = [*splits["train"], *splits["test"]]
    flags = [*marks["train"], *marks["test"]]
    truth = all_pairs(everything, len(splits["train"]))
    report = examine_rows(splits["train"], splits["test"], **COLUMNS)
    related = set().union(*truth.values())
    clean = [
        i for i, row in enumerate(everything) if not flags[i] and id(row) not in sources and i not in related
    ]
    figures: dict[str, tuple[float, ...]] = {}
    for name, kinds in FAULTS.items():
        flagged = rows_of(report, kinds)
        planted = [i for i, flag in enumerate(flags) if flag == name]
        true = truth.get(kinds[0], set(planted))
        found = sum(i in flagged for i in planted) / len(planted)
        figures[name] = (
            found,
            len(flagged & true) / len(true),
            sum(i in flagged for i in clean) / len(clean),
        )
        if kinds[0] in truth and flagged - true:
            raise SystemExit(f"{name}: {len(flagged - true)} rows flagged that no pair makes true")
    others = random.Random(f"unknown {seed}")
    figures["unknown"] = (sum(bool(find_secrets(unknown_secret(others))) for _ in range(EACH)) / EACH,)
    decoys = [i for i, flag in enumerate(flags) if flag == "decoy"]
    figures["decoys"] = (sum(i in rows_of(report, ("secret",)) for i in decoys) / len(decoys),)
    return figures


def plant(
    rows: dict[str, list[Row]], rng: random.Random
) -> tuple[dict[str, list[Row]], dict[str, list[str]], set[int]]:
    """The splits with faults in them, each row's fault, and the identities of rows that were copied."""
    everything = [*rows["train"], *rows["test"]]
    near = set().union(*all_pairs(everything, len(rows["train"])).values())
    pools: dict[str, list[Row]] = {"train": [], "test": []}
    for i, row in enumerate(everything):
        if i not in near and len(words(row["text"])) >= 5:
            pools["train" if i < len(rows["train"]) else "test"].append(row)
    for pool in pools.values():
        rng.shuffle(pool)
    vocabulary = sorted({word for row in everything for word in words(row["text"])})
    intents = sorted({row["intent"] for row in everything})
    made: dict[str, list[tuple[Row, str]]] = {
        split: [(row, "") for row in rows[split]] for split in ("train", "test")
    }
    sources: set[int] = set()

    def source(split: str) -> Row:
        row = pools[split].pop()
        sources.add(id(row))
        return row

    for n in range(EACH):
        here = ("train", "test")[n % 2]
        made[here].append((dict(source(here)), "exact duplicates"))
        made[here].append((edited(source(here), vocabulary, rng), "near duplicates"))
        row = source(here)
        wrong = rng.choice([intent for intent in intents if intent != row["intent"]])
        exact = n % 4 < 2
        copy = dict(row) if exact else edited(row, vocabulary, rng)
        made[here].append(({**copy, "intent": wrong}, f"contradictions, {'exact' if exact else 'near'}"))
        row = source("test")
        copy = dict(row) if n % 2 else edited(row, vocabulary, rng)
        made["train"].append((copy, f"leaks, {'exact' if n % 2 else 'near'}"))
        # A key or a harmless number joins a row that is one of a kind: the row itself then counts as planted.
        for mark, addition in (("secrets", secret(rng)), ("decoy", harmless(rng))):
            row = source(here)
            place = next(k for k, (other, _) in enumerate(made[here]) if other is row)
            made[here][place] = ({**row, "text": f"{row['text']} {addition}"}, mark)
    for pairs in made.values():
        rng.shuffle(pairs)
    return (
        {split: [row for row, _ in pairs] for split, pairs in made.items()},
        {split: [mark for _, mark in pairs] for split, pairs in made.items()},
        sources,
    )


def edited(row: Row, vocabulary: list[str], rng: random.Random) -> Row:
    """The row with one edit that leaves a token Jaccard of 0.8 or more, and less than 1."""
    before = words(row["text"])
    while True:
        text = row["text"].split()
        at = rng.randrange(len(text))
        kind = rng.choice(["added", "dropped", "exchanged", "misspelt", "reordered"])
        if kind in ("added", "reordered"):
            text.insert(at, rng.choice(vocabulary))
        if kind == "dropped":
            del text[at]
        elif kind == "exchanged":
            text[at] = rng.choice(vocabulary)
        elif kind == "misspelt" and len(text[at]) > 2:
            letter = rng.randrange(len(text[at]) - 1)
            text[at] = text[at][:letter] + text[at][letter + 1] + text[at][letter] + text[at][letter + 2 :]
        elif kind == "reordered":
            rng.shuffle(text)
        after = words(" ".join(text))
        if 0.8 <= len(before & after) / len(before | after) < 1:
            return {**row, "text": " ".join(text)}


def all_pairs(rows: list[Row], n_train: int) -> dict[str, set[int]]:
    """The rows of each kind, by comparing all pairs."""
    found: dict[str, set[int]] = defaultdict(set)
    sets = [words(row["text"]) for row in rows]
    for i, one in enumerate(sets):
        for j in range(i + 1, len(sets)):
            other = sets[j]
            common = len(one & other)
            if common < 0.8 * (len(one) + len(other) - common):
                continue
            same = rows[i]["text"] == rows[j]["text"]
            labels, splits = rows[i]["intent"] == rows[j]["intent"], (i < n_train) == (j < n_train)
            if not labels:
                found["contradiction" if same else "near_contradiction"].update((i, j))
            elif splits:
                found["duplicate" if same else "near_duplicate"].update((i, j))
            if not splits:
                found["leak" if same else "near_leak"].update((i, j))
    return found


def words(text: str) -> frozenset[str]:
    """Written apart from what is measured; the set is in lower-case ASCII."""
    return frozenset(re.findall(r"[a-z0-9_]+(?:'[a-z0-9_]+)*", text.lower()))


def rows_of(report: Report, kinds: tuple[str, ...]) -> set[int]:
    """The rows that findings of these kinds name."""
    return {index for finding in report.findings if finding.kind in kinds for index in finding.rows}


# Labels and speed


def flipped(rows: dict[str, list[Row]], seed: int) -> tuple[float, float, float]:
    """Precision, recall and seconds of finding labels that were exchanged."""
    rng = random.Random(f"labels {seed}")
    everything = [dict(row) for split in ("train", "test") for row in rows[split]]
    intents = sorted({row["intent"] for row in everything})
    wrong = set(rng.sample(range(len(everything)), EACH))
    for index in wrong:
        row = everything[index]
        row["intent"] = rng.choice([intent for intent in intents if intent != row["intent"]])
    begun = time.perf_counter()
    cut = len(rows["train"])
    report = examine_rows(everything[:cut], everything[cut:], **COLUMNS, kinds=["label_error"])
    taken = time.perf_counter() - begun
    found = rows_of(report, ("label_error",))
    return len(found & wrong) / max(len(found), 1), len(found & wrong) / EACH, taken


def large_sets() -> list[tuple[str, list[str]]]:
    """100,000 texts as they come, and 100,000 that differ by one word."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 20_001)
    drawn = rng.choice(20_000, (100_000, 20), p=weights / weights.sum())
    common = (
        "hello my order number {} has not arrived yet and i would like to know where it is please help me"
    )
    return [
        ("20 words each, as frequent as in prose", [" ".join(f"word{n}" for n in line) for line in drawn]),
        ("20 words each, 19 of them always the same", [common.format(n) for n in range(100_000)]),
    ]


def timed(name: str, texts: list[str]) -> str:
    """A line of the table of speed; everything but suspected labels is looked for."""
    rows = [{"text": text, "intent": f"intent{n % 150}"} for n, text in enumerate(texts)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    examine_rows(rows[:80_000], rows[80_000:], **COLUMNS)
    taken = time.perf_counter() - begun
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"| {name} | {taken:.0f} | {memory:.0f} MiB |"


if __name__ == "__main__":
    main()
