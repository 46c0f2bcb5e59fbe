"""DSPy over our LMs and executor, and compiled programs within DSPy."""

from __future__ import annotations

import asyncio
import datetime
import enum
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import dspy
import pydantic
import pytest
from dspy import lm15
from dspy.utils.exceptions import AdapterParseError, ContextWindowExceededError, LMError

from shipworthy import errors
from shipworthy.lms import LM, Generation, Prompt, Question, Scores, Usage, open_lm
from shipworthy.lms.dspy_engine import AsyncEngine, Engine, dspy_lm, lm15_error, prompt_of
from shipworthy.runtime import Demo, Heads, LMSpec, Program, ProgramSpec
from shipworthy.runtime.dspy_bridge import (
    RuntimeAdapter,
    as_dspy,
    contract_of,
    demos_of,
    signature_of,
    step_of,
)

Queue = Literal["billing", "shipping", "other"]
TICKETS = [
    ("I was charged twice", "billing"),
    ("Where is my parcel?", "shipping"),
    ("Do you sell gift cards?", "other"),
    ("Refund me please", "billing"),
    ("The box never came", "shipping"),
]
TRAINSET = [dspy.Example(ticket=text, queue=queue).with_inputs("ticket") for text, queue in TICKETS]


class Route(dspy.Signature):
    """Route the ticket to a queue."""

    ticket: str = dspy.InputField(desc="what the customer wrote")
    queue: Queue = dspy.OutputField()


class Urgency(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Item(pydantic.BaseModel):
    title: str
    count: int = pydantic.Field(ge=1)


class Order(dspy.Signature):
    """Read the order."""

    text: str = dspy.InputField()
    sent: datetime.date | None = dspy.InputField(desc="when it was sent")
    shop: str = dspy.InputField(default="main")
    lines: list[Item] = dspy.OutputField(desc="what was ordered")
    urgency: Urgency = dspy.OutputField()
    gift: bool = dspy.OutputField()
    note: str | None = dspy.OutputField()


class Scripted:
    """An LM that says what it was told to say, and keeps what it was asked."""

    reads_logprobs = False
    workers = 1
    context = 1000

    def __init__(self, *says: str | errors.ShipworthyError, id: str = "local/scripted") -> None:
        self.id = id
        self.says = list(says)
        self.prompts: list[Prompt] = []
        self.schemas: list[dict[str, Any] | None] = []
        self.limits: list[int] = []

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode())

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        raise NotImplementedError

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        self.prompts.append(prompt)
        self.schemas.append(schema)
        self.limits.append(max_tokens)
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, errors.ShipworthyError):
            raise said
        return Generation(said, True, Usage(10, 4, 3))

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def lm() -> Iterator[LM]:
    found = open_lm("local", workers=1)
    yield found
    found.close()


def configured(lm: LM) -> Any:
    return dspy.context(lm=dspy_lm(lm), adapter=RuntimeAdapter(lm))


# ── contracts ────────────────────────────────────────────────────────────────


def test_a_signature_becomes_a_contract() -> None:
    contract = contract_of(Order)
    assert [field.name for field in contract.inputs] == ["text", "sent", "shop"]
    by_name = {field.name: field for field in (*contract.inputs, *contract.outputs)}
    assert by_name["text"].schema == {"type": "string"}
    assert by_name["text"].description == ""
    assert by_name["sent"].description == "when it was sent"
    assert by_name["shop"].schema == {"type": "string", "default": "main"}
    assert by_name["urgency"].schema == {"enum": ["low", "high"], "type": "string"}
    assert by_name["gift"].choices == (True, False)
    assert by_name["lines"].schema == {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
            "required": ["title", "count"],
        },
    }
    assert contract_of(Order).digest == contract.digest
    assert type(contract).from_json(json.loads(json.dumps(contract.as_json()))) == contract


def test_a_contract_becomes_a_signature_again() -> None:
    signature = signature_of(contract_of(Order), Order.instructions)
    assert signature.instructions == "Read the order."
    assert contract_of(signature).as_json() == contract_of(Order).as_json()


def test_inputs_with_defaults_and_those_that_may_be_none_can_be_left_out() -> None:
    assert contract_of(Order).read_inputs({"text": "x"}) == {"text": "x", "sent": None, "shop": "main"}


def test_field_constraints_are_kept() -> None:
    signature = dspy.Signature({"a": (str, dspy.InputField()), "b": (int, dspy.OutputField(ge=1, le=5))})
    assert contract_of(signature).outputs[0].schema == {"type": "integer", "minimum": 1, "maximum": 5}


class Node(pydantic.BaseModel):
    children: list[Node]


