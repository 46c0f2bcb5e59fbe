"""Write to MLflow: compiles and certificates as runs, programs as versions, and the champion's alias."""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import json
import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ..compiler import Compiled
from ..errors import MissingExtraError, RegistryError
from ..evidence import Certificate
from ..examples import folder_lock
from ..runtime import Code, Contract, packages_of
from .local import CHAMPION, changed_manifest, database_folder, database_path
from .remote import DIGEST_TAG, FOLDER_TAG

KIND = "shipworthy.kind"
MODEL = "program"
PINNED = ("numpy", "pydantic", "safetensors", "xllamacpp", "platformdirs", "click")
TYPES = {"string": "string", "integer": "long", "number": "double", "boolean": "boolean"}


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
        self._folder = database_folder(uri)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtraError("compile", "mlflow") from error
        for noisy in ("alembic", "mlflow"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        self._mlflow = mlflow
        with self._errors(), self._alone():
            self._prepare()
            # Its own chatter on stderr is of no use to anyone.
            self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def _prepare(self) -> None:
        """A local database: made aside and moved into place, or opened once to see that it is one.

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
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            new = Path(folder) / path.name
            store = SqlAlchemyStore(f"sqlite:///{new}", str(path.parent / "mlartifacts"))
            store.engine.dispose()
            os.replace(new, path)

    def log_compile(self, compiled: Compiled, facts: Mapping[str, Any]) -> str:
        """Keep a compile as a run: parameters, metrics, digests, artifact and report; gives the run's id."""
        dev = compiled.dev or {}
        metrics: dict[str, float] = {
            "lm_calls": compiled.lm_calls,
            "tokens": compiled.tokens,
            "seconds": compiled.seconds,
        }
        if dev:
            metrics["dev_score"] = dev["score"]
            metrics.update({f"dev_{name}": value for name, value in dev["by_output"].items()})
        parameters = {
            "lm": compiled.lm,
            "seed": compiled.seed,
            "metric": getattr(compiled.recipe.metric, "name", compiled.recipe.metric),
            "passes": " ".join(one["name"] for one in compiled.recipe.as_json()["passes"]),
        }
        tags = {
            KIND: "compile",
            DIGEST_TAG: compiled.digest,
            **{f"shipworthy.{key}": str(value) for key, value in facts.items()},
        }
        with self._run(compiled.name, f"compile {compiled.digest[:8]}", tags) as run:
            for key, value in parameters.items():
                self._client.log_param(run, key, value)
            for key, value in metrics.items():
                self._client.log_metric(run, key, float(value))
            self._client.log_artifacts(run, str(compiled.artifact), MODEL)
            if compiled.report is not None:
                self._client.log_artifacts(run, str(compiled.report.parent), "report")
            for race in compiled.races:
                if race["what"] == "optimizer":
                    self._client.log_dict(run, dict(race), f"{race['name']}.json")
                else:
                    self._log_race(compiled.name, run, race)
        return run

    def _log_race(self, name: str, parent: str, race: Mapping[str, Any]) -> None:
        """Each candidate of a race as a child run, with how its prompt differs from the first one's."""
        first = race["texts"][0]
        for number, (text, standing) in enumerate(zip(race["texts"], race["standings"], strict=True)):
            tags = {
                KIND: "candidate",
                "mlflow.parentRunId": parent,
                "shipworthy.race": str(race["what"]),
                "shipworthy.state": "kept" if number == race["kept"] else str(standing["state"]),
            }
            names = ("candidate 1", f"candidate {number + 1}")
            lines = difflib.unified_diff(first.splitlines(), text.splitlines(), *names, lineterm="")
            difference = "\n".join(lines)
            with self._run(name, f"{race['what']} {number + 1}", tags) as run:
                self._client.log_metric(run, "rows", float(standing["rows"]))
                if standing["rows"]:
                    self._client.log_metric(run, "score", float(standing["mean"]))
                self._client.log_text(run, text, "prompt.txt")
                self._client.log_text(run, difference or "the first one", "prompt.diff")

    def log_certificate(self, certificate: Certificate, folder: Path, *, program: str, opponent: str) -> str:
        """Keep a certificate as a run, with the rows that it looked at; gives the run's id."""
        data = certificate.data
        tags = {
            KIND: "certificate",
            DIGEST_TAG: program,
            "shipworthy.opponent": opponent,
            "shipworthy.verdict": certificate.verdict,
            "shipworthy.look": str(data["look"]),
        }
        metrics = {"look": float(data["look"])}
        for side in ("compiled", "prototype"):
            if data[side]:
                metrics[f"{side}_score"] = float(data[side]["score"])
        if data["difference"]["mean"] is not None:
            metrics["difference"] = float(data["difference"]["mean"])
        looked_at = {"rows": [row["digest"] for row in certificate.rows]}
        with self._run(data["name"], f"certificate {certificate.verdict}", tags) as run:
            for key, value in metrics.items():
                self._client.log_metric(run, key, value)
            self._client.log_text(run, json.dumps(looked_at), "looked_at.json")
            self._client.log_artifacts(run, str(folder), "certificate")
        return run

    def look_at(self, rows: Sequence[str], *, program: str, opponent: str) -> int:
        """The number of the look that is about to be taken at these test rows.

        One more than the most earlier looks at any one of them; the same program,
        opponent and rows again is the look that it was.
        """
        counts = dict.fromkeys(rows, 0)
        seen: set[tuple[str, str, tuple[str, ...]]] = set()
        for run in self._runs(f"tags.`{KIND}` = 'certificate'"):
            looked_at = self._looked_at(run.info.run_id)
            tags = run.data.tags
            this = (tags.get(DIGEST_TAG, ""), tags.get("shipworthy.opponent", ""), tuple(sorted(looked_at)))
            if this == (program, opponent, tuple(sorted(rows))):
                return int(tags.get("shipworthy.look", "1"))
            if this in seen:
                continue
            seen.add(this)
            for row in looked_at:
                if row in counts:
                    counts[row] += 1
        return 1 + max(counts.values(), default=0)

    def register(
        self, compiled: Compiled, contract: Contract, *, run: str, verdict: str, tags: Mapping[str, str]
    ) -> int:
        """Make the artifact a version of the registered model, and note it for resolving."""
        name = compiled.name
        mlflow = self._mlflow
        with self._errors(), self._pointed():
            # MLflow asks for type hints and an input example; the contract is in the artifact.
            with mlflow.start_run(run_id=run), warnings.catch_warnings(record=True):
                info = mlflow.pyfunc.log_model(
                    name=name,
                    python_model=str(Path(__file__).with_name("pyfunc_model.py")),
                    artifacts={"program": str(compiled.artifact)},
                    model_config={"version": name},
                    pip_requirements=_pins(compiled.program.code),
                    signature=_signature(contract),
                )
            try:
                self._client.create_registered_model(name)
            except mlflow.exceptions.MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            all_tags = {
                DIGEST_TAG: compiled.digest,
                FOLDER_TAG: f"artifacts/{compiled.artifact.name}",
                "shipworthy.contract": contract.digest,
                "shipworthy.verdict": verdict,
                **tags,
            }
            version = int(
                self._client.create_model_version(
                    name, info.model_uri, run_id=run, tags=all_tags, model_id=info.model_id
                ).version
            )
            location = self._client.get_logged_model(info.model_id).artifact_location
        self._note(name, version, location, compiled)
        return version

    def promote(self, name: str, version: int) -> None:
        """Move the champion's alias to a version."""
        with self._errors():
            self._client.set_registered_model_alias(name, CHAMPION, str(version))
        if self._folder is not None:
            with changed_manifest(self._folder, name) as entry:
                entry["aliases"][CHAMPION] = version

    def contract_digest(self, name: str) -> str | None:
        """Of the newest version's contract; None where the name is free."""
        with self._errors():
            found = self._client.search_model_versions(
                f"name = '{name}'", order_by=["version_number DESC"], max_results=1
            )
        return found[0].tags.get("shipworthy.contract") if found else None

    def champion(self, name: str) -> int | None:
        """The champion's version, or None."""
        mlflow = self._mlflow
        with self._errors():
            try:
                return int(self._client.get_model_version_by_alias(name, CHAMPION).version)
            except mlflow.exceptions.MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def champion_facts(self, name: str) -> dict[str, Any]:
        """The champion's version, and the verdict that its certificate had; None where there is none."""
        version = self.champion(name)
        if version is None:
            return {"champion": None, "champion_verdict": None}
        with self._errors():
            tags = self._client.get_model_version(name, str(version)).tags
        return {"champion": version, "champion_verdict": tags.get("shipworthy.verdict")}

    def _note(self, name: str, version: int, location: str, compiled: Compiled) -> None:
        if self._folder is None:
            return
        from urllib.parse import urlparse
        from urllib.request import url2pathname

        path = Path(url2pathname(urlparse(location).path)) if "://" in location else Path(location)
        folder = path / "artifacts" / compiled.artifact.name
        with changed_manifest(self._folder, name) as entry:
            entry["versions"][str(version)] = {
                "artifact": os.path.relpath(folder, self._folder),
                "digest": compiled.digest,
            }

    def _runs(self, query: str) -> Iterator[Any]:
        with self._errors():
            experiments = [entry.experiment_id for entry in self._client.search_experiments()]
            token = None
            while True:
                page = self._client.search_runs(
                    experiments, query, max_results=1000, order_by=["start_time ASC"], page_token=token
                )
                yield from page
                token = page.token
                if not token:
                    return

    def _looked_at(self, run: str) -> list[str]:
        with self._errors():
            text = self._mlflow.artifacts.load_text(
                f"{self._client.get_run(run).info.artifact_uri}/looked_at.json"
            )
        rows: list[str] = json.loads(text)["rows"]
        return rows

    @contextmanager
    def _run(self, name: str, title: str, tags: Mapping[str, str]) -> Iterator[str]:
        with self._errors(), self._pointed():
            run = self._client.create_run(self._experiment(name), run_name=title, tags=dict(tags))
            try:
                yield run.info.run_id
            except BaseException:
                self._client.set_terminated(run.info.run_id, "FAILED")
                raise
            self._client.set_terminated(run.info.run_id)

    def _experiment(self, name: str) -> str:
        title = f"shipworthy/{name}"
        with self._alone():
            found = self._client.get_experiment_by_name(title)
            if found is not None:
                return str(found.experiment_id)
            location = (self._folder / "mlartifacts").as_uri() if self._folder is not None else None
            return str(self._client.create_experiment(title, artifact_location=location))

    def _alone(self) -> AbstractContextManager[None]:
        """No other process here makes tables or experiments meanwhile; a server sees to that itself."""
        if self._folder is None:
            return nullcontext()
        self._folder.mkdir(parents=True, exist_ok=True)
        return folder_lock(self._folder)

    @contextmanager
    def _pointed(self) -> Iterator[None]:
        """MLflow's fluent functions point to this store for the length of the block.

        Setting a URI also sets its environment variable, by which the store of the next
        project would be chosen; so both are put back, and to "not set" where they were not.
        """
        from mlflow.tracking._model_registry import utils as registry
        from mlflow.tracking._tracking_service import utils as tracking

        names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
        environment = {name: os.environ.get(name) for name in names}
        before = tracking._tracking_uri, registry._registry_uri
        self._mlflow.set_tracking_uri(self.uri)
        self._mlflow.set_registry_uri(self.uri)
        try:
            yield
        finally:
            self._mlflow.set_tracking_uri(before[0])
            self._mlflow.set_registry_uri(before[1])
            for name, value in environment.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import sqlalchemy.exc

        try:
            yield
        except (
            self._mlflow.exceptions.MlflowException,
            sqlalchemy.exc.SQLAlchemyError,
            sqlite3.Error,
            OSError,
        ) as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Ctrl-C that met a transaction half-way
                raise error.__context__ from None
            raise RegistryError(
                f"MLflow: {str(error).strip().splitlines()[0][:300]}",
                hint="check MLFLOW_TRACKING_URI, free space and permissions",
                where=self.uri.rpartition("@")[2],
            ) from error


def _pins(code: Mapping[str, Code]) -> list[str]:
    """Exactly what a version needs to run elsewhere, what its own functions import included."""
    provided = importlib.metadata.packages_distributions()
    imported = {name for own in code.values() for name in packages_of(own)}
    names = {name for top in imported for name in provided.get(top, ())} - set(PINNED)
    pinned = ("shipworthy", *PINNED, *sorted(names))
    return [f"{name}=={importlib.metadata.version(name)}" for name in pinned]


def _signature(contract: Contract) -> Any:
    """MLflow's signature of the inputs, where each has one of its plain types; else None."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = []
    for field in contract.inputs:
        kind = TYPES.get(str(field.schema.get("type")), "string" if "enum" in field.schema else "")
        if not kind:
            return None
        columns.append(ColSpec(kind, field.name))
    return ModelSignature(inputs=Schema(columns))
