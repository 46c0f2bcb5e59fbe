"""The units of `compile_cost.py`: each runs one compiler once, cuts it off at every budget, and scores
the programs that it had by then on the test rows."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from compile_cost_dspy import (
    INPUT,
    INSTRUCTION,
    OUTPUT,
    PEERS,
    Book,
    Row,
    State,
    Student,
    Work,
    answers,
    optimize,
    with_demos,
)
from compile_cost_lm import Cost, Counted, Timed, branches

import shipworthy
from shipworthy.compiler import Budget, compile_program, source_of
from shipworthy.errors import ExamplesError
from shipworthy.evidence.baselines import tfidf_lr
from shipworthy.examples import atomic_write, digest_of, rows_digest
from shipworthy.lms import Journal, file_sha256
from shipworthy.runtime import Contract, label_text, load_artifact
from shipworthy.scoring import EXACT, evaluate

RESULTS = Path(__file__).parent / "results" / "compile_cost"
BUDGETS = (50, 100, 250, 500, 1000)
OURS, FALLBACK = "shipworthy -O2", "student with demos"
SECONDS = {"readout": 0.2, "choice": 0.25, "grammar": 1.2, "chat": 2.0}
"""A call, about, before any was made."""
EVERY_S = 30.0


@dataclass(frozen=True)
class Key:
    """One unit."""

    set: str
    seed: int
    peer: str
    mode: str

    def __str__(self) -> str:
        return f"{self.set}, seed {self.seed}, {self.peer}, {self.mode}"

    @property
    def path(self) -> Path:
        """Of its results."""
        return RESULTS / f"{self.set}.{self.seed}.{self.peer.replace(' ', '_')}.{self.mode}.json"

    def read(self) -> dict[str, Any] | None:
        """Its results so far."""
        return json.loads(self.path.read_bytes()) if self.path.exists() else None

    def seconds_left(self, n_train: int, n_test: int) -> float:
        """An estimate; what a stopped run has kept in the journal makes it too long."""
        found = self.read()
        a_call = SECONDS[self.mode]
        if found is None:
            peer = PEERS.get(self.peer)
            requests = peer.requests(n_train) if peer else 8 * n_train if self.peer == OURS else 0
            programs = 3 if (peer and requests > n_train) or self.peer == OURS else 1
            return a_call * (requests + programs * n_test)
        unscored = sum("right" not in program for program in found["programs"].values())
        cost = found["runs"].get("all", {}).get("distinct")
        if cost and cost["calls"]:
            a_call = cost["ms"] / 1e3 / cost["calls"]
        return a_call * unscored * n_test


@dataclass(frozen=True)
class Bench:
    """What all units of a set share."""

    train: tuple[dict[str, Any], ...]
    test: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]
    lm: Timed
    journal: Journal
    state: Path
    say: Callable[[str], None]

    def counted(self, before: Callable[[int], None] = lambda count: None) -> Counted:
        """A counter that stands at zero."""
        return Counted(self.lm, self.journal, before=before)


def is_done(key: Key, bench: Bench) -> bool:
    """Whether nothing is left to do: finished, and with the rows, LM and code of today."""
    found = key.read()
    return found is not None and found["done"] and _holds(found, key, bench)


def run_unit(key: Key, bench: Bench) -> None:
    """Bring a unit to its end; what is done is kept at every step."""
    found = key.read() or {}
    if found and not _holds(found, key, bench):
        bench.say(f"{key}: rows, LM or code have changed since it was begun: it is begun anew")
        found = {}
    if not found:
        found = {
            **_facts(key, bench),
            "n_train": len(bench.train),
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "runs": {},
            "programs": {},
            "error": None,
            "done": False,
        }
    if key.peer == OURS:
        _ours(key, bench, found)
    else:
        whole = _whole(key, bench) if key.mode == "choice" else True
        if "all" not in found["runs"]:
            _peer(key, bench, whole, found)
            _keep(key, found)
        _score(key, bench, whole, found)
    found["done"] = True
    _keep(key, found)


def _facts(key: Key, bench: Bench) -> dict[str, Any]:
    """What a unit's figures rest on."""
    return {
        **asdict(key),
        "lm": bench.lm.id,
        "train_sha256": rows_digest([dict(row) for row in bench.train]),
        "test_sha256": rows_digest([dict(row) for row in bench.test]),
        "code": _our_code() if key.peer == OURS else {name: version(name) for name in ("dspy", "xllamacpp")},
    }


def _holds(found: dict[str, Any], key: Key, bench: Bench) -> bool:
    return all(found.get(name) == value for name, value in _facts(key, bench).items())


