"""Labels that are probably wrong, by confident learning from held-out class probabilities.

The probabilities may come from any model that did not see the row that it judges; where
there are none, a TF-IDF and logistic regression fitted in folds gives them.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingExtraError, ScoringError
from ..digest import digest_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEWEST = 5
"""Classes with fewer rows are left out: a mean over them is no threshold."""


@dataclass(frozen=True)
class Suspect:
    """A row whose label is probably wrong.

    Attributes:
        row: its index.
        given: number of the class that it is labelled with.
        suggested: number of the class that is most probable.
        margin: probability of the label given less the largest other one, from -1 to 1; the
            smaller, the more suspect.
    """

    row: int
    given: int
    suggested: int
    margin: float


def confident_joint(labels: Sequence[int] | Integers, probabilities: Floats) -> Floats:
    """How many rows of each given class (down) belong to each class in truth (across), estimated.

    Confident learning (Northcutt, Jiang and Chuang 2021, section 3.1): a row counts for the
    most probable of those classes whose probability reaches the class's own threshold, the
    mean probability that rows labelled with it give it. Each line of counts is then scaled
    to the number of rows labelled so. A class without rows has no threshold and gets none.

    Args:
        labels: (N,) class numbers from 0 to C - 1.
        probabilities: (N, C) held-out, each row summing to 1.

    Returns:
        (C, C) counts, which sum to N.

    Raises:
        ScoringError: the shapes do not fit, a label is no class, or a row is no distribution.
    """
    given, held_out = _checked(labels, probabilities)
    return _joint(given, held_out, _thresholds(given, held_out, 1))


def suspect_labels(labels: Sequence[int] | Integers, probabilities: Floats) -> list[Suspect]:
    """Rows whose labels are probably wrong, the most suspect first.

    Pruning by noise rate (Northcutt, Jiang and Chuang 2021, section 3.2): for each pair of
    classes, as many rows as the confident joint counts there, by the margin between the two.
    They are ranked by normalised margin. Departures: a row whose label is its most
    probable class is never a suspect, and classes with fewer than `FEWEST` rows take no part.

    Args:
        labels: (N,) class numbers from 0 to C - 1.
        probabilities: (N, C) held-out, each row summing to 1.

    Raises:
        ScoringError: as for `confident_joint`.
    """
    given, held_out = _checked(labels, probabilities)
    thresholds = _thresholds(given, held_out, FEWEST)
    counts = np.rint(_joint(given, held_out, thresholds)).astype(np.int64)
    chosen: set[int] = set()
    for one in np.flatnonzero(np.isfinite(thresholds)).tolist():
        rows = np.flatnonzero(given == one)
        for other in np.flatnonzero(counts[one]).tolist():
            if other == one:
                continue
            margins = held_out[rows, other] - held_out[rows, one]
            worst = np.argsort(-margins, kind="stable")[: counts[one, other]]
            chosen.update(rows[worst[margins[worst] > 0]].tolist())
    suspects = []
    for row in chosen:
        label = int(given[row])
        others = held_out[row].copy()
        others[label] = -1.0
        suggested = int(others.argmax())
        suspects.append(Suspect(row, label, suggested, float(held_out[row, label] - others[suggested])))
    return sorted(suspects, key=lambda suspect: (suspect.margin, suspect.row))


def held_out_probabilities(
    texts: Sequence[str], labels: Sequence[int], *, n_classes: int, folds: int = 5, seed: int = 0
) -> Floats:
    """Class probabilities of rows by models that did not see them: TF-IDF and logistic regression, in folds.

    Folds are stratified; rows with the same text share one, or they would vouch for each
    other. A class that is missing from a fold's training rows gets probability 0 there.

    Args:
        texts: (N,) each row's inputs as one text.
        labels: (N,) class numbers from 0 to `n_classes` - 1.
        n_classes: C.
        folds: at least 2.
        seed: another seed, other folds.

    Returns:
        (N, C), each row summing to 1.

    Raises:
        ScoringError: fewer than two classes among the texts that differ, or too few folds.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError("compile", "scikit-learn") from error
    if folds < 2 or len(texts) != len(labels):
        raise ScoringError(
            f"{folds} folds for {len(texts)} texts and {len(labels)} labels",
            hint="give a label for each text, and two folds or more",
        )
    given = np.asarray(labels, np.int64)
    if given.size and not 0 <= given.min() <= given.max() < n_classes:
        raise ScoringError("a label is no class", hint="number the classes from 0")
    fold_of = _folds(texts, given, folds, seed)
    out = np.zeros((len(texts), n_classes))
    for fold in range(folds):
        fit, held = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        if not len(held):
            continue
        if len(np.unique(given[fit])) < 2:
            raise ScoringError("fewer than two classes to tell apart", hint="give rows of more classes")
        vectors = TfidfVectorizer(token_pattern=r"(?u)\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
        model = LogisticRegression(C=10.0, max_iter=200)
        with warnings.catch_warnings():
            # A fit that stops a little early ranks the rows just as well.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(vectors.fit_transform([texts[i] for i in fit.tolist()]), given[fit])
        found: Any = model.predict_proba(vectors.transform([texts[i] for i in held.tolist()]))
        out[np.ix_(held, model.classes_)] = found
    return out


def _checked(labels: Sequence[int] | Integers, probabilities: Floats) -> tuple[Integers, Floats]:
    try:
        given = np.asarray(labels)
        held_out = np.asarray(probabilities, np.float64)
    except (TypeError, ValueError) as error:
        raise ScoringError("not numbers", hint="give class numbers and probabilities") from error
    if held_out.ndim != 2 or given.shape != held_out.shape[:1] or not held_out.size:
        raise ScoringError(
            f"labels of shape {given.shape} and probabilities of shape {held_out.shape}",
            hint="give N labels and an (N, C) array, N and C at least 1",
        )
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= held_out.shape[1]:
        raise ScoringError("a label is no class", hint="number the classes from 0 to C - 1")
    inside = np.isfinite(held_out).all() and held_out.min() >= 0
    if not inside or np.abs(held_out.sum(axis=1) - 1).max() > 1e-3:
        raise ScoringError(
            "a row of probabilities is no distribution",
            hint="probabilities are at least 0 and sum to 1 in each row",
        )
    return given.astype(np.int64), held_out


def _thresholds(given: Integers, held_out: Floats, fewest: int) -> Floats:
    """(C,) mean self-confidence of each class, infinite for a class with too few rows."""
    counts = np.bincount(given, minlength=held_out.shape[1])
    sums = np.bincount(given, weights=held_out[np.arange(len(given)), given], minlength=held_out.shape[1])
    return np.where(counts >= fewest, sums / np.maximum(counts, 1), np.inf)


def _joint(given: Integers, held_out: Floats, thresholds: Floats) -> Floats:
    n_classes = held_out.shape[1]
    # A threshold is a mean of these very numbers: without slack, rounding would put equal ones below it.
    confident = np.where(held_out >= thresholds - 1e-9, held_out, -1.0)
    best = confident.argmax(axis=1)
    counted = confident[np.arange(len(given)), best] >= 0
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (given[counted], best[counted]), 1.0)
    totals = np.bincount(given, minlength=n_classes).astype(np.float64)
    sums = joint.sum(axis=1)
    # Rows of a class of which none was confident are taken at their word.
    np.fill_diagonal(joint, np.where(sums == 0, 1.0, joint.diagonal()))
    scale: Floats = totals / np.where(sums == 0, 1.0, sums)
    return joint * scale[:, None]


def _folds(texts: Sequence[str], given: Integers, folds: int, seed: int) -> Integers:
    """(N,) number of each row's fold; within a class texts are dealt in the order of a seeded digest."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        by_text[text].append(index)
    by_class: dict[int, list[str]] = defaultdict(list)
    for text, indices in by_text.items():
        by_class[int(given[indices[0]])].append(text)
    fold_of = np.zeros(len(texts), np.int64)
    dealt = 0
    for label in sorted(by_class):
        for text in sorted(by_class[label], key=lambda text: digest_of([seed, text])):
            fold_of[by_text[text]] = dealt % folds
            dealt += 1
    return fold_of
