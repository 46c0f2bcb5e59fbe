"""Dotprompt: YAML front matter with Picoschema, and a Handlebars body.

Comment lines and blank lines may stand before the front matter; without any, the whole file is
the body. Partials are files beside the prompt, `_name.prompt`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .answer_schema import answer_of, names_before
from .draft import Draft, Message, Prompt, StepDraft, Tool, Unmapped
from .files import Files
from .handlebars import parse_handlebars
from .handlebars_nodes import Node
from .handlebars_to_jinja import Translation, translate
from .picoschema import Picoschema, written_out
from .schemas import fields_of
from .slot_names import SlotNames
from .yaml12 import Document, read_yaml

FORMAT = "dotprompt"
SUFFIXES = (".prompt",)
CARRIES = (
    ("{{role}}", "messages"),
    ("Handlebars conditions, loops and partials", "messages with conditions and loops"),
    ("input.schema (Picoschema or JSON Schema)", "typed inputs"),
    ("input.default", "defaults"),
    ("output.schema", "typed outputs, bounds in a number's description included"),
    ("toolDefs, tools", "tools"),
)

LEFT = {
    "model": "the LM is chosen with --lm",
    "config": "how the LM decodes is chosen when the program is compiled",
    "name": "the program is named after its file, or by --name",
    "variant": "one variant is one file; lift the others by their files",
    "version": "versions are those of the registry",
    "description": "it is about the prompt, no part of it",
    "metadata": "it is for the caller's code",
    "ext": "it is for the caller's code",
}
READ = ("input", "output", "tools", "toolDefs")


def recognises(files: Files) -> bool:
    """A file whose name ends in .prompt."""
    return not files.is_folder and files.path.suffix.lower() == ".prompt"


def read(files: Files, *, name: str) -> Draft:
    """The prompt as one step.

    Raises:
        PrototypeError: front matter or body do not parse (with the line), a helper is unknown, or a
            partial is missing, outside the folder or contains itself.
    """
    return _PromptReader(files, files.main()).draft(name)


@dataclass(frozen=True)
class _Parts:
    """A file's front matter and body, with the lines on which they begin; no front matter is None."""

    front: str | None
    front_line: int
    body: str
    body_line: int


def _parts(text: str, where: str) -> _Parts:
    lines = text.split("\n")
    start = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    if lines[start].rstrip() != "---":
        return _Parts(None, 1, text, 1)
    end = next((at for at in range(start + 1, len(lines)) if lines[at].rstrip() == "---"), None)
    if end is None:
        raise PrototypeError(
            "the front matter is never closed", hint="end it with a line ---", where=f"{where}:{start + 1}"
        )
    after = "\n".join(lines[end + 1 :])
    body = after.strip()
    skipped = after[: len(after) - len(after.lstrip())].count("\n") if body else 0
    return _Parts("\n".join(lines[start + 1 : end]), start + 2, body, end + 2 + skipped)


