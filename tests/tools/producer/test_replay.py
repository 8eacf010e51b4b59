"""A table's items, which are events, sent through a queue again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Deployment
from tools.aws import CREDENTIALS
from tools.load.source import SEGMENTS, items
from tools.stacks import PROJECT

SECONDS = 60.0
EXACT = "12345678901234567890123456789012345.678"


@pytest.fixture
def table(deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make a table beside the deployed one, empty."""
    name = f"replayed-{re.sub(r'[^a-z]', '-', request.node.name)}"
    dynamodb = deployment.aws.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
    )
    yield name
    dynamodb.delete_table(TableName=name)


def _fill(deployment: Deployment, table: str, count: int, **members: Any) -> None:
    dynamodb = deployment.aws.client("dynamodb")
    for number in range(count):
        item = {"event_id": {"S": f"{table}-{number}"}, "n": {"N": str(number)}, **members}
        dynamodb.put_item(TableName=table, Item=item)


def _command(deployment: Deployment, *arguments: str) -> list[str]:
    queue = ["--queue-url", deployment.outputs["queueUrl"]]
    return [sys.executable, "-m", "tools.load", *queue, *arguments]


def _environment(deployment: Deployment) -> dict[str, str]:
    return {
        **os.environ,
        **{name.upper(): value for name, value in CREDENTIALS.items()},
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_DYNAMODB": deployment.aws.endpoint_url,
        "PYTHONPATH": str(PROJECT),
    }


def _replay(
    deployment: Deployment, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(deployment, *arguments),
        cwd=folder,
        env=_environment(deployment),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_table_is_replayed_through_kills_and_ends_equal(
    deployment: Deployment, table: str, tmp_path: Path
) -> None:
    rich = {"exact": {"N": EXACT}, "name": {"S": "東京\x01"}, "list": {"L": [{"NULL": True}]}}
    _fill(deployment, table, 400, **rich, pad={"S": "x" * 500})
    progress = tmp_path / f"{table}.progress"
    command = _command(deployment, "--from-table", table)
    with subprocess.Popen(
        command, cwd=tmp_path, env=_environment(deployment), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while not progress.exists() and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 130
    done = json.loads(progress.read_text())["done"].get("count", 0)
    assert 0 <= done < 400

    result = _replay(deployment, tmp_path, "--from-table", table)
    assert result.returncode == 0
    assert f"Sent {400 - done} messages in " in result.stdout
    assert result.stdout.endswith("; refused: 0. In all, 400 items are done.\n")
    assert list(tmp_path.iterdir()) == []
    deployment.drain()

    scan = deployment.aws.client("dynamodb").get_paginator("scan").paginate
    stored = [
        {item["event_id"]["S"]: item for page in scan(TableName=name) for item in page["Items"]}
        for name in (table, deployment.outputs["tableName"])
    ]
    assert len(stored[0]) == 400
    assert {event_id: stored[1].get(event_id) for event_id in stored[0]} == stored[0]


def test_an_item_that_is_no_event_is_named_and_the_others_sent(
    deployment: Deployment, table: str, tmp_path: Path
) -> None:
    _fill(deployment, table, 2)
    dynamodb = deployment.aws.client("dynamodb")
    for event_id, member in (("set", {"SS": ["a"]}), ("binary", {"B": b"a"})):
        dynamodb.put_item(TableName=table, Item={"event_id": {"S": event_id}, "m": member})
    result = _replay(deployment, tmp_path, "--from-table", table)
    assert result.returncode == 1
    assert sorted(result.stderr.splitlines()) == [
        "item 'binary': holds a Binary that JSON has no form for",
        "item 'set': holds a set that JSON has no form for",
    ]
    assert result.stdout.endswith("; refused: 2. In all, 4 items are done.\n")


def test_a_table_that_is_not_there_is_named(deployment: Deployment, tmp_path: Path) -> None:
    result = _replay(deployment, tmp_path, "--from-table", "nowhere")
    assert result.returncode == 1
    assert result.stderr.startswith("error: The table nowhere cannot be read: ")
    assert result.stderr.count("\n") == 1


class _Table:
    """Answers Scan, two items a page, from an item after the key that is given."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def scan(
        self,
        *,
        TableName: str,  # noqa: N803
        ConsistentRead: bool,  # noqa: N803
        Segment: int,  # noqa: N803
        TotalSegments: int,  # noqa: N803
        ExclusiveStartKey: dict[str, dict[str, str]] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        assert (TableName, ConsistentRead, TotalSegments) == ("t", True, SEGMENTS)
        mine = [each for place, each in enumerate(self.ids) if place % SEGMENTS == Segment]
        if ExclusiveStartKey:
            mine = mine[mine.index(ExclusiveStartKey["event_id"]["S"]) + 1 :]
        page: dict[str, Any] = {"Items": [{"event_id": {"S": each}} for each in mine[:2]]}
        # DynamoDB may name a last key even if nothing is left.
        if len(mine) > 2 or (len(mine) == 2 and Segment % 2):
            page["LastEvaluatedKey"] = page["Items"][-1]
        return page


@pytest.mark.parametrize("stop_at", range(0, 101, 5))
def test_what_is_noted_is_not_read_again_and_nothing_else_is_left_out(stop_at: int) -> None:
    ids = [str(number) for number in range(100)]
    done: dict[str, Any] = {}
    seen: list[str] = []
    for event in items(_Table(ids), "t", done):
        if len(seen) == stop_at:
            break
        event.mark()
        seen.append(event.name)
    done = json.loads(json.dumps(done))
    assert done.get("count", 0) == stop_at
    for event in items(_Table(ids), "t", done):
        event.mark()
        seen.append(event.name)
    assert sorted(seen) == sorted(f"item {each!r}" for each in ids)
    assert done["count"] == 100
