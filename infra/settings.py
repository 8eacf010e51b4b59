"""The settings: each key's default and rule, and the rules between keys, all checked at once.

What each key is for stands in infra/arguments.py.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self, get_args

import pulumi
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from infra.arguments import EventStateArgs
from infra.arns import Arn, CheckedArn
from infra.policy import as_queue_policy, queue_statements, written
from infra.problems import ArgumentsError, Problem, unknown

DEAD_LETTER_SUFFIX: Final = "-dlq"
# How AWS recommends to derive it, so that a message is not delivered again while it is worked on:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT: Final = 6
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
BATCH_SIZE_WITHOUT_WINDOW: Final = 10
# The longest that the function itself makes a failed message wait.
LONGEST_MANAGED_PAUSE_SECONDS: Final = 15 * 60
# What fails in all its deliveries must be a dead letter before the queue's four days are over.
LONGEST_RETRY_SECONDS: Final = 84 * 3600
# The longest beginning that a queue's ARN can have in any partition.
QUEUE_ARN: Final = "arn:aws-iso-b:sqs:us-isob-east-1:123456789012:"
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827,
                        2192, 2557, 2922, 3288, 3653]  # fmt: skip


def _rule(words: str, pattern: str | None = None, **others: Any) -> Any:
    """Constrain a field, with its default; the words say what it must be."""
    return Field(description=words, pattern=pattern and f"^({pattern})$", **others)


def _whole(low: int, high: int, **default: Any) -> Any:
    return _rule(f"a whole number from {low} to {high}", ge=low, le=high, **default)


def _flag() -> Any:
    return _rule("true or false", default=False)


# DynamoDB allows 64 KB, but every write and the function's environment (4 KB) carry the name.
_MEMBER: Final = r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,253}[^\s\x00-\x1f\x7f])?"
_MEMBER_WORDS: Final = "an attribute name of 1-255 characters, without blanks around it"


class Settings(BaseModel):
    """One component's settings; every value is within AWS's limits and fits the others."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,  # Output
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
    )

    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
    queue_name: str = _rule(
        '1-76 letters, digits, "-" or "_" (SQS: 80 with "-dlq")', "[A-Za-z0-9_-]{1,76}"
    )
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
    table_name: str = _rule(
        '3-255 letters, digits, "-", "_" or "." (DynamoDB)', "[A-Za-z0-9_.-]{3,255}"
    )
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    function_name: str = _rule('1-64 letters, digits, "-" or "_" (Lambda)', "[A-Za-z0-9_-]{1,64}")
    key_attribute: str = _rule(_MEMBER_WORDS, _MEMBER, default="event_id")
    batch_size: int = _whole(1, 10_000, default=10)
    batch_window_seconds: int = _whole(0, 300, default=0)
    maximum_concurrency: int | None = _whole(2, 1000, default=None)
    function_timeout_seconds: int = _whole(1, 900, default=30)
    function_memory_mb: int = _whole(128, 10_240, default=512)
    managed_retries: bool = _flag()
    max_receive_count: int = _whole(1, 1000, default=None)
    append_only: bool = _flag()
    version_attribute: str = _rule(f'{_MEMBER_WORDS}, or "" for none', f"{_MEMBER}|", default=None)
    require_version: bool = _flag()
    read_before_write: bool = _flag()
    log_retention_days: RetentionDays = _rule(
        f"one of {', '.join(map(str, get_args(RetentionDays)))}", default=30
    )
    protect_data: bool = _flag()
    kms_key_arn: CheckedArn | None = None
    alarm_email: str | None = _rule("an e-mail address", r"[^@\s]+@[^@\s]+\.[^@\s]+", default=None)
    alarm_topic_arn: CheckedArn | None = None
    runbook_url: str | None = _rule(
        "an address https://... of at most 500 characters", r"https://\S{1,492}", default=None
    )
    topic_arns: list[CheckedArn] = _rule("a list of ARNs of SNS topics", default=[])
    rule_arns: list[CheckedArn] = _rule("a list of ARNs of EventBridge rules", default=[])
    change_stream: bool = _flag()
    expiry_attribute: str | None = _rule(_MEMBER_WORDS, _MEMBER, default=None)
    permissions_boundary_arn: CheckedArn | None = None

    @field_validator("max_receive_count", "version_attribute", mode="before")
    @classmethod
    def _depend(cls, value: object, info: ValidationInfo) -> object:
        """Make the defaults that another key decides."""
        if value is None and info.field_name == "max_receive_count":
            return 30 if info.data.get("managed_retries") else 5
        if value is None and info.field_name == "version_attribute":
            return "" if info.data.get("append_only") else "timestamp"
        return value

    # The rules between keys: each is asked when the keys above it that it needs are right.

    @field_validator("batch_window_seconds")
    @classmethod
    def _lets_a_large_batch_fill(cls, seconds: int, info: ValidationInfo) -> int:
        if seconds == 0 and info.data.get("batch_size", 0) > BATCH_SIZE_WITHOUT_WINDOW:
            raise ValueError(f"a {{batch_size}} above {BATCH_SIZE_WITHOUT_WINDOW} needs 1 or more")
        return seconds

    @field_validator("max_receive_count")
    @classmethod
    def _ends_before_the_queue_forgets(cls, count: int, info: ValidationInfo) -> int:
        if {
            "function_timeout_seconds",
            "batch_window_seconds",
            "managed_retries",
        } <= info.data.keys():
            managed = LONGEST_MANAGED_PAUSE_SECONDS if info.data["managed_retries"] else 0
            pause = max(managed, _visibility_timeout(info.data))
            if count * pause > LONGEST_RETRY_SECONDS:
                raise ValueError(
                    f"with pauses of {pause} s messages would expire in the queue before they are "
                    f"dead letters; it must be at most {LONGEST_RETRY_SECONDS // pause}"
                )
        return count

    @field_validator("version_attribute", "expiry_attribute")
    @classmethod
    def _is_a_member_of_its_own(cls, name: str | None, info: ValidationInfo) -> str | None:
        for other in ("key_attribute", "version_attribute"):
            if name and name == info.data.get(other):
                raise ValueError(f"it is the {{{other}}}; name another member")
        if name and info.field_name == "version_attribute" and info.data.get("append_only"):
            raise ValueError("with {append_only} the first event stays; leave one of the two out")
        return name

    @field_validator("require_version", "read_before_write")
    @classmethod
    def _has_a_version(cls, wanted: bool, info: ValidationInfo) -> bool:
        if wanted and info.data.get("version_attribute") == "":
            raise ValueError("it needs a {version_attribute}")
        return wanted

    @field_validator("alarm_topic_arn")
    @classmethod
    def _is_the_one_place_for_alarms(cls, arn: Arn | None, info: ValidationInfo) -> Arn | None:
        if arn is not None and info.data.get("alarm_email"):
            raise ValueError("{alarm_email} is set too; set at most one of the two")
        return arn

    @field_validator("rule_arns")
    @classmethod
    def _fits_into_a_policy(cls, rules: list[Arn], info: ValidationInfo) -> list[Arn]:
        if {"queue_name", "topic_arns"} <= info.data.keys():
            topics = info.data["topic_arns"]
            if all(isinstance(arn, str) for arn in [*topics, *rules]):
                queue = QUEUE_ARN + info.data["queue_name"]
                try:
                    as_queue_policy(written(queue_statements(queue, topics, rules)))
                except pulumi.RunError as error:
                    raise ValueError(f"with it and {{topic_arns}} {error}") from None
        return rules

    @property
    def dead_letter_queue_name(self) -> str:
        """Name of the queue that keeps what could not be stored."""
        return self.queue_name + DEAD_LETTER_SUFFIX

    @property
    def visibility_timeout_seconds(self) -> int:
        """Seconds before a message that was not deleted is delivered again."""
        return _visibility_timeout(dict(self))

    @classmethod
    def checked(cls, args: Mapping[str, object], names: str) -> Self | list[Problem]:
        """Check all arguments at once; return the settings, or all that is wrong.

        An argument that is None counts as left out. The names that are left out are `names`.
        """
        given: dict[str, Any] = dict.fromkeys(("queue_name", "table_name", "function_name"), names)
        for key, value in args.items():
            if value is not None:
                # Between languages a whole number is a double.
                whole = isinstance(value, float) and value.is_integer() and int(value)
                given[key] = value if whole is False else whole
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            return [cls._problem(given, each) for each in error.errors()]

    @classmethod
    def _problem(cls, given: Mapping[str, object], error: Any) -> Problem:
        key, *place = error["loc"]
        if key not in cls.model_fields:
            return unknown(key, list(cls.model_fields))
        said = error.get("ctx", {}).get("error")  # by a check of our own
        rule = str(said or f"it must be {cls.model_fields[key].description}")
        value = error["input"] if place else given.get(key, error["input"])
        return Problem(key=f"{key}[{place[0]}]" if place else key, value=value, rule=rule)


def settings_of(name: str, args: EventStateArgs) -> Settings:
    """Check the arguments of the component `name`.

    Raises:
        ArgumentsError: one or more break a rule; the message names each of them.

    """
    checked = Settings.checked(args, names=f"{name}-{pulumi.get_stack()}")
    if isinstance(checked, Settings):
        return checked
    raise ArgumentsError(name, checked)


def protected(opts: pulumi.ResourceOptions, settings: Settings) -> pulumi.ResourceOptions:
    """Protect what holds data, or else say nothing: False would undo the caller's own word."""
    protect = pulumi.ResourceOptions(protect=settings.protect_data or None)
    return pulumi.ResourceOptions.merge(opts, protect)


def _visibility_timeout(values: Mapping[str, Any]) -> int:
    timeouts = VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT * int(values["function_timeout_seconds"])
    return timeouts + int(values["batch_window_seconds"])
