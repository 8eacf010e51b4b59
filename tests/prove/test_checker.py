"""The checker, on ends made by hand: it must find whatever can be wrong."""

import json
from typing import Any

import pytest

from tests.prove.checker import Account, Policy, account
from tests.prove.load import Message
from tools.event import decode


def _body(version: int, event_id: str = "a", **members: object) -> str:
    return json.dumps({"event_id": event_id, "timestamp": version, **members})


OLD, NEW, FLAG, OTHER = _body(1), _body(2), _body(1, flag=True), _body(1, "b")
BROKEN = "broken"  # no table could hold it

Letters = list[tuple[int, str]]
LOST, WRONG, UNEXPLAINED = "lost", "wrong", "unexplained"


@pytest.mark.parametrize(
    ("sent", "items", "dead", "counts"),
    [
        # All is well when the newest is stored and the broken one a dead letter.
        ([OLD, NEW, NEW, BROKEN], [NEW], [(3, BROKEN)], (2, 1, 1, 0)),
        # A newer message that is a dead letter is given up; one that was stored as well is stored.
        ([OLD, NEW], [OLD], [(1, NEW)], (1, 0, 0, 1)),
        ([OLD, NEW], [NEW], [(1, NEW)], (1, 1, 0, 0)),
        # An older item is wrong, and the newer message lost; without an item all are.
        ([OLD, NEW], [OLD], [], (1, 0, 0, 0, LOST, WRONG)),
        ([OLD, NEW], [], [], (0, 0, 0, 0, LOST, LOST)),
        ([BROKEN], [], [], (0, 0, 0, 0, LOST)),
        # An item that was never sent is wrong, and holds nothing: true is not 1.
        ([OLD, NEW], [_body(2, extra=True)], [], (0, 0, 0, 0, LOST, LOST, WRONG)),
        ([OLD, NEW], ['{"event_id": "a"}'], [], (0, 0, 0, 0, LOST, LOST, WRONG)),
        ([FLAG], [_body(1, flag=1)], [], (0, 0, 0, 0, LOST, WRONG)),
        (
            [OLD, NEW],
            ['{"event_id": "a", "timestamp": 2.0000000000000000000001}'],
            [],
            (0, 0, 0, 0, LOST, LOST, WRONG),
        ),
        ([NEW], [NEW, OTHER], [], (1, 0, 0, 0, UNEXPLAINED)),
        # A dead letter may come twice, but not altered, and none of nobody.
        ([BROKEN], [], [(0, BROKEN), (0, BROKEN)], (0, 0, 1, 0)),
        ([BROKEN], [], [(0, BROKEN), (0, "altered")], (0, 0, 1, 0, WRONG)),
        ([BROKEN], [], [(0, "altered")], (0, 0, 1, 0, WRONG)),
        ([BROKEN], [], [(0, BROKEN), (1, BROKEN)], (0, 0, 1, 0, UNEXPLAINED)),
    ],
)
def test_each_message_is_counted_once_and_what_is_wrong_is_found(
    sent: list[str], items: list[str], dead: Letters, counts: tuple[Any, ...]
) -> None:
    found = _account(sent, items, dead)
    problems = [LOST] * len(found.lost) + [WRONG] * len(found.wrong)
    problems += [UNEXPLAINED] * len(found.unexplained)
    kinds = (found.stored, found.superseded, found.unstorable, found.given_up)
    assert (*kinds, *problems) == counts
    assert found.holds == (not problems)


def _account(
    sent: list[str], items: list[str], dead: Letters, left: int = 0, policy: Policy = "newest"
) -> Account:
    return account(
        {str(n): Message(body=body, storable=body != BROKEN) for n, body in enumerate(sent)},
        map(decode, items),
        [(str(number), body) for number, body in dead],
        left,
        policy,
    )


def test_under_first_another_event_of_an_id_is_a_conflict_only_as_a_dead_letter() -> None:
    found = _account([OLD, NEW, NEW], [NEW], [(0, OLD)], policy="first")
    assert found == Account(stored=2, conflicts=1)
    assert not _account([OLD, NEW], [NEW], [], policy="first").holds
    assert not _account([OLD, NEW], [], [(0, OLD)], policy="first").holds


def test_what_is_left_in_the_queue_is_unexplained() -> None:
    found = _account([NEW], [NEW], [], left=3)
    assert found.unexplained == ["3 messages left in the queue"]
    assert not found.holds
