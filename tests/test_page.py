"""The certificate's page: what it says, what it hides, and that no text in it becomes markup."""

from __future__ import annotations

import copy
import itertools
import re
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest

from shipworthy.evidence import words as in_words
from shipworthy.evidence.page import render
from shipworthy.evidence.words import CUT, mask, points, shown

NASTY = "<script>alert('x')</script> \"quoted\" & מה קורה \u202eevil 🙈 </title><!-- {{ 7*7 }} \ud800"
FULL = (
    "triage | Pass | Better than the prototype: +9.2 points | TF-IDF + logistic regression | "
    "Always the commonest label | The prompt, constrained to its labels | Plain DSPy few-shot | "
    "Embeddings + logistic regression | 91.2 % | < 1 / 1,803 | 1,234 | 0.00042 | (−0.4 to +6.0) | "
    "openai/gpt-4o-mini; the compiled program calls local/qwen | "
    "If the prototype was written for another LM, no claim is made about it there | "
    "97.5 %. An interval | Number 1. | 0.0031 | answers 93.1 % of rows by itself | "
    "95.1 % or better of answered rows, at the 95 % level, for rows like these | "
    "12,345 more test rows are needed | 1,240 rows91.2 %89.0 % | no cut answers so few | "
    "The compiled program30080.0 %75.1 to 84.1 % The prototype506.0 %2.1 to 16.2 % | "
    "queue 95.3 % | confidence 93.4 % | "
    "the prototype was right | the prototype was wrong too | not run on this row | "
    "Error of the compiled program no answer | the first 400 characters | 3 of 109 rows | "
    '106 more failures are not shown | Seed0 | ["readout", "student"] | Made bynot recorded | '
    "shipworthy certify triage --seed 0 | 2 March 2026, 10:04 UTC"
)
MASKED = """\
mail anna.k+x@mail.example.co.uk, please -> mail [e-mail], please
mail ünal@exämple.de. -> mail [e-mail].
cut off at anna@exam -> cut off at [e-mail]
card 4111 1111 1111 1111! -> card [card number]!
card 4111-1111-1111-1111 -> card [card number]
378282246310005 -> [card number]
pay DE89 3704 0044 0532 0130 00, thanks -> pay [IBAN], thanks
gb29nwbk60161331926819 -> [IBAN]
call +49 (0)30 / 123 45 67 now -> call [phone] now
call +1 415-555-2671. -> call [phone].
(415) 555-2671 or 555-1234 -> [phone] or [phone]
0171 1234567, 030/1234567, 01.23.45.67.89 -> [phone], [phone], [phone]
4155552671 or 98765 43210 -> [phone] or [phone]
٠١٧١١٢٣٤٥٦٧ -> [phone]
{"tel": "+442079460000"} -> {"tel": "[phone]"}"""
LEFT_ALONE = (
    "on 2024-01-15 at 10:30:59 | on 01.02.2024 10:30, or 1/2/2024. | 2024-01-15T10:30:59.123456 | "
    "costs 1,234,567.00 or 0.123456789 | order 12345, invoice 2024-77 | in20 days from then | "
    "10.0.0.1 and 192.168.100.200 | @handle and 5 @ 3 | +5.3 points, 95 % | 0.9123 0.8123 0.7123"
)
VOID = {"meta", "br", "hr", "img", "input", "link"}


def summary(score: float, n: int, **more: Any) -> dict[str, Any]:
    known = {"ms_p50": 41.6, "ms_p95": 1803.2, "tokens_per_call": 1234.4, "usd_per_call": 0.0}
    return {"score": score, "ci": [score - 0.06, min(1.0, score + 0.04)], "n": n, **known, **more}


def paired(mean: float, low: float, high: float, n: int = 240) -> dict[str, Any]:
    return {"mean": mean, "ci": [low, high], "ci_level": 0.975, "p": 0.00312, "n": n, "wins": 31, "losses": 9}


def said(value: str, *, right: bool = False, raw: str | None = None) -> dict[str, Any]:
    return {"outputs": {"queue": value}, "right": right, "confidence": 0.934, "error": None, "raw": raw}


def failure(digest: str, ticket: str, label: str, **said: Any) -> dict[str, Any]:
    inputs = {"ticket": ticket, "channel": "chat"}
    return {"digest": digest * 8, "inputs": inputs, "labels": {"queue": label}, "said": said}


