"""Programs of several steps, as they are written: wired by name, and refused where a name does not fit."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypedDict

import dspy
import pytest
from mail_program import Clerk, Confirm, Reply, Sort, Urgent, mail, tools
from pydantic import BaseModel

import shipworthy as sw
from shipworthy.compiler import load_source, source_of
from shipworthy.errors import RowInputError, ShipworthyError, SourceError
from shipworthy.lms.dspy_engine import dspy_lm
from shipworthy.runtime.dspy_bridge import RuntimeAdapter


def program(**attributes: Any) -> Any:
    """A `Steps` with these class attributes."""
    return type("Made", (sw.Steps,), attributes)()


def refused(**attributes: Any) -> ShipworthyError:
    """How such a program is refused when it is loaded."""
    with pytest.raises(SourceError) as caught:
        source_of(program(**attributes), name="made")
    assert caught.value.hint
    return caught.value


def test_order_follows_from_names_and_not_from_where_a_step_is_written(tmp_path: Path) -> None:
    wired = mail(tmp_path).wired
    place = {name: wired.flow.index(name) for name in wired.flow}
    assert place["sort"] < place["urgent"]
    assert place["sort"] < place["confirm"] < place["reply"]
    assert place["passages"] < place["reply"]


def test_inputs_are_what_no_step_writes_and_outputs_what_no_step_reads() -> None:
    made = program(sort=sw.step(Sort), urgent=sw.step(Urgent))
    assert [one.name for one in made.wired.contract.inputs] == ["text"]
    assert [one.name for one in made.wired.contract.outputs] == ["urgent"]


def test_an_output_is_null_where_its_step_does_not_run(tmp_path: Path) -> None:
    types = {one.name: one.schema for one in mail(tmp_path).wired.contract.outputs}
    assert {"type": "null"} in types["number"]["anyOf"]
    assert "anyOf" not in types["kind"]


def test_dspy_sees_the_predictors_and_runs_the_program(tmp_path: Path) -> None:
    own = mail(tmp_path)
    assert sorted(name for name, _ in own.named_predictors()) == ["confirm", "reply", "sort", "urgent"]
    lm = Clerk()
    with dspy.context(lm=dspy_lm(lm), adapter=RuntimeAdapter(lm)):
        order, praise = own(text="where is parcel 7"), own(text="lovely cup")
    assert dict(order) == {"kind": "order", "number": "7", "urgent": False, "reply": "about 7"}
    assert dict(praise) == {"kind": "praise", "number": None, "urgent": False, "reply": "about null"}


def test_a_dspy_optimizer_puts_demos_into_every_step(tmp_path: Path) -> None:
    own = mail(tmp_path)
    rows = [dspy.Example(text="a", kind="order", urgent=False).with_inputs("text") for _ in range(3)]
    tuned = dspy.LabeledFewShot(k=2).compile(own, trainset=rows)
    assert {len(one.demos) for _, one in tuned.named_predictors()} == {2}
    assert all(not one.demos for _, one in own.named_predictors())


def test_copies_have_predictors_of_their_own(tmp_path: Path) -> None:
    own = mail(tmp_path)
    copy = own.deepcopy()
    copy.sort.signature = copy.sort.signature.with_instructions("Other words.")
    assert own.sort.signature.instructions == "Sort the message."
    assert copy.wired == own.wired


def test_steps_can_be_set_in_init_without_calling_the_parents() -> None:
    class Made(sw.Steps):
        sort = sw.step(Sort)

        def __init__(self, second: Any) -> None:
            self.second = sw.step(second)

    assert Made(Urgent).wired.flow == ("sort", "second")


def test_an_unknown_or_a_missing_input_is_named() -> None:
    made = program(sort=sw.step(Sort))
    with pytest.raises(RowInputError, match="unknown inputs: txet"):
        made(text="a", txet="b")
    with pytest.raises(RowInputError, match="'text' is missing"):
        made()


class Loop(dspy.Signature):
    """Read what comes later."""

    urgent: bool = dspy.InputField()
    text: str = dspy.OutputField()


def test_steps_that_wait_for_each_other_are_refused() -> None:
    error = refused(sort=sw.step(Sort), urgent=sw.step(Urgent), loop=sw.step(Loop))
    assert "wait for each other" in error.message
    assert "urgent -> loop" in error.message


def test_an_input_that_nobody_gives_is_refused_with_the_likely_name() -> None:
    error = refused(inputs=("tekst",), sort=sw.step(Sort))
    assert "'text'" in error.message
    assert "step 'sort'" in error.where
    error = refused(inputs=("text", "texts"), sort=sw.step(Sort))
    assert error.message == "no step reads the input 'texts'"
    assert error.hint == "is 'text' meant?"


def test_an_output_that_nobody_writes_is_refused_with_the_likely_name() -> None:
    error = refused(outputs=("kinds",), sort=sw.step(Sort))
    assert (error.message, error.hint) == ("no step writes the output 'kinds'", "is 'kind' meant?")


def test_two_steps_that_write_one_output_are_refused() -> None:
    error = refused(sort=sw.step(Sort), again=sw.step(Sort.with_instructions("Sort again.")))
    assert "'sort' and 'again' both write 'kind'" in error.message


def test_two_steps_may_write_one_output_where_they_never_run_both() -> None:
    made = program(
        outputs=("number",),
        sort=sw.step(Sort),
        one=sw.step(Confirm, when={"kind": "order"}),
        other=sw.step(Confirm.with_instructions("Name the cup."), when={"kind": ["complaint", "praise"]}),
    )
    (number,) = made.wired.contract.outputs
    assert "anyOf" not in number.schema  # one of them always runs


def test_a_when_on_what_is_no_decision_is_refused() -> None:
    error = refused(sort=sw.step(Sort), confirm=sw.step(Confirm, when={"text": "order"}))
    assert "'text', which is no decision" in error.message
    assert "kind" in error.hint


def test_a_when_on_what_is_no_label_is_refused() -> None:
    error = refused(sort=sw.step(Sort), confirm=sw.step(Confirm, when={"kind": "odrer"}))
    assert "'odrer', which is no label" in error.message
    assert "'order'" in error.hint


def test_a_step_that_nobody_reads_and_that_is_no_output_is_refused() -> None:
    error = refused(outputs=("kind",), sort=sw.step(Sort), confirm=sw.step(Confirm))
    assert "no step reads what it writes (number)" in error.message
    assert "step 'confirm'" in error.where


class NeedsNumber(dspy.Signature):
    """Look the order up."""

    number: str = dspy.InputField()
    state: str = dspy.OutputField()


def test_what_may_be_null_is_read_by_steps_that_take_null_or_run_no_oftener() -> None:
    steps = {"sort": sw.step(Sort), "confirm": sw.step(Confirm, when={"kind": "order"})}
    error = refused(**steps, look=sw.step(NeedsNumber))
    assert "null where 'confirm' does not run" in error.message
    flow = program(**steps, look=sw.step(NeedsNumber, when={"kind": "order"})).wired.flow
    assert flow == ("sort", "confirm", "look")


class ReadsInteger(dspy.Signature):
    """Count."""

    kind: int = dspy.InputField()
    text: str = dspy.InputField()
    size: int = dspy.OutputField()


def test_a_value_read_as_another_type_is_refused() -> None:
    error = refused(sort=sw.step(Sort), count=sw.step(ReadsInteger))
    assert "reads 'kind' as integer, and the step 'sort' writes string" in error.message


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(SourceError, match="cannot be made of 3"):
        program(sort=sw.step(3))
    assert "has no steps" in refused().message


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Seen(BaseModel):
    colour: Colour
    shade: float


def test_the_return_annotation_says_the_outputs() -> None:
    class Sizes(TypedDict):
        words: int
        loud: bool

    def several(text: str) -> Seen:
        raise NotImplementedError

    def one(text: str) -> list[str]:
        raise NotImplementedError

    made = program(seen=sw.step(several), words=sw.step(one))
    outputs = {own.name: own for own in made.wired.contract.outputs}
    assert list(outputs) == ["colour", "shade", "words"]
    assert outputs["colour"].choices == ("red", "blue")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def own(text: str): return text", "does not say what it returns"),
        ("def own(*texts: str) -> str: return ''", "cannot be wired by name"),
        ("async def own(text: str) -> str: return ''", "no plain function"),
        ("def own() -> str: return ''", "at least one input"),
        ("def own(text: Nothing) -> str: return ''", "annotations"),
        ("from . import other\ndef own(text: str) -> str: return ''", "beside it"),
        ("def own(text: str) -> str:\n    import neighbour\n    return ''", "beside it"),
        (
            "def own(text: str) -> str: return ''\nwrong = 1 / len(__file__[:0])",
            "ZeroDivisionError",
        ),
    ],
)
def test_a_function_that_cannot_be_a_step_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "neighbour.py").write_text("")
    file = tmp_path / "odd.py"
    file.write_text(text)
    scope: dict[str, Any] = {"__name__": "odd", "__file__": "x", "__package__": "json"}
    exec(compile(text.replace("from . import other", "").replace("[:0]", ""), str(file), "exec"), scope)
    error = refused(own=sw.step(scope["own"]))
    assert says in f"{error.message} {error.hint}"


def test_a_function_without_a_file_is_refused() -> None:
    scope: dict[str, Any] = {}
    exec("def own(text: str) -> str: return text", scope)
    assert "stands in no file" in refused(own=sw.step(scope["own"])).message
    assert "inside something else" in refused(own=sw.step(_nested())).message


def _nested() -> Any:
    def own(text: str) -> str:
        return text

    return own


def test_a_functions_files_lie_in_its_project(tmp_path: Path) -> None:
    own = tools(tmp_path / "house" / "programs")
    for path in ("../secret.txt", "../../secret.txt", str(tmp_path / "house" / "secret.txt")):
        error = refused(passages=sw.step(own.find_passages, files=[path]))
        assert "does not lie in the project" in error.message
    (tmp_path / "house" / "pyproject.toml").touch()
    for path in ("../../secret.txt", str(tmp_path / "house" / "secret.txt")):
        error = refused(passages=sw.step(own.find_passages, files=[path]))
        assert "does not lie in the project" in error.message
    error = refused(passages=sw.step(own.find_passages, files=["nothing.txt"]))
    assert "cannot be read" in error.message


PROJECT = {
    "signatures/mail.py": """
