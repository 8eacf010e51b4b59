"""Several requests at once, their ends noted in the order of the input."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from examples.producer.batch import Batch, Problem

IN_FLIGHT: Final = 16


def send_all(
    batches: Iterable[Batch],
    send: Callable[[Batch], Sequence[Problem]],
    note: Callable[[Batch, Sequence[Problem]], None],
    interrupted: threading.Event,
) -> None:
    """Send batches, each in a thread, and note each with what was refused of it.

    A batch is noted once it and all before it are sent: no line before a noted one is unsent.
    Whatever ends it early, an error of `send` or Ctrl-C, is raised again after `interrupted` is set
    and the requests under way are waited for and noted.
    """
    pending: deque[tuple[Batch, Future[Sequence[Problem]]]] = deque()

    def note_first() -> None:
        refused = pending[0][1].result()
        note(pending.popleft()[0], refused)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            for batch in batches:
                pending.append((batch, pool.submit(send, batch)))
                while len(pending) > 2 * IN_FLIGHT or (pending and pending[0][1].done()):
                    note_first()
            while pending:
                note_first()
        except BaseException:
            interrupted.set()
            pool.shutdown(cancel_futures=True)
            while pending and not pending[0][1].cancelled() and not pending[0][1].exception():
                note_first()
            raise
