"""Sends messages to a queue: requests that are full, several at once."""

import random
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from tools.aws import CONNECTIONS, explained
from tools.errors import ToolError
from tools.event import MESSAGE_BYTES

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH_MESSAGES: Final = 10
BATCH_BYTES: Final = MESSAGE_BYTES
ATTEMPTS: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.2


def send_messages(sqs: Any, queue_url: str, bodies: Iterable[str]) -> Iterator[str]:
    """Send messages with a client of SQS, and yield their ids in the same order.

    Order in the queue is not kept: versions are what order events. Whatever ends this early
    ends it after the requests that are under way.

    Raises ToolError: one is not known to be in the queue, and may be if it is sent again.
    """
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
        if batch and (len(batch) == BATCH_MESSAGES or size + added > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += added
    if batch:
        yield batch
