"""Managed retries: what failed waits by its receive count, what was rejected is put aside."""

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from function.queue import md5_of_attributes
from function.request import Answer, NoAnswerError, Request
from tests.function.batches import EXAMPLE, invoke, record
from tests.function.memory import MANAGED, NEWEST, Driver, Memory, error, ok, upsert

BROKEN = '{"event_id": "evt-1", "x": NaN}'
NO_NUMBER = "NaN is not a JSON number"


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def failing(memory: Memory, code: str = "InternalServerError") -> Driver:
    """Make a loop on which no write is stored, while the calls to SQS are answered."""
    return Driver(
        lambda request: error(code, 500) if request.service == "dynamodb" else memory(request)
    )


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[Any], list[Any]]:
    """Return the lines of single messages, and the others but for the counts."""
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()][:-1]
    return (
        [each for each in said if "messageId" in each],
        [each for each in said if "messageId" not in each],
    )


@pytest.mark.parametrize(
    ("received", "longest"), [(1, 30), (2, 60), (3, 120), (5, 480), (6, 900), (30, 900), (999, 900)]
)
def test_a_failed_message_waits_longer_each_time(
    monkeypatch: pytest.MonkeyPatch, received: int, longest: int
) -> None:
    for dice, seconds in ((0.0, longest / 2), (1.0, longest)):
        monkeypatch.setattr("random.random", lambda dice=dice: dice)
        monkeypatch.setattr(
            "function.queue.random.uniform", lambda low, high, dice=dice: low + (high - low) * dice
        )
        memory = Memory()
        core = upsert(failing(memory), **MANAGED)
        assert invoke(core, record(EXAMPLE, "m", received)) == {"m"}
        assert memory.pauses == {"handle of m": seconds}


def test_ten_messages_wait_by_one_call_and_none_that_was_stored_does() -> None:
    memory = Memory()
    driver = Driver(
        lambda request: (
            error("InternalServerError", 500) if b'"odd' in request.body else memory(request)
        )
    )
    records = [
        record({"event_id": f"{'odd' if i % 2 else 'even'}-{i}"}, f"m{i}") for i in range(42)
    ]
    assert len(invoke(upsert(driver, **MANAGED), *records)) == 21
    assert memory.pauses.keys() == {f"handle of m{i}" for i in range(1, 42, 2)}
    calls = [each for each in memory.requests if each == "ChangeMessageVisibilityBatch"]
    assert len(calls) == 3


def test_pauses_that_were_refused_are_told_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    codes = iter(["ReceiptHandleIsInvalid", "InternalError"])

    def answer(request: Request) -> Answer:
        if request.service == "dynamodb":
            return error("InternalServerError", 500)
        failed = [
            {"Id": entry["Id"], "Code": next(codes, "InternalError"), "SenderFault": True}
            for entry in json.loads(request.body)["Entries"]
        ]
        return ok({"Successful": [], "Failed": failed})

    records = [record({"event_id": f"e{i}"}, f"m{i}") for i in range(12)]
    assert len(invoke(upsert(answer, **MANAGED), *records)) == 12
    _, refused = lines(capsys)
    assert [(line["level"], line["reason"]) for line in refused] == [
        ("WARN", f"failed messages keep the queue's visibility timeout: {code}")
        for code in ("InternalError", "ReceiptHandleIsInvalid")
    ]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (NoAnswerError("late"), "no answer from SQS: late"),
        (ok([]), "an answer that is not SQS's"),
        (ok({"Successful": []}), "not confirmed"),
        (ok({"Successful": [{"Id": "0"}]})._replace(request_id=""), "no request id"),
        (error("AccessDenied"), "AccessDenied"),
        (Answer(200, b"<html>", "id"), "an answer that is not SQS's"),
    ],
)
def test_a_pause_that_is_not_confirmed_changes_nothing(
    capsys: pytest.CaptureFixture[str], reply: Answer | Exception, said: str
) -> None:
    def answer(request: Request) -> Answer:
        if request.service == "dynamodb":
            return error("InternalServerError", 500)
        if isinstance(reply, Exception):
            raise reply
        return reply

    assert invoke(upsert(answer, **MANAGED), record(EXAMPLE, "m")) == {"m"}
    (trouble,) = lines(capsys)[1]
    assert trouble["reason"].endswith(f": {said}")


