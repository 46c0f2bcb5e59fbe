"""Hosted LMs, against a real llama.cpp server on loopback and against one that misbehaves."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
import pytest

import shipworthy as sw
from shipworthy import errors
from shipworthy.compiler import compile_program, source_of
from shipworthy.lms import LM, Journal, Prompt, Question, Recorded, ensure_weights, open_lm
from shipworthy.lms.hosted import Hosted, response_format
from shipworthy.lms.hosted_errors import ERRORS, translated
from shipworthy.runtime import Field
from shipworthy.runtime.alternatives import label_logprobs

KEY = "sk-test-4711"
RETRIES = 4
NAME = "openai/gpt-4o-mini"
QUEUES = ["billing", "shipping", "other"]
SCHEMA = {
    "type": "object",
    "properties": {
        "queue": {"enum": QUEUES, "type": "string"},
        "reason": {"type": "string", "maxLength": 40},
    },
    "required": ["queue", "reason"],
    "additionalProperties": False,
}
PROMPT = Prompt(
    system="Route the ticket to billing, shipping or other. Reply as JSON.",
    turns=(("Ticket: where is my parcel?", '{"queue": "shipping", "reason": "parcel"}'),),
    lead="Ticket:",
    user=" I was charged twice",
)


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """The base URL of a provider: llama.cpp behind the OpenAI API."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(ensure_weights())
    params.n_ctx = 2048
    params.n_parallel = 1
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = 1
        cpu.poll = 0
    params.api_keys = [KEY]
    params.port = 0
    params.ui = False
    params.warmup = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture
def hosted(llama: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LM]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", llama)
    lm = open_lm(NAME)
    yield lm
    lm.close()


def test_generates_under_a_schema(hosted: LM, llama: str) -> None:
    generation = hosted.generate(PROMPT, max_tokens=120, schema=SCHEMA)
    answer = json.loads(generation.text)
    assert answer["queue"] in QUEUES
    assert set(answer) == {"queue", "reason"}
    assert generation.finished
    assert generation.usage.tokens_in > 20
    assert 0 < generation.usage.tokens_out <= 120
    assert generation.usage.ms > 0
    assert hosted.id == f"hosted/{NAME}@{llama.removeprefix('http://').removesuffix('/v1')}"
    assert (hosted.workers, hosted.reads_logprobs, hosted.context) == (8, False, 128_000)


def test_generates_freely_the_same_each_time_and_says_when_it_was_cut(hosted: LM) -> None:
    first = hosted.generate(PROMPT, max_tokens=4)
    assert first.text
    assert not first.finished
    assert hosted.generate(PROMPT, max_tokens=4).text == first.text


def test_a_schema_need_not_be_an_objects(hosted: LM) -> None:
    assert json.loads(hosted.generate(PROMPT, max_tokens=60, schema={"enum": QUEUES}).text) in QUEUES


def test_too_long_a_row_is_a_row_error(hosted: LM) -> None:
    with pytest.raises(errors.ContextLengthError) as caught:
        hosted.generate(Prompt(user="word " * 4000), max_tokens=4)
    assert "shorten" in caught.value.hint


