"""What prod registers, in full; the tests of keys say what each changes."""

from typing import Any, Final

from tests.infra.registered import Registered

ACCOUNT: Final = "us-east-1:123456789012"
QUEUE: Final = f"arn:aws:sqs:{ACCOUNT}:event-state-queue"
QUEUE_URL: Final = "https://sqs.us-east-1.amazonaws.com/123456789012/event-state-queue"
TABLE: Final = f"arn:aws:dynamodb:{ACCOUNT}:table/event-state-target-table"
LOG_GROUP: Final = "/aws/lambda/EventUpsertLambda"
ALARM_TOPIC: Final = f"arn:aws:sns:{ACCOUNT}:EventUpsertLambda-alarms"
VARIABLES: Final = {
    "TABLE_NAME": "event-state-target-table",
    "KEY_ATTRIBUTE": "event_id",
    "VERSION_ATTRIBUTE": "timestamp",
}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, actions: list[str], arn: str) -> dict[str, Any]:
    """Return a statement of the role."""
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": arn}


def send(sid: str, service: str, action: str, arn: str, sources: list[str]) -> dict[str, Any]:
    """Let a service act on behalf of these sources."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
    }


def without_tls(action: str, arn: str) -> dict[str, Any]:
    """Return the statement that wants TLS."""
    return {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


ROLE: Final = [
    allow(
        "WriteLogs",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        f"arn:aws:logs:{ACCOUNT}:log-group:{LOG_GROUP}:*",
    ),
    allow(
        "ConsumeQueue",
        ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
        QUEUE,
    ),
    allow("PutItems", ["dynamodb:PutItem"], TABLE),
]

# Alarms and dashboard have files of their own.
PROD: Final[dict[str, dict[str, Any]]] = {
    "queue": {
        "name": "event-state-queue",
        "maxMessageSize": 1_048_576,
        "messageRetentionSeconds": 4 * 86_400,
        "visibilityTimeoutSeconds": 6 * 30,
        "redrivePolicy": {"deadLetterTargetArn": f"{QUEUE}-dlq", "maxReceiveCount": 5},
        "sqsManagedSseEnabled": True,
    },
    "dead-letter-queue": {
        "name": "event-state-queue-dlq",
        "maxMessageSize": 1_048_576,
        "messageRetentionSeconds": 14 * 86_400,
        "sqsManagedSseEnabled": True,
    },
    "dead-letter-queue-redrive-allow": {
        "queueUrl": f"{QUEUE_URL}-dlq",
        "redriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [QUEUE]},
    },
    "queue-policy": {
        "queueUrl": QUEUE_URL,
        "policy": document(without_tls("sqs:*", QUEUE)),
    },
    "dead-letter-queue-policy": {
        "queueUrl": f"{QUEUE_URL}-dlq",
        "policy": document(without_tls("sqs:*", f"{QUEUE}-dlq")),
    },
    "table": {
        "name": "event-state-target-table",
        "billingMode": "PAY_PER_REQUEST",
        "attributes": [{"name": "event_id", "type": "S"}],
        "hashKey": "event_id",
        "pointInTimeRecovery": {"enabled": True},
        "deletionProtectionEnabled": True,
        "streamEnabled": False,
        "serverSideEncryption": {"enabled": False},
        "ttl": {"enabled": False},
    },
    "log-group": {"name": LOG_GROUP, "retentionInDays": 30, "deletionProtectionEnabled": True},
    "role": {
        "description": "Execution role of the Lambda function EventUpsertLambda",
        "assumeRolePolicy": document(
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ),
    },
    "role-policy": {"role": "event-state-role", "policy": document(*ROLE)},
    "function": {
        "name": "EventUpsertLambda",
        "description": "Stores each event of the queue as an item of the table",
        "role": "arn:aws:iam::123456789012:role/event-state-role",
        "runtime": "python3.13",
        "architectures": ["arm64"],
        "handler": "function.handler.handler",
        "timeout": 30,
        "memorySize": 512,
        "environment": {"variables": VARIABLES},
        "loggingConfig": {
            "logFormat": "JSON",
            "logGroup": LOG_GROUP,
            "applicationLogLevel": "INFO",
            "systemLogLevel": "INFO",
        },
        "tracingConfig": {"mode": "PassThrough"},
    },
    "event-source-mapping": {
        "eventSourceArn": QUEUE,
        "functionName": f"arn:aws:lambda:{ACCOUNT}:function:EventUpsertLambda",
        "batchSize": 10,
        "maximumBatchingWindowInSeconds": 0,
        "functionResponseTypes": ["ReportBatchItemFailures"],
        "metricsConfig": {"metrics": ["EventCount"]},
    },
}


def inputs(program: Registered) -> dict[str, dict[str, Any]]:
    """Return the inputs of each resource; the archive has tests of its own."""
    found = {
        name: {key: value for key, value in program.inputs(name).items() if key != "code"}
        for name in program.names()
    }
    assert found.pop("event-state") == {}
    return found
