"""A tracking server over PostgreSQL with artifacts behind it: all that SQLite does, from two machines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from registered import copy_versions
from servers import CannotBeHadError, free_port, postgresql, tracking_server
from small_project import Hotel, call, hotel

import shipworthy as sw
from shipworthy import errors
from shipworthy.lms import cache_folder
from shipworthy.registry import (
    Evidence,
    Registry,
    begin_rollback,
    finish_rollback,
    history,
    promote,
    reader_for,
    resolve,
    standing,
    versions,
)
from shipworthy.registry.local import place_of, read_notes

__all__ = ["hotel"]

pytestmark = pytest.mark.slow

FORCED = Evidence(None, forced="a test")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    try:
        with postgresql() as address:
            yield address
    except CannotBeHadError as error:
        pytest.skip(f"no PostgreSQL here: {error}")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder on a machine that has seen nothing yet, but the weights."""
    cache = tmp_path / "cache"
    weights = cache_folder() / "weights"
    if weights.is_dir():
        cache.mkdir()
        (cache / "weights").symlink_to(weights)
    monkeypatch.setenv("SHIPWORTHY_CACHE", str(cache))
    return cache


def test_a_server_over_postgresql_from_ship_to_rollback(
    database: str, hotel: Hotel, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "hotel"
    shutil.copytree(
        hotel.folder, project, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts", "registry")
    )
    port = free_port()
    with tracking_server(database, tmp_path / "server", port=port) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        shipped = call("ship", "hotel", "--json", cwd=project)  # every call is in its journal
        assert shipped.document["version"] == 1
        registry = Registry(server)
        assert call("compile", "hotel", cwd=project).code == 0
        assert list(registry.reader.tail("hotel.prototype", 1)) == [1]  # the same prompt is registered once
        if shipped.code:
            promote(registry, "hotel", 1, FORCED, seen=standing(registry, "hotel").head)
        copy_versions(registry, "hotel", 1, 2)
        assert [one["version"] for one in versions(server, "hotel")] == [3, 2, 1]
        promote(registry, "hotel", 2, FORCED, seen=standing(registry, "hotel").head)
        seen = standing(registry, "hotel").head
        promote(registry, "hotel", 3, FORCED, seen=seen)
        with pytest.raises(errors.ConflictError, match="version 3"):
            promote(registry, "hotel", 1, FORCED, seen=seen)

        monkeypatch.setenv("SHIPWORTHY_CACHE", str(tmp_path / "another machine"))
        found = resolve("hotel", uri=server)
        assert (found.version, found.said) == (3, ())
        assert (tmp_path / "another machine") in found.artifact.parents
        assert sw.load("hotel@champion", project=project).version == "hotel/3"
        rolled = call("rollback", "hotel", "--json", cwd=project).document
        assert (rolled["from"], rolled["to"], rolled["pending"]) == (3, 2, False)
        assert reader_for(server).aliases("hotel") == {"champion": 2}
        assert resolve("hotel", uri=server).version == 2
        monkeypatch.setenv("SHIPWORTHY_CACHE", str(machine))
        assert resolve("hotel", uri=server).version == 2  # the first machine reads the same ledger
        assert call("doctor", "--json", cwd=project).document == {"problems": [], "left": 0}

    # The server is down.
    found = resolve("hotel", uri=server)
    assert found.version == 2
    assert any("cannot be reached" in line for line in found.said)
    assert sw.load("hotel", project=project).version == "hotel/2"
    begun = begin_rollback(server, "hotel", None, "complaints")
    assert (begun["from"], begun["to"]) == (2, 1)
    with pytest.raises(errors.RegistryError):
        finish_rollback(server, "hotel")
    assert resolve("hotel", uri=server).version == 1
    done = call("run", "hotel", cwd=project, stdin=b'{"message": "The soup was cold", "room": 3}\n')
    assert done.lines[0]["version"] == "hotel/1"
    assert "waits for the registry" in done.err

    # It is back, over the same database.
    with tracking_server(database, tmp_path / "server", port=port) as again:
        assert again == server
        assert standing(Registry(server), "hotel").head.champion == 1
        assert read_notes(place_of(server), "hotel").pending is None
        assert reader_for(server).aliases("hotel") == {"champion": 1}
        kinds = [entry.data["kind"] for entry in history(server, "hotel").accepted]
        assert kinds == ["promote", "promote", "promote", "rollback", "rollback"]


def test_a_database_is_read_through_mlflows_client_where_there_is_no_server(
    database: str, machine: Path
) -> None:
    registry = Registry(database)
    registry.client.create_registered_model("bare.ledger")
    for number in range(3):
        registry.client.create_model_version("bare.ledger", "shipworthy:///ledger", tags={"n": str(number)})
    assert registry.reader.tail("bare.ledger", 2) == {2: {"n": "1"}, 3: {"n": "2"}}
    assert registry.reader.version("bare.ledger", 4) is None
    assert registry.reader.aliases("nothing") == {}
    assert "bare.ledger" in registry.reader.names()
    assert json.dumps(registry.reader.versions("nothing")) == "[]"
