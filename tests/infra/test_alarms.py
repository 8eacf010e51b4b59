"""The alarms: those of the table in docs/infrastructure.md, and the rules that all of them keep."""

import re
from typing import Any, Final

import pytest

from tests.infra.registered import (
    EMAIL,
    EVERYTHING,
    TOPIC,
    VARIANTS,
    Registered,
    registered,
    variant,
)
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "infrastructure.md").read_text("utf-8")
# name, namespace and metric, of what, statistic, above, minutes in a row
ROWS: Final = [
    tuple(cell.strip() for cell in row.split("|"))
    for row in re.findall(
        r"^\| ([a-z-]+ \| \w.+) \|$", DOCS.split("\n## Alarms\n")[1].split("\n## ")[0], re.M
    )
]


def _alarms(program: Registered) -> dict[str, dict[str, Any]]:
    names = [name for name in program.names() if name.startswith("alarm-")]
    return {
        name.removeprefix("alarm-"): program.inputs(name)
        for name in names
        if not name.startswith("alarm-topic")
    }


def test_there_are_the_eight_that_the_docs_list() -> None:
    assert {row[0] for row in ROWS} == _alarms(registered()).keys()
    assert len(ROWS) == 8


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
@pytest.mark.parametrize("name", VARIANTS)
def test_an_alarm_rings_when_the_docs_say(name: str, row: tuple[str, ...]) -> None:
    program = variant(name)
    alarm, metric, of, statistic, above, minutes, *_ = row
    inputs = _alarms(program)[alarm]
    queue, dead_letters, function, table = (
        program[each].inputs for each in ("queue", "dead-letter-queue", "function", "table")
    )
    visibility = queue["visibilityTimeoutSeconds"]
    assert f"{inputs['namespace']} {inputs['metricName']}" == metric
    assert (
        inputs["dimensions"]
        == {
            "the queue": {"QueueName": queue["name"]},
            "the dead-letter queue": {"QueueName": dead_letters["name"]},
            "the function": {"FunctionName": function["name"]},
            "the table": {"TableName": table["name"]},
            "PutItem on the table": {"TableName": table["name"], "Operation": "PutItem"},
        }[of]
    )
    assert inputs.get("statistic", inputs.get("extendedStatistic")) == statistic
    assert (
        inputs["threshold"]
        == {
            "0": 0,
            "3 visibility timeouts": 3 * visibility,
            "80 % of the timeout": 800 * function["timeout"],
        }[above]
    )
    assert inputs["evaluationPeriods"] == int(minutes)


@pytest.mark.parametrize("name", VARIANTS)
def test_all_ring_above_in_each_minute_in_a_row_and_never_for_want_of_data(name: str) -> None:
    for alarm, inputs in _alarms(variant(name)).items():
        assert inputs["name"].endswith(f"-{alarm}")
        assert inputs["comparisonOperator"] == "GreaterThanThreshold"
        assert inputs["treatMissingData"] == "notBreaching"
        assert inputs["period"] == 60
        assert inputs["datapointsToAlarm"] == inputs["evaluationPeriods"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, []),
        ({"alarmTopicArn": TOPIC}, [TOPIC]),
        (
            {"alarmEmail": EMAIL},
            ["arn:aws:sns:us-east-1:123456789012:EventUpsertLambda-alarms"],
        ),
    ],
)
def test_they_tell_one_topic_when_they_ring_and_when_they_end(
    config: dict[str, str], told: list[str]
) -> None:
    program = registered(**config)
    for inputs in _alarms(program).values():
        assert (inputs["alarmActions"], inputs["okActions"]) == (told, told)
    assert bool(program.of_type("Topic")) == ("alarmEmail" in config)


@pytest.mark.parametrize("alarm", [row[0] for row in ROWS])
def test_each_says_what_to_do_and_where_its_runbook_is(alarm: str) -> None:
    description = _alarms(variant(EVERYTHING))[alarm]["alarmDescription"]
    assert re.fullmatch(rf"[^\n]{{40,900}} Runbook: docs/operations\.md#{alarm}", description)


def test_a_function_name_that_is_taken_stops_before_what_else_is_named_after_it() -> None:
    program = registered(alarmEmail=EMAIL)
    named = [*(f"alarm-{alarm}" for alarm in _alarms(program)), "alarm-topic", "dashboard"]
    assert [name for name in named if "function" not in program.needs(name)] == []
