"""An endpoint of DynamoDB in a thread of the test, which does what the test tells it to."""

import contextlib
import json
import os
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import trustme

HOST = "127.0.0.1"

Step = bytes | Callable[[socket.socket], object] | None
"""What follows on a request: these bytes, whatever is done with the connection, or its end."""


def answer(body: bytes = b"{}", status: int = 200, **changed: object) -> bytes:
    """Make an answer as DynamoDB does; changed: headers, "_" for "-", None for one left out."""
    headers: dict[str, object] = {
        "Server": "Server",
        "Date": "Sun, 30 Mar 2025 01:00:00 GMT",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": len(body),
        "Connection": "keep-alive",
        "x-amzn-RequestId": "4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG",
        "x-amz-crc32": zlib.crc32(body),
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return f"HTTP/1.1 {status} Whatever\r\n{''.join(lines)}\r\n".encode() + body


def answer_anew(conversation: socket.socket) -> None:
    """Answer with a request id of its own, as DynamoDB does."""
    conversation.sendall(answer(x_amzn_RequestId=os.urandom(8).hex()))


def error(code: str, status: int = 400, message: str = "because") -> bytes:
    """Make an error of DynamoDB."""
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return answer(json.dumps(said).encode(), status)


class Request(NamedTuple):
    """A request, and on which connection it came: the first, the second ..."""

    connection: int
    head: str
    body: bytes


class Server:
    """Serves as a context manager. Each request takes the next step; the last one stays."""

    def __init__(
        self, *steps: Step, folder: Path | None = None, names: Iterable[str] = (HOST,)
    ) -> None:
        """folder: where to put an authority's certificate, ca.pem; then it speaks TLS, by names."""
        self._steps = list(steps)
        self._tls: ssl.SSLContext | None = None
        if folder:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(*names).configure_cert(self._tls)
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        self._listener = socket.create_server((HOST, 0))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                serve = threading.Thread(target=self._serve, args=(connection, len(self._open)))
                serve.daemon = True
                serve.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open[number - 1] = connection
            with connection:
                while request := _request(connection):
                    with self._lock:
                        self.requests.append(Request(number, *request))
                        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                    if step is None:
                        return
                    if callable(step):
                        step(connection)
                    else:
                        connection.sendall(step)


def _request(connection: socket.socket) -> tuple[str, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head.decode(), body