class Weird(enum.Enum):
    A = (1, 2)


@pytest.mark.parametrize(
    "annotation",
    [dspy.Image, list[dspy.Image], dspy.History, Node, Weird, tuple[int, str], Callable[[int], int]],
)
def test_a_type_that_cannot_be_read_is_refused_by_name(annotation: Any) -> None:
    signature = dspy.Signature(
        {"text": (str, dspy.InputField()), "strange": (annotation, dspy.OutputField())}
    )
    with pytest.raises(errors.ContractError, match="'strange'") as caught:
        contract_of(signature)
    assert caught.value.hint


def test_demos_may_be_dicts_or_examples_and_incomplete_ones_are_left_out() -> None:
    contract = contract_of(Order)
    item = Item(title="cup", count=2)
    whole = dspy.Example(text=7, sent=None, lines=[item], urgency=Urgency.HIGH, gift=True, note=None)
    found = demos_of(Order, contract, [whole, {"text": "x", "gift": False}, {**whole.toDict(), "gift": None}])
    assert found == (
        Demo(
            inputs={"text": "7", "sent": None, "shop": "main"},
            outputs={"lines": [{"title": "cup", "count": 2}], "urgency": "high", "gift": True, "note": None},
        ),
    )


def test_a_demo_that_does_not_fit_is_an_error_that_says_where() -> None:
    with pytest.raises(errors.ContractError) as caught:
        step_of(Route, [{"ticket": "x", "queue": "billing"}, {"ticket": "x", "queue": "nowhere"}])
    assert "demo 2" in caught.value.where
    assert "queue" in caught.value.where


# ── the adapter ──────────────────────────────────────────────────────────────


def test_outputs_come_back_in_the_signatures_own_types() -> None:
    said = {"lines": [{"title": "cup", "count": 2}], "urgency": "high", "gift": True, "note": None}
    with configured(Scripted(json.dumps(said))):
        prediction = dspy.Predict(Order)(text="two cups", sent=datetime.date(2026, 5, 1))
    assert prediction.lines == [Item(title="cup", count=2)]
    assert isinstance(prediction.lines[0], Item)
    assert prediction.urgency is Urgency.HIGH
    assert prediction.gift is True
    assert prediction.note is None


def test_the_prompt_is_that_of_a_compiled_program() -> None:
    lm = Scripted('{"queue": "other"}')
    demos = [{"ticket": "Refund", "queue": "billing"}]
    with configured(lm):
        predict = dspy.Predict(Route)
        predict.demos = demos
        predict(ticket="hello")
        shown = dspy.settings.adapter.format(Route, demos, {"ticket": "hello"})
    step = step_of(Route, demos)
    assert step.generate is not None
    assert lm.prompts == [step.generate.prompt.fill({"ticket": "hello"})]
    assert shown == lm.prompts[0].messages()
    assert "Route the ticket" in shown[0]["content"]
    assert shown[1:3] == [
        {"role": "user", "content": "ticket: Refund"},
        {"role": "assistant", "content": '{"queue": "billing"}'},
    ]


@pytest.mark.parametrize("said", ["no JSON", '{"queue": "nowhere"}', "{}", "[]"])
def test_an_answer_that_does_not_fit_is_dspys_parse_error(said: str) -> None:
    with configured(Scripted(said)), pytest.raises(AdapterParseError) as caught:
        dspy.Predict(Route)(ticket="hello")
    assert caught.value.adapter_name == "RuntimeAdapter"
    assert caught.value.signature is Route
    with pytest.raises(AdapterParseError):
        RuntimeAdapter(Scripted("")).parse(Route, said)


def test_a_validator_of_the_users_own_is_a_parse_error_too() -> None:
    class Even(pydantic.BaseModel):
        n: int

        @pydantic.field_validator("n")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("odd")
            return value

    signature = dspy.Signature({"text": (str, dspy.InputField()), "even": (Even, dspy.OutputField())})
    with configured(Scripted('{"even": {"n": 3}}')), pytest.raises(AdapterParseError, match="odd"):
        dspy.Predict(signature)(text="three")


def test_settings_of_a_call_and_its_usage() -> None:
    lm = Scripted('{"queue": "other"}')
    with configured(lm), dspy.track_usage() as tracker:
        prediction = dspy.Predict(Route, n=3, max_tokens=77, temperature=1.0)(ticket="hello")
    assert prediction.completions.queue == ["other"] * 3
    assert lm.limits == [77]
    assert tracker.get_total_tokens()[lm.id]["total_tokens"] == 13


