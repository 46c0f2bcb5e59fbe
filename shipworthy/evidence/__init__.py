"""Evidence: the program against the prototype and simple baselines, on rows it has not seen; the pages."""

from .certificate import Certificate, certify, page_of
from .compile_page import compile_page
from .contest import Opponent
from .figures import row_digest
from .prototype import answer_freely, read_answer, read_recorded

__all__ = [
    "Certificate",
    "Opponent",
    "answer_freely",
    "certify",
    "compile_page",
    "page_of",
    "read_answer",
    "read_recorded",
    "row_digest",
]
