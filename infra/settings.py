"""The stack's settings: read from Pulumi config, checked whole before anything is registered.

Defaults stand in Pulumi.yaml alone; here are the ranges and the rules between keys.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Final, Self

import pulumi
from pulumi.runtime import config as runtime_config

# AWS limits, each from the page that states it.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
DEAD_LETTER_SUFFIX: Final = "-dlq"
QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,76}")
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
BATCH_SIZE_WITHOUT_WINDOW: Final = 10
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
# https://docs.aws.amazon.com/general/latest/gr/rande.html
REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
# A key's ARN, not an alias's: the role's permission is on exactly this key.
KMS_KEY_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]{1,64}")
# https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
TOPIC_ARN: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}")
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Our own limit, far below DynamoDB's 64 KB: every write carries the name, and so does the
# function's environment, which holds 4 KB.
VERSION_ATTRIBUTE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
EVENT_ID: Final = "event_id"

# How AWS recommends to derive it, so that a message is not delivered again while it is worked on:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT: Final = 6


class SettingsError(pulumi.RunError):
    """Says every problem of a stack's config; the Pulumi CLI prints it without a traceback."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment's settings; every value is within AWS's limits and fits the others."""

    region: str
    queue_name: str
    table_name: str
    function_name: str
    batch_size: int
    batch_window_seconds: int
    maximum_concurrency: int | None
    function_timeout_seconds: int
    function_memory_mb: int
    max_receive_count: int
    version_attribute: str | None
    log_retention_days: int
    protect_data: bool
    kms_key_arn: str | None
    alarm_email: str | None
    alarm_topic_arn: str | None

    @property
    def dead_letter_queue_name(self) -> str:
        """Name of the queue that keeps what could not be stored."""
        return self.queue_name + DEAD_LETTER_SUFFIX

    @property
    def visibility_timeout_seconds(self) -> int:
        """Seconds before a message that was not deleted is delivered again."""
        return (
            VISIBILITY_TIMEOUTS_PER_FUNCTION_TIMEOUT * self.function_timeout_seconds
            + self.batch_window_seconds
        )

    @classmethod
    def load(cls) -> Self:
        """Read the current stack's config.

        Raises:
            SettingsError: one or more keys break a rule; the message names each of them.

        """
        config = _Reader()
        settings = cls(
            region=config.name("aws:region", REGION, "the name of an AWS region, as us-east-1"),
            queue_name=config.name(
                "queueName",
                QUEUE_NAME,
                f'1-76 letters, digits, "-" or "_" (the dead-letter queue adds '
                f'"{DEAD_LETTER_SUFFIX}", and SQS allows 80)',
            ),
            table_name=config.name(
                "tableName", TABLE_NAME, '3-255 letters, digits, "-", "_" or "." (DynamoDB)'
            ),
            function_name=config.name(
                "functionName", FUNCTION_NAME, '1-64 letters, digits, "-" or "_" (Lambda)'
            ),
            batch_size=config.integer("batchSize", 1, 10_000),
            batch_window_seconds=config.integer("batchWindowSeconds", 0, 300),
            maximum_concurrency=config.optional_integer("maximumConcurrency", 2, 1000),
            function_timeout_seconds=config.integer("functionTimeoutSeconds", 1, 900),
            function_memory_mb=config.integer("functionMemoryMb", 128, 10_240),
            max_receive_count=config.integer("maxReceiveCount", 1, 1000),
            version_attribute=config.optional_name(
                "versionAttribute", VERSION_ATTRIBUTE, "an attribute name of 1-255 characters"
            ),
            log_retention_days=config.one_of("logRetentionDays", LOG_RETENTION_DAYS),
            protect_data=config.boolean("protectData"),
            kms_key_arn=config.optional_name(
                "kmsKeyArn",
                KMS_KEY_ARN,
                "the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID, not an alias)",
            ),
            alarm_email=config.optional_name("alarmEmail", EMAIL, "an e-mail address"),
            alarm_topic_arn=config.optional_name(
                "alarmTopicArn",
                TOPIC_ARN,
                "the ARN of a standard SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME)",
            ),
        )
        if settings.batch_size > BATCH_SIZE_WITHOUT_WINDOW and settings.batch_window_seconds == 0:
            config.problem(
                "batchSize",
                f"above {BATCH_SIZE_WITHOUT_WINDOW} it needs batchWindowSeconds of at least 1, "
                "which is 0",
                mend="batchWindowSeconds",
            )
        if settings.version_attribute == EVENT_ID:
            config.problem(
                "versionAttribute", f"{EVENT_ID} is the key and never changes; name another member"
            )
        for key, arn in (
            ("kmsKeyArn", settings.kms_key_arn),
            ("alarmTopicArn", settings.alarm_topic_arn),
        ):
            if arn and settings.region and arn.split(":")[3] != settings.region:
                config.problem(key, f"it must be in the stack's region, {settings.region}")
        if settings.alarm_email and settings.alarm_topic_arn:
            config.problem("alarmEmail", "alarmTopicArn is set too; set at most one of the two")
        config.finish()
        return settings


