"""Reading the labels' log-probabilities off a generated answer, against sums done by hand."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import OutputError
from shipworthy.lms import Token
from shipworthy.runtime import Field
from shipworthy.runtime.alternatives import FLOOR, label_logprobs


def token(text: str, share: float = 1.0, **others: float) -> Token:
    """A token with its probability, and alternatives with theirs."""
    top = {text: share, **others}
    return Token(text, math.log(share), tuple((other, math.log(p)) for other, p in top.items()))


def enum(name: str, *choices: str | int) -> Field:
    return Field(name, {"enum": list(choices)})


def shares(tokens: list[Token], *fields: Field) -> list[float]:
    return [round(float(x), 4) for x in np.exp(label_logprobs(tokens, fields))]


def test_each_label_gets_the_share_of_the_alternatives_that_begin_it() -> None:
    answer = [token('{"q": "'), token("red", 0.6, gr=0.3, blue=0.1), token('"}')]
    assert shares(answer, enum("q", "red", "green", "blue")) == [0.6, 0.3, 0.1]


def test_shares_are_normalised_over_the_labels() -> None:
    answer = [token('{"q": "'), token("red", 0.2, gr=0.2, maybe=0.6), token('"}')]
    assert shares(answer, enum("q", "red", "green")) == [0.5, 0.5]


def test_labels_part_where_their_texts_do() -> None:
    answer = [
        token('{"q":'),
        token(' "card', 0.9, **{' "cash': 0.1}),
        token("_lost", 0.25, _stolen=0.75),
        token('"}'),
    ]
    assert shares(answer, enum("q", "card_lost", "card_stolen", "cash")) == [0.225, 0.675, 0.1]


def test_an_alternative_that_fits_several_labels_is_shared() -> None:
    answer = [token('{"q": "'), token("ham", 0.4, be=0.6), token('"}')]
    assert shares(answer, enum("q", "ham", "beef", "beer")) == [0.4, 0.3, 0.3]


def test_a_shorter_token_of_the_same_label_counts_for_it() -> None:
    answer = [token('{"q": "'), token("ham", 0.4, h=0.3, beef=0.3), token('"}')]
    assert shares(answer, enum("q", "ham", "beef")) == [0.7, 0.3]


def test_a_number_ends_at_what_cannot_be_part_of_it() -> None:
    answer = [token('{"n": '), token("1", 1.0), token("}", 0.7, **{"0": 0.2, "00": 0.1})]
    assert shares(answer, enum("n", 1, 10, 100)) == [0.7, 0.1, 0.2]  # 0 fits two, 00 one
    answer = [token('{"n": '), token("10", 0.8, **{"1}": 0.2}), token("}")]
    assert shares(answer, enum("n", 1, 10)) == [0.2, 0.8]


def test_a_bool_is_read_as_json_writes_it() -> None:
    answer = [token('{"yes": '), token("true", 0.9, false=0.1), token("}")]
    assert shares(answer, Field("yes", {"type": "boolean"})) == [0.9, 0.1]


def test_what_no_alternative_leads_to_is_bounded_by_the_least_likely() -> None:
    answer = [token('{"q": "'), token("red", 0.6, gr=0.1), token('"}')]
    found = shares(answer, enum("q", "red", "green", "blue"))
    assert found == [0.75, 0.125, 0.125]


def test_a_later_decision_is_given_the_earlier_one() -> None:
    answer = [
        token('{"a": "'),
        token("x", 0.5, y=0.5),
        token('", "b": "'),
        token("u", 0.8, v=0.2),
        token('"}'),
    ]
    assert shares(answer, enum("a", "x", "y"), enum("b", "u", "v")) == [0.5, 0.5, 0.8, 0.2]


def test_labels_may_be_cut_within_a_character() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    halves = [part.decode("utf-8", "surrogateescape") for part in (first, second)]
    other = "è".encode()[1:].decode("utf-8", "surrogateescape")
    answer = [token('{"q": "'), token(halves[0]), token(halves[1], 0.8, **{other: 0.2}), token('"}')]
    assert shares(answer, enum("q", "é", "è")) == [0.8, 0.2]


def test_impossible_alternatives_stay_finite() -> None:
    answer = [
        token('{"q": "'),
        Token("red", -math.inf, (("green", 0.0), ("blue", -math.inf))),
        token('"}'),
    ]
    found = label_logprobs(answer, [enum("q", "red", "green", "blue")])
    assert np.isfinite(found).all()
    assert found.min() >= FLOOR
    assert found.argmax() == 1


@pytest.mark.parametrize("text", ["", "red", '{"q": "red"', '["red"]', '{"other": "red"}'])
def test_what_is_no_answer_is_a_row_error(text: str) -> None:
    with pytest.raises(OutputError):
        label_logprobs([Token(part, -0.1) for part in text], [enum("q", "red")])


LABELS = st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=6, unique=True)


@given(LABELS, st.data())
def test_any_cut_of_any_answer_gives_a_distribution_that_favours_what_was_said(
    labels: list[str], data: st.DataObject
) -> None:
    said = data.draw(st.sampled_from(labels))
    raw = json.dumps({"q": said}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1))))
    pieces = [raw[a:b].decode("utf-8", "surrogateescape") for a, b in pairwise([0, *cuts, len(raw)])]
    found = label_logprobs([token(piece, 0.9, zz=0.05) for piece in pieces], [enum("q", *labels)])
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-4)
    assert labels[int(found.argmax())] == said
