"""The stack's settings: the rule of each key and the rules between keys, all checked at once.

A key is declared here and in Pulumi.yaml, where its default stands; a default here means unset.
"""

import difflib
import json
import re
from typing import Annotated, Any, Final, Literal, Self, get_args

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

EVENT_ID: Final = "event_id"
DEAD_LETTER_SUFFIX: Final = "-dlq"
# How AWS recommends to derive it, so that a message is not delivered again while it is worked on:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT: Final = 6
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
BATCH_SIZE_WITHOUT_WINDOW: Final = 10
# What the other statements leave of the 8,192 letters of a queue's policy:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
SENDERS_LENGTH: Final = 7000
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827,
                        2192, 2557, 2922, 3288, 3653]  # fmt: skip
# A key's ARN, not an alias's: the role's permission is on exactly this key.
KEY_ARN: Final = "arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"
# https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
TOPIC_ARN: Final = "arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
RULE_ARN: Final = "arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:rule/[A-Za-z0-9_./-]{1,321}"


def _rule(words: str, pattern: str | None = None, **constraints: Any) -> Any:
    """Constrain a field; the words say what it must be."""
    return Field(description=words, pattern=pattern and f"^({pattern})$", **constraints)


def _whole(low: int, high: int, words: str = "") -> Any:
    return _rule(f"a whole number from {low} to {high}{words}", ge=low, le=high)


Boolean = Annotated[bool, _rule("true or false")]
# DynamoDB allows 64 KB, but every write and the function's environment (4 KB) carry the name.
AttributeName = Annotated[
    str | None,
    _rule('an attribute name of 1-255 characters, or "" for unset', r"[^\x00-\x1f\x7f]{1,255}"),
]


class SettingsError(pulumi.RunError):
    """Says every problem of a stack's config; the Pulumi CLI prints it without a traceback."""


