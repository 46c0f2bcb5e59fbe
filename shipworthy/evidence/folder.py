"""What a project's folder shows of how it is tested, versioned and watched: read, never run.

Python is parsed and not imported; CI files are read as text, without their comments, and a
`make` target in them stands for what it does.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = ("signatures", "programs", "optimizers", "data")
CI_FILES = (
    *(".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitlab-ci.yml", ".circleci/config.yml"),
    *("azure-pipelines.yml", "bitbucket-pipelines.yml", ".travis.yml", ".buildkite/*.yml", "Jenkinsfile"),
    ".ci/*",
)
OWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
BOTS = (
    *(".github/dependabot.yml", ".github/dependabot.yaml", "renovate.json", ".github/renovate.json"),
    *(".renovaterc", ".renovaterc.json", "renovate.json5"),
)
PIPELINE = ("ship", "compile", "certify")
RUNS_TESTS = re.compile(r"\b(?:pytest|tox|nox|unittest)\b")
TARGET = re.compile(r"^([\w.-]+)[ \t]*:(?!=)([^\n]*)\n((?:\t[^\n]*\n?)*)", re.MULTILINE)


@dataclass(frozen=True)
class Folder:
    """What was found. Files are paths relative to the project; None or empty where there is none.

    Attributes:
        source_tests: tests of the program's signature or module; spec_tests: of its recipe or
            contract; pipeline_tests: that compile, ship or certify it.
        tests_in_ci: the CI file that runs the tests; certified_in_ci: the one that makes its
            certificate; scheduled: the one that does so by the clock.
        owners: who reviews what; lock: exact versions of what it needs; bot: tells of new ones.
        committed: whether source and rows are in git as they stand; None where git is not at hand.
        ignored: whether git leaves the working files (journals, which hold answers) alone.
    """

    source_tests: tuple[str, ...] = ()
    spec_tests: tuple[str, ...] = ()
    pipeline_tests: tuple[str, ...] = ()
    tests_in_ci: str | None = None
    certified_in_ci: str | None = None
    scheduled: str | None = None
    owners: str | None = None
    lock: str | None = None
    bot: str | None = None
    committed: bool | None = None
    ignored: bool = False


def look_at_folder(project: Path, name: str) -> Folder:
    """Look at the folder of a project, and at that of the repository around it.

    Args:
        name: the program's.
    """
    project = project.absolute()
    root = _repository(project)
    places = [project] if root in (None, project) else [project, root or project]
    tests = [(path, _Test(path, name)) for path in sorted((project / "tests").rglob("*.py"))]
    found = {
        kind: tuple(_from(project, path) for path, test in tests if test.runs and getattr(test, kind))
        for kind in ("source", "spec", "pipeline")
    }
    ci = [(path, _commands(path, places)) for path in _files(places, CI_FILES)]
    runs_tests = next((path for path, text in ci if RUNS_TESTS.search(text)), None)
    asks = re.compile(rf"\bshipworthy\s+(?:certify|ship)\b[^\n]*\b{re.escape(name)}\b")
    certifies = [
        (path, text)
        for path, text in ci
        if asks.search(text) or (found["pipeline"] and RUNS_TESTS.search(text))
    ]
    clocked = (path for path, text in certifies if re.search(r"\bcron\b", text))
    single = {
        "tests_in_ci": runs_tests,
        "certified_in_ci": certifies[0][0] if certifies else None,
        "scheduled": next(clocked, None),
        "owners": next(_files(places, OWNERS), None),
        "lock": _lock(places),
        "bot": next(_files(places, BOTS), None),
    }
    return Folder(
        **{kind: _from(project, path) if path is not None else None for kind, path in single.items()},
        source_tests=found["source"],
        spec_tests=found["spec"],
        pipeline_tests=found["pipeline"],
        committed=_committed(project, name) if root is not None else False,
        ignored=_ignored(project, root),
    )


class _Test:
    """What a test file does, as far as its text says."""

    def __init__(self, path: Path, name: str) -> None:
        self.runs = self.source = self.spec = self.pipeline = False
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):  # what cannot be read runs no test
            return
        nodes = list(ast.walk(tree))
        functions = [one for one in nodes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        tests = [one for one in functions if one.name.startswith("test")]
        self.runs = bool(tests) and path.name.startswith("test_")
        modules, aliases, names = _imports(nodes)
        self.source = bool({f"signatures.{name}", f"programs.{name}"} & modules)
        texts = {one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        called = {_called(one, aliases, names) for one in nodes if isinstance(one, ast.Call)}
        asked = any(arg.arg == "assert_certified" for one in tests for arg in one.args.args)
        self.spec = f"optimizers.{name}" in modules or (name in texts and "load_source" in called)
        self.pipeline = name in texts and (asked or bool(called & set(PIPELINE)))


def _imports(nodes: Sequence[ast.AST]) -> tuple[set[str], set[str], set[str]]:
    """Modules that are imported, the names that mean shipworthy, and those that come from it."""
    modules: set[str] = set()
    aliases: set[str] = set()
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules.update(one.name for one in node.names)
            aliases.update(one.asname or one.name for one in node.names if one.name == "shipworthy")
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
            modules.update(f"{node.module}.{one.name}" for one in node.names)
            if node.module.partition(".")[0] == "shipworthy":
                names.update(one.asname or one.name for one in node.names)
    return modules, aliases, names


def _called(call: ast.Call, aliases: set[str], names: set[str]) -> str | None:
    """The function of shipworthy that is called, if it is one: not `re.compile`."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id in aliases else None
    return function.id if isinstance(function, ast.Name) and function.id in names else None


