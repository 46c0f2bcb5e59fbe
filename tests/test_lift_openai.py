"""OpenAI messages become prompts, demos, outputs and tools, and what does not is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError, RowInputError
from shipworthy.lift import openai_reader
from shipworthy.lift.draft import Draft, StepDraft
from shipworthy.lift.files import Files
from shipworthy.lift.openai_demos import values_in
from shipworthy.lift.openai_reader import read_text
from shipworthy.lift.pieces import Slot

SYSTEM = {"role": "system", "content": "You sort letters that a museum receives."}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["wish", "pages", "sender"],
    "properties": {
        "wish": {"type": "string", "enum": ["loan", "visit", "sale"], "description": "What is wanted."},
        "pages": {"type": ["integer", "null"], "minimum": 1},
        "sender": {"anyOf": [{"$ref": "#/$defs/sender"}, {"type": "null"}]},
    },
    "$defs": {
        "sender": {
            "type": "object",
            "required": ["name", "tags"],
            "properties": {
                "name": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
FORM = {"type": "json_schema", "json_schema": {"name": "letter", "strict": True, "schema": SCHEMA}}
VISIT = {"wish": "visit", "pages": 2, "sender": {"name": "Ada", "tags": ["school"]}}


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text if isinstance(text, str) else json.dumps(text)}


def read(request: Any) -> Draft:
    text = request if isinstance(request, str) else json.dumps(request, ensure_ascii=False)
    return read_text(text, name="sort", where="letters.json")


def step_of(request: Any) -> StepDraft:
    (step,) = read(request).steps
    return step


def asked(request: Any) -> list[tuple[str, str]]:
    return [(message.role, message.template.text) for message in step_of(request).prompts[0].messages]


def told(request: Any) -> dict[str, tuple[str, str]]:
    return {part.what: (part.where, part.why) for part in read(request).unmapped}


def function(name: str, properties: Any, **further: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters, **further}}


# Requests in their forms


def test_a_request_gives_messages_outputs_demos_and_tools() -> None:
    request = {
        "model": "gpt-4o",
        "temperature": 0,
        "messages": [
            SYSTEM,
            user("Letter:\nMay we come?\n\nFrom: Ada"),
            assistant(VISIT),
            user("Letter:\n{letter}\n\nFrom: {sender_line}"),
        ],
        "response_format": FORM,
        "tools": [function("free_rooms", {"day": {"type": "string", "format": "date"}}, description="Rooms")],
    }
    draft = read(request)
    (step,) = draft.steps
    assert [message.role for message in step.prompts[0].messages] == ["system", "user"]
    assert [field.name for field in step.outputs] == ["wish", "pages", "sender"]
    assert step.outputs[0].schema == {"enum": ["loan", "visit", "sale"]}
    assert step.outputs[0].description == "What is wanted."
    assert step.outputs[1].schema == {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}
    assert step.reasons["wish"] == "the JSON Schema 'letter' at response_format.json_schema.schema"
    (demo,) = step.demos
    assert demo.inputs == {"letter": "May we come?", "sender_line": "Ada"}
    assert demo.outputs == VISIT
    (tool,) = step.tools
    assert (tool.name, tool.description) == ("free_rooms", "Rooms")
    assert tool.parameters["properties"] == {"day": {"type": "string", "format": "date"}}
    assert [(part.what, part.why) for part in draft.unmapped] == [
        ("model, temperature", "recorded, not carried over: model gpt-4o; temperature 0")
    ]


def test_what_is_sent_holds_the_examples_that_became_demos() -> None:
    prompt = step_of([SYSTEM, user("Q: a?"), assistant("A: b"), user("Q: {q}")]).prompts[0]
    assert len(prompt.messages) == 2
    assert prompt.render({"q": "c?"}) == (
        ("system", SYSTEM["content"]),
        ("user", "Q: a?"),
        ("assistant", "A: b"),
        ("user", "Q: c?"),
    )


@pytest.mark.parametrize(
    "request_",
    [
        [SYSTEM, user("Q: {q}")],
        {"messages": [{"role": "developer", "content": SYSTEM["content"]}, user("Q: {q}")]},
        {"messages": [SYSTEM, user([{"type": "text", "text": "Q: {q}"}])]},
        {"instructions": SYSTEM["content"], "input": "Q: {q}"},
        {
            "instructions": SYSTEM["content"],
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Q: {q}"}]}
            ],
        },
        {"system": SYSTEM["content"], "messages": [user("Q: {q}")]},
        {"custom_id": "1", "url": "/v1/chat/completions", "body": {"messages": [SYSTEM, user("Q: {q}")]}},
    ],
)
def test_every_form_of_a_request_gives_the_same_messages(request_: Any) -> None:
    assert asked(request_) == [("system", SYSTEM["content"]), ("user", "Q: {q}")]


def test_the_form_of_the_responses_api_states_outputs_and_tools() -> None:
    step = step_of(
        {
            "input": "Q: {q}",
            "instructions": "Sort.",
            "text": {"format": {"type": "json_schema", "name": "letter", "schema": SCHEMA}},
            "tools": [{"type": "function", "name": "rooms", "parameters": {}}],
        }
    )
    assert [field.name for field in step.outputs] == ["wish", "pages", "sender"]
    assert step.tools[0].parameters == {"type": "object", "properties": {}, "required": []}


def test_lines_of_a_batch_are_candidates_and_a_long_one_is_refused() -> None:
    def line(number: int, words: str) -> str:
        messages = [{"role": "system", "content": words}, user("{letter}")]
        return json.dumps({"custom_id": f"r{number}", "body": {"model": "m", "messages": messages}})

    step = step_of(
        "\n".join(line(number, words) for number, words in enumerate(["Sort.", "Order.", "Sort."]))
    )
    assert [prompt.label for prompt in step.prompts] == ["r0", "r1"]
    with pytest.raises(PrototypeError, match="are rows, and no candidates"):
        read("\n".join(line(number, f"Sort {number}.") for number in range(30)))
    with pytest.raises(PrototypeError, match=r"letters\.json:2:14"):
        read(f'{line(0, "Sort.")}\n{{"body": [1, }}')


def test_an_answer_that_is_no_object_is_one_output() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "description": "Names."}
    request = {
        "messages": [user("Q: a"), assistant(["x", "y"]), user("Q: {answer}")],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    step = step_of(request)
    (field,) = step.outputs
    assert (field.name, field.schema["type"], field.description) == ("answer_2", "array", "Names.")
    assert step.demos[0].outputs == {"answer_2": ["x", "y"]}


def test_a_function_that_must_be_called_states_the_outputs() -> None:
    call = {"name": "file", "arguments": '{"shelf": 3}'}
    request = {
        "messages": [
            user("Q: a"),
            {"role": "assistant", "content": None, "function_call": call},
            user("Q: {q}"),
        ],
        "functions": [function("file", {"shelf": {"type": "integer"}})["function"]],
        "function_call": {"name": "file"},
    }
    step = step_of(request)
    assert [(field.name, field.schema) for field in step.outputs] == [("shelf", {"type": "integer"})]
    assert step.tools == ()
    assert step.demos[0].outputs == {"shelf": 3}


# Few-shot turns


def test_answers_without_a_schema_are_text_or_the_objects_that_they_are() -> None:
    plain = step_of([user("Q: a"), assistant("b"), user("Q: {q}")])
    assert (plain.outputs, plain.demos[0].outputs) == ((), {"answer": "b"})
    objects = step_of([user("Q: a"), assistant({"x": 1}), user("Q: {q}")])
    assert objects.demos[0].outputs == {"x": 1}


@pytest.mark.parametrize(
    ("turns", "why"),
    [
        ([user("Other: a"), assistant(VISIT)], "does not fit this turn in exactly one way"),
        ([user("Q: a"), assistant({**VISIT, "wish": "gift"})], "the answer does not fit: wish"),
        ([user("Q: a"), assistant({"wish": "loan"})], "the answer has no 'pages'"),
        ([user("Q: a"), assistant({**VISIT, "more": 1})], "the answer has 'more', which is no output"),
        ([user("Q: a"), assistant("a visit")], "the answer is no JSON object"),
    ],
)
def test_turns_that_do_not_fit_stay_turns_and_are_told(turns: list[Any], why: str) -> None:
    request = {"messages": [SYSTEM, *turns, user("Q: {q}")], "response_format": FORM}
    assert step_of(request).demos == ()
    assert [text for _, text in asked(request)] == [
        SYSTEM["content"],
        *(t["content"] for t in turns),
        "Q: {q}",
    ]
    (where, reason) = told(request)["turns messages[1] and messages[2]"]
    assert where == "letters.json: messages[1]"
    assert why in reason


def test_a_turn_with_slots_is_no_example_and_a_slot_elsewhere_keeps_all_turns() -> None:
    assert step_of([user("Q: {first}"), assistant("{reply}"), user("Q: {q}")]).demos == ()
    request = [{"role": "system", "content": "For {shop}."}, user("Q: a"), assistant("b"), user("Q: {q}")]
    assert "no value of shop" in told(request)["turns messages[1] and messages[2]"][1]


def test_a_file_that_ends_before_the_message_of_a_row_gets_an_input() -> None:
    request = [SYSTEM, user("lend us a vase"), assistant("loan"), user("buy my pot"), assistant("sale")]
    step = step_of(request)
    assert [demo.inputs for demo in step.demos] == [{"message": "lend us a vase"}, {"message": "buy my pot"}]
    assert step.prompts[0].render({"message": "hi {x}"})[-1] == ("user", "hi {x}")
    assert len(step.prompts[0].render({"message": "hi"})) == 6
    assert "{message}" in told(request)


def test_examples_told_by_the_names_of_system_messages_are_turns() -> None:
    request = [
        SYSTEM,
        {"role": "system", "name": "example_user", "content": "Q: a"},
        {"role": "system", "name": "example_assistant", "content": "b"},
        user("Q: {q}"),
    ]
    assert step_of(request).demos[0].inputs == {"q": "a"}


def test_calls_of_tools_within_an_example_are_told_and_its_last_answer_counts() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "rooms", "arguments": "{}"}}
    request = {
        "messages": [
            user("Q: a"),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "3 rooms"},
            assistant("three"),
            user("Q: {q}"),
        ],
        "tools": [function("rooms", {})],
    }
    assert step_of(request).demos[0].outputs == {"answer": "three"}
    assert told(request)["role tool"][0] == "letters.json: messages[2]"
    assert told(request)["call of rooms"][0] == "letters.json: messages[1]"


def test_values_are_found_only_where_there_is_one_way() -> None:
    pieces = ("A: ", Slot("a", "{a}"), "\nB: ", Slot("b", "{b}"), "!")
    assert values_in(pieces, "A: x\nB: y!!") == {"a": "x", "b": "y!"}
    assert values_in(pieces, "A: x\nB: y\nB: z!") is None
    assert values_in(pieces, "A: x\nB: y") is None
    assert values_in((Slot("a", "{a}"), "-", Slot("a", "{a}")), "x-x") == {"a": "x"}
    assert values_in((Slot("a", "{a}"), "-", Slot("a", "{a}")), "x-y") is None
    assert values_in((Slot("a", "{a}"), Slot("b", "{b}")), "xy") is None


# What is not carried over


def test_what_is_not_carried_over_is_told_with_its_place() -> None:
    request = {
        "api_key": "sk-secret",
        "previous_response_id": "resp_1",
        "messages": [
            user([{"type": "text", "text": "{q}"}, {"type": "image_url", "image_url": {"url": "http://x"}}]),
            {"role": "narrator", "content": "Meanwhile."},
            {"role": "user", "content": "{r}", "name": "Ada", "mood": "calm"},
        ],
        "tools": [{"type": "web_search"}, function("free-rooms", {"class": {"type": "string"}})],
        "response_format": {"type": "json_object"},
    }
    parts = told(request)
    assert parts["image_url"][0] == "letters.json: messages[0].content[1]"
    assert parts["role narrator"][0] == "letters.json: messages[1]"
    assert parts["name Ada"][0] == "letters.json: messages[2].name"
    assert parts["mood"][0] == "letters.json: messages[2].mood"
    assert parts["tool web_search"][0] == "letters.json: tools[0]"
    assert parts["free-rooms"][1] == "renamed to free_rooms: 'free-rooms' is not a Python name"
    assert parts["class"][0] == "letters.json: tools[1].function.parameters.class"
    assert parts["previous_response_id"][1] == "it is kept by the provider, and not in this file"
    assert parts["api_key, response_format"][1] == (
        "recorded, not carried over: api_key (not shown); response_format json_object"
    )
    assert "sk-secret" not in str(read(request).unmapped)


def test_names_of_outputs_that_cannot_be_fields_are_renamed_in_demos_too() -> None:
    properties = {"class": {"type": "string"}, "due-date": {"type": "string"}, "q": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    request = {
        "messages": [user("Q: a"), assistant({"class": "x", "due-date": "y", "q": "z"}), user("Q: {q}")],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    assert step_of(request).demos[0].outputs == {"class_": "x", "due_date": "y", "q_2": "z"}
    assert told(request)["q"][1] == "renamed to q_2: 'q' names an input"


def test_slots_that_python_cannot_name_are_renamed_in_texts_and_in_templates() -> None:
    plain = [user("{class} {Name} {name} {order-id}")]
    assert set(step_of(plain).prompts[0].messages[0].template.inputs) == {"class_", "Name", "order_id"}
    assert told(plain)["{class}"] == (
        "letters.json: messages[0]",
        "renamed to class_: 'class' is a Python keyword",
    )
    template = """[{% if class %}{"role": "system", "content": "{{ class }}"},{% endif %}
      {"role": "user", "content": "{{ config }} {{ q }}"}]"""
    prompt = step_of(template).prompts[0]
    names = [name for message in prompt.messages for name in message.template.inputs]
    assert names == ["class_", "config_", "q"]
    values = {"class_": "x", "config_": "y", "q": "z"}
    assert prompt.render(values) == (("system", "x"), ("user", "y z"))
    assert told(template)["class"][1].startswith("renamed to class_: ")


def test_one_way_of_spelling_slots_holds_for_all_messages_of_a_file() -> None:
    request = [
        {"role": "system", "content": 'Answer as {{"fit": 1}} for {{ shop }}.'},
        user("{q} [URGENT] $5"),
    ]
    assert [list(m.template.inputs) for m in step_of(request).prompts[0].messages] == [[], ["q"]]


# Broken files


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ('[\n {"role": "user", "content": "x",}\n]', "letters.json:2:34", "broken"),
        ('[{"role": "user"\n  "content": "{{ q }}"}]', "letters.json:2:3", "a comma is expected"),
        (
            '[{"role": "user", "content": "a",\n "content": "b"}]',
            "letters.json:2:2",
            "'content' stands twice",
        ),
        ('[{"role": "user", "content": "\\ud83d"}]', "letters.json", "no character"),
        ('[{"role": "user", "content": NaN}]', "letters.json", "NaN is no JSON"),
        ('[{"role": "user", "content": "a\n{{ b }}"}]', "letters.json:1:32", "a line break"),
        ('[{% include "x" %} {"role": "user", "content": "a"}]', "letters.json:1", "reads another file"),
        ('[{% for a in b %}{"role": "user", "content": "{{ a }}"}]', "letters.json:1:56", "not closed"),
        ('{"messages": []}', "letters.json", "no messages"),
        ("[" * 100_000, "letters.json", "nested too deeply"),
    ],
)
def test_a_broken_file_is_refused_with_its_line_and_column(text: str, where: str, message: str) -> None:
    with pytest.raises(PrototypeError, match=message) as caught:
        read(text)
    assert caught.value.where == where


def test_a_template_that_calls_python_is_refused() -> None:
    text = '[{"role": "user", "content": "{{ q.__class__.__mro__ }}"}]'
    with pytest.raises((PrototypeError, RowInputError)):
        read(text).steps[0].prompts[0].render({"q": "x"})


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(PrototypeError, match="two tools are named 'rooms'"):
        read({"messages": [user("{q}")], "tools": [function("rooms", {}), function("rooms", {})]})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", json.dumps([user("x")]), True),
        ("a.json", '[{"role": "user", "content": "x"', True),
        ("a.txt", '[{"role": "user", "content": "{{ x }}"}{% if y %}{% endif %}]', True),
        ("a.txt", '{name}, answer as {"role": "x", "content": "y"}', False),
        ("a.json", json.dumps({"lc": 1, "kwargs": {"messages": [user("x")]}}), False),
        ("a.json", json.dumps({"prompts": ["x"], "messages": [user("x")]}), False),
        ("a.json", json.dumps({"a": 1}), False),
        ("a.md", "# Sort\n{letter}", False),
    ],
)
def test_a_file_is_recognised_by_what_it_holds(tmp_path: Path, name: str, text: str, expected: bool) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert openai_reader.recognises(Files(tmp_path / name)) is expected


def test_a_folder_is_not_recognised(tmp_path: Path) -> None:
    assert openai_reader.recognises(Files(tmp_path)) is False


# Templates that are JSON only once rendered

TURNS = """\
{# for the museum's desk #}
{% set house = "the museum" %}
[
  {"role": "system", "content": "You answer for {{ house }}, {{ city }}: \\"kindly\\"\\n"},
  {%- if notes %}
  {"role": "system", "content": {{ notes | tojson }}},
  {%- endif %}
  {% for turn in history %}
  {"role": "user", "content": "Q: {{ turn.question }}"},
  {"role": "assistant", "content": "{{ turn.answer }}"},
  {% endfor %}
  {"role": "user", "content": "Q: {{ question }}"}
]
"""
UGLY = [
    'say "hi"',
    "two\nlines",
    "back\\slash \\n",
    "{{ x }} {% if %}",
    "👩‍👩‍👧 עברית",
    "\x1e0\x1f",
    "",
    " a ",
]


def escaped(value: Any) -> Any:
    """Values as they must be given so that the rendered file is JSON: their quotes escaped."""
    if isinstance(value, str):
        return json.dumps(value)[1:-1]
    if isinstance(value, list):
        return [escaped(one) for one in value]
    return {key: escaped(one) for key, one in value.items()}


def rendered_whole(text: str, values: dict[str, Any], raw: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    given = {name: value if name in raw else escaped(value) for name, value in values.items()}
    messages = json.loads(jinja2.Environment().from_string(text).render(given))
    return tuple((message["role"], message["content"]) for message in messages)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    city=st.sampled_from(UGLY),
    question=st.sampled_from(UGLY) | st.text('ab"\\\n{}%é🙂', max_size=9),
    notes=st.sampled_from([None, *UGLY]),
    history=st.lists(
        st.fixed_dictionaries({"question": st.sampled_from(UGLY), "answer": st.sampled_from(UGLY)}),
        max_size=3,
    ),
)
def test_a_template_of_json_renders_to_the_messages_of_the_rendered_file(
    city: str, question: str, notes: str | None, history: list[dict[str, str]]
) -> None:
    values = {"city": city, "question": question, "history": history}
    if notes is not None:
        values["notes"] = notes
    prompt = step_of(TURNS).prompts[0]
    assert prompt.render(values) == rendered_whole(TURNS, values, ("notes",))


def test_a_loop_over_turns_is_an_input_of_objects_and_told_in_the_prompt() -> None:
    messages = step_of(TURNS).prompts[0].messages
    assert [message.role for message in messages] == ["system", "system", "user", "user"]
    loop = messages[2].template
    items = loop.inputs["history"]["items"]
    assert set(items["properties"]) == {"question", "answer"}
    said = loop.render({"history": [{"question": "a?", "answer": "b"}]})
    assert said == "User: Q: a?\nAssistant: b\n"
    assert messages[3].template.render({"question": "c"}) == "Q: c"


def test_roles_conditions_and_whole_messages_may_come_from_a_template() -> None:
    text = """{
      "model": "{{ model }}",
      "messages": [
        {"role": "system", "content": {% if kind %}"Be kind."{% else %}"Be brief."{% endif %}},
        {{ earlier | tojson }},
        {% for m in history %}
          {"role": "{{ m.role }}", "content": {{ m.content | tojson }}}{% if not loop.last %},{% endif %}
        {% endfor %},
        {"role": "user", {% if name %}"name": "{{ name }}",{% endif %} "content": "{{ q }}"}
      ],
      "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {
        "type": "object", "properties": {"reply": {"type": "string"}}, "required": ["reply"]}}}
    }"""
    step = step_of(text)
    assert [field.name for field in step.outputs] == ["reply"]
    values = {
        "model": "m",
        "kind": True,
        "earlier": user("first"),
        "history": [{"role": "assistant", "content": 'a "b"'}, {"role": "user", "content": "c\nd"}],
        "name": None,
        "q": "now?",
    }
    assert step.prompts[0].render(values) == (
        ("system", "Be kind."),
        ("user", "first"),
        ("assistant", 'a "b"'),
        ("user", "c\nd"),
        ("user", "now?"),
    )
    with pytest.raises(RowInputError, match="'narrator' is no role"):
        step.prompts[0].render({**values, "history": [{"role": "narrator", "content": ""}]})


def test_examples_in_a_template_become_demos() -> None:
    text = """[{% if rules %}{"role": "system", "content": "{{ rules }}"},{% endif %}
      {"role": "user", "content": "Q: a"}, {"role": "assistant", "content": "b"},
      {"role": "user", "content": "Q: {{ q | default("none") }}"}]"""
    assert "conditions" in told(text)["turns messages[1] and messages[2]"][1]
    step = step_of(
        text.replace('{% if rules %}{"role": "system", "content": "{{ rules }}"},{% endif %}', "").replace(
            ' | default("none")', ""
        )
    )
    assert step.demos[0].inputs == {"q": "a"}


# Nothing is lost

WORDS = st.sampled_from(
    ["Sort it", "Be kind", "Ask twice", "ברוך הבא", "Größe 🙂", 'say "so"', "a\\b", "100 %"]
)
NAMES = st.sampled_from(["letter", "city", "day", "größe", "имя"])
CONTENTS = st.lists(WORDS | NAMES.map(lambda name: "{" + name + "}"), min_size=1, max_size=4).map(". ".join)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(["system", "developer", "user", "assistant"]), CONTENTS), max_size=5),
    CONTENTS,
    st.booleans(),
    st.booleans(),
)
def test_every_sentence_and_slot_is_in_the_draft(
    turns: list[tuple[str, str]], last: str, double: bool, parts: bool
) -> None:
    messages = []
    everything = [*turns, ("user", last)]
    for role, text in everything:
        spelled = text.replace("{", "{{").replace("}", "}}") if double else text
        content = [{"type": "text", "text": spelled}] if parts else spelled
        messages.append({"role": role, "content": content})
    step = step_of(messages)
    words = [word for _, text in everything for word in text.split(". ")]
    names = {word[1:-1] for word in words if word[0] == "{"}
    templates = [message.template for message in step.prompts[0].messages]
    assert {name for template in templates for name in template.inputs} == names
    sent = step.prompts[0].render({name: f"<{name}>" for name in names})
    assert [text for _, text in sent] == [text.replace("{", "<").replace("}", ">") for _, text in everything]
    held = "".join(
        piece.spelling if isinstance(piece, Slot) else piece
        for template in templates
        for piece in template.pieces()
    )
    sides = [side for demo in step.demos for side in (demo.inputs, demo.outputs)]
    held += " ".join(str(value) for side in sides for value in side.values())
    assert all(word in held for word in words)
