"""The model of what must remain, on examples that anyone can check by eye."""

import random
from decimal import Decimal
from typing import Any

import pytest

from tests.model import Policy, expected, rank

# From the oldest to the newest.
VERSIONS = [
    None, Decimal(-1), Decimal("0.999"), Decimal(1), Decimal("1E+30"),
    "2016-12-31T23:59:59.999999999Z", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00",
    "2025-03-30T01:00:00Z", "2025-03-30T01:00:00.5Z", "2025-03-30T01:00:00.51+00:00",
]  # fmt: skip


def _event(version: object, state: str = "", event_id: str = "a") -> dict[str, Any]:
    event = {"event_id": event_id, "state": state, "timestamp": version}
    return event if version is not None else {"event_id": event_id, "state": state}


def test_versions_rank_by_kind_and_then_by_size_or_instant() -> None:
    events = [_event(version) for version in VERSIONS]
    shuffled = random.Random(1).sample(events, len(events))
    assert sorted(shuffled, key=rank) == events
    assert len({rank(event) for event in events}) == len(VERSIONS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2025-03-30T01:00:00.50Z", "2025-03-30T01:00:00.5+00:00"),
        (Decimal("1.0"), Decimal(1)),
    ],
)
def test_two_spellings_of_a_version_rank_the_same(one: object, other: object) -> None:
    assert rank({"v": one}, "v") == rank({"v": other}, "v")


@pytest.mark.parametrize(("policy", "state"), [("newest", "b"), ("first", "c"), ("last", "d")])
def test_each_policy_keeps_its_event_of_each_id(policy: Policy, state: str) -> None:
    other = _event(Decimal(1), "x", "other")
    events = [_event(Decimal(2), "c"), other, _event(Decimal(3), "b"), _event(None, "d")]
    kept = expected(events, policy)
    assert {event_id: event["state"] for event_id, event in kept.items()} == {
        "a": state,
        "other": "x",
    }
