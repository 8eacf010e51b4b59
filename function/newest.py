"""Debouncing: of several messages for one event_id, the newest alone needs a write."""

from collections.abc import Iterable
from typing import Any

from function.event import Event
from function.guard import Guard
from function.version import Timestamp


def newest_first(events: Iterable[Event], guard: Guard) -> list[list[Event]]:
    """Return the events grouped by event_id, each group from the newest to the oldest.

    The first of a group is the one that would be left in the table had all been written under the
    guard in order of arrival; the second, had the first not been there; and so on. Events
    without a version, and all events when the guard is off, rank by arrival alone.
    """
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.event_id, []).append(event)
    return [_ordered(group, guard) if len(group) > 1 else group for group in groups.values()]


def _ordered(group: list[Event], guard: Guard) -> list[Event]:
    # The guard keeps an instant in the spelling it was first stored in (see function.guard), and
    # lets the later arrival replace the earlier within that spelling.
    first_arrival: dict[Timestamp, int] = {}
    for event in group:
        if isinstance(event.version, Timestamp):
            first_arrival.setdefault(event.version, event.arrival)

    def newness(event: Event) -> tuple[Any, ...]:
        earlier_spelling = (
            -first_arrival[event.version] if isinstance(event.version, Timestamp) else 0
        )
        return (guard.rank(event.version), earlier_spelling, event.arrival)

    return sorted(group, key=newness, reverse=True)
