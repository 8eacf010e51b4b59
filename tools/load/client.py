"""Sends events to the queue: in requests that are full, several at once, with a result for each."""

import random
import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotReachedError
from botocore.parsers import ResponseParserError

from tools.aws import CONNECTIONS, client, explain
from tools.load.message import MESSAGE_BYTES, UnsendableError, message_body

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH_MESSAGES: Final = 10
BATCH_BYTES: Final = MESSAGE_BYTES
ATTEMPTS: Final = 8
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
_REGION_IN_URL: Final = re.compile(r"https://(?:sqs\.)?([a-z]+(?:-[a-z]+)+-\d)\.")


class Sent(NamedTuple):
    """The event is in the queue."""

    message_id: str


class Failed(NamedTuple):
    """The event is not known to be in the queue; it is, if only the answer to it was lost."""

    reason: str
    is_final: bool
    """Whether it can never be sent as it is."""


Result = Sent | Failed
E = TypeVar("E")


class Producer:
    """Sends to one queue. Safe to use from several threads."""

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
        # Producer itself tries again.
        self._sqs = client(session, "sqs", endpoint_url, attempts=1)

    def send(self, events: Iterable[str | Mapping[str, Any]]) -> list[Result]:
        """Send events, JSON texts or objects, and return what became of each, in their order.

        A text is sent as it is. Order in the queue is not kept: versions are what order events.
        """
        return [result for _, result in self.stream(events, message_body)]

    def stream(
        self, events: Iterable[E], to_body: Callable[[E], str]
    ) -> Generator[tuple[E, Result], None, None]:
        """Send events as they come and yield each with its result, in their order.

        to_body: makes the message body of an event, or raises UnsendableError.

        An event is yielded once it and all before it are done. Whatever ends the stream early, an
        error of `events` or Ctrl-C, ends it after the requests that are under way.
        """
        stopped = threading.Event()
        pending: deque[tuple[list[E], Future[list[Result]]]] = deque()

        def first() -> Iterator[tuple[E, Result]]:
            batch, sending = pending.popleft()
            return zip(batch, sending.result(), strict=True)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            try:
                for batch in batches(events, to_body):
                    sending = pool.submit(self._send, [body for _, body in batch], stopped)
                    pending.append(([event for event, _ in batch], sending))
                    while len(pending) > 2 * CONNECTIONS or (pending and pending[0][1].done()):
                        yield from first()
                while pending:
                    yield from first()
            finally:
                stopped.set()
                pool.shutdown(cancel_futures=True)

    def _send(self, bodies: Sequence[str | Failed], stopped: threading.Event) -> list[Result]:
        """Send one request, and again what failed of it through no fault of its own.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
        """
        results: dict[int, Result] = {
            place: body for place, body in enumerate(bodies) if isinstance(body, Failed)
        }
        left = {place: body for place, body in enumerate(bodies) if isinstance(body, str)}
        for attempt in range(ATTEMPTS):
            if not left or (attempt and stopped.wait(_pause(attempt))):
                break
            answers, is_worth_another = self._request(left)
            results |= answers
            left = {
                place: body
                for place, body in left.items()
                if isinstance(answer := answers[place], Failed) and not answer.is_final
            }
            if not is_worth_another:
                break
        return [results[place] for place in range(len(bodies))]

    def _request(self, bodies: Mapping[int, str]) -> tuple[dict[int, Result], bool]:
        """Make one request; return its results, and whether another one may do better."""
        try:
            answer = self._sqs.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(place), "MessageBody": body} for place, body in bodies.items()],
            )
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            failed = Failed(_explain(error, self._url), is_final=False)
            return dict.fromkeys(bodies, failed), _may_pass(error)
        # What an answer does not name is not sent.
        results: dict[int, Result] = dict.fromkeys(bodies, Failed("SQS did not answer", False))
        for sent in answer.get("Successful", []):
            results[int(sent["Id"])] = Sent(sent["MessageId"])
        for failure in answer.get("Failed", []):
            # KMS throttles a message by an error of 400, as if its sender were to blame.
            is_final = failure["SenderFault"] and not _is_throttled(failure["Code"])
            words = f"{failure.get('Message') or 'no reason given'} ({failure['Code']})"
            results[int(failure["Id"])] = Failed(f"SQS refused it: {words}", is_final)
        return results, True


def batches(
    events: Iterable[E], to_body: Callable[[E], str]
) -> Iterator[list[tuple[E, str | Failed]]]:
    """Cut events with their bodies into requests, each as soon as it is full.

    One that has no body, but a reason why not, counts as well.
    """
    batch: list[tuple[E, str | Failed]] = []
    size = 0
    for event in events:
        body: str | Failed
        try:
            body = to_body(event)
            added = len(body.encode())
        except UnsendableError as error:
            body, added = Failed(str(error), is_final=True), 0
        if batch and size + added > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append((event, body))
        size += added
        if len(batch) == BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pause(attempt: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311 (spreads load, hides nothing)


def _is_throttled(code: str) -> bool:
    return "throttl" in code.lower()


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or _is_throttled(error.response["Error"]["Code"])
    return isinstance(error, HTTPClientError | NotReachedError | ResponseParserError)


def _explain(error: Exception, queue_url: str) -> str:
    if isinstance(error, HTTPClientError | NotReachedError | ResponseParserError):
        return f"No answer from SQS: {error}"
    if isinstance(error, ClientError) and any(
        name in error.response["Error"]["Code"] for name in ("NonExistentQueue", "DoesNotExist")
    ):
        return f"There is no queue {queue_url}: pass what `pulumi stack output queueUrl` prints."
    return explain(error)
