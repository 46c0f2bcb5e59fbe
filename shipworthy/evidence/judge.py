"""The verdict: a pure function of a certificate's data and a gate, with every reason in words and figures.

All conditions must hold. One that is shown not to hold makes `fail`; one that the rows
cannot decide, or that was not measured, makes `inconclusive`; a gate never passes on
what nobody has looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..compiler import Gate
from ..scoring import gate_power, look_level
from .readings import Reading, attack_success, changed_answers, worst_drop
from .words import milliseconds

Data = Mapping[str, Any]
Finding = tuple[str, str]
POWER = 0.8
MOST_ROWS = 100_000
PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"


def judge(data: Data, gate: Gate | None = None) -> tuple[str, list[str]]:
    """Judge a certificate.

    Args:
        data: `Certificate.data`, or a certificate.json as it was read.
        gate: the default one asks to be better than the prototype, at the certificate's
            level, and that no simple baseline is significantly better.

    Returns:
        `pass`, `fail` or `inconclusive`, and the reasons in the order of the conditions.
    """
    gate = gate or Gate()
    if data["compiled"] is None:  # nothing was measured, and the certificate says why
        return INCONCLUSIVE, [str(reason) for reason in data["reasons"]] or ["nothing was measured"]
    better = [name for name, found in data["against"].items() if found["ci"] and found["ci"][1] < 0]
    findings: list[Finding] = [
        (FAIL, f"the simple baseline {name} is significantly better: {points_of(data['against'][name])}")
        for name in better
    ]
    if gate.prototype != "any":
        findings.append(_compared(data["difference"], gate.prototype, gate.margin, look=data["look"]))
    if all(outcome == PASS for outcome, _ in findings):
        findings.append((PASS, "no simple baseline is significantly better"))
    for condition in _CONDITIONS:
        findings += condition(data, gate)
    outcomes = {outcome for outcome, _ in findings}
    verdict = FAIL if FAIL in outcomes else INCONCLUSIVE if INCONCLUSIVE in outcomes else PASS
    return verdict, [reason for _, reason in findings]


def under_stress(data: Data) -> list[str]:
    """Where changed text or attacks show the program and its prototype to differ, whatever the gate asks."""
    batteries = data["batteries"] or {}
    asked = (
        ("brittleness", "a change of text costs the program {} than the prototype", "more", "less"),
        ("attacks", "attacks turn the program {} than the prototype", "more often", "less often"),
    )
    found = []
    for name, sentence, worse, better in asked:
        difference = (batteries.get(name) or {}).get("difference") or {}
        difference = difference.get("overall", difference)
        if difference and difference["ci"] and (difference["ci"][0] > 0 or difference["ci"][1] < 0):
            low, high = (100 * bound for bound in difference["ci"])
            how = sentence.format(worse if low > 0 else better)
            points = f"{100 * difference['mean']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
            found.append(f"{how}: {points} on {difference['n']} rows")
    return found


def points_of(found: Mapping[str, Any]) -> str:
    """A paired difference of a certificate: `+9.2 points (97.5 % interval +3.1 to +15.0)`."""
    if found["ci"] is None:
        return "not measured"
    low, high = (100 * bound for bound in found["ci"])
    mean, level = 100 * found["mean"], 100 * found["ci_level"]
    return f"{mean:+.1f} points ({level:.4g} % interval {low:+.1f} to {high:+.1f})"


def _compared(found: Mapping[str, Any], wanted: str, margin: float, *, look: int) -> Finding:
    """A difference to the prototype at a look: superiority, or non-inferiority, by a margin."""
    if found["ci"] is None:
        return (
            INCONCLUSIVE,
            "there is no prototype to compare with, so nothing can be said of an improvement",
        )
    low, high = found["ci"]
    what = f"{points_of(found)} on {found['n']} test rows"
    by = f"{100 * margin:g} points"
    if wanted == "no worse":
        if low > -margin:
            return PASS, f"no worse than the prototype by {by}: {what}"
        if high < -margin:
            return FAIL, f"worse than the prototype by more than {by}: {what}"
        return (
            INCONCLUSIVE,
            f"not shown to be within {by} of the prototype: {what}; more test rows may show it",
        )
    if low > margin:
        return PASS, f"better than the prototype{f' by more than {by}' if margin else ''}: {what}"
    if high < margin:
        return FAIL, (
            f"not better than the prototype by {by}: {what}"
            if margin
            else f"worse than the prototype: {what}"
        )
    more = f" by more than {by}" if margin else ""
    enough = rows_enough(found, margin, level=look_level(look + 1))
    how_many = "more test rows may show it"
    if enough is not None:
        how_many = f"if that is the true difference, {enough:,} test rows would show it 4 times in 5"
    return INCONCLUSIVE, f"not shown to be better than the prototype{more}: {what}; {how_many}"


def rows_enough(found: Mapping[str, Any], margin: float, *, level: float) -> int | None:
    """Test rows on which a difference of this size passes 4 times in 5, if it is the true one.

    The exact power of the gate (`gate_power`), at the level of the next look. None where the
    measured difference is not above the margin, or more than 100,000 rows are needed.
    """
    decided = found.get("wins", 0) + found.get("losses", 0)
    effect = found["mean"] - margin
    share = min(decided / found["n"], 0.999) if found["n"] else 0.0
    if effect <= 0 or share < effect - margin:
        return None
    effect = min(effect, share)

    def power(rows: int) -> float:
        return gate_power(rows, effect, share, level=level)

    low, high = 1, 8
    while power(high) < POWER:
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return max(high, int(found["n"]) + 1)


def _outputs(data: Data, gate: Gate) -> Iterator[Finding]:
    differences = data.get("difference_by_output") or {}
    for name, condition in gate.outputs.items():
        wanted = condition.get("prototype", "better")
        found = differences.get(name)
        if wanted == "any":
            continue
        if found is None or found["ci"] is None:
            known = ", ".join(map(repr, differences)) or "none"
            reason = (
                f"{name!r} was not compared with the prototype by itself (compared were {known}): "
                "certify it against a prototype that gives this output"
            )
            yield INCONCLUSIVE, reason
            continue
        outcome, reason = _compared(found, wanted, float(condition.get("margin", 0.0)), look=data["look"])
        yield outcome, f"{name!r}: {reason}"


def _selective(data: Data, gate: Gate) -> Iterator[Finding]:
    if gate.coverage is None and gate.accuracy is None:
        return
    found = data["selective"]
    if found is None:
        yield (
            INCONCLUSIVE,
            "coverage was not measured: no output is a decision with a confidence, and only "
            "such outputs can be handed over",
        )
        return
    if gate.coverage is not None:
        enough = found["coverage"] >= gate.coverage
        what = f"answers {_percent(found['coverage'])} of rows by itself"
        yield PASS if enough else FAIL, f"{what}; the gate asks for {_percent(gate.coverage)}"
    if gate.accuracy is None:
        return
    asked = f"the gate asks for {_percent(gate.accuracy)}"
    if found["guaranteed"] is None:
        yield FAIL, f"no row is answered, so no accuracy is guaranteed; {asked}"
        return
    what = (
        f"{_percent(found['guaranteed'], down=True)} accuracy is guaranteed on answered rows "
        f"({found['n']} rows, at the {100 * found['level']:g} % level); {asked}"
    )
    if found["guaranteed"] >= gate.accuracy:
        yield PASS, what
    elif found["accuracy"] < gate.accuracy:
        yield FAIL, f"{what}, and {_percent(found['accuracy'])} were right"
    else:
        more = found["more_rows"] if gate.accuracy == found["target"] else None
        yield INCONCLUSIVE, f"{what}; {f'{more:,} more' if more else 'more'} test rows may show it"


def _latency(data: Data, gate: Gate) -> Iterator[Finding]:
    if gate.latency_ms_p95 is None:
        return
    found = data["compiled"]["ms_p95"]
    if found is None:
        yield INCONCLUSIVE, "latency was not measured, since no test row was answered"
        return
    yield (
        PASS if found <= gate.latency_ms_p95 else FAIL,
        f"95 % of answers took at most {milliseconds(found)} ms; the gate allows {gate.latency_ms_p95:,g} ms",
    )


def _cost(data: Data, gate: Gate) -> Iterator[Finding]:
    if gate.usd_per_call is None:
        return
    found = data["compiled"]["usd_per_call"]
    if found is None:
        yield (
            INCONCLUSIVE,
            "the cost of a call is not known: state the LM's price in [tool.shipworthy.prices]",
        )
        return
    yield (
        PASS if found <= gate.usd_per_call else FAIL,
        f"a call costs US$ {found:.3g}; the gate allows US$ {gate.usd_per_call:.3g}",
    )


def _batteries(data: Data, gate: Gate) -> Iterator[Finding]:
    asked = (
        (gate.score_drop, worst_drop, "the score's largest drop under a change of text"),
        (gate.flips, changed_answers, "the share of answers that a change of text changes"),
        (gate.attack_success, attack_success, "the success rate of attacks"),
    )
    for limit, reading, what in asked:
        if limit is None:
            continue
        found = reading(data)
        if found is None:
            yield INCONCLUSIVE, f"{what} was not measured: make the full certificate, without --quick"
        else:
            yield _at_most(found, limit, what)


def _at_most(found: Reading, limit: float, what: str) -> Finding:
    low, high = found.ci
    name = f" ({found.name})" if found.name else ""
    said = (
        f"{what}{name} is {_percent(found.value)} (95 % interval {_percent(low)} to {_percent(high)}) "
        f"on {found.n} rows; the gate allows {_percent(limit)}"
    )
    if high <= limit:
        return PASS, said
    return (FAIL, said) if low > limit else (INCONCLUSIVE, f"{said}; more rows may show it")


def _leak(data: Data, gate: Gate) -> Iterator[Finding]:
    if not gate.no_leak:
        return
    found = data.get("leaks")
    if found is None:
        yield INCONCLUSIVE, "whether test rows are training rows was not looked at: certify it in its project"
        return
    exact, near = found["exact"], found["near"]
    if exact or near:
        yield FAIL, f"{exact} test rows are training rows too, and {near} are nearly so"
    else:
        yield PASS, f"no test row is a training row, or nearly one ({data['rows']['test']} test rows)"


def _rubric(data: Data, gate: Gate) -> Iterator[Finding]:
    if gate.rubric is None:
        return
    found = data.get("rubric")
    if found is None:
        yield INCONCLUSIVE, "the readiness rubric was not scored: certify it in its project"
        return
    worst = min(found["sections"], key=lambda name: found["sections"][name]["points"])
    yield (
        PASS if found["score"] >= gate.rubric else FAIL,
        f"the readiness score is {found['score']:g} of 7 (its lowest section is {worst}); "
        f"the gate asks for {gate.rubric:g}",
    )


_CONDITIONS: tuple[Callable[[Data, Gate], Iterator[Finding]], ...] = (
    _outputs,
    _selective,
    _latency,
    _cost,
    _batteries,
    _leak,
    _rubric,
)


def _percent(share: float, *, down: bool = False) -> str:
    """`93.1 %`; a guarantee is rounded down."""
    return f"{(int(1000 * share + 1e-9) / 10 if down else 100 * share):.1f} %"
