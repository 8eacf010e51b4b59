"""Pulumi's resource types and their inputs by CloudFormation's names."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

CODE_PARAMETERS: Final = {
    "CodeS3Bucket": "The S3 bucket, in the stack's region, that holds the function's code",
    "CodeS3Key": "The code's key there: a zip file of function/*.py, the folder's name included",
}

Property = tuple[str, Callable[[Any], Any]]
"""A property's name, and how an input becomes its value."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type of resource.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
    """

    type: str
    """CloudFormation's; for what is part of another resource there, that resource's."""
    inputs: Mapping[str, Property]
    """By Pulumi's name, a nested one by its path: loggingConfig.logGroup."""
    outputs: Mapping[str, str]
    """What gives it in CloudFormation: "" is Ref, anything else an attribute's name."""
    is_tagged: bool
    part_of: str | None = None
    """The input that names the resource which it is a part of."""
    by_name: bool = False
    """Whether it refers to others by their names: a reference would close a circle."""


def _kind(
    type_: str,
    by_rule: str,
    outputs: str = "",
    *,
    part_of: str | None = None,
    by_name: bool = False,
    is_tagged: bool = True,
    **exceptions: str | Property,
) -> Kind:
    """Name inputs by the rule, PascalCase, or by exceptions, where __ stands for a dot."""
    inputs: dict[str, Property] = {name: (_pascal(name), _same) for name in by_rule.split()}
    for name, target in exceptions.items():
        named = (target, _same) if isinstance(target, str) else target
        inputs[name.replace("__", ".")] = named
    pairs = (output.partition("=") for output in outputs.split())
    return Kind(
        type=type_,
        inputs=inputs,
        outputs={name: attribute for name, _, attribute in pairs},
        is_tagged=is_tagged,
        part_of=part_of,
        by_name=by_name,
    )


def _pascal(path: str) -> str:
    name = path.rpartition(".")[2]
    return name[0].upper() + name[1:]


def _same(value: Any) -> Any:
    return value


def _only(value: Any) -> Any:
    return [value]


def _named(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def _key(name: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": "HASH"}]


def _view(view: str) -> dict[str, str]:
    return {"StreamViewType": view}


def _encryption(specification: dict[str, Any]) -> dict[str, Any]:
    return {**specification, "SSEType": "KMS"} if specification["SSEEnabled"] else specification


def _code(_: Any) -> dict[str, dict[str, str]]:
    return {name.removeprefix("Code"): {"Ref": name} for name in CODE_PARAMETERS}


KINDS: Final[Mapping[str, Kind]] = {
    "aws:cloudwatch/dashboard:Dashboard": _kind(
        "AWS::CloudWatch::Dashboard",
        "dashboardBody dashboardName",
        "dashboardName=",
        is_tagged=False,
    ),
    "aws:cloudwatch/logGroup:LogGroup": _kind(
        "AWS::Logs::LogGroup",
        "deletionProtectionEnabled kmsKeyId logGroupClass retentionInDays",
        "name=",
        name="LogGroupName",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _kind(
        "AWS::CloudWatch::Alarm",
        "alarmActions alarmDescription comparisonOperator datapointsToAlarm evaluationPeriods "
        "extendedStatistic metricName namespace period statistic threshold treatMissingData",
        "name= arn=Arn",
        dimensions=("Dimensions", _named),
        name="AlarmName",
        okActions="OKActions",
    ),
    "aws:dynamodb/table:Table": _kind(
        "AWS::DynamoDB::Table",
        "billingMode deletionProtectionEnabled",
        "name= arn=Arn streamArn=StreamArn",
        attributes="AttributeDefinitions",
        attributes__name="AttributeName",
        attributes__type="AttributeType",
        hashKey=("KeySchema", _key),
        name="TableName",
        pointInTimeRecovery="PointInTimeRecoverySpecification",
        pointInTimeRecovery__enabled="PointInTimeRecoveryEnabled",
        serverSideEncryption=("SSESpecification", _encryption),
        serverSideEncryption__enabled="SSEEnabled",
        serverSideEncryption__kmsKeyArn="KMSMasterKeyId",
        streamEnabled="",
        streamViewType=("StreamSpecification", _view),
        ttl="TimeToLiveSpecification",
        ttl__attributeName="AttributeName",
        ttl__enabled="Enabled",
    ),
    "aws:iam/role:Role": _kind(
        "AWS::IAM::Role",
        "description permissionsBoundary",
        "name= arn=Arn",
        assumeRolePolicy=("AssumeRolePolicyDocument", json.loads),
    ),
    "aws:iam/rolePolicy:RolePolicy": _kind(
        "AWS::IAM::Role",
        "",
        part_of="role",
        policy=("PolicyDocument", json.loads),
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": _kind(
        "AWS::Lambda::EventSourceMapping",
        "batchSize eventSourceArn functionName functionResponseTypes "
        "maximumBatchingWindowInSeconds metricsConfig metricsConfig.metrics scalingConfig "
        "scalingConfig.maximumConcurrency",
        "uuid=",
    ),
    "aws:lambda/function:Function": _kind(
        "AWS::Lambda::Function",
        "architectures description environment environment.variables handler kmsKeyArn "
        "loggingConfig loggingConfig.applicationLogLevel loggingConfig.logFormat "
        "loggingConfig.logGroup loggingConfig.systemLogLevel memorySize role runtime timeout "
        "tracingConfig tracingConfig.mode",
        "name= arn=Arn",
        code=("Code", _code),
        name="FunctionName",
    ),
    "aws:sns/topic:Topic": _kind(
        "AWS::SNS::Topic", "kmsMasterKeyId", "name=TopicName arn=", name="TopicName"
    ),
    "aws:sns/topicPolicy:TopicPolicy": _kind(
        "AWS::SNS::TopicPolicy",
        "",
        is_tagged=False,
        arn=("Topics", _only),
        policy=("PolicyDocument", json.loads),
    ),
    "aws:sns/topicSubscription:TopicSubscription": _kind(
        "AWS::SNS::Subscription",
        "endpoint protocol rawMessageDelivery",
        is_tagged=False,
        topic="TopicArn",
    ),
    "aws:sqs/queue:Queue": _kind(
        "AWS::SQS::Queue",
        "kmsMasterKeyId sqsManagedSseEnabled",
        "name=QueueName arn=Arn url=",
        maxMessageSize="MaximumMessageSize",
        messageRetentionSeconds="MessageRetentionPeriod",
        name="QueueName",
        redrivePolicy=("RedrivePolicy", json.loads),
        visibilityTimeoutSeconds="VisibilityTimeout",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": _kind(
        "AWS::SQS::QueuePolicy",
        "",
        is_tagged=False,
        policy=("PolicyDocument", json.loads),
        queueUrl=("Queues", _only),
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": _kind(
        "AWS::SQS::Queue",
        "",
        part_of="queueUrl",
        by_name=True,
        redriveAllowPolicy=("RedriveAllowPolicy", json.loads),
    ),
}
