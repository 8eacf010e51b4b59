"""The stack's settings: every key, every rule, and what is said when one is broken."""

import contextvars
import json
from dataclasses import replace
from typing import Any, Final

import pulumi
import pytest
import yaml
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pydantic import ValidationError

from infra.settings import Settings, SettingsError
from tests.infra.registered import EMAIL, KEY, RULE, TOPIC, TOPIC_OF_EVENTS, stack_with
from tools.errors import ToolError
from tools.program import run
from tools.stacks import PROJECT, Stack

# The one place where a default stands is Pulumi.yaml; this is what it must say.
DEFAULTS: Final = {
    "queueName": ("string", "event-state-queue"),
    "tableName": ("string", "event-state-target-table"),
    "functionName": ("string", "EventUpsertLambda"),
    "batchSize": ("integer", 10),
    "batchWindowSeconds": ("integer", 0),
    "maximumConcurrency": ("integer", 0),
    "functionTimeoutSeconds": ("integer", 30),
    "functionMemoryMb": ("integer", 512),
    "maxReceiveCount": ("integer", 5),
    "versionAttribute": ("string", "timestamp"),
    "logRetentionDays": ("integer", 30),
    "protectData": ("boolean", False),
    "kmsKeyArn": ("string", ""),
    "alarmEmail": ("string", ""),
    "alarmTopicArn": ("string", ""),
    "senderArns": ("array", []),
    "changeStream": ("boolean", False),
    "expiryAttribute": ("string", ""),
}

WHOLE: Final = "it must be a whole number from"
QUEUE: Final = 'it must be 1-76 letters, digits, "-" or "_" (SQS: 80 with "-dlq")'
TABLE: Final = 'it must be 3-255 letters, digits, "-", "_" or "." (DynamoDB)'
FUNCTION: Final = 'it must be 1-64 letters, digits, "-" or "_" (Lambda)'
RETENTION: Final = (
    "it must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
    "2192, 2557, 2922, 3288, 3653"
)
BOOLEAN: Final = "it must be true or false"
ATTRIBUTE: Final = 'it must be an attribute name of 1-255 characters, or "" for unset'
KEY_OF_TABLE: Final = "event_id is the key and never changes; name another member"
KMS: Final = 'it must be the ARN of a KMS key (arn:aws:kms:...:key/ID), or "" for unset'
SNS: Final = 'it must be the ARN of a standard SNS topic, or "" for unset'
SENDER: Final = (
    "it must be the ARN of an SNS topic or of an EventBridge rule (arn:aws:events:...:rule/NAME)"
)
IN_REGION: Final = "it must be in the stack's region, us-east-1"
MAIL: Final = 'it must be an e-mail address, or "" for unset'
LONG: Final = json.dumps([TOPIC + "x" * 200] * 40)

# key, value, the rule that it breaks
BROKEN: Final = [
    ("queueName", "", QUEUE),
    ("queueName", "q" * 77, QUEUE),
    ("queueName", "events.fifo", QUEUE),
    ("tableName", "ab", TABLE),
    ("tableName", "t" * 256, TABLE),
    ("tableName", "my table", TABLE),
    ("functionName", "", FUNCTION),
    ("functionName", "f" * 65, FUNCTION),
    ("functionName", "f.g", FUNCTION),
    ("batchSize", "0", f"{WHOLE} 1 to 10000"),
    ("batchSize", "10001", f"{WHOLE} 1 to 10000"),
    ("batchSize", "ten", f"{WHOLE} 1 to 10000"),
    ("batchSize", "1.5", f"{WHOLE} 1 to 10000"),
    ("batchSize", "1e3", f"{WHOLE} 1 to 10000"),
    ("batchSize", "1_0", f"{WHOLE} 1 to 10000"),
    ("batchSize", " 5", f"{WHOLE} 1 to 10000"),
    ("batchSize", "٣", f"{WHOLE} 1 to 10000"),  # a digit, but none of Go's
    ("batchSize", "9" * 5000, f"{WHOLE} 1 to 10000"),
    ("batchSize", "true", f"{WHOLE} 1 to 10000"),
    ("batchWindowSeconds", "-1", f"{WHOLE} 0 to 300"),
    ("batchWindowSeconds", "301", f"{WHOLE} 0 to 300"),
    ("maximumConcurrency", "1", f"{WHOLE} 2 to 1000, or 0 for unset"),
    ("maximumConcurrency", "1001", f"{WHOLE} 2 to 1000, or 0 for unset"),
    ("functionTimeoutSeconds", "0", f"{WHOLE} 1 to 900"),
    ("functionTimeoutSeconds", "901", f"{WHOLE} 1 to 900"),
    ("functionMemoryMb", "127", f"{WHOLE} 128 to 10240"),
    ("functionMemoryMb", "10241", f"{WHOLE} 128 to 10240"),
    ("maxReceiveCount", "0", f"{WHOLE} 1 to 1000"),
    ("maxReceiveCount", "1001", f"{WHOLE} 1 to 1000"),
    ("versionAttribute", "v" * 256, ATTRIBUTE),
    ("versionAttribute", "a\nb", ATTRIBUTE),
    ("versionAttribute", "event_id", KEY_OF_TABLE),
    ("logRetentionDays", "31", RETENTION),
    ("protectData", "yes", BOOLEAN),
    ("protectData", "True", BOOLEAN),
    ("protectData", "1", BOOLEAN),
    ("changeStream", "", BOOLEAN),
    ("kmsKeyArn", "alias/aws/sqs", KMS),
    ("kmsKeyArn", "arn:aws:kms:us-east-1:123456789012:alias/mine", KMS),
    ("kmsKeyArn", KEY.replace("us-east-1", "eu-west-1"), IN_REGION),
    ("alarmEmail", "operations", MAIL),
    ("alarmEmail", "a b@example.com", MAIL),
    ("alarmTopicArn", "pager", SNS),
    ("alarmTopicArn", f"{TOPIC}.fifo", SNS),
    ("alarmTopicArn", TOPIC.replace("us-east-1", "eu-west-1"), IN_REGION),
    ("senderArns", "topic", SENDER),
    ("expiryAttribute", "v" * 256, ATTRIBUTE),
    ("expiryAttribute", "event_id", KEY_OF_TABLE),
    ("expiryAttribute", "timestamp", "it is the versionAttribute; name another member"),
]

