"""The report of a compile: what was weighed is handed over, and the page hides and shows what it should."""

from __future__ import annotations

import copy
import functools
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_project import Hotel, call, hotel
from test_instructions import ALSO_BAD, BAD, GOOD, compiled, rows
from test_page import Reader

import shipworthy as sw
from shipworthy.compiler import Compiled
from shipworthy.compiler.draft import Candidate
from shipworthy.compiler.race import race
from shipworthy.compiler.report import _race as as_reported
from shipworthy.compiler.report import _rounded as rounded
from shipworthy.compiler.weighing import MATTERS, Weighing
from shipworthy.evidence import compile_page
from shipworthy.runtime import Read, StudentHead
from shipworthy.ship.reports import write_report

__all__ = ["hotel"]

NASTY = "</pre></script><b onload='x'>\u202e & \"quotes\" {{ 7 * 7 }} \ud800"
SECRET = "sk-proj-Zx81kQ0mVt7LcY2pWn54RbTe"
LARGEST = 300_000
HEAD = StudentHead(np.zeros((2, 1), np.float32), np.zeros(2, np.float32))


@dataclass
class Coin:
    """A contender that is right with a given probability."""

    name: str
    share: float

    def scores(self, n: int) -> np.ndarray[Any, Any]:
        draws = np.random.default_rng(len(self.name)).random(n)
        return (draws < self.share).astype(float)


@functools.cache
def raced(k: int = 7, n_rows: int = 240) -> dict[str, Any]:
    """A race as a pass keeps it, with its history: the second is the best, every fourth hopeless."""
    texts = [f"Sort the ticket into one queue{', and think of the sender' * i}." for i in range(k)]
    shares = [0.5 + 0.07 * (i == 1) - 0.15 * (i > 2) * (i % 4) for i in range(k)]
    history: list[dict[str, Any]] = []

    def keep(standings: Any) -> None:
        now = [asdict(one) for one in standings()]
        history.append({"rows": sum(one["rows"] for one in now), "standings": now})

    contenders = [Coin(text, share) for text, share in zip(texts, shares, strict=True)]
    found = race(contenders, n_rows, first=24, on_round=keep)
    return {
        "what": "instructions",
        "why": found.why,
        "rows": found.rows,
        "winner": found.winner,
        "kept": found.winner,
        "confirmed": {"difference": 0.05, "n": 60, "better_on": 9, "worse_on": 6},
        "texts": texts,
        "standings": [asdict(one) for one in found.standings],
        "history": history,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """A whole compile on a stand-in for an LM: demos, a race, readout, student and cascade."""
    passes = (sw.Demos(), sw.Instructions(texts=(ALSO_BAD, GOOD)), sw.Readout(), sw.Student())
    found: Compiled = compiled(tmp_path_factory.mktemp("made"), *passes, train=rows(90))
    return found


@pytest.fixture
def figures(made: Compiled) -> dict[str, Any]:
    """The figures of that compile, with all else that a report can show."""
    data = copy.deepcopy(made.figures)
    data["cascade"] = {"cut": 0.93, "share": 0.412, "margin": 0.01, "delta": 0.05}
    tried = [{"score": i / 60, "rows": 50, "instruction": f"Take {i}", "demos": i} for i in range(60)]
    data["races"] += [rounded(as_reported(raced())), {"what": "optimizer", "name": "MIPROv2", "tried": tried}]
    return data


def read(data: dict[str, Any]) -> Reader:
    return Reader(compile_page(data))


def candidate(shares: list[float], *, reads: tuple[int, ...] = ()) -> Candidate:
    """One that gives the first class these shares, row by row."""
    first = np.array(shares)
    return Candidate(HEAD, np.log(np.stack([first, 1 - first], axis=1)), reads)


def weighing(n: int) -> Weighing:
    """Of n rows, all of the first class, and two questions."""
    questions = [Read(mode="logprobs", opening=f"{name}:", tokens=(1,)) for name in ("topic", "queue")]
    return Weighing(questions, np.arange(n), np.zeros(n, np.intp))


def add(table: Weighing, *parts: Candidate) -> int:
    return table.add(table.fit(*parts))


def test_the_dearer_candidate_is_taken_only_where_it_is_better_beyond_doubt() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.55, 0.95, 60)
    table = weighing(60)
    cheap = add(table, candidate(list(base), reads=(0,)))
    same = add(table, candidate(list(base + rng.normal(0, 0.01, 60)), reads=(0, 1)))
    better = add(table, candidate(list(0.4 * base + 0.6), reads=(0, 1)))
    assert table.compare(cheap, same).taken == cheap
    found = table.compare(cheap, better)
    assert found.taken == better
    assert found.gain >= MATTERS
    assert found.ci is not None
    assert 0 < found.ci[0] < found.gain < found.ci[1]
    assert [one.reads for one in table.considered] == [(0,), (0, 1), (0, 1)]
    assert [(one.cheaper, one.dearer) for one in table.comparisons] == [(cheap, same), (cheap, better)]


