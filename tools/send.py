"""`python -m tools.flow send`: one event, and what became of it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tools.deployed import Deployed, LogLine, outcomes, wait_for
from tools.event import decode, is_same, rank
from tools.load.message import EVENT_ID_BYTES, to_json

# What the log, the pollers and a cold start take on AWS, beside the stack's own settings.
GRACE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.05
# How far this machine's clock may be from AWS's.
SKEW_SECONDS: Final = 300.0
_PASSED_OVER: Final = "{ $.Superseded > 0 || $.Coalesced > 0 }"


def send(flow: Deployed, body: str, say: Callable[[str], object] = print) -> int:
    """Send a message, wait, say what became of it; 0 if it was stored or superseded.

    Stored is what the table shows; rejected, what the log says of this message. Of no message does
    the function say that it was superseded: that is what becomes of an event while a newer one of
    its id is stored, and it is told once the function has counted one that it passed over.

    Raises:
        ToolError: it was not sent.

    """
    since = time.time() - SKEW_SECONDS
    known = _passed_over(flow, since)
    event = _event(body)
    if event and is_same(flow.item(event["event_id"]), event):
        say("Stored: the table already holds this very event.")
        flow.send([body])
        say(to_json(event))
        return 0

    (message_id,) = flow.send([body])
    began = time.monotonic()
    failed = ""
    is_older = False

    def look() -> tuple[int, str] | None:
        nonlocal failed, is_older
        item = flow.item(event["event_id"]) if event else None
        if event and is_same(item, event):
            seconds = time.monotonic() - began
            return 0, f"Stored, {seconds:.1f} s after it was sent:\n{to_json(item)}"
        for line in flow.log_lines(since, f'"{message_id}"'):
            if line.members.get("outcome") == "rejected":
                return 1, f"Rejected: {line.members['reason']}. It becomes a dead letter."
            failed = f" Its last delivery failed: {line.members['reason']}."
        is_older = bool(event and item and _is_newer(item, event, flow.version_attribute))
        if is_older and _passed_over(flow, since) - known:
            return 0, f"Superseded by a newer event of its id:\n{to_json(item)}"
        return None

    seconds = flow.settings().visibility_seconds + GRACE_SECONDS
    if fate := wait_for(look, seconds, LOOK_SECONDS):
        say(fate[1])
        return fate[0]
    if is_older:
        say("The table holds a newer event of its id, which this one will not replace.")
    say(
        f"Not known after {seconds:.0f} s what became of it; {flow.waiting()} messages are in the "
        f"queue.{failed}"
    )
    return 1


def _event(body: str) -> dict[str, Any] | None:
    """Return the event of a body, if it has an id that the table could have."""
    try:
        event = decode(body)
        event_id = event["event_id"].encode()
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    return event if 1 <= len(event_id) <= EVENT_ID_BYTES else None


def _is_newer(item: Mapping[str, Any], event: Mapping[str, Any], attribute: str) -> bool:
    """Tell whether an item keeps an event from being stored, whenever it is looked at."""
    try:
        stored, sent = rank(item, attribute), rank(event, attribute)
    except ValueError:
        return False
    # The same instant spelled otherwise is superseded, too.
    respelled = stored == sent and item.get(attribute) != event.get(attribute)
    return bool(attribute) and (stored > sent or respelled)


def _passed_over(flow: Deployed, since: float) -> set[LogLine]:
    """Return the log's lines that count events as superseded or coalesced."""
    lines = flow.log_lines(since, _PASSED_OVER)  # the embedded AWS takes no such pattern
    counts = {line: outcomes(line) for line in lines}
    return {line for line, c in counts.items() if c.get("Superseded") or c.get("Coalesced")}
