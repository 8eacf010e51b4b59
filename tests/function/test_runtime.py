"""The shipped files under AWS's own runtime client, which Lambda runs them with."""

import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.function.batches import EXAMPLE, LETTERS, MANAGED, batch, failed, record
from tests.function.memory import TOO_LARGE
from tests.function.server import HERE, Server, answer, answer_anew
from tools.bench.runtime import Runtime
from tools.event import from_item
from tools.stacks import load_stack
from tools.template import make_template

BEGUN = ("next", None)
STORED: tuple[str, Any] = ("response", {"batchItemFailures": []})


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
            "AWS_LAMBDA_FUNCTION_NAME": "EventUpsertLambda",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_RUNTIME_API": runtime.address,
            "AWS_ENDPOINT_URL": url,
            "TABLE_NAME": "events",
            "VERSION_ATTRIBUTE": "timestamp",
            "LAMBDA_TASK_ROOT": str(folder),
        }
        command = [sys.executable, "-B", "-m", "awslambdaric", "function.handler.handler"]
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
    steps = (answer_anew, answer_anew, answer(TOO_LARGE.body, 400), answer_anew)
    more = {**MANAGED, "AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}
    with (
        Server(*steps, folder=tmp_path) as server,
        environment(shipped, server.url, **more) as runtime,
    ):
        assert runtime.heard() == BEGUN
        kind, said = runtime.invoke({"detail": {}})
        assert kind == "error"
        assert said["errorMessage"] == "the event is no batch of SQS messages: it has no Records"
        for number in (1, 2):
            assert runtime.invoke(batch(record(EXAMPLE))) == STORED
            assert len(server.requests) == number
        event = batch(record(EXAMPLE, "large"), record("broken", "broken"))
        kind, said = runtime.invoke(event)
    assert (kind, failed(said, event)) == ("response", {"large", "broken"})
    puts, letters = server.requests[:3], server.requests[3:]
    assert [request.connection for request in puts] == [1, 1, 1]
    put = json.loads(puts[0].body)
    assert (put["TableName"], from_item(put["Item"])) == ("events", EXAMPLE)
    assert put["ExpressionAttributeNames"] == {"#version": "timestamp"}
    # Not answered as SQS does: so the letters are not confirmed.
    assert [json.loads(each.body)["QueueUrl"] for each in letters] == [LETTERS] * 2


def test_a_table_that_hangs_is_answered_before_the_deadline(shipped: Path) -> None:
    with Server(b"") as server, environment(shipped, server.url) as runtime:
        assert runtime.heard() == BEGUN
        started, event = time.monotonic(), batch(record(EXAMPLE, "m"))
        kind, answered = runtime.invoke(event, seconds=1)
        assert (kind, failed(answered, event)) == ("response", {"m"})
        assert time.monotonic() - started < 1


def test_a_kill_between_two_batches_answers_nothing_and_the_next_process_begins_anew(
    shipped: Path,
) -> None:
    with Server(answer_anew) as server:
        for _ in range(2):
            with environment(shipped, server.url) as runtime:
                assert runtime.heard() == BEGUN
                assert runtime.invoke(batch(record(EXAMPLE))) == STORED
            assert runtime.said.empty()
    items = [json.loads(request.body)["Item"] for request in server.requests]
    assert list(map(from_item, items)) == [EXAMPLE] * 2


def test_a_mistake_in_the_environment_is_told_when_the_function_initialises(shipped: Path) -> None:
    with environment(shipped, "localhost:8000") as runtime:
        kind, said = runtime.heard()
    assert kind == "error"
    assert "AWS_ENDPOINT_URL is 'localhost:8000'; it has to be http" in said["errorMessage"]
