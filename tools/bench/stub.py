"""A stub of DynamoDB's endpoint, over TLS, which remembers every request.

It accepts every write after a fixed latency, over kept connections on loopback. While clients are
measured it only stores the bytes; they are parsed when `Stub.take` asks for them.
"""

import http.client
import json
import ssl
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import botocore
import trustme

from tools.bench.server import HOST, Headers, Server

_ACCEPTED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n"
    b"x-amzn-RequestId: %%052d\r\nx-amz-crc32: %d\r\nConnection: keep-alive\r\n\r\n{}"
) % zlib.crc32(b"{}")


class Stub(Server):
    """A running stub."""

    def __init__(self, latency_ms: float, tls: ssl.SSLContext, ca_bundle: str) -> None:
        super().__init__(tls)
        self._latency = latency_ms / 1000
        self._requests: list[tuple[bytes, bytes]] = []
        self.url = f"https://{HOST}:{self.port}"
        """The endpoint for AWS_ENDPOINT_URL."""
        self.ca_bundle = ca_bundle
        """For AWS_CA_BUNDLE: what boto3 trusts by itself, as long to load, and the stub's own."""

    def answer(self, path: str, headers: Headers, body: bytes) -> bytes:
        """Accept a request."""
        self._requests.append((headers.get(b"x-amz-target", b""), body))
        time.sleep(self._latency)
        return _ACCEPTED % time.perf_counter_ns()

    def take(self) -> list[dict[str, Any]]:
        """Return the requests since the last call, in order: DynamoDB's JSON plus `operation`."""
        taken, self._requests = self._requests, []
        return [
            {"operation": target.decode().rpartition(".")[2], **json.loads(body)}
            for target, body in taken
        ]

    def round_trip_ms(self, samples: int = 100) -> float:
        """Measure the median of one write on a bare connection: the floor of every variant."""
        body = json.dumps({"TableName": "floor", "Item": {"state": {"S": "x" * 600}}})
        trusted = ssl.create_default_context(cafile=self.ca_bundle)
        times = []
        with closing(http.client.HTTPSConnection(HOST, self.port, context=trusted)) as connection:
            for _ in range(samples):
                start = time.perf_counter()
                connection.request("POST", "/", body)
                connection.getresponse().read()
                times.append((time.perf_counter() - start) * 1000)
        self.take()
        return median(times)


@contextmanager
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
            yield stub
