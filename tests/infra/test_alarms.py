"""The alarms: those of the table in docs/operations.md, and the rules that all of them keep."""

import re
from typing import Any, Final

import pytest

from tests.infra.expected import ALARM_TOPIC
from tests.infra.registered import (
    EMAIL,
    RUNBOOK,
    TOPIC,
    VARIANTS,
    Registered,
    registered,
)
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")
# name, namespace and metric, of what, statistic, at least, minutes, why
ROWS: Final = [
    tuple(cell.strip() for cell in row.split("|"))
    for row in re.findall(r"^\| \[([a-z-]+\]\(#.+) \|$", DOCS, re.M)
]


def _alarms(program: Registered) -> dict[str, dict[str, Any]]:
    names = [each.name.removeprefix("event-state-") for each in program.of_type("MetricAlarm")]
    return {name.removeprefix("alarm-"): program.inputs(name) for name in names}


@pytest.mark.parametrize(
    ("stack", "config"), [*VARIANTS.values(), ("prod", {"alarmTopicArn": TOPIC})]
)
def test_those_of_the_docs_ring_when_the_docs_say_and_none_for_want_of_data(
    stack: str, config: dict[str, str]
) -> None:
    """They tell one topic when they ring and when they end, if there is one."""
    program = registered(stack, **config)
    told = [ALARM_TOPIC] if "alarmEmail" in config else [*config.values()]
    queue, dead_letters, function, table = (
        program[each].inputs for each in ("queue", "dead-letter-queue", "function", "table")
    )
    dimensions = {
        "the queue": {"QueueName": queue["name"]},
        "the dead-letter queue": {"QueueName": dead_letters["name"]},
        "the function": {"FunctionName": function["name"]},
        "the table": {"TableName": table["name"]},
        "PutItem on the table": {"TableName": table["name"], "Operation": "PutItem"},
    }
    thresholds = {
        "1": 1,
        "7 days": 604_800,
        "3 visibility timeouts": 3 * queue["visibilityTimeoutSeconds"],
        "90,000": 90_000,
        "80 % of the timeout": 800 * function["timeout"],
    }
    assert {
        alarm: {key: value for key, value in inputs.items() if key != "alarmDescription"}
        for alarm, inputs in _alarms(program).items()
    } == {
        (alarm := link.partition("]")[0]): {
            "name": f"{function['name']}-{alarm}",
            "namespace": metric.split()[0],
            "metricName": metric.split()[1],
            "dimensions": dimensions[of],
            "extendedStatistic" if statistic == "p99" else "statistic": statistic,
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "threshold": thresholds[at_least],
            "period": 60,
            "evaluationPeriods": int(minutes.split(" of ")[-1]),
            "datapointsToAlarm": int(minutes.split(" of ")[0]),
            "treatMissingData": "notBreaching",
            "alarmActions": told,
            "okActions": told,
        }
        for link, metric, of, statistic, at_least, minutes, _ in ROWS
    }


def test_each_says_in_a_sentence_what_to_do_and_where_its_runbook_is() -> None:
    linked = _alarms(registered(runbookUrl=RUNBOOK))
    for alarm, inputs in _alarms(registered()).items():
        sentence = inputs["alarmDescription"]
        assert re.fullmatch(r"[A-Z][^.\n]{60,250}\.", sentence), alarm
        assert "docs/" not in sentence
        assert linked[alarm]["alarmDescription"] == f"{sentence} Runbook: {RUNBOOK}#{alarm}"
        # DynamoDB's throttling reasons, as the runbook has them.
        for reason in re.findall(r"\w+Exceeded", sentence):
            assert f"`{reason}`" in DOCS


def test_a_function_name_that_is_taken_stops_before_what_else_is_named_after_it() -> None:
    program = registered(alarmEmail=EMAIL)
    named = [*(f"alarm-{alarm}" for alarm in _alarms(program)), "alarm-topic", "dashboard"]
    assert [name for name in named if "function" not in program.needs(name)] == []
