"""One connection to a service, and what an exchange on it goes through, line by line.

Nothing here waits: a generator yields the file descriptor and the poll event that it needs to go on
(function.loop waits for many at once), and returns what it was for.
"""

import errno
import os
import re
import select
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from function.request import Answer, Request
from function.service import Service

Wish = tuple[int, int]
"""A file descriptor, and the event of select.poll to wait for on it."""
Made = TypeVar("Made")
Steps = Generator[Wish, None, Made]

_CHUNK, _HEAD_BYTES = 16_384, 65_536  # of a TLS record, and of an answer's head at most
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?((?:\r\n[\w!#$%&'*+.^`|~-]+:[^\r\n]*)*)")
_LENGTH = re.compile(rb"\d{1,9}\Z")
# They say nothing of the message, and proxies and test servers send them twice.
_MAY_REPEAT = {b"server", b"date", b"vary", b"via", b"set-cookie"}


class Connection:
    """A connection to a service, for one exchange after another."""

    # Of the exchange under way, for function.loop: its steps, what they wait for, until when.
    steps: Steps[Answer]
    wish: Wish = (-1, 0)
    deadline: float

    def __init__(self, service: Service) -> None:
        self.service = service
        self.state = "resolving its name"  # what it is doing, for people
        self.is_open = False
        self.is_fit = False  # whether it may serve another exchange
        self._socket: Any = None
        self._last_id = ""

    def converse(self, request: Request) -> Steps[Answer]:
        """Open the connection if need be, send a request, return its answer; OSError if none."""
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
            raise ConnectionError("an answer that came before")
        self._last_id = answer.request_id
        self.is_fit = answer.status in (200, 400) and answer.request_id != "" and not answer.is_last
        return answer

    def _receive(self) -> Steps[bytes]:
        chunk: bytes = yield from self._try(select.POLLIN, self._socket.recv, _CHUNK)
        if not chunk:
            raise ConnectionResetError("closed before the end of an answer")
        self.state = "receiving its answer"
        return chunk

    def _open(self, attempt: int) -> Steps[None]:
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

    def _try(self, event: int, call: Callable[..., Any], *arguments: Any) -> Steps[Any]:
        """Return what a call returns, once it is not blocked; TLS may block it for either event."""
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            except BlockingIOError:
                wanted = event
            yield self._socket.fileno(), wanted

    def close(self) -> None:
        """Close it, in whatever state it is."""
        if self._socket:
            self._socket.close()

    __del__ = close


def _resolve(host: str, port: int) -> Steps[list[Any]]:
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


def read(receive: Callable[[], Steps[bytes]], most_bytes: int) -> Steps[Answer]:
    """Return one answer, in time linear to its length; it knows no socket.

    receive: returns more bytes. most_bytes: how many there may be, the answer's head included. What
    frames an answer (its length) or proves it (request id, checksum) has to be there once and
    clear; ConnectionError is raised for everything else. https://www.rfc-editor.org/rfc/rfc9112
    """
    received, looked_at = bytearray(), 0
    while (end := received.find(b"\r\n\r\n", looked_at)) < 0 and len(received) < _HEAD_BYTES:
        looked_at = max(0, len(received) - 3)
        received += yield from receive()
    match = _HEAD.fullmatch(received, 0, max(0, end))
    if match is None:
        raise ConnectionError("it is not HTTP/1.1")
    status, headers = int(match[1]), dict[bytes, bytes]()
    for line in bytes(match[2]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if (name := name.lower()) in headers and name not in _MAY_REPEAT:
            raise ConnectionError(f"{status}: it says {name.decode()} twice")
        headers[name] = value.strip(b" \t")
    if b"transfer-encoding" in headers:
        raise ConnectionError(f"{status}: it says transfer-encoding, and no length")
    length = headers.get(b"content-length", b"")
    if not _LENGTH.match(length):
        raise ConnectionError(f"{status}: its content-length is missing or no number")
    whole = end + 4 + int(length)
    if whole > most_bytes:
        raise ConnectionError(f"{status}: it is too long, {whole} bytes")
    while len(received) < whole:
        received += yield from receive()
    if len(received) > whole:
        raise ConnectionError(f"{status}: it is longer than it announced")
    body, checksum = bytes(received[end + 4 :]), headers.get(b"x-amz-crc32")
    if checksum not in (None, b"%d" % zlib.crc32(body)):
        raise ConnectionError(f"{status}: its checksum is wrong")
    request_id = headers.get(b"x-amzn-requestid", b"").decode("latin-1")
    is_last = b"close" in headers.get(b"connection", b"").lower()
    return Answer(status, body, request_id, checksum is not None, is_last)
