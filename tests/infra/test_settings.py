"""The arguments: every key's default, every rule, what is said when one is broken, and the config.

It gives the same arguments as text, and is told of each mistake with its fix.
"""

import contextvars
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from unittest.mock import Mock, patch

import pulumi
import pytest
from pulumi.runtime.mocks import Mocks
from pydantic.alias_generators import to_snake

from infra.arguments import EventStateArgs
from infra.config import load_arguments
from infra.settings import Settings, settings_of
from tests.infra.registered import (
    BOUNDARY,
    EMAIL,
    KEY,
    RULE,
    TOPIC,
    TOPIC_OF_EVENTS,
    stack_with,
)
from tools.errors import ToolError
from tools.preview import run
from tools.stacks import Stack

QUEUE: Final = '1-76 letters, digits, "-" or "_" (SQS: 80 with "-dlq")'
TABLE: Final = '3-255 letters, digits, "-", "_" or "." (DynamoDB)'
FUNCTION: Final = '1-64 letters, digits, "-" or "_" (Lambda)'
MEMBER: Final = "an attribute name of 1-255 characters, without blanks around it"
VERSION: Final = f'{MEMBER}, or "" for none'
RETENTION: Final = (
    "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, "
    "2922, 3288, 3653"
)
KMS: Final = "the ARN of a KMS key (arn:aws:kms:...:key/ID)"
PAGE: Final = "an address https://... of at most 500 characters"
POLICY: Final = "the ARN of an IAM policy (arn:aws:iam::...:policy/NAME)"
EVENTS: Final = "the ARN of an EventBridge rule (arn:aws:events:...:rule/NAME)"
PAGER: Final = "the ARN of a standard SNS topic"
TOPICS: Final = "a list of ARNs of SNS topics"
RULES: Final = "a list of ARNs of EventBridge rules"
URL: Final = "https://"
QUEUE_ARN: Final = "arn:aws:sqs:us-east-1:123456789012:queue"
ALIAS: Final = "arn:aws:kms:us-east-1:123456789012:alias/mine"
KEY_OF_EU: Final = "arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/mrk-1"
US_GOV_TOPIC: Final = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:pager"
ROLE: Final = "arn:aws:iam::123456789012:role/boundary"
AWS_POLICY: Final = "arn:aws-iso-b:iam::aws:policy/PowerUserAccess"
FLAG: Final = (False, "true or false", ["true", "", 1], [True])

