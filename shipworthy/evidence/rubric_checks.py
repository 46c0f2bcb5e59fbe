"""What each of the 28 tests of the rubric finds in the facts: met, not met, or not to be told.

`None` for "not to be told" leaves room for a person's own test; what was measured and does
not hold is not made good by a note. `alone` marks what happens at every call, load or
release, without anybody asking; all else is repeated only if CI makes the certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .facts import Facts
from .readings import edge_cases, wrong_by_fault
from .words import percent

COMPILE_WITHIN_S = 3600
OLD_DAYS = 7
RECENT_DAYS = 30
SLOWER = 1.25


@dataclass(frozen=True)
class Found:
    """What a test found.

    Attributes:
        met: None where the facts do not say.
        evidence: the figure or file, in words; link: relative to the project, or into
            `certificate.json` or `report.json` by JSON pointer.
        alone: it runs at every call, load or release.
    """

    met: bool | None
    evidence: str | None = None
    link: str | None = None
    alone: bool = False


UNKNOWN = Found(None)


def _data_schema(facts: Facts) -> Found:
    untyped = facts.artifact.get("untyped")
    if facts.artifact.get("error") is not None or untyped is None:
        return UNKNOWN
    if untyped:
        return Found(None, f"any text fits {', '.join(untyped)}", alone=True)
    return Found(True, "every output has a type that narrows it down", alone=True)


def _data_beneficial(facts: Facts) -> Found:
    found = facts.certificate["against"].get("majority")
    n_inputs = facts.artifact.get("inputs")
    if found is None or found["ci"] is None or n_inputs is None:
        return UNKNOWN
    said = f"{100 * found['mean']:+.1f} points to the commonest label on {found['n']} rows"
    link = "certificate.json#/against/majority"
    if found["ci"][0] <= 0:
        return Found(False, f"{said}, which may be nothing", link)
    return Found(True, said, link) if n_inputs == 1 else Found(None, f"{said}, all inputs together", link)


def _data_cost(facts: Facts) -> Found:
    decisions = (facts.report or {}).get("decisions")
    if not decisions:
        return UNKNOWN
    last = {one["name"]: one["rounds"][-1] for one in decisions}
    dear = [
        name
        for name, round in last.items()
        if not any(one["front"] for one in round["considered"] if one["name"] == round["chosen"])
    ]
    n = sum(len(round["considered"]) for round in last.values())
    said = f"{n} ways to decide were weighed"
    beaten = f", and for {', '.join(dear)} one that asks less, or no more, was right as often" if dear else ""
    return Found(not dear, said + beaten, "report.json#/decisions")


def _data_requirements(facts: Facts) -> Found:
    if facts.rows is None:
        return UNKNOWN
    faults = {kind: n for kind, n in facts.rows["checks"].items() if n}
    said = ", ".join(f"{n} rows: {kind.replace('_', ' ')}" for kind, n in faults.items())
    if facts.rows["secret_prompt"]:
        said = f"{said}, a secret in the prompt" if said else "a secret in the prompt"
    n = facts.rows["train"] + facts.rows["test"]
    return Found(not said, said or f"{n} rows and the prompt were looked through", "certificate.json#/rows")


def _data_privacy(facts: Facts) -> Found:
    if not facts.folder.ignored:
        return Found(False, "git does not leave .shipworthy/ alone, where answers are kept", ".gitignore")
    if facts.rows is None:
        return UNKNOWN
    n, lm = facts.rows["personal"], facts.artifact.get("lm") or "local/"
    if not n:
        return Found(True, "no row holds what looks like personal data", ".gitignore")
    where = "they stay on this machine" if lm.startswith("local/") else f"they are sent to {lm}"
    return Found(None, f"{n} rows hold what looks like personal data; {where}")


def _data_new_field(facts: Facts) -> Found:
    spent = (facts.report or {}).get("spent")
    if spent is None:
        return UNKNOWN
    said = f"a compile took {spent['seconds']:,.0f} s and {spent['calls']:,} calls"
    return Found(spent["seconds"] <= COMPILE_WITHIN_S, said, "report.json#/spent")


def _tested(tests: tuple[str, ...], facts: Facts) -> Found:
    if not tests:
        return Found(None, "no test of it was found under tests/")
    if facts.folder.tests_in_ci is None:
        return Found(None, f"{tests[0]}, which nothing runs by itself", tests[0])
    return Found(True, f"{tests[0]}, run by {facts.folder.tests_in_ci}", tests[0], alone=True)


def _data_code_tested(facts: Facts) -> Found:
    return _tested(facts.folder.source_tests, facts)


def _model_reviewed(facts: Facts) -> Found:
    if facts.folder.committed is None:
        return UNKNOWN
    commit = facts.provenance.get("git_commit")
    if not facts.folder.committed or not commit:
        return Found(False, "source, recipe or rows are not in git as they stand")
    said = f"commit {commit[:12]}"
    if facts.folder.owners is None:
        return Found(None, f"{said}; who reviewed it is not to be seen")
    return Found(True, f"{said}, reviewed by {facts.folder.owners}", facts.folder.owners, alone=True)


def _model_online(facts: Facts) -> Found:
    found, ours = (facts.monitoring or {}).get("labelled"), facts.certificate["compiled"]
    if found is None or ours is None:
        return UNKNOWN
    overlap = found["ci"][0] <= ours["ci"][1] and ours["ci"][0] <= found["ci"][1]
    said = f"{percent(found['score'])} on {found['n']} production rows, {percent(ours['score'])} on test rows"
    return Found(overlap, said, "certificate.json#/compiled")


def _model_tuned(facts: Facts) -> Found:
    if facts.report is None:
        return UNKNOWN
    weighed = [len(one["rounds"][0]["considered"]) for one in facts.report["decisions"]]
    raced = max((len(one.get("standings", ())) for one in facts.report["races"]), default=0)
    chosen = (bool(weighed) and min(weighed) > 1) or raced > 1
    said = f"{sum(weighed)} ways to decide were weighed, {raced} prompts raced"
    return Found(chosen, said, "report.json#/decisions")


def _model_staleness(facts: Facts) -> Found:
    found = (facts.monitoring or {}).get("staleness")
    if found is None:
        return UNKNOWN
    low, high = (100 * bound for bound in found["ci"])
    said = f"{100 * found['mean']:+.1f} points ({low:+.1f} to {high:+.1f})"
    return Found(found["days"] >= OLD_DAYS, f"a program {found['days']:g} days older: {said}")


def _model_simpler(facts: Facts) -> Found:
    found = {name: facts.certificate["against"].get(name) for name in ("majority", "tfidf_lr")}
    if any(one is None or one["ci"] is None for one in found.values()):
        return UNKNOWN
    better = [name for name, one in found.items() if one is not None and one["ci"][1] < 0]
    said = ", ".join(f"{100 * one['mean']:+.1f} points to {name}" for name, one in found.items() if one)
    return Found(not better, said, "certificate.json#/against")


def _model_slices(facts: Facts) -> Found:
    found = facts.slices
    if found is None or found["compared"] < 2:
        return UNKNOWN
    if found["weak"]:
        return Found(False, f"weaker than the rest: {', '.join(found['weak'])}")
    return Found(True, f"{found['compared']} slices compared, none significantly weaker")


def _model_inclusion(facts: Facts) -> Found:
    found = facts.slices
    if found is None or found["languages"] < 2:
        return UNKNOWN
    weak = [one for one in found["weak"] if one.startswith(("language = ", "script = "))]
    said = f"{found['languages']} languages or scripts compared"
    return Found(not weak, f"{said}, weaker: {', '.join(weak)}" if weak else said)


def _infra_reproducible(facts: Facts) -> Found:
    digest, certified = facts.artifact.get("digest"), facts.certificate["digest"]
    named = facts.provenance.get("seed") is not None and facts.provenance.get("versions")
    if digest != certified:
        return Found(
            False, f"the artifact on disk is not the one certified: {facts.artifact.get('error') or digest}"
        )
    if not named or not facts.provenance.get("data", {}).get("train"):
        return Found(False, "the provenance lacks seed, rows or versions")
    if facts.recompiles is None:
        return Found(None, f"reads back to {certified[:16]}; it was not compiled again")
    again = (
        "compiling again gave the same" if facts.recompiles else "compiling again gave another digest than"
    )
    return Found(facts.recompiles, f"{again} {certified[:16]}", "certificate.json#/digest")


def _infra_spec_tested(facts: Facts) -> Found:
    return _tested(facts.folder.spec_tests, facts)


def _infra_pipeline_tested(facts: Facts) -> Found:
    return _tested(facts.folder.pipeline_tests, facts)


def _infra_validated(facts: Facts) -> Found:
    registry = facts.registry or {}
    version, verdict = registry.get("champion"), registry.get("champion_verdict")
    if version is None or verdict is None:
        return UNKNOWN
    return Found(
        verdict == "pass", f"the certificate of the champion, version {version}: {verdict}", alone=True
    )


def _infra_debuggable(facts: Facts) -> Found:
    found = facts.traced
    if found is None:
        return UNKNOWN
    said = f"{found['complete']} of {found['rows']} test rows with every step on record"
    return Found(found["complete"] == found["rows"], said)


def _infra_canary(facts: Facts) -> Found:
    found = (facts.monitoring or {}).get("canary")
    if found is None:
        return UNKNOWN
    said = f"version {found['version']} answered {found['requests']:,} requests first"
    return Found(found["requests"] > 0, said, alone=True)


def _infra_rollback(facts: Facts) -> Found:
    found = (facts.registry or {}).get("rollback")
    if found is None:
        return UNKNOWN
    reads = "its artifact was verified" if found["reloads"] else "its artifact cannot be read"
    return Found(found["reloads"], f"version {found['version']}: {reads}")


def _monitor_dependencies(facts: Facts) -> Found:
    lock, bot = facts.folder.lock, facts.folder.bot
    if lock is None:
        return Found(None, "no exact versions are locked")
    if bot is None:
        return Found(None, f"locked in {lock}; nothing tells of new versions", lock)
    return Found(True, f"locked in {lock}, watched by {bot}", bot, alone=True)


def _monitor_invariants(facts: Facts) -> Found:
    if facts.refusals is None:
        return UNKNOWN
    tried, typed = facts.refusals["tried"], facts.refusals["typed"]
    said = f"{typed} of {tried} rows that break the contract ended in a typed error"
    edges = edge_cases(facts.certificate) or {}
    untyped = sum(n for one in edges.values() for n in one["untyped"].values())
    if typed < tried or untyped:
        return Found(False, f"{said}; {untyped} very long or empty inputs ended in another exception")
    drift = (facts.monitoring or {}).get("drift")
    if drift is None:
        return Found(None, f"{said}; whether inputs drift is not watched")
    watched = bool(drift["watched"])
    return Found(watched, f"{said}; drift is {'' if watched else 'not '}watched", alone=watched)


def _monitor_skew(facts: Facts) -> Found:
    if facts.artifact.get("digest") != facts.certificate["digest"]:
        return Found(False, "the artifact on disk is not the one certified")
    lm, probes = facts.artifact.get("lm"), facts.artifact.get("probes", 0)
    if lm is not None and not probes:
        return Found(None, "the artifact has no rows to check an engine by")
    said = f"{probes} rows with log-probabilities expected" if lm is not None else "no LM is called"
    return Found(True, f"the artifact on disk is the one certified; {said}", alone=True)


def _monitor_stale(facts: Facts) -> Found:
    path = facts.folder.scheduled
    if path is None:
        return Found(None, "no CI file makes a certificate by the clock")
    return Found(True, f"{path} makes a certificate by the clock", path, alone=True)


def _monitor_stable(facts: Facts) -> Found:
    found, faults = facts.confidences, wrong_by_fault(facts.certificate)
    if found is None:
        return UNKNOWN
    said = f"{found['sound']} of {found['rows']} confidences are numbers from 0 to 1"
    if found["sound"] < found["rows"]:
        return Found(False, said)
    if faults is None:
        return Found(None, f"{said}; no fault was injected")
    wrong, n = faults
    return Found(
        not wrong,
        f"{said}; {wrong} wrong answers by {n} injected faults",
        "certificate.json#/batteries/faults",
    )


def _monitor_speed(facts: Facts) -> Found:
    ours = facts.certificate["compiled"]
    now = ours["ms_p95"] if ours else None
    allowed = (facts.certificate.get("gate") or {}).get("latency_ms_p95")
    before = ((facts.previous or {}).get("compiled") or {}).get("ms_p95")
    if now is None:
        return UNKNOWN
    link = "certificate.json#/compiled/ms_p95"
    if allowed is not None:
        return Found(now <= allowed, f"p95 {now:,.3g} ms; the gate allows {allowed:,g} ms", link)
    if before is None:
        return UNKNOWN
    return Found(now <= SLOWER * before, f"p95 {now:,.3g} ms; {before:,.3g} ms before", link)


def _monitor_quality(facts: Facts) -> Found:
    found, ours = (facts.monitoring or {}).get("labelled"), facts.certificate["compiled"]
    if found is None or ours is None or found.get("days_old") is None:
        return UNKNOWN
    said = (
        f"{percent(found['score'])} on {found['n']} production rows, {found['days_old']:g} days old at most"
    )
    holds = found["ci"][1] >= ours["ci"][0]
    return Found(holds and found["days_old"] <= RECENT_DAYS, said, alone=True)


CHECKS: dict[str, Callable[[Facts], Found]] = {
    function.__name__[1:].replace("_", "-"): function
    for function in (
        *(_data_schema, _data_beneficial, _data_cost, _data_requirements, _data_privacy),
        *(_data_new_field, _data_code_tested),
        *(_model_reviewed, _model_online, _model_tuned, _model_staleness, _model_simpler),
        *(_model_slices, _model_inclusion),
        *(_infra_reproducible, _infra_spec_tested, _infra_pipeline_tested, _infra_validated),
        *(_infra_debuggable, _infra_canary, _infra_rollback),
        *(_monitor_dependencies, _monitor_invariants, _monitor_skew, _monitor_stale),
        *(_monitor_stable, _monitor_speed, _monitor_quality),
    )
}
