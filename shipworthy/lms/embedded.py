"""The embedded LM: llama.cpp in this process, from a wheel, with no key and no network.

Exactness decides the design. The same row must give the same bytes whatever was asked
before and however many ask at once, because heads are fitted on log-probabilities:

- each worker is a llama.cpp server of its own with one slot and one thread, so that
  no call is batched with another (two such workers on two cores are also faster than
  one with two threads);
- flash attention is off: with it, cached and uncached calls differ;
- a call always starts from the cached prefix and nothing more: where the row begins
  with the token that the call before left behind the prefix, that is overwritten first;
- a prefix is computed once by the same path, and kept as a file in the user's cache
  folder, so that the next process restores it in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ContextLengthError, LMError, StorageError
from ..examples import digest_of
from .base import Blank, Chosen, Embedding, Generation, Question, Scores, States, Usage
from .cache import cache_folder
from .choosing import likeliest
from .deadlines import check_deadline, time_left
from .llama_server import Gives, LlamaServer
from .prompt import Prompt
from .weights import file_sha256, remember_weights

CONTEXT = 8192
SETTINGS = f"ctx={CONTEXT},flash=off,batch=1"
EMBEDS = 2048
"""An embedding is of so many tokens at most; of a longer text, of its beginning."""
PIECE = 400
"""States are read of so many tokens at once at most."""
ONCE, AGAIN = "Text:", "\nAgain:"
PREFIX_FROM = 64
"""Prefixes shorter than this (in tokens) are computed anew: that costs less than a file."""
PREFIX_BYTES = 1 << 30
"""The kept prefixes may take this much of the disk; the longest unused go first."""
ROOM = 64
"""Tokens kept free for the openings of questions."""
FLOOR = 1e-12
TINY = 1e-37
"""The least share beside an anchor's: about the least number of single precision."""
BIAS, ANCHOR = 100.0, 45.0
"""Added to the logits of the tokens that are asked for, and to the anchor's besides."""
SENTINEL = re.compile("\x02(\\d+)\x03")


