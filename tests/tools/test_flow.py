"""The deployed program and the commands beside it, where events really flow."""

import json
import random
import string
import time
import uuid
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Deployment
from tools import send as tools_send
from tools.__main__ import main
from tools.aws import CREDENTIALS
from tools.deployed import wait_for
from tools.event import decode, to_json
from tools.groups import BROKEN, EXAMPLE

SECONDS = 90.0  # a failed message may wait half a minute for its next delivery
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


def test_the_example_is_stored_within_two_seconds(deployment: Deployment) -> None:
    deployed = deployment.deployed
    deployed.send([EXAMPLE])
    assert wait_for(lambda: deployed.item("evt-1001"), 2.0, every=0.02) == decode(EXAMPLE)


def _random_object(rng: random.Random, depth: int) -> dict[str, Any]:
    """Return a JSON object; numbers as Decimal of up to 38 digits."""

    def value() -> Any:
        text = "".join(rng.choices(string.printable + "äß東京\N{ROCKET}\x00", k=9))
        number = Decimal(rng.randrange(-(10**38) + 1, 10**38)).scaleb(rng.randrange(-60, 60))
        flat = (number, text, Decimal(rng.randrange(-1000, 1000)), None, True, "")
        inner = _random_object(rng, depth - 1) if depth else {}
        return rng.choice((*flat, inner, [*inner.values()]))

    names = rng.sample(["size", "data", "ключ", "a.b", "#x", ":y", "timestamp_", " "], k=4)
    return {name: value() for name in names}


def test_a_thousand_varied_events_come_back_equal_beside_broken_messages(
    deployment: Deployment,
) -> None:
    rng = random.Random(42)
    ids = [f"varied-{number}" for number in range(1000)]
    events = {each: {"event_id": each, **_random_object(rng, 3)} for each in ids}
    bodies = [*map(to_json, events.values())]
    for place, body in enumerate(BROKEN.values()):
        bodies.insert(place * 90 + 50, body)  # among good ones, in the same batches

    flow = deployment.deployed
    sent = dict(zip(flow.send(bodies), bodies, strict=True))
    deployment.drain()

    dead = [each.body for each in flow.dead_letters() if sent.get(each.message_id) == each.body]
    assert Counter(dead) == Counter(BROKEN.values())
    stored = {item["event_id"]: item for item in flow.items()}
    assert {key: item for key, item in stored.items() if key.startswith("varied")} == events
    assert not {"", "broken", "x" * 2048} & stored.keys()


def test_the_log_tells_nothing_of_what_a_message_holds(deployment: Deployment) -> None:
    mark, flow = "log-secret-7f3a", deployment.deployed
    bodies = [
        f"{mark} is no JSON",
        json.dumps({"event_id": "quiet-2", "timestamp": mark, "token": mark}),
        f'{{"event_id":"quiet-3","{mark}":NaN}}',
        json.dumps({"event_id": "quiet-4", mark: "x" * 450_000}),
    ]
    _, *sent = flow.send([json.dumps({"event_id": "quiet-1", "token": mark}), *bodies])
    assert wait_for(lambda: flow.reasons().keys() >= {*sent}, SECONDS)  # each broken one has a line
    pages = flow.client("logs").get_paginator("filter_log_events")
    group = f"/aws/lambda/{deployment.outputs['functionName']}"
    text = "\n".join(pages.paginate(logGroupName=group).search("events[].message"))
    assert sent[0] in text
    assert mark not in text


def test_an_event_is_stored_and_an_older_one_superseded(
    deployment: Deployment, outputs: str, capsys: Captured
) -> None:
    event_id = f"sent-{uuid.uuid4().hex}"
    body = f'{{"event_id":"{event_id}","rate":0.10,"timestamp":7,"name":"東京"}}'
    stored = body.replace("0.10", "0.1")
    assert main(["send", "--outputs", outputs, body]) == 0
    told, item = capsys.readouterr().out.splitlines()
    assert (told[:8], item) == ("Stored, ", stored)
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


def test_the_program_keeps_its_promises_and_no_canary_is_left(
    deployment: Deployment, outputs: str, capsys: Captured
) -> None:
    deployment.drain()
    dead = deployment.deployed.dead()
    assert main(["smoke", "--outputs", outputs, "--broken"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("All promises are kept (")
    assert "may still be under way" not in told.err
    assert not [i for i in deployment.deployed.items() if i["event_id"].startswith("smoke-")]
    assert deployment.deployed.dead() == dead


def test_a_file_flows_through_the_queue(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in CREDENTIALS.items():
        monkeypatch.setenv(name.upper(), text)
    monkeypatch.setenv("AWS_DEFAULT_REGION", deployment.aws.region)

    def read() -> dict[str, Any]:
        items = deployment.deployed.items()
        return {each["event_id"]: each for each in items if each["event_id"].startswith("piped-")}

    file = tmp_path / "events"
    events = [{"event_id": f"piped-{n % 50}", "timestamp": n} for n in range(200)]
    file.write_text("\n".join(map(json.dumps, events)))
    assert main(["load", "--queue-url", deployment.outputs["queueUrl"], str(file)]) == 0
    newest = {event["event_id"]: event for event in events}
    assert wait_for(lambda: read() == newest, SECONDS)
