"""Prompts in Python files and notebooks, found by syntax."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift.draft import Draft
from shipworthy.lift.files import Files
from shipworthy.lift.pieces import Slot
from shipworthy.lift.python_reader import prompts_in, read, recognises

counter = itertools.count()
CALL = 'client.chat.completions.create(model="m", messages=[{{"role": "user", "content": {}}}])'


def files(tmp_path: Path, text: str, *, name: str = "app.py") -> Files:
    folder = tmp_path / str(next(counter))
    folder.mkdir()
    (folder / name).write_text(text)
    return Files(folder / name)


def draft(tmp_path: Path, text: str, *, chosen: str | None = None, name: str = "app.py") -> Draft:
    return read(files(tmp_path, text, name=name), name="task", chosen=chosen)


def rendered(found: Draft, step: int = 0, **values: Any) -> list[tuple[str, str]]:
    return list(found.steps[step].prompts[0].render(values))


def names(tmp_path: Path, text: str) -> list[str]:
    return [one.name for one in prompts_in(files(tmp_path, text))]


@pytest.mark.parametrize(
    ("source", "inputs", "text"),
    [
        ('f"Sort this message of {kind!r}: {text}"', {"kind": 1, "text": "x"}, "Sort this message of 1: x"),
        ('"Sort this {} of {who}: {{ok}}".format(t, who=n)', {"t": 1, "who": 2}, "Sort this 1 of 2: {ok}"),
        (
            '"Sort this for %(a)s, by %(b)05.1f" % {"a": who, "b": by}',
            {"a": "y", "b": 2},
            "Sort this for y, by 002.0",
        ),
        ('"Sort this %s, at %.1f %%" % (text, share)', {"text": "x", "share": "3"}, "Sort this x, at 3.0 %"),
        ('"Sort this message: " + text + "\\nBe kind."', {"text": "x"}, "Sort this message: x\nBe kind."),
        (
            'Template("Sort this for $who at ${a}: $$5").substitute(who=w, a=b)',
            {"who": 1, "a": 2},
            "Sort this for 1 at 2: $5",
        ),
        (
            'dedent(f"""\n    Sort this message.\n      {text}\n    """)',
            {"text": "x"},
            "\nSort this message.\n  x\n",
        ),
        ('"Sort this message: [TEXT]".replace("[TEXT]", text)', {"TEXT": "x"}, "Sort this message: x"),
        (
            '"\\n".join(["Sort this message.", "Be kind.", text])',
            {"text": "x"},
            "Sort this message.\nBe kind.\nx",
        ),
        ('PROMPT.format(text=row["body"])', {"text": "x"}, "Sort the message below:\nx"),
        ('f"{HEAD} one word: {self.state.mail}"', {"mail": "x"}, "Answer with one word: x"),
        ("f\"Sort this message: {row['text']}\"", {"text": "x"}, "Sort this message: x"),
        ('f"Sort this message: {text.strip()[:100]}"', {"text": "x"}, "Sort this message: x"),
        ("build(text)", {"text": "x"}, "You sort the mail.\nMail: x"),
    ],
)
def test_texts_are_followed_however_they_are_put_together(
    tmp_path: Path, source: str, inputs: dict[str, Any], text: str
) -> None:
    program = (
        "from string import Template\nfrom textwrap import dedent\n"
        'HEAD = "Answer with"\nPROMPT = "Sort the message below:\\n{text}"\n'
        'def build(mail):\n    lines = "You sort the mail.\\n"\n'
        '    lines += f"Mail: {mail}"\n    return lines\n'
        f"def go(self, row, text):\n    return {CALL.format(source)}\n"
    )
    found = draft(tmp_path, program, chosen="go")
    assert rendered(found, **inputs) == [("user", text)]


TICKETS = '''
"""Answers tickets. This docstring has many words, but it is not a prompt for {anyone}."""
import logging
import openai

log = logging.getLogger(__name__)
QUERY_PROMPT_SQL = "SELECT id, body FROM prompts WHERE kind = 'system' AND owner IS NOT NULL"
FIND = "SELECT body, state FROM tickets\\nWHERE state = {state} AND owner = {owner} ORDER BY created"
PAGE = """<html><body>
<p>Dear {name}, this is a page with a good many words that nobody sends to an LM, ever.</p></body></html>"""
USAGE = """Usage: tickets {command} and a long text about what each of these commands does,
over several lines with more than fifteen words."""
client = openai.OpenAI()


def ask(prompt, *, system="You help the staff of a small museum."):
    """Ask the LM about a prompt and give back what it says, without blanks at the ends."""
    log.info("the prompt has %d characters, which is a good deal for one prompt", len(prompt))
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    )
    if not answer.choices:
        raise ValueError(f"the LM has not said anything about this prompt: {prompt}")
    return answer.choices[0].message.content.strip()


def handle(row, language="German"):
    summary = ask(f"Sum up this ticket in a sentence:\\n{row['text']}")
    mood = ask("Is the writer calm or cross?\\n{t}".format(t=row["text"]))
    return ask(f"Write to a {mood} person in {language} about this: {summary}")


if __name__ == "__main__":
    print(handle({"text": "The door is shut."}))
'''


def test_a_chain_becomes_steps_that_read_each_other(tmp_path: Path) -> None:
    found = draft(tmp_path, TICKETS)
    assert [step.name for step in found.steps] == ["summary", "mood", "handle"]
    assert [step.reads for step in found.steps] == [(), (), ("summary", "mood")]
    assert [[field.name for field in step.outputs] for step in found.steps] == [["summary"], ["mood"], []]
    assert rendered(found, 1, text="x") == [
        ("system", "You help the staff of a small museum."),
        ("user", "Is the writer calm or cross?\nx"),
    ]
    assert rendered(found, 2, mood="calm", language="Thai", summary="s")[1] == (
        "user",
        "Write to a calm person in Thai about this: s",
    )
    assert found.defaults == {"language": "German"}
    assert any("chosen when it is compiled" in part.why for part in found.unmapped)


def test_what_is_no_prompt_is_left_out(tmp_path: Path) -> None:
    listed = prompts_in(files(tmp_path, TICKETS))
    assert [one.name for one in listed] == ["summary", "mood", "handle"]
    assert {one.function for one in listed} == {"handle"}
    assert listed[0].words == "Sum up this ticket in a sentence:"
    assert TICKETS.splitlines()[listed[0].line - 1].strip().startswith("summary = ask(")


def test_one_of_a_chain_can_be_chosen_by_name_or_line(tmp_path: Path) -> None:
    line = next(one.line for one in prompts_in(files(tmp_path, TICKETS)) if one.name == "mood")
    for chosen in ("mood", str(line)):
        found = draft(tmp_path, TICKETS, chosen=chosen)
        assert [step.name for step in found.steps] == ["task"]
        assert "calm or cross" in rendered(found, t="x")[1][1]


SEVERAL = '''
import anthropic

CLASSIFY_PROMPT = """Sort the message into billing, outage or other.

