"""Crews in all their shapes become drafts: a typed step a task, nothing of them executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import PrototypeError
from shipworthy.lift import crew_reader, lift, read_prototype
from shipworthy.lift.draft import Draft, StepDraft
from shipworthy.lift.files import Files

AGENTS = """\
researcher:
  role: >
    Researcher of {topic}
  goal: >
    Find what matters about {topic} in {current_year}
  backstory: >
    You have read everything about {topic}. You quote {"n": 1} as it stands.
  llm: openai/gpt-4o
editor:
  role: Editor
  goal: Make it readable
  backstory: You cut every needless word.
"""
TASKS = """\
research_task:
  description: >
    Read about {topic}. Note what is new in {current_year}.
  expected_output: >
    Ten bullet points about {topic}.
  agent: researcher
outline_task:
  description: Make an outline.
  expected_output: A list of headings.
  agent: editor
report_task:
  description: Write the report.
  expected_output: A report in Markdown without '```'
  agent: editor
"""
CREW = """\
from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, before_kickoff, crew, task
from crewai.agents.agent_builder.base_agent import BaseAgent
from news.models import Report
from .tools.lookup import LookupTool

raise SystemExit("a reader that runs this stops here")


@CrewBase
class News:
    agents: list[BaseAgent]
    tasks: list[Task]

    @before_kickoff
    def prepare(self, inputs):
        inputs["topic"] = inputs["topic"].strip()
        return inputs

    @agent
    def researcher(self) -> Agent:
        return Agent(config=self.agents_config["researcher"], tools=[LookupTool()], verbose=True)

    @agent
    def editor(self) -> Agent:
        return Agent(config=self.agents_config["editor"])

    @task
    def research_task(self) -> Task:
        return Task(config=self.tasks_config["research_task"])

    @task
    def outline_task(self) -> Task:
        return Task(config=self.tasks_config["outline_task"], guardrail="It has at least three headings")

    @task
    def report_task(self) -> Task:
        return Task(
            config=self.tasks_config["report_task"],
            output_pydantic=Report,
            guardrails=[long_enough, lambda out: (True, out)],
            output_file="report.md",
        )

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.hierarchical, manager_llm="gpt-4o")


def long_enough(out):
    return (len(out.raw) > 10, out)
"""
MODELS = """\
from datetime import date
from enum import Enum
from typing import Literal, Optional
from pydantic import BaseModel, Field, field_validator


class Tone(str, Enum):
    DRY = "dry"
    WARM = "warm"


class Section(BaseModel):
    heading: str = Field(..., min_length=1, description="as in the outline")
    words: int = Field(ge=0, le=500)


class Report(BaseModel):
    title: str
    tone: Tone
    kind: Literal["news", "essay"] = "news"
    sections: list[Section] = Field(default_factory=list)
    written: Optional[date] = None

    @field_validator("title")
    def no_dot(cls, value):
        return value
"""
TOOL = """\
from crewai.tools import BaseTool
from pydantic import BaseModel, Field


class Query(BaseModel):
    words: str = Field(description="what to look for")
    limit: int = 5


class LookupTool(BaseTool):
    name: str = "lookup"
    description: str = "Looks words up in the archive."
    args_schema: type[BaseModel] = Query

    def _run(self, words: str, limit: int = 5) -> str:
        return "…"
"""
MAIN = """\
from datetime import datetime
from news.crew import News


def run():
    inputs = {"topic": "tides", "current_year": 2025}
    News().crew().kickoff(inputs=inputs)


def train():
    News().crew().train(n_iterations=1, inputs={"topic": "tides", "current_year": str(datetime.now().year)})
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def lifted(path: Path) -> Draft:
    assert crew_reader.recognises(Files(path))
    return crew_reader.read(Files(path), name="crew")


def steps(draft: Draft) -> dict[str, StepDraft]:
    return {step.name: step for step in draft.steps}


