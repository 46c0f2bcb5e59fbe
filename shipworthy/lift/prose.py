"""The instruction of a signature: a prompt's prose without the places where inputs go.

A signature names its inputs itself, so lines that do nothing but carry a slot go, with
their label, quotes or tags. A sentence that mentions a slot stays, with the input's name
in place of the braces. Everything else stays word for word.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

from .names import word_set
from .pieces import Piece, Slot

MARK = "\x00"
"""Stands for a slot while lines are looked at; a prototype cannot hold it."""

DETERMINERS = word_set(
    "a an the this that these those your my our his her its their each every any one some no"
)
LABEL_NOUNS = word_set(
    "input inputs text message query question request document data content context user customer "
    "client item example body subject"
)
LEAD_INS = re.compile(r"(?i)^(here (is|are|comes)|here's|this is|below is|the following|following is)\b")
PROPERTY = re.compile(r"\{\{-?\s*([^\W\d]\w*)(?:\.\w+)*\.([^\W\d]\w*)\s*(?:\|[^{}]*)?-?\}\}")
TOLD = re.compile(r"(?i)^(if|otherwise|or if|else|for each)\b.*:$")
"""How a template's conditions and loops are told."""
REACH = 200
"""How many characters before a slot say how its name is put."""
MAX_LABEL_WORDS = 3
MAX_LEAD_IN_WORDS = 10


def instruction_of(pieces: Sequence[Piece]) -> str:
    """The prose of a prompt, dedented, as a docstring can hold it (no tabs, no trailing blanks)."""
    slots = [piece for piece in pieces if isinstance(piece, Slot)]
    text = "".join(MARK if isinstance(piece, Slot) else piece for piece in pieces)
    text = re.sub(r"\r\n?", "\n", text) if "\r" in text else text
    if not slots:
        return _tidy(text)
    lines = [line.rstrip() for line in text.split("\n")]
    names = _names_by_line(lines, slots)
    kept = _without_carriers(lines, names)
    prose = _tidy(_fill(lines, names, kept))
    if prose:
        return prose
    # Labels were all there was to read: better a label than no instruction.
    carriers = {i for i, line in enumerate(lines) if not line.replace(MARK, "").strip()}
    return _tidy(_fill(lines, names, [i for i in range(len(lines)) if i not in carriers]))


def _names_by_line(lines: Sequence[str], slots: Sequence[Slot]) -> list[list[str]]:
    remaining = iter(slots)
    return [
        [_said(next(remaining)) for _ in range(line.count(MARK))] if MARK in line else [] for line in lines
    ]


def _said(slot: Slot) -> str:
    """What a slot is called in prose: its input, or the property of it that stands there."""
    match = PROPERTY.fullmatch(slot.spelling) if "." in slot.spelling else None
    if match is None:
        return slot.name
    return f"{slot.name} {match[2]}" if match[1] == slot.name else match[2]


def _without_carriers(lines: Sequence[str], names: Sequence[Sequence[str]]) -> list[int]:
    """Indices of the lines that are more than a carrier of slots."""
    dropped: set[int] = set()
    indented = any(names[index] and line[:1].isspace() for index, line in enumerate(lines))
    outer = _outer_lines(lines) if indented else []
    for index, line in enumerate(lines):
        if not names[index]:
            continue
        if outer and TOLD.match(outer[index]):  # the body of a condition or a loop says nothing without it
            continue
        rest = _unwrapped(line.replace(MARK, " "))
        if rest and not (_is_label(rest, names[index]) and _ends_with_slot(line)):
            continue
        dropped.add(index)
        if not rest:
            _drop_surroundings(lines, index, names[index], dropped)
    return [index for index in range(len(lines)) if index not in dropped]


def _outer_lines(lines: Sequence[str]) -> list[str]:
    """For each line, the nearest one above that is indented less, stripped; empty where there is none."""
    found: list[str] = []
    open_ones: list[tuple[int, str]] = []
    for line in lines:
        words = line.strip()
        if words:
            indent = len(line) - len(line.lstrip())
            while open_ones and open_ones[-1][0] >= indent:
                open_ones.pop()
        found.append(open_ones[-1][1] if open_ones else "")
        if words:
            open_ones.append((indent, words))
    return found


def _drop_surroundings(lines: Sequence[str], index: int, names: Sequence[str], dropped: set[int]) -> None:
    """Drop what encloses a line of slots (fences, tags, quotes), then its label."""
    above, below = _neighbour(lines, index, -1), _neighbour(lines, index, 1)
    while above is not None and below is not None and _enclose(lines[above], lines[below]):
        dropped.update((above, below))
        above, below = _neighbour(lines, above, -1), _neighbour(lines, below, 1)
    if above is not None and (_is_label(_unwrapped(lines[above]), names) or _is_heading(lines[above], names)):
        dropped.add(above)


