"""Running programs for others: rows in, answers out."""

from .rows import Tally, answer_rows, kind_of, read_rows

__all__ = ["Tally", "answer_rows", "kind_of", "read_rows"]
