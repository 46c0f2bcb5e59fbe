"""Does a cascade keep its promise? Simulations with known truth, for `cascade.py`.

    python benchmarks/cascade_simulation.py [--quick]

prints the tables. The first takes confidences and losses as given, which is what the proof is about.
The second goes the whole way on made-up texts: heads fitted on folds, mixed and calibrated, the cut and
the thresholds found on held-out rows, and what was promised looked up on fresh rows, for heads that were
fitted on all rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from targets import Target, folded, table, targets_table

from shipworthy.compiler import Recipe, Student
from shipworthy.compiler.draft import Candidate, Context, Draft
from shipworthy.compiler.heads import cross_fit, fit_readout, oof_folds, student_log_probabilities
from shipworthy.compiler.passes.cascade import Cascade, most_losses, reliable_cut
from shipworthy.compiler.settle import choose
from shipworthy.runtime import Contract, Field, Progress, ReadoutHead, StudentHead, log_softmax

Floats = NDArray[np.float64]

SEED = 20241124
DELTA = 0.05
ROWS = (100, 300, 1000, 3000)
MARGINS = (0.01, 0.05)
GRID = (np.arange(200_000) + 0.5) / 200_000


@dataclass(frozen=True)
class World:
    """Confidences as a function of their rank in (0, 1), and the chance to be lost at each."""

    name: str
    confidence: Callable[[Floats], Floats]
    lost: Callable[[Floats, float], Floats]


WORLDS = (
    World("calibrated, the program always right", lambda u: 1 - 0.6 * (1 - u) ** 2, lambda c, _: 1 - c),
    World("calibrated, mostly sure", lambda u: 1 - 0.4 * (1 - u) ** 5, lambda c, _: 0.7 * (1 - c)),
    World("confidence says nothing", lambda u: u, lambda c, m: np.full_like(c, 3 * m)),
    World("just above the margin everywhere", lambda u: u, lambda c, m: np.full_like(c, 1.02 * m)),
    World("upside down", lambda u: u, lambda c, m: 6 * m * c),
    World("the surest 2 % often lost", lambda u: u, lambda c, m: np.where(c > 0.98, 0.3, m * (1 - c))),
    World("five values", lambda u: np.floor(5 * u) / 5, lambda c, m: 4 * m * (1 - c)),
)


def section(quick: bool) -> tuple[str, list[Target]]:
    """Markdown and targets."""
    texts, targets = [], []
    for part in (_cuts, _whole):
        text, found = part(quick)
        texts.append(text)
        targets += found
    return "\n\n".join(texts), targets


def _cuts(quick: bool) -> tuple[str, list[Target]]:
    runs = 1000 if quick else 10_000
    lines, worst = [], 0.0
    for world in WORLDS:
        confidence = world.confidence(GRID)
        for margin in MARGINS:
            # The share of all rows that is lost with a cut at each point of the grid.
            beyond = np.cumsum(world.lost(confidence, margin)[::-1])[::-1] / GRID.size
            for n in ROWS:
                rng = np.random.default_rng([SEED, len(lines)])
                broken, answered = 0, 0.0
                for _ in range(runs):
                    own = world.confidence(rng.random(n))
                    found = reliable_cut(
                        own, rng.random(n) < world.lost(own, margin), margin=margin, delta=DELTA
                    )
                    if found is not None:
                        first = int(np.searchsorted(confidence, found.cut))
                        broken += first < GRID.size and bool(beyond[first] > margin)
                        answered += 1 - first / GRID.size
                worst = max(worst, broken / runs)
                cells = (f"{100 * broken / runs:.1f}%", f"{100 * answered / runs:.0f}%")
                lines.append((world.name, f"{margin:.0%}", n, *cells))
    limit = _limit(DELTA, runs)
    target = Target(
        "a cut's true share of lost rows is above the margin, worst cell",
        f"at most 5% (noise of {runs:,} runs allowed for)",
        f"{worst:.1%}",
        worst <= limit,
    )
    heads = ("losses", "margin", "held-out rows", "promise broken", "rows answered without the LM")
    return (
        f"Cuts at delta = 0.05, {runs:,} runs a cell: how often the share that is lost is in truth above the "
        "margin, and the share of rows that is answered without the LM.\n\n"
        + folded("by cell", table(heads, lines)),
        [target],
    )


# The whole way


@dataclass(frozen=True)
class Made:
    """Made-up texts: the share of a text's words that tell its class, in one half of the rows and the other;
    how far the LM's log-probability of the right label stands out, in standard deviations of the others.
    """

    name: str
    easy: float
    hard: float
    lm: float


MADE = (
    Made("student good on half of the rows", 0.5, 0.15, 4.0),
    Made("student nearly as good as the LM", 0.4, 0.35, 3.0),
)
CLASSES, FRESH, COMMON, OWN = 5, 4000, 400, 40
CONTRACT = Contract(
    (Field("text", {"type": "string"}),),
    (Field("label", {"type": "string", "enum": ["-1", "-2", "-3", "-4", "-5"]}),),
)


@dataclass(frozen=True)
class Rows:
    """Texts with their classes; what the LM says of the labels, (N, C)."""

    texts: list[str]
    lm: Floats
    classes: NDArray[np.intp]


def _whole(quick: bool) -> tuple[str, list[Target]]:
    runs = 10 if quick else 40
    lines, broken_all, answered_all = [], 0, 0
    for made in MADE:
        for n, margin in ((150, 0.04), (400, 0.02)):
            found = np.array(
                [_run(made, n, margin, np.random.default_rng([SEED, n, i])) for i in range(runs)]
            )
            have, share, lost, broken, gap, without, within = found.T
            kept = have > 0
            broken_all, answered_all = broken_all + int(broken.sum()), answered_all + int(within.sum())
            few = (most_losses(n, margin, DELTA) or 0) + 1
            cells = [
                f"{100 * have.mean():.0f}%",
                f"{100 * share[kept].mean():.0f}%",
                f"{100 * few / (n + 1):.2f}%",
                f"{100 * lost[kept].mean():.2f}%",
                f"{100 * broken.mean():.1f}%",
                f"{100 * gap[kept].mean():+.2f}",
                f"{100 * without.mean():.1f}%",
                f"{100 * within.mean():.1f}%",
            ]
            lines.append((made.name, n, f"{margin:.0%}", *(cells if kept.any() else ["0%", *["-"] * 7])))
    total = runs * len(lines)
    limit = _limit(DELTA, total)
    wanted = f"at most 5% (noise of {total} runs allowed for)"
    promise, threshold = broken_all / total, answered_all / total
    targets = [
        Target("whole way: the share lost is above the margin", wanted, f"{promise:.1%}", promise <= limit),
        Target(
            "whole way: answered rows are right less often than the target of 90 %",
            wanted,
            f"{threshold:.1%}",
            threshold <= limit,
        ),
    ]
    heads = (
        "world",
        "rows",
        "margin",
        "cascade found",
        "answered without the LM",
        "lost, as the proof expects",
        "lost",
        "promise broken",
        "accuracy, cascade minus program (points)",
        "threshold broken, program",
        "threshold broken, cascade",
    )
    return (
        f"The whole way, {runs} runs a cell, truth from {FRESH:,} fresh rows. A threshold is broken where "
        "answered rows are in truth right less often than the target of 90 %.\n\n" + table(heads, lines),
        targets,
    )


def _run(made: Made, n: int, margin: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Found, share answered, share lost, broken, accuracy gap; threshold broken without and with it."""
    words = _words(rng)
    train, fresh = _draw(made, words, n, rng), _draw(made, words, FRESH, rng)
    cascade = Cascade(margin=margin, delta=DELTA)
    draft, context = _fitted(train, cascade)
    choice = choose(draft, CONTRACT.outputs[0], np.arange(n), target=0.9)
    tfidf, student = draft.tfidf, draft.students["label"].head
    if tfidf is None or not isinstance(student, StudentHead):
        raise SystemExit("the student is gone")
    raw = student_log_probabilities(tfidf, student, fresh.texts)
    program = choice.head.mix[1] * raw
    if isinstance(choice.head.readout, ReadoutHead):
        program = program + choice.head.mix[0] * _readout(choice.head.readout, fresh.lm)
    program = log_softmax(program)
    right = program.argmax(axis=1) == fresh.classes
    without = _below(program, right, choice.head.threshold)
    plan, _ = cascade.settle(draft, {"label": choice}, context)
    if plan is None:
        return 0.0, 0.0, 0.0, 0.0, 0.0, without, without
    alone = log_softmax(plan.mix["label"] * raw)
    sure = np.exp(alone.max(axis=1)) >= plan.cut
    mixed = np.where(sure[:, None], alone, program)
    now = mixed.argmax(axis=1) == fresh.classes
    lost = float((right & ~now).mean())
    gap = float(now.mean() - right.mean())
    within = _below(mixed, now, plan.choices["label"].head.threshold)
    return 1.0, float(sure.mean()), lost, float(lost > margin), gap, without, within


