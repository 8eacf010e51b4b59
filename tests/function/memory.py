"""DynamoDB and SQS in memory, as far as the function uses them, and a loop of the test's own.

test_policy.py compares its conditions with a real evaluator.
"""

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from function.queue import md5_of_attributes
from function.request import Answer, NoAnswerError, Pause, Request, Task
from function.upsert import Upsert
from tests.function.batches import md5

Attributes = dict[str, dict[str, Any]]
Step = Callable[[Request], Answer]
"""Answers a request; may raise NoAnswerError."""

QUEUE, LETTERS = "https://sqs/1/events", "https://sqs/1/events-dlq"
_TOKENS = re.compile(r"<=|[<=(),]|[#:]?\w+")


def ok(said: object) -> Answer:
    """Make an answer of a service that did what it was asked."""
    return Answer(200, json.dumps(said).encode(), "id", is_checked=True)


def error(code: str, status: int = 400, message: str = "because", **more: Any) -> Answer:
    """Make an error of DynamoDB."""
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}
    return Answer(status, json.dumps(said).encode(), "id", is_checked=True)


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
        operation = request.target.partition(".")[2]
        self.requests.append(operation)
        asked = json.loads(request.body)
        service = "sqs" if request.target.startswith("AmazonSQS.") else "dynamodb"
        assert request.service == service
        answer: Answer = getattr(self, f"_{operation}")(**asked)
        return answer

    def _PutItem(  # noqa: N802 DynamoDB's names
        self,
        *,
        TableName: str,  # noqa: N803
        Item: Attributes,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: dict[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Attributes | None = None,  # noqa: N803
        ReturnValuesOnConditionCheckFailure: str = "NONE",  # noqa: N803
    ) -> Answer:
        assert TableName == "events"
        if "poison" in Item:
            return error("ValidationException", message="Item size has exceeded the maximum")
        key = Item["event_id"]["S"]
        stored = self.items.get(key, {})
        assert {} not in (ExpressionAttributeNames, ExpressionAttributeValues), (
            "DynamoDB refuses it"
        )
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}
        if ConditionExpression and not _Condition(ConditionExpression, names, values).holds(stored):
            is_told = ReturnValuesOnConditionCheckFailure == "ALL_OLD"
            more: dict[str, Any] = {"Item": stored} if is_told else {}
            return error("ConditionalCheckFailedException", **more)
        self.items[key] = Item
        return ok({})

    def _BatchGetItem(self, *, RequestItems: dict[str, Any]) -> Answer:  # noqa: N802, N803
        ((table, asked),) = RequestItems.items()
        assert (table, asked["ConsistentRead"]) == ("events", True)
        names = asked["ExpressionAttributeNames"]
        assert all(re.fullmatch(r"#\w+", each) for each in names)
        wanted = [names[each] for each in asked["ProjectionExpression"].split(", ")]
        keys = [key["event_id"]["S"] for key in asked["Keys"]]
        assert 0 < len(keys) <= 100
        assert len(keys) == len({*keys}), "DynamoDB refuses a key that comes twice"
        found = [self.items[key] for key in keys if key in self.items]
        items = [{name: item[name] for name in wanted if name in item} for item in found]
        return ok({"Responses": {"events": items}, "UnprocessedKeys": {}})

    def _SendMessage(  # noqa: N802
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageAttributes: dict[str, Any],  # noqa: N803
    ) -> Answer:
        assert QueueUrl == LETTERS
        assert len(MessageAttributes) <= 10
        self.letters.append({"body": MessageBody, "attributes": MessageAttributes})
        digest = md5_of_attributes(MessageAttributes)
        said = {"MD5OfMessageBody": md5(MessageBody), "MD5OfMessageAttributes": digest}
        return ok({"MessageId": "1", **said})._replace(is_checked=False)

    def _ChangeMessageVisibilityBatch(  # noqa: N802
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: list[dict[str, Any]],  # noqa: N803
    ) -> Answer:
        assert QueueUrl == QUEUE
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        self.pauses |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        said = {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}
        return ok(said)._replace(is_checked=False)


