"""DynamoDB's PutItem in memory: one table, with the part of conditions that the guard uses.

test_memory_table.py compares it with a real evaluator of conditions.
"""

import json
import re
import threading
from decimal import Decimal
from typing import Any

from function.exchange import Answer
from function.store import Store

Attributes = dict[str, dict[str, Any]]

_TOKENS = re.compile(r"<=|[<=(),]|[#:]?\w+")


def error(code: str, status: int = 400, message: str = "because") -> Answer:
    """Make an error of DynamoDB."""
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}
    return Answer(status, json.dumps(said).encode(), b"memory")


class MemoryTable:
    """Takes the place of function.exchange.Exchange; items holds attribute values by event_id.

    An item with an attribute `poison` is refused as too large.
    """

    def __init__(self) -> None:
        self.items: dict[str, Attributes] = {}
        self._lock = threading.Lock()

    def store(self) -> Store:
        """Return the function's store, writing here."""
        return Store(self, "events")

    def __call__(self, body: bytes, invocation_id: str, attempt: int) -> Answer:
        """Put an item if the condition holds for the stored one."""
        assert invocation_id
        return self._put(**json.loads(body))

    def _put(
        self,
        *,
        TableName: str,  # noqa: N803 DynamoDB's names
        Item: Attributes,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: dict[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Attributes | None = None,  # noqa: N803
    ) -> Answer:
        assert TableName == "events"
        with self._lock:
            if "poison" in Item:
                return error("ValidationException", message="Item size has exceeded the maximum")
            key = Item["event_id"]["S"]
            stored = self.items.get(key, {})
            if (
                ConditionExpression
                and not _Condition(
                    ConditionExpression,
                    ExpressionAttributeNames or {},
                    ExpressionAttributeValues or {},
                    stored,
                ).holds()
            ):
                return error("ConditionalCheckFailedException")
            self.items[key] = Item
            return Answer(200, b"{}", b"memory")


class _Condition:
    """Evaluates `not`, `or`, parentheses, <, <=, =, IN, attribute_type, attribute_not_exists."""

    def __init__(
        self, expression: str, names: dict[str, str], values: Attributes, stored: Attributes
    ) -> None:
        self._tokens = _TOKENS.findall(expression)
        assert "".join(self._tokens) == expression.replace(" ", "")
        self._names = names
        self._values = values
        self._stored = stored

    def holds(self) -> bool:
        used = set(self._tokens)
        assert set(self._names) <= used, "DynamoDB refuses unused names"
        assert set(self._values) <= used, "DynamoDB refuses unused values"
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
