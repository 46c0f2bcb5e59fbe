"""`lift`: which columns are inputs and outputs, of which types, and why.

Every choice carries its reason, and `Lifted.describe` shows them all before anything
runs, so that a wrong guess costs its reader one option and not a compile.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ExamplesError, PrototypeError
from ..examples import Table
from ..runtime import Contract, Field
from .braces import nearly_slots
from .columns import Column, read_column, share_found, why_left_out
from .describe import describe
from .draft import Unmapped
from .infer import infer_input, infer_output
from .names import check_fields
from .prose import instruction_of
from .prototype import Prototype

TEXT: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Lifted:
    """A prototype as a typed contract and an instruction.

    Attributes:
        name: of the program.
        prototype: what was lifted.
        contract: inputs and outputs with their types.
        instruction: the prompt's prose.
        reasons: for each field, why it has this type.
        left_out: columns that are neither input nor output, and why.
        unmapped: parts of the prompt that were not understood.
    """

    name: str
    prototype: Prototype
    contract: Contract
    instruction: str
    reasons: Mapping[str, str]
    left_out: Mapping[str, str]
    unmapped: tuple[Unmapped, ...] = ()

    def describe(self) -> str:
        """The contract with its reasons, as a short text."""
        notes = [f"{part.what} ({part.where}): {part.why}" for part in self.unmapped]
        return describe(self.name, self.contract, self.reasons, self.left_out, notes)


def lift(
    prototype: Prototype,
    table: Table | None = None,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Lifted:
    """Infer the contract that a prompt and labelled rows imply.

    Args:
        prototype: the prompt.
        table: labelled rows; without them every field is text.
        inputs: columns that are inputs, in place of the prompt's slots.
        outputs: columns that are outputs, in place of those inferred.

    Raises:
        ExamplesError: a column is missing, no output is left, or a column's name
            cannot be a field's.
        PrototypeError: a slot's name cannot be a field's, or the prompt does not say
            where its inputs go.
    """
    chosen = _inputs(prototype, table, inputs)
    found = _outputs_of_rows(table, list(chosen), outputs) if table else _outputs_of_nothing(outputs)
    _check_names(prototype, table, list(chosen), [field.name for field in found.fields])
    typed = [Field(name, infer_input(read_column(table, name)) if table else TEXT) for name in chosen]
    return Lifted(
        name=prototype.name,
        prototype=prototype,
        contract=Contract(tuple(typed), found.fields),
        instruction=instruction_of(prototype.pieces),
        reasons={**chosen, **found.reasons},
        left_out=found.left_out,
        unmapped=tuple(
            Unmapped(spelling, f"{prototype.path}:{line}", why)
            for spelling, line, why in nearly_slots(prototype.text)
        ),
    )


@dataclass(frozen=True)
class _Outputs:
    fields: tuple[Field, ...]
    reasons: Mapping[str, str]
    left_out: Mapping[str, str]


def _inputs(prototype: Prototype, table: Table | None, named: Sequence[str] | None) -> dict[str, str]:
    """Names of the inputs, each with the reason why it is one."""
    if named is not None:
        return _named_inputs(prototype, table, named)
    if prototype.slots:
        if table is not None:
            _require(prototype.slots, table, "the prompt's slot")
        return dict.fromkeys(prototype.slots, "a slot of the prompt")
    if table is None:
        return {"text": "the prompt has no slot, so its one input follows it"}
    return _longest_text(table)


def _named_inputs(prototype: Prototype, table: Table | None, named: Sequence[str]) -> dict[str, str]:
    if table is not None:
        _require(named, table, "the input")
    forgotten = [slot for slot in prototype.slots if slot not in named]
    if forgotten:
        raise ExamplesError(
            f"the prompt also needs {_listed(forgotten)}",
            hint="name every slot of the prompt as an input",
            where=prototype.path,
        )
    if not named or (not prototype.slots and len(named) > 1):
        raise PrototypeError(
            f"the prompt has no slot, so it takes one input, not {len(named)}",
            hint="mark where each input goes, as in {message}",
            where=prototype.path,
        )
    return dict.fromkeys(named, "named as an input")


def _longest_text(table: Table) -> dict[str, str]:
    texts = [column for column in _columns(table) if column.texts]
    if not texts:
        raise ExamplesError(
            "no column holds text that could follow the prompt",
            hint="mark where each input goes in the prompt, as in {message}",
            where=table.source,
        )
    longest = max(texts, key=lambda column: column.mean_length)
    mean = f"{longest.mean_length:.0f} characters on average"
    return {longest.name: f"the prompt has no slot; this column has the longest text, {mean}"}


def _outputs_of_nothing(named: Sequence[str] | None) -> _Outputs:
    names = list(named) if named else ["answer"]
    reason = "named as an output; no rows to learn a type from" if named else "no rows to learn a type from"
    return _Outputs(tuple(Field(name, TEXT) for name in names), dict.fromkeys(names, reason), {})


def _outputs_of_rows(table: Table, inputs: Sequence[str], named: Sequence[str] | None) -> _Outputs:
    if named is not None:
        _require(named, table, "the output")
        both = [name for name in named if name in inputs]
        if both:
            raise ExamplesError(
                f"{_listed(both)} is an input already", hint="name another column", where=table.source
            )
    left_out: dict[str, str] = {}
    fields: dict[str, Field] = {}
    reasons: dict[str, str] = {}
    for column in _columns(table):
        if column.name in inputs:
            continue
        found = share_found(column, table, inputs)
        if named is not None:
            why = "" if column.name in named else "not named as an output"
        else:
            why = why_left_out(column, found=found)
        if why:
            left_out[column.name] = why
            continue
        inferred = infer_output(column, found=found)
        fields[column.name] = Field(column.name, inferred.schema)
        reasons[column.name] = inferred.reason
    if not fields:
        listed = "; ".join(f"{name}: {why}" for name, why in left_out.items()) or "there is no other column"
        raise ExamplesError(
            f"no column is an output ({listed})", hint="name them with --outputs", where=table.source
        )
    order = list(dict.fromkeys(named)) if named is not None else list(fields)
    return _Outputs(tuple(fields[name] for name in order), {name: reasons[name] for name in order}, left_out)


def _columns(table: Table) -> Iterable[Column]:
    return (read_column(table, name) for name in table.columns)


def _require(names: Sequence[str], table: Table, role: str) -> None:
    """Refuse names that are no columns, and say which there are."""
    missing = [name for name in names if name not in table.columns]
    if not missing:
        return
    folded = {name.casefold(): name for name in table.columns}
    near = [
        folded[match]
        for name in missing
        for match in difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.75)
    ]
    meant = f"did you mean {_listed(near)}? " if near else ""
    verb = "is no column" if len(missing) == 1 else "are no columns"
    raise ExamplesError(
        f"{role}{'' if len(missing) == 1 else 's'} {_listed(missing)} {verb}",
        hint=f"{meant}columns: {', '.join(table.columns)}",
        where=table.source,
    )


def _check_names(
    prototype: Prototype, table: Table | None, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    check_fields([name for name in inputs if name in prototype.slots], PrototypeError, prototype.path)
    check_fields([*inputs, *outputs], ExamplesError, table.source if table else prototype.path)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
