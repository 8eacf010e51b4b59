"""Whatever the order, repetition, batching, concurrency and failures: the right event stays.

Two promises, under each policy, with every option. The table ends as tests/model.py says. And no
message is acknowledged before its event, or one that supersedes it, is stored, or before SQS
confirmed it as a dead letter.
"""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.request import Answer, Request
from tests.function.batches import FIRST, MANAGED, NEWEST, READ, invoke, record
from tests.function.memory import Driver, Memory, error, ok, replying, upsert
from tests.function.test_policy import VERSIONS
from tests.model import expected, rank
from tools.event import decode, from_item, is_same

BROKEN = ["", "{", "[]", '{"event_id": ""}', '{"event_id": "a", "x": NaN}', '{"event_id": "a"}{}']
versions = st.one_of(
    st.sampled_from(VERSIONS),
    st.integers(-(10**37), 10**37).map(str),
    st.builds(
        '"2025-03-30T01:00:0{}.{}{}"'.format,
        st.integers(0, 1),
        st.text("059", min_size=1, max_size=9),
        st.sampled_from(["Z", "+00:00"]),
    ),
)


def make_body(kind: int, broken: str, key: str, version: str, state: str) -> str:
    """Make an event, rarely one that DynamoDB refuses (1) or that is none (0)."""
    if kind == 0:
        return broken
    more = (f', "version": {version}' if version else "") + (', "poison": 1' if kind == 1 else "")
    return f'{{"event_id": "{key}", "state": {state}{more}}}'


bodies = st.builds(
    make_body,
    st.integers(0, 19),
    st.sampled_from(BROKEN),
    st.sampled_from("aab"),
    versions,
    st.sampled_from(["1", "1.0", "12345678901234567890.5"]),
)


def storable(bodies: Iterable[str]) -> list[dict[str, Any]]:
    """Return the events in bodies that DynamoDB takes."""
    events = [decode(body) for body in bodies if body not in BROKEN]
    return [event for event in events if "poison" not in event]


BEFORE: Final = [
    replying(error("ProvisionedThroughputExceededException")),
    replying(error("InternalServerError", status=500)),
    replying(OSError("nobody there")),
]
LOST, LATER, HALF, DELETED, NESTED = range(len(BEFORE), len(BEFORE) + 5)


class World:
    """A queue that brings messages again until they are acknowledged, and a table that fails."""

    def __init__(self, data: st.DataObject, policy: dict[str, str]) -> None:
        """Draw messages in any order, some of them several times, and what fails when."""
        draw = data.draw
        environment = policy | draw(st.sampled_from([{}, READ, MANAGED, READ | MANAGED]))
        self.bodies = {f"m{i}": body for i, body in enumerate(draw(st.lists(bodies, max_size=10)))}
        ids = list(self.bodies)
        repeated = draw(st.lists(st.sampled_from(ids), max_size=4)) if ids else []
        self.waiting = draw(st.permutations([*ids, *repeated]))
        faults = st.one_of(st.integers(0, NESTED), st.just(99), st.just(98))
        self.faults = iter(draw(st.lists(faults, max_size=20)))
        self.sizes = iter(draw(st.lists(st.integers(1, 6), max_size=12)))
        choices = iter(draw(st.lists(st.integers(0, 3), max_size=30)))
        driver = Driver(self.answer, lambda most: next(choices, 0) % most)
        self.core = upsert(driver, **environment)
        self.is_append_only, self.is_managed = policy == FIRST, "QUEUE_URL" in environment
        self.memory, self.late = Memory(), list[Request]()
        self.received, self.deletions = Counter[str](), Counter[str]()
        self.acknowledged, self.first = set[str](), dict[tuple[str, int], Any]()

    def answer(self, request: Request) -> Answer:
        """Answer a request, or fail it: before it took effect, after, later, or in part."""
        fault = next(self.faults, 99)
        if fault < len(BEFORE):
            return BEFORE[fault](request)
        if fault == LATER:
            self.late.append(request)
            raise OSError("too late")
        if fault == DELETED and self.memory.items:
            key = sorted(self.memory.items)[0]
            del self.memory.items[key]
            self.deletions[key] += 1
        if fault == NESTED:  # another execution environment goes on meanwhile
            self.deliver()
        if self.late and fault % 2:
            self.memory(self.late.pop(0))
        if fault == HALF:
            return half(request, self.memory)
        answer = self.memory(request)
        for key, item in self.memory.items.items() if self.is_append_only else ():
            first = self.first.setdefault((key, self.deletions[key]), item)
            assert first is item, "an item was changed"
        if fault == LOST:
            raise OSError("lost on its way back")
        return answer

    def deliver(self) -> None:
        """Hand a batch over; check what it acknowledged; put back what it did not."""
        size = next(self.sizes, 10)
        taken = list(dict.fromkeys(self.waiting[:size]))
        del self.waiting[:size]
        self.received.update(taken)
        before = self.deletions.copy()
        records = [record(self.bodies[each], each, self.received[each]) for each in taken]
        reported = invoke(self.core, *records)
        letters = {letter["body"] for letter in self.memory.letters}
        for message_id in taken:
            body = self.bodies[message_id]
            if message_id in reported:
                if self.received[message_id] < 3 or self.is_managed or storable([body]):
                    self.waiting.append(message_id)
                continue
            self.acknowledged.add(message_id)
            if body in letters:
                continue
            assert body not in BROKEN, "acknowledged what is no event"
            event = decode(body)  # a refused one may share the fate of a newer one
            key = event["event_id"]
            if self.deletions[key] == before[key]:
                item = from_item(self.memory.items[key])
                is_newer = rank(item, "version") >= rank(event, "version")
                assert is_same(event, item) if self.is_append_only else is_newer, "not stored"

    def run(self) -> None:
        """Deliver until the queue is empty, or forever; let the last late requests arrive."""
        for _ in range(60):
            if self.waiting:
                self.deliver()
        for request in self.late:
            self.memory(request)


