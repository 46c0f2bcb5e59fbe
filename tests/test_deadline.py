"""Deadlines: whoever waits for a row stops when its time is over, and a late answer is none."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from test_instructions import Understands, compiled

import shipworthy as sw
from shipworthy.errors import DeadlineError, InputError
from shipworthy.lms import (
    Generation,
    Prompt,
    Question,
    Retries,
    Scores,
    check_deadline,
    deadline,
    ensure_weights,
    time_left,
)
from shipworthy.lms.embedded import Embedded
from shipworthy.lms.hosted import Hosted
from shipworthy.runtime import Program, ordered_map


class PassingError(Exception):
    """A failure that may pass."""

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class Time:
    """A clock that moves where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_time_runs_out() -> None:
    clock = Time()
    assert time_left() is None
    with deadline(2.0, clock=clock):
        assert time_left() == 2.0
        clock.sleep(1.5)
        check_deadline()
        clock.sleep(0.5)
        with pytest.raises(DeadlineError, match=r"within 2 s"):
            check_deadline()
    check_deadline()


def test_of_two_deadlines_the_earlier_one_holds() -> None:
    clock = Time()
    with deadline(5.0, clock=clock):
        with deadline(9.0, clock=clock):
            assert time_left() == 5.0
        with deadline(1.0, clock=clock):
            assert time_left() == 1.0
        with deadline(None):
            assert time_left() == 5.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_a_deadline_lies_ahead(seconds: float) -> None:
    with pytest.raises(InputError), deadline(seconds):
        pass


def test_it_holds_for_the_threads_that_work_on_the_callers_behalf() -> None:
    clock = Time()
    with deadline(3.0, clock=clock):
        assert [outcome.unwrap() for outcome in ordered_map(lambda _: time_left(), range(3), workers=2)] == [
            3.0
        ] * 3
    assert [outcome.unwrap() for outcome in ordered_map(lambda _: time_left(), range(1), workers=1)] == [None]


def retries(clock: Time, **more: Any) -> Retries:
    return Retries("stand-in", (PassingError,), sleep=clock.sleep, uniform=lambda low, high: high, **more)


def failing(errors: Sequence[Exception]) -> Callable[[], str]:
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "fine"

    return ask


def test_retries_end_before_the_deadline_and_say_what_failed() -> None:
    clock = Time()
    with deadline(3.0, clock=clock), pytest.raises(DeadlineError, match="PassingError"):
        retries(clock, patience=100.0).call(failing([PassingError()] * 50))
    assert clock.now - 100.0 < 3.0


def test_a_pause_that_outlasts_the_deadline_is_not_waited_for() -> None:
    clock = Time()
    with deadline(3.0, clock=clock), pytest.raises(DeadlineError):
        retries(clock).call(failing([PassingError(retry_after=5.0)]))
    assert clock.now == 100.0
    with deadline(9.0, clock=clock):
        assert retries(clock).call(failing([PassingError(retry_after=5.0)])) == "fine"


class Slow(Understands):
    """Takes seconds on the clock that it was given."""

    def __init__(self, clock: Time, seconds: float) -> None:
        super().__init__(always=True)
        self.clock, self.seconds = clock, seconds

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        self.clock.sleep(self.seconds)
        return super().score(prompt, questions)

    def generate(self, prompt: Prompt, **more: Any) -> Generation:
        self.clock.sleep(self.seconds)
        return super().generate(prompt, **more)


def test_an_answer_that_comes_late_is_none(tmp_path: Any) -> None:
    made = compiled(tmp_path, sw.Readout(), always=True)
    clock = Time()
    program = made.program
    slow = Program(program.spec, program.heads, lm=Slow(clock, 2.0))
    with deadline(1.0, clock=clock), pytest.raises(DeadlineError):
        slow.answer({"text": "where is number 99"})
    with deadline(3.0, clock=clock):
        assert slow.answer({"text": "where is number 99"}).topic == "lost"
    assert slow.answer({"text": "where is number 99"}, deadline_s=60.0).topic == "lost"
    late = slow.answer_many([{"text": "where is number 99"}], deadline_s=1e-9)
    assert isinstance(next(late).error, DeadlineError)


@pytest.fixture
def trickle(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A provider that sends the given pieces, half a second before each, and then stalls."""
    pieces: list[bytes] = []
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if pieces:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
            for piece in pieces:
                if over.wait(0.5):
                    return
                self.wfile.write(piece)
                self.wfile.flush()
            over.wait(60)

        def log_message(self, *args: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # whoever asked has gone
                return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    yield pieces
    over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("sent", [[], [b" "] * 100])
def test_a_provider_that_stalls_or_trickles_is_waited_for_no_longer(
    trickle: list[bytes], sent: list[bytes]
) -> None:
    trickle += sent
    lm = Hosted("openai/gpt-4o-mini")
    with deadline(1.2), pytest.raises(DeadlineError):
        lm.generate(Prompt(user="hello"))
    lm.close()


def test_a_free_worker_of_the_embedded_lm_is_waited_for_no_longer() -> None:
    lm = Embedded(ensure_weights(), workers=1)
    with lm._slot(), deadline(0.05), pytest.raises(DeadlineError):
        lm.tokenize("text")
    lm.close()