class Settings(BaseModel):
    """One environment's settings; every value is within AWS's limits and fits the others.

    Raises:
        pydantic.ValidationError: a value breaks its rule, or does not fit another.

    """

    model_config = ConfigDict(
        alias_generator=to_camel,  # for load(), which alone reads Pulumi's config
        validate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
    )

    # https://docs.aws.amazon.com/general/latest/gr/rande.html
    region: Annotated[
        str, _rule("an AWS region, as us-east-1", "[a-z]{2}(-[a-z]+)+-[0-9]", alias="aws:region")
    ]
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
    queue_name: Annotated[
        str, _rule('1-76 letters, digits, "-" or "_" (SQS: 80 with "-dlq")', "[A-Za-z0-9_-]{1,76}")
    ]
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
    table_name: Annotated[
        str, _rule('3-255 letters, digits, "-", "_" or "." (DynamoDB)', "[A-Za-z0-9_.-]{3,255}")
    ]
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    function_name: Annotated[
        str, _rule('1-64 letters, digits, "-" or "_" (Lambda)', "[A-Za-z0-9_-]{1,64}")
    ]
    batch_size: Annotated[int, _whole(1, 10_000)]
    batch_window_seconds: Annotated[int, _whole(0, 300)]
    maximum_concurrency: Annotated[int | None, _whole(2, 1000, ", or 0 for unset")] = None
    function_timeout_seconds: Annotated[int, _whole(1, 900)]
    function_memory_mb: Annotated[int, _whole(128, 10_240)]
    max_receive_count: Annotated[int, _whole(1, 1000)]
    version_attribute: AttributeName
    log_retention_days: Annotated[
        RetentionDays, _rule(f"one of {', '.join(map(str, get_args(RetentionDays)))}")
    ]
    protect_data: Boolean
    kms_key_arn: Annotated[
        str | None, _rule('the ARN of a KMS key (arn:aws:kms:...:key/ID), or "" for unset', KEY_ARN)
    ] = None
    alarm_email: Annotated[
        str | None, _rule('an e-mail address, or "" for unset', r"[^@\s]+@[^@\s]+\.[^@\s]+")
    ] = None
    alarm_topic_arn: Annotated[
        str | None, _rule('the ARN of a standard SNS topic, or "" for unset', TOPIC_ARN)
    ] = None
    runbook_url: Annotated[
        str | None, _rule('an address that begins with https://, or "" for unset', r"https://\S+")
    ] = None
    sender_arns: Annotated[
        tuple[Annotated[str, _rule("", rf"{TOPIC_ARN}(\.fifo)?|{RULE_ARN}")], ...],
        _rule("the ARN of an SNS topic or of an EventBridge rule (arn:aws:events:...:rule/NAME)"),
    ] = ()
    change_stream: Boolean = False
    expiry_attribute: AttributeName = None

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> object:
        """Read the text of Pulumi's config as the CLI reads it: 007 and +5 are integers."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, str) and kind not in (str, str | None):
            if kind is bool:
                value = {"true": True, "false": False}.get(value, value)
            elif value.startswith("["):
                value = tuple(json.loads(value))
            elif re.fullmatch(r"[+-]?0*[0-9]{1,18}", value):
                value = int(value)
        return None if kind in (int | None, str | None) and value in (0, "") else value

    # The rules between keys: each is asked when the keys above it that it needs are right.

    @field_validator("batch_window_seconds")
    @classmethod
    def _lets_a_large_batch_fill(cls, seconds: int, info: ValidationInfo) -> int:
        if seconds == 0 and info.data.get("batch_size", 0) > BATCH_SIZE_WITHOUT_WINDOW:
            raise ValueError(f"a batchSize above {BATCH_SIZE_WITHOUT_WINDOW} needs at least 1")
        return seconds

    @field_validator("version_attribute", "expiry_attribute")
    @classmethod
    def _is_a_member_of_its_own(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name == EVENT_ID:
            raise ValueError(f"{EVENT_ID} is the key and never changes; name another member")
        if name and name == info.data.get("version_attribute"):
            raise ValueError("it is the versionAttribute; name another member")
        return name

    @field_validator("kms_key_arn", "alarm_topic_arn")
    @classmethod
    def _is_in_the_region(cls, arn: str | None, info: ValidationInfo) -> str | None:
        region = info.data.get("region")
        if arn and region and arn.split(":")[3] != region:
            raise ValueError(f"it must be in the stack's region, {region}")
        return arn

    @field_validator("alarm_topic_arn")
    @classmethod
    def _is_the_one_place_for_alarms(cls, arn: str | None, info: ValidationInfo) -> str | None:
        if arn and info.data.get("alarm_email"):
            raise ValueError("alarmEmail is set too; set at most one of the two")
        return arn

    @field_validator("sender_arns")
    @classmethod
    def _fits_into_a_policy(cls, arns: tuple[str, ...]) -> tuple[str, ...]:
        if len("".join(arns)) > SENDERS_LENGTH:
            raise ValueError(f"a queue's policy holds ARNs of {SENDERS_LENGTH} letters in all")
        return arns

    @property
    def dead_letter_queue_name(self) -> str:
        """Name of the queue that keeps what could not be stored."""
        return self.queue_name + DEAD_LETTER_SUFFIX

    @property
    def visibility_timeout_seconds(self) -> int:
        """Seconds before a message that was not deleted is delivered again."""
        timeouts = VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT * self.function_timeout_seconds
        return timeouts + self.batch_window_seconds

    @classmethod
    def load(cls) -> Self:
        """Read the current stack's config: the project's keys, and the provider's region.

        Raises:
            SettingsError: one or more keys break a rule; the message names each of them.

        """
        prefix = f"{pulumi.get_project()}:"
        given = runtime_config.get_config_env() | runtime_config.CONFIG.get()
        config = {
            key.removeprefix(prefix): value
            for key, value in given.items()
            if key.startswith(prefix) or key == "aws:region"
        }
        try:
            return cls.model_validate(config, by_alias=True, by_name=False)
        except ValidationError as error:
            problems = [cls._problem(config, each) for each in error.errors()]
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        stack = pulumi.get_stack()
        raise SettingsError(
            f"{count} in the config of stack {stack!r} (Pulumi.{stack}.yaml); "
            + "\n  - ".join(["no resource was registered:", *problems])
        )

    @classmethod
    def _problem(cls, config: dict[str, str], error: Any) -> str:
        """Say key, value, rule and mend of one of pydantic's errors."""
        mend = f"Mend: pulumi config {{}} --stack {pulumi.get_stack()}"
        rules = {str(field.alias): field.description for field in cls.model_fields.values()}
        key, *item = error["loc"]
        if key not in rules:
            near = difflib.get_close_matches(key, rules, n=1)
            known = f"the nearest one is {near[0]}" if near else "Pulumi.yaml lists them"
            return f"{key} is no key of this program; {known}. {mend.format('rm')} {key}"
        said = error.get("ctx", {}).get("error")  # by a rule between keys
        rule = said or f"it must be {rules[key]}"
        if item:
            key, value = f"{key}[{item[0]}]", error["input"]
            return f"{key} is {value!r}: {rule}. {mend.format('set')} --path '{key}' VALUE"
        if config.get(key, "").startswith("["):  # which no command sets as a whole
            return f"{key} is {config[key]}: {rule}. Mend: edit Pulumi.{pulumi.get_stack()}.yaml"
        value = repr(config[key]) if key in config else "not set"
        return f"{key} is {value}: {rule}. {mend.format('set')} {key} VALUE"
