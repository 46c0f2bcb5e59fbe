"""A perturbation keeps what a label hangs on, and is the same wherever it is drawn."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.examples import PERTURBATIONS, Perturbation, clashes, harmless_text
from shipworthy.examples import phrases as authored

BY_NAME = {one.name: one for one in PERTURBATIONS}
TICKET = (
    "Hello, I don't have the parcel WR-30488 yet. Please write to ann.lee@example.org, or see "
    'https://example.org/track?id=7 for "Bramble Twenty"; could you call 0171 555?'
)
STANDS = [
    "WR-30488",
    "ann.lee@example.org",
    "https://example.org/track?id=7",
    '"Bramble Twenty"',
    "0171",
    "555",
]

every = pytest.mark.parametrize("rule", PERTURBATIONS, ids=lambda rule: rule.name)
words = st.text(st.characters(codec="utf-8"), max_size=200)


@every
@settings(max_examples=20)
@given(text=words, seed=st.integers(0, 3))
def test_the_same_text_row_and_seed_give_the_same_variant(rule: Perturbation, text: str, seed: int) -> None:
    assert rule.apply(text, row="a", seed=seed) == rule.apply(text, row="a", seed=seed)


@pytest.mark.parametrize("name", ["typos", "white_space", "context_before", "context_after", "padding"])
def test_another_row_or_seed_gives_other_draws(name: str) -> None:
    variants = {BY_NAME[name].apply(TICKET, row=row, seed=seed) for row in "abcde" for seed in range(3)}
    assert len(variants) > 4


@every
@settings(max_examples=20)
@given(text=st.text(" \t\n\u00a0", max_size=5))
def test_nothing_is_changed_where_there_is_nothing(rule: Perturbation, text: str) -> None:
    assert rule.apply(text, row="a") is None


@every
def test_a_change_is_a_change(rule: Perturbation) -> None:
    changed = rule.apply(TICKET, row="a")
    assert changed is not None
    assert changed != TICKET


@pytest.mark.parametrize("row", list("abcdefgh"))
@every
def test_numbers_addresses_codes_and_quoted_names_survive(rule: Perturbation, row: str) -> None:
    changed = rule.apply(TICKET, row=row) or ""
    assert all(passage in changed for passage in STANDS)


@given(
    text=st.lists(
        st.one_of(
            st.from_regex(r"[a-z]{1,12}[.,!?]?", fullmatch=True),
            st.from_regex(r"[A-Z]{2,4}-[0-9]{2,6}", fullmatch=True),
            st.from_regex(r"[a-z]{2,8}@[a-z]{2,8}\.org", fullmatch=True),
            st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,2})?", fullmatch=True),
        ),
        max_size=30,
    ).map(" ".join),
    row=st.text(max_size=3),
)
def test_typos_leave_digits_addresses_and_codes(text: str, row: str) -> None:
    changed = BY_NAME["typos"].apply(text, row=row)
    kept = re.compile(r"\S*[\d@]\S*")
    assert changed is None or kept.findall(changed) == kept.findall(text)


@given(text=st.lists(st.from_regex(r"[a-z]{4,12}", fullmatch=True), min_size=1, max_size=60).map(" ".join))
def test_typos_hit_the_stated_share_of_words(text: str) -> None:
    changed = BY_NAME["typos"].apply(text, row="a") or ""
    hit = sum(one != other for one, other in zip(text.split(), changed.split(), strict=True))
    assert hit == max(1, round(0.15 * len(text.split())))


@every
@settings(max_examples=20)
@given(data=st.data())
def test_a_value_to_be_copied_stands_in_the_result_or_the_row_does_not_count(
    rule: Perturbation, data: st.DataObject
) -> None:
    text = data.draw(st.text("abcDEF .,!?'\n", min_size=1, max_size=80))
    start = data.draw(st.integers(0, len(text) - 1))
    value = text[start : start + data.draw(st.integers(1, 20))]
    changed = rule.apply(text, row="a", keep=[value])
    assert changed is None or value in changed


@pytest.mark.parametrize(
    "label", ["small talk", "greeting", "weather", "thanks", "message", "phone", "garden"]
)
@every
def test_no_word_of_a_label_is_written_into_a_text(rule: Perturbation, label: str) -> None:
    for row in "abcdef":
        text = "the bell rings twice, could you please come and listen? I don't."
        changed = rule.apply(text, row=row, avoid=[label]) or ""
        assert not clashes(changed.casefold().replace(text.casefold(), ""), [label]) or clashes(text, [label])


def test_where_every_phrase_holds_a_label_nothing_is_added() -> None:
    labels = list(authored.CHIT_CHAT)
    assert BY_NAME["padding"].apply(TICKET, row="a", avoid=labels) is None
    assert harmless_text(400, row="a", avoid=labels) == ""


@given(characters=st.integers(0, 3000), row=st.text(max_size=3))
def test_harmless_text_has_the_length_that_was_asked_for(characters: int, row: str) -> None:
    text = harmless_text(characters, row=row)
    assert characters - 20 <= len(text) <= characters


def test_inflected_label_words_clash_and_small_words_do_not() -> None:
    assert clashes("please return it", ["Returns"])
    assert clashes("one of the others", ["other"])
    assert clashes("my bill", ["bill"])
    assert not clashes("the door is open", ["not_spam", "on the way"])
    assert not clashes("he", ["hello", "he or she"])


def test_phrases_hold_no_digit_address_or_url() -> None:
    tables = (authored.GREETINGS, authored.FORWARDED, authored.SIGNATURES, authored.DISCLAIMERS)
    for phrase in (*sum(tables, ()), *authored.CHIT_CHAT, *authored.QUOTE_INTRODUCTIONS):
        assert not re.search(r"[\d@]|://", phrase)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know", "I do not know"),
        ("Don’t you know", None),
        ("they are late", "they're late"),
        ("I know what they are.", None),
        ("Could you come", "Would you be able to come"),
        ("come, please", None),
        ("because of rain", "owing to rain"),
        ("ich kann nicht", None),
    ],
)
def test_wording_changes_by_rule_and_keeps_grammar(text: str, expected: str | None) -> None:
    assert BY_NAME["reworded"].apply(text, row="a") == expected


def test_names_are_distinct_and_every_sentence_is_one() -> None:
    assert len(BY_NAME) == len(PERTURBATIONS)
    assert all(one.sentence and "\n" not in one.sentence for one in PERTURBATIONS)