def full() -> dict[str, Any]:
    long = (
        "I was charged twice, write to anna.k@example.com or call +49 171 1234567. " + "No answer yet. " * 60
    )
    better = said("billing", right=True, raw="Billing. I would write to anna.k@example.com.")
    worse = said("other", raw="Queue: other " * 40)
    broken = said("") | {"outputs": None, "error": {"message": "no answer"}}
    return {
        "name": "triage",
        "digest": "sha256:" + "ab12" * 16,
        "verdict": "pass",
        "reasons": [
            "better than the prototype: +9.2 points (97.5 % interval +3.1 to +15.0) on 240 test rows",
            "no simple baseline is significantly better",
        ],
        "compiled": summary(0.912, 1240, ms_p50=0.4),
        "prototype": summary(0.82, 240, usd_per_call=0.00042, lm="openai/gpt-4o-mini", recorded=False),
        "baselines": {
            "majority": summary(0.31, 1240, tokens_per_call=0.0),
            "tfidf_lr": summary(0.871, 1240, tokens_per_call=0.0),
            "constrained": summary(0.85, 1240, usd_per_call=None),
            "dspy_few_shot": summary(0.88, 1240),
            "embedding_lr": None,
            "crf": None,
        },
        "difference": paired(0.092, 0.031, 0.15),
        "against": {
            "majority": paired(0.6, 0.55, 0.65, 1240),
            "tfidf_lr": paired(0.041, 0.012, 0.07, 1240),
            "constrained": paired(0.062, 0.03, 0.09, 1240),
            "dspy_few_shot": paired(0.032, -0.004, 0.06, 1240),
        },
        "selective": {
            "coverage": 0.931,
            "accuracy": 0.964,
            "guaranteed": 0.95199,
            "level": 0.95,
            "n": 1154,
            "target": 0.96,
            "more_rows": 12345,
            "curve": [[k / 40, 1 - 0.088 * (k / 40) ** 3] for k in range(1, 41)],
            "promises": [
                {"asked": 1.0, "coverage": 1.0, "accuracy": 0.912, "guaranteed": 0.8907, "n": 1240},
                {"asked": 0.5, "coverage": 0.0, "accuracy": None, "guaranteed": None, "n": 0},
            ],
        },
        "out_of_scope": {
            "compiled": {"n": 300, "handed_over": 240, "errors": 0, "share": 0.8, "ci": [0.751, 0.841]},
            "prototype": {"n": 50, "handed_over": 3, "errors": 1, "share": 0.06, "ci": [0.021, 0.162]},
        },
        "look": 1,
        "metric": {"name": "exact", "version": 1},
        "quick": False,
        "lm": "local/qwen",
        "by_output": {"queue": 0.953, "urgent": 0.94},
        "errors": 2,
        "rows": {"train": 800, "test": 1240, "free": 1240},
        "made": "2026-03-02T10:04:05+00:00",
        "facts": {
            "LM": "local/qwen, sha256 77aa",
            "train rows sha256": "0f" * 32,
            "seed": 0,
            "recipe passes": ["readout", "student"],
            "made by": None,
            "command": "shipworthy certify triage --seed 0",
        },
        "worst": [
            failure("c0ffee", long, "billing", compiled=said("shipping"), prototype=better),
            failure("beef", "מה קורה עם החבילה שלי? 📦", "shipping", compiled=broken, prototype=worse),
            failure("dead", "Where?", "shipping", compiled=said("other")),
        ],
    }


def quick() -> dict[str, Any]:
    data = full()
    data.update(quick=True, verdict="inconclusive", rows={"train": 800, "test": 1240, "free": 50})
    unknown = dict.fromkeys(("ms_p50", "ms_p95", "tokens_per_call", "usd_per_call"))
    data["prototype"] = summary(0.9, 50, **unknown, lm="gpt-4 in 2024", recorded=True)
    data["baselines"]["dspy_few_shot"] = None
    del data["against"]["dspy_few_shot"]
    data["selective"].update(accuracy=None, guaranteed=None, more_rows=None, coverage=0.0, n=0)
    return data


def nothing() -> dict[str, Any]:
    data = full()
    none = dict.fromkeys(("compiled", "prototype", "selective", "metric", "lm"))
    data.update(none, verdict="inconclusive", reasons=["there are no test rows"], quick=True, against={})
    data.update(by_output={}, facts={}, worst=[], rows={"train": 0, "test": 0, "free": 0})
    data["baselines"] = dict.fromkeys(data["baselines"])
    data["difference"] = {"mean": None, "ci": None, "ci_level": 0.975, "p": None, "n": 0}
    return data


