"""Every input of every resource of every stack, and what each waits for."""

import json
from dataclasses import dataclass
from typing import Any, Final

import pytest
from registered import EMAIL, KEY, STACKS, TOPIC, VARIANTS, registered, stack_with, variant

ACCOUNT: Final = "us-east-1:123456789012"


@dataclass(frozen=True)
class Names:
    """What differs between the stacks."""

    queue: str = "event-state-queue"
    table: str = "event-state-target-table"
    function: str = "EventUpsertLambda"
    timeout: int = 30
    visibility: int = 180
    receives: int = 5
    protect: bool = False
    key: str | None = None
    topic: str | None = None


EXPECTED: Final = {
    "local": Names(timeout=1, visibility=6, receives=2),
    "dev": Names(
        queue="event-state-queue-dev",
        table="event-state-target-table-dev",
        function="EventUpsertLambda-dev",
    ),
    "prod": Names(protect=True),
    "prod with a customer key": Names(
        protect=True, key=KEY, topic=f"arn:aws:sns:{ACCOUNT}:EventUpsertLambda-alarms"
    ),
}

# name: (metric, statistic, dimension, threshold, minutes)
ALARMS: Final = {
    "dead-letters": ("AWS/SQS ApproximateNumberOfMessagesVisible", "Maximum", "DLQ", 0, 1),
    "oldest-message": ("AWS/SQS ApproximateAgeOfOldestMessage", "Maximum", "Queue", "AGE", 15),
    "function-errors": ("AWS/Lambda Errors", "Sum", "Function", 0, 1),
    "function-throttles": ("AWS/Lambda Throttles", "Sum", "Function", 0, 5),
    "function-duration": ("AWS/Lambda Duration", "p99", "Function", "80 %", 15),
    "table-throttles": ("AWS/DynamoDB WriteThrottleEvents", "Sum", "Table", 0, 5),
    "table-errors": ("AWS/DynamoDB SystemErrors", "Sum", "PutItem", 0, 15),
    "rejected-messages": ("EventState Rejected", "Sum", "Function", 0, 1),
}


