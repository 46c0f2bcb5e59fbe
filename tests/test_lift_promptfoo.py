"""promptfoo configurations become candidate prompts, rows with labels, and checks that run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError, ScoringError
from shipworthy.lift import promptfoo_assertions, promptfoo_reader
from shipworthy.lift.draft import Draft
from shipworthy.lift.files import Files
from shipworthy.lift.pieces import Slot
from shipworthy.scoring import Checks
from shipworthy.scoring import assertions as scoring_assertions

Written = dict[str, str]


def lift(
    folder: Path, config: str, others: Written | None = None, *, name: str = "promptfooconfig.yaml"
) -> Draft:
    for path, text in {name: config, **(others or {})}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    files = Files(folder / name)
    assert promptfoo_reader.recognises(files)
    return promptfoo_reader.read(files, name="desk")


def texts(draft: Draft) -> list[str]:
    (step,) = draft.steps
    return [prompt.messages[0].template.text for prompt in step.prompts]


def told(draft: Draft) -> dict[str, str]:
    return {part.what: part.why for part in draft.unmapped}


def outputs(draft: Draft) -> dict[str, Any]:
    (step,) = draft.steps
    return {field.name: field.schema for field in step.outputs}


def inputs(draft: Draft) -> set[str]:
    (step,) = draft.steps
    return {
        name for prompt in step.prompts for message in prompt.messages for name in message.template.inputs
    }


SHOP = """
description: a shop's desk
prompts:
  - "Is {{ item }} in stock? Yes or No."
  - label: polite
    raw: |-
      Kindly say whether we have {{item}}.
      Stock: {{stock}}
providers: [openai:gpt-4.1-mini]
defaultTest:
  vars:
    stock: kettles, mugs
  assert:
    - {type: latency, threshold: 2500}
    - {type: icontains, value: "{{answer}}"}
    - {type: llm-rubric, value: is kind}
tests:
  - vars: {item: kettle 😀, answer: Yes}
    assert:
      - {type: regex, value: "^Yes", weight: 2}
      - {type: javascript, value: output.length < 9}
  - vars: {item: שולחן, answer: No, stock: none, shelf: 4}
    assert:
      - {type: llm-rubric, value: is brief}
      - {type: not-contains, value: "{{ item }}s"}
"""


def test_prompts_tests_and_assertions_of_one_file(tmp_path: Path) -> None:
    draft = lift(tmp_path, SHOP)
    (step,) = draft.steps
    assert step.name == "desk"
    assert [prompt.label for prompt in step.prompts] == ["prompts.0", "polite"]
    assert inputs(draft) == {"item", "stock"}
    assert outputs(draft) == {"answer": {"type": "string"}}
    assert draft.rows == (
        {"item": "kettle 😀", "stock": "kettles, mugs", "answer": "Yes"},
        {"item": "שולחן", "stock": "none", "answer": "No"},
    )
    assert draft.defaults == {"stock": "kettles, mugs"}
    assert [
        (check.kind, check.value, check.row, check.weight, check.threshold) for check in draft.checks
    ] == [
        ("latency", None, None, 1.0, 2500.0),
        ("regex", "^Yes", 0, 2.0, None),
        ("icontains", "Yes", 0, 1.0, None),
        ("not-contains", "שולחןs", 1, 1.0, None),
        ("icontains", "No", 1, 1.0, None),
    ]
    assert draft.checks[1].where == "promptfooconfig.yaml:20"


def test_what_is_not_carried_over_is_told_with_its_place(tmp_path: Path) -> None:
    draft = lift(tmp_path, SHOP + "outputPath: out.html\nstrange: {key: 1}\n")
    why = told(draft)
    assert why["javascript"] == "runs code of the prototype, which is never executed"
    assert why["llm-rubric"] == "needs an LM judge"
    assert why["vars.shelf"].startswith("no prompt uses it")
    assert {"providers", "outputPath", "strange", "description"} <= set(why)
    places = {part.what: part.where for part in draft.unmapped}
    assert places["llm-rubric"] == "promptfooconfig.yaml:16 and 1 more"
    assert places["strange"] == "promptfooconfig.yaml:27"


def test_prompts_of_every_kind_of_file(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be {{mood}}."}, {"role": "user", "content": "{{q}}"}]
    config = """
