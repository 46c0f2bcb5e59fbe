"""How answer is compiled, and when an answer of it is right."""

import re
from typing import Any

import shipworthy as sw
from shipworthy.scoring import Function, Span, Text

NOT_SAID = "not in the handbook"
FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
YES_OR_NO = re.compile(r"(?i)\W*(yes|no)\b")
MOST_WORDS = 15


def supported(answer: dict[str, Any], labels: dict[str, Any], inputs: dict[str, Any]) -> bool:
    """Whether a row is right: the answer says what its label says, and the quote is the label's sentence.

    The quote is what can be compared to the letter, so it counts; an answer that is right with
    another sentence beside it is a guess. Of an answer, the author's wording is one of many, so

    - it says yes or no as the label does, if the label does, and names no figure that the label does
      not, since the figure is then the reason, which may be left out;
    - else it names the label's figures and no others, if the label names any;
    - else it shares half of its words with the label's (F1 of 0.5, as SQuAD counts).

    It has at most 15 words, as the prompt that it replaces was told. Where the handbook does not say,
    both must be missing: null, or the prompt's own words for it.
    """
    said, quote = (_said(answer.get(name)) for name in ("answer", "quote"))
    wanted = labels["answer"]
    if wanted is None or said is None or quote is None:
        return wanted is said is quote
    if not Text().compare(quote, labels["quote"]) or len(said.split()) > MOST_WORDS:
        return False
    figures, right_figures = _figures(said), _figures(wanted)
    if verdict := YES_OR_NO.match(wanted):
        own = YES_OR_NO.match(said)
        return own is not None and own[1].lower() == verdict[1].lower() and figures <= right_figures
    return figures == right_figures if right_figures else Span(how="f1").compare(said, wanted) >= 0.5


def _said(text: str | None) -> str | None:
    return None if text is None or NOT_SAID in text.lower() else text


def _figures(text: str) -> set[str]:
    return {figure.replace(",", "") for figure in FIGURE.findall(text)}


# What passes between the steps has no columns; these say what it should have been on a training row.


def best(passages: list[str], quote: str | None) -> str:
    """The number of the passage that is the quote, if it was found."""
    return str(passages.index(quote) + 1) if quote in passages else "none"


def sentence(quote: str | None) -> str | None:
    """So that the reply is shown with the sentence that it should rest on."""
    return quote


def verdict(answer: str | None) -> str | None:
    """Yes or no, if the answer begins with it."""
    if answer is None:
        return None
    found = YES_OR_NO.match(answer)
    return found[1].lower() if found else "neither"


def reply(answer: str | None) -> str | None:
    """The answer, where yes or no is none."""
    return answer if verdict(answer) == "neither" else None


recipe = sw.Recipe(
    steps={
        "choose": [sw.Readout(questions=False), sw.Student()],
        "decide": [sw.Readout(questions=False), sw.Student()],
        "reply": [sw.Demos(without_classes=8)],
    },
    labels={"best": best, "sentence": sentence, "verdict": verdict, "reply": reply},
    metric=Function(supported, version=1),
    target=0.8,
    # Whoever says nothing at all is right where the handbook does not say, which is no use to anybody.
    gate=sw.Gate(accuracy=0.8),
)