ACCEPTED: Final = [
    ("queueName", "q"),
    ("queueName", "Q_-9" * 19),
    ("tableName", "a.b"),
    ("tableName", "t" * 255),
    ("functionName", "f"),
    ("functionName", "f" * 64),
    ("batchSize", "1"),
    ("batchSize", "10"),
    ("batchSize", "007"),
    ("batchSize", "+5"),
    ("batchWindowSeconds", "0"),
    ("batchWindowSeconds", "300"),
    ("maximumConcurrency", "0"),
    ("maximumConcurrency", "00"),
    ("maximumConcurrency", "2"),
    ("maximumConcurrency", "1000"),
    ("functionTimeoutSeconds", "1"),
    ("functionTimeoutSeconds", "900"),
    ("functionMemoryMb", "128"),
    ("functionMemoryMb", "10240"),
    ("maxReceiveCount", "1"),
    ("maxReceiveCount", "1000"),
    ("versionAttribute", ""),
    ("versionAttribute", "v" * 255),
    ("logRetentionDays", "1"),
    ("logRetentionDays", "3653"),
    ("protectData", "true"),
    ("kmsKeyArn", KEY),
    ("alarmEmail", EMAIL),
    ("alarmTopicArn", TOPIC),
    ("senderArns", "[]"),
    ("senderArns", json.dumps([RULE, TOPIC_OF_EVENTS, RULE.replace("bus/", "")])),
    ("changeStream", "true"),
    ("expiryAttribute", "[expires"),
]


def _load(stack: Stack) -> Settings:
    """Read the settings of a stack as the program does."""

    def load() -> Settings:
        pulumi.runtime.set_all_config(dict(stack.config))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pulumi.get_project", lambda: stack.project)
            patch.setattr("pulumi.get_stack", lambda: stack.name)
            return Settings.load()

    return contextvars.Context().run(load)


def _problems(**config: str) -> list[str]:
    """Load bad config; return the lines of the message."""
    with pytest.raises(SettingsError) as error:
        _load(stack_with("prod", **config))
    head, *lines = str(error.value).split("\n  - ")
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    assert head == (
        f"{count} in the config of stack 'prod' (Pulumi.prod.yaml); no resource was registered:"
    )
    return lines


def _mend(key: str) -> str:
    return f"Mend: pulumi config set --stack prod {key} VALUE"


def test_the_schema_declares_exactly_these_keys_types_and_defaults() -> None:
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text("utf-8"))["config"]
    assert {key: (each["type"], each["default"]) for key, each in declared.items()} == DEFAULTS
    assert all(each["description"] for each in declared.values())


@pytest.mark.parametrize(("key", "value", "rule"), BROKEN)
def test_a_broken_rule_is_reported_with_key_value_rule_and_mend(
    key: str, value: str, rule: str
) -> None:
    assert _problems(**{key: value}) == [f"{key} is {value!r}: {rule}. {_mend(key)}"]


@pytest.mark.parametrize(("key", "value"), ACCEPTED)
def test_the_last_value_within_a_rule_is_accepted(key: str, value: str) -> None:
    _load(stack_with("prod", **{key: value}))


