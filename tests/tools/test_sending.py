"""What goes into a request, what is sent again, and what is told when a message is not sent."""

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import load as sending
from tools.aws import client, emulator_session
from tools.errors import ToolError
from tools.event import MESSAGE_BYTES
from tools.load import ATTEMPTS, batches, send_messages

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


def _sent(sqs: Any, bodies: list[str]) -> list[str]:
    session = emulator_session("us-east-1")
    session.events.register("before-call.sqs.SendMessageBatch", sqs)
    return [*send_messages(client(session, "sqs"), URL, bodies)]


BUSY = {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
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
    made = [*batches(bodies)]
    assert [body for batch in made for body in batch] == bodies
    assert [len(batch) for batch in made] == sizes


def test_what_failed_is_sent_again_alone() -> None:
    sqs = _Sqs(lambda body, attempt: BUSY if body == "body 2" and attempt < 3 else None)
    assert _sent(sqs, BODIES) == ["id body 1", "id body 2", "id body 3"]
    assert sqs.requests == [BODIES, ["body 2"], ["body 2"]]


def test_a_message_that_keeps_failing_ends_it_after_so_many_attempts() -> None:
    sqs = _Sqs(lambda body, attempt: BUSY if body == "body 3" else None)
    with pytest.raises(ToolError, match=r"^A message was not sent: busy \(InternalError\)\.$"):
        _sent(sqs, BODIES)
    assert sqs.requests == [BODIES, *[["body 3"]] * (ATTEMPTS - 1)]


def test_what_an_answer_does_not_name_is_not_sent() -> None:
    with pytest.raises(ToolError, match=r"^A message was not sent: SQS did not answer\.$"):
        _sent(lambda **_: _answered({}), ["a"])


def _error(code: str) -> ClientError:
    told: Any = {"Error": {"Code": code, "Message": "words"}}
    return ClientError(told, "SendMessageBatch")


@settings(max_examples=10, deadline=None)  # each starts the threads
@given(st.sets(st.integers(0, 1499), max_size=4))
def test_each_message_is_sent_once_and_its_id_told_in_order(busy: set[int]) -> None:
    sqs = _Sqs(lambda body, attempt: BUSY if int(body) in busy and attempt == 1 else None)
    assert _sent(sqs, [*map(str, range(1500))]) == [f"id {number}" for number in range(1500)]
    again = [body for request in sqs.requests for body in request]
    assert sorted(map(int, again)) == sorted([*range(1500), *busy])
