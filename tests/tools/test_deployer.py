"""The deployer: everything that the program registers is there, in AWS's own answers."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import pulumi
import pytest
from pulumi.runtime.mocks import MockResourceArgs

from tools.errors import ToolError
from tools.deployer import Deployer, zip_of
from tools.emulator import Emulator
from tools.program import Run, plain, run
from tools.stacks import Stack, load_stack

KEY: Final = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VARIANTS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "local": ("local", {}),
    "dev": ("dev", {}),
    "prod": ("prod", {}),
    "prod with everything": (
        "prod",
        {
            "kmsKeyArn": KEY,
            "alarmEmail": "operations@example.com",
            "maximumConcurrency": "7",
            "senderArns": '["arn:aws:sns:us-east-1:000000000000:events"]',
            "changeStream": "true",
            "expiryAttribute": "expires_at",
        },
    ),
}


# Makes a boto3 client of a service.
Client = Callable[[str], Any]


@dataclasses.dataclass(frozen=True)
class Deployed:
    """A stack on an embedded AWS of its own."""

    client: Client
    stack: Stack
    run: Run


@pytest.fixture(scope="module", params=VARIANTS)
def deployed(request: pytest.FixtureRequest) -> Iterator[Deployed]:
    name, config = VARIANTS[request.param]
    stack = load_stack(name).with_config(config)
    with Emulator(region=stack.region) as aws:
        yield Deployed(cache(aws.client), stack, run(stack, Deployer(aws, stack)))


def test_every_input_of_every_resource_is_held_by_aws(deployed: Deployed) -> None:
    for resource in deployed.run.resources:
        if resource.type.startswith("aws:"):
            found, tags = _READERS[resource.type](deployed.client, resource.inputs)
            assert found == _registered(resource.inputs), resource.name
            assert tags in (deployed.stack.default_tags, None), resource.name


def test_the_outputs_name_what_is_there(deployed: Deployed) -> None:
    sqs, outputs = deployed.client("sqs"), deployed.run.outputs
    assert sorted(sqs.list_queues()["QueueUrls"]) == sorted(
        [outputs["queueUrl"], outputs["deadLetterQueueUrl"]]
    )
    assert _queue(deployed.client, outputs["queueUrl"])["QueueArn"] == outputs["queueArn"]
    assert deployed.client("dynamodb").list_tables()["TableNames"] == [outputs["tableName"]]
    (function,) = deployed.client("lambda").list_functions()["Functions"]
    assert function["FunctionName"] == outputs["functionName"]
    (dashboard,) = deployed.client("cloudwatch").list_dashboards()["DashboardEntries"]
    table = deployed.client("dynamodb").describe_table(TableName=outputs["tableName"])["Table"]
    assert table.get("LatestStreamArn") == outputs.get("tableStreamArn")
    assert outputs["dashboardUrl"].endswith(f"#dashboards/dashboard/{dashboard['DashboardName']}")


def test_there_is_one_alarm_for_each_registered(deployed: Deployed) -> None:
    alarms = deployed.client("cloudwatch").describe_alarms()["MetricAlarms"]
    registered = [each for each in deployed.run.resources if each.type.endswith(":MetricAlarm")]
    assert {each["AlarmName"] for each in alarms} == {each.inputs["name"] for each in registered}


Read = tuple[dict[str, Any], Mapping[str, str] | None]


def _registered(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Put a resource's inputs in a form to compare: JSON read, the archive packed."""
    found: dict[str, Any] = {}
    for key, value in plain(dict(inputs)).items():
        if isinstance(value, pulumi.AssetArchive):
            found[key] = _digest(zip_of(value))
        else:
            found[key] = _read_json(value)
    # MiniStack does not hold it; no metric of a mapping exists there.
    found.pop("metricsConfig", None)
    return found


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _read_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def _renamed(answer: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: _read_json(answer[name]) for key, name in names.items() if answer.get(name, "") != ""
    }


def _pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _queue(client: Client, url: str) -> dict[str, str]:
    attributes: dict[str, str] = client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["All"]
    )["Attributes"]
    return attributes


