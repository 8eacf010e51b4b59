"""The entry point: wired from the environment, once, and its whole way on moto's DynamoDB."""

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from batches import EXAMPLE, EXAMPLE_ITEM, Context, batch, failed, record
from moto import mock_aws

HERE = Path(__file__).parent
Loader = Callable[..., ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    """Import the handler as a fresh execution environment does."""

    def load(**environment: str) -> ModuleType:
        defaults = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "TABLE_NAME": "event-state-target-table",
        }
        for name, value in (defaults | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "function.handler", raising=False)
        return importlib.import_module("function.handler")

    yield load
    sys.modules.pop("function.handler", None)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a boto3 client of an AWS in memory that has the table."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="event-state-target-table",
            KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client
        client.close()


def items(table: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.scan(TableName="event-state-target-table")["Items"]
    return found


def test_the_example_event_ends_in_the_table(load: Loader, table: Any) -> None:
    handler = load(VERSION_ATTRIBUTE="timestamp").handler
    event = batch(record(EXAMPLE))
    assert failed(handler(event, Context()), event) == set()
    assert items(table) == [EXAMPLE_ITEM]


def test_an_older_event_does_not_overwrite(load: Loader, table: Any) -> None:
    handler = load(VERSION_ATTRIBUTE="timestamp").handler
    for event in (
        batch(record(EXAMPLE)),
        batch(record(EXAMPLE | {"timestamp": "2025-03-29T01:00:00Z"})),
    ):
        assert failed(handler(event, Context()), event) == set()
    assert items(table) == [EXAMPLE_ITEM]


@pytest.mark.parametrize("environment", [{}, {"VERSION_ATTRIBUTE": ""}])
def test_without_a_version_attribute_the_last_arrival_wins(
    load: Loader, table: Any, environment: dict[str, str]
) -> None:
    handler = load(**environment).handler
    older = EXAMPLE | {"timestamp": "2025-03-29T01:00:00Z"}
    for event in (batch(record(EXAMPLE)), batch(record(older))):
        assert failed(handler(event, Context()), event) == set()
    assert items(table) == [EXAMPLE_ITEM | {"timestamp": {"S": "2025-03-29T01:00:00Z"}}]


def test_a_missing_table_fails_every_message(
    load: Loader, table: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = load(TABLE_NAME="elsewhere").handler
    event = batch(record(EXAMPLE, "m-1"), record({"event_id": "b"}, "m-2"))
    assert failed(handler(event, Context()), event) == {"m-1", "m-2"}
    assert "create the table, or point TABLE_NAME" in capsys.readouterr().out
    assert items(table) == []


@pytest.mark.parametrize(
    ("memory", "workers"),
    [("128", 1), ("511", 1), ("512", 5), ("1024", 10), ("1600", 16), ("10240", 16)],
)
def test_workers_follow_the_function_s_memory(load: Loader, memory: str, workers: int) -> None:
    assert workers == load(AWS_LAMBDA_FUNCTION_MEMORY_SIZE=memory).WORKERS


def test_without_a_table_name_the_function_does_not_start(
    load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    monkeypatch.delenv("TABLE_NAME")
    sys.modules.pop("function.handler")
    with pytest.raises(KeyError, match="TABLE_NAME"):
        importlib.import_module("function.handler")


def test_a_cold_start_loads_botocore_without_boto3() -> None:
    code = (
        "import sys; before = set(sys.modules); import function.handler;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE.parents[1]),
        "TABLE_NAME": "t",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    names = set(loaded.stdout.split())
    assert names >= {"function", "botocore"}
    assert names.isdisjoint({"boto3", "s3transfer", "infra", "local", "pulumi"})


HANGING = """
import json, time
from batches import Context, batch, record
from function.handler import handler
event = batch(*(record({"event_id": each}, each) for each in "abc"))
started = time.monotonic()
answer = handler(event, Context(remaining=1000))
print(json.dumps([answer, time.monotonic() - started]))
"""


@pytest.mark.parametrize("memory", ["128", "1024"])
def test_a_table_that_takes_requests_and_never_answers_is_reported_in_time(memory: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}",
            "TABLE_NAME": "events",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory,
        }
        ran = subprocess.run(
            [sys.executable, "-c", HANGING],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
    answer, took = json.loads(ran.stdout.splitlines()[-1])
    assert answer == {"batchItemFailures": [{"itemIdentifier": each} for each in "abc"]}
    assert took < 1
