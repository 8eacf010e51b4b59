"""How the function's log, its settings and its dead letters are read."""

import uuid
from typing import Any

import pytest

from function.outcome import Outcome, Result
from function.report import counts, unacknowledged
from tests.conftest import Deployment
from tools.deployed import LogLine, outcomes, wait_for


def _line(text: str) -> LogLine:
    return LogLine(1, "stream", text)


def test_the_outcomes_of_a_line_are_what_the_function_counted() -> None:
    line = _line(counts([Outcome.WRITTEN, Outcome.WRITTEN, Outcome.FAILED], "f", 0))
    assert outcomes(line) == {
        "Written": 2,
        "Superseded": 0,
        "Coalesced": 0,
        "Rejected": 0,
        "Failed": 1,
    }


def test_a_line_about_a_message_counts_nothing() -> None:
    record = {"messageId": "m-1"}
    assert outcomes(_line(unacknowledged(record, None, Result(Outcome.REJECTED, "no")))) == {}


def test_waiting_ends_with_what_is_seen_or_when_time_is_up(monkeypatch: Any) -> None:
    seen = iter([0, 0, 3, 4])
    assert wait_for(lambda: next(seen), 5.0, every=0.0) == 3
    assert wait_for(lambda: 0, 0.01, every=0.0) == 0


def test_the_settings_are_the_queues(deployment: Deployment) -> None:
    settings = deployment.deployed.settings()
    assert (settings.visibility_seconds, settings.deliveries) == (6, 2)


@pytest.mark.parametrize("count", [25])
def test_all_dead_letters_are_read_and_visible_again(deployment: Deployment, count: int) -> None:
    flow, run = deployment.deployed, uuid.uuid4().hex
    sqs = deployment.aws.client("sqs")
    for number in range(count):  # straight into the dead-letter queue
        sqs.send_message(
            QueueUrl=deployment.outputs["deadLetterQueueUrl"], MessageBody=f"{run} {number}"
        )

    def ours() -> dict[str, Any]:
        return {each.body: each for each in flow.dead_letters() if each.body.startswith(run)}

    first = ours()
    assert sorted(first) == sorted(f"{run} {number}" for number in range(count))
    assert {body: each.message_id for body, each in ours().items()} == {
        body: each.message_id for body, each in first.items()
    }
    for letter in ours().values():
        flow.delete_dead_letter(letter)
    assert ours() == {}
