"""TensorZero's configuration: one TOML file or several, read as one, every path within the folder."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ..errors import PrototypeError
from .files import Files
from .names import word_set
from .strict_json import read_json

CONFIG = "tensorzero.toml"
FOLDERS = ("*.toml", "*/*.toml", "*/*/*.toml")
FUNCTION = re.compile(r"^[ \t]*\[[ \t]*functions[ \t]*\.", re.M)
VARIANT = re.compile(r"\bvariants\b")
PLACE = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")
PATHS = (
    "system_schema",
    "user_schema",
    "assistant_schema",
    "output_schema",
    "system_template",
    "user_template",
)
PATH_KEYS = frozenset((*PATHS, "assistant_template", "system_instructions", "parameters", "path"))
MAX_FILES = 200
TABLES = word_set(
    "functions tools metrics models providers embedding_models evaluations gateway clickhouse postgres "
    "object_storage rate_limiting provider_types optimizers experimentation autopilot"
)


@dataclass
class Config:
    """All of the configuration.

    Attributes:
        tables: as TOML has them; paths within functions and tools are relative to the folder.
        homes: by top-level key and name, such as `functions.triage`, the file that states it.
    """

    tables: dict[str, Any] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)

    def at(self, key: str) -> str:
        """The place of a key path, for people: `file: key.path`."""
        home = self.homes.get(".".join(key.split(".")[:2]), next(iter(self.homes.values()), CONFIG))
        return f"{home}: {key}"

    def table(self, key: str) -> dict[str, Any]:
        """A top-level table of tables, or nothing.

        Raises:
            PrototypeError: it is something else.
        """
        return tables_of(self.tables.get(key, {}), where=self.at(key))


def is_config(files: Files) -> bool:
    """Whether a file or folder is TensorZero's, by its name or its functions; never raises."""
    if not files.is_folder and files.path.suffix.lower() != ".toml":
        return False
    # Another look at the files, so that what is looked at is not kept as part of the prototype.
    looked_at = Files(files.path)
    try:
        names = _names(looked_at)
        return any(
            PurePosixPath(name).name == CONFIG or _has_functions(looked_at.read(name)) for name in names
        )
    except (PrototypeError, OSError):
        return False


def read_config(files: Files) -> Config:
    """The configuration of a file, or of all such files of a folder, joined as TensorZero joins them.

    Raises:
        PrototypeError: a file is no TOML (with line and column), states what another one states, or
            there is none.
    """
    config = Config()
    for name in _names(files):
        if PurePosixPath(name).name != CONFIG and files.is_folder and not _looks_like(files, name):
            continue
        tables = _toml(files.read(name), str(files.root / name))
        folder = str(PurePosixPath(name).parent)
        for key in ("functions", "tools"):
            if isinstance(tables.get(key), dict):
                tables[key] = _rebased(tables[key], folder)
        _join(config, tables, name)
    if not config.tables.get("functions"):
        raise PrototypeError(
            "no function is defined",
            hint="name the tensorzero.toml that has [functions.NAME], or its folder",
            where=str(files.path),
        )
    return config


def tables_of(value: Any, *, where: str) -> dict[str, Any]:
    """A table.

    Raises:
        PrototypeError: it is something else.
    """
    if not isinstance(value, dict):
        raise PrototypeError("a table is expected here", hint="correct the TOML", where=where)
    return value


def read_schema(files: Files, name: str) -> Mapping[str, Any]:
    """A JSON Schema's file.

    Raises:
        PrototypeError: it cannot be read, is no JSON (with line and column), or no JSON object.
    """
    schema = read_json(files.read(name), where=str(files.root / name))
    if not isinstance(schema, dict):
        raise PrototypeError(
            "a JSON Schema is a JSON object", hint="correct it", where=str(files.root / name)
        )
    return schema


def _names(files: Files) -> list[str]:
    if not files.is_folder:
        return [files.path.name]
    found = [PurePosixPath(name) for pattern in FOLDERS for name in files.find(pattern)]
    homes = sorted((path.parent for path in found if path.name == CONFIG), key=lambda path: len(path.parts))
    # The nearest one is the configuration, with what lies below it; below another one is another's.
    home, others = (homes[0], homes[1:]) if homes else (PurePosixPath(), [])
    own = [
        path
        for path in found
        if path.is_relative_to(home) and not any(path.is_relative_to(other) for other in others)
    ]
    return [str(path) for path in sorted(own, key=lambda path: path.name != CONFIG)][:MAX_FILES]


def _looks_like(files: Files, name: str) -> bool:
    """Whether a TOML file beside the main one is part of the configuration, not of a tool such as uv."""
    text = Files(files.path).read(name)
    tables = re.findall(r"^[ \t]*\[+[ \t]*([\w-]+)", text, re.M)
    return bool(tables) and set(tables) <= TABLES


def _has_functions(text: str) -> bool:
    return FUNCTION.search(text) is not None and VARIANT.search(text) is not None


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = PLACE.search(str(error))
        at = f":{place[1]}:{place[2]}" if place and place[1] else _end(text)
        problem = PLACE.sub("", str(error)).strip()
        raise PrototypeError(
            f"this is no TOML: {problem}", hint="correct it", where=f"{where}{at}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise PrototypeError(
            "this TOML is nested too deeply, or a number is too long", hint="correct it", where=where
        ) from error


def _end(text: str) -> str:
    lines = text.split("\n")
    return f":{len(lines)}:{len(lines[-1]) + 1}"


def _rebased(table: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """With each path relative to the prototype's folder, not to the TOML file's."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found[key] = _rebased(value, folder)
        elif key in PATH_KEYS and isinstance(value, str):
            found[key] = posixpath.normpath(posixpath.join(folder, value))
        else:
            found[key] = value
    return found


def _join(config: Config, tables: Mapping[str, Any], name: str) -> None:
    for key, value in tables.items():
        if isinstance(value, dict):
            for inner in value:
                config.homes.setdefault(f"{key}.{inner}", name)
        config.homes.setdefault(key, name)
    _merge(config.tables, tables, "", name)


def _merge(into: dict[str, Any], tables: Mapping[str, Any], path: str, name: str) -> None:
    for key, value in tables.items():
        here = f"{path}.{key}".strip(".")
        if isinstance(value, dict) and isinstance(into.get(key, {}), dict):
            _merge(into.setdefault(key, {}), value, here, name)
        elif key in into:
            raise PrototypeError(f"{here} is stated twice", hint="keep one of them", where=f"{name}: {here}")
        else:
            into[key] = value
