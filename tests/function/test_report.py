"""The lines in the log: one object of JSON each, and never a body."""

import io
import json
import sys

import pytest

from function import report
from function.outcome import Outcome, Result
from tests.function.batches import record


def test_a_rejected_message_is_named_with_its_reason() -> None:
    line = report.unacknowledged(
        record({"secret": 1}, "m-1", received=3),
        None,
        Result(Outcome.REJECTED, "event_id is missing"),
    )
    assert json.loads(line) == {
        "level": "ERROR",
        "outcome": "rejected",
        "reason": "event_id is missing",
        "messageId": "m-1",
        "event_id": None,
        "receiveCount": "3",
    }


def test_a_failed_message_is_a_warning_with_its_event_id() -> None:
    line = report.unacknowledged(
        record({}, "m-2"), "evt-\ud800\n1", Result(Outcome.FAILED, "ThrottlingException: slow")
    )
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "level": "WARN",
        "outcome": "failed",
        "reason": "ThrottlingException: slow",
        "messageId": "m-2",
        "event_id": "evt-\ud800\n1",
        "receiveCount": "1",
    }


@pytest.mark.parametrize("attributes", [{}, {"attributes": None}, {"attributes": {}}])
def test_a_message_without_a_receive_count_is_reported_too(attributes: dict[str, object]) -> None:
    line = report.unacknowledged({"messageId": "m"} | attributes, "a", Result(Outcome.FAILED, "x"))
    assert json.loads(line)["receiveCount"] is None


def test_an_unusable_table_is_one_line() -> None:
    assert json.loads(report.unusable("create the table", 7)) == {
        "level": "ERROR",
        "outcome": "failed",
        "reason": "create the table",
        "messages": 7,
    }


def test_the_counts_are_metrics_of_the_function() -> None:
    outcomes = [
        Outcome.WRITTEN,
        Outcome.FAILED,
        Outcome.WRITTEN,
        Outcome.COALESCED,
        Outcome.SUPERSEDED,
        Outcome.WRITTEN,
        Outcome.FAILED,
    ]
    assert json.loads(report.counts(outcomes, "EventUpsertLambda", 1743296400000)) == {
        "_aws": {
            "Timestamp": 1743296400000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "EventState",
                    "Dimensions": [["FunctionName"]],
                    "Metrics": [
                        {"Name": "Written", "Unit": "Count"},
                        {"Name": "Superseded", "Unit": "Count"},
                        {"Name": "Coalesced", "Unit": "Count"},
                        {"Name": "Rejected", "Unit": "Count"},
                        {"Name": "Failed", "Unit": "Count"},
                    ],
                }
            ],
        },
        "FunctionName": "EventUpsertLambda",
        "Written": 3,
        "Superseded": 1,
        "Coalesced": 1,
        "Rejected": 0,
        "Failed": 2,
    }


def test_lines_go_to_standard_output_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    report.write(['{"a": 1}', '{"b": 2}'])
    assert raw.getvalue() == b'{"a": 1}\n{"b": 2}\n'


def test_a_closed_standard_output_does_not_undo_what_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    report.write(["{}"])


def test_a_broken_standard_output_does_not_undo_what_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    report.write(["{}"])
