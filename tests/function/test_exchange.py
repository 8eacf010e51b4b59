"""One exchange: what is sent, which answers are whole, and what becomes of connections."""

import os
import re
import socket
import threading
import time
import zlib
from itertools import pairwise
from pathlib import Path

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider
from hypothesis import example, given
from hypothesis import strategies as st

import tests.function.profiles  # noqa: F401 chooses hypothesis's profile
from function import exchange
from function.exchange import (
    ANSWER_BYTES,
    Answer,
    AnswerError,
    Exchange,
    find_endpoint,
    read_answer,
)
from function.signature import sign
from tests.function.server import HOST, Server, Step, answer, error

ID = b"4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG"
OK = answer()
REFUSED = error("ConditionalCheckFailedException")


# The reader, in memory.


WHOLE: dict[str, tuple[bytes, Answer]] = {
    "DynamoDB's": (OK, Answer(200, b"{}", ID)),
    "no body": (answer(b"", 500), Answer(500, b"", ID)),
    "no id": (answer(x_amzn_RequestId=None), Answer(200, b"{}")),
    "no checksum": (answer(x_amz_crc32=None), Answer(200, b"{}")),
    "ends within": (answer(b'"\xc3\xa9\r\n\r\n"'), Answer(200, b'"\xc3\xa9\r\n\r\n"', ID)),
    "no phrase": (OK.replace(b" Whatever", b""), Answer(200, b"{}", ID)),
    "spaces": (OK.replace(b"t-Length: 2", b"t-length:\t2 "), Answer(200, b"{}", ID)),
    "length first": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Answer(200, b"{}")),
    "a colon in the id": (answer(x_amzn_RequestId="X:X"), Answer(200, b"{}", b"X:X")),
    "long": (answer(b"x" * 60_000), Answer(200, b"x" * 60_000, ID)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_read_and_none_of_its_beginnings(name: str) -> None:
    received, read = WHOLE[name]
    assert read_answer(received) == read
    assert all(read_answer(received[:end]) is None for end in range(0, len(received), 97))
    assert read_answer(received[:-1]) is None


LONG = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_920
NO_ANSWERS = {
    "a byte more": (OK + b"x", "too long"),
    "twice": (OK + OK, "too long"),
    "announced too short": (answer(Content_Length=1), "too long"),
    "announced beyond the bound": (answer(Content_Length=ANSWER_BYTES), "too long"),
    "beyond the bound": (answer(b"x" * ANSWER_BYTES), "too long"),
    "no length": (answer(Content_Length=None), "length is not clear"),
    "two lengths": (answer(Content_Length="2, 2"), "length is not clear"),
    "a length with a sign": (answer(Content_Length="+2"), "length is not clear"),
    "a length and more": (answer(Content_Length="2\x0b"), "length is not clear"),
    "a length of ten digits": (answer(Content_Length="0" * 9 + "2"), "length is not clear"),
    "length twice": (OK.replace(b"Connection", b"CONTENT-LENGTH"), "length is not clear"),
    "chunked with length": (answer(Transfer_Encoding="chunked"), "length is not clear"),
    "chunked": (answer(Transfer_Encoding="", Content_Length=None), "length is not clear"),
    "another checksum": (answer(x_amz_crc32=zlib.crc32(b"{]")), "checksum is wrong"),
    "an empty checksum": (answer(x_amz_crc32=""), "checksum is wrong"),
    "to be continued": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "length is not clear"),
    "hints": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, "length is not clear"),
    "HTTP/1.0": (OK.replace(b"1.1", b"1.0"), "not HTTP/1.1"),
    "a status of two digits": (OK.replace(b" 200", b" 20"), "not HTTP/1.1"),
    "a header without a colon": (OK.replace(b"Server: ", b"Server "), "not HTTP/1.1"),
    "a header over two lines": (OK.replace(b"Date: Sun", b"Date: Sun\r\n"), "not HTTP/1.1"),
    "a bare line feed": (OK.replace(b"Date: Sun", b"Date: Sun\n"), "not HTTP/1.1"),
    "an empty line before": (b"\r\n" + OK, "not HTTP/1.1"),
    "a page": (b"<html>\r\n\r\n", "not HTTP/1.1"),
    "no end of a word": (b"x" * ANSWER_BYTES, "not HTTP/1.1"),
    "no end of a head": (LONG + b"x" * (ANSWER_BYTES - len(LONG)), "not HTTP/1.1"),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_never_becomes_one(name: str) -> None:
    received, reason = NO_ANSWERS[name]
    with pytest.raises(AnswerError, match=f"^it is {reason}$|^its {reason}$"):
        read_answer(received)


