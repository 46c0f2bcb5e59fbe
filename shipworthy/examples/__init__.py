"""Labelled rows: loading, digests, splits, checks, and changes of a text that keep its label.

A row is a plain mapping from column to value. What the columns mean is the
contract's business, which lives further up in `runtime`.
"""

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
from .files import atomic_folder, atomic_write, decode_text, folder_lock, storage_errors
from .load import Table, load_table, parse_json_line, read_csv
from .perturb import PERTURBATIONS, Perturbation, clashes, harmless_text
from .split import Splits, split_rows

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
]
