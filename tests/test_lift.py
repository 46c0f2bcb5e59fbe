"""From a prompt and labelled rows to a contract, and to source that says the same."""

from __future__ import annotations

import importlib.util
import itertools
import json
import shutil
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shipworthy.errors import ExamplesError, PrototypeError, RowInputError, SourceError
from shipworthy.examples import Table, load_table
from shipworthy.lift import (
    Lifted,
    Prototype,
    find_project,
    lift,
    load_labelled,
    make_project,
    plain_prototype,
    read_prototype,
    write_examples,
    write_source,
)

PROMPT = """\
You sort tickets for a shop.

Queues:
- billing: money
- delivery: parcels

Message:
{ticket}
"""
NASTY = [
    'say """hi"""',
    "back\\slash\\",
    r"\N{BULLET} \x41 {ticket}",
    "'single' \"double\"",
    "\u202eright to left\u202c",
    "👩‍👩‍👧 emoji",
    "עברית",
    '"); __import__("os").system("x"); ("',
    "tab\there",
]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)
counter = itertools.count()


def prototype(text: str = PROMPT, name: str = "triage") -> Prototype:
    return plain_prototype(name, text, format="markdown")


def table(rows: list[dict[str, Any]]) -> Table:
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Table(columns, tuple(rows), tuple(range(2, len(rows) + 2)), "tickets.csv")


def tickets(**columns: Any) -> Table:
    """Rows with a ticket, a queue, and a further column for each function of the row's number."""
    return table(
        [
            {
                "ticket": f"ticket {i} about {'money' if i % 2 else 'a parcel'}",
                "queue": ["delivery", "billing"][i % 2],
                **{name: make(i) for name, make in columns.items()},
            }
            for i in range(40)
        ]
    )


def schema_of(column: str, values: list[Any]) -> Any:
    rows = table([{"ticket": f"ticket {i}", column: value} for i, value in enumerate(values)])
    return lift(prototype(), rows, outputs=[column]).contract.outputs[0].schema


def imported(path: Path) -> Any:
    """The file as a module, read anew: a cached one is told apart by its size and second only."""
    spec = importlib.util.spec_from_file_location(f"written_{next(counter)}", path)
    assert spec
    assert spec.loader
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(lifted: Lifted, folder: Path) -> None:
    """The written signature says what was lifted: names, types and instruction."""
    from shipworthy.runtime.dspy_bridge import contract_of

    signature_path = write_source(lifted, folder, overwrite=True)[0]
    module = imported(signature_path)
    signature: Any
    (signature,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and hasattr(value, "input_fields") and value is not module.dspy.Signature
    ]
    assert signature.instructions == lifted.instruction
    assert contract_of(signature).as_json() == lifted.contract.as_json()
    assert contract_of(signature).digest == lifted.contract.digest


# Reading


def test_a_prototype_keeps_its_text_and_finds_its_slots(tmp_path: Path) -> None:
    path = tmp_path / "My Triage-v2.md"
    path.write_bytes('{b} é {a} {b} {not a slot} {"a": 1}\r\n'.encode())
    found = read_prototype(path)
    assert (found.name, found.format, found.slots) == ("my_triage_v2", "markdown", ("b", "a"))
    assert found.text.endswith("\r\n")
    assert len(found.digest) == 64


@pytest.mark.parametrize(
    ("stem", "name"),
    [("class", "class_prompt"), ("2024 refunds", "prompt_2024_refunds"), ("save", "save_prompt")],
)
def test_a_stem_that_python_cannot_use_is_made_a_name(tmp_path: Path, stem: str, name: str) -> None:
    path = tmp_path / f"{stem}.txt"
    path.write_text("x")
    assert read_prototype(path).name == name


