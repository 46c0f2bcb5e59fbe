"""One step: run the passes over its draft, choose what decides, and make it what an artifact holds.

A program of one predictor is such a step; `several` makes the others, step by step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..examples import holds_secret
from ..runtime import Code, Decide, Generate, Heads, HeadSpec, Probe, StepSpec, Tfidf
from .draft import Context, Draft, Row
from .heads import held_out_rows, oof_folds
from .held_out import dev_scores, suspect_notes
from .passes import Cascade, CascadePlan, Readout
from .passes.rollout import MAX_TOKENS
from .recipe import Recipe
from .report import report_figures
from .settle import Choice, choose, hand_over_outliers
from .source import Source
from .taught import taught

N_PROBES = 2


@dataclass(frozen=True)
class Made:
    """A compiled step, and how it came about.

    Attributes:
        step, heads, probes: as an artifact holds them.
        draft, context: as the passes left them.
        choices: what decides, by decision; plan: of the cascade, if there is one.
    """

    step: StepSpec
    heads: Heads
    probes: list[Probe]
    draft: Draft
    context: Context
    choices: dict[str, Choice]
    plan: CascadePlan | None

    def figures(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What the report shows of it."""
        return report_figures(self.draft, self.context, self.choices, self.plan, self.step, facts=facts)


@dataclass(frozen=True)
class Whole:
    """A compiled program before it is written.

    Attributes:
        steps, heads, probes, code: as an artifact holds them, the steps in their order.
        dev: as in `Compiled`; notes and races: as drafts hold them.
        figures: the report's, from the facts that only the caller knows.
        kept: what was taken over from an earlier compile, by step.
    """

    steps: dict[str, StepSpec]
    heads: dict[str, Heads]
    probes: list[Probe]
    dev: dict[str, Any] | None
    notes: list[str]
    races: list[dict[str, Any]]
    figures: Callable[[Mapping[str, Any]], dict[str, Any]]
    code: dict[str, Code] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def uses_lm(self) -> bool:
        """Whether any step asks the LM."""
        return any(step.calls for step in self.steps.values())


def make_one(source: Source, train: list[Row], dev: list[Row], context: Context) -> Whole:
    """Compile a program of one predictor.

    Raises:
        InputError: rows, recipe and program do not fit.
        LMError: the LM fails.
    """
    given = taught(source.contract, train, dev)
    draft = Draft(
        name=source.name,
        contract=given.contract,
        instruction=source.instruction,
        train=given.train,
        dev=given.dev,
        module=source.module,
        demos=list(source.demos),
        notes=list(given.notes),
    )
    if not train and not dev:
        draft.notes.append("without labelled rows nothing is fitted: the program asks by its plain prompt")
        context = replace(context, recipe=replace(context.recipe, passes=()))
    made = make_step(draft, context)
    scores = dev_scores(draft, made.choices, context.recipe)
    draft.notes += suspect_notes(draft, made.choices)
    return Whole(
        steps={source.name: made.step},
        heads={source.name: made.heads},
        probes=made.probes,
        dev=scores,
        notes=draft.notes,
        races=draft.races,
        figures=made.figures,
        kept={source.name: draft.kept},
    )


def make_step(draft: Draft, context: Context) -> Made:
    """Compile a step by the recipe of the context.

    Raises:
        InputError: rows, recipe and step do not fit.
        LMError: the LM fails.
    """
    draft.notes += [
        f"no training row has a label for {field.name!r}: only a metric that needs none can score it"
        for field in draft.unlabelled
    ]
    if context.keep is not None:
        passes = context.keep.for_step(draft, context.recipe.passes)
        context = replace(context, recipe=replace(context.recipe, passes=passes))
    for one in context.recipe.passes:
        one.apply(draft, context)
    choices = _settle(draft, context, context.recipe)
    choices, plan = _settle_cascade(draft, choices, context)
    step, heads = _step(draft, choices, plan)
    return Made(step, heads, _probes(draft.name, step, draft), draft, context, choices, plan)


def _settle(draft: Draft, context: Context, recipe: Recipe) -> dict[str, Choice]:
    if not draft.contract.decisions or not (draft.readouts or draft.students):
        return {}
    choices = _choose_all(draft, context, recipe)
    used = _used(choices)
    if used != list(range(len(used))) and _affords(context, len(used) * len(draft.fit_rows)):
        # Only what will be asked is fitted on: a question's rounding may depend on those before it.
        readout = next(one for one in recipe.passes if isinstance(one, Readout))
        draft.reads = [draft.reads[i] for i in used]
        sets = {name: tuple(used.index(i) for i in choice.reads) for name, choice in choices.items()}
        readout.refit(draft, sets, context)
        # What was chosen among is gone from the draft, so the scores of before are the honest ones.
        choices = {
            name: replace(
                choice,
                apart=choices[name].apart,
                weighings=(*choices[name].weighings, *choice.weighings),
            )
            for name, choice in _choose_all(draft, context, recipe).items()
        }
    draft.notes += [f"{name}: {choice.why}" for name, choice in choices.items()]
    return choices


