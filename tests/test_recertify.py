"""Swapping the LM: what is kept and what is not, and one program that goes to another LM and comes back."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import dspy
import numpy as np
import pytest
from coarser import coarser
from mail_program import USUAL, compiled, mail
from mail_program import Clerk as Mail
from mail_program import rows as mails
from small_project import PROMPT, Hotel, call, hotel, rows_text

import shipworthy as sw
from shipworthy.compiler import Compiled, Keep, compile_program, load_source, source_of
from shipworthy.errors import ArtifactError, IntegrityError
from shipworthy.lms import (
    Generation,
    Journal,
    Prompt,
    Question,
    Recorded,
    Scores,
    States,
    Usage,
    ensure_weights,
    open_lm,
)
from shipworthy.runtime import Progress, read_artifact
from shipworthy.ship import recertifying
from shipworthy.ship.recertifying import Before, to_keep
from shipworthy.ship.reports import write_report
from shipworthy.ship.rows import read_split

__all__ = ["hotel"]

GOOD = "Sort the message by what the sender needs. Think of the parcel first."


class Sort(dspy.Signature):
    """Sort the message."""

    text: str = dspy.InputField()
    topic: Literal["lost", "broken", "praise"] = dspy.OutputField()


class Place(dspy.Signature):
    """Name the place."""

    text: str = dspy.InputField()
    place: str | None = dspy.OutputField()


class Model:
    """A stand-in for an LM: it reads the topic off a row, if the instruction is the good one."""

    workers = 2
    reads_logprobs = True

    def __init__(self, id: str, *, context: int = 4000, writes: bool = False) -> None:
        self.id = id
        self.context = context
        self.reads_logprobs = not writes

    def tokenize(self, text: str) -> list[int]:
        return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()] or [0]

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        found = []
        for question in questions:
            noise = int(hashlib.sha256(f"{self.id}{prompt.user}".encode()).hexdigest()[:6], 16)
            raw = np.array([((token ^ noise) % 97) / 97 for token in question.tokens])
            if "parcel first" in prompt.system:
                raw += 3.0 * (np.array(question.tokens) == self.tokenize(f" {topic(prompt)}")[0])
            found.append(Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32), Usage(9, 5, 1, 1.0)))
        return found

    def states(self, text: str, ends: Sequence[int]) -> States:
        words = [text[:end].split()[-1] for end in ends]
        vectors = [[float(word.istitle()), len(word) / 9] for word in words]
        return States(np.array(vectors, np.float32), Usage(9, 0, 0, 1.0))

    def choose(self, prompt: Prompt, blanks: Any) -> Any:
        raise AssertionError("no race is run")

    def generate(self, prompt: Prompt, *, schema: Any = None, **_: Any) -> Generation:
        said = {name: topic(prompt) if name == "topic" else None for name in schema["properties"]}
        return Generation(json.dumps(said), True, Usage(9, 0, 5, 1.0))

    def close(self) -> None:
        pass


def topic(prompt: Prompt) -> str:
    return "lost" if "where" in prompt.user else "broken" if "crack" in prompt.user else "praise"


def topics(n: int = 60) -> list[dict[str, Any]]:
    texts = {"lost": "where is number {}", "broken": "number {} has a crack", "praise": "number {} is lovely"}
    return [{"text": texts[topic].format(i), "topic": topic} for i in range(n // 3) for topic in texts]


def places() -> list[dict[str, Any]]:
    names = ["Leeds", "York", "Hull", "Bath", "Stoke", "Ely", "Wells", "Oban"]
    forms = ["a bus to {}", "i go to {} now", "take me to {} please", "i need a bus"]
    return [
        {"text": forms[i % 4].format(names[i // 4]), "place": None if i % 4 == 3 else names[i // 4]}
        for i in range(32)
    ]


def made(folder: Path, model: Model, *passes: Any, keep: Compiled | None = None, **more: Any) -> Compiled:
    signature, train = more.pop("signature", Sort), more.pop("train", None) or topics()
    source = source_of(dspy.Predict(signature), name="sort", recipe=sw.Recipe(passes=passes))
    lm = Recorded(model, Journal(folder / f"{model.id.replace('/', '-')}.jsonl"))
    kept = None if keep is None else keep if isinstance(keep, Keep) else Keep.of(keep.program)
    return compile_program(source, train, lm=lm, lm_name="stand-in", out=folder / "out", keep=kept)


# What is kept ----------------------------------------------------------------------------

RACING = (sw.Demos(), sw.Instructions(texts=("Be quick.", GOOD), propose=0), sw.Readout())


def test_the_winner_of_a_race_and_the_demos_are_kept_and_heads_are_fitted_anew(tmp_path: Path) -> None:
    first = made(tmp_path, Model("stand-in/a"), *RACING)
    assert first.races
    again = made(tmp_path, Model("stand-in/b"), *RACING, keep=first)
    before, after = (one.program.spec.steps["sort"] for one in (first, again))
    assert after.instruction == before.instruction == GOOD
    assert after.demos == before.demos
    assert again.races == ()
    assert again.lm_calls < first.lm_calls
    assert again.program.spec.lm.id == "stand-in/b"  # type: ignore[union-attr]
    assert again.digest != first.digest
    assert again.program.probes != first.program.probes
    wanted = {"instruction": True, "demos": 3}
    kept = {"digest": first.digest, "lm": "stand-in/a", "steps": {"sort": wanted}}
    provenance = json.loads((again.artifact / "provenance.json").read_bytes())
    assert provenance["kept_from"] == again.kept == kept
    assert "kept: the instruction and 3 demos" in again.notes
    assert "kept_from" not in json.loads((first.artifact / "provenance.json").read_bytes())


def test_a_program_that_read_log_probabilities_goes_to_an_lm_that_only_writes(tmp_path: Path) -> None:
    first = made(tmp_path, Model("local/a"), *RACING)
    again = made(tmp_path, Model("hosted/b", writes=True), *RACING, keep=first)
    before, after = (one.program.spec.steps["sort"] for one in (first, again))
    assert (after.instruction, after.demos) == (before.instruction, before.demos)
    assert [read.mode for read in after.decide.reads] == ["generated"]  # type: ignore[union-attr]
    assert again.program(text="where is number 99").topic == "lost"
    back = made(tmp_path, Model("local/a"), *RACING, keep=again)
    assert back.digest == first.digest


def test_kept_on_the_lm_that_it_was_made_on_it_is_the_same_program(tmp_path: Path) -> None:
    first = made(tmp_path, Model("stand-in/a"), *RACING)
    assert made(tmp_path, Model("stand-in/a"), *RACING, keep=first).digest == first.digest
    there = made(tmp_path, Model("stand-in/b"), *RACING, keep=first)
    assert made(tmp_path, Model("stand-in/a"), *RACING, keep=there).digest == first.digest


def test_the_recipe_of_what_was_kept_stays_the_one_of_the_source(tmp_path: Path) -> None:
    first = made(tmp_path, Model("stand-in/a"), *RACING)
    again = made(tmp_path, Model("stand-in/b"), *RACING, keep=first)
    one, other = (json.loads((made.artifact / "provenance.json").read_bytes()) for made in (first, again))
    assert one["recipe"] == other["recipe"]
    assert one["made_of"] == other["made_of"] == again.figures["made_of"]
    assert again.figures["recipe"] == ["KeptPrompt", "Readout"]


def test_demos_for_which_the_context_has_no_room_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    first = made(tmp_path, Model("stand-in/a"), sw.Demos(), sw.Readout())
    again = made(tmp_path, Model("stand-in/b", context=70), sw.Demos(), sw.Readout(), keep=first)
    shown = again.program.spec.steps["sort"].demos
    assert 0 < len(shown) < 3
    assert set(map(str, shown)) < set(map(str, first.program.spec.steps["sort"].demos))
    assert any("has no room for" in note for note in again.notes)


class Shouting:
    """A pass of the user's own."""

    def apply(self, draft: Any, context: Any) -> None:
        draft.instruction += " NOW!"


