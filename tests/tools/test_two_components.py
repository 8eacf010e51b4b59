"""The Python program of component/README.md: the component twice, in somebody else's program."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from tools.deployed import wait_for
from tools.emulator import Emulator
from tools.preview import Preview, Run, run
from tools.stacks import PROJECT, Stack
from tools.template import make_template
from tools.up import deploy

OTHERS: Final = ("pager", "placed", "placed-to-orders")
KEYS: Final = {"orders": "order_id", "users": "event_id"}
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
    by_urn = {each.urn: each for each in registered.resources}
    assert len(by_urn) == len(registered.resources)
    own: dict[str, dict[str, set[object]]] = defaultdict(dict)
    for each in registered.resources:
        parent = by_urn.get(each.parent)
        if parent and parent.name in KEYS:
            given = {each.inputs.get(key) for key in ("name", "dashboardName", "queueUrl", "role")}
            own[parent.name][each.name.removeprefix(f"{parent.name}-")] = given - {None}
    assert len(by_urn) == len(OTHERS) + sum(1 + len(names) for names in own.values())
    orders, users = own["orders"], own["users"]
    assert orders.keys() == users.keys()
    assert {"queue", "table", "function", "dashboard"} <= orders.keys()
    assert all(names.isdisjoint(users[resource]) for resource, names in orders.items())


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
        expected = {}
        for name, key in KEYS.items():
            for n in range(20):
                body = json.dumps({key: f"{n}", "of": name, "timestamp": n})
                sqs.send_message(QueueUrl=outputs[f"{name}QueueUrl"], MessageBody=body)
            expected[name] = {
                f"{n}": {key: {"S": f"{n}"}, "of": {"S": name}, "timestamp": {"N": f"{n}"}}
                for n in range(20)
            }

        def stored() -> object:
            items = {name: dynamodb.scan(TableName=outputs[f"{name}TableName"]) for name in KEYS}
            return {
                name: {item[KEYS[name]]["S"]: item for item in found["Items"]}
                for name, found in items.items()
            }

        assert wait_for(lambda: stored() == expected, 30.0, every=0.05), stored()
