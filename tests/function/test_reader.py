"""Bytes that arrive in any pieces become one answer, or none."""

import time
import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from function import connection
from function.request import Answer
from tests.function.server import answer, error

BOUND = 65_536
ID = "4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG"
OK = answer()
REFUSED = error("ConditionalCheckFailedException")

WHOLE: dict[str, tuple[bytes, Answer]] = {
    "DynamoDB's": (OK, Answer(200, b"{}", ID, is_checked=True)),
    "SQS's": (answer(x_amz_crc32=None), Answer(200, b"{}", ID)),
    "no body": (answer(b"", 500), Answer(500, b"", ID, is_checked=True)),
    "no id": (answer(x_amzn_RequestId=None), Answer(200, b"{}", "", is_checked=True)),
    "ends within": (answer(b'"\xc3\xa9\r\n\r\n"'), Answer(200, b'"\xc3\xa9\r\n\r\n"', ID, True)),
    "no phrase": (OK.replace(b" Whatever", b""), Answer(200, b"{}", ID, is_checked=True)),
    "spaces": (OK.replace(b"t-Length: 2", b"t-length:\t2 "), Answer(200, b"{}", ID, True)),
    "length first": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Answer(200, b"{}")),
    "a colon in the id": (answer(x_amzn_RequestId="X:X"), Answer(200, b"{}", "X:X", True)),
    "long": (answer(b"x" * 60_000), Answer(200, b"x" * 60_000, ID, is_checked=True)),
    "moto's": (
        OK.replace(b"Date", b"Server: x\r\ndate: y\r\nDate"),
        Answer(200, b"{}", ID, is_checked=True),
    ),
}


class Reader:
    """Hands the pieces of an answer over as they come."""

    def __init__(self, most_bytes: int) -> None:
        self._pieces: list[bytes] = []
        self._read = connection.read(self._receive, most_bytes)

    def _receive(self) -> connection.Steps[bytes]:
        while not self._pieces:
            yield -1, 0
        return self._pieces.pop()

    def feed(self, piece: bytes) -> Answer | None:
        """Hand one over; return the answer if it is whole."""
        self._pieces.append(piece)
        try:
            next(self._read)
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer
        return None


def read(received: bytes, most_bytes: int = BOUND) -> Answer | None:
    return Reader(most_bytes).feed(received)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_read_and_none_of_its_beginnings(name: str) -> None:
    received, expected = WHOLE[name]
    assert read(received) == expected
    assert all(read(received[:end]) is None for end in range(0, len(received), 97))
    assert read(received[:-1]) is None


@given(st.sampled_from([OK, REFUSED]), st.lists(st.integers(0, 600), max_size=8))
@example(OK, list(range(len(OK))))
def test_an_answer_may_come_in_any_pieces(sent: bytes, cuts: list[int]) -> None:
    reader, places = Reader(BOUND), [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(places)]
    *before, last = [piece for piece in pieces if piece]
    assert [reader.feed(piece) for piece in before] == [None] * len(before)
    assert reader.feed(last) == read(sent)