@pytest.mark.parametrize(
    ("content", "message", "where"),
    [
        (b"", "empty", ""),
        (b" \n", "empty", ""),
        (b"one\ntwo \xff", "not UTF-8", ":2"),
        (b"one\n\0", "NUL", ":2"),
        (b"a" * 10_000_001, "over 10 MB", ""),
    ],
)
def test_a_file_that_holds_no_prompt_is_refused(
    tmp_path: Path, content: bytes, message: str, where: str
) -> None:
    path = tmp_path / "p.md"
    path.write_bytes(content)
    with pytest.raises(PrototypeError, match=message) as caught:
        read_prototype(path)
    assert caught.value.where == f"{path}{where}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("missing.md", {}, "cannot be read"),
        (".", {}, "folder"),
        ("p.docx", {}, "not read"),
        ("p.md", {"format": "poem"}, "not read"),
        ("p.md", {"name": "no name"}, "cannot name"),
        ("p.md", {"name": "class"}, "keyword"),
        ("p.md", {"name": ""}, "cannot name"),
        ("???.md", {}, "no name"),
    ],
)
def test_a_path_or_name_that_cannot_be_used_is_refused(
    tmp_path: Path, path: str, options: dict[str, str], message: str
) -> None:
    for name in ("p.docx", "p.md", "???.md"):
        (tmp_path / name).write_text("Sort {x}")
    with pytest.raises(PrototypeError, match=message):
        read_prototype(tmp_path / path, **options)


def test_double_braces_are_slots_only_where_no_single_ones_are() -> None:
    assert prototype("Hi {{ policy }} and {{order}}").slots == ("policy", "order")
    escaped = prototype('Answer {{label}} for {"a": {ticket}}')
    assert escaped.slots == ("ticket",)
    assert escaped.render({"ticket": "x"}) == 'Answer {{label}} for {"a": x}'


# Rendering


def test_values_are_data_whatever_they_hold() -> None:
    text = prototype("{a} then {b} {c} {0} {a!r} {a.__class__}")
    found = text.render({"a": "{b}", "b": "{a}\\1", "c": True})
    assert found == "{b} then {a}\\1 yes {0} {a!r} {a.__class__}"


def test_without_a_slot_the_one_input_follows_the_prompt() -> None:
    plain = prototype("Sort this.")
    assert plain.render({"text": "hello"}) == "Sort this.\n\nhello"
    assert plain.prompt(plain.draft.steps[0], {"text": "hello"}).lead == "Sort this.\n\n"
    with pytest.raises(RowInputError, match="one input"):
        plain.render({"text": "hello", "queue": "billing"})


def test_a_missing_value_is_named() -> None:
    with pytest.raises(RowInputError, match="'ticket' is missing"):
        prototype().render({"queue": "x"})


@given(before=TEXT, middle=TEXT, after=TEXT, a=TEXT, b=TEXT)
def test_render_keeps_every_value_whole(before: str, middle: str, after: str, a: str, b: str) -> None:
    before, middle, after = (
        part.translate({ord("{"): "(", ord("}"): ")"}) for part in (before, middle, after)
    )
    text = prototype(f"{before}{{a}}{middle}{{b}}{after}{{a}}")
    assert text.render({"a": a, "b": b}) == f"{before}{a}{middle}{b}{after}{a}"
    assert text.prompt(text.draft.steps[0], {"a": a, "b": b}).lead == before


# The instruction


@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        (PROMPT, "You sort tickets for a shop.\n\nQueues:\n- billing: money\n- delivery: parcels"),
        ("Sort it.\n\nTicket: {ticket}\n\nQueue:", "Sort it.\n\nQueue:"),
        ("Sort.\n\n<ticket>\n{ticket}\n</ticket>\nNow.", "Sort.\n\nNow."),
        ("Sort.\n<t>{ticket}</t>", "Sort."),
        ("Sort.\nHere is the customer's message:\n```\n{ticket}\n```\n", "Sort."),
        ("# Job\nSort.\n\n## Message\n\n{ticket}\n\n## Reply\nJSON", "# Job\nSort.\n\n## Reply\nJSON"),
        (
            "Read the {ticket} for {shop_name}. {ticket} may lie.",
            "Read the ticket for the shop name. The ticket may lie.",
        ),
        ("Sort order {order}.", "Sort the order."),
        ("Classify this: {text}", "Classify this: the text"),
        ("Classify this:\n{text}", "Classify this:"),
        ("Classify:\n{text}", "Classify:"),
        ("  Sort.\r\n    - a\t \r\n\r\n  {ticket}", "Sort.\n  - a"),
        ("{ticket}", ""),
        ('No slot: {"a": 1}', 'No slot: {"a": 1}'),
    ],
)
def test_the_instruction_is_the_prose_without_what_carries_the_slot(text: str, instruction: str) -> None:
    assert lift(prototype(text)).instruction == instruction


# Inputs and outputs


