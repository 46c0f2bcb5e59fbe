"""Program answer: find passages of the handbook, choose one, answer by it, check the quote."""

import shipworthy as sw
from programs.handbook import HANDBOOK, check_quote, find_passages, take
from signatures.answer import Choose, Decide, Reply


class AnswerProgram(sw.Steps):
    inputs = ("question",)
    outputs = ("answer", "quote")

    found = sw.step(find_passages, files=[HANDBOOK])
    choose = sw.step(Choose)  # whatever else gives `sentence` can take the place of this step and the next
    sentence = sw.step(take)
    decide = sw.step(Decide, when={"best": ["1", "2", "3", "4", "5"]})
    reply = sw.step(Reply, when={"verdict": "neither"})
    checked = sw.step(check_quote, files=[HANDBOOK])
