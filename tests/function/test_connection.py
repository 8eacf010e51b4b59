"""One exchange: what is sent, how each step may fail, and which connections are kept."""

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from function import loop
from function.request import Answer, Request
from function.service import Service
from tests.function.looping import News, ask, asking, looped, numbers, run, unique
from tests.function.server import HOST, Server, Step, answer, error

pytestmark = pytest.mark.usefixtures("closes_all")

OK = answer()
REFUSED = error("ConditionalCheckFailedException")


@pytest.fixture(params=["http", "https"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Say where a server that speaks TLS puts its authority's certificate."""
    return tmp_path if request.param == "https" else None


def test_a_request_is_sent_whole_with_what_aws_wants_to_know(folder: Path | None) -> None:
    body = b'{"TableName": "\xc3\xa9"}' + b" " * 400_000
    with Server(OK, folder=folder) as server:
        made = looped(f"{server.url}/4711", folder, AWS_SESSION_TOKEN="token")
        said: list[News] = []
        run(made, asking(said, Request("dynamodb", "DynamoDB_20120810.X", body, "0af7", attempt=2)))
        (request,) = server.requests
    assert said == [Answer(200, b"{}", said[0].request_id, is_checked=True)]  # type: ignore[union-attr]
    assert request.body == body
    line, *headers = request.head.split("\r\n")
    assert line == "POST /4711/ HTTP/1.1"
    found = dict(header.split(":", 1) for header in headers)
    assert re.fullmatch(r"\d{8}T\d{6}Z", found.pop("x-amz-date"))
    assert found.pop("authorization").startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert found == {
        "content-type": "application/x-amz-json-1.0",
        "host": server.url.partition("//")[2],
        "x-amz-security-token": "token",
        "x-amz-target": "DynamoDB_20120810.X",
        "content-length": str(len(body)),
        "amz-sdk-invocation-id": "0af7",
        "amz-sdk-request": "attempt=2",
        "user-agent": "event-state",
        "accept-encoding": "identity",
    }


def test_a_connection_is_kept(folder: Path | None) -> None:
    with Server(*unique(2), REFUSED, folder=folder) as server:
        assert ask(looped(server.url, folder), 3) == [200, 200, 400]
        assert numbers(server) == [1, 1, 1]


def test_an_answer_may_be_as_long_as_its_request_says_64_kb_if_it_says_nothing() -> None:
    with Server(answer(b"x" * 65_000), answer(b"x" * 65_536)) as server:
        first, second = ask(looped(server.url), 2)
    assert first == 200
    assert "it is too long, 65" in second


@pytest.mark.parametrize(
    "unfit",
    [
        answer(status=500),
        answer(status=307, Location="http://elsewhere"),
        answer(x_amzn_RequestId=None),
        answer(Connection="close"),
    ],
    ids=["500", "307", "no id", "Connection: close"],
)
def test_a_connection_whose_answer_was_unusual_or_its_last_is_not_kept(unfit: bytes) -> None:
    with Server(unfit, OK) as server:
        ask(looped(server.url), 2)
        assert numbers(server) == [1, 2]


def test_an_answer_that_came_before_is_none() -> None:
    with Server(OK, OK, answer(x_amzn_RequestId="other")) as server:
        assert ask(looped(server.url), 3) == [200, "an answer that came before", 200]
        assert numbers(server) == [1, 1, 2]


def spoil(conversation: socket.socket) -> None:
    """Send what is not TLS, below it; without TLS, what nobody asked for."""
    with socket.socket(fileno=os.dup(conversation.fileno())) as below:
        below.sendall(b"no record of TLS")


@pytest.mark.parametrize("end", [socket.socket.close, spoil])
def test_a_kept_connection_that_the_server_closed_or_spoiled_is_replaced(
    folder: Path | None, end: Callable[[socket.socket], None]
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def end_after_answer(conversation: socket.socket) -> None:
        conversation.sendall(answer(x_amzn_RequestId=os.urandom(8).hex()))
        assert asked.wait(5)
        end(conversation)
        ended.set()

    with Server(end_after_answer, folder=folder) as server:
        made = looped(server.url, folder)
        for number in (1, 2, 3):
            assert ask(made) == [200]
            asked.set()
            assert ended.wait(5)
            asked.clear()
            ended.clear()
            assert numbers(server)[-1] == number


def test_one_that_closes_only_when_it_is_used_again_is_not_used_any_more(
    folder: Path | None,
) -> None:
    with Server(OK, None, OK, folder=folder) as server:
        reason = "ConnectionResetError: closed before the end of an answer"
        assert ask(looped(server.url, folder), 3) == [200, reason, 200]
        assert numbers(server) == [1, 1, 2]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (None, "ConnectionResetError: closed before the end of an answer"),
        (OK[:-1], "none within 0.4 s, receiving its answer"),
        (b"", "none within 0.4 s, waiting for its answer"),
        (b"<html>\r\n\r\n", "it is not HTTP/1.1"),
        (lambda each: (each.sendall(OK[:50]), each.close()), "ConnectionResetError: closed .*"),
    ],
    ids=["closed", "cut short", "silence", "a page", "closed within"],
)
def test_a_new_connection_that_fails_says_why(
    step: Step, reason: str, folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0.4)
    with Server(step, folder=folder) as server:
        (said,) = ask(looped(server.url, folder))
        assert numbers(server) == [1]
    assert re.fullmatch(reason, said)


def test_a_request_that_must_be_fresh_takes_no_kept_connection() -> None:
    with Server(*unique()) as server:
        made, said = looped(server.url), list[News]()
        ask(made)
        fresh = Request("dynamodb", "DynamoDB_20120810.PutItem", b"{}", "id", is_fresh=True)
        run(made, asking(said, fresh))
        assert numbers(server) == [1, 2]


def test_a_name_that_does_not_resolve_is_named() -> None:
    (said,) = ask(looped("http://nowhere.invalid:1"))
    assert said.startswith("OSError: nowhere.invalid was not resolved: ")


def test_a_resolver_that_hangs_is_a_failure_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(loop, "SECONDS", 0.3)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: released.wait(5) and [])
    started = time.monotonic()
    assert ask(looped("http://slow:1")) == ["none within 0.3 s, resolving its name"]
    assert time.monotonic() - started < 1
    released.set()