prompts:
  - file://prompts/*.txt
  - file://prompts/chat.json
  - id: file://prompts/chat.yaml
    label: yaml chat
  - prompts/note.md
  - file://prompts/loop.j2
  - file://prompts/lines.jsonl
  - file://prompts/table.csv
providers: [x]
"""
    others = {
        "prompts/a.txt": "First {{q}}\n---\nSecond {{q}}\n ---  \n\n",
        "prompts/b.txt": "Third --- {{q}}\n",
        "prompts/chat.json": json.dumps(chat),
        "prompts/chat.yaml": "- role: system\n  content: Be {{mood}}.\n- role: user\n  content: '{{q}}'\n",
        "prompts/note.md": "# Title\n\n{{q}}",
        "prompts/loop.j2": "{% for f in facts %}- {{ f }}\n{% endfor %}{{q}}",
        "prompts/lines.jsonl": json.dumps(chat) + "\n" + json.dumps("plain {{q}}") + "\n",
        "prompts/table.csv": 'prompt,label\n"Hello, {{q}}",greeting\n',
    }
    draft = lift(tmp_path, config, others)
    (step,) = draft.steps
    assert [prompt.label for prompt in step.prompts] == [
        "prompts/a.txt",
        "prompts/a.txt 2",
        "prompts/b.txt",
        "prompts/chat.json",
        "yaml chat",
        "prompts/note.md",
        "prompts/loop.j2",
        "prompts/lines.jsonl",
        "prompts/lines.jsonl 2",
        "greeting",
    ]
    assert texts(draft)[:3] == ["First {{q}}", "Second {{q}}", "Third --- {{q}}"]
    for index in (3, 4, 7):
        roles = [(message.role, message.template.text) for message in step.prompts[index].messages]
        assert roles == [("system", "Be {{mood}}."), ("user", "{{q}}")]
    assert step.prompts[6].messages[0].template.render({"facts": ["a", "b"], "q": "?"}) == "- a\n- b\n?"
    assert texts(draft)[9] == "Hello, {{q}}"


def test_a_map_of_prompts_names_files_and_labels(tmp_path: Path) -> None:
    draft = lift(
        tmp_path, "prompts: {a.txt: short, b.txt: long}\nproviders: [x]", {"a.txt": "A {{q}}", "b.txt": "B"}
    )
    assert [prompt.label for prompt in draft.steps[0].prompts] == ["short", "long"]


def test_a_list_of_prompts_in_a_file_of_its_own(tmp_path: Path) -> None:
    others = {
        "all.yaml": "- One {{q}}\n- label: two\n  raw: Two {{q}}\n- file://c.txt\n",
        "c.txt": "Three {{q}}",
    }
    draft = lift(tmp_path, "prompts: file://all.yaml\ntests: []\n", others)
    assert texts(draft) == ["One {{q}}", "Two {{q}}", "Three {{q}}"]


def test_a_chat_written_within_the_configuration(tmp_path: Path) -> None:
    config = """
prompts:
  - '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{q}}"}]'
  - |
    - role: developer
      content: Be brief.
    - role: user
      content:
        - {type: text, text: "{{q}}"}
        - {type: image_url, image_url: {url: "{{picture}}"}}
  - - {role: user, content: "Direct {{q}}"}
    - {role: tool, content: "42"}
