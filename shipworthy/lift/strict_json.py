"""JSON as prototypes have it: read strictly, and a fault named by its line and column.

What Python's reader lets pass in silence is refused here: a key that stands twice, NaN and
infinities, halves of surrogate pairs.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import PrototypeError

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)
NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


def read_json(text: str, *, where: str, line: int = 1) -> Any:
    """The value that a JSON text holds.

    Args:
        text: the document.
        where: its file, for messages.
        line: of the file, on which the text starts.

    Raises:
        PrototypeError: it is no JSON, a key stands twice in one object, a string holds a NUL or half
            of a surrogate pair, or it is nested too deeply.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except _RepeatedError as error:
        at = _second(text, error.key)
        raise PrototypeError(
            f"the key {error.key!r} stands twice in one object",
            hint="keep one of them",
            where=place_of(text, at, where=where, line=line),
        ) from error
    except json.JSONDecodeError as error:
        raise PrototypeError(
            f"the JSON is broken: {error.msg}",
            hint="mend it there",
            where=place_of(text, error.pos, where=where, line=line),
        ) from error
    except RecursionError as error:
        raise PrototypeError(
            "the JSON is nested too deeply", hint="a prompt's messages need few levels", where=where
        ) from error
    except ValueError as error:
        raise PrototypeError(f"the JSON is not read: {error}", hint="mend it", where=where) from error
    if "\\u" in text or not text.isascii():
        _check_characters(value, where)
    return value


def place_of(text: str, at: int, *, where: str, line: int = 1) -> str:
    """`file:line:column` of an offset into a text that starts on a line of its file."""
    start = text.rfind("\n", 0, at) + 1
    return f"{where}:{line + text.count(chr(10), 0, at)}:{at - start + 1}"


class _RepeatedError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedError(key)
        found[key] = value
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _second(text: str, key: str) -> int:
    """Where a key stands for the second time in one object."""
    open_: list[set[str] | None] = []
    before = ""
    for token in TOKEN.finditer(text):
        if token[0] in "{[":
            open_.append(set() if token[0] == "{" else None)
        elif token[0] in "}]":
            open_.pop()
        elif token[0][0] == '"' and open_ and open_[-1] is not None and before in "{,":
            name = json.loads(token[0])
            if name == key and name in open_[-1]:
                return token.start()
            open_[-1].add(name)
        before = token[0]
    return 0


def _check_characters(value: Any, where: str) -> None:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str) and NO_CHARACTER.search(one):
            raise PrototypeError(
                f"a string holds {NO_CHARACTER.search(one)[0]!r}, which is no character",  # type: ignore[index]
                hint="remove it",
                where=where,
            )
