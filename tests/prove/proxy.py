"""Stands between the function and AWS, and fails as networks, tables, queues and machines do.

A fault meets a call, most of them writes: all that the client sends for it, or only the first
request. Which calls, which faults: decided by the seed for the first call, the second, and so on,
in order of arrival.
"""

import itertools
import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.function.server import HOST, Conversation, Server, answer

FUNCTION_SECONDS: Final = 2
# Out of so many writes, the first ones meet a storm: half of them fail. The others, one in fifty.
PERIOD, STORM = 1000, 150
HANDSHAKE: Final = "connection cut, and the next one's TLS handshake stopped"
DARK: Final = "all connections of a process went dark"
_EVENT_ID: Final = re.compile(rb'"event_id": ?\{"S": ?("[^"]*")')

Piece = bytes | float | signal.Signals | None
"""What the client gets: bytes, after how many seconds, a signal, or the end of the connection."""
Step = Piece | Callable[[bytes], list[Piece]]
"""A piece; or the call is forwarded, and this is what becomes of the real answer."""


def _faults(operation: str, dice: float) -> dict[str, tuple[int, list[Step]]]:
    """Return what each fault does to a call, and how often it comes next to the others.

    dice: between 0 and 1, for what is left to choose: an error, a delay.
    """
    is_half, too_long = dice < 0.5, FUNCTION_SECONDS + 0.5 + 4 * dice
    throttled = ("ProvisionedThroughputExceededException", "ThrottlingException")[is_half]
    server_error = ((503, "ServiceUnavailable"), (500, "InternalServerError"))[is_half]
    broken = answer(b"<html>", x_amzn_RequestId=None, x_amz_crc32=None)
    twice: Step = (lambda real: [real, 0.1 * dice, real]) if is_half else lambda real: [2 * real]
    garbled: Step = (lambda _: [broken]) if is_half else broken
    wrong_length = _said({}, Content_Length=5 if is_half else 1)
    expired = _error(400, "InvalidSignatureException", "Signature expired")
    refused = {"Id": "0", "Code": "InternalError", "SenderFault": False}
    in_part: dict[str, Step] = {
        "BatchGetItem": _said({"Responses": {}, "UnprocessedKeys": {"x": {}}}),
        "ChangeMessageVisibilityBatch": _said({"Successful": [], "Failed": [refused]}),
    }
    return {
        "write throttled": (20, [_error(400, throttled)]),
        "table answered 500 or 503": (16, [_error(*server_error)]),
        "answer slow, 0.1-1 s": (12, [0.1 + 0.9 * dice, _pass]),
        "write took effect after the function's time": (8, [too_long, _pass]),
        "answer came after the function's time": (8, [lambda real: [too_long, real]]),
        "connection cut before the write": (16, [None]),
        "connection cut after the write": (16, [lambda _: [None]]),
        "answer garbled, half of them after the write": (8, [garbled]),
        "answer longer or shorter than announced, without the write": (8, [wrong_length, None]),
        "answer with a wrong checksum, without the write": (8, [_said({}, x_amz_crc32=1)]),
        "answer byte by byte": (4, [lambda real: [bytes([byte]) for byte in real]]),
        "answer given twice": (8, [twice]),
        "connection closed once it was idle": (8, [_pass, 0.1 * dice, None]),
        "connection left half open, without the write": (4, [30.0, None]),
        HANDSHAKE: (4, [None]),
        "invocation killed before one of its writes": (1, [signal.SIGKILL, None]),
        "invocation killed after one of its writes": (1, [lambda _: [signal.SIGKILL, None]]),
        "invocation frozen until it timed out": (1, [signal.SIGSTOP, _pass]),
        DARK: (2, [too_long, None]),
        "answer that ends its connection, which then is silent": (8, [_ending, 30.0, None]),
        "signature expired": (4, [expired]),
        "read or pauses answered in part": (8, [in_part.get(operation, _pass)]),
    }


def _pass(real: bytes) -> list[Piece]:
    return [real]


def _ending(real: bytes) -> list[Piece]:
    kept = re.sub(rb"(?i)(?<=\r\n)connection: keep-alive\r\n", b"", real, count=1)
    return [kept.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)]


def _error(status: int, code: str, message: str = "injected") -> bytes:
    return _said({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}, status)


def _said(said: object, status: int = 200, **changed: object) -> bytes:
    """Answer as DynamoDB does, each time with a request id of its own."""
    number = os.urandom(8).hex()
    return answer(json.dumps(said).encode(), status, x_amzn_RequestId=number, **changed)


