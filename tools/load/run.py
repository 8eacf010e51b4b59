"""`python -m tools load`: the lines of a file, or a table's items, into a queue."""

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import boto3
from rich.console import Console

from tools.aws import client
from tools.errors import ToolError
from tools.event import printable
from tools.load.client import Producer, Result, Sent
from tools.load.source import Event, items, lines

PROBLEMS_SHOWN: Final = 20
SHOWN_EVERY: Final = 100
STDIN: Final = "-"


def load_file(queue_url: str, file: str, key: str) -> int:
    """Send a file's lines, or those of standard input; return the exit status."""
    if file == STDIN:
        return load(queue_url, lines(sys.stdin.buffer, key))
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ToolError(f"{file} cannot be read: {error.strerror}.") from None
    with stream:
        return load(queue_url, lines(stream, key))


def load_table(queue_url: str, table: str, key: str) -> int:
    """Send the items of a table, its name or ARN; return the exit status."""
    region = table.split(":")[3] if table.startswith("arn:") else None
    dynamodb = client(boto3.Session(region_name=region), "dynamodb", attempts=8)
    return load(queue_url, items(dynamodb, table, key))


def load(queue_url: str, events: Iterable[Event]) -> int:
    """Send events; return 1 if some make no message, else 0.

    Raises:
        ToolError: one was not sent, and neither are those after it.

    """
    producer, console = Producer(queue_url), Console(stderr=True, soft_wrap=True, highlight=False)
    sent = refused = 0
    started = time.monotonic()

    def note(event: Event, result: Result) -> None:
        nonlocal sent, refused
        if isinstance(result, Sent):
            sent += 1
            return
        problem = printable(f"{event.name}: {result.reason}")
        if not result.is_final:
            raise ToolError(problem)
        refused += 1
        if refused <= PROBLEMS_SHOWN:
            console.print(problem, markup=False)

    try:
        with (
            contextlib.closing(producer.stream(events, lambda event: event.body())) as results,
            console.status("") as status,
        ):
            for event, result in results:
                note(event, result)
                if (sent + refused) % SHOWN_EVERY == 0:
                    status.update(f"{sent} sent, {refused} refused")
    except (ToolError, KeyboardInterrupt):
        again = "Send all of it again: what comes twice does no harm."
        print(f"At least {sent} messages were sent. {again}", file=sys.stderr)
        raise
    seconds = time.monotonic() - started
    print(f"Sent {sent} messages in {seconds:.1f} s, {sent / seconds:.0f} a second.")
    if refused:
        print(f"error: {refused} were refused, and not sent.", file=sys.stderr)
    return 1 if refused else 0
