"""The table of events: the requests that write and read it, and what each answer means."""

import json
import os
import random
import re
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from function.event import Event, Item
from function.outcome import Outcome, Result, Results
from function.policy import Last
from function.request import Answer, NoAnswerError, Pause, Request, Task

ATTEMPTS = 3
THROTTLED_SECONDS, TRANSIENT_SECONDS = 1.0, 0.025
"""The longest pauses before a second attempt, doubled before a third: botocore's for DynamoDB."""
READ_KEYS = 100
"""In one BatchGetItem: DynamoDB, "Quotas"."""
# An answer that brings items back: one of 400 KB and the names of its types, or 16 MB of them.
_ITEM_BYTES, _READ_BYTES = 4_000_000, 32_000_000

# What the AWS SDKs try again: botocore, retries/standard.py, and its model of PutItem.
THROTTLED = {
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException",
    "PriorRequestNotComplete", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling",
    "ThrottlingException", "TooManyRequestsException", "TransactionInProgressException",
}  # fmt: skip
TRANSIENT = {"ReplicatedWriteConflictException", "RequestTimeout", "RequestTimeoutException"}
TRANSIENT_STATUS = {500, 502, 503, 504}
# A ValidationException is the message's own fault if it is about the item's size, nesting, names
# or numbers, and the table's if it is about its key; about anything else, who knows.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_ITEM_FAULT = re.compile(
    "item size|nesting level|attribute name|size of (hash|range) ?key|empty string value"
    "|number overflow|number underflow|significant digits|to a numeric value",
    re.IGNORECASE,
)
_TABLE_FAULT = re.compile("type mismatch for key|missing the key|does not match the schema", re.I)
_FIXES = {
    "AccessDeniedException": "allow the function's role dynamodb:PutItem on the table, and its key",
    "ResourceNotFoundException": "create the table, or point TABLE_NAME and the region at it",
    "UnrecognizedClientException": "give the function valid credentials",
    "InvalidSignatureException": "give the function valid credentials",
    "IncompleteSignatureException": "give the function credentials",
    "MissingAuthenticationTokenException": "give the function credentials",
    "ValidationException": "give the table the key that KEY_ATTRIBUTE names, of type S",
}
_REASON_LENGTH = 300


_encode = json.JSONEncoder(check_circular=False).encode  # an item is a tree: a quarter less time


class _Meaning(NamedTuple):
    result: Result
    pause: float = 0
    """Seconds, the longest before another attempt; 0 if none helps."""
    stored: Item | None = None
    """The item that made the condition fail, if it was asked for."""


