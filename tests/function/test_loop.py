"""Many exchanges on one thread: what each step is, how it may fail, what is kept and what ends."""

import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from function import loop
from function.request import Answer, Request, Task
from tests.function.server import HOST, Server, Step, answer, answer_anew, end, looped
from tools.deployed import wait_for

OK = answer()
CLOSED = "closed before the end of an answer"
REQUEST = Request("dynamodb", "DynamoDB_20120810.PutItem", b"{}", "id")
News = Answer | str


def open_files() -> int:
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture(autouse=True)
def closes_all() -> Iterator[None]:
    """Check that nothing stays open."""
    before = open_files()
    yield
    # The server's threads end a little later.
    assert wait_for(lambda: open_files() <= before, 10, every=0.01)


@pytest.fixture(params=["http", "https"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Say where a server that speaks TLS puts its authority's certificate."""
    return tmp_path if request.param == "https" else None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an attempt little time."""
    monkeypatch.setattr(loop, "SECONDS", 0.4)


def asking(into: list[News], **changed: Any) -> Task:
    answer = yield REQUEST._replace(**changed)
    into.append(answer if answer.status else answer.body.decode())


def run(made: loop.Loop, *tasks: Task, begin: float = 10, wait: float = 12) -> float:
    """Run tasks; return the seconds that it took."""
    started = time.monotonic()
    made.run(iter(tasks), started + begin, started + wait)
    return time.monotonic() - started


def at_once(made: loop.Loop, times: int, **changed: Any) -> list[Any]:
    """Ask many times at once; return the statuses, or why there was none."""
    said: list[News] = []
    run(made, *(asking(said, **changed) for _ in range(times)))
    return [each.status if isinstance(each, Answer) else each for each in said]


def ask(made: loop.Loop, times: int = 1, **changed: Any) -> list[Any]:
    return [each for _ in range(times) for each in at_once(made, 1, **changed)]


def numbers(server: Server) -> list[int]:
    return [request.connection for request in server.requests]


def together(many: int) -> Step:
    """Answer so many requests when all of them have come."""
    barrier = threading.Barrier(many)

    def step(conversation: socket.socket) -> None:
        barrier.wait(5)
        answer_anew(conversation)

    return step


def test_a_request_is_sent_whole(folder: Path | None) -> None:
    body = b'{"TableName": "\xc3\xa9"}' + b" " * 400_000
    with Server(OK, folder=folder) as server:
        assert ask(looped(f"{server.url}/4711", folder), body=body) == [200]
    assert server.requests == [(1, "/4711/", body)]


def test_an_answer_may_be_as_long_as_its_request_says_64_kb_if_it_says_nothing() -> None:
    with Server(answer(b"x" * 65_000), answer(b"x" * 65_536)) as server:
        first, second = ask(looped(server.url), 2)
    assert first == 200
    assert "it is too long, 65" in second


@pytest.mark.parametrize(
    ("step", "status", "connections"),
    [
        (answer_anew, 200, [1, 1, 1]),
        (answer(b'{"__type": "ConditionalCheckFailedException"}', 400), 400, [1, 1, 1]),
        (answer(status=500), 500, [1, 1, 2]),
        (answer(status=307, Location="http://elsewhere"), 307, [1, 1, 2]),
        (answer(x_amzn_RequestId=None), 200, [1, 1, 2]),
        (answer(x_amzn_RequestId="new", Connection="close"), 200, [1, 1, 2]),
        (answer(x_amzn_RequestId="first"), "an answer that came before", [1, 1, 2]),
        (None, CLOSED, [1, 1, 2]),
    ],
    ids=["200", "400", "500", "307", "no id", "Connection: close", "came before", "closed"],
)
def test_only_a_usual_connection_is_kept_and_none_is_taken_by_a_fresh_request(
    folder: Path | None, step: Step, status: int | str, connections: list[int]
) -> None:
    with Server(answer(x_amzn_RequestId="first"), step, answer_anew, folder=folder) as server:
        made = looped(server.url, folder)
        assert ask(made, 3) == [200, status, 200]
        assert ask(made, is_fresh=True) == [200]
        assert numbers(server) == [*connections, connections[-1] + 1]


def spoil(conversation: socket.socket) -> None:
    """Send what is not TLS, below it; without TLS, what nobody asked for."""
    with socket.socket(fileno=os.dup(conversation.fileno())) as below:
        below.sendall(b"no record of TLS")


@pytest.mark.parametrize("how", [end, spoil])
def test_a_kept_connection_that_the_server_closed_or_spoiled_is_replaced(
    folder: Path | None, how: Callable[[socket.socket], None]
) -> None:
    with Server(answer_anew, folder=folder) as server:
        made = looped(server.url, folder)
        for _ in range(3):
            assert ask(made) == [200]
            how(server.conversations[-1])
        assert numbers(server) == [1, 2, 3]


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
        assert ask(looped(server.url, folder)) == [reason]
        assert numbers(server) == [1]


def test_a_name_that_does_not_resolve_is_named() -> None:
    (said,) = ask(looped("http://nowhere.invalid:1"))
    assert said.startswith("nowhere.invalid was not resolved: ")


@pytest.mark.usefixtures("impatient")
def test_a_resolver_that_hangs_is_a_failure_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: released.wait(5) and [])
    assert ask(looped("http://slow:1")) == ["none within 0.4 s, resolving its name"]
    released.set()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("scheme", "waiting", "state"),
    [("http", 8, "connecting to"), ("https", 0, "shaking hands with")],
)
def test_a_server_that_does_not_react_takes_no_more_than_its_time(
    scheme: str, waiting: int, state: str
) -> None:
    with socket.create_server((HOST, 0), backlog=0) as silent, ExitStack() as stack:
        place = silent.getsockname()
        for _ in range(waiting):
            waits = stack.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(place)
        said = ask(looped(f"{scheme}://{HOST}:{place[1]}"))
    assert said == [f"none within 0.4 s, {state} {HOST}"]


def test_each_attempt_takes_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(OK) as server, socket.socket() as closed:
        closed.bind((HOST, 0))
        places = [closed.getsockname(), (HOST, server.server_port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
        (refused,) = ask(looped("http://two:1"), attempt=1)
        assert ask(looped("http://two:1"), attempt=2) == [200]
    assert refused == f"[Errno 111] Connection refused, connecting to {HOST}"


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


def test_many_are_under_way_at_once_and_no_more_than_that() -> None:
    with Server(together(loop.AT_ONCE)) as server:
        assert at_once(looped(server.url), 4 * loop.AT_ONCE) == [200] * (4 * loop.AT_ONCE)
        assert {*numbers(server)} == {*range(1, loop.AT_ONCE + 1)}


def test_answers_may_come_in_any_order() -> None:
    said: list[News] = []

    def last(conversation: socket.socket) -> None:
        assert wait_for(lambda: len(said) == 4, 5.0, every=0.01)
        conversation.sendall(answer(b'{"n": "last"}', x_amzn_RequestId="0"))

    with Server(last, answer_anew) as server:
        run(looped(server.url), *(asking(said) for _ in range(5)))
    assert [each.body for each in said if isinstance(each, Answer)][4] == b'{"n": "last"}'


@pytest.mark.usefixtures("impatient")
def test_connections_that_went_dark_cost_one_write_its_time_and_are_dropped_together() -> None:
    with Server(*[together(16)] * 16, b"", answer_anew) as server:
        made = looped(server.url)
        assert at_once(made, 16) == [200] * 16
        assert ask(made, 4) == ["none within 0.4 s, waiting for its answer", 200, 200, 200]
        assert numbers(server)[17:] == [17, 17, 17]


def test_few_connections_are_opening_at_once() -> None:
    """At 128 MB, with a fourteenth of a core, many handshakes would time out together."""
    with socket.create_server((HOST, 0), backlog=40) as silent:
        made = looped(f"https://{HOST}:{silent.getsockname()[1]}")
        run(made, *(asking([]) for _ in range(40)), begin=0.3, wait=0.3)
        silent.setblocking(False)
        for _ in range(4):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_pauses_pass_beside_each_other_and_beside_exchanges() -> None:
    passed: list[float] = []
    said: list[News] = []

    def pausing(seconds: float) -> Task:
        yield seconds
        passed.append(seconds)

    with Server(answer_anew) as server:
        pauses, exchanges = map(pausing, (0.3, 0.1, 0.2)), (asking(said) for _ in range(50))
        assert 0.3 <= run(looped(server.url), *pauses, *exchanges) < 1
    assert (passed, len(said)) == ([0.1, 0.2, 0.3], 50)


def test_nothing_begins_when_time_is_up() -> None:
    ended: list[Request | float] = []

    def task(wish: Request | float) -> Task:
        try:
            yield wish
        except GeneratorExit:
            ended.append(wish)

    with Server(answer_anew) as server:
        assert run(looped(server.url), task(REQUEST), begin=0, wait=0) < 0.1
        assert server.requests == []
        assert 0.2 <= run(looped(server.url), task(60), begin=0.2, wait=5) < 1
    assert ended == [60]


def test_what_is_under_way_is_waited_for_no_longer_than_wanted_and_begins_nothing_new() -> None:
    said: list[News] = []

    def late(conversation: socket.socket) -> None:
        time.sleep(0.3)
        answer_anew(conversation)

    def twice() -> Task:
        for attempt in (1, 2):
            yield from asking(said, attempt=attempt)

    with Server(late) as server:
        run(looped(server.url), twice(), begin=0.1, wait=2)
        assert (len(said), len(server.requests)) == (1, 1)
        assert 0.2 <= run(looped(server.url), twice(), begin=0.1, wait=0.2) < 0.28
        assert (len(said), len(server.requests)) == (1, 2)


def test_tasks_that_fail_at_once_do_not_keep_the_others_from_beginning() -> None:
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        said = at_once(looped(f"http://{HOST}:{closed.getsockname()[1]}"), 100)
    assert len(said) == 100
