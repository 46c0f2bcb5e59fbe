"""Fit heads: multinomial logistic regressions, what they say of rows held out, and their mix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..examples import redact
from ..runtime import ReadoutHead, StudentHead, Tfidf, log_softmax
from .draft import Folds
from .one_thread import one_thread

Matrix = NDArray[np.float64]
N_FOLDS = 5
MIX_PRIOR = 1.0
"""Pull of a mix towards (1, 1), in nats over all rows for a squared unit: some rows without a mistake
are no reason to be certain."""


def oof_folds(labels: Sequence[Any], *, n_dev: int, seed: int) -> Folds:
    """Pairs of (fitted on, held out) row indices.

    With dev rows (the last `n_dev`): one pair. Else five folds, stratified by label: the
    rows of each class are dealt out in a seeded order, so that classes with fewer rows
    than folds are spread as far as they go.
    """
    n = len(labels)
    if n_dev:
        return [(np.arange(n - n_dev), np.arange(n - n_dev, n))]
    rng = np.random.default_rng(seed)
    order: list[int] = []
    for label in sorted(set(labels), key=str):
        order += rng.permutation([i for i in range(n) if labels[i] == label]).tolist()
    fold_of = np.empty(n, np.intp)
    fold_of[order] = np.arange(n) % N_FOLDS
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in range(N_FOLDS)
        if (fold_of == fold).any() and (fold_of != fold).any()
    ]


def held_out_rows(folds: Folds) -> NDArray[np.intp]:
    """Rows that some fold holds out, in order: those that selection may look at."""
    return np.sort(np.concatenate([held for _, held in folds]))


def cross_fit(
    fit: Callable[[NDArray[np.intp]], Callable[[NDArray[np.intp]], Matrix]],
    folds: Folds,
    shape: tuple[int, int],
) -> Matrix:
    """Log-probabilities of each held-out row by a fit without its fold; other rows stay NaN."""
    result = np.full(shape, np.nan)
    for fitted_on, held in folds:
        result[held] = fit(fitted_on)(held)
    return result


def cross_fit_head(
    head_of: Callable[[NDArray[np.intp]], ReadoutHead], features: Matrix, folds: Folds, shape: tuple[int, int]
) -> Matrix:
    """`cross_fit` of a head that `head_of` fits on the rows it is given; features have shape (N, K)."""

    def fit(chosen: NDArray[np.intp]) -> Callable[[NDArray[np.intp]], Matrix]:
        head = head_of(chosen)
        return lambda held: np.stack([head.log_probabilities(features[i]) for i in held])

    return cross_fit(fit, folds, shape)


def fit_readout(
    features: Matrix,
    classes: NDArray[np.intp],
    n_classes: int,
    label_columns: Sequence[int],
    *,
    c: float,
    shrinkage: float = 1.0,
) -> ReadoutHead:
    """A readout head from log-probabilities.

    Args:
        features: shape (N, K); classes: class index by row, shape (N,).
        n_classes: C; classes without rows are scored from their label's first token.
        label_columns: for each class, the column of its label's first token, or -1.
        c: inverse strength of the L2 penalty.
        shrinkage: below 1, the features are whitened first by their scatter within the classes,
            shrunk so far towards a multiple of the identity (regularised discriminant analysis,
            Friedman 1989): what varies among rows of one class then counts for less.
    """
    mean = features.mean(axis=0)
    scale = np.maximum(features.std(axis=0), 1e-3)
    scaled = (features - mean) / scale
    whitening = _whitening(scaled, classes, shrinkage) if shrinkage < 1 else None
    weights, bias, seen = _logistic(
        scaled if whitening is None else scaled @ whitening, classes, n_classes, c
    )
    if whitening is not None:
        weights = weights @ whitening
    if len(seen) < n_classes:
        _score_from_labels(features, scaled, weights, bias, seen, label_columns, mean, scale)
    return ReadoutHead(*(np.asarray(part, np.float32) for part in (mean, scale, weights, bias)))


def fit_linear(
    features: Matrix, classes: NDArray[np.intp], n_classes: int, *, cs: Sequence[float]
) -> ReadoutHead:
    """A logistic regression on any features, with the penalty of `cs` of the least held-out log-loss.

    Args:
        features: shape (N, K); classes: class index by row, shape (N,); n_classes: C.
        cs: inverse strengths of the L2 penalty; five folds of the rows choose.
    """
    nameless = [-1] * n_classes

    def head(chosen: NDArray[np.intp], c: float) -> ReadoutHead:
        return fit_readout(features[chosen], classes[chosen], n_classes, nameless, c=c)

    def loss(c: float) -> float:
        folds = oof_folds(classes.tolist(), n_dev=0, seed=0)
        held_out = cross_fit_head(partial(head, c=c), features, folds, (len(classes), n_classes))
        rows = held_out_rows(folds) if folds else np.arange(0)
        return -float(held_out[rows, classes[rows]].mean()) if len(rows) else 0.0

    return head(np.arange(len(classes)), min(cs, key=loss))


def fit_student(
    texts: Sequence[str], classes: NDArray[np.intp], n_classes: int, *, c: float, tfidf: Tfidf | None = None
) -> tuple[Tfidf, StudentHead]:
    """A student: TF-IDF and logistic regression, with a floor for classes without rows."""
    tfidf = tfidf or vocabulary(texts)
    matrix = tfidf_matrix(tfidf, texts)
    weights, bias, seen = _logistic(matrix, classes, n_classes, c)
    unseen = sorted(set(range(n_classes)) - set(seen))
    if unseen:
        bias[unseen] = bias[seen].mean() - np.log1p(len(texts) / max(1, len(seen)))
    return tfidf, StudentHead(weights.astype(np.float32), bias.astype(np.float32))


def vocabulary(texts: Sequence[str]) -> Tfidf:
    """The terms of texts and their weights. They are kept, so of what looks like a secret none enters."""
    return Tfidf.fit([redact(text) for text in texts])


def student_log_probabilities(tfidf: Tfidf, head: StudentHead, texts: Sequence[str]) -> Matrix:
    """By row and class; shape (N, C)."""
    return np.stack([head.log_probabilities(*tfidf.transform(text)) for text in texts])


def tfidf_matrix(tfidf: Tfidf, texts: Sequence[str]) -> Any:
    """The texts' weights as a sparse matrix; shape (N, V)."""
    from scipy.sparse import csr_matrix

    rows = [tfidf.transform(text) for text in texts]
    starts = np.cumsum([0, *(len(indices) for indices, _ in rows)])
    return csr_matrix(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([indices for indices, _ in rows]),
            starts,
        ),
        shape=(len(texts), len(tfidf.terms)),
    )


