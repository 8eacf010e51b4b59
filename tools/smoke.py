"""`python -m tools smoke`: whether a deployed stack does what it promises, beside its traffic.

Canaries, events with ids that nobody else has, take the way of all events. What they leave is
deleted.
"""

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tools.console import printable
from tools.deployed import Deployed, wait_for
from tools.event import is_same, to_json
from tools.send import GRACE_SECONDS, SKEW_SECONDS

LOOK_SECONDS: Final = 0.25
# A busy queue is never empty: what was sent together with events that are stored has then come too.
SETTLE_SECONDS: Final = 5.0

Event = dict[str, Any]


class Canary(NamedTuple):
    """Events of one id, the later ones sent when the first is stored, and which must remain."""

    promise: str
    events: Sequence[Event]
    remains: Event


def canaries(run: str, key: str, attribute: str) -> list[Canary]:
    """Make the canaries of a run: its name begins their ids.

    key: the member that names the state. attribute: the member that holds the version; empty if
    it is the first event that stays, or the last.
    """

    def canary(promise: str, name: str, *versions: str, remains: int, **members: Any) -> Canary:
        events = [
            {key: f"{run}-{name}", "smoke": Decimal(versions.index(version)), **members}
            | ({attribute: f"2025-03-30T{version}"} if attribute else {})
            for version in versions
        ]
        return Canary(promise, events, events[remains])

    early, late = "01:00:00Z", "01:00:01Z"
    numbers = {
        "big": Decimal("12345678901234567890123456789012345678"),
        "tiny": Decimal("-1.5E-130"),
        "r": Decimal("0.10"),
    }
    name, script = "東京-\N{SATELLITE ANTENNA}", {"ключ": "naïve \N{ROCKET}"}
    same, precise = "An event may come twice", "A version may have a fraction"
    made = [
        canary("Numbers are exact", "number", early, remains=0, **numbers),
        canary("Text is kept in any script", name, early, remains=0, **script),
    ]
    if not attribute:
        return [*made, canary(same, "twice", early, early, remains=0)]
    return [
        *made,
        canary("A newer event replaces an older one", "update", early, late, remains=1),
        canary("A late event does not overwrite a newer one", "late", late, early, remains=0),
        canary(same, "twice", early, late, early, remains=1),
        # As text, ".5Z" is before "Z" and ".51Z" before ".5Z".
        canary(precise, "precise-1", "01:00:00.5Z", early, remains=0),
        canary(precise, "precise-2", "01:00:00.5Z", "01:00:00.51+00:00", remains=1),
    ]


def smoke(deployed: Deployed) -> int:
    """Send canaries; print the promises that are not kept, and return 1 if there are any.

    Raises:
        ClientError: AWS refuses something, before anything is sent if it can be known.
        ToolError: a message was not sent.

    """
    started = time.monotonic()
    failures = _Smoke(deployed).run()
    print("\n".join(failures) or f"All promises are kept ({time.monotonic() - started:.0f} s).")
    return 1 if failures else 0


class _Smoke:
    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._run = f"smoke-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
        self._since = time.time() - SKEW_SECONDS
        self._canaries = canaries(self._run, deployed.key, deployed.version_attribute)
        self._under_way: dict[str, str] = {}
        """Bodies by message id, of what may yet become an item or a dead letter."""

    def run(self) -> list[str]:
        """Return a line for each promise that is not kept; what is sent is cleaned up."""
        patience = 2 * self._deployed.visibility_seconds() + GRACE_SECONDS
        # All that will be needed is asked for once, while nothing is there yet.
        self._delete_items()
        self._deployed.item(self._run)
        self._deployed.reasons(self._since)
        try:
            _say(f"sending {len(self._canaries)} canaries; they have {patience:.0f} s to be stored")
            first = [canary.events[0] for canary in self._canaries]
            self._send(first)
            if not self._wait(first, patience):
                return [*self._differences(first), *self._why()]
            self._under_way.clear()
            remains = [canary.remains for canary in self._canaries]
            self._send([event for canary in self._canaries for event in canary.events[1:]])
            self._wait(remains, patience)
            # What loses leaves no trace: it has come when the queue is empty.
            if wait_for(lambda: not self._deployed.waiting(), SETTLE_SECONDS):
                self._under_way.clear()
            return self._differences(remains)
        finally:
            _say("deleting what is left of the canaries")
            self._delete_items()
            if self._under_way:
                self._delete_dead_letters()
            if self._under_way:
                _say(
                    f"{len(self._under_way)} messages may still be under way: delete what becomes "
                    f"of them; their ids and bodies hold {self._run}"
                )

    def _send(self, events: Sequence[Event]) -> None:
        bodies = [*map(to_json, events)]
        self._under_way |= zip(self._deployed.send(bodies), bodies, strict=True)

    def _item(self, event: Event) -> Event | None:
        return self._deployed.item(event[self._deployed.key])

    def _wait(self, wanted: Sequence[Event], seconds: float) -> bool:
        """Wait until these events are stored; tell whether they are."""
        return wait_for(
            lambda: all(is_same(self._item(event), event) for event in wanted),
            seconds,
            LOOK_SECONDS,
        )

    def _differences(self, wanted: Sequence[Event]) -> list[str]:
        """Return a line for each canary that is not stored as it is wanted."""
        found = []
        for canary, event in zip(self._canaries, wanted, strict=True):
            if not is_same(item := self._item(event), event):
                stored = printable(to_json(item)) if item else "nothing"
                found.append(f"{canary.promise}: {stored} is stored, and not {to_json(event)}")
        return found

    def _why(self) -> Iterator[str]:
        """Yield what the log says of canaries of which nothing is stored, if there are any."""
        if all(self._item(canary.remains) for canary in self._canaries):
            return
        reasons = self._deployed.reasons(self._since)
        for message in (*self._under_way, ""):
            if message in reasons:
                yield f"The log says: {printable(reasons[message])}"
                return
        yield (
            f"The log says nothing of it, and {self._deployed.waiting()} messages are in the "
            "queue: is the event source mapping enabled?"
        )

    def _delete_dead_letters(self) -> None:
        """Remove this run's own from the dead-letter queue."""
        for letter in self._deployed.dead_letters():
            # By id and by body: what a letter says of itself, anybody may have written.
            if self._under_way.get(letter.message_id) == letter.body:
                self._deployed.delete_dead_letter(letter)
                del self._under_way[letter.message_id]

    def _delete_items(self) -> None:
        for canary in self._canaries:
            self._deployed.delete_item(canary.remains[self._deployed.key])


def _say(text: str) -> None:
    print(text, file=sys.stderr)
