"""The shipped files under AWS's own runtime client, which Lambda runs them with."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.function.batches import EXAMPLE, batch, failed, record
from tests.function.server import Server, answer, error
from tests.function.test_reader import OK
from tools.preview import FUNCTION, preview
from tools.stacks import PROJECT, load_stack

HOST = "127.0.0.1"
SECONDS = 20.0


class Runtime:
    """Lambda's side of the Runtime API: hands events out, and keeps what comes back.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, float, object]] = queue.Queue()
        self.said: queue.Queue[tuple[str, Any]] = queue.Queue()
        """What the function's process sent: the end of a path, and the body."""

    def __enter__(self) -> Self:
        events, said = self._events, self.said

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

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
        self._server.shutdown()
        self._server.server_close()

    def heard(self) -> tuple[str, Any]:
        """Return what the process said next."""
        return self.said.get(timeout=SECONDS)

    def invoke(self, event: object, seconds: float = 30) -> tuple[str, Any]:
        """Hand an event over; return what came back: response or error, and its body."""
        self._events.put((f"{time.time_ns()}", time.time() + seconds, event))
        said = self.heard()
        assert self.heard() == ("next", None)
        return said


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lay out the archive that the program deploys, read-only and alone."""
    folder = tmp_path_factory.mktemp("task")
    (made,) = [each for each in preview(load_stack("prod")).resources if each.type == FUNCTION]
    for name, asset in made.inputs["code"].assets.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / asset.path, target)
        target.chmod(0o444)
    folders = [folder, *(each for each in folder.rglob("*") if each.is_dir())]
    for each in folders:
        each.chmod(0o555)
    yield folder
    for each in folders:
        each.chmod(0o755)


class Environment:
    """An execution environment: the runtime client with the shipped files, and its API."""

    def __init__(self, folder: Path, url: str, **more: str) -> None:
        self.runtime = Runtime()
        self._folder = folder
        self._variables = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_FUNCTION_NAME": "EventUpsertLambda",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": url,
            "TABLE_NAME": "events",
            "VERSION_ATTRIBUTE": "timestamp",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(folder),
            **more,
        }

    def __enter__(self) -> Self:
        self.runtime.__enter__()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "function.handler.handler"],
            cwd=self._folder,
            env=self._variables | {"AWS_LAMBDA_RUNTIME_API": self.runtime.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.runtime.__exit__()


def test_batch_after_batch_is_stored_and_a_partial_answer_comes_back(shipped: Path) -> None:
    refused = error("ValidationException", message="Item size has exceeded")
    with (
        Server(OK, answer(x_amzn_RequestId="2"), refused, answer(x_amzn_RequestId="3")) as server,
        Environment(shipped, server.url) as environment,
    ):
        runtime = environment.runtime
        assert runtime.heard() == ("next", None)
        for number in (1, 2):
            assert runtime.invoke(batch(record(EXAMPLE))) == ("response", {"batchItemFailures": []})
            assert len(server.requests) == number
        event = batch(record(EXAMPLE, "large"), record("broken", "broken"))
        kind, answered = runtime.invoke(event)
        assert (kind, failed(answered, event)) == ("response", {"large", "broken"})
        assert {request.connection for request in server.requests} == {1}


def test_an_event_that_is_no_batch_is_an_error_and_the_next_batch_is_stored(
    shipped: Path,
) -> None:
    with Server(OK) as server, Environment(shipped, server.url) as environment:
        runtime = environment.runtime
        assert runtime.heard() == ("next", None)
        kind, said = runtime.invoke({"detail": {}})
        assert kind == "error"
        assert said["errorMessage"] == "the event is no batch of SQS messages: it has no Records"
        assert runtime.invoke(batch(record(EXAMPLE))) == ("response", {"batchItemFailures": []})


def test_a_table_that_hangs_is_answered_before_the_deadline(shipped: Path) -> None:
    with Server(b"") as server, Environment(shipped, server.url) as environment:
        assert environment.runtime.heard() == ("next", None)
        started = time.monotonic()
        event = batch(record(EXAMPLE, "m"))
        kind, answered = environment.runtime.invoke(event, seconds=1)
        assert (kind, failed(answered, event)) == ("response", {"m"})
        assert time.monotonic() - started < 1


def test_a_kill_between_two_batches_leaves_the_second_one_unanswered(shipped: Path) -> None:
    with Server(OK) as server, Environment(shipped, server.url) as environment:
        runtime = environment.runtime
        assert runtime.heard() == ("next", None)
        assert runtime.invoke(batch(record(EXAMPLE))) == ("response", {"batchItemFailures": []})
        environment.process.send_signal(signal.SIGTERM)
        assert environment.process.wait(SECONDS) != 0
        assert runtime.said.empty()


def test_a_mistake_in_the_environment_is_told_when_the_function_initialises(shipped: Path) -> None:
    with Environment(shipped, "localhost:8000") as environment:
        kind, said = environment.runtime.heard()
        assert kind == "error"
        assert "AWS_ENDPOINT_URL is 'localhost:8000'; it has to be http" in said["errorMessage"]
