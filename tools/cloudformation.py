"""Pulumi's resource types and their inputs by CloudFormation's names."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

CODE_PARAMETERS: Final = {
    "CodeS3Bucket": "The S3 bucket, in the stack's region, that holds the function's code",
    "CodeS3Key": "The code's key there: a zip file of function/*.py, the folder's name included",
}

Property = tuple[str, Callable[[Any], Any]]
"""A property's name, and how an input becomes its value."""


# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
class Kind(NamedTuple):
    """A type of resource."""

    type: str  # CloudFormation's; of what is part of another resource there, that resource's
    # Those whose property is not called like them but for a capital, by name or path (ttl.enabled);
    # "" is none.
    inputs: Mapping[str, str | Property] = {}
    outputs: Mapping[str, str] = {}  # what gives it: "" is Ref, anything else an attribute's name
    is_tagged: bool = True
    part_of: str | None = None  # the input that names the resource which it is a part of
    by_name: bool = False  # whether it names others, because a reference would close a circle


def _named(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"Name": name, "Value": value} for name, value in sorted(values.items())]


def _encryption(given: Mapping[str, Any]) -> dict[str, Any]:
    key = {"SSEType": "KMS", "KMSMasterKeyId": given["kmsKeyArn"]} if given["enabled"] else {}
    return {"SSEEnabled": given["enabled"], **key}


_POLICY: Final[Property] = ("PolicyDocument", json.loads)
_NAME_AND_ARN: Final = {"name": "", "arn": "Arn"}

KINDS: Final[Mapping[str, Kind]] = {
    "aws:cloudwatch/dashboard:Dashboard": Kind(
        "AWS::CloudWatch::Dashboard", outputs={"dashboardName": ""}, is_tagged=False
    ),
    "aws:cloudwatch/logGroup:LogGroup": Kind(  # its Arn there ends in ":*"
        "AWS::Logs::LogGroup", {"name": "LogGroupName"}, {"name": ""}
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        "AWS::CloudWatch::Alarm",
        {"dimensions": ("Dimensions", _named), "name": "AlarmName", "okActions": "OKActions"},
        _NAME_AND_ARN,
    ),
    "aws:dynamodb/table:Table": Kind(
        "AWS::DynamoDB::Table",
        {
            "attributes": "AttributeDefinitions",
            "attributes.name": "AttributeName",
            "attributes.type": "AttributeType",
            "hashKey": ("KeySchema", lambda key: [{"AttributeName": key, "KeyType": "HASH"}]),
            "name": "TableName",
            "pointInTimeRecovery": "PointInTimeRecoverySpecification",
            "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
            "serverSideEncryption": ("SSESpecification", _encryption),
            "streamEnabled": "",
            "streamViewType": ("StreamSpecification", lambda view: {"StreamViewType": view}),
            "ttl": "TimeToLiveSpecification",
        },
        {**_NAME_AND_ARN, "streamArn": "StreamArn"},
    ),
    "aws:iam/role:Role": Kind(
        "AWS::IAM::Role",
        {"assumeRolePolicy": ("AssumeRolePolicyDocument", json.loads)},
        _NAME_AND_ARN,
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind("AWS::IAM::Role", {"policy": _POLICY}, part_of="role"),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Kind(
        "AWS::Lambda::EventSourceMapping", outputs={"uuid": ""}
    ),
    "aws:lambda/function:Function": Kind(
        "AWS::Lambda::Function",
        {
            "code": ("Code", lambda _: {name[4:]: {"Ref": name} for name in CODE_PARAMETERS}),
            "environment.variables": ("Variables", dict),
            "name": "FunctionName",
        },
        _NAME_AND_ARN,
    ),
    "aws:sns/topic:Topic": Kind(
        "AWS::SNS::Topic", {"name": "TopicName"}, {"name": "TopicName", "arn": ""}
    ),
    "aws:sns/topicPolicy:TopicPolicy": Kind(
        "AWS::SNS::TopicPolicy",
        {"arn": ("Topics", lambda arn: [arn]), "policy": _POLICY},
        is_tagged=False,
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        "AWS::SNS::Subscription", {"topic": "TopicArn"}, is_tagged=False
    ),
    "aws:sqs/queue:Queue": Kind(
        "AWS::SQS::Queue",
        {
            "maxMessageSize": "MaximumMessageSize",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "name": "QueueName",
            "redrivePolicy": ("RedrivePolicy", json.loads),
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
        {"name": "QueueName", "arn": "Arn", "url": ""},
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Kind(
        "AWS::SQS::QueuePolicy",
        {"queueUrl": ("Queues", lambda url: [url]), "policy": _POLICY},
        is_tagged=False,
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": Kind(
        "AWS::SQS::Queue",
        {"redriveAllowPolicy": ("RedriveAllowPolicy", json.loads)},
        part_of="queueUrl",
        by_name=True,
    ),
}
