"""Stands between the function and AWS, and fails as networks, tables, queues and machines do.

A fault meets a call, most of them writes: all that the client sends for it, or only the first
request. Which calls, which faults: decided by the seed for the first call, the second, and so on,
in order of arrival.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import ssl
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

import trustme

HOST: Final = "127.0.0.1"
# Out of so many writes, the first ones meet a storm: half of them fail. The others, one in fifty.
PERIOD: Final = 1000
STORM: Final = 150
STORM_RATE: Final = 0.5
CALM_RATE: Final = 0.02


class Fault(Enum):
    """What can happen to a write, by its name in the report, and how often next to the others."""

    THROTTLED = "write throttled", 20
    SERVER_ERROR = "table answered 500 or 503", 16
    SLOW = "answer slow, 0.1-1 s", 12
    LATE = "write took effect after the function's time", 8
    UNHEARD = "answer came after the function's time", 8
    CUT_BEFORE = "connection cut before the write", 16
    CUT_AFTER = "connection cut after the write", 16
    GARBLED = "answer garbled, half of them after the write", 8
    WRONG_LENGTH = "answer longer or shorter than announced, without the write", 8
    WRONG_CHECKSUM = "answer with a wrong checksum, without the write", 8
    BY_BYTES = "answer byte by byte", 4
    TWICE = "answer given twice", 8
    CLOSED = "connection closed once it was idle", 8
    HALF_OPEN = "connection left half open, without the write", 4
    HANDSHAKE = "connection cut, and the next one's TLS handshake stopped", 4
    KILLED_BEFORE = "invocation killed before one of its writes", 1
    KILLED_AFTER = "invocation killed after one of its writes", 1
    FROZEN = "invocation frozen until it timed out", 1
    DARK = "all connections of a process went dark", 2
    LAST = "answer that ends its connection, which then is silent", 8
    EXPIRED = "signature expired", 4
    IN_PART = "read or pauses answered in part", 8

    def __init__(self, title: str, weight: int) -> None:
        self.title = title
        self.weight = weight


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A fault for one write."""

    fault: Fault
    persistent: bool
    """Whether what the client sends again meets it too."""
    dice: float
    """Between 0 and 1, for what is left to choose: an error, a delay."""


def schedule(seed: int, often: Fault | None = None) -> Iterator[Plan | None]:
    """Yield what meets the first write, the second, and so on; None is nothing.

    often: a fault that comes more often than all others together.
    """
    random = Random(f"faults {seed}")
    deck: list[Fault] = []
    for number in itertools.count():
        if random.random() >= (STORM_RATE if number % PERIOD < STORM else CALM_RATE):
            yield None
            continue
        if not deck:  # dealt like cards, one of each kind first, so that a short run meets them all
            first = list(Fault)
            others = [fault for fault in Fault for _ in range(fault.weight - 1)]
            others += [often] * len(others) if often else []
            random.shuffle(first)
            random.shuffle(others)
            deck = others + first
        yield Plan(fault=deck.pop(), persistent=random.random() < 0.5, dice=random.random())


Piece = bytes | float | None
"""What the client gets: bytes, after how many seconds, or the end of the connection."""


