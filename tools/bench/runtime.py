"""AWS's own runtime client, and Lambda's side of the Runtime API that it talks to."""

import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Self

from tools.bench.process import environment
from tools.bench.stub import Stub
from tools.bench.workload import sqs_event, state

HOST = "127.0.0.1"
SECONDS = 20.0
_TRIVIAL = "def handler(event, context):\n    return {}\n"


class Runtime:
    """Lambda's side of the Runtime API: hands events out, and keeps what comes back.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, float, object]] = queue.Queue()
        self.said: queue.Queue[tuple[str, Any]] = queue.Queue()
        """What the function's process sent: the end of a path, and the body."""

    def __enter__(self) -> Self:
        """Listen."""
        events, said = self._events, self.said

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                said.put(("next", None))
                invocation, deadline, event = events.get()
                body = json.dumps(event).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", invocation)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:f")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                said.put((self.path.rpartition("/")[2], json.loads(body or b"null")))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

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
        self._events.put((f"{time.time_ns()}", time.time() + seconds, event))
        said = self.heard()
        if self.heard() != ("next", None):
            raise RuntimeError("the function did not ask for its next event")
        return said


def measure_runtime(stub: Stub, rounds: int) -> dict[str, float]:
    """Return init_ms, trivial_init_ms and warm_ms, medians of several processes, in turn."""
    source = Path(__file__).parents[2] / "function"
    inits: dict[str, list[float]] = {"function.handler": [], "trivial": []}
    warm: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "function").mkdir()
        for path in source.glob("*.py"):
            shutil.copyfile(path, Path(folder) / "function" / path.name)
        (Path(folder) / "trivial.py").write_text(_TRIVIAL)
        for _ in range(rounds):
            for module, times in inits.items():
                with Runtime() as runtime:
                    started = time.perf_counter()
                    process = _start(module, folder, stub, runtime)
                    try:
                        runtime.heard()
                        times.append((time.perf_counter() - started) * 1000)
                        if module != "trivial":
                            warm.append(_warm_ms(runtime))
                    finally:
                        process.kill()
                        process.communicate()
    stub.take()
    return {
        "init_ms": median(inits["function.handler"]),
        "trivial_init_ms": median(inits["trivial"]),
        "warm_ms": median(warm),
    }


def _start(module: str, folder: str, stub: Stub, runtime: Runtime) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", f"{module}.handler"],
        cwd=folder,
        env=environment(stub, 512) | {"AWS_LAMBDA_RUNTIME_API": runtime.address},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _warm_ms(runtime: Runtime) -> float:
    event = json.loads(json.dumps(sqs_event([state(number) for number in range(10)])))
    times = []
    for _ in range(4):
        started = time.perf_counter()
        runtime.invoke(event)
        times.append((time.perf_counter() - started) * 1000)
    return median(times[1:])