def test_each_attempt_takes_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(OK) as server, socket.socket() as closed:
        closed.bind((HOST, 0))
        port = int(server.url.rpartition(":")[2])
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, each))
            for each in (closed.getsockname()[1], port)
        ]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
        said: list[News] = []
        for attempt in (1, 2):
            request = Request("dynamodb", "DynamoDB_20120810.PutItem", b"{}", "id", attempt=attempt)
            run(looped("http://two:1"), asking(said, request))
    assert (
        said[0] == f"ConnectionRefusedError: [Errno 111] Connection refused, connecting to {HOST}"
    )
    assert isinstance(said[1], Answer)


def test_an_address_that_does_not_answer_takes_no_more_than_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0.3)
    with socket.create_server((HOST, 0), backlog=0) as full:
        place = full.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(place)
        started = time.monotonic()
        (said,) = ask(looped(f"http://{HOST}:{place[1]}"))
        assert said == f"none within 0.3 s, connecting to {HOST}"
        assert time.monotonic() - started < 1
        for filler in fillers:
            filler.close()


def test_a_handshake_that_stops_takes_no_more_than_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0.3)
    with Server(OK, folder=tmp_path), socket.create_server((HOST, 0)) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}"
        assert ask(looped(url, tmp_path)) == [f"none within 0.3 s, shaking hands with {HOST}"]


def test_a_certificate_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Server(OK, folder=tmp_path) as server, Server(OK, folder=tmp_path / "other"):
        (said,) = ask(looped(server.url, tmp_path / "other"))
        assert "certificate verify failed" in said
        assert server.requests == []


def test_a_bundle_that_is_none_is_named(tmp_path: Path) -> None:
    for name in ("nosuch.pem", "empty.pem"):
        (tmp_path / "empty.pem").write_text("")
        path = str(tmp_path / name)
        with pytest.raises(ValueError, match=f"^AWS_CA_BUNDLE is '{path}', no file of CAs: "):
            Service("dynamodb", {"AWS_REGION": "us-east-1", "AWS_CA_BUNDLE": path})


class Stubborn(socket.socket):
    """Takes and gives a few bytes at a time, and wants to write while it reads."""

    turn = 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Take some bytes, now and then none."""
        self.turn += 1
        if self.turn % 3 == 0:
            raise ssl.SSLWantWriteError
        return super().send(data[:97], flags)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Give some bytes, now and then none."""
        self.turn += 1
        if self.turn % 5 == 0:
            raise ssl.SSLWantWriteError
        return super().recv(min(size, 41), flags)


def test_sending_and_receiving_may_stop_anywhere_and_want_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b"x" * 3_000
    with Server(*unique()) as server:
        patched = SimpleNamespace(**(vars(socket) | {"socket": Stubborn}))
        monkeypatch.setattr("function.connection.socket", patched)
        said: list[News] = []
        requests = [Request("dynamodb", "DynamoDB_20120810.PutItem", body, "id")] * 10
        run(looped(server.url), *(asking(said, each) for each in requests))
        assert {request.body for request in server.requests} == {body}
    assert [each for each in said if not isinstance(each, Answer)] == []
