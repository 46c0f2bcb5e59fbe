"""TensorZero's configuration is read as programs: functions, variants, schemas, templates, tools."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift import tensorzero_reader as reader
from shipworthy.lift.files import Files
from shipworthy.lift.pieces import Slot

TOML = """\
[gateway]
observability.enabled = false

[functions.sort_mail]
type = "json"
user_schema = "schemas/user.json"
system_schema = "schemas/system.json"
output_schema = "schemas/output.json"
tools = ["look-up"]

[functions.sort_mail.variants.plain]
type = "chat_completion"
model = "openai::gpt-5-mini"
weight = 0.1
system_template = "plain/system.minijinja"
user_template = "user.minijinja"

[functions.sort_mail.variants.kind]
type = "chat_completion"
model = "anthropic::claude"
weight = 0.9
templates.system.path = "kind/system.minijinja"
templates.user = { path = "user.minijinja" }

[functions.sort_mail.variants.best]
type = "experimental_best_of_n_sampling"
candidates = ["plain", "kind"]

[functions.sort_mail.evaluators.same]
type = "exact_match"

[tools.look-up]
description = "Finds a customer."
parameters = "tools/look_up.json"

[tools.unused]
description = "Nobody calls it."
parameters = "tools/look_up.json"

[metrics.right_queue]
type = "boolean"
level = "inference"
optimize = "max"
"""

FILES = {
    "tensorzero.toml": TOML,
    "schemas/user.json": json.dumps(
        {
            "type": "object",
            "required": ["mail"],
            "properties": {
                "mail": {"type": "string", "description": "What they wrote."},
                "orders": {"type": "array", "items": {"type": "string"}},
            },
        }
    ),
    "schemas/system.json": json.dumps(
        {"type": "object", "required": ["shop"], "properties": {"shop": {"type": "string"}}}
    ),
    "schemas/output.json": json.dumps(
        {
            "type": "object",
            "required": ["queue", "urgency"],
            "properties": {
                "queue": {"enum": ["returns", "other"]},
                "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
            },
        }
    ),
    "plain/system.minijinja": "You sort mail of {{ shop }}.",
    "kind/system.minijinja": "You sort mail of {{ shop }}, kindly. 🌿 שלום",
    "user.minijinja": "{% for one in orders %}- {{ one }}\n{% endfor %}Mail: {{ mail }}",
    "tools/look_up.json": json.dumps({"type": "object", "properties": {"id": {"type": "string"}}}),
}


def written(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def lifted(folder, name="program"):
    return reader.read(Files(folder), name=name)


def told(draft):
    return {part.what: part for part in draft.unmapped}


def test_variants_are_candidate_prompts_and_the_heaviest_comes_first(tmp_path):
    step = lifted(written(tmp_path, FILES)).steps[0]
    assert [prompt.label for prompt in step.prompts] == ["kind", "plain"]
    system, user = step.prompts[0].messages
    assert (system.role, user.role) == ("system", "user")
    assert system.template.render({"shop": "Ruta"}) == "You sort mail of Ruta, kindly. 🌿 שלום"
    assert user.template.render({"mail": "Hi", "orders": ["a", "b"]}) == "- a\n- b\nMail: Hi"


def test_schemas_give_typed_inputs_and_outputs_with_their_files_as_reasons(tmp_path):
    step = lifted(written(tmp_path, FILES)).steps[0]
    types = {one.name: one.schema for one in (*step.inputs, *step.outputs)}
    assert set(types) == {"mail", "orders", "shop", "queue", "urgency"}
    assert types["urgency"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert {"type": "null"} in types["orders"]["anyOf"]
    assert "schemas/output.json" in step.reasons["queue"]


def test_a_tool_of_the_function_has_its_parameters(tmp_path):
    draft = lifted(written(tmp_path, FILES))
    (tool,) = draft.steps[0].tools
    assert tool.name == "look_up"
    assert tool.parameters["properties"] == {"id": {"type": "string"}}
    assert "renamed to look_up" in told(draft)["functions.sort_mail.tools.look-up"].why


def test_what_is_not_carried_over_is_told_with_its_place(tmp_path):
    found = told(lifted(written(tmp_path, FILES)))
    for what in (
        "gateway",
        "metrics.right_queue",
        "tools.unused",
        "functions.sort_mail.variants.best",
        "functions.sort_mail.evaluators.same",
        "functions.sort_mail.variants.kind: model",
    ):
        assert found[what].where.startswith("tensorzero.toml: ")
    assert "no definition" in found["metrics.right_queue"].why


def test_of_several_functions_the_first_is_lifted_or_the_one_with_the_programs_name(tmp_path):
    more = '\n[functions.judge-mail]\ntype = "chat"\n[functions.judge-mail.variants.one]\nmodel = "m"\n'
    written(tmp_path, {**FILES, "tensorzero.toml": TOML + more})
    draft = lifted(tmp_path)
    assert draft.steps[0].name == "program"
    assert "--name judge_mail" in told(draft)["functions.judge-mail"].why
    other = lifted(tmp_path, name="judge_mail")
    assert [prompt.label for prompt in other.steps[0].prompts] == ["one"]
    assert "functions.sort_mail" in told(other)


def test_without_a_template_what_the_caller_sends_is_the_message(tmp_path):
    toml = (
        '[functions.chat]\ntype = "chat"\n[functions.chat.variants.a]\nmodel = "m"\n'
        'system_instructions = "rules.txt"\n'
    )
    written(tmp_path, {"tensorzero.toml": toml, "rules.txt": "Be short. {{ not_a_slot }}"})
    step = lifted(tmp_path).steps[0]
    system, user = step.prompts[0].messages
    assert system.template.render({}) == "Be short. {{ not_a_slot }}"
    assert [one.name for one in step.inputs] == ["message"]
    assert user.template.render({"message": "Hello {{ you }}"}) == "Hello {{ you }}"


def test_a_template_of_another_name_is_the_users_message(tmp_path):
    toml = (
        '[functions.fact]\ntype = "chat"\nschemas.topic.path = "topic.json"\n'
        '[functions.fact.variants.a]\nmodel = "m"\ntemplates.topic.path = "topic.minijinja"\n'
        'templates.other.path = "topic.minijinja"\n'
    )
    schema = '{"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}'
    written(tmp_path, {"tensorzero.toml": toml, "topic.json": schema, "topic.minijinja": "On {{ topic }}"})
    draft = lifted(tmp_path)
    (user,) = draft.steps[0].prompts[0].messages
    assert user.role == "user"
    assert user.template.render({"topic": "tea"}) == "On tea"
    assert "functions.fact.variants.a.templates.other" in told(draft)


def test_inputs_that_no_template_words_stand_on_lines_of_their_own(tmp_path):
    toml = '[functions.f]\ntype = "chat"\nuser_schema = "u.json"\n[functions.f.variants.a]\nmodel = "m"\n'
    schema = '{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}'
    draft = lifted(written(tmp_path, {"tensorzero.toml": toml, "u.json": schema}))
    assert draft.steps[0].prompts[0].messages[0].template.render({"a": "x", "b": 2}) == "a: x\nb: 2"
    assert "functions.f.user_schema" in told(draft)


def test_weights_of_an_experiment_order_the_prompts(tmp_path):
    extra = '\n[functions.sort_mail.experimentation]\ntype = "static"\n'
    toml = TOML + extra + "candidate_variants = { plain = 3.0, kind = 1.0 }\n"
    draft = lifted(written(tmp_path, {**FILES, "tensorzero.toml": toml}))
    assert [prompt.label for prompt in draft.steps[0].prompts] == ["plain", "kind"]
    assert "functions.sort_mail.experimentation" in told(draft)


def test_a_configuration_in_several_files_is_read_as_one(tmp_path):
    files = {
        "config/tensorzero.toml": '[functions.f]\ntype = "chat"\n',
        "config/variants/a.toml": (
            '[functions.f.variants.a]\nmodel = "m"\nsystem_template = "../words/s.minijinja"\n'
        ),
        "config/more.toml": (
            '[functions.f.variants.b]\nmodel = "m"\nsystem_template = "words/s.minijinja"\n'
        ),
        "config/words/s.minijinja": "Say hello.",
        "pyproject.toml": "[project]\nname = 'beside'\n",
        "config/old/tensorzero.toml": '[functions.f]\ntype = "json"\n',
    }
    files_read = Files(written(tmp_path, files))
    assert reader.recognises(files_read)
    draft = reader.read(files_read, name="p")
    assert {prompt.label for prompt in draft.steps[0].prompts} == {"a", "b"}
    assert not {"pyproject.toml", "config/old/tensorzero.toml"} & files_read.texts.keys()


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("tensorzero.toml", "[functions.f]\ntype = chat\n", r"tensorzero\.toml:2:8"),
        ("schemas/user.json", '{"type": "object",\n "properties": }', r"user\.json:2:16"),
        ("user.minijinja", "a\n{% if mail %}", r"user\.minijinja:2"),
    ],
)
def test_broken_files_are_told_by_line(tmp_path, file, text, place):
    written(tmp_path, {**FILES, file: text})
    with pytest.raises(PrototypeError) as caught:
        lifted(tmp_path)
    assert re.search(place, caught.value.where)


@pytest.mark.parametrize(
    "template",
    [
        "{% include '/etc/passwd' %}",
        "{{ ''.__class__.__mro__ }}",
        "{% import 'x' as y %}{{ y.z() }}",
    ],
)
def test_templates_that_read_files_or_call_python_are_refused(tmp_path, template):
    written(tmp_path, {**FILES, "user.minijinja": template})
    with pytest.raises(PrototypeError):
        lifted(tmp_path)


def test_a_path_that_leaves_the_folder_is_refused(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "inside"
    written(inside, {**FILES, "tensorzero.toml": TOML.replace('"user.minijinja"', '"../secret.txt"')})
    with pytest.raises(PrototypeError, match="outside"):
        lifted(inside)


def test_slots_that_python_cannot_name_are_renamed_and_told(tmp_path):
    schema = {"type": "object", "properties": {"class": {"type": "string"}, "Mail": {"type": "string"}}}
    files = {
        **FILES,
        "schemas/user.json": json.dumps(schema),
        "user.minijinja": "{{ class }} / {{ Mail }} / {{ mail }}",
    }
    draft = lifted(written(tmp_path, files))
    user = draft.steps[0].prompts[0].messages[1].template
    names = list(user.inputs)
    assert len({name.casefold() for name in names}) == 3
    assert "class" not in names
    assert user.render(dict(zip(names, "abc", strict=True))) == "a / b / c"
    stated = {one.name for one in draft.steps[0].inputs}
    assert set(names[:2]) <= stated
    renamed = [part for part in draft.unmapped if "renamed to" in part.why]
    assert len(renamed) >= 2


def test_only_configurations_are_recognised(tmp_path):
    written(tmp_path, {"a/pyproject.toml": "[project]\nname = 'x'\n", "b/x.toml": "broken = ["})
    written(tmp_path, {"c/x.toml": "[functions.f.variants.v]\nmodel = broken"})
    assert not reader.recognises(Files(tmp_path / "a"))
    assert not reader.recognises(Files(tmp_path / "b" / "x.toml"))
    assert reader.recognises(Files(tmp_path / "c" / "x.toml"))
    assert not reader.recognises(Files(tmp_path / "missing.toml"))


SENTENCE = st.text(
    st.characters(exclude_categories=("C",), exclude_characters="{}%#\r\n\u2028\u2029\x85"),
    min_size=1,
    max_size=40,
).filter(str.strip)
NAME = st.from_regex(r"slot_[a-z]{1,6}", fullmatch=True)


@settings(max_examples=40)
@given(
    system=st.lists(SENTENCE, min_size=1, max_size=3),
    user=st.lists(st.tuples(SENTENCE, NAME), min_size=1, max_size=4),
)
def test_every_slot_and_sentence_is_in_the_messages(tmp_path_factory, system, user):
    files = {
        "tensorzero.toml": (
            '[functions.f]\ntype = "chat"\n[functions.f.variants.a]\nmodel = "m"\n'
            'system_template = "s"\nuser_template = "u"\n'
        ),
        "s": "\n".join(system),
        "u": "\n".join(f"{sentence} {{{{ {name} }}}}." for sentence, name in user),
    }
    draft = lifted(written(tmp_path_factory.mktemp("property"), files))
    messages = draft.steps[0].prompts[0].messages
    values = {name: f"<{name}>" for _, name in user}
    shown = "\n".join(message.template.render(values) for message in messages)
    pieces = [piece for message in messages for piece in message.template.pieces()]
    words = "".join(piece for piece in pieces if not isinstance(piece, Slot))
    for sentence in [*system, *(sentence for sentence, _ in user)]:
        assert sentence in shown
        assert sentence in words
    assert {piece.name for piece in pieces if isinstance(piece, Slot)} == set(values)
    assert all(value in shown for value in values.values())
