"""Events: as text, as messages, and as the table's items."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from function.message import Message
from tools.errors import ToolError

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGE_BYTES: Final = 1_048_576
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED_BY_SQS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnsendableError(ToolError):
    """Why a text makes no message, in words that follow "line 7: "."""


def message_body(text: str) -> str:
    """Return a text as it is, if SQS takes it; else raise UnsendableError."""
    if found := _REFUSED_BY_SQS.search(text):
        code = f"U+{ord(found[0]):04X}"
        raise UnsendableError(f"the message has the character {code}, which SQS refuses")
    if not 1 <= (size := len(text.encode())) <= MESSAGE_BYTES:
        raise UnsendableError(f"the message has {size} bytes, SQS takes 1 to {MESSAGE_BYTES}")
    return text


def parsed(body: str, key: str) -> Message:
    """Return what the function makes of a body, whatever its version. key: the table's."""
    return Message({"body": body}, key, lambda _: None)


def event_body(text: str, key: str) -> str:
    """Return a text as it is, if it is an event; else raise UnsendableError with its reason."""
    if reason := parsed(text, key).reason:
        raise UnsendableError(reason)
    return message_body(text)


def decode(body: str) -> Any:
    """Return what a JSON text says, numbers as Decimal, as `Deployed.item` gives them."""
    return json.loads(body, parse_int=Decimal, parse_float=Decimal)


def to_json(value: object) -> str:
    """Write a value as JSON, a Decimal digit by digit, with nothing in it that SQS refuses."""
    match value:
        case Mapping() if all(isinstance(name, str) for name in value):
            pairs = (f"{to_json(name)}:{to_json(each)}" for name, each in value.items())
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(map(to_json, value))}]"
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return _REFUSED_BY_SQS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        case Decimal() if value.is_finite():
            return str(value)
        case None | bool() | int():
            return json.dumps(value)
    raise UnsendableError(f"the message holds a {type(value).__name__} that JSON has no form for")


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's item, which DynamoDB tells by types, as the event that it is."""
    return dict(_Deserializer().deserialize({"M": item}))


class _Deserializer(TypeDeserializer):
    """boto3's, but for a number that DynamoDB writes with more than 38 digits, such as 1E+50."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in kind, too: to Python, True equals Decimal(1)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and bool(one == other)
