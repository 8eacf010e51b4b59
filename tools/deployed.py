"""One deployed stack: what is sent to it, what waits in it, and where everything ended."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple, TextIO, TypeVar

import boto3
from botocore.exceptions import ClientError

from tools.aws import client, emulator_session
from tools.errors import ToolError
from tools.event import from_item
from tools.load import send_messages

_NEEDED: Final = (
    "queueUrl queueArn deadLetterQueueUrl tableName functionName keyAttribute versionAttribute"
)
# How long looking at dead letters may hide them from others: some seconds, and more for many.
HIDDEN_SECONDS, HIDDEN_PER_SECOND, LONGEST_HIDDEN_SECONDS = 10, 50, 43_200
INSTALL: Final = "https://www.pulumi.com/docs/install/"

T = TypeVar("T")


def wait_for(look: Callable[[], T], seconds: float, every: float = 0.1) -> T:
    """Look until there is something or time is up; return what was seen last."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(every)
    return seen


def of_stack(name: str) -> dict[str, Any]:
    """Ask the Pulumi CLI for the outputs of a stack of the project in this folder."""
    if not shutil.which("pulumi"):
        how = "For the embedded AWS, name the file that `python -m tools up` wrote with --outputs."
        raise ToolError(f"The Pulumi CLI is not installed: {INSTALL}. {how}")
    command = ["pulumi", "stack", "output", "--json", "--stack", name, "--non-interactive"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        told = asked.stderr.strip().removeprefix("error: ") or "no reason given"
        raise ToolError(f"`pulumi stack output --stack {name}` failed: {told}")
    return _checked(asked.stdout, f"The stack {name}", f"run `pulumi up --stack {name}`")


def of_file(file: TextIO) -> dict[str, Any]:
    """Read the line that `python -m tools up` prints."""
    how = "keep in it what `python -m tools up` prints when it is ready"
    return _checked(file.read(), file.name, how)


def _checked(text: str, owner: str, fix: str) -> dict[str, Any]:
    try:
        outputs = json.loads(text)
        missing = [name for name in _NEEDED.split() if not isinstance(outputs.get(name), str)]
    except (ValueError, AttributeError):
        raise ToolError(f"{owner} holds no stack outputs: {fix}.") from None
    if missing:
        raise ToolError(f"{owner} has no output {', '.join(missing)}: {fix}.")
    return dict(outputs)


class DeadLetter(NamedTuple):
    """A message in the dead-letter queue, which SQS moved there or the function sent."""

    message_id: str  # that it had in the queue, whoever brought it here
    body: str
    sent_at: float  # by its producer, in seconds since 1970
    reason: str  # why the function sent it here; empty if SQS moved it
    event_id: str  # of the event, if the function sent it here and could tell
    receipt: str


class Deployed:
    """The queue, the table, the dead-letter queue and the log of a deployed stack."""

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        """Take the stack's outputs, or the line that `python -m tools up` prints."""
        self.outputs = outputs
        self.key: str = outputs["keyAttribute"]
        self.version_attribute: str = outputs["versionAttribute"]
        region = outputs["queueArn"].split(":")[3]
        queue_url: str = outputs["queueUrl"]
        is_aws = not queue_url.startswith("http://")  # the queues' policies demand TLS there
        session = boto3.Session(region_name=region) if is_aws else emulator_session(region)
        endpoint_url = None if is_aws else queue_url.rsplit("/", 2)[0]
        self._table = {"TableName": outputs["tableName"]}
        # Returns the client of a service, by its name.
        self.client: Callable[[str], Any] = cache(lambda name: client(session, name, endpoint_url))

    def send(self, bodies: Iterable[str]) -> list[str]:
        """Send messages; return their ids in order. ToolError: one is not sent, others may be."""
        return [*send_messages(self.client("sqs"), self.outputs["queueUrl"], bodies)]

    def visibility_seconds(self) -> int:
        """Return how long a message that is delivered stays hidden from the next delivery."""
        return int(self._attributes("queueUrl", "VisibilityTimeout")["VisibilityTimeout"])

    def deliveries(self) -> int:
        """Return how often a message is delivered before SQS makes it a dead letter; 0: forever."""
        said = self._attributes("queueUrl", "RedrivePolicy").get("RedrivePolicy", "{}")
        policy = json.loads(said)
        target = policy.get("deadLetterTargetArn", "").rpartition(":")[2]
        is_ours = target == self.outputs["deadLetterQueueUrl"].rpartition("/")[2]
        return int(policy["maxReceiveCount"]) if is_ours else 0

    def waiting(self, output: str = "queueUrl", *, in_flight: bool = True) -> int:
        """Count the messages in the queue; those in flight wait for an answer or a redelivery."""
        names = ["ApproximateNumberOfMessages"]
        names += ["ApproximateNumberOfMessagesNotVisible"] if in_flight else []
        return sum(map(int, self._attributes(output, *names).values()))

    def dead(self) -> int:
        """Count the dead letters."""
        return self.waiting("deadLetterQueueUrl")

    def _attributes(self, output: str, *names: str) -> dict[str, str]:
        asked = {"QueueUrl": self.outputs[output], "AttributeNames": names}
        answer: dict[str, dict[str, str]] = self.client("sqs").get_queue_attributes(**asked)
        return answer.get("Attributes", {})

    def item(self, event_id: str) -> dict[str, Any] | None:
        """Read one item as it is now, numbers as Decimal; None if there is none."""
        key = {self.key: {"S": event_id}}
        answer = self.client("dynamodb").get_item(**self._table, Key=key, ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def items(self) -> list[dict[str, Any]]:
        """Read the whole table, numbers as Decimal."""
        paginator = self.client("dynamodb").get_paginator("scan")
        pages = paginator.paginate(**self._table, ConsistentRead=True)
        return [from_item(item) for item in pages.search("Items[]")]

    def delete_item(self, event_id: str) -> None:
        """Delete one item, if it is there."""
        self.client("dynamodb").delete_item(**self._table, Key={self.key: {"S": event_id}})

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Receive every dead letter; they are hidden from others until all are yielded.

        Without sqs:ChangeMessageVisibility they come back by themselves, after some seconds.
        """
        sqs, url, count = self.client("sqs"), self.outputs["deadLetterQueueUrl"], self.dead()
        hidden = min(HIDDEN_SECONDS + count // HIDDEN_PER_SECOND, LONGEST_HIDDEN_SECONDS)
        receipts: list[str] = []
        try:
            while messages := sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=hidden,
                # Only long polling asks all of SQS's servers.
                WaitTimeSeconds=int(len(receipts) < count),
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["reason", "sourceMessageId", "sentTimestamp", "eventId"],
            ).get("Messages"):
                receipts += [message["ReceiptHandle"] for message in messages]
                yield from map(_dead_letter, messages)
        finally:
            with suppress(ClientError):
                for first in range(0, len(receipts), 10):
                    entries = [
                        {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                        for place, receipt in enumerate(receipts[first : first + 10])
                    ]
                    sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    def explained_letters(self) -> list[DeadLetter]:
        """Read all dead letters, oldest first; the log tells the reason of those that SQS moved."""
        letters = sorted(self.dead_letters(), key=lambda letter: letter.sent_at)
        moved = [letter.sent_at for letter in letters if not letter.reason]
        logged = self.reasons(moved[0]) if moved else {}
        return [
            each._replace(reason=each.reason or logged.get(each.message_id, "")) for each in letters
        ]

    def delete_dead_letter(self, letter: DeadLetter) -> None:
        """Remove a dead letter that was just received."""
        url = self.outputs["deadLetterQueueUrl"]
        self.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)

    def log_lines(self, since: float = 0, pattern: str = "") -> Iterator[dict[str, Any]]:
        """Read the objects in the function's log since so many seconds after 1970, oldest first."""
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=f"/aws/lambda/{self.outputs['functionName']}",
                startTime=max(0, int(since * 1000)),
                filterPattern=pattern,
            )
        )
        for event in sorted(pages.search("events[]"), key=lambda event: int(event["timestamp"])):
            if event["message"].startswith("{"):
                yield json.loads(event["message"])

    def reasons(self, since: float = 0) -> dict[str, str]:
        """Return the last reason logged for each message, by its id; by "", for all of a batch."""
        lines = self.log_lines(since, '"reason"')
        return {line.get("messageId", ""): line["reason"] for line in lines if "reason" in line}


def outcomes(line: Mapping[str, Any]) -> dict[str, int]:
    """Return what a line of the function's log counts, by CloudWatch metric; most count nothing."""
    definitions = line.get("_aws", {}).get("CloudWatchMetrics", [])
    names = [metric["Name"] for definition in definitions for metric in definition["Metrics"]]
    return {name: line[name] for name in names}


def _dead_letter(message: Mapping[str, Any]) -> DeadLetter:
    given = message.get("MessageAttributes", {})
    attributes = {name: value.get("StringValue", "") for name, value in given.items()}
    # Who may send to the queue may write anything: it was sent before it came here.
    moved = int(message["Attributes"]["SentTimestamp"])
    sent = attributes.get("sentTimestamp", "")
    return DeadLetter(
        message_id=attributes.get("sourceMessageId") or message["MessageId"],
        body=message["Body"],
        sent_at=(min(int(sent), moved) if re.fullmatch("[0-9]{1,13}", sent) else moved) / 1000,
        reason=attributes.get("reason", ""),
        event_id=attributes.get("eventId", ""),
        receipt=message["ReceiptHandle"],
    )
