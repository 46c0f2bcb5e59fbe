"""Lifted, written, imported and rendered: no slot and no sentence of a prototype gets lost on the way.

For generated prompts of every format the written project is imported as a compile imports it, and
its plain prompt is rendered as the executor renders it. Each slot must be an input whose value is
in that prompt, and each sentence of the original must be there, spaces and line breaks aside.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shipworthy.compiler import Instructions, Source, load_source
from shipworthy.lift import lift, make_project, mlflow_reader, read_prototype, write_source
from shipworthy.lift.readers import READERS
from shipworthy.runtime import Contract, Field
from shipworthy.runtime.render import render_generate

NAMES = (
    "ticket", "order_id", "größe", "class", "Alpha", "alpha", "answer", "text", "json", "history", "config",
    "demos", "reasoning", "instructions", "made", "str", "имя", "model_fields", "prompt", "dspy", "x",
)  # fmt: skip
"""Slots as people name them, keywords and names of other things among them."""
LETTERS = st.characters(
    categories=("L", "Nd", "So", "Po", "Pd"),
    include_characters=" \"'()#*-_&\\/@^~+=,;\u00a0\u200f\u200d",
    exclude_characters="{}%$<>[]|`:\u3000\ufeff",
)
ENDS = st.sampled_from(".!?…。")
SETTINGS = settings(
    max_examples=16,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


@dataclass
class Made:
    """A prototype: its files, the one that is named first; what it says, and the slots that it has.

    Attributes:
        said: sentences that the program's own prompts must hold; others: those of its other prompts.
    """

    files: Mapping[str, str]
    said: list[str]
    slots: list[str]
    others: list[str] = field(default_factory=list)


@st.composite
def sentences(draw: st.DrawFn, least: int = 1, most: int = 4) -> list[str]:
    """Sentences that are told apart by a word; they may begin with any mark."""
    found = []
    for number in range(draw(st.integers(least, most))):
        words = " ".join(draw(st.text(LETTERS, min_size=1, max_size=24)).split())
        sides = [f"Rule{number}", words] if draw(st.booleans()) else [words, f"Rule{number}"]
        found.append(f"{' '.join(sides).strip()}{draw(ENDS)}")
    return found


@st.composite
def bodies(draw: st.DrawFn, spelling: str, names: Sequence[str] = NAMES) -> tuple[str, list[str], list[str]]:
    """A text, its sentences and its slots: alone on a line, behind a label, or within a sentence."""
    said = draw(sentences())
    slots = draw(st.lists(st.sampled_from(names), max_size=3))
    lines = [
        draw(st.sampled_from(["{}", "- {}", "## {}", "1. {}", "  {}", "> {}", "{}\n"])).format(one)
        for one in said
    ]
    for slot in slots:
        shape = draw(st.sampled_from(["alone", "label", "within"]))
        spelled = spelling.replace("NAME", slot)
        if shape == "alone":
            lines.append(f"\n{spelled}\n")
        elif shape == "label":
            lines.append(f"\nThe text: {spelled}\n")
        else:
            lines.append(f"Mind that {spelled} counts here.")
            said = [*said, "Mind that", "counts here."]
    return "\n".join(lines), said, slots


@st.composite
def texts(draw: st.DrawFn) -> Made:
    spelling = draw(st.sampled_from(["{NAME}", "{{NAME}}", "{{ NAME }}", "${NAME}"]))
    text, said, slots = draw(bodies(spelling))
    return Made({"made.txt": text}, said, slots)


@st.composite
def markdowns(draw: st.DrawFn) -> Made:
    text, said, slots = draw(bodies("{NAME}"))
    return Made({"made.md": f"# Title of it\n\n{text}"}, [*said, "Title of it"], slots)


@st.composite
def jinjas(draw: st.DrawFn) -> Made:
    names = [name for name in NAMES if name != "alpha"]
    text, said, slots = draw(bodies("{{ NAME }}", names))
    wrapped = draw(st.sampled_from(["", "if", "for"]))
    if wrapped:
        more, also, inner = draw(bodies("{{ NAME }}", names))
        also = [one.replace("Rule", "Case") for one in also]
        head = "if flag" if wrapped == "if" else "for one in many"
        text += f"\n{{% {head} %}}\n{more.replace('Rule', 'Case')}\n{{% end{wrapped} %}}\n"
        said, slots = said + also, slots + inner + ["flag" if wrapped == "if" else "many"]
    return Made({"made.j2": text}, said, slots)


@st.composite
def chats(draw: st.DrawFn) -> Made:
    first, said, slots = draw(bodies("{NAME}"))
    last, more, others = draw(bodies("{NAME}"))
    more = [one.replace("Rule", "Case") for one in more]
    turns = [{"role": "system", "content": first}]
    if draw(st.booleans()):
        turns += [
            {"role": "user", "content": "An odd one."},
            {"role": "assistant", "content": "An even one."},
        ]
        more += ["An odd one.", "An even one."]
    turns.append({"role": "user", "content": last.replace("Rule", "Case")})
    return Made({"made.json": json.dumps({"model": "m", "messages": turns})}, said + more, slots + others)


@st.composite
def suites(draw: st.DrawFn) -> Made:
    first, said, slots = draw(bodies("{{NAME}}"))
    prompts, others = [first], []
    if draw(st.booleans()):
        second, others, _ = draw(bodies("{{NAME}}", slots or ["x"]))
        others = [one.replace("Rule", "Case") for one in others]
        prompts.append(second.replace("Rule", "Case"))
        slots = slots + re.findall(r"{{(\w+)}}", second)
    config = {
        "prompts": [{"raw": text, "label": f"p{i}"} for i, text in enumerate(prompts)],
        "providers": ["x"],
    }
    return Made({"promptfooconfig.json": json.dumps(config, ensure_ascii=False)}, said, slots, others)


@st.composite
def crews(draw: st.DrawFn) -> Made:
    names = ("ticket", "order_id", "class", "Alpha", "alpha", "answer", "text", "json", "made", "x")
    role, said, slots = draw(bodies("{NAME}", names))
    task, more, inner = draw(bodies("{NAME}", names))
    more = [one.replace("Rule", "Case") for one in more]
    if not slots + inner:
        task, inner = f"{task} Mind {{ticket}}.", ["ticket"]
    tasks = {
        "first": {
            "description": task.replace("Rule", "Case"),
            "expected_output": "One line.",
            "agent": "writer",
        },
        "second": {"description": "Now judge it.", "expected_output": "A number.", "agent": "writer"},
    }
    agents = {"writer": {"role": "Writer", "goal": "Write well.", "backstory": role}}
    files = {
        "": "",
        "agents.yaml": json.dumps(agents, ensure_ascii=False),
        "tasks.yaml": json.dumps(tasks, ensure_ascii=False),
    }
    return Made(files, [*said, *more, "Write well.", "One line.", "Now judge it."], slots + inner)


@st.composite
def flows(draw: st.DrawFn) -> Made:
    said, more = draw(sentences()), [one.replace("Rule", "Case") for one in draw(sentences())]
    slot = draw(st.sampled_from(["note", "mail", "größe"]))
    code = f"""from crewai.flow.flow import Flow, listen, start