def test_a_recipe_with_a_pass_of_the_users_own_runs_whole(tmp_path: Path) -> None:
    first = made(tmp_path, Model("stand-in/a"), sw.Demos(), Shouting(), sw.Readout())
    again = made(tmp_path, Model("stand-in/b"), sw.Demos(), Shouting(), sw.Readout(), keep=first)
    assert again.program.spec.steps["sort"].instruction == "Sort the message. NOW!"
    assert again.kept is not None
    assert again.kept["steps"] == {"sort": {}}
    assert any("a pass of your own" in note for note in again.notes)


@pytest.mark.parametrize("by", ["student", "readout"])
def test_the_way_in_which_spans_are_found_is_kept_without_a_race(tmp_path: Path, by: str) -> None:
    about: dict[str, Any] = {"signature": Place, "train": places()}
    spans = sw.Spans(rows=0, readout=by == "readout")
    first = made(tmp_path, Model("local/a"), spans, **about)
    keep = found_by(first, by)
    again = made(tmp_path, Model("local/b"), sw.Spans(rows=20), keep=keep, **about)
    extract = again.program.spec.steps["sort"].extract
    assert extract is not None
    assert extract.by == by
    assert again.races == ()
    assert again.lm_calls == (32 if by == "readout" else 0)
    assert again.kept is not None
    assert again.kept["steps"] == {"sort": {"spans": by}}


