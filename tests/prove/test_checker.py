"""The checker, on ends made by hand: it must find whatever can be wrong."""

import json
from collections import Counter

import pytest

from tests.model import Policy
from tests.prove.checker import Fate, account
from tests.prove.load import Message
from tools.event import decode

STORED, SUPERSEDED, UNSTORABLE, CONFLICT, GIVEN_UP, LOST, WRONG, UNEXPLAINED, VIOLATION = Fate


def _body(version: int, event_id: str = "a", **members: object) -> str:
    return json.dumps({"event_id": event_id, "timestamp": version, **members})


OLD, NEW, FLAG, OTHER = _body(1), _body(2), _body(1, flag=True), _body(1, "b")
ALMOST = '{"event_id": "a", "timestamp": 2.0000000000000000000001}'
BROKEN = "broken"  # no table could hold it
Letters = list[tuple[int, str]]


@pytest.mark.parametrize(
    ("sent", "items", "dead", "fates"),
    [
        # All is well when the newest is stored and the broken one a dead letter.
        (
            [OLD, NEW, NEW, BROKEN],
            [NEW],
            [(3, BROKEN)],
            [STORED, STORED, SUPERSEDED, UNSTORABLE],
        ),
        # A newer message that is a dead letter is given up; one that was stored as well is stored.
        ([OLD, NEW], [OLD], [(1, NEW)], [STORED, GIVEN_UP]),
        ([OLD, NEW], [NEW], [(1, NEW)], [STORED, SUPERSEDED]),
        # An older item is wrong, and the newer message lost; without an item all are.
        ([OLD, NEW], [OLD], [], [STORED, LOST, WRONG]),
        ([OLD, NEW], [], [], [LOST, LOST]),
        ([BROKEN], [], [], [LOST]),
        # An item that was never sent is wrong, and holds nothing: true is not 1.
        ([OLD, NEW], [_body(2, extra=True)], [], [LOST, LOST, WRONG]),
        ([OLD, NEW], ['{"event_id": "a"}'], [], [LOST, LOST, WRONG]),
        ([OLD, NEW], [ALMOST], [], [LOST, LOST, WRONG]),
        ([FLAG], [_body(1, flag=1)], [], [LOST, WRONG]),
        ([NEW], [NEW, OTHER], [], [STORED, UNEXPLAINED]),
        # A dead letter may come twice, but not altered, and none of nobody.
        ([BROKEN], [], [(0, BROKEN), (0, BROKEN)], [UNSTORABLE]),
        ([BROKEN], [], [(0, BROKEN), (0, "altered")], [UNSTORABLE, WRONG]),
        ([BROKEN], [], [(0, "altered")], [UNSTORABLE, WRONG]),
        ([BROKEN], [], [(0, BROKEN), (1, BROKEN)], [UNSTORABLE, UNEXPLAINED]),
    ],
)
def test_each_message_has_one_fate_and_what_is_wrong_is_found(
    sent: list[str], items: list[str], dead: Letters, fates: list[Fate]
) -> None:
    assert _fates(sent, items, dead) == Counter(fates)


@pytest.mark.parametrize(
    ("sent", "items", "dead", "fates"),
    [
        ([OLD, NEW, NEW], [NEW], [(0, OLD)], [STORED, STORED, CONFLICT]),
        ([OLD, NEW], [NEW], [], [STORED, LOST, WRONG]),
        ([OLD, NEW], [], [(0, OLD)], [GIVEN_UP, LOST]),
    ],
)
def test_under_first_another_event_of_an_id_is_a_conflict_only_as_a_dead_letter(
    sent: list[str], items: list[str], dead: Letters, fates: list[Fate]
) -> None:
    assert _fates(sent, items, dead, policy="first") == Counter(fates)


def test_what_is_left_in_the_queue_is_unexplained() -> None:
    assert _fates([NEW], [NEW], [], left=3) == Counter([STORED, UNEXPLAINED])


def _fates(
    sent: list[str], items: list[str], dead: Letters, left: int = 0, policy: Policy = "newest"
) -> Counter[Fate]:
    bodies = {str(n): Message(body=body, storable=body != BROKEN) for n, body in enumerate(sent)}
    letters = [(str(number), body) for number, body in dead]
    return Counter(fate for fate, _ in account(bodies, map(decode, items), letters, left, policy))
