"""`python -m tools smoke`: whether a deployed stack does what it promises, beside its traffic.

Canaries, events with ids that nobody else has, take the way of all events. What they leave is
deleted.
"""

import secrets
import sys
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tools.console import printable
from tools.deployed import Deployed, QueueSettings, wait_for
from tools.event import is_same, to_json
from tools.send import GRACE_SECONDS, SKEW_SECONDS

LOOK_SECONDS: Final = 0.25
# A busy queue is never empty: what was sent together with events that are stored has then come too.
SETTLE_SECONDS: Final = 5.0


Event = dict[str, Any]


class Canary(NamedTuple):
    """Events of one id, the later ones sent when the first is stored, and which must remain."""

    promise: str
    event_id: str
    first: Event
    later: list[Event]
    remains: Event


def canaries(run: str, key: str, attribute: str) -> list[Canary]:
    """Make the canaries of a run: its name begins their ids.

    key: the member that names the state. attribute: the member that holds the version; empty if
    it is the first event that stays, or the last.
    """

    def canary(name: str, promise: str, *versions: str, remains: int, **members: Any) -> Canary:
        event_id = f"{run}-{name}"
        events = [
            {key: event_id, "smoke": Decimal(versions.index(version)), **members}
            | ({attribute: f"2025-03-30T{version}"} if attribute else {})
            for version in versions
        ]
        return Canary(promise, event_id, events[0], events[1:], events[remains])

    early, late = "01:00:00Z", "01:00:01Z"
    numbers = {
        "big": Decimal("12345678901234567890123456789012345678"),
        "tiny": Decimal("-1.5E-130"),
        "r": Decimal("0.10"),
    }
    name, script = "東京-\N{SATELLITE ANTENNA}", {"ключ": "naïve \N{ROCKET}"}
    same, precise = "an event may come twice", "a version may have a fraction"
    made = [
        canary("number", "numbers are exact", early, remains=0, **numbers),
        canary(name, "text is kept in any script", early, remains=0, **script),
    ]
    if not attribute:
        return [*made, canary("twice", same, early, early, remains=0)]
    return [
        *made,
        canary("update", "a newer event replaces an older one", early, late, remains=1),
        canary("late", "a late event does not overwrite a newer one", late, early, remains=0),
        canary("twice", same, early, late, early, remains=1),
        # As text, ".5Z" is before "Z" and ".51Z" before ".5Z".
        canary("precise-1", precise, "01:00:00.5Z", early, remains=0),
        canary("precise-2", precise, "01:00:00.5Z", "01:00:00.51+00:00", remains=1),
    ]


def smoke(deployed: Deployed, *, broken: bool = False) -> int:
    """Send canaries; print the promises that are not kept, and return 1 if there are any.

    broken: send a broken one, too, which rings the alarms.

    Raises:
        ClientError: AWS refuses something, before anything is sent if it can be known.
        ToolError: a message was not sent.

    """
    started = time.monotonic()
    failures = _Smoke(deployed).run(broken=broken)
    print("\n".join(failures) or f"All promises are kept ({time.monotonic() - started:.0f} s).")
    return 1 if failures else 0


