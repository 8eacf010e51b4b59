"""A stub of DynamoDB's endpoint, over TLS, in a process of its own, which remembers every request.

It accepts every write after a fixed latency, over keep-alive connections on loopback. While
clients are measured it only stores the bytes; they are parsed when `Stub.take` asks for them.
"""

import asyncio
import http.client
import json
import re
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore
import trustme

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *DynamoDB_20120810\.(\w+)", re.IGNORECASE)


def _response(body: bytes, number: int) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n"
        b"x-amzn-RequestId: %052d\r\nx-amz-crc32: %d\r\nConnection: keep-alive\r\n\r\n%b"
    ) % (len(body), number, zlib.crc32(body), body)


class _Connection(asyncio.Protocol):
    """One client connection; `requests` is shared by all of them, in order of arrival."""

    def __init__(self, latency: float, requests: list[tuple[bytes, bytes]]) -> None:
        self._latency = latency
        self._requests = requests
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        operation = _TARGET.search(head)
        if operation is None:  # not DynamoDB's protocol: our own question for what came in
            taken = [
                {"operation": name.decode(), **json.loads(put)} for name, put in self._requests
            ]
            self._requests.clear()
            self._transport.write(_response(json.dumps(taken).encode(), 0))
            return
        self._requests.append((operation[1], body))
        accepted = _response(b"{}", len(self._requests))
        asyncio.get_running_loop().call_later(self._latency, self._transport.write, accepted)


async def _serve(latency: float, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    requests: list[tuple[bytes, bytes]] = []
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = await loop.create_server(lambda: _Connection(latency, requests), HOST, 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent_gone = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), parent_gone.set)  # end of file: also when it was killed
    await parent_gone.wait()


def main() -> None:
    """Serve on an ephemeral port, printed on stdout, until stdin closes."""
    # epoll rounds each timer up to a whole millisecond; select keeps to the microsecond.
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(_serve(float(sys.argv[1]) / 1000, sys.argv[2]))


@dataclass(frozen=True)
class Stub:
    """A running stub, seen from the process that started it."""

    port: int
    ca_bundle: str
    """For AWS_CA_BUNDLE: what boto3 trusts by itself, as long to load, and the stub's authority."""

    @property
    def url(self) -> str:
        """The endpoint for AWS_ENDPOINT_URL."""
        return f"https://{HOST}:{self.port}"

    def take(self) -> list[dict[str, Any]]:
        """Return the requests since the last call, in order: DynamoDB's JSON plus `operation`."""
        trusted = ssl.create_default_context(cafile=self.ca_bundle)
        with closing(http.client.HTTPSConnection(HOST, self.port, context=trusted)) as connection:
            connection.request("DELETE", "/requests")
            taken: list[dict[str, Any]] = json.loads(connection.getresponse().read())
        return taken

    def round_trip_ms(self, samples: int = 100) -> float:
        """Measure the median of one write on a bare socket: the floor of every variant."""
        body = json.dumps({"TableName": "floor", "Item": {"state": {"S": "x" * 600}}}).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
            "X-Amz-Target: DynamoDB_20120810.PutItem\r\n\r\n"
        ).encode()
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
        return statistics.median(times)


@contextmanager
def running_stub(latency_ms: float) -> Iterator[Stub]:
    """Start a stub that answers each write after `latency_ms`; stop it at the end."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        certificate, bundle = Path(folder) / "server.pem", Path(folder) / "ca.pem"
        authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
        own = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
        bundle.write_bytes(own + authority.cert_pem.bytes())
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.stub", str(latency_ms), str(certificate)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then closes stdin
        )
        with process:  # closes stdin, which ends the stub, and waits
            assert process.stdout is not None  # noqa: S101 - narrows the type
            yield Stub(int(process.stdout.readline()), str(bundle))


if __name__ == "__main__":
    main()
