"""Checks of labelled rows: duplicates, leaks, contradictions, classes, labels and secrets.

Each check is a module; `rows` runs them together, and `findings` says what they hand back.
"""

from .findings import KINDS, SEVERITIES, Finding, Kind, Report, Severity
from .label_errors import Suspect, confident_joint, held_out_probabilities, suspect_labels
from .near import NEAR, jaccard, tokens_of
from .rows import PLAIN_KINDS, QUICK_KINDS, check_rows, examine_rows
from .secrets import Secret, find_secrets, holds_secret, redact, redact_value

__all__ = [
    "KINDS",
    "NEAR",
    "PLAIN_KINDS",
    "QUICK_KINDS",
    "SEVERITIES",
    "Finding",
    "Kind",
    "Report",
    "Secret",
    "Severity",
    "Suspect",
    "check_rows",
    "confident_joint",
    "examine_rows",
    "find_secrets",
    "held_out_probabilities",
    "holds_secret",
    "jaccard",
    "redact",
    "redact_value",
    "suspect_labels",
    "tokens_of",
]