# How often each comes next to the others.
FAULTS: Final = {title: often for title, (often, _) in _faults("", 0).items()}


class Plan(NamedTuple):
    """A fault for one write."""

    fault: str
    persistent: bool  # whether what the client sends again meets it too
    dice: float


def schedule(seed: int, often: str = "") -> Iterator[Plan | None]:
    """Yield what meets the first write, the second, and so on; None is nothing.

    often: a fault that comes more often than all others together.
    """
    random = Random(f"faults {seed}")
    deck: list[str] = []
    for number in itertools.count():
        if random.random() >= (0.5 if number % PERIOD < STORM else 0.02):
            yield None
            continue
        if not deck:  # dealt like cards, one of each kind first, so that a short run meets them all
            first, deck = [*FAULTS], [each for each in FAULTS for _ in range(FAULTS[each] - 1)]
            deck += [often] * len(deck) if often else []
            random.shuffle(first)
            random.shuffle(deck)
            deck += first
        yield Plan(deck.pop(), persistent=random.random() < 0.5, dice=random.random())


class Proxy(Server):
    """A DynamoDB endpoint that forwards to the real one, as a context manager.

    A function reaches it at `url`, followed by a slash and its own process id, which tells whom to
    kill, if it trusts the authority whose certificate is ca.pem in `folder`.
    """

    def __init__(self, target_port: int, plans: Iterator[Plan | None], folder: Path) -> None:
        super().__init__(None, folder=folder)
        self.RequestHandlerClass = _Calls
        self.target_port = target_port
        self.lock = threading.Lock()
        self.handshakes_to_stop = 0
        self.dark: dict[int, int] = {}  # by process, the last of the connections that are
        self.under_way: Counter[object] = Counter()
        self.concurrent = 0  # writes that began while another of the same event_id was under way
        self.plans: dict[str, Plan | None] = defaultdict(lambda: next(plans))  # by call
        self.faults: Counter[str] = Counter()
        self.calm = False  # set it to let everything pass

    def meet(self, call: str, operation: str) -> tuple[str, list[Step]]:
        """Return which fault meets a request, if any, and what happens to it."""
        is_first = call not in self.plans
        plan = self.plans[call]
        if plan is None or self.calm or not (is_first or plan.persistent):
            return "", [_pass]
        self.faults[plan.fault] += 1
        return plan.fault, _faults(operation, plan.dice)[plan.fault][1]


class _Calls(Conversation):
    server: Proxy

    def handle(self) -> None:
        with self.server.lock:
            is_stopped = self.server.handshakes_to_stop > 0
            self.server.handshakes_to_stop -= is_stopped
        if is_stopped:
            with socket.socket(fileno=os.dup(self.request.fileno())) as raw:
                raw.recv(1)
                raw.sendall(b"\x16\x03\x03\x00\x7a")  # the beginning of a record
                _outlive(raw)
        else:
            with closing(HTTPConnection(HOST, self.server.target_port)) as self.table:
                super().handle()

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        proxy, pid, body = self.server, int(self.path.strip("/")), self.body()
        if self.number <= proxy.dark.get(pid, 0):
            _outlive(self.connection)
            self.close_connection = True
            return
        call = self.headers["amz-sdk-invocation-id"]
        found = _EVENT_ID.search(body)
        event_id = found[1] if found else call
        with proxy.lock:
            proxy.concurrent += bool(proxy.under_way[event_id])
            proxy.under_way[event_id] += 1
            fault, left = proxy.meet(call, self.headers["x-amz-target"].rpartition(".")[2])
            proxy.handshakes_to_stop += fault == HANDSHAKE
            if fault == DARK:
                proxy.dark[pid] = len(proxy.conversations)
        try:
            while left and not self.close_connection:
                left = self._take(left.pop(0), pid, body) + left
        finally:
            with proxy.lock:
                proxy.under_way[event_id] -= 1

    def _take(self, step: Step, pid: int, body: bytes) -> list[Step]:
        """Take a step, and return what follows from it."""
        if callable(step):
            return [*step(self.forward(self.table, "/", body))]
        if isinstance(step, signal.Signals):
            with suppress(ProcessLookupError):  # it ended in the meantime
                os.kill(pid, step)
        elif isinstance(step, float):
            time.sleep(step)
        elif step is None:
            self.close_connection = True
        else:
            self.connection.sendall(step)
        return []


def _outlive(client: socket.socket) -> None:
    """Read until the client is gone."""
    while client.recv(65536):
        pass