{message}
Answer as {{"queue": "..."}}."""


class Guide:
    PERSONA = "You are Ada, a patient guide of a museum."

    def greet(self, visitor):
        reply = anthropic.Anthropic().messages.create(
            model="claude", max_tokens=99, system=self.PERSONA,
            messages=[
                {"role": "user", "content": "Greet %s, who is %d years old." % (visitor.name, visitor.age)}
            ],
        )
        return reply.content[0].text
'''


def test_a_helper_with_a_system_message_of_its_own_passes_prompts_on(tmp_path: Path) -> None:
    program = """
def ask(prompt):
    return client.chat.completions.create(messages=[
        {"role": "system", "content": "You are terse."}, {"role": "user", "content": prompt}])
def go(text):
    mood = ask(f"What is the mood of {text}?")
    return ask("Name a remedy for this mood in one word: " + mood), ask("Name a colour that calms anyone.")
"""
    found = draft(tmp_path, program)
    assert [step.name for step in found.steps] == ["mood", "go", "go_2"]
    assert rendered(found, 2) == [("system", "You are terse."), ("user", "Name a colour that calms anyone.")]


def test_two_ways_to_send_the_same_are_one_prompt(tmp_path: Path) -> None:
    program = """
def go(llm, text):
    messages = [{"role": "user", "content": f"Sort this: {text}"}]
    if callable(llm):
        answer = llm(messages)
    else:
        answer = llm.completion(messages=messages)
    return ask_llm(f"Say why it is {answer.strip()}.")
"""
    found = draft(tmp_path, program)
    assert [step.reads for step in found.steps] == [(), (found.steps[0].name,)]


def test_a_text_with_tags_is_a_template_of_jinja(tmp_path: Path) -> None:
    program = 'PROMPT = """Sort each of these facts.\n{% for fact in facts %}- {{ fact }}\n{% endfor %}"""\n'
    assert rendered(draft(tmp_path, program), facts=["a", "b"])[0][1].endswith("facts.\n- a\n- b\n")


def test_several_prompts_are_listed_and_one_must_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(PrototypeError, match=r"classify_prompt \(line 4\).*greet \(line") as caught:
        draft(tmp_path, SEVERAL)
    assert "by its name or its line" in caught.value.hint
    with pytest.raises(PrototypeError, match="no prompt 'other'"):
        draft(tmp_path, SEVERAL, chosen="other")
    found = draft(tmp_path, SEVERAL, chosen="classify_prompt")
    assert rendered(found, message="x")[0][1].endswith('x\nAnswer as {"queue": "..."}.')
    greeting = draft(tmp_path, SEVERAL, chosen="greet")
    assert rendered(greeting, name="Bo", age="7") == [
        ("system", "You are Ada, a patient guide of a museum."),
        ("user", "Greet Bo, who is 7 years old."),
    ]


def test_langchain_templates_are_filled_by_their_keys(tmp_path: Path) -> None:
    program = """
