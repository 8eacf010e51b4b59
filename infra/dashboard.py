"""CloudWatch: the dashboard that shows the flow from left to right."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
from pulumi_aws import cloudwatch, dynamodb, lambda_

from infra.alarms import COUNTS_NAMESPACE
from infra.queue import Queues
from infra.settings import Scope

# What becomes of a message, as the function counts it; on the right what it counts beside that.
OUTCOMES: Final = ("Written", "Superseded", "Coalesced", "Rejected", "Failed")
COUNTS: Final = ("SavedWrites", "Unversioned", "FutureVersions")

# Where each partition's console is, after the region's name.
CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}


def create_dashboard(
    scope: Scope,
    queues: Queues,
    table: dynamodb.Table,
    function: lambda_.Function,
    mapping: lambda_.EventSourceMapping,
    alarms: Sequence[cloudwatch.MetricAlarm],
) -> pulumi.Output[str]:
    """Make the dashboard; return its URL in AWS's console.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    # The provider's own, whichever that is: arn:PARTITION:sqs:REGION:ACCOUNT:NAME
    place = queues.events.arn.apply(lambda arn: arn.split(":"))
    partition, region = place[1], place[3]
    style = {"region": region, "view": "timeSeries", "stat": "Sum", "period": 60}
    # The grid is 24 columns wide: the alarms, and below them rows of four graphs.
    arns = [alarm.arn for alarm in alarms]
    widgets = [_widget("alarm", 0, 0, 24, 3, title="Alarms", alarms=arns)]
    for number, (title, metrics) in enumerate(_graphs(queues, table, function, mapping).items()):
        row, column = divmod(number, 4)
        grid = (6 * column, 3 + 6 * row, 6, 6)
        widgets.append(_widget("metric", *grid, title=title, **style, metrics=metrics))
    dashboard = cloudwatch.Dashboard(
        f"{scope.name}-dashboard",
        # Dashboards alone are global to the account: the region keeps two of a name apart.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
        dashboard_name=pulumi.Output.concat(scope.settings.function_name, "-", region),
        dashboard_body=pulumi.Output.json_dumps({"widgets": widgets}),
        opts=scope.opts,
    )
    return pulumi.Output.format(
        "https://{0}.{1}/cloudwatch/home?region={0}#dashboards/dashboard/{2}",
        region,
        partition.apply(lambda known: CONSOLES.get(known, CONSOLES["aws"])),
        dashboard.dashboard_name,
    )


def _widget(kind: str, *place: int, **properties: Any) -> dict[str, Any]:
    grid = dict(zip(("x", "y", "width", "height"), place, strict=True))
    return {"type": kind, **grid, "properties": properties}


def _graphs(
    queues: Queues,
    table: dynamodb.Table,
    function: lambda_.Function,
    mapping: lambda_.EventSourceMapping,
) -> Mapping[str, list[list[Any]]]:
    """Name the graphs by row: what flows, and below each the health of that stage."""
    queue = ["QueueName", queues.events.name]
    dead_letters = ["QueueName", queues.dead_letters.name]
    of_function = ["FunctionName", function.name]
    of_mapping = ["EventSourceMappingUUID", mapping.uuid]
    of_table = ["TableName", table.name]
    puts = [*of_table, "Operation", "PutItem"]
    maximum, p50, p99 = {"stat": "Maximum"}, {"stat": "p50"}, {"stat": "p99"}
    right, maximum_on_the_right = {"yAxis": "right"}, {**maximum, "yAxis": "right"}
    return {
        "Sent": [["AWS/SQS", "NumberOfMessagesSent", *queue]],
        "Received": [
            ["AWS/SQS", "NumberOfMessagesReceived", *queue],
            ["AWS/Lambda", "InvokedEventCount", *of_mapping],
            ["AWS/Lambda", "DeletedEventCount", *of_mapping],
        ],
        "Outcomes": [
            *([COUNTS_NAMESPACE, outcome, *of_function] for outcome in OUTCOMES),
            *([COUNTS_NAMESPACE, count, *of_function, right] for count in COUNTS),
        ],
        "Write units": [
            ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", *of_table],
            ["AWS/DynamoDB", "WriteThrottleEvents", *of_table],
            ["AWS/DynamoDB", "WriteKeyRangeThroughputThrottleEvents", *of_table],
            ["AWS/DynamoDB", "WriteAccountLimitThrottleEvents", *of_table],
        ],
        "Oldest message (s), waiting, in flight": [
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", *queue, maximum],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", *queue, maximum_on_the_right],
            ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", *queue, maximum_on_the_right],
        ],
        "Concurrency": [
            ["AWS/Lambda", "ConcurrentExecutions", *of_function, maximum],
            ["AWS/Lambda", "Throttles", *of_function],
            ["AWS/Lambda", "Errors", *of_function],
        ],
        "Latency (ms)": [
            ["AWS/Lambda", "Duration", *of_function, p50],
            ["AWS/Lambda", "Duration", *of_function, p99],
            ["AWS/DynamoDB", "SuccessfulRequestLatency", *puts, {"stat": "Average"}],
            ["AWS/DynamoDB", "SuccessfulRequestLatency", *puts, maximum],
        ],
        "Dead letters": [["AWS/SQS", "ApproximateNumberOfMessagesVisible", *dead_letters, maximum]],
    }
