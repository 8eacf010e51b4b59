"""What is registered: prod in full, then what each key and each stack changes, and nothing else."""

import json
import re
from typing import Any, Final

import pytest
from pydantic.alias_generators import to_camel

from infra.arguments import EventStateArgs
from tests.infra.registered import (
    BOUNDARY,
    EMAIL,
    EVERYTHING,
    KEY,
    RULE,
    STACKS,
    TOPIC_OF_EVENTS,
    VARIANTS,
    Registered,
    registered,
    stack_with,
    variant,
)

ACCOUNT: Final = "us-east-1:123456789012"
QUEUE: Final = f"arn:aws:sqs:{ACCOUNT}:event-state-queue"
QUEUE_URL: Final = "https://sqs.us-east-1.amazonaws.com/123456789012/event-state-queue"
TABLE: Final = f"arn:aws:dynamodb:{ACCOUNT}:table/event-state-target-table"
LOG_GROUP: Final = "/aws/lambda/EventUpsertLambda"
VARIABLES: Final = {
    "TABLE_NAME": "event-state-target-table",
    "KEY_ATTRIBUTE": "event_id",
    "VERSION_ATTRIBUTE": "timestamp",
}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: str | list[str], arn: str, **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": arn, **more}


def _send(sid: str, service: str, action: str, arn: str, sources: list[str]) -> dict[str, Any]:
    """Let a service act on behalf of these sources."""
    condition = {"ArnEquals": {"aws:SourceArn": sources}}
    return _allow(sid, action, arn, Principal={"Service": service}, Condition=condition)


def _without_tls(action: str, arn: str) -> dict[str, Any]:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return _allow("DenyWithoutTls", action, arn, Effect="Deny", Principal="*", Condition=condition)


LOG_STREAMS: Final = f"arn:aws:logs:{ACCOUNT}:log-group:{LOG_GROUP}:*"
CONSUME: Final = ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
ROLE: Final = [
    _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], LOG_STREAMS),
    _allow("ConsumeQueue", [f"sqs:{each}" for each in CONSUME], QUEUE),
    _allow("PutItems", ["dynamodb:PutItem"], TABLE),
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
    "queue-policy": {"queueUrl": QUEUE_URL, "policy": _document(_without_tls("sqs:*", QUEUE))},
    "dead-letter-queue-policy": {
        "queueUrl": f"{QUEUE_URL}-dlq",
        "policy": _document(_without_tls("sqs:*", f"{QUEUE}-dlq")),
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
        "assumeRolePolicy": _document(
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ),
    },
    "role-policy": {"role": "event-state-role", "policy": _document(*ROLE)},
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


# What a key changes in prod: the inputs that are other than before, and None for one that is gone.
Changes = dict[str, dict[str, Any]]


def _variables(**changes: str | None) -> Changes:
    variables = {key: value for key, value in {**VARIABLES, **changes}.items() if value}
    return {"function": {"environment": {"variables": variables}}}


def _permissions(*added: dict[str, Any]) -> Changes:
    return {"role-policy": {"policy": _document(*ROLE, *added)}}


def _receives(count: int) -> Changes:
    policy = {"deadLetterTargetArn": f"{QUEUE}-dlq", "maxReceiveCount": count}
    return {"queue": {"redrivePolicy": policy}}


def _senders(*added: dict[str, Any]) -> Changes:
    return {"queue-policy": {"policy": _document(*added, _without_tls("sqs:*", QUEUE))}}


