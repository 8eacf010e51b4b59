"""DynamoDB's PutItem in memory: one table, with the part of conditions that the guard uses.

test_memory_table.py compares it with a real evaluator of conditions.
"""

import re
import threading
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from function.store import Store

Attributes = dict[str, dict[str, Any]]

_TOKENS = re.compile(r"<=|[<=(),]|[#:]?\w+")


def client_error(code: str, message: str = "", status: int = 400) -> ClientError:
    """Make the exception that boto3 raises for an error of DynamoDB."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutItem")


class MemoryTable:
    """Takes the place of a DynamoDB client; items holds attribute values by event_id.

    An item with an attribute `poison` is refused as too large.
    """

    def __init__(self) -> None:
        self.items: dict[str, Attributes] = {}
        self._lock = threading.Lock()

    def store(self, version_attribute: str = "") -> Store:
        """Return the function's store, writing here."""
        client: Any = self
        return Store(client, "events", version_attribute)

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803 boto3's names
        Item: Attributes,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: dict[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Attributes | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Put an item if the condition holds for the stored one."""
        assert TableName
        with self._lock:
            if "poison" in Item:
                raise client_error("ValidationException", "Item size has exceeded the maximum")
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
                raise client_error("ConditionalCheckFailedException", "The conditional request")
            self.items[key] = Item
            return {"ResponseMetadata": {"RequestId": "memory"}}


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
