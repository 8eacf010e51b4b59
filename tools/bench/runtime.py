"""AWS's own runtime client, and Lambda's side of the Runtime API that it talks to."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from queue import Queue
from statistics import median
from typing import Any

from tools.bench.measure import environment, sqs_event, state
from tools.bench.server import HOST, Headers, Server
from tools.bench.stub import Stub
from tools.stacks import PROJECT

SECONDS = 20.0
TRIVIAL = "tools.bench.trivial"


class Runtime(Server):
    """Lambda's side of the Runtime API: hands events out, and keeps what comes back.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self) -> None:
        super().__init__()
        self.address = f"{HOST}:{self.port}"
        self._events: Queue[tuple[float, object]] = Queue()
        self.said: Queue[tuple[str, Any]] = Queue()
        """What the function's process sent: the end of a path, and the body."""

    def answer(self, path: str, headers: Headers, body: bytes) -> bytes:
        """Hand out the next event, or keep what the function's process says."""
        end = path.rpartition("/")[2]
        self.said.put((end, json.loads(body or b"null")))
        deadline, event = self._events.get() if end == "next" else (0.0, {})
        text = json.dumps(event)
        head = {
            "Lambda-Runtime-Aws-Request-Id": time.time_ns(),
            "Lambda-Runtime-Deadline-Ms": int(deadline * 1000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:x:1:f",
            "Content-Type": "application/json",
            "Content-Length": len(text),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        status = "200 OK" if end == "next" else "202 Accepted"
        return f"HTTP/1.1 {status}\r\n{lines}\r\n{text}".encode()

    def heard(self) -> tuple[str, Any]:
        """Return what the process said next."""
        return self.said.get(timeout=SECONDS)

    def invoke(self, event: object, seconds: float = 30) -> tuple[str, Any]:
        """Hand an event over; return what came back: response or error, and its body."""
        self._events.put((time.time() + seconds, event))
        said = self.heard()
        if self.heard() != ("next", None):
            raise RuntimeError("the function did not ask for its next event")
        return said


def measure_runtime(stub: Stub, rounds: int) -> dict[str, float]:
    """Return init_ms, trivial_init_ms and warm_ms, medians of several processes, in turn."""
    event = sqs_event([state(number) for number in range(10)])
    times: dict[str, list[float]] = {"init_ms": [], "trivial_init_ms": [], "warm_ms": []}
    for module, init in (("function.handler", "init_ms"), (TRIVIAL, "trivial_init_ms")) * rounds:
        with (
            Runtime() as runtime,
            subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", f"{module}.handler"],
                cwd=PROJECT,
                env={**environment(stub), "AWS_LAMBDA_RUNTIME_API": runtime.address},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process,
        ):
            try:
                times[init].append(_timed_ms(runtime.heard))
                warm = [_timed_ms(partial(runtime.invoke, event)) for _ in range(4)]
                if module != TRIVIAL:
                    times["warm_ms"].append(median(warm[1:]))
            finally:
                process.kill()
    stub.take()
    return {name: median(each) for name, each in times.items()}


def _timed_ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000
