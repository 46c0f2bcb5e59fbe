"""Promotion, rollback and repair, on a real MLflow over SQLite: one winner, one champion, nothing lost."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from registered import alias_of, artifact_folder, copy_project, copy_versions
from small_project import Hotel, call, finish, hotel, plain_environment, start

import shipworthy as sw
from shipworthy import errors
from shipworthy.registry import (
    Evidence,
    Registry,
    begin_rollback,
    history,
    promote,
    resolve,
    standing,
    tracking_uri,
)
from shipworthy.registry.local import place_of, read_notes
from shipworthy.registry.moves import append, entry_data
from shipworthy.ship import pipeline

__all__ = ["hotel"]

pytestmark = pytest.mark.slow

FORCED = Evidence(None, forced="a test")


class Inn:
    """A project of its own with four versions of one program, of which the first is champion."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = tracking_uri(folder)
        self.registry = Registry(self.uri)

    def champion(self) -> int:
        """As the ledger, the alias and `load` have it; they must agree."""
        found = resolve("hotel@champion", uri=self.uri).version
        assert found == history(self.uri, "hotel").head.champion == alias_of(self.uri, "hotel")
        return found

    def copy(self, folder: Path) -> Inn:
        """The same in another place."""
        copy_project(self.folder, folder)
        return Inn(folder)


@pytest.fixture(scope="module")
def template(hotel: Hotel, tmp_path_factory: pytest.TempPathFactory) -> Inn:
    folder = tmp_path_factory.mktemp("template") / "hotel"
    copy_project(hotel.folder, folder)
    inn = Inn(folder)
    copy_versions(inn.registry, "hotel", 1, 3)
    if hotel.shipped.document["status"] == "held":
        promote(inn.registry, "hotel", 1, FORCED, seen=standing(inn.registry, "hotel").head)
    return inn


@pytest.fixture
def inn(template: Inn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inn:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return template.copy(tmp_path / "hotel")


def force(inn: Inn, version: int) -> None:
    promote(inn.registry, "hotel", version, FORCED, seen=standing(inn.registry, "hotel").head)


# One winner ------------------------------------------------------------------------------

RACE = """
import json, sys
from shipworthy.registry import Evidence, Registry, promote, standing
from shipworthy import errors
registry = Registry(sys.argv[1])
for line in sys.stdin:
    version = int(line)
    seen = standing(registry, "hotel").head
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        promote(registry, "hotel", version, Evidence(None, forced="a race"), seen=seen)
        print(json.dumps({"won": version}), flush=True)
    except errors.ConflictError as error:
        print(json.dumps({"lost": str(error)}), flush=True)
"""


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_several_promotions_at_once_one_wins_and_the_others_name_it(inn: Inn) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, inn.uri],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain_environment(),
        )
        for _ in range(3)
    ]  # fmt: skip
    for _ in range(5):
        said = []
        for word in ("start", "go"):
            for version, racer in enumerate(racers, 2):
                assert racer.stdin is not None
                racer.stdin.write(f"{version}\n" if word == "start" else "go\n")
                racer.stdin.flush()
            said = [
                json.loads(racer.stdout.readline()) if word == "go" else racer.stdout.readline()
                for racer in racers
            ]  # type: ignore[union-attr]
        (winner,) = [one["won"] for one in said if "won" in one]
        assert all(f"to version {winner}" in one["lost"] for one in said if "lost" in one)
        assert inn.champion() == winner
    for racer in racers:
        racer.communicate(timeout=30)


def test_who_weighed_the_evidence_before_another_moved_is_told_who(inn: Inn) -> None:
    seen = standing(inn.registry, "hotel").head
    force(inn, 2)
    with pytest.raises(errors.ConflictError, match=r"promote to version 2 by .* was first") as caught:
        promote(inn.registry, "hotel", 3, FORCED, seen=seen)
    assert caught.value.exit_code == 1
    assert inn.champion() == 2