def _neighbour(lines: Sequence[str], index: int, step: int) -> int | None:
    """The next line that is not blank, if at most one blank line lies between."""
    for distance in (1, 2):
        at = index + step * distance
        if 0 <= at < len(lines) and lines[at].strip():
            return at
    return None


def _enclose(above: str, below: str) -> bool:
    above, below = above.strip(), below.strip()
    tag = re.fullmatch(r"<([\w:.-]+)(?: [^<>]*)?>", above)
    if tag:
        return below == f"</{tag[1]}>"
    fence = re.fullmatch(r"(```|~~~)\w*", above)
    if fence:
        return below == fence[1]
    return above == below and re.fullmatch(r"(\"\"\"|'''|[-=*#_~]{3,}|\")", above) is not None


def _unwrapped(line: str) -> str:
    """The words of a line without list marks, emphasis, quotes and tags."""
    line = re.sub(r"</?[\w:.-]+(?: [^<>]*)?>", " ", line)
    return line.lstrip(" \t>*_`\"'#|=~-[(").rstrip(" \t<*_`\"'#|=~-])")


def _is_label(words: str, names: Sequence[str]) -> bool:
    """Whether words are a label such as `Ticket:` or `Here is the customer's message:`."""
    words = words.replace("*", "").replace("`", "").strip()
    if not words.endswith((":", "\uff1a")):
        return False
    found = re.findall(r"[^\W_]+(?:['’][^\W_]+)?", words.lower())
    if LEAD_INS.match(words):
        return len(found) <= MAX_LEAD_IN_WORDS
    return 0 < len(found) <= MAX_LABEL_WORDS and (len(found) == 1 or _speaks_of(found, names))


def _is_heading(line: str, names: Sequence[str]) -> bool:
    heading = re.fullmatch(r"#{1,6} +(.+)", line.strip())
    if not heading:
        return False
    found = re.findall(r"[^\W_]+", heading[1].lower())
    return len(found) <= MAX_LABEL_WORDS and _speaks_of(found, names)


def _speaks_of(words: Sequence[str], names: Sequence[str]) -> bool:
    own = {part for name in names for part in name.lower().split("_")}
    stems = {word.removesuffix("'s").removesuffix("’s") for word in words}
    return bool(stems & (own | LABEL_NOUNS))


def _ends_with_slot(line: str) -> bool:
    return not re.search(r"[^\W_]", re.sub(r"</[\w:.-]+>", "", line[line.rindex(MARK) :]))


def _fill(lines: Sequence[str], names: Sequence[Sequence[str]], kept: Sequence[int]) -> str:
    """The lines kept, with names where slots were; a gap that a dropped line leaves is one blank line."""
    found: list[str] = []
    before = -1
    for index in kept:
        line = _with_names(lines[index], names[index]) if names[index] else lines[index]
        if not line and index != before + 1 and found and not found[-1]:
            before = index
            continue
        found.append(line)
        before = index
    return "\n".join(found)


def _with_names(line: str, names: Sequence[str]) -> str:
    """A line with names where its marks were; only its last words are looked at again, however long it is."""
    done: list[str] = []
    said, *others = line.split(MARK)
    for name, after in zip(names, others, strict=True):
        said = _with_name(said, name, after, begins=not done and not said.strip())
        if len(said) > 2 * REACH:
            done.append(said[:-REACH])
            said = said[-REACH:]
    return "".join([*done, said])


def _with_name(before: str, name: str, after: str, *, begins: bool) -> str:
    """What stands on both sides of a mark, with the input's name between as prose says it."""
    words = name.replace("_", " ").strip()
    follows = after[: len(words) + 1].lower() == f" {words.lower()}"
    if follows and not re.match(r"\w", after[len(words) + 1 :]):  # as in `a {tone} tone`
        words, after = f"given {words}", after[len(words) + 1 :]
    previous = re.findall(r"[^\W_]+(?:['’]s)?", before[-80:].lower())
    adjacent = re.search(r"[\w’'] $", before[-2:]) is not None
    if adjacent and previous and (previous[-1] in DETERMINERS or previous[-1].endswith(("'s", "’s"))):
        return f"{before}{words}{after}"
    size = len(words.split())
    if adjacent and words.lower().split() == previous[-size:]:
        known = len(previous) == size or previous[-size - 1] in DETERMINERS
        said = before.rstrip()
        return f"{said}{after}" if known else f"{said[: -len(words)]}the {said[-len(words) :]}{after}"
    ends = re.search(r"[.!?]$", before.rstrip()) and before[-1:].isspace()
    return f"{before}{'The' if begins or ends else 'the'} {words}{after}"


def _tidy(text: str) -> str:
    """Text that `inspect.cleandoc` leaves as it is when it stands below the opening quotes."""
    text = "\n".join(line.rstrip() for line in text.expandtabs().split("\n"))
    cleaned = inspect.cleandoc(f"\n{text}").strip()
    return "\n".join(line.rstrip() for line in cleaned.split("\n"))
