"""Security: what others can write, say or serve leads nowhere that it should not, and no key is kept.

docs/security.md has the threats, and names for each the test that shows what happens.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import pickle
import re
import shutil
import sqlite3
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from registered import copy_project, copy_versions
from small_project import KEYS, MESSAGES, PROMPT, call, rows_text
from test_artifact import sign, write

import shipworthy
from shipworthy import cli, errors
from shipworthy.lms import cache_folder
from shipworthy.registry import Registry, history, resolve, runtime_wheel, tracking_uri
from shipworthy.registry.local import keep_copy, place_of, shown_address
from shipworthy.registry.reading import sealed
from shipworthy.registry.registering import delete_model
from shipworthy.runtime import check_manifest, load_artifact, read_artifact, root_of

PASSWORD = "Hx4-open sesame"
TOKEN = "Tk9.aaaa.bbbb"
INSIDE = "artifacts/program"


class Server:
    """A tracking server that says what a test wants of one version, `hotel/1`."""

    def __init__(self, artifact: Path) -> None:
        names = [path for path in artifact.rglob("*") if path.is_file()]
        self.files = {str(path.relative_to(artifact)): path.read_bytes() for path in names}
        self.root = root_of(artifact)
        self.leads_to = ""
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(unquote(self.path))
                server.authorizations.append(self.headers.get("Authorization"))
                if server.leads_to:
                    self.send_response(302)
                    self.send_header("Location", server.leads_to + self.path)
                    self.end_headers()
                    return
                body = server.answer(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    @property
    def tags(self) -> dict[str, str]:
        own = {"digest": "d" * 64, "root": self.root, "folder": INSIDE}
        return sealed({f"shipworthy.{key}": value for key, value in own.items()})

    def answer(self, path: str) -> bytes | None:
        """What is at a path; None where there is nothing."""
        parts = urlsplit(path)
        what = parts.path.partition("/api/2.0/")[2]
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        version = {"name": "hotel", "version": "1", "tags": tags}
        named = parse_qs(parts.query).get("filter", [""])[0] == "name = 'hotel'"
        if what == "mlflow-artifacts/artifacts":  # who asks what there is, gets this
            return json.dumps({"files": [{"path": name} for name in ("../x", "/x", "..\\x")]}).encode()
        if what.startswith("mlflow-artifacts/artifacts/"):
            return self.files.get(unquote(what).partition(f"/1/m/{INSIDE}/")[2])
        found: dict[str, Any] = {
            "mlflow/model-versions/search": {"model_versions": [version] if named else []},
            "mlflow/model-versions/get": {"model_version": version},
            "mlflow/model-versions/get-download-uri": {"artifact_uri": "mlflow-artifacts:/1/m"},
            "mlflow/registered-models/get": {"registered_model": {"name": "hotel"}},
            "mlflow/registered-models/search": {"registered_models": [{"name": "hotel"}]},
        }
        return json.dumps(found[what]).encode() if what in found else None

    def name(self, name: str, data: bytes) -> None:
        """The manifest names one more file; root hash and seal agree."""
        manifest = json.loads(self.files["manifest.json"])
        manifest["files"][name] = shipworthy.examples.digest_of(data)
        self.files["manifest.json"] = json.dumps(manifest).encode()
        self.root = shipworthy.examples.digest_of(self.files["manifest.json"])


@contextlib.contextmanager
def serving(artifact: Path) -> Iterator[Server]:
    server = Server(artifact)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write(tmp_path / "made", mixed=False)
    return tmp_path / "made"


@pytest.fixture
def server(artifact: Path, cache: Path) -> Iterator[Server]:
    with serving(artifact) as made:
        yield made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, and none of MLflow's variables."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHIPWORTHY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_the_tests_that_the_page_names_are_there() -> None:
    page = (Path(__file__).parent.parent / "docs" / "security.md").read_text(encoding="utf-8")
    file = ""
    named = re.findall(r"`(test_\w+)?::(test_\w+)`", page)
    assert len(named) > 30
    for stated, test in named:
        file = stated or file
        assert f"def {test}(" in (Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8"), test


# Paths ----------------------------------------------------------------------------------


def test_a_server_is_asked_for_the_files_of_the_verified_manifest_and_for_no_list(
    server: Server, artifact: Path
) -> None:
    found = resolve("hotel/1", uri=server.uri)
    assert check_manifest(found.artifact, root=server.root) == check_manifest(artifact)
    assert files_below(found.artifact) == files_below(artifact)
    assert not [path for path in server.asked if "?path=" in path]


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/tmp/x",
        "..\\x",
        "C:x",
        "code/../../x",
        "code/..\\..\\x",
        "code/C:/x",
        "code//x",
        "code/x\0",
        "code/\ud800",
        "heads.pkl",
    ],
)
def test_a_manifest_that_leads_elsewhere_is_refused_though_all_hashes_agree(
    server: Server, tmp_path: Path, name: str
) -> None:
    server.name(name, b"x")
    server.files[name] = b"x"
    before = files_below(tmp_path)
    with pytest.raises(errors.ArtifactError, match="manifest"):
        resolve("hotel/1", uri=server.uri)
    assert [path for path in server.asked if INSIDE in path] == [
        f"/api/2.0/mlflow-artifacts/artifacts/1/m/{INSIDE}/manifest.json"
    ]
    assert files_below(tmp_path) == before


def test_what_a_server_altered_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["program.json"] = server.files["program.json"].replace(b"billing", b"killing")
    before = files_below(tmp_path)
    with pytest.raises(errors.ArtifactError, match="altered"):
        resolve("hotel/1", uri=server.uri)
    assert files_below(tmp_path) == before


def test_links_are_followed_to_verified_bytes_alone_and_copies_have_none(
    artifact: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes((artifact / "program.json").read_bytes())
    (artifact / "program.json").unlink()
    (artifact / "program.json").symlink_to(outside)
    read_artifact(artifact)
    keep_copy(tmp_path, artifact, root_of(artifact))
    kept = tmp_path / "kept" / root_of(artifact)
    assert not [path for path in kept.rglob("*") if path.is_symlink()]
    outside.write_text("root:x:0:0")
    with pytest.raises(errors.ArtifactError, match="altered") as caught:
        read_artifact(artifact)
    assert "root" not in caught.value.message
    read_artifact(kept)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_a_device_in_an_artifact_is_not_read(artifact: Path) -> None:
    (artifact / "probes.json").unlink()
    os.mkfifo(artifact / "probes.json")
    with pytest.raises(errors.ArtifactError, match="missing"):
        read_artifact(artifact)
    (artifact / "probes.json").unlink()
    (artifact / "probes.json").symlink_to("/dev/zero")
    with pytest.raises(errors.ArtifactError, match="missing"):
        read_artifact(artifact)


def test_a_model_is_removed_with_its_own_folder_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "artifacts"
    folder.mkdir(parents=True)
    deleted: list[str] = []
    client = SimpleNamespace(
        get_logged_model=lambda _: SimpleNamespace(artifact_location=folder.as_uri()),
        delete_logged_model=deleted.append,
    )
    registry: Any = SimpleNamespace(client=client, folder=tmp_path)
    delete_model(registry, "home")
    assert deleted == ["home"]
    assert folder.is_dir()
    model = "m-" + "0" * 32
    folder = tmp_path / "first" / "mlartifacts" / model / "artifacts"
    folder.mkdir(parents=True)
    registry.folder = tmp_path / "copy"
    delete_model(registry, model)
    assert folder.is_dir()
    registry.folder = tmp_path / "first"
    delete_model(registry, model)
    assert not folder.parent.exists()


# Parsing --------------------------------------------------------------------------------


def test_nothing_is_parsed_before_its_digest_is_verified(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.numpy

    root = root_of(artifact)
    whole = {name: (artifact / name).read_bytes() for name in files_below(artifact)}
    parsed: list[bytes] = []

    def noting(parse: Callable[..., Any]) -> Callable[..., Any]:
        def noted(data: Any, *arguments: Any, **given: Any) -> Any:
            parsed.append(data if isinstance(data, bytes) else str(data).encode())
            return parse(data, *arguments, **given)

        return noted

    monkeypatch.setattr(json, "loads", noting(json.loads))
    monkeypatch.setattr(safetensors.numpy, "load", noting(safetensors.numpy.load))
    read_artifact(artifact, root=root)
    assert {whole[name] for name in ("manifest.json", "program.json", "heads.safetensors")} <= set(parsed)
    for name, data in whole.items():
        for changed in (data + b" ", data[:-1], b""):
            parsed.clear()
            (artifact / name).write_bytes(changed)
            with pytest.raises(errors.ArtifactError):
                read_artifact(artifact, root=root)
            assert set(parsed) <= set(whole.values())
            assert name != "manifest.json" or not parsed
        (artifact / name).write_bytes(data)


DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


@pytest.mark.parametrize("text", [DEEP, "[" * 100_000, f'{{"format": {"9" * 5000}}}', '{"files": [[1, 2]]}'])
@pytest.mark.parametrize("name", ["manifest.json", "program.json", "probes.json"])
def test_deep_and_large_json_is_refused(artifact: Path, name: str, text: str) -> None:
    (artifact / name).write_text(text)
    if name != "manifest.json":
        sign(artifact)
    with pytest.raises(errors.ArtifactError):
        read_artifact(artifact)


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_a_contract_of_any_depth_is_read_or_refused(artifact: Path, depth: int) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    data = json.loads((artifact / "program.json").read_bytes())
    data["contract"]["inputs"]["properties"]["ticket"] = schema
    text = json.dumps(data)
    (artifact / "program.json").write_text(text)
    sign(artifact)
    with pytest.raises(errors.ArtifactError):
        read_artifact(artifact)


def test_a_wheel_in_the_cache_that_holds_one_file_more_is_made_anew(cache: Path) -> None:
    path = runtime_wheel()
    whole = path.read_bytes()
    assert runtime_wheel().read_bytes() == whole
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("planted.pth", "import os")
    assert runtime_wheel().read_bytes() == whole


class Trap:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_beside_an_artifact_is_neither_loaded_nor_taken_along(
    artifact: Path, tmp_path: Path
) -> None:
    for name in ("heads.pkl", "program.pickle", "python_model.pkl", "model.joblib"):
        (artifact / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    program = load_artifact(artifact)
    assert program(ticket="I was charged twice").outputs
    keep_copy(tmp_path, artifact, root_of(artifact))
    suffixes = {Path(name).suffix for name in files_below(tmp_path / "kept")}
    assert suffixes == {".json", ".safetensors"}
    assert not (tmp_path / "sprung").exists()


ALLOWED = {
    ("runtime/functions.py", "exec_module"): "a step's own function, from bytes that were verified",
}
"""Calls that run what they are given, and why they may stand where they do."""
RUNNING = {"eval", "exec", "exec_module", "extractall", "unpack_archive", "run_path"}
LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch", "tarfile"}


def dangers(path: Path, inside: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [one.name.partition(".")[0] for one in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [(node.module or "").partition(".")[0]]
        yield from (f"{inside}:{node.lineno} imports {name}" for name in names if name in LOADERS)
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        owner = getattr(getattr(node.func, "value", None), "id", "")
        given = {one.arg: one.value for one in node.keywords}
        runs = name in RUNNING or (owner, name) in (("os", "system"), ("os", "popen"))
        if runs and (inside, name) not in ALLOWED:
            yield f"{inside}:{node.lineno} calls {name}"
        if name in ("load", "load_all", "unsafe_load", "full_load") and owner == "yaml":
            loader = given.get("Loader", node.args[1] if len(node.args) > 1 else None)
            if loader is None or "Safe" not in ast.unparse(loader):
                yield f"{inside}:{node.lineno} loads YAML without a safe loader"
        if "shell" in given and ast.unparse(given["shell"]) != "False":
            yield f"{inside}:{node.lineno} goes through a shell"
        if "allow_pickle" in given and ast.unparse(given["allow_pickle"]) != "False":
            yield f"{inside}:{node.lineno} allows pickle"


def test_the_source_loads_no_pickle_runs_no_text_and_unpacks_no_archive_whole() -> None:
    root = Path(shipworthy.__file__).parent
    found = [one for path in root.rglob("*.py") for one in dangers(path, path.relative_to(root).as_posix())]
    assert found == []


def test_the_scan_of_the_source_finds_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    for text in (
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run('ls', shell=True)",
        "archive.extractall('.')",
        "np.load(file, allow_pickle=True)",
    ):
        path.write_text(text)
        assert list(dangers(path, "x.py")), text
    path.write_text("yaml.load(text, Loader=yaml.SafeLoader)\nre.compile('x')\nnp.load(file)")
    assert not list(dangers(path, "x.py"))


# Credentials ----------------------------------------------------------------------------


def test_a_redirect_does_not_take_the_credentials_along(
    server: Server, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(artifact) as other:
        server.leads_to = other.uri.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        found = resolve("hotel/1", uri=server.uri)  # wherever it comes from, it must verify
        assert found.root == other.root
        assert set(server.authorizations) == {f"Bearer {TOKEN}"}
        assert set(other.authorizations) == {None}


@pytest.mark.parametrize("by", ["address", "token", "password"])
def test_credentials_are_sent_and_stand_in_no_output_and_no_note(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str
) -> None:
    uri = server.uri
    if by == "address":
        uri = uri.replace("://", f"://anna:{PASSWORD.replace(' ', '%20')}@")
    elif by == "token":
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (tmp_path / "empty").mkdir()
    said = [str(resolve("hotel/1", uri=uri))]
    for command in (("versions", "hotel"), ("history", "hotel"), ("run", "hotel/1"), ("versions", "inn")):
        done = call(*command, "--json", cwd=tmp_path / "empty")
        said += [done.out, done.err]
    assert server.authorizations
    assert None not in server.authorizations
    server.files, server.root = {}, "0" * 64
    for ask in (lambda: resolve("hotel/1", uri=uri), lambda: history(uri, "hotel")):
        with pytest.raises(errors.ShipworthyError) as caught:
            ask()
        said.append(str(caught.value.as_dict()))
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert kept
    assert place_of(uri) == place_of(server.uri)
    for secret in (PASSWORD, PASSWORD.replace(" ", "%20"), TOKEN):
        assert not [text for text in said if secret in text]
        assert not [path for path in kept if secret.encode() in path.read_bytes()]


ADDRESSES = (
    "http://anna:{}@127.0.0.1:9",
    "http://anna:{}@127.0.0.1:9/base/path",
    "http://{}@127.0.0.1:9",
    "http://anna:a#{}@127.0.0.1:9",
    "http://anna:a/{}@127.0.0.1:9",
    "http://anna:[{}@127.0.0.1:9",
    "http://anna:@{}@127.0.0.1:9",
    "file://anna:{}@host/mlruns",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_credentials_stand_in_no_error(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    secret = "Hx4sesame"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(secret))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    for command in (("versions", "hotel"), ("history", "hotel"), ("run", "hotel"), ("rollback", "hotel")):
        done = call(*command, "--json", cwd=tmp_path)
        assert done.code in (2, 3), done
        assert "InternalError" not in done.out, done
        assert not [text for text in (done.out, done.err) for one in (secret, TOKEN) if one in text]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://host:5000/base", "http://host:5000/base"),
        ("http://anna:pw@host:5000", "http://host:5000"),
        ("http://anna:p#w/x@y@host", "http://host"),
        ("postgresql+psycopg2://u:p@host/db?password=pw", "postgresql+psycopg2://host/db"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("/plain/path", "/plain/path"),
    ],
)
def test_how_messages_show_an_address(uri: str, shown: str) -> None:
    assert shown_address(uri) == shown


@pytest.mark.slow
def test_mlflows_client_takes_no_credentials_along_a_redirect(
    server: Server, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    with serving(artifact) as other:
        server.leads_to = other.uri.replace("127.0.0.1", "localhost")
        registry = Registry(server.uri)
        found = registry.client.search_registered_models()
    assert [one.name for one in found] == ["hotel"]
    assert set(server.authorizations) == {f"Bearer {TOKEN}"}
    assert set(other.authorizations) == {None}


@pytest.mark.slow
def test_what_mlflow_says_is_told_without_credentials(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry("http://anna:Hx4sesame@127.0.0.1:9")
    with pytest.raises(errors.RegistryError) as caught, registry.errors():
        registry.client.search_registered_models()
    assert "Hx4sesame" not in str(caught.value.as_dict())
    for uri in ("mysql+nosuch://anna:Hx4sesame@127.0.0.1:9/db", "odd://anna:Hx4sesame@host"):
        with pytest.raises(errors.RegistryError) as caught:
            Registry(uri).client.search_registered_models()
        assert "Hx4sesame" not in str(caught.value.as_dict())


def test_a_fault_of_ours_is_shown_without_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from shipworthy.cli import commands

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError(f"bad row: {canary('row')}")

    monkeypatch.setattr(commands.app, "main", fail)
    assert cli.run(["versions", "hotel", "--json"]) == 3
    shown = capsys.readouterr()
    assert "Traceback" in shown.err
    assert "InternalError" in shown.out
    assert canary("row") not in shown.out + shown.err


# Keys -----------------------------------------------------------------------------------


def canary(place: str) -> str:
    """A key as providers make them, that says where it was put."""
    return f"sk-canary-{place}-51c0ffee51c0ffee"


RECIPE = f"""

