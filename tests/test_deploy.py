"""A version elsewhere: in a fresh environment made of its own requirements, it answers as `run` does.

The environment has neither this repository nor a network, and its home and caches are empty: the
LM's weights come from the tracking store. Its packages come from uv's cache of wheels, or from the
index where they are not there yet.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_project import MESSAGES, Hotel, call, hotel

from shipworthy.registry import resolve, tracking_uri

__all__ = ["hotel"]

pytestmark = pytest.mark.slow

TEXTS = [*(texts[0] for texts in MESSAGES.values()), "", "caffè 😀", None]
ROWS = [{"message": text, "room": 12} for text in TEXTS]
KEYS = ("output", "confidence", "answered", "error")

LOADS = """
import json, sys
import mlflow, pandas
import shipworthy
uri, rows = sys.argv[1], json.loads(sys.argv[2])
model = mlflow.pyfunc.load_model(uri)
frame = pandas.DataFrame(rows)
found = {
    "rows": model.predict(rows),
    "frame": model.predict(frame),
    "text": [json.loads(line) for line in model.predict(frame, params={"json": True})],
    "package": shipworthy.__file__,
    "path": sys.path,
    "making": sorted({"dspy", "gepa", "shipworthy.compiler", "shipworthy.lift"} & set(sys.modules)),
}
try:
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import from_json, struct
except ImportError:
    found["spark"] = None
else:
    host = ("spark.driver.bindAddress", "spark.driver.host")
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = spark.config(host[0], "127.0.0.1").config(host[1], "127.0.0.1").getOrCreate()
    table = spark.createDataFrame([(row["message"], row["room"]) for row in rows], "message string, room int")
    answer = mlflow.pyfunc.spark_udf(spark, uri, result_type="string", params={"json": True})
    text = answer(struct("message", "room")).alias("text")
    typed = from_json("text", "output struct<desk string>").alias("typed")
    got = table.select(text).select("text", typed).select("text", "typed.output.desk").collect()
    found["spark"] = [json.loads(row.text) for row in got]
    found["desks"] = [row.desk for row in got]
    spark.stop()
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Elsewhere:
    """What was answered elsewhere, and what `run` says here."""

    found: dict[str, Any]
    wanted: list[dict[str, Any]]
    environment: Path
    cache: Path
    port: int

    def served(self, body: dict[str, Any]) -> list[Any]:
        """What the server answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            predictions: list[Any] = json.loads(answer.read())["predictions"]
            return predictions


def install(python: Path, folder: Path, *what: str) -> str:
    """Install into an environment, from the cache if that has all of it; gives why not, or nothing."""
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), *what]
    said = ""
    for more in (["--offline"], []):
        try:
            done = subprocess.run(
                [*command, *more], cwd=folder, capture_output=True, text=True, check=False, timeout=400
            )
        except subprocess.TimeoutExpired:
            return "no answer in 400 s"
        said = done.stderr.strip()
        if not done.returncode:
            return ""
    return said


def pick(lines: list[Any]) -> list[dict[str, Any]]:
    return [{key: line[key] for key in KEYS} for line in lines]


@pytest.fixture(scope="module")
def elsewhere(hotel: Hotel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """The champion, or else version 1, in an environment of its own: served, loaded, and in Spark."""
    from uv import find_uv_bin

    folder = tmp_path_factory.mktemp("elsewhere")
    uri = "models:/hotel@champion" if hotel.shipped.document["status"] == "shipped" else "models:/hotel/1"
    store = tracking_uri(hotel.folder)
    model = folder / "model"
    shutil.copytree(resolve("hotel/1", uri=store).artifact.parents[1], model)

    venv = folder / "venv"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    python = venv / "bin" / "python"
    failed = install(python, model, "-r", "requirements.txt")
    if failed:
        pytest.skip(f"the packages of the version cannot be had: {failed[-300:]}")
    java = shutil.which("java") is not None
    if java:
        install(python, model, "-r", "requirements.txt", "pyspark")  # else that test is skipped

    home, cache = folder / "home", folder / "cache"
    home.mkdir()
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    kept = {key: value for key, value in os.environ.items() if key.startswith(("OPENBLAS", "JAVA", "LANG"))}
    environment = {
        **kept,
        **nowhere,
        "no_proxy": "127.0.0.1,localhost",
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": f"{venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "SHIPWORTHY_CACHE": str(cache),
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYSPARK_PYTHON": str(python),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["models", "serve", "-m", uri, "-p", str(port), "--env-manager", "local"]
    log = (folder / "server.log").open("wb")
    with log:
        server = subprocess.Popen(
            [str(venv / "bin" / "mlflow"), *serve],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        done = subprocess.run(
            [str(python), "-c", LOADS, uri, json.dumps(ROWS)],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found = json.loads(done.stdout.splitlines()[-1])
        stdin = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        lines = call("run", "hotel/1", cwd=hotel.folder, stdin=stdin).lines
        wait_for(port, server, folder / "server.log")
        yield Elsewhere(found, pick(lines), venv, cache, port)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])


def test_the_environment_is_made_of_the_version_alone(elsewhere: Elsewhere) -> None:
    repository = Path(__file__).parents[1]
    assert Path(elsewhere.found["package"]).is_relative_to(elsewhere.environment)
    assert not [path for path in elsewhere.found["path"] if Path(path or ".").is_relative_to(repository)]
    assert elsewhere.found["making"] == []


def test_the_weights_came_from_the_store_once(elsewhere: Elsewhere) -> None:
    (weights,) = (elsewhere.cache / "weights").glob("*.gguf")
    assert weights.stat().st_size > 1e6
    assert [path for path in (elsewhere.cache / "weights").iterdir() if path.name.startswith(".fetch")] == []


@pytest.mark.parametrize("how", ["rows", "frame", "text"])
def test_load_model_answers_as_run_does(elsewhere: Elsewhere, how: str) -> None:
    assert pick(elsewhere.found[how]) == elsewhere.wanted


@pytest.mark.parametrize("key", ["inputs", "dataframe_records"])
def test_models_serve_answers_as_run_does(elsewhere: Elsewhere, key: str) -> None:
    assert pick(elsewhere.served({key: ROWS})) == elsewhere.wanted


def test_models_serve_gives_text_where_it_is_asked_to(elsewhere: Elsewhere) -> None:
    texts = elsewhere.served({"inputs": ROWS, "params": {"json": True}})
    assert pick([json.loads(text) for text in texts]) == elsewhere.wanted


def test_spark_udf_answers_as_run_does(elsewhere: Elsewhere) -> None:
    if elsewhere.found["spark"] is None:
        pytest.skip("pyspark or Java cannot be had here")
    assert pick(elsewhere.found["spark"]) == elsewhere.wanted
    outputs = [line["output"] for line in elsewhere.wanted]
    assert elsewhere.found["desks"] == [output and output["desk"] for output in outputs]
