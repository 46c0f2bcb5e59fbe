"""A program that was exported as a package of its own: loaded once, at its first call."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .answer import Answer
from .contract import plain_value
from .program import Program, load_artifact


class Exported:
    """The program beside a generated module, verified when it is loaded.

    Args:
        module: `__file__` of the module.
        version: what the program is called, such as `triage/3`.
        root: sha256 of the artifact's manifest.
    """

    def __init__(self, module: str, *, version: str, root: str) -> None:
        self._folder = Path(module).parent / "artifact"
        self._version, self._root = version, root
        self._lock = threading.Lock()
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        """The program itself, for many rows at once or deadlines.

        Raises:
            ArtifactError: its files are not those that were exported.
        """
        with self._lock:
            if self._program is None:
                self._program = load_artifact(self._folder, version=self._version, root=self._root)
            return self._program

    def answer(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], Answer]:
        """The outputs of one row as JSON holds them, and the whole answer.

        Raises:
            ArtifactError: the files are not those that were exported.
            RowError: this row cannot be answered.
            LMError: the LM fails.
        """
        answer = self.program.answer(plain_value(inputs))
        return plain_value(answer.outputs), answer