class Proxy:
    """A DynamoDB endpoint that forwards to the real one, as a context manager in its own thread.

    A function reaches it at `endpoint_url`, followed by a slash and its own process id, which
    tells whom to kill, if it trusts the authority whose certificate is in `ca_bundle`.
    """

    def __init__(
        self,
        target_port: int,
        seed: int,
        function_seconds: float,
        ca_bundle: Path,
        often: Fault | None = None,
    ) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(ca_bundle))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self._tls)
        self._target_port = target_port
        self._schedule = schedule(seed, often)
        self._function_seconds = function_seconds
        self._plans: dict[bytes, Plan | None] = {}
        self._handshakes_to_stop = 0
        self._dark_since: dict[int, float] = {}  # by process
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: Counter[bytes] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.faults: Counter[Fault] = Counter()
        self.writes = 0
        self.concurrent = 0
        """How many writes began while another one of the same event_id was under way."""
        self.calm = False
        """Set it to let everything pass."""

    @property
    def endpoint_url(self) -> str:
        """Where a function reaches it."""
        port = self._server.sockets[0].getsockname()[1]
        return f"https://{HOST}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, HOST, 0, limit=1 << 20)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The loop itself holds tasks only weakly.
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        upstream, opened = _Upstream(self._target_port), self._loop.time()
        try:
            if self._handshakes_to_stop:
                self._handshakes_to_stop -= 1
                await reader.read(1)
                writer.write(b"\x16\x03\x03\x00\x7a")  # the beginning of a record
                await reader.read()
                return
            await writer.start_tls(self._tls)
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                if opened <= self._dark_since.get(int(_field(_PROCESS, head)), 0):
                    await reader.read()
                    return
                for piece in await self._answer(head, body, upstream):
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                    elif piece is None or writer.is_closing():
                        return
                    else:
                        writer.write(piece)
                        await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client is gone
        except asyncio.CancelledError:
            pass  # the run is over
        finally:
            upstream.close()
            writer.transport.abort()  # closing waits for the other side's part of TLS

    async def _answer(self, head: bytes, body: bytes, upstream: "_Upstream") -> list[Piece]:
        pid = int(_field(_PROCESS, head))
        call = _field(_CALL, head)
        found = _EVENT_ID.search(body)
        event_id = found[1] if found else call
        is_first = call not in self._plans
        if is_first:
            self.writes += 1
            self._plans[call] = None if self.calm else next(self._schedule)
        plan = None if self.calm else self._plans[call]
        if plan and not (is_first or plan.persistent):
            plan = None
        if self._under_way[event_id]:
            self.concurrent += 1
        self._under_way[event_id] += 1
        try:
            if plan is None:
                return [await upstream.forward(head, body)]
            self.faults[plan.fault] += 1
            return await self._fail(plan, pid, head, body, upstream)
        finally:
            self._under_way[event_id] -= 1

    async def _fail(
        self, plan: Plan, pid: int, head: bytes, body: bytes, upstream: "_Upstream"
    ) -> list[Piece]:
        too_long = self._function_seconds + 0.5 + 4 * plan.dice
        match plan.fault:
            case Fault.THROTTLED:
                throttles = ("ProvisionedThroughputExceededException", "ThrottlingException")
                return [_error(400, throttles[plan.dice < 0.5])]
            case Fault.SERVER_ERROR:
                errors = (503, "ServiceUnavailable"), (500, "InternalServerError")
                return [_error(*errors[plan.dice < 0.5])]
            case Fault.SLOW:
                await asyncio.sleep(0.1 + 0.9 * plan.dice)
            case Fault.LATE:
                await asyncio.sleep(too_long)
            case Fault.CUT_BEFORE:
                return [None]
            case Fault.GARBLED if plan.dice >= 0.5:
                return [_response(200, "<html>")]
            case Fault.WRONG_LENGTH:
                return [_confirmation(announced=5 if plan.dice < 0.5 else 1), None]
            case Fault.WRONG_CHECKSUM:
                return [_confirmation(checksum=1)]
            case Fault.HALF_OPEN:
                await asyncio.sleep(10 * too_long)
                return [None]
            case Fault.HANDSHAKE:
                self._handshakes_to_stop += 1
                return [None]
            case Fault.DARK:
                self._dark_since[pid] = self._loop.time()
                await asyncio.sleep(too_long)
                return [None]
            case Fault.EXPIRED:
                message = "Signature expired: 20250330T010000Z is now earlier than it may be"
                return [_error(400, "InvalidSignatureException", message)]
            case Fault.IN_PART if b"BatchGetItem" in head:
                return [_whole(json.dumps({"Responses": {}, "UnprocessedKeys": {"x": {}}}))]
            case Fault.IN_PART if b"ChangeMessageVisibilityBatch" in head:
                refused = {"Id": "0", "Code": "InternalError", "SenderFault": False}
                return [_whole(json.dumps({"Successful": [], "Failed": [refused]}))]
            case Fault.KILLED_BEFORE:
                _send(signal.SIGKILL, pid)
                return [None]
            case Fault.FROZEN:
                _send(signal.SIGSTOP, pid)
        answer = await upstream.forward(head, body)
        match plan.fault:
            case Fault.UNHEARD:
                await asyncio.sleep(too_long)
            case Fault.CUT_AFTER:
                return [None]
            case Fault.GARBLED:
                return [_response(200, "<html>")]
            case Fault.BY_BYTES:
                return [bytes([byte]) for byte in answer]
            case Fault.TWICE:
                return [answer, 0.1 * plan.dice, answer] if plan.dice < 0.5 else [2 * answer]
            case Fault.LAST:
                last = answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                return [_CONNECTION.sub(b"", last, count=1), 10 * too_long, None]
            case Fault.CLOSED:
                return [answer, 0.1 * plan.dice, None]
            case Fault.KILLED_AFTER:
                _send(signal.SIGKILL, pid)
                return [None]
        return [answer]


class _Upstream:
    """A connection to the real endpoint, made when first needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def forward(self, head: bytes, body: bytes) -> bytes:
        """Return the real answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                HOST, self._port, limit=1 << 20
            )
        self._writer.write(_PROCESS.sub(b"POST / ", head, count=1) + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        return answer + await self._reader.readexactly(_length(answer))

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._writer:
            self._writer.close()


_PROCESS: Final = re.compile(rb"^POST /(\d+)/? ")
_CALL: Final = re.compile(rb"\r\namz-sdk-invocation-id: *([^\r]+)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONNECTION: Final = re.compile(rb"(?<=\r\n)connection: keep-alive\r\n", re.IGNORECASE)
_EVENT_ID: Final = re.compile(rb'"event_id": \{"S": ("[^"]*")')


def _field(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"the function's request does not match {pattern.pattern!r}: {text!r}")
    return found[1]


def _length(head: bytes) -> int:
    return int(_field(_LENGTH, head))


def _send(signal_: signal.Signals, pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended in the meantime
        os.kill(pid, signal_)


def _error(status: int, code: str, message: str = "injected") -> bytes:
    error = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return _response(status, json.dumps(error))


def _response(status: int, body: str) -> bytes:
    return (
        f"HTTP/1.1 {status} Injected\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _whole(body: str) -> bytes:
    """Return what proves itself as an answer of DynamoDB does."""
    checksum = zlib.crc32(body.encode())
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: "
        f"{os.urandom(8).hex()}\r\nx-amz-crc32: {checksum}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _confirmation(announced: int = 2, checksum: int = 2745614147) -> bytes:
    """Return what would confirm a write, were the length 2 and the checksum that of `{}`."""
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: injected"
        f"\r\nx-amz-crc32: {checksum}\r\nContent-Length: {announced}\r\n\r\n{{}}"
    ).encode()
