"""`python -m tools send`: what it says became of an event, by its own item, log line and letter."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.tools.conftest import MockedStack
from tools import send as tools_send
from tools.deployed import Deployed
from tools.send import send

BODY = '{"order_id":"a","version":1}'
Act = Callable[[str, str], None]


class Acting(Deployed):
    """A stack whose function does one thing with each message, told by its id and body."""

    def __init__(self, stack: MockedStack, act: Act) -> None:
        super().__init__(stack.outputs)
        self._stack, self._act = stack, act

    def send(self, bodies: Iterable[str]) -> list[str]:
        """Send, act, and take it from the queue."""
        sent = list(bodies)
        ids = super().send(sent)
        for message_id, body in zip(ids, sent, strict=True):
            self._act(message_id, body)
        self._stack.empty()
        return ids


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools_send, "SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(tools_send, "GRACE_SECONDS", -6.5)  # half a second is left


def _tell(deployed: Deployed, body: str = BODY) -> tuple[int, list[str]]:
    said: list[str] = []
    status = send(deployed, body, said.append)
    return status, "\n".join(said).splitlines()


def _put(stack: MockedStack, **item: dict[str, Any]) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}, **item})


def test_stored_is_what_the_table_holds(stack: MockedStack) -> None:
    flag: dict[str, dict[str, Any]] = {
        "version": {"N": "1"},
        "flag": {"BOOL": True},
        "t": {"S": "\u202e東"},
    }
    body = '{"order_id":"a","version":1.0,"flag":true,"t":"\u202e東"}'
    status, (told, item) = _tell(Acting(stack, lambda *_: _put(stack, **flag)), body)
    assert (status, told[:8]) == (0, "Stored, ")
    assert told.endswith(" s after it was sent:")
    assert item == r'{"order_id":"a","version":1.0,"flag":true,"t":"\u202e東"}'
    # Not equal, to Python: true is no 1.
    other = body.replace("true", "1")
    assert _tell(Acting(stack, lambda *_: None), other)[1][0].startswith("Superseded")


def test_an_event_that_is_there_already_is_sent_again(stack: MockedStack) -> None:
    _put(stack, version={"N": "1"})
    sent: list[str] = []
    told = _tell(Acting(stack, lambda _, body: sent.append(body)))
    assert told == (0, ["Stored: the table already held this very event.", BODY])
    assert sent == [BODY]


def test_superseded_is_one_of_which_nothing_is_left_but_another_item(stack: MockedStack) -> None:
    _put(stack, version={"N": "2"})
    told = _tell(Acting(stack, lambda *_: None))
    item = '{"order_id":"a","version":2}'
    assert told == (0, ["Superseded: the table keeps another event of its id.", item])


def test_one_that_still_waits_is_not_said_to_be_superseded(stack: MockedStack) -> None:
    _put(stack, version={"N": "2"})
    assert _tell(stack.deployed) == (
        1,
        ["Not known after 0 s what became of it; 1 messages are in the queue."],
    )


def test_nor_is_it_before_the_queues_counts_can_be_believed(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_send, "SETTLED_SECONDS", 60.0)
    _put(stack, version={"N": "2"})
    assert _tell(Acting(stack, lambda *_: None))[1][0].startswith("Not known after 0 s")


def test_a_rejection_is_told_by_the_log(stack: MockedStack) -> None:
    def reject(message_id: str, _: str) -> None:
        stack.log(messageId="another", outcome="rejected", reason="not this one")
        stack.log(messageId=message_id, outcome="rejected", reason="no\nid")

    told = _tell(Acting(stack, reject), "{}")
    assert told == (1, [r"Rejected: no\nid. It becomes a dead letter."])


def test_a_rejection_is_told_by_its_dead_letter_before_the_log_has_it(stack: MockedStack) -> None:
    stack.letter("{}", reason="older", sourceMessageId="another")

    def reject(message_id: str, body: str) -> None:
        stack.letter("{}", reason="not this one", sourceMessageId="one more")
        stack.letter(body, reason="no id", sourceMessageId=message_id)

    assert _tell(Acting(stack, reject), "{}") == (1, ["Rejected: no id. It is a dead letter."])
    assert len(stack.letters()) == 3


def test_others_dead_letters_are_not_looked_at_without_need(stack: MockedStack) -> None:
    stack.letter("{}", reason="older", sourceMessageId="another")
    acting = Acting(stack, lambda *_: None)
    called = stack.operations(acting)
    assert _tell(acting, "{}")[0] == 1
    assert "GetQueueAttributes" in called
    assert "ReceiveMessage" not in called


def test_a_failure_is_no_end_and_told_when_time_is_up(stack: MockedStack) -> None:
    _put(stack, version={"N": "2"})

    def fail(message_id: str, _: str) -> None:
        stack.log(messageId=message_id, outcome="failed", reason="throttled")

    (told,) = _tell(Acting(stack, fail))[1]
    assert told.startswith("Not known after 0 s what became of it; 0 messages are in the queue.")
    assert told.endswith(" Its last delivery failed: throttled.")


def test_one_that_sqs_gave_up_is_a_dead_letter_too(stack: MockedStack) -> None:
    def give_up(message_id: str, body: str) -> None:
        stack.letter(body, sourceMessageId=message_id)

    assert _tell(Acting(stack, give_up)) == (1, ["Failed. It is a dead letter."])


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        "{}",
        '{"order_id":1}',
        '{"order_id":""}',
        '{"order_id":"\\ud800"}',
        "[" * 10_000,
    ],
)
def test_what_has_no_id_is_sent_all_the_same(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(tools_send, "GRACE_SECONDS", -7.0)  # one look
    assert _tell(Acting(stack, lambda *_: None), body)[0] == 1
