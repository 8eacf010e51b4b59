"""The deployed flow from outside: what is sent, what waits, and where everything ended."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from local.emulator import Emulator
from local.errors import LocalError

# SendMessageBatch takes ten messages, and 1 MiB in all.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
SEND_COUNT: Final = 10
SEND_BYTES: Final = 1_048_576


class Flow:
    """The queue, the table, the dead-letter queue and the log of one deployment."""

    def __init__(self, aws: Emulator, outputs: Mapping[str, Any]) -> None:
        """Take the deployment's place and its stack outputs."""
        self._outputs = outputs
        self._sqs, self._dynamodb = aws.client("sqs"), aws.client("dynamodb")
        self._logs = aws.client("logs")

    def send(self, bodies: Iterable[str]) -> list[str]:
        """Send messages in order, as many in a request as SQS takes; return their ids.

        Raises:
            LocalError: the queue refused one.

        """
        return [each for request in requests(bodies) for each in self.send_request(request)]

    def send_request(self, bodies: Sequence[str]) -> list[str]:
        """Send what fits into one request; return the messages' ids in the same order.

        Raises:
            LocalError: the queue refused one.

        """
        answer = self._sqs.send_message_batch(
            QueueUrl=self._outputs["queueUrl"],
            Entries=[{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)],
        )
        if refused := answer.get("Failed"):
            raise LocalError(f"The queue refused messages: {refused}.")
        ids = {int(sent["Id"]): sent["MessageId"] for sent in answer["Successful"]}
        return [ids[place] for place in range(len(bodies))]

    def waiting(self, *, in_flight: bool = True) -> int:
        """Count the messages in the queue; those in flight wait for an answer or a redelivery."""
        return self._count("queueUrl", in_flight=in_flight)

    def dead(self) -> int:
        """Count the dead letters."""
        return self._count("deadLetterQueueUrl", in_flight=True)

    def _count(self, output: str, *, in_flight: bool) -> int:
        names = ["ApproximateNumberOfMessages"]
        if in_flight:
            names.append("ApproximateNumberOfMessagesNotVisible")
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._outputs[output], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def items(self) -> list[dict[str, Any]]:
        """Read the whole table, numbers as Decimal."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._outputs["tableName"], ConsistentRead=True
        )
        deserialize = _Deserializer().deserialize
        return [deserialize({"M": item}) for page in pages for item in page["Items"]]

    def dead_letters(self) -> list[tuple[str, str]]:
        """Receive every dead letter, which hides it for ten minutes; return its id and its body."""
        letters: list[tuple[str, str]] = []
        while received := self._sqs.receive_message(
            QueueUrl=self._outputs["deadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
        ).get("Messages"):
            letters += [(message["MessageId"], message["Body"]) for message in received]
        return letters

    def log_lines(self) -> Iterator[dict[str, Any]]:
        """Read the lines of JSON that the function has written."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self._outputs['functionName']}"
        )
        for page in pages:
            for event in page["events"]:
                if event["message"].startswith("{"):
                    yield json.loads(event["message"])


def requests(bodies: Iterable[str]) -> Iterator[list[str]]:
    """Yield what fits into one SendMessageBatch each, in order."""
    request: list[str] = []
    size = 0
    for body in bodies:
        added = len(body.encode())
        if request and (len(request) == SEND_COUNT or size + added > SEND_BYTES):
            yield request
            request, size = [], 0
        request.append(body)
        size += added
    if request:
        yield request


def outcomes(line: Mapping[str, Any]) -> dict[str, int]:
    """Return what a line of the function's log counts, by CloudWatch metric; most count nothing."""
    definitions = line.get("_aws", {}).get("CloudWatchMetrics", [])
    return {
        metric["Name"]: line[metric["Name"]]
        for definition in definitions
        for metric in definition["Metrics"]
    }


class _Deserializer(TypeDeserializer):
    """boto3's, but for a number that DynamoDB writes with more than 38 digits, such as 1E+50."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)
