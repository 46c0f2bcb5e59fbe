"""The registry: versions in MLflow, names without it, looks that are counted, and no secret anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from small_project import CANARY, MESSAGES, Hotel, call, hotel, plain_environment

import shipworthy as sw
from shipworthy import errors
from shipworthy.examples import digest_of
from shipworthy.registry import (
    Registry,
    log_compile,
    parse_name,
    reader_for,
    resolve,
    sqlite_reader,
    tracking_uri,
    versions,
)
from shipworthy.registry.ledger import Head, tags_of
from shipworthy.registry.local import Notes, change_notes, database_folder, place_of, read_notes
from shipworthy.registry.moves import Evidence, entry_data
from shipworthy.registry.reading import sealed
from shipworthy.registry.resolving import programs
from shipworthy.registry.store import _empty_database

__all__ = ["hotel"]

TEXTS = [*(texts[0] for texts in MESSAGES.values()), "", "caffè 😀"]


@pytest.fixture(autouse=True)
def _no_registry_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)


def python(code: str, *arguments: str, cwd: Path, **env: str) -> str:
    """What a fresh process says on stdout."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**plain_environment(), **env},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# What MLflow holds -----------------------------------------------------------------------

LOAD = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = json.loads(sys.argv[2])
frame = pandas.DataFrame(rows)
print(json.dumps([model.predict(rows), model.predict(frame), model.predict(frame[["message"]])]))
"""


@pytest.mark.slow
def test_mlflow_loads_a_version_in_a_fresh_process_and_it_answers_as_run_does(
    hotel: Hotel, tmp_path: Path
) -> None:
    promoted = hotel.shipped.document["status"] == "shipped"
    rows = [{"message": text, "room": 12} for text in TEXTS]
    found = python(
        LOAD,
        "models:/hotel@champion" if promoted else "models:/hotel/1",
        json.dumps(rows),
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=tracking_uri(hotel.folder),
        MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false",
    )
    stdin = "".join(json.dumps(row) + "\n" for row in rows).encode()
    lines = call("run", "hotel/1", cwd=hotel.folder, stdin=stdin).lines
    keys = ("output", "confidence", "answered", "error")
    wanted = [{key: line[key] for key in keys} for line in lines]
    for answers in json.loads(found.splitlines()[-1]):
        assert [{key: line[key] for key in keys} for line in answers] == wanted
    program = sw.load("hotel/1", project=hotel.folder)
    for text, line in zip(TEXTS, wanted, strict=True):
        answer = program(message=text)
        assert (answer.outputs, answer.confidence) == (line["output"], line["confidence"])


@pytest.mark.slow
def test_nothing_in_the_store_is_a_pickle(hotel: Hotel) -> None:
    files = [path for path in (hotel.folder / "mlartifacts").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".dill")]
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]


@pytest.mark.slow
def test_keys_in_the_environment_are_written_nowhere(hotel: Hotel) -> None:
    files = [path for path in hotel.folder.parent.rglob("*") if path.is_file()]
    assert any(path.name == "mlflow.db" for path in files)
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY not in hotel.shipped.out + hotel.shipped.err


@pytest.mark.slow
def test_mlflows_own_client_reads_the_same_where_the_tables_are_not_known(
    hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = tracking_uri(hotel.folder)
    by_itself = reader_for(uri)
    monkeypatch.setattr(sqlite_reader, "LAYOUT", "SELECT renamed FROM model_versions")
    by_client = reader_for(uri)
    assert type(by_itself) is not type(by_client)
    assert programs(by_client) == programs(by_itself) == ["hotel"]
    for name in (*by_itself.names(), "inn", "another's"):
        assert by_client.aliases(name) == by_itself.aliases(name)
        assert by_client.tail(name, 1) == by_itself.tail(name, 1)
        versions = [one.version for one in by_itself.versions(name)]
        assert [one.version for one in by_client.versions(name)] == versions
        assert by_client.tail(name, 2) == by_itself.tail(name, 2)
    for number in (1, 99):
        one, other = by_client.version("hotel", number), by_itself.version("hotel", number)
        assert (one is None) == (other is None) == (number == 99)
        if one is not None and other is not None:
            assert dataclasses.replace(one, location="") == dataclasses.replace(other, location="")
            assert one.folder == other.folder
    newest, known = by_client.newest("hotel"), by_itself.newest("hotel")
    assert newest is not None
    assert known is not None
    assert newest.version == known.version


LEAN = """
import sys
from shipworthy.cli import run
code = run(["run", sys.argv[1], sys.argv[2]])
heavy = {"dspy", "mlflow", "litellm", "sklearn", "scipy", "pandas", "matplotlib", "openai"} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("by_name", [False, True])
def test_running_a_program_imports_nothing_that_makes_one(
    hotel: Hotel, tmp_path: Path, by_name: bool
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"message": "The lamp flickers"}\n')
    name = "hotel/1" if by_name else str(hotel.artifact)
    assert python(LEAN, name, str(file), cwd=hotel.folder).count("\n") == 1


