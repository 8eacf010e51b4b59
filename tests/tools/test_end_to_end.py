"""The deployed program, from the queue to the table."""

import json
import random
import string
import time
from collections import Counter
from decimal import Decimal
from typing import Any

from tests.conftest import Deployment
from tools.up import EXAMPLE


def _item(deployment: Deployment, event_id: str) -> dict[str, Any] | None:
    answer = deployment.aws.client("dynamodb").get_item(
        TableName=deployment.outputs["tableName"],
        Key={"event_id": {"S": event_id}},
        ConsistentRead=True,
    )
    item: dict[str, Any] | None = answer.get("Item")
    return item


def test_the_example_is_stored_within_two_seconds(deployment: Deployment) -> None:
    deployment.aws.client("sqs").send_message(
        QueueUrl=deployment.outputs["queueUrl"], MessageBody=EXAMPLE
    )
    deadline = time.monotonic() + 2
    while not (item := _item(deployment, "evt-1001")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert item == {
        "event_id": {"S": "evt-1001"},
        "user_id": {"N": "42"},
        "status": {"S": "active"},
        "timestamp": {"S": "2025-03-30T01:00:00Z"},
    }


def _random_value(random_: random.Random, depth: int) -> Any:
    """Return a JSON value; numbers as Decimal of up to 38 digits."""
    kind = random_.randrange(8 if depth else 6)
    if kind == 0:
        return Decimal(random_.randrange(-(10**38) + 1, 10**38)).scaleb(random_.randrange(-60, 60))
    if kind == 1:
        return Decimal(random_.randrange(-1000, 1000))
    if kind == 2:
        return "".join(random_.choices(string.printable + "äß東京\N{ROCKET}\x00", k=9))
    if kind < 6:
        return (None, True, "")[kind - 3]
    if kind == 6:
        return [_random_value(random_, depth - 1) for _ in range(random_.randrange(4))]
    return _random_object(random_, depth - 1)


def _random_object(random_: random.Random, depth: int) -> dict[str, Any]:
    names = random_.sample(["size", "data", "ключ", "a.b", "#x", ":y", "timestamp_", " "], k=4)
    return {name: _random_value(random_, depth) for name in names}


def _as_json(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_as_json, value)) + "]"
    return json.dumps(value)


def test_a_thousand_varied_events_come_back_equal_beside_broken_messages(
    deployment: Deployment,
) -> None:
    random_ = random.Random(42)
    events = {
        f"varied-{n}": {"event_id": f"varied-{n}", **_random_object(random_, 5)}
        for n in range(1000)
    }
    broken = [
        "no json",
        '{"status":"active"}',
        '{"event_id":""}',
        '{"event_id":7}',
        '{"event_id":null}',
        json.dumps({"event_id": "é" * 1024 + "x"}),
        '{"event_id":"varied-broken","value":NaN}',
        '{"event_id":"varied-broken","value":1' + "0" * 37 + "1}",
        json.dumps({"event_id": "varied-broken", "blob": "x" * 450_000}),
    ]
    bodies = [_as_json(event) for event in events.values()]
    for place, body in enumerate(broken):
        bodies.insert(place * 100 + 50, body)  # among good ones, in the same batches

    flow = deployment.deployed
    sent = dict(zip(flow.send(bodies), bodies, strict=True))
    deployment.drain()

    dead = [each.body for each in flow.dead_letters() if sent.get(each.message_id) == each.body]
    assert Counter(dead) == Counter(broken)
    stored = {
        item["event_id"]: item
        for item in flow.items()
        if item["event_id"].startswith(("varied", "é"))
    }
    assert stored == events
