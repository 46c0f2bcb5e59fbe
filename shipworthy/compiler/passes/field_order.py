"""Order the inputs within the prompt, so that one call begins as the one before it as far as it can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InputError
from ...runtime import Field, label_text, value_digest, value_text
from ..draft import Context, Draft, Row

BREAK = 3
"""Characters around an input's name in the prompt."""
LEAST = 4.0
"""Characters, about a token: to share less than that is worth no other order."""
LONG, OFTEN, FEW = 200, 10, 16
"""A value of so many characters, in so many training rows, is kept with the static part; at most so many
values, since an engine computes and stores the prompt's beginning for each of them."""


@dataclass(frozen=True)
class FieldOrder:
    """Show inputs whose values repeat (a policy, a catalogue, a language) before those that differ by row.

    Engines and hosted providers keep the beginning of a prompt that they have just read, and
    read (and charge for) what follows. For each input, p is the chance that two training rows
    share its value, and g the characters that they then share. Inputs stand by p g / (1 - p),
    the highest first, which makes the expected shared beginning longest where inputs are
    independent: the exchange argument by which Hellerstein and Stonebraker (1993) order
    filters. Whether it is longer on the training rows as they are is counted, and the
    contract's order stays where it is not, and among inputs that hardly repeat. Callers see
    the contract as it was; the student reads it in its own order.

    Of the input that then stands first, long values that many training rows have belong to
    the prompt's static beginning, so that the embedded LM, which keeps nothing else, keeps
    them too. Which they are is part of the program, so that a row is read the same way
    whatever was asked before.
    """

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's order of inputs, and the values that are kept."""
        if draft.prompt is not None:
            raise InputError(
                "the order of inputs is set before the readout is fitted", hint="reorder the passes"
            )
        fields = draft.contract.inputs
        if len(fields) < 2 or len(draft.train) < 2:
            return
        ordered = best_order(fields, draft.train)
        gain = shared_characters(ordered, draft.train) - shared_characters(fields, draft.train)
        if gain >= LEAST:
            draft.order = tuple(field.name for field in ordered)
            draft.notes.append(
                f"the prompt shows the inputs in the order {', '.join(draft.order)}: two training rows then "
                f"begin alike for {gain:,.0f} characters more on average"
            )
        first = ordered[0] if gain >= LEAST else fields[0]
        counts = Counter(value_text(row[first.name]) for row in draft.train)
        often = [text for text, n in counts.most_common(FEW) if n >= OFTEN and len(text) >= LONG]
        draft.repeated = tuple(sorted(value_digest(text) for text in often))
        if often:
            count = f"{len(often)} values" if len(often) > 1 else "a value"
            draft.notes.append(
                f"{count} of {first.name} that many rows have, kept with the prompt's static part"
            )


def best_order(fields: Sequence[Field], rows: Sequence[Row]) -> list[Field]:
    """The fields by p g / (1 - p); those that hardly repeat stand last, in the order given."""
    ranks = {field.name: _rank(field, rows) for field in fields}
    return sorted(fields, key=lambda field: -ranks[field.name])


def shared_characters(fields: Sequence[Field], rows: Sequence[Row]) -> float:
    """Characters that the user turns of two rows, drawn at random, have in common at their beginning.

    Values count whole or not at all: what two different values have in common is not seen.

    Args:
        fields: the inputs in the prompt's order.
        rows: two or more, typed.
    """
    texts = [tuple(value_text(row[field.name]) for field in fields) for row in rows]
    total = 0.0
    for depth, field in enumerate(fields, 1):
        alike = Counter(own[:depth] for own in texts)
        total += sum(n * (n - 1) * _size(field, beginning[-1]) for beginning, n in alike.items())
    return total / (len(rows) * (len(rows) - 1))


def _rank(field: Field, rows: Sequence[Row]) -> float:
    """p g / (1 - p) of an input; 0 where that is less than a token."""
    counts = Counter(value_text(row[field.name]) for row in rows)
    pairs = len(rows) * (len(rows) - 1)
    chance = sum(n * (n - 1) for n in counts.values()) / pairs
    shared = sum(n * (n - 1) * _size(field, value) for value, n in counts.items()) / pairs
    rank = shared / max(1 - chance, 1 / pairs)
    return rank if rank >= LEAST else 0.0


def _size(field: Field, value: str) -> int:
    return len(label_text(field.name)) + BREAK + len(value)
