"""The registry under load and under the hammer: races of promotions, kills, and what it all takes.

    python benchmarks/registry.py PROJECT [--rounds 1000] [--kills 50] [--only PART ...]

PROJECT is a folder in which one program was shipped (its name is found); it is copied, and
stays as it is. Parts: races, races-postgresql, races-server, kills, register, start, versions.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from copies import copy_versions
from report import write_section
from servers import postgresql, tracking_server
from targets import Target, table, targets_table

from shipworthy.evidence import Certificate
from shipworthy.registry import (
    Evidence,
    Registry,
    examine,
    history,
    log_certificate,
    promote,
    reader_for,
    register,
    resolve,
    standing,
    tracking_uri,
    versions,
)
from shipworthy.runtime import load_artifact

PARTS = ("races", "races-postgresql", "races-server", "kills", "register", "start", "versions")
RACERS = 8
FORCED = Evidence(None, forced="a benchmark")
BARE = "import numpy, pydantic"


def main() -> None:
    """Measure, and write each part's figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    for name in [key for key in os.environ if key.startswith("MLFLOW_")]:
        del os.environ[name]
    for part in given.only:
        with tempfile.TemporaryDirectory() as scratch:
            home = Path(scratch) / "project"
            shutil.copytree(given.project, home)
            text, targets = {
                "races": lambda home: races_on_sqlite(home, given.rounds),
                "races-postgresql": lambda home: races_on_postgresql(home, given.rounds),
                "races-server": lambda home: races_on_a_server(home, given.rounds),
                "kills": lambda home: kills(home, given.kills),
                "register": registering,
                "start": starting,
                "versions": many_versions,
            }[part](home)
        command = f"python benchmarks/registry.py PROJECT --only {part}"
        if part.startswith("races"):
            command += f" --rounds {given.rounds}"
        write_section(f"registry-{part}", command, f"{text}\n\n{targets_table(targets)}")


def program_of(home: Path) -> str:
    """The program that was shipped there."""
    names = [name for name in reader_for(tracking_uri(home)).names() if "." not in name]
    if len(names) != 1:
        raise SystemExit(f"{home} holds {len(names)} programs, and should hold one")
    return names[0]


# Races ------------------------------------------------------------------------------------


def races_on_sqlite(home: Path, rounds: int) -> tuple[str, list[Target]]:
    """Promotions at once on the project's own database."""
    name = program_of(home)
    copy_versions(Registry(tracking_uri(home)), name, 1, RACERS)
    return races(tracking_uri(home), name, rounds, "SQLite")


def races_on_postgresql(home: Path, rounds: int) -> tuple[str, list[Target]]:
    """The same on PostgreSQL, through MLflow's client."""
    name = program_of(home)
    os.chdir(home)  # where MLflow puts the artifacts of a database without a server
    with postgresql() as database:
        registry = Registry(database)
        register_again(registry, home, name)
        copy_versions(registry, name, 1, RACERS)
        return races(database, name, rounds, "PostgreSQL")


def races_on_a_server(home: Path, rounds: int) -> tuple[str, list[Target]]:
    """The same behind a tracking server over PostgreSQL."""
    name = program_of(home)
    with postgresql() as database, tracking_server(database, home / "server", workers=2) as server:
        registry = Registry(server)
        register_again(registry, home, name)
        copy_versions(registry, name, 1, RACERS)
        return races(server, name, rounds, "a tracking server over PostgreSQL")


