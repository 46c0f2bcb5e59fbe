"""Plain text and Markdown: one prompt in the user's message, its slots as `slots` finds them.

A file may hold several prompts, below headings such as "# Prompt 1" or divided by lines
`---`. The first is in use; those with the same slots are candidates, others are told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .draft import Draft, Message, Prompt, StepDraft, Unmapped, check_inputs
from .files import Files
from .line_numbers import Lines
from .pieces import Slot
from .plain_template import PlainTemplate
from .prose import instruction_of
from .slots import split_slots, told_slots

FORMATS: Mapping[str, tuple[str, ...]] = {
    "text": (".txt", ".text", ".prompt", ""),
    "markdown": (".md", ".markdown"),
}
CARRIES = (
    ("`{slot}`, `{{slot}}`, `$slot`, `[SLOT]`, `<slot>`", "inputs"),
    ("a prompt without a slot", "one input that follows it"),
    ("several prompts in one file", "candidate prompts, where their slots are the same"),
    ("all other text", "the instruction"),
)
MIN_WORDS = 4
MAX_PROMPTS = 200
"""More parts than that are parts of one prompt."""

HEADING = re.compile(
    r"(?im)^(?:#{1,6}[ \t]+|\*\*)?"
    r"((?:prompt|variant|version|candidate|option)\b[ \t]*[#:]?[ \t]*(?:v?\d+|[a-h])\b"
    r"[^\n{<\[$]{0,60}?)[ \t]*(?::|\*\*:?)?[ \t]*#*[ \t]*$"
)
RULE = re.compile(r"(?m)^[ \t]*(?:-{3,}|={3,}|\*{3,}|_{3,})[ \t]*$")
TEMPLATE_CODE = re.compile(r"\{%-?\s*\w+|\{\{[#/^>][^{}]*\}\}|\{\{[^{}|]*\|[^{}]*\}\}")
FRONT_MATTER = re.compile(r"\A---[ \t]*\n[\w-]+:[^\n]*\n(?:\w[\w-]*:[^\n]*\n|[ \t-][^\n]*\n)*---[ \t]*\n")


def recognises(files: Files) -> bool:
    """Whether this can be a plain prompt, by its suffix: any text can be one."""
    return not files.is_folder and format_of(files.path.suffix) is not None


def format_of(suffix: str) -> str | None:
    """The format that a suffix stands for, or None."""
    return next((name for name, suffixes in FORMATS.items() if suffix.lower() in suffixes), None)


def read(files: Files, *, name: str) -> Draft:
    """The prompt as a draft of one step; nothing is stated of its outputs.

    Raises:
        PrototypeError: the file cannot be read; see `Files.read`.
    """
    return draft_of(files.main(), name=name, place=files.path.name)


def draft_of(text: str, *, name: str, place: str) -> Draft:
    """The same of a text; `place` names its file, for people."""
    unmapped: list[Unmapped] = []
    prompts: list[Prompt] = []
    parts = _parts(text)
    lines = Lines(text)
    first_line = text[: parts[0][1]].strip().split("\n")[0]
    if first_line:
        why = "stands above the first prompt and belongs to none"
        unmapped.append(Unmapped(first_line, f"{place}:{lines.number(text.index(first_line))}", why))
    for label, start, end in parts:
        template = PlainTemplate(text[start:end], split_slots)
        check_inputs(len(template.inputs), place)
        line = lines.number(start)
        if prompts and set(template.inputs) != set(prompts[0].messages[0].template.inputs):
            slots = ", ".join(template.inputs)
            why = f"another prompt with other slots ({slots}); lift it from a file of its own"
            unmapped.append(Unmapped(label, f"{place}:{line}", why))
            continue
        prompts.append(Prompt((Message("user", template),), label))
        unmapped += [
            Unmapped(spelling, f"{place}:{line + offset - 1}", why)
            for spelling, offset, why in told_slots(template.text)
        ]
    unmapped += _told_of_other_formats(text, lines, place)
    return Draft((StepDraft(name, tuple(prompts)),), unmapped=tuple(unmapped))


def prompts_of(text: str) -> tuple[tuple[str, str], ...]:
    """The prompts that a file holds, each with its label; one without a label as a rule.

    Headings such as "# Prompt 1" divide a file where a prompt follows each of them. Lines `---`
    divide it where every part reads like a whole prompt: it has words of its own and a slot, and
    shares one with the first part. Else they are rules within one prompt.
    """
    return tuple((label, text[start:end]) for label, start, end in _parts(text))


def _parts(text: str) -> list[tuple[str, int, int]]:
    """Label, start and end of each prompt."""
    headings = list(HEADING.finditer(text))
    if 1 < len(headings) <= MAX_PROMPTS:
        ends = [*(match.start() for match in headings[1:]), len(text)]
        spans = [
            _without_rule(text, *_trimmed(text, match.end(), end))
            for match, end in zip(headings, ends, strict=True)
        ]
        if all(_slots(text[start:end]) for start, end in spans) or all(
            len(text[start:end].split()) > MIN_WORDS and not _slots(text) for start, end in spans
        ):
            labels = [match[1].strip(" *:#") for match in headings]
            return [(label, *span) for label, span in zip(labels, spans, strict=True)]
    rules = [] if FRONT_MATTER.match(text) else list(RULE.finditer(text))
    if rules:
        starts = [0, *(match.end() for match in rules)]
        ends = [*(match.start() for match in rules), len(text)]
        spans = [_trimmed(text, start, end) for start, end in zip(starts, ends, strict=True)]
        spans = [span for span in spans if span[0] < span[1]]
        texts = [text[start:end] for start, end in spans]
        if 1 < len(spans) <= MAX_PROMPTS and all(
            _is_whole(part) and _slots(part) & _slots(texts[0]) for part in texts
        ):
            return [(f"prompt {i}", *span) for i, span in enumerate(spans, 1)]
    return [("", 0, len(text))]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the blank lines around it."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip("\r\n")), start + len(part.rstrip())


def _without_rule(text: str, start: int, end: int) -> tuple[int, int]:
    """A prompt below a heading, without a rule that closes it."""
    last = text.rfind("\n", start, end) + 1
    return _trimmed(text, start, last) if last and RULE.fullmatch(text[last:end]) else (start, end)


def _is_whole(text: str) -> bool:
    """Whether a text reads like a prompt: it asks for something, besides labels and slots."""
    pieces = split_slots(text)
    prose = re.sub(r"(?m)^[^\n]{0,40}:[ \t]*$", "", instruction_of(pieces))
    return len(re.findall(r"[^\W\d_]{2,}", prose)) >= MIN_WORDS


def _slots(text: str) -> set[str]:
    return {piece.name for piece in split_slots(text) if isinstance(piece, Slot)}


def _told_of_other_formats(text: str, lines: Lines, place: str) -> list[Unmapped]:
    """What another reader would have understood."""
    found = []
    code = TEMPLATE_CODE.search(text)
    if code:
        why = "looks like a template's code and stays text; read the file with --format jinja2"
        found.append(Unmapped(code[0], f"{place}:{lines.number(code.start())}", why))
    if FRONT_MATTER.match(text):
        found.append(Unmapped("front matter", f"{place}:1", "stays a part of the prompt, as the file has it"))
    return found
