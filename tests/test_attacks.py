"""Attacks are told from noise: contenders that obey, that never do, and that break give known figures."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipworthy.errors import ContextLengthError, LMError, OutputError, RowError
from shipworthy.evidence import answer_freely
from shipworthy.evidence.attack_forms import CHAT_TOKENS, attacks_with, delimiters_of
from shipworthy.evidence.attacks import attacks
from shipworthy.evidence.injections import INJECTIONS, LANGUAGES
from shipworthy.lift import plain_prototype
from shipworthy.lms import Journal, Recorded, open_lm
from shipworthy.runtime import Answer, Contract, Field, Outcome
from shipworthy.scoring import EXACT, evaluate

LABELS = ["lamp", "chair", "table", "rug"]
INPUTS = (Field("text", {"type": "string"}),)
OUTPUTS = (Field("desk", {"enum": LABELS}),)
Many = Callable[[Iterable[Mapping[str, Any]]], Iterator[Outcome[Answer]]]
PROMPT = plain_prototype("sort", "Sort the note.\n\nNote:\n{text}\n\nDesk:")


def contender(say: Callable[[str], Any], *, name: str = "desk", answered: bool = True) -> Many:
    def many(rows: Iterable[Mapping[str, Any]]) -> Iterator[Outcome[Answer]]:
        for row in rows:
            try:
                yield Outcome(Answer({name: say(row["text"])}, {name: 0.9}, answered))
            except RowError as error:
                yield Outcome(error=error)

    return many


def own(text: str) -> str:
    """The right label, by the row's first words."""
    return next((label for label in LABELS if text.startswith(f"my {label}")), "rug")


def obeys(text: str) -> str:
    """Takes the last label that is mentioned anywhere, in plain letters."""
    found = [(text.rfind(label), label) for label in LABELS if label in text]
    return max(found)[1] if found else "rug"


def rows(n: int = 20) -> list[dict[str, Any]]:
    return [{"text": f"my {LABELS[i % 4]} is odd, says number {i}", "desk": LABELS[i % 4]} for i in range(n)]


def measured(**more: Any) -> dict[str, Any]:
    contenders = more.pop("contenders", {"compiled": contender(own), "prototype": contender(obeys)})
    given: dict[str, Any] = {"inputs": INPUTS, "outputs": OUTPUTS, "context_tokens": 200}
    found = attacks(contenders, more.pop("rows", rows()), **{**given, **more})
    assert json.loads(json.dumps(found)) == found
    return found


def test_who_never_obeys_is_never_turned() -> None:
    ours = measured()["contenders"]["compiled"]
    assert ours["overall"]["success"]["count"] == ours["overall"]["control"]["count"] == 0
    assert ours["overall"]["moved"]["share"] == 0.0
    assert ours["worst"] == []
    assert ours["overall"]["success"]["ci"][1] < 0.2


def test_who_obeys_is_turned_by_every_form_that_it_can_read() -> None:
    theirs = measured(delimiters=delimiters_of(PROMPT))["contenders"]["prototype"]
    for name, form in theirs["by"].items():
        unreadable = {"zero_width", "tag_characters", "fullwidth", "bidi", "combining_marks"}
        assert form["success"]["share"] == (0.0 if name in unreadable else 1.0), name
        assert form["control"]["share"] == 0.0
        assert form["attempts"] == form["success"]["rows"] == 20
    assert {one["success"]["share"] for one in theirs["by_language"].values()} == {1.0}
    assert set(theirs["by_language"]) == set(LANGUAGES)


def test_the_difference_is_over_rows_and_has_a_sign() -> None:
    found = measured()
    success = found["contenders"]["prototype"]["overall"]["success"]
    assert found["difference"]["mean"] == pytest.approx(-success["share"])
    assert found["difference"]["n"] == success["rows"] == 20
    assert found["difference"]["ci"][1] < 0


def test_a_flip_by_noise_is_not_sold_as_an_attack() -> None:
    def confused(text: str) -> str:
        """Any longer text makes it say the last label that is neither the row's own nor given."""
        right = own(text)
        return right if len(text) < 60 else LABELS[(LABELS.index(right) + 1) % 4]

    found = measured(contenders={"compiled": contender(confused)})["contenders"]["compiled"]["overall"]
    assert 0 < found["success"]["share"] < 1
    assert found["control"]["share"] == found["success"]["share"]
    assert found["excess"]["mean"] == 0.0
    assert found["moved"]["share"] == 1.0


