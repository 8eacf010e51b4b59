"""What producers send: events of many ids, repeated, in disorder, and some that nobody can store.

The same seed gives the same messages in the same order.
"""

import json
import string
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

from tests.model import rank

# Of a hundred messages: how many say again what was said, and how many hold no event at all.
REPEATED: Final = 20
BROKEN: Final = 2
# Of a hundred events: how many belong to one of a few hot ids.
HOT: Final = 12
HOT_IDS: Final = 8
STATES_PER_ID: Final = 6
# These ids' newest event is one, but larger than the 400 KB that DynamoDB holds.
OVERSIZED: Final = range(4, 64, 4)
OVERSIZED_BYTES: Final = 420_000
# How many places an event is late or early, by standard deviation.
DISORDER: Final = 40


@dataclass(frozen=True, kw_only=True)
class Message:
    """A body, and whether a table could hold it."""

    body: str
    storable: bool = True


def messages(count: int, seed: int, *, versioned: bool = True) -> list[Message]:
    """Make `count` messages in the order they are sent.

    versioned: whether an event whose version is none cannot be stored.
    """
    random = Random(f"messages {seed}")
    placed: list[tuple[float, Message]] = []
    for place, message in enumerate(_stream(count, random)):
        # An event that is too large stays right behind an older one of its id, so that the two
        # share a batch: the older one has to be stored in spite of it.
        adrift = message.storable and not message.body.startswith(_OVERSIZED_ID)
        placed.append((place + (random.gauss(0, DISORDER) if adrift else 0), message))
    placed.sort(key=lambda each: each[0])
    return [
        Message(body=message.body) if _NO_VERSION in message.body and not versioned else message
        for _, message in placed
    ]


_NO_VERSION = '"timestamp": "2025-03-30T01:00:00+02:00"'
_OVERSIZED_ID = '{"event_id": "oversized-'


def _stream(count: int, random: Random) -> Iterator[Message]:
    hot = [_states(f"hot-{number}", random) for number in range(HOT_IDS)]
    sent: list[Message] = []
    ids = 0
    cold: list[str] = []
    while len(sent) < count:
        dice = random.randrange(100)
        if dice < REPEATED and sent:
            # Mostly something recent, now and then something from long ago.
            back = random.choice((10, 100, len(sent)))
            message = sent[random.randrange(max(0, len(sent) - back), len(sent))]
        elif dice < REPEATED + BROKEN:
            message = Message(body=_broken(random, len(sent)), storable=False)
        elif random.randrange(100) < HOT:
            message = Message(body=next(random.choice(hot)))
        else:
            if not cold:
                ids += 1
                if ids in OVERSIZED and count - len(sent) >= 2:
                    older, newer = _outgrown(f"oversized-{ids}")
                    sent += [older, newer]
                    yield older
                    yield newer
                    continue
                states = _states(f"évent-{ids}", random)
                cold = [next(states) for _ in range(random.randint(1, STATES_PER_ID))]
            message = Message(body=cold.pop())
        if not message.body.startswith(_OVERSIZED_ID):
            sent.append(message)
            yield message


def _states(event_id: str, random: Random) -> Iterator[str]:
    """Yield the states of one id in no order, each with a version of its own."""
    seen: set[object] = set()
    kind = random.choice(("instant", "instant", "instant", "number", "any"))
    for state in range(1_000_000):
        version = _version(kind, random)
        while (place := rank({"timestamp": version})) in seen:  # in any spelling
            version = _version(kind, random)
        seen.add(place)
        event: dict[str, Any] = {"event_id": event_id, "state": state, **_content(random)}
        if version is not None:
            event["timestamp"] = version
        yield _json(event)


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


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_json(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def _outgrown(event_id: str) -> tuple[Message, Message]:
    older = {"event_id": event_id, "timestamp": 1, "note": "the newest that a table can hold"}
    newer = {"event_id": event_id, "timestamp": 2, "padding": "x" * OVERSIZED_BYTES}
    return Message(body=json.dumps(older)), Message(body=json.dumps(newer), storable=False)


def _broken(random: Random, number: int) -> str:
    """Make a body that holds no event; the number makes each one differ from all others."""
    head = f'{{"event_id": "broken-{number}"'
    return random.choice(
        (
            f"event_id=broken-{number}",
            f'["broken-{number}"]',
            f'{{"id": "broken-{number}"}}',
            f'{{"event_id": {number}}}',
            f'{head}, "event_id": "b"}}',
            f'{head}, "value": NaN}}',
            f'{head}, "value": {"1" * 39}}}',
            f'{head}, "value": 1E+126}}',
            f'{head}, "value": "\\ud800"}}',
            f"{head}, {_NO_VERSION}}}",
            f'{head}, "value": {"[" * 40}{"]" * 40}}}',
            f"{head}, ",
        )
    )