def test_more_may_come_up_to_the_bound() -> None:
    assert read_answer(b"x" * (ANSWER_BYTES - 1)) is None
    body = b"x" * (ANSWER_BYTES - len(answer(b"", Content_Length=65_000, x_amz_crc32=None)))
    longest = answer(body, x_amz_crc32=None)
    assert len(longest) == ANSWER_BYTES
    assert read_answer(longest[:-1]) is None
    assert read_answer(longest) == Answer(200, body)


@given(st.sampled_from([OK, REFUSED]), st.data())
def test_an_answer_with_a_byte_changed_never_proves_what_was_not_sent(
    sent: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(sent) - 1))
    received = sent[:place] + bytes([data.draw(st.integers(0, 255))]) + sent[place + 1 :]
    original = read_answer(sent)
    assert original
    try:
        read = read_answer(received)
    except AnswerError:
        return
    if read and read.request_id:
        assert read.body == original.body
        assert read.status == original.status or sent[:place].endswith((b"1 ", b"2", b"4", b"0"))


# Where it goes.


LOADER = botocore.session.get_session().get_component("data_loader")
PARTITIONS = LOADER.load_data("partitions")
ENDPOINTS = EndpointProvider(
    LOADER.load_service_model("dynamodb", "endpoint-rule-set-1"), PARTITIONS
)
REGIONS = [
    region
    for partition in PARTITIONS["partitions"]
    for region in partition["regions"]
    if not region.endswith("-global")  # these stand for a partition: no function runs there
]


@pytest.mark.parametrize("fips", ["", "false", "true", "TRUE"])
@pytest.mark.parametrize("region", REGIONS)
def test_a_region_s_endpoint_is_the_one_that_botocore_resolves(region: str, fips: str) -> None:
    resolved = ENDPOINTS.resolve_endpoint(
        Region=region, UseFIPS=fips.lower() == "true", UseDualStack=False
    )
    assert find_endpoint(region, {"AWS_USE_FIPS_ENDPOINT": fips} if fips else {}) == resolved.url


def test_the_environment_names_another_endpoint() -> None:
    general, own = {"AWS_ENDPOINT_URL": "http://a"}, {"AWS_ENDPOINT_URL_DYNAMODB": "http://b"}
    assert find_endpoint("us-east-1", general) == "http://a"
    assert find_endpoint("us-east-1", general | own) == "http://b"
    assert find_endpoint("us-east-1", own) == "http://b"
    assert find_endpoint("us-east-1", {"AWS_ENDPOINT_URL": ""}).startswith("https://dynamodb.")


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://a", "http://", "http://a/b?c", "http://a/b/../c", "http://a//b",
     "http://a b", "http://a:x", "https://a@b", "http://a/ä"],
)  # fmt: skip
def test_an_endpoint_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"AWS_ENDPOINT_URL is {url!r}, it has to be http")
    ):
        Exchange({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url})


@pytest.mark.parametrize(
    ("url", "address", "host", "path"),
    [
        ("https://dynamodb.us-east-1.amazonaws.com", ("dynamodb.us-east-1.amazonaws.com", 443),
         "dynamodb.us-east-1.amazonaws.com", "/"),
        ("http://localhost/", ("localhost", 80), "localhost", "/"),
        ("http://[::1]:8000/a/b.c", ("::1", 8000), "[::1]:8000", "/a/b.c/"),
        ("https://my_host:4566/~a/", ("my_host", 4566), "my_host:4566", "/~a/"),
    ],
    ids=["aws", "localhost", "IPv6", "port"],
)  # fmt: skip
def test_an_endpoint_is_taken_apart(
    url: str, address: tuple[str, int], host: str, path: str
) -> None:
    made = Exchange({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url})
    assert (made._address, made._host, made._path) == (address, host, path)
    assert (made._tls is not None) == url.startswith("https")


def test_without_a_region_there_is_no_exchange() -> None:
    with pytest.raises(KeyError, match="AWS_DEFAULT_REGION"):
        Exchange({})
    assert Exchange({"AWS_DEFAULT_REGION": "eu-west-1"})._region == "eu-west-1"
    both = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}
    assert Exchange(both)._region == "eu-west-2"


