"""One batch: who is written, who shares whose fate, what is logged, and what is answered when."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from function.request import Answer, NoAnswerError, Request
from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, Context, batch, invoke, record
from tests.function.memory import FIRST, MANAGED, READ, Driver, Memory, error, ok, upsert

NO_BATCH = "the event is no batch of SQS messages: it has no Records"
NO_ID = "a record has no messageId: it could not be reported"
GUARD = {"VERSION_ATTRIBUTE": "v"}
TOO_LARGE = error("ValidationException", message="Item size has exceeded")
SLOW = error("SlowDown")
NAMES = ("Written", "Superseded", "Coalesced", "Rejected", "Failed")


class Script(Driver):
    """A table that answers as told by `event_id` or `event_id:version`, and notes the puts."""

    def __init__(self, answers: dict[str, Answer] | None = None, **more: Any) -> None:
        """Answer as told, and as an empty table if not told."""
        self._answers = answers or {}
        self.puts: list[str] = []
        super().__init__(self._put, **more)

    def _put(self, request: Request) -> Answer:
        item = json.loads(request.body)["Item"]
        name = ":".join(
            item[member][kind] for member, kind in (("event_id", "S"), ("v", "N")) if member in item
        )
        if request.attempt == 1:
            self.puts.append(name)
        return self._answers.get(name) or Memory()(request)


def state(event_id: str, version: int | None = None, received: int = 1) -> dict[str, Any]:
    body = {"event_id": event_id} if version is None else {"event_id": event_id, "v": version}
    return record(body, f"{event_id}:{version}", received)


def logged(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the lines of the log but the last, and from the last the counts that are not 0."""
    *lines, metrics = map(json.loads, capsys.readouterr().out.splitlines())
    assert metrics["FunctionName"] == "EventUpsertLambda"
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("timestamp"))
        assert line.pop("requestId") == Context.aws_request_id
    defined = metrics["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    return lines, {each["Name"]: metrics[each["Name"]] for each in defined if metrics[each["Name"]]}


def test_the_example_is_stored_as_it_is() -> None:
    memory = Memory()
    assert invoke(upsert(memory, VERSION_ATTRIBUTE="timestamp"), record(EXAMPLE)) == set()
    assert memory.items == {"evt-1001": EXAMPLE_ITEM}


def test_with_the_tables_name_alone_the_last_arrival_wins() -> None:
    script = Script()
    assert invoke(upsert(script), state("a", 2), state("a", 3), state("a", 1)) == set()
    assert script.puts == ["a:1"]
    (request,) = script.begun
    item = {"event_id": {"S": "a"}, "v": {"N": "1"}}
    assert json.loads(request.body) == {"TableName": "events", "Item": item}


def test_another_member_may_be_the_key() -> None:
    driver = Driver(lambda _: ok({}))
    order = record({"order_id": "o-1", "v": 1}, "m")
    nameless = record({"event_id": "e"}, "n")
    assert invoke(upsert(driver, KEY_ATTRIBUTE="order_id", **FIRST), order, nameless) == {"n"}
    put = json.loads(driver.begun[0].body)
    assert put["Item"] == {"order_id": {"S": "o-1"}, "v": {"N": "1"}}
    assert put["ExpressionAttributeNames"] == {"#key": "order_id"}


def test_an_empty_batch_is_answered_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(upsert(Script())) == set()
    assert logged(capsys) == ([], {})


def test_every_id_is_written_once_in_the_order_of_arrival(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script()
    ids = [f"evt-{i}" for i in range(25)]
    assert invoke(upsert(script), *map(state, ids)) == set()
    assert script.puts == ids
    assert logged(capsys) == ([], {"Written": 25})


def test_only_the_newest_of_an_id_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script()
    records = [state("a", 2), state("a", 3), state("b"), state("a", 1)]
    assert invoke(upsert(script, **GUARD), *records) == set()
    assert script.puts == ["a:3", "b"]
    assert logged(capsys) == ([], {"Written": 2, "Coalesced": 2, "Unversioned": 1})


def test_a_superseded_winner_acknowledges_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script({"a:3": error("ConditionalCheckFailedException")})
    assert invoke(upsert(script, **GUARD), state("a", 3), state("a", 1)) == set()
    assert script.puts == ["a:3"]
    assert logged(capsys) == ([], {"Superseded": 1, "Coalesced": 1})


def test_a_failed_winner_fails_its_group_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script({"a:3": SLOW})
    records = [state("a", 2), state("b"), state("a", 3), state("a", 1)]
    assert invoke(upsert(script, **GUARD), *records) == {"a:1", "a:2", "a:3"}
    assert script.puts == ["a:3", "b"]
    lines, counts = logged(capsys)
    assert counts == {"Written": 1, "Failed": 3, "Unversioned": 1}
    assert lines == [
        {
            "level": "WARN",
            "reason": "SlowDown: because",
            "outcome": "failed",
            "messageId": f"a:{version}",
            "event_id": "a",
            "receiveCount": "1",
        }
        for version in (2, 3, 1)
    ]


def test_a_rejected_winner_fails_alone_and_the_next_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script({"a:3": TOO_LARGE})
    records = [state("a", 1), state("a", 3, received=4), state("a", 2)]
    assert invoke(upsert(script, **GUARD), *records) == {"a:3"}
    assert script.puts == ["a:3", "a:2"]
    lines, counts = logged(capsys)
    assert counts == {"Written": 1, "Coalesced": 1, "Rejected": 1}
    assert lines == [
        {
            "level": "ERROR",
            "reason": "ValidationException: Item size has exceeded",
            "outcome": "rejected",
            "messageId": "a:3",
            "event_id": "a",
            "receiveCount": "4",
        }
    ]


def test_after_a_rejected_winner_a_failed_one_fails_the_rest() -> None:
    script = Script({"a:4": TOO_LARGE, "a:3": SLOW})
    records = [state("a", 1), state("a", 3), state("a", 4), state("a", 2)]
    assert invoke(upsert(script, **GUARD), *records) == {"a:1", "a:2", "a:3", "a:4"}
    assert script.puts == ["a:4", "a:3"]


def test_when_time_is_up_after_a_rejected_winner_the_others_are_not_blamed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script({"a:2": TOO_LARGE}, requests=1)
    assert invoke(upsert(script, **GUARD), state("a", 2), state("a", 1)) == {"a:1", "a:2"}
    reasons = [line["reason"] for line in logged(capsys)[0]]
    assert reasons == [
        "ValidationException: Item size has exceeded",
        "not confirmed before time ran out",
    ]


def test_a_group_of_rejected_events_fails_whole() -> None:
    script = Script({"a:1": TOO_LARGE, "a:2": TOO_LARGE})
    assert invoke(upsert(script, **GUARD), state("a", 1), state("a", 2)) == {"a:1", "a:2"}
    assert script.puts == ["a:2", "a:1"]


def test_append_only_tries_the_earliest_and_judges_the_others_by_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = Memory()
    same, other = record({"event_id": "a", "v": 1.0}, "same"), record({"event_id": "a"}, "other")
    assert invoke(upsert(memory, **FIRST), state("a", 1), other, same) == {"other"}
    assert memory.requests == ["PutItem"]
    lines, counts = logged(capsys)
    assert counts == {"Written": 1, "Coalesced": 1, "Rejected": 1}
    assert [line["reason"] for line in lines] == [
        "another event is stored under its id, and the table is append-only"
    ]
    assert invoke(upsert(memory, **FIRST), other, same) == {"other"}
    assert memory.requests == ["PutItem", "PutItem"]
    assert logged(capsys)[1] == {"Coalesced": 1, "Rejected": 1}


def test_a_version_that_is_required_and_missing_is_rejected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    core = upsert(Memory(), REQUIRE_VERSION="true", **GUARD)
    assert invoke(core, state("a"), state("b", 1)) == {"a:None"}
    (line,), counts = logged(capsys)
    assert line["reason"] == "v is missing, and every event needs a version"
    assert counts == {"Written": 1, "Rejected": 1}


def test_saved_writes_and_what_has_no_version_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    core = upsert(Memory(), VERSION_ATTRIBUTE="timestamp", **READ)
    invoke(core, record(EXAMPLE))
    assert logged(capsys) == ([], {"Written": 1})
    invoke(core, record(EXAMPLE), record(EXAMPLE), record({"event_id": "u"}))
    counts = {"Written": 1, "Superseded": 1, "Coalesced": 1, "SavedWrites": 1, "Unversioned": 1}
    assert logged(capsys) == ([], counts)


@pytest.mark.parametrize(("hours", "more"), [(23, {}), (25, {"FutureVersions": 1}), (-25, {})])
def test_versions_more_than_a_day_ahead_are_counted(
    capsys: pytest.CaptureFixture[str], hours: int, more: dict[str, int]
) -> None:
    moment = datetime.now(UTC) + timedelta(hours=hours)
    event = {"event_id": "f", "timestamp": moment.isoformat()}
    invoke(upsert(Memory(), VERSION_ATTRIBUTE="timestamp"), record(event))
    assert logged(capsys)[1] == {"Written": 1, **more}


def test_a_broken_message_is_reported_and_its_neighbours_are_stored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script()
    records = [state("a"), record('{"event_id": NaN}', "broken"), state("b")]
    assert invoke(upsert(script), *records) == {"broken"}
    assert script.puts == ["a", "b"]
    (line,), counts = logged(capsys)
    assert (line["event_id"], line["reason"]) == (None, "NaN is not a JSON number")
    assert counts == {"Written": 2, "Rejected": 1}


def test_a_message_that_came_twice_in_one_batch_is_reported_once_if_either_failed() -> None:
    script = Script({"a": SLOW})
    records = [record({"event_id": "b"}, "m"), record({"event_id": "a"}, "m")]
    assert invoke(upsert(script), *records) == {"m"}
    records = [record({"event_id": "a"}, "m"), record({"event_id": "a"}, "m")]
    assert invoke(upsert(script), *records) == {"m"}


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (None, NO_BATCH),
        ([], NO_BATCH),
        ({}, NO_BATCH),
        ({"Records": None}, NO_BATCH),
        ({"Records": {}}, NO_BATCH),
        ({"Records": [None]}, NO_ID),
        ({"Records": [state("a"), {"body": '{"event_id": "b"}'}]}, NO_ID),
        ({"Records": [state("a"), {"messageId": "", "body": '{"event_id": "b"}'}]}, NO_ID),
        ({"Records": [state("a"), {"messageId": 7, "body": '{"event_id": "b"}'}]}, NO_ID),
    ],
)
def test_what_cannot_be_answered_for_raises_before_anything_is_written(
    event: Any, problem: str
) -> None:
    script = Script()
    with pytest.raises(ValueError, match=f"^{problem}$"):
        upsert(script)(event, Context())
    assert script.puts == []


