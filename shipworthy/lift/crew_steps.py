"""From a crew to a draft: each task is a step, asked as CrewAI words it.

The system message holds the agent's role, backstory and goal; the user message the task, what
is expected, and the outputs that the task is given. CrewAI gives a task without `context` the
outputs of all tasks before it, one with `context` those alone, an empty one none, and one that
runs asynchronously that of the last task that does not (`Crew._get_context`, CrewAI 1.15).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .crew_keys import why_left_out
from .crew_parts import Crew, Entry, python_name_of
from .crew_tools import tools_of
from .draft import Draft, Message, Prompt, StepDraft, Unmapped, check_count
from .infer import schema_of
from .names import problem_of_field, problem_of_program, program_name
from .pieces import Piece, Slot
from .plain_template import PlainTemplate
from .python_models import Models
from .python_text import UNKNOWN
from .slot_names import SlotNames

SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_\-]*)\}")
DIVIDER = "\n\n----------\n\n"
TEXTS = ("role", "goal", "backstory", "description", "expected_output")
MODEL_KEYS = ("output_pydantic", "output_json", "response_model")


def draft_of(crew: Crew, *, where: str) -> Draft:
    """The draft of a crew.

    Args:
        where: the prototype, for errors.

    Raises:
        PrototypeError: no task says what to do; or a task's class refers to itself without end.
    """
    check_count(len(crew.tasks), "tasks", where)
    tasks = [task for task in crew.tasks if _said(task, "description")]
    for task in crew.tasks:
        if task not in tasks:
            crew.unmapped.append(
                Unmapped(task.name, task.where, "the task has no description, so it is no step")
            )
    if not tasks:
        missing = [one for one in crew.unmapped if "the YAML has no entry" in one.why]
        because = f": the YAML has no entry {missing[0].what} ({missing[0].where})" if missing else ""
        raise PrototypeError(
            f"no task with a description is here{because}",
            hint="name the folder that holds tasks.yaml, crew.py or crew.jsonc",
            where=where,
        )
    return _Drafting(crew, tasks).draft()


def assembled(pieces: Iterable[Piece]) -> PlainTemplate:
    """A template of pieces that are known already."""
    kept = tuple(pieces)
    text = "".join(piece if isinstance(piece, str) else piece.spelling for piece in kept)
    return PlainTemplate(text, lambda _: kept)


def step_names(names: Sequence[str], where: Mapping[str, str], unmapped: list[Unmapped]) -> dict[str, str]:
    """Names of tasks or methods as names of steps and of their outputs; what is renamed is told."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        step, why = name, problem_of_program(name) or problem_of_field(name)
        if why:
            step = program_name(name, where[name])
            step = f"{step}_step" if problem_of_field(step) else step
        number = 2
        while step.casefold() in taken:
            step, why, number = f"{name}_{number}", why or "differs from another in case only", number + 1
        if step != name:
            unmapped.append(Unmapped(name, where[name], f"renamed to {step}: it {why}"))
        taken.add(step.casefold())
        found[name] = step
    return found


