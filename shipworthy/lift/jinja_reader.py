"""A prompt in a Jinja template: one step, one user message."""

from __future__ import annotations

import re
from dataclasses import replace

from .draft import Draft, Message, Template, Unmapped, one_step
from .files import Files
from .jinja_dialects import Dialect
from .jinja_template import JinjaTemplate
from .renamed_template import RenamedTemplate
from .slot_names import SlotNames

SINGLE = re.compile(r"\{(?<!\{\{)[^\W\d]\w*\}")
FORMAT = "jinja2"
SUFFIXES = (".j2", ".jinja", ".jinja2", ".njk", ".minijinja")
CARRIES = (
    ("names in `{{ }}`", "inputs, typed by their use: loops, properties, `int`, `round`"),
    ("`if x`, `default(…)`, `x or …`", "optional inputs"),
    ("conditions, loops, macros", "the words of all branches, with the conditions told"),
    ("filters", "run as Jinja runs them"),
    ("comments", "dropped"),
    ("macros that nothing calls", "unmapped"),
    ("`include`, `import`, `extends`, calls of functions", "refused"),
)

DIALECTS: dict[str, Dialect] = {".njk": "nunjucks", ".minijinja": "minijinja"}
NOT_TEXT = (".ipynb", ".json", ".jsonc", ".prompt", ".py", ".toml", ".yaml", ".yml")
"""Suffixes of files that hold templates, and are none."""
TAG = re.compile(
    r"\{%[-+]?\s*(?:autoescape|block|call|extends|filter|for|from|if|import|include|macro|raw|set|with)\b.*?%\}",
    re.DOTALL,
)
COMMENT = re.compile(r"\{(?<!\{\{)#.*?#\}", re.DOTALL)
FILTERED = re.compile(r"\{\{[^{}|]*[^{}|\s][^{}|]*\|\s*[a-z]\w*[^{}]*\}\}")
PROPERTY = re.compile(r"\{\{-?\s*[^\W\d]\w*(?:\.[^\W\d]\w*)+\s*-?\}\}")
LEADING = re.compile(r"(?:\s|\{#.*?#\}|\{%.*?%\})*", re.DOTALL)


def recognises(files: Files) -> bool:
    """Whether this is a text with Jinja's tags, and no list of messages in it."""
    if files.is_folder or files.path.suffix.lower() in NOT_TEXT:
        return False
    text = files.glance()
    if _is_messages(text):
        return False
    if files.path.suffix.lower() in SUFFIXES:
        return True
    if TAG.search(text) or COMMENT.search(text) or FILTERED.search(text):
        return True
    return PROPERTY.search(text) is not None and not SINGLE.search(text)


def read(files: Files, *, name: str) -> Draft:
    """The prompt as a draft of one step.

    Raises:
        PrototypeError: the file cannot be read, or is no template that may be filled.
    """
    where = str(files.path)
    dialect = DIALECTS.get(files.path.suffix.lower(), "jinja2")
    template = JinjaTemplate(files.main(), where=where, dialect=dialect)
    names = SlotNames()
    chosen = {own: names.name(own, wanted=own) for own in template.inputs}
    shown: Template = RenamedTemplate(template, chosen) if names.renamed else template
    unused = [
        Unmapped(f"macro {macro}", f"{where}:{line}", "nothing calls it, so no prompt shows it")
        for macro, line in template.unused_macros.items()
    ]
    draft = one_step(name, [Message("user", shown)])
    return replace(draft, unmapped=(*names.told(where), *unused))


def _is_messages(text: str) -> bool:
    """Whether the text is a JSON list of chat messages once it is filled."""
    leading = LEADING.match(text)
    start = text[leading.end() :] if leading else text
    return (
        start[:1] in ("[", "{") and start[:2] != "{{" and re.search(r"[\"']role[\"']\s*:", text) is not None
    )
