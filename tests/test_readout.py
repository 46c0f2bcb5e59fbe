"""Heads: what they learn, what they say of classes that they have not seen, and how they mix."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipworthy.compiler import fit_student, oof_folds
from shipworthy.compiler.heads import (
    cross_fit,
    fit_mix,
    fit_readout,
    held_out_rows,
    student_log_probabilities,
)
from shipworthy.runtime import DecisionHead, ReadoutHead, Tfidf, log_softmax

WORDS = ["invoice charged refund", "parcel courier late", "password login reset"]


def rows(n: int, n_classes: int, *, noise: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Log-probabilities in which the token of the right class stands out, and two tokens of no class."""
    rng = np.random.default_rng(7)
    classes = np.arange(n) % n_classes
    features = rng.normal(-4.0, noise, (n, n_classes + 2))
    features[np.arange(n), classes] += 4.0
    return features, classes


def texts_of(classes: NDArray[np.intp]) -> list[str]:
    return [f"{WORDS[k]} {'please ' * (i % 3)}" for i, k in enumerate(classes.tolist())]


def head_bytes(head: Any) -> bytes:
    return b"".join(np.asarray(part).tobytes() for part in dataclasses.astuple(head))


# Readout


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_a_readout_learns_which_token_means_which_class(n_classes: int) -> None:
    features, classes = rows(60, n_classes)
    head = fit_readout(features, classes, n_classes, range(n_classes), c=1.0)
    assert head.weights.shape == (n_classes, n_classes + 2)
    scores = np.stack([head.log_probabilities(row) for row in features])
    assert (scores.argmax(axis=1) == classes).mean() > 0.95
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1.0)


def test_two_classes_mirror_each_other() -> None:
    features, classes = rows(40, 2)
    head = fit_readout(features, classes, 2, [0, 1], c=1.0)
    np.testing.assert_allclose(head.weights[0], -head.weights[1])
    swapped = fit_readout(features, 1 - classes, 2, [1, 0], c=1.0)
    np.testing.assert_allclose(
        head.log_probabilities(features[0]), swapped.log_probabilities(features[0])[::-1], atol=1e-4
    )


def test_two_classes_agree_with_sklearn() -> None:
    from sklearn.linear_model import LogisticRegression

    features, classes = rows(40, 2, noise=3.0)
    head = fit_readout(features, classes, 2, [0, 1], c=0.5)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = LogisticRegression(C=0.5, tol=1e-8).fit(scaled, classes).predict_log_proba(scaled)
    found = np.stack([head.log_probabilities(row) for row in features])
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("seen", [(0, 1, 2), (1, 3), (0, 2, 3)])
def test_a_class_without_rows_is_scored_by_its_labels_log_probability(seen: tuple[int, ...]) -> None:
    features, classes = rows(80, 5)
    kept = np.isin(classes, seen)
    head = fit_readout(features[kept], classes[kept], 5, range(5), c=1.0)
    for unseen in set(range(5)) - set(seen):
        row = np.full(7, -4.0)
        scores = []
        for logprob in np.linspace(-12.0, 0.0, 9):
            row[unseen] = logprob
            scores.append(head.log_probabilities(row)[unseen])
        assert np.isfinite(scores).all()
        assert (np.diff(scores) > 0).all()


def test_a_class_without_rows_does_not_win_without_reason() -> None:
    features, classes = rows(90, 4, noise=0.5)
    known = classes != 3
    head = fit_readout(features[known], classes[known], 4, range(4), c=1.0)
    scores = np.stack([head.log_probabilities(row) for row in features])
    assert (scores[known].argmax(axis=1) == classes[known]).all()
    assert scores[~known, 3].min() > scores[known, 3].max()


def test_a_class_without_rows_and_without_a_token_keeps_a_finite_score() -> None:
    features, classes = rows(40, 3)
    kept = classes != 2
    head = fit_readout(features[kept], classes[kept], 3, [0, 1, -1], c=1.0)
    assert np.isfinite(head.log_probabilities(features[0])).all()
    assert np.argmax(head.log_probabilities(features[0])) != 2


def test_rows_of_one_class_only_still_give_a_head() -> None:
    features, _ = rows(10, 3)
    head = fit_readout(features, np.zeros(10, np.intp), 3, range(3), c=1.0)
    scores = head.log_probabilities(features[0])
    assert np.isfinite(scores).all()
    assert scores.argmax() == 0


def test_a_token_that_never_varies_does_no_harm() -> None:
    features, classes = rows(30, 3)
    features[:, 4] = -7.0
    head = fit_readout(features, classes, 3, range(3), c=1.0)
    assert np.isfinite(head.log_probabilities(features[0])).all()
    assert (head.scale > 0).all()


