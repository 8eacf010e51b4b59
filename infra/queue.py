"""SQS: the queue that producers send to, and the dead-letter queue behind it."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import sqs

from infra.policy import Statement, as_queue_policy, policy_document, queue_statements
from infra.settings import Settings, protected

# The most that SQS takes (1 MiB); pulumi-aws would set the old limit of 256 KiB.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_MESSAGE_BYTES: Final = 1_048_576

# A dead letter keeps its original send time, so its queue must hold it longer than the source.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
QUEUE_RETENTION_SECONDS: Final = 4 * 24 * 3600
DEAD_LETTER_RETENTION_SECONDS: Final = 14 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Queues:
    """The queue of events, and the one that keeps what could not be stored."""

    events: sqs.Queue
    dead_letters: sqs.Queue


def create_queues(name: str, settings: Settings, opts: pulumi.ResourceOptions) -> Queues:
    """Make both queues, encrypted and open to TLS alone; each knows only the other."""
    # A queue that is destroyed or renamed takes its messages along.
    held = protected(opts, settings)
    sse = None if settings.kms_key_arn else True

    dead_letters = sqs.Queue(
        f"{name}-dead-letter-queue",
        name=settings.dead_letter_queue_name,
        max_message_size=MAX_MESSAGE_BYTES,
        message_retention_seconds=DEAD_LETTER_RETENTION_SECONDS,
        sqs_managed_sse_enabled=sse,
        kms_master_key_id=settings.kms_key_arn,
        opts=held,
    )
    events = sqs.Queue(
        f"{name}-queue",
        name=settings.queue_name,
        max_message_size=MAX_MESSAGE_BYTES,
        message_retention_seconds=QUEUE_RETENTION_SECONDS,
        visibility_timeout_seconds=settings.visibility_timeout_seconds,
        redrive_policy=pulumi.Output.json_dumps(
            {
                "deadLetterTargetArn": dead_letters.arn,
                "maxReceiveCount": settings.max_receive_count,
            },
            # As SQS writes it back: the provider compares the text, and spaces would be a change.
            separators=(",", ":"),
        ),
        sqs_managed_sse_enabled=sse,
        kms_master_key_id=settings.kms_key_arn,
        opts=held,
    )
    # A resource of its own: inline, each queue would need the other's ARN first.
    sqs.RedriveAllowPolicy(
        f"{name}-dead-letter-queue-redrive-allow",
        queue_url=dead_letters.url,
        redrive_allow_policy=pulumi.Output.json_dumps(
            {"redrivePermission": "byQueue", "sourceQueueArns": [events.arn]}
        ),
        opts=opts,
    )
    senders = queue_statements(events.arn, settings.topic_arns, settings.rule_arns)
    _create_policy(f"{name}-queue-policy", opts, events, senders)
    nobody = queue_statements(dead_letters.arn)
    _create_policy(f"{name}-dead-letter-queue-policy", opts, dead_letters, nobody)
    return Queues(events=events, dead_letters=dead_letters)


def _create_policy(
    name: str, opts: pulumi.ResourceOptions, queue: sqs.Queue, statements: list[Statement]
) -> None:
    sqs.QueuePolicy(
        name,
        queue_url=queue.url,
        policy=policy_document(*statements).apply(as_queue_policy),
        opts=opts,
    )
