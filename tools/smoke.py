"""`python -m tools.flow smoke`: whether a deployed stack does what it promises, beside its traffic.

Canaries, events with ids that nobody else has, take the way of all events. What they leave in the
table and in the dead-letter queue is deleted.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tools.deployed import Deployed, Settings, wait_for
from tools.event import decode, is_same
from tools.load.message import to_json
from tools.send import GRACE_SECONDS, SKEW_SECONDS

LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Canary:
    """Events of one id, the later ones sent when the first is stored, and which must remain."""

    promise: str
    event_id: str
    first: str
    later: tuple[str, ...] = ()
    newest: str


def canaries(run: str, attribute: str) -> list[Canary]:
    """Make the canaries of a run: its name begins their ids.

    attribute: the member that holds the version; empty if the guard is off, and order no promise.
    """

    def canary(name: str, promise: str, *versions: str, newest: int, members: str = "") -> Canary:
        event_id = f"{run}-{name}"
        first, *later = (
            f'{{"event_id":"{event_id}","state":{versions.index(version)}'
            + (f',"{attribute}":"2025-03-30T{version}"' if attribute else "")
            + f"{members}}}"
            for version in versions
        )
        return Canary(
            promise=promise,
            event_id=event_id,
            first=first,
            later=tuple(later),
            newest=[first, *later][newest],
        )

    exact = ',"big":12345678901234567890123456789012345678,"tiny":-1.5E-130,"rate":0.10'
    unguarded = [
        canary("update", "a newer event replaces an older one", "01:00:00Z", "01:00:01Z", newest=1),
        canary("number", "numbers are exact", "01:00:00Z", newest=0, members=exact),
        canary(
            *("東京-\N{SATELLITE ANTENNA}", "text is kept in any script", "01:00:00Z"),
            newest=0,
            members=',"ключ":"naïve \N{ROCKET}"',
        ),
    ]
    late, same = "a late event does not overwrite a newer one", "an event may come twice"
    precise = "a version may have a fraction"
    guarded = [
        canary("late", late, "01:00:01Z", "01:00:00Z", newest=0),
        canary("twice", same, "01:00:00Z", "01:00:01Z", "01:00:00Z", newest=1),
        # As text, ".5Z" is before "Z" and ".51Z" before ".5Z".
        canary("precise-1", precise, "01:00:00.5Z", "01:00:00Z", newest=0),
        canary("precise-2", precise, "01:00:00.5Z", "01:00:00.51+00:00", newest=1),
    ]
    return unguarded + guarded if attribute else unguarded


def smoke(flow: Deployed, say: Callable[[str], object]) -> list[str]:
    """Send canaries, and return the promises that are broken, each in a sentence.

    say: told what is going on.

    Raises:
        ClientError: AWS refuses something, before anything is sent if it can be known.
        ToolError: a message was not sent.

    """
    return _Smoke(flow, say).run()


class _Smoke:
    def __init__(self, flow: Deployed, say: Callable[[str], object]) -> None:
        self._flow, self._say = flow, say
        self._run = f"smoke-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"
        self._since = time.time() - SKEW_SECONDS
        self._canaries = canaries(self._run, flow.version_attribute)
        self._sent: dict[str, str] = {}
        """Bodies by message id."""
        self._under_way: set[str] = set()
        """Ids of messages that may yet become an item or a dead letter."""
        self._dead: dict[str, str] = {}
        self._broken: list[str] = []

    def run(self) -> list[str]:
        """Check what will be needed, while nothing is there yet; then send, look, clean up."""
        settings = self._flow.settings()
        self._clean()
        self._flow.item(self._run)
        self._flow.reasons(self._since)
        try:
            self._check(settings)
        finally:
            self._say("deleting what is left of the canaries")
            self._clean()
            if self._under_way:
                self._say(
                    f"{len(self._under_way)} messages are still under way: delete what becomes of "
                    f"them; their ids and bodies hold {self._run}"
                )
        return self._broken

    def _check(self, settings: Settings) -> None:
        patience = 2 * settings.visibility_seconds + GRACE_SECONDS
        given_up = ((settings.deliveries or 0) + 1) * settings.visibility_seconds + GRACE_SECONDS

        self._say(
            f"sending {len(self._canaries)} canaries; they have {patience:.0f} s to be stored"
        )
        self._send(canary.first for canary in self._canaries)
        if missing := self._wait({each.event_id: each.first for each in self._canaries}, patience):
            self._report_missing(missing, patience)
            if self._flow.reasons(self._since).keys() & {"", *self._under_way}:
                self._say(f"waiting up to {given_up:.0f} s for those that failed to be given up")
                self._wait_for_dead_letters(list(self._under_way), given_up)
            return
        self._under_way.clear()

        broken = f'{{"smoke":"{self._run}"}}'
        broken_id = self._send([broken])[0] if settings.deliveries else ""
        # Sent behind it, they have been delivered when it has been given up.
        self._send(body for canary in self._canaries for body in canary.later)
        self._wait({canary.event_id: canary.newest for canary in self._canaries}, patience)
        if settings.deliveries:
            self._say(f"waiting up to {given_up:.0f} s for the broken one to be a dead letter")
            self._wait_for_dead_letters([broken_id], given_up)
        else:
            wait_for(lambda: not self._flow.waiting(), settings.visibility_seconds)
        if broken_id in self._dead or not settings.deliveries:
            self._under_way.clear()
        for canary in self._canaries:
            item = self._flow.item(canary.event_id)
            if not is_same(item, decode(canary.newest)):
                self._break(canary.promise, f"{_text(item)} is stored, and not {canary.newest}")
        promise = "a broken message becomes a dead letter, with its reason in the log"
        if not settings.deliveries:
            queue = self._flow.outputs["deadLetterQueueUrl"]
            self._break(promise, f"the queue has no redrive policy to {queue}; none was sent")
        elif self._dead.get(broken_id) != broken:
            self._break(promise, f"{broken_id} is not there after {given_up:.0f} s")
        elif broken_id not in self._flow.reasons(self._since):
            self._break(promise, f"the log does not name {broken_id}")

    def _send(self, bodies: Iterable[str]) -> list[str]:
        sending = list(bodies)
        ids = self._flow.send(sending)
        self._sent |= zip(ids, sending, strict=True)
        self._under_way |= set(ids)
        return ids

    def _wait(self, wanted: dict[str, str], seconds: float) -> dict[str, str]:
        """Wait for items, bodies by id; return those that are not there."""
        missing = dict(wanted)

        def look() -> bool:
            for event_id, body in list(missing.items()):
                if is_same(self._flow.item(event_id), decode(body)):
                    del missing[event_id]
            return not missing

        wait_for(look, seconds, LOOK_SECONDS)
        return missing

    def _report_missing(self, missing: dict[str, str], seconds: float) -> None:
        items = {event_id: self._flow.item(event_id) for event_id in missing}
        for canary in self._canaries:
            if item := items.get(canary.event_id):
                self._break(canary.promise, f"{_text(item)} is stored, and not {canary.first}")
        if absent := [event_id for event_id, item in items.items() if item is None]:
            reasons = self._flow.reasons(self._since)
            why = next(
                (reasons[each] for each in self._under_way if each in reasons), reasons.get("")
            )
            nothing = (
                f"the log says nothing of them, and {self._flow.waiting()} messages are in the "
                "queue: is the event source mapping enabled?"
            )
            promise = "an event is stored"
            self._break(
                promise,
                f"{len(absent)} of {len(self._canaries)} are not after {seconds:.0f} s; "
                + (f"the log says: {why}" if why else nothing),
            )

    def _break(self, promise: str, found: str) -> None:
        self._broken.append(f"{promise[0].upper()}{promise[1:]}: {found}")

    def _wait_for_dead_letters(self, ids: list[str], seconds: float) -> None:
        def look() -> bool:
            self._take_dead_letters()
            return self._dead.keys() >= set(ids)

        wait_for(look, seconds, every=max(1.0, seconds / 60))

    def _take_dead_letters(self) -> None:
        """Remove those of this run from the dead-letter queue."""
        for letter in self._flow.dead_letters():
            if letter.message_id in self._sent:
                self._flow.delete_dead_letter(letter)
                self._dead[letter.message_id] = letter.body
                self._under_way.discard(letter.message_id)

    def _clean(self) -> None:
        for canary in self._canaries:
            self._flow.delete_item(canary.event_id)
        self._take_dead_letters()


def _text(item: object) -> str:
    return to_json(item) if item else "nothing"
