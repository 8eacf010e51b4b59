"""A stack as its outputs name it, on moto, in this process: all but a function that does things."""

import json
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tools.__main__ import main
from tools.deployed import Deployed

REGION = "eu-west-1"
LOG_GROUP = "/aws/lambda/f"


class MockedStack:
    """Makes what a deployed stack has; its key is order_id, so that event_id stands nowhere."""

    def __init__(self) -> None:
        session = boto3.Session(region_name=REGION)
        self.sqs, self.dynamodb = session.client("sqs"), session.client("dynamodb")
        self._logs = session.client("logs")
        self._logs.create_log_group(logGroupName=LOG_GROUP)
        self._logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName="s")
        self.dynamodb.create_table(
            TableName="t",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        )
        self.dead_url = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        dead = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])
        arn = dead["Attributes"]["QueueArn"]
        self.redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        self.url = self.sqs.create_queue(
            QueueName="q", Attributes={"VisibilityTimeout": "7", "RedrivePolicy": self.redrive}
        )["QueueUrl"]
        self.outputs = {
            "queueUrl": self.url,
            "queueArn": arn.replace("dead", "q"),
            "deadLetterQueueUrl": self.dead_url,
            "tableName": "t",
            "functionName": "f",
            "versionAttribute": "version",
            "keyAttribute": "order_id",
        }
        self.deployed = Deployed(self.outputs)

    def run(self, *command: str) -> int:
        """Run a command of `python -m tools` about this stack; return its exit status."""
        with tempfile.NamedTemporaryFile("w+") as file:
            json.dump(self.outputs, file)
            file.flush()
            return main([*command, "--outputs", file.name])

    def log(self, at: float | None = None, /, **members: Any) -> None:
        """Write a line into the function's log, at some seconds since 1970."""
        moment = int(1000 * (at or time.time()))
        events = [{"timestamp": moment, "message": json.dumps(members)}]
        self._logs.put_log_events(logGroupName=LOG_GROUP, logStreamName="s", logEvents=events)  # type: ignore[arg-type]

    def no_log(self) -> None:
        """Delete the log: whoever asks for it fails."""
        self._logs.delete_log_group(logGroupName=LOG_GROUP)

    def letter(self, body: str, **attributes: str) -> str:
        """Put a message into the dead-letter queue; return its id there."""
        named: Any = {
            name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()
        }
        sent = self.sqs.send_message(
            QueueUrl=self.dead_url, MessageBody=body, MessageAttributes=named
        )
        return sent["MessageId"]

    def empty(self) -> None:
        """Acknowledge all that waits in the queue."""
        while received := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in received:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def letters(self) -> list[str]:
        """Return the bodies of the dead letters that are visible."""
        return sorted(letter.body for letter in self.deployed.dead_letters())

    def operations(self, deployed: Deployed) -> list[str]:
        """Return a list of what a deployed stack's clients ask from now on."""
        called: list[str] = []
        for name in ("sqs", "dynamodb", "logs"):
            deployed.client(name).meta.events.register(
                "before-call", lambda model, **_: called.append(model.name)
            )
        return called


@pytest.fixture
def stack() -> Iterator[MockedStack]:
    with mock_aws():
        yield MockedStack()
