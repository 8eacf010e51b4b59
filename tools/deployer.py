"""Deploys what the program registers to the embedded AWS, in the place of Pulumi's AWS provider.

Not the Pulumi engine: it creates, and neither compares, updates nor deletes. What it does not know,
a resource type or one input of it, it refuses by name.
"""

import io
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pulumi
from botocore.exceptions import BotoCoreError, ClientError
from pulumi.runtime import mocks as pulumi_mocks

from tools.errors import ToolError
from tools.emulator import Emulator
from tools.program import plain
from tools.stacks import Stack

# A resource's id, and the outputs that AWS adds to its inputs.
Created = tuple[str, dict[str, Any]]


class Deployer(pulumi_mocks.Mocks):
    """Creates each registered resource with boto3; hand it to `program.run`."""

    def __init__(self, aws: Emulator, stack: Stack) -> None:
        self._tags = dict(stack.default_tags)
        self._client = {name: aws.client(name) for name in _SERVICES}

    def new_resource(
        self, args: pulumi_mocks.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create the resource, and answer with its id and its state."""
        if not args.custom:
            return None, args.inputs
        create = _CREATORS.get(args.typ)
        if create is None:
            raise ToolError(
                f"The local deployer does not know {args.typ} (resource {args.name!r}): "
                "teach it in tools/deployer.py."
            )
        inputs = Inputs(f"{args.typ} (resource {args.name!r})", plain(args.inputs))
        try:
            resource_id, outputs = create(self, args.name, inputs)
        except (BotoCoreError, ClientError) as error:
            raise ToolError(f"The embedded AWS refused {inputs.owner}: {error}") from error
        inputs.finish()
        return resource_id, {**args.inputs, **outputs}

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuse: the program calls no provider function."""
        raise ToolError(f"The local deployer does not know the function {args.token}.")

    def _queue(self, name: str, inputs: "Inputs") -> Created:
        attributes = inputs.renamed(
            {
                "kmsMasterKeyId": "KmsMasterKeyId",
                "maxMessageSize": "MaximumMessageSize",
                "messageRetentionSeconds": "MessageRetentionPeriod",
                "redrivePolicy": "RedrivePolicy",
                "sqsManagedSseEnabled": "SqsManagedSseEnabled",
                "visibilityTimeoutSeconds": "VisibilityTimeout",
            }
        )
        sqs = self._client["sqs"]
        url = sqs.create_queue(
            QueueName=inputs.take("name"),
            Attributes={key: _text(value) for key, value in attributes.items()},
            tags=self._tags,
        )["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, {"url": url, "arn": answer["Attributes"]["QueueArn"]}

    def _queue_policy(self, name: str, inputs: "Inputs") -> Created:
        return self._queue_attribute("Policy", inputs.take("queueUrl"), inputs.take("policy"))

    def _redrive_allow_policy(self, name: str, inputs: "Inputs") -> Created:
        policy = inputs.take("redriveAllowPolicy")
        return self._queue_attribute("RedriveAllowPolicy", inputs.take("queueUrl"), policy)

    def _queue_attribute(self, attribute: str, queue_url: str, value: str) -> Created:
        self._client["sqs"].set_queue_attributes(QueueUrl=queue_url, Attributes={attribute: value})
        return queue_url, {}

    def _table(self, name: str, inputs: "Inputs") -> Created:
        table_name = inputs.take("name")
        arguments: dict[str, Any] = {}
        if encryption := inputs.nested("serverSideEncryption"):
            names = {"enabled": "Enabled", "kmsKeyArn": "KMSMasterKeyId"}
            arguments["SSESpecification"] = encryption.renamed(names)
        if inputs.take("streamEnabled"):
            view = inputs.take("streamViewType")
            arguments["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
        dynamodb = self._client["dynamodb"]
        table = dynamodb.create_table(
            TableName=table_name,
            BillingMode=inputs.take("billingMode"),
            AttributeDefinitions=[
                {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
                for attribute in inputs.take("attributes")
            ],
            KeySchema=[{"AttributeName": inputs.take("hashKey"), "KeyType": "HASH"}],
            DeletionProtectionEnabled=inputs.take("deletionProtectionEnabled"),
            Tags=self._key_value_tags(),
            **arguments,
        )["TableDescription"]
        if recovery := inputs.nested("pointInTimeRecovery"):
            dynamodb.update_continuous_backups(
                TableName=table_name,
                PointInTimeRecoverySpecification={
                    "PointInTimeRecoveryEnabled": recovery.take("enabled")
                },
            )
        if (expiry := inputs.nested("ttl")) and expiry.take("enabled"):
            attribute = {"Enabled": True, "AttributeName": expiry.take("attributeName")}
            dynamodb.update_time_to_live(TableName=table_name, TimeToLiveSpecification=attribute)
        return table_name, {"arn": table["TableArn"], "streamArn": table.get("LatestStreamArn")}

    def _log_group(self, name: str, inputs: "Inputs") -> Created:
        group = inputs.take("name")
        key = inputs.renamed({"kmsKeyId": "kmsKeyId"})
        logs = self._client["logs"]
        logs.create_log_group(logGroupName=group, tags=self._tags, **key)
        logs.put_retention_policy(
            logGroupName=group, retentionInDays=inputs.take("retentionInDays")
        )
        found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        # Pulumi's ARN of a log group has no ":*" at its end, AWS's has.
        return group, {"arn": found[0]["arn"].removesuffix(":*")}

    def _role(self, name: str, inputs: "Inputs") -> Created:
        # The name that Pulumi makes up for a resource without one: its own and seven hex digits.
        role_name = f"{name}-{uuid.uuid4().hex[:7]}"
        role = self._client["iam"].create_role(
            RoleName=role_name,
            Description=inputs.take("description"),
            AssumeRolePolicyDocument=inputs.take("assumeRolePolicy"),
            Tags=self._key_value_tags(),
        )["Role"]
        return role_name, {"name": role_name, "arn": role["Arn"]}

    def _role_policy(self, name: str, inputs: "Inputs") -> Created:
        role, policy_name = inputs.take("role"), f"{name}-{uuid.uuid4().hex[:7]}"
        self._client["iam"].put_role_policy(
            RoleName=role, PolicyName=policy_name, PolicyDocument=inputs.take("policy")
        )
        return f"{role}:{policy_name}", {"name": policy_name}

    def _function(self, name: str, inputs: "Inputs") -> Created:
        arguments = inputs.renamed(
            {
                "architectures": "Architectures",
                "description": "Description",
                "handler": "Handler",
                "kmsKeyArn": "KMSKeyArn",
                "memorySize": "MemorySize",
                "name": "FunctionName",
                "role": "Role",
                "runtime": "Runtime",
                "timeout": "Timeout",
            }
        )
        if environment := inputs.nested("environment"):
            arguments["Environment"] = environment.renamed({"variables": "Variables"})
        if logging := inputs.nested("loggingConfig"):
            arguments["LoggingConfig"] = logging.renamed(
                {"logFormat": "LogFormat", "logGroup": "LogGroup"}
            )
        if tracing := inputs.nested("tracingConfig"):
            arguments["TracingConfig"] = tracing.renamed({"mode": "Mode"})
        client = self._client["lambda"]
        function = client.create_function(
            Code={"ZipFile": zip_of(inputs.take("code"))}, Tags=self._tags, **arguments
        )
        client.get_waiter("function_active_v2").wait(
            FunctionName=function["FunctionName"], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        return function["FunctionName"], {"arn": function["FunctionArn"]}

    def _event_source_mapping(self, name: str, inputs: "Inputs") -> Created:
        arguments = inputs.renamed(
            {
                "batchSize": "BatchSize",
                "eventSourceArn": "EventSourceArn",
                "functionName": "FunctionName",
                "functionResponseTypes": "FunctionResponseTypes",
                "maximumBatchingWindowInSeconds": "MaximumBatchingWindowInSeconds",
            }
        )
        if scaling := inputs.nested("scalingConfig"):
            arguments["ScalingConfig"] = scaling.renamed(
                {"maximumConcurrency": "MaximumConcurrency"}
            )
        if metrics := inputs.nested("metricsConfig"):
            arguments["MetricsConfig"] = metrics.renamed({"metrics": "Metrics"})
        mapping = self._client["lambda"].create_event_source_mapping(Tags=self._tags, **arguments)
        return mapping["UUID"], {"uuid": mapping["UUID"]}

    def _alarm(self, name: str, inputs: "Inputs") -> Created:
        alarm = inputs.take("name")
        arguments = inputs.renamed(
            {
                "alarmActions": "AlarmActions",
                "alarmDescription": "AlarmDescription",
                "comparisonOperator": "ComparisonOperator",
                "datapointsToAlarm": "DatapointsToAlarm",
                "evaluationPeriods": "EvaluationPeriods",
                "extendedStatistic": "ExtendedStatistic",
                "metricName": "MetricName",
                "namespace": "Namespace",
                "okActions": "OKActions",
                "period": "Period",
                "statistic": "Statistic",
                "threshold": "Threshold",
                "treatMissingData": "TreatMissingData",
            }
        )
        cloudwatch = self._client["cloudwatch"]
        cloudwatch.put_metric_alarm(
            AlarmName=alarm,
            Dimensions=[
                {"Name": dimension, "Value": value}
                for dimension, value in inputs.take("dimensions").items()
            ],
            Tags=self._key_value_tags(),
            **arguments,
        )
        found = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return alarm, {"arn": found[0]["AlarmArn"]}

    def _dashboard(self, name: str, inputs: "Inputs") -> Created:
        dashboard = inputs.take("dashboardName")
        self._client["cloudwatch"].put_dashboard(
            DashboardName=dashboard, DashboardBody=inputs.take("dashboardBody")
        )
        return dashboard, {}

    def _topic(self, name: str, inputs: "Inputs") -> Created:
        topic = self._client["sns"].create_topic(
            Name=inputs.take("name"),
            Attributes=inputs.renamed({"kmsMasterKeyId": "KmsMasterKeyId"}),
            Tags=self._key_value_tags(),
        )
        return topic["TopicArn"], {"arn": topic["TopicArn"]}

    def _topic_policy(self, name: str, inputs: "Inputs") -> Created:
        topic = inputs.take("arn")
        self._client["sns"].set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=inputs.take("policy")
        )
        return topic, {}

    def _topic_subscription(self, name: str, inputs: "Inputs") -> Created:
        subscription = self._client["sns"].subscribe(
            TopicArn=inputs.take("topic"),
            Protocol=inputs.take("protocol"),
            Endpoint=inputs.take("endpoint"),
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return subscription, {"arn": subscription}

    def _key_value_tags(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self._tags.items()]


class Inputs:
    """A resource's inputs: what nobody has taken in the end, the deployer does not know."""

    def __init__(self, owner: str, values: Mapping[str, Any], path: str = "") -> None:
        self.owner = owner
        self._path = path
        self._left = dict(values)
        self._nested: list[Inputs] = []

    def take(self, name: str) -> Any:
        """Take an input that must be there."""
        if name not in self._left:
            raise ToolError(f"The local deployer needs {self._path}{name} of {self.owner}.")
        return self._left.pop(name)

    def renamed(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Take those of the named inputs that are there, under AWS's names for them."""
        return {names[key]: self._left.pop(key) for key in names if key in self._left}

    def nested(self, name: str) -> "Inputs | None":
        """Take an input that is an object of inputs, if it is there."""
        if name not in self._left:
            return None
        inner = Inputs(self.owner, self._left.pop(name), f"{self._path}{name}.")
        self._nested.append(inner)
        return inner

    def finish(self) -> None:
        """Raise ToolError if an input is left, here or in a nested object."""
        if left := self._all_left():
            raise ToolError(
                f"The local deployer does not know {', '.join(sorted(left))} of {self.owner}: "
                "teach it in tools/deployer.py."
            )

    def _all_left(self) -> list[str]:
        return [self._path + name for name in self._left] + [
            name for inner in self._nested for name in inner._all_left()
        ]


def zip_of(archive: pulumi.AssetArchive) -> bytes:
    """Pack the files of an asset archive, so that equal files give equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, asset in sorted(archive.assets.items()):
            if not isinstance(asset, pulumi.FileAsset):
                raise ToolError(f"The local deployer packs only files, and {name} is none.")
            # The oldest time that a zip can hold: a file's own would change the bytes.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            file.writestr(entry, Path(asset.path).read_bytes())
    return packed.getvalue()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_SERVICES: Final = ("cloudwatch", "dynamodb", "iam", "lambda", "logs", "sns", "sqs")

_CREATORS: Final[Mapping[str, Callable[[Deployer, str, Inputs], Created]]] = {
    "aws:cloudwatch/dashboard:Dashboard": Deployer._dashboard,
    "aws:cloudwatch/logGroup:LogGroup": Deployer._log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": Deployer._alarm,
    "aws:dynamodb/table:Table": Deployer._table,
    "aws:iam/role:Role": Deployer._role,
    "aws:iam/rolePolicy:RolePolicy": Deployer._role_policy,
    "aws:lambda/eventSourceMapping:EventSourceMapping": Deployer._event_source_mapping,
    "aws:lambda/function:Function": Deployer._function,
    "aws:sns/topic:Topic": Deployer._topic,
    "aws:sns/topicPolicy:TopicPolicy": Deployer._topic_policy,
    "aws:sns/topicSubscription:TopicSubscription": Deployer._topic_subscription,
    "aws:sqs/queue:Queue": Deployer._queue,
    "aws:sqs/queuePolicy:QueuePolicy": Deployer._queue_policy,
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": Deployer._redrive_allow_policy,
}
