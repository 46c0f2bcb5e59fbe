"""MLflow behind one door: the store opened safely, its errors typed, its global state left alone."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, RegistryError, ShipworthyError
from ..examples import folder_lock
from .local import database_folder, database_path, place_of, shown_address, without_credentials
from .reading import Reader, light_reader

KIND = "shipworthy.kind"
PROCESS = "shipworthy.process"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Registry:
    """MLflow behind one door.

    Args:
        uri: of the tracking store; for a local SQLite file, artifacts lie beside it.

    Raises:
        MissingExtraError: mlflow is not installed.
        RegistryError: the store cannot be opened.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.folder = database_folder(uri)
        self.place = place_of(uri)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtraError("compile", "mlflow") from error
        # By default MLflow waits minutes for a server that is down.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        # What it logs of errors, tracebacks included, is raised as well.
        for noisy in ("alembic", "mlflow"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self.mlflow = mlflow
        with self.errors(), self.alone():
            self._prepare()
            # Its own chatter on stderr is of no use to anyone.
            self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.reader: Reader = light_reader(uri) or _client_reader(self)

    def _prepare(self) -> None:
        """A local database: moved into place whole, or opened once to see that it is one.

        MLflow itself would leave half of the tables behind an interrupt, and refuse them ever
        after; and it would try for minutes to open what it cannot.
        """
        path = database_path(self.uri)
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA schema_version")
            return
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            new = Path(folder) / path.name
            new.write_bytes(_empty_database())
            with contextlib.closing(sqlite3.connect(new)) as database, database:
                artifacts = str(path.parent / "mlartifacts" / "0")
                database.execute("UPDATE experiments SET artifact_location = ?", [artifacts])
            os.replace(new, path)

    @contextmanager
    def run(self, name: str, title: str, tags: Mapping[str, str]) -> Iterator[str]:
        """A run in the program's experiment, ended with the block; gives its id."""
        with self.errors(), self.pointed():
            run = self.client.create_run(
                self.experiment(name), run_name=title, tags={**tags, PROCESS: this_process()}
            )
            try:
                yield str(run.info.run_id)
            except BaseException:
                self.client.set_terminated(run.info.run_id, "FAILED")
                raise
            self.client.set_terminated(run.info.run_id)

    def experiment(self, name: str) -> str:
        """The id of the program's experiment, made if there is none."""
        title = f"shipworthy/{name}"
        with self.alone():
            found = self.client.get_experiment_by_name(title)
            if found is not None:
                return str(found.experiment_id)
            location = (self.folder / "mlartifacts").as_uri() if self.folder is not None else None
            return str(self.client.create_experiment(title, artifact_location=location))

    def make_model(self, name: str) -> None:
        """Make a registered model, unless somebody has."""
        with self.unless_made():
            self.client.create_registered_model(name)

    @contextmanager
    def unless_made(self) -> Iterator[None]:
        """End the block quietly where another process has made meanwhile what it would make."""
        try:
            yield
        except self.mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def alone(self) -> AbstractContextManager[None]:
        """No other process here makes tables or experiments meanwhile; a server sees to that itself."""
        if self.folder is None:
            return nullcontext()
        self.folder.mkdir(parents=True, exist_ok=True)
        return folder_lock(self.folder)

    @contextmanager
    def pointed(self) -> Iterator[None]:
        """MLflow's fluent functions point to this store for the length of the block.

        Setting a URI also sets its environment variable, by which the store of the next
        project would be chosen; so both are put back, and to "not set" where they were not.
        """
        from mlflow.tracking._model_registry import utils as registry
        from mlflow.tracking._tracking_service import utils as tracking

        names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
        environment = {name: os.environ.get(name) for name in names}
        before = tracking._tracking_uri, registry._registry_uri
        self.mlflow.set_tracking_uri(self.uri)
        self.mlflow.set_registry_uri(self.uri)
        try:
            yield
        finally:
            self.mlflow.set_tracking_uri(before[0])
            self.mlflow.set_registry_uri(before[1])
            for name, value in environment.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    @contextmanager
    def errors(self, *, missing: bool = False) -> Iterator[None]:
        """What MLflow, its database or the disk raise, as RegistryError.

        Args:
            missing: end the block quietly where what is asked for is not there.
        """
        import sqlalchemy.exc

        try:
            yield
        except ShipworthyError:
            raise
        except (
            self.mlflow.exceptions.MlflowException,
            sqlalchemy.exc.SQLAlchemyError,
            sqlite3.Error,
            OSError,
        ) as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Ctrl-C that met a transaction half-way
                raise error.__context__ from None
            if missing and getattr(error, "error_code", "") in MISSING:
                return
            raise RegistryError(
                f"MLflow: {_told(without_credentials(str(error), self.uri))}",
                hint="check MLFLOW_TRACKING_URI, free space and permissions",
                where=shown_address(self.uri),
            ) from error


@cache
def _empty_database() -> bytes:
    """A database with MLflow's tables and its default experiment: seconds to make, so made once."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "mlflow.db"
        store = SqlAlchemyStore(f"sqlite:///{new}", folder)
        store.engine.dispose()
        return new.read_bytes()


def _told(text: str) -> str:
    """The line of an error's text that says what is the matter."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("(raised as a result of")]
    return lines[0][:300] if lines else "no reason given"


def paged(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """The pages of an answer that comes in pages.

    Args:
        ask: gives MLflow's list for a token, which has the next one's.
    """
    token = None
    while True:
        page = ask(token)
        yield page
        token = page.token
        if not token:
            return


def this_process() -> str:
    """What names this process, for whoever finds later what it left unfinished."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _client_reader(registry: Registry) -> Reader:
    from .client_reader import ClientReader

    return ClientReader(registry)
