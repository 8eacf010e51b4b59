"""One batch: who is written, who shares whose fate, what is answered when, and what is logged."""

import io
import json
import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from function.loop import Loop
from function.request import Answer, Request
from tests.function.batches import FIRST, MANAGED, NEWEST, READ, Context, deliver, invoke, record
from tests.function.memory import SUPERSEDED, TOO_LARGE, Driver, Memory, Step, error, ok, upsert

SLOW = error("SlowDown")


def name(request: Request) -> str:
    """Return the name of the state that a request puts: `a:2`, version 2 of the id a; or `a`."""
    item = json.loads(request.body).get("Item", {})
    return ":".join(each for member in item.values() for each in member.values())


def state(name: str) -> dict[str, Any]:
    """Make the message that carries the state of this name."""
    event_id, _, version = name.partition(":")
    return record({"event_id": event_id, **({"version": int(version)} if version else {})}, name)


def scripted(answers: dict[str, Answer], memory: Memory | None = None, **more: Any) -> Driver:
    """Answer to these states as told, and to all else from memory."""
    otherwise = memory or Memory()
    return Driver(lambda request: answers.get(name(request)) or otherwise(request), **more)


MANY = " ".join(f"e{number}" for number in range(25))


@pytest.mark.parametrize(
    ("arriving", "answers", "tried", "failed", "outcomes"),
    [
        ("", {}, "", "", ""),
        (MANY, {}, MANY, "", "Written Unversioned " * 25),
        ("a:2 a:3 b a:1", {}, "a:3 b", "", "Written Coalesced Coalesced Written Unversioned"),
        ("a:3 a:1", {"a:3": SUPERSEDED}, "a:3", "", "Superseded Coalesced"),
        ("a:2 b:1 a:3 a:1", {"a:3": SLOW}, "a:3 b:1", "a:1 a:2 a:3", "Written" + " Failed" * 3),
        ("a:1 a:3 a:2", {"a:3": TOO_LARGE}, "a:3 a:2", "a:3", "Rejected Written Coalesced"),
        (
            *("a:1 a:3 a:4 a:2", {"a:4": TOO_LARGE, "a:3": SLOW}, "a:4 a:3"),
            *("a:1 a:2 a:3 a:4", "Rejected Failed Failed Failed"),
        ),
        (
            *("a:1 a:2", {"a:1": TOO_LARGE, "a:2": TOO_LARGE}, "a:2 a:1"),
            *("a:1 a:2", "Rejected Rejected"),
        ),
    ],
)
def test_one_of_each_id_is_written_and_decides_for_the_others(
    arriving: str, answers: dict[str, Answer], tried: str, failed: str, outcomes: str
) -> None:
    driver = scripted(answers)
    told = deliver(upsert(driver, **NEWEST), *map(state, arriving.split()))
    assert [name(each) for each in driver.begun if each.attempt == 1] == tried.split()
    assert (told.failed, told.counts) == ({*failed.split()}, Counter(outcomes.split()))


def test_another_member_may_be_the_key() -> None:
    driver = Driver(lambda _: ok({}))
    order, nameless = record({"order_id": "o-1", "v": 1}, "m"), record({"event_id": "e"}, "n")
    assert invoke(upsert(driver, KEY_ATTRIBUTE="order_id", **FIRST), order, nameless) == {"n"}
    put = json.loads(driver.begun[0].body)
    assert put["Item"] == {"order_id": {"S": "o-1"}, "v": {"N": "1"}}
    assert put["ExpressionAttributeNames"] == {"#key": "order_id"}


def test_append_only_tries_the_earliest_and_judges_the_others_by_it() -> None:
    conflict = "another event is stored under its id, and the table is append-only"
    memory = Memory()
    same, other = record({"event_id": "a", "version": 1.0}), record({"event_id": "a"}, "other")
    for arriving, counts in (
        ([state("a:1"), other, same], {"Written": 1, "Coalesced": 1, "Rejected": 1}),
        ([other, same], {"Coalesced": 1, "Rejected": 1}),
    ):
        told = deliver(upsert(memory, **FIRST), *arriving)
        assert (told.failed, told.counts, told.reasons) == ({"other"}, counts, [conflict])
    assert memory.requests == ["PutItem", "PutItem"]


