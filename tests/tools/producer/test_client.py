"""The library: what it packs into a request, what it sends again, and what it reports."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

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

from tools.aws import emulator_session
from tools.load import Failed, Producer, Result, Sent
from tools.load import client as load_client
from tools.load.client import ATTEMPTS, REQUESTS_AT_ONCE, batches
from tools.load.errors import UnsendableError
from tools.load.message import MESSAGE_BYTES, message_body

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
SECONDS = 60.0


class _Sqs:
    """Answers SendMessageBatch: `fail` says how each message fares on its nth attempt."""

    def __init__(self, fail: Callable[[str, int], dict[str, Any] | Exception | None]) -> None:
        self.fail = fail
        self.requests: list[list[str]] = []
        self.arrived: list[str] = []
        self._lock = threading.Lock()

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == URL
        with self._lock:
            bodies = [entry["MessageBody"] for entry in Entries]
            self.requests.append(bodies)
            attempts = {body: sum(body in one for one in self.requests) for body in bodies}
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in Entries:
                body = entry["MessageBody"]
                failure = self.fail(body, attempts[body])
                if isinstance(failure, Exception):
                    raise failure
                if failure:
                    answer["Failed"].append({"Id": entry["Id"], **failure})
                else:
                    self.arrived.append(body)
                    answer["Successful"].append({"Id": entry["Id"], "MessageId": f"id {body}"})
            return {name: entries for name, entries in answer.items() if entries}


def _error(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "SendMessageBatch",
    )


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
    monkeypatch.setattr(load_client, "_pause", lambda attempt: 0.0)


@cache
def _connected() -> Producer:
    return Producer(URL, emulator_session("us-east-1"))


def _producer(sqs: Any) -> Producer:
    producer = copy(_connected())
    producer._sqs = sqs
    return producer


def _packed(bodies: list[str]) -> list[list[str]]:
    return [[entry.event for entry in batch] for batch in batches(bodies, lambda body: body)]


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
        for number in range(10):
            yield str(number)
        raise AssertionError("it asked for more before it sent the first ten")

    assert len(next(batches(endless(), lambda body: body))) == 10


def test_a_thousand_events_without_a_body_do_not_gather() -> None:
    def refuse(event: int) -> str:
        raise UnsendableError("no")

    assert [len(batch) for batch in batches(range(1000), refuse)] == [10] * 100


def test_results_are_in_the_order_of_the_events_whatever_fails() -> None:
    sqs = _Sqs(lambda body, attempt: AT_FAULT if body == "7" else None)
    events: list[Any] = [*map(str, range(25)), "", {"event_id": "a"}, {"event_id": {1}}]
    expected: list[Result] = [Sent(f"id {number}") for number in range(25)]
    expected[7] = Failed("SQS refused it: bad (InvalidMessageContents)", is_final=True)
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
            f"AWS refuses sqs:SendMessage on {URL}: not authorized",
        ),
        (_error("Odd", 400, "words"), "SQS refused the request: words (Odd)"),
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
    class Silent:
        def send_message_batch(self, **_: Any) -> dict[str, Any]:
            return {}

    assert _producer(Silent()).send(["a"]) == [Failed("SQS did not answer", is_final=False)]


@settings(max_examples=25, deadline=None)  # each starts the producer's threads
@given(st.randoms(use_true_random=False))
def test_everything_is_sent_exactly_as_reported(random: Any) -> None:
    bodies = [str(number) for number in range(40)]
    at_fault = set(random.sample(bodies, 3))
    fates = {body: [random.choice([None, *PASSING]) for _ in range(ATTEMPTS)] for body in bodies}

    sqs = _Sqs(lambda body, attempt: AT_FAULT if body in at_fault else fates[body][attempt - 1])
    results = dict(zip(bodies, _producer(sqs).send(bodies), strict=True))
    sent = {body for body, result in results.items() if isinstance(result, Sent)}
    assert sent <= set(sqs.arrived)
    for body in bodies:
        attempts = sum(body in request for request in sqs.requests)
        result = results[body]
        if isinstance(result, Failed):
            assert attempts == ATTEMPTS or (result.is_final and body in at_fault)
        else:
            # It comes twice only where the answer to a whole request was lost.
            assert sqs.arrived.count(body) <= attempts


def test_an_error_of_the_events_is_raised_once_those_under_way_have_ended() -> None:
    def events() -> Iterator[str]:
        yield from map(str, range(25))
        raise OSError("the disk is gone")

    sqs = _Sqs(lambda body, attempt: None)
    seen: list[str] = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(event for event, _ in _producer(sqs).stream(events(), message_body))
    assert set(seen) <= set(sqs.arrived)


def test_ctrl_c_yields_what_was_under_way_and_begins_no_more() -> None:
    begun = threading.Semaphore(0)
    go = threading.Event()

    class Slow:
        def send_message_batch(self, Entries: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803
            begun.release()
            go.wait(SECONDS)
            return {"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in Entries]}

    def events() -> Iterator[str]:
        yield from map(str, range(10 * REQUESTS_AT_ONCE + 10))
        for _ in range(REQUESTS_AT_ONCE):
            assert begun.acquire(timeout=SECONDS)
        threading.Timer(0.1, go.set).start()
        raise KeyboardInterrupt

    seen: list[tuple[str, Result]] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(_producer(Slow()).stream(events(), message_body))
    assert seen == [(str(number), Sent("m")) for number in range(10 * REQUESTS_AT_ONCE)]


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
    monkeypatch.setattr(load_client, "_pause", lambda attempt: SECONDS)
    sqs = _Sqs(lambda body, attempt: None if int(body) < 10 else BUSY)
    stream = _producer(sqs).stream(map(str, range(20)), message_body)
    next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < SECONDS / 2


class _Server(ThreadingHTTPServer):
    """SQS's protocol on a socket: refuses entries, throttles, fails and cuts connections."""

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.random = Random(seed)
        self.arrived: dict[str, str] = {}
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Entries"]
        with self.server.lock:
            kind = self.server.random.choice(("cut", "throttle", "503", "garbled", "late", "", ""))
            if kind == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if kind == "throttle":
                self._answer(400, {"__type": "com.amazonaws.sqs#RequestThrottled"})
                return
            if kind == "503":
                self._answer(503, {})
                return
            answer: dict[str, Any] = {"Successful": [], "Failed": []}
            for entry in entries:
                body = entry["MessageBody"]
                if body.endswith("7") or (kind == "" and self.server.random.random() < 0.2):
                    failure = AT_FAULT if body.endswith("7") else BUSY
                    answer["Failed"].append({"Id": entry["Id"], **failure})
                    continue
                message_id = f"m{len(self.server.arrived)}"
                self.server.arrived[message_id] = body
                sent = {"Id": entry["Id"], "MessageId": message_id, "MD5OfMessageBody": ""}
                answer["Successful"].append(sent)
        if kind == "late":  # it took them, and nobody hears of it
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(200, {"x": 1} if kind == "garbled" else answer)

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("seed", range(3))
def test_against_a_queue_that_refuses_throttles_and_cuts_connections(seed: int) -> None:
    with _Server(seed) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/123456789012/q"
            bodies = [f"body {number}" for number in range(600)]
            results = Producer(url, emulator_session("us-east-1")).send(bodies)
        finally:
            server.shutdown()
            thread.join()
    assert len(results) == len(bodies)
    for body, result in zip(bodies, results, strict=True):
        if isinstance(result, Sent):
            assert server.arrived[result.message_id] == body
        else:
            assert body.endswith("7") or not result.is_final, result
    assert {body for body in server.arrived.values() if body.endswith("7")} == set()
    assert sum(isinstance(result, Sent) for result in results) > 400
