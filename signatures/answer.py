"""Contracts of answer: a question about the shop in; a short answer and the sentence that it rests on out."""

from typing import Literal

import dspy

Number = Literal["1", "2", "3", "4", "5", "none"]


class Choose(dspy.Signature):
    """You look things up in the handbook of Wrenlow, an online shop for bicycles.

    Choose the one passage that answers the question. Look out for exceptions. Where no passage says it,
    choose none: do not guess.
    """

    listed: str = dspy.InputField(desc="passages of the handbook, numbered")
    question: str = dspy.InputField(desc="what a customer or a colleague asks")
    best: Number = dspy.OutputField()


class Decide(dspy.Signature):
    """By the sentence of the handbook: is the answer to the question yes, no, or neither?"""

    question: str = dspy.InputField(desc="what a customer or a colleague asks")
    sentence: str = dspy.InputField(desc="of the handbook")
    verdict: Literal["yes", "no", "neither"] = dspy.OutputField()


class Reply(dspy.Signature):
    """You answer questions to Wrenlow, an online shop for bicycles, in a few words.

    Answer only with what the sentence of the handbook says, in English, also where the question is not.
    """

    question: str = dspy.InputField(desc="what a customer or a colleague asks")
    sentence: str = dspy.InputField(desc="of the handbook")
    reply: str = dspy.OutputField(desc="a few words, such as: 30 days", max_length=80)
