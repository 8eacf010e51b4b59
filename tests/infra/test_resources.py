"""What is registered: prod in full, then what each key and each stack changes, and nothing else."""

import json
import re
from typing import Any, Final

import pytest
from pydantic.alias_generators import to_camel

from infra.arguments import EventStateArgs
from tests.infra.expected import (
    ACCOUNT,
    ALARM_TOPIC,
    PROD,
    QUEUE,
    QUEUE_URL,
    ROLE,
    TABLE,
    VARIABLES,
    allow,
    document,
    inputs,
    send,
    without_tls,
)
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

# What a key changes in prod: the inputs that are other than before, and None for one that is gone.
Changes = dict[str, dict[str, Any]]


def _variables(**changes: str | None) -> Changes:
    variables = {key: value for key, value in {**VARIABLES, **changes}.items() if value}
    return {"function": {"environment": {"variables": variables}}}


def _permissions(*added: dict[str, Any]) -> Changes:
    return {"role-policy": {"policy": document(*ROLE, *added)}}


def _receives(count: int) -> Changes:
    policy = {"deadLetterTargetArn": f"{QUEUE}-dlq", "maxReceiveCount": count}
    return {"queue": {"redrivePolicy": policy}}


def _senders(*added: dict[str, Any]) -> Changes:
    return {"queue-policy": {"policy": document(*added, without_tls("sqs:*", QUEUE))}}


QUEUES: Final = {"QUEUE_URL": QUEUE_URL, "DEAD_LETTER_QUEUE_URL": f"{QUEUE_URL}-dlq"}
SEND: Final = "sqs:SendMessage"
TOPICS: Final = send("AllowTopics", "sns.amazonaws.com", SEND, QUEUE, [TOPIC_OF_EVENTS])
RULES: Final = send("AllowRules", "events.amazonaws.com", SEND, QUEUE, [RULE, f"{RULE}-2"])
RETRIES: Final = (
    allow("DelayRetries", ["sqs:ChangeMessageVisibility"], QUEUE),
    allow("SendDeadLetters", ["sqs:SendMessage"], f"{QUEUE}-dlq"),
)
ENCRYPTED: Final[Changes] = {
    "queue": {"kmsMasterKeyId": KEY, "sqsManagedSseEnabled": None},
    "dead-letter-queue": {"kmsMasterKeyId": KEY, "sqsManagedSseEnabled": None},
    "table": {"serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY}},
    "log-group": {"kmsKeyId": KEY},
    "function": {"kmsKeyArn": KEY},
}
KEYS: Final[list[tuple[dict[str, str], Changes]]] = [
    (
        {"batchSize": "500", "batchWindowSeconds": "7"},
        {
            "event-source-mapping": {"batchSize": 500, "maximumBatchingWindowInSeconds": 7},
            "queue": {"visibilityTimeoutSeconds": 187},
            "alarm-oldest-message": {"threshold": 3 * 187},
        },
    ),
    (
        {"maximumConcurrency": "40"},
        {"event-source-mapping": {"scalingConfig": {"maximumConcurrency": 40}}},
    ),
    (
        {"functionTimeoutSeconds": "90", "batchWindowSeconds": "20"},
        {
            "function": {"timeout": 90},
            "event-source-mapping": {"maximumBatchingWindowInSeconds": 20},
            "queue": {"visibilityTimeoutSeconds": 560},
            "alarm-oldest-message": {"threshold": 3 * 560},
            "alarm-function-duration": {"threshold": 72_000},
        },
    ),
    ({"functionMemoryMb": "256"}, {"function": {"memorySize": 256}}),
    ({"maxReceiveCount": "9"}, _receives(9)),
    ({"versionAttribute": "sequence"}, _variables(VERSION_ATTRIBUTE="sequence")),
    ({"versionAttribute": ""}, _variables(VERSION_ATTRIBUTE=None)),
    ({"requireVersion": "true"}, _variables(REQUIRE_VERSION="true")),
    ({"appendOnly": "true"}, _variables(VERSION_ATTRIBUTE=None, APPEND_ONLY="true")),
    (
        {"keyAttribute": "order_id"},
        {
            **_variables(KEY_ATTRIBUTE="order_id"),
            "table": {"hashKey": "order_id", "attributes": [{"name": "order_id", "type": "S"}]},
        },
    ),
    (
        {"readBeforeWrite": "true"},
        {
            **_variables(READ_BEFORE_WRITE="true"),
            **_permissions(allow("ReadVersions", ["dynamodb:BatchGetItem"], TABLE)),
        },
    ),
    (
        {"managedRetries": "true"},
        {**_variables(**QUEUES), **_permissions(*RETRIES), **_receives(30)},
    ),
    (
        {"managedRetries": "true", "maxReceiveCount": "9", "kmsKeyArn": KEY},
        {
            **ENCRYPTED,
            "function": {**ENCRYPTED["function"], **_variables(**QUEUES)["function"]},
            **_permissions(*RETRIES, allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], KEY)),
            "queue": {**ENCRYPTED["queue"], **_receives(9)["queue"]},
        },
    ),
    ({"permissionsBoundaryArn": BOUNDARY}, {"role": {"permissionsBoundary": BOUNDARY}}),
    ({"logRetentionDays": "400"}, {"log-group": {"retentionInDays": 400}}),
    (
        {"protectData": "false"},
        {
            "table": {"deletionProtectionEnabled": False},
            "log-group": {"deletionProtectionEnabled": False},
        },
    ),
    ({"kmsKeyArn": KEY}, {**ENCRYPTED, **_permissions(allow("UseKey", ["kms:Decrypt"], KEY))}),
    ({"topicArns": json.dumps([TOPIC_OF_EVENTS])}, _senders(TOPICS)),
    (
        {"topicArns": json.dumps([TOPIC_OF_EVENTS]), "ruleArns": json.dumps([RULE, f"{RULE}-2"])},
        _senders(TOPICS, RULES),
    ),
    (
        {"changeStream": "true"},
        {"table": {"streamEnabled": True, "streamViewType": "NEW_AND_OLD_IMAGES"}},
    ),
    (
        {"expiryAttribute": "expires_at"},
        {"table": {"ttl": {"enabled": True, "attributeName": "expires_at"}}},
    ),
]