def words(step: StepDraft) -> str:
    return "\n".join(message.template.text for message in step.prompts[0].messages)


def inputs(draft: Draft) -> list[str]:
    made = {field.name for step in draft.steps for field in step.outputs}
    found = [
        name
        for step in draft.steps
        for message in step.prompts[0].messages
        for name in message.template.inputs
        if name not in made
    ]
    return list(dict.fromkeys(found))


def why(draft: Draft, what: str) -> str:
    """The reason for what is told, with its place before it."""
    return "; ".join(f"{one.where} {one.why}" for one in draft.unmapped if what in one.what)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "pyproject.toml": "[project]\nname = 'news'\n",
            "src/news/__init__.py": "# news\n",
            "src/news/config/agents.yaml": AGENTS,
            "src/news/config/tasks.yaml": TASKS,
            "src/news/crew.py": CREW,
            "src/news/models.py": MODELS,
            "src/news/tools/lookup.py": TOOL,
            "src/news/main.py": MAIN,
            "tests/test_crew.py": "from crewai import Task\nTask(description='x', expected_output='y')\n",
        },
    )


class TestAProjectAsCrewAIMakesIt:
    def test_each_task_is_a_step_in_the_order_of_its_methods(self, project: Path) -> None:
        assert list(steps(lifted(project))) == ["research_task", "outline_task", "report_task"]

    def test_without_context_a_task_is_given_the_outputs_of_all_tasks_before_it(self, project: Path) -> None:
        found = steps(lifted(project))
        assert found["research_task"].reads == ()
        assert found["outline_task"].reads == ("research_task",)
        assert found["report_task"].reads == ("research_task", "outline_task")
        assert "{outline_task}" in words(found["report_task"])

    def test_messages_hold_the_agent_and_the_task(self, project: Path) -> None:
        system, user = steps(lifted(project))["research_task"].prompts[0].messages
        assert system.role == "system"
        assert user.role == "user"
        row = {"topic": "tides", "current_year": 2025}
        assert system.template.render(row).startswith(
            "You are Researcher of tides.\nYou have read everything"
        )
        assert 'You quote {"n": 1} as it stands.' in system.template.text
        assert "Note what is new in 2025." in user.template.render(row)
        assert "Ten bullet points about tides." in user.template.render(row)

    def test_the_class_of_an_answer_is_read_by_syntax_from_a_sibling_file(self, project: Path) -> None:
        output = steps(lifted(project))["report_task"].outputs[0]
        assert output.name == "report_task"
        assert output.schema == {
            "type": "object",
            "title": "Report",
            "required": ["title", "tone"],
            "properties": {
                "title": {"type": "string"},
                "tone": {"enum": ["dry", "warm"]},
                "kind": {"enum": ["news", "essay"], "default": "news"},
                "sections": {
                    "type": "array",
                    "default": [],
                    "items": {
                        "type": "object",
                        "title": "Section",
                        "required": ["heading", "words"],
                        "properties": {
                            "heading": {"type": "string", "minLength": 1, "description": "as in the outline"},
                            "words": {"type": "integer", "minimum": 0, "maximum": 500},
                        },
                    },
                },
                "written": {
                    "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}],
                    "default": None,
                },
            },
        }

    def test_a_tool_of_the_project_brings_its_parameters(self, project: Path) -> None:
        (tool,) = steps(lifted(project))["research_task"].tools
        assert (tool.name, tool.description) == ("LookupTool", "Looks words up in the archive.")
        assert list(tool.parameters["properties"]) == ["words", "limit"]

    def test_functions_guard_by_name_and_what_an_lm_judges_is_told(self, project: Path) -> None:
        draft = lifted(project)
        assert steps(draft)["report_task"].guardrails == ("long_enough",)
        assert steps(draft)["outline_task"].guardrails == ()
        assert "an LM judges" in why(draft, "guardrail: It has at least three headings")
        assert "give it one" in why(draft, "guardrail")

    def test_what_no_step_stands_for_is_told_with_its_place(self, project: Path) -> None:
        draft = lifted(project)
        assert why(draft, "researcher.llm").startswith("src/news/config/agents.yaml:8 which LM")
        assert "no agent hands out the tasks" in why(draft, "process")
        assert "write the file" in why(draft, "report_task.output_file")
        assert why(draft, "prepare").endswith("code is not carried over")
        assert "validator" in why(draft, "type")

    def test_what_main_tries_it_with_becomes_a_row_that_also_shows_types(self, project: Path) -> None:
        draft = lifted(project)
        assert draft.rows == ({"topic": "tides", "current_year": 2025},)
        stated = {field.name: field.schema for field in steps(draft)["research_task"].inputs}
        assert stated == {"current_year": {"type": "integer"}}

    def test_crew_py_alone_lifts_the_same(self, project: Path) -> None:
        draft = lifted(project / "src/news/crew.py")
        assert (
            draft.steps[0].prompts[0].messages[0].template.text
            == words(lifted(project).steps[0]).split("\nRead")[0]
        )
        assert [step.reads for step in draft.steps] == [step.reads for step in lifted(project).steps]

    def test_a_crew_py_that_does_not_parse_leaves_what_the_yaml_holds(self, project: Path) -> None:
        path = project / "src/news/crew.py"
        path.write_text(CREW.replace("class News:", "class News"), encoding="utf-8")
        draft = lifted(project)
        assert list(steps(draft)) == ["research_task", "outline_task", "report_task"]
        assert "Researcher of {topic}" in words(steps(draft)["research_task"])
        assert why(draft, "src/news/crew.py").startswith("src/news/crew.py:11:")

    def test_tasks_yaml_alone_is_enough(self, project: Path) -> None:
        draft = lifted(project / "src/news/config/tasks.yaml")
        assert list(steps(draft)) == ["research_task", "outline_task", "report_task"]
        assert "You cut every needless word." in words(steps(draft)["report_task"])
        assert "no crew.py" in why(draft, "crew.py")


