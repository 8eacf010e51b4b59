"""Many exchanges at once on one thread: a loop over select.poll that moves each one on.

A task (function.request) is in one of four places:

    waiting     for a connection: a kept one, or a new one, of which few may be opening at once
    under way   on its connection (function.connection), for SECONDS at most
    pausing     until its moment
    ended       by itself or, once time is up, by the loop
"""

import heapq
import math
import select
import time
from collections import deque
from collections.abc import Generator, Iterable
from itertools import count
from typing import NamedTuple

from function.connection import Connection, Service, Wish
from function.request import Answer, NoAnswerError, Pause, Request, Task

SECONDS = 2.0
"""For one attempt: name, connection, TLS and answer."""
AT_ONCE = 32  # exchanges; `python -m tools.bench.handler` measures it
OPENING = 4  # connections: at 128 MB, with a fourteenth of a core, more would time out together
# Where a kept connection fails that the service closed meanwhile: a new one is tried at once.
_STALE = "sending", "waiting for its answer"


class _Waiting(NamedTuple):
    task: Task
    request: Request
    deadline: float = math.inf  # of the attempt, if it has begun on a stale connection


class _Exchange:
    """A request under way."""

    __slots__ = ("connection", "deadline", "is_kept", "request", "steps", "task", "wish")

    def __init__(self, waiting: _Waiting, service: Service, connection: Connection) -> None:
        self.task, self.request, deadline = waiting
        self.deadline = min(deadline, time.monotonic() + SECONDS)
        self.connection = connection
        self.is_kept = connection.is_open
        self.steps: Generator[Wish, None, Answer] = connection.converse(service, self.request)
        self.wish: Wish = (-1, 0)


class Loop:
    """Runs tasks, and keeps connections from one run to the next."""

    def __init__(self, *services: Service) -> None:
        """services: those that requests may name."""
        self._services = {service.endpoint.service: service for service in services}
        self._poll = select.poll()
        self._under_way: dict[int, _Exchange] = {}  # by file descriptor
        self._waiting: deque[_Waiting] = deque()
        self._pausing: list[tuple[float, int, Task]] = []  # a heap
        self._order = count()

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run tasks, which raise nothing, until all have ended.

        begin_until: when to begin no more requests and pauses; wait_until: when to wait no longer
        for those under way; both in seconds of time.monotonic. Tasks that have not ended then are
        closed.
        """
        upcoming = iter(tasks)
        try:
            while time.monotonic() < begin_until:
                while self._pausing and self._pausing[0][0] <= time.monotonic():
                    self._resume(heapq.heappop(self._pausing)[2])
                while len(self._under_way) + len(self._waiting) < AT_ONCE:
                    task = next(upcoming, None)
                    if task is None:
                        break
                    self._resume(task)
                self._assign()
                if self._under_way or self._pausing:
                    self._wait(min([begin_until, *(moment for moment, _, _ in self._pausing[:1])]))
                elif not self._waiting and task is None:
                    return
            while self._under_way and time.monotonic() < wait_until:
                self._wait(wait_until)
                self._close_idle()
        finally:
            self._close_idle()
            for exchange in [*self._under_way.values()]:
                self._end(exchange)
                exchange.task.close()

    def _resume(self, task: Task, news: Answer | NoAnswerError | None = None) -> None:
        """Tell a task what it waited for, and put it where it waits next."""
        try:
            wish = task.throw(news) if isinstance(news, NoAnswerError) else task.send(news)
        except StopIteration:
            return
        if isinstance(wish, Pause):
            moment = time.monotonic() + wish.seconds
            heapq.heappush(self._pausing, (moment, next(self._order), task))
        else:
            self._waiting.append(_Waiting(task, wish))

    def _assign(self) -> None:
        """Give connections to those that wait for one, in their order."""
        while self._waiting:
            request = self._waiting[0].request
            service = self._services[request.service]
            connection = None if request.is_fresh else service.take()
            if connection is None:
                opening = [each for each in self._under_way.values() if not each.connection.is_open]
                if len(opening) >= OPENING:
                    return
                connection = Connection()
            self._move(_Exchange(self._waiting.popleft(), service, connection))

    def _wait(self, until: float) -> None:
        """Wait for the next event or deadline, at most until a moment; move on what it concerns."""
        deadline = min((each.deadline for each in self._under_way.values()), default=until)
        seconds = min(deadline, until) - time.monotonic()
        for descriptor, _ in self._poll.poll(max(0, math.ceil(seconds * 1000))):
            self._move(self._under_way[descriptor])
        if (now := time.monotonic()) >= deadline:
            for exchange in [each for each in self._under_way.values() if each.deadline <= now]:
                self._services[exchange.request.service].drop_kept()
                self._end(exchange)
                reason = f"none within {SECONDS:g} s, {exchange.connection.state}"
                self._resume(exchange.task, NoAnswerError(reason))

    def _move(self, exchange: _Exchange) -> None:
        """Let an exchange go as far as it can."""
        try:
            wish = next(exchange.steps)
        except StopIteration as stop:
            self._end(exchange)
            self._resume(exchange.task, stop.value)
        except NoAnswerError as error:
            self._end(exchange)
            self._resume(exchange.task, error)
        except OSError as error:
            self._end(exchange)
            if exchange.is_kept and exchange.connection.state in _STALE:
                fresh = exchange.request._replace(is_fresh=True)
                self._waiting.appendleft(_Waiting(exchange.task, fresh, exchange.deadline))
            else:
                self._resume(exchange.task, NoAnswerError(f"{type(error).__name__}: {error}"))
        else:
            if wish != exchange.wish:
                self._forget(exchange)
                self._poll.register(*wish)
                self._under_way[wish[0]] = exchange
                exchange.wish = wish

    def _end(self, exchange: _Exchange) -> None:
        self._forget(exchange)
        exchange.steps.close()
        if exchange.connection.is_fit:
            self._services[exchange.request.service].keep(exchange.connection)
        else:
            exchange.connection.close()

    def _forget(self, exchange: _Exchange) -> None:
        if self._under_way.pop(exchange.wish[0], None):
            self._poll.unregister(exchange.wish[0])

    def _close_idle(self) -> None:
        """Close the tasks that are not under way."""
        for task in (*(each.task for each in self._waiting), *(each[2] for each in self._pausing)):
            task.close()
        self._waiting.clear()
        self._pausing.clear()
