"""The half of the gate that asks about the champion: on the same rows, is the new version no step back?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler import Gate
from ..errors import (
    ArtifactError,
    InputError,
    IntegrityError,
    LMError,
    NotFoundError,
    WeightsError,
)
from ..evidence import paired_json, points_of, row_digest
from ..registry import (
    Facts,
    Registry,
    artifact_of,
    certificate_folder,
    facts_of,
    log_comparison,
    look_at,
    read_evidence,
)
from ..runtime import Program, Progress, load_artifact
from ..scoring import Metric, PairedRows, evaluate, look_level
from .metrics import certifying_metric, stated_metric
from .rows import read_split
from .state import recorded

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Comparing:
    """A certified program on its certificate's rows, to be compared with the champion."""

    registry: Registry
    home: Path | None
    program: Program
    data: Mapping[str, Any]
    rows: Rows
    recipe: Mapping[str, Any]
    lm: str
    progress: Progress

    def with_champion(
        self, facts: Facts, version: int, gate: Gate
    ) -> tuple[bool, str, dict[str, Any] | None]:
        """Whether it holds, the reason in words, and the figures; a look at the rows is counted.

        The champion's scores are taken from its own certificate where that was made by the
        same metric and has the row; on the other rows the champion is asked. An output that it
        does not have, and a row that it cannot answer, count as wrong.
        """
        try:
            theirs = facts_of(self.registry.reader, facts.name, version)
            champion, _ = program_of(self.registry, theirs)
        except (ArtifactError, NotFoundError, IntegrityError) as error:
            return (
                False,
                f"the champion, version {version}, cannot be read and not be compared with: {error}",
                None,
            )
        if champion.digest == self.program.digest:
            return True, f"the champion, version {version}, is the same program", None
        digests = [str(row["digest"]) for row in self.rows]
        names = {"program": self.program.digest, "opponent": champion.digest}
        look = look_at(self.registry, digests, **names)
        known = self._recorded(theirs)
        missing = [row for row in self.rows if _key(row) not in known]
        silent = ""
        try:
            known |= self._asked(champion, missing)
        except (LMError, WeightsError, ArtifactError) as error:  # its LM is gone, or is another one by now
            silent = (
                f"; the champion's LM cannot be asked ({error.message}), so this is by its recorded answers, "
                f"which cover {len(self.rows) - len(missing)} of {len(self.rows)} rows"
            )
        pairs = [
            (place, ours, other)
            for place, row in enumerate(self.rows)
            if (ours := _score(row)) is not None and (other := known.get(_key(row))) is not None
        ]
        if not pairs:
            why = f"no row was scored both for it and for the champion, version {version}{silent}"
            return False, why, None
        table = np.array(pairs, float)
        paired = PairedRows(
            table[:, 0].astype(np.intp), table[:, 1], table[:, 2], left_out=len(self.rows) - len(pairs)
        )
        level = look_level(look)
        difference = paired_json(paired.difference(level=level), level)
        ok = difference["mean"] >= gate.champion_mean and difference["ci"][0] > gate.champion_lower
        comparison = {
            "champion": version,
            "champion_digest": champion.digest,
            "look": look,
            "difference": difference,
            "taken_from_its_certificate": len(self.rows) - len(missing),
            "left_out": 0 if not silent else len(missing),
        }
        run = log_comparison(
            self.registry,
            facts.name,
            digests,
            comparison,
            program=self.program.digest,
            champion=champion.digest,
        )
        reason = (
            f"{'holds' if ok else 'does not hold'} against the champion, version {version}: "
            f"{points_of(difference)} on {difference['n']} rows, look {look}{silent}"
        )
        return ok, reason, {**comparison, "run": run}

    def _recorded(self, theirs: Facts) -> dict[str, float | None]:
        """The champion's scores by row, from its own certificate."""
        try:
            folder = certificate_folder(self.registry, theirs)
            evidence = read_evidence(folder, digest=theirs.tags["shipworthy.digest"])
        except (NotFoundError, IntegrityError, ArtifactError):
            return {}
        if evidence.data["metric"] != self.data["metric"]:
            return {}
        return {_key(row): _score(row) for row in evidence.rows}

    def _asked(self, champion: Program, rows: Rows) -> dict[str, float | None]:
        """The champion's scores on rows that it is asked now."""
        if not rows:
            return {}
        metric = self._metric(rows)
        outputs = list(dict.fromkeys(name for row in self.rows for name in row["labels"]))
        outputs = outputs or [field.name for field in self.program.contract.outputs]
        identity = ["gate", champion.digest, self.program.digest]
        state = (self.home or self.registry.place) / ".shipworthy"
        source = champion.spec.lm.source if champion.spec.lm else self.lm
        self.progress.start("asking the champion", len(rows))
        try:
            with recorded(source, state, identity, progress=self.progress) as model:
                own = champion.on(model)
                scored = evaluate(
                    own.answer_many,
                    self._typed(rows),
                    outputs=outputs,
                    metric=metric,
                    on_row=self.progress.advance,
                )
        finally:
            self.progress.finish()
        return {_key(row): one.score for row, one in zip(rows, scored.results, strict=True)}

    def _metric(self, rows: Rows) -> Metric:
        home = self.home or Path.cwd()
        stated = stated_metric(self.recipe.get("metric", "exact"), None, home, self.program)
        metric = certifying_metric(stated, self.program, self._typed(rows))
        if isinstance(metric, str):
            raise InputError(f"the champion cannot be compared with: {metric}")
        return metric

    def _typed(self, rows: Rows) -> list[dict[str, Any]]:
        """The rows as the project has them, or else as the certificate keeps them."""
        ours: dict[str, dict[str, Any]] = {}
        if self.home is not None:
            contract, metric = self.program.contract, self.recipe.get("metric", "exact")
            reads: dict[str, Any] = {"also": self.program.computed}
            if isinstance(metric, str):
                reads["metric"] = metric
            split = read_split(self.home, self.program.name, contract, "test", needed=False, **reads)
            ours = {row_digest(row, contract): row for row in split}
        return [
            {**row["inputs"], **row["labels"], **row.get("beside", {}), **ours.get(str(row["digest"]), {})}
            for row in rows
        ]


def program_of(registry: Registry, facts: Facts) -> tuple[Program, Path]:
    """A registered program, verified, and the folder of its artifact on this machine.

    Raises:
        ArtifactError, IntegrityError: its files are damaged or gone.
    """
    artifact = artifact_of(facts, registry.reader, registry.place, [])
    return load_artifact(artifact, root=facts.tags["shipworthy.root"]), artifact


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['digest']} {row.get('beside_sha256', '')}"


def _score(row: Mapping[str, Any]) -> float | None:
    score = row["said"]["compiled"].get("score")
    return None if score is None else float(score)
