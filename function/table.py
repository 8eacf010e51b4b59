"""The table of events: the requests that write and read it, and what each answer means."""

import json
import random
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from function.message import Message, Outcome
from function.policy import Policy
from function.request import Answer, Request, Task, make_request

ATTEMPTS = 3
THROTTLED_SECONDS, TRANSIENT_SECONDS = 1.0, 0.025
"""The longest pauses before a second attempt, doubled before a third: botocore's for DynamoDB."""
READ_KEYS = 100  # in one BatchGetItem: DynamoDB, "Quotas"
# An answer that brings items back: one of 400 KB and the names of its types, or 16 MB of them.
_ITEM_BYTES, _READ_BYTES = 4_000_000, 32_000_000
_REASON_LENGTH = 300
# What the AWS SDKs try again: botocore, retries/standard.py, and its model of PutItem.
_THROTTLED = re.compile(
    "Throttl|BandwidthLimit|RequestLimit|^LimitExceeded|ThroughputExceeded|TooManyRequests|SlowDown"
    "|PriorRequestNotComplete|TransactionInProgress"
)
_TRANSIENT = re.compile("ReplicatedWriteConflict|RequestTimeout")
# A ValidationException is the message's own fault if it is about the item's size, nesting, names
# or numbers, and the table's if it is about its key; about anything else, who knows.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_ITEM_FAULT = re.compile(
    "(?is)ValidationException: .*(item size|nesting level|attribute name|size of (hash|range) ?key"
    "|empty string value|number (over|under)flow|significant digits|to a numeric value)"
)
_FIXES = {
    "AccessDenied": "allow the function's role dynamodb:PutItem on the table, and its key",
    "ResourceNotFound": "create the table, or point TABLE_NAME and the region at it",
    r"UnrecognizedClient|I\w+Signature|MissingAuth": "give the function valid credentials",
    "(?is)ValidationException: .*(type mismatch for key|missing the key|not match the schema)": (
        "give the table the key that KEY_ATTRIBUTE names, of type S"
    ),
}


class TableUnusableError(Exception):
    """Why no event can be stored until someone fixes it."""


class _Meaning(NamedTuple):
    outcome: Outcome
    reason: str = ""
    pause: float = 0  # seconds, the longest before another attempt; 0 if none helps
    stored: bytes = b""  # the item that made the condition fail, if it was asked for


