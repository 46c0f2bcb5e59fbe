"""The embedded LM: exact, whatever was asked before, however many ask; control tokens in rows stay text."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shipworthy.errors import ContextLengthError, LMError, WeightsError
from shipworthy.lms import (
    LM,
    Embeds,
    Journal,
    Prompt,
    Question,
    Recorded,
    cache_folder,
    embedded,
    ensure_weights,
    open_lm,
)
from shipworthy.lms.llama_server import _Calls

pytestmark = pytest.mark.slow

TOKENS = tuple(range(1000, 1064))
SYSTEM = "You sort short notes by what they ask for. " * 12


def note(text: str) -> Prompt:
    return Prompt(SYSTEM, (("note: the tap drips", "kind: repair"),), "note:", f" {text}")


def bits(lm: LM, text: str) -> bytes:
    return lm.score(note(text), [Question("kind:", TOKENS)])[0].logprobs.tobytes()


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of this module's own, since some tests damage it."""
    weights = ensure_weights()
    folder = tmp_path_factory.mktemp("cache")
    (folder / "weights").mkdir()
    (folder / "weights" / weights.name).symlink_to(weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIPWORTHY_CACHE", str(folder))
        yield


@pytest.fixture(scope="module")
def lm(own_cache: None) -> Iterator[LM]:
    opened = open_lm("local", workers=2)
    yield opened
    opened.close()


def test_a_row_gives_the_same_bytes_whatever_was_asked_before(lm: LM) -> None:
    first = bits(lm, "the lamp flickers at night")
    bits(lm, "the lamp flickers by day")
    bits(lm, "the")
    lm.generate(Prompt(user="Say hello."), max_tokens=8)
    assert bits(lm, "the lamp flickers at night") == first
    assert bits(lm, "the lamp flickers at night") == first


def test_a_row_gives_the_same_bytes_however_many_ask_at_once(lm: LM) -> None:
    texts = [
        f"the {word} is late again"
        for word in ("post", "train", "rent", "milk", "bus", "cat", "rain", "bill")
    ]
    alone = [bits(lm, text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: bits(lm, text), texts * 2)) == alone * 2


def test_a_prefix_restored_from_disk_gives_the_same_bytes_as_one_computed(lm: LM) -> None:
    kept = bits(lm, "where is my parcel")
    for file in (cache_folder() / "prefixes").glob("*.bin"):
        file.unlink()
    computed = open_lm("local", workers=1)
    restored = open_lm("local", workers=1)
    assert bits(computed, "where is my parcel") == kept
    assert bits(restored, "where is my parcel") == kept


def test_a_damaged_prefix_file_is_computed_again(lm: LM) -> None:
    kept = bits(lm, "where is my parcel")
    for file in (cache_folder() / "prefixes").glob("*.bin"):
        file.write_bytes(b"not a prefix")
    assert bits(open_lm("local", workers=1), "where is my parcel") == kept


def test_a_later_question_does_not_change_the_first(lm: LM) -> None:
    alone = lm.score(note("it leaks"), [Question("kind:", TOKENS)])
    both = lm.score(note("it leaks"), [Question("kind:", TOKENS), Question("topic:", TOKENS)])
    assert np.array_equal(alone[0].logprobs, both[0].logprobs)
    assert not np.array_equal(both[0].logprobs, both[1].logprobs)
    assert both[1].usage.tokens_in < 5


def test_log_probabilities_are_normalised_among_the_tokens_asked(lm: LM) -> None:
    scores = lm.score(note("it leaks"), [Question("kind:", TOKENS)])[0].logprobs
    assert np.exp(scores).sum() == pytest.approx(1, abs=1e-4)


def test_parts_of_characters_are_read_like_any_token(lm: LM) -> None:
    whole = tuple(dict.fromkeys(lm.tokenize("the tap lamp door key a")))
    parts = tuple(dict.fromkeys(lm.tokenize("شحن 🚚 中文 שלום")))
    both = (*whole, *(token for token in parts if token not in whole))
    for text in ("the lamp flickers", "مرحبا", "the tap drips again"):
        expected = lm.score(note(text), [Question("kind:", whole)])[0].logprobs.astype(float)
        first = lm.score(note(text), [Question("kind:", both)])[0].logprobs
        again = lm.score(note(text), [Question("kind:", both)])[0].logprobs
        assert first.tobytes() == again.tobytes()
        assert np.exp(first.astype(float)).sum() == pytest.approx(1, abs=1e-5)
        among = first[: len(whole)].astype(float)
        assert among - np.log(np.exp(among).sum()) == pytest.approx(expected, abs=1e-3)
        alone = lm.score(note(text), [Question("kind:", parts)])[0].logprobs.astype(float)
        among = first[[both.index(token) for token in parts]].astype(float)
        assert among - np.log(np.exp(among).sum()) == pytest.approx(alone, abs=1e-3)


def test_an_embedding_is_a_vector_of_length_one_and_the_same_each_time(lm: LM) -> None:
    assert isinstance(lm, Embeds)
    vectors = {text: lm.embed(text).vector for text in ("my parcel is late", "the parcel is late", "")}
    assert {len(vector) for vector in vectors.values()} == {576}
    assert [np.linalg.norm(vector) for vector in vectors.values()] == pytest.approx([1] * 3, abs=1e-3)
    assert lm.embed("my parcel is late").vector.tobytes() == vectors["my parcel is late"].tobytes()
    near, far = (vectors["my parcel is late"] @ vectors[text] for text in ("the parcel is late", ""))
    assert near > far


def test_of_a_text_that_is_too_long_the_beginning_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "EMBEDS", 64)
    with contextlib.closing(open_lm("local")) as lm:
        assert isinstance(lm, Embeds)
        found = lm.embed("word " * 900)
    assert found.usage.tokens_in == 63
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-3)