class TestTasksInPython:
    def test_a_script_with_agents_and_tasks_in_its_module(self, tmp_path: Path) -> None:
        source = '''\
from crewai import Agent, Crew, Task
from textwrap import dedent

STYLE = "short and plain"
topic = input("topic? ")
writer = Agent(role="Writer", goal=f"Write {STYLE}", backstory="You like verbs.", tools=[search], memory=True)
critic = Agent(role="Critic", goal="Find faults", backstory="You are fair.")
draft = Task(
    description=dedent(f"""
        Write about {topic}.
          Keep it {STYLE}.
    """),
    expected_output="Three sentences.",
    agent=writer,
)
unused = Task(description="Nobody asks this", expected_output="-", agent=critic)
check = Task(description="Judge the draft", expected_output="yes or no", agent=critic, context=[draft])
polish = Task(description="Polish", expected_output="Text", agent=writer, context=[])
crew = Crew(agents=[writer, critic], tasks=[draft, check, polish], verbose=2)
print(crew.kickoff(inputs={}))
'''
        draft = lifted(write(tmp_path, {"app.py": source}) / "app.py")
        found = steps(draft)
        assert list(found) == ["draft", "check", "polish"]
        assert found["check"].reads == ("draft",)
        assert found["polish"].reads == ()
        assert "Write about {topic}.\n  Keep it short and plain." in words(found["draft"])
        assert "Your personal goal is: Write short and plain" in words(found["draft"])
        assert [tool.name for tool in found["polish"].tools] == ["search"]
        assert "does not list" in why(draft, "unused")
        assert "give it what it needs" in why(draft, "writer.memory")

    def test_classes_of_factory_methods_wired_up_in_main(self, tmp_path: Path) -> None:
        files = {
            "trip/agents.py": """\
from crewai import Agent
class TripAgents:
    def local_expert(self):
        return Agent(role="Local expert", goal="Know {city}", backstory="Born there.")
    def planner(self):
        agent = Agent(role="Planner", goal="Plan", backstory="Precise.")
        return agent
""",
            "trip/tasks.py": '''\
from crewai import Task
from textwrap import dedent
class TripTasks:
    def gather(self, agent, city):
        words = dedent(f"""Find sights in {city}. {self.__tip()}""")
        return Task(description=words, expected_output="A list", agent=agent)
    def plan(self, agent, days):
        return Task(description=f"Plan {days} days", expected_output="An itinerary", agent=agent)
    def __tip(self):
        return "If you do well you get a tip!"
''',
            "trip/main.py": """\
from crewai import Crew
from trip.agents import TripAgents
from trip.tasks import TripTasks
class TripCrew:
    def __init__(self, city, days):
        self.city, self.days = city, days
    def run(self):
        agents = TripAgents()
        tasks = TripTasks()
        expert = agents.local_expert()
        planner = agents.planner()
        gather_task = tasks.gather(expert, self.city)
        plan_task = tasks.plan(planner, self.days)
        crew = Crew(agents=[expert, planner], tasks=[gather_task, plan_task], verbose=True)
        return crew.kickoff()
""",
        }
        draft = lifted(write(tmp_path, files))
        assert list(steps(draft)) == ["gather", "plan"]
        assert "You are Local expert." in words(draft.steps[0])
        assert "Find sights in {city}. If you do well you get a tip!" in words(draft.steps[0])
        assert "You are Planner." in words(draft.steps[1])
        assert inputs(draft) == ["city", "days"]

    def test_a_crew_that_looks_its_yaml_up_and_is_wired_in_another_file(self, tmp_path: Path) -> None:
        files = {
            "config/agents.yaml": AGENTS,
            "config/tasks.yaml": TASKS,
            "parts.py": """\
import yaml
from crewai import Agent, Task
agents_config = yaml.safe_load(open("config/agents.yaml"))
tasks_config = yaml.safe_load(open("config/tasks.yaml"))
class Parts:
    def researcher(self):
        return Agent(config=agents_config["researcher"])
    def research(self, agent):
        return Task(
            description=tasks_config["research_task"]["description"],
            expected_output=tasks_config["research_task"]["expected_output"],
            agent=agent,
        )
""",
            "crew.py": """\
from crewai import Crew
from parts import Parts
class Desk:
    def __init__(self):
        parts = Parts()
        self.who = parts.researcher()
    def run(self):
        return Crew(agents=[self.who], tasks=[Parts().research(self.who)]).kickoff()
""",
        }
        (step,) = lifted(write(tmp_path, files)).steps
        assert step.name == "research"
        assert "You are Researcher of {topic}." in words(step)
        assert "Note what is new in {current_year}." in words(step)

    def test_of_two_crews_in_a_file_the_first_is_read_and_the_other_told(self, tmp_path: Path) -> None:
        one = """
@CrewBase
class {name}:
    @agent
    def a(self): return Agent(role="R", goal="G", backstory="B")
    @task
    def {task}(self): return Task(description="Do {task}", expected_output="Done", agent=self.a())
    @crew
    def crew(self): return Crew(agents=self.agents, tasks=self.tasks)
"""
        head = "from crewai import Agent, Crew, Task\nfrom crewai.project import *\n"
        source = head + one.format(name="First", task="begin") + one.format(name="Second", task="go_on")
        draft = lifted(write(tmp_path, {"crew.py": source}) / "crew.py")
        assert list(steps(draft)) == ["begin"]
        assert "one crew is read at a time" in why(draft, "Second")

    def test_an_asynchronous_task_is_given_the_last_output_before_it_that_was_waited_for(
        self, tmp_path: Path
    ) -> None:
        task = "{n} = Task(description='Do {n}', expected_output='x', agent=a{more})\n"
        source = "from crewai import Agent, Task, Crew\na = Agent(role='r', goal='g', backstory='b')\n"
        source += task.format(n="one", more="") + task.format(n="two", more=", async_execution=True")
        source += task.format(n="three", more=", async_execution=True") + task.format(n="four", more="")
        found = steps(lifted(write(tmp_path, {"crew.py": source}) / "crew.py"))
        assert found["three"].reads == ("one",)
        assert found["four"].reads == ("one", "two", "three")


