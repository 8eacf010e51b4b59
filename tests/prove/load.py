"""What producers send: events of many ids, repeated, in disorder, and some that nobody can store.

The same seed gives the same messages in the same order.
"""

import string
from collections.abc import Iterator
from decimal import Decimal
from itertools import count, islice
from random import Random
from typing import Any, Final, NamedTuple

from tests.model import rank
from tools.event import to_json

# Of a hundred messages: how many say again what was said, and how many hold no event at all.
REPEATED, BROKEN = 20, 2
# Of a hundred events: how many belong to one of a few hot ids.
HOT: Final = 12
# These ids' newest event is one, but larger than the 400 KB that DynamoDB holds.
OVERSIZED: Final = range(4, 64, 4)


class Message(NamedTuple):
    """A body, and whether a table could hold it."""

    body: str
    storable: bool = True
    disorder: float = 40  # how many places it is late or early, by standard deviation


def messages(number: int, seed: int, *, versioned: bool = True) -> list[Message]:
    """Make so many messages in the order they are sent.

    versioned: whether an event whose version is none cannot be stored.
    """
    random = Random(f"messages {seed}")
    hot = [_states(f"hot-{each}", random) for each in range(8)]
    cold = _cold(random)
    sent: list[Message] = []
    while len(sent) < number:
        dice = random.randrange(100)
        if dice < REPEATED and sent:
            # Mostly something recent, now and then something from long ago.
            sent.append(random.choice(sent[-random.choice((10, 100, len(sent))) :]))
        elif dice < REPEATED + BROKEN:
            # Each one differs from all others.
            body = random.choice(_BROKEN).replace("broken", f"broken-{len(sent)}")
            sent.append(Message(body, storable=not versioned and _NO_VERSION in body))
        else:
            states = random.choice(hot) if random.randrange(100) < HOT else cold
            sent.append(next(states))
    placed = sorted(enumerate(sent), key=lambda each: random.gauss(each[0], each[1].disorder))
    return [message for _, message in placed]


def _cold(random: Random) -> Iterator[Message]:
    """Yield a few states of an id, then of the next one, and so on."""
    for number in count(1):
        if number in OVERSIZED:
            # The one that is too large stays behind an older one of its id, so that the two share
            # a batch: the older one has to be stored in spite of it.
            event = {"event_id": f"oversized-{number}", "timestamp": 1}
            yield Message(to_json(event), disorder=0)
            large = {**event, "timestamp": 2, "padding": "x" * 420_000}
            yield Message(to_json(large), storable=False, disorder=0)
        else:
            states = random.randint(1, 6)
            yield from islice(_states(f"évent-{number}", random), states)


def _states(event_id: str, random: Random) -> Iterator[Message]:
    """Yield the states of one id in no order, each with a version of its own."""
    seen: set[object] = set()
    kind = random.choice(("instant", "instant", "instant", "number", "any"))
    for state in count():
        version = _version(kind, random)
        while (place := rank({"timestamp": version})) in seen:  # in any spelling
            version = _version(kind, random)
        seen.add(place)
        event = {"event_id": event_id, "state": state, **_content(random)}
        yield Message(to_json(event | ({} if version is None else {"timestamp": version})))


def _version(kind: str, random: Random) -> str | Decimal | None:
    if kind == "any":
        kind = random.choice(("instant", "number", "none"))
    if kind == "none":
        return None
    if kind == "number":
        return Decimal(random.choice((str(random.randrange(10**6)), f"{random.random():.9f}")))
    fraction = "".join(random.choices(string.digits, k=random.randrange(10)))
    zone = random.choice(("Z", "+00:00"))
    moment = f"2025-03-30T0{random.randrange(10)}:{random.randrange(60):02}:"
    return f"{moment}{random.randrange(60):02}{'.' if fraction else ''}{fraction}{zone}"


def _content(random: Random) -> dict[str, Any]:
    digits = "".join(random.choices("123456789", k=random.randint(1, 38)))
    return {
        "amount": Decimal(f"-{digits[:-2] or '0'}.{digits[-2:]}"),
        "large": Decimal(f"{digits}E+{random.randrange(80)}"),
        "note": random.choice(("", "naïve", "東京 \N{ROCKET}", '"\\\n\x00', "plain")),
        "tags": random.sample(["a", "b", None, True, False, []], k=random.randrange(4)),
        "nested": {"": {"#n": {":v": random.randrange(100)}}},
        "padding": "x" * random.randrange(400),
    }


_HEAD, _NO_VERSION = '{"event_id": "broken", ', '"timestamp": "2025-03-30T01:00:00+02:00"'
# Bodies that hold no event.
_BROKEN: Final = (
    "event_id=broken",
    '["broken"]',
    '{"id": "broken"}',
    '{"event_id": 1, "note": "broken"}',
    f'{_HEAD}"event_id": "b"}}',
    f'{_HEAD}"value": NaN}}',
    f'{_HEAD}"value": {"1" * 39}}}',
    f'{_HEAD}"value": 1E+126}}',
    f'{_HEAD}"value": "\\ud800"}}',
    f"{_HEAD}{_NO_VERSION}}}",
    f'{_HEAD}"value": {"[" * 40}{"]" * 40}}}',
    _HEAD,
)