def test_slots_are_inputs_and_the_other_columns_outputs() -> None:
    lifted = lift(prototype(), tickets(needs_human=lambda i: i % 3 == 0))
    assert [field.name for field in lifted.contract.inputs] == ["ticket"]
    schemas = {field.name: field.schema for field in lifted.contract.outputs}
    assert schemas == {
        "queue": {"enum": ["billing", "delivery"], "type": "string"},
        "needs_human": {"type": "boolean"},
    }
    assert lifted.steps[0].reasons["queue"] == "2 distinct values in 40 rows"
    assert lifted.left_out == {}


LEFT_OUT = {
    "id": lambda i: i + 1,
    "customer_id": lambda i: i % 7,
    "ref": lambda i: f"INV-{i:04}",
    "hash": lambda i: f"{i * 7919:08x}",
    "number": lambda i: 100_000 + (i * 37) % 1009,
    "created_at": lambda i: f"2026-01-{i % 28 + 1:02}",
    "seen": lambda i: f"2026-01-{i % 28 + 1:02}T10:00:00Z",
    "sender": lambda i: f"a{i % 5}@example.org",
    "shop": lambda i: "Larkfield",
    "note": lambda i: " " if i % 2 else None,
    "split": lambda i: ["train", "test"][i % 2],
    "reply": lambda i: f"Dear customer number {i}, we are sorry to hear that and will look into it at once.",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_nobody_wants_predicted_is_left_out_and_said(name: str) -> None:
    lifted = lift(prototype(), tickets(**{name: LEFT_OUT[name]}))
    assert [field.name for field in lifted.contract.outputs] == ["queue"]
    assert lifted.left_out[name]
    assert lifted.left_out[name] in lifted.describe()
    named = lift(prototype(), tickets(**{name: LEFT_OUT[name]}), outputs=[name])
    assert [field.name for field in named.contract.outputs] == [name]
    assert named.left_out == {"queue": "not named as an output"}


def test_values_found_word_for_word_in_the_input_are_extracted_not_classified() -> None:
    cities = ["Ulm", "Bonn", "Kiel", None]
    rows = table([{"text": f"A bus to {cities[i % 4] or 'nowhere'}", "to": cities[i % 4]} for i in range(40)])
    lifted = lift(prototype("Where to?\n{text}"), rows)
    assert lifted.contract.outputs[0].schema == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert "stands in the input in 30 of 30 rows" in lifted.steps[0].reasons["to"]
    codes = table([{"text": f"Order X-{i:03} is late", "order": f"X-{i:03}"} for i in range(40)])
    assert lift(prototype("{text}"), codes).contract.outputs[0].schema == {"type": "string"}


def test_a_missing_column_is_named_with_those_that_exist() -> None:
    with pytest.raises(ExamplesError, match="'Tickets'") as caught:
        lift(prototype("Sort {Tickets}"), tickets())
    assert "did you mean 'ticket'?" in caught.value.hint
    assert "ticket, queue" in caught.value.hint
    for options in ({"inputs": ["tickt"]}, {"outputs": ["queu"]}):
        with pytest.raises(ExamplesError, match="no column"):
            lift(prototype("Sort."), tickets(), **options)


def test_without_a_slot_the_longest_text_is_the_input() -> None:
    lifted = lift(prototype("Sort."), tickets())
    assert [field.name for field in lifted.contract.inputs] == ["ticket"]
    assert "longest text" in lifted.steps[0].reasons["ticket"]


def test_without_rows_every_field_is_text() -> None:
    assert lift(prototype()).contract.as_json()["outputs"]["properties"] == {"answer": {"type": "string"}}
    lifted = lift(prototype("Sort."), outputs=["queue", "why"])
    assert [field.name for field in lifted.contract.inputs] == ["text"]
    assert [field.name for field in lifted.contract.outputs] == ["queue", "why"]


def test_what_cannot_be_a_contract_is_refused() -> None:
    with pytest.raises(ExamplesError, match="no column is an output") as caught:
        lift(prototype(), table([{"ticket": f"t{i}", "id": i} for i in range(9)]))
    assert "--outputs" in caught.value.hint
    with pytest.raises(ExamplesError, match="input already"):
        lift(prototype(), tickets(), outputs=["ticket"])
    with pytest.raises(ExamplesError, match="also needs 'ticket'"):
        lift(prototype(), tickets(), inputs=["queue"])
    with pytest.raises(PrototypeError, match="one input"):
        lift(prototype("Sort."), tickets(), inputs=["ticket", "queue"])


@pytest.mark.parametrize(
    "name",
    ["two words", "class", "instructions", "fields", "model_config", "_x", "str", "QUEUE", "self", "ﬁ"],
)
def test_a_column_that_cannot_name_a_field_is_to_be_renamed(name: str) -> None:
    with pytest.raises(ExamplesError) as caught:
        lift(prototype(), tickets(**{name: lambda i: "ab"[i % 2]}))
    assert caught.value.hint == "rename it"
    assert repr(name) in caught.value.message


def test_a_slot_that_cannot_name_a_field_is_renamed_and_told() -> None:
    lifted = lift(prototype("Sort\n{order-id} of {ticket} as {json}"))
    assert [field.name for field in lifted.contract.inputs] == ["order_id", "ticket", "json_"]
    assert [(note.what, note.where) for note in lifted.unmapped] == [
        ("{order-id}", "triage.md:2"),
        ("{json}", "triage.md:2"),
    ]


# Types


@pytest.mark.parametrize(
    ("column", "values", "schema"),
    [
        ("x", ["yes", "No", "yes"], {"type": "boolean"}),
        ("x", ["true", "false"] * 3, {"type": "boolean"}),
        ("x", [True, False], {"type": "boolean"}),
        ("is_late", ["0", "1"] * 4, {"type": "boolean"}),
        ("x", ["0", "1"] * 4, {"type": "integer", "minimum": 0, "maximum": 1}),
        ("urgency", ["1", "3", "5", "2"] * 4, {"type": "integer", "minimum": 1, "maximum": 5}),
        ("amount", [100, 2000, 30, 4], {"type": "integer"}),
        ("amount", ["1.5", "-2", "3e2"], {"type": "number"}),
        ("code", ["007", "008"] * 4, {"enum": ["007", "008"], "type": "string"}),
        ("due", ["2026-01-31", "2026-02-28"], {"type": "string", "format": "date"}),
        ("due", ["2026-02-31", "2026-02-30"] * 4, {"enum": ["2026-02-30", "2026-02-31"], "type": "string"}),
        ("x", ["b", "a ", "b"], {"enum": ["a", "b"], "type": "string"}),
        ("x", list("abcdefgh"), {"type": "string"}),
        ("n", ["1000", ""], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("tags", [["a"], [], ["b", "c"]], {"type": "array", "items": {"type": "string"}}),
        ("tags", ['["a"]', "[]", '["b"]'], {"type": "array", "items": {"type": "string"}}),
        (
            "who",
            [{"name": "A", "age": 3}, {"name": "B"}],
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "age": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                },
                "required": ["name"],
            },
        ),
        ("who", [{"first name": 1}, {}], {"type": "object", "additionalProperties": True}),
    ],
)
def test_an_output_has_the_type_of_its_values(column: str, values: list[Any], schema: Any) -> None:
    assert schema_of(column, values) == schema


