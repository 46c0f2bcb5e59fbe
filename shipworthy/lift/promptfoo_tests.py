"""The tests of a promptfoo configuration: each a set of variables, and what is asserted.

Tests stand in the configuration or in files, get what `defaultTest` has, and are multiplied by
scenarios and by variables that list several values. Tests that code generates are told.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from ..errors import PrototypeError
from ..examples import read_csv
from .promptfoo_assertions import EXACT, LISTS, NO_SHARE, Asserted, share
from .promptfoo_assertions import WHY as ASSERTIONS
from .promptfoo_files import CODE, Parsed, Suite, file_path, mapping, others
from .strict_json import read_json

MAX_ROWS = 100_000
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
SHORT = re.compile(r"((?:not-)?[a-z][a-z:-]*)(?:\((\d+(?:\.\d+)?)\))?(?::(.*))?", re.DOTALL)
OLD_NAMES = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}
KNOWN = ("vars", "assert", "options", "metadata", "provider", "providerOutput", "threshold", "description")
WHY = {
    "options.transform": "changes the answer by code before it is checked, which is never executed",
    "options.postprocess": "changes the answer by code before it is checked, which is never executed",
    "options.transformVars": CODE,
    "assertScoringFunction": CODE,
    "threshold": NO_SHARE,
    "provider": "the LM is chosen when the program is compiled",
    "providers": "the LM is chosen when the program is compiled",
    "providerOutput": "an answer recorded beforehand; give such answers as --prototype-answers",
    "description": "a note for people",
    "metadata": "a note for people",
}
ELSE = "a setting of promptfoo's own run"


@dataclass(frozen=True)
class Case:
    """One row of variables with what is asserted of its answer, the defaults' assertions aside.

    `threshold` is the share of the assertions' weight that suffices, where the test states one.
    """

    vars: Mapping[str, Any]
    asserts: tuple[Asserted, ...]
    where: str
    with_defaults: bool = True
    threshold: float | None = None


@dataclass(frozen=True)
class Cases:
    """All rows; `default_vars` and the like are those of `defaultTest`."""

    rows: tuple[Case, ...]
    default_vars: Mapping[str, Any] = field(default_factory=dict)
    default_asserts: tuple[Asserted, ...] = ()
    default_threshold: float | None = None


def read_cases(suite: Suite, config: Parsed) -> Cases:
    """Every test, with its variables' files read and their combinations made.

    Raises:
        PrototypeError: a file does not parse, or the combinations are over 100,000.
    """
    return _Reader(suite, config).read()


@dataclass(frozen=True)
class _Test:
    """A test as it stands: its mapping, its place, and the folder that its files are named from."""

    value: Mapping[str, Any]
    at: Callable[..., str]
    folder: str = ""


class _Reader:
    def __init__(self, suite: Suite, config: Parsed) -> None:
        self.suite = suite
        self.config = config

    def read(self) -> Cases:
        default = self.default()
        default_vars = self.variables(default)
        transformed = self.settings(default, "defaultTest")
        given = self.config.value
        tests = list(self.tests(given.get("tests"), Parsed(None, self.config.at), ("tests",)))
        cases = [self.case(test, [], default_vars, transformed) for test in tests]
        for base, test in self.scenarios(given.get("scenarios")):
            cases.append(self.case(test, [base], default_vars, transformed))
        rows: list[Case] = []
        for case, expand in cases:
            rows.extend(self.combinations(case, expand, MAX_ROWS - len(rows)))
        asserts = self.asserts(default, transformed)
        plain = {key: value for key, value in default_vars.items() if not _is_reference(value)}
        return Cases(tuple(rows), plain, asserts, share(default.value.get("threshold")))

    def default(self) -> _Test:
        value = self.suite.resolved(self.config.value.get("defaultTest"))
        where = self.config.at("defaultTest")
        if isinstance(value, str):
            for name in self.suite.names(value, what="defaultTest", where=where):
                if self.suite.text(name, what="defaultTest", where=where) is not None:
                    parsed = self.suite.parsed(name)
                    if isinstance(parsed.value, Mapping):
                        return _Test(parsed.value, parsed.at, _folder(name))
            value = None
        if value is not None and not isinstance(value, Mapping):
            self.suite.tell("defaultTest", where, "it is no test")
            value = None
        return _Test(value or {}, lambda *path: self.config.at("defaultTest", *path))

    def tests(self, value: Any, source: Parsed, path: tuple[str | int, ...]) -> Iterator[_Test]:
        """Tests, however they are given: a file, a list of files and tests, a generator."""
        value = self.suite.resolved(value)
        what = ".".join(map(str, path))
        if value is None:
            return
        if isinstance(value, str):
            for name in self.suite.names(value, what=what, where=source.at(*path)):
                yield from self.file(name, what=what, where=source.at(*path))
        elif isinstance(value, list):
            for index, one in enumerate(value):
                yield from self.tests(one, source, (*path, index))
        elif isinstance(value, Mapping) and isinstance(value.get("path"), str):
            yield from self.tests(value["path"], source, path)
        elif isinstance(value, Mapping):
            yield _Test(value, lambda *more: source.at(*path, *more))
        else:
            self.suite.tell(what, source.at(*path), "it is no test")

    def file(self, name: str, *, what: str, where: str) -> Iterator[_Test]:
        text = self.suite.text(name, what=what, where=where)
        suffix = name.rpartition(".")[2].lower()
        if text is None:
            return
        if suffix == "csv":
            _, rows, lines = read_csv(text, name, error=PrototypeError)
            for line, row in zip(lines, rows, strict=True):
                yield self.short(row, f"{name}:{line}")
        elif suffix == "jsonl":
            for line, own in enumerate(text.split("\n"), 1):
                if own.strip():
                    value = read_json(own, where=name, line=line)
                    yield from self.listed([value], Parsed(None, _standing(f"{name}:{line}")), name)
        elif suffix in ("json", "yaml", "yml"):
            parsed = self.suite.parsed(name)
            listed = parsed.value if isinstance(parsed.value, list) else [parsed.value]
            skip = 0 if isinstance(parsed.value, list) else 1
            yield from self.listed(listed, Parsed(None, lambda *path: parsed.at(*path[skip:])), name)
        else:
            self.suite.tell(what, where, f"tests are not read from {name}; save them as CSV, JSON or YAML")

    def listed(self, tests: list[Any], source: Parsed, name: str) -> Iterator[_Test]:
        for index, test in enumerate(tests):
            test = self.suite.resolved(test)
            if isinstance(test, Mapping) and not test.keys() & set(KNOWN):
                yield self.short(test, source.at(index))
            elif isinstance(test, Mapping):
                yield _Test(test, lambda *path, at=index: source.at(at, *path), _folder(name))
            else:
                self.suite.tell("tests", source.at(index), "it is no test")

    def short(self, row: Mapping[str, Any], where: str) -> _Test:
        """A row of a table: `__expected` columns are assertions, other `__` columns settings."""
        found: dict[str, Any] = {"vars": {}, "assert": []}
        for key, value in row.items():
            if re.fullmatch(r"__expected\d*", key):
                if str(value).strip():
                    found["assert"].append(assertion_of(str(value)))
            elif key == "__threshold" and (threshold := _decimal(value)) is not None:
                found["threshold"] = threshold
            elif key.startswith("__"):
                if str(value).strip():
                    self.suite.tell(key, where, WHY.get(key.removeprefix("__"), ELSE))
            elif key:
                found["vars"][key] = value
        return _Test(found, _standing(where))

    def scenarios(self, value: Any) -> Iterator[tuple[_Test, _Test]]:
        """Each set of a scenario's `config` with each of its tests."""
        for index, scenario in enumerate(self.loaded(value, "scenarios", self.config.at("scenarios"))):
            path = ("scenarios", index)
            if not isinstance(scenario, Mapping):
                self.suite.tell("scenarios", self.config.at(*path), "it is no scenario")
                continue
            for key in others(scenario, {"config", "tests"}):
                self.suite.tell(f"scenarios.{key}", self.config.at(*path), WHY.get(key, ELSE))
            place = self.config.at(*path, "config")
            bases = self.loaded(scenario.get("config"), "scenarios.config", place)
            tests = list(self.tests(scenario.get("tests"), self.config, (*path, "tests")))
            for base, test in itertools.product(bases, tests or [_Test({}, _standing(place))]):
                if isinstance(base, Mapping):
                    yield _Test(base, _standing(place)), test

    def loaded(self, value: Any, what: str, where: str) -> list[Any]:
        """A list whose entries may stand in files."""
        found: list[Any] = []
        for entry in value if isinstance(value, list) else [] if value is None else [value]:
            entry = self.suite.resolved(entry)
            if isinstance(entry, Mapping) and isinstance(entry.get("$values"), str):
                entry = entry["$values"]
            if not isinstance(entry, str):
                found.append(entry)
                continue
            for name in self.suite.names(entry, what=what, where=where):
                if self.suite.text(name, what=what, where=where) is not None:
                    own = self.suite.parsed(name).value
                    found.extend(own if isinstance(own, list) else [own])
        return found

    def case(
        self, test: _Test, bases: list[_Test], default_vars: Mapping[str, Any], transformed: bool
    ) -> tuple[Case, bool]:
        parts = [*bases, test]
        changed = [self.settings(part, "tests") for part in parts]
        own = {key: value for part in parts for key, value in self.variables(part).items()}
        asserts = [found for part in parts for found in self.asserts(part, transformed or any(changed))]
        options = {key: value for part in parts for key, value in mapping(part.value.get("options")).items()}
        merged = {**default_vars, **own}
        stated = [found for part in parts if (found := share(part.value.get("threshold"))) is not None]
        with_defaults = not options.get("disableDefaultAsserts")
        case = Case(merged, tuple(asserts), test.at(), with_defaults, stated[-1] if stated else None)
        return case, not options.get("disableVarExpansion")

    def settings(self, test: _Test, what: str) -> bool:
        """Tell a test's settings; whether one of them changes the answer before it is checked."""
        stated = share(test.value.get("threshold")) is not None
        for key in others(test.value, {"vars", "assert", "options", *(["threshold"] if stated else [])}):
            self.suite.tell(f"{what}.{key}", test.at(key), WHY.get(key, ELSE))
        options = mapping(test.value.get("options"))
        for key in others(options, {"disableVarExpansion", "disableDefaultAsserts"}):
            self.suite.tell(f"options.{key}", test.at("options", key), WHY.get(f"options.{key}", ELSE))
        return bool(options.keys() & {"transform", "postprocess"})

    def asserts(self, test: _Test, transformed: bool) -> tuple[Asserted, ...]:
        value = test.value.get("assert")
        listed = value if isinstance(value, list) else [] if value is None else [value]
        return tuple(
            Asserted(self.suite.resolved(one), test.at("assert", index), transformed)
            for index, one in enumerate(listed)
        )

    def variables(self, test: _Test) -> dict[str, Any]:
        """The variables of a test; those of files that it names are merged in order."""
        value = self.suite.resolved(test.value.get("vars"))
        if value is None or isinstance(value, Mapping):
            return dict(value or {})
        found: dict[str, Any] = {}
        for reference in value if isinstance(value, list) else [value]:
            path = (PurePosixPath(test.folder) / file_path(str(reference))).as_posix()
            for name in self.suite.names(path, what="vars", where=test.at("vars")):
                if self.suite.text(name, what="vars", where=test.at("vars")) is not None:
                    found.update(mapping(self.suite.parsed(name).value))
        return found

    def combinations(self, case: Case, expand: bool, room: int) -> list[Case]:
        options = {key: self.values(key, value, case.where, expand) for key, value in case.vars.items()}
        options = {key: values for key, values in options.items() if values}
        count = 1
        for values in options.values():
            count *= len(values)
        if count > room:
            raise PrototypeError(
                f"the values of the variables combine to over {MAX_ROWS} rows",
                hint="list fewer values, or set disableVarExpansion",
                where=case.where,
            )
        return [
            replace(case, vars=filled(dict(zip(options, chosen, strict=True))))
            for chosen in itertools.product(*options.values())
        ]

    def values(self, key: str, value: Any, where: str, expand: bool) -> list[Any]:
        """What a variable stands for: one value, or several that make a row each; none where it is told."""
        listed = isinstance(value, list) and expand and bool(value) and isinstance(value[0], str)
        found: list[Any] = []
        for one in value if listed else [value]:
            if not _is_reference(one):
                found.append(one.removesuffix("\n") if isinstance(one, str) else one)
                continue
            for name in self.suite.names(one, what=f"vars.{key}", where=where):
                text = self.suite.text(name, what=f"vars.{key}", where=where)
                if text is not None:
                    yaml = name.lower().endswith((".yaml", ".yml"))
                    found.append(_compact(self.suite.parsed(name).value) if yaml else text.strip())
        return found