@dataclass
class _PromptReader:
    files: Files
    text: str
    unmapped: list[Unmapped] = field(default_factory=list)
    names: SlotNames = field(default_factory=SlotNames)

    def draft(self, name: str) -> Draft:
        where = str(self.files.path)
        parts = _parts(self.text, where)
        self.front = Document({}, where, {})
        if parts.front is not None and parts.front.strip():
            self.front = read_yaml(parts.front, where=where, first_line=parts.front_line)
        table = self._table((), self.front.value)
        inputs, stated = self._inputs()
        nodes = parse_handlebars(parts.body, where=where, first_line=parts.body_line)
        translation = translate(
            nodes, names=self.names, schema=self.schema, partial=self._partial, where=where
        )
        if not translation.messages:
            raise PrototypeError(
                "the prompt has no words", hint="write them after the front matter", where=where
            )
        prompt = self._prompt(translation)
        slots = {slot for message in prompt.messages for slot in message.template.inputs}
        known = slots | {one.name for one in inputs}
        outputs, reasons = self._outputs(known)
        step = StepDraft(
            name,
            (prompt,),
            inputs=inputs,
            outputs=outputs,
            reasons={**stated, **reasons},
            tools=tuple(self._tools()),
        )
        defaults = self._defaults(known)
        self._tell(table, translation)
        return Draft((step,), defaults=defaults, unmapped=tuple(self.unmapped))

    def _prompt(self, translation: Translation) -> Prompt:
        from .jinja_template import JinjaTemplate

        where = str(self.files.path)
        return Prompt(
            tuple(
                Message(role, JinjaTemplate(text, where=where, dialect="nunjucks"))
                for role, text in translation.messages
            )
        )

    # Front matter

    def _table(self, path: Sequence[str], value: Any) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            key = ".".join(path) or "the front matter"
            raise PrototypeError(
                f"{key} is no mapping", hint="write keys and values", where=self.front.at(*path)
            )
        return value

    def _part(self, *path: str) -> Any:
        """A value of the front matter by its path, or None."""
        found: Any = self.front.value
        for depth, key in enumerate(path):
            found = self._table(path[:depth], found).get(key)
        return found

    def _listed(self, key: str) -> list[Any]:
        found = self._part(key)
        return found if isinstance(found, list) else [] if found is None else [found]

    def _schema(self, *path: str) -> Picoschema | None:
        value = self._part(*path)
        if value is None or value == {}:
            return None
        place = self.front.at(*path)
        found = written_out(value, where=place)
        key = ".".join(path)
        for at, name in found.unknown:
            why = f"the schema {name} is registered by the caller's code; write it out here"
            self.unmapped.append(Unmapped(f"{key} {at}: {name}", place, why))
        for at in found.open:
            self.unmapped.append(Unmapped(f"{key} {at}: (*)", place, "a contract names each of its fields"))
        return found

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the inputs, as it is written."""
        return self._input_schema.schema if self._input_schema is not None else {}

    def _inputs(self) -> tuple[tuple[Field, ...], dict[str, str]]:
        self._input_schema = self._schema("input", "schema")
        if self._input_schema is None or not self.schema.get("properties"):
            return (), {}
        place = self.front.at("input", "schema")
        read = fields_of(self.schema, where=place)
        self._left_out(place, read.left_out)
        before = names_before(read)
        found = tuple(
            Field(self.names.name(before[one.name], wanted=one.name), one.schema, one.description)
            for one in read.fields
        )
        return found, self._reasons("input.schema", found, self._input_schema)

    def _outputs(self, taken: set[str]) -> tuple[tuple[Field, ...], dict[str, str]]:
        self._table(("output",), self._part("output"))
        schema = self._schema("output", "schema")
        if schema is None:
            return (), {}
        place = self.front.at("output", "schema")
        read = answer_of(schema.schema, where=place, taken=taken)
        self._left_out(place, read.left_out)
        return read.fields, self._reasons("output.schema", read.fields, schema)

    def _reasons(self, key: str, fields: Sequence[Field], schema: Picoschema) -> dict[str, str]:
        """Where each field is stated; bounds with the words that state them."""
        found = {}
        for one in fields:
            within = [words for at, words in schema.bounds if at.split(".")[1:2] == [one.name] or at == "$"]
            bounds = f'; its bounds by the words "{within[0]}"' if within else ""
            found[one.name] = f"stated by {key}{bounds}"
        return found

    def _left_out(self, place: str, parts: list[tuple[str, str]]) -> None:
        self.unmapped += [Unmapped(what, place, why) for what, why in parts]

    def _defaults(self, known: set[str]) -> dict[str, Any]:
        found = {}
        for name, value in self._table(("input", "default"), self._part("input", "default")).items():
            own = self.names.name(name, wanted=name)
            if own in known:
                found[own] = value
            else:
                place = self.front.at("input", "default", name)
                self.unmapped.append(Unmapped(f"input.default.{name}", place, "the prompt has no such input"))
        return found

    def _tools(self) -> Iterator[Tool]:
        """Tools by definition, and those that are only named."""
        defined = {}
        for at, one in enumerate(self._listed("toolDefs")):
            table = self._table(("toolDefs", str(at)), one)
            place = self.front.at("toolDefs", at)
            schema = written_out(table["inputSchema"], where=place) if table.get("inputSchema") else None
            name = str(table.get("name", ""))
            parameters = schema.schema if schema is not None else {}
            defined[name] = Tool(name, str(table.get("description") or ""), parameters)
            if table.get("outputSchema"):
                why = "what a tool gives back is its own matter"
                self.unmapped.append(Unmapped(f"toolDefs.{name}.outputSchema", place, why))
        for one in self._listed("tools"):
            name = str(one)
            if name not in defined:
                defined[name] = Tool(name)
                why = "only its name is here: the caller's code defines what it takes and does"
                self.unmapped.append(Unmapped(f"tools.{name}", self.front.at("tools"), why))
        yield from defined.values()

    def _tell(self, table: Mapping[str, Any], translation: Translation) -> None:
        """What is not carried over."""
        for key in table:
            if key not in READ:
                why = LEFT.get(key, "it is for the caller's code" if "." in key else "this key is not known")
                self.unmapped.append(Unmapped(key, self.front.at(key), why))
        kept = {"input": ("schema", "default"), "output": ("schema", "format")}
        for key, inner in kept.items():
            for own in self._table((key,), table.get(key)):
                if own not in inner:
                    where = self.front.at(key, own)
                    self.unmapped.append(Unmapped(f"{key}.{own}", where, "this key is not known"))
        stated = self._part("output", "format")
        if stated not in (None, "text", "json") or (
            stated == "json" and self._part("output", "schema") is None
        ):
            why = "what fields the answer has is not stated; name them in output.schema"
            self.unmapped.append(Unmapped(f"output.format: {stated}", self.front.at("output", "format"), why))
        self.unmapped += [Unmapped(what, where, why) for what, where, why in translation.told]
        self.unmapped += self.names.told(str(self.files.path))

    # Partials

    def _partial(self, name: str, asked_at: str) -> tuple[Sequence[Node], str]:
        folder, _, stem = name.rpartition("/")
        path = posixpath.join(folder, f"_{stem}.prompt")
        plain = posixpath.join(folder, f"{stem}.prompt")
        if not self.files.has(path) and self.files.has(plain):
            path = plain
        if not self.files.has(path):
            raise PrototypeError(
                f"there is no partial {name!r}", hint=f"put {path} beside the prompt", where=asked_at
            )
        where = str(self.files.root / path)
        parts = _parts(self.files.read(path), where)
        if parts.front is not None:
            why = "front matter of a partial: only its words are inserted"
            self.unmapped.append(Unmapped(f"{{{{> {name}}}}}", f"{where}:{parts.front_line}", why))
        return parse_handlebars(parts.body, where=where, first_line=parts.body_line), where
