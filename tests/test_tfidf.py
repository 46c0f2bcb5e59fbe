"""TF-IDF without scikit-learn is that of scikit-learn, whatever the text."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shipworthy.runtime import Tfidf

UGLY = [
    "The parcel never came. The parcel!",
    "the PARCEL\tnever\n\ncame\r\n",
    "",
    " ",
    "a",
    "a b c",
    "ab",
    "x" * 50,
    "na na na na na na hey",
    "naïve café — “quoted” ‘text’",
    "ÀÉÎ ß ǅ İstanbul ﬁne",
    "Привет, мир! 你好世界 שלום مرحبا",
    "👩‍👩‍👧 emoji 🎉🎉",
    "under_score hy-phen 3.14 10,000 e=mc²",
    "\u00a0no\u2003break\u2028line\x1cseparator\x85next\u200bzero",
    "e\u0301 combining",
    "<b>html</b> &amp; {json: 1}",
]
TEXT = st.text(max_size=40) | st.text("ab \t\n\u00a0Éİ_1.", max_size=40) | st.sampled_from(UGLY)


def dense(tfidf: Tfidf, texts: list[str]) -> NDArray[np.float64]:
    matrix = np.zeros((len(texts), len(tfidf.terms)))
    for row, text in enumerate(texts):
        indices, values = tfidf.transform(text)
        assert len(set(indices.tolist())) == len(indices) == len(values)
        matrix[row, indices] = values
    return matrix


def of_sklearn(texts: list[str], others: list[str]) -> tuple[list[str], int, NDArray[np.float64]]:
    """Terms, number of words, and weights of `others`, by the two vectorizers of the docstring."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    terms: list[str] = []
    sizes = []
    blocks = [np.zeros((len(others), 0))]
    for vectorizer in (
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4)),
    ):
        try:
            vectorizer.fit(texts)
        except ValueError:  # an empty vocabulary, which is refused there and allowed here
            sizes.append(0)
            continue
        own = vectorizer.get_feature_names_out().tolist()
        terms += own
        sizes.append(len(own))
        blocks.append(vectorizer.transform(others).toarray())
    return terms, sizes[0], np.hstack(blocks)


def assert_equal_to_sklearn(texts: list[str], others: list[str]) -> None:
    tfidf = Tfidf.fit(texts)
    terms, n_words, weights = of_sklearn(texts, others)
    assert list(tfidf.terms) == terms
    assert tfidf.n_words == n_words
    np.testing.assert_allclose(dense(tfidf, others), weights, atol=1e-6)


def test_weights_of_ugly_texts_are_those_of_sklearn() -> None:
    assert_equal_to_sklearn(UGLY, UGLY)


def test_weights_of_texts_that_were_not_fitted_are_those_of_sklearn() -> None:
    assert_equal_to_sklearn(UGLY[::2], UGLY[1::2])
    assert_equal_to_sklearn(UGLY[1::2], UGLY[::2])


@pytest.mark.parametrize("text", UGLY)
def test_a_single_text_is_enough(text: str) -> None:
    assert_equal_to_sklearn([text], [text, "something else"])


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, max_size=3))
@example([""], ["a"])
@settings(max_examples=60)
def test_weights_of_any_texts_are_those_of_sklearn(texts: list[str], others: list[str]) -> None:
    assert_equal_to_sklearn(texts, [*texts, *others])


@given(st.lists(TEXT, min_size=1, max_size=5), TEXT)
def test_each_block_has_length_one_or_nothing(texts: list[str], text: str) -> None:
    tfidf = Tfidf.fit(texts)
    indices, values = tfidf.transform(text)
    for block in (values[indices < tfidf.n_words], values[indices >= tfidf.n_words]):
        assert len(block) == 0 or np.linalg.norm(block) == pytest.approx(1.0)
    assert (values > 0).all()


def test_a_text_of_unknown_terms_is_empty() -> None:
    indices, values = Tfidf.fit(["parcel"]).transform("QQQ zzz")
    assert indices.shape == values.shape == (0,)
    assert indices.dtype.kind == "i"


def test_the_vocabulary_does_not_depend_on_the_order_of_the_texts() -> None:
    first = Tfidf.fit(UGLY)
    second = Tfidf.fit(UGLY[::-1])
    assert first.terms == second.terms
    assert first.idf.tobytes() == second.idf.tobytes()


def test_no_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="no texts"):
        Tfidf.fit([])


def test_no_term_holds_the_separator_of_the_stored_vocabulary() -> None:
    from shipworthy.runtime.tfidf import SEPARATOR

    texts = [left + right for left, right in itertools.product(UGLY, repeat=2)]
    assert not any(SEPARATOR in term for term in Tfidf.fit(texts).terms)
