"""What a version holds for MLflow: its code, its pins, its runtime, and weights that are stored once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mail_program import compiled, tools
from test_artifact import sign

import shipworthy as sw
from shipworthy.errors import ArtifactError, RegistryError, WeightsError
from shipworthy.lms import find_weights, keep_weights, known_weights, remember_weights, weights_of
from shipworthy.registry import Registry, runtime_wheel, tracking_uri
from shipworthy.registry.packaging import model_arguments, pinned, requirements
from shipworthy.registry.stored_weights import stored_weights
from shipworthy.runtime import root_of
from shipworthy.runtime.deployed import answers, load_deployed

SHOUT = '''
"""Its own."""

import numpy as np

WORD = {word!r}


def shout(text: str, times: int, of: list[str] | None) -> str:
    """Text, and more."""
    return str(np.char.add(WORD, text * times + "".join(of or [])))
'''
CONTENT = b"GGUF stands here" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LM = f"local/{SHA256};ctx=8"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHIPWORTHY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path, cache: Path) -> Path:
    path = tmp_path / "small.gguf"
    path.write_bytes(CONTENT)
    remember_weights(SHA256, path)
    return path


def shouting(folder: Path, word: str) -> Any:
    """A program of one function, compiled; no LM is asked."""
    own = tools(folder, SHOUT.format(word=word), "shouting")

    class Shout(sw.Steps):
        shout = sw.step(own.shout)

    return compiled(folder, Shout())


def saved(folder: Path, made: Any, **more: Any) -> Path:
    """An MLflow model of it."""
    import mlflow

    with model_arguments(made.name, made.artifact, made.program, **more) as given:
        mlflow.pyfunc.save_model(folder, **{key: own for key, own in given.items() if key != "name"})
    return folder


def refuse(address: str, folder: str) -> str:
    raise RegistryError("the store is down")


# The model -------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_versions_in_one_process_each_run_their_own_code(tmp_path: Path) -> None:
    import mlflow

    models = [
        mlflow.pyfunc.load_model(str(saved(tmp_path / f"model-{word}", shouting(tmp_path / word, word))))
        for word in ("first ", "second ")
    ]
    for _ in range(2):
        said = [model.predict([{"text": "word", "times": 1, "of": None}])[0]["output"] for model in models]
        assert said == [{"shout": "first word"}, {"shout": "second word"}]


@pytest.mark.slow
def test_mlflow_hands_on_rows_as_they_are_given(tmp_path: Path) -> None:
    import mlflow
    import pandas
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data

    made = shouting(tmp_path, "")
    model = mlflow.pyfunc.load_model(str(saved(tmp_path / "model", made)))
    rows = [
        {"text": "a", "times": 2, "of": ["b", "c"], "other": 3.5},
        {"text": None, "times": 1, "of": None},
        {"text": "a", "times": "no number", "of": []},
        {"text": 'quoted "é" \n', "times": 1, "of": None},
    ]
    wanted = [
        outcome.error.as_dict() if outcome.error else outcome.unwrap().outputs
        for outcome in made.program.answer_many(rows)
    ]

    def found(given: Any) -> list[Any]:
        return [line["error"] or line["output"] for line in model.predict(given)]

    assert [isinstance(one.get("shout"), str) for one in wanted] == [True, False, False, True]
    assert found(rows) == found(pandas.DataFrame(rows)) == wanted
    for key in ("inputs", "dataframe_records"):
        data, _ = _split_data_and_params(json.dumps({key: rows}))
        assert found(infer_and_parse_data(data, model.metadata.get_input_schema())) == wanted
    (missing,) = model.predict(pandas.DataFrame([{"times": 1, "of": None}]))
    assert missing["error"]["message"] == "'text' is missing"


@pytest.mark.slow
def test_a_model_holds_its_evidence_its_runtime_and_no_pickle_or_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.models import Model

    elsewhere = tmp_path / "someone's project"
    elsewhere.mkdir()
    (elsewhere / "uv.lock").write_text("version = 1\n")
    (elsewhere / "pyproject.toml").write_text("[project]\nname = 'other'\nversion = '0'\n")
    certificate = tmp_path / "certified"
    certificate.mkdir()
    for name in ("certificate.html", "certificate.json", "rows.jsonl"):
        (certificate / name).write_text(name)
    made = shouting(tmp_path, "")
    monkeypatch.chdir(elsewhere)
    model = saved(tmp_path / "model", made, certificate=certificate, weights="runs:/1/a.gguf")
    wheel = runtime_wheel().name
    files = {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()}
    assert {f"artifacts/{wheel}", "artifacts/certificate/certificate.html", "pyfunc_model.py"} <= files
    assert not [name for name in files if name.endswith(("rows.jsonl", "uv.lock", ".pkl", "pyproject.toml"))]
    lines = (model / "requirements.txt").read_text().splitlines()
    assert lines[0] == f"./artifacts/{wheel}"
    assert lines[-1] == "-c constraints.txt"
    assert all("==" in line for line in lines[1:-1])
    assert f"numpy=={np.__version__}" in lines
    assert all("==" in line for line in (model / "constraints.txt").read_text().splitlines())
    loaded = Model.load(str(model))
    root = root_of(made.artifact)
    assert loaded.metadata == {"shipworthy.root": root, "shipworthy.digest": made.digest}
    assert loaded.flavors["python_function"]["config"] == {
        "version": made.name,
        "root": root,
        "weights": "runs:/1/a.gguf",
    }


def test_what_functions_import_is_pinned_and_what_it_needs_in_turn(tmp_path: Path) -> None:
    text = (
        'import pandas\n\n\ndef one(text: str) -> str:\n    """One."""\n    return pandas.__name__ + text\n'
    )
    own = tools(tmp_path, text, "importing")

    class One(sw.Steps):
        one = sw.step(own.one)

    lines, rest = requirements(compiled(tmp_path, One()).program, runtime_wheel())
    names = [line.partition("==")[0] for line in lines]
    assert {"mlflow", "pandas", "numpy", "pydantic"} < set(names)
    assert "shipworthy" not in names
    assert {"python-dateutil", "pydantic-core"} <= {line.partition("==")[0] for line in rest}
    assert "dspy" not in {line.partition("==")[0] for line in [*lines, *rest]}


def test_a_program_on_a_hosted_lm_takes_along_what_calls_it() -> None:
    program: Any = SimpleNamespace(code={}, spec=SimpleNamespace(lm=SimpleNamespace(id="hosted/openai/x")))
    lines, rest = requirements(program, runtime_wheel())
    assert "dspy" in {line.partition("==")[0] for line in lines}
    assert "litellm" in {line.partition("==")[0] for line in rest}
    program.spec.lm.id = LM
    assert "dspy" not in {line.partition("==")[0] for line in requirements(program, runtime_wheel())[0]}


def test_pins_follow_extras_and_markers() -> None:
    assert "uvicorn" not in pinned(["shipworthy"])
    assert {"shipworthy", "numpy", "typing-extensions"} <= set(pinned(["Shipworthy"]))
    assert pinned(["no-such-distribution-anywhere"]) == {}


# What the model calls --------------------------------------------------------------------


def test_an_artifact_that_was_signed_anew_is_not_the_one_that_was_registered(tmp_path: Path) -> None:
    made = shouting(tmp_path, "")
    root = root_of(made.artifact)
    assert load_deployed(made.artifact, {"version": "x", "root": root}, download=refuse).version == "x"
    (made.artifact / "provenance.json").write_text("{}")
    sign(made.artifact)
    load_deployed(made.artifact, {}, download=refuse)
    with pytest.raises(ArtifactError, match="not the one that was registered"):
        load_deployed(made.artifact, {"root": root}, download=refuse)


def test_answers_are_plain_json_text_where_that_is_asked_for(tmp_path: Path) -> None:
    program = shouting(tmp_path, "").program
    rows = [{"text": "é", "times": 1, "of": np.array(["a", "b"], object)}, {"text": float("nan")}]
    lines = answers(program, rows, {"json": False})
    texts = answers(program, rows, {"json": True})
    assert lines[0]["output"] == {"shout": "éab"}
    assert lines[1]["error"]["type"] == "RowInputError"
    assert [json.loads(text)["output"] for text in texts] == [line["output"] for line in lines]
    assert "é" in texts[0]


# Weights ---------------------------------------------------------------------------------


def test_an_id_names_local_weights_or_none() -> None:
    assert weights_of(LM) == SHA256
    assert weights_of("hosted/openai/gpt-4o-mini") is None


def test_weights_from_elsewhere_are_verified_and_kept(cache: Path) -> None:
    assert known_weights(SHA256) is None

    def fetch(content: bytes) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            (folder / "any.gguf").write_bytes(content)
            return folder / "any.gguf"

        return write

    with pytest.raises(WeightsError, match="not the weights"):
        keep_weights(SHA256, fetch(b"others"))
    assert not list((cache / "weights").glob("*.gguf"))
    path = keep_weights(SHA256, fetch(CONTENT))
    assert path.read_bytes() == CONTENT
    assert known_weights(SHA256) == find_weights(SHA256) == path
    assert keep_weights(SHA256, fetch(b"never asked")) == path
    assert [one.suffix for one in (cache / "weights").iterdir() if one != path] == [".lock"]
    path.write_bytes(b"altered")
    assert known_weights(SHA256) is None
    assert keep_weights(SHA256, fetch(CONTENT)).read_bytes() == CONTENT


def test_many_at_once_fetch_once(cache: Path) -> None:
    fetched = []

    def fetch(folder: Path) -> Path:
        fetched.append(folder)
        (folder / "any.gguf").write_bytes(CONTENT)
        return folder / "any.gguf"

    threads = [threading.Thread(target=keep_weights, args=(SHA256, fetch)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert known_weights(SHA256) is not None


@pytest.mark.slow
def test_the_store_gets_weights_once_whoever_asks(tmp_path: Path, weights: Path) -> None:
    registry = Registry(tracking_uri(tmp_path / "project"))
    client = registry.client
    assert stored_weights(registry, "hosted/x") is None
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(stored_weights(registry, LM))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (address,) = set(found)
    assert len(found) == 4
    assert address is not None
    assert address.startswith("runs:/")
    assert len(list((tmp_path / "project").rglob("*.gguf"))) == 1
    weights.unlink()
    assert stored_weights(registry, LM) == address  # they need not be here any more
    run = address.removeprefix("runs:/").partition("/")[0]
    client.delete_run(run)
    with pytest.raises(WeightsError, match=r"no weights|cannot be read"):
        stored_weights(registry, LM)
    weights.write_bytes(CONTENT)
    assert stored_weights(registry, LM) not in (None, address)
