"""The simple things that a program must not lose to."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler import Taught, fit_linear, fit_student, fit_tagger
from ..errors import OutputError
from ..examples import canonical_json
from ..lift import Prototype
from ..lms import LM, Recorded, tallied
from ..runtime import (
    Answer,
    Contract,
    Field,
    Outcome,
    Progress,
    StepTrace,
    may_be_null,
    ordered_map,
    student_text,
    typed,
    value_text,
    wire_schema,
)
from ..scoring import Many
from .prototype import answer_from_text, max_tokens, prompt_of

STUDENT_C = 30.0
CRF_PENALTY = 0.05
EMBEDDING_C = (0.001, 0.01, 0.1, 1.0)


def labelled(contract: Contract, rows: Sequence[Mapping[str, Any]]) -> Contract:
    """The contract without outputs that no row has a label for, of which nobody can say what is right.

    Where rows have none at all, and checks say what is right, it has all outputs, and decides nothing.
    """
    outputs = tuple(field for field in contract.outputs if any(field.name in row for row in rows))
    if outputs:
        return replace(contract, outputs=outputs)
    return replace(contract, generated=frozenset(field.name for field in contract.outputs))


def teaching(contract: Contract, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with a label for every output that any row has one for; none where no row has any."""
    names = [field.name for field in contract.outputs if any(field.name in row for row in rows)]
    return [row for row in rows if all(name in row for name in names)] if names else []


def majority(contract: Contract, train: Sequence[Mapping[str, Any]]) -> Many:
    """The commonest value of each output that has labels, whatever the row says."""
    common: dict[str, Any] = {}
    for field in labelled(contract, train).outputs:
        counts = Counter(canonical_json(row[field.name]) for row in train)
        best = min(counts, key=lambda text: (-counts[text], text))
        common[field.name] = next(row[field.name] for row in train if canonical_json(row[field.name]) == best)
    return _many(lambda _: dict(common))


def tfidf_lr(contract: Contract, train: Sequence[Mapping[str, Any]]) -> Many:
    """TF-IDF of words and characters, and a logistic regression for each decision.

    Outputs that are no decisions get their commonest value.
    """
    texts = [student_text(contract, row) for row in train]
    fallback = majority(contract, train)
    heads = {}
    tfidf = None
    for field in _learnable(contract, train):
        choices = list(field.choices or ())
        classes = np.array([choices.index(row[field.name]) for row in train], np.intp)
        tfidf, head = fit_student(texts, classes, len(choices), c=STUDENT_C, tfidf=tfidf)
        heads[field.name] = (choices, head)

    def answer(row: Mapping[str, Any]) -> dict[str, Any]:
        outputs = dict(next(fallback([row])).unwrap().outputs)
        if tfidf is not None:
            features = tfidf.transform(student_text(contract, row))
            for name, (choices, head) in heads.items():
                outputs[name] = choices[int(np.argmax(head.log_probabilities(*features)))]
        return outputs

    return _many(answer)


