"""The dashboard: each of its widgets in full, and the flow from left to right.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
from collections import defaultdict
from typing import Any, Final

import pytest

from tests.function.batches import invoke, record
from tests.function.memory import ok, upsert
from tests.infra.registered import VARIANTS, Registered, registered, variant

# From left to right, and below each the health of that stage.
TITLES: Final = (
    *("Sent", "Received", "Outcomes", "Write units"),
    *("Oldest message (s), waiting, in flight", "Concurrency", "Latency (ms)", "Dead letters"),
)
# Metrics that AWS has, by what each is of and summed up by: DynamoDB documents no percentile.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
METRICS: Final = {
    ("AWS/SQS", "queue", "Sum"): {"NumberOfMessagesSent", "NumberOfMessagesReceived"},
    ("AWS/SQS", "queue", "Maximum"): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
    },
    ("AWS/SQS", "dead-letter-queue", "Maximum"): {"ApproximateNumberOfMessagesVisible"},
    ("AWS/Lambda", "mapping", "Sum"): {"InvokedEventCount", "DeletedEventCount"},
    ("AWS/Lambda", "function", "Sum"): {"Throttles", "Errors"},
    ("AWS/Lambda", "function", "Maximum"): {"ConcurrentExecutions"},
    ("AWS/Lambda", "function", "p50"): {"Duration"},
    ("AWS/Lambda", "function", "p99"): {"Duration"},
    ("AWS/DynamoDB", "table", "Sum"): {
        "ConsumedWriteCapacityUnits",
        "WriteThrottleEvents",
        "WriteKeyRangeThroughputThrottleEvents",
        "WriteAccountLimitThrottleEvents",
    },
    ("AWS/DynamoDB", "PutItem", "Average"): {"SuccessfulRequestLatency"},
    ("AWS/DynamoDB", "PutItem", "Maximum"): {"SuccessfulRequestLatency"},
}


def _widgets(program: Registered) -> list[dict[str, Any]]:
    (widgets,) = program.inputs("dashboard")["dashboardBody"].values()
    return [*widgets]


def test_below_the_alarms_the_flow_reads_from_left_to_right_and_below_it_its_health() -> None:
    program = registered()
    alarms, *graphs = _widgets(program)
    names = [each.inputs["name"] for each in program.of_type("MetricAlarm").values()]
    shown = alarms["properties"].pop("alarms")
    assert sorted(arn.rsplit(":", 1)[1] for arn in shown) == sorted(names)
    assert all(each["properties"].pop("metrics") for each in graphs)
    style = {"region": "us-east-1", "view": "timeSeries", "stat": "Sum", "period": 60}
    places: list[tuple[Any, ...]] = [("alarm", 0, 0, 24, 3, {"title": "Alarms"})]
    for number, title in enumerate(TITLES):
        row, column = divmod(number, 4)
        places.append(("metric", 6 * column, 3 + 6 * row, 6, 6, {"title": title, **style}))
    keys = ("type", "x", "y", "width", "height", "properties")
    assert [alarms, *graphs] == [dict(zip(keys, place, strict=True)) for place in places]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_metric_is_of_the_stacks_own_resources_and_summed_up_by_what_it_is(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function's own counts are those that its log line defines."""
    program = variant(name)
    queue, dead_letters, table, function = (
        program[each].inputs["name"] for each in ("queue", "dead-letter-queue", "table", "function")
    )
    own = {
        ("QueueName", queue): "queue",
        ("QueueName", dead_letters): "dead-letter-queue",
        ("EventSourceMappingUUID", "a1b2c3d4-5678-90ab-cdef-111111111111"): "mapping",
        ("FunctionName", function): "function",
        ("TableName", table): "table",
        ("TableName", table, "Operation", "PutItem"): "PutItem",
    }
    shown = defaultdict[tuple[str, str, str], set[str]](set)
    for graph in _widgets(program)[1:]:
        for namespace, metric, *dimensions in graph["properties"]["metrics"]:
            style = dimensions.pop() if isinstance(dimensions[-1], dict) else {}
            of = own[tuple(dimensions)]
            shown[namespace, of, style.pop("stat", "Sum")].add(metric)
            assert style in ({}, {"yAxis": "right"})
            assert (of == "dead-letter-queue") == (graph["properties"]["title"] == "Dead letters")
    invoke(upsert(lambda _: ok({})), record("no event"))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    (counts,) = line["_aws"]["CloudWatchMetrics"]
    names = {each["Name"] for each in counts["Metrics"]}
    assert shown == {**METRICS, (counts["Namespace"], "function", "Sum"): names}