def test_an_unusable_table_fails_every_message_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script({"b": error("AccessDeniedException")})
    broken, *states = record("x", "broken"), *(state(f"{i}") for i in range(8))
    failures = invoke(upsert(script), state("b"), broken, *states)
    assert failures >= {"broken", "b:None", "4:None", "7:None"}
    assert script.puts[0] == "b"
    assert len(script.puts) <= 4
    lines, counts = logged(capsys)
    assert [line.get("messageId") for line in lines] == [None, "broken"]
    assert lines[0] == {
        "level": "ERROR",
        "reason": "AccessDeniedException: because; allow the function's role dynamodb:PutItem on "
        "the table, and its key",
        "outcome": "failed",
        "messages": counts["Failed"],
    }


def test_what_is_not_confirmed_when_time_runs_out_is_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script(requests=2)
    failures = invoke(upsert(script), *map(state, "abcdef"))
    assert failures == {f"{event_id}:None" for event_id in "cdef"}
    lines, counts = logged(capsys)
    assert {line["reason"] for line in lines} == {"not confirmed before time ran out"}
    assert counts == {"Written": 2, "Failed": 4}


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
    monkeypatch.setattr("function.upsert.time.monotonic", lambda: 1000.0)
    clock = Clock(Memory())
    invoke(upsert(clock, **more), state("a", 1), remaining=remaining)
    assert clock.moments == [pytest.approx(each) for each in moments]


