"""CloudWatch alarms: what needs a person, and the topic that tells them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import cloudwatch, dynamodb, lambda_, sns

from infra.policy import allow_service, deny_without_tls, policy_document
from infra.queue import Queues
from infra.settings import Settings

# The namespace of the counts that the function writes to its log, one per outcome.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
OUTCOMES_NAMESPACE: Final = "EventState"
RUNBOOK: Final = "docs/operations.md"

# SQS leaves a message out of its age metric once it was received three times, so an older one
# waits, and does not fail: the function lags behind.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
RECEIVES_THAT_COUNT_AS_AGE: Final = 3
SHARE_OF_TIMEOUT: Final = 0.8


@dataclass(frozen=True, kw_only=True)
class _Alarm:
    """Rings when the metric is above the threshold in each of so many minutes in a row."""

    name: str
    description: str
    metric: tuple[str, str, str]  # its namespace, its name and the statistic of a minute
    dimensions: Mapping[str, pulumi.Input[str]]
    threshold: int = 0
    minutes: int = 1


def create_alarms(
    name: str,
    settings: Settings,
    opts: pulumi.ResourceOptions,
    *,
    queues: Queues,
    table: dynamodb.Table,
    function: lambda_.Function,
) -> Sequence[cloudwatch.MetricAlarm]:
    """Make the alarms; without a topic they still show in CloudWatch and on the dashboard."""
    # All are named after the function, and made after it: if its new name is taken, none changes.
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[function]))
    email = settings.alarm_email
    topic = _create_topic(name, settings, opts, email) if email else None
    told = topic.arn if topic else settings.alarm_topic_arn
    alarms = [
        _create_alarm(name, settings, opts, alarm, [told] if told else [])
        for alarm in _alarms(settings, queues, table, function)
    ]
    if topic:
        _allow_only_alarms(name, opts, topic, alarms)
    return alarms


def _alarms(
    settings: Settings, queues: Queues, table: dynamodb.Table, function: lambda_.Function
) -> Sequence[_Alarm]:
    """List the alarms, with statistics and minutes as AWS recommends, or a comment that says why.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Best_Practice_Recommended_Alarms_AWS_Services.html
    """
    of_function = {"FunctionName": function.name}
    return (
        # Not NumberOfMessagesSent, which does not count what SQS itself moves. One is enough.
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/dead-letter-queues-alarms-cloudwatch.html
        _Alarm(
            name="dead-letters",
            description="Events could not be stored. Find the reasons in the function's log, "
            "mend the cause, then send the messages back.",
            metric=("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"),
            dimensions={"QueueName": queues.dead_letters.name},
        ),
        _Alarm(
            name="oldest-message",
            description="Events wait too long. Look at the function's throttles, duration and "
            "concurrency, then at the table's throttles.",
            metric=("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"),
            dimensions={"QueueName": queues.events.name},
            threshold=RECEIVES_THAT_COUNT_AS_AGE * settings.visibility_timeout_seconds,
            minutes=15,
        ),
        # The handler raises for nothing that SQS sends: one error is a timeout, a lack of memory or
        # a broken deployment; retries, a visibility timeout apart, fill no minutes in a row.
        _Alarm(
            name="function-errors",
            description="The function failed as a whole. Look for the timeout, lack of memory or "
            "import error at the end of its log.",
            metric=("AWS/Lambda", "Errors", "Sum"),
            dimensions=of_function,
        ),
        _Alarm(
            name="function-throttles",
            description="Lambda refuses invocations. Raise the account's concurrency quota, or "
            "set maximumConcurrency so that others keep theirs.",
            metric=("AWS/Lambda", "Throttles", "Sum"),
            dimensions=of_function,
            minutes=5,
        ),
        # p99, not AWS's p90: a timeout of one in fifty batches is one to know of.
        _Alarm(
            name="function-duration",
            description="Invocations come close to the timeout. Look at the table's latency, then "
            "raise functionTimeoutSeconds or lower batchSize.",
            metric=("AWS/Lambda", "Duration", "p99"),
            dimensions=of_function,
            threshold=int(SHARE_OF_TIMEOUT * 1000 * settings.function_timeout_seconds),
            minutes=15,
        ),
        _Alarm(
            name="table-throttles",
            description="DynamoDB refuses writes. Look for one event_id that gets most of them, "
            "then at the table's write quota.",
            metric=("AWS/DynamoDB", "WriteThrottleEvents", "Sum"),
            dimensions={"TableName": table.name},
            minutes=5,
        ),
        _Alarm(
            name="table-errors",
            description="DynamoDB answers with errors of its own. Nothing is lost while the queue "
            "retries; look at AWS Health.",
            metric=("AWS/DynamoDB", "SystemErrors", "Sum"),
            dimensions={"TableName": table.name, "Operation": "PutItem"},
            minutes=15,
        ),
        # At the first delivery, before the message becomes a dead letter.
        _Alarm(
            name="rejected-messages",
            description="A producer sends what cannot be stored. Find the reason in the function's "
            "log, and mend the producer.",
            metric=(OUTCOMES_NAMESPACE, "Rejected", "Sum"),
            dimensions=of_function,
        ),
    )


def _create_alarm(
    name: str,
    settings: Settings,
    opts: pulumi.ResourceOptions,
    alarm: _Alarm,
    actions: Sequence[pulumi.Input[str]],
) -> cloudwatch.MetricAlarm:
    namespace, metric_name, statistic = alarm.metric
    is_percentile = statistic.startswith("p")
    return cloudwatch.MetricAlarm(
        f"{name}-alarm-{alarm.name}",
        name=f"{settings.function_name}-{alarm.name}",
        alarm_description=f"{alarm.description} Runbook: {RUNBOOK}#{alarm.name}",
        namespace=namespace,
        metric_name=metric_name,
        dimensions=alarm.dimensions,
        statistic=None if is_percentile else statistic,
        extended_statistic=statistic if is_percentile else None,
        comparison_operator="GreaterThanThreshold",
        threshold=alarm.threshold,
        period=60,
        evaluation_periods=alarm.minutes,
        datapoints_to_alarm=alarm.minutes,
        treat_missing_data="notBreaching",  # an idle queue sends no metrics
        alarm_actions=actions,
        ok_actions=actions,
        opts=opts,
    )


def _create_topic(
    name: str, settings: Settings, opts: pulumi.ResourceOptions, email: str
) -> sns.Topic:
    topic = sns.Topic(
        f"{name}-alarm-topic",
        name=f"{settings.function_name}-alarms",
        # Not AWS's key (alias/aws/sns): its policy keeps CloudWatch out, and no alarm would arrive.
        # https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
        kms_master_key_id=settings.kms_key_arn,
        opts=opts,
    )
    sns.TopicSubscription(
        f"{name}-alarm-topic-subscription",
        topic=topic.arn,
        protocol="email",
        endpoint=email,
        opts=opts,
    )
    return topic


def _allow_only_alarms(
    name: str,
    opts: pulumi.ResourceOptions,
    topic: sns.Topic,
    alarms: Sequence[cloudwatch.MetricAlarm],
) -> None:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    arns = [alarm.arn for alarm in alarms]
    sns.TopicPolicy(
        f"{name}-alarm-topic-policy",
        arn=topic.arn,
        policy=policy_document(
            allow_service("AllowAlarms", "cloudwatch", "sns:Publish", topic.arn, arns),
            deny_without_tls("sns:Publish", topic.arn),
        ),
        opts=opts,
    )
