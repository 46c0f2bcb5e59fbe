"""Which programs an optimizer that is not ours has tried on which rows, and how they scored.

The adapter tells which program is asked about which row, the optimizer's metric what came
of it; both happen on the same thread, one after the other. So it is known at any moment
which program is best by the optimizer's own metric, whatever kind of optimizer it is.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...examples import digest_of
from ...runtime import plain_value

LEAST = 10
"""Rows that a program is scored on before it can be taken for the best; all of them where there are fewer."""
KEPT = 50
"""Programs that a report keeps."""


@dataclass
class Tried:
    """A program of an optimizer.

    Attributes:
        demos: as the predictor has them.
        scores: by row.
    """

    instruction: str
    demos: Sequence[Mapping[str, Any]]
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Of its scores; it has some."""
        return statistics.fmean(self.scores.values())

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "score": self.mean,
            "rows": len(self.scores),
            "instruction": self.instruction,
            "demos": len(self.demos),
        }


class Book:
    """Keeps what was tried.

    Args:
        inputs, outputs: names of the fields; what a demo holds beside them does not count.
        rows: that the optimizer has.
    """

    def __init__(self, inputs: Sequence[str], outputs: Sequence[str], rows: int) -> None:
        self._inputs = tuple(inputs)
        self._fields = (*inputs, *outputs)
        self._least = min(LEAST, rows)
        self._programs: dict[str, Tried] = {}
        self._lock = threading.Lock()
        self._here = threading.local()

    def asked(self, instruction: str, demos: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]) -> None:
        """A program is asked about a row, on this thread."""
        shown = [{name: demo[name] for name in self._fields if name in demo} for demo in map(dict, demos)]
        key = digest_of([instruction, plain_value(shown)])
        with self._lock:
            program = self._programs.setdefault(key, Tried(instruction, tuple(shown)))
        self._here.asked = program, self._row(inputs)

    def failed(self) -> None:
        """What was asked last on this thread has no usable answer: that is a wrong one."""
        self._note(0.0)

    def scored(self, example: Any, score: Any) -> None:
        """The metric has said what the last answer on this thread is worth, if it was about this row."""
        asked = getattr(self._here, "asked", None)
        number = _number(score)
        if asked is not None and number is not None and asked[1] == self._row(example):
            self._note(number)

    def programs(self) -> list[Tried]:
        """Those that were scored, in the order in which they were tried first."""
        with self._lock:
            return [program for program in self._programs.values() if program.scores]

    def best(self) -> Tried | None:
        """The best program; None where none was scored on enough rows.

        Programs are compared, row by row, with one that was scored on the most rows; they
        need half of these. Of equal ones the first is taken.
        """
        programs = self.programs()
        if not programs:
            return None
        most = max(programs, key=lambda program: len(program.scores))
        needed = max(self._least, len(most.scores) / 2)
        best, lead = None, 0.0
        for program in programs:
            common = program.scores.keys() & most.scores.keys()
            if len(common) < needed:
                continue
            ahead = statistics.fmean(program.scores[row] - most.scores[row] for row in sorted(common))
            if best is None or ahead > lead:
                best, lead = program, ahead
        return best

    def as_json(self) -> list[dict[str, Any]]:
        """The programs scored on the most rows, the best of them first; no more than a report needs."""
        ranked = sorted(self.programs(), key=lambda program: (-len(program.scores), -program.mean))
        return [program.as_json() for program in ranked[:KEPT]]

    def _note(self, score: float) -> None:
        program, row = self._here.asked
        with self._lock:
            program.scores.setdefault(row, score)
        self._here.asked = None

    def _row(self, values: Any) -> str:
        return digest_of(plain_value({name: values[name] for name in self._inputs if name in values}))


def _number(score: Any) -> float | None:
    """A metric's answer as a number: a bool, a number, or what has one as `score`."""
    value = getattr(score, "score", score)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
