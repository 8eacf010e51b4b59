"""The alarms: those of the table in docs/infrastructure.md, and the rules that all of them keep."""

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
    variant,
)
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")
# name, namespace and metric, of what, statistic, at least, minutes, why
ROWS: Final = [
    tuple(cell.strip() for cell in row.split("|"))
    for row in re.findall(r"^\| \[([a-z-]+\]\(#.+) \|$", DOCS, re.M)
]
NAMES: Final = [row[0].partition("]")[0] for row in ROWS]


def _alarms(program: Registered) -> dict[str, dict[str, Any]]:
    names = [each.name.removeprefix("event-state-") for each in program.of_type("MetricAlarm")]
    return {name.removeprefix("alarm-"): program.inputs(name) for name in names}


def test_there_are_the_eleven_that_the_docs_list() -> None:
    assert sorted(NAMES) == sorted(_alarms(registered()))
    assert len(NAMES) == 11


@pytest.mark.parametrize("name", VARIANTS)
def test_each_rings_when_the_docs_say_and_none_for_want_of_data(name: str) -> None:
    program = variant(name)
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
    told = ("alarmDescription", "alarmActions", "okActions")  # of which below
    alarms = _alarms(program)
    for alarm, (_, metric, of, statistic, at_least, minutes, *_) in zip(NAMES, ROWS, strict=True):
        kind = "extendedStatistic" if statistic == "p99" else "statistic"
        assert {key: value for key, value in alarms[alarm].items() if key not in told} == {
            "name": f"{function['name']}-{alarm}",
            "namespace": metric.split()[0],
            "metricName": metric.split()[1],
            "dimensions": dimensions[of],
            kind: statistic,
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "threshold": thresholds[at_least],
            "period": 60,
            "evaluationPeriods": int(minutes.split(" of ")[-1]),
            "datapointsToAlarm": int(minutes.split(" of ")[0]),
            "treatMissingData": "notBreaching",
        }


def test_dead_letters_ring_days_before_sqs_deletes_the_first() -> None:
    """SQS counts a letter's age from its move, and its retention from its sending."""
    program = registered()
    queue, dead_letters = (
        program[each].inputs["messageRetentionSeconds"] for each in ("queue", "dead-letter-queue")
    )
    age = _alarms(program)["dead-letters-expiring"]["threshold"]
    assert dead_letters - queue - age == 3 * 86_400


@pytest.mark.parametrize(
    ("config", "told"),
    [({}, []), ({"alarmTopicArn": TOPIC}, [TOPIC]), ({"alarmEmail": EMAIL}, [ALARM_TOPIC])],
)
def test_they_tell_one_topic_when_they_ring_and_when_they_end(
    config: dict[str, str], told: list[str]
) -> None:
    program = registered(**config)
    for inputs in _alarms(program).values():
        assert (inputs["alarmActions"], inputs["okActions"]) == (told, told)
    assert bool(program.of_type("Topic")) == ("alarmEmail" in config)


def test_each_says_in_a_sentence_what_to_do_and_where_its_runbook_is() -> None:
    linked = _alarms(registered(runbookUrl=RUNBOOK))
    for alarm, inputs in _alarms(registered()).items():
        sentence = inputs["alarmDescription"]
        assert re.fullmatch(r"[A-Z][^.\n]{60,250}\.", sentence), alarm
        assert "docs/" not in sentence
        assert linked[alarm]["alarmDescription"] == f"{sentence} Runbook: {RUNBOOK}#{alarm}"


def test_throttles_tell_a_hot_key_from_the_accounts_quota() -> None:
    """By the ends of DynamoDB's throttling reasons, which the function logs.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html
    """
    text = _alarms(registered())["table-throttles"]["alarmDescription"]
    assert re.findall(r"[A-Z][a-z]+\w+Exceeded", text) == [
        "KeyRangeThroughputExceeded",
        "AccountLimitExceeded",
    ]


def test_a_function_name_that_is_taken_stops_before_what_else_is_named_after_it() -> None:
    program = registered(alarmEmail=EMAIL)
    named = [*(f"alarm-{alarm}" for alarm in _alarms(program)), "alarm-topic", "dashboard"]
    assert [name for name in named if "function" not in program.needs(name)] == []
