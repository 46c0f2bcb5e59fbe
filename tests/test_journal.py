"""The journal: nothing is lost but what was in flight, and nothing damaged is believed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import StorageError
from shipworthy.lms import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journals" / "one.jsonl"


def filled(path: Path, n: int = 5) -> Journal:
    journal = Journal(path)
    for i in range(n):
        journal.put(f"key{i}", {"text": f"answer {i}", "n": i}, bytes([i, 255, 10]))
    return journal


def test_an_answer_comes_back_as_it_was_kept_also_after_reopening(path: Path) -> None:
    filled(path).close()
    journal = Journal(path)
    assert journal.get("key3") == ({"text": "answer 3", "n": 3}, b"\x03\xff\n")
    assert journal.get("key9") is None
    assert (len(journal), journal.damaged) == (5, 0)


def test_decisions_are_kept_in_order(path: Path) -> None:
    journal = Journal(path)
    journal.note("dropped", {"candidate": "a", "at": 12})
    journal.note("dropped", {"candidate": "b", "at": 20})
    journal.close()
    assert Journal(path).notes("dropped") == [{"candidate": "a", "at": 12}, {"candidate": "b", "at": 20}]
    assert Journal(path).notes("other") == []


@given(share=st.floats(0, 1))
def test_cut_anywhere_every_record_before_the_cut_stays(
    share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("j") / "one.jsonl"
    filled(path).close()
    raw = path.read_bytes()
    cut = round(share * len(raw))
    path.write_bytes(raw[:cut])
    journal = Journal(path)
    whole = raw[:cut].count(b"\n")
    assert len(journal) == whole
    journal.put("next", {"text": "after"})
    journal.close()
    again = Journal(path)
    assert (len(again), again.damaged) == (whole + 1, 0)
    assert again.get("next") == ({"text": "after"}, b"")
    assert path.read_bytes().startswith(raw[: raw[:cut].rfind(b"\n") + 1])


@given(place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_byte_makes_its_record_void_and_no_other(
    place: int, change: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("j") / "one.jsonl"
    filled(path).close()
    raw = bytearray(path.read_bytes())
    place %= len(raw)
    raw[place] ^= change
    path.write_bytes(raw)
    journal = Journal(path)
    for i in range(5):
        assert journal.get(f"key{i}") in (None, ({"text": f"answer {i}", "n": i}, bytes([i, 255, 10])))
    assert len(journal) >= 3  # a line break that is lost takes two records with it


def test_calls_of_other_journals_are_reused_and_kept_as_ones_own(path: Path) -> None:
    other = path.with_name("other.jsonl")
    filled(other).close()
    journal = Journal(path, others=[other, path, path.with_name("gone.jsonl")])
    assert journal.get("key1") == ({"text": "answer 1", "n": 1}, b"\x01\xff\n")
    assert journal.reused == 1
    other.unlink()
    journal.close()
    assert Journal(path).get("key1") is not None


def test_a_damaged_record_of_another_journal_is_not_believed(path: Path) -> None:
    other = path.with_name("other.jsonl")
    filled(other).close()
    other.write_bytes(other.read_bytes().replace(b"answer 1", b"answer 7"))
    journal = Journal(path, others=[other])
    assert journal.get("key1") is None
    assert journal.get("key2") is not None


def test_a_torn_end_is_left_alone_while_another_process_has_the_file_open(path: Path) -> None:
    writer = filled(path)
    with path.open("ab") as file:
        file.write(b"torn")
    journal = Journal(path)
    journal.put("mine", {"text": "x"})
    assert path.read_bytes().count(b"torn\n") == 1
    journal.close()
    writer.close()
    again = Journal(path)
    assert again.get("mine") is not None
    assert again.damaged == 1


def _write_for_ever(path: Path) -> None:
    journal = Journal(path)
    i = 0
    while True:
        journal.put(f"{os.getpid()}-{i}", {"text": "x" * (i % 300)})
        i += 1


def test_two_processes_append_and_one_is_killed(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_for_ever, args=(path,)) for _ in range(2)]
    for process in processes:
        process.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.02)
        if path.exists() and all(f" {one.pid}-99 ".encode() in path.read_bytes() for one in processes):
            break
    os.kill(processes[0].pid or 0, signal.SIGKILL)
    time.sleep(0.05)
    os.kill(processes[1].pid or 0, signal.SIGKILL)
    for process in processes:
        process.join()
    journal = Journal(path)
    assert journal.damaged <= 1
    for process in processes:
        own = [key for key in journal._calls if key.startswith(f"{process.pid}-")]
        assert own == [f"{process.pid}-{i}" for i in range(len(own))]
        assert own


def test_it_is_nobody_elses_business(path: Path) -> None:
    filled(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_text_that_is_half_a_character_is_kept(path: Path) -> None:
    journal = Journal(path)
    journal.put("key", {"text": "\udcc3"})
    assert journal.get("key") == ({"text": "\udcc3"}, b"")


def test_a_folder_in_its_place_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Journal(tmp_path)
    assert "run the same command again" in caught.value.hint


def test_the_digest_does_not_depend_on_the_order_of_calls(path: Path) -> None:
    first, second = Journal(path), Journal(path.with_name("two.jsonl"))
    for key in ("a", "b"):
        first.put(key, {})
    for key in ("b", "a"):
        second.put(key, {})
    assert first.digest == second.digest
