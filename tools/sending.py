"""Sends messages to a queue: requests that are full, several at once, each message's fate told."""

import random
import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
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
    """What is to be sent."""

    name: str
    """Which one, for people."""
    body: Callable[[], str]
    """Returns its body, or raises UnsendableError."""


Fate = str | UnsendableError
"""What became of a message: its id in the queue, or why it can never be sent as it is."""
Batch = Sequence[tuple[Message, Fate]]
"""What goes into one request: messages, each with its body or why it has none."""


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

    def send(self, messages: Iterable[Message]) -> Generator[tuple[Message, Fate], None, None]:
        """Send messages as they come, and yield each with its fate, in their order.

        Order in the queue is not kept: versions are what order events. Whatever ends this early
        ends it after the requests that are under way.

        Raises:
            ToolError: one is not known to be in the queue, and may be if it is sent again.

        """
        stopped = threading.Event()
        pending: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            try:
                for batch in batches(messages):
                    pending.append(pool.submit(self._send, batch, stopped))
                    while len(pending) > 2 * CONNECTIONS or (pending and pending[0].done()):
                        yield from pending.popleft().result()
                while pending:
                    yield from pending.popleft().result()
            finally:
                stopped.set()
                pool.shutdown(cancel_futures=True)

    def _send(self, batch: Batch, stopped: threading.Event) -> Batch:
        """Send one request, and again what failed of it through no fault of its own."""
        fates = {str(place): fate for place, (_, fate) in enumerate(batch)}
        left = {place: body for place, body in fates.items() if isinstance(body, str)}
        problem = ""
        for attempt in range(ATTEMPTS):
            if not left or (attempt and stopped.wait(_pause(attempt))):
                break
            entries = [{"Id": place, "MessageBody": body} for place, body in left.items()]
            with explained():
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            # What an answer does not name is not sent.
            problem = "SQS did not answer"
            for sent in answer.get("Successful", []):
                fates[sent["Id"]] = sent["MessageId"]
                del left[sent["Id"]]
            for failure in answer.get("Failed", []):
                problem = _words(failure)
                # KMS throttles a message by an error of 400, as if its sender were to blame.
                if failure["SenderFault"] and "throttl" not in failure["Code"].lower():
                    fates[failure["Id"]] = UnsendableError(problem)
                    del left[failure["Id"]]
        if left:
            name = batch[int(next(iter(left)))][0].name
            raise ToolError(f"{name} was not sent: {problem}.")
        return [(message, fates[str(place)]) for place, (message, _) in enumerate(batch)]


def batches(messages: Iterable[Message]) -> Iterator[Batch]:
    """Cut messages into requests, each as soon as it is full; one without a body counts, too."""
    batch: list[tuple[Message, Fate]] = []
    size = 0
    for message in messages:
        body: Fate
        try:
            body = message.body()
            added = len(body.encode())
        except UnsendableError as error:
            body, added = error, 0
        if batch and size + added > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append((message, body))
        size += added
        if len(batch) == BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pause(attempt: int) -> float:
    longest = FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1)
    return random.uniform(longest / 2, longest)  # noqa: S311 (spreads load, hides nothing)


def _words(failure: dict[str, Any]) -> str:
    return f"SQS refused it: {failure.get('Message') or 'no reason given'} ({failure['Code']})"
