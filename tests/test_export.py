"""Export: an artifact to carry elsewhere, as a folder or as a package that is typed and verified."""

from __future__ import annotations

import datetime
import importlib
import json
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_program import compiled, tools
from small_project import Hotel, call, hotel, snapshot
from test_deploy import install
from uv import find_uv_bin

import shipworthy as sw
from shipworthy import errors
from shipworthy.lift import module_source, package_name
from shipworthy.registry import runtime_wheel
from shipworthy.runtime import Contract, Field, load_artifact
from shipworthy.ship.exporting import summary_of

__all__ = ["hotel"]

FUNCTIONS = '''
"""Its own."""

import datetime
import decimal
from typing import Literal, TypedDict

import numpy as np
import pydantic


class Line(pydantic.BaseModel):
    name: str
    count: int = 1


class Found(TypedDict):
    size: Literal["small", "large"]
    when: datetime.date
    lines: list[Line]
    answered: bool | None


def look(ticket: str, day: datetime.date, more: dict[str, int]) -> Found:
    """Look."""
    size = "large" if np.char.str_len(ticket) > 5 else "small"
    return {"size": size, "when": day, "lines": [Line(name=key) for key in more], "answered": None}
'''
EVIL = 'a """ quote\\" and \\N{BULLET}\\\n"""\nimport os; os.abort()\n#\u2028\x00\u202e\r{x}%s'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A program of one function, compiled; no LM is asked."""
    folder = tmp_path_factory.mktemp("look")
    own = tools(folder, FUNCTIONS, "looking")

    class Look(sw.Steps):
        look = sw.step(own.look)

    return compiled(folder, Look())


def unpacked(wheel: Path, folder: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return snapshot(folder)


def imported(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


MYPY = """
[mypy]
strict = True
follow_imports = skip
[mypy-shipworthy.runtime.exported]
follow_imports = silent
[mypy-pydantic.*]
follow_imports = silent
"""
USER = """
import datetime
from defaults import defaults
from mail import MailAnswer, mail

