"""What stands around the table: topics and rules that send, a stream of changes, an expiry."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import pytest

from tests.conftest import patient
from tools.emulator import Emulator
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import deploy

SECONDS: Final = 120.0
EVENTS: Final = 1000
TOPIC: Final = "arn:aws:sns:us-east-1:000000000000:events"
WRAPPING_TOPIC: Final = "arn:aws:sns:us-east-1:000000000000:wrapping"
RULE: Final = "arn:aws:events:us-east-1:000000000000:rule/input-path"


def _event(event_id: str, second: int = 0, **members: Any) -> dict[str, Any]:
    return {"event_id": event_id, "timestamp": f"2025-03-30T01:00:{second:02}Z", **members}


WRAPPED_BY_SNS: Final = _event("wrapped-by-sns")
WRAPPED_BY_RULE: Final = _event("wrapped-by-rule")


class _FannedIn:
    """The program on an embedded AWS, and a topic and a rule that send to its queue."""

    def __init__(self, aws: Emulator, outputs: Mapping[str, Any]) -> None:
        self.outputs = outputs
        self.client = cache(aws.client)

    def publish(self, bodies: Sequence[str], topic: str = TOPIC) -> None:
        for batch in _tens(bodies):
            entries = [{"Id": str(place), "Message": body} for place, body in enumerate(batch)]
            answer = self.client("sns").publish_batch(
                TopicArn=topic, PublishBatchRequestEntries=entries
            )
            assert answer["Failed"] == []

    def put_events(self, bodies: Sequence[str], source: str = "test.input-path") -> None:
        for batch in _tens(bodies):
            entries = [{"Source": source, "DetailType": "state", "Detail": body} for body in batch]
            assert self.client("events").put_events(Entries=entries)["FailedEntryCount"] == 0

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one event, and wait until nothing is left of its message."""
        self.client("sqs").send_message(
            QueueUrl=self.outputs["queueUrl"], MessageBody=json.dumps(event)
        )
        self.await_empty_queue()

    def await_empty_queue(self) -> None:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self.client("sqs").get_queue_attributes(
                QueueUrl=self.outputs["queueUrl"], AttributeNames=names
            )
            if not any(map(int, answer["Attributes"].values())):
                return
            assert time.monotonic() < deadline, answer["Attributes"]
            time.sleep(0.05)

    def dead_letters(self) -> Iterator[dict[str, Any]]:
        """Receive the bodies of dead letters as they come, until the time is up."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            answer = self.client("sqs").receive_message(
                QueueUrl=self.outputs["deadLetterQueueUrl"], WaitTimeSeconds=1
            )
            yield from (json.loads(each["Body"]) for each in answer.get("Messages", []))

    def item(self, event_id: str) -> dict[str, Any] | None:
        answer = self.client("dynamodb").get_item(
            TableName=self.outputs["tableName"], Key={"event_id": {"S": event_id}}
        )
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def items(self) -> dict[str, Any]:
        pages = self.client("dynamodb").get_paginator("scan")
        return {
            item["event_id"]["S"]: item
            for page in pages.paginate(TableName=self.outputs["tableName"], ConsistentRead=True)
            for item in page["Items"]
        }

    def reasons(self) -> set[str]:
        """Read from the function's log why messages were rejected."""
        pages = self.client("logs").get_paginator("filter_log_events")
        group = f"/aws/lambda/{self.outputs['functionName']}"
        lines = [
            json.loads(line["message"])
            for page in pages.paginate(logGroupName=group)
            for line in page["events"]
            if line["message"].startswith("{")
        ]
        return {line["reason"] for line in lines if line.get("outcome") == "rejected"}

    def records(self) -> list[tuple[str, Any, Any]]:
        """Read the table's stream from its beginning, as a consumer would."""
        streams, arn = self.client("dynamodbstreams"), self.outputs["tableStreamArn"]
        found = []
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                answer = streams.get_records(ShardIterator=iterator)
                found += [
                    (each["eventName"], images.get("OldImage"), images["NewImage"])
                    for each in answer["Records"]
                    for images in [each["dynamodb"]]
                ]
                iterator = answer.get("NextShardIterator") if answer["Records"] else None
        return found


def _tens(bodies: Sequence[str]) -> Iterator[Sequence[str]]:
    """SNS and EventBridge take ten at a time."""
    return (bodies[first : first + 10] for first in range(0, len(bodies), 10))


