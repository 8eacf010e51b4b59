"""Managed retries: what failed waits by its receive count, what was rejected is put aside."""

from typing import Any

import pytest

from function.request import Answer, Request
from tests.function.batches import EXAMPLE, MANAGED, NEWEST, deliver, invoke, record
from tests.function.memory import Memory, Reply, Step, error, ok, replying, upsert

BROKEN, NO_NUMBER = '{"event_id": "evt-1", "x": NaN}', "NaN is not a JSON number"
BROKEN_MD5 = "44f6a5e091edee893d9ef20edb9602e3"
DOWN = replying(error("InternalServerError", 500))
WAITING = "failed messages keep the queue's visibility timeout"
COMING_AGAIN = "rejected messages come again, SQS confirmed no dead letter"


def split(table: Step, queue: Step) -> Step:
    """Let one answer for DynamoDB, and another for SQS."""
    return lambda request: (table if request.service == "dynamodb" else queue)(request)


def test_a_failed_message_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = {1: 30, 2: 60, 3: 120, 5: 480, 6: 900, 30: 900, 999: 900}
    records = [record({"event_id": str(each)}, str(each), each) for each in longest]
    for choose, part in ((min, 0.5), (max, 1)):
        monkeypatch.setattr("random.uniform", lambda *ends, choose=choose: choose(ends))
        memory = Memory()
        assert len(invoke(upsert(split(DOWN, memory), **MANAGED), *records)) == len(longest)
        waits = {f"handle of {each}": part * seconds for each, seconds in longest.items()}
        assert memory.pauses == waits


def test_ten_messages_wait_by_one_call_and_none_that_was_stored_does() -> None:
    memory = Memory()

    def answer(request: Request) -> Answer:
        return (DOWN if b'"odd' in request.body else memory)(request)

    ids = [f"{kind}-{number}" for number in range(21) for kind in ("odd", "even")]
    failed = invoke(upsert(answer, **MANAGED), *(record({"event_id": each}, each) for each in ids))
    assert failed == {f"odd-{number}" for number in range(21)}
    assert memory.pauses.keys() == {f"handle of {each}" for each in failed}
    assert memory.requests.count("ChangeMessageVisibilityBatch") == 3


OTHERWISE = "another message than it was sent"
CONFIRMED = ok({"Successful": [{"Id": each} for each in "012"], "MD5OfMessageBody": BROKEN_MD5})
ODD = [{"Id": each, "Code": "InternalError"} for each in "12"]


@pytest.mark.parametrize(
    ("reply", "waiting", "letter"),
    [
        (OSError("late"), ["no answer from SQS: late"], "no answer from SQS: late"),
        (error("AccessDenied", 403), ["AccessDenied"], "AccessDenied"),
        (CONFIRMED._replace(request_id=""), ["no request id"], "no request id"),
        (CONFIRMED._replace(status=202), ["status 202"], "status 202"),
        (CONFIRMED, [], OTHERWISE),
        (
            ok({"Failed": ODD, "MD5OfMessageBody": "0"}),
            ["InternalError", "not confirmed"],
            OTHERWISE,
        ),
        (ok([]), ["not confirmed"], OTHERWISE),
    ],
)
def test_what_sqs_does_not_confirm_changes_nothing_and_is_told_once(
    reply: Reply, waiting: list[str], letter: str
) -> None:
    core = upsert(split(DOWN, replying(reply)), **MANAGED)
    failing = (record({"event_id": each}, each) for each in "abc")
    told = deliver(core, record(BROKEN, "rejected"), *failing)
    assert told.failed == {"rejected", *"abc"}
    troubles = [*(f"{WAITING}: {each}" for each in waiting), f"{COMING_AGAIN}: {letter}"]
    assert told.reasons == [*troubles, NO_NUMBER, *["InternalServerError: because"] * 3]
    levels = ["WARN"] * len(troubles)
    assert [line["level"] for line in told.lines] == [*levels, "ERROR", *["WARN"] * 3]


def texts(values: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"DataType": "String", "StringValue": each} for name, each in values.items()}


