"""The objects of LangChain's files, of either spelling, and what reading one of them gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ..errors import PrototypeError
from ..runtime import Demo, Field
from .draft import Message, Template, Tool, Unmapped
from .files import Files
from .formatted import FormatTemplate, parse_format
from .jinja_template import JinjaTemplate
from .mustache import Section, Variable, parse_mustache, to_jinja
from .pieces import Piece, Slot
from .renamed_template import renamed
from .slot_names import SlotNames
from .strict_json import read_json
from .yaml12 import load_yaml

TEMPLATES = ("prompt",)
FEW_SHOT = ("few_shot", "few_shot_with_templates")
CHAT = ("chat",)
KINDS = (*TEMPLATES, *FEW_SHOT, *CHAT)
CLASSES = {
    "PromptTemplate": "prompt",
    "FewShotPromptTemplate": "few_shot",
    "FewShotPromptWithTemplates": "few_shot",
    "few_shot_with_templates": "few_shot",
    "ChatPromptTemplate": "chat",
    "StructuredPrompt": "chat",
    "PipelinePromptTemplate": "pipeline",
}


def not_of_langchain(what: str, where: str) -> PrototypeError:
    """The error for data that is none of its prompts."""
    return PrototypeError(
        f"{what} where a prompt of LangChain is expected",
        hint="it knows prompt, few_shot and chat; nothing is imported by an id",
        where=where,
    )


@dataclass(frozen=True)
class Node:
    """One object: its kind, its own values, and its place as a path of keys."""

    kind: str
    data: Mapping[str, Any]
    path: str

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default where it is missing or null."""
        value = self.data.get(key)
        return default if value is None else value

    def place(self, key: str) -> str:
        """The path of one of its values."""
        return f"{self.path}.{key}" if self.path else key

    def where(self, context: Context) -> str:
        """Its place, for people."""
        return context.at(self.path)


def node_of(value: Any, path: str, context: Context) -> Node:
    """An object of either spelling.

    Raises:
        PrototypeError: it is no object, or one that is no data.
    """
    where = context.at(path)
    if not isinstance(value, Mapping):
        raise not_of_langchain(f"{type(value).__name__} {str(value)[:40]!r}", where)
    if "lc" not in value:
        kind = str(value.get("_type", "prompt"))
        return Node(CLASSES.get(kind, kind), value, path)
    names = value.get("id")
    if value.get("type") != "constructor" or not isinstance(names, list) or not names:
        raise not_of_langchain(f"an object of type {value.get('type')!r}", where)
    if str(names[0]).split("_")[0] not in ("langchain", "langsmith"):
        raise PrototypeError(
            f"{'.'.join(map(str, names))} is no class of LangChain's, and nothing is imported by an id",
            hint="save the prompt itself",
            where=where,
        )
    kwargs = value.get("kwargs", {})
    if not isinstance(kwargs, Mapping):
        raise not_of_langchain("kwargs that are no object", where)
    kind = str(names[-1])
    return Node(CLASSES.get(kind, kind), kwargs, f"{path}.kwargs" if path else "kwargs")


