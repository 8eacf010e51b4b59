"""What `up` deploys: the template's stack in the embedded AWS, with the program's code."""

import base64
import hashlib

import pytest

from tests.infra.registered import EVERYTHING, VARIANTS, stack_with
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import deploy


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
