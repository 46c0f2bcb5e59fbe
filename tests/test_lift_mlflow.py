"""Prompts of MLflow's prompt registry, against a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from shipworthy.errors import NotFoundError, PrototypeError, RegistryError
from shipworthy.lift.draft import Draft
from shipworthy.lift.mlflow_reader import is_registered, name_of, read_registered, text_of_registered
from shipworthy.lift.pieces import Slot


class Verdict(BaseModel):
    label: str = Field(pattern="^(good|bad)$")
    stars: int = Field(ge=1, le=5, description="5 is best")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('prompts') / 'mlflow.db'}"


def register(registry: str, name: str, template: Any, **more: Any) -> None:
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=registry, registry_uri=registry).register_prompt(name, template, **more)


def read(registry: str, uri: str) -> Draft:
    return read_registered(uri, tracking_uri=registry)


def rendered(draft: Draft, **values: Any) -> Sequence[tuple[str, str]]:
    return draft.steps[0].prompts[0].render(values)


def test_a_text_prompt_is_read_by_version_and_by_alias(registry: str) -> None:
    from mlflow import MlflowClient

    register(registry, "sum-up", "Sum up {{ text }} in {{class}} words. {single} {{ not a slot }} 🙂 שלום")
    register(registry, "sum-up", "Be brief: {{text}}")
    client = MlflowClient(tracking_uri=registry, registry_uri=registry)
    client.set_prompt_alias("sum-up", "live", 1)
    first = read(registry, "prompts:/sum-up/1")
    assert first.steps == read(registry, "prompts:/sum-up@live").steps
    assert first.steps[0].name == name_of("prompts:/sum-up/1") == "sum_up"
    assert rendered(first, text="{{it}}", class_=5) == (
        ("user", "Sum up {{it}} in 5 words. {single} {{ not a slot }} 🙂 שלום"),
    )
    assert first.unmapped[0].why.startswith("renamed to class_: it is a Python keyword")
    assert rendered(read(registry, "prompts:/sum-up@latest"), text="x") == (("user", "Be brief: x"),)


def test_a_chat_prompt_keeps_roles_and_its_response_format(registry: str) -> None:
    turns = [
        {"role": "system", "content": "You rate {{kind}} stays."},
        {"role": "user", "content": [{"type": "text", "text": "{{review}}"}]},
    ]
    register(
        registry,
        "rate",
        turns,
        response_format=Verdict,
        model_config={"model_name": "gpt-4o", "temperature": 0.1},
    )
    found = read(registry, "prompts:/rate/1")
    assert rendered(found, kind="hotel", review="fine") == (
        ("system", "You rate hotel stays."),
        ("user", "fine"),
    )
    assert [field.name for field in found.steps[0].outputs] == ["label", "stars"]
    assert found.steps[0].outputs[1].schema == {"type": "integer", "minimum": 1, "maximum": 5}
    assert "model_name=gpt-4o" in found.unmapped[-1].what
    assert '"role": "system"' in text_of_registered("prompts:/rate/1", tracking_uri=registry)


def test_jinja_is_read_only_where_a_tag_says_so(registry: str) -> None:
    register(
        registry, "loop", "{% for fact in facts %}- {{ fact }}\n{% endfor %}{% if kind %}Be kind.{% endif %}"
    )
    assert rendered(read(registry, "prompts:/loop/1"), facts=["a", "b"], kind=True) == (
        ("user", "- a\n- b\nBe kind."),
    )
    register(registry, "filter", "Upper: {{ text | upper }}")
    assert rendered(read(registry, "prompts:/filter/1")) == (("user", "Upper: {{ text | upper }}"),)


@pytest.mark.parametrize("uri", ["prompts:/", "prompts:/a", "prompts:/a/b", "prompts:/a@b/1", "a.txt"])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(PrototypeError, match="no address") as caught:
        read_registered(uri)
    assert caught.value.where == uri
    assert is_registered(uri) == uri.startswith("prompts:/")


@pytest.mark.parametrize("uri", ["prompts:/nobody/1", "prompts:/here/7", "prompts:/here@nowhere"])
def test_a_prompt_that_is_not_there_is_told(registry: str, uri: str) -> None:
    register(registry, "here", "x {{y}}")
    with pytest.raises(NotFoundError):
        read(registry, uri)


def test_a_registry_that_cannot_be_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for uri in ("http://127.0.0.1:9", f"sqlite:///{tmp_path}/no/folder/mlflow.db"):
        with pytest.raises(RegistryError, match="cannot be read"):
            read_registered("prompts:/a/1", tracking_uri=uri)
    assert not list(tmp_path.iterdir())


def test_importing_the_reader_imports_no_mlflow() -> None:
    code = "import sys, shipworthy.lift.mlflow_reader; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


WORDS = st.text(st.characters(categories=["L", "Nd", "So"]), min_size=1, max_size=8)
PARTS = st.lists(
    st.one_of(WORDS.map(lambda word: f"{word}."), st.sampled_from(["a", "B", "b", "if"]).map(lambda n: (n,))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, chat=st.booleans())
def test_every_slot_and_sentence_is_kept(registry: str, parts: list[Any], chat: bool) -> None:
    text = " ".join(f"{{{{ {part[0]} }}}}" if isinstance(part, tuple) else part for part in parts)
    register(registry, "any", [{"role": "user", "content": text}] if chat else text)
    found = read(registry, "prompts:/any@latest")
    (message,) = found.steps[0].prompts[0].messages
    values = {name: f"<value {i}>" for i, name in enumerate(message.template.inputs)}
    assert len(values) == len({part for part in parts if isinstance(part, tuple)})
    shown = message.template.render(values)
    words = [piece for piece in message.template.pieces() if not isinstance(piece, Slot)]
    for part in parts:
        if isinstance(part, str):
            assert part in shown
            assert part in "".join(words)
    assert all(value in shown for value in values.values())
