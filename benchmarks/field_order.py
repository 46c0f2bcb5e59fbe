"""What the order of inputs saves: tokens read with the inputs as declared, and as `FieldOrder` sets them.

    python benchmarks/field_order.py [--rows 60] [--timed 12]

The rows are the authored support tickets of `data/triage`, each with the policy of the country that it is
handled in: four authored texts, dealt out at random. Two caches are simulated, over the embedded LM's
tokenizer: an engine that keeps the last prompt, and a provider that keeps all it has seen in blocks of 128
tokens, from 1,024 on. The embedded LM is run for real, on `--timed` rows, in both orders by turns.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy as np
from report import write_section
from targets import table

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.lms import LM, Journal, Prompt, Question, Recorded, open_lm

DATA = Path(__file__).parent.parent / "data" / "triage"
POLICIES = (
    "Orders placed in the United Kingdom before noon leave the Leeds warehouse on the same working day "
    "and are delivered by van within three working days, or within five to the Highlands and the "
    "islands. A customer may return anything unused within sixty days for the full price and pays "
    "nothing for the collection of a bicycle; parts and clothing go back through any parcel shop with "
    "the label that came in the box. E-bikes are collected by our own drivers, since batteries may not "
    "travel by post. Repairs under warranty are free for five years on frames and for two years on "
    "motors and batteries. Invoices are sent by e-mail on the day of delivery; a payment by card is "
    "taken when the order leaves the warehouse, and not before.",
    "Orders placed in Germany leave the Kassel warehouse within one working day. Bicycles are delivered "
    "by a forwarding agent who telephones beforehand to agree on a date; parcels come within two "
    "working days. The law gives fourteen days to withdraw from the purchase, and we give thirty. The "
    "customer sends parcels back at our cost and keeps the bicycle's carton until then, because a "
    "bicycle without it cannot be collected. Repairs under warranty are free for two years; the nearest "
    "partner workshop takes the bicycle in. Purchase on account is possible up to 500 euros for private "
    "customers, and the bill is due within fourteen days. Company leasing is handled by the provider "
    "alone, whose number stands on the contract.",
    "Orders placed in France and Belgium leave the Lille warehouse within two working days and are "
    "handed to a relay point or delivered to the door, as the customer chose. A bicycle is assembled by "
    "a partner shop, where it waits for fourteen days. Returns are free within thirty days at any relay "
    "point; a bicycle goes back to the shop that assembled it. Repairs under warranty are free for two "
    "years, and the shop lends another bicycle where the repair takes longer than ten days. Payment in "
    "three or four instalments is granted by a bank, and questions about a refused application go to "
    "the bank and not to us. Credit notes are paid out within fourteen days of the return by the way in "
    "which the order was paid.",
    "Orders placed anywhere else are sent from Leeds by an international carrier, within ten working "
    "days, and the customer pays duty and tax on arrival, which we cannot reckon in advance. Bicycles "
    "and batteries are not sent outside Europe at all. Returns are accepted within thirty days of "
    "delivery if they were announced by e-mail; the customer pays the way back unless the goods were "
    "wrong or damaged, and then we pay it after a photograph has been seen. Warranty repairs are done "
    "by whichever workshop is near, against an estimate that we approve beforehand. Prices are in "
    "pounds, and the card's own bank sets the rate. Orders can be changed until they are packed; "
    "afterwards the parcel must be refused at the door.",
)
BLOCK, FROM = 128, 1024


class Triage(dspy.Signature):
    """You sort the support tickets of Wrenlow, an online shop for bicycles, e-bikes, parts and clothing."""

    ticket: str = dspy.InputField(desc="what the customer wrote")
    policy: str = dspy.InputField(desc="what holds in the customer's country")
    queue: Literal["delivery", "returns", "billing", "repair", "account", "sales", "other"] = (
        dspy.OutputField()
    )


@dataclass(frozen=True)
class Read:
    """Tokens of a call: all of them, and those that a cache saved."""

    tokens: int
    cached: int
    ms: float = 0.0


def main() -> None:
    """Count, run, and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--timed", type=int, default=12)
    given = parser.parse_args()
    train, test = (rows_of(name) for name in ("train", "test"))
    lm = open_lm("local", workers=1)
    lines = []
    try:
        plain, ordered = (
            prompts(lm, passes, train, test[: given.rows]) for passes in ([], [sw.FieldOrder()])
        )
        demos = [
            prompts(lm, [*passes, sw.Demos(max_characters=1200)], train, test[: given.rows])
            for passes in ([], [sw.FieldOrder()])
        ]
        for what, pair in (("no demos", (plain, ordered)), ("7 demos", tuple(demos))):
            for name, cache in (("keeps the last prompt", last), ("keeps all, in blocks", blocks)):
                before, after = (cache([tokens_of(lm, one) for one in some]) for some in pair)
                lines.append((f"simulated: {name}", what, *columns(before, after)))
        before, after = run(lm, plain[: given.timed], ordered[: given.timed])
        lines.append((f"embedded LM, {given.timed} rows", "no demos", *columns(before, after)))
        ms = [float(np.median([one.ms for one in side])) for side in (before, after)]
    finally:
        lm.close()
    heads = ("cache", "prompt", "tokens a call", "read as declared", "read with FieldOrder", "ratio")
    text = table(heads, lines)
    text += (
        f"\n\nEmbedded LM, median of a call whose prompt's beginning is kept: {ms[0]:,.0f} ms as declared, "
    )
    text += f"{ms[1]:,.0f} ms with FieldOrder ({ms[0] / ms[1]:.1f} times as fast)."
    write_section("field_order", "python benchmarks/field_order.py", text)


