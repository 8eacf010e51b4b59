"""The threads that write, kept for as long as the execution environment lives."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], object]


class Workers:
    """Calls a job in several threads at once, and waits for none of them past a given moment.

    Serves one batch at a time, as Lambda gives an execution environment one at a time.
    Threads, even for a single worker, because nothing else bounds a write: neither the resolution
    of a name nor the pause before a retry heeds a time-out. Kept between batches, because starting
    ten for a batch of 10 took a third of its CPU time.
    """

    def __init__(self, most: int) -> None:
        """most: how many threads there may be."""
        self._most = most
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def run(self, job: Job, times: int, wait_until: float) -> None:
        """Call job so many times at once, or as many as there may be threads.

        Returns when all calls have ended or it is wait_until, in seconds of time.monotonic; the
        threads of calls that go on then end with them, and new ones take their place.
        """
        calls = min(times, self._most)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < calls:
            thread = threading.Thread(target=_serve, args=(self._jobs,), daemon=True)
            thread.start()
            self._threads.append(thread)

        ended = threading.Semaphore(0)

        def call() -> None:
            try:
                job()
            finally:
                ended.release()

        for _ in range(calls):
            self._jobs.put(call)
        for _ in range(calls):
            if not ended.acquire(timeout=max(0, wait_until - time.monotonic())):
                self._replace()
                return

    def __del__(self) -> None:
        """End the threads with the object that they serve."""
        self._dismiss()

    def _replace(self) -> None:
        self._dismiss()
        self._jobs = SimpleQueue()
        self._threads = []

    def _dismiss(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)


def _serve(jobs: SimpleQueue[Job | None]) -> None:
    while job := jobs.get():
        job()
