"""A program's source: the project's own Python, or a `dspy.Module` that somebody already has."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, ShipworthyError, SourceError
from ..examples import digest_of, rows_digest
from ..lms import import_dspy
from ..runtime import Contract, Demo, Field, may_stand_in_text, plain_value
from .parts import Part, label_fields, parts_of
from .recipe import Pass, Recipe

if TYPE_CHECKING:
    import dspy

PACKAGES = ("signatures", "programs", "optimizers")
_importing = threading.Lock()


@dataclass(frozen=True)
class Source:
    """A program before it is compiled.

    Attributes:
        module: the `dspy.Module`; its one predictor is `predictor`.
        contract, instruction, demos: as the predictor states them.
        parts: the steps of a program of several, whose contract it is then; else empty.
    """

    name: str
    module: dspy.Module
    predictor: str
    contract: Contract
    instruction: str
    demos: tuple[Demo, ...]
    recipe: Recipe
    parts: tuple[Part, ...] = ()

    @property
    def labels(self) -> tuple[Field, ...]:
        """Columns that rows of a program of several steps may have or lack; see `label_fields`."""
        return label_fields(self.parts, self.contract)

    @property
    def identity(self) -> list[Any]:
        """What of it a compile rests on, as JSON; the recipe apart."""
        demos = [demo.as_json() for demo in self.demos]
        steps = [part.identity for part in self.parts]
        return [self.name, self.contract.digest, self.instruction, demos, *([steps] if steps else [])]


def load_source(project: Path, name: str) -> Source:
    """The program `programs/NAME.py` with its recipe in `optimizers/NAME.py`.

    Raises:
        NotFoundError: the project has no such program.
        SourceError: its Python cannot be imported, or holds no program.
    """
    file = project / "programs" / f"{name}.py"
    if not file.is_file():
        known = sorted(path.stem for path in (project / "programs").glob("*.py") if path.stem != "__init__")
        raise NotFoundError(
            f"this project has no program {name!r}",
            hint=f"it has {', '.join(known)}" if known else "lift a prototype first",
            where=str(file),
        )
    with _project_imports(project):  # types that annotations name are looked up while they are there
        program = _import(f"programs.{name}", file)
        recipe_file = project / "optimizers" / f"{name}.py"
        recipe = _recipe(_import(f"optimizers.{name}", recipe_file)) if recipe_file.is_file() else None
        return source_of(_module_in(program, file), name=name, recipe=recipe)


def source_of(module: dspy.Module, *, name: str, recipe: Recipe | None = None) -> Source:
    """The source of a module that somebody already has, with its demos and instructions.

    Raises:
        SourceError: the module is no `sw.Steps`, and does more than pass its inputs to one
            predictor; or steps do not fit together.
    """
    import_dspy()
    from ..runtime.steps import Steps

    if isinstance(module, Steps):
        from .passes import Demos, FieldOrder, Readout, Spans, Student

        contract = module.wired.contract
        recipe = recipe or Recipe(passes=(FieldOrder(), Demos(), Readout(), Student(), Spans()))
        return Source(name, module, "", contract, "", (), recipe, parts_of(module, _stated))
    from ..runtime.dspy_bridge import predicting

    contract, instruction, demos = _stated(module)
    return Source(
        name=name,
        module=module,
        predictor=predicting(module)[0],
        contract=contract,
        instruction=instruction,
        demos=demos,
        recipe=recipe or default_recipe(contract),
    )


def _module_in(program: ModuleType, file: Path) -> dspy.Module:
    """One of the one class of a program that a file defines."""
    dspy = import_dspy()
    found = [
        value
        for value in vars(program).values()
        if isinstance(value, type) and issubclass(value, dspy.Module) and value.__module__ == program.__name__
    ]
    if len(found) != 1:
        raise SourceError(
            f"one dspy.Module is expected, {len(found)} were found",
            hint="keep one program in the file",
            where=str(file),
        )
    try:
        return found[0]()
    except ShipworthyError:
        raise
    except Exception as error:
        raise _in_source(error, file) from error


def _stated(module: dspy.Module) -> tuple[Contract, str, tuple[Demo, ...]]:
    """Contract, instruction and demos of a module that passes its inputs to one predictor."""
    from ..runtime.dspy_bridge import predicting

    _, predictor, contract = predicting(module)
    if module is not predictor:
        _check_passes_through(module, contract)
    names = [field.name for field in (*contract.inputs, *contract.outputs)]
    demos = []
    for demo in predictor.demos:
        values = dict(demo)
        if all(own in values for own in names):
            demos.append(
                Demo(
                    inputs={field.name: values[field.name] for field in contract.inputs},
                    outputs={field.name: values[field.name] for field in contract.outputs},
                )
            )
    return contract, str(predictor.signature.instructions), tuple(demos)


def made_of(
    source: Source, train: Sequence[Mapping[str, Any]], dev: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Digests of what a compile rests on, for whoever asks later whether it is still the same.

    Of the recipe, budget and gate are left out: how much may be spent, and what is asked of
    the result, are no part of how a program is made.
    """
    recipe = {key: value for key, value in source.recipe.as_json().items() if key not in ("budget", "gate")}
    return {
        "source": digest_of(source.identity),
        "recipe": digest_of(recipe),
        "train": rows_digest(plain_value(list(train))),
        "dev": rows_digest(plain_value(list(dev))),
    }


