"""A prototype of every format, written for the tests, small enough to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PLAIN = """You answer the phone of a bakery. Sort the call.

Topics:
- order: somebody wants bread or cakes
- complaint
- other

Reply with just the name of the topic.

Call: {call}
"""
JINJA = """Write a note to {{ guest.name }}.
{% if allergies %}
Warn the kitchen of: {{ allergies | join(", ") }}.
{% else %}
Say that the menu stands as it is.
{% endif %}
"""
OPENAI = """{
  "model": "gpt-4o",
  "messages": [
    {"role": "system", "content": "Grade the essay. Be strict."},
    {"role": "user", "content": "Essay: My holiday was good."},
    {"role": "assistant", "content": "{\\"grade\\": \\"weak\\", \\"faults\\": [\\"too short\\"]}"},
    {"role": "user", "content": "Essay: {essay}"}
  ],
  "response_format": {"type": "json_schema", "json_schema": {"name": "grading", "schema": {
    "type": "object", "required": ["grade", "faults"],
    "properties": {"grade": {"enum": ["weak", "fair", "good"]},
                   "faults": {"type": "array", "items": {"type": "string"}}}}}},
  "tools": [{"type": "function", "function": {"name": "lookup_pupil", "description": "A pupil's record.",
             "parameters": {"type": "object", "required": ["number"],
                            "properties": {"number": {"type": "integer"}}}}}]
}
"""
PROMPTFOO = """prompts:
  - file://short.txt
  - "Is the parcel late? Answer Yes or No.\\n{{ parcel }}"
tests:
  - vars: {parcel: "Sent on Monday, still not here on Friday", answer: Yes}
    assert: [{type: icontains, value: "{{answer}}"}]
  - vars: {parcel: "Sent an hour ago", answer: No}
    assert: [{type: equals, value: "{{answer}}"}, {type: llm-rubric, value: is kind}]
"""
SHORT = """You watch parcels. Say Yes if this one is late, else No.
{{ parcel }}
"""
AGENTS = """gardener:
  role: Gardener of {town}
  goal: Choose plants that survive the winter
  backstory: You have lost enough roses.
writer:
  role: Writer
  goal: Say it in a few words
  backstory: You write seed packets.
"""
TASKS = """choose:
  description: Choose one plant for a balcony that faces {side}.
  expected_output: The name of one plant.
  agent: gardener
praise:
  description: Praise the plant in one sentence.
  expected_output: One sentence.
  agent: writer
"""
CREW = """from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, crew, task


@CrewBase
class BalconyCrew:
    agents_config = "agents.yaml"
    tasks_config = "tasks.yaml"

    @agent
    def gardener(self) -> Agent:
        return Agent(config=self.agents_config["gardener"])

    @agent
    def writer(self) -> Agent:
        return Agent(config=self.agents_config["writer"])

    @task
    def choose(self) -> Task:
        return Task(config=self.tasks_config["choose"])

    @task
    def praise(self) -> Task:
        return Task(config=self.tasks_config["praise"], context=[self.choose()])

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.sequential)
"""
FLOW = """from typing import Literal

from crewai.flow.flow import Flow, listen, router, start
from litellm import completion
from pydantic import BaseModel


class State(BaseModel):
    note: str = ""
    kind: Literal["praise", "blame"] = "praise"
    reply: str = ""


class NoteFlow(Flow[State]):
    @start()
    def sort(self):
        prompt = f"Is this praise or blame? One word.\\n\\n{self.state.note}"
        found = completion(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}])
        self.state.kind = found.choices[0].message.content

    @router(sort)
    def where(self):
        return self.state.kind

    @listen("praise")
    def thank(self):
        prompt = f"Thank the writer of this note.\\n\\n{self.state.note}"
        found = completion(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}])
        self.state.reply = found.choices[0].message.content

    @listen("blame")
    def calm(self):
        prompt = f"Calm the writer of this note.\\n\\n{self.state.note}"
        found = completion(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}])
        self.state.reply = found.choices[0].message.content
"""
TENSORZERO = """[functions.rate_room]
type = "json"
output_schema = "out.json"

[functions.rate_room.variants.plain]
type = "chat_completion"
model = "openai::gpt-4o-mini"
weight = 1
user_template = "user.minijinja"
"""
OUT = '{"type": "object", "required": ["clean"], "properties": {"clean": {"type": "boolean"}}}'
USER = "Is the room clean? The guest wrote:\n{{ remark }}\n"
DOTPROMPT = """---
model: googleai/gemini-2.5-flash
input:
  schema:
    poem: string
output:
  schema:
    mood(enum): [glad, sad]
    lines: integer, 1 to 40
---
Read the poem and say its mood.
{{poem}}
"""
LANGCHAIN = """{"_type": "few_shot", "input_variables": ["noun"], "prefix": "Give the plural.",
 "example_prompt": {"_type": "prompt", "input_variables": ["one", "many"],
                    "template": "Noun: {one}\\nPlural: {many}", "template_format": "f-string"},
 "examples": [{"one": "goose", "many": "geese"}, {"one": "ox", "many": "oxen"}],
 "suffix": "Noun: {noun}\\nPlural:"}
"""
PYTHON = '''from openai import OpenAI

PROMPT = """Shorten this headline to at most six words, and keep the verb.

{headline}"""


def shorten(headline: str) -> str:
    client = OpenAI()
    messages = [{"role": "user", "content": PROMPT.format(headline=headline)}]
    return client.chat.completions.create(model="gpt-4o", messages=messages).choices[0].message.content
'''

FORMATS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "call": ("text", {"call.txt": PLAIN}),
    "phone": ("markdown", {"phone.md": PLAIN}),
    "note": ("jinja2", {"note.j2": JINJA}),
    "essay": ("openai", {"essay.json": OPENAI}),
    "parcels": ("promptfoo", {"promptfooconfig.yaml": PROMPTFOO, "short.txt": SHORT}),
    "balcony": ("crewai", {"": "", "agents.yaml": AGENTS, "tasks.yaml": TASKS, "crew.py": CREW}),
    "mail": ("crewai", {"main.py": FLOW}),
    "room": ("tensorzero", {"": "", "tensorzero.toml": TENSORZERO, "out.json": OUT, "user.minijinja": USER}),
    "poem": ("dotprompt", {"poem.prompt": DOTPROMPT}),
    "plural": ("langchain", {"plural.json": LANGCHAIN}),
    "headline": ("python", {"headline.py": PYTHON}),
}
"""By a program's name: the format, and the files; the first is what is named, `""` for the folder."""


def write_prototype(name: str, folder: Path) -> Path:
    """The prototype of a name, written into a folder of its own; what is to be named."""
    _, files = FORMATS[name]
    home = folder / name
    home.mkdir(parents=True)
    for path, text in files.items():
        if path:
            (home / path).write_text(text, encoding="utf-8")
    return home / next(iter(files))
