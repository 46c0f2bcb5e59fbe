"""Program extraction: one step that answers the contract in `signatures/extraction.py`."""

import dspy

from signatures.extraction import Extraction


class ExtractionProgram(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.extraction = dspy.Predict(Extraction)

    def forward(self, message: str) -> dspy.Prediction:
        return self.extraction(message=message)