def test_a_way_that_the_lm_has_not_is_found_by_a_race(tmp_path: Path) -> None:
    about: dict[str, Any] = {"signature": Place, "train": places()}
    first = made(tmp_path, Model("local/a"), sw.Spans(rows=0, readout=False), **about)
    writer = Model("hosted/b", writes=True)
    again = made(tmp_path, writer, sw.Spans(rows=20), keep=found_by(first, "readout"), **about)
    assert [race["what"] for race in again.races] == ["spans"]
    assert again.kept is not None
    assert again.kept["steps"] == {"sort": {}}


def test_ways_that_the_lm_of_before_had_not_take_part_in_a_race(tmp_path: Path) -> None:
    about: dict[str, Any] = {"signature": Place, "train": places()}
    first = made(tmp_path, Model("hosted/a", writes=True), sw.Spans(rows=0), **about)
    assert found_by(first, "student").lm is None  # no LM is asked, so there is none that lacks a way
    keep = replace(found_by(first, "student"), lm="hosted/a")
    with pytest.raises(AssertionError, match="no race"):
        made(tmp_path, Model("local/b"), sw.Spans(rows=20), keep=keep, **about)


def found_by(compiled: Compiled, by: str) -> Keep:
    """Its artifact, as if its spans had been found so."""
    keep = Keep.of(compiled.program)
    step = keep.steps["sort"]
    assert step.extract is not None
    extract = step.extract.replace(by=by)
    return replace(keep, steps={"sort": step.replace(extract=extract)})


def test_each_step_keeps_its_own(tmp_path: Path) -> None:
    first = compiled(tmp_path, mail(tmp_path / "source"), *USUAL)

    class Other(Mail):
        id = "stand-in/other"

    source = source_of(mail(tmp_path / "source"), name=first.name, recipe=first.recipe)
    lm = Recorded(Other(), Journal(tmp_path / "other.jsonl"))
    again = compile_program(
        source, mails(), lm=lm, lm_name="stand-in", out=tmp_path, keep=Keep.of(first.program)
    )
    before, after = (one.program.spec.steps for one in (first, again))
    assert [step.demos for step in before.values()] == [step.demos for step in after.values()]
    assert again.kept is not None
    assert again.kept["steps"]["confirm"] == {"instruction": True, "demos": 3}
    assert again.kept["steps"]["reply"] == {}


# What to start from ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def inn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Before]:
    """A project with a program that its students decide, by level 2 of the recipe without the LM."""
    folder = tmp_path_factory.mktemp("inn")
    (folder / "prompt.md").write_text(PROMPT)
    (folder / "rows.csv").write_text(rows_text())
    home = folder / "inn"
    sw.lift(folder / "prompt.md", folder / "rows.csv", into=home, name="inn", progress=Progress())
    recipe = home / "optimizers" / "inn.py"
    recipe.write_text("import shipworthy as sw\n\nrecipe = sw.Recipe(passes=[sw.Demos(), sw.Student()])\n")
    return home, before(home)


def before(home: Path, recipe: sw.Recipe | None = None) -> Before:
    source = load_source(home, "inn")
    source = replace(source, recipe=recipe or source.recipe)
    train, dev = (read_split(home, "inn", source.contract, name, needed=False) for name in ("train", "dev"))
    lm = Recorded(Model("stand-in/a"), Journal(home / "journal.jsonl"))
    found = compile_program(source, train, dev=dev, lm=lm, lm_name="stand-in", out=home / "out")
    write_report(found, home / ".shipworthy")
    return Before("inn", 3, True, found.artifact, found.program)


