"""What a seed decides: the messages, and which write meets which fault."""

from collections import Counter
from itertools import islice

import pytest

from tests.model import rank
from tests.prove.load import messages
from tests.prove.proxy import PERIOD, STORM, Fault, schedule
from tools.event import decode

DECK = sum(fault.weight for fault in Fault)


def test_a_seed_gives_the_same_and_another_one_another() -> None:
    assert messages(501, seed=1) == messages(501, seed=1)
    assert messages(501, seed=1) != messages(501, seed=2)
    assert len(messages(501, seed=1)) == 501
    first, again, other = (list(islice(schedule(seed), 2000)) for seed in (1, 1, 2))
    assert first == again != other


def test_messages_are_repeated_late_broken_oversized_and_of_every_kind_of_version() -> None:
    load = messages(5000, seed=4)
    assert len({message.body for message in load}) < 0.9 * len(load)
    assert sum(not message.storable for message in load) > 50
    assert any(len(message.body) > 400 * 1024 for message in load)
    newest: dict[str, tuple[int, object]] = {}
    states: dict[tuple[object, ...], str] = {}
    late = 0
    for body in (message.body for message in load if message.storable):
        event = decode(body)
        event_id, version = event["event_id"], rank(event)
        # A version belongs to one state of an id.
        assert states.setdefault((event_id, *version), body) == body
        late += version < newest.get(event_id, version)
        newest[event_id] = max(version, newest.get(event_id, version))
    assert late > 500
    assert {kind for _, kind, _ in states} == {0, 1, 2}


@pytest.mark.parametrize("seed", range(20))
def test_the_first_faults_are_one_of_each_kind_and_a_hundred_are_by_weight(seed: int) -> None:
    faults = list(islice((plan.fault for plan in schedule(seed) if plan), DECK))
    assert set(faults[: len(Fault)]) == set(Fault)
    assert Counter(faults) == {fault: fault.weight for fault in Fault}


def test_a_storm_fails_many_writes_and_the_calm_few() -> None:
    plans = list(islice(schedule(1), PERIOD))
    assert sum(plan is not None for plan in plans[:STORM]) > 0.3 * STORM
    assert 0 < sum(plan is not None for plan in plans[STORM:]) < 0.1 * (PERIOD - STORM)
