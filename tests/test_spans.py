"""Values that stand in the text: the tagger's mathematics, what is chosen, and programs that find them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shipworthy as sw
from shipworthy.compiler import compile_program, source_of
from shipworthy.compiler.tagging import Taught, _Chains, allowed_tags, fit_tagger, stands_in
from shipworthy.errors import OutputError
from shipworthy.evidence.faulty import FaultyLM
from shipworthy.lms import (
    Blank,
    Chosen,
    Generation,
    Journal,
    Prompt,
    Recorded,
    Scores,
    States,
    Usage,
    open_lm,
)
from shipworthy.lms.choosing import likeliest
from shipworthy.runtime import (
    Extract,
    Field,
    Found,
    Heads,
    PromptSpec,
    SpanSpec,
    StepSpec,
    Tagger,
    may_be_null,
    read_artifact,
    run_step,
    tags_for,
    typed,
    words_of,
)
from shipworthy.runtime.dspy_bridge import contract_of
from shipworthy.runtime.spans import spans_of
from shipworthy.runtime.spec import Slot
from shipworthy.runtime.tagger import _Chain, _possible

CITIES = ["Leeds", "York", "Hull", "Bath", "New Mills", "Stoke", "Ely", "Great Yarmouth", "Wells", "Oban"]
FORMS = [
    "a bus from {a} to {b} please",
    "I leave {a} and go to {b}",
    "to {b}, and I start from {a}",
    "get me to {b}",
    "I am leaving from {a}",
    "can you help me with a bus",
]


def trips(n: int = 60) -> list[dict[str, Any]]:
    found = []
    for i in range(n):
        form, a, b = FORMS[i % len(FORMS)], CITIES[i * 3 % 10], CITIES[(i * 7 + 1) % 10]
        found.append(
            {
                "text": form.format(a=a, b=b),
                "origin": a if "{a}" in form else None,
                "destination": b if "{b}" in form else None,
            }
        )
    return found


class Trip(dspy.Signature):
    """Note where the person wants to go."""

    text: str = dspy.InputField()
    origin: str | None = dspy.OutputField()
    destination: str | None = dspy.OutputField()


class Writer:
    """A stand-in for an LM that can only write: it says that the text has nothing."""

    id = "stand-in/writer"
    workers = 2
    reads_logprobs = False
    context = 4000

    def generate(self, prompt: Prompt, *, schema: Any = None, **_: Any) -> Generation:
        return Generation(json.dumps(dict.fromkeys(schema["properties"])), True, Usage(9, 0, 5, 1.0))

    def close(self) -> None:
        pass


def compiled(lm: Any, out: Path, *passes: Any, train: list[dict[str, Any]] | None = None) -> Any:
    recipe = sw.Recipe(passes=passes or (sw.Spans(rows=10),))
    source = source_of(dspy.Predict(Trip), name="trip", recipe=recipe)
    return compile_program(source, train or trips(), lm=lm, lm_name="local", out=out)


def writer(folder: Path) -> Recorded:
    return Recorded(Writer(), Journal(folder / "calls.jsonl"))


chains = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.floats(-3, 3), min_size=5, max_size=5), min_size=n, max_size=n),
        st.lists(st.lists(st.floats(-2, 2), min_size=5, max_size=5), min_size=5, max_size=5),
    )
)
TAGS = tags_for(["a", "b"])


def taggings(n: int) -> list[tuple[int, ...]]:
    """All that are possible: a span is not continued before it has begun."""
    found = []
    for tags in itertools.product(range(5), repeat=n):
        before = [0, *tags[:-1]]
        if all(tag not in (2, 4) or last in (tag - 1, tag) for last, tag in zip(before, tags, strict=True)):
            found.append(tags)
    return found


def weight(tags: tuple[int, ...], scores: Any, steps: Any) -> float:
    own = sum(scores[i][tag] for i, tag in enumerate(tags))
    return math.exp(own + sum(steps[a][b] for a, b in itertools.pairwise(tags)))


@given(chains)
def test_posteriors_are_those_of_all_taggings_counted_one_by_one(chain: Any) -> None:
    scores, steps = np.array(chain[0]), np.array(chain[1])
    found = _Chain(scores, _possible(steps.astype(np.float32), TAGS))
    steps = steps.astype(np.float32).astype(float)
    weights = {tags: weight(tags, scores, steps) for tags in taggings(len(scores))}
    total = sum(weights.values())
    none = sum(own for tags, own in weights.items() if 1 not in tags)
    assert found.without(1) == pytest.approx(none / total, rel=1e-6)
    spans = found.spans(1, 2, 3)
    for i in range(len(scores)):
        for length in range(1, 4):
            wanted = (1, *(2,) * (length - 1))
            own = sum(
                weight
                for tags, weight in weights.items()
                if tags[i : i + length] == wanted and (i + length >= len(tags) or tags[i + length] != 2)
            )
            assert spans[i, length - 1] == pytest.approx(own / total if own else 0, rel=1e-6, abs=1e-12)


@given(chains, st.integers(0, 2**32 - 1))
def test_the_loss_is_that_of_all_allowed_taggings_and_its_gradient_is_its_slope(
    chain: Any, seed: int
) -> None:
    scores, steps = np.array(chain[0]), np.array(chain[1])
    rng = np.random.default_rng(seed)
    allowed = rng.random((len(scores), 5)) < 0.5
    allowed[:, 0] = True
    own = _Chains([len(scores)], [allowed])
    value, at_words, at_steps = own.loss(scores, steps)
    everything = list(itertools.product(range(5), repeat=len(scores)))
    kept = [tags for tags in everything if all(allowed[i, tag] for i, tag in enumerate(tags))]
    total, part = (sum(weight(tags, scores, steps) for tags in some) for some in (everything, kept))
    assert value == pytest.approx(math.log(total) - math.log(part), abs=1e-6)
    for array, gradient in ((scores, at_words), (steps, at_steps)):
        at = tuple(rng.integers(size) for size in array.shape)
        moved = array.copy()
        moved[at] += 1e-5
        more = own.loss(moved, steps)[0] if array is scores else own.loss(scores, moved)[0]
        assert gradient[at] == pytest.approx((more - value) / 1e-5, abs=1e-3)


@given(st.sets(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=12))
def test_the_likeliest_path_is_found_without_asking_about_all(paths: set[tuple[int, ...]]) -> None:
    ended = [(*path, 9) for path in sorted(paths)]

    def shares(begun: tuple[int, ...], tokens: tuple[int, ...]) -> Scores:
        raw = np.array([hash((*begun, token)) % 97 / 20 for token in tokens])
        return Scores(np.asarray(raw - np.log(np.exp(raw).sum()), np.float32))

    def logprob(path: tuple[int, ...]) -> float:
        total = 0.0
        for i in range(len(path)):
            tokens = tuple(dict.fromkeys(other[i] for other in ended if other[:i] == path[:i]))
            total += float(shares(path[:i], tokens).logprobs[tokens.index(path[i])])
        return total

    path, found, _ = likeliest(ended, shares)
    assert found == pytest.approx(logprob(path), abs=1e-5)
    assert found == pytest.approx(max(map(logprob, ended)), abs=1e-5)


def test_spans_are_runs_of_words_within_a_line() -> None:
    assert spans_of("to New Mills\non 3.5.", 2) == [
        *("to", "to New", "New", "New Mills", "Mills"),
        *("on", "on 3", "3", "3.", ".", ".5", "5", "5."),
    ]


def test_a_value_stands_in_a_text_as_whole_words_only() -> None:
    assert stands_in("3 of 13", "13")
    assert stands_in("13 of 3", "3")
    assert not stands_in("of 13", "3")
    assert not stands_in("a\nb", "a\nb")


def test_a_value_that_does_not_stand_there_leaves_the_free_words_open() -> None:
    tags = tags_for(["city", "seats"])
    allowed = allowed_tags(
        Taught("three to York", {"city": "York", "seats": "3"}), words_of("three to York"), tags
    )
    assert [[tags[k] for k in np.flatnonzero(own)] for own in allowed] == [
        ["O", "B-seats", "I-seats"],
        ["O", "B-seats", "I-seats"],
        ["B-city"],
    ]


def test_a_tagger_learns_where_values_stand() -> None:
    rows = trips()
    names = ["origin", "destination"]
    taught = [Taught(row["text"], {name: row[name] for name in names}) for row in rows[:48]]
    tagger = fit_tagger(taught, names, penalty=0.05, state_penalty=1.0)
    for row in rows[48:]:
        found = tagger.find(row["text"], names, may_be_none=[True, True])
        assert [value.text for value in found] == [row[name] for name in names]
        assert all(0 <= value.probability <= 1 for value in found)


def test_a_value_that_must_be_there_is_the_likeliest_span() -> None:
    names = ["origin"]
    taught = [Taught(row["text"], {"origin": row["origin"]}) for row in trips()]
    tagger = fit_tagger(taught, names, penalty=0.05, state_penalty=1.0)
    assert tagger.find("get me to Bath", names, may_be_none=[True])[0].text is None
    assert tagger.find("get me to Bath", names, may_be_none=[False])[0].text is not None
    assert tagger.find("", names, may_be_none=[True])[0] == Found(None, 1.0)


def test_rows_without_any_value_teach_no_tagger() -> None:
    with pytest.raises(ValueError, match="no value"):
        fit_tagger([Taught("a b", {"x": None})], ["x"], penalty=1.0, state_penalty=1.0)


def test_arrays_that_do_not_fit_are_refused() -> None:
    weights, steps = np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        Tagger(("a",), tags_for(["x"]), weights, steps, 2)
    with pytest.raises(ValueError, match="do not fit"):
        Tagger(("a", "b"), tags_for(["x"]), weights, steps, 2, states=weights)


def test_what_is_found_gets_its_type_or_is_no_value() -> None:
    count = Field("count", {"anyOf": [{"type": "integer"}, {"type": "null"}]})
    assert may_be_null(count)
    assert typed(count, Found("12", 0.9)) == (12, 0.9)
    assert typed(count, Found("twelve", 0.9)) == (None, 0.0)
    with pytest.raises(OutputError, match="does not fit"):
        typed(Field("count", {"type": "integer"}), Found("twelve", 0.9))
    with pytest.raises(OutputError, match="nothing"):
        typed(Field("city", {"type": "string"}), Found(None, 0.9))


def test_where_an_lm_can_only_write_the_student_is_held_against_that(tmp_path: Path) -> None:
    made = compiled(writer(tmp_path), tmp_path / "out")
    assert made.program.spec.lm is None
    answer = made.program(text="a bus from Oban to Ely please")
    assert (answer.origin, answer.destination) == ("Oban", "Ely")
    assert answer.answered
    assert 0.5 < answer.confidence["origin"] <= 1
    assert made.dev["by_output"]["origin"] > 0.9
    assert made.program.as_dspy()(text="a bus from Oban to Ely please").destination == "Ely"
    provenance = json.loads((made.artifact / "provenance.json").read_text())
    assert [race["what"] for race in provenance["races"]] == ["spans"]


def test_another_gate_is_in_the_artifact_although_the_program_is_the_same(tmp_path: Path) -> None:
    source = source_of(dspy.Predict(Trip), name="trip", recipe=sw.Recipe(passes=[sw.Spans(rows=0)]))
    strict = replace(source, recipe=replace(source.recipe, gate=sw.Gate(accuracy=0.8)))
    first, other = (
        compile_program(one, trips(), lm=writer(tmp_path), lm_name="local", out=tmp_path / "out")
        for one in (source, strict)
    )
    assert first.artifact == other.artifact
    provenance = json.loads((other.artifact / "provenance.json").read_text())
    assert provenance["recipe"]["gate"]["accuracy"] == 0.8
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == [other.artifact.name]


def test_without_values_in_the_text_the_lm_writes(tmp_path: Path) -> None:
    elsewhere = [{**row, "origin": f"code {i}", "destination": None} for i, row in enumerate(trips(20))]
    made = compiled(writer(tmp_path), tmp_path / "out", train=elsewhere)
    spec, _, _, _ = read_artifact(made.artifact)
    assert spec.steps["trip"].extract is None
    assert spec.steps["trip"].generate is not None
    assert any("stands in the text" in note for note in made.notes)


def test_secrets_are_not_learnt_by_heart(tmp_path: Path) -> None:
    key = "sk-proj-" + "a1B2" * 12
    rows = trips() + [{"text": f"use {key} from Hull", "origin": "Hull", "destination": None}] * 3
    made = compiled(writer(tmp_path), tmp_path / "out", train=rows)
    assert all(key.lower().encode() not in path.read_bytes().lower() for path in made.artifact.rglob("*.*"))


def test_every_value_stands_in_its_text(tmp_path: Path) -> None:
    made = compiled(writer(tmp_path), tmp_path / "out", sw.Spans(rows=0))
    texts = ["Ely, York; from\nLeeds", "🚌 to Bath?", "from from to to", "   .", "من Bath to Ely"]
    for text in texts:
        for value in made.program(text=text).outputs.values():
            assert value is None or value in text


class Reader:
    """A stand-in for an LM that shows states and chooses: whatever comes first."""

    id, workers, reads_logprobs, context = "stand-in/reader", 1, True, 4000

    def states(self, text: str, ends: Sequence[int]) -> States:
        return States(np.ones((len(ends), 3), np.float32))

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        return [Chosen(0, -0.1) for _ in blanks]


@pytest.mark.parametrize("by", ["readout", "scoring"])
@pytest.mark.parametrize("kind", ["nan", "missing"])
def test_spoilt_states_and_choices_are_no_answer(by: str, kind: str) -> None:
    names = ("origin", "destination")
    sides = contract_of(Trip).as_json()
    prompt = PromptSpec(system="", slots=(Slot(before="text:", input="text"),)) if by == "scoring" else None
    spans = {name: SpanSpec(threshold=0.0) for name in names}
    extract = Extract(by=by, outputs=names, spans=spans, longest=2, prompt=prompt)  # type: ignore[arg-type]
    step = StepSpec(instruction="", **sides, extract=extract)
    tags = tags_for(names)
    steps = np.zeros((5, 5), np.float32)
    tagger = Tagger((), tags, np.zeros((0, 5), np.float32), steps, 2, np.zeros((3, 5), np.float32), steps[0])
    heads = Heads({}, None, tagger)
    whole = run_step("trip", step, heads, Reader(), {"text": "to York"})
    assert whole.outputs.keys() == set(names)
    with pytest.raises(OutputError, match="missing"):
        run_step("trip", step, heads, FaultyLM(Reader(), rate=1.0, kinds=(kind,)), {"text": "to York"})


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(open_lm("local"), Journal(tmp_path_factory.mktemp("calls") / "calls.jsonl"))


@pytest.mark.slow
def test_the_lm_chooses_the_likeliest_and_later_blanks_are_given_earlier_ones(lm: Recorded) -> None:
    prompt = Prompt("Name the city and the country.", (), "text:", " I live near the Eiffel tower.")
    city = Blank("city:", ("London", "Paris", "none"))
    country = Blank("country:", ("Spain", "France", "none"))
    chosen = lm.choose(prompt, [city, country])
    assert [city.choices[chosen[0].index], country.choices[chosen[1].index]] == ["Paris", "France"]
    assert all(one.logprob <= 0 for one in chosen)
    calls = lm.made
    assert lm.choose(prompt, [city, country]) == chosen
    assert lm.made == calls


@pytest.mark.slow
def test_states_are_one_a_word_and_know_what_comes_after_it(lm: Recorded) -> None:
    ends = [len("bank"), len("bank of")]
    river, money = (lm.states(text, ends).vectors for text in ("bank of the river", "bank of the rich"))
    assert river.shape == money.shape == (2, river.shape[1])
    assert not np.allclose(river[0], money[0], atol=1e-2)
    assert np.allclose(river, lm.states("bank of the river", ends).vectors)
    assert lm.states("ß € 漢字 🚌 done", [1, 3, 6, 8, 13]).vectors.shape[0] == 5


@pytest.mark.slow
def test_a_text_longer_than_a_piece_has_states_for_all_its_words(
    lm: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipworthy.lms.embedded.PIECE", 40)
    text = "the bus to Ely " * 12
    ends = [end for _, end in words_of(text)]
    assert lm.states(text, ends).vectors.shape[0] == len(ends)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["readout", "scoring"])
def test_ways_that_ask_the_lm_run_from_the_artifact(
    lm: Recorded, tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shipworthy.compiler.passes import spans

    other = "a readout" if by == "readout" else "the LM chooses"

    def take(ways: Any, draft: Any, context: Any, rows: int) -> Any:
        way = next(one for one in ways if one.name.startswith(other))
        way.scores(8)
        return way

    monkeypatch.setattr(spans, "race_ways", take)
    made = compiled(lm, tmp_path / "a", sw.Demos(), sw.Spans(), train=trips(30))
    again = compiled(lm, tmp_path / "b", sw.Demos(), sw.Spans(), train=trips(30))
    assert made.digest == again.digest
    program = sw.load_artifact(made.artifact, lm=lm)
    answer = program(text="I am leaving from Wells")
    assert answer.steps[0].lm_calls == (1 if by == "readout" else 2)
    assert all(value is None or value in "I am leaving from Wells" for value in answer.outputs.values())
    assert all(0 <= share <= 1 for share in answer.confidence.values())
    if by == "readout":
        assert answer.origin == "Wells"