def _read_queue(client: Client, inputs: Mapping[str, Any]) -> Read:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=inputs["name"])["QueueUrl"]
    attributes: dict[str, Any] = _queue(client, url)
    found = _renamed(
        {key: int(value) if value.isdigit() else value for key, value in attributes.items()},
        {
            "kmsMasterKeyId": "KmsMasterKeyId",
            "maxMessageSize": "MaximumMessageSize",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "redrivePolicy": "RedrivePolicy",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
    )
    if "visibilityTimeoutSeconds" not in inputs:
        assert found.pop("visibilityTimeoutSeconds") == 30  # SQS's own
    if "SqsManagedSseEnabled" in attributes:
        found["sqsManagedSseEnabled"] = attributes["SqsManagedSseEnabled"] == "true"
    name = attributes["QueueArn"].split(":")[-1]
    return {"name": name, **found}, sqs.list_queue_tags(QueueUrl=url)["Tags"]


def _read_queue_policy(client: Client, inputs: Mapping[str, Any]) -> Read:
    policy = json.loads(_queue(client, inputs["queueUrl"])["Policy"])
    return {"queueUrl": inputs["queueUrl"], "policy": policy}, None


def _read_redrive_allow(client: Client, inputs: Mapping[str, Any]) -> Read:
    policy = json.loads(_queue(client, inputs["queueUrl"])["RedriveAllowPolicy"])
    return {"queueUrl": inputs["queueUrl"], "redriveAllowPolicy": policy}, None


def _read_table(client: Client, inputs: Mapping[str, Any]) -> Read:
    dynamodb = client("dynamodb")
    table = dynamodb.describe_table(TableName=inputs["name"])["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=inputs["name"])
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    (key,) = table["KeySchema"]
    found = {
        "name": table["TableName"],
        "billingMode": table["BillingModeSummary"]["BillingMode"],
        "attributes": [
            {"name": each["AttributeName"], "type": each["AttributeType"]}
            for each in table["AttributeDefinitions"]
        ],
        "hashKey": key["AttributeName"],
        "deletionProtectionEnabled": table["DeletionProtectionEnabled"],
        "pointInTimeRecovery": {"enabled": recovery["PointInTimeRecoveryStatus"] == "ENABLED"},
    }
    encryption = table.get("SSEDescription", {"Status": "DISABLED"})
    found["serverSideEncryption"] = {"enabled": encryption["Status"] == "ENABLED"}
    if encryption["Status"] == "ENABLED":
        found["serverSideEncryption"]["kmsKeyArn"] = encryption["KMSMasterKeyArn"]
    stream = table.get("StreamSpecification", {"StreamEnabled": False})
    names = {"streamEnabled": "StreamEnabled", "streamViewType": "StreamViewType"}
    found |= _renamed(stream, names)
    expiry = dynamodb.describe_time_to_live(TableName=inputs["name"])["TimeToLiveDescription"]
    found["ttl"] = {
        "enabled": expiry["TimeToLiveStatus"] == "ENABLED",
        **_renamed(expiry, {"attributeName": "AttributeName"}),
    }
    tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    return found, _pairs(tags)


def _read_log_group(client: Client, inputs: Mapping[str, Any]) -> Read:
    logs = client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=inputs["name"])["logGroups"]
    tags = logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]
    names = {"name": "logGroupName", "retentionInDays": "retentionInDays", "kmsKeyId": "kmsKeyId"}
    return _renamed(group, names), tags


def _read_role(client: Client, inputs: Mapping[str, Any]) -> Read:
    (role,) = client("iam").list_roles()["Roles"]
    names = {"assumeRolePolicy": "AssumeRolePolicyDocument", "description": "Description"}
    return _renamed(role, names), _pairs(role["Tags"])


def _read_role_policy(client: Client, inputs: Mapping[str, Any]) -> Read:
    iam, role = client("iam"), inputs["role"]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return {"role": role, "policy": policy}, None


def _read_function(client: Client, inputs: Mapping[str, Any]) -> Read:
    answer = client("lambda").get_function(FunctionName=inputs["name"])
    function = answer["Configuration"]
    found = _renamed(
        function,
        {
            "architectures": "Architectures",
            "code": "CodeSha256",
            "description": "Description",
            "handler": "Handler",
            "kmsKeyArn": "KMSKeyArn",
            "memorySize": "MemorySize",
            "name": "FunctionName",
            "role": "Role",
            "runtime": "Runtime",
            "timeout": "Timeout",
        },
    )
    found["environment"] = {"variables": function["Environment"]["Variables"]}
    found["loggingConfig"] = _renamed(
        function["LoggingConfig"], {"logFormat": "LogFormat", "logGroup": "LogGroup"}
    )
    found["tracingConfig"] = {"mode": function["TracingConfig"]["Mode"]}
    return found, answer["Tags"]


def _read_mapping(client: Client, inputs: Mapping[str, Any]) -> Read:
    lambda_ = client("lambda")
    (mapping,) = lambda_.list_event_source_mappings()["EventSourceMappings"]
    found = _renamed(
        mapping,
        {
            "batchSize": "BatchSize",
            "eventSourceArn": "EventSourceArn",
            "functionName": "FunctionArn",
            "functionResponseTypes": "FunctionResponseTypes",
            "maximumBatchingWindowInSeconds": "MaximumBatchingWindowInSeconds",
        },
    )
    if scaling := mapping.get("ScalingConfig"):
        found["scalingConfig"] = {"maximumConcurrency": scaling["MaximumConcurrency"]}
    return found, lambda_.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"]


def _read_alarm(client: Client, inputs: Mapping[str, Any]) -> Read:
    cloudwatch = client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[inputs["name"]])["MetricAlarms"]
    # MiniStack adds a statistic to an alarm on a percentile; AWS has the one or the other.
    if "ExtendedStatistic" in alarm:
        alarm.pop("Statistic", None)
    found = _renamed(
        alarm,
        {
            "alarmActions": "AlarmActions",
            "alarmDescription": "AlarmDescription",
            "comparisonOperator": "ComparisonOperator",
            "datapointsToAlarm": "DatapointsToAlarm",
            "evaluationPeriods": "EvaluationPeriods",
            "extendedStatistic": "ExtendedStatistic",
            "metricName": "MetricName",
            "name": "AlarmName",
            "namespace": "Namespace",
            "okActions": "OKActions",
            "period": "Period",
            "statistic": "Statistic",
            "threshold": "Threshold",
            "treatMissingData": "TreatMissingData",
        },
    )
    found["dimensions"] = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    return found, _pairs(tags)


