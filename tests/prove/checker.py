"""Accounts for every message sent, from nothing but what was sent and what is there in the end.

It knows nothing of the function: tests/model.py says what an event is, and which one is newer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from tests.model import Event, Policy, rank
from tools.event import decode, is_same

from .load import Message


class Fate(StrEnum):
    """What becomes of a message, each of exactly one of the first six; and what is wrong."""

    STORED = "stored"
    SUPERSEDED = "superseded by a newer one"
    UNSTORABLE = "dead letters that no table could hold"
    CONFLICT = "dead letters that conflict with what stands"
    GIVEN_UP = "dead letters after failing each time"
    LOST = "lost"  # it is nowhere
    WRONG = "wrong"  # an item that was not sent, or is not the newest event; an altered letter
    UNEXPLAINED = "unexplained"  # an item or a letter that nobody sent; what is left in the queue
    VIOLATION = "answers against AWS's contract"


PROBLEMS: Final = (Fate.LOST, Fate.WRONG, Fate.UNEXPLAINED, Fate.VIOLATION)
Finding = tuple[Fate, str]
"""What became of a body, an item or a dead letter, and which it was."""


def account(
    sent: Mapping[str, Message],
    items: Iterable[Event],
    dead_letters: Sequence[tuple[str, str]],
    left_in_queue: int = 0,
    policy: Policy = "newest",
) -> Iterator[Finding]:
    """Account for the messages sent, by message id.

    dead_letters: message id in the queue and body of each; one may be there more than once.
    """
    if left_in_queue:
        yield Fate.UNEXPLAINED, f"{left_in_queue} messages left in the queue"
    for message_id, body in dead_letters:
        if message_id not in sent:
            yield Fate.UNEXPLAINED, f"dead letter {message_id}: {body}"
        elif body != sent[message_id].body:
            yield Fate.WRONG, f"dead letter {message_id}: {body}"

    dead = {message_id for message_id, _ in dead_letters}
    events: dict[str, list[tuple[Event, bool]]] = defaultdict(list)
    for message_id, message in sent.items():
        if message.storable:
            event = decode(message.body)
            events[event["event_id"]].append((event, message_id in dead))
        else:
            yield Fate.UNSTORABLE if message_id in dead else Fate.LOST, message.body
    stored = {item["event_id"]: item for item in items}
    for event_id in stored.keys() - events.keys():
        yield Fate.UNEXPLAINED, f"item {stored[event_id]}"
    for event_id, of_id in events.items():
        yield from _account_for_id(of_id, stored.get(event_id), policy)


def _account_for_id(
    events: list[tuple[Event, bool]], item: Event | None, policy: Policy
) -> Iterator[Finding]:
    """Account for the events of one id; each comes with whether it is a dead letter.

    A dead letter may have been stored as well: written, and the confirmation never heard.
    """
    is_right = is_an_event = any(is_same(item, event) for event, _ in events)
    for event, is_dead in events:
        if is_same(item, event):
            fate = Fate.STORED
        elif is_dead:
            fate = Fate.CONFLICT if policy == "first" and is_an_event else Fate.GIVEN_UP
        elif policy == "newest" and item is not None and is_an_event and rank(event) < rank(item):
            fate = Fate.SUPERSEDED
        else:
            fate, is_right = Fate.LOST, False
        yield fate, str(event)
    if item is not None and not is_right:
        yield Fate.WRONG, f"item {item}"
