"""Labelled rows: loading, digests, splits, checks, and changes of a text that keep its label.

A row is a plain mapping from column to value. What the columns mean is the
contract's business, which lives further up in `runtime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy

if TYPE_CHECKING:
    from .checks import (
        KINDS,
        Finding,
        Kind,
        Report,
        check_rows,
        confident_joint,
        examine_rows,
        find_secrets,
        held_out_probabilities,
        holds_secret,
        redact,
        redact_value,
        suspect_labels,
    )
    from .digest import canonical_json, digest_of, rows_digest
    from .files import atomic_folder, atomic_write, decode_text, folder_lock, storage_errors, write_files
    from .load import Table, load_table, parse_json_line, read_csv
    from .perturb import PERTURBATIONS, Perturbation, clashes, harmless_text
    from .split import Splits, split_rows

_HOMES = {
    "Finding": "checks",
    "KINDS": "checks",
    "Kind": "checks",
    "PERTURBATIONS": "perturb",
    "Perturbation": "perturb",
    "Report": "checks",
    "Splits": "split",
    "Table": "load",
    "atomic_folder": "files",
    "atomic_write": "files",
    "canonical_json": "digest",
    "check_rows": "checks",
    "clashes": "perturb",
    "confident_joint": "checks",
    "decode_text": "files",
    "digest_of": "digest",
    "examine_rows": "checks",
    "find_secrets": "checks",
    "folder_lock": "files",
    "harmless_text": "perturb",
    "held_out_probabilities": "checks",
    "holds_secret": "checks",
    "load_table": "load",
    "parse_json_line": "load",
    "read_csv": "load",
    "redact": "checks",
    "redact_value": "checks",
    "rows_digest": "digest",
    "split_rows": "split",
    "storage_errors": "files",
    "suspect_labels": "checks",
    "write_files": "files",
}

__all__ = [
    "KINDS",
    "PERTURBATIONS",
    "Finding",
    "Kind",
    "Perturbation",
    "Report",
    "Splits",
    "Table",
    "atomic_folder",
    "atomic_write",
    "canonical_json",
    "check_rows",
    "clashes",
    "confident_joint",
    "decode_text",
    "digest_of",
    "examine_rows",
    "find_secrets",
    "folder_lock",
    "harmless_text",
    "held_out_probabilities",
    "holds_secret",
    "load_table",
    "parse_json_line",
    "read_csv",
    "redact",
    "redact_value",
    "rows_digest",
    "split_rows",
    "storage_errors",
    "suspect_labels",
    "write_files",
]

__getattr__ = lazy(__name__, _HOMES)