def fit_mix(parts: Sequence[Matrix], classes: NDArray[np.intp]) -> tuple[tuple[float, ...], Matrix]:
    """Weights that make the sum of held-out log-probabilities fit best, and the mixed log-probabilities.

    Minimises the log-loss of softmax(sum of weight times part) with weights within [0, 8]:
    temperature scaling (Guo et al. 2017) for one part, logarithmic pooling for two.
    """
    from scipy.optimize import minimize

    stacked = np.stack(parts)
    rows = np.arange(len(classes))

    def mixed(weights: Matrix) -> Matrix:
        return log_softmax(np.tensordot(weights, stacked, axes=1))

    right = stacked[:, rows, classes].mean(axis=1)

    def loss(weights: Matrix) -> tuple[float, Matrix]:
        """With its gradient: what a part is expected to say of a row, less what it says of the truth."""
        pooled = mixed(weights)
        expected = np.einsum("nc,knc->k", np.exp(pooled), stacked) / len(classes)
        pull = MIX_PRIOR / len(classes) * (weights - 1)
        value = -float(pooled[rows, classes].mean()) + float(pull @ (weights - 1))
        return value, expected - right + 2 * pull

    start = np.ones(len(parts))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 8.0)] * len(parts))
    weights = np.round(found.x, 4)
    return tuple(float(weight) for weight in weights), mixed(weights)


def _logistic(
    features: Any, classes: NDArray[np.intp], n_classes: int, c: float
) -> tuple[Matrix, Matrix, list[int]]:
    """Weights (C, F), bias (C,), and the classes that have rows; zero for those that have none."""
    seen = sorted(set(classes.tolist()))
    weights = np.zeros((n_classes, features.shape[1]))
    bias = np.zeros(n_classes)
    if features.shape[1] == 0:  # nothing to learn from but how often each class occurs
        bias[seen] = np.log([np.mean(classes == k) for k in seen])
    elif len(seen) > 1:
        from sklearn.linear_model import LogisticRegression

        with one_thread():
            model = LogisticRegression(C=c, max_iter=2000, tol=1e-5).fit(features, classes)
        if len(seen) == 2:
            weights[seen] = np.vstack([-model.coef_ / 2, model.coef_ / 2])
            bias[seen] = np.concatenate([-model.intercept_ / 2, model.intercept_ / 2])
        else:
            weights[seen], bias[seen] = model.coef_, model.intercept_
    return weights, bias, seen


def _whitening(scaled: Matrix, classes: NDArray[np.intp], shrinkage: float) -> Matrix:
    """The symmetric matrix that whitens the scatter within classes; (K, K), of unit gain on average."""
    within = scaled.copy()
    for k in set(classes.tolist()):
        within[classes == k] -= scaled[classes == k].mean(axis=0)
    with one_thread():
        scatter = within.T @ within / len(scaled)
        size = len(scatter)
        level = max(float(np.trace(scatter)) / size, 1e-6)
        values, vectors = np.linalg.eigh((1 - shrinkage) * scatter + shrinkage * level * np.eye(size))
        whitening: Matrix = (vectors / np.sqrt(values)) @ vectors.T
        return whitening / max(float((scaled @ whitening).std()), 1e-6)


def _score_from_labels(
    features: Matrix,
    scaled: Matrix,
    weights: Matrix,
    bias: Matrix,
    seen: list[int],
    label_columns: Sequence[int],
    mean: Matrix,
    scale: Matrix,
) -> None:
    """Give classes without rows the line that maps label log-probabilities to logits of the others."""
    known = [k for k in seen if label_columns[k] >= 0]
    slope = intercept = 0.0
    if known:
        x = features[:, [label_columns[k] for k in known]].ravel()
        y = (scaled @ weights[known].T + bias[known]).ravel()
        spread = x - x.mean()
        slope = max(0.0, float(spread @ y) / max(float(spread @ spread), 1e-9))
        intercept = float(y.mean() - slope * x.mean())
    handicap = np.log1p(len(features) / max(1, len(seen)))
    for k in sorted(set(range(len(bias))) - set(seen)):
        bias[k] = intercept - handicap
        if label_columns[k] >= 0:
            column = label_columns[k]
            weights[k, column] = slope * scale[column]
            bias[k] += slope * mean[column]