class _Reader:
    """Reads typed keys, and collects what is wrong instead of stopping at the first."""

    def __init__(self) -> None:
        self._read: list[str] = []
        self._problems: list[str] = []

    def problem(self, key: str, rule: str, mend: str | None = None) -> None:
        """Note that `key` breaks `rule`; the command that mends it sets `mend`, or `key`."""
        command = f"pulumi config set --stack {pulumi.get_stack()} {mend or key} VALUE"
        self._problems.append(f"{key} is {_value(key)!r}: {rule}. Mend: {command}")

    def integer(self, key: str, low: int, high: int) -> int:
        value = self._integer(key)
        if value is None or not low <= value <= high:
            self.problem(key, f"it must be a whole number from {low} to {high}")
            return low
        return value

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        value = self._integer(key)
        if value == 0:
            return None
        if value is None or not low <= value <= high:
            self.problem(key, f"it must be a whole number from {low} to {high}, or 0 for unset")
            return None
        return value

    def one_of(self, key: str, values: tuple[int, ...]) -> int:
        value = self._integer(key)
        if value is None or value not in values:
            self.problem(key, f"it must be one of {', '.join(map(str, values))}")
            return values[0]
        return value

    def boolean(self, key: str) -> bool:
        value = self._text(key)
        if value not in ("true", "false"):
            self.problem(key, "it must be true or false")
        return value == "true"

    def name(self, key: str, pattern: re.Pattern[str], rule: str) -> str:
        value = self._text(key)
        if value is None or not pattern.fullmatch(value):
            self.problem(key, f"it must be {rule}")
            return ""
        return value

    def optional_name(self, key: str, pattern: re.Pattern[str], rule: str) -> str | None:
        if self._text(key) == "":
            return None
        return self.name(key, pattern, f'{rule}, or "" for unset') or None

    def finish(self) -> None:
        """Raise SettingsError if any problem was noted, or a key is set that nothing reads."""
        prefix = f"{pulumi.get_project()}:"
        set_keys = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
        for key in sorted(key.removeprefix(prefix) for key in set_keys if key.startswith(prefix)):
            if key not in self._read:
                near = difflib.get_close_matches(key, self._read, n=1, cutoff=0)
                self._problems.append(
                    f"{key} is no key of this program; the nearest one is {near[0]}. "
                    f"Mend: pulumi config rm --stack {pulumi.get_stack()} {key}"
                )
        if self._problems:
            count = f"{len(self._problems)} problem{'s' if len(self._problems) > 1 else ''}"
            lines = "".join(f"\n  - {problem}" for problem in self._problems)
            raise SettingsError(
                f"{count} in the config of stack {pulumi.get_stack()!r} "
                f"(Pulumi.{pulumi.get_stack()}.yaml); no resource was registered:{lines}"
            )

    def _text(self, key: str) -> str | None:
        if key not in self._read:
            self._read.append(key)
        return _value(key)

    def _integer(self, key: str) -> int | None:
        value = self._text(key)
        return int(value) if value and re.fullmatch(r"-?\d{1,9}", value, re.ASCII) else None


def _value(key: str) -> str | None:
    """Read a key; one without a namespace is the project's."""
    namespace, _, name = key.rpartition(":")
    return pulumi.Config(namespace or None).get(name)
