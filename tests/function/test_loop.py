"""Many exchanges on one thread: what moves each on, what ends it, and when."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from function import loop
from function.request import Answer, Request, Task
from tests.function.looping import News, ask, asking, at_once, looped, numbers, run
from tests.function.server import HOST, Server, answer, answer_anew
from tools.deployed import wait_for

pytestmark = pytest.mark.usefixtures("closes_all")


def late(seconds: float) -> Callable[[socket.socket], None]:
    """Answer after a while."""

    def step(conversation: socket.socket) -> None:
        time.sleep(seconds)
        answer_anew(conversation)

    return step


def test_many_are_under_way_at_once_and_no_more_than_that() -> None:
    lock, under_way, most = threading.Lock(), [0], [0]

    def slow(conversation: socket.socket) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        answer_anew(conversation)

    with Server(slow) as server:
        made = looped(server.url)
        assert at_once(made, 200) == [200] * 200
        assert len({*numbers(server)}) <= loop.AT_ONCE
        assert at_once(made, 200) == [200] * 200
        assert loop.AT_ONCE - 4 <= most[0] <= loop.AT_ONCE


def test_answers_may_come_in_any_order() -> None:
    said: list[News] = []

    def last(conversation: socket.socket) -> None:
        assert wait_for(lambda: len(said) == 4, 5.0, every=0.01)
        conversation.sendall(answer(b'{"n": "last"}', x_amzn_RequestId="0"))

    with Server(last, answer_anew) as server:
        run(looped(server.url), *(asking(said) for _ in range(5)))
    assert [each.body for each in said if isinstance(each, Answer)][4] == b'{"n": "last"}'


def test_connections_that_went_dark_cost_one_write_its_time_and_fail_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 1.0)
    is_dark = threading.Event()

    def turn(conversation: socket.socket) -> None:
        if is_dark.is_set() and server.requests[-1].connection <= 16:
            conversation.recv(1)  # and neither answer nor close
        late(0.01)(conversation)

    with Server(turn) as server:
        made = looped(server.url)
        at_once(made, 16)
        at_once(made, 16)
        is_dark.set()
        assert ask(made) == ["none within 1 s, waiting for its answer"]
        started = time.monotonic()
        assert ask(made, 3) == [200, 200, 200]
        assert time.monotonic() - started < 0.9


def test_few_connections_are_opening_at_once(tmp_path: Path) -> None:
    """At 128 MB, with a fourteenth of a core, many handshakes would time out together."""
    with Server(folder=tmp_path), socket.create_server((HOST, 0), backlog=40) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}"
        run(looped(url, tmp_path), *(asking([]) for _ in range(40)), begin=0.3, wait=0.3)
        silent.setblocking(False)
        for _ in range(4):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_pauses_pass_beside_each_other_and_beside_exchanges() -> None:
    passed: list[float] = []
    said: list[News] = []

    def pausing(seconds: float) -> Task:
        started = time.monotonic()
        yield seconds
        passed.append(time.monotonic() - started)

    with Server(answer_anew) as server:
        pauses, exchanges = map(pausing, (0.3, 0.1, 0.2)), (asking(said) for _ in range(50))
        assert run(looped(server.url), *pauses, *exchanges) < 1
    assert [round(each, 1) for each in passed] == [0.1, 0.2, 0.3]
    assert len(said) == 50


def test_nothing_begins_when_time_is_up() -> None:
    ended: list[str] = []

    def task(name: str, wish: Request | float) -> Task:
        try:
            yield wish
        except GeneratorExit:
            ended.append(name)

    request = Request("dynamodb", "DynamoDB_20120810.PutItem", b"{}", "id")
    with Server(answer_anew) as server:
        assert run(looped(server.url), task("none", request), begin=0, wait=0) < 0.1
        assert server.requests == []
        took = run(looped(server.url), task("pause", 60), begin=0.2, wait=5)
        assert 0.2 <= took < 1
    assert ended == ["pause"]


def test_what_is_under_way_is_waited_for_no_longer_than_wanted_and_begins_nothing_new() -> None:
    said: list[News] = []

    def task() -> Task:
        for attempt in (1, 2):
            yield from asking(said, attempt=attempt)

    with Server(late(0.3)) as server:
        run(looped(server.url), task(), begin=0.1, wait=2)
        assert (len(said), len(server.requests)) == (1, 1)
        assert 0.2 <= run(looped(server.url), task(), begin=0.1, wait=0.2) < 0.28
        assert (len(said), len(server.requests)) == (1, 2)


def test_tasks_that_fail_at_once_do_not_keep_the_others_from_beginning() -> None:
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        said = at_once(looped(f"http://{HOST}:{closed.getsockname()[1]}"), 100)
    assert len(said) == 100
