"""LangChain's chat messages and few-shot prompts, as messages and demos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..errors import PrototypeError, RowInputError
from ..runtime import Demo, Field
from .draft import ROLES, Message, Role, Template
from .few_shot import Roles, label_before_end, roles_of
from .formatted import FormatTemplate, escape_braces
from .langchain_objects import Context, Node, node_of, not_of_langchain
from .message_lists import MessagesTemplate
from .mustache import raw
from .openai_demos import typed_answer, values_in
from .pieces import Piece
from .schemas import Normalised

PLACEHOLDERS = ("MessagesPlaceholder", "placeholder")
SEPARATOR = "\n\n"


def read_few_shot(context: Context, node: Node) -> list[Message]:
    """The message of a few-shot prompt; its examples become demos, or else stay in the text."""
    format = context.format_of(node)
    examples, example_node = _examples(context, node)
    prefix, suffix = (_part(context, node, key) for key in ("prefix", "suffix"))
    separator = str(node.get("example_separator", SEPARATOR))
    one, own = _example_template(context, example_node)
    rows = [_renamed(own, example) for example in examples]
    texts = [_filled(context, node, one, row) for row in rows]
    _demos(context, node, one, rows, prefix, suffix, format)
    if format == "f-string":
        parts = [prefix, *map(escape_braces, texts), suffix]
    else:
        separator, parts = (
            raw(separator),
            [
                context.jinja_of(prefix, format, node.place("prefix")),
                *map(raw, texts),
                context.jinja_of(suffix, format, node.place("suffix")),
            ],
        )
        format = "jinja2"

    def joined(chosen: Sequence[str]) -> Message:
        text = separator.join(part for part in chosen if part)
        return Message("user", context.template(text, format, node.place("suffix")))

    whole = joined(parts)
    context.tell_unused(node, [whole.template])
    if not context.demos or not any(part for part in (prefix, suffix)):
        return [whole]
    context.sent.append(whole)
    told = len(context.unmapped)
    asked = joined([parts[0], parts[-1]])
    del context.unmapped[told:]
    return [asked]


def read_chat(context: Context, node: Node) -> list[Message]:
    """The messages of a chat prompt.

    Raises:
        PrototypeError: there are none, or one is no message.
    """
    listed = node.get("messages")
    if not isinstance(listed, list) or not listed:
        where = context.at(node.place("messages"))
        raise PrototypeError("there is no message", hint="list the messages", where=where)
    format = context.format_of(node)
    messages: list[Message] = []
    shots: list[tuple[list[dict[str, Any]], Node, list[Message]]] = []
    for i, entry in enumerate(listed):
        path = f"{node.place('messages')}[{i}]"
        if isinstance(entry, Mapping) and _class_of(entry) == "FewShotChatMessagePromptTemplate":
            few = node_of(entry, path, context)
            examples, inner = _examples(context, few)
            shown = _shot_messages(context, examples, inner)
            messages += shown
            shots.append((examples, inner, shown))
            continue
        found = _message(context, entry, path, format)
        if found is not None:
            messages.append(found)
    context.tell_unused(node, [message.template for message in messages])
    taken: list[Message] = []
    for examples, inner, shown in shots:
        taken += shown if _shot_demos(context, examples, inner, messages) else []
    taken += [] if context.demos else _turns(context, messages)
    if taken:
        context.sent += messages
    return [one for one in messages if not any(one is other for other in taken)]


def _part(context: Context, node: Node, key: str) -> str:
    """The prefix or suffix: text, or a prompt of its own."""
    value = node.get(key)
    if isinstance(value, Mapping):
        inner = node_of(value, node.place(key), context)
        context.read_defaults(inner)
        return context.source_of(inner)[0]
    return context.text_at(node, key) or ""


def _examples(context: Context, node: Node) -> tuple[list[dict[str, Any]], Node]:
    """The examples and the prompt of one; a selector's are all taken."""
    holder = node
    selector = node.get("example_selector")
    if selector is not None:
        holder = node_of(selector, node.place("example_selector"), context)
        why = "it chooses examples by the row; all that the file holds are taken, and the compiler chooses"
        context.tell(f"example_selector {holder.kind}", node.place("example_selector"), why)
    examples = context.file_or_value(holder, "examples")
    if examples is None:
        examples = []
    if not isinstance(examples, list) or not all(isinstance(one, Mapping) for one in examples):
        raise PrototypeError(
            "the examples are no list of objects",
            hint="list them, each with its values by name",
            where=context.at(holder.place("examples")),
        )
    named = node.get("example_prompt_path")
    value = context.load(str(named)) if named is not None else node.get("example_prompt")
    value = holder.get("example_prompt") if value is None else value
    return [dict(one) for one in examples], node_of(value, node.place("example_prompt"), context)