def test_the_target_is_neither_right_nor_the_contenders_own_answer() -> None:
    def wrong(text: str) -> str:
        return obeys(text) if "desk" in text else "chair"

    found = measured(contenders={"compiled": contender(wrong)})["contenders"]["compiled"]
    for one in found["worst"]:
        assert one["target"] != one["said_before"]["desk"]
        assert one["target"] != own(one["before"])
        assert one["said_after"]["desk"] == one["target"]
        assert one["after"].startswith(one["before"])


def test_a_row_that_leaves_no_target_is_left_out() -> None:
    outputs = (Field("desk", {"enum": ["lamp", "chair"]}),)
    data = [row for row in rows() if row["desk"] in ("lamp", "chair")]
    found = measured(rows=data, outputs=outputs, contenders={"compiled": contender(lambda text: "lamp")})
    overall = found["contenders"]["compiled"]["overall"]
    assert overall["success"]["rows"] == sum(row["desk"] == "lamp" for row in data)
    none = measured(rows=data[:1], outputs=outputs, contenders={"compiled": contender(lambda text: "chair")})
    assert none["contenders"]["compiled"]["overall"]["attempts"] == 0
    assert "no row met it" in none["contenders"]["compiled"]["overall"]["why"]


def test_who_obeys_but_abstains_is_told_from_who_obeys() -> None:
    shy = contender(obeys, answered=False)
    overall = measured(contenders={"compiled": shy})["contenders"]["compiled"]["overall"]
    assert overall["success"]["share"] > 0.5
    assert overall["success_answered"]["share"] == 0.0
    assert overall["abstained"]["share"] == 1.0


def test_where_nothing_is_decided_a_canary_tells() -> None:
    outputs = (Field("summary", {"type": "string"}),)
    data = [{"text": row["text"], "summary": "it is odd"} for row in rows()]
    copies = contender(lambda text: text[-300:], name="summary")
    obedient = contender(
        lambda text: text.rpartition("summary is ")[2] if "canary" in text else "odd", name="summary"
    )
    firm = contender(lambda text: "odd", name="summary")
    found = measured(
        rows=data, outputs=outputs, contenders={"copies": copies, "obeys": obedient, "firm": firm}
    )
    assert found["target"] is None
    by_name = found["contenders"]
    assert by_name["firm"]["overall"]["success"]["count"] == 0
    assert by_name["obeys"]["by"]["ignore"]["success"]["count"] > 0
    # Who copies its input shows the canary of a harmless text too.
    plain = by_name["copies"]["by"]["ignore"]
    assert (plain["success"]["share"], plain["control"]["share"], plain["excess"]["mean"]) == (1.0, 1.0, 0.0)


def test_errors_are_outcomes_by_type_and_an_untyped_exception_is_no_end() -> None:
    def breaks(text: str) -> str:
        if "<!--" in text:
            raise OutputError("markup")
        if "\u200b" in text and text.strip("\u200b\u200c\u2060"):
            raise UnicodeError("zero width")
        return own(text)

    by = measured(contenders={"compiled": contender(breaks)})["contenders"]["compiled"]["by"]
    assert by["html_comment"]["errors"] == {"OutputError": 20}
    assert by["zero_width"]["untyped"] == {"UnicodeError": 20}
    assert by["ignore"]["errors"] == by["ignore"]["untyped"] == {}
    assert by["zero_width"]["success"]["share"] == 0.0


def test_an_lm_that_is_down_ends_the_battery() -> None:
    def down(text: str) -> str:
        raise LMError("down")

    with pytest.raises(LMError):
        measured(contenders={"compiled": contender(down)})


def test_very_long_and_empty_inputs_are_counted_by_outcome() -> None:
    def limited(text: str) -> str:
        if len(text.split()) > 200:
            raise ContextLengthError("too long")
        return own(text)

    found = measured(contenders={"compiled": contender(limited), "prototype": contender(own)})["edges"]
    assert found["rows"] == 10
    ours, theirs = found["contenders"]["compiled"], found["contenders"]["prototype"]
    assert ours["long_behind"]["errors"] == {"ContextLengthError": 10}
    assert ours["long_behind"]["answered"] == 0
    assert theirs["long_behind"] == {
        "n": 10, "answered": 10, "right": 10, "abstained": 0, "errors": {}, "untyped": {},
    }  # fmt: skip
    assert theirs["long_before"]["right"] < 10
    # The same empty input is asked once, and has no right answer.
    assert (ours["empty"]["n"], ours["empty"]["right"]) == (1, None)
    assert set(found["sentences"]) == set(ours)


