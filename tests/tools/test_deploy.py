"""What the embedded AWS makes of the template: all of it but what is listed here."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import pytest

from tests.infra.registered import VARIANTS, stack_with
from tools.emulator import Emulator
from tools.errors import ToolError
from tools.stacks import load_stack
from tools.template import Template, make_template
from tools.up import deploy

Client = Callable[[str], Any]
Read = Callable[[Client, str], dict[str, Any]]

# What MiniStack's CloudFormation leaves out. No event depends on any of it here: there is nothing
# to restore, no key to encrypt with, no metric, and nothing is deleted when its time is up.
DROPPED: Final = {
    "AWS::DynamoDB::Table PointInTimeRecoverySpecification",
    "AWS::DynamoDB::Table SSESpecification",
    "AWS::DynamoDB::Table TimeToLiveSpecification",
    "AWS::IAM::Role PermissionsBoundary",
    "AWS::Lambda::EventSourceMapping MetricsConfig",
    "AWS::Lambda::EventSourceMapping Tags",
    "AWS::Lambda::Function KmsKeyArn",
    "AWS::Logs::LogGroup DeletionProtectionEnabled",
    "AWS::SNS::Topic KmsMasterKeyId",
}


class _Deployment:
    """A stack on an embedded AWS, and its template as that AWS itself resolves it."""

    def __init__(self, aws: Emulator, template: Template) -> None:
        self.client: Client = cache(aws.client)
        self.code = template.code
        resources = template.body["Resources"]
        expressions = dict.fromkeys(_expressions(resources))
        asked = {f"X{place}": {"Value": json.loads(each)} for place, each in enumerate(expressions)}
        outputs = template.body["Outputs"]
        answered = deploy(
            aws, Template(body={**template.body, "Outputs": outputs | asked}, code=self.code)
        )
        values = dict(zip(expressions, (answered.pop(each) for each in asked), strict=True))
        self.outputs = answered
        self.resources = _resolved(resources, values)
        made = self.client("cloudformation").describe_stack_resources(StackName="event-state")
        self.ids = {
            each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made["StackResources"]
        }


def _is_expression(node: Any) -> bool:
    return (
        isinstance(node, dict) and len(node) == 1 and next(iter(node)).startswith(("Ref", "Fn::"))
    )


def _expressions(node: Any) -> Iterator[str]:
    if _is_expression(node):
        yield json.dumps(node)
    elif isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from _expressions(each)


def _resolved(node: Any, values: Mapping[str, str]) -> Any:
    if _is_expression(node):
        return values[json.dumps(node)]
    if isinstance(node, dict):
        return {key: _resolved(each, values) for key, each in node.items()}
    return [_resolved(each, values) for each in node] if isinstance(node, list) else node


def _normal(value: Any) -> Any:
    """Write documents, numbers and tags in one form, as AWS's services do not."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return {key: _normal(each) for key, each in value.items() if not key.startswith("aws:cl")}
    if isinstance(value, list):
        if value and all(
            isinstance(each, dict) and each.keys() == {"Key", "Value"} for each in value
        ):
            # CloudFormation adds some of its own.
            return {x["Key"]: x["Value"] for x in value if not x["Key"].startswith("aws:")}
        return [_normal(each) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        return _normal(json.loads(value))
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@pytest.fixture(scope="module", params=VARIANTS)
def deployment(request: pytest.FixtureRequest) -> Iterator[_Deployment]:
    name, config = VARIANTS[request.param]
    stack = stack_with(name, **config)
    with Emulator(region=stack.region) as aws:
        yield _Deployment(aws, make_template(stack))


def test_every_property_arrives_but_those_that_are_listed(deployment: _Deployment) -> None:
    for logical_id, resource in deployment.resources.items():
        found = READERS[resource["Type"]](deployment.client, deployment.ids[logical_id])
        for key, value in resource["Properties"].items():
            if f"{resource['Type']} {key}" not in DROPPED | {"AWS::Lambda::Function Code"}:
                assert _normal(found.get(key)) == _normal(value), f"{logical_id} {key}"


def test_what_is_listed_does_not_arrive() -> None:
    stack, config = VARIANTS["prod with everything"]
    missing = set()
    with Emulator() as aws:
        deployment = _Deployment(aws, make_template(stack_with(stack, **config)))
        for logical_id, resource in deployment.resources.items():
            found = READERS[resource["Type"]](deployment.client, deployment.ids[logical_id])
            missing |= {
                f"{resource['Type']} {key}"
                for key, value in resource["Properties"].items()
                if _normal(found.get(key)) != _normal(value) and key != "Code"
            }
    assert missing == DROPPED


def test_the_function_has_the_programs_code(deployment: _Deployment) -> None:
    name = deployment.outputs["functionName"]
    found = deployment.client("lambda").get_function(FunctionName=name)["Configuration"]
    assert base64.b64decode(found["CodeSha256"]) == hashlib.sha256(deployment.code).digest()


def test_the_outputs_name_what_is_there(deployment: _Deployment) -> None:
    outputs, dynamodb = deployment.outputs, deployment.client("dynamodb")
    queues = {outputs["queueUrl"], outputs["deadLetterQueueUrl"]}
    assert {*deployment.client("sqs").list_queues()["QueueUrls"]} == queues
    table = dynamodb.describe_table(TableName=outputs["tableName"])["Table"]
    assert table.get("LatestStreamArn") == outputs.get("tableStreamArn")
    (dashboard,) = deployment.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert outputs["dashboardUrl"].endswith(f"#dashboards/dashboard/{dashboard['DashboardName']}")


def test_what_the_embedded_aws_refuses_is_told_in_its_words() -> None:
    template = make_template(load_stack("local"))
    del template.body["Resources"]["EventStateAlarmDeadLetters"]["Properties"]["MetricName"]
    with Emulator() as aws, pytest.raises(ToolError) as raised:
        deploy(aws, template)
    assert str(raised.value).startswith(
        "The embedded AWS refused EventStateAlarmDeadLetters (AWS::CloudWatch::Alarm): "
        "MetricName and Namespace are required"
    )


# --- How each type is read: its properties by CloudFormation's names.


def _queue(client: Client, url: str) -> dict[str, Any]:
    answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    name, tags = url.split("/")[-1], client("sqs").list_queue_tags(QueueUrl=url)["Tags"]
    return {"QueueName": name, "Tags": tags, **answer["Attributes"]}


def _queue_policy(client: Client, physical_id: str) -> dict[str, Any]:
    is_for_dead_letters = "-EventStateDeadLetterQueuePolicy-" in physical_id
    for url in client("sqs").list_queues()["QueueUrls"]:
        if url.endswith("-dlq") == is_for_dead_letters:
            return {"Queues": [url], "PolicyDocument": _queue(client, url).get("Policy")}
    raise AssertionError(physical_id)


def _table(client: Client, name: str) -> dict[str, Any]:
    dynamodb = client("dynamodb")
    table = dynamodb.describe_table(TableName=name)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    view = table.get("StreamSpecification", {}).get("StreamViewType")
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return {
        **table,
        "BillingMode": table["BillingModeSummary"]["BillingMode"],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery == "ENABLED"},
        "SSESpecification": {"SSEEnabled": "SSEDescription" in table},
        "StreamSpecification": {"StreamViewType": view},
        "Tags": dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"],
        "TimeToLiveSpecification": {"Enabled": expiry["TimeToLiveStatus"] == "ENABLED"},
    }