class Embedded:
    """An LM from a GGUF file. See `LM` for what its methods promise.

    Args:
        path: the weights.
        workers: calls served at once, each with about 200 MB beside the shared weights;
            by default one a core, at most 4.

    Raises:
        WeightsError: the file cannot be read.
    """

    reads_logprobs = True
    context = CONTEXT

    def __init__(self, path: Path, *, workers: int | None = None) -> None:
        self.sha256 = file_sha256(path)
        remember_weights(self.sha256, path)
        self.id = f"local/{self.sha256};{SETTINGS}"
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self.workers = workers or min(4, cores)
        self._path = path
        self._free: list[_Slot] = []
        self._slots: list[_Slot] = []
        self._changed = threading.Condition()
        self._starting = 0
        self._readers: defaultdict[Gives, list[LlamaServer]] = defaultdict(list)  # at rest
        self._prefix_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._encoded: dict[Prompt, tuple[str, list[int], list[int]]] = {}
        self._layouts: dict[tuple[bool, int], list[str]] = {}
        self._biased: dict[tuple[int, ...], dict[int, float]] = {}

    def tokenize(self, text: str) -> list[int]:
        """Token ids of plain text; control tokens spelled out in it stay text."""
        with self._slot() as slot:
            return slot.tokenize(text, control=False)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """Exact log-probabilities, normalised among each question's tokens; one call a question.

        The row's text is read with the first question; the others cost a few tokens each.
        """
        found: list[Scores] = []
        with self._slot(_static(prompt)) as slot:
            prefix, tail = self._start(slot, prompt, 1)
            for question in questions:
                if len(set(question.tokens)) != len(question.tokens) or not question.tokens:
                    raise ValueError("tokens must be distinct, and at least one")
                opening = slot.tokenize(question.opening, control=False)
                scores = self._next(slot, prefix + tail + opening, question.tokens)
                if found:  # the prompt was read, and is counted, with the first question
                    usage = replace(scores.usage, tokens_in=len(opening), tokens_cached=0)
                    scores = replace(scores, usage=usage)
                found.append(scores)
        return found

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """Exact; a token that only one choice is left for is not asked about."""
        found: list[Chosen] = []
        with self._slot(_static(prompt)) as slot:
            prefix, tail = self._start(slot, prompt, ROOM)
            said = prefix + tail
            for blank in blanks:
                opening = slot.tokenize(blank.opening, control=False)
                paths: dict[tuple[int, ...], int] = {}
                for i, path in enumerate(_lines(slot, blank.choices)):
                    paths.setdefault(path, i)
                usage = Usage(len(opening) if found else len(said) + len(opening))
                said = said + opening

                def ask(path: tuple[int, ...], tokens: tuple[int, ...], said: list[int] = said) -> Scores:
                    check_deadline()
                    return self._next(slot, [*said, *path], tokens)

                path, logprob, spent = likeliest(list(paths), ask)
                usage += replace(spent, tokens_in=len(path), tokens_cached=0)
                found.append(Chosen(paths[path], logprob, usage))
                said = [*said, *path]
        return found

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """The likeliest continuation; a schema becomes a grammar that the text cannot leave.

        It comes without `tokens`: `score` reads exact log-probabilities.
        """
        body: dict[str, Any] = {"n_predict": max_tokens, "temperature": 0.0, "top_k": 1, "seed": 0}
        if schema is not None:
            body["json_schema"] = schema
        with self._slot(_static(prompt)) as slot:
            prefix, tail = self._start(slot, prompt, max_tokens)
            choice, usage = _ask(slot, prefix + tail, body)
        return Generation(choice["text"], choice["finish_reason"] == "stop", usage)

    def embed(self, text: str) -> Embedding:
        """The mean of the last layer's states over the text's tokens, of length 1.

        Each call has a server to itself, on one thread: as many are kept as calls were under way.
        """
        with self._reader("embedding") as server:
            tokens = server.tokenize(text or " ", control=False, first=True)[: EMBEDS - 1]
            start = time.perf_counter()
            vector = server.embed(tokens)
            ms = (time.perf_counter() - start) * 1e3
        return Embedding(vector, Usage(len(tokens), ms=ms))

    def states(self, text: str, ends: Sequence[int]) -> States:
        """A text that is longer than `PIECE` tokens is read in pieces, each of them twice.

        Each call has a server to itself, as for embeddings.
        """
        start, read = time.perf_counter(), 0
        found: list[NDArray[np.float32]] = []
        with self._reader("states") as server:
            tokens = server.tokens_of(f" {text}")
            bytes_before = np.cumsum([1, *(len(character.encode()) for character in text)])
            places = np.searchsorted([end for _, end in tokens], bytes_before[list(ends)])
            for first in range(0, len(tokens), PIECE):
                check_deadline()
                piece = [token for token, _ in tokens[first : first + PIECE]]
                wanted = [place - first for place in places.tolist() if 0 <= place - first < len(piece)]
                if wanted:
                    again = server.tokenize(AGAIN, control=False)
                    whole = server.tokenize(ONCE, control=False, first=True) + piece + again + piece
                    read += len(whole)
                    found.append(server.states(whole)[-len(piece) :][wanted])
        usage = Usage(read, ms=(time.perf_counter() - start) * 1e3)
        return States(np.concatenate(found) if found else np.zeros((0, 0), np.float32), usage)

    def close(self) -> None:
        """Stop the workers that are at rest."""
        with self._changed:
            self._free.clear()
            self._slots.clear()
            self._readers.clear()

    def _next(self, slot: _Slot, said: list[int], tokens: tuple[int, ...]) -> Scores:
        """Log-probabilities of `tokens` as the next one, normalised among themselves."""
        biases = self._biases(slot, tokens)
        body = {
            "n_predict": 1,
            "n_probs": len(biases),
            "temperature": 1.0,
            "samplers": ["temperature"],
            "logit_bias": [[token, bias] for token, bias in biases.items()],
            "post_sampling_probs": True,
        }
        choice, usage = _ask(slot, said, body)
        if choice["logprobs"] is None:
            raise LMError("llama.cpp: no probabilities came with a token", hint="try again")
        top = choice["logprobs"]["content"][0]["top_probs"]
        shares = {entry["id"]: entry["prob"] for entry in top}
        floor = FLOOR if max(biases.values()) == BIAS else TINY
        raw = np.log(np.maximum([shares.get(token, 0.0) for token in tokens], floor))
        raw -= [biases[token] - BIAS for token in tokens]
        return Scores((raw - np.log(np.exp(raw).sum())).astype(np.float32), usage)

    def _start(self, slot: _Slot, prompt: Prompt, room: int) -> tuple[list[int], list[int]]:
        """Tokens of prefix and tail, with the slot brought to hold the prefix alone."""
        key, prefix, template_tail = self._encode(slot, prompt)
        tail = slot.tokenize(prompt.user, control=False) + template_tail
        total = len(prefix) + len(tail)
        if total + room + ROOM > self.context:
            raise ContextLengthError(
                f"{total} tokens with the prompt, {room} for the answer: the LM reads {self.context}",
                hint="shorten this row's text",
            )
        self._at_prefix(slot, key, prefix, tail[0])
        return prefix, tail

    def _encode(self, slot: _Slot, prompt: Prompt) -> tuple[str, list[int], list[int]]:
        """Key and tokens of the static prefix, and the tokens that follow the row's own text."""
        static = _static(prompt)
        if static not in self._encoded:
            layout = self._layout(slot, bool(static.system), len(static.turns))
            contents = [static.system] if static.system else []
            contents += [text for turn in static.turns for text in turn]
            prefix = slot.tokenize(layout[0], control=True, first=True)
            for text, control in zip([*contents, static.lead], [*layout[1:-1], ""], strict=True):
                prefix += slot.tokenize(text, control=False) + slot.tokenize(control, control=True)
            tail = slot.tokenize(layout[-1], control=True)
            if not tail:
                raise LMError("this model's chat template leaves no place for an answer")
            machine = f"{platform.machine()}/{platform.node()}/{_engine_version()}"
            self._encoded[static] = (digest_of([self.id, machine, prefix]), prefix, tail)
        return self._encoded[static]

    def _layout(self, slot: _Slot, system: bool, turns: int) -> list[str]:
        """The chat template's own text before, between and after the contents."""
        if (system, turns) not in self._layouts:
            roles = (["system"] if system else []) + ["user", "assistant"] * turns + ["user"]
            messages = [{"role": role, "content": f"\x02{i}\x03"} for i, role in enumerate(roles)]
            rendered = slot.post("/apply-template", {"messages": messages})["prompt"]
            parts = SENTINEL.split(rendered)
            if parts[1::2] != [str(i) for i in range(len(roles))]:
                raise LMError(
                    "this model's chat template does not keep the order of system, user and assistant",
                    hint="use another model",
                )
            self._layouts[system, turns] = parts[0::2]
        return self._layouts[system, turns]

    def _biases(self, slot: _Slot, tokens: tuple[int, ...]) -> dict[int, float]:
        """What is added to which logits, so that these tokens alone can follow.

        llama.cpp tells no probabilities if the token that it draws is a part of a character, as
        in Arabic or an emoji. Among such tokens a whole one, the anchor, is all but sure to be
        drawn; the others' shares of the little that is left are as exact as before.
        """
        if tokens not in self._biased:
            anchor = slot.tokenize("a", control=False)[0]
            apart = [own for token in tokens for own in (token, anchor)]  # so that parts do not join
            self._biased[tokens] = dict.fromkeys(tokens, BIAS)
            if "\ufffd" in slot.post("/detokenize", {"tokens": apart})["content"]:
                self._biased[tokens][anchor] = BIAS + ANCHOR
        return self._biased[tokens]

    def _at_prefix(self, slot: _Slot, key: str, prefix: list[int], first: int) -> None:
        """Bring the slot to hold the prefix and nothing that `first` could continue."""
        if slot.prefix != key:
            with self._prefix_locks[key]:
                if not slot.restore(key):
                    slot.post("/slots/0?action=erase", {})
                    slot.complete({"prompt": [*prefix, _other_than(first)], "n_predict": 1})
                    slot.left = _other_than(first)
                    if len(prefix) >= PREFIX_FROM:
                        slot.save(key)
            slot.prefix = key
        elif slot.left == first:
            slot.complete({"prompt": [*prefix, _other_than(first)], "n_predict": 1})
        slot.left = first

    @contextlib.contextmanager
    def _reader(self, gives: Gives) -> Iterator[LlamaServer]:
        """A server that gives embeddings or states: one at rest, or another one."""
        with self._changed:
            resting = self._readers[gives]
            server = resting.pop() if resting else None
        if server is None:
            server = LlamaServer(self._path, context=EMBEDS, gives=gives)
        yield server
        with self._changed:
            self._readers[gives].append(server)

    @contextlib.contextmanager
    def _slot(self, wanted: Prompt | None = None) -> Iterator[_Slot]:
        """A free worker, one that holds the wanted prefix if there is one."""
        with self._changed:
            while not self._free and len(self._slots) + self._starting >= self.workers:
                self._changed.wait(time_left())
                check_deadline()
            slot = self._pick(wanted)
            if slot is None:
                self._starting += 1
        if slot is None:
            try:
                slot = _Slot(self._path)
            finally:
                with self._changed:
                    self._starting -= 1
                    if slot is not None:
                        self._slots.append(slot)
                    self._changed.notify()
        try:
            yield slot
        finally:
            with self._changed:
                self._free.append(slot)
                self._changed.notify()

    def _pick(self, wanted: Prompt | None) -> _Slot | None:
        if not self._free:
            return None
        known = self._encoded.get(wanted) if wanted is not None else None
        for slot in self._free:
            if known is not None and slot.prefix == known[0]:
                self._free.remove(slot)
                return slot
        return self._free.pop()


