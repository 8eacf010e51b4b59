"""One live line: what waits in the queue, and what became of what does not."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from tools.deployed import Deployed, LogLine, outcomes
from tools.load.status import StatusLine

# On AWS each look counts against the account's quota of FilterLogEvents, and costs.
REFRESH_SECONDS: Final = 0.5
REFRESH_SECONDS_ON_AWS: Final = 3.0
# An invocation's lines may show a little after younger ones: look back that far.
OVERLAP_SECONDS: Final = 10.0


@contextmanager
def watching(flow: Deployed) -> Iterator[None]:
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


def watch(flow: Deployed, stop: threading.Event) -> None:
    """Show what becomes of messages from now on; without a terminal, each change is a line."""
    counts, status, shown = Counts(flow), StatusLine(), ""
    show = status.show if sys.stderr.isatty() else status.say
    while not stop.is_set():
        if (line := counts.line()) != shown:
            show(line)
            shown = line
        stop.wait(REFRESH_SECONDS_ON_AWS if flow.is_aws else REFRESH_SECONDS)


class Counts:
    """What the queues and the function's log show since this was made."""

    def __init__(self, flow: Deployed) -> None:
        self._flow = flow
        self._counts: Counter[str] = Counter()
        self._newest_reason = ""
        self._started = self._newest = time.time()
        self._seen: set[LogLine] = set()

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
        lines = set(self._flow.log_lines(max(self._started, self._newest - OVERLAP_SECONDS)))
        for line in sorted(lines - self._seen):
            self._counts.update(outcomes(line))
            self._newest_reason = line.members.get("reason", self._newest_reason)
            self._newest = max(self._newest, line.milliseconds / 1000)
        self._seen = lines
