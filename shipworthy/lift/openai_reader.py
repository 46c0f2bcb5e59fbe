"""OpenAI's chat messages: a request, a bare list of messages, the Responses API, lines of a batch.

The messages become those of the prompt, few-shot turns typed demos, the answer's JSON Schema the
outputs, and functions tools. A template that is JSON only once rendered is read too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ..errors import PrototypeError
from .draft import Draft, Unmapped
from .files import Files
from .jinja_dialects import Dialect
from .openai_chat import Chat
from .rendered_json import read_rendered
from .strict_json import read_json

FORMAT = "openai"
SUFFIXES = (".json", ".jsonl")
CARRIES = (
    ("messages and instructions", "the prompt's messages"),
    ("slots in messages: braces, or Jinja", "inputs"),
    ("few-shot turns", "typed demos"),
    ("response_format and text.format: JSON Schemas", "typed outputs"),
    ("tools and functions", "typed tools; the one that must be called: typed outputs"),
    ("loops over earlier turns in a template", "an input that is a list of objects"),
    ("lines of a batch", "candidate prompts"),
)
MAX_CANDIDATES = 20
MAX_REQUESTS = 1000
TAGS = re.compile(r"\{[{%#]")
LIKE = re.compile(r"\A\s*(?:\{[%#].*?[%#]\}\s*)*[\[{]", re.DOTALL)
A_LINE = re.compile(r'\s*\{\s*"[^\n]*\}\s*\Z')
ROLE = re.compile(r'"role"\s*:')
OF_OTHERS = ("lc", "_type", "prompts", "providers")
"""Keys of other formats' JSON: LangChain's, promptfoo's."""


def recognises(files: Files) -> bool:
    """Whether the file holds messages, or would if it were not broken."""
    if files.is_folder:
        return False
    text = files.glance()
    if not LIKE.match(text):
        return False
    ours = PurePath(files.path).suffix.lower() in SUFFIXES
    try:
        return all(_holds_messages(one) for _, one in _requests(text, where=str(files.path)))
    except PrototypeError:
        return ours and ROLE.search(text) is not None and '"content"' in text


def read(files: Files, *, name: str) -> Draft:
    """The messages of a file as one step.

    Raises:
        PrototypeError: the file is no JSON, also once rendered, holds no messages, or what it states
            contradicts itself; the place says line and column, or the key.
    """
    return read_text(files.main(), name=name, where=str(files.path))


def read_text(text: str, *, name: str, where: str, dialect: Dialect = "jinja2") -> Draft:
    """The same of a text that has been read; `where` is its file, `dialect` that of its templates.

    Raises:
        PrototypeError: as `read`.
    """
    requests = _requests(text, where=where)
    if not all(_holds_messages(request) for _, request in requests):
        raise PrototypeError(
            "no messages", hint='a list of {"role", "content"}, or an object with "messages"', where=where
        )
    if len(requests) > 1:
        return _of_batch([request for _, request in requests], name, where, dialect)
    definitions, request = requests[0]
    return Chat(_body(request), definitions, where, dialect).draft(name)


def _requests(text: str, *, where: str) -> list[tuple[str | None, Any]]:
    """Each request, with the definitions before it where it is a template."""
    try:
        return [(None, read_json(text, where=where))]
    except PrototypeError as error:
        broken = error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > 1 and all(A_LINE.match(line) for _, line in lines):
        return [(None, read_json(line, where=where, line=number)) for number, line in lines]
    if TAGS.search(text):
        return [read_rendered(text, where=where)]
    raise broken


def _of_batch(requests: list[Any], name: str, where: str, dialect: Dialect) -> Draft:
    """Requests that ask differently as candidates of one step; the first states what comes out."""
    drafts: dict[str, Draft] = {}
    told: list[Unmapped] = []
    for number, request in enumerate(requests[:MAX_REQUESTS], 1):
        place = f"{where}: line {number}"
        draft = Chat(_body(request), None, place, dialect).draft(name)
        step = draft.steps[0]
        prompt = step.prompts[0]
        key = repr([(message.role, message.template.text) for message in prompt.messages])
        if key not in drafts:
            label = str(request.get("custom_id") or f"line {number}") if isinstance(request, dict) else ""
            drafts[key] = replace(draft, steps=(replace(step, prompts=(replace(prompt, label=label),)),))
        elif step.demos != drafts[key].steps[0].demos:
            told.append(Unmapped("demos", place, "those of the first line with these messages are held"))
        if len(drafts) > MAX_CANDIDATES:
            raise PrototypeError(
                f"more than {MAX_CANDIDATES} different requests are rows, and no candidates of one prompt",
                hint="name one request, with a slot such as {message} where the rows differ",
                where=where,
            )
    if len(requests) > MAX_REQUESTS:
        place = f"{where}: line {MAX_REQUESTS + 1} and {len(requests) - MAX_REQUESTS - 1} more"
        told.append(Unmapped("requests", place, f"the first {MAX_REQUESTS:,} are looked at"))
    first, *others = drafts.values()
    step = first.steps[0]
    held = [first]
    for other in others:
        label = other.steps[0].prompts[0].label
        if _inputs(other) != _inputs(first):
            why = "a request with other slots; lift it from a file of its own"
            told.append(Unmapped(label, where, why))
            continue
        held.append(other)
        told += other.unmapped
        if other.steps[0].outputs != step.outputs or other.steps[0].tools != step.tools:
            why = "its answer's schema and tools differ; those of the first are held"
            told.append(Unmapped(label, where, why))
    prompts = tuple(draft.steps[0].prompts[0] for draft in held)
    return replace(first, steps=(replace(step, prompts=prompts),), unmapped=(*first.unmapped, *told))


def _inputs(draft: Draft) -> set[str]:
    messages = draft.steps[0].prompts[0].messages
    return {name for message in messages for name in message.template.inputs}


def _body(request: Any) -> Mapping[str, Any]:
    """The request as an object that has its messages; a batch's line has it as its body."""
    if isinstance(request, list):
        return {"messages": request}
    body = request.get("body")
    if isinstance(body, Mapping) and "messages" not in request:
        further = {key: value for key, value in request.items() if key not in ("body", *body)}
        return {**body, **further}
    return request  # type: ignore[no-any-return]


def _holds_messages(request: Any) -> bool:
    if not isinstance(request, Mapping | list):
        return False
    body = _body(request)
    if any(key in body for key in OF_OTHERS):
        return False
    if isinstance(body.get("messages"), list):
        return any(_is_message(item) for item in body["messages"])
    asked = body.get("input")
    if isinstance(asked, list):
        return any(_is_message(item) for item in asked)
    if isinstance(asked, str):
        return "instructions" in body or "model" in body
    return isinstance(body.get("prompt"), str) and "model" in body


def _is_message(item: Any) -> bool:
    if isinstance(item, Mapping):
        return "role" in item
    branches = getattr(item, "branches", ())
    return any(_is_message(one) for _, items in branches for one in items)