# Source

RICH = {
    "urgency": lambda i: i % 5 + 1,
    "due": lambda i: f"2026-01-{i % 28 + 1:02}" if i % 3 else None,
    "total": lambda i: i / 4,
    "late": lambda i: "yes" if i % 2 else "no",
    "topic": lambda i: f"a rather long label, number {i % 9}",
    "lines": lambda i: [{"what": "x", "amount": 1.5, "parts": [{"n": i}]}],
    "contact": lambda i: {"mail": "a", "phone": "1"} if i % 2 else {"mail": "b"},
    "extra": lambda i: {"free form": i},
}


def test_the_written_signature_says_what_was_lifted(tmp_path: Path) -> None:
    assert_same(lift(prototype(), tickets(**RICH)), tmp_path)


def test_the_written_files_are_as_a_person_would_write_them(tmp_path: Path) -> None:
    paths = write_source(lift(prototype(), tickets(needs_human=lambda i: i % 3 == 0)), tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "signatures/triage.py",
        "programs/triage.py",
        "optimizers/triage.py",
    ]
    signature, program, recipe = (path.read_text() for path in paths)
    assert signature.startswith('"""Contract of triage: ticket in; queue, needs_human out."""\n')
    assert '    queue: Literal["billing", "delivery"] = dspy.OutputField()\n' in signature
    assert "    needs_human: bool = dspy.OutputField()\n" in signature
    assert "    def forward(self, ticket: str) -> dspy.Prediction:\n" in program
    assert "        return self.triage(ticket=ticket)\n" in program
    assert "passes=[sw.Demos(), sw.Readout(), sw.Student()]" in recipe
    rich = write_source(lift(prototype(name="rich"), tickets(total=RICH["total"])), tmp_path)
    assert "passes=[sw.Demos(), sw.Readout(), sw.Student(), sw.Spans()]," in rich[2].read_text()


