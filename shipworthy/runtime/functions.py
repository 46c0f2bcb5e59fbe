"""Python functions as steps: their contract, their files, and how they are imported and called.

The file that a function stands in is part of the program. It is imported from the bytes that
were verified, under a name that they and their folder give, so that two versions in one
process each run their own code, and nobody's `sys.path` is touched.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import threading
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import InspectLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic
from pydantic_core import PydanticSerializationError

from ..errors import ArtifactError, ContractError, OutputError, ShipworthyError, SourceError, StepError
from ..examples import digest_of
from ..lms import check_deadline
from .contract import Contract, Field, plain_value
from .schemas import schema_of
from .spec import Code, FunctionSpec, is_inside

MAX_BYTES = 64 << 20
"""Of one file of a function."""
INSTALLED = ("site-packages", "dist-packages")
WHETHER = (typing.Required, typing.NotRequired)
_importing = threading.RLock()


def function_contract(function: Callable[..., Any], step: str) -> tuple[Contract, bool]:
    """Inputs by the parameters' names, outputs by the return annotation; and whether there are several.

    A `TypedDict`, a dataclass or a pydantic model has an output for each of its fields; anything
    else is one output, named after the step.

    Raises:
        SourceError: it is no plain function, or its annotations cannot be read.
    """
    where = getattr(function, "__qualname__", repr(function))
    if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
        raise SourceError(
            f"{where} is no plain function", hint="write `def NAME(...)`, not a class or async", where=step
        )
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # an annotation is anybody's code
        raise SourceError(
            f"the annotations of {where} cannot be read: {error}",
            hint="use names that the function's file defines or imports",
            where=step,
        ) from error
    if "return" not in hints:
        raise SourceError(
            f"{where} does not say what it returns",
            hint="annotate it: `-> list[str]`, or a TypedDict where there are several outputs",
            where=step,
        )
    try:
        inputs = [_input(one, hints) for one in inspect.signature(function).parameters.values()]
        several = _several(hints["return"])
        found = _properties(hints["return"]) if several else {step: schema_of(hints["return"])}
        outputs = tuple(Field(name, own, own.pop("description", "")) for name, own in found.items())
        return Contract(tuple(inputs), outputs), several
    except ContractError as error:
        hint = error.hint or "use str, bool, int, float, Literal, list, dict or a pydantic model"
        raise SourceError(f"{where}: {error.message}", hint=hint, where=step) from error


def read_code(function: Callable[..., Any], *, spread: bool, files: Sequence[str] = ()) -> Code:
    """The function's file, and those that it reads, as they are now.

    They keep their places to each other: what they are relative to is the folder that holds them all.

    Args:
        files: paths relative to the folder of the function's file, within its project.

    Raises:
        SourceError: it lies in no file, needs what lies beside it, or a file cannot be read.
    """
    name = function.__qualname__
    if not name.isidentifier():
        raise SourceError(
            f"{name} is defined inside something else", hint="define it at the top of a file of its own"
        )
    path = Path(function.__code__.co_filename).resolve()
    if not path.is_file():
        raise SourceError(
            f"{name} stands in no file, so that it cannot become part of the program",
            hint="move it into a .py file and import it from there",
            where=str(path),
        )
    places = [path, *(_placed(path, relative, name) for relative in files)]
    folder = Path(os.path.commonpath([place.parent for place in places]))
    contents = {place.relative_to(folder).as_posix(): _read(place) for place in dict.fromkeys(places)}
    module = path.relative_to(folder).as_posix()
    _check_alone(contents[module], path)
    spec = FunctionSpec(
        name=name,
        module=module,
        files={relative: digest_of(data) for relative, data in contents.items()},
        spread=spread,
    )
    return Code(spec, folder, contents)


def load_function(code: Code) -> Callable[..., Any]:
    """Import the function from its verified bytes.

    Raises:
        ArtifactError: its module fails, or has no such function.
    """
    path = code.folder / code.spec.module
    try:
        found = getattr(_module(code, path), code.spec.name)
    except ShipworthyError:
        raise
    except Exception as error:  # a module is anybody's code
        place = traceback.extract_tb(error.__traceback__)[-1]
        inside = f":{place.lineno}" if place.filename == str(path) else ""
        hint = "install what it imports, or mend it and compile again"
        raise ArtifactError(
            f"the code of the program cannot be imported: {type(error).__name__}: {error}",
            hint=hint,
            where=f"{path}{inside}",
        ) from error
    return typing.cast(Callable[..., Any], found)


def packages_of(code: Code) -> set[str]:
    """Top-level names of what the function's file imports beside the standard library."""
    path = code.folder / code.spec.module
    found = {top for top, _ in _imports(code.contents[code.spec.module], path)}
    return found - sys.stdlib_module_names - {__name__.partition(".")[0]}


