"""The prompts of a promptfoo configuration: inline, by file or as a map, each a candidate.

A prompt is a text or chat messages, both Nunjucks templates. Files are taken apart as promptfoo
does it: text at lines `---`, JSON and YAML as chat messages, JSON lines and CSV as a prompt a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from ..errors import PrototypeError
from ..examples import read_csv
from .draft import ROLES, Message, Prompt, Role, check_count
from .jinja_template import JinjaTemplate
from .line_numbers import Lines
from .promptfoo_files import Parsed, Suite, file_path, others
from .strict_json import read_json
from .yaml12 import load_yaml

DELIMITER = re.compile(r"^[ \t]*---[ \t]*$", re.MULTILINE)
FILE = re.compile(r"[^\s{}]+\.(txt|md|j2|json|jsonl|ya?ml|csv|py|[cm]?[jt]s)(:\w+)?|[^\s{}]*\*[^\s{}]*")
SERVICES = ("langfuse://", "portkey://", "helicone://", "http://", "https://", "az://")
LATE = "it is no list of messages before it is filled, so it stays one message"


def read_prompts(suite: Suite, config: Parsed) -> tuple[Prompt, ...]:
    """All prompts in order, each with a label of its own.

    Raises:
        PrototypeError: there is none that can be read, or one does not parse.
    """
    reader = _Reader(suite)
    reader.entries(config.value.get("prompts"), config, ("prompts",))
    if not reader.found:
        reasons = [f"{part.what}: {part.why}" for part in suite.unmapped() if part.what.startswith("prompts")]
        raise PrototypeError(
            "no prompt is left" if reasons else "there are no prompts",
            hint="; ".join(reasons) or "list them under prompts",
            where=config.at("prompts"),
        )
    return tuple(reader.found)


class _Reader:
    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.found: list[Prompt] = []
        self.labels: dict[str, int] = {}

    def entries(self, value: Any, config: Parsed, path: tuple[str | int, ...]) -> None:
        """A list of prompts, a single one, or a map from a prompt to its label."""
        value = self.suite.resolved(value)
        if isinstance(value, list) and not _is_chat(value):
            for index, entry in enumerate(value):
                self.entry(self.suite.resolved(entry), config, (*path, index))
        elif isinstance(value, Mapping) and not value.keys() & {"raw", "id"}:
            for raw, label in value.items():
                self.entry({"raw": raw, "label": label}, config, (*path, raw))
        elif value:
            self.entry(value, config, path)

    def entry(self, entry: Any, config: Parsed, path: tuple[str | int, ...]) -> None:
        where = config.at(*path)
        what = ".".join(map(str, path))
        if isinstance(entry, Mapping):
            raw = entry.get("raw") or entry.get("id")
            for key in others(entry, {"raw", "id", "label", "display"}):
                self.suite.tell(f"prompts.{key}", where, "settings of one prompt's call are not carried over")
            label = str(entry.get("label") or entry.get("display") or entry.get("id") or "")
        else:
            raw, label = entry, ""
        if _is_chat(raw):
            self.add(self.messages(raw, where), label or what)
        elif not isinstance(raw, str) or not raw.strip():
            self.suite.tell(what, where, "it is no text and no list of messages")
        elif raw.startswith(SERVICES):
            self.suite.tell(what, where, f"it is kept by a service ({raw}), and nothing is fetched")
        elif raw.startswith(("file://", "exec:")) or self._is_file(raw):
            for name in self.suite.names(raw, what=what, where=where):
                self.file(name, label, what=what, where=where)
        else:
            self.add(self.inline(raw, f"{where}, {what}"), label or what)

    def _is_file(self, raw: str) -> bool:
        """Whether a text without `file://` names files, as older configurations have it."""
        if not FILE.fullmatch(raw):
            return False
        path = file_path(raw)
        return self.suite.files.has(path) or "*" in path or path != raw

    def file(self, name: str, label: str, *, what: str, where: str) -> None:
        text = self.suite.text(name, what=what, where=where)
        if text is None:
            return
        label = label or name
        suffix = name.rpartition(".")[2].lower()
        if suffix == "txt":
            for line, part in _parts(text):
                self.add((self.message("user", part, f"{name}, the prompt at line {line}"),), label)
        elif suffix == "jsonl":
            for line, own in enumerate(text.split("\n"), 1):
                if own.strip():
                    self.add(self.inline(own, f"{name}:{line}"), label)
        elif suffix == "csv":
            _, rows, lines = read_csv(text, name, error=PrototypeError)
            for line, row in zip(lines, rows, strict=True):
                own_label = row.get("label") or label
                self.add(
                    self.inline(row.get("prompt") or next(iter(row.values())), f"{name}:{line}"), own_label
                )
        elif suffix in ("yaml", "yml"):
            self.yaml(text, name, label)
        elif suffix == "json":
            self.add(self.structured(text, name, lambda: read_json(text, where=name)), label)
        else:
            self.add((self.message("user", text, name),), label)

    def yaml(self, text: str, name: str, label: str) -> None:
        """Chat messages, or a list of prompts that stands in a file of its own."""
        messages = self.structured(text, name, lambda: load_yaml(text, where=name))
        if len(messages) == 1 and messages[0].template.text == text and "role" not in text:
            parsed = self.suite.parsed(name)
            if isinstance(parsed.value, list):
                self.entries(parsed.value, parsed, ())
                return
        self.add(messages, label)

    def inline(self, text: str, where: str) -> tuple[Message, ...]:
        """A text, or chat messages written as JSON or YAML within it."""
        start = text.lstrip()
        if start.startswith(("[", "{")) and '"role"' in text:
            return self.structured(text, where, lambda: read_json(text, where=where))
        if start.startswith("- role:"):
            return self.structured(text, where, lambda: load_yaml(text, where=where))
        return (self.message("user", text, where),)

    def structured(self, text: str, where: str, parse: Callable[[], Any]) -> tuple[Message, ...]:
        """Chat messages; where the text is data only once it is filled, one message."""
        try:
            value = parse()
        except PrototypeError:
            if "{{" not in text and "{%" not in text:
                raise
            self.suite.tell("messages", where, LATE)
            return (self.message("user", text, where),)
        if isinstance(value, Mapping) and _is_chat(value.get("messages")):
            for key in others(value, {"messages"}):
                self.suite.tell(key, where, "settings of one prompt's call are not carried over")
            value = value["messages"]
        if _is_chat(value):
            return self.messages(value, where)
        return (self.message("user", value if isinstance(value, str) else text, where),)

    def messages(self, messages: list[Any], where: str) -> tuple[Message, ...]:
        found = []
        for index, message in enumerate(messages):
            place = f"{where}, message {index + 1}"
            role = ROLES.get(str(message["role"]).lower())
            for key in others(message, {"role", "content"}):
                self.suite.tell(f"message {key}", place, "no part of a prompt's text stands for it")
            content = self.content(message.get("content"), place)
            if role is None:
                self.suite.tell(
                    "message", place, f"a message of the role {message['role']!r} is not asked with"
                )
            elif content is not None:
                found.append(self.message(role, content, place))
        return tuple(found)

    def content(self, content: Any, where: str) -> str | None:
        """A message's text; of a list of parts, those that are text."""
        if isinstance(content, str):
            return content
        texts = []
        for part in content if isinstance(content, list) else [content]:
            own = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(own, str):
                texts.append(own)
            else:
                self.suite.tell("message content", where, f"a part that is no text: {json.dumps(part)[:60]}")
        return "\n".join(texts) if texts else None

    def message(self, role: Role, text: str, where: str) -> Message:
        return Message(role, JinjaTemplate(text, where=where, dialect="nunjucks"))

    def add(self, messages: tuple[Message, ...], label: str) -> None:
        if not messages:
            return
        own = label
        while own in self.labels:
            self.labels[label] += 1
            own = f"{label} {self.labels[label]}"
        self.labels[own] = 1
        self.found.append(Prompt(messages, own))
        check_count(len(self.found), "prompts", str(self.suite.files.path))


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The prompts of a text file, parted at lines `---`, each with its line."""
    start, lines = 0, Lines(text)
    for end, following in [*((cut.start(), cut.end()) for cut in DELIMITER.finditer(text)), (len(text), 0)]:
        part = text[start:end]
        if part.strip():
            first = start + len(part) - len(part.lstrip())
            yield lines.number(first), part.strip()
        start = following


def _is_chat(value: Any) -> TypeGuard[list[Any]]:
    return (
        bool(value)
        and isinstance(value, list)
        and all(isinstance(message, Mapping) and "role" in message for message in value)
    )
