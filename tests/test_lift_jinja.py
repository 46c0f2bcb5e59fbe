"""Templates of Jinja2, Nunjucks and MiniJinja: their inputs, their words, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import meta
from pydantic import BaseModel

from shipworthy.errors import PrototypeError, RowInputError
from shipworthy.lift.files import Files
from shipworthy.lift.jinja_reader import read, recognises
from shipworthy.lift.jinja_template import JinjaTemplate
from shipworthy.lift.pieces import Slot
from shipworthy.lift.schemas import optional

REMINDER = """\
{# for the library's desk #}
Write to {{ reader.name | default("our reader") }} about {{ books | length }} overdue books.
{% if fine > 0 %}
The fine is {{ fine | round(2) }} euros.
{% elif first_time %}
Say that the fine is waived this once.
{% else %}
Thank them.
{% endif %}
{% for book in books %}
{{ loop.index }}. {{ book.title }}{% if book.author %} by {{ book.author }}{% endif %}
{% endfor %}
Close with {{ closing or "kind regards" }}, in at most {{ lines | int }} lines.
"""


def an_object(**properties) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def a_list(items) -> dict:
    return {"type": "array", "items": items}


def template(text: str, **options) -> JinjaTemplate:
    return JinjaTemplate(text, where="desk.j2", **options)


def words(text: str, **options) -> str:
    """The words of a template, with each slot as <name>."""
    pieces = template(text, **options).pieces()
    return "".join(f"<{piece.name}>" if isinstance(piece, Slot) else piece for piece in pieces)


def reader_of(folder: Path, name: str, text: str) -> Files:
    (folder / name).write_text(text, "utf-8")
    return Files(folder / name)


DOUBLING = (
    "{% set ns = namespace(t=START) %}{% for i in range(99) %}{% set ns.t = NEXT %}{% endfor %}{{ ns.t }}"
)


# Inputs


def test_inputs_have_the_types_that_their_use_shows():
    found = template(REMINDER)

    assert list(found.inputs) == ["reader", "books", "fine", "first_time", "closing", "lines"]
    assert found.optional_inputs == ("reader", "first_time", "closing")
    assert found.inputs["fine"] == {"type": "number"}
    assert found.inputs["lines"] == {"type": "integer"}
    assert found.inputs["closing"] == optional({})
    book = {"title": {}, "author": optional({})}
    assert found.inputs["books"] == {
        "type": "array",
        "items": {"type": "object", "properties": book, "required": ["title"]},
    }


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("{{ x }}", {}),
        ("{% if x == 'warm' %}a{% endif %}", {}),
        ("{% if x >= 3 %}a{% endif %}", {"type": "number"}),
        ("{% if x == 3 %}a{% endif %}", {"type": "integer"}),
        ("{{ '%.2f euros' | format(x) }}", {"type": "number"}),
        ("{% for i in range(x) %}a{% endfor %}", {"type": "integer"}),
        ("{{ x.upper() }}", {"type": "string"}),
        ("{% for k, v in x.items() %}{{ k }}{% endfor %}", {"type": "object", "additionalProperties": True}),
        ("{{ x | join(', ') }}", a_list({})),
        ("{{ x[0].id }}{{ x[-1].id }}", a_list(an_object(id={}))),
        ("{% if x is string %}{{ x }}{% else %}{{ x | join }}{% endif %}", {}),
        ("{% for a in x | sort(attribute='n') | reverse %}{{ a.n }}{% endfor %}", a_list(an_object(n={}))),
        ("{{ x | map(attribute='a.b') | join(' ') }}", a_list(an_object(a=an_object(b={})))),
        ("{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m(x) }}", an_object(b={})),
        ("{% set y = x %}{% for one in y %}{{ one }}{% endfor %}", a_list({})),
    ],
)  # fmt: skip
def test_a_use_shows_a_type(text, schema):
    found = template(text)

    assert dict(found.inputs) == {"x": schema}
    assert found.optional_inputs == ()


@pytest.mark.parametrize(
    "text",
    [
        "{% if x %}{{ x }}{% endif %}",
        "{% if not x %}none{% else %}{{ x }}{% endif %}",
        "{% if x is defined and x %}{{ x }}{% endif %}",
        "{% if x is not none %}{{ x }}{% endif %}",
        "{% if x != none %}{{ x }}{% endif %}",
        "{{ x or 'nothing' }}",
        "{{ x | default('nothing') | upper }}",
        "{{ x if x else 'nothing' }}",
        "{% set x = x | default('nothing') %}{{ x }}",
        "{% if not x %}{% set x = 'nothing' %}{% endif %}{{ x }}",
        "{% for one in x or [] %}{{ one }}{% endfor %}",
        "{% if x and x.a %}{{ x.a }}{% endif %}",
        "{{ x.a | default('nothing') }}",
        "{% for one in ys if x %}a{% endfor %}",
    ],
)
def test_an_input_that_is_asked_for_before_it_is_used_may_be_left_out(text):
    found = template(text)

    assert "x" in found.optional_inputs
    assert found.inputs["x"]["default"] is None
    others = {"ys": ["one"]} if "ys" in text else {}
    assert found.render(others) == found.render({"x": None, **others})


def test_an_input_that_is_also_used_without_asking_is_needed():
    found = template("{% if x %}{{ x }}{% endif %} {{ x }}")

    assert found.optional_inputs == ()
    with pytest.raises(RowInputError, match="'x' is missing"):
        found.render({})


def test_a_name_in_the_filter_of_a_block_is_an_input():
    assert list(template("{% filter center(wide) %}a{% endfilter %}").inputs) == ["wide"]


def test_names_of_the_templates_own_are_no_inputs():
    text = (
        "{% set a = 1 %}{% for b in range(2) %}{{ a }}{{ b }}{{ loop.index }}{% endfor %}"
        "{% with c = 3 %}{{ c }}{% endwith %}"
    )

    assert dict(template(text).inputs) == {}


# Words


def test_all_words_survive_with_conditions_and_loops_told():
    assert words(REMINDER) == (
        "\n"
        'Write to <reader> (or, without it, "our reader") about <books> overdue books.\n'
        "If the fine is more than 0:\n"
        "  The fine is <fine> euros.\n"
        "Otherwise, if there is a first time:\n"
        "  Say that the fine is waived this once.\n"
        "Otherwise:\n"
        "  Thank them.\n"
        "For each of the books:\n"
        "  (the item's number). <books> [If the book has an author: by <books>]\n"
        'Close with <closing> (or, without it, "kind regards"), in at most <lines> lines.'
    )


def test_slots_are_spelled_as_in_the_text():
    spellings = [piece.spelling for piece in template(REMINDER).pieces() if isinstance(piece, Slot)]

    assert spellings[0] == '{{ reader.name | default("our reader") }}'
    assert spellings[-1] == "{{ lines | int }}"


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("a", "there is an a"),
        ("not offers", "there are no offers"),
        ("a == 'b'", 'the a is "b"'),
        ("not a == 'b'", 'the a is not "b"'),
        ("user.plan != 'free' and not banned", 'the user\'s plan is not "free" and there is no banned'),
        ("a in ['x', 'y'] or b", 'the a is one of "x", "y" or there is a b'),
        ("not (a or b)", "there is no a and there is no b"),
        ("a and (b or c)", "there is an a and (there is a b or there is a c)"),
        ("tags | length > 2", "the number of tags is more than 2"),
        ("is_member", '"is member" is true'),
        ("a is none", "there is no a"),
        ("'spam' in tags", 'the tags include "spam"'),
        ("a.startswith('Re:')", 'the a starts with "Re:"'),
        ("a is divisibleby 3", "the a is divisible by 3"),
        ("a == true", "there is an a"),
    ],
)
def test_conditions_read_as_sentences(test, told):
    assert words(f"{{% if {test} %}}\nYes.\n{{% endif %}}") == f"If {told}:\n  Yes.\n"


def test_what_stands_only_in_else_is_told_by_the_negation():
    assert words("{% if a == 1 %}{% else %}\nNo.\n{% endif %}") == "If the a is not 1:\n  No.\n"


def test_constants_of_outputs_and_names_that_are_set_survive():
    text = (
        "{% set greeting %}Good day{% endset %}{% set close = 'Bye' %}"
        "{{ greeting }}, {{ 'Dr' if titled else 'dear' }} {{ 'Ms %s' | format(name) }}. "
        "{{ close ~ ' for now' }}."
    )

    assert words(text) == ("Good day, [If there is a titled: Dr Otherwise: dear] Ms <name>. Bye for now.")


def test_macros_are_told_where_they_are_called():
    text = (
        "{% macro rule(text, why='') %}Rule: {{ text }}"
        "{% if why %} because {{ why }}{% endif %}{% endmacro %}"
        "{{ rule('Be brief.') }} {{ rule(own, why=reason) }}"
    )

    assert words(text) == "Rule: Be brief. Rule: <own> [If there is a reason: because <reason>]"


def test_a_loop_over_values_as_written_is_written_out():
    assert words("{% for tone in ['warm', 'dry'] %}- {{ tone }}\n{% endfor %}") == "- warm\n- dry\n"


# Filling


def test_a_row_is_filled_exactly_as_jinja_fills_it():
    row = {
        "reader": {"name": "Zoë 🌷"},
        "books": [{"title": "Emma", "author": "Austen"}, {"title": "كتاب"}],
        "fine": 1.256,
        "closing": "",
        "lines": "4",
    }

    assert template(REMINDER).render(row) == jinja2.Template(REMINDER).render(row)


def test_values_are_data_whatever_they_hold():
    class Book(BaseModel):
        title: str
        items: int = 3

    assert template("{{ x }}").render({"x": "{{ 7 * 7 }}{% if %}"}) == "{{ 7 * 7 }}{% if %}"
    assert template("{{ b.title }} {{ b.items }}").render({"b": Book(title="Emma")}) == "Emma 3"


def test_an_optional_property_that_is_null_counts_as_left_out():
    found = template("{{ o.note | default('none') }}")

    assert found.render({"o": {"note": None}}) == found.render({"o": {}}) == "none"


def test_a_property_that_is_missing_is_named():
    with pytest.raises(RowInputError, match="title"):
        template("{{ b.title }}").render({"b": {}})


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("{% for a in range(1000000) %}{% for b in range(9) %}{% endfor %}{% endfor %}", {}),
        ("{% for a in range(20000) %}{{ x }}{% endfor %}", {"x": "y" * 1000}),
        ("{{ x * n }}", {"x": "y", "n": 10**9}),
        ("{{ range(n) | list | length }}", {"n": 10**9}),
        ("{{ x | center(n) }}", {"x": "y", "n": 10**9}),
        ("{{ x.ljust(n) }}", {"x": "y", "n": 10**9}),
        ("{{ x | replace('', x) }}", {"x": "y" * 100_000}),
        ("{% for i in range(99999) %}{% if x == y %}{% endif %}{% endfor %}", {"x": [1] * 99, "y": [1]}),
        ("{{ x | join(y) }}", {"x": ["a"] * 10_000, "y": "b" * 100_000}),
        ("{{ x % 1 }}", {"x": "%999999999d"}),
        ("{{ x.format(1) }}", {"x": "{:>999999999}"}),
        (DOUBLING.replace("START", "'ab'").replace("NEXT", "ns.t ~ ns.t"), {}),
        (DOUBLING.replace("START", "[1]").replace("NEXT", "[ns.t, ns.t]"), {}),
        (DOUBLING.replace("START", "3").replace("NEXT", "ns.t * ns.t"), {}),
        ("{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}", {}),
        ("{% for n in ns recursive %}{{ loop(ns) }}{% endfor %}", {"ns": [1, 2]}),
    ],
)  # fmt: skip
def test_what_one_row_may_cost_is_bounded(text, row):
    with pytest.raises(RowInputError, match="cannot be filled"):
        template(text).render(row)


# Refused


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n{% include 'other.j2' %}", "reads another file"),
        ("a\n{% import 'm.j2' as m %}", "reads another file"),
        ("a\n{% from 'm.j2' import m %}", "reads another file"),
        ("a\n{% extends 'base.j2' %}", "reads another file"),
        ("a\n{{ x.__class__ }}", "underscore"),
        ("a\n{{ x['__class__'] }}", "underscore"),
        ("a\n{{ _secret }}", "underscore"),
        ("a\n{{ open('/etc/passwd') }}", "calls 'open'"),
        ("a\n{{ x.pop() }}", "calls 'pop'"),
        ("a\n{{ cycler('a', 'b') }}", "calls 'cycler'"),
        ("a\n{{ (x or y)() }}", "calls 'what is no name'"),
        ("a\n{{ x | to_yaml }}", "'to_yaml' is unknown"),
        ("a\n{{ x | attr('b') }}", "'attr' is not for prompts"),
        ("a\n{% if x is prime %}{% endif %}", "'prime' is unknown"),
        ("a\n{{ 9 ** 9 }}", "power"),
        ("a\n{{ 'x' * n }}", "multiplying"),
        ("a\n{{ [1] * 999999 }}", "multiplying"),
        ("a\n{{ n * 99999999999 }}", "very large"),
        ("a\n{% for i in range(99999999) %}{% endfor %}", "range up to"),
        ("a\n{{ self.title() }}", "'self'"),
        ("a\n{% if x %}", "does not parse"),
        ("a\n{{ x", "does not parse"),
        ("a\n{% set b | replace('a', other) %}a{% endset %}", "cannot be compiled"),
        ("a\n{% trans %}b{% endtrans %}", "does not parse"),
    ],
)
def test_what_no_prompt_needs_is_refused_with_its_line(text, problem):
    with pytest.raises(PrototypeError, match=re.escape(problem)) as refused:
        template(text)

    assert refused.value.where == ("desk.j2" if "compiled" in problem else "desk.j2:2")
    assert refused.value.hint


@pytest.mark.parametrize(
    "text", ["{{ " + "(" * 5000 + "x" + ")" * 5000 + " }}", "{% for a in b %}" * 60 + "{% endfor %}" * 60]
)
def test_nesting_without_end_is_refused(text):  # fmt: skip
    with pytest.raises(PrototypeError):
        template(text)


# Dialects


def test_nunjucks_is_read_as_it_is_written():
    text = (
        "{% if plan === 'pro' && !trial %}Pro{% elseif tags.length > 1 || old !== null %}Tags{% endif %}"
        " {{ order | dump }} {{ name.toUpperCase() }} {{ ok }}"
        "{% for k, v in scores %} {{ k }}={{ v }}{% endfor %}{# gone #}\n"
    )
    found = template(text, dialect="nunjucks")
    row = {
        "plan": "pro",
        "tags": [],
        "order": {"b": 1, "a": "ä<"},
        "name": "bo",
        "ok": True,
        "scores": {"m": 2.0},
    }

    assert found.render(row) == 'Pro {"b":1,"a":"ä<"} BO true m=2\n'
    assert list(found.inputs) == ["plan", "trial", "tags", "old", "order", "name", "ok", "scores"]
    assert {"trial", "old"} <= set(found.optional_inputs)


def test_nunjucks_leaves_text_and_raw_parts_alone():
    text = "a && b !== c {% raw %}{{ a && b }}{% endraw %} {{ 'x && y' }}"

    assert template(text, dialect="nunjucks").render({}) == "a && b !== c {{ a && b }} x && y"


def test_minijinja_prints_as_rust_does():
    text = (
        "{{ ok }} {{ gone }} {{ rows | tojson }}{% for k, v in scores | items %} {{ k }}={{ v }}{% endfor %}"
        "{% if name is startingwith('b') %} b{% endif %}"
    )
    row = {"ok": True, "gone": None, "rows": [{"b": "é"}], "scores": {"m": 2}, "name": "bo"}

    assert template(text, dialect="minijinja").render(row) == 'true none [{"b":"é"}] m=2 b'


# The reader


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("desk.j2", "Hello {{ name }}.", True),
        ("desk.md", "Hello {% if a %}you{% endif %}.", True),
        ("desk.txt", "Hello {{ name | upper }}.", True),
        ("desk.txt", "Hello {{ user.name }}.", True),
        ("desk.txt", "Hello {# note #} you.", True),
        ("desk.md", "Hello {{ name }}.", False),
        ("desk.md", "Hello {name}, {{ user.name }}.", False),
        ("desk.hbs", "{{#if a}}Hello{{/if}}", False),
        ("desk.py", "'{% if a %}{% endif %}'", False),
        ("talk.j2", '{% set a = 1 %}\n[{"role": "user", "content": "{{ a }}"}]', False),
        ("talk.j2", '{"text": "{{ a }}"}', True),
    ],
)
def test_templates_are_recognised_by_what_they_hold(tmp_path, name, text, known):
    assert recognises(reader_of(tmp_path, name, text)) is known


def test_a_template_becomes_one_step_with_one_message(tmp_path):
    draft = read(reader_of(tmp_path, "desk.j2", REMINDER), name="desk")

    (step,) = draft.steps
    (message,) = step.prompts[0].messages
    assert (step.name, message.role, step.outputs, draft.unmapped) == ("desk", "user", (), ())
    assert message.template.text == REMINDER


def test_names_that_no_field_can_have_are_renamed_and_told(tmp_path):
    text = "{% macro never() %}x{% endmacro %}{{ class }} {{ Mail }} {{ mail }}"
    draft = read(reader_of(tmp_path, "desk.j2", text), name="desk")

    (message,) = draft.steps[0].prompts[0].messages
    inputs = list(message.template.inputs)
    assert len({name.casefold() for name in inputs}) == 3
    assert message.template.render(dict(zip(inputs, "abc", strict=True))) == "a b c"
    assert [one.what for one in draft.unmapped] == ["class", "mail", "macro never"]
    assert draft.unmapped[0].why.startswith("renamed to ")
    assert draft.unmapped[2].where.endswith("desk.j2:1")


# Whatever is generated

NAMES = st.sampled_from(["mail", "tone", "offer", "orders", "city"])
SENTENCES = st.text(st.sampled_from("abcdefg é🙂שx,'\""), min_size=3, max_size=30).map(
    lambda text: f"S{' '.join(text.split())}."
)


@st.composite
def parts(draw, depth: int = 2) -> tuple[str, list[str], set[str]]:
    """A template, its sentences, and the inputs that it prints."""
    texts, sentences, slots = [], [], set()
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["text", "slot", "if", "for", "set"] if depth else ["text", "slot"]))
        newline = draw(st.sampled_from(["\n", ""]))
        if kind == "text":
            sentences.append(draw(SENTENCES))
            texts.append(sentences[-1])
        elif kind == "slot":
            name = draw(NAMES)
            slots.add(name)
            texts.append(f" {{{{ {name}{draw(st.sampled_from(['', ' | upper', '.part', '[0]']))} }}}} ")
        elif kind == "set":
            texts.append(f"{{% set own = {draw(NAMES)} %}}{newline}")
        else:
            inner, said, used = draw(parts(depth=depth - 1))
            other, more, also = draw(parts(depth=depth - 1))
            head = f"if {draw(NAMES)}" if kind == "if" else f"for item in {draw(NAMES)}"
            lines = [f"{{% {head} %}}", inner, "{% else %}", other, f"{{% end{kind} %}}"]
            texts.append(newline.join(lines))
            sentences += [*said, *more]
            slots |= used | also
        texts.append(newline)
    return "".join(texts), sentences, slots


@settings(max_examples=150, deadline=None)
@given(parts())
def test_every_sentence_and_slot_survives(made):
    text, sentences, slots = made
    found = template(text)

    said = "".join(piece if isinstance(piece, str) else f"<{piece.name}>" for piece in found.pieces())
    assert [sentence for sentence in sentences if sentence not in said] == []
    assert {piece.name for piece in found.pieces() if isinstance(piece, Slot)} >= slots
    # Set in one branch only, a name of the template's own counts for Jinja as undeclared.
    assert set(found.inputs) | {"own"} == {"own"} | meta.find_undeclared_variables(
        jinja2.Environment().parse(text)
    )


@settings(max_examples=100, deadline=None)
@given(parts(), st.lists(SENTENCES, min_size=1, max_size=3))
def test_generated_templates_are_filled_as_jinja_fills_them(made, values):
    text = re.sub(r"\.part|\[0\]| \| upper", "", made[0])
    row = dict.fromkeys(["mail", "tone", "offer", "orders", "city"], values)

    assert template(text).render(row) == jinja2.Template(text).render(row)
