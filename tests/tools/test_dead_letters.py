"""`python -m tools dead-letters`: the reason of each, and nothing that acts on a terminal."""

import io
import sys
import time

import pytest

from tests.tools.conftest import MockedStack
from tools.console import printable

SENT = "1743296400000"


def test_a_letter_tells_its_reason_itself_and_needs_no_log(
    stack: MockedStack, capsys: pytest.CaptureFixture[str]
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
    stack: MockedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.letter("own", reason="its own", sourceMessageId="m-1", sentTimestamp=SENT)
    moved, silent = stack.letter("moved"), stack.letter("silent")
    stack.log(time.time() + 1, messageId=moved, reason="over 400 KB")
    stack.log(time.time() + 1, messageId="m-1", reason="another")
    assert stack.run("dead-letters") == 0
    lines = iter(capsys.readouterr().out.splitlines())
    assert {
        body.strip(): line.split(" ", 1)[1] for line, body in zip(lines, lines, strict=True)
    } == {
        "own": "m-1 its own",
        "moved": f"{moved} over 400 KB",
        "silent": f"{silent} no reason in the log",
    }


def test_what_a_message_holds_forges_no_line_and_does_not_reach_the_terminal(
    stack: MockedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "a\n2025-03-30T01:00:00Z m-9 forged\u202e\u2028\t"  # SQS takes no others
    stack.letter(body, reason=body, sourceMessageId="m\n1")
    assert stack.run("dead-letters") == 0
    line, text = capsys.readouterr().out.splitlines()
    shown = r"a\n2025-03-30T01:00:00Z m-9 forged\u202e\u2028\t"
    assert line.endswith(rf"Z m\n1 {shown}")
    assert text == f"    {shown}"


def test_all_that_acts_or_turns_text_is_written_as_its_escape() -> None:
    assert printable("\x9b2J\x1b[1m\x7f\t") == r"\x9b2J\x1b[1m\x7f\t"
    assert printable("\ud800\u200f\u2066") == r"\ud800\u200f\u2066"
    plain = "東京 naïve \N{ROCKET} \\n {}"
    assert printable(plain) == plain


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