providers: [x]
"""
    draft = lift(tmp_path, config)
    found = [[(m.role, m.template.text) for m in prompt.messages] for prompt in draft.steps[0].prompts]
    assert found == [
        [("system", "Be brief."), ("user", "{{q}}")],
        [("system", "Be brief."), ("user", "{{q}}")],
        [("user", "Direct {{q}}")],
    ]
    assert {"message content", "message"} <= set(told(draft))


def test_a_chat_that_is_json_only_once_filled_stays_one_message_and_is_told(tmp_path: Path) -> None:
    text = '[{"role": "user", "content": {{ q | dump }}}]'
    draft = lift(tmp_path, "prompts: [file://a.json]\nproviders: [x]", {"a.json": text})
    assert texts(draft) == [text]
    assert "messages" in told(draft)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("file://make.py:build", "never executed"),
        ("file://make.js", "never executed"),
        ("exec:./make.sh", "never executed"),
        ("langfuse://refunds:3:chat", "nothing is fetched"),
        ("file://missing.txt", "cannot be read"),
        ("file://../outside.txt", "outside the prototype's folder"),
        ("file://none/*.txt", "no file meets"),
    ],
)
def test_prompts_that_code_or_a_service_makes_are_told(tmp_path: Path, prompt: str, why: str) -> None:
    draft = lift(tmp_path, f"prompts: ['{prompt}', 'Say {{{{q}}}}']\nproviders: [x]")
    assert texts(draft) == ["Say {{q}}"]
    assert why in told(draft)["prompts.0"]


def test_without_a_readable_prompt_it_is_refused_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError, match="no prompt is left") as caught:
        lift(tmp_path, "prompts: [file://make.py]\nproviders: [x]")
    assert "never executed" in caught.value.hint
    with pytest.raises(PrototypeError, match="there are no prompts"):
        lift(tmp_path, "providers: [x]\ntests: []")


def test_tests_by_csv_with_expected_columns(tmp_path: Path) -> None:
    table = (
        "item,__expected,__expected2,__description,__metadata:kind\n"
        "kettle,Yes,icontains: yes,first,a\n"
        '"a, b",contains-any:No,"contains-all:No,not",,\n'
        "mug,latency(900),fn:output.length > 2,,\n"
        "jar,grade:is kind,starts-with:No,,\n"
        "lid,,,,\n"
    )
    draft = lift(
        tmp_path, "prompts: ['In stock: {{item}}?']\ntests: file://tests.csv\n", {"tests.csv": table}
    )
    assert draft.rows[0] == {"item": "kettle", "answer": "Yes"}
    assert draft.rows[1] == {"item": "a, b"}
    assert len(draft.rows) == 5
    assert [(check.kind, check.value, check.row, check.threshold) for check in draft.checks] == [
        ("equals", "Yes", 0, None),
        ("icontains", " yes", 0, None),
        ("contains-any", ["No"], 1, None),
        ("contains-all", ["No", "not"], 1, None),
        ("latency", None, 2, 900.0),
        ("starts-with", "No", 3, None),
    ]
    assert draft.checks[2].where == "tests.csv:3"
    assert {"javascript", "llm-rubric", "__metadata:kind", "__description"} <= set(told(draft))


def test_tests_by_json_jsonl_and_yaml_files(tmp_path: Path) -> None:
    test = {"vars": {"q": "one"}, "assert": [{"type": "equals", "value": "1"}]}
    others = {
        "t/a.json": json.dumps([test]),
        "t/b.jsonl": json.dumps(test) + "\n\n" + json.dumps(test),
        "t/c.yaml": "- vars: {q: two}\n  assert:\n    - type: equals\n      value: '2'\n",
        "t/d.yaml": "vars: more.yaml\n",
        "t/more.yaml": "q: three\n",
    }
    config = "prompts: ['{{q}}']\ntests: [file://t/a.json, file://t/b.jsonl, 't/c.yaml', file://t/d.yaml]\n"
    draft = lift(tmp_path, config, others)
    assert [row["q"] for row in draft.rows] == ["one", "one", "one", "two", "three"]
    assert [row.get("answer") for row in draft.rows] == ["1", "1", "1", "2", None]
    assert [check.where for check in draft.checks] == [
        "t/a.json: 0.assert.0",
        "t/b.jsonl:1",
        "t/b.jsonl:3",
        "t/c.yaml:3",
    ]


@pytest.mark.parametrize(
    "tests",
    [
        "file://make.py:tests",
        "{path: file://make.js, config: {n: 3}}",
        "https://docs.google.com/spreadsheets/d/1",
        "huggingface://datasets/a/b",
        "file://rows.xlsx",
    ],
)
def test_tests_that_are_generated_or_fetched_are_told(tmp_path: Path, tests: str) -> None:
    draft = lift(tmp_path, f"prompts: ['{{{{q}}}}']\ntests: {tests}\n")
    assert draft.rows == ()
    assert "tests" in told(draft)


def test_lists_of_values_combine_and_other_lists_stay_values(tmp_path: Path) -> None:
    config = """
