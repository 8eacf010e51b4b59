"""The queue: the one module that talks to AWS."""

import random
import re
import threading
from collections.abc import Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from examples.producer.batch import Message, Problem
from examples.producer.errors import ProducerError

ATTEMPTS: Final = 8
LONGEST_PAUSE_SECONDS: Final = 5.0
_REGION_IN_URL: Final = re.compile(r"https://(?:sqs\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.")


class Queue:
    """Sends batches; safe to use from several threads."""

    def __init__(self, sqs: Any, queue_url: str, interrupted: threading.Event) -> None:
        """interrupted: once set, no pause before another attempt is waited for."""
        self._sqs = sqs
        self._url = queue_url
        self._interrupted = interrupted

    def send(self, messages: Sequence[Message]) -> list[Problem]:
        """Send up to 10 messages of up to 1 MiB in all; return those that SQS finds fault with.

        A request can succeed in part: what failed through no fault of its own is sent again, alone.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html

        Raises:
            ProducerError: some messages are not sent, and could be later.

        """
        problems: list[Problem] = []
        left = list(messages)
        failures: list[dict[str, Any]] = []
        for attempt in range(ATTEMPTS):
            if not left:
                return problems
            if attempt and self._interrupted.wait(_pause(attempt)):
                break
            failures = self._send_once(left)
            by_id = {failure["Id"]: failure for failure in failures}
            again = []
            for index, message in enumerate(left):
                failure = by_id.get(str(index))
                if failure and _is_its_own_fault(failure):
                    problems.append(Problem(message.line, f"SQS refused it: {_words(failure)}"))
                elif failure:
                    again.append(message)
            left = again
        if left:
            raise ProducerError(f"SQS did not take line {left[0].line}: {_words(failures[0])}")
        return problems

    def _send_once(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        entries = [
            {"Id": str(index), "MessageBody": message.body}
            for index, message in enumerate(messages)
        ]
        try:
            answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        except ClientError as error:
            raise ProducerError(_explain(error, self._url)) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ProducerError(
                f"{error}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from error
        except BotoCoreError as error:
            raise ProducerError(f"No answer from SQS: {error}") from error
        failed: list[dict[str, Any]] = answer.get("Failed", [])
        return failed


def connect(queue_url: str, endpoint_url: str | None, connections: int) -> Any:
    """Make an SQS client from AWS's own environment and files.

    endpoint_url: where to reach SQS; None leaves that to AWS's environment.
    connections: how many threads will use it at once.

    Raises:
        ProducerError: neither the URL nor the environment names a region, or it is wrong.

    """
    region = _REGION_IN_URL.match(queue_url)
    try:
        return boto3.session.Session(region_name=region[1] if region else None).client(
            "sqs",
            endpoint_url=endpoint_url,
            config=Config(
                connect_timeout=5,
                read_timeout=10,
                # Requests that fail as a whole: throttled, 5xx, a broken connection.
                retries={"mode": "standard", "total_max_attempts": 5},
                max_pool_connections=connections,
            ),
        )
    except NoRegionError:
        raise ProducerError("No AWS region is set: set AWS_DEFAULT_REGION.") from None
    except (BotoCoreError, ValueError) as error:
        raise ProducerError(f"The AWS configuration cannot be used: {error}") from None


def _pause(attempt: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, 0.1 * 2**attempt)
    return random.uniform(longest / 2, longest)  # noqa: S311 (spreads load, hides nothing)


def _is_its_own_fault(failure: dict[str, Any]) -> bool:
    # KMS and SQS throttle a message by an error of 400, as if its sender were to blame.
    throttled = str(failure["Code"]).endswith(("Throttled", "ThrottlingException"))
    return bool(failure["SenderFault"]) and not throttled


def _words(failure: dict[str, Any]) -> str:
    return f"{failure.get('Message') or 'no reason given'} ({failure['Code']})"


def _explain(error: ClientError, queue_url: str) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
        return f"There is no queue {queue_url}: pass what `pulumi stack output queueUrl` prints."
    return f"SQS refused the request: {message} ({code})"
