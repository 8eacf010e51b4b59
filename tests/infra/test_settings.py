"""The arguments: every key's default, every rule, and what is said when one is broken."""

from typing import Any, Final

import pytest

from infra.arguments import EventStateArgs
from infra.problems import ArgumentsError, Problem
from infra.settings import Settings, settings_of
from tests.infra.registered import BOUNDARY, EMAIL, KEY, RULE, RUNBOOK, TOPIC, TOPIC_OF_EVENTS

DEFAULTS: Final = {
    "queue_name": "orders-prod",
    "table_name": "orders-prod",
    "function_name": "orders-prod",
    "key_attribute": "event_id",
    "batch_size": 10,
    "batch_window_seconds": 0,
    "maximum_concurrency": None,
    "function_timeout_seconds": 30,
    "function_memory_mb": 512,
    "managed_retries": False,
    "max_receive_count": 5,
    "append_only": False,
    "version_attribute": "timestamp",
    "require_version": False,
    "read_before_write": False,
    "log_retention_days": 30,
    "protect_data": False,
    "kms_key_arn": None,
    "alarm_email": None,
    "alarm_topic_arn": None,
    "runbook_url": None,
    "topic_arns": [],
    "rule_arns": [],
    "change_stream": False,
    "expiry_attribute": None,
    "permissions_boundary_arn": None,
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
MEMBER: Final = "it must be an attribute name of 1-255 characters, without blanks around it"
KMS: Final = "it must be the ARN of a KMS key (arn:aws:kms:...:key/ID)"
SNS: Final = "it must be the ARN of a standard SNS topic"
MAIL: Final = "it must be an e-mail address"
PAGE: Final = "it must be an address https://... of at most 500 characters"
POLICY: Final = "it must be the ARN of an IAM policy (arn:aws:iam::...:policy/NAME)"
EVENTS: Final = "it must be the ARN of an EventBridge rule (arn:aws:events:...:rule/NAME)"

# key, value, the rule that it breaks
BROKEN: Final[list[tuple[str, Any, str]]] = [
    ("queue_name", "", QUEUE),
    ("queue_name", "q" * 77, QUEUE),
    ("queue_name", "events.fifo", QUEUE),
    ("queue_name", 7, QUEUE),
    ("table_name", "ab", TABLE),
    ("table_name", "t" * 256, TABLE),
    ("table_name", "my table", TABLE),
    ("function_name", "", FUNCTION),
    ("function_name", "f" * 65, FUNCTION),
    ("function_name", "f.g", FUNCTION),
    ("key_attribute", "", MEMBER),
    ("key_attribute", "k" * 256, MEMBER),
    ("key_attribute", "order_id ", MEMBER),
    ("batch_size", 0, f"{WHOLE} 1 to 10000"),
    ("batch_size", 10_001, f"{WHOLE} 1 to 10000"),
    ("batch_size", "10", f"{WHOLE} 1 to 10000"),
    ("batch_size", 1.5, f"{WHOLE} 1 to 10000"),
    ("batch_size", True, f"{WHOLE} 1 to 10000"),
    ("batch_window_seconds", -1, f"{WHOLE} 0 to 300"),
    ("batch_window_seconds", 301, f"{WHOLE} 0 to 300"),
    ("maximum_concurrency", 0, f"{WHOLE} 2 to 1000"),
    ("maximum_concurrency", 1, f"{WHOLE} 2 to 1000"),
    ("maximum_concurrency", 1001, f"{WHOLE} 2 to 1000"),
    ("function_timeout_seconds", 0, f"{WHOLE} 1 to 900"),
    ("function_timeout_seconds", 901, f"{WHOLE} 1 to 900"),
    ("function_memory_mb", 127, f"{WHOLE} 128 to 10240"),
    ("function_memory_mb", 10_241, f"{WHOLE} 128 to 10240"),
    ("managed_retries", "true", BOOLEAN),
    ("max_receive_count", 0, f"{WHOLE} 1 to 1000"),
    ("max_receive_count", 1001, f"{WHOLE} 1 to 1000"),
    ("append_only", 1, BOOLEAN),
    ("version_attribute", "v" * 256, f'{MEMBER}, or "" for none'),
    ("version_attribute", "a\nb", f'{MEMBER}, or "" for none'),
    ("version_attribute", "timestamp ", f'{MEMBER}, or "" for none'),
    ("version_attribute", "\u00a0timestamp", f'{MEMBER}, or "" for none'),
    ("version_attribute", "event_id", "it is the key_attribute; name another member"),
    ("log_retention_days", 31, RETENTION),
    ("protect_data", "yes", BOOLEAN),
    ("kms_key_arn", "", KMS),
    ("kms_key_arn", "alias/aws/sqs", KMS),
    ("kms_key_arn", "arn:aws:kms:us-east-1:123456789012:alias/mine", KMS),
    ("alarm_email", "", MAIL),
    ("alarm_email", "operations", MAIL),
    ("alarm_email", "a b@example.com", MAIL),
    ("alarm_topic_arn", "pager", SNS),
    ("alarm_topic_arn", f"{TOPIC}.fifo", SNS),
    ("runbook_url", "http://example.com", PAGE),
    ("runbook_url", "https://example.com/a b", PAGE),
    ("runbook_url", "https://" + "r" * 493, PAGE),
    ("topic_arns", TOPIC, "it must be a list of ARNs of SNS topics"),
    ("rule_arns", RULE, "it must be a list of ARNs of EventBridge rules"),
    ("change_stream", "", BOOLEAN),
    ("expiry_attribute", "", MEMBER),
    ("expiry_attribute", "v" * 256, MEMBER),
    ("expiry_attribute", "event_id", "it is the key_attribute; name another member"),
    ("expiry_attribute", "timestamp", "it is the version_attribute; name another member"),
    ("permissions_boundary_arn", "arn:aws:iam::123456789012:role/boundary", POLICY),
]

ACCEPTED: Final[list[tuple[str, Any]]] = [
    ("queue_name", "q"),
    ("queue_name", "Q_-9" * 19),
    ("table_name", "a.b"),
    ("table_name", "t" * 255),
    ("function_name", "f"),
    ("function_name", "f" * 64),
    ("key_attribute", "k" * 255),
    ("key_attribute", "order id"),
    ("batch_size", 1),
    ("batch_size", 7.0),  # as another language sends it
    ("batch_window_seconds", 300),
    ("maximum_concurrency", 2),
    ("maximum_concurrency", 1000),
    ("maximum_concurrency", None),
    ("function_timeout_seconds", 1),
    ("function_timeout_seconds", 900),
    ("function_memory_mb", 128),
    ("function_memory_mb", 10_240),
    ("managed_retries", True),
    ("max_receive_count", 1),
    ("max_receive_count", 1000),
    ("version_attribute", ""),
    ("version_attribute", "v" * 255),
    ("require_version", True),
    ("append_only", True),
    ("read_before_write", True),
    ("log_retention_days", 1),
    ("log_retention_days", 3653.0),
    ("protect_data", True),
    ("kms_key_arn", KEY),
    ("kms_key_arn", "arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/mrk-1"),
    ("alarm_email", EMAIL),
    ("alarm_topic_arn", TOPIC),
    ("alarm_topic_arn", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:pager"),
    ("runbook_url", RUNBOOK),
    ("runbook_url", "https://" + "r" * 492),
    ("topic_arns", []),
    ("topic_arns", [TOPIC, TOPIC_OF_EVENTS, "arn:aws-cn:sns:cn-north-1:123456789012:t"]),
    ("rule_arns", [RULE, RULE.replace("bus/", "")]),
    ("change_stream", True),
    ("expiry_attribute", "expires"),
    ("permissions_boundary_arn", BOUNDARY),
    ("permissions_boundary_arn", "arn:aws-iso-b:iam::aws:policy/PowerUserAccess"),
]


def _settings(**args: Any) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulumi.get_stack", lambda: "prod")
        given: EventStateArgs = args  # type: ignore[assignment]
        return settings_of("orders", given)


def _problems(**args: Any) -> list[str]:
    """Give bad arguments; return the lines of the message."""
    with pytest.raises(ArgumentsError) as error:
        _settings(**args)
    head, *lines = str(error.value).split("\n  - ")
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    assert head == f"{count} in the arguments of EventState 'orders'; nothing was made:"
    return lines


def test_every_key_may_be_left_out_and_these_are_the_defaults() -> None:
    assert dict(_settings()) == DEFAULTS
    assert list(EventStateArgs.__optional_keys__ - DEFAULTS.keys()) == []
    assert EventStateArgs.__required_keys__ == frozenset()


@pytest.mark.parametrize(("key", "value", "rule"), BROKEN)
def test_a_broken_rule_is_reported_with_key_value_and_rule(key: str, value: Any, rule: str) -> None:
    (problem,) = _problems(**{key: value})
    shown = problem.removeprefix(f"{key} is ").removesuffix(f": {rule}")
    assert problem == f"{key} is {shown}: {rule}"
    assert shown == repr(value) or (len(shown) <= 300 and "..." in shown)


@pytest.mark.parametrize(("key", "value"), ACCEPTED)
def test_the_last_value_within_a_rule_is_accepted(key: str, value: Any) -> None:
    found = getattr(_settings(**{key: value}), key)
    assert (found, type(found)) == (value, type(DEFAULTS[key] or found))


def test_a_large_batch_needs_a_window() -> None:
    assert _problems(batch_size=11) == [
        "batch_window_seconds is 0: a batch_size above 10 needs 1 or more"
    ]
    assert _settings(batch_size=10_000, batch_window_seconds=1)


def test_managed_retries_allow_more_deliveries() -> None:
    assert _settings(managed_retries=True).max_receive_count == 30
    assert _settings(managed_retries=True, max_receive_count=7).max_receive_count == 7


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
    assert _problems(**args, max_receive_count=most + 1) == [
        f"max_receive_count is {most + 1}: with pauses of {pause} s messages would expire in the "
        f"queue before they are dead letters; it must be at most {most}"
    ]


def test_the_visibility_timeout_is_derived() -> None:
    found = _settings(function_timeout_seconds=20, batch_window_seconds=7)
    assert found.visibility_timeout_seconds == 127


def test_append_only_has_no_version() -> None:
    assert _settings(append_only=True).version_attribute == ""
    assert _settings(append_only=True, version_attribute="").version_attribute == ""
    assert _problems(append_only=True, version_attribute="t") == [
        "version_attribute is 't': with append_only the first event stays; leave one of the two out"
    ]


@pytest.mark.parametrize("key", ["require_version", "read_before_write"])
def test_what_needs_a_version_says_so(key: str) -> None:
    for without in ({"version_attribute": ""}, {"append_only": True}):
        assert _problems(**{key: True}, **without) == [
            f"{key} is True: it needs a version_attribute"
        ]


def test_alarms_go_to_one_place() -> None:
    assert _problems(alarm_email=EMAIL, alarm_topic_arn=TOPIC) == [
        f"alarm_topic_arn is {TOPIC!r}: alarm_email is set too; set at most one of the two"
    ]


def test_each_sender_that_is_none_is_named_by_its_place() -> None:
    other = "arn:aws:sqs:us-east-1:123456789012:queue"
    assert _problems(topic_arns=["events", TOPIC, RULE], rule_arns=[RULE, other]) == [
        "topic_arns[0] is 'events': it must be the ARN of an SNS topic",
        f"topic_arns[2] is {RULE!r}: it must be the ARN of an SNS topic",
        f"rule_arns[1] is {other!r}: {EVENTS}",
    ]


def test_a_name_that_is_left_out_is_the_components_and_the_stacks() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulumi.get_stack", lambda: "v1.2")
        assert settings_of("orders", {"queue_name": "q", "function_name": "f"}).table_name == (
            "orders-v1.2"
        )
        with pytest.raises(ArgumentsError) as error:
            settings_of("orders", {})
    assert str(error.value).split("\n  - ")[1:] == [
        f"queue_name is 'orders-v1.2': {QUEUE}",
        f"function_name is 'orders-v1.2': {FUNCTION}",
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("batchsize", "; the nearest one is batch_size"),
        ("kms_key", "; the nearest one is kms_key_arn"),
        ("queueName", "; the nearest one is queue_name"),
        ("region", ""),
    ],
)
def test_an_unknown_key_is_reported_with_a_known_one_that_is_near(key: str, hint: str) -> None:
    assert _problems(**{key: "1"}) == [f"{key} is no key of EventState{hint}"]


def test_every_problem_is_reported_at_once_those_between_keys_too() -> None:
    problems = _problems(
        batch_size=20,
        queue_name="a b",
        log_retention_days=2,
        alarm_email="nobody",
        alarm_topic_arn=TOPIC,
        rule_arns=["a"],
        expiry_attribute="timestamp",
        nonsense=1,
    )
    assert [line.split(" is ")[0] for line in problems] == [
        *("queue_name", "batch_window_seconds", "log_retention_days", "alarm_email"),
        *("rule_arns[0]", "expiry_attribute", "nonsense"),
    ]


def test_an_error_says_its_keys_in_any_spelling() -> None:
    problem = Problem(key="batch_window_seconds", value=0, rule="a {batch_size} above 10")
    assert problem.said(str.upper) == "BATCH_WINDOW_SECONDS is 0: a BATCH_SIZE above 10"


# --- The queue's policy, which SQS limits to 8,192 characters.

ARN: Final = "arn:aws:sns:us-east-1:123456789012:{:05}"  # 40 characters
