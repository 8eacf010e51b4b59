"""The lines in the log: one object of JSON each, and never a body."""

import io
import json
import sys
import time
from typing import Any

import pytest

from function.message import Message, Outcome
from function.report import Report
from tests.function.batches import policy

NOW = 1743296400.25  # 2025-03-30T01:00:00.25Z


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(time, "gmtime", lambda real=time.gmtime: real(NOW))
    return Report("EventUpsertLambda", "c6af9ac6")


def settled(given: dict[str, Any], outcome: Outcome, reason: str = "") -> Message:
    message = Message(given, "event_id", policy().version)
    message.settle(outcome, reason)
    return message


@pytest.mark.parametrize("attributes", [{}, {"attributes": None}, {"attributes": {}}])
def test_a_message_without_a_receive_count_is_reported_too(
    report: Report, capsys: pytest.CaptureFixture[str], attributes: dict[str, object]
) -> None:
    report.messages([settled({"messageId": "m"} | attributes, Outcome.FAILED, "x")], "")
    report.write({})
    assert json.loads(capsys.readouterr().out.splitlines()[0])["receiveCount"] is None


def test_the_counts_are_metrics_of_the_function(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report.write({"Written": 3, "Failed": 0})
    assert json.loads(capsys.readouterr().out) == (
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
    )


def test_lines_go_to_standard_output_at_once(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    report.line("WARN", "x")
    report.write({})
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
        report.write({})
