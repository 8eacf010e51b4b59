"""The input, cut into requests, each of which knows up to where the input is done with it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from examples.producer.message import MESSAGE_BYTES, UnsendableError

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH_MESSAGES: Final = 10
BATCH_BYTES: Final = MESSAGE_BYTES
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Position:
    """The part of the input, from its start, that is done: whole lines."""

    lines: int
    size: int
    """In bytes."""
    digest: str
    """BLAKE2b of those bytes: tells whether a file is still the one that was begun."""


@dataclass(frozen=True)
class Message:
    """What one line sends."""

    line: int
    """Counted from 1."""
    body: str


@dataclass(frozen=True)
class Problem:
    """A line that was not sent, and never will be as it is."""

    line: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """Neighbouring lines: the messages of one request, and the lines that make none."""

    messages: Sequence[Message]
    problems: Sequence[Problem]
    end: Position


START: Final = Position(lines=0, size=0, digest=hashlib.blake2b(digest_size=16).hexdigest())


def batches(
    stream: BinaryIO, start: Position, to_body: Callable[[int, bytes], str]
) -> Iterator[Batch]:
    """Cut the rest of a stream into requests of at most 10 messages and 1 MiB.

    start: what is done already; it is read again to be compared.
    to_body: makes a message body of a line and its number, or raises UnsendableError.

    Raises ValueError, at once, if the stream does not begin as it did.
    """
    digest = hashlib.blake2b(digest_size=16)
    unread = start.size
    while unread and (chunk := stream.read(min(unread, _CHUNK))):
        digest.update(chunk)
        unread -= len(chunk)
    if unread or digest.hexdigest() != start.digest:
        raise ValueError("the input does not begin with the lines that are done")
    return _cut(stream, start, digest, to_body)


def _cut(
    stream: BinaryIO,
    start: Position,
    digest: hashlib.blake2b,
    to_body: Callable[[int, bytes], str],
) -> Iterator[Batch]:
    number, offset, end = start.lines, start.size, start
    messages: list[Message] = []
    problems: list[Problem] = []
    size, cut_at = 0, start

    def cut() -> Batch:
        nonlocal messages, problems, size, cut_at
        batch = Batch(messages, problems, end)
        messages, problems, size, cut_at = [], [], 0, end
        return batch

    for line in stream:
        number += 1
        if line.strip():
            try:
                message = Message(number, to_body(number, line))
            except UnsendableError as error:
                problems.append(Problem(number, str(error)))
            else:
                length = len(message.body.encode())
                if size + length > BATCH_BYTES:
                    yield cut()
                messages.append(message)
                size += length
        digest.update(line)
        offset += len(line)
        end = Position(lines=number, size=offset, digest=digest.hexdigest())
        if len(messages) + len(problems) == BATCH_MESSAGES:
            yield cut()
    if end != cut_at:
        yield cut()
