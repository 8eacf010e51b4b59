"""DynamoDB and SQS in memory, as far as the function uses them, and a loop of the test's own.

test_policy.py compares its conditions with real evaluators.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering
from itertools import chain, repeat
from typing import Any
from unittest.mock import Mock

import pytest
from moto.sqs.models import Message

from function.loop import Loop
from function.request import Answer, Request, Task
from function.upsert import Upsert
from tests.function.batches import LETTERS, QUEUE

Attributes = dict[str, dict[str, Any]]
Step = Callable[[Request], Answer]
"""Answers a request; may raise OSError."""
Reply = Answer | OSError


def ok(said: object) -> Answer:
    """Make an answer of a service that did what it was asked."""
    return Answer(200, json.dumps(said).encode(), "id", is_checked=True)


def error(code: str, status: int = 400, message: str = "because", **more: Any) -> Answer:
    """Make an error of DynamoDB."""
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}
    return Answer(status, json.dumps(said).encode(), "id", is_checked=True)


TOO_LARGE = error("ValidationException", message="Item size has exceeded")
SUPERSEDED = error("ConditionalCheckFailedException")


def replying(*replies: Reply) -> Step:
    """Answer as told, whatever is asked, the last one again and again."""
    return Mock(side_effect=chain(replies, repeat(replies[-1])))


class Memory:
    """What a table and two queues hold. An item with an attribute `poison` is refused."""

    def __init__(self) -> None:
        self.items: dict[str, Attributes] = {}
        self.letters: list[dict[str, Any]] = []
        self.pauses: dict[str, int] = {}
        """Seconds by receipt handle."""
        self.requests: list[str] = []
        """The operations that were asked for."""

    def __call__(self, request: Request) -> Answer:
        """Do what a request asks for."""
        target, _, operation = request.target.partition(".")
        assert request.service == {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}[target]
        self.requests.append(operation)
        do: Callable[[dict[str, Any]], Answer] = {
            "PutItem": self._put,
            "BatchGetItem": self._read,
            "SendMessage": self._send,
            "ChangeMessageVisibilityBatch": self._pause,
        }[operation]
        return do(json.loads(request.body))

    def _put(self, asked: dict[str, Any]) -> Answer:
        table, item = asked.pop("TableName"), asked.pop("Item")
        is_told = asked.pop("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD"
        assert table == "events"
        if "poison" in item:
            return TOO_LARGE
        key = item["event_id"]["S"]
        stored = self.items.get(key, {})
        if asked and not _holds(asked, stored):
            code = "ConditionalCheckFailedException"
            return error(code, Item=stored) if is_told else error(code)
        self.items[key] = item
        return ok({})

    def _read(self, asked: dict[str, Any]) -> Answer:
        ((table, read),) = asked["RequestItems"].items()
        assert (table, read["ConsistentRead"]) == ("events", True)
        names = read["ExpressionAttributeNames"]
        wanted = [names[each] for each in read["ProjectionExpression"].split(", ")]
        keys = [key["event_id"]["S"] for key in read["Keys"]]
        assert 0 < len(keys) == len({*keys}) <= 100, "DynamoDB refuses a key that comes twice"
        found = [self.items[key] for key in keys if key in self.items]
        items = [{name: item[name] for name in wanted if name in item} for item in found]
        return ok({"Responses": {"events": items}, "UnprocessedKeys": {}})

    def _send(self, asked: dict[str, Any]) -> Answer:
        body, attributes = asked["MessageBody"], asked["MessageAttributes"]
        assert asked["QueueUrl"] == LETTERS
        assert len(attributes) <= 10
        self.letters.append({"body": body, "attributes": attributes})
        sent = Message("1", body)  # moto's, for its digests
        sent.message_attributes = {
            name: {**each, "BinaryValue": base64.b64decode(each.get("BinaryValue", ""))}
            for name, each in attributes.items()
        }
        said = {"MD5OfMessageBody": sent.body_md5, "MD5OfMessageAttributes": sent.attribute_md5}
        return ok({"MessageId": "1", **said})._replace(is_checked=False)

    def _pause(self, asked: dict[str, Any]) -> Answer:
        entries = asked["Entries"]
        assert asked["QueueUrl"] == QUEUE
        assert len({entry["Id"] for entry in entries}) == len(entries) <= 10
        self.pauses |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in entries}
        said = {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}
        return ok(said)._replace(is_checked=False)


@total_ordering
@dataclass(frozen=True)
class _Value:
    """An attribute as DynamoDB compares it: with one of its own type alone."""

    kind: str
    value: Any

    def __lt__(self, other: "_Value") -> bool:
        return self.kind == other.kind and bool(self.value < other.value)


def _value(attribute: dict[str, Any] | None) -> _Value:
    ((kind, value),) = (attribute or {"absent": None}).items()
    read: dict[str, Callable[[Any], Any]] = {"N": Decimal, "S": str.encode}
    return _Value(kind, read[kind](value) if kind in read else value)


def _holds(asked: dict[str, Any], stored: Attributes) -> bool:
    """Evaluate the condition of a PutItem: its grammar is Python's, but for the words."""
    assert {} not in asked.values(), "DynamoDB refuses an empty map"
    expression = asked.pop("ConditionExpression")
    names, values = (asked.pop(f"ExpressionAttribute{each}", {}) for each in ("Names", "Values"))
    assert asked == {}
    used = {*re.findall(r"[#:]\w+", expression)}
    assert used == {*names, *values}, "DynamoDB refuses unused names and values"
    operands = {
        **{placeholder: _value(stored.get(name)) for placeholder, name in names.items()},
        **{placeholder: _value(attribute) for placeholder, attribute in values.items()},
    }
    expression = expression.replace(" OR ", " or ").replace("NOT ", "not ")
    expression = re.sub(r"IN \((.+?)\)", r"in [\1]", expression)
    expression = re.sub(r"([#:]\w+)", r"operands['\1']", expression)
    functions = {
        "attribute_not_exists": lambda one: one.kind == "absent",
        "attribute_type": lambda one, kind: one.kind == kind.value.decode(),
    }
    return bool(eval(expression, {"operands": operands, **functions}))  # noqa: S307 (the function wrote it)


