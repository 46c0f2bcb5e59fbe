"""A cascade: the students answer where they are reliable, without any call, and the LM is asked the rest.

What it may cost is stated and proven. A row is *lost* where the student gets a decision wrong
that the program as it was settled gets right. The cut is the lowest confidence of the
students above which, of all rows like these, at most a share `margin` is answered by them and
lost; and it is so with probability 1 - `delta`. So neither the share of rows with everything
right nor that of any decision falls by more than `margin`. What the students get right and the
program does not is no part of the promise: it only helps.

Why the bound is exact although the cut is chosen on the rows that it is proven on: the share
that is lost can only grow as the cut goes down (nested sets), so the one cut at which it
crosses the margin is a fixed number. A cut that breaks the promise lies below that number.
It lets through at most `k` lost rows of the n held out, so the number does too; but from there
on the losses are binomial with share `margin`, and `k` is chosen so that as few have probability
delta at most. One exact binomial bound (Clopper and Pearson 1934) at one look therefore serves
for all cuts: upper confidence bounds for monotone risks (Bates et al. 2021, J. ACM 68 (6), 43).
That losses are counted, and not gains against losses, keeps the risk monotone. They are the
negative flips (Yan et al. 2021, CVPR) of going from the program to the student.

What it rests on: rows to come are drawn as these were, and the students that ship, fitted on all
rows, lose about as much as those that were fitted without the row's fold. Surer and better for
having seen more rows, a student answers more at the same cut; so the cut is found in twenty
folds, where the two hardly differ, and not in the five that serve elsewhere. Simulated with known
truth: `benchmarks/cascade_simulation.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime import Progress
from ...scoring import binomial_lower
from ..draft import Context, Draft
from ..heads import fit_mix
from ..settle import Alone, Choice, answer_threshold
from .student import Student

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FOLDS = 20
LEAST_SHARE = 0.05
"""A cascade that saves fewer calls than one in twenty is not worth a second way to answer."""


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """Let the students decide rows of which they are sure enough, and ask the LM the others.

    Example: `passes=[sw.Demos(), sw.Readout(), sw.Student(), sw.Cascade()]`. It saves the call for the
    decisions; what a program generates besides is generated for every row. Where no cut carries the
    promise the cascade leaves itself out, and says why: the smallest margin needs the most rows, 299
    held-out ones at 0.01 and 59 at 0.05, if none is lost.

    Attributes:
        margin: the share of rows, of all, that may at most be lost by it, within (0, 1).
        delta: how often the share may be larger all the same, within (0, 1).

    Raises:
        InputError: margin or delta is not within (0, 1).
    """

    margin: float = 0.01
    delta: float = 0.05

    def __post_init__(self) -> None:
        for name in ("margin", "delta"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise InputError(
                    f"the {name} of a cascade lies between 0 and 1, not at {value!r}",
                    hint="margin=0.01 lets one row in a hundred be lost, delta=0.05 is 95 % certainty",
                )

    def apply(self, draft: Draft, context: Context) -> None:
        """See that there are students; the cut is found once it is settled what decides.

        Raises:
            InputError: a decision has no student.
        """
        for field in draft.contract.decisions:
            if field.name not in draft.students:
                raise InputError(
                    f"a cascade needs a student for {field.name!r}",
                    hint="put sw.Student() before sw.Cascade() in the recipe",
                )

    def settle(
        self, draft: Draft, choices: Mapping[str, Choice], context: Context
    ) -> tuple[CascadePlan | None, str]:
        """The cascade for decisions as they were settled, or None; and a sentence on it.

        Raises:
            InputError: the recipe has no `Student` that can be fitted on folds of its own.
        """
        target = context.recipe.target
        found = settle_cascade(self, choices, target=target)
        if found[0] is None:  # leaving out is always safe, so the folds at hand may say so
            return found
        context.progress.say("fitting the student on more folds, for the cascade")
        closer = cross_fit_students(draft, context)
        again = {}
        for name, choice in choices.items():
            again[name] = choice
            if choice.alone is not None:
                (weight,), held_out = fit_mix([closer[name]], choice.classes)
                again[name] = replace(choice, alone=Alone(choice.alone.head, weight, held_out))
        return settle_cascade(self, again, target=target)


@dataclass(frozen=True)
class CascadePlan:
    """A cascade as it is written into the artifact.

    Attributes:
        cut: a row goes to the LM if a student is less sure than this.
        mix: weight of the student's log-probabilities, for each decision that else reads the LM.
        choices: of all decisions, with held-out log-probabilities and thresholds of the cascade.
        share: of the held-out rows that the students answer.
    """

    cut: float
    mix: dict[str, float]
    choices: dict[str, Choice]
    share: float


def cross_fit_students(draft: Draft, context: Context) -> dict[str, Floats]:
    """What students say of the rows that selection may look at, each fitted without a twentieth of them.

    Returns:
        Log-probabilities by decision; (N, C) each, rows in the order of `Choice.held_out`.

    Raises:
        InputError: the recipe has no `Student`.
    """
    student = next((one for one in context.recipe.passes if isinstance(one, Student)), None)
    if student is None:
        raise InputError(
            "a cascade needs a student that can be fitted again",
            hint="put sw.Student() before sw.Cascade() in the recipe",
        )
    rows = draft.dev or draft.fit_rows
    names = [field.name for field in draft.contract.decisions]
    # Row after row of the same labels goes to another fold: each class loses as few as can be.
    order = np.random.default_rng(context.seed).permutation(len(rows)).tolist()
    order.sort(key=lambda i: [str(rows[i][name]) for name in names])
    found = {
        field.name: np.full((len(rows), len(field.choices or ())), np.nan)
        for field in draft.contract.decisions
    }
    silent = replace(context, progress=Progress())
    for fold in range(min(FOLDS, len(rows))):
        held = order[fold::FOLDS]
        out = {id(rows[i]) for i in held}
        rest = [row for row in (*draft.train, *draft.dev) if id(row) not in out]
        part = replace(draft, train=rest, dev=[rows[i] for i in held], students={}, tfidf=None)
        student.apply(part, silent)
        for name in names:
            found[name][held] = part.students[name].held_out[-len(held) :]
    return found


@dataclass(frozen=True)
class Cut:
    """Where the students stop being reliable.

    Attributes:
        cut: the lowest confidence with which they answer.
        counted: rows from this confidence on are the evidence: those answered, and the loss that
            ended the way down.
    """

    cut: float
    counted: float


def settle_cascade(
    cascade: Cascade, choices: Mapping[str, Choice], *, target: float
) -> tuple[CascadePlan | None, str]:
    """The cascade for decisions as they were settled, or None, and a sentence on it.

    Args:
        choices: by output, all on the same held-out rows.
        target: accuracy wanted of rows that count as answered.
    """
    # A decision that reads no LM is the student's own either way: it loses nothing.
    asking = {name: choice for name, choice in choices.items() if choice.reads and choice.alone}
    out = "the cascade is left out: "
    if not asking:
        return None, out + "no decision reads the LM"
    confidence, lost = _evidence(asking)
    n = len(confidence)
    if most_losses(n, cascade.margin, cascade.delta) is None:
        rows = math.ceil(math.log(cascade.delta) / math.log1p(-cascade.margin))
        least = math.ceil(1e4 * (1 - cascade.delta ** (1 / n))) / 1e4
        return None, out + (
            f"{n} held-out rows cannot show that at most {cascade.margin:.2%} of rows are lost; "
            f"it takes {rows} rows, or a margin of {least}"
        )
    found = reliable_cut(confidence, lost, margin=cascade.margin, delta=cascade.delta)
    share = 0.0 if found is None else float((confidence >= found.cut).mean())
    if found is None or share < LEAST_SHARE:
        return None, out + f"the students are reliable on {share:.1%} of held-out rows only"
    counted = confidence >= found.counted
    plan = CascadePlan(
        cut=found.cut,
        mix={name: choice.alone.weight for name, choice in asking.items() if choice.alone},
        choices={name: _mixed(choice, counted, name in asking, target) for name, choice in choices.items()},
        share=share,
    )
    n_lost = int((lost & (confidence >= found.cut)).sum())
    return plan, (
        f"cascade: the students answer {share:.1%} of held-out rows without the LM and lose {n_lost} of {n}; "
        f"of rows like these at most {cascade.margin:.2%}, with probability {1 - cascade.delta:.4g}"
    )


def reliable_cut(confidence: Floats, lost: Flags, *, margin: float, delta: float) -> Cut | None:
    """The lowest cut at which, with probability 1 - delta, at most a share `margin` of all rows is lost.

    The way down ends at the loss that is one too many; see the module for why this is exact.
    Rows less sure than any that was seen are never answered.

    Args:
        confidence: of the students, by row; shape (n,).
        lost: whether the row would be lost if they answered it; shape (n,).

    Returns:
        None where not even the most confident rows carry it.
    """
    allowed = most_losses(len(confidence), margin, delta)
    if allowed is None:
        return None
    losses = np.sort(confidence[lost])[::-1]
    if len(losses) <= allowed:
        lowest = float(confidence.min())
        return Cut(lowest, lowest)
    ends = float(losses[allowed])
    above = confidence[confidence > ends]
    if not len(above):
        return None
    # Half way, so that another machine's last digits move no row across.
    kept = float(above.min())
    middle = ends + (kept - ends) / 2
    return Cut(middle if middle > ends else kept, ends)


@cache
def most_losses(n: int, margin: float, delta: float) -> int | None:
    """How many of n rows may be lost and still show, at level delta, a share of at most `margin`.

    None where n rows without a loss do not show it. Exact binomial (Clopper and Pearson 1934).
    """
    if n < 1:
        return None
    lost = np.arange(n + 1)
    allowed = binomial_lower(n - lost, np.full(n + 1, n), delta=delta) >= 1 - margin
    return int(lost[allowed][-1]) if allowed.any() else None


def _evidence(asking: Mapping[str, Choice]) -> tuple[Floats, Flags]:
    """The students' smallest confidence by row, and whether any decision would be lost; shape (n,) each."""
    confidence, lost = [], []
    for choice in asking.values():
        if choice.alone is not None:
            alone = choice.alone.held_out
            confidence.append(np.exp(alone.max(axis=1)))
            right = choice.held_out.argmax(axis=1) == choice.classes
            lost.append(right & (alone.argmax(axis=1) != choice.classes))
    return np.min(confidence, axis=0), np.any(lost, axis=0)


def _mixed(choice: Choice, counted: Flags, asks: bool, target: float) -> Choice:
    """A decision as the cascade makes it, with a threshold that holds for it.

    The rows above the cut were chosen to hold few losses. So the loss that ended the choice
    is counted with them: k + 1 losses of n rows are what is to be expected of such a cut, k
    would be flattery.
    """
    if not asks or choice.alone is None:
        return choice
    held_out, apart = (
        np.where(counted[:, None], choice.alone.held_out, asked) for asked in (choice.held_out, choice.apart)
    )
    threshold = answer_threshold(apart, choice.classes, target=target)
    head = replace(choice.head, student=choice.alone.head, threshold=threshold or 0.0)
    return replace(choice, head=head, held_out=held_out, apart=apart, promised=threshold is not None)
