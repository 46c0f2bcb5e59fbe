"""Wiring by name, on programs of any shape: an order in which everything is there before it is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import SourceError
from shipworthy.runtime import Contract, Field, Node, wire

TEXT = {"type": "string"}


def node(name: str, reads: list[str]) -> Node:
    """A step that writes what it is called."""
    return Node(name, Contract(tuple(Field(one, TEXT) for one in reads), (Field(name, TEXT),)))


@st.composite
def programs(draw: st.DrawFn) -> list[Node]:
    """Steps in any order, each of which reads inputs and steps that come before it in another order."""
    n = draw(st.integers(1, 8))
    made = []
    for i in range(n):
        before = [f"in{k}" for k in range(3)] + [f"s{k}" for k in range(i)]
        read = draw(st.lists(st.sampled_from(before), min_size=1, max_size=3, unique=True))
        made.append(node(f"s{i}", read))
    return draw(st.permutations(made))


@given(programs())
def test_every_step_stands_behind_what_it_reads(nodes: list[Node]) -> None:
    wired = wire(nodes)
    assert sorted(wired.flow) == sorted(one.name for one in nodes)
    known = {one.name for one in wired.contract.inputs}
    by_name = {one.name: one for one in nodes}
    for name in wired.flow:
        assert {one.name for one in by_name[name].contract.inputs} <= known
        known.add(name)
    read = {one.name for step in nodes for one in step.contract.inputs}
    assert {one.name for one in wired.contract.outputs} == set(by_name) - read
    assert {one.name for one in wired.contract.inputs} == read - set(by_name)


@given(programs())
def test_a_circle_is_always_found(nodes: list[Node]) -> None:
    """Every step reads a new one, which reads them all."""
    reading = [node(one.name, [own.name for own in one.contract.inputs] + ["all"]) for one in nodes]
    with pytest.raises(SourceError, match="wait for each other: ") as caught:
        wire([*reading, node("all", [one.name for one in nodes])])
    steps = caught.value.message.partition(": ")[2].split(" -> ")
    assert steps[0] == steps[-1]
    assert "all" in steps


@given(programs(), st.randoms())
def test_order_and_contract_do_not_depend_on_where_steps_are_written(nodes: list[Node], random: Any) -> None:
    shuffled = list(nodes)
    random.shuffle(shuffled)
    first, other = wire(nodes), wire(shuffled)
    for side in ("inputs", "outputs"):
        assert {one.name for one in getattr(first.contract, side)} == {
            one.name for one in getattr(other.contract, side)
        }
