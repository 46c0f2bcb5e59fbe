"""Run one step on one row: render, decide, extract or generate, parse, validate."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import LMError, OutputError
from ..lms import LM, Blank, Chosen, Generation, Prompt, Question, Usage, check_deadline
from .alternatives import label_logprobs
from .answer import StepTrace
from .contract import Contract, Field, object_schema, value_text
from .readout import Heads
from .spans import ABSENT, blanks, may_be_null, typed
from .spec import CascadeSpec, Decide, Extract, Generate, PromptSpec, Read, StepSpec
from .tagger import Found, words_of


def run_step(name: str, step: StepSpec, heads: Heads, lm: LM | None, inputs: Mapping[str, Any]) -> StepTrace:
    """Run one step on typed inputs.

    Raises:
        RowError: this row cannot be answered, or not before its deadline.
        LMError: the LM fails, or none is given where one is needed.
    """
    start = time.perf_counter()
    calls = _Calls(lm)
    contract = step.contract
    outputs: dict[str, Any] = {}
    confidence: dict[str, float | None] = {}
    probabilities: dict[str, dict[str, float]] = {}
    answered = True
    decided_by: Literal["lm", "student"] | None = None
    if step.decide is not None:
        found = _decide(step.decide, contract, heads, calls, inputs)
        decided_by = "lm" if calls.usage else "student"
        for output, shares in found.items():
            spec = step.decide.heads[output]
            best = int(np.argmax(shares))
            outputs[output] = spec.choices[best]
            confidence[output] = float(shares[best])
            texts = [value_text(choice) for choice in spec.choices]
            probabilities[output] = dict(zip(texts, map(float, shares), strict=True))
            answered = answered and float(shares[best]) >= spec.threshold
    if step.extract is not None:
        for output, (value, probability) in _extract(step.extract, contract, heads, calls, inputs).items():
            span = step.extract.spans[output]
            outputs[output] = value
            confidence[output] = span.confidence(probability)
            answered = answered and span.confidence(probability) >= span.threshold
    if step.generate is not None:
        outputs.update(_generate(step.generate, contract, calls, inputs))
        confidence.update(dict.fromkeys(step.generate.outputs))
    ordered = [output.name for output in contract.outputs]
    return StepTrace(
        name=name,
        prompts=tuple(calls.prompts),
        raw=tuple(calls.raw),
        outputs={output: outputs[output] for output in ordered},
        confidence={output: confidence[output] for output in ordered},
        probabilities=probabilities,
        answered=answered,
        ms=(time.perf_counter() - start - calls.waited) * 1e3 + sum(usage.ms for usage in calls.usage),
        tokens_in=sum(usage.tokens_in for usage in calls.usage),
        tokens_out=sum(usage.tokens_out for usage in calls.usage),
        lm_calls=len(calls.usage),
        decided_by=decided_by,
    )


def read_features(
    decide: Decide, contract: Contract, lm: LM | None, inputs: Mapping[str, Any]
) -> list[NDArray[np.float32]]:
    """What the heads read, one array for each of `decide.reads`; a `logprobs` read has shape (K,)."""
    return _read(decide, contract, _Calls(lm), inputs)


def reading_mode(
    prompt: PromptSpec, contract: Contract, lm: LM, inputs: Mapping[str, Any]
) -> Literal["logprobs", "alternatives", "generated"]:
    """How decisions can be read from this LM; one that cannot `score` is asked about this row to see.

    Raises:
        RowError: this row cannot be answered.
        LMError: the LM fails.
    """
    if lm.reads_logprobs:
        return "logprobs"
    fields = contract.decisions
    generation = lm.generate(
        prompt.fill(inputs), max_tokens=_room(fields), schema=wire_schema(fields), logprobs=True
    )
    return "generated" if generation.tokens is None else "alternatives"


class _Calls:
    """The calls of one step on one row, recorded."""

    def __init__(self, lm: LM | None) -> None:
        self._lm = lm
        self.prompts: list[dict[str, Any]] = []
        self.raw: list[Any] = []
        self.usage: list[Usage] = []
        self.waited = 0.0

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[NDArray[np.float32]]:
        start = time.perf_counter()
        found = self._needed().score(prompt, questions)
        self.waited += time.perf_counter() - start
        check_deadline()
        _check_scores(questions, [scores.logprobs for scores in found])
        for question, scores in zip(questions, found, strict=True):
            top = np.argsort(-scores.logprobs, kind="stable")[:5]
            raw = [[int(question.tokens[i]), round(float(scores.logprobs[i]), 4)] for i in top]
            self._note(prompt, raw, scores.usage, question.opening)
        return [scores.logprobs for scores in found]

    def choose(self, prompt: Prompt, lines: Sequence[Blank]) -> list[Chosen]:
        start = time.perf_counter()
        found = self._needed().choose(prompt, lines)
        self.waited += time.perf_counter() - start
        check_deadline()
        if len(found) != len(lines) or not all(own.logprob <= 0 for own in found):  # NaN is not
            raise OutputError(
                "the LM's choices are missing or have no log-probability",
                hint="try this row again, or another LM",
            )
        for line, own in zip(lines, found, strict=True):
            self._note(prompt, [line.choices[own.index], round(own.logprob, 4)], own.usage, line.opening)
        return found

    def states(self, text: str) -> NDArray[np.float32]:
        start = time.perf_counter()
        ends = [end for _, end in words_of(text)]
        found = self._needed().states(text, ends)
        self.waited += time.perf_counter() - start
        check_deadline()
        if len(found.vectors) != len(ends) or not np.isfinite(found.vectors).all():
            raise OutputError(
                "the LM's states are missing or no numbers", hint="try this row again, or another LM"
            )
        self._note(Prompt(user=text), f"the states of {len(ends)} words", found.usage)
        return found.vectors

    def generate(
        self, prompt: Prompt, schema: dict[str, Any], max_tokens: int, *, logprobs: bool = False
    ) -> Generation:
        start = time.perf_counter()
        generation = self._needed().generate(prompt, max_tokens=max_tokens, schema=schema, logprobs=logprobs)
        self.waited += time.perf_counter() - start
        check_deadline()
        self._note(prompt, generation.text, generation.usage)
        if not generation.finished:
            raise OutputError(
                f"the answer was cut at {max_tokens} tokens",
                hint="shorten the text, or allow more tokens",
                where=generation.text[:200],
            )
        return generation

    def _needed(self) -> LM:
        if self._lm is None:
            raise LMError("this step needs an LM, and none is open")
        return self._lm

    def _note(self, prompt: Prompt, raw: Any, usage: Usage, opening: str = "") -> None:
        self.prompts.append({"messages": prompt.messages(), "opening": opening})
        self.raw.append(raw)
        self.usage.append(usage)


def _check_scores(questions: Sequence[Question], found: Sequence[NDArray[np.float32]]) -> None:
    """A head would turn what is no number into a class like any other."""
    whole = [len(question.tokens) for question in questions] == [len(logprobs) for logprobs in found]
    if not whole or not all(np.isfinite(logprobs).all() for logprobs in found):
        raise OutputError(
            "the LM's log-probabilities are missing or no numbers", hint="try this row again, or another LM"
        )


def _decide(
    decide: Decide, contract: Contract, heads: Heads, calls: _Calls, inputs: Mapping[str, Any]
) -> dict[str, NDArray[np.float64]]:
    text = student_text(contract, inputs)
    row = heads.tfidf.transform(text) if heads.tfidf is not None else None
    if decide.cascade is not None and (sure := _by_students(decide.cascade, decide, heads, row)) is not None:
        return sure
    found = _read(decide, contract, calls, inputs)
    return {
        output: heads.by_output[output].probabilities(
            np.concatenate([found[i] for i in head.reads]) if head.reads else None, row
        )
        for output, head in decide.heads.items()
    }


def _by_students(
    cascade: CascadeSpec,
    decide: Decide,
    heads: Heads,
    row: tuple[NDArray[np.intp], NDArray[np.float64]] | None,
) -> dict[str, NDArray[np.float64]] | None:
    """All decisions without the LM, or None where a student is not sure enough for that."""
    alone = {
        output: heads.by_output[output].student_probabilities(row, weight)
        for output, weight in cascade.mix.items()
    }
    if min(float(shares.max()) for shares in alone.values()) < cascade.cut:
        return None
    return {
        output: alone[output] if output in alone else heads.by_output[output].probabilities(None, row)
        for output in decide.heads
    }


def _read(
    decide: Decide, contract: Contract, calls: _Calls, inputs: Mapping[str, Any]
) -> list[NDArray[np.float32]]:
    prompt = decide.prompt.fill(inputs)
    questions = [Question(read.opening, read.tokens) for read in decide.reads if read.mode == "logprobs"]
    scores = iter(calls.score(prompt, questions) if questions else [])
    return [
        next(scores) if read.mode == "logprobs" else _said(read, contract, calls, prompt)
        for read in decide.reads
    ]


def _said(read: Read, contract: Contract, calls: _Calls, prompt: Prompt) -> NDArray[np.float32]:
    """What the LM says under the enum schema: a number a label, decision by decision."""
    fields = contract.decisions
    weighed = read.mode == "alternatives"
    generation = calls.generate(prompt, wire_schema(fields), _room(fields), logprobs=weighed)
    said = contract.parse_generated(generation.text, fields)
    if not weighed:
        marks = [choice == said[output.name] for output in fields for choice in output.choices or ()]
        return np.array(marks, np.float32)
    if generation.tokens is None:
        raise LMError(
            "the LM gives no log-probabilities any more, and the heads need them", hint="compile it again"
        )
    return label_logprobs(generation.tokens, fields)


def _room(decisions: Sequence[Field]) -> int:
    """Tokens allowed for an answer that names a label for each decision."""
    return 64 + 16 * len(decisions)


def _extract(
    extract: Extract, contract: Contract, heads: Heads, calls: _Calls, inputs: Mapping[str, Any]
) -> dict[str, tuple[Any, float]]:
    """Values and their probabilities by output."""
    by_name = {own.name: own for own in contract.outputs}
    fields = [by_name[name] for name in extract.outputs]
    text = student_text(contract, inputs)
    if extract.prompt is not None:
        lines = blanks(text, fields, extract.longest)
        chosen = calls.choose(extract.prompt.fill(inputs), lines)
        found = [
            Found(None if said == ABSENT else said, math.exp(own.logprob))
            for own, said in ((own, line.choices[own.index]) for own, line in zip(chosen, lines, strict=True))
        ]
    elif heads.tagger is None:
        raise ValueError("a step that extracts without its tagger")
    else:
        states = calls.states(text) if extract.by == "readout" and words_of(text) else None
        optional = [may_be_null(own) for own in fields]
        found = heads.tagger.find(text, extract.outputs, may_be_none=optional, states=states)
    return {own.name: typed(own, value) for own, value in zip(fields, found, strict=True)}


def _generate(
    generate: Generate, contract: Contract, calls: _Calls, inputs: Mapping[str, Any]
) -> dict[str, Any]:
    fields = [output for output in contract.outputs if output.name in generate.outputs]
    generation = calls.generate(generate.prompt.fill(inputs), wire_schema(fields), generate.max_tokens)
    return contract.parse_generated(generation.text, fields)


def student_text(contract: Contract, inputs: Mapping[str, Any]) -> str:
    """The text that the student reads: all inputs, one a line."""
    return "\n".join(value_text(inputs[own.name]) for own in contract.inputs)


def wire_schema(fields: Sequence[Any]) -> dict[str, Any]:
    """The JSON Schema that is sent with a request: the plain object, no keys of our own."""
    schema = object_schema(fields)
    del schema["propertyOrder"]
    plain: dict[str, Any] = json.loads(json.dumps(schema))
    return plain
