"""Between DSPy and the executor, in both directions. This and `steps` alone import dspy here.

- `contract_of` reads a `dspy.Signature` as a contract.
- `RuntimeAdapter` lets DSPy's own modules and optimizers run over the executor: the
  prompt bytes, the schema and the parsing are those of a compiled program.

      dspy.configure(lm=dspy_lm(lm), adapter=RuntimeAdapter(lm))

- `as_dspy` makes a compiled program a `dspy.Module` that composes with others.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic

from ..errors import ContractError, MissingExtraError, OutputError, RowInputError, SourceError
from ..lms import LM
from .contract import Contract, Field, annotation_of, object_schema, plain_value, value_text
from .executor import run_step
from .program import Program
from .readout import Heads
from .render import render_generate
from .schemas import schema_of
from .spec import Demo, Generate, StepSpec

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else LiteLLM, if loaded, fetches a price list
try:
    import dspy
    from dspy.adapters.types.base_type import Type
    from dspy.adapters.utils import annotation_allows_none
    from dspy.utils.exceptions import AdapterParseError
except ModuleNotFoundError as missing:
    if missing.name != "dspy":
        raise
    raise MissingExtraError("compile", "dspy") from missing

MAX_TOKENS = 512


def contract_of(signature: type[dspy.Signature]) -> Contract:
    """A signature's inputs and outputs with their types as JSON Schema.

    As in DSPy, an input with a default, or one that may be None, can be left out of a row.

    Raises:
        ContractError: a field has a type that cannot be read; it says which.
    """
    inputs = []
    for name, info in signature.input_fields.items():
        field = _field(name, info)
        inputs.append(Field(name, {**field.schema, **_default(info)}, field.description))
    outputs = [_field(name, info) for name, info in signature.output_fields.items()]
    return Contract(tuple(inputs), tuple(outputs))


def predicting(module: dspy.Module) -> tuple[str, dspy.Predict, Contract]:
    """The one predictor of a module, with its path and contract; a chain of thought without its reasoning.

    Raises:
        SourceError: it has none, or several.
        ContractError: a field has a type that cannot be read.
    """
    predictors = module.named_predictors()
    if len(predictors) != 1:
        raise SourceError(
            f"{type(module).__name__} has {len(predictors)} predictors",
            hint="programs of one predictor can be compiled; write several as the steps of a sw.Steps",
        )
    path, predictor = predictors[0]
    contract = contract_of(predictor.signature)
    if any(field.name == "reasoning" for field in contract.outputs) and len(contract.outputs) > 1:
        # What ChainOfThought adds: it is nobody's label, and a readout needs no words before the answer.
        contract = Contract(contract.inputs, tuple(f for f in contract.outputs if f.name != "reasoning"))
    return path, predictor, contract


def signature_of(contract: Contract, instruction: str) -> type[dspy.Signature]:
    """The signature that a contract came from, with plain types in place of the user's own classes."""
    fields = {}
    for side, kind in ((contract.inputs, dspy.InputField), (contract.outputs, dspy.OutputField)):
        for field in side:
            about = {"desc": field.description} if field.description else {}
            if "default" in field.schema:
                about["default"] = field.schema["default"]
            fields[field.name] = (annotation_of(field.schema), kind(**about))
    found: type[dspy.Signature] = dspy.Signature(fields, instruction)
    return found


