"""Prompts of MLflow's prompt registry: `prompts:/name/version` or `prompts:/name@alias`.

Such a prompt is no file, so it is read by its address. MLflow is imported only then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, NotFoundError, PrototypeError, RegistryError
from ..runtime import Field
from .draft import Draft, Message, Prompt, StepDraft, Template, Unmapped
from .formatted import FormatTemplate
from .jinja_template import JinjaTemplate
from .names import program_name
from .openai_turns import ROLES
from .pieces import Piece, Slot
from .renamed_template import renamed
from .schemas import fields_of
from .slot_names import SlotNames

FORMAT = "mlflow"
SUFFIXES: tuple[str, ...] = ()
CARRIES = (
    ("text with {{ name }}", "slots"),
    ("text with {% … %}", "conditions and loops of Jinja2"),
    ("chat messages", "messages by role"),
    ("response_format", "typed outputs"),
)
ADDRESS = re.compile(r"prompts:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")
SLOT = re.compile(r"\{\{\s*([a-zA-Z_]\w*)\s*\}\}")
MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


def is_registered(path: str) -> bool:
    """Whether what was named is the address of a registered prompt and no file's path."""
    return path.startswith("prompts:/")


def name_of(uri: str) -> str:
    """The name of a program after a registered prompt.

    Raises:
        PrototypeError: it is no such address, or no name can be made of it.
    """
    return program_name(_parts(uri)["name"], uri)


def read_registered(uri: str, *, tracking_uri: str | None = None) -> Draft:
    """A registered prompt, text or chat.

    Args:
        uri: `prompts:/name/version` or `prompts:/name@alias`; the alias `latest` is the newest version.
        tracking_uri: the MLflow server or database; by default the one that MLflow itself uses.

    Raises:
        PrototypeError: it is no such address, or the prompt cannot be read.
        NotFoundError: there is no such prompt, version or alias.
        RegistryError: the registry cannot be reached.
        MissingExtraError: MLflow is not installed.
    """
    parts = _parts(uri)
    found = _load(uri, tracking_uri, parts)
    names = SlotNames()
    unmapped: list[Unmapped] = []
    messages = _messages(found.template, names, uri, unmapped)
    outputs, reasons = _outputs(found.response_format, uri, unmapped)
    model = found.model_config
    if model:
        settings = ", ".join(f"{key}={value}" for key, value in model.items())
        unmapped.append(Unmapped(settings, uri, "the LM and its settings are chosen when it is compiled"))
    unmapped += names.told(uri)
    step = StepDraft(program_name(parts["name"], uri), (Prompt(messages),), outputs=outputs, reasons=reasons)
    return Draft((step,), unmapped=tuple(unmapped))


def text_of_registered(uri: str, *, tracking_uri: str | None = None) -> str:
    """What the registry holds, for the prototype's copy and digest: JSON for a chat prompt.

    Raises:
        ShipworthyError: as `read_registered`.
    """
    template = _load(uri, tracking_uri, _parts(uri)).template
    if isinstance(template, str):
        return template
    return json.dumps(template, ensure_ascii=False, indent=1)


def _parts(uri: str) -> dict[str, str]:
    match = ADDRESS.fullmatch(uri)
    if match is None:
        raise PrototypeError(
            "this is no address of a registered prompt",
            hint="write prompts:/name/version or prompts:/name@alias",
            where=uri,
        )
    return {key: value for key, value in match.groupdict().items() if value is not None}


def _load(uri: str, tracking_uri: str | None, parts: Mapping[str, str]) -> Any:
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise MissingExtraError("compile", "mlflow") from error
    address = tracking_uri or mlflow.get_tracking_uri()
    database = re.match(r"sqlite:///([^?]+)", address)
    if database and not Path(database[1]).is_file():
        raise _unreachable(uri, f"there is no database {database[1]}")
    try:
        client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        if "version" in parts:
            found = client.get_prompt_version(parts["name"], parts["version"])
        else:
            found = client.get_prompt_version_by_alias(parts["name"], parts["alias"])
    except MlflowException as error:
        if error.error_code in MISSING or "not found" in str(error):
            raise _not_there(uri) from error
        raise _unreachable(uri, error) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(uri, error) from error
    if found is None:
        raise _not_there(uri)
    return found


