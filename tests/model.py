"""What must remain in the table, told apart from the function's code and simpler than it.

Events are what JSON decodes to, numbers as Decimal: tools.event decodes bodies and items.
"""

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

Event = Mapping[str, Any]
Policy = Literal["newest", "first", "last"]


def expected(
    events: Iterable[Event],
    policy: Policy,
    attribute: str = "timestamp",
    key: str = "event_id",
) -> dict[str, Event]:
    """Return the item of each id once all events were stored, one after the other.

    attribute: the member that holds the version, for `newest`; of equal versions the last arrival.
    """
    items: dict[str, Event] = {}
    for event in events:
        held = items.setdefault(event[key], event)
        if policy == "last" or (
            policy == "newest" and rank(event, attribute) >= rank(held, attribute)
        ):
            items[event[key]] = event
    return items


def rank(event: Event, attribute: str = "timestamp") -> tuple[int, Fraction]:
    """Return a key that is larger the newer an event is: no version, numbers, instants."""
    version = event.get(attribute)
    if version is None:
        return 0, Fraction(0)
    if isinstance(version, Decimal):
        return 1, Fraction(version)
    return 2, _instant(version)


def _instant(timestamp: str) -> Fraction:
    """Return the seconds since the first day of year 1, each day 86,401 of them long.

    So a leap second has a place of its own, at its day's end.
    """
    day, clock = timestamp.replace("+00:00", "Z").removesuffix("Z").split("T")
    hours, minutes, seconds = clock.split(":")
    in_day = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    return 86_401 * datetime.date.fromisoformat(day).toordinal() + in_day
