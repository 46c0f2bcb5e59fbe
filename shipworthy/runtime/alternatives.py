"""Log-probabilities of a decision's labels, read off an answer that was generated.

A hosted LM tells, for each token that it wrote, which others were likely there. Where a
label's text parts from what was written, the others' share at that place is the label's.
So one generated answer gives every label a log-probability, without a further call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError
from ..lms import Token
from .contract import Field
from .readout import log_softmax

FLOOR = -20.0
"""Log-probability of what no listed alternative leads to, at the least."""
AFTER_NUMBER = b",]} \t\r\n"
"""What may follow a number, true or false in JSON."""


def label_logprobs(tokens: Sequence[Token], fields: Sequence[Field]) -> NDArray[np.float32]:
    """Log-probabilities of each decision's labels, normalised decision by decision.

    An answer is a path through the tree of tokens. At each token the alternatives are
    dealt to the labels that they could begin; an alternative that fits several is shared
    evenly. A label that no alternative leads to gets the least likely one's
    log-probability, which bounds it. A later decision is given what was said before it.

    Args:
        tokens: of the whole answer, a JSON object.
        fields: the decisions, each with its labels.

    Returns:
        One number a label, decision by decision; shape (sum of labels,).

    Raises:
        OutputError: the tokens do not add up to an object that holds the decisions, or a
            log-probability is no number.
    """
    # NaN is smaller than nothing; minus infinity is what cannot be.
    if not all(own < math.inf for token in tokens for own in (token.logprob, *dict(token.top).values())):
        raise OutputError("a log-probability is no number", hint="try this row again, or another LM")
    pieces = [_bytes(token.text) for token in tokens]
    raw = b"".join(pieces)
    starts = [0, *accumulate(len(piece) for piece in pieces)]
    spans = _value_spans(raw)
    found = []
    for field in fields:
        if field.name not in spans:
            raise OutputError(f"the answer has no {field.name!r}", where=raw[:200].decode("utf-8", "replace"))
        begin, end = spans[field.name]
        texts = _texts(field, raw[begin:end])
        first = max(i for i, start in enumerate(starts[:-1]) if start <= begin and pieces[i])
        # The first token of a value may begin before it: every label's text is taken from there.
        before = raw[starts[first] : begin]
        found.append(_shares(tokens[first:], pieces[first:], [before + text for text in texts]))
    return np.concatenate(found).astype(np.float32)


def _shares(tokens: Sequence[Token], pieces: Sequence[bytes], texts: Sequence[bytes]) -> NDArray[np.float64]:
    """By label; each text begins where the first token does."""
    shares = np.full(len(texts), np.nan)
    together = list(range(len(texts)))
    at, path = 0, 0.0
    for token, piece in zip(tokens, pieces, strict=True):
        staying = [i for i in together if _begins(piece, texts[i][at:])]
        if not staying or len(together) == 1:
            break
        mass = dict.fromkeys(together, 0.0)
        stay = 0.0
        top = {_bytes(text): logprob for text, logprob in token.top} | {piece: token.logprob}
        for text, logprob in top.items():
            fits = [i for i in together if text and _begins(text, texts[i][at:])]
            if any(i in staying for i in fits):
                stay += np.exp(logprob)
            else:
                for i in fits:
                    mass[i] += np.exp(logprob) / len(fits)
        least = min(top.values())
        for i in set(together) - set(staying):
            shares[i] = path + (np.log(mass[i]) if mass[i] > 0 else least)
        path += np.log(max(stay, np.exp(FLOOR)))
        together = staying
        at += len(piece)
    shares[together] = path - np.log(len(together))
    return np.maximum(log_softmax(np.maximum(shares, 2 * FLOOR)), FLOOR)


def _begins(token: bytes, rest: bytes) -> bool:
    """Whether a token could come next where `rest` of a value is still to be said."""
    if len(token) <= len(rest):
        return rest.startswith(token)
    if not token.startswith(rest):
        return False
    # Past the value's end; a string has its closing quote, a number ends at what cannot be part of it.
    return rest.endswith(b'"') or token[len(rest)] in AFTER_NUMBER


def _texts(field: Field, said: bytes) -> list[bytes]:
    """How each label is spelt; the one that was said as it was said."""
    value = field.parse(json.loads(said))
    return [
        said if choice == value else json.dumps(choice, ensure_ascii=False).encode()
        for choice in field.choices or ()
    ]


def _value_spans(raw: bytes) -> dict[str, tuple[int, int]]:
    """Where the values of a JSON object's keys stand, in bytes."""
    decoder = json.JSONDecoder()
    spans: dict[str, tuple[int, int]] = {}
    try:
        text = raw.decode()
        at = text.index("{") + 1
        while True:
            at = _skip(text, at, " \t\r\n,")
            if text[at] == "}":
                return spans
            key, at = decoder.raw_decode(text, at)
            begin = _skip(text, at, " \t\r\n:")
            _, at = decoder.raw_decode(text, begin)
            spans[key] = (len(text[:begin].encode()), len(text[:at].encode()))
    except (ValueError, IndexError, TypeError, RecursionError) as error:
        raise OutputError(
            "the log-probabilities do not add up to the answer", where=raw[:200].decode("utf-8", "replace")
        ) from error


def _skip(text: str, at: int, what: str) -> int:
    while text[at] in what:
        at += 1
    return at


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