def _log_group(client: Client, name: str) -> dict[str, Any]:
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    tags = client("logs").list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]
    named = {key[0].upper() + key[1:]: value for key, value in group.items()}
    return {**named, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _role(client: Client, name: str) -> dict[str, Any]:
    iam = client("iam")
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    policies = [
        iam.get_role_policy(RoleName=name, PolicyName=each)
        for each in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    keys = ("PolicyName", "PolicyDocument")
    inline = [{key: policy[key] for key in keys} for policy in policies]
    return {**iam.get_role(RoleName=name)["Role"], "Policies": inline}


def _function(client: Client, name: str) -> dict[str, Any]:
    answer = client("lambda").get_function(FunctionName=name)
    return {**answer["Configuration"], "Tags": answer["Tags"]}


def _mapping(client: Client, uuid: str) -> dict[str, Any]:
    mapping = client("lambda").get_event_source_mapping(UUID=uuid)
    return {**mapping, "FunctionName": mapping["FunctionArn"]}


def _alarm(client: Client, name: str) -> dict[str, Any]:
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    answer = client("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])
    return {**alarm, "Tags": answer["Tags"]}


def _topic(client: Client, arn: str) -> dict[str, Any]:
    attributes = client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    tags = client("sns").list_tags_for_resource(ResourceArn=arn)["Tags"]
    return {**attributes, "TopicName": arn.split(":")[-1], "Tags": tags}


def _topic_policy(client: Client, _: str) -> dict[str, Any]:
    (topic,) = client("sns").list_topics()["Topics"]
    arn = topic["TopicArn"]
    return {"Topics": [arn], "PolicyDocument": _topic(client, arn)["Policy"]}


def _subscription(client: Client, _: str) -> dict[str, Any]:
    (found,) = client("sns").list_subscriptions()["Subscriptions"]
    return dict(found)


READERS: Final[Mapping[str, Read]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": lambda client, name: client("cloudwatch").get_dashboard(
        DashboardName=name
    ),
    "AWS::DynamoDB::Table": _table,
    "AWS::IAM::Role": _role,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
}