def half(request: Request, memory: Memory) -> Answer:
    """Return the half of what is read, or what confirms nothing, and do nothing."""
    if "PutItem" in request.target:
        return ok({})._replace(is_checked=False)
    if "BatchGetItem" in request.target:
        items = json.loads(memory(request).body)["Responses"]["events"][1:]
        return ok({"Responses": {"events": items}, "UnprocessedKeys": {"events": {}}})
    return ok({"MD5OfMessageBody": "another", "MD5OfMessageAttributes": "another"})


@given(st.data())
def test_any_delivery_ends_with_the_newest_event_of_each_id(data: st.DataObject) -> None:
    world = World(data, NEWEST)
    world.run()
    assert world.waiting == []
    events = storable(world.bodies.values())
    if not world.deletions:
        assert world.memory.items.keys() == {event["event_id"] for event in events}
    for key, item in world.memory.items.items():
        newest = max(rank(event, "version") for event in events if event["event_id"] == key)
        kept = [event for event in events if is_same(from_item(item), event)]
        assert kept, "what nobody sent"
        assert world.deletions[key] or rank(kept[0], "version") == newest
    letters = {letter["body"] for letter in world.memory.letters}
    for each, body in world.bodies.items():
        if storable([body]):
            assert each in world.acknowledged
            assert body not in letters
        elif body in BROKEN:
            assert (each in world.acknowledged) == (body in letters) == world.is_managed


@given(st.data())
def test_any_delivery_ends_with_one_event_of_each_id_unchanged(data: st.DataObject) -> None:
    world = World(data, FIRST)
    world.run()
    assert world.waiting == [] or not world.is_managed  # a conflict is never acknowledged
    for each, body in world.bodies.items():
        for event in storable([body]):
            item = world.memory.items.get(event["event_id"])
            if item is not None and is_same(from_item(item), event) and not world.deletions:
                assert each in world.acknowledged


@given(st.lists(st.lists(bodies, max_size=6), max_size=4))
@pytest.mark.parametrize("policy", ["first", "last"])
def test_without_failures_the_first_or_the_last_arrival_of_each_id_stays(
    policy: Any, batches: list[list[str]]
) -> None:
    memory = Memory()
    for batch in batches:
        invoke(upsert(memory, **(FIRST if policy == "first" else {})), *map(record, batch))
    remains = expected(storable(chain.from_iterable(batches)), policy)
    assert is_same({key: from_item(item) for key, item in memory.items.items()}, remains)