JSONC = {
    "crew.jsonc": """\
{
  // a crew
  "name": "support",
  "agents": ["clerk", "missing"],
  "tasks": [
    {"name": "Read mail", "description": "Read {mail} // not a comment", "expected_output": "Facts",
     "agent": "clerk",
     "output_pydantic": {"python": "support.models.Facts"}, /* typed */ },
    {"name": "answer", "description": "Answer {mail}", "expected_output": "A letter", "agent": "clerk",
     "guardrail": {"python": "support.checks.polite"},
     "colour": "red", "human_input": true, "markdown": true},
    {"name": "file", "description": "File it", "expected_output": "No.", "agent": "clerk", "context": []},
  ],
  "process": "sequential",
  "inputs": {"mail": "", "shop": "Tidewater"},
}
""",
    "agents/clerk.jsonc": '{"role": "Clerk of {shop}", "goal": "Help", "backstory": "Kind.",\n'
    '  "tools": ["SerperDevTool", "custom:stock"], "settings": {"verbose": true, "allow_delegation": false}}',
    "support/models.py": "from pydantic import *\nclass Facts(BaseModel):\n    order: int | None\n",
    "tools/stock.py": 'from crewai.tools import *\n@tool\ndef stock(item: str):\n    """In store."""\n',
}


class TestJsoncProjects:
    def test_a_project_is_lifted_with_its_types_tools_and_defaults(self, tmp_path: Path) -> None:
        draft = lifted(write(tmp_path, JSONC))
        found = steps(draft)
        assert list(found) == ["read_mail", "answer", "file"]
        assert found["answer"].reads == ("read_mail",)
        assert found["file"].reads == ()
        assert found["read_mail"].outputs[0].schema["properties"]["order"]["anyOf"] == [
            {"type": "integer"},
            {"type": "null"},
        ]
        assert [tool.name for tool in found["answer"].tools] == ["SerperDevTool", "stock"]
        assert found["answer"].tools[1].description == "In store."
        assert found["answer"].guardrails == ("polite",)
        assert "Read {mail} // not a comment" in words(found["read_mail"])
        assert "Write the final answer in Markdown." in words(found["answer"])
        assert draft.defaults == {"shop": "Tidewater"}

    def test_what_is_not_carried_over_is_told_by_key_path(self, tmp_path: Path) -> None:
        draft = lifted(write(tmp_path, JSONC))
        assert why(draft, "answer.colour") == "crew.jsonc: tasks[1].colour CrewAI has no such key of a task"
        assert "no person is asked" in why(draft, "answer.human_input")
        assert "agents/clerk.jsonc: settings.verbose" in why(draft, "clerk.verbose")
        assert "renamed to read_mail" in why(draft, "Read mail")
        assert "there is no agents/missing.jsonc" in why(draft, "missing")
        assert "must be given" in why(draft, "inputs.mail")

    def test_broken_jsonc_is_refused_with_line_and_column(self, tmp_path: Path) -> None:
        text = JSONC["crew.jsonc"].replace('"process": "sequential"', '"process" "sequential"')
        path = write(tmp_path, {**JSONC, "crew.jsonc": text})
        with pytest.raises(PrototypeError) as error:
            crew_reader.read(Files(path), name="crew")
        assert error.value.where == "crew.jsonc:14:13"


