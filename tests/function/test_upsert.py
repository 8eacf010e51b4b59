"""One batch: who is written, who shares whose fate, and what is answered when."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from function.event import Item
from function.guard import Guard
from function.outcome import Outcome, Result
from function.upsert import Upsert
from tests.function.batches import EXAMPLE, EXAMPLE_ITEM, Context, batch, failed, invoke, record
from tests.function.memory_table import MemoryTable

WRITTEN = Result(Outcome.WRITTEN)
SUPERSEDED = Result(Outcome.SUPERSEDED)
REJECTED = Result(Outcome.REJECTED, "too large")
FAILED = Result(Outcome.FAILED, "slow")

NO_BATCH = "the event is no batch of SQS messages: it has no Records"
NO_ID = "a record has no messageId: it could not be reported"


class Script:
    """A store that answers as told by event_id and version, and notes what it was asked."""

    def __init__(self, results: dict[str, Result | Callable[[], Result]] | None = None) -> None:
        """results: by `event_id` or `event_id:version`; written if not told."""
        self._results = results or {}
        self.puts: list[str] = []
        self.stop_at = 0.0

    def put(self, item: Item, condition: object, stop_at: float) -> Result:
        """Note the event, and answer for it as told."""
        self.stop_at = stop_at
        name = ":".join(
            item[member][kind] for member, kind in (("event_id", "S"), ("v", "N")) if member in item
        )
        self.puts.append(name)
        result = self._results.get(name, WRITTEN)
        return result if isinstance(result, Result) else result()


def state(event_id: str, version: int | None = None) -> dict[str, Any]:
    body = {"event_id": event_id} if version is None else {"event_id": event_id, "v": version}
    return record(body, f"{event_id}:{version}")


def logged(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the lines of the log but the last, and from the last the counts that are not 0."""
    *lines, metrics = map(json.loads, capsys.readouterr().out.splitlines())
    assert metrics["FunctionName"] == "EventUpsertLambda"
    names = ("Written", "Superseded", "Coalesced", "Rejected", "Failed")
    return lines, {name: metrics[name] for name in names if metrics[name]}


def unusable() -> Result:
    return Result(Outcome.FAILED, "create the table", is_table_unusable=True)


def test_the_example_is_stored_as_it_is() -> None:
    table = MemoryTable()
    assert invoke(Upsert(table.store(), 1, Guard("timestamp")), record(EXAMPLE)) == set()
    assert table.items == {"evt-1001": EXAMPLE_ITEM}


def test_an_empty_batch_is_answered_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(Upsert(Script(), 4, Guard())) == set()
    assert logged(capsys) == ([], {})


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_every_id_is_written_once(workers: int, capsys: pytest.CaptureFixture[str]) -> None:
    store = Script()
    ids = [f"evt-{i}" for i in range(25)]
    assert invoke(Upsert(store, workers, Guard()), *map(state, ids)) == set()
    assert sorted(store.puts) == sorted(ids)
    assert logged(capsys) == ([], {"Written": 25})


def test_one_worker_keeps_the_order_of_arrival() -> None:
    store = Script()
    invoke(Upsert(store, 1, Guard()), *map(state, "badc"))
    assert store.puts == ["b", "a", "d", "c"]


def test_only_the_newest_of_an_id_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    store = Script()
    records = [state("a", 2), state("a", 3), state("b"), state("a", 1)]
    assert invoke(Upsert(store, 1, Guard("v")), *records) == set()
    assert store.puts == ["a:3", "b"]
    assert logged(capsys) == ([], {"Written": 2, "Coalesced": 2})


def test_without_a_guard_the_last_arrival_of_an_id_is_written() -> None:
    store = Script()
    assert invoke(Upsert(store, 1, Guard()), state("a", 2), state("a", 3), state("a", 1)) == set()
    assert store.puts == ["a:1"]


def test_a_superseded_winner_acknowledges_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    store = Script({"a:3": SUPERSEDED})
    assert invoke(Upsert(store, 1, Guard("v")), state("a", 3), state("a", 1)) == set()
    assert store.puts == ["a:3"]
    assert logged(capsys) == ([], {"Superseded": 1, "Coalesced": 1})


