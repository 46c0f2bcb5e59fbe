"""The formats of prototypes, in the order in which their readers are asked.

A reader is one module with a `FORMAT`, what of it becomes what, and two functions:
`recognises` looks at the content, `read` takes it apart. A further format is one more file and
one more line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import PrototypeError
from . import (
    crew_reader,
    dotprompt_reader,
    jinja_reader,
    langchain_reader,
    mlflow_reader,
    openai_reader,
    promptfoo_reader,
    python_reader,
    tensorzero_reader,
    text_reader,
)
from .draft import Draft
from .files import Files


class Read(Protocol):
    """Takes a prototype apart."""

    def __call__(self, files: Files, *, name: str) -> Draft:
        """The draft; `name` is the program's."""
        ...


@dataclass(frozen=True)
class Reader:
    """One format: its name, its suffixes, how it is recognised, and what of it becomes what."""

    format: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Files], bool]
    read: Read
    carries: tuple[tuple[str, str], ...]


def _of(module: Any) -> Reader:
    """What a reader's module holds, as the module docstring says."""
    return Reader(module.FORMAT, module.SUFFIXES, module.recognises, module.read, module.CARRIES)


def _text(format: str) -> Reader:
    suffixes = text_reader.FORMATS[format]

    def recognises(files: Files) -> bool:
        return not files.is_folder and text_reader.format_of(files.path.suffix) == format

    return Reader(format, suffixes, recognises, text_reader.read, text_reader.CARRIES)


READERS = (
    _of(crew_reader),
    _of(tensorzero_reader),
    _of(dotprompt_reader),
    _of(promptfoo_reader),
    _of(langchain_reader),
    _of(openai_reader),
    _of(python_reader),
    _of(jinja_reader),
    _text("text"),
    _text("markdown"),
)


def reader_for(files: Files, format: str | None) -> Reader:
    """The reader of a format, or the first that recognises the content where none is named.

    Raises:
        PrototypeError: there is none, or the file cannot be read.
    """
    if not files.is_folder:
        files.main()
    asked = [reader for reader in READERS if format in (None, reader.format)]
    for reader in asked:
        if reader.recognises(files):
            return reader
    if format is not None and asked:
        return asked[-1]
    suffixes = dict.fromkeys(suffix for reader in READERS for suffix in reader.suffixes if suffix)
    kind = "a folder like this one" if files.is_folder else f"a prototype that ends in {files.path.suffix!r}"
    what = f"format {format!r}" if format is not None else kind
    formats = dict.fromkeys(reader.format for reader in READERS)
    raise PrototypeError(
        f"{what} is not read",
        hint=f"formats: {', '.join(formats)}; suffixes: {', '.join(suffixes)}",
        where=str(files.path),
    )


def formats_table() -> str:
    """The table of formats for `docs/lifting.md`: each with its files, and what becomes what."""
    parts = ["| format | files | of it | becomes |", "| --- | --- | --- | --- |"]
    carried: dict[str, list[tuple[tuple[str, ...], tuple[str, str]]]] = {}
    for reader in READERS:
        carried.setdefault(reader.format, []).extend((reader.suffixes, pair) for pair in reader.carries)
    carried["mlflow"] = [(("prompts:/",), pair) for pair in mlflow_reader.CARRIES]
    for format, pairs in carried.items():
        suffixes = dict.fromkeys(suffix for found, _ in pairs for suffix in found)
        bare = "no suffix" if format == "text" else "a folder"
        files = ", ".join(f"`{suffix}`" if suffix else bare for suffix in suffixes)
        for i, (_, (what, becomes)) in enumerate(dict.fromkeys(pairs)):
            head = f"{format} | {files}" if i == 0 else " | "
            parts.append(f"| {head} | {what} | {becomes} |")
    return "\n".join(parts)
