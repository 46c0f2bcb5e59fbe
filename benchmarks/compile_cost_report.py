"""Tables of `compile_cost.py`: what each compiler took and gave, and the goals against the figures.

A unit that is not finished is named as not run, and no goal is called met while one is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from compile_cost_dspy import ANSWER, MODES, PEERS
from compile_cost_units import BUDGETS, FALLBACK, OURS, RESULTS, Key
from targets import table

from shipworthy.scoring import Paired, paired_difference, wilson

MARGIN = 0.03
AT_MOST = 100
"""Calls with which shipworthy is held against the others with all of theirs."""


@dataclass(frozen=True)
class Found:
    """The finished units of a set with a seed, by compiler and mode, and those that are not."""

    units: Mapping[tuple[str, str], Mapping[str, Any]]
    missing: tuple[tuple[str, str], ...]

    def right(self, peer: str, mode: str, budget: str) -> list[int] | None:
        """Test rows right of the program at a budget; None where that is not known yet."""
        unit = self.units.get((peer, mode))
        if unit is None:
            return None
        name = unit["runs"]["all" if peer == FALLBACK else budget]["program"]
        if name is None:  # it had no program yet: the student that is not compiled, with demos
            return self.right(FALLBACK, mode, "all") if peer != FALLBACK else None
        return list(unit["programs"][name]["right"])

    def ours(self, budget: str) -> list[int] | None:
        """Test rows right of shipworthy at a budget."""
        return self.right(OURS, "readout", budget)

    def others(self) -> Iterator[tuple[str, str]]:
        """Compilers and modes that are finished, without shipworthy."""
        return (pair for pair in self.units if pair[0] != OURS)


def present() -> list[Key]:
    """All units with results, finished or not."""
    found = []
    for path in sorted(RESULTS.glob("*.json")):
        parts = path.stem.split(".")
        if len(parts) == 4:
            found.append(Key(parts[0], int(parts[1]), parts[2].replace("_", " "), parts[3]))
    return found


def report(keys: Sequence[Key]) -> str:
    """The section, for the sets and seeds in `keys`, which name every unit there should be."""
    parts = [ABOUT]
    wanted: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for key in keys:
        wanted.setdefault((key.set, key.seed), []).append((key.peer, key.mode))
    founds = {place: _found(place, pairs) for place, pairs in wanted.items()}
    parts.append(goals(founds.values()))
    for (name, seed), found in founds.items():
        parts.append(f"`{name}`, seed {seed}:")
        parts.append(costs(found))
        parts.append(budgets(found))
        if found.missing:
            parts.append(f"Not run, or not finished: {_listed(found.missing)}.")
        failed = [
            (*pair, " ".join(unit["error"].split())) for pair, unit in found.units.items() if unit["error"]
        ]
        parts += [f"{peer}, {mode}: it failed ({error})." for peer, mode, error in failed]
    return "\n\n".join(parts)


def _modes() -> str:
    return "; ".join(f"**{name}**: {about}" for name, about in MODES.items())


ABOUT = "\n".join(
    (
        "Calls are requests to the LM: failed ones count, and those that were answered from the journal of a "
        "stopped run, with the time that they took when they were made. shipworthy's repeats of a request "
        "count too; a peer's do not, as if it had a cache (in brackets with them). A typed decision is one "
        "request for each place where the labels part. One caller at a time, one thread.",
        "",
        f"Each peer runs in several modes: {_modes()}. The client for typed decisions is ours, over `score`: "
        "shipworthy's prompt, and the shares of a label's tokens multiplied. MIPROv2 and GEPA write and "
        "reflect with the same small LM, which is hardly able to: a larger one might serve them better. The "
        f"LM always gives its likeliest text; a plain answer may have {ANSWER} tokens.",
        "",
        "A peer that is stopped at a budget gives its best program so far: the best by its own scores among "
        "those that it has scored on all of its validation rows. If it has none yet, the student that is not "
        "compiled counts, with as many labelled demos as fit into the context. shipworthy is given the "
        "budget, and less of it where it makes more calls than that.",
    )
)


def goals(founds: Iterable[Found]) -> str:
    """Each goal, its figures, and whether it is met."""
    founds = list(founds)
    lines = [
        _goal(f"with at most {AT_MOST} calls, against all calls of each", founds, str(AT_MOST), "all"),
        *(
            _goal(f"at {budget} calls, against each stopped there", founds, str(budget), str(budget))
            for budget in BUDGETS
        ),
    ]
    wanted = f"every lower bound above {-100 * MARGIN:.0f} points"
    heads = ("goal: shipworthy -O2 is no worse", "wanted", "found", "met")
    return table(heads, [(what, wanted, found, met) for what, found, met in lines])


def _goal(what: str, founds: Sequence[Found], ours: str, theirs: str) -> tuple[str, str, str]:
    lows: list[tuple[float, str]] = []
    unknown = 0
    for found in founds:
        unknown += len(found.missing)
        for peer, mode in found.others():
            difference = _difference(found.ours(ours), found.right(peer, mode, theirs))
            if difference is None:
                unknown += (peer, mode) not in found.missing
            else:
                lows.append((difference.ci[0], f"{peer}, {mode}"))
    if not lows:
        return what, "nothing was run", "open"
    low, name = min(lows)
    below = [name for low, name in lows if low <= -MARGIN]
    said = f"lowest of {len(lows)}: {_points(low)} points ({name})"
    if below:
        return what, f"{said}; missed against {'; '.join(below)}", "**no**"
    return what, said, f"so far; {unknown} not run" if unknown else "yes"


def costs(found: Found) -> str:
    """A line a compiler and mode, with all its calls."""
    mine = found.ours(str(AT_MOST))
    lines = []
    if (OURS, "readout") in found.units:
        for budget, name in (
            (str(AT_MOST), f"{OURS}, at most {AT_MOST} calls"),
            ("all", f"{OURS}, no budget"),
            ("student", "its student alone: TF-IDF + logistic regression, no LM"),
        ):
            run = found.units[OURS, "readout"]["runs"].get(budget)
            if run is not None:
                own = found.ours(budget)
                lines.append((name, "readout", *_cost(run, own=True), *_score(own, _other(mine, own))))
    for peer, mode in found.others():
        unit = found.units[peer, mode]
        name = f"{peer} ({unit['settings']})"
        right = found.right(peer, mode, "all")
        lines.append((name, mode, *_cost(unit["runs"]["all"], own=False), *_score(right, mine)))
    heads = (
        "compiler",
        "mode",
        "calls",
        "tokens in / out",
        "seconds",
        "test rows right (95 %)",
        f"shipworthy with {AT_MOST} calls is better by, points (95 %)",
    )
    return table(heads, lines)


def budgets(found: Found) -> str:
    """A line a compiler: its score at every budget, in its best mode there, and ours against it."""
    names = [OURS, *PEERS, FALLBACK]
    lines = []
    for peer in names:
        modes = [mode for own, mode in found.units if own == peer]
        cells = [_best(found, peer, modes, str(budget)) for budget in BUDGETS]
        lines.append((peer, *cells))
    heads = ("test rows right at a budget of", *(f"{budget:,} calls" for budget in BUDGETS))
    after = "In brackets: shipworthy at that budget is better by so many points (95 %). Of a peer's finished "
    after += "modes, the one with the best score on the test rows."
    return table(heads, lines) + "\n\n" + after


def _best(found: Found, peer: str, modes: Sequence[str], budget: str) -> str:
    scored = []
    for mode in modes:
        right = found.right(peer, mode, budget)
        if right is not None:
            scored.append((float(np.mean(right)), mode, right))
    if not scored:
        return "not run"
    share, mode, right = max(scored, key=lambda entry: entry[0])
    if peer == OURS:
        calls = found.units[OURS, "readout"]["runs"][budget]["all"]["calls"]
        return f"{100 * share:.1f} % with {calls}"
    difference = _difference(found.ours(budget), right)
    beside = f" ({_points_of(difference)})" if difference else ""
    return f"{100 * share:.1f} % {mode}{beside}"


def _cost(run: Mapping[str, Any], *, own: bool) -> tuple[str, str, str]:
    every, distinct = run["all"], run["distinct"]
    cost = every if own else distinct
    calls = f"{cost['calls']:,}"
    if not own and every["calls"] != distinct["calls"]:
        calls += f" ({every['calls']:,})"
    if run["failed"]:
        calls += f", {run['failed']:,} failed"
    return calls, f"{cost['tokens_in']:,} / {cost['tokens_out']:,}", f"{run['seconds']:.0f}"


def _score(right: list[int] | None, mine: list[int] | None) -> tuple[str, str]:
    if right is None:
        return "not run", ""
    low, high = wilson(sum(right), len(right))
    said = f"{100 * np.mean(right):.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    difference = _difference(mine, right)
    return said, _points_of(difference) if difference else ""


def _difference(mine: list[int] | None, theirs: list[int] | None) -> Paired | None:
    return None if mine is None or theirs is None else paired_difference(mine, theirs)


def _other(mine: list[int] | None, own: list[int] | None) -> list[int] | None:
    """Nothing to compare with where it is the same program."""
    return None if mine == own else mine


def _points_of(found: Paired) -> str:
    return f"{_points(found.mean)}, {_points(found.ci[0])} to {_points(found.ci[1])}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _found(place: tuple[str, int], pairs: Sequence[tuple[str, str]]) -> Found:
    units = {}
    missing = []
    for peer, mode in pairs:
        unit = Key(*place, peer, mode).read()
        if unit is not None and unit["done"]:
            units[peer, mode] = unit
        else:
            missing.append((peer, mode))
    return Found(units, tuple(missing))


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    by_peer: dict[str, list[str]] = {}
    for peer, mode in pairs:
        by_peer.setdefault(peer, []).append(mode)
    return "; ".join(f"{peer} ({', '.join(modes)})" for peer, modes in by_peer.items())
