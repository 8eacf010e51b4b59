"""`python -m tools smoke`: whether a deployed stack does what it promises, beside its traffic.

Canaries, events with ids that nobody else has, take the way of all; what they leave is deleted.
"""

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from tools.console import printable
from tools.deployed import DeadLetter, Deployed, wait_for
from tools.event import is_same, to_json
from tools.groups import Event, Group, groups
from tools.send import GRACE_SECONDS, SKEW_SECONDS

LOOK_SECONDS: Final = 0.25
# A busy queue is never empty: what was sent together with events that are stored has then come too.
SETTLE_SECONDS: Final = 5.0


def smoke(deployed: Deployed, *, broken: bool = False) -> int:
    """Send canaries; print the promises that are not kept, and return 1 if there are any.

    broken: send a broken message, too, which rings the alarms. What AWS refuses is raised before
    anything is sent, if it can be known.
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
        self._groups = groups(deployed.key, deployed.version_attribute, f"{self._run}-")
        # Bodies by message id, of what may yet become an item or a dead letter.
        self._under_way: dict[str, str] = {}

    def run(self, *, broken: bool) -> list[str]:
        """Return a line for each promise that is not kept; what is sent is cleaned up."""
        patience = 2 * self._deployed.visibility_seconds() + GRACE_SECONDS
        # All that will be needed is asked for once, while nothing is there yet.
        self._delete_items()
        self._deployed.item(self._run)
        self._deployed.reasons(self._since)
        try:
            _say(f"sending canaries of {len(self._groups)} ids; they have {patience:.0f} s")
            self._send([event for group in self._groups for event in group.first])
            if not wait_for(lambda: all(map(self._is_there, self._groups)), patience, LOOK_SECONDS):
                missing = [group for group in self._groups if not self._is_there(group)]
                return [*self._differences(missing), *self._why()]
            self._send([event for group in self._groups for event in group.late])
            wait_for(lambda: not self._differences(self._groups), patience, LOOK_SECONDS)
            # What loses leaves no trace: it has come when the queue is empty.
            if wait_for(lambda: not self._deployed.waiting(), SETTLE_SECONDS):
                self._under_way.clear()
            failures = self._differences(self._groups)
            return [*failures, *self._broken()] if broken else failures
        finally:
            _say("deleting what is left of the canaries")
            self._delete_items()
            if self._under_way:
                self._delete_dead_letters()
            if self._under_way:
                what = f"delete what becomes of them; their ids and bodies hold {self._run}"
                _say(f"{len(self._under_way)} messages may still be under way: {what}")

    def _send(self, events: Sequence[Event]) -> None:
        bodies = [*map(to_json, events)]
        self._under_way |= zip(self._deployed.send(bodies), bodies, strict=True)

    def _item(self, group: Group) -> Event | None:
        return self._deployed.item(group.remains[0][self._deployed.key])

    def _is_there(self, group: Group) -> bool:
        """Tell whether one of the first events of a group is stored."""
        item = self._item(group)
        return any(is_same(item, event) for event in group.first)

    def _differences(self, groups: Sequence[Group]) -> list[str]:
        """Return a line for each group of which something else is stored than must remain."""
        found = []
        for group in groups:
            item, (remains,) = self._item(group), group.remains
            if not is_same(item, remains):
                stored = printable(to_json(item)) if item else "nothing"
                found.append(f"{group.shows}: {stored} is stored, and not {to_json(remains)}")
        return found

    def _why(self) -> list[str]:
        """Return what the log says of canaries of which nothing is stored, if there are any."""
        if all(map(self._item, self._groups)):
            return []
        reasons = self._deployed.reasons(self._since)
        told = [printable(reasons[each]) for each in (*self._under_way, "") if each in reasons]
        waiting = f"nothing of it, and {self._deployed.waiting()} messages are in the queue"
        mapping = "is the event source mapping enabled?"
        return [f"The log says: {told[0]}" if told else f"The log says {waiting}: {mapping}"]

    def _broken(self) -> Iterator[str]:
        """Send what is no event; yield a line if it is no dead letter with a reason in the end."""
        promise = "a broken message becomes a dead letter, with its reason"
        if not (deliveries := self._deployed.deliveries()):
            yield f"{promise}: no redrive policy leads to the dead-letter queue; none was sent"
            return
        self._send([{"smoke": self._run}])
        seconds = (deliveries + 1) * self._deployed.visibility_seconds() + GRACE_SECONDS
        _say(f"waiting up to {seconds:.0f} s for the broken one to be a dead letter")
        seen = -1

        def look() -> list[DeadLetter]:
            # A look hides others' dead letters for a while: only if there are other ones.
            nonlocal seen
            before, seen = seen, self._deployed.dead()
            return [] if seen == before else self._delete_dead_letters()

        if not (letters := wait_for(look, seconds, LOOK_SECONDS)):
            yield f"{promise}: it is not there after {seconds:.0f} s"
        elif not (letters[0].reason or self._deployed.reasons(self._since)):
            yield f"{promise}: neither the letter nor the log tells one"

    def _delete_dead_letters(self) -> list[DeadLetter]:
        """Remove this run's own from the dead-letter queue, and return them."""
        own = []
        for letter in self._deployed.dead_letters():
            # By id and by body: what a letter says of itself, anybody may have written.
            if self._under_way.get(letter.message_id) == letter.body:
                self._deployed.delete_dead_letter(letter)
                del self._under_way[letter.message_id]
                own.append(letter)
        return own

    def _delete_items(self) -> None:
        for group in self._groups:
            self._deployed.delete_item(group.remains[0][self._deployed.key])


def _say(text: str) -> None:
    print(text, file=sys.stderr)
