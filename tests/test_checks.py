"""Checks of labelled rows: each planted fault is found, sound rows are not accused, bad input is refused."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.compiler import Demos, Recipe
from shipworthy.compiler.draft import Context, Draft
from shipworthy.errors import ExamplesError, MissingExtraError, ScoringError
from shipworthy.examples import (
    KINDS,
    Report,
    Table,
    check_rows,
    confident_joint,
    examine_rows,
    find_secrets,
    held_out_probabilities,
    holds_secret,
    redact,
    suspect_labels,
)
from shipworthy.examples.checks import NEAR, QUICK_KINDS, jaccard, tokens_of
from shipworthy.examples.checks import near as near_module
from shipworthy.runtime import Contract, Field
from shipworthy.ship.rows import prepare

Rows = list[dict[str, Any]]
COLUMNS: dict[str, Any] = {"inputs": ["text"], "outputs": ["label"], "decisions": ["label"]}


def rows(*pairs: tuple[Any, Any]) -> Rows:
    return [{"text": text, "label": label} for text, label in pairs]


def examine(train: Rows, test: Rows | None = None, **more: Any) -> Report:
    return examine_rows(train, test or [], **{**COLUMNS, **more})


def kinds(report: Report) -> list[tuple[str, tuple[int, ...]]]:
    return [(finding.kind, finding.rows) for finding in report.findings]


SOUND = rows(
    ("where is my parcel", "parcel"),
    ("has the parcel been sent yet", "parcel"),
    ("I forgot my password", "login"),
    ("the login page shows an error", "login"),
)
TEN = "please tell me when the next train to Leeds leaves"
"""Ten different words: with one left out, the similarity is 9/10; with one exchanged, 9/11."""


# Nearly the same


def test_sound_rows_have_no_faults() -> None:
    report = examine(SOUND)
    assert report.findings == ()
    assert report.counts() == dict.fromkeys(QUICK_KINDS, 0)
    assert report.sizes == {"train": 4, "dev": 0, "test": 0}


@pytest.mark.parametrize(
    ("text", "similarity"),
    [
        (TEN.replace("please ", ""), 0.9),
        (TEN + " today", 10 / 11),
        (TEN.replace("Leeds", "York"), 9 / 11),
        (TEN.replace("Leeds", "Leads"), 9 / 11),
        (" ".join(reversed(TEN.split())), 1.0),
        (TEN.upper() + "?!", 1.0),
    ],
)
def test_an_edited_row_is_nearly_the_same_with_its_exact_similarity(text: str, similarity: float) -> None:
    report = examine([*SOUND, *rows((TEN, "login"), (text, "login"))])
    assert kinds(report) == [("near_duplicate", (4, 5))]
    assert report.findings[0].detail["pairs"] == [[4, 5, pytest.approx(similarity, abs=1e-4)]]


def test_exactly_four_fifths_is_near_and_less_is_not() -> None:
    assert kinds(examine([*SOUND, *rows(("a b c d", "login"), ("a b c d e", "login"))])) == [
        ("near_duplicate", (4, 5))
    ]
    assert kinds(examine([*SOUND, *rows(("a b c", "login"), ("a b c d", "login"))])) == []


def test_near_rows_with_different_labels_or_in_two_splits_say_so() -> None:
    other = TEN.replace("Leeds", "York")
    train = [*SOUND, *rows((TEN, "login"))]
    assert kinds(examine([*train, *rows((other, "parcel"))])) == [("near_contradiction", (4, 5))]
    assert kinds(examine(train, rows((other, "login")))) == [("near_leak", (4, 5))]
    both = examine(train, rows((other, "parcel")))
    assert kinds(both) == [("near_contradiction", (4, 5)), ("near_leak", (4, 5))]
    assert both.findings[1].splits == ("train", "test")


def test_near_rows_form_groups_with_the_pairs_that_link_them() -> None:
    chain = ["a b c d e f g h", "a b c d e f g h i", "b c d e f g h i", "b c d e f g h i j"]
    report = examine([*SOUND, *rows(*((text, "login") for text in chain))])
    assert kinds(report) == [("near_duplicate", (4, 5, 6, 7))]
    assert len(report.findings[0].detail["pairs"]) == 3
    assert report.findings[0].detail["lowest_jaccard"] >= NEAR


def test_words_of_different_columns_are_different_words() -> None:
    columns = {**COLUMNS, "inputs": ["a", "b"]}
    one = {"a": "one two three four five", "b": "six seven eight nine ten"}
    swapped = {"a": one["b"], "b": one["a"]}
    near = {"a": one["a"], "b": one["b"] + " eleven"}
    sound = [{"a": "x", "b": "y", "label": "l"}]
    labelled = [{**row, "label": "l"} for row in (one, swapped, near)]
    assert kinds(examine([*sound, *labelled], **columns)) == [("near_duplicate", (1, 3))]


def test_scripts_without_spaces_are_compared_by_character() -> None:
    train = rows(
        ("請問下一班去台北的火車幾點開", "a"),
        ("請問下一班去台中的火車幾點開", "a"),
        ("天氣如何", "b"),
        ("好", "b"),
    )
    assert kinds(examine(train)) == [("near_duplicate", (0, 1))]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=9).map(" ".join), max_size=30))
def test_every_near_pair_of_short_rows_is_found_and_no_other(texts: list[str]) -> None:
    unique = list(dict.fromkeys(texts))
    report = examine(rows(*((text, "x") for text in unique)), kinds=["near_duplicate"])
    words = [set(text.split()) for text in unique]
    near = {
        index
        for i, one in enumerate(words)
        for j, other in enumerate(words)
        if i != j and jaccard(one, other) >= NEAR
        for index in (i, j)
    }
    assert {index for finding in report.findings for index in finding.rows} == near
    for finding in report.findings:
        for i, j, similarity in finding.detail["pairs"]:
            assert jaccard(words[i], words[j]) == pytest.approx(similarity, abs=1e-4)


def test_at_least_nineteen_of_twenty_pairs_at_four_fifths_are_found_among_many() -> None:
    rng = random.Random(3)
    words = [f"w{n}" for n in range(3000)]
    base = [rng.sample(words, 5) for _ in range(3000)]
    texts = [" ".join(each) for each in base] + [" ".join(each[:4]) for each in base[:500]]
    report = examine(rows(*((text, "x") for text in texts)), kinds=["near_duplicate"])
    found = {finding.rows for finding in report.findings}
    assert sum((i, 3000 + i) in found for i in range(500)) >= 475


def test_thousands_of_rows_from_one_template_take_linear_time_and_are_found_whole() -> None:
    texts = [f"hello, my order {n} has not come yet and I want to know where it is" for n in range(4000)]
    begun = time.process_time()
    report = examine(rows(*((text, "x") for text in texts[:3000])), rows(*((t, "x") for t in texts[3000:])))
    assert time.process_time() - begun < 15
    (leak,) = report.of("near_leak")
    assert set(leak.rows) == set(range(4000))
    (again,) = [f for f in report.of("near_duplicate") if f.splits[0] == "train"]
    assert again.rows == tuple(range(3000))


def test_minhash_agrees_with_jaccard() -> None:
    # Broder 1997: two sets share their least element under a random order with probability equal to
    # their Jaccard similarity; 4,000 orders put 5 standard errors at about 0.03.
    first, second = list("abcdefghij"), list("abcdefghkl")
    sets = near_module.TokenSets.of([first, second])
    agree = 0
    for n in range(4000):
        order = near_module._mix(sets.hashes + np.uint64((n + 1) * 0x9E3779B97F4A7C15 % 2**64))
        agree += order[list(sets.members(0))].min() == order[list(sets.members(1))].min()
    assert agree / 4000 == pytest.approx(8 / 12, abs=0.04)


# The same


def test_dev_rows_are_a_split_of_their_own() -> None:
    train, dev, test = rows(("1", "a"), ("2", "a")), rows(("1", "a")), rows(("3", "a"), ("3", "a"))
    report = examine(train, test, dev=dev)
    assert kinds(report) == [("leak", (0, 2)), ("duplicate", (3, 4))]
    assert report.findings[0].splits == ("train", "dev")


def test_findings_are_sorted_worst_first() -> None:
    train = rows(("1", "a"), ("1", "a"), ("2", "b"), ("3", "b"), ("", "a"), ("3", "c"))
    report = examine(train, rows(("2", "d"), (TEN, "b")))
    order = [KINDS.index(finding.kind) for finding in report.findings]
    assert order == sorted(order)
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


# Classes


def test_classes_without_a_training_row_are_found() -> None:
    report = examine(
        SOUND, rows(("goodbye", "end"), ("hello", "start")), classes={"label": ["login", "other"]}
    )
    assert kinds(report) == [("missing_class", (4,)), ("missing_class", (5,)), ("unused_class", ())]
    assert "label='end' is in test, not in train" in report.findings[0].message
    assert report.findings[2].columns == ("label",)
    assert "label='other'" in report.findings[2].message


def test_one_row_of_a_class_in_train_is_said_wherever_the_others_are() -> None:
    report = examine([*SOUND, *rows(("bye", "end"))], rows(("goodbye", "end")))
    assert kinds(report) == [("single_example", (4,))]


def test_classes_are_declared_for_decisions_only() -> None:
    with pytest.raises(ExamplesError, match="no decision"):
        examine(SOUND, classes={"text": ["a"]})


# Labels


def test_the_confident_joint_of_a_worked_example() -> None:
    # By hand, after Northcutt, Jiang and Chuang 2021, equations 1 to 3: the thresholds are the means
    # (0.9 + 0.8 + 0.2) / 3 = 0.633 and (0.7 + 0.9 + 0.4) / 3 = 0.667. Counts: class 0 has two rows at
    # itself and one at 1; class 1 two at itself, and its third, at 0.6 and 0.4, reaches neither threshold.
    labels = [0, 0, 0, 1, 1, 1]
    first = np.array([0.9, 0.8, 0.2, 0.3, 0.1, 0.6])
    joint = confident_joint(labels, np.column_stack([first, 1 - first]))
    assert joint == pytest.approx(np.array([[2.0, 1.0], [0.0, 3.0]]))


def test_a_flipped_label_is_suspect_with_its_margin() -> None:
    labels = [0] * 6 + [1] * 6
    first = np.array([0.9] * 5 + [0.1] + [0.1] * 6)
    (suspect,) = suspect_labels(labels, np.column_stack([first, 1 - first]))
    assert (suspect.row, suspect.given, suspect.suggested) == (5, 0, 1)
    assert suspect.margin == pytest.approx(-0.8)


def noisy(seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    true = rng.integers(4, size=400)
    labels = np.where(rng.random(400) < 0.1, (true + 1) % 4, true)
    scores = rng.normal(size=(400, 4))
    scores[np.arange(400), true] += 3
    weights = np.exp(scores)
    return true, labels, weights / weights.sum(axis=1, keepdims=True)


def test_most_suspects_are_wrong_and_most_wrong_labels_are_suspect() -> None:
    true, labels, probabilities = noisy(0)
    suspects = {suspect.row for suspect in suspect_labels(labels, probabilities)}
    wrong = set(np.flatnonzero(true != labels).tolist())
    assert len(suspects & wrong) >= 0.8 * max(len(wrong), len(suspects))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_confident_joint_keeps_the_rows_of_each_class(seed: int) -> None:
    _, labels, probabilities = noisy(seed)
    joint = confident_joint(labels, probabilities)
    assert joint.sum(axis=1) == pytest.approx(np.bincount(labels, minlength=4))
    margins = [suspect.margin for suspect in suspect_labels(labels, probabilities)]
    assert margins == sorted(margins)
    assert all(margin < 0 for margin in margins)


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([0, 1], [[0.5, 0.5]]),
        ([0], [0.5, 0.5]),
        ([], []),
        ([2], [[0.5, 0.5]]),
        ([-1], [[0.5, 0.5]]),
        ([0.5], [[0.5, 0.5]]),
        ([0], [[0.5, 0.6]]),
        ([0], [[1.5, -0.5]]),
        ([0], [[float("nan"), 1.0]]),
        (["a"], [[0.5, 0.5]]),
        ([0], [["x", "y"]]),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(labels: Any, probabilities: Any) -> None:
    with pytest.raises(ScoringError) as caught:
        suspect_labels(labels, probabilities)
    assert caught.value.hint


def topics() -> Rows:
    rng = random.Random(0)
    words = {"fruit": "apple pear plum cherry grape", "tools": "hammer saw drill wrench chisel"}
    return [
        {"text": f"{' '.join(rng.sample(words[label].split(), 3))} item{n}", "label": label}
        for n in range(30)
        for label in words
    ]


def test_label_errors_are_found_with_a_model_fitted_in_folds() -> None:
    train = topics()
    train[7]["label"] = "fruit"
    report = examine(train, kinds=["label_error"])
    assert report.findings[0].rows == (7,)
    assert report.findings[0].detail["suggested"] == "tools"
    assert len(report.findings) <= 3


def test_label_errors_are_found_by_given_probabilities() -> None:
    _, labels, probabilities = noisy(1)
    train = rows(*((f"row {n}", f"c{label}") for n, label in enumerate(labels.tolist())))
    found = examine(train, probabilities={"label": probabilities}).of("label_error")
    assert [f.rows[0] for f in found] == [s.row for s in suspect_labels(labels, probabilities)]
    with pytest.raises(ScoringError):
        examine(train[:-1], probabilities={"label": probabilities})
    with pytest.raises(ScoringError, match="not among its classes"):
        examine(train, probabilities={"label": probabilities}, classes={"label": ["c0"]})
    with pytest.raises(ExamplesError, match="no decision"):
        examine(train, probabilities={"text": probabilities})


def test_a_decision_that_no_model_can_be_fitted_to_has_no_suspects() -> None:
    assert examine(SOUND, kinds=["label_error"]).findings == ()


def test_held_out_probabilities_are_distributions_that_no_twin_vouches_for() -> None:
    texts = [row["text"] for row in topics()] + ["odd one"] * 6
    labels = [int(row["label"] == "tools") for row in topics()] + [2] * 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held_out = held_out_probabilities(texts, labels, n_classes=3)
    assert held_out.sum(axis=1) == pytest.approx(np.ones(len(texts)))
    # All rows of class 2 have one text, so they are held out together: nothing was learned of it.
    assert held_out[-6:, 2] == pytest.approx(np.zeros(6))
    assert (held_out[np.arange(60), labels[:60]] > 0.5).mean() > 0.9


def test_label_errors_without_scikit_learn_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
    with pytest.raises(MissingExtraError, match="compile"):
        examine(topics(), kinds=["label_error"])
    assert examine(topics(), kinds=[k for k in QUICK_KINDS if k != "near_duplicate"]).findings == ()


@pytest.mark.parametrize(("labels", "folds"), [([0, 0, 0], 5), ([0, 1], 5), ([0, 1, 0], 1), ([0, 3, 1], 5)])
def test_a_model_that_cannot_be_fitted_in_folds_is_refused(labels: list[int], folds: int) -> None:
    with pytest.raises(ScoringError):
        held_out_probabilities(["a", "b", "c"], labels, n_classes=2, folds=folds)


# Secrets: made at random here, so that none is stored

LOWER = "abcdefghijklmnopqrstuvwxyz"
LETTERS = LOWER + LOWER.upper()
DIGITS = "0123456789"
HEX = DIGITS + "abcdef"
ANY = LETTERS + DIGITS


def chars(alphabet: str, count: int, seed: int = 0) -> str:
    rng = random.Random(f"{alphabet}{count}{seed}")
    text = rng.choices(alphabet, k=count)
    if {*DIGITS} <= {*alphabet} != {*DIGITS}:
        # Short ones may lack a digit or a letter by chance, as no real key of these formats does.
        text[1], text[2], text[3] = rng.choice(DIGITS), alphabet[-11], rng.choice(DIGITS)
    return "".join(text)


def jwt() -> str:
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": chars(ANY, 12)})]
    coded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, chars(ANY + "-_", 43)])


SECRETS: dict[str, tuple[str, str]] = {
    "AWS access key": ("use {}", "AKIA" + chars(LOWER.upper() + "234567", 16)),
    "GitHub token": ("token {} please", "ghp_" + chars(ANY, 36)),
    "GitLab token": ("({})", "glpat-" + chars(ANY, 20)),
    "Slack token": ("{}", "xoxb-" + chars(DIGITS, 11) + "-" + chars(ANY, 24)),
    "Slack webhook": (
        "post to {}",
        f"https://hooks.slack.com/services/T{chars(ANY, 8)}/B{chars(ANY, 8)}/{chars(ANY, 24)}",
    ),
    "Anthropic key": ("key={}", "sk-ant-api03-" + chars(ANY + "-_", 90)),
    "LM provider key": ("my key {} fails", "sk-proj-" + chars(ANY, 48)),
    "Hugging Face token": ("{}", "hf_" + chars(LETTERS, 34)),
    "Google API key": ("{},", "AIza" + chars(ANY + "-_", 35)),
    "Stripe key": ("{}", "sk_live_" + chars(ANY, 24)),
    "SendGrid key": ("{}", f"SG.{chars(ANY, 22)}.{chars(ANY, 43)}"),
    "npm token": ("{}", "npm_" + chars(ANY, 36)),
    "PyPI token": ("{}", "pypi-AgEIcHlwaS5vcmc" + chars(ANY, 100)),
    "Databricks token": ("{}", "dapi" + chars(HEX, 32)),
    "Telegram bot token": ("{}", "123456789:AA" + chars(ANY, 33)),
    "JSON web token": ("cookie {}", jwt()),
    "private key": ("{}", "-----BEGIN RSA PRIVATE KEY-----\n" + chars(ANY, 64)),
    "password in a URL": ("connect to postgres://bob:{}@db.example.com/shop", "hunter" + chars(ANY, 6)),
    "Azure storage key": ("AccountName=x;AccountKey={}", chars(ANY + "+/", 86) + "=="),
    "bearer token": ("Authorization: Bearer {}", chars(ANY, 40)),
    "assigned secret": ("api_key = {}", chars(ANY, 20)),
    "password in prose": ("my password is {} and it fails", chars(ANY, 10)),
    "random token": ("what is {} for", chars(ANY, 40)),
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_found_and_never_shown(what: str) -> None:
    frame, secret = SECRETS[what]
    text = frame.format(secret)
    assert [found.what for found in find_secrets(text)] == [what]
    report = examine([*SOUND, *rows((text, "login"))])
    (finding,) = report.findings
    assert (finding.kind, finding.rows, finding.columns) == ("secret", (4,), ("text",))
    shown = json.dumps(report.as_json()) + report._repr_html_() + " ".join(report.lines(str)) + repr(finding)
    hidden = secret.removeprefix("-----BEGIN RSA PRIVATE KEY-----")
    for start in range(len(hidden) - 4):
        assert hidden[start : start + 5] not in shown
    assert len(finding.detail["hint"].rstrip("…")) <= 4


@pytest.mark.parametrize(
    "text",
    [
        "I forgot my password, please reset it",
        "my password is incorrect",
        "password: please help me",
        "the secret: Victoria's",
        "basic internationalization",
        "https://user:${PASSWORD}@example.com",
        "https://user:<password>@example.com",
        "api_key = YOUR_API_KEY",
        "api_key: xxxxxxxxxxxxxxxx1",
        "order 123e4567-e89b-12d3-a456-426614174000",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "IBAN GB82 WEST 1234 5698 7654 32, card 4111 1111 1111 1111",
        "https://example.com/articles/Abc123Def456Ghi789Jkl012Mno345Pqr678",
        "Donaudampfschifffahrtsgesellschaftskapitän",
        "task-force risk-adjusted sk-learn-something-or-other-long",
        "at 10:30 the token was 7 minutes old",
        "user_secret_id: 1234567a",
    ],
)
def test_harmless_text_holds_no_secret(text: str) -> None:
    assert find_secrets(text) == ()


def test_secrets_are_found_in_any_column_and_inside_lists() -> None:
    key = SECRETS["AWS access key"][1]
    row = {"text": "hello", "label": "login", "meta": [{"note": ["see", {"x": key}]}], "n": 3, "none": None}
    (finding,) = examine([*SOUND, row]).findings
    assert (finding.kind, finding.columns) == ("secret", ("meta",))
    assert holds_secret(row)
    assert not holds_secret(SOUND[0])
    assert holds_secret({"config": {"password": chars(ANY, 12)}})


def test_a_secret_that_is_a_label_is_not_shown_by_any_kind() -> None:
    key = SECRETS["GitHub token"][1]
    report = examine(
        [*SOUND, *rows(("x", key))], rows(("y", key + "a")), classes={"label": [key + "b", "login"]}
    )
    assert {"secret", "single_example", "missing_class", "unused_class"} <= {f.kind for f in report.findings}
    assert key[4:] not in json.dumps(report.as_json()) + repr(report)


def test_redacting_keeps_the_rest() -> None:
    _, key = SECRETS["GitHub token"]
    assert redact(f"use {key}, and {key} again") == "use …, and … again"
    assert redact("nothing here") == "nothing here"


@pytest.mark.parametrize(
    "piece",
    ["a", "A1", "password", "eyJa", "://a:", "sk-", "token ", "api_key=", "-----BEGIN ", "secret_", "=:"],
)
def test_hostile_texts_are_searched_quickly(piece: str) -> None:
    begun = time.process_time()
    find_secrets(piece * (100_000 // len(piece)))
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("labels", [["parcel", "login"], None])
def test_rows_with_secrets_are_no_demos(labels: list[str] | None) -> None:
    kind = {"type": "string", "enum": labels} if labels else {"type": "string"}
    contract = Contract((Field("text", {"type": "string"}),), (Field("label", kind),))
    key = f"where is my parcel {SECRETS['GitHub token'][1]}"
    train = rows(
        *((f"{key} {n}", "parcel") for n in range(30)),
        *((f"where is my parcel {n}", "parcel") for n in range(3)),
    )
    train += rows(*((f"I cannot log in {n}", "login") for n in range(3)))
    draft = Draft("desk", contract, "", train, [], module=cast(Any, None))
    lm, nothing = cast(Any, SimpleNamespace(context=2048)), cast(Any, None)
    context = Context(lm=lm, seed=0, meter=nothing, recipe=Recipe(), progress=nothing)
    Demos().apply(draft, context)
    assert len(draft.demos) == (2 if labels else 3)
    assert not any(holds_secret(demo.inputs) for demo in draft.demos)
    assert "rows with what looks like a secret in them are never demos (30 of them)" in draft.notes


# Bad input


@pytest.mark.parametrize(
    ("train", "where"),
    [
        (["text"], "train[0]"),
        ([None], "train[0]"),
        ([("text", "label")], "train[0]"),
        ("text", "train"),
        ({"text": "a"}, "train"),
        (7, "train"),
        ([{"text": "\ud800", "label": "a"}], "train[0], column 'text'"),
        ([{"text": "a", "label": "\udfff"}], "train[0], column 'label'"),
        ([{"text": float("nan"), "label": "a"}], "train[0], column 'text'"),
        ([{"text": b"bytes", "label": "a"}], "train[0], column 'text'"),
        ([{"text": "a", "label": "a"}, {"text": {1, 2}, "label": "a"}], "train[1], column 'text'"),
    ],
)
def test_rows_that_cannot_be_read_are_refused_with_their_place(train: Any, where: str) -> None:
    with pytest.raises(ExamplesError) as caught:
        examine(train)
    assert caught.value.where == where
    assert caught.value.hint


def test_columns_that_no_row_has_are_refused() -> None:
    with pytest.raises(ExamplesError, match="no row has a column 'txt'") as caught:
        examine(SOUND, inputs=["txt"])
    assert "label, text" in caught.value.hint
    with pytest.raises(ExamplesError, match="no input columns"):
        examine(SOUND, inputs=[])
    with pytest.raises(ExamplesError, match="inputs is one text"):
        examine(SOUND, inputs="text")
    with pytest.raises(ExamplesError, match="no such kind"):
        examine(SOUND, kinds=["nonsense"])


def test_empty_splits_are_answered() -> None:
    assert examine([], []).findings == ()
    assert examine([], SOUND).findings == ()
    assert check_rows([], [], **COLUMNS) == []
    assert examine([], classes={"label": ["a"]}).findings == ()


def test_a_missing_value_is_the_same_as_none_and_empty_rows_are_said() -> None:
    report = examine([*SOUND, {"label": "login"}, {"text": None, "label": "login"}, *rows(("  ", "login"))])
    assert kinds(report) == [
        ("duplicate", (4, 5)),
        ("empty_input", (4,)),
        ("empty_input", (5,)),
        ("empty_input", (6,)),
    ]


def test_values_that_are_no_text_are_compared_too() -> None:
    values: list[Any] = [1, True, "1", 1.5, ["a", "b", "c", "d", "e"], ["e", "d", "c", "b", "a"], {"k": [1]}]
    report = examine(rows(*((value, "x") for value in values), ("y", "x")))
    assert kinds(report) == [("near_duplicate", (0, 2)), ("near_duplicate", (4, 5))]


def test_huge_texts_are_answered_quickly() -> None:
    rng = random.Random(0)
    text = " ".join(chars(LOWER, 6, rng.randrange(10**6)) for _ in range(14_000))
    begun = time.process_time()
    report = examine([*SOUND, *rows((text, "login"), (text + " end", "login"), ("x" * 100_000, "parcel"))])
    assert time.process_time() - begun < 10
    assert kinds(report) == [("near_duplicate", (4, 5))]


def test_generators_are_rows_too() -> None:
    report = examine_rows((row for row in SOUND), iter(SOUND[:1]), **COLUMNS)
    assert kinds(report) == [("leak", (0, 4))]


# The report


def test_the_report_is_json_and_escaped_html() -> None:
    report = examine([*SOUND, *rows(("x", "<script>"))], SOUND[:1])
    data = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert data["rows"] == {"train": 5, "dev": 0, "test": 1}
    assert data["counts"]["leak"] == 1
    assert data["findings"][0]["splits"] == ["train", "test"]
    page = report._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "No faults" in examine(SOUND)._repr_html_()


def test_lines_group_and_count() -> None:
    again = [row for row in SOUND for _ in range(2)]
    many = rows(*((f"no {n}", "parcel") for n in range(10) for _ in range(2)))
    lines = examine([*again, *many]).lines(lambda index: f"f:{index}")
    assert len(lines) == 1
    assert "(14 groups, 28 rows): f:0 and f:1; f:2 and f:3; f:4 and f:5; and 11 more" in lines[0]


def test_the_same_rows_give_the_same_findings_in_every_process(tmp_path: Path) -> None:
    rng = random.Random(5)
    words = [f"w{n}" for n in range(40)]
    data = rows(*((" ".join(rng.sample(words, 8)), rng.choice("ab")) for _ in range(300)))
    data += [{**row, "text": f"{row['text']} more"} for row in data[:80]] + data[:20]
    data += rows((f"key {SECRETS['GitHub token'][1]}", "a"))
    (tmp_path / "rows.json").write_text(json.dumps(data))
    code = (
        "import json, sys; from shipworthy.examples import KINDS, examine_rows as e; "
        "d = json.load(open(sys.argv[1])); c = dict(inputs=['text'], outputs=['label']); "
        "print(json.dumps(e(d[:300], d[300:], **c, decisions=['label'], kinds=KINDS).as_json()))"
    )
    outs = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "rows.json")],
            env={"PYTHONHASHSEED": seed, "PATH": "", "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outs[0] == outs[1]
    assert json.loads(outs[0])["counts"]["near_leak"] > 0


def test_tokens_are_documented_words() -> None:
    assert tokens_of({"text": "What's UP, Straße ﬁn?"}, ["text"]) == [
        "0\0what's",
        "0\0up",
        "0\0strasse",
        "0\0fin",
    ]
    assert tokens_of({"text": None}, ["text", "other"]) == []


# Where a user sees them


def prepared(train: Rows, test: Rows | None = None, **more: Any) -> tuple[Any, list[str]]:
    contract = Contract(
        (Field("text", {"type": "string"}),),
        (Field("label", {"type": "string", "enum": ["login", "parcel"]}),),
    )

    def table(name: str, found: Rows) -> Table:
        return Table(("text", "label"), tuple(found), tuple(range(2, len(found) + 2)), name)

    given = None if test is None else table("test.csv", test)
    options = {"seed": 0, "drop_contradictions": False, **more}
    return prepare(contract, table("rows.csv", train), given, **options)


def test_new_kinds_are_said_once_each_with_file_and_line() -> None:
    near = rows((TEN.replace("Leeds", "York"), "login"), ("hello there", "parcel"))
    key = SECRETS["GitHub token"][1]
    train = [*SOUND, *rows((TEN, "login"), (f"key {key}", "login"))]
    splits, notes = prepared(train, near)
    assert len(splits.train) == 6
    assert [note for note in notes if "near" in note] == [
        "warning: nearly the same inputs in two splits, which makes scores too good (1 group, 2 rows): "
        "rows.csv:6 and test.csv:2"
    ]
    (said,) = [note for note in notes if "secret" in note]
    assert "rows.csv:7, column 'text' (GitHub token)" in said
    assert "sent to the LM and kept in artifacts" in said
    assert key not in " ".join(notes)


def test_near_leaks_that_the_split_itself_makes_are_said() -> None:
    pairs = [(f"{TEN} number {n} {'today' if n % 2 else 'tonight'}", "login") for n in range(40)]
    splits, notes = prepared([*SOUND, *rows(*pairs)])
    assert splits.test
    assert any("in two splits" in note and "rows.csv:" in note for note in notes)


def test_hundreds_of_faults_take_a_line_a_kind() -> None:
    train = rows(*((f"t{n} u{n} v{n}", "login" if n % 3 else "parcel") for n in range(300) for _ in range(2)))
    train += rows(*((f"t{n} u{n} v{n}", "parcel") for n in range(1, 90, 3)))
    splits, notes = prepared(train, train[:120], drop_contradictions=True)
    assert [note.split(" (")[0].split(":")[0] for note in notes] == [
        "left out, same text with different labels",
        "kept once, the same row stands again",
        "left train, since it is a test row too",
    ]
    assert all(len(note) < 500 for note in notes)
    inputs = {row["text"] for row in splits.train}
    assert not inputs & {row["text"] for row in splits.test}