def _our_code() -> str:
    """Digest of what a compile of ours rests on; a changed compiler must not keep its old figures."""
    package = Path(shipworthy.__file__).parent
    files = sorted(path for part in ("compiler", "lms", "runtime") for path in (package / part).rglob("*.py"))
    return digest_of([file_sha256(path) for path in files])[:16]


def _keep(key: Key, found: dict[str, Any]) -> None:
    atomic_write(key.path, json.dumps(found, indent=1))


def _peer(key: Key, bench: Bench, whole: bool, found: dict[str, Any]) -> None:
    """Compile, and note the best program at each budget."""
    if key.peer == FALLBACK:
        longest = max((row[INPUT] for row in (*bench.train, *bench.test)), key=len)
        demos = with_demos(bench.train, bench.labels, key.mode, bench.counted(), longest)
        state = {"instructions": INSTRUCTION, "demos": demos, "fields": {}}
        found["settings"] = f"not compiled, {len(demos)} labelled demos, as many as fit"
        nothing = asdict(Cost())
        found["runs"]["all"] = _run(found, state, nothing, nothing, 0, 0.0, None)
        return
    peer = PEERS[key.peer]
    found["settings"] = peer.settings
    book = Book(peer.needed(len(bench.train)))
    reached: dict[int, State | None] = {}
    expected = peer.requests(len(bench.train))
    told = begun = time.perf_counter()

    def before(count: int) -> None:
        nonlocal told
        for budget in BUDGETS:
            if count > budget and budget not in reached:
                reached[budget] = book.best()
        if time.perf_counter() - told > EVERY_S:
            told = time.perf_counter()
            rate = lm.distinct.ms / 1e3 / max(1, lm.distinct.calls)
            left = (
                f"{(expected - count) * rate / 60:.0f} min of calls"
                if count < expected
                else "an unknown time"
            )
            bench.say(f"{key}: {count} of about {expected} calls, {left} to go")

    lm = bench.counted(before)
    work = Work(bench.train, bench.labels, key.mode, key.seed, lm, whole, book)
    state: State | None = None
    try:
        state = optimize(peer, work)
    except Exception as error:  # whatever it is, it is this optimizer's result
        found["error"] = f"{type(error).__name__}: {str(error)[:300]}"
        bench.say(f"{key}: failed: {found['error']}")
    seconds = time.perf_counter() - begun - lm.lm_s + lm.distinct.ms / 1e3
    score = book.mean(state) if state else None
    for budget in BUDGETS:
        if budget in reached:
            found["runs"][str(budget)] = {"program": _program(found, reached[budget])}
    last = _run(found, state, asdict(lm.all), asdict(lm.distinct), lm.failed, seconds, score)
    for budget in BUDGETS:
        found["runs"].setdefault(str(budget), {"program": last["program"]})
    found["runs"]["all"] = last


def _run(
    found: dict[str, Any],
    state: State | None,
    every: dict[str, Any],
    distinct: dict[str, Any],
    failed: int,
    seconds: float,
    score: float | None,
) -> dict[str, Any]:
    return {
        "program": _program(found, state),
        "all": every,
        "distinct": distinct,
        "failed": failed,
        "seconds": seconds,
        "train_score": score,
    }


def _program(found: dict[str, Any], state: State | None) -> str | None:
    if state is None:
        return None
    name = digest_of(state)[:12]
    found["programs"].setdefault(name, {"state": state})
    return name


def _score(key: Key, bench: Bench, whole: bool, found: dict[str, Any]) -> None:
    for name, program in found["programs"].items():
        if "right" in program:
            continue
        begun = told = time.perf_counter()
        right: list[int] = []
        lm = bench.counted()
        scored = answers(program["state"], bench.test, bench.labels, key.mode, lm, whole=whole)
        for value in scored:
            right.append(value)
            if len(right) == 1:
                begun = time.perf_counter()  # reading the demos is over, and says nothing of the other rows
            elif time.perf_counter() - told > EVERY_S:
                told = time.perf_counter()
                left = (told - begun) / (len(right) - 1) * (len(bench.test) - len(right)) / 60
                bench.say(f"{key}: program {name}, {len(right)} test rows, {left:.0f} min to go")
        program["right"] = right
        program["test_ms"] = lm.distinct.ms / len(right)
        bench.say(f"{key}: program {name}: {sum(right)} of {len(right)} test rows")
        _keep(key, found)