def test_a_cheaper_candidate_that_must_be_right_as_often_is_not_taken_where_it_is_wrong_more() -> None:
    table = weighing(4)
    simple = add(table, candidate([0.49, 0.9, 0.9, 0.9]))
    full = add(table, candidate([0.51, 0.9, 0.9, 0.9], reads=(0,)), candidate([0.5] * 4))
    assert table.considered[full].student
    assert table.considered[full].reads == (0,)
    assert table.compare(simple, full).taken == simple
    found = table.compare(simple, full, as_often=True)
    assert found.right == (3, 4)
    assert found.taken == full


def test_one_row_has_no_interval_and_takes_the_cheaper_one() -> None:
    table = weighing(1)
    found = table.compare(add(table, candidate([0.5])), add(table, candidate([0.99], reads=(0,))))
    assert (found.ci, found.taken) == (None, 0)


def test_before_calibration_all_weights_are_one() -> None:
    table = weighing(3)
    own = candidate([0.9, 0.8, 0.6])
    (one,) = (table.considered[add(table, own, candidate([0.5] * 3, reads=(1,)))],)
    assert np.allclose(one.raw, own.held_out)
    assert not np.allclose(one.held_out, one.raw)


def test_what_was_weighed_is_what_was_chosen_from(made: Compiled) -> None:
    (decision,) = made.figures["decisions"]
    first = decision["rounds"][0]
    names = [one["name"] for one in first["considered"]]
    assert names[0] == "readout (topic) + student"
    assert names[-1] == "student alone"
    assert first["chosen"] in names
    for one in first["considered"]:
        assert one["ci"][0] <= one["accuracy"] <= one["ci"][1]
        assert one["calls"] == len(one["questions"])
        assert (one["tokens"] > 0) == bool(one["calls"])
    reads = decision["rounds"][-1]["chosen"] != "student alone"
    assert reads == (made.program.spec.lm is not None) == bool(made.figures["calls_a_row"])
    assert decision["accuracy"] == pytest.approx(made.dev["by_output"]["topic"], abs=1e-6)
    assert decision["calibration"]["after"]["error"] == pytest.approx(
        made.dev["calibration_error"]["topic"], abs=1e-6
    )
    assert sum(one["n"] for one in decision["calibration"]["before"]["bins"]) == made.dev["n"]


def test_no_other_candidate_beats_one_on_the_front_in_both(made: Compiled) -> None:
    for one in made.figures["decisions"][0]["rounds"][0]["considered"]:
        others = made.figures["decisions"][0]["rounds"][0]["considered"]
        beaten = any(
            other["calls"] <= one["calls"]
            and other["accuracy"] >= one["accuracy"]
            and (other["calls"], other["accuracy"]) != (one["calls"], one["accuracy"])
            for other in others
        )
        assert one["front"] != beaten


def test_counting_tokens_for_the_report_spends_nothing(made: Compiled) -> None:
    assert made.figures["spent"]["calls"] == made.lm_calls
    assert made.figures["spent"]["tokens"] == made.tokens


