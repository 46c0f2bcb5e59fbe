"""A second local LM: the embedded one's weights, quantised to 3 bits instead of 4.

It is another model, with another sha256 and other answers, and costs no download. In GGUF's Q4_1 a
block of 32 weights is a scale d, a minimum m (half precision both) and 4 bits q a weight: w = d q + m.
Here q loses its lowest bit, and m moves up by half a step so that the rounding has no bias.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Q4_1 = 3
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
BLOCK = np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)])


def coarser(weights: Path, out: Path, *, bits: int = 3) -> Path:
    """Write the weights anew, quantised to 3 or 2 bits.

    Weights are found again by their sha256 wherever they were last used. So a test that takes its own
    away must not share them with another one.
    """
    mask, shift = {3: (0xEE, 0.5), 2: (0xCC, 1.5)}[bits]
    shutil.copyfile(weights, out)
    with out.open("rb") as file:
        tensors, start = _layout(file)
    data = np.memmap(out, np.uint8, "r+")
    for offset, size, kind in tensors:
        if kind == Q4_1:
            first = start + offset
            blocks = data[first : first + size // 32 * BLOCK.itemsize].view(BLOCK)
            blocks["q"] &= mask
            step = blocks["d"].astype(np.float32)
            blocks["m"] = (blocks["m"].astype(np.float32) + shift * step).astype("<f2")
    data.flush()
    return out


def _layout(file: BinaryIO) -> tuple[list[tuple[int, int, int]], int]:
    """Offset, number of weights and type of each tensor, and where the tensors start."""
    assert file.read(4) == b"GGUF"
    _, n_tensors, n_facts = struct.unpack("<IQQ", file.read(20))
    facts = {}
    for _ in range(n_facts):
        name = _text(file)
        facts[name] = _value(file, _number(file, "I"))
    found = []
    for _ in range(n_tensors):
        _text(file)
        shape = list(_numbers(file, "Q", _number(file, "I")))
        kind, offset = _number(file, "I"), _number(file, "Q")
        found.append((offset, int(np.prod(shape)), kind))
    align = facts.get("general.alignment", 32)
    return found, -(-file.tell() // align) * align


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return _text(file)
    if kind == ARRAY:
        inner, n = _number(file, "I"), _number(file, "Q")
        return [_value(file, inner) for _ in range(n)]
    return _number(file, SCALARS[kind])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "Q")).decode("utf-8", "replace")


def _number(file: BinaryIO, code: str) -> Any:
    return next(_numbers(file, code, 1))


def _numbers(file: BinaryIO, code: str, n: int) -> Iterator[Any]:
    for _ in range(n):
        yield struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0]