PROTOTYPES = """
import sys, time
from pathlib import Path
from shipworthy.lift import read_prototype
from shipworthy.registry import Registry
from shipworthy.registry.runs import register_prototype
registry = Registry(sys.argv[1])
Path(sys.argv[3] + ".ready").touch()
while not Path("go").exists():
    time.sleep(0.001)
for prompt in sys.argv[2:4]:
    print(register_prototype(registry, "desk", read_prototype(prompt)))
"""


@pytest.mark.slow
def test_prototypes_registered_by_several_processes_at_once_are_registered_once(tmp_path: Path) -> None:
    shared = tmp_path / "shared.txt"
    shared.write_text("Which desk? {text}")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    Registry(uri)
    own = [tmp_path / f"own{number}.txt" for number in range(3)]
    processes = []
    for number, prompt in enumerate(own):
        prompt.write_text(f"Desk {number}? {{text}}")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROTOTYPES, uri, shared, prompt],
                cwd=tmp_path,
                env=plain_environment(),
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    while not all(prompt.with_suffix(".txt.ready").exists() for prompt in own):
        assert all(process.poll() is None for process in processes)
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert {first for first, _ in said} == {"prompts:/desk.prototype/1"}
    assert sorted(last for _, last in said) == [f"prompts:/desk.prototype/{n}" for n in (2, 3, 4)]


def test_of_two_that_make_a_prompt_at_once_the_slower_one_adds_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import RESOURCE_ALREADY_EXISTS, MlflowException

    from shipworthy.lift import read_prototype
    from shipworthy.registry.runs import register_prototype

    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(registry, "alone", nullcontext)  # as with a server
    prompt = tmp_path / "desk.txt"
    prompt.write_text("Which desk? {text}")
    prototype = read_prototype(prompt)
    register = registry.client.register_prompt

    def slower(name: str, text: str, tags: dict[str, str]) -> object:
        monkeypatch.undo()
        register(name, "Another one's {{text}}", tags={"shipworthy.prototype": "d" * 64})
        raise MlflowException("already exists", RESOURCE_ALREADY_EXISTS)

    monkeypatch.setattr(registry.client, "register_prompt", slower)
    assert register_prototype(registry, "desk", prototype) == "prompts:/desk.prototype/2"
    assert register_prototype(registry, "desk", prototype) == "prompts:/desk.prototype/2"


@pytest.mark.slow
def test_looks_are_counted_by_the_rows_that_were_looked_at(hotel: Hotel) -> None:
    first = hotel.shipped.document
    assert first["look"] == 1
    arguments = ["ship", hotel.prompt, hotel.rows, "--name", "inn", "-O", "1", "--json"]
    other = call(*arguments, cwd=hotel.folder).document
    assert other["look"] > 1
    assert other["difference"]["ci_level"] == pytest.approx(1 - 0.05 / (other["look"] * (other["look"] + 1)))
    artifacts = {1: hotel.artifact, other["look"]: other["compile"]["artifact"]}
    for look, artifact in artifacts.items():
        again = call("certify", artifact, "--quick", "--json", cwd=hotel.folder).document
        assert again["look"] == look


