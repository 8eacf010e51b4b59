"""`python -m tools send`: what it says became of an event, by its own item, log line and letter."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.tools.conftest import MockedStack
from tools import send as tools_send
from tools.deployed import Deployed
from tools.send import send

BODY = '{"order_id":"a","version":1}'
Act = Callable[[MockedStack, str, str], object]
Told = tuple[int, list[str]]
Tell = Callable[..., Told]


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
            self._act(self._stack, message_id, body)
        self._stack.empty()
        return ids


def _nothing(*_: object) -> None:
    """Acknowledge it."""


def _put(stack: MockedStack, **item: dict[str, Any]) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}, **item})


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    monkeypatch.setattr(tools_send, "SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(tools_send, "GRACE_SECONDS", -6.7)  # less than half a second is left

    def tell(deployed: Deployed, body: str = BODY) -> Told:
        return send(deployed, body), capsys.readouterr().out.splitlines()

    return tell


def test_stored_is_what_the_table_holds(stack: MockedStack, tell: Tell) -> None:
    item: dict[str, Any] = {"version": {"N": "1"}, "flag": {"BOOL": True}, "t": {"S": "\u202e東"}}
    body = '{"order_id":"a","version":1,"flag":true,"t":"\u202e東"}'
    status, (told, shown) = tell(Acting(stack, lambda *_: _put(stack, **item)), body)
    assert (status, told[:8], told[-21:]) == (0, "Stored, ", " s after it was sent:")
    assert shown == r'{"order_id":"a","version":1,"flag":true,"t":"\u202e東"}'
    # Not equal, to Python: true is no 1.
    other = body.replace("true", "1")
    assert tell(Acting(stack, _nothing), other)[1][0].startswith("Superseded")


def test_an_event_that_is_there_already_is_sent_again(stack: MockedStack, tell: Tell) -> None:
    _put(stack, version={"N": "1"})
    sent: list[str] = []
    told = tell(Acting(stack, lambda _, __, body: sent.append(body)))
    assert told == (0, ["Stored: the table already held this very event.", BODY])
    assert sent == [BODY]


def test_superseded_is_one_of_which_nothing_is_left_but_another_item(
    stack: MockedStack, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(stack, version={"N": "2"})
    item = '{"order_id":"a","version":2}'
    superseded = (0, ["Superseded: the table keeps another event of its id.", item])
    assert tell(Acting(stack, _nothing)) == superseded
    waiting = "Not known after 0 s what became of it; 1 messages are in the queue."
    assert tell(stack.deployed) == (1, [waiting])
    # Nor is it known before the queue's counts can be believed.
    stack.empty()
    monkeypatch.setattr(tools_send, "SETTLED_SECONDS", 60.0)
    assert tell(Acting(stack, _nothing))[1][0].startswith("Not known after 0 s")


def _reject(stack: MockedStack, message_id: str, _: str) -> None:
    stack.log(messageId="another", outcome="rejected", reason="not this one")
    stack.log(messageId=message_id, outcome="rejected", reason="no\nid")


def _aside(stack: MockedStack, message_id: str, body: str) -> None:
    stack.letter("{}", reason="not this one", sourceMessageId="one more")
    stack.letter(body, reason="no id", sourceMessageId=message_id)


def _give_up(stack: MockedStack, message_id: str, body: str) -> None:
    stack.letter(body, sourceMessageId=message_id)


def _fail(stack: MockedStack, message_id: str, _: str) -> None:
    stack.log(messageId=message_id, outcome="failed", reason="throttled")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (_reject, r"Rejected: no\nid. It becomes a dead letter."),
        (_aside, "Rejected: no id. It is a dead letter."),
        (_give_up, "Failed. It is a dead letter."),
        (
            _fail,
            "Not known after 0 s what became of it; 0 messages are in the queue. Its last delivery "
            "failed: throttled.",
        ),
    ],
)
def test_what_became_of_it_is_told_by_its_own_log_line_or_letter(
    stack: MockedStack, tell: Tell, act: Act, words: str
) -> None:
    _put(stack, version={"N": "2"})
    stack.letter("{}", reason="older", sourceMessageId="another")
    assert tell(Acting(stack, act)) == (1, [words])


def test_others_dead_letters_are_not_looked_at_without_need(stack: MockedStack, tell: Tell) -> None:
    stack.letter("{}", reason="older", sourceMessageId="another")
    acting = Acting(stack, _nothing)
    called = stack.operations(acting)
    assert tell(acting, "{}")[0] == 1
    assert "GetQueueAttributes" in called
    assert "ReceiveMessage" not in called
