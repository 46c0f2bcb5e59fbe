"""The training rows of a program of several steps: what is known of each as the steps are compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InputError, RowError
from ..lms import LM
from ..runtime import ReadyStep, StepTrace, holds, ordered_map, plain_value
from .draft import Row
from .parts import Part


class Rows:
    """Rows with the values that the steps so far give on them.

    Args:
        rows: typed, with inputs, labels, and what else they bring; inputs: names.
        derived: functions by name of a value, which say what it should be; see `Recipe.labels`.

    Attributes:
        values: by row, by the program's names; a value that nobody asked for is not there.
        gone: rows that a step failed on, or that the budget has no call for; they teach nothing any more.
        fitted: rows on which a value comes from a step that was fitted on them.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        inputs: Sequence[str],
        derived: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.rows = [dict(row) for row in rows]
        self.derived = dict(derived or {})
        self.values: list[dict[str, Any]] = [
            {name: row[name] for name in inputs if name in row} for row in rows
        ]
        self.gone: set[int] = set()
        self.fitted: set[int] = set()

    def labelled(self, part: Part) -> bool:
        """Whether a step that predicts can learn: each of its decisions has labels, or else a value has."""
        known = {name for name in part.writes if any(row.get(name) is not None for row in self.rows)}
        known |= part.writes.keys() & self.derived.keys()
        decisions = {name for name, own in part.writes.items() if own.choices is not None}
        return part.module is not None and (decisions <= known if decisions else bool(known))

    def derive(self, part: Part) -> None:
        """Give the rows the labels of a step that functions say; a label that a row brings stays.

        Raises:
            InputError: a function asks for what no row has, fails, or says what does not fit.
        """
        for name in part.writes.keys() & self.derived.keys():
            function, field = self.derived[name], part.writes[name]
            wanted = list(inspect.signature(function).parameters)
            known = [{**values, **row} for values, row in zip(self.values, self.rows, strict=True)]
            ready = [i for i, row in enumerate(known) if i not in self.gone and row.keys() >= set(wanted)]
            if not ready:
                raise InputError(
                    f"the function for the labels of {name!r} asks for {', '.join(wanted)}, "
                    f"and no row has all of them before the step {part.name!r} runs",
                    hint="its parameters are inputs, columns of the rows, and what steps before it write",
                )
            for i in ready:
                try:
                    said = function(**{key: known[i][key] for key in wanted})
                    label = None if said is None else plain_value(field.parse(said))
                except Exception as error:  # the function is anybody's code
                    raise InputError(
                        f"the function for the labels of {name!r} fails: {type(error).__name__}: {error}",
                        hint="mend it in the recipe",
                        where=f"row {str(plain_value(self.rows[i]))[:200]}",
                    ) from error
                self.rows[i].setdefault(name, label)

    def of(self, part: Part) -> dict[int, Row]:
        """By index, what the step learns from: inputs as the steps before it give them, and labels.

        Rows that have no label for it, or that a step before it leaves without an input, are none.
        """
        reading = ReadyStep(part.name, part.spec())
        decisions = [name for name, own in part.writes.items() if own.choices is not None]
        known = [name for name in part.writes if any(row.get(name) is not None for row in self.rows)]
        found = {}
        for i, row in enumerate(self.rows):
            if i in self.gone or not self._has(part, decisions or known, i):
                continue
            try:
                inputs = plain_value(reading.given(self.values[i]))
            except RowError:  # what the steps before it give does not fit here: nothing to learn from
                continue
            labels = {
                own: row[value]
                for own, value in _own(part).items()
                if value in known and (not decisions or row.get(value) is not None)
            }
            found[i] = {**inputs, **labels}
        return found

    def _has(self, part: Part, counted: Sequence[str], i: int) -> bool:
        """Whether a row has the step's labels; null is one only where the step runs and may say so."""
        row = self.rows[i]
        runs = holds(part.when, {**self.values[i], **{name: row[name] for name in part.when if name in row}})
        for name in counted:
            options = part.writes[name].schema.get("anyOf", [part.writes[name].schema])
            may_be_null = any(option.get("type") in ("null", None) for option in options)
            if row.get(name) is None and not (runs and may_be_null and name in row):
                return False
        return True

    def answer(
        self,
        part: Part,
        ready: ReadyStep,
        lm: LM,
        *,
        predicted: Mapping[int, Mapping[str, Any]],
        ask: bool,
        most: int | None = None,
    ) -> str:
        """Note what a step gives on each row: null where it does not run, what is predicted, or what it says.

        A function is not run on a row that brings its outputs.

        Args:
            predicted: by row, decisions by the step's own names, by heads that had not seen the row;
                they stand in place of what the fitted heads say.
            ask: whether the step is run on rows whose outputs are not all predicted.
            most: rows that may be run; None is all.

        Returns:
            What there is to say of rows that are gone now, or nothing.

        Raises:
            RowError: it fails on every row.
            LMError: the LM fails.
        """
        waiting = []
        for i in self._ready(part):
            known = {own: self.rows[i].get(value) for own, value in _own(part).items()}
            if not holds(part.when, self.values[i]):
                for name in part.writes:
                    self.values[i].setdefault(name, None)
            elif predicted.get(i, {}).keys() == known.keys():
                self._put(part, i, predicted[i])
            elif ask and part.code is not None and all(value is not None for value in known.values()):
                self._put(part, i, known)
            elif ask:
                waiting.append(i)
        return self._ask(part, ready, lm, waiting, predicted, most) if waiting else ""

    def _ask(
        self,
        part: Part,
        ready: ReadyStep,
        lm: LM,
        waiting: Sequence[int],
        predicted: Mapping[int, Mapping[str, Any]],
        most: int | None,
    ) -> str:
        asked = waiting[:most]
        failed: list[RowError] = []

        def run(i: int) -> StepTrace | None:
            return ready.run(self.values[i], lm)

        for i, outcome in zip(asked, ordered_map(run, asked, workers=lm.workers), strict=True):
            if isinstance(outcome.error, RowError):
                failed.append(outcome.error)
                self.gone.add(i)
            elif (trace := outcome.unwrap()) is not None:
                self._put(part, i, {**trace.outputs, **predicted.get(i, {})})
        self.gone |= set(waiting[len(asked) :])
        if failed and len(failed) == len(asked):
            raise failed[0]
        said = []
        if failed:
            said.append(f"it fails on {len(failed)} of {len(asked)} training rows; first: {failed[0]}")
        if len(asked) < len(waiting):
            left = len(waiting) - len(asked)
            said.append(f"the budget leaves {left} training rows unanswered, which later steps do without")
        return "; ".join(said)

    def _ready(self, part: Part) -> list[int]:
        """Rows on which what the step reads is known."""
        read = {name for name, own in part.reads.items() if "default" not in own.schema} | part.when.keys()
        return [i for i, known in enumerate(self.values) if i not in self.gone and read <= known.keys()]

    def _put(self, part: Part, i: int, outputs: Mapping[str, Any]) -> None:
        own = _own(part)
        self.values[i].update({own[name]: plain_value(value) for name, value in outputs.items()})


def _own(part: Part) -> dict[str, str]:
    """The program's names of a step's outputs, by its own."""
    return {own.name: part.names.get(own.name, own.name) for own in part.contract.outputs}
