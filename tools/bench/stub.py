"""A stub of DynamoDB's endpoint, over TLS, in a process of its own: it remembers each request."""

import asyncio
import json
import os
import re
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import botocore
import trustme

HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *DynamoDB_20120810\.(\w+)", re.IGNORECASE)
_ACCEPTED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n"
    b"x-amzn-RequestId: %%052d\r\nx-amz-crc32: %d\r\nConnection: keep-alive\r\n\r\n{}"
) % zlib.crc32(b"{}")


class _Connection(asyncio.Protocol):
    """One client connection; `requests` is shared by all of them, in order of arrival."""

    def __init__(self, latency: float, requests: list[tuple[bytes, bytes]]) -> None:
        self._latency, self._requests, self._buffer = latency, requests, b""

    def connection_made(self, transport: Any) -> None:
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length, operation = _LENGTH.search(head), _TARGET.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
            self._requests.append((operation[1] if operation else b"", body))
            answer = _ACCEPTED % len(self._requests)
            asyncio.get_running_loop().call_later(self._latency, self._write, answer)


async def _serve(latency: float, certificate: str) -> None:
    """Print the port; then, for each byte on stdin, what came in; until stdin closes."""
    loop, parent_gone = asyncio.get_running_loop(), asyncio.Event()
    requests: list[tuple[bytes, bytes]] = []
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    server = await loop.create_server(lambda: _Connection(latency, requests), HOST, 0, ssl=tls)

    def tell() -> None:
        if not os.read(sys.stdin.fileno(), 1):  # also when the parent was killed
            parent_gone.set()
            return
        taken = [{"operation": name.decode(), **json.loads(body)} for name, body in requests]
        requests.clear()
        print(json.dumps(taken), flush=True)

    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin.fileno(), tell)
    await parent_gone.wait()


class Stub:
    """A running stub, seen from the process that started it."""

    def __init__(self, process: "subprocess.Popen[bytes]", ca_bundle: str) -> None:
        pipes: Any = process
        self._asks, self._tells = pipes.stdin, pipes.stdout
        self.port = int(self._tells.readline())
        self.url = f"https://{HOST}:{self.port}"  # for AWS_ENDPOINT_URL
        # For AWS_CA_BUNDLE: what boto3 trusts by itself, as long to load, and the stub's own.
        self.ca_bundle = ca_bundle

    def take(self) -> list[dict[str, Any]]:
        """Return the requests since the last call, in order: DynamoDB's JSON plus `operation`."""
        self._asks.write(b"?")
        self._asks.flush()
        return list(json.loads(self._tells.readline()))

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


@contextmanager
def running_stub(latency_ms: float) -> Iterator[Stub]:
    """Start a stub that answers each write after `latency_ms`; stop it at the end."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        certificate, bundle = Path(folder) / "server.pem", Path(folder) / "ca.pem"
        authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
        own = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
        bundle.write_bytes(own + authority.cert_pem.bytes())
        with subprocess.Popen(  # closes stdin at the end, which ends the stub, and waits
            [sys.executable, "-m", "tools.bench.stub", str(latency_ms / 1000), str(certificate)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then closes stdin
        ) as process:
            yield Stub(process, str(bundle))


if __name__ == "__main__":
    # epoll rounds each timer up to a whole millisecond; select keeps to the microsecond.
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(_serve(float(sys.argv[1]), sys.argv[2]))