def crf(contract: Contract, train: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Many:
    """A conditional random field over the words for the outputs named; the others as `tfidf_lr` has them."""
    fallback = tfidf_lr(contract, train)
    by_name = {field.name: field for field in contract.outputs}
    fields = [by_name[name] for name in names]
    taught = [
        Taught(
            student_text(contract, row),
            {name: None if row[name] is None else value_text(row[name]) for name in names if name in row},
        )
        for row in train
    ]
    try:
        tagger = fit_tagger(taught, names, penalty=CRF_PENALTY, state_penalty=CRF_PENALTY)
    except ValueError:  # no value stands in its text
        return fallback
    optional = [may_be_null(field) for field in fields]

    def answer(row: Mapping[str, Any]) -> dict[str, Any]:
        outputs = dict(next(fallback([row])).unwrap().outputs)
        found = tagger.find(student_text(contract, row), names, may_be_none=optional)
        return outputs | {own.name: typed(own, value)[0] for own, value in zip(fields, found, strict=True)}

    return _many(answer)


def embedding_lr(
    contract: Contract,
    train: Sequence[Mapping[str, Any]],
    lm: Recorded,
    *,
    progress: Progress,
) -> Many:
    """The LM's embedding of the text, and a logistic regression for each decision.

    Its penalty is the one of `EMBEDDING_C` that does best in five folds of the training rows.
    Outputs that are no decisions get their commonest value.

    Raises:
        LMError: the LM fails, or gives no embeddings.
    """
    fallback = majority(contract, train)

    def embed(row: Mapping[str, Any]) -> NDArray[np.float32]:
        return lm.embed(student_text(contract, row)).vector

    vectors = []
    progress.start("embedding the training rows", len(train))
    for outcome in ordered_map(embed, train, workers=lm.workers):
        vectors.append(outcome.unwrap())
        progress.advance(len(vectors))
    progress.finish()
    features = np.stack(vectors).astype(np.float64)
    heads = {}
    for field in _learnable(contract, train):
        choices = list(field.choices or ())
        classes = np.array([choices.index(row[field.name]) for row in train], np.intp)
        heads[field.name] = (choices, fit_linear(features, classes, len(choices), cs=EMBEDDING_C))

    def answer(row: Mapping[str, Any]) -> dict[str, Any]:
        outputs = dict(next(fallback([row])).unwrap().outputs)
        vector = embed(row)
        for name, (choices, head) in heads.items():
            outputs[name] = choices[int(np.argmax(head.log_probabilities(vector)))]
        return outputs

    return _many(answer, workers=lm.workers)


def _learnable(contract: Contract, train: Sequence[Mapping[str, Any]]) -> list[Field]:
    """The decisions of which the rows show two classes or more."""
    decisions = labelled(contract, train).decisions
    return [field for field in decisions if len({str(row[field.name]) for row in train}) > 1]


def constrained(prototype: Prototype, contract: Contract, lm: LM) -> Many:
    """The prototype's prompt on the same LM, which can only answer in the contract's labels and types."""
    schema: dict[str, Any] = wire_schema(contract.outputs)
    if len(contract.outputs) == 1 and contract.outputs[0].choices is not None:
        schema = {"enum": list(contract.outputs[0].choices)}

    def answer(row: Mapping[str, Any]) -> Answer:
        generation = lm.generate(prompt_of(prototype, row), max_tokens=256, schema=schema)
        return answer_from_text(generation.text, contract, generation.usage)

    return lambda rows: ordered_map(answer, rows, workers=lm.workers)


def dspy_few_shot(
    contract: Contract, instruction: str, train: Sequence[Mapping[str, Any]], lm: Recorded
) -> Many:
    """Plain DSPy: its own adapter and `LabeledFewShot` with 8 demos, on the same LM.

    It may write twice what the prototype may, for the marks around each output: after the right answer
    a small LM may go on for ever.
    """
    import dspy

    from ..lms.dspy_engine import dspy_lm
    from ..runtime.dspy_bridge import signature_of

    inputs = [field.name for field in contract.inputs]
    names = [*inputs, *(field.name for field in contract.outputs)]
    shown = [{name: row[name] for name in names if name in row} for row in train]
    module = dspy.LabeledFewShot(k=8).compile(
        dspy.Predict(signature_of(contract, instruction)),
        trainset=[dspy.Example(**row).with_inputs(*inputs) for row in shown],
    )
    engine = dspy_lm(lm, max_tokens=2 * max_tokens(contract))

    def answer(row: Mapping[str, Any]) -> dict[str, Any]:
        with dspy.context(lm=engine, adapter=dspy.ChatAdapter()):
            try:
                prediction = module(**{name: row[name] for name in inputs})
            except Exception as error:  # DSPy's own parse and LM errors: a row that it cannot answer
                raise OutputError(f"{type(error).__name__}: {str(error)[:200]}") from error
        return {field.name: prediction.get(field.name) for field in contract.outputs}

    many = _many(answer, workers=lm.workers)

    def silent(rows: Iterable[Mapping[str, Any]]) -> Iterator[Outcome[Answer]]:
        with _silent("dspy"):
            yield from many(rows)

    return silent


@contextmanager
def _silent(logger: str) -> Iterator[None]:
    """Without the logger's warnings: a cut or unreadable answer is counted, and none of the user's doing."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _many(answer: Callable[[Mapping[str, Any]], dict[str, Any]], *, workers: int = 1) -> Many:
    """A function of one row as a contender: timed, with the LM's usage counted."""

    def timed(row: Mapping[str, Any]) -> Answer:
        begun = time.perf_counter()
        with tallied() as asked:
            outputs = answer(row)
        usage = asked.usage
        # A call from the store counts as when it was made.
        ms = max((time.perf_counter() - begun) * 1e3, usage.ms)
        step = StepTrace(
            "baseline", (), (), outputs, {}, {}, True, ms, usage.tokens_in, usage.tokens_out, asked.calls
        )
        return Answer(outputs, {}, True, (step,))

    return lambda rows: ordered_map(timed, rows, workers=workers)
