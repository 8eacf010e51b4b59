"""Whatever the order, repetition, batching, concurrency and failures: the newest event stays.

Two promises. The table ends with the newest event of each id. And no message is acknowledged before
its event, or a newer one of its id, is stored. What is newest is decided by model.py.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tests.function.profiles  # noqa: F401 chooses hypothesis's profile
from function.exchange import Answer
from function.guard import Guard
from function.upsert import Upsert
from tests.function.batches import invoke, record
from tests.function.memory_table import MemoryTable, error
from tests.function.model import age, identical, stored

SECOND = "2025-03-30T01:00:00"
INSTANTS = [
    *(f"{SECOND}{rest}" for rest in ("Z", "+00:00", ".0Z", ".05Z", ".5Z", ".5+00:00", ".50Z")),
    *(f"{SECOND}{rest}" for rest in (".51Z", ".509Z", ".499999999Z", ".500000001+00:00")),
    "2025-03-30T01:00:01Z",
    "2025-03-30T00:59:59.999999999Z",
    "2016-12-31T23:59:59.9Z",
    "2016-12-31T23:59:60Z",
    "2016-12-31T23:59:60.5Z",
    "2017-01-01T00:00:00Z",
]
NUMBERS = ["0", "1", "1.0", "-1.5", "10", "9", "9007199254740992", "9007199254740993", "1e-7"]
BROKEN = [
    "",
    "{",
    "[]",
    '{"event_id": ""}',
    '{"event_id": "a", "x": NaN}',
    '{"event_id": "a", "state": 1, "state": 2}',
    '{"event_id": "a"}{"event_id": "a"}',
]

versions = st.one_of(
    st.none(),
    st.sampled_from(NUMBERS),
    st.sampled_from(INSTANTS).map(json.dumps),
    st.sampled_from(INSTANTS).map(json.dumps),
    st.integers(-(10**37), 10**37).map(str),
    st.builds(
        lambda second, digits, zone: f'"2025-03-30T01:00:0{second}.{digits}{zone}"',
        st.integers(0, 1),
        st.text("059", min_size=1, max_size=9),
        st.sampled_from(["Z", "+00:00"]),
    ),
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Draw an event, rarely one that DynamoDB refuses or that is none."""
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.sampled_from(BROKEN))
    members = [f'"event_id": "{draw(st.sampled_from("aab"))}"']
    if (version := draw(versions)) is not None:
        members.append(f'"version": {version}')
    if kind == 1:
        members.append('"poison": true')
    members.append(f'"state": {draw(st.sampled_from(["1", "0.1", "12345678901234567890.5"]))}')
    return "{" + ", ".join(members) + "}"


def meaning(body: str) -> dict[str, Any] | None:
    """Return the event in a body, or None where there is none."""
    if body in BROKEN:
        return None
    members: dict[str, Any] = json.loads(body, parse_int=Decimal, parse_float=Decimal)
    return members


def storable(bodies: Iterable[str]) -> list[dict[str, Any]]:
    """Return the events in bodies that DynamoDB takes."""
    return [event for body in bodies if (event := meaning(body)) and "poison" not in event]


def age_of(members: dict[str, Any]) -> Any:
    return age(members.get("version"))


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("function.store.THROTTLED_SECONDS", 1e-9)
        patch.setattr("function.store.TRANSIENT_SECONDS", 1e-9)
        yield


BEFORE: list[Callable[[], Answer]] = [
    lambda: error("ProvisionedThroughputExceededException"),
    lambda: error("InternalServerError", status=500),
    lambda: refuse(ConnectionRefusedError("nobody there")),
]


def refuse(reason: OSError) -> NoReturn:
    raise reason


class FaultyTable(MemoryTable):
    """A table that fails as told: before a write took effect, after it, or not at all."""

    def __init__(self, faults: list[int], turn: Callable[[], None] = lambda: None) -> None:
        """faults: for each attempt an index of BEFORE; one more: too late; larger: none."""
        super().__init__()
        self._faults = iter(faults)
        self._turn = turn

    def __call__(self, body: bytes, invocation_id: str, attempt: int) -> Answer:
        """Put an item, or fail as told."""
        self._turn()
        fault = next(self._faults, 99)
        if fault < len(BEFORE):
            return BEFORE[fault]()
        answer = super().__call__(body, invocation_id, attempt)
        if fault == len(BEFORE):
            raise TimeoutError("too late")
        return answer


@dataclass
class Queue:
    """SQS as the promises see it: messages come again until they are acknowledged."""

    bodies: dict[str, str]
    waiting: list[str]
    received: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    acknowledged: set[str] = field(default_factory=set)

    def take(self, size: int) -> list[str]:
        """Take up to size message ids, no id twice."""
        taken = list(dict.fromkeys(self.waiting[:size]))
        del self.waiting[:size]
        return taken

    def deliver(self, upsert: Upsert, table: MemoryTable, taken: list[str]) -> None:
        """Hand a batch over; check what it acknowledged; put back what it did not."""
        for message_id in taken:
            self.received[message_id] += 1
            assert self.received[message_id] < 100, "never acknowledged, though faults have ended"
        records = [record(self.bodies[each], each, self.received[each]) for each in taken]
        reported = invoke(upsert, *records)
        for message_id in taken:
            if message_id not in reported:
                self.acknowledged.add(message_id)
                event = meaning(self.bodies[message_id])
                assert event is not None, "acknowledged what is no event"
                in_table = stored(table.items[event["event_id"]])
                assert age_of(in_table) >= age_of(event), "acknowledged and not stored"
            elif self.received[message_id] < 3 or storable([self.bodies[message_id]]):
                self.waiting.append(message_id)


