"""The checker, on ends made by hand: it must find whatever can be wrong."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.prove.checker import Account, account
from tests.prove.load import Message

BROKEN = Message(body="broken", storable=False)


def _event(version: object, event_id: str = "a", **members: object) -> dict[str, Any]:
    return {"event_id": event_id, "timestamp": version, **members}


def _item(event: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(json.dumps(event), parse_int=Decimal, parse_float=Decimal)
    return item


def _sent(*events: dict[str, Any]) -> dict[str, Message]:
    return {f"m{place}": Message(body=json.dumps(event)) for place, event in enumerate(events)}


def _counts(found: Account) -> tuple[int, ...]:
    return (
        *(found.stored, found.superseded, found.unstorable, found.given_up),
        *(len(found.lost), len(found.wrong), len(found.unexplained)),
    )


OLD, NEW = _event(1), _event(2)


def test_all_is_well_when_the_newest_is_stored_and_the_broken_one_a_dead_letter() -> None:
    sent = {**_sent(OLD, NEW, NEW), "b": BROKEN}
    found = account(sent, [_item(NEW)], [("b", "broken")], 0)
    assert found == Account(stored=2, superseded=1, unstorable=1)
    assert found.holds


def test_an_older_item_is_wrong_and_the_newer_message_lost() -> None:
    found = account(_sent(OLD, NEW), [_item(OLD)], [], 0)
    assert _counts(found) == (1, 0, 0, 0, 1, 1, 0)
    assert not found.holds


def test_a_newer_message_that_is_a_dead_letter_is_given_up_and_not_lost() -> None:
    found = account(_sent(OLD, NEW), [_item(OLD)], [("m1", json.dumps(NEW))], 0)
    assert found == Account(stored=1, given_up=1)


def test_a_dead_letter_that_was_stored_as_well_is_stored() -> None:
    found = account(_sent(OLD, NEW), [_item(NEW)], [("m1", json.dumps(NEW))], 0)
    assert found == Account(stored=1, superseded=1)


def test_an_id_without_an_item_loses_all_its_messages() -> None:
    assert _counts(account(_sent(OLD, NEW), [], [], 0)) == (0, 0, 0, 0, 2, 0, 0)


def test_a_broken_message_that_is_nowhere_is_lost() -> None:
    assert _counts(account({"b": BROKEN}, [], [], 0)) == (0, 0, 0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    "item",
    [
        {**_item(NEW), "extra": True},
        {**_item(NEW), "timestamp": Decimal("2.0000000000000000000001")},
        {"event_id": "a"},
    ],
)
def test_an_item_that_was_never_sent_is_wrong_and_holds_nothing(item: dict[str, Any]) -> None:
    assert _counts(account(_sent(OLD, NEW), [item], [], 0)) == (0, 0, 0, 0, 2, 1, 0)


def test_true_is_not_one() -> None:
    sent = _sent(_event(1, flag=True))
    found = account(sent, [_item(_event(1, flag=1))], [], 0)
    assert _counts(found) == (0, 0, 0, 0, 1, 1, 0)


def test_an_item_of_an_id_that_was_never_sent_is_unexplained() -> None:
    found = account(_sent(NEW), [_item(NEW), _item(_event(1, "b"))], [], 0)
    assert _counts(found) == (1, 0, 0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("dead_letters", "counts"),
    [
        ([("b", "broken"), ("b", "broken")], (0, 0, 1, 0, 0, 0, 0)),
        ([("b", "broken"), ("b", "altered")], (0, 0, 1, 0, 0, 1, 0)),
        ([("b", "broken"), ("c", "broken")], (0, 0, 1, 0, 0, 0, 1)),
        ([("b", "altered")], (0, 0, 1, 0, 0, 1, 0)),
    ],
)
def test_a_dead_letter_may_come_twice_and_one_of_nobody_or_altered_is_found(
    dead_letters: list[tuple[str, str]], counts: tuple[int, ...]
) -> None:
    assert _counts(account({"b": BROKEN}, [], dead_letters, 0)) == counts


def test_under_first_another_event_of_an_id_is_a_conflict_only_as_a_dead_letter() -> None:
    other = [("m0", json.dumps(OLD))]
    found = account(_sent(OLD, NEW, NEW), [_item(NEW)], other, 0, "first")
    assert found == Account(stored=2, conflicts=1)
    assert not account(_sent(OLD, NEW), [_item(NEW)], [], 0, "first").holds
    assert not account(_sent(OLD, NEW), [], other, 0, "first").holds


def test_what_is_left_in_the_queue_is_unexplained() -> None:
    found = account(_sent(NEW), [_item(NEW)], [], 3)
    assert found.unexplained == ["3 messages left in the queue"]
    assert not found.holds
