"""From Python types to the part of JSON Schema that contracts are written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from ..errors import ContractError
from .contract import annotation_of

NOT_READ = ("allOf", "not", "prefixItems", "patternProperties")
"""Keywords that would be lost on the way; a type that needs one is refused."""


def schema_of(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of a type, without references, titles, description and default.

    Raises:
        ContractError: the type cannot be read; it says why.
    """
    try:
        schema = pydantic.TypeAdapter(annotation).json_schema()
        schema = _inlined(schema, schema.get("$defs", {}), ())
        annotation_of(schema)
    except (pydantic.errors.PydanticUserError, pydantic.PydanticInvalidForJsonSchema, TypeError) as error:
        raise ContractError(str(error).partition("\n")[0]) from error
    schema.pop("description", None)
    schema.pop("default", None)
    found: dict[str, Any] = schema
    return found


def _inlined(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    """The schema with references replaced by what they name, and without titles."""
    if isinstance(schema, list):
        return [_inlined(item, definitions, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in within:
            raise ContractError(f"{name} contains itself")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**definitions[name], **beside}, definitions, (*within, name))
    lost = [key for key in NOT_READ if key in schema]
    if lost:
        raise ContractError(f"its schema needs {lost[0]!r}")
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if not all(isinstance(choice, str | bool | int | float) for choice in choices):
        raise ContractError("choices must be text, numbers or bools")
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("enum", "const", "default"):
            found[key] = value
        elif key == "properties":
            found[key] = {name: _inlined(own, definitions, within) for name, own in value.items()}
        elif key == "oneOf":
            found["anyOf"] = _inlined(value, definitions, within)
        elif key not in ("$defs", "title", "discriminator"):
            found[key] = _inlined(value, definitions, within)
    return found
