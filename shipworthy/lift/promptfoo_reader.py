"""promptfoo's configuration: candidate prompts of one step, tests as rows, assertions as checks.

The inputs are the variables that prompts use. A variable that no prompt uses, and that an
assertion compares the answer with, is the answer wanted; so is the value of an `equals`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .draft import Check, Draft, Message, Prompt, StepDraft
from .files import Files
from .names import problem_of_field
from .promptfoo_assertions import PARTLY, Asserted, all_run, check_of, each, is_filled, wanted_variable
from .promptfoo_files import CODE, Parsed, Suite, mapping, others
from .promptfoo_prompts import read_prompts
from .promptfoo_tests import Case, Cases, read_cases
from .renamed_template import RenamedTemplate
from .schemas import fields_of
from .slot_names import SlotNames

FORMAT = "promptfoo"
SUFFIXES = (".yaml", ".yml", ".json", "")
CARRIES = (
    ("prompts, inline and by file", "candidate prompts of one step"),
    ("vars that prompts use", "inputs"),
    ("tests, defaultTest, scenarios", "examples"),
    ("vars that assertions compare the answer with, `equals`", "labels"),
    ("a JSON Schema of `is-json` or of a provider's `response_format`", "typed outputs"),
    ("assertions that run exactly, sets, weights, thresholds", "checks: in the recipe, or beside their row"),
)

NAMES = tuple(f"promptfooconfig.{suffix}" for suffix in ("yaml", "yml", "json"))
PROMPTS = re.compile(r"""^(?:prompts|["']prompts["'])\s*:|[{,]\s*"prompts"\s*:""", re.MULTILINE)
BESIDE = re.compile(
    r"""^["']?(?:providers|targets|tests|defaultTest|scenarios)["']?\s*:|"(?:providers|tests|defaultTest)"\s*:""",
    re.MULTILINE,
)
READ = ("prompts", "tests", "defaultTest", "scenarios", "assertionTemplates", "$schema")
WHY = {
    "providers": "the LM is chosen when the program is compiled",
    "targets": "the LM is chosen when the program is compiled",
    "env": "settings of the environment are not carried over",
    "nunjucksFilters": CODE,
    "extensions": CODE,
    "derivedMetrics": "a figure computed of others, for promptfoo's own report",
    "redteam": "attacks are made by promptfoo's own generators",
    "description": "a note for people",
    "metadata": "a note for people",
    "tags": "a note for people",
}
ELSE = "a setting of promptfoo's own run"
BUILT_IN = {
    "env": "promptfoo reads the environment here; nothing is looked up, it is an input",
    "_conversation": "promptfoo puts earlier turns here; it is an input",
}


def recognises(files: Files) -> bool:
    """Whether this is a promptfoo configuration: by its name, or prompts beside providers or tests."""
    name = _main(files)
    if name is None:
        return False
    if name in NAMES:
        return True
    text = files.glance(name)
    if "prompts" not in text:
        return False
    return "promptfoo.dev/config-schema" in text or bool(PROMPTS.search(text) and BESIDE.search(text))


def read(files: Files, *, name: str) -> Draft:
    """The configuration with the files that it names.

    Raises:
        PrototypeError: it or one of its files does not parse, or no prompt can be read.
    """
    suite = Suite(files)
    main = _main(files)
    if main is None:
        raise PrototypeError(
            "there is no promptfoo configuration", hint=f"name it {NAMES[0]}", where=str(files.path)
        )
    config = suite.parsed(main)
    if not isinstance(config.value, Mapping):
        raise PrototypeError("a promptfoo configuration is a map", hint="start with prompts:", where=main)
    suite.root = config.value
    for key in others(config.value, READ):
        suite.tell(key, config.at(key), WHY.get(key, ELSE))
    prompts = read_prompts(suite, config)
    cases = read_cases(suite, config)
    return _Drafting(suite, config, prompts, cases).draft(name)


def _main(files: Files) -> str | None:
    if not files.is_folder:
        return files.path.name if files.path.suffix.lower() in SUFFIXES[:-1] else None
    return next((name for name in NAMES if files.has(name)), None)


class _Drafting:
    """One configuration on its way to a draft."""

    def __init__(self, suite: Suite, config: Parsed, prompts: tuple[Prompt, ...], cases: Cases) -> None:
        self.suite = suite
        self.config = config
        self.cases = cases
        self.names = SlotNames()
        self.wanted: dict[str, None] = {}
        self.inputs = dict.fromkeys(
            name for prompt in prompts for message in prompt.messages for name in message.template.inputs
        )
        self.prompts = tuple(self.renamed(prompt) for prompt in prompts)
        self.defaults = self.single(cases.default_asserts)
        self.own = [self.single(case.asserts) for case in cases.rows]
        self.whole = False

    def draft(self, name: str) -> Draft:
        """The step, its rows and checks."""
        labels = self.labels()
        outputs, reasons = self.outputs(labels)
        rows = [
            {**self.row(case), **{key: own for key, own in label.items() if key in outputs}}
            for case, label in zip(self.cases.rows, labels, strict=True)
        ]
        self.tell_the_rest()
        checks = tuple(self.checks())
        stated: dict[int | None, float | None] = {None: self.cases.default_threshold}
        stated.update((index, case.threshold) for index, case in enumerate(self.cases.rows))
        step = StepDraft(name, self.prompts, outputs=tuple(outputs.values()), reasons=reasons)
        defaults = self.row(Case(self.cases.default_vars, (), ""))
        return Draft(
            (step,),
            rows=tuple(rows),
            checks=checks,
            thresholds={row: threshold for row, threshold in stated.items() if threshold is not None},
            whole=self.whole,
            defaults=defaults,
            unmapped=self.suite.unmapped(),
        )

    def renamed(self, prompt: Prompt) -> Prompt:
        """A prompt whose inputs have names of Python's."""
        messages = []
        for message in prompt.messages:
            names = {name: self.names.name(name, wanted=name) for name in message.template.inputs}
            changed = any(old != new for old, new in names.items())
            template = RenamedTemplate(message.template, names) if changed else message.template
            messages.append(Message(message.role, template))
        return Prompt(tuple(messages), prompt.label)

    def row(self, case: Case) -> dict[str, Any]:
        """The variables that prompts use, by the names of the inputs."""
        return {self.names.name(key, wanted=key): case.vars[key] for key in self.inputs if key in case.vars}

    def single(self, asserts: Iterable[Asserted]) -> tuple[Asserted, ...]:
        """Single assertions, those within sets too."""
        return tuple(one for found in asserts for one in each(self.suite, found))

    def asserts(self, index: int) -> Iterable[Asserted]:
        """All that is asserted of a row's answer, one by one, the defaults' last."""
        with_defaults = self.cases.rows[index].with_defaults
        return (*self.own[index], *(self.defaults if with_defaults else ()))

    def labels(self) -> list[dict[str, Any]]:
        """What each row's answer should be, by the output's name, as far as its test says so.

        Where tests keep it in variables of different names, one in each, it is called `answer`.
        """
        wanted = [self.variables(index) for index in range(len(self.cases.rows))]
        self.wanted = {name: None for names in wanted for name in names}
        single = all(len(names) <= 1 for names in wanted)
        answer = next(iter(self.wanted)) if len(self.wanted) == 1 else "answer"
        labels = []
        for index, case in enumerate(self.cases.rows):
            if len(self.wanted) == 1:
                label = {answer: case.vars[answer]} if answer in case.vars else {}
            else:
                label = {answer if single else name: case.vars[name] for name in wanted[index]}
            for one in self.asserts(index):
                value = one.value.get("value")
                stated = (
                    value is not None
                    and not is_filled(self.suite, one)
                    and not str(value).startswith("file://")
                )
                if stated and one.value["type"] == "equals":
                    label.setdefault(answer, value)
            labels.append({self.output(name): value for name, value in label.items()})
        return labels

    def variables(self, index: int) -> list[str]:
        """Variables of a row, no input, that hold what its answer is compared with."""
        names = dict.fromkeys(wanted_variable(one) for one in self.asserts(index))
        held = self.cases.rows[index].vars
        return [name for name in names if name is not None and name in held and name not in self.inputs]

    def output(self, name: str) -> str:
        """The name of an output, which is no input's."""
        return self.names.name(f"the answer {name}", wanted=name)

    def outputs(self, labels: list[dict[str, Any]]) -> tuple[dict[str, Field], dict[str, str]]:
        """The outputs that a schema or the labels state; labels that are objects give a schema's fields."""
        fields = self.schema_fields()
        spread = [_spread(label, fields) for label in labels]
        if fields and all(set(label) <= set(fields) for label in spread):
            for label, own in zip(labels, spread, strict=True):
                label.clear()
                label.update(own)
            self.whole = True
            return fields, dict.fromkeys(fields, "the JSON Schema that the answer must meet")
        values: dict[str, list[Any]] = {}
        for label in labels:
            for name, value in label.items():
                values.setdefault(name, []).append(value)
        found = {name: Field(name, _schema(own)) for name, own in values.items()}
        return found, dict.fromkeys(found, "the tests compare the answer with it")

    def schema_fields(self) -> dict[str, Field]:
        """The fields of the JSON Schema that every answer must meet."""
        for schema, where in self.schemas():
            if not isinstance(schema, Mapping) or not schema.get("properties"):
                continue
            try:
                normalised = fields_of(schema, where=where)
            except PrototypeError as error:
                self.suite.tell("JSON Schema", where, f"states no types: {error.message}")
                continue
            names = {field.name for field in normalised.fields}
            if names & set(self.inputs) or any(map(problem_of_field, names)):
                self.suite.tell("JSON Schema", where, "states no types: its properties cannot all be outputs")
                continue
            for place, why in normalised.left_out:
                self.suite.tell(place, where, why)
            return {field.name: field for field in normalised.fields}
        return {}

    def schemas(self) -> Iterable[tuple[Any, str]]:
        """Schemas that an assertion of all tests asks for, then those that an LM is asked to keep to."""
        shared = [
            one
            for one in (self.own[0] if self.own else ())
            if all(any(one.value == other.value for other in own) for own in self.own)
        ]
        for one in (*self.defaults, *shared):
            if one.value["type"] in ("is-json", "contains-json"):
                check = check_of(self.suite, one, {}, None)
                if check is not None:
                    yield check.value, one.where
        for key in ("providers", "targets"):
            listed = self.config.value.get(key)
            for index, provider in enumerate(listed if isinstance(listed, list) else ()):
                own = mapping(mapping(self.suite.resolved(provider)).get("config")).get("response_format")
                where = self.config.at(key, index, "config", "response_format")
                if isinstance(own, str) and own.startswith("file://"):
                    found = self.suite.names(own, what=key, where=where)
                    held = found and self.suite.text(found[0], what=key, where=where) is not None
                    own = self.suite.parsed(found[0]).value if held else None
                yield mapping(mapping(own).get("json_schema")).get("schema"), where

    def checks(self) -> Iterable[Check]:
        """Assertions that run: of the defaults once where they are the same for every row."""
        defaults = self.cases.default_asserts
        everywhere = all(case.with_defaults for case in self.cases.rows)
        shared = [one for one in defaults if everywhere and not is_filled(self.suite, one)]
        found = [check_of(self.suite, one, {}, None) for one in shared]
        whole = all_run(shared, found)
        yield from filter(None, found)
        for index, case in enumerate(self.cases.rows):
            more = [one for one in defaults if case.with_defaults and one not in shared]
            own = [*case.asserts, *more]
            found = [check_of(self.suite, one, case.vars, index) for one in own]
            yield from filter(None, found)
            counted = case.threshold if case.threshold is not None else self.cases.default_threshold
            if counted is not None and not (whole and all_run(own, found)):
                self.suite.tell("threshold", case.where, PARTLY)

    def tell_the_rest(self) -> None:
        """Variables that are neither input nor label, built-in ones, and names that were changed."""
        for case in self.cases.rows:
            for name in case.vars:
                if name not in self.inputs and name not in self.wanted:
                    why = "no prompt uses it, and no assertion compares the answer with it"
                    self.suite.tell(f"vars.{name}", case.where, why)
        for name, why in BUILT_IN.items():
            if name in self.inputs:
                self.suite.tell(name, self.config.at("prompts"), why)
        for name, why in self.names.renamed.items():
            self.suite.tell(name, self.config.at("prompts"), why)


def _spread(label: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in label.items():
        whole = isinstance(value, Mapping) and name not in fields
        found.update(value if whole else {name: value})
    return found


def _schema(values: list[Any]) -> dict[str, Any]:
    """The JSON type that all labels have; where they differ, none is stated."""
    kinds = {type(value) for value in values}
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    if kinds == {int, float}:
        return {"type": "number"}
    kind = names.get(next(iter(kinds))) if len(kinds) == 1 else None
    return {"type": kind} if kind else {}
