"""A deployed stack: which one, how its queues, table, log and dead letters are read and shown."""

import io
import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.tools.conftest import MockedStack
from tools import deployed as tools_deployed
from tools.__main__ import main
from tools.console import printable
from tools.deployed import of_file, of_stack, wait_for
from tools.errors import ToolError

Captured = pytest.CaptureFixture[str]
NEEDED = ("queueUrl", "queueArn", "deadLetterQueueUrl", "tableName", "functionName")
GIVEN = dict.fromkeys((*NEEDED, "keyAttribute", "versionAttribute"), "")
HOW = "keep in it what `python -m tools up` prints when it is ready."
SENT = "1743296400000"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff no json", f"holds no stack outputs: {HOW}"),
        (b"[]", f"holds no stack outputs: {HOW}"),
        (
            b'{"queueArn":"a","deadLetterQueueUrl":"d","tableName":1,"keyAttribute":"k"}',
            f"has no output queueUrl, tableName, functionName, versionAttribute: {HOW}",
        ),
    ],
)
def test_a_file_without_the_outputs_says_what_belongs_there(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "outputs"
    file.write_bytes(content)
    with pytest.raises(ToolError) as refused, file.open(errors="replace") as stream:
        of_file(stream)
    assert str(refused.value) == f"{file} {reason}"


ASKED = "stack output --json --stack dev --non-interactive"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"[ \"$*\" = '{ASKED}' ] || exit 3\ncat <<'EOF'\n{json.dumps(GIVEN)}\nEOF", ""),
        (
            "echo \"error: no stack named 'dev' found\" >&2; exit 255",
            "`pulumi stack output --stack dev` failed: no stack named 'dev' found",
        ),
        ("exit 1", "`pulumi stack output --stack dev` failed: no reason given"),
        ("echo '{}'", "The stack dev has no output queueUrl, queueArn, deadLetterQueueUrl, "),
        (None, "The Pulumi CLI is not installed: https://"),
    ],
)
def test_a_stack_is_asked_of_pulumi_and_one_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, reason: str
) -> None:
    if script:
        file = tmp_path / "pulumi"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    rest = f"{os.pathsep}{os.environ['PATH']}" if script else ""
    monkeypatch.setenv("PATH", f"{tmp_path}{rest}")
    if not reason:
        assert of_stack("dev") == GIVEN
        return
    with pytest.raises(ToolError) as refused:
        of_stack("dev")
    assert str(refused.value).startswith(reason)


QUEUE = ("load", "--queue-url", "https://x/1/q")
ONE = "name one of them:"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("send", "{}"), f"{ONE} --stack NAME, or --outputs FILE"),
        (("dead-letters",), f"{ONE} --stack NAME, or --outputs FILE"),
        (("smoke", "--stack", "dev", "--outputs", __file__), f"{ONE} --stack NAME, or --outputs"),
        (QUEUE, f"{ONE} FILE, or --from-table TABLE"),
        ((*QUEUE, "--from-table", "t", __file__), f"{ONE} FILE, or --from-table TABLE"),
        ((*QUEUE, "nowhere"), "'FILE|-': 'nowhere': No such file or directory"),
    ],
)
def test_a_usage_error_is_one_sentence(
    command: tuple[str, ...], words: str, capsys: Captured
) -> None:
    assert main(command) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert words in told.err


def test_what_is_sent_waits_in_the_order_of_its_ids(stack: MockedStack) -> None:
    ids = stack.deployed.send(["one", "two"])
    answer = stack.sqs.receive_message(QueueUrl=stack.url, MaxNumberOfMessages=10)
    received = {each["MessageId"]: each["Body"] for each in answer["Messages"]}
    assert [received[each] for each in ids] == ["one", "two"]
    assert (stack.deployed.waiting(), stack.deployed.waiting(in_flight=False)) == (2, 0)
    assert stack.deployed.visibility_seconds() == 7


def test_items_are_read_and_deleted_by_the_stacks_key(stack: MockedStack) -> None:
    stack.dynamodb.put_item(TableName="t", Item={"order_id": {"S": "a"}, "n": {"N": "1E+50"}})
    item = {"order_id": "a", "n": Decimal("1E+50")}
    assert (stack.deployed.items(), stack.deployed.item("a")) == ([item], item)
    stack.deployed.delete_item("a")
    assert stack.deployed.item("a") is None


def test_all_dead_letters_are_read_and_visible_again(stack: MockedStack) -> None:
    bodies = sorted(f"letter {number}" for number in range(25))
    for body in bodies:
        stack.letter(body)
    assert stack.letters() == bodies
    next(letters := stack.deployed.dead_letters())
    letters.close()  # type: ignore[attr-defined] # a generator
    for letter in stack.deployed.dead_letters():
        if letter.body != "letter 7":
            stack.deployed.delete_dead_letter(letter)
    assert stack.letters() == ["letter 7"]


