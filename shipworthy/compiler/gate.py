"""The gate between an optimizer that is not ours and the LMs: at its limit a run ends, whatever the run does.

DSPy's optimizers take any `Exception` for a wrong answer and go on, on threads of their own
too. So the gate raises what they do not catch, first in whoever asks once the limit is
reached, then in everybody who asks later; `drain` waits for the calls that are under way,
so that nothing is spent behind the back of what comes next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import RowError, ShipworthyError
from ..lms import LM, Blank, Chosen, Generation, Prompt, Question, Recorded, Scores, States


class Interrupted(BaseException):
    """A run that is not ours must end here.

    Attributes:
        error: what came up; None where the run has used up what it may spend.
    """

    def __init__(self, error: ShipworthyError | None = None) -> None:
        super().__init__(str(error) if error else "the limit is reached")
        self.error = error


class Gate:
    """Lets calls through to LMs while there is room.

    Args:
        room: how many more calls may be made, those under way not counted; None is no limit.

    Attributes:
        error: what an LM raised that is no matter of one row.
        reached: whether a call was refused for want of room.
    """

    def __init__(self, room: Callable[[], int | None]) -> None:
        self.error: ShipworthyError | None = None
        self.reached = False
        self._room = room
        self._open = True
        self._under_way = 0
        self._changed = threading.Condition()

    def lm(self, lm: Recorded) -> LM:
        """The LM behind the gate.

        Its calls raise `Interrupted` where there is no room, and where the LM fails; what is
        the matter with one row is raised as it is.
        """
        return _Gated(lm, self)

    def stop(self, error: ShipworthyError) -> None:
        """Let nothing more through, because of this."""
        with self._changed:
            self.error = self.error or error
        self.close()

    def close(self) -> None:
        """Let nothing more through."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait for the calls that are under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)

    @contextmanager
    def calling(self, n: int) -> Iterator[None]:
        """So many calls at once."""
        self._enter(n)
        try:
            yield
        except RowError:
            raise
        except ShipworthyError as error:
            self.stop(error)
            raise Interrupted(error) from error
        finally:
            with self._changed:
                self._under_way -= n
                self._changed.notify_all()

    def _enter(self, n: int) -> None:
        with self._changed:
            # Others may be counted already and still be under way: only when they are through, it is known.
            self._changed.wait_for(lambda: not self._open or self._fits(n) or not self._under_way)
            if self._open and not self._fits(n):
                self.reached, self._open = True, False
            if not self._open:
                raise Interrupted(self.error)
            self._under_way += n

    def _fits(self, n: int) -> bool:
        room = self._room()
        return room is None or room - self._under_way >= n


class _Gated:
    """An LM behind a gate."""

    def __init__(self, lm: Recorded, gate: Gate) -> None:
        self.lm = lm
        self.id, self.workers = lm.id, lm.workers
        self.reads_logprobs, self.context = lm.reads_logprobs, lm.context
        self._gate = gate

    def tokenize(self, text: str) -> list[int]:
        """As the LM itself."""
        return self.lm.tokenize(text)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As the LM itself; each question is a call."""
        with self._gate.calling(len(questions)):
            return self.lm.score(prompt, questions)

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """As the LM itself; each blank is a call."""
        with self._gate.calling(len(blanks)):
            return self.lm.choose(prompt, blanks)

    def states(self, text: str, ends: Sequence[int]) -> States:
        """As the LM itself."""
        with self._gate.calling(1):
            return self.lm.states(text, ends)

    def generate(self, prompt: Prompt, **options: Any) -> Generation:
        """As the LM itself."""
        with self._gate.calling(1):
            return self.lm.generate(prompt, **options)

    def close(self) -> None:
        """Nothing: the LM is its opener's to close."""