from litellm import completion


class MadeFlow(Flow):
    @start()
    def sort(self):
        prompt = {" ".join(said)!r} + f"\\n\\n{{self.state['{slot}']}}"
        found = completion(model="m", messages=[{{"role": "user", "content": prompt}}])
        self.state["kind"] = found.choices[0].message.content

    @listen(sort)
    def reply(self):
        prompt = {" ".join(more)!r} + f"\\n\\n{{self.state['kind']}}"
        found = completion(model="m", messages=[{{"role": "user", "content": prompt}}])
        return found.choices[0].message.content
"""
    return Made({"main.py": code}, said + more, [slot])


@st.composite
def functions(draw: st.DrawFn) -> Made:
    said, (user, more, slots) = (
        draw(sentences()),
        draw(bodies("{{ NAME }}", ("ticket", "answer", "made", "class", "json", "x"))),
    )
    more = [one.replace("Rule", "Case") for one in more]
    files = {
        "tensorzero.toml": (
            '[functions.f]\ntype = "chat"\n[functions.f.variants.a]\ntype = "chat_completion"\nmodel = "m"\n'
            'system_template = "s"\nuser_template = "u"\n'
        ),
        "s": "\n".join(said),
        "u": user.replace("Rule", "Case"),
    }
    return Made(files, said + more, slots)


@st.composite
def dotprompts(draw: st.DrawFn) -> Made:
    names = ("ticket", "order_id", "answer", "text", "made", "x", "prompt", "class", "schema")
    text, said, slots = draw(bodies("{{NAME}}", names))
    assume("\\{" not in text and "~}" not in text)
    head = draw(st.sampled_from(["", "---\nmodel: m\n---\n", '---\nmodel: m\n---\n{{role "system"}}']))
    if draw(st.booleans()):
        text, slots = f"{text}\n{{{{#if flag}}}}\nBe brief then.\n{{{{/if}}}}\n", [*slots, "flag"]
        said = [*said, "Be brief then."]
    return Made({"made.prompt": head + text}, said, slots)


@st.composite
def langchains(draw: st.DrawFn) -> Made:
    spellings = [("f-string", "{NAME}"), ("mustache", "{{NAME}}"), ("jinja2", "{{ NAME }}")]
    format, spelling = draw(st.sampled_from(spellings))
    text, said, slots = draw(bodies(spelling))
    one = {"_type": "prompt", "template": text, "template_format": format, "input_variables": slots}
    shape = draw(st.sampled_from(["prompt", "chat", "few_shot"]))
    if shape == "chat":
        value: dict[str, Any] = {
            "_type": "chat",
            "messages": [{"role": "system", "content": "Be kind."}, {"prompt": one}],
        }
        said = [*said, "Be kind."]
    elif shape == "few_shot":
        asked = spelling.replace("NAME", "noun")
        example = f"Noun: {asked}\nPlural: {spelling.replace('NAME', 'many')}"
        value = {
            "_type": "few_shot",
            "input_variables": [*slots, "noun"],
            "template_format": format,
            "prefix": text,
            "suffix": f"Noun: {asked}\nPlural:",
            "example_prompt": {
                "_type": "prompt",
                "template": example,
                "template_format": format,
                "input_variables": ["noun", "many"],
            },
            "examples": [{"noun": "goose", "many": "geese"}, {"noun": "ox", "many": "oxen"}],
        }
        if not slots:  # with other slots an example has no value for them, and is no demo
            said = [*said, "geese", "oxen"]
        slots = [*slots, "noun"]
    else:
        value = one
    return Made({"made.json": json.dumps(value, ensure_ascii=False)}, said, slots)


@st.composite
def pythons(draw: st.DrawFn) -> Made:
    names = ("ticket", "order_id", "größe", "answer", "text", "made", "имя", "prompt", "x")
    text, said, slots = draw(bodies("{NAME}", names))
    slots = slots or ["ticket"]
    text = f"{text}\n\n{{ticket}}" if slots == ["ticket"] else text
    literal = json.dumps(text, ensure_ascii=False)
    arguments = ", ".join(dict.fromkeys(slots))
    way = draw(st.sampled_from(["f-string", "format"]))
    keywords = ", ".join(f"{name}={name}" for name in dict.fromkeys(slots))
    value = f"f{literal}" if way == "f-string" else f"PROMPT.format({keywords})"
    code = f"""from openai import OpenAI

