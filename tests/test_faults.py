"""An LM that fails on purpose: every fault ends where it should, and none in a wrong answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_instructions import Last, Understands, compiled
from test_instructions import rows as sorted_rows

import shipworthy as sw
from shipworthy.errors import DeadlineError, InputError, LMError, OutputError
from shipworthy.evidence.faults import faults
from shipworthy.evidence.faulty import CALLS, KINDS, SCORES, TEXTS, FaultyLM, simulated
from shipworthy.lms import LM, Journal, Prompt, Question, Recorded, deadline, open_lm
from shipworthy.runtime import Answer, Outcome, load_artifact, ordered_map
from shipworthy.scoring import EXACT

ASKED = Prompt(system="Sort.", user="where is number 7")
QUESTION = Question("topic:", (1, 2, 3, 4))
Many = Callable[[Iterable[Mapping[str, Any]]], Iterator[Outcome[Answer]]]


def understanding(workers: int = 2) -> Understands:
    lm = Understands(always=True)
    lm.workers = workers
    return lm


@pytest.fixture(scope="module")
def decides(tmp_path_factory: pytest.TempPathFactory) -> Callable[[LM], Many]:
    """A program of one decision, read from log-probabilities."""
    artifact = compiled(tmp_path_factory.mktemp("sort"), sw.Readout(), always=True).artifact
    return lambda lm: load_artifact(artifact, lm=lm).answer_many


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[LM], Many]:
    """A program that writes its output as JSON."""
    train = [{"text": f"{word} then {other}", "last": other} for word in "abc" for other in "uvwxyz"]
    folder = tmp_path_factory.mktemp("last")
    artifact = compiled(folder, sw.Demos(), signature=Last, train=train, always=True).artifact
    return lambda lm: load_artifact(artifact, lm=lm).answer_many


def reads_loosely(lm: LM) -> Many:
    """What a careless prototype does: the first letter of whatever came back."""

    def answer(row: Mapping[str, Any]) -> Answer:
        text = lm.generate(Prompt(user=str(row["text"]))).text
        return Answer({"last": json.loads(text)["last"] if text[-1:] == "}" else text[:1]}, {}, True)

    return lambda rows: ordered_map(answer, rows, workers=lm.workers)


def messages(n: int = 40) -> list[dict[str, Any]]:
    return [{"text": f"{i} then {i + 1}", "last": str(i + 1)} for i in range(n)]


def battery(program_on: Callable[[LM], Many], rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    output = "topic" if "topic" in (rows or [{}])[0] else "last"
    options = {"lm": understanding(), "outputs": [output], "metric": EXACT, "rates": (0.2,), **more}
    return faults(program_on, rows, **options)


# ── one call ─────────────────────────────────────────────────────────────────


def test_at_rate_0_everything_is_as_without() -> None:
    plain, faulty = understanding(), FaultyLM(understanding(), rate=0.0)
    assert faulty.id == plain.id
    assert faulty.generate(ASKED) == plain.generate(ASKED)
    (expected,), (found,) = plain.score(ASKED, [QUESTION]), faulty.score(ASKED, [QUESTION])
    assert found.logprobs.tolist() == expected.logprobs.tolist()
    assert faulty.tokenize("a b") == plain.tokenize("a b")


@pytest.mark.parametrize(
    ("kind", "error", "retries"),
    [
        ("refused", LMError, 4),
        ("server_error", LMError, 4),
        ("rate_limit", LMError, 1),
        ("stall", LMError, 4),
    ],
)
def test_a_call_that_keeps_failing_is_retried_as_a_hosted_lm_does_it(
    kind: str, error: type[Exception], retries: int
) -> None:
    lm = FaultyLM(understanding(), rate=1.0, kinds=[kind])
    with simulated() as row, pytest.raises(error) as caught:
        lm.generate(ASKED)
    assert "on purpose" in str(caught.value)
    assert retries <= row.retries <= 4
    assert row.faults == row.retries + 1


def test_a_stall_ends_at_the_deadline() -> None:
    lm = FaultyLM(understanding(), rate=1.0, kinds=["stall"])
    with simulated() as row, deadline(3.0, clock=row), pytest.raises(DeadlineError):
        lm.score(ASKED, [QUESTION])
    assert row.now == 3.0


def test_a_passing_failure_costs_a_wait_and_nothing_else() -> None:
    lm = FaultyLM(understanding(), rate=0.3, kinds=["server_error"])
    asked = [Prompt(user=f"where is number {i}") for i in range(40)]
    with simulated() as row:
        assert [lm.generate(one) for one in asked] == [understanding().generate(one) for one in asked]
    assert row.retries == row.faults > 5
    assert row.now > row.retries * 0.25


def test_what_fails_rarely_fails_often_too() -> None:
    asked = [Prompt(user=f"where is number {i}") for i in range(300)]

    def struck(rate: float) -> set[int]:
        lm = FaultyLM(understanding(), rate=rate, kinds=["empty"])
        return {i for i, one in enumerate(asked) if lm.generate(one).text == ""}

    assert struck(0.01) < struck(0.05) < struck(0.2)
    assert 35 < len(struck(0.2)) < 85


@pytest.mark.parametrize("bad", [{"rate": 1.5}, {"rate": -0.1}, {"rate": 0.1, "kinds": ["fire"]}])
def test_what_cannot_be_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        FaultyLM(understanding(), **bad)


@pytest.mark.parametrize("kind", SCORES)
def test_log_probabilities_that_are_no_numbers_are_no_answer(
    decides: Callable[[LM], Many], kind: str
) -> None:
    many = decides(FaultyLM(understanding(), rate=1.0, kinds=[kind]))
    assert {type(outcome.error) for outcome in many(sorted_rows(60))} == {OutputError}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_spoilt_text_is_no_answer(writes: Callable[[LM], Many], kind: str) -> None:
    many = writes(FaultyLM(understanding(), rate=1.0, kinds=[kind]))
    assert {type(outcome.error) for outcome in many(messages())} == {OutputError}


# ── the battery ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["decides", "writes"])
def test_no_fault_of_a_compiled_program_becomes_a_wrong_answer(
    name: str, request: pytest.FixtureRequest
) -> None:
    rows = sorted_rows(60) if name == "decides" else messages(60)
    data = battery(request.getfixturevalue(name), rows, rates=(0.05, 0.2))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    measured = [entry for entry in data["by_kind"] if entry["why"] is None]
    assert {entry["kind"] for entry in measured} == {*CALLS, *(SCORES if name == "decides" else TEXTS)}
    for entry in measured:
        ends = [entry[end]["count"] for end in ("right", "wrong", "abstained", "error", "untyped")]
        assert sum(ends) + entry["unscored"] == entry["n"] == 60
        assert entry["error"]["count"] == sum(entry["errors"].values())
    assert data["total"]["struck"] > 50
    assert data["total"]["turned_wrong"] == data["total"]["untyped"] == data["total"]["over_ms"] == 0
    assert data["without"]["error"]["count"] == 0


def test_retries_save_most_rows_whose_calls_fail_and_no_row_whose_answer_is_spoilt(
    decides: Callable[[LM], Many],
) -> None:
    data = battery(decides, sorted_rows(60), kinds=["server_error", "nan"])
    refused, spoilt = data["by_kind"]
    assert refused["retries"] >= refused["struck"] > 0
    assert refused["error"]["count"] == 0
    assert refused["difference"]["mean"] == 0
    assert spoilt["error"]["count"] == spoilt["struck"] > 0
    assert spoilt["errors"] == {"OutputError": spoilt["struck"]}


def test_stalls_end_at_the_deadline_and_the_battery_waits_for_none(decides: Callable[[LM], Many]) -> None:
    (entry,) = battery(decides, sorted_rows(60), kinds=["stall"], deadline_s=30.0)["by_kind"]
    assert entry["errors"] == {"DeadlineError": entry["struck"]}
    assert entry["longest_s"] == 30.0
    assert entry["over_ms"] == 0


def test_a_reader_that_takes_anything_turns_faults_into_wrong_answers_and_that_is_said() -> None:
    data = battery(reads_loosely, messages(60), kinds=["cut", "empty"])
    for entry in data["by_kind"]:
        assert entry["turned_wrong"]["count"] == entry["turned_wrong"]["n"] == entry["struck"] > 0
        assert entry["difference"]["mean"] == pytest.approx(-entry["struck"] / 60)
        assert entry["difference"]["ci"][1] <= 0


def test_an_untyped_exception_is_counted_and_shown() -> None:
    def fragile(lm: LM) -> Many:
        def answer(row: Mapping[str, Any]) -> Answer:
            return Answer(
                {"last": json.loads(lm.generate(Prompt(user=str(row["text"]))).text)["last"]}, {}, True
            )

        return lambda rows: ordered_map(answer, rows, workers=1)

    (entry,) = battery(fragile, messages(60), kinds=["malformed"])["by_kind"]
    assert entry["untyped"]["count"] == entry["struck"] > 0
    assert entry["error"]["count"] == 0
    assert any("JSONDecodeError" in said for said in entry["exceptions"])


def test_a_call_that_outlasts_the_deadline_is_late_without_any_fault(
    decides: Callable[[LM], Many],
) -> None:
    data = battery(decides, sorted_rows(9), kinds=["refused"], deadline_s=0.0005)
    assert data["without"]["errors"] == {"DeadlineError": 9}
    assert data["without"]["score"]["mean"] == 0
    assert data["without"]["over_ms"] > 0


def test_the_same_seed_gives_the_same_figures_with_one_worker_and_with_four(
    decides: Callable[[LM], Many], writes: Callable[[LM], Many]
) -> None:
    for program_on, rows in ((decides, sorted_rows(40)), (writes, messages(40))):
        one, four = (battery(program_on, rows, lm=understanding(workers)) for workers in (1, 4))
        assert one == four
        assert battery(program_on, rows, seed=1)["by_kind"] != one["by_kind"]


def test_a_call_is_made_once_and_a_second_battery_makes_none(
    decides: Callable[[LM], Many], tmp_path: Path
) -> None:
    rows = sorted_rows(30)
    first = Recorded(understanding(), Journal(tmp_path / "journal"))
    found = battery(decides, rows, lm=first)
    made = first.made
    assert 0 < made < first.calls / 5
    again = Recorded(understanding(), Journal(tmp_path / "journal"))
    assert battery(decides, rows, lm=again) == found
    assert again.made == 0


def test_an_lm_that_is_down_by_itself_is_no_fault_on_purpose() -> None:
    class Down(Understands):
        def generate(self, prompt: Prompt, **more: Any) -> Any:
            raise LMError("no such host")

    with pytest.raises(LMError, match="no such host"):
        battery(reads_loosely, messages(5), lm=Down())


def test_rows_are_drawn_where_there_are_many_and_their_number_is_said() -> None:
    data = battery(reads_loosely, messages(60), kinds=["empty"], at_most=20)
    assert (data["n"], data["of"]) == (20, 60)
    assert data == battery(reads_loosely, messages(60), kinds=["empty"], at_most=20)


def test_what_was_not_measured_says_why(decides: Callable[[LM], Many]) -> None:
    none = battery(decides, [])
    assert none["without"] is None
    assert none["why"] == "there are no rows"
    spoilt = [entry for entry in battery(decides, sorted_rows(9))["by_kind"] if entry["kind"] in TEXTS]
    assert all(entry["why"] and entry["error"] is None for entry in spoilt)

    def student(lm: LM) -> Many:
        return lambda rows: ordered_map(lambda row: Answer({"last": row["last"]}, {}, True), rows, workers=1)

    data = battery(student, messages(5))
    assert {entry["why"] for entry in data["by_kind"]} == {"the program calls no LM on these rows"}
    assert {entry["kind"] for entry in data["by_kind"]} == set(KINDS)
    assert data["total"] is None


@pytest.mark.slow
def test_on_the_embedded_lm_nothing_fails_but_on_purpose(tmp_path: Path) -> None:
    lm = Recorded(open_lm("local"), Journal(tmp_path / "journal"))
    schema = {"enum": ["lost", "broken", "praise"]}

    def constrained(faulty: LM) -> Many:
        def answer(row: Mapping[str, Any]) -> Answer:
            prompt = Prompt(system="Sort the message: lost, broken or praise.", user=str(row["text"]))
            text = faulty.generate(prompt, max_tokens=8, schema=schema).text
            try:
                return Answer(
                    {"topic": {json.dumps(label): label for label in schema["enum"]}[text]}, {}, True
                )
            except KeyError as error:
                raise OutputError(f"no such topic: {text[:40]}") from error

        return lambda rows: ordered_map(answer, rows, workers=faulty.workers)

    data = battery(constrained, sorted_rows(12), lm=lm, rates=(0.05, 0.2))
    assert lm.made == 12
    assert data["total"]["untyped"] == data["total"]["turned_wrong"] == 0
    assert data["without"]["error"]["count"] == 0
    lm.close()
