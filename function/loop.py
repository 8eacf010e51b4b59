"""Many exchanges at once on one thread: a loop over select.poll that moves each one on.

A task (function.request) is in one of four places:

    waiting     for a connection: an idle one, or a new one, of which few may be opening at once
    under way   on its connection (function.connection), for SECONDS at most
    pausing     until its moment
    ended       by itself or, once time is up, by the loop
"""

import heapq
import math
import select
import time
from collections.abc import Iterable

from function.connection import Connection
from function.request import Answer, Request, Task
from function.service import Service

SECONDS = 2.0  # for one attempt: name, connection, TLS and answer
AT_ONCE = 32  # exchanges; `python -m tools.bench.handler` measures it
OPENING = 4  # connections: at 128 MB, with a fourteenth of a core, more would time out together


class Loop:
    """Runs tasks, and keeps connections from one run to the next."""

    def __init__(self, *services: Service) -> None:
        """services: those that requests may name."""
        self._services = {service.name: service for service in services}
        self._poll = select.poll()
        self._polled: dict[int, Connection] = {}  # by file descriptor
        # The last used comes last, and is used again first.
        self._idle: dict[Service, list[Connection]] = {service: [] for service in services}
        self._under_way: dict[Connection, Task] = {}  # by deadline, the earliest first
        self._waiting: list[tuple[Task, Request]] = []
        self._pausing: list[tuple[float, int, Task]] = []  # a heap

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run tasks until all have ended; what one raises ends them all.

        begin_until: when no more requests and pauses begin; wait_until: when those under way are
        given up; both in seconds of time.monotonic. Tasks that have not ended then are closed.
        """
        upcoming, is_more = iter(tasks), True
        try:
            self._wait(0)  # what was said meanwhile to connections that are idle
            while time.monotonic() < begin_until:
                while self._pausing and self._pausing[0][0] <= time.monotonic():
                    self._resume(heapq.heappop(self._pausing)[2])
                while is_more and len(self._under_way) + len(self._waiting) < AT_ONCE:
                    if is_more := (task := next(upcoming, None)) is not None:
                        self._resume(task)
                self._assign()
                if self._under_way or self._pausing:
                    self._wait(min([begin_until, *(moment for moment, _, _ in self._pausing[:1])]))
                elif not self._waiting and not is_more:
                    return
            while self._under_way and time.monotonic() < wait_until:
                self._wait(wait_until)
        finally:
            while self._waiting:
                self._waiting.pop()[0].close()
            while self._pausing:
                self._pausing.pop()[2].close()
            while self._under_way:
                self._end(next(iter(self._under_way))).close()

    def _resume(self, task: Task, answer: Answer | None = None) -> None:
        """Tell a task what it waited for, and put it where it waits next."""
        try:
            wish = task.send(answer)
        except StopIteration:
            return
        if isinstance(wish, Request):
            self._waiting.append((task, wish))
        else:
            moment = time.monotonic() + wish
            heapq.heappush(self._pausing, (moment, id(task), task))

    def _assign(self) -> None:
        """Give connections to those that wait for one, in their order."""
        while self._waiting:
            task, request = self._waiting[0]
            service = self._services[request.service]
            if self._idle[service] and not request.is_fresh:
                connection = self._idle[service].pop()
            elif sum(not each.is_open for each in self._under_way) < OPENING:
                connection = Connection(service)
            else:
                return
            self._waiting.pop(0)
            connection.deadline = time.monotonic() + SECONDS
            connection.steps = connection.converse(request)
            self._under_way[connection] = task
            self._move(connection)

    def _wait(self, until: float) -> None:
        """Wait for the next event or deadline, at most until a moment; move on what it concerns."""
        first = next(iter(self._under_way), None)
        seconds = max(0, min(until, first.deadline if first else until) - time.monotonic())
        for descriptor, _ in self._poll.poll(math.ceil(seconds * 1000)):
            connection = self._polled[descriptor]
            if connection in self._under_way:
                self._move(connection)
            else:  # it ended, or brings what nobody asked for
                self._idle[connection.service].remove(connection)
                self._close(connection)
        if first in self._under_way and first.deadline <= time.monotonic():
            while idle := self._idle[first.service]:  # where one went dark, the others may have
                self._close(idle.pop())
            slow = f"none within {SECONDS:g} s, {first.state}"
            self._resume(self._end(first), Answer(0, slow.encode()))

    def _move(self, connection: Connection) -> None:
        """Let an exchange go as far as it can."""
        try:
            wish = next(connection.steps)
        except StopIteration as stop:
            answer = stop.value
        except OSError as error:
            answer = Answer(0, str(error).encode())
        else:
            if wish != connection.wish:
                self._forget(connection)
                self._poll.register(*wish)
                self._polled[wish[0]] = connection
                connection.wish = wish
            return
        self._resume(self._end(connection), answer)

    def _end(self, connection: Connection) -> Task:
        """End an exchange, and return the task that it was for."""
        connection.steps.close()
        if connection.is_fit and connection.wish[1] == select.POLLIN:
            self._idle[connection.service].append(connection)
        else:
            self._close(connection)
        return self._under_way.pop(connection)

    def _close(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        if self._polled.pop(connection.wish[0], None):
            self._poll.unregister(connection.wish[0])
