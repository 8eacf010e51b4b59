"""An endpoint of DynamoDB in a thread of the test, and the function's loop led to it."""

import contextlib
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple, Self

import trustme

from function.loop import Loop
from function.service import Service

HOST = "127.0.0.1"
HERE = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}

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


def looped(url: str, folder: Path | None = None) -> Loop:
    """Make a loop on a server. folder: its own."""
    bundle = {"AWS_CA_BUNDLE": str(folder / "ca.pem")} if folder else {}
    return Loop(Service("dynamodb", {**HERE, "AWS_ENDPOINT_URL": url, **bundle}))


class Request(NamedTuple):
    """A request, and on which connection it came: the first, the second ..."""

    connection: int
    path: str
    body: bytes


class Server(ThreadingHTTPServer):
    """Serves as a context manager. Each request takes the next step; the last one stays."""

    request_queue_size = 128

    def __init__(self, *steps: Step, folder: Path | None = None) -> None:
        """folder: where to put an authority's certificate, ca.pem; then it speaks TLS."""
        super().__init__((HOST, 0), Conversation)
        self.url = f"http{'s' if folder else ''}://{HOST}:{self.server_port}"
        if folder:
            authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            authority.issue_cert(HOST).configure_cert(tls)
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._steps = chain(steps, repeat(steps[-1]))
        self.conversations: list[socket.socket] = []
        self.requests: list[Request] = []

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more, and end all conversations."""
        self.shutdown()
        for conversation in self.conversations:
            end(conversation)
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a conversation end as it does."""

    def next_step(self, request: Request) -> Step:
        """Note a request, and return what follows on it."""
        self.requests.append(request)
        return next(self._steps)


def end(conversation: socket.socket) -> None:
    """End a conversation now."""
    with contextlib.suppress(OSError):
        conversation.shutdown(socket.SHUT_RDWR)


class Conversation(BaseHTTPRequestHandler):
    """What is said on one connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        """Count it among the server's."""
        self.server.conversations.append(self.request)
        self.number = self.server.conversations.index(self.request) + 1
        super().setup()

    def do_POST(self) -> None:
        """Take the next step."""
        step = self.server.next_step(Request(self.number, self.path, self.body()))
        if step is None:
            self.close_connection = True
        elif callable(step):
            step(self.connection)
        else:
            self.connection.sendall(step)

    def body(self) -> bytes:
        """Read the request to its end."""
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def forward(self, to: HTTPConnection, path: str, body: bytes) -> bytes:
        """Ask another server the same, and return its whole answer."""
        to.request(self.command, path, body, dict(self.headers))
        answered = to.getresponse()
        content = answered.read()
        head = "".join(
            f"{name}: {value}\r\n"
            for name, value in answered.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding")
        )
        length = f"Content-Length: {len(content)}\r\n\r\n"
        return f"HTTP/1.1 {answered.status} {answered.reason}\r\n{head}{length}".encode() + content

    def log_request(self, *_: object) -> None:
        """Say nothing."""