class _Smoke:
    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._run = f"smoke-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
        self._since = time.time() - SKEW_SECONDS
        self._canaries = canaries(self._run, deployed.key, deployed.version_attribute)
        self._sent: dict[str, str] = {}
        """Bodies by message id."""
        self._under_way: set[str] = set()
        """Ids of messages that may yet become an item or a dead letter."""
        self._reasons: dict[str, str] = {}
        """Of this run's own dead letters, by message id."""
        self._failures: list[str] = []

    def run(self, *, broken: bool) -> list[str]:
        """Check what will be needed, while nothing is there yet; then send, look, clean up."""
        settings = self._deployed.settings()
        self._delete_items()
        self._deployed.item(self._run)
        self._deployed.reasons(self._since)
        if broken:
            self._take_dead_letters()
        try:
            if self._check(2 * settings.visibility_seconds + GRACE_SECONDS) and broken:
                self._check_broken(settings)
        finally:
            _say("deleting what is left of the canaries")
            self._delete_items()
            if self._under_way:
                self._take_dead_letters()
            if self._under_way:
                _say(
                    f"{len(self._under_way)} messages may still be under way: delete what becomes "
                    f"of them; their ids and bodies hold {self._run}"
                )
        return self._failures

    def _check(self, patience: float) -> bool:
        """Tell whether the canaries are stored at all."""
        _say(f"sending {len(self._canaries)} canaries; they have {patience:.0f} s to be stored")
        self._send(to_json(canary.first) for canary in self._canaries)
        first = {canary.event_id: canary.first for canary in self._canaries}
        if missing := self._wait(first, patience):
            self._report_missing(missing, patience)
            return False
        self._under_way.clear()

        self._send(to_json(event) for canary in self._canaries for event in canary.later)
        remains = {canary.event_id: canary.remains for canary in self._canaries}
        self._wait(remains, patience)
        # What loses leaves no trace: it has come when the queue is empty.
        if wait_for(lambda: not self._deployed.waiting(), SETTLE_SECONDS):
            self._under_way.clear()
        self._compare(remains)
        return True

    def _check_broken(self, settings: QueueSettings) -> None:
        promise = "a broken message becomes a dead letter, with its reason"
        if not settings.deliveries:
            queue = self._deployed.outputs["deadLetterQueueUrl"]
            self._fail(promise, f"the queue has no redrive policy to {queue}; none was sent")
            return
        (sent,) = self._send([f'{{"smoke":"{self._run}"}}'])
        seconds = (settings.deliveries + 1) * settings.visibility_seconds + GRACE_SECONDS
        _say(f"waiting up to {seconds:.0f} s for the broken one to be a dead letter")
        seen = -1

        def look() -> bool:
            # A look hides others' dead letters for a while: only if there are other ones.
            nonlocal seen
            if (count := self._deployed.dead()) != seen:
                seen = count
                self._take_dead_letters()
            return sent in self._reasons

        wait_for(look, seconds, LOOK_SECONDS)
        self._take_dead_letters()
        if sent not in self._reasons:
            self._fail(promise, f"{sent} is not there after {seconds:.0f} s")
        elif not self._reasons[sent] and sent not in self._deployed.reasons(self._since):
            self._fail(promise, f"neither {sent} nor the log tells one")

    def _send(self, bodies: Iterable[str]) -> list[str]:
        sending = list(bodies)
        ids = self._deployed.send(sending)
        self._sent |= zip(ids, sending, strict=True)
        self._under_way |= set(ids)
        return ids

    def _wait(self, wanted: dict[str, Event], seconds: float) -> dict[str, Event]:
        """Wait for items, by id; return those that are not there."""
        missing = dict(wanted)

        def look() -> bool:
            for event_id, event in wanted.items():
                if event_id in missing and is_same(self._deployed.item(event_id), event):
                    del missing[event_id]
            return not missing

        wait_for(look, seconds, LOOK_SECONDS)
        return missing

    def _report_missing(self, missing: dict[str, Event], seconds: float) -> None:
        absent = [event_id for event_id in missing if self._deployed.item(event_id) is None]
        self._compare({each: event for each, event in missing.items() if each not in absent})
        if absent:
            reasons = self._deployed.reasons(self._since)
            why = next((reasons[each] for each in (*self._under_way, "") if each in reasons), "")
            told = (
                f"says nothing of them, and {self._deployed.waiting()} messages are in the queue: "
                "is the event source mapping enabled?"
            )
            told = f"says: {printable(why)}" if why else told
            count = f"{len(absent)} of {len(self._canaries)}"
            self._fail(
                "an event is stored", f"{count} are not after {seconds:.0f} s; the log {told}"
            )

    def _compare(self, wanted: dict[str, Event]) -> None:
        for canary in self._canaries:
            event, item = wanted.get(canary.event_id), self._deployed.item(canary.event_id)
            if event and not is_same(item, event):
                stored = printable(to_json(item)) if item else "nothing"
                self._fail(canary.promise, f"{stored} is stored, and not {to_json(event)}")

    def _fail(self, promise: str, found: str) -> None:
        self._failures.append(f"{promise[0].upper()}{promise[1:]}: {found}")

    def _take_dead_letters(self) -> None:
        """Remove this run's own from the dead-letter queue, and keep their reasons."""
        for letter in self._deployed.dead_letters():
            # By id and by body: what a letter says of itself, anybody may have written.
            if self._sent.get(letter.message_id) == letter.body:
                self._deployed.delete_dead_letter(letter)
                self._reasons[letter.message_id] = letter.reason
                self._under_way.discard(letter.message_id)

    def _delete_items(self) -> None:
        for canary in self._canaries:
            self._deployed.delete_item(canary.event_id)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
