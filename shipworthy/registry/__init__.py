"""The registry: MLflow holds every version, and a ledger says which is champion; reading needs no MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy

if TYPE_CHECKING:
    from .answers import read_evidence
    from .compatibility import Change
    from .diff import Difference, Side, compare, read_side
    from .doctor import Problem, examine
    from .ledger import Entry, Head, Ledger, version_words
    from .local import CHAMPION, NAME, parse_name, tracking_uri
    from .looks import look_at
    from .moves import (
        Evidence,
        begin_rollback,
        champion_facts,
        finish_rollback,
        follow,
        history,
        promote,
        standing,
    )
    from .packaging import own_packages
    from .reading import CERTIFICATE, PAGE, ROWS, Facts, reader_for
    from .registering import certificate_folder, delete_version, register
    from .resolving import Resolved, artifact_of, facts_of, resolve
    from .runs import log_certificate, log_comparison, log_compile
    from .store import Registry
    from .table import prunable, versions
    from .wheels import runtime_wheel, wheel_name, write_wheel

_HOMES = {
    "CERTIFICATE": "reading",
    "CHAMPION": "local",
    "Change": "compatibility",
    "Difference": "diff",
    "Entry": "ledger",
    "Evidence": "moves",
    "Facts": "reading",
    "Head": "ledger",
    "Ledger": "ledger",
    "NAME": "local",
    "PAGE": "reading",
    "Problem": "doctor",
    "ROWS": "reading",
    "Registry": "store",
    "Resolved": "resolving",
    "Side": "diff",
    "artifact_of": "resolving",
    "begin_rollback": "moves",
    "certificate_folder": "registering",
    "champion_facts": "moves",
    "compare": "diff",
    "delete_version": "registering",
    "examine": "doctor",
    "facts_of": "resolving",
    "finish_rollback": "moves",
    "follow": "moves",
    "history": "moves",
    "log_certificate": "runs",
    "log_comparison": "runs",
    "log_compile": "runs",
    "look_at": "looks",
    "own_packages": "packaging",
    "parse_name": "local",
    "promote": "moves",
    "prunable": "table",
    "read_evidence": "answers",
    "read_side": "diff",
    "reader_for": "reading",
    "register": "registering",
    "resolve": "resolving",
    "runtime_wheel": "wheels",
    "standing": "moves",
    "tracking_uri": "local",
    "version_words": "ledger",
    "versions": "table",
    "wheel_name": "wheels",
    "write_wheel": "wheels",
}

__all__ = [
    "CERTIFICATE",
    "CHAMPION",
    "NAME",
    "PAGE",
    "ROWS",
    "Change",
    "Difference",
    "Entry",
    "Evidence",
    "Facts",
    "Head",
    "Ledger",
    "Problem",
    "Registry",
    "Resolved",
    "Side",
    "artifact_of",
    "begin_rollback",
    "certificate_folder",
    "champion_facts",
    "compare",
    "delete_version",
    "examine",
    "facts_of",
    "finish_rollback",
    "follow",
    "history",
    "log_certificate",
    "log_comparison",
    "log_compile",
    "look_at",
    "own_packages",
    "parse_name",
    "promote",
    "prunable",
    "read_evidence",
    "read_side",
    "reader_for",
    "register",
    "resolve",
    "runtime_wheel",
    "standing",
    "tracking_uri",
    "version_words",
    "versions",
    "wheel_name",
    "write_wheel",
]

__getattr__ = lazy(__name__, _HOMES)
