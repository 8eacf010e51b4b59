"""What a text or an item becomes as a message, and how `python -m tools load` sends it."""

import io
import json
import re
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.conftest import REGION, MockedStack
from tools import load as tools_load
from tools.__main__ import main
from tools.aws import client, emulator_session
from tools.errors import ToolError
from tools.event import (
    MESSAGE_BYTES,
    decode,
    event_body,
    from_item,
    is_same,
    message_body,
    to_json,
)
from tools.load import ATTEMPTS, batches, queue_client, send_messages

EXACT = '{"order_id": "a", "n": 1.10, "big": 123456789012345678901234567890e+5, "ü": "東京"}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"order_id":"a"}', "event_id is missing"),
        ('{"event_id":"a","n":NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "body nests deeper than the 32 levels that DynamoDB holds"),
        (
            '{"event_id":"a","s":"\ufffe"}',
            "the message has the character U+FFFE, which SQS refuses",
        ),
        (
            json.dumps({"event_id": "x", "s": "x" * MESSAGE_BYTES}),
            "the message has 1048602 bytes, SQS takes 1 to 1048576",
        ),
    ],
)
def test_a_text_that_makes_no_event_is_refused_with_the_functions_reason(
    text: str, reason: str
) -> None:
    with pytest.raises(ToolError) as refused:
        event_body(text, "event_id")
    assert str(refused.value).startswith(reason)
    assert event_body(EXACT, "order_id") == EXACT


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a"}, "set"),
        (Binary(b"a"), "Binary"),
        (float("nan"), "float"),
        (Decimal("Infinity"), "Decimal"),
        # As text, 1 would be a second member "1".
        ({"1": 1, 1: 2}, "dict"),
    ],
)
def test_what_json_has_no_form_for_is_refused_by_its_kind(value: object, kind: str) -> None:
    with pytest.raises(ToolError, match=f"holds a {kind} that JSON has no form for$"):
        to_json({"event_id": "a", "deep": [{"value": value}]})


_texts = st.text(st.characters(exclude_categories=["Cs"]))
_numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda n: len(n.as_tuple().digits) <= 38 and (not n or -100 < n.adjusted() < 100)
)
_values = st.recursive(
    st.none() | st.booleans() | _texts | _numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(_values)
def test_an_item_is_sent_as_the_value_that_it_is(value: Any) -> None:
    item = {"event_id": {"S": "a"}, "value": TypeSerializer().serialize(value)}
    body = to_json(from_item(item))
    assert message_body(body) == body
    assert is_same(decode(body), {"event_id": "a", "value": value})


def test_a_number_beyond_38_digits_as_dynamodb_writes_it_stays_exact() -> None:
    item = {"n": {"N": "1" + "0" * 125}, "m": {"N": "1E-130"}, "ü": {"N": "1.10"}}
    assert to_json(from_item(item)) == f'{{"n":1{"0" * 125},"m":1E-130,"ü":1.10}}'


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("[1.50, 1E+2]", "[1.5, 100]", True),
        ('{"a": [1.0, {"b": 2}], "c": null}', '{"c": null, "a": [1, {"b": 2.00}]}', True),
        ("true", "1", False),
        ("0", "false", False),
        ('"1"', "1", False),
        ("[1,2]", "[2,1]", False),
        ('{"a": 1}', '{"a": 1, "b": null}', False),
    ],
)
def test_values_are_the_same_in_depth_and_kind_however_numbers_are_written(
    one: str, other: str, same: bool
) -> None:
    assert is_same(decode(f'[{{"v":{one}}}]'), decode(f'[{{"v":{other}}}]')) is same
    assert is_same(decode(one), decode(one))


DIGITS = "12345678901234567890123456789012345.678"
AGAIN = "At least 0 messages were sent. Send all of it again: what comes twice does no harm."
Captured = pytest.CaptureFixture[str]


