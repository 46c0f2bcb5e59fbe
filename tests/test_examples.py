"""Rows from files, their splits, their faults, and files written whole or not at all."""

from __future__ import annotations

import builtins
import contextlib
import errno
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ExamplesError, StorageError
from shipworthy.examples import (
    atomic_folder,
    atomic_write,
    canonical_json,
    check_rows,
    digest_of,
    load_table,
    parse_json_line,
    rows_digest,
    split_rows,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
ROW = st.fixed_dictionaries({"text": st.text(max_size=2), "label": st.sampled_from("abcde")})


def file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> ExamplesError:
    with pytest.raises(ExamplesError) as caught:
        load_table(path)
    assert str(caught.value).startswith(str(path))
    return caught.value


# What is well formed


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", 'text,label\n"a, b",x\n"line 1\nline ""2""",y\n'),
        ("rows.csv", '\ufefftext,label\r\n"a, b",x\r\n\r\n"line 1\nline ""2""",y'),
        ("rows.CSV", ' text , label \n"a, b",x\n,\n"line 1\nline ""2""",y\n\n'),
        ("rows.tsv", 'text\tlabel\na, b\tx\n"line 1\nline ""2"""\ty\n'),
        (
            "rows.jsonl",
            '{"text": "a, b", "label": "x"}\n\n{"text": "line 1\\nline \\"2\\"", "label": "y"}',
        ),
        ("rows.ndjson", '\ufeff{"text":"a, b","label":"x"}\r\n{"text":"line 1\\nline \\"2\\"","label":"y"}'),
        ("rows.json", '[{"text": "a, b", "label": "x"}, {"text": "line 1\\nline \\"2\\"", "label": "y"}]'),
    ],
)
def test_the_same_rows_come_out_of_every_format(tmp_path: Path, name: str, content: str) -> None:
    table = load_table(file(tmp_path, name, content))
    assert table.columns == ("text", "label")
    assert table.rows == ({"text": "a, b", "label": "x"}, {"text": 'line 1\nline "2"', "label": "y"})


def test_a_row_of_csv_knows_the_line_on_which_it_starts(tmp_path: Path) -> None:
    table = load_table(file(tmp_path, "a.csv", 'text,label\n"one\ntwo",x\n\nthree,y\n'))
    assert table.lines == (2, 5)
    assert table.where(1, "label") == f"{tmp_path}/a.csv:5, column 'label'"
    assert table.where(0) == f"{tmp_path}/a.csv:2"


def test_json_values_keep_their_type_and_csv_values_are_text(tmp_path: Path) -> None:
    table = load_table(file(tmp_path, "a.jsonl", '{"a": 1, "b": [true, null]}\n{"b": 0.5, "c": "x"}'))
    assert table.rows == ({"a": 1, "b": [True, None]}, {"b": 0.5, "c": "x"})
    assert table.columns == ("a", "b", "c")
    assert load_table(file(tmp_path, "a.csv", "a,b\n1,true")).rows == ({"a": "1", "b": "true"},)


def test_a_cell_of_two_hundred_thousand_characters_is_read(tmp_path: Path) -> None:
    table = load_table(file(tmp_path, "a.csv", f"a,b\n{'x' * 200_000},y\n"))
    assert len(table.rows[0]["a"]) == 200_000


@given(rows=st.lists(st.tuples(CELL, CELL.filter(str.strip)), min_size=1, max_size=5))
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    text = "a,b\n" + "".join(f"{quoted(a)},{quoted(b)}\r\n" for a, b in rows)
    table = load_table(file(tmp_path_factory.mktemp("csv"), "a.csv", text))
    assert table.rows == tuple({"a": a, "b": b} for a, b in rows)


