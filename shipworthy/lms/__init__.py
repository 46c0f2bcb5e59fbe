"""Where language models live: embedded (llama.cpp in process) and hosted (over HTTP).

`open_lm("local")` gives the embedded one; every LM answers the same questions: `score`
(log-probabilities of given tokens as the next one), `choose` (the likeliest of given
texts) and `generate` (text, under a JSON schema if one is given).
"""

from .base import (
    LM,
    Blank,
    Chosen,
    Embedding,
    Embeds,
    Generation,
    Prompt,
    Question,
    Scores,
    States,
    Token,
    Usage,
)
from .deadline import check_deadline, deadline, past_deadline, time_left
from .dspy_import import import_dspy
from .hosted_errors import translated
from .journal import Journal
from .open import open_lm
from .recorded import Recorded, tallied
from .retries import PATIENCE, Retries
from .weights import cache_folder, ensure_weights, file_sha256

__all__ = [
    "LM",
    "PATIENCE",
    "Blank",
    "Chosen",
    "Embedding",
    "Embeds",
    "Generation",
    "Journal",
    "Prompt",
    "Question",
    "Recorded",
    "Retries",
    "Scores",
    "States",
    "Token",
    "Usage",
    "cache_folder",
    "check_deadline",
    "deadline",
    "ensure_weights",
    "file_sha256",
    "import_dspy",
    "open_lm",
    "past_deadline",
    "tallied",
    "time_left",
    "translated",
]
