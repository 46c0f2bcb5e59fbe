"""The journal of a compile or a certificate: what was asked of the LM, and what was decided.

A text file that only grows, a record a line, each behind its checksum. It is written
record by record, so that a process that is killed loses nothing but the calls in flight,
and the same command goes on where it stopped. Records of other journals serve as well,
call by call: a call's key holds the LM's id and everything that was sent, so that an
answer under it is valid wherever it was given.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..examples import canonical_json, digest_of

CHECKSUM = 16
"""Hex digits of the sha256 that stands before each record."""

Place = tuple[Path, int, int]


class Journal:
    """One journal, safe for threads, and for processes that append to it at once.

    A record is `CHECKSUM KIND KEY JSON`. A last line that was not written to its end is
    cut off; a record that does not meet its checksum is passed over and counted.

    Args:
        path: of the file; made if it is not there.
        others: journals whose calls may be reused; they are read when a call is first missed.

    Attributes:
        damaged: records of this journal that were passed over.
        reused: calls taken from others.

    Raises:
        StorageError: the file cannot be read or written.
    """

    def __init__(self, path: Path, *, others: Iterable[Path] = ()) -> None:
        self.path = path
        self.damaged = 0
        self.reused = 0
        self._others = [other for other in others if other != path]
        self._lock = threading.RLock()
        self._calls: dict[str, Place] = {}
        self._notes: dict[str, list[Any]] = {}
        self._foreign: dict[str, Place] | None = None
        self._files: dict[Path, Any] = {}
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._files[path] = os.fdopen(descriptor, "r+b", buffering=0)
            self._read_own()
        except OSError as error:
            raise self._error(error) from error

    def get(self, key: str) -> tuple[dict[str, Any], bytes] | None:
        """The answer of a call and its scores as bytes, or None where it was never made."""
        try:
            with self._lock:
                place = self._calls.get(key)
                if place is not None:
                    return self._answer_at(place, key)
                found = self._from_others(key)
                if found is not None:
                    self.put(key, *found)
                    self.reused += 1
                return found
        except OSError as error:
            raise self._error(error) from error

    def put(self, key: str, answer: dict[str, Any], scores: bytes = b"") -> None:
        """Keep the answer of a call.

        Raises:
            StorageError: the disk is full; what was kept before stays readable.
        """
        body = {"answer": answer}
        if scores:
            body["scores"] = base64.b64encode(scores).decode()  # type: ignore[assignment]
        with self._lock:
            self._calls[key] = self._append("call", key, body)

    def note(self, name: str, data: Any) -> None:
        """Keep a decision under a name; a name may have many."""
        with self._lock:
            self._append("note", name, data)
            self._notes.setdefault(name, []).append(data)

    def notes(self, name: str) -> list[Any]:
        """All decisions kept under a name, in order, those of interrupted runs included."""
        with self._lock:
            return list(self._notes.get(name, []))

    @property
    def digest(self) -> str:
        """sha256 (hex) of the calls' keys, in no order: what the run rests on."""
        with self._lock:
            return digest_of(sorted(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _read_own(self) -> None:
        file = self._files[self.path]
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            self._torn = not _cut(file, whole)
        _share(file)
        for offset, line in _lines(data[:whole]):
            if not _holds(line):
                self.damaged += 1
                continue
            _, kind, key, body = line.split(b" ", 3)
            if kind == b"call":
                self._calls[key.decode()] = (self.path, offset, len(line))
            else:
                self._notes.setdefault(key.decode(), []).append(json.loads(body))

    def _append(self, kind: str, key: str, body: Any) -> Place:
        record = f"{kind} {key} {canonical_json(body)}".encode("utf-8", "surrogatepass")
        line = hashlib.sha256(record).hexdigest()[:CHECKSUM].encode() + b" " + record
        file = self._files[self.path]
        written = (b"\n" if self._torn else b"") + line + b"\n"
        try:
            done = os.write(file.fileno(), written)
            end = file.seek(0, os.SEEK_CUR)
        except OSError as error:
            raise self._error(error) from error
        self._torn = done != len(written)
        if self._torn:
            raise self._error(OSError("no space left"))
        return self.path, end - len(line) - 1, len(line)

    def _answer_at(self, place: Place, key: str) -> tuple[dict[str, Any], bytes] | None:
        path, offset, length = place
        if path not in self._files:
            self._files[path] = path.open("rb", buffering=0)
        file = self._files[path]
        file.seek(offset)
        line = file.read(length)
        if not _holds(line) or line.split(b" ", 3)[2] != key.encode():
            return None
        body = json.loads(line.split(b" ", 3)[3])
        return body["answer"], base64.b64decode(body.get("scores", ""))

    def _from_others(self, key: str) -> tuple[dict[str, Any], bytes] | None:
        if self._foreign is None:
            self._foreign = {}
            for path in self._others:
                try:
                    data = path.read_bytes()
                except OSError:  # it was removed meanwhile, or is somebody else's: nothing to reuse
                    continue
                for offset, line in _lines(data[: data.rfind(b"\n") + 1]):
                    parts = line.split(b" ", 3)
                    if len(parts) == 4 and parts[1] == b"call":
                        self._foreign[parts[2].decode("utf-8", "replace")] = (path, offset, len(line))
        place = self._foreign.get(key)
        if place is None:
            return None
        try:
            return self._answer_at(place, key)
        except FileNotFoundError:
            return None

    def _error(self, error: OSError) -> StorageError:
        return StorageError(
            f"the journal cannot be used: {error.strerror or error}",
            hint="check free space and permissions, then run the same command again: it goes on from here",
            where=str(self.path),
        )


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in data.split(b"\n")[:-1]:
        if line:
            yield offset, line
        offset += len(line) + 1


def _holds(line: bytes) -> bool:
    """Whether a record meets its checksum."""
    checksum, _, record = line.partition(b" ")
    return record.count(b" ") >= 2 and hashlib.sha256(record).hexdigest()[:CHECKSUM].encode() == checksum


def _cut(file: Any, end: int) -> bool:
    """Cut a torn end off, unless another process has the file open and may be writing just now."""
    try:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    os.ftruncate(file.fileno(), end)
    return True


def _share(file: Any) -> None:
    """Tell other processes that the file is in use, for as long as it is open."""
    try:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_SH)
    except (ImportError, OSError):  # no such locks here: a torn end is then never cut, only passed over
        return
