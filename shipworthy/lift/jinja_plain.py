"""Templates with no tags but names, which need no parser: most prompts, and most messages of a chat."""

from __future__ import annotations

import re

from .handlebars_scope import JINJA_WORDS
from .jinja_dialects import Dialect
from .pieces import Piece, Slot

NAME = re.compile(r"(\{\{[ \t]*([^\W\d_]\w*)[ \t]*\}\})")
OTHER = re.compile(r"\{[{%#]|\{$")


def plain_pieces(text: str, dialect: Dialect) -> tuple[Piece, ...] | None:
    """Text and slots as Jinja sees them; None where the template has other tags than `{{ name }}`."""
    text = re.sub(r"\r\n?", "\n", text)
    if dialect != "nunjucks":
        text = text.removesuffix("\n")
    words, *others = NAME.split(text)
    spellings, names, texts = others[::3], others[1::3], [words, *others[2::3]]
    if any(OTHER.search(part) for part in texts):
        return None
    if any(name in JINJA_WORDS or not name.isidentifier() for name in names):
        return None
    pieces: list[Piece] = [words]
    for name, spelling, after in zip(names, spellings, texts[1:], strict=True):
        pieces += [Slot(name, spelling), after]
    return tuple(piece for piece in pieces if piece)
