"""Any DSPy optimizer as a pass: its demos and instructions become the program's."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, ShipworthyError, SourceError
from ...lms import LM
from ...runtime import Contract, Demo, plain_value
from ..draft import Context, Draft, Row
from ..gate import Gate, Interrupted
from .instructions import calls_needed_after
from .tried import Book

METRICS = ("metric", "metric_fn")
"""Attributes that DSPy's optimizers keep their metric in."""
NEVER = 1_000_000_000
"""Answers that may fail: one that cannot be read is a wrong one, and stops no optimizer."""


@dataclass(frozen=True)
class DSPyOptimizer:
    """Run a DSPy optimizer over the program, through the executor, the journal and the budget.

    Example: `DSPyOptimizer(dspy.LabeledFewShot(k=8))`. An optimizer that wants a metric
    gets it where it is made. One that wants an LM that can reflect is given as a function
    of it, `DSPyOptimizer(lambda lm: dspy.GEPA(metric=…, reflection_lm=lm, auto="light"))`,
    and gets what `--reflect-lm` names, counted like all calls; an LM of its own is not counted.
    One that cannot be made without DSPy's default LM, as MIPROv2, is given as a function of
    nothing, and finds the LM that is compiled for there.

    Where the budget ends before the optimizer does, it is stopped, and the best program so
    far by its own metric is taken, or else the program stays as it was. The optimizer runs
    as a copy: yours is left as it is.

    Attributes:
        optimizer: anything with `compile(student, trainset=...)`, or a function as above.
        rows: how many training rows it sees, the first in a seeded order; None is all. Rows
            with what looks like a secret are none of them.
    """

    optimizer: Any
    rows: int | None = None

    def __post_init__(self) -> None:
        if inspect.isclass(self.optimizer) or not (
            callable(getattr(self.optimizer, "compile", None)) or callable(self.optimizer)
        ):
            raise InputError(
                f"{self.optimizer!r} is no optimizer",
                hint="give one that is made, such as dspy.LabeledFewShot(k=8)",
                where="DSPyOptimizer",
            )

    def apply(self, draft: Draft, context: Context) -> None:
        """Take over the demos and the instructions that the optimizer chose.

        Raises:
            InputError: it comes too late, or wants an LM that is not named.
            SourceError: it cannot be made, fails, or gives back another kind of program.
            LMError: the LM fails.
        """
        if draft.readouts:
            raise InputError(
                "a DSPy optimizer must run before the readout is fitted", hint="reorder the passes"
            )
        train, dev = self._rows(draft, context.seed), _usable(draft.dev)
        contract = draft.contract
        names = [[own.name for own in side] for side in (contract.inputs, contract.outputs)]
        book = Book(names[0], names[1], len(train))
        kept = calls_needed_after(self, draft, context)
        gate = Gate(lambda: context.meter.beyond(kept))
        optimizer = _watched(self._made(gate, context), book, gate)
        name = type(optimizer).__name__
        context.progress.say(f"DSPy's {name} over {len(train)} rows")
        begun = context.meter.spent().calls
        compiled = _run(optimizer, train, dev, draft, context, gate, book)
        calls = f"{context.meter.spent().calls - begun} calls"
        if not gate.reached:
            _take(draft, *_program(compiled, draft, name))
            draft.notes.append(f"{name}: {len(draft.demos)} demos, {calls}")
        elif (best := book.best()) is not None:
            _take(draft, best.instruction, best.demos)
            draft.notes.append(
                f"{name}: the budget ended it after {calls}; the best of {len(book.programs())} programs "
                f"so far is taken, {len(draft.demos)} demos, {best.mean:.2f} on {len(best.scores)} rows "
                "by its own metric"
            )
        else:
            draft.notes.append(
                f"{name}: the budget ended it after {calls}, before it had scored a program on enough rows; "
                "the program stays as it was"
            )
        if book.programs():
            why = "budget" if gate.reached else "ended"
            draft.races.append({"what": "optimizer", "name": name, "why": why, "tried": book.as_json()})

    def _rows(self, draft: Draft, seed: int) -> list[Row]:
        from ...examples import digest_of

        ordered = sorted(_usable(draft.train), key=lambda row: digest_of([seed, plain_value(row)]))
        return ordered[: self.rows]

    def _made(self, gate: Gate, context: Context) -> Any:
        """A copy of the optimizer, or what its function makes."""
        if callable(getattr(self.optimizer, "compile", None)):
            return _copy(self.optimizer)
        import dspy

        from ...lms.dspy_engine import dspy_lm

        wanted = []
        if inspect.signature(self.optimizer).parameters:
            if context.reflect is None:
                raise InputError(
                    "the optimizer wants an LM that can reflect", hint="name one with --reflect-lm"
                )
            wanted = [dspy_lm(gate.lm(context.reflect))]
        hint = "mend it in the recipe: it returns an optimizer"
        try:
            with dspy.context(lm=dspy_lm(gate.lm(context.lm))):
                made = self.optimizer(*wanted)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise SourceError(f"the function fails: {what}", hint=hint, where="DSPyOptimizer") from error
        if not callable(getattr(made, "compile", None)):
            raise SourceError(f"the function returns {made!r}", hint=hint, where="DSPyOptimizer")
        return made