class _Slot(LlamaServer):
    """One llama.cpp server with one slot, and what its cache holds."""

    def __init__(self, path: Path) -> None:
        self._prefixes = cache_folder() / "prefixes"
        try:
            self._prefixes.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the cache folder cannot be written: {error.strerror}",
                hint="set SHIPWORTHY_CACHE to another folder",
                where=str(self._prefixes),
            ) from error
        super().__init__(path, context=CONTEXT, slot_save_path=f"{self._prefixes}{os.sep}")
        self.prefix = ""
        self.left = -1
        # A server that is taken down before its loop has served anything waits for it for ever.
        self.complete({"prompt": [1], "n_predict": 1})

    def restore(self, key: str) -> bool:
        path = self._prefixes / f"{key}.bin"
        if not path.exists():
            return False
        try:
            self.post("/slots/0?action=restore", {"filename": path.name})
            os.utime(path)
        except (LMError, OSError):  # a damaged or vanished file only costs computing the prefix again
            path.unlink(missing_ok=True)
            return False
        self.left = -1
        return True

    def save(self, key: str) -> None:
        """Keep the prefix for other workers and processes; on a full disk, go on without."""
        name = f"{key}.{os.getpid()}.{threading.get_ident()}"
        path = self._prefixes / name
        try:
            self.post("/slots/0?action=save", {"filename": name})
            os.replace(path, self._prefixes / f"{key}.bin")
            _prune(self._prefixes)
        except (LMError, OSError):
            path.unlink(missing_ok=True)


