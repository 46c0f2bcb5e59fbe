"""Slices: where it is weak, said only where it is more than chance."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from shipworthy.errors import MissingExtraError, ScoringError
from shipworthy.scoring import Evaluation, RowResult, Slice, holm, mean_interval, slices, wilson
from shipworthy.scoring.cuts import by_value, script_of
from shipworthy.scoring.metrics import Failure

Row = Mapping[str, Any]


def made(rows: Iterable[Row], score: Callable[[int], float | None]) -> Evaluation:
    """An evaluation of these rows with scores as told; None is a failure of the metric."""
    results = []
    for i, row in enumerate(rows):
        value = score(i)
        failure = Failure("ValueError", "", "") if value is None else None
        labels = {"desk": row["desk"]}
        results.append(
            RowResult(
                i, {}, value == 1, {}, None, True, 1.0, 0, 0, score=value, failure=failure, labels=labels
            )
        )
    return Evaluation(results)


def rows_of(n: int, **columns: Callable[[int], Any]) -> list[dict[str, Any]]:
    columns = {"text": lambda i: "Where is my parcel?", "desk": lambda i: "bar", **columns}
    return [{name: make(i) for name, make in columns.items()} for i in range(n)]


def only(found: Iterable[Slice], value: str) -> Slice:
    (one,) = (slice for slice in found if slice.value == value)
    return one


def test_the_worst_class_comes_first_and_is_compared_with_the_rest() -> None:
    rows = rows_of(90, desk=lambda i: ("bar", "inn", "spa")[i % 3])
    found = slices(made(rows, lambda i: float(i % 3 != 1 or i < 12)), rows, outputs=["desk"], by=["desk"])
    worst = found.compared[0]
    assert (worst.by, worst.value, worst.kind, worst.n, worst.score) == ("desk", "inn", "value", 30, 4 / 30)
    assert worst.ci == wilson(4, 30)
    assert worst.difference == pytest.approx(4 / 30 - 1)
    assert worst.p == pytest.approx(fisher_exact([[4, 26], [60, 0]]).pvalue)
    assert [one.value for one in found.significant()] == ["inn"]
    scores = [one.score for one in found.compared]
    assert scores == sorted(scores)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """Newcombe 1998, Statistics in Medicine 17, 873, table II: 56/70 and 48/80, method 10."""
    rows = rows_of(150, group=lambda i: "a" if i < 70 else "b")
    evaluation = made(rows, lambda i: float(i < 56 if i < 70 else i < 118))
    one = only(slices(evaluation, rows, outputs=["desk"], by=["group"]).compared, "a")
    assert one.difference_ci == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_p_values_are_adjusted_over_all_slices() -> None:
    rows = rows_of(200, desk=lambda i: f"d{i % 5}", town=lambda i: f"t{i % 7}")
    found = slices(made(rows, lambda i: float(i % 11 > 2)), rows, outputs=["desk"], by=["desk", "town"])
    assert len(found.compared) == 12
    p = [one.p for one in found.compared]
    assert [one.p_holm for one in found.compared] == holm(p).tolist()


def test_of_many_slices_of_noise_none_is_called_weak() -> None:
    draw = np.random.default_rng(5)
    scores, group = draw.random(2000) < 0.8, draw.integers(0, 50, 2000)
    rows = rows_of(2000, group=lambda i: int(group[i]))
    found = slices(made(rows, lambda i: float(scores[i])), rows, outputs=["desk"], by=["group"])
    assert len(found.compared) == 50
    assert min(one.p or 0.0 for one in found.compared) < 0.05
    assert found.significant() == ()


def test_small_slices_are_listed_apart_and_not_compared() -> None:
    rows = rows_of(50, desk=lambda i: "rare" if i < 4 else "bar" if i < 25 else "inn")
    found = slices(made(rows, lambda i: float(i > 2)), rows, outputs=["desk"], by=["desk"])
    assert [one.value for one in found.small] == ["rare"]
    assert found.small[0].p is found.small[0].p_holm is found.small[0].difference is None
    assert found.small[0].ci == wilson(1, 4)
    assert {one.value for one in found.compared} == {"bar", "inn"}
    assert found.min_rows == 10


def test_missing_values_are_a_slice_of_their_own() -> None:
    values = [None, math.nan, "", " ", "x"]
    rows = rows_of(100, town=lambda i: values[i % 5])
    for row in rows[5:50:5]:
        del row["town"]
    found = slices(made(rows, lambda i: float(i % 5 == 4)), rows, outputs=["desk"], by=["town"])
    missing = found.compared[0]
    assert (missing.kind, missing.n, missing.score) == ("missing", 80, 0.0)
    assert only(found.compared, "x").n == 20


def test_the_word_for_missing_is_no_missing_value() -> None:
    cut = by_value(["missing", None, "", "None"], most=10, at_least=1)
    assert cut.values[:2] == ("None", "missing")
    assert cut.kinds == ("value", "value", "missing")


def test_one_is_neither_true_nor_the_text_one() -> None:
    cut = by_value([1, True, "1", 1.0, [1], [1]], most=10, at_least=1)
    assert cut.codes[0] == cut.codes[3]
    assert len(set(cut.codes.tolist())) == 4
    assert cut.codes[4] == cut.codes[5]


def test_of_a_column_with_many_values_the_commonest_stand_alone() -> None:
    rows = rows_of(400, customer=lambda i: "big" if i % 4 == 0 else "huge" if i % 4 == 1 else f"c{i}")
    evaluation = made(rows, lambda i: float(i % 3 > 0))
    found = slices(evaluation, rows, outputs=["desk"], by=["customer"], most=50)
    assert {(one.value, one.kind, one.n) for one in found.compared} == {
        ("big", "value", 100),
        ("huge", "value", 100),
        ("200 others", "others", 200),
    }


def test_an_identifier_is_nothing_to_cut_by() -> None:
    rows = rows_of(400, id=str)
    found = slices(made(rows, lambda i: float(i % 3 > 0)), rows, outputs=["desk"], by=["id"])
    assert found.compared == found.small == ()
    assert "hardly a value occurs twice" in found.notes[0]


def test_a_column_that_says_the_same_of_all_rows_is_named_and_left() -> None:
    rows = rows_of(30)
    found = slices(made(rows, lambda i: 1.0), rows, outputs=["desk"])
    assert [one.by for one in (*found.compared, *found.small)] == []
    assert "all rows are 'bar'" in found.notes[0]
    assert len(found.notes) == 3


def test_lengths_are_cut_into_bins_named_by_their_bounds() -> None:
    rows = rows_of(100, text=lambda i: "x" * (i + 1))
    found = slices(made(rows, lambda i: float(i < 75)), rows, outputs=["desk"], by=["length"])
    assert found.compared[0].value == "76 to 100 characters"
    assert {one.value for one in found.compared} == {
        "1 to 25 characters",
        "26 to 50 characters",
        "51 to 75 characters",
        "76 to 100 characters",
    }


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 6))
def test_every_row_lies_in_the_bin_that_names_its_length(lengths: list[int], bins: int) -> None:
    rows = rows_of(len(lengths), text=lambda i: "x" * lengths[i])
    found = slices(
        made(rows, lambda i: 1.0),
        rows,
        outputs=["desk"],
        by=["length"],
        inputs=["text"],
        min_rows=1,
        bins=bins,
    )
    slices_found = (*found.compared, *found.small)
    assert len(slices_found) <= bins
    if slices_found:
        assert sum(one.n for one in slices_found) == len(lengths)
    for one in slices_found:
        low, _, high, _ = one.value.split()
        assert one.n == sum(int(low) <= length <= int(high) for length in lengths)


def test_only_inputs_count_for_the_length() -> None:
    rows = rows_of(40, text=lambda i: "x", note=lambda i: "y" * i)
    evaluation = made(rows, lambda i: 1.0)
    assert not slices(evaluation, rows, outputs=["desk"], by=["length"], inputs=["text"]).compared
    assert slices(evaluation, rows, outputs=["desk"], by=["length"]).compared


SENTENCES = {
    "en": "Where is the parcel that I ordered two weeks ago?",
    "de": "Wo ist das Paket, das ich vor zwei Wochen bestellt habe?",
    "fr": "Où est le colis que j'ai commandé il y a deux semaines ?",
    "ru": "Где посылка, которую я заказал две недели назад?",
    "zh": "我两周前订购的包裹在哪里？",
    "unclear": "12345 !!",
}


def test_languages_are_told_offline_and_the_same_each_time() -> None:
    pytest.importorskip("py3langid")
    names = list(SENTENCES)
    rows = rows_of(120, text=lambda i: SENTENCES[names[i % 6]])
    evaluation = made(rows, lambda i: float(i % 6 != 1))
    found = slices(evaluation, rows, outputs=["desk"], by=["language"])
    assert {one.value: one.n for one in found.compared} == dict.fromkeys(names, 20)
    assert found.compared[0].value == "de"
    assert slices(evaluation, rows, outputs=["desk"], by=["language"]) == found


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Where?", "Latin"),
        ("Où est-ce ?", "Latin"),
        ("Где посылка", "Cyrillic"),
        ("包裹在哪里", "Han"),
        ("どこですか", "Kana"),
        ("ﾄﾞｺ", "Kana"),
        ("어디", "Hangul"),
        ("أين", "Arabic"),
        ("123", "unclear"),
        ("١٢٣ 🙂", "unclear"),
    ],
)
def test_scripts_are_named_as_unicode_names_them(text: str, script: str) -> None:
    assert script_of(text) == script


def test_without_the_library_the_script_is_cut_by_and_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["shipworthy.scoring.slices"], "tells_languages", lambda: False)
    rows = rows_of(40, text=lambda i: "Где посылка" if i % 2 else "Where?")
    found = slices(made(rows, lambda i: 1.0), rows, outputs=["desk"])
    assert {one.value for one in found.compared if one.by == "script"} == {"Cyrillic", "Latin"}


def test_a_library_that_is_not_there_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from shipworthy.scoring import cuts

    def missing(name: str) -> Any:
        raise ImportError(name)

    cuts._identifier.cache_clear()
    monkeypatch.setattr("importlib.import_module", missing)
    rows = rows_of(20)
    with pytest.raises(MissingExtraError, match="py3langid"):
        slices(made(rows, lambda i: 1.0), rows, outputs=["desk"], by=["language"])


def test_a_column_called_language_is_believed() -> None:
    rows = rows_of(40, language=lambda i: "Klingon" if i % 2 else "Quenya")
    found = slices(made(rows, lambda i: 1.0), rows, outputs=["desk"], by=["language"])
    assert {one.value for one in found.compared} == {"Klingon", "Quenya"}


def test_rows_that_could_not_be_scored_are_in_no_slice() -> None:
    rows = rows_of(40, desk=lambda i: "bar" if i % 2 else "inn")
    found = slices(made(rows, lambda i: None if i < 10 else float(i % 3 > 0)), rows, outputs=["desk"])
    assert {one.value: one.n for one in found.compared if one.by == "desk"} == {"bar": 15, "inn": 15}


def test_graded_scores_are_compared_by_their_means() -> None:
    rows = rows_of(60, desk=lambda i: "bar" if i % 2 else "inn")
    evaluation = made(rows, lambda i: 0.3 + 0.01 * (i % 10) if i % 2 else 0.8)
    worst = slices(evaluation, rows, outputs=["desk"], by=["desk"]).compared[0]
    assert worst.value == "bar"
    assert worst.ci == mean_interval(evaluation.scores[1::2])
    assert worst.difference == pytest.approx(0.35 - 0.8)
    assert worst.difference_ci is not None
    assert worst.difference_ci[1] < 0
    assert worst.p_holm is not None
    assert worst.p_holm < 1e-6


def test_the_permutation_test_agrees_with_drawing_permutations() -> None:
    draw = np.random.default_rng(2)
    scores = np.round(draw.beta(2, 1, 120), 3)
    scores[:30] -= 0.1
    scores = np.clip(scores, 0, 1)
    rows = rows_of(120, group=lambda i: "a" if i < 30 else "b")
    found = slices(made(rows, lambda i: float(scores[i])), rows, outputs=["desk"], by=["group"])
    gap = abs(scores[:30].mean() - scores.mean())
    drawn = [abs(draw.permutation(scores)[:30].mean() - scores.mean()) >= gap for _ in range(4000)]
    assert only(found.compared, "a").p == pytest.approx(np.mean(drawn), abs=0.03)


def test_equal_graded_scores_differ_nowhere() -> None:
    rows = rows_of(40, desk=lambda i: "bar" if i % 2 else "inn")
    found = slices(made(rows, lambda i: 0.5), rows, outputs=["desk"], by=["desk"])
    assert [one.p_holm for one in found.compared] == [1.0, 1.0]


def test_other_rows_than_those_evaluated_are_refused() -> None:
    rows = rows_of(20, desk=lambda i: "bar" if i % 2 else "inn")
    evaluation = made(rows, lambda i: 1.0)
    with pytest.raises(ScoringError, match="20 results are not of 19 rows"):
        slices(evaluation, rows[1:], outputs=["desk"])
    with pytest.raises(ScoringError, match="row 0"):
        slices(evaluation, rows[::-1], outputs=["desk"])


@pytest.mark.parametrize("options", [{"by": ["town"]}, {"inputs": ["town"]}, {"min_rows": 0}, {"bins": 0}])
def test_what_cannot_be_cut_is_refused(options: dict[str, Any]) -> None:
    rows = rows_of(20)
    with pytest.raises(ScoringError):
        slices(made(rows, lambda i: 1.0), rows, outputs=["desk"], **options)


def test_a_partial_evaluation_is_not_cut_unless_asked() -> None:
    rows = rows_of(40, desk=lambda i: "bar" if i % 2 else "inn")
    part = Evaluation(made(rows[:30], lambda i: 1.0).results, complete=False)
    with pytest.raises(ScoringError, match="cancelled"):
        slices(part, rows, outputs=["desk"])
    assert slices(part, rows, outputs=["desk"], by=["desk"], partial=True).compared[0].n == 15


def test_where_nothing_was_scored_there_are_no_slices() -> None:
    rows = rows_of(3)
    with pytest.raises(ScoringError, match="could be scored"):
        slices(made(rows, lambda i: None), rows, outputs=["desk"])


def test_the_frame_holds_every_slice() -> None:
    rows = rows_of(50, desk=lambda i: "rare" if i < 4 else "bar" if i < 25 else "inn")
    found = slices(made(rows, lambda i: float(i > 2)), rows, outputs=["desk"], by=["desk"])
    frame = found.frame()
    assert list(frame.columns) == list(next(found.records()))
    assert frame["value"].tolist() == [one.value for one in (*found.compared, *found.small)]
    assert frame["compared"].tolist() == [True, True, False]
    assert frame["p"].isna().tolist() == [False, False, True]
    empty = slices(made(rows_of(20), lambda i: 1.0), rows_of(20), outputs=["desk"], by=["desk"])
    assert list(empty.frame().columns) == list(frame.columns)


def test_a_notebook_shows_the_slices_escaped() -> None:
    rows = rows_of(50, desk=lambda i: "<b>" if i % 2 else None)
    rows[0]["desk"] = rows[2]["desk"] = "rare"
    shown = slices(made(rows, lambda i: float(i % 3 > 0)), rows, outputs=["desk"])._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown
    assert "no value" in shown
    assert "Fewer than 10 rows" in shown
    assert "characters" in shown