def test_a_failed_winner_fails_its_group_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    store = Script({"a:3": FAILED})
    records = [state("a", 2), state("b"), state("a", 3), state("a", 1)]
    assert invoke(Upsert(store, 1, Guard("v")), *records) == {"a:1", "a:2", "a:3"}
    assert store.puts == ["a:3", "b"]
    lines, counts = logged(capsys)
    assert counts == {"Written": 1, "Failed": 3}
    assert lines == [
        {
            "level": "WARN",
            "outcome": "failed",
            "reason": "slow",
            "messageId": f"a:{version}",
            "event_id": "a",
            "receiveCount": "1",
        }
        for version in (2, 3, 1)
    ]


def test_a_rejected_winner_fails_alone_and_the_next_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Script({"a:3": REJECTED})
    records = [state("a", 1), state("a", 3), state("a", 2)]
    assert invoke(Upsert(store, 1, Guard("v")), *records) == {"a:3"}
    assert store.puts == ["a:3", "a:2"]
    lines, counts = logged(capsys)
    assert counts == {"Written": 1, "Coalesced": 1, "Rejected": 1}
    assert lines == [
        {
            "level": "ERROR",
            "outcome": "rejected",
            "reason": "too large",
            "messageId": "a:3",
            "event_id": "a",
            "receiveCount": "1",
        }
    ]


def test_after_a_rejected_winner_a_failed_one_fails_the_rest() -> None:
    store = Script({"a:4": REJECTED, "a:3": FAILED})
    records = [state("a", 1), state("a", 3), state("a", 4), state("a", 2)]
    assert invoke(Upsert(store, 1, Guard("v")), *records) == {"a:1", "a:2", "a:3", "a:4"}
    assert store.puts == ["a:4", "a:3"]


def test_a_group_of_rejected_events_fails_whole() -> None:
    store = Script({"a:1": REJECTED, "a:2": REJECTED})
    assert invoke(Upsert(store, 1, Guard("v")), state("a", 1), state("a", 2)) == {"a:1", "a:2"}
    assert store.puts == ["a:2", "a:1"]


def test_a_broken_message_is_reported_and_its_neighbours_are_stored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Script()
    records = [state("a"), record('{"event_id": NaN}', "broken", received=4), state("b")]
    assert invoke(Upsert(store, 1, Guard()), *records) == {"broken"}
    assert store.puts == ["a", "b"]
    assert logged(capsys) == (
        [
            {
                "level": "ERROR",
                "outcome": "rejected",
                "reason": "NaN is not a JSON number",
                "messageId": "broken",
                "event_id": None,
                "receiveCount": "4",
            }
        ],
        {"Written": 2, "Rejected": 1},
    )


def test_a_message_that_came_twice_in_one_batch_is_reported_once_if_either_failed() -> None:
    store = Script({"a": FAILED})
    records = [record({"event_id": "b"}, "m"), record({"event_id": "a"}, "m")]
    assert invoke(Upsert(store, 1, Guard()), *records) == {"m"}
    records = [record({"event_id": "a"}, "m"), record({"event_id": "a"}, "m")]
    assert invoke(Upsert(store, 1, Guard()), *records) == {"m"}


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
    store = Script()
    with pytest.raises(ValueError, match=f"^{problem}$"):
        Upsert(store, 1, Guard())(event, Context())
    assert store.puts == []


def test_an_unusable_table_fails_every_message_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Script({"b": unusable})
    records = [state("a"), record("x", "broken"), state("b"), state("c"), state("d")]
    assert invoke(Upsert(store, 1, Guard()), *records) == {"broken", "b:None", "c:None", "d:None"}
    assert store.puts == ["a", "b"]
    lines, counts = logged(capsys)
    assert counts == {"Written": 1, "Rejected": 1, "Failed": 3}
    assert [line.get("messageId") for line in lines] == [None, "broken"]
    assert lines[0] == {
        "level": "ERROR",
        "outcome": "failed",
        "reason": "create the table",
        "messages": 3,
    }


def test_every_worker_stops_at_an_unusable_table() -> None:
    store = Script({f"evt-{i}": unusable for i in range(100)})
    records = [state(f"evt-{i}") for i in range(100)]
    assert len(invoke(Upsert(store, 4, Guard()), *records)) == 100
    assert len(store.puts) <= 4


