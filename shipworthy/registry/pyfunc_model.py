"""The MLflow model of a program, as code: MLflow copies this file into each version.

It holds no logic of its own: the interpreter is the installed package, and the program
is the artifact beside it, verified on loading. Nothing is pickled.
"""

from __future__ import annotations

from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel

from shipworthy.runtime import line_of, load_artifact


class ProgramModel(PythonModel):  # type: ignore[misc]
    """Rows in (a DataFrame, or a list of objects), the objects of `shipworthy run` out."""

    def load_context(self, context: Any) -> None:
        """Verify and load the artifact."""
        config = context.model_config or {}
        version = str(config.get("version", ""))
        self.program = load_artifact(context.artifacts["program"], version=version)

    # Without type hints: MLflow would read them as a schema, and drop what it does not know.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Answer every row, in order; gives the objects as a list."""
        rows = model_input.to_dict("records") if hasattr(model_input, "to_dict") else list(model_input)
        outcomes = self.program.answer_many(rows)
        return [line_of(outcome, version=self.program.version) for outcome in outcomes]


mlflow.models.set_model(ProgramModel())