def races(uri: str, name: str, rounds: int, where: str) -> tuple[str, list[Target]]:
    """So many rounds of 2 to 8 promotions at once, in warm processes."""
    command = [sys.executable, str(Path(__file__).with_name("registry_racer.py")), uri, name]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(RACERS)
    ]
    try:
        for racer in racers:
            hear(racer)
        draw = random.Random(0)
        seconds: list[float] = []
        odd: list[str] = []
        last = resolve(name, uri=uri).version
        for number in range(rounds):
            chosen = draw.sample(racers, draw.randint(2, RACERS))
            options = [version for version in range(1, RACERS + 2) if version != last]
            for racer, version in zip(chosen, draw.sample(options, len(chosen)), strict=True):
                tell(racer, f"see {version}")
            for racer in chosen:
                hear(racer)
            for racer in chosen:
                tell(racer, "go")
            ends = [hear(racer) for racer in chosen]
            winners = [end["version"] for end in ends if end["won"]]
            seconds += [end["seconds"] for end in ends]
            for racer in racers:
                tell(racer, "who")
            readers = {hear(racer)["champion"] for racer in racers}
            ledger = history(uri, name) if number % 100 == 99 or number == rounds - 1 else None
            alias = reader_for(uri).aliases(name).get("champion")
            agreed = len(winners) == 1 and readers == {winners[0]} == {alias}
            if not agreed or (ledger is not None and (ledger.damage or ledger.head.champion != alias)):
                odd.append(f"round {number}: winners {winners}, readers {readers}, alias {alias}")
            last = winners[0] if winners else last
    finally:
        for racer in racers:
            racer.kill()
    entries = history(uri, name)
    p50, p95, most = quantile(seconds, 0.5), quantile(seconds, 0.95), max(seconds)
    text = (
        f"{rounds} rounds of 2 to {RACERS} forced promotions at once, each in a warm process, on {where}: "
        f"{len(seconds):,} promotions, p50 {1e3 * p50:.0f} ms, p95 {1e3 * p95:.0f} ms, at most {most:.2f} s. "
        f"The ledger has {len(entries.accepted):,} entries that count and {len(entries.refused):,} that came "
        "too late; the others were told before they wrote. "
        + (f"Odd: {'; '.join(odd[:5])}" if odd else "After each round all readers and MLflow's alias agreed.")
    )
    return text, [
        Target(
            "one winner a round, every reader agrees", "always", f"{rounds - len(odd)} of {rounds}", not odd
        ),
        Target("p95 of a promotion", "under 1 s", f"{p95:.2f} s", p95 < 1),
    ]


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Give a racer its next order."""
    if process.stdin is not None:
        process.stdin.write(line + "\n")
        process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it answers."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise SystemExit("a racer ended early; see above")
    answer: dict[str, Any] = json.loads(line)
    return answer


# Kills ------------------------------------------------------------------------------------


def kills(home: Path, count: int) -> tuple[str, list[Target]]:
    """kill -9 at random points of ship, promote and rollback; what is left, and what repair makes of it."""
    name, uri = program_of(home), tracking_uri(home)
    registry = Registry(uri)
    copy_versions(registry, name, 1, 3)
    for version in (2, 3):
        promote(registry, name, version, FORCED, seen=standing(registry, name).head)
    commands = {
        "ship": ["ship", name],
        "promote": ["promote", f"{name}/2", "--force", "a benchmark"],
        "rollback": ["rollback", name],
    }
    whole = {}
    for title, command in commands.items():
        begun = time.monotonic()
        start(home, command).wait()
        whole[title] = time.monotonic() - begun
    draw = random.Random(0)
    done = dict.fromkeys(commands, 0)
    before_repair, after_repair, named = 0, [], 0
    for number in range(count):
        title = draw.choice(list(commands))
        champion = resolve(name, uri=uri).version
        commands["promote"][1] = f"{name}/{draw.choice([v for v in (1, 2, 3, 4) if v != champion])}"
        if title == "rollback" and len(standing(registry, name).head.champions) < 2:
            promote(registry, name, 2 if champion != 2 else 3, FORCED, seen=standing(registry, name).head)
        running = start(home, commands[title])
        time.sleep(draw.uniform(0, whole[title]))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        done[title] += 1
        before_repair += one_champion(uri, name, alias=False)
        found = examine(registry, name, repair=True)
        named += len(found)
        left = examine(registry, name)
        if left or not one_champion(uri, name):
            after_repair.append(f"{title} {number}: {[one.what for one in left]}")
    lines = [(title, f"{whole[title]:.1f} s", done[title]) for title in commands]
    text = (
        f"{table(('command', 'takes', 'killed'), lines)}\n\n"
        f"At {count} random points. Right after the kill, before any repair, the ledger and what `run` "
        f"resolves agreed on one champion in {before_repair} of {count} cases, and that champion loaded. "
        f"`doctor --repair` named and cleared {named} things: runs without an end, models without a version, "
        "aliases behind the ledger, rollbacks not yet recorded."
        + (f" Left: {'; '.join(after_repair[:5])}" if after_repair else "")
    )
    good = count - len(after_repair)
    return text, [
        Target(
            "one consistent champion and nothing half-registered after `doctor --repair`",
            f"{count} of {count}", f"{good} of {count}", not after_repair,
        ),
        Target(
            "one champion for every reader before it", f"{count} of {count}", f"{before_repair} of {count}",
            before_repair == count,
        ),
    ]  # fmt: skip


def one_champion(uri: str, name: str, *, alias: bool = True) -> bool:
    """Whether ledger, resolving and (if asked) MLflow's alias agree, and the champion verifies."""
    found = resolve(f"{name}@champion", uri=uri)
    load_artifact(found.artifact, root=found.root)
    waits = any("waits for the registry" in line for line in found.said)
    agreed = waits or found.version == history(uri, name).head.champion
    return agreed and (not alias or reader_for(uri).aliases(name).get("champion") == found.version)