def _without_tls(action: str, arn: str) -> dict[str, Any]:
    return {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _alarm(names: Names, name: str) -> dict[str, Any]:
    metric, statistic, dimension, threshold, minutes = ALARMS[name]
    namespace, metric_name = metric.split()
    dimensions = {
        "DLQ": {"QueueName": f"{names.queue}-dlq"},
        "Queue": {"QueueName": names.queue},
        "Function": {"FunctionName": names.function},
        "Table": {"TableName": names.table},
        "PutItem": {"TableName": names.table, "Operation": "PutItem"},
    }
    thresholds = {"AGE": 3 * names.visibility, "80 %": 800 * names.timeout}
    actions = [names.topic] if names.topic else []
    return {
        "name": f"{names.function}-{name}",
        "namespace": namespace,
        "metricName": metric_name,
        "dimensions": dimensions[dimension],
        "extendedStatistic" if statistic == "p99" else "statistic": statistic,
        "comparisonOperator": "GreaterThanThreshold",
        "threshold": thresholds.get(str(threshold), threshold),
        "period": 60,
        "evaluationPeriods": minutes,
        "datapointsToAlarm": minutes,
        "treatMissingData": "notBreaching",
        "alarmActions": actions,
        "okActions": actions,
    }


def _expected(names: Names) -> dict[str, dict[str, Any]]:
    """Return the inputs of each resource by its name; the alarms' descriptions are left out."""
    queue_arn = f"arn:aws:sqs:{ACCOUNT}:{names.queue}"
    table_arn = f"arn:aws:dynamodb:{ACCOUNT}:table/{names.table}"
    log_group = f"/aws/lambda/{names.function}"
    queue_url = f"https://sqs.us-east-1.amazonaws.com/123456789012/{names.queue}"
    encryption = {"kmsMasterKeyId": names.key} if names.key else {"sqsManagedSseEnabled": True}
    use_key = {
        "Sid": "UseKey",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": names.key,
    }
    resources: dict[str, dict[str, Any]] = {
        "event-state": {},
        "queue": {
            "name": names.queue,
            "maxMessageSize": 1_048_576,
            "messageRetentionSeconds": 345_600,
            "visibilityTimeoutSeconds": names.visibility,
            "redrivePolicy": {
                "deadLetterTargetArn": f"{queue_arn}-dlq",
                "maxReceiveCount": names.receives,
            },
            **encryption,
        },
        "dead-letter-queue": {
            "name": f"{names.queue}-dlq",
            "maxMessageSize": 1_048_576,
            "messageRetentionSeconds": 1_209_600,
            **encryption,
        },
        "dead-letter-queue-redrive-allow": {
            "queueUrl": f"{queue_url}-dlq",
            "redriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [queue_arn]},
        },
        "queue-policy": {
            "queueUrl": queue_url,
            "policy": _document(_without_tls("sqs:*", queue_arn)),
        },
        "dead-letter-queue-policy": {
            "queueUrl": f"{queue_url}-dlq",
            "policy": _document(_without_tls("sqs:*", f"{queue_arn}-dlq")),
        },
        "table": {
            "name": names.table,
            "billingMode": "PAY_PER_REQUEST",
            "attributes": [{"name": "event_id", "type": "S"}],
            "hashKey": "event_id",
            "pointInTimeRecovery": {"enabled": True},
            "deletionProtectionEnabled": names.protect,
            **(
                {"serverSideEncryption": {"enabled": True, "kmsKeyArn": names.key}}
                if names.key
                else {}
            ),
        },
        "log-group": {
            "name": log_group,
            "retentionInDays": 30,
            **({"kmsKeyId": names.key} if names.key else {}),
        },
        "role": {
            "description": f"Execution role of the Lambda function {names.function}",
            "assumeRolePolicy": _document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ),
        },
        "role-policy": {
            "role": "role",
            "policy": _document(
                {
                    "Sid": "WriteLogs",
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": f"arn:aws:logs:{ACCOUNT}:log-group:{log_group}:*",
                },
                {
                    "Sid": "ConsumeQueue",
                    "Effect": "Allow",
                    "Action": [
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                        "sqs:ReceiveMessage",
                    ],
                    "Resource": queue_arn,
                },
                {
                    "Sid": "PutItems",
                    "Effect": "Allow",
                    "Action": ["dynamodb:PutItem"],
                    "Resource": table_arn,
                },
                *([use_key] if names.key else []),
            ),
        },
        "function": {
            "name": names.function,
            "description": "Stores each event of the queue as the item of its event_id",
            "role": "arn:aws:iam::123456789012:role/role",
            "runtime": "python3.13",
            "architectures": ["arm64"],
            "handler": "function.handler.handler",
            "timeout": names.timeout,
            "memorySize": 1024,
            "environment": {
                "variables": {"TABLE_NAME": names.table, "VERSION_ATTRIBUTE": "timestamp"}
            },
            "loggingConfig": {"logFormat": "JSON", "logGroup": log_group},
            "tracingConfig": {"mode": "PassThrough"},
            **({"kmsKeyArn": names.key} if names.key else {}),
        },
        "event-source-mapping": {
            "eventSourceArn": queue_arn,
            "functionName": f"arn:aws:lambda:{ACCOUNT}:function:{names.function}",
            "batchSize": 10,
            "maximumBatchingWindowInSeconds": 0,
            "functionResponseTypes": ["ReportBatchItemFailures"],
            "metricsConfig": {"metrics": ["EventCount"]},
        },
        **{f"alarm-{name}": _alarm(names, name) for name in ALARMS},
    }
    if names.topic:
        resources["alarm-topic"] = {
            "name": f"{names.function}-alarms",
            "kmsMasterKeyId": names.key,
        }
        resources["alarm-topic-subscription"] = {
            "topic": names.topic,
            "protocol": "email",
            "endpoint": EMAIL,
        }
        resources["alarm-topic-policy"] = {
            "arn": names.topic,
            "policy": _document(
                {
                    "Sid": "AllowAlarms",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": names.topic,
                    "Condition": {
                        "ArnEquals": {
                            "aws:SourceArn": [
                                f"arn:aws:cloudwatch:{ACCOUNT}:alarm:{names.function}-{name}"
                                for name in ALARMS
                            ]
                        }
                    },
                },
                _without_tls("sns:Publish", names.topic),
            ),
        }
    return resources