LONG = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_920
NO_ANSWERS = {
    "a byte more": (OK + b"x", "200: it is longer than it announced"),
    "twice": (OK + OK, "200: it is longer than it announced"),
    "announced too short": (answer(Content_Length=1), "200: it is longer than it announced"),
    "beyond the bound": (answer(b"x" * BOUND), r"200: it is too long, 65\d+ bytes"),
    "announced beyond it": (answer(Content_Length=BOUND), r"200: it is too long, 65\d+ bytes"),
    "no length": (answer(Content_Length=None), "200: its content-length is missing or no number"),
    "two lengths": (answer(Content_Length="2, 2"), "200: its content-length is missing or no .*"),
    "a sign": (answer(Content_Length="+2"), "200: its content-length is missing or no number"),
    "and more": (answer(Content_Length="2\x0b"), "200: its content-length is missing or no number"),
    "ten digits": (answer(Content_Length="0" * 9 + "2"), "200: its content-length is missing .*"),
    "length twice": (OK.replace(b"Date", b"CONTENT-LENGTH"), "200: it says content-length twice"),
    "id twice": (OK.replace(b"Server", b"x-amzn-requestid"), "200: it says x-amzn-requestid twice"),
    "checksum twice": (OK.replace(b"Server", b"X-Amz-Crc32"), "200: it says x-amz-crc32 twice"),
    "unknown twice": (OK.replace(b"Server: ", b"x: 1\r\nX: 1\r\nServer: "), "200: it says x twice"),
    "chunked with length": (
        answer(Transfer_Encoding="chunked"),
        "200: it says transfer-encoding, and no length",
    ),
    "chunked": (
        answer(status=503, Transfer_Encoding="chunked", Content_Length=None),
        "503: it says transfer-encoding, and no length",
    ),
    "another checksum": (answer(x_amz_crc32=zlib.crc32(b"{]")), "200: its checksum is wrong"),
    "an empty checksum": (answer(x_amz_crc32=""), "200: its checksum is wrong"),
    "to be continued": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "100: its content-length is .*"),
    "HTTP/1.0": (OK.replace(b"1.1", b"1.0"), "it is not HTTP/1.1"),
    "a status of two digits": (OK.replace(b" 200", b" 20"), "it is not HTTP/1.1"),
    "a header without a colon": (OK.replace(b"Server: ", b"Server "), "it is not HTTP/1.1"),
    "a header over two lines": (OK.replace(b"Date: Sun", b"Date: Sun\r\n"), "it is not HTTP/1.1"),
    "a bare line feed": (OK.replace(b"Date: Sun", b"Date: Sun\n"), "it is not HTTP/1.1"),
    "an empty line before": (b"\r\n" + OK, "it is not HTTP/1.1"),
    "a page": (b"<html>\r\n\r\n", "it is not HTTP/1.1"),
    "no end of a word": (b"x" * BOUND, "it is not HTTP/1.1"),
    "no end of a head": (LONG + b"x" * (BOUND - len(LONG)), "it is not HTTP/1.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_never_becomes_one_and_says_why(name: str) -> None:
    received, reason = NO_ANSWERS[name]
    with pytest.raises(OSError, match=f"^{reason}$"):
        read(received)


def test_a_request_says_how_long_its_answer_may_be() -> None:
    assert read(b"x" * (BOUND - 1)) is None
    longest = answer(b"x" * 100_000)
    assert read(longest, len(longest)) is not None
    with pytest.raises(OSError, match="too long"):
        read(longest, len(longest) - 1)


@pytest.mark.parametrize(
    ("said", "is_last"),
    [("close", True), ("Close", True), ("keep-alive", False), ("x, close", True), (None, False)],
)
def test_an_answer_may_be_the_last_of_its_connection(said: str | None, is_last: bool) -> None:
    told = read(answer(Connection=said))
    assert told
    assert told.is_last is is_last


@given(st.sampled_from([OK, REFUSED]), st.data())
def test_an_answer_with_a_byte_changed_never_proves_what_was_not_sent(
    sent: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(sent) - 1))
    received = sent[:place] + bytes([data.draw(st.integers(0, 255))]) + sent[place + 1 :]
    original = read(sent)
    assert original
    try:
        changed = read(received)
    except OSError:
        return
    if changed and changed.request_id and changed.is_checked:
        assert changed.body == original.body
        assert changed.status == original.status or sent[:place].endswith((b"1 ", b"2", b"4", b"0"))


@given(st.integers(1, len(OK) - 1), st.integers(1, len(REFUSED) - 1))
def test_two_answers_spliced_never_prove_anything_else(end: int, start: int) -> None:
    try:
        spliced = read(OK[:end] + REFUSED[start:])
    except OSError:
        return
    if spliced and spliced.request_id and spliced.is_checked:
        assert spliced.body in (b"{}", read(REFUSED).body)  # type: ignore[union-attr]


def test_a_long_answer_in_small_pieces_takes_time_linear_to_its_length() -> None:
    def seconds(size: int) -> float:
        sent, reader = answer(b"x" * size), Reader(10_000_000)
        started = time.process_time()
        for place in range(0, len(sent), 500):
            reader.feed(sent[place : place + 500])
        return time.process_time() - started

    small = min(seconds(250_000) for _ in range(3))
    large = min(seconds(4_000_000) for _ in range(3))
    assert large < 64 * small  # sixteen times is linear, 256 quadratic