# Each key's default, what it must be, what it must not and what it may be at most or at least.
KEYS: Final[dict[str, tuple[Any, str, list[Any], list[Any]]]] = {
    "queue_name": ("orders-prod", QUEUE, ["", "q" * 77, "q.fifo", 7], ["q", "Q_-9" * 19]),
    "table_name": ("orders-prod", TABLE, ["ab", "t" * 256, "my table"], ["a.b", "t" * 255]),
    "function_name": ("orders-prod", FUNCTION, ["", "f" * 65, "f.g"], ["f", "f" * 64]),
    "key_attribute": ("event_id", MEMBER, ["", "k" * 256, "order_id "], ["k", "k y", "k" * 255]),
    # A double is how another language sends a whole number.
    "batch_size": (10, "a whole number from 1 to 10000", [0, 10_001, "10", 1.5, True], [1, 7.0]),
    "batch_window_seconds": (0, "a whole number from 0 to 300", [-1, 301], [300]),
    "maximum_concurrency": (None, "a whole number from 2 to 1000", [0, 1, 1001], [None, 2, 1000]),
    "function_timeout_seconds": (30, "a whole number from 1 to 900", [0, 901], [1, 900]),
    "function_memory_mb": (512, "a whole number from 128 to 10240", [127, 10_241], [128, 10_240]),
    "managed_retries": FLAG,
    "max_receive_count": (5, "a whole number from 1 to 1000", [0, 1001], [1, 1000]),
    "append_only": FLAG,
    "version_attribute": (
        "timestamp",
        VERSION,
        ["v" * 256, "a\nb", "t ", "\u00a0t"],
        ["", "v" * 255],
    ),
    "require_version": FLAG,
    "read_before_write": FLAG,
    "log_retention_days": (30, RETENTION, [31], [1, 3653]),
    "protect_data": FLAG,
    "kms_key_arn": (None, KMS, ["", "alias/aws/sqs", ALIAS], [KEY, KEY_OF_EU]),
    "alarm_email": (None, "an e-mail address", ["", "operations", "a b@example.com"], [EMAIL]),
    "alarm_topic_arn": (None, PAGER, ["pager", f"{TOPIC}.fifo"], [TOPIC, US_GOV_TOPIC]),
    "runbook_url": (
        None,
        PAGE,
        ["http://a.b", "https://a.b/ c", URL + "r" * 493],
        [URL + "r" * 492],
    ),
    "topic_arns": ([], TOPICS, [TOPIC], [[], [TOPIC, TOPIC_OF_EVENTS, US_GOV_TOPIC]]),
    "rule_arns": ([], RULES, [RULE], [[RULE, RULE.replace("bus/", "")]]),
    "change_stream": FLAG,
    "expiry_attribute": (None, MEMBER, ["", "v" * 256], ["expires"]),
    "permissions_boundary_arn": (None, POLICY, [ROLE], [BOUNDARY, AWS_POLICY]),
}
NEEDS_VERSION: Final = "is True: it needs a version_attribute"
IS_THE_KEY: Final = "is 'event_id': it is the key_attribute; name another member"
EXPIRES: Final = "expiry_attribute is 'timestamp': it is the version_attribute; name another member"
LEAVE_ONE: Final = "is 't': with append_only the first event stays; leave one of the two out"
NEEDS_WINDOW: Final = "batch_window_seconds is 0: a batch_size above 10 needs 1 or more"

# What breaks a rule that is between keys, of a list's items or of the keys' names.
BETWEEN: Final[list[tuple[dict[str, Any], list[str]]]] = [
    ({"batch_size": 11}, [NEEDS_WINDOW]),
    ({"version_attribute": "event_id"}, [f"version_attribute {IS_THE_KEY}"]),
    ({"expiry_attribute": "event_id"}, [f"expiry_attribute {IS_THE_KEY}"]),
    ({"expiry_attribute": "timestamp"}, [EXPIRES]),
    ({"append_only": True, "version_attribute": "t"}, [f"version_attribute {LEAVE_ONE}"]),
    ({"require_version": True, "version_attribute": ""}, [f"require_version {NEEDS_VERSION}"]),
    ({"require_version": True, "append_only": True}, [f"require_version {NEEDS_VERSION}"]),
    ({"read_before_write": True, "version_attribute": ""}, [f"read_before_write {NEEDS_VERSION}"]),
    (
        {"alarm_email": EMAIL, "alarm_topic_arn": TOPIC},
        [f"alarm_topic_arn is {TOPIC!r}: alarm_email is set too; set at most one of the two"],
    ),
    (
        {"topic_arns": ["events", TOPIC, RULE], "rule_arns": [RULE, QUEUE_ARN]},
        [
            "topic_arns[0] is 'events': it must be the ARN of an SNS topic",
            f"topic_arns[2] is {RULE!r}: it must be the ARN of an SNS topic",
            f"rule_arns[1] is {QUEUE_ARN!r}: it must be {EVENTS}",
        ],
    ),
    (
        {"queueName": "1", "kms_key": "1", "region": "1"},
        [
            "queueName is no key of EventState; the nearest one is queue_name",
            "kms_key is no key of EventState; the nearest one is kms_key_arn",
            "region is no key of EventState",
        ],
    ),
    (
        # All at once, those between keys too; what is wrong already is in no other's way.
        {
            "batch_size": 20,
            "queue_name": "a b",
            "log_retention_days": 2,
            "alarm_email": "nobody",
            "alarm_topic_arn": TOPIC,
            "expiry_attribute": "timestamp",
        },
        [
            f"queue_name is 'a b': it must be {QUEUE}",
            NEEDS_WINDOW,
            f"log_retention_days is 2: it must be {RETENTION}",
            "alarm_email is 'nobody': it must be an e-mail address",
            EXPIRES,
        ],
    ),
]
FIX: Final = "Fix: pulumi config set --stack prod"


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.get_stack", lambda: "prod")


