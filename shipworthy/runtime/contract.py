"""The typed contract of a step or program: names, JSON Schemas, and values that fit them.

A contract is data, so that a compiled program needs no Python of whoever wrote it. A
schema uses the part of JSON Schema that pydantic writes for plain types: enum, const,
boolean, integer, number, string (also `date` and `date-time`), arrays, objects, and
anyOf for optionals and unions.
"""

from __future__ import annotations

import datetime
import functools
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

import pydantic
from pydantic_core import SchemaError, to_jsonable_python

from ..errors import ContractError, OutputError, RowInputError
from ..examples import canonical_json, digest_of

Scalar = str | bool | int | float
FORMATS: dict[str, Any] = {"date": datetime.date, "date-time": datetime.datetime}
UNREAD = ("$ref", "allOf", "oneOf", "not", "prefixItems", "patternProperties")
INVISIBLE = ("Cc", "Cf")
"""Unicode's categories of characters that show nothing: controls and formats."""
YES, NO = "yes", "no"
BOOLS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}


@dataclass(frozen=True)
class Field:
    """One input or output: its name, JSON Schema and a sentence about it."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""

    @property
    def choices(self) -> tuple[Scalar, ...] | None:
        """The values of a decision (Literal, enum or bool), or None for any other type."""
        if "enum" in self.schema:
            return tuple(self.schema["enum"])
        if "const" in self.schema:
            return (self.schema["const"],)
        return (True, False) if self.schema.get("type") == "boolean" else None

    def parse(self, value: Any) -> Any:
        """The value with its type; text is read as the type if it can be.

        Raises:
            ValueError: it does not fit; the message says what was expected.
        """
        if self.choices is not None:
            return self._parse_choice(value)
        return _storable(_parse(_adapter(canonical_json(self.schema)), value))

    def default(self) -> Any:
        """The typed value where none is given; null stands for itself.

        Raises:
            KeyError: one must be given.
            ValueError: the default does not fit the type.
        """
        value = self.schema["default"]
        return None if value is None else self.parse(value)

    def _parse_choice(self, value: Any) -> Scalar:
        choices = self.choices or ()
        for choice in choices:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return choice
        text = str(value).strip()
        for choice in choices:
            if text == str(choice) or text == label_text(choice):
                return choice
        if self.schema.get("type") == "boolean" and text.lower() in BOOLS:
            return BOOLS[text.lower()]
        listed = ", ".join(repr(label_text(choice)) for choice in choices)
        raise ValueError(f"{text[:80]!r} is none of {listed}")


@dataclass(frozen=True)
class Contract:
    """Inputs and outputs, in order.

    Attributes:
        generated: names of outputs that have labels to choose from, and are generated all the same,
            since there are no rows to learn a decision from; no part of what `as_json` writes.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    generated: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        names = [field.name for field in (*self.inputs, *self.outputs)]
        repeated = sorted(name for name, times in Counter(names).items() if times > 1)
        if repeated:
            raise ContractError(f"names stand twice: {', '.join(repeated)}", hint="rename one")
        if not self.inputs or not self.outputs:
            raise ContractError("at least one input and one output are needed")

    @property
    def decisions(self) -> tuple[Field, ...]:
        """Outputs that are Literal, enum or bool."""
        return tuple(
            field for field in self.outputs if field.choices is not None and field.name not in self.generated
        )

    @property
    def primary(self) -> Field:
        """The decision with the most classes, the first among equals.

        Raises:
            ValueError: there is no decision.
        """
        return max(self.decisions, key=lambda field: len(field.choices or ()))

    @property
    def values(self) -> tuple[Field, ...]:
        """Outputs of any other type, which are generated."""
        return tuple(field for field in self.outputs if field.choices is None or field.name in self.generated)

    @property
    def digest(self) -> str:
        """sha256 of both schemas."""
        return digest_of(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Both sides as JSON Schema objects."""
        return {"inputs": object_schema(self.inputs), "outputs": object_schema(self.outputs)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Contract:
        """The contract that `as_json` wrote."""
        return cls(_fields(data["inputs"]), _fields(data["outputs"]))

    def read_inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a row, typed; other columns are ignored.

        Raises:
            RowInputError: one is missing or does not fit.
        """
        return self._read(row, self.inputs)

    def read_outputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The labels of a row, typed.

        Raises:
            RowInputError: one is missing or does not fit.
        """
        return self._read(row, self.outputs)

    @staticmethod
    def _read(row: Mapping[str, Any], fields: Iterable[Field]) -> dict[str, Any]:
        found = {}
        for field in fields:
            try:
                found[field.name] = field.parse(row[field.name]) if field.name in row else field.default()
            except KeyError as error:
                raise RowInputError(f"{field.name!r} is missing", where=f"column {field.name!r}") from error
            except ValueError as error:
                raise RowInputError(str(error), where=f"column {field.name!r}") from error
        return found

    def parse_generated(self, text: str, fields: Iterable[Field]) -> dict[str, Any]:
        """The fields of a generated JSON object.

        Raises:
            OutputError: it is no JSON object, or a field does not fit.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise OutputError(f"the answer is not JSON: {error}", where=text[:200]) from error
        if not isinstance(data, dict):
            raise OutputError("the answer is not a JSON object", where=text[:200])
        found = {}
        for field in fields:
            try:
                found[field.name] = field.parse(data[field.name]) if field.name in data else field.default()
            except KeyError as error:
                raise OutputError(f"the answer has no {field.name!r}", where=text[:200]) from error
            except ValueError as error:
                raise OutputError(f"{field.name}: {error}", where=text[:200]) from error
        return found


def says_nothing(contract: Contract, inputs: Mapping[str, Any]) -> bool:
    """Whether all of a row's inputs are texts without a visible character: nothing can be read off it."""
    values = [inputs.get(field.name) for field in contract.inputs]
    return all(isinstance(value, str) and not any(map(_is_visible, value)) for value in values)


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in INVISIBLE


def label_text(value: Any) -> str:
    """A label as a prompt or a person says it: yes and no for a bool, spaces for underscores."""
    if isinstance(value, bool):
        return YES if value else NO
    return str(value).replace("_", " ")


def value_text(value: Any) -> str:
    """A value as a prompt shows it."""
    if isinstance(value, bool):
        return label_text(value)
    if isinstance(value, str):
        return value.strip()
    plain = plain_value(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def plain_value(value: Any) -> Any:
    """A typed value as JSON holds it."""
    return to_jsonable_python(value, inf_nan_mode="null")


def object_schema(fields: Iterable[Field]) -> dict[str, Any]:
    """The fields as one JSON Schema object; the order of `properties` is theirs."""
    properties = {}
    required = []
    for field in fields:
        about = {"description": field.description} if field.description else {}
        properties[field.name] = {**field.schema, **about}
        if "default" not in field.schema:
            required.append(field.name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "propertyOrder": list(properties),
    }


def _fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    found = []
    order = schema.get("propertyOrder") or list(schema["properties"])
    for name in order:
        own = dict(schema["properties"][name])
        found.append(Field(name, own, own.pop("description", "")))
    return tuple(found)


def _parse(adapter: pydantic.TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value, strict=False)
    except pydantic.ValidationError as error:
        if isinstance(value, str):
            try:
                return adapter.validate_json(value)
            except pydantic.ValidationError:
                pass
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place + ': ' if place else ''}{first['msg']}, not {str(value)[:80]!r}") from error


@functools.lru_cache(maxsize=512)
def _adapter(schema: str) -> pydantic.TypeAdapter[Any]:
    try:
        return pydantic.TypeAdapter(annotation_of(json.loads(schema)))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ContractError(f"a schema is not read: {reason}") from error


def _storable(value: Any) -> Any:
    """The value, if it can be sent and stored: JSON without NaN, as UTF-8."""
    if isinstance(value, datetime.date):
        return value
    try:
        _JSON.encode(value).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair, which is no character") from error
    except ValueError as error:
        raise ValueError(f"a finite number is expected, not {str(value)[:80]!r}") from error
    return value


def _parts(value: Any) -> Any:
    return dict(value) if isinstance(value, pydantic.BaseModel) else str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_parts)


