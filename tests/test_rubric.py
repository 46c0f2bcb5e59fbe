"""The readiness rubric: every check can be met and can fail, and the score is the paper's."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
import subprocess
from pathlib import Path
from typing import Any, cast

import dspy
import pytest
from test_instructions import GOOD, Sort, Understands, rows
from test_page import full, paired

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.errors import InputError
from shipworthy.evidence import Facts, Opponent, certify, facts_of, questions, read_by_hand, rubric
from shipworthy.evidence.facts import refusals, row_facts, traced
from shipworthy.evidence.folder import Folder, look_at_folder
from shipworthy.evidence.rubric import SECTIONS, stated_checks
from shipworthy.evidence.rubric_checks import CHECKS
from shipworthy.lms import Journal, Recorded
from shipworthy.runtime import Contract, Field, Program
from shipworthy.scoring import metric_of

IDS = [one["id"] for one in stated_checks()]
HAND = {"by": "Ida", "on": "2026-05-01", "note": "looked through 40 answers; none was wrong"}
TESTS = ("tests/test_triage.py",)


def good() -> Facts:
    """Facts under which every check is met."""
    considered = [{"name": "student alone", "front": False}, {"name": "readout", "front": True}]
    certificate = full() | {
        "against": {name: paired(0.2, 0.1, 0.3) for name in ("majority", "tfidf_lr")},
        "gate": {"latency_ms_p95": 2000},
        "batteries": {
            "faults": {"total": {"turned_wrong": 0, "struck": 90}},
            "load": {"levels": [level(0.1, 0.0, 40.0), level(1.0, 0.02, 300.0), level(10.0, 0.9, 900.0)]},
            "attacks": {
                "edges": {
                    "contenders": {
                        "compiled": {
                            "empty": {"n": 1, "answered": 0, "abstained": 1, "errors": {}, "untyped": {}}
                        }
                    }
                }
            },
        },
    }
    labelled = {"score": 0.9, "ci": [0.86, 0.93], "n": 300, "days_old": 20}
    return Facts(
        name="triage",
        certificate=certificate,
        folder=Folder(
            source_tests=TESTS,
            spec_tests=TESTS,
            pipeline_tests=TESTS,
            tests_in_ci=".github/workflows/ci.yml",
            certified_in_ci=".github/workflows/ci.yml",
            scheduled=".github/workflows/ci.yml",
            owners="CODEOWNERS",
            lock="uv.lock",
            bot=".github/dependabot.yml",
            committed=True,
            ignored=True,
        ),
        artifact={
            "digest": certificate["digest"],
            "error": None,
            "probes": 2,
            "lm": "local/77aabbccddee;ctx=8192",
            "inputs": 1,
            "untyped": [],
        },
        provenance={
            "seed": 0,
            "versions": {"dspy": "3.4.1"},
            "data": {"train": "0f"},
            "git_commit": "9a" * 20,
        },
        report={
            "decisions": [{"name": "queue", "rounds": [{"chosen": "readout", "considered": considered}]}],
            "races": [],
            "spent": {"calls": 412, "tokens": 90_000, "usd": 0.0, "seconds": 83.0},
        },
        rows={
            "train": 800,
            "test": 1240,
            "checks": dict.fromkeys(("contradiction", "leak", "near_leak", "secret"), 0),
            "personal": 0,
            "secret_prompt": False,
        },
        refusals={"tried": 2, "typed": 2},
        traced={"rows": 5, "complete": 5},
        confidences={"rows": 1238, "sound": 1238},
        slices={"compared": 9, "weak": [], "languages": 2, "largest": -0.04},
        recompiles=True,
        registry={"champion": 3, "champion_verdict": "pass", "rollback": {"version": 2, "reloads": True}},
        monitoring={
            "labelled": labelled,
            "canary": {"version": 3, "requests": 500},
            "drift": {"watched": True},
            "staleness": {"days": 40, "mean": -0.02, "ci": [-0.05, 0.01]},
        },
        previous={"compiled": {"ms_p95": 1800.0}},
    )


def level(factor: float, shed: float, p95: float | None) -> dict[str, Any]:
    ms = {"p95": None if p95 is None else {"value": p95, "ci": [p95 - 5, p95 + 5]}}
    shares = {"answered": {"share": 1 - shed}, "shed": {"share": shed}, "late": {"share": 0.0}}
    return {"factor": factor, "rate_per_s": 25 * factor, "ms": ms, "why": None, **shares}


def but(path: str, value: Any) -> Facts:
    """The good facts, but for one: `artifact.probes`, say."""
    facts = good()
    name, *keys = path.split(".")
    if name == "folder":
        return dataclasses.replace(facts, folder=dataclasses.replace(facts.folder, **{keys[0]: value}))
    if not keys:
        return dataclasses.replace(facts, **cast(Any, {name: value}))
    changed = copy.deepcopy(getattr(facts, name))
    inner = changed
    for key in keys[:-1]:
        inner = inner[int(key) if key.isdigit() else key]
    inner[keys[-1]] = value
    return dataclasses.replace(facts, **cast(Any, {name: changed}))


def check(facts: Facts, id: str, **hands: Any) -> dict[str, Any]:
    (found,) = [one for one in rubric(facts, read_by_hand({"rubric": hands}))["checks"] if one["id"] == id]
    return found


WEAK = paired(0.0, -0.1, 0.1)
FAILS: list[tuple[str, str, Any]] = [
    ("data-beneficial", "certificate.against.majority", WEAK),
    ("data-cost", "report.decisions.0.rounds.0.chosen", "student alone"),
    ("data-requirements", "rows.checks.leak", 1),
    ("data-requirements", "rows.checks.secret", 1),
    ("data-requirements", "rows.secret_prompt", True),
    ("data-privacy", "folder.ignored", False),
    ("data-new-field", "report.spent.seconds", 4000.0),
    ("model-reviewed", "folder.committed", False),
    ("model-reviewed", "provenance.git_commit", None),
    ("model-online", "monitoring.labelled.ci", [0.6, 0.7]),
    ("model-tuned", "report.decisions", []),
    ("model-staleness", "monitoring.staleness.days", 1),
    ("model-simpler", "certificate.against.tfidf_lr", paired(-0.1, -0.2, -0.05)),
    ("model-slices", "slices.weak", ["queue = billing"]),
    ("model-inclusion", "slices.weak", ["language = de"]),
    ("infra-reproducible", "artifact.digest", "another"),
    ("infra-reproducible", "recompiles", False),
    ("infra-reproducible", "provenance.seed", None),
    ("infra-validated", "registry.champion_verdict", "inconclusive"),
    ("infra-debuggable", "traced.complete", 4),
    ("infra-canary", "monitoring.canary.requests", 0),
    ("infra-rollback", "registry.rollback.reloads", False),
    ("monitor-invariants", "refusals.typed", 1),
    ("monitor-invariants", "monitoring.drift.watched", False),
    (
        "monitor-invariants",
        "certificate.batteries.attacks.edges.contenders.compiled.empty.untyped",
        {"KeyError": 1},
    ),
    ("monitor-skew", "artifact.digest", "another"),
    ("monitor-stable", "confidences.sound", 1237),
    ("monitor-stable", "certificate.batteries.faults.total.turned_wrong", 1),
    ("monitor-speed", "certificate.compiled.ms_p95", 2001.0),
    ("monitor-quality", "monitoring.labelled.ci", [0.6, 0.7]),
    ("monitor-quality", "monitoring.labelled.days_old", 31),
]
UNKNOWN: list[tuple[str, str, Any]] = [
    ("data-schema", "artifact.untyped", ["reply"]),
    ("data-schema", "artifact.error", "a file is missing"),
    ("data-beneficial", "artifact.inputs", 2),
    ("data-beneficial", "certificate.against", {}),
    ("data-cost", "report", None),
    ("data-requirements", "rows", None),
    ("data-privacy", "rows.personal", 3),
    ("data-new-field", "report", None),
    ("data-code-tested", "folder.source_tests", ()),
    ("data-code-tested", "folder.tests_in_ci", None),
    ("model-reviewed", "folder.owners", None),
    ("model-online", "monitoring", None),
    ("model-tuned", "report", None),
    ("model-staleness", "monitoring", {}),
    ("model-simpler", "certificate.against", {"majority": WEAK}),
    ("model-slices", "slices.compared", 1),
    ("model-slices", "slices", None),
    ("model-inclusion", "slices.languages", 0),
    ("infra-reproducible", "recompiles", None),
    ("infra-spec-tested", "folder.spec_tests", ()),
    ("infra-pipeline-tested", "folder.pipeline_tests", ()),
    ("infra-validated", "registry", None),
    ("infra-debuggable", "traced", None),
    ("infra-canary", "monitoring", None),
    ("infra-rollback", "registry", {"champion": 1}),
    ("monitor-dependencies", "folder.lock", None),
    ("monitor-dependencies", "folder.bot", None),
    ("monitor-invariants", "monitoring", None),
    ("monitor-skew", "artifact.probes", 0),
    ("monitor-stale", "folder.scheduled", None),
    ("monitor-stable", "certificate.batteries", None),
    ("monitor-stable", "confidences", None),
    ("monitor-speed", "certificate.compiled", None),
    ("monitor-quality", "monitoring", None),
]


def test_there_are_seven_checks_in_each_of_four_sections() -> None:
    assert len(IDS) == len(set(IDS)) == 28
    assert set(CHECKS) == set(IDS)
    for section in SECTIONS:
        assert sum(one["section"] == section for one in stated_checks()) == 7


def test_where_all_is_met_the_score_is_seven() -> None:
    found = rubric(good())
    assert [one["id"] for one in found["checks"] if one["status"] != "automated"] == []
    assert (found["score"], found["meaning"][:11]) == (7, "exceptional")
    assert all(one["evidence"] and one["how"] is None for one in found["checks"])


@pytest.mark.parametrize(("id", "path", "value"), FAILS, ids=lambda one: str(one)[:40])
def test_what_is_measured_and_does_not_hold_earns_nothing_whatever_a_person_notes(
    id: str, path: str, value: Any
) -> None:
    found = check(but(path, value), id, **{id: HAND})
    assert (found["met"], found["status"], found["points"]) == (False, "not done", 0)
    assert found["evidence"]
    assert found["how"]


@pytest.mark.parametrize(("id", "path", "value"), UNKNOWN, ids=lambda one: str(one)[:40])
def test_what_cannot_be_told_earns_nothing_until_a_person_tests_it(id: str, path: str, value: Any) -> None:
    found = check(but(path, value), id)
    assert (found["met"], found["status"], found["points"]) == (None, "not done", 0)
    assert found["how"]
    found = check(but(path, value), id, **{id: HAND})
    assert (found["status"], found["points"], found["link"]) == ("by hand", 0.5, "pyproject.toml")
    assert found["evidence"] == "looked through 40 answers; none was wrong (Ida, 2026-05-01)"


def test_every_check_can_fail_or_be_left_open() -> None:
    assert {id for id, _, _ in (*FAILS, *UNKNOWN)} == set(IDS)


def test_what_nobody_repeats_earns_half() -> None:
    found = rubric(but("folder.certified_in_ci", None))
    half = {one["id"] for one in found["checks"] if one["status"] == "by hand"}
    assert {"model-simpler", "infra-debuggable", "monitor-speed"} < half
    assert not half & {"data-schema", "infra-validated", "monitor-skew", "data-code-tested"}
    assert all(one["points"] == 0.5 and "CI" in one["how"] for one in found["checks"] if one["id"] in half)


def test_the_score_is_the_least_of_the_sections() -> None:
    facts = dataclasses.replace(good(), monitoring=None, folder=Folder(ignored=True), confidences=None)
    found = rubric(facts)
    sums = {
        section: sum(one["points"] for one in found["checks"] if one["section"] == section)
        for section in SECTIONS
    }
    assert {name: one["points"] for name, one in found["sections"].items()} == sums
    assert found["score"] == min(sums.values()) == sums["monitoring"] == 1.5
    assert found["meaning"].startswith("a first pass")


@pytest.mark.parametrize(
    ("score", "meaning"),
    [(0, "more a research"), (1, "not untested"), (2, "a first pass"), (3, "reasonably")],
)
def test_the_paper_says_what_a_score_means(score: int, meaning: str) -> None:
    facts = Facts(name="triage", certificate=full() | {"against": {}, "compiled": None})
    checks = [one for one in rubric(facts)["checks"] if one["met"] is None]
    by_section = [[one["id"] for one in checks if one["section"] == section] for section in SECTIONS]
    done = [id for ids in by_section for id in ids[: 2 * score]]  # by hand, half a point each
    found = rubric(facts, read_by_hand({"rubric": dict.fromkeys(done, HAND)}))
    assert (found["score"], found["meaning"][: len(meaning)]) == (score, meaning)


def test_evidence_in_the_certificate_is_where_its_link_points() -> None:
    facts = good()
    documents = {"certificate.json": facts.certificate, "report.json": facts.report}
    links = [one["link"] for one in rubric(facts)["checks"] if one["link"]]
    pointers = [link for link in links if "#" in link]
    assert len(pointers) > 8
    for link in pointers:
        name, _, pointer = link.partition("#")
        inner: Any = documents[name]
        for key in pointer.split("/")[1:]:
            inner = inner[key]
        assert inner is not None, link


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"data-priv": HAND}, "'data-priv'"),
        ({"data-privacy": "done"}, "`by`, `on` and `note`"),
        ({"data-privacy": {**HAND, "points": 1}}, "`by`, `on` and `note`"),
        ({"data-privacy": {"by": "Ida", "note": "x"}}, "`by`, `on` and `note`"),
        ({"data-privacy": {**HAND, "by": " "}}, "by"),
        ({"data-privacy": {**HAND, "note": 5}}, "note"),
        ({"data-privacy": {**HAND, "on": "May 2026"}}, "on is a date"),
        ({"data-privacy": {**HAND, "on": "2999-01-01"}}, "on lies ahead"),
        (["data-privacy"], "a table of checks"),
    ],
)
def test_a_bad_entry_by_hand_names_the_key(table: Any, key: str) -> None:
    with pytest.raises(InputError) as caught:
        read_by_hand({"rubric": table})
    assert key in caught.value.message
    assert "[tool.shipworthy.rubric]" in caught.value.where
    assert caught.value.hint


def test_toml_dates_are_dates() -> None:
    entry = {"data-privacy": {**HAND, "on": datetime.date(2026, 5, 1)}}
    assert read_by_hand({"rubric": entry}) == read_by_hand({"rubric": {"data-privacy": HAND}})
    assert read_by_hand({}) == {}


# The folder


FILES = {
    "programs/sort.py": "import dspy\n",
    "tests/test_sort.py": (
        "import re\nimport shipworthy as sw\n"
        "from signatures.sort import Sort\nfrom optimizers.sort import recipe\n"
        "def test_it(assert_certified):\n    assert_certified('sort')\n"
    ),
    ".github/workflows/ci.yml": (
        "on:\n  schedule:\n    - cron: '1 2 * * 3'\njobs: {t: {steps: [{run: make test}]}}\n"
    ),
    "Makefile": "test: deps\n\t.venv/bin/pytest\n\ndeps:\n\tuv sync\n",
    "CODEOWNERS": "* @ida\n",
    "requirements.txt": "numpy==2.4.6 \\\n    --hash=sha256:00\n# by uv\n",
    "renovate.json": "{}\n",
    ".gitignore": ".shipworthy/\n",
}


def project(folder: Path, files: dict[str, str], *, commit: bool = True) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if commit:
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first")):
            who = ("-c", "user.name=Ida", "-c", "user.email=ida@localhost")
            subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)
    return folder


def test_a_folder_shows_its_tests_ci_review_and_versions(tmp_path: Path) -> None:
    found = look_at_folder(project(tmp_path, FILES), "sort")
    ci, test = ".github/workflows/ci.yml", ("tests/test_sort.py",)
    assert found == Folder(
        source_tests=test,
        spec_tests=test,
        pipeline_tests=test,
        tests_in_ci=ci,
        certified_in_ci=ci,
        scheduled=ci,
        owners="CODEOWNERS",
        lock="requirements.txt",
        bot="renovate.json",
        committed=True,
        ignored=True,
    )
    assert look_at_folder(tmp_path, "other") == dataclasses.replace(
        found,
        source_tests=(),
        spec_tests=(),
        pipeline_tests=(),
        certified_in_ci=None,
        scheduled=None,
        committed=False,
    )


def test_an_empty_folder_shows_nothing(tmp_path: Path) -> None:
    assert look_at_folder(tmp_path, "sort") == Folder(committed=False)


@pytest.mark.parametrize(
    ("name", "text", "lost"),
    [
        ("tests/test_sort.py", "def test_it(:\n", "source_tests"),
        ("tests/test_sort.py", "from signatures.sort import Sort\n", "source_tests"),
        ("tests/test_sort.py", "import re\n\n\ndef test_it():\n    re.compile('sort')\n", "pipeline_tests"),
        (".github/workflows/ci.yml", "# make test\njobs: {}\n", "tests_in_ci"),
        (".github/workflows/ci.yml", "on: push\njobs: {t: {steps: [{run: make test}]}}\n", "scheduled"),
        ("Makefile", "test:\n\techo\n", "certified_in_ci"),
        ("requirements.txt", "numpy>=2\n", "lock"),
        ("programs/sort.py", "import dspy  # changed\n", "committed"),
        (".gitignore", "mlflow.db\n", "ignored"),
    ],
)
def test_what_the_folder_does_not_show_is_not_found(tmp_path: Path, name: str, text: str, lost: str) -> None:
    project(tmp_path, FILES)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert not getattr(look_at_folder(tmp_path, "sort"), lost)


@pytest.mark.parametrize(
    "step",
    ["shipworthy certify sort --json", "shipworthy ship sort --full", "uv run shipworthy certify sort"],
)
def test_a_ci_that_certifies_by_command_is_seen(tmp_path: Path, step: str) -> None:
    ci = {".github/workflows/certify.yml": f"on: push\njobs: {{t: {{steps: [{{run: {step}}}]}}}}\n"}
    found = look_at_folder(project(tmp_path, {"programs/sort.py": "", **ci}), "sort")
    assert found.certified_in_ci == ".github/workflows/certify.yml"
    assert found.tests_in_ci is None
    assert look_at_folder(tmp_path, "sorted").certified_in_ci is None


def test_ci_of_the_repository_around_a_project_counts(tmp_path: Path) -> None:
    inner = {f"apps/sort/{name}": text for name, text in FILES.items() if not name.startswith(".github")}
    project(tmp_path, inner | {".github/workflows/ci.yml": "run: cd apps/sort && pytest\n"})
    found = look_at_folder(tmp_path / "apps" / "sort", "sort")
    assert found.tests_in_ci == "../../.github/workflows/ci.yml"
    assert found.committed


# What is measured


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """The facts of a small program, compiled and certified on a stand-in for an LM."""
    folder = tmp_path_factory.mktemp("sort")
    recipe = sw.Recipe(passes=[sw.Demos(), sw.Readout(), sw.Student()])
    source = source_of(dspy.Predict(Sort.with_instructions(GOOD)), name="sort", recipe=recipe)
    lm = Recorded(Understands(), Journal(folder / "journal.jsonl"))
    train, test = rows(60), rows(120)[60:]
    made = compile_program(source, train, lm=lm, lm_name="stand-in", out=folder / "out")
    (folder / "report.json").write_text(json.dumps(made.figures), encoding="utf-8")
    metric = metric_of("exact", made.program.contract.outputs, test)
    certificate = certify(
        made.program,
        Opponent(None, None, "", lm.id),
        train,
        test,
        lm=lm,
        metric=metric,
        look=1,
        quick=True,
        target=0.9,
    )
    more: dict[str, Any] = {"artifact": made.artifact, "project": folder, "train": train, "test": test}
    return facts_of(certificate, made.program, report=folder / "report.json", recompiles=True, **more)


def test_the_facts_of_a_certified_program_are_measured(facts: Facts) -> None:
    assert facts.artifact["digest"] == facts.certificate["digest"]
    assert facts.artifact["untyped"] == []
    assert facts.traced == {"rows": 5, "complete": 5}
    assert facts.refusals == {"tried": 2, "typed": 2}
    assert facts.confidences == {"rows": 60, "sound": 60}
    assert facts.slices is not None
    assert facts.slices["compared"] >= 3
    assert facts.slices["languages"] <= 1
    assert facts.rows is not None
    assert (facts.rows["train"], facts.rows["personal"]) == (60, 0)
    assert facts.rows["checks"]["leak"] == 0


def test_its_rubric_rests_on_them(facts: Facts) -> None:
    found = {one["id"]: one for one in rubric(facts)["checks"]}
    assert found["data-schema"]["status"] == "automated"
    assert found["infra-reproducible"]["status"] == "by hand"
    assert found["infra-debuggable"]["evidence"] == "5 of 5 test rows with every step on record"
    assert found["monitor-stable"]["met"] is None
    assert found["infra-canary"]["status"] == "not done"


def test_a_damaged_artifact_is_a_fact(facts: Facts, tmp_path: Path) -> None:
    from shipworthy.evidence import Certificate

    contract = Contract((Field("text", {"type": "string"}),), (Field("topic", {"enum": ["a", "b"]}),))
    program = cast(Program, _Stub(contract))
    certificate = Certificate(dict(facts.certificate), ())
    found = facts_of(certificate, program, artifact=tmp_path, project=tmp_path, train=[], test=[])
    assert found.artifact["digest"] is None
    assert "manifest.json" in found.artifact["error"]
    assert check(found, "infra-reproducible")["met"] is False
    assert check(found, "monitor-skew")["met"] is False
    assert not questions(found)[4]["measured"]


class _Stub:
    """What facts ask of a program, without one."""

    name = "stub"

    def __init__(self, contract: Contract, instruction: str = "Sort.") -> None:
        step = type("Step", (), {"when": {}, "instruction": instruction})
        self.contract = contract
        self.spec = type("Spec", (), {"steps": {"stub": step}, "flow": ("stub",)})


def test_rows_are_looked_through_for_leaks_secrets_and_personal_data() -> None:
    contract = Contract((Field("text", {"type": "string"}),), (Field("topic", {"enum": ["a", "b"]}),))
    train = [{"text": f"number {word} is here", "topic": "a"} for word in ("one", "two", "three")]
    train += [
        {"text": "my key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF", "topic": "b"},
        {"text": "write to anna@example.com", "topic": "b"},
    ]
    test = [train[0], {"text": "nothing of the kind", "topic": "b"}]
    found = row_facts(cast(Program, _Stub(contract)), train, test)
    assert found is not None
    assert found["checks"] == {"contradiction": 0, "leak": 1, "near_leak": 0, "secret": 1}
    assert found["personal"] == 1
    assert not found["secret_prompt"]
    stub = _Stub(contract, "The key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEF.")
    secret = row_facts(cast(Program, stub), train, test)
    assert secret is not None
    assert secret["secret_prompt"]


def test_an_input_that_takes_anything_refuses_nothing() -> None:
    contract = Contract((Field("text", {}),), (Field("topic", {"enum": ["a", "b"]}),))
    found = refusals(cast(Program, _Stub(contract)), [{"text": "x"}])
    assert found == {"tried": 2, "typed": 1}


def test_an_answer_without_its_raw_text_cannot_be_followed(facts: Facts) -> None:
    from shipworthy.runtime import Answer, Outcome, StepTrace

    step = StepTrace("stub", ({"messages": []},), (), {"topic": "a"}, {"topic": 0.9}, {}, True, 1.0, 1, 1, 1)
    program: Any = _Stub(Contract((Field("text", {}),), (Field("topic", {}),)))
    program.answer_many = lambda rows: (
        Outcome(Answer({"topic": "a"}, {"topic": 0.9}, True, (step,))) for _ in rows
    )
    assert traced(program, [{}]) == {"rows": 1, "complete": 0}
    whole = dataclasses.replace(step, raw=("a",), probabilities={"topic": {"a": 0.9, "b": 0.1}})
    program.answer_many = lambda rows: (
        Outcome(Answer({"topic": "a"}, {"topic": 0.9}, True, (whole,))) for _ in rows
    )
    assert traced(program, [{}, {}]) == {"rows": 2, "complete": 2}


# The questions of production


def test_every_question_is_answered_with_a_figure_or_with_how_to_get_one() -> None:
    for facts in (good(), Facts(name="triage", certificate=full() | {"selective": None})):
        found = questions(facts)
        assert [one["id"] for one in found] == ["traceable", "load", "edge-cases", "new-field", "again"]
        for one in found:
            assert one["measured"] == bool(one["figures"])
            assert one["measured"] == any(map(str.isdigit, one["answer"]))
            assert one["measured"] or (one["answer"] == "Not measured." and one["how"])


def test_the_questions_name_the_figures() -> None:
    found = {one["id"]: one["answer"] for one in questions(good())}
    assert found["traceable"].startswith("5 of 5 test rows")
    assert "empty text (1 rows): 1 handed over" in found["edge-cases"]
    assert "6.9\u00a0% of test rows are handed to a person" in found["edge-cases"]
    assert found["load"].startswith("At 100 times a tenth of its capacity (250 requests a second), 90.0")
    assert "accepted within 900\u00a0ms" in found["load"]
    assert found["new-field"].startswith("A label on 2,040 rows, and a compile: 412 calls, 90,000 tokens")
    assert (
        "compiling again gave the same; its weights are named by their sha256 77aabbccddee" in found["again"]
    )


def test_a_hosted_lm_is_its_providers_to_withdraw() -> None:
    (again,) = [one for one in questions(but("artifact.lm", "openai/gpt-4o-mini")) if one["id"] == "again"]
    assert "openai/gpt-4o-mini, is its provider's to withdraw" in again["answer"]
    assert "local weights" in again["how"]
