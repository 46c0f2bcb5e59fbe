"""TensorZero: a function of its configuration, each variant a candidate prompt.

Schemas are the types, MiniJinja templates the words. One function is lifted: the one that has
the program's name, or else the first that has a prompt. What belongs to a gateway (models,
providers, limits, experiments) is told and left behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .answer_schema import answer_of, names_before
from .draft import Draft, Message, Prompt, StepDraft, Template, Tool, Unmapped, check_count
from .files import Files
from .names import Names, field_name, problem_of_field, program_name
from .pieces import Slot
from .plain_template import PlainTemplate
from .renamed_template import RenamedTemplate
from .schemas import fields_of
from .slot_names import SlotNames
from .tensorzero_config import Config, is_config, read_config, read_schema, tables_of

FORMAT = "tensorzero"
SUFFIXES = (".toml", "")
CARRIES = (
    ("function", "a step; others are named, to be lifted one by one"),
    ("variants of type chat_completion", "candidate prompts, the heaviest first"),
    ("user_schema, system_schema, schemas.NAME", "typed inputs"),
    ("output_schema", "typed outputs"),
    ("MiniJinja templates", "messages with conditions and loops"),
    ("tools", "typed tools"),
)

CHAT = "chat_completion"
ROLES = ("system", "user", "assistant")
USED_BY_FUNCTION = frozenset(
    ("type", "variants", "tools", "schemas", "description", "output_schema", "evaluators")
)
USED_BY_VARIANT = frozenset(("type", "weight", "templates", "system_instructions", "input_wrappers"))
OTHER_KINDS = {
    "best_of_n": "it lets an LM choose among answers of other variants; the compiler races prompts instead",
    "mixture_of_n": "it lets an LM join answers of other variants; the program answers once",
    "dynamic_in_context_learning": "it looks up examples for each call; the compiler chooses demos instead",
    "chain_of_thought": "it lets the LM think before it answers; the compiler decides on that by measuring",
}
TOP = {
    "models": "the LM is chosen with --lm",
    "providers": "the LM is chosen with --lm",
    "provider_types": "the LM is chosen with --lm",
    "embedding_models": "no embedding is looked up by the program",
    "gateway": "the program is served by `shipworthy serve`",
    "clickhouse": "traces are kept by shipworthy's own store",
    "postgres": "traces are kept by shipworthy's own store",
    "object_storage": "no files are kept by the program",
    "rate_limiting": "limits are set where the program is served",
    "optimizers": "programs are optimised by their recipe",
    "autopilot": "programs are optimised by their recipe",
}
FUNCTION_KEYS = {
    "experimentation": "it gives the order of the prompts; the compiler measures which is best",
    "tool_choice": "the program decides which tool it calls",
    "parallel_tool_calls": "the program decides which tools it calls",
}
USER_TEXT = "user_text"
METRIC = "has a name and no definition here; write it as a metric, or bring labelled rows"
EVALUATION = "runs on a dataset that is not here; certify measures the program on your rows"


def recognises(files: Files) -> bool:
    """A tensorzero.toml, a TOML file with functions and variants, or a folder that has one."""
    return is_config(files)


def read(files: Files, *, name: str) -> Draft:
    """The function of this name, or the first that has a prompt.

    Raises:
        PrototypeError: a file is missing, broken (with line and column) or outside the folder; a
            template reads files or calls Python; no function has a prompt.
    """
    config = read_config(files)
    functions = config.table("functions")
    chosen, why = _chosen(config, functions, name)
    reader = _FunctionReader(files, config, chosen)
    step = reader.step(name)
    others = [
        Unmapped(
            f"functions.{other}",
            config.at(f"functions.{other}"),
            f"it is a program of its own; {why}; lift it by --name {program_name(other, other)}",
        )
        for other in functions
        if other != chosen
    ]
    return Draft(
        (step,), unmapped=(*reader.unmapped, *others, *_told(config, _listed(functions[chosen].get("tools"))))
    )


def _chosen(config: Config, functions: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The function to lift, and why this one."""
    for function in functions:
        if program_name(function, config.at(f"functions.{function}")) == name:
            return function, f"{function} is lifted, as it has the program's name"
    for function, table in functions.items():
        variants = tables_of(table, where=config.at(f"functions.{function}")).get("variants")
        if variants:
            return function, f"{function} is lifted, the first that has a prompt"
    raise PrototypeError(
        f"no function has a variant: {', '.join(functions)}",
        hint="name the folder, if the variants are in another file",
        where=config.at("functions"),
    )


