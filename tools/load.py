"""`python -m tools load`: the lines of a file, or a table's items, into a queue."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import boto3
from rich.console import Console

from tools.aws import client
from tools.console import printable
from tools.errors import ToolError
from tools.event import UnsendableError, from_item, line_body, message_body, to_json
from tools.sending import Message, Sender

PROBLEMS_SHOWN: Final = 20
STDIN: Final = "-"
_UTF_8_MARK: Final = b"\xef\xbb\xbf"


def load_file(queue_url: str, file: str, key: str) -> None:
    """Send a file's lines, or those of standard input."""
    if file == STDIN:
        load(queue_url, lines(sys.stdin.buffer, key))
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ToolError(f"{file} cannot be read: {error.strerror}.") from None
    with stream:
        load(queue_url, lines(stream, key))


def load_table(queue_url: str, table: str, key: str) -> None:
    """Send the items of a table, its name or ARN."""
    region = table.split(":")[3] if table.startswith("arn:") else None
    dynamodb = client(boto3.Session(region_name=region), "dynamodb", attempts=8)
    load(queue_url, items(dynamodb, table, key))


def load(queue_url: str, messages: Iterable[Message]) -> None:
    """Send events.

    Raises:
        ToolError: some make no message; or one was not sent, and neither are those after it.

    """
    sender, console = Sender(queue_url), Console(stderr=True, soft_wrap=True, highlight=False)
    sent = refused = 0
    started = time.monotonic()
    try:
        with console.status("") as status:
            for name, fate in sender.send(messages):
                if not isinstance(fate, UnsendableError):
                    sent += 1
                else:
                    refused += 1
                    if refused <= PROBLEMS_SHOWN:
                        console.print(printable(f"{name}: {fate}"), markup=False)
                status.update(f"{sent} sent, {refused} refused")
    except (ToolError, KeyboardInterrupt):
        again = "Send all of it again: what comes twice does no harm."
        print(f"At least {sent} messages were sent. {again}", file=sys.stderr)
        raise
    seconds = time.monotonic() - started
    print(f"Sent {sent} messages in {seconds:.1f} s, {sent / seconds:.0f} a second.")
    if refused:
        raise ToolError(f"{refused} were refused, and not sent.")


def lines(stream: Iterable[bytes], key: str) -> Iterator[Message]:
    """Yield the lines of a stream, but for blank ones; a byte order mark of UTF-8 is skipped.

    Raises:
        ToolError: it is UTF-16.

    """
    for number, line in enumerate(stream, 1):
        if number == 1:
            if line[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in line[:2]:
                raise ToolError("The input is UTF-16: make it UTF-8 (iconv -f UTF-16 -t UTF-8).")
            line = line.removeprefix(_UTF_8_MARK)
        if line.strip():
            yield _message(f"line {number}", line_body, line, key)


def items(dynamodb: Any, table: str, key: str) -> Iterator[Message]:
    """Yield the items of a table, each the event that it was made of.

    dynamodb: a client.

    Raises:
        ClientError: the table cannot be read.
        ToolError: its key is another.

    """
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for item in pages.search("Items[]"):
        if "S" not in item.get(key, {}):
            raise ToolError(f"The key of {table} is not {key}: name it with --key-attribute.")
        yield _message(f"item {item[key]['S']!r}", _item_body, item)


def _item_body(item: dict[str, Any]) -> str:
    return message_body(to_json(from_item(item)))


def _message(name: str, body: Callable[..., str], *of: object) -> Message:
    try:
        return Message(name, body(*of))
    except UnsendableError as error:
        return Message(name, error)
