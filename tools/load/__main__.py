"""`python -m tools.load`: send a file of events, or the items of a table, to the queue."""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tools.load import checkpoint
from tools.load.checkpoint import Progress
from tools.load.client import Producer, Result, Sent
from tools.load.errors import ProducerError
from tools.load.message import EVENT_ID
from tools.load.source import Event, items, lines
from tools.load.status import StatusLine

SAVE_SECONDS: Final = 0.5
PROBLEMS_SHOWN: Final = 20
# What a program answers that a signal ended, as shells count: 128 + SIGINT.
INTERRUPTED: Final = 130
STDIN: Final = "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 all sent, 1 something was not, 2 usage, 130 interrupted."""
    parser = _parser()
    command = parser.parse_args(arguments)
    if (command.input is None) == (command.table is None):
        parser.error("name one of them: FILE, or --from-table TABLE")
    if command.table and command.version_attribute:
        parser.error("--version-attribute is for lines: a table's items have their versions")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return _open_and_send(command)
    except ProducerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_and_send(command: argparse.Namespace) -> int:
    if command.table:
        path = Path(f"{command.table.rpartition('/')[2]}.progress")
        begun = _begin(command.queue_url, path)
        return _send(items(_dynamodb(command), command.table, begun.done), begun, path, "items")
    attribute = command.version_attribute
    if command.input == STDIN:
        begun = _begin(command.queue_url, None)
        left = lines(sys.stdin.buffer, begun.done, attribute, _by_clock())
        return _send(left, begun, None, "lines")
    path = Path(f"{command.input}.progress")
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(command.input).open("rb"))
        except OSError as error:
            raise ProducerError(f"{command.input} cannot be read: {error.strerror}.") from None
        begun = _begin(command.queue_url, path)
        try:
            # A line has one version forever: sent twice it is the same, whatever the clock does.
            left = lines(stream, begun.done, attribute, lambda number: begun.started + number)
        except ValueError:
            raise ProducerError(
                f"{command.input} does not begin with the lines that were sent; delete {path} to "
                "send it from the first line."
            ) from None
        return _send(left, begun, path, "lines")


def _send(events: Iterable[Event], begun: Progress, path: Path | None, unit: str) -> int:
    """Send what is left of a source; keep what is done, now and then and at the end."""
    producer, status = Producer(begun.queue_url), StatusLine()
    sent = refused = 0
    started = saved = time.monotonic()

    def count() -> int:
        return int(begun.done.get("count", 0))

    def save() -> None:
        if path:
            checkpoint.save(path, begun)

    def note(event: Event, result: Result) -> None:
        nonlocal sent, refused, saved
        if isinstance(result, Sent):
            sent += 1
        elif not result.is_final:
            raise ProducerError(f"{event.name}: {result.reason}")
        else:
            refused += 1
            if refused <= PROBLEMS_SHOWN:
                status.say(f"{event.name}: {result.reason}")
            elif refused == PROBLEMS_SHOWN + 1:
                status.say("Further ones that are not sent are only counted.")
        event.mark()
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
            status.show(f"{sent} sent, {sent / (saved - started):.0f} a second")

    if count():
        status.say(f"Going on after {count()} {unit} that are done.")
    save()  # before anything is sent, for a second run counts its versions from here too
    try:
        with contextlib.closing(producer.stream(events, lambda event: event.body())) as results:
            for event, result in results:
                note(event, result)
    except (ProducerError, KeyboardInterrupt) as end:
        save()
        is_interrupt = isinstance(end, KeyboardInterrupt)
        status.say("Interrupted." if is_interrupt else f"error: {end}")
        if count():
            how = "the same command goes on from there" if path else "leave them out the next time"
            status.say(f"{count()} {unit} are done: {how}.")
        return INTERRUPTED if is_interrupt else 1
    if path:
        checkpoint.remove(path)
    status.say()
    seconds = time.monotonic() - started
    print(
        f"Sent {sent} messages in {seconds:.1f} s, {sent / seconds:.0f} a second; "
        f"refused: {refused}. In all, {count()} {unit} are done."
    )
    return 1 if refused else 0


def _begin(queue_url: str, path: Path | None) -> Progress:
    begun = checkpoint.load(path) if path else None
    if begun and begun.queue_url != queue_url:
        raise ProducerError(
            f"{path} is about the queue {begun.queue_url}; delete it to send everything to the "
            "other one."
        )
    return begun or Progress(queue_url=queue_url, started=time.time_ns(), done={})


def _dynamodb(command: argparse.Namespace) -> Any:
    try:
        region = command.table.split(":")[3] if command.table.startswith("arn:") else None
        return boto3.Session(profile_name=command.table_profile, region_name=region).client(
            "dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 8})
        )
    except BotoCoreError as error:
        raise ProducerError(f"The AWS configuration cannot be used: {error}") from None


def _by_clock() -> Callable[[int], int]:
    """Give a stream, which may last for days, the time; and more than that if it steps back."""
    last = 0

    def version(line: int) -> int:
        nonlocal last
        last = max(time.time_ns(), last + 1)
        return last

    return version


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Let the first Ctrl-C or `kill` end it in good order, and the second at once."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.load",
        description="Sends events to the queue, several requests at once: the lines of a file, one "
        "JSON object each, or the items of a table. Interrupted, it goes on where it was when run "
        "again; a few events may then be sent twice, which the pattern makes harmless. Region, "
        "credentials and endpoint are those of AWS's own environment variables and files.",
        epilog="Exit status: 0 all sent, 1 something was not, 2 usage, 130 interrupted.",
    )
    parser.add_argument(
        "--queue-url",
        required=True,
        type=_queue_url,
        metavar="URL",
        help="where to: `pulumi stack output queueUrl`, or what `python -m tools up` prints",
    )
    parser.add_argument(
        "--version-attribute",
        type=_member,
        metavar="NAME",
        help="give each line that has no member NAME one: a timestamp later than all before it",
    )
    parser.add_argument(
        "--from-table", dest="table", metavar="TABLE", help="send a table's items: its name or ARN"
    )
    parser.add_argument(
        "--table-profile",
        metavar="PROFILE",
        help="the AWS profile that reads the table, if another one sends",
    )
    parser.add_argument(
        "input",
        nargs="?",
        metavar="FILE",
        help=f"the events; {STDIN} for standard input, which cannot be resumed",
    )
    return parser


def _queue_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or len(parts.path.split("/")) != 3:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no queue's URL: https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE-NAME"
        )
    return text


def _member(text: str) -> str:
    if text in ("", EVENT_ID):
        raise argparse.ArgumentTypeError(f"{text!r} cannot hold a version")
    return text


if __name__ == "__main__":
    sys.exit(main())