def _told(config: Config, used: Collection[str]) -> Iterator[Unmapped]:
    """What stands beside functions."""
    for metric in config.table("metrics"):
        yield Unmapped(f"metrics.{metric}", config.at(f"metrics.{metric}"), METRIC)
    for evaluation in config.table("evaluations"):
        key = f"evaluations.{evaluation}"
        yield Unmapped(key, config.at(key), EVALUATION)
    for tool in config.table("tools"):
        if tool not in used:
            yield Unmapped(f"tools.{tool}", config.at(f"tools.{tool}"), "the lifted function does not use it")
    for key in config.tables:
        if key not in ("functions", "metrics", "evaluations", "tools"):
            yield Unmapped(key, config.at(key), TOP.get(key, "this key is not known"))


@dataclass
class _FunctionReader:
    files: Files
    config: Config
    function: str
    unmapped: list[Unmapped] = field(default_factory=list)
    names: SlotNames = field(default_factory=SlotNames)
    slots: dict[str, None] = field(default_factory=dict)
    user_fields: list[str] = field(default_factory=list)
    messages_input: str = ""

    def step(self, name: str) -> StepDraft:
        table = tables_of(self.config.table("functions")[self.function], where=self._at())
        inputs, reasons = self._inputs(table)
        variants = self._variants(table)
        prompts = self._prompts(variants)
        if self.messages_input:
            inputs += (Field(self.messages_input, {"type": "string"}),)
            reasons[self.messages_input] = "no template words the user's message: what a caller sends is it"
        taken = {*self.slots, *(one.name for one in inputs)}
        outputs, stated = self._outputs(table, taken)
        renamed = self.names.renamed.items()
        self.unmapped += [Unmapped(old, self._at(), why) for old, why in renamed]
        self._tell(table)
        tools = tuple(self._tools(table))
        return StepDraft(
            name, prompts, inputs=inputs, outputs=outputs, reasons={**reasons, **stated}, tools=tools
        )

    def _at(self, key: str = "") -> str:
        return self.config.at(f"functions.{self.function}{f'.{key}' if key else ''}")

    def _tell_at(self, key: str, why: str) -> None:
        self.unmapped.append(Unmapped(f"functions.{self.function}.{key}", self._at(key), why))

    def _schemas(self, table: Mapping[str, Any]) -> dict[str, str]:
        """Paths of the schemas of inputs, by the template that they belong to."""
        found = {role: table[f"{role}_schema"] for role in ROLES if f"{role}_schema" in table}
        newer = tables_of(table.get("schemas", {}), where=self._at("schemas"))
        for key, value in newer.items():
            found[key] = value.get("path") if isinstance(value, dict) else value
        return {key: self._path(value, f"schemas.{key}") for key, value in found.items()}

    def _path(self, value: Any, key: str) -> str:
        path = value.get("path") if isinstance(value, dict) else value
        if not isinstance(path, str):
            raise PrototypeError("a path is expected here", hint="correct the TOML", where=self._at(key))
        return path

    def _inputs(self, table: Mapping[str, Any]) -> tuple[tuple[Field, ...], dict[str, str]]:
        found: dict[str, Field] = {}
        reasons: dict[str, str] = {}
        for key, path in self._schemas(table).items():
            if key == "assistant":
                self._tell_at("assistant_schema", "it types earlier answers; a program is asked once")
                continue
            schema = read_schema(self.files, path)
            if not schema.get("properties") and not {"$ref", "allOf"} & schema.keys():
                continue
            read = fields_of(schema, where=str(self.files.root / path))
            self._left_out(path, read.left_out)
            before = names_before(read)
            for one in read.fields:
                name = self.names.name(before[one.name], wanted=one.name)
                if name in found and found[name].schema != one.schema:
                    self._tell_at(f"schemas.{key}.{one.name}", "another schema gives this input another type")
                    continue
                found.setdefault(name, Field(name, one.schema, one.description))
                reasons.setdefault(name, f"stated by {path}")
                if key == "user":
                    self.user_fields.append(name)
        return tuple(found.values()), reasons

    def _outputs(self, table: Mapping[str, Any], taken: set[str]) -> tuple[tuple[Field, ...], dict[str, str]]:
        if "output_schema" not in table:
            return (), {}
        path = self._path(table["output_schema"], "output_schema")
        schema = read_schema(self.files, path)
        if not schema.keys() - {"$schema", "title", "description"}:
            return (), {}
        read = answer_of(schema, where=str(self.files.root / path), taken=taken)
        self._left_out(path, read.left_out)
        return read.fields, {one.name: f"stated by {path}" for one in read.fields}

    def _left_out(self, path: str, parts: list[tuple[str, str]]) -> None:
        self.unmapped += [Unmapped(place, path, why) for place, why in parts]

    def _variants(self, table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Those that are prompts, the one most often used first."""
        variants = tables_of(table.get("variants", {}), where=self._at("variants"))
        check_count(len(variants), "variants", self._at("variants"))
        variants = {
            name: tables_of(one, where=self._at(f"variants.{name}")) for name, one in variants.items()
        }
        chats = {name: one for name, one in variants.items() if one.get("type", CHAT) == CHAT}
        if not chats:
            chats = {name: one for name, one in variants.items() if _has_prompt(one)}
        for name, one in variants.items():
            if one.get("type", CHAT) != CHAT:
                kind = str(one["type"]).removeprefix("experimental_").removesuffix("_sampling")
                why = OTHER_KINDS.get(kind, f"variants of type {kind} are not read")
                self._tell_at(f"variants.{name}", f"{why}; its words are kept" if name in chats else why)
        if not chats:
            raise PrototypeError(
                "no variant holds a prompt", hint="define one of type chat_completion", where=self._at()
            )
        weights = _weights(table, chats)
        return dict(sorted(chats.items(), key=lambda item: -weights[item[0]]))

    def _prompts(self, variants: Mapping[str, dict[str, Any]]) -> tuple[Prompt, ...]:
        # Those without a template come last: what the others call the user's text is known then.
        order = sorted(variants, key=lambda name: not _words_the_user(variants[name]))
        messages = {name: tuple(self._messages(name, variants[name])) for name in order}
        twins: dict[tuple[tuple[str, str], ...], str] = {}
        for name, variant in variants.items():
            words = tuple((message.role, message.template.text) for message in messages[name])
            twin = twins.setdefault(words, name)
            left = sorted(
                key for key in variant if key not in USED_BY_VARIANT and not key.endswith("_template")
            )
            if left:
                alike = f"; its words are those of {twin}" if twin != name else ""
                why = "the LM, how it decodes and how it is called are chosen when the program is compiled"
                self._tell_at(f"variants.{name}: {', '.join(left)}", f"{why}{alike}")
        return tuple(Prompt(messages[name], label=name) for name in variants)

    def _messages(self, name: str, variant: Mapping[str, Any]) -> Iterator[Message]:
        paths = {role: variant[f"{role}_template"] for role in ROLES if f"{role}_template" in variant}
        newer = tables_of(variant.get("templates", {}), where=self._at(f"variants.{name}.templates"))
        paths = {
            key: self._path(value, f"variants.{name}.templates.{key}")
            for key, value in {**paths, **newer}.items()
        }
        if "system" in paths:
            yield Message("system", self._template(paths["system"]))
        elif "system_instructions" in variant:
            text = self.files.read(self._path(variant["system_instructions"], f"variants.{name}"))
            yield Message("system", PlainTemplate(text, lambda words: (words,)))
        if "assistant" in paths:
            why = "it words earlier answers of a conversation; a program is asked once"
            self._tell_at(f"variants.{name}.assistant_template", why)
        own = [key for key in paths if key not in ROLES]
        if "user" in paths:
            yield Message("user", self._template(paths["user"]))
        elif own:
            yield Message("user", self._template(paths[own.pop(0)]))
        else:
            yield Message("user", self._bare())
        for key in own:
            why = "a call may send it in place of the message that is lifted; it is another program"
            self._tell_at(f"variants.{name}.templates.{key}", why)

    def _template(self, path: str) -> Template:
        from .jinja_template import JinjaTemplate

        template = JinjaTemplate(
            self.files.read(path), where=str(self.files.root / path), dialect="minijinja"
        )
        names = {old: self.names.name(old, wanted=old) for old in template.inputs}
        self.slots.update(dict.fromkeys(names.values()))
        own = {name: name for name in names}
        return RenamedTemplate(template, names) if names != own else template

    def _bare(self) -> Template:
        """Where no template words the user's message, what the caller sends is the message."""
        if self.user_fields:
            from .jinja_template import JinjaTemplate

            self._tell_at(
                "user_schema", "no template words these inputs, so each stands on a line of its own"
            )
            lines = "\n".join(f"{name}: {{{{ {name} }}}}" for name in self.user_fields)
            return JinjaTemplate(lines, where=self._at("user_schema"), dialect="minijinja")
        if USER_TEXT in self.slots:
            slot = Slot(USER_TEXT, f"{{{{ {USER_TEXT} }}}}")
        else:
            slot = Slot(self.names.name("the user's message", wanted="message"), "{{ message }}")
            self.messages_input = slot.name
        return PlainTemplate(slot.spelling, lambda _: (slot,))

    def _tools(self, table: Mapping[str, Any]) -> Iterator[Tool]:
        defined = self.config.table("tools")
        taken = Names()
        for name in _listed(table.get("tools")):
            if name not in defined:
                self._tell_at(f"tools.{name}", "no tool of this name is defined")
                continue
            tool = tables_of(defined[name], where=self.config.at(f"tools.{name}"))
            parameters: Mapping[str, Any] = {}
            if "parameters" in tool:
                parameters = read_schema(self.files, self._path(tool["parameters"], f"tools.{name}"))
            sent = str(tool.get("name", name))
            own = taken.take(field_name(sent, otherwise="tool"))
            if own != sent:
                problem = problem_of_field(sent) or "is another tool's name"
                self._tell_at(f"tools.{sent}", f"renamed to {own}: it {problem}")
            yield Tool(own, str(tool.get("description", "")), parameters)

    def _tell(self, table: Mapping[str, Any]) -> None:
        """What of the function is not carried over."""
        for name in tables_of(table.get("evaluators", {}), where=self._at("evaluators")):
            self._tell_at(f"evaluators.{name}", "it is run by TensorZero; write it as a metric of the recipe")
        schemas = {f"{role}_schema" for role in ROLES}
        for key in table:
            if key not in USED_BY_FUNCTION and key not in schemas:
                self._tell_at(key, FUNCTION_KEYS.get(key, "this key is not known"))


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _has_prompt(variant: Mapping[str, Any]) -> bool:
    return any(key.endswith("_template") or key in ("templates", "system_instructions") for key in variant)


def _words_the_user(variant: Mapping[str, Any]) -> bool:
    templates = variant.get("templates", {})
    own = (
        [key for key in templates if key not in ("system", "assistant")]
        if isinstance(templates, dict)
        else []
    )
    return "user_template" in variant or bool(own)


def _weights(table: Mapping[str, Any], variants: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How often each variant is used, as its function or it itself says."""
    experiment = table.get("experimentation", {})
    candidates = experiment.get("candidate_variants", {}) if isinstance(experiment, dict) else {}
    if isinstance(candidates, list):
        candidates = {name: 1.0 for name in candidates if isinstance(name, str)}
    stated = candidates or {name: one.get("weight", 0) for name, one in variants.items()}
    weights = {name: stated.get(name, 0) for name in variants}
    return {name: float(one) if isinstance(one, (int, float)) else 0.0 for name, one in weights.items()}
