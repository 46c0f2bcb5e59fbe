"""Prompts that LangChain saved, and those of its hub."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError, RowInputError
from shipworthy.lift import langchain_reader
from shipworthy.lift.draft import Draft
from shipworthy.lift.files import Files
from shipworthy.lift.pieces import Slot

counter = itertools.count()


def files(tmp_path: Path, value: Any, *, name: str = "prompt.json", **others: str) -> Files:
    folder = tmp_path / str(next(counter))
    folder.mkdir()
    for other, text in others.items():
        (folder / other.replace("__", ".")).write_text(text)
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return Files(path)


def draft(tmp_path: Path, value: Any, **more: Any) -> Draft:
    found = files(tmp_path, value, **more)
    assert langchain_reader.recognises(found)
    return langchain_reader.read(found, name="task")


def rendered(found: Draft, **values: Any) -> list[tuple[str, str]]:
    (step,) = found.steps
    return list(step.prompts[0].render(values))


def asked(found: Draft, **values: Any) -> str:
    (message,) = found.steps[0].prompts[0].messages
    return message.template.render(values)


def inputs(found: Draft) -> list[str]:
    messages = found.steps[0].prompts[0].messages
    return list(dict.fromkeys(name for one in messages for name in one.template.inputs))


def outputs(found: Draft) -> dict[str, Any]:
    return {field.name: dict(field.schema) for field in found.steps[0].outputs}


def hub(*names: str, **kwargs: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", *names], "kwargs": kwargs}


def template(text: str, **more: Any) -> dict[str, Any]:
    return hub("prompt", "PromptTemplate", template=text, template_format="f-string", **more)


def human(text: str, **more: Any) -> dict[str, Any]:
    return hub("chat", "HumanMessagePromptTemplate", prompt=template(text, **more))


def ai(text: str) -> dict[str, Any]:
    return hub("chat", "AIMessagePromptTemplate", prompt=template(text))


def told(found: Draft) -> dict[str, str]:
    return {part.what: part.why for part in found.unmapped}


OPPOSITES = {
    "_type": "few_shot",
    "input_variables": ["term"],
    "prefix": "Name the colour of the thing.",
    "example_prompt": {"_type": "prompt", "template": "Thing: {thing}\nColour: {said}"},
    "examples": [{"thing": "snow", "said": "white"}, {"thing": "{coal}", "said": "black"}],
    "suffix": "Thing: {term}\nColour:",
    "example_separator": "\n--\n",
}


def test_doubled_braces_are_text_and_slots_have_formats(tmp_path: Path) -> None:
    found = draft(
        tmp_path,
        {
            "_type": "prompt",
            "input_variables": ["name", "price"],
            "template": 'Answer as {{"ok": true}}.\n{name!r} costs {price:.2f} euros, {{name}} aside.',
        },
    )
    assert inputs(found) == ["name", "price"]
    assert rendered(found, name="tea", price="2.5") == [
        ("user", "Answer as {\"ok\": true}.\n'tea' costs 2.50 euros, {name} aside.")
    ]
    assert found.steps[0].prompts[0].messages[0].template.inputs["price"] == {"type": "number"}
    assert not found.unmapped
    with pytest.raises(RowInputError, match="cannot be written as"):
        rendered(found, name="tea", price="dear")


def test_values_are_data_whatever_braces_they_hold(tmp_path: Path) -> None:
    found = draft(tmp_path, {"_type": "prompt", "template": "Sum up: {text}"})
    assert rendered(found, text="{x.__class__} {{y}}") == [("user", "Sum up: {x.__class__} {{y}}")]


def test_a_brace_that_opens_no_slot_stays_text_and_is_told(tmp_path: Path) -> None:
    found = draft(tmp_path, {"_type": "prompt", "template": 'Give {"a": 1} for {text}.\nDone }'})
    assert inputs(found) == ["text"]
    assert rendered(found, text="x") == [("user", 'Give {"a": 1} for x.\nDone }')]
    assert [part.where.rsplit(": ", 1)[1] for part in found.unmapped] == [
        "template, line 1",
        "template, line 1",
        "template, line 2",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{class} and {Text} and {text}", ["class_", "Text", "text_2"]),
        ("{order id} of {order-id}", ["order_id", "order_id_2"]),
        ("{user.name} {0}", ["name", "input_0"]),
        ("{copy}", ["copy_"]),
    ],
)
def test_slots_that_are_no_names_are_renamed_and_told(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = draft(tmp_path, {"_type": "prompt", "template": text})
    assert inputs(found) == expected
    for name in expected:
        if f"{{{name}}}" not in text and name not in ("name",):
            assert any(f"renamed to {name}: " in part.why for part in found.unmapped)


def test_partial_variables_are_defaults(tmp_path: Path) -> None:
    found = draft(
        tmp_path,
        {
            "_type": "prompt",
            "template": "{tone}: {text} {today}",
            "partial_variables": {
                "tone": "kind",
                "today": {"lc": 1, "type": "not_implemented", "id": ["function"]},
            },
        },
    )
    assert found.defaults == {"tone": "kind"}
    assert "a Python function" in told(found)["today"]


def test_few_shot_examples_stand_in_the_prompt_and_become_demos(tmp_path: Path) -> None:
    found = draft(tmp_path, OPPOSITES)
    assert inputs(found) == ["term"]
    assert rendered(found, term="grass") == [
        (
            "user",
            "Name the colour of the thing.\n--\nThing: snow\nColour: white\n--\n"
            "Thing: {coal}\nColour: black\n--\nThing: grass\nColour:",
        )
    ]
    assert asked(found, term="grass") == "Name the colour of the thing.\n--\nThing: grass\nColour:"
    assert outputs(found) == {"colour": {}}
    assert [(demo.inputs, demo.outputs) for demo in found.steps[0].demos] == [
        ({"term": "snow"}, {"colour": "white"}),
        ({"term": "{coal}"}, {"colour": "black"}),
    ]


def test_demos_keep_the_types_of_their_values(tmp_path: Path) -> None:
    value = {
        **OPPOSITES,
        "example_prompt": {"_type": "prompt", "template": "Review: {r}\nStars: {s}\nGood: {g}"},
        "examples": [{"r": "fine", "s": 4, "g": True}, {"r": "bad", "s": 1, "g": False}],
        "suffix": "Review: {review}\nStars:",
        "input_variables": ["review"],
    }
    found = draft(tmp_path, value)
    assert outputs(found) == {"stars": {"type": "integer"}, "good": {"type": "boolean"}}
    assert found.steps[0].demos[0].outputs == {"stars": 4, "good": True}


def test_examples_and_templates_by_file_are_read_within_the_folder(tmp_path: Path) -> None:
    value = {
        **{key: own for key, own in OPPOSITES.items() if key not in ("examples", "example_prompt", "prefix")},
        "examples": "shots.yaml",
        "example_prompt_path": "one.json",
        "prefix_path": "prefix.txt",
    }
    others = {
        "shots__yaml": "- {thing: snow, said: white}\n",
        "one__json": json.dumps({"_type": "prompt", "template_path": "one.txt"}),
        "one__txt": "Thing: {thing}\nColour: {said}",
        "prefix__txt": "Name it.",
    }
    found = draft(tmp_path, value, **others)
    assert rendered(found, term="x")[0][1].startswith("Name it.\n--\nThing: snow\nColour: white")
    assert len(found.steps[0].demos) == 1
    with pytest.raises(PrototypeError, match="outside"):
        draft(tmp_path, {"_type": "prompt", "template_path": "../../secret.txt"})
    with pytest.raises(PrototypeError, match="outside"):
        draft(tmp_path, {"_type": "prompt", "template_path": "/etc/passwd"})


def test_a_selector_is_told_and_its_examples_are_kept(tmp_path: Path) -> None:
    value = {key: own for key, own in OPPOSITES.items() if key != "examples"}
    selector = hub("example_selector", "LengthBasedExampleSelector", examples=OPPOSITES["examples"])
    found = draft(tmp_path, {**value, "example_selector": selector})
    assert len(found.steps[0].demos) == 2
    assert "chooses examples by the row" in told(found)["example_selector LengthBasedExampleSelector"]


def test_an_example_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError, match="'said' is missing") as caught:
        draft(tmp_path, {**OPPOSITES, "examples": [{"thing": "snow"}]})
    assert caught.value.where.endswith(": examples")


def test_few_shot_in_jinja_keeps_conditions(tmp_path: Path) -> None:
    value = {
        **OPPOSITES,
        "template_format": "jinja2",
        "prefix": "Name it{% if formal %}, please{% endif %}.",
        "example_prompt": {"template": "Thing: {{ thing }}\nColour: {{ said }}", "template_format": "jinja2"},
        "suffix": "Thing: {{ term }}\nColour:",
    }
    found = draft(tmp_path, value)
    text = rendered(found, term="x", formal=True)[0][1]
    assert text.startswith("Name it, please.\n--\nThing: snow")
    assert "Thing: {coal}" in text
    assert outputs(found) == {"colour": {}}


def test_hub_messages_of_every_kind_have_their_roles(tmp_path: Path) -> None:
    messages = [
        hub("chat", "SystemMessagePromptTemplate", prompt=template("Be {tone}.")),
        hub("messages", "SystemMessage", content="Braces {stay} here."),
        hub("chat", "MessagesPlaceholder", variable_name="history", optional=True, n_messages=4),
        hub("chat", "ChatMessagePromptTemplate", role="assistant", prompt=template("Hello {name}.")),
        hub("messages", "ToolMessage", content="12 degrees", tool_call_id="1"),
        human("{question}"),
    ]
    found = draft(
        tmp_path,
        hub("chat", "ChatPromptTemplate", messages=messages, input_variables=["question", "unheard"]),
    )
    assert inputs(found) == ["tone", "history", "name", "question"]
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    assert rendered(found, tone="kind", history=turns, name="Ada", question="Rain?") == [
        ("system", "Be kind."),
        ("system", "Braces {stay} here."),
        ("user", "user: hi\nassistant: ho"),
        ("assistant", "Hello Ada."),
        ("user", "12 degrees"),
        ("user", "Rain?"),
    ]
    assert found.defaults == {"history": []}
    schema = found.steps[0].prompts[0].messages[2].template.inputs["history"]
    assert schema["type"] == "array"
    assert "content" in schema["items"]["properties"]
    assert {"MessagesPlaceholder history", "n_messages", "role 'ToolMessage'", "unheard"} <= told(
        found
    ).keys()


def test_short_forms_of_messages_are_read(tmp_path: Path) -> None:
    found = draft(
        tmp_path,
        {
            "_type": "chat",
            "input_variables": ["x"],
            "messages": [
                ["system", "Be brief."],
                {"prompt": {"template": "On {x}.", "input_variables": ["x"]}},
                {"type": "ai", "data": {"content": "Yes {so}."}},
                {"role": "human", "content": "Go on."},
            ],
        },
    )
    assert rendered(found, x="tea") == [
        ("system", "Be brief."),
        ("user", "On tea."),
        ("assistant", "Yes {so}."),
        ("user", "Go on."),
    ]


def test_example_turns_become_demos(tmp_path: Path) -> None:
    shots = hub(
        "few_shot",
        "FewShotChatMessagePromptTemplate",
        examples=[{"input": "2+2", "output": "4"}],
        example_prompt=hub("chat", "ChatPromptTemplate", messages=[human("{input}"), ai("{output}")]),
    )
    found = draft(tmp_path, hub("chat", "ChatPromptTemplate", messages=[shots, human("{sum}")]))
    assert rendered(found, sum="1+1") == [("user", "2+2"), ("assistant", "4"), ("user", "1+1")]
    constant = draft(
        tmp_path,
        hub("chat", "ChatPromptTemplate", messages=[human("Sum: 2+2"), ai("4"), human("Sum: {sum}")]),
    )
    for one in (found, constant):
        assert len(one.steps[0].prompts[0].messages) == 1
        assert [(demo.inputs, demo.outputs) for demo in one.steps[0].demos] == [
            ({"sum": "2+2"}, {"answer": "4"})
        ]


def test_parts_that_are_no_text_are_told(tmp_path: Path) -> None:
    image = hub("image", "ImagePromptTemplate", template={"url": "{url}"})
    message = hub("chat", "HumanMessagePromptTemplate", prompt=[template("Describe {what}."), image])
    found = draft(tmp_path, hub("chat", "ChatPromptTemplate", messages=[message]))
    assert rendered(found, what="it") == [("user", "Describe it.")]
    assert "ImagePromptTemplate" in told(found)


def test_response_schemas_are_typed_outputs(tmp_path: Path) -> None:
    parser = hub(
        "output_parsers",
        "StructuredOutputParser",
        response_schemas=[
            {"name": "gift", "description": "whether it is one", "type": "boolean"},
            {"name": "days", "type": "integer"},
            {"name": "price-tags", "type": "List[string]"},
        ],
    )
    found = draft(tmp_path, {"_type": "prompt", "template": "{text}", "output_parser": parser})
    assert outputs(found) == {
        "gift": {"type": "boolean"},
        "days": {"type": "integer"},
        "price_tags": {"type": "array", "items": {"type": "string"}},
    }
    assert found.steps[0].outputs[0].description == "whether it is one"
    assert told(found)["price-tags"].startswith("renamed to price_tags")


def test_a_parser_whose_class_is_code_is_told(tmp_path: Path) -> None:
    parser = hub(
        "output_parsers", "PydanticOutputParser", pydantic_object={"lc": 1, "type": "not_implemented"}
    )
    found = draft(tmp_path, {"_type": "prompt", "template": "{text}", "output_parser": parser})
    assert not outputs(found)
    assert "not imported" in told(found)["PydanticOutputParser"]


@pytest.mark.parametrize(
    "instructions",
    [
        'Conform.\n\nHere is the output schema:\n```\n{"properties": {"setup": {"type": "string"},'
        ' "score": {"type": "integer"}}, "required": ["setup", "score"], "type": "object"}\n```',
        'A snippet:\n\n```json\n{\n\t"setup": string  // the question\n\t"score": integer  // 1 to 5\n}\n```',
    ],
)
def test_format_instructions_say_the_outputs(tmp_path: Path, instructions: str) -> None:
    found = draft(
        tmp_path,
        {
            "_type": "prompt",
            "template": "{text}\n{format_instructions}",
            "partial_variables": {"format_instructions": instructions},
        },
    )
    assert outputs(found) == {"setup": {"type": "string"}, "score": {"type": "integer"}}


def test_a_structured_prompt_has_its_schema_as_outputs(tmp_path: Path) -> None:
    schema = {
        "title": "Verdict",
        "type": "object",
        "properties": {
            "label": {"enum": ["good", "bad"], "type": "string"},
            "why": {"type": "string", "description": "a sentence"},
        },
        "required": ["label"],
    }
    found = draft(tmp_path, hub("structured", "StructuredPrompt", messages=[human("{text}")], schema_=schema))
    assert list(outputs(found)) == ["label", "why"]
    assert outputs(found)["label"]["enum"] == ["good", "bad"]


def test_a_prompt_piped_into_a_model_keeps_its_functions(tmp_path: Path) -> None:
    function = {"name": "save", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    other = {"name": "look_up", "description": "finds", "parameters": {"type": "object", "properties": {}}}
    model = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "chat_models", "openai", "ChatOpenAI"],
        "kwargs": {"model_name": "gpt-4o", "openai_api_key": {"lc": 1, "type": "secret", "id": ["KEY"]}},
    }
    bound = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "runnable", "RunnableBinding"],
        "kwargs": {
            "bound": model,
            "kwargs": {"functions": [function, other], "function_call": {"name": "save"}},
        },
    }
    sequence = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "runnable", "RunnableSequence"],
        "kwargs": {
            "first": hub("chat", "ChatPromptTemplate", messages=[human("{text}")]),
            "middle": [bound],
            "last": hub("output_parsers", "JsonOutputFunctionsParser"),
        },
    }
    found = draft(tmp_path, {"commit_hash": "abc", "manifest": sequence})
    assert list(outputs(found)) == ["n"]
    assert [tool.name for tool in found.steps[0].tools] == ["look_up"]
    assert "chosen when it is compiled" in told(found)["gpt-4o"]


def test_mustache_variables_are_slots(tmp_path: Path) -> None:
    found = draft(
        tmp_path,
        {
            "_type": "prompt",
            "template_format": "mustache",
            "template": "{{! note }}Hi {{name}}, {{{raw}}} {{&also}} {single} {{user.city}}",
        },
    )
    assert inputs(found) == ["name", "raw", "also", "city"]
    assert rendered(found, name="A", raw="<b>", also="&", city="Rome") == [
        ("user", "Hi A, <b> & {single} Rome")
    ]


def test_mustache_sections_are_read_as_loops_and_conditions_and_told(tmp_path: Path) -> None:
    text = (
        "{{#is_new}}\nWelcome!\n{{/is_new}}\n{{^is_new}}Back again.{{/is_new}}\n"
        "{{#items}}\n- {{sku}} {% %}\n{{/items}}\n{{#facts}}{{.}};{{/facts}}"
    )
    found = draft(tmp_path, {"_type": "prompt", "template_format": "mustache", "template": text})
    assert inputs(found) == ["is_new", "items", "facts"]
    assert rendered(found, is_new=True, items=[{"sku": "a"}, {"sku": "b"}], facts=["x", "y"]) == [
        ("user", "Welcome!\n\n- a {% %}\n- b {% %}\nx;y;")
    ]
    assert "loop" in told(found)["{{#items}}"]
    assert "condition" in told(found)["{{#is_new}}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{#a}}x", "not closed"),
        ("x{{/a}}", "closes nothing"),
        ("{{> header}}", "partial"),
        ("{{=<% %>=}}", "delimiters"),
    ],
)
def test_broken_mustache_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PrototypeError, match=message) as caught:
        draft(tmp_path, {"_type": "prompt", "template_format": "mustache", "template": text})
    assert "line 1" in caught.value.where


def test_a_pipeline_of_prompts_is_one_text(tmp_path: Path) -> None:
    found = draft(
        tmp_path,
        hub(
            "pipeline",
            "PipelinePromptTemplate",
            final_prompt=template("{intro}\n\n{start}"),
            pipeline_prompts=[["intro", template("You are {person}.")], ["start", template("Q: {input}")]],
        ),
    )
    assert rendered(found, person="Ada", input="why?") == [("user", "You are Ada.\n\nQ: why?")]


def test_yaml_is_read_as_data(tmp_path: Path) -> None:
    found = draft(
        tmp_path,
        "_type: prompt\ninput_variables: [word]\ntemplate: |\n  Opposite of {word}? 🙂 שלום\n",
        name="prompt.yaml",
    )
    assert rendered(found, word="Yes") == [("user", "Opposite of Yes? 🙂 שלום\n")]
    with pytest.raises(PrototypeError):
        draft(tmp_path, "_type: prompt\ntemplate: !!python/object/apply:os.system [x]\n", name="p.yaml")


def test_broken_files_are_told_by_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError, match="JSON is broken") as caught:
        draft(tmp_path, '{"_type": "prompt",\n "template": "x",,}')
    assert caught.value.where.endswith("prompt.json:2:18")
    with pytest.raises(PrototypeError, match="nested too deeply"):
        draft(tmp_path, '{"_type": "prompt", "template": ' + "[" * 100_000)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}, "nothing is imported"),
        ({"lc": 1, "type": "constructor", "id": ["langchain", "llms", "OpenAI"]}, "where a prompt"),
        ({"_type": "prompt", "template": "x", "template_format": "php"}, "not known"),
        ({"_type": "prompt"}, "no template"),
        ({"_type": "prompt", "template": 3}, "no text"),
        ({"_type": "chat", "messages": []}, "no message"),
        ({"_type": "chat", "messages": [3]}, "among messages"),
        (
            {"_type": "few_shot", "examples": "missing.json", "example_prompt": {"template": "x"}},
            "cannot be read",
        ),
        ({"_type": "few_shot", "examples": 4, "example_prompt": {"template": "x"}}, "no list"),
        ({"_type": "prompt", "template": "{{ x.__class__ }}", "template_format": "jinja2"}, None),
        ({"_type": "prompt", "template": "{% include 'x' %}", "template_format": "jinja2"}, None),
    ],
)
def test_what_is_no_prompt_is_refused(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(PrototypeError, match=message) as caught:
        draft(tmp_path, value)
    assert caught.value.hint
    assert caught.value.where


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "{",
        '{"role": "user", "content": "x"}',
        '[{"role": "user"}]',
        '{"prompts": ["x"]}',
        "nothing",
        "\0",
    ],
)
def test_other_files_are_not_claimed(tmp_path: Path, value: str) -> None:
    assert not langchain_reader.recognises(files(tmp_path, value))
    assert not langchain_reader.recognises(files(tmp_path, value, name="x.yaml"))
    assert not langchain_reader.recognises(files(tmp_path, value, name="x.txt"))
    assert not langchain_reader.recognises(Files(tmp_path))


WORD = st.text(st.characters(categories=["L", "Nd", "So"]), min_size=1, max_size=8)
SENTENCE = st.lists(WORD, min_size=1, max_size=6).map(" ".join).map(lambda words: words + ".")
NAME = st.sampled_from(["alpha", "beta", "gamma", "class", "Alpha", "order id", "délai"])
PART = st.one_of(SENTENCE, NAME.map(lambda name: (name,)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(PART, min_size=1, max_size=8),
    shape=st.sampled_from(["prompt", "chat", "few_shot", "hub"]),
    format=st.sampled_from(["f-string", "mustache"]),
)
def test_every_slot_and_sentence_is_kept(tmp_path: Path, parts: list[Any], shape: str, format: str) -> None:
    if format == "mustache":
        parts = [(part[0].replace(" ", "_"),) if isinstance(part, tuple) else part for part in parts]
    spelling = "{%s}" if format == "f-string" else "{{%s}}"
    text = " ".join(spelling % part if isinstance(part, tuple) else part for part in parts)
    sentences = [part for part in parts if isinstance(part, str)]
    keys = list(dict.fromkeys(part[0] for part in parts if isinstance(part, tuple)))
    one: dict[str, Any] = {"_type": "prompt", "template": text, "template_format": format}
    value = {
        "prompt": one,
        "chat": {"_type": "chat", "messages": [{"role": "system", "content": "A {b}."}, {"prompt": one}]},
        "few_shot": {**OPPOSITES, "template_format": format, "prefix": text, "suffix": "Thing:"},
        "hub": hub(
            "chat", "ChatPromptTemplate", messages=[hub("chat", "HumanMessagePromptTemplate", prompt=one)]
        ),
    }[shape]
    found = draft(tmp_path, value)
    names = inputs(found)
    assert len(names) == len(keys)
    assert all(name.isidentifier() for name in names)
    values = {name: f"<value {i}>" for i, name in enumerate(names)}
    shown = "\n".join(text for _, text in rendered(found, **values))
    messages = found.steps[0].prompts[0].messages
    pieces = [piece for message in messages for piece in message.template.pieces()]
    words = "".join(piece for piece in pieces if isinstance(piece, str))
    for sentence in sentences:
        assert sentence in shown
        assert sentence in words
    assert all(value in shown for value in values.values())
    assert {piece.name for piece in pieces if isinstance(piece, Slot)} == set(names)
    assert len(re.findall("<value ", shown)) == sum(isinstance(part, tuple) for part in parts)
