"""CloudWatch alarms: what needs a person, and the topic that tells them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import pulumi
from pulumi_aws import cloudwatch, dynamodb, lambda_, sns

from infra.policy import allow_service, deny_without_tls, policy_document
from infra.queue import Queues
from infra.settings import Scope, Settings

# The namespace of the counts that the function writes to its log.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
COUNTS_NAMESPACE: Final = "EventState"

# SQS leaves a message out of its age metric once it was received three times, so an older one
# waits, and does not fail: the function lags behind.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
RECEIVES_THAT_COUNT_AS_AGE: Final = 3
# A letter's age counts from its move, its 14 days from its sending, which was up to 4 days before.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
DEAD_LETTER_AGE_SECONDS: Final = 7 * 24 * 3600
# Of the 120,000 that a queue can have in flight; beyond them it gives out no message at all.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGES_IN_FLIGHT: Final = 90_000
SHARE_OF_TIMEOUT: Final = 0.8


class _Alarm(NamedTuple):
    """Rings when the metric reaches `at_least` in `minutes` of the last `out_of` minutes."""

    description: str  # one sentence: what is wrong, and what to do
    # Its namespace, its dimensions, its name and the statistic of a minute.
    metric: tuple[str, Mapping[str, pulumi.Input[str]], str, str]
    at_least: int = 1
    minutes: int = 1
    out_of: int | None = None  # all in a row


def create_alarms(
    scope: Scope, queues: Queues, table: dynamodb.Table, function: lambda_.Function
) -> Sequence[cloudwatch.MetricAlarm]:
    """Make the alarms; without a topic they still show in CloudWatch and on the dashboard."""
    settings = scope.settings
    # All are named after the function, and made after it: if its new name is taken, none changes.
    opts = scope.opts_with(depends_on=[function])
    told = settings.alarm_topic_arn
    if email := settings.alarm_email:
        topic = sns.Topic(
            f"{scope.name}-alarm-topic",
            name=f"{settings.function_name}-alarms",
            # Not AWS's key (alias/aws/sns): its policy keeps CloudWatch out, and no alarm arrives.
            # https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
            kms_master_key_id=settings.kms_key_arn,
            opts=opts,
        )
        subscription = f"{scope.name}-alarm-topic-subscription"
        sns.TopicSubscription(
            subscription, topic=topic.arn, protocol="email", endpoint=email, opts=opts
        )
        told = topic.arn
    actions = [] if told is None else [told]
    alarms = []
    for name, alarm in _alarms(settings, queues, table, function).items():
        namespace, dimensions, metric_name, statistic = alarm.metric
        is_percentile = statistic.startswith("p")
        runbook = f" Runbook: {settings.runbook_url}#{name}" if settings.runbook_url else ""
        alarms.append(
            cloudwatch.MetricAlarm(
                f"{scope.name}-alarm-{name}",
                name=f"{settings.function_name}-{name}",
                alarm_description=alarm.description + runbook,
                namespace=namespace,
                metric_name=metric_name,
                dimensions=dimensions,
                statistic=None if is_percentile else statistic,
                extended_statistic=statistic if is_percentile else None,
                comparison_operator="GreaterThanOrEqualToThreshold",
                threshold=alarm.at_least,
                period=60,
                evaluation_periods=alarm.out_of or alarm.minutes,
                datapoints_to_alarm=alarm.minutes,
                treat_missing_data="notBreaching",  # an idle queue sends no metrics
                alarm_actions=actions,
                ok_actions=actions,
                opts=opts,
            )
        )
    if email:
        # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
        arns = [alarm.arn for alarm in alarms]
        sns.TopicPolicy(
            f"{scope.name}-alarm-topic-policy",
            arn=topic.arn,
            policy=policy_document(
                allow_service("AllowAlarms", "cloudwatch", "sns:Publish", topic.arn, arns),
                deny_without_tls("sns:Publish", topic.arn),
            ),
            opts=opts,
        )
    return alarms


def _alarms(
    settings: Settings, queues: Queues, table: dynamodb.Table, function: lambda_.Function
) -> Mapping[str, _Alarm]:
    """List the alarms, with statistics and minutes as AWS recommends, or a comment that says why.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Best_Practice_Recommended_Alarms_AWS_Services.html
    """
    queue = ("AWS/SQS", {"QueueName": queues.events.name})
    letters = ("AWS/SQS", {"QueueName": queues.dead_letters.name})
    invocations = ("AWS/Lambda", {"FunctionName": function.name})
    counts = (COUNTS_NAMESPACE, {"FunctionName": function.name})
    writes = ("AWS/DynamoDB", {"TableName": table.name})
    operation: Mapping[str, pulumi.Input[str]] = {"TableName": table.name, "Operation": "PutItem"}
    puts = ("AWS/DynamoDB", operation)
    return {
        # Not NumberOfMessagesSent, which does not count what SQS itself moves. One is enough.
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/dead-letter-queues-alarms-cloudwatch.html
        "dead-letters": _Alarm(
            "Events could not be stored: read the reasons in the function's log, "
            "fix the cause, then send the dead letters back to the queue.",
            (*letters, "ApproximateNumberOfMessagesVisible", "Maximum"),
        ),
        "dead-letters-expiring": _Alarm(
            "SQS deletes dead letters in three to seven days: send them back to the "
            "queue, or save their bodies.",
            (*letters, "ApproximateAgeOfOldestMessage", "Maximum"),
            at_least=DEAD_LETTER_AGE_SECONDS,
        ),
        "oldest-message": _Alarm(
            "Events wait too long: see whether the mapping is enabled, then look at "
            "the function's throttles, duration and concurrency.",
            (*queue, "ApproximateAgeOfOldestMessage", "Maximum"),
            at_least=RECEIVES_THAT_COUNT_AS_AGE * settings.visibility_timeout_seconds,
            minutes=15,
        ),
        # What waits for another attempt is in flight: events that always fail fill it in hours.
        "in-flight": _Alarm(
            "At 120,000 messages in flight the queue gives out no more: read in the "
            "function's log why events fail, and fix the cause.",
            (*queue, "ApproximateNumberOfMessagesNotVisible", "Maximum"),
            at_least=MESSAGES_IN_FLIGHT,
        ),
        # The handler raises for nothing that SQS sends: one error is a timeout, a lack of memory or
        # a broken deployment; retries, a visibility timeout apart, fill no minutes in a row.
        "function-errors": _Alarm(
            "The function failed as a whole: look for the timeout, lack of memory or "
            "import error at the end of its log.",
            (*invocations, "Errors", "Sum"),
        ),
        "function-throttles": _Alarm(
            "Lambda refuses invocations: raise the account's concurrency quota, or "
            "set maximumConcurrency so that others keep theirs.",
            (*invocations, "Throttles", "Sum"),
            minutes=5,
        ),
        # p99, not AWS's p90: a timeout of one in fifty batches is one to know of.
        "function-duration": _Alarm(
            "Invocations come close to the timeout: look at the table's latency, then "
            "raise functionTimeoutSeconds or lower batchSize.",
            (*invocations, "Duration", "p99"),
            at_least=int(SHARE_OF_TIMEOUT * 1000 * settings.function_timeout_seconds),
            minutes=15,
        ),
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/troubleshooting-throttling-diagnostics.html
        "table-throttles": _Alarm(
            "DynamoDB refuses writes: if the reason in the function's log ends in "
            "KeyRangeThroughputExceeded, one hot key gets too many events; if it ends in "
            "AccountLimitExceeded, raise the account's quota for a table.",
            (*writes, "WriteThrottleEvents", "Sum"),
            minutes=5,
        ),
        "table-errors": _Alarm(
            "DynamoDB answers with errors of its own: look at AWS Health, and wait, "
            "for the queue keeps what is not stored.",
            (*puts, "SystemErrors", "Sum"),
            minutes=15,
        ),
        # At the first delivery, before the message becomes a dead letter.
        "rejected-messages": _Alarm(
            "A producer sends what cannot be stored: find the reason in the "
            "function's log, and fix the producer.",
            (*counts, "Rejected", "Sum"),
        ),
        # Errors stays 0, for the handler reports what failed; and with up to 15 minutes between
        # two attempts a quiet queue fails in few minutes of an outage.
        "failed-messages": _Alarm(
            "Events are not being stored: find the reason in the function's log, "
            "such as a permission, the network or the table, and fix it.",
            (*counts, "Failed", "Sum"),
            minutes=3,
            out_of=30,
        ),
    }