prompts: ['{{a}} {{b}} {{c}}']
tests:
  - vars: {a: [x, y], b: [p, q], c: [1, 2]}
  - vars: {a: [x, y], b: p, c: 3}
    options: {disableVarExpansion: true}
"""
    rows = lift(tmp_path, config).rows
    assert [(row["a"], row["b"], row["c"]) for row in rows] == [
        ("x", "p", [1, 2]),
        ("x", "q", [1, 2]),
        ("y", "p", [1, 2]),
        ("y", "q", [1, 2]),
        (["x", "y"], "p", 3),
    ]


def test_combinations_that_explode_are_refused(tmp_path: Path) -> None:
    values = ", ".join(f"v{n}: [{', '.join('abcdefghij')}]" for n in range(9))
    with pytest.raises(PrototypeError, match="100000 rows"):
        lift(tmp_path, f"prompts: ['{{{{v0}}}}']\ntests:\n  - vars: {{{values}}}\n")


def test_variables_by_file(tmp_path: Path) -> None:
    config = """
prompts: ['{{doc}} {{data}} {{more}} {{made}}']
tests:
  - vars: {doc: file://docs/*.txt, data: file://data.yaml, more: file://more.json, made: file://make.py}
"""
    others = {
        "docs/a.txt": "one\n",
        "docs/b.txt": "two\n",
        "data.yaml": "a: [1, Yes]\n",
        "more.json": '{"b": 2}\n',
    }
    draft = lift(tmp_path, config, others)
    assert draft.rows == (
        {"doc": "one", "data": '{"a":[1,"Yes"]}', "more": '{"b": 2}'},
        {"doc": "two", "data": '{"a":[1,"Yes"]}', "more": '{"b": 2}'},
    )
    assert "never executed" in told(draft)["vars.made"]


def test_variables_may_mention_each_other(tmp_path: Path) -> None:
    config = (
        "prompts: ['{{a}}']\ntests:\n  - vars: {a: 'Hello {{ name }}!', name: 'Mr {{last}}', last: Lee}\n"
    )
    assert lift(tmp_path, config).rows[0]["a"] == "Hello Mr Lee!"


def test_scenarios_multiply_their_tests(tmp_path: Path) -> None:
    config = """
prompts: ['{{lang}}: {{text}}']
defaultTest: file://default.yaml
scenarios:
  - config:
      - vars: {lang: French, answer: Bonjour}
      - vars: {lang: Spanish, answer: Hola}
    tests:
      - vars: {text: Hello}
        assert: [{type: equals, value: "{{answer}}"}]
      - vars: {text: Hello there}
"""
    draft = lift(tmp_path, config, {"default.yaml": "assert:\n  - {type: word-count, value: {max: 5}}\n"})
    assert [(row["lang"], row["text"], row["answer"]) for row in draft.rows] == [
        ("French", "Hello", "Bonjour"),
        ("French", "Hello there", "Bonjour"),
        ("Spanish", "Hello", "Hola"),
        ("Spanish", "Hello there", "Hola"),
    ]
    assert [(check.kind, check.value, check.row) for check in draft.checks] == [
        ("word-count", {"max": 5}, None),
        ("equals", "Bonjour", 0),
        ("equals", "Hola", 2),
    ]
    assert draft.checks[0].where == "default.yaml:2"


def test_answers_kept_in_variables_of_different_names_are_one_output(tmp_path: Path) -> None:
    config = """
prompts: ['{{lang}}: {{text}}']
scenarios:
  - config:
      - vars: {lang: French, hello: Bonjour, bye: Au revoir}
    tests:
      - vars: {text: Hello}
        assert: [{type: similar, value: "{{hello}}"}]
      - vars: {text: Bye}
        assert: [{type: similar, value: "{{ bye }}"}]
"""
    draft = lift(tmp_path, config)
    assert [row["answer"] for row in draft.rows] == ["Bonjour", "Au revoir"]
    assert told(draft) == {"similar": "needs an embedding model"}


def test_answers_that_one_test_keeps_in_two_variables_are_two_outputs(tmp_path: Path) -> None:
    config = """
prompts: ['{{mail}}']
tests:
  - vars: {mail: a, city: Rome, guests: 4}
    assert: [{type: contains, value: "{{city}}"}, {type: contains, value: "{{guests}}"}]
"""
    draft = lift(tmp_path, config)
    assert draft.rows == ({"mail": "a", "city": "Rome", "guests": 4},)
    assert outputs(draft) == {"city": {"type": "string"}, "guests": {"type": "integer"}}


def test_references_and_templates_of_assertions_are_followed(tmp_path: Path) -> None:
    config = """
prompts: ['{{q}}']
assertionTemplates:
  short: {type: word-count, value: {max: 3}}
tests:
  - vars: {q: a}
    assert:
      - $ref: '#/assertionTemplates/short'
      - $ref: '#/assertionTemplates/short'
        weight: 3
      - $ref: '#/assertionTemplates/missing'
"""
    draft = lift(tmp_path, config)
    assert [(check.kind, check.weight) for check in draft.checks] == [
        ("word-count", 1.0),
        ("word-count", 3.0),
    ]
    assert told(draft)["assert"] == "an assertion without a type"


def test_references_that_go_in_circles_end(tmp_path: Path) -> None:
    config = "prompts: ['{{q}}']\nloop: {$ref: '#/loop'}\ntests: [{$ref: '#/loop'}]\n"
    assert lift(tmp_path, config).steps


def test_sets_weights_and_thresholds_are_kept(tmp_path: Path) -> None:
    config = """
prompts: ['{{q}}']
defaultTest: {threshold: 0.8}
tests:
  - vars: {q: a}
    threshold: 0.5
    assert:
      - {type: starts-with, value: y, weight: 0}
      - type: assert-set
        threshold: 0.25
        weight: 3
        assert:
          - {type: contains, value: "{{q}}"}
          - type: assert-set
            assert: [{type: regex, value: b}, {type: cost, threshold: 0.01}]
  - vars: {q: b}
    assert: [{type: contains, value: x}]
"""
    draft = lift(tmp_path, config)
    assert [check.as_json() for check in draft.checks] == [
        {"type": "starts-with", "value": "y", "weight": 0},
        {
            "type": "assert-set",
            "threshold": 0.25,
            "weight": 3,
            "assert": [
                {"type": "contains", "value": "a"},
                {
                    "type": "assert-set",
                    "assert": [{"type": "regex", "value": "b"}, {"type": "cost", "threshold": 0.01}],
                },
            ],
        },
        {"type": "contains", "value": "x"},
    ]
    assert draft.thresholds == {None: 0.8, 0: 0.5}
    assert told(draft) == {}


def test_a_threshold_over_what_cannot_all_be_run_is_told(tmp_path: Path) -> None:
    config = """
prompts: ['{{q}}']
tests:
  - vars: {q: a}
    threshold: 0.5
    assert:
      - {type: icontains, value: a}
      - {type: select-best, value: which is kinder}
  - vars: {q: b}
    threshold: 0.5
    assert:
      - type: assert-set
        threshold: 0.5
        assert:
          - {type: contains, value: x}
          - {type: g-eval, value: good}
      - {type: assert-set, assert: [{type: llm-rubric, value: kind}]}
  - vars: {q: c}
    threshold: much
    assert: [{type: assert-set, threshold: 7, assert: [{type: contains, value: x}]}]
"""
    draft = lift(tmp_path, config)
    assert [(check.kind, check.row) for check in draft.checks] == [
        ("icontains", 0),
        ("assert-set", 1),
        ("assert-set", 2),
    ]
    places = {(part.what, part.why): part.where for part in draft.unmapped}
    partly = promptfoo_assertions.PARTLY
    assert places["assert-set.threshold", partly] == "promptfooconfig.yaml:12"
    assert places["threshold", partly] == "promptfooconfig.yaml:9"
    no_share = "it is no number from 0 to 1"
    assert {("tests.threshold", no_share), ("assert-set.threshold", no_share)} <= set(places)
    assert draft.thresholds == {0: 0.5, 1: 0.5}


def test_a_threshold_of_a_table_is_a_number_in_its_column(tmp_path: Path) -> None:
    tests = "q,__expected,__threshold\na,contains:x,0.5\nb,contains:y,\nc,contains:z,high\n"
    draft = lift(tmp_path, "prompts: ['{{q}}']\ntests: t.csv\n", {"t.csv": tests})
    assert draft.thresholds == {0: 0.5}
    assert told(draft) == {"__threshold": "it is no number from 0 to 1"}


def test_what_code_makes_of_an_answer_is_not_checked(tmp_path: Path) -> None:
    config = """
prompts: ['{{q}}']
tests:
  - vars: {q: a}
    options: {transform: output.trim()}
    assert:
      - {type: equals, value: x}
      - {type: latency, threshold: 10}
  - vars: {q: b}
    assert:
      - {type: contains, value: x, transform: output.trim()}
      - {type: contains, value: y, metric: wit}
"""
    draft = lift(tmp_path, config)
    assert [(check.kind, check.row) for check in draft.checks] == [("latency", 0), ("contains", 1)]
    assert {"options.transform", "equals", "contains", "assert.metric"} <= set(told(draft))


def test_a_schema_that_every_answer_must_meet_states_the_outputs(tmp_path: Path) -> None:
    config = """
prompts: ['{{q}}']
defaultTest:
  assert:
    - type: is-json
      value: file://answer.json
tests:
  - vars: {q: a}
    assert: [{type: equals, value: {mood: good, stars: 3}}]
  - vars: {q: b}
"""
    schema = {
        "type": "object",
        "required": ["mood", "stars"],
        "properties": {
            "mood": {"enum": ["good", "bad"]},
            "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        },
    }
    draft = lift(tmp_path, config, {"answer.json": json.dumps(schema)})
    assert outputs(draft) == {
        "mood": {"enum": ["good", "bad"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
    }
    assert draft.rows[0] == {"q": "a", "mood": "good", "stars": 3}
    assert [(check.kind, check.row) for check in draft.checks] == [("is-json", None), ("equals", 0)]


def test_a_schema_that_every_test_asks_for_states_the_outputs(tmp_path: Path) -> None:
    schema = "{type: object, required: [n], properties: {n: {type: integer}}}"
    tests = "".join(
        f"  - vars: {{q: {q}}}\n    assert: [{{type: contains-json, value: {schema}}}]\n" for q in "ab"
    )
    assert outputs(lift(tmp_path, f"prompts: ['{{{{q}}}}']\ntests:\n{tests}")) == {"n": {"type": "integer"}}


def test_a_response_format_of_a_provider_states_the_outputs(tmp_path: Path) -> None:
    schema = "{type: object, required: [mood], properties: {mood: {enum: [good, bad]}}}"
    config = f"""
prompts: ['{{{{q}}}}']
providers:
  - openai:gpt-4.1
  - id: openai:gpt-4.1-mini
    config:
      response_format: {{type: json_schema, json_schema: {{name: m, schema: {schema}}}}}
"""
    assert outputs(lift(tmp_path, config)) == {"mood": {"enum": ["good", "bad"]}}


def test_names_that_python_cannot_have_are_renamed_and_told(tmp_path: Path) -> None:
    config = """
prompts: ['{{class}} {{Order}} {{order}}']
tests:
  - vars: {class: a, Order: b, order: c}
"""
    draft = lift(tmp_path, config)
    (row,) = draft.rows
    assert sorted(row.values()) == ["a", "b", "c"]
    assert len({name.casefold() for name in row}) == 3
    template = draft.steps[0].prompts[0].messages[0].template
    assert set(template.inputs) == set(row)
    assert template.render(row) == "a b c"
    assert {piece.name for piece in template.pieces() if isinstance(piece, Slot)} == set(row)
    assert told(draft)["class"].startswith("renamed to ")
    assert told(draft)["order"].startswith("renamed to ")


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("prompts: [a\nproviders: x\n", "promptfooconfig.yaml:2:10"),
        ("prompts:\n  - {{q}}\nproviders: x\n", "promptfooconfig.yaml:2:6"),
        ("prompts: [a]\nproviders: !!python/object:os.system x\n", "promptfooconfig.yaml:2:12"),
        ("prompts: [a]\nprompts: [b]\n", "promptfooconfig.yaml:2:1"),
    ],
)
def test_a_broken_configuration_is_refused_with_line_and_column(
    tmp_path: Path, config: str, place: str
) -> None:
    with pytest.raises(PrototypeError) as caught:
        lift(tmp_path, config)
    assert caught.value.where == place


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("t.json", '[{"vars": }]'),
        ("t.yaml", "- vars: [a"),
        ("t.csv", "q,r\n1\n"),
        ("t.jsonl", '{"vars": {}}\n{'),
    ],
)
def test_a_broken_file_of_tests_is_refused_with_its_line(tmp_path: Path, path: str, text: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        lift(tmp_path, f"prompts: ['{{{{q}}}}']\ntests: file://{path}\n", {path: text})
    assert caught.value.where.startswith(f"{path}:")


def test_a_broken_template_is_refused_with_its_prompt_and_line(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError) as caught:
        lift(tmp_path, "prompts:\n  - ok\n  - |\n    Say\n    {% if q %}\nproviders: [x]")
    assert caught.value.where == "promptfooconfig.yaml:3, prompts.1:2"
    with pytest.raises(PrototypeError) as caught:
        lift(tmp_path, "prompts: [file://a.txt]\nproviders: [x]", {"a.txt": "One\n---\nSay\n{{ q \n"})
    assert caught.value.where.startswith("a.txt, the prompt at line 3:")


def test_templates_that_read_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError):
        lift(tmp_path, "prompts: [\"{% include '/etc/passwd' %}\"]\nproviders: [x]")


def test_a_json_configuration_and_a_folder_are_read_alike(tmp_path: Path) -> None:
    config = json.dumps({"prompts": ["{{q}} 😀"], "providers": ["x"], "tests": [{"vars": {"q": "Yes"}}]})
    draft = lift(tmp_path, config, name="evals.json")
    assert draft.rows == ({"q": "Yes"},)
    (tmp_path / "promptfooconfig.json").write_text(config)
    assert promptfoo_reader.recognises(Files(tmp_path))
    assert promptfoo_reader.read(Files(tmp_path), name="x").rows == draft.rows


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("agents.yaml", "writer:\n  role: Writer\n  goal: write {topic}\n"),
        ("messages.json", '[{"role": "user", "content": "prompts: {q}"}]'),
        ("notes.yaml", "prompts: [a]\n"),
        ("broken.yaml", "a: [\n"),
        ("prompt.md", "prompts:\nproviders:\n"),
    ],
)
def test_other_files_are_not_taken_for_a_configuration(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert not promptfoo_reader.recognises(Files(tmp_path / name))
    assert not promptfoo_reader.recognises(Files(tmp_path))


def test_what_is_read_as_a_check_is_what_can_be_run() -> None:
    assert set(scoring_assertions.KINDS) == promptfoo_assertions.EXACT


def test_every_check_runs_on_an_answer(tmp_path: Path) -> None:
    draft = lift(tmp_path, SHOP)
    for check in draft.checks:
        held = scoring_assertions.run_assertion(
            check.kind, check.value, "Yes. No.", ms=9, usd=0, threshold=check.threshold
        )
        assert isinstance(held, bool)


WORDS = st.text(
    st.characters(categories=("L", "N"), include_characters=" .,:'\"#é😀ש&*!-"), min_size=1, max_size=30
)
SLOTS = st.sampled_from(["order", "policy", "tone", "max_words"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(prompts=st.lists(st.lists(st.tuples(WORDS, SLOTS), min_size=1, max_size=4), min_size=1, max_size=3))
def test_every_slot_and_sentence_of_a_prompt_is_kept(
    tmp_path: Path, prompts: list[list[tuple[str, str]]]
) -> None:
    written = ["".join(f"x{words}{{{{ {slot} }}}}\n" for words, slot in parts) for parts in prompts]
    config = json.dumps(
        {"prompts": [{"raw": text, "label": f"p{n}"} for n, text in enumerate(written)], "tests": []}
    )
    draft = lift(tmp_path, config, name="evals.json")
    values = {slot: f"<{slot}>" for slot in ("order", "policy", "tone", "max_words")}
    for parts, prompt in zip(prompts, draft.steps[0].prompts, strict=True):
        template = prompt.messages[0].template
        rendered = template.render(values)
        pieces = "".join(piece.spelling if isinstance(piece, Slot) else piece for piece in template.pieces())
        named = {piece.name for piece in template.pieces() if isinstance(piece, Slot)}
        for words, slot in parts:
            assert f"x{words}<{slot}>" in rendered
            assert f"x{words}" in pieces
            assert slot in named


KEYS = st.sampled_from(
    [
        "prompts",
        "raw",
        "id",
        "label",
        "role",
        "content",
        "text",
        "messages",
        "tests",
        "vars",
        "assert",
        "type",
        "value",
        "threshold",
        "weight",
        "options",
        "transform",
        "config",
        "scenarios",
        "path",
        "defaultTest",
        "$ref",
        "$values",
        "q",
        "a",
        "assertionTemplates",
        "__expected",
        "min",
        "max",
    ]
)
WORDLIKE = [
    "{{q}}",
    "{{ a ",
    " upper }}",
    "{% if q %}",
    "x",
    "",
    "file://a.yaml",
    "file://*.csv",
    "user",
    "equals",
    "regex",
    "is-json",
    "assert-set",
    "contains-any",
    "word-count",
    "#/tests/0",
    "levenshtein",
    "(",
    "latency:",
    "a/b.txt",
    "3",
    "{type: object}",
    "{type: strange}",
    "a, b",
]
LEAVES = (
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats(allow_nan=False) | st.sampled_from(WORDLIKE)
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
ASSERTION = st.fixed_dictionaries(
    {"type": st.sampled_from([*scoring_assertions.KINDS, "not-equals", "llm-rubric", "assert-set"])},
    optional={"value": LEAVES | ANYTHING, "threshold": LEAVES, "weight": LEAVES, "assert": ANYTHING},
)
TEST = st.fixed_dictionaries(
    {},
    optional={
        "vars": ANYTHING | st.dictionaries(st.sampled_from("qab"), LEAVES | ANYTHING),
        "assert": ANYTHING | st.lists(ASSERTION | ANYTHING),
        "options": ANYTHING,
    },
)
TESTS = ANYTHING | st.lists(TEST, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(
    prompts=st.just(["Say {{q}}"]) | ANYTHING,
    rest=st.fixed_dictionaries(
        {"tests": TESTS},
        optional={"defaultTest": TEST | ANYTHING, "scenarios": ANYTHING, "assertionTemplates": ANYTHING},
    ),
)
def test_whatever_stands_in_a_configuration_is_read_or_refused(
    tmp_path: Path, prompts: Any, rest: dict[str, Any]
) -> None:
    others = {"a.yaml": json.dumps(rest["tests"]), "b.csv": "q,__expected\n1,equals\n"}
    try:
        draft = lift(tmp_path, json.dumps({"prompts": prompts, **rest}), others)
    except PrototypeError:
        return
    for check in draft.checks:
        assert check.row is None or check.row < len(draft.rows)
        try:
            Checks([check.as_json()])
        except ScoringError as error:
            pytest.fail(f"{check} cannot be run: {error}")
    assert all(0 <= threshold <= 1 for threshold in draft.thresholds.values())