QUEUES: Final = {"QUEUE_URL": QUEUE_URL, "DEAD_LETTER_QUEUE_URL": f"{QUEUE_URL}-dlq"}
SEND: Final = "sqs:SendMessage"
TOPICS: Final = _send("AllowTopics", "sns.amazonaws.com", SEND, QUEUE, [TOPIC_OF_EVENTS])
RULES: Final = _send("AllowRules", "events.amazonaws.com", SEND, QUEUE, [RULE, f"{RULE}-2"])
RETRIES: Final = (
    _allow("DelayRetries", ["sqs:ChangeMessageVisibility"], QUEUE),
    _allow("SendDeadLetters", ["sqs:SendMessage"], f"{QUEUE}-dlq"),
)
ENCRYPTED: Final[Changes] = {
    "queue": {"kmsMasterKeyId": KEY, "sqsManagedSseEnabled": None},
    "dead-letter-queue": {"kmsMasterKeyId": KEY, "sqsManagedSseEnabled": None},
    "table": {"serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY}},
    "log-group": {"kmsKeyId": KEY},
    "function": {"kmsKeyArn": KEY},
}
# By the keys that are set, as NAME=VALUE.
KEYS: Final[dict[str, Changes]] = {
    "batchSize=500 batchWindowSeconds=7": {
        "event-source-mapping": {"batchSize": 500, "maximumBatchingWindowInSeconds": 7},
        "queue": {"visibilityTimeoutSeconds": 187},
        "alarm-oldest-message": {"threshold": 3 * 187},
    },
    "functionTimeoutSeconds=90 batchWindowSeconds=20": {
        "function": {"timeout": 90},
        "event-source-mapping": {"maximumBatchingWindowInSeconds": 20},
        "queue": {"visibilityTimeoutSeconds": 560},
        "alarm-oldest-message": {"threshold": 3 * 560},
        "alarm-function-duration": {"threshold": 72_000},
    },
    "maximumConcurrency=40": {
        "event-source-mapping": {"scalingConfig": {"maximumConcurrency": 40}}
    },
    "functionMemoryMb=256": {"function": {"memorySize": 256}},
    "maxReceiveCount=9": _receives(9),
    "versionAttribute=sequence": _variables(VERSION_ATTRIBUTE="sequence"),
    "versionAttribute=": _variables(VERSION_ATTRIBUTE=None),
    "requireVersion=true": _variables(REQUIRE_VERSION="true"),
    "appendOnly=true": _variables(VERSION_ATTRIBUTE=None, APPEND_ONLY="true"),
    "keyAttribute=order_id": {
        **_variables(KEY_ATTRIBUTE="order_id"),
        "table": {"hashKey": "order_id", "attributes": [{"name": "order_id", "type": "S"}]},
    },
    "readBeforeWrite=true": {
        **_variables(READ_BEFORE_WRITE="true"),
        **_permissions(_allow("ReadVersions", ["dynamodb:BatchGetItem"], TABLE)),
    },
    "managedRetries=true": _variables(**QUEUES) | _permissions(*RETRIES) | _receives(30),
    f"managedRetries=true maxReceiveCount=9 kmsKeyArn={KEY}": {
        **ENCRYPTED,
        "function": ENCRYPTED["function"] | _variables(**QUEUES)["function"],
        **_permissions(*RETRIES, _allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], KEY)),
        "queue": ENCRYPTED["queue"] | _receives(9)["queue"],
    },
    f"kmsKeyArn={KEY}": ENCRYPTED | _permissions(_allow("UseKey", ["kms:Decrypt"], KEY)),
    f"permissionsBoundaryArn={BOUNDARY}": {"role": {"permissionsBoundary": BOUNDARY}},
    "logRetentionDays=400": {"log-group": {"retentionInDays": 400}},
    "protectData=false": {
        "table": {"deletionProtectionEnabled": False},
        "log-group": {"deletionProtectionEnabled": False},
    },
    f'topicArns=["{TOPIC_OF_EVENTS}"]': _senders(TOPICS),
    f'topicArns=["{TOPIC_OF_EVENTS}"] ruleArns=["{RULE}","{RULE}-2"]': _senders(TOPICS, RULES),
    "changeStream=true": {"table": {"streamEnabled": True, "streamViewType": "NEW_AND_OLD_IMAGES"}},
    "expiryAttribute=expires_at": {
        "table": {"ttl": {"enabled": True, "attributeName": "expires_at"}}
    },
}


def _config(keys: str) -> dict[str, str]:
    return dict(each.split("=") for each in keys.split())


def _inputs(program: Registered) -> Changes:
    """Return the inputs of each resource; the archive has a test of its own."""
    found = {
        name: {key: value for key, value in program.inputs(name).items() if key != "code"}
        for name in program.named
    }
    assert found.pop("event-state") == {}
    return found


def _changes(program: Registered, base: Registered) -> Changes:
    before, after = _inputs(base), _inputs(program)
    found = {}
    for name in before | after:
        old, new = before.get(name, {}), after.get(name, {})
        found[name] = {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}
    return {name: changed for name, changed in found.items() if changed}


@pytest.mark.parametrize("keys", KEYS)
def test_a_key_changes_exactly_this(keys: str) -> None:
    assert _changes(registered(**_config(keys)), registered()) == KEYS[keys]


def test_every_key_that_is_no_name_and_no_alarms_is_among_these() -> None:
    others = {"queueName", "tableName", "functionName", "alarmEmail", "alarmTopicArn", "runbookUrl"}
    assert {key for keys in KEYS for key in _config(keys)} == {
        to_camel(key) for key in EventStateArgs.__annotations__
    } - others


def test_prod_registers_exactly_these_resources_with_exactly_these_inputs() -> None:
    found = _inputs(registered())
    others = {*registered().of_type("MetricAlarm"), "dashboard"}
    assert {name: found[name] for name in found.keys() - others} == PROD


def test_the_local_stack_has_short_timeouts_and_few_deliveries() -> None:
    local = registered("local", managedRetries="false", batchSize="10", batchWindowSeconds="0")
    assert _changes(local, registered(protectData="false")) == {
        "queue": {"visibilityTimeoutSeconds": 6, **_receives(2)["queue"]},
        "function": {"timeout": 1},
        "alarm-oldest-message": {"threshold": 18},
        "alarm-function-duration": {"threshold": 800},
    }


def test_the_dev_stack_differs_in_names_alone() -> None:
    """Every name of dev ends in -dev, so that both fit one account; without that it is prod."""
    text = json.dumps(_inputs(registered("dev", alarmEmail=EMAIL)))
    for name in ("event-state-queue", "event-state-target-table", "EventUpsertLambda"):
        assert text.count(name) == text.count(f"{name}-dev")
    prod = registered(protectData="false", alarmEmail=EMAIL)
    assert json.loads(text.replace("-dev", "")) == _inputs(prod)


