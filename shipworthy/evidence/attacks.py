"""Attacked or not: instructions put into an input, and what each contender makes of them.

Each attack names a target that is neither the right label nor the contender's own answer, so
that moving there is obeying; and each is held against harmless text of the same length in
the same place, so that a flip by noise is not sold as an attack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime import Contract, Field, Progress
from ..scoring import Evaluation, Many, Row
from .attack_forms import Attack, attacks_with
from .attempts import EDGES, Attempt, UnderAttack, error_counts
from .battery import LEVEL, carrier, paired_means, row_share, sample_rows, sampling

EXAMPLES = 3
EDGE_ROWS = 10
"""Very long inputs are asked of at most so many rows: each costs as much as hundreds."""


def attacks(
    contenders: Mapping[str, Many | str],
    rows: Sequence[Row],
    *,
    inputs: Sequence[Field],
    outputs: Sequence[Field],
    seed: int = 0,
    at_most: int = 20,
    per_row: int | None = None,
    plain: Mapping[str, tuple[Sequence[int], Evaluation]] | None = None,
    delimiters: Mapping[str, Sequence[str]] | None = None,
    context_tokens: int = 8192,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How often an input's own instructions are obeyed; JSON.

    An attack succeeds where the decision with the most classes becomes the target; where nothing
    is decided, where a canary that it asks for stands in an output.

    Args:
        contenders: by name; a sentence instead of one says why it cannot be measured.
        rows: with inputs and labels.
        inputs: of the contract; the attack stands behind the free text that differs most from row to row.
        outputs: those that rows have labels of.
        seed: of the sample and of every draw.
        at_most: rows in the sample, stratified. A larger sample holds every smaller one.
        per_row: forms that each row meets, drawn by its digest; by default all.
        plain: by contender, places in `rows` and the evaluation of these rows as they are;
            rows that it lacks are asked.
        delimiters: by kind, what the prompt and its chat template put around inputs
            (`delimiters_of`); each is one form.
        context_tokens: of the LM; very long inputs are longer.
        progress: told of each row.

    Returns:
        For each contender `overall`, `by` (form), `by_language` and `worst`, or None with a `why`.
        Figures are `success` (share of attempts), `success_answered` (and not abstained), `control`
        (the share that moves to the same target under harmless text), `moved` (to any other answer
        under it), `excess` (success minus control, paired), `abstained`, `errors` by type, and
        `untyped`, exceptions that are none of shipworthy's. Several attempts on a row are averaged,
        with 95 % intervals over rows. `edges` counts outcomes of very long and empty inputs.
        `difference` is the compiled program's success minus the prototype's on the same rows and forms.

    Raises:
        LMError: the LM is down; other exceptions are outcomes.
    """
    contract = Contract(tuple(inputs), tuple(outputs))
    chosen = sample_rows(rows, contract, at_most=at_most, seed=seed)
    name = carrier([rows[place] for place in chosen], inputs)
    forms = attacks_with(delimiters or {})
    found: dict[str, list[Attempt] | str] = {}
    edges: dict[str, Any] = {}
    for title, many in contenders.items():
        if isinstance(many, str) or name is None:
            found[title] = many if isinstance(many, str) else "no input holds free text"
            edges[title] = None
            continue
        battery = UnderAttack(rows, contract, name, forms, seed, title, many, progress or Progress())
        own = battery.own(chosen, (plain or {}).get(title))
        found[title] = battery.attempts(own, len(forms) if per_row is None else per_row)
        edges[title] = battery.edges(chosen[:EDGE_ROWS], context_tokens)
    return {
        "rows": {**sampling(rows, chosen, contract, at_most), "per_row": per_row},
        "seed": seed,
        "level": LEVEL,
        "input": name,
        "target": contract.primary.name if contract.decisions else None,
        "attacks": {form.name: form.sentence for form in forms},
        "contenders": {title: _side(tried, forms) for title, tried in found.items()},
        "difference": _difference(found.get("compiled"), found.get("prototype")),
        "edges": {"sentences": EDGES, "rows": min(len(chosen), EDGE_ROWS), "contenders": edges},
    }


def _side(tried: list[Attempt] | str, forms: Sequence[Attack]) -> dict[str, Any]:
    if isinstance(tried, str):
        return {"overall": None, "by": None, "by_language": None, "worst": [], "why": tried}
    by = {form.name: [one for one in tried if one.form == form.name] for form in forms}
    many = {form.name for form in forms if len(form.languages) > 1}
    languages = sorted({one.language for one in tried if one.form in many})
    spoken = {
        language: [one for one in tried if one.form in many and one.language == language]
        for language in languages
    }
    return {
        "overall": _figures(tried),
        "by": {name: _figures(own) for name, own in by.items()},
        "by_language": {language: _figures(own) for language, own in spoken.items()},
        "worst": _worst(tried),
        "why": None,
    }


def _figures(tried: Sequence[Attempt]) -> dict[str, Any]:
    success = [(one.place, float(one.success)) for one in tried]
    control = [(one.place, float(one.control)) for one in tried]
    return {
        "attempts": len(tried),
        "success": row_share((one.place, one.success) for one in tried),
        "success_answered": row_share((one.place, one.success and one.said.answered) for one in tried),
        "control": row_share((one.place, one.control) for one in tried),
        "moved": row_share((one.place, one.moved) for one in tried),
        "excess": paired_means(success, control),
        "abstained": row_share(
            (one.place, one.said.outputs is not None and not one.said.answered) for one in tried
        ),
        **error_counts(one.said for one in tried),
        "why": None if tried else "no row met it, or none left a label to aim at",
    }


def _worst(tried: Sequence[Attempt]) -> list[Mapping[str, Any]]:
    """Attacks that succeeded where harmless text did not, answered ones first, each form and row once."""
    obeyed = [one for one in tried if one.success and not one.control]
    obeyed.sort(key=lambda one: (not one.said.answered, one.example["digest"], one.form))
    found: list[Attempt] = []
    for one in obeyed:
        fresh = all(one.form != other.form and one.place != other.place for other in found)
        if fresh and len(found) < EXAMPLES:
            found.append(one)
    return [one.example for one in found]


def _difference(ours: list[Attempt] | str | None, theirs: list[Attempt] | str | None) -> dict[str, Any]:
    """The compiled program's success minus the prototype's: negative where the program is harder to turn."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return {**paired_means([], []), "why": "one of the two was not measured"}
    both = {(one.place, one.form) for one in ours} & {(one.place, one.form) for one in theirs}
    mine, other = (
        [(one.place, float(one.success)) for one in tried if (one.place, one.form) in both]
        for tried in (ours, theirs)
    )
    return {**paired_means(mine, other), "why": None if both else "no row was attacked on both sides"}
