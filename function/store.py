"""The table, for writing alone: what each answer of DynamoDB means for the item."""

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from function.event import Item
from function.exchange import Answer, AnswerError
from function.outcome import Outcome, Result

ATTEMPTS = 3
THROTTLED_SECONDS, TRANSIENT_SECONDS = 1.0, 0.025
"""The longest pauses before a second attempt, doubled before a third: botocore's for DynamoDB."""

# What the AWS SDKs try again: botocore, retries/standard.py, and its model of PutItem.
THROTTLED = {
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException",
    "PriorRequestNotComplete", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling",
    "ThrottlingException", "TooManyRequestsException", "TransactionInProgressException",
}  # fmt: skip
TRANSIENT = {"ReplicatedWriteConflictException", "RequestTimeout", "RequestTimeoutException"}
TRANSIENT_STATUS = {500, 502, 503, 504}
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_PERMANENT = {
    "ValidationException",  # the item is too large, nests too deep, has an attribute without a name
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    "413",  # the request is too large to be looked at; the status stands in for the missing code
}
_MENDS = {
    "AccessDeniedException": "allow the function's role dynamodb:PutItem on the table, and its key",
    "ResourceNotFoundException": "create the table, or point TABLE_NAME and the region at it",
    "UnrecognizedClientException": "give the function valid credentials",
    "InvalidSignatureException": "give the function valid credentials",
    "IncompleteSignatureException": "give the function credentials",
    "MissingAuthenticationTokenException": "give the function credentials",
}
_REASON_LENGTH = 300


Exchange = Callable[[bytes, str, int], Answer]
"""Whatever exchanges as function.exchange.Exchange does."""


class Store:
    """The table of events, for writing alone."""

    def __init__(self, exchange: Exchange, table: str) -> None:
        """Keep what every write needs."""
        self._exchange = exchange
        self._table = table

    def put(self, item: Item, condition: Mapping[str, Any], stop_at: float) -> Result:
        """Store an item if the condition, in parameters of PutItem, holds.

        Written and superseded are DynamoDB's own word; whatever else happened is rejected if it
        would happen again, and failed if not or if unknown. Raises nothing; safe to call from
        several threads. No attempt but the first begins at stop_at, in seconds of time.monotonic.
        """
        try:
            body = json.dumps({"TableName": self._table, "Item": item, **condition}).encode()
            invocation_id, attempt = os.urandom(16).hex(), 1
            while True:
                result, longest = self._try(body, invocation_id, attempt)
                pause = longest * 2 ** (attempt - 1) * random.random()  # noqa: S311 (full jitter)
                if not longest or attempt == ATTEMPTS or time.monotonic() + pause >= stop_at:
                    return result
                time.sleep(pause)
                attempt += 1
        except Exception as error:  # whatever it is, DynamoDB confirmed nothing
            return Result(Outcome.FAILED, f"unexpected {type(error).__name__}")

    def _try(self, body: bytes, invocation_id: str, attempt: int) -> tuple[Result, float]:
        """Return what an attempt came to, and the longest pause before another; 0 if none helps."""
        try:
            return _meaning(self._exchange(body, invocation_id, attempt))
        except (AnswerError, OSError) as error:
            reason = f"no answer from DynamoDB: {type(error).__name__}: {error}"[:_REASON_LENGTH]
            return Result(Outcome.FAILED, reason), TRANSIENT_SECONDS


def _meaning(answer: Answer) -> tuple[Result, float]:
    said = _json_object(answer.body)
    if said is None:
        code, message = str(answer.status), answer.body.decode(errors="replace")
    else:
        code = str(said.get("__type", answer.status)).rpartition("#")[2]
        message = said.get("message", said.get("Message", ""))
    superseded = (answer.status, code) == (400, "ConditionalCheckFailedException")
    if answer.status == 200 or superseded:
        # These acknowledge a message: nothing but DynamoDB's own word will do.
        if said is None or not answer.request_id:
            return Result(Outcome.FAILED, "an answer that is not DynamoDB's"), TRANSIENT_SECONDS
        return Result(Outcome.SUPERSEDED if superseded else Outcome.WRITTEN), 0
    reason = f"{code}: {message}"[:_REASON_LENGTH]
    if code in _MENDS:
        return Result(Outcome.FAILED, f"{reason}; {_MENDS[code]}", is_table_unusable=True), 0
    if code in THROTTLED:
        return Result(Outcome.FAILED, reason), THROTTLED_SECONDS
    if code in TRANSIENT or answer.status in TRANSIENT_STATUS:
        return Result(Outcome.FAILED, reason), TRANSIENT_SECONDS
    return Result(Outcome.REJECTED if code in _PERMANENT else Outcome.FAILED, reason), 0


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