def test_control_tokens_in_a_row_stay_text(lm: LM) -> None:
    tokens = lm.tokenize("<|im_end|>")
    assert len(tokens) > 1
    plain = lm.score(Prompt(SYSTEM, user="a <|im_end|> b"), [Question("kind:", TOKENS)])[0].usage.tokens_in
    without = lm.score(Prompt(SYSTEM, user="a  b"), [Question("kind:", TOKENS)])[0].usage.tokens_in
    assert plain - without >= len(tokens) - 2


def test_a_row_over_the_context_is_an_error_of_that_row(lm: LM) -> None:
    with pytest.raises(ContextLengthError, match="the LM reads"):
        bits(lm, "word " * 20_000)
    assert bits(lm, "short")


def test_text_under_a_schema_is_always_json_of_that_schema(lm: LM) -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["repair", "late post"]}, "n": {"type": "integer"}},
        "required": ["kind", "n"],
        "additionalProperties": False,
    }
    generation = lm.generate(note("two taps drip"), max_tokens=60, schema=schema)
    assert generation.finished
    data = json.loads(generation.text)
    assert data["kind"] in ("repair", "late post")
    assert isinstance(data["n"], int)


def test_an_lm_that_was_never_asked_can_be_closed() -> None:
    for _ in range(3):
        opened = open_lm("local", workers=1)
        opened.tokenize("hello")
        opened.close()


def test_the_end_of_a_process_waits_for_calls_under_way_and_lets_no_more_begin() -> None:
    calls, began, over = _Calls(), threading.Event(), threading.Event()

    def work() -> None:
        with calls.one():
            began.set()
            time.sleep(0.2)
            over.set()

    threading.Thread(target=work, daemon=True).start()
    began.wait()
    calls.end()
    assert over.is_set()
    with pytest.raises(LMError, match="ending"), calls.one():
        pass


def test_a_gguf_by_path_has_the_id_of_its_bytes(lm: LM, tmp_path: Path) -> None:
    copy = tmp_path / "mine.gguf"
    copy.symlink_to(ensure_weights())
    assert open_lm(f"local:{copy}").id == lm.id
    assert open_lm(lm.id).id == lm.id
    with pytest.raises(WeightsError, match="no such weights"):
        open_lm(f"local:{tmp_path / 'missing.gguf'}")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"not a model" * 100)
    with pytest.raises(LMError, match=r"wrong\.gguf"):
        open_lm(f"local:{wrong}").tokenize("hello")


def test_a_recorded_lm_asks_each_question_once(lm: LM, tmp_path: Path) -> None:
    recorded = Recorded(lm, Journal(tmp_path / "calls.jsonl"))
    first = recorded.score(note("it leaks"), [Question("kind:", TOKENS)])
    again = recorded.score(note("it leaks"), [Question("kind:", TOKENS)])
    assert np.array_equal(first[0].logprobs, again[0].logprobs)
    assert (recorded.calls, recorded.made) == (2, 1)
    text = recorded.generate(Prompt(user="Say hello."), max_tokens=6)
    assert recorded.generate(Prompt(user="Say hello."), max_tokens=6) == text
    assert recorded.made == 2
