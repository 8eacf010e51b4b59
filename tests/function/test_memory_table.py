"""The guard on a real evaluator of conditions, and the stand-in of the other tests beside it."""

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from function.event import Event, parse
from function.exchange import Exchange
from function.guard import Guard
from function.number import Number
from function.outcome import Outcome, Result
from function.store import Store
from function.version import Version, parse_version
from tests.function.batches import record
from tests.function.memory_table import MemoryTable
from tests.function.model import age, identical, stored
from tools.emulator import Emulator

SECOND = "2025-03-30T01:00:00"
VERSIONS: list[dict[str, Any]] = [
    {},
    *({"N": text} for text in ("-1", "0", "-0", "1", "1E0")),
    *({"N": text} for text in ("9007199254740992", "9007199254740993")),
    *({"S": f"{SECOND}{rest}"} for rest in (
        "Z", "+00:00", ".0Z", ".000+00:00", ".5Z", ".50Z", ".5+00:00", ".05Z", ".51Z", ".509Z",
        ".519Z", ".519+00:00", ".499999999Z", ".500000001Z", ".519000001+00:00",
    )),
    *({"S": text} for text in (
        "2025-03-30T00:59:59.999999999Z", "2025-03-30T01:00:01Z", "2016-12-31T23:59:59.9Z",
        "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00Z",
    )),
]  # fmt: skip
FOREIGN: list[dict[str, Any]] = [
    {"NULL": True},
    {"BOOL": True},
    {"L": []},
    {"M": {"N": {"N": "9"}}},
    {"B": b"2025"},
]


def version(attribute: dict[str, Any]) -> Version:
    if not attribute:
        return None
    return Number(attribute["N"]) if "N" in attribute else parse_version(attribute["S"])


def item(key: str, attribute: dict[str, Any], state: str) -> dict[str, dict[str, Any]]:
    versioned = {"version": attribute} if attribute else {}
    return {"event_id": {"S": key}, "state": {"S": state}} | versioned


def expected(before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    """Return the outcome that the guard promises, by the model's instants."""
    if before in FOREIGN:
        return Outcome.WRITTEN if after else Outcome.SUPERSEDED
    old, new = (age(stored({"v": one})["v"] if one else None) for one in (before, after))
    replaces = new > old or (new == old and ("S" not in after or after == before))
    return Outcome.WRITTEN if replaces else Outcome.SUPERSEDED


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    """Start an embedded AWS with an empty table `events`."""
    with Emulator() as aws:
        aws.client("dynamodb").create_table(
            TableName="events",
            KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield aws


@pytest.fixture(scope="module")
def client(aws: Emulator) -> Any:
    return aws.client("dynamodb")


@pytest.fixture(scope="module")
def store(aws: Emulator) -> Store:
    """Give the function's own store, led to the embedded AWS."""
    environment = {"AWS_ENDPOINT_URL": aws.endpoint_url, "AWS_REGION": aws.region}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return Store(Exchange(environment | credentials), "events")


def put(store: Store, event: Event, guard: Guard) -> Result:
    return store.put(event.item, guard.condition(event.version), time.monotonic() + 10)


def test_every_pair_of_versions_ends_as_the_guard_promises(client: Any, store: Store) -> None:
    pairs = list(itertools.product(VERSIONS + FOREIGN, VERSIONS))
    memory = MemoryTable()
    memory.items = {str(i): item(str(i), old, "stored") for i, (old, _) in enumerate(pairs)}
    for some in batched(memory.items.values(), 25):
        client.batch_write_item(
            RequestItems={"events": [{"PutRequest": {"Item": i}} for i in some]}
        )

    guard, promised, real, fake = Guard("version"), [], [], []
    for i, (old, new) in enumerate(pairs):
        event = Event(0, str(i), version(new), item(str(i), new, "new"))
        promised.append((old, new, expected(old, new)))
        real.append((old, new, put(store, event, guard).outcome))
        fake.append((old, new, put(memory.store(), event, guard).outcome))
    assert real == promised
    assert fake == promised

    written = {str(i) for i, (*_, outcome) in enumerate(promised) if outcome is Outcome.WRITTEN}
    table = [
        found
        for page in client.get_paginator("scan").paginate(TableName="events")
        for found in page["Items"]
    ]
    assert {found["event_id"]["S"] for found in table if found["state"]["S"] == "new"} == written
    assert {key for key, found in memory.items.items() if found["state"]["S"] == "new"} == written


def test_without_a_guard_whatever_comes_is_written(client: Any, store: Store) -> None:
    newer, older = (
        Event(0, "plain", None, item("plain", {"N": number}, number)) for number in ("2", "1")
    )
    memory = MemoryTable()
    for each in (store, memory.store()):
        assert put(each, newer, Guard()).outcome is Outcome.WRITTEN
        assert put(each, older, Guard()).outcome is Outcome.WRITTEN
    found = client.get_item(TableName="events", Key={"event_id": {"S": "plain"}})["Item"]
    assert found == memory.items["plain"] == older.item


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f'"{"x" * 450_000}"', "Item size"),
        ("[" * 32 + "1" + "]" * 32, "Nesting Levels"),
    ],
    ids=["too large", "too deep"],
)
def test_what_dynamodb_refuses_is_rejected(
    client: Any, store: Store, value: str, reason: str
) -> None:
    event = parse(record(f'{{"event_id": "refused", "x": {value}}}'), 0, Guard())
    assert isinstance(event, Event)
    result = put(store, event, Guard())
    assert result.outcome is Outcome.REJECTED
    assert result.reason.startswith("ValidationException: ")
    assert reason in result.reason
    assert "Item" not in client.get_item(TableName="events", Key={"event_id": {"S": "refused"}})


def test_an_item_comes_back_from_the_table_as_it_was_sent(client: Any, store: Store) -> None:
    body = (
        '{"event_id": "exact", "big": 12345678901234567890123456789012345678, "tenth": 0.1,'
        ' "tiny": -1.5e-120, "zero": -0.0e99, "text": "ä🎉\\u0000", "empty": "",'
        ' "inner": {"": [null, true, [], {}]}}'
    )
    event = parse(record(body), 0, Guard())
    assert isinstance(event, Event)
    assert put(store, event, Guard()).outcome is Outcome.WRITTEN
    found = client.get_item(TableName="events", Key={"event_id": {"S": "exact"}})["Item"]
    assert identical(stored(found), json.loads(body, parse_int=Decimal, parse_float=Decimal))


def batched(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    remaining = iter(values)
    while chunk := list(itertools.islice(remaining, size)):
        yield chunk
