"""From an LM's name, as a user writes it, to the LM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import WeightsError
from .base import LM


def open_lm(
    name: str,
    *,
    workers: int | None = None,
    patience: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> LM:
    """Open an LM.

    Args:
        name: `local` (the embedded one), `local:PATH.gguf`, the id of either as an
            artifact records it, or any other id that DSPy's lm15 engine routes, such as
            `openai/gpt-4o-mini`.
        workers: calls at once; by default one a core for local LMs, 8 for hosted ones.
        patience: seconds that a hosted LM which fails is waited for, retry by retry; by default
            few, as for whoever waits for an answer.
        say: told what takes long.

    Raises:
        WeightsError: local weights cannot be had or are not what they should be.
        LMError: the id is not known, or its key is not in the environment.
        MissingExtraError: hosted LMs need the extra `compile`.
    """
    if name == "local" or name.startswith(("local:", "local/")):
        from .embedded import Embedded
        from .weights import ensure_weights, find_weights

        if name == "local":
            return Embedded(ensure_weights(say=say), workers=workers)
        if name.startswith("local/"):
            return Embedded(find_weights(name.removeprefix("local/").partition(";")[0]), workers=workers)
        path = Path(name.removeprefix("local:")).expanduser()
        if not path.is_file():
            raise WeightsError("no such weights", hint="give the path of a .gguf file", where=str(path))
        return Embedded(path, workers=workers)
    from .hosted import Hosted
    from .retries import PATIENCE

    return Hosted(name, workers=workers or 8, patience=PATIENCE if patience is None else patience, say=say)
