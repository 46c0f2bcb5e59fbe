"""Programs of several steps, run: in order, at once, with functions whose code the artifact holds."""

from __future__ import annotations

import http.server
import json
import shutil
import sys
import threading
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import pytest
from mail_program import (
    TOOLS,
    Clerk,
    Confirm,
    Sort,
    compiled,
    made,
    rows,
    tools,
)

import shipworthy as sw
from shipworthy.errors import (
    ArtifactError,
    DeadlineError,
    OutputError,
    RowError,
    StepError,
)
from shipworthy.lms import Prompt, Usage
from shipworthy.registry import resolve
from shipworthy.registry.reading import sealed
from shipworthy.runtime import load_artifact, root_of

__all__ = ["made"]


def test_each_step_answers_and_is_traced_in_order(made: Any) -> None:
    answer = made.program(text="where is parcel 77")
    assert answer.outputs == {"kind": "order", "number": "77", "urgent": False, "reply": "about 77"}
    assert [step.name for step in answer.steps] == list(made.program.spec.flow)
    assert 0 < answer.confidence["kind"] <= 1
    assert answer.confidence["reply"] is None


def test_a_step_whose_decision_fell_otherwise_does_not_run(made: Any) -> None:
    answer = made.program(text="cup 4 has a crack")
    assert (answer.kind, answer.number, answer.urgent) == ("complaint", None, True)
    assert "confirm" not in [step.name for step in answer.steps]
    assert answer.confidence["number"] is None


def test_a_row_is_answered_if_every_step_that_ran_is_sure(made: Any) -> None:
    answer = made.program(text="zzz")
    assert answer.answered == all(step.answered for step in answer.steps)


def test_time_is_counted_along_the_longest_way(made: Any) -> None:
    answer = made.program(text="where is parcel 77")
    by = {step.name: step for step in answer.steps}
    assert by["sort"].start_ms == by["passages"].start_ms == 0
    assert by["urgent"].start_ms == by["confirm"].start_ms == by["sort"].ms
    assert answer.ms == by["reply"].start_ms + by["reply"].ms


def test_an_artifact_runs_without_the_code_that_made_it(made: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.artifact, copy)
    program = load_artifact(copy, lm=Clerk())
    assert program.digest == made.digest
    assert program(text="where is parcel 5").outputs == made.program(text="where is parcel 5").outputs
    assert any(name.startswith("code/") and name.endswith("/handbook.txt") for name in _manifest(copy))


def _manifest(folder: Path) -> list[str]:
    return list(json.loads((folder / "manifest.json").read_text())["files"])


def test_code_that_was_altered_or_added_is_refused(made: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.artifact, copy)
    (code,) = copy.glob("code/*/tools.py")
    code.write_text(code.read_text() + "\nimport os\n")
    with pytest.raises(ArtifactError, match="altered"):
        load_artifact(copy)
    code.unlink()
    with pytest.raises(ArtifactError, match="missing"):
        load_artifact(copy)


