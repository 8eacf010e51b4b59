"""What is deployed from a template: this program, and a program with the component twice in it."""

import base64
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from tests.infra.registered import EVERYTHING, VARIANTS, stack_with
from tools.deployed import wait_for
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.preview import Preview, run
from tools.stacks import PROJECT, Stack, load_stack
from tools.template import make_template
from tools.up import deploy

OTHERS: Final = ("pager", "placed", "placed-to-orders")
KEYS: Final = {"orders": "order_id", "users": "event_id"}
SHOP: Final = Stack(name="test", project="shop", config={"aws:region": "us-east-1"})


@pytest.mark.parametrize("variant", ["dev", EVERYTHING])
def test_every_resource_is_made_and_the_outputs_name_what_is_there(variant: str) -> None:
    name, config = VARIANTS[variant]
    stack = stack_with(name, **config)
    template = make_template(stack)
    with Emulator(region=stack.region) as aws:
        outputs = deploy(aws, template)
        made = aws.client("cloudformation").describe_stack_resources(StackName="event-state")
        queues = aws.client("sqs").list_queues()["QueueUrls"]
        table = aws.client("dynamodb").describe_table(TableName=outputs["tableName"])["Table"]
        (dashboard,) = aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
        found = aws.client("lambda").get_function(FunctionName=outputs["functionName"])
    assert {each["LogicalResourceId"]: each["ResourceType"] for each in made["StackResources"]} == {
        logical_id: each["Type"] for logical_id, each in template.body["Resources"].items()
    }
    assert {*queues} == {outputs["queueUrl"], outputs["deadLetterQueueUrl"]}
    assert table.get("LatestStreamArn") == outputs.get("tableStreamArn")
    assert outputs["dashboardUrl"].endswith(f"#dashboards/dashboard/{dashboard['DashboardName']}")
    digest = hashlib.sha256(template.code).digest()
    assert base64.b64decode(found["Configuration"]["CodeSha256"]) == digest


def test_what_the_embedded_aws_refuses_is_told_in_its_words() -> None:
    template = make_template(load_stack("local"))
    del template.body["Resources"]["EventStateAlarmDeadLetters"]["Properties"]["MetricName"]
    with Emulator() as aws, pytest.raises(ToolError) as raised:
        deploy(aws, template)
    assert str(raised.value).startswith(
        "The embedded AWS refused EventStateAlarmDeadLetters (AWS::CloudWatch::Alarm): "
        "MetricName and Namespace are required"
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Write down the Python program of component/README.md."""
    text = (PROJECT / "component" / "README.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.+?)```", text, re.S)
    (tmp_path / "__main__.py").write_text(code, "utf-8")
    return tmp_path


def test_two_components_share_no_name_and_depend_on_what_is_their_own(program: Path) -> None:
    registered = run(SHOP, Preview(SHOP), program).resources
    by_urn = {each.urn: each for each in registered}
    assert len(by_urn) == len(registered)
    own: dict[str, dict[str, set[object]]] = defaultdict(dict)
    for each in registered:
        parent = by_urn.get(each.parent)
        if parent and parent.name in KEYS:
            given = {each.inputs.get(key) for key in ("name", "dashboardName", "queueUrl", "role")}
            own[parent.name][each.name.removeprefix(f"{parent.name}-")] = given - {None}
        for needed in (by_urn[urn] for urn in each.dependencies):
            assert needed.parent == each.parent or {each.name, needed.name} & {*OTHERS}, each.name
    assert len(by_urn) == len(OTHERS) + sum(1 + len(names) for names in own.values())
    orders, users = own["orders"], own["users"]
    assert orders.keys() == users.keys() >= {"queue", "table", "function", "dashboard"}
    assert all(names.isdisjoint(users[resource]) for resource, names in orders.items())


def test_two_components_side_by_side_store_each_its_own_events(program: Path) -> None:
    with Emulator(region="us-east-1") as aws:
        outputs = deploy(aws, make_template(SHOP, program))
        sqs, dynamodb = aws.client("sqs"), aws.client("dynamodb")
        expected = {
            name: {f"{n}": {key: {"S": f"{n}"}, "of": {"S": name}} for n in range(20)}
            for name, key in KEYS.items()
        }
        for name, key in KEYS.items():
            for n in range(20):
                body = json.dumps({key: f"{n}", "of": name})
                sqs.send_message(QueueUrl=outputs[f"{name}QueueUrl"], MessageBody=body)

        def stored() -> object:
            items = {name: dynamodb.scan(TableName=outputs[f"{name}TableName"]) for name in KEYS}
            return {
                name: {item[KEYS[name]]["S"]: item for item in found["Items"]}
                for name, found in items.items()
            }

        assert wait_for(lambda: stored() == expected, 30.0, every=0.05), stored()
