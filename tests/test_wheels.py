"""Wheels: the same contents give the same bytes, and another code has another version."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shipworthy
from shipworthy.registry import runtime_wheel, wheel_name, wheels, write_wheel
from shipworthy.registry.wheels import wheel_bytes

PATHS = st.text('aé," /', min_size=1, max_size=8).map(lambda name: f"pkg/{name}.py")


def contents(data: bytes | Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else data) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@given(st.dictionaries(PATHS, st.binary(max_size=50), max_size=6))
def test_every_file_stands_in_record_with_its_sha256_and_size(files: dict[str, bytes]) -> None:
    data = wheel_bytes("My.pkg", "1", files, {"METADATA": b"Name: my-pkg\n"})
    found = contents(data)
    info = "my_pkg-1.dist-info"
    assert set(found) == {*files, *(f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD"))}
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(found[f"{info}/RECORD"].decode()))}
    assert set(rows) == set(found)
    for name, content in found.items():
        sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        wanted = ["", ""] if name.endswith("/RECORD") else [f"sha256={sha256}", str(len(content))]
        assert rows[name] == wanted
    shuffled = dict(reversed(files.items()))
    assert wheel_bytes("My.pkg", "1", shuffled, {"METADATA": b"Name: my-pkg\n"}) == data


def test_a_wheel_is_written_under_the_name_that_installers_want(tmp_path: Path) -> None:
    assert wheel_name("My-Bot.x", "3") == "my_bot_x-3-py3-none-any.whl"
    path = write_wheel(tmp_path / "new" / "folder", "My-Bot", "3", {"a.py": b""}, {"METADATA": b""})
    assert path == tmp_path / "new" / "folder" / "my_bot-3-py3-none-any.whl"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_runtime_is_all_of_the_package_and_nothing_else(tmp_path: Path) -> None:
    path = runtime_wheel(tmp_path)
    found = contents(path)
    (info,) = {name.partition("/")[0] for name in found if ".dist-info/" in name}
    root = Path(shipworthy.__path__[0])
    there = {
        f"shipworthy/{one.relative_to(root).as_posix()}": one.read_bytes()
        for one in root.rglob("*")
        if one.is_file() and "__pycache__" not in one.parts
    }
    assert {name: data for name, data in found.items() if name.startswith("shipworthy/")} == there
    assert {"shipworthy/py.typed", "shipworthy/lms/catalogue.toml"} <= set(there)
    metadata = message_from_bytes(found[f"{info}/METADATA"])
    assert metadata["Version"] == path.name.split("-")[1]
    assert metadata["Version"].startswith(f"{shipworthy.__version__}+")
    assert len(metadata["Version"].partition("+")[2]) == 8
    assert any(line.startswith("xllamacpp") for line in metadata.get_all("Requires-Dist"))
    assert b"shipworthy = shipworthy.cli:main" in found[f"{info}/entry_points.txt"]


def test_another_code_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = wheels._package()
    first = runtime_wheel(tmp_path)
    assert runtime_wheel(tmp_path / "other").read_bytes() == first.read_bytes()
    with monkeypatch.context() as patch:
        changed = {**files, "shipworthy/errors.py": files["shipworthy/errors.py"] + b"\n"}
        patch.setattr(wheels, "_package", lambda: changed)
        second = runtime_wheel(tmp_path)
    assert second.name != first.name
    assert contents(second) != contents(first)


def test_the_runtime_is_kept_and_made_anew_where_it_was_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPWORTHY_CACHE", str(tmp_path))
    path = runtime_wheel()
    assert path.parent == tmp_path / "wheels"
    stamp, whole = path.stat().st_mtime_ns, path.read_bytes()
    assert runtime_wheel() == path
    assert path.stat().st_mtime_ns == stamp
    for damaged in (whole[:1000], whole[:5000] + b"\0" * 50 + whole[5050:], b""):
        path.write_bytes(damaged)
        assert runtime_wheel().read_bytes() == whole
