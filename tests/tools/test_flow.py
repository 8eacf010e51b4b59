"""The commands beside the embedded AWS, where events really flow."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Deployment
from tools import send as tools_send
from tools.__main__ import main
from tools.aws import CREDENTIALS
from tools.deployed import wait_for

SECONDS = 60.0
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _astray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what must not lead a command astray: a proxy that is none, and a profile."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(tools_send, "SETTLED_SECONDS", 1.0)


@pytest.fixture
def outputs(deployment: Deployment, tmp_path: Path) -> str:
    """Keep the deployment's outputs in a file, as `up > FILE` does."""
    file = tmp_path / "local.json"
    file.write_text(json.dumps(deployment.outputs))
    return str(file)


@pytest.fixture
def event_id() -> str:
    return f"sent-{uuid.uuid4().hex}"


def test_an_event_is_stored_and_an_older_one_superseded(
    deployment: Deployment, outputs: str, event_id: str, capsys: Captured
) -> None:
    body = f'{{"event_id":"{event_id}","rate":0.10,"timestamp":7,"name":"東京"}}'
    stored = body.replace("0.10", "0.1")
    assert main(["send", "--outputs", outputs, body]) == 0
    told, item = capsys.readouterr().out.splitlines()
    assert told.startswith("Stored, ")
    assert item == body
    deployment.drain()
    older = f'{{"event_id":"{event_id}","timestamp":6}}'
    assert main(["send", "--outputs", outputs, older]) == 0
    told, item = capsys.readouterr().out.splitlines()
    assert (told, item) == ("Superseded: the table keeps another event of its id.", stored)


def test_a_broken_event_is_said_to_be_at_once(outputs: str, capsys: Captured) -> None:
    began = time.monotonic()
    assert main(["send", "--outputs", outputs, '{"event_id":1}']) == 1
    assert time.monotonic() - began < 5
    assert capsys.readouterr().out.startswith("Rejected: event_id is not a string. It ")


def test_dead_letters_are_shown_oldest_first_with_reason_and_kept(
    outputs: str, deployment: Deployment, capsys: Captured
) -> None:
    mark = uuid.uuid4().hex
    bodies = [f'{{"{mark}":{number}}}' for number in range(2)]
    ids = []
    for body in bodies:
        ids += deployment.deployed.send([body])
        time.sleep(0.01)  # SQS tells milliseconds
    deployment.drain()
    own = {letter.message_id: letter.reason for letter in deployment.deployed.dead_letters()}
    assert [own[message_id] for message_id in ids] == ["event_id is missing"] * 2

    for _ in range(2):
        assert main(["dead-letters", "--outputs", outputs]) == 0
        told = capsys.readouterr()
        assert told.err.endswith(" dead letters. None is removed.\n")
        lines = told.out.splitlines()
        ours = [place for place, line in enumerate(lines) if mark in line]
        assert [lines[place] for place in ours] == [f"    {body}" for body in bodies]
        shown = [lines[place - 1].split(" ", 1)[1] for place in ours]
        assert shown == [f"{message_id} event_id is missing" for message_id in ids]


@pytest.mark.parametrize("broken", [[], ["--broken"]], ids=["", "broken"])
def test_the_program_keeps_its_promises_and_no_canary_is_left(
    deployment: Deployment, outputs: str, capsys: Captured, broken: list[str]
) -> None:
    deployment.drain()
    dead = deployment.deployed.dead()
    assert main(["smoke", "--outputs", outputs, *broken]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("All promises are kept (")
    assert "may still be under way" not in told.err
    assert not [i for i in deployment.deployed.items() if i["event_id"].startswith("smoke-")]
    assert deployment.deployed.dead() == dead


def test_a_file_and_a_table_flow_through_the_queue(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name.upper(), text)
    monkeypatch.setenv("AWS_DEFAULT_REGION", deployment.aws.region)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", deployment.aws.endpoint_url)
    queue = ["--queue-url", deployment.outputs["queueUrl"]]
    dynamodb, copied = deployment.aws.client("dynamodb"), deployment.outputs["tableName"]

    def read(table: str, prefix: str) -> dict[str, Any]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        items = (item for page in pages for item in page["Items"])
        return {i["event_id"]["S"]: i for i in items if i["event_id"]["S"].startswith(prefix)}

    file = tmp_path / "events"
    file.write_text(
        "".join(f'{{"event_id":"piped-{n % 50}","timestamp":{n}}}\n' for n in range(200))
    )
    assert main(["load", *queue, str(file)]) == 0
    newest = {
        f"piped-{n % 50}": {"event_id": {"S": f"piped-{n % 50}"}, "timestamp": {"N": str(n)}}
        for n in range(200)
    }
    assert wait_for(lambda: read(copied, "piped-") == newest, SECONDS)

    dynamodb.create_table(
        TableName="replayed",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
    )
    rich = {"exact": {"N": "0.1234567890123456789"}, "l": {"L": [{"NULL": True}, {"S": "東\x01"}]}}
    for number in range(50):
        item = {"event_id": {"S": f"replayed-{number}"}, "n": {"N": str(number)}, **rich}
        dynamodb.put_item(TableName="replayed", Item=item)
    try:
        assert main(["load", *queue, "--from-table", "replayed"]) == 0
        items = read("replayed", "")
    finally:
        dynamodb.delete_table(TableName="replayed")
    assert len(items) == 50
    assert wait_for(lambda: read(copied, "replayed-") == items, SECONDS)