@pytest.mark.slow
def test_a_name_with_another_contract_is_refused(hotel: Hotel, tmp_path: Path) -> None:
    project = tmp_path / "hotel"
    shutil.copytree(hotel.folder, project)
    prompt = tmp_path / "prompt.md"
    prompt.write_text(hotel.prompt.read_text().replace("{message}", "{text}"))
    rows = tmp_path / "rows.csv"
    rows.write_text(hotel.rows.read_text().replace("message,", "text,"))
    before = {path: path.read_bytes() for path in project.rglob("*.py")}
    done = call("ship", prompt, rows, "--name", "hotel", "--json", cwd=project)
    assert done.code == 2
    assert "--new-contract" in done.document["error"]["hint"]
    assert {path: path.read_bytes() for path in project.rglob("*.py")} == before
    assert len(versions(tracking_uri(project), "hotel")) == len(versions(tracking_uri(hotel.folder), "hotel"))


# The database ----------------------------------------------------------------------------


@pytest.mark.slow
def test_an_interrupt_leaves_no_half_made_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.store.db.utils

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    _empty_database.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.store.db.utils, "_upgrade_db", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Registry(tracking_uri(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert Registry(tracking_uri(tmp_path)).reader.names() == []
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.slow
def test_the_second_database_of_a_process_is_as_the_first(tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        folder = tmp_path / name
        registry = Registry(tracking_uri(folder))
        (default,) = registry.client.search_experiments()
        assert default.artifact_location == str(folder / "mlartifacts" / "0")
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
            found.append(database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall())
    assert found[0] == found[1]


@pytest.mark.slow
def test_an_interrupt_inside_a_transaction_stays_an_interrupt(tmp_path: Path) -> None:
    registry = Registry(tracking_uri(tmp_path))

    def rolled_back() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise sqlite3.OperationalError("cannot roll back")

    with pytest.raises(KeyboardInterrupt), registry.errors():
        rolled_back()


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_what_is_no_database_is_said_at_once(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mlflow.db"
    if content is None:
        path.mkdir()
        (path / "file").touch()
    else:
        path.write_bytes(content)
    with pytest.raises(errors.RegistryError) as caught:
        Registry(tracking_uri(tmp_path))
    assert caught.value.exit_code == 3
    assert "mlflow.db" in caught.value.where


@pytest.mark.slow
def test_using_a_registry_leaves_mlflow_and_the_environment_as_they_were(tmp_path: Path) -> None:
    import mlflow

    before = dict(os.environ), mlflow.is_tracking_uri_set()
    registry = Registry(tracking_uri(tmp_path))
    names = {key for key in os.environ if key.endswith("_URI")}
    with registry.run("hotel", "a run", {}) as run:
        registry.client.log_text(run, "text", "file.txt")
    assert (
        {key for key in os.environ if key.endswith("_URI")}
        == names
        == {key for key in before[0] if key.endswith("_URI")}
    )
    assert mlflow.is_tracking_uri_set() == before[1]
    assert list((tmp_path / "mlartifacts").rglob("file.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["with space", "a#b", "50%", "a&b=c", "ünïcode"])
def test_a_project_may_lie_in_a_folder_of_any_ordinary_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    registry = Registry(tracking_uri(folder))
    assert database_folder(registry.uri) == folder
    with registry.run("hotel", "a run", {}) as run:
        registry.client.log_text(run, "text", "file.txt")
    assert sorted(path.name for path in folder.iterdir()) == ["mlartifacts", "mlflow.db"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


# Names, without MLflow -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["what?", "a%20b"])
def test_a_path_that_no_address_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.InputError, match="question mark"):
        tracking_uri(tmp_path / name)


@pytest.mark.parametrize("uri", ["./mlruns", "mlruns", "/tmp/mlruns", "file:///tmp/mlruns"])
def test_the_file_store_is_refused(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(errors.RegistryError, match="file store"):
        tracking_uri(tmp_path)


def test_where_things_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(errors.NotFoundError, match="no project"):
        tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(None) == tracking_uri(tmp_path) == "http://127.0.0.1:5000"
    assert database_folder("http://127.0.0.1:5000") is None
    monkeypatch.chdir(tmp_path)
    assert database_folder("sqlite:///mlflow.db") == tmp_path


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("hotel", ("hotel", None, None)),
        ("hotel@champion", ("hotel", "champion", None)),
        ("hotel/12", ("hotel", None, 12)),
    ],
)
def test_names_of_versions(text: str, parsed: tuple[str, str | None, int | None]) -> None:
    assert parse_name(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "/1", "hotel/", "hotel/0", "hotel/x", "hotel@", "a/1/2", "../up", "a b"]
)
def test_what_names_no_version(text: str) -> None:
    with pytest.raises(errors.NotFoundError, match="no name of a program"):
        parse_name(text)


SCHEMA = """
CREATE TABLE registered_models (name TEXT, workspace TEXT DEFAULT 'default');
CREATE TABLE model_versions (name TEXT, version INTEGER, creation_time INTEGER DEFAULT 0,
    current_stage TEXT DEFAULT 'None', source TEXT, run_id TEXT, storage_location TEXT,
    workspace TEXT DEFAULT 'default');
CREATE TABLE model_version_tags (name TEXT, version INTEGER, key TEXT, value TEXT,
    workspace TEXT DEFAULT 'default');
CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER,
    workspace TEXT DEFAULT 'default');
"""
"""Of MLflow's tables what is read; that they are so is shown by all tests on a real MLflow."""


def hash_of(kind: str, number: int) -> str:
    """What stands for a sha256."""
    return digest_of(f"{kind} {number}")


class Store:
    """A database as MLflow lays it out, filled by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.uri = folder, tracking_uri(folder)
        self.database = sqlite3.connect(folder / "mlflow.db", isolation_level=None)
        self.database.executescript(SCHEMA)

    def model(self, name: str) -> None:
        self.database.execute("INSERT INTO registered_models (name) VALUES (?)", [name])

    def version(self, name: str, number: int, tags: dict[str, str], location: str = "") -> None:
        self.database.execute(
            "INSERT INTO model_versions (name, version, storage_location) VALUES (?, ?, ?)",
            [name, number, location],
        )
        for key, value in tags.items():
            self.database.execute(
                "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)",
                [name, number, key, value],
            )

    def program(self, name: str, number: int) -> None:
        folder = self.folder / f"made/{number}"
        (folder / "program").mkdir(parents=True)
        (folder / "program" / "manifest.json").write_text("{}")
        tags = {f"shipworthy.{key}": hash_of(key, number) for key in ("digest", "root")}
        tags["shipworthy.folder"] = "program"
        self.version(name, number, sealed(tags), str(folder))

    def promote(self, name: str, number: int, head: Head | None = None) -> None:
        entry = entry_data(name, "promote", number, Evidence("pass"), seen=head or Head())
        self.version(f"{name}.ledger", 1, tags_of(entry))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.model("hotel")
    for number in (2, 9, 10):
        made.program("hotel", number)
    return made


def test_resolving_by_alias_version_and_neither(store: Store) -> None:
    newest = resolve("hotel", uri=store.uri)
    assert (newest.version, newest.digest) == (10, hash_of("digest", 10))
    assert newest.root == hash_of("root", 10)
    assert newest.artifact == store.folder / "made/10/program"
    assert any("no champion" in line for line in newest.said)
    store.promote("hotel", 9)
    assert (resolve("hotel", uri=store.uri).version, resolve("hotel", uri=store.uri).said) == (9, ())
    assert resolve("hotel@champion", uri=store.uri).version == 9
    assert resolve("hotel/2", uri=store.uri).version == 2
    store.database.execute("INSERT INTO registered_model_aliases VALUES ('hotel', 'next', 10, 'default')")
    assert resolve("hotel@next", uri=store.uri).version == 10
    for text, message in (
        ("hotel/3", "no version 3"),
        ("hotel@old", "no alias 'old'"),
        ("inn", "no program"),
        ("inn/1", "no program"),
    ):
        with pytest.raises(errors.NotFoundError, match=message):
            resolve(text, uri=store.uri)


def test_a_database_that_is_gone_or_locked_does_not_stop_what_was_verified(store: Store) -> None:
    store.promote("hotel", 9)
    assert resolve("hotel", uri=store.uri).version == 9
    store.database.close()
    (store.folder / "mlflow.db").rename(store.folder / "away.db")
    found = resolve("hotel", uri=store.uri)
    assert (found.version, found.digest) == (9, hash_of("digest", 9))
    assert any("going on with what was verified here" in line for line in found.said)
    with pytest.raises(errors.RegistryError, match="gone"):
        resolve("hotel/10", uri=store.uri)  # which nobody has used here
    (store.folder / "mlflow.db").write_bytes(b"no database at all" * 100)
    assert resolve("hotel@champion", uri=store.uri).version == 9


@pytest.mark.parametrize("tag", ["shipworthy.root", "shipworthy.folder", "shipworthy.digest"])
def test_tags_that_would_lead_elsewhere_are_refused_though_their_seal_is_right(
    store: Store, tag: str
) -> None:
    tags = {f"shipworthy.{key}": hash_of(key, 11) for key in ("digest", "root")}
    tags |= {"shipworthy.folder": "program", tag: "../../outside"}
    store.version("hotel", 11, sealed(tags), str(store.folder))
    with pytest.raises(errors.IntegrityError, match="none that shipworthy writes"):
        resolve("hotel/11", uri=store.uri)


@pytest.mark.parametrize("tag", ["shipworthy.root", "shipworthy.folder", "shipworthy.digest"])
def test_an_edited_tag_is_no_reason_to_go_on(store: Store, tag: str) -> None:
    store.promote("hotel", 9)
    resolve("hotel", uri=store.uri)
    store.database.execute(
        "UPDATE model_version_tags SET value = '../../etc' WHERE key = ? AND version = 9", [tag]
    )
    with pytest.raises(errors.IntegrityError, match="edited"):
        resolve("hotel", uri=store.uri)


def test_files_that_are_gone_are_said(store: Store) -> None:
    shutil.rmtree(store.folder / "made/10")
    with pytest.raises(errors.IntegrityError, match="gone") as caught:
        resolve("hotel", uri=store.uri)
    assert "doctor hotel --repair" in caught.value.hint


def test_damaged_notes_are_said(tmp_path: Path) -> None:
    uri = tracking_uri(tmp_path)
    change_notes(place_of(uri), "hotel", lambda now: now.with_version(1, tmp_path, "d", "r"))
    path = place_of(uri) / "hotel.json"
    path.write_text('{"versions": ')
    with pytest.raises(errors.RegistryError, match="cannot be read") as caught:
        resolve("hotel", uri=uri)
    assert caught.value.where == str(path)


def test_no_change_of_the_notes_is_lost_where_many_change_them(tmp_path: Path) -> None:
    def note(first: int) -> None:
        for version in range(first, first + 10):

            def add(now: Notes, version: int = version) -> Notes:
                return now.with_version(version, tmp_path, "d", "r")

            change_notes(tmp_path, "hotel", add)

    threads = [threading.Thread(target=note, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_notes(tmp_path, "hotel").versions) == 40
    assert [path.name for path in tmp_path.iterdir()] == ["hotel.json"]


def test_a_server_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.RegistryError, match="does not answer") as caught:
        resolve("hotel", uri="http://127.0.0.1:9")
    assert "MLFLOW_TRACKING_URI" in caught.value.hint


@pytest.mark.slow
def test_each_candidate_of_a_race_is_a_child_run_with_its_prompts_difference(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from mlflow.tracking import MlflowClient

    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "program.json").write_text("{}")
    provenance = {"recipe": {}, "journal": "j", "versions": {"python": "3"}, "git_commit": None}
    (artifact / "provenance.json").write_text(json.dumps(provenance))
    standing = {"rows": 12, "mean": 0.75, "state": "leads"}
    tried = {"what": "optimizer", "name": "COPRO", "why": "budget", "tried": [{"score": 0.5, "rows": 9}]}
    compiled = SimpleNamespace(
        name="desk", digest="d" * 64, lm="local/x", lm_calls=3, tokens=5, seconds=1.0, dev=None, seed=0,
        recipe=sw.Recipe(), artifact=artifact, report=None,
        races=(
            {
                "what": "instructions", "kept": 1, "texts": ["Sort it.", "Sort it well."],
                "standings": [{**standing, "state": "dropped"}, standing],
            },
            tried,
        ),
    )  # fmt: skip
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    parent = log_compile(Registry(uri), compiled, {})  # type: ignore[arg-type]
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    assert {child.data.tags["shipworthy.state"] for child in children} == {"dropped", "kept"}
    kept = next(child for child in children if child.data.tags["shipworthy.state"] == "kept")
    assert kept.data.metrics == {"rows": 12.0, "score": 0.75}
    path = client.download_artifacts(kept.info.run_id, "prompt.diff", str(tmp_path))
    assert "+Sort it well." in Path(path).read_text()
    path = client.download_artifacts(parent, "COPRO.json", str(tmp_path))
    assert json.loads(Path(path).read_text()) == tried
