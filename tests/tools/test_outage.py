"""A write outage on the embedded AWS: what the alarms read of it, with managed retries and without.

How long they then take is reckoned in tests/infra/test_alarms.py.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tests.conftest import PINNED, patient
from tools.deployed import Deployed, outcomes, wait_for
from tools.emulator import Emulator
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import deploy

EVENTS: Final = [
    json.dumps({"event_id": f"outage-{number}", "timestamp": number}) for number in range(5)
]
BROKEN: Final = "no event"
DELIVERIES: Final = 2
SECONDS: Final = 60.0
# Of the metrics that an alarm may read, those of which the embedded AWS tells the value.
ATTRIBUTES: Final = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
}


class _Alarms:
    """The alarms that are deployed, and what each would read now."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        found = deployed.client("cloudwatch").describe_alarms()["MetricAlarms"]
        self._alarms = {
            each["AlarmName"].partition("-")[2]: each
            for each in found
            if each["Namespace"] == "EventState" or each["MetricName"] in ATTRIBUTES
        }

    def reads(self) -> dict[str, int]:
        """Return the count that each alarm reads, of those that the embedded AWS can tell."""
        counts: Counter[str] = Counter()
        for line in self.deployed.log_lines():
            counts.update(outcomes(line))
        return {name: self._read(alarm, counts) for name, alarm in self._alarms.items()}

    def above(self) -> set[str]:
        """Return the alarms whose threshold is reached."""
        reads = self.reads()
        return {name for name in reads if reads[name] >= self._alarms[name]["Threshold"]}

    def _read(self, alarm: Mapping[str, Any], counts: Mapping[str, int]) -> int:
        if alarm["Namespace"] == "EventState":
            return counts[alarm["MetricName"]]
        attribute, sqs = ATTRIBUTES[alarm["MetricName"]], self.deployed.client("sqs")
        url = sqs.get_queue_url(QueueName=alarm["Dimensions"][0]["Value"])["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])
        return int(answer["Attributes"][attribute])


@contextmanager
def _outage(visibility_seconds: int, **config: object) -> Iterator[_Alarms]:
    """Deploy, take the table away, and send events and a message that is none."""
    stack = load_stack("local").with_config({**PINNED, **config})
    template = patient(make_template(stack))
    queue = template.body["Resources"]["EventStateQueue"]["Properties"]
    queue["VisibilityTimeout"] = visibility_seconds
    with Emulator(region=stack.region) as aws:
        deployed = Deployed(deploy(aws, template))
        deployed.client("dynamodb").delete_table(TableName=deployed.outputs["tableName"])
        deployed.send([*EVENTS, BROKEN])
        yield _Alarms(deployed)


def _counts(dead: int, failed: int, rejected: int, in_flight: int) -> dict[str, int]:
    names = ("dead-letters", "failed-messages", "rejected-messages", "in-flight")
    return dict(zip(names, (dead, failed, rejected, in_flight), strict=True))


def test_without_managed_retries_all_become_dead_letters() -> None:
    # A busy machine takes more than a second to start the function.
    with _outage(3, managedRetries=False, maxReceiveCount=DELIVERIES) as alarms:
        dead = _counts(len(EVENTS) + 1, DELIVERIES * len(EVENTS), DELIVERIES, 0)
        assert wait_for(lambda: alarms.reads() == dead, SECONDS), alarms.reads()
        assert alarms.above() == {"dead-letters", "failed-messages", "rejected-messages"}


def test_with_managed_retries_events_wait_in_flight_and_what_is_broken_is_put_aside() -> None:
    with _outage(180, managedRetries=True, maxReceiveCount=30) as alarms:
        waiting = _counts(1, len(EVENTS), 1, len(EVENTS))
        assert wait_for(lambda: alarms.reads() == waiting, SECONDS)
        (letter,) = alarms.deployed.dead_letters()
        assert letter.body == BROKEN
        assert letter.reason
