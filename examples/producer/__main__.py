"""`python -m examples.producer`: send events, one JSON object a line, to the queue."""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final, NoReturn
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from examples.producer.batch import START, Batch, Position, Problem, batches
from examples.producer.checkpoint import Checkpoint, Progress
from examples.producer.errors import ProducerError
from examples.producer.flow import IN_FLIGHT, send_all
from examples.producer.message import EVENT_ID, body
from examples.producer.queue import Queue, connect

SAVE_SECONDS: Final = 0.5
PROBLEMS_SHOWN: Final = 20
# What a program answers that a signal ended, as shells count: 128 + SIGINT.
INTERRUPTED: Final = 130
STDIN: Final = "-"


@dataclass
class Tally:
    """What this run did up to now."""

    done: Position
    sent: int = 0
    failed: int = 0
    """Messages that SQS refused."""
    skipped: int = 0
    """Lines that make no message."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 all sent, 1 something was not, 2 usage, 130 interrupted."""
    command = _parser().parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if command.input == STDIN:
            return _produce(command, console, sys.stdin.buffer, None)
        source = Path(command.input)
        try:
            stream = source.open("rb")
        except OSError as error:
            raise ProducerError(f"{source} cannot be read: {error.strerror}.") from None
        with stream:
            return _produce(command, console, stream, source)
    except ProducerError as error:
        console.print(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _produce(
    command: argparse.Namespace, console: Console, stream: BinaryIO, source: Path | None
) -> int:
    checkpoint = Checkpoint(source) if source else None
    begun = _begin(command.queue_url, checkpoint)
    tally = Tally(begun.done)
    version = _by_line(begun.started) if source else _by_clock()
    interrupted = threading.Event()
    sqs = connect(command.queue_url, command.endpoint_url, IN_FLIGHT)
    queue = Queue(sqs, command.queue_url, interrupted)
    bar = _bar(console)
    task = bar.add_task("", total=source.stat().st_size if source else None, text="")
    started = saved = time.monotonic()

    def to_body(number: int, line: bytes) -> str:
        return body(line, command.version_attribute, lambda: version(number))

    def save() -> None:
        nonlocal saved
        if checkpoint:
            checkpoint.save(
                Progress(queue_url=begun.queue_url, started=begun.started, done=tally.done)
            )
        saved = time.monotonic()

    def note(batch: Batch, refused: Sequence[Problem]) -> None:
        _count(tally, batch, refused, console)
        rate = tally.sent / (time.monotonic() - started)
        bar.update(task, completed=tally.done.size, text=f"{tally.sent} sent, {rate:.0f} a second")
        if time.monotonic() - saved > SAVE_SECONDS:
            save()

    try:
        todo = batches(stream, begun.done, to_body)
    except ValueError:
        assert checkpoint  # noqa: S101 (standard input is begun with its first line)
        raise ProducerError(
            f"{source} does not begin with the lines that were sent; delete {checkpoint.path} to "
            "send it from the first line."
        ) from None
    if tally.done.lines:
        console.print(f"Going on after line {tally.done.lines}: everything up to it is sent.")
    save()  # before the first line is sent, for a second run counts its versions from here too
    try:
        with bar:
            send_all(todo, lambda batch: queue.send(batch.messages), note, interrupted)
    except (ProducerError, KeyboardInterrupt) as end:
        save()
        was_interrupted = isinstance(end, KeyboardInterrupt)
        console.print("Interrupted." if was_interrupted else f"error: {end}")
        if tally.done.lines:
            console.print(_how_to_go_on(tally, checkpoint))
        return INTERRUPTED if was_interrupted else 1
    if checkpoint:
        checkpoint.remove()
    Console(soft_wrap=True, highlight=False).print(_summary(tally, time.monotonic() - started))
    return 1 if tally.failed or tally.skipped else 0


def _begin(queue_url: str, checkpoint: Checkpoint | None) -> Progress:
    begun = checkpoint.load() if checkpoint else None
    if begun is None:
        return Progress(queue_url=queue_url, started=time.time_ns(), done=START)
    if begun.queue_url != queue_url:
        assert checkpoint  # noqa: S101 (it was loaded)
        raise ProducerError(
            f"{checkpoint.path} is about the queue {begun.queue_url}; delete it to send everything "
            "to the other one."
        )
    return begun


def _by_line(started: int) -> Callable[[int], int]:
    """Give each line one version forever: sent twice it is the same, whatever the clock does."""
    return lambda line: started + line


def _by_clock() -> Callable[[int], int]:
    """Give a stream, which may last for days, the time; and more than that if it steps back."""
    last = 0

    def version(line: int) -> int:
        nonlocal last
        last = max(time.time_ns(), last + 1)
        return last

    return version


def _count(tally: Tally, batch: Batch, refused: Sequence[Problem], console: Console) -> None:
    shown = tally.failed + tally.skipped
    problems = sorted([*batch.problems, *refused], key=lambda each: each.line)
    for count, problem in enumerate(problems, start=shown):
        if count < PROBLEMS_SHOWN:
            console.print(f"line {problem.line}: {problem.reason}")
        elif count == PROBLEMS_SHOWN:
            console.print("Further lines that are not sent are only counted.")
    tally.failed += len(refused)
    tally.skipped += len(batch.problems)
    tally.sent += len(batch.messages) - len(refused)
    tally.done = batch.end


def _bar(console: Console) -> Bar:
    return Bar(
        TextColumn("Sending"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _how_to_go_on(tally: Tally, checkpoint: Checkpoint | None) -> str:
    sent = f"Everything up to line {tally.done.lines} is sent"
    if checkpoint:
        return f"{sent}: the same command goes on from there."
    return f"{sent}: leave that out when you send the rest."


def _summary(tally: Tally, seconds: float) -> str:
    return (
        f"Sent {tally.sent} messages in {seconds:.1f} s, {tally.sent / seconds:.0f} a second; "
        f"failed: {tally.failed}, skipped lines: {tally.skipped}."
    )


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Let the first Ctrl-C or `kill` end it in good order, and the second at once."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.producer",
        description="Sends events to the queue, one JSON object a line, several requests at once. "
        "Interrupted, it goes on where it was when run again; a few lines may then be sent twice, "
        "which the pattern makes harmless. Region, credentials and endpoint are those of AWS's own "
        "environment variables and files.",
        epilog="Exit status: 0 all sent, 1 something was not, 2 usage, 130 interrupted.",
    )
    parser.add_argument(
        "--queue-url",
        required=True,
        type=_queue_url,
        metavar="URL",
        help="where to: `pulumi stack output queueUrl`, or what `python -m local up` prints",
    )
    parser.add_argument(
        "--endpoint-url",
        type=_url,
        metavar="URL",
        help="where to reach SQS, for the local AWS: the endpointUrl that `local up` prints",
    )
    parser.add_argument(
        "--version-attribute",
        type=_member,
        metavar="NAME",
        help="give each event that has no member NAME one: a timestamp later than all before it",
    )
    parser.add_argument(
        "input",
        metavar="FILE",
        help=f"the events; {STDIN} for standard input, which cannot be resumed",
    )
    return parser


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL: it begins with https:// or http://")
    return text


def _queue_url(text: str) -> str:
    if len(urlsplit(_url(text)).path.split("/")) != 3:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no queue's URL: it ends with /ACCOUNT/QUEUE-NAME"
        )
    return text


def _member(text: str) -> str:
    if text in ("", EVENT_ID):
        raise argparse.ArgumentTypeError(f"{text!r} cannot hold a version")
    return text


if __name__ == "__main__":
    sys.exit(main())