def _settings(**args: Any) -> Settings:
    given: EventStateArgs = args  # type: ignore[assignment]
    return settings_of("orders", given)


def _loaded(stack: Stack) -> dict[str, Any]:
    """Read the arguments from a stack's config as the program does."""

    def load() -> dict[str, Any]:
        pulumi.runtime.set_all_config(dict(stack.config))
        names = dict.fromkeys(("queue_name", "table_name", "function_name"), "pattern")
        return dict(load_arguments(names))  # type: ignore[arg-type]

    with patch("pulumi.get_project", lambda: stack.project):
        return contextvars.Context().run(load)


def _problems(where: str, load: Callable[[], object]) -> list[str]:
    """Load what is wrong; return the lines of the message."""
    with pytest.raises(pulumi.RunError) as error:
        load()
    head, *lines = str(error.value).split("\n  - ")
    assert head == f"{len(lines)} problem{'s' if len(lines) > 1 else ''} in {where}:"
    return lines


def _of_arguments(**args: Any) -> list[str]:
    where = "the arguments of EventState 'orders'; nothing was made"
    return _problems(where, lambda: _settings(**args))


def _of_config(**config: str) -> list[str]:
    where = "the config of stack 'prod' (Pulumi.prod.yaml); no resource was registered"
    return _problems(where, lambda: _loaded(stack_with("prod", **config)))


def test_every_key_may_be_left_out_and_has_its_default() -> None:
    assert dict(_settings()) == {key: default for key, (default, *_) in KEYS.items()}
    assert EventStateArgs.__optional_keys__ == KEYS.keys()


@pytest.mark.parametrize("key", KEYS)
def test_a_broken_rule_is_reported_with_key_value_and_rule(key: str) -> None:
    _, rule, broken, _ = KEYS[key]
    for value in broken:
        (problem,) = _of_arguments(**{key: value})
        shown = problem.removeprefix(f"{key} is ").removesuffix(f": it must be {rule}")
        assert problem == f"{key} is {shown}: it must be {rule}"
        assert shown == repr(value) or (len(shown) <= 300 and "..." in shown)


@pytest.mark.parametrize("key", KEYS)
def test_the_last_value_within_a_rule_is_accepted(key: str) -> None:
    default, _, _, accepted = KEYS[key]
    for value in accepted:
        found = getattr(_settings(**{key: value}), key)
        assert (found, type(found)) == (value, type(found if default is None else default))


@pytest.mark.parametrize(("args", "problems"), BETWEEN)
def test_a_rule_between_keys_is_one_like_any_other(
    args: dict[str, Any], problems: list[str]
) -> None:
    assert _of_arguments(**args) == problems


@pytest.mark.parametrize(
    ("args", "pause", "most"),
    [
        ({"managed_retries": True}, 900, 336),
        ({"managed_retries": True, "function_timeout_seconds": 200}, 1200, 252),
        ({"function_timeout_seconds": 900, "batch_window_seconds": 300}, 5700, 53),
    ],
)
def test_all_deliveries_end_before_the_queue_forgets(
    args: dict[str, Any], pause: int, most: int
) -> None:
    assert _settings(**args, max_receive_count=most)
    assert _of_arguments(**args, max_receive_count=most + 1) == [
        f"max_receive_count is {most + 1}: with pauses of {pause} s messages would expire in the "
        f"queue before they are dead letters; it must be at most {most}"
    ]