PROMPT = {literal}


def made({arguments}):
    messages = [{{"role": "user", "content": {value}}}]
    return OpenAI().chat.completions.create(model="m", messages=messages).choices[0].message.content
"""
    return Made({"made.py": code}, said, slots)


@st.composite
def registered(draw: st.DrawFn) -> Made:
    names = [name for name in NAMES if name[0].isascii()]  # MLflow itself takes no others
    text, said, slots = draw(bodies("{{ NAME }}", names))
    if draw(st.booleans()):
        text, said = f"{text}\n{{% if flag %}}\nBe brief then.\n{{% endif %}}\n", [*said, "Be brief then."]
        slots = [*slots, "flag"]
    return Made({"prompts:/made/1": text}, said, slots)


MAKERS: Mapping[str, Callable[[], st.SearchStrategy[Made]]] = {
    "text": texts,
    "markdown": markdowns,
    "jinja2": jinjas,
    "openai": chats,
    "promptfoo": suites,
    "crewai": crews,
    "flow": flows,
    "tensorzero": functions,
    "dotprompt": dotprompts,
    "langchain": langchains,
    "python": pythons,
    "mlflow": registered,
}


def test_prompts_of_every_format_are_made() -> None:
    assert {reader.format for reader in READERS} | {"mlflow", "flow"} == set(MAKERS)


@pytest.mark.parametrize("format", MAKERS)
@SETTINGS
@given(data=st.data())
def test_every_slot_and_sentence_is_in_what_the_written_program_asks(
    format: str, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    check(data.draw(MAKERS[format]()), monkeypatch)


TURNS = [
    {"role": "system", "content": "Be exact."},
    {"role": "user", "content": "An odd one."},
    {"role": "assistant", "content": "An even one."},
    {"role": "user", "content": "Judge {note} now."},
    {"role": "assistant", "content": "It is"},
]
WRITER = "writer: {role: Writer, goal: Write., backstory: You write.}\n"
TASKS = """one: {description: Read the news., expected_output: Text, agent: writer}
two: {description: "Sum up {topic}.", expected_output: Text, agent: writer}
"""
KEYWORD = {"_type": "prompt", "template": "Name it.\n{{ class }}", "template_format": "jinja2"}
SUITE = {"prompts": ["Judge it.", "Judge {{it}} well."], "tests": []}
REGISTERED = "Name it.\n{% if json %}Read:\n{{ json }}{% endif %}"
TOLD = ["User: An odd one.", "Assistant: An even one.", "Judge the note now.", "Begin the answer with: It is"]
CASES = {
    "a slot has the name that an answer would get": Made(
        {"made.txt": "Judge this.\n\n{answer}\n"}, ["Judge this."], ["answer"]
    ),
    "a turn of the assistant is no worked example": Made({"made.json": json.dumps(TURNS)}, TOLD, ["note"]),
    "a step has no slot of its own": Made(
        {"": "", "agents.yaml": WRITER, "tasks.yaml": TASKS}, ["Read the news.", "Sum up"], ["topic"]
    ),
    "only a candidate has the slot": Made(
        {"promptfooconfig.json": json.dumps(SUITE)}, ["Judge it."], ["it"], ["well."]
    ),
    "a slot of LangChain's Jinja is a keyword": Made(
        {"made.json": json.dumps(KEYWORD)}, ["Name it."], ["class"]
    ),
    "a slot of MLflow's Jinja is an attribute": Made({"prompts:/made/1": REGISTERED}, ["Name it."], ["json"]),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_where(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(CASES[name], monkeypatch)


def check(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift, write, import and render it, and look for every slot and sentence."""
    folder = Path(tempfile.mkdtemp())
    try:
        source, told = written(made, folder, monkeypatch)
    finally:
        shutil.rmtree(folder)
    inputs = {one.name for one in source.contract.inputs}
    wanted = {told.get(name, name) for name in dict.fromkeys(made.slots)}
    assert inputs == (wanted or {"text"})
    values = {one.name: marked(one.schema, one.name) for one in source.contract.inputs}
    asked = rendered(source, values)
    lost = [one for one in made.said if plain(one) not in asked]
    assert lost == []
    for name in inputs:
        assert mark(name) in asked
    raced = [text for one in source.recipe.passes if isinstance(one, Instructions) for text in one.texts]
    assert [one for one in made.others if not any(plain(one) in plain(text) for text in raced)] == []