def _example_template(context: Context, node: Node) -> tuple[Template, Context]:
    """The template of one example; its variables are no inputs, so they are named apart."""
    own = Context(context.files)
    template = own.template_of(node)
    context.unmapped += [part for part in own.unmapped if part not in context.unmapped]
    return template, own


def _renamed(own: Context, example: Mapping[str, Any]) -> dict[str, Any]:
    return {own.names.name(key): value for key, value in example.items()}


def _filled(context: Context, node: Node, template: Template, values: Mapping[str, Any]) -> str:
    """The text of an example.

    Raises:
        PrototypeError: it lacks a value.
    """
    try:
        return template.render(values)
    except RowInputError as error:
        raise PrototypeError(
            f"an example cannot be written: {error.message}",
            hint="give every example the values that example_prompt names",
            where=context.at(node.place("examples")),
        ) from error


def _demos(
    context: Context,
    node: Node,
    example: Template,
    rows: list[dict[str, Any]],
    prefix: str,
    suffix: str,
    format: str,
) -> None:
    places = (("suffix", suffix), ("prefix", prefix))
    quiet = Context(context.files, names=context.names)
    around = [quiet.template(part, format, node.place(key)) for key, part in places if part]
    roles = roles_of(example, around)
    ending = label_before_end(around[0].pieces()) if around else ""
    where = "suffix" if ending else "example_prompt"
    _take(context, roles, rows, node, f"what the examples answer; named in {where}")


def _take(context: Context, roles: Roles, rows: Sequence[Mapping[str, Any]], node: Node, reason: str) -> bool:
    """Demos of rows whose roles are known, and the outputs that they show; whether there are some."""
    if not rows:
        return False
    if not roles.inputs or not roles.outputs:
        why = "they show no answer apart from the inputs, so they stay text of the prompt"
        context.tell("examples", node.place("examples"), why)
        return False
    if not context.outputs:
        context.outputs += roles.fields(rows)
        context.reasons |= dict.fromkeys((field.name for field in context.outputs), reason)
    context.demos += [roles.demo(row) for row in rows]
    return True


def _shot_messages(context: Context, examples: Sequence[Mapping[str, Any]], inner: Node) -> list[Message]:
    """Each example's messages, filled."""
    own = Context(context.files)
    templates = _chat_of_example(own, inner)
    context.unmapped += [part for part in own.unmapped if part not in context.unmapped]
    found = []
    for example in examples:
        values = _renamed(own, example)
        for message in templates:
            text = _filled(context, inner, message.template, values)
            found.append(Message(message.role, FormatTemplate(text, (text,) if text else ())))
    return found


def _chat_of_example(own: Context, inner: Node) -> list[Message]:
    return read_chat(own, inner) if inner.kind == "chat" else [Message("user", own.template_of(inner))]


def _shot_demos(
    context: Context, examples: Sequence[Mapping[str, Any]], inner: Node, messages: Sequence[Message]
) -> bool:
    """Demos of a list of example turns; whether there are some."""
    own = Context(context.files)
    chat = _chat_of_example(own, inner)
    asked = [one.template for one in chat if one.role == "user"]
    answered = [one.template for one in chat if one.role == "assistant"]
    last = [one.template for one in messages if one.role == "user" and one.template.inputs][-1:]
    if not asked or not answered or not last:
        return False
    inputs = roles_of(_joined([*asked, *answered]), last).inputs
    keys = [key for template in answered for key in template.inputs]
    roles = Roles(
        {key: name for key, name in inputs.items() if key not in keys},
        {key: "answer" if len(keys) == 1 else key for key in keys},
    )
    rows = [_renamed(own, one) for one in examples]
    return _take(context, roles, rows, inner, "what the example turns answer")


def _joined(templates: Sequence[Template]) -> Template:
    return FormatTemplate("", tuple(piece for template in templates for piece in template.pieces()))


def _turns(context: Context, messages: Sequence[Message]) -> list[Message]:
    """Demos of constant turns before the last message: the turns that became one."""
    last = messages[-1].template if messages else None
    if last is None or messages[-1].role != "user" or not last.inputs:
        return []
    found: list[Message] = []
    for asked, answered in pairwise(messages):
        if (asked.role, answered.role) != ("user", "assistant"):
            continue
        if asked.template.inputs or answered.template.inputs:
            continue
        values = values_in(last.pieces(), asked.template.render({}))
        answer = _answer(context, answered.template.render({}))
        if values is not None and not isinstance(answer, str):
            context.demos.append(Demo(inputs=values, outputs=answer))
            found += [asked, answered]
    if found and not context.outputs:
        context.outputs.append(Field("answer", {}))
        context.reasons["answer"] = "what the example turns answer"
    return found