# What is not


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('a,b\nx,y\n"said "hi" loudly",z\n', 3, "not well-formed CSV"),
        ('a,b\nx,y\n\n"never closed,z\nw,v\n', 4, "not well-formed CSV"),
        ("a,b\nx,y\nx,y,z\n", 3, "3 cells where the header has 2"),
        ('a,b\n"x\ny",z\nonly\n', 4, "1 cells where the header has 2"),
        ("a,b,a\n1,2,3\n", 1, "two columns are called 'a'"),
        ("a,,b\n1,2,3\n", 1, "a column has no name"),
        ("\n\na,b,a\n1,2,3\n", 3, "two columns are called 'a'"),
        ("a,b\nx,y\nx,\0\n", 3, "a NUL character"),
        (b"a,b\nx,y\nna\xefve,y\n", 3, "not UTF-8: byte 0xef"),
        ("a,b\nx,y\n".encode("utf-16"), 1, "not UTF-8: byte 0xff"),
    ],
)
def test_a_bad_csv_is_refused_with_file_and_line(
    tmp_path: Path, content: str | bytes, line: int, message: str
) -> None:
    error = refusal(file(tmp_path, "a.csv", content))
    assert error.where == f"{tmp_path}/a.csv:{line}"
    assert message in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('{"a": 1}\n{"a": 1,}\n', 2, "not a JSON object"),
        ('{"a": 1}\n\n[1, 2]\n', 3, "a JSON object is expected, not list"),
        ('{"a": 1}\n{"a": 1, "a": 2}\n', 2, "a key stands twice"),
        ('{"a": 1}\n{"a": {"b": 1, "b": 1}}\n', 2, "a key stands twice"),
        ('{"a": NaN}\n', 1, "NaN is not JSON"),
        ('{"a": 1}\n{"a": -Infinity}\n', 2, "-Infinity is not JSON"),
        ('{"a": 1}\n{"a": 1e999}\n', 2, "1e999"),
        ('{"a": 1}\n' + '{"a":' * 100_000 + "\n", 2, "not a JSON object"),
        ('{"a": 1}\n{"a": ' + "9" * 5000 + "}\n", 2, "not a JSON object"),
        (b'{"a": 1}\n{"a": "\xff"}\n', 2, "not UTF-8: byte 0xff"),
        ('{"a": 1}\n{"a": "\0"}\n', 2, "a NUL character"),
    ],
)
def test_a_bad_json_line_is_refused_with_file_and_line(
    tmp_path: Path, content: str | bytes, line: int, message: str
) -> None:
    error = refusal(file(tmp_path, "a.jsonl", content))
    assert error.where == f"{tmp_path}/a.jsonl:{line}"
    assert message in error.message


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        ('[\n{"a": 1},\n{"a": oops}\n]', ":3", "not JSON"),
        ('[{"a": 1, "a": 1}]', "", "a key stands twice"),
        ('[{"a": NaN}]', "", "NaN is not JSON"),
        ('[{"a": 1e999}]', "", "1e999"),
        ('{"a": 1}', "", "a list of objects is expected"),
        ('[{"a": 1}, 2]', "", "a list of objects is expected"),
        ("[" * 100_000, "", "not JSON"),
    ],
)
def test_a_bad_json_file_is_refused(tmp_path: Path, content: str, where: str, message: str) -> None:
    error = refusal(file(tmp_path, "a.json", content))
    assert error.where == f"{tmp_path}/a.json{where}"
    assert message in error.message


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "[]", "a,b\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str, content: str) -> None:
    refusal(file(tmp_path, name, content))


def test_a_missing_file_a_folder_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.csv").message
    (tmp_path / "folder.csv").mkdir()
    assert "cannot be read" in refusal(tmp_path / "folder.csv").message
    assert ".csv" in refusal(file(tmp_path, "a.xlsx", "x")).hint


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as sparse:
        sparse.truncate((1 << 30) + 1)
    assert "over 1 GiB" in refusal(path).message


@given(st.text())
def test_a_line_is_either_an_object_or_refused(line: str) -> None:
    with contextlib.suppress(ExamplesError):
        assert isinstance(parse_json_line(line, "a.jsonl:1"), dict)


# Digests


