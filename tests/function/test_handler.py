"""The entry point: wired from the environment, once, and its whole way to an endpoint."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, Context, batch, failed, record
from tests.function.server import Server, answer

PROJECT = Path(__file__).parents[2]
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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TABLE_NAME", "TABLE_NAME is not set; name the table of events"),
        ("AWS_DEFAULT_REGION", "AWS_REGION is not set; outside of Lambda, name the table's region"),
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


def test_a_cold_start_loads_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import function.handler;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **ENVIRONMENT},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert loaded.split() == ["function"]