def test_of_a_version_that_was_made_of_what_is_there_is_kept(inn: tuple[Path, Before]) -> None:
    home, version = inn
    keep, level, changed = to_keep(version, load_source(home, "inn"), home)
    assert (keep, level, changed) == (Keep.of(version.program), None, [])  # type: ignore[arg-type]


def test_without_the_report_the_artifact_says_what_it_was_made_of(
    inn: tuple[Path, Before], tmp_path: Path
) -> None:
    home = tmp_path / "inn"
    shutil.copytree(inn[0], home)
    shutil.rmtree(home / ".shipworthy" / "reports")
    artifact = inn[1].artifact
    assert artifact is not None
    assert to_keep(inn[1], load_source(home, "inn"), home)[0] is not None
    provenance = json.loads((artifact / "provenance.json").read_bytes())
    del provenance["made_of"]
    older = tmp_path / "older"
    shutil.copytree(artifact, older)
    (older / "provenance.json").write_text(json.dumps(provenance))
    version = replace(inn[1], artifact=older)
    keep, _, changed = to_keep(version, load_source(home, "inn"), home)
    assert keep is None
    assert "not on record" in changed[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("data/inn/train.jsonl", "\n", "\n", "the training rows"),
        ("optimizers/inn.py", "sw.Student()", "sw.Student(c=1.0)", "the recipe"),
        ("signatures/inn.py", "You route", "You sort", "signature, program or their texts"),
    ],
)
def test_what_changed_since_is_named_and_nothing_is_kept(
    inn: tuple[Path, Before], tmp_path: Path, file: str, old: str, new: str, what: str
) -> None:
    home = tmp_path / "inn"
    shutil.copytree(inn[0], home)
    path = home / file
    text = path.read_text()
    path.write_text(text.replace(old, new) if old != new else "".join(text.splitlines(keepends=True)[1:]))
    keep, _, changed = to_keep(inn[1], load_source(home, "inn"), home)
    assert keep is None
    assert changed == [what]


def test_a_budget_and_a_gate_are_no_change(inn: tuple[Path, Before], tmp_path: Path) -> None:
    home = tmp_path / "inn"
    shutil.copytree(inn[0], home)
    path = home / "optimizers" / "inn.py"
    more = "budget=sw.Budget(calls=9), gate=sw.Gate(coverage=0.5), passes"
    path.write_text(path.read_text().replace("passes", more))
    assert to_keep(inn[1], load_source(home, "inn"), home)[0] is not None


def test_the_level_that_a_version_was_compiled_at_is_found(inn: tuple[Path, Before]) -> None:
    from shipworthy.ship.pipeline import LEVELS

    home, _ = inn
    version = before(home, sw.Recipe(passes=LEVELS[2]))
    keep, level, changed = to_keep(version, load_source(home, "inn"), home)
    assert keep is not None
    assert (level, changed) == (2, [])


