"""LangChain's saved prompts: `{_type: prompt | few_shot | chat, …}`, JSON or YAML, and the hub's
`{lc: 1, type: "constructor", id: […], kwargs: {…}}`.

Both are data: an `id` says which kind of prompt this is, and nothing is imported by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import PrototypeError
from .draft import Draft, Message, Prompt, StepDraft
from .files import Files
from .langchain_objects import (
    CHAT,
    FEW_SHOT,
    KINDS,
    TEMPLATES,
    Context,
    Node,
    node_of,
    not_of_langchain,
)
from .langchain_outputs import read_format_instructions, read_model, read_output_parser, read_schema
from .langchain_turns import read_chat, read_few_shot
from .names import word_set
from .openai_turns import SentTurns

FORMAT = "langchain"
SUFFIXES = (".json", ".yaml", ".yml")
CARRIES = (
    ("template (f-string, Jinja2, Mustache)", "slots with their formats, conditions and loops"),
    ("partial_variables", "values of inputs where a row has none"),
    ("few-shot examples, example turns", "typed demos; all of them, where a selector would choose"),
    ("chat messages", "messages by role"),
    ("MessagesPlaceholder", "an input that is a list of messages"),
    ("response schemas, a structured prompt's schema, a forced function", "typed outputs"),
    ("bound tools", "typed tools"),
    ("template_path, examples by file", "read, within the folder"),
)
HINT_OF_TYPE = re.compile(r"""["']?_type["']?\s*:\s*["']?(?:prompt|few_shot\w*|chat)\b""")
HINT_OF_HUB = re.compile(r"""["']?lc["']?\s*:\s*1\b(?s:.*)["']?type["']?\s*:\s*["']?constructor\b""")
USUAL_KEYS = word_set(
    "_type input_variables input_types optional_variables validate_template template template_format "
    "template_path output_parser partial_variables messages prefix prefix_path suffix suffix_path examples "
    "example_prompt example_prompt_path example_separator example_selector schema schema_ "
    "structured_output_kwargs final_prompt pipeline_prompts lc type id kwargs name graph"
)


def recognises(files: Files) -> bool:
    """Whether the file holds a prompt that LangChain saved, broken or not."""
    if files.is_folder or files.path.suffix.lower() not in SUFFIXES:
        return False
    text = files.glance()
    if files.path.suffix.lower() != ".json":
        return bool(re.search(rf"^(?:{HINT_OF_TYPE.pattern}|lc\s*:\s*1\b)", text, re.MULTILINE))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return bool(HINT_OF_TYPE.search(text) or HINT_OF_HUB.search(text))
    value = value.get("manifest", value) if isinstance(value, dict) else value
    if not isinstance(value, dict):
        return False
    saved = value.get("_type") in KINDS or (
        "_type" not in value and isinstance(value.get("input_variables"), list) and "template" in value
    )
    return bool(saved or (value.get("lc") == 1 and value.get("type") == "constructor"))


def read(files: Files, *, name: str) -> Draft:
    """The prompt of a file.

    Args:
        files: the file; templates and examples that it names lie in its folder.
        name: of the step.

    Raises:
        PrototypeError: it does not parse (`where` has line and column), is none of LangChain's
            prompts, names a file outside its folder, or has a template that cannot be read.
    """
    context = Context(files)
    value = context.load(files.path.name)
    if isinstance(value, Mapping) and isinstance(value.get("manifest"), Mapping):
        value = value["manifest"]
    if not isinstance(value, Mapping):
        raise not_of_langchain("a JSON object", str(files.path))
    messages = _prompt(context, node_of(value, "", context))
    sent = context.sent and SentTurns(tuple(context.sent))
    for key, default in context.defaults.items():
        if isinstance(default, str) and not context.outputs:
            read_format_instructions(context, default, f"partial_variables.{key}")
    context.tell_renamed()
    step = StepDraft(
        name,
        (Prompt(tuple(messages), sent=sent or None),),
        outputs=tuple(context.outputs),
        reasons=context.reasons,
        demos=tuple(context.demos),
        tools=tuple(context.tools),
    )
    return Draft((step,), defaults=context.defaults, unmapped=tuple(context.unmapped))


def _prompt(context: Context, node: Node) -> list[Message]:
    if node.kind == "RunnableSequence":
        return _sequence(context, node)
    if node.kind == "pipeline":
        return [Message("user", _pipeline(context, node))]
    _common(context, node)
    if node.kind in CHAT:
        return read_chat(context, node)
    if node.kind in FEW_SHOT:
        return read_few_shot(context, node)
    if node.kind in TEMPLATES:
        return [Message("user", context.template_of(node))]
    raise not_of_langchain(f"{node.kind!r}", node.where(context))


def _common(context: Context, node: Node) -> None:
    """What every prompt may have besides its text."""
    context.read_defaults(node)
    parser = node.get("output_parser")
    if parser:
        read_output_parser(context, parser, node.place("output_parser"))
    schema = node.get("schema_", node.get("schema"))
    if schema:
        read_schema(context, schema, node.place("schema_"))
    for key, value in node.data.items():
        if key not in USUAL_KEYS and value not in (None, [], {}, ""):
            context.tell(str(key), node.place(key), "the prompt's text does not depend on it")


def _sequence(context: Context, node: Node) -> list[Message]:
    """A prompt with what it is piped into: the model, then a parser."""
    parts = [("first", node.get("first"))]
    parts += [(f"middle[{i}]", part) for i, part in enumerate(node.get("middle") or ())]
    parts.append(("last", node.get("last")))
    messages: list[Message] = []
    for key, part in parts:
        if not isinstance(part, Mapping):
            continue
        inner = node_of(part, node.place(key), context)
        if not messages and (inner.kind in CHAT or inner.kind in FEW_SHOT or inner.kind in TEMPLATES):
            messages = _prompt(context, inner)
        elif "Parser" in inner.kind:
            read_output_parser(context, part, node.place(key))
        else:
            read_model(context, inner)
    if not messages:
        raise not_of_langchain("a sequence without a prompt", node.where(context))
    return messages


def _pipeline(context: Context, node: Node) -> Any:
    """A prompt whose slots are filled by other prompts: written as one text."""
    _common(context, node)
    final = node_of(node.get("final_prompt"), node.place("final_prompt"), context)
    text, format = context.source_of(final)
    for i, pair in enumerate(node.get("pipeline_prompts") or ()):
        place = f"{node.place('pipeline_prompts')}[{i}]"
        if isinstance(pair, Mapping):
            pair = [pair.get("name"), pair.get("prompt")]
        if not isinstance(pair, list) or len(pair) != 2:
            raise not_of_langchain("a pair of name and prompt", context.at(place))
        part = node_of(pair[1], f"{place}[1]", context)
        inner, own = context.source_of(part)
        if own != format:
            raise PrototypeError(
                f"the parts are written as {format} and {own}",
                hint="write them in one language",
                where=context.at(place),
            )
        context.read_defaults(part)
        key = re.escape(str(pair[0]))
        slot = rf"\{{{key}\}}" if format == "f-string" else rf"\{{\{{\s*{key}\s*\}}\}}"
        text = inner.join(re.split(slot, text))
    return context.template(text, format, final.place("template"), listed=final.get("input_variables"))