def test_the_same_rows_give_the_same_bytes() -> None:
    features, classes = rows(60, 4, noise=3.0)
    first, second = (fit_readout(features, classes, 5, range(5), c=1.0) for _ in range(2))
    assert head_bytes(first) == head_bytes(second)
    texts = texts_of(classes % 3)
    assert head_bytes(fit_student(texts, classes % 3, 4, c=3.0)[1]) == head_bytes(
        fit_student(texts, classes % 3, 4, c=3.0)[1]
    )


# Student


def test_a_student_learns_from_words() -> None:
    classes = np.arange(30) % 3
    tfidf, head = fit_student(texts_of(classes), classes, 3, c=10.0)
    scores = student_log_probabilities(tfidf, head, ["they CHARGED me", "the courier", "my login"])
    assert scores.shape == (3, 3)
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1.0)


def test_a_class_without_rows_keeps_a_small_share_with_a_student() -> None:
    classes = np.arange(30) % 2
    tfidf, head = fit_student(texts_of(classes), classes, 4, c=10.0)
    shares = np.exp(student_log_probabilities(tfidf, head, [*texts_of(classes), "unheard of", ""]))
    assert (shares[:, 2:] > 0).all()
    assert (shares.argmax(axis=1) < 2).all()


@pytest.mark.parametrize("texts", [["", " ", "\n"], ["a", "a", "a"]])
def test_texts_that_say_nothing_still_give_a_student(texts: list[str]) -> None:
    tfidf, head = fit_student(texts, np.array([0, 0, 1]), 2, c=1.0)
    shares = np.exp(student_log_probabilities(tfidf, head, ["anything", ""]))
    assert np.isfinite(shares).all()
    assert (shares[:, 0] > shares[:, 1]).all()


def test_a_student_of_one_class_says_that_class() -> None:
    tfidf, head = fit_student(["one", "two"], np.array([1, 1]), 3, c=1.0)
    assert student_log_probabilities(tfidf, head, ["three"]).argmax() == 1


def test_a_vocabulary_can_be_shared() -> None:
    tfidf = Tfidf.fit(WORDS)
    shared, head = fit_student(["unknown words"] * 2 + WORDS, np.arange(5) % 2, 2, c=1.0, tfidf=tfidf)
    assert shared is tfidf
    assert head.weights.shape == (2, len(tfidf.terms))


# Folds


@given(st.lists(st.sampled_from(["a", "b", True, 3]), min_size=2, max_size=60), st.integers(0, 5))
def test_every_row_is_held_out_once_and_never_fitted_on_then(labels: list[Any], seed: int) -> None:
    folds = oof_folds(labels, n_dev=0, seed=seed)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(len(labels)))
    for fitted_on, held in folds:
        assert sorted([*fitted_on.tolist(), *held.tolist()]) == list(range(len(labels)))
        assert len(fitted_on) > 0
    assert held_out_rows(folds).tolist() == list(range(len(labels)))


@given(st.lists(st.sampled_from("abc"), min_size=5, max_size=60), st.integers(0, 5))
def test_each_class_is_spread_evenly_over_the_folds(labels: list[str], seed: int) -> None:
    folds = oof_folds(labels, n_dev=0, seed=seed)
    assert len(folds) == 5
    for label in set(labels):
        counts = [Counter(labels[i] for i in held)[label] for _, held in folds]
        assert max(counts) - min(counts) <= 1


def test_with_dev_rows_the_last_rows_are_held_out() -> None:
    ((fitted_on, held),) = oof_folds(list("ababab"), n_dev=2, seed=0)
    assert fitted_on.tolist() == [0, 1, 2, 3]
    assert held.tolist() == [4, 5]


def test_folds_depend_on_the_seed_alone() -> None:
    labels = list("aabbccddee" * 4)
    first, again, other = (oof_folds(labels, n_dev=0, seed=seed) for seed in (1, 1, 2))
    assert [held.tolist() for _, held in first] == [held.tolist() for _, held in again]
    assert [held.tolist() for _, held in first] != [held.tolist() for _, held in other]


def test_held_out_scores_come_from_fits_without_the_row() -> None:
    folds = oof_folds(list("ab" * 10), n_dev=4, seed=0)

    def fit(fitted_on: NDArray[np.intp]) -> Any:
        return lambda held: np.full((len(held), 2), float(np.isin(held, fitted_on).any()))

    scores = cross_fit(fit, folds, (20, 2))
    assert np.isnan(scores[:16]).all()
    assert (scores[16:] == 0.0).all()


# Mix


def scored(sharpness: float, n: int = 400) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Log-probabilities that are calibrated at sharpness 1, and classes drawn from them."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (n, 3))
    shares = np.exp(log_softmax(logits))
    classes = np.array([rng.choice(3, p=share) for share in shares])
    return log_softmax(sharpness * logits), classes


