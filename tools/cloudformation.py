"""Pulumi's resource types and their inputs by CloudFormation's names."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CODE_PARAMETERS: Final = {
    "CodeS3Bucket": "The S3 bucket, in the stack's region, that holds the function's code",
    "CodeS3Key": "The code's key there: a zip file of function/*.py, the folder's name included",
}

Property = tuple[str, Callable[[Any], Any]]
"""A property's name, and how an input becomes its value."""


@dataclass(frozen=True)
class Kind:
    """A type of resource.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
    """

    type: str
    """CloudFormation's; for what is part of another resource there, that resource's."""
    by_rule: str = ""
    """Inputs, by Pulumi's name or path (loggingConfig.logGroup), whose property's name is theirs,
    but for a capital."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What gives it in CloudFormation: "" is Ref, anything else an attribute's name."""
    exceptions: Mapping[str, str | Property] = field(default_factory=dict)
    """The other inputs, with the name of the property and maybe how it is made."""
    is_tagged: bool = True
    part_of: str | None = None
    """The input that names the resource which it is a part of."""
    by_name: bool = False
    """Whether it refers to others by their names: a reference would close a circle."""

    @property
    def nested(self) -> set[str]:
        """The inputs whose members are translated, too."""
        return {path.rpartition(".")[0] for path in (*self.by_rule.split(), *self.exceptions)}

    def property_of(self, path: str) -> Property | None:
        """Return the property that an input becomes; None if it is not known."""
        if path in self.by_rule.split():
            name = path.rpartition(".")[2]
            return name[0].upper() + name[1:], lambda value: value
        known = self.exceptions.get(path)
        return (known, lambda value: value) if isinstance(known, str) else known


def _in_list(value: object) -> list[object]:
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


_POLICY: Final[Mapping[str, Property]] = {"policy": ("PolicyDocument", json.loads)}

KINDS: Final[Mapping[str, Kind]] = {
    "aws:cloudwatch/dashboard:Dashboard": Kind(
        "AWS::CloudWatch::Dashboard",
        "dashboardBody dashboardName",
        {"dashboardName": ""},
        is_tagged=False,
    ),
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        "AWS::Logs::LogGroup",
        "deletionProtectionEnabled kmsKeyId logGroupClass retentionInDays",
        {"name": ""},
        {"name": "LogGroupName"},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        "AWS::CloudWatch::Alarm",
        "alarmActions alarmDescription comparisonOperator datapointsToAlarm evaluationPeriods "
        "extendedStatistic metricName namespace period statistic threshold treatMissingData",
        {"name": "", "arn": "Arn"},
        {"dimensions": ("Dimensions", _named), "name": "AlarmName", "okActions": "OKActions"},
    ),
    "aws:dynamodb/table:Table": Kind(
        "AWS::DynamoDB::Table",
        "billingMode deletionProtectionEnabled ttl.attributeName ttl.enabled",
        {"name": "", "arn": "Arn", "streamArn": "StreamArn"},
        {
            "attributes": "AttributeDefinitions",
            "attributes.name": "AttributeName",
            "attributes.type": "AttributeType",
            "hashKey": ("KeySchema", _key),
            "name": "TableName",
            "pointInTimeRecovery": "PointInTimeRecoverySpecification",
            "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
            "serverSideEncryption": ("SSESpecification", _encryption),
            "serverSideEncryption.enabled": "SSEEnabled",
            "serverSideEncryption.kmsKeyArn": "KMSMasterKeyId",
            "streamEnabled": "",
            "streamViewType": ("StreamSpecification", _view),
            "ttl": "TimeToLiveSpecification",
        },
    ),
    "aws:iam/role:Role": Kind(
        "AWS::IAM::Role",
        "description permissionsBoundary",
        {"name": "", "arn": "Arn"},
        {"assumeRolePolicy": ("AssumeRolePolicyDocument", json.loads)},
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind("AWS::IAM::Role", exceptions=_POLICY, part_of="role"),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Kind(
        "AWS::Lambda::EventSourceMapping",
        "batchSize eventSourceArn functionName functionResponseTypes "
        "maximumBatchingWindowInSeconds metricsConfig metricsConfig.metrics scalingConfig "
        "scalingConfig.maximumConcurrency",
        {"uuid": ""},
    ),
    "aws:lambda/function:Function": Kind(
        "AWS::Lambda::Function",
        "architectures description environment environment.variables handler kmsKeyArn "
        "loggingConfig loggingConfig.applicationLogLevel loggingConfig.logFormat "
        "loggingConfig.logGroup loggingConfig.systemLogLevel memorySize role runtime timeout "
        "tracingConfig tracingConfig.mode",
        {"name": "", "arn": "Arn"},
        {"code": ("Code", _code), "name": "FunctionName"},
    ),
    "aws:sns/topic:Topic": Kind(
        "AWS::SNS::Topic",
        "kmsMasterKeyId",
        {"name": "TopicName", "arn": ""},
        {"name": "TopicName"},
    ),
    "aws:sns/topicPolicy:TopicPolicy": Kind(
        "AWS::SNS::TopicPolicy",
        exceptions={"arn": ("Topics", _in_list), **_POLICY},
        is_tagged=False,
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        "AWS::SNS::Subscription",
        "endpoint protocol rawMessageDelivery",
        exceptions={"topic": "TopicArn"},
        is_tagged=False,
    ),
    "aws:sqs/queue:Queue": Kind(
        "AWS::SQS::Queue",
        "kmsMasterKeyId sqsManagedSseEnabled",
        {"name": "QueueName", "arn": "Arn", "url": ""},
        {
            "maxMessageSize": "MaximumMessageSize",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "name": "QueueName",
            "redrivePolicy": ("RedrivePolicy", json.loads),
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Kind(
        "AWS::SQS::QueuePolicy",
        exceptions={"queueUrl": ("Queues", _in_list), **_POLICY},
        is_tagged=False,
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": Kind(
        "AWS::SQS::Queue",
        exceptions={"redriveAllowPolicy": ("RedriveAllowPolicy", json.loads)},
        part_of="queueUrl",
        by_name=True,
    ),
}