class TestUglyInput:
    AGENT = "a:\n  role: R\n  goal: G\n  backstory: B\n"

    def crew(self, root: Path, description: str) -> Path:
        task = {"t": {"description": description, "expected_output": "Text", "agent": "a"}}
        return write(
            root, {"agents.yaml": self.AGENT, "tasks.yaml": json.dumps(task, ensure_ascii=False, indent=1)}
        )

    def test_slots_that_python_cannot_name_are_renamed_and_told(self, tmp_path: Path) -> None:
        draft = lifted(
            self.crew(tmp_path, "For {order-id}, {class}, {City} and {city}; {{discussion}}; {not this}; {}")
        )
        assert inputs(draft) == ["order_id", "class_", "City", "city_2", "discussion"]
        assert "renamed to order_id" in why(draft, "{order-id}")
        assert "keyword" in why(draft, "{class}")
        assert "in case only" in why(draft, "{city}")
        row = dict.fromkeys(inputs(draft), "x")
        assert "For x, x, x and x; {x}; {not this}; {}" in draft.steps[0].prompts[0].messages[
            1
        ].template.render(row)

    def test_an_input_named_like_a_task_is_told_apart_from_its_output(self, tmp_path: Path) -> None:
        assert inputs(lifted(self.crew(tmp_path, "About {t}"))) == ["t_2"]

    def test_emoji_and_right_to_left_text_are_kept(self, tmp_path: Path) -> None:
        draft = lifted(self.crew(tmp_path, "שלום {name} 👩‍🚀 مرحبا"))
        assert "שלום {name} 👩‍🚀 مرحبا" in words(draft.steps[0])

    def test_broken_yaml_is_refused_with_line_and_column(self, tmp_path: Path) -> None:
        text = TASKS.replace("agent: editor\nreport", "agent: [editor\nreport")
        path = write(tmp_path, {"agents.yaml": AGENTS, "tasks.yaml": text})
        with pytest.raises(PrototypeError) as error:
            crew_reader.read(Files(path), name="crew")
        assert error.value.where.startswith("tasks.yaml:11:")

    def test_tags_that_build_objects_are_refused(self, tmp_path: Path) -> None:
        text = TASKS.replace("Make an outline.", "!!python/object/apply:os.system ['true']")
        path = write(tmp_path, {"agents.yaml": AGENTS, "tasks.yaml": text})
        with pytest.raises(PrototypeError, match="would build an object"):
            crew_reader.read(Files(path), name="crew")

    def test_an_entry_that_is_no_agent_is_told(self, tmp_path: Path) -> None:
        path = self.crew(tmp_path, "Do it")
        (path / "agents.yaml").write_text(self.AGENT + "note: just text\n", encoding="utf-8")
        assert why(lifted(path), "note") == "agents.yaml:5 no agent or task: a mapping is expected"

    def test_a_file_outside_the_folder_is_not_read(self, tmp_path: Path) -> None:
        write(
            tmp_path, {"secret.yaml": TASKS, "app/config/tasks.yaml": TASKS, "app/config/agents.yaml": AGENTS}
        )
        source = CREW.replace("    agents: list", "    tasks_config = '../secret.yaml'\n    agents: list")
        draft = lifted(write(tmp_path / "app", {"crew.py": source}))
        assert "no such file in the folder" in why(draft, "../secret.yaml")

    def test_nothing_of_the_prototype_runs(self, tmp_path: Path) -> None:
        source = "open('ran', 'w').write('x')\nimport os; os.abort()\n" + CREW
        write(tmp_path, {"crew.py": source, "config/agents.yaml": AGENTS, "config/tasks.yaml": TASKS})
        lifted(tmp_path)
        assert not Path("ran").exists()
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        "text", ["{}", "[1, 2", '{"messages": []}', "name: x\n", "print('hi')\n", "def ("]
    )
    @pytest.mark.parametrize("name", ["a.json", "tasks.yaml", "crew.py", "main.py", "crew.jsonc"])
    def test_files_of_other_formats_are_not_recognised(self, tmp_path: Path, name: str, text: str) -> None:
        path = write(tmp_path, {name: text})
        assert not crew_reader.recognises(Files(path / name))
        assert not crew_reader.recognises(Files(path))

    def test_a_crew_without_a_task_is_refused(self, tmp_path: Path) -> None:
        source = "from crewai import Task\nt = Task(expected_output='x')\n"
        with pytest.raises(PrototypeError, match="no task with a description"):
            crew_reader.read(Files(write(tmp_path, {"crew.py": source}) / "crew.py"), name="crew")