def test_a_wrong_key_is_named_by_its_variable_and_not_shown(
    llama: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0815")
    monkeypatch.setenv("OPENAI_API_BASE", llama)
    with pytest.raises(errors.LMError) as caught:
        Hosted(NAME).generate(PROMPT)
    assert "OPENAI_API_KEY" in caught.value.hint
    assert "0815" not in str(caught.value)


def test_tokens_come_with_their_alternatives_and_add_up_to_the_answer(hosted: LM, tmp_path: Path) -> None:
    lm = Recorded(hosted, Journal(tmp_path / "calls.jsonl"))
    schema = {"type": "object", "properties": {"queue": {"enum": QUEUES}}, "required": ["queue"]}
    generation = lm.generate(PROMPT, max_tokens=30, schema=schema, logprobs=True)
    assert generation.tokens is not None
    assert json.loads("".join(token.text for token in generation.tokens)) == json.loads(generation.text)
    assert {len(token.top) for token in generation.tokens} == {20}
    found = label_logprobs(generation.tokens, [Field("queue", {"enum": QUEUES})])
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    assert lm.generate(PROMPT, max_tokens=30, schema=schema, logprobs=True) == generation
    assert (lm.calls, lm.made) == (2, 1)
    assert lm.generate(PROMPT, max_tokens=30, schema=schema).tokens is None


@pytest.mark.slow
def test_a_program_is_compiled_on_the_log_probabilities_of_an_endpoint(hosted: LM, tmp_path: Path) -> None:
    class Route(dspy.Signature):
        """Route the ticket to billing, shipping or other."""

        ticket: str = dspy.InputField()
        queue: Literal["billing", "shipping", "other"] = dspy.OutputField()

    said = {
        "billing": [
            "charged twice",
            "wrong invoice",
            "refund my card",
            "the bill is too high",
            "VAT number?",
        ],
        "shipping": ["where is my parcel", "it came broken", "late again", "wrong address", "no tracking"],
        "other": ["do you hire", "nice shop", "how old is the brand", "a poem for you", "press request"],
    }
    train = [{"ticket": text, "queue": queue} for queue, texts in said.items() for text in texts]
    source = source_of(dspy.Predict(Route), name="route", recipe=sw.Recipe(passes=[sw.Demos(), sw.Readout()]))
    lm = Recorded(hosted, Journal(tmp_path / "calls.jsonl"))
    made = compile_program(source, train, lm=lm, lm_name=NAME, out=tmp_path / "artifact")
    assert any("read off the answer" in note for note in made.notes)
    assert made.program.spec.steps["route"].decide.reads[0].mode == "alternatives"
    answer = made.program(ticket="I paid two times")
    assert answer.queue in said
    assert sum(answer.steps[0].probabilities["queue"].values()) == pytest.approx(1)


def test_it_neither_scores_nor_tokenises(hosted: LM) -> None:
    with pytest.raises(errors.LMError, match="tokenise"):
        hosted.tokenize("text")
    with pytest.raises(errors.LMError, match="log-probabilities"):
        hosted.score(PROMPT, [Question("queue:", (1, 2))])


def test_a_missing_key_and_an_unknown_model_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(errors.LMError) as caught:
        open_lm(NAME)
    assert "OPENAI_API_KEY" in caught.value.hint
    for name in ("nosuch/model", "model"):
        with pytest.raises(errors.LMError) as caught:
            open_lm(name)
        assert "openai/gpt-4o-mini" in caught.value.hint
        assert ". " not in caught.value.message


def test_without_an_endpoint_the_id_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert Hosted("anthropic/claude-sonnet-4-5").id == "hosted/anthropic/claude-sonnet-4-5"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://user:secret@gateway.example:8443")
    assert Hosted("anthropic/claude-sonnet-4-5").id.endswith("@gateway.example:8443")


def test_litellm_is_never_imported() -> None:
    script = (
        "import os, sys; os.environ['OPENAI_API_KEY'] = 'k'\n"
        "from shipworthy.lms import open_lm, Prompt\n"
        "assert 'dspy' not in sys.modules\n"
        "open_lm('openai/gpt-4o-mini')\n"
        "assert 'litellm' not in sys.modules\n"
        "assert os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] == 'True'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_without_dspy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name == "dspy" or name.startswith("dspy.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(errors.MissingExtraError, match=r"shipworthy\[compile\]"):
        Hosted(NAME)


# ── every error has a counterpart ────────────────────────────────────────────


def exported_errors() -> list[type[Exception]]:
    from dspy import lm15

    found = [getattr(lm15, name) for name in lm15.__all__]
    return [cls for cls in found if isinstance(cls, type) and issubclass(cls, lm15.LM15Error)]


def test_every_lm15_error_has_one_of_ours() -> None:
    assert {cls.__name__ for cls in exported_errors()} == set(ERRORS)
    for cls in exported_errors():
        ours = translated(cls("boom"), NAME)
        assert isinstance(ours, errors.LMError | errors.ContextLengthError), cls
        assert "boom" in ours.message
        assert ours.hint


def test_an_error_that_lm15_adds_later_goes_by_its_nearest_base() -> None:
    from dspy import lm15

    later = type("OverloadedError", (lm15.ServerError,), {})
    assert translated(later("boom"), NAME).hint == ERRORS["ServerError"][1]


# ── a provider that misbehaves ───────────────────────────────────────────────

Reply = tuple[int, dict[str, str], bytes]


def good(message: dict[str, Any] | None = None, finish: str = "stop") -> Reply:
    message = message or {"role": "assistant", "content": "fine"}
    body = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
    }
    return 200, {}, json.dumps(body).encode()


def bad(status: int, text: str = "boom", code: str | None = None, **headers: str) -> Reply:
    return status, headers, json.dumps({"error": {"message": text, "code": code}}).encode()


class Provider:
    """Gives the replies that it was told to, in order, and keeps the requests."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.slept: list[float] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.requests.append(json.loads(self.rfile.read(length)))
                status, headers, body = outer.replies.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


Opener = Callable[..., tuple[Hosted, Provider]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    provider = Provider()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{provider.server.server_port}/v1")
    lms = []

    def make(*replies: Reply) -> tuple[Hosted, Provider]:
        provider.replies = list(replies)
        lms.append(Hosted(NAME, sleep=provider.slept.append))
        return lms[-1], provider

    yield make
    for lm in lms:
        lm.close()
    provider.server.shutdown()
    provider.server.server_close()


def test_a_passing_failure_is_retried_with_growing_waits(opened: Opener) -> None:
    lm, provider = opened(bad(500), bad(503), bad(504), good())
    assert lm.generate(PROMPT).text == "fine"
    assert len(provider.slept) == 3
    for wait, base in zip(provider.slept, (0.5, 1.0, 2.0), strict=True):
        assert base / 2 <= wait <= base


def test_a_rate_limit_waits_as_long_as_it_is_told(opened: Opener) -> None:
    lm, provider = opened(bad(429, Retry_After="7"), good())
    assert lm.generate(PROMPT).text == "fine"
    assert 7.0 < provider.slept[0] <= 7.5


def test_with_more_patience_a_minutes_outage_is_sat_out_and_said(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, provider = opened(*[bad(503)] * 9, good())
    said: list[str] = []
    lm = Hosted(NAME, sleep=provider.slept.append, patience=120, say=said.append)
    assert lm.generate(PROMPT).text == "fine"
    assert 45 < sum(provider.slept) < 120
    assert any("trying again in" in text for text in said)
    provider.replies = [bad(503)] * 50
    provider.slept.clear()
    with pytest.raises(errors.LMError):
        lm.generate(PROMPT)
    assert sum(provider.slept) <= 120


def test_too_long_a_wait_is_not_waited(opened: Opener) -> None:
    lm, provider = opened(bad(429, Retry_After="3600"), good())
    with pytest.raises(errors.LMError, match="boom"):
        lm.generate(PROMPT)
    assert provider.slept == []


@pytest.mark.parametrize("status", [429, 500, 504])
def test_a_failure_that_lasts_is_an_error_after_the_retries(opened: Opener, status: int) -> None:
    lm, provider = opened(*[bad(status)] * 9)
    with pytest.raises(errors.LMError, match="boom"):
        lm.generate(PROMPT)
    assert len(provider.requests) == 1 + RETRIES
    assert len(provider.slept) == RETRIES


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (bad(401, f"no such key {KEY}"), errors.LMError),
        (bad(402), errors.LMError),
        (bad(404, code="model_not_found"), errors.LMError),
        (bad(429, code="insufficient_quota"), errors.LMError),
        (bad(400, code="context_length_exceeded"), errors.ContextLengthError),
        (bad(400, "bad schema"), errors.LMError),
        ((200, {}, b"<html>a captive portal</html>"), errors.LMError),
        ((200, {}, b"[]"), errors.LMError),
        (good({"role": "assistant", "refusal": "I would rather not"}), errors.OutputError),
        (good({"role": "assistant", "content": ""}, "content_filter"), errors.OutputError),
    ],
)
def test_what_will_not_pass_is_not_retried(
    opened: Opener, reply: Reply, error: type[errors.ShipworthyError]
) -> None:
    lm, provider = opened(reply, good())
    with pytest.raises(error) as caught:
        lm.generate(PROMPT)
    assert caught.value.hint
    assert KEY not in str(caught.value)
    assert len(provider.requests) == 1


def test_no_connection_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    waits: list[float] = []
    with pytest.raises(errors.LMError) as caught:
        Hosted(NAME, sleep=waits.append).generate(PROMPT)
    assert len(waits) == RETRIES
    assert "connection" in caught.value.hint


def test_what_is_sent(opened: Opener) -> None:
    lm, provider = opened(good({"role": "assistant", "content": '{"queue": "other", "reason": "é"}'}))
    generation = lm.generate(PROMPT, max_tokens=33, schema=SCHEMA)
    assert json.loads(generation.text) == {"queue": "other", "reason": "é"}
    assert generation.usage.tokens == 0  # nothing was reported
    sent = provider.requests[0]
    assert sent["messages"] == PROMPT.messages()
    assert sent["temperature"] == 0
    assert sent["max_completion_tokens"] == 33
    assert sent["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA, "strict": True}


def test_a_model_without_temperature_is_asked_without_and_that_is_said_once(opened: Opener) -> None:
    refusal = bad(400, "Unsupported value: 'temperature' does not support 0 with this model.")
    lm, provider = opened(refusal, good(), good())
    with pytest.warns(UserWarning, match="takes no temperature"):
        assert lm.generate(PROMPT).text == "fine"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lm.generate(PROMPT).text == "fine"
    assert ["temperature" in request for request in provider.requests] == [True, False, False]


def test_a_model_without_log_probabilities_is_asked_without(opened: Opener) -> None:
    lm, provider = opened(bad(403, "logprobs are not allowed for this key"))
    with pytest.raises(errors.LMError):  # not the request's fault
        lm.generate(PROMPT, logprobs=True)
    refusal = bad(400, "logprobs is not supported with this model.")
    lm, provider = opened(refusal, good(), good())
    provider.requests.clear()
    assert lm.generate(PROMPT, logprobs=True).tokens is None
    assert lm.generate(PROMPT, logprobs=True).tokens is None
    assert ["logprobs" in request for request in provider.requests] == [True, False, False]


def test_a_provider_that_would_ignore_the_schema_is_refused_before_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    monkeypatch.setenv("ZAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(errors.LMError, match="no answer to a JSON schema"):
        Hosted("zai:glm-4.6").generate(PROMPT, schema=SCHEMA)


def test_schemas_are_closed_and_strict_where_they_can_be() -> None:
    inner = {"type": "object", "properties": {"default": {"type": "integer", "default": 3}}}
    sent = response_format({"type": "object", "properties": {"items": {"type": "array", "items": inner}}})
    assert sent["strict"]
    closed = sent["schema"]["properties"]["items"]["items"]
    assert closed == {
        "type": "object",
        "properties": {"default": {"type": "integer"}},
        "required": ["default"],
        "additionalProperties": False,
    }
    mapping = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert not response_format({"type": "object", "properties": {"counts": mapping}})["strict"]
    assert not response_format({"type": "object"})["strict"]
