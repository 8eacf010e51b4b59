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
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import Final, Self

import trustme

from tests.function.server import answer

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


Piece = bytes | float | signal.Signals | None
"""What the client gets: bytes, after how many seconds, a signal, or the end of the connection."""
Step = Piece | Callable[[bytes], list[Piece]]
"""A piece; or the call is forwarded, and this is what becomes of the real answer."""


def _steps(plan: Plan, target: bytes, function_seconds: float) -> list[Step]:
    """Return what happens to a call of this operation; the function has so many seconds."""
    dice, is_half = plan.dice, plan.dice < 0.5
    too_long = function_seconds + 0.5 + 4 * dice
    throttled = ("ProvisionedThroughputExceededException", "ThrottlingException")[is_half]
    server_error = ((503, "ServiceUnavailable"), (500, "InternalServerError"))[is_half]
    expired = "Signature expired: 20250330T010000Z is now earlier than it may be"
    garbled = answer(b"<html>", x_amzn_RequestId=None, x_amz_crc32=None)
    refused = {"Id": "0", "Code": "InternalError", "SenderFault": False}
    in_part: dict[bytes, object] = {
        b"BatchGetItem": {"Responses": {}, "UnprocessedKeys": {"x": {}}},
        b"ChangeMessageVisibilityBatch": {"Successful": [], "Failed": [refused]},
    }
    table: dict[Fault, list[Step]] = {
        Fault.THROTTLED: [_error(400, throttled)],
        Fault.SERVER_ERROR: [_error(*server_error)],
        Fault.SLOW: [0.1 + 0.9 * dice, _pass],
        Fault.LATE: [too_long, _pass],
        Fault.UNHEARD: [lambda real: [too_long, real]],
        Fault.CUT_BEFORE: [None],
        Fault.CUT_AFTER: [lambda _: [None]],
        Fault.GARBLED: [(lambda _: [garbled]) if is_half else garbled],
        Fault.WRONG_LENGTH: [_said({}, Content_Length=5 if is_half else 1), None],
        Fault.WRONG_CHECKSUM: [_said({}, x_amz_crc32=1)],
        Fault.BY_BYTES: [lambda real: [bytes([byte]) for byte in real]],
        Fault.TWICE: [lambda real: [real, 0.1 * dice, real] if is_half else [2 * real]],
        Fault.CLOSED: [lambda real: [real, 0.1 * dice, None]],
        Fault.HALF_OPEN: [10 * too_long, None],
        Fault.HANDSHAKE: [None],
        Fault.KILLED_BEFORE: [signal.SIGKILL, None],
        Fault.KILLED_AFTER: [lambda _: [signal.SIGKILL, None]],
        Fault.DARK: [too_long, None],
        Fault.LAST: [lambda real: [_ending(real), 10 * too_long, None]],
        Fault.EXPIRED: [_error(400, "InvalidSignatureException", expired)],
        Fault.IN_PART: [_said(in_part[target]) if target in in_part else _pass],
        Fault.FROZEN: [signal.SIGSTOP, _pass],
    }
    return table[plan.fault]


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
        self._under_way: Counter[bytes] = Counter()
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.endpoint_url = ""
        """Where a function reaches it."""
        self.faults: Counter[Fault] = Counter()
        self.writes = 0
        self.concurrent = 0
        """How many writes began while another one of the same event_id was under way."""
        self.calm = False
        """Set it to let everything pass."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_up.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self) -> None:
        """Serve until the end, when all that is still under way is cancelled."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, HOST, 0, limit=1 << 20)
        self.endpoint_url = f"https://{HOST}:{server.sockets[0].getsockname()[1]}"
        self._is_up.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened, upstream = self._loop.time(), None
        self._tasks.add(task := asyncio.current_task())  # the loop itself holds them only weakly
        try:
            if self._handshakes_to_stop:
                self._handshakes_to_stop -= 1
                await reader.read(1)
                writer.write(b"\x16\x03\x03\x00\x7a")  # the beginning of a record
                await reader.read()
                return
            await writer.start_tls(self._tls)  # at once: it would not see what has been read
            upstream = await asyncio.open_connection(HOST, self._target_port, limit=1 << 20)
            while await self._exchange(opened, reader, writer, *upstream):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client is gone
        except asyncio.CancelledError:
            pass  # the run is over
        finally:
            self._tasks.discard(task)
            if upstream:
                upstream[1].close()
            writer.transport.abort()  # closing waits for the other side's part of TLS

    async def _exchange(
        self,
        opened: float,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_table: asyncio.StreamReader,
        to_table: asyncio.StreamWriter,
    ) -> bool:
        """Answer one request, or not; return whether the connection, opened then, goes on."""
        head, body = await _message(reader)
        pid = int(_field(_PROCESS, head))
        if opened <= self._dark_since.get(pid, 0):
            await reader.read()
            return False
        found = _EVENT_ID.search(body)
        event_id = found[1] if found else _field(_CALL, head)
        self.concurrent += bool(self._under_way[event_id])
        self._under_way[event_id] += 1
        try:
            left = self._meet(head, pid)
            while left:
                step = left.pop(0)
                if callable(step):
                    to_table.write(_PROCESS.sub(b"POST / ", head, count=1) + body)
                    left = [*step(b"".join(await _message(from_table))), *left]
                elif isinstance(step, signal.Signals):
                    with contextlib.suppress(ProcessLookupError):  # it ended in the meantime
                        os.kill(pid, step)
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                elif step is None or writer.is_closing():
                    return False
                else:
                    writer.write(step)
                    await writer.drain()
        finally:
            self._under_way[event_id] -= 1
        return True

    def _meet(self, head: bytes, pid: int) -> list[Step]:
        """Return what happens to a request."""
        call = _field(_CALL, head)
        is_first = call not in self._plans
        if is_first:
            self.writes += 1
            self._plans[call] = None if self.calm else next(self._schedule)
        plan = self._plans[call]
        if plan is None or self.calm or not (is_first or plan.persistent):
            return [_pass]
        self.faults[plan.fault] += 1
        self._handshakes_to_stop += plan.fault is Fault.HANDSHAKE
        if plan.fault is Fault.DARK:
            self._dark_since[pid] = self._loop.time()
        return _steps(plan, _field(_TARGET, head), self._function_seconds)


_PROCESS: Final = re.compile(rb"^POST /(\d+)/? ")
_CALL: Final = re.compile(rb"\r\namz-sdk-invocation-id: *([^\r]+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *\w+\.(\w+)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONNECTION: Final = re.compile(rb"(?<=\r\n)connection: keep-alive\r\n", re.IGNORECASE)
_EVENT_ID: Final = re.compile(rb'"event_id": ?\{"S": ?("[^"]*")')


def _field(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"the function's request does not match {pattern.pattern!r}: {text!r}")
    return found[1]


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a request or an answer: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head, await reader.readexactly(int(_field(_LENGTH, head)))


def _pass(real: bytes) -> list[Piece]:
    return [real]


def _ending(real: bytes) -> bytes:
    last = real.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    return _CONNECTION.sub(b"", last, count=1)


def _error(status: int, code: str, message: str = "injected") -> bytes:
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return _said(said, status)


def _said(said: object, status: int = 200, **changed: object) -> bytes:
    """Answer as DynamoDB does, each time with a request id of its own."""
    number = os.urandom(8).hex()
    return answer(json.dumps(said).encode(), status, x_amzn_RequestId=number, **changed)
