"""Plain text and Markdown prompts: their slots, and several prompts in one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift.draft import Draft
from shipworthy.lift.files import Files
from shipworthy.lift.pieces import Slot
from shipworthy.lift.slots import split_slots, told_slots
from shipworthy.lift.text_reader import format_of, prompts_of, read, recognises


def slots(text: str) -> list[str]:
    pieces = split_slots(text)
    assert "".join(piece.spelling if isinstance(piece, Slot) else piece for piece in pieces) == text
    return [piece.name for piece in pieces if isinstance(piece, Slot)]


def draft(tmp_path: Path, text: str, *, name: str = "p.md") -> Draft:
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert recognises(Files(path))
    return read(Files(path), name="p")


# Which spelling is a slot


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Sort {ticket} by {rule}.", ["ticket", "rule"]),
        ("Sort {{ticket}} by {{ rule }}.", ["ticket", "rule"]),
        ("Sort {{{ticket}}}.", ["ticket"]),
        ("Sort {ticket}, in braces: {{{ticket}}}.", ["ticket", "ticket"]),
        ("Dear $name, about ${order}:", ["name", "order"]),
        ("It costs ${price} for {item}.", ["price", "item"]),
        ("Summarise [ARTICLE TEXT] for [AUDIENCE].", ["article_text", "audience"]),
        ("[INSERT TEXT HERE]", ["text"]),
        ("Translate to <language>: <text>", ["language", "text"]),
        ("Read:\n\n<invoice>\n<document>\n</invoice>\n\nJSON:", ["document"]),
        ("Text:\n```\n$text\n```", ["text"]),
        ('Give {"label": {ticket}}', ["ticket"]),
        ("{date of birth} {order-id} {user.name}", ["date_of_birth", "order_id", "user_name"]),
        ("Sortiere {anfrage} für {größe} 🚲 ‏עברית‏ {שם}", ["anfrage", "größe", "שם"]),
        # What only looks like one.
        ("Read <invoice>total 5</invoice> and <br> <b>this</b>.", []),
        ("See [the docs](https://x.y), [RFC][1], ![IMG](a.png) and [SPEC]: it", []),
        ("As shown [1], [2, 3] and [^NOTE].\n- [x] done\n- [X] done\n- [ ] open", []),
        ("It costs $5 or $1,000; ask Ann <ann@shop.example> or <https://shop.example>.", []),
        ("```bash\nexport FOO=$BAR ${BAZ}\n```\nExplain; mind $HOME and $PATH.", []),
        ("Prove that $x + y$ equals $z$.", []),
        ("Put it in \\boxed{answer}, as \\frac{a}{b}.", []),
        ('Return {"a": 1, "b": {"c": [1]}} or { return x; } or {}', []),
        ("Answer in <answer> tags; wrap the thinking in <scratchpad>.", []),
        ("Use List<String> or a <T>; int[N] holds <number>.", []),
        ("Replace every name by [NAME].", []),
        ("[INST] Sort it. [/INST]", []),
        ("[ROLE]\nYou sort.\n\n[TASK]\nSort it.", []),
        ("Answer like this:\n\nQueue: <queue>\nWhy: <reason>", []),
        ("Use this format:\nQueue: [QUEUE]\n\nGo.", []),
        ('Return {"queue": "<queue>", "why": "[WHY]"}', []),
        ("Choose {yes or no} and {a short reason}.", []),
        ("<|im_start|>system", []),
        ('{"$ref": "#/x", "$schema": "y"}', []),
    ],
)
def test_slots_are_told_from_what_only_looks_like_them(text: str, names: list[str]) -> None:
    assert slots(text) == names


def test_the_whole_prompt_decides_which_spelling_counts() -> None:
    mixed = "Sort {a}; not {{b}}, $c, [DD] or <ee>."
    assert slots(mixed) == ["a"]
    assert [spelling for spelling, _, _ in told_slots(mixed)] == ["{{b}}", "$c", "[DD]", "<ee>"]
    assert slots("Use {{b}}, not $c, [DD] or <ee>.") == ["b"]
    assert slots("Use $c, not [D] or <e>.") == ["c"]
    assert slots("Use [DD], not <ee>.") == ["dd"]
    assert slots("```js\nconst {a} = b\n```\nExplain $text") == ["text"]


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ("[CUSTOMER NAME]", ["customer_name"], "renamed to customer_name: 'CUSTOMER NAME' is not a"),
        ("[TOPIC]", ["topic"], "renamed to topic: inputs are written in small letters"),
        ("{order-id}", ["order_id"], "renamed to order_id: 'order-id' is not a Python name"),
        ("{class}", ["class_"], "renamed to class_: 'class' is a Python keyword"),
        ("{schema}", ["schema_"], "renamed to schema_: 'schema' is an attribute of dspy.Signature"),
        ("{_x}", ["x"], "renamed to x: '_x' starts with an underscore"),
        ("{ﬁle}", ["file"], "renamed to file: 'ﬁle' is written with compatibility characters"),
    ],
)
def test_a_name_that_python_cannot_use_is_replaced_and_told(text: str, names: list[str], told: str) -> None:
    assert slots(text) == names
    ((spelling, line, why),) = told_slots(text)
    assert (spelling, line) == (text, 1)
    assert why.startswith(told)


def test_names_that_differ_in_case_or_signs_only_are_one_input() -> None:
    assert slots("{name}, {Name} and {order-id} {order_id}") == ["name", "name", "order_id", "order_id"]
    told = {spelling: why for spelling, _, why in told_slots("{name}\n{Name}")}
    assert told == {"{Name}": "renamed to name: {name} is the same input"}


def test_places_without_a_name_or_in_small_brackets_are_told() -> None:
    assert [why for _, _, why in told_slots("Sort {} and {0}")] == [
        "no name, so it stays text; name it to make it an input"
    ] * 2
    ((spelling, _, _),) = told_slots("Sort [paste your text here].")
    assert spelling == "[paste your text here]"


# The reader


def test_a_file_becomes_one_message_and_its_notes_have_places(tmp_path: Path) -> None:
    found = draft(tmp_path, "Sort it.\n\n{order-id}\n")
    (step,) = found.steps
    (prompt,) = step.prompts
    assert (step.name, step.outputs, prompt.label) == ("p", (), "")
    assert [message.role for message in prompt.messages] == ["user"]
    assert prompt.messages[0].template.render({"order_id": "{7}"}) == "Sort it.\n\n{7}\n"
    assert [(part.what, part.where) for part in found.unmapped] == [("{order-id}", "p.md:3")]


def test_without_a_slot_nothing_is_made_up(tmp_path: Path) -> None:
    assert draft(tmp_path, "Sort this.").steps[0].prompts[0].messages[0].template.inputs == {}


def test_suffixes_name_the_format(tmp_path: Path) -> None:
    assert [format_of(suffix) for suffix in (".txt", "", ".MD", ".py")] == ["text", "text", "markdown", None]
    assert not recognises(Files(tmp_path))


def test_code_of_a_template_and_front_matter_are_told(tmp_path: Path) -> None:
    found = draft(tmp_path, "---\nmodel: x\n---\nHi {{ a }}\n{% if b %}{{ c | upper }}{% endif %}")
    assert [(part.what, part.where) for part in found.unmapped] == [
        ("{% if", "p.md:5"),
        ("front matter", "p.md:1"),
    ]


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfe\xfa", b"  \n"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    with pytest.raises(PrototypeError):
        read(Files(path), name="p")


# Several prompts in one file

TWO = """\
Decide about this order.
Order: {order}
Policy: {policy}
---
Does {policy} cover {order}?
Yes or no?
"""


def test_a_line_of_dashes_divides_two_prompts(tmp_path: Path) -> None:
    (first, second) = draft(tmp_path, TWO).steps[0].prompts
    assert (first.label, second.label) == ("prompt 1", "prompt 2")
    assert first.messages[0].template.text == TWO.split("\n---\n")[0]
    assert second.messages[0].template.text == TWO.split("\n---\n")[1].rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "You are a helpful support agent.\n\n---\n\nSort this message:\n{message}",
        "You write to {customer} about bicycles.\n---\nMessage:\n{message}",
        "You write to {customer} about bicycles.\n---\nMessage:\n{customer}",
        "Translate into {language}, please.\n---\nKeep the names as they are in {text}.",
        "---\nname: x\n---\nSort the message {a} now please.\n---\nSort {a} again and well.",
        "# Prompt\nSort {a} well.\n# Rules\nBe kind to {a}.",
    ],
)
def test_a_rule_within_a_prompt_does_not_divide_it(text: str) -> None:
    assert prompts_of(text) == (("", text),)


def test_headings_divide_and_what_is_left_is_told(tmp_path: Path) -> None:
    text = (
        "# My prompts\n\n## Prompt 1: plain\nSort {a}.\n---\n\n"
        "## Prompt 2\nPlease sort {a}\n\n## Prompt 3\nSort {b}"
    )
    found = draft(tmp_path, text)
    assert [(prompt.label, prompt.messages[0].template.text) for prompt in found.steps[0].prompts] == [
        ("Prompt 1: plain", "Sort {a}."),
        ("Prompt 2", "Please sort {a}"),
    ]
    assert [(part.what, part.where) for part in found.unmapped] == [
        ("# My prompts", "p.md:1"),
        ("Prompt 3", "p.md:11"),
    ]


# Whatever people write

SENTENCE = st.text(
    st.characters(exclude_characters="\0{}$[]<>\\\r\x85\u2028\u2029", exclude_categories=["Cs"]), max_size=60
)
NAME = st.sampled_from(["ticket", "order_id", "Kunde", "größe", "class", "text"])
SPELLINGS = ("{%s}", "{{%s}}", "{{ %s }}", "${%s}", "[%s]", "<%s>")


@settings(max_examples=200)
@given(parts=st.lists(st.tuples(SENTENCE, NAME), min_size=1, max_size=5), spelling=st.sampled_from(SPELLINGS))
def test_every_slot_and_sentence_is_in_what_is_rendered(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]], spelling: str
) -> None:
    if spelling == "[%s]":
        parts = [(words, name.upper().replace("Ö", "O").replace("SS", "S")) for words, name in parts]
    text = "\n".join(f"{words} \n{spelling % name}\n" for words, name in parts)
    found = draft(tmp_path_factory.mktemp("any"), text)
    templates = [message.template for prompt in found.steps[0].prompts for message in prompt.messages]
    values = {name: f"«{name}»" for template in templates for name in template.inputs}
    rendered = "\n".join(template.render(values) for template in templates)
    pieces = [piece for template in templates for piece in template.pieces()]
    prose = "\n".join(piece for piece in pieces if isinstance(piece, str))
    assert len([piece for piece in pieces if isinstance(piece, Slot)]) == len(parts)
    for words, _ in parts:
        if len(found.steps[0].prompts) == 1:
            assert words.strip() in rendered
            assert words.strip() in prose