found: MailAnswer = mail(ticket="x", day=datetime.date.today(), more={})
reveal_type(found.size)
reveal_type(found.lines[0].count)
found.nothing
mail(ticket=3, day=datetime.date.today(), more={})
defaults(needed="x", given=4)
"""


def checked(folder: Path, *files: str) -> list[str]:
    """What mypy says of files, strictly; of what they import it reads these two packages alone."""
    (folder / "mypy.ini").write_text(MYPY)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary", *files],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(Path(sw.__path__[0]).parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


# A folder --------------------------------------------------------------------------------


def test_a_folder_is_an_artifact_and_says_so_where_there_is_no_certificate(made: Any, tmp_path: Path) -> None:
    said: list[str] = []
    out = sw.export(made.artifact, tmp_path / "new" / "out", say=said.append)
    assert out == tmp_path / "new" / "out"
    assert snapshot(out) == snapshot(made.artifact)
    assert load_artifact(out).digest == made.digest
    assert "no certificate" in said[0]


def test_an_export_is_replaced_only_if_asked_and_nothing_else_ever(made: Any, tmp_path: Path) -> None:
    out = sw.export(made.artifact, tmp_path / "out")
    (out / "left").touch()
    before = snapshot(tmp_path)
    with pytest.raises(errors.InputError, match="exists") as caught:
        sw.export(made.artifact, out)
    assert "--force" in caught.value.hint
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").write_text("dear")
    for place, message in ((home, "something else"), (home / "letter", "is a file")):
        with pytest.raises(errors.InputError, match=message):
            sw.export(made.artifact, place, force=True)
    (home / "letter").unlink()
    home.rmdir()
    assert snapshot(tmp_path) == before
    sw.export(made.artifact, out, force=True)
    assert snapshot(out) == snapshot(made.artifact)


def test_a_damaged_artifact_is_not_exported(made: Any, tmp_path: Path) -> None:
    copy = sw.export(made.artifact, tmp_path / "copy")
    (copy / "probes.json").write_text("[] ")
    with pytest.raises(errors.ArtifactError, match="altered"):
        sw.export(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_half_written(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    for name, wheel in (("out", False), ("wheels", True)):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            patch.setattr("os.fsync", full)
            with pytest.raises(errors.StorageError, match="No space left"):
                sw.export(made.artifact, tmp_path / name, wheel=wheel)
        assert not list(tmp_path.rglob("*.whl"))
        assert not (tmp_path / "out").exists()


# A wheel ---------------------------------------------------------------------------------


def test_a_wheel_answers_with_types_and_holds_what_it_says(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = sw.export(made.artifact, tmp_path, wheel=True)
    assert wheel.name == f"mail-0+{made.digest[:8]}-py3-none-any.whl"
    first = wheel.read_bytes()
    assert sw.export(made.artifact, tmp_path, wheel=True, force=True).read_bytes() == first
    files = unpacked(wheel, tmp_path / "site")
    metadata = message_from_bytes(next(data for name, data in files.items() if name.endswith("METADATA")))
    assert [one.split(">=")[0] for one in metadata.get_all("Requires-Dist")][:1] == ["shipworthy"]
    assert sorted(one.split("==")[0] for one in metadata.get_all("Requires-Dist")[1:]) == [
        "numpy",
        "pydantic",
    ]
    assert files["mail/py.typed"] == b""

    mail = imported(tmp_path / "site", "mail", monkeypatch)
    answer = mail.mail(ticket="The parcel", day=datetime.date(2026, 11, 26), more={"a": 1})
    assert (answer.size, answer.when, answer.answered_) == ("large", datetime.date(2026, 11, 26), None)
    assert [(type(one).__name__, one.name, one.count) for one in answer.lines] == [("LinesItem", "a", 1)]
    assert answer.answered is True
    assert set(answer.confidence) == {"size", "when", "lines", "answered"}
    assert "It has no certificate." in mail.mail.__doc__
    with pytest.raises(errors.RowInputError):
        mail.mail(ticket="x", day="no day", more={})


def test_a_wheel_whose_files_were_altered_does_not_run(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(sw.export(made.artifact, tmp_path, wheel=True, package="altered"), tmp_path / "site")
    manifest = tmp_path / "site" / "altered" / "artifact" / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    module = imported(tmp_path / "site", "altered", monkeypatch)
    with pytest.raises(errors.ArtifactError, match="not the one"):
        module.altered(ticket="x", day=datetime.date(2026, 1, 1), more={})


def test_a_wheels_file_name_is_the_one_that_installers_take(made: Any, tmp_path: Path) -> None:
    said: list[str] = []
    wheel = sw.export(made.artifact, tmp_path / "dist" / "look.whl", package="look_at", say=said.append)
    assert wheel.parent == tmp_path / "dist"
    assert wheel.name.startswith("look_at-0+")
    assert any("no other name" in line for line in said)
    with pytest.raises(errors.InputError, match="exists"):
        sw.export(made.artifact, wheel, package="look_at")
    with pytest.raises(errors.InputError, match="only a wheel"):
        sw.export(made.artifact, tmp_path / "out", package="look_at")


@pytest.mark.parametrize(
    "name", ["class", "json", "print", "numpy", "shipworthy", "3d", "", "a b", "_x", "None", "str"]
)
def test_a_name_that_python_has_already_is_refused(name: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        package_name(name)
    assert "--package" in caught.value.hint


def test_a_dash_becomes_an_underscore() -> None:
    assert package_name("support-bot-2") == "support_bot_2"


# The source ------------------------------------------------------------------------------


NAMES = st.one_of(
    st.sampled_from(["class", "str", "answered", "confidence", "_values", "first name", "é", "1", "self"]),
    st.text(max_size=8),
)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        st.sampled_from(
            [
                {"type": "string"},
                {"type": "integer", "minimum": 1},
                {"type": "number", "default": 2},
                {"type": "boolean", "default": None},
                {"type": "string", "format": "date", "default": "2026-01-01"},
                {"type": "string", "default": EVIL},
                {"enum": [1.5, 2.5]},
                {},
            ]
        ),
        st.lists(st.text(max_size=8), min_size=1, max_size=3, unique=True).map(lambda own: {"enum": own}),
    ),
    lambda inner: st.one_of(
        inner.map(lambda own: {"type": "array", "items": own}),
        inner.map(lambda own: {"anyOf": [own, {"type": "null"}], "default": None}),
        st.dictionaries(NAMES, inner, max_size=3).map(
            lambda own: {"type": "object", "title": EVIL, "properties": own, "required": list(own)[:1]}
        ),
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(NAMES, st.tuples(SCHEMAS, st.text(max_size=20)), min_size=2, max_size=6),
    st.lists(st.text(max_size=30), max_size=3),
)
def test_whatever_stands_in_a_contract_or_certificate_the_source_is_that_of_one_function(
    fields: dict[str, tuple[dict[str, Any], str]], summary: list[str]
) -> None:
    both = [Field(name, schema, about + EVIL) for name, (schema, about) in fields.items()]
    contract = Contract(tuple(both[:1]), tuple(both[1:]))
    text = module_source("bot", contract, version=f"bot/{EVIL}", root="0", summary=[*summary, EVIL])
    names: dict[str, Any] = {"__name__": "bot", "__file__": "bot/__init__.py"}
    module = ModuleType("bot")
    sys.modules["bot"] = module
    try:
        module.__dict__.update(names)
        exec(compile(text, "bot", "exec"), module.__dict__)
        public = {name for name in module.__dict__ if not name.startswith("_")}
        allowed = {"annotations", "datetime", "Any", "Literal", "BaseModel", "dataclass", "Exported"}
        assert {"bot", "BotAnswer"} <= public
        classes = {name for name in public - allowed if isinstance(module.__dict__[name], type)}
        assert all(module.__dict__[name].__module__ == "bot" for name in classes)
        assert "import os; os.abort()" in module.__dict__["bot"].__doc__
    finally:
        del sys.modules["bot"]


DEFAULTS = Contract(
    (
        Field("given", {"type": "integer", "default": 3}),
        Field("left", {"type": "string", "format": "date", "default": "2026-01-01"}),
        Field("needed", {"type": "string"}),
    ),
    (Field("said", {"type": "string"}),),
)


def test_defaults_are_the_programs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bot").mkdir()
    text = module_source("bot", DEFAULTS, version="bot/1", root="0", summary=["A line."])
    (tmp_path / "bot" / "__init__.py").write_text(text)
    bot = imported(tmp_path, "bot", monkeypatch)
    seen: list[dict[str, Any]] = []

    class Program:
        def answer(self, given: dict[str, Any]) -> Any:
            seen.append(given)
            return {"said": "yes"}, type("Found", (), {"confidence": {"said": None}, "answered": True})

    monkeypatch.setattr(bot, "_PROGRAM", Program())
    assert bot.bot(needed="x").said == "yes"
    bot.bot(needed="x", given=4, left=datetime.date(2026, 2, 2))
    assert seen == [
        {"given": 3, "needed": "x"},
        {"given": 4, "left": datetime.date(2026, 2, 2), "needed": "x"},
    ]


@pytest.mark.slow
def test_the_source_is_typed_strictly(made: Any, tmp_path: Path) -> None:
    unpacked(sw.export(made.artifact, tmp_path, wheel=True), tmp_path)
    (tmp_path / "defaults").mkdir()
    text = module_source("defaults", DEFAULTS, version="defaults/1", root="0", summary=[])
    (tmp_path / "defaults" / "__init__.py").write_text(text)
    (tmp_path / "user.py").write_text(USER)
    said = checked(tmp_path, "user.py", "mail/__init__.py", "defaults/__init__.py")
    assert [line.partition(": ")[0] for line in said] == ["user.py:7", "user.py:8", "user.py:9", "user.py:10"]
    assert "'small'" in said[0]
    assert '"int"' in said[1]
    assert 'has no attribute "nothing"' in said[2]
    assert 'incompatible type "int"; expected "str"' in said[3]


def test_the_summary_is_what_the_certificate_says(made: Any) -> None:
    data = {
        "verdict": "pass",
        "quick": True,
        "compiled": {"score": 0.9333, "ci": [0.787, 0.982], "n": 30},
        "reasons": ["better than\nthe prototype", "x" * 1000],
    }
    lines = summary_of(made.program, "mail/3", data)
    assert lines[0] == f"Program mail/3, digest {made.digest[:12]}, on no LM."
    assert lines[1:4] == [
        "Verdict of its quick certificate: pass.",
        "Score 93.3 % (95 % interval 78.7 to 98.2) on 30 test rows.",
        "- better than the prototype",
    ]
    assert len(lines[4]) < 310
    assert "could not" not in "".join(lines)
    assert any("scored" in line for line in summary_of(made.program, "mail/3", {**data, "compiled": None}))


# From the registry -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_version_is_exported_with_its_certificate(
    hotel: Hotel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    done = call("export", "hotel/1", out, "--json", cwd=hotel.folder)
    assert (done.code, done.document) == (0, {"path": str(out)})
    assert json.loads((out / "certificate.json").read_bytes())["verdict"] == hotel.shipped.document["verdict"]
    rows = b'{"message": "The lamp flickers"}\n'
    keys = ("output", "confidence", "answered")
    (here,) = call("run", out, cwd=tmp_path, stdin=rows).lines
    (there,) = call("run", "hotel/1", cwd=hotel.folder, stdin=rows).lines
    assert [here[key] for key in keys] == [there[key] for key in keys]
    again = call("export", "hotel/1", out, "--json", cwd=hotel.folder)
    assert (again.code, again.document["error"]["type"]) == (2, "InputError")

    wheels = [
        Path(call("export", what, tmp_path / name, "--wheel", "--json", cwd=hotel.folder).document["path"])
        for what, name in (("hotel/1", "a"), (str(out), "b"))
    ]
    assert [wheel.name for wheel in wheels] == [
        "hotel-1-py3-none-any.whl",
        f"hotel-0+{hotel.shipped.document['compile']['digest'][:8]}-py3-none-any.whl",
    ]
    files = unpacked(wheels[0], tmp_path / "site")
    assert {"hotel/certificate.html", "hotel/certificate.json", "hotel/artifact/program.json"} <= set(files)
    module = imported(tmp_path / "site", "hotel", monkeypatch)
    score = 100 * hotel.shipped.document["compiled"]["score"]
    assert f"Score {score:.1f} % (95 % interval" in module.hotel.__doc__
    answer = module.hotel(message="The lamp flickers")
    assert answer.desk == there["output"]["desk"]
    assert answer.confidence == there["confidence"]


@pytest.mark.slow
def test_a_wheel_runs_where_nothing_but_the_lean_half_is(hotel: Hotel, tmp_path: Path) -> None:
    wheel = Path(call("export", "hotel/1", tmp_path, "--wheel", "--json", cwd=hotel.folder).document["path"])
    subprocess.run([find_uv_bin(), "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    if failed := install(python, tmp_path, str(wheel), str(runtime_wheel())):
        pytest.skip(f"the packages of the lean half cannot be had: {failed[-300:]}")
    code = (
        "import json, sys; from importlib.util import find_spec; from hotel import hotel; "
        "answer = hotel(message='The lamp flickers'); "
        "print(json.dumps([answer.desk, answer.confidence, answer.answered, "
        "[name for name in ('mlflow', 'dspy', 'pandas', 'sklearn', 'jinja2') if find_spec(name)]]))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = b'{"message": "The lamp flickers"}\n'
    (line,) = call("run", "hotel/1", cwd=hotel.folder, stdin=rows).lines
    assert json.loads(done.stdout) == [line["output"]["desk"], line["confidence"], line["answered"], []]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["hotel@nosuch", "hotel/9", "nosuch", "no such/name"])
def test_what_is_not_there_cannot_be_exported(hotel: Hotel, tmp_path: Path, what: str) -> None:
    done = call("export", what, tmp_path / "out", "--json", cwd=hotel.folder)
    assert (done.code, done.document["error"]["type"]) == (2, "NotFoundError")
    assert not (tmp_path / "out").exists()
