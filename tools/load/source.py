"""Where events come from: lines of JSON, or a table's items."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Final, NamedTuple

from tools.aws import explained
from tools.errors import ToolError
from tools.load.message import from_item, line_body, message_body

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
SEGMENTS: Final = 8
_UTF_8_MARK: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event of a source."""

    name: str
    """Which one, for people."""
    body: Callable[[], str]
    """Returns its message body, or raises UnsendableError."""


def lines(stream: Iterable[bytes], key: str) -> Iterator[Event]:
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
            yield Event(f"line {number}", partial(line_body, line, key))


def items(dynamodb: Any, table: str, key: str) -> Iterator[Event]:
    """Yield the items of a table, each the event that it was made of.

    dynamodb: a client.

    Raises:
        ToolError: the table cannot be read, or its key is another.

    """

    def read(segment: int, **start: Any) -> Any:
        part = {"Segment": segment, "TotalSegments": SEGMENTS}
        return dynamodb.scan(TableName=table, ConsistentRead=True, **part, **start)

    with explained(), ThreadPoolExecutor(SEGMENTS) as pool:
        pages: dict[Future[Any], int] = {
            pool.submit(read, segment): segment for segment in range(SEGMENTS)
        }
        while pages:
            for future in wait(pages, return_when=FIRST_COMPLETED).done:
                page, segment = future.result(), pages.pop(future)
                if further := page.get("LastEvaluatedKey"):
                    pages[pool.submit(read, segment, ExclusiveStartKey=further)] = segment
                for item in page["Items"]:
                    if "S" not in item.get(key, {}):
                        raise ToolError(
                            f"The key of {table} is not {key}: name it with --key-attribute."
                        )
                    yield Event(f"item {item[key]['S']!r}", partial(message_body, from_item(item)))