def test_without_the_right_to_show_them_again_they_are_read_all_the_same(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        told: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise ClientError(told, "ChangeMessageVisibilityBatch")

    monkeypatch.setattr(tools_deployed, "HIDDEN_SECONDS", 1)
    events = stack.deployed.client("sqs").meta.events
    events.register("before-call.sqs.ChangeMessageVisibilityBatch", refuse)
    stack.letter("a")
    assert stack.letters() == ["a"]
    assert "Messages" not in stack.sqs.receive_message(QueueUrl=stack.dead_url)
    assert wait_for(stack.letters, 10.0) == ["a"]


@pytest.mark.parametrize("forged", ["", "soon", "-1", "٣", "9" * 13, "9" * 5000])
def test_a_moment_that_nobody_can_have_sent_it_is_not_taken(
    stack: MockedStack, forged: str
) -> None:
    before = time.time()
    message_id = stack.letter("{}", **({"sentTimestamp": forged} if forged else {}))
    (letter,) = stack.deployed.dead_letters()
    assert before - 1 < letter.sent_at < time.time() + 1
    assert (letter.message_id, letter.reason) == (message_id, "")


def test_the_last_reason_counts_and_what_is_long_ago_does_not(stack: MockedStack) -> None:
    now = time.time()
    stack.log(now, messageId="m-1", reason="last")
    stack.log(now - 5, messageId="m-1", reason="first")
    stack.log(now - 5, reason="no table")
    stack.log(now - 900, messageId="m-2", reason="long ago")
    stack.log(now, messageId="m-3")
    assert stack.deployed.reasons(now - 60) == {"m-1": "last", "": "no table"}
    lines = stack.deployed.log_lines(now - 60, '"m-1"')
    assert [line["reason"] for line in lines] == ["first", "last"]


def test_a_letter_tells_its_reason_itself_and_needs_no_log(
    stack: MockedStack, capsys: Captured
) -> None:
    stack.no_log()
    stack.letter("later", reason="second", sourceMessageId="m-2", sentTimestamp="1743296400999")
    of = {"sourceMessageId": "m-1", "sentTimestamp": SENT, "eventId": "a"}
    stack.letter("x" * 301, reason="first", **of)
    assert stack.run("dead-letters") == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "2025-03-30T01:00:00Z m-1 a: first",
        f"    {'x' * 300}…",
        "2025-03-30T01:00:00Z m-2 second",
        "    later",
    ]
    assert told.err == "2 dead letters. None is removed.\n"
    assert len(stack.letters()) == 2


def test_the_log_tells_the_reason_of_one_that_sqs_moved(
    stack: MockedStack, capsys: Captured
) -> None:
    stack.letter("own", reason="its own", sourceMessageId="m-1", sentTimestamp=SENT)
    moved, silent = stack.letter("moved"), stack.letter("silent")
    stack.log(time.time() + 1, messageId=moved, reason="over 400 KB")
    stack.log(time.time() + 1, messageId="m-1", reason="another")
    assert stack.run("dead-letters") == 0
    lines = iter(capsys.readouterr().out.splitlines())
    told = {body.strip(): line.split(" ", 1)[1] for line, body in zip(lines, lines, strict=True)}
    assert told == {
        "own": "m-1 its own",
        "moved": f"{moved} over 400 KB",
        "silent": f"{silent} no reason in the log",
    }


def test_what_a_message_holds_forges_no_line_and_does_not_reach_the_terminal(
    stack: MockedStack, capsys: Captured
) -> None:
    body = "a\n2025-03-30T01:00:00Z m-9 forged\u202e\u2028\t"  # SQS takes no others
    stack.letter(body, reason=body, sourceMessageId="m\n1")
    assert stack.run("dead-letters") == 0
    line, text = capsys.readouterr().out.splitlines()
    shown = r"a\n2025-03-30T01:00:00Z m-9 forged\u202e\u2028\t"
    assert line.endswith(rf"Z m\n1 {shown}")
    assert text == f"    {shown}"
    escapes = r"\x9b2J\x1b[1m\x7f\ud800\u200f\u2066"
    assert printable("\x9b2J\x1b[1m\x7f\ud800\u200f\u2066") == escapes
    assert printable("東京 naïve \N{ROCKET} \\n {}") == "東京 naïve \N{ROCKET} \\n {}"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_knows_few_characters_gets_escapes(
    stack: MockedStack, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    stack.letter('{"name":"東京"}' + "x" * 300, reason="no id", sourceMessageId="m-1")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert stack.run("dead-letters") == 0
    sys.stdout.flush()
    assert rb'{"name":"\u6771\u4eac"}' in written.getvalue()
