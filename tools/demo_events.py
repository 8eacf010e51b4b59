"""What the demo sends, and what must remain of it."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tools.event import KEY, decode
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
    key: str = KEY

    @property
    def items(self) -> dict[str, Item]:
        """What must remain, by id."""
        return {item[self.key]: item for item in map(decode, self.remains)}

    def with_key(self, key: str) -> "Group":
        """Return the same events, their ids in the member `key`."""
        first, late, remains = (
            [_with_key(body, key) for body in bodies]
            for bodies in (self.first, self.late, self.remains)
        )
        return self._replace(first=first, late=late, remains=remains, key=key)


def _with_key(text: str, key: str) -> str:
    return text.replace(KEY, json.dumps(key)[1:-1])


def _event(event_id: str, version: object = None, **members: Any) -> str:
    """Write an event; a version in text is a time of one day."""
    if isinstance(version, str):
        version = f"2025-03-30T{version}"
    stamp = {} if version is None else {"timestamp": version}
    return json.dumps({"event_id": event_id, **members, **stamp}, ensure_ascii=False)


def groups() -> list[Group]:
    """List the good events; the table must end at these items."""
    closed = _event("evt-1001", "01:09:00Z", status="closed")
    order = {text: _event("order-7", f"01:00:00{text}Z", note=text) for text in
             (".51", ".5", "", ".509999999", ".511")}  # fmt: skip
    sensor = [
        _event(
            "sensor-東京-\N{SATELLITE ANTENNA}",
            f"02:00:0{second}+00:00",
            reading={"温度": 21.5, "tags": ["naïve", "\N{GREEK SMALL LETTER OMEGA}", None, {}]},
            enabled=True,
        )
        for second in (2, 1)
    ]
    ledger = (
        '{"event_id":"ledger-1","balance":12345678901234567890123456789012345678,"rate":0.1,'
        '"tiny":-1.5E-130,"avogadro":6.02214076E+23,"timestamp":"2025-03-30T01:00:00Z"}'
    )
    counter = {number: _event("counter-9", number, count=number) for number in (9, 10, 2, 3, 11)}
    profile = _event("profile-1", "04:00:00Z", name="Ada L.")
    carts = [
        [_event(f"cart-{cart}", f"03:00:{second:02}Z", items=second) for second in range(20)]
        for cart in range(10)
    ]
    burst = [body for cart in carts for body in cart]
    random.Random(1).shuffle(burst)  # noqa: S311 (a shuffle that is the same each time)
    return [
        Group(
            name="evt-1001",
            shows="updates out of order; later the first and the newest again, one older than all",
            first=[
                EXAMPLE,
                _event("evt-1001", "01:05:00Z", status="suspended"),
                closed,
                _event("evt-1001", "01:07:00Z", status="active"),
            ],
            late=[EXAMPLE, closed, _event("evt-1001", "00:59:59.999Z", status="new")],
            remains=[closed],
        ),
        Group(
            name="order-7",
            shows="fractions of a second in any precision",
            first=list(order.values()),
            late=[_event("order-7", "01:00:00.5100Z", note="late")],
            remains=[order[".511"]],
        ),
        Group(
            name="sensor-東京-\N{SATELLITE ANTENNA}",
            shows="nested objects, unicode",
            first=sensor,
            late=[],
            remains=[sensor[0]],
        ),
        Group(
            name="ledger-1",
            shows="big and precise numbers",
            first=[ledger],
            late=[],
            remains=[ledger],
        ),
        Group(
            name="counter-9",
            shows="numbers as versions",
            first=[counter[number] for number in (9, 10, 2)],
            late=[counter[number] for number in (3, 11)],
            remains=[counter[11]],
        ),
        Group(
            name="profile-1",
            shows="no version, then one with a version",
            first=[_event("profile-1", name="Ada")],
            late=[profile],
            remains=[profile],
        ),
        Group(
            name="cart-0 … cart-9",
            shows="a shuffled burst of 20 states each",  # what debouncing is for
            first=burst,
            late=[],
            remains=[cart[-1] for cart in carts],
        ),
    ]


def broken(key: str) -> dict[str, str]:
    """Return bodies that hold no event which DynamoDB could store, by what is wrong with them."""
    return {_with_key(what, key): _with_key(body, key) for what, body in _BROKEN.items()}


_BROKEN: Final[Mapping[str, str]] = {
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
