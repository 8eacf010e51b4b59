"""`python -m tools smoke`: which broken promise it names, what it asks of AWS, what it leaves."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from tests.model import rank
from tests.tools.conftest import MockedStack
from tools import smoke as tools_smoke
from tools.aws import explain
from tools.deployed import Deployed
from tools.errors import ToolError
from tools.event import decode
from tools.smoke import canaries, smoke

Item = dict[str, Any]
Keeps = Callable[[Item | None, Item], bool]
"""Whether what is stored stays, when an event comes."""


def _newest(stored: Item | None, event: Item) -> bool:
    return stored is not None and rank(stored, "version") >= rank(event, "version")


class Working(Deployed):
    """A stack whose function does its work as soon as something is sent."""

    def __init__(self, stack: MockedStack, keeps: Keeps, **outputs: Any) -> None:
        super().__init__({**stack.outputs, **outputs})
        self.stack, self._keeps = stack, keeps
        self.changed: Callable[[Item], Item] = lambda event: event
        self.bodies: list[str] = []

    def send(self, bodies: Iterable[str]) -> list[str]:
        """Send, and store what is newer or reject what has no id."""
        sent = list(bodies)
        ids = super().send(sent)
        self.bodies += sent
        for message_id, body in zip(ids, sent, strict=True):
            event = decode(body)
            if self.key not in event:
                self.reject(message_id, body)
            elif not self._keeps(self.item(event[self.key]), event):
                item = TypeSerializer().serialize(self.changed(event))["M"]
                self.stack.dynamodb.put_item(TableName="t", Item=item)
        self.stack.empty()
        return ids

    def reject(self, message_id: str, body: str) -> None:
        """Send it to the dead-letter queue."""
        self.stack.letter(body, reason="order_id is missing", sourceMessageId=message_id)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools_smoke, "GRACE_SECONDS", -13.5)  # of two visibility timeouts of 7 s
    monkeypatch.setattr(tools_smoke, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(tools_smoke, "LOOK_SECONDS", 0.02)


def _smoke(deployed: Deployed, *, broken: bool = False) -> tuple[list[str], list[str]]:
    said: list[str] = []
    return smoke(deployed, said.append, broken=broken), said


def test_all_promises_are_kept_with_these_permissions_and_nothing_is_left(
    stack: MockedStack,
) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "other"}})
    working = Working(stack, _newest)
    called = stack.operations(working)
    assert _smoke(working) == (
        [],
        [
            "sending 7 canaries; they have 0 s to be stored",
            "deleting what is left of the canaries",
        ],
    )
    # No receipt from the dead-letter queue, and nothing in it: no alarm's metric is touched.
    assert set(called) == {"GetQueueAttributes", "GetItem", "DeleteItem", "FilterLogEvents"}
    assert working.items() == [{"order_id": "other"}]
    assert working.dead() == 0
    assert len(working.bodies) == 7 + 6


@pytest.mark.parametrize(
    ("keeps", "promises"),
    [
        (
            lambda stored, event: False,
            {
                "A late event does not overwrite a newer one",
                "An event may come twice",
                "A version may have a fraction",
            },
        ),
        (
            lambda stored, event: stored is not None and stored["version"] >= event["version"],
            {"A version may have a fraction"},
        ),
        (
            lambda stored, event: stored is not None,
            {
                "A newer event replaces an older one",
                "An event may come twice",
                "A version may have a fraction",
            },
        ),
    ],
    ids=["last", "text order", "first"],
)
def test_a_function_with_another_order_is_named_by_its_promises(
    stack: MockedStack, keeps: Keeps, promises: set[str]
) -> None:
    working = Working(stack, keeps)
    failures, said = _smoke(working)
    assert {each.split(":")[0] for each in failures} == promises
    assert all(" is stored, and not {" in each for each in failures)
    assert said[-1] == "deleting what is left of the canaries"
    assert working.items() == []


def test_a_function_that_changes_an_event_is_named_with_what_is_stored(stack: MockedStack) -> None:
    working = Working(stack, _newest)
    working.changed = lambda event: {**event, "big": 1} if "big" in event else event
    ((failure,), _) = _smoke(working)
    assert failure.startswith('Numbers are exact: {"order_id":"smoke-')
    assert ',"big":1,' in failure.split(" is stored, and not ")[0]


def test_without_a_version_the_first_may_stay_or_the_last(stack: MockedStack) -> None:
    assert _smoke(Working(stack, lambda *_: False, versionAttribute=""))[0] == []
    first = Working(stack, lambda stored, _: stored is not None, versionAttribute="")
    assert _smoke(first)[0] == []
    assert len(first.bodies) == 4


def test_messages_that_nobody_takes_are_asked_about_and_named(stack: MockedStack) -> None:
    assert _smoke(stack.deployed)[0] == [
        "An event is stored: 7 of 7 are not after 0 s; the log says nothing of them, and 7 "
        "messages are in the queue: is the event source mapping enabled?"
    ]
    _, said = _smoke(stack.deployed)
    assert said[-1].startswith("7 messages may still be under way: delete what becomes of them;")


def test_the_log_says_why_nothing_is_stored_and_own_dead_letters_go(stack: MockedStack) -> None:
    stack.letter('{"other":1}', reason="no id", sourceMessageId="m-1")
    working = Working(stack, lambda *_: True)

    def give_up(bodies: Iterable[str]) -> list[str]:
        sent = list(bodies)
        ids = Deployed.send(working, sent)
        stack.empty()
        for message_id, body in zip(ids, sent, strict=True):
            stack.log(messageId=message_id, outcome="failed", reason="no\x9bright")
            stack.letter(body, sourceMessageId=message_id)
            stack.letter("forged", reason="another body", sourceMessageId=message_id)
        return ids

    working.send = give_up  # type: ignore[method-assign]
    failures, said = _smoke(working)
    assert failures == [r"An event is stored: 7 of 7 are not after 0 s; the log says: no\x9bright"]
    assert said[-1] == "deleting what is left of the canaries"
    assert stack.letters() == ["forged"] * 7 + ['{"other":1}']


def test_a_broken_one_is_sent_only_if_asked_for_and_its_dead_letter_removed(
    stack: MockedStack,
) -> None:
    stack.letter('{"other":1}', reason="no id", sourceMessageId="m-1")
    working = Working(stack, _newest)
    failures, said = _smoke(working, broken=True)
    assert failures == []
    assert "waiting up to 14 s for the broken one to be a dead letter" in said
    assert stack.letters() == ['{"other":1}']
    assert len(working.bodies) == 14


@pytest.mark.parametrize("logged", [True, False])
def test_a_reason_is_on_the_letter_or_in_the_log(stack: MockedStack, *, logged: bool) -> None:
    working = Working(stack, _newest)

    def move(message_id: str, body: str) -> None:
        if logged:
            stack.log(messageId=message_id, outcome="rejected", reason="no id")
        stack.letter(body, sourceMessageId=message_id)

    working.reject = move  # type: ignore[method-assign]
    failures, _ = _smoke(working, broken=True)
    assert [each.split(":")[0] for each in failures] == (
        [] if logged else ["A broken message becomes a dead letter, with its reason"]
    )
    assert stack.letters() == []


def test_a_broken_one_that_is_acknowledged_is_named(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_smoke, "GRACE_SECONDS", -13.5 - 14)
    working = Working(stack, _newest)
    working.reject = lambda *_: None  # type: ignore[method-assign]
    ((failure,), _) = _smoke(working, broken=True)
    assert failure.startswith("A broken message becomes a dead letter, with its reason: ")
    assert failure.endswith(" is not there after 0 s")


def test_a_dead_letter_queue_that_is_not_wired_is_named_and_no_broken_message_sent(
    stack: MockedStack,
) -> None:
    stack.sqs.set_queue_attributes(
        QueueUrl=stack.url,
        Attributes={"RedrivePolicy": stack.redrive.replace(":dead", ":q")},
    )
    working = Working(stack, _newest)
    assert _smoke(working, broken=True)[0] == [
        "A broken message becomes a dead letter, with its reason: the queue has no redrive policy "
        f"to {stack.dead_url}; none was sent"
    ]
    assert len(working.bodies) == 13


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
        ("GetItem", "dynamodb:GetItem"),
        ("DeleteItem", "dynamodb:DeleteItem"),
        ("FilterLogEvents", "logs:FilterLogEvents"),
    ],
)
def test_a_missing_permission_is_named_before_anything_is_sent(
    stack: MockedStack, operation: str, action: str
) -> None:
    def refuse(model: Any, **_: Any) -> None:
        if model.name == operation:
            told: Any = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}
            raise ClientError(told, operation)

    for name in ("sqs", "dynamodb", "logs"):
        stack.deployed.client(name).meta.events.register("before-call", refuse)
    with pytest.raises(ClientError) as refused:
        _smoke(stack.deployed, broken=True)
    assert explain(refused.value) == f"AWS refuses {action}, which this needs: not authorized"
    assert Deployed(stack.outputs).waiting() == 0


def test_without_a_queue_it_says_so(stack: MockedStack) -> None:
    working = Working(stack, _newest, queueUrl=f"{stack.url}-not")
    working.settings = stack.deployed.settings  # type: ignore[method-assign]
    with pytest.raises(ToolError, match=r"^There is no such queue: pass what"):
        _smoke(working)


def test_ctrl_c_deletes_what_it_made_and_says_what_it_could_not(stack: MockedStack) -> None:
    working = Working(stack, _newest)
    working.reject = lambda *_: None  # type: ignore[method-assign]
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("waiting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        smoke(working, say, broken=True)
    assert said[-2] == "deleting what is left of the canaries"
    assert said[-1].startswith("1 messages may still be under way: delete what becomes of them;")
    assert said[-1].rpartition(" ")[2] in working.bodies[-1]
    assert working.items() == []


# What it sends.


def test_the_canaries_have_ids_of_their_own_and_the_newest_is_what_remains() -> None:
    made = canaries("run", 'k"ey', "v")
    assert len({canary.event_id for canary in made}) == len(made)
    for canary in made:
        events = [decode(body) for body in (canary.first, *canary.later)]
        assert {event['k"ey'] for event in events} == {canary.event_id}
        assert canary.event_id.startswith("run-")
        assert decode(canary.remains) == max(events, key=lambda event: rank(event, "v"))


def test_what_comes_twice_is_the_same_to_the_character() -> None:
    (twice,) = (each for each in canaries("run", "k", "v") if each.event_id == "run-twice")
    assert twice.later[1] == twice.first != twice.remains == twice.later[0]