def log_loss(log_shares: NDArray[np.float64], classes: NDArray[np.intp]) -> float:
    return -float(log_shares[np.arange(len(classes)), classes].mean())


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_a_mix_of_one_sets_the_temperature(sharpness: float) -> None:
    part, classes = scored(sharpness)
    (weight,), mixed = fit_mix([part], classes)
    assert weight * sharpness == pytest.approx(1.0, abs=0.2)
    assert log_loss(mixed, classes) <= log_loss(part, classes) + 1e-6
    np.testing.assert_allclose(np.exp(mixed).sum(axis=1), 1.0)


def test_a_part_that_knows_nothing_gets_no_weight() -> None:
    part, classes = scored(1.0)
    noise = log_softmax(np.random.default_rng(5).normal(0, 2, part.shape))
    (good, bad), mixed = fit_mix([part, noise], classes)
    assert good > 0.8
    assert bad < 0.1
    assert log_loss(mixed, classes) <= log_loss(part, classes) + 0.01


def test_two_parts_are_as_good_as_the_better_one_and_give_the_same_weights_again() -> None:
    rng = np.random.default_rng(11)
    part, classes = scored(1.0)
    parts = [log_softmax(part + rng.normal(0, scale, part.shape)) for scale in (0.7, 1.5)]
    weights, mixed = fit_mix(parts, classes)
    alone = [log_loss(fit_mix([own], classes)[1], classes) for own in parts]
    assert log_loss(mixed, classes) <= min(alone) + 1e-3
    assert all(0 <= weight <= 8 for weight in weights)
    assert fit_mix(parts, classes)[0] == weights
    assert fit_mix(parts[::-1], classes)[0] == pytest.approx(weights[::-1], abs=5e-3)


# DecisionHead


def small_heads() -> tuple[ReadoutHead, Any, Tfidf]:
    features, classes = rows(30, 3)
    tfidf, student = fit_student(texts_of(classes), classes, 3, c=10.0)
    return fit_readout(features, classes, 3, range(3), c=1.0), student, tfidf


def test_a_decision_pools_readout_and_student() -> None:
    readout, student, tfidf = small_heads()
    logprobs, terms = np.array([-1.0, -5.0, -5.0, -4.0, -4.0]), tfidf.transform("courier")
    shares = DecisionHead(readout, student, (0.7, 0.4)).probabilities(logprobs, terms)
    pooled = 0.7 * readout.log_probabilities(logprobs) + 0.4 * student.log_probabilities(*terms)
    np.testing.assert_allclose(shares, np.exp(pooled) / np.exp(pooled).sum())
    assert shares.sum() == pytest.approx(1.0)


def test_each_part_can_decide_alone() -> None:
    readout, student, tfidf = small_heads()
    logprobs, terms = np.array([-9.0, -9.0, -0.1, -4.0, -4.0]), tfidf.transform("courier")
    assert DecisionHead(readout, None, (1.0, 0.0)).probabilities(logprobs, None).argmax() == 2
    assert DecisionHead(None, student, (0.0, 1.0)).probabilities(None, terms).argmax() == 1


def test_a_part_without_its_input_is_refused() -> None:
    readout, student, tfidf = small_heads()
    with pytest.raises(ValueError, match="log-probabilities"):
        DecisionHead(readout, student, (1.0, 1.0)).probabilities(None, tfidf.transform("x"))
    with pytest.raises(ValueError, match="TF-IDF"):
        DecisionHead(readout, student, (1.0, 1.0)).probabilities(np.zeros(5), None)
    with pytest.raises(ValueError, match="without readout and student"):
        DecisionHead(None, None, (1.0, 1.0)).probabilities(None, None)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6))
def test_log_softmax_is_a_distribution_without_overflow(logits: list[float]) -> None:
    found = log_softmax(np.array(logits))
    assert np.exp(found).sum() == pytest.approx(1.0)
    assert (found <= 1e-12).all()


def test_whitening_tells_classes_apart_that_differ_where_rows_hardly_vary() -> None:
    """Two classes whose difference is small beside what varies among the rows of each."""
    rng = np.random.default_rng(0)
    classes = np.arange(400) % 2
    loud = rng.normal(size=(400, 20)) @ rng.normal(size=(20, 20))
    features = loud + 0.2 * np.where(classes[:, None] == 1, 1, -1) * rng.normal(size=20)

    def right(shrinkage: float) -> float:
        head = fit_readout(features[:100], classes[:100], 2, [-1, -1], c=0.05, shrinkage=shrinkage)
        said = [head.log_probabilities(row).argmax() for row in features[100:]]
        return float((np.array(said) == classes[100:]).mean())

    assert right(0.1) > right(1.0) + 0.05


def test_whitening_stands_rows_that_do_not_vary() -> None:
    features = np.zeros((6, 3))
    head = fit_readout(features, np.array([0, 0, 1, 1, 2, 2]), 3, [-1, -1, -1], c=0.5, shrinkage=0.5)
    assert np.allclose(head.log_probabilities(features[0]), np.log(1 / 3), atol=1e-6)
