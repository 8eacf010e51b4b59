"""The alarms as docs/operations.md has them: what each is, and when which outage rings it."""

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, product
from typing import Any, Final

import pytest

from function.queue import FIRST_SECONDS, LONGEST_SECONDS
from tests.infra.registered import EMAIL, RUNBOOK, TOPIC, VARIANTS, Registered, registered
from tools.stacks import PROJECT

DOCS: Final = (PROJECT / "docs" / "operations.md").read_text("utf-8")
# name, namespace and metric, of what, statistic, at least, minutes, why
ROWS: Final = [
    tuple(cell.strip() for cell in row.split("|"))
    for row in re.findall(r"^\| \[([a-z-]+\]\(#.+) \|$", DOCS, re.M)
]
HOURS: Final = 8
EVENTS_A_MINUTE: Final = 500  # of ids that always fail
SHARES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1)  # of a pause, by chance
Series = Mapping[int, float]
"""What a metric counted in a minute, by the minute."""

ALL: Final[Series] = dict.fromkeys(range(HOURS * 60), 1)  # something in every minute
STEADY: Final[Mapping[str, Series]] = {
    "rejected-messages": ALL,
    "table-throttles": ALL,
    "table-errors": ALL,
    "function-errors": ALL,
    "function-throttles": ALL,
    "function-duration": dict.fromkeys(ALL, 1e6),
    "oldest-message": {minute: 60.0 * minute for minute in ALL},
}


def _alarms(program: Registered) -> dict[str, dict[str, Any]]:
    alarms = program.of_type("MetricAlarm").items()
    return {name.removeprefix("alarm-"): dict(each.inputs) for name, each in alarms}


@pytest.mark.parametrize(
    ("stack", "config"), [*VARIANTS.values(), ("prod", {"alarmTopicArn": TOPIC})]
)
def test_those_of_the_docs_ring_when_the_docs_say_and_none_for_want_of_data(
    stack: str, config: dict[str, str]
) -> None:
    """They tell one topic when they ring and when they end, if there is one."""
    program = registered(stack, **config)
    made = "arn:aws:sns:us-east-1:123456789012:EventUpsertLambda-alarms"
    told = [made] if "alarmEmail" in config else [*config.values()]
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
    named = [*program.of_type("MetricAlarm"), "alarm-topic", "dashboard"]
    assert [name for name in named if "function" not in program.needs(name)] == []


@pytest.mark.parametrize("managed", [False, True], ids=["retries off", "retries on"])
def test_the_table_says_when_alarms_ring(managed: bool) -> None:
    program = registered(managedRetries="true" if managed else "false")
    queue = program.inputs("queue")
    deliveries = queue["redrivePolicy"]["maxReceiveCount"]
    # The seconds between one delivery and the next, until SQS moves the message: those of the
    # queue, and the longest of the function, if it lives to set them.
    queues: list[float] = [queue["visibilityTimeoutSeconds"]] * deliveries
    functions: list[float] = [min(FIRST_SECONDS * 2**n, LONGEST_SECONDS) for n in range(deliveries)]
    longest, shares = (functions, SHARES) if managed else (queues, (1,))

    def rings(name: str, series: Series) -> int:
        """Return after how many minutes an alarm rings, as CloudWatch evaluates it; 0: never."""
        alarm = program[f"alarm-{name}"].inputs
        for minute in ALL:
            window = range(minute - alarm["evaluationPeriods"] + 1, minute + 1)
            above = [each for each in window if series.get(each, 0) >= alarm["threshold"]]
            if len(above) >= alarm["datapointsToAlarm"]:
                return minute + 1
        return 0

    def dead(pauses: Iterable[float]) -> int:
        """Say when dead-letters rings for a message that is never stored."""
        moved = int(sum(pauses) // 60)
        return rings("dead-letters", dict.fromkeys(range(moved, HOURS * 60), 1))

    alone = {
        rings("failed-messages", {int(second // 60): 1 for second in accumulate([begin, *pauses])})
        for begin in range(60)
        for pauses in product(*([share * each for share in shares] for each in longest[:4]))
    }
    first, last = (dead(share * each for each in longest) for share in (shares[0], 1))
    most = EVENTS_A_MINUTE * sum(longest) / 60
    flying = {minute: min(EVENTS_A_MINUTE * (minute + 1), most) for minute in ALL}
    in_flight = rings("in-flight", flying)
    told: dict[str, list[str]] = {}
    section = DOCS.split("\n## Which outage rings what, and when\n")[1].split("\n## ")[0]
    for row in re.findall(r"^\| .+? \| \[([a-z-]+)\].*? \| (.+?) \| (.+?) \|$", section, re.M):
        told.setdefault(row[0], []).append(row[1 + managed])
    assert told == {
        **{alarm: [str(rings(alarm, series))] for alarm, series in STEADY.items()},
        "failed-messages": [
            str(rings("failed-messages", ALL)),
            " to ".join(str(each) for each in sorted({min(alone), max(alone)})),
        ],
        "dead-letters": [
            f"{first / 60:.1f} to {last / 60:.1f} hours" if managed else str(last),
            str(dead(queues)),
            "1" if managed else str(last),
        ],
        "in-flight": [f"{in_flight / 60:.0f} hours" if in_flight else "never"],
        "dead-letters-expiring": ["7 days"],
    }
