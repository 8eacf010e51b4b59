"""The stack's settings: every key, every rule, and what is said when one is broken."""

from typing import Any, Final

import pytest
import yaml
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from registered import EMAIL, KEY, TOPIC, registered, stack_with

from local.errors import LocalError
from local.program import run
from local.stacks import PROJECT

# The one place where a default stands is Pulumi.yaml; this is what it must say.
DEFAULTS: Final = {
    "queueName": ("string", "event-state-queue"),
    "tableName": ("string", "event-state-target-table"),
    "functionName": ("string", "EventUpsertLambda"),
    "batchSize": ("integer", 10),
    "batchWindowSeconds": ("integer", 0),
    "maximumConcurrency": ("integer", 0),
    "functionTimeoutSeconds": ("integer", 30),
    "functionMemoryMb": ("integer", 1024),
    "maxReceiveCount": ("integer", 5),
    "versionAttribute": ("string", "timestamp"),
    "logRetentionDays": ("integer", 30),
    "protectData": ("boolean", False),
    "kmsKeyArn": ("string", ""),
    "alarmEmail": ("string", ""),
    "alarmTopicArn": ("string", ""),
}

WHOLE: Final = "it must be a whole number from"
QUEUE: Final = (
    'it must be 1-76 letters, digits, "-" or "_" '
    '(the dead-letter queue adds "-dlq", and SQS allows 80)'
)
TABLE: Final = 'it must be 3-255 letters, digits, "-", "_" or "." (DynamoDB)'
FUNCTION: Final = 'it must be 1-64 letters, digits, "-" or "_" (Lambda)'
RETENTION: Final = (
    "it must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
    "2192, 2557, 2922, 3288, 3653"
)
VERSION: Final = 'it must be an attribute name of 1-255 characters, or "" for unset'
KMS: Final = (
    "it must be the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID, not an alias), "
    'or "" for unset'
)
SNS: Final = (
    'it must be the ARN of a standard SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME), or "" for unset'
)
IN_REGION: Final = "it must be in the stack's region, us-east-1"
MAIL: Final = 'it must be an e-mail address, or "" for unset'

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
    ("versionAttribute", "v" * 256, VERSION),
    ("versionAttribute", "a\nb", VERSION),
    ("versionAttribute", "event_id", "event_id is the key and never changes; name another member"),
    ("logRetentionDays", "31", RETENTION),
    ("protectData", "yes", "it must be true or false"),
    ("kmsKeyArn", "alias/aws/sqs", KMS),
    ("kmsKeyArn", "arn:aws:kms:us-east-1:123456789012:alias/mine", KMS),
    ("kmsKeyArn", KEY.replace("us-east-1", "eu-west-1"), IN_REGION),
    ("alarmEmail", "operations", MAIL),
    ("alarmEmail", "a b@example.com", MAIL),
    ("alarmTopicArn", "pager", SNS),
    ("alarmTopicArn", f"{TOPIC}.fifo", SNS),
    ("alarmTopicArn", TOPIC.replace("us-east-1", "eu-west-1"), IN_REGION),
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
    ("batchWindowSeconds", "0"),
    ("batchWindowSeconds", "300"),
    ("maximumConcurrency", "0"),
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
]


class _Count(Mocks):
    """Counts the resources that reach the engine."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made.append(args.name)
        return args.name, args.inputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError


def _problems(**config: str) -> list[str]:
    """Run the program with bad config; return the lines of its message, and see nothing made."""
    mocks = _Count()
    with pytest.raises(LocalError) as error:
        run(stack_with("prod", **config), mocks)
    assert mocks.made == []
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
    assert registered(**{key: value}).run.outputs["queueUrl"]


def test_a_large_batch_needs_a_window() -> None:
    assert _problems(batchSize="11") == [
        "batchSize is '11': above 10 it needs batchWindowSeconds of at least 1, which is 0. "
        + _mend("batchWindowSeconds")
    ]
    assert registered(batchSize="10000", batchWindowSeconds="1")


def test_alarms_go_to_one_place() -> None:
    assert _problems(alarmEmail=EMAIL, alarmTopicArn=TOPIC) == [
        f"alarmEmail is {EMAIL!r}: alarmTopicArn is set too; set at most one of the two. "
        + _mend("alarmEmail")
    ]


def test_the_stack_names_its_region() -> None:
    assert _problems(aws__region="Frankfurt") == [
        "aws:region is 'Frankfurt': it must be the name of an AWS region, as us-east-1. "
        + _mend("aws:region")
    ]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("batchsize", "batchSize"), ("kmsKey", "kmsKeyArn"), ("region", "aws:region")],
)
def test_an_unknown_key_is_reported_with_the_nearest_known_one(key: str, nearest: str) -> None:
    assert _problems(**{key: "1"}) == [
        f"{key} is no key of this program; the nearest one is {nearest}. "
        f"Mend: pulumi config rm --stack prod {key}"
    ]


def test_every_problem_is_reported_at_once() -> None:
    problems = _problems(batchSize="0", queueName="a b", logRetentionDays="2", nonsense="1")
    assert [line.split(" is ")[0] for line in problems] == [
        *("queueName", "batchSize", "logRetentionDays", "nonsense"),
    ]
