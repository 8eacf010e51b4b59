"""What each answer means for the item, which are tried again, and when no more."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.retries import standard

from function import table
from function.message import Message, Outcome
from function.policy import Policy
from function.request import Answer, NoAnswerError
from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, invoke, policy, record
from tests.function.memory import FIRST, NEWEST, READ, Driver, Memory, error, ok, upsert

OK = ok({})
Result = tuple[Outcome, str]
WRITTEN: Result = (Outcome.WRITTEN, "")
SUPERSEDED: Result = (Outcome.SUPERSEDED, "")

Reply = Answer | Exception


class Endpoint(Driver):
    """Answers as told, the last one again and again."""

    def __init__(self, *replies: Reply, requests: float = float("inf")) -> None:
        self._replies = list(replies)
        super().__init__(lambda _: self._reply(), requests=requests)

    def _reply(self) -> Answer:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


def rejected(reason: str) -> Result:
    return Outcome.REJECTED, reason


def failed(reason: str) -> Result:
    return Outcome.FAILED, reason


def write(endpoint: Endpoint, of: Policy | None = None) -> Result:
    """Write the example and return what became of it."""
    chosen = of or policy()
    message = Message(record(EXAMPLE), "event_id", chosen.version)
    endpoint.run([table.Table("table", "event_id", chosen).write([message])], 0, 0)
    return message.outcome, message.reason


def test_an_item_is_put_with_its_condition() -> None:
    endpoint, newest = Endpoint(OK), policy("timestamp")
    assert write(endpoint, newest) == WRITTEN
    assert write(endpoint, newest) == WRITTEN
    request, other = endpoint.begun
    condition = newest.condition(Message(record(EXAMPLE), "event_id", newest.version))
    asked = {"TableName": "table", "Item": EXAMPLE_ITEM, **condition}
    assert json.loads(request.body) == asked
    assert request._replace(body=b"") == (
        *("dynamodb", "DynamoDB_20120810.PutItem", b"", request.invocation_id, 4_000_000, 1, False),
    )
    assert len(request.invocation_id) == 32
    assert request.invocation_id != other.invocation_id


def test_without_a_condition_there_is_none() -> None:
    endpoint = Endpoint(OK)
    assert write(endpoint) == WRITTEN
    assert json.loads(endpoint.begun[0].body) == {"TableName": "table", "Item": EXAMPLE_ITEM}


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


@pytest.mark.parametrize("message", ITEM_FAULTS)
def test_what_is_certainly_the_items_fault_is_rejected(message: str) -> None:
    reason = f"ValidationException: {message}"[:300]
    assert write(Endpoint(refused(message))) == rejected(reason)


@pytest.mark.parametrize("message", OTHER_FAULTS)
def test_any_other_refusal_is_a_failure(message: str) -> None:
    result = write(Endpoint(refused(message)))
    assert result == failed(f"ValidationException: {message}")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (error("ConditionalCheckFailedException"), SUPERSEDED),
        (
            Answer(400, b'{"__type": "ValidationException", "Message": "Item size"}', "id"),
            rejected("ValidationException: Item size"),
        ),
        (
            error("SerializationException"),
            failed("SerializationException: because"),
        ),
        (Answer(413, b"\xff[1]"), failed("413: \ufffd[1]")),
        (error("ExpiredTokenException"), failed("ExpiredTokenException: because")),
        (error("NeverHeardOf"), failed("NeverHeardOf: because")),
        (Answer(404, b"{}", "id"), failed("404: ")),
        (Answer(307, b"", "id"), failed("307: ")),
        (Answer(204, b"{}", "id"), failed("204: ")),
        (Answer(400, b'{"__type": 7, "message": {}}', "id"), failed("7: {}")),
        (
            error("ConditionalCheckFailedException", status=409),
            failed("ConditionalCheckFailedException: because"),
        ),
    ],
)
def test_what_would_come_again_is_not_tried_again(answer: Answer, result: Result) -> None:
    endpoint = Endpoint(answer)
    assert write(endpoint) == result
    assert len(endpoint.begun) == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK._replace(request_id=""),
        OK._replace(is_checked=False),
        OK._replace(body=b""),
        OK._replace(body=b"<html>"),
        OK._replace(body=b"[]"),
        OK._replace(body=b"null"),
        OK._replace(body=b"\xff{}"),
        OK._replace(body=b"[" * 60_000),
        error("ConditionalCheckFailedException")._replace(is_checked=False),
        error("ConditionalCheckFailedException")._replace(request_id=""),
    ],
)
def test_nothing_is_acknowledged_that_dynamodb_did_not_say(answer: Answer) -> None:
    endpoint = Endpoint(answer)
    assert write(endpoint) == failed("an answer that is not DynamoDB's")
    assert len(endpoint.begun) == 3
    assert write(Endpoint(answer, OK)) == WRITTEN


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
    codes = {shape.name for shape in MODEL.error_shapes}
    assert {each for each in codes if table.THROTTLED.search(each)} <= THROTTLED_CODES
    assert {each for each in codes if table.TRANSIENT.search(each)} <= TRANSIENT_CODES
    assert table.TRANSIENT_STATUS == STATUSES


@pytest.mark.parametrize(
    ("reply", "reason", "longest"),
    [
        *((error(code), f"{code}: because", THROTTLED) for code in sorted(THROTTLED_CODES)),
        *((error(code), f"{code}: because", TRANSIENT) for code in sorted(TRANSIENT_CODES)),
        *((Answer(status, b"oh"), f"{status}: oh", TRANSIENT) for status in sorted(STATUSES)),
        (error("ThrottlingException", 503), "ThrottlingException: because", THROTTLED),
        (NoAnswerError("none"), "no answer from DynamoDB: none", TRANSIENT),
    ],
)
def test_what_passes_is_tried_three_times_with_full_jitter(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str, longest: float
) -> None:
    monkeypatch.setattr("function.table.random.random", lambda: 0.25)
    endpoint = Endpoint(reply)
    assert write(endpoint) == failed(reason)
    assert endpoint.pauses == [0.25 * longest, 0.5 * longest]
    is_fresh = isinstance(reply, Exception)
    first, *_ = endpoint.begun
    assert endpoint.begun == [
        first,
        first._replace(attempt=2, is_fresh=is_fresh),
        first._replace(attempt=3, is_fresh=is_fresh),
    ]


def test_what_has_passed_is_written() -> None:
    endpoint = Endpoint(error("ThrottlingException"), NoAnswerError("gone"), OK)
    assert write(endpoint) == WRITTEN
    assert [request.is_fresh for request in endpoint.begun] == [False, False, True]


@pytest.mark.parametrize("reply", [error("ThrottlingException"), NoAnswerError("gone")])
def test_the_reason_of_the_last_attempt_stands_when_time_is_up(reply: Reply) -> None:
    outcome, reason = write(Endpoint(reply, OK, requests=1))
    assert outcome is Outcome.FAILED
    assert "gone" in reason or "ThrottlingException" in reason


def test_a_throttled_write_says_what_throttled_it() -> None:
    reasons = [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn:aws:..."}]
    answer = error("ThrottlingException", ThrottlingReasons=reasons)
    said = "ThrottlingException: because, TableWriteKeyRangeThroughputExceeded"
    assert write(Endpoint(answer)) == failed(said)


def unusable(answer: Answer) -> tuple[str, int]:
    """Return why a table is unusable, and after how many requests that is certain."""
    endpoint = Endpoint(answer)
    with pytest.raises(table.TableUnusableError) as error:
        write(endpoint)
    return str(error.value), len(endpoint.begun)


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (
            "AccessDeniedException",
            "allow the function's role dynamodb:PutItem on the table, and its key",
        ),
        ("ResourceNotFoundException", "create the table, or point TABLE_NAME and the region at it"),
        ("UnrecognizedClientException", "give the function valid credentials"),
        ("InvalidSignatureException", "give the function valid credentials"),
        ("IncompleteSignatureException", "give the function valid credentials"),
        ("MissingAuthenticationTokenException", "give the function valid credentials"),
    ],
)
def test_a_table_out_of_reach_says_what_to_fix(code: str, fix: str) -> None:
    assert unusable(error(code)) == (f"{code}: because; {fix}", 1)


@pytest.mark.parametrize("message", KEY_FAULTS)
def test_a_key_that_does_not_match_makes_the_table_unusable(message: str) -> None:
    fix = "give the table the key that KEY_ATTRIBUTE names, of type S"
    assert unusable(refused(message)) == (f"ValidationException: {message}; {fix}", 1)


@pytest.mark.parametrize(
    "said", ["Signature expired: 1 is now earlier", "Signature not yet current"]
)
def test_an_expired_signature_is_signed_anew_before_credentials_are_blamed(said: str) -> None:
    expired = error("InvalidSignatureException", message=said)
    assert write(Endpoint(expired, OK)) == WRITTEN
    reason = f"InvalidSignatureException: {said}; give the function valid credentials"
    assert unusable(expired) == (reason, 3)


def test_a_reason_is_short() -> None:
    assert len(write(Endpoint(NoAnswerError("x" * 999)))[1]) == 300
    assert len(write(Endpoint(error("Odd", message="x" * 999)))[1]) == 300


def test_append_only_judges_by_the_item_that_stands_and_fails_without_it() -> None:
    stands = {**EXAMPLE_ITEM, "user_id": {"N": "4.2E1"}}
    superseded = error("ConditionalCheckFailedException", Item=stands)
    endpoint, first = Endpoint(superseded), policy(APPEND_ONLY="true")
    assert write(endpoint, first) == SUPERSEDED
    assert endpoint.begun[0].most_bytes == 4_000_000
    other = error("ConditionalCheckFailedException", Item={**stands, "user_id": {"N": "43"}})
    conflict = "another event is stored under its id, and the table is append-only"
    assert write(Endpoint(other), first) == rejected(conflict)
    without = "ConditionalCheckFailedException without the item that is stored"
    assert write(Endpoint(error("ConditionalCheckFailedException")), first) == failed(without)


def states(*versions: int) -> list[dict[str, Any]]:
    return [record({"event_id": f"e{i}", "version": v}, f"m{i}") for i, v in enumerate(versions)]


def test_a_read_saves_the_writes_of_what_is_stored_or_older() -> None:
    memory = Memory()
    core = upsert(memory, **NEWEST, **READ)
    assert invoke(core, *states(1, 2, 3)) == set()
    assert memory.requests == ["BatchGetItem", "PutItem", "PutItem", "PutItem"]
    memory.requests.clear()
    assert invoke(core, *states(1, 1, 4)) == set()
    assert memory.requests == ["BatchGetItem", "PutItem"]
    assert memory.items["e1"]["version"] == {"N": "2"}
    assert memory.items["e2"]["version"] == {"N": "4"}


def test_a_read_asks_for_a_hundred_ids_at_most_and_only_for_those_with_a_version() -> None:
    memory = Memory()
    unversioned = record({"event_id": "none"})
    assert invoke(upsert(memory, **NEWEST, **READ), unversioned, *states(*range(150))) == set()
    assert memory.requests.count("BatchGetItem") == 2
    assert memory.requests.count("PutItem") == 151


@pytest.mark.parametrize(
    "attribute", [{"NULL": True}, {"S": "yesterday"}, {"L": []}, {"B": "QQ=="}]
)
def test_a_stored_version_that_is_none_settles_nothing(attribute: dict[str, Any]) -> None:
    memory = Memory()
    memory.items["e0"] = {"event_id": {"S": "e0"}, "version": attribute}
    invoke(upsert(memory, **NEWEST, **READ), *states(1))
    assert memory.requests == ["BatchGetItem", "PutItem"]


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
def test_whatever_a_read_does_not_tell_is_written(
    capsys: pytest.CaptureFixture[str], reply: Reply
) -> None:
    endpoint = Endpoint(reply, error("ConditionalCheckFailedException"))
    assert invoke(upsert(endpoint, **NEWEST, **READ), *states(1)) == set()
    asked = [(each.target.partition(".")[2], each.most_bytes) for each in endpoint.begun]
    assert asked == [("BatchGetItem", 32_000_000), ("PutItem", 4_000_000)]
    assert capsys.readouterr().out.count("\n") == 1  # the counts


@pytest.mark.parametrize("more", [{}, FIRST])
def test_a_read_is_no_precondition(more: dict[str, str]) -> None:
    memory = Memory()
    assert invoke(upsert(memory, **READ, **more), *states(1)) == set()
    assert memory.requests == ["PutItem"]
