"""CloudWatch: the dashboard that shows the flow from left to right."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
from pulumi_aws import cloudwatch, dynamodb, lambda_

from infra.alarms import OUTCOMES_NAMESPACE
from infra.queue import Queues
from infra.settings import Settings

# The five things that can become of a message, as the function counts them.
OUTCOMES: Final = ("Written", "Superseded", "Coalesced", "Rejected", "Failed")

# A dashboard's grid is 24 columns wide.
COLUMNS: Final = 4
WIDTH: Final = 24 // COLUMNS
HEIGHT: Final = 6
ALARMS_HEIGHT: Final = 3

# Where each partition's console is, after the region's name.
CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}


def create_dashboard(
    name: str,
    settings: Settings,
    opts: pulumi.ResourceOptions,
    *,
    queues: Queues,
    table: dynamodb.Table,
    function: lambda_.Function,
    mapping: lambda_.EventSourceMapping,
    alarms: Sequence[cloudwatch.MetricAlarm],
    region: pulumi.Output[str],
    partition: pulumi.Output[str],
) -> pulumi.Output[str]:
    """Make the dashboard; return its URL in AWS's console.

    Body: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    listed = {"title": "Alarms", "alarms": [alarm.arn for alarm in alarms]}
    style = {"region": region, "view": "timeSeries", "stat": "Sum", "period": 60}
    graphs = [
        _widget(
            "metric",
            (WIDTH * (number % COLUMNS), ALARMS_HEIGHT + HEIGHT * (number // COLUMNS)),
            (WIDTH, HEIGHT),
            {"title": title, **style, "metrics": metrics},
        )
        for number, (title, metrics) in enumerate(_graphs(queues, table, function, mapping).items())
    ]
    dashboard = cloudwatch.Dashboard(
        f"{name}-dashboard",
        # Dashboards alone are global to the account: the region keeps two of a name apart.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
        dashboard_name=pulumi.Output.concat(settings.function_name, "-", region),
        dashboard_body=pulumi.Output.json_dumps(
            {"widgets": [_widget("alarm", (0, 0), (24, ALARMS_HEIGHT), listed), *graphs]}
        ),
        opts=opts,
    )
    return pulumi.Output.format(
        "https://{0}.{1}/cloudwatch/home?region={0}#dashboards/dashboard/{2}",
        region,
        partition.apply(lambda known: CONSOLES.get(known, CONSOLES["aws"])),
        dashboard.dashboard_name,
    )


def _widget(
    kind: str, place: tuple[int, int], size: tuple[int, int], properties: dict[str, Any]
) -> dict[str, Any]:
    (x, y), (width, height) = place, size
    grid = {"x": x, "y": y, "width": width, "height": height}
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
    on_the_right = {**maximum, "yAxis": "right"}
    return {
        "Sent": [["AWS/SQS", "NumberOfMessagesSent", *queue]],
        "Received": [
            ["AWS/SQS", "NumberOfMessagesReceived", *queue],
            ["AWS/Lambda", "InvokedEventCount", *of_mapping],
            ["AWS/Lambda", "DeletedEventCount", *of_mapping],
        ],
        "Outcomes": [[OUTCOMES_NAMESPACE, outcome, *of_function] for outcome in OUTCOMES],
        "Write units": [
            ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", *of_table],
            ["AWS/DynamoDB", "WriteThrottleEvents", *of_table],
        ],
        "Oldest message (s), waiting": [
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", *queue, maximum],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", *queue, on_the_right],
        ],
        "Concurrency": [
            ["AWS/Lambda", "ConcurrentExecutions", *of_function, maximum],
            ["AWS/Lambda", "Throttles", *of_function],
            ["AWS/Lambda", "Errors", *of_function],
        ],
        "Latency (ms)": [
            ["AWS/Lambda", "Duration", *of_function, p50],
            ["AWS/Lambda", "Duration", *of_function, p99],
            ["AWS/DynamoDB", "SuccessfulRequestLatency", *puts, p99],
        ],
        "Dead letters": [["AWS/SQS", "ApproximateNumberOfMessagesVisible", *dead_letters, maximum]],
    }
