"""One live line on the terminal: what waits in the queue, and what became of what does not."""

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from local.emulator import Emulator
from local.flow import Flow, outcomes

REFRESH_SECONDS: Final = 0.5
# An invocation's lines may show a little after younger ones: look back that far.
OVERLAP_MILLISECONDS: Final = 2000


@contextmanager
def watching(aws: Emulator, outputs: Mapping[str, Any]) -> Iterator[None]:
    """Keep the line up to date inside the block, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    watch, stop = Watch(aws, outputs), threading.Event()
    with Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=False) as live:

        def follow() -> None:
            try:
                while not stop.is_set():
                    live.update(watch.line(), refresh=True)
                    stop.wait(REFRESH_SECONDS)
            except (BotoCoreError, ClientError):
                return  # the embedded AWS is gone, and whoever waits for it says so

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class Watch:
    """Counts what the deployed queues and the function's log show."""

    def __init__(self, aws: Emulator, outputs: Mapping[str, Any]) -> None:
        self._flow, self._logs = Flow(aws, outputs), aws.client("logs")
        self._outputs = outputs
        self._counts: Counter[str] = Counter()
        self._newest_reason = ""
        self._seen: dict[tuple[str, str], int] = {}

    def line(self) -> Text:
        """Look again, and say what there is in one line."""
        # The queues first: what leaves them in between is then missed rather than counted twice.
        waiting, dead = self._flow.waiting(), self._flow.dead()
        self._read_log()
        superseded = self._counts["Superseded"] + self._counts["Coalesced"]
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"waiting {waiting}   ")
        text.append(f"stored {self._counts['Written']}   ", "green")
        text.append(f"superseded {superseded}   ")
        text.append(f"dead letters {dead}", "red" if dead else "")
        if dead and self._newest_reason:
            text.append(f" ({self._newest_reason})")
        return text

    def _read_log(self) -> None:
        newest = max(self._seen.values(), default=0)
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self._outputs['functionName']}",
            startTime=max(0, newest - OVERLAP_MILLISECONDS),
        )
        for event in (event for page in pages for event in page["events"]):
            place = (event["logStreamName"], event["message"])
            if place in self._seen or not event["message"].startswith("{"):
                continue
            self._seen[place] = event["timestamp"]
            line = json.loads(event["message"])
            self._counts.update(outcomes(line))
            self._newest_reason = line.get("reason", self._newest_reason)
        newest = max(self._seen.values(), default=0)
        self._seen = {
            place: time
            for place, time in self._seen.items()
            if time >= newest - OVERLAP_MILLISECONDS
        }
