"""Evidence: the program against the prototype and simple baselines, on rows it has not seen; the pages."""

from .attack_forms import delimiters_of
from .attacks import attacks
from .brittleness import brittleness
from .certificate import Certificate, Opponent, certify, page_of
from .compile_page import compile_page
from .figures import row_digest
from .prototype import answer_freely, read_answer, read_recorded
from .reworded import PrototypeVariant, reworded_prototypes

__all__ = [
    "Certificate",
    "Opponent",
    "PrototypeVariant",
    "answer_freely",
    "attacks",
    "brittleness",
    "certify",
    "compile_page",
    "delimiters_of",
    "page_of",
    "read_answer",
    "read_recorded",
    "reworded_prototypes",
    "row_digest",
]