def start(home: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """A command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "shipworthy", *command],
        cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


# Registering, starting, many versions -------------------------------------------------------


def registering(home: Path) -> tuple[str, list[Target]]:
    """Registering a version, and what MLflow by itself takes for the same model."""
    import mlflow

    name = program_of(home)
    registry = Registry(tracking_uri(home))
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(7):
        compiled, certificate, run = as_compiled(registry, home, name)
        begun = time.perf_counter()
        register(registry, compiled, compiled.program.contract, certificate=certificate, certificate_run=run)
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        with registry.pointed(), mlflow.start_run(run_id=compiled.run), open(os.devnull, "w") as quiet:
            with redirect_stderr(quiet):
                info = mlflow.pyfunc.log_model(
                    name=name,
                    python_model=str(
                        Path(sys.modules[register.__module__].__file__ or "").with_name("pyfunc_model.py")
                    ),
                    artifacts={"program": str(compiled.artifact)},
                    pip_requirements=["mlflow", "numpy", "pydantic"],
                )
            registry.client.create_model_version(
                name, info.model_uri, run_id=compiled.run, model_id=info.model_id
            )
        bare.append(time.perf_counter() - begun)
    mine, theirs = statistics.median(ours[1:]), statistics.median(bare[1:])
    text = (
        f"Registering a version, median of 6: {mine:.2f} s; MLflow's `log_model` and `create_model_version` "
        f"of the same artifact alone: {theirs:.2f} s. The first one, which puts the LM's "
        f"weights into the store and builds the wheel: {ours[0]:.2f} s."
    )
    return text, [
        Target("beside MLflow's own time", "under 1 s", f"{mine - theirs:.2f} s", mine - theirs < 1)
    ]


def starting(home: Path) -> tuple[str, list[Target]]:
    """Resolve, read and verify a champion in a fresh process, against the bare import."""
    name = program_of(home)
    code = f"import shipworthy as sw, sys; sw.load({name!r}); assert 'mlflow' not in sys.modules"
    taken: dict[str, list[float]] = {BARE: [], code: []}
    for _ in range(25):
        for one, times in taken.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", one], check=True, cwd=home)
            times.append(time.perf_counter() - begun)
    bare, ours = (statistics.median(times) for times in taken.values())
    text = (
        f"`sw.load({name!r})` in a fresh process, the LM not yet started: {1e3 * ours:.0f} ms, median of 25; "
        f"`{BARE}`: {1e3 * bare:.0f} ms. mlflow is not in `sys.modules`."
    )
    registry = Registry(tracking_uri(home))
    copy_versions(registry, name, 1, 1)
    backs = []
    for _ in range(7):
        promote(registry, name, 2, FORCED, seen=standing(registry, name).head)
        begun = time.perf_counter()
        running = start(home, ["rollback", name])
        while resolve(name, uri=registry.uri).version != 1:
            time.sleep(0.01)
        backs.append(time.perf_counter() - begun)
        running.wait()
    text += (
        f" From the start of `shipworthy rollback` until this machine resolves the earlier version: "
        f"{1e3 * statistics.median(backs):.0f} ms, at most {1e3 * max(backs):.0f} of 7."
    )
    ratio = ours / bare
    return text, [
        Target(f"against `{BARE}`", "at most 1.5", f"{ratio:.2f}", ratio <= 1.5),
        Target("a rollback holds on this machine", "within 2 s", f"{max(backs):.2f} s", max(backs) < 2),
    ]


def many_versions(home: Path) -> tuple[str, list[Target]]:
    """`versions` and `promote` with 10 versions and with 1,000."""
    name, uri = program_of(home), tracking_uri(home)
    registry = Registry(uri)
    found: dict[int, dict[str, float]] = {}
    for size in (10, 1000):
        copy_versions(registry, name, 1, size - len(registry.reader.versions(name)))
        begun: dict[str, list[float]] = {"versions, warm": [], "promote, warm": []}
        for number in range(11):
            begun["versions, warm"].append(timed(lambda: versions(uri, name)))
            version = 2 + number % 2
            seen = standing(registry, name).head
            begun["promote, warm"].append(
                timed(lambda version=version, seen=seen: promote(registry, name, version, FORCED, seen=seen))
            )
        for title, command in {
            "versions": ["versions", name],
            "promote": ["promote", f"{name}/4", "--force", "a benchmark"],
        }.items():
            begun[title] = []
            for _ in range(5):
                begun[title].append(timed(lambda command=command: start(home, command).wait()))
                promote(registry, name, 2, FORCED, seen=standing(registry, name).head)
        found[size] = {title: statistics.median(times) for title, times in begun.items()}
    rows = [
        (
            title,
            f"{found[10][title]:.3f} s",
            f"{found[1000][title]:.3f} s",
            f"{found[1000][title] / found[10][title]:.2f}",
        )
        for title in found[10]
    ]
    text = table(("", "10 versions", "1,000 versions", "ratio"), rows)
    targets = []
    for title in ("versions", "promote"):
        ratio = found[1000][title] / found[10][title]
        targets.append(
            Target(f"the command `{title}`, 1,000 against 10", "at most 2", f"{ratio:.2f}", ratio <= 2)
        )
    return text, targets


def timed(what: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def quantile(values: list[float], q: float) -> float:
    """The q-quantile, by rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


# Versions to work with ----------------------------------------------------------------------


def as_compiled(registry: Registry, home: Path, name: str) -> tuple[Any, Path, str]:
    """What was shipped from the project's folder, as `register` takes it; with a run of this registry."""
    folder = next((home / ".shipworthy" / "compiled" / name).iterdir())
    program = load_artifact(folder)
    certificate = home / ".shipworthy" / "certificates" / name / program.digest[:16]
    data = json.loads((certificate / "certificate.json").read_bytes())
    rows = [json.loads(line) for line in (certificate / "rows.jsonl").read_text("utf-8").splitlines()]
    with registry.run(name, "compile", {}) as run:
        pass
    looked = log_certificate(
        registry, Certificate(data, tuple(rows)), certificate, program=program.digest, opponent="a benchmark"
    )
    compiled = SimpleNamespace(
        name=name, artifact=folder, digest=program.digest, program=program, seed=0, run=run
    )
    return compiled, certificate, looked


def register_again(registry: Registry, home: Path, name: str) -> None:
    """Register the project's program in another registry, and make it champion there."""
    compiled, certificate, run = as_compiled(registry, home, name)
    version = register(
        registry, compiled, compiled.program.contract, certificate=certificate, certificate_run=run
    )
    promote(registry, name, version, FORCED, seen=standing(registry, name).head)


if __name__ == "__main__":
    main()