@pytest.fixture(scope="module")
def fanned_in() -> Iterator[_FannedIn]:
    stack = load_stack("local").with_config(
        {
            "topicArns": [TOPIC],
            "ruleArns": [RULE],
            "changeStream": True,
            "expiryAttribute": "expires_at",
        }
    )
    with Emulator(region=stack.region) as aws:
        outputs = deploy(aws, patient(make_template(stack)))
        # The embedded AWS's CloudFormation leaves the expiry out.
        expiry = {"Enabled": True, "AttributeName": "expires_at"}
        aws.client("dynamodb").update_time_to_live(
            TableName=outputs["tableName"], TimeToLiveSpecification=expiry
        )
        sns, events = aws.client("sns"), aws.client("events")
        for topic, raw in ((TOPIC, "true"), (WRAPPING_TOPIC, "false")):
            sns.subscribe(
                TopicArn=sns.create_topic(Name=topic.split(":")[-1])["TopicArn"],
                Protocol="sqs",
                Endpoint=outputs["queueArn"],
                Attributes={"RawMessageDelivery": raw},
            )
        for rule, inputs in (("input-path", {"InputPath": "$.detail"}), ("wrapping", {})):
            events.put_rule(Name=rule, EventPattern=json.dumps({"source": [f"test.{rule}"]}))
            target = {"Id": "queue", "Arn": outputs["queueArn"], **inputs}
            events.put_targets(Rule=rule, Targets=[target])
        both = _FannedIn(aws, outputs)
        # First, because a message takes its deliveries before it is a dead letter.
        both.publish([json.dumps(WRAPPED_BY_SNS)], WRAPPING_TOPIC)
        both.put_events([json.dumps(WRAPPED_BY_RULE)], "test.wrapping")
        yield both


def _item(event: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for key, value in event.items()
    }


def test_a_thousand_events_through_a_topic_and_a_rule_are_all_stored(fanned_in: _FannedIn) -> None:
    events = [_event(f"fan-{number}", number=number) for number in range(EVENTS)]
    bodies = [json.dumps(event) for event in events]
    records = fanned_in.records()
    fanned_in.publish(bodies[: EVENTS // 2])
    fanned_in.put_events(bodies[EVENTS // 2 :])
    fanned_in.await_empty_queue()
    items = fanned_in.items()
    for event in events:
        assert items[event["event_id"]] == _item(event)
    added = fanned_in.records()[len(records) :]
    assert sorted(added, key=str) == sorted(
        (("INSERT", None, _item(event)) for event in events), key=str
    )


def test_what_arrives_wrapped_is_a_dead_letter(fanned_in: _FannedIn) -> None:
    wanted = [WRAPPED_BY_SNS, WRAPPED_BY_RULE]
    for letter in fanned_in.dead_letters():
        wrapped = json.loads(letter["Message"]) if "Message" in letter else letter.get("detail")
        if wrapped in wanted:
            wanted.remove(wrapped)
        if not wanted:
            break
    assert wanted == []
    for event in (WRAPPED_BY_SNS, WRAPPED_BY_RULE):
        assert fanned_in.item(event["event_id"]) is None
    reasons = fanned_in.reasons()
    for fix in ("turn on raw message delivery", 'the input path "$.detail"'):
        assert [reason for reason in reasons if fix in reason], reasons


def test_the_stream_has_one_record_for_each_change_of_state_and_none_for_others(
    fanned_in: _FannedIn,
) -> None:
    old, middle, new = (_event("changing", second, state=second) for second in (1, 2, 3))
    before = len(fanned_in.records())
    # Each alone in its batch: a newer one beside it would spare the older one its write.
    for event, stored in (
        (middle, middle),
        (old, middle),
        (middle, middle),
        (new, new),
        (old, new),
    ):
        fanned_in.send(event)
        assert fanned_in.item("changing") == _item(stored)
    assert fanned_in.records()[before:] == [
        ("INSERT", None, _item(middle)),
        ("MODIFY", _item(middle), _item(new)),
    ]


def test_an_event_that_expires_is_stored_as_it_is(fanned_in: _FannedIn) -> None:
    tombstone = _event("deleted", 9, deleted="yes", expires_at=int(time.time()) + 3600)
    fanned_in.send(tombstone)
    assert fanned_in.item("deleted") == _item(tombstone)