def _commands(path: Path, places: Sequence[Path]) -> str:
    """A CI file without its comments, and what the `make` targets in it do."""
    text = _text(path)
    targets = {
        match[1]: f"{match[2]}\n{match[3]}"
        for place in places
        for match in TARGET.finditer(_text(place / "Makefile"))
    }
    wanted, done = re.findall(r"\bmake[ \t]+([\w.-]+)", text), set[str]()
    while wanted:
        target = wanted.pop()
        if target in targets and target not in done:
            done.add(target)
            text += targets[target]
            wanted += [*targets[target].partition("\n")[0].split()]
            wanted += re.findall(r"\bmake[ \t]+([\w.-]+)", targets[target])
    return text


def _text(path: Path) -> str:
    """The lines of a file without comments; empty where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    return "".join(re.sub(r"(?:^|\s)#.*$", "", line) + "\n" for line in lines)


def _lock(places: Sequence[Path]) -> Path | None:
    """A lock file, or a requirements.txt that pins all that it names."""
    found = next(_files(places, LOCKS), None)
    if found is not None:
        return found
    for path in _files(places, ("requirements.txt",)):
        lines = [line.strip() for line in _text(path).splitlines()]
        needed = [line for line in lines if line and not line.startswith("-")]
        if needed and all("==" in line or " @ " in line for line in needed):
            return path
    return None


def _committed(project: Path, name: str) -> bool | None:
    tracked = _git(project, "ls-files", "--", f"programs/{name}.py")
    if tracked is None:
        return None
    folders = [folder for folder in SOURCES if (project / folder).is_dir()]
    changed = _git(project, "status", "--porcelain", "--", *folders) if folders else ""
    return bool(tracked) and changed == ""


def _ignored(project: Path, root: Path | None) -> bool:
    if root is not None:
        return bool(_git(project, "check-ignore", ".shipworthy/journals/x.jsonl"))
    return ".shipworthy/" in _text(project / ".gitignore").split()


def _git(project: Path, *arguments: str) -> str | None:
    """What git says; empty where it says no, None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project, capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode in (0, 1) else None


def _repository(project: Path) -> Path | None:
    return next((folder for folder in (project, *project.parents) if (folder / ".git").exists()), None)


def _files(places: Sequence[Path], patterns: Sequence[str]) -> Iterator[Path]:
    for place in places:
        for pattern in patterns:
            yield from (path for path in sorted(place.glob(pattern)) if path.is_file())


def _from(project: Path, path: Path) -> str:
    return Path(os.path.relpath(path, project)).as_posix()
