"""What stands around the table: topics and rules that send, and a stream of changes."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from tests.conftest import Deployment, patient
from tools.deployed import Deployed
from tools.emulator import Emulator
from tools.stacks import load_stack
from tools.template import make_template
from tools.up import deploy

EVENTS: Final = 200
TOPICS: Final = {
    "events": "arn:aws:sns:us-east-1:000000000000:events",
    "wrapping": "arn:aws:sns:us-east-1:000000000000:wrapping",
}
RULE: Final = "arn:aws:events:us-east-1:000000000000:rule/input-path"


def _event(event_id: str, second: int = 0, **members: Any) -> dict[str, Any]:
    return {"event_id": event_id, "timestamp": f"2025-03-30T01:00:{second:02}Z", **members}


class _FannedIn(Deployment):
    """The program on an embedded AWS, and a topic and a rule that send to its queue."""

    def publish(self, events: Sequence[dict[str, Any]], topic: str = "events") -> None:
        sns = self.aws.client("sns")
        for event in events:
            sns.publish(TopicArn=TOPICS[topic], Message=json.dumps(event))

    def put_events(self, events: Sequence[dict[str, Any]], source: str = "input-path") -> None:
        client, of = self.aws.client("events"), {"Source": f"test.{source}", "DetailType": "state"}
        for event in events:
            answer = client.put_events(Entries=[{**of, "Detail": json.dumps(event)}])
            assert answer["FailedEntryCount"] == 0

    def store(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Send one event, wait until nothing is left of its message, return the item of its id."""
        self.deployed.send([json.dumps(event)])
        self.drain()
        return self.deployed.item(event["event_id"])

    def records(self) -> list[tuple[str, Any, Any]]:
        """Read the table's stream from its beginning, as a consumer would."""
        streams, arn = self.aws.client("dynamodbstreams"), self.outputs["tableStreamArn"]
        found = []
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                answer = streams.get_records(ShardIterator=iterator)
                for each in answer["Records"]:
                    images = each["dynamodb"]
                    found.append((each["eventName"], images.get("OldImage"), images["NewImage"]))
                iterator = answer.get("NextShardIterator") if answer["Records"] else None
        return found


@pytest.fixture(scope="module")
def fanned_in() -> Iterator[_FannedIn]:
    stack = load_stack("local").with_config(
        {"topicArns": [*TOPICS.values()], "ruleArns": [RULE], "changeStream": True}
    )
    with Emulator(region=stack.region) as aws:
        outputs = deploy(aws, patient(make_template(stack)))
        sns, events = aws.client("sns"), aws.client("events")
        for topic, raw in (("events", "true"), ("wrapping", "false")):
            sns.subscribe(
                TopicArn=sns.create_topic(Name=topic)["TopicArn"],
                Protocol="sqs",
                Endpoint=outputs["queueArn"],
                Attributes={"RawMessageDelivery": raw},
            )
        for rule, inputs in (("input-path", {"InputPath": "$.detail"}), ("wrapping", {})):
            events.put_rule(Name=rule, EventPattern=json.dumps({"source": [f"test.{rule}"]}))
            target = {"Id": "queue", "Arn": outputs["queueArn"], **inputs}
            events.put_targets(Rule=rule, Targets=[target])
        yield _FannedIn(aws=aws, outputs=outputs, deployed=Deployed(outputs))


def _image(event: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for key, value in event.items()
    }


def test_all_events_through_a_topic_and_a_rule_are_stored(fanned_in: _FannedIn) -> None:
    events = [_event(f"fan-{number}", number=number) for number in range(EVENTS)]
    before = len(fanned_in.records())
    fanned_in.publish(events[: EVENTS // 2])
    fanned_in.put_events(events[EVENTS // 2 :])
    fanned_in.drain()
    items = {item["event_id"]: item for item in fanned_in.deployed.items()}
    assert [items[event["event_id"]] for event in events] == events
    inserted = [("INSERT", None, _image(event)) for event in events]
    assert sorted(fanned_in.records()[before:], key=str) == sorted(inserted, key=str)


def test_what_arrives_wrapped_is_a_dead_letter_that_says_how_to_unwrap_it(
    fanned_in: _FannedIn,
) -> None:
    by_topic, by_rule = _event("wrapped-by-sns"), _event("wrapped-by-rule")
    fanned_in.publish([by_topic], "wrapping")
    fanned_in.put_events([by_rule], "wrapping")
    fanned_in.drain()
    one, other = sorted(fanned_in.deployed.dead_letters(), key=lambda letter: letter.reason)
    assert "turn on raw message delivery" in other.reason
    assert json.loads(json.loads(other.body)["Message"]) == by_topic
    assert 'the input path "$.detail"' in one.reason
    assert json.loads(one.body)["detail"] == by_rule
    assert fanned_in.deployed.item("wrapped-by-sns") is None
    assert fanned_in.deployed.item("wrapped-by-rule") is None


def test_the_stream_has_one_record_for_each_change_of_state_and_none_for_others(
    fanned_in: _FannedIn,
) -> None:
    old, middle, new = (_event("changing", second, state=second) for second in (1, 2, 3))
    before = len(fanned_in.records())
    # Each alone in its batch: a newer one beside it would spare the older one its write.
    sent = [middle, old, middle, new, old]
    assert [fanned_in.store(event) for event in sent] == [middle, middle, middle, new, new]
    assert fanned_in.records()[before:] == [
        ("INSERT", None, _image(middle)),
        ("MODIFY", _image(middle), _image(new)),
    ]
