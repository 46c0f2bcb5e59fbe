"""A PostgreSQL and an MLflow tracking server on loopback, for as long as a block lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS_S = 120.0


class CannotBeHadError(Exception):
    """This machine has no such server."""


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database, for SQLAlchemy.

    Raises:
        CannotBeHadError: PostgreSQL is not installed, or does not start.
    """
    tools = _tools()
    folder = Path(tempfile.mkdtemp(prefix="shipworthy-postgres-"))
    data, port = folder / "data", free_port()
    as_user = _other_user(folder)
    try:
        _call([*as_user, str(tools / "initdb"), "-D", str(data), "-U", "mlflow", "-A", "trust", "-E", "UTF8"])
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        control = [*as_user, str(tools / "pg_ctl"), "-D", str(data), "-w"]
        _call([*control, "-o", options, "-l", str(folder / "log"), "start"])
        try:
            _call(
                [
                    *as_user,
                    str(tools / "createdb"),
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(port),
                    "-U",
                    "mlflow",
                    "mlflow",
                ]
            )
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/mlflow"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def tracking_server(
    backend: str, folder: Path, *, port: int | None = None, workers: int = 1
) -> Iterator[str]:
    """The address of an MLflow tracking server that keeps artifacts itself.

    Args:
        backend: address of its database; folder: for artifacts and its log.

    Raises:
        CannotBeHadError: it does not start.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", backend]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    # Otherwise MLflow starts seven more processes for jobs that nobody has.
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, server, folder / "server.log")
        yield address
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server and what it started."""
    try:
        os.killpg(server.pid, 15)
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, 9)
        server.wait()
    except ProcessLookupError:
        server.wait()


def free_port() -> int:
    """A port on loopback that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _tools() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    there = shutil.which("initdb")
    if found:
        return found[-1].parent
    if there:
        return Path(there).resolve().parent
    raise CannotBeHadError("PostgreSQL is not installed (Debian: apt-get install postgresql)")


def _other_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError as error:
        raise CannotBeHadError("there is no user postgres to run it as") from error
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _call(command: list[str]) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
        check=False, cwd="/",
    )  # fmt: skip
    if done.returncode:
        raise CannotBeHadError(f"{Path(command[-1]).name}: {done.stderr.decode(errors='replace')[-300:]}")


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise CannotBeHadError(f"the tracking server does not start: {log.read_text()[-500:]}")