def test_an_e_mail_address_adds_a_topic_for_these_alarms_alone() -> None:
    program, base = registered(kmsKeyArn=KEY, alarmEmail=EMAIL), registered(kmsKeyArn=KEY)
    topic = f"arn:aws:sns:{ACCOUNT}:EventUpsertLambda-alarms"
    alarms = program.of_type("MetricAlarm")
    policy = program.inputs("alarm-topic-policy")["policy"]
    sources = policy["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(sources) == sorted(
        f"arn:aws:cloudwatch:{ACCOUNT}:alarm:{each.inputs['name']}" for each in alarms.values()
    )
    assert _changes(program, base) == {
        **{alarm: {"alarmActions": [topic], "okActions": [topic]} for alarm in alarms},
        "alarm-topic": {"name": "EventUpsertLambda-alarms", "kmsMasterKeyId": KEY},
        "alarm-topic-subscription": {"topic": topic, "protocol": "email", "endpoint": EMAIL},
        "alarm-topic-policy": {
            "arn": topic,
            "policy": _document(
                _send("AllowAlarms", "cloudwatch.amazonaws.com", "sns:Publish", topic, sources),
                _without_tls("sns:Publish", topic),
            ),
        },
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_a_stack_exports_exactly_these_outputs(name: str) -> None:
    suffix = "-dev" if name == "dev" else ""
    stream = {"tableStreamArn": f"{TABLE}/stream/2025-01-01T00:00:00.000"}
    assert variant(name).run.outputs == {
        "queueUrl": f"{QUEUE_URL}{suffix}",
        "queueArn": f"{QUEUE}{suffix}",
        "deadLetterQueueUrl": f"{QUEUE_URL}{suffix}-dlq",
        "tableName": f"event-state-target-table{suffix}",
        "keyAttribute": "event_id",
        "versionAttribute": "timestamp",
        "functionName": f"EventUpsertLambda{suffix}",
        "dashboardUrl": "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
        f"?region=us-east-1#dashboards/dashboard/EventUpsertLambda{suffix}-us-east-1",
        **(stream if name == EVERYTHING else {}),
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_each_resource_has_these_options_and_the_component_for_its_parent(name: str) -> None:
    """Only the mapping is deleted before it is replaced; what holds data is protected in prod.

    Each says so itself: where one does not, the provider deletes first whatever has a name.
    """
    program = variant(name)
    component = program["event-state"]
    assert (component.type, component.name) == ("event-state:index:EventState", "event-state")
    data = {"table", "queue", "dead-letter-queue", "log-group"} if name.startswith("prod") else {}
    for own, each in program.named.items():
        if each is not component:
            found = (each.name, each.parent, each.protect, each.delete_before_replace)
            protected, deleted_first = own in data, own == "event-source-mapping"
            assert found == (f"event-state-{own}", component.urn, protected, deleted_first)


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("us-east-1", "aws.amazon.com"),
        ("cn-north-1", "amazonaws.cn"),
        ("us-gov-west-1", "amazonaws-us-gov.com"),
        ("eusc-de-east-1", "amazonaws-eusc.eu"),
    ],
)
def test_region_and_partition_are_the_providers(region: str, console: str) -> None:
    run = registered(aws__region=region).run
    assert run.outputs["dashboardUrl"] == (
        f"https://{region}.console.{console}/cloudwatch/home"
        f"?region={region}#dashboards/dashboard/EventUpsertLambda-{region}"
    )
    text = "".join(str(dict(each.inputs)) for each in run.resources)
    assert {*re.findall(r"\b[a-z]{2,4}(?:-[a-z]+)+-[0-9]\b", text)} == {region}


def test_the_redrive_policy_is_written_as_sqs_writes_it_back() -> None:
    """The provider compares the text: a space in it would be a change in each `pulumi up`."""
    text = f'{{"deadLetterTargetArn":"{QUEUE}-dlq","maxReceiveCount":5}}'
    assert registered()["queue"].inputs["redrivePolicy"] == text


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_tags_what_it_makes_through_the_provider(name: str) -> None:
    tags = {"project": "event-state", "stack": name, "managed-by": "pulumi"}
    assert stack_with(name).default_tags == tags
    assert not [each.name for each in registered(name).run.resources if "tags" in each.inputs]


def test_the_real_cli_reaches_the_embedded_aws_for_every_service_that_the_program_uses() -> None:
    """A service without an endpoint would be looked for in a real account."""
    (endpoints,) = json.loads(stack_with("local").config["aws:endpoints"])
    assert set(endpoints.values()) == {"http://127.0.0.1:4566"}
    types = "".join(each.type for each in variant(EVERYTHING).run.resources)
    # The log group is of Pulumi's module cloudwatch.
    assert set(endpoints) == {*re.findall(r"aws:(\w+)/", types), "logs", "sts"}
