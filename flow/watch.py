"""One live line: what waits in the queue, and what became of what does not."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from flow.deployed import Flow, outcomes
from producer.status import StatusLine

# On AWS each look counts against the account's quota of FilterLogEvents.
REFRESH_SECONDS: Final = 0.5
REFRESH_SECONDS_ON_AWS: Final = 3.0
# An invocation's lines may show a little after younger ones: look back that far.
OVERLAP_SECONDS: Final = 2.0
OVERLAP_SECONDS_ON_AWS: Final = 30.0


@contextmanager
def watching(flow: Flow) -> Iterator[None]:
    """Keep the line up to date inside the block, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    stop = threading.Event()

    def follow() -> None:
        try:
            watch(flow, stop)
        except (BotoCoreError, ClientError):
            return  # the stack is gone, and whoever waits for it says so

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def watch(flow: Flow, stop: threading.Event) -> None:
    """Show what becomes of messages from now on; without a terminal, each change is a line."""
    counts, status, shown = Counts(flow), StatusLine(), ""
    while not stop.is_set():
        if (line := counts.line()) != shown:
            shown = line
            if sys.stderr.isatty():
                status.show(line)
            else:
                status.say(line)
        stop.wait(REFRESH_SECONDS_ON_AWS if flow.endpoint_url is None else REFRESH_SECONDS)


class Counts:
    """What the queues and the function's log show since this was made."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._overlap = OVERLAP_SECONDS_ON_AWS if flow.endpoint_url is None else OVERLAP_SECONDS
        self._counts: Counter[str] = Counter()
        self._newest_reason = ""
        self._started = self._newest = time.time()
        self._seen: dict[tuple[str, int, str], float] = {}

    def line(self) -> str:
        """Look again, and say what there is in one line."""
        # The queues first: what leaves them in between is then missed rather than counted twice.
        waiting, dead = self._flow.waiting(), self._flow.dead()
        self._read_log()
        superseded = self._counts["Superseded"] + self._counts["Coalesced"]
        reason = f" ({self._newest_reason})" if dead and self._newest_reason else ""
        return (
            f"waiting {waiting}   stored {self._counts['Written']}   superseded {superseded}   "
            f"dead letters {dead}{reason}"
        )

    def _read_log(self) -> None:
        for line in self._flow.log_lines(max(self._started, self._newest - self._overlap)):
            if line.place in self._seen:
                continue
            self._seen[line.place] = line.milliseconds / 1000
            self._counts.update(outcomes(line))
            self._newest_reason = line.members.get("reason", self._newest_reason)
        self._newest = max(self._seen.values(), default=self._newest)
        self._seen = {
            place: at for place, at in self._seen.items() if at >= self._newest - self._overlap
        }
