"""The MLflow model of a program, as code: MLflow copies this file into each version.

It holds no logic of its own: the interpreter is the installed package, and the program
is the artifact beside it, verified on loading. Nothing is pickled.
"""

from __future__ import annotations

from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel

from shipworthy.errors import RegistryError
from shipworthy.runtime.deployed import answers, load_deployed


class ProgramModel(PythonModel):  # type: ignore[misc]
    """Rows in (a DataFrame, or a list of objects), the objects of `shipworthy run` out.

    With `params={"json": True}` each is text, which a column of a table can hold.
    """

    def load_context(self, context: Any) -> None:
        """Verify and load the artifact, and the weights of its LM."""
        folder, config = context.artifacts["program"], context.model_config or {}
        self.program = load_deployed(folder, config, download=_download)

    # Without type hints: MLflow would read them as a schema, and drop what it does not know.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Answer every row, in order; gives the objects as a list."""
        return answers(self.program, model_input, params)


def _download(address: str, folder: str) -> str:
    try:
        return str(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=folder))
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"MLflow: {str(error).strip()[:300]}", hint="check MLFLOW_TRACKING_URI", where=address
        ) from error


mlflow.models.set_model(ProgramModel())