def test_a_message_that_came_twice_in_one_batch_is_reported_once_if_either_failed() -> None:
    core = upsert(scripted({"a": SLOW}))
    for event_id in "ab":
        twice = record({"event_id": event_id}, "m"), record({"event_id": "a"}, "m")
        assert invoke(core, *twice) == {"m"}


def test_what_cannot_be_answered_for_raises_before_anything_is_written() -> None:
    memory, no_ids = Memory(), (None, {"body": "{}"}, {"messageId": ""}, {"messageId": 7})
    events: dict[str, list[Any]] = {
        "the event is no batch of SQS messages: it has no Records": [None, {}, {"Records": {}}],
        "a record has no messageId: it could not be reported": [
            {"Records": [state("a"), each]} for each in no_ids
        ],
    }
    for problem in events:
        for event in events[problem]:
            with pytest.raises(ValueError, match=f"^{problem}$"):
                upsert(memory)(event, Context())
    assert memory.requests == []
    with pytest.raises(ValueError, match=r"^TABLE_NAME is not set; name the table of events$"):
        upsert(memory, TABLE_NAME="")


def test_an_unusable_table_fails_every_message_with_one_line_and_empties_no_queue() -> None:
    memory, message = Memory(), "Type mismatch for key event_id expected: N actual: S"
    mismatch = error("ValidationException", message=message)
    driver = scripted({"a": SLOW, "b": mismatch}, memory)
    records = [*map(state, "ab"), record("x", "broken"), *map(state, "cdefghi")]
    told = deliver(upsert(driver, **MANAGED), *records)
    assert told.failed >= {*"abgi"}
    assert len(memory.items) <= 3
    assert [letter["body"] for letter in memory.letters] == ["x"]
    unusable, broken = told.lines
    assert broken["messageId"] == "broken"
    assert unusable == {
        "level": "ERROR",
        "reason": f"ValidationException: {message}; give the table the key that KEY_ATTRIBUTE "
        "names, of type S",
        "outcome": "failed",
        "messages": len(told.failed),
    }


def test_what_is_not_confirmed_when_time_runs_out_is_failed() -> None:
    late = "not confirmed before time ran out"
    told = deliver(upsert(scripted({}, requests=2)), *map(state, "abcdef"))
    assert (told.failed, told.reasons) == ({*"cdef"}, [late] * 4)
    assert told.counts == {"Written": 2, "Failed": 4}
    after = scripted({"a:2": TOO_LARGE}, requests=1)
    told = deliver(upsert(after, **NEWEST), state("a:2"), state("a:1"))
    assert told.reasons == ["ValidationException: Item size has exceeded", late]


