"""What a promptfoo configuration refers to: files read as data, `$ref`, and what is left out.

Nothing is fetched and nothing is executed; a reference to either is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ..errors import PrototypeError
from .draft import Unmapped
from .files import Files
from .strict_json import read_json
from .yaml12 import read_yaml

CODE = "runs code of the prototype, which is never executed"
SCRIPTS = (".py", ".js", ".ts", ".cjs", ".mjs", ".cts", ".mts", ".tsx", ".jsx")
PROGRAMS = (".sh", ".bash", ".exe", ".bat", ".cmd", ".ps1", ".rb", ".pl", ".go")
MAX_REFERENCES = 20


@dataclass(frozen=True)
class Parsed:
    """A value that was read, and the place of each of its parts by path."""

    value: Any
    at: Callable[..., str]


@dataclass
class Suite:
    """A configuration with its files.

    Attributes:
        files: of the prototype.
        root: the configuration itself, in which `$ref` is looked up.
        told: the places of what no part of the draft stands for, by what it is and why.
    """

    files: Files
    root: Any = None
    told: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)

    def tell(self, what: str, where: str, why: str) -> None:
        """Say of a part that it was left out."""
        self.told.setdefault((what, why), {})[where] = None

    def unmapped(self) -> tuple[Unmapped, ...]:
        """All that was told, in order; the same part at many places once, with the first of them."""
        return tuple(
            Unmapped(what, first if not more else f"{first} and {len(more)} more", why)
            for (what, why), (first, *more) in self.told.items()
        )

    def parsed(self, name: str) -> Parsed:
        """A YAML or JSON file as data.

        Raises:
            PrototypeError: it cannot be read or does not parse.
        """
        text = self.files.read(name)
        if name.lower().endswith(".json"):
            return Parsed(read_json(text, where=name), lambda *path: key_place(name, path))
        document = read_yaml(text, where=name)
        return Parsed(document.value, document.at)

    def text(self, name: str, *, what: str, where: str) -> str | None:
        """A file's text; None, and told, where it cannot be had."""
        try:
            return self.files.read(name)
        except PrototypeError as error:
            self.tell(what, where, f"{name}: {error.message}; {error.hint}")
            return None

    def names(self, reference: str, *, what: str, where: str) -> list[str]:
        """The files that a reference means, such as `file://prompts/*.txt`; told where there is none.

        A reference to code, to a service or to what lies outside of the folder means none.
        """
        if "://" in reference.removeprefix("file://"):
            self.tell(what, where, f"{reference} lies outside of the folder, and nothing is fetched")
            return []
        path = file_path(reference)
        if path.lower().endswith(SCRIPTS + PROGRAMS) or reference.startswith(("exec:", "package:")):
            self.tell(what, where, CODE)
            return []
        try:
            pattern = any(sign in path for sign in "*?[") and not self.files.has(path)
            found = self.files.find(path) if pattern else [path]
            if not pattern and (self.files.root / path).is_dir():
                found = self.files.find(f"{path}/*")
        except PrototypeError as error:
            self.tell(what, where, f"{error.message}; {error.hint}")
            return []
        if not found:
            self.tell(what, where, f"no file meets {path}")
        return found

    def resolved(self, value: Any) -> Any:
        """What a `$ref` into the configuration stands for, keys beside it added; other values as they are."""
        for _ in range(MAX_REFERENCES):
            if not isinstance(value, Mapping) or not str(value.get("$ref", "")).startswith("#/"):
                return value
            found = self.root
            for part in str(value["$ref"]).removeprefix("#/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                    found = found[int(key)]
                elif isinstance(found, Mapping) and key in found:
                    found = found[key]
                else:
                    return value
            beside = {key: own for key, own in value.items() if key != "$ref"}
            value = {**found, **beside} if isinstance(found, Mapping) else found
        return value


def file_path(reference: str) -> str:
    """The path that a reference names, without `file://`, `./`, and the function after a script's name."""
    path = reference.removeprefix("file://")
    script, _, function = path.rpartition(":")
    if function.isidentifier() and script.lower().endswith(SCRIPTS):
        path = script
    return PurePosixPath(path).as_posix()


def others(value: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """The keys that are none of the known ones, in order."""
    return [key for key in value if key not in known]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value, or nothing where it is no mapping."""
    return value if isinstance(value, Mapping) else {}


def key_place(name: str, path: tuple[str | int, ...]) -> str:
    """`file: key.path`."""
    return f"{name}: {'.'.join(map(str, path))}" if path else name