def _not_there(uri: str) -> NotFoundError:
    return NotFoundError(
        "the registry has no such prompt, version or alias",
        hint="look the name up in MLflow's page of prompts; MLFLOW_TRACKING_URI names the registry",
        where=uri,
    )


def _unreachable(uri: str, error: Exception | str) -> RegistryError:
    reason = str(error).strip().split("\n")[0][:200]
    return RegistryError(
        f"the prompt registry cannot be read: {reason}",
        hint="check MLFLOW_TRACKING_URI and that the server runs",
        where=uri,
    )


def _messages(template: Any, names: SlotNames, uri: str, unmapped: list[Unmapped]) -> tuple[Message, ...]:
    if isinstance(template, str):
        return (Message("user", _template(template, names, uri, jinja=_is_jinja(template))),)
    turns = list(template)
    jinja = any(_is_jinja(_text(turn, uri, i, [])) for i, turn in enumerate(turns))
    found = []
    for i, turn in enumerate(turns):
        place = f"{uri}: [{i}]"
        role = str(turn.get("role"))
        if role not in ROLES:
            unmapped.append(
                Unmapped(f"role {role!r}", place, "no role of a prompt's; its text is put as the user's")
            )
        text = _text(turn, uri, i, unmapped)
        if text:
            found.append(Message(ROLES.get(role, "user"), _template(text, names, place, jinja=jinja)))
    if not found:
        raise PrototypeError("the prompt has no text", hint="register one with text", where=uri)
    return tuple(found)


def _text(turn: Mapping[str, Any], uri: str, index: int, unmapped: list[Unmapped]) -> str:
    content = turn.get("content") or ""
    if isinstance(content, str):
        return content
    texts = []
    for i, part in enumerate(content):
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            kind = str(part.get("type", "part")) if isinstance(part, Mapping) else "part"
            unmapped.append(Unmapped(kind, f"{uri}: [{index}].content[{i}]", "a part that is no text"))
    return "\n".join(texts)


def _is_jinja(text: str) -> bool:
    """Whether MLflow itself reads the text as Jinja2."""
    return "{%" in text and "%}" in text


def _template(text: str, names: SlotNames, where: str, *, jinja: bool) -> Template:
    if jinja:
        return renamed(JinjaTemplate(text, where=where), names)
    pieces: list[Piece] = []
    end = 0
    for match in SLOT.finditer(text):
        pieces += [text[end : match.start()], Slot(names.name(match[1]), match[0])]
        end = match.end()
    pieces.append(text[end:])
    return FormatTemplate(text, tuple(piece for piece in pieces if piece != ""))


def _outputs(
    stated: Mapping[str, Any] | None, uri: str, unmapped: list[Unmapped]
) -> tuple[tuple[Field, ...], dict[str, str]]:
    """The fields of a response format: a schema, or one within OpenAI's form."""
    schema: Any = stated
    for key in ("json_schema", "schema"):
        inner = schema.get(key) if isinstance(schema, Mapping) and "properties" not in schema else None
        schema = inner if isinstance(inner, Mapping) else schema
    where = f"{uri}: response_format"
    if not isinstance(schema, Mapping) or "properties" not in schema:
        if stated:
            unmapped.append(Unmapped("response_format", where, "it states no fields of an object"))
        return (), {}
    found = fields_of(schema, where=where)
    unmapped += [Unmapped(place, where, why) for place, why in found.left_out]
    return found.fields, dict.fromkeys((one.name for one in found.fields), "stated in response_format")