from typing import Literal
from pydantic import BaseModel, Field

class Verdict(BaseModel):
    label: Literal["good", "bad"]
    why: str = Field(description="one sentence")

extract = ChatPromptTemplate.from_messages(
    [("system", "You read reviews of hotels."), ("placeholder", "{history}"),
     ("human", "List facts as {{...}}:\\n{review}")]
)
judge = ChatPromptTemplate.from_template("Is the stay good or bad, by these facts?\\n{facts}")

def run(text):
    facts = (extract | llm).invoke({"review": text}).content
    return (judge | llm.with_structured_output(Verdict)).invoke({"facts": facts})
"""
    found = draft(tmp_path, program)
    assert [(step.name, step.reads) for step in found.steps] == [("facts", ()), ("run", ("facts",))]
    assert [field.name for field in found.steps[1].outputs] == ["label", "why"]
    assert found.steps[1].outputs[0].schema["enum"] == ["good", "bad"]
    assert rendered(found, review="r", history="h")[-1] == ("user", "List facts as {...}:\nr")


def test_an_answer_that_is_taken_apart_gives_its_field(tmp_path: Path) -> None:
    program = """
import json
def go(mail):
    raw = ask_llm(f"Sort this mail, as JSON: {mail}")
    data = json.loads(raw.choices[0].message.content)
    return ask_llm(f"Why is it urgent that {data['queue']} answers?")
"""
    found = draft(tmp_path, program)
    assert [field.name for field in found.steps[0].outputs] == ["queue"]
    assert found.steps[1].reads == (found.steps[0].name,)
    assert rendered(found, 1, queue="sales") == [("user", "Why is it urgent that sales answers?")]


def test_schemas_tools_and_settings_of_a_call(tmp_path: Path) -> None:
    program = """
