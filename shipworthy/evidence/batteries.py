"""The long batteries of a full certificate, asked of the program and of the prototype side by side.

Calls come from the journal where they were made before, and a battery that is done is kept
until the certificate is: so one that was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..examples import atomic_write, digest_of, rows_digest
from ..lms import LM, Recorded
from ..runtime import Field, Program, Progress, plain_value
from ..scoring import Many, Metric, Row
from .attack_forms import delimiters_of
from .attacks import attacks
from .brittleness import brittleness
from .contest import Contest, Opponent
from .elsewhere import on_other_lms
from .faults import faults
from .load import load
from .prototype import answer_freely
from .reworded import reworded_prototypes

BRITTLE_ROWS = 14
ATTACKED_ROWS = 14
ATTACKS_A_ROW = 8
FAULTY_ROWS = 100
DEADLINE_S = 10.0
LOAD_S = 20.0
SEED = 0
BATTERIES = ("brittleness", "attacks", "faults", "load")


def run_batteries(
    program: Program,
    opponent: Opponent,
    contest: Contest,
    test: Sequence[Row],
    outputs: Sequence[Field],
    *,
    lm: Recorded,
    metric: Metric,
    others: Mapping[str, Recorded] | None = None,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Brittleness, attacks, faults and load, each as JSON; see their own modules.

    Args:
        contest: what everybody said of the test rows as they are.
        outputs: those that the rows have labels of.
        others: other LMs by name, on which contenders are asked too.
        keep: a folder for batteries that are done, so that an interrupted certificate goes on.

    Raises:
        LMError: the LM fails.
        StorageError: a battery cannot be kept.
    """
    progress = progress or Progress()
    asks: dict[str, Many | str] = {"compiled": contest.asks["compiled"], "prototype": _why_not(opponent)}
    asks.update(contest.asks)
    inputs = program.contract.inputs
    plain = {name: scored for name, scored in contest.scored.items() if name in contest.asks}
    written = opponent.prototype if "prototype" in contest.asks else None
    names = [field.name for field in outputs]
    sampled = [test[i] for i in contest.sample]

    def brittle() -> dict[str, Any]:
        variants = reworded_prototypes(written, outputs) if written is not None else ()
        return brittleness(
            asks,
            test,
            inputs=inputs,
            outputs=outputs,
            metric=metric,
            seed=SEED,
            at_most=BRITTLE_ROWS,
            plain=plain,
            reworded={one.name: answer_freely(one.prototype, program.contract, lm) for one in variants},
            worlds=on_other_lms(program, written, others or {}),
            progress=progress,
        )

    def attacked() -> dict[str, Any]:
        return attacks(
            asks,
            test,
            inputs=inputs,
            outputs=outputs,
            seed=SEED,
            at_most=ATTACKED_ROWS,
            per_row=ATTACKS_A_ROW,
            plain=plain,
            delimiters=delimiters_of(written) if written is not None else None,
            context_tokens=lm.context,
            progress=progress,
        )

    def faulty() -> dict[str, Any]:
        def under(on: Callable[[LM], Many], rows: Sequence[Row]) -> dict[str, Any]:
            return faults(
                on,
                rows,
                lm=lm,
                outputs=names,
                metric=metric,
                deadline_s=DEADLINE_S,
                seed=SEED,
                at_most=FAULTY_ROWS,
                progress=progress,
            )

        beside = None
        if written is not None:
            beside = under(lambda model: answer_freely(written, program.contract, model), sampled)
        return {"compiled": under(lambda model: program.on(model).answer_many, test), "prototype": beside}

    def loaded() -> dict[str, Any]:
        bare = program.on(lm.lm)
        return load(
            bare.answer,
            test,
            workers=lm.workers,
            seconds_each=LOAD_S,
            deadline_s=DEADLINE_S,
            seed=SEED,
            progress=progress,
        )

    elsewhere = sorted((name, other.id) for name, other in (others or {}).items())
    of = [
        program.digest,
        opponent.digest,
        lm.id,
        elsewhere,
        rows_digest(plain_value(list(test))),
        metric.as_json(),
    ]
    makes = dict(zip(BATTERIES, (brittle, attacked, faulty, loaded), strict=True))
    return {name: _once(keep, digest_of([name, of]), make) for name, make in makes.items()}


def _once(keep: Path | None, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The battery as it was kept, or made and kept."""
    path = keep / f"{key[:32]}.json" if keep is not None else None
    if path is not None and path.is_file():
        kept: dict[str, Any] = json.loads(path.read_bytes())
        return kept
    made = make()
    if path is not None:
        atomic_write(path, json.dumps(made, ensure_ascii=False, allow_nan=False))
    return made


def _why_not(opponent: Opponent) -> str:
    if opponent.prototype is None:
        return "there is no prototype"
    return "its answers were recorded, so that it cannot be asked anew"