sentence = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "Zs", "So"), include_characters=",:'\"-"),
    min_size=1,
    max_size=40,
).filter(str.strip)
slot = st.from_regex(r"[a-z][a-z0-9_\-]{0,8}", fullmatch=True)


@st.composite
def prose(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Sentences, and the slots between them."""
    said = [" ".join(one.split()) for one in draw(st.lists(sentence, min_size=1, max_size=4))]
    return said, draw(st.lists(slot, min_size=len(said), max_size=len(said)))


@settings(max_examples=40, deadline=None)
@given(parts=st.lists(prose(), min_size=5, max_size=5), layout=st.sampled_from(["yaml", "jsonc", "python"]))
def test_every_sentence_and_every_slot_is_in_what_is_rendered(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[list[str], list[str]]], layout: str
) -> None:
    texts = ["".join(f"{said} {{{name}}}. " for said, name in zip(*one, strict=True)) for one in parts]
    agent = dict(zip(("role", "goal", "backstory"), texts[:3], strict=True))
    task = {"description": texts[3], "expected_output": texts[4], "agent": "a"}
    if layout == "jsonc":
        whole = {"agents": ["a"], "tasks": [{"name": "t", **task}]}
        files = {"crew.jsonc": json.dumps(whole) + "// end", "agents/a.jsonc": json.dumps(agent)}
    elif layout == "yaml":
        files = {
            "agents.yaml": json.dumps({"a": agent}, ensure_ascii=False),
            "tasks.yaml": json.dumps({"t": task}, ensure_ascii=False),
        }
    else:
        made = ", ".join(f"{key}={value!r}" for key, value in agent.items())
        rest = ", ".join(f"{key}={value!r}" for key, value in task.items() if key != "agent")
        source = f"from crewai import Agent, Task\na = Agent({made})\nt = Task({rest}, agent=a)\n"
        files = {"crew.py": source}
    draft = lifted(write(tmp_path_factory.mktemp("crew"), files))
    (step,) = draft.steps
    row = {name: f"<{name}>" for message in step.prompts[0].messages for name in message.template.inputs}
    shown = "\n".join(message.template.render(row) for message in step.prompts[0].messages)
    for said, names in parts:
        assert all(one in shown and one in words(step) for one in said)
        assert all(f"{{{name}}}" in words(step) for name in names)
    renamed = {one.what: one.why for one in draft.unmapped if one.what.startswith("{")}
    for name in {name for _, names in parts for name in names}:
        spelled = f"{{{name}}}"
        input_name = renamed[spelled].split("renamed to ")[1].split(":")[0] if spelled in renamed else name
        assert f"<{input_name}>" in shown


def test_a_crew_that_is_given_nothing_is_refused_with_what_to_do(tmp_path: Path) -> None:
    files = {
        "agents.yaml": "writer: {role: Writer, goal: Write, backstory: You write.}\n",
        "tasks.yaml": "one: {description: Write., expected_output: Text, agent: writer}\n"
        "two: {description: Judge it., expected_output: Text, agent: writer}\n",
    }
    with pytest.raises(PrototypeError, match="none of its steps is given anything") as caught:
        lift(read_prototype(write(tmp_path, files), name="crew"))
    assert "{topic}" in caught.value.hint