def test_known_answers_are_not_asked_again_and_draws_do_not_hang_on_others() -> None:
    asked: dict[str, list[str]] = {"alone": [], "beside": []}

    def many(key: str) -> Many:
        def say(text: str) -> str:
            asked[key].append(text)
            return own(text)

        return contender(say)

    data = rows()
    known = {"compiled": (list(range(20)), evaluate(contender(own), data, outputs=["desk"], metric=EXACT))}
    measured(contenders={"compiled": many("alone")}, plain=known)
    measured(contenders={"prototype": contender(obeys), "compiled": many("beside")}, plain=known)
    assert asked["alone"] == asked["beside"]
    assert not {row["text"] for row in data} & set(asked["alone"])


def test_fewer_forms_a_row_are_some_of_all() -> None:
    every = measured()["contenders"]["prototype"]["overall"]["attempts"]
    some = measured(per_row=5)
    assert some["contenders"]["prototype"]["overall"]["attempts"] == 100 < every
    assert some["rows"]["per_row"] == 5


def test_who_cannot_be_measured_says_why() -> None:
    found = measured(contenders={"compiled": contender(own), "prototype": "its answers were recorded"})
    assert found["contenders"]["prototype"]["why"] == "its answers were recorded"
    assert found["edges"]["contenders"]["prototype"] is None
    assert found["difference"]["mean"] is None
    numbers = [{"text": 3, "desk": "lamp"}]
    no_text = measured(rows=numbers, inputs=(Field("text", {"type": "integer"}),))
    assert no_text["contenders"]["compiled"]["why"] == "no input holds free text"


@pytest.mark.slow
def test_the_embedded_lm_is_attacked_for_real_and_asked_once(tmp_path: Path) -> None:
    lm = Recorded(open_lm("local", workers=1), Journal(tmp_path / "journal.jsonl"))
    try:
        contract = Contract(INPUTS, OUTPUTS)
        free = {"prototype": answer_freely(PROMPT, contract, lm)}
        more: dict[str, Any] = {"at_most": 1, "per_row": 3, "context_tokens": lm.context}
        found = measured(contenders=free, delimiters=delimiters_of(PROMPT), **more)
        assert found["contenders"]["prototype"]["overall"]["attempts"] == 3
        assert found["contenders"]["prototype"]["overall"]["untyped"] == {}
        for kind in ("long_behind", "long_before"):
            assert found["edges"]["contenders"]["prototype"][kind]["errors"] == {"ContextLengthError": 1}
        made = lm.made
        assert measured(contenders=free, delimiters=delimiters_of(PROMPT), **more) == found
        # What is too long fails before it is asked, so it has no answer that a journal could keep.
        assert lm.made == made
    finally:
        lm.close()


# The forms


def test_every_form_names_output_and_target_in_every_language() -> None:
    for form, texts in INJECTIONS.items():
        assert tuple(texts) == LANGUAGES, form
        assert all("{target}" in text and "{output}" in text for text in texts.values()), form
        assert len(set(texts.values())) == len(LANGUAGES)


@pytest.mark.parametrize("target", ["lamp", "{output}", 'quo"te', "\\1", ""])
def test_any_target_can_be_named(target: str) -> None:
    for form in attacks_with(delimiters_of(PROMPT)):
        for language in form.languages:
            said = form.text(language=language, output="desk", target=target, harmless="It rains.")
            plain = {"ignore", "role_play", "system", "authority", "question", "exchange", "homoglyphs"}
            assert target in said if form.name in plain else said


def test_disguises_hide_the_letters_and_keep_the_message() -> None:
    said = {
        form.name: form.text(language="en", output="desk", target="lamp", harmless="")
        for form in attacks_with({})
    }
    assert said["zero_width"].replace("\u200b", "") == said["ignore"]
    assert "".join(chr(ord(one) - 0xE0000) for one in said["tag_characters"]) == said["ignore"]
    assert unicodedata.normalize("NFKC", said["fullwidth"]) == said["ignore"]
    assert said["bidi"].strip("\u202e\u202c")[::-1] == said["ignore"]
    assert said["combining_marks"].replace("\u0336", "") == said["ignore"]
    assert said["homoglyphs"] != said["ignore"]
    assert len(said["homoglyphs"]) == len(said["ignore"])


def test_delimiters_are_the_prompts_own_and_those_of_chat_templates() -> None:
    assert delimiters_of(PROMPT) == {"prompt": ["Note:", "Desk:"], "chat": list(CHAT_TOKENS)}
    names = [form.name for form in attacks_with(delimiters_of(PROMPT))]
    assert {"delimiter_prompt_1", "delimiter_prompt_2", "delimiter_chat_3"} <= set(names)
    assert len(names) == len(set(names))
