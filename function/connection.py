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
import time
from collections.abc import Generator, Mapping
from typing import Any

from function.endpoint import find_endpoint
from function.reader import Reader
from function.request import Answer, NoAnswerError, Request
from function.signature import sign

Wish = tuple[int, int]
"""A file descriptor, and the event of select.poll to wait for on it."""
_CHUNK = 65_536


class Service:
    """A service that can be asked, and the connections that are kept for the next exchange."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        """name: dynamodb or sqs. Connects to nothing yet.

        Raises ValueError for an environment that names no endpoint or no CA bundle.
        """
        self.endpoint = find_endpoint(name, environment)
        self.tls = _make_tls(environment.get("AWS_CA_BUNDLE")) if self.endpoint.is_tls else None
        self._kept: list[Connection] = []  # the last used comes last, and is used again first
        self._environment = environment

    def write(self, request: Request) -> bytes:
        """Return a request as it is sent, signed now."""
        signed = sign(request.body, request.target, time.time(), self.endpoint, self._environment)
        head = (
            f"POST {self.endpoint.path} HTTP/1.1\n{signed}content-length:{len(request.body)}\n"
            f"amz-sdk-invocation-id:{request.invocation_id}\n"
            f"amz-sdk-request:attempt={request.attempt}\n"
            "user-agent:event-state\naccept-encoding:identity\n\n"
        )
        return head.replace("\n", "\r\n").encode() + request.body

    def take(self) -> "Connection | None":
        """Return a kept connection that is fit for another exchange, if there is one."""
        while self._kept:
            connection = self._kept.pop()
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def keep(self, connection: "Connection") -> None:
        """Keep a connection for another exchange."""
        self._kept.append(connection)

    def drop_kept(self) -> None:
        """Close what is kept: where one connection went dark, the others may have."""
        while self._kept:
            self._kept.pop().close()


def _make_tls(bundle: str | None) -> ssl.SSLContext:
    try:
        tls = ssl.create_default_context(cafile=bundle or None)
    except OSError as error:
        raise ValueError(f"AWS_CA_BUNDLE is {bundle!r}, no file of CAs: {error}") from None
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return tls


class Connection:
    """A connection to a service; `state` says what it is doing, for people."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self.state = "resolving its name"
        self.is_open = False
        self.is_fit = False
        """Whether it may serve another exchange."""
        self._socket: Any = None
        self._last_id = ""

    def converse(self, service: Service, request: Request) -> Generator[Wish, None, Answer]:
        """Open the connection if need be, send a request and return its answer.

        Raises OSError if the connection failed, NoAnswerError for what is no answer.
        """
        if not self.is_open:
            yield from self._open(service, request.attempt)
        self.is_fit, self.state = False, "sending"
        unsent = memoryview(service.write(request))
        while unsent:
            try:
                unsent = unsent[self._socket.send(unsent) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield self._socket.fileno(), select.POLLOUT
            except ssl.SSLWantReadError:
                yield self._socket.fileno(), select.POLLIN
        reader, answer, self.state = Reader(request.most_bytes), None, "waiting for its answer"
        yield self._socket.fileno(), select.POLLIN
        while answer is None:
            try:
                chunk = self._socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                yield self._socket.fileno(), select.POLLIN
            except ssl.SSLWantWriteError:
                yield self._socket.fileno(), select.POLLOUT
            else:
                if not chunk:
                    raise ConnectionResetError("closed before the end of an answer")
                self.state = "receiving its answer"
                answer = reader.feed(chunk)
        if answer.request_id == self._last_id != "":
            raise NoAnswerError("an answer that came before")
        self._last_id = answer.request_id
        self.is_fit = answer.status in (200, 400) and answer.request_id != "" and not reader.is_last
        return answer

    def _open(self, service: Service, attempt: int) -> Generator[Wish, None, None]:
        """Resolve the name, connect, shake hands. Each attempt takes the next address."""
        addresses = yield from _resolve(service.endpoint.host, service.endpoint.port)
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
        if service.tls:
            self.state = f"shaking hands with {place[0]}"
            yield from self._shake_hands(service.tls, service.endpoint.host)
        self.is_open = True

    def _shake_hands(self, tls: ssl.SSLContext, host: str) -> Generator[Wish, None, None]:
        self._socket = tls.wrap_socket(
            self._socket, server_hostname=host, do_handshake_on_connect=False
        )
        while True:
            try:
                self._socket.do_handshake()
            except ssl.SSLWantReadError:
                yield self._socket.fileno(), select.POLLIN
            except ssl.SSLWantWriteError:
                yield self._socket.fileno(), select.POLLOUT
            else:
                return

    def is_quiet(self) -> bool:
        """Tell whether an open one is neither closed nor brings what nobody asked for."""
        if not select.select([self._socket], [], [], 0)[0]:
            return True
        try:
            self._socket.recv(1)
        except ssl.SSLWantReadError:  # TLS's own, such as a ticket
            return True
        except OSError:
            return False
        return False

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
