"""What each answer means for the item, which are tried again, and what a read may save."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.retries import standard

from function import table
from function.message import Message, Outcome
from function.policy import Policy
from function.request import Answer, NoAnswerError
from tests.function.batches import (
    EXAMPLE,
    EXAMPLE_ITEM,
    FIRST,
    NEWEST,
    READ,
    deliver,
    invoke,
    policy,
    record,
)
from tests.function.memory import SUPERSEDED, Driver, Memory, Reply, error, ok, replying, upsert

OK = ok({})
Result = tuple[Outcome, str]
WRITTEN = Outcome.WRITTEN, ""


def write(driver: Driver, of: Policy | None = None) -> Result:
    """Write the example and return what became of it."""
    chosen = of or policy()
    message = Message(record(EXAMPLE), "event_id", chosen.version)
    driver.run([table.Table("table", "event_id", chosen).write([message])], 0, 0)
    return message.outcome, message.reason


def written(*replies: Reply) -> tuple[Outcome, str, int]:
    """Return what became of the example by such answers, and by how many requests."""
    driver = Driver(replying(*replies))
    return *write(driver), len(driver.begun)


def failed(reason: str, requests: int = 1) -> tuple[Outcome, str, int]:
    return Outcome.FAILED, reason, requests


def test_an_item_is_put_with_its_condition() -> None:
    driver, newest = Driver(replying(OK)), policy("timestamp")
    assert write(driver, newest) == write(driver, newest) == WRITTEN
    request, other = driver.begun
    condition = newest.condition(Message(record(EXAMPLE), "event_id", newest.version))
    assert json.loads(request.body) == {"TableName": "table", "Item": EXAMPLE_ITEM, **condition}
    assert request._replace(body=b"") == (
        *("dynamodb", "DynamoDB_20120810.PutItem", b"", request.invocation_id, 4_000_000, 1, False),
    )
    assert len(request.invocation_id) == 32
    assert request.invocation_id != other.invocation_id


def refused(message: str) -> Answer:
    return error("ValidationException", message=message)


# As DynamoDB words them; some differ in case between its own pages and its answers.
ITEM_FAULTS = [
    "Item size has exceeded the maximum allowed size",
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels",
    "One or more parameter values were invalid: Empty attribute name",
    "One or more parameter values were invalid: An Attribute name must not be empty",
    "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size",
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
    "contain an empty string value. Key: event_id",
    "Number overflow. Attempting to store a number with magnitude larger than supported range",
    "Attempting to store more than 38 significant digits in a Number",
]
KEY_FAULTS = [
    "One or more parameter values were invalid: Type mismatch for key event_id expected: N "
    "actual: S",
    "One or more parameter values were invalid: Missing the key id in the item",
    "The provided key element does not match the schema",
]
OTHER_FAULTS = [
    "One or more parameter values were invalid: Type mismatch for Index Key status Expected: N "
    "Actual: S IndexName: by-status",
    "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size",
    "ExpressionAttributeNames contains invalid key",
    "something new",
]
OTHER_ERRORS = "SerializationException ExpiredTokenException NeverHeardOf"


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (SUPERSEDED, Outcome.SUPERSEDED, ""),
        *(
            (refused(each), Outcome.REJECTED, f"ValidationException: {each}")
            for each in ITEM_FAULTS
        ),
        (
            Answer(400, b'{"__type": "ValidationException", "Message": "Item size"}', "id"),
            Outcome.REJECTED,
            "ValidationException: Item size",
        ),
        *((refused(each), Outcome.FAILED, f"ValidationException: {each}") for each in OTHER_FAULTS),
        *((error(each), Outcome.FAILED, f"{each}: because") for each in OTHER_ERRORS.split()),
        (
            error("ConditionalCheckFailedException", status=409),
            Outcome.FAILED,
            "ConditionalCheckFailedException: because",
        ),
        (Answer(413, b"\xff[1]"), Outcome.FAILED, "413: \ufffd[1]"),
        (Answer(404, b"{}", "id"), Outcome.FAILED, "404: "),
        (Answer(307, b"", "id"), Outcome.FAILED, "307: "),
        (Answer(204, b"{}", "id"), Outcome.FAILED, "204: "),
        (Answer(400, b'{"__type": 7, "message": {}}', "id"), Outcome.FAILED, "7: {}"),
        (error("Odd", message="item size" * 99), Outcome.FAILED, f"Odd: {'item size' * 99}"[:300]),
    ],
)
def test_what_would_come_again_is_not_tried_again(
    answer: Answer, outcome: Outcome, reason: str
) -> None:
    assert written(answer, OK) == (outcome, reason, 1)


@pytest.mark.parametrize(
    "answer",
    [
        OK._replace(request_id=""),
        OK._replace(is_checked=False),
        SUPERSEDED._replace(request_id=""),
        SUPERSEDED._replace(is_checked=False),
        *(OK._replace(body=each) for each in (b"", b"<html>", b"[]", b"null", b"\xff{}")),
        OK._replace(body=b"[" * 60_000),
    ],
)
def test_nothing_is_acknowledged_that_dynamodb_did_not_say(answer: Answer) -> None:
    assert written(answer) == failed("an answer that is not DynamoDB's", 3)
    assert written(answer, OK) == (*WRITTEN, 2)


# What botocore tries again, and how long it waits at most.
CHECKED: Any = (standard.ThrottledRetryableChecker, standard.TransientRetryableChecker)
MODEL = botocore.session.get_session().get_service_model("dynamodb")
MODELED = {
    shape.name
    for shape in MODEL.operation_model("PutItem").error_shapes
    if "retryable" in shape.metadata
}
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
        assert written(Answer(status, b"oh"), OK) == failed(f"{status}: oh")


@pytest.mark.parametrize(
    ("reply", "reason", "longest"),
    [
        *((error(code), f"{code}: because", THROTTLED) for code in sorted(THROTTLED_CODES)),
        *((error(code), f"{code}: because", TRANSIENT) for code in sorted(TRANSIENT_CODES)),
        *((Answer(status, b"oh"), f"{status}: oh", TRANSIENT) for status in sorted(STATUSES)),
        (error("ThrottlingException", 503), "ThrottlingException: because", THROTTLED),
        (NoAnswerError("none"), "no answer from DynamoDB: none", TRANSIENT),
        (NoAnswerError("x" * 999), f"no answer from DynamoDB: {'x' * 275}", TRANSIENT),
    ],
)
def test_what_passes_is_tried_three_times_with_full_jitter(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str, longest: float
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.25)
    driver = Driver(replying(reply))
    assert write(driver) == (Outcome.FAILED, reason)
    assert driver.pauses == [0.25 * longest, 0.5 * longest]
    first, *_ = driver.begun
    is_fresh = isinstance(reply, Exception)
    again = [first._replace(attempt=each, is_fresh=is_fresh) for each in (2, 3)]
    assert driver.begun == [first, *again]
    # When time is up, the reason of the last attempt stands.
    assert write(Driver(replying(reply, OK), requests=1)) == (Outcome.FAILED, reason)


def test_what_has_passed_is_written() -> None:
    driver = Driver(replying(error("ThrottlingException"), NoAnswerError("gone"), OK))
    assert write(driver) == WRITTEN
    assert [request.is_fresh for request in driver.begun] == [False, False, True]


def test_a_throttled_write_says_what_throttled_it() -> None:
    reasons = [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn:aws:..."}]
    said = "ThrottlingException: because, TableWriteKeyRangeThroughputExceeded"
    assert written(error("ThrottlingException", ThrottlingReasons=reasons)) == failed(said, 3)


FIXES = {
    "AccessDeniedException": "allow the function's role dynamodb:PutItem on the table, and its key",
    "ResourceNotFoundException": "create the table, or point TABLE_NAME and the region at it",
    "UnrecognizedClientException": "give the function valid credentials",
    "InvalidSignatureException": "give the function valid credentials",
    "IncompleteSignatureException": "give the function valid credentials",
    "MissingAuthenticationTokenException": "give the function valid credentials",
}
KEY_FIX = "give the table the key that KEY_ATTRIBUTE names, of type S"
LATE = ["Signature expired: 1 is now earlier", "Signature not yet current"]


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        *((error(code), f"{code}: because; {fix}", 1) for code, fix in FIXES.items()),
        *((refused(each), f"ValidationException: {each}; {KEY_FIX}", 1) for each in KEY_FAULTS),
        *(
            (
                error("InvalidSignatureException", message=each),
                f"InvalidSignatureException: {each}; give the function valid credentials",
                3,
            )
            for each in LATE
        ),
    ],
)
def test_a_table_out_of_reach_says_what_to_fix(answer: Answer, reason: str, requests: int) -> None:
    driver = Driver(replying(answer))
    with pytest.raises(table.TableUnusableError) as unusable:
        write(driver)
    assert (str(unusable.value), len(driver.begun)) == (reason, requests)


@pytest.mark.parametrize("message", LATE)
def test_an_expired_signature_is_signed_anew(message: str) -> None:
    assert written(error("InvalidSignatureException", message=message), OK) == (*WRITTEN, 2)


def test_append_only_judges_by_the_item_that_stands_and_fails_without_it() -> None:
    first, stands = policy(**FIRST), {**EXAMPLE_ITEM, "user_id": {"N": "4.2E1"}}
    conflict = "another event is stored under its id, and the table is append-only"
    without = "ConditionalCheckFailedException without the item that is stored"
    for standing, result in (
        (stands, (Outcome.SUPERSEDED, "")),
        ({**stands, "user_id": {"N": "43"}}, (Outcome.REJECTED, conflict)),
        (None, (Outcome.FAILED, without)),
    ):
        driver = Driver(replying(error("ConditionalCheckFailedException", Item=standing)))
        assert write(driver, first) == result
        assert driver.begun[0].most_bytes == 4_000_000


def states(*versions: int) -> list[dict[str, Any]]:
    return [record({"event_id": f"e{i}", "version": v}, f"m{i}") for i, v in enumerate(versions)]


def test_a_read_asks_for_a_hundred_ids_at_most_and_only_for_those_with_a_version() -> None:
    memory = Memory()
    unversioned = record({"event_id": "none"})
    assert invoke(upsert(memory, **NEWEST, **READ), unversioned, *states(*range(200))) == set()
    assert memory.requests.count("BatchGetItem") == 2
    assert memory.requests.count("PutItem") == 201


SETTLED = [{"event_id": {"S": "e0"}, "version": {"N": "9"}}]


@pytest.mark.parametrize(
    "reply",
    [
        NoAnswerError("late"),
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


@pytest.mark.parametrize("more", [{}, FIRST])
def test_a_read_is_no_precondition(more: dict[str, str]) -> None:
    memory = Memory()
    assert invoke(upsert(memory, **READ, **more), *states(1)) == set()
    assert memory.requests == ["PutItem"]