def right(answer, labels, inputs):
    return answer == labels


recipe = sw.Recipe(
    passes=[sw.Demos(), sw.Readout(questions=False)],
    metric=sw.scoring.Function(right, name="exact {canary("metric")}"),
)
"""

OWN = ("prompt.md", "rows.csv", "hotel/data/", "hotel/optimizers/", "hotel/.shipworthy/journals/")
"""Where a key of somebody's own may stay: what was written by hand or copied from it, and the journals of
what an LM answered, which nobody else can read and nothing is passed on from."""


@dataclass(frozen=True)
class Marked:
    """A project that was made, shipped, moved about and exported with keys wherever a person may write."""

    place: Path
    said: list[str]

    @property
    def folder(self) -> Path:
        return self.place / "hotel"

    @property
    def uri(self) -> str:
        return tracking_uri(self.folder)

    def do(self, *command: str | Path, code: int = 0) -> dict[str, Any]:
        found = call(*command, cwd=self.folder)
        assert found.code in (code, 0), found
        self.said.extend((found.out, found.err))
        return found.document if "--json" in command else {}

    def copy(self, place: Path) -> Marked:
        """The same in another place."""
        copy_project(self.folder, place / "hotel")
        return Marked(place, [])


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    place = tmp_path_factory.mktemp("marked")
    weights = cache_folder() / "weights"
    if weights.is_dir():
        (place / "cache").mkdir()
        (place / "cache" / "weights").symlink_to(weights)
    prompt = f"The key of the kitchen's printer is {canary('prompt')}.\n\nMessage: {{message}}"
    (place / "prompt.md").write_text(PROMPT.replace("Message: {message}", prompt))
    messages = {desk: texts[:3] for desk, texts in MESSAGES.items()}
    messages["kitchen"][1] += f", my token is {canary('row')}"
    messages["desk"][2] += f", my password is {canary('row')}"
    (place / "rows.csv").write_text(rows_text(messages))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("SHIPWORTHY_CACHE", str(place / "cache"))
        for name in KEYS:
            patch.setenv(name, canary("environment"))
        lifted = call("lift", "prompt.md", "rows.csv", "--name", "hotel", cwd=place)
        made = Marked(place, [lifted.out, lifted.err])
        recipe = made.folder / "optimizers" / "hotel.py"
        recipe.write_text("import shipworthy as sw\n" + RECIPE)
        assert made.do("ship", "hotel", "--json", code=1)["version"] == 1
        copy_versions(Registry(made.uri), "hotel", 1, 1)
        made.do("promote", "hotel/1", "--force", f"the gate's key is {canary('force')}", "--json")
        made.do("promote", "hotel/2", "--force", f"password: {canary('force')}", "--json")
        assert made.do("rollback", "hotel", "--reason", f"leaked {canary('reason')}", "--json")["to"] == 1
        for command in ("history", "versions", "doctor"):
            made.do(command, "hotel", "--json")
            made.do(command, "hotel")
        made.do("export", "hotel/1", place / "folder", "--json")
        made.do("export", "hotel/2", place / "wheels", "--wheel", "--json")
        made.do("diff", "hotel/1", "hotel/2", "--html", place / "diff.html", "--json")
        yield made


@pytest.mark.slow
def test_keys_wherever_a_person_may_write_are_kept_nowhere(marked: Marked) -> None:
    assert any("a secret stands in the prompt" in text for text in marked.said)
    assert not [text for text in marked.said if "sk-canary" in text]
    held = {name for name, data in everything(marked.place) if b"sk-canary" in data}
    assert {"prompt.md", "rows.csv", "hotel/optimizers/hotel.py"} <= held  # the search finds what is there
    assert not [name for name in held if not name.startswith(OWN)]
    assert not [name for name, data in everything(marked.place) if canary("environment").encode() in data]
    reasons = [entry.data["forced"] for entry in history(marked.uri, "hotel").accepted]
    assert reasons == ["the gate's key is …", "password: …", "leaked …"]


@pytest.mark.slow
def test_a_page_that_was_altered_in_the_store_is_not_passed_on(marked: Marked, tmp_path: Path) -> None:
    made = marked.copy(tmp_path)
    pages = list(made.folder.glob("mlartifacts/*/artifacts/certificate/certificate.html"))
    assert pages
    for page in pages:
        page.write_text(page.read_text() + "<script src='https://example.org/x.js'></script>")
    for kept in made.folder.glob(".shipworthy/registry/mlflow/certificates"):
        shutil.rmtree(kept)
    relocate(marked, made)
    with pytest.raises(errors.IntegrityError, match="altered"):
        shipworthy.export("hotel/1", tmp_path / "out", project=made.folder)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_repair_replaces_no_folder_that_an_edited_database_names(marked: Marked, tmp_path: Path) -> None:
    made = marked.copy(tmp_path)
    letters = tmp_path / "home" / "letters"
    letters.mkdir(parents=True)
    (letters / "one.txt").write_text("dear Anna")
    registry = Registry(made.uri)
    facts = registry.reader.version("hotel", 1)
    assert facts is not None
    own = {key: value for key, value in facts.tags.items() if key != "shipworthy.seal"}
    tags = sealed({**own, "shipworthy.folder": "letters"})
    with contextlib.closing(sqlite3.connect(made.folder / "mlflow.db")) as database:
        where = "WHERE name = 'hotel' AND version = 1"
        database.execute(f"UPDATE model_versions SET storage_location = ? {where}", [str(letters.parent)])
        for key in ("shipworthy.folder", "shipworthy.seal"):
            database.execute(f"UPDATE model_version_tags SET value = ? {where} AND key = ?", [tags[key], key])
        database.commit()
    done = call("doctor", "hotel", "--repair", "--json", cwd=made.folder)
    problems = {one["where"]: one for one in done.document["problems"] if one["kind"] == "artifact"}
    assert problems["hotel/1"]["repaired"] is None
    assert [path.name for path in letters.iterdir()] == ["one.txt"]


def relocate(one: Marked, other: Marked) -> None:
    """MLflow keeps absolute paths: the copy's database names the copy's files."""
    with contextlib.closing(sqlite3.connect(other.folder / "mlflow.db")) as database:
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", [str(one.place), str(other.place)]
            )
        database.commit()


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and what is in those that are archives; weights are left out."""
    for inside in files_below(folder):
        path = folder / inside
        if path.suffix == ".gguf":
            continue
        yield inside, path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{inside}!{name}", archive.read(name)) for name in archive.namelist())