def test_other_failures_stay_what_they_are() -> None:
    with configured(Scripted(errors.LMError("down"))), pytest.raises(errors.LMError, match="down"):
        dspy.Predict(Route)(ticket="hello")
    with configured(Scripted("{}")), pytest.raises(errors.RowInputError, match="ticket"):
        dspy.Predict(Route)()


def test_evaluate_scores_a_failed_row_as_dspy_does() -> None:
    lm = Scripted('{"queue": "billing"}', "no JSON", '{"queue": "other"}', '{"queue": "shipping"}')
    with configured(lm):
        evaluate = dspy.Evaluate(
            devset=TRAINSET[:4],
            metric=lambda example, prediction, trace=None: example.queue == prediction.queue,
            num_threads=1,
            display_progress=False,
            failure_score=0.0,
        )
        assert evaluate(dspy.Predict(Route)).score == 50.0


def test_the_event_loop_stays_free() -> None:
    async def both() -> list[Any]:
        with configured(Scripted('{"queue": "other"}')):
            return await asyncio.gather(*[dspy.Predict(Route).acall(ticket="hello") for _ in range(2)])

    assert [prediction.queue for prediction in asyncio.run(both())] == ["other", "other"]


@pytest.mark.slow
def test_chain_of_thought_runs_on_the_embedded_lm(lm: LM) -> None:
    signature = Route.with_instructions("Route the ticket to a queue. Reason in at most ten words.")
    think = dspy.ChainOfThought(signature, rationale_field=dspy.OutputField(max_length=80))
    with configured(lm):
        prediction = think(ticket="I was charged twice")
    assert isinstance(prediction.reasoning, str)
    assert prediction.queue in ("billing", "shipping", "other")


@pytest.mark.slow
def test_few_shot_optimizers_run_on_the_embedded_lm(lm: LM) -> None:
    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        return bool(example.queue == prediction.queue)

    with configured(lm):
        labeled = dspy.LabeledFewShot(k=3).compile(dspy.Predict(Route), trainset=TRAINSET)
        assert len(labeled.demos) == 3
        first = labeled(ticket="My invoice is wrong")
        assert first.queue == labeled(ticket="My invoice is wrong").queue
        optimizer = dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=1, max_labeled_demos=2)
        bootstrapped = optimizer.compile(dspy.Predict(Route), trainset=TRAINSET)
        assert len(bootstrapped.demos) == 2
        assert bootstrapped(ticket="Where is it?").queue in ("billing", "shipping", "other")


# ── the engine ───────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("adapter", [dspy.JSONAdapter(), dspy.ChatAdapter()])
def test_dspys_own_adapters_get_through_to_the_embedded_lm(lm: LM, adapter: Any) -> None:
    with dspy.context(lm=dspy_lm(lm), adapter=adapter):
        # The chat format is too much for a small model; DSPy then asks again for JSON, under the schema.
        prediction = dspy.Predict(Route, max_tokens=64)(ticket="I was charged twice")
    assert prediction.queue in ("billing", "shipping", "other")
    assert "litellm" not in sys.modules


def test_a_request_becomes_a_prompt_and_its_schema_goes_along() -> None:
    lm = Scripted("fine")
    engine = dspy_lm(lm)
    schema = {"type": "object", "properties": {}}
    request = lm15.Request(
        model=engine.model,
        system="Be brief.",
        messages=(
            lm15.Message.developer("Be kind."),
            lm15.Message.user("one"),
            lm15.Message.user("two"),
            lm15.Message.assistant("yes"),
            lm15.Message.user("three"),
        ),
        config=lm15.Config(
            max_tokens=9,
            temperature=0.7,
            response_format={"type": "json_schema", "schema": schema},
        ),
    )
    response = engine(request)
    assert response.text == "fine"
    assert response.finish_reason == "stop"
    assert (response.usage.input_tokens, response.usage.output_tokens) == (10, 3)
    assert [adaptation.field for adaptation in response.adaptations] == ["config.temperature"]
    assert lm.prompts == [Prompt("Be brief.\n\nBe kind.", (("one\n\ntwo", "yes"),), "", "three")]
    assert (lm.schemas, lm.limits) == ([schema], [9])


@pytest.mark.parametrize(
    "change",
    [
        {"config": lm15.Config(stop=("x",))},
        {"config": lm15.Config(logprobs=3)},
        {"config": lm15.Config(extensions={"logit_bias": {"1": 2}})},
        {"messages": (lm15.Message.user([lm15.ImagePart(url="https://example.com/a.png")]),)},
        {"messages": (lm15.Message.user("a"), lm15.Message.assistant("b"))},
        {"tools": (lm15.FunctionTool(name="f", description="d", parameters={"type": "object"}),)},
    ],
)
def test_what_it_cannot_do_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(lm15.UnsupportedFeatureError):
        prompt_of(lm15.Request(**{"model": "local/x", "messages": (lm15.Message.user("a"),), **change}))