def annotation_of(schema: Mapping[str, Any]) -> Any:
    """The Python type that a JSON Schema stands for.

    Raises:
        ContractError: the schema says something that is not read here.
    """
    unread = [key for key in UNREAD if key in schema]
    if unread:
        raise ContractError(f"a schema with {unread[0]!r} is not read")
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "const" in schema:
        return Literal[schema["const"]]
    if "anyOf" in schema:
        return Union[tuple(annotation_of(option) for option in schema["anyOf"])]  # noqa: UP007
    kind = schema.get("type")
    if kind == "string":
        return _string(schema)
    if kind in ("integer", "number"):
        bounds = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
        limits = {ours: schema[theirs] for theirs, ours in bounds.items() if theirs in schema}
        number: Any = int if kind == "integer" else float
        return Annotated[number, pydantic.Field(**limits)] if limits else number
    if kind == "array":
        return list[annotation_of(schema.get("items", {}))]  # type: ignore[misc]
    if kind == "object":
        return _object(schema)
    simple = {"boolean": bool, "null": None, None: Any}
    if isinstance(kind, list) or kind not in simple:
        raise ContractError(f"a schema of type {kind!r} is not read")
    return simple[kind]


def _string(schema: Mapping[str, Any]) -> Any:
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    limits = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
    found = {ours: schema[theirs] for theirs, ours in limits.items() if theirs in schema}
    return Annotated[str, pydantic.Field(**found)] if found else str


def _object(schema: Mapping[str, Any]) -> Any:
    properties = schema.get("properties")
    if properties is None:
        values = schema.get("additionalProperties")
        return dict[str, annotation_of(values) if isinstance(values, Mapping) else Any]  # type: ignore[misc]
    required = schema.get("required", [])
    fields: dict[str, Any] = {}
    for name, own in properties.items():
        annotation = annotation_of(own)
        fields[name] = (annotation, ...) if name in required else (annotation, own.get("default"))
    return pydantic.create_model(schema.get("title", "Object"), **fields)