def _read_dashboard(client: Client, inputs: Mapping[str, Any]) -> Read:
    name = inputs["dashboardName"]
    answer = client("cloudwatch").get_dashboard(DashboardName=name)
    return {"dashboardName": name, "dashboardBody": json.loads(answer["DashboardBody"])}, None


def _read_topic(client: Client, inputs: Mapping[str, Any]) -> Read:
    sns = client("sns")
    (topic,) = sns.list_topics()["Topics"]
    attributes = sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]
    tags = sns.list_tags_for_resource(ResourceArn=topic["TopicArn"])["Tags"]
    found = {
        "name": topic["TopicArn"].split(":")[-1],
        **_renamed(attributes, {"kmsMasterKeyId": "KmsMasterKeyId"}),
    }
    return found, _pairs(tags)


def _read_topic_policy(client: Client, inputs: Mapping[str, Any]) -> Read:
    answer = client("sns").get_topic_attributes(TopicArn=inputs["arn"])
    return {"arn": inputs["arn"], "policy": json.loads(answer["Attributes"]["Policy"])}, None


def _read_subscription(client: Client, inputs: Mapping[str, Any]) -> Read:
    (found,) = client("sns").list_subscriptions()["Subscriptions"]
    return _renamed(
        found, {"topic": "TopicArn", "protocol": "Protocol", "endpoint": "Endpoint"}
    ), None


_READERS: Final[Mapping[str, Callable[[Client, Mapping[str, Any]], Read]]] = {
    "aws:cloudwatch/dashboard:Dashboard": _read_dashboard,
    "aws:cloudwatch/logGroup:LogGroup": _read_log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _read_alarm,
    "aws:dynamodb/table:Table": _read_table,
    "aws:iam/role:Role": _read_role,
    "aws:iam/rolePolicy:RolePolicy": _read_role_policy,
    "aws:lambda/eventSourceMapping:EventSourceMapping": _read_mapping,
    "aws:lambda/function:Function": _read_function,
    "aws:sns/topic:Topic": _read_topic,
    "aws:sns/topicPolicy:TopicPolicy": _read_topic_policy,
    "aws:sns/topicSubscription:TopicSubscription": _read_subscription,
    "aws:sqs/queue:Queue": _read_queue,
    "aws:sqs/queuePolicy:QueuePolicy": _read_queue_policy,
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": _read_redrive_allow,
}


# --- What it does not know, it refuses by name.


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


def _make(aws: Emulator, kind: str, name: str, inputs: dict[str, Any]) -> str:
    """Register one resource, and return what the deployer says against it."""
    deployer = Deployer(aws, load_stack("local"))
    args = MockResourceArgs(typ=kind, name=name, inputs=inputs, custom=True)
    with pytest.raises(ToolError) as error:
        deployer.new_resource(args)
    return str(error.value)


def test_an_unknown_resource_type_is_refused_by_name(aws: Emulator) -> None:
    assert _make(aws, "aws:s3/bucket:Bucket", "bucket", {}) == (
        "The local deployer does not know aws:s3/bucket:Bucket (resource 'bucket'): "
        "teach it in tools/deployer.py."
    )


def test_unknown_inputs_are_refused_by_name_however_deep(aws: Emulator) -> None:
    inputs = {
        "name": "spare",
        "billingMode": "PAY_PER_REQUEST",
        "attributes": [{"name": "id", "type": "S"}],
        "hashKey": "id",
        "deletionProtectionEnabled": False,
        "pointInTimeRecovery": {"enabled": True, "recoveryPeriodInDays": 7},
        "streamEnabled": False,
        "tableClass": "STANDARD",
    }
    assert _make(aws, "aws:dynamodb/table:Table", "table", inputs) == (
        "The local deployer does not know pointInTimeRecovery.recoveryPeriodInDays, tableClass "
        "of aws:dynamodb/table:Table (resource 'table'): teach it in tools/deployer.py."
    )


def test_a_missing_input_is_named(aws: Emulator) -> None:
    assert _make(aws, "aws:sqs/queuePolicy:QueuePolicy", "policy", {"policy": "{}"}) == (
        "The local deployer needs queueUrl of aws:sqs/queuePolicy:QueuePolicy (resource 'policy')."
    )


def test_what_the_embedded_aws_refuses_is_told_in_its_words(aws: Emulator) -> None:
    message = _make(
        aws,
        "aws:sqs/queuePolicy:QueuePolicy",
        "policy",
        {"queueUrl": f"{aws.endpoint_url}/000000000000/nowhere", "policy": "{}"},
    )
    assert message.startswith(
        "The embedded AWS refused aws:sqs/queuePolicy:QueuePolicy (resource 'policy'): "
    )
    assert "NonExistentQueue" in message