def test_a_rejected_message_is_put_aside_as_it_was_sent_with_the_reason() -> None:
    memory = Memory()
    rejected = record(BROKEN, "m-1")
    rejected["messageAttributes"] = {
        "trace": {"stringValue": "1-2", "stringListValues": [], "dataType": "String"},
        "raw": {"binaryValue": "AAH/", "binaryListValues": [], "dataType": "Binary.gz"},
        "size": {"stringValue": "17", "dataType": "Number"},
    }
    assert invoke(upsert(memory, **MANAGED), rejected, record(EXAMPLE)) == set()
    assert memory.letters == [
        {
            "body": BROKEN,
            "attributes": {
                "trace": text("1-2"),
                "raw": {"DataType": "Binary.gz", "BinaryValue": "AAH/"},
                "size": {"DataType": "Number", "StringValue": "17"},
                "reason": text(NO_NUMBER),
                "sourceMessageId": text("m-1"),
                "sentTimestamp": text("1743296400000"),
            },
        }
    ]
    assert list(memory.items) == ["evt-1001"]


def test_what_the_table_refuses_is_put_aside_with_its_id() -> None:
    memory = Memory()
    assert invoke(upsert(memory, **MANAGED), record({"event_id": "a", "poison": 1})) == set()
    (letter,) = memory.letters
    assert letter["attributes"]["eventId"] == text("a")
    assert letter["attributes"]["reason"]["StringValue"].startswith("ValidationException: Item")


def test_a_conflict_of_an_append_only_table_is_put_aside() -> None:
    memory = Memory()
    core = upsert(memory, APPEND_ONLY="true", **MANAGED)
    states = [record({"event_id": "a", "state": state}) for state in (1, 1.0, 2)]
    assert invoke(core, *states) == set()
    assert [json.loads(letter["body"])["state"] for letter in memory.letters] == [2]
    assert memory.items["a"]["state"] == {"N": "1"}


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        (7, ["reason", "sourceMessageId", "sentTimestamp"]),
        (8, ["reason", "sourceMessageId"]),
        (9, ["reason"]),
        (10, []),
    ],
)
def test_what_does_not_fit_beside_the_producers_attributes_is_left_out(
    given: int, ours: list[str]
) -> None:
    memory = Memory()
    rejected = record({"event_id": "a", "poison": 1})
    names = [f"a{i}" for i in range(given)]
    rejected["messageAttributes"] = {
        name: {"stringValue": "x", "dataType": "String"} for name in names
    }
    assert invoke(upsert(memory, **MANAGED), rejected) == set()
    assert list(memory.letters[0]["attributes"]) == [*names, *ours]


def test_a_producers_attribute_of_our_name_stays_where_ours_is_left_out() -> None:
    memory = Memory()
    rejected = record("{", "m-1")
    rejected["messageAttributes"] = {
        name: {"stringValue": "theirs", "dataType": "String"} for name in ("eventId", "reason")
    }
    assert invoke(upsert(memory, **MANAGED), rejected) == set()
    attributes = memory.letters[0]["attributes"]
    assert attributes["eventId"] == text("theirs")
    assert attributes["reason"]["StringValue"].startswith("body is not JSON")


def test_what_sqs_did_not_tell_of_a_message_is_left_out_and_it_waits_as_if_new() -> None:
    memory = Memory()
    bare = record({"event_id": "a", "poison": 1}, "m") | {"attributes": {}}
    assert invoke(upsert(memory, **MANAGED), bare) == set()
    assert list(memory.letters[0]["attributes"]) == ["reason", "sourceMessageId", "eventId"]
    invoke(upsert(failing(memory), **MANAGED), bare)
    assert 15 <= memory.pauses["handle of m"] <= 30


def test_what_sqs_cannot_hold_is_replaced_in_a_reason_and_an_id_with_it_left_out() -> None:
    memory = Memory()
    invoke(upsert(memory, **MANAGED, **NEWEST), record({"event_id": "a", "version": "\x00\ufffe"}))
    assert ' "??", 9 for a digit' in memory.letters.pop()["attributes"]["reason"]["StringValue"]
    invoke(upsert(memory, **MANAGED), record({"event_id": "a\x00b", "poison": 1}))
    assert "eventId" not in memory.letters[0]["attributes"]
    invoke(upsert(memory, **MANAGED), record({"event_id": "a\tb🎉", "poison": 1}))
    assert memory.letters[1]["attributes"]["eventId"] == text("a\tb🎉")