class Driver:
    """Runs tasks as function.loop.Loop does, step by step, in an order that a test chooses."""

    def __init__(
        self,
        answer: Step,
        choose: Callable[[int], int] = lambda most: 0,
        requests: float = float("inf"),
    ) -> None:
        """answer: to each request. choose: which of so many tasks goes on, from 0.

        requests: after so many, time is up.
        """
        self._answer = answer
        self._choose = choose
        self._requests = requests
        self.begun: list[Request] = []
        self.pauses: list[float] = []

    def run(self, tasks: Iterable[Task], begin_until: float, wait_until: float) -> None:
        """Run the tasks, four at once."""
        assert begin_until <= wait_until
        upcoming, waiting = iter(tasks), list[tuple[Task, Request]]()

        def resume(task: Task, news: Answer | NoAnswerError | None) -> None:
            try:
                wish = task.throw(news) if isinstance(news, Exception) else task.send(news)
                while isinstance(wish, Pause):
                    self.pauses.append(wish.seconds)
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
                news: Answer | NoAnswerError = self._answer(request)
            except NoAnswerError as failure:
                news = failure
            except AssertionError as failure:
                pytest.fail(str(failure))  # which the function cannot catch
            resume(task, news)
        for task, _ in waiting:
            task.close()


def upsert(runner: Driver | Step, **environment: str) -> Upsert:
    """Make the function's core on a driver; environment: beside TABLE_NAME."""
    driver = runner if isinstance(runner, Driver) else Driver(runner)
    return Upsert({"TABLE_NAME": "events", **environment}, driver)


NEWEST = {"VERSION_ATTRIBUTE": "version"}
FIRST = {"APPEND_ONLY": "true"}
MANAGED = {"QUEUE_URL": QUEUE, "DEAD_LETTER_QUEUE_URL": LETTERS}
READ = {"READ_BEFORE_WRITE": "true"}


class _Condition:
    """Evaluates `not`, `or`, parentheses, <, <=, =, IN, attribute_type, attribute_not_exists."""

    def __init__(self, expression: str, names: dict[str, str], values: Attributes) -> None:
        self._tokens = _TOKENS.findall(expression)
        assert "".join(self._tokens) == expression.replace(" ", "")
        used = {*self._tokens}
        assert {*names} | {*values} <= used, "DynamoDB refuses unused names and values"
        self._names = names
        self._values = values
        self._stored: Attributes = {}

    def holds(self, stored: Attributes) -> bool:
        """Tell whether it is true of an item; an item that is not there has no attributes."""
        self._stored = stored
        result = self._any()
        assert not self._tokens
        return result

    def _take(self, expected: str = "") -> str:
        token: str = self._tokens.pop(0)
        assert expected in ("", token)
        return token

    def _any(self) -> bool:
        result = self._one()
        while self._tokens and self._tokens[0] == "OR":
            self._take()
            result |= self._one()
        return result

    def _one(self) -> bool:
        token = self._take()
        if token == "NOT":
            return not self._one()
        if token == "(":
            result = self._any()
            self._take(")")
            return result
        if token.startswith("attribute_"):
            self._take("(")
            stored = self._stored.get(self._names[self._take()])
            if token == "attribute_not_exists":
                self._take(")")
                return stored is None
            assert token == "attribute_type"
            self._take(",")
            wanted = self._values[self._take()]["S"]
            self._take(")")
            return stored is not None and wanted in stored
        stored = self._stored.get(self._names[token])
        operator = self._take()
        if operator == "IN":
            self._take("(")
            found = False
            while True:
                found |= _compare("=", stored, self._values[self._take()])
                if self._take() == ")":
                    return found
        return _compare(operator, stored, self._values[self._take()])


def _compare(operator: str, stored: dict[str, Any] | None, value: dict[str, Any]) -> bool:
    if stored is None or stored.keys() != value.keys():
        return False
    left, right = (
        Decimal(one["N"]) if "N" in one else one.get("S", "").encode() for one in (stored, value)
    )
    less, equal = left < right, left == right
    return {"<": less, "<=": less or equal, "=": equal}[operator]
