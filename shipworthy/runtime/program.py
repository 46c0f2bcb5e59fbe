"""A loaded program: call it with keyword arguments, or give it many rows."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArtifactError, RowError, RowInputError, ShipworthyError, StorageError
from ..examples import atomic_write, digest_of
from ..lms import cache_folder, deadline
from .answer import Answer
from .artifact import read_artifact, read_code_of
from .contract import Contract, Field, says_nothing
from .flow import Flow
from .readout import Heads
from .spec import Code, Probe, ProgramSpec

if TYPE_CHECKING:
    import dspy

    from ..lms import LM
    from .parallel import Outcome

PROBE_TOLERANCE = 0.02
"""By how much a probe's log-probabilities may differ before the heads are said not to fit."""


class Program:
    """A compiled program.

    Call it with its inputs: `program(ticket="...").queue`. The LM is opened at the first
    call that needs it.

    Args:
        spec, heads: as `read_artifact` gives them.
        code: of the steps that are functions, which is imported here.
        lm: an LM to use instead of the one named in the program; its id must be the same.
        probes: rows that the first call on a machine checks.
        version: how the program was asked for, such as `triage/3`.

    Raises:
        ArtifactError: `lm` is another one than the heads were fitted on, or code cannot be imported.
    """

    def __init__(
        self,
        spec: ProgramSpec,
        heads: Mapping[str, Heads],
        *,
        code: Mapping[str, Code] | None = None,
        lm: LM | None = None,
        probes: Iterable[Probe] = (),
        digest: str = "",
        version: str = "",
    ) -> None:
        if lm is not None and spec.lm is not None and lm.id != spec.lm.id:
            raise ArtifactError(
                f"the program was compiled on {spec.lm.id}, not on {lm.id}",
                hint="compile it again on this LM",
            )
        self.spec = spec
        self.name = spec.name
        self.digest = digest
        self.version = version
        self.contract = Contract.from_json(spec.contract)
        self.heads = dict(heads)
        self.code = dict(code or {})
        self.probes = tuple(probes)
        self._flow = Flow(spec, self.heads, self.code)
        self._lm = lm
        self._lock = threading.Lock()

    def on(self, lm: LM) -> Program:
        """The same program on another instance of its LM.

        Raises:
            ArtifactError: it is another LM.
        """
        own = lm if self.spec.lm is not None else None
        return Program(
            self.spec, self.heads, code=self.code, lm=own, digest=self.digest, version=self.version
        )

    @property
    def lm(self) -> LM | None:
        """The LM, opened if it is not yet; None for a program that needs none."""
        if self.spec.lm is None:
            return None
        with self._lock:
            if self._lm is None:
                from ..lms import open_lm

                lm = open_lm(self.spec.lm.source)
                if lm.id != self.spec.lm.id:
                    raise ArtifactError(
                        f"the program was compiled on {self.spec.lm.id}, here is {lm.id}",
                        hint="compile it again on this LM",
                    )
                self._check_probes(lm)
                self._lm = lm
            return self._lm

    @property
    def computed(self) -> tuple[Field, ...]:
        """Outputs but decisions that a function computes: rows may lack labels for them."""
        functions = [step for step in self.spec.steps.values() if step.function is not None]
        names = {step.names.get(own, own) for step in functions for own in step.outputs["properties"]}
        return tuple(field for field in self.contract.values if field.name in names)

    def __call__(self, **inputs: Any) -> Answer:
        """Answer one row.

        Raises:
            RowError: this row cannot be answered.
            LMError: the LM fails.
        """
        unknown = sorted(set(inputs) - {field.name for field in self.contract.inputs})
        if unknown:
            wanted = ", ".join(field.name for field in self.contract.inputs)
            raise RowInputError(f"unknown inputs: {', '.join(unknown)}", hint=f"the inputs are {wanted}")
        return self.answer(inputs)

    def answer(self, row: Mapping[str, Any], *, deadline_s: float | None = None) -> Answer:
        """As a call, from a mapping whose other columns are ignored; a row that says nothing is not answered.

        Args:
            deadline_s: seconds that the row may take. Nothing is waited for past them, retries
                and replies of hosted LMs included; the embedded LM may end the call that it is in.

        Raises:
            DeadlineError: they are over; an answer that comes late is none.
            RowError: this row cannot be answered.
            LMError: the LM fails.
        """
        values: dict[str, Any] = self.contract.read_inputs(row)
        lm = self.lm  # opened, if need be, before the row's time begins
        with deadline(deadline_s):
            ran = self._flow.run(values, lm)
        names = [field.name for field in self.contract.outputs]
        return Answer(
            outputs={name: ran.values[name] for name in names},
            confidence={name: ran.confidence[name] for name in names},
            answered=all(step.answered for step in ran.steps) and not says_nothing(self.contract, values),
            steps=ran.steps,
        )

    def prepared(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What functions compute of a row's inputs alone, by name: the passages that are found, say.

        Raises:
            RowError: an input is missing or does not fit, or a function fails on this row.
        """
        return self._flow.prepared(self.contract.read_inputs(row))

    def answer_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        keep: tuple[type[ShipworthyError], ...] = (RowError,),
        deadline_s: float | None = None,
    ) -> Iterator[Outcome[Answer]]:
        """Answers in the rows' order, as many at once as the LM serves.

        An error of a kind in `keep` is its row's outcome; any other is raised. Each row has
        `deadline_s` seconds from when work on it begins.
        """
        from .parallel import ordered_map

        lm = self.lm
        answer = functools.partial(self.answer, deadline_s=deadline_s)
        return ordered_map(answer, rows, workers=lm.workers if lm is not None else 1, keep=keep)

    def as_dspy(self) -> dspy.Module:
        """This program as a `dspy.Module` that composes with others.

        Raises:
            MissingExtraError: dspy is not installed.
        """
        from .dspy_bridge import as_dspy

        return as_dspy(self)

    def __repr__(self) -> str:
        sides = (self.contract.inputs, self.contract.outputs)
        inputs, outputs = (", ".join(field.name for field in side) for side in sides)
        return f"<Program {self.version or self.name}: {inputs} -> {outputs}>"

    def _check_probes(self, lm: LM) -> None:
        """Once a machine and artifact: do the heads still meet the numbers that they were fitted on?"""
        if not self.probes:
            return
        mark = (
            cache_folder()
            / "probed"
            / digest_of([lm.id, [probe.as_json() for probe in self.probes], _engine()])
        )
        if mark.exists():
            return
        from .executor import read_features

        worst = 0.0
        for probe in self.probes:
            step = self.spec.steps[probe.step]
            if step.decide is None:
                continue
            inputs = step.contract.read_inputs(probe.inputs)
            found = read_features(step.decide, step.contract, lm, inputs)[probe.read]
            expected = np.array(probe.logprobs, np.float32)
            # Only tokens with some probability count: far down, rounding is loud and means nothing.
            likely = expected > -8
            worst = max(worst, float(np.abs(found - expected)[likely].max()))
        if worst > PROBE_TOLERANCE:
            warnings.warn(
                f"{self.name}: this machine's engine gives other log-probabilities than the one that the "
                f"program was compiled on (off by up to {worst:.2f}); compile it again here, since its "
                "confidence, and some of its answers, may be off",
                stacklevel=2,
            )
            return
        try:
            atomic_write(mark, "")
        except StorageError:  # a mark only: the probes are checked again next time
            return


def load_artifact(
    folder: str | Path, *, lm: LM | None = None, version: str = "", root: str | None = None
) -> Program:
    """Verify and load an artifact.

    Args:
        root: sha256 of its manifest, where that is known from elsewhere, as from a registry.

    Raises:
        ArtifactError: it is damaged, altered, unknown, or was compiled on another LM.
    """
    spec, heads, probes, digest = read_artifact(Path(folder), root=root)
    code = read_code_of(Path(folder), spec)
    return Program(spec, heads, code=code, lm=lm, probes=probes, digest=digest, version=version or spec.name)


def _engine() -> str:
    import platform

    import xllamacpp

    return f"{xllamacpp.__version__}/{platform.machine()}/{platform.node()}"
