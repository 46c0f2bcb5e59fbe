"""JSON with comments and trailing commas; an error stands at its line and column in the file.

Comments and commas are blanked, character for character, and the standard parser reads the
rest, so that its positions are the file's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ..errors import PrototypeError

TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"?|//[^\n]*|/\*(?:.*?\*/|.*)|,(?=\s*[\]}])', re.DOTALL)


@dataclass(frozen=True)
class Jsonc:
    """A document's value, and the keys that stand twice in one object: the last one counts."""

    value: Any
    twice: tuple[str, ...] = ()


def read_jsonc(text: str, *, where: str) -> Jsonc:
    """The value of a document.

    Raises:
        PrototypeError: it does not parse, with line and column in `where`; or is nested too deeply.
    """
    # Comments first: a comma before a comment before a bracket is a trailing comma too.
    plain = _blanked(_blanked(text, commas=False), commas=True)
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in found]
        twice.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(found)

    try:
        value = json.loads(plain.removeprefix("\ufeff"), object_pairs_hook=pairs, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise PrototypeError(
            f"this is no valid JSON: {error.msg}",
            hint="correct the line; comments and trailing commas are allowed",
            where=f"{where}:{error.lineno}:{error.colno}",
        ) from error
    except (RecursionError, ValueError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PrototypeError(f"this is no valid JSON: {said}", hint="correct it", where=where) from error
    return Jsonc(value, tuple(twice))


def _blanked(text: str, *, commas: bool) -> str:
    def blank(match: re.Match[str]) -> str:
        token = match[0]
        if token.startswith('"') or (token == ",") != commas:
            return token
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(blank, text)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")
