"""What each answer means for the item, which are tried again, and when no more."""

import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.retries import standard

from function import store
from function.event import Event, parse
from function.exchange import Answer, AnswerError
from function.guard import Guard
from function.outcome import Outcome, Result
from function.store import Store
from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, record
from tests.function.memory_table import error

WRITTEN = Result(Outcome.WRITTEN)
OK = Answer(200, b"{}", b"id")
FOREIGN = Result(Outcome.FAILED, "an answer that is not DynamoDB's")

Reply = Answer | Exception | Callable[[], Answer]


class Endpoint:
    """Answers as told, the last one again and again; time passes only in pauses."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[tuple[bytes, str, int]] = []
        self.pauses: list[float] = []
        self.now = 100.0

    def __call__(self, body: bytes, invocation_id: str, attempt: int) -> Answer:
        """Note the request, and reply."""
        self.requests.append((body, invocation_id, attempt))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Answer) else reply()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Give a function that puts the example's item to an endpoint."""

    def put(endpoint: Endpoint, stop_at: float = 1000.0, dice: float = 0.5, **more: Any) -> Result:
        monkeypatch.setattr("function.store.time.sleep", endpoint.sleep)
        monkeypatch.setattr("function.store.time.monotonic", lambda: endpoint.now)
        monkeypatch.setattr("function.store.random.random", lambda: dice)
        return Store(endpoint, "table").put(EXAMPLE_ITEM, more, stop_at)

    return put


def test_an_item_is_put_with_its_condition() -> None:
    endpoint = Endpoint(OK)
    event = parse(record(EXAMPLE), 0, Guard("timestamp"))
    assert isinstance(event, Event)
    condition = Guard("timestamp").condition(event.version)
    assert Store(endpoint, "table").put(event.item, condition, 0.0) == WRITTEN
    ((body, invocation_id, attempt),) = endpoint.requests
    assert json.loads(body) == {"TableName": "table", "Item": EXAMPLE_ITEM, **condition}
    assert attempt == 1
    assert len(invocation_id) == 32
    Store(endpoint, "table").put(event.item, condition, 0.0)
    assert endpoint.requests[1][1] != invocation_id


def test_without_a_condition_there_is_none(put: Callable[..., Result]) -> None:
    endpoint = Endpoint(OK)
    assert put(endpoint) == WRITTEN
    assert json.loads(endpoint.requests[0][0]) == {"TableName": "table", "Item": EXAMPLE_ITEM}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (error("ConditionalCheckFailedException"), Result(Outcome.SUPERSEDED)),
        (
            Answer(400, b'{"__type": "ValidationException", "Message": "capital"}', b"id"),
            Result(Outcome.REJECTED, "ValidationException: capital"),
        ),
        (
            error("ItemCollectionSizeLimitExceededException"),
            Result(Outcome.REJECTED, "ItemCollectionSizeLimitExceededException: because"),
        ),
        (
            error("SerializationException"),
            Result(Outcome.REJECTED, "SerializationException: because"),
        ),
        (Answer(413, b"too large"), Result(Outcome.REJECTED, "413: too large")),
        (Answer(413, b"\xff[1]"), Result(Outcome.REJECTED, "413: \ufffd[1]")),
        (
            error("ValidationException", message="x" * 999),
            Result(Outcome.REJECTED, "ValidationException: " + "x" * 279),
        ),
        (
            error("ExpiredTokenException"),
            Result(Outcome.FAILED, "ExpiredTokenException: because"),
        ),
        (error("NeverHeardOf"), Result(Outcome.FAILED, "NeverHeardOf: because")),
        (Answer(404, b"{}", b"id"), Result(Outcome.FAILED, "404: ")),
        (Answer(307, b"", b"id"), Result(Outcome.FAILED, "307: ")),
        (Answer(204, b"{}", b"id"), Result(Outcome.FAILED, "204: ")),
        (Answer(400, b'{"__type": 7, "message": {}}', b"id"), Result(Outcome.FAILED, "7: {}")),
        (
            error("ConditionalCheckFailedException", status=409),
            Result(Outcome.FAILED, "ConditionalCheckFailedException: because"),
        ),
    ],
)
def test_what_would_come_again_is_not_tried_again(
    put: Callable[..., Result], answer: Answer, result: Result
) -> None:
    endpoint = Endpoint(answer)
    assert put(endpoint) == result
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"{}"),
        Answer(200, b"", b"id"),
        Answer(200, b"<html>", b"id"),
        Answer(200, b"[]", b"id"),
        Answer(200, b"null", b"id"),
        Answer(200, b"\xff{}", b"id"),
        error("ConditionalCheckFailedException")._replace(request_id=b""),
    ],
)
def test_nothing_is_acknowledged_that_dynamodb_did_not_say(
    put: Callable[..., Result], answer: Answer
) -> None:
    endpoint = Endpoint(answer)
    assert put(endpoint) == FOREIGN
    assert len(endpoint.requests) == 3
    assert put(Endpoint(answer, OK)) == WRITTEN


