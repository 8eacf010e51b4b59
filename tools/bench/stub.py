"""A stub of DynamoDB's endpoint, over TLS, in a thread, which remembers every request.

It accepts every write after a fixed latency, over kept connections on loopback. While clients are
measured it only stores the bytes; they are parsed when `Stub.take` asks for them.
"""

import contextlib
import json
import socket
import socketserver
import ssl
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import botocore
import trustme

HOST = "127.0.0.1"
_ACCEPTED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n"
    b"x-amzn-RequestId: %%052d\r\nx-amz-crc32: %d\r\nConnection: keep-alive\r\n\r\n{}"
) % zlib.crc32(b"{}")


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: "Stub"

    def handle(self) -> None:
        """Answer one request after another; a client may go at any moment."""
        with contextlib.suppress(OSError):
            while self.rfile.readline():
                headers = {}
                while line := self.rfile.readline().rstrip():
                    name, _, value = line.partition(b":")
                    headers[name.lower()] = value.strip()
                body = self.rfile.read(int(headers.get(b"content-length", 0)))
                self.server.requests.append((headers.get(b"x-amz-target", b""), body))
                time.sleep(self.server.latency)
                self.wfile.write(_ACCEPTED % time.perf_counter_ns())


class Stub(socketserver.ThreadingTCPServer):
    """A running stub."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, latency_ms: float, tls: ssl.SSLContext, ca_bundle: str) -> None:
        self.latency = latency_ms / 1000
        self.requests: list[tuple[bytes, bytes]] = []
        self.ca_bundle = ca_bundle
        """For AWS_CA_BUNDLE: what boto3 trusts by itself, as long to load, and the stub's own."""
        self._tls = tls
        super().__init__((HOST, 0), _Connection)
        self.port: int = self.server_address[1]
        self.url = f"https://{HOST}:{self.port}"
        """The endpoint for AWS_ENDPOINT_URL."""

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, whose thread will do the handshake."""
        plain, address = super().get_request()
        return self._tls.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        ), address

    def take(self) -> list[dict[str, Any]]:
        """Return the requests since the last call, in order: DynamoDB's JSON plus `operation`."""
        taken, self.requests = self.requests, []
        return [
            {"operation": target.decode().rpartition(".")[2], **json.loads(body)}
            for target, body in taken
        ]

    def round_trip_ms(self, samples: int = 100) -> float:
        """Measure the median of one write on a bare socket: the floor of every variant."""
        body = json.dumps({"TableName": "floor", "Item": {"state": {"S": "x" * 600}}}).encode()
        head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        times = []
        trusted = ssl.create_default_context(cafile=self.ca_bundle)
        with (
            socket.create_connection((HOST, self.port), timeout=60) as plain,
            trusted.wrap_socket(plain, server_hostname=HOST) as connection,
        ):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(samples):
                start = time.perf_counter()
                connection.sendall(head + body)
                connection.recv(65536)
                times.append((time.perf_counter() - start) * 1000)
        self.take()
        return median(times)


@contextlib.contextmanager
def running_stub(latency_ms: float) -> Iterator[Stub]:
    """Start a stub that answers each write after `latency_ms`; stop it at the end."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(tls)
    own = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "ca.pem"
        bundle.write_bytes(own + authority.cert_pem.bytes())
        with Stub(latency_ms, tls, str(bundle)) as stub:
            threading.Thread(target=stub.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield stub
            finally:
                stub.shutdown()
