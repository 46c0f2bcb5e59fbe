"""One llama.cpp server in this process: one slot, one thread, reached by calls and over loopback."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ContextLengthError, LMError
from .deadlines import check_deadline, time_left

_GRAMMARS = threading.Lock()
"""Held until the first token under a grammar is there. The tokenizer that llama.cpp's grammars use is kept
in a variable that all servers share, and is freed, unguarded, when another server begins one."""

Gives = Literal["text", "embedding", "states"]
ENDING_S = 30.0
"""How long the end of a process waits for a call that is under way."""


class _Calls:
    """Calls under way in native code, which must be over before the process ends.

    What llama.cpp keeps in variables is destroyed then, and a thread that still computes with it
    would bring the process down: so the end waits for such calls, and no more begin.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._number = 0
        self._ended = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """A call.

        Raises:
            LMError: the process is ending.
        """
        with self._changed:
            if self._ended:
                raise LMError("this process is ending", hint="wait for threads that still ask the LM")
            self._number += 1
        try:
            yield
        finally:
            with self._changed:
                self._number -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Wait for calls under way; a forked process has none of its own."""
        if os.getpid() != self._process:
            return
        with self._changed:
            self._ended = True
            self._changed.wait_for(lambda: self._number == 0, timeout=ENDING_S)


_CALLS = _Calls()
atexit.register(_CALLS.end)


class LlamaServer:
    """A server over the weights at `path`.

    Args:
        context: tokens that it can hold.
        slot_save_path: the folder, with a separator at its end, where slots may be saved.
        gives: `text`; or nothing but `embedding`, the mean over tokens, or `states`, one a token.

    Raises:
        LMError: llama.cpp cannot load the file.
    """

    def __init__(self, path: Path, *, context: int, slot_save_path: str = "", gives: Gives = "text") -> None:
        import xllamacpp

        self._key = secrets.token_hex(16)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = context
        params.n_parallel = 1
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads = 1
            cpu.poll = 0
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.slot_save_path = slot_save_path
        params.api_keys = [self._key]
        params.port = 0
        params.ui = False
        params.warmup = False
        params.fit_params = False
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
        params.verbosity = -1
        if gives != "text":
            pooling = xllamacpp.llama_pooling_type
            params.embedding = True
            params.pooling_type = (
                pooling.LLAMA_POOLING_TYPE_MEAN if gives == "embedding" else pooling.LLAMA_POOLING_TYPE_NONE
            )
            params.n_batch = params.n_ubatch = context  # all tokens must be in one batch
        with _CALLS.one():
            try:
                self._server = xllamacpp.Server(params)
            except Exception as error:  # the wheel raises bare RuntimeErrors
                raise LMError(f"llama.cpp cannot load {path.name}: {error}", where=str(path)) from error
        self._address = re.sub("^https?://", "", self._server.listening_address)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """A completion, from the slot's cache as far as it goes.

        Raises:
            ContextLengthError: the prompt is too long.
            LMError: llama.cpp says that it cannot.
        """
        with _CALLS.one():
            return _checked(self._server.handle_completions({**body, "cache_prompt": True, "id_slot": 0}))

    def complete_by_schema(self, body: dict[str, Any]) -> dict[str, Any]:
        """A completion under the JSON schema in `body`; the same, but only one is begun at a time.

        Raises:
            ContextLengthError: the prompt is too long.
            DeadlineError: the row's deadline passes before it is begun.
            LMError: llama.cpp says that it cannot.
        """
        left = time_left()
        if not _GRAMMARS.acquire(timeout=-1 if left is None else max(0.0, left)):
            check_deadline()
            raise LMError("llama.cpp: another grammar is still being read", hint="try again")
        parts: list[dict[str, Any]] = []

        def take(part: dict[str, Any]) -> None:
            if not parts:
                _GRAMMARS.release()
            parts.append(part)

        try:
            asked = {"stream": True, "stream_options": {"include_usage": True}, "cache_prompt": True}
            with _CALLS.one():
                self._server.handle_completions({**body, **asked, "id_slot": 0}, take)
        finally:
            if not parts:
                _GRAMMARS.release()
        if not parts:
            raise LMError("llama.cpp: no answer came", hint="try again")
        last = _checked(parts[-1])
        text = "".join(part["choices"][0]["text"] for part in parts)
        return {"choices": [{**last["choices"][0], "text": text}], "usage": last["usage"]}

    def embed(self, tokens: list[int]) -> NDArray[np.float32]:
        """The embedding of tokens, of length 1; shape (D,).

        Raises:
            LMError: llama.cpp says that it cannot.
        """
        with _CALLS.one():
            found = _checked(self._server.handle_embeddings({"input": tokens}))
        return np.asarray(found["data"][0]["embedding"], np.float32)

    def states(self, tokens: list[int]) -> NDArray[np.float32]:
        """The last hidden state of each token; shape (tokens, D).

        Raises:
            LMError: llama.cpp says that it cannot.
        """
        found: Any = self.post("/embedding", {"content": tokens})
        return np.asarray(found[0]["embedding"], np.float32)

    def tokens_of(self, text: str) -> list[tuple[int, int]]:
        """Token ids of plain text, each with where it ends, in bytes of UTF-8.

        Raises:
            LMError: the server does not answer, or says that it cannot.
        """
        found = self.post("/tokenize", {"content": text, "parse_special": False, "with_pieces": True})
        ends, at = [], 0
        for token in found["tokens"]:
            piece = token["piece"]  # a list of bytes where it is no whole character
            at += len(piece) if isinstance(piece, list) else len(piece.encode())
            ends.append((token["id"], at))
        return ends

    def tokenize(self, text: str, *, control: bool, first: bool = False) -> list[int]:
        """Token ids; `control` reads control tokens spelled out as such, `first` begins a prompt."""
        if not text and not first:
            return []
        body = {"content": text, "add_special": first, "parse_special": control}
        tokens: list[int] = self.post("/tokenize", body)["tokens"]
        return tokens

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A request over loopback.

        Raises:
            LMError: the server does not answer, or says that it cannot.
        """
        try:
            try:
                return self._post(path, body)
            except ConnectionError:  # on a busy machine the server may drop one before it reads it
                return self._post(path, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LMError(f"the embedded engine does not answer: {error}") from error

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._address, timeout=120)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            with _CALLS.one():
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse().read()
            return _checked(json.loads(answer))
        finally:
            connection.close()


def _checked(result: dict[str, Any]) -> dict[str, Any]:
    error = result.get("error") if isinstance(result, dict) else None
    if error is None:
        return result
    if error.get("type") == "exceed_context_size_error":
        raise ContextLengthError(str(error.get("message")), hint="shorten this row's text")
    raise LMError(f"llama.cpp: {error.get('message', error)}")