class Function:
    """A function as a step runs it: typed values in, typed outputs out.

    Args:
        contract, spread: as `function_contract` gives them.
    """

    def __init__(self, function: Callable[..., Any], contract: Contract, *, spread: bool) -> None:
        self._function = function
        self._contract = contract
        self._spread = spread
        hints = typing.get_type_hints(function, include_extras=True)
        self._types = {
            field.name: pydantic.TypeAdapter(hints[field.name])
            for field in contract.inputs
            if field.name in hints
        }

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Call it with the values that its parameters name; one with a default may lack.

        Raises:
            StepError: it raises an exception, which is named with its line.
            OutputError: what it returns does not fit its annotation.
            DeadlineError: the row's time is over.
        """
        check_deadline()
        try:
            given = {name: self._typed(name, value) for name, value in values.items()}
            returned = self._function(**given)
        except ShipworthyError:
            raise
        except Exception as error:
            raise self._error(error) from error
        check_deadline()
        return self._outputs(returned)

    def _typed(self, name: str, value: Any) -> Any:
        if name not in self._types:
            return value
        return self._types[name].validate_python(plain_value(value))

    def _outputs(self, returned: Any) -> dict[str, Any]:
        name = self._function.__name__
        try:
            plain = plain_value(returned)
        except (PydanticSerializationError, ValueError) as error:
            raise OutputError(f"{name} returns what is no JSON: {error}") from error
        found = plain if self._spread else {self._contract.outputs[0].name: plain}
        if not isinstance(found, dict):
            raise OutputError(f"{name} returns {str(plain)[:80]!r}, not the outputs by name")
        outputs = {}
        for field in self._contract.outputs:
            try:
                outputs[field.name] = field.parse(found.get(field.name))
            except ValueError as error:
                raise OutputError(f"{name} returns for {field.name!r}: {error}") from error
        return outputs

    def _error(self, error: Exception) -> StepError:
        own = self._function.__code__.co_filename
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
        line = frames[-1].lineno if frames else self._function.__code__.co_firstlineno
        return StepError(
            f"{self._function.__name__} raises {type(error).__name__}: {error}",
            hint="look at this line of the function, and at the row",
            where=f"{Path(own).name}:{line}",
        )


def _input(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Field:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise ContractError(f"{parameter} cannot be wired by name", hint="name each parameter")
    schema = schema_of(hints[parameter.name]) if parameter.name in hints else {}
    if parameter.default is not parameter.empty:
        try:
            schema["default"] = plain_value(parameter.default)
        except (PydanticSerializationError, ValueError):
            schema["default"] = None  # never used: the function has its own
    return Field(parameter.name, schema)


def _several(annotation: Any) -> bool:
    model = isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)
    return typing.is_typeddict(annotation) or dataclasses.is_dataclass(annotation) or model


def _properties(annotation: Any) -> dict[str, dict[str, Any]]:
    """Schemas by field; of a `TypedDict` one by one, since pydantic reads those of Python 3.11 not at all."""
    if not typing.is_typeddict(annotation):
        found: dict[str, dict[str, Any]] = schema_of(annotation).get("properties", {})
        return found
    hints = typing.get_type_hints(annotation, include_extras=True)
    plain = {
        name: typing.get_args(hint)[0] if typing.get_origin(hint) in WHETHER else hint
        for name, hint in hints.items()
    }
    return {name: schema_of(hint) for name, hint in plain.items()}


def _placed(path: Path, relative: str, name: str) -> Path:
    """Where a further file lies: in the function's project, or below its folder where there is none."""
    root = next((one for one in path.parents if (one / "pyproject.toml").is_file()), path.parent)
    place = Path(os.path.normpath(path.parent / relative))
    inside = place.relative_to(root).as_posix() if place.is_relative_to(root) else ""
    if not is_inside(inside) or Path(relative).is_absolute():
        raise SourceError(
            f"{relative!r} does not lie in the project of {path.name}",
            hint="give paths relative to the folder of that file; without a project, below it",
            where=name,
        )
    return place


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"a file over {MAX_BYTES >> 20} MiB", hint="keep it smaller", where=str(path))
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"cannot be read: {error.strerror}", hint="check the path", where=str(path)
        ) from error


def _check_alone(source: bytes, path: Path) -> None:
    """The file must work without its neighbours, which are not there where the program runs."""
    nearby = _around(path)
    for top, line in _imports(source, path):
        if top == __name__.partition(".")[0]:  # is there wherever a program runs
            continue
        if not top or any((root / top).is_dir() or (root / f"{top}.py").is_file() for root in nearby):
            raise SourceError(
                "a step's file cannot import what lies beside it: the program is run without the project",
                hint="keep the function in a file of its own that imports installed packages alone",
                where=f"{path}:{line}",
            )


def _imports(source: bytes, path: Path) -> Iterator[tuple[str, int]]:
    """Top-level packages that a file imports, each with its line; an empty name for what lies beside it."""
    for node in ast.walk(ast.parse(source, str(path))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("" if node.level else str(node.module).partition(".")[0]), node.lineno


def _around(path: Path) -> list[Path]:
    """Folders whose modules are the project's own: up to the one with pyproject.toml, or else the next."""
    if set(INSTALLED) & set(path.parts):
        return []
    above = list(path.parents)
    root = next((i for i, folder in enumerate(above) if (folder / "pyproject.toml").is_file()), 1)
    return above[: root + 1]


def _module(code: Code, path: Path) -> ModuleType:
    name = f"_shipworthy_{digest_of([code.spec.files, str(code.folder)])[:24]}"
    with _importing:
        if name in sys.modules:
            return sys.modules[name]
        loader = _Verified(code.contents[code.spec.module], str(path))
        module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader))
        module.__file__ = str(path)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


class _Verified(InspectLoader):
    """Loads a module from bytes at hand, whatever lies on the disk by now."""

    def __init__(self, source: bytes, path: str) -> None:
        self._source, self._path = source, path

    def get_source(self, fullname: str) -> str:
        """Its text."""
        return importlib.util.decode_source(self._source)

    def get_code(self, fullname: str) -> Any:
        """Compiled, with the path that tracebacks show."""
        return self.source_to_code(self._source, self._path)
