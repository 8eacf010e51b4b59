"""The dashboard: valid by AWS's description of its body, and the flow from left to right."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from function.upsert import Upsert
from tests.infra.aws_rules import dashboard_problems
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


def _body(program: Registered) -> dict[str, Any]:
    body: dict[str, Any] = program.inputs("dashboard")["dashboardBody"]
    return body


def _graphs(program: Registered) -> Mapping[str, dict[str, Any]]:
    return {
        each["properties"]["title"]: each
        for each in _body(program)["widgets"]
        if each["type"] == "metric"
    }


def _split(metric: list[Any]) -> tuple[list[str], dict[str, str], dict[str, str]]:
    options = metric[-1] if isinstance(metric[-1], dict) else {}
    names = [part for part in metric if isinstance(part, str)]
    return names[:2], dict(zip(names[2::2], names[3::2], strict=True)), options


@pytest.mark.parametrize("name", VARIANTS)
def test_the_body_is_valid(name: str) -> None:
    assert dashboard_problems(variant(name)["dashboard"].inputs["dashboardBody"]) == []


def test_the_flow_reads_from_left_to_right_with_the_health_of_each_stage_below_it() -> None:
    places = {
        ((each["y"] - 3) // each["height"], each["x"] // each["width"]): title
        for title, each in _graphs(registered()).items()
    }
    assert places == {
        (row, column): title
        for row, titles in enumerate(PLACES)
        for column, title in enumerate(titles)
    }


def test_every_metric_exists_and_is_summed_up_by_what_it_is() -> None:
    lines = [
        ((namespace, metric), options.get("stat", each["properties"]["stat"]))
        for each in _graphs(registered()).values()
        for (namespace, metric), _, options in map(_split, each["properties"]["metrics"])
    ]
    outcomes = [statistic for (namespace, _), statistic in lines if namespace == "EventState"]
    assert set(outcomes) == COUNT
    of_aws = [(metric, statistic) for metric, statistic in lines if metric[0] != "EventState"]
    assert {metric for metric, _ in of_aws} == METRICS.keys()
    assert not [line for line in of_aws if line[1] not in METRICS[line[0]]]


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
    for title, widget in _graphs(program).items():
        for names, dimensions, _ in map(_split, widget["properties"]["metrics"]):
            assert dimensions in own[names[0]], title
            assert (dimensions == {"QueueName": dead_letters}) == (title == "Dead letters")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_first_widget_shows_every_alarm(name: str) -> None:
    program = variant(name)
    widget = _body(program)["widgets"][0]
    assert widget["type"] == "alarm"
    assert {arn.rsplit(":", 1)[1] for arn in widget["properties"]["alarms"]} == {
        alarm.inputs["name"] for alarm in program.of_type("MetricAlarm")
    }


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-central-1", "console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "console.amazonaws-eusc.eu"),
    ],
)
def test_it_is_of_the_region_that_the_provider_is_in(region: str, console: str) -> None:
    program = registered(aws__region=region)
    for widget in _graphs(program).values():
        assert widget["properties"]["region"] == region
    name = program.inputs("dashboard")["dashboardName"]
    assert name == f"EventUpsertLambda-{region}"
    assert program.run.outputs["dashboardUrl"] == (
        f"https://{region}.{console}/cloudwatch/home?region={region}#dashboards/dashboard/{name}"
    )


class _Idle:
    """Runs nothing."""

    def run(self, *_: object) -> None:
        """Leave every task as it is."""


class _Context:
    function_name, aws_request_id = "EventUpsertLambda", "1"

    def get_remaining_time_in_millis(self) -> int:
        """Return half a minute."""
        return 30_000


def test_the_functions_own_counts_are_those_that_it_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Alarms and dashboard name metrics that the function's log line defines."""
    upsert = Upsert({"TABLE_NAME": "events"}, _Idle())
    upsert({"Records": [{"messageId": "1", "body": "no event"}]}, _Context())
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    (definition,) = line["_aws"]["CloudWatchMetrics"]
    written = [each["Name"] for each in definition["Metrics"]]
    assert definition["Namespace"] == "EventState"
    assert definition["Dimensions"] == [["FunctionName"]]
    outcomes = _graphs(registered())["Outcomes"]["properties"]["metrics"]
    assert sorted(names[1] for names, _, _ in map(_split, outcomes)) == sorted(written)
    for alarm in ("rejected-messages", "failed-messages"):
        assert registered().inputs(f"alarm-{alarm}")["metricName"] in written


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"x": 24}, "x"),
        ({"x": 20}, "beyond the grid"),
        ({"y": -1}, "y"),
        ({"height": 0}, "height"),
        ({"type": "graph"}, "type"),
        ({"x": 6}, "overlap"),
        ({"properties": {}}, "region"),
        ({"properties": {"region": "us-east-1", "metrics": [["AWS/SQS"]]}}, "metric"),
        ({"properties": {"region": "us-east-1", "metrics": [["a", "b", "c"]]}}, "metric"),
        ({"properties": {"region": "us-east-1", "metrics": [["a", "b", {"stat": "p"}]]}}, "stat"),
        ({"properties": {"region": "us-east-1", "metrics": [["a", "b"]], "stat": "sum"}}, "stat"),
        ({"properties": {"region": "us-east-1", "metrics": [["a", "b"]], "period": 61}}, "period"),
        ({"properties": {"region": "us-east-1", "metrics": [["a", "b"]], "colour": 1}}, "colour"),
    ],
)
def test_the_validator_sees_a_body_that_is_not_valid(change: dict[str, Any], problem: str) -> None:
    body = _body(registered())
    body["widgets"][1].update(change)
    assert any(problem in each for each in dashboard_problems(json.dumps(body)))
