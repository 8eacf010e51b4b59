"""Batches as Lambda hands them over, and the contract that every answer has to keep."""

import contextlib
import io
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from function.upsert import Upsert

EXAMPLE = {
    "event_id": "evt-1001",
    "user_id": 42,
    "status": "active",
    "timestamp": "2025-03-30T01:00:00Z",
}

# What may be in the function's environment, beside TABLE_NAME.
QUEUE, LETTERS = "https://sqs/1/events", "https://sqs/1/events-dlq"
NEWEST = {"VERSION_ATTRIBUTE": "version"}
FIRST = {"APPEND_ONLY": "true"}
MANAGED = {"QUEUE_URL": QUEUE, "DEAD_LETTER_QUEUE_URL": LETTERS}
READ = {"READ_BEFORE_WRITE": "true"}


@dataclass
class Context:
    """What Lambda's context object tells the handler."""

    remaining: int = 30_000
    function_name: str = "EventUpsertLambda"
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        """Return what the test chose."""
        return self.remaining


def record(body: object, message_id: str = "", received: int = 1) -> dict[str, Any]:
    """Make a record of an SQS batch; a body that is no string is sent as JSON."""
    return {
        "messageId": message_id or str(uuid.uuid4()),
        "receiptHandle": f"handle of {message_id}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(received), "SentTimestamp": "1743296400000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    """Make the event of one invocation."""
    return {"Records": list(records)}


def failed(answer: object, event: Mapping[str, Any]) -> set[str]:
    """Return the identifiers that an answer reports, having checked it as AWS would.

    Lambda takes an answer that it cannot read, or with an empty, null or unknown identifier, for
    the failure of the whole batch: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    assert isinstance(answer, dict)
    assert list(answer) == ["batchItemFailures"]
    failures = json.loads(json.dumps(answer))["batchItemFailures"]
    assert isinstance(failures, list)
    assert all(list(failure) == ["itemIdentifier"] for failure in failures)
    identifiers = [failure["itemIdentifier"] for failure in failures]
    assert all(identifiers)
    assert set(identifiers) <= {record["messageId"] for record in event["Records"]}
    assert len(identifiers) == len(set(identifiers))
    return set(identifiers)


def invoke(upsert: Upsert, *records: dict[str, Any], remaining: int = 30_000) -> set[str]:
    """Hand records over as one batch and return the identifiers reported as failed."""
    event = batch(*records)
    return failed(upsert(event, Context(remaining)), event)


class Told(NamedTuple):
    """What an invocation answered and logged."""

    failed: set[str]
    lines: list[dict[str, Any]]
    counts: dict[str, int]
    """Those that are not 0."""

    @property
    def reasons(self) -> list[str]:
        """What the lines give as reasons."""
        return [line["reason"] for line in self.lines]


def deliver(upsert: Upsert, *records: dict[str, Any], remaining: int = 30_000) -> Told:
    """Hand records over as one batch; return what was reported, and what was logged."""
    with contextlib.redirect_stdout(io.StringIO()) as log:
        failures = invoke(upsert, *records, remaining=remaining)
    *lines, metrics = map(json.loads, log.getvalue().splitlines())
    assert metrics["FunctionName"] == Context.function_name
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("timestamp"))
        assert line.pop("requestId") == Context.aws_request_id
    names = [each["Name"] for each in metrics["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return Told(failures, lines, {name: metrics[name] for name in names if metrics[name]})
