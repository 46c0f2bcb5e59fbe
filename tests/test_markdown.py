"""The certificate's summary in Markdown: short, complete, and nothing in it but text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from test_judge_gate import measured
from test_page import full, nasty, nothing, quick
from test_rubric import good

from shipworthy.evidence import markdown_of, rubric
from shipworthy.evidence.markdown import BREAK, plain

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</sub><h1>x</h1>",
    "[a link](javascript:alert(1))",
    "![an image](https://example.com/x.png)",
    "[ref]: https://example.com",
    "https://example.com/a and www.example.com",
    "`code` ``more`` ```block```",
    "*a* **b** _c_ __d__ ~~e~~ $x^2$",
    "a | b | c\n|---|---|",
    "# heading\n## another",
    "- item\n1. item\n> quote\n+ plus",
    "&lt;b&gt; &#64;ida &amp;",
    "\\*a\\* \\<b\\>",
    "a\u202eevil\u2066x \ud800 \x00\x1b[31m",
    "| cell",
    "  \n\n    indented code",
    "===\n---",
]


def tags(text: str) -> list[str]:
    """The elements that a Markdown reader makes of a text."""
    return re.findall(
        r"<([a-z][a-z0-9]*)", MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    )


def read(text: str) -> str:
    """What a reader sees of a text."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    words = re.sub(r"<[^>]*>", "", page)
    for entity, mark in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        words = words.replace(entity, mark)
    return words


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    assert set(tags(f"- {plain(text)}")) <= {"ul", "li"}
    table = f"| a | b |\n| --- | --- |\n| {plain(text)} | x |"
    assert tags(table).count("td") == 2
    assert set(tags(table)) <= {"table", "thead", "tbody", "tr", "th", "td"}


@given(st.text(max_size=80))
def test_any_text_stays_text(text: str) -> None:
    assert set(tags(f"- {plain(text)}")) <= {"ul", "li"}
    assert "\n" not in plain(text)


@given(st.text(alphabet="*_`[]()<>|~#&\\!-+=.1 ab", max_size=40))
def test_what_is_seen_is_what_was_written(text: str) -> None:
    assert read(f"x {plain(text)}").replace(BREAK, "").split() == f"x {text}".split()


@pytest.mark.parametrize(
    "text",
    [
        "@ida",
        "@org/team",
        "see #12",
        "GH-12",
        "gh-3",
        "org/repo#7",
        "!15",
        ":tada:",
        "https://x.org",
        "//x.org",
    ],
)
def test_mentions_references_addresses_and_emoji_names_are_parted(text: str) -> None:
    shown = plain(text)
    assert BREAK in shown
    assert not re.search(r"@\w|#\d|(?i:gh)-\d|!\d|:\w+:|://|//\w", shown.replace("\\", ""))
    assert shown.replace(BREAK, "").replace("\\", "") == text


def test_personal_data_and_secrets_are_masked() -> None:
    shown = plain(
        "write to anna.k@example.com or +49 171 1234567, key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789AB"
    )
    assert not re.search("anna|1234567|abcdefgh", shown)


def test_the_summary_says_what_counts() -> None:
    data = measured(rubric=rubric(good()))
    data["batteries"]["faults"] = {"total": {"turned_wrong": 0, "struck": 90}}
    text = read(markdown_of(data, page="certificate.html")).replace("\u00a0", " ").replace(BREAK, "")
    for words in (
        "triage: ✅ pass",
        "better than the prototype: +9.2 points (97.5 % interval +3.1 to +15.0) on 240 test rows",
        "the compiled program",
        "TF-IDF + logistic regression",
        "+4.1 (+1.2 to +7.0)",
        "answers 93.1 % of rows by itself, at 95.1 % accuracy or better (guaranteed at the 95 % level",
        "the largest drop of the score, under typos: 4.0 % (1.0 to 9.0 %, 48 rows)",
        "answers that a change of text changes: 6.0 % (3.0 to 11.0 %, 50 rows)",
        "successful: 2.0 % (0.0 to 8.0 %, 50 rows)",
        "0 wrong answers by 90 injected faults",
        "7 of 7 (data 7, model 7, infrastructure 7, monitoring 7): exceptional",
        "full certificate of",
        "look 1, 2 March 2026, 10:04 UTC, the whole page",
    ):
        assert words in text, words
    assert tags(markdown_of(data)).count("tr") == 1 + 6


@pytest.mark.parametrize("make", [full, quick, nothing])
def test_every_certificate_has_a_short_summary(make: Any) -> None:
    text = markdown_of(make())
    assert text.endswith("\n")
    assert len(text) < 4000
    assert "None" not in text
    assert "nan" not in text


def test_a_hostile_certificate_makes_no_markup_of_its_own() -> None:
    plain_tags = set(tags(markdown_of(full())))
    assert set(tags(markdown_of(nasty()))) <= plain_tags | {"sub"}
    assert "<script" not in markdown_of(nasty())


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("certificate.html", "certificate.html"),
        ("a folder/c.html", "a%20folder/c.html"),
        ("https://ci.example.com/1?x=2#y", "https://ci.example.com/1?x=2#y"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("x> [y](z", "x%3E%20%5By%5D%28z"),
    ],
)
def test_the_link_to_the_page_is_a_path_or_an_address_of_the_web(page: str, target: str) -> None:
    assert f"[the whole page](<{target}>)" in markdown_of(full(), page=page)