class Table:
    """The table of events, under a policy of which of them stays."""

    def __init__(self, name: str, key: str, policy: Last) -> None:
        """name, key: the table's, and its key's."""
        self._name = name
        self._key = key
        self._policy = policy

    def write(self, group: Sequence[Event], results: Results) -> Task:
        """Store one of a batch's events of one id, and say what became of all, by their arrival.

        The first in the policy's order that can be stored decides for the rest. While nothing is
        confirmed, the reason of the last attempt stands in results.
        """
        events = list(self._policy.order(group))
        while events:
            result, _, stored = yield from self._put(events, results)
            if result.outcome is Outcome.FAILED:
                return
            tried = events[0]
            if result.outcome is Outcome.REJECTED:
                results[tried.arrival] = result
                for event in events[1:]:
                    results.pop(event.arrival, None)
                events = events[1:]
                continue
            for event in events:
                conflict = self._policy.conflict(event, stored or tried.item)
                outcome = result.outcome if event is tried else Outcome.COALESCED
                results[event.arrival] = (
                    Result(Outcome.REJECTED, conflict) if conflict else Result(outcome)
                )
            return

    def _put(
        self, events: Sequence[Event], results: Results
    ) -> Generator[Request | Pause, Answer | None, _Meaning]:
        """Try to store the first of the events; each failure is noted for all of them."""
        condition = self._policy.condition(events[0])
        parameters = {"TableName": self._name, "Item": events[0].item, **condition}
        brings_item = "ReturnValuesOnConditionCheckFailure" in condition
        request = Request(
            "dynamodb",
            "DynamoDB_20120810.PutItem",
            _encode(parameters).encode(),
            os.urandom(16).hex(),
            most_bytes=_ITEM_BYTES if brings_item else 65_536,
        )
        while True:
            try:
                answer = yield request
                assert answer is not None  # noqa: S101 (for mypy)
                meaning = _meaning(answer, request.attempt, brings_item=brings_item)
                is_fresh = False
            except NoAnswerError as error:
                reason = f"no answer from DynamoDB: {error}"[:_REASON_LENGTH]
                meaning = _Meaning(Result(Outcome.FAILED, reason), TRANSIENT_SECONDS)
                is_fresh = True
            if meaning.result.outcome is Outcome.FAILED:
                results |= {event.arrival: meaning.result for event in events}
            if meaning.result.is_table_unusable:
                results.unusable = meaning.result
            if not meaning.pause or request.attempt == ATTEMPTS:
                return meaning
            longest = meaning.pause * 2 ** (request.attempt - 1)
            yield Pause(longest * random.random())  # noqa: S311 (full jitter)
            request = request._replace(attempt=request.attempt + 1, is_fresh=is_fresh)

    def read(self, events: Sequence[Event], found: dict[str, Item]) -> Task:
        """Read key and version of what is stored under the ids of at most READ_KEYS events.

        found: takes what came, by id. Whatever the read does not tell is not in it.
        """
        keys = [{self._key: {"S": event.event_id}} for event in events]
        names = {"#key": self._key, "#version": self._policy.attribute}
        table = {
            "Keys": keys,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        body = _encode({"RequestItems": {self._name: table}}).encode()
        target = "DynamoDB_20120810.BatchGetItem"
        request = Request("dynamodb", target, body, os.urandom(16).hex(), most_bytes=_READ_BYTES)
        try:
            answer = yield request
        except NoAnswerError:
            return
        if answer is None or answer.status != 200 or not _is_proven(answer):
            return
        items = (_json_object(answer.body) or {}).get("Responses", {}).get(self._name, ())
        found.update({item[self._key]["S"]: item for item in items})


def _is_proven(answer: Answer) -> bool:
    """Tell whether it has what DynamoDB's answers have: a request id and the right CRC-32."""
    return answer.request_id != "" and answer.is_checked


def _meaning(answer: Answer, attempt: int, *, brings_item: bool) -> _Meaning:
    said = _json_object(answer.body)
    if said is None:
        code, message = str(answer.status), answer.body[:_REASON_LENGTH].decode(errors="replace")
    else:
        code = str(said.get("__type", answer.status)).rpartition("#")[2]
        message = str(said.get("message", said.get("Message", "")))
    superseded = (answer.status, code) == (400, "ConditionalCheckFailedException")
    if answer.status == 200 or superseded:
        # These acknowledge a message: nothing but DynamoDB's own word will do.
        stored = said.get("Item") if said and superseded and brings_item else None
        if said is None or not _is_proven(answer):
            return _Meaning(_failed("an answer that is not DynamoDB's"), TRANSIENT_SECONDS)
        if superseded and brings_item and not stored:
            return _Meaning(_failed(f"{code} without the item that is stored"))
        return _Meaning(Result(Outcome.SUPERSEDED if superseded else Outcome.WRITTEN), 0, stored)
    reasons = [each.get("reason") for each in (said or {}).get("ThrottlingReasons") or ()]
    reason = ", ".join([f"{code}: {message}"[:_REASON_LENGTH], *map(str, reasons)])
    if code in THROTTLED:
        return _Meaning(_failed(reason), THROTTLED_SECONDS)
    # A process that was frozen between signing and sending, or a clock that is wrong for good.
    is_late = "expired" in message or "not yet current" in message
    is_transient = code in TRANSIENT or answer.status in TRANSIENT_STATUS
    if is_transient or (is_late and attempt < ATTEMPTS):
        return _Meaning(_failed(reason), TRANSIENT_SECONDS)
    if code == "ValidationException" and _ITEM_FAULT.search(message):
        return _Meaning(Result(Outcome.REJECTED, reason))
    if code in _FIXES and (code != "ValidationException" or _TABLE_FAULT.search(message)):
        fixed = f"{reason}; {_FIXES[code]}"
        return _Meaning(Result(Outcome.FAILED, fixed, is_table_unusable=True))
    return _Meaning(_failed(reason))


def _failed(reason: str) -> Result:
    return Result(Outcome.FAILED, reason)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