def written(made: Made, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Source, dict[str, str]]:
    """The program as its written source is imported, and the slots that were renamed."""
    first, *_ = made.files
    if first.startswith("prompts:/"):
        prompt = SimpleNamespace(template=made.files[first], response_format=None, model_config=None)
        monkeypatch.setattr(mlflow_reader, "_load", lambda *_: prompt)
        prototype = read_prototype(first, name="made")
    else:
        for name, text in made.files.items():
            if name:
                (folder / name).write_text(text, encoding="utf-8")
        prototype = read_prototype(folder / first if first else folder, name="made")
    lifted = lift(prototype)
    home = folder / "project"
    write_source(lifted, home)
    make_project(home, "made")
    told = {
        part.what.strip("{}$ "): part.why.split("renamed to ")[1].split(":")[0]
        for part in lifted.unmapped
        if part.why.startswith("renamed to ")
    }
    return load_source(home, "made"), told


def rendered(source: Source, values: Mapping[str, Any]) -> str:
    """All plain prompts of the program, step by step, with each value where it is read."""
    parts = [(part.contract, part.instruction, part.demos) for part in source.parts]
    found = []
    for contract, instruction, demos in parts or [(source.contract, source.instruction, source.demos)]:
        own = contract.read_inputs(
            {one.name: values.get(one.name, marked(one.schema, one.name)) for one in contract.inputs}
        )
        prompt = render_generate(instruction, contract, demos, contract.outputs).fill(own)
        found += [message["content"] for message in prompt.messages()]
    return plain("\n".join(found))


def mark(name: str) -> str:
    return f"«{name}»"


def marked(schema: Mapping[str, Any], name: str) -> Any:
    """A value of the type that holds the mark, or says yes where only that can be said."""
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    own = options[0] if options else {}
    kind = own.get("type")
    if kind == "array":
        return [marked(own.get("items", {}), name)]
    if kind == "object":
        return {key: marked(value, name) for key, value in own.get("properties", {}).items()} or {
            "it": mark(name)
        }
    return mark(name)


def plain(text: str) -> str:
    """Words, whatever white space is between them."""
    return " ".join(text.split())


def test_the_marks_fit_their_types() -> None:
    field = Field("many", {"type": "array", "items": {"type": "string"}})
    contract = Contract((field,), (Field("answer", {"type": "string"}),))
    assert contract.read_inputs({"many": marked(field.schema, "many")}) == {"many": ["«many»"]}