def test_our_errors_are_dspys_for_dspy() -> None:
    with pytest.raises(ContextWindowExceededError):
        dspy_lm(Scripted(errors.ContextLengthError("too long")))("hello")
    down = Scripted(errors.LMError("down"))
    with pytest.raises(LMError, match="down"):
        dspy_lm(down)("hello")
    assert len(down.prompts) == 1  # DSPy retries nothing
    for name in errors.__all__:
        error = getattr(errors, name)
        made = error("compile", "x") if name == "MissingExtraError" else error("boom")
        assert isinstance(lm15_error(made), lm15.LM15Error)
        assert not isinstance(lm15_error(made), lm15.RETRYABLE_ERRORS)


def test_streams_and_async_calls_give_the_same_answer() -> None:
    lm = Scripted("fine")
    request = lm15.Request(model="local/x", messages=(lm15.Message.user("a"),))
    events = list(Engine(lm).stream(request))
    assert [event.type for event in events] == ["start", "delta", "end"]

    async def stream() -> list[Any]:
        return [event async for event in AsyncEngine(lm).stream(request)]

    assert asyncio.run(stream()) == events
    assert asyncio.run(dspy_lm(lm).acall("hello")) == ["fine"]


def test_the_model_string_holds_the_id_and_state_brings_the_lm_back(lm: LM) -> None:
    first = dspy_lm(lm)
    assert first.model == lm.id
    assert dspy_lm(Scripted("x", id="hosted/openai/gpt-5")).model == "local/hosted/openai/gpt-5"
    state = json.loads(json.dumps(first.dump_state()))
    second = dspy.LM.load_state(state, allow_custom_lm_class=True)
    assert second.model == first.model
    assert second.engine.lm.id == lm.id
    state["engine"]["state"]["id"] = "local/other"
    with pytest.raises(errors.LMError, match="saved with local/other"):
        dspy.LM.load_state(state, allow_custom_lm_class=True)


def test_copies_of_a_module_share_the_lm() -> None:
    predict = dspy.Predict(Route)
    predict.lm = dspy_lm(Scripted("x"))
    assert predict.deepcopy().lm.engine is predict.lm.engine


# ── programs as modules ──────────────────────────────────────────────────────


def program(lm: LM) -> Program:
    step = step_of(Route)
    contract = contract_of(Route)
    spec = ProgramSpec(
        name="route",
        contract=contract.as_json(),
        contract_sha256=contract.digest,
        steps={"route": step},
        flow=("route",),
        lm=LMSpec(id=lm.id, name="local"),
    )
    return Program(spec, {"route": Heads({}, None)}, lm=lm)


class Desk(dspy.Module):  # type: ignore[misc]
    def __init__(self, route: dspy.Module) -> None:
        super().__init__()
        self.route = route
        self.reply = dspy.Predict("ticket, queue -> reply")

    def forward(self, ticket: str) -> dspy.Prediction:
        routed = self.route(ticket=ticket)
        return dspy.Prediction(queue=routed.queue, reply=self.reply(ticket=ticket, queue=routed.queue).reply)


def test_a_program_is_a_module_that_composes() -> None:
    module = program(Scripted('{"queue": "other"}')).as_dspy()
    prediction = module(ticket="hello")
    assert dict(prediction) == {"queue": "other", "confidence": {"queue": None}, "answered": True}
    assert asyncio.run(module.acall(ticket="hello")).queue == "other"
    assert list(module.signature.fields) == ["ticket", "queue"]
    assert module.signature.instructions == "Route the ticket to a queue."
    assert contract_of(module.signature).digest == contract_of(Route).digest
    desk = Desk(module)
    assert [name for name, _ in desk.named_predictors()] == ["reply"]
    copied = desk.deepcopy()
    assert copied.route.program is module.program
    assert copied.reply is not desk.reply
    with configured(Scripted('{"reply": "Thanks."}')):
        assert dict(copied(ticket="hello")) == {"queue": "other", "reply": "Thanks."}
    with pytest.raises(errors.RowInputError, match="unknown inputs"):
        as_dspy(module.program)(text="hello")


def test_the_runtime_does_not_import_dspy() -> None:
    script = "import sys, shipworthy.runtime, shipworthy.lms; assert 'dspy' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_without_dspy_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['dspy'] = None\n"
        "from shipworthy.errors import MissingExtraError\n"
        "try:\n    import shipworthy.runtime.dspy_bridge\n"
        "except MissingExtraError as error:\n    assert 'shipworthy[compile]' in error.hint\n"
        "else:\n    raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
