"""Hosted LMs: any model that DSPy's own provider layer (lm15) routes, over HTTP.

Keys come from the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, …) and so do
endpoints (`OPENAI_BASE_URL` or `OPENAI_API_BASE`, and likewise for the others), which is
how a gateway, a vLLM or a llama.cpp server is reached. LiteLLM is never imported.

A hosted LM cannot be asked for the log-probabilities of chosen tokens, so decisions are
generated under an enum schema; where the endpoint lists the likeliest alternatives of
each token, they come along. What a provider cannot do is refused before the request is sent, never dropped.
Failures that pass are retried here, and nowhere else.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..errors import LMError, OutputError
from .base import Blank, Chosen, Generation, Question, Scores, States, Token, Usage
from .dspy_import import import_dspy
from .hosted_errors import ERRORS, translated
from .hosted_transport import ToDeadline
from .prompt import Prompt
from .retries import PATIENCE, Retries

CONTEXT = 128_000

TOP = 20
"""Alternatives asked for at each token, the most that endpoints give."""

LEAST = -1e4
"""Stands for the log-probability of what cannot be, which some servers give as minus infinity."""

BOX = "answer"
"""The key under which a schema that is no object's travels."""


class Hosted:
    """An LM of a provider. See `LM` for what its methods promise.

    Args:
        name: as DSPy writes it, such as `openai/gpt-4o-mini`.
        workers: calls served at once.
        timeout: seconds to wait for the next byte of a reply; a row's deadline shortens it.
        patience: seconds to wait between retries, all together, while a failure may pass.
        sleep: called with seconds between retries.
        say: told of long waits.

    Raises:
        LMError: the name is not known, or its key is not in the environment.
        MissingExtraError: dspy is not installed.
    """

    reads_logprobs = False
    context = CONTEXT

    def __init__(
        self,
        name: str,
        *,
        workers: int = 8,
        timeout: float = 120.0,
        patience: float = PATIENCE,
        say: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.workers = workers
        self._refused: set[str] = set()
        self._lm15 = import_dspy().lm15
        self._retries = Retries(name, self._lm15.RETRYABLE_ERRORS, patience, sleep, say)
        from dspy.clients.engines.lm15_engine import LM15Engine

        try:
            route = LM15Engine(self._lm15.RouterConfig(env={})).resolve(name)
            self._dialect: str = route.adapter
            url = _configured_url(name, route.provider)
            if url and self._dialect == "AnthropicLM" and not urlsplit(url).path.strip("/"):
                url = f"{url}/v1"  # Anthropic's own variable names the server, not the API's root
            config = self._lm15.RouterConfig(
                base_urls={route.provider: url} if url else None,
                timeouts=self._lm15.Timeouts(read=timeout, pool=None),
            )
            self._engine = LM15Engine(config)
            # Building the client reads the key: where it is missing, say so now and not at the first row.
            client = self._engine.router.lm(f"{route.provider}:{route.model}")
            client.transport = ToDeadline(client.transport, timeout)
        except self._lm15.LM15Error as error:
            raise translated(error, name) from error
        self.id = f"hosted/{name}" + (f"@{urlsplit(url).netloc.rpartition('@')[2]}" if url else "")

    def tokenize(self, text: str) -> list[int]:
        """Not for hosted LMs.

        Raises:
            LMError: always.
        """
        raise LMError(f"{self.name}: hosted LMs do not tokenise here", hint="use a local LM")

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """Not for hosted LMs: their decisions are generated under an enum schema.

        Raises:
            LMError: always.
        """
        raise LMError(f"{self.name}: hosted LMs give no exact log-probabilities", hint="use a local LM")

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """Not for hosted LMs: their spans are generated.

        Raises:
            LMError: always.
        """
        raise LMError(f"{self.name}: hosted LMs give no exact log-probabilities", hint="use a local LM")

    def states(self, text: str, ends: Sequence[int]) -> States:
        """Not for hosted LMs.

        Raises:
            LMError: always.
        """
        raise LMError(f"{self.name}: hosted LMs do not show their states", hint="use a local LM")

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """The likeliest continuation (temperature 0), under the provider's own schema mode if one is given.

        A model that takes no temperature is asked without, with a warning once; one that
        gives no log-probabilities is asked without, and the tokens are None. Providers
        take schemas of objects only: any other goes and comes back as the one key of an object.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            DeadlineError: the row's deadline passes before a reply is there.
            OutputError: the model or the provider's filter refuses this row.
            LMError: the provider fails, or cannot hold an answer to a schema.
        """
        start = time.perf_counter()
        bare = schema is not None and schema.get("type") != "object"
        request = self._request(prompt, max_tokens, _boxed(schema) if bare else schema, logprobs)
        if schema is not None:
            self._check_schema_is_taken(request)
        response = self._complete(request)
        text = self._text_of(response)
        text = _unboxed(text) if bare else text
        usage = self._usage_of(response.usage, (time.perf_counter() - start) * 1e3)
        # Data is an answer that was read whole, though some servers go on with blanks up to the limit.
        whole = any(part.type == "data" for part in response.message.parts)
        tokens = _tokens(response.logprobs) if logprobs and response.logprobs_complete else None
        return Generation(text, whole or response.finish_reason != "length", usage, tokens)

    def close(self) -> None:
        """Close the connections."""
        self._engine.close()

    def _request(self, prompt: Prompt, max_tokens: int, schema: dict[str, Any] | None, logprobs: bool) -> Any:
        lm15 = self._lm15
        system, messages = None, []
        for message in prompt.messages():
            if message["role"] == "system":
                system = message["content"]
            else:
                messages.append(getattr(lm15.Message, message["role"])(message["content"]))
        return lm15.Request(
            model=self.name,
            system=system,
            messages=tuple(messages),
            config=lm15.Config(
                max_tokens=max_tokens,
                temperature=None if "temperature" in self._refused else 0.0,
                logprobs=TOP if logprobs and "logprobs" not in self._refused else None,
                response_format=None if schema is None else response_format(schema),
            ),
        )

    def _check_schema_is_taken(self, request: Any) -> None:
        """Costs no request: lm15 plans what it would send."""
        try:
            adaptations = self._engine.plan(request)
        except self._lm15.LM15Error as error:
            raise translated(error, self.name) from error
        for adaptation in adaptations:
            if adaptation.field.startswith("config.response_format") and adaptation.action == "dropped":
                raise LMError(
                    f"{self.name}: no answer to a JSON schema here: {adaptation.reason}",
                    hint="use an LM with structured outputs",
                )

    def _complete(self, request: Any) -> Any:
        try:
            return self._retries.call(lambda: self._engine.complete(request))
        except self._lm15.LM15Error as error:
            setting = self._refused_setting(request, error)
            if setting:
                return self._complete(replace(request, config=replace(request.config, **{setting: None})))
            raise translated(error, self.name) from error
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            # A reply of another shape than the API's breaks in lm15's reader.
            raise LMError(
                f"{self.name}: the reply cannot be read: {error}", hint=ERRORS["ProviderError"][1]
            ) from error

    def _refused_setting(self, request: Any, error: Any) -> str | None:
        """The setting that this model does not take, if that is what the error says."""
        if not isinstance(error, self._lm15.InvalidRequestError):
            return None
        for setting in ("logprobs", "temperature"):
            if getattr(request.config, setting) is None or setting not in error.message.lower():
                continue
            if setting == "temperature" and setting not in self._refused:
                warnings.warn(
                    f"{self.name} takes no temperature: it samples, and may answer the same row differently",
                    stacklevel=5,
                )
            self._refused.add(setting)
            return setting
        return None

    def _text_of(self, response: Any) -> str:
        if response.finish_reason == "error":
            raise LMError(f"{self.name}: the provider broke off its answer", hint="try again later")
        parts = {part.type: part for part in response.message.parts}
        if response.finish_reason == "content_filter" or "refusal" in parts:
            said = (
                parts["refusal"].text if "refusal" in parts else "the provider's filter withheld the answer"
            )
            raise OutputError(f"{self.name} refuses: {said}", hint="answer this row by hand")
        if "data" in parts:  # lm15 reads an answer to a schema with enums as data
            return json.dumps(parts["data"].value, ensure_ascii=False)
        return str(response.text or "")

    def _usage_of(self, usage: Any, ms: float) -> Usage:
        """Tokens as our `Usage` counts them; providers differ in what their counters hold."""
        read, cached = usage.input_tokens or 0, usage.cache_read_tokens or 0
        written = usage.output_tokens or 0
        if self._dialect == "AnthropicLM":  # cached tokens are counted apart
            read += cached + (usage.cache_write_tokens or 0)
        if self._dialect in ("GeminiLM", "XaiLM"):  # so are those of reasoning
            written += usage.reasoning_tokens or 0
        return Usage(read, cached, written, ms)


def _tokens(logprobs: Any) -> tuple[Token, ...] | None:
    """Tokens with their alternatives; None where none were given."""
    if not logprobs or not any(token.top for token in logprobs):
        return None
    return tuple(
        Token(
            _spelt(token),
            max(token.logprob, LEAST),
            tuple((_spelt(other), max(other.logprob, LEAST)) for other in token.top),
        )
        for token in logprobs
    )


def _spelt(token: Any) -> str:
    """A token's text from its bytes where they are given: part of a character has no text."""
    return token.token if token.bytes is None else bytes(token.bytes).decode("utf-8", "surrogateescape")


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema as lm15 sends it, strict wherever it has no open objects."""
    closed = _closed(schema)
    return {"type": "json_schema", "name": "answer", "schema": closed, "strict": not _has_open_object(closed)}


def _configured_url(name: str, provider: str) -> str | None:
    """The endpoint that the environment names for a provider; the cloud doors read their own variables."""
    head = name.partition("/")[0] if "/" in name else ""
    for spelling in dict.fromkeys((head, provider, provider.removesuffix("-chat"))):
        prefix = spelling.upper().replace("-", "_")
        for variable in (f"{prefix}_BASE_URL", f"{prefix}_API_BASE"):
            if prefix and os.environ.get(variable):
                return os.environ[variable].rstrip("/")
    return None


def _boxed(schema: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "object", "properties": {BOX: schema}}


def _unboxed(text: str) -> str:
    try:
        return json.dumps(json.loads(text)[BOX], ensure_ascii=False)
    except (ValueError, TypeError, LookupError):  # cut, or no such object: whoever asked for it will see
        return text


def _closed(schema: Any) -> Any:
    """The schema with every declared object closed and its properties required, as strict modes want it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _closed(own) for name, own in value.items()}
        if key in ("properties", "$defs")
        else value
        if key in ("enum", "const")
        else _closed(value)
        for key, value in schema.items()
        if key != "default"
    }
    if "properties" in found:
        found["required"] = list(found["properties"])
        found.setdefault("additionalProperties", False)
    return found


def _has_open_object(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_has_open_object(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return True
    if not schema:  # any value at all
        return True
    own = [value for key, value in schema.items() if key not in ("enum", "const", "properties", "$defs")]
    named = [value for key in ("properties", "$defs") for value in schema.get(key, {}).values()]
    return any(_has_open_object(value) for value in [*own, *named])