def spoil(value: Any) -> Any:
    """The same with something nasty behind every text."""
    if isinstance(value, dict):
        return {key: spoil(item) for key, item in value.items()}
    if isinstance(value, str):
        return value + NASTY
    return [spoil(item) for item in value] if isinstance(value, list) else value


def nasty() -> dict[str, Any]:
    data: dict[str, Any] = spoil(full())
    data["facts"][NASTY] = NASTY
    data["baselines"][NASTY] = summary(0.5, 10)
    data["by_output"][NASTY] = 0.5
    for row in data["worst"]:
        row["inputs"][NASTY] = {NASTY: [NASTY]}
        row["labels"][NASTY] = NASTY
    return data


class Reader(HTMLParser):
    """Collects the page's text, tags and headings; complains of tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).replace("\u00a0", " ")


def read(data: dict[str, Any]) -> Reader:
    return Reader(render(data))


def assert_sound(page: str) -> None:
    """Well-formed, self-contained, and as accessible as can be told from the source."""
    page.encode("utf-8")
    reader = Reader(page)
    tags = [tag for tag, _ in reader.tags]
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(tags)
    assert not re.search(r"https?://|@import|url\(", page)
    names = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in reader.tags:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
        assert "href" not in attributes or (attributes["href"] or "").removeprefix("#") in names
    assert reader.tags[0] == ("html", {"lang": "en"})
    assert [tags.count(tag) for tag in ("h1", "header", "main", "footer")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - level <= 1 for level, after in itertools.pairwise(levels))
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")
    for tag, attributes in reader.tags:
        if tag == "svg" and attributes.get("role") == "img":
            assert set((attributes["aria-labelledby"] or "").split()) <= set(names)
    assert "None" not in reader.text
    assert not re.search(r"\b(nan|inf|Undefined)\b", reader.text)


def assert_within(reader: Reader) -> None:
    """What is placed in per cent lies within its plot."""
    for _, attributes in reader.tags:
        for name in ("x", "x1", "x2", "y1", "y2", "cx", "cy", "width"):
            value = attributes.get(name) or ""
            if value.endswith("%"):
                assert 0 <= float(value[:-1]) <= 100


@pytest.mark.parametrize("make", [full, quick, nothing, nasty])
def test_page_is_well_formed_self_contained_and_accessible(make: Any) -> None:
    data = make()
    page = render(copy.deepcopy(data))
    assert page == render(data) == render(data)
    assert_sound(page)


def test_the_full_page_says_everything() -> None:
    text = read(full()).text
    for words in FULL.split(" | "):
        assert words in text, words


def test_the_quick_page_says_what_is_missing_and_claims_nothing_of_another_lm() -> None:
    text = read(quick()).text
    for words in (
        "Plain DSPy few-shot not measured in the quick certificate",
        "Embeddings + logistic regression not measured in the quick certificate",
        "recorded beforehand",
        "gpt-4 in 2024. The time, the tokens and the price of a recorded answer are not known.",
        "No claim is made about the prototype on any other LM | 50 of 1,240 test rows",
        "It answered no test row | No number of test rows can guarantee it",
    ):
        assert all(part in text for part in words.split(" | ")), words


def test_nothing_measured_is_said_plainly() -> None:
    reader = read(nothing())
    assert not any(tag == "svg" for tag, _ in reader.tags)
    assert "Inconclusive" in reader.text
    assert reader.text.count("not measured, as there are no test rows") == 16
    assert "This page makes no claim about one" in reader.text
    assert "How to reproduce" not in reader.text


def test_a_missing_opponent_is_named_as_the_reason() -> None:
    data = full()
    data["prototype"] = data["baselines"]["constrained"] = data["baselines"]["majority"] = None
    data["difference"] = nothing()["difference"]
    data["rows"]["train"] = 0
    data["selective"]["more_rows"] = None
    text = read(data).text
    assert "not measured, as there is no prompt to run" in text
    assert "not measured, as there are no rows to learn from" in text
    assert "no difference decides" in text
    assert "More test rows alone would not guarantee it" in text


@pytest.mark.parametrize(
    ("verdict", "word"), [("pass", "Pass"), ("fail", "Fail"), ("inconclusive", "Inconclusive")]
)
def test_the_verdict_is_a_word_and_not_only_a_colour(verdict: str, word: str) -> None:
    data = full() | {
        "verdict": verdict,
        "reasons": ["the simple baseline tfidf_lr is significantly better: x"],
    }
    reader = read(data)
    assert f" {word} " in reader.text
    assert "The simple baseline “TF-IDF + logistic regression” is significantly better: x." in reader.text
    assert any(f"verdict {verdict}" == attributes.get("class") for _, attributes in reader.tags)


def test_untrusted_text_is_shown_as_it_is() -> None:
    page = render(nasty())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in re.findall(r"<h1>.*</h1>", page)[0]
    assert "<script>alert('x')</script>" in Reader(page).text


def test_long_texts_are_cut_visibly() -> None:
    assert shown("x" * CUT) == {"text": "x" * CUT, "cut": 0}
    assert shown("x" * (CUT + 1500)) == {"text": "x" * CUT, "cut": 1500}
    assert "cut: 356 more characters" in read(full()).text


def test_the_page_masks_rows() -> None:
    text = read(full()).text
    assert not re.search("anna.k|1234567", text)
    assert "write to [e-mail] or call [phone]." in text
    assert "I would write to [e-mail]" in text


@pytest.mark.parametrize("line", MASKED.splitlines())
def test_personal_data_is_masked(line: str) -> None:
    text, masked = line.split(" -> ")
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["", *LEFT_ALONE.split(" | ")])
def test_other_text_is_left_alone(text: str) -> None:
    assert mask(text) == text


def test_masking_takes_linear_time() -> None:
    for piece in ("a", "1", "1 ", "0-", "(", "a.", "@", "ab12", "+1.", "'"):
        mask(piece * 100_000)


def test_numbers_are_formatted_for_people() -> None:
    assert in_words.percent(0.8531) == "85.3\u00a0%"
    assert in_words.percent(None) == "not known"
    assert in_words.interval([0.8521, 1.0]) == "85.2 to 100.0\u00a0%"
    assert in_words.at_least(0.95199) == "95.1\u00a0%"
    assert in_words.at_least(1.0) == "100.0\u00a0%"
    assert [points(x) for x in (0.0921, -0.05, 0.0003, -0.0003, 0.0)] == [
        "+9.2",
        "−5.0",
        "+0.03",
        "−0.03",
        "0.0",
    ]
    assert in_words.count(12345.4) == "12,345"
    assert [in_words.milliseconds(x) for x in (1803.2, 0.4, 0, None)] == [
        "1,803",
        "<\u00a01",
        "0",
        "not known",
    ]
    assert [in_words.dollars(x) for x in (0.0, 0.00042, 0.0123, 3.5, None)] == [
        "0.00",
        "0.00042",
        "0.012",
        "3.50",
        "not known",
    ]
    assert [in_words.level(x) for x in (0.95, 0.975, 1 - 0.05 / 6)] == [
        "95\u00a0%",
        "97.5\u00a0%",
        "99.17\u00a0%",
    ]
    assert [in_words.probability(x) for x in (0.5, 0.00312, 1e-9)] == ["0.5000", "0.0031", "below 0.0001"]


@pytest.mark.parametrize("bounds", [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.97, 1.0], [0.5, 0.5]])
def test_plots_stay_within_their_frame(bounds: list[float]) -> None:
    data = full()
    for entry in (data["compiled"], data["prototype"], *data["baselines"].values()):
        if entry:
            entry.update(score=bounds[0], ci=bounds)
    data["selective"].update(curve=[[1.0, bounds[0]]], accuracy=bounds[0], target=bounds[1])
    assert_within(read(data))


def contrast(*colours: str) -> float:
    found = []
    for colour in colours:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        found.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(found) + 0.05) / (min(found) + 0.05)


def test_contrast_is_enough_in_both_schemes() -> None:
    source = resources.files("shipworthy.evidence").joinpath("base.html.j2").read_text("utf-8")
    light, dark = [
        dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in source.split(":root {")[1:3]
    ]
    for scheme in (light, dark):
        for back in ("page", "card"):
            for front in ("ink", "muted", "accent", "other", "plain", "fail"):
                assert contrast(scheme[front], scheme[back]) >= (3 if front == "plain" else 4.5), (
                    front,
                    back,
                )
        for name in ("pass", "fail", "inconclusive"):
            for front in (name, "ink"):
                assert contrast(scheme[front], scheme[f"{name}-back"]) >= 4.5, (front, name)
