"""The entry point: wired from the environment, once, and its whole way to an endpoint."""

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, Context, batch, failed, record
from tests.function.server import Server, answer, error

HERE = Path(__file__).parent
CONDITION = {"ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"}
Loader = Callable[..., ModuleType]
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "TABLE_NAME": "events",
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    """Import the handler as a fresh execution environment does."""

    def load(**environment: str) -> ModuleType:
        for name, value in (ENVIRONMENT | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "function.handler", raising=False)
        return importlib.import_module("function.handler")

    yield load
    sys.modules.pop("function.handler", None)


def test_the_example_event_is_put_under_the_guard(load: Loader, tmp_path: Path) -> None:
    with Server(answer(), folder=tmp_path) as server:
        bundle = str(tmp_path / "ca.pem")
        loaded = load(
            AWS_ENDPOINT_URL=server.url, AWS_CA_BUNDLE=bundle, VERSION_ATTRIBUTE="timestamp"
        )
        event = batch(record(EXAMPLE))
        assert failed(loaded.handler(event, Context()), event) == set()
        (request,) = server.requests
    put = json.loads(request.body)
    assert (put["TableName"], put["Item"]) == ("events", EXAMPLE_ITEM)
    assert put.keys() - {"TableName", "Item"} == CONDITION
    assert put["ExpressionAttributeNames"] == {"#version": "timestamp"}


@pytest.mark.parametrize("environment", [{}, {"VERSION_ATTRIBUTE": ""}])
def test_without_a_version_attribute_there_is_no_condition(
    load: Loader, environment: dict[str, str]
) -> None:
    with Server(answer()) as server:
        event = batch(record(EXAMPLE))
        handler = load(AWS_ENDPOINT_URL_DYNAMODB=server.url, **environment).handler
        assert failed(handler(event, Context()), event) == set()
        assert json.loads(server.requests[0].body) == {"TableName": "events", "Item": EXAMPLE_ITEM}


def test_a_missing_table_fails_every_message(
    load: Loader, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server(error("ResourceNotFoundException")) as server:
        event = batch(record(EXAMPLE, "m-1"), record({"event_id": "b"}, "m-2"))
        answered = load(AWS_ENDPOINT_URL=server.url).handler(event, Context())
    assert failed(answered, event) == {"m-1", "m-2"}
    assert "create the table, or point TABLE_NAME" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TABLE_NAME", "TABLE_NAME is not set; name the table of events"),
        (
            "AWS_DEFAULT_REGION",
            "AWS_REGION is not set; Lambda sets it, elsewhere name the table's region",
        ),
    ],
)
def test_without_table_or_region_the_function_does_not_start(
    load: Loader, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    load()
    monkeypatch.delenv(name)
    sys.modules.pop("function.handler")
    with pytest.raises(ValueError, match=f"^{said}$"):
        importlib.import_module("function.handler")


def run(code: str, **environment: str) -> str:
    """Run code with the function on its path, and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}",
            **ENVIRONMENT,
            **environment,
        },
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


def test_a_cold_start_loads_the_standard_library_alone() -> None:
    loaded = run(
        "import sys; before = set(sys.modules); import function.handler;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    assert loaded.split() == ["function"]


HANGING = """
import json, time
from tests.function.batches import Context, batch, record
from function.handler import handler
event = batch(*(record({"event_id": each}, each) for each in "abc"))
started = time.monotonic()
answer = handler(event, Context(remaining=3000))
print(json.dumps([answer, time.monotonic() - started]))
"""


def test_a_table_that_takes_requests_and_never_answers_is_reported_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        printed = run(HANGING, AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
    answered, took = json.loads(printed.splitlines()[-1])
    assert answered == {"batchItemFailures": [{"itemIdentifier": each} for each in "abc"]}
    assert took < 3
