"""Plain text and Markdown: a slot is a name in braces, any other brace is text.

`{{name}}` counts as a slot only in a prompt that has no `{name}`: beside single braces
the double ones are somebody's escape for a literal brace.
"""

from __future__ import annotations

import re

from .pieces import Piece, Slot

SINGLE = re.compile(r"(?<!\{)\{([^\W\d]\w*)\}")
DOUBLE = re.compile(r"(?<!\{)\{\{[ \t]*([^\W\d]\w*)[ \t]*\}\}(?!\})")
NEARLY = re.compile(r"\{{1,3}([^\W\d][\w .-]{0,60})\}{1,3}")
MAX_WORDS = 4


def split_braces(text: str) -> tuple[Piece, ...]:
    """The prompt as text and slots; joined by their spelling they are the prompt again."""
    pattern = SINGLE if SINGLE.search(text) else DOUBLE
    pieces: list[Piece] = []
    end = 0
    for match in pattern.finditer(text):
        if match.start() > end:
            pieces.append(text[end : match.start()])
        pieces.append(Slot(match[1], match[0]))
        end = match.end()
    if end < len(text):
        pieces.append(text[end:])
    return tuple(pieces)


def nearly_slots(text: str) -> list[tuple[str, int, str]]:
    """What looks like a slot and is none, such as `{order-id}`: spelling, line and why."""
    slots = {piece.spelling for piece in split_braces(text) if isinstance(piece, Slot)}
    found = []
    for match in NEARLY.finditer(text):
        name = match[1].strip()
        if match[0] in slots or len(name.split()) > MAX_WORDS:
            continue
        if not name.isidentifier():
            why = "no Python name, so it stays text; to make it an input, join its words by underscores"
        elif match[0].startswith("{{"):
            why = "beside slots in single braces, double braces stay text"
        else:
            continue
        found.append((match[0], text.count("\n", 0, match.start()) + 1, why))
    return found