def test_a_large_batch_needs_a_window() -> None:
    assert _problems(batchSize="11") == [
        "batchWindowSeconds is '0': a batchSize above 10 needs at least 1. "
        + _mend("batchWindowSeconds")
    ]
    assert _load(stack_with("prod", batchSize="10000", batchWindowSeconds="1"))


def test_alarms_go_to_one_place() -> None:
    assert _problems(alarmEmail=EMAIL, alarmTopicArn=TOPIC) == [
        f"alarmTopicArn is {TOPIC!r}: alarmEmail is set too; set at most one of the two. "
        + _mend("alarmTopicArn")
    ]


def test_the_stack_names_its_region() -> None:
    assert _problems(aws__region="Frankfurt") == [
        "aws:region is 'Frankfurt': it must be an AWS region, as us-east-1. " + _mend("aws:region")
    ]


def test_a_key_without_a_value_is_said_to_be_not_set() -> None:
    stack = stack_with("prod")
    config = {key: value for key, value in stack.config.items() if not key.endswith(":region")}
    with pytest.raises(SettingsError) as error:
        _load(replace(stack, config=config))
    assert str(error.value).split("\n  - ")[1:] == [
        "aws:region is not set: it must be an AWS region, as us-east-1. " + _mend("aws:region")
    ]


def test_each_sender_that_is_none_is_named_by_its_place() -> None:
    other = "arn:aws:sqs:us-east-1:123456789012:queue"
    assert _problems(senderArns=json.dumps(["events", RULE, other])) == [
        f"senderArns[{place}] is {value!r}: {SENDER}. "
        f"Mend: pulumi config set --stack prod --path 'senderArns[{place}]' VALUE"
        for place, value in ((0, "events"), (2, other))
    ]


def test_senders_that_no_policy_holds_are_said_to_be_too_many() -> None:
    assert _problems(senderArns=LONG) == [
        f"senderArns is {LONG}: a queue's policy holds ARNs of 7000 letters in all. "
        "Mend: edit Pulumi.prod.yaml"
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("batchsize", "the nearest one is batchSize"),
        ("kmsKey", "the nearest one is kmsKeyArn"),
        ("queue_name", "the nearest one is queueName"),
        ("region", "the nearest one is aws:region"),
        ("oops", "Pulumi.yaml lists them"),
    ],
)
def test_an_unknown_key_is_reported_with_a_known_one_that_is_near(key: str, hint: str) -> None:
    assert _problems(**{key: "1"}) == [
        f"{key} is no key of this program; {hint}. Mend: pulumi config rm --stack prod {key}"
    ]


def test_every_problem_is_reported_at_once_those_between_keys_too() -> None:
    problems = _problems(
        batchSize="20",
        queueName="a b",
        logRetentionDays="2",
        alarmEmail="nobody",
        alarmTopicArn=TOPIC,
        senderArns='["a"]',
        expiryAttribute="timestamp",
        nonsense="1",
    )
    assert [line.split(" is ")[0] for line in problems] == [
        *("queueName", "batchWindowSeconds", "logRetentionDays", "alarmEmail"),
        *("senderArns[0]", "expiryAttribute", "nonsense"),
    ]


def test_with_bad_config_nothing_is_registered() -> None:
    class Refuse(Mocks):
        def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
            raise AssertionError(args.name)

        def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
            raise NotImplementedError

    with pytest.raises(ToolError, match=r"^1 problem in the config of stack 'prod'"):
        run(stack_with("prod", batchSize="0"), Refuse())


def test_the_projects_name_is_anybodys() -> None:
    """`pulumi new` makes a project of another name, and the CLI reads its keys under that one."""
    ours = stack_with("prod")
    config = {key.replace("event-state:", "orders:"): value for key, value in ours.config.items()}
    theirs = replace(ours, project="orders", config={**config, "event-state:foreign": "1"})
    assert _load(theirs) == _load(ours)


def test_as_a_value_the_settings_are_checked_as_well() -> None:
    good = dict(_load(stack_with("prod")))
    assert Settings(**good) == _load(stack_with("prod"))
    for bad in ({"batch_size": 11}, {"queue_name": "a b"}, {"protect_data": 1}, {"nonsense": 1}):
        with pytest.raises(ValidationError):
            Settings(**{**good, **bad})


def test_what_has_a_default_here_is_unset_and_so_it_is_in_pulumi_yaml() -> None:
    """Every other default stands in Pulumi.yaml alone."""
    fields = Settings.model_fields.values()
    defaults = {each.alias: each.default for each in fields if not each.is_required()}
    assert {key: DEFAULTS[str(key)][1] or None for key in defaults} == {
        key: value or None for key, value in defaults.items()
    }
