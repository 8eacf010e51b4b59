"""`python -m tools dead-letters`: each dead letter with its reason."""

import sys
import time
from typing import Final

from tools.console import printable
from tools.deployed import DeadLetter, Deployed

BODY_SHOWN: Final = 300


def with_reasons(deployed: Deployed) -> list[DeadLetter]:
    """Read all dead letters, oldest first; those that SQS moved get what the log says of them."""
    letters = sorted(deployed.dead_letters(), key=lambda letter: letter.sent_at)
    moved = [letter.sent_at for letter in letters if not letter.reason]
    logged = deployed.reasons(moved[0]) if moved else {}
    return [
        letter._replace(reason=letter.reason or logged.get(letter.message_id, ""))
        for letter in letters
    ]


def show(deployed: Deployed) -> None:
    """Print them, and leave them where they are."""
    letters = with_reasons(deployed)
    for letter in letters:
        sent = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(letter.sent_at))
        reason = letter.reason or "no reason in the log"
        named = f"{letter.event_id}: " if letter.event_id else ""
        print(printable(f"{sent} {letter.message_id} {named}{reason}"))
        more = "…" if len(letter.body) > BODY_SHOWN else ""
        print(f"    {printable(letter.body[:BODY_SHOWN])}{more}")
    print(f"{len(letters)} dead letters. None is removed.", file=sys.stderr)