class RuntimeAdapter(dspy.Adapter):  # type: ignore[misc]
    """A DSPy adapter that hands each call to the executor instead of formatting chat messages.

    All outputs are generated as one JSON object under the signature's schema, decisions
    under their enum; an answer that does not fit is an `AdapterParseError`, as with DSPy's
    own adapters. Demos that lack a field are left out.

    The LM is the one given here, whatever `dspy.LM` a predictor names; the likeliest answer
    is taken, so `temperature` and `rollout_id` change nothing and `n` answers are alike. Of
    a call's settings `max_tokens` counts.
    """

    def __init__(self, lm: LM) -> None:
        super().__init__()
        self.lm = lm

    def __call__(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: Sequence[Mapping[str, Any]],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Run one predictor on one row; one dict of outputs for each of `n`.

        Raises:
            AdapterParseError: the answer does not fit the signature.
            ContractError: the signature has a type that cannot be read.
            RowError: an input is missing or does not fit, or the row is too long.
            LMError: the LM fails.
        """
        max_tokens = lm_kwargs.get("max_tokens") or getattr(lm, "kwargs", {}).get("max_tokens") or MAX_TOKENS
        step = step_of(signature, demos, max_tokens=max_tokens)
        values = _inputs(signature, step.contract, inputs)
        try:
            trace = run_step(signature.__name__, step, Heads({}, None), self.lm, values)
        except OutputError as error:
            raise self._parse_error(signature, error.where, error) from error
        usage = {
            "prompt_tokens": trace.tokens_in,
            "completion_tokens": trace.tokens_out,
            "total_tokens": trace.tokens_in + trace.tokens_out,
        }
        if dspy.settings.usage_tracker:
            dspy.settings.usage_tracker.add_usage(self.lm.id, usage)
        outputs = self._typed(signature, trace.outputs, str(trace.raw[-1]))
        return [dict(outputs) for _ in range(lm_kwargs.get("n") or 1)]

    async def acall(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: Sequence[Mapping[str, Any]],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """As a call, on a thread, so that the event loop stays free."""
        return await asyncio.to_thread(self, lm, lm_kwargs, signature, demos, inputs)

    def format(
        self,
        signature: type[dspy.Signature],
        demos: Sequence[Mapping[str, Any]],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """The chat messages that a call sends, for those who want to see them."""
        step = step_of(signature, demos)
        if step.generate is None:  # never: the step was just made with one
            return []
        return list(step.generate.prompt.fill(_inputs(signature, step.contract, inputs)).messages())

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """The outputs of a generated JSON object."""
        contract = contract_of(signature)
        try:
            outputs = contract.parse_generated(completion, contract.outputs)
        except OutputError as error:
            raise self._parse_error(signature, completion, error) from error
        return self._typed(signature, outputs, completion)

    def _typed(
        self, signature: type[dspy.Signature], outputs: Mapping[str, Any], completion: str
    ) -> dict[str, Any]:
        """Outputs as instances of the signature's own types: its enums, its pydantic models."""
        found = {}
        for name, info in signature.output_fields.items():
            try:
                adapter = pydantic.TypeAdapter(info.rebuild_annotation())
                found[name] = adapter.validate_python(plain_value(outputs[name]))
            except pydantic.ValidationError as error:
                raise self._parse_error(signature, completion, error) from error
        return found

    def _parse_error(self, signature: type[dspy.Signature], completion: str, error: Exception) -> Exception:
        found: Exception = AdapterParseError(
            adapter_name=type(self).__name__, signature=signature, lm_response=completion, message=str(error)
        )
        return found


def step_of(
    signature: type[dspy.Signature], demos: Iterable[Mapping[str, Any]] = (), *, max_tokens: int = MAX_TOKENS
) -> StepSpec:
    """A predictor's signature and demos as a step that generates all its outputs.

    Raises:
        ContractError: the signature has a type that cannot be read, or a demo does not fit it.
    """
    contract = contract_of(signature)
    worked = demos_of(signature, contract, demos)
    prompt = render_generate(signature.instructions, contract, worked, contract.outputs)
    return StepSpec(
        instruction=signature.instructions,
        inputs=object_schema(contract.inputs),
        outputs=object_schema(contract.outputs),
        demos=worked,
        generate=Generate(
            prompt=prompt, outputs=tuple(field.name for field in contract.outputs), max_tokens=max_tokens
        ),
    )


def demos_of(
    signature: type[dspy.Signature], contract: Contract, demos: Iterable[Mapping[str, Any]]
) -> tuple[Demo, ...]:
    """DSPy's demos (dicts or `dspy.Example`s) as ours; those that lack a field are left out.

    Raises:
        ContractError: a value does not fit its field; it says which.
    """
    found = []
    fields = (*contract.inputs, *contract.outputs)
    for i, demo in enumerate(demos):
        given = {field.name: demo[field.name] for field in fields if field.name in demo}
        if any(_is_lacking(field, given) for field in fields):
            continue
        values = _plain(signature, given)
        try:
            inputs, outputs = contract.read_inputs(values), contract.read_outputs(values)
        except RowInputError as error:
            raise ContractError(
                f"a demo does not fit the signature: {error.message}",
                hint="correct the example that it was made of",
                where=f"{signature.__name__}, demo {i + 1}, {error.where}",
            ) from error
        found.append(Demo(inputs=plain_value(inputs), outputs=plain_value(outputs)))
    return tuple(found)


def as_dspy(program: Program) -> ProgramModule:
    """A compiled program as a `dspy.Module`."""
    return ProgramModule(program)


class ProgramModule(dspy.Module):  # type: ignore[misc]
    """A compiled program within DSPy: it runs as it was compiled, and optimizers leave it as it is.

    Its prediction holds the outputs and, unless outputs have these names, `confidence`
    (by decision) and `answered`.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        steps = [program.spec.steps[name] for name in program.spec.flow]
        instruction = steps[0].instruction if len(steps) == 1 else ""
        self.signature = signature_of(
            program.contract, instruction or f"Answer as the program {program.name} does."
        )

    def forward(self, **inputs: Any) -> dspy.Prediction:
        """Answer one row.

        Raises:
            RowError: this row cannot be answered.
            LMError: the LM fails.
        """
        answer = self.program(**inputs)
        about = {"confidence": answer.confidence, "answered": answer.answered}
        return dspy.Prediction(**{**about, **answer.outputs})

    async def aforward(self, **inputs: Any) -> dspy.Prediction:
        """As `forward`, on a thread, so that the event loop stays free."""
        return await asyncio.to_thread(self.forward, **inputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> ProgramModule:
        """Copies share the program: it holds nothing that changes."""
        return ProgramModule(self.program)

    def __repr__(self) -> str:
        return f"ProgramModule({self.program!r})"


def _field(name: str, info: Any) -> Field:
    annotation = info.rebuild_annotation()
    if Type.extract_custom_type_from_annotation(annotation) or annotation is dspy.History:
        raise _not_read(name, annotation, "DSPy's own types are not")
    try:
        schema = schema_of(annotation)
    except ContractError as error:
        raise _not_read(name, annotation, error.message) from error
    description = str((info.json_schema_extra or {}).get("desc") or "")
    return Field(name, schema, "" if description == f"${{{name}}}" else description)


def _not_read(name: str, annotation: Any, why: str) -> ContractError:
    return ContractError(
        f"{name!r} has the type {getattr(annotation, '__name__', annotation)}, which is not read: {why}",
        hint="use str, bool, int, float, Literal, Enum, date, datetime, list, dict or a pydantic model",
        where=f"field {name!r}",
    )


def _default(info: Any) -> dict[str, Any]:
    """The schema's keyword for an input that can be left out; nothing where it is needed."""
    if not info.is_required():
        return {"default": plain_value(info.get_default(call_default_factory=True))}
    return {"default": None} if annotation_allows_none(info.annotation) else {}


def _is_lacking(field: Field, given: Mapping[str, Any]) -> bool:
    if field.name not in given:
        return "default" not in field.schema
    options = field.schema.get("anyOf", [field.schema])
    return given[field.name] is None and not any(option.get("type") in ("null", None) for option in options)


def _inputs(signature: type[dspy.Signature], contract: Contract, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return contract.read_inputs(_plain(signature, inputs))


def _plain(signature: type[dspy.Signature], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON holds them; what is not text becomes text where the field is text, as in DSPy."""
    found = {}
    for name, info in signature.fields.items():
        if name in values:
            plain = plain_value(values[name])
            texts = info.annotation is str and plain is not None
            found[name] = value_text(plain) if texts and not isinstance(plain, str) else plain
    return found