def _lines(slot: _Slot, choices: Sequence[str]) -> list[tuple[int, ...]]:
    """The tokens of each choice behind a space, with the end of its line: of all at once if that works."""
    (*_, end) = slot.tokenize(" a\n", control=False)
    lines: list[tuple[int, ...]] = []
    line: list[int] = []
    for token in slot.tokenize("".join(f" {choice}\n" for choice in choices), control=False):
        line.append(token)
        if token == end:
            lines.append(tuple(line))
            line = []
    if line or len(lines) != len(choices):  # a line's end is no token of its own everywhere
        lines = [tuple(slot.tokenize(f" {choice}\n", control=False)) for choice in choices]
    return lines


def _static(prompt: Prompt) -> Prompt:
    return replace(prompt, user="")


def _ask(slot: _Slot, tokens: list[int], body: dict[str, Any]) -> tuple[dict[str, Any], Usage]:
    start = time.perf_counter()
    complete = slot.complete_by_schema if "json_schema" in body else slot.complete
    result = complete({**body, "prompt": tokens})
    usage = result["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    ms = (time.perf_counter() - start) * 1e3
    choice: dict[str, Any] = result["choices"][0]
    return choice, Usage(len(tokens), cached, usage["completion_tokens"], ms)


def _other_than(token: int) -> int:
    return 0 if token != 0 else 1


def _engine_version() -> str:
    import xllamacpp

    return str(xllamacpp.__version__)


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.bin"), key=lambda file: file.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > PREFIX_BYTES:
            file.unlink(missing_ok=True)