def test_workers_write_at_once() -> None:
    together = threading.Barrier(4, timeout=5)

    def meet() -> Result:
        together.wait()
        return WRITTEN

    store = Script({f"evt-{i}": meet for i in range(8)})
    assert invoke(Upsert(store, 4, Guard()), *(state(f"evt-{i}") for i in range(8))) == set()


def test_no_more_writes_are_under_way_than_workers() -> None:
    lock = threading.Lock()
    under_way = [0]
    most = [0]

    def count() -> Result:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.005)
        with lock:
            under_way[0] -= 1
        return WRITTEN

    store = Script({f"evt-{i}": count for i in range(12)})
    assert invoke(Upsert(store, 3, Guard()), *(state(f"evt-{i}") for i in range(12))) == set()
    assert most == [3]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_hanging_table_is_answered_before_the_deadline(
    workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = threading.Event()

    def hang() -> Result:
        ended.wait(30)
        return WRITTEN

    store = Script({"b": hang})
    records = [state(event_id) for event_id in "abc"]
    started = time.monotonic()
    reported = invoke(Upsert(store, workers, Guard()), *records, remaining=1000)
    took = time.monotonic() - started
    ended.set()
    late = {"b:None"} if workers > 1 else {"b:None", "c:None"}
    assert reported == late
    assert 0.88 < took < 0.98  # a tenth of the reserve of 0.2 s is left for the answer
    lines, counts = logged(capsys)
    assert counts == {"Written": 3 - len(late), "Failed": len(late)}
    assert {line["reason"] for line in lines} == {"not confirmed before time ran out"}


def test_no_write_begins_when_time_is_nearly_up() -> None:
    store = Script()
    assert invoke(Upsert(store, 1, Guard()), state("a"), remaining=200) == {"a:None"}
    assert store.puts == []


def test_the_store_is_told_when_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("function.upsert.time.monotonic", lambda: 1000.0)
    store = Script()
    assert invoke(Upsert(store, 1, Guard()), state("a"), remaining=10_000) == set()
    assert store.stop_at == 1009


def test_a_tenth_of_a_long_timeout_is_kept_in_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("function.upsert.time.monotonic", lambda: now[0])

    def take(seconds: float) -> Callable[[], Result]:
        def spend() -> Result:
            now[0] += seconds
            return WRITTEN

        return spend

    # Binary fractions, so that the last second of writing ends to the bit: 30 - 3 = 27.
    store = Script({"a": take(27 - 1 / 64), "b": take(1 / 64)})
    assert invoke(Upsert(store, 1, Guard()), *map(state, "abc")) == {"c:None"}
    assert store.puts == ["a", "b"]


def test_a_group_whose_winner_is_rejected_too_late_tries_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("function.upsert.time.monotonic", lambda: now[0])

    def reject() -> Result:
        now[0] += 27.1
        return REJECTED

    store = Script({"a:2": reject})
    assert invoke(Upsert(store, 1, Guard("v")), state("a", 1), state("a", 2)) == {"a:1", "a:2"}
    assert store.puts == ["a:2"]


def test_a_worker_that_breaks_acknowledges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Result:
        raise SystemExit

    monkeypatch.setattr("threading.excepthook", lambda _: None)
    assert invoke(Upsert(Script({"a": breaks}), 1, Guard()), state("a"), state("b")) == {
        "a:None",
        "b:None",
    }


def test_the_counts_carry_the_time_in_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.time()
    event = batch()
    failed(Upsert(Script(), 1, Guard())(event, Context()), event)
    stamp = json.loads(capsys.readouterr().out)["_aws"]["Timestamp"]
    assert before * 1000 - 1 <= stamp <= time.time() * 1000


def test_a_write_under_way_does_not_keep_the_process_alive() -> None:
    daemons: list[bool] = []

    def note() -> Result:
        daemons.append(threading.current_thread().daemon)
        return WRITTEN

    assert invoke(Upsert(Script({"a": note}), 1, Guard()), state("a")) == set()
    assert daemons == [True]