@pytest.mark.parametrize("error", [IntegrityError("its files were altered"), ArtifactError("not JSON")])
def test_a_champion_that_cannot_be_read_is_no_obstacle(
    inn: tuple[Path, Before], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unreadable(*_: Any, **__: Any) -> Any:
        raise error

    ledger = SimpleNamespace(head=SimpleNamespace(champion=3))
    monkeypatch.setattr(recertifying, "standing", lambda *_, **__: ledger)
    monkeypatch.setattr(recertifying, "resolve", unreadable)
    found = recertifying._before(cast(Any, SimpleNamespace(uri="sqlite:///none")), "inn", Progress())
    assert (found.version, found.champion, found.program) == (3, True, None)
    keep, level, changed = to_keep(found, load_source(inn[0], "inn"), inn[0])
    assert (keep, level, changed) == (None, None, ["the artifact, which cannot be read"])


def test_where_the_champion_needs_no_other_lm_there_is_nothing_to_do(inn: tuple[Path, Before]) -> None:
    home, decided = inn
    assert "asks no LM" in decided.nothing_to_do("stand-in/b", anew=False)
    assert not decided.nothing_to_do("stand-in/b", anew=True)
    reading = before(home, sw.Recipe(passes=(sw.Readout(),)))
    assert "is compiled on stand-in/a" in reading.nothing_to_do("stand-in/a", anew=True)
    assert not reading.nothing_to_do("stand-in/b", anew=False)
    assert not replace(reading, champion=False).nothing_to_do("stand-in/a", anew=False)
    assert not replace(reading, program=None).nothing_to_do("stand-in/a", anew=False)


# A program that goes to another LM, and comes back ----------------------------------------

GATE = """
[tool.shipworthy.gate]
prototype = "any"
champion_mean = -1.0
champion_lower = -1.0
"""


def artifact_of(document: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    folder = Path(document["compile"]["artifact"])
    spec, heads, _, _ = read_artifact(folder)
    return spec, heads, json.loads((folder / "provenance.json").read_bytes())


@pytest.mark.slow
def test_a_program_goes_to_another_lm_and_back_when_that_one_is_retired(hotel: Hotel, tmp_path: Path) -> None:
    home = tmp_path / "hotel"
    shutil.copytree(hotel.folder, home)
    with (home / "pyproject.toml").open("a") as file:
        file.write(GATE)
    there = coarser(ensure_weights(), tmp_path / "coarser.gguf")

    # What cannot be: nothing is done, and the error has its type.
    for arguments, code, type in (
        (("nobody", "--lm", f"local:{there}"), 2, "NotFoundError"),
        (("hotel", "--lm", f"local:{tmp_path}/none.gguf"), 3, "WeightsError"),
        (("hotel", "--lm", "openai/gpt-4o-mini"), 3, "LMError"),
    ):
        failed = call("recertify", *arguments, "--json", cwd=home)
        assert (failed.code, failed.document["error"]["type"]) == (code, type)

    # To another LM: demos, instruction and students are the champion's, the readout is not.
    done = call("recertify", "hotel", "--lm", f"local:{there}", "--json", cwd=home)
    assert done.code == 0, done.err
    swapped = done.document
    assert set(hotel.shipped.document) < set(swapped)
    assert (swapped["version"], swapped["status"]) == (2, "shipped")
    assert swapped["compile"]["lm"] != hotel.shipped.document["compile"]["lm"]
    assert any("against the champion, version 1" in reason for reason in swapped["reasons"])
    assert swapped["kept"]["version"] == 1
    assert swapped["kept"]["changed"] == []
    assert swapped["kept"]["steps"] == {"hotel": {"instruction": True, "demos": 3}}
    (was, heads_were, _), (now, heads, provenance) = map(artifact_of, (hotel.shipped.document, swapped))
    assert provenance["kept_from"]["digest"] == hotel.shipped.document["compile"]["digest"]
    assert now.steps["hotel"].demos == was.steps["hotel"].demos
    students = [found["hotel"].by_output["desk"].student for found in (heads_were, heads)]
    assert np.array_equal(students[0].weights, students[1].weights)
    readouts = [found["hotel"].by_output["desk"].readout for found in (heads_were, heads)]
    assert not np.array_equal(readouts[0].weights, readouts[1].weights)

    # Again: there is nothing to do.
    again = call("recertify", "hotel", "--lm", f"local:{there}", "--json", cwd=home)
    assert (again.code, again.document["version"], again.document["status"]) == (0, 2, "shipped")
    assert again.document["compile"] is None
    assert "is compiled on local/" in again.document["reasons"][0]
    assert set(again.document) == set(swapped)

    # That LM is retired, and a test row is new: the champion's answers to the others are on record. The way
    # back gives the program of before.
    there.unlink()
    rows = home / "data" / "hotel" / "test.jsonl"
    first, *others = rows.read_text().splitlines(keepends=True)
    row = json.loads(first)
    rows.write_text(
        "".join([json.dumps({**row, "message": f"Hello!\u2028{row['message']}"}) + "\n", *others])
    )
    back = call("recertify", "hotel", "--lm", "local", "--json", cwd=home)
    assert back.code == 0, back.err
    assert (back.document["version"], back.document["status"]) == (3, "shipped")
    assert back.document["compile"]["digest"] == hotel.shipped.document["compile"]["digest"]
    assert back.document["kept"]["version"] == 2
    (reason,) = [one for one in back.document["reasons"] if "against the champion, version 2" in one]
    assert "the champion's LM cannot be asked" in reason
    assert f"cover {len(others)} of {len(others) + 1} rows" in reason
    assert "hotel/3" in str(sw.load("hotel", project=home).version)


def test_weights_that_are_quantised_more_coarsely_are_another_model(tmp_path: Path) -> None:
    one, other = (open_lm(name) for name in ("local", f"local:{coarser(ensure_weights(), tmp_path / 'c')}"))
    assert one.id != other.id
    one.close()
    other.close()