class Loading:
    """Runs the command on a stack, and reads what then waits in its queue."""

    def __init__(
        self, stack: MockedStack, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        self.stack, self._monkeypatch, self._capsys = stack, monkeypatch, capsys
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    def __call__(self, *arguments: str, url: str = "") -> tuple[int, str, list[str]]:
        """Return the status, what is printed, and the lines of standard error."""
        status = main(["load", "--queue-url", url or self.stack.url, *arguments])
        told = self._capsys.readouterr()
        return status, told.out, told.err.splitlines()

    def piped(self, content: io.BytesIO) -> tuple[int, str, list[str]]:
        """Send what stands on standard input."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
        return self("-", "--key-attribute", "order_id")

    def table(self, *items: dict[str, Any], name: str = "t") -> tuple[int, str, list[str]]:
        """Send a table's items."""
        for item in items:
            self.stack.dynamodb.put_item(TableName="t", Item=item)
        return self("--from-table", name, "--key-attribute", "order_id")

    def waiting(self) -> list[str]:
        """Return the bodies in the queue."""
        bodies: list[str] = []
        while received := self.stack.sqs.receive_message(
            QueueUrl=self.stack.url, MaxNumberOfMessages=10
        ).get("Messages"):
            bodies += [message["Body"] for message in received]
        return sorted(bodies)


@pytest.fixture
def load(stack: MockedStack, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Loading:
    return Loading(stack, monkeypatch, capsys)


def test_a_file_is_sent(load: Loading, tmp_path: Path) -> None:
    bodies = sorted(f'{{"event_id":"{number}","n":1.50}}' for number in range(50))
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(bodies))
    status, out, err = load(str(file))
    assert (status, err) == (0, [])
    assert re.fullmatch(r"Sent 50 messages in [\d.]+ s, \d+ a second.\n", out)
    assert load.waiting() == bodies


def test_standard_input_is_sent_and_bad_lines_are_reported(load: Loading) -> None:
    text = b'{"order_id":"1"}\r\n{"order_id":2}\n\n  \n{"order_id":"3"}\n{"order_id":"\xff"}\n'
    status, _, err = load.piped(io.BytesIO(b"\xef\xbb\xbf" + text + b"{}\n" * 300))
    assert (status, err) == (
        1,
        [
            "line 2: order_id is not a string",
            "line 6: 'utf-8' codec can't decode byte 0xff in position 13: invalid start byte",
            *(f"line {number}: order_id is missing" for number in range(7, 25)),  # not more
            "error: 302 were refused, and not sent.",
        ],
    )
    assert load.waiting() == ['{"order_id":"1"}', '{"order_id":"3"}']


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named(load: Loading, encoding: str) -> None:
    _, _, err = load.piped(io.BytesIO('{"order_id":"a"}\n'.encode(encoding)))
    assert err == [AGAIN, "error: The input is UTF-16: make it UTF-8 (iconv -f UTF-16 -t UTF-8)."]


def test_a_table_is_read_in_its_own_region_and_sent_as_the_events_that_it_was_made_of(
    load: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    item = {"order_id": {"S": "a"}, "n": {"N": DIGITS}, "l": {"L": [{"NULL": True}]}}
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/t"
    assert load.table(item, name=arn)[0] == 0
    assert load.waiting() == [f'{{"order_id":"a","n":{DIGITS},"l":[null]}}']


def test_an_item_that_is_no_event_is_named_and_the_others_sent(load: Loading) -> None:
    members: dict[str, Any] = {"a": {"S": "b"}, "s\x9b": {"SS": ["a"]}, "b": {"B": b"a"}}
    items = [{"order_id": {"S": name}, "m": member} for name, member in members.items()]
    status, _, err = load.table(*items)
    assert (status, sorted(err)) == (
        1,
        [
            "error: 2 were refused, and not sent.",
            "item 'b': the message holds a Binary that JSON has no form for",
            r"item 's\x9b': the message holds a set that JSON has no form for",
        ],
    )
    assert load.waiting() == ['{"order_id":"a","m":"b"}']


def test_a_table_that_is_not_there_or_has_another_key_is_named(load: Loading) -> None:
    assert load.table(name="nosuch")[2][-1].startswith("error: AWS refused Scan: ")
    load.stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}})
    status, _, err = load("--from-table", "t")
    named = "error: The key of t is not event_id: name it with --key-attribute."
    assert (status, err) == (1, [AGAIN, named])
    assert load.waiting() == []