def assertion_of(text: str) -> dict[str, Any]:
    """What a cell of an `__expected` column asserts: `kind(threshold):value`, or else equality."""
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text.removeprefix("file://")}
    match = SHORT.fullmatch(text)
    kind = OLD_NAMES.get(match[1], match[1]) if match else ""
    if match is None or kind.removeprefix("not-") not in EXACT | ASSERTIONS.keys():
        return {"type": "equals", "value": text}
    found: dict[str, Any] = {"type": kind, "value": match[3]}
    if kind.removeprefix("not-") in LISTS:
        found["value"] = [part.strip() for part in (match[3] or "").split(",")]
    if match[2]:
        found["threshold"] = float(match[2])
    return {key: value for key, value in found.items() if value is not None}


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Variables with those that they mention put in, up to five deep, as promptfoo does it."""
    for _ in range(5):
        again = False
        for key, value in values.items():
            match = VARIABLE.search(value) if isinstance(value, str) else None
            other = values.get(match[1]) if match else None
            if match and other is not None and match[1] != key:
                shown = other if isinstance(other, str) else _compact(other)
                values[key] = value[: match.start()] + shown + value[match.end() :]
                again = True
        if not again:
            break
    return values


def _decimal(cell: Any) -> float | None:
    """A number, as a table's cell holds it."""
    try:
        return share(float(cell))
    except (TypeError, ValueError):
        return None


def _standing(place: str) -> Callable[..., str]:
    """A place that is the same for every part."""
    return lambda *path: place


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("file://", "package:"))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _folder(name: str) -> str:
    folder = PurePosixPath(name).parent.as_posix()
    return "" if folder == "." else folder