def default_recipe(contract: Contract) -> Recipe:
    """What a program without a recipe is compiled by."""
    from .passes import Demos, FieldOrder, Readout, Spans, Student

    passes: list[Pass] = [FieldOrder()] if len(contract.inputs) > 1 else []
    passes += [Demos(), Readout(), Student()] if contract.decisions else [Demos()]
    passes += [Spans()] if any(may_stand_in_text(own) for own in contract.values) else []
    return Recipe(passes=passes)


def _check_passes_through(module: dspy.Module, contract: Contract) -> None:
    """Run the module over an adapter that records: inputs must reach the predictor, and outputs come back."""
    dspy = import_dspy()
    seen: list[dict[str, Any]] = []
    marks = {field.name: f"<{field.name}>" for field in contract.outputs}

    class Recorder(dspy.Adapter):  # type: ignore[name-defined,misc]
        def __call__(
            self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: dict[str, Any]
        ) -> list[dict[str, Any]]:
            seen.append(dict(inputs))
            return [{**dict.fromkeys(signature.output_fields, ""), **marks}]

    sent = {field.name: f"({field.name})" for field in contract.inputs}
    try:
        with dspy.context(lm=dspy.utils.DummyLM([{}]), adapter=Recorder()):
            prediction = dict(module(**sent))
    except Exception as error:
        raise SourceError(
            f"{type(module).__name__}.forward fails on plain text inputs: {error}",
            hint="a program passes its inputs to one predictor and returns its outputs",
        ) from error
    if seen != [sent] or any(prediction.get(key) != mark for key, mark in marks.items()):
        raise SourceError(
            f"{type(module).__name__}.forward does more than pass its inputs to one predictor",
            hint="move that code out of the program: before the call, or after it",
        )


def _recipe(module: ModuleType) -> Recipe:
    recipe = getattr(module, "recipe", None)
    if not isinstance(recipe, Recipe):
        raise SourceError("no `recipe = sw.Recipe(...)` here", where=str(module.__file__))
    return recipe


def _import(name: str, file: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ShipworthyError:
        raise
    except Exception as error:
        raise _in_source(error, file) from error


def _in_source(error: Exception, file: Path) -> SourceError:
    if isinstance(error, SyntaxError) and error.filename:  # raised by whoever imports the file
        place = f"{error.filename}:{error.lineno}"
        return SourceError(f"{type(error).__name__}: {error.msg}", hint="mend this file", where=place)
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "importlib" not in frame.filename]
    place = f"{inside[-1].filename}:{inside[-1].lineno}" if inside else str(file)
    return SourceError(f"{type(error).__name__}: {error}", hint="mend this file", where=place)


@contextmanager
def _project_imports(project: Path) -> Iterator[None]:
    """Let `signatures`, `programs` and `optimizers` mean this project's, for the length of the block.

    What is imported leaves `sys.modules` again, so that another project in the same
    process gets its own, and an edited file is read anew.
    """
    with _importing:
        before = {name: module for name, module in sys.modules.items() if _is_project_module(name)}
        for name in before:
            del sys.modules[name]
        sys.path.insert(0, str(project))
        importlib.invalidate_caches()
        written = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        try:
            yield
        finally:
            sys.dont_write_bytecode = written
            sys.path.remove(str(project))
            for name in [name for name in sys.modules if _is_project_module(name)]:
                del sys.modules[name]
            sys.modules.update(before)


def _is_project_module(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES
