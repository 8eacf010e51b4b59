"""Sends messages to a queue: requests that are full, several at once, each message's fate told."""

import random
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import boto3

from tools.aws import CONNECTIONS, client, explained
from tools.errors import ToolError
from tools.event import MESSAGE_BYTES, UnsendableError

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH_MESSAGES: Final = 10
BATCH_BYTES: Final = MESSAGE_BYTES
ATTEMPTS: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.2
_REGION_IN_URL: Final = re.compile(r"https://(?:sqs\.)?([a-z]+(?:-[a-z]+)+-\d)\.")


class Message(NamedTuple):
    """What is to be sent, or what became of it."""

    name: str
    """Which one, for people."""
    body: str | UnsendableError
    """Its body, and once it is sent its id in the queue; or why it can never be sent as it is."""


class Sender:
    """Sends to one queue."""

    def __init__(self, queue_url: str, session: boto3.Session | None = None) -> None:
        """Connect as the session says, or AWS's own environment and files.

        A queue whose URL is http, as those of AWS never are, is reached where its URL says.

        Raises:
            ToolError: neither the URL nor AWS's settings name a region, or the latter are wrong.

        """
        self._url = queue_url
        region = _REGION_IN_URL.match(queue_url)
        parts = urlsplit(queue_url)
        endpoint_url = f"http://{parts.netloc}" if parts.scheme == "http" else None
        session = session or boto3.Session(region_name=region[1] if region else None)
        self._sqs = client(session, "sqs", endpoint_url, attempts=ATTEMPTS)

    def send(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Send messages, and yield what became of each, in their order.

        Order in the queue is not kept: versions are what order events. Whatever ends this early
        ends it after the requests that are under way.

        Raises:
            ToolError: one is not known to be in the queue, and may be if it is sent again.

        """
        under_way = deque[Future[list[Message]]]()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for batch in batches(messages):
                under_way.append(pool.submit(self._send, batch))
                if len(under_way) == 4 * CONNECTIONS:
                    yield from under_way.popleft().result()
            for each in under_way:
                yield from each.result()

    def _send(self, batch: list[Message]) -> list[Message]:
        """Send one request, and again what failed of it through no fault of its own."""
        fates = dict(enumerate(batch))
        left = {place: each.body for place, each in fates.items() if isinstance(each.body, str)}
        problem = ""
        for attempt in range(ATTEMPTS):
            if not left:
                break
            if attempt:
                longest = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
                time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 (spreads load)
            entries = [{"Id": str(place), "MessageBody": body} for place, body in left.items()]
            with explained():
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            # What an answer does not name is not sent.
            problem = "SQS did not answer"
            told: dict[str, Any] = {}
            for sent in answer.get("Successful", []):
                told[sent["Id"]] = sent["MessageId"]
            for failure in answer.get("Failed", []):
                words = failure.get("Message") or "no reason given"
                problem = f"SQS refused it: {words} ({failure['Code']})"
                # KMS throttles a message by an error of 400, as if its sender were to blame.
                if failure["SenderFault"] and "throttl" not in failure["Code"].lower():
                    told[failure["Id"]] = UnsendableError(problem)
            for place, fate in told.items():
                del left[int(place)]
                fates[int(place)] = fates[int(place)]._replace(body=fate)
        if left:
            name = fates[next(iter(left))].name
            raise ToolError(f"{name} was not sent: {problem}.")
        return [*fates.values()]


def batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Cut messages into requests, each as soon as it is full; one without a body counts, too."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        added = len(message.body.encode()) if isinstance(message.body, str) else 0
        if batch and size + added > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += added
        if len(batch) == BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
