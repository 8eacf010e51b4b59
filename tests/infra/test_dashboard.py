"""The dashboard: each of its widgets in full, and the flow from left to right.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.function.batches import invoke, record
from tests.function.memory import ok, upsert
from tests.infra.registered import VARIANTS, Registered, registered, variant

# From left to right, and below each the health of that stage.
PLACES: Final = [
    ["Sent", "Received", "Outcomes", "Write units"],
    ["Oldest message (s), waiting, in flight", "Concurrency", "Latency (ms)", "Dead letters"],
]

# Metrics that AWS has, each with what it can be summed up by.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
COUNT, LEVEL, TIME = {"Sum"}, {"Maximum"}, {"p50", "p99"}
LATENCY = {"Average", "Maximum"}  # DynamoDB's documentation lists no percentile of it
METRICS: Final[Mapping[tuple[str, str], set[str]]] = {
    ("AWS/SQS", "NumberOfMessagesSent"): COUNT,
    ("AWS/SQS", "NumberOfMessagesReceived"): COUNT,
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): LEVEL,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): LEVEL,
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"): LEVEL,
    ("AWS/Lambda", "InvokedEventCount"): COUNT,
    ("AWS/Lambda", "DeletedEventCount"): COUNT,
    ("AWS/Lambda", "Throttles"): COUNT,
    ("AWS/Lambda", "Errors"): COUNT,
    ("AWS/Lambda", "ConcurrentExecutions"): LEVEL,
    ("AWS/Lambda", "Duration"): TIME,
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): COUNT,
    ("AWS/DynamoDB", "WriteThrottleEvents"): COUNT,
    ("AWS/DynamoDB", "WriteKeyRangeThroughputThrottleEvents"): COUNT,
    ("AWS/DynamoDB", "WriteAccountLimitThrottleEvents"): COUNT,
    ("AWS/DynamoDB", "SuccessfulRequestLatency"): LATENCY,
}


def _widgets(program: Registered) -> list[dict[str, Any]]:
    body = program.inputs("dashboard")["dashboardBody"]
    assert body.keys() == {"widgets"}
    widgets: list[dict[str, Any]] = body["widgets"]
    return widgets


def _graphs(program: Registered) -> Mapping[str, list[list[Any]]]:
    """Return the lines of each graph by its title."""
    shown = [each["properties"] for each in _widgets(program)[1:]]
    return {each["title"]: each["metrics"] for each in shown}


def _split(metric: list[Any]) -> tuple[list[str], dict[str, str], dict[str, str]]:
    options = metric[-1] if isinstance(metric[-1], dict) else {}
    names = [part for part in metric if isinstance(part, str)]
    return names[:2], dict(zip(names[2::2], names[3::2], strict=True)), options


@pytest.mark.parametrize("name", VARIANTS)
def test_below_the_alarms_the_flow_reads_from_left_to_right_and_below_it_its_health(
    name: str,
) -> None:
    program = variant(name)
    widgets = _widgets(program)
    names = [each.inputs["name"] for each in program.of_type("MetricAlarm")]
    shown = widgets[0]["properties"].pop("alarms")
    assert sorted(arn.rsplit(":", 1)[1] for arn in shown) == sorted(names)
    for each in widgets[1:]:
        assert each["properties"].pop("metrics")
    keys = ("type", "x", "y", "width", "height", "properties")
    assert {frozenset(each) for each in widgets} == {frozenset(keys)}
    style = {"region": "us-east-1", "view": "timeSeries", "stat": "Sum", "period": 60}
    assert [tuple(each[key] for key in keys) for each in widgets] == [
        ("alarm", 0, 0, 24, 3, {"title": "Alarms"}),
        *(
            ("metric", 6 * column, 3 + 6 * row, 6, 6, {"title": title, **style})
            for row, titles in enumerate(PLACES)
            for column, title in enumerate(titles)
        ),
    ]


def test_every_metric_exists_and_is_summed_up_by_what_it_is() -> None:
    seen = set()
    for each in _graphs(registered()).values():
        for (namespace, metric), _, style in map(_split, each):
            own = {(namespace, metric): COUNT} if namespace == "EventState" else {}
            assert style.get("stat", "Sum") in {**METRICS, **own}[namespace, metric]
            assert style.keys() <= {"stat", "yAxis"}
            assert style.get("yAxis", "right") == "right"
            seen |= {(namespace, metric)} - own.keys()
    assert seen == METRICS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_metric_is_of_the_stacks_own_resources(name: str) -> None:
    program = variant(name)
    queue, dead_letters, table, function = (
        program[each].inputs["name"] for each in ("queue", "dead-letter-queue", "table", "function")
    )
    own = {
        "AWS/SQS": [{"QueueName": queue}, {"QueueName": dead_letters}],
        "AWS/DynamoDB": [{"TableName": table}, {"TableName": table, "Operation": "PutItem"}],
        "AWS/Lambda": [
            {"FunctionName": function},
            {"EventSourceMappingUUID": "a1b2c3d4-5678-90ab-cdef-111111111111"},
        ],
        "EventState": [{"FunctionName": function}],
    }
    for title, lines in _graphs(program).items():
        for names, dimensions, _ in map(_split, lines):
            assert dimensions in own[names[0]], title
            assert (dimensions == {"QueueName": dead_letters}) == (title == "Dead letters")


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("us-east-1", "https://us-east-1.console.aws.amazon.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "https://eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_region_and_partition_are_those_of_what_the_provider_made(
    region: str, console: str
) -> None:
    found = registered(aws__region=region)
    assert found.run.outputs["dashboardUrl"] == (
        f"{console}/cloudwatch/home?region={region}#dashboards/dashboard/EventUpsertLambda-{region}"
    )
    assert {each["properties"]["region"] for each in _widgets(found)[1:]} == {region}


def test_the_functions_own_counts_are_those_that_it_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Alarms and dashboard name metrics that the function's log line defines."""
    invoke(upsert(lambda _: ok({})), record("no event"))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    (definition,) = line["_aws"]["CloudWatchMetrics"]
    written = [each["Name"] for each in definition["Metrics"]]
    assert definition["Namespace"] == "EventState"
    assert definition["Dimensions"] == [["FunctionName"]]
    outcomes = _graphs(registered())["Outcomes"]
    assert sorted(names[1] for names, _, _ in map(_split, outcomes)) == sorted(written)
    for alarm in ("rejected-messages", "failed-messages"):
        assert registered().inputs(f"alarm-{alarm}")["metricName"] in written