@dataclass
class _Drafting:
    crew: Crew
    tasks: Sequence[Entry]
    steps: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Field] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.unmapped = self.crew.unmapped
        self.models = Models(self.crew.modules)
        where = {task.name: task.where for task in self.tasks}
        self.steps = step_names([task.name for task in self.tasks], where, self.unmapped)
        self.names = SlotNames(taken=self.steps.values())
        self.places: dict[str, str] = {}

    def draft(self) -> Draft:
        steps = [self.step(index, task) for index, task in enumerate(self.tasks)]
        for spelling, why in self.names.renamed.items():
            self.unmapped.append(Unmapped(spelling, self.places[spelling], why))
        self.tell_the_rest()
        defaults = dict(self.defaults())
        rows = tuple(self.rows())
        self.unmapped += [Unmapped("type", where, why) for where, why in dict.fromkeys(self.models.left_out)]
        return Draft(
            tuple(self.with_inputs(step, rows) for step in steps),
            rows=rows,
            defaults=defaults,
            unmapped=tuple(dict.fromkeys(self.unmapped)),
        )

    def step(self, index: int, task: Entry) -> StepDraft:
        agent = self.agent_of(task)
        reads = self.context(index, task)
        output, reason = self.output(task)
        self.outputs[task.name] = output
        messages = []
        if agent is not None:
            messages.append(Message("system", assembled(self.system(agent))))
        messages.append(Message("user", assembled(self.user(task, reads))))
        return StepDraft(
            name=self.steps[task.name],
            prompts=(Prompt(tuple(messages)),),
            inputs=tuple(Field(self.steps[name], self.outputs[name].schema) for name in reads),
            outputs=(output,),
            reasons={output.name: reason, **{self.steps[name]: "the output of that step" for name in reads}},
            tools=tuple(self.tools(task, agent)),
            guardrails=tuple(dict.fromkeys(self.guardrails(task))),
            reads=tuple(self.steps[name] for name in reads),
        )

    def agent_of(self, task: Entry) -> Entry | None:
        name = task.values.get("agent")
        if isinstance(name, str) and name in self.crew.agents:
            self.used.add(name)
            return self.crew.agents[name]
        if name is None:
            why = "no agent is named for it, so its prompt has no role"
        else:
            why = f"its agent, {python_name_of(name) or name}, is in none of the files read"
        self.unmapped.append(Unmapped(f"{task.name}: agent", task.place("agent"), why))
        return None

    def context(self, index: int, task: Entry) -> list[str]:
        """Names of the tasks whose outputs a task is given."""
        earlier = [one.name for one in self.tasks[:index]]
        stated = task.values.get("context", UNKNOWN)
        if python_name_of(stated):
            self.unmapped.append(
                Unmapped("context", task.place("context"), "which tasks is known only to a run")
            )
            stated = UNKNOWN
        if stated is UNKNOWN:
            waits = [one.name for one in self.tasks[:index] if not one.values.get("async_execution")]
            return waits[-1:] if task.values.get("async_execution") else earlier
        names = [str(name) for name in (stated if isinstance(stated, list) else [stated] if stated else [])]
        for name in names:
            if name not in earlier:
                known = name in self.steps
                why = "it does not run before this task" if known else "there is no task of this name"
                self.unmapped.append(Unmapped(f"context: {name}", task.place("context"), why))
        return [name for name in dict.fromkeys(names) if name in earlier]

    def output(self, task: Entry) -> tuple[Field, str]:
        name = self.steps[task.name]
        about = " ".join(_said(task, "expected_output").split())
        for key in MODEL_KEYS:
            value = task.values.get(key)
            model = python_name_of(value) or (value if isinstance(value, str) else "")
            if not model:
                continue
            schema = self.models.schema(model)
            return Field(name, schema, about), f"{key} is {model.rpartition('.')[2]}"
        return Field(name, {"type": "string"}, about), "a task answers with text where no class is named"

    def system(self, agent: Entry) -> Iterator[Piece]:
        role, story, goal = (_said(agent, key) for key in ("role", "backstory", "goal"))
        lines = []
        if role:
            lines.append(("You are ", role, "role", "" if role.endswith((".", "!", "?")) else "."))
        if story:
            lines.append(("", story, "backstory", ""))
        if goal:
            lines.append(("Your personal goal is: ", goal, "goal", ""))
        for index, (before, text, key, after) in enumerate(lines):
            yield ("\n" if index else "") + before
            yield from self.pieces(text, agent.place(key))
            yield after

    def user(self, task: Entry, reads: Sequence[str]) -> Iterator[Piece]:
        yield from self.pieces(_said(task, "description"), task.place("description"))
        if _said(task, "expected_output"):
            yield "\n\nThis is what is expected of the final answer: "
            yield from self.pieces(_said(task, "expected_output"), task.place("expected_output"))
        if task.values.get("markdown") is True:
            yield "\n\nWrite the final answer in Markdown."
        for index, name in enumerate(reads):
            yield DIVIDER if index else "\n\nThis is the context to work with:\n"
            yield Slot(self.steps[name], "{" + self.steps[name] + "}")

    def pieces(self, text: str, where: str) -> Iterator[Piece]:
        end = 0
        for match in SLOT.finditer(text):
            yield text[end : match.start()]
            self.places.setdefault(match[0], where)
            yield Slot(self.names.name(match[0], wanted=match[1]), match[0])
            end = match.end()
        yield text[end:]

    def tools(self, task: Entry, agent: Entry | None) -> Iterator[Any]:
        """A task's tools, or else its agent's."""
        entry = task if task.values.get("tools") or agent is None else agent
        yield from tools_of(entry, self.crew.modules, self.models, self.unmapped)

    def guardrails(self, task: Entry) -> Iterator[str]:
        stated = task.values.get("guardrails") or task.values.get("guardrail") or []
        for one in stated if isinstance(stated, list) else [stated]:
            name = python_name_of(one).rpartition(".")[2]
            where = task.place("guardrail" if "guardrail" in task.values else "guardrails")
            if not name:
                why = "an LM judges by these words; put them into the prompt, or write a function that checks"
                self.unmapped.append(Unmapped(f"guardrail: {one}", where, why))
            elif name.endswith("Guardrail"):
                why = "an LM judges by this; write a function that checks"
                self.unmapped.append(Unmapped(f"guardrail: {name}", where, why))
            elif not name.isidentifier() or name == "lambda":
                self.unmapped.append(Unmapped("guardrail", where, "code without a name; give it one"))
            else:
                yield name

    def tell_the_rest(self) -> None:
        """Agents without a task, and every key that no step stands for."""
        for agent in self.crew.agents.values():
            if agent.name not in self.used:
                self.unmapped.append(Unmapped(agent.name, agent.where, "no task is given to this agent"))
        named = [("agent", one) for one in self.crew.agents.values() if one.name in self.used]
        named += [("task", one) for one in self.tasks]
        for kind, entry in [*named, ("crew", self.crew.settings)]:
            for key, value in entry.values.items():
                why = why_left_out(kind, key, value)
                if key in TEXTS and python_name_of(value):
                    why = f"{python_name_of(value)} is known only to a run; write the words into the step"
                if why:
                    what = f"{entry.name}.{key}" if entry.name else key
                    self.unmapped.append(Unmapped(what, entry.place(key), why))

    def defaults(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.crew.defaults.items():
            spelling, where = "{" + name + "}", self.crew.settings.place("inputs")
            if spelling not in self.places:
                self.unmapped.append(Unmapped(f"inputs.{name}", where, "no prompt has a place for it"))
            elif value is None or value == "":
                self.unmapped.append(
                    Unmapped(f"inputs.{name}", where, "an empty default: the input must be given")
                )
            else:
                yield self.names.name(spelling), value

    def rows(self) -> Iterator[dict[str, Any]]:
        """What a script tries the crew with, where that is every input."""
        kept: list[dict[str, Any]] = []
        for where, sample in self.crew.samples.items():
            known = {name: value for name, value in sample.items() if value is not UNKNOWN}
            missing = [spelling[1:-1] for spelling in self.places if spelling[1:-1] not in known]
            for name in sample:
                if "{" + name + "}" not in self.places:
                    self.unmapped.append(Unmapped(f"inputs.{name}", where, "no prompt has a place for it"))
            row = {
                self.names.name("{" + name + "}"): known[name]
                for name in known
                if "{" + name + "}" in self.places
            }
            if missing:
                why = f"no row: {', '.join(missing)} is known only to a run"
                self.unmapped.append(Unmapped("inputs", where, why))
            elif row and row not in kept and not all(value == "" for value in row.values()):
                kept.append(row)
        yield from kept

    def with_inputs(self, step: StepDraft, rows: Sequence[Mapping[str, Any]]) -> StepDraft:
        """With the types that a sample's values show, text aside."""
        slots = {name for prompt in step.prompts for one in prompt.messages for name in one.template.inputs}
        stated, reasons = list(step.inputs), dict(step.reasons)
        for name in [name for name in self.names_in_order() if name in slots]:
            values = [row[name] for row in rows if name in row]
            if values and not all(isinstance(value, str) for value in values):
                stated.append(Field(name, schema_of(values)))
                reasons[name] = "the values that the script gives it"
        if len(stated) == len(step.inputs):
            return step
        return StepDraft(**{**vars(step), "inputs": tuple(stated), "reasons": reasons})

    def names_in_order(self) -> list[str]:
        return [self.names.name(spelling) for spelling in self.places]


def _said(entry: Entry, key: str) -> str:
    """A text of an entry, its outer blanks gone; empty where code computes it."""
    value = entry.values.get(key)
    return "" if value is None or isinstance(value, Mapping | list) else str(value).strip()
