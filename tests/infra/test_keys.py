"""What each key changes in prod, and nothing else."""

import json
from typing import Any, Final

import pytest
from pydantic.alias_generators import to_camel

from infra.arguments import EventStateArgs
from tests.infra.expected import (
    QUEUE,
    QUEUE_URL,
    ROLE,
    TABLE,
    VARIABLES,
    allow,
    document,
    inputs,
    plain,
    send,
    without_tls,
)
from tests.infra.registered import BOUNDARY, KEY, RULE, TOPIC_OF_EVENTS, Registered

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
    ({"managedRetries": "true"}, {**_variables(**QUEUES), **_permissions(*RETRIES)}),
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
    assert before.keys() == after.keys()
    return {
        name: changed
        for name in before
        if (
            changed := {
                key: after[name].get(key)
                for key in before[name] | after[name]
                if before[name].get(key) != after[name].get(key)
            }
        )
    }


@pytest.mark.parametrize(("config", "changes"), KEYS)
def test_a_key_changes_exactly_this(config: dict[str, str], changes: Changes) -> None:
    assert changes_of(plain(**config), plain()) == changes


def test_every_key_that_is_no_name_and_no_alarms_is_among_these() -> None:
    keys = {to_camel(key) for key in EventStateArgs.__annotations__}
    assert {key for config, _ in KEYS for key in config} == keys - {
        *("queueName", "tableName", "functionName", "alarmEmail", "alarmTopicArn", "runbookUrl"),
    }