def test_a_message_of_full_size_is_put_aside_without_what_would_be_too_much() -> None:
    memory = Memory()
    body = "{" + "x" * (1_048_576 - 1)
    assert invoke(upsert(memory, **MANAGED), record(body)) == set()
    assert memory.letters == [{"body": body, "attributes": {}}]


def letter_answers(**changed: object) -> Answer:
    """Make SQS's answer to the letter of BROKEN in message m, changed."""
    memory = Memory()
    answered: list[Answer] = []

    def answer(request: Request) -> Answer:
        answered.append(memory(request))
        return answered[-1]

    invoke(upsert(answer, **MANAGED), record(BROKEN, "m"))
    said = json.loads(answered[0].body) | changed
    return ok(said)._replace(is_checked=False)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (NoAnswerError("late"), "no answer from SQS: late"),
        (error("AccessDenied", 403), "AccessDenied"),
        (letter_answers()._replace(status=202), "status 202"),
        (letter_answers()._replace(request_id=""), "no request id"),
        (letter_answers(MD5OfMessageBody="0"), "another body than it was sent"),
        (letter_answers(MD5OfMessageAttributes=None), "other attributes than it was sent"),
        (Answer(200, b"[]", "id"), "an answer that is not SQS's"),
        (Answer(200, b"<html>", "id"), "an answer that is not SQS's"),
    ],
)
def test_a_letter_that_is_not_confirmed_acknowledges_nothing(
    capsys: pytest.CaptureFixture[str], reply: Answer | Exception, said: str
) -> None:
    def answer(_: Request) -> Answer:
        if isinstance(reply, Exception):
            raise reply
        return reply

    assert invoke(upsert(answer, **MANAGED), record(BROKEN, "m")) == {"m"}
    (rejected,), (trouble,) = lines(capsys)
    assert (rejected["messageId"], rejected["reason"]) == ("m", NO_NUMBER)
    assert trouble["reason"] == (
        f"rejected messages come again, SQS confirmed no dead letter: {said}"
    )


def test_a_confirmed_letter_is_logged_and_counted_as_rejected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    invoke(upsert(Memory(), **MANAGED), record(BROKEN, "m"))
    rejected, counts = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (rejected["outcome"], rejected["messageId"]) == ("rejected", "m")
    assert (counts["Rejected"], counts["Failed"]) == (1, 0)


def test_a_message_without_a_body_is_reported_as_before() -> None:
    bodiless = record({}, "m")
    del bodiless["body"]
    assert invoke(upsert(Memory(), **MANAGED), bodiless) == {"m"}


def test_an_unusable_table_puts_nothing_aside(capsys: pytest.CaptureFixture[str]) -> None:
    memory = Memory()
    message = "Type mismatch for key event_id expected: N actual: S"

    def answer(request: Request) -> Answer:
        if request.service == "dynamodb":
            return error("ValidationException", message=f"{message} {len(request.body)}")
        return memory(request)

    records = [record({"event_id": f"e{10**i}"}, f"m{i}") for i in range(20)]
    assert len(invoke(upsert(answer, **MANAGED), *records)) == 20
    assert memory.letters == []
    (_, (line,)) = lines(capsys)
    assert (line["outcome"], line["messages"]) == ("failed", 20)
    assert message in line["reason"]


@pytest.mark.parametrize("url", [{}, {"QUEUE_URL": "x"}, {"DEAD_LETTER_QUEUE_URL": "x"}])
def test_without_managed_retries_sqs_is_never_asked(url: dict[str, str]) -> None:
    memory = Memory()
    failures = invoke(upsert(memory, **NEWEST, **url), record(BROKEN, "m"), record(EXAMPLE))
    assert failures == {"m"}
    assert memory.requests == ["PutItem"]


def test_the_digest_of_attributes_is_sqss_own() -> None:
    attributes = {
        "reason": text("ä🎉 \t"),
        "a": {"DataType": "Number.int", "StringValue": "-7"},
        "Z": {"DataType": "Binary", "BinaryValue": "AAH/"},
    }
    given: Any = {
        **attributes,
        "Z": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"},
    }
    with mock_aws():
        sqs = boto3.Session("x", "x", region_name="us-east-1").client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=given)
    assert md5_of_attributes(attributes) == sent["MD5OfMessageAttributes"]
