"""What a seed decides: the messages, and which write meets which fault."""

import json
from collections import Counter
from itertools import islice

import pytest

from tests.model import decode, rank
from tests.prove.load import messages
from tests.prove.proxy import PERIOD, STORM, Fault, schedule

DECK = sum(fault.weight for fault in Fault)


def test_a_seed_gives_the_same_messages_and_another_one_others() -> None:
    assert messages(500, seed=1) == messages(500, seed=1)
    assert messages(500, seed=1) != messages(500, seed=2)
    assert len(messages(501, seed=1)) == 501


def test_a_version_belongs_to_one_state_of_an_id() -> None:
    states: dict[tuple[object, ...], str] = {}
    for message in messages(5000, seed=3):
        if message.storable:
            event = decode(message.body)
            key = event["event_id"], *rank(event)
            assert states.setdefault(key, message.body) == message.body


def test_messages_are_repeated_late_broken_oversized_and_of_every_kind_of_version() -> None:
    load = messages(5000, seed=4)
    bodies = [message.body for message in load]
    assert len(set(bodies)) < 0.9 * len(bodies)
    assert sum(not message.storable for message in load) > 50
    assert any(len(body) > 400 * 1024 for body in bodies)
    ages = [(event["event_id"], rank(event)) for event in map(decode, _storable(bodies, load))]
    newest: dict[str, tuple[int, object]] = {}
    late = 0
    for event_id, version in ages:
        late += version < newest.get(event_id, version)
        newest[event_id] = max(version, newest.get(event_id, version))
    assert late > 500
    assert {kind for _, (kind, _) in ages} == {0, 1, 2}


def _storable(bodies: list[str], load: list) -> list[str]:  # type: ignore[type-arg]
    return [body for body, message in zip(bodies, load, strict=True) if message.storable]


def test_a_message_is_storable_only_if_it_is_json() -> None:
    for message in messages(2000, seed=5):
        if message.storable:
            assert json.loads(message.body)["event_id"]


def test_a_seed_gives_the_same_faults_and_another_one_others() -> None:
    def first(seed: int) -> list[object]:
        return list(islice(schedule(seed), 2000))

    assert first(1) == first(1)
    assert first(1) != first(2)


@pytest.mark.parametrize("seed", range(20))
def test_the_first_faults_are_one_of_each_kind_and_a_hundred_are_by_weight(seed: int) -> None:
    faults = list(islice((plan.fault for plan in schedule(seed) if plan), DECK))
    assert set(faults[: len(Fault)]) == set(Fault)
    assert Counter(faults) == {fault: fault.weight for fault in Fault}


def test_a_storm_fails_many_writes_and_the_calm_few() -> None:
    plans = list(islice(schedule(1), PERIOD))
    storm = [plan for plan in plans[:STORM] if plan]
    calm = [plan for plan in plans[STORM:PERIOD] if plan]
    assert len(storm) > 0.3 * STORM
    assert 0 < len(calm) < 0.1 * (PERIOD - STORM)