def test_a_queue_that_is_not_there_ends_it_and_says_what_to_do(
    load: Loading, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"event_id":"a"}\n')
    status, _, err = load(str(file), url=f"{load.stack.url}-not")
    missing = (
        "error: AWS refused SendMessageBatch: The specified queue does not exist. "
        "(AWS.SimpleQueueService.NonExistentQueue)"
    )
    assert (status, err) == (1, [AGAIN, missing])


def test_ctrl_c_says_what_to_do(load: Loading) -> None:
    class Interrupted(io.BytesIO):
        def __next__(self) -> bytes:
            raise KeyboardInterrupt

    assert load.piped(Interrupted()) == (130, "", [AGAIN])


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.us-east-1.amazonaws.com/123456789012/q", "us-east-1"),
        ("https://sqs.eusc-de-east-1.amazonaws.eu/1/q", "eusc-de-east-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1"),
    ],
)
def test_the_region_is_the_queues(url: str, region: str) -> None:
    assert queue_client(url).meta.region_name == region


class _Sqs:
    """Answers SendMessageBatch: `fail` says how each message fares on its nth attempt."""

    def __init__(self, fail: Callable[[str, int], bool]) -> None:
        self.fail = fail
        self.requests: list[list[str]] = []
        self._lock = threading.Lock()

    def __call__(self, params: dict[str, Any], **_: Any) -> Any:
        bodies = {each["Id"]: each["MessageBody"] for each in json.loads(params["body"])["Entries"]}
        with self._lock:
            self.requests.append([*bodies.values()])
            told = [
                (each, self.fail(body, sum(body in one for one in self.requests)))
                for each, body in bodies.items()
            ]
        busy = {"SenderFault": False, "Code": "InternalError", "Message": "busy"}
        answer = {
            "Successful": [{"Id": i, "MessageId": f"id {bodies[i]}"} for i, bad in told if not bad],
            "Failed": [{"Id": i, **busy} for i, bad in told if bad],
        }
        return SimpleNamespace(status_code=200), {key: each for key, each in answer.items() if each}


def _sent(sqs: Any, bodies: list[str]) -> list[str]:
    session = emulator_session("us-east-1")
    session.events.register("before-call.sqs.SendMessageBatch", sqs)
    return [*send_messages(client(session, "sqs"), "https://sqs/1/q", bodies)]


HALF = "é" * (MESSAGE_BYTES // 4)


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools_load, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("bodies", "sizes"),
    [
        ([], []),
        (["x"] * 25, [10, 10, 5]),
        ([HALF, HALF, "x", HALF], [2, 2]),
        (["x" * MESSAGE_BYTES, "x"], [1, 1]),
    ],
)
def test_a_request_has_at_most_ten_messages_and_one_mebibyte(
    bodies: list[str], sizes: list[int]
) -> None:
    made = [*batches(bodies)]
    assert [body for batch in made for body in batch] == bodies
    assert [len(batch) for batch in made] == sizes


@pytest.mark.usefixtures("_no_pause")
def test_a_message_that_keeps_failing_is_sent_again_alone_and_ends_it_after_so_many_attempts() -> (
    None
):
    sqs = _Sqs(lambda body, attempt: body == "c")
    with pytest.raises(ToolError, match=r"^A message was not sent: busy \(InternalError\)\.$"):
        _sent(sqs, ["a", "b", "c"])
    assert sqs.requests == [["a", "b", "c"], *[["c"]] * (ATTEMPTS - 1)]
    with pytest.raises(ToolError, match=r"^A message was not sent: SQS did not answer\.$"):
        _sent(lambda **_: (SimpleNamespace(status_code=200), {}), ["a"])


@pytest.mark.usefixtures("_no_pause")
@settings(max_examples=10, deadline=None)  # each starts the threads
@given(st.sets(st.integers(0, 1499), max_size=4))
def test_each_message_is_sent_once_and_its_id_told_in_order(busy: set[int]) -> None:
    sqs = _Sqs(lambda body, attempt: int(body) in busy and attempt == 1)
    assert _sent(sqs, [*map(str, range(1500))]) == [f"id {number}" for number in range(1500)]
    again = [body for request in sqs.requests for body in request]
    assert sorted(map(int, again)) == sorted([*range(1500), *busy])