def _settle_cascade(
    draft: Draft, choices: dict[str, Choice], context: Context
) -> tuple[dict[str, Choice], CascadePlan | None]:
    """The choices as the recipe's cascade makes them, if it has one; and what they promise."""
    plan, recipe = None, context.recipe
    wanted = [one for one in recipe.passes if isinstance(one, Cascade)]
    if wanted and choices:
        plan, note = wanted[0].settle(draft, choices, context)
        draft.notes.append(note)
    if plan is not None:
        choices = plan.choices
        if generated := [field.name for field in draft.contract.values]:
            draft.notes.append(f"the LM is still called on every row, for {', '.join(generated)}")
    draft.notes += [
        f"{name}: no threshold can promise {recipe.target:.0%}, so every row counts as answered"
        for name, choice in choices.items()
        if not choice.promised
    ]
    return hand_over_outliers(choices, recipe.outliers), plan


def _used(choices: dict[str, Choice]) -> list[int]:
    return sorted({i for choice in choices.values() for i in choice.reads})


def _affords(context: Context, calls: int) -> bool:
    room = context.meter.room()
    return room is None or room >= calls


def _choose_all(draft: Draft, context: Context, recipe: Recipe) -> dict[str, Choice]:
    found = {}
    for own in draft.contract.decisions:
        labels = [row[own.name] for row in draft.fit_rows]
        rows = held_out_rows(oof_folds(labels, n_dev=draft.n_dev, seed=context.seed))
        found[own.name] = choose(draft, own, rows, target=recipe.target, seed=context.seed)
    return found


def _step(draft: Draft, choices: dict[str, Choice], plan: CascadePlan | None) -> tuple[StepSpec, Heads]:
    contract = draft.contract
    decided = bool(choices)
    found = draft.spans.extract.outputs if draft.spans is not None else ()
    rest = contract.values if decided else contract.outputs
    generated = [field for field in rest if field.name not in found]
    decide = None
    tfidf: Tfidf | None = None
    if decided:
        tfidf = draft.tfidf if any(choice.head.student for choice in choices.values()) else None
        decide = Decide(
            prompt=draft.prompt or draft.decide_prompt(),
            # Those before the last one used are asked too, since its rounding may depend on them.
            reads=tuple(draft.reads[: max(_used(choices), default=-1) + 1]),
            heads={name: _head_spec(draft, name, choice) for name, choice in choices.items()},
            tfidf_words=tfidf.n_words if tfidf else 0,
        )
        if plan is not None:
            decide = decide.with_cascade(plan.cut, plan.mix)
    generate = None
    if generated:
        generate = Generate(
            prompt=draft.generate_prompt(generated),
            outputs=tuple(field.name for field in generated),
            max_tokens=MAX_TOKENS,
        )
    sides = contract.as_json()
    step = StepSpec(
        instruction=draft.instruction,
        inputs=sides["inputs"],
        outputs=sides["outputs"],
        demos=tuple(draft.demos),
        decide=decide,
        extract=draft.spans.extract if draft.spans is not None else None,
        generate=generate,
    )
    tagger = draft.spans.tagger if draft.spans is not None else None
    return step, Heads({name: choice.head for name, choice in choices.items()}, tfidf, tagger)


def _head_spec(draft: Draft, name: str, choice: Choice) -> HeadSpec:
    field = next(field for field in draft.contract.decisions if field.name == name)
    return HeadSpec(
        choices=tuple(field.choices or ()),
        reads=choice.reads,
        mix=choice.head.mix,
        threshold=choice.head.threshold,
        student=choice.head.student is not None,
    )


def _probes(name: str, step: StepSpec, draft: Draft) -> list[Probe]:
    """From the rows that were read; they are kept in the artifact, where a secret has no place."""
    reads = step.decide.reads if step.decide is not None else ()
    if not any(read.mode == "logprobs" for read in reads):
        return []
    rows = ((i, row) for i, row in enumerate(draft.fit_rows) if not holds_secret(row))
    return [
        Probe(
            step=name,
            read=read,
            inputs={field.name: row[field.name] for field in draft.contract.inputs},
            logprobs=tuple(round(float(value), 4) for value in draft.features[read][i]),
        )
        for i, row in itertools.islice(rows, N_PROBES)
        for read, spec in enumerate(reads)
        if spec.mode == "logprobs"
    ]
