"""The events that every variant gets, and the check that they reached the table."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

TABLE = "event-state-target-table"
State = dict[str, Any]


def state(number: int, revision: int = 0) -> State:
    """Make an order's whole state, 615 bytes of JSON or so; a higher revision (0-59) is newer."""
    return {
        "event_id": f"evt-{number:010d}",
        "timestamp": f"2025-03-30T01:00:{revision:02d}.{number % 1000:03d}Z",
        "type": "order.updated",
        "user_id": 42_000_000 + number,
        "status": ("created", "paid", "shipped", "delivered")[revision % 4],
        "customer": {
            "name": "Zoë Ångström",
            "email": f"customer.{number}@example.com",
            "address": {
                "street": "12 Rue de l'Église",
                "city": "Saint-Étienne",
                "postal_code": "42000",
                "country": "FR",
            },
        },
        "items": [
            {"sku": f"SKU-{number % 977:05d}", "quantity": 1 + number % 3, "price": 19.99},
            {"sku": f"SKU-{number % 983:05d}", "quantity": 2, "price": 7.5},
        ],
        "total": 34.99 + number % 3,
        "currency": "EUR",
        "paid": True,
        "gift": False,
        "coupon": None,
        "tags": ["web", "returning-customer", "express"],
        "note": "Leave it with the neighbour on the second floor, please; the bell is broken.",
    }


def repeated(messages: int, percent: int, first: int) -> list[State]:
    """Make as many states, of which `percent` bring a newer revision of one that came before."""
    distinct = messages * (100 - percent) // 100
    return [state(first + i % distinct, i // distinct) for i in range(messages)]


def sqs_event(states: Sequence[State]) -> dict[str, Any]:
    """Make what Lambda hands to a function for one batch from the queue."""
    return {
        "Records": [
            {
                "messageId": f"5d1c7a3e-0f2b-4b7c-9d3e-{i:012d}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": json.dumps(s, ensure_ascii=False, separators=(",", ":")),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1743296400000",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1743296400010",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:event-state-queue",
                "awsRegion": "eu-west-1",
            }
            for i, s in enumerate(states)
        ]
    }


def written(requests: Sequence[dict[str, Any]]) -> list[State]:
    """Return the states that the requests put into the table, in order."""
    deserialize = TypeDeserializer().deserialize
    return [
        {name: deserialize(value) for name, value in request["Item"].items()}
        for request in requests
        if request["operation"] == "PutItem" and request["TableName"] == TABLE
    ]


def difference(sent: Sequence[State], puts: Sequence[State]) -> str:
    """Say what is wrong with the table after these puts; empty when nothing is.

    The table must hold the newest state of each id, exactly as sent, and nothing else.
    """
    # Each id's states are sent oldest first, so the last one in is the newest.
    exact = json.loads(json.dumps(sent), parse_float=Decimal, parse_int=Decimal)
    expected = {s["event_id"]: s for s in exact}
    stored = {s["event_id"]: s for s in puts}
    missing = len(expected.keys() - stored.keys())
    unknown = len(stored.keys() - expected.keys())
    changed = sum(stored[key] != expected[key] for key in expected.keys() & stored.keys())
    if not (missing or unknown or changed):
        return ""
    return (
        f"of {len(expected)} events {missing} never reached the table and {changed} arrived "
        f"changed; {unknown} items were never sent"
    )
