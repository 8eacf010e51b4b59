"""One exchange with DynamoDB: a signed request to put an item goes out, one answer comes in."""

import contextlib
import re
import select
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from function.signature import sign

CONNECT_SECONDS = 1.0  # for TCP, and again for TLS
ANSWER_SECONDS = 2.0  # for sending a request and reading its answer
ANSWER_BYTES = 65_536  # DynamoDB's own have some hundred

# By the beginning of a region's name, AWS's partitions as botocore's partitions.json has them.
_SUFFIXES = {
    "cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu", "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov", "us-isof-": "csp.hci.ic.gov", "eu-isoe-": "cloud.adc-e.uk",
    "": "amazonaws.com",
}  # fmt: skip
# The path is signed as it stands: nothing in it to escape, no empty and no dotted name.
_URL = re.compile(r"(https?)://(\[[\da-f:]+\]|[\w.-]+)(?::(\d+))?((?:/[\w~-][\w.~-]*)*)/?", re.A)
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?((?:\r\n[\w!#$%&'*+.^`|~-]+:[^\r\n]*)*)")
_LENGTH = re.compile(rb"\d{1,9}\Z")


class AnswerError(Exception):
    """What came is no answer, and why not."""


class Answer(NamedTuple):
    """A whole answer, of the length and the checksum that it announced."""

    status: int
    body: bytes
    request_id: bytes = b""
    """DynamoDB's; empty if it is missing, or the checksum: then whoever answered proves nothing."""


def read_answer(received: bytes) -> Answer | None:
    """Return the answer in what was received, or None if more of it has to come.

    Raises AnswerError if it is none, whatever else may come.
    """
    head, is_ended, body = received.partition(b"\r\n\r\n")
    match = _HEAD.fullmatch(head) if is_ended else None
    if match is None:
        if is_ended or len(received) >= ANSWER_BYTES:
            raise AnswerError("it is not HTTP/1.1")
        return None
    fields = [line.split(b":", 1) for line in match[2].split(b"\r\n")[1:]]
    headers = {name.lower(): value.strip(b" \t") for name, value in fields}
    length = headers.get(b"content-length", b"")
    if len(headers) < len(fields) or b"transfer-encoding" in headers or not _LENGTH.match(length):
        raise AnswerError("its length is not clear")
    missing = int(length) - len(body)
    if missing < 0 or missing + len(received) > ANSWER_BYTES:
        raise AnswerError("it is too long")
    if missing:
        return None
    checksum = headers.get(b"x-amz-crc32")
    if checksum not in (None, b"%d" % zlib.crc32(body)):
        raise AnswerError("its checksum is wrong")
    return Answer(int(match[1]), body, headers.get(b"x-amzn-requestid", b"") if checksum else b"")


def find_endpoint(region: str, environment: Mapping[str, str]) -> str:
    """Return the URL of AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, or of the region itself."""
    suffix = next(suffix for start, suffix in _SUFFIXES.items() if region.startswith(start))
    # GovCloud has no other than FIPS's.
    is_fips = environment.get("AWS_USE_FIPS_ENDPOINT", "").lower() == "true"
    name = "dynamodb-fips" if is_fips and not region.startswith("us-gov-") else "dynamodb"
    return (
        environment.get("AWS_ENDPOINT_URL_DYNAMODB")
        or environment.get("AWS_ENDPOINT_URL")
        or f"https://{name}.{region}.{suffix}"
    )


class Exchange:
    """Exchanges with the endpoint that an environment names, from several threads at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Connect to nothing yet.

        Raises KeyError without a region, ValueError for an endpoint that is none, OSError for a CA
        bundle that is none.
        """
        self._kept: list[tuple[socket.socket, bytes]] = []
        self._ids: set[bytes] = set()
        self._environment = dict(environment)
        self._region = environment.get("AWS_REGION") or environment["AWS_DEFAULT_REGION"]
        url = find_endpoint(self._region, environment)
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"AWS_ENDPOINT_URL is {url!r}, it has to be http[s]://HOST[:PORT]")
        scheme, host, port, path = match.groups("")
        self._address = host.strip("[]"), int(port or (443 if scheme == "https" else 80))
        self._host, self._path = f"{host}:{port}" if port else host, f"{path}/"
        self._tls = None
        if scheme == "https":
            self._tls = ssl.create_default_context(cafile=environment.get("AWS_CA_BUNDLE") or None)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def __call__(self, body: bytes, invocation_id: str, attempt: int) -> Answer:
        """Return the answer to a request to put an item.

        invocation_id, attempt: by them AWS tells a request that is tried again from another one.
        Raises AnswerError for what is no answer, OSError if none came.
        """
        signed = sign(body, time.time(), self._region, self._environment, self._host, self._path)
        head = (
            f"POST {self._path} HTTP/1.1\n{signed}content-length:{len(body)}\n"
            f"amz-sdk-invocation-id:{invocation_id}\namz-sdk-request:attempt={attempt}\n"
            "user-agent:event-state\naccept-encoding:identity\n\n"
        )
        request = head.replace("\n", "\r\n").encode() + body
        # One that was closed meanwhile is replaced at once: at worst it is one more delivery.
        with contextlib.suppress(IndexError, ConnectionError, ssl.SSLError):
            connection, last_id = self._kept.pop()
            # Readable is one that was closed, or brings what nobody asked for.
            while select.select([connection], [], [], 0)[0]:
                connection.close()
                connection, last_id = self._kept.pop()
            return self._use(connection, request, last_id)
        return self._use(self._connect(), request)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, CONNECT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_hostname=self._address[0])

    def _use(self, connection: socket.socket, request: bytes, last_id: bytes = b"") -> Answer:
        """Return the answer to a request, and keep the connection if it is fit for another.

        last_id: the request id of the connection's last answer.
        """
        try:
            answer = converse(connection, request)
        except BaseException:
            connection.close()
            raise
        is_fit = answer.request_id != b"" and answer.status in (200, 400)
        # Known only where the server has told answers apart, as DynamoDB does.
        is_repeated = is_fit and answer.request_id == last_id and len(self._ids) > 1
        if is_fit and not is_repeated:
            self._ids = self._ids if len(self._ids) > 1 else {*self._ids, answer.request_id}
            self._kept.append((connection, answer.request_id))
        else:
            connection.close()
        if is_repeated:
            raise ConnectionResetError
        return answer

    def __del__(self) -> None:
        """Close what was kept."""
        for connection, _ in self._kept:
            connection.close()


def converse(connection: socket.socket, request: bytes) -> Answer:
    """Send a request and return the answer to it. Raises as Exchange does."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while request:
        connection.settimeout(_left(deadline))
        request = request[connection.send(request) :]
    received, answer = b"", None
    while answer is None:
        connection.settimeout(_left(deadline))
        chunk = connection.recv(ANSWER_BYTES - len(received))
        if not chunk:
            raise ConnectionResetError("closed before the end of an answer")
        received += chunk
        answer = read_answer(received)
    return answer


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("too late")
    return left