@given(JSON)
def test_a_digest_does_not_depend_on_how_the_json_was_written(value: Any) -> None:
    try:
        canonical = canonical_json(value)
        canonical.encode()
    except UnicodeEncodeError:
        return
    again = json.loads(json.dumps(value, indent=3))
    assert canonical_json(again) == canonical
    assert not isinstance(value, dict) or digest_of(dict(reversed(value.items()))) == digest_of(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_what_json_cannot_hold_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


def test_a_digest_is_the_sha256_of_the_canonical_form() -> None:
    sha256 = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"
    assert digest_of({"b": 2, "a": 1}) == digest_of('{"a":1,"b":2}') == digest_of(b'{"a":1,"b":2}') == sha256


@given(st.lists(ROW, max_size=6), st.randoms())
def test_the_order_of_rows_does_not_count_but_their_number_does(
    rows: list[dict[str, str]], random: Any
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert rows_digest(shuffled) == rows_digest(rows)
    for row in rows[:1]:
        assert rows_digest([*rows, row]) != rows_digest(rows)


# Splits


@given(st.lists(ROW, max_size=60), st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.9]), st.integers(0, 3))
def test_every_row_lands_on_one_side_and_so_do_its_twins(
    rows: list[dict[str, str]], share: float, seed: int
) -> None:
    splits = split_rows(rows, inputs=["text"], strata=["label"], test_share=share, seed=seed)
    together = [*splits.train, *splits.dev, *splits.test]
    assert rows_digest(together) == rows_digest(rows)
    sides = [{row["text"] for row in side} for side in (splits.train, splits.dev, splits.test)]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert split_rows(rows, inputs=["text"], strata=["label"], test_share=share, seed=seed) == splits


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60), st.randoms())
def test_a_split_depends_on_content_and_not_on_the_order_of_rows(labels: list[str], random: Any) -> None:
    rows = [{"text": str(i), "label": label} for i, label in enumerate(labels)]
    first = split_rows(rows, inputs=["text"], strata=["label"])
    random.shuffle(rows)
    second = split_rows(rows, inputs=["text"], strata=["label"])
    assert rows_digest(first.train) == rows_digest(second.train)
    assert rows_digest(first.test) == rows_digest(second.test)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60))
def test_every_stratum_stays_in_train_and_the_test_share_is_kept(labels: list[str]) -> None:
    rows = [{"text": str(i), "label": label} for i, label in enumerate(labels)]
    splits = split_rows(rows, inputs=["text"], strata=["label"])
    assert {row["label"] for row in splits.train} == set(labels)
    counts, tested = Counter(labels), Counter(row["label"] for row in splits.test)
    assert all(tested[label] <= 0.25 * n + 1 for label, n in counts.items())
    if min(counts.values()) > 3:
        assert len(splits.test) == len(rows) // 4


def test_a_stratum_of_one_stays_in_train() -> None:
    rows = [{"text": str(i), "label": str(i)} for i in range(50)]
    splits = split_rows(rows, inputs=["text"], strata=["label"], test_share=0.9)
    assert len(splits.train) == 50
    assert splits.test == ()


def test_many_rows_get_a_dev_split_and_every_class_still_trains() -> None:
    rows = [{"text": str(i), "label": "big" if i < 2600 else f"pair {i // 2}"} for i in range(3000)]
    splits = split_rows(rows, inputs=["text"], strata=["label"])
    assert len(splits.dev) > 500
    assert {row["label"] for row in splits.train} == {row["label"] for row in rows}
    assert split_rows(rows[:2600], inputs=["text"], strata=["label"]).dev == ()


def test_another_seed_gives_another_split() -> None:
    rows = [{"text": str(i), "label": "ab"[i % 2]} for i in range(40)]
    first, second = (split_rows(rows, inputs=["text"], strata=["label"], seed=seed) for seed in (0, 1))
    assert len(first.test) == len(second.test) == 10
    assert rows_digest(first.test) != rows_digest(second.test)


def test_a_few_more_rows_move_few_of_the_old_ones() -> None:
    rows = [{"text": str(i), "label": "abc"[i % 3]} for i in range(330)]
    before = {row["text"] for row in split_rows(rows[:300], inputs=["text"], strata=["label"]).test}
    after = {row["text"] for row in split_rows(rows, inputs=["text"], strata=["label"]).test}
    assert len(before - after) <= 10


# Faults


