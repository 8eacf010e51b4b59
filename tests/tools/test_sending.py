"""What goes into a request, what is sent again, and what is told of each message."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import sending
from tools.aws import CONNECTIONS, emulator_session
from tools.errors import ToolError
from tools.event import MESSAGE_BYTES, UnsendableError, message_body
from tools.sending import ATTEMPTS, Message, Sender, batches

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
SECONDS = 60.0
Fail = Callable[[str, int], dict[str, Any] | None]


def _fine(_: str, __: int) -> None:
    """Refuse nothing."""


class _Sqs:
    """Answers SendMessageBatch: `fail` says how each message fares on its nth attempt."""

    def __init__(self, fail: Fail = _fine) -> None:
        self.fail = fail
        self.requests: list[list[str]] = []
        self._lock = threading.Lock()

    def __call__(self, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        asked = json.loads(params["body"])
        assert asked["QueueUrl"] == URL
        with self._lock:
            self.requests.append([entry["MessageBody"] for entry in asked["Entries"]])
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in asked["Entries"]:
                body = entry["MessageBody"]
                if failure := self.fail(body, sum(body in one for one in self.requests)):
                    answer["Failed"].append({"Id": entry["Id"], **failure})
                else:
                    answer["Successful"].append({"Id": entry["Id"], "MessageId": f"id {body}"})
        return _answered({name: entries for name, entries in answer.items() if entries})


def _answered(answer: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return SimpleNamespace(status_code=200), answer


def _sender(sqs: Any) -> Sender:
    session = emulator_session("us-east-1")
    session.events.register("before-call.sqs.SendMessageBatch", sqs)
    return Sender(URL, session)


def _message(body: str) -> Message:
    return Message(f"message {body[:9]}", lambda: message_body(body))


def _fates(sqs: Any, bodies: list[str]) -> list[str]:
    return [str(fate) for _, fate in _sender(sqs).send(map(_message, bodies))]


BUSY = {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
SLOW_DOWN = {"SenderFault": True, "Code": "KmsThrottled", "Message": "slow down"}
AT_FAULT = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "bad"}
REFUSED = "SQS refused it: bad (InvalidMessageContents)"
THREE = ["body 1", "body 2", "body 3"]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_PAUSE_SECONDS", 0.0)


def _packed(bodies: list[str]) -> list[list[str]]:
    return [[str(body) for _, body in batch] for batch in batches(map(_message, bodies))]


def test_a_request_has_at_most_ten_messages() -> None:
    bodies = [str(number) for number in range(25)]
    assert _packed(bodies) == [bodies[:10], bodies[10:20], bodies[20:]]
    assert _packed([]) == []


def test_a_request_has_at_most_one_mebibyte_in_utf8() -> None:
    half = "é" * (MESSAGE_BYTES // 4)
    assert [len(each) for each in _packed([half, half, "x", half])] == [2, 2]
    assert [len(each) for each in _packed(["x" * MESSAGE_BYTES, "x"])] == [1, 1]


def test_a_request_is_ready_as_soon_as_it_is_full() -> None:
    def endless() -> Iterator[Message]:
        yield from map(_message, "0123456789")
        raise AssertionError("it asked for more before it sent the first ten")

    assert len(next(batches(endless()))) == 10


def test_a_thousand_messages_without_a_body_do_not_gather() -> None:
    assert [len(batch) for batch in batches(_message("") for _ in range(1000))] == [10] * 100


def test_fates_are_in_the_order_of_the_messages_whatever_is_refused() -> None:
    expected = [f"id {number}" for number in range(25)]
    expected[7] = REFUSED
    sqs = _Sqs(lambda body, attempt: AT_FAULT if body == "7" else None)
    assert _fates(sqs, [*map(str, range(25)), ""]) == [
        *expected,
        "has 0 bytes, SQS takes 1 to 1048576",
    ]


@pytest.mark.parametrize("failure", [BUSY, SLOW_DOWN], ids=str)
def test_what_may_pass_is_sent_again_alone(failure: dict[str, Any]) -> None:
    sqs = _Sqs(lambda body, attempt: failure if body == "body 2" and attempt < 3 else None)
    assert _fates(sqs, THREE) == [f"id {body}" for body in THREE]
    assert sqs.requests == [THREE, ["body 2"], ["body 2"]]


def test_a_message_at_fault_is_reported_and_not_sent_again() -> None:
    sqs = _Sqs(lambda body, attempt: AT_FAULT if body == "body 2" else None)
    assert _fates(sqs, THREE) == ["id body 1", REFUSED, "id body 3"]
    assert sqs.requests == [THREE]


def test_a_message_that_keeps_failing_is_named_after_so_many_attempts() -> None:
    sqs = _Sqs(lambda body, attempt: BUSY if body == "body 3" else None)
    words = r"^message body 3 was not sent: SQS refused it: busy \(InternalError\)\.$"
    with pytest.raises(ToolError, match=words):
        _fates(sqs, THREE)
    assert sqs.requests == [THREE, *[["body 3"]] * (ATTEMPTS - 1)]


def test_what_an_answer_does_not_name_is_not_sent() -> None:
    with pytest.raises(ToolError, match=r"^message a was not sent: SQS did not answer\.$"):
        _fates(lambda **_: _answered({}), ["a"])


def _error(code: str) -> ClientError:
    told: Any = {"Error": {"Code": code, "Message": "words"}}
    return ClientError(told, "SendMessageBatch")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            _error("AWS.SimpleQueueService.NonExistentQueue"),
            "There is no such queue: pass what `pulumi stack output queueUrl` prints.",
        ),
        (_error("AccessDenied"), "AWS refuses sqs:SendMessage, which this needs: words"),
        (_error("Odd"), "AWS refused SendMessageBatch: words (Odd)"),
        (
            NoCredentialsError(),
            "Unable to locate credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY.",
        ),
    ],
)
def test_what_the_whole_request_is_refused_for_is_told(error: Exception, reason: str) -> None:
    def refuse(**_: Any) -> None:
        raise error

    with pytest.raises(ToolError) as told:
        _fates(refuse, THREE)
    assert str(told.value) == reason


@pytest.mark.parametrize("end", [OSError("the disk is gone"), KeyboardInterrupt()], ids=str)
def test_an_end_of_the_messages_comes_after_what_is_under_way_and_begins_no_more(
    end: BaseException,
) -> None:
    begun, go = threading.Semaphore(0), threading.Event()
    ended: list[str] = []

    def slow(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        begun.release()
        assert go.wait(SECONDS)
        entries = json.loads(params["body"])["Entries"]
        ended.extend(entry["MessageBody"] for entry in entries)
        return _answered({"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries]})

    def messages() -> Iterator[Message]:
        yield from map(_message, map(str, range(10 * CONNECTIONS + 10)))
        for _ in range(CONNECTIONS):
            assert begun.acquire(timeout=SECONDS)
        threading.Timer(0.1, go.set).start()
        raise end

    with pytest.raises(type(end)):
        list(_sender(slow).send(messages()))
    assert sorted(map(int, ended)) == list(range(10 * CONNECTIONS))


@settings(max_examples=10, deadline=None)  # each starts the sender's threads
@given(st.sets(st.integers(0, 599), max_size=4))
def test_a_message_is_yielded_once_it_and_all_before_it_are_done(refused: set[int]) -> None:
    sqs = _Sqs(lambda body, attempt: AT_FAULT if int(body) in refused else None)
    fates = [fate for _, fate in _sender(sqs).send(map(_message, map(str, range(600))))]
    assert [isinstance(fate, UnsendableError) for fate in fates] == [
        number in refused for number in range(600)
    ]
    assert sorted(int(body) for request in sqs.requests for body in request) == [*range(600)]


def test_a_pause_ends_when_the_generator_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_PAUSE_SECONDS", SECONDS)
    second = threading.Event()

    def sqs(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        entries = json.loads(params["body"])["Entries"]
        if entries[0]["MessageBody"] == "10":
            second.set()
            return _answered({"Failed": [{"Id": each["Id"], **BUSY} for each in entries]})
        assert second.wait(SECONDS)
        return _answered({"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries]})

    fates = _sender(sqs).send(map(_message, map(str, range(20))))
    assert next(fates)[1] == "m"
    began = time.monotonic()
    fates.close()
    assert time.monotonic() - began < SECONDS / 4


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (URL, "us-east-1"),
        ("https://sqs.eusc-de-east-1.amazonaws.eu/1/q", "eusc-de-east-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1"),
    ],
)
def test_the_region_is_the_queues(url: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Session(boto3.Session):
        def __init__(self, **options: Any) -> None:
            asked.append(options["region_name"])
            super().__init__(**options)

    monkeypatch.setattr(boto3, "Session", Session)
    Sender(url)
    assert asked == [region]
