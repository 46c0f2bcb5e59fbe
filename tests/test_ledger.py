"""The ledger's arithmetic: one winner of several at once, and nothing deleted or edited goes unseen."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.registry.ledger import ENTRY_TAG, SHA256_TAG, Head, Ledger, fold, tags_of

Store = dict[int, dict[str, str]]


def entry(head: Head, to: int | None, *, kind: str = "promote", id: str = "x") -> dict[str, Any]:
    return {
        "kind": kind, "name": "hotel", "from": head.champion, "to": to,
        "base": {"number": head.number, "sha256": head.sha256},
        "id": id, "at": "2026-01-01T00:00:00+00:00", "who": "anna@desk",
        "verdict": "pass", "reasons": [], "evidence": {}, "forced": None,
    }  # fmt: skip


def read(store: Store, since: Head | None = None) -> Ledger:
    seen = {number: tags for number, tags in store.items() if since is None or number >= since.number}
    return fold(seen.items(), name="hotel", since=since)


def append(store: Store, data: dict[str, Any]) -> None:
    store[max(store, default=0) + 1] = tags_of(data)


def chain(moves: list[tuple[str, int]]) -> Store:
    store: Store = {}
    for number, (kind, to) in enumerate(moves):
        append(store, entry(read(store).head, to, kind=kind, id=f"e{number}"))
    return store


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 12))
def test_of_several_that_saw_the_same_head_exactly_one_counts(seed: int, writers: int, rounds: int) -> None:
    draw = random.Random(seed)
    store: Store = {}
    heads = [Head()]
    for number in range(rounds):
        seen = read(store).head
        for writer in draw.sample(range(writers), draw.randint(1, writers)):
            append(store, entry(seen, writer + 1, id=f"{number}.{writer}"))
        late = draw.choice(heads)  # somebody who has slept since
        append(store, entry(late, 99, id=f"late {number}"))
        ledger = read(store)
        assert ledger.accepted[-1].base == (seen.number, seen.sha256)
        assert ledger.damage == ()
        heads.append(ledger.head)
    assert len(read(store).accepted) == rounds
    for since in heads:  # whoever joins on where he stopped reading comes to the same
        again = read(store, since)
        assert (again.head.number, again.head.sha256, again.damage) == (
            heads[-1].number,
            heads[-1].sha256,
            (),
        )


@given(st.integers(1, 9), st.data(), st.sampled_from(["delete", "edit", "edit and sign"]))
def test_an_entry_that_was_deleted_or_edited_is_found(length: int, data: st.DataObject, how: str) -> None:
    store = chain([("promote", number + 1) for number in range(length)])
    head = read(store).head
    place = data.draw(st.integers(1, length))
    if how == "delete":
        del store[place]
    elif how == "edit":
        store[place] = {**store[place], ENTRY_TAG: store[place][ENTRY_TAG].replace("anna", "otto")}
    else:
        store[place] = tags_of({**entry(Head(), 7), "base": {"number": place - 1, "sha256": "0" * 64}})
    whole = read(store)
    if place < length:
        assert whole.damage
    assert read(store, head).damage or place < length  # at the end, whoever had read it knows
    assert whole.head.champion == head.champion or place == length


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(1, 8))
def test_rollbacks_go_back_and_not_to_and_fro(promoted: list[int], times: int) -> None:
    store = chain([("promote", to) for to in promoted])
    champions = list(read(store).head.champions)
    for _ in range(times):
        head = read(store).head
        if head.before is None:
            break
        append(store, entry(head, head.before, kind="rollback"))
        champions.pop()
        assert list(read(store).head.champions) == champions
        assert read(store).head.champion == champions[-1]


def test_a_loser_does_not_win_when_the_winner_is_deleted() -> None:
    store = chain([("promote", 1)])
    seen = read(store).head
    append(store, entry(seen, 2, id="winner"))
    append(store, entry(seen, 3, id="loser"))
    assert read(store).outcome("winner") == (True, read(store).accepted[-1])
    assert read(store).outcome("loser") == (False, read(store).accepted[-1])
    assert read(store).outcome("nobody") is None
    del store[2]
    ledger = read(store)
    assert ledger.head.champion == 1
    assert len(ledger.damage) == 2


def test_a_repair_names_the_damage_and_the_chain_goes_on() -> None:
    store = chain([("promote", 1), ("promote", 2), ("promote", 3)])
    del store[3]
    store[4] = tags_of(entry(read(store).head, 3, kind="repair"))
    repaired = read(store)
    assert repaired.damage == ()
    assert repaired.head.champions == (1, 2, 3)
    append(store, entry(repaired.head, 4))
    assert read(store).head.champion == 4


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {ENTRY_TAG: "{}", SHA256_TAG: ""},
        tags_of({"kind": "promote"}),
        tags_of({**entry(Head(), 1), "kind": "crown"}),
        tags_of({**entry(Head(), 1), "name": "inn"}),
        tags_of({**entry(Head(), 1), "base": {"number": 5, "sha256": ""}}),
        tags_of({**entry(Head(), 1), "to": "one"}),
    ],
)
def test_what_is_no_entry_of_this_program_counts_for_nothing(tags: dict[str, str]) -> None:
    ledger = fold([(1, tags)], name="hotel")
    assert ledger.head == Head()
    assert ledger.damage == ("entry 1 was altered",)
