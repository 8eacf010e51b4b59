"""Events that show what is promised, and what must remain of them: for the demo and for smoke."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tools.event import decode

EXAMPLE: Final = (
    '{"event_id":"evt-1001","user_id":42,"status":"active","timestamp":"2025-03-30T01:00:00Z"}'
)
Event = Mapping[str, Any]  # as the table hands it back: numbers as Decimal


class Group(NamedTuple):
    """The events of one id, or of several that go the same way."""

    name: str
    shows: str
    first: Sequence[Event]  # in the order in which they are sent
    late: Sequence[Event]  # those that are sent when all the first ones are stored
    remains: Sequence[Event]  # what must be in the table in the end, and nothing else of these ids


def groups(key: str = "event_id", attribute: str = "timestamp", prefix: str = "") -> list[Group]:
    """List the events of one id each, that any stack stores; without an attribute, fewer."""

    def event(name: str, version: object, **members: Any) -> Event:
        """Write an event; a version in text is a time of one day."""
        version = f"2025-03-30T{version}" if isinstance(version, str) else version
        stamp = {attribute: version} if attribute else {}
        own = {key: f"{prefix}{name}", **stamp}  # whatever else may have these names
        return dict(decode(json.dumps({key: "", **members, **own})))

    times = ("00:59:59.999Z", "01:00:00Z", "01:05:00Z", "01:07:00Z", "01:09:00Z")
    states = zip(times, ("new", "active", "suspended", "active", "closed"), strict=True)
    old, example, suspended, active, closed = (
        event("evt-1001", time, user_id=42, status=status) for time, status in states
    )
    fractions = (".51", ".5", ".511", "", ".509999999", ".5100")
    *order, precise = (event("order-7", f"01:00:00{text}Z", note=text) for text in fractions)
    counts = {number: event("counter-9", number, count=number) for number in (2, 3, 9, 10, 11)}
    sensor = "sensor-東京-\N{SATELLITE ANTENNA}"
    reading = event(sensor, "02:00:02+00:00", reading={"温度": 21.5, "tags": ["Ω", None, {}]})
    numbers = '{"balance":12345678901234567890123456789012345678,"rate":0.1,"tiny":-1.5E-130}'
    ledger = {**decode(numbers), **event("ledger-1", "01:00:00Z")}
    once = [
        Group(sensor, "text in any script, nested", [reading], [], [reading]),
        Group("ledger-1", "big and precise numbers, twice", [ledger], [ledger], [ledger]),
    ]
    if not attribute:
        return once
    updates, late = [example, suspended, closed, active], [example, closed, old]
    shows = "updates out of order; later the first and the newest again, one older than all"
    count, more = [counts[9], counts[10], counts[2]], [counts[3], counts[11]]
    return [
        Group("evt-1001", shows, updates, late, [closed]),
        Group("order-7", "fractions of a second in any precision", order, [precise], [order[2]]),
        Group("counter-9", "numbers as versions", count, more, [counts[11]]),
        *once,
    ]


def bursts() -> Group:
    """Return shuffled bursts of events of ten ids: what debouncing is for."""

    def event(cart: int, n: int) -> Event:
        time = f"2025-03-30T03:00:{n:02}Z"
        return dict(decode(f'{{"event_id":"cart-{cart}","items":{n},"timestamp":"{time}"}}'))

    burst = [event(cart, n) for cart in range(10) for n in range(20)]
    remains = burst[19::20]
    random.Random(1).shuffle(burst)  # noqa: S311 (a shuffle that is the same each time)
    return Group("cart-0 … cart-9", "bursts of 20", burst, [], remains)


BROKEN: Final[Mapping[str, str]] = {
    "not JSON": "event_id=evt-1001",
    "no object": '["evt-1001"]',
    "no event_id": '{"status":"active"}',
    "empty event_id": '{"event_id":""}',
    "event_id is a number": '{"event_id":1001}',
    "event_id of 2049 bytes": json.dumps({"event_id": "x" * 2049}),
    "NaN": '{"event_id":"broken","value":NaN}',
    "39 digits": '{"event_id":"broken","value":123456789012345678901234567890123456789}',
    "a member twice": '{"event_id":"broken","status":"a","status":"b"}',
    "version in local time": '{"event_id":"broken","timestamp":"2025-03-30 01:00"}',
    "item over 400 KB": json.dumps({"event_id": "broken", "blob": "x" * 450_000}),
}
"""Bodies that hold no event which DynamoDB could store, by what is wrong with them."""
