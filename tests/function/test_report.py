"""The lines in the log: one object of JSON each, and never a body."""

import io
import json
import sys
import time
from typing import Any

import pytest

from function.outcome import Outcome, Result
from function.report import Report
from tests.function.batches import record

NOW = 1743296400.25  # 2025-03-30T01:00:00.25Z


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(time, "gmtime", lambda real=time.gmtime: real(NOW))
    return Report("EventUpsertLambda", "c6af9ac6")


def written(report: Report, capsys: pytest.CaptureFixture[str]) -> list[Any]:
    report.write()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_rejected_message_is_named_with_its_reason(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    rejected = Result(Outcome.REJECTED, "event_id is missing")
    report.unacknowledged(record({"secret": 1}, "m-1", received=3), None, rejected)
    failed = Result(Outcome.FAILED, "SlowDown: x")
    report.unacknowledged(record({}, "m-2"), "evt-\ud800\n1", failed)
    common = {"timestamp": "2025-03-30T01:00:00Z", "requestId": "c6af9ac6"}
    assert written(report, capsys) == [
        {
            **common,
            "level": "ERROR",
            "reason": "event_id is missing",
            "outcome": "rejected",
            "messageId": "m-1",
            "event_id": None,
            "receiveCount": "3",
        },
        {
            **common,
            "level": "WARN",
            "reason": "SlowDown: x",
            "outcome": "failed",
            "messageId": "m-2",
            "event_id": "evt-\ud800\n1",
            "receiveCount": "1",
        },
    ]


@pytest.mark.parametrize("attributes", [{}, {"attributes": None}, {"attributes": {}}])
def test_a_message_without_a_receive_count_is_reported_too(
    report: Report, capsys: pytest.CaptureFixture[str], attributes: dict[str, object]
) -> None:
    report.unacknowledged({"messageId": "m"} | attributes, "a", Result(Outcome.FAILED, "x"))
    assert written(report, capsys)[0]["receiveCount"] is None


def test_the_counts_are_metrics_of_the_function(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report.counts({"Written": 3, "Failed": 0})
    assert written(report, capsys) == [
        {
            "_aws": {
                "Timestamp": 1743296400250,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "EventState",
                        "Dimensions": [["FunctionName"]],
                        "Metrics": [
                            {"Name": "Written", "Unit": "Count"},
                            {"Name": "Failed", "Unit": "Count"},
                        ],
                    }
                ],
            },
            "FunctionName": "EventUpsertLambda",
            "Written": 3,
            "Failed": 0,
        }
    ]


def test_lines_go_to_standard_output_at_once(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    report.counts({})
    report.counts({})
    report.write()
    assert raw.getvalue().count(b"}\n") == 2


class Broken(io.StringIO):
    """Standard output that is gone."""

    def write(self, text: str) -> int:
        """Raise."""
        raise BrokenPipeError


def test_a_standard_output_that_is_gone_does_not_undo_what_was_written(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    for gone in (closed, Broken()):
        monkeypatch.setattr(sys, "stdout", gone)
        report.counts({})
        report.write()
