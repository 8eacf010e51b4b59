"""`python -m tools send`: one event, and what became of it."""

import time
from typing import Final

from tools.console import printable
from tools.deployed import Deployed, wait_for
from tools.event import decode, is_same, message_body, parsed, to_json

GRACE_SECONDS: Final = 30.0  # for the log, the pollers and a cold start on AWS
SKEW_SECONDS: Final = 300.0  # how far this machine's clock may be from AWS's
LOOK_SECONDS: Final = 0.05
# SQS's counts lag behind: only later does an empty queue mean that a message was acknowledged.
SETTLED_SECONDS: Final = 5.0


def send(deployed: Deployed, body: str) -> int:
    """Send a message, wait, print what became of it; 0 if it was stored or superseded.

    Stored is what the table shows; rejected, what the log or a dead letter says of this message.
    Of no message does the function say that it was superseded: that is what became of it if its id
    has another item, nothing is said of it, and nothing is left in the queue.
    """
    message = parsed(message_body(body), deployed.key)
    event = decode(body) if message.item else None
    event_id = message.event_id or ""
    if event and is_same(deployed.item(event_id), event):
        deployed.send([body])
        print(f"Stored: the table already held this very event.\n{printable(to_json(event))}")
        return 0

    dead, since, failed = deployed.dead(), time.time() - SKEW_SECONDS, ""
    (message_id,) = deployed.send([body])
    began = time.monotonic()

    def look() -> tuple[int, str] | None:
        nonlocal dead, failed
        item = deployed.item(event_id) if event else None
        shown = printable(to_json(item))
        seconds = time.monotonic() - began
        if event and is_same(item, event):
            return 0, f"Stored, {seconds:.1f} s after it was sent:\n{shown}"
        for line in deployed.log_lines(since, f'"{message_id}"'):
            if line.get("outcome") == "rejected":
                return 1, f"Rejected: {printable(line['reason'])}. It becomes a dead letter."
            failed = f" Its last delivery failed: {printable(line['reason'])}."
        # Others' dead letters are hidden by a look at them: only look if there is a new one.
        before, dead = dead, deployed.dead()
        for letter in deployed.dead_letters() if dead > before else ():
            if letter.message_id == message_id:
                why = f"Rejected: {printable(letter.reason)}" if letter.reason else "Failed"
                return 1, f"{why}. It is a dead letter."
        if item and not failed and seconds > SETTLED_SECONDS and not deployed.waiting():
            return 0, f"Superseded: the table keeps another event of its id.\n{shown}"
        return None

    seconds = deployed.visibility_seconds() + GRACE_SECONDS
    if not (known := wait_for(look, seconds, LOOK_SECONDS)):
        left = f"{deployed.waiting()} messages are in the queue.{failed}"
        known = 1, f"Not known after {seconds:.0f} s what became of it; {left}"
    print(known[1])
    return known[0]
