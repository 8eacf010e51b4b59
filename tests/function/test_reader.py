"""Bytes that arrive in any pieces become one answer, or none."""

import re
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import connection
from function.request import Answer
from tests.function.server import answer

BOUND = 65_536
ID = "4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG"
OK = answer()
REFUSED_BODY = b'{"__type": "ConditionalCheckFailedException"}'
REFUSED = answer(REFUSED_BODY, 400)
READ = Answer(200, b"{}", ID, is_checked=True)
WHOLE: dict[bytes, Answer] = {
    OK: READ,
    answer(x_amz_crc32=None): READ._replace(is_checked=False),  # SQS's
    answer(b"", 500): READ._replace(status=500, body=b""),
    answer(x_amzn_RequestId=None): READ._replace(request_id=""),
    answer(x_amzn_RequestId="X:X"): READ._replace(request_id="X:X"),
    answer(b'"\xc3\r\n\r\n"'): READ._replace(body=b'"\xc3\r\n\r\n"'),
    answer(b"x" * 60_000): READ._replace(body=b"x" * 60_000),
    answer(Connection="close"): READ._replace(is_last=True),
    answer(Connection="x, Close"): READ._replace(is_last=True),
    answer(Connection=None): READ,
    OK.replace(b" Whatever", b""): READ,
    OK.replace(b"t-Length: 2", b"t-length:\t2 "): READ,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}": Answer(200, b"{}"),
    OK.replace(b"Date", b"Server: x\r\ndate: y\r\nDate"): READ,  # moto's
}


def read(*pieces: bytes, most_bytes: int = BOUND) -> Answer | None:
    """Return the answer that comes in pieces, or None if more of it has to come."""
    coming = iter(pieces)

    def receive() -> connection.Steps[bytes]:
        if piece := next(coming, b""):
            return piece
        yield -1, 0
        raise AssertionError("nothing more comes")

    try:
        next(connection.read(receive, most_bytes))
    except StopIteration as ended:
        answer: Answer = ended.value
        return answer
    return None


@pytest.mark.parametrize(("received", "expected"), WHOLE.items())
def test_an_answer_in_pieces_is_whole_with_its_last_byte(received: bytes, expected: Answer) -> None:
    for size in (1, 2, 3, 4, 97, len(received)):
        pieces = [received[start : start + size] for start in range(0, len(received), size)]
        assert read(*pieces[:-1]) is None
        assert read(*pieces) == expected


LONG = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_920
LATE = answer(Content_Length=BOUND)
CHUNKED = answer(status=503, Transfer_Encoding="chunked", Content_Length=None)
NO_LENGTHS = (None, "2, 2", "+2", "2\x0b", "0" * 9 + "2")
NO_ANSWERS: dict[str, list[bytes]] = {
    "200: it is longer than it announced": [OK + b"x", OK + OK, answer(Content_Length=1)],
    f"200: it is too long, {len(LATE) - 2 + BOUND} bytes": [LATE],
    "200: its content-length is missing or no number": [
        answer(Content_Length=each) for each in NO_LENGTHS
    ],
    "100: its content-length is missing or no number": [b"HTTP/1.1 100 Continue\r\n\r\n" + OK],
    **{
        f"200: it says {name} twice": [
            OK.replace(b"Server:", f"{name}: 2\r\n{name.upper()}:".encode())
        ]
        for name in ("content-length", "x-amzn-requestid", "x-amz-crc32", "x")
    },
    "200: it says transfer-encoding, and no length": [answer(Transfer_Encoding="chunked")],
    "503: it says transfer-encoding, and no length": [CHUNKED],
    "200: its checksum is wrong": [answer(x_amz_crc32=each) for each in (zlib.crc32(b"{]"), "")],
    "it is not HTTP/1.1": [
        *(OK.replace(b"1.1", b"1.0"), OK.replace(b" 200", b" 20"), OK.replace(b": Sun", b" Sun")),
        *(OK.replace(b": Sun", b": Sun\r\n"), OK.replace(b": Sun", b": Sun\n"), b"\r\n" + OK),
        *(b"<html>\r\n\r\n", b"x" * BOUND, LONG + b"x" * (BOUND - len(LONG))),
    ],
}


@pytest.mark.parametrize(
    ("received", "reason"),
    [(received, reason) for reason, each in NO_ANSWERS.items() for received in each],
    ids=lambda each: each[:60],
)
def test_what_is_no_answer_never_becomes_one_and_says_why(received: bytes, reason: str) -> None:
    with pytest.raises(OSError, match=f"^{re.escape(reason)}$"):
        read(received)


def test_a_request_says_how_long_its_answer_may_be() -> None:
    assert read(b"x" * (BOUND - 1)) is None
    longest = answer(b"x" * 100_000)
    assert read(longest, most_bytes=len(longest)) is not None
    with pytest.raises(OSError, match="too long"):
        read(longest, most_bytes=len(longest) - 1)


sent = st.sampled_from([OK, REFUSED])
changed = st.builds(
    lambda answer, place, byte: answer[:place] + byte + answer[place + 1 :],
    *(sent, st.integers(0, len(REFUSED)), st.binary(min_size=1, max_size=1)),
)
spliced = st.builds(
    lambda one, end, other, start: one[:end] + other[start:],
    *(sent, st.integers(1, len(OK) - 1), sent, st.integers(1, len(REFUSED) - 1)),
)


@given(changed | spliced)
def test_an_answer_that_was_damaged_never_proves_what_was_not_sent(received: bytes) -> None:
    try:
        damaged = read(received)
    except OSError:
        return
    if damaged and damaged.request_id and damaged.is_checked:
        assert damaged.body in (b"{}", REFUSED_BODY)


def test_a_long_answer_in_small_pieces_takes_time_linear_to_its_length() -> None:
    def seconds(size: int) -> float:
        sent = answer(b"x" * size)
        pieces = [sent[place : place + 500] for place in range(0, len(sent), 500)]
        started = time.process_time()
        assert read(*pieces, most_bytes=len(sent))
        return time.process_time() - started

    small = min(seconds(250_000) for _ in range(3))
    large = min(seconds(4_000_000) for _ in range(3))
    assert large < 64 * small  # sixteen times is linear, 256 quadratic
