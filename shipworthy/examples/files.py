"""Writing files so that a crash or a full disk leaves either the old one or the new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import InputError, StorageError


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    import tempfile

    raw = data.encode() if isinstance(data, str) else data
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a temporary folder that takes the place of `path` when the block ends well.

    Raises:
        StorageError: the disk is full or the parent folder cannot be written.
    """
    import shutil
    import tempfile

    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
            temporary.chmod(0o755)
            with folder_lock(path.parent):
                if path.exists():
                    _change_places(temporary, path)
                else:
                    os.replace(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same lock waiting, for the length of the block.

    On a system without such locks, and on a file system that refuses them, the block runs all the same.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their path in a folder, with the folders that they need.

    Raises:
        OSError: the disk.
    """
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write: {error.strerror or error}",
            hint="check free space and permissions, then run the same command again",
            where=str(path),
        ) from error


def _change_places(new: Path, path: Path) -> None:
    """Put `new` where the folder `path` is; should that fail, the old one stands there again."""
    import shutil
    import tempfile

    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    try:
        os.replace(path, aside / "was")
        os.replace(new, path)
    except BaseException:
        if not path.exists():
            os.replace(aside / "was", path)
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def decode_text(data: bytes, where: str, error: type[InputError]) -> str:
    """UTF-8 text, a byte-order mark aside.

    Raises:
        InputError: of the type given, with the line, at a byte that is not UTF-8, or a NUL.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise error(
            f"not UTF-8: byte 0x{data[fault.start]:02x}",
            hint="save the file as UTF-8",
            where=f"{where}:{line}",
        ) from fault
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error("a NUL character", hint="remove it", where=f"{where}:{line}")
    return text
