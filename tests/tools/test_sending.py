"""What goes into a request, what is sent again, and what is told of each message."""

import json
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import sending
from tools.aws import emulator_session
from tools.errors import ToolError
from tools.event import MESSAGE_BYTES, UnsendableError
from tools.sending import ATTEMPTS, Message, Sender, batches

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
Fail = Callable[[str, int], dict[str, Any] | None]
Answer = tuple[Any, dict[str, Any]]


class _Sqs:
    """Answers SendMessageBatch: `fail` says how each message fares on its nth attempt."""

    def __init__(self, fail: Fail) -> None:
        self.fail = fail
        self.requests: list[list[str]] = []
        self._lock = threading.Lock()

    def __call__(self, params: dict[str, Any], **_: Any) -> Answer:
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


def _answered(answer: dict[str, Any]) -> Answer:
    return SimpleNamespace(status_code=200), answer


def _messages(*bodies: object) -> list[Message]:
    return [Message(f"message {body}"[:16], str(body)) for body in bodies]


def _fates(sqs: Any, messages: list[Message]) -> list[str]:
    session = emulator_session("us-east-1")
    session.events.register("before-call.sqs.SendMessageBatch", sqs)
    return [str(fate) for _, fate in Sender(URL, session).send(messages)]


BUSY = {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
SLOW_DOWN = {"SenderFault": True, "Code": "KmsThrottled", "Message": "slow down"}
AT_FAULT = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "bad"}
REFUSED = "SQS refused it: bad (InvalidMessageContents)"
THREE = _messages("body 1", "body 2", "body 3")
IDS = ["id body 1", "id body 2", "id body 3"]
BODIES = ["body 1", "body 2", "body 3"]
HALF = "é" * (MESSAGE_BYTES // 4)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("bodies", "sizes"),
    [
        ([], []),
        (["x"] * 25, [10, 10, 5]),
        ([HALF, HALF, "x", HALF], [2, 2]),
        (["x" * MESSAGE_BYTES, "x"], [1, 1]),
    ],
)
def test_a_request_has_at_most_ten_messages_and_one_mebibyte(
    bodies: list[str], sizes: list[int]
) -> None:
    made = [*batches(_messages(*bodies))]
    assert [message for batch in made for message in batch] == _messages(*bodies)
    assert [len(batch) for batch in made] == sizes


def test_a_request_is_ready_as_soon_as_it_is_full_also_of_what_cannot_be_sent() -> None:
    def endless() -> Iterator[Message]:
        yield from (Message("m", UnsendableError("no")) for _ in range(10))
        raise AssertionError("it asked for more before it sent the first ten")

    assert len(next(batches(endless()))) == 10


@pytest.mark.parametrize(
    ("fail", "fates", "requests"),
    [
        (None, IDS, [BODIES]),
        (lambda attempt: BUSY if attempt < 3 else None, IDS, [BODIES, ["body 2"], ["body 2"]]),
        (lambda attempt: SLOW_DOWN if attempt < 2 else None, IDS, [BODIES, ["body 2"]]),
        (lambda attempt: AT_FAULT, [IDS[0], REFUSED, IDS[2]], [BODIES]),
    ],
    ids=["all is well", "busy", "throttled by KMS", "at fault"],
)
def test_what_may_pass_is_sent_again_alone_and_what_may_not_is_reported(
    fail: Callable[[int], Any] | None, fates: list[str], requests: list[list[str]]
) -> None:
    sqs = _Sqs(lambda body, attempt: fail(attempt) if fail and body == "body 2" else None)
    assert _fates(sqs, THREE) == fates
    assert sqs.requests == requests


def test_a_message_that_keeps_failing_is_named_after_so_many_attempts() -> None:
    sqs = _Sqs(lambda body, attempt: BUSY if body == "body 3" else None)
    words = r"^message body 3 was not sent: SQS refused it: busy \(InternalError\)\.$"
    with pytest.raises(ToolError, match=words):
        _fates(sqs, THREE)
    assert sqs.requests == [BODIES, *[["body 3"]] * (ATTEMPTS - 1)]


def test_what_an_answer_does_not_name_is_not_sent() -> None:
    with pytest.raises(ToolError, match=r"^message a was not sent: SQS did not answer\.$"):
        _fates(lambda **_: _answered({}), _messages("a"))


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


@settings(max_examples=10, deadline=None)  # each starts the sender's threads
@given(st.sets(st.integers(0, 1499), max_size=4))
def test_each_message_is_sent_once_and_its_fate_told_in_order(refused: set[int]) -> None:
    sqs = _Sqs(lambda body, attempt: AT_FAULT if int(body) in refused else None)
    expected = [REFUSED if number in refused else f"id {number}" for number in range(1500)]
    assert _fates(sqs, _messages(*range(1500))) == expected
    assert sorted(int(body) for request in sqs.requests for body in request) == [*range(1500)]


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
