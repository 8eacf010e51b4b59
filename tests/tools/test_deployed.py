"""How a stack's queues, table, log and dead letters are read."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from function.report import Report
from tests.function.batches import Context
from tests.tools.conftest import MockedStack
from tools import deployed as tools_deployed
from tools.deployed import outcomes, wait_for


def test_the_outcomes_of_a_line_are_what_the_function_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report()
    report.troubles.add("no")
    report.write([], {"Written": 2, "Failed": 1}, Context())
    told = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(map(outcomes, told)) == [{}, {"Written": 2, "Failed": 1}]


def test_waiting_ends_with_what_is_seen_or_when_time_is_up() -> None:
    seen = iter([0, 0, 3, 4])
    assert wait_for(lambda: next(seen), 5.0, every=0.0) == 3
    assert wait_for(lambda: 0, 0.01, every=0.0) == 0


def test_what_is_sent_waits_in_the_order_of_its_ids(stack: MockedStack) -> None:
    ids = stack.deployed.send(["one", "two"])
    answer = stack.sqs.receive_message(QueueUrl=stack.url, MaxNumberOfMessages=10)
    received = {each["MessageId"]: each["Body"] for each in answer["Messages"]}
    assert [received[each] for each in ids] == ["one", "two"]
    assert (stack.deployed.waiting(), stack.deployed.waiting(in_flight=False)) == (2, 0)
    assert stack.deployed.visibility_seconds() == 7


def test_items_are_read_and_deleted_by_the_stacks_key(stack: MockedStack) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}, "n": {"N": "1E+50"}})
    item = {"order_id": "a", "n": Decimal("1E+50")}
    assert (stack.deployed.items(), stack.deployed.item("a")) == ([item], item)
    stack.deployed.delete_item("a")
    assert stack.deployed.item("a") is None


def test_all_dead_letters_are_read_and_visible_again(stack: MockedStack) -> None:
    bodies = sorted(f"letter {number}" for number in range(25))
    for body in bodies:
        stack.letter(body)
    assert stack.letters() == bodies
    next(letters := stack.deployed.dead_letters())
    letters.close()  # type: ignore[attr-defined] # a generator
    assert stack.letters() == bodies
    for letter in stack.deployed.dead_letters():
        if letter.body != "letter 7":
            stack.deployed.delete_dead_letter(letter)
    assert stack.letters() == ["letter 7"]


def test_without_the_right_to_show_them_again_they_are_read_all_the_same(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        told: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise ClientError(told, "ChangeMessageVisibilityBatch")

    monkeypatch.setattr(tools_deployed, "HIDDEN_SECONDS", 1)
    events = stack.deployed.client("sqs").meta.events
    events.register("before-call.sqs.ChangeMessageVisibilityBatch", refuse)
    stack.letter("a")
    assert stack.letters() == ["a"]
    assert "Messages" not in stack.sqs.receive_message(QueueUrl=stack.dead_url)
    assert wait_for(stack.letters, 10.0) == ["a"]


def test_a_letter_that_the_function_sent_tells_of_the_message(stack: MockedStack) -> None:
    stack.letter("{}", reason="no id", sourceMessageId="m-1", sentTimestamp="1743296400000")
    (letter,) = stack.deployed.dead_letters()
    assert letter[:5] == ("m-1", "{}", 1743296400.0, "no id", "")


@pytest.mark.parametrize("forged", ["", "soon", "-1", "٣", "9" * 13, "9" * 5000])
def test_a_moment_that_nobody_can_have_sent_it_is_not_taken(
    stack: MockedStack, forged: str
) -> None:
    before = time.time()
    message_id = stack.letter("{}", **({"sentTimestamp": forged} if forged else {}))
    (letter,) = stack.deployed.dead_letters()
    assert before - 1 < letter.sent_at < time.time() + 1
    assert (letter.message_id, letter.reason) == (message_id, "")


def test_the_last_reason_counts_and_what_is_long_ago_does_not(stack: MockedStack) -> None:
    now = time.time()
    stack.log(now, messageId="m-1", reason="last")
    stack.log(now - 5, messageId="m-1", reason="first")
    stack.log(now - 5, reason="no table")
    stack.log(now - 900, messageId="m-2", reason="long ago")
    stack.log(now, messageId="m-3")
    assert stack.deployed.reasons(now - 60) == {"m-1": "last", "": "no table"}
    lines = stack.deployed.log_lines(now - 60, '"m-1"')
    assert [line["reason"] for line in lines] == ["first", "last"]
