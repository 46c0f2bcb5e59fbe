"""What a request states besides its messages: the answer's schema, and the tools."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .draft import Tool, Unmapped
from .names import Names, field_name, problem_of_field
from .schemas import Normalised, fields_of, normalised

ANSWER = "answer"


@dataclass(frozen=True)
class Outputs:
    """The answer as a request states it.

    Attributes:
        stated: its fields; None where nothing states any.
        reason: where they are stated.
        function: the function whose parameters they are, or empty.
    """

    stated: Normalised | None = None
    reason: str = ""
    function: str = ""


def outputs_of(
    request: Mapping[str, Any], *, where: str, taken: Collection[str]
) -> tuple[Outputs, list[Unmapped]]:
    """The outputs that a request states, by the schema of its answer or by a function that must be called.

    Raises:
        PrototypeError: the schema refers to nothing, is nested too deeply, or cannot be met.
    """
    schema, place, name = _schema(request)
    if schema is not None:
        reason = f"the JSON Schema {name!r} at {place}" if name else f"the JSON Schema at {place}"
        found, told = _fields(schema, f"{where}: {place}", reason, "", taken)
        return found, [*told, *_about(request, where)]
    forced = _forced(request)
    for place, own in _functions(request):
        if forced and own.get("name") == forced and isinstance(_parameters(own), Mapping):
            reason = f"the parameters of {forced}, which must be called"
            return _fields(_parameters(own), f"{where}: {place}.parameters", reason, forced, taken)
    return Outputs(), []


def tools_of(
    request: Mapping[str, Any], *, where: str, answering: str
) -> tuple[tuple[Tool, ...], list[Unmapped]]:
    """The functions that the LM may call, except the one whose arguments are the answer.

    Raises:
        PrototypeError: two have one name, or a schema refers to nothing or is nested too deeply.
    """
    tools: list[Tool] = []
    told: list[Unmapped] = []
    taken = Names()
    for key in ("tools", "functions"):
        for index, tool in enumerate(request.get(key) or () if isinstance(request.get(key), list) else ()):
            if not isinstance(tool, Mapping) or not _is_function(tool):
                kind = tool.get("type") if isinstance(tool, Mapping) else tool
                why = "no function of this program's; the provider runs it"
                told.append(Unmapped(f"tool {kind}", f"{where}: {key}[{index}]", why))
    for place, own in _functions(request):
        name = str(own["name"])
        if name == answering:
            continue
        problem = problem_of_field(name)
        if not problem and taken.twin(name):
            raise PrototypeError(
                f"two tools are named {name!r}", hint="rename one", where=f"{where}: {place}"
            )
        found = taken.take(field_name(name, otherwise="tool"))
        if found != name:
            told.append(Unmapped(name, f"{where}: {place}", f"renamed to {found}: {name!r} {problem}"))
        parameters, left = _tool_parameters(own, f"{where}: {place}.parameters")
        told += left
        tools.append(Tool(found, " ".join(str(own.get("description") or "").split()), parameters))
    return tuple(tools), told


def _schema(request: Mapping[str, Any]) -> tuple[Any, str, str]:
    """The schema of the answer, its place and its name."""
    text = request.get("text")
    places = [("response_format", request.get("response_format"))]
    if isinstance(text, Mapping):
        places.append(("text.format", text.get("format")))
    for place, form in places:
        if not isinstance(form, Mapping):
            continue
        inner = form.get("json_schema")
        if isinstance(inner, Mapping) and isinstance(inner.get("schema"), Mapping):
            return inner["schema"], f"{place}.json_schema.schema", str(inner.get("name") or "")
        if isinstance(form.get("schema"), Mapping):
            return form["schema"], f"{place}.schema", str(form.get("name") or "")
    return None, "", ""


def _about(request: Mapping[str, Any], where: str) -> list[Unmapped]:
    """What a request says in words of its answer's schema."""
    form = request.get("response_format")
    inner = form.get("json_schema") if isinstance(form, Mapping) else None
    about = inner.get("description") if isinstance(inner, Mapping) else None
    why = f"it belongs into the prompt: {about}"
    place = f"{where}: response_format.json_schema.description"
    return [Unmapped("description", place, why)] if about else []


def _fields(
    schema: Mapping[str, Any], where: str, reason: str, function: str, taken: Collection[str]
) -> tuple[Outputs, list[Unmapped]]:
    try:
        found = fields_of(schema, where=where, taken=taken)
    except PrototypeError:
        # Another answer than an object: the schema is that of the one output. What is wrong
        # with the schema itself is raised again here.
        whole, left = normalised(schema, where=where)
        if whole.get("type") == "object":
            raise
        about = str(whole.pop("description", ""))
        name = Names(taken).take(ANSWER)
        found = Normalised((Field(name, whole, " ".join(about.split())),), left)
    return Outputs(found, reason, function), left_out(found.left_out, where)


def left_out(parts: list[tuple[str, str]], where: str) -> list[Unmapped]:
    """What of a schema is not carried over, each with its place in the file."""
    found = []
    for place, why in parts:
        path, _, key = place.partition(": ")
        what = key or path.removeprefix("$").removeprefix(".") or "schema"
        found.append(Unmapped(what.rsplit(".", 1)[-1], f"{where}{path.removeprefix('$')}", why))
    return found


def _tool_parameters(own: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[Unmapped]]:
    parameters = _parameters(own)
    if not isinstance(parameters, Mapping) or not (parameters.keys() - {"type", "additionalProperties"}):
        return {"type": "object", "properties": {}, "required": []}, []
    found, left = normalised(parameters, where=where)
    if found.get("type") != "object":
        raise PrototypeError("a tool's parameters are an object", hint="name each of them", where=where)
    if "properties" not in found:
        found = {"type": "object", "properties": {}, "required": []}
    return found, left_out(left, where)


def _functions(request: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """All functions of a request, in any of the forms, with their places."""
    found = []
    for key in ("tools", "functions"):
        tools = request.get(key)
        for index, tool in enumerate(tools if isinstance(tools, list) else ()):
            if isinstance(tool, Mapping) and _is_function(tool):
                inner = tool.get("function")
                nested = isinstance(inner, Mapping)
                place = f"{key}[{index}].function" if nested else f"{key}[{index}]"
                found.append((place, inner if isinstance(inner, Mapping) else tool))
    return found


def _is_function(tool: Mapping[str, Any]) -> bool:
    own = tool.get("function") if isinstance(tool.get("function"), Mapping) else tool
    named = isinstance(own, Mapping) and isinstance(own.get("name"), str) and bool(own["name"])
    return named and tool.get("type", "function") == "function"


def _parameters(own: Mapping[str, Any]) -> Any:
    return own.get("parameters", own.get("input_schema"))


def _forced(request: Mapping[str, Any]) -> str:
    """The function that must be called, or empty."""
    for key in ("tool_choice", "function_call"):
        choice = request.get(key)
        inner = choice.get("function", choice) if isinstance(choice, Mapping) else None
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
            return str(inner["name"])
    return ""