def test_a_rejected_message_is_put_aside_as_it_was_sent_with_the_reason() -> None:
    memory, rejected = Memory(), record(BROKEN, "m-1")
    rejected["messageAttributes"] = {
        "trace": {"stringValue": "1-2", "stringListValues": [], "dataType": "String"},
        "raw": {"binaryValue": "AAH/", "binaryListValues": [], "dataType": "Binary.gz"},
        "Size": {"stringValue": "17", "dataType": "Number"},
    }
    told = deliver(upsert(memory, **MANAGED), rejected, record(EXAMPLE))
    assert (told.failed, told.reasons) == (set(), [NO_NUMBER])
    assert told.counts == {"Written": 1, "Rejected": 1}
    ours = {"reason": NO_NUMBER, "sourceMessageId": "m-1", "sentTimestamp": "1743296400000"}
    attributes = {
        "raw": {"DataType": "Binary.gz", "BinaryValue": "AAH/"},
        "Size": {"DataType": "Number", "StringValue": "17"},
        **texts({"trace": "1-2", **ours}),
    }
    assert memory.letters == [{"body": BROKEN, "attributes": attributes}]


REFUSED = {"event_id": "a", "poison": 1}
OURS = {
    "reason": "ValidationException: Item size has exceeded",
    "sourceMessageId": "m",
    "sentTimestamp": "1743296400000",
    "eventId": "a",
}
THEIRS = {"eventId": "theirs", "reason": "theirs"}
FORM = (
    'version has the form "??", 9 for a digit, a for a letter; send a JSON number or an RFC 3339'
    " timestamp in UTC such as 2025-03-30T01:00:00.5Z"
)
NO_JSON = "body is not JSON: Expecting value: line 1 column 1 (char 0)"
ROOM = 1_048_576 - len(f"reasonString{NO_JSON}")  # for a body beside its reason


def without(*names: str) -> dict[str, str]:
    return {name: each for name, each in OURS.items() if name not in names}


def beside(theirs: dict[str, str], body: object = REFUSED) -> dict[str, Any]:
    """Make a record with attributes of its producer."""
    given = {name: {"stringValue": each, "dataType": "String"} for name, each in theirs.items()}
    return {**record(body, "m"), "messageAttributes": given}


@pytest.mark.parametrize(
    ("rejected", "told"),
    [
        (record(REFUSED, "m"), OURS),
        (record(REFUSED, "m") | {"attributes": {}}, without("sentTimestamp")),
        (record(REFUSED | {"event_id": "a\x00b"}, "m"), without("eventId")),
        (record(REFUSED | {"event_id": "a\tb🎉"}, "m"), OURS | {"eventId": "a\tb🎉"}),
        (record({"event_id": "a", "version": "\x00\ufffe"}, "m"), OURS | {"reason": FORM}),
        (record("x" * 1_048_576, "m"), {}),
        (record("x" * ROOM, "m"), {"reason": NO_JSON}),
        (record("x" * (ROOM + 1), "m"), without("reason", "eventId")),
        (beside(THEIRS, BROKEN), OURS | THEIRS | {"reason": NO_NUMBER}),
        *(
            (beside(theirs), dict([*theirs.items(), *OURS.items()][:10]))
            for theirs in ({f"a{place}": "x" for place in range(many)} for many in (7, 8, 9, 10))
        ),
    ],
)
def test_a_letter_tells_what_it_can(rejected: dict[str, Any], told: dict[str, str]) -> None:
    memory = Memory()
    assert invoke(upsert(memory, **MANAGED, **NEWEST), rejected) == set()
    assert memory.letters[0]["attributes"] == texts(told)


def test_a_message_without_a_body_or_a_receive_count_is_reported_as_before() -> None:
    memory = Memory()
    core = upsert(split(DOWN, memory), **MANAGED)
    assert invoke(core, {"messageId": "m"}, record(EXAMPLE, "n") | {"attributes": {}}) == {"m", "n"}
    assert (memory.letters, len(memory.pauses)) == ([], 1)
    assert 15 <= memory.pauses["handle of n"] <= 30


def test_without_managed_retries_sqs_is_never_asked() -> None:
    half: list[dict[str, str]] = [{}, {"QUEUE_URL": "x"}, {"DEAD_LETTER_QUEUE_URL": "x"}]
    for urls in half:
        memory = Memory()
        assert invoke(upsert(memory, **urls), record(BROKEN, "m"), record(EXAMPLE)) == {"m"}
        assert memory.requests == ["PutItem"]
