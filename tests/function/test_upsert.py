"""One batch: who is written, who shares whose fate, and what is answered when."""

import json
from typing import Any

import pytest

from function.request import Answer, Request
from tests.function.batches import FIRST, MANAGED, READ, Context, deliver, invoke, record
from tests.function.memory import SUPERSEDED, TOO_LARGE, Driver, Memory, error, ok, upsert

GUARD = {"VERSION_ATTRIBUTE": "v"}
SLOW = error("SlowDown")


class Script(Driver):
    """A table that answers to a state as told, or else as an empty one, and notes the puts."""

    def __init__(self, answers: dict[str, Answer] | None = None, **more: Any) -> None:
        self._answers = answers or {}
        self.puts: list[str] = []
        super().__init__(self._put, **more)

    def _put(self, request: Request) -> Answer:
        item = json.loads(request.body)["Item"]
        name = ":".join(each for member in item.values() for each in member.values())
        if request.attempt == 1:
            self.puts.append(name)
        return self._answers.get(name, ok({}))


def state(name: str) -> dict[str, Any]:
    """Make the message `a:2`: version 2 of the id a; or `a`: of no version."""
    event_id, _, version = name.partition(":")
    return record({"event_id": event_id, **({"v": int(version)} if version else {})}, name)


MANY = " ".join(f"e-{number}" for number in range(25))


@pytest.mark.parametrize(
    ("arriving", "answers", "puts", "failed", "counts"),
    [
        ("", {}, "", "", {}),
        (MANY, {}, MANY, "", {"Written": 25, "Unversioned": 25}),
        ("a:2 a:3 b a:1", {}, "a:3 b", "", {"Written": 2, "Coalesced": 2, "Unversioned": 1}),
        ("a:3 a:1", {"a:3": SUPERSEDED}, "a:3", "", {"Superseded": 1, "Coalesced": 1}),
        ("a:2 b:1 a:3 a:1", {"a:3": SLOW}, "a:3 b:1", "a:1 a:2 a:3", {"Written": 1, "Failed": 3}),
        (
            "a:1 a:3 a:2",
            {"a:3": TOO_LARGE},
            "a:3 a:2",
            "a:3",
            {"Written": 1, "Coalesced": 1, "Rejected": 1},
        ),
        (
            "a:1 a:3 a:4 a:2",
            {"a:4": TOO_LARGE, "a:3": SLOW},
            "a:4 a:3",
            "a:1 a:2 a:3 a:4",
            {"Rejected": 1, "Failed": 3},
        ),
        ("a:1 a:2", {"a:1": TOO_LARGE, "a:2": TOO_LARGE}, "a:2 a:1", "a:1 a:2", {"Rejected": 2}),
    ],
    ids=[
        "an empty batch",
        "each id in the order of arrival",
        "only the newest of an id",
        "superseded with its group",
        "failed with its group, and no other",
        "rejected alone, and the next is written",
        "rejected, and the next fails the rest",
        "all are rejected",
    ],
)
def test_one_of_each_id_is_written_and_decides_for_the_others(
    arriving: str, answers: dict[str, Answer], puts: str, failed: str, counts: dict[str, int]
) -> None:
    script = Script(answers)
    told = deliver(upsert(script, **GUARD), *map(state, arriving.split()))
    assert script.puts == puts.split()
    assert (told.failed, told.counts) == ({*failed.split()}, counts)


def test_another_member_may_be_the_key() -> None:
    driver = Driver(lambda _: ok({}))
    order = record({"order_id": "o-1", "v": 1}, "m")
    nameless = record({"event_id": "e"}, "n")
    assert invoke(upsert(driver, KEY_ATTRIBUTE="order_id", **FIRST), order, nameless) == {"n"}
    put = json.loads(driver.begun[0].body)
    assert put["Item"] == {"order_id": {"S": "o-1"}, "v": {"N": "1"}}
    assert put["ExpressionAttributeNames"] == {"#key": "order_id"}


def test_append_only_tries_the_earliest_and_judges_the_others_by_it() -> None:
    memory = Memory()
    same, other = record({"event_id": "a", "v": 1.0}, "same"), record({"event_id": "a"}, "other")
    told = deliver(upsert(memory, **FIRST), state("a:1"), other, same)
    assert told.failed == {"other"}
    assert told.counts == {"Written": 1, "Coalesced": 1, "Rejected": 1}
    assert told.reasons == ["another event is stored under its id, and the table is append-only"]
    told = deliver(upsert(memory, **FIRST), other, same)
    assert (told.failed, told.counts) == ({"other"}, {"Coalesced": 1, "Rejected": 1})
    assert memory.requests == ["PutItem", "PutItem"]


