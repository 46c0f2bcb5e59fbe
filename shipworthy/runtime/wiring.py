"""How steps are wired: by the names of their inputs and outputs.

Order, and what can run at once, follow from the names, so that nobody writes a list of
edges. Everything that can be wrong with the names is found here, before anything runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ContractError, SourceError
from .conditions import When, both, is_among
from .contract import Contract, Field, Scalar

ABOUT = ("description", "default", "title")


@dataclass(frozen=True)
class Node:
    """A step as it is wired.

    Attributes:
        contract: names are those of the program.
        when: labels by decision; the step runs where all of them fell so.
        keeps_defaults: inputs with a default are none of the program's where nothing gives them.
    """

    name: str
    contract: Contract
    when: When = field(default_factory=dict)
    keeps_defaults: bool = False


@dataclass(frozen=True)
class Wired:
    """Steps in order, and the contract of the program that they make."""

    flow: tuple[str, ...]
    contract: Contract


def wire(
    nodes: Sequence[Node],
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    where: str = "",
) -> Wired:
    """Wire steps by name.

    Args:
        nodes: in the order in which they are written, which decides among those that could run next.
        inputs: of the program; by default what steps read and none writes.
        outputs: of the program; by default what is written and no step reads.

    Raises:
        SourceError: a name, a type or a condition does not fit; it says which step, and what to do.
    """
    try:
        return _Wiring(nodes, inputs, outputs).wired()
    except SourceError as error:
        place = f"{where}, {error.where}" if where and error.where else where or error.where
        raise SourceError(error.message, hint=error.hint, where=place) from error


def nullable(one: Field) -> Field:
    """The field, null allowed."""
    options = one.schema.get("anyOf", [one.schema])
    if not one.schema or any(option.get("type") == "null" for option in options):
        return one
    return replace(one, schema={"anyOf": [*options, {"type": "null"}]})


class _Wiring:
    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[str] | None, outputs: Sequence[str] | None
    ) -> None:
        self.nodes = nodes
        self.outputs = outputs
        self.writers: dict[str, list[Node]] = {}
        for node in nodes:
            for one in node.contract.outputs:
                self.writers.setdefault(one.name, []).append(node)
        self.given = inputs
        self.inputs = self._inputs()

    def wired(self) -> Wired:
        for name, writers in self.writers.items():
            self._check_writers(name, writers)
        for node in self.nodes:
            self._check_when(node)
            self._check_reads(node)
        flow = self._flow()
        for node in self.nodes:
            self._check_nulls(node)
        contract = self._contract()
        self._check_use({one.name for one in contract.outputs})
        return Wired(flow, contract)

    def _inputs(self) -> dict[str, Field]:
        """The program's inputs, with the types of those who read them."""
        found: dict[str, Field] = {}
        for name in self.given or ():
            if name in self.writers:
                raise SourceError(
                    f"it writes {name!r}, which is an input of the program",
                    hint="rename its output",
                    where=f"step {self.writers[name][0].name!r}",
                )
        for node in self.nodes:
            for one in node.contract.inputs:
                optional = "default" in one.schema
                if one.name in self.writers or (optional and node.keeps_defaults and not self._is_given(one)):
                    continue
                if self.given is not None and not self._is_given(one):
                    if not optional:
                        raise SourceError(
                            f"it reads {one.name!r}, which is no input of the program, and no step writes it",
                            hint=_likely(one.name, [*self.given, *self.writers]),
                            where=f"step {node.name!r}",
                        )
                    continue
                found[one.name] = self._together(found.get(one.name), one, node)
        unread = [name for name in self.given or () if name not in found]
        if unread:
            raise SourceError(
                f"no step reads the input {unread[0]!r}",
                hint=_likely(unread[0], found) if found else "take it out of `inputs`",
            )
        order = (
            list(found) if self.given is None else [*self.given, *(n for n in found if n not in self.given)]
        )
        return {name: found[name] for name in order}

    def _is_given(self, one: Field) -> bool:
        return self.given is not None and one.name in self.given

    @staticmethod
    def _together(known: Field | None, one: Field, node: Node) -> Field:
        if known is None:
            return one
        plain, other = (
            {key: value for key, value in field.schema.items() if key not in ABOUT} for field in (known, one)
        )
        if plain != other and plain and other:
            raise SourceError(
                f"it reads the input {one.name!r} as another type than the steps before it",
                hint="give it the same type everywhere, or another name",
                where=f"step {node.name!r}",
            )
        schema = dict(plain or other)
        if "default" in known.schema and "default" in one.schema:
            schema["default"] = known.schema["default"]
        return Field(one.name, schema, known.description or one.description)

    def _check_writers(self, name: str, writers: Sequence[Node]) -> None:
        for i, one in enumerate(writers):
            for other in writers[i + 1 :]:
                self._check_pair(name, one, other)

    @staticmethod
    def _check_pair(name: str, one: Node, other: Node) -> None:
        apart = any(
            not any(is_among(label, other.when[decision]) for label in labels)
            for decision, labels in one.when.items()
            if decision in other.when
        )
        if not apart:
            raise SourceError(
                f"the steps {one.name!r} and {other.name!r} both write {name!r}",
                hint="rename one output, or give the steps a `when` with other labels of one decision",
                where=f"step {other.name!r}",
            )
        first, second = (_field(node.contract.outputs, name).schema for node in (one, other))
        if dict(first) != dict(second):
            raise SourceError(
                f"the steps {one.name!r} and {other.name!r} write {name!r} as different types",
                hint="give both the same type",
                where=f"step {other.name!r}",
            )

    def _check_when(self, node: Node) -> None:
        where = f"step {node.name!r}"
        for name, labels in node.when.items():
            own = self._value(name)
            choices = own.choices if own is not None else None
            if own is None or choices is None:
                decisions = [one for one in [*self.writers, *self.inputs] if self._choices(one)]
                listed = ", ".join(decisions) or "a Literal, an enum or a bool"
                raise SourceError(
                    f"its `when` asks for {name!r}, which is no decision",
                    hint=f"decisions are: {listed}",
                    where=where,
                )
            for label in labels:
                if not is_among(label, choices):
                    listed = ", ".join(repr(choice) for choice in choices)
                    raise SourceError(
                        f"its `when` asks for {name!r} to be {label!r}, which is no label of it",
                        hint=f"labels are: {listed}",
                        where=where,
                    )

    def _value(self, name: str) -> Field | None:
        if name in self.writers:
            return _field(self.writers[name][0].contract.outputs, name)
        return self.inputs.get(name)

    def _choices(self, name: str) -> Any:
        own = self._value(name)
        return own.choices if own is not None else None

    def _check_reads(self, node: Node) -> None:
        """What is written must be of the kind that is read; text can be made of anything."""
        for one in node.contract.inputs:
            if one.name not in self.writers:
                continue
            writer = self.writers[one.name][0]
            wanted, given = _kinds(one), _kinds(_field(writer.contract.outputs, one.name))
            given.discard("null")  # what is null where a step does not run is looked at by itself
            if wanted and given and not given & wanted and "string" not in wanted:
                raise SourceError(
                    f"it reads {one.name!r} as {_listed(wanted)}, "
                    f"and the step {writer.name!r} writes {_listed(given)}",
                    hint="give both the same type",
                    where=f"step {node.name!r}",
                )

    def _flow(self) -> tuple[str, ...]:
        needs = {node.name: self._needs(node) for node in self.nodes}
        flow: list[str] = []
        while len(flow) < len(self.nodes):
            done = set(flow)
            ready = [name for name in needs if name not in done and needs[name] <= done]
            if not ready:
                circle = _circle({name: needs[name] - done for name in needs if name not in done})
                raise SourceError(
                    f"the steps wait for each other: {' -> '.join(circle)}",
                    hint="rename what one of them reads or writes",
                    where=f"step {circle[0]!r}",
                )
            flow.append(ready[0])
        return tuple(flow)

    def _needs(self, node: Node) -> set[str]:
        names = [one.name for one in node.contract.inputs] + list(node.when)
        return {writer.name for name in names for writer in self.writers.get(name, ())}

    def _may_be_null(self, name: str, under: When) -> bool:
        """Whether a value may be null on a row for which these conditions hold."""
        writers = self.writers.get(name, ())
        return bool(writers) and not self._covered([self._full(writer) for writer in writers], under)

    def _full(self, node: Node) -> dict[str, tuple[Scalar, ...]]:
        """A step's conditions, and those under which the decisions in them are made."""
        found = dict(node.when)
        for name in node.when:
            writers = self.writers.get(name, ())
            if len(writers) == 1 and writers[0] is not node:
                found = both(found, self._full(writers[0]))
        return found

    def _covered(self, conditions: Sequence[When], under: When) -> bool:
        """Whether one of the conditions holds wherever `under` does, as far as one decision can tell."""
        if any(
            all(name in under and set(under[name]) <= set(own[name]) for name in own) for own in conditions
        ):
            return True
        for name in {name for own in conditions for name in own}:
            left = set(under.get(name) or self._choices(name) or ())
            for own in conditions:
                rest = {other: labels for other, labels in own.items() if other != name}
                if name in own and self._covered([rest], under):
                    left -= set(own[name])
            if not left and not self._may_be_null(name, under):
                return True
        return False

    def _check_nulls(self, node: Node) -> None:
        under = self._full(node)
        for one in node.contract.inputs:
            takes_null = not _kinds(one) or "null" in _kinds(one) or one.schema.get("default", 0) is None
            if not takes_null and self._may_be_null(one.name, under):
                writer = self.writers[one.name][0]
                raise SourceError(
                    f"it reads {one.name!r}, which is null where {writer.name!r} does not run",
                    hint="let the input be None too, or give the step the same `when`",
                    where=f"step {node.name!r}",
                )

    def _contract(self) -> Contract:
        names = self.outputs
        if names is None:
            read = {one.name for node in self.nodes for one in node.contract.inputs}
            names = [name for name in self.writers if name not in read]
        outputs = []
        for name in names:
            if name not in self.writers:
                raise SourceError(f"no step writes the output {name!r}", hint=_likely(name, self.writers))
            own = _field(self.writers[name][0].contract.outputs, name)
            outputs.append(nullable(own) if self._may_be_null(name, {}) else own)
        try:
            return Contract(tuple(self.inputs.values()), tuple(outputs))
        except ContractError as error:
            raise SourceError(error.message, hint=error.hint) from error

    def _check_use(self, outputs: Collection[str]) -> None:
        used = set(outputs)
        for node in self.nodes:
            used |= {one.name for one in node.contract.inputs} | set(node.when)
        for node in self.nodes:
            written = [one.name for one in node.contract.outputs]
            if not used & set(written):
                raise SourceError(
                    f"no step reads what it writes ({', '.join(written)}), and it is no output",
                    hint="name it in `outputs`, or take the step out",
                    where=f"step {node.name!r}",
                )


def _field(fields: Iterable[Field], name: str) -> Field:
    return next(one for one in fields if one.name == name)


def _kinds(one: Field) -> set[str]:
    """JSON types that a field may have; empty where it may have any."""
    found: set[str] = set()
    for option in one.schema.get("anyOf", [one.schema]):
        if "enum" in option or "const" in option:
            found |= {_kind(value) for value in option.get("enum", [option.get("const")])}
        elif "type" not in option:
            return set()
        else:
            found.add(option["type"])
    return found | {"integer"} if "number" in found else found


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    return "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number"


def _listed(kinds: Collection[str]) -> str:
    return " or ".join(sorted(kinds))


def _likely(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"is {close[0]!r} meant?" if close else f"known are: {', '.join(names)}"


def _circle(needs: Mapping[str, Collection[str]]) -> list[str]:
    """One circle among steps that all wait for some other."""
    path = [next(iter(needs))]
    while True:
        following = min(needs[path[-1]])
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