def rows_of(split: str) -> list[dict[str, Any]]:
    """The tickets of a split, each with a policy."""
    rows = [json.loads(line) for line in (DATA / f"{split}.jsonl").read_text().splitlines()]
    dealt = np.random.default_rng(0).integers(len(POLICIES), size=len(rows))
    return [
        {"ticket": row["ticket"], "policy": POLICIES[i], "queue": row["queue"]}
        for row, i in zip(rows, dealt, strict=True)
    ]


def prompts(
    lm: LM, passes: Sequence[Any], train: list[dict[str, Any]], test: Sequence[dict[str, Any]]
) -> list[Prompt]:
    """What a program that these passes made sends for each row; making it calls no LM."""
    source = source_of(dspy.Predict(Triage), name="triage", recipe=sw.Recipe(passes=passes))
    with tempfile.TemporaryDirectory() as folder:
        recorded = Recorded(lm, Journal(Path(folder) / "journal.jsonl"))
        made = compile_program(source, train, lm=recorded, lm_name="local", out=Path(folder))
    step = made.program.spec.steps["triage"]
    if step.generate is None:
        raise SystemExit("the program generates nothing")
    return [step.generate.prompt.fill(row) for row in test]


def tokens_of(lm: LM, prompt: Prompt) -> list[int]:
    """All of a prompt's tokens; the chat template's own are left out."""
    return [token for message in prompt.messages() for token in lm.tokenize(message["content"])]


def last(calls: Sequence[list[int]]) -> list[Read]:
    """An engine that keeps the last prompt."""
    return [Read(len(now), shared(before, now)) for before, now in itertools.pairwise(calls)]


def blocks(calls: Sequence[list[int]]) -> list[Read]:
    """A provider that keeps every prompt, in blocks, where one is long enough."""
    found = []
    for i, now in enumerate(calls[1:], 1):
        most = max(shared(before, now) for before in calls[:i])
        found.append(Read(len(now), most // BLOCK * BLOCK if most >= FROM else 0))
    return found


def shared(before: Sequence[int], now: Sequence[int]) -> int:
    """Tokens in common at the beginning."""
    pairs = zip(before, now, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def run(lm: LM, plain: Sequence[Prompt], ordered: Sequence[Prompt]) -> tuple[list[Read], list[Read]]:
    """Both orders by turns, after a call for each beginning that is kept."""
    question = [Question("queue:", tuple(range(1000, 1016)))]
    for prompt in {one.lead: one for one in (*plain, *ordered)}.values():
        lm.score(prompt, question)
    found: tuple[list[Read], list[Read]] = ([], [])
    for pair in zip(plain, ordered, strict=True):
        for side, prompt in zip(found, pair, strict=True):
            usage = lm.score(prompt, question)[0].usage
            side.append(Read(usage.tokens_in, usage.tokens_cached, usage.ms))
    return found


def columns(before: Sequence[Read], after: Sequence[Read]) -> tuple[str, str, str, str]:
    """Mean tokens a call, those read in either order, and their ratio."""
    every = float(np.mean([one.tokens for one in after]))
    read = [float(np.mean([one.tokens - one.cached for one in side])) for side in (before, after)]
    return f"{every:,.0f}", f"{read[0]:,.0f}", f"{read[1]:,.0f}", f"{read[0] / read[1]:.1f}"


if __name__ == "__main__":
    main()
