"""`python -m tools load`: the lines of a file, or a table's items, into a queue."""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import boto3
from rich.console import Console

from tools.aws import client
from tools.console import printable
from tools.errors import ToolError
from tools.event import UnsendableError, event_body, from_item, to_json
from tools.sending import send_messages

PROBLEMS_SHOWN: Final = 20
_REGION_IN_URL: Final = re.compile(r"https://(?:sqs\.)?([a-z]+(?:-[a-z]+)+-\d)\.")


def load(queue_url: str, named: Iterable[tuple[str, object]], key: str) -> None:
    """Send events: the lines of a file or the items of a table, each with its name for people.

    Raises ToolError: some make no message; or one was not sent, and neither are those after it.
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    sqs = queue_client(queue_url)
    sent = refused = 0

    def bodies() -> Iterator[str]:
        nonlocal refused
        for name, event in named:
            try:
                text = event.decode() if isinstance(event, bytes) else to_json(event)
                yield event_body(text.strip(), key)
            except (UnicodeDecodeError, UnsendableError) as error:
                refused += 1
                if refused <= PROBLEMS_SHOWN:
                    console.print(printable(f"{name}: {error}"), markup=False)

    started = time.monotonic()
    try:
        with console.status("") as status:
            for sent, _ in enumerate(send_messages(sqs, queue_url, bodies()), 1):
                status.update(f"{sent} sent, {refused} refused")
    except (ToolError, KeyboardInterrupt):
        again = "Send all of it again: what comes twice does no harm."
        print(f"At least {sent} messages were sent. {again}", file=sys.stderr)
        raise
    seconds = time.monotonic() - started
    print(f"Sent {sent} messages in {seconds:.1f} s, {sent / seconds:.0f} a second.")
    if refused:
        raise ToolError(f"{refused} were refused, and not sent.")


def queue_client(queue_url: str) -> Any:
    """Make a client for a queue: of its own region, or at its URL if that is an emulator's."""
    region = _REGION_IN_URL.match(queue_url)
    endpoint_url = queue_url.rsplit("/", 2)[0] if queue_url.startswith("http://") else None
    session = boto3.Session(region_name=region[1] if region else None)
    return client(session, "sqs", endpoint_url)


def lines(stream: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a stream, but for blank ones; a byte order mark of UTF-8 is skipped.

    Raises ToolError: it is UTF-16.
    """
    for number, line in enumerate(stream, 1):
        if number == 1:
            if line[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in line[:2]:
                raise ToolError("The input is UTF-16: make it UTF-8 (iconv -f UTF-16 -t UTF-8).")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield f"line {number}", line


def items(table: str, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the items of a table, its name or ARN, each the event that it was made of.

    Raises ClientError: the table cannot be read.
    Raises ToolError: its key is another.
    """
    region = table.split(":")[3] if table.startswith("arn:") else None
    dynamodb = client(boto3.Session(region_name=region), "dynamodb", attempts=8)
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for item in pages.search("Items[]"):
        if "S" not in item.get(key, {}):
            raise ToolError(f"The key of {table} is not {key}: name it with --key-attribute.")
        yield f"item {item[key]['S']!r}", from_item(item)
