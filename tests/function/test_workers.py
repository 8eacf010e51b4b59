"""Threads that serve one batch after another, whatever becomes of a job."""

import threading
import time
from collections.abc import Iterator

import pytest

from function.workers import Workers

SECONDS = 10.0


def soon() -> float:
    """Return a moment that no healthy job reaches."""
    return time.monotonic() + SECONDS


class Meeting:
    """A job that goes on only when so many threads are in it at once."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=SECONDS)
        self.threads: list[threading.Thread] = []

    def __call__(self) -> None:
        """Meet the others."""
        self.threads.append(threading.current_thread())
        self._barrier.wait()


def names(threads: list[threading.Thread]) -> list[str]:
    return sorted(thread.name for thread in threads)


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """Let jobs wait for an event that comes at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_job_is_called_as_often_as_asked_at_once() -> None:
    meeting = Meeting(3)
    Workers(4).run(meeting, 3, soon())
    assert len(set(names(meeting.threads))) == 3


def test_never_more_often_than_there_may_be_threads() -> None:
    meeting = Meeting(2)
    Workers(2).run(meeting, 5, soon())
    assert len(meeting.threads) == 2


def test_nothing_to_do_starts_nothing() -> None:
    before = threading.active_count()
    workers = Workers(2)
    workers.run(lambda: None, 0, soon())
    assert threading.active_count() == before


def test_the_next_batch_finds_the_same_threads() -> None:
    workers, first, second = Workers(3), Meeting(3), Meeting(3)
    workers.run(first, 3, soon())
    workers.run(second, 3, soon())
    assert names(first.threads) == names(second.threads)


def test_time_is_up_for_a_job_that_hangs_and_the_next_batch_has_all_threads(
    hang: threading.Event,
) -> None:
    workers, meeting = Workers(2), Meeting(2)
    started = time.monotonic()
    workers.run(hang.wait, 2, started + 0.05)
    assert 0.05 <= time.monotonic() - started < SECONDS / 2
    workers.run(meeting, 2, soon())
    assert len(meeting.threads) == 2


def test_a_thread_that_hung_ends_with_its_job(hang: threading.Event) -> None:
    hung: list[threading.Thread] = []

    def job() -> None:
        hung.append(threading.current_thread())
        hang.wait()

    Workers(1).run(job, 1, time.monotonic() + 0.05)
    hang.set()
    hung[0].join(SECONDS)
    assert not hung[0].is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_raises_ends_the_wait_and_costs_no_thread() -> None:
    workers, meeting = Workers(2), Meeting(2)
    started = time.monotonic()
    workers.run(lambda: 1 / 0, 2, soon())
    assert time.monotonic() - started < SECONDS / 2
    deadline = time.monotonic() + SECONDS
    while any(thread.is_alive() for thread in workers._threads) and time.monotonic() < deadline:
        time.sleep(0.01)
    workers.run(meeting, 2, soon())
    assert len(meeting.threads) == 2


def test_the_threads_end_with_their_workers() -> None:
    workers, meeting = Workers(2), Meeting(2)
    workers.run(meeting, 2, soon())
    del workers
    for thread in meeting.threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in meeting.threads)