def test_a_manifest_cannot_name_files_outside(made: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.artifact, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["code/../../secret.txt"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="does not know"):
        load_artifact(copy)


def test_two_versions_in_one_process_each_run_their_own_code(tmp_path: Path) -> None:
    programs = []
    for word in ("first", "second"):
        text = f"NAME = {word!r}\n\ndef name(text: str) -> str:\n    return NAME + text\n"
        own = tools(tmp_path / word, text, "names")

        class Named(sw.Steps):
            name = sw.step(own.name)

        programs.append(compiled(tmp_path / word, Named()).program)
    before = list(sys.path)
    assert [program(text="!").name for program in programs] == ["first!", "second!"]
    assert sys.path == before
    assert "names" not in sys.modules


def test_a_functions_own_exception_names_its_type_and_line_and_the_step(tmp_path: Path) -> None:
    own = tools(tmp_path / "source")

    class Shelf(sw.Steps):
        shelf = sw.step(own.fails)

    program = compiled(tmp_path, Shelf()).program
    assert program(text="calm").shelf == "calm"
    with pytest.raises(StepError, match="fails raises ValueError: no such shelf") as caught:
        program(text="boom")
    line = 1 + TOOLS.splitlines().index('        raise ValueError("no such shelf")')
    assert caught.value.where == f"step 'shelf', tools.py:{line}"
    first, second = program.answer_many([{"text": "boom"}, {"text": "calm"}])
    assert isinstance(first.error, RowError)
    assert second.unwrap().shelf == "calm"


def test_what_a_function_returns_must_fit_its_annotation(tmp_path: Path) -> None:
    own = tools(tmp_path / "source", "def size(text: str) -> int:\n    return text\n")

    class Size(sw.Steps):
        size = sw.step(own.size)

    with pytest.raises(OutputError, match="size returns for 'size'") as caught:
        compiled(tmp_path, Size()).program(text="three")
    assert caught.value.where == "step 'size'"


MEETING = """
import threading

barrier = threading.Barrier(2, timeout=60)
seen = set()


def here(text: str) -> int:
    seen.add(threading.get_ident())
    return barrier.wait()


def there(text: str) -> int:
    seen.add(threading.get_ident())
    return barrier.wait()


def after(here: int, there: int) -> int:
    return here + there


def threads(text: str) -> int:
    return threading.get_ident()


def more(threads: int) -> bool:
    return threads == threading.get_ident()
"""


def test_independent_steps_run_at_the_same_time(tmp_path: Path) -> None:
    own = tools(tmp_path / "source", MEETING, "meeting")

    class Meet(sw.Steps):
        here = sw.step(own.here)
        there = sw.step(own.there)
        after = sw.step(own.after)

    # Each waits for the other: one after the other, neither would end.
    assert compiled(tmp_path, Meet()).program(text="a").after == 1


def test_steps_in_a_line_run_on_the_rows_own_thread(tmp_path: Path) -> None:
    own = tools(tmp_path / "source", MEETING, "meeting")

    class Line(sw.Steps):
        outputs = ("threads", "more")
        threads = sw.step(own.threads)
        more = sw.step(own.more)

    answer = compiled(tmp_path, Line()).program(text="a")
    assert answer.threads == threading.get_ident()
    assert answer.more


LATE = """
from shipworthy.lms import time_left


def one(text: str) -> bool:
    return time_left() is not None


def two(text: str) -> bool:
    return time_left() is not None
"""


def test_a_deadline_holds_in_steps_that_run_beside_each_other(tmp_path: Path) -> None:
    own = tools(tmp_path / "source", LATE, "late")

    class Late(sw.Steps):
        one = sw.step(own.one)
        two = sw.step(own.two)

    program = compiled(tmp_path, Late()).program
    assert program.answer({"text": "a"}, deadline_s=60).outputs == {"one": True, "two": True}
    assert program(text="a").outputs == {"one": False, "two": False}
    with pytest.raises(DeadlineError) as caught:
        program.answer({"text": "a"}, deadline_s=1e-9)
    assert caught.value.where.startswith("step ")


class Counting(Clerk):
    """Notes how many calls are under way at once."""

    workers = 2

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def generate(self, prompt: Prompt, **options: Any) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return super().generate(prompt, **options)
        finally:
            with self.lock:
                self.now -= 1


def test_no_more_steps_run_at_once_than_the_lm_serves(tmp_path: Path) -> None:
    class Five(sw.Steps):
        a = sw.step(dspy.Signature("text -> a", "Name a."))
        b = sw.step(dspy.Signature("text -> b", "Name b."))
        c = sw.step(dspy.Signature("text -> c", "Name c."))
        d = sw.step(dspy.Signature("text -> d", "Name d."))
        e = sw.step(dspy.Signature("text -> e", "Name e."))

    lm = Counting()
    program = compiled(tmp_path, Five(), lm=lm).program
    assert set(program(text="7").outputs.values()) == {"7"}
    assert lm.most <= 2


def test_a_compiled_program_of_steps_composes_within_dspy(made: Any) -> None:
    found = made.program.as_dspy()(text="where is parcel 5")
    assert (found.kind, found.reply) == ("order", "about 5")


def test_the_usage_of_every_step_is_counted(made: Any) -> None:
    answer = made.program(text="where is parcel 77")
    asked = [step for step in answer.steps if step.lm_calls]
    assert {step.name for step in asked} >= {"confirm", "reply"}
    assert answer.tokens == sum(Usage(step.tokens_in, 0, step.tokens_out).tokens for step in asked)


def test_an_error_of_the_lm_names_the_step(made: Any) -> None:
    class Silent(Clerk):
        def generate(self, prompt: Prompt, **options: Any) -> Any:
            return replace(super().generate(prompt, **options), text="{}")

    program = load_artifact(made.artifact, lm=Silent())
    with pytest.raises(OutputError, match="has no 'number'") as caught:
        program(text="where is parcel 3")
    assert caught.value.where.startswith("step 'confirm'")


def test_branches_behind_a_router_come_together_in_one_output(tmp_path: Path) -> None:
    class Routed(sw.Steps):
        outputs = ("kind", "number", "note")
        sort = sw.step(Sort)
        order = sw.step(Confirm, when={"kind": "order"})
        other = sw.step(Confirm.with_instructions("Name the cup."), when={"kind": ["complaint", "praise"]})
        note = sw.step(dspy.Signature("number -> note", "Name it again."))

    train = [{**row, "number": row["text"].split()[2]} for row in rows(30)]
    program = compiled(tmp_path, Routed(), sw.Student(), train=train).program
    for text, ran in (("where is 41", "order"), ("cup 42 has a crack", "other")):
        answer = program(text=text)
        assert answer.note == answer.number
        assert [step.name for step in answer.steps] == ["sort", ran, "note"]


def test_values_reach_functions_with_the_types_of_their_annotations(tmp_path: Path) -> None:
    text = """
from __future__ import annotations

import datetime

from pydantic import BaseModel


class Line(BaseModel):
    count: int
    due: datetime.date


def read(text: str) -> list[Line]:
    return [Line(count=2, due=datetime.date(2026, 11, 26))]


def late(read: list[Line], text: str = "x") -> str:
    return (read[0].due + datetime.timedelta(days=read[0].count)).isoformat()
"""
    own = tools(tmp_path / "source", text, "typed")

    class Typed(sw.Steps):
        read = sw.step(own.read)
        late = sw.step(own.late)

    made = compiled(tmp_path, Typed())
    assert made.program(text="a").late == "2026-11-28"
    assert Typed()(text="a").late == "2026-11-28"  # within DSPy too


class Server(http.server.BaseHTTPRequestHandler):
    """As much of a tracking server as resolving a version asks for; `folder` holds the artifact."""

    folder: Path
    digest: str

    def do_GET(self) -> None:
        url = urllib.parse.urlparse(self.path)
        at = self.folder / urllib.parse.unquote(url.path).partition("/store/artifacts/")[2]
        if url.path.endswith("/model-versions/get"):
            tags = sealed(
                {
                    "shipworthy.digest": self.digest,
                    "shipworthy.folder": "artifacts",
                    "shipworthy.root": root_of(self.folder),
                }
            )
            found = [{"key": key, "value": value} for key, value in tags.items()]
            version = {"name": "mail", "version": "1", "tags": found}
            self.answer(json.dumps({"model_version": version}).encode())
        elif url.path.endswith("/get-download-uri"):
            self.answer(json.dumps({"artifact_uri": "mlflow-artifacts:/store"}).encode())
        elif url.query:
            path = dict(urllib.parse.parse_qsl(url.query))["path"]
            root = self.folder / path.removeprefix("store/artifacts").strip("/")
            files = [{"path": one.name, "is_dir": one.is_dir()} for one in root.iterdir()]
            self.answer(json.dumps({"files": files}).encode())
        else:
            self.answer(at.read_bytes())

    def answer(self, data: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_a_tracking_server_gives_the_code_too(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPWORTHY_CACHE", str(tmp_path / "cache"))
    handler = type("Of", (Server,), {"folder": made.artifact, "digest": made.digest})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = resolve("mail/1", uri=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert (tmp_path / "cache") in found.artifact.parents
    program = load_artifact(found.artifact, lm=Clerk())
    assert program(text="where is parcel 6").outputs == made.program(text="where is parcel 6").outputs