TOOLS = [{"type": "function", "function": {"name": "look_up", "description": "finds",
          "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}}}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema":
          {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}
def count(text):
    return litellm.completion(model="m", messages=[{"role": "user", "content": f"Count the words of {text}"},
        {"role": "user", "content": [
            {"type": "text", "text": "See the picture."}, {"type": "image_url", "image_url": u}]}],
        tools=TOOLS, response_format=FORMAT)
"""
    (step,) = draft(tmp_path, program).steps
    assert [field.name for field in step.outputs] == ["n"]
    assert [tool.name for tool in step.tools] == ["look_up"]
    assert {part.what for part in draft(tmp_path, program).unmapped} == {"image_url", "model='m'"}


def test_conditions_and_earlier_turns_are_told(tmp_path: Path) -> None:
    program = """
def triage(ticket, turns, vip):
    prompt = "You sort tickets of a hotel.\\n"
    if vip:
        prompt += "Be quick.\\n"
    prompt += f"Ticket: {ticket.body}"
    messages = [{"role": "system", "content": "Answer with JSON."}]
    messages.extend(turns)
    messages.append({"role": "user", "content": prompt})
    return ollama.chat(model="m", messages=messages)
"""
    found = draft(tmp_path, program)
    assert rendered(found, body="b", turns=[{"role": "user", "content": "hi"}]) == [
        ("system", "Answer with JSON."),
        ("user", "user: hi"),
        ("user", "You sort tickets of a hotel.\nBe quick.\nTicket: b"),
    ]
    told = {part.what: part for part in found.unmapped}
    assert told["if vip"].where.endswith("app.py:4")
    assert "a line" in told["turns"].why


def test_names_that_clash_or_are_keywords_are_renamed_and_told(tmp_path: Path) -> None:
    program = f"def go(row, text):\n    return {CALL.format('PROMPT')}\n".replace(
        "PROMPT", """f"Compare: {row['text']} and {text} and {row['class']} and {Text}\""""
    )
    found = draft(tmp_path, program)
    assert list(found.steps[0].prompts[0].messages[0].template.inputs) == [
        "text",
        "text_2",
        "class_",
        "Text_3",
    ]
    assert sum("renamed to" in part.why for part in found.unmapped) == 3


def notebook(*cells: str) -> str:
    kinds = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps(
        {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": ["Prompt: do not read."]}, *kinds]}
    )


def test_the_code_cells_of_a_notebook_are_read(tmp_path: Path) -> None:
    text = notebook(
        "%pip install openai\n!ls\nx = 1",
        "%%bash\necho this is no Python at all",
        "this is no Python",
        f'text = "t"\nanswer = {CALL.format("PROMPT")}\n'.replace(
            "PROMPT", 'f"Sum up this text: {load(path)}"'
        ),
    )
    found = draft(tmp_path, text, name="app.ipynb")
    assert rendered(found, path="p") == [("user", "Sum up this text: p")]
    where = {part.what: part.where.rpartition(": ")[2] for part in found.unmapped}
    assert where["cell 4"] == "cell 4"
    assert where["load(path)"] == "cell 5, line 2"


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("x = 1\n", "no prompt was found", "app.py"),
        ("x = (\n", "no Python", "app.py:1:5"),
        ('PROMPT = "Short."\n', "no prompt was found", "app.py"),
        ("x = " + "(" * 5000 + ")" * 5000, "no Python", "app.py"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, text: str, message: str, where: str) -> None:
    with pytest.raises(PrototypeError, match=message) as caught:
        draft(tmp_path, text)
    assert where in caught.value.where
    assert caught.value.hint


def test_a_notebook_that_is_none_is_refused(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"cells": 3}'):
        with pytest.raises(PrototypeError):
            draft(tmp_path, text, name="app.ipynb")


def test_crews_and_other_files_are_not_claimed(tmp_path: Path) -> None:
    assert recognises(files(tmp_path, TICKETS))
    assert recognises(files(tmp_path, notebook("x = 1"), name="a.ipynb"))
    assert not recognises(files(tmp_path, "from crewai.flow.flow import Flow\n"))
    assert not recognises(files(tmp_path, notebook("import crewai"), name="a.ipynb"))
    assert not recognises(files(tmp_path, "text", name="a.txt"))
    assert not recognises(Files(tmp_path))


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    program = f"open({str(mark)!r}, 'w')\n" + SEVERAL.replace("import anthropic", "import no_such_package")
    assert len(prompts_in(files(tmp_path, program))) == 2
    assert not mark.exists()


def test_functions_that_call_each_other_end(tmp_path: Path) -> None:
    program = "".join(
        f"def f{i}(x):\n" + "".join(f"    f{j}(x)\n" for j in range(12)) + f"    return {CALL.format('x')}\n"
        for i in range(12)
    )
    with pytest.raises(PrototypeError, match="no prompt"):
        draft(tmp_path, program)


WORD = st.text(st.characters(categories=["L", "Nd", "So"]), min_size=2, max_size=8)
SENTENCE = st.lists(WORD, min_size=1, max_size=5).map(lambda words: " ".join(words) + ".")
SLOT = st.sampled_from(["mail", "self.state.mail", "row['text']", "text", "user.name", "Text"]).map(
    lambda n: (n,)
)
PARTS = st.lists(st.one_of(SENTENCE, SLOT), min_size=1, max_size=7)


def as_source(parts: list[Any], way: str) -> str:
    if way == "f-string":
        inner = "".join("{" + part[0] + "}" if isinstance(part, tuple) else part for part in parts)
        return f'f"""Sort this mail with care. {inner}"""'
    if way == "format":
        inner = "".join("{}" if isinstance(part, tuple) else part for part in parts)
        given = ", ".join(part[0] for part in parts if isinstance(part, tuple))
        return f'"""Sort this mail with care. {inner}""".format({given})'
    if way == "percent":
        inner = "".join("%s" if isinstance(part, tuple) else part for part in parts)
        given = "".join(f"{part[0]}, " for part in parts if isinstance(part, tuple))
        return f'"""Sort this mail with care. {inner}""" % ({given})'
    terms = [part[0] if isinstance(part, tuple) else repr(part) for part in parts]
    return '"Sort this mail with care. " + ' + " + ".join(terms)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, way=st.sampled_from(["f-string", "format", "percent", "sum"]))
def test_every_slot_and_sentence_is_kept(tmp_path: Path, parts: list[Any], way: str) -> None:
    source = as_source(parts, way)
    program = f"def go(self, row, mail, text, user):\n    prompt = {source}\n    return ask_llm(prompt)\n"
    found = draft(tmp_path, program)
    (message,) = found.steps[0].prompts[0].messages
    inputs = list(message.template.inputs)
    assert len(inputs) == len({part[0] for part in parts if isinstance(part, tuple)})
    values = {name: f"<value {i}>" for i, name in enumerate(inputs)}
    shown = message.template.render(values)
    words = "".join(piece for piece in message.template.pieces() if not isinstance(piece, Slot))
    for part in parts:
        if isinstance(part, str):
            assert part in shown
            assert part in words
    assert shown.count("<value ") == sum(isinstance(part, tuple) for part in parts)
    assert all(value in shown for value in values.values())
