"""Any of our LMs behind a `dspy.LM`, through the engine interface of DSPy 3.4.

    dspy.configure(lm=dspy_lm(open_lm("local")))

serves every DSPy module, adapter and optimizer. The model string holds the LM's id, so
weights and settings are part of whatever DSPy keys by it. DSPy's own cache and retries
are off: `Recorded` keeps answers, and hosted LMs retry by themselves.

The LM always answers with the likeliest text. A request's sampling settings are
recorded on the response as dropped; what would change its meaning (tools, images, stop
sequences, log-probabilities) is refused.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ..errors import ContextLengthError, InputError, LMError, ShipworthyError
from .base import LM, Generation
from .dspy_import import import_dspy
from .open import open_lm
from .prompt import Prompt

MAX_TOKENS = 1024
"""Where a request names no limit."""
DROPPED = ("temperature", "top_p", "top_k", "seed")
REFUSED = ("stop", "tool_choice", "reasoning", "logprobs", "frequency_penalty", "presence_penalty")


def dspy_lm(lm: LM, *, max_tokens: int | None = None) -> Any:
    """A `dspy.LM` that asks `lm`; closing it leaves `lm` open.

    Args:
        max_tokens: what an answer may have where a request names no limit; by default `MAX_TOKENS`.

    Raises:
        MissingExtraError: dspy is not installed.
    """
    import_dspy()
    import dspy

    model = lm.id if lm.id.startswith("local/") else f"local/{lm.id}"
    return dspy.LM(
        model,
        engine=Engine(lm),
        async_engine=AsyncEngine(lm),
        cache=False,
        num_retries=0,
        max_tokens=max_tokens,
    )


class _Engine:
    """What both engines share: capabilities, and state without weights or keys."""

    supports_response_schema = True
    supports_function_calling = False
    supports_reasoning = False
    supported_params = frozenset({"max_tokens", "response_format"})

    def __init__(self, lm: LM) -> None:
        self.lm = lm

    def dump_state(self) -> dict[str, Any]:
        """The LM's id, and the name that it is opened by."""
        asked = getattr(self.lm, "lm", self.lm)  # behind a store of calls
        return {"id": self.lm.id, "name": getattr(asked, "name", self.lm.id)}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> _Engine:
        """An engine on the LM that `dump_state` named.

        Raises:
            LMError: that name now opens another LM.
        """
        lm = open_lm(state["name"])
        if lm.id != state["id"]:
            raise LMError(
                f"the program was saved with {state['id']}, here is {lm.id}",
                hint="set the LM again after loading, and evaluate anew",
            )
        return cls(lm)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Engine:
        """Copies of a program share the LM."""
        return self


class Engine(_Engine):
    """The synchronous side: one `dspy.lm15.Request` in, one `Response` out."""

    def complete(self, request: Any) -> Any:
        """Answer a request.

        Raises:
            dspy.lm15.LM15Error: the LM fails, or the request asks for what it cannot do.
        """
        prompt, schema = prompt_of(request), schema_of(request)
        limit = request.config.max_tokens or MAX_TOKENS
        try:
            generation = self.lm.generate(prompt, max_tokens=limit, schema=schema)
        except ShipworthyError as error:
            raise lm15_error(error) from error
        return _response(request, generation)

    def stream(self, request: Any) -> Iterator[Any]:
        """The same answer as events, all at the end."""
        events: Iterator[Any] = import_dspy().lm15.response_to_events(self.complete(request))
        return events

    def close(self) -> None:
        """Nothing: the LM is its opener's to close."""


class AsyncEngine(_Engine):
    """The asynchronous side; the LM works on a thread, so the event loop stays free."""

    async def complete(self, request: Any) -> Any:
        """As `Engine.complete`."""
        return await asyncio.to_thread(Engine(self.lm).complete, request)

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        """As `Engine.stream`."""
        for event in import_dspy().lm15.response_to_events(await self.complete(request)):
            yield event

    async def aclose(self) -> None:
        """Nothing: the LM is its opener's to close."""


def prompt_of(request: Any) -> Prompt:
    """Our prompt from a request: the system's text, exchanges, and the last user message.

    Raises:
        dspy.lm15.UnsupportedFeatureError: it holds tools, images, or turns out of order.
    """
    lm15 = import_dspy().lm15
    config = request.config
    for name in REFUSED:
        if getattr(config, name) not in (None, ()):
            raise _unsupported(f"config.{name}")
    if request.tools:
        raise _unsupported("tools")
    if config.extensions:
        raise _unsupported(f"config.extensions: {', '.join(sorted(config.extensions))}")
    system = [_text(request.system, "system")] if request.system else []
    texts = [
        (message.role, _text(message.parts, f"messages[{i}]")) for i, message in enumerate(request.messages)
    ]
    # Neighbours in the same role are one message, and the developer's words are part of the system's.
    grouped = [
        (role, "\n\n".join(text for _, text in group))
        for role, group in itertools.groupby(texts, key=lambda turn: turn[0])
    ]
    if grouped and grouped[0][0] == "developer":
        system.append(grouped.pop(0)[1])
    roles = [role for role, _ in grouped]
    if len(roles) % 2 == 0 or roles != [("user", "assistant")[i % 2] for i in range(len(roles))]:
        raise lm15.UnsupportedFeatureError(
            f"messages must be exchanges of user and assistant and end with the user's, not {roles}",
            feature="messages",
        )
    words = [text for _, text in grouped]
    turns = tuple(zip(words[:-1:2], words[1::2], strict=True))
    return Prompt(system="\n\n".join(system), turns=turns, user=words[-1])


def schema_of(request: Any) -> dict[str, Any] | None:
    """The JSON schema that a request asks for; any object for the mode without a schema."""
    wanted = request.config.response_format
    if wanted is None:
        return None
    return {"type": "object"} if wanted["type"] == "json_object" else dict(wanted["schema"])


def lm15_error(error: ShipworthyError) -> Exception:
    """The lm15 error that stands for one of ours; none is retried by DSPy."""
    lm15 = import_dspy().lm15
    if isinstance(error, ContextLengthError):
        matching = lm15.ContextLengthError
    elif isinstance(error, InputError):
        matching = lm15.ConfigurationError
    else:
        matching = lm15.ProviderError
    found: Exception = matching(str(error))
    return found


def _response(request: Any, generation: Generation) -> Any:
    lm15 = import_dspy().lm15
    usage = generation.usage
    return lm15.Response(
        id=None,
        model=request.model,
        message=lm15.Message.assistant(generation.text),
        finish_reason="stop" if generation.finished else "length",
        usage=lm15.Usage(
            input_tokens=usage.tokens_in,
            output_tokens=usage.tokens_out,
            cache_read_tokens=usage.tokens_cached,
        ),
        adaptations=tuple(
            lm15.Adaptation(f"config.{name}", "dropped", "the likeliest text is given always", asked=asked)
            for name in DROPPED
            if (asked := getattr(request.config, name))
        ),
    )


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    for part in content:
        if part.type != "text":
            raise _unsupported(f"{where}: {part.type}")
    return "\n".join(part.text for part in content)


def _unsupported(feature: str) -> Exception:
    error: Exception = import_dspy().lm15.UnsupportedFeatureError(
        f"this LM reads and writes text only: {feature} is not supported", feature=feature
    )
    return error
