"""Data that is written as JSON and read back as strictly: frozen, typed, closed to unknown keys.

These are few and simple types, and reading them is part of every start; pydantic, which does
the same for any type, takes longer to build its models than all the rest of a start.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from numbers import Integral, Real
from typing import (
    Any,
    ClassVar,
    Literal,
    Self,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic_core import to_jsonable_python


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Data:
    """Fields are the annotations of a subclass, given by name; each is read as its type.

    Raises:
        ValueError: one is missing, unknown or of another type; the message begins with its place.
    """

    _quiet: ClassVar[tuple[str, ...]] = ()
    """Fields that are not written where they are empty: such data has the bytes that it always had."""

    def __init__(self, **given: Any) -> None:
        self._fill(given, "")

    @classmethod
    def from_json(cls, data: Any, *, place: str = "") -> Self:
        """What `as_json` wrote.

        Args:
            place: where it stands, for messages, such as `steps.triage`.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"{place or cls.__name__}: an object is expected, not {str(data)[:80]!r}")
        made = cls.__new__(cls)
        made._fill(data, place)
        return made

    def as_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        written: dict[str, Any] = to_jsonable_python(_stated(self), fallback=_stated)
        return written

    def replace(self, **changes: Any) -> Self:
        """The same with other values of some fields."""
        return type(self)(**{**vars(self), **changes})

    def check(self) -> None:
        """Whether the fields fit together.

        Raises:
            ValueError: they do not.
        """

    @classmethod
    @functools.cache
    def _kinds(cls) -> dict[str, Any]:
        """The types of its fields."""
        return {name: kind for name, kind in get_type_hints(cls).items() if not name.startswith("_")}

    def _fill(self, given: Mapping[str, Any], place: str) -> None:
        kinds = self._kinds()
        inside = f"{place}." if place else ""
        unknown = [str(name) for name in given if name not in kinds]
        if unknown:
            raise ValueError(f"{inside}{unknown[0]}: unknown")
        for name, kind in kinds.items():
            if name not in given and not hasattr(type(self), name):
                raise ValueError(f"{inside}{name}: missing")
            value = given[name] if name in given else getattr(type(self), name)
            self.__dict__[name] = read_as(kind, value, f"{inside}{name}")
        try:
            self.check()
        except ValueError as error:
            raise ValueError(f"{place or type(self).__name__}: {error}") from error

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: use `replace`")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
        )


def read_as(kind: Any, value: Any, place: str) -> Any:
    """A value as a type: lists become tuples, integers floats; text is read as nothing else.

    Args:
        kind: str, bool, int, float, None, Any, a Literal, a union, a dict, a tuple, or a class of data.
        place: where it stands, for messages.

    Raises:
        ValueError: it is of another type.
    """
    origin, options = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_one(options, value, place)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = options[:1] * len(value) if options[-1] is ... else options
        if len(kinds) == len(value):
            return tuple(
                read_as(own, one, f"{place}.{i}")
                for i, (own, one) in enumerate(zip(kinds, value, strict=True))
            )
    if origin is dict and isinstance(value, Mapping):
        return {
            read_as(str, key, place): read_as(options[1], one, f"{place}.{key}") for key, one in value.items()
        }
    if origin is Literal and any(value == one and type(value) is type(one) for one in options):
        return value
    if origin is None and issubclass(kind, Data):
        return value if isinstance(value, kind) else kind.from_json(value, place=place)
    if kind in (str, bool, type(None)) and isinstance(value, kind):
        return value
    if kind in NUMBERS and isinstance(value, NUMBERS[kind]) and not isinstance(value, bool):
        return kind(value)
    raise ValueError(f"{place}: {getattr(kind, '__name__', kind)} is expected, not {str(value)[:80]!r}")


def _stated(value: Any) -> dict[str, Any]:
    """The fields of data that are written."""
    if not isinstance(value, Data):
        raise TypeError(f"{value!r} is no JSON")
    return {name: own for name, own in vars(value).items() if own or name not in value._quiet}


def _read_one(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    """The value as its own type, if that is one of these; else as the first that it fits."""
    if type(value) in kinds:
        return value
    first: ValueError | None = None
    for kind in kinds:
        try:
            return read_as(kind, value, place)
        except ValueError as error:
            first = first or error
    raise ValueError(str(first)) from first


NUMBERS: dict[Any, type] = {int: Integral, float: Real}
