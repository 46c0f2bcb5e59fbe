"""Which rows help most as demos: measured on random sets of them, and confirmed on rows not used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime import Contract, Demo
from ..budget import FIRST as PROBED
from ..draft import Context, Draft, Row
from ..heads import Matrix
from ..race import FIRST, Race, race, race_order
from .confirm import CONFIRM_AT_LEAST, confirmation, first_rows, race_entry
from .coverage import groups_of
from .instructions import contender

POOL = 4
"""Candidates for the place of one demo."""
LEAST_DRAWS = 2 * POOL
"""So that each candidate is shown twice."""
PENALTY = 1.0
"""Of the ridge regression: as strong as one more set in which a row is shown."""
CONFIRM = 0.2
NAMES = ("the demos chosen first", "the demos of most influence")
MARGIN = 0.01
"""Difference in score that does not matter."""


@dataclass(frozen=True)
class Shares:
    """How many rows serve what: the sets of demos are scored, the best one is raced, and confirmed."""

    scoring: int
    racing: int
    confirming: int

    @classmethod
    def of(cls, n: int, contract: Contract, rows: int) -> Shares | None:
        """For n rows that are no candidates; None where they are too few.

        Args:
            rows: to score a set on; three a class where that is more.
        """
        scoring = max(rows, first_rows(contract))
        confirming = max(CONFIRM_AT_LEAST, round(CONFIRM * n))
        racing = n - scoring - confirming
        return cls(scoring, racing, confirming) if racing >= max(confirming, first_rows(contract)) else None

    def calls(self, draws: int) -> int:
        """Calls at most, one a row."""
        return draws * self.scoring + 2 * (self.racing + self.confirming)


def most_helpful(
    first: Sequence[Row],
    pools: Sequence[Sequence[Row]],
    draft: Draft,
    context: Context,
    demos_of: Callable[[Sequence[Row]], list[Demo]],
    *,
    draws: int,
    rows: int,
) -> list[Row]:
    """The rows of most influence, if that is confirmed; else the first ones.

    In each of `draws` sets one row of each pool is shown, each as often as any other of its
    pool, and the set is scored on the same rows. A ridge regression of the sets' scores on
    "row i was shown" gives each row's influence (datamodels, Ilyas et al. 2022; in-context
    influences, Nguyen and Wong 2023), and the most influential of each pool make a set. It
    races against the first one on further rows, and must hold on yet others.

    Args:
        first: the demos to beat.
        pools: candidates for the place of each demo.
        demos_of: rows as the demos of a prompt.
        draws: sets at most; rows: to score each on.

    Raises:
        LMError: the LM fails.
        ScoringError: the recipe's metric cannot score a row.
    """
    shown = [draft.demo_of(row) for row in (*first, *(row for pool in pools for row in pool))]
    others = replace(draft, demos=shown).fit_rows
    others = others[: len(others) - draft.n_dev]
    shares = Shares.of(len(others), draft.contract, rows)
    if shares is None:
        draft.notes.append(f"{len(others)} training rows are too few to measure the influence of demos")
        return list(first)
    order = race_order(groups_of(others, draft.contract), seed=context.seed)
    ends = (shares.scoring, shares.scoring + shares.confirming)
    scoring, confirming, racing = ([others[i] for i in part] for part in np.split(order, ends))

    def showing(own: Sequence[Row], on: list[Row]) -> Any:
        return contender(draft.instruction, replace(draft, demos=demos_of(own)), context, on)

    design = balanced([len(pool) for pool in pools], draws, seed=context.seed)
    drawn = [[pool[i] for pool, i in zip(pools, picks, strict=True)] for picks in design]
    scores = _score([partial(showing, own, scoring) for own in drawn], shares, draft, context)
    if len(scores) < LEAST_DRAWS:
        draft.notes.append("the budget leaves too few calls to measure the influence of demos")
        return list(first)
    weights = influences(design[: len(scores)], scores, [len(pool) for pool in pools])
    best = [pool[int(np.argmax(own))] for pool, own in zip(pools, weights, strict=True)]
    note = f"the influence of {sum(map(len, pools))} rows as demos, by {len(scores)} sets of them"
    note += f" on {len(scoring)} rows: "
    if all(any(row is other for other in first) for row in best):
        draft.notes.append(f"{note}no other row helps more than those chosen first")
        return list(first)
    pair = [showing(own, racing) for own in (first, best)]
    result, confirmed = _hold(pair, len(racing), confirming, draft, context)
    kept = 1 if confirmed is not None and confirmed["difference"] >= 0 else 0
    texts = [_text(demos_of(own)) for own in (first, best)]
    draft.races.append(race_entry("demos", result, kept=kept, confirmed=confirmed, texts=texts))
    draft.notes.append(note + _ended(result, confirmed, kept))
    return list(best) if kept else list(first)


def balanced(sizes: Sequence[int], draws: int, *, seed: int) -> NDArray[np.intp]:
    """Which candidate of each pool a set shows, each as often as any other; shape (draws, pools)."""
    rng = np.random.default_rng(seed)
    columns = [
        np.concatenate([rng.permutation(size) for _ in range(-(-draws // size))])[:draws] for size in sizes
    ]
    return np.stack(columns, axis=1)


def influences(design: NDArray[np.intp], scores: Matrix, sizes: Sequence[int]) -> list[Matrix]:
    """What showing a candidate adds to the score, by pool; ridge regression, centred.

    Args:
        design: as `balanced` gives it; shape (draws, pools).
        scores: of the sets; shape (draws,).
        sizes: of the pools.
    """
    shown = np.hstack([np.eye(size)[design[:, pool]] for pool, size in enumerate(sizes)])
    centred = shown - shown.mean(axis=0)
    ridge = centred.T @ centred + PENALTY * np.eye(centred.shape[1])
    weights = np.linalg.solve(ridge, centred.T @ (scores - scores.mean()))
    return np.split(weights, np.cumsum(sizes)[:-1])


def check_draws(draws: int, rows: int) -> None:
    """Refuse what cannot show each candidate twice.

    Raises:
        InputError: there are too few draws or rows.
    """
    if draws < LEAST_DRAWS or rows < FIRST:
        raise InputError(
            f"{draws} sets on {rows} rows are too few to measure influence",
            hint=f"use draws={LEAST_DRAWS} and rows={FIRST} or more",
            where="Demos",
        )


def _score(sets: Sequence[Callable[[], Any]], shares: Shares, draft: Draft, context: Context) -> Matrix:
    """Mean scores of as many sets as the budget allows; none where it allows too few."""
    meter, n = context.meter, shares.scoring
    # What the race and the passes behind this one need is kept back.
    kept = len(draft.fit_rows) + 2 * (first_rows(draft.contract) + shares.confirming)
    limits = meter.budget
    if meter.spent().calls == 0 and any((limits.tokens, limits.usd, limits.minutes)):
        sets[0]().scores(meter.rows(min(PROBED, n)))  # what a call takes is not known before some were made
    beyond = meter.beyond(kept)
    if beyond is not None and beyond < LEAST_DRAWS * n:
        return np.zeros(0)
    found: list[float] = []
    context.progress.start("measuring the influence of demos", len(sets) * n)
    for one in sets:
        beyond = meter.beyond(kept)
        if beyond is not None and beyond < n:
            break
        found.append(float(one().scores(n).mean()))
        context.progress.status(meter.words())
        context.progress.advance(len(found) * n)
    context.progress.finish()
    return np.array(found)


def _hold(
    pair: Sequence[Any], n: int, confirming: list[Row], draft: Draft, context: Context
) -> tuple[Race, dict[str, Any] | None]:
    """The race of the best set against the first one, and what other rows say of it where it wins."""
    kept = len(draft.fit_rows) + 2 * len(confirming)
    for one, name in zip(pair, NAMES, strict=True):
        one.name = name
    context.progress.start("racing two sets of demos", 2 * n)
    result = race(
        pair,
        n,
        first=first_rows(draft.contract),
        margin=MARGIN,
        room=lambda: context.meter.beyond(kept),
        on_round=lambda standings: context.progress.advance(sum(one.rows for one in standings())),
    )
    context.progress.finish()
    room = context.meter.room()
    if not result.winner or (room is not None and room < kept):
        return result, None
    return result, confirmation(pair[1], pair[0], confirming)


def _ended(result: Race, confirmed: dict[str, Any] | None, kept: int) -> str:
    if not result.winner:
        return f"the best set does not win against the one chosen first, over {result.rows} more, which stays"
    if confirmed is None:
        return "the budget leaves no rows to confirm the best set on, so the one chosen first stays"
    verb = "is confirmed" if kept else "is not confirmed, and the one chosen first stays,"
    return (
        f"the best set {verb} on {confirmed['n']} rows that nothing had used "
        f"({100 * confirmed['difference']:+.1f} points)"
    )


def _text(demos: Sequence[Demo]) -> str:
    lines = [
        f"{name}: {value}" for demo in demos for name, value in (*demo.inputs.items(), *demo.outputs.items())
    ]
    return "\n".join(lines)
