"""Polishing what was lifted, where somebody asks for it: the only part of lifting that opens an LM."""

from __future__ import annotations

from ..lift import Lifted, Polished, polish
from ..lms import open_lm
from ..runtime import Progress


def polished(lifted: Lifted, lm: str, progress: Progress) -> tuple[Lifted, tuple[Polished, ...]]:
    """What was lifted with the texts of an LM, and those texts; each is told.

    Raises:
        OutsideError: the LM cannot be opened, or fails.
    """
    opened = open_lm(lm, say=progress.say)
    try:
        better, asked = polish(lifted, opened, progress=progress)
    finally:
        opened.close()
    taken = tuple(one for one in asked if one.text)
    progress.say(f"polished by {lm}: {len(taken)} of {len(asked)} texts")
    for one in asked:
        progress.say(f"  {one.what}: {one.text or f'left as it was, since {one.why}'}")
    return better, taken