@pytest.mark.parametrize("surprise", [KeyError("x"), MemoryError(), RecursionError()])
def test_a_surprise_is_never_acknowledged_and_told_once_with_its_place(
    capsys: pytest.CaptureFixture[str], surprise: Exception
) -> None:
    def answer(request: Request) -> Answer:
        return Memory()(request)

    core, name = upsert(answer), type(surprise).__name__

    def breaks(*_: object, **__: object) -> Answer:
        raise surprise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("function.table._meaning", breaks)
        assert invoke(core, *map(state, "ab")) == {"a:None", "b:None"}
    lines, counts = logged(capsys)
    place = next(line["reason"] for line in lines)
    assert re.fullmatch(rf"unexpected {name} at test_upsert.py:\d+", place)
    assert lines[0]["level"] == "ERROR"
    assert "in breaks" in lines[0]["traceback"]
    assert [line.get("traceback", "") != "" for line in lines] == [True, False, False]
    assert [line["reason"] for line in lines] == [place] * 3
    assert counts == {"Failed": 2}


def test_a_loop_that_breaks_acknowledges_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Driver):
        def run(self, *_: object) -> None:
            raise OSError("no more file descriptors")

    assert invoke(upsert(Broken(Memory())), state("a")) == {"a:None"}
    assert logged(capsys)[0][0]["reason"].startswith("unexpected OSError at ")


def test_a_connection_that_fails_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(_: Request) -> Answer:
        raise NoAnswerError("none within 2 s, connecting to 10.0.0.1")

    assert invoke(upsert(answer), state("a")) == {"a:None"}
    ((line,), _) = logged(capsys)
    assert line["reason"] == "no answer from DynamoDB: none within 2 s, connecting to 10.0.0.1"


def test_without_a_table_the_function_does_not_start() -> None:
    with pytest.raises(ValueError, match=r"^TABLE_NAME is not set; name the table of events$"):
        upsert(Script(), TABLE_NAME="")


def test_a_batch_is_read_from_records_alone() -> None:
    event = {**batch(state("a")), "more": 1}
    assert upsert(Script())(event, Context()) == {"batchItemFailures": []}
