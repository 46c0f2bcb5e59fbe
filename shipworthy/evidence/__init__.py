"""Evidence: the program against the prototype and simple baselines, on rows it has not seen; the pages."""

from .certificate import Certificate, certify, judged, page_of, with_readiness
from .compile_page import compile_page
from .contest import Opponent
from .diff_page import change_sides, diff_page
from .facts import Facts, facts_of
from .figures import beside_digest, paired_json, row_digest
from .judge import judge, points_of
from .markdown import markdown_of
from .prototype import answer_freely, read_answer, read_recorded
from .questions import questions
from .rubric import ByHand, read_by_hand, rubric

__all__ = [
    "ByHand",
    "Certificate",
    "Facts",
    "Opponent",
    "answer_freely",
    "beside_digest",
    "certify",
    "change_sides",
    "compile_page",
    "diff_page",
    "facts_of",
    "judge",
    "judged",
    "markdown_of",
    "page_of",
    "paired_json",
    "points_of",
    "questions",
    "read_answer",
    "read_by_hand",
    "read_recorded",
    "row_digest",
    "rubric",
    "with_readiness",
]
