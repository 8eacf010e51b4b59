"""Accounts for every message sent, from nothing but what was sent and what is there in the end.

It knows nothing of the function: tests/model.py says what an event is, and which one is newer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.model import Event, rank
from tools.event import decode, is_same

from .load import Message

Policy = Literal["newest", "first"]


@dataclass(kw_only=True)
class Account:
    """What became of the messages; each is in exactly one of the first six counts."""

    stored: int = 0
    """It is the item of its id."""
    superseded: int = 0
    """A newer event of its id is the item."""
    unstorable: int = 0
    """No table could hold it, and it is a dead letter."""
    conflicts: int = 0
    """Another event of its id was first, under the policy `first`, and it is a dead letter."""
    given_up: int = 0
    """It was delivered as often as is allowed, failed each time, and is a dead letter."""
    lost: list[str] = field(default_factory=list)
    """Bodies of messages that are nowhere."""
    wrong: list[str] = field(default_factory=list)
    """Items that are not the newest event, or none at all that was sent; altered dead letters."""
    unexplained: list[str] = field(default_factory=list)
    """Items and dead letters that nobody sent, and what is left in the queue."""

    @property
    def holds(self) -> bool:
        """Whether every message is accounted for, and nothing else is there."""
        return not (self.lost or self.wrong or self.unexplained)


def account(
    sent: Mapping[str, Message],
    items: Iterable[Event],
    dead_letters: Sequence[tuple[str, str]],
    left_in_queue: int,
    policy: Policy = "newest",
) -> Account:
    """Account for the messages sent, by message id.

    dead_letters: message id in the queue and body of each; one may be there more than once.
    left_in_queue: how many messages the queue still holds.
    """
    result = Account()
    if left_in_queue:
        result.unexplained.append(f"{left_in_queue} messages left in the queue")

    dead: set[str] = set()
    for message_id, body in dead_letters:
        if message_id not in sent:
            result.unexplained.append(f"dead letter {message_id}: {_short(body)}")
        elif body != sent[message_id].body:
            result.wrong.append(f"dead letter {message_id}: {_short(body)}")
        dead.add(message_id)

    stored = {item["event_id"]: item for item in items}
    events: dict[str, list[tuple[Event, bool]]] = {}
    for message_id, message in sent.items():
        if message.storable:
            event = decode(message.body)
            events.setdefault(event["event_id"], []).append((event, message_id in dead))
        elif message_id in dead:
            result.unstorable += 1
        else:
            result.lost.append(_short(message.body))

    result.unexplained += [
        f"item {_short(str(item))}" for event_id, item in stored.items() if event_id not in events
    ]
    for event_id, of_id in events.items():
        _account_for_id(result, of_id, stored.get(event_id), policy)
    return result


def _account_for_id(
    result: Account, events: list[tuple[Event, bool]], item: Event | None, policy: Policy
) -> None:
    """Account for the events of one id; each comes with whether it is a dead letter.

    A dead letter may have been stored as well: written, and the confirmation never heard.
    """
    lost = []
    is_an_event = any(is_same(item, event) for event, _ in events)
    for event, is_dead in events:
        if is_same(item, event):
            result.stored += 1
        elif is_dead and policy == "first" and is_an_event:
            result.conflicts += 1
        elif is_dead:
            result.given_up += 1
        elif policy == "newest" and item is not None and is_an_event and rank(event) < rank(item):
            result.superseded += 1
        else:
            lost.append(_short(str(event)))
    result.lost += lost
    if item is not None and (lost or not is_an_event):
        result.wrong.append(f"item {_short(str(item))}")


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"
