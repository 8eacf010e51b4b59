"""The library: what it packs into a request, what it sends again, and what it reports."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.parsers import ResponseParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.aws import CONNECTIONS, emulator_session
from tools.load import Failed, Producer, Result, Sent
from tools.load import client as load_client
from tools.load.client import ATTEMPTS, batches
from tools.load.message import MESSAGE_BYTES, UnsendableError, message_body

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
SECONDS = 60.0
Fail = Callable[[str, int], dict[str, Any] | Exception | None]


class _Sqs:
    """Answers SendMessageBatch: `fail` says how each message fares on its nth attempt."""

    def __init__(self, fail: Fail = lambda body, attempt: None) -> None:
        self.fail = fail
        self.requests: list[list[str]] = []
        self.arrived: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        asked = json.loads(params["body"])
        assert asked["QueueUrl"] == URL
        with self._lock:
            bodies = [entry["MessageBody"] for entry in asked["Entries"]]
            self.requests.append(bodies)
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in asked["Entries"]:
                body = entry["MessageBody"]
                failure = self.fail(body, sum(body in one for one in self.requests))
                if isinstance(failure, Exception):
                    raise failure
                if failure:
                    answer["Failed"].append({"Id": entry["Id"], **failure})
                else:
                    self.arrived.append(body)
                    answer["Successful"].append({"Id": entry["Id"], "MessageId": f"id {body}"})
        return _answered({name: entries for name, entries in answer.items() if entries})


def _answered(answer: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return SimpleNamespace(status_code=200), answer


def _producer(sqs: Any) -> Producer:
    session = emulator_session("us-east-1")
    session.events.register("before-call.sqs.SendMessageBatch", sqs)
    return Producer(URL, session)


def _error(code: str, status: int, message: str = "") -> ClientError:
    told: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(told, "SendMessageBatch")


BUSY = {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
SLOW_DOWN = {"SenderFault": True, "Code": "KmsThrottled", "Message": "slow down"}
AT_FAULT = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "bad"}
PASSING = [
    BUSY,
    SLOW_DOWN,
    _error("RequestThrottled", 403),
    _error("ServiceUnavailable", 503),
    ConnectionClosedError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL, error="refused"),
    ResponseParserError("garbled"),
]
THREE = ["body 1", "body 2", "body 3"]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_client, "LONGEST_PAUSE_SECONDS", 0.0)


def _packed(bodies: list[str]) -> list[list[str]]:
    return [[event for event, _ in batch] for batch in batches(bodies, lambda body: body)]


def test_a_request_has_at_most_ten_messages() -> None:
    bodies = [str(number) for number in range(25)]
    assert _packed(bodies) == [bodies[:10], bodies[10:20], bodies[20:]]


def test_a_request_has_at_most_one_mebibyte_in_utf8() -> None:
    half = "é" * (MESSAGE_BYTES // 4)
    assert [len(each) for each in _packed([half, half, "x", half])] == [2, 2]
    assert [len(each) for each in _packed(["x" * MESSAGE_BYTES, "x"])] == [1, 1]


def test_nothing_to_send_is_no_request() -> None:
    assert _packed([]) == []


def test_a_request_is_ready_as_soon_as_it_is_full() -> None:
    def endless() -> Iterator[str]:
        yield from map(str, range(10))
        raise AssertionError("it asked for more before it sent the first ten")

    assert len(next(batches(endless(), lambda body: body))) == 10


def test_a_thousand_events_without_a_body_do_not_gather() -> None:
    def refuse(event: int) -> str:
        raise UnsendableError("no")

    assert [len(batch) for batch in batches(range(1000), refuse)] == [10] * 100


def test_results_are_in_the_order_of_the_events_whatever_fails() -> None:
    events: list[Any] = [*map(str, range(25)), "", {"event_id": "a"}, {"event_id": {1}}]
    expected: list[Result] = [Sent(f"id {number}") for number in range(25)]
    expected[7] = Failed("SQS refused it: bad (InvalidMessageContents)", is_final=True)
    sqs = _Sqs(lambda body, attempt: AT_FAULT if body == "7" else None)
    assert _producer(sqs).send(events) == [
        *expected,
        Failed("has 0 bytes, SQS takes 1 to 1048576", is_final=True),
        Sent('id {"event_id":"a"}'),
        Failed("holds a set that JSON has no form for", is_final=True),
    ]


@pytest.mark.parametrize("failure", PASSING, ids=str)
def test_what_may_pass_is_sent_again_alone(failure: dict[str, Any] | Exception) -> None:
    sqs = _Sqs(lambda body, attempt: failure if body == "body 2" and attempt < 3 else None)
    assert _producer(sqs).send(THREE) == [Sent(f"id {body}") for body in THREE]
    # An error of the whole request leaves open what arrived; an entry's does not.
    again = THREE if isinstance(failure, Exception) else ["body 2"]
    assert sqs.requests == [THREE, again, again]


def test_a_message_at_fault_is_reported_and_not_sent_again() -> None:
    sqs = _Sqs(lambda body, attempt: AT_FAULT if body == "body 2" else None)
    refused = Failed("SQS refused it: bad (InvalidMessageContents)", is_final=True)
    assert _producer(sqs).send(THREE) == [Sent("id body 1"), refused, Sent("id body 3")]
    assert sqs.requests == [THREE]


def test_a_message_that_keeps_failing_is_reported_after_so_many_attempts() -> None:
    sqs = _Sqs(lambda body, attempt: BUSY if body == "body 3" else None)
    failed = Failed("SQS refused it: busy (InternalError)", is_final=False)
    assert _producer(sqs).send(THREE) == [Sent("id body 1"), Sent("id body 2"), failed]
    assert len(sqs.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            _error("AWS.SimpleQueueService.NonExistentQueue", 400),
            f"There is no queue {URL}: pass what `pulumi stack output queueUrl` prints.",
        ),
        (
            _error("AccessDenied", 403, "not authorized"),
            "AWS refuses sqs:SendMessage, which this needs: not authorized",
        ),
        (_error("Odd", 400, "words"), "AWS refused SendMessageBatch: words (Odd)"),
        (
            NoCredentialsError(),
            "Unable to locate credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY.",
        ),
    ],
)
def test_what_will_not_pass_is_not_tried_again(error: Exception, reason: str) -> None:
    sqs = _Sqs(lambda body, attempt: error)
    assert _producer(sqs).send(THREE) == [Failed(reason, is_final=False)] * 3
    assert len(sqs.requests) == 1


def test_what_an_answer_does_not_name_is_not_sent() -> None:
    silent = _producer(lambda **_: _answered({}))
    assert silent.send(["a"]) == [Failed("SQS did not answer", is_final=False)]


@settings(max_examples=25, deadline=None)  # each starts the producer's threads
@given(st.randoms(use_true_random=False))
def test_everything_is_sent_exactly_as_reported(random: Any) -> None:
    bodies = [str(number) for number in range(40)]
    at_fault = set(random.sample(bodies, 3))
    fates = {body: [random.choice([None, *PASSING]) for _ in range(ATTEMPTS)] for body in bodies}

    sqs = _Sqs(lambda body, attempt: AT_FAULT if body in at_fault else fates[body][attempt - 1])
    results = dict(zip(bodies, _producer(sqs).send(bodies), strict=True))
    assert {body for body, result in results.items() if isinstance(result, Sent)} <= {*sqs.arrived}
    for body, result in results.items():
        attempts = sum(body in request for request in sqs.requests)
        if isinstance(result, Failed):
            assert attempts == ATTEMPTS or (result.is_final and body in at_fault)
        else:
            # It comes twice only where the answer to a whole request was lost.
            assert sqs.arrived.count(body) <= attempts


@pytest.mark.parametrize("end", [OSError("the disk is gone"), KeyboardInterrupt()], ids=str)
def test_an_end_of_the_events_comes_after_what_is_under_way_and_begins_no_more(
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

    def events() -> Iterator[str]:
        yield from map(str, range(10 * CONNECTIONS + 10))
        for _ in range(CONNECTIONS):
            assert begun.acquire(timeout=SECONDS)
        threading.Timer(0.1, go.set).start()
        raise end

    with pytest.raises(type(end)):
        list(_producer(slow).stream(events(), message_body))
    assert sorted(map(int, ended)) == list(range(10 * CONNECTIONS))


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 599), max_size=4))
def test_an_event_is_yielded_once_it_and_all_before_it_are_done(fails: set[int]) -> None:
    sqs = _Sqs(lambda body, attempt: AT_FAULT if int(body) in fails else None)
    place = 0
    for event, result in _producer(sqs).stream(map(str, range(600)), message_body):
        assert event == str(place)
        assert isinstance(result, Sent) == (place not in fails)
        place += 1
    assert place == 600


def test_a_pause_ends_when_the_stream_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_client, "LONGEST_PAUSE_SECONDS", SECONDS)
    monkeypatch.setattr(load_client, "FIRST_PAUSE_SECONDS", SECONDS)
    second = threading.Event()

    def sqs(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        entries = json.loads(params["body"])["Entries"]
        if entries[0]["MessageBody"] == "10":
            second.set()
            return _answered({"Failed": [{"Id": each["Id"], **BUSY} for each in entries]})
        assert second.wait(SECONDS)
        return _answered({"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries]})

    stream = _producer(sqs).stream(map(str, range(20)), message_body)
    assert next(stream) == ("0", Sent("m"))
    began = time.monotonic()
    stream.close()
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
    Producer(url)
    assert asked == [region]
