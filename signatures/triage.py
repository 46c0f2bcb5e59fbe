"""Contract of triage: a support ticket in; queue, priority and whether a person is needed out."""

from typing import Literal

import dspy

Queue = Literal["delivery", "returns", "billing", "repair", "account", "sales", "other"]
Priority = Literal["low", "normal", "high"]


class Triage(dspy.Signature):
    """You sort the support tickets of Wrenlow, an online shop for bicycles, e-bikes, parts and clothing."""

    ticket: str = dspy.InputField(desc="what the customer wrote")
    queue: Queue = dspy.OutputField()
    priority: Priority = dspy.OutputField()
    needs_human: bool = dspy.OutputField()
