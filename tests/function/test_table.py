"""What each answer means for the item, which are tried again, and what a read may save."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.retries import standard

from function.request import Answer, Request
from tests.function.batches import EXAMPLE, FIRST, NEWEST, READ, deliver, record
from tests.function.memory import SUPERSEDED, Driver, Memory, Reply, error, ok, replying, upsert
from tools.event import from_item

OK = ok({})
WRITTEN = "Written", ""


def write(driver: Driver, **environment: str) -> tuple[str, str]:
    """Write the example; return what became of it, and the reason that is logged."""
    told = deliver(upsert(driver, **environment), record(EXAMPLE))
    ((outcome, _),) = told.counts.items()
    if not told.lines:
        return outcome, ""
    (line,) = told.lines
    return "Unusable" if line.get("messages") else outcome, line["reason"]


def written(*replies: Reply) -> tuple[str, str, int]:
    """Return what became of the example by such answers, and by how many requests."""
    driver = Driver(replying(*replies))
    return *write(driver), len(driver.begun)


def test_each_write_is_a_request_of_its_own() -> None:
    driver = Driver(replying(OK))
    assert write(driver) == write(driver) == WRITTEN
    request, other = driver.begun
    body = json.loads(request.body)
    assert (body["TableName"], from_item(body["Item"]), len(body)) == ("events", EXAMPLE, 2)
    put = Request("dynamodb", "DynamoDB_20120810.PutItem", request.body, request.invocation_id)
    assert request == put._replace(most_bytes=4_000_000)
    assert len(request.invocation_id) == 32
    assert request.invocation_id != other.invocation_id


def fault(message: str) -> Answer:
    return error("ValidationException", message=message)


# As DynamoDB words them; some differ in case between its own pages and its answers.
INVALID = "One or more parameter values were invalid:"
ITEM_FAULTS = [
    "Item size has exceeded the maximum allowed size",
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels",
    f"{INVALID} Empty attribute name",
    f"{INVALID} An Attribute name must not be empty",
    f"{INVALID} Size of hashkey has exceeded the maximum size",
    "The AttributeValue for a key attribute cannot contain an empty string value. Key: event_id",
    "Number overflow. Attempting to store a number with magnitude larger than supported range",
    "Attempting to store more than 38 significant digits in a Number",
]
NO_KEYS = [
    f"{INVALID} Type mismatch for key event_id expected: N actual: S",
    f"{INVALID} Missing the key id in the item",
    "The provided key element does not match the schema",
]
OTHER_FAULTS = [
    f"{INVALID} Type mismatch for Index Key status Expected: N Actual: S IndexName: by-status",
    "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size",
    "ExpressionAttributeNames contains invalid key",
    "something new",
]
CREDENTIALS = "UnrecognizedClient InvalidSignature IncompleteSignature MissingAuthenticationToken"
FIXES = {
    "AccessDeniedException": "allow the function's role dynamodb:PutItem on the table, and its key",
    "ResourceNotFoundException": "create the table, or point TABLE_NAME and the region at it",
    **{f"{each}Exception": "give the function valid credentials" for each in CREDENTIALS.split()},
}
CONDITION = "ConditionalCheckFailedException"
KEY_FIX = "give the table the key that KEY_ATTRIBUTE names, of type S"


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (SUPERSEDED, "Superseded", ""),
        *((fault(each), "Rejected", f"ValidationException: {each}") for each in ITEM_FAULTS),
        *((error(code), "Unusable", f"{code}: because; {fix}") for code, fix in FIXES.items()),
        *((fault(each), "Unusable", f"ValidationException: {each}; {KEY_FIX}") for each in NO_KEYS),
        *((fault(each), "Failed", f"ValidationException: {each}") for each in OTHER_FAULTS),
        *((error(each), "Failed", f"{each}: because") for each in ("ExpiredTokenException", "New")),
        (error(CONDITION, 409), "Failed", f"{CONDITION}: because"),
        (Answer(400, b'{"__type": "Odd", "Message": "why"}', "id"), "Failed", "Odd: why"),
        (Answer(400, b'{"__type": 7, "message": {}}', "id"), "Failed", "7: {}"),
        (Answer(413, b"\xff[1]"), "Failed", "413: \ufffd[1]"),
        *((Answer(status, b"{}", "id"), "Failed", f"{status}: {{}}") for status in (404, 307, 204)),
        (error("Odd", message="item size" * 99), "Failed", f"Odd: {'item size' * 99}"[:300]),
    ],
)
def test_what_would_come_again_is_tried_once(answer: Answer, outcome: str, reason: str) -> None:
    assert written(answer, OK) == (outcome, reason, 1)


@pytest.mark.parametrize(
    "answer",
    [
        *(each._replace(request_id="") for each in (OK, SUPERSEDED)),
        *(each._replace(is_checked=False) for each in (OK, SUPERSEDED)),
        *(OK._replace(body=each) for each in (b"", b"<html>", b"[]", b"null", b"\xff{}")),
        OK._replace(body=b"[" * 60_000),
    ],
)
def test_nothing_is_acknowledged_that_dynamodb_did_not_say(answer: Answer) -> None:
    assert written(answer) == ("Failed", "an answer that is not DynamoDB's", 3)
    assert written(answer, OK) == (*WRITTEN, 2)


# What botocore tries again, and how long it waits at most.
CHECKED: Any = (standard.ThrottledRetryableChecker, standard.TransientRetryableChecker)
MODEL = botocore.session.get_session().get_service_model("dynamodb")
PUT = MODEL.operation_model("PutItem")
MODELED = {shape.name for shape in PUT.error_shapes if "retryable" in shape.metadata}
THROTTLED_CODES = set(CHECKED[0]._THROTTLED_ERROR_CODES)
TRANSIENT_CODES = {*CHECKED[1]._TRANSIENT_ERROR_CODES, *MODELED} - THROTTLED_CODES
STATUSES = set(CHECKED[1]._TRANSIENT_STATUS_CODES)
BACKOFF: Any = standard.ExponentialBackoff
THROTTLED = BACKOFF._DEFAULT_BACKOFF_CONFIG["throttling_base_scale"]
TRANSIENT = BACKOFF._SERVICE_BACKOFF_CONFIG["dynamodb"]["non_throttling_base_scale"]


def test_nothing_else_is_tried_again() -> None:
    tried = THROTTLED_CODES | TRANSIENT_CODES | {"InternalServerError"}  # 500
    # What no answer but these can be; the others make the table unusable.
    for code in {shape.name for shape in MODEL.error_shapes} - tried - {*FIXES}:
        assert written(error(code), OK)[2] == 1
    for status in {*range(300, 600)} - STATUSES:
        assert written(Answer(status, b"oh"), OK) == ("Failed", f"{status}: oh", 1)


@pytest.mark.parametrize(
    ("reply", "reason", "longest"),
    [
        *((error(code), f"{code}: because", THROTTLED) for code in sorted(THROTTLED_CODES)),
        *((error(code), f"{code}: because", TRANSIENT) for code in sorted(TRANSIENT_CODES)),
        *((Answer(status, b"oh"), f"{status}: oh", TRANSIENT) for status in sorted(STATUSES)),
        (error("ThrottlingException", 503), "ThrottlingException: because", THROTTLED),
        (
            error("ThrottlingException", ThrottlingReasons=[{"reason": "HotKey", "resource": "x"}]),
            "ThrottlingException: because, HotKey",
            THROTTLED,
        ),
        (OSError("none"), "no answer from DynamoDB: none", TRANSIENT),
        (OSError("x" * 999), f"no answer from DynamoDB: {'x' * 275}", TRANSIENT),
    ],
)
def test_what_passes_is_tried_three_times_with_full_jitter(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str, longest: float
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.25)
    driver = Driver(replying(reply))
    assert write(driver) == ("Failed", reason)
    assert driver.pauses == [0.25 * longest, 0.5 * longest]
    first, is_fresh = driver.begun[0], isinstance(reply, Exception)
    again = [first._replace(attempt=each, is_fresh=is_fresh) for each in (2, 3)]
    assert driver.begun == [first, *again]
    # When time is up, the reason of the last attempt stands.
    assert write(Driver(replying(reply, OK), requests=1)) == ("Failed", reason)


def test_an_expired_signature_is_signed_anew_before_credentials_are_blamed() -> None:
    for message in ("Signature expired: 1 is now earlier", "Signature not yet current"):
        expired = error("InvalidSignatureException", message=message)
        reason = f"InvalidSignatureException: {message}; give the function valid credentials"
        assert written(expired, OK) == (*WRITTEN, 2)
        assert written(expired) == ("Unusable", reason, 3)


def test_append_only_fails_without_the_item_that_stands() -> None:
    reason = f"{CONDITION} without the item that is stored"
    assert write(Driver(replying(SUPERSEDED)), **FIRST) == ("Failed", reason)


def states(*versions: int) -> list[dict[str, Any]]:
    return [record({"event_id": f"e{i}", "version": v}) for i, v in enumerate(versions)]


def test_a_read_asks_for_a_hundred_ids_at_most_and_only_for_those_with_a_version() -> None:
    memory = Memory()
    records = record({"event_id": "none"}), *states(*range(200))
    assert deliver(upsert(memory, **NEWEST, **READ), *records).counts["Written"] == 201
    assert memory.requests.count("BatchGetItem") == 2
    assert memory.requests.count("PutItem") == 201


SETTLED = [{"event_id": {"S": "e0"}, "version": {"N": "9"}}]


@pytest.mark.parametrize(
    "reply",
    [
        OSError("late"),
        error("ThrottlingException"),
        error("AccessDeniedException"),
        ok({"Responses": {}, "UnprocessedKeys": {"events": {}}}),
        ok({"Responses": {"events": SETTLED}})._replace(is_checked=False),
        ok({"Responses": {"events": SETTLED}})._replace(request_id=""),
        ok({"Responses": {"events": SETTLED}})._replace(status=202),
        ok({}),
        ok([]),
    ],
)
def test_whatever_a_read_does_not_tell_is_written(reply: Reply) -> None:
    driver = Driver(replying(reply, SUPERSEDED))
    assert deliver(upsert(driver, **NEWEST, **READ), *states(1)) == (set(), [], {"Superseded": 1})
    asked = [(each.target.partition(".")[2], each.most_bytes) for each in driver.begun]
    assert asked == [("BatchGetItem", 32_000_000), ("PutItem", 4_000_000)]


def test_without_versions_nothing_is_read() -> None:
    for more in ({}, FIRST):
        memory = Memory()
        assert deliver(upsert(memory, **READ, **more), *states(1)).counts == {"Written": 1}
        assert memory.requests == ["PutItem"]
