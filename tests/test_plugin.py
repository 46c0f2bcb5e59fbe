"""The plugin for pytest: a test fails, with every reason, unless the program is certified as it stands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_instructions import GOOD, Understands

import shipworthy as sw
from shipworthy.cli.commands import app
from shipworthy.ship import standing, state

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / "examples" / "workflows" / "certify.yml"
TEXTS = {
    "lost": "where is number {}\u2028please",
    "broken": "number {} has a crack",
    "praise": "number {} is lovely",
}
TEST = "def test_sort(assert_certified):\n    assert assert_certified('sort'{})['name'] == 'sort'\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, compiled and certified on a stand-in for an LM."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "sort.md").write_text(f"{GOOD}\n\nMessage: {{text}}\n", encoding="utf-8")
    lines = [f"{text.format(i)},{topic}" for i in range(60) for topic, text in TEXTS.items()]
    (folder / "rows.csv").write_text("\n".join(["text,topic", *lines, ""]), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        _stand_in(patch)
        sw.lift(folder / "sort.md", folder / "rows.csv", into=folder / "project")
        sw.compile("sort", project=folder / "project")
        sw.certify("sort", project=folder / "project", quick=True)
    return folder / "project"


def _stand_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state, "open_lm", lambda *_, **__: Understands())
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        patch.delenv(name, raising=False)
    patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def project(made: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    _stand_in(monkeypatch)
    shutil.copytree(made, pytester.path, dirs_exist_ok=True)
    return pytester.path


def run(pytester: pytest.Pytester, arguments: str = "", *options: str) -> Any:
    (pytester.path / "tests" / "test_certified.py").write_text(TEST.format(arguments), encoding="utf-8")
    return pytester.runpytest_inprocess("-p", "shipworthy.testing", *options, "tests")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_a_certified_program_passes(project: Path, pytester: pytest.Pytester) -> None:
    found = standing("sort", project=project)
    assert found.verdict == "pass", found.reasons
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("signatures/sort.py", "parcel first", "letter first", "signature, program or their texts changed"),
        ("optimizers/sort.py", "sw.Recipe(", "sw.Recipe(target=0.8, ", "the recipe changed"),
        ("data/sort/train.jsonl", "has a crack", "has a crack!", "the training rows changed"),
        ("data/sort/test.jsonl", "is lovely", "is lovely!", "test rows came, went or changed"),
    ],
)
def test_a_stale_certificate_fails_and_says_what_changed(
    project: Path, pytester: pytest.Pytester, file: str, old: str, new: str, said: str
) -> None:
    edit(project / file, old, new)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*sort is not certified: stale*", f"*{said}*shipworthy c*sort*"])


@pytest.mark.slow
def test_a_changed_prototype_makes_a_certificate_stale(project: Path) -> None:
    edit(project / "data" / "sort" / "prototype.md", "Sort", "Kindly sort")
    found = standing("sort", project=project)
    assert found.verdict == "stale"
    assert found.reasons == (
        "the prototype is not the one that sort was compared with: shipworthy certify sort",
    )


@pytest.mark.slow
def test_budget_and_gate_make_nothing_stale(project: Path) -> None:
    asked = "sw.Recipe(budget=sw.Budget(calls=900), gate=sw.Gate(usd_per_call=1.0), "
    edit(project / "optimizers" / "sort.py", "sw.Recipe(", asked)
    assert "the gate allows US$ 1" in standing("sort", project=project).reasons[-1]


@pytest.mark.slow
def test_a_missing_certificate_or_compile_fails(project: Path, pytester: pytest.Pytester) -> None:
    shutil.rmtree(project / ".shipworthy" / "certificates")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*sort is not certified: missing*", "*has no certificate: shipworthy certify sort*"]
    )
    shutil.rmtree(project / ".shipworthy")
    assert standing("sort", project=project).reasons == (
        "'sort' is no artifact, and was not compiled here: shipworthy compile sort",
    )


@pytest.mark.slow
def test_the_gate_is_that_of_the_test_or_the_recipe_or_the_project(
    project: Path, pytester: pytest.Pytester
) -> None:
    edit(project / "pyproject.toml", "[tool.shipworthy]", "[tool.shipworthy.gate]\nlatency_ms_p95 = 0")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*sort is not certified: fail*", "*the gate allows 0 ms*", "certificate: *"])
    edit(project / "optimizers" / "sort.py", "sw.Recipe(", "sw.Recipe(gate=sw.Gate(rubric=0), ")
    assert "readiness score" in standing("sort", project=project).reasons[-1]
    assert standing("sort", project=project, gate=sw.Gate()).holds


@pytest.mark.slow
def test_fresh_certifies_there_and_then(project: Path, pytester: pytest.Pytester) -> None:
    shutil.rmtree(project / ".shipworthy" / "certificates")
    run(pytester, ", fresh=True, quick=True").assert_outcomes(passed=1)
    shutil.rmtree(project / ".shipworthy" / "certificates")
    run(pytester, ", quick=True", "--fresh-certificates").assert_outcomes(passed=1)


def test_outside_a_project_it_says_so(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_in(monkeypatch)
    (pytester.path / "tests").mkdir()
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no project around*"])


def test_the_plugin_is_what_pytest_is_told_of_and_imports_nothing_of_the_making() -> None:
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    heavy = ("dspy", "mlflow", "sklearn", "numpy", "click", "xllamacpp")
    code = f"import sys, {entry['shipworthy']}; print([p for p in {heavy!r} if p in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


# The example workflow


def steps() -> list[dict[str, Any]]:
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


def test_the_workflow_runs_on_pull_requests_and_by_the_clock() -> None:
    found = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert {"pull_request", "schedule"} <= set(found[True])  # YAML 1.1 reads `on` as true
    assert found["permissions"] == {"contents": "read"}


def test_its_commands_are_those_of_the_command_line() -> None:
    commands = re.findall(r"\bshipworthy (.*)", "\n".join(step.get("run", "") for step in steps()))
    assert {line.split()[0] for line in commands} == {"compile", "certify"}
    for line in commands:
        name, *words = line.split(" >")[0].split()
        known = {flag for option in app.commands[name].params for flag in option.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_it_keeps_weights_and_journals_and_posts_the_summary() -> None:
    cached = "\n".join(step["with"]["path"] for step in steps() if "cache" in step.get("uses", ""))
    assert "~/.cache/shipworthy" in cached
    assert ".shipworthy" in cached
    summary = [step for step in steps() if "GITHUB_STEP_SUMMARY" in step.get("run", "")]
    assert [step["if"] for step in summary] == ["always()"]
    assert any("pytest" in step.get("run", "") for step in steps())


def test_the_rubric_sees_the_workflow(tmp_path: Path) -> None:
    from shipworthy.evidence.folder import look_at_folder

    target = tmp_path / ".github" / "workflows" / "certify.yml"
    target.parent.mkdir(parents=True)
    shutil.copy(WORKFLOW, target)
    found = look_at_folder(tmp_path, "triage")
    assert found.certified_in_ci == found.scheduled == found.tests_in_ci == ".github/workflows/certify.yml"
    assert json.loads(json.dumps(found.lock)) is None
