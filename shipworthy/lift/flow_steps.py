"""From a Flow to a draft: a step for each call of an LM, with what its prompt reads and its answer is.

Fields of the state that an earlier step writes are that step's output; others are inputs. An
output has the name of its step, unless an answer is taken apart into several fields.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field, label_text
from .crew_steps import assembled, step_names
from .draft import Draft, Message, Prompt, Router, StepDraft, Tool, Unmapped, check_count
from .flow_calls import Ask, source_of
from .flow_methods import STATE, Method, Origins, in_turn, is_kickoff, item_of, methods_of, sources_of
from .flow_router import label_for, returned
from .pieces import Piece, Slot
from .python_models import Models
from .python_syntax import Module, dotted, keywords
from .python_text import UNKNOWN, Hole, resolved, value_of
from .slot_names import SlotNames

LOOP = "it asks once for each item, and the program takes one item at a time"


@dataclass
class FlowDraft:
    """The draft of one Flow: its module, its class, and the modules that it imports from."""

    module: Module
    flow: ast.ClassDef
    modules: list[Module]
    unmapped: list[Unmapped]
    outputs: dict[tuple[str, int], tuple[Field, ...]] = field(default_factory=dict)
    written: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = source_of(self.module, self.flow)
        self.methods, told = methods_of(self.source)
        check_count(
            sum(len(one.asks) for one in self.methods.values()), "calls", self.module.where(self.flow)
        )
        self.unmapped += [Unmapped(*one) for one in told]
        self.models = Models(self.modules)
        self.state = self._state()
        self.labels = self._labels()
        self.sources = sources_of(self.methods, self.labels)
        self.order = in_turn(self.methods, self.sources)
        asking = [(method, number) for method in self.order for number in range(len(method.asks))]
        if not asking:
            raise PrototypeError(
                "no method of this Flow asks an LM itself",
                hint="lift the crews that it calls, each on its own",
                where=self.module.where(self.flow),
            )
        titles = {(one.name, n): one.name if n == 0 else f"{one.name}_{n + 1}" for one, n in asking}
        where = {title: self.methods[key[0]].asks[key[1]].where for key, title in titles.items()}
        names = step_names(list(titles.values()), where, self.unmapped)
        self.steps = {key: names[title] for key, title in titles.items()}
        self.names = SlotNames(taken=self.steps.values())
        for method, number in asking:
            for key, numbers in method.writes.items():
                if number in numbers:
                    self.written.setdefault(key, []).append((method.name, number))

    def draft(self) -> Draft:
        """Steps in an order in which they can run, with the router."""
        router = self._router()
        for key in self.steps:
            self.outputs.setdefault(key, tuple(self._outputs(key)))
        steps = [self._step(self.methods[name], number) for name, number in self.steps]
        self._tell_methods(router)
        self.unmapped += self.names.told(self.module.where(self.flow))
        self.unmapped += [Unmapped("type", where, why) for where, why in dict.fromkeys(self.models.left_out)]
        inputs = {
            name for step in steps for one in step.prompts[0].messages for name in one.template.inputs
        } - {output.name for step in steps for output in step.outputs}
        return Draft(
            tuple(steps),
            router=router,
            rows=tuple(self._rows(inputs)),
            defaults={name: value for name, value in self._defaults(inputs) if name in inputs},
            unmapped=tuple(dict.fromkeys(self.unmapped)),
        )

    def _state(self) -> Mapping[str, tuple[Mapping[str, Any], Any]]:
        """Fields of the state's class: the schema of each, and its default."""
        for base in self.flow.bases:
            if isinstance(base, ast.Subscript) and self.models.has(dotted(base.slice)):
                return self.models.fields(dotted(base.slice))
        first = resolved(
            self.module, ast.parse("self.initial_state", mode="eval").body, self.source.attributes
        )
        name = dotted(first.func if isinstance(first, ast.Call) else first)
        return self.models.fields(name) if self.models.has(name) else {}

    def _labels(self) -> dict[str, set[str]]:
        """For each label that a method listens to, the routers that it may come from."""
        listened = {
            one for method in self.methods.values() for one in method.triggers if one not in self.methods
        }
        routers = [method for method in self.methods.values() if method.is_router]
        found: dict[str, set[str]] = {}
        for label in listened:
            named = {
                router.name
                for router in routers
                for node in ast.walk(router.function)
                if isinstance(node, ast.Constant) and node.value == label
            }
            found[label] = named or {router.name for router in routers}
        return found

    def _outputs(self, key: tuple[str, int]) -> Iterator[Field]:
        """One output, named after the step; or one for each field that the answer is taken apart into."""
        method, name = self.methods[key[0]], self.steps[key]
        ask = method.asks[key[1]]
        fields = [one for one, writers in self.written.items() if key in writers]
        if ask.model:
            yield Field(name, self.models.schema(ask.model))
        elif len(fields) > 1:
            for one in fields:
                yield Field(self.names.name(STATE + one, wanted=one), self._schema(one))
        else:
            yield Field(name, self._schema(fields[0]) if fields else {"type": "string"})

    def _schema(self, name: str) -> Mapping[str, Any]:
        return self.state[name][0] if name in self.state and self.state[name][0] else {"type": "string"}

    def _step(self, method: Method, number: int) -> StepDraft:
        key, ask = (method.name, number), method.asks[number]
        reads: dict[str, Field] = {}
        inputs: dict[str, Field] = {}
        messages = []
        for role, parts in ask.messages:
            pieces: list[Piece] = []
            for part in parts:
                if isinstance(part, str):
                    pieces.append(part)
                else:
                    pieces += self._places(part, method, number, reads, inputs)
            messages.append(Message(role, assembled(pieces)))
        outputs = self.outputs[key]
        reasons = {output.name: self._reason(key, output) for output in outputs}
        reasons |= dict.fromkeys(reads, "the answer of an earlier step")
        reasons |= dict.fromkeys(inputs, "the state's class says so")
        for setting in ask.settings:
            self.unmapped.append(
                Unmapped(
                    setting, ask.where, "which LM answers, and how, is chosen when the program is compiled"
                )
            )
        from_steps = [
            self.steps[one] for one in self.steps if any(o.name in reads for o in self.outputs.get(one, ()))
        ]
        return StepDraft(
            name=self.steps[key],
            prompts=(Prompt(tuple(messages)),),
            inputs=(*reads.values(), *inputs.values()),
            outputs=outputs,
            reasons=reasons,
            tools=tuple(self._tools(ask)),
            reads=tuple(one for one in from_steps if one != self.steps[key]),
        )

    def _reason(self, key: tuple[str, int], output: Field) -> str:
        ask = self.methods[key[0]].asks[key[1]]
        if ask.model:
            return f"the answer is read into {ask.model.rpartition('.')[2]}"
        fields = [one for one, writers in self.written.items() if key in writers]
        if not fields:
            return "text: nothing says what the answer is"
        words = "state." + (fields[0] if len(fields) == 1 else output.name)
        return f"the answer goes into {words}"

    def _places(
        self, hole: Hole, method: Method, number: int, reads: dict[str, Field], inputs: dict[str, Field]
    ) -> Iterator[Piece]:
        """The slots that a hole of a prompt becomes: outputs of earlier steps, or an input."""
        scope, origins = method.asks[number].scope, Origins(method)
        node, where = resolved(self.module, hole.node, scope), method.asks[number].where
        own = [(method.name, one) for one in origins.asks(node, scope) if one != number]
        fields = origins.fields(node, scope)
        exact = dotted(node).startswith(STATE) and dotted(node).removeprefix(STATE).isidentifier()
        item = item_of(node, method)
        if item:
            self.unmapped.append(Unmapped(item, where, LOOP))
        given = self._given(node, method)
        if own or given:
            yield from self._answers([*own, *given], hole, reads, where)
            return
        if len(fields) == 1 and not item:
            earlier = [
                one for one in self.written.get(fields[0], ()) if self._is_earlier(one, method, number)
            ]
            if not exact:
                self.unmapped.append(
                    Unmapped(
                        hole.spelling, where, f"code prepares it; the prompt is given {fields[0]} as it is"
                    )
                )
            if earlier:
                yield from self._answers(earlier, hole, reads, where, fields[0])
                return
            yield Slot(self._input(fields[0], inputs), "{" + hole.spelling + "}")
            return
        wanted = item or hole.name or dotted(node).rpartition(".")[2].strip("_()") or "value"
        if not isinstance(node, ast.Name):
            self.unmapped.append(
                Unmapped(hole.spelling, where, f"code computes it; it is the input {wanted} now")
            )
        name = self.names.name(hole.spelling, wanted=wanted)
        yield Slot(name, "{" + hole.spelling + "}")

    def _answers(
        self, keys: list[tuple[str, int]], hole: Hole, reads: dict[str, Field], where: str, key: str = ""
    ) -> Iterator[Piece]:
        seen = list(dict.fromkeys(keys))
        for index, one in enumerate(seen):
            outputs = self.outputs[one]
            for output in [one for one in outputs if key and one.name == self._field_name(key)] or outputs[
                :1
            ]:
                reads[output.name] = Field(output.name, output.schema)
                spelling = "{" + (hole.spelling if index == 0 else output.name) + "}"
                yield Slot(output.name, spelling)

    def _field_name(self, key: str) -> str:
        return self.names.name(STATE + key, wanted=key)

    def _is_earlier(self, one: tuple[str, int], method: Method, number: int) -> bool:
        return one[0] in self.sources[method.name] or (one[0] == method.name and one[1] < number)

    def _given(self, node: ast.expr, method: Method) -> list[tuple[str, int]]:
        """The answers that a method's parameter holds: what its triggers return."""
        if not method.parameter or method.parameter not in {
            one.id for one in ast.walk(node) if isinstance(one, ast.Name)
        }:
            return []
        found = []
        for trigger in method.triggers:
            source = self.methods.get(trigger)
            found += [(trigger, one) for one in sorted(source.gives)] if source else []
        return found

    def _input(self, name: str, inputs: dict[str, Field]) -> str:
        slot = self._field_name(name)
        schema = self._schema(name)
        if name in self.state:
            inputs[slot] = Field(slot, schema)
        return slot

    def _tools(self, ask: Ask) -> Iterator[Tool]:
        for one in ask.tools:
            own = one.get("function", one)
            if isinstance(own, Mapping) and str(own.get("name", "")).isidentifier():
                parameters = own.get("parameters") or own.get("input_schema") or {}
                yield Tool(str(own["name"]), str(own.get("description", "")), parameters)

    def _router(self) -> Router | None:
        """The first router whose labels follow from a step's answer; others are told."""
        found: Router | None = None
        for method in self.order:
            if not method.is_router:
                continue
            if found is not None:
                self.unmapped.append(
                    Unmapped(method.name, method.where, "one router is carried over, the first")
                )
                continue
            found = self._asked_router(method) if method.asks else self._state_router(method)
        return found

    def _asked_router(self, method: Method) -> Router:
        """A router that asks an LM itself: the labels are what it may answer."""
        labels = self._heard(method)
        key = (method.name, len(method.asks) - 1)
        output = Field(self.steps[key], {"enum": labels} if labels else {"type": "string"})
        self.outputs[key] = (output,)
        return Router(
            self.steps[key], output.name, {label: self._follower(label, method) for label in labels}
        )

    def _state_router(self, method: Method) -> Router | None:
        origins = Origins(method)
        tested = [node.test for node in ast.walk(method.function) if isinstance(node, ast.If | ast.IfExp)]
        read = [
            name for node in (*returned(method.function.body), *tested) for name in origins.fields(node, {})
        ]
        names = list(dict.fromkeys(read))
        why = "it decides by what no step answers, so every step that it leads to always runs"
        if len(names) == 1 and self.written.get(names[0]):
            key = self.written[names[0]][-1]
            if len(self.written[names[0]]) > 1:
                self.unmapped.append(
                    Unmapped(names[0], method.where, "several steps write it; the last one decides")
                )
            to = self._by_value(method, names[0], key)
            if to:
                return Router(self.steps[key], self.outputs[key][0].name, to)
            why = "its labels do not follow from the values of the field by comparisons alone"
        self.unmapped.append(Unmapped(method.name, method.where, why))
        return None

    def _by_value(self, method: Method, name: str, key: tuple[str, int]) -> dict[str, str | None]:
        """For each value of a field, the step that its label leads to."""
        outputs = tuple(self._outputs(key))
        schema = outputs[0].schema
        values = list(schema.get("enum", ())) or ([True, False] if schema.get("type") == "boolean" else [])
        if not values and schema.get("type") == "string" and len(outputs) == 1:
            values = self._heard(method)
            outputs = (Field(outputs[0].name, {"enum": values}),)
        body, constants = method.function.body, self.module.constants
        labels = {value: label_for(body, STATE + name, value, constants) for value in values}
        if not labels or UNKNOWN in labels.values() or len(outputs) != 1:
            return {}
        self.outputs[key] = outputs
        return {
            value if isinstance(value, str) else label_text(value): self._follower(label, method)
            for value, label in labels.items()
        }

    def _heard(self, router: Method) -> list[str]:
        """Labels of a router that methods listen to, and others that it returns, in order."""
        stated = [node.value for node in returned(router.function.body) if isinstance(node, ast.Constant)]
        heard = [label for method in self.methods.values() for label in method.triggers]
        known = [label for label in heard if router.name in self.labels.get(label, ())]
        return list(dict.fromkeys([*known, *(str(label) for label in stated if isinstance(label, str))]))

    def _follower(self, label: Any, router: Method) -> str | None:
        """The first step that a label leads to, methods without one passed through."""
        before = {router.name, *self.sources[router.name]}
        pending = [method for method in self.order if label in method.triggers and method.name not in before]
        seen: set[str] = set()
        steps = [self.steps[(method.name, 0)] for method in pending if method.asks]
        for extra in steps[1:]:
            self.unmapped.append(
                Unmapped(
                    extra, self.module.where(self.flow), f"{label!r} leads to several steps; it always runs"
                )
            )
        while pending:
            method = pending.pop(0)
            if method.asks:
                return self.steps[(method.name, 0)]
            seen.add(method.name)
            pending += [one for one in self.order if method.name in one.triggers and one.name not in seen]
        return None

    def _tell_methods(self, router: Router | None) -> None:
        """Methods that are no steps, and what else of the class is not carried over."""
        for method in self.order:
            loops = method.name in self.sources[method.name]
            if loops and method.asks:
                self.unmapped.append(
                    Unmapped(method.name, method.where, "the Flow comes back to it; it runs once")
                )
            if method.asks or (method.is_router and router is not None):
                continue
            crews = [
                one for one in ast.walk(method.function) if isinstance(one, ast.Call) and is_kickoff(one)
            ]
            for one in crews:
                why = "it runs a crew; lift that crew on its own"
                self.unmapped.append(Unmapped(ast.unparse(one)[:80], self.module.where(one), why))
            if not crews and not method.is_router:
                why = "it only passes state on" if method.passes_on else "code is not carried over"
                self.unmapped.append(Unmapped(method.name, method.where, why))

    def _defaults(self, inputs: set[str]) -> Iterator[tuple[str, Any]]:
        """Values of state fields that no step writes: what code gives them, or their class."""
        given: dict[str, Any] = {name: default for name, (_, default) in self.state.items()}
        for method in self.methods.values():
            for name, node in method.values.items():
                value = value_of(self.module, node, self.source.attributes)
                if value is not UNKNOWN:
                    given[name] = value
                elif name not in self.written and self._field_name(name) in inputs:
                    why = f"{method.name} computes it; it is an input now"
                    self.unmapped.append(Unmapped(f"state.{name}", method.where, why))
        for name, value in given.items():
            if name not in self.written and value not in (UNKNOWN, None, "", [], {}):
                yield self._field_name(name), value

    def _rows(self, inputs: set[str]) -> Iterator[dict[str, Any]]:
        """What the script starts the Flow with, where that is every input."""
        for node in ast.walk(self.module.tree):
            if not isinstance(node, ast.Call) or not dotted(node.func).rpartition(".")[2].startswith(
                "kickoff"
            ):
                continue
            given = keywords(node).get("inputs")
            value = UNKNOWN if given is None else value_of(self.module, given)
            if isinstance(value, dict) and inputs and inputs == set(value):
                yield value
