"""How messages are packed into requests, and how the function's log is read."""

import json

from function.outcome import Outcome, Result
from function.report import counts, unacknowledged
from local.flow import SEND_BYTES, SEND_COUNT, outcomes, requests


def test_a_request_holds_ten_messages() -> None:
    bodies = [str(number) for number in range(2 * SEND_COUNT + 1)]
    packed = list(requests(bodies))
    assert [len(each) for each in packed] == [SEND_COUNT, SEND_COUNT, 1]
    assert [body for each in packed for body in each] == bodies


def test_a_request_holds_a_mebibyte_in_utf8() -> None:
    half = "é" * (SEND_BYTES // 4)
    assert [len(each) for each in requests([half, half, "x", half])] == [2, 2]


def test_a_message_too_large_for_any_request_is_sent_alone_for_sqs_to_refuse() -> None:
    large = "x" * (SEND_BYTES + 1)
    assert list(requests([large, "a"])) == [[large], ["a"]]


def test_nothing_to_send_is_no_request() -> None:
    assert list(requests([])) == []


def test_the_outcomes_of_a_line_are_what_the_function_counted() -> None:
    line = json.loads(counts([Outcome.WRITTEN, Outcome.WRITTEN, Outcome.FAILED], "f", 0))
    assert outcomes(line) == {
        "Written": 2,
        "Superseded": 0,
        "Coalesced": 0,
        "Rejected": 0,
        "Failed": 1,
    }


def test_a_line_about_a_message_counts_nothing() -> None:
    record = {"messageId": "m-1"}
    line = json.loads(unacknowledged(record, None, Result(Outcome.REJECTED, "no reason")))
    assert outcomes(line) == {}
