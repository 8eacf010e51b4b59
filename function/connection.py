"""One connection to a service, and what an exchange on it goes through, line by line.

Nothing here waits: a generator yields the file descriptor and the poll event that it needs to go on
(function.loop waits for many at once), and returns what it was for.
"""

import errno
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from typing import Any

from function.reader import read
from function.request import Answer, NoAnswerError, Request
from function.service import Service

Wish = tuple[int, int]
"""A file descriptor, and the event of select.poll to wait for on it."""
_EVENTS: dict[type[OSError], int] = {
    ssl.SSLWantReadError: select.POLLIN,
    ssl.SSLWantWriteError: select.POLLOUT,
}
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_CHUNK = 16_384  # a TLS record


class Connection:
    """A connection to a service, for one exchange after another."""

    # Of the exchange under way, for function.loop: its steps, what they wait for, until when.
    steps: Generator[Wish, None, Answer]
    wish: Wish = (-1, 0)
    deadline: float

    def __init__(self, service: Service) -> None:
        """Connect to nothing yet."""
        self.service = service
        self.state = "resolving its name"  # what it is doing, for people
        self.is_open = False
        self.is_fit = False  # whether it may serve another exchange
        self._socket: Any = None
        self._last_id = ""

    def converse(self, request: Request) -> Generator[Wish, None, Answer]:
        """Open the connection if need be, send a request and return its answer.

        Raises OSError if the connection failed, NoAnswerError for what is no answer.
        """
        if not self.is_open:
            yield from self._open(request.attempt)
        self.is_fit, self.state = False, "sending"
        unsent = memoryview(self.service.write(request))
        while unsent:
            unsent = unsent[(yield from self._try(select.POLLOUT, self._socket.send, unsent)) :]
        self.state = "waiting for its answer"
        yield self._socket.fileno(), select.POLLIN
        answer = yield from read(self._receive, request.most_bytes)
        if answer.request_id == self._last_id != "":
            raise NoAnswerError("an answer that came before")
        self._last_id = answer.request_id
        self.is_fit = answer.status in (200, 400) and answer.request_id != "" and not answer.is_last
        return answer

    def _receive(self) -> Generator[Wish, None, bytes]:
        chunk: bytes = yield from self._try(select.POLLIN, self._socket.recv, _CHUNK)
        if not chunk:
            raise ConnectionResetError("closed before the end of an answer")
        self.state = "receiving its answer"
        return chunk

    def _open(self, attempt: int) -> Generator[Wish, None, None]:
        """Resolve the name, connect, shake hands. Each attempt takes the next address."""
        addresses = yield from _resolve(self.service.host, self.service.port)
        family, kind, protocol, _, place = addresses[(attempt - 1) % len(addresses)]
        self.state = f"connecting to {place[0]}"
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failure = self._socket.connect_ex(place)
        if failure == errno.EINPROGRESS:
            yield self._socket.fileno(), select.POLLOUT
            failure = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, f"{os.strerror(failure)}, {self.state}")
        if self.service.tls:
            self.state = f"shaking hands with {place[0]}"
            self._socket = self.service.tls.wrap_socket(
                self._socket, server_hostname=self.service.host, do_handshake_on_connect=False
            )
            yield from self._try(select.POLLIN, self._socket.do_handshake)
        self.is_open = True

    def _try(
        self, event: int, call: Callable[..., Any], *arguments: Any
    ) -> Generator[Wish, None, Any]:
        """Return what a call returns, once it is not blocked; TLS may block it for either event."""
        while True:
            try:
                return call(*arguments)
            except _BLOCKED as error:
                yield self._socket.fileno(), _EVENTS.get(type(error), event)

    def close(self) -> None:
        """Close it, in whatever state it is."""
        if self._socket:
            self._socket.close()

    __del__ = close


def _resolve(host: str, port: int) -> Generator[Wish, None, list[Any]]:
    """Return the addresses of a host, by a thread: nothing else bounds getaddrinfo's time."""
    found: list[Any] = []
    ended, ending = socket.socketpair()

    def look_up() -> None:
        with ending:
            try:
                found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                found.append(error)

    with ended:
        threading.Thread(target=look_up, daemon=True).start()
        yield ended.fileno(), select.POLLIN
    if not found or isinstance(found[0], Exception):
        raise OSError(f"{host} was not resolved: {found and found[0]}")
    return found