def _whole(key: Key, bench: Bench) -> bool:
    """Whether our client for typed decisions reads whole labels: what serves the train rows better.

    Its calls are no optimizer's.
    """
    path = RESULTS / f"{key.set}.{key.seed}.client.json"
    if path.exists():
        return bool(json.loads(path.read_bytes())["whole"])
    texts = [label_text(label) for label in bench.labels]
    parts = branches(texts, bench.lm.tokenize)
    shares: dict[str, float] = {}
    if len(parts) > 1:
        shown = min(16, len(bench.train) // 2)
        demos = [dict(row) for row in bench.train[:shown]]
        state = {"instructions": INSTRUCTION, "demos": demos, "fields": {}}
        for name, whole in (("whole labels", True), ("first tokens", False)):
            rows = bench.train[shown:]
            right = list(answers(state, rows, bench.labels, "choice", bench.counted(), whole=whole))
            shares[name] = sum(right) / len(right)
    whole = not shares or shares["whole labels"] >= shares["first tokens"]
    said = {"whole": whole, "branches": len(parts), "train_scores": shares}
    atomic_write(path, json.dumps(said, indent=1))
    return whole


def _ours(key: Key, bench: Bench, found: dict[str, Any]) -> None:
    """Compile at every budget, and without one; and the student alone, which asks no LM."""
    found["settings"] = "the default recipe: demos, readout, student"
    contract = source_of(Student(bench.labels), name="intent").contract
    found["runs"]["student"] = _student_alone(bench, found, contract, "no LM")
    for budget in (*BUDGETS, None):
        name = "all" if budget is None else str(budget)
        if name in found["runs"]:
            continue
        run = _our_run(key, bench, found, budget)
        found["runs"][name] = run
        spent = run["all"]["calls"]
        bench.say(f"{key}: budget {name}: {spent} calls, {sum(_right(found, run))} test rows right")
        _keep(key, found)


def _right(found: dict[str, Any], run: dict[str, Any]) -> list[int]:
    return list(found["programs"][run["program"]]["right"])


def _our_run(key: Key, bench: Bench, found: dict[str, Any], budget: int | None) -> dict[str, Any]:
    """One compile within a budget; where it spends more than it was given, it is given less."""
    source = source_of(Student(bench.labels), name="intent")
    given = budget
    while True:
        lm = bench.counted()
        recipe = dataclasses.replace(source.recipe, budget=Budget(calls=given))
        begun = time.perf_counter()
        try:
            compiled = compile_program(
                dataclasses.replace(source, recipe=recipe),
                [dict(row) for row in bench.train],
                lm=lm,
                lm_name="local",
                out=bench.state / "artifacts",
                seed=key.seed,
            )
        except ExamplesError as error:
            return _student_alone(bench, found, source.contract, str(error))
        seconds = time.perf_counter() - begun - lm.lm_s + lm.distinct.ms / 1e3
        if budget is None or lm.all.calls <= budget or given is None:
            break
        bench.say(f"{key}: given {given} calls it makes {lm.all.calls}; it is given fewer")
        given = given - max(2, (lm.all.calls - budget) // 2)
    digest = compiled.digest[:12]
    if digest not in found["programs"]:
        asker = bench.counted()
        program = load_artifact(compiled.artifact, lm=asker if compiled.program.spec.lm else None)
        scored = evaluate(
            program.answer_many, [dict(row) for row in bench.test], outputs=[OUTPUT], metric=EXACT
        )
        found["programs"][digest] = {
            "right": [int(right) for right in scored.right],
            "test_ms": asker.distinct.ms / len(bench.test),
            "notes": list(compiled.notes),
        }
    return {
        "program": digest,
        "given": given,
        "all": asdict(lm.all),
        "distinct": asdict(lm.distinct),
        "failed": lm.failed,
        "seconds": seconds,
        "train_score": (compiled.dev or {}).get("score"),
    }


def _student_alone(bench: Bench, found: dict[str, Any], contract: Contract, why: str) -> dict[str, Any]:
    rows: list[Row] = [dict(row) for row in bench.train]
    begun = time.perf_counter()
    student = tfidf_lr(contract, rows)
    seconds = time.perf_counter() - begun
    scored = evaluate(student, [dict(row) for row in bench.test], outputs=[OUTPUT], metric=EXACT)
    found["programs"]["student"] = {"right": [int(right) for right in scored.right], "notes": [why]}
    nothing = asdict(Cost())
    return {
        "program": "student",
        "given": None,
        "all": nothing,
        "distinct": nothing,
        "failed": 0,
        "seconds": seconds,
        "train_score": None,
    }
