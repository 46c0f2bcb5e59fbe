"""Flows become drafts: a step for each call of an LM, connected by state, listeners and routers."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipworthy.errors import PrototypeError
from shipworthy.lift import crew_reader
from shipworthy.lift.draft import Draft, Router, StepDraft
from shipworthy.lift.files import Files

HEAD = """\
from typing import Literal
from crewai import LLM, Agent
from crewai.flow.flow import Flow, and_, listen, or_, router, start
from litellm import completion
from openai import OpenAI
from pydantic import BaseModel, Field

client = OpenAI()
llm = LLM(model="gpt-4o-mini", temperature=0)
"""


def lifted(root: Path, body: str, *, head: str = HEAD) -> Draft:
    path = root / "main.py"
    path.write_text(head + body, encoding="utf-8")
    assert crew_reader.recognises(Files(path))
    return crew_reader.read(Files(path), name="flow")


def steps(draft: Draft) -> dict[str, StepDraft]:
    return {step.name: step for step in draft.steps}


def words(step: StepDraft) -> list[tuple[str, str]]:
    return [(message.role, message.template.text) for message in step.prompts[0].messages]


def inputs(draft: Draft) -> list[str]:
    made = {field.name for step in draft.steps for field in step.outputs}
    given = [name for step in draft.steps for one in step.prompts[0].messages for name in one.template.inputs]
    return [name for name in dict.fromkeys(given) if name not in made]


def why(draft: Draft, what: str) -> str:
    return "; ".join(f"{one.where} {one.why}" for one in draft.unmapped if what in one.what)


def test_state_that_a_step_writes_is_its_output_and_other_state_is_an_input(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class State(BaseModel):
    text: str = ""
    language: str = "French"
    stars: int = Field(3, ge=1, le=5)
    summary: str = ""

class Review(Flow[State]):
    @start()
    def load(self):
        print("loading")

    @listen(load)
    def rate(self):
        answer = llm.call(f"Rate from 1 to 5:\\n{self.state.text}")
        self.state.stars = int(answer)

    @listen(rate)
    def summarise(self):
        system = "You write in " + self.state.language + "."
        said = "%d stars: %s" % (self.state.stars, self.state.text)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": said}]
        response = client.chat.completions.create(model="gpt-4o", messages=messages)
        self.state.summary = response.choices[0].message.content

    @listen(summarise)
    def save(self):
        with open("out.md", "w") as file:
            file.write(self.state.summary)

Review().kickoff(inputs={"text": "Cold soup", "language": "Dutch"})
""",
    )
    found = steps(draft)
    assert list(found) == ["rate", "summarise"]
    assert inputs(draft) == ["text", "language"]
    assert found["rate"].outputs[0].schema == {"type": "integer", "minimum": 1, "maximum": 5}
    assert found["summarise"].reads == ("rate",)
    row = {"text": "Cold soup", "language": "Dutch", "rate": 2}
    shown = [message.template.render(row) for message in found["summarise"].prompts[0].messages]
    assert shown == ["You write in Dutch.", "2 stars: Cold soup"]
    assert draft.defaults == {"language": "French"}
    assert draft.rows == ({"text": "Cold soup", "language": "Dutch"},)
    assert why(draft, "save").endswith("code is not carried over")
    assert why(draft, "load").endswith("it only passes state on")
    assert "chosen when the program is compiled" in why(draft, "model='gpt-4o'")


def test_a_router_with_comparisons_leads_each_value_to_its_step(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class Kind(str, Enum):
    BUG = "bug"
    IDEA = "idea"
    NOISE = "noise"

class State(BaseModel):
    mail: str = ""
    kind: Kind = Kind.NOISE
    reply: str = ""

class Desk(Flow[State]):
    @start()
    def sort(self):
        question = f"bug, idea or noise?\\n{self.state.mail}"
        r = completion(model="x", messages=[{"role": "user", "content": question}])
        self.state.kind = r.choices[0].message.content

    @router(sort)
    def where(self):
        kind = self.state.kind.strip()
        if kind == "bug":
            return "urgent"
        if kind in ("idea", "wish"):
            return "later"
        return "drop"

    @listen("urgent")
    def prepare(self):
        return self.state.mail

    @listen(prepare)
    def fix(self, mail):
        said = f"Say when it is mended: {mail}"
        self.state.reply = completion(model="x", messages=[{"role": "user", "content": said}])

    @listen("later")
    def thank(self):
        clerk = Agent(role="Clerk", goal="Be kind", backstory="Shy.")
        return clerk.kickoff(f"Thank for {self.state.mail}").raw

    @listen(or_(fix, thank))
    def polish(self):
        return llm.call(f"Polish: {self.state.reply}")
""",
    )
    assert draft.router == Router("sort", "sort", {"bug": "fix", "idea": "thank", "noise": None})
    assert steps(draft)["sort"].outputs[0].schema == {"enum": ["bug", "idea", "noise"]}
    assert words(steps(draft)["thank"])[0] == (
        "system",
        "You are Clerk.\nShy.\nYour personal goal is: Be kind",
    ) or (words(steps(draft)["thank"])[0][1].startswith("You are Clerk"))
    assert steps(draft)["polish"].reads == ("fix",)
    assert "code prepares it" not in why(draft, "mail")


def test_a_router_that_asks_an_lm_itself_answers_with_its_labels(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class Desk(Flow):
    @start()
    def load(self):
        self.state["mail"] = read_inbox()

    @router(load)
    def sort(self):
        return llm.call("spam or ham? " + self.state["mail"])

    @listen("ham")
    def answer(self):
        self.state["reply"] = llm.call("Answer " + self.state.get("mail", ""))

    @listen("spam")
    def drop(self):
        pass
""",
    )
    assert draft.router == Router("sort", "sort", {"ham": "answer", "spam": None})
    assert steps(draft)["sort"].outputs[0].schema == {"enum": ["ham", "spam"]}
    assert inputs(draft) == ["mail"]
    assert "load computes it" in why(draft, "state.mail")