@pytest.mark.parametrize(
    ("remaining", "more", "moments"),
    [
        (30_000, {}, [(1027, 1028.5)]),
        (1_000, {}, [(1000.8, 1000.9)]),
        (30_000, MANAGED, [(1024.5, 1026), (1027.25, 1028.5)]),
        (30_000, NEWEST | READ, [(1009, 1009), (1027, 1028.5)]),
        (1_000, MANAGED, [(1000.6, 1000.7), (1000.8, 1000.9)]),
    ],
)
def test_time_is_kept_back_for_what_is_under_way_for_retries_and_for_the_answer(
    monkeypatch: pytest.MonkeyPatch, remaining: int, more: dict[str, str], moments: list[Any]
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    loop = Mock(spec=Loop)
    deliver(upsert(loop, **more), state("a:1"), remaining=remaining)
    asked = [call.args[1:] for call in loop.run.mock_calls]
    assert asked == list(map(pytest.approx, moments))


def test_a_line_tells_of_each_message_that_was_rejected_or_failed() -> None:
    told = deliver(
        upsert(scripted({"slow:1": SLOW}), REQUIRE_VERSION="true", **NEWEST),
        record({"event_id": "slow", "version": 1}, "m-1", received=4),
        state("stored:1"),
        record({"event_id": "none"}, "m-2"),
        record('{"event_id": NaN}', "m-3"),
        {"messageId": "m-4", "attributes": None},
        {"messageId": "m-5", "body": {}},
    )
    rejected = {"level": "ERROR", "outcome": "rejected", "event_id": None, "receiveCount": "1"}
    bare = {**rejected, "reason": "message has no body", "receiveCount": None}
    missing = "version is missing, and every event needs a version"
    slow = {"outcome": "failed", "messageId": "m-1", "event_id": "slow", "receiveCount": "4"}
    assert told.lines == [
        {**slow, "level": "WARN", "reason": "SlowDown: because"},
        {**rejected, "reason": missing, "messageId": "m-2", "event_id": "none"},
        {**rejected, "reason": "NaN is not a JSON number", "messageId": "m-3"},
        *({**bare, "messageId": message_id} for message_id in ("m-4", "m-5")),
    ]
    assert told.counts == {"Written": 1, "Rejected": 4, "Failed": 1}


@pytest.mark.parametrize(("hours", "more"), [(23, {}), (25, {"FutureVersions": 1}), (-25, {})])
def test_versions_more_than_a_day_ahead_are_counted(hours: int, more: dict[str, int]) -> None:
    moment = datetime.now(UTC) + timedelta(hours=hours)
    event = {"event_id": "f", "version": moment.isoformat()}
    assert deliver(upsert(Memory(), **NEWEST), record(event)).counts == {"Written": 1, **more}


def test_a_line_tells_the_moment_and_the_counts_are_metrics_of_the_function(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.gmtime(1743296400)
    monkeypatch.setattr(time, "gmtime", lambda *_: now)
    monkeypatch.setattr(time, "time", lambda: 1743296400.25)
    invoke(upsert(Memory()), state("a"), record("{"))
    line, metrics = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["timestamp"] == "2025-03-30T01:00:00Z"
    names = "Written Superseded Coalesced Rejected Failed Unversioned FutureVersions SavedWrites"
    definition = {
        "Namespace": "EventState",
        "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in names.split()],
    }
    assert metrics == {
        "_aws": {"Timestamp": 1743296400250, "CloudWatchMetrics": [definition]},
        "FunctionName": "EventUpsertLambda",
        **dict.fromkeys(names.split(), 0),
        "Written": 1,
        "Rejected": 1,
    }


def test_lines_are_written_at_once_and_an_output_that_is_gone_undoes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, closed = io.BytesIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    assert invoke(upsert(Memory()), record("{", "m"), state("a")) == {"m"}
    assert raw.getvalue().count(b"}\n") == 2
    closed.close()
    for gone in (closed, Mock(**{"write.side_effect": BrokenPipeError})):
        monkeypatch.setattr(sys, "stdout", gone)
        assert invoke(upsert(Memory()), state("a")) == set()


@pytest.mark.parametrize(
    "surprise", [lambda _: 1 / 0, lambda _: SimpleNamespace(status=400, json=lambda: 1 / 0)]
)
def test_a_surprise_is_told_once_with_its_place_and_never_acknowledged(surprise: Step) -> None:
    told = deliver(upsert(surprise), *map(state, "ab"))
    assert (told.failed, told.counts) == ({"a", "b"}, {"Failed": 2})
    place = told.reasons[0]
    assert re.fullmatch(r"unexpected ZeroDivisionError at test_upsert\.py:\d+", place)
    assert told.reasons == [place] * 3
    assert [line["level"] for line in told.lines] == ["ERROR", "WARN", "WARN"]
    assert told.lines[0]["traceback"].startswith("Traceback ")
