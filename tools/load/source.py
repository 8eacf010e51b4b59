"""Where events come from: lines of JSON, or a table's items; what is done of them is remembered.

`done` is a checkpoint's: count, how many are done, and what it takes to go on after them.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError, ClientError

from tools.load.errors import ProducerError
from tools.load.message import EVENT_ID, item_body, line_body

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
SEGMENTS: Final = 8
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Event:
    """One event of a source."""

    name: str
    """Which one, for people."""
    body: Callable[[], str]
    """Returns its message body, or raises UnsendableError."""
    mark: Callable[[], None]
    """Remembers in `done` that it, and all before it of its part, are done."""


def lines(
    stream: BinaryIO, done: dict[str, Any], attribute: str | None, version: Callable[[int], int]
) -> Iterator[Event]:
    """Skip the lines of a stream that are done, and yield the others, but for blank ones.

    attribute: the member to add to an event that lacks it, with the version of its line's number.

    Raises ValueError, at once, if the stream does not begin as it did.
    """
    digest = hashlib.blake2b(digest_size=16)
    unread = done.setdefault("size", 0)
    while unread and (chunk := stream.read(min(unread, _CHUNK))):
        digest.update(chunk)
        unread -= len(chunk)
    if unread or done.get("digest", digest.hexdigest()) != digest.hexdigest():
        raise ValueError("the input does not begin with the lines that are done")

    def left() -> Iterator[Event]:
        number, size = done.get("count", 0), done["size"]
        for text in stream:
            number += 1
            size += len(text)
            digest.update(text)
            if text.strip():
                mark = partial(done.update, count=number, size=size, digest=digest.hexdigest())
                body = partial(line_body, text, attribute, version(number))
                yield Event(f"line {number}", body, mark)

    return left()


def items(dynamodb: Any, table: str, done: dict[str, Any]) -> Iterator[Event]:
    """Yield the items that are left of a table, each the event that it was made of.

    dynamodb: a client. Of each segment the last key is remembered, or None when all of it is done.

    Raises:
        ProducerError: the table cannot be read, or its key is another.

    """
    segments = done.setdefault("segments", {str(number): {} for number in range(SEGMENTS)})

    def read(segment: str, key: dict[str, Any]) -> Any:
        start = {"ExclusiveStartKey": key} if key else {}
        part = {"Segment": int(segment), "TotalSegments": len(segments)}
        try:
            return dynamodb.scan(TableName=table, ConsistentRead=True, **part, **start)
        except (ClientError, BotoCoreError) as error:
            raise ProducerError(f"The table {table} cannot be read: {error}") from None

    def mark(segment: str, key: dict[str, Any] | None) -> None:
        segments[segment] = key
        done["count"] = done.get("count", 0) + 1

    with ThreadPoolExecutor(SEGMENTS) as pool:
        pages: dict[Future[Any], str] = {
            pool.submit(read, segment, key): segment
            for segment, key in segments.items()
            if key is not None
        }
        while pages:
            for future in wait(pages, return_when=FIRST_COMPLETED).done:
                page, segment = future.result(), pages.pop(future)
                if further := page.get("LastEvaluatedKey"):
                    pages[pool.submit(read, segment, further)] = segment
                for place, item in enumerate(page["Items"], 1 - len(page["Items"])):
                    if "S" not in item.get(EVENT_ID, {}):
                        raise ProducerError(f"The key of {table} is not {EVENT_ID}.")
                    key = {EVENT_ID: item[EVENT_ID]} if place or further else None
                    yield Event(
                        f"item {item[EVENT_ID]['S']!r}",
                        partial(item_body, item),
                        partial(mark, segment, key),
                    )