def test_a_message_that_came_twice_in_one_batch_is_reported_once_if_either_failed() -> None:
    core = upsert(Script({"a": SLOW}))
    for event_id in "ab":
        twice = record({"event_id": event_id}, "m"), record({"event_id": "a"}, "m")
        assert invoke(core, *twice) == {"m"}


NO_BATCH = "the event is no batch of SQS messages: it has no Records"
NO_ID = "a record has no messageId: it could not be reported"


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (None, NO_BATCH),
        ({}, NO_BATCH),
        ({"Records": {}}, NO_BATCH),
        ({"Records": [None]}, NO_ID),
        ({"Records": [state("a"), {"body": '{"event_id": "b"}'}]}, NO_ID),
        ({"Records": [state("a"), {**state("b"), "messageId": ""}]}, NO_ID),
        ({"Records": [state("a"), {**state("b"), "messageId": 7}]}, NO_ID),
    ],
)
def test_what_cannot_be_answered_for_raises_before_anything_is_written(
    event: Any, problem: str
) -> None:
    script = Script()
    with pytest.raises(ValueError, match=f"^{problem}$"):
        upsert(script)(event, Context())
    assert script.puts == []


def test_without_a_table_the_function_does_not_start() -> None:
    with pytest.raises(ValueError, match=r"^TABLE_NAME is not set; name the table of events$"):
        upsert(Script(), TABLE_NAME="")


def test_an_unusable_table_fails_every_message_with_one_line() -> None:
    script = Script({"a": SLOW, "b": error("AccessDeniedException")})
    told = deliver(upsert(script), *map(state, "ab"), record("x", "broken"), *map(state, "cdefghi"))
    assert told.failed >= {"broken", *"abgi"}
    assert script.puts[:2] == ["a", "b"]
    assert len(script.puts) <= 5
    unusable, broken = told.lines
    assert broken["messageId"] == "broken"
    assert unusable == {
        "level": "ERROR",
        "reason": "AccessDeniedException: because; allow the function's role dynamodb:PutItem on "
        "the table, and its key",
        "outcome": "failed",
        "messages": told.counts["Failed"],
    }


def test_what_is_not_confirmed_when_time_runs_out_is_failed() -> None:
    told = deliver(upsert(Script(requests=2)), *map(state, "abcdef"))
    assert told.failed == {*"cdef"}
    assert told.reasons == ["not confirmed before time ran out"] * 4
    assert told.counts == {"Written": 2, "Failed": 4}
    after = Script({"a:2": TOO_LARGE}, requests=1)
    told = deliver(upsert(after, **GUARD), state("a:2"), state("a:1"))
    assert told.reasons == [
        "ValidationException: Item size has exceeded",
        "not confirmed before time ran out",
    ]


class Clock(Driver):
    """Notes until when tasks may begin and are waited for."""

    def run(self, tasks: Any, begin_until: float, wait_until: float) -> None:
        """Note the moments."""
        self.moments = [*getattr(self, "moments", []), (begin_until, wait_until)]
        super().run(tasks, begin_until, wait_until)


@pytest.mark.parametrize(
    ("remaining", "more", "moments"),
    [
        (30_000, {}, [(1027, 1028.5)]),
        (1_000, {}, [(1000.8, 1000.9)]),
        (30_000, MANAGED, [(1024.5, 1026), (1027.25, 1028.5)]),
        (30_000, {**GUARD, **READ}, [(1009, 1009), (1027, 1028.5)]),
        (1_000, MANAGED, [(1000.6, 1000.7), (1000.8, 1000.9)]),
    ],
)
def test_time_is_kept_back_for_what_is_under_way_for_retries_and_for_the_answer(
    monkeypatch: pytest.MonkeyPatch,
    remaining: int,
    more: dict[str, str],
    moments: list[tuple[float, float]],
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    clock = Clock(Memory())
    invoke(upsert(clock, **more), state("a:1"), remaining=remaining)
    assert clock.moments == [pytest.approx(each) for each in moments]
