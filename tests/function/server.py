"""An endpoint of DynamoDB in a thread of the test, which does what the test tells it to."""

import contextlib
import json
import os
import re
import socket
import socketserver
import ssl
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

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


class Server(socketserver.ThreadingTCPServer):
    """Serves as a context manager. Each request takes the next step; the last one stays."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *steps: Step, folder: Path | None = None) -> None:
        """folder: where to put an authority's certificate, ca.pem; then it speaks TLS."""
        self._steps = list(steps)
        self._tls: ssl.SSLContext | None = None
        if folder:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(HOST).configure_cert(self._tls)
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        super().__init__((HOST, 0), socketserver.BaseRequestHandler)
        self.url = f"http{'s' if self._tls else ''}://{HOST}:{self.server_address[1]}"

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more, and end all conversations."""
        self.shutdown()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Converse on a connection until it ends."""
        with self._lock:
            self._open.append(request)
            number = len(self._open)
        with contextlib.suppress(OSError, ValueError):
            if self._tls:
                request = self._tls.wrap_socket(request, server_side=True)
                self._open[number - 1] = request
            with request:
                while said := _request(request):
                    with self._lock:
                        self.requests.append(Request(number, *said))
                        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                    if step is None:
                        return
                    if callable(step):
                        step(request)
                    else:
                        request.sendall(step)


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