class Driver(Loop):
    """Runs tasks as function.loop.Loop does, step by step, in an order that a test chooses."""

    def __init__(
        self,
        answer: Step,
        choose: Callable[[int], int] = lambda most: 0,
        requests: float = float("inf"),
    ) -> None:
        """choose: which of so many tasks goes on, from 0. requests: after so many, time is up."""
        super().__init__()
        self._answer, self._choose, self._requests = answer, choose, requests
        self.begun: list[Request] = []
        self.pauses: list[float] = []

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run the tasks, four at once."""
        assert begin_until <= wait_until
        upcoming, waiting = iter(tasks), list[tuple[Task, Request]]()

        def resume(task: Task, news: Answer | None) -> None:
            try:
                wish = task.send(news)
                while not isinstance(wish, Request):
                    self.pauses.append(wish)
                    wish = task.send(None)
            except StopIteration:
                return
            waiting.append((task, wish))

        while len(self.begun) < self._requests:
            while len(waiting) < 4 and (task := next(upcoming, None)):
                resume(task, None)
            if not waiting:
                return
            task, request = waiting.pop(self._choose(len(waiting)) % len(waiting))
            self.begun.append(request)
            try:
                news = self._answer(request)
            except OSError as failure:
                news = Answer(0, str(failure).encode())
            except AssertionError as failure:
                pytest.fail(str(failure))  # which the function cannot catch
            resume(task, news)
        for task, _ in waiting:
            task.close()


def upsert(runner: Loop | Step, **environment: str) -> Upsert:
    """Make the function's core on a loop; environment: beside TABLE_NAME."""
    loop = runner if isinstance(runner, Loop) else Driver(runner)
    return Upsert({"TABLE_NAME": "events", **environment}, loop)
