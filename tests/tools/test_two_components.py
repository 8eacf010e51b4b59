"""The Python program of component/README.md: the component twice, in somebody else's program."""

import json
import re
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tools.emulator import Emulator
from tools.preview import Preview
from tools.program import Run, run
from tools.stacks import PROJECT, Stack
from tools.template import make_template
from tools.up import deploy

OTHERS: Final = ("pager", "placed", "placed-to-orders")
SECONDS: Final = 30.0
KEYS: Final = {"orders": "order_id", "users": "event_id"}
NAMES: Final = tuple(KEYS)
STACK: Final = Stack(name="test", project="shop", config={"aws:region": "us-east-1"})


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = (PROJECT / "component" / "README.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.+?)```", text, re.S)
    folder = tmp_path_factory.mktemp("shop")
    (folder / "__main__.py").write_text(code, "utf-8")
    return folder


@pytest.fixture(scope="module")
def registered(program: Path) -> Run:
    return run(STACK, Preview(STACK), program)


def test_each_has_resources_and_names_of_its_own(registered: Run) -> None:
    assert len({each.urn for each in registered.resources}) == len(registered.resources)
    own: dict[str, dict[str, set[str]]] = {}
    for name in NAMES:
        (component,) = [each for each in registered.resources if each.name == name]
        children = [each for each in registered.resources if each.name.startswith(f"{name}-")]
        assert all(each.parent == component.urn for each in children)
        own[name] = {
            each.name.removeprefix(f"{name}-"): {
                value
                for key in ("name", "dashboardName", "queueUrl", "role")
                if (value := each.inputs.get(key))
            }
            for each in children
        }
    orders, users = own["orders"], own["users"]
    assert len(registered.resources) == len(OTHERS) + 2 + len(orders) + len(users)
    assert orders.keys() == users.keys()
    assert {"queue", "table", "function", "dashboard"} <= orders.keys()
    for resource, names in orders.items():
        assert names.isdisjoint(users[resource]), resource


def test_all_that_one_depends_on_is_its_own(registered: Run) -> None:
    by_urn = {each.urn: each for each in registered.resources}
    for each in registered.resources:
        for urn in each.dependencies:
            if {each.name, by_urn[urn].name}.isdisjoint(OTHERS):
                assert by_urn[urn].parent == each.parent, each.name


def test_both_side_by_side_store_each_its_own_events(program: Path) -> None:
    with Emulator(region="us-east-1") as aws:
        outputs = deploy(aws, make_template(STACK, program))
        sqs, dynamodb = aws.client("sqs"), aws.client("dynamodb")
        for name in NAMES:
            for number in range(20):
                event = {KEYS[name]: f"{number}", "of": name, "timestamp": number}
                sqs.send_message(QueueUrl=outputs[f"{name}QueueUrl"], MessageBody=json.dumps(event))
        expected = {
            name: [
                {KEYS[name]: {"S": f"{n}"}, "of": {"S": name}, "timestamp": {"N": f"{n}"}}
                for n in range(20)
            ]
            for name in NAMES
        }

        def found(name: str) -> list[dict[str, Any]]:
            items = dynamodb.scan(TableName=outputs[f"{name}TableName"])["Items"]
            return sorted(items, key=lambda item: int(item[KEYS[name]]["S"]))

        deadline = time.monotonic() + SECONDS
        for name in NAMES:
            while found(name) != expected[name]:
                assert time.monotonic() < deadline, (name, found(name))
                time.sleep(0.05)