def test_the_written_files_need_no_formatter(tmp_path: Path) -> None:
    write_source(lift(prototype(), tickets(**RICH)), tmp_path)
    slots = " ".join(f"{{a_long_name_of_an_input_{i}}}" for i in range(6))
    write_source(lift(prototype(f'"Quoted" {slots}.\nIt ends in a "quote"', name="none")), tmp_path)
    for arguments in (["format", "--check", "--diff"], ["check", "--select", "E4,E7,E9,F,I,UP"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "100", "."]
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_written_program_calls_its_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_source(lift(prototype(name="written_once"), tickets(**RICH)), tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("signatures", "signatures.written_once"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    program = imported(tmp_path / "programs" / "written_once.py").WrittenOnceProgram()
    assert [name for name, _ in program.named_predictors()] == ["written_once"]
    for name in ("signatures", "signatures.written_once"):
        sys.modules.pop(name, None)


def test_nasty_labels_and_prompts_stay_text(tmp_path: Path) -> None:
    labels = tickets(label=lambda i: NASTY[i % len(NASTY)])
    prompt = "\n".join(NASTY).replace("{BULLET}", "{BLACK CIRCLE}") + '\n"""'
    lifted = lift(prototype(prompt), labels)
    assert lifted.contract.outputs[1].schema["enum"] == sorted(NASTY)
    assert_same(lifted, tmp_path)
    assert "\u202e" not in lifted.describe()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=TEXT, labels=st.lists(TEXT, min_size=1, max_size=4))
def test_any_prompt_and_labels_survive_the_source(tmp_path: Path, prompt: str, labels: list[str]) -> None:
    prompt = prompt if prompt.strip() else "x"
    assume(not prototype(prompt).slots)
    rows = [{"ticket": f"t{i}", "q_label": label} for i, label in enumerate([*labels, "fixed"] * 4)]
    lifted = lift(prototype(prompt), table(rows), inputs=["ticket"], outputs=["q_label"])
    assert_same(lifted, tmp_path)


INDENTED = st.text(st.sampled_from(" \"'\\\n\tab{}-:#<>`"), max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=INDENTED)
def test_any_layout_of_a_prompt_survives_source_and_formatter(tmp_path: Path, prompt: str) -> None:
    lifted = lift(prototype(f"{prompt}\n{{ticket}}"), outputs=["answer"])
    assert_same(lifted, tmp_path)
    path = tmp_path / "signatures" / "triage.py"
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--line-length",
        "100",
        "--check",
        str(path),
    ]
    assert subprocess.run(ruff, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("name", ["none", "literal", "any", "t", "triage_program", "q"])
def test_any_name_of_a_program_gives_a_class(tmp_path: Path, name: str) -> None:
    assert_same(lift(prototype(name=name), tickets(urgency=RICH["urgency"], topic=RICH["topic"])), tmp_path)


def test_a_field_never_hides_the_class_of_another(tmp_path: Path) -> None:
    columns = dict.fromkeys(("Topic", "Triage", "Lines2"), RICH["topic"])
    assert_same(lift(prototype(), tickets(**columns, lines=RICH["lines"])), tmp_path)


def test_edits_are_not_trodden_on(tmp_path: Path) -> None:
    lifted = lift(prototype(), tickets())
    paths = write_source(lifted, tmp_path)
    before = [path.stat().st_mtime_ns for path in paths]
    assert write_source(lifted, tmp_path) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before

    paths[1].write_text("# mine\n")
    paths[0].unlink()
    with pytest.raises(SourceError, match="# mine") as caught:
        write_source(lifted, tmp_path)
    assert "--new-contract" in caught.value.hint
    assert len(caught.value.message.split("\n")) <= 41
    assert not paths[0].exists()
    write_source(lifted, tmp_path, overwrite=True)
    assert "dspy.Module" in paths[1].read_text()


# Rows under a contract


def test_rows_are_typed_and_other_columns_dropped(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('ticket,late,due,n,id\nhi,yes,2026-01-31,1000,1\n" yo ",no,,2500,2\n')
    rows = load_table(path)
    lifted = lift(prototype(), rows)
    assert load_labelled(lifted.contract, rows) == [
        {"ticket": "hi", "late": True, "due": "2026-01-31", "n": 1000},
        {"ticket": " yo ", "late": False, "due": None, "n": 2500},
    ]


def test_the_first_bad_row_is_named_and_the_others_counted() -> None:
    contract = lift(prototype(), tickets(n=lambda i: (i * 37) % 50)).contract
    rows = [{"ticket": "a", "queue": "billing", "n": "1"}, {"ticket": "b", "queue": "moon", "n": "2"}]
    rows += [{"ticket": "c", "queue": "billing", "n": "many"}, {"ticket": "d", "queue": "", "n": "3"}]
    with pytest.raises(ExamplesError, match=r"'moon' is none of .*; 2 more rows are bad") as caught:
        load_labelled(contract, table(rows))
    assert caught.value.where == "tickets.csv:3, column 'queue'"
    with pytest.raises(ExamplesError, match="label is empty"):
        load_labelled(contract, table([rows[0], rows[3]]))
    with pytest.raises(ExamplesError, match="no column 'n'"):
        load_labelled(contract, table([{"ticket": "a", "queue": "billing"}]))
    with pytest.raises(ExamplesError, match="one class only: nothing to learn"):
        load_labelled(contract, table([rows[0], rows[0]]))
    assert len(load_labelled(contract, table([rows[0], rows[0]]), needs_classes=False)) == 2
    with pytest.raises(ExamplesError, match="surrogate"):
        load_labelled(contract, table([{**rows[0], "ticket": "\ud800"}]))


def test_examples_are_written_beside_a_copy_of_the_prototype(tmp_path: Path) -> None:
    lifted = lift(prototype(), tickets(**RICH))
    rows = load_labelled(lifted.contract, tickets(**RICH))
    first = write_examples(lifted, rows[:20], rows[20:30], rows[30:], tmp_path, source="/x/tickets.csv")
    assert [path.name for path in first] == [
        "train.jsonl",
        "dev.jsonl",
        "test.jsonl",
        "prototype.md",
        "origin.json",
    ]
    again = write_examples(lifted, rows[:30], [], rows[30:], tmp_path, source="/x/tickets.csv")
    folder = tmp_path / "data" / "triage"
    assert sorted(folder.iterdir()) == sorted(again)
    assert (folder / "prototype.md").read_text() == PROMPT
    assert json.loads((folder / "origin.json").read_text())["rows"] == {"train": 30, "dev": 0, "test": 10}
    assert load_labelled(lifted.contract, load_table(folder / "train.jsonl")) == rows[:30]


# Projects


def test_a_folder_is_made_a_project_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    made = make_project(folder, "triage_é")
    assert folder / "pyproject.toml" in made
    assert (folder / "signatures").is_dir()
    assert find_project(folder / "signatures" / "x.py") == folder
    assert find_project(tmp_path) is None
    assert make_project(folder, "triage") == []


def test_an_existing_pyproject_is_extended_and_a_broken_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "mine"')
    (tmp_path / ".gitignore").write_text("mlflow.db")
    make_project(tmp_path, "triage")
    assert path.read_text() == '[project]\nname = "mine"\n\n[tool.shipworthy]\n'
    assert (tmp_path / ".gitignore").read_text() == "mlflow.db\n.shipworthy/\nmlartifacts/\n"
    path.write_text("[tool.shipworthy\n")
    with pytest.raises(SourceError, match="TOML"):
        find_project(tmp_path)


def test_names_that_dspy_keeps_are_known() -> None:
    import dspy

    from shipworthy.lift.names import problem_of_field, problem_of_program

    public = {*dir(dspy.Signature), *dir(type(dspy.Signature))}
    assert [name for name in public if not problem_of_field(name)] == []
    steps = [name for name in dir(dspy.Module()) if name not in string.ascii_letters]
    assert [name for name in steps if not problem_of_program(name)] == []
