"""What the demo sends, and what must remain of it."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tools.event import decode
from tools.up import EXAMPLE

Item = Mapping[str, Any]
"""An event as the table hands it back: numbers as Decimal."""


class Group(NamedTuple):
    """The messages of one id, or of several that go the same way, and what must remain of them."""

    name: str
    shows: str
    first: Sequence[str]
    """Bodies, in the order in which they are sent."""
    late: Sequence[str]
    """Bodies that are sent when all the first ones are stored."""
    remains: Sequence[str]
    """The bodies of those that must be in the table in the end, and nothing else of these ids."""

    @property
    def items(self) -> dict[str, Item]:
        """What must remain, by id."""
        return {item["event_id"]: item for item in map(decode, self.remains)}


def _event(event_id: str, version: object = None, **members: Any) -> str:
    """Write an event; a version in text is a time of one day."""
    if isinstance(version, str):
        version = f"2025-03-30T{version}"
    stamp = {} if version is None else {"timestamp": version}
    return json.dumps({"event_id": event_id, **members, **stamp}, ensure_ascii=False)


def groups() -> list[Group]:
    """List the good events; the table must end at these items."""
    started, closed = (
        _event("evt-1001", time, status=status)
        for time, status in (("00:59:59.999Z", "new"), ("01:09:00Z", "closed"))
    )
    updates = [
        EXAMPLE,
        _event("evt-1001", "01:05:00Z", status="suspended"),
        closed,
        _event("evt-1001", "01:07:00Z", status="active"),
    ]
    fractions = (".51", ".5", ".511", "", ".509999999")
    order = [_event("order-7", f"01:00:00{text}Z", note=text) for text in fractions]
    reading = {"温度": 21.5, "tags": ["naïve", "Ω", None, {}]}
    sensor = [
        _event("sensor-東京-\N{SATELLITE ANTENNA}", f"02:00:0{second}+00:00", reading=reading)
        for second in (2, 1)
    ]
    ledger = (
        '{"event_id":"ledger-1","balance":12345678901234567890123456789012345678,"rate":0.1,'
        '"tiny":-1.5E-130,"avogadro":6.02214076E+23,"timestamp":"2025-03-30T01:00:00Z"}'
    )
    counts = [_event("counter-9", number, count=number) for number in (9, 10, 2, 3, 11)]
    unversioned, profile = _event("profile-1", name="Ada"), _event("profile-1", "04:00:00Z", n=1)
    carts = [
        [_event(f"cart-{cart}", f"03:00:{second:02}Z", items=second) for second in range(20)]
        for cart in range(10)
    ]
    burst = [body for cart in carts for body in cart]
    random.Random(1).shuffle(burst)  # noqa: S311 (a shuffle that is the same each time)
    out_of_order = "updates out of order; later the first and the newest again, one older than all"
    precise = _event("order-7", "01:00:00.5100Z", note="late")
    return [
        Group("evt-1001", out_of_order, updates, [EXAMPLE, closed, started], [closed]),
        Group("order-7", "fractions of a second in any precision", order, [precise], [order[2]]),
        Group("sensor-東京-\N{SATELLITE ANTENNA}", "nested, unicode", sensor, [], [sensor[0]]),
        Group("ledger-1", "big and precise numbers", [ledger], [], [ledger]),
        Group("counter-9", "numbers as versions", counts[:3], counts[3:], [counts[4]]),
        Group("profile-1", "first without a version", [unversioned], [profile], [profile]),
        # What debouncing is for.
        Group("cart-0 … cart-9", "shuffled bursts of 20", burst, [], [cart[-1] for cart in carts]),
    ]


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