class Table:
    """The table of events, under a policy of which of them stays."""

    def __init__(self, name: str, key: str, policy: Policy) -> None:
        """name, key: the table's, and its key's."""
        self._name, self._key, self._policy = name, key, policy

    def read(self, groups: Sequence[Sequence[Message]]) -> Iterator[Task]:
        """Return the tasks that settle what need not be written; if one fails, it is written."""
        versioned = [group for group in groups if group[0].version.rank[0]]
        for start in range(0, len(versioned), READ_KEYS):
            asked = versioned[start : start + READ_KEYS]
            yield self._read({str(group[0].event_id): group for group in asked})

    def _read(self, groups: Mapping[str, Sequence[Message]]) -> Task:
        names = {"#key": self._key, "#version": self._policy.attribute}
        table = {
            "Keys": [{self._key: {"S": event_id}} for event_id in groups],
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        asked = {"RequestItems": {self._name: table}}
        answer = yield make_request("dynamodb", "BatchGetItem", asked, _READ_BYTES)
        if answer.status == 200 and answer.request_id and answer.is_checked:
            for item in answer.json().get("Responses", {}).get(self._name, ()):
                group = groups[item[self._key]["S"]]
                if self._policy.is_settled(group[0], item):
                    self._settle(group, Outcome.SUPERSEDED, b"")

    def write(self, group: Sequence[Message]) -> Task:
        """Store one of a batch's messages of one id, in the policy's order, and settle all of them.

        The first that can be stored decides for the rest. Until DynamoDB confirmed it they have
        failed, for the reason of the last attempt. Raises TableUnusableError.
        """
        for place, tried in enumerate(group):
            meant = yield from self._put(group[place:])
            if meant.outcome is Outcome.REJECTED:
                tried.settle(Outcome.REJECTED, meant.reason)
                continue
            if meant.outcome is not Outcome.FAILED:
                self._settle(group[place:], meant.outcome, meant.stored or tried.item)
            return

    def _settle(self, messages: Sequence[Message], outcome: Outcome, standing: bytes) -> None:
        """Settle the first of the messages, and the rest beside what the table holds by it."""
        for message in messages:
            conflict = self._policy.conflict(message, standing)
            message.settle(Outcome.REJECTED if conflict else outcome, conflict)
            outcome = Outcome.COALESCED

    def _put(self, messages: Sequence[Message]) -> Generator[Request | float, Any, _Meaning]:
        """Try to store the first of the messages; each failure is that of all of them."""
        parameters = {"TableName": self._name, **self._policy.condition(messages[0])}
        brings_item = "ReturnValuesOnConditionCheckFailure" in parameters
        request = make_request("dynamodb", "PutItem", parameters, _ITEM_BYTES)
        request = request._replace(body=b'{"Item":%b,%b' % (messages[0].item, request.body[1:]))
        while True:
            answer = yield request
            meant = _meaning(answer, request.attempt, brings_item=brings_item)
            for message in messages if meant.outcome is Outcome.FAILED else ():
                message.reason = meant.reason
            if not meant.pause or request.attempt == ATTEMPTS:
                return meant
            longest = meant.pause * 2 ** (request.attempt - 1)
            yield longest * random.random()  # noqa: S311 (full jitter)
            request = request._replace(attempt=request.attempt + 1, is_fresh=not answer.status)


def _meaning(answer: Answer, attempt: int, *, brings_item: bool) -> _Meaning:
    said = {} if answer.status == 200 else answer.json()
    code = str(said.get("__type", answer.status or "no answer from DynamoDB")).rpartition("#")[2]
    is_superseded = (answer.status, code) == (400, "ConditionalCheckFailedException")
    if answer.status == 200 or is_superseded:
        # These acknowledge a message: nothing but DynamoDB's own word will do, which has an id and
        # a right CRC-32.
        if not (answer.request_id and answer.is_checked and answer.body.startswith(b"{")):
            return _Meaning(Outcome.FAILED, "an answer that is not DynamoDB's", TRANSIENT_SECONDS)
        if not is_superseded:
            return _Meaning(Outcome.WRITTEN)
        if brings_item and not said.get("Item"):
            return _Meaning(Outcome.FAILED, f"{code} without the item that is stored")
        return _Meaning(Outcome.SUPERSEDED, stored=json.dumps(said.get("Item")).encode())
    message = str(said.get("message", said.get("Message", "")))
    told = f"{code}: {message or answer.body[:_REASON_LENGTH].decode(errors='replace')}"
    throttled = [str(each.get("reason")) for each in said.get("ThrottlingReasons") or ()]
    reason = ", ".join([told[:_REASON_LENGTH], *throttled])
    if _THROTTLED.search(code):
        return _Meaning(Outcome.FAILED, reason, THROTTLED_SECONDS)
    # A process that was frozen between signing and sending, or a clock that is wrong for good.
    is_late = attempt < ATTEMPTS and ("expired" in message or "not yet current" in message)
    if is_late or _TRANSIENT.search(code) or answer.status in (0, 500, 502, 503, 504):
        return _Meaning(Outcome.FAILED, reason, TRANSIENT_SECONDS)
    if _ITEM_FAULT.match(told):
        return _Meaning(Outcome.REJECTED, reason)
    for fault, fix in _FIXES.items():
        if re.match(fault, told):
            raise TableUnusableError(f"{reason}; {fix}")
    return _Meaning(Outcome.FAILED, reason)