# Over connections.


def exchanging(server: Server, **environment: str) -> Exchange:
    """Make an exchange with a server."""
    return Exchange({
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"{server.url}/4711",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        **environment,
    })  # fmt: skip


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for seconds."""
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.3)


@pytest.fixture(params=["http", "https"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Say where a server that speaks TLS puts its authority's certificate."""
    return tmp_path if request.param == "https" else None


def bundle(folder: Path | None) -> dict[str, str]:
    return {"AWS_CA_BUNDLE": str(folder / "ca.pem")} if folder else {}


def test_a_request_is_signed_and_says_what_aws_wants_to_know(
    folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("function.exchange.time.time", lambda: 1743296400.9)
    body = b'{"TableName": "\xc3\xa9"}' + b" " * 400_000
    with Server(OK, folder=folder) as server:
        made = exchanging(server, AWS_SESSION_TOKEN="token", **bundle(folder))
        assert made(body, "0af7", 2) == Answer(200, b"{}", ID)
        (request,) = server.requests
    assert request.body == body
    line, *headers = request.head.split("\r\n")
    assert line == "POST /4711/ HTTP/1.1"
    found = dict(header.split(":", 1) for header in headers)
    signature = found.pop("authorization")
    assert found == {
        "content-type": "application/x-amz-json-1.0",
        "host": server.url.partition("//")[2],
        "x-amz-date": "20250330T010000Z",
        "x-amz-security-token": "token",
        "x-amz-target": "DynamoDB_20120810.PutItem",
        "content-length": str(len(body)),
        "amz-sdk-invocation-id": "0af7",
        "amz-sdk-request": "attempt=2",
        "user-agent": "event-state",
        "accept-encoding": "identity",
    }
    lines = sign(body, 1743296400, "us-east-1", made._environment, found["host"], "/4711/")
    assert f"authorization:{signature}" == lines.splitlines()[-1]


def puts(made: Exchange, times: int) -> list[int]:
    return [made(b"{}", "id", 1).status for _ in range(times)]


def test_a_connection_is_kept(folder: Path | None) -> None:
    with Server(OK, REFUSED, OK, folder=folder) as server:
        made = exchanging(server, **bundle(folder))
        assert puts(made, 3) == [200, 400, 200]
        assert [request.connection for request in server.requests] == [1, 1, 1]


@pytest.mark.parametrize(
    "unfit",
    [
        answer(status=500),
        answer(status=307, Location="http://elsewhere"),
        answer(x_amzn_RequestId=None),
        answer(x_amz_crc32=None),
    ],
    ids=["500", "307", "no id", "no checksum"],
)
def test_a_connection_that_brought_an_unusual_answer_is_not_kept(unfit: bytes) -> None:
    with Server(unfit, OK) as server:
        puts(exchanging(server), 2)
        assert [request.connection for request in server.requests] == [1, 2]


def test_threads_have_connections_of_their_own_and_the_last_one_kept_is_taken_first() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(connection: socket.socket) -> None:
        meeting.wait()
        connection.sendall(OK)

    with Server(meet, meet, meet, OK) as server:
        made = exchanging(server)
        threads = [threading.Thread(target=puts, args=(made, 1)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert sorted(request.connection for request in server.requests) == [1, 2, 3]
        puts(made, 3)
        assert len({request.connection for request in server.requests[3:]}) == 1


def closes(connection: socket.socket) -> None:
    connection.sendall(OK)
    connection.close()


def test_a_kept_connection_that_the_server_closed_is_replaced_at_once(folder: Path | None) -> None:
    with Server(closes, folder=folder) as server:
        assert puts(exchanging(server, **bundle(folder)), 3) == [200, 200, 200]
        assert [request.connection for request in server.requests] == [1, 2, 3]


def test_one_that_closes_only_when_it_is_used_again_is_replaced_at_once(
    folder: Path | None,
) -> None:
    with Server(OK, None, OK, folder=folder) as server:
        assert puts(exchanging(server, **bundle(folder)), 2) == [200, 200]
        assert [request.connection for request in server.requests] == [1, 1, 2]


def spoil(connection: socket.socket) -> None:
    """Send what is not TLS, below it."""
    with socket.socket(fileno=os.dup(connection.fileno())) as below:
        below.sendall(b"no record of TLS")


def test_a_kept_connection_whose_tls_breaks_is_replaced_at_once(tmp_path: Path) -> None:
    with Server(OK, spoil, OK, folder=tmp_path) as server:
        assert puts(exchanging(server, **bundle(tmp_path)), 2) == [200, 200]
        assert [request.connection for request in server.requests] == [1, 1, 2]


def test_all_that_died_while_frozen_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(OK) as server:
        made = exchanging(server)
        dead = [socket.socketpair() for _ in range(3)]
        for ours, theirs in dead:
            theirs.close()
            made._kept.append((ours, b""))
        assert puts(made, 1) == [200]
        assert [ours.fileno() for ours, _ in dead] == [-1, -1, -1]
        assert len(made._kept) == 1


def test_a_new_connection_that_is_closed_is_an_error(folder: Path | None) -> None:
    with (
        Server(None, folder=folder) as server,
        pytest.raises(OSError, match=r"^closed before the end of an answer$|EOF"),
    ):
        exchanging(server, **bundle(folder))(b"{}", "id", 1)


def cut(connection: socket.socket) -> None:
    connection.sendall(OK[:-1])
    connection.close()


def by_bytes(connection: socket.socket) -> None:
    for byte in OK:
        connection.sendall(bytes([byte]))


def drip(connection: socket.socket) -> None:
    """Send a head that never ends, slowly."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.01)


def flood(connection: socket.socket) -> None:
    """Send a head that never ends, fast."""
    while True:
        connection.sendall(b"x: y\r\n" * 1000)


def hang(_: socket.socket) -> None:
    """Do nothing, and keep the connection."""


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (cut, ConnectionError),
        (drip, TimeoutError),
        (flood, AnswerError),
        (hang, TimeoutError),
        (OK[:-1], TimeoutError),
        (OK + OK, AnswerError),
        (answer(x_amz_crc32=1), AnswerError),
    ],
    ids=["cut", "dripping", "flooding", "hanging", "short", "twice", "checksum"],
)
def test_no_answer_is_an_error_in_time_and_ends_its_connection(
    folder: Path | None, step: Step, problem: type[Exception]
) -> None:
    with Server(step, OK, folder=folder) as server:
        made = exchanging(server, **bundle(folder))
        started = time.monotonic()
        with pytest.raises(problem):
            made(b"{}", "id", 1)
        assert time.monotonic() - started < 5
        assert made._kept == []
        assert puts(made, 1) == [200]


def test_an_answer_may_come_byte_by_byte(folder: Path | None) -> None:
    with Server(by_bytes, folder=folder) as server:
        assert puts(exchanging(server, **bundle(folder)), 2) == [200, 200]


@pytest.mark.usefixtures("short")
def test_a_request_that_nobody_reads_is_an_error_in_time() -> None:
    with socket.create_server((HOST, 0)) as deaf:
        url = f"http://{HOST}:{deaf.getsockname()[1]}"
        made = Exchange({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url})
        with pytest.raises(TimeoutError):
            made(b"x" * 50_000_000, "id", 1)


def test_an_answer_that_nobody_asked_for_ends_its_connection(folder: Path | None) -> None:
    sent = threading.Event()

    def twice(connection: socket.socket) -> None:
        connection.sendall(OK)
        time.sleep(0.05)
        connection.sendall(OK)
        sent.set()

    with Server(twice, REFUSED, folder=folder) as server:
        made = exchanging(server, **bundle(folder))
        puts(made, 1)
        assert sent.wait(10)
        assert puts(made, 1) == [400]
        assert [request.connection for request in server.requests] == [1, 2]


def test_an_answer_repeated_is_not_taken_for_the_next_one() -> None:
    """It arrives when the next request is under way: its id alone tells."""
    first, second = (answer(x_amzn_RequestId=name) for name in ("first", "second"))
    with Server(first, second, second, REFUSED) as server:
        made = exchanging(server)
        assert puts(made, 3) == [200, 200, 400]
        assert [request.connection for request in server.requests] == [1, 1, 1, 2]
        assert made._ids == {b"first", b"second"}  # and no more: it would grow for ever


def test_a_server_whose_ids_are_all_one_is_no_repeater() -> None:
    with Server(OK) as server:
        assert puts(exchanging(server), 3) == [200, 200, 200]
        assert [request.connection for request in server.requests] == [1, 1, 1]


@pytest.mark.usefixtures("short")
def test_a_handshake_that_stops_in_its_middle_is_an_error_in_time(tmp_path: Path) -> None:
    with Server(OK, folder=tmp_path), socket.create_server((HOST, 0)) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}"
        made = Exchange({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url, **bundle(tmp_path)})
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            made(b"{}", "id", 1)
        assert time.monotonic() - started < 5


def test_only_a_server_that_an_authority_vouches_for_is_talked_to(tmp_path: Path) -> None:
    with (
        Server(OK, folder=tmp_path) as server,
        pytest.raises(OSError, match="certificate verify failed"),
    ):
        exchanging(server)(b"{}", "id", 1)
    assert server.requests == []


def test_only_a_server_of_the_name_is_talked_to(tmp_path: Path) -> None:
    with (
        Server(OK, folder=tmp_path, names=["example.com"]) as server,
        pytest.raises(OSError, match="IP address mismatch"),
    ):
        exchanging(server, **bundle(tmp_path))(b"{}", "id", 1)
    assert server.requests == []


def test_tls_is_1_2_at_least_and_a_bundle_that_is_none_is_told(tmp_path: Path) -> None:
    https = {"AWS_REGION": "us-east-1"}
    tls = Exchange(https)._tls
    assert tls
    assert tls.minimum_version.name == "TLSv1_2"
    assert Exchange(https | {"AWS_CA_BUNDLE": ""})._tls
    with pytest.raises(OSError, match="No such file"):
        Exchange(https | {"AWS_CA_BUNDLE": str(tmp_path / "absent")})


def test_no_time_is_left_after_the_deadline() -> None:
    assert 0 < exchange._left(time.monotonic() + 5) <= 5
    with pytest.raises(TimeoutError, match=r"^too late$"):
        exchange._left(time.monotonic())


# Fuzzed, in memory.


class Wire:
    """A connection that brings chunks, each after a while on a clock of its own, and then hangs."""

    def __init__(self, chunks: list[tuple[float, bytes]]) -> None:
        self.now = 0.0
        self.read = 0
        self._chunks = list(chunks)
        self._patience = 0.0

    def settimeout(self, seconds: float) -> None:
        """Note how long to wait."""
        assert seconds > 0
        self._patience = seconds

    def send(self, data: bytes) -> int:
        """Take a few bytes."""
        return min(len(data), 7)

    def recv(self, size: int) -> bytes:
        """Bring what is next."""
        assert size > 0
        after, chunk = self._chunks.pop(0) if self._chunks else (float("inf"), b"")
        if after > self._patience:
            self.now += self._patience
            raise TimeoutError
        self.now += after
        taken, rest = chunk[:size], chunk[size:]
        if rest:
            self._chunks.insert(0, (0.0, rest))
        self.read += len(taken)
        return taken


def pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


soup = st.lists(
    st.sampled_from([OK, REFUSED, OK[:70], OK[70:], b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"{}"])
    | st.binary(max_size=40),
    max_size=4,
).map(b"".join)


@given(
    st.sampled_from([OK, REFUSED]) | soup,
    st.lists(st.integers(0, 10_000), max_size=8),
    st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.9, 1.9]), max_size=9),
    st.booleans(),
)
@example(OK, list(range(len(OK))), [], False)
@example(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, [], [], True)
@example(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, [10], [], True)
def test_whatever_comes_in_whatever_pieces_only_a_whole_answer_is_one(
    sent: bytes, cuts: list[int], pauses: list[float], ends: bool
) -> None:
    chunks = [
        (pauses[i] if i < len(pauses) else 0.0, piece)
        for i, piece in enumerate(pieces(sent, cuts))
        if piece
    ]
    wire = Wire([*chunks, (0.0, b"")] if ends else chunks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("function.exchange.time.monotonic", lambda: wire.now)
        try:
            read = exchange.converse(wire, b"request")  # type: ignore[arg-type] # as a socket does
        except (AnswerError, OSError):
            read = None
    assert wire.read <= ANSWER_BYTES
    assert wire.now <= exchange.ANSWER_SECONDS
    if read and read.request_id:
        assert sent.startswith((OK, REFUSED))
        assert read == read_answer(OK if sent.startswith(OK) else REFUSED)
    elif sent in (OK, REFUSED):
        assert sum(pauses[: len(chunks)]) >= exchange.ANSWER_SECONDS
