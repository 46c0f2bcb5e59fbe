"""Finished rows on disk, so that an evaluation that was killed repeats only what was under way.

The file is JSON lines: a first line that says what was evaluated, then a line for each row,
each with the sha256 of what it says. Lines are only ever added. It holds what the rows'
answers, labels and errors say, and is readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import errors
from ..errors import OutsideError, ScoringError, ShipworthyError, StorageError
from ..examples import storage_errors
from .columns import RowResult
from .metrics import Failure

FORMAT = 1
SYNC_S = 1.0
"""A line is with the operating system at once, and so outlives the process; on the disk after so long."""


class Checkpoint:
    """The rows that are finished, by digest; a context manager.

    A torn last line, as a crash leaves it, is cut off. A line whose checksum is wrong is as
    if it were not there: its row is evaluated again.

    Args:
        path: of the file; made where it is not there.
        about: what is evaluated: JSON. A file about anything else is refused, never overwritten.

    Raises:
        ScoringError: the file is about something else, or is no checkpoint.
        StorageError: it cannot be read or written, or another process writes it.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self.damaged = 0
        self._known: dict[str, deque[bytes]] = defaultdict(deque)
        self._file = -1
        self._synced = time.monotonic()
        try:
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
                self._lock()
                self._end = self._read(_line({"shipworthy_checkpoint": FORMAT, **about}))
                os.ftruncate(self._file, self._end)
                path.chmod(0o600)  # the file may have been there, empty
            if self._end == 0:
                self._write(_line({"shipworthy_checkpoint": FORMAT, **about}))
        except BaseException:
            self.close()
            raise

    def take(self, digest: str, index: int, labels: Mapping[str, Any]) -> RowResult | None:
        """The finished result of the row with this digest, once for each time that it was finished.

        Args:
            digest: of the row, as hex.
            index, labels: of the row; they are not kept in the file.
        """
        lines = self._known.get(digest)
        return _result(json.loads(lines.popleft()), index, labels) if lines else None

    def put(self, digest: str, result: RowResult) -> None:
        """Keep a finished row; one that something outside failed on is not finished.

        Raises:
            StorageError: the disk is full; the rows before this one are kept.
        """
        if isinstance(result.error, OutsideError):
            return
        self._write(_line(_record(digest, result)))
        if time.monotonic() - self._synced > SYNC_S:
            self._sync()

    def close(self) -> None:
        """Put everything on the disk, and let the file go."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            with contextlib.suppress(OSError):  # what is written is with the system already
                os.fsync(file)
        finally:
            os.close(file)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # no such locks on this system
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                "another evaluation is writing this checkpoint",
                hint="wait for it, or give each evaluation a file of its own",
                where=str(self.path),
            ) from error
        except OSError:  # a file system without locks
            return

    def _read(self, header: bytes) -> int:
        """Take the finished rows in; where the last whole line ends."""
        end = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    if end == 0 and not header.startswith(line):
                        raise self._foreign("this is no checkpoint")
                    break
                if end == 0:
                    self._check_header(line, header)
                else:
                    self._take_in(line)
                end += len(line)
        return end

    def _check_header(self, line: bytes, header: bytes) -> None:
        body = _body(line)
        found = json.loads(body) if body is not None else None
        if not isinstance(found, dict) or "shipworthy_checkpoint" not in found:
            raise self._foreign("this is no checkpoint")
        wanted = json.loads(_body(header) or b"{}")
        differing = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        if differing:
            raise self._foreign(f"the checkpoint is of another evaluation: {', '.join(differing)} differ")

    def _take_in(self, line: bytes) -> None:
        body = _body(line)
        if body is None:
            self.damaged += 1
            return
        # The digest stands first, so that a body need not be parsed before its row is asked for.
        self._known[body[8 : 8 + body[8:].index(b'"')].decode()].append(body)

    def _write(self, line: bytes) -> None:
        try:
            with storage_errors(self.path):
                written = 0
                while written < len(line):
                    written += os.write(self._file, line[written:])
        except BaseException:
            # Half a line in the middle of the file would spoil the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)

    def _sync(self) -> None:
        with storage_errors(self.path):
            os.fsync(self._file)
        self._synced = time.monotonic()

    def _foreign(self, message: str) -> ScoringError:
        return ScoringError(
            message, hint="give another path, or delete the file if it is not needed", where=str(self.path)
        )


def _line(record: Mapping[str, Any]) -> bytes:
    body = json.dumps(record, separators=(",", ":")).encode()
    return b'{"sha256":"%s","is":%s}\n' % (hashlib.sha256(body).hexdigest().encode(), body)


def _body(line: bytes) -> bytes | None:
    """What a line says, or None where it is not what was written."""
    digest, body = line[11:75], line[82:-2]
    whole = b'{"sha256":"%s","is":%s}\n' % (digest, body)
    return body if whole == line and hashlib.sha256(body).hexdigest().encode() == digest else None


def _record(digest: str, result: RowResult) -> dict[str, Any]:
    record = {"row": digest, **vars(result)}
    del record["index"], record["labels"]  # they are the row's, which is there when it comes again
    record["error"] = result.error.as_dict() if result.error is not None else None
    record["failure"] = dataclasses.asdict(result.failure) if result.failure is not None else None
    return record


def _result(record: dict[str, Any], index: int, labels: Mapping[str, Any]) -> RowResult:
    del record["row"]
    error, failure = record.pop("error"), record.pop("failure")
    return RowResult(
        **{**record, "raw": tuple(record["raw"])},
        index=index,
        labels=labels,
        error=_error(error) if error is not None else None,
        failure=Failure(**failure) if failure is not None else None,
    )


def _error(said: Mapping[str, str]) -> ShipworthyError:
    """The error that `as_dict` wrote; one of a kind that is not known here is a row's error."""
    kind = getattr(errors, said["type"], errors.RowError)
    if not (isinstance(kind, type) and issubclass(kind, ShipworthyError)) or kind is errors.MissingExtraError:
        kind = errors.RowError
    return kind(said["message"], hint=said["hint"], where=said["where"])
