"""SQS: the queue that producers send to, and the dead-letter queue behind it."""

from typing import Any, Final, NamedTuple

import pulumi
from pulumi_aws import sqs

from infra.policy import as_queue_policy, policy_document, queue_statements
from infra.settings import Scope

# The most that SQS takes (1 MiB); pulumi-aws would set the old limit of 256 KiB.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_MESSAGE_BYTES: Final = 1_048_576

# A dead letter keeps its original send time, so its queue must hold it longer than the source.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
QUEUE_RETENTION_SECONDS: Final = 4 * 24 * 3600
DEAD_LETTER_RETENTION_SECONDS: Final = 14 * 24 * 3600


class Queues(NamedTuple):
    """The queue of events, and the one that keeps what could not be stored."""

    events: sqs.Queue
    dead_letters: sqs.Queue


def create_queues(scope: Scope) -> Queues:
    """Make both queues, encrypted and open to TLS alone; each knows only the other."""
    settings, name = scope.settings, scope.name
    both: dict[str, Any] = {
        "max_message_size": MAX_MESSAGE_BYTES,
        "sqs_managed_sse_enabled": None if settings.kms_key_arn else True,
        "kms_master_key_id": settings.kms_key_arn,
        "opts": scope.protected,  # destroyed or renamed, a queue takes its messages along
    }
    dead_letters = sqs.Queue(
        f"{name}-dead-letter-queue",
        name=f"{settings.queue_name}-dlq",
        message_retention_seconds=DEAD_LETTER_RETENTION_SECONDS,
        **both,
    )
    events = sqs.Queue(
        f"{name}-queue",
        name=settings.queue_name,
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
        **both,
    )
    # A resource of its own: inline, each queue would need the other's ARN first.
    sqs.RedriveAllowPolicy(
        f"{name}-dead-letter-queue-redrive-allow",
        queue_url=dead_letters.url,
        redrive_allow_policy=pulumi.Output.json_dumps(
            {"redrivePermission": "byQueue", "sourceQueueArns": [events.arn]}
        ),
        opts=scope.opts,
    )
    for queue, kind, senders in (
        (events, "queue", (settings.topic_arns, settings.rule_arns)),
        (dead_letters, "dead-letter-queue", ()),
    ):
        sqs.QueuePolicy(
            f"{name}-{kind}-policy",
            queue_url=queue.url,
            policy=policy_document(*queue_statements(queue.arn, *senders)).apply(as_queue_policy),
            opts=scope.opts,
        )
    return Queues(events, dead_letters)