def check_newest(table: MemoryTable, queue: Queue) -> None:
    """Check that the table holds the newest event of each id, and nothing else."""
    events = storable(queue.bodies.values())
    assert table.items.keys() == {event["event_id"] for event in events}
    for event_id, item in table.items.items():
        of_id = [event for event in events if event["event_id"] == event_id]
        newest = max(map(age_of, of_id))
        assert any(identical(stored(item), event) for event in of_id if age_of(event) == newest)
    assert all(
        each in queue.acknowledged for each, body in queue.bodies.items() if storable([body])
    )


@st.composite
def queues(draw: st.DrawFn) -> Queue:
    """Draw messages in any order, some of them delivered several times."""
    numbered = {f"m{i}": body for i, body in enumerate(draw(st.lists(bodies(), max_size=10)))}
    repeated = draw(st.lists(st.sampled_from(sorted(numbered)), max_size=4)) if numbered else []
    return Queue(numbered, draw(st.permutations([*numbered, *repeated])))


faults = st.lists(st.integers(0, 8), max_size=20)
sizes = st.integers(1, 6)


@given(queues(), faults, st.lists(sizes, max_size=12), st.sampled_from([1, 1, 3]))
def test_any_delivery_ends_with_the_newest_event_of_each_id(
    queue: Queue, faults: list[int], sizes: list[int], workers: int
) -> None:
    table = FaultyTable(faults)
    upsert = Upsert(table.store(), workers, Guard("version"))
    rounds = iter(sizes)
    while queue.waiting:
        queue.deliver(upsert, table, queue.take(next(rounds, 10)))
    check_newest(table, queue)


class Turns:
    """Lets one of several threads at a time go on, as a list of choices says."""

    def __init__(self, choices: list[int]) -> None:
        self._choices = iter(choices)
        self._changed = threading.Condition()
        self._running = 0
        self._waiting: list[object] = []

    def wait(self) -> None:
        """Wait in a running thread until it is this one's turn."""
        me = object()
        with self._changed:
            self._waiting.append(me)
            self._running -= 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: me not in self._waiting, timeout=30)

    def run(self, *invocations: Callable[[], None]) -> None:
        """Run invocations side by side; raise what one of them raised."""
        raised: list[BaseException] = []

        def invocation(call: Callable[[], None]) -> None:
            try:
                call()
            except BaseException as error:
                raised.append(error)
            finally:
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()

        threads = [threading.Thread(target=invocation, args=(each,)) for each in invocations]
        self._running = len(threads)
        for thread in threads:
            thread.start()
        with self._changed:
            while True:
                assert self._changed.wait_for(lambda: not self._running, timeout=30)
                if not self._waiting:
                    break
                self._waiting.pop(next(self._choices, 0) % len(self._waiting))
                self._running += 1
                self._changed.notify_all()
        for thread in threads:
            thread.join()
        for each in raised:
            raise each


@given(queues(), faults, st.lists(st.tuples(sizes, sizes), max_size=6), st.lists(st.integers(0, 1)))
def test_two_invocations_at_once_end_with_the_newest_event_of_each_id(
    queue: Queue, faults: list[int], sizes: list[tuple[int, int]], choices: list[int]
) -> None:
    turns = Turns(choices)
    table = FaultyTable(faults, turns.wait)
    # Two execution environments: Lambda runs one invocation at a time in each.
    here, there = (Upsert(table.store(), 1, Guard("version")) for _ in range(2))
    rounds = iter(sizes)
    while queue.waiting:
        one, other = (queue.take(size) for size in next(rounds, (5, 5)))
        turns.run(
            lambda taken=one: queue.deliver(here, table, taken),  # type: ignore[misc]
            lambda taken=other: queue.deliver(there, table, taken),  # type: ignore[misc]
        )
    check_newest(table, queue)


@given(st.lists(bodies(), max_size=12), st.lists(sizes, max_size=12))
def test_without_a_guard_the_last_arrival_of_each_id_stays(
    arriving: list[str], sizes: list[int]
) -> None:
    table = MemoryTable()
    upsert = Upsert(table.store(), 1, Guard())
    rounds = iter(sizes)
    waiting = list(arriving)
    while waiting:
        size = next(rounds, 10)
        invoke(upsert, *map(record, waiting[:size]))
        del waiting[:size]
    last = {event["event_id"]: event for event in storable(arriving)}
    assert table.items.keys() == last.keys()
    assert all(identical(stored(item), last[key]) for key, item in table.items.items())


@given(st.lists(bodies(), min_size=1, max_size=8))
@example([f'{{"event_id": "a", "version": "{SECOND}{rest}"}}' for rest in ("Z", ".0Z", "Z", ".0Z")])
@example(['{"event_id": "a", "version": 1.0}', '{"event_id": "a", "version": 1}'])
def test_debouncing_ends_as_writing_one_by_one_does(arriving: list[str]) -> None:
    together, one_by_one = MemoryTable(), MemoryTable()
    invoke(Upsert(together.store(), 1, Guard("version")), *map(record, arriving))
    for body in arriving:
        invoke(Upsert(one_by_one.store(), 1, Guard("version")), record(body))
    assert together.items == one_by_one.items
