"""Program triage: one step that answers the contract in `signatures/triage.py`."""

import dspy

from signatures.triage import Triage


class TriageProgram(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.triage = dspy.Predict(Triage)

    def forward(self, ticket: str) -> dspy.Prediction:
        return self.triage(ticket=ticket)
