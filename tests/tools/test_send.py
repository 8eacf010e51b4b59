"""`python -m tools send` and `smoke`: what they say became of events, what they ask and leave."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from tests.model import rank
from tests.tools.conftest import MockedStack
from tools import send as tools_send
from tools.deployed import Deployed
from tools.event import decode
from tools.send import send, smoke

BODY = '{"order_id":"a","version":1}'
Act = Callable[[MockedStack, str, str], object]
Told = tuple[int, list[str]]
Tell = Callable[..., Told]


class Acting(Deployed):
    """A stack whose function does one thing with each message, told by its id and body."""

    def __init__(self, stack: MockedStack, act: Act, **outputs: Any) -> None:
        super().__init__({**stack.outputs, **outputs})
        self._stack, self._act = stack, act
        self.bodies: list[str] = []

    def send(self, bodies: Iterable[str]) -> list[str]:
        """Send, act, and take it from the queue."""
        sent = list(bodies)
        ids = super().send(sent)
        self.bodies += sent
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
    acting = Acting(stack, _nothing)
    assert tell(acting) == (0, ["Stored: the table already held this very event.", BODY])
    assert acting.bodies == [BODY]


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


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda stack, it, _: stack.log(messageId=it, outcome="rejected", reason="no\nid"),
            r"Rejected: no\nid. It becomes a dead letter.",
        ),
        (
            lambda stack, it, body: stack.letter(body, reason="no id", sourceMessageId=it),
            "Rejected: no id. It is a dead letter.",
        ),
        (
            lambda stack, it, body: stack.letter(body, sourceMessageId=it),
            "Failed. It is a dead letter.",
        ),
        (
            lambda stack, it, _: stack.log(messageId=it, outcome="failed", reason="throttled"),
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
    stack.log(messageId="another", outcome="rejected", reason="not this one")
    assert tell(Acting(stack, act)) == (1, [words])


Item = dict[str, Any]
Keeps = Callable[[Item | None, Item], bool]
"""Whether what is stored stays, when an event comes."""
Run = Callable[..., tuple[list[str], list[str]]]
LETTER = "a broken message becomes a dead letter, with its reason: "
DELETING = "deleting what is left of the canaries"


def _newest(stored: Item | None, event: Item) -> bool:
    return stored is not None and rank(stored, "version") >= rank(event, "version")


class Working(Acting):
    """A stack whose function does its work as soon as something is sent."""

    def __init__(self, stack: MockedStack, keeps: Keeps = _newest, **outputs: Any) -> None:
        super().__init__(stack, lambda _, *message: self.work(*message), **outputs)
        self._keeps = keeps
        self.reject: Callable[[str, str], object] = lambda message_id, body: stack.letter(
            body, reason="no id", sourceMessageId=message_id
        )

    def work(self, message_id: str, body: str) -> None:
        """Do what the function does with a message."""
        event = decode(body)
        if self.key not in event:
            self.reject(message_id, body)
        elif not self._keeps(self.item(event[self.key]), event):
            item = TypeSerializer().serialize(event)["M"]
            self._stack.dynamodb.put_item(TableName="t", Item=item)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs smoke, and returns the broken promises and what it says meanwhile."""
    monkeypatch.setattr(tools_send, "GRACE_SECONDS", -13.5)  # of two visibility timeouts of 7 s
    monkeypatch.setattr(tools_send, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr(tools_send, "CANARY_SECONDS", 0.02)

    def run(deployed: Deployed, **options: bool) -> tuple[list[str], list[str]]:
        status = smoke(deployed, **options)
        told = capsys.readouterr()
        assert status == (not told.out.startswith("All promises are kept ("))
        return told.out.splitlines() if status else [], told.err.splitlines()

    return run


def _promises(failures: Iterable[str]) -> set[str]:
    return {each.split(":")[0] for each in failures}


def test_all_promises_are_kept_with_these_permissions_and_nothing_is_left(
    stack: MockedStack, run: Run
) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "other"}})
    working = Working(stack)
    called = stack.operations(working)
    sending = "sending canaries of 5 ids; they have 0 s"
    assert run(working) == ([], [sending, DELETING])
    # No receipt from the dead-letter queue, and nothing in it: no alarm's metric is touched.
    assert set(called) == {
        *("GetQueueAttributes", "GetItem", "DeleteItem", "FilterLogEvents"),
        "SendMessageBatch",
    }
    assert working.items() == [{"order_id": "other"}]
    assert working.dead() == 0
    assert len(working.bodies) == 14 + 7


LATE = "updates out of order; later the first and the newest again, one older than all"
FRACTIONS, NUMBERS = "fractions of a second in any precision", "numbers as versions"


@pytest.mark.parametrize(
    ("keeps", "promises"),
    [
        (lambda stored, event: False, {LATE, FRACTIONS}),
        (lambda stored, event: stored and stored["version"] >= event["version"], {FRACTIONS}),
        (lambda stored, event: stored is not None, {LATE, FRACTIONS, NUMBERS}),
    ],
    ids=["last", "text order", "first"],
)
def test_a_function_with_another_order_is_named_by_its_promises(
    stack: MockedStack, run: Run, keeps: Keeps, promises: set[str]
) -> None:
    working = Working(stack, keeps)
    failures, said = run(working)
    assert _promises(failures) == promises
    assert all(' is stored, and not {"order_id":"smoke-' in each for each in failures)
    assert said[-1] == DELETING
    assert working.items() == []


