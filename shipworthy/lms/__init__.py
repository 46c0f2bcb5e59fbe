"""Where language models live: embedded (llama.cpp in process) and hosted (over HTTP).

`open_lm("local")` gives the embedded one; every LM answers the same questions: `score`
(log-probabilities of given tokens as the next one), `choose` (the likeliest of given
texts) and `generate` (text, under a JSON schema if one is given).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy

if TYPE_CHECKING:
    from .base import LM, Blank, Chosen, Embedding, Embeds, Generation, Question, Scores, States, Token, Usage
    from .cache import cache_folder
    from .deadlines import check_deadline, deadline, past_deadline, time_left
    from .dspy_import import import_dspy
    from .hosted_errors import translated
    from .journal import Journal
    from .open import open_lm
    from .prompt import Prompt
    from .recorded import Recorded, tallied
    from .retries import PATIENCE, Retries
    from .weights import (
        ensure_weights,
        file_sha256,
        find_weights,
        keep_weights,
        known_weights,
        remember_weights,
        weights_of,
    )

_HOMES = {
    "Blank": "base",
    "Chosen": "base",
    "Embedding": "base",
    "Embeds": "base",
    "Generation": "base",
    "Journal": "journal",
    "LM": "base",
    "PATIENCE": "retries",
    "Prompt": "prompt",
    "Question": "base",
    "Recorded": "recorded",
    "Retries": "retries",
    "Scores": "base",
    "States": "base",
    "Token": "base",
    "Usage": "base",
    "cache_folder": "cache",
    "check_deadline": "deadlines",
    "deadline": "deadlines",
    "ensure_weights": "weights",
    "file_sha256": "weights",
    "find_weights": "weights",
    "import_dspy": "dspy_import",
    "keep_weights": "weights",
    "known_weights": "weights",
    "open_lm": "open",
    "past_deadline": "deadlines",
    "remember_weights": "weights",
    "tallied": "recorded",
    "time_left": "deadlines",
    "translated": "hosted_errors",
    "weights_of": "weights",
}

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
    "find_weights",
    "import_dspy",
    "keep_weights",
    "known_weights",
    "open_lm",
    "past_deadline",
    "remember_weights",
    "tallied",
    "time_left",
    "translated",
    "weights_of",
]

__getattr__ = lazy(__name__, _HOMES)
