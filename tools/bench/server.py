"""A small HTTP server on loopback, in threads, that costs little beside what is measured."""

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Mapping
from typing import Any, Self

HOST = "127.0.0.1"
Headers = Mapping[bytes, bytes]
"""By their names in small letters."""


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: "Server"

    def handle(self) -> None:
        """Answer one request after another; a client may go at any moment."""
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                headers = {}
                while header := self.rfile.readline().rstrip():
                    name, _, value = header.partition(b":")
                    headers[name.lower()] = value.strip()
                body = self.rfile.read(int(headers.get(b"content-length", 0)))
                self.wfile.write(self.server.answer(line.split()[1].decode(), headers, body))


class Server(socketserver.ThreadingTCPServer):
    """Serves as a context manager, on a free port; `answer` says what."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__((HOST, 0), _Connection)
        self._tls = tls
        self.port: int = self.server_address[1]

    def answer(self, path: str, headers: Headers, body: bytes) -> bytes:
        """Return the whole answer to a request."""
        raise NotImplementedError

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, whose thread will do the handshake."""
        plain, address = super().get_request()
        if not self._tls:
            return plain, address
        wrap = self._tls.wrap_socket
        return wrap(plain, server_side=True, do_handshake_on_connect=False), address

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()
