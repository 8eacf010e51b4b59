"""What an invocation leaves in its log: a line for what went wrong, never a body, and counts."""

import io
import json
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest

from function.request import Answer, Request
from tests.function.batches import EXAMPLE, READ, deliver, invoke, record
from tests.function.memory import Memory, Step, error, upsert

TIMESTAMP = {"VERSION_ATTRIBUTE": "timestamp"}


def test_a_line_tells_of_each_message_that_was_rejected_or_failed() -> None:
    def answer(request: Request) -> Answer:
        return error("SlowDown") if b'"slow"' in request.body else Memory()(request)

    told = deliver(
        upsert(answer, REQUIRE_VERSION="true", **TIMESTAMP),
        record({"event_id": "slow", "timestamp": 1}, "m-1", received=4),
        record(EXAMPLE),
        record({"event_id": "none"}, "m-2"),
        record('{"event_id": NaN}', "m-3"),
        {"messageId": "m-4", "attributes": None},
        {"messageId": "m-5"},
    )
    rejected = {"level": "ERROR", "outcome": "rejected", "event_id": None, "receiveCount": "1"}
    bare = {**rejected, "reason": "message has no body", "receiveCount": None}
    assert told.lines == [
        {
            "level": "WARN",
            "reason": "SlowDown: because",
            "outcome": "failed",
            "messageId": "m-1",
            "event_id": "slow",
            "receiveCount": "4",
        },
        {
            **rejected,
            "reason": "timestamp is missing, and every event needs a version",
            "messageId": "m-2",
            "event_id": "none",
        },
        {**rejected, "reason": "NaN is not a JSON number", "messageId": "m-3"},
        *({**bare, "messageId": message_id} for message_id in ("m-4", "m-5")),
    ]
    assert told.counts == {"Written": 1, "Rejected": 4, "Failed": 1}


def test_saved_writes_and_what_has_no_version_are_counted() -> None:
    core = upsert(Memory(), **TIMESTAMP, **READ)
    assert deliver(core, record(EXAMPLE))[1:] == ([], {"Written": 1})
    counts = {"Written": 1, "Superseded": 1, "Coalesced": 1, "SavedWrites": 1, "Unversioned": 1}
    again = deliver(core, record(EXAMPLE), record(EXAMPLE), record({"event_id": "u"}))
    assert again[1:] == ([], counts)


@pytest.mark.parametrize(("hours", "more"), [(23, {}), (25, {"FutureVersions": 1}), (-25, {})])
def test_versions_more_than_a_day_ahead_are_counted(hours: int, more: dict[str, int]) -> None:
    moment = datetime.now(UTC) + timedelta(hours=hours)
    event = {"event_id": "f", "timestamp": moment.isoformat()}
    assert deliver(upsert(Memory(), **TIMESTAMP), record(event)).counts == {"Written": 1, **more}


def test_a_line_tells_the_moment_and_the_counts_are_metrics_of_the_function(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.gmtime(1743296400)
    monkeypatch.setattr(time, "gmtime", lambda *_: now)
    monkeypatch.setattr(time, "time", lambda: 1743296400.25)
    invoke(upsert(Memory()), record(EXAMPLE), record("{"))
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
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    assert invoke(upsert(Memory()), record("{", "m"), record(EXAMPLE)) == {"m"}
    assert raw.getvalue().count(b"}\n") == 2
    closed = io.StringIO()
    closed.close()
    for gone in (closed, Mock(**{"write.side_effect": BrokenPipeError})):
        monkeypatch.setattr(sys, "stdout", gone)
        assert invoke(upsert(Memory()), record(EXAMPLE)) == set()


class Odd(Answer):
    """Breaks the task that reads it."""

    def json(self) -> NoReturn:
        """Raise."""
        raise KeyError("odd")


def break_loop(_: Request) -> Answer:
    raise RuntimeError("no more file descriptors")


@pytest.mark.parametrize(
    ("surprise", "name"), [(lambda _: Odd(200, b"{}"), "KeyError"), (break_loop, "RuntimeError")]
)
def test_a_surprise_is_never_acknowledged_and_told_once_with_its_place(
    surprise: Step, name: str
) -> None:
    told = deliver(upsert(surprise), *(record({"event_id": each}, each) for each in "ab"))
    assert told.failed == {"a", "b"}
    assert told.counts == {"Failed": 2}
    place = told.reasons[0]
    assert re.fullmatch(rf"unexpected {name} at test_report\.py:\d+", place)
    trace: dict[str, Any] = told.lines[0]
    assert (trace["level"], trace["reason"]) == ("ERROR", place)
    assert trace["traceback"].startswith("Traceback ")
    assert [line["reason"] for line in told.lines if "messageId" in line] == [place] * 2
    assert len(told.lines) == 3