@dataclass
class Context:
    """A file being read: its names, and what was found besides the text.

    Attributes:
        sent: the messages with those of the examples, where these became demos.
    """

    files: Files
    names: SlotNames = field(default_factory=SlotNames)
    outputs: list[Field] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    demos: list[Demo] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)

    def at(self, path: str) -> str:
        """A place in the file, for people."""
        return f"{self.files.path}: {path}" if path else str(self.files.path)

    def tell(self, what: str, path: str, why: str) -> None:
        """Note a part that is not carried over."""
        self.unmapped.append(Unmapped(what, self.at(path), why))

    def tell_renamed(self) -> None:
        """Note the inputs that have another name than in the file."""
        self.unmapped += self.names.told(self.at(""))

    def load(self, name: str) -> Any:
        """The JSON or YAML of a file in the folder.

        Raises:
            PrototypeError: it cannot be read, or does not parse.
        """
        text = self.files.read(name)
        where = str(self.files.root / name)
        if PurePosixPath(name).suffix.lower() in (".yaml", ".yml"):
            return load_yaml(text, where=where)
        return read_json(text, where=where)

    def text_at(self, node: Node, key: str) -> str | None:
        """A text that stands in the file, or in one that `KEY_path` names."""
        named = node.get(f"{key}_path")
        if named is not None:
            return self.files.read(str(named))
        text = node.get(key)
        if text is None or isinstance(text, str):
            return text
        raise PrototypeError(f"{key} is no text", hint="write it as text", where=self.at(node.place(key)))

    def source_of(self, node: Node) -> tuple[str, str]:
        """The text of a prompt and the language of its slots.

        Raises:
            PrototypeError: it has none.
        """
        text = self.text_at(node, "template")
        if text is None:
            raise PrototypeError(
                "the prompt has no template", hint="add its text", where=self.at(node.place("template"))
            )
        return text, self.format_of(node)

    def format_of(self, node: Node) -> str:
        """The language of a prompt's slots.

        Raises:
            PrototypeError: LangChain has none of this name.
        """
        format = str(node.get("template_format", "f-string"))
        if format not in ("f-string", "jinja2", "mustache"):
            raise PrototypeError(
                f"template_format {format!r} is not known",
                hint="f-string, jinja2 or mustache",
                where=self.at(node.place("template_format")),
            )
        return format

    def template_of(self, node: Node) -> Template:
        """The template of a `prompt`."""
        text, format = self.source_of(node)
        found = self.template(text, format, node.place("template"), listed=node.get("input_variables"))
        self.tell_unused(node, [found])
        return found

    def template(self, text: str, format: str, path: str, *, listed: Any = None) -> Template:
        """A text with slots of one of the three languages."""
        if format == "jinja2":
            return renamed(JinjaTemplate(text, where=self.at(path)), self.names)
        if format == "mustache":
            return self._mustache(text, path, listed)
        parsed = parse_format(text)
        for spelling, line, why in parsed.told:
            self.tell(spelling, f"{path}, line {line}", why)
        return FormatTemplate(text, parsed.named(self._name_of_key))

    def jinja_of(self, text: str, format: str, path: str) -> str:
        """A text of Jinja or Mustache as Jinja."""
        if format == "jinja2":
            return text
        translated = to_jinja(text, where=self.at(path))
        for spelling, line, why in translated.told:
            self.tell(spelling, f"{path}, line {line}", why)
        return translated.jinja

    def _mustache(self, text: str, path: str, listed: Any) -> Template:
        whole = parse_mustache(text, self.at(path))
        if not any(isinstance(part, Section) for part in whole.body):
            return FormatTemplate(text, tuple(self._piece(part) for part in whole.body if part != ""))
        known = [str(one) for one in listed] if isinstance(listed, Sequence) else []
        translated = to_jinja(text, known=known, where=self.at(path))
        for spelling, line, why in translated.told:
            self.tell(spelling, f"{path}, line {line}", why)
        return renamed(JinjaTemplate(translated.jinja, where=self.at(path)), self.names)

    def _piece(self, part: str | Variable | Section) -> Piece:
        if isinstance(part, str):
            return part
        name = "text" if part.name == "." else part.name
        return Slot(self.names.name(name), f"{{{{{name}}}}}")

    def _name_of_key(self, key: str) -> str:
        return self.names.name(key or "{}")

    def read_defaults(self, node: Node) -> None:
        """`partial_variables` as values of inputs where a row has none."""
        partial = node.get("partial_variables", {})
        if not isinstance(partial, Mapping):
            self.tell("partial_variables", node.place("partial_variables"), "they are no object")
            return
        for key, value in partial.items():
            if isinstance(value, Mapping) and "lc" in value:
                why = "a Python function makes the value; the input has no default"
                self.tell(str(key), node.place(f"partial_variables.{key}"), why)
            else:
                self.defaults[self.names.name(str(key))] = value

    def tell_unused(self, node: Node, templates: Sequence[Template]) -> None:
        """Note inputs that the prompt lists and no template has."""
        used = {name for template in templates for name in template.inputs}
        listed = node.get("input_variables", ())
        for key in listed if isinstance(listed, list) else ():
            known = self.names.name(str(key)) if isinstance(key, str) else ""
            if known and known not in used and key not in used:
                self.tell(str(key), node.place("input_variables"), "listed as an input, and in no template")

    def file_or_value(self, node: Node, key: str) -> Any:
        """A value, or the content of the file that is named in its place."""
        value = node.get(key)
        return self.load(value) if isinstance(value, str) else value
