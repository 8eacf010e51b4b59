"""Which of several messages for one id is written, and in which order the others stand by."""

import json
from itertools import permutations

import pytest

from function.event import Event, parse
from function.guard import Guard
from function.newest import newest_first
from tests.function.batches import record

GUARD = Guard("version")
SECOND = "2025-03-30T01:00:00"


def events(*states: tuple[str, object]) -> list[Event]:
    """Make events of (event_id, version), in order of arrival; version None: absent."""
    parsed = []
    for arrival, (event_id, version) in enumerate(states):
        body = {"event_id": event_id} | ({} if version is None else {"version": version})
        event = parse(record(json.dumps(body)), arrival, GUARD)
        assert isinstance(event, Event)
        parsed.append(event)
    return parsed


def order(*versions: object) -> list[int]:
    """Return the arrivals of events of one id, newest first."""
    (group,) = newest_first(events(*(("a", version) for version in versions)), GUARD)
    return [event.arrival for event in group]


def test_no_events_make_no_groups() -> None:
    assert newest_first([], GUARD) == []


def test_each_id_has_a_group_of_its_own() -> None:
    a1, b, a2 = events(("a", 1), ("b", 5), ("a", 2))
    assert newest_first(iter([a1, b, a2]), GUARD) == [[a2, a1], [b]]


def test_without_versions_the_later_arrival_is_newer() -> None:
    assert order(None, None, None) == [2, 1, 0]


@pytest.mark.parametrize("shuffle", list(permutations(range(5))))
def test_a_newer_version_wins_wherever_it_stands(shuffle: tuple[int, ...]) -> None:
    rising = [None, 9, 10.5, f"{SECOND}Z", f"{SECOND}.5Z"]
    assert order(*(rising[i] for i in shuffle)) == [shuffle.index(i) for i in (4, 3, 2, 1, 0)]


def test_of_equal_numbers_the_later_arrival_wins_however_it_is_spelled() -> None:
    assert order(1, 1.0, 1, 0) == [2, 1, 0, 3]


def test_of_equal_texts_the_later_arrival_wins() -> None:
    assert order(f"{SECOND}Z", f"{SECOND}Z", f"{SECOND}Z") == [2, 1, 0]


def test_an_instant_stays_in_the_spelling_that_came_first_as_the_guard_keeps_it() -> None:
    assert order(f"{SECOND}Z", f"{SECOND}.0Z", f"{SECOND}Z", f"{SECOND}.0Z") == [2, 0, 3, 1]


def test_a_newer_instant_wins_over_a_spelling_that_came_first() -> None:
    assert order(f"{SECOND}.5Z", f"{SECOND}.51Z", f"{SECOND}.50Z") == [1, 0, 2]