def test_the_report_keeps_the_winners_difference_and_not_all_texts(made: Compiled) -> None:
    (own,) = made.figures["races"]
    assert "texts" not in own
    old = "".join(text for what, text in own["difference"] if what != "added")
    new = "".join(text for what, text in own["difference"] if what != "removed")
    assert (old, new) == (BAD, GOOD)


def test_the_artifact_holds_its_own_files_and_no_report(made: Compiled, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.artifact.iterdir()}
    written = write_report(made, tmp_path)
    assert written.report == tmp_path / "reports" / "sort" / made.digest[:16] / "report.html"
    assert json.loads(written.report.with_name("report.json").read_text("utf-8")) == made.figures
    assert {path.name: path.read_bytes() for path in made.artifact.iterdir()} == before
    assert str(written.report) in written._repr_html_()


def test_a_notebook_shows_it_in_short_and_escaped(made: Compiled) -> None:
    page = made._repr_html_()
    Reader(page)
    for words in ("compiled sort", made.digest[:16], "held-out score", "topic is decided by", "spent"):
        assert words in page, words
    data = copy.deepcopy(made.figures)
    data["notes"], data["name"] = [NASTY], NASTY
    assert "<b " not in replace(made, figures=data)._repr_html_()


def test_the_page_is_well_formed_self_contained_and_small(figures: dict[str, Any]) -> None:
    page = compile_page(figures)
    reader = Reader(page)
    assert page == compile_page(json.loads(json.dumps(figures)))
    assert len(page.encode()) < LARGEST
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in reader.tags}
    assert not re.search(r"https?://|@import|url\(", page)
    for tag, attributes in reader.tags:
        assert not any(name.startswith("on") or name in ("src", "href", "style") for name in attributes)
        assert tag != "th" or "scope" in attributes
    names = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for tag, attributes in reader.tags:
        if tag == "svg" and attributes.get("role") == "img":
            assert set((attributes["aria-labelledby"] or "").split()) <= set(names)
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", reader.text)


def test_the_page_says_everything(figures: dict[str, Any]) -> None:
    text = read(figures).text
    spent, dev = figures["spent"], figures["dev"]
    for words in (
        "Report of a compile",
        figures["digest"],
        f"{spent['calls']:,}",
        f"{100 * dev['score']:.1f} %",
        "cross-fitted on train",
        "Why the winner won",
        "readout (topic) + student",
        "student alone",
        "Pareto front",
        "What decided",
        "41.2 % of held-out rows",
        "Before calibration",
        "After calibration",
        "The race between 3 instructions",
        "Number 3 is taken over.",
        "The race between 7 instructions",
        "dropped: worse beyond doubt, after 24 rows",
        "What the winner changed",
        "What MIPROv2 tried",
        "60 attempts, those scored on the most rows first; 40 are listed",
        GOOD,
        *figures["notes"],
    ):
        assert words in text, words


def test_the_course_of_a_race_is_drawn_and_ends_where_a_candidate_was_dropped(
    figures: dict[str, Any],
) -> None:
    page = compile_page(figures)
    drawn = [race_ for race_ in figures["races"] if race_.get("history")]
    assert drawn
    assert page.count('class="course"') == sum(len(race_["standings"]) for race_ in drawn)
    dropped = [one for one in raced()["standings"] if one["state"] == "dropped"]
    assert dropped
    assert page.count('<g class="dropped">') == len(dropped)
    for race_ in figures["races"]:
        race_.pop("history", None)
    assert 'class="course"' not in compile_page(figures)


def test_a_long_race_is_drawn_in_part_and_stays_small(figures: dict[str, Any]) -> None:
    figures["races"] = [rounded(as_reported(raced(40, 600)))]
    page = compile_page(figures)
    assert page.count('class="course"') == 12
    assert "12 of 40 candidates are drawn" in Reader(page).text
    assert len(page.encode()) < LARGEST


def test_a_program_that_only_generates_has_nothing_to_weigh(figures: dict[str, Any]) -> None:
    figures.update(decisions=[], dev=None, cascade=None, races=[], generated=["reply"], budget={"usd": 2.5})
    figures["spent"]["usd"] = None
    reader = read(figures)
    assert "no candidates to weigh" in reader.text
    assert "No held-out score" in reader.text
    assert "US$ not known" in reader.text
    assert "2.5 US$" in reader.text
    assert "Calibration" not in reader.text
    assert not any(tag == "svg" for tag, _ in reader.tags)