def _run(
    optimizer: Any, train: list[Row], dev: list[Row], draft: Draft, context: Context, gate: Gate, book: Book
) -> Any:
    """What it compiles; of no use where the gate was reached."""
    import dspy

    from ...lms.dspy_engine import dspy_lm

    name = type(optimizer).__name__
    inputs = [own.name for own in draft.contract.inputs]
    trainset, valset = ([dspy.Example(**row).with_inputs(*inputs) for row in rows] for rows in (train, dev))
    given: dict[str, Any] = {"trainset": trainset}
    wanted = inspect.signature(optimizer.compile).parameters.get("valset")
    if wanted is not None and (valset or wanted.default is wanted.empty):
        given["valset"] = valset or trainset
    lm = gate.lm(context.lm)
    settings = {"lm": dspy_lm(lm), "num_threads": context.lm.workers, "max_errors": NEVER}
    compiled = None
    # Optimizers print on stdout, which belongs to whoever reads our JSON.
    with _seeded(context.seed), contextlib.redirect_stdout(io.StringIO()):
        try:
            with dspy.context(adapter=_adapter(lm, draft, book), **settings):
                compiled = optimizer.compile(draft.module.deepcopy(), **given)
        except (Interrupted, ShipworthyError) as error:
            if isinstance(error, ShipworthyError) and not gate.reached:
                raise
        except Exception as error:
            if gate.error is None and not gate.reached:  # else it only shows that the gate was closed
                raise SourceError(
                    f"{name} failed: {type(error).__name__}: {error}",
                    hint="mend it in the recipe, or take it out of the passes",
                    where=f"DSPyOptimizer({name})",
                ) from error
        finally:
            gate.close()
    gate.drain()
    if gate.error is not None:
        raise gate.error
    return compiled


def _adapter(lm: LM, draft: Draft, book: Book) -> Any:
    """Runs the program through the executor and writes down what is asked; serves other predictors too."""
    import dspy

    from ...lms.dspy_engine import Engine
    from ...runtime.dspy_bridge import RuntimeAdapter

    def fields(signature: Any) -> tuple[set[str], set[str]]:
        return set(signature.input_fields), set(signature.output_fields)

    own = fields(draft.module.predictors()[0].signature)

    class Watching(RuntimeAdapter):
        def __call__(
            self, lm: Any, lm_kwargs: Any, signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any]
        ) -> list[dict[str, Any]]:
            if fields(signature) != own:  # a predictor of the optimizer's own, that writes instructions
                engine = getattr(lm, "engine", None)
                other = RuntimeAdapter(engine.lm) if isinstance(engine, Engine) else dspy.ChatAdapter()
                found: list[dict[str, Any]] = other(lm, lm_kwargs, signature, demos, inputs)
                return found
            book.asked(signature.instructions, demos, inputs)
            try:
                return super().__call__(lm, lm_kwargs, signature, demos, inputs)
            except Exception:
                book.failed()
                raise

    return Watching(lm)


