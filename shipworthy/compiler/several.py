"""Programs of several steps: each is compiled on what the steps before it really give.

A step learns from the rows that have labels for its outputs. Its inputs are those of the row
and the outputs of the steps before it: decisions as cross-fitting predicts them, by heads that
have not seen the row, since what a head says of rows that it was fitted on is better than
what it will ever say again (stacked generalisation: Wolpert 1992). So a step that others
learn from is cross-fitted on train and dev rows together. A step without labels is asked by
the plain prompt of its signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import InputError, ShipworthyError
from ..runtime import Heads, Probe, ReadyStep, StepSpec
from .draft import Context, Draft, Row
from .held_out import held_out_answers, program_scores, suspect_notes
from .making import Made, Whole, make_step
from .parts import Part, learnt_from
from .report import several_figures
from .source import Source
from .stacking import Rows


def make_steps(source: Source, train: list[Row], dev: list[Row], context: Context) -> Whole:
    """Compile a program of several steps.

    Raises:
        InputError: rows, recipe and program do not fit.
        LMError: the LM fails.
    """
    return _Making(source, train, dev, context).whole()


class _Making:
    def __init__(self, source: Source, train: list[Row], dev: list[Row], context: Context) -> None:
        self.source, self.context = source, context
        self.names = [part.name for part in source.parts]
        self._check_recipe()
        self.n_train = len(train)
        inputs = [own.name for own in source.contract.inputs]
        self.rows = Rows([*train, *dev], inputs, context.recipe.labels)
        self.notes: list[str] = []
        self.steps: dict[str, StepSpec] = {}
        self.heads: dict[str, Heads] = {}
        self.probes: list[Probe] = []
        self.made: dict[str, Made] = {}
        self.learning = [part.name for part in source.parts if self.rows.labelled(part)]
        self.learnt_from = learnt_from(source.parts, self.learning)

    def whole(self) -> Whole:
        """Compile step by step, in the order in which they run."""
        parts = self.source.parts
        for part in parts:
            if part.given is None:
                self.rows.derive(part)
            if part.given is not None:
                self._take_over(part)
            elif part.code is not None:
                self._add(part, part.spec(function=part.code.spec), Heads({}, None))
                self._run(part, {})
            else:
                self._compile(part)
        races = [{**race, "step": name} for name, one in self.made.items() for race in one.draft.races]
        dev = program_scores(
            self.source.contract, self.rows, self.n_train, self.made, self.context.recipe, self.notes
        )
        count = {"train": self.n_train, "dev": len(self.rows.rows) - self.n_train, "unread": 0}
        more = {"name": self.source.name, "rows": count, "notes": self.notes, "races": races}
        return Whole(
            steps=self.steps,
            heads=self.heads,
            probes=self.probes,
            dev=dev,
            notes=self.notes,
            races=races,
            figures=lambda facts: several_figures(
                {name: one.figures({}) for name, one in self.made.items()},
                self.steps,
                self.context,
                facts={**facts, **more},
            ),
            code={part.name: part.code for part in parts if part.code is not None},
            kept={name: one.draft.kept for name, one in self.made.items()},
        )

    def _compile(self, part: Part) -> None:
        """A step that predicts: by its passes where rows have labels, else by its plain prompt."""
        rows = self.rows.of(part) if part.name in self.learning else {}
        if why := _too_few(part, rows):
            self.notes.append(f"{part.name}: asked by its plain prompt, since {why}")
            rows = {}
        first = {i: row for i, row in rows.items() if i < self.n_train}
        if part.name in self.learnt_from or _too_few(part, first):
            first = rows
        draft = Draft(
            name=part.name,
            contract=part.contract,
            instruction=part.instruction,
            train=list(first.values()),
            dev=[row for i, row in rows.items() if i not in first],
            module=part.module,
            demos=list(part.demos),
        )
        try:
            made = make_step(draft, self._context(part, bool(rows)))
        except ShipworthyError as error:
            error.where = f"step {part.name!r}, {error.where}" if error.where else f"step {part.name!r}"
            raise
        self.made[part.name] = made
        if rows:
            notes = draft.notes + suspect_notes(draft, made.choices)
            self.notes += [f"{part.name}: {note}" for note in notes]
        self._add(part, made.step, made.heads)
        self.probes += made.probes
        index = {id(row): i for i, row in zip(rows, (*draft.train, *draft.dev), strict=True)}
        unseen = {index[id(row)] for row in draft.fit_rows}  # by the prompt, as demos
        answers = held_out_answers(draft, made.choices)
        learnt = made.choices or draft.spans
        predicted = {index[key]: answer for key, answer in answers.items()} if learnt else {}
        self.rows.fitted |= rows.keys() - (predicted.keys() if learnt else unseen)
        self._run(part, predicted)

    def _context(self, part: Part, learns: bool) -> Context:
        """Its own recipe, and a share of what is left of the budget."""
        recipe = self.context.recipe.for_step(part.name, list(part.writes))
        if not learns:
            return replace(self.context, recipe=replace(recipe, passes=()))
        self.context.progress.say(f"compiling the step {part.name}")
        deciding = [name for name in self.learning if self._part(name).contract.decisions]
        recipe = replace(recipe, outliers=recipe.outliers / max(1, len(deciding)))
        left = [name for name in self.learning if name not in self.made]
        return replace(self.context, recipe=recipe, meter=self.context.meter.share(len(left)))

    def _take_over(self, part: Part) -> None:
        """A step of a loaded program stays as it was compiled."""
        given = part.given
        if given is None:
            return
        if given.lm is not None and given.lm != self.context.lm.id:
            raise InputError(
                f"the step {part.name!r} was compiled on {given.lm}, not on {self.context.lm.id}",
                hint="compile that program again on this LM, or this one on that",
            )
        self._add(part, given.step, given.heads)
        self.probes += given.probes
        self._run(part, {})
        self.rows.fitted |= set(range(len(self.rows.rows)))  # nobody knows on which rows it was fitted

    def _add(self, part: Part, step: StepSpec, heads: Heads) -> None:
        wired = {"when": dict(part.when), "names": dict(part.names)}
        self.steps[part.name] = step.replace(**wired)
        self.heads[part.name] = heads

    def _run(self, part: Part, predicted: Mapping[int, Mapping[str, Any]]) -> None:
        """Note its answers to the rows; it is asked for them where a later step learns from them."""
        step = self.steps[part.name]
        calls = step.calls
        room = self.context.meter.room() if calls else None
        said = self.rows.answer(
            part,
            ReadyStep(part.name, step, self.heads[part.name], part.code),
            self.context.lm,
            predicted=predicted,
            ask=part.name in self.learnt_from,
            # A half at most: what learns from these answers must be able to ask as well.
            most=None if room is None else room // (2 * calls),
        )
        if said:
            self.notes.append(f"{part.name}: {said}")

    def _part(self, name: str) -> Part:
        return self.source.parts[self.names.index(name)]

    def _check_recipe(self) -> None:
        unknown = sorted(set(self.context.recipe.steps) - set(self.names))
        if unknown:
            raise InputError(
                f"the recipe has passes for a step {unknown[0]!r}, and the program has none of that name",
                hint=f"its steps are {', '.join(self.names)}",
            )
        written = {name for part in self.source.parts if part.given is None for name in part.writes}
        if stray := sorted(set(self.context.recipe.labels) - written):
            raise InputError(
                f"the recipe has labels for {stray[0]!r}, which no step writes",
                hint=f"steps write {', '.join(sorted(written))}",
            )


def _too_few(part: Part, rows: Mapping[int, Row]) -> str:
    """Why nothing can be learnt from these rows, or nothing."""
    if not rows:
        return "no row has labels for it"
    for own in part.contract.decisions:
        if len({row[own.name] for row in rows.values()}) < 2:
            return f"every {own.name!r} is the same in its {len(rows)} rows"
    return ""
