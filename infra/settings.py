"""The settings: each key's default and rule, and the rules between keys, all checked at once.

What each key is for stands in infra/arguments.py.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, Self, get_args

import pulumi
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from infra.arguments import EventStateArgs
from infra.arns import CheckedArn
from infra.policy import as_queue_policy, queue_statements, written
from infra.problems import ArgumentsError, Problem, unknown

# How AWS recommends to derive it, so that a message is not delivered again while it is worked on:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT: Final = 6
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
BATCH_SIZE_WITHOUT_WINDOW: Final = 10
# The longest that the function itself makes a failed message wait.
LONGEST_MANAGED_PAUSE_SECONDS: Final = 15 * 60
# What fails in all its deliveries must be a dead letter before the queue's four days are over.
LONGEST_RETRY_SECONDS: Final = 84 * 3600
# What a message's pauses follow from.
PAUSES: Final = {"function_timeout_seconds", "batch_window_seconds", "managed_retries"}
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
    max_receive_count: int = _whole(1, 1000)
    append_only: bool = _flag()
    version_attribute: str = _rule(f'{_MEMBER_WORDS}, or "" for none', f"{_MEMBER}|")
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

    @field_validator("*")
    @classmethod
    def _fits_the_keys_above(cls, value: Any, info: ValidationInfo) -> Any:
        """Ask the rules between keys: each when the keys above that it needs are right."""
        if rule := _broken_rule(str(info.field_name), value, info.data):
            raise ValueError(rule)
        return value

    @property
    def visibility_timeout_seconds(self) -> int:
        """Seconds before a message that was not deleted is delivered again."""
        return _visibility_timeout(dict(self))

    @classmethod
    def checked(cls, args: Mapping[str, object], names: str) -> Self | list[Problem]:
        """Check all arguments at once; return the settings, or all that is wrong.

        An argument that is None counts as left out. The names that are left out are `names`.
        """
        given: dict[str, Any] = {
            **dict.fromkeys(("queue_name", "table_name", "function_name"), names),
            # The defaults that another key decides.
            "max_receive_count": 30 if args.get("managed_retries") is True else 5,
            "version_attribute": "" if args.get("append_only") is True else "timestamp",
        }
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


class Scope(NamedTuple):
    """The component's name, with which theirs begin, its settings, and their options."""

    name: str
    settings: Settings
    opts: pulumi.ResourceOptions

    def opts_with(self, **more: Any) -> pulumi.ResourceOptions:
        """Return the options of a resource that needs more than the others."""
        return pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(**more))

    @property
    def protected(self) -> pulumi.ResourceOptions:
        """Protect what holds data, or else say nothing: False would undo the caller's own word."""
        return self.opts_with(protect=self.settings.protect_data or None)


def _broken_rule(key: str, value: Any, above: Mapping[str, Any]) -> str:
    """Say which rule between keys a value breaks, if any; other keys stand there in {braces}."""
    match key:
        case "batch_window_seconds":
            if value == 0 and above.get("batch_size", 0) > BATCH_SIZE_WITHOUT_WINDOW:
                return f"a {{batch_size}} above {BATCH_SIZE_WITHOUT_WINDOW} needs 1 or more"
        case "max_receive_count" if above.keys() >= PAUSES:
            managed = LONGEST_MANAGED_PAUSE_SECONDS if above["managed_retries"] else 0
            pause = max(managed, _visibility_timeout(above))
            if value * pause > LONGEST_RETRY_SECONDS:
                return (
                    f"with pauses of {pause} s messages would expire in the queue before they are "
                    f"dead letters; it must be at most {LONGEST_RETRY_SECONDS // pause}"
                )
        case "version_attribute" | "expiry_attribute":
            for other in ("key_attribute", "version_attribute"):
                if value and value == above.get(other):
                    return f"it is the {{{other}}}; name another member"
            if value and key == "version_attribute" and above.get("append_only"):
                return "with {append_only} the first event stays; leave one of the two out"
        case "require_version" | "read_before_write":
            if value and above.get("version_attribute") == "":
                return "it needs a {version_attribute}"
        case "alarm_topic_arn":
            if value is not None and above.get("alarm_email"):
                return "{alarm_email} is set too; set at most one of the two"
        case "rule_arns":
            topics, queue = above.get("topic_arns"), above.get("queue_name")
            if queue and topics is not None and all(isinstance(x, str) for x in [*topics, *value]):
                try:
                    as_queue_policy(written(queue_statements(QUEUE_ARN + queue, topics, value)))
                except pulumi.RunError as error:
                    return f"with it and {{topic_arns}} {error}"
    return ""


def _visibility_timeout(values: Mapping[str, Any]) -> int:
    timeout, window = values["function_timeout_seconds"], values["batch_window_seconds"]
    return int(VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT * timeout + window)