def changes_of(program: Registered, base: Registered) -> Changes:
    before, after = inputs(base), inputs(program)
    found = {}
    for name in before | after:
        old, new = before.get(name, {}), after.get(name, {})
        found[name] = {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}
    return {name: changed for name, changed in found.items() if changed}


@pytest.mark.parametrize(("config", "changes"), KEYS)
def test_a_key_changes_exactly_this(config: dict[str, str], changes: Changes) -> None:
    assert changes_of(registered(**config), registered()) == changes


def test_every_key_that_is_no_name_and_no_alarms_is_among_these() -> None:
    keys = {to_camel(key) for key in EventStateArgs.__annotations__}
    assert {key for config, _ in KEYS for key in config} == keys - {
        *("queueName", "tableName", "functionName", "alarmEmail", "alarmTopicArn", "runbookUrl"),
    }


def test_prod_registers_exactly_these_resources_with_exactly_these_inputs() -> None:
    found = inputs(registered())
    others = {name for name in found if name.startswith("alarm-")} | {"dashboard"}
    assert {name: found[name] for name in found.keys() - others} == PROD


def test_the_local_stack_has_short_timeouts_and_few_deliveries() -> None:
    local = registered("local", managedRetries="false", batchSize="10", batchWindowSeconds="0")
    assert changes_of(local, registered(protectData="false")) == {
        "queue": {
            "visibilityTimeoutSeconds": 6,
            "redrivePolicy": {"deadLetterTargetArn": f"{QUEUE}-dlq", "maxReceiveCount": 2},
        },
        "function": {"timeout": 1},
        "alarm-oldest-message": {"threshold": 18},
        "alarm-function-duration": {"threshold": 800},
    }


def test_the_dev_stack_differs_in_names_alone() -> None:
    """Every name of dev ends in -dev; without that it is prod, unprotected."""
    text = json.dumps(inputs(registered("dev")))
    for name in ("event-state-queue", "event-state-target-table", "EventUpsertLambda"):
        assert text.count(name) == text.count(f"{name}-dev")
    assert json.loads(text.replace("-dev", "")) == inputs(registered(protectData="false"))


def test_an_e_mail_address_adds_a_topic_for_these_alarms_alone() -> None:
    program, base = registered(kmsKeyArn=KEY, alarmEmail=EMAIL), registered(kmsKeyArn=KEY)
    alarms = {each.name.removeprefix("event-state-") for each in program.of_type("MetricAlarm")}
    policy = program.inputs("alarm-topic-policy")["policy"]
    sources = policy["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(sources) == sorted(
        f"arn:aws:cloudwatch:{ACCOUNT}:alarm:{program[alarm].inputs['name']}" for alarm in alarms
    )
    publish = ("cloudwatch.amazonaws.com", "sns:Publish", ALARM_TOPIC, sources)
    assert changes_of(program, base) == {
        **{key: {"alarmActions": [ALARM_TOPIC], "okActions": [ALARM_TOPIC]} for key in alarms},
        "alarm-topic": {"name": "EventUpsertLambda-alarms", "kmsMasterKeyId": KEY},
        "alarm-topic-subscription": {"topic": ALARM_TOPIC, "protocol": "email", "endpoint": EMAIL},
        "alarm-topic-policy": {
            "arn": ALARM_TOPIC,
            "policy": document(
                send("AllowAlarms", *publish), without_tls("sns:Publish", ALARM_TOPIC)
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
    for each in program.run.resources:
        if each is not component:
            own = each.name.removeprefix("event-state-")
            found = (each.name, each.parent, each.protect, each.delete_before_replace)
            assert found == (
                *(f"event-state-{own}", component.urn),
                *(own in data, own == "event-source-mapping"),
            )


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("us-east-1", "https://us-east-1.console.aws.amazon.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "https://eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_region_and_partition_are_the_providers(region: str, console: str) -> None:
    run = registered(aws__region=region).run
    assert run.outputs["dashboardUrl"] == (
        f"{console}/cloudwatch/home?region={region}#dashboards/dashboard/EventUpsertLambda-{region}"
    )
    text = "".join(str(dict(each.inputs)) for each in run.resources)
    assert {*re.findall(r"\b[a-z]{2,4}(?:-[a-z]+)+-[0-9]\b", text)} == {region}


def test_the_redrive_policy_is_written_as_sqs_writes_it_back() -> None:
    """The provider compares the text: a space in it would be a change in each `pulumi up`."""
    text = f'{{"deadLetterTargetArn":"{QUEUE}-dlq","maxReceiveCount":5}}'
    assert registered()["queue"].inputs["redrivePolicy"] == text


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
    kinds = {each.type.split("/")[0] for each in variant(EVERYTHING).run.resources}
    logs = {"logs"}  # its log group is of Pulumi's module cloudwatch
    assert set(endpoints) == {
        kind.removeprefix("aws:") for kind in kinds if kind.startswith("aws:")
    } | logs | {"sts"}
