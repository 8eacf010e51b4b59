"""Where events come from: lines of JSON, or a table's items; each source knows where to go on."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError, ClientError

from producer.errors import ProducerError
from producer.message import EVENT_ID, from_item, line_body, message_body

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
SEGMENTS: Final = 8
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Line:
    """A line that is not blank."""

    number: int
    """Counted from 1."""
    text: bytes
    done: dict[str, Any]
    """With it, how many lines and bytes are done, and BLAKE2b of those bytes."""


class Lines:
    """The lines of a stream, each one event in JSON."""

    def __init__(
        self,
        stream: BinaryIO,
        done: dict[str, Any],
        version_attribute: str | None,
        version: Callable[[int], int],
    ) -> None:
        """Skip what is done of a stream, comparing it with what was read then.

        version: returns the version for a line's number, if an event has none.

        Raises ValueError if the stream does not begin as it did.
        """
        self.done = done
        self._stream, self._digest = stream, hashlib.blake2b(digest_size=16)
        self._attribute, self._version = version_attribute, version
        unread = int(done.get("size", 0))
        while unread and (chunk := stream.read(min(unread, _CHUNK))):
            self._digest.update(chunk)
            unread -= len(chunk)
        if unread or self._digest.hexdigest() != done.get("digest", self._digest.hexdigest()):
            raise ValueError("the input does not begin with the lines that are done")

    @property
    def size(self) -> int:
        """How many lines are done."""
        return int(self.done.get("lines", 0))

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines that are left, but for blank ones."""
        number, offset = self.size, int(self.done.get("size", 0))
        for text in self._stream:
            number += 1
            offset += len(text)
            self._digest.update(text)
            if text.strip():
                digest = self._digest.hexdigest()
                yield Line(number, text, {"lines": number, "size": offset, "digest": digest})

    def body(self, line: Line) -> str:
        """Return the line as a message body."""
        return line_body(line.text, self._attribute, lambda: self._version(line.number))

    def name(self, line: Line) -> str:
        """Say which line it is."""
        return f"line {line.number}"

    def note(self, line: Line) -> None:
        """Remember that all lines up to this one are done."""
        self.done = line.done


@dataclass(frozen=True)
class Item:
    """A table's item, as DynamoDB tells it."""

    segment: str
    is_last: bool
    """Of its segment."""
    attributes: dict[str, Any]


class Items:
    """The items of a table, each the event that it was made of.

    What is done of a segment is up to its last key, or None for all of it.
    """

    def __init__(self, dynamodb: Any, table: str, done: dict[str, Any]) -> None:
        """dynamodb: a client; done: a checkpoint's, or empty."""
        self._dynamodb, self._table = dynamodb, table
        segments: dict[str, Any] = {str(number): {} for number in range(SEGMENTS)}
        self.done: dict[str, Any] = {"items": 0, "segments": segments, **done}

    @property
    def size(self) -> int:
        """How many items are done."""
        return int(self.done["items"])

    def __iter__(self) -> Iterator[Item]:
        """Yield the items that are left, as their segments come.

        Raises:
            ProducerError: the table cannot be read.

        """
        pages: dict[Future[Any], str] = {}
        with ThreadPoolExecutor(SEGMENTS) as pool:
            for segment, key in self.done["segments"].items():
                if key is not None:
                    pages[pool.submit(self._page, segment, key)] = segment
            while pages:
                for future in wait(pages, return_when=FIRST_COMPLETED).done:
                    page, segment = future.result(), pages.pop(future)
                    if key := page.get("LastEvaluatedKey"):
                        pages[pool.submit(self._page, segment, key)] = segment
                    for place, item in enumerate(page["Items"], 1):
                        if "S" not in item.get(EVENT_ID, {}):
                            raise ProducerError(f"The key of {self._table} is not {EVENT_ID}.")
                        yield Item(segment, place == len(page["Items"]) and not key, item)

    def _page(self, segment: str, key: dict[str, Any]) -> Any:
        start = {"ExclusiveStartKey": key} if key else {}
        try:
            return self._dynamodb.scan(
                TableName=self._table,
                ConsistentRead=True,
                Segment=int(segment),
                TotalSegments=len(self.done["segments"]),
                **start,
            )
        except (ClientError, BotoCoreError) as error:
            raise ProducerError(f"The table {self._table} cannot be read: {error}") from None

    def body(self, item: Item) -> str:
        """Return the item as a message body, numbers as they are."""
        return message_body(from_item(item.attributes))

    def name(self, item: Item) -> str:
        """Say which item it is."""
        return f"item {item.attributes[EVENT_ID]['S']!r}"

    def note(self, item: Item) -> None:
        """Remember that all items of its segment up to this one are done."""
        key = None if item.is_last else {EVENT_ID: item.attributes[EVENT_ID]}
        self.done["segments"][item.segment] = key
        self.done["items"] += 1