def test_a_name_that_is_left_out_is_checked_like_any_other() -> None:
    """A table's name alone may have a dot."""
    where = "the arguments of EventState 'v1.2'; nothing was made"
    assert _problems(where, lambda: settings_of("v1.2", {})) == [
        f"queue_name is 'v1.2-prod': it must be {QUEUE}",
        f"function_name is 'v1.2-prod': it must be {FUNCTION}",
    ]


# --- The same arguments as a stack's config gives them.


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("batchSize", "7", 7),
        ("batchSize", "007", 7),
        ("batchSize", "+5", 5),
        ("protectData", "true", True),
        ("changeStream", "false", False),
        ("versionAttribute", "", ""),
        ("versionAttribute", "7", "7"),
        ("queueName", "true", "true"),
        ("expiryAttribute", "[expires", "[expires"),
        ("topicArns", "[]", []),
        ("ruleArns", json.dumps([RULE]), [RULE]),
    ],
)
def test_text_is_read_as_the_key_wants_it(key: str, text: str, value: object) -> None:
    found = _loaded(stack_with("prod", **{key: text}))[to_snake(key)]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    # A digit, but none of Go's, and more of them than Python reads.
    ["ten", "1.5", "1e3", "1_0", " 5", "٣", "9" * 5000, "", '{"a":1}'],
    ids=lambda text: text[:9],
)
def test_text_that_is_no_number_to_pulumi_is_refused(text: str) -> None:
    (problem,) = _of_config(batchSize=text)
    assert problem.startswith(f"batchSize is {text!r}"[:100])
    assert problem.endswith(f": it must be a whole number from 1 to 10000. {FIX} batchSize VALUE")


def test_all_that_is_wrong_is_said_at_once_as_the_config_spells_it_with_its_fix() -> None:
    wrong = {
        "batchSize": "11",
        "protectData": "True",
        "topicArns": json.dumps([TOPIC_OF_EVENTS, 3]),
        "ruleArns": "[broken",
        "queue_name": "1",
        "senderArns": "1",
    }
    assert _of_config(**wrong) == [
        "batchWindowSeconds is 0: a batchSize above 10 needs 1 or more. "
        f"{FIX} batchWindowSeconds VALUE",
        f"protectData is 'True': it must be true or false. {FIX} protectData VALUE",
        f"topicArns[1] is 3: it must be the ARN of an SNS topic. {FIX} --path 'topicArns[1]' VALUE",
        # No command sets a list as a whole.
        "ruleArns is '[broken': it must be a list of ARNs of EventBridge rules. "
        "Fix: edit Pulumi.prod.yaml",
        "queue_name is no key of EventState; the nearest one is queueName. "
        "Fix: pulumi config rm --stack prod queue_name",
        "senderArns is no key of EventState. Fix: pulumi config rm --stack prod senderArns",
    ]


def test_a_key_that_is_not_set_is_the_programs_default() -> None:
    assert _loaded(stack_with("prod"))["queue_name"] == "pattern"


def test_with_bad_config_nothing_is_registered() -> None:
    mocks = Mock(Mocks)
    with pytest.raises(ToolError, match=r"^1 problem in the config of stack 'prod'"):
        run(stack_with("prod", batchSize="0"), mocks)
    assert mocks.mock_calls == []


def test_the_projects_name_is_anybodys() -> None:
    """`pulumi new` makes a project of another name, and the CLI reads its keys under that one."""
    ours = stack_with("prod", batchSize="7")
    keys = {key: key.replace(f"{ours.project}:", "theirs:") for key in ours.config}
    config = {keys[key]: value for key, value in ours.config.items()} | {"another:foreign": "1"}
    theirs = replace(ours, project="theirs", config=config)
    assert _loaded(theirs) == _loaded(ours)
