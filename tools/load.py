"""`python -m tools load`: the lines of a file, or the items of a table, into a queue."""

import random
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import boto3
from rich.console import Console

from tools.aws import CONNECTIONS, client, explained
from tools.console import printable, say
from tools.errors import ToolError
from tools.event import MESSAGE_BYTES, event_body, from_item, to_json

# Of one request, with as many bytes as one message may have.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH_MESSAGES: Final = 10
ATTEMPTS, FIRST_PAUSE_SECONDS = 6, 0.2
PROBLEMS_SHOWN: Final = 20
_REGION_IN_URL: Final = re.compile(r"https://(?:sqs\.)?([a-z]+(?:-[a-z]+)+-\d)\.")


def load(queue_url: str, named: Iterable[tuple[str, object]], key: str) -> None:
    """Send events, each with its name for people; ToolError if not all were sent."""
    sqs = queue_client(queue_url)
    sent = refused = 0

    def bodies() -> Iterator[str]:
        nonlocal refused
        for name, event in named:
            try:
                text = event.decode() if isinstance(event, bytes) else to_json(event)
                yield event_body(text.strip(), key)
            except (UnicodeDecodeError, ToolError) as error:
                refused += 1
                if refused <= PROBLEMS_SHOWN:
                    say(printable(f"{name}: {error}"))

    started = time.monotonic()
    try:
        with Console(stderr=True).status("") as status:
            for sent, _ in enumerate(send_messages(sqs, queue_url, bodies()), 1):
                status.update(f"{sent} sent, {refused} refused")
    except (ToolError, KeyboardInterrupt):
        again = "Send all of it again: what comes twice does no harm."
        say(f"At least {sent} messages were sent. {again}")
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
    """Yield the lines of a stream of UTF-8, but for blank ones and a byte order mark."""
    for number, line in enumerate(stream, 1):
        if number == 1:
            if line[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in line[:2]:
                raise ToolError("The input is UTF-16: make it UTF-8 (iconv -f UTF-16 -t UTF-8).")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield f"line {number}", line


def items(table: str, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the items of a table, its name or ARN, each the event that it was made of."""
    region = table.split(":")[3] if table.startswith("arn:") else None
    dynamodb = client(boto3.Session(region_name=region), "dynamodb", attempts=8)
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for item in pages.search("Items[]"):
        if "S" not in item.get(key, {}):
            raise ToolError(f"The key of {table} is not {key}: name it with --key-attribute.")
        yield f"item {item[key]['S']!r}", from_item(item)


def send_messages(sqs: Any, queue_url: str, bodies: Iterable[str]) -> Iterator[str]:
    """Send messages with a client of SQS, several requests at once; yield their ids in order."""
    under_way = deque[Future[list[str]]]()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for batch in batches(bodies):
            under_way.append(pool.submit(_send, sqs, queue_url, batch))
            if len(under_way) == 4 * CONNECTIONS:
                yield from under_way.popleft().result()
        for each in under_way:
            yield from each.result()


def _send(sqs: Any, queue_url: str, batch: list[str]) -> list[str]:
    """Send one request, and again what failed of it."""
    ids: dict[int, str] = {}
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            longest = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
            time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 (spreads load)
        left = [place for place in range(len(batch)) if place not in ids]
        entries = [{"Id": str(place), "MessageBody": batch[place]} for place in left]
        with explained():
            answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        # What an answer does not name is not sent.
        ids |= {int(each["Id"]): each["MessageId"] for each in answer.get("Successful", [])}
        if len(ids) == len(batch):
            return [ids[place] for place in range(len(batch))]
        problem = "SQS did not answer"
        for failure in answer.get("Failed", []):
            problem = f"{failure.get('Message', 'SQS gives no reason')} ({failure['Code']})"
    raise ToolError(f"A message was not sent: {problem}.")


def batches(bodies: Iterable[str]) -> Iterator[list[str]]:
    """Cut messages into requests of as many as one takes."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        added = len(body.encode())
        if batch and (len(batch) == BATCH_MESSAGES or size + added > MESSAGE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += added
    if batch:
        yield batch