def _words(rng: np.random.Generator) -> list[list[str]]:
    """Words of each class, and behind them those that all share."""
    syllables = ["ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu"]
    sizes = [OWN] * CLASSES + [COMMON]
    return [["".join(rng.choice(syllables, 3)) for _ in range(size)] for size in sizes]


def _draw(made: Made, words: list[list[str]], n: int, rng: np.random.Generator) -> Rows:
    classes = rng.integers(CLASSES, size=n)
    telling = np.where(rng.random(n) < 0.5, made.easy, made.hard)
    texts = []
    for k, share in zip(classes, telling, strict=True):
        own = rng.random(rng.integers(4, 12)) < share
        # Word frequencies fall as in prose (Zipf): some words of a class are rarely met.
        texts.append(" ".join(_zipf(words[k] if tells else words[-1], rng) for tells in own))
    lm = rng.normal(size=(n, CLASSES))
    lm[np.arange(n), classes] += made.lm
    return Rows(texts, log_softmax(lm), classes)


def _zipf(words: list[str], rng: np.random.Generator) -> str:
    return words[int(len(words) ** rng.random()) - 1]


def _fitted(train: Rows, cascade: Cascade) -> tuple[Draft, Context]:
    """A draft as the passes leave it."""
    options = list(CONTRACT.outputs[0].choices or ())
    labels = [options[k] for k in train.classes]
    rows = [{"text": text, "label": label} for text, label in zip(train.texts, labels, strict=True)]
    draft = Draft("made", CONTRACT, "", rows, [], None)  # type: ignore[arg-type]
    recipe = Recipe(passes=[Student(), cascade])
    context = Context(None, 0, None, recipe, Progress())  # type: ignore[arg-type]
    Student().apply(draft, context)

    def fit(chosen: NDArray[np.intp]) -> Callable[[NDArray[np.intp]], Floats]:
        head = fit_readout(train.lm[chosen], train.classes[chosen], CLASSES, range(CLASSES), c=0.3)
        return lambda held: _readout(head, train.lm[held])

    held_out = cross_fit(fit, oof_folds(labels, n_dev=0, seed=0), (len(labels), CLASSES))
    head = fit_readout(train.lm, train.classes, CLASSES, range(CLASSES), c=0.3)
    draft.readouts["label"] = [Candidate(head, held_out, (0,))]
    return draft, context


def _readout(head: ReadoutHead, features: Floats) -> Floats:
    return log_softmax((features - head.mean) / head.scale @ head.weights.T.astype(float) + head.bias)


def _below(said: Floats, right: NDArray[np.bool_], threshold: float) -> float:
    """Whether answered rows are right less often than the target; 0 where no threshold carries it."""
    answered = np.exp(said.max(axis=1)) >= threshold
    # A threshold of 0 promises nothing where none could be found, and 90 % of all rows where it could.
    return float(threshold > 0 and answered.any() and right[answered].mean() < 0.9)


def _limit(share: float, runs: int) -> float:
    """What a true share may be found as, but once in a thousand times."""
    return float(binom.ppf(0.999, runs, share)) / runs


def main() -> int:
    """Print the tables; 1 if a target is missed."""
    text, targets = section("--quick" in sys.argv[1:])
    print(targets_table(targets), text, sep="\n\n")
    return int(not all(target.met for target in targets))


if __name__ == "__main__":
    sys.exit(main())