def _answer(context: Context, text: str) -> dict[str, Any] | str:
    """The outputs of an example turn; or why it does not fit those that are stated."""
    if not context.outputs or [one.name for one in context.outputs] == ["answer"]:
        return {"answer": text}
    return typed_answer(Normalised(tuple(context.outputs)), text)


def _class_of(entry: Mapping[str, Any]) -> str:
    if "lc" in entry and isinstance(entry.get("id"), list) and entry["id"]:
        return str(entry["id"][-1])
    return str(entry.get("_type", entry.get("type", entry.get("role", ""))))


def _message(context: Context, entry: Any, path: str, format: str) -> Message | None:
    if isinstance(entry, str):
        return Message("user", context.template(entry, format, path))
    if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str):
        entry = {"role": entry[0], "template": entry[1]}
    if not isinstance(entry, Mapping):
        raise not_of_langchain(f"{type(entry).__name__} among messages", context.at(path))
    kind = _class_of(entry)
    node = node_of(entry, path, context) if "lc" in entry else Node(kind, entry, path)
    if isinstance(node.get("data"), Mapping):
        node = Node(kind, node.data["data"], node.place("data"))
    if kind in PLACEHOLDERS:
        return _placeholder(context, node)
    role = _role(context, node, kind)
    if node.get("prompt") is not None:
        return _prompted(context, node, role)
    if node.get("template") is not None or node.get("template_path") is not None:
        if not isinstance(node.get("template", ""), str):
            return _content(context, Node(kind, {"content": node.get("template")}, path), role)
        own = str(node.get("template_format", format))
        text = context.text_at(node, "template") or ""
        return Message(role, context.template(text, own, node.place("template")))
    return _content(context, node, role)


def _role(context: Context, node: Node, kind: str) -> Role:
    named = str(node.get("role", "")).lower()
    short = kind.removesuffix("PromptTemplate").removesuffix("Message").removesuffix("MessageChunk").lower()
    for name in (named, short):
        if name in ROLES:
            return ROLES[name]
    what = named or kind
    if what:
        context.tell(f"role {what!r}", node.path, "no role of a prompt's; its text is put as the user's")
    return "user"


def _placeholder(context: Context, node: Node) -> Message:
    key = str(node.get("variable_name", node.get("template", "messages"))).strip("{} ")
    name = context.names.name(key)
    why = "its messages are put in as text, one a line, as in 'user: …'"
    context.tell(f"MessagesPlaceholder {key}", node.path, why)
    if node.get("n_messages") is not None:
        kept = f"the last {node.get('n_messages')} messages alone were kept; give the row those"
        context.tell("n_messages", node.place("n_messages"), kept)
    optional = bool(node.get("optional", node.kind == "placeholder"))
    if optional:
        context.defaults.setdefault(name, [])
    return Message("user", MessagesTemplate(name, optional))


def _prompted(context: Context, node: Node, role: Role) -> Message | None:
    """A message template: one prompt, or a list of parts."""
    prompt = node.get("prompt")
    if not isinstance(prompt, list):
        inner = node_of(prompt, node.place("prompt"), context)
        context.read_defaults(inner)
        return Message(role, context.template_of(inner))
    texts = []
    for i, part in enumerate(prompt):
        path = f"{node.place('prompt')}[{i}]"
        inner = node_of(part, path, context)
        if inner.kind != "prompt":
            context.tell(inner.kind, path, "a part that is no text")
            continue
        context.read_defaults(inner)
        texts.append(context.template_of(inner))
    if len(texts) == 1:
        return Message(role, texts[0])
    lines: list[Piece] = []
    for template in texts:
        lines += ["\n", *template.pieces()] if lines else template.pieces()
    joined = "\n".join(template.text for template in texts)
    return Message(role, FormatTemplate(joined, tuple(lines))) if texts else None


def _content(context: Context, node: Node, role: Role) -> Message | None:
    """A message whose text is as it stands: braces in it are text."""
    content = node.get("content", "")
    if isinstance(content, list):
        texts = []
        for i, part in enumerate(content):
            text = part if isinstance(part, str) else part.get("text") if isinstance(part, Mapping) else None
            if isinstance(text, str):
                texts.append(text)
            else:
                kind = part.get("type", "part") if isinstance(part, Mapping) else "part"
                context.tell(str(kind), f"{node.place('content')}[{i}]", "a part that is no text")
        content = "\n".join(texts)
    if not isinstance(content, str):
        raise not_of_langchain("content that is no text", context.at(node.place("content")))
    for key in ("tool_calls", "function_call"):
        calls = node.get(key) or (node.get("additional_kwargs") or {}).get(key)
        if calls:
            context.tell(key, node.place(key), "a call of a tool within the prompt")
    return Message(role, FormatTemplate(content, (content,) if content else ())) if content else None