def test_untrusted_text_never_becomes_markup(figures: dict[str, Any]) -> None:
    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoil(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [spoil(inner, key) for inner in value]
        kept = key in ("state", "why", "what", "difference", "made", "chosen", "taken")
        return value + NASTY if isinstance(value, str) and not kept else value

    plain = Reader(compile_page(figures))
    data = spoil(figures)
    data["demos"]["shown"][0]["inputs"][NASTY] = {NASTY: [NASTY]}
    data["races"][0]["difference"] = [["added", NASTY], ["removed", NASTY], ["same", NASTY]]
    page = compile_page(data)
    assert "<b" not in page.replace("<body", "").replace("<bdi", "")
    assert "</script>" not in page
    assert "{{ 7 * 7 }}" in Reader(page).text
    assert {tag for tag, _ in Reader(page).tags} <= {tag for tag, _ in plain.tags} | {"ins", "del"}


def test_secrets_reach_neither_page_nor_figures(tmp_path: Path) -> None:
    texts = (f"{GOOD} The key is {SECRET} here.", f"Sort it. password: {SECRET}", f"{'Sort ' * 10}{SECRET}")
    found = compiled(tmp_path, sw.Demos(), sw.Instructions(texts=texts), sw.Readout(), sw.Student())
    written = write_report(found, tmp_path)
    assert written.report is not None
    for path in (written.report, written.report.with_name("report.json")):
        text = path.read_text("utf-8")
        assert "…" in text
        assert SECRET not in text
        assert SECRET[:12] not in text
    assert SECRET not in found._repr_html_()


def test_personal_data_in_demos_is_masked_on_the_page(figures: dict[str, Any]) -> None:
    figures["demos"]["shown"][0]["inputs"]["text"] = "write to anna.k@example.com or call +49 171 1234567"
    text = read(figures).text
    assert "write to [e-mail] or call [phone]" in text


def test_the_same_compile_again_shows_the_same_figures(tmp_path: Path) -> None:
    def shown() -> dict[str, Any]:
        data = copy.deepcopy(compiled(tmp_path, sw.Readout(), sw.Student()).figures)
        del data["made"], data["spent"]["seconds"]
        return data

    assert shown() == shown()


def test_a_race_between_sets_of_demos_is_masked_and_cut(figures: dict[str, Any]) -> None:
    own = raced(2)
    texts = ["text: hello\ntopic: lost", "text: write to anna.k@example.com\ntopic: lost " + "more " * 9000]
    own = {**own, "what": "demos", "winner": 1, "texts": texts}
    figures["races"] = [rounded(as_reported(own))]
    assert [one["name"] for one in figures["races"][0]["standings"]] == [
        one["name"] for one in own["standings"]
    ]
    page = compile_page(figures)
    text = Reader(page).text
    assert "The race between 2 sets of demos" in text
    assert "write to [e-mail]" in text
    assert "anna.k" not in page
    assert "… [cut]" in text
    assert len(page.encode()) < LARGEST


@pytest.mark.slow
def test_ship_and_compile_write_the_report_name_it_and_log_it(hotel: Hotel) -> None:
    document = hotel.shipped.document["compile"]
    report = Path(document["report"])
    assert (
        report == hotel.folder / ".shipworthy" / "reports" / "hotel" / document["digest"][:16] / "report.html"
    )
    Reader(report.read_text("utf-8"))
    kept = json.loads(report.with_name("report.json").read_text("utf-8"))
    assert kept["digest"] == document["digest"]
    assert kept["dev"]["score"] == pytest.approx(document["dev"]["score"], abs=1e-6)
    logged = list((hotel.folder / "mlartifacts").rglob("report/report.html"))
    assert report.read_bytes() in [path.read_bytes() for path in logged]
    done = call("compile", "hotel", cwd=hotel.folder)
    assert f"report: {report}" in done.err
