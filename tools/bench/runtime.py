"""AWS's own runtime client, and Lambda's side of the Runtime API that it talks to."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from statistics import median
from typing import Any, Self

from tools.bench.measure import environment, sqs_event, state
from tools.bench.stub import HOST, Stub
from tools.stacks import PROJECT

SECONDS = 20.0
TRIVIAL = "operator.eq"  # takes two arguments, and does next to nothing


class Runtime:
    """Lambda's side of the Runtime API: hands events out, and keeps what comes back.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __enter__(self) -> Self:
        """Listen."""
        events = self._events = Queue[tuple[float, object]]()
        said = self.said = Queue[tuple[str, Any]]()  # the end of a path, and the body

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                said.put(("next", None))
                deadline, event = events.get()
                self._answer(200, json.dumps(event).encode(), int(deadline * 1000))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                said.put((self.path.rpartition("/")[2], json.loads(body or b"null")))
                self._answer(202)

            def _answer(self, status: int, body: bytes = b"", deadline_ms: int = 0) -> None:
                self.send_response(status)
                self.send_header("Lambda-Runtime-Aws-Request-Id", str(time.time_ns()))
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:f")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.address = f"{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

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
    handlers = (("function.handler.handler", "init_ms"), (TRIVIAL, "trivial_init_ms"))
    for handler, init in handlers * rounds:
        with (
            Runtime() as runtime,
            subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                cwd=PROJECT,
                env={**environment(stub), "AWS_LAMBDA_RUNTIME_API": runtime.address},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process,
        ):
            try:
                times[init].append(_timed_ms(runtime.heard))
                warm = [_timed_ms(partial(runtime.invoke, event)) for _ in range(4)]
                if handler != TRIVIAL:
                    times["warm_ms"].append(median(warm[1:]))
            finally:
                process.kill()
    stub.take()
    return {name: median(each) for name, each in times.items()}


def _timed_ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000
