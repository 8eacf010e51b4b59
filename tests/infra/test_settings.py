"""The arguments: every key's default, every rule, and what is said when one is broken."""

from typing import Any, Final

import pytest

from infra.arguments import EventStateArgs
from infra.problems import ArgumentsError
from infra.settings import Settings, settings_of
from tests.infra.registered import BOUNDARY, EMAIL, KEY, RULE, RUNBOOK, TOPIC, TOPIC_OF_EVENTS

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
QUEUE_ARN: Final = "arn:aws:sqs:us-east-1:123456789012:queue"
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
        ["v" * 256, "a\nb", "timestamp ", "\u00a0timestamp"],
        ["", "v" * 255],
    ),
    "require_version": FLAG,
    "read_before_write": FLAG,
    "log_retention_days": (30, RETENTION, [31], [1, 3653]),
    "protect_data": FLAG,
    "kms_key_arn": (
        None,
        KMS,
        ["", "alias/aws/sqs", "arn:aws:kms:us-east-1:123456789012:alias/mine"],
        [KEY, "arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/mrk-1"],
    ),
    "alarm_email": (None, "an e-mail address", ["", "operations", "a b@example.com"], [EMAIL]),
    "alarm_topic_arn": (
        None,
        "the ARN of a standard SNS topic",
        ["pager", f"{TOPIC}.fifo"],
        [TOPIC, "arn:aws-us-gov:sns:us-gov-west-1:123456789012:pager"],
    ),
    "runbook_url": (
        None,
        PAGE,
        ["http://example.com", "https://example.com/a b", "https://" + "r" * 493],
        [RUNBOOK, "https://" + "r" * 492],
    ),
    "topic_arns": (
        [],
        "a list of ARNs of SNS topics",
        [TOPIC],
        [[], [TOPIC, TOPIC_OF_EVENTS, "arn:aws-cn:sns:cn-north-1:123456789012:t"]],
    ),
    "rule_arns": (
        [],
        "a list of ARNs of EventBridge rules",
        [RULE],
        [[RULE, RULE.replace("bus/", "")]],
    ),
    "change_stream": FLAG,
    "expiry_attribute": (None, MEMBER, ["", "v" * 256], ["expires"]),
    "permissions_boundary_arn": (
        None,
        POLICY,
        ["arn:aws:iam::123456789012:role/boundary"],
        [BOUNDARY, "arn:aws-iso-b:iam::aws:policy/PowerUserAccess"],
    ),
}
NEEDS_VERSION: Final = "is True: it needs a version_attribute"

# What breaks a rule that is between keys, of a list's items or of the keys' names.
BETWEEN: Final[list[tuple[dict[str, Any], list[str]]]] = [
    ({"batch_size": 11}, ["batch_window_seconds is 0: a batch_size above 10 needs 1 or more"]),
    (
        {"version_attribute": "event_id"},
        ["version_attribute is 'event_id': it is the key_attribute; name another member"],
    ),
    (
        {"expiry_attribute": "event_id"},
        ["expiry_attribute is 'event_id': it is the key_attribute; name another member"],
    ),
    (
        {"expiry_attribute": "timestamp"},
        ["expiry_attribute is 'timestamp': it is the version_attribute; name another member"],
    ),
    (
        {"append_only": True, "version_attribute": "t"},
        [
            "version_attribute is 't': with append_only the first event stays; leave one of the "
            "two out"
        ],
    ),
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
            "batch_window_seconds is 0: a batch_size above 10 needs 1 or more",
            f"log_retention_days is 2: it must be {RETENTION}",
            "alarm_email is 'nobody': it must be an e-mail address",
            "expiry_attribute is 'timestamp': it is the version_attribute; name another member",
        ],
    ),
]
UNKNOWN: Final = [
    ("batchsize", "; the nearest one is batch_size"),
    ("kms_key", "; the nearest one is kms_key_arn"),
    ("queueName", "; the nearest one is queue_name"),
    ("region", ""),
]


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.get_stack", lambda: "prod")


def _settings(**args: Any) -> Settings:
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


def test_every_key_may_be_left_out_and_has_its_default() -> None:
    assert dict(_settings()) == {key: default for key, (default, *_) in KEYS.items()}
    assert EventStateArgs.__optional_keys__ == KEYS.keys()


@pytest.mark.parametrize("key", KEYS)
def test_a_broken_rule_is_reported_with_key_value_and_rule(key: str) -> None:
    _, rule, broken, _ = KEYS[key]
    for value in broken:
        (problem,) = _problems(**{key: value})
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
    assert _problems(**args) == problems


@pytest.mark.parametrize(("key", "hint"), UNKNOWN)
def test_an_unknown_key_is_reported_with_a_known_one_that_is_near(key: str, hint: str) -> None:
    assert _problems(**{key: "1"}) == [f"{key} is no key of EventState{hint}"]


@pytest.mark.parametrize(
    ("args", "derived"),
    [
        ({"managed_retries": True}, {"max_receive_count": 30}),
        ({"managed_retries": True, "max_receive_count": 7}, {"max_receive_count": 7}),
        ({"append_only": True}, {"version_attribute": ""}),
        (
            {"function_timeout_seconds": 20, "batch_window_seconds": 7},
            {"visibility_timeout_seconds": 127},
        ),
    ],
)
def test_what_is_left_out_follows_from_the_other_keys(
    args: dict[str, Any], derived: dict[str, Any]
) -> None:
    found = _settings(**args)
    assert {key: getattr(found, key) for key in derived} == derived


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


def test_a_name_that_is_left_out_is_the_components_and_the_stacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pulumi.get_stack", lambda: "v1.2")
    assert _settings(queue_name="q", function_name="f").table_name == "orders-v1.2"
    assert _problems() == [
        f"queue_name is 'orders-v1.2': it must be {QUEUE}",
        f"function_name is 'orders-v1.2': it must be {FUNCTION}",
    ]
