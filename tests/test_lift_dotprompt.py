"""Dotprompt files are read: front matter with Picoschema, and Handlebars rendered as Handlebars does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift import dotprompt_reader as reader
from shipworthy.lift.files import Files
from shipworthy.lift.picoschema import written_out
from shipworthy.lift.pieces import Slot

LETTER = """\
# Copyright the harbour office.

---
model: someone/model
config:
  temperature: 0.1
input:
  schema:
    boat: string, its name
    crew(array, who sails): {name: string, age?: integer}
    port?: string
  default:
    port: Bergen
output:
  format: json
  schema:
    risk: integer, 1 to 5
    kind(enum, of trip): [day, night]
    note?: string
tools: [tides]
x.y: 1
colour: blue
---
{{role "system"}}
You plan trips from {{port}}. ⛵ مرحبا
{{role "user"}}
Boat {{boat}}
{{#each crew}}
- {{name}}{{#if age}}, {{age}}{{/if}}
{{else}}
Nobody.
{{/each}}
"""


def lifted(folder, text, **partials):
    for name, own in partials.items():
        (folder / f"_{name}.prompt").write_text(own, encoding="utf-8")
    path = folder / "a.prompt"
    path.write_text(text, encoding="utf-8", newline="")
    return reader.read(Files(path), name="program")


def messages(draft):
    return [(message.role, message.template) for message in draft.steps[0].prompts[0].messages]


def rendered(folder, text, values=None, **partials):
    """All that a body renders to, as one text."""
    found = messages(lifted(folder, text, **partials))
    return "".join(template.render(values or {}) for _, template in found)


def told(draft):
    return {part.what: part for part in draft.unmapped}


def test_front_matter_gives_types_defaults_tools_and_reasons(tmp_path):
    draft = lifted(tmp_path, LETTER)
    step = draft.steps[0]
    inputs = {one.name: one for one in step.inputs}
    outputs = {one.name: one for one in step.outputs}
    assert list(inputs) == ["boat", "crew", "port"]
    assert inputs["boat"].description == "its name"
    assert inputs["crew"].schema["items"]["properties"]["age"]["anyOf"][0] == {"type": "integer"}
    assert outputs["risk"].schema == {"type": "integer", "minimum": 1, "maximum": 5}
    assert outputs["kind"].schema == {"enum": ["day", "night"]}
    assert '"1 to 5"' in step.reasons["risk"]
    assert draft.defaults == {"port": "Bergen"}
    assert [tool.name for tool in step.tools] == ["tides"]


def test_roles_begin_messages_and_their_words_are_kept(tmp_path):
    (system, rules), (user, body) = messages(lifted(tmp_path, LETTER))
    assert (system, user) == ("system", "user")
    assert rules.render({"port": "Oslo"}) == "\nYou plan trips from Oslo. ⛵ مرحبا\n"
    crew = [{"name": "Ann", "age": 40}, {"name": "Bo", "age": None}]
    assert body.render({"boat": "Tern", "crew": crew}) == "\nBoat Tern\n- Ann, 40\n- Bo\n"
    assert body.render({"boat": "Tern", "crew": []}) == "\nBoat Tern\nNobody.\n"


def test_what_is_not_carried_over_is_told_with_its_line(tmp_path):
    found = told(lifted(tmp_path, LETTER))
    places = {what: part.where.rsplit(":", 1)[1] for what, part in found.items()}
    assert places == {"model": "4", "config": "5", "tools.tides": "20", "x.y": "21", "colour": "22"}
    assert found["colour"].why == "this key is not known"


DATA = {
    "name": "Ann",
    "items": ["a", "b"],
    "empty": [],
    "people": [{"n": "x", "tags": ["p", "q"]}, {"n": "y", "tags": []}],
    "map": {"k1": "v1", "k2": "v2"},
    "deep": {"a": {"b": "c"}},
    "yes": True,
    "no": False,
    "zero": 0,
    "three": 3,
    "nothing": None,
}


# What Handlebars 4.7 makes of each.
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{#each items}}{{@index}}{{this}}{{#unless @last}}, {{/unless}}{{/each}}", "0a, 1b"),
        ("{{#each items}}{{#if @first}}first {{/if}}{{.}} {{/each}}", "first a b "),
        ("{{#each map}}{{@key}}={{this}};{{/each}}", "k1=v1;k2=v2;"),
        (
            "{{#each people}}{{n}}{{#each tags}}[{{../n}}{{@../index}}{{../../name}}]{{/each}};{{/each}}",
            "x[x0Ann][x0Ann];y;",
        ),
        ("{{#each people as |p i|}}{{i}}{{p.n}}{{@root.name}} {{/each}}", "0xAnn 1yAnn "),
        ("{{#each people as |p i|}}{{#each p.tags as |t j|}}{{i}}{{t}}{{j}} {{/each}}{{/each}}", "0p0 0q1 "),
        (
            "{{#each map}}{{#each @root.items}}{{@../key}}{{@../index}}{{this}} {{/each}}{{/each}}",
            "k10a k10b k21a k21b ",
        ),
        ("{{#each empty}}x{{else}}empty{{/each}}", "empty"),
        ("{{#with deep}}{{a.b}}{{#with a}}{{b}}{{../../name}}{{/with}}{{/with}}", "ccAnn"),
        ("{{#with nothing}}x{{else}}{{name}}{{/with}}", "Ann"),
        ("{{#if zero}}y{{else}}n{{/if}}{{#if zero includeZero=true}}y{{else}}n{{/if}}", "ny"),
        ("{{#if empty}}y{{else if yes}}else{{else}}n{{/if}}", "else"),
        ('{{#ifEquals three 3}}a{{/ifEquals}}{{#ifEquals three "3"}}b{{else}}c{{/ifEquals}}', "ac"),
        ('{{#unlessEquals name "Bo"}}other{{/unlessEquals}}', "other"),
        ("{{yes}} {{no}} {{zero}} [{{nothing}}] {{items}}", "true false 0 [] a,b"),
        ("{{json deep}} {{json items indent=2}}", '{"a":{"b":"c"}} [\n  "a",\n  "b"\n]'),
        ('{{lookup items 1}} {{lookup map "k2"}} {{items.length}} {{map.[k1]}}', "b v2 2 v1"),
        ("{{{name}}} {{&name}} {{ this.name }} {{./name}}", "Ann Ann Ann Ann"),
        ("a{{! one }}b{{!-- {{two}} --}}c", "abc"),
        ("\\{{name}} \\\\{{name}}", "{{name}} \\Ann"),
        ("x  {{~name~}}  y", "xAnny"),
        ("a\n{{#if yes}}\nb\n{{else}}\nc\n{{/if}}\nd", "a\nb\nd"),
        ("a\n  {{#if no}}\n  b\n  {{else if zero}}\n  c\n  {{else}}\n  d\n  {{/if}}\ne", "a\n  d\n  e"),
        ("a\n  {{! alone }}  \nb", "a\nb"),
        ("S\n{{~#if yes~}}\nC\n{{~/if~}}\nE", "SCE"),
        ("{{#each items}}\n- {{this}}\n{{/each}}\nend", "- a\n- b\nend"),
        ("{% raw %} {{name}} {# no #} {%", "{% raw %} Ann {# no #} {%"),
    ],
)
def test_bodies_render_as_handlebars_renders_them(tmp_path, template, text):
    assert rendered(tmp_path, template, DATA) == text


def test_partials_stand_in_their_place_with_their_indent_and_arguments(tmp_path):
    body = "Team:\n  {{> line who=name}}\nend {{> plain}}"
    partials = {"line": "# {{who}}\n\nof {{city}}\n", "plain": "<{{> inner}}>", "inner": "{{name}}"}
    text = rendered(tmp_path, body, {"name": "Ann", "city": "Rome"}, **partials)
    assert text == "Team:\n  # Ann\n  \n  of Rome\nend <Ann>"


def test_a_partial_may_be_given_another_context(tmp_path):
    body = "{{#each people}}{{> one this greeting=../hi}}{{/each}}"
    data = {"people": [{"n": "x"}, {"n": "y"}], "hi": "Hi"}
    assert rendered(tmp_path, body, data, one="{{greeting}} {{n}}. ") == "Hi x. Hi y. "


def test_earlier_turns_and_pictures_are_told(tmp_path):
    draft = lifted(
        tmp_path, '{{role "system"}}S\n{{history}}\n{{role "user"}}{{media url=photo}} What is it?'
    )
    assert [role for role, _ in messages(draft)] == ["system", "user"]
    assert {"{{history}}", "{{media}}"} <= told(draft).keys()
    assert "photo" in messages(draft)[1][1].inputs


def test_a_role_within_a_loop_stands_in_words(tmp_path):
    text = '{{#each turns}}{{role "user"}}{{q}}\n{{role "model"}}{{a}}\n{{/each}}'
    draft = lifted(tmp_path, text)
    ((role, template),) = messages(draft)
    assert role == "user"
    assert template.render({"turns": [{"q": "1", "a": "2"}]}) == "user: 1\nmodel: 2\n"
    assert "{{role}}" in told(draft)


def test_all_inputs_at_once_are_those_of_the_schema(tmp_path):
    text = "---\ninput:\n  schema:\n    a: string\n    b: integer\n---\n{{json this}}"
    assert rendered(tmp_path, text, {"a": "x", "b": 2}) == '{"a":"x","b":2}'


def test_sections_are_read_by_the_type_that_the_schema_states(tmp_path):
    front = "---\ninput:\n  schema:\n    flag: boolean\n    them(array): string\n    one: {n: string}\n---\n"
    body = "{{#flag}}yes{{/flag}}{{^flag}}no{{/flag}} {{#them}}<{{this}}>{{/them}} {{#one}}{{n}}{{/one}}"
    values = {"flag": True, "them": ["a", "b"], "one": {"n": "1"}}
    assert rendered(tmp_path, front + body, values) == "yes <a><b> 1"
    with pytest.raises(PrototypeError, match="unknown type"):
        lifted(tmp_path, "{{#thing}}x{{/thing}}")


def test_without_front_matter_the_whole_file_is_the_prompt(tmp_path):
    assert (
        rendered(tmp_path, "# A heading\n\nHello {{name}}\n", {"name": "Ann"}) == "# A heading\n\nHello Ann\n"
    )


def test_names_that_python_cannot_use_are_renamed_and_told(tmp_path):
    draft = lifted(tmp_path, "{{class}} {{user-name}} {{Name}} {{name}} {{#each loop}}{{this}}{{/each}}")
    names = list(messages(draft)[0][1].inputs)
    assert len(names) == 5
    assert all(name.isidentifier() for name in names)
    assert len({name.casefold() for name in names}) == 5
    values = dict(zip(names, ["a", "b", "c", "d", ["e"]], strict=True))
    assert messages(draft)[0][1].render(values) == "a b c d e"
    why = {part.what: part.why for part in draft.unmapped}
    assert why["class"].startswith("renamed to ")
    assert "user-name" in why
    assert "name" in why


def test_values_of_the_callers_code_become_inputs_and_are_told(tmp_path):
    draft = lifted(tmp_path, "Hello {{@auth.email}}")
    assert list(messages(draft)[0][1].inputs) == ["auth"]
    assert "@auth" in told(draft)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n{{#if x}}\nb", 2),
        ("a\n\n{{/if}}", 3),
        ("{{#if x}}\n{{/each}}", 2),
        ("a {{name", 1),
        ("a\n{{shout name}}", 2),
        ("a\n{{#list x}}{{/list}}", 2),
        ("{{role 'boss'}}x", 1),
        ("\n{{> nowhere}}", 2),
        ("{{../x}}", 1),
        ("{{{{raw}}}} x {{{{/raw}}}}", 1),
        ("{{#if (eq a b)}}x{{/if}}", 1),
        ("---\na: 1\n---\n\nx\n{{#if}}y{{/if}}", 6),
        ("---\nmodel: [1\n---\nx", 2),
        ("---\nmodel: 1\nx", 1),
        ("---\ninput: 3\n---\nx", 2),
        ("---\nconfig: !!python/object:os.system {}\n---\nx", 2),
    ],
)
def test_what_does_not_parse_is_refused_with_its_line(tmp_path, text, line):
    with pytest.raises(PrototypeError) as caught:
        lifted(tmp_path, text)
    assert caught.value.where.removeprefix(str(tmp_path / "a.prompt:")).split(":")[0] == str(line)


def test_partials_that_contain_themselves_or_leave_the_folder_are_refused(tmp_path):
    with pytest.raises(PrototypeError, match="contains itself: a > b > a"):
        lifted(tmp_path, "{{> a}}", a="{{> b}}", b="{{> a}}")
    (tmp_path / "_out.prompt").write_text("secret")
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(PrototypeError):
        lifted(inner, "{{> [../out]}}")


def test_templates_with_many_unclosed_quotes_are_refused_at_once(tmp_path):
    with pytest.raises(PrototypeError):
        lifted(tmp_path, '{{"a" ' * 2000)


@pytest.mark.parametrize(
    ("pico", "schema"),
    [
        ("string", {"type": "string"}),
        ("number,  how many, roughly", {"type": "number", "description": "how many, roughly"}),
        ("any, whatever", {"description": "whatever"}),
        (
            "integer, from 0 to 10",
            {"type": "integer", "minimum": 0, "maximum": 10, "description": "from 0 to 10"},
        ),
        ("integer, about 3 to 5", {"type": "integer", "description": "about 3 to 5"}),
        ("string, 1 to 5 words", {"type": "string", "description": "1 to 5 words"}),
        ("string[], tags", {"type": "array", "items": {"type": "string"}, "description": "tags"}),
        ({"type": "integer", "minimum": 2}, {"type": "integer", "minimum": 2}),
        (
            {"a?(enum, which)": ["x", None], "(*)": "number"},
            {
                "type": "object",
                "properties": {"a": {"enum": ["x", None], "description": "which"}},
                "additionalProperties": {"type": "number"},
                "required": [],
            },
        ),
        (
            {"tags(array, all)": "string, one", "o(object)": {"n?": "null"}},
            {
                "type": "object",
                "properties": {
                    "tags": {
                        "type": "array",
                        "items": {"type": "string", "description": "one"},
                        "description": "all",
                    },
                    "o": {
                        "type": "object",
                        "properties": {"n": {"type": "null"}},
                        "additionalProperties": False,
                        "required": [],
                    },
                },
                "additionalProperties": False,
                "required": ["tags", "o"],
            },
        ),
        (
            {"properties": {"a": "string, mixed in"}},
            {"type": "object", "properties": {"a": {"type": "string", "description": "mixed in"}}},
        ),
    ],
)
def test_picoschema_is_written_out(pico, schema):
    assert written_out(pico, where="a.prompt").schema == schema


def test_named_schemas_and_open_objects_are_told(tmp_path):
    front = "---\noutput:\n  schema:\n    owner: Person\n    (*): any\n---\nx"
    draft = lifted(tmp_path, front)
    assert [one.name for one in draft.steps[0].outputs] == ["owner"]
    assert any("Person" in what for what in told(draft))
    assert any("(*)" in what for what in told(draft))


def test_an_answer_that_is_no_object_is_one_field(tmp_path):
    (output,) = lifted(tmp_path, "---\noutput:\n  schema: integer, 1 to 3\n---\nx").steps[0].outputs
    assert (output.name, output.schema) == ("answer", {"type": "integer", "minimum": 1, "maximum": 3})


@pytest.mark.parametrize("schema", ["{a(list): string}", "{'(x)': string}", "{a: 3}", "{a(enum): []}"])
def test_a_wrong_picoschema_is_refused_with_its_place(tmp_path, schema):
    with pytest.raises(PrototypeError) as caught:
        lifted(tmp_path, f"---\noutput:\n  schema: {schema}\n---\nx")
    assert ":3: $" in caught.value.where


SENTENCE = st.text(
    st.characters(exclude_categories=("C",), exclude_characters="\\~\r\n\u2028\u2029\x85"),
    min_size=1,
    max_size=40,
).filter(lambda text: text.strip() and "{{" not in text and not text.endswith("{") and text[0] != "}")
NAME = st.from_regex(r"slot_[a-z]{1,6}", fullmatch=True)
BLOCKS = st.sampled_from(
    [
        "{}",
        "{{{{#if on}}}}{}{{{{/if}}}}",
        "{{{{#each rows}}}}{}{{{{/each}}}}",
        "{{{{#with o}}}}{}{{{{/with}}}}",
    ]
)


@settings(max_examples=60)
@given(
    lines=st.lists(st.tuples(SENTENCE, NAME, BLOCKS), min_size=1, max_size=5),
    role=st.sampled_from(["system", "user", "model"]),
)
def test_every_slot_and_sentence_is_in_the_messages(tmp_path_factory, lines, role):
    inner = [block.format(f"{sentence} {{{{@root.{name}}}}}.") for sentence, name, block in lines]
    text = f'{{{{role "{role}"}}}}' + "\n".join(inner)
    found = messages(lifted(tmp_path_factory.mktemp("property"), text))
    values = {name: f"<{name}>" for _, name, _ in lines} | {"on": True, "rows": [1], "o": {"x": 1}}
    shown = "\n".join(template.render(values) for _, template in found)
    pieces = [piece for _, template in found for piece in template.pieces()]
    words = "".join(piece for piece in pieces if not isinstance(piece, Slot))
    for sentence, name, _ in lines:
        assert sentence in shown
        assert sentence in words
        assert f"<{name}>" in shown
    assert {name for _, name, _ in lines} <= {piece.name for piece in pieces if isinstance(piece, Slot)}
