"""The shipped files under AWS's own runtime client, which Lambda runs them with."""

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, batch, failed, record
from tests.function.looping import HERE
from tests.function.server import Server, answer_anew, error
from tools.bench.runtime import Runtime
from tools.stacks import load_stack
from tools.template import make_template


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lay out the archive that the program deploys, read-only and alone."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(io.BytesIO(make_template(load_stack("prod")).code)) as archive:
        archive.extractall(folder)
    files = [folder, *folder.rglob("*")]
    for each in files:
        each.chmod(0o555)
    yield folder
    for each in files:
        each.chmod(0o755)


@contextmanager
def environment(folder: Path, url: str, **more: str) -> Iterator[Runtime]:
    """Run an execution environment: the runtime client with the shipped files, and its API."""
    with Runtime() as runtime:
        variables = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_FUNCTION_NAME": "EventUpsertLambda",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_RUNTIME_API": runtime.address,
            "AWS_ENDPOINT_URL": url,
            "TABLE_NAME": "events",
            "VERSION_ATTRIBUTE": "timestamp",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(folder),
        }
        command = [sys.executable, "-m", "awslambdaric", "function.handler.handler"]
        with subprocess.Popen(
            command, cwd=folder, env=variables | HERE | more, stdout=subprocess.DEVNULL
        ) as process:
            try:
                yield runtime
            finally:
                process.kill()


def test_batch_after_batch_is_stored_and_a_partial_answer_comes_back(
    shipped: Path, tmp_path: Path
) -> None:
    refused = error("ValidationException", message="Item size has exceeded")
    url = "https://sqs/1/events"
    queues = {"QUEUE_URL": url, "DEAD_LETTER_QUEUE_URL": f"{url}-dlq"}
    bundle = str(tmp_path / "ca.pem")
    with (
        Server(answer_anew, answer_anew, refused, answer_anew, folder=tmp_path) as server,
        environment(shipped, server.url, AWS_CA_BUNDLE=bundle, **queues) as runtime,
    ):
        assert runtime.heard() == ("next", None)
        kind, said = runtime.invoke({"detail": {}})
        assert kind == "error"
        assert said["errorMessage"] == "the event is no batch of SQS messages: it has no Records"
        for number in (1, 2):
            answered = runtime.invoke(batch(record(EXAMPLE)))
            assert answered == ("response", {"batchItemFailures": []})
            assert len(server.requests) == number
        event = batch(record(EXAMPLE, "large"), record("broken", "broken"))
        kind, said = runtime.invoke(event)
    assert (kind, failed(said, event)) == ("response", {"large", "broken"})
    puts, letters = server.requests[:3], server.requests[3:]
    assert [request.connection for request in puts] == [1, 1, 1]
    put = json.loads(puts[0].body)
    assert (put["TableName"], put["Item"]) == ("events", EXAMPLE_ITEM)
    assert put["ExpressionAttributeNames"] == {"#version": "timestamp"}
    # Not answered as SQS does: so the letters are not confirmed.
    assert [json.loads(each.body)["QueueUrl"] for each in letters] == [f"{url}-dlq"] * 2


def test_a_table_that_hangs_is_answered_before_the_deadline(shipped: Path) -> None:
    with Server(b"") as server, environment(shipped, server.url) as runtime:
        assert runtime.heard() == ("next", None)
        started = time.monotonic()
        event = batch(record(EXAMPLE, "m"))
        kind, answered = runtime.invoke(event, seconds=1)
        assert (kind, failed(answered, event)) == ("response", {"m"})
        assert time.monotonic() - started < 1


def test_a_kill_between_two_batches_answers_nothing_and_the_next_process_begins_anew(
    shipped: Path,
) -> None:
    with Server(answer_anew, answer_anew) as server:
        for _ in range(2):
            with environment(shipped, server.url) as runtime:
                assert runtime.heard() == ("next", None)
                answered = runtime.invoke(batch(record(EXAMPLE)))
                assert answered == ("response", {"batchItemFailures": []})
            assert runtime.said.empty()
    items = [json.loads(request.body)["Item"] for request in server.requests]
    assert items == [EXAMPLE_ITEM] * 2


def test_a_mistake_in_the_environment_is_told_when_the_function_initialises(shipped: Path) -> None:
    with environment(shipped, "localhost:8000") as runtime:
        kind, said = runtime.heard()
        assert kind == "error"
        assert "AWS_ENDPOINT_URL is 'localhost:8000'; it has to be http" in said["errorMessage"]