from typing import Literal
import dspy

class Sort(dspy.Signature):
    '''Sort the message.'''
    text: str = dspy.InputField()
    kind: Literal["order", "praise"] = dspy.OutputField()
""",
    "programs/mail_tools.py": """
from __future__ import annotations
from typing import TypedDict

class Sizes(TypedDict):
    words: int

def measure(text: str) -> Sizes:
    return {"words": len(text.split())}
""",
    "programs/mail.py": """
import shipworthy as sw
from programs.mail_tools import measure
from signatures.mail import Sort

class Mail(sw.Steps):
    sort = sw.step(Sort)
    measure = sw.step(measure)
""",
}


def test_a_project_program_of_several_steps_is_loaded_by_name(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    source = load_source(tmp_path, "mail")
    assert [part.name for part in source.parts] == ["sort", "measure"]
    assert [own.name for own in source.contract.outputs] == ["kind", "words"]
    (tmp_path / "programs/mail.py").write_text(
        PROJECT["programs/mail.py"].replace("(Sort)", "(Sort, when={'a': 1})")
    )
    with pytest.raises(SourceError, match="no decision"):
        load_source(tmp_path, "mail")


def test_a_program_within_a_program_is_wired_by_its_inputs_and_outputs(tmp_path: Path) -> None:
    class Inner(sw.Steps):
        outputs = ("reply",)
        sort = sw.step(Sort)
        passages = sw.step(tools(tmp_path).find_passages, files=["handbook.txt"])
        number = sw.step(Confirm, when={"kind": "order"})
        reply = sw.step(Reply)

    made = program(
        outputs=("kind", "reply"),
        sort=sw.step(Sort.with_instructions("Sort the outer way.")),
        answer=sw.step(Inner, when={"kind": Choice.ORDER}),
    )
    source = source_of(made, name="made")
    parts = {part.name: part for part in source.parts}
    assert set(parts) == {"sort", "answer.sort", "answer.passages", "answer.number", "answer.reply"}
    assert parts["answer.sort"].names == {"kind": "answer.kind"}
    assert parts["answer.reply"].names == {"passages": "answer.passages", "number": "answer.number"}
    assert parts["answer.number"].when == {"kind": ("order",), "answer.kind": ("order",)}
    assert parts["answer.reply"].when == {"kind": ("order",)}
    assert {"type": "null"} in next(o for o in source.contract.outputs if o.name == "reply").schema["anyOf"]


class Choice(Enum):
    ORDER = "order"


def test_a_bool_label_is_not_the_number_one() -> None:
    class Yes(dspy.Signature):
        """Yes or no."""

        text: str = dspy.InputField()
        sure: bool = dspy.OutputField()

    class Then(dspy.Signature):
        """Then."""

        text: str = dspy.InputField()
        then: Literal["a", "b"] = dspy.OutputField()

    assert "no label" in refused(yes=sw.step(Yes), then=sw.step(Then, when={"sure": 1})).message
    assert program(yes=sw.step(Yes), then=sw.step(Then, when={"sure": True})).wired.flow == ("yes", "then")
