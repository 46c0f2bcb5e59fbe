"""What the pipeline gives back, as Python objects and as the JSON of the command line."""

from __future__ import annotations

import dataclasses
import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compiler import Compiled
from ..evidence import Certificate
from ..lift import Lifted, Polished
from ..runtime import object_schema
from .promoting import Promotion

CERTIFIED = (
    "verdict",
    "reasons",
    "compiled",
    "prototype",
    "baselines",
    "difference",
    "selective",
    "out_of_scope",
    "look",
)
"""Of a certificate, what the command line prints."""


@dataclass(frozen=True)
class Lift:
    """What lifting made: the contract that was inferred, and the files written.

    `polished` holds the texts that an LM wrote; None where none was asked.
    """

    lifted: Lifted
    project: Path
    files: tuple[Path, ...]
    examples: int
    notes: tuple[str, ...]
    polished: tuple[Polished, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """The keys of `lift --json`."""
        texts = self.polished
        lifted, draft = self.lifted, self.lifted.prototype.draft
        steps = [
            {
                "name": step.name,
                "inputs": object_schema(step.contract.inputs),
                "outputs": object_schema(step.contract.outputs),
                "demos": len(step.demos),
                "tools": [tool.name for tool in step.tools],
                "guardrails": list(step.guardrails),
            }
            for step in lifted.steps
        ]
        checks = dict.fromkeys(one.kind for check in draft.checks for one in check.single)
        return {
            "name": lifted.name,
            "format": lifted.prototype.format,
            "steps": steps,
            "edges": [list(edge) for edge in lifted.edges],
            "router": dict(draft.router.to) if draft.router else None,
            "prompts": max(len(step.prompts) for step in draft.steps),
            "examples": self.examples,
            "metrics": ["exact", *(field.name for field in lifted.contract.outputs), *checks],
            "files": [str(path.absolute()) for path in self.files],
            "unmapped": [dataclasses.asdict(one) for one in lifted.unmapped],
            "polished": None if texts is None else [{"what": one.what, "text": one.text} for one in texts],
        }


@dataclass(frozen=True)
class Certified:
    """A certificate and where its page lies."""

    certificate: Certificate
    page: Path
    run: str

    @property
    def verdict(self) -> str:
        """`pass`, `fail` or `inconclusive`."""
        return self.certificate.verdict

    def as_json(self) -> dict[str, Any]:
        """The keys of `certify --json`."""
        data = {key: self.certificate.data[key] for key in CERTIFIED}
        return {**data, "certificate": str(self.page.absolute())}

    def _repr_html_(self) -> str:
        page = html.escape(self.page.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:720px;border:0"></iframe>'


@dataclass(frozen=True)
class Shipped:
    """All of it: what was lifted (if anything was), compiled and certified, and the version it became.

    Attributes:
        promotion: how the gate's second half ended, which asks about the champion.
    """

    lift: Lift | None
    compiled: Compiled
    certified: Certified
    name: str
    version: int
    promotion: Promotion
    project: Path

    @property
    def status(self) -> str:
        """`shipped`, or `held`."""
        return "shipped" if self.promotion.moved else "held"

    def as_json(self) -> dict[str, Any]:
        """The keys of `ship --json`."""
        certified = self.certified.as_json()
        more = [reason for reason in self.promotion.reasons if reason not in certified["reasons"]]
        return {
            **certified,
            "reasons": [*certified["reasons"], *more],
            "lift": self.lift.as_json() if self.lift else None,
            "compile": compile_json(self.compiled),
            "name": self.name,
            "version": self.version,
            "status": self.status,
        }


def compile_json(compiled: Compiled) -> dict[str, Any]:
    """The keys of `compile --json`."""
    keys = ("name", "digest", "lm", "lm_calls", "tokens", "seconds", "dev")
    return {
        **{key: getattr(compiled, key) for key in keys},
        "artifact": str(compiled.artifact.absolute()),
        "report": str(compiled.report.absolute()) if compiled.report else None,
    }


@dataclass(frozen=True)
class Recertified:
    """A program whose LM was swapped.

    Attributes:
        version, status: as of `Shipped`; where there was nothing to do, the champion's.
        shipped: what was made; None where there was nothing to do.
        kept: the version that was compiled again, its digest and LM, what was kept of it by step
            (none where it was compiled anew), and what had `changed` since.
        why: there was nothing to do, or empty.
    """

    name: str
    version: int
    status: str
    shipped: Shipped | None
    kept: dict[str, Any] | None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The keys of `recertify --json`: those of `ship`, and `kept`."""
        if self.shipped is not None:
            return {**self.shipped.as_json(), "kept": self.kept}
        nothing = dict.fromkeys((*CERTIFIED, "certificate", "lift", "compile", "kept"))
        own = {"name": self.name, "version": self.version, "status": self.status}
        return {**nothing, "reasons": [self.why], **own}

    def _repr_html_(self) -> str:
        return html.escape(self.why) if self.shipped is None else self.shipped.certified._repr_html_()
