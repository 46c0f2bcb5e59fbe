"""Labelled rows: loading, digests, splits and checks.

A row is a plain mapping from column to value. What the columns mean is the
contract's business, which lives further up in `runtime`.
"""

from .check import Finding, check_rows
from .digest import canonical_json, digest_of, rows_digest
from .files import atomic_folder, atomic_write, decode_text, folder_lock, storage_errors
from .load import Table, load_table, parse_json_line
from .split import Splits, split_rows

__all__ = [
    "Finding",
    "Splits",
    "Table",
    "atomic_folder",
    "atomic_write",
    "canonical_json",
    "check_rows",
    "decode_text",
    "digest_of",
    "folder_lock",
    "load_table",
    "parse_json_line",
    "rows_digest",
    "split_rows",
    "storage_errors",
]
