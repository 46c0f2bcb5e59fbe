"""Any sensible way of saying an answer counts, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ExamplesError, OutputError
from shipworthy.evidence import read_answer, read_recorded
from shipworthy.runtime import Contract, Field, label_text

QUEUE = {"enum": ["billing", "new_order", "technical-support", "other"]}
BOOL = {"type": "boolean"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
TEXT = {"type": "string"}


def contract(**outputs: dict[str, Any]) -> Contract:
    fields = tuple(Field(name, schema) for name, schema in outputs.items())
    return Contract((Field("ticket", TEXT),), fields)


def said(text: str, **outputs: dict[str, Any]) -> dict[str, Any]:
    return read_answer(text, contract(**outputs))


# Labels


@pytest.mark.parametrize(
    "text",
    [
        "billing",
        "Billing",
        "BILLING.",
        "  billing\n",
        '"billing"',
        "`billing`",
        "**billing**",
        "- billing",
        "queue: billing",
        "Queue: Billing.",
        "QUEUE = billing",
        "**Queue:** billing",
        "**Queue**: `billing`",
        "### Queue: billing",
        "> queue: 'billing'",
        "* Queue: **Billing**",
        "Queue:\nbilling",
        "Queue:\n\n- billing",
        "The queue is billing.",
        "I think this belongs to the Billing queue, because the customer was charged twice.",
        "Let me think.\nThe customer was charged twice.\n\nQueue: billing\nThank you!",
        "They might mean other things.\nQueue: billing",
        "queue: billing (not other)",
        '{"queue": "billing"}',
        '{"Queue": "Billing"}',
        '{"queue": "Billing team"}',
        'Here you go:\n```json\n{\n  "queue": "billing",\n  "why": "other words"\n}\n```\nAnything else?',
        'For {ticket} I say {"queue": "billing"}',
        '{"result": {"queue": "billing"}}',
        "{'queue': 'billing'}",
        "<queue>billing</queue>",
        "Answer: billing",
    ],
)
def test_a_label_is_read_however_it_is_said(text: str) -> None:
    assert said(text, queue=QUEUE) == {"queue": "billing"}


@pytest.mark.parametrize("text", ["new_order", "new order", "New Order", "NEW-ORDER", "queue: New  order!"])
def test_underscores_spaces_and_hyphens_are_the_same(text: str) -> None:
    assert said(text, queue=QUEUE) == {"queue": "new_order"}


@pytest.mark.parametrize("text", ["technical-support", "Technical support", "technical_support"])
def test_a_label_with_a_hyphen_is_read_as_well(text: str) -> None:
    assert said(text, queue=QUEUE) == {"queue": "technical-support"}


@pytest.mark.parametrize("name", ["Reply To", "reply_to", "reply-to", "ReplyTo", "REPLY TO"])
def test_the_name_of_an_output_may_be_written_in_other_ways_too(name: str) -> None:
    queue_first = f"{name}: other\nbilling"
    assert said(queue_first, reply_to=QUEUE) == {"reply_to": "other"}
    assert said(json.dumps({"note": "billing", name: "other"}), reply_to=QUEUE) == {"reply_to": "other"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("not urgent", "not urgent"),
        ("It is urgent", "urgent"),
        ("billing dispute", "billing dispute"),
        ("billing", "billing"),
        ("C++", "C++"),
        ("C", "C"),
    ],
)
def test_the_longest_label_that_fits_is_meant(text: str, label: str) -> None:
    labels = {"enum": ["urgent", "not urgent", "billing", "billing dispute", "C", "C++"]}
    assert said(text, label=labels) == {"label": label}


def test_strange_labels_are_read_where_they_stand_and_nowhere_else() -> None:
    strange = {"enum": ["-", "", "1", "-1", "a.b"]}
    assert said("label: a.b", label=strange) == {"label": "a.b"}
    assert said("It is -", label=strange) == {"label": "-"}
    for text in ("nothing of the kind", "axb", "1.5", "21", ""):
        assert said(text, label={"enum": [*strange["enum"][2:], "-"]}) == {}


def test_of_two_lines_the_first_that_fits_counts() -> None:
    assert said("Queue: unsure\nQueue: other\nQueue: billing", queue=QUEUE) == {"queue": "other"}


@given(st.sampled_from(QUEUE["enum"]), st.sampled_from("?!., \n*`\"'()"), st.booleans())
def test_a_label_between_punctuation_is_read(label: str, mark: str, shout: bool) -> None:
    word = label_text(label).upper() if shout else label
    assert said(f"{mark}{word}{mark}", queue=QUEUE) == {"queue": label}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot tell.",
        "shipping",
        "queue: shipping",
        '{"queue": "shipping"}',
        '{"queue": null}',
        "Another brother bothers grandmothers.",
        "rebilling",
        "billings_total",
        "neworder",
        "{",
        "null",
    ],
)
def test_what_is_no_label_does_not_count(text: str) -> None:
    assert said(text, queue=QUEUE) == {}


@pytest.mark.parametrize(
    "text", ['{"queue": null, "why": "billing or other"}', '{"queue": "unknown", "note": "not billing"}']
)
def test_a_label_beside_an_answer_that_says_something_else_does_not_count(text: str) -> None:
    assert said(text, queue=QUEUE) == {}


# Bools


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Yes.", True),
        ("TRUE", True),
        ("Urgent: yes", True),
        ("**Urgent:** Yes, because it is on fire", True),
        ('{"urgent": true}', True),
        ('{"urgent": "Yes"}', True),
        ("no", False),
        ("No, it can wait.", False),
        ("urgent: false", False),
        ('```\n{"urgent": false}\n```', False),
        ("True or false? False it is.\nUrgent: no", False),
    ],
)
def test_yes_and_no_are_read(text: str, value: bool) -> None:
    assert said(text, urgent=BOOL) == {"urgent": value}


@pytest.mark.parametrize(
    "text", ["", "nobody knows", "yesterday", "untrue", "maybe", '{"urgent": "perhaps"}']
)
def test_what_is_neither_yes_nor_no_does_not_count(text: str) -> None:
    assert said(text, urgent=BOOL) == {}


# Numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("The total is 42.", 42),
        ("Total: $42", 42),
        ("total: EUR42", 42),
        ("**Total:** 1,234.50 dollars", 1234.5),
        ("1,234,567", 1234567),
        ("-3.5", -3.5),
        ("0.25%", 0.25),
        ('{"total": 42}', 42),
        ('{"total": "42.0"}', 42),
        ('{"total": "42 dollars"}', 42),
        ("I counted 3 items.\nTotal: 42", 42),
        ("about 1e3", 1000),
        ("4.5/5", 4.5),
        ("on 12.03.2024 it was 7", 7),
    ],
)
def test_a_number_is_read(text: str, value: float) -> None:
    assert said(text, total=NUMBER) == {"total": value}


@pytest.mark.parametrize(
    "text",
    ["", "none", "total: many", "12.03.2024", "1.2.3", "1.234,56", "2024-03-12", "5-7", '{"total": NaN}'],
)
def test_what_is_no_number_does_not_count(text: str) -> None:
    assert said(text, total=NUMBER) == {}


def test_a_number_outside_the_limits_is_passed_over() -> None:
    assert said("From 0 to 10 I give it 15, no, 7.", stars={**INTEGER, "minimum": 5, "maximum": 9}) == {
        "stars": 7
    }
    assert said("3.5", count=INTEGER) == {}


def test_numbers_as_labels_are_whole_numbers() -> None:
    stars = {"enum": [1, 2, 3]}
    assert said("Stars: 2", stars=stars) == {"stars": 2}
    assert said("I give it 3 stars.", stars=stars) == {"stars": 3}
    assert said("It ends with 3.", stars=stars) == {"stars": 3}
    for text in ("12", "2.5", "-1", "3,5", "2024-03-12"):
        assert said(text, stars=stars) == {}


# Text and structure


def test_text_that_is_the_only_output_is_all_that_was_written() -> None:
    assert said("  Dear customer,\n\nthank you.\n", reply=TEXT) == {"reply": "Dear customer,\n\nthank you."}
    assert said('{"reply": "Dear customer"}', reply=TEXT) == {"reply": "Dear customer"}


def test_text_among_other_outputs_must_be_named() -> None:
    assert said("Queue: billing\nReply: Dear customer", queue=QUEUE, reply=TEXT) == {
        "queue": "billing",
        "reply": "Dear customer",
    }
    assert said("billing\nDear customer", queue=QUEUE, reply=TEXT) == {"queue": "billing"}


def test_lists_dates_and_objects_are_read_from_json_and_lines() -> None:
    day, tags = {"type": "string", "format": "date"}, {"type": "array", "items": TEXT}
    assert said('{"day": "2024-02-29", "tags": ["a", "b"]}', day=day, tags=tags) == {
        "day": "2024-02-29",
        "tags": ["a", "b"],
    }
    assert said('Day: 2024-02-29\nTags: ["a"]', day=day, tags=tags) == {"day": "2024-02-29", "tags": ["a"]}
    assert said("Day: soon", day=day) == {}


# Several outputs


@pytest.mark.parametrize(
    "text",
    [
        '{"queue": "new order", "urgent": true, "total": 12.5}',
        "Queue: New order\nUrgent: yes\nTotal: $12.50",
        "total = 12.50\nurgent = true\nqueue = new_order",
        "**Queue:** new_order\n**Urgent:** Yes\n**Total:** 12.5",
        "The queue is new order. Urgent? Yes. In total 12.50.",
        "Queue: new order, urgent: yes, total: 12.50",
        'For {"example": 1}: {"queue": "new order", "urgent": "yes", "total": "12.50"}',
    ],
)
def test_several_outputs_are_read_each_from_its_place(text: str) -> None:
    assert said(text, queue=QUEUE, urgent=BOOL, total=NUMBER) == {
        "queue": "new_order",
        "urgent": True,
        "total": 12.5,
    }


@pytest.mark.parametrize(
    "text",
    [
        "Urgent: yes",
        "**Urgent:** yes\n",
        "Urgent:\nyes",
        '{"urgent": true}',
        '```json\n{"urgent": "yes"}\n```',
    ],
)
def test_what_is_said_of_one_output_does_not_count_for_another(text: str) -> None:
    assert said(text, refund=BOOL, urgent=BOOL) == {"urgent": True}


def test_a_name_without_a_value_does_not_take_the_next_lines() -> None:
    assert said("Refund:\nUrgent: yes", refund=BOOL, urgent=BOOL) == {"urgent": True}


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = said(text, queue=QUEUE, urgent=BOOL, total=NUMBER, why=TEXT)
    assert set(found) <= {"queue", "urgent", "total", "why"}
    json.dumps(found, allow_nan=False)


OPTIONAL = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_one_output_may_go_by_the_prompts_own_name() -> None:
    both = {"answer": OPTIONAL, "quote": OPTIONAL}
    found = said("Answer: 30 days\n**Sentence:** Goods may come back within 30 days.", **both)
    assert found == {"answer": "30 days", "quote": "Goods may come back within 30 days"}


def test_a_text_that_cannot_be_read_is_not_the_statement_that_there_is_no_answer() -> None:
    both = {"answer": OPTIONAL, "quote": OPTIONAL}
    assert said("The passage is:\n\n[1]", **both) == {"answer": "The passage is:\n\n[1]"}
    assert said("That is so.", answer=TEXT, quote=TEXT) == {}
    assert said(" \n", **both) == {}


@pytest.mark.parametrize(
    "text",
    [
        "Answer: 30 days",
        "Sentence: Goods may come back.",  # whose is it, with the answer missing too?
        "Answer: 30 days\nSentence: Goods may come back.\nNote: within reason.",
        "Answer: 30 days\nThat is so: see above.\nAnswer again: 40 days",
    ],
)
def test_a_line_that_could_be_anybodys_is_nobodys(text: str) -> None:
    assert "quote" not in said(text, answer=OPTIONAL, quote=OPTIONAL)


# Recorded answers


def test_recorded_answers_are_joined_by_the_inputs(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"ticket": " charged twice ", "answer": "Billing!"}\n{"ticket": 7, "answer": "other"}\n')
    many = read_recorded(path, contract(queue=QUEUE))
    rows = [{"ticket": "7"}, {"ticket": "charged twice", "id": 1}, {"ticket": "unheard of"}]
    outcomes = list(many(rows))
    assert [outcome.value and outcome.value.outputs for outcome in outcomes] == [
        {"queue": "other"},
        {"queue": "billing"},
        None,
    ]
    assert isinstance(outcomes[2].error, OutputError)


@pytest.mark.parametrize("line", ['{"ticket": "x"}', '{"answer": "x"}'])
def test_a_recorded_answer_without_its_parts_names_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"ticket": "a", "answer": "b"}\n' + line + "\n")
    with pytest.raises(ExamplesError, match=r"answers\.jsonl:2"):
        read_recorded(path, contract(queue=QUEUE))