def _watched(optimizer: Any, book: Book, gate: Gate) -> Any:
    """The optimizer with its metric written down; a metric that fails ends it: else the row would score 0."""
    name = type(optimizer).__name__

    def watched(metric: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(metric)
        def scored(example: Any, prediction: Any, *rest: Any, **named: Any) -> Any:
            try:
                found = metric(example, prediction, *rest, **named)
            except Exception as error:
                wrong = SourceError(
                    f"the metric of {name} failed: {type(error).__name__}: {error}",
                    hint="mend the metric in the recipe",
                    where=f"DSPyOptimizer({name})",
                )
                gate.stop(wrong)
                raise Interrupted(wrong) from error
            book.scored(example, found)
            return found

        return scored

    for attribute in METRICS:
        if callable(metric := getattr(optimizer, attribute, None)):
            setattr(optimizer, attribute, watched(metric))
    return optimizer


def _program(compiled: Any, draft: Draft, name: str) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """The instruction and the demos of what an optimizer gave back.

    Raises:
        SourceError: it is no program of the same fields.
    """
    import dspy

    from ...runtime.dspy_bridge import contract_of

    where = f"DSPyOptimizer({name})"
    predictors = compiled.predictors() if isinstance(compiled, dspy.Module) else []
    if len(predictors) != 1:
        what = f"{len(predictors)} predictors" if isinstance(compiled, dspy.Module) else "no dspy.Module"
        raise SourceError(
            f"{name} gives back {type(compiled).__name__}, {what}",
            hint="programs of one predictor can be compiled: take this optimizer out of the passes",
            where=where,
        )
    before, after = (
        _types(contract_of(one.signature)) for one in (draft.module.predictors()[0], predictors[0])
    )
    if before != after:
        changed = sorted({own for own, _ in before.items() ^ after.items()})
        raise SourceError(
            f"{name} changes the signature's fields: {', '.join(changed)}",
            hint="an optimizer may change instructions and demos: take this one out of the passes",
            where=where,
        )
    return predictors[0].signature.instructions, predictors[0].demos


def _types(contract: Contract) -> dict[str, str]:
    from ...examples import canonical_json

    return {own.name: canonical_json(own.schema) for own in (*contract.inputs, *contract.outputs)}


def _take(draft: Draft, instruction: str, demos: Sequence[Mapping[str, Any]]) -> None:
    draft.instruction = instruction
    draft.demos = []
    for values in map(dict, demos):
        sides = [
            {own.name: plain_value(values[own.name]) for own in side if own.name in values}
            for side in (draft.contract.inputs, draft.contract.outputs)
        ]
        if len(sides[0]) == len(draft.contract.inputs) and len(sides[1]) == len(draft.contract.outputs):
            draft.demos.append(Demo(inputs=sides[0], outputs=sides[1]))


def _usable(rows: Sequence[Row]) -> list[Row]:
    from ...examples import holds_secret

    return [row for row in rows if not holds_secret(row)]  # an optimizer may make a demo of any


def _copy(optimizer: Any) -> Any:
    """With state of its own; what is called (a metric, an LM) it shares with the original."""
    shared = {id(value): value for value in getattr(optimizer, "__dict__", {}).values() if callable(value)}
    try:
        return copy.deepcopy(optimizer, shared)
    except TypeError:  # it holds a lock, a file, or the like
        return copy.copy(optimizer)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Some optimizers draw from the module's own generator."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
