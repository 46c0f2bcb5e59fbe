"""What LangChain's files say of an answer: output parsers, schemas, and functions bound to the model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .draft import Tool
from .langchain_objects import Context, Node
from .names import field_name
from .schemas import fields_of, normalised

TYPE_WORDS: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "string"},
    "str": {"type": "string"},
    "number": {"type": "number"},
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "int": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "items": {}},
    "array": {"type": "array", "items": {}},
}
PLAIN_PARSERS = ("default", "str", "StrOutputParser", "NoOpOutputParser")
IN_CODE = "its class stands in Python code, which is not imported; give the types by labelled rows"
JSON_SCHEMA = re.compile(r"[Hh]ere is the output schema:\s*```(?:json)?\s*(\{.*?\})\s*```", re.DOTALL)
FIELD_LINE = re.compile(r'^\s*"([^"\n]+)": ([\w\[\], ]+?)\s*(?://\s*(.*))?$', re.MULTILINE)


def read_output_parser(context: Context, parser: Any, path: str) -> None:
    """What an output parser says of the outputs; what it does not say is told."""
    if not isinstance(parser, Mapping):
        context.tell("output_parser", path, "it is no object")
        return
    kind = str((parser.get("id") or [""])[-1] if "lc" in parser else parser.get("_type", ""))
    data = parser.get("kwargs", {}) if "lc" in parser else parser
    if kind in PLAIN_PARSERS:
        return
    if isinstance(data.get("response_schemas"), Sequence):
        _response_schemas(context, data["response_schemas"], f"{path}.response_schemas")
    elif isinstance(data.get("output_keys"), Sequence) and "regex" in data:
        for key in data["output_keys"]:
            state(context, str(key), {"type": "string"}, f"{path}.output_keys")
        context.tell(f"regex {data['regex']}", path, "outputs are typed fields, which no regex need cut out")
    elif "comma" in kind.lower() or "ListOutputParser" in kind:
        state(context, "items", {"type": "array", "items": {"type": "string"}}, path)
    elif "boolean" in kind.lower():
        state(context, "answer", {"type": "boolean"}, path)
    elif "datetime" in kind.lower():
        state(context, "answer", {"type": "string", "format": "date-time"}, path)
    elif isinstance(data.get("parser"), Mapping):
        context.tell(kind, path, "an answer that does not fit is asked for again by the program itself")
        read_output_parser(context, data["parser"], f"{path}.parser")
    else:
        context.tell(kind or "output_parser", path, IN_CODE)


def read_schema(context: Context, schema: Any, path: str) -> None:
    """The schema of a structured prompt, as outputs."""
    where = context.at(path)
    if not isinstance(schema, Mapping):
        raise PrototypeError("no JSON Schema", hint="mend it", where=where)
    found = fields_of(_unwrapped(schema), where=where)
    for field in found.fields:
        state(context, field.name, field.schema, path, description=field.description)
    for place, why in found.left_out:
        context.tell(place, path, why)


def read_format_instructions(context: Context, text: str, path: str) -> None:
    """Outputs from the words that LangChain's own parsers put into a prompt."""
    match = JSON_SCHEMA.search(text)
    if match:
        try:
            schema = json.loads(match[1])
        except ValueError:
            context.tell("format instructions", path, "their JSON Schema does not parse")
            return
        read_schema(context, schema, path)
    elif "```json" in text:
        for name, words, description in FIELD_LINE.findall(text.split("```json", 1)[1]):
            state(context, name, _type_of(words), path, description=description)


def read_model(context: Context, node: Node) -> None:
    """What is bound to the model behind a prompt: its tools, and a function that it must call."""
    bound = node.get("kwargs", {})
    settings = bound if isinstance(bound, Mapping) and "bound" in node.data else node.data
    inner = node.get("bound")
    what = inner.get("kwargs", {}) if isinstance(inner, Mapping) else node.data
    name = what.get("model_name") or what.get("model") if isinstance(what, Mapping) else None
    context.tell(str(name or node.kind), node.path, "the LM and its settings are chosen when it is compiled")
    if settings is node.data:
        return
    functions = _functions(settings)
    forced = _forced(settings)
    for function in functions:
        if function.get("name") == forced or (forced is True and len(functions) == 1):
            read_schema(context, function.get("parameters") or {}, node.place("kwargs"))
        else:
            _tool(context, function, node.place("kwargs"))
    format = settings.get("response_format")
    if isinstance(format, Mapping) and isinstance(format.get("json_schema"), Mapping):
        read_schema(context, format["json_schema"], node.place("kwargs.response_format"))


def state(
    context: Context, name: str, schema: Mapping[str, Any], path: str, *, description: str = ""
) -> None:
    """Note an output, once, under a name that Python has."""
    spelled = field_name(name)
    if any(field.name.casefold() == spelled.casefold() for field in context.outputs):
        return
    if spelled != name:
        context.tell(name, path, f"renamed to {spelled}: an output needs a Python name")
    context.outputs.append(Field(spelled, schema, " ".join(description.split())))
    context.reasons[spelled] = f"stated in {path}"


def _response_schemas(context: Context, schemas: Sequence[Any], path: str) -> None:
    for i, own in enumerate(schemas):
        if not isinstance(own, Mapping) or not isinstance(own.get("name"), str):
            context.tell("response schema", f"{path}[{i}]", "it has no name")
            continue
        schema = _type_of(str(own.get("type", "string")))
        state(context, own["name"], schema, f"{path}[{i}]", description=str(own.get("description", "")))


def _type_of(words: str) -> Mapping[str, Any]:
    words = words.strip().lower()
    inner = re.fullmatch(r"(?:list|array)\[\s*(\w+)\s*\]", words)
    if inner:
        return {"type": "array", "items": dict(TYPE_WORDS.get(inner[1], {}))}
    return TYPE_WORDS.get(words, {"type": "string"})


def _unwrapped(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, where it stands within a function's or a response format's name."""
    for key in ("schema", "parameters", "input_schema"):
        inner = schema.get(key)
        if isinstance(inner, Mapping) and "properties" not in schema:
            return inner
    return schema


def _functions(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = [*(settings.get("functions") or ()), *(settings.get("tools") or ())]
    found = [one.get("function", one) for one in listed if isinstance(one, Mapping)]
    return [one for one in found if isinstance(one, Mapping) and isinstance(one.get("name"), str)]


def _forced(settings: Mapping[str, Any]) -> Any:
    """The name of the function that must be called; True for any."""
    choice = settings.get("function_call", settings.get("tool_choice"))
    if isinstance(choice, Mapping):
        choice = choice.get("function", choice).get("name")
    return True if choice in ("any", "required", True) else choice


def _tool(context: Context, function: Mapping[str, Any], path: str) -> None:
    where = context.at(path)
    parameters = function.get("parameters") or function.get("input_schema") or {}
    schema, left_out = normalised(parameters, where=where)
    for place, why in left_out:
        context.tell(place, path, why)
    context.tools.append(Tool(str(function["name"]), str(function.get("description", "")), schema))