def test_answers_that_are_returned_reach_the_listener_and_classes_type_them(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        '''
PROMPT = """Take the order apart.

{mail}"""

class Order(BaseModel):
    item: str
    number: int = Field(ge=1)

class Shop(Flow):
    def ask(self, prompt, kind=None):
        return completion(model="x", messages=[{"role": "user", "content": prompt}], response_format=kind)

    @start()
    def take(self):
        said = [{"role": "user", "content": PROMPT.format(mail=self.state["mail"])}]
        result = client.beta.chat.completions.parse(model="x", messages=said, response_format=Order)
        return result.choices[0].message.parsed

    @start()
    def greet(self):
        return self.ask("Greet the sender of " + self.state["mail"])

    @listen(and_(take, greet))
    def confirm(self, order):
        return self.ask(f"Confirm {order}.")
''',
    )
    found = steps(draft)
    assert found["take"].outputs[0].schema == {
        "type": "object",
        "title": "Order",
        "properties": {"item": {"type": "string"}, "number": {"type": "integer", "minimum": 1}},
        "required": ["item", "number"],
    }
    assert words(found["take"])[0][1].startswith("Take the order apart.\n\n{")
    assert words(found["greet"])[0][1].startswith("Greet the sender of {")
    assert set(found["confirm"].reads) == {"take", "greet"}


def test_two_calls_in_a_method_are_two_steps(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class Two(Flow):
    @start()
    def write(self):
        first = llm.call(f"Outline {self.state['topic']}")
        second = llm.call(f"Write along this outline:\\n{first}")
        self.state["text"] = second
""",
    )
    assert list(steps(draft)) == ["write", "write_2"]
    assert steps(draft)["write_2"].reads == ("write",)


def test_what_code_computes_and_loops_over_is_told(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class Loop(Flow):
    @start()
    def each(self):
        for item in self.state["items"]:
            self.state["notes"].append(llm.call(f"Note on {item} of {len(self.state['items'])} at {now()}"))

    @listen(each)
    def crew(self):
        self.state["report"] = ReportCrew().crew().kickoff(inputs={"notes": self.state["notes"]}).raw
""",
    )
    assert inputs(draft)[0] == "item"
    assert "one item at a time" in why(draft, "item")
    assert "code prepares it" in why(draft, "len(")
    assert "code computes it" in why(draft, "now()")
    assert "lift that crew on its own" in why(draft, "ReportCrew()")


def test_a_loop_back_runs_once_and_is_told(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class State(BaseModel):
    ok: bool = False
    text: str = ""

class Retry(Flow[State]):
    @start("again")
    def write(self):
        self.state.text = llm.call("Write")

    @listen(write)
    def judge(self):
        self.state.ok = "yes" in llm.call(f"Is this good? {self.state.text}")

    @router(judge)
    def where(self):
        return "done" if self.state.ok else "again"

    @listen("done")
    def publish(self):
        return llm.call(f"Announce {self.state.text}")
""",
    )
    assert draft.router == Router("judge", "judge", {"yes": "publish", "no": None})
    assert "runs once" in why(draft, "write")


def test_nothing_of_a_flow_runs_and_one_without_an_lm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "main.py"
    path.write_text(
        HEAD + "raise SystemExit\nclass F(Flow):\n    @start()\n    def a(self): pass\n", encoding="utf-8"
    )
    with pytest.raises(PrototypeError, match="no method of this Flow asks an LM"):
        crew_reader.read(Files(path), name="flow")


def test_emoji_and_right_to_left_text_are_kept(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path, "class F(Flow):\n    @start()\n    def a(self): return llm.call('שלום 👩‍🚀 {x}')\n"
    )
    assert words(draft.steps[0]) == [("user", "שלום 👩‍🚀 {x}")]


def test_messages_that_are_appended_are_read_in_order(tmp_path: Path) -> None:
    draft = lifted(
        tmp_path,
        """
class F(Flow):
    @start()
    def a(self):
        messages = [{"role": "system", "content": "Be brief."}]
        messages.append({"role": "user", "content": f"About {self.state['topic']}"})
        return completion(model="x", messages=messages)
""",
    )
    assert words(draft.steps[0]) == [("system", "Be brief."), ("user", "About {self.state.topic}")]