def test_what_is_tried_again_is_what_botocore_tries_again() -> None:
    model = botocore.session.get_session().get_service_model("dynamodb").operation_model("PutItem")
    modeled = {shape.name for shape in model.error_shapes if "retryable" in shape.metadata}
    transient: Any = standard.TransientRetryableChecker
    throttled: Any = standard.ThrottledRetryableChecker
    assert set(throttled._THROTTLED_ERROR_CODES) == store.THROTTLED
    assert {*transient._TRANSIENT_ERROR_CODES, *modeled} - store.THROTTLED == store.TRANSIENT
    assert set(transient._TRANSIENT_STATUS_CODES) == store.TRANSIENT_STATUS


BACKOFF: Any = standard.ExponentialBackoff
THROTTLED = BACKOFF._DEFAULT_BACKOFF_CONFIG["throttling_base_scale"]
TRANSIENT = BACKOFF._SERVICE_BACKOFF_CONFIG["dynamodb"]["non_throttling_base_scale"]


@pytest.mark.parametrize(
    ("reply", "reason", "longest"),
    [
        *((error(code), f"{code}: because", THROTTLED) for code in sorted(store.THROTTLED)),
        *((error(code), f"{code}: because", TRANSIENT) for code in sorted(store.TRANSIENT)),
        *((Answer(status, b"oh"), f"{status}: oh", TRANSIENT) for status in (500, 502, 503, 504)),
        (error("ThrottlingException", 503), "ThrottlingException: because", THROTTLED),
        (TimeoutError("late"), "no answer from DynamoDB: TimeoutError: late", TRANSIENT),
        (AnswerError("odd"), "no answer from DynamoDB: AnswerError: odd", TRANSIENT),
    ],
)
def test_what_passes_is_tried_three_times_with_full_jitter(
    put: Callable[..., Result], reply: Answer | Exception, reason: str, longest: float
) -> None:
    endpoint = Endpoint(reply)
    assert put(endpoint, dice=0.25) == Result(Outcome.FAILED, reason)
    assert endpoint.pauses == [0.25 * longest, 0.5 * longest]
    first, second, third = endpoint.requests
    assert (first[2], second[2], third[2]) == (1, 2, 3)
    assert first[:2] == second[:2] == third[:2]


def test_what_has_passed_is_written(put: Callable[..., Result]) -> None:
    endpoint = Endpoint(error("ThrottlingException"), OSError("gone"), OK)
    assert put(endpoint) == WRITTEN
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(("stop_at", "tried"), [(100.0, 1), (100.5, 1), (100.6, 2), (101.6, 3)])
def test_no_attempt_begins_when_time_is_up(
    put: Callable[..., Result], stop_at: float, tried: int
) -> None:
    endpoint = Endpoint(error("ThrottlingException"))
    assert put(endpoint, stop_at).outcome is Outcome.FAILED
    assert len(endpoint.requests) == tried


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        (
            "AccessDeniedException",
            "allow the function's role dynamodb:PutItem on the table, and its key",
        ),
        (
            "ResourceNotFoundException",
            "create the table, or point TABLE_NAME and the region at it",
        ),
        ("UnrecognizedClientException", "give the function valid credentials"),
        ("InvalidSignatureException", "give the function valid credentials"),
        ("IncompleteSignatureException", "give the function credentials"),
        ("MissingAuthenticationTokenException", "give the function credentials"),
    ],
)
def test_a_table_out_of_reach_says_what_to_mend(
    put: Callable[..., Result], code: str, mend: str
) -> None:
    endpoint = Endpoint(error(code))
    reason = f"{code}: because; {mend}"
    assert put(endpoint) == Result(Outcome.FAILED, reason, is_table_unusable=True)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("surprise", [KeyError("x"), MemoryError(), RecursionError()])
def test_a_surprise_fails_and_is_never_acknowledged(
    put: Callable[..., Result], surprise: Exception
) -> None:
    result = put(Endpoint(surprise))
    assert result == Result(Outcome.FAILED, f"unexpected {type(surprise).__name__}")


def test_an_answer_that_nests_without_end_is_no_surprise_to_the_caller(
    put: Callable[..., Result],
) -> None:
    assert put(Endpoint(Answer(200, b"[" * 60_000, b"id"))).outcome is Outcome.FAILED


def test_a_reason_is_short(put: Callable[..., Result]) -> None:
    assert len(put(Endpoint(OSError("x" * 999))).reason) == 300
