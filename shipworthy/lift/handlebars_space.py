"""White space of a Handlebars template: what `~` takes, and what a tag alone on its line takes.

The rules are those of Handlebars' own `WhitespaceControl`: they look at the text as it was
written, and at the top of a template its beginning and end count as ends of a line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .handlebars_nodes import Block, Comment, Node, Partial, Text

ENDS_A_LINE = re.compile(r"\r?\n\s*?\Z")
ENDS_A_LINE_AT_TOP = re.compile(r"(?:\A|\r?\n)\s*?\Z")
BEGINS_A_LINE = re.compile(r"\s*?\r?\n")
BEGINS_A_LINE_AT_TOP = re.compile(r"\s*?(?:\r?\n|\Z)")


def trim(nodes: Sequence[Node], *, top: bool = True) -> None:
    """Take from the texts what Handlebars does not render.

    Args:
        nodes: of a template, or of a block's body; their texts are changed.
        top: whether they are a whole template.
    """
    for index, node in enumerate(nodes):
        if isinstance(node, Text):
            continue
        begins, ends = _line_begins_before(nodes, index, top), _line_ends_after(nodes, index, top)
        if isinstance(node, Block):
            _trim_block(nodes, index, node, begins, ends)
            continue
        _trim_outside(nodes, index, node.trims)
        if isinstance(node, Comment | Partial) and begins and ends:
            _take_line_end(nodes, index + 1)
            before = nodes[index - 1] if index else None
            if _take_indent(nodes, index - 1) and isinstance(node, Partial) and isinstance(before, Text):
                node.indent = before.original[len(before.original.rstrip(" \t")) :]


def _trim_block(nodes: Sequence[Node], index: int, block: Block, begins: bool, ends: bool) -> None:
    trim(block.body, top=False)
    if block.otherwise is not None:
        trim(block.otherwise, top=False)
    second = _after_division(block)
    opens_line = _line_ends_after(block.body, -1, False)
    last = block.body if second is None else second
    closes_line = _line_begins_before(last, len(last), False)
    if block.opened[1]:
        _take_space(block.body, 0, right=True)
    if second is not None:
        _trim_division(block, second)
    if block.closed[0]:
        _take_space(last, len(last) - 1, right=False)
    _trim_outside(nodes, index, (block.opened[0], block.closed[1]))
    if begins and opens_line:
        _take_line_end(block.body, 0)
        _take_indent(nodes, index - 1)
    if ends and closes_line:
        _take_line_end(nodes, index + 1)
        inner = block.body if block.otherwise is None else block.otherwise
        _take_indent(inner, len(inner) - 1)


def _trim_division(block: Block, second: Sequence[Node]) -> None:
    """Around `{{else}}`."""
    if block.divided[0]:
        _take_space(block.body, len(block.body) - 1, right=False)
    if block.divided[1]:
        _take_space(second, 0, right=True)
    if _line_begins_before(block.body, len(block.body), False) and _line_ends_after(second, -1, False):
        _take_indent(block.body, len(block.body) - 1)
        _take_line_end(second, 0)


def _after_division(block: Block) -> Sequence[Node] | None:
    """What stands after `{{else}}`; of an `{{else if …}}` the body of that branch."""
    inner = block.otherwise[0] if block.chained and block.otherwise else None
    return inner.body if isinstance(inner, Block) else block.otherwise


def _trim_outside(nodes: Sequence[Node], index: int, trims: tuple[bool, bool]) -> None:
    if trims[1]:
        _take_space(nodes, index + 1, right=True)
    if trims[0]:
        _take_space(nodes, index - 1, right=False)


def _line_begins_before(nodes: Sequence[Node], index: int, top: bool) -> bool:
    if index == 0:
        return top
    before = nodes[index - 1]
    rule = ENDS_A_LINE if index > 1 or not top else ENDS_A_LINE_AT_TOP
    return isinstance(before, Text) and rule.search(before.original) is not None


def _line_ends_after(nodes: Sequence[Node], index: int, top: bool) -> bool:
    if index + 1 >= len(nodes):
        return top
    after = nodes[index + 1]
    rule = BEGINS_A_LINE if index + 2 < len(nodes) or not top else BEGINS_A_LINE_AT_TOP
    return isinstance(after, Text) and rule.match(after.original) is not None


def _text_at(nodes: Sequence[Node], at: int) -> Text | None:
    node = nodes[at] if 0 <= at < len(nodes) else None
    return node if isinstance(node, Text) else None


def _take_space(nodes: Sequence[Node], at: int, *, right: bool) -> None:
    """All white space at the beginning of the text right of a tag, or at the end of the text left of it."""
    text = _text_at(nodes, at)
    if text is None:
        return
    kept = text.text.lstrip() if right else text.text.rstrip()
    if right:
        text.trimmed_right = kept != text.text
    else:
        text.trimmed_left = kept != text.text
    text.text = kept


def _take_line_end(nodes: Sequence[Node], at: int) -> None:
    """What is left of the line, its end included; once only."""
    text = _text_at(nodes, at)
    if text is not None and not text.trimmed_right:
        kept = re.sub(r"\A[ \t]*\r?\n?", "", text.text)
        text.trimmed_right = kept != text.text
        text.text = kept


def _take_indent(nodes: Sequence[Node], at: int) -> bool:
    """The blanks with which the line begins; once only. Whether there were any."""
    text = _text_at(nodes, at)
    if text is None or text.trimmed_left:
        return False
    kept = text.text.rstrip(" \t")
    text.trimmed_left = kept != text.text
    text.text = kept
    return text.trimmed_left