def faults(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> list[tuple[str, tuple[int, ...]]]:
    as_rows = [
        [{"text": text, "label": label, "id": n} for n, (text, label) in enumerate(s)] for s in (train, test)
    ]
    findings = check_rows(*as_rows, inputs=["text"], outputs=["label"], decisions=["label"])
    return [(finding.kind, finding.rows) for finding in findings]


def test_sound_rows_have_no_faults() -> None:
    assert faults([("1", "a"), ("2", "a"), ("3", "b"), ("4", "b")], [("5", "a"), ("6", "c")]) == []


@pytest.mark.parametrize(
    ("train", "test", "found"),
    [
        ([("1", "a"), ("1", "a"), ("2", "a")], [], [("duplicate", (0, 1))]),
        ([("2", "a"), ("1", "a")], [("3", "a"), ("3", "a")], [("duplicate", (2, 3))]),
        ([("1", "a"), ("2", "a")], [("1", "a")], [("leak", (0, 2))]),
        ([("1", "a"), ("2", "a"), ("1", "b"), ("3", "b")], [], [("contradiction", (0, 2))]),
        ([("1", "a"), ("2", "a")], [("1", "b")], [("contradiction", (0, 2)), ("leak", (0, 2))]),
        ([("1", "a"), ("2", "a"), ("3", "b")], [], [("single_example", (2,))]),
    ],
)
def test_each_fault_is_found_with_its_rows(train: list[Any], test: list[Any], found: list[Any]) -> None:
    assert faults(train, test) == found


# Files whole or not at all


def disk_full(*args: Any, **kwargs: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("data", ["naïve\n", b"\x00\xff", ""])
def test_a_file_is_written_with_its_folder(tmp_path: Path, data: str | bytes) -> None:
    path = tmp_path / "a" / "b" / "file"
    atomic_write(path, data)
    atomic_write(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert names(path.parent) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    atomic_write(path, "old")
    monkeypatch.setattr(os, call, disk_full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        atomic_write(path, "new")
    assert caught.value.where == str(path)
    assert caught.value.hint
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "file"
    atomic_write(path, "old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_file_where_a_folder_should_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("not a folder")
    with pytest.raises(StorageError):
        atomic_write(tmp_path / "a" / "b", "x")
    with pytest.raises(StorageError), atomic_folder(tmp_path / "a" / "b"):
        pytest.fail("there is nowhere to write")


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "out" / "artifact"
    for content in ({"x": b"1", "y": b"1"}, {"x": b"2"}):
        with atomic_folder(path) as folder:
            for name, data in content.items():
                (folder / name).write_bytes(data)
            assert folder.parent == path.parent
        assert contents(path) == content
        assert names(path.parent) == ["artifact"]
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_while_a_folder_is_filled_leaves_what_was_there(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "artifact"
    if exists:
        with atomic_folder(path) as folder:
            (folder / "x").write_text("old")
    before = contents(tmp_path)

    def fill(error: BaseException) -> None:
        with atomic_folder(path) as folder:
            (folder / "x").write_text("new")
            raise error

    with pytest.raises(StorageError, match="No space left"):
        fill(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(KeyboardInterrupt):
        fill(KeyboardInterrupt())
    assert contents(tmp_path) == before
    assert names(tmp_path) == (["artifact"] if exists else [])


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failure_while_folders_change_places_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    path = tmp_path / "artifact"
    with atomic_folder(path) as folder:
        (folder / "x").write_text("old")
    replace, calls = os.replace, iter(range(1, 10))
    monkeypatch.setattr(os, "replace", lambda a, b: (disk_full if next(calls) == failing else replace)(a, b))
    with pytest.raises(StorageError), atomic_folder(path) as folder:
        (folder / "x").write_text("new")
    assert contents(tmp_path) == {"artifact/x": b"old"}
    assert names(tmp_path) == ["artifact"]


def test_a_file_that_cannot_be_opened_is_an_examples_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, "a.csv", "a,b\n1,2\n")

    def refuse(self: Path) -> bytes:
        raise builtins.PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "Permission denied" in refusal(path).message
