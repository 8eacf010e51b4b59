"""One exchange: what is sent, how each step may fail, and which connections are kept."""

import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from function import loop
from tests.function.looping import News, ask, asking, at_once, looped, numbers, run
from tests.function.server import HOST, Server, Step, answer, answer_anew, end, error

pytestmark = pytest.mark.usefixtures("closes_all")

OK = answer()
CLOSED = "closed before the end of an answer"


@pytest.fixture(params=["http", "https"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Say where a server that speaks TLS puts its authority's certificate."""
    return tmp_path if request.param == "https" else None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an attempt little time."""
    monkeypatch.setattr(loop, "SECONDS", 0.4)


def test_a_request_is_sent_whole(folder: Path | None) -> None:
    body = b'{"TableName": "\xc3\xa9"}' + b" " * 400_000
    with Server(OK, folder=folder) as server:
        assert ask(looped(f"{server.url}/4711", folder), body=body) == [200]
        (request,) = server.requests
    assert request == (1, "/4711/", body)


def test_an_answer_may_be_as_long_as_its_request_says_64_kb_if_it_says_nothing() -> None:
    with Server(answer(b"x" * 65_000), answer(b"x" * 65_536)) as server:
        first, second = ask(looped(server.url), 2)
    assert first == 200
    assert "it is too long, 65" in second


def test_a_connection_is_kept(folder: Path | None) -> None:
    refused = error("ConditionalCheckFailedException")
    with Server(answer_anew, answer_anew, refused, answer_anew, folder=folder) as server:
        assert ask(looped(server.url, folder), 4) == [200, 200, 400, 200]
        assert numbers(server) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("status", "unfit"),
    [
        (500, answer(status=500)),
        (307, answer(status=307, Location="http://elsewhere")),
        (200, answer(x_amzn_RequestId=None)),
        (200, answer(Connection="close")),
    ],
    ids=["500", "307", "no id", "Connection: close"],
)
def test_a_connection_whose_answer_was_unusual_or_its_last_is_not_kept(
    status: int, unfit: bytes
) -> None:
    with Server(unfit, OK) as server:
        assert ask(looped(server.url), 2) == [status, 200]
        assert numbers(server) == [1, 2]


@pytest.mark.parametrize(("second", "reason"), [(OK, "an answer that came before"), (None, CLOSED)])
def test_a_kept_connection_that_fails_is_not_used_any_more(
    folder: Path | None, second: Step, reason: str
) -> None:
    with Server(OK, second, answer_anew, folder=folder) as server:
        assert ask(looped(server.url, folder), 3) == [200, reason, 200]
        assert numbers(server) == [1, 1, 2]


def spoil(conversation: socket.socket) -> None:
    """Send what is not TLS, below it; without TLS, what nobody asked for."""
    with socket.socket(fileno=os.dup(conversation.fileno())) as below:
        below.sendall(b"no record of TLS")


@pytest.mark.parametrize("how", [end, spoil])
def test_a_kept_connection_that_the_server_closed_or_spoiled_is_replaced(
    folder: Path | None, how: Callable[[socket.socket], None]
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def end_after_answer(conversation: socket.socket) -> None:
        answer_anew(conversation)
        assert asked.wait(5)
        how(conversation)
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


def test_a_request_that_must_be_fresh_takes_no_kept_connection() -> None:
    with Server(answer_anew) as server:
        made = looped(server.url)
        assert [*ask(made), *ask(made, is_fresh=True)] == [200, 200]
        assert numbers(server) == [1, 2]


def end_within(conversation: socket.socket) -> None:
    """End after half an answer."""
    conversation.sendall(OK[:50])
    end(conversation)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (None, CLOSED),
        (OK[:-1], "none within 0.4 s, receiving its answer"),
        (b"", "none within 0.4 s, waiting for its answer"),
        (b"<html>\r\n\r\n", "it is not HTTP/1.1"),
        (end_within, CLOSED),
    ],
    ids=["closed", "cut short", "silence", "a page", "closed within"],
)
def test_a_new_connection_that_fails_says_why(step: Step, reason: str, folder: Path | None) -> None:
    with Server(step, folder=folder) as server:
        (said,) = ask(looped(server.url, folder))
        assert numbers(server) == [1]
    assert said == reason


def test_a_name_that_does_not_resolve_is_named() -> None:
    (said,) = ask(looped("http://nowhere.invalid:1"))
    assert said.startswith("nowhere.invalid was not resolved: ")


@pytest.mark.usefixtures("impatient")
def test_a_resolver_that_hangs_is_a_failure_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: released.wait(5) and [])
    said: list[News] = []
    assert run(looped("http://slow:1"), asking(said)) < 1
    assert said == ["none within 0.4 s, resolving its name"]
    released.set()


def test_each_attempt_takes_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(OK) as server, socket.socket() as closed:
        closed.bind((HOST, 0))
        places = [closed.getsockname(), (HOST, int(server.url.rpartition(":")[2]))]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
        (refused,) = ask(looped("http://two:1"), attempt=1)
        assert ask(looped("http://two:1"), attempt=2) == [200]
    assert refused == (f"[Errno 111] Connection refused, connecting to {HOST}")


@pytest.mark.usefixtures("impatient")
def test_an_address_that_does_not_answer_takes_no_more_than_its_time() -> None:
    with socket.create_server((HOST, 0), backlog=0) as full:
        place = full.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(place)
        said: list[News] = []
        assert run(looped(f"http://{HOST}:{place[1]}"), asking(said)) < 1
        assert said == [f"none within 0.4 s, connecting to {HOST}"]
        for filler in fillers:
            filler.close()


@pytest.mark.usefixtures("impatient")
def test_a_handshake_that_stops_takes_no_more_than_its_time(tmp_path: Path) -> None:
    with Server(OK, folder=tmp_path), socket.create_server((HOST, 0)) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}"
        assert ask(looped(url, tmp_path)) == [f"none within 0.4 s, shaking hands with {HOST}"]


def test_a_certificate_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Server(OK, folder=tmp_path) as server, Server(OK, folder=tmp_path / "other"):
        (said,) = ask(looped(server.url, tmp_path / "other"))
        assert "certificate verify failed" in said
        assert server.requests == []


class Stubborn(socket.socket):
    """Takes and gives a few bytes at a time, and wants to write while it reads."""

    turn = 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Take some bytes, now and then none."""
        self.turn += 1
        if self.turn % 3 == 0:
            raise BlockingIOError if self.turn % 2 else ssl.SSLWantWriteError
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
    patched = SimpleNamespace(**(vars(socket) | {"socket": Stubborn}))
    with Server(answer_anew) as server:
        monkeypatch.setattr("function.connection.socket", patched)
        assert at_once(looped(server.url), 10, body=body) == [200] * 10
        assert [request.body for request in server.requests] == [body] * 10