def test_without_a_version_the_first_may_stay_or_the_last(stack: MockedStack, run: Run) -> None:
    assert run(Working(stack, lambda *_: False, versionAttribute=""))[0] == []
    first = Working(stack, lambda stored, _: stored is not None, versionAttribute="")
    assert run(first)[0] == []
    assert len(first.bodies) == 3


def test_messages_that_nobody_takes_are_asked_about_and_named(stack: MockedStack, run: Run) -> None:
    failures, said = run(stack.deployed)
    assert all(": nothing is stored, and not {" in each for each in failures[:5])
    assert failures[5:] == [
        "The log says nothing of it, and 14 messages are in the queue: is the event source mapping "
        "enabled?"
    ]
    assert said[-1].startswith("14 messages may still be under way: delete what becomes of them;")


def test_the_log_says_why_nothing_is_stored_and_own_dead_letters_go(
    stack: MockedStack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.letter('{"other":1}', reason="no id", sourceMessageId="m-1")
    working = Working(stack)

    def give_up(message_id: str, body: str) -> None:
        stack.log(messageId=message_id, outcome="failed", reason="no\x9bright")
        stack.letter("forged", reason="another body", sourceMessageId=message_id)
        stack.letter(body, sourceMessageId=message_id)

    monkeypatch.setattr(working, "work", give_up)
    failures, said = run(working)
    assert failures[5:] == [r"The log says: no\x9bright"]
    assert said[-1] == DELETING
    assert stack.letters() == ["forged"] * 14 + ['{"other":1}']


def test_a_broken_message_is_a_dead_letter_with_a_reason_and_goes(
    stack: MockedStack, run: Run
) -> None:
    stack.letter('{"other":1}', reason="no id", sourceMessageId="m-1")
    working = Working(stack)
    assert run(working, broken=True) == (
        [],
        [
            "sending canaries of 5 ids; they have 0 s",
            "waiting up to 14 s for the broken one to be a dead letter",
            DELETING,
        ],
    )
    assert stack.letters() == ['{"other":1}']
    working.reject = lambda message_id, body: stack.letter(body, sourceMessageId=message_id)
    silent = f"{LETTER}neither the letter nor the log tells one"
    assert run(working, broken=True)[0] == [silent]
    stack.log(messageId="m", outcome="rejected", reason="no id")
    assert run(working, broken=True)[0] == []


def test_a_broken_message_that_is_acknowledged_or_has_nowhere_to_go_is_named(
    stack: MockedStack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = Working(stack)
    elsewhere: Any = {"RedrivePolicy": stack.redrive.replace(":dead", ":q")}
    stack.sqs.set_queue_attributes(QueueUrl=stack.url, Attributes=elsewhere)
    nowhere = f"{LETTER}no redrive policy leads to the dead-letter queue; none was sent"
    assert run(working, broken=True)[0] == [nowhere]
    assert len(working.bodies) == 21
    own: Any = {"RedrivePolicy": stack.redrive}
    stack.sqs.set_queue_attributes(QueueUrl=stack.url, Attributes=own)
    monkeypatch.setattr(tools_send, "GRACE_SECONDS", -13.5 - 14)
    working.reject = lambda *_: ""
    assert run(working, broken=True)[0] == [f"{LETTER}it is not there after 0 s"]


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sqs", "GetQueueAttributes"),
        ("dynamodb", "GetItem"),
        ("dynamodb", "DeleteItem"),
        ("logs", "FilterLogEvents"),
    ],
)
def test_a_missing_permission_is_named_before_anything_is_sent(
    stack: MockedStack, service: str, operation: str
) -> None:
    def refuse(model: Any, **_: Any) -> None:
        if model.name == operation:
            raise ClientError({"Error": {}}, operation)

    stack.deployed.client(service).meta.events.register("before-call", refuse)
    with pytest.raises(ClientError, match=f"calling the {operation} operation"):
        smoke(stack.deployed)
    assert Deployed(stack.outputs).waiting() == 0


def test_others_dead_letters_are_not_looked_at_without_need(stack: MockedStack, tell: Tell) -> None:
    stack.letter("{}", reason="older", sourceMessageId="another")
    acting = Acting(stack, _nothing)
    called = stack.operations(acting)
    assert tell(acting, "{}")[0] == 1
    assert "GetQueueAttributes" in called
    assert "ReceiveMessage" not in called


def test_ctrl_c_deletes_what_it_made_and_says_what_it_could_not(
    stack: MockedStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    working = Working(stack)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tools_send, "wait_for", interrupt)
    with pytest.raises(KeyboardInterrupt):
        smoke(working)
    *_, deleting, left = capsys.readouterr().err.splitlines()
    assert deleting == DELETING
    assert left.startswith("14 messages may still be under way: delete what becomes of them;")
    assert left.rpartition(" ")[2] in working.bodies[-1]
    assert working.items() == []
