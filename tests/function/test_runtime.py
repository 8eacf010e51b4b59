"""The shipped files under AWS's own runtime client, which Lambda runs them with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, batch, failed, record
from tests.function.server import Server, answer_anew, error
from tools.bench.runtime import Runtime
from tools.preview import FUNCTION, preview
from tools.stacks import PROJECT, load_stack

SECONDS = 20.0


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


def test_batch_after_batch_is_stored_and_a_partial_answer_comes_back(
    shipped: Path, tmp_path: Path
) -> None:
    refused = error("ValidationException", message="Item size has exceeded")
    url = "https://sqs/1/events"
    with Server(answer_anew, answer_anew, refused, answer_anew, folder=tmp_path) as server:
        more = {"AWS_CA_BUNDLE": str(tmp_path / "ca.pem"), "QUEUE_URL": url}
        with Environment(
            shipped, server.url, DEAD_LETTER_QUEUE_URL=f"{url}-dlq", **more
        ) as environment:
            runtime = environment.runtime
            assert runtime.heard() == ("next", None)
            for number in (1, 2):
                answered = runtime.invoke(batch(record(EXAMPLE)))
                assert answered == ("response", {"batchItemFailures": []})
                assert len(server.requests) == number
            event = batch(record(EXAMPLE, "large"), record("broken", "broken"))
            kind, said = runtime.invoke(event)
    assert (kind, failed(said, event)) == ("response", {"large", "broken"})
    *puts, _, _ = server.requests
    assert [request.connection for request in puts] == [1, 1, 1]
    put = json.loads(puts[0].body)
    assert (put["TableName"], put["Item"]) == ("events", EXAMPLE_ITEM)
    assert put["ExpressionAttributeNames"] == {"#version": "timestamp"}
    # Not answered as SQS does: so the letters are not confirmed.
    letters = [json.loads(request.body) for request in server.requests[3:]]
    assert [letter["QueueUrl"] for letter in letters] == [f"{url}-dlq"] * 2


def test_an_event_that_is_no_batch_is_an_error_and_the_next_batch_is_stored(
    shipped: Path,
) -> None:
    with Server(answer_anew) as server, Environment(shipped, server.url) as environment:
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
    with Server(answer_anew) as server, Environment(shipped, server.url) as environment:
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