def _without_prose(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in ("alarmDescription", "code")}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_stack_registers_exactly_these_resources_with_exactly_these_inputs(name: str) -> None:
    program = variant(name)
    found = {each.name: _without_prose(program.inputs(each.name)) for each in program.run.resources}
    found.pop("dashboard")  # test_dashboard.py
    assert found == _expected(EXPECTED[name])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_stack_exports_exactly_these_outputs(name: str) -> None:
    names = EXPECTED[name]
    url = f"https://sqs.us-east-1.amazonaws.com/123456789012/{names.queue}"
    assert variant(name).run.outputs == {
        "queueUrl": url,
        "queueArn": f"arn:aws:sqs:{ACCOUNT}:{names.queue}",
        "deadLetterQueueUrl": f"{url}-dlq",
        "tableName": names.table,
        "versionAttribute": "timestamp",
        "functionName": names.function,
        "dashboardUrl": "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
        f"?region=us-east-1#dashboards/dashboard/{names.function}-us-east-1",
    }


NEEDS: Final = {
    "queue": {"dead-letter-queue"},
    "dead-letter-queue-redrive-allow": {"queue", "dead-letter-queue"},
    "queue-policy": {"queue"},
    "dead-letter-queue-policy": {"dead-letter-queue"},
    "role-policy": {"role", "log-group", "queue", "table"},
    # The policy first: else Lambda could run the function, or poll the queue, without permission.
    "function": {"role", "role-policy", "log-group", "table"},
    "event-source-mapping": {"queue", "function"},
    "alarm-topic-subscription": {"alarm-topic"},
    "alarm-topic-policy": {"alarm-topic", *(f"alarm-{name}" for name in ALARMS)},
    "alarm-dead-letters": {"alarm-topic", "dead-letter-queue"},
    "alarm-oldest-message": {"alarm-topic", "queue"},
    "alarm-function-errors": {"alarm-topic", "function"},
    "alarm-function-throttles": {"alarm-topic", "function"},
    "alarm-function-duration": {"alarm-topic", "function"},
    "alarm-table-throttles": {"alarm-topic", "table"},
    "alarm-table-errors": {"alarm-topic", "table"},
    "alarm-rejected-messages": {"alarm-topic", "function"},
    "dashboard": {
        *("queue", "dead-letter-queue", "table", "function", "event-source-mapping"),
        *(f"alarm-{name}" for name in ALARMS),
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_each_resource_waits_for_exactly_what_it_needs(name: str) -> None:
    program = variant(name)
    made = {each.name for each in program.run.resources}
    for each in program.run.resources:
        assert program.needs(each.name) == NEEDS.get(each.name, set()) & made, each.name


@pytest.mark.parametrize("name", VARIANTS)
def test_everything_is_a_child_of_the_one_component(name: str) -> None:
    program = variant(name)
    component = program["event-state"]
    assert component.type == "event-state:index:EventState"
    assert {each.parent for each in program.run.resources if each != component} == {component.urn}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_table_alone_is_protected_and_only_where_the_stack_says_so(name: str) -> None:
    protected = {each.name for each in variant(name).run.resources if each.protect}
    assert protected == ({"table"} if EXPECTED[name].protect else set())


@pytest.mark.parametrize("name", VARIANTS)
def test_only_the_mapping_is_deleted_before_it_is_replaced(name: str) -> None:
    """Nothing that holds data goes before its replacement stands."""
    program = variant(name)
    first = {each.name for each in program.run.resources if each.delete_before_replace}
    assert first == {"event-source-mapping"}


@pytest.mark.parametrize("name", STACKS)
def test_without_a_key_nothing_mentions_kms(name: str) -> None:
    for email in ("", EMAIL):
        for each in registered(name, alarmEmail=email).run.resources:
            assert "kms" not in str(dict(each.inputs)).lower(), each.name


def test_alarms_tell_the_topic_that_the_stack_names() -> None:
    program = registered(alarmTopicArn=TOPIC)
    assert not [each for each in program.run.resources if each.type.startswith("aws:sns/")]
    for name in ALARMS:
        inputs = program.inputs(f"alarm-{name}")
        assert (inputs["alarmActions"], inputs["okActions"]) == ([TOPIC], [TOPIC])


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_to_do_and_where_its_runbook_is(name: str) -> None:
    description = registered().inputs(f"alarm-{name}")["alarmDescription"]
    assert description.endswith(f" Runbook: docs/operations.md#{name}")
    assert "\n" not in description
    assert len(description) <= 1024


REACHES: Final[list[tuple[dict[str, str], str, dict[str, Any]]]] = [
    (
        {"batchSize": "500", "batchWindowSeconds": "7"},
        "event-source-mapping",
        {"batchSize": 500, "maximumBatchingWindowInSeconds": 7},
    ),
    (
        {"maximumConcurrency": "40"},
        "event-source-mapping",
        {"scalingConfig": {"maximumConcurrency": 40}},
    ),
    (
        {"functionTimeoutSeconds": "90", "batchWindowSeconds": "20"},
        "queue",
        {"visibilityTimeoutSeconds": 560},
    ),
    ({"functionTimeoutSeconds": "90"}, "function", {"timeout": 90}),
    ({"functionTimeoutSeconds": "90"}, "alarm-function-duration", {"threshold": 72_000}),
    ({"functionMemoryMb": "256"}, "function", {"memorySize": 256}),
    (
        {"maxReceiveCount": "9"},
        "queue",
        {
            "redrivePolicy": {
                "deadLetterTargetArn": f"arn:aws:sqs:{ACCOUNT}:event-state-queue-dlq",
                "maxReceiveCount": 9,
            }
        },
    ),
    (
        {"versionAttribute": "sequence"},
        "function",
        {
            "environment": {
                "variables": {
                    "TABLE_NAME": "event-state-target-table",
                    "VERSION_ATTRIBUTE": "sequence",
                }
            }
        },
    ),
    (
        {"versionAttribute": ""},
        "function",
        {"environment": {"variables": {"TABLE_NAME": "event-state-target-table"}}},
    ),
    ({"logRetentionDays": "400"}, "log-group", {"retentionInDays": 400}),
    ({"protectData": "false"}, "table", {"deletionProtectionEnabled": False}),
]


@pytest.mark.parametrize(("config", "resource", "inputs"), REACHES)
def test_a_key_reaches_the_resource(
    config: dict[str, str], resource: str, inputs: dict[str, Any]
) -> None:
    found = registered(**config).inputs(resource)
    assert {key: found[key] for key in inputs} == inputs


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_tags_what_it_makes_through_the_provider(name: str) -> None:
    assert stack_with(name).default_tags == {
        "project": "event-state",
        "stack": name,
        "managed-by": "pulumi",
    }
    assert not [each.name for each in registered(name).run.resources if "tags" in each.inputs]


def test_the_real_cli_reaches_the_embedded_aws_for_every_service_that_the_program_uses() -> None:
    """A service without an endpoint would be looked for in a real account."""
    (endpoints,) = json.loads(stack_with("local").config["aws:endpoints"])
    assert set(endpoints.values()) == {"http://127.0.0.1:4566"}
    kinds = {each.type.split("/")[0] for each in variant("prod with a customer key").run.resources}
    logs = {"logs"}  # its log group is of Pulumi's module cloudwatch
    assert set(endpoints) == {
        kind.removeprefix("aws:") for kind in kinds if kind.startswith("aws:")
    } | logs | {"sts"}