def test_ship_holds_what_came_second_and_says_who_was_first(
    inn: Inn, hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hotel.shipped.document["verdict"] != "pass":
        pytest.skip("the hotel does not pass on this machine, so that nothing is promoted")
    seen = standing(inn.registry, "hotel")
    force(inn, 2)
    monkeypatch.setattr(pipeline, "standing", lambda *_, **__: seen)
    done = call("ship", "hotel", "--json", cwd=inn.folder)  # all calls are in its journal
    assert (done.code, done.document["status"], done.document["version"]) == (1, "held", 5)
    assert "to version 2" in done.document["reasons"][-1]
    assert inn.champion() == 2


def test_a_promotion_may_say_which_champion_it_expects(inn: Inn) -> None:
    done = call("promote", "hotel/2", "--force", "a test", "--expects", "3", "--json", cwd=inn.folder)
    assert done.code == 1
    assert done.document["error"]["type"] == "ConflictError"
    done = call("promote", "hotel/2", "--force", "a test", "--expects", "1", "--json", cwd=inn.folder)
    assert (done.code, done.document["from"], done.document["to"]) == (0, 1, 2)
    assert inn.champion() == 2
    entry = history(inn.uri, "hotel").accepted[-1]
    assert (entry.data["forced"], entry.data["verdict"]) == ("a test", "pass")


# Evidence --------------------------------------------------------------------------------


def test_the_champion_is_held_against_on_the_same_rows_and_the_look_is_paid_for(
    inn: Inn, hotel: Hotel
) -> None:
    shipped = call("ship", "hotel", "--budget", "calls=1", "--json", cwd=inn.folder).document
    assert shipped["status"] == "held"
    weak = f"hotel/{shipped['version']}"
    refused = call("promote", weak, "--json", cwd=inn.folder)
    assert refused.code == 1
    assert refused.document["verdict"] == "inconclusive"
    assert call("promote", weak, "--force", "shown at the fair", cwd=inn.folder).code == 0
    again = call("promote", "hotel/1", "--json", cwd=inn.folder)
    assert again.code == 1
    assert "does not hold against the champion" in again.document["reasons"][-1]
    assert "look 3" in again.document["reasons"][-1]
    settings = inn.folder / "pyproject.toml"
    settings.write_text(settings.read_text() + "\n[tool.shipworthy.gate]\nchampion_lower = -0.8\n")
    earned = call("promote", "hotel/1", "--json", cwd=inn.folder)
    assert earned.code == 0
    comparison = history(inn.uri, "hotel").accepted[-1].data["evidence"]["comparison"]
    assert (comparison["look"], comparison["champion"]) == (3, shipped["version"])
    assert comparison["taken_from_its_certificate"] == comparison["difference"]["n"] == 7
    assert inn.champion() == 1


def test_a_gate_that_names_what_nobody_knows_is_refused(inn: Inn) -> None:
    settings = inn.folder / "pyproject.toml"
    settings.write_text(settings.read_text() + "\n[tool.shipworthy.gate]\nbeauty = 0.9\n")
    done = call("promote", "hotel/2", "--json", cwd=inn.folder)
    assert done.code == 2
    assert "beauty" in done.document["error"]["message"]
    assert inn.champion() == 1


@pytest.mark.parametrize(
    ("arguments", "type", "message"),
    [
        (("promote", "hotel/9"), "NotFoundError", "no version 9"),
        (("promote", "pension/1"), "NotFoundError", "no version 1"),
        (("promote", "hotel"), "InputError", "does not say which version"),
        (("promote", "hotel/2", "--force", " "), "InputError", "needs its reason"),
        (("rollback", "hotel"), "NotFoundError", "no earlier champion"),
        (("rollback", "hotel", "--to", "9"), "NotFoundError", "no version 9"),
        (("rollback", "hotel/1"), "InputError", "name of a program"),
        (("versions", "pension"), "NotFoundError", "no program"),
        (("history", "pension"), "NotFoundError", "ever made champion"),
        (("prune", "hotel/1"), "InputError", "asks for a program"),
    ],
)
def test_what_cannot_be_done_is_said(inn: Inn, arguments: tuple[str, ...], type: str, message: str) -> None:
    done = call(*arguments, "--json", cwd=inn.folder)
    assert done.code == 2
    assert done.document["error"]["type"] == type
    assert message in done.document["error"]["message"]
    assert inn.champion() == 1


# Rollback --------------------------------------------------------------------------------


def test_a_rollback_goes_back_and_the_next_one_further(inn: Inn) -> None:
    for version in (2, 3):
        force(inn, version)
    done = call("rollback", "hotel", "--reason", "complaints", "--json", cwd=inn.folder)
    assert (done.code, done.document["from"], done.document["to"]) == (0, 3, 2)
    assert done.document["pending"] is False
    assert inn.champion() == 2
    call("rollback", "hotel", cwd=inn.folder)
    assert inn.champion() == 1
    kinds = [entry.data["kind"] for entry in history(inn.uri, "hotel").accepted]
    assert kinds == ["promote", "promote", "promote", "rollback", "rollback"]
    assert history(inn.uri, "hotel").accepted[3].data["forced"] == "complaints"


def test_where_the_database_is_gone_rollback_holds_here_and_is_recorded_later(
    inn: Inn, caplog: pytest.LogCaptureFixture
) -> None:
    force(inn, 2)
    database, away = inn.folder / "mlflow.db", inn.folder / "away.db"
    database.rename(away)
    database.mkdir()  # what is no database cannot be opened
    (database / "file").touch()
    done = call("rollback", "hotel", "--json", cwd=inn.folder)
    assert (done.code, done.document["to"], done.document["pending"]) == (0, 1, True)
    found = resolve("hotel", uri=inn.uri)
    assert found.version == 1
    assert any("waits for the registry" in line for line in found.said)
    assert any("going on with what was verified here" in line for line in found.said)
    assert sw.load("hotel", project=inn.folder).version == "hotel/1"
    assert "going on with what was verified here" in caplog.text
    shutil.rmtree(database)
    away.rename(database)
    assert resolve("hotel", uri=inn.uri).version == 1  # the registry is back and has not heard of it yet
    assert alias_of(inn.uri, "hotel") == 2
    assert standing(Registry(inn.uri), "hotel").head.champion == 1
    assert inn.champion() == 1
    assert read_notes(place_of(inn.uri), "hotel").pending is None


def test_a_rollback_that_comes_too_late_is_refused_and_said(inn: Inn) -> None:
    force(inn, 2)
    begin_rollback(inn.uri, "hotel", None, None)
    other = place_of(inn.uri) / "hotel.json"
    waiting = other.read_text()
    other.write_text(json.dumps({**json.loads(waiting), "pending": None}))
    force(inn, 3)  # by somebody else
    other.write_text(waiting)
    found = resolve("hotel", uri=inn.uri)
    assert found.version == 3
    assert any("which counts" in line for line in found.said)
    with pytest.raises(errors.ConflictError, match="came too late"):
        standing(inn.registry, "hotel")
    assert inn.champion() == 3
    assert standing(inn.registry, "hotel").head.champion == 3


# Behind the ledger's back ----------------------------------------------------------------


def problems(inn: Inn, *arguments: str) -> list[dict[str, str | None]]:
    done = call("doctor", *arguments, "--json", cwd=inn.folder)
    found: list[dict[str, str | None]] = done.document["problems"]
    assert done.code == (1 if done.document["left"] else 0)
    return found


def test_an_alias_moved_by_hand_moves_nothing_and_is_put_back(inn: Inn) -> None:
    force(inn, 2)
    inn.registry.client.set_registered_model_alias("hotel", "champion", "3")
    assert resolve("hotel", uri=inn.uri).version == 2
    assert "does not point to it" in sw.versions("hotel", project=inn.folder)[2]["problem"]
    assert [one["kind"] for one in problems(inn)] == ["alias"]
    assert [one["repaired"] for one in problems(inn, "--repair")] == ["alias champion: from version 3 to 2"]
    assert problems(inn) == []
    assert inn.champion() == 2


@pytest.mark.parametrize("how", ["delete the last", "delete the first", "edit the last", "edit the first"])
def test_a_ledger_that_was_altered_is_found_and_repaired_in_writing(inn: Inn, how: str) -> None:
    for version in (2, 3):
        force(inn, version)
    number = "3" if "last" in how else "1"
    if "delete" in how:
        inn.registry.client.delete_model_version("hotel.ledger", number)
    else:
        inn.registry.client.set_model_version_tag("hotel.ledger", number, "shipworthy.entry", '{"to": 4}')
    assert resolve("hotel", uri=inn.uri).version == 3
    if "last" in how:
        with pytest.raises(errors.IntegrityError, match="altered") as caught:
            force(inn, 4)
        assert "doctor hotel --repair" in caught.value.hint
    assert {one["kind"] for one in problems(inn)} == {"ledger"}
    assert all(one["repaired"] for one in problems(inn, "--repair"))
    assert problems(inn) == []
    assert inn.champion() == 3
    force(inn, 4)
    assert inn.champion() == 4
    entries = history(inn.uri, "hotel")
    assert entries.damage == ()
    assert any(f"entry {number}" in reason for one in entries.accepted for reason in one.data["reasons"])


def test_a_champion_deleted_in_mlflow_goes_on_running_here(inn: Inn) -> None:
    force(inn, 2)
    inn.registry.client.delete_model_version("hotel", "2")
    found = resolve("hotel", uri=inn.uri)
    assert found.version == 2
    assert any("was deleted" in line for line in found.said)
    assert sw.load("hotel", project=inn.folder).version == "hotel/2"
    assert {one["kind"] for one in problems(inn)} == {"version", "alias"}
    call("rollback", "hotel", cwd=inn.folder)
    assert inn.champion() == 1


def test_a_tag_that_was_edited_is_found(inn: Inn) -> None:
    inn.registry.client.set_model_version_tag("hotel", "2", "shipworthy.verdict", "splendid")
    for arguments in (("promote", "hotel/2"), ("promote", "hotel/2", "--force", "a test")):
        done = call(*arguments, "--json", cwd=inn.folder)
        assert (done.code, done.document["error"]["type"]) == (3, "IntegrityError")
    with pytest.raises(errors.IntegrityError, match="edited"):
        sw.load("hotel/2", project=inn.folder)
    assert [one["kind"] for one in problems(inn)] == ["version"]
    inn.registry.client.set_model_version_tag("hotel", "2", "team", "reception")  # their own tags are theirs
    assert [one["kind"] for one in problems(inn)] == ["version"]


def test_a_changed_byte_in_an_artifact_is_found_and_restored_from_a_copy(inn: Inn) -> None:
    path = artifact_folder(inn.uri, "hotel", 1) / "provenance.json"
    path.write_bytes(path.read_bytes().replace(b'"seed"', b'"Seed"'))
    with pytest.raises(errors.ArtifactError, match="altered"):
        sw.load("hotel", project=inn.folder)
    with pytest.raises(errors.ArtifactError):
        force(inn, 2)
    assert {one["kind"] for one in problems(inn)} == {"artifact"}
    assert all("restored" in str(one["repaired"]) for one in problems(inn, "--repair"))
    assert problems(inn) == []
    assert sw.load("hotel", project=inn.folder).version == "hotel/1"


def test_files_that_mlflow_removed_are_run_from_the_copy_kept_here(inn: Inn) -> None:
    shutil.rmtree(artifact_folder(inn.uri, "hotel", 1))
    found = resolve("hotel", uri=inn.uri)
    assert any("using the copy kept here" in line for line in found.said)
    assert sw.load("hotel", project=inn.folder).version == "hotel/1"


def test_a_version_without_its_certificate_is_not_promoted(inn: Inn) -> None:
    run = inn.registry.reader.version("hotel", 2).tags["shipworthy.certificate_run"]  # type: ignore[union-attr]
    artifacts = Path(inn.registry.client.get_run(run).info.artifact_uri.removeprefix("file://"))
    shutil.rmtree(place_of(inn.uri) / "certificates", ignore_errors=True)
    certificate = artifacts / "certificate" / "certificate.json"
    certificate.write_text(certificate.read_text().replace('"pass"', '"fail"', 1))
    done = call("promote", "hotel/2", "--json", cwd=inn.folder)
    assert (done.code, done.document["error"]["type"]) == (3, "IntegrityError")
    shutil.rmtree(certificate.parent)
    done = call("promote", "hotel/2", "--json", cwd=inn.folder)
    assert done.code == 3
    assert "certificate of hotel/2 is gone" in done.document["error"]["message"]
    assert "certificate" in {one["kind"] for one in problems(inn)}
    assert inn.champion() == 1


def test_another_tools_version_is_listed_and_not_touched(inn: Inn) -> None:
    source = inn.registry.client.get_model_version("hotel", "1").source
    with inn.registry.pointed():
        inn.registry.client.create_model_version("hotel", source)
    done = call("promote", "hotel/5", "--json", cwd=inn.folder)
    assert "not made by shipworthy" in done.document["error"]["message"]
    assert "not made by shipworthy" in sw.versions("hotel", project=inn.folder)[0]["problem"]
    assert 5 in sw.prune("hotel", project=inn.folder, keep=0).kept


def test_a_database_that_takes_no_more_stops_a_promotion_and_nothing_else(
    inn: Inn, capfd: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(inn.folder / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON model_versions BEGIN SELECT RAISE(ABORT, 'no more'); END"
        )
    done = call("promote", "hotel/2", "--force", "a test", "--json", cwd=inn.folder)
    assert (done.code, done.document["error"]["type"]) == (3, "RegistryError")
    assert "Giving up" in done.document["error"]["message"]
    assert "Traceback" not in capfd.readouterr().err + done.err
    assert inn.champion() == 1
    with sqlite3.connect(inn.folder / "mlflow.db") as database:
        database.execute("DROP TRIGGER full")
    assert call("promote", "hotel/2", "--force", "a test", cwd=inn.folder).code == 0
    assert inn.champion() == 2


# Clean-up --------------------------------------------------------------------------------


def test_prune_keeps_champions_and_what_a_rollback_needs(inn: Inn) -> None:
    force(inn, 3)
    assert sw.prune("hotel", project=inn.folder, keep=0, dry_run=True).removed == (2, 4)
    assert len(sw.versions("hotel", project=inn.folder)) == 4
    done = call("prune", "hotel", "--keep", "1", "--json", cwd=inn.folder)
    assert done.document["removed"] == [2]
    assert [one["version"] for one in sw.versions("hotel", project=inn.folder)] == [4, 3, 1]
    call("rollback", "hotel", cwd=inn.folder)
    assert inn.champion() == 1


def test_what_an_interrupted_ship_left_is_named_and_cleared(inn: Inn) -> None:
    registry = inn.registry
    with registry.pointed():
        run = registry.client.create_run(
            registry.experiment("hotel"), tags={"shipworthy.kind": "compile", "shipworthy.process": "x:1"}
        )
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        registry.client.set_tag(run.info.run_id, "shipworthy.process", f"{socket.gethostname()}:{dead.pid}")
        tags = {"shipworthy.root": "0" * 64, "shipworthy.process": f"{socket.gethostname()}:{dead.pid}"}
        model = registry.client.create_logged_model(registry.experiment("hotel"), name="hotel", tags=tags)
    found = problems(inn)
    assert {one["kind"] for one in found} == {"unregistered", "run"}
    assert model.model_id in str([one["where"] for one in found])
    assert all(one["repaired"] for one in problems(inn, "--repair"))
    assert problems(inn) == []


def test_ledger_entries_that_somebody_appended_by_hand_are_no_promotions(inn: Inn) -> None:
    head = standing(inn.registry, "hotel").head
    data = entry_data("pension", "promote", 2, FORCED, seen=head)
    with pytest.raises(errors.RegistryError):
        append(inn.registry, "hotel", data)
    assert resolve("hotel", uri=inn.uri).version == 1
    assert {one["kind"] for one in problems(inn)} == {"ledger"}


def test_a_promotion_killed_after_its_entry_is_finished_by_the_next_command(inn: Inn) -> None:
    head = standing(inn.registry, "hotel").head
    append(inn.registry, "hotel", entry_data("hotel", "promote", 2, FORCED, seen=head))
    assert resolve("hotel", uri=inn.uri).version == 2  # the ledger decides at once
    assert alias_of(inn.uri, "hotel") == 1
    done = finish(start("doctor", "--repair", "--json", cwd=inn.folder))
    assert [one["kind"] for one in done.document["problems"]] == ["alias"]
    assert inn.champion() == 2
