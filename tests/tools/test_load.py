"""`python -m tools load`: what it reads, sends and refuses, and how it ends."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import REGION, MockedStack
from tools.__main__ import main
from tools.errors import ToolError
from tools.load import lines
from tools.sending import Message

EXACT = "12345678901234567890123456789012345.678"


def _lines(content: bytes, key: str = "event_id") -> list[Message]:
    return list(lines(io.BytesIO(content), key))


def test_lines_that_are_not_blank_are_events_and_keep_their_numbers() -> None:
    found = _lines(b'{"event_id":"a"}\n\n  \nnonsense\n{"event_id":"b"}')
    assert [event.name for event in found] == ["line 1", "line 4", "line 5"]
    assert found[2].body() == '{"event_id":"b"}'


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    first, second = _lines(b'\xef\xbb\xbf{"event_id":"a"}\r\n{"event_id":"b"}\r\n')
    assert (first.body(), second.body()) == ('{"event_id":"a"}', '{"event_id":"b"}')
    assert _lines(b"\xef\xbb\xbf\n") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named(encoding: str) -> None:
    with pytest.raises(ToolError, match=r"^The input is UTF-16: make it UTF-8 \(iconv -f UTF-16"):
        _lines('{"event_id":"a"}\n'.encode(encoding))


# The command.


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def _load(stack: MockedStack, *arguments: str, key: str = "order_id") -> int:
    return main(["load", "--queue-url", stack.url, "--key-attribute", key, *arguments])


def _waiting(stack: MockedStack) -> list[str]:
    bodies = []
    while received := stack.sqs.receive_message(QueueUrl=stack.url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        bodies += [message["Body"] for message in received]
    return sorted(bodies)


def test_a_file_is_sent(
    stack: MockedStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = sorted(f'{{"order_id":"{number}","n":1.50}}' for number in range(50))
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(bodies))
    assert _load(stack, str(file)) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"Sent 50 messages in [\d.]+ s, \d+ a second.\n", out)
    assert err == ""
    assert _waiting(stack) == bodies
    assert list(tmp_path.iterdir()) == [file]


def test_standard_input_is_sent_and_bad_lines_are_reported(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = b'{"order_id":"1"}\n{"order_id":2}\n\n{"order_id":"3"}\n{"order_id":"\xff"}'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert _load(stack, "-") == 1
    assert capsys.readouterr().err.splitlines() == [
        "line 2: order_id is not a string",
        "line 5: not UTF-8",
        "error: 2 were refused, and not sent.",
    ]
    assert _waiting(stack) == ['{"order_id":"1"}', '{"order_id":"3"}']


def test_of_many_bad_lines_the_first_are_shown(
    stack: MockedStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("{}\n" * 300)
    assert _load(stack, str(file)) == 1
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        *(f"line {number}: order_id is missing" for number in range(1, 21)),
        "error: 300 were refused, and not sent.",
    ]


def test_a_table_is_sent_as_the_events_that_its_items_are(
    stack: MockedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        item: Any = {"order_id": {"S": name}, "n": {"N": EXACT}, "l": {"L": [{"NULL": True}]}}
        stack.dynamodb.put_item(TableName="t", Item=item)
    assert _load(stack, "--from-table", "t") == 0
    assert _waiting(stack) == [
        f'{{"order_id":"{name}","n":{EXACT},"l":[null]}}' for name in ("a", "b")
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_read_in_its_own_region(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}})
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/t"
    assert _load(stack, "--from-table", arn) == 0
    assert _waiting(stack) == ['{"order_id":"a"}']


def test_an_item_that_is_no_event_is_named_and_the_others_sent(
    stack: MockedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, member in (("a", {"S": "b"}), ("s\x9b", {"SS": ["a"]}), ("b", {"B": b"a"})):
        item: Any = {"order_id": {"S": name}, "m": member}
        stack.dynamodb.put_item(TableName="t", Item=item)
    assert _load(stack, "--from-table", "t") == 1
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "error: 2 were refused, and not sent.",
        "item 'b': holds a Binary that JSON has no form for",
        r"item 's\x9b': holds a set that JSON has no form for",
    ]
    assert _waiting(stack) == ['{"order_id":"a","m":"b"}']


def test_a_table_with_another_key_is_refused(
    stack: MockedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}})
    assert _load(stack, "--from-table", "t", key="event_id") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: The key of t is not event_id: name it with --key-attribute."
    )
    assert _waiting(stack) == []


def test_a_table_that_is_not_there_is_named_and_leaves_nothing(
    stack: MockedStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _load(stack, "--from-table", "nosuch") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: AWS refused Scan: ")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_one_sentence(
    stack: MockedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _load(stack, "nowhere.jsonl") == 1
    assert capsys.readouterr().err == (
        "error: nowhere.jsonl cannot be read: No such file or directory.\n"
    )


def test_a_queue_that_is_not_there_ends_it_and_says_what_to_do(
    stack: MockedStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"event_id":"a"}\n')
    url = f"{stack.url}-not"
    assert main(["load", "--queue-url", url, str(file)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "At least 0 messages were sent. Send all of it again: what comes twice does no harm.",
        "error: There is no such queue: pass what `pulumi stack output queueUrl` prints.",
    ]


def test_ctrl_c_says_what_to_do(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(io.BytesIO):
        def __next__(self) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    assert _load(stack, "-") == 130
    assert capsys.readouterr().err == (
        "At least 0 messages were sent. Send all of it again: what comes twice does no harm.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--queue-url", "queue", "-"], "'queue' is no queue's URL"),
        (["--queue-url", "https://x/1/q"], "name one of them: FILE, or --from-table TABLE"),
        (["--queue-url", "https://x/1/q", "--from-table", "t", "f"], "name one of them"),
        (["--queue-url", "https://x", "-"], "'https://x' is no queue's URL"),
    ],
)
def test_a_usage_error_names_the_value(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", *arguments]) == 2
    assert reason in capsys.readouterr().err


def test_a_queue_without_a_region_in_its_url_needs_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert main(["load", "--queue-url", "http://127.0.0.1:9/1/q", "-"]) == 1
    assert capsys.readouterr().err == ("error: No AWS region is set: set AWS_DEFAULT_REGION.\n")
